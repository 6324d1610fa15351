/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The floors of the commit benchmark: a log and nothing else. What they do not do (check, index,
 * recover, allocate a new segment) is what a store costs above them.
 *
 * bare_fdatasync   one writer: pwrite of the record, fdatasync.
 * bare_group       many writers: records are gathered in a buffer under a mutex; the first writer
 *                  of a group is its leader and writes the buffer with one pwrite and one
 *                  fdatasync while the next group gathers; the others follow.
 *
 * The file is preallocated and filled with zeros beforehand, so that a sync writes data only and
 * never the file's size or extents.
 *
 * What made bare_group faster, measured with 64 writers on two cores: a leader of its own for each
 * group, signalled before the followers are woken (so that the next sync runs meanwhile), and
 * followers that wait under another mutex than the one that gathers (one mutex for both: 0.75 x;
 * one condition for all: 0.5 x; a condition for each writer: 0.8 x; a bare futex: the same).
 *
 * Invariants: 1. at most one leader at a time; it alone touches the file.
 *             2. records of group g are durable exactly when `durable` >= g.
 *             3. a writer has at most one record in flight, so a buffer of one record a writer
 *                never overflows.
 *             4. `leading` is false only when no record gathers. */
#include "bench_commit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ZERO_BYTES ((size_t)1 << 20)
#define FILE_BYTES ((uint64_t)BENCH_RECORDS_MAX * BENCH_RECORD_BYTES)

/** Where writers wait for `durable` to reach their group. */
typedef struct bare_gate {
    pthread_mutex_t mutex;
    pthread_cond_t durable_changed;
} bare_gate;

typedef struct bare_log {
    int file;
    uint64_t file_bytes;
    uint64_t offset; /* of the next group; the leader's alone */

    pthread_mutex_t mutex; /* guards the four below; the leader hands them on */
    uint8_t *buffers[2];   /* by parity of the group that gathers in it */
    size_t used;           /* bytes of the group that gathers */
    uint64_t gathering;    /* number of that group: 1, 2, 3, ... */
    bool leading;          /* a group is being written, or its leader is on the way */

    atomic_uint_fast64_t durable; /* groups up to this one are on disk; stored by the leader
                                     (release), read at the gates (acquire) */
    atomic_bool failed;           /* stored before `durable` */
    bare_gate leader_gates[2];    /* by parity of the group that its leader waits to write */
    bare_gate follower_gates[2];  /* by parity of the group */
} bare_log;

static void bare_fdatasync_describe(void)
{
    printf("# bare_fdatasync: pwrite of %d bytes + fdatasync into a zero-filled file\n",
           BENCH_RECORD_BYTES);
}

static void bare_group_describe(void)
{
    printf("# bare_group: the same file; leader and followers share a pwrite + fdatasync\n");
}

/** Makes a file of `bytes` zeros that are on disk. */
static bool file_fill(int file, uint64_t bytes)
{
    uint8_t *zeros = calloc(1, ZERO_BYTES);
    bool good = zeros != NULL && posix_fallocate(file, 0, (off_t)bytes) == 0;
    for (uint64_t at = 0; good && at < bytes; at += ZERO_BYTES) {
        good = pwrite(file, zeros, ZERO_BYTES, (off_t)at) == (ssize_t)ZERO_BYTES;
    }
    good = good && fsync(file) == 0;
    free(zeros);
    return good || bench_complain("bare: filling the file: %s", strerror(errno));
}

static void gate_init(bare_gate *gate)
{
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->durable_changed, NULL);
}

static void gate_release(bare_gate *gate)
{
    pthread_cond_destroy(&gate->durable_changed);
    pthread_mutex_destroy(&gate->mutex);
}

static void bare_close(void *context)
{
    bare_log *log = context;
    if (log->file >= 0) {
        close(log->file);
    }
    free(log->buffers[0]);
    free(log->buffers[1]);
    for (size_t parity = 0; parity < 2; parity++) {
        gate_release(&log->leader_gates[parity]);
        gate_release(&log->follower_gates[parity]);
    }
    pthread_mutex_destroy(&log->mutex);
    free(log);
}

static bool bare_open(const char *directory, unsigned writers, void **out)
{
    char path[BENCH_PATH_MAX];
    bare_log *log = calloc(1, sizeof *log);
    if (log == NULL || !bench_path_join(directory, "log", path)) {
        free(log);
        return false;
    }
    log->gathering = 1;
    log->file_bytes = FILE_BYTES;
    log->buffers[0] = malloc((size_t)writers * BENCH_RECORD_BYTES);
    log->buffers[1] = malloc((size_t)writers * BENCH_RECORD_BYTES);
    pthread_mutex_init(&log->mutex, NULL);
    for (size_t parity = 0; parity < 2; parity++) {
        gate_init(&log->leader_gates[parity]);
        gate_init(&log->follower_gates[parity]);
    }
    log->file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = log->buffers[0] != NULL && log->buffers[1] != NULL;
    if (log->file < 0) {
        good = bench_complain("%s: %s", path, strerror(errno));
    }
    if (!good || !file_fill(log->file, log->file_bytes)) {
        bare_close(log);
        return false;
    }
    *out = log;
    return true;
}

static bool bare_writer_open(void *store, void **out)
{
    *out = store;
    return true;
}

static void bare_writer_close(void *writer)
{
    (void)writer; /* is the log */
}

/** Writes at the end of the log and waits until that is on disk. */
static bool bare_append(bare_log *log, const uint8_t *data, size_t bytes)
{
    if (log->offset + bytes > log->file_bytes) {
        return bench_complain("bare: the file is full");
    }
    if (pwrite(log->file, data, bytes, (off_t)log->offset) != (ssize_t)bytes ||
        fdatasync(log->file) != 0) {
        return bench_complain("bare: append: %s", strerror(errno));
    }
    log->offset += bytes;
    return true;
}

static bool bare_fdatasync_put(void *context, uint64_t key,
                               const uint8_t record[BENCH_RECORD_BYTES])
{
    (void)key; /* stands in the record */
    return bare_append(context, record, BENCH_RECORD_BYTES);
}

/** Waits until group `group` is durable. */
static void gate_wait(bare_gate *gate, const bare_log *log, uint64_t group)
{
    pthread_mutex_lock(&gate->mutex);
    while (atomic_load_explicit(&log->durable, memory_order_acquire) < group) {
        pthread_cond_wait(&gate->durable_changed, &gate->mutex);
    }
    pthread_mutex_unlock(&gate->mutex);
}

/** Lets through who waits for the new value of `durable`. */
static void gate_open(bare_gate *gate)
{
    /* Passing through the mutex means that a waiter either saw the value or waits already. */
    pthread_mutex_lock(&gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    pthread_cond_broadcast(&gate->durable_changed);
}

/** Writes the group that gathers, which is `group`; the mutex is held before and not after. */
static void group_lead(bare_log *log, uint64_t group)
{
    size_t bytes = log->used;
    log->used = 0;
    log->gathering = group + 1;
    log->leading = true;
    pthread_mutex_unlock(&log->mutex);
    if (!bare_append(log, log->buffers[group % 2], bytes)) {
        atomic_store_explicit(&log->failed, true, memory_order_relaxed);
    }
    pthread_mutex_lock(&log->mutex);
    atomic_store_explicit(&log->durable, group, memory_order_release);
    log->leading = log->used > 0;
    bool successor_waits = log->leading;
    pthread_mutex_unlock(&log->mutex);
    if (successor_waits) {
        gate_open(&log->leader_gates[(group + 1) % 2]);
    }
    if (bytes > BENCH_RECORD_BYTES) {
        gate_open(&log->follower_gates[group % 2]);
    }
}

static bool bare_group_put(void *context, uint64_t key, const uint8_t record[BENCH_RECORD_BYTES])
{
    (void)key; /* stands in the record */
    bare_log *log = context;
    pthread_mutex_lock(&log->mutex);
    uint64_t group = log->gathering;
    bool is_leader = log->used == 0;
    memcpy(log->buffers[group % 2] + log->used, record, BENCH_RECORD_BYTES);
    log->used += BENCH_RECORD_BYTES;
    if (is_leader) {
        if (log->leading) {
            pthread_mutex_unlock(&log->mutex);
            gate_wait(&log->leader_gates[group % 2], log, group - 1);
            pthread_mutex_lock(&log->mutex);
        }
        group_lead(log, group);
    } else {
        pthread_mutex_unlock(&log->mutex);
        gate_wait(&log->follower_gates[group % 2], log, group);
    }
    return !atomic_load_explicit(&log->failed, memory_order_relaxed);
}

static bool bare_verify(const char *directory, uint64_t *count)
{
    char path[BENCH_PATH_MAX];
    uint8_t record[BENCH_RECORD_BYTES];
    *count = 0;
    if (!bench_path_join(directory, "log", path)) {
        return false;
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return bench_complain("%s: %s", path, strerror(errno));
    }
    bool good = true;
    while (good && fread(record, sizeof record, 1, file) == 1 && bench_record_key(record) != 0) {
        good = bench_record_is(bench_record_key(record), record, sizeof record) ||
               bench_complain("bare: record %llu is wrong", (unsigned long long)*count);
        ++*count;
    }
    fclose(file);
    return good;
}

const bench_engine bench_engine_bare_fdatasync = {
    .name = "bare_fdatasync",
    .describe = bare_fdatasync_describe,
    .open = bare_open,
    .close = bare_close,
    .writer_open = bare_writer_open,
    .writer_close = bare_writer_close,
    .put = bare_fdatasync_put,
    .verify = bare_verify,
};

const bench_engine bench_engine_bare_group = {
    .name = "bare_group",
    .describe = bare_group_describe,
    .open = bare_open,
    .close = bare_close,
    .writer_open = bare_writer_open,
    .writer_close = bare_writer_close,
    .put = bare_group_put,
    .verify = bare_verify,
};
