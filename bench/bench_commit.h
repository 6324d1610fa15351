/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What an engine must offer to take part in the commit benchmark.
 *
 * A record is a key (1, 2, 3, ... over all writers) and BENCH_RECORD_BYTES bytes that follow from
 * the key, so that a reopened store can be verified without remembering what was written.
 *
 * Invariants: 1. `put` returns only when the record would survive a loss of power.
 *             2. `verify` opens the directory anew and reads every record it counts.
 * Threads: `put` is called by many writers at once, each with its own writer object. */
#ifndef BENCH_COMMIT_H
#define BENCH_COMMIT_H

#include "bench_harness.h"

#define BENCH_RECORD_BYTES 128
#define BENCH_RECORDS_MAX (1u << 20) /* of one turn, which ends early there: bounds the files */
#define BENCH_WRITERS_MAX 1024

typedef struct bench_engine {
    const char *name;
    /** A '#' line: version and settings. */
    void (*describe)(void);
    /** Makes a store in the empty directory for that many writers. */
    bool (*open)(const char *directory, unsigned writers, void **store);
    void (*close)(void *store);
    /** Called once by each writer, in its own thread. */
    bool (*writer_open)(void *store, void **writer);
    void (*writer_close)(void *writer);
    bool (*put)(void *writer, uint64_t key, const uint8_t record[BENCH_RECORD_BYTES]);
    /** Opens what `close` left and counts the records that are there and right. */
    bool (*verify)(const char *directory, uint64_t *count);
} bench_engine;

extern const bench_engine bench_engine_ours;
extern const bench_engine bench_engine_sqlite_connections; /* a connection for each writer */
extern const bench_engine bench_engine_sqlite_mutex;       /* one connection behind a mutex */
extern const bench_engine bench_engine_rocksdb;
extern const bench_engine bench_engine_lmdb;
extern const bench_engine bench_engine_bare_fdatasync; /* one writer only */
extern const bench_engine bench_engine_bare_group;

/** The bytes of record `key`: the key, little-endian, then numbers drawn from it. */
void bench_record_fill(uint64_t key, uint8_t out[BENCH_RECORD_BYTES]);
/** Whether `data` is record `key`. */
bool bench_record_is(uint64_t key, const void *data, size_t bytes);
/** The key at the beginning of a record. */
uint64_t bench_record_key(const uint8_t record[BENCH_RECORD_BYTES]);

#endif
