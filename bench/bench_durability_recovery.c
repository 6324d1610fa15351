/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* recovery_10m and snapshot_write: opening and checkpointing a store of 10 million tokens, beside the
 * least that can be done with the same bytes.
 *
 * recovery_10m: the store has a snapshot of its tokens and 100,000 ops behind it in the log.
 *   ours      ng_open, default flags
 *   raw_read  read() of every file of the store into a buffer of 1 MiB
 * Both with a warm page cache: the files were read just before.
 *
 * snapshot_write: ng_checkpoint of that store, one op after the last one.
 *   ours      ng_checkpoint, which also reads back and verifies what it wrote
 *   raw_write as many bytes into a new file in pieces of 1 MiB, then fdatasync
 *
 * Invariants: 1. every opened store has the state hash of the one that was closed.
 *             2. the store makes no checkpoint on its own, so a round finds what the one before
 *                found. */
#include "bench_tokens.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)1 << 20)
#define SPACES 0x81u /* physical and abstract */
#define SEED 0x9E3779B97F4A7C15ull

typedef struct recovery_case {
    char directory[BENCH_PATH_MAX];
    char path[BENCH_PATH_MAX]; /* of the store */
    uint64_t token_count;
    uint64_t tail_count;
    uint64_t hash;
    uint64_t file_bytes;     /* of all files of the store */
    uint64_t snapshot_bytes; /* of the last checkpoint */
    double lock_ms;          /* longest hold of a checkpoint */
    uint64_t random;
    uint8_t *piece;
    ng_store *store; /* open in the second part */
} recovery_case;

static bool store_open(recovery_case *data)
{
    const ng_open_options options = {.struct_size = sizeof options,
                                     .max_tokens = 12000000,
                                     .checkpoint_bytes = NG_NEVER,
                                     .checkpoint_seconds = NG_NEVER};
    return bench_ok(ng_open(data->path, &options, &data->store), "ng_open");
}

static bool store_close(recovery_case *data)
{
    ng_status status = ng_close(data->store);
    data->store = NULL;
    return bench_ok(status, "ng_close");
}

/** The tail: an op for each token. */
static bool tail_write(recovery_case *data)
{
    const ng_write_options write = {.struct_size = sizeof write, .durability = NG_DURABILITY_NONE};
    bool good = true;
    for (uint64_t i = 0; good && i < data->tail_count; i++) {
        ng_token_fields fields;
        ng_token_id id;
        bench_tokens_fill(&fields, 1, SPACES, &data->random);
        good = bench_ok(ng_token_create(data->store, &fields, &write, &id), "ng_token_create");
    }
    return good;
}

static bool store_build(recovery_case *data)
{
    ng_checkpoint_report report;
    double began = bench_clock_seconds();
    bool good = store_open(data) && bench_tokens_create(data->store, data->token_count, SPACES,
                                                        NG_DURABILITY_NONE, &data->random);
    double filled = bench_clock_seconds();
    good = good && bench_ok(ng_checkpoint(data->store, NULL, NULL, &report), "ng_checkpoint") &&
           tail_write(data) && bench_ok(ng_state_hash(data->store, &data->hash), "ng_state_hash");
    if (good) {
        printf("# made in %.1f s: %llu tokens in 2 spaces, snapshot of %.0f MiB written and "
               "verified in %.2f s, %llu ops behind it\n",
               filled - began, (unsigned long long)data->token_count,
               (double)report.bytes / 1048576.0, report.seconds,
               (unsigned long long)data->tail_count);
    }
    return store_close(data) && good;
}

/* ---------------------------------------------------------------------------------------------
 * recovery_10m
 * ------------------------------------------------------------------------------------------- */

static bool file_read(const char *path, uint8_t *piece, uint64_t *bytes)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return bench_complain("%s: %s", path, strerror(errno));
    }
    ssize_t got;
    while ((got = read(file, piece, PIECE_BYTES)) > 0) {
        *bytes += (uint64_t)got;
    }
    close(file);
    return got == 0 || bench_complain("%s: %s", path, strerror(errno));
}

/** Reads every file of the store; its subdirectories, if it has any, too small to matter. */
static bool files_read(const recovery_case *data, uint64_t *bytes)
{
    DIR *directory = opendir(data->path);
    if (directory == NULL) {
        return bench_complain("%s: %s", data->path, strerror(errno));
    }
    bool good = true;
    *bytes = 0;
    for (struct dirent *entry; good && (entry = readdir(directory)) != NULL;) {
        char path[BENCH_PATH_MAX];
        struct stat info;
        good = bench_path_join(data->path, entry->d_name, path);
        if (good && stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
            good = file_read(path, data->piece, bytes);
        }
    }
    closedir(directory);
    return good;
}

/** Seconds of ng_open. */
static bool ours_open_round(void *context, const bench_settings *settings, double *out)
{
    recovery_case *data = context;
    uint64_t hash = 0;
    ng_info info;
    (void)settings;
    double began = bench_clock_seconds();
    if (!store_open(data)) {
        return false;
    }
    *out = bench_clock_seconds() - began;
    bool good = bench_ok(ng_store_info(data->store, &info), "ng_store_info") &&
                bench_ok(ng_state_hash(data->store, &hash), "ng_state_hash");
    if (good && hash != data->hash) {
        good = bench_complain("the state is another after reopening");
    }
    if (good && info.recovered_ops != data->tail_count) {
        good = bench_complain("%llu ops were replayed, not %llu",
                              (unsigned long long)info.recovered_ops,
                              (unsigned long long)data->tail_count);
    }
    return store_close(data) && good;
}

/** Seconds of reading the files. */
static bool raw_read_round(void *context, const bench_settings *settings, double *out)
{
    recovery_case *data = context;
    (void)settings;
    double began = bench_clock_seconds();
    bool good = files_read(data, &data->file_bytes);
    *out = bench_clock_seconds() - began;
    return good;
}

static bool recovery_run(recovery_case *data, const bench_settings *settings)
{
    bench_side sides[] = {
        {.name = "ours", .round = ours_open_round, .context = data},
        {.name = "raw_read", .round = raw_read_round, .context = data},
    };
    char name[32];
    snprintf(name, sizeof name, "recovery_%llum",
             (unsigned long long)(data->token_count / 1000000));
    bool good =
        files_read(data, &data->file_bytes) && bench_rounds_run(settings, name, "s", sides, 2);
    if (good) {
        printf("# %s: the files have %.0f MiB; every opened store had the hash of the closed one\n",
               name, (double)data->file_bytes / 1048576.0);
        bench_row_print(name, "s", BENCH_LOWER_IS_BETTER, &sides[0], &sides[1], data->token_count);
    }
    bench_sides_release(sides, 2);
    return good;
}

/* ---------------------------------------------------------------------------------------------
 * snapshot_write
 * ------------------------------------------------------------------------------------------- */

/** Seconds of ng_checkpoint. */
static bool checkpoint_round(void *context, const bench_settings *settings, double *out)
{
    recovery_case *data = context;
    ng_checkpoint_report report;
    (void)settings;
    if (!bench_tokens_create(data->store, 1, SPACES, NG_DURABILITY_SYNC, &data->random)) {
        return false;
    }
    double began = bench_clock_seconds();
    if (!bench_ok(ng_checkpoint(data->store, NULL, NULL, &report), "ng_checkpoint")) {
        return false;
    }
    *out = bench_clock_seconds() - began;
    double lock_ms = (double)report.lock_ns_max / 1e6;
    data->lock_ms = lock_ms > data->lock_ms ? lock_ms : data->lock_ms;
    data->snapshot_bytes = report.bytes;
    return report.bytes > 0 || bench_complain("ng_checkpoint wrote nothing");
}

static bool raw_write(const recovery_case *data, int file)
{
    for (uint64_t left = data->snapshot_bytes; left > 0;) {
        size_t bytes = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        if (write(file, data->piece, bytes) != (ssize_t)bytes) {
            return bench_complain("raw_write: %s", strerror(errno));
        }
        left -= bytes;
    }
    return fdatasync(file) == 0 || bench_complain("raw_write: %s", strerror(errno));
}

/** Seconds of writing as many bytes. */
static bool raw_write_round(void *context, const bench_settings *settings, double *out)
{
    recovery_case *data = context;
    char path[BENCH_PATH_MAX];
    (void)settings;
    if (!bench_path_join(data->directory, "raw", path)) {
        return false;
    }
    double began = bench_clock_seconds();
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return bench_complain("%s: %s", path, strerror(errno));
    }
    bool good = raw_write(data, file);
    close(file);
    *out = bench_clock_seconds() - began;
    unlink(path);
    return good;
}

static bool snapshot_run(recovery_case *data, const bench_settings *settings)
{
    bench_side sides[] = {
        {.name = "ours", .round = checkpoint_round, .context = data},
        {.name = "raw_write", .round = raw_write_round, .context = data},
    };
    double unused;
    /* Once before the rounds, so that the rival knows how many bytes there are. */
    bool good = store_open(data) && checkpoint_round(data, settings, &unused) &&
                bench_rounds_run(settings, "snapshot_write", "s", sides, 2);
    if (good) {
        printf("# snapshot_write: %.0f MiB, verified by reading it back; writers were held up for "
               "at most %.3f ms\n",
               (double)data->snapshot_bytes / 1048576.0, data->lock_ms);
        bench_row_print("snapshot_write", "s", BENCH_LOWER_IS_BETTER, &sides[0], &sides[1],
                        data->token_count);
    }
    bench_sides_release(sides, 2);
    return store_close(data) && good;
}

static bool case_run(recovery_case *data, const bench_settings *settings)
{
    data->random = SEED;
    data->piece = malloc(PIECE_BYTES);
    if (data->piece == NULL) {
        return bench_complain("out of memory");
    }
    for (size_t i = 0; i < PIECE_BYTES; i++) {
        data->piece[i] = (uint8_t)bench_random(&data->random); /* not all zero, not compressible */
    }
    bool good = bench_path_join(data->directory, "store", data->path) && store_build(data) &&
                recovery_run(data, settings) && snapshot_run(data, settings);
    free(data->piece);
    return good;
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 7};
    recovery_case data = {.token_count = 10000000, .tail_count = 100000};
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &settings.rounds, "rounds, interleaved"},
        {"dir", BENCH_TEXT, &settings.dir, "where the store is made (fresh, in ./build or .)"},
        {"only", BENCH_TEXT, &settings.only, "sides to run: ours,raw_read,raw_write"},
        {"tokens", BENCH_COUNT, &data.token_count, "tokens of the snapshot"},
        {"tail", BENCH_COUNT, &data.tail_count, "ops behind it"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "opening and checkpointing a large store",
                                              options, sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (data.token_count > 11000000 || data.tail_count > 900000) {
        bench_complain("at most 11000000 tokens and 900000 ops");
        return EXIT_FAILURE;
    }
    if (!bench_directory_create(settings.dir, data.directory)) {
        return EXIT_FAILURE;
    }
    bench_machine_print();
    printf("# store: %s on %s; neurograph %s\n", data.directory,
           bench_directory_filesystem(data.directory), ng_version());
    bool good = case_run(&data, &settings);
    bench_directory_remove(data.directory);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
