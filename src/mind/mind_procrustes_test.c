/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The orthogonal map between two sets of vectors: found exactly where float32 holds both, within the noise
 * where there is some, between different dimensions, and at the edges. */
#include "mind/mind_procrustes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state;
static ngi_mem mem;

/* Roughly normal, deterministic. */
static double normal(void)
{
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sum += (double)(random_state >> 11) * 0x1p-53;
    }
    return sum - 6;
}

/* A random orthogonal matrix by Gram-Schmidt. */
static void random_rotation(double *q, size_t d)
{
    for (size_t row = 0; row < d; row++) {
        double *a = q + row * d, length = 0;
        for (size_t i = 0; i < d; i++)
            a[i] = normal();
        for (int round = 0; round < 2; round++) {
            for (size_t before = 0; before < row; before++) {
                double dot = 0;
                for (size_t i = 0; i < d; i++)
                    dot += a[i] * q[before * d + i];
                for (size_t i = 0; i < d; i++)
                    a[i] -= dot * q[before * d + i];
            }
        }
        for (size_t i = 0; i < d; i++)
            length += a[i] * a[i];
        for (size_t i = 0; i < d; i++)
            a[i] /= sqrt(length);
    }
}

static void random_vector(float *out, size_t d)
{
    for (size_t i = 0; i < d; i++)
        out[i] = (float)normal();
}

/* The map as a matrix [to][from], from the images of the axes. */
static void matrix_of(const ngi_procrustes *p, double *out, size_t from, size_t to)
{
    float *axis = calloc(from, sizeof *axis);
    double *image = calloc(to, sizeof *image);
    for (size_t k = 0; k < from; k++) {
        axis[k] = 1;
        ngi_procrustes_map(p, axis, image);
        axis[k] = 0;
        for (size_t i = 0; i < to; i++)
            out[i * from + k] = image[i];
    }
    free(axis);
    free(image);
}

/* Largest distance of M M^T from the identity. */
static double skew(const double *m, size_t rows, size_t columns)
{
    double worst = 0;
    for (size_t a = 0; a < rows; a++) {
        for (size_t b = 0; b < rows; b++) {
            double dot = a == b ? -1 : 0;
            for (size_t i = 0; i < columns; i++)
                dot += m[a * columns + i] * m[b * columns + i];
            worst = fmax(worst, fabs(dot));
        }
    }
    return worst;
}

/* Vectors with few digits and a signed permutation: float32 holds x and its image exactly, so what is
 * found must be the permutation, to rounding in float64. */
static void test_finds_a_permutation(void **state)
{
    (void)state;
    enum { D = 40, N = 120 };
    size_t where[D];
    double sign[D], m[D * D];
    float x[D], y[D];
    ngi_procrustes *p;
    random_state = 1;
    for (size_t i = 0; i < D; i++) {
        where[i] = (i * 7 + 3) % D;
        sign[i] = i % 3 == 0 ? -1 : 1;
    }
    assert_int_equal(ngi_procrustes_create(&mem, D, D, &p), NG_OK);
    for (int n = 0; n < N; n++) {
        random_vector(x, D);
        for (size_t i = 0; i < D; i++)
            y[where[i]] = (float)sign[i] * x[i];
        ngi_procrustes_add(p, x, y);
    }
    assert_int_equal(ngi_procrustes_count(p), N);
    assert_int_equal(ngi_procrustes_solve(p, NULL), NG_OK);
    matrix_of(p, m, D, D);
    for (size_t i = 0; i < D; i++)
        for (size_t k = 0; k < D; k++)
            assert_true(fabs(m[k * D + i] - (k == where[i] ? sign[i] : 0)) < 1e-10);
    ngi_procrustes_destroy(&mem, p);
}

/* Pairs (x, Qx + noise) with Q random: rounding to float32 alone, or more. What is found is orthogonal to
 * 1e-12 all the same. */
static void check_rotation(size_t d, size_t n, double noise, double tolerance, double least_cosine)
{
    double *q = calloc(d * d, sizeof *q), *m = calloc(d * d, sizeof *m), worst = 0;
    float *x = calloc(d, sizeof *x), *y = calloc(d, sizeof *y);
    ngi_procrustes *p;
    random_rotation(q, d);
    assert_int_equal(ngi_procrustes_create(&mem, d, d, &p), NG_OK);
    for (size_t j = 0; j < n; j++) {
        random_vector(x, d);
        for (size_t i = 0; i < d; i++) {
            double sum = 0;
            for (size_t k = 0; k < d; k++)
                sum += q[i * d + k] * (double)x[k];
            y[i] = (float)(sum + noise * normal());
        }
        ngi_procrustes_add(p, x, y);
    }
    assert_int_equal(ngi_procrustes_solve(p, NULL), NG_OK);
    matrix_of(p, m, d, d);
    for (size_t i = 0; i < d * d; i++)
        worst = fmax(worst, fabs(m[i] - q[i]));
    assert_true(worst < tolerance);
    assert_true(skew(m, d, d) < 1e-12);
    double cosine;
    assert_true(ngi_procrustes_cosine(p, x, y, &cosine));
    assert_true(cosine > least_cosine);
    ngi_procrustes_destroy(&mem, p);
    free(q);
    free(m);
    free(x);
    free(y);
}

static void test_finds_a_rotation(void **state)
{
    (void)state;
    random_state = 2;
    check_rotation(2, 50, 0, 1e-6, 1 - 1e-9);
    check_rotation(37, 500, 0, 1e-6, 1 - 1e-9);
    check_rotation(64, 4000, 0.3, 0.1, 0.8);
}

/* A product of reflections I - 2 h h^T / d, with h of ones and minus ones and d a power of two, is a dense
 * rotation that float32 applies without rounding. */
static void reflect(double *x, uint32_t signs, size_t d)
{
    double sum = 0;
    for (size_t i = 0; i < d; i++)
        sum += (signs >> i & 1) != 0 ? -x[i] : x[i];
    for (size_t i = 0; i < d; i++)
        x[i] -= ((signs >> i & 1) != 0 ? -2 : 2) * sum / (double)d;
}

static void test_finds_a_dense_rotation_exactly(void **state)
{
    (void)state;
    enum { D = 16 };
    const uint32_t signs[3] = {0x5A3C, 0x1F07, 0xC2B9};
    double m[D * D], image[D];
    float x[D], y[D];
    ngi_procrustes *p;
    random_state = 3;
    assert_int_equal(ngi_procrustes_create(&mem, D, D, &p), NG_OK);
    for (int n = 0; n < 200; n++) {
        for (size_t i = 0; i < D; i++)
            image[i] = x[i] = (float)(lrint(normal() * 16)) / 16;
        for (int k = 0; k < 3; k++)
            reflect(image, signs[k], D);
        for (size_t i = 0; i < D; i++) {
            y[i] = (float)image[i];
            assert_true((double)y[i] == image[i]);
        }
        ngi_procrustes_add(p, x, y);
    }
    assert_int_equal(ngi_procrustes_solve(p, NULL), NG_OK);
    matrix_of(p, m, D, D);
    for (size_t k = 0; k < D; k++) {
        memset(image, 0, sizeof image);
        image[k] = 1;
        for (int n = 0; n < 3; n++)
            reflect(image, signs[n], D);
        for (size_t i = 0; i < D; i++)
            assert_true(fabs(m[i * D + k] - image[i]) < 1e-10);
    }
    ngi_procrustes_destroy(&mem, p);
}

/* From few dimensions to many nothing is lost; from many to few what is cut is. */
static void test_rectangular(void **state)
{
    (void)state;
    enum { LESS = 5, MORE = 9, N = 60 };
    double m[LESS * MORE], cosine;
    float x[LESS], y[MORE];
    ngi_procrustes *up, *down;
    random_state = 4;
    assert_int_equal(ngi_procrustes_create(&mem, LESS, MORE, &up), NG_OK);
    assert_int_equal(ngi_procrustes_create(&mem, MORE, LESS, &down), NG_OK);
    for (int n = 0; n < N; n++) {
        random_vector(x, LESS);
        memset(y, 0, sizeof y);
        for (size_t i = 0; i < LESS; i++)
            y[MORE - 1 - i] = -x[i];
        ngi_procrustes_add(up, x, y);
        ngi_procrustes_add(down, y, x);
    }
    assert_int_equal(ngi_procrustes_solve(up, NULL), NG_OK);
    assert_int_equal(ngi_procrustes_solve(down, NULL), NG_OK);
    assert_true(ngi_procrustes_cosine(up, x, y, &cosine) && cosine > 1 - 1e-12);
    assert_true(ngi_procrustes_cosine(down, y, x, &cosine) && cosine > 1 - 1e-12);
    matrix_of(down, m, MORE, LESS);
    assert_true(skew(m, LESS, MORE) < 1e-12);
    for (size_t i = 0; i < LESS; i++)
        assert_true(fabs(m[i * MORE + MORE - 1 - i] + 1) < 1e-10);
    ngi_procrustes_destroy(&mem, up);
    ngi_procrustes_destroy(&mem, down);
}

/* Nothing known, one pair, pairs without direction: still a rotation. */
static void test_few_pairs(void **state)
{
    (void)state;
    enum { D = 12 };
    double m[D * D], cosine;
    float x[D] = {0}, y[D] = {0};
    for (int pairs = 0; pairs < 4; pairs++) {
        ngi_procrustes *p;
        assert_int_equal(ngi_procrustes_create(&mem, D, D, &p), NG_OK);
        random_state = 5;
        memset(x, 0, sizeof x);
        ngi_procrustes_add(p, x, y);
        assert_int_equal(ngi_procrustes_count(p), 0);
        for (int n = 0; n < pairs; n++) {
            random_vector(x, D);
            random_vector(y, D);
            ngi_procrustes_add(p, x, y);
        }
        assert_int_equal(ngi_procrustes_solve(p, NULL), NG_OK);
        matrix_of(p, m, D, D);
        assert_true(skew(m, D, D) < 1e-12);
        assert_int_equal(ngi_procrustes_cosine(p, x, y, &cosine), pairs > 0);
        if (pairs == 1)
            assert_true(cosine > 1 - 1e-12);
        if (pairs == 0) /* what is not known is left alone */
            assert_true(m[0] == 1 && m[D + 1] == 1);
        ngi_procrustes_destroy(&mem, p);
    }
}

/* Lengths and magnitudes do not matter. */
static void test_extremes(void **state)
{
    (void)state;
    float x[3] = {3e38f, 1e38f, 0}, y[3] = {0, 1e-40f, 3e-40f};
    double cosine;
    ngi_procrustes *p;
    assert_int_equal(ngi_procrustes_create(&mem, 3, 3, &p), NG_OK);
    ngi_procrustes_add(p, x, y);
    assert_int_equal(ngi_procrustes_solve(p, NULL), NG_OK);
    assert_true(ngi_procrustes_cosine(p, x, y, &cosine) && cosine > 1 - 1e-12);
    ngi_procrustes_destroy(&mem, p);
    assert_int_equal(ngi_procrustes_create(&mem, 0, 3, &p), NG_E_INVALID);
    assert_int_equal(ngi_procrustes_create(&mem, 3, 4097, &p), NG_E_INVALID);
    ngi_procrustes_destroy(&mem, NULL);
}

static ng_status stop(void *context)
{
    int *left = context;
    return --*left < 0 ? NG_E_CANCELLED : NG_OK;
}

static void test_is_cancelled(void **state)
{
    (void)state;
    int left = 3;
    const ngi_pca_watch watch = {stop, &left};
    float x[8], y[8];
    ngi_procrustes *p;
    random_state = 6;
    assert_int_equal(ngi_procrustes_create(&mem, 8, 8, &p), NG_OK);
    random_vector(x, 8);
    random_vector(y, 8);
    ngi_procrustes_add(p, x, y);
    assert_int_equal(ngi_procrustes_solve(p, &watch), NG_E_CANCELLED);
    ngi_procrustes_destroy(&mem, p);
}

int main(void)
{
    ngi_mem_init(&mem, SIZE_MAX);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_finds_a_permutation),
                                       cmocka_unit_test(test_finds_a_rotation),
                                       cmocka_unit_test(test_finds_a_dense_rotation_exactly),
                                       cmocka_unit_test(test_rectangular),
                                       cmocka_unit_test(test_few_pairs),
                                       cmocka_unit_test(test_extremes),
                                       cmocka_unit_test(test_is_cancelled)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
