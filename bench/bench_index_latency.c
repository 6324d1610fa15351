/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* latency_*: the 99th percentile of reads beside a writer of 100,000 updates a second.
 *
 *   ours        one thread reads, another updates coordinates of random tokens
 *   cpu_burner  the same reads, the other thread computes as long as the writer did: what sharing
 *               the processor alone costs
 *
 * The other thread works in slices of SLICE_SECONDS: the writer until it has caught up, the burner
 * for the processor time that the writer needed for a slice on average in its turn before.
 *
 * Invariants: 1. both sides read the same tokens in the same order, each read timed by itself.
 *             2. the writer keeps its rate, otherwise a '#' line says what it reached.
 * Threads: `stop` ends the other thread (relaxed); what it leaves is read after it was joined. */
#include "bench_store.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACES 0x81u
#define SEED 20261129
#define SLICE_SECONDS 1e-3
#define HITS_WANTED 100
#define NEAREST 10
#define HITS_MAX 4096
#define REACH 300.0 /* of bench_tokens_fill in the physical space */
#define SAMPLES_MAX (1u << 22)
#define WARM_SECONDS 0.05 /* of the other thread before the first read */

typedef struct latency_case {
    ng_store *store;
    uint64_t token_count;
    double rate; /* updates a second */
    float radius;
    double duty;       /* processor seconds that the writer needs for a slice */
    double reached;    /* lowest rate of a turn */
    uint32_t *samples; /* [SAMPLES_MAX], ns */
    ng_hit hits[HITS_MAX];
} latency_case;

/* ---------------------------------------------------------------------------------------------
 * Reads
 * ------------------------------------------------------------------------------------------- */

typedef bool (*read_fn)(latency_case *data, ng_token_id id);

static bool read_token(latency_case *data, ng_token_id id)
{
    ng_token token;
    return ng_token_read(data->store, id, &token) == NG_OK;
}

static bool read_info(latency_case *data, ng_token_id id)
{
    ng_token_info info;
    return ng_token_get(data->store, id, &info) == NG_OK;
}

static bool read_label(latency_case *data, ng_token_id id)
{
    bench_label label = bench_label_of(id);
    ng_token_id found;
    return ng_token_find(data->store, NG_COLLECTION_RUNTIME, label.text, BENCH_LABEL_BYTES,
                         &found) == NG_OK &&
           found == id;
}

/** A centre from the id, not from the token: it has moved. */
static void center_of(ng_token_id id, float center[NG_AXIS_COUNT])
{
    uint64_t number = id * 0x9E3779B97F4A7C15ull;
    for (size_t axis = 0; axis < NG_AXIS_COUNT; axis++) {
        center[axis] = (float)(REACH * ((double)(number >> (20 * axis) & 0xFFFFF) / 524288.0 - 1));
    }
}

static bool read_nearest(latency_case *data, ng_token_id id)
{
    float center[NG_AXIS_COUNT];
    size_t count;
    center_of(id, center);
    return bench_store_nearest(data->store, center, data->hits, NEAREST, &count);
}

static bool read_radius(latency_case *data, ng_token_id id)
{
    float center[NG_AXIS_COUNT];
    size_t count;
    center_of(id, center);
    const bench_ball ball = {.center = center, .radius = data->radius, .unordered = true};
    return bench_store_radius(data->store, &ball, data->hits, HITS_MAX, &count);
}

static const struct {
    const char *name;
    read_fn run;
} reads[] = {
    {"latency_token_read", read_token},   {"latency_token_get", read_info},
    {"latency_token_find", read_label},   {"latency_grid_knn", read_nearest},
    {"latency_grid_radius", read_radius},
};

/* ---------------------------------------------------------------------------------------------
 * The other thread
 * ------------------------------------------------------------------------------------------- */

typedef struct companion {
    latency_case *data;
    pthread_t handle;
    atomic_bool stop;
    uint64_t updates;
    double seconds, cpu_seconds;
    bool good;
} companion;

static void *writer_run(void *argument)
{
    companion *self = argument;
    latency_case *data = self->data;
    uint64_t random = SEED;
    double cpu_began = bench_cpu_seconds();
    double began = bench_clock_seconds();
    double slice = began;
    while (self->good && !atomic_load_explicit(&self->stop, memory_order_relaxed)) {
        uint64_t due = (uint64_t)((bench_clock_seconds() - began) * data->rate);
        while (self->good && self->updates < due &&
               !atomic_load_explicit(&self->stop, memory_order_relaxed)) {
            ng_token_fields fields;
            bench_tokens_fill(&fields, 1, SPACES, &random);
            ng_token_id id = 1 + (bench_random(&random) >> 11) % data->token_count;
            self->good =
                bench_ok(ng_token_update(data->store, id, &fields, NULL), "ng_token_update");
            self->updates++;
        }
        double now = bench_clock_seconds();
        slice = slice + SLICE_SECONDS > now ? slice + SLICE_SECONDS : now;
        bench_sleep_until(slice);
    }
    self->seconds = bench_clock_seconds() - began;
    self->cpu_seconds = bench_cpu_seconds() - cpu_began;
    return NULL;
}

static void *burner_run(void *argument)
{
    companion *self = argument;
    volatile uint64_t sink = 0;
    uint64_t random = SEED;
    double slice = bench_clock_seconds();
    while (!atomic_load_explicit(&self->stop, memory_order_relaxed)) {
        double began = bench_cpu_seconds();
        while (bench_cpu_seconds() - began < self->data->duty) {
            for (int i = 0; i < 100; i++) {
                sink = sink ^ bench_random(&random);
            }
        }
        double now = bench_clock_seconds();
        slice = slice + SLICE_SECONDS > now ? slice + SLICE_SECONDS : now;
        bench_sleep_until(slice);
    }
    return NULL;
}

/* ---------------------------------------------------------------------------------------------
 * Turns
 * ------------------------------------------------------------------------------------------- */

typedef struct latency_turn {
    latency_case *data;
    read_fn read;
    bool beside_writer;
} latency_turn;

static int sample_compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/** Reads for a while and leaves the time of each in data->samples. */
static bool reads_sample(const latency_turn *turn, double seconds, size_t *count)
{
    latency_case *data = turn->data;
    uint64_t random = SEED + 1;
    double began = bench_clock_seconds();
    double before = began;
    *count = 0;
    while (before - began < seconds && *count < SAMPLES_MAX) {
        ng_token_id id = 1 + (bench_random(&random) >> 11) % data->token_count;
        before = bench_clock_seconds();
        bool good = turn->read(data, id);
        double after = bench_clock_seconds();
        if (!good) {
            return bench_complain("a read failed: %s", ng_last_error());
        }
        data->samples[(*count)++] = (uint32_t)fmin((after - before) * 1e9, UINT32_MAX);
    }
    return true;
}

static bool turn_round(void *context, const bench_settings *settings, double *out)
{
    const latency_turn *turn = context;
    latency_case *data = turn->data;
    companion other = {.data = data, .good = true};
    size_t count = 0;
    if (pthread_create(&other.handle, NULL, turn->beside_writer ? writer_run : burner_run,
                       &other) != 0) {
        return bench_complain("cannot start a thread");
    }
    bench_sleep_until(bench_clock_seconds() + WARM_SECONDS);
    bool good = reads_sample(turn, settings->seconds, &count);
    atomic_store_explicit(&other.stop, true, memory_order_relaxed);
    pthread_join(other.handle, NULL);
    if (turn->beside_writer) {
        double rate = (double)other.updates / other.seconds;
        data->duty = other.cpu_seconds / other.seconds * SLICE_SECONDS;
        data->reached = rate < data->reached ? rate : data->reached;
    }
    if (!good || !other.good || count == 0) {
        return false;
    }
    qsort(data->samples, count, sizeof *data->samples, sample_compare);
    *out = (double)data->samples[count - 1 - count / 100];
    return true;
}

static bool read_run(latency_case *data, size_t which, const bench_settings *settings)
{
    const char *name = reads[which].name;
    latency_turn turns[] = {{data, reads[which].run, true}, {data, reads[which].run, false}};
    bench_side sides[] = {
        {.name = "ours", .round = turn_round, .context = &turns[0]},
        {.name = "cpu_burner", .round = turn_round, .context = &turns[1]},
    };
    data->reached = INFINITY;
    bool good = bench_rounds_run(settings, name, "ns", sides, 2);
    if (good) {
        printf("# %s: the writer made at least %.0f updates a second of %.0f, %.0f %% of a "
               "processor in its last turn\n",
               name, data->reached, data->rate, data->duty / SLICE_SECONDS * 100);
        double ratio = bench_row_print(name, "ns", BENCH_LOWER_IS_BETTER, &sides[0], &sides[1],
                                       data->token_count);
        bench_target_print(name, "cpu_burner", ratio, 0.5);
    }
    bench_sides_release(sides, 2);
    return good;
}

static bool case_run(latency_case *data, const bench_settings *settings)
{
    uint64_t random = SEED;
    double volume = pow(2 * REACH, 3) * HITS_WANTED / (double)data->token_count;
    data->radius = (float)cbrt(volume * 3 / (4 * 3.14159265358979));
    data->samples = malloc(SAMPLES_MAX * sizeof *data->samples);
    bool good = data->samples != NULL ? bench_ok(ng_open(NULL, NULL, &data->store), "ng_open")
                                      : bench_complain("out of memory");
    good = good && bench_tokens_create_labelled(data->store, data->token_count, SPACES, &random) &&
           bench_store_pack(data->store, SPACES);
    for (size_t i = 0; good && i < sizeof reads / sizeof reads[0]; i++) {
        good = read_run(data, i, settings);
    }
    ng_check_report report;
    if (good && bench_ok(ng_check(data->store, &report), "ng_check") && report.problem_count > 0) {
        good = bench_complain("ng_check: %s", report.first_problem);
    }
    ng_close(data->store);
    free(data->samples);
    return good;
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 7, .seconds = 0.5};
    static latency_case data = {.token_count = 1000000, .rate = 100000};
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &settings.rounds, "rounds, interleaved"},
        {"seconds", BENCH_REAL, &settings.seconds, "reading in a turn"},
        {"tokens", BENCH_COUNT, &data.token_count, "tokens"},
        {"rate", BENCH_REAL, &data.rate, "updates a second"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "latency of reads beside a writer",
                                              options, sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (data.token_count > 10000000) {
        bench_complain("at most 10000000 tokens");
        return EXIT_FAILURE;
    }
    bench_machine_print();
    printf(
        "# ours: neurograph %s, store in memory, two spaces; one reader, one writer of %g updates "
        "a second\n",
        ng_version(), data.rate);
    return case_run(&data, &settings) ? EXIT_SUCCESS : EXIT_FAILURE;
}
