/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* multispace_knn: the ten tokens nearest over all eight spaces at once, exactly, one thread.
 *
 *   ours       ng_multi_nearest with the weights of the constitution
 *   simd_scan  all 24 coordinates of every token, by SIMD (bench_scan.h), the same weights
 *
 * Tokens are clustered in all spaces at once: one of 1000 clusters has a place and a width in each.
 * The weights of the constitution make a raw step of the first axis count alike in every space, so
 * that no space decides alone.
 *
 * Invariants: 1. before a row is printed, both sides have answered every query; distances agree
 *                within 1e-5, and tokens that differ are equally far in double.
 *             2. a turn is a whole number of passes over the same queries. */
#include "bench_scan.h"
#include "bench_store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20261129
#define NEAREST 10
#define CLUSTERS 1000
#define STEP_WEIGHT 10000.0 /* raw steps that make distance 1 */
#define SPACES_ALL 0xFFu
#define TARGET 4.0
#define TIE_MAX 1e-5

typedef struct space_cluster {
    double center[BENCH_AXES];
    double width[NG_SPACE_COUNT];
} space_cluster;

typedef struct multispace_case {
    ng_store *store;
    bench_scan scan;
    size_t token_count, query_count;
    double steps[BENCH_AXES];  /* raw steps for one unit */
    float weights[BENCH_AXES]; /* of a squared raw step */
    float *centers;            /* [query_count][BENCH_AXES], raw */
} multispace_case;

/* ---------------------------------------------------------------------------------------------
 * Tokens
 * ------------------------------------------------------------------------------------------- */

static double unit_random(uint64_t *random)
{
    return (double)(bench_random(random) >> 11) * 0x1p-52 - 1;
}

static void clusters_fill(space_cluster *clusters, uint64_t *random)
{
    for (size_t i = 0; i < CLUSTERS; i++) {
        for (size_t axis = 0; axis < BENCH_AXES; axis++) {
            clusters[i].center[axis] = 28000 * unit_random(random);
        }
        double width = 245 * exp(1.1 * unit_random(random));
        for (size_t space = 0; space < NG_SPACE_COUNT; space++) {
            clusters[i].width[space] = width * exp(0.7 * unit_random(random));
        }
    }
}

/** Writes the raw coordinates of the tokens into the rival's arrays. */
static bool scan_fill(multispace_case *data)
{
    uint64_t random = SEED;
    space_cluster *clusters = calloc(CLUSTERS, sizeof *clusters);
    if (clusters == NULL || !bench_scan_init(&data->scan, data->token_count)) {
        free(clusters);
        return bench_complain("out of memory");
    }
    clusters_fill(clusters, &random);
    for (size_t i = 0; i < data->token_count; i++) {
        const space_cluster *chosen = &clusters[(bench_random(&random) >> 11) % CLUSTERS];
        for (size_t axis = 0; axis < BENCH_AXES; axis++) {
            double value = chosen->center[axis] + chosen->width[axis / 3] * bench_gaussian(&random);
            value = rint(fmax(-NG_COORDINATE_MAX, fmin(NG_COORDINATE_MAX, value)));
            *bench_scan_at(&data->scan, axis, i) = (int16_t)value;
        }
    }
    free(clusters);
    return true;
}

/** Steps and weights from the store, and weights of the constitution that make spaces equal. */
static bool weights_set(multispace_case *data)
{
    ng_info info;
    ng_cdna cdna;
    if (!bench_ok(ng_store_info(data->store, &info), "ng_store_info") ||
        !bench_ok(ng_cdna_get(data->store, &cdna), "ng_cdna_get")) {
        return false;
    }
    for (size_t space = 0; space < NG_SPACE_COUNT; space++) {
        double first = info.scales[space][0] / STEP_WEIGHT;
        cdna.scales[space] = (float)(first * first);
        for (size_t axis = 0; axis < NG_AXIS_COUNT; axis++) {
            double steps = info.scales[space][axis];
            data->steps[3 * space + axis] = steps;
            data->weights[3 * space + axis] = (float)((double)cdna.scales[space] / (steps * steps));
        }
    }
    return bench_ok(ng_cdna_set(data->store, &cdna, NULL), "ng_cdna_set");
}

static bool tokens_create(multispace_case *data, ng_token_fields *fields, ng_token_id *ids)
{
    for (size_t done = 0; done < data->token_count;) {
        size_t left = data->token_count - done;
        size_t batch = left < BENCH_BATCH ? left : BENCH_BATCH;
        for (size_t i = 0; i < batch; i++) {
            fields[i] =
                (ng_token_fields){.struct_size = sizeof fields[i], .spaces_set = SPACES_ALL};
            for (size_t axis = 0; axis < BENCH_AXES; axis++) {
                fields[i].coordinates[axis / 3][axis % 3] =
                    (float)(*bench_scan_at(&data->scan, axis, done + i) / data->steps[axis]);
            }
        }
        if (!bench_ok(ng_token_create_many(data->store, fields, batch, NULL, ids),
                      "ng_token_create_many")) {
            return false;
        }
        done += batch;
    }
    return true;
}

/** The store must have the very coordinates that the rival has; ids are 1, 2, 3, ... */
static bool tokens_verify(const multispace_case *data)
{
    for (size_t i = 0; i < data->token_count; i++) {
        ng_token token;
        if (!bench_ok(ng_token_read(data->store, i + 1, &token), "ng_token_read")) {
            return false;
        }
        for (size_t axis = 0; axis < BENCH_AXES; axis++) {
            if (token.coordinates[axis / 3][axis % 3] != *bench_scan_at(&data->scan, axis, i)) {
                return bench_complain("token %zu is elsewhere than in the scan", i + 1);
            }
        }
    }
    return true;
}

static bool queries_fill(multispace_case *data)
{
    uint64_t random = SEED + 1;
    data->centers = malloc(data->query_count * BENCH_AXES * sizeof *data->centers);
    if (data->centers == NULL) {
        return bench_complain("out of memory");
    }
    for (size_t i = 0; i < data->query_count; i++) {
        size_t token = (size_t)((bench_random(&random) >> 11) % data->token_count);
        for (size_t axis = 0; axis < BENCH_AXES; axis++) {
            double value = *bench_scan_at(&data->scan, axis, token) + 50 * unit_random(&random);
            value = rint(fmax(-NG_COORDINATE_MAX, fmin(NG_COORDINATE_MAX, value)));
            data->centers[i * BENCH_AXES + axis] = (float)value;
        }
    }
    return true;
}

static bool case_init(multispace_case *data)
{
    ng_token_fields *fields = calloc(BENCH_BATCH, sizeof *fields);
    ng_token_id *ids = calloc(BENCH_BATCH, sizeof *ids);
    bool good = fields != NULL && ids != NULL
                    ? bench_ok(ng_open(NULL, NULL, &data->store), "ng_open")
                    : bench_complain("out of memory");
    good = good && weights_set(data) && scan_fill(data) && tokens_create(data, fields, ids) &&
           tokens_verify(data) && queries_fill(data) && bench_store_pack(data->store, SPACES_ALL);
    free(fields);
    free(ids);
    return good;
}

static void case_release(multispace_case *data)
{
    ng_close(data->store);
    bench_scan_release(&data->scan);
    free(data->centers);
}

/* ---------------------------------------------------------------------------------------------
 * The sides
 * ------------------------------------------------------------------------------------------- */

typedef bool (*ask_fn)(const multispace_case *data, size_t query, bench_scan_hit *out);

/** Distances, not squared. */
static bool ours_ask(const multispace_case *data, size_t query, bench_scan_hit *out)
{
    float centers[NG_SPACE_COUNT][NG_AXIS_COUNT];
    ng_hit hits[NEAREST];
    size_t count;
    for (size_t axis = 0; axis < BENCH_AXES; axis++) {
        double raw = (double)data->centers[query * BENCH_AXES + axis];
        centers[axis / 3][axis % 3] = (float)(raw / data->steps[axis]);
    }
    if (!bench_store_nearest_all(data->store, centers, hits, NEAREST, &count) || count < NEAREST) {
        return bench_complain("ours: query %zu failed", query);
    }
    for (size_t i = 0; i < NEAREST; i++) {
        out[i] = (bench_scan_hit){hits[i].distance, (uint32_t)hits[i].id - 1};
    }
    return true;
}

static bool scan_ask(const multispace_case *data, size_t query, bench_scan_hit *out)
{
    return bench_scan_nearest(&data->scan, data->centers + query * BENCH_AXES, data->weights, out,
                              NEAREST) == NEAREST;
}

/** In double, from the raw coordinates. */
static double distance(const multispace_case *data, size_t query, size_t token)
{
    double sum = 0;
    for (size_t axis = 0; axis < BENCH_AXES; axis++) {
        double d = *bench_scan_at(&data->scan, axis, token) -
                   (double)data->centers[query * BENCH_AXES + axis];
        sum += (double)data->weights[axis] * d * d;
    }
    return sqrt(sum);
}

/** Asks every query of both; this also brings everything into the state of later rounds. */
static bool sides_compare(const multispace_case *data)
{
    size_t ties = 0;
    for (size_t query = 0; query < data->query_count; query++) {
        bench_scan_hit ours[NEAREST];
        bench_scan_hit theirs[NEAREST];
        if (!ours_ask(data, query, ours) || !scan_ask(data, query, theirs)) {
            return false;
        }
        for (size_t i = 0; i < NEAREST; i++) {
            double exact = distance(data, query, ours[i].index);
            double other = distance(data, query, theirs[i].index);
            bool good = ours[i].index == theirs[i].index || fabs(exact - other) <= TIE_MAX * exact;
            if (!good || fabs(exact - (double)ours[i].squared) > TIE_MAX * exact) {
                return bench_complain("query %zu, place %zu: ours is token %u at %g (says %g), the "
                                      "scan's token %u at %g",
                                      query, i + 1, ours[i].index + 1, exact,
                                      (double)ours[i].squared, theirs[i].index + 1, other);
            }
            ties += ours[i].index != theirs[i].index;
        }
    }
    printf("# multispace_knn checked: the same answers to %zu queries, but for %zu places of equal "
           "distance\n",
           data->query_count, ties);
    return true;
}

/* ---------------------------------------------------------------------------------------------
 * Rounds
 * ------------------------------------------------------------------------------------------- */

typedef struct ask_side {
    const multispace_case *data;
    ask_fn ask;
} ask_side;

/** Queries a second. */
static bool side_round(void *context, const bench_settings *settings, double *out)
{
    const ask_side *side = context;
    uint64_t done = 0;
    double began = bench_clock_seconds();
    double elapsed = 0;
    while (elapsed < settings->seconds) {
        for (size_t i = 0; i < side->data->query_count; i++) {
            bench_scan_hit hits[NEAREST];
            if (!side->ask(side->data, i, hits)) {
                return false;
            }
        }
        done += side->data->query_count;
        elapsed = bench_clock_seconds() - began;
    }
    *out = (double)done / elapsed;
    return true;
}

static bool rounds_run(const multispace_case *data, const bench_settings *settings)
{
    const char *name = "multispace_knn";
    ask_side contexts[] = {{data, ours_ask}, {data, scan_ask}};
    bench_side sides[] = {
        {.name = "ours", .round = side_round, .context = &contexts[0]},
        {.name = "simd_scan", .round = side_round, .context = &contexts[1]},
    };
    bool good = sides_compare(data) && bench_rounds_run(settings, name, "queries/s", sides, 2);
    if (good) {
        double ratio = bench_row_print(name, "queries/s", BENCH_HIGHER_IS_BETTER, &sides[0],
                                       &sides[1], data->token_count);
        bench_target_print(name, sides[1].name, ratio, TARGET);
    }
    bench_sides_release(sides, 2);
    return good;
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 9, .seconds = 0.5};
    uint64_t token_count = 1000000;
    uint64_t query_count = 100;
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &settings.rounds, "rounds, interleaved"},
        {"seconds", BENCH_REAL, &settings.seconds, "shortest turn of a side in a round"},
        {"only", BENCH_TEXT, &settings.only, "sides to run: ours,simd_scan"},
        {"tokens", BENCH_COUNT, &token_count, "tokens"},
        {"queries", BENCH_COUNT, &query_count, "queries of a pass"},
    };
    bench_parsed parsed =
        bench_options_parse(argc, argv, "exact nearest over eight spaces, store in memory", options,
                            sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (token_count < NEAREST || token_count > 10000000 || query_count > 1000000) {
        bench_complain("from %d to 10000000 tokens, at most 1000000 queries", NEAREST);
        return EXIT_FAILURE;
    }
    multispace_case data = {.token_count = (size_t)token_count, .query_count = (size_t)query_count};
    bench_machine_print();
    printf("# ours: neurograph %s; simd_scan: 24 axes of int16 on huge pages, %s\n", ng_version(),
           BENCH_RIVAL_FLAGS);
    bool good = case_init(&data) && rounds_run(&data, &settings);
    case_release(&data);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
