/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For the tests of snapshots and checkpoints: a directory, and stores with a bit of everything. */
#ifndef NGI_STORE_SNAPSHOT_TESTING_H
#define NGI_STORE_SNAPSHOT_TESTING_H

#include "os/os_testing.h"
#include "store/store_loader.h"

#include <unistd.h>

#define SNAPSHOT_DIMENSIONS 5u

typedef struct fixture {
    testing_memory memory;
    char directory[64];
} fixture;

static inline int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    testing_memory_init(&f->memory);
    snprintf(f->directory, sizeof f->directory, "/tmp/ng_snapshot_XXXXXX");
    if (mkdtemp(f->directory) == NULL)
        return -1;
    *state = f;
    return 0;
}

/** For tests with threads: the memory that counts requests is for one. */
static inline void use_threads(fixture *f)
{
    ngi_mem_init(&f->memory.mem, 0);
    f->memory.os = testing_os();
}

static inline ng_status remove_name(void *context, const char *name)
{
    fixture *f = context;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", f->directory, name);
    return ngi_os_system()->remove(ngi_os_system(), path);
}

static inline int tear_down(void **state)
{
    fixture *f = *state;
    testing_memory_check(&f->memory);
    ngi_os *os = ngi_os_system();
    assert_int_equal(os->list_directory(os, f->directory, remove_name, f), NG_OK);
    rmdir(f->directory);
    free(f);
    return 0;
}

/* --- stores ---------------------------------------------------------------------------------- */

static inline ng_store *open_store(fixture *f, uint32_t flags)
{
    ng_store *store;
    const ng_open_options options = {.struct_size = sizeof options,
                                     .flags = flags,
                                     .durability = NG_DURABILITY_NONE,
                                     .segment_bytes = NGI_SEGMENT_BYTES_MIN,
                                     .checkpoint_bytes = NG_NEVER,
                                     .checkpoint_seconds = NG_NEVER};
    ng_status status =
        ngi_store_open(&f->memory.os, &f->memory.mem, f->directory, &options, &store);
    if (status != NG_OK)
        fail_msg("open: %s", ng_last_error());
    return store;
}

/** An empty store in memory with the identity of another one. */
static inline ng_store *empty_twin(fixture *f, const ng_store *store)
{
    const ng_open_options options = {.struct_size = sizeof options,
                                     .flags = NG_OPEN_MANUAL,
                                     .max_tokens = 1000000};
    ng_store *twin;
    assert_int_equal(ngi_store_open(&f->memory.os, &f->memory.mem, NULL, &options, &twin), NG_OK);
    twin->created_us = store->created_us;
    twin->encoding = store->encoding;
    memcpy(twin->uuid, store->uuid, sizeof twin->uuid);
    return twin;
}

static inline void put_tokens(ng_store *store, uint64_t *seed, uint32_t count)
{
    for (uint32_t done = 0; done < count;) {
        ng_token_fields fields[64] = {{0}};
        char labels[64][400];
        float vectors[64][SNAPSHOT_DIMENSIONS];
        uint32_t n = count - done < 64 ? count - done : 64;
        for (uint32_t i = 0; i < n; i++) {
            fields[i].struct_size = sizeof *fields;
            fields[i].collection = testing_below(seed, store->collection_count);
            fields[i].spaces_set = (uint8_t)testing_random(seed);
            for (int axis = 0; axis < 24; axis++)
                fields[i].coordinates[axis / 3][axis % 3] = (float)testing_below(seed, 300) / 100;
            if (testing_below(seed, 3) != 0) {
                int pad = (int)testing_below(seed, 8) == 0 ? (int)testing_below(seed, 370) : 0;
                snprintf(labels[i], sizeof labels[i], "слово %llx%*s",
                         (unsigned long long)testing_random(seed), pad, "z");
                fields[i].set |= NG_FIELD_LABEL;
                fields[i].label = labels[i];
                fields[i].label_bytes = strlen(labels[i]);
            }
            if (testing_below(seed, 4) == 0) {
                for (uint32_t d = 0; d < SNAPSHOT_DIMENSIONS; d++)
                    vectors[i][d] = (float)testing_below(seed, 1000) - 500;
                fields[i].set |= NG_FIELD_VECTOR;
                fields[i].vector = vectors[i];
                fields[i].vector_dimensions = SNAPSHOT_DIMENSIONS;
            }
        }
        ng_status status = ngi_store_token_put(store, NULL, fields, n, NULL, NULL);
        if (status != NG_OK)
            fail_msg("put: %s", ng_last_error());
        done += n;
    }
}

static inline void put_connections(ng_store *store, uint64_t *seed, uint32_t count)
{
    uint32_t end = store_slot_end(store);
    for (uint32_t i = 0; i < count; i++) {
        ng_connection_fields fields = {.struct_size = sizeof fields,
                                       .source = 1 + testing_below(seed, end - 1),
                                       .target = 1 + testing_below(seed, end - 1),
                                       .set = NG_CFIELD_TYPE,
                                       .type = (uint8_t)testing_below(seed, 176)};
        size_t created;
        ng_status status = ngi_store_connection_put(store, &fields, 1, NGI_CONNECTION_SKIP_EXISTING,
                                                    0, NULL, NULL, &created);
        assert_true(status == NG_OK || status == NG_E_NOT_FOUND || status == NG_E_INVALID);
    }
}

static inline void delete_some(ng_store *store, uint64_t *seed, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ng_status status =
            ngi_store_token_delete(store, 1 + testing_below(seed, store_slot_end(store) - 1), NULL);
        assert_true(status == NG_OK || status == NG_E_NOT_FOUND);
    }
}

static inline void put_projection(ng_store *store)
{
    float mean[SNAPSHOT_DIMENSIONS] = {1, 2, 3, 4, 5};
    float components[2][SNAPSHOT_DIMENSIONS] = {{1, 0, 0, 0, 0}, {0, 1, 0, 0, 0}};
    const ngi_projection projection = {.dimensions = SNAPSHOT_DIMENSIONS,
                                       .component_count = 2,
                                       .vector_count = 3,
                                       .explained = {0.5, 0.25},
                                       .mean = mean,
                                       .components = components[0]};
    assert_int_equal(ngi_store_projection_set(store, &projection, NULL), NG_OK);
}

/* A bit of everything, with gaps, texts and rows that were used again. */
static inline void fill(ng_store *store, uint64_t *seed, uint32_t count)
{
    ng_collection_id id;
    char name[16];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "c%llu", (unsigned long long)(testing_random(seed) % 1000000));
        assert_int_equal(ngi_store_collection_create(store, name, NULL, &id), NG_OK);
    }
    put_tokens(store, seed, count);
    put_connections(store, seed, count / 2);
    delete_some(store, seed, count / 5);
    put_tokens(store, seed, count / 8 + 1);
    put_connections(store, seed, count / 8);
    put_projection(store);
    ng_cdna cdna;
    assert_int_equal(ngi_store_cdna_get(store, &cdna), NG_OK);
    cdna.max_out_degree = 1234;
    assert_int_equal(ngi_store_cdna_set(store, &cdna, NULL), NG_OK);
}

static inline uint64_t hash_of(ng_store *store)
{
    uint64_t hash;
    assert_int_equal(ngi_store_hash(store, &hash), NG_OK);
    return hash;
}

static inline void check_clean(ng_store *store)
{
    ng_check_report report;
    assert_int_equal(ngi_store_check(store, &report), NG_OK);
    assert_string_equal(report.first_problem, "");
    assert_int_equal(ngi_graph_check(&store->graph), NG_OK);
}

#endif
