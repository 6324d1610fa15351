/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* scale_*: nanoseconds of one operation, one thread, in stores of 1000 tokens to 10 million: what a
 * hundred times as many tokens cost beyond the caches they no longer fit into.
 *
 * Tokens are in two spaces and have labels of 8 bytes; the store is in memory. Rows compare the
 * largest store with the smallest.
 *
 * Invariants: 1. ids are random and chosen beforehand: the same for every operation of a store.
 *             2. a search by radius finds about HITS_WANTED tokens, whatever the size. */
#include "bench_store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACES 0x81u
#define REACH 300.0 /* of bench_tokens_fill in the physical space */
#define SEED 20261129
#define SEQUENCE_IDS (1u << 18)
#define HITS_WANTED 100
#define NEAREST 10
#define HITS_MAX 4096
#define SIZES_MAX 5

typedef struct scale_store {
    ng_store *store;
    uint64_t token_count;
    float radius;
    ng_token_id *ids;       /* [SEQUENCE_IDS] */
    bench_label *labels;    /* [SEQUENCE_IDS], of these ids */
    ng_token_fields fields; /* of an update */
    ng_hit hits[HITS_MAX];
    size_t at; /* in the sequence */
} scale_store;

/** Does something to, or near, the token of place `at` in the sequence. */
typedef bool (*operation_fn)(scale_store *data, size_t at);

static bool token_read(scale_store *data, size_t at)
{
    ng_token token;
    return ng_token_read(data->store, data->ids[at], &token) == NG_OK;
}

static bool token_get(scale_store *data, size_t at)
{
    ng_token_info info;
    return ng_token_get(data->store, data->ids[at], &info) == NG_OK;
}

static bool token_find(scale_store *data, size_t at)
{
    ng_token_id id;
    return ng_token_find(data->store, NG_COLLECTION_RUNTIME, data->labels[at].text,
                         BENCH_LABEL_BYTES, &id) == NG_OK &&
           id == data->ids[at];
}

static bool token_update(scale_store *data, size_t at)
{
    /* Another place in both spaces, from the id: what it costs to find one is not the store's. */
    uint32_t number = (uint32_t)(data->ids[at] + data->at) * 2654435769u;
    for (size_t axis = 0; axis < NG_AXIS_COUNT; axis++) {
        float unit = (float)(number >> (8 * axis) & 0xFFFF) / 32768.0f - 1.0f;
        data->fields.coordinates[NG_SPACE_PHYSICAL][axis] = (float)REACH * unit;
        data->fields.coordinates[NG_SPACE_ABSTRACT][axis] = unit;
    }
    return ng_token_update(data->store, data->ids[at], &data->fields, NULL) == NG_OK;
}

static bool grid_knn(scale_store *data, size_t at)
{
    float center[NG_AXIS_COUNT];
    ng_token token;
    size_t count;
    return ng_token_read(data->store, data->ids[at], &token) == NG_OK &&
           ng_token_coordinates(data->store, &token, NG_SPACE_PHYSICAL, center) &&
           bench_store_nearest(data->store, center, data->hits, NEAREST, &count);
}

static bool grid_radius(scale_store *data, size_t at)
{
    float center[NG_AXIS_COUNT];
    ng_token token;
    size_t count;
    const bench_ball ball = {.center = center, .radius = data->radius, .unordered = true};
    return ng_token_read(data->store, data->ids[at], &token) == NG_OK &&
           ng_token_coordinates(data->store, &token, NG_SPACE_PHYSICAL, center) &&
           bench_store_radius(data->store, &ball, data->hits, HITS_MAX, &count);
}

static const struct {
    const char *name;
    operation_fn run;
} operations[] = {
    {"scale_token_read", token_read},   {"scale_token_get", token_get},
    {"scale_token_find", token_find},   {"scale_grid_knn", grid_knn},
    {"scale_grid_radius", grid_radius}, {"scale_token_update", token_update},
};
#define OPERATIONS (sizeof operations / sizeof operations[0])

/* ---------------------------------------------------------------------------------------------
 * Stores
 * ------------------------------------------------------------------------------------------- */

static bool store_init(scale_store *data, uint64_t token_count)
{
    const ng_open_options options = {.struct_size = sizeof options,
                                     .max_tokens = (uint32_t)token_count};
    uint64_t random = SEED;
    data->token_count = token_count;
    double volume = pow(2 * REACH, 3) * HITS_WANTED / (double)token_count;
    data->radius = (float)cbrt(volume * 3 / (4 * 3.14159265358979));
    data->fields =
        (ng_token_fields){.struct_size = sizeof data->fields, .spaces_set = (uint8_t)SPACES};
    data->ids = malloc(SEQUENCE_IDS * sizeof *data->ids);
    data->labels = malloc(SEQUENCE_IDS * sizeof *data->labels);
    if (data->ids == NULL || data->labels == NULL) {
        return bench_complain("out of memory");
    }
    for (size_t i = 0; i < SEQUENCE_IDS; i++) {
        data->ids[i] = 1 + (bench_random(&random) >> 11) % token_count;
        data->labels[i] = bench_label_of(data->ids[i]);
    }
    return bench_ok(ng_open(NULL, &options, &data->store), "ng_open") &&
           bench_tokens_create_labelled(data->store, token_count, SPACES, &random) &&
           bench_store_pack(data->store, SPACES);
}

static void store_release(scale_store *data)
{
    ng_close(data->store);
    free(data->ids);
    free(data->labels);
}

/* ---------------------------------------------------------------------------------------------
 * Rounds
 * ------------------------------------------------------------------------------------------- */

typedef struct scale_turn {
    scale_store *data;
    operation_fn run;
    char name[32];
} scale_turn;

/** Nanoseconds of one operation. */
static bool turn_round(void *context, const bench_settings *settings, double *out)
{
    const scale_turn *turn = context;
    scale_store *data = turn->data;
    uint64_t done = 0;
    double began = bench_clock_seconds();
    double elapsed = 0;
    while (elapsed < settings->seconds) {
        for (int i = 0; i < 64; i++) {
            if (!turn->run(data, data->at)) {
                return bench_complain("an operation failed: %s", ng_last_error());
            }
            data->at = (data->at + 1) % SEQUENCE_IDS;
        }
        done += 64;
        elapsed = bench_clock_seconds() - began;
    }
    *out = elapsed * 1e9 / (double)done;
    return true;
}

static bool operation_run(scale_store *stores, size_t store_count, size_t operation,
                          const bench_settings *settings)
{
    const char *name = operations[operation].name;
    scale_turn turns[SIZES_MAX];
    bench_side sides[SIZES_MAX];
    memset(sides, 0, sizeof sides);
    for (size_t i = 0; i < store_count; i++) {
        turns[i] = (scale_turn){.data = &stores[i], .run = operations[operation].run};
        snprintf(turns[i].name, sizeof turns[i].name, "%llu_tokens",
                 (unsigned long long)stores[i].token_count);
        sides[i] = (bench_side){.name = turns[i].name, .round = turn_round, .context = &turns[i]};
    }
    bool good = bench_rounds_run(settings, name, "ns", sides, store_count);
    if (good) {
        printf("# %s:", name);
        for (size_t i = 0; i < store_count; i++) {
            printf(" %.0f ns at %llu%s", sides[i].median, (unsigned long long)stores[i].token_count,
                   i + 1 < store_count ? "," : "\n");
        }
        bench_row_print(name, "ns", BENCH_LOWER_IS_BETTER, &sides[store_count - 1], &sides[0],
                        stores[store_count - 1].token_count);
    }
    bench_sides_release(sides, store_count);
    return good;
}

static bool sizes_run(const uint64_t *sizes, size_t size_count, const bench_settings *settings)
{
    scale_store *stores = calloc(SIZES_MAX, sizeof *stores);
    bool good = stores != NULL || bench_complain("out of memory");
    for (size_t i = 0; good && i < size_count; i++) {
        good = store_init(&stores[i], sizes[i]);
    }
    for (size_t i = 0; good && i < OPERATIONS; i++) {
        good = operation_run(stores, size_count, i, settings);
    }
    for (size_t i = 0; stores != NULL && i < SIZES_MAX; i++) {
        store_release(&stores[i]);
    }
    free(stores);
    return good;
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 5, .seconds = 0.1};
    uint64_t largest = 10000000;
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &settings.rounds, "rounds, interleaved"},
        {"seconds", BENCH_REAL, &settings.seconds, "length of a turn"},
        {"tokens", BENCH_COUNT, &largest, "tokens of the largest store"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "operations in stores of different sizes",
                                              options, sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (largest < 2000 || largest > 10000000) {
        bench_complain("from 2000 to 10000000 tokens");
        return EXIT_FAILURE;
    }
    static const uint64_t usual[] = {1000, 100000, 1000000};
    uint64_t sizes[SIZES_MAX];
    size_t size_count = 0;
    for (size_t i = 0; i < sizeof usual / sizeof usual[0] && usual[i] < largest; i++) {
        sizes[size_count++] = usual[i];
    }
    sizes[size_count++] = largest;
    bench_machine_print();
    printf("# ours: neurograph %s, stores in memory, two spaces, labels of %d bytes\n",
           ng_version(), BENCH_LABEL_BYTES);
    return sizes_run(sizes, size_count, &settings) ? EXIT_SUCCESS : EXIT_FAILURE;
}
