/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* filter_*: the ten nearest words among those that a filter lets through, most of them, one thread.
 *
 *   ours           ng_vector_nearest with the filter and `effort`
 *   list_and_scan  what a caller can do without: ids by ng_token_search, then a scalar product for
 *                  each by BLAS, out of an array of unit vectors of its own; exact
 *
 * Filters let 50, 10, 1 and 0.1 % through, at random: by a tag (filter_50, ...) and by bounds of an
 * indexed integer field (filter_50_field, ...). filter_*_recall says how many of the ten nearest that
 * the exact search finds are found with `effort`.
 *
 * Invariants: 1. the exact search and the scan agree on the score of the last one, otherwise the
 *                program fails.
 *             2. both ask the same queries in the same order; a turn goes on where the last one of its
 *                side ended. */
#include "bench_words.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 10000 /* values of the field: 0..PARTS - 1 */
#define AGREE_MAX 1e-5

typedef struct filter_share {
    const char *name;
    unsigned parts; /* of PARTS: values below have the tag */
} filter_share;

static const filter_share shares[] = {{"50", 5000}, {"10", 1000}, {"1", 100}, {"0.1", 10}};
#define SHARES (sizeof shares / sizeof shares[0])

typedef struct filter_case {
    bench_settings settings;
    uint64_t query_count, word_limit, effort;
    const char *vectors;
    bench_words words;
    ng_store *store;
    uint32_t *queries;       /* [query_count], rows */
    double *tenths;          /* [query_count]: the last score that the exact search gives */
    const ng_filter *filter; /* of the rounds that run */
    ng_token_id *ids;        /* [words.count]: the rival's */
} filter_case;

/* ---------------------------------------------------------------------------------------------
 * The store
 * ------------------------------------------------------------------------------------------- */

/** What the tokens of one batch point to. */
typedef struct decoration {
    ng_text tags[BENCH_BATCH][SHARES];
    char data[BENCH_BATCH][24];
} decoration;

static unsigned part_of(size_t row)
{
    uint64_t state = (row + 1) * 0x9E3779B97F4A7C15ull;
    return (unsigned)((bench_random(&state) >> 20) % PARTS);
}

static void token_decorate(void *context, size_t row, ng_token_fields *fields)
{
    decoration *all = context;
    size_t place = row % BENCH_BATCH;
    unsigned part = part_of(row);
    fields->set |= NG_FIELD_TAGS | NG_FIELD_DATA;
    fields->tags = all->tags[place];
    for (size_t i = 0; i < SHARES; i++) {
        if (part < shares[i].parts) {
            all->tags[place][fields->tag_count++] =
                (ng_text){shares[i].name, strlen(shares[i].name)};
        }
    }
    fields->data = all->data[place];
    fields->data_bytes =
        (size_t)snprintf(all->data[place], sizeof all->data[place], "{\"part\":%u}", part);
}

static bool store_fill(filter_case *data)
{
    const ng_vector_graph_options plain = {.struct_size = sizeof plain,
                                           .remove_components = NG_PLAIN_COSINE};
    decoration *all = calloc(1, sizeof *all);
    if (all == NULL) {
        return bench_complain("out of memory");
    }
    const bench_words_tokens how = {.collection = NG_COLLECTION_RUNTIME,
                                    .decorate = token_decorate,
                                    .context = all};
    double began = bench_clock_seconds();
    bool good =
        bench_ok(ng_open(NULL, NULL, &data->store), "ng_open") &&
        bench_ok(ng_index_declare(data->store, "part", "part", NG_INDEX_INTEGER, NULL),
                 "ng_index_declare") &&
        bench_words_create(data->store, &data->words, 0, data->words.count, &how) &&
        bench_ok(ng_vector_graph_build(data->store, &plain, NULL, NULL), "ng_vector_graph_build");
    printf("# store filled, graph built in %.1f s\n", bench_clock_seconds() - began);
    free(all);
    return good;
}

static bool queries_choose(filter_case *data)
{
    uint64_t random = 4242;
    data->queries = malloc(data->query_count * sizeof *data->queries);
    data->tenths = malloc(data->query_count * sizeof *data->tenths);
    data->ids = malloc(data->words.count * sizeof *data->ids);
    if (data->queries == NULL || data->tenths == NULL || data->ids == NULL) {
        return bench_complain("out of memory");
    }
    for (size_t i = 0; i < data->query_count; i++) {
        data->queries[i] = (uint32_t)((bench_random(&random) >> 11) % data->words.count);
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------
 * The sides
 * ------------------------------------------------------------------------------------------- */

static bool ours_ask(const filter_case *data, uint32_t row, uint32_t effort,
                     ng_score out[BENCH_NEAREST], size_t *count)
{
    const ng_vector_options options = {.struct_size = sizeof options,
                                       .remove_components = NG_PLAIN_COSINE,
                                       .filter = data->filter,
                                       .effort = effort};
    return bench_ok(ng_vector_nearest(data->store, bench_words_row(&data->words, row),
                                      data->words.dimensions, &options, out, BENCH_NEAREST, count),
                    "ng_vector_nearest");
}

static void best_add(ng_score out[BENCH_NEAREST], size_t *count, ng_token_id id, double score)
{
    if (*count == BENCH_NEAREST && score <= out[BENCH_NEAREST - 1].score) {
        return;
    }
    size_t place = *count < BENCH_NEAREST ? (*count)++ : BENCH_NEAREST - 1;
    for (; place > 0 && out[place - 1].score < score; place--) {
        out[place] = out[place - 1];
    }
    out[place] = (ng_score){.id = id, .score = score};
}

static bool rival_ask(const filter_case *data, uint32_t row, ng_score out[BENCH_NEAREST],
                      size_t *count)
{
    const ng_token_search_options options = {.struct_size = sizeof options, .filter = data->filter};
    const float *query = bench_words_row(&data->words, row);
    const blasint dimensions = (blasint)data->words.dimensions;
    size_t listed = 0;
    if (!bench_ok(ng_token_search(data->store, &options, data->ids, data->words.count, &listed,
                                  NULL),
                  "ng_token_search")) {
        return false;
    }
    *count = 0;
    for (size_t i = 0; i < listed; i++) {
        const float *vector = bench_words_row(&data->words, data->ids[i] - 1);
        best_add(out, count, data->ids[i], (double)cblas_sdot(dimensions, query, 1, vector, 1));
    }
    return true;
}

/** Leaves the last scores of the exact search, checked against the scan, and prints the recall. */
static bool answers_compare(filter_case *data, const char *name)
{
    ng_score found[BENCH_NEAREST] = {{0}}, theirs[BENCH_NEAREST] = {{0}};
    size_t right = 0, all = 0, count = 0, their_count = 0;
    for (size_t i = 0; i < data->query_count; i++) {
        if (!ours_ask(data, data->queries[i], 0, found, &count) ||
            !rival_ask(data, data->queries[i], theirs, &their_count)) {
            return false;
        }
        if (count == 0 || count != their_count ||
            !(fabs(found[count - 1].score - theirs[count - 1].score) <= AGREE_MAX)) {
            return bench_complain("%s: the exact answers differ: %zu and %zu hits", name, count,
                                  their_count);
        }
        data->tenths[i] = found[count - 1].score;
        all += count;
        if (!ours_ask(data, data->queries[i], (uint32_t)data->effort, found, &count)) {
            return false;
        }
        for (size_t j = 0; j < count; j++) {
            right += found[j].score >= data->tenths[i] - BENCH_TIE_MAX;
        }
    }
    char row[48];
    snprintf(row, sizeof row, "%s_recall", name);
    bench_pair_print(&(bench_pair){.name = row,
                                   .rival_name = "exact",
                                   .unit = "recall",
                                   .better = BENCH_HIGHER_IS_BETTER,
                                   .ours = (double)right / (double)all,
                                   .rival = 1,
                                   .target = 0.95,
                                   .n = data->words.count});
    return true;
}

/* ---------------------------------------------------------------------------------------------
 * Rounds
 * ------------------------------------------------------------------------------------------- */

typedef struct ask_side {
    const filter_case *data;
    bool is_ours;
    size_t asked; /* in all turns */
} ask_side;

/** Queries a second. */
static bool side_round(void *context, const bench_settings *settings, double *out)
{
    ask_side *side = context;
    const filter_case *data = side->data;
    ng_score found[BENCH_NEAREST];
    size_t count, done = 0;
    double began = bench_clock_seconds(), elapsed = 0;
    while (elapsed < settings->seconds) {
        uint32_t row = data->queries[side->asked++ % data->query_count];
        if (!(side->is_ours ? ours_ask(data, row, (uint32_t)data->effort, found, &count)
                            : rival_ask(data, row, found, &count))) {
            return false;
        }
        done++;
        elapsed = bench_clock_seconds() - began;
    }
    *out = (double)done / elapsed;
    return true;
}

/** By data->filter. */
static bool filter_rounds_run(filter_case *data, const char *name)
{
    ask_side contexts[] = {{data, true, 0}, {data, false, 0}};
    bench_side sides[] = {
        {.name = "ours", .round = side_round, .context = &contexts[0]},
        {.name = "list_and_scan", .round = side_round, .context = &contexts[1]},
    };
    bool good = answers_compare(data, name) &&
                bench_rounds_run(&data->settings, name, "queries/s", sides, 2);
    if (good) {
        double ratio = bench_row_print(name, "queries/s", BENCH_HIGHER_IS_BETTER, &sides[0],
                                       &sides[1], data->words.count);
        bench_target_print(name, sides[1].name, ratio, 1 / 1.5);
    }
    bench_sides_release(sides, 2);
    return good;
}

static bool filter_run(filter_case *data, const char *name, const ng_filter *filter)
{
    const ng_token_search_options listing = {.struct_size = sizeof listing, .filter = filter};
    size_t count;
    uint64_t total = 0;
    if (!bench_ok(ng_token_search(data->store, &listing, data->ids, 1, &count, &total),
                  "ng_token_search")) {
        return false;
    }
    printf("# %s: %llu of %zu words\n", name, (unsigned long long)total, data->words.count);
    if (total == 0) {
        return true; /* too few words for this share */
    }
    data->filter = filter;
    bool good = filter_rounds_run(data, name);
    data->filter = NULL;
    return good;
}

static bool share_run(filter_case *data, const filter_share *share)
{
    const ng_text tag = {share->name, strlen(share->name)};
    const ng_filter by_tag = {.struct_size = sizeof by_tag, .tags_all = &tag, .tags_all_count = 1};
    const ng_predicate below = {.index = "part",
                                .by_high = true,
                                .high = {.integer = (int64_t)share->parts - 1}};
    const ng_filter by_field = {.struct_size = sizeof by_field,
                                .predicates = &below,
                                .predicate_count = 1};
    char name[32];
    snprintf(name, sizeof name, "filter_%s", share->name);
    if (!filter_run(data, name, &by_tag)) {
        return false;
    }
    snprintf(name, sizeof name, "filter_%s_field", share->name);
    return filter_run(data, name, &by_field);
}

static bool case_run(filter_case *data)
{
    bool good = bench_words_load(data->vectors, data->word_limit, 0, &data->words) &&
                store_fill(data) && queries_choose(data);
    for (size_t i = 0; good && i < SHARES; i++) {
        good = share_run(data, &shares[i]);
    }
    ng_close(data->store);
    free(data->queries);
    free(data->tenths);
    free(data->ids);
    bench_words_release(&data->words);
    return good;
}

int main(int argc, char **argv)
{
    filter_case data = {.settings = {.rounds = 5, .seconds = 0.5},
                        .query_count = 100,
                        .word_limit = BENCH_WORDS_MAX,
                        .effort = 200,
                        .vectors = BENCH_WORDS_DEFAULT};
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &data.settings.rounds, "rounds, interleaved"},
        {"seconds", BENCH_REAL, &data.settings.seconds, "turn of a side in a round"},
        {"only", BENCH_TEXT, &data.settings.only, "sides to run: ours,list_and_scan"},
        {"queries", BENCH_COUNT, &data.query_count, "random words to ask for"},
        {"words", BENCH_COUNT, &data.word_limit, "words at most"},
        {"effort", BENCH_COUNT, &data.effort, "of the approximate search"},
        {"vectors", BENCH_TEXT, &data.vectors, "embeddings (" BENCH_WORDS_DEFAULT ")"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "approximate search with a filter",
                                              options, sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (data.effort > NG_VECTOR_EFFORT_MAX) {
        bench_complain("--effort is at most %u", NG_VECTOR_EFFORT_MAX);
        return EXIT_FAILURE;
    }
    openblas_set_num_threads(1);
    bench_machine_print();
    printf("# ours: neurograph %s, effort %llu; %d nearest, plain cosine, one thread\n",
           ng_version(), (unsigned long long)data.effort, BENCH_NEAREST);
    return case_run(&data) ? EXIT_SUCCESS : EXIT_FAILURE;
}
