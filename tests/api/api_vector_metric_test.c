/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Searches of fields by every metric beside a brute-force search in float64: exact ones find what it
 * finds, approximate ones what the exact one finds when they keep every candidate. */
#include "api_support.h"

#include "test_random.h"

#include <math.h>
#include <stdlib.h>

#define TOKENS 700u
#define MOST 33u /* dimensions */

typedef struct fixture {
    ng_store *store;
    test_random random;
    uint32_t dimensions;
    ng_vector_metric metric;
    bool is_there[TOKENS + 1];
    float vectors[TOKENS + 1][MOST];
} fixture;

static void random_vector(fixture *f, float *out)
{
    /* Of very different lengths, some twice, some zero. */
    float length = (float)test_random_below(&f->random, 5) * 3.0f;
    for (uint32_t i = 0; i < f->dimensions; i++)
        out[i] = length * ((float)test_random_below(&f->random, 201) / 100 - 1);
}

static void give(fixture *f, ng_token_id id)
{
    const bool removes = test_random_chance(&f->random, 10);
    const ng_field_vector vector = {.field = 1,
                                    .values = f->vectors[id],
                                    .dimensions = removes ? 0 : f->dimensions};
    ng_token_fields fields = api_fields();
    random_vector(f, f->vectors[id]);
    fields.set = NG_FIELD_VECTORS;
    fields.vectors = &vector;
    fields.vector_count = 1;
    ASSERT_OK(ng_token_update(f->store, id, &fields, NULL));
    f->is_there[id] = !removes;
}

static fixture *make_fixture(ng_vector_metric metric, uint32_t dimensions)
{
    fixture *f = calloc(1, sizeof *f);
    ng_vector_field_id id = 0;
    const ng_vector_field_options options = {.struct_size = sizeof options,
                                             .dimensions = dimensions,
                                             .metric = metric};
    assert_non_null(f);
    f->store = api_memory_store();
    f->metric = metric;
    f->dimensions = dimensions;
    f->random.state = test_environment("NG_TEST_SEED", 4711) + dimensions;
    ASSERT_OK(ng_vector_field_create(f->store, "field", &options, NULL, &id));
    for (uint32_t i = 1; i <= TOKENS; i++) {
        assert_int_equal(api_token(f->store), i);
        give(f, i);
    }
    return f;
}

/* False without a direction, where the metric wants one. */
static bool score_of(const fixture *f, const float *a, const float *b, double *out)
{
    double dot = 0, aa = 0, bb = 0, squares = 0;
    for (uint32_t i = 0; i < f->dimensions; i++) {
        double x = (double)a[i], y = (double)b[i];
        dot += x * y;
        aa += x * x;
        bb += y * y;
        squares += (x - y) * (x - y);
    }
    if (f->metric == NG_VECTOR_COSINE && (aa == 0 || bb == 0))
        return false;
    *out = f->metric == NG_VECTOR_L2    ? -squares
           : f->metric == NG_VECTOR_DOT ? dot
                                        : dot / sqrt(aa) / sqrt(bb);
    return true;
}

static int by_score(const void *a, const void *b)
{
    const ng_score *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static size_t brute_force(const fixture *f, const float *query, ng_score *out)
{
    size_t count = 0;
    for (ng_token_id id = 1; id <= TOKENS; id++)
        if (f->is_there[id] && score_of(f, query, f->vectors[id], &out[count].score))
            out[count++].id = id;
    qsort(out, count, sizeof *out, by_score);
    return count;
}

/* Scores are equal up to rounding, and so is the order. */
static void expect_same(const fixture *f, const float *query, uint32_t effort, size_t limit)
{
    static ng_score wanted[TOKENS], found[TOKENS];
    size_t all = brute_force(f, query, wanted), count = 0;
    const ng_vector_options options = {.struct_size = sizeof options, .field = 1, .effort = effort};
    ASSERT_OK(ng_vector_nearest(f->store, query, f->dimensions, &options, found, limit, &count));
    assert_int_equal(count, all < limit ? all : limit);
    for (size_t i = 0; i < count; i++) {
        double own = 0, close = 1e-9 * (1 + fabs(wanted[i].score));
        assert_true(score_of(f, query, f->vectors[found[i].id], &own));
        assert_true(f->is_there[found[i].id]);
        assert_true(fabs(found[i].score - own) <= close);
        assert_true(fabs(found[i].score - wanted[i].score) <= close);
    }
}

static void check_metric(ng_vector_metric metric)
{
    static const uint32_t sizes[] = {2, 3, 16, MOST};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        fixture *f = make_fixture(metric, sizes[s]);
        const ng_vector_graph_options graph = {.struct_size = sizeof graph, .field = 1};
        float query[MOST];
        for (int round = 0; round < 12; round++) {
            do
                random_vector(f, query);
            while (query[0] == 0);
            expect_same(f, query, 0, 1);
            expect_same(f, query, 0, 10);
            expect_same(f, query, 0, TOKENS);
            for (int i = 0; i < 20; i++)
                give(f, 1 + test_random_below(&f->random, TOKENS));
        }
        ASSERT_OK(ng_vector_graph_build(f->store, &graph, NULL, NULL));
        expect_same(f, query, TOKENS, 5);
        expect_same(f, query, 0, 5);
        ng_check_report report;
        ASSERT_OK(ng_check(f->store, &report));
        assert_string_equal(report.first_problem, "");
        ASSERT_OK(ng_close(f->store));
        free(f);
    }
}

static void test_cosine(void **state)
{
    (void)state;
    check_metric(NG_VECTOR_COSINE);
}

static void test_dot(void **state)
{
    (void)state;
    check_metric(NG_VECTOR_DOT);
}

static void test_l2(void **state)
{
    (void)state;
    check_metric(NG_VECTOR_L2);
}

/* A zero vector has no direction, and a distance. */
static void test_zero_query(void **state)
{
    (void)state;
    const float zero[MOST] = {0};
    ng_score score;
    size_t count;
    for (int metric = 0; metric < 3; metric++) {
        fixture *f = make_fixture((ng_vector_metric)metric, 3);
        const ng_vector_options options = {.struct_size = sizeof options, .field = 1};
        if (metric == NG_VECTOR_COSINE)
            ASSERT_FAILS(ng_vector_nearest(f->store, zero, 3, &options, &score, 1, &count),
                         NG_E_INVALID, "no direction");
        else
            expect_same(f, zero, 0, 10);
        ASSERT_OK(ng_close(f->store));
        free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_dot),
        cmocka_unit_test(test_l2),
        cmocka_unit_test(test_zero_query),
    };
    return cmocka_run_group_tests_name("metrics of vector fields", tests, NULL, NULL);
}
