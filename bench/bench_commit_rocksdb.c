/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* RocksDB as a rival, through its C interface: WriteOptions.sync = true, so that every put returns
 * after an fdatasync of its log, which RocksDB shares among the writers of a group by itself.
 * Options are the library's own; only the memtable is made large enough that no flush to a table
 * file falls into a round. */
#include "bench_commit.h"

#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMTABLE_BYTES ((size_t)512 << 20)
#define KEY_BYTES 8

typedef struct rocksdb_store {
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *durable;
    rocksdb_t *database;
} rocksdb_store;

/** Reports and frees the message of a call that failed. */
static bool rocksdb_good(char *message)
{
    if (message == NULL) {
        return true;
    }
    bench_complain("rocksdb: %s", message);
    rocksdb_free(message);
    return false;
}

/** Big-endian, so that the order of the bytes is the order of the keys. */
static void key_encode(uint64_t key, char out[KEY_BYTES])
{
    for (int i = 0; i < KEY_BYTES; i++) {
        out[i] = (char)(uint8_t)(key >> (56 - 8 * i));
    }
}

static uint64_t key_decode(const char *bytes)
{
    uint64_t key = 0;
    for (int i = 0; i < KEY_BYTES; i++) {
        key = key << 8 | (uint8_t)bytes[i];
    }
    return key;
}

static void rocksdb_describe(void)
{
    /* rocksdb/version.h is C++ only, so the build passes the version of the package. */
    printf("# rocksdb: %s, WriteOptions.sync=true, write_buffer_size %zu MiB, other options "
           "default\n",
           BENCH_ROCKSDB_VERSION, MEMTABLE_BYTES >> 20);
}

static void rocksdb_store_close(void *context)
{
    rocksdb_store *store = context;
    if (store->database != NULL) {
        rocksdb_close(store->database);
    }
    rocksdb_writeoptions_destroy(store->durable);
    rocksdb_options_destroy(store->options);
    free(store);
}

/** NULL after a complaint. */
static rocksdb_store *rocksdb_store_make(const char *directory)
{
    rocksdb_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        bench_complain("out of memory");
        return NULL;
    }
    store->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(store->options, 1);
    rocksdb_options_set_write_buffer_size(store->options, MEMTABLE_BYTES);
    store->durable = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(store->durable, 1);
    char *message = NULL;
    store->database = rocksdb_open(store->options, directory, &message);
    if (!rocksdb_good(message)) {
        rocksdb_store_close(store);
        return NULL;
    }
    return store;
}

static bool rocksdb_store_open(const char *directory, unsigned writers, void **out)
{
    (void)writers;
    *out = rocksdb_store_make(directory);
    return *out != NULL;
}

static bool rocksdb_writer_open(void *store, void **out)
{
    *out = store;
    return true;
}

static void rocksdb_writer_close(void *writer)
{
    (void)writer; /* is the store */
}

static bool rocksdb_store_put(void *context, uint64_t key, const uint8_t record[BENCH_RECORD_BYTES])
{
    const rocksdb_store *store = context;
    char encoded[KEY_BYTES];
    char *message = NULL;
    key_encode(key, encoded);
    rocksdb_put(store->database, store->durable, encoded, sizeof encoded, (const char *)record,
                BENCH_RECORD_BYTES, &message);
    return rocksdb_good(message);
}

static bool rocksdb_verify(const char *directory, uint64_t *count)
{
    rocksdb_store *store = rocksdb_store_make(directory);
    if (store == NULL) {
        return false;
    }
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(store->database, read);
    bool good = true;
    *count = 0;
    for (rocksdb_iter_seek_to_first(iterator); good && rocksdb_iter_valid(iterator);
         rocksdb_iter_next(iterator)) {
        size_t key_bytes = 0;
        size_t value_bytes = 0;
        const char *key = rocksdb_iter_key(iterator, &key_bytes);
        const char *value = rocksdb_iter_value(iterator, &value_bytes);
        good = key_bytes == KEY_BYTES && bench_record_is(key_decode(key), value, value_bytes);
        if (!good) {
            bench_complain("rocksdb: a record is wrong");
        }
        ++*count;
    }
    char *message = NULL;
    rocksdb_iter_get_error(iterator, &message);
    good = rocksdb_good(message) && good;
    rocksdb_iter_destroy(iterator);
    rocksdb_readoptions_destroy(read);
    rocksdb_store_close(store);
    return good;
}

const bench_engine bench_engine_rocksdb = {
    .name = "rocksdb",
    .describe = rocksdb_describe,
    .open = rocksdb_store_open,
    .close = rocksdb_store_close,
    .writer_open = rocksdb_writer_open,
    .writer_close = rocksdb_writer_close,
    .put = rocksdb_store_put,
    .verify = rocksdb_verify,
};
