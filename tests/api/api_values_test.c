/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Names of spaces, entities and types; the constitution; collections. */
#include "api_support.h"

#include <math.h>
#include <stdlib.h>

static void test_spaces(void **state)
{
    (void)state;
    ng_space space = NG_SPACE_COUNT;
#define CHECK(name, value, key, axes)                                                              \
    assert_string_equal(ng_space_name(name), key);                                                 \
    ASSERT_OK(ng_space_parse(key, &space));                                                        \
    assert_int_equal(space, value);
    NG_SPACE_TABLE(CHECK)
#undef CHECK
    assert_null(ng_space_name((ng_space)8));
    assert_null(ng_space_name((ng_space)-1));
    static const struct {
        const char *text;
        ng_space space;
    } other[] = {{"L1Physical", NG_SPACE_PHYSICAL}, {"l1_physical", NG_SPACE_PHYSICAL},
                 {"L1", NG_SPACE_PHYSICAL},         {"l8", NG_SPACE_ABSTRACT},
                 {"L7Temporal", NG_SPACE_TEMPORAL}, {"Emotional", NG_SPACE_EMOTIONAL}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        ASSERT_OK(ng_space_parse(other[i].text, &space));
        assert_int_equal(space, other[i].space);
    }
    ASSERT_FAILS(ng_space_parse("L9", &space), NG_E_INVALID, "L9", "physical", "abstract");
    ASSERT_FAILS(ng_space_parse("", &space), NG_E_INVALID, "physical");
    ASSERT_FAILS(ng_space_parse("physicall", &space), NG_E_INVALID, "physicall");
    ASSERT_FAILS(ng_space_parse("L2Physical", &space), NG_E_INVALID, "L2Physical");
    ASSERT_FAILS(ng_space_parse(NULL, &space), NG_E_INVALID, "NULL");
}

static void test_entities(void **state)
{
    (void)state;
#define CHECK(name, value, text) assert_string_equal(ng_entity_name(name), text);
    NG_ENTITY_TABLE(CHECK)
#undef CHECK
    assert_null(ng_entity_name((ng_entity)16));
    assert_null(ng_entity_name((ng_entity)-1));
}

static void test_connection_types(void **state)
{
    (void)state;
    int count = 0;
    uint8_t type = 0;
    for (int value = 0; value < 256; value++) {
        const char *name = ng_connection_type_name((uint8_t)value);
        assert_int_equal(name != NULL, value < NG_CONNECTION_TYPE_COUNT);
        assert_int_equal(ng_connection_category_name((uint8_t)value) != NULL, value < 176);
        if (name == NULL)
            continue;
        count++;
        ASSERT_OK(ng_connection_type_parse(name, &type));
        assert_int_equal(type, value);
    }
    assert_int_equal(count, 176);
    assert_string_equal(ng_connection_type_name(NG_CONNECTION_TYPE_DEFAULT), "AssociatedWith");
    assert_string_equal(ng_connection_category_name(0), "Semantic");
    ASSERT_OK(ng_connection_type_parse("associated_with", &type));
    assert_int_equal(type, NG_CONNECTION_TYPE_DEFAULT);
    ASSERT_OK(ng_connection_type_parse("ASSOCIATED-with ", &type));
    assert_int_equal(type, NG_CONNECTION_TYPE_DEFAULT);
    ASSERT_FAILS(ng_connection_type_parse("Hypernymm", &type), NG_E_INVALID, "Hypernymm");
    ASSERT_FAILS(ng_connection_type_parse("", &type), NG_E_INVALID, "type");
    ASSERT_FAILS(ng_connection_type_parse(NULL, &type), NG_E_INVALID, "NULL");
}

static void test_constitution(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_cdna cdna, copy;
    ASSERT_OK(ng_cdna_get(store, &cdna));
    assert_int_equal(cdna.profile, 0);
    assert_int_equal(cdna.max_out_degree, 1000);
    assert_int_equal(cdna.max_in_degree, 1000);
    assert_int_equal(cdna.max_total_degree, 2000);
    assert_true(cdna.min_token_weight == 0 && cdna.max_token_weight == 1);
    assert_true(cdna.min_pull_strength == -10 && cdna.max_pull_strength == 10);
    assert_true(cdna.scales[3] == 1 && cdna.created_at > 1600000000);
    cdna.max_token_weight = 0.5f;
    cdna.scales[NG_SPACE_SOCIAL] = 2;
    ASSERT_OK(ng_cdna_set(store, &cdna, NULL));
    ASSERT_OK(ng_cdna_get(store, &copy));
    assert_true(copy.max_token_weight == 0.5f && copy.scales[NG_SPACE_SOCIAL] == 2);
    assert_int_equal(copy.created_at, cdna.created_at);
    assert_true(copy.modified_at >= copy.created_at);
    ng_token_fields fields = api_fields();
    ng_token_id id = 0;
    fields.set = NG_FIELD_WEIGHT;
    fields.weight = 0.75f;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "weight 0.75", "0..0.5");
    fields.weight = 0.5f;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    ASSERT_OK(ng_close(store));
}

#define REFUSE(assignment, ...)                                                                    \
    do {                                                                                           \
        ng_cdna wrong = good;                                                                      \
        wrong.assignment;                                                                          \
        ASSERT_FAILS(ng_cdna_set(store, &wrong, NULL), NG_E_INVALID, __VA_ARGS__);                 \
        ASSERT_OK(ng_cdna_get(store, &wrong));                                                     \
        assert_memory_equal(&wrong, &good, sizeof good);                                           \
    } while (0)

static void test_constitution_is_checked(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_cdna good;
    ASSERT_OK(ng_cdna_get(store, &good));
    ASSERT_FAILS(ng_cdna_get(store, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_cdna_set(store, NULL, NULL), NG_E_INVALID, "cdna");
    REFUSE(profile = 7, "profile", "7");
    REFUSE(flags = 99, "flags", "99");
    REFUSE(scales[NG_SPACE_MOTOR] = 0, "motor", "0");
    REFUSE(scales[NG_SPACE_MOTOR] = NAN, "motor", "nan");
    REFUSE(scales[NG_SPACE_MOTOR] = INFINITY, "motor", "inf");
    REFUSE(scales[NG_SPACE_MOTOR] = -1, "motor", "-1");
    REFUSE(allowed_types.bits[3] = 1, "allowed_types", "192");
    REFUSE(max_out_degree = 0, "max_out_degree", "0");
    REFUSE(max_out_degree = 2001, "max_out_degree", "2001", "2000");
    REFUSE(max_total_degree = 10, "max_total_degree", "10");
    REFUSE(min_token_weight = 0.9f; wrong.max_token_weight = 0.5f, "min_token_weight", "0.9");
    REFUSE(max_token_weight = NAN, "max_token_weight", "nan");
    REFUSE(max_field_radius = 3, "max_field_radius", "3", "2.55");
    REFUSE(max_field_strength = -1, "max_field_strength", "-1");
    REFUSE(min_pull_strength = -11, "min_pull_strength", "-11");
    REFUSE(max_pull_strength = 100, "max_pull_strength", "100");
    REFUSE(decay_rate = -0.5f, "decay_rate", "-0.5");
    REFUSE(decay_rate = NAN, "decay_rate", "nan");
    ng_seq applied = 9;
    ng_positions(store, &applied, NULL);
    assert_int_equal(applied, 0);
    ASSERT_OK(ng_close(store));
}

static void test_collections(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_collection_id id = 99, again = 99;
    uint64_t count = 9;
    char name[65];
    ng_seq seq = 9;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    ASSERT_OK(ng_collection_find(store, "runtime", &id));
    assert_int_equal(id, NG_COLLECTION_RUNTIME);
    ASSERT_OK(ng_collection_find(store, "semantic", &id));
    assert_int_equal(id, NG_COLLECTION_SEMANTIC);
    ASSERT_OK(ng_collection_create(store, "user-7.notes_x", &write, &id));
    assert_int_equal(id, 2);
    assert_int_equal(seq, 1);
    ASSERT_OK(ng_collection_create(store, "user-7.notes_x", &write, &again));
    assert_int_equal(again, id);
    assert_int_equal(seq, 0); /* nothing had to change */
    ASSERT_OK(ng_collection_create(store, "runtime", &write, &again));
    assert_int_equal(again, 0);
    ng_token_fields fields = api_fields();
    ng_token_id token;
    fields.collection = id;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &token));
    ASSERT_OK(ng_token_create(store, &fields, NULL, &token));
    ASSERT_OK(ng_collection_get(store, id, name, &count));
    assert_string_equal(name, "user-7.notes_x");
    assert_int_equal(count, 2);
    ASSERT_OK(ng_token_delete(store, token, NULL));
    ASSERT_OK(ng_collection_get(store, id, NULL, &count));
    assert_int_equal(count, 1);
    ASSERT_OK(ng_collection_get(store, id, name, NULL));
    ASSERT_FAILS(ng_collection_get(store, 3, name, &count), NG_E_NOT_FOUND, "collection 3");
    ASSERT_FAILS(ng_collection_get(store, NG_COLLECTION_ANY, name, &count), NG_E_NOT_FOUND,
                 "collection");
    ASSERT_FAILS(ng_collection_find(store, "none", &again), NG_E_NOT_FOUND, "none");
    ASSERT_FAILS(ng_collection_find(store, "", &again), NG_E_NOT_FOUND, "collection");
    ASSERT_FAILS(ng_collection_find(store, NULL, &again), NG_E_INVALID, "name");
    ASSERT_FAILS(ng_collection_create(store, NULL, NULL, &again), NG_E_INVALID, "name");
    ASSERT_FAILS(ng_collection_create(store, "x", NULL, NULL), NG_E_INVALID, "out");
    ASSERT_OK(ng_close(store));
}

static void test_collection_names(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_collection_id id = 0;
    char longest[66];
    memset(longest, 'a', sizeof longest);
    longest[64] = '\0';
    ASSERT_OK(ng_collection_create(store, longest, NULL, &id));
    longest[64] = 'a';
    longest[65] = '\0';
    ASSERT_FAILS(ng_collection_create(store, longest, NULL, &id), NG_E_INVALID, "65", "1..64");
    static const char *const wrong[] = {"Upper", "with blank", "caf\xC3\xA9", "a/b", "a\n", "a:b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ASSERT_FAILS(ng_collection_create(store, wrong[i], NULL, &id), NG_E_INVALID, "[a-z0-9_.-]");
    ASSERT_FAILS(ng_collection_create(store, "", NULL, &id), NG_E_INVALID, "0", "1..64");
    for (int i = 0; i < 100; i++) { /* more than were made room for */
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        ASSERT_OK(ng_collection_create(store, name, NULL, &id));
        assert_int_equal(id, i + 3);
    }
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.collection_count, 103);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spaces),
        cmocka_unit_test(test_entities),
        cmocka_unit_test(test_connection_types),
        cmocka_unit_test(test_constitution),
        cmocka_unit_test(test_constitution_is_checked),
        cmocka_unit_test(test_collections),
        cmocka_unit_test(test_collection_names),
    };
    return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
