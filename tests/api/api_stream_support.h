/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the tests of streams share: streams in memory, random writes, and the states after each op. */
#ifndef API_STREAM_SUPPORT_H
#define API_STREAM_SUPPORT_H

#include "api_support.h"
#include "test_directory.h"
#include "test_random.h"

#include <dirent.h>
#include <stdlib.h>

/** A stream in memory: sink and source. */
typedef struct api_blob {
    uint8_t *data;
    size_t bytes, capacity;
    size_t at;      /* read so far */
    size_t step;    /* most bytes given at once; 0 = all */
    size_t fail_at; /* the sink or source fails at this byte; 0 = never */
} api_blob;

static inline ng_status api_blob_sink(void *context, const void *data, size_t bytes)
{
    api_blob *blob = context;
    if (blob->fail_at != 0 && blob->bytes + bytes > blob->fail_at)
        return NG_E_DISK_FULL;
    if (blob->bytes + bytes > blob->capacity) {
        blob->capacity = 2 * (blob->bytes + bytes);
        blob->data = realloc(blob->data, blob->capacity);
        assert_non_null(blob->data);
    }
    memcpy(blob->data + blob->bytes, data, bytes);
    blob->bytes += bytes;
    return NG_OK;
}

static inline ng_status api_blob_source(void *context, void *data, size_t capacity, size_t *bytes)
{
    api_blob *blob = context;
    size_t left = blob->bytes - blob->at;
    size_t step = left < capacity ? left : capacity;
    if (blob->step != 0 && step > blob->step)
        step = blob->step;
    if (blob->fail_at != 0 && blob->at + step > blob->fail_at)
        return NG_E_IO;
    if (step > 0)
        memcpy(data, blob->data + blob->at, step);
    blob->at += step;
    *bytes = step;
    return NG_OK;
}

static inline void api_blob_release(api_blob *blob)
{
    free(blob->data);
    *blob = (api_blob){0};
}

/** How many entries a directory has. */
static inline size_t api_entries(const char *path)
{
    DIR *directory = opendir(path);
    size_t count = 0;
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return count;
}

static inline uint64_t api_hash(ng_store *store)
{
    uint64_t hash = 0;
    ASSERT_OK(ng_state_hash(store, &hash));
    return hash;
}

static inline ng_seq api_seq(const ng_store *store)
{
    ng_seq applied;
    ng_positions(store, &applied, NULL);
    return applied;
}

static inline void api_assert_clean(ng_store *store)
{
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_string_equal(report.first_problem, "");
}

/** Opens a store with small segments and no checkpoints of its own, that syncs when asked: the tests
 *  ask often enough, and are quick. */
static inline ng_store *api_disk_store(const char *path)
{
    ng_open_options options = {.struct_size = sizeof options,
                               .flags = NG_OPEN_MANUAL,
                               .segment_bytes = 64 << 10,
                               .durability = NG_DURABILITY_NONE,
                               .checkpoint_bytes = NG_NEVER,
                               .checkpoint_seconds = NG_NEVER};
    ng_store *store = NULL;
    ASSERT_OK(ng_open(path, &options, &store));
    return store;
}

static inline void api_assert_is(const char *path, uint64_t hash, ng_seq seq)
{
    ng_store *store = api_disk_store(path);
    assert_int_equal(api_seq(store), seq);
    assert_true(api_hash(store) == hash);
    api_assert_clean(store);
    ASSERT_OK(ng_close(store));
}

static inline void api_random_fields(test_random *random, ng_token_fields *fields, char label[32],
                                     float vector[4])
{
    *fields = api_fields();
    fields->set = NG_FIELD_WEIGHT;
    fields->weight = (float)test_random_below(random, 100) / 100;
    if (test_random_chance(random, 60)) {
        fields->set |= NG_FIELD_LABEL;
        snprintf(label, 32, "label-%llu", (unsigned long long)test_random_below(random, 100000));
        fields->label = label;
        fields->label_bytes = strlen(label);
    }
    if (test_random_chance(random, 30)) {
        fields->set |= NG_FIELD_VECTOR;
        for (int i = 0; i < 4; i++)
            vector[i] = (float)test_random_below(random, 1000) - 500;
        fields->vector = vector;
        fields->vector_dimensions = 4;
    }
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        if (!test_random_chance(random, 40))
            continue;
        fields->spaces_set |= (uint8_t)(1 << space);
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            fields->coordinates[space][axis] = (float)test_random_unit(random);
    }
}

/** The call did what was asked, or refused it for a reason that random writes may meet. */
static inline void api_assert_tried(ng_status status)
{
    if (status != NG_OK && status != NG_E_EXISTS && status != NG_E_NOT_FOUND &&
        status != NG_E_INVALID && status != NG_E_CONFLICT)
        fail_msg("%s: %s", ng_status_name(status), ng_last_error());
}

/** Tokens up to this id have been made, more or less. */
static inline ng_token_id api_random_token(const ng_store *store, test_random *random)
{
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    return 1 + test_random_below(random, info.token_count + 5);
}

static inline void api_random_link(ng_store *store, test_random *random, ng_txn *txn)
{
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    ng_connection_fields fields = {.struct_size = sizeof fields,
                                   .source = api_random_token(store, random),
                                   .target = api_random_token(store, random)};
    ng_connection_id id;
    api_assert_tried(ng_connection_create(store, &fields, &write, &id));
}

static inline void api_random_transaction(ng_store *store, test_random *random)
{
    ng_txn *txn = NULL;
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    for (int i = 0; i < 4; i++) {
        ng_token_fields fields;
        char label[32];
        float vector[4];
        ng_token_id id = api_random_token(store, random);
        api_random_fields(random, &fields, label, vector);
        if (test_random_chance(random, 60))
            api_assert_tried(ng_token_create(store, &fields, &write, &id));
        else if (test_random_chance(random, 60))
            api_assert_tried(ng_token_update(store, id, &fields, &write));
        else
            api_assert_tried(ng_token_delete(store, id, &write));
        api_random_link(store, random, txn);
    }
    if (test_random_chance(random, 10))
        ng_txn_rollback(txn);
    else
        api_assert_tried(ng_txn_commit(txn, NULL));
}

/** One random write of any kind; it may be refused. */
static inline void api_random_write(ng_store *store, test_random *random)
{
    ng_token_fields fields;
    char label[32];
    float vector[4];
    ng_token_id id;
    ng_cdna cdna;
    ng_collection_id collection;
    api_random_fields(random, &fields, label, vector);
    uint64_t choice = test_random_below(random, 100);
    if (choice < 45) {
        api_assert_tried(ng_token_create(store, &fields, NULL, &id));
    } else if (choice < 60) {
        api_assert_tried(ng_token_update(store, api_random_token(store, random), &fields, NULL));
    } else if (choice < 68) {
        api_assert_tried(ng_token_delete(store, api_random_token(store, random), NULL));
    } else if (choice < 85) {
        api_random_link(store, random, NULL);
    } else if (choice < 88) {
        api_assert_tried(ng_connection_delete(store, 1 + test_random_below(random, 20), NULL));
    } else if (choice < 97) {
        api_random_transaction(store, random);
    } else if (choice < 98) {
        snprintf(label, sizeof label, "part-%llu",
                 (unsigned long long)test_random_below(random, 4));
        api_assert_tried(ng_collection_create(store, label, NULL, &collection));
    } else {
        ASSERT_OK(ng_cdna_get(store, &cdna));
        cdna.scales[0] = 1 + (float)test_random_below(random, 10);
        ASSERT_OK(ng_cdna_set(store, &cdna, NULL));
    }
}

/** Hash and time of the state after each op, by seq. */
typedef struct api_history {
    uint64_t hash[4096], time_us[4096];
    ng_seq seq;
} api_history;

static inline void api_history_note(api_history *history, ng_store *store)
{
    ng_view *view = NULL;
    ng_view_info info;
    ASSERT_OK(ng_view_open(store, NULL, &view));
    ng_view_info_get(view, &info);
    assert_true(info.seq < 4096);
    ASSERT_OK(ng_view_state_hash(view, &history->hash[info.seq]));
    history->time_us[info.seq] = info.time_us;
    history->seq = info.seq;
    ng_view_close(view);
}

static inline void api_make_durable(ng_store *store)
{
    if (api_seq(store) > 0)
        ASSERT_OK(ng_wait_durable(store, api_seq(store)));
}

/** Writes until the store has `until` ops, noting each state, and makes them durable. */
static inline void api_history_write(api_history *history, ng_store *store, test_random *random,
                                     ng_seq until)
{
    api_history_note(history, store);
    while (history->seq < until) {
        api_random_write(store, random);
        api_history_note(history, store);
    }
    api_make_durable(store);
}

#endif
