/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* interval_cost: what it costs to be on disk within 100 ms, for a writer of batches.
 *
 * Sides, both of this library, with the same tokens in the same batches:
 *   ours    a store in a directory, interval durability, everything else as it is by default
 *   memory  a store without a directory
 * Two cases: tokens without coordinates, where the log is nearly all of the work, and tokens in all
 * eight spaces. The log of a turn stays below what makes a checkpoint due; another benchmark is
 * about those.
 *
 * Invariants: 1. the records are filled before the clock runs; it runs from the first call to the
 *                return of the last.
 *             2. after its turn the store on disk is closed, opened again, and has the state hash
 *                that it had. */
#include "bench_tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 0x9E3779B97F4A7C15ull
#define FILLED_BATCHES 64 /* different ones; a turn goes through them again and again */

typedef struct interval_side {
    const char *directory; /* of the whole run; NULL = in memory */
    unsigned spaces;
    uint64_t batch_count;
    const ng_token_fields *fields; /* [FILLED_BATCHES x BENCH_BATCH] */
    double wait_ms;                /* until the last op was on disk, the longest of all rounds */
    uint64_t log_bytes;            /* of a turn */
    uint64_t checkpoint_count;     /* of all turns */
} interval_side;

/** Million tokens a second. */
static bool tokens_write(interval_side *side, ng_store *store, double *out)
{
    const ng_write_options write = {.struct_size = sizeof write,
                                    .durability = NG_DURABILITY_INTERVAL};
    ng_token_id ids[BENCH_BATCH];
    ng_seq applied = 0;
    bool good = true;
    double began = bench_clock_seconds();
    for (uint64_t i = 0; good && i < side->batch_count; i++) {
        const ng_token_fields *fields = side->fields + i % FILLED_BATCHES * BENCH_BATCH;
        good = bench_ok(ng_token_create_many(store, fields, BENCH_BATCH, &write, ids),
                        "ng_token_create_many");
    }
    double ended = bench_clock_seconds();
    *out = (double)(side->batch_count * BENCH_BATCH) / (ended - began) / 1e6;
    if (good && side->directory != NULL) {
        ng_positions(store, &applied, NULL);
        good = bench_ok(ng_wait_durable(store, applied), "ng_wait_durable");
        double wait_ms = (bench_clock_seconds() - ended) * 1e3;
        side->wait_ms = wait_ms > side->wait_ms ? wait_ms : side->wait_ms;
    }
    return good;
}

/** The store that was closed is the one that is opened. */
static bool store_verify(const char *path, uint64_t expected)
{
    const ng_open_options options = {.struct_size = sizeof options, .flags = NG_OPEN_READ_ONLY};
    ng_store *store = NULL;
    uint64_t hash = 0;
    bool good = bench_ok(ng_open(path, &options, &store), "reopening") &&
                bench_ok(ng_state_hash(store, &hash), "ng_state_hash");
    ng_close(store);
    return good && (hash == expected || bench_complain("the state is another after reopening"));
}

static bool side_round(void *context, const bench_settings *settings, double *out)
{
    interval_side *side = context;
    char directory[BENCH_PATH_MAX];
    char path[BENCH_PATH_MAX];
    ng_store *store = NULL;
    ng_info info;
    uint64_t hash = 0;
    (void)settings;
    if (side->directory != NULL && (!bench_directory_make(side->directory, "turn", directory) ||
                                    !bench_path_join(directory, "store", path))) {
        return false;
    }
    bool good = bench_ok(ng_open(side->directory != NULL ? path : NULL, NULL, &store), "ng_open") &&
                tokens_write(side, store, out) &&
                bench_ok(ng_state_hash(store, &hash), "ng_state_hash") &&
                bench_ok(ng_store_info(store, &info), "ng_store_info");
    if (good) {
        side->log_bytes = info.log_bytes;
        side->checkpoint_count += info.checkpoint_count;
    }
    good = bench_ok(ng_close(store), "ng_close") && good;
    if (side->directory != NULL) {
        good = good && store_verify(path, hash);
        bench_directory_remove(directory);
    }
    return good;
}

static bool case_run(const bench_settings *settings, const char *name, const char *directory,
                     unsigned spaces, uint64_t tokens)
{
    uint64_t batch_count = (tokens + BENCH_BATCH - 1) / BENCH_BATCH;
    uint64_t random = SEED;
    ng_token_fields *fields = calloc(FILLED_BATCHES * BENCH_BATCH, sizeof *fields);
    if (fields == NULL) {
        return bench_complain("out of memory");
    }
    bench_tokens_fill(fields, FILLED_BATCHES * BENCH_BATCH, spaces, &random);
    interval_side contexts[] = {
        {.directory = directory, .spaces = spaces, .batch_count = batch_count, .fields = fields},
        {.directory = NULL, .spaces = spaces, .batch_count = batch_count, .fields = fields},
    };
    bench_side sides[] = {
        {.name = "ours", .round = side_round, .context = &contexts[0]},
        {.name = "memory", .round = side_round, .context = &contexts[1]},
    };
    bool good = bench_rounds_run(settings, name, "Mtokens/s", sides, 2);
    if (good) {
        printf("# %s: %.0f MiB of log a turn, %llu checkpoints; at most %.1f ms from the last call "
               "to the disk\n",
               name, (double)contexts[0].log_bytes / 1048576.0,
               (unsigned long long)contexts[0].checkpoint_count, contexts[0].wait_ms);
        bench_row_print(name, "Mtokens/s", BENCH_HIGHER_IS_BETTER, &sides[0], &sides[1],
                        batch_count * BENCH_BATCH);
    }
    bench_sides_release(sides, 2);
    free(fields);
    return good;
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 7};
    uint64_t plain = 6000000;
    uint64_t spatial = 3000000;
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &settings.rounds, "rounds, interleaved"},
        {"dir", BENCH_TEXT, &settings.dir, "where the stores are made (fresh, in ./build or .)"},
        {"only", BENCH_TEXT, &settings.only, "sides to run: ours,memory"},
        {"tokens", BENCH_COUNT, &plain, "tokens of a turn without coordinates"},
        {"spatial", BENCH_COUNT, &spatial, "tokens of a turn in all spaces"},
    };
    bench_parsed parsed =
        bench_options_parse(argc, argv, "interval durability beside a store in memory", options,
                            sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    char directory[BENCH_PATH_MAX];
    if (plain > 9000000 || spatial > 9000000) {
        bench_complain("at most 9000000 tokens");
        return EXIT_FAILURE;
    }
    if (!bench_directory_create(settings.dir, directory)) {
        return EXIT_FAILURE;
    }
    bench_machine_print();
    printf(
        "# stores: %s on %s; neurograph %s, batches of %d tokens, durability interval (100 ms)\n",
        directory, bench_directory_filesystem(directory), ng_version(), BENCH_BATCH);
    bool good = case_run(&settings, "interval_cost", directory, 0, plain) &&
                case_run(&settings, "interval_cost_8_spaces", directory, 0xFF, spatial);
    bench_directory_remove(directory);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
