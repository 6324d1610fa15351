/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Token records: defaults, fields, what is refused, the 64 bytes. */
#include "model/model_token.h"

#include "base/base_limits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

typedef struct world {
    ngi_encoding encoding;
    ng_cdna cdna;
    ng_token record;
} world;

static world new_world(void)
{
    world w;
    ngi_encoding_default(&w.encoding);
    ngi_cdna_default(&w.cdna, 1);
    ngi_token_default(&w.record, 42, 1700000000);
    return w;
}

static void apply(world *w, const ng_token_fields *fields)
{
    ng_status status = ngi_token_apply_fields(&w->record, fields, &w->encoding, &w->cdna);
    if (status != NG_OK)
        fail_msg("%s", ng_last_error());
    assert_int_equal(ngi_token_validate(&w->record), NG_OK);
}

static void refuse(world *w, const ng_token_fields *fields, const char *message)
{
    ng_token before = w->record;
    assert_int_equal(ngi_token_apply_fields(&w->record, fields, &w->encoding, &w->cdna),
                     NG_E_INVALID);
    assert_memory_equal(&before, &w->record, sizeof before);
    if (strstr(ng_last_error(), message) == NULL)
        fail_msg("\"%s\" does not contain \"%s\"", ng_last_error(), message);
}

static void test_default(void **state)
{
    (void)state;
    world w = new_world();
    assert_int_equal(w.record.slot, 42);
    assert_int_equal(w.record.flags, NG_TOKEN_ACTIVE);
    assert_true(w.record.weight == 1.0f);
    assert_int_equal(w.record.field_radius, 100);
    assert_int_equal(w.record.field_strength, 255);
    assert_int_equal(w.record.timestamp, 1700000000);
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            assert_int_equal(w.record.coordinates[space][axis], NG_COORDINATE_ABSENT);
    ng_token before = w.record;
    ng_token_fields nothing = {.struct_size = sizeof nothing,
                               .weight = NAN,
                               .field_radius = NAN,
                               .entity = 99,
                               .flags = 0xFFFF,
                               .label_bytes = 5000,
                               .vector_dimensions = 1};
    apply(&w, &nothing);
    assert_memory_equal(&before, &w.record, sizeof before);
}

static void test_weight(void **state)
{
    (void)state;
    world w = new_world();
    ng_token_fields fields = {.set = NG_FIELD_WEIGHT};
    static const float good[] = {0.0f, 1.0f, 0.1f, 1.0e-40f};
    for (size_t i = 0; i < 4; i++) {
        fields.weight = good[i];
        apply(&w, &fields);
        assert_true(w.record.weight == good[i]);
    }
    static const float bad[] = {-0.001f, 1.001f, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 5; i++) {
        fields.weight = bad[i];
        refuse(&w, &fields, "is outside 0..1");
    }
    fields.weight = 2;
    refuse(&w, &fields, "weight 2 is outside 0..1");
    w.cdna.min_token_weight = 0.5f;
    w.cdna.max_token_weight = 100;
    apply(&w, &fields);
    fields.weight = 0.25f;
    refuse(&w, &fields, "weight 0.25 is outside 0.5..100");
}

static void test_fractions(void **state)
{
    (void)state;
    world w = new_world();
    ng_token_fields fields = {.set = NG_FIELD_RADIUS | NG_FIELD_STRENGTH};
    for (int raw = 0; raw <= 255; raw++) {
        fields.field_radius = (float)raw / 100.0f;
        fields.field_strength = (float)raw / 255.0f;
        apply(&w, &fields);
        assert_int_equal(w.record.field_radius, raw);
        assert_int_equal(w.record.field_strength, raw);
    }
    fields.field_radius = 0.129f; /* nearest, not truncated */
    fields.field_strength = 0.5f; /* 127.5 is a tie and goes to even */
    apply(&w, &fields);
    assert_int_equal(w.record.field_radius, 13);
    assert_int_equal(w.record.field_strength, 128);
    static const float bad[] = {-0.01f, 2.56f, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 5; i++) {
        fields = (ng_token_fields){.set = NG_FIELD_RADIUS, .field_radius = bad[i]};
        refuse(&w, &fields, "is outside 0..2.55");
        fields = (ng_token_fields){.set = NG_FIELD_STRENGTH, .field_strength = bad[i]};
        refuse(&w, &fields, "is outside 0..1");
    }
}

static void test_limits_of_the_constitution(void **state)
{
    (void)state;
    world w = new_world();
    w.cdna.max_field_radius = 0.505f;
    w.cdna.max_field_strength = 0.25f;
    ng_token_fields nothing = {0};
    refuse(&w, &nothing, "field_radius 1 (not set in this call) is outside 0..0.505");
    ng_token_fields fields = {.set = NG_FIELD_RADIUS, .field_radius = 0.505f};
    refuse(&w, &fields, "field_strength 1 (not set in this call) is outside 0..0.25");
    fields.set |= NG_FIELD_STRENGTH;
    fields.field_strength = 0.25f;
    apply(&w, &fields);
    apply(&w, &nothing); /* what rounding made of the limit itself stays allowed */
    fields.field_radius = 0.51f;
    refuse(&w, &fields, "field_radius 0.51 is outside");
    w.cdna.max_token_weight = 0.5f;
    refuse(&w, &nothing, "weight 1 (not set in this call) is outside 0..0.5");
}

static void test_flags_and_entity(void **state)
{
    (void)state;
    world w = new_world();
    ng_token_fields fields = {.set = NG_FIELD_ENTITY, .entity = NG_ENTITY_CONCEPT};
    apply(&w, &fields);
    assert_int_equal(w.record.flags, NG_TOKEN_ACTIVE | 0x0500);
    fields = (ng_token_fields){.set = NG_FIELD_FLAGS, .flags = 0xFFFF};
    apply(&w, &fields);
    assert_int_equal(w.record.flags, 0xF5FF);
    fields.flags = NG_TOKEN_USER_4;
    apply(&w, &fields);
    assert_int_equal(w.record.flags, 0x8500);
    for (uint8_t entity = 0; entity < 16; entity++) {
        fields = (ng_token_fields){.set = NG_FIELD_ENTITY | NG_FIELD_FLAGS,
                                   .entity = entity,
                                   .flags = 0x0F00};
        apply(&w, &fields);
        assert_int_equal(w.record.flags, entity << 8);
    }
    fields.entity = 16;
    refuse(&w, &fields, "entity 16 is outside 0..15");
    for (uint32_t bit = 11; bit < 32; bit++) {
        fields = (ng_token_fields){.set = UINT32_C(1) << bit};
        refuse(&w, &fields, "unknown bits");
    }
}

static void test_spaces(void **state)
{
    (void)state;
    world w = new_world();
    ng_token_fields fields = {.spaces_set = 0x81};
    float physical[3] = {1.5f, -2.25f, 327.67f}, abstract[3] = {0, 0, 0};
    memcpy(fields.coordinates[0], physical, sizeof physical);
    memcpy(fields.coordinates[7], abstract, sizeof abstract);
    apply(&w, &fields);
    static const int16_t raw[3] = {150, -225, 32767}, origin[3] = {0, 0, 0};
    assert_memory_equal(w.record.coordinates[0], raw, sizeof raw);
    assert_memory_equal(w.record.coordinates[7], origin, sizeof origin);
    for (int space = 1; space < 7; space++)
        assert_int_equal(w.record.coordinates[space][1], NG_COORDINATE_ABSENT);
    fields = (ng_token_fields){.spaces_set = 2, .spaces_clear = 0x81};
    apply(&w, &fields);
    assert_int_equal(w.record.coordinates[0][0], NG_COORDINATE_ABSENT);
    assert_int_equal(w.record.coordinates[7][2], NG_COORDINATE_ABSENT);
    assert_int_equal(w.record.coordinates[1][0], 0);
    fields = (ng_token_fields){.spaces_set = 0x18, .spaces_clear = 0x10};
    refuse(&w, &fields, "space cognitive is in both spaces_set and spaces_clear");
    fields = (ng_token_fields){.spaces_set = 0xFF};
    fields.coordinates[7][2] = NAN;
    refuse(&w, &fields, "coordinate z of space abstract");
    fields.coordinates[7][2] = 3.28f;
    refuse(&w, &fields, "coordinate z of space abstract: 3.28 is outside -3.2767..3.2767");
    w.encoding.clip = true;
    apply(&w, &fields);
    assert_int_equal(w.record.coordinates[7][2], 32767);
}

static void test_label(void **state)
{
    (void)state;
    world w = new_world();
    ng_token_fields fields = {.set = NG_FIELD_LABEL, .label = "ice cream", .label_bytes = 9};
    ng_token before = w.record;
    apply(&w, &fields);
    assert_memory_equal(&before, &w.record, sizeof before);
    fields.label = NULL;
    refuse(&w, &fields, "label is NULL");
    fields.label_bytes = 0;
    apply(&w, &fields);
    fields.label = "a\nb";
    fields.label_bytes = 3;
    fields.set |= NG_FIELD_WEIGHT; /* nothing of a refused call is applied */
    fields.weight = 0.5f;
    refuse(&w, &fields, "control code U+000A at byte 1");
}

static void test_label_bytes(void **state)
{
    (void)state;
    char text[NGI_LABEL_BYTES_MAX + 1];
    memset(text, 'x', sizeof text);
    assert_int_equal(ngi_label_validate(text, 0), NG_E_INVALID);
    assert_int_equal(ngi_label_validate(text, 1), NG_OK);
    assert_int_equal(ngi_label_validate(text, NGI_LABEL_BYTES_MAX), NG_OK);
    assert_int_equal(ngi_label_validate(text, NGI_LABEL_BYTES_MAX + 1), NG_E_INVALID);
    assert_string_equal(ng_last_error(), "label has 1025 bytes, outside 1..1024");
    static const char *const good[] = {" ",
                                       "~",
                                       "\xC2\xA0",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xEF\xBF\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF",
                                       "\xD0\xBA\xD0\xBE\xD1\x82 \xE7\x8C\xAB \xF0\x9F\x90\x88"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(ngi_label_validate(good[i], strlen(good[i])), NG_OK);
    static const char *const bad[] = {"a\x80",
                                      "a\xBF",
                                      "a\xC0\x80",
                                      "a\xC1\xBF",
                                      "a\xC2",
                                      "a\xC2 ",
                                      "a\xC3\xC3",
                                      "a\xE0\x80\x80",
                                      "a\xE0\x9F\xBF",
                                      "a\xE2\x82",
                                      "a\xE2\x28\xA1",
                                      "a\xED\xA0\x80",
                                      "a\xED\xBF\xBF",
                                      "a\xF0\x80\x80\x80",
                                      "a\xF0\x8F\xBF\xBF",
                                      "a\xF0\x9F\x90",
                                      "a\xF4\x90\x80\x80",
                                      "a\xF5\x80\x80\x80",
                                      "a\xF8\x88\x80\x80\x80",
                                      "a\xFE",
                                      "a\xFF"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ngi_label_validate(bad[i], strlen(bad[i])), NG_E_INVALID);
        assert_non_null(strstr(ng_last_error(), "not UTF-8 at byte 1"));
    }
}

/* All control codes are refused and every other code point is a label by itself. */
static void test_label_code_points(void **state)
{
    (void)state;
    for (uint32_t point = 0; point <= 0x10FFFF; point++) {
        if (point >= 0xD800 && point < 0xE000)
            continue;
        char text[4];
        size_t bytes = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        uint32_t rest = point;
        for (size_t i = bytes - 1; i > 0; i--, rest >>= 6)
            text[i] = (char)(0x80 | (rest & 0x3F));
        static const uint32_t lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
        text[0] = (char)(lead[bytes] | rest);
        bool control = point < 32 || (point >= 127 && point < 160);
        assert_int_equal(ngi_label_validate(text, bytes), control ? NG_E_INVALID : NG_OK);
    }
}

static void test_vector(void **state)
{
    (void)state;
    world w = new_world();
    static float vector[NGI_DIMENSIONS_MAX + 1];
    ng_token_fields fields = {.set = NG_FIELD_VECTOR, .vector = vector, .vector_dimensions = 2};
    apply(&w, &fields);
    fields.vector_dimensions = NGI_DIMENSIONS_MAX;
    apply(&w, &fields);
    fields.vector_dimensions = NGI_DIMENSIONS_MAX + 1;
    refuse(&w, &fields, "vector has 4097 dimensions, outside 2..4096");
    fields.vector_dimensions = 1;
    refuse(&w, &fields, "vector has 1 dimensions");
    fields.vector_dimensions = 4;
    vector[3] = NAN;
    refuse(&w, &fields, "vector[3] is not finite");
    vector[0] = -INFINITY;
    refuse(&w, &fields, "vector[0] is not finite");
    fields.vector = NULL;
    refuse(&w, &fields, "vector is NULL");
    fields.vector_dimensions = 0;
    apply(&w, &fields);
    vector[0] = vector[3] = 0;
}

static void test_validate(void **state)
{
    (void)state;
    world w = new_world();
    assert_int_equal(ngi_token_validate(&w.record), NG_OK);
    w.record.slot = 0;
    assert_int_equal(ngi_token_validate(&w.record), NG_E_INVALID);
    static const float bad[] = {-1.0f, 100.5f, NAN, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        w = new_world();
        w.record.weight = bad[i];
        assert_int_equal(ngi_token_validate(&w.record), NG_E_INVALID);
    }
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        for (int mask = 0; mask < 8; mask++) {
            w = new_world();
            for (int axis = 0; axis < 3; axis++)
                w.record.coordinates[space][axis] =
                    mask >> axis & 1 ? NG_COORDINATE_ABSENT : (int16_t)-32767;
            assert_int_equal(ngi_token_validate(&w.record),
                             mask == 0 || mask == 7 ? NG_OK : NG_E_INVALID);
        }
}

static void test_image(void **state)
{
    (void)state;
    uint8_t image[64], again[64];
    for (int i = 0; i < 64; i++)
        image[i] = (uint8_t)(i * 37 + 11);
    ng_token token;
    ngi_token_decode(image, &token);
    assert_int_equal(token.coordinates[0][0], (int16_t)(image[0] | image[1] << 8));
    assert_int_equal(token.coordinates[7][2], (int16_t)(image[46] | image[47] << 8));
    assert_int_equal(token.slot, (uint32_t)image[48] | (uint32_t)image[49] << 8 |
                                     (uint32_t)image[50] << 16 | (uint32_t)image[51] << 24);
    assert_int_equal(token.flags, image[52] | image[53] << 8);
    assert_int_equal(token.field_radius, image[58]);
    assert_int_equal(token.field_strength, image[59]);
    assert_int_equal(token.timestamp >> 24, image[63]);
    ngi_token_encode(&token, again);
    assert_memory_equal(image, again, 64);
    assert_memory_equal(&token, image, 64); /* on this little-endian machine memory is the image */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_weight),
        cmocka_unit_test(test_fractions),
        cmocka_unit_test(test_limits_of_the_constitution),
        cmocka_unit_test(test_flags_and_entity),
        cmocka_unit_test(test_spaces),
        cmocka_unit_test(test_label),
        cmocka_unit_test(test_label_bytes),
        cmocka_unit_test(test_label_code_points),
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_validate),
        cmocka_unit_test(test_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
