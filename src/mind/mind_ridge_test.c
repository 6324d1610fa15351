/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Ridge regression: weights that are known come out, errors of rows held out are those of a naive
 * twin that solves by elimination, and more dimensions than rows give the same predictions. */
#include "mind/mind_ridge.h"

#include "mind/mind_testing.h"

#include <math.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)
#define T NGI_RIDGE_TARGETS

typedef struct sample {
    size_t count, dimensions;
    float *rows;
    double *targets;
} sample;

/* targets = w . row + b + noise, with w[j] = j + t, b = t - 1 */
static sample sample_create(uint64_t *seed, size_t count, size_t dimensions, double noise)
{
    sample s = {count, dimensions, calloc(count * dimensions, sizeof *s.rows),
                calloc(count * T, sizeof *s.targets)};
    assert_non_null(s.rows);
    assert_non_null(s.targets);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < dimensions; j++)
            s.rows[i * dimensions + j] = testing_float(seed) + 5; /* far from the origin */
        for (size_t t = 0; t < T; t++) {
            double sum = (double)t - 1 + noise * (double)testing_float(seed);
            for (size_t j = 0; j < dimensions; j++)
                sum += (double)(j + t) * (double)s.rows[i * dimensions + j];
            s.targets[i * T + t] = sum;
        }
    }
    return s;
}

static void sample_release(sample *s)
{
    free(s->rows);
    free(s->targets);
}

static ngi_ridge *fit(testing *t, const sample *s, double lambda)
{
    const ngi_ridge_input input = {.rows = s->rows,
                                   .targets = s->targets,
                                   .count = s->count,
                                   .dimensions = s->dimensions,
                                   .lambda = lambda};
    ngi_ridge *ridge = NULL;
    assert_ok(ngi_ridge_create(&t->mem, &input, &ridge));
    return ridge;
}

static void test_weights_come_out(void **state)
{
    uint64_t seed = testing_seed();
    sample s = sample_create(&seed, 200, 6, 0);
    ngi_ridge *ridge = fit(*state, &s, 1e-6);
    float probe[6] = {0};
    for (size_t t = 0; t < T; t++) {
        double b = ngi_ridge_predict(ridge, probe, t);
        assert_true(fabs(b - ((double)t - 1)) < 1e-3);
        for (size_t j = 0; j < 6; j++) {
            probe[j] = 1;
            assert_true(fabs(ngi_ridge_predict(ridge, probe, t) - b - (double)(j + t)) < 1e-3);
            probe[j] = 0;
        }
        assert_true(ngi_ridge_errors(ridge)[t].r2 > 1 - 1e-9);
    }
    ngi_ridge_destroy(ridge);
    sample_release(&s);
}

/* Uniform noise of +-a has the deviation a / sqrt(3). */
static void test_error_is_the_noise(void **state)
{
    uint64_t seed = testing_seed();
    sample s = sample_create(&seed, 2000, 4, 3);
    ngi_ridge *ridge = fit(*state, &s, 0);
    for (size_t t = 0; t < T; t++) {
        const ngi_ridge_error *error = &ngi_ridge_errors(ridge)[t];
        assert_true(fabs(error->rmse - sqrt(3)) < 0.1);
        assert_true(error->rmse_of_mean > error->rmse);
        assert_true(fabs(error->r2 - (1 - error->rmse * error->rmse / error->rmse_of_mean /
                                              error->rmse_of_mean)) < 1e-12);
    }
    ngi_ridge_destroy(ridge);
    sample_release(&s);
}

static void test_noise_alone_is_not_predicted(void **state)
{
    uint64_t seed = testing_seed();
    sample s = sample_create(&seed, 60, 30, 0);
    for (size_t i = 0; i < s.count * T; i++)
        s.targets[i] = (double)testing_float(&seed);
    ngi_ridge *ridge = fit(*state, &s, 0);
    assert_true(ngi_ridge_lambda(ridge) >= 10);
    for (size_t t = 0; t < T; t++)
        assert_true(ngi_ridge_errors(ridge)[t].r2 < 0.1);
    ngi_ridge_destroy(ridge);
    sample_release(&s);
}

/* --- the twin: normal equations of centred rows, by elimination with pivots ------------------- */

typedef struct twin {
    size_t d;
    double mean[40], mean_target, a[40][41], weights[40], penalty;
} twin;

static void twin_eliminate(twin *w)
{
    for (size_t k = 0; k < w->d; k++) {
        size_t best = k;
        for (size_t i = k; i < w->d; i++)
            best = fabs(w->a[i][k]) > fabs(w->a[best][k]) ? i : best;
        for (size_t j = 0; j <= w->d; j++) {
            double held = w->a[k][j];
            w->a[k][j] = w->a[best][j];
            w->a[best][j] = held;
        }
        for (size_t i = 0; i < w->d; i++) {
            double factor = i == k ? 0 : w->a[i][k] / w->a[k][k];
            for (size_t j = k; j <= w->d; j++)
                w->a[i][j] -= factor * w->a[k][j];
        }
    }
    for (size_t k = 0; k < w->d; k++)
        w->weights[k] = w->a[k][w->d] / w->a[k][k];
}

/* Of the rows that are not in `part`; part 10 = of all. */
static void twin_fit(twin *w, const sample *s, size_t t, double lambda, size_t part)
{
    double count = 0, spread = 0;
    *w = (twin){.d = s->dimensions};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < s->count; i++) {
            const float *row = s->rows + i * s->dimensions;
            if (i % NGI_RIDGE_PARTS == part)
                continue;
            count += pass == 0;
            w->mean_target += pass == 0 ? s->targets[i * T + t] : 0;
            for (size_t a = 0; a < w->d; a++) {
                w->mean[a] += pass == 0 ? (double)row[a] : 0;
                double x = (double)row[a] - w->mean[a];
                spread += pass == 1 ? x * x : 0;
                for (size_t b = 0; b < w->d && pass == 1; b++)
                    w->a[a][b] += x * ((double)row[b] - w->mean[b]);
                if (pass == 1)
                    w->a[a][w->d] += x * (s->targets[i * T + t] - w->mean_target);
            }
        }
        for (size_t a = 0; a < w->d && pass == 0; a++)
            w->mean[a] /= count;
        w->mean_target /= pass == 0 ? count : 1;
    }
    w->penalty = lambda * spread / (double)w->d;
    for (size_t a = 0; a < w->d; a++)
        w->a[a][a] += w->penalty;
    twin_eliminate(w);
}

static double twin_predict(const twin *w, const float *row)
{
    double sum = w->mean_target;
    for (size_t a = 0; a < w->d; a++)
        sum += w->weights[a] * ((double)row[a] - w->mean[a]);
    return sum;
}

static void check_twin(testing *t, const sample *s, double lambda)
{
    ngi_ridge *ridge = fit(t, s, lambda);
    for (size_t target = 0; target < T; target++) {
        double squares = 0, of_mean = 0;
        twin w;
        for (size_t part = 0; part < NGI_RIDGE_PARTS; part++) {
            twin_fit(&w, s, target, lambda, part);
            for (size_t i = part; i < s->count; i += NGI_RIDGE_PARTS) {
                double y = s->targets[i * T + target];
                squares += pow(y - twin_predict(&w, s->rows + i * s->dimensions), 2);
                of_mean += pow(y - w.mean_target, 2);
            }
        }
        const ngi_ridge_error *error = &ngi_ridge_errors(ridge)[target];
        assert_true(fabs(error->rmse - sqrt(squares / (double)s->count)) < 1e-7);
        assert_true(fabs(error->rmse_of_mean - sqrt(of_mean / (double)s->count)) < 1e-7);
        twin_fit(&w, s, target, lambda, NGI_RIDGE_PARTS);
        for (size_t i = 0; i < s->count; i++) {
            const float *row = s->rows + i * s->dimensions;
            assert_true(fabs(ngi_ridge_predict(ridge, row, target) - twin_predict(&w, row)) < 1e-7);
        }
    }
    ngi_ridge_destroy(ridge);
}

static void test_as_the_twin(void **state)
{
    static const size_t shapes[][2] = {{20, 3}, {37, 20}, {21, 21}, {20, 30}, {23, 40}};
    static const double lambdas[] = {0.01, 1, 100};
    uint64_t seed = testing_seed();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        sample s = sample_create(&seed, shapes[i][0], shapes[i][1], 1);
        for (size_t k = 0; k < 3; k++)
            check_twin(*state, &s, lambdas[k]);
        sample_release(&s);
    }
}

/* --- reliability ------------------------------------------------------------------------------ */

static void test_reliable_near_the_rows(void **state)
{
    static const size_t shapes[][2] = {{100, 5}, {40, 60}};
    uint64_t seed = testing_seed();
    for (size_t i = 0; i < 2; i++) {
        size_t d = shapes[i][1], reliable = 0;
        sample s = sample_create(&seed, shapes[i][0], d, 1);
        float *far = calloc(d, sizeof *far), *middle = calloc(d, sizeof *middle);
        assert_non_null(far);
        assert_non_null(middle);
        ngi_ridge *ridge = fit(*state, &s, 1);
        for (size_t j = 0; j < d; j++) {
            middle[j] = 5;
            far[j] = 25;
        }
        assert_true(ngi_ridge_is_reliable(ridge, middle));
        assert_false(ngi_ridge_is_reliable(ridge, far));
        for (size_t r = 0; r < s.count; r++)
            reliable += ngi_ridge_is_reliable(ridge, s.rows + r * d);
        assert_true(reliable >= s.count * 3 / 4);
        ngi_ridge_destroy(ridge);
        free(far);
        free(middle);
        sample_release(&s);
    }
}

/* --- what is odd ------------------------------------------------------------------------------ */

static void test_rows_and_targets_all_the_same(void **state)
{
    uint64_t seed = testing_seed();
    sample s = sample_create(&seed, 20, 3, 0);
    for (size_t i = 0; i < s.count * 3; i++)
        s.rows[i] = 7;
    ngi_ridge *ridge = fit(*state, &s, 0);
    double mean = 0;
    for (size_t i = 0; i < s.count; i++)
        mean += s.targets[i * T] / 20;
    assert_true(fabs(ngi_ridge_predict(ridge, s.rows, 0) - mean) < 1e-9);
    ngi_ridge_destroy(ridge);
    for (size_t i = 0; i < s.count * T; i++)
        s.targets[i] = 0.5;
    ridge = fit(*state, &s, 0);
    assert_true(ngi_ridge_errors(ridge)[1].r2 == 0);
    assert_true(ngi_ridge_errors(ridge)[1].rmse < 1e-12);
    ngi_ridge_destroy(ridge);
    ngi_ridge_destroy(NULL);
    sample_release(&s);
}

static ng_status stop_later(void *context)
{
    int *left = context;
    return --*left > 0 ? NG_OK : ngi_fail(NG_E_CANCELLED, "stopped");
}

static void test_stops_and_failures_of_memory(void **state)
{
    testing *t = *state;
    uint64_t seed = testing_seed();
    sample s = sample_create(&seed, 20, 30, 1);
    ngi_ridge *ridge;
    int left = 5;
    ngi_ridge_input input = {.rows = s.rows,
                             .targets = s.targets,
                             .count = s.count,
                             .dimensions = s.dimensions,
                             .step = stop_later,
                             .context = &left};
    assert_int_equal(ngi_ridge_create(&t->mem, &input, &ridge), NG_E_CANCELLED);
    assert_null(ridge);
    input.step = NULL;
    ng_status status = NG_E_NOMEM;
    for (size_t n = 1; status == NG_E_NOMEM; n++) {
        assert_int_equal(atomic_load(&t->mem.used_bytes), 0);
        t->memory_count = 0;
        t->fail_memory = n;
        status = ngi_ridge_create(&t->mem, &input, &ridge);
    }
    assert_int_equal(status, NG_OK);
    ngi_ridge_destroy(ridge);
    sample_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_weights_come_out),
        TEST(test_error_is_the_noise),
        TEST(test_noise_alone_is_not_predicted),
        TEST(test_as_the_twin),
        TEST(test_reliable_near_the_rows),
        TEST(test_rows_and_targets_all_the_same),
        TEST(test_stops_and_failures_of_memory),
    };
    return cmocka_run_group_tests_name("ridge regression", tests, NULL, NULL);
}
