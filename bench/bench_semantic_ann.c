/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* ann_r95, ann_r99, ann_build, ann_memory: the ten nearest of real word vectors, most of them, by one
 * thread.
 *
 *   ours      ng_vector_nearest with `effort`, scores exact, plain cosine
 *   hnswlib   inner products of the same unit vectors; built in several ways
 *   faiss     graphs and inverted lists; built in several ways
 *
 * For each side and way two curves are measured, how many of the ten nearest are found and how many
 * queries are answered in a second at rising effort: of words of the set, which find themselves, and
 * of words that were held out. A row compares two sides where their curves reach a recall, between two
 * points on a straight line over the logarithm of the rate. Of the ways of a side the best counts, for
 * each row by itself; a '#' line names it.
 *
 * Invariants: 1. what is right is said by a scan in float64 (bench_words.h), for all sides alike.
 *             2. a turn asks every query once; sides take turns.
 *             3. a curve ends where both kinds of queries have found RECALL_ENOUGH, or are answered
 *                more slowly than RATE_LEAST: nobody is waited for who has lost. */
#include "bench_ann.h"
#include "bench_words.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PYTHON_DEFAULT "build/bench-venv/bin/python3"
#define KINDS 2
#define SIDES_MAX 3
#define CURVES_MAX 16
#define RECALL_ENOUGH 0.9985
#define RATE_LEAST 200 /* queries a second */
#define ROUNDS_MAX 100

_Static_assert(BENCH_NEAREST == BENCH_ANN_NEAREST && BENCH_ROW_NONE == BENCH_ANN_NONE,
               "the sides and the words speak of the same");

static const char *const kind_names[KINDS] = {"", "_heldout"};

typedef struct ann_point {
    double recall;
    double rates[ROUNDS_MAX];
    double rate; /* their median */
} ann_point;

typedef struct ann_curve {
    const bench_ann *side;
    const bench_ann_way *way;
    void *index;
    double build_seconds;
    uint64_t bytes;
    size_t effort_count;
    ann_point points[KINDS][BENCH_ANN_EFFORTS_MAX];
} ann_curve;

typedef struct ann_case {
    uint64_t rounds, query_count, word_limit;
    const char *vectors, *python, *builds, *only;
    bench_words words;
    float *queries[KINDS]; /* [query_count][dimensions] */
    double *tenths[KINDS]; /* [query_count] */
    uint32_t *found;       /* [query_count][NEAREST] */
    bench_ann sides[SIDES_MAX];
    size_t side_count;
    ann_curve curves[CURVES_MAX];
    size_t curve_count;
} ann_case;

/* ---------------------------------------------------------------------------------------------
 * Data
 * ------------------------------------------------------------------------------------------- */

static bool queries_make(ann_case *data)
{
    const bench_words *words = &data->words;
    size_t dimensions = words->dimensions, count = data->query_count;
    uint64_t random = 4242;
    data->found = malloc(count * BENCH_NEAREST * sizeof *data->found);
    for (size_t kind = 0; kind < KINDS; kind++) {
        data->queries[kind] = malloc(count * dimensions * sizeof(float));
        data->tenths[kind] = malloc(count * sizeof(double));
        if (data->found == NULL || data->queries[kind] == NULL || data->tenths[kind] == NULL) {
            return bench_complain("out of memory");
        }
    }
    for (size_t i = 0; i < count; i++) {
        size_t row = (bench_random(&random) >> 11) % words->count;
        memcpy(data->queries[0] + i * dimensions, bench_words_row(words, row),
               dimensions * sizeof(float));
    }
    memcpy(data->queries[1], words->held_out, count * dimensions * sizeof(float));
    return bench_words_tenths(words, data->queries[0], count, data->tenths[0]) &&
           bench_words_tenths(words, data->queries[1], count, data->tenths[1]);
}

/** Opens the sides that are wanted; ours comes first, and always. */
static bool sides_open(ann_case *data)
{
    bool good = bench_ann_open_ours(&data->sides[data->side_count]);
    data->side_count += good;
    if (good && bench_name_is_listed(data->only, "hnswlib")) {
        good = bench_ann_open_hnswlib(&data->sides[data->side_count]);
        data->side_count += good;
    }
    if (good && bench_name_is_listed(data->only, "faiss")) {
        if (access(data->python, X_OK) != 0) {
            printf("# faiss is left out: there is no %s; tools/setup.sh bench makes it\n",
                   data->python);
            return true;
        }
        good = bench_ann_open_faiss(data->python, &data->sides[data->side_count]);
        data->side_count += good;
    }
    for (size_t i = 0; i < data->side_count; i++) {
        printf("# side %s: %s\n", data->sides[i].name, data->sides[i].version);
    }
    return good;
}

/* ---------------------------------------------------------------------------------------------
 * Curves
 * ------------------------------------------------------------------------------------------- */

static bool curve_add(ann_case *data, const bench_ann *side, size_t way)
{
    const bench_ann_vectors vectors = {data->words.unit, data->words.count, data->words.dimensions};
    ann_curve *curve = &data->curves[data->curve_count];
    *curve = (ann_curve){.side = side, .way = &side->ways[way]};
    while (curve->way->efforts[curve->effort_count] != 0) {
        curve->effort_count++;
    }
    curve->index = side->build(side, &vectors, way, &curve->build_seconds);
    if (curve->index == NULL) {
        return false;
    }
    data->curve_count++;
    curve->bytes = side->bytes(curve->index);
    printf("# built %s \"%s\": %.2f s, %.1f MiB\n", side->name, curve->way->name,
           curve->build_seconds, (double)curve->bytes / 1048576);
    fflush(stdout);
    return curve->bytes > 0;
}

static bool curves_build(ann_case *data)
{
    bool is_all = strcmp(data->builds, "all") == 0;
    for (size_t i = 0; i < data->side_count; i++) {
        const bench_ann *side = &data->sides[i];
        for (size_t way = 0; way < side->way_count; way++) {
            if ((is_all || !side->ways[way].is_extra) && !curve_add(data, side, way)) {
                return false;
            }
        }
    }
    return true;
}

static bool curve_turn(ann_case *data, ann_curve *curve, size_t kind, size_t effort, size_t round)
{
    const bench_words *words = &data->words;
    const bench_ann_vectors queries = {data->queries[kind], data->query_count, words->dimensions};
    ann_point *point = &curve->points[kind][effort];
    double seconds = 0;
    if (!curve->side->search(curve->index, &queries, curve->way->efforts[effort], data->found,
                             &seconds)) {
        return false;
    }
    size_t right = 0;
    for (size_t i = 0; round == 0 && i < queries.count; i++) {
        right += bench_words_right(words, queries.unit + i * queries.dimensions,
                                   data->tenths[kind][i], data->found + i * BENCH_NEAREST);
    }
    if (round == 0) {
        point->recall = (double)right / (double)(queries.count * BENCH_NEAREST);
    }
    point->rates[round] = (double)queries.count / seconds;
    return true;
}

/** Whether the first round has seen enough of a curve. */
static bool curve_is_over(const ann_curve *curve, size_t effort)
{
    bool is_found = true, is_slow = true;
    for (size_t kind = 0; kind < KINDS; kind++) {
        is_found = is_found && curve->points[kind][effort].recall >= RECALL_ENOUGH;
        is_slow = is_slow && curve->points[kind][effort].rates[0] < RATE_LEAST;
    }
    return is_found || is_slow;
}

/** One effort of one round, of every curve that goes so far. */
static bool effort_turn(ann_case *data, size_t effort, size_t round)
{
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < data->curve_count; i++) {
            size_t turn = round % 2 == 0 ? i : data->curve_count - 1 - i;
            ann_curve *curve = &data->curves[turn];
            if (effort < curve->effort_count && !curve_turn(data, curve, kind, effort, round)) {
                return false;
            }
        }
    }
    for (size_t i = 0; round == 0 && i < data->curve_count; i++) {
        ann_curve *curve = &data->curves[i];
        if (effort < curve->effort_count && curve_is_over(curve, effort)) {
            curve->effort_count = effort + 1;
        }
    }
    return true;
}

/** In the form that tools/bench_curve.py reads. */
static void curve_print(ann_curve *curve, size_t kind, size_t rounds)
{
    printf("# curve ann%s %s \"%s\":", kind_names[kind], curve->side->name, curve->way->name);
    for (size_t effort = 0; effort < curve->effort_count; effort++) {
        ann_point *point = &curve->points[kind][effort];
        point->rate = bench_median(point->rates, rounds);
        printf(" %zu/%.4f/%.1f", curve->way->efforts[effort], point->recall, point->rate);
    }
    printf("\n");
}

/** A turn that does not count brings memory and threads into the state of later ones. */
static bool curves_warm(ann_case *data)
{
    for (size_t i = 0; i < KINDS * data->curve_count; i++) {
        if (!curve_turn(data, &data->curves[i / KINDS], i % KINDS, 0, 0)) {
            return false;
        }
    }
    return true;
}

static bool curves_measure(ann_case *data)
{
    if (!curves_warm(data)) {
        return false;
    }
    for (size_t round = 0; round < data->rounds; round++) {
        for (size_t effort = 0; effort < BENCH_ANN_EFFORTS_MAX; effort++) {
            if (!effort_turn(data, effort, round)) {
                return false;
            }
        }
    }
    printf("# a point of a curve: effort/recall/queries a second\n");
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < data->curve_count; i++) {
            curve_print(&data->curves[i], kind, data->rounds);
        }
    }
    return true;
}

/** Queries a second where the curve reaches a recall; 0 if it does not. */
static double curve_at(const ann_curve *curve, size_t kind, double recall)
{
    const ann_point *points = curve->points[kind];
    if (points[0].recall >= recall) {
        return points[0].rate;
    }
    for (size_t i = 1; i < curve->effort_count; i++) {
        double low = points[i - 1].recall, high = points[i].recall;
        if (low < recall && high >= recall) {
            double part = (recall - low) / (high - low);
            return exp(log(points[i - 1].rate) * (1 - part) + log(points[i].rate) * part);
        }
    }
    return 0;
}

/** The curve of a side that is fastest at a recall; NULL if none reaches it. */
static const ann_curve *curve_best(const ann_case *data, const bench_ann *side, size_t kind,
                                   double recall)
{
    const ann_curve *best = NULL;
    for (size_t i = 0; i < data->curve_count; i++) {
        const ann_curve *curve = &data->curves[i];
        double rate = curve->side == side ? curve_at(curve, kind, recall) : 0;
        if (rate > 0 && (best == NULL || rate > curve_at(best, kind, recall))) {
            best = curve;
        }
    }
    return best;
}

/* ---------------------------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------------------------- */

static const double recalls[] = {0.95, 0.99};
#define RECALLS (sizeof recalls / sizeof recalls[0])

static void rate_row_print(const ann_case *data, const bench_ann *rival, size_t kind, double recall)
{
    char name[32];
    snprintf(name, sizeof name, "ann_r%.0f%s", recall * 100, kind_names[kind]);
    const ann_curve *best = curve_best(data, rival, kind, recall);
    double ours = curve_at(&data->curves[0], kind, recall);
    if (best == NULL || !(ours > 0)) {
        printf("# %s: %s does not reach this recall\n", name,
               ours > 0 ? rival->name : data->sides[0].name);
        return;
    }
    printf("# %s: of %s \"%s\" is the best\n", name, rival->name, best->way->name);
    bench_pair_print(&(bench_pair){.name = name,
                                   .rival_name = rival->name,
                                   .unit = "queries/s",
                                   .better = BENCH_HIGHER_IS_BETTER,
                                   .ours = ours,
                                   .rival = curve_at(best, kind, recall),
                                   .target = 2,
                                   .n = data->words.count});
}

static void build_row_print(const ann_case *data, const char *name, const ann_curve *rival,
                            double target)
{
    printf("# %s: %s \"%s\"\n", name, rival->side->name, rival->way->name);
    bench_pair_print(&(bench_pair){.name = name,
                                   .rival_name = rival->side->name,
                                   .unit = "s",
                                   .better = BENCH_LOWER_IS_BETTER,
                                   .ours = data->curves[0].build_seconds,
                                   .rival = rival->build_seconds,
                                   .target = target,
                                   .n = data->words.count});
}

/** Of a rival: the fastest to build of its ways that are the best of it somewhere. */
static const ann_curve *winner_fastest(const ann_case *data, const bench_ann *rival)
{
    const ann_curve *fastest = NULL;
    for (size_t i = 0; i < KINDS * RECALLS; i++) {
        const ann_curve *best = curve_best(data, rival, i % KINDS, recalls[i / KINDS]);
        if (best != NULL && (fastest == NULL || best->build_seconds < fastest->build_seconds)) {
            fastest = best;
        }
    }
    return fastest;
}

static void memory_row_print(const ann_case *data, const bench_ann *rival)
{
    const ann_curve *best = curve_best(data, rival, 0, 0.99);
    if (best == NULL) {
        return;
    }
    bench_pair_print(&(bench_pair){.name = "ann_memory",
                                   .rival_name = rival->name,
                                   .unit = "MiB",
                                   .better = BENCH_LOWER_IS_BETTER,
                                   .ours = (double)data->curves[0].bytes / 1048576,
                                   .rival = (double)best->bytes / 1048576,
                                   .target = 1 / 1.1,
                                   .n = data->words.count});
}

static void rows_print(const ann_case *data)
{
    const ann_curve *fastest = NULL;
    for (size_t i = 1; i < data->curve_count; i++) {
        if (fastest == NULL || data->curves[i].build_seconds < fastest->build_seconds) {
            fastest = &data->curves[i];
        }
    }
    for (size_t i = 1; i < data->side_count; i++) {
        const bench_ann *rival = &data->sides[i];
        for (size_t j = 0; j < KINDS * RECALLS; j++) {
            rate_row_print(data, rival, j / RECALLS, recalls[j % RECALLS]);
        }
        const ann_curve *winner = winner_fastest(data, rival);
        if (winner != NULL) {
            build_row_print(data, "ann_build", winner, 5);
        }
        memory_row_print(data, rival);
    }
    if (fastest != NULL) {
        build_row_print(data, "ann_build_fastest", fastest, 1);
    }
}

/* ---------------------------------------------------------------------------------------------
 * The program
 * ------------------------------------------------------------------------------------------- */

static bool case_run(ann_case *data)
{
    bool good =
        bench_words_load(data->vectors, data->word_limit, data->query_count, &data->words) &&
        queries_make(data) && sides_open(data) && curves_build(data) && curves_measure(data);
    if (good) {
        rows_print(data);
    }
    for (size_t i = 0; i < data->curve_count; i++) {
        data->curves[i].side->destroy(data->curves[i].index);
    }
    for (size_t i = 0; i < data->side_count; i++) {
        data->sides[i].close(&data->sides[i]);
    }
    for (size_t kind = 0; kind < KINDS; kind++) {
        free(data->queries[kind]);
        free(data->tenths[kind]);
    }
    free(data->found);
    bench_words_release(&data->words);
    return good;
}

int main(int argc, char **argv)
{
    static ann_case data = {.rounds = 3,
                            .query_count = 1000,
                            .word_limit = BENCH_WORDS_MAX,
                            .vectors = BENCH_WORDS_DEFAULT,
                            .python = PYTHON_DEFAULT,
                            .builds = "few"};
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &data.rounds, "rounds, interleaved"},
        {"queries", BENCH_COUNT, &data.query_count, "queries of a turn, and words held out"},
        {"words", BENCH_COUNT, &data.word_limit, "words at most"},
        {"builds", BENCH_TEXT, &data.builds, "ways to build the rivals: few (default) or all"},
        {"only", BENCH_TEXT, &data.only, "rivals to run: hnswlib,faiss"},
        {"vectors", BENCH_TEXT, &data.vectors, "embeddings (" BENCH_WORDS_DEFAULT ")"},
        {"python", BENCH_TEXT, &data.python, "with faiss (" PYTHON_DEFAULT ")"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "approximate search by vector", options,
                                              sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (data.rounds > ROUNDS_MAX ||
        (strcmp(data.builds, "few") != 0 && strcmp(data.builds, "all") != 0)) {
        bench_complain("--rounds is at most %d, --builds few or all", ROUNDS_MAX);
        return EXIT_FAILURE;
    }
    openblas_set_num_threads(1);
    bench_machine_print();
    printf("# ours: neurograph %s; hnswlib compiled with %s; %d nearest, one thread\n",
           ng_version(), BENCH_RIVAL_FLAGS, BENCH_NEAREST);
    return case_run(&data) ? EXIT_SUCCESS : EXIT_FAILURE;
}
