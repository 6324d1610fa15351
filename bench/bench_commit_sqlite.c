/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* SQLite as a rival: WAL, synchronous=FULL, a prepared INSERT as its own transaction.
 *
 * Two ways for many writers, because each is better somewhere: a connection for each, which wait
 * for the file's write lock with busy_timeout; or one connection behind a mutex of ours, which
 * spares the lock files and the sleeping of the busy handler. */
#include "bench_commit.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define BUSY_MS 60000

typedef struct sqlite_store {
    char path[BENCH_PATH_MAX];
    sqlite3 *database; /* makes the table; in the mutex variant also the one that writes */
    sqlite3_stmt *insert;
    pthread_mutex_t mutex; /* guards database and insert in the mutex variant */
} sqlite_store;

typedef struct sqlite_writer {
    sqlite3 *database;
    sqlite3_stmt *insert;
} sqlite_writer;

static bool sqlite_complain(sqlite3 *database, const char *what)
{
    return bench_complain("sqlite: %s: %s", what, sqlite3_errmsg(database));
}

static void sqlite_describe(void)
{
    printf("# sqlite: %s, journal_mode=WAL, synchronous=FULL, prepared INSERT(integer key, "
           "%d-byte blob), one transaction each\n",
           sqlite3_libversion(), BENCH_RECORD_BYTES);
}

/** Opens the file with the settings of every connection. */
static bool connection_open(const char *path, sqlite3 **out)
{
    if (sqlite3_open(path, out) != SQLITE_OK) {
        return sqlite_complain(*out, path);
    }
    sqlite3_busy_timeout(*out, BUSY_MS);
    if (sqlite3_exec(*out, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", NULL, NULL, NULL) !=
        SQLITE_OK) {
        return sqlite_complain(*out, "settings");
    }
    return true;
}

static bool insert_prepare(sqlite3 *database, sqlite3_stmt **out)
{
    if (sqlite3_prepare_v3(database, "INSERT INTO records(key, data) VALUES(?1, ?2)", -1,
                           SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK) {
        return sqlite_complain(database, "prepare");
    }
    return true;
}

static bool insert_run(sqlite3 *database, sqlite3_stmt *insert, uint64_t key,
                       const uint8_t record[BENCH_RECORD_BYTES])
{
    sqlite3_bind_int64(insert, 1, (sqlite3_int64)key);
    sqlite3_bind_blob(insert, 2, record, BENCH_RECORD_BYTES, SQLITE_STATIC);
    bool good = sqlite3_step(insert) == SQLITE_DONE;
    if (!good) {
        sqlite_complain(database, "insert");
    }
    sqlite3_reset(insert);
    return good;
}

static void sqlite_store_close(void *context)
{
    sqlite_store *store = context;
    sqlite3_finalize(store->insert);
    sqlite3_close(store->database);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

static bool sqlite_store_open(const char *directory, unsigned writers, void **out)
{
    (void)writers;
    sqlite_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return bench_complain("out of memory");
    }
    pthread_mutex_init(&store->mutex, NULL);
    bool good = bench_path_join(directory, "records.sqlite", store->path) &&
                connection_open(store->path, &store->database);
    if (good && sqlite3_exec(store->database,
                             "CREATE TABLE records(key INTEGER PRIMARY KEY, data BLOB NOT NULL)",
                             NULL, NULL, NULL) != SQLITE_OK) {
        good = sqlite_complain(store->database, "create table");
    }
    if (!good || !insert_prepare(store->database, &store->insert)) {
        sqlite_store_close(store);
        return false;
    }
    *out = store;
    return true;
}

static void connection_writer_close(void *context)
{
    sqlite_writer *writer = context;
    sqlite3_finalize(writer->insert);
    sqlite3_close(writer->database);
    free(writer);
}

static bool connection_writer_open(void *context, void **out)
{
    const sqlite_store *store = context;
    sqlite_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return bench_complain("out of memory");
    }
    if (!connection_open(store->path, &writer->database) ||
        !insert_prepare(writer->database, &writer->insert)) {
        connection_writer_close(writer);
        return false;
    }
    *out = writer;
    return true;
}

static bool connection_put(void *context, uint64_t key, const uint8_t record[BENCH_RECORD_BYTES])
{
    const sqlite_writer *writer = context;
    return insert_run(writer->database, writer->insert, key, record);
}

static bool mutex_writer_open(void *store, void **out)
{
    *out = store;
    return true;
}

static void mutex_writer_close(void *writer)
{
    (void)writer; /* is the store */
}

static bool mutex_put(void *context, uint64_t key, const uint8_t record[BENCH_RECORD_BYTES])
{
    sqlite_store *store = context;
    pthread_mutex_lock(&store->mutex);
    bool good = insert_run(store->database, store->insert, key, record);
    pthread_mutex_unlock(&store->mutex);
    return good;
}

static bool sqlite_verify(const char *directory, uint64_t *count)
{
    char path[BENCH_PATH_MAX];
    sqlite3 *database = NULL;
    sqlite3_stmt *select = NULL;
    bool good =
        bench_path_join(directory, "records.sqlite", path) && connection_open(path, &database);
    if (good && sqlite3_prepare_v2(database, "SELECT key, data FROM records", -1, &select, NULL) !=
                    SQLITE_OK) {
        good = sqlite_complain(database, "select");
    }
    for (*count = 0; good && sqlite3_step(select) == SQLITE_ROW; ++*count) {
        uint64_t key = (uint64_t)sqlite3_column_int64(select, 0);
        const void *data = sqlite3_column_blob(select, 1);
        if (!bench_record_is(key, data, (size_t)sqlite3_column_bytes(select, 1))) {
            good = bench_complain("sqlite: record %llu is wrong", (unsigned long long)key);
        }
    }
    sqlite3_finalize(select);
    sqlite3_close(database);
    return good;
}

const bench_engine bench_engine_sqlite_connections = {
    .name = "sqlite_connections",
    .describe = sqlite_describe,
    .open = sqlite_store_open,
    .close = sqlite_store_close,
    .writer_open = connection_writer_open,
    .writer_close = connection_writer_close,
    .put = connection_put,
    .verify = sqlite_verify,
};

const bench_engine bench_engine_sqlite_mutex = {
    .name = "sqlite_mutex",
    .describe = sqlite_describe,
    .open = sqlite_store_open,
    .close = sqlite_store_close,
    .writer_open = mutex_writer_open,
    .writer_close = mutex_writer_close,
    .put = mutex_put,
    .verify = sqlite_verify,
};
