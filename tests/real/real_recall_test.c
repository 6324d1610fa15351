/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Recalls on real data (20,000 words and WordNet) against measuring every token: cosines of raw vectors in
 * float64, distances of raw coordinates, and best paths by relaxing every connection hop by hop.
 * Skipped without the data: NG_TEST_VECTORS and NG_TEST_WORDNET name it. */
#include "../api/api_support.h"

#include "test_random.h"

#include <math.h>
#include <unistd.h>

#define WORDS 20000u
#define DIMENSIONS 100u
#define SKIPPED 77 /* what ctest takes for it */
#define CLOSE 1e-9
#define LIMIT 20u
#define RECALLS 60u

typedef struct real_store {
    ng_store *store;
    ng_info info;
    size_t slots; /* ids are below it */
    ng_token *records;
    float (*vectors)[DIMENSIONS]; /* all zero without one */
    double *norms;
    ng_connection *links;
    size_t link_count;
} real_store;

typedef struct scored {
    ng_token_id id;
    double score;
} scored;

static const char *vectors_path, *wordnet_path;

static void *zeroed(size_t count, size_t size)
{
    void *block = calloc(count, size);
    assert_non_null(block);
    return block;
}

static void read_tokens(real_store *real)
{
    ng_token_id last = 0, ids[1000];
    size_t count;
    do {
        ASSERT_OK(ng_token_list(real->store, NG_COLLECTION_ANY, last, ids, 1000, &count));
        last = count > 0 ? ids[count - 1] : last;
    } while (count > 0);
    real->slots = (size_t)last + 1;
    real->records = zeroed(real->slots, sizeof *real->records);
    real->vectors = zeroed(real->slots, sizeof *real->vectors);
    real->norms = zeroed(real->slots, sizeof *real->norms);
    for (size_t id = 1; id < real->slots; id++) {
        if (ng_token_read(real->store, id, &real->records[id]) != NG_OK)
            continue;
        ASSERT_OK(ng_token_vector(real->store, id, real->vectors[id], DIMENSIONS, &count));
        for (size_t d = 0; d < count; d++)
            real->norms[id] += (double)real->vectors[id][d] * (double)real->vectors[id][d];
    }
}

static int setup(void **state)
{
    real_store *real = zeroed(1, sizeof *real);
    const ng_bootstrap_options options = {.struct_size = sizeof options, .max_words = WORDS};
    real->store = api_memory_store();
    ASSERT_OK(ng_bootstrap(real->store, vectors_path, &options, NULL));
    ASSERT_OK(ng_bootstrap(real->store, wordnet_path, NULL, NULL));
    ASSERT_OK(ng_store_info(real->store, &real->info));
    assert_int_equal(real->info.vector_count, WORDS);
    read_tokens(real);
    size_t capacity = real->info.connection_count;
    real->links = zeroed(capacity, sizeof *real->links);
    ASSERT_OK(
        ng_connection_list(real->store, NULL, NULL, real->links, capacity, &real->link_count));
    assert_int_equal(real->link_count, capacity);
    *state = real;
    return 0;
}

static int teardown(void **state)
{
    real_store *real = *state;
    ASSERT_OK(ng_close(real->store));
    free(real->records);
    free(real->vectors);
    free(real->norms);
    free(real->links);
    free(real);
    return 0;
}

/* --- every token ----------------------------------------------------------------------------- */

static void add_meaning(const real_store *real, ng_token_id like, double weight, double *sums)
{
    for (size_t id = 1; id < real->slots; id++) {
        double dot = 0;
        for (size_t d = 0; d < DIMENSIONS; d++)
            dot += (double)real->vectors[id][d] * (double)real->vectors[like][d];
        if (real->norms[id] > 0)
            sums[id] += weight * fmax(dot / sqrt(real->norms[id] * real->norms[like]), 0);
    }
}

static void add_space(const real_store *real, ng_token_id center, double scale, double weight,
                      double *sums)
{
    const int16_t *at = real->records[center].coordinates[NG_SPACE_ABSTRACT];
    for (size_t id = 1; id < real->slots; id++) {
        const int16_t *to = real->records[id].coordinates[NG_SPACE_ABSTRACT];
        double sum = 0;
        if (real->records[id].slot == 0 || to[0] == NG_COORDINATE_ABSENT)
            continue;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            double apart =
                (to[axis] - at[axis]) / (double)real->info.scales[NG_SPACE_ABSTRACT][axis] / scale;
            sum += apart * apart;
        }
        sums[id] += weight / (1 + sum);
    }
}

static void relax(double *now, const double *before, uint32_t from, uint32_t to, double factor)
{
    if (before[from] * factor > now[to])
        now[to] = before[from] * factor;
}

static void add_relation(const real_store *real, ng_token_id from, unsigned hops, double weight,
                         double *sums)
{
    double *before = zeroed(real->slots, sizeof *before);
    double *now = zeroed(real->slots, sizeof *now);
    double *best = zeroed(real->slots, sizeof *best);
    before[from] = 1;
    for (unsigned hop = 1; hop <= hops; hop++) {
        memset(now, 0, real->slots * sizeof *now);
        for (size_t i = 0; i < real->link_count; i++) {
            const ng_connection *link = &real->links[i];
            double factor = ng_connection_confidence(link, 1) *
                            fmin(fabs((double)link->pull_strength), 1) * (hop > 1 ? 0.8 : 1);
            if (link->pull_strength < 0)
                continue;
            relax(now, before, link->source, link->target, factor);
            relax(now, before, link->target, link->source, factor);
        }
        now[from] = 0;
        for (size_t id = 1; id < real->slots; id++)
            best[id] = fmax(best[id], now[id]);
        double *swap = before;
        before = now;
        now = swap;
    }
    for (size_t id = 1; id < real->slots; id++)
        sums[id] += weight * best[id];
    free(before);
    free(now);
    free(best);
}

static int by_score(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* --- the test -------------------------------------------------------------------------------- */

static ng_token_id some_word(const real_store *real, test_random *random)
{
    ng_token_id id;
    do
        id = 1 + test_random_below(random, WORDS);
    while (id >= real->slots || !(real->norms[id] > 0));
    return id;
}

static void compare(const real_store *real, const ng_recall_result *result, const double *sums,
                    ng_token_id like, ng_token_id center)
{
    scored *all = zeroed(real->slots, sizeof *all);
    size_t count = 0;
    for (size_t id = 1; id < real->slots; id++)
        if (sums[id] > 0 && id != like && id != center)
            all[count++] = (scored){id, sums[id]};
    qsort(all, count, sizeof *all, by_score);
    assert_true(result->is_exact);
    assert_int_equal(result->hit_count, count < LIMIT ? count : LIMIT);
    for (size_t i = 0; i < result->hit_count; i++) {
        const ng_recall_hit *hit = &result->hits[i];
        if (!(fabs(hit->score - all[i].score) < CLOSE && fabs(sums[hit->id] - hit->score) < CLOSE))
            fail_msg("hit %zu: %llu has %.12g; %llu has %.12g", i, (unsigned long long)hit->id,
                     hit->score, (unsigned long long)all[i].id, all[i].score);
    }
    free(all);
}

static void test_real_words(void **state)
{
    const real_store *real = *state;
    test_random random = {test_environment("NG_TEST_SEED", 7)};
    static const double weights[] = {0.25, 1, 3};
    uint64_t measured = 0;
    for (unsigned i = 0; i < RECALLS; i++) {
        ng_token_id like = some_word(real, &random), center = some_word(real, &random);
        const ng_recall_near near = {.space = NG_SPACE_ABSTRACT, .token = center, .scale = 0.5f};
        const ng_recall_through through = {.direction = NG_BOTH,
                                           .max_hops = 1 + (uint32_t)test_random_below(&random, 3),
                                           .time_us = 1};
        ng_recall_options options = {.struct_size = sizeof options,
                                     .tokens = &like,
                                     .token_count = 1,
                                     .remove_components = NG_PLAIN_COSINE,
                                     .near = &near,
                                     .near_count = i % 3 != 0,
                                     .through = i % 4 != 0 ? &through : NULL,
                                     .by_weights = true,
                                     .limit = LIMIT};
        double whole = 0, *sums = zeroed(real->slots, sizeof *sums);
        for (int part = 0; part < NG_RECALL_PART_COUNT; part++) {
            bool is_asked =
                part == NG_RECALL_MEANING ||
                (part == NG_RECALL_SPACE ? options.near_count > 0 : options.through != NULL);
            options.weights[part] = is_asked ? weights[test_random_below(&random, 3)] : 0;
            whole += options.weights[part];
        }
        add_meaning(real, like, options.weights[NG_RECALL_MEANING] / whole, sums);
        if (options.near_count > 0)
            add_space(real, center, 0.5, options.weights[NG_RECALL_SPACE] / whole, sums);
        if (options.through != NULL)
            add_relation(real, like, through.max_hops, options.weights[NG_RECALL_RELATION] / whole,
                         sums);
        ng_recall_result *result = NULL;
        ASSERT_OK(ng_recall(real->store, &options, &result));
        compare(real, result, sums, like, options.near_count > 0 ? center : like);
        measured += result->candidates;
        ng_recall_result_destroy(result);
        free(sums);
    }
    /* It is found without measuring everything. */
    assert_true(measured / RECALLS < real->slots / 2);
    printf("%llu tokens measured for a recall, of %zu\n", (unsigned long long)measured / RECALLS,
           real->slots - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_real_words, setup, teardown)};
    vectors_path = getenv("NG_TEST_VECTORS");
    wordnet_path = getenv("NG_TEST_WORDNET");
    if (vectors_path == NULL || wordnet_path == NULL || access(vectors_path, R_OK) != 0 ||
        access(wordnet_path, R_OK) != 0)
        return SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
