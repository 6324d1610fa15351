/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Principal components: against numbers from another implementation, against a naive covariance,
 * and at the edges: one vector, equal vectors, more components than there is variance. */
#include "mind/mind_pca_private.h"

#include "base/base_limits.h"
#include "mind/mind_testing.h"

#include <math.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)

static void solve(testing *t, const float *rows, size_t count, size_t dimensions, size_t components,
                  size_t step, float *mean, float *out, double *explained)
{
    ngi_pca *pca = NULL;
    assert_ok(ngi_pca_create(&t->mem, dimensions, &pca));
    for (size_t i = 0; i < count; i += step)
        ngi_pca_add_to_mean(pca, rows + i * dimensions, count - i < step ? count - i : step);
    for (size_t i = 0; i < count; i += step)
        ngi_pca_add(pca, rows + i * dimensions, count - i < step ? count - i : step);
    assert_ok(ngi_pca_solve(&t->mem, pca, components, NULL, mean, out, explained));
    ngi_pca_destroy(&t->mem, pca);
}

static void check_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.17g is not within %g of %.17g", value, tolerance, expected);
}

/* Rows, and what numpy 1.24 (numpy.linalg.eigh of the covariance, in float64) says of them. */
static const float known_rows[12][5] = {
    {9.41870022f, -1.75899994f, 0.959800005f, 4.34840012f, 98.5090027f},
    {10.0959997f, -4.08449984f, -0.792800009f, 8.31130028f, 102.949799f},
    {9.90719986f, -3.09619999f, 1.12609994f, 2.41720009f, 98.0057983f},
    {10.0550003f, -5.12069988f, -2.29649997f, 6.37979984f, 98.9299011f},
    {8.23670006f, 1.61339998f, -0.699100018f, 12.2693005f, 102.1847f},
    {10.5036001f, -6.1862998f, -5.57340002f, 12.3849001f, 103.608398f},
    {8.29780006f, 0.317699999f, -1.0388f, 11.8978996f, 101.551399f},
    {9.89640045f, -3.59929991f, -0.688799977f, 7.95050001f, 102.124397f},
    {9.21790028f, -0.651799977f, 0.789600015f, 4.53100014f, 98.1978989f},
    {8.49040031f, 0.501600027f, 1.51110005f, 8.2798996f, 100.944901f},
    {11.1901999f, -6.45230007f, -2.60330009f, 5.38259983f, 101.117996f},
    {11.3986998f, -5.61299992f, -0.489600003f, 2.50710011f, 100.866798f}};
static const double known_mean[5] = {9.725716749827066, -2.844199943045775, -0.816308339436849,
                                     7.22165834903717, 100.74924914042155};
static const double known_explained[5] = {0.5780372568201945, 0.3763498944392122,
                                          0.04114867371993195, 0.004452886202880588,
                                          1.1288817780632321e-05};
static const double known_components[5][5] = {
    {-0.1268954030456369, 0.2326804803901994, -0.2216066296285531, 0.8689248888948935,
     0.3544254362978779},
    {-0.2643793945147037, 0.7886398037963419, 0.4952626102319687, -0.021591049707303883,
     -0.2497990574499024},
    {0.14723463880139154, -0.020959293712273213, 0.5193445317342557, -0.17608527864090573,
     0.8228960451647512},
    {-0.3599642071505383, -0.5671662319009058, 0.5992277481914569, 0.3550238160334093,
     -0.25225469432358305},
    {0.8733549239280858, 0.04231107788586996, 0.27715124348631903, 0.29572864035558677,
     -0.26681961893033057}};

static void test_known_numbers(void **state)
{
    testing *t = *state;
    float mean[5], components[25];
    double explained[5];
    solve(t, known_rows[0], 12, 5, 5, 12, mean, components, explained);
    for (size_t i = 0; i < 5; i++) {
        check_near(mean[i], known_mean[i], 1e-5);
        check_near(explained[i], known_explained[i], 1e-12);
        for (size_t j = 0; j < 5; j++)
            check_near(components[i * 5 + j], known_components[i][j], 1e-6);
    }
}

static void test_diagonal_covariance(void **state)
{
    testing *t = *state;
    /* +-1 on axis 0, +-3 on axis 1, +-2 on axis 2: variances 1/3, 9/3, 4/3 */
    const float rows[6][3] = {{1, 0, 0}, {-1, 0, 0}, {0, 3, 0}, {0, -3, 0}, {0, 0, 2}, {0, 0, -2}};
    float mean[3], components[9];
    double explained[3];
    solve(t, rows[0], 6, 3, 3, 1, mean, components, explained);
    const float expected[9] = {0, 1, 0, 0, 0, 1, 1, 0, 0};
    assert_memory_equal(components, expected, sizeof expected);
    check_near(explained[0], 9.0 / 14, 1e-15);
    check_near(explained[1], 4.0 / 14, 1e-15);
    check_near(explained[2], 1.0 / 14, 1e-15);
}

static float *random_rows(uint64_t *seed, size_t count, size_t dimensions, size_t rank)
{
    float *rows = malloc(count * dimensions * sizeof *rows);
    float *basis = malloc(rank * dimensions * sizeof *basis);
    for (size_t i = 0; i < rank * dimensions; i++)
        basis[i] = testing_float(seed);
    for (size_t r = 0; r < count; r++) {
        double row[256] = {0};
        for (size_t k = 0; k < rank; k++) {
            double factor = testing_float(seed) * (double)(rank - k);
            for (size_t i = 0; i < dimensions; i++)
                row[i] += factor * basis[k * dimensions + i];
        }
        for (size_t i = 0; i < dimensions; i++)
            rows[r * dimensions + i] = (float)(row[i] + 5);
    }
    free(basis);
    return rows;
}

static void check_orthonormal(const float *components, size_t count, size_t dimensions)
{
    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b <= a; b++) {
            double dot = 0;
            for (size_t i = 0; i < dimensions; i++)
                dot += (double)components[a * dimensions + i] * components[b * dimensions + i];
            check_near(dot, a == b, 2e-6);
        }
    }
}

/* Each component explains what the projections on it vary by; together they rebuild the rows. */
static void check_reconstruction(const float *rows, size_t count, size_t dimensions, size_t rank,
                                 const float *mean, const float *components,
                                 const double *explained)
{
    double total = 0, along[256] = {0};
    for (size_t r = 0; r < count; r++) {
        double rest[256];
        for (size_t i = 0; i < dimensions; i++) {
            rest[i] = (double)rows[r * dimensions + i] - mean[i];
            total += rest[i] * rest[i];
        }
        for (size_t k = 0; k < rank; k++) {
            double dot = 0;
            for (size_t i = 0; i < dimensions; i++)
                dot += rest[i] * components[k * dimensions + i];
            along[k] += dot * dot;
            for (size_t i = 0; i < dimensions; i++)
                rest[i] -= dot * components[k * dimensions + i];
        }
        for (size_t i = 0; i < dimensions; i++)
            check_near(rest[i], 0, 1e-3);
    }
    for (size_t k = 0; k < rank; k++) {
        check_near(along[k] / total, explained[k], 1e-6);
        assert_true(k == 0 || explained[k] <= explained[k - 1]);
    }
}

static void test_random_vectors(void **state)
{
    testing *t = *state;
    uint64_t seed = testing_seed();
    static const size_t shapes[][3] = {{40, 2, 2},    {300, 7, 7}, {300, 8, 8}, {1000, 33, 33},
                                       {500, 120, 9}, {3, 50, 2},  {90, 64, 6}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        size_t count = shapes[s][0], dimensions = shapes[s][1], rank = shapes[s][2];
        float *rows = random_rows(&seed, count, dimensions, rank);
        float mean[256], *components = malloc(dimensions * dimensions * sizeof(float));
        double explained[256];
        solve(t, rows, count, dimensions, dimensions, 64, mean, components, explained);
        check_orthonormal(components, dimensions, dimensions);
        check_reconstruction(rows, count, dimensions, rank < count ? rank : count, mean, components,
                             explained);
        double sum = 0;
        for (size_t k = 0; k < dimensions; k++)
            sum += explained[k];
        check_near(sum, 1, 1e-9);
        free(components);
        free(rows);
    }
}

static void test_result_does_not_depend_on_the_calls(void **state)
{
    testing *t = *state;
    uint64_t seed = testing_seed();
    float *rows = random_rows(&seed, 777, 30, 30);
    float mean[2][30], components[2][24 * 30];
    double explained[2][24];
    static const size_t steps[] = {777, 1, 13, 64, 100};
    solve(t, rows, 777, 30, 24, 50, mean[0], components[0], explained[0]);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        solve(t, rows, 777, 30, 24, steps[i], mean[1], components[1], explained[1]);
        assert_memory_equal(mean[0], mean[1], sizeof mean[0]);
        assert_memory_equal(components[0], components[1], sizeof components[0]);
        assert_memory_equal(explained[0], explained[1], sizeof explained[0]);
    }
    free(rows);
}

static void test_sign_convention(void **state)
{
    testing *t = *state;
    uint64_t seed = testing_seed();
    float *rows = random_rows(&seed, 200, 12, 12);
    float mean[12], components[144];
    double explained[12];
    solve(t, rows, 200, 12, 12, 200, mean, components, explained);
    for (size_t k = 0; k < 12; k++) {
        float largest = 0;
        for (size_t i = 0; i < 12; i++) {
            if (fabsf(components[k * 12 + i]) > fabsf(largest))
                largest = components[k * 12 + i];
        }
        assert_true(largest > 0);
    }
    free(rows);
}

static void test_no_variance(void **state)
{
    testing *t = *state;
    float rows[9][3], mean[3], components[9];
    double explained[3];
    const float unit[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    for (size_t i = 0; i < 9; i++)
        memcpy(rows[i], (float[3]){0.1f, -7e30f, 3}, sizeof rows[i]);
    for (size_t count = 0; count <= 9; count += count == 0 ? 1 : 8) {
        solve(t, rows[0], count, 3, 3, 9, mean, components, explained);
        if (count > 0)
            check_near(mean[0], 0.1f, 1e-8);
        assert_memory_equal(components, unit, sizeof unit);
        for (size_t k = 0; k < 3; k++)
            assert_true(explained[k] >= 0 && explained[k] <= 1);
    }
}

static void test_huge_and_tiny_numbers(void **state)
{
    testing *t = *state;
    const float huge[2][2] = {{3e38f, 0}, {-3e38f, 0}}, tiny[2][2] = {{0, 1e-38f}, {0, -1e-38f}};
    float mean[2], components[4];
    double explained[2];
    solve(t, huge[0], 2, 2, 2, 2, mean, components, explained);
    check_near(explained[0], 1, 0);
    assert_true(components[0] == 1 && components[1] == 0);
    solve(t, tiny[0], 2, 2, 2, 2, mean, components, explained);
    check_near(explained[0], 1, 0);
    assert_true(components[0] == 0 && components[1] == 1);
}

static void test_covariance_equals_its_twin(void **state)
{
    (void)state;
    uint64_t seed = testing_seed();
    for (size_t stride = NGI_COVARIANCE_TILE; stride <= 104; stride += 3 * NGI_COVARIANCE_TILE) {
        double *block = malloc(64 * stride * sizeof *block);
        double *fast = calloc(stride * stride, sizeof *fast);
        double *portable = calloc(stride * stride, sizeof *portable);
        for (size_t rows = 0; rows <= 64; rows += 16) {
            for (size_t i = 0; i < 64 * stride; i++)
                block[i] = testing_float(&seed) * 1e3;
            ngi_covariance_add(block, rows, stride, fast);
            ngi_covariance_add_portable(block, rows, stride, portable);
            assert_memory_equal(fast, portable, stride * stride * sizeof *fast);
        }
        free(block);
        free(fast);
        free(portable);
    }
}

/* Any symmetric matrix: a v = value v, and the sum of the eigenvalues is the trace. */
static void test_eigenvectors(void **state)
{
    (void)state;
    uint64_t seed = testing_seed();
    for (size_t n = 1; n <= 60; n = n * 3 / 2 + 1) {
        size_t stride = n + 3;
        double *a = calloc(n * stride, sizeof *a), *copy = calloc(n * stride, sizeof *a);
        double *vectors = calloc(n * stride, sizeof *a), trace = 0, sum = 0;
        for (size_t i = 0; i < n; i++) {
            for (size_t j = i; j < n; j++)
                a[i * stride + j] = copy[i * stride + j] = copy[j * stride + i] =
                    testing_float(&seed) * 100.0;
            trace += a[i * stride + i];
        }
        assert_ok(ngi_pca_eigen(a, vectors, n, stride, NULL));
        for (size_t k = 0; k < n; k++) {
            sum += a[k * stride + k];
            for (size_t i = 0; i < n; i++) {
                double product = 0;
                for (size_t j = 0; j < n; j++)
                    product += copy[i * stride + j] * vectors[k * stride + j];
                check_near(product, a[k * stride + k] * vectors[k * stride + i], 1e-10);
            }
        }
        check_near(sum, trace, 1e-9);
        free(a);
        free(copy);
        free(vectors);
    }
}

static ng_status stop_at(void *context)
{
    int *left = context;
    return --*left < 0 ? NG_E_CANCELLED : NG_OK;
}

static void test_watch_and_arguments(void **state)
{
    testing *t = *state;
    ngi_pca *pca = NULL;
    float mean[5], components[25];
    double explained[5];
    int left = 2;
    ngi_pca_watch watch = {stop_at, &left};
    assert_int_equal(ngi_pca_create(&t->mem, 0, &pca), NG_E_INVALID);
    assert_int_equal(ngi_pca_create(&t->mem, NGI_DIMENSIONS_MAX + 1, &pca), NG_E_INVALID);
    assert_ok(ngi_pca_create(&t->mem, 5, &pca));
    ngi_pca_add_to_mean(pca, known_rows[0], 12);
    ngi_pca_add(pca, known_rows[0], 12);
    assert_int_equal(ngi_pca_solve(&t->mem, pca, 6, NULL, mean, components, explained),
                     NG_E_INVALID);
    assert_int_equal(ngi_pca_solve(&t->mem, pca, 0, NULL, mean, components, explained),
                     NG_E_INVALID);
    assert_int_equal(ngi_pca_solve(&t->mem, pca, 5, &watch, mean, components, explained),
                     NG_E_CANCELLED);
    ngi_pca_destroy(&t->mem, pca);
    ngi_pca_destroy(&t->mem, NULL);
    for (t->fail_memory = 1; t->fail_memory <= 2; t->fail_memory++) {
        t->memory_count = 0;
        assert_int_equal(ngi_pca_create(&t->mem, 5, &pca), NG_E_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_known_numbers),         TEST(test_diagonal_covariance),
        TEST(test_random_vectors),        TEST(test_result_does_not_depend_on_the_calls),
        TEST(test_sign_convention),       TEST(test_no_variance),
        TEST(test_huge_and_tiny_numbers), TEST(test_covariance_equals_its_twin),
        TEST(test_eigenvectors),          TEST(test_watch_and_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
