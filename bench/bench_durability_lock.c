/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* checkpoint_lock: how long a checkpoint holds up writers, at a million tokens, while one of them
 * updates random tokens without pause.
 *
 * ours    ng_checkpoint_report.lock_ns_max of a checkpoint, processor time
 * target  5 ms, what a writer is promised at most
 *
 * Lines with # also give the longest wait of the writer by the clock, which contains what the
 * system made it wait for: with fewer idle processors than threads, that is mostly their sharing.
 * So the same is printed of a while without a checkpoint.
 *
 * Invariants: 1. the writer runs before a checkpoint begins and until it has ended.
 *             2. its durability is none: it waits for locks and for room in the log, not for the disk.
 * Threads: `phase` tells the writer when a checkpoint runs; `stop` ends it (both relaxed). */
#include "bench_tokens.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACES 0x81u
#define TARGET_MS 5.0
#define PAUSE_SECONDS 0.2 /* of writing between two checkpoints */
#define SEED 0x9E3779B97F4A7C15ull

typedef struct lock_case {
    ng_store *store;
    uint64_t token_count;
    atomic_bool stop;
    atomic_bool checkpointing;
    atomic_uint_fast64_t updates;
    bool good;
    double wait_ms[2]; /* longest of the writer: without and with a checkpoint; its own */
    uint64_t updates_in_checkpoints;
} lock_case;

static void *writer_run(void *argument)
{
    lock_case *data = argument;
    const ng_write_options write = {.struct_size = sizeof write, .durability = NG_DURABILITY_NONE};
    uint64_t random = SEED;
    while (data->good && !atomic_load_explicit(&data->stop, memory_order_relaxed)) {
        ng_token_fields fields;
        bench_tokens_fill(&fields, 1, SPACES, &random);
        ng_token_id id = 1 + bench_random(&random) % data->token_count;
        bool during = atomic_load_explicit(&data->checkpointing, memory_order_relaxed);
        double began = bench_clock_seconds();
        data->good = bench_ok(ng_token_update(data->store, id, &fields, &write), "ng_token_update");
        double ms = (bench_clock_seconds() - began) * 1e3;
        during = during || atomic_load_explicit(&data->checkpointing, memory_order_relaxed);
        data->wait_ms[during] = ms > data->wait_ms[during] ? ms : data->wait_ms[during];
        atomic_fetch_add_explicit(&data->updates, 1, memory_order_relaxed);
    }
    return NULL;
}

/** Milliseconds that the writer was held up at most. */
static bool checkpoint_round(void *context, const bench_settings *settings, double *out)
{
    lock_case *data = context;
    ng_checkpoint_report report;
    (void)settings;
    bench_sleep_until(bench_clock_seconds() + PAUSE_SECONDS);
    uint64_t before = atomic_load_explicit(&data->updates, memory_order_relaxed);
    atomic_store_explicit(&data->checkpointing, true, memory_order_relaxed);
    bool good = bench_ok(ng_checkpoint(data->store, NULL, NULL, &report), "ng_checkpoint");
    atomic_store_explicit(&data->checkpointing, false, memory_order_relaxed);
    data->updates_in_checkpoints +=
        atomic_load_explicit(&data->updates, memory_order_relaxed) - before;
    if (good && report.bytes == 0) {
        good = bench_complain("ng_checkpoint wrote nothing");
    }
    *out = good ? (double)report.lock_ns_max / 1e6 : 0;
    return good;
}

static bool target_round(void *context, const bench_settings *settings, double *out)
{
    (void)context;
    (void)settings;
    *out = TARGET_MS;
    return true;
}

static bool rounds_run(lock_case *data, const bench_settings *settings)
{
    bench_side sides[] = {
        {.name = "ours", .round = checkpoint_round, .context = data},
        {.name = "target", .round = target_round, .context = NULL},
    };
    pthread_t writer;
    if (pthread_create(&writer, NULL, writer_run, data) != 0) {
        return bench_complain("cannot start a thread");
    }
    bool good = bench_rounds_run(settings, "checkpoint_lock", "ms", sides, 2);
    atomic_store_explicit(&data->stop, true, memory_order_relaxed);
    pthread_join(writer, NULL);
    good = good && data->good;
    if (good) {
        printf("# checkpoint_lock: longest %.3f ms in %llu checkpoints, target %g ms\n",
               sides[0].values != NULL ? sides[0].highest : 0.0,
               (unsigned long long)settings->rounds, TARGET_MS);
        printf("# checkpoint_lock: the writer's longest wait by the clock: %.3f ms during "
               "checkpoints (%llu updates), %.3f ms between them\n",
               data->wait_ms[1], (unsigned long long)data->updates_in_checkpoints,
               data->wait_ms[0]);
        bench_row_print("checkpoint_lock", "ms", BENCH_LOWER_IS_BETTER, &sides[0], &sides[1],
                        data->token_count);
    }
    bench_sides_release(sides, 2);
    return good;
}

static bool case_run(lock_case *data, const bench_settings *settings, const char *directory)
{
    const ng_open_options options = {.struct_size = sizeof options,
                                     .checkpoint_bytes = NG_NEVER,
                                     .checkpoint_seconds = NG_NEVER};
    char path[BENCH_PATH_MAX];
    uint64_t random = SEED;
    ng_check_report report;
    bool good =
        bench_path_join(directory, "store", path) &&
        bench_ok(ng_open(path, &options, &data->store), "ng_open") &&
        bench_tokens_create(data->store, data->token_count, SPACES, NG_DURABILITY_NONE, &random) &&
        rounds_run(data, settings) && bench_ok(ng_check(data->store, &report), "ng_check");
    if (good && report.problem_count > 0) {
        good = bench_complain("ng_check: %s", report.first_problem);
    }
    return bench_ok(ng_close(data->store), "ng_close") && good;
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 7};
    lock_case data = {.token_count = 1000000, .good = true};
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &settings.rounds, "checkpoints"},
        {"dir", BENCH_TEXT, &settings.dir, "where the store is made (fresh, in ./build or .)"},
        {"tokens", BENCH_COUNT, &data.token_count, "tokens"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "how long a checkpoint holds up a writer",
                                              options, sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    char directory[BENCH_PATH_MAX];
    if (data.token_count > 10000000) {
        bench_complain("at most 10000000 tokens");
        return EXIT_FAILURE;
    }
    if (!bench_directory_create(settings.dir, directory)) {
        return EXIT_FAILURE;
    }
    bench_machine_print();
    printf("# store: %s on %s; neurograph %s; one writer, durability none\n", directory,
           bench_directory_filesystem(directory), ng_version());
    bool good = case_run(&data, &settings, directory);
    bench_directory_remove(directory);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
