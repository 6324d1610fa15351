/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Weaving against every pair compared in float64: what is made, changed, left and removed, in small
 * stores and with real vectors; cancelled, interrupted and without memory it is completed by a second run. */
#include "mind/mind_weave.h"

#include "mind/mind_testing.h"
#include "model/model_types.h"

#include <math.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)
#define DIMENSIONS_MAX 128u
#define REAL_WORDS 20000u

static ng_store *open_store(testing *t, const char *path)
{
    ng_store *store = NULL;
    assert_ok(ngi_store_open(&t->os, &t->mem, path, NULL, &store));
    return store;
}

static void close_store(ng_store *store)
{
    ng_check_report report;
    assert_ok(ngi_store_check(store, &report));
    assert_string_equal(report.first_problem, "");
    assert_ok(ngi_store_close(store));
}

static ng_token_id put(ng_store *store, ng_token_id id, const float *vector, size_t dimensions)
{
    const ng_token_fields fields = {.struct_size = sizeof fields,
                                    .set = vector != NULL ? NG_FIELD_VECTOR : 0,
                                    .collection = NG_COLLECTION_SEMANTIC,
                                    .vector = vector,
                                    .vector_dimensions = dimensions};
    ng_token_id out = 0;
    assert_ok(ngi_store_token_put(store, id != 0 ? &id : NULL, &fields, 1, NULL, &out));
    return out;
}

/* Words with random vectors of small integers: many ties, and every tenth like the one before. */
static void put_random(ng_store *store, uint32_t count, size_t dimensions, uint64_t seed)
{
    float vector[DIMENSIONS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        for (size_t d = 0; d < dimensions && i % 10 != 9; d++)
            vector[d] = (float)(int)(testing_random(&seed) % 5) - 2;
        put(store, 0, vector, dimensions);
    }
}

static ng_weave_report weave(ng_store *store, const ng_weave_options *options)
{
    ng_weave_report report;
    memset(&report, 0xAA, sizeof report);
    assert_ok(ngi_mind_weave(store, options, &report));
    return report;
}

static ng_weave_options options_of(uint32_t neighbors, double min_similarity)
{
    return (ng_weave_options){.struct_size = sizeof(ng_weave_options),
                              .neighbors = neighbors,
                              .min_similarity = min_similarity,
                              .by_min_similarity = true,
                              .exact = true,
                              .remove_components = NG_PLAIN_COSINE};
}

/* Woven connections of a word, by target, as (target, strength); returns how many. */
static size_t woven_of(ng_store *store, ng_token_id id, ng_token_id *targets, float *strengths)
{
    ng_edge edges[256];
    const ng_edge_options out = {.struct_size = sizeof out, .direction = NG_OUTGOING};
    size_t count = 0, kept = 0;
    assert_ok(ngi_store_token_connections(store, id, &out, edges, 256, &count));
    assert_true(count <= 256);
    for (size_t i = 0; i < count; i++) {
        ng_connection record;
        assert_ok(ngi_store_connection_get(store, edges[i].id, &record));
        if (record.type != NGI_TYPE_SIMILAR_TO || record.origin != NGI_MIND_ORIGIN_WEAVING)
            continue;
        assert_int_equal(record.mutability, NG_IMMUTABLE);
        assert_int_equal(record.confidence, 255);
        assert_int_equal(record.flags, NG_CONNECTION_ACTIVE | NG_CONNECTION_PERSISTENT);
        targets[kept] = record.target;
        strengths[kept++] = record.pull_strength;
    }
    return kept;
}

typedef struct naive_hit {
    ng_token_id id;
    double score;
} naive_hit;

static int naive_order(const void *a, const void *b)
{
    const naive_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

/* The nearest words of `id` by comparing it with every other. */
static size_t naive_nearest(ng_store *store, ng_token_id id, ng_token_id last,
                            const ng_weave_options *options, naive_hit *hits)
{
    size_t count = 0;
    for (ng_token_id other = 1; other <= last; other++) {
        double score;
        if (other != id &&
            ngi_store_similarity(store, id, other, options->remove_components, &score) == NG_OK &&
            score >= options->min_similarity)
            hits[count++] = (naive_hit){other, score};
    }
    qsort(hits, count, sizeof *hits, naive_order);
    return count < options->neighbors ? count : options->neighbors;
}

/* Equal similarities may differ in the last bit where they are summed otherwise: any of them may be the
 * last ones, but nothing nearer may be missing. */
static void check_word(ng_store *store, ng_token_id id, ng_token_id last,
                       const ng_weave_options *options, naive_hit *hits)
{
    ng_token_id targets[256];
    float strengths[256];
    size_t wanted = naive_nearest(store, id, last, options, hits);
    size_t count = woven_of(store, id, targets, strengths);
    if (count != wanted)
        fail_msg("word %llu has %zu connections, not %zu", (unsigned long long)id, count, wanted);
    for (size_t i = 0; i < wanted; i++) {
        size_t at = 0;
        while (at < count && targets[at] != hits[i].id)
            at++;
        if (at == count && hits[i].score > hits[wanted - 1].score + 1e-12)
            fail_msg("word %llu is not connected with %llu", (unsigned long long)id,
                     (unsigned long long)hits[i].id);
    }
    for (size_t i = 0; i < count; i++) {
        double score;
        assert_ok(ngi_store_similarity(store, id, targets[i], options->remove_components, &score));
        assert_true(score >= hits[wanted - 1].score - 1e-12);
        assert_true(fabs(score - (double)strengths[i]) < 1e-7);
    }
}

static void check_all(ng_store *store, ng_token_id last, const ng_weave_options *options)
{
    naive_hit *hits = malloc((size_t)last * sizeof *hits);
    assert_non_null(hits);
    for (ng_token_id id = 1; id <= last; id++)
        check_word(store, id, last, options, hits);
    free(hits);
}

/* --- what is woven ---------------------------------------------------------------------------- */

static void test_every_pair(void **state)
{
    static const struct {
        uint32_t neighbors;
        double min_similarity;
    } cases[] = {{1, -1}, {10, 0.51}, {3, 0.251}, {100, 0.001}, {10, 0.9999}};
    testing *t = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ng_store *store = open_store(t, NULL);
        const ng_weave_options options = options_of(cases[i].neighbors, cases[i].min_similarity);
        put_random(store, 300, 4, 7 + i);
        ng_weave_report report = weave(store, &options);
        assert_int_equal(report.words, 300);
        assert_int_equal(report.effort, 0);
        check_all(store, 300, &options);
        close_store(store);
    }
}

/* Zero vectors have no neighbours and are nobody's; equal ones have each other, the lowest ids first. */
static void test_zero_and_equal_vectors(void **state)
{
    static const float vectors[][2] = {{0, 0}, {1, 2}, {1, 2}, {2, 4}, {0, 0}, {1, 2}, {-1, -2}};
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    ng_weave_options options = options_of(2, 0.5);
    ng_token_id targets[256];
    float strengths[256];
    for (size_t i = 0; i < 7; i++)
        put(store, 0, vectors[i], 2);
    put(store, 0, NULL, 0);
    ng_weave_report report = weave(store, &options);
    assert_int_equal(report.words, 8);
    assert_int_equal(report.without_vector, 3);
    assert_int_equal(report.connections_created, 8);
    check_all(store, 8, &options);
    assert_int_equal(woven_of(store, 6, targets, strengths), 2);
    assert_true((targets[0] == 2 && targets[1] == 3) || (targets[0] == 3 && targets[1] == 2));
    assert_int_equal(woven_of(store, 7, targets, strengths), 0);
    close_store(store);
}

static void test_none_and_one(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    ng_weave_report report = weave(store, NULL);
    assert_int_equal(report.words + report.connections_created, 0);
    put(store, 0, NULL, 0);
    report = weave(store, NULL);
    assert_int_equal(report.words, 1);
    assert_int_equal(report.without_vector, 1);
    put(store, 0, (const float[]){1, 2, 3}, 3);
    report = weave(store, NULL);
    assert_int_equal(report.words, 2);
    assert_int_equal(report.connections_created, 0);
    close_store(store);
}

/* --- again ------------------------------------------------------------------------------------ */

static uint64_t hash_of(ng_store *store)
{
    uint64_t hash;
    assert_ok(ngi_store_hash(store, &hash));
    return hash;
}

static void test_again_writes_what_differs(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    ng_weave_options options = options_of(5, 0.201);
    put_random(store, 700, 6, 3); /* more than a group */
    ng_weave_report first = weave(store, &options);
    uint64_t hash = hash_of(store);
    ng_weave_report second = weave(store, &options);
    assert_int_equal(second.connections_unchanged, first.connections_created);
    assert_int_equal(second.connections_created + second.connections_changed +
                         second.connections_removed,
                     0);
    assert_true(hash_of(store) == hash);

    options.neighbors = 3;
    ng_weave_report fewer = weave(store, &options);
    assert_int_equal(fewer.connections_created + fewer.connections_changed, 0);
    assert_int_equal(fewer.connections_removed + fewer.connections_unchanged,
                     first.connections_created);
    check_all(store, 700, &options);

    options.neighbors = 8;
    ng_weave_report more = weave(store, &options);
    assert_int_equal(more.connections_unchanged, fewer.connections_unchanged);
    assert_int_equal(more.connections_removed, 0);
    check_all(store, 700, &options);

    put(store, 77, (const float[]){0.5f, -1, 3, 0.25f, 1, 1}, 6);
    put(store, 78, (const float[]){0, 0, 0, 0, 0, 0}, 6);
    ng_weave_report changed = weave(store, &options);
    assert_true(changed.connections_created > 0 && changed.connections_removed > 0);
    assert_true(changed.connections_unchanged > 700 * 6);
    check_all(store, 700, &options);
    close_store(store);
}

/* What lexicons and people made stays, also what stands where weaving would. */
static void test_others_are_left_alone(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    ng_weave_options options = options_of(1, -1);
    put(store, 0, (const float[]){1, 0}, 2);
    put(store, 0, (const float[]){1, 0.1f}, 2);
    put(store, 0, (const float[]){-1, 1}, 2);
    ng_connection_fields links[3] = {{0}};
    ng_connection_id ids[3];
    for (int i = 0; i < 3; i++)
        links[i] = (ng_connection_fields){.struct_size = sizeof *links,
                                          .source = 1,
                                          .target = i == 2 ? 3 : 2,
                                          .set = NG_CFIELD_TYPE,
                                          .type = i == 0 ? NGI_TYPE_SYNONYM : NGI_TYPE_SIMILAR_TO};
    assert_ok(ngi_store_connection_put(store, links, 3, 0, 0, NULL, ids, NULL));
    ng_connection before[3], after[3];
    size_t found;
    assert_ok(ngi_store_connection_get_many(store, ids, 3, before, &found));
    ng_weave_report report = weave(store, &options);
    assert_int_equal(report.connections_created, 2);
    assert_int_equal(report.connections_others, 1);
    const ng_weave_options undo = {.struct_size = sizeof undo};
    assert_ok(ngi_mind_unweave(store, &undo, &report));
    assert_int_equal(report.connections_removed, 2);
    assert_ok(ngi_store_connection_get_many(store, ids, 3, after, &found));
    assert_int_equal(found, 3);
    assert_memory_equal(before, after, sizeof before);
    ng_info info;
    assert_ok(ngi_store_info(store, &info));
    assert_int_equal(info.connection_count, 3);
    close_store(store);
}

static void test_only_its_collection_and_first_words(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    ng_weave_options options = options_of(10, -1);
    const ng_token_fields stranger = {.struct_size = sizeof stranger,
                                      .set = NG_FIELD_VECTOR,
                                      .vector = (const float[]){1, 1},
                                      .vector_dimensions = 2};
    ng_token_id targets[256], id;
    float strengths[256];
    put(store, 0, (const float[]){1, 1}, 2);
    put(store, 0, (const float[]){1, 2}, 2);
    assert_ok(ngi_store_token_put(store, NULL, &stranger, 1, NULL, &id));
    put(store, 0, (const float[]){2, 1}, 2);
    options.max_words = 1;
    assert_int_equal(weave(store, &options).words, 1);
    assert_int_equal(woven_of(store, 1, targets, strengths), 2);
    assert_int_equal(woven_of(store, 2, targets, strengths), 0);
    options.max_words = 0;
    weave(store, &options);
    assert_int_equal(woven_of(store, 2, targets, strengths), 2);
    assert_int_equal(woven_of(store, id, targets, strengths), 0);
    ng_weave_options undo = {.struct_size = sizeof undo, .by_collection = true};
    ng_weave_report report;
    assert_ok(ngi_mind_unweave(store, &undo, &report));
    assert_int_equal(report.connections_removed, 0);
    undo.collection = 77;
    assert_int_equal(ngi_mind_unweave(store, &undo, &report), NG_E_NOT_FOUND);
    assert_message("77");
    undo.collection = NG_COLLECTION_SEMANTIC;
    assert_ok(ngi_mind_unweave(store, &undo, &report));
    assert_int_equal(report.connections_removed, 6);
    close_store(store);
}

/* --- interrupted ------------------------------------------------------------------------------ */

typedef struct stopper {
    int left; /* calls until it says stop */
    const char *phase;
} stopper;

static bool stop_after(void *context, const ng_progress *progress)
{
    stopper *stop = context;
    stop->phase = progress->phase;
    assert_true(progress->total == 0 || progress->done <= progress->total);
    return stop->left-- > 0;
}

static void test_cancelled_and_completed(void **state)
{
    testing *t = *state;
    t->fast_clock = true; /* progress is shown at every step */
    for (int steps = 0;; steps++) {
        ng_store *store = open_store(t, NULL);
        ng_weave_options options = options_of(6, 0.001);
        stopper stop = {steps, NULL};
        ng_weave_report report;
        put_random(store, 300, 5, 99);
        options.progress = stop_after;
        options.progress_context = &stop;
        ng_status status = ngi_mind_weave(store, &options, &report);
        bool is_done = status == NG_OK;
        if (!is_done) {
            assert_int_equal(status, NG_E_CANCELLED);
            assert_message("weaving was cancelled");
        }
        assert_string_equal(stop.phase, "weaving");
        options.progress = NULL;
        ng_weave_report rest = weave(store, &options);
        assert_int_equal(rest.connections_unchanged, report.connections_created);
        check_all(store, 300, &options);
        if (!is_done) {
            stop.left = 0;
            ng_weave_options undo = {.struct_size = sizeof undo,
                                     .progress = stop_after,
                                     .progress_context = &stop};
            assert_int_equal(ngi_mind_unweave(store, &undo, NULL), NG_E_CANCELLED);
            assert_string_equal(stop.phase, "unweaving");
        }
        close_store(store);
        if (is_done) {
            assert_true(steps > 2);
            break;
        }
    }
}

static void test_failing_memory(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    ng_weave_options options = options_of(3, 0.001);
    put_random(store, 40, 3, 5);
    size_t failures = 0;
    for (size_t n = 1;; n++) {
        ng_weave_report report;
        t->fail_memory = t->memory_count + n;
        ng_status status = ngi_mind_weave(store, &options, &report);
        t->fail_memory = 0;
        if (status == NG_OK)
            break;
        assert_int_equal(status, NG_E_NOMEM);
        failures++;
    }
    assert_true(failures > 5);
    check_all(store, 40, &options);
    failures = 0;
    for (size_t n = 1;; n++) {
        t->fail_memory = t->memory_count + n;
        ng_status status = ngi_mind_unweave(store, NULL, NULL);
        t->fail_memory = 0;
        if (status == NG_OK)
            break;
        assert_int_equal(status, NG_E_NOMEM);
        failures++;
    }
    assert_true(failures >= 3);
    close_store(store);
}

/* On disk after the call, and there when the store is opened again. */
static void test_reopened(void **state)
{
    testing *t = *state;
    char path[160];
    snprintf(path, sizeof path, "%s/s", t->directory);
    ng_store *store = open_store(t, path);
    ng_weave_options options = options_of(4, 0.101);
    put_random(store, 200, 4, 21);
    ng_weave_report first = weave(store, &options);
    ng_info info;
    assert_ok(ngi_store_info(store, &info));
    assert_int_equal(info.applied_seq, info.durable_seq);
    uint64_t hash = hash_of(store);
    close_store(store);
    store = open_store(t, path);
    assert_true(hash_of(store) == hash);
    assert_int_equal(weave(store, &options).connections_unchanged, first.connections_created);
    assert_true(hash_of(store) == hash);
    close_store(store);
    testing_remove_directory(path);
}

/* --- arguments -------------------------------------------------------------------------------- */

static void refused(ng_store *store, const ng_weave_options *options, const char *text)
{
    assert_int_equal(ngi_mind_weave(store, options, NULL), NG_E_INVALID);
    assert_message(text);
}

static void test_arguments(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    ng_weave_options options = {.struct_size = sizeof options, .neighbors = 101};
    put_random(store, 10, 3, 1);
    refused(store, &options, "neighbors 101 is outside 1..100");
    options = (ng_weave_options){.by_min_similarity = true, .min_similarity = 1.5};
    refused(store, &options, "min_similarity 1.5 is outside -1..1");
    options.min_similarity = (double)NAN;
    refused(store, &options, "is outside -1..1");
    options = (ng_weave_options){.min_similarity = 0.5};
    refused(store, &options, "by_min_similarity");
    options = (ng_weave_options){.remove_components = 25};
    refused(store, &options, "remove_components 25 is outside -1..24");
    options = (ng_weave_options){.remove_components = 1}; /* there is no projection */
    refused(store, &options, "components");
    options = (ng_weave_options){.effort = 10001};
    refused(store, &options, "effort 10001 is outside 0..10000");
    options = (ng_weave_options){.effort = 1, .exact = true};
    refused(store, &options, "effort 1");
    options = (ng_weave_options){.collection = 9};
    assert_int_equal(ngi_mind_weave(store, &options, NULL), NG_E_NOT_FOUND);
    options = (ng_weave_options){.neighbors = 1};
    assert_int_equal(ngi_mind_unweave(store, &options, NULL), NG_E_INVALID);
    ng_info info;
    assert_ok(ngi_store_info(store, &info));
    assert_int_equal(info.connection_count, 0);
    close_store(store);
}

/* --- real vectors ----------------------------------------------------------------------------- */

static void test_real_words(void **state)
{
    testing *t = *state;
    const char *path = getenv("NG_TEST_VECTORS");
    if (path == NULL || access(path, R_OK) != 0)
        skip();
    ng_store *store = open_store(t, NULL);
    const ng_bootstrap_options load = {.struct_size = sizeof load, .max_words = REAL_WORDS};
    ng_weave_options options = {.struct_size = sizeof options, .neighbors = 10, .effort = 512};
    uint64_t seed = testing_seed(), found = 0, wanted = 0;
    naive_hit *hits = malloc(REAL_WORDS * sizeof *hits);
    assert_non_null(hits);
    assert_ok(ngi_mind_bootstrap(store, path, &load, NULL));
    ng_weave_report approximate = weave(store, &options);
    assert_int_equal(approximate.effort, 512);
    options.effort = 0;
    ng_weave_report exact = weave(store, &options);
    assert_int_equal(exact.effort, 0); /* so few that it is */
    wanted = exact.connections_created + exact.connections_unchanged;
    found = exact.connections_unchanged;
    assert_true(found * 100 >= wanted * 99);
    options.min_similarity = 0.5; /* as by default */
    for (int i = 0; i < 50; i++)
        check_word(store, 1 + testing_random(&seed) % REAL_WORDS, REAL_WORDS, &options, hits);
    free(hits);
    close_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_pair),
        TEST(test_zero_and_equal_vectors),
        TEST(test_none_and_one),
        TEST(test_again_writes_what_differs),
        TEST(test_others_are_left_alone),
        TEST(test_only_its_collection_and_first_words),
        TEST(test_cancelled_and_completed),
        TEST(test_failing_memory),
        TEST(test_reopened),
        TEST(test_arguments),
        TEST(test_real_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
