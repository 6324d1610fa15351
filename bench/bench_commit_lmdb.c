/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* LMDB as a rival: default sync, so that every commit returns after fdatasync of the data and a
 * synchronous write of its meta page; many writers wait for its one write lock. Keys are integers
 * in ascending order, which is what it likes best. */
#include "bench_commit.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

#define MAP_BYTES ((size_t)8 << 30) /* address space and a sparse file, not memory */

typedef struct lmdb_store {
    MDB_env *environment;
    MDB_dbi table;
} lmdb_store;

static bool lmdb_good(int code, const char *what)
{
    return code == MDB_SUCCESS || bench_complain("lmdb: %s: %s", what, mdb_strerror(code));
}

static void lmdb_describe(void)
{
    printf("# lmdb: %d.%d.%d, default sync, MDB_INTEGERKEY, one transaction each\n",
           MDB_VERSION_MAJOR, MDB_VERSION_MINOR, MDB_VERSION_PATCH);
}

static void lmdb_store_close(void *context)
{
    lmdb_store *store = context;
    if (store->environment != NULL) {
        mdb_env_close(store->environment);
    }
    free(store);
}

static bool lmdb_table_open(lmdb_store *store)
{
    MDB_txn *transaction = NULL;
    if (!lmdb_good(mdb_txn_begin(store->environment, NULL, 0, &transaction), "begin")) {
        return false;
    }
    if (!lmdb_good(mdb_dbi_open(transaction, NULL, MDB_CREATE | MDB_INTEGERKEY, &store->table),
                   "table")) {
        mdb_txn_abort(transaction);
        return false;
    }
    return lmdb_good(mdb_txn_commit(transaction), "commit");
}

/** NULL after a complaint. */
static lmdb_store *lmdb_store_make(const char *directory)
{
    lmdb_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        bench_complain("out of memory");
        return NULL;
    }
    if (!lmdb_good(mdb_env_create(&store->environment), "create") ||
        !lmdb_good(mdb_env_set_mapsize(store->environment, MAP_BYTES), "map size") ||
        !lmdb_good(mdb_env_open(store->environment, directory, 0, 0600), directory) ||
        !lmdb_table_open(store)) {
        lmdb_store_close(store);
        return NULL;
    }
    return store;
}

static bool lmdb_store_open(const char *directory, unsigned writers, void **out)
{
    (void)writers;
    *out = lmdb_store_make(directory);
    return *out != NULL;
}

static bool lmdb_writer_open(void *store, void **out)
{
    *out = store;
    return true;
}

static void lmdb_writer_close(void *writer)
{
    (void)writer; /* is the store */
}

static bool lmdb_store_put(void *context, uint64_t key, const uint8_t record[BENCH_RECORD_BYTES])
{
    const lmdb_store *store = context;
    size_t number = key;
    MDB_val name = {.mv_size = sizeof number, .mv_data = &number};
    MDB_val value = {.mv_size = BENCH_RECORD_BYTES, .mv_data = (void *)(uintptr_t)record};
    MDB_txn *transaction = NULL;
    if (!lmdb_good(mdb_txn_begin(store->environment, NULL, 0, &transaction), "begin")) {
        return false;
    }
    int code = mdb_put(transaction, store->table, &name, &value, MDB_APPEND);
    if (code == MDB_KEYEXIST) { /* another writer's higher key went first */
        code = mdb_put(transaction, store->table, &name, &value, 0);
    }
    if (!lmdb_good(code, "put")) {
        mdb_txn_abort(transaction);
        return false;
    }
    return lmdb_good(mdb_txn_commit(transaction), "commit");
}

static bool lmdb_scan(const lmdb_store *store, uint64_t *count)
{
    MDB_txn *transaction = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    if (!lmdb_good(mdb_txn_begin(store->environment, NULL, MDB_RDONLY, &transaction), "begin")) {
        return false;
    }
    bool good = lmdb_good(mdb_cursor_open(transaction, store->table, &cursor), "cursor");
    while (good && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS) {
        size_t number = *(const size_t *)key.mv_data;
        if (!bench_record_is(number, value.mv_data, value.mv_size)) {
            good = bench_complain("lmdb: record %zu is wrong", number);
        }
        ++*count;
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(transaction);
    return good;
}

static bool lmdb_verify(const char *directory, uint64_t *count)
{
    lmdb_store *store = lmdb_store_make(directory);
    *count = 0;
    if (store == NULL) {
        return false;
    }
    bool good = lmdb_scan(store, count);
    lmdb_store_close(store);
    return good;
}

const bench_engine bench_engine_lmdb = {
    .name = "lmdb",
    .describe = lmdb_describe,
    .open = lmdb_store_open,
    .close = lmdb_store_close,
    .writer_open = lmdb_writer_open,
    .writer_close = lmdb_writer_close,
    .put = lmdb_store_put,
    .verify = lmdb_verify,
};
