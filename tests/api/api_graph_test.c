/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Approximate search by vector: what is found beside the exact search, while vectors come and go, while
 * the graph is built, and when it cannot answer. */
#include "api_support.h"

#include "test_random.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define DIMENSIONS 32u
#define TOKENS 5000u
#define FOUND 10u

static const ng_vector_graph_options plain = {.struct_size = sizeof plain,
                                              .remove_components = NG_PLAIN_COSINE};
static const ng_vector_graph_options third = {.struct_size = sizeof third, .remove_components = 3};

typedef struct fixture {
    ng_store *store;
    test_random random;
} fixture;

static float unit_random(fixture *f)
{
    return (float)test_random_below(&f->random, 2001) / 1000.0f - 1.0f;
}

static void random_vector(fixture *f, float out[DIMENSIONS])
{
    uint64_t centre = test_random_below(&f->random, 150);
    for (uint32_t i = 0; i < DIMENSIONS; i++)
        out[i] = sinf((float)(centre * 31 + i * 7)) + 0.5f * unit_random(f);
}

static ng_token_id add_token(fixture *f)
{
    float vector[DIMENSIONS];
    ng_token_id id = 0;
    ng_token_fields fields = api_fields();
    random_vector(f, vector);
    fields.set = NG_FIELD_VECTOR;
    fields.vector = vector;
    fields.vector_dimensions = DIMENSIONS;
    ASSERT_OK(ng_token_create(f->store, &fields, NULL, &id));
    return id;
}

static void change_token(fixture *f, ng_token_id id)
{
    float vector[DIMENSIONS];
    ng_token_fields fields = api_fields();
    random_vector(f, vector);
    fields.set = NG_FIELD_VECTOR;
    fields.vector = vector;
    fields.vector_dimensions = DIMENSIONS;
    ASSERT_OK(ng_token_update(f->store, id, &fields, NULL));
}

static fixture *make_fixture(uint32_t tokens, const char *name)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->store = api_memory_store();
    f->random.state = test_environment("NG_TEST_SEED", 20261129);
    print_message("%s: NG_TEST_SEED=%llu\n", name, (unsigned long long)f->random.state);
    for (uint32_t i = 0; i < tokens; i++)
        add_token(f);
    return f;
}

static void free_fixture(fixture *f)
{
    ASSERT_OK(ng_close(f->store));
    free(f);
}

static void build(fixture *f)
{
    ASSERT_OK(ng_vector_graph_build(f->store, &plain, NULL, NULL));
}

/* Of the FOUND nearest, how many are found. Scores are those of the exact search. */
static double recall(fixture *f, const ng_filter *filter)
{
    ng_vector_options exact = {.struct_size = sizeof exact,
                               .remove_components = NG_PLAIN_COSINE,
                               .filter = filter};
    ng_vector_options near = exact;
    size_t right = 0, wanted = 0;
    near.effort = 200;
    for (unsigned turn = 0; turn < 40; turn++) {
        float query[DIMENSIONS];
        ng_score all[FOUND], some[FOUND];
        size_t all_count = 0, some_count = 0;
        random_vector(f, query);
        ASSERT_OK(ng_vector_nearest(f->store, query, DIMENSIONS, &exact, all, FOUND, &all_count));
        ASSERT_OK(ng_vector_nearest(f->store, query, DIMENSIONS, &near, some, FOUND, &some_count));
        assert_int_equal(some_count, all_count);
        wanted += all_count;
        for (size_t i = 0; i < all_count; i++) {
            assert_true(i == 0 || some[i].score <= some[i - 1].score);
            for (size_t j = 0; j < some_count; j++) {
                if (some[j].id != all[i].id)
                    continue;
                assert_true(some[j].score == all[i].score);
                right++;
            }
        }
    }
    return wanted == 0 ? 1 : (double)right / (double)wanted;
}

static void test_found(void **state)
{
    (void)state;
    fixture *f = make_fixture(TOKENS, "graph found");
    ng_vector_graph graph;
    ASSERT_FAILS(ng_vector_graph_get(f->store, 0, &graph), NG_E_NOT_FOUND, "no graph");
    assert_true(recall(f, NULL) == 1); /* without a graph the answer is exact */
    build(f);
    ASSERT_OK(ng_vector_graph_get(f->store, 0, &graph));
    assert_int_equal(graph.row_count, TOKENS);
    assert_int_equal(graph.removed_components, 0);
    assert_true(graph.bytes > 0);
    assert_true(recall(f, NULL) > 0.95);
    ASSERT_OK(ng_vector_graph_drop(f->store, 0));
    ASSERT_OK(ng_vector_graph_drop(f->store, 0));
    ASSERT_FAILS(ng_vector_graph_get(f->store, 0, &graph), NG_E_NOT_FOUND, "no graph");
    assert_true(recall(f, NULL) == 1);
    free_fixture(f);
}

static void test_filters(void **state)
{
    (void)state;
    fixture *f = make_fixture(TOKENS, "graph filters");
    build(f);
    for (ng_token_id last = TOKENS; last > 5; last /= 4) {
        ng_token_id first = 1;
        ng_token_fields fields = api_fields();
        fields.set = NG_FIELD_WEIGHT;
        fields.weight = 0.9f;
        for (ng_token_id id = first; id <= last; id++)
            ASSERT_OK(ng_token_update(f->store, id, &fields, NULL));
        const ng_filter filter = {.struct_size = sizeof filter,
                                  .by_weight = true,
                                  .weight_min = 0.5f,
                                  .weight_max = 1};
        assert_true(recall(f, &filter) > 0.9);
        fields.weight = 0.1f;
        for (ng_token_id id = first; id <= last; id++)
            ASSERT_OK(ng_token_update(f->store, id, &fields, NULL));
    }
    free_fixture(f);
}

static void test_changes(void **state)
{
    (void)state;
    fixture *f = make_fixture(TOKENS, "graph changes");
    ng_vector_graph graph;
    build(f);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < TOKENS / 10; i++) {
            add_token(f);
            for (unsigned change = 0; change < 2; change++) {
                ng_token_id id = 1 + test_random_below(&f->random, TOKENS);
                bool exists = false;
                ASSERT_OK(ng_token_exists(f->store, id, &exists));
                if (exists && change == 0)
                    ASSERT_OK(ng_token_delete(f->store, id, NULL));
                else if (exists)
                    change_token(f, id);
            }
        }
        assert_true(recall(f, NULL) > 0.95);
        ng_check_report report;
        ASSERT_OK(ng_check(f->store, &report));
    }
    ASSERT_OK(ng_vector_graph_get(f->store, 0, &graph));
    free_fixture(f);
}

/* --- beside others --------------------------------------------------------------------------- */

typedef struct writer {
    fixture *f;
    atomic_bool is_over;
} writer;

static void *write_tokens(void *context)
{
    writer *w = context;
    for (uint32_t i = 0; !atomic_load(&w->is_over); i++) {
        if (i % 3 == 0 && i < 10 * TOKENS)
            add_token(w->f);
        else
            change_token(w->f, 1 + test_random_below(&w->f->random, TOKENS));
    }
    return NULL;
}

static void test_build_beside_a_writer(void **state)
{
    (void)state;
    fixture *f = make_fixture(TOKENS, "graph writer");
    writer w = {.f = f};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_tokens, &w), 0);
    for (unsigned i = 0; i < 3; i++)
        build(f);
    atomic_store(&w.is_over, true);
    pthread_join(thread, NULL);
    assert_true(recall(f, NULL) > 0.95);
    free_fixture(f);
}

static bool stop_late(void *context, const ng_progress *progress)
{
    unsigned *calls = context;
    assert_string_equal(progress->phase, "graph");
    assert_true(progress->done <= progress->total);
    return ++*calls < 2;
}

static void test_refused(void **state)
{
    (void)state;
    fixture *f = make_fixture(0, "graph refused");
    float query[DIMENSIONS] = {1};
    ng_score score;
    size_t count;
    unsigned calls = 1;
    ng_vector_graph graph;
    ASSERT_FAILS(ng_vector_graph_build(f->store, &plain, NULL, NULL), NG_E_NOT_FOUND, "no vectors");
    for (unsigned i = 0; i < 100; i++)
        add_token(f);
    ASSERT_FAILS(ng_vector_graph_build(f->store, &third, NULL, NULL), NG_E_INVALID, "3");
    ASSERT_FAILS(ng_vector_graph_build(f->store, &plain, stop_late, &calls), NG_E_CANCELLED,
                 "graph");
    ASSERT_FAILS(ng_vector_graph_get(f->store, 0, &graph), NG_E_NOT_FOUND, "no graph");
    build(f);
    calls = 1;
    ASSERT_FAILS(ng_vector_graph_build(f->store, &plain, stop_late, &calls), NG_E_CANCELLED,
                 "graph");
    ASSERT_OK(ng_vector_graph_get(f->store, 0, &graph)); /* the one there was */
    const ng_vector_options options = {.struct_size = sizeof options,
                                       .remove_components = NG_PLAIN_COSINE,
                                       .effort = NG_VECTOR_EFFORT_MAX + 1};
    ASSERT_FAILS(ng_vector_nearest(f->store, query, DIMENSIONS, &options, &score, 1, &count),
                 NG_E_INVALID, "effort", "10001", "10000");
    free_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),   cmocka_unit_test(test_filters),
        cmocka_unit_test(test_changes), cmocka_unit_test(test_build_beside_a_writer),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
