/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Our side of the commit benchmark: ng_token_create with a label, default options, so that each
 * call returns when its op is on disk. Unlike the rivals' value, a token is checked against the
 * constitution and enters the label index; that is part of the price and not left out. */
#include "bench_commit.h"
#include "neurograph.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define LABEL_BYTES 12 /* "k" and eleven digits */

static void ours_describe(void)
{
    printf("# ours: neurograph %s, ng_token_create with a %d-byte label, default options "
           "(each call waits for its sync)\n",
           ng_version(), LABEL_BYTES);
}

static bool ours_open(const char *directory, unsigned writers, void **out)
{
    (void)writers;
    char path[BENCH_PATH_MAX];
    ng_store *store = NULL;
    if (!bench_path_join(directory, "store", path)) {
        return false;
    }
    if (ng_open(path, NULL, &store) != NG_OK) {
        return bench_complain("ng_open: %s", ng_last_error());
    }
    *out = store;
    return true;
}

static void ours_close(void *store)
{
    ng_info info;
    if (ng_store_info(store, &info) == NG_OK && info.op_count > 0) {
        printf("# ours: %" PRIu64 " ops of %.1f bytes in the log, %" PRIu64
               " syncs, %.2f ops a sync\n",
               info.op_count, (double)info.log_bytes / (double)info.op_count, info.sync_count,
               (double)info.op_count / (double)(info.sync_count > 0 ? info.sync_count : 1));
    }
    if (ng_close(store) != NG_OK) {
        bench_complain("ng_close: %s", ng_last_error());
    }
}

static bool ours_writer_open(void *store, void **out)
{
    *out = store;
    return true;
}

static void ours_writer_close(void *writer)
{
    (void)writer; /* is the store */
}

static void label_fill(uint64_t key, char out[LABEL_BYTES])
{
    out[0] = 'k';
    for (int i = LABEL_BYTES - 1; i > 0; i--) {
        out[i] = (char)('0' + key % 10);
        key /= 10;
    }
}

/** Coordinates that follow from the record, inside the range of every space. */
static void coordinates_fill(const uint8_t record[BENCH_RECORD_BYTES], float out[NG_AXIS_COUNT])
{
    for (size_t axis = 0; axis < NG_AXIS_COUNT; axis++) {
        out[axis] = (float)record[BENCH_RECORD_BYTES - 1 - axis];
    }
}

static bool ours_put(void *store, uint64_t key, const uint8_t record[BENCH_RECORD_BYTES])
{
    char label[LABEL_BYTES];
    ng_token_id id = 0;
    ng_token_fields fields = {.struct_size = sizeof fields,
                              .set = NG_FIELD_LABEL,
                              .spaces_set = 1 << NG_SPACE_PHYSICAL,
                              .label = label,
                              .label_bytes = sizeof label};
    label_fill(key, label);
    coordinates_fill(record, fields.coordinates[NG_SPACE_PHYSICAL]);
    if (ng_token_create(store, &fields, NULL, &id) != NG_OK) {
        return bench_complain("ng_token_create: %s", ng_last_error());
    }
    return true;
}

static bool coordinates_match(const float *a, const float *b)
{
    bool match = true;
    for (size_t axis = 0; axis < NG_AXIS_COUNT; axis++) {
        match = match && fabsf(a[axis] - b[axis]) < 0.1f; /* stored in steps of 0.01 */
    }
    return match;
}

/** Whether the token with the label of `key` is there with the coordinates it was given. */
static bool token_is(const ng_store *store, uint64_t key)
{
    char label[LABEL_BYTES];
    uint8_t record[BENCH_RECORD_BYTES];
    float expected[NG_AXIS_COUNT];
    float found[NG_AXIS_COUNT];
    ng_token_id id = 0;
    ng_token token;
    label_fill(key, label);
    bench_record_fill(key, record);
    coordinates_fill(record, expected);
    return ng_token_find(store, NG_COLLECTION_RUNTIME, label, sizeof label, &id) == NG_OK &&
           ng_token_read(store, id, &token) == NG_OK &&
           ng_token_coordinates(store, &token, NG_SPACE_PHYSICAL, found) &&
           coordinates_match(found, expected);
}

static bool ours_verify(const char *directory, uint64_t *count)
{
    char path[BENCH_PATH_MAX];
    ng_open_options options = {.struct_size = sizeof options, .flags = NG_OPEN_MUST_EXIST};
    ng_store *store = NULL;
    ng_info info;
    if (!bench_path_join(directory, "store", path)) {
        return false;
    }
    if (ng_open(path, &options, &store) != NG_OK || ng_store_info(store, &info) != NG_OK) {
        bench_complain("reopening: %s", ng_last_error());
        ng_close(store);
        return false;
    }
    bool good = true;
    for (uint64_t key = 1; good && key <= info.token_count; key++) {
        good = token_is(store, key) ||
               bench_complain("ours: record %" PRIu64 " is missing or wrong", key);
    }
    *count = info.token_count;
    ng_close(store);
    return good;
}

const bench_engine bench_engine_ours = {
    .name = "ours",
    .describe = ours_describe,
    .open = ours_open,
    .close = ours_close,
    .writer_open = ours_writer_open,
    .writer_close = ours_writer_close,
    .put = ours_put,
    .verify = ours_verify,
};
