/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Components to axes: places, quantiles against sorting, and coordinates the store accepts. */
#include "mind/mind_axes.h"

#include "mind/mind_testing.h"
#include "model/model_space.h"

#include <float.h>
#include <math.h>

static void test_places(void **state)
{
    (void)state;
    static const ng_space order[] = {NG_SPACE_ABSTRACT, NG_SPACE_COGNITIVE, NG_SPACE_EMOTIONAL,
                                     NG_SPACE_SOCIAL,   NG_SPACE_SENSORY,   NG_SPACE_MOTOR,
                                     NG_SPACE_TEMPORAL, NG_SPACE_PHYSICAL};
    for (size_t i = 0; i < NGI_COMPONENTS_MAX; i++) {
        ng_space space;
        unsigned axis;
        ngi_axes_place(i, &space, &axis);
        assert_int_equal(space, order[i / 3]);
        assert_int_equal(axis, i % 3);
    }
    assert_int_equal(ngi_axes_spaces(0), 0);
    assert_int_equal(ngi_axes_spaces(1), 1 << NG_SPACE_ABSTRACT);
    assert_int_equal(ngi_axes_spaces(3), 1 << NG_SPACE_ABSTRACT);
    assert_int_equal(ngi_axes_spaces(4), 1 << NG_SPACE_ABSTRACT | 1 << NG_SPACE_COGNITIVE);
    assert_int_equal(ngi_axes_spaces(21), 0xFF & ~(1 << NG_SPACE_PHYSICAL));
    assert_int_equal(ngi_axes_spaces(24), 0xFF);
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void test_quantiles_equal_sorting(void **state)
{
    (void)state;
    uint64_t seed = testing_seed();
    static const size_t counts[] = {1, 2, 3, 10, 999, 1000, 1001, 5000};
    static const double fractions[] = {0.001, 0.5, 0.9, 0.999, 1};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        size_t n = counts[c];
        float *values = malloc(2 * n * sizeof *values), *sorted = malloc(n * sizeof *sorted);
        for (size_t i = 0; i < n; i++) {
            values[2 * i] = ldexpf(testing_float(&seed), (int)(testing_random(&seed) % 40) - 20);
            values[2 * i + 1] = 1e30f; /* the other component */
            sorted[i] = fabsf(values[2 * i]);
        }
        qsort(sorted, n, sizeof *sorted, compare_floats);
        for (size_t f = 0; f < sizeof fractions / sizeof fractions[0]; f++) {
            size_t needed = (size_t)ceil((double)n * fractions[f]);
            assert_true(ngi_axes_quantile(values, 2, n, fractions[f]) ==
                        sorted[needed == 0 ? 0 : needed - 1]);
        }
        free(values);
        free(sorted);
    }
}

static void test_quantile_of_nothing_and_zeros(void **state)
{
    (void)state;
    float values[100] = {0};
    assert_true(ngi_axes_quantile(values, 1, 0, 0.999) == 0);
    assert_true(ngi_axes_quantile(values, 1, 100, 0.999) == 0);
    values[50] = -3;
    assert_true(ngi_axes_quantile(values, 1, 100, 0.5) == 3); /* rather than dividing by 0 */
}

static void test_projection(void **state)
{
    (void)state;
    const float vector[3] = {5, 1, -2}, mean[3] = {1, 1, 1};
    const double transposed[3][2] = {{1, 0}, {0, 1}, {0, 0.5}};
    float out[2];
    ngi_axes_project(vector, mean, transposed[0], 3, 2, out);
    assert_true(out[0] == 4 && out[1] == -1.5f);
    const float huge[3] = {FLT_MAX, FLT_MAX, FLT_MAX}, low[3] = {-FLT_MAX, 0, 0};
    ngi_axes_project(huge, low, transposed[0], 3, 2, out);
    assert_true(out[0] == FLT_MAX);
}

static void test_values_fill_the_axis(void **state)
{
    (void)state;
    ngi_axis axis;
    uint64_t clipped = 0;
    ngi_axis_init(&axis, 10000, 0, 2);
    assert_true(fabsf(ngi_axis_value(&axis, 2, &clipped) - 3.2767f) < 1e-6f);
    assert_true(fabsf(ngi_axis_value(&axis, -1, &clipped) + 1.63835f) < 1e-6f);
    assert_true(ngi_axis_value(&axis, 0, &clipped) == 0);
    assert_int_equal(clipped, 0);
    assert_true(fabsf(ngi_axis_value(&axis, 2.001f, &clipped) - 3.2767f) < 1e-6f);
    assert_true(fabsf(ngi_axis_value(&axis, -1e30f, &clipped) + 3.2767f) < 1e-6f);
    assert_int_equal(clipped, 2);
    ngi_axis_init(&axis, 10000, 0, 0); /* nothing varies: everything at the origin */
    assert_true(ngi_axis_value(&axis, 0, &clipped) == 0);
    assert_int_equal(clipped, 2);
}

/* Whatever the scale and the origin, what comes out can be stored, and the ends are reached. */
static void test_every_value_is_accepted(void **state)
{
    (void)state;
    static const uint32_t scales[] = {1, 3, 100, 1000, 9999, 10000, 1000000};
    static const float origins[] = {0, 1, -12.5f, 1e4f, -1e6f, 3e7f};
    uint64_t seed = testing_seed();
    for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++) {
        for (size_t o = 0; o < sizeof origins / sizeof origins[0]; o++) {
            ngi_encoding encoding;
            ngi_axis axis;
            uint64_t clipped = 0;
            ngi_encoding_default(&encoding);
            for (int i = 0; i < 3; i++) {
                encoding.scale[0][i] = scales[s];
                encoding.origin[0][i] = origins[o];
            }
            ngi_axis_init(&axis, scales[s], origins[o], 0.7f);
            for (int i = 0; i < 300; i++) {
                float p = i == 0 ? 0.7f : i == 1 ? -0.7f : testing_float(&seed);
                float value = ngi_axis_value(&axis, p, &clipped);
                int16_t raw[3];
                assert_ok(ngi_space_encode(&encoding, NG_SPACE_PHYSICAL,
                                           (float[3]){value, value, value}, raw));
                if (origins[o] == 0 && i < 2)
                    assert_int_equal(raw[0], i == 0 ? 32767 : -32767);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_quantiles_equal_sorting),
        cmocka_unit_test(test_quantile_of_nothing_and_zeros),
        cmocka_unit_test(test_projection),
        cmocka_unit_test(test_values_fill_the_axis),
        cmocka_unit_test(test_every_value_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
