/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Encoding, decoding, and the agreement of distances with radii. */
#include "model/model_space.h"

#include "base/base_limits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static ngi_encoding default_encoding(void)
{
    ngi_encoding encoding;
    ngi_encoding_default(&encoding);
    return encoding;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static int16_t random_raw(uint64_t *state)
{
    return (int16_t)((int)(next_random(state) % 65535) - 32767);
}

static void test_defaults(void **state)
{
    (void)state;
    ngi_encoding encoding = default_encoding();
    assert_int_equal(ngi_encoding_validate(&encoding), NG_OK);
    assert_false(encoding.clip);
    static const uint32_t scale[8] = {100, 10000, 1000, 10000, 10000, 10000, 100, 10000};
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            bool frequency = space == NG_SPACE_TEMPORAL && axis == 2;
            assert_int_equal(encoding.scale[space][axis], frequency ? 1000 : scale[space]);
            assert_true(encoding.origin[space][axis] == 0.0f);
        }
}

/* Every raw value of every space and axis survives decoding and encoding. */
static void check_round_trip(const ngi_encoding *encoding)
{
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        for (int v = -32767; v <= 32767; v++) {
            int16_t raw[3] = {(int16_t)v, (int16_t)-v, (int16_t)v}, again[3];
            float value[3];
            assert_true(ngi_space_decode(encoding, (ng_space)space, raw, value));
            assert_int_equal(ngi_space_encode(encoding, (ng_space)space, value, again), NG_OK);
            assert_memory_equal(raw, again, sizeof raw);
        }
}

static void test_round_trip(void **state)
{
    (void)state;
    ngi_encoding encoding = default_encoding();
    check_round_trip(&encoding);
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            double edge = 8355840.0 / encoding.scale[space][axis];
            encoding.origin[space][axis] =
                nextafterf((float)((space + axis) % 2 ? edge : -edge), 0.0f);
        }
    assert_int_equal(ngi_encoding_validate(&encoding), NG_OK);
    check_round_trip(&encoding);
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            encoding.scale[space][axis] = space % 2 ? NGI_SCALE_MAX : 1;
            encoding.origin[space][axis] = space % 2 ? 8.25f : -12345.5f;
        }
    assert_int_equal(ngi_encoding_validate(&encoding), NG_OK);
    check_round_trip(&encoding);
}

static void test_absent(void **state)
{
    (void)state;
    ngi_encoding encoding = default_encoding();
    int16_t raw[3] = {NG_COORDINATE_ABSENT, NG_COORDINATE_ABSENT, NG_COORDINATE_ABSENT};
    float value[3] = {7, 8, 9};
    assert_false(ngi_space_decode(&encoding, NG_SPACE_SOCIAL, raw, value));
    assert_true(value[0] == 7 && value[1] == 8 && value[2] == 9);
    int16_t marked_by_the_original[3] = {127, 127, 127};
    assert_true(ngi_space_decode(&encoding, NG_SPACE_PHYSICAL, marked_by_the_original, value));
    assert_true(value[0] == 1.27f);
}

static void test_ties_to_even(void **state)
{
    (void)state;
    ngi_encoding encoding = default_encoding();
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        encoding.scale[0][axis] = 2;
    static const struct {
        float value;
        int16_t raw;
    } cases[] = {{0.25f, 0},   {0.75f, 2},   {1.25f, 2}, {1.75f, 4},   {-0.25f, 0},
                 {-0.75f, -2}, {-1.25f, -2}, {0.26f, 1}, {-0.26f, -1}, {0.24f, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float value[3] = {cases[i].value, 0, 0};
        int16_t raw[3];
        assert_int_equal(ngi_space_encode(&encoding, NG_SPACE_PHYSICAL, value, raw), NG_OK);
        assert_int_equal(raw[0], cases[i].raw);
    }
}

static void test_range(void **state)
{
    (void)state;
    ngi_encoding encoding = default_encoding();
    int16_t raw[3] = {1, 2, 3};
    static const float bad[] = {327.68f, -327.68f, 400.0f, 3.0e38f, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        float value[3] = {0, bad[i], 0};
        assert_int_equal(ngi_space_encode(&encoding, NG_SPACE_PHYSICAL, value, raw), NG_E_INVALID);
        assert_true(raw[0] == 1 && raw[1] == 2 && raw[2] == 3);
        assert_non_null(strstr(ng_last_error(), "coordinate y of space physical"));
        assert_non_null(strstr(ng_last_error(), "-327.67..327.67"));
    }
    float exact[3] = {0, 400, 0};
    assert_int_equal(ngi_space_encode(&encoding, NG_SPACE_PHYSICAL, exact, raw), NG_E_INVALID);
    assert_string_equal(ng_last_error(),
                        "coordinate y of space physical: 400 is outside -327.67..327.67");
    float edge[3] = {327.67f, -327.67f, 327.674f};
    assert_int_equal(ngi_space_encode(&encoding, NG_SPACE_PHYSICAL, edge, raw), NG_OK);
    assert_true(raw[0] == 32767 && raw[1] == -32767 && raw[2] == 32767);
}

static void test_clip(void **state)
{
    (void)state;
    ngi_encoding encoding = default_encoding();
    encoding.clip = true;
    int16_t raw[3] = {1, 2, 3};
    float far[3] = {400, -3.0e38f, 0.5f};
    assert_int_equal(ngi_space_encode(&encoding, NG_SPACE_PHYSICAL, far, raw), NG_OK);
    assert_true(raw[0] == 32767 && raw[1] == -32767 && raw[2] == 50);
    static const float never[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        float value[3] = {0, 0, never[i]};
        assert_int_equal(ngi_space_encode(&encoding, NG_SPACE_PHYSICAL, value, raw), NG_E_INVALID);
        assert_int_equal(raw[2], 50);
    }
}

static void expect_bad_encoding(const ngi_encoding *encoding, const char *message)
{
    assert_int_equal(ngi_encoding_validate(encoding), NG_E_INVALID);
    assert_non_null(strstr(ng_last_error(), message));
}

static void test_validate(void **state)
{
    (void)state;
    ngi_encoding encoding = default_encoding();
    encoding.scale[3][1] = 0;
    expect_bad_encoding(&encoding, "scale y of space emotional: 0 is outside 1..1000000");
    encoding.scale[3][1] = NGI_SCALE_MAX + 1;
    expect_bad_encoding(&encoding, "1000001 is outside");
    static const float origins[] = {NAN, INFINITY, -INFINITY, 1.0e10f, 83558.5f, -83558.5f};
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        encoding = default_encoding();
        encoding.origin[0][2] = origins[i];
        expect_bad_encoding(&encoding, "origin z of space physical");
    }
    encoding = default_encoding();
    encoding.scale[7][0] = 1;
    encoding.scale[7][1] = 1;
    encoding.scale[7][2] = 32768;
    assert_int_equal(ngi_encoding_validate(&encoding), NG_OK);
    encoding.scale[7][2] = 32769;
    expect_bad_encoding(&encoding, "scales 1, 1, 32769 of space abstract");
    encoding.scale[7][0] = 999983; /* three primes: their multiple is near 10^18 */
    encoding.scale[7][1] = 999979;
    encoding.scale[7][2] = 999961;
    expect_bad_encoding(&encoding, "least common multiple");
}

static void test_metric_uses_units(void **state)
{
    (void)state;
    ngi_encoding encoding = default_encoding();
    ngi_metric metric;
    ngi_metric_init(&metric, &encoding, NG_SPACE_TEMPORAL, NG_METRIC_EUCLIDEAN);
    assert_true(metric.factor[0] == 10 && metric.factor[1] == 10 && metric.factor[2] == 1);
    assert_true(metric.steps == 1000.0);
    int16_t zero[3] = {0, 0, 0}, point[3] = {300, 0, 4000}; /* 3 s and 4 Hz */
    uint64_t squared = ngi_metric_value(&metric, zero, point);
    assert_true(squared == 25000000);
    assert_true(ngi_metric_distance(&metric, squared) == 5.0f);
    ngi_metric_init(&metric, &encoding, NG_SPACE_PHYSICAL, NG_METRIC_EUCLIDEAN);
    assert_true(metric.factor[0] == 1 && metric.factor[1] == 1 && metric.factor[2] == 1);
    assert_true(ngi_metric_distance(&metric, 0) == 0.0f);
}

static void test_metric_largest(void **state)
{
    (void)state;
    ngi_encoding encoding = default_encoding();
    encoding.scale[0][0] = 1;
    encoding.scale[0][1] = 1;
    encoding.scale[0][2] = 32768;
    ngi_metric metric;
    ngi_metric_init(&metric, &encoding, NG_SPACE_PHYSICAL, NG_METRIC_EUCLIDEAN);
    int16_t low[3] = {-32767, -32767, -32767}, high[3] = {32767, 32767, 32767};
    uint64_t one = UINT64_C(65534) * 32768;
    assert_true(ngi_metric_value(&metric, low, high) == 2 * one * one + UINT64_C(65534) * 65534);
    ngi_metric widest = {.factor = {32768, 32768, 32768}, .steps = 32768};
    assert_true(ngi_metric_value(&widest, low, high) == 3 * one * one);
}

static void check_bound(const ngi_metric *metric, float radius)
{
    uint64_t bound = ngi_metric_bound(metric, radius);
    assert_true(ngi_metric_distance(metric, bound) <= radius);
    if (bound != UINT64_MAX)
        assert_true(ngi_metric_distance(metric, bound + 1) > radius);
}

static void test_bound_agrees(void **state)
{
    (void)state;
    ngi_encoding encoding = default_encoding();
    uint64_t seed = 20;
    for (int run = 0; run < 3 * NG_SPACE_COUNT; run++) {
        ngi_metric metric;
        ngi_metric_init(&metric, &encoding, (ng_space)(run % NG_SPACE_COUNT),
                        (ng_metric)(run / NG_SPACE_COUNT));
        static const float radii[] = {0.0f,    1.0e-45f, 1.0e-4f, 0.005f,  0.01f,
                                      0.1f,    0.3f,     1.0f,    1.27f,   3.0f,
                                      327.67f, 567.5f,   1e10f,   3.4e38f, INFINITY};
        for (size_t i = 0; i < sizeof radii / sizeof *radii; i++)
            check_bound(&metric, radii[i]);
        assert_true(ngi_metric_bound(&metric, 0.0f) == 0);
        assert_true(ngi_metric_bound(&metric, INFINITY) == UINT64_MAX);
        for (int i = 0; i < 20000; i++) {
            int16_t a[3], b[3];
            for (int axis = 0; axis < 3; axis++) {
                a[axis] = random_raw(&seed);
                int near = a[axis] / 2 + (int)(next_random(&seed) % 8);
                b[axis] = i % 2 ? random_raw(&seed) : (int16_t)near;
            }
            uint64_t squared = ngi_metric_value(&metric, a, b);
            float distance = ngi_metric_distance(&metric, squared);
            assert_true(squared <= ngi_metric_bound(&metric, distance));
            if (distance > 0.0f)
                assert_true(squared > ngi_metric_bound(&metric, nextafterf(distance, 0.0f)));
            if (i % 100 == 0)
                check_bound(&metric, distance * 1.7f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),       cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_absent),         cmocka_unit_test(test_ties_to_even),
        cmocka_unit_test(test_range),          cmocka_unit_test(test_clip),
        cmocka_unit_test(test_validate),       cmocka_unit_test(test_metric_uses_units),
        cmocka_unit_test(test_metric_largest), cmocka_unit_test(test_bound_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
