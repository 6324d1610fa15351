/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The constitution: defaults, every rule, the image and its damage. */
#include "model/model_cdna.h"

#include "base/base_bytes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static ng_cdna default_cdna(void)
{
    ng_cdna cdna;
    ngi_cdna_default(&cdna, 1700000000);
    return cdna;
}

static uint64_t fnv1a(const uint8_t *image)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (int i = 0; i < NGI_CDNA_BYTES; i++) {
        if (i / 8 != 5)
            hash = (hash ^ image[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

static void seal(uint8_t *image)
{
    ngi_put_u64(image + 40, fnv1a(image));
}

static void test_default(void **state)
{
    (void)state;
    ng_cdna cdna = default_cdna();
    assert_int_equal(ngi_cdna_validate(&cdna), NG_OK);
    assert_int_equal(cdna.profile, 0);
    assert_int_equal(cdna.flags, 3);
    assert_true(cdna.created_at == 1700000000 && cdna.modified_at == 1700000000);
    assert_int_equal(cdna.max_out_degree, 1000);
    assert_int_equal(cdna.max_in_degree, 1000);
    assert_int_equal(cdna.max_total_degree, 2000);
    assert_true(cdna.min_token_weight == 0.0f && cdna.max_token_weight == 1.0f);
    assert_true(cdna.max_field_radius == 2.55f && cdna.max_field_strength == 1.0f);
    assert_true(cdna.min_pull_strength == -10.0f && cdna.max_pull_strength == 10.0f);
    assert_true(cdna.decay_rate == 0.01f);
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        assert_true(cdna.scales[space] == 1.0f);
}

static void test_allowed_types(void **state)
{
    (void)state;
    ng_cdna cdna = default_cdna();
    for (int type = 0; type < 256; type++)
        assert_int_equal(ngi_cdna_allows_type(&cdna, (uint8_t)type), type < 176);
    for (int only = 0; only < 176; only++) {
        cdna.allowed_types = (ng_type_set){0};
        cdna.allowed_types.bits[only >> 6] = UINT64_C(1) << (only & 63);
        assert_int_equal(ngi_cdna_validate(&cdna), NG_OK);
        for (int type = 0; type < 256; type++)
            assert_int_equal(ngi_cdna_allows_type(&cdna, (uint8_t)type), type == only);
    }
    for (int type = 176; type < 256; type++) {
        cdna.allowed_types = (ng_type_set){0};
        cdna.allowed_types.bits[type >> 6] = UINT64_C(1) << (type & 63);
        assert_int_equal(ngi_cdna_validate(&cdna), NG_E_INVALID);
        assert_non_null(strstr(ng_last_error(), "allowed_types names type"));
    }
}

static void refuse(const ng_cdna *cdna, const char *message)
{
    assert_int_equal(ngi_cdna_validate(cdna), NG_E_INVALID);
    if (strstr(ng_last_error(), message) == NULL)
        fail_msg("\"%s\" does not contain \"%s\"", ng_last_error(), message);
}

#define REFUSE(field, value, message)                                                              \
    do {                                                                                           \
        ng_cdna changed = default_cdna();                                                          \
        changed.field = (value);                                                                   \
        refuse(&changed, message);                                                                 \
    } while (0)

#define ACCEPT(field, value)                                                                       \
    do {                                                                                           \
        ng_cdna changed = default_cdna();                                                          \
        changed.field = (value);                                                                   \
        assert_int_equal(ngi_cdna_validate(&changed), NG_OK);                                      \
    } while (0)

static void test_integers(void **state)
{
    (void)state;
    for (uint32_t profile = 0; profile <= 4; profile++)
        ACCEPT(profile, profile);
    ACCEPT(profile, 255);
    REFUSE(profile, 5, "profile 5 is not one of 0..4 or 255");
    REFUSE(profile, 254, "profile 254");
    REFUSE(profile, UINT32_MAX, "profile");
    ACCEPT(flags, 15);
    REFUSE(flags, 16, "flags 16 is outside 0..15");
    REFUSE(modified_at, 1699999999, "modified_at 1699999999 is before created_at 1700000000");
    ACCEPT(max_out_degree, 1);
    ACCEPT(max_out_degree, 2000);
    REFUSE(max_out_degree, 0, "max_out_degree 0 is outside 1..");
    REFUSE(max_out_degree, 2001, "max_out_degree 2001 is above max_total_degree 2000");
    REFUSE(max_in_degree, 0, "max_in_degree 0");
    REFUSE(max_in_degree, 2001, "max_in_degree 2001");
    ACCEPT(max_total_degree, 1000);
    REFUSE(max_total_degree, 0, "max_total_degree 0");
    REFUSE(max_total_degree, 999, "above max_total_degree 999");
    REFUSE(max_total_degree, UINT32_MAX, "max_total_degree");
}

static void test_floats(void **state)
{
    (void)state;
    static const float max[8] = {20, 20, 20, 20, 30, 20, 20, 50};
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        ACCEPT(scales[space], max[space]);
        ACCEPT(scales[space], 1.0e-30f);
        REFUSE(scales[space], nextafterf(max[space], 100.0f), "scale of space");
        REFUSE(scales[space], 0.0f, ng_space_name((ng_space)space));
        REFUSE(scales[space], -1.0f, "is outside 0..");
        REFUSE(scales[space], NAN, "nan");
        REFUSE(scales[space], INFINITY, "inf");
    }
    ACCEPT(max_token_weight, 100.0f);
    ACCEPT(max_token_weight, 0.0f);
    REFUSE(max_token_weight, 100.5f, "max_token_weight 100.5 is outside 0..100");
    REFUSE(max_token_weight, NAN, "max_token_weight");
    REFUSE(min_token_weight, -0.5f, "min_token_weight -0.5");
    REFUSE(min_token_weight, NAN, "min_token_weight");
    REFUSE(min_token_weight, 1.5f, "min_token_weight 1.5 is above max_token_weight 1");
    ACCEPT(max_field_radius, 0.0f);
    REFUSE(max_field_radius, 2.56f, "max_field_radius 2.56 is outside 0..2.55");
    REFUSE(max_field_radius, NAN, "max_field_radius");
    REFUSE(max_field_strength, 1.01f, "max_field_strength 1.01");
    REFUSE(max_field_strength, -INFINITY, "max_field_strength");
    ACCEPT(min_pull_strength, 10.0f);
    REFUSE(min_pull_strength, -10.5f, "min_pull_strength -10.5 is outside -10..10");
    REFUSE(max_pull_strength, 11.0f, "max_pull_strength 11");
    REFUSE(max_pull_strength, NAN, "max_pull_strength");
    REFUSE(max_pull_strength, -10.5f, "max_pull_strength");
    ng_cdna crossed = default_cdna();
    crossed.min_pull_strength = 2.0f;
    crossed.max_pull_strength = 1.0f;
    refuse(&crossed, "min_pull_strength 2 is above max_pull_strength 1");
    ACCEPT(decay_rate, 0.0f);
    ACCEPT(decay_rate, 1.0f);
    REFUSE(decay_rate, 1.5f, "decay_rate 1.5 is outside 0..1");
    REFUSE(decay_rate, NAN, "decay_rate");
}

static ng_cdna unusual_cdna(void)
{
    ng_cdna cdna = {
        .profile = 255,
        .flags = 10,
        .created_at = UINT64_C(0x0102030405060708),
        .modified_at = UINT64_C(0x1112131415161718),
        .allowed_types = {{UINT64_C(0xF0F0), UINT64_C(1) << 63, UINT64_C(0x8001), 0}},
        .max_out_degree = 500,
        .max_in_degree = 600,
        .max_total_degree = 700,
        .min_token_weight = 0.25f,
        .max_token_weight = 99.5f,
        .max_field_radius = 1.25f,
        .max_field_strength = 0.5f,
        .min_pull_strength = -3.5f,
        .max_pull_strength = 7.25f,
        .decay_rate = 0.125f,
    };
    static const float scales[8] = {1, 2, 3, 5, 8, 13, 19.5f, 34};
    memcpy(cdna.scales, scales, sizeof scales);
    return cdna;
}

static void test_image_round_trip(void **state)
{
    (void)state;
    ng_cdna cdna = unusual_cdna(), back;
    uint8_t image[NGI_CDNA_BYTES], again[NGI_CDNA_BYTES];
    memset(image, 0xAA, sizeof image);
    memset(&back, 0x55, sizeof back);
    ngi_cdna_encode(&cdna, image);
    assert_int_equal(ngi_cdna_decode(image, &back), NG_OK);
    assert_memory_equal(&cdna, &back, sizeof cdna);
    ngi_cdna_encode(&back, again);
    assert_memory_equal(image, again, sizeof image);
}

static void test_image_layout(void **state)
{
    (void)state;
    ng_cdna cdna = unusual_cdna();
    uint8_t image[NGI_CDNA_BYTES];
    ngi_cdna_encode(&cdna, image);
    static const uint8_t head[8] = {'A', 'D', 'N', 'C', 3, 0, 0, 0};
    assert_memory_equal(image, head, sizeof head);
    assert_true(ngi_get_u64(image + 8) == cdna.created_at);
    assert_true(ngi_get_u64(image + 16) == cdna.modified_at);
    assert_true(ngi_get_u32(image + 24) == 255 && ngi_get_u32(image + 32) == 10);
    assert_true(ngi_get_u64(image + 40) == fnv1a(image));
    assert_true(ngi_get_f32(image + 80) == 1.0f && ngi_get_f32(image + 108) == 34.0f);
    assert_true(ngi_get_u64(image + 192) == 0xF0F0 && ngi_get_u64(image + 208) == 0x8001);
    assert_true(ngi_get_u32(image + 224) == 500 && ngi_get_u32(image + 228) == 600);
    assert_true(ngi_get_u32(image + 232) == 700);
    assert_true(ngi_get_f32(image + 256) == 0.25f && ngi_get_f32(image + 260) == 99.5f);
    assert_true(ngi_get_f32(image + 264) == 1.25f && ngi_get_f32(image + 268) == 0.5f);
    assert_true(ngi_get_f32(image + 288) == -3.5f && ngi_get_f32(image + 292) == 7.25f);
    assert_true(ngi_get_f32(image + 308) == 0.125f);
}

static void test_image_damage(void **state)
{
    (void)state;
    ng_cdna cdna = unusual_cdna(), out, untouched;
    uint8_t image[NGI_CDNA_BYTES];
    memset(&out, 0x77, sizeof out);
    untouched = out;
    ngi_cdna_encode(&cdna, image);
    for (int bit = 0; bit < NGI_CDNA_BYTES * 8; bit++) {
        image[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        assert_int_equal(ngi_cdna_decode(image, &out), NG_E_CORRUPT);
        assert_memory_equal(&out, &untouched, sizeof out);
        image[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
    uint8_t zero[NGI_CDNA_BYTES] = {0};
    assert_int_equal(ngi_cdna_decode(zero, &out), NG_E_CORRUPT);
}

static void test_image_sealed_but_wrong(void **state)
{
    (void)state;
    ng_cdna cdna = unusual_cdna(), out;
    uint8_t image[NGI_CDNA_BYTES];
    ngi_cdna_encode(&cdna, image);
    image[4] = 4;
    seal(image);
    assert_int_equal(ngi_cdna_decode(image, &out), NG_E_VERSION);
    assert_non_null(strstr(ng_last_error(), "version 4.0, this library reads 3.0"));
    ngi_cdna_encode(&cdna, image);
    image[6] = 1;
    seal(image);
    assert_int_equal(ngi_cdna_decode(image, &out), NG_E_VERSION);
    static const int reserved[] = {28, 31, 36, 48, 79, 112, 144, 191, 236, 255, 272, 296, 312, 383};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        ngi_cdna_encode(&cdna, image);
        image[reserved[i]] = 9;
        seal(image);
        assert_int_equal(ngi_cdna_decode(image, &out), NG_E_CORRUPT);
        assert_non_null(strstr(ng_last_error(), "reserved byte"));
    }
    ngi_cdna_encode(&cdna, image);
    ngi_put_f32(image + 80, NAN);
    seal(image);
    assert_int_equal(ngi_cdna_decode(image, &out), NG_E_INVALID);
    assert_non_null(strstr(ng_last_error(), "scale of space physical"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),          cmocka_unit_test(test_allowed_types),
        cmocka_unit_test(test_integers),         cmocka_unit_test(test_floats),
        cmocka_unit_test(test_image_round_trip), cmocka_unit_test(test_image_layout),
        cmocka_unit_test(test_image_damage),     cmocka_unit_test(test_image_sealed_but_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
