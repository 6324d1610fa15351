/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* grid_distributions_*: how much slower a search is when tokens lie as unkindly as they can.
 *
 *   ours     the slowest of clustered, line, plane, equal and extremes (bench_points.h)
 *   uniform  the same number of tokens, spread evenly
 *
 * grid_distributions_knn counts queries for the ten nearest. grid_distributions_radius counts hits
 * of an unordered search, because a radius cannot find about a hundred of a million tokens at one
 * place.
 *
 * Invariants: 1. every store has answered some queries as a scan over its points does, ties by id
 *                included, before it is timed. */
#include "bench_store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20261129
#define NEAREST 10
#define SAMPLE_QUERIES 200 /* that choose the radius */
#define SLOWER_MAX 20.0
#define CHECKED_QUERIES 20

typedef struct shape_store {
    bench_shape shape;
    ng_store *store;
    bench_point *points;
    size_t token_count;
    bench_point *centers;
    size_t center_count;
    float radius;
    ng_hit *hits; /* [token_count] */
    size_t next;  /* centre to ask next */
} shape_store;

static bool radius_ask(const shape_store *data, size_t center, size_t *count)
{
    const bench_ball ball = {.center = data->centers[center].at,
                             .radius = data->radius,
                             .unordered = true};
    return bench_store_radius(data->store, &ball, data->hits, data->token_count, count);
}

static bool nearest_ask(const shape_store *data, size_t center, size_t *count)
{
    return bench_store_nearest(data->store, data->centers[center].at, data->hits, NEAREST, count);
}

/* ---------------------------------------------------------------------------------------------
 * Checking
 * ------------------------------------------------------------------------------------------- */

typedef struct scanned {
    size_t ids[NEAREST]; /* of the nearest, ties by id */
    double squares[NEAREST];
    size_t count;
    size_t inside; /* tokens within the radius */
} scanned;

static void points_scan(const shape_store *data, size_t center, scanned *out)
{
    double bound = (double)data->radius * (double)data->radius;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < data->token_count; i++) {
        double squared = bench_points_squared(&data->points[i], &data->centers[center]);
        out->inside += squared <= bound;
        if (out->count == NEAREST && squared >= out->squares[NEAREST - 1]) {
            continue;
        }
        size_t place = out->count < NEAREST ? out->count++ : NEAREST - 1;
        for (; place > 0 && out->squares[place - 1] > squared; place--) {
            out->squares[place] = out->squares[place - 1];
            out->ids[place] = out->ids[place - 1];
        }
        out->squares[place] = squared;
        out->ids[place] = i + 1;
    }
}

static bool answers_verify(const shape_store *data)
{
    const char *name = bench_shape_name(data->shape);
    size_t queries = data->center_count < CHECKED_QUERIES ? data->center_count : CHECKED_QUERIES;
    for (size_t query = 0; query < queries; query++) {
        scanned expected;
        size_t count;
        points_scan(data, query, &expected);
        if (!nearest_ask(data, query, &count)) {
            return false;
        }
        for (size_t i = 0; i < expected.count; i++) {
            if (data->hits[i].id != expected.ids[i]) {
                return bench_complain("%s, query %zu: place %zu of the nearest is %llu, not %zu",
                                      name, query, i + 1, (unsigned long long)data->hits[i].id,
                                      expected.ids[i]);
            }
        }
        if (!radius_ask(data, query, &count)) {
            return false;
        }
        if (count != expected.inside) {
            return bench_complain("%s, query %zu: %zu tokens within the radius, found %zu", name,
                                  query, expected.inside, count);
        }
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------
 * Stores
 * ------------------------------------------------------------------------------------------- */

/** Mean hits of the first queries, or what is known once there are too many; of a bench_hits_fn. */
static bool hits_measure(void *context, float radius, double *out)
{
    shape_store *data = context;
    size_t queries = data->center_count < SAMPLE_QUERIES ? data->center_count : SAMPLE_QUERIES;
    size_t sum = 0;
    data->radius = radius;
    for (size_t i = 0; i < queries && sum <= queries * BENCH_HITS; i++) {
        size_t count;
        if (!radius_ask(data, i, &count)) {
            return false;
        }
        sum += count;
    }
    *out = (double)sum / (double)queries;
    return true;
}

/** The centres depend on the radius, as in bench_index_grid. */
static bool store_init(shape_store *data, bench_shape shape)
{
    data->shape = shape;
    data->points = malloc(data->token_count * sizeof *data->points);
    data->centers = malloc(data->center_count * sizeof *data->centers);
    data->hits = malloc(data->token_count * sizeof *data->hits);
    if (data->points == NULL || data->centers == NULL || data->hits == NULL) {
        return bench_complain("out of memory");
    }
    if (!bench_points_fill(shape, data->points, data->token_count, SEED) ||
        !bench_store_create(data->points, data->token_count, &data->store) ||
        !bench_store_pack(data->store, 1u << NG_SPACE_PHYSICAL)) {
        return false;
    }
    for (int attempt = 0; attempt < 2; attempt++) {
        bench_points_sample(data->points, data->token_count, data->radius / 4, SEED + 1,
                            data->centers, data->center_count);
        if (!bench_radius_choose(hits_measure, data, &data->radius)) {
            return false;
        }
    }
    if (!answers_verify(data)) {
        return false;
    }
    printf("# %s: radius %g; checked: the answers to %d queries\n", bench_shape_name(shape),
           (double)data->radius, CHECKED_QUERIES);
    return true;
}

static void store_release(shape_store *data)
{
    ng_close(data->store);
    free(data->points);
    free(data->centers);
    free(data->hits);
}

/* ---------------------------------------------------------------------------------------------
 * Rounds
 * ------------------------------------------------------------------------------------------- */

typedef struct shape_turn {
    shape_store *data;
    bool by_radius;
} shape_turn;

/** Hits or queries a second. */
static bool turn_round(void *context, const bench_settings *settings, double *out)
{
    const shape_turn *turn = context;
    shape_store *data = turn->data;
    double began = bench_clock_seconds();
    double elapsed = 0;
    uint64_t done = 0;
    while (elapsed < settings->seconds) {
        size_t count;
        size_t center = data->next++ % data->center_count;
        if (!(turn->by_radius ? radius_ask : nearest_ask)(data, center, &count)) {
            return false;
        }
        done += turn->by_radius ? count : 1;
        elapsed = bench_clock_seconds() - began;
    }
    *out = (double)done / elapsed;
    return true;
}

static bool kind_run(shape_store *stores, bool by_radius, const bench_settings *settings)
{
    const char *name = by_radius ? "grid_distributions_radius" : "grid_distributions_knn";
    const char *unit = by_radius ? "hits/s" : "queries/s";
    shape_turn turns[BENCH_SHAPE_COUNT];
    bench_side sides[BENCH_SHAPE_COUNT];
    memset(sides, 0, sizeof sides);
    for (size_t i = 0; i < BENCH_SHAPE_COUNT; i++) {
        turns[i] = (shape_turn){&stores[i], by_radius};
        sides[i] = (bench_side){.name = bench_shape_name(stores[i].shape),
                                .round = turn_round,
                                .context = &turns[i]};
    }
    bool good = bench_rounds_run(settings, name, unit, sides, BENCH_SHAPE_COUNT);
    const bench_side *slowest = NULL;
    for (size_t i = 1; good && i < BENCH_SHAPE_COUNT; i++) {
        if (sides[i].values != NULL && (slowest == NULL || sides[i].median < slowest->median)) {
            slowest = &sides[i];
        }
    }
    if (slowest != NULL && sides[0].values != NULL) {
        printf("# %s: the slowest is %s\n", name, slowest->name);
        double ratio = bench_row_print(name, unit, BENCH_HIGHER_IS_BETTER, slowest, &sides[0],
                                       stores[0].token_count);
        bench_target_print(name, "uniform", ratio, 1.0 / SLOWER_MAX);
    }
    bench_sides_release(sides, BENCH_SHAPE_COUNT);
    return good;
}

static bool stores_run(size_t token_count, size_t center_count, const bench_settings *settings)
{
    shape_store stores[BENCH_SHAPE_COUNT];
    memset(stores, 0, sizeof stores);
    bool good = true;
    for (size_t i = 0; good && i < BENCH_SHAPE_COUNT; i++) {
        stores[i].token_count = token_count;
        stores[i].center_count = center_count;
        good = store_init(&stores[i], (bench_shape)i);
    }
    good = good && kind_run(stores, false, settings) && kind_run(stores, true, settings);
    for (size_t i = 0; i < BENCH_SHAPE_COUNT; i++) {
        store_release(&stores[i]);
    }
    return good;
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 9, .seconds = 0.1};
    uint64_t token_count = 1000000;
    uint64_t center_count = 10000;
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &settings.rounds, "rounds, interleaved"},
        {"seconds", BENCH_REAL, &settings.seconds, "length of a turn"},
        {"only", BENCH_TEXT, &settings.only,
         "distributions to time: uniform,clustered,line,plane,equal,extremes"},
        {"tokens", BENCH_COUNT, &token_count, "tokens of a store"},
        {"queries", BENCH_COUNT, &center_count, "different queries"},
    };
    bench_parsed parsed =
        bench_options_parse(argc, argv, "search in space, whatever the distribution", options,
                            sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (token_count < NEAREST || token_count > 10000000 || center_count > 10000000) {
        bench_complain("from %d to 10000000 tokens, at most 10000000 queries", NEAREST);
        return EXIT_FAILURE;
    }
    bench_machine_print();
    printf("# ours: neurograph %s, stores in memory of %llu tokens\n", ng_version(),
           (unsigned long long)token_count);
    bool good = stores_run((size_t)token_count, (size_t)center_count, &settings);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
