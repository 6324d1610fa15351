/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The life of a store, and the frame of every read and write. */
#include "store/store_private.h"

#include <stdio.h>
#include <string.h>

ngi_mem *ngi_store_mem(const ng_store *store)
{
    return store->mem;
}

ngi_os *ngi_store_os(const ng_store *store)
{
    return store->os;
}

ng_status ngi_store_fail_token(ng_token_id id)
{
    if (id == 0)
        return ngi_fail(NG_E_INVALID, "id 0 is not a token; ids begin at 1");
    return ngi_fail(NG_E_NOT_FOUND, "Token %08llX not found", (unsigned long long)id);
}

ng_status ngi_store_slot(const ng_store *store, ng_token_id id, uint32_t *out)
{
    *out = store_live_slot(store, id);
    return NGI_LIKELY(*out != 0) ? NG_OK : ngi_store_fail_token(id);
}

ng_status ngi_store_read_begin(const ng_store *store)
{
    if (NGI_UNLIKELY(ngi_wal_is_latched(store->wal)))
        return ngi_wal_fail_latched(store->wal);
    ngi_rwlock_read(&store_mutable(store)->index_lock);
    return NG_OK;
}

void ngi_store_read_end(const ng_store *store)
{
    ngi_rwlock_read_end(&store_mutable(store)->index_lock);
}

ng_status ngi_store_read_token(const ng_store *store, ng_token_id id, uint32_t *slot)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    status = ngi_store_slot(store, id, slot);
    if (status != NG_OK)
        ngi_store_read_end(store);
    return status;
}

ng_status ngi_store_write_begin(ng_store *store, size_t body_bytes)
{
    ngi_wal_lock(store->wal);
    ng_status status = ngi_wal_make_room(store->wal, body_bytes);
    if (status != NG_OK)
        ngi_wal_unlock(store->wal);
    return status;
}

void ngi_store_write_abandon(ng_store *store)
{
    ngi_wal_unlock(store->wal);
}

ng_status ngi_store_write_commit(ng_store *store, ngi_op_kind kind, size_t body_bytes,
                                 const ng_write_options *write)
{
    ngi_op op = {.body = ngi_wal_body(store->wal),
                 .body_bytes = (uint32_t)body_bytes,
                 .kind = (uint16_t)kind};
    uint32_t actor = write != NULL ? write->actor : 0;
    ngi_rwlock_write(&store->index_lock);
    ng_status status = ngi_store_prepare(store, &op);
    if (status == NG_OK) {
        ngi_wal_commit(store->wal, (uint16_t)kind, actor, body_bytes, &op);
        ngi_store_apply(store, &op);
    }
    ngi_rwlock_write_end(&store->index_lock);
    if (status == NG_OK && write != NULL && write->seq != NULL)
        *write->seq = op.seq;
    if (status == NG_OK && !(write != NULL && (write->flags & NG_WRITE_NOWAIT)))
        return ngi_wal_unlock_and_wait(store->wal, op.seq);
    ngi_wal_unlock(store->wal);
    return status;
}

/* Under the log's lock: reads without a lock look at nothing but this limit. */
static void store_latch(void *context)
{
    ng_store *store = context;
    atomic_store_explicit(&store->readable_end, 0, memory_order_release);
}

static ng_status store_replay(void *context, const ngi_op *op)
{
    ng_store *store = context;
    ng_status status = ngi_store_prepare(store, op);
    if (status == NG_OK)
        ngi_store_apply(store, op);
    return status;
}

static ng_status store_encoding(const ng_open_options *options, ngi_encoding *out)
{
    ngi_encoding_default(out);
    if (options == NULL)
        return NG_OK;
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            if (options->scales[space][axis] != 0)
                out->scale[space][axis] = options->scales[space][axis];
            out->origin[space][axis] = options->origins[space][axis];
        }
    }
    return ngi_encoding_validate(out);
}

static ng_status store_add_builtin_collections(ng_store *store)
{
    void *block;
    ng_status status = ngi_alloc(store->mem, 8 * sizeof *store->collections, "collections", &block);
    if (status != NG_OK)
        return status;
    store->collections = block;
    store->collection_capacity = 8;
    store->collection_count = 2;
    store->collections[NG_COLLECTION_RUNTIME] = (store_collection){.name = "runtime"};
    store->collections[NG_COLLECTION_SEMANTIC] = (store_collection){.name = "semantic"};
    return NG_OK;
}

static ng_status store_init_tables(ng_store *store)
{
    ngi_os *os = store->os;
    ngi_mem *mem = store->mem;
    size_t slots = (size_t)store->max_tokens + 1;
    ng_status status = NG_OK;
    NGI_TRY(ngi_table_init(&store->records, os, mem, sizeof(ng_token), slots, "token table"));
    NGI_TRY(ngi_table_init(&store->sides, os, mem, sizeof(store_side), slots, "token table"));
    NGI_TRY(ngi_labels_init(&store->labels, os, mem, store->max_tokens));
    NGI_TRY(ngi_graph_init(&store->graph, os, mem, store->max_tokens, store->max_connections));
    NGI_TRY(ngi_vectors_create(os, mem, store->max_tokens, &store->vectors));
    NGI_TRY(store_add_builtin_collections(store));
out:
    return status;
}

static void store_free(ng_store *store)
{
    ngi_mem *mem = store->mem;
    ngi_table_release(&store->records);
    ngi_table_release(&store->sides);
    ngi_labels_release(&store->labels);
    ngi_graph_release(&store->graph);
    ngi_vectors_destroy(store->vectors);
    ngi_buffer_release(mem, &store->projection);
    ngi_free(mem, store->collections, store->collection_capacity * sizeof *store->collections);
    if (store->path != NULL)
        ngi_free(mem, store->path, strlen(store->path) + 1);
    ngi_rwlock_destroy(&store->index_lock);
    ngi_free(mem, store, sizeof *store);
}

static ng_status store_limit(const char *name, uint32_t value, uint32_t usual, uint32_t most,
                             uint32_t *out)
{
    if (value > most)
        return ngi_fail(NG_E_INVALID, "%s %u is outside 1..%u", name, value, most);
    *out = value != 0 ? value : usual;
    return NG_OK;
}

static ng_status store_apply_options(ng_store *store, const ng_open_options *options)
{
    const ng_open_options none = {0};
    const ng_open_options *given = options != NULL ? options : &none;
    store->dimensions_wanted = given->dimensions;
    if (given->dimensions != 0 &&
        (given->dimensions < NGI_DIMENSIONS_MIN || given->dimensions > NGI_DIMENSIONS_MAX))
        return ngi_fail(NG_E_INVALID, "dimensions %u is outside %d..%d", given->dimensions,
                        NGI_DIMENSIONS_MIN, NGI_DIMENSIONS_MAX);
    if (given->segment_bytes != 0 && given->segment_bytes < NGI_SEGMENT_BYTES_MIN)
        return ngi_fail(NG_E_INVALID, "segment_bytes %llu is less than %llu",
                        (unsigned long long)given->segment_bytes, NGI_SEGMENT_BYTES_MIN);
    if (given->segment_bytes > NGI_SEGMENT_BYTES_LIMIT)
        return ngi_fail(NG_E_INVALID, "segment_bytes %llu is more than %llu",
                        (unsigned long long)given->segment_bytes, NGI_SEGMENT_BYTES_LIMIT);
    if ((given->flags & ~(uint32_t)(NG_OPEN_MUST_EXIST | NG_OPEN_CLIP | NG_OPEN_WARM)) != 0)
        return ngi_fail(NG_E_INVALID, "flags 0x%X has unknown bits", given->flags);
    ng_status status = store_limit("max_tokens", given->max_tokens, NGI_TOKENS_MAX_DEFAULT,
                                   NGI_TOKENS_MAX_LIMIT, &store->max_tokens);
    if (status != NG_OK)
        return status;
    return store_limit("max_connections", given->max_connections, NGI_CONNECTIONS_MAX_DEFAULT,
                       NGI_CONNECTIONS_MAX_LIMIT, &store->max_connections);
}

static ng_status store_open_log(ng_store *store, const ng_open_options *options)
{
    ngi_os *os = store->os;
    ngi_manifest manifest = {.format_version = NGI_FORMAT_VERSION, .created_us = os->clock_us(os)};
    ng_status status = store_encoding(options, &manifest.encoding);
    if (status == NG_OK)
        status = os->random(os, manifest.uuid, sizeof manifest.uuid);
    if (status != NG_OK)
        return status;
    manifest.uuid[6] = (uint8_t)((manifest.uuid[6] & 0x0F) | 0x40); /* RFC 4122, version 4 */
    manifest.uuid[8] = (uint8_t)((manifest.uuid[8] & 0x3F) | 0x80);
    uint64_t segment_bytes = options != NULL && options->segment_bytes != 0
                                 ? options->segment_bytes
                                 : NGI_SEGMENT_BYTES_DEFAULT;
    bool must_exist = options != NULL && (options->flags & NG_OPEN_MUST_EXIST);
    status = ngi_wal_open(os, store->mem, store->path, must_exist, segment_bytes, &manifest,
                          &store->wal);
    if (status != NG_OK)
        return status;
    store->encoding = manifest.encoding;
    store->encoding.clip = options != NULL && (options->flags & NG_OPEN_CLIP);
    store->created_us = manifest.created_us;
    memcpy(store->uuid, manifest.uuid, sizeof store->uuid);
    ngi_cdna_default(&store->cdna, manifest.created_us / 1000000);
    ngi_wal_on_latch(store->wal, store_latch, store);
    return ngi_wal_recover(store->wal, store_replay, store);
}

ng_status ngi_store_open(ngi_os *os, ngi_mem *mem, const char *path, const ng_open_options *options,
                         ng_store **out)
{
    *out = NULL;
    uint64_t begin_ns = os->monotonic_ns(os);
    void *block;
    ng_status status = ngi_alloc(mem, sizeof(ng_store), "store", &block);
    if (status != NG_OK)
        return status;
    ng_store *store = block;
    memset(store, 0, sizeof *store);
    store->os = os;
    store->mem = mem;
    store->head.token_read = ngi_store_choose_reader();
    atomic_init(&store->slot_end, 1);
    atomic_init(&store->readable_end, 0);
    for (size_t i = 0; i < STORE_STRIPES; i++)
        atomic_init(&store->stripes[i], 0);
    status = ngi_rwlock_init(&store->index_lock);
    if (status != NG_OK) {
        ngi_free(mem, store, sizeof *store);
        return status;
    }
    if (path != NULL) {
        NGI_TRY(ngi_alloc(mem, strlen(path) + 1, "path", &block));
        store->path = block;
        memcpy(store->path, path, strlen(path) + 1);
    }
    NGI_TRY(store_apply_options(store, options));
    NGI_TRY(store_init_tables(store));
    NGI_TRY(store_open_log(store, options));
    uint32_t dimensions = ngi_vectors_dimensions(store->vectors);
    if (store->dimensions_wanted != 0 && dimensions != 0 &&
        dimensions != store->dimensions_wanted) {
        status = ngi_fail(NG_E_INVALID, "dimensions %u: the store has vectors of %u",
                          store->dimensions_wanted, dimensions);
        goto out;
    }
    if (options != NULL && (options->flags & NG_OPEN_WARM) && dimensions != 0)
        NGI_TRY(ngi_store_prepare_search(store, 0));
    store->open_us = (os->monotonic_ns(os) - begin_ns) / 1000;
    *out = store;
    return NG_OK;
out : {
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    (void)ngi_wal_close(store->wal);
    store_free(store);
    ngi_error_set(reason);
    return status;
}
}

ng_status ngi_store_close(ng_store *store)
{
    if (store == NULL)
        return NG_OK;
    ng_status status = ngi_wal_close(store->wal);
    store_free(store);
    return status;
}

ng_status ngi_store_wait_durable(ng_store *store, ng_seq seq)
{
    if (ngi_wal_is_latched(store->wal))
        return ngi_wal_fail_latched(store->wal);
    return ngi_wal_wait(store->wal, seq);
}

void ngi_store_positions(const ng_store *store, ng_seq *applied, ng_seq *durable)
{
    if (applied != NULL)
        *applied = ngi_wal_applied(store->wal);
    if (durable != NULL)
        *durable = ngi_wal_durable(store->wal);
}
