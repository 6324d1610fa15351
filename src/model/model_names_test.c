/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Names of spaces, entities and connection types: complete, distinct, and parsed back. */
#include "base/base_error.h"
#include "model/model_token.h"
#include "model/model_types.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect_space(const char *text, ng_space expected)
{
    ng_space space = NG_SPACE_COUNT;
    assert_int_equal(ng_space_parse(text, &space), NG_OK);
    assert_int_equal(space, expected);
}

static void test_spaces(void **state)
{
    (void)state;
    for (int s = 0; s < NG_SPACE_COUNT; s++) {
        const char *name = ng_space_name((ng_space)s);
        char text[32];
        assert_non_null(name);
        expect_space(name, (ng_space)s);
        snprintf(text, sizeof text, "L%d", s + 1);
        expect_space(text, (ng_space)s);
        snprintf(text, sizeof text, "l%d_%s", s + 1, name);
        expect_space(text, (ng_space)s);
        snprintf(text, sizeof text, "L%d%c%s", s + 1, toupper(name[0]), name + 1);
        expect_space(text, (ng_space)s);
    }
    assert_string_equal(ng_space_name(NG_SPACE_TEMPORAL), "temporal");
    assert_null(ng_space_name((ng_space)8));
    assert_null(ng_space_name((ng_space)-1));
}

static void test_spaces_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",          "l",         "L0",   "L9",
                                      "L10",       "1",         "phys", "LL1",
                                      "L1sensory", "physicall", "l1_",  "L1 emotional x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ng_space space = NG_SPACE_MOTOR;
        ng_status status = ng_space_parse(bad[i], &space);
        if (strcmp(bad[i], "l1_") == 0) { /* separators count for nothing, so this is L1 */
            assert_int_equal(status, NG_OK);
            continue;
        }
        assert_int_equal(status, NG_E_INVALID);
        assert_int_equal(space, NG_SPACE_MOTOR);
        for (int s = 0; s < NG_SPACE_COUNT; s++)
            assert_non_null(strstr(ng_last_error(), ng_space_name((ng_space)s)));
    }
    char huge[5000];
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    ng_space space;
    assert_int_equal(ng_space_parse(huge, &space), NG_E_INVALID);
    assert_non_null(strstr(ng_last_error(), "abstract"));
    assert_int_equal(ng_space_parse(NULL, &space), NG_E_INVALID);
    assert_int_equal(ng_space_parse("L1", NULL), NG_E_INVALID);
}

static void test_entities(void **state)
{
    (void)state;
    for (int entity = 0; entity < 16; entity++) {
        assert_non_null(ng_entity_name((ng_entity)entity));
        for (int other = 0; other < entity; other++)
            assert_string_not_equal(ng_entity_name((ng_entity)entity),
                                    ng_entity_name((ng_entity)other));
    }
    assert_string_equal(ng_entity_name(NG_ENTITY_CONCEPT), "concept");
    assert_null(ng_entity_name((ng_entity)16));
    assert_null(ng_entity_name((ng_entity)-1));
}

/* A name as someone may write it: "Associated With", "associated_with", "ASSOCIATED-WITH". */
static void respell(const char *name, char separator, int (*letter)(int), char *out)
{
    for (size_t i = 0; name[i] != '\0'; i++) {
        if (i > 0 && isupper((unsigned char)name[i]))
            *out++ = separator;
        *out++ = (char)letter((unsigned char)name[i]);
    }
    *out = '\0';
}

static void test_types(void **state)
{
    (void)state;
    for (int type = 0; type < NG_CONNECTION_TYPE_COUNT; type++) {
        const char *name = ng_connection_type_name((uint8_t)type);
        uint8_t parsed = 255;
        char text[96];
        assert_non_null(name);
        assert_int_equal(ng_connection_type_parse(name, &parsed), NG_OK);
        assert_int_equal(parsed, type);
        respell(name, '_', tolower, text);
        assert_int_equal(ng_connection_type_parse(text, &parsed), NG_OK);
        assert_int_equal(parsed, type);
        respell(name, '-', toupper, text);
        assert_int_equal(ng_connection_type_parse(text, &parsed), NG_OK);
        assert_int_equal(parsed, type);
    }
    for (int type = NG_CONNECTION_TYPE_COUNT; type < 256; type++) {
        assert_null(ng_connection_type_name((uint8_t)type));
        assert_null(ng_connection_category_name((uint8_t)type));
        assert_int_equal(ng_connection_type_mutability((uint8_t)type), NG_LEARNABLE);
    }
}

static void test_type_values(void **state)
{
    (void)state;
    assert_string_equal(ng_connection_type_name(0x00), "Synonym");
    assert_string_equal(ng_connection_type_name(0x02), "Hypernym");
    assert_string_equal(ng_connection_type_name(0x0F), "Region");
    assert_string_equal(ng_connection_type_name(NG_CONNECTION_TYPE_DEFAULT), "AssociatedWith");
    assert_string_equal(ng_connection_type_name(0x7F), "OptimizedFor");
    assert_string_equal(ng_connection_type_name(0xAF), "Alternates");
    assert_int_equal(NGI_TYPE_ASSOCIATED_WITH, NG_CONNECTION_TYPE_DEFAULT);
    assert_int_equal(NGI_TYPE_ALTERNATES, 0xAF);
    static const char *const categories[11] = {"Semantic",      "Causal",     "Temporal",
                                               "Spatial",       "Logical",    "Associative",
                                               "Structural",    "Functional", "Emotional",
                                               "Rule/Metaphor", "Dynamic"};
    static const bool immutable[11] = {true, false, false, true, true, false,
                                       true, false, false, true, false};
    for (int type = 0; type < NG_CONNECTION_TYPE_COUNT; type++) {
        assert_string_equal(ng_connection_category_name((uint8_t)type), categories[type / 16]);
        assert_int_equal(ng_connection_type_mutability((uint8_t)type),
                         immutable[type / 16] ? NG_IMMUTABLE : NG_LEARNABLE);
    }
}

static void test_types_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",          "_",  "Hyper",          "Hypernyms",
                                      "Hypernym.", "80", "Hyp\xC3\xA9rnym"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t type = 77;
        assert_int_equal(ng_connection_type_parse(bad[i], &type), NG_E_INVALID);
        assert_int_equal(type, 77);
        assert_non_null(strstr(ng_last_error(), bad[i]));
    }
    uint8_t type;
    assert_int_equal(ng_connection_type_parse(NULL, &type), NG_E_INVALID);
    assert_int_equal(ng_connection_type_parse("Hypernym", NULL), NG_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spaces),      cmocka_unit_test(test_spaces_refused),
        cmocka_unit_test(test_entities),    cmocka_unit_test(test_types),
        cmocka_unit_test(test_type_values), cmocka_unit_test(test_types_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
