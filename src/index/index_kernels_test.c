/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every version of the kernels against the portable one, bit for bit, over lengths, alignments and
 * values; and the portable one against definitions written here. */
#include "index/index_kernels.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs the two above first. */
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX 300
#define PANELS_MAX 5

static uint64_t test_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static double test_uniform(uint64_t *state)
{
    return (double)(test_random(state) >> 11) / 9007199254740992.0 * 2 - 1;
}

static void assert_same_bits(double a, double b)
{
    uint64_t x;
    uint64_t y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    assert_int_equal(x, y);
}

static void test_a_version_is_found(void **state)
{
    (void)state;
    const ngi_kernels *best = ngi_kernels_best();
    assert_non_null(best);
    assert_string_equal(ngi_kernels_at(0)->name, "portable");
    bool listed = false;
    size_t count = 0;
    for (; ngi_kernels_at(count) != NULL; count++)
        listed = listed || ngi_kernels_at(count) == best;
    assert_true(listed);
    assert_null(ngi_kernels_at(count + 1));
    if (count > 1)
        assert_ptr_equal(best, ngi_kernels_at(1));
}

static void test_dot_is_the_sum(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    double a[LENGTH_MAX];
    float b[LENGTH_MAX];
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        long double sum = 0;
        long double size = 0;
        for (size_t i = 0; i < length; i++) {
            a[i] = test_uniform(&seed);
            b[i] = (float)test_uniform(&seed);
            sum += (long double)a[i] * b[i];
            size += fabsl((long double)a[i] * b[i]);
        }
        double got = ngi_kernels_at(0)->dot(a, b, length);
        assert_true(fabsl(got - sum) <= size * 1e-15L);
    }
}

static void check_dot(const ngi_kernels *kernels, double scale, uint64_t *seed)
{
    /* One element beyond the end is poison, so that reading it would show. */
    double a[LENGTH_MAX + 16];
    float b[LENGTH_MAX + 16];
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        for (size_t shift = 0; shift < 3; shift++) {
            for (size_t i = 0; i < length; i++) {
                a[shift + i] = test_uniform(seed) * scale;
                b[shift + i] = (float)(test_uniform(seed) * scale);
            }
            a[shift + length] = (double)NAN;
            b[shift + length] = NAN;
            assert_same_bits(kernels->dot(a + shift, b + shift, length),
                             ngi_kernels_at(0)->dot(a + shift, b + shift, length));
        }
    }
}

static void test_dot_versions_agree(void **state)
{
    (void)state;
    uint64_t seed = 1181783497276652981u;
    static const double SCALES[] = {1, 1e30, 1e-30, 1e-41};
    for (size_t index = 1; ngi_kernels_at(index) != NULL; index++) {
        for (size_t i = 0; i < sizeof SCALES / sizeof *SCALES; i++)
            check_dot(ngi_kernels_at(index), SCALES[i], &seed);
    }
}

static void test_dot_of_negative_zeros(void **state)
{
    (void)state;
    double a[LENGTH_MAX];
    float b[LENGTH_MAX];
    for (size_t i = 0; i < LENGTH_MAX; i++) {
        a[i] = -0.0;
        b[i] = 1;
    }
    for (size_t index = 0; ngi_kernels_at(index) != NULL; index++) {
        for (size_t length = 0; length <= 40; length++)
            assert_same_bits(ngi_kernels_at(index)->dot(a, b, length), 0.0);
    }
}

/* Fills panels row by row, so that the layout is checked against its drawing. */
static void fill_panels(int8_t *panels, size_t panel_count, size_t pair_count, int extreme,
                        uint64_t *seed)
{
    for (size_t i = 0; i < panel_count * pair_count * NGI_PANEL_PAIR_BYTES; i++) {
        int code = (int)(test_random(seed) % 255u) - 127;
        panels[i] = (int8_t)(extreme != 0 ? extreme : code);
    }
}

static void test_panel_dots_are_scalar_products(void **state)
{
    (void)state;
    uint64_t seed = 4101842887655102017u;
    enum { PAIRS = 7 };
    int8_t panels[2 * PAIRS * NGI_PANEL_PAIR_BYTES];
    int16_t query[2 * PAIRS];
    int32_t dots[2 * NGI_PANEL_ROWS];
    fill_panels(panels, 2, PAIRS, 0, &seed);
    for (size_t i = 0; i < 2 * PAIRS; i++)
        query[i] = (int16_t)((int)(test_random(&seed) % 65535u) - 32767);
    ngi_kernels_at(0)->panel_dots(panels, 2, query, PAIRS, dots);
    for (size_t row = 0; row < 2 * (size_t)NGI_PANEL_ROWS; row++) {
        int64_t sum = 0;
        for (size_t i = 0; i < 2 * PAIRS; i++) {
            size_t at = row / NGI_PANEL_ROWS * PAIRS * NGI_PANEL_PAIR_BYTES +
                        i / 2 * NGI_PANEL_PAIR_BYTES + row % NGI_PANEL_ROWS * 2 + i % 2;
            sum += (int64_t)panels[at] * query[i];
        }
        assert_int_equal(dots[row], sum);
    }
}

static void check_panel_dots(const ngi_kernels *kernels, size_t pair_count, int extreme,
                             uint64_t *seed)
{
    /* From malloc, so that a sanitizer sees a read past the last panel. */
    size_t bytes = PANELS_MAX * pair_count * NGI_PANEL_PAIR_BYTES;
    for (size_t shift = 0; shift < 4; shift++) {
        int8_t *panels = malloc(bytes + shift);
        int16_t *query = malloc(2 * pair_count * sizeof *query + 2 * shift);
        assert_non_null(panels);
        assert_non_null(query);
        fill_panels(panels + shift, PANELS_MAX, pair_count, extreme, seed);
        int most = (int)(INT32_MAX / (127 * 2 * (int64_t)pair_count));
        most = most > INT16_MAX ? INT16_MAX : most;
        for (size_t i = 0; i < 2 * pair_count; i++) {
            int value = (int)(test_random(seed) % (2u * (unsigned)most + 1u)) - most;
            query[shift + i] = (int16_t)(extreme != 0 ? most : value);
        }
        int32_t want[PANELS_MAX * NGI_PANEL_ROWS];
        int32_t got[PANELS_MAX * NGI_PANEL_ROWS + 1];
        ngi_kernels_at(0)->panel_dots(panels + shift, PANELS_MAX, query + shift, pair_count, want);
        got[PANELS_MAX * NGI_PANEL_ROWS] = 42;
        kernels->panel_dots(panels + shift, PANELS_MAX, query + shift, pair_count, got);
        assert_memory_equal(got, want, sizeof want);
        assert_int_equal(got[PANELS_MAX * NGI_PANEL_ROWS], 42);
        free(panels);
        free(query);
    }
}

static void test_panel_dots_versions_agree(void **state)
{
    (void)state;
    uint64_t seed = 2685821657736338717u;
    for (size_t index = 1; ngi_kernels_at(index) != NULL; index++) {
        for (size_t length = 1; length <= LENGTH_MAX; length++)
            check_panel_dots(ngi_kernels_at(index), (length + 1) / 2, 0, &seed);
        for (size_t length = 1; length <= 4096; length *= 4) {
            check_panel_dots(ngi_kernels_at(index), (length + 1) / 2, 127, &seed);
            check_panel_dots(ngi_kernels_at(index), (length + 1) / 2, -127, &seed);
        }
    }
}

static float odd_float(uint64_t *seed)
{
    static const float ODD[] = {0.0f, -0.0f, NAN, INFINITY, -INFINITY, 1e-42f, 3e38f, -1.0f};
    uint64_t pick = test_random(seed);
    return pick % 5 == 0 ? ODD[pick / 5 % 8] : (float)test_uniform(seed);
}

static void test_filter_versions_agree(void **state)
{
    (void)state;
    uint64_t seed = 3935559000370003845u;
    int32_t dots[PANELS_MAX * NGI_PANEL_ROWS];
    float errors[PANELS_MAX * NGI_PANEL_ROWS];
    ngi_panel_bounds bounds[PANELS_MAX];
    size_t passed = 0;
    for (int round = 0; round < 2000; round++) {
        ngi_bound bound = {.step = (float)test_uniform(&seed) * 1e-9f,
                           .margin = 0.01f,
                           .norm = 1,
                           .offset = odd_float(&seed),
                           .threshold = odd_float(&seed)};
        for (size_t i = 0; i < PANELS_MAX * (size_t)NGI_PANEL_ROWS; i++) {
            dots[i] = (int32_t)(uint32_t)test_random(&seed);
            errors[i] = odd_float(&seed);
            bounds[i / NGI_PANEL_ROWS].gain[i % NGI_PANEL_ROWS] = odd_float(&seed);
            bounds[i / NGI_PANEL_ROWS].shift[i % NGI_PANEL_ROWS] = odd_float(&seed);
        }
        uint16_t want[PANELS_MAX];
        ngi_kernels_at(0)->filter(&bound, dots, bounds, errors, PANELS_MAX, want);
        passed += want[0] & 1u;
        for (size_t index = 1; ngi_kernels_at(index) != NULL; index++) {
            uint16_t got[PANELS_MAX];
            ngi_kernels_at(index)->filter(&bound, dots, bounds, errors, PANELS_MAX, got);
            assert_memory_equal(got, want, sizeof want);
        }
    }
    assert_in_range(passed, 1, 1999);
}

static void test_filter_passes_what_is_unknown(void **state)
{
    (void)state;
    int32_t dots[NGI_PANEL_ROWS] = {0};
    float errors[NGI_PANEL_ROWS] = {0};
    ngi_panel_bounds bounds = {0};
    ngi_bound bound = {.step = 1, .margin = 1, .norm = 1, .offset = 1, .threshold = 5};
    bounds.gain[1] = NAN; /* unknown */
    bounds.gain[2] = 1;   /* 1 < 5 */
    bounds.gain[3] = 5;   /* 5 is not below 5 */
    bounds.gain[4] = 1;
    errors[4] = NAN; /* no image */
    bounds.gain[5] = 1;
    errors[5] = -INFINITY; /* no vector */
    bounds.shift[6] = 6;   /* the centre alone */
    bounds.gain[7] = 1;
    dots[7] = 4;
    for (size_t index = 0; ngi_kernels_at(index) != NULL; index++) {
        uint16_t mask = 0;
        ngi_kernels_at(index)->filter(&bound, dots, &bounds, errors, 1, &mask);
        assert_int_equal(mask, 1u << 1 | 1u << 3 | 1u << 4 | 1u << 6 | 1u << 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_version_is_found),
        cmocka_unit_test(test_dot_is_the_sum),
        cmocka_unit_test(test_dot_versions_agree),
        cmocka_unit_test(test_dot_of_negative_zeros),
        cmocka_unit_test(test_panel_dots_are_scalar_products),
        cmocka_unit_test(test_panel_dots_versions_agree),
        cmocka_unit_test(test_filter_versions_agree),
        cmocka_unit_test(test_filter_passes_what_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
