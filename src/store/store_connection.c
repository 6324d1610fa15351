/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections: create, delete, read, walk. */
#include "store/store_degree.h"
#include "store/store_look.h"
#include "store/store_txn.h"

#include <stdio.h>
#include <string.h>

typedef struct link_job {
    ng_store *store;
    const ng_connection_fields *fields;
    size_t count;
    const ng_write_options *write; /* or NULL */
    unsigned put_flags;
    uint32_t origin;
    uint32_t now_s;
    uint32_t id_next;
    uint32_t *buckets; /* of this batch: index of the encoded item + 1, by (source, target, type) */
    size_t mask;
    store_degrees degrees; /* of this batch, if that matters */
    uint8_t *items;        /* encoded so far */
    uint32_t item_count;
} link_job;

static size_t link_hash(uint32_t source, uint32_t target, uint8_t type)
{
    uint64_t h = ((uint64_t)source << 32 | target) * UINT64_C(0x9E3779B97F4A7C15);
    h = (h ^ (h >> 29) ^ type) * UINT64_C(0xBF58476D1CE4E5B9);
    return (size_t)(h ^ (h >> 32));
}

/* The id in this batch with these ends and type, or 0, and then `*bucket` is where it belongs. */
static uint32_t link_find_in_batch(const link_job *job, uint32_t source, uint32_t target,
                                   uint8_t type, size_t *bucket)
{
    size_t at = link_hash(source, target, type) & job->mask;
    for (; job->buckets[at] != 0; at = (at + 1) & job->mask) {
        const uint8_t *item = job->items + (job->buckets[at] - 1) * NGI_OP_CONNECTION_BYTES;
        ng_connection record;
        ngi_connection_decode(item + 8, &record);
        if (record.source == source && record.target == target && record.type == type)
            return ngi_get_u32(item);
    }
    *bucket = at;
    return 0;
}

/* Links that this batch adds to a token count towards its degree as well. */
static ng_status link_check_degree(const link_job *job, uint32_t slot, bool outgoing)
{
    const ng_cdna *cdna = &job->store->cdna;
    ngi_graph_node node = ngi_graph_node_of(&job->store->graph, slot);
    store_degree added = ngi_degrees_of(&job->degrees, slot);
    uint32_t out_degree = node.out_degree + added.out;
    uint32_t in_degree = node.in_degree + added.in;
    if (outgoing && out_degree >= cdna->max_out_degree)
        return ngi_fail(NG_E_LIMIT, "token %u already has max_out_degree %u connections", slot,
                        cdna->max_out_degree);
    if (!outgoing && in_degree >= cdna->max_in_degree)
        return ngi_fail(NG_E_LIMIT, "token %u already has max_in_degree %u connections", slot,
                        cdna->max_in_degree);
    if (out_degree + in_degree >= cdna->max_total_degree)
        return ngi_fail(NG_E_LIMIT, "token %u already has max_total_degree %u connections", slot,
                        cdna->max_total_degree);
    return NG_OK;
}

/* For a connection that is there, and `*id` is committed or of this batch. */
static ng_status link_fail_exists(link_job *job, uint32_t id, const ng_connection *record,
                                  bool committed)
{
    const char *type = ng_connection_type_name(record->type);
    ng_conflict conflict = {.kind = NG_CONFLICT_PRESENT, .connection = id};
    if (committed && job->write != NULL && (job->write->flags & NG_WRITE_IF_ABSENT))
        return ngi_store_fail_conflict(job->store, &conflict, 0,
                                       "connection %u already joins %u to %u as %s", id,
                                       record->source, record->target, type);
    return ngi_fail(NG_E_EXISTS, "connection %u already joins %u to %u as %s", id, record->source,
                    record->target, type);
}

/* Checks item `index`; `*id` receives the id it has or gets, `*skipped` whether it is there. */
static ng_status link_check(link_job *job, size_t index, uint32_t *id, bool *skipped)
{
    ng_store *store = job->store;
    const ng_connection_fields *fields = &job->fields[index];
    uint32_t slot;
    ng_connection record;
    ng_status status = NG_OK;
    *skipped = false;
    NGI_TRY(ngi_store_slot(store, fields->source, &slot));
    NGI_TRY(ngi_store_slot(store, fields->target, &slot));
    NGI_TRY(ngi_connection_from_fields(&record, fields, &store->cdna, job->origin, job->now_s));
    size_t bucket = 0;
    *id = ngi_graph_find(&store->graph, record.source, record.target, record.type);
    bool committed = *id != 0;
    if (!committed)
        *id = link_find_in_batch(job, record.source, record.target, record.type, &bucket);
    if (*id != 0) {
        *skipped = true;
        return job->put_flags & NGI_CONNECTION_SKIP_EXISTING
                   ? NG_OK
                   : link_fail_exists(job, *id, &record, committed);
    }
    if (!(job->put_flags & NGI_CONNECTION_CURATED)) {
        NGI_TRY(link_check_degree(job, record.source, true));
        NGI_TRY(link_check_degree(job, record.target, false));
    }
    if (job->id_next > store->max_connections)
        return ngi_fail(NG_E_LIMIT, "the store holds at most %u connections",
                        store->max_connections);
    *id = job->id_next++;
    ngi_op_connection_encode(job->items + job->item_count * NGI_OP_CONNECTION_BYTES, *id, &record);
    job->buckets[bucket] = ++job->item_count;
    if (job->degrees.bucket_count != 0)
        ngi_degrees_add(&job->degrees, record.source, record.target);
out:
    return status;
}

static ng_status link_encode(link_job *job, ng_connection_id *out)
{
    for (size_t i = 0; i < job->count; i++) {
        uint32_t id;
        bool skipped;
        ng_status status = link_check(job, i, &id, &skipped);
        if (status != NG_OK && job->count > 1) {
            char prefix[48];
            snprintf(prefix, sizeof prefix, "item %zu", i);
            return ngi_fail_prefix(status, prefix);
        }
        if (status != NG_OK)
            return status;
        if (out != NULL)
            out[i] = id;
    }
    return NG_OK;
}

/* With the log locked: checks, and commits if there is anything to write. Ends the write. */
static ng_status link_commit(link_job *job, ng_connection_id *out)
{
    ng_store *store = job->store;
    const ng_write_options *write = job->write;
    uint8_t *body = ngi_wal_body(store->wal);
    job->id_next = store_next_connection(store);
    job->now_s = (uint32_t)(store->os->clock_us(store->os) / 1000000);
    job->items = body + NGI_OP_LIST_HEADER;
    ng_status status = link_encode(job, out);
    if (status != NG_OK || job->item_count == 0) {
        if (status == NG_OK && write != NULL && write->seq != NULL)
            *write->seq = 0;
        ngi_store_write_abandon(store);
        return status;
    }
    ngi_op_list_encode(body, job->item_count, 0);
    return ngi_store_write_commit(store, NGI_OP_CONNECTIONS_PUT,
                                  NGI_OP_LIST_HEADER + job->item_count * NGI_OP_CONNECTION_BYTES,
                                  write);
}

static ng_status link_fail_version(const ng_write_options *write)
{
    return ngi_fail(NG_E_INVALID, "if_version %u is for tokens; connections have no version",
                    write->if_version);
}

/* In a transaction. What bootstrap asks for (`special`) is not for transactions. */
static ng_status link_stage(ng_store *store, const ng_connection_fields *fields, size_t count,
                            uint32_t special, const ng_write_options *write, ng_connection_id *out,
                            size_t *created)
{
    ng_status status = ngi_store_check_txn(store, write);
    if (status == NG_OK && special != 0)
        status = ngi_fail(NG_E_INVALID, "write.txn: bootstrap is not part of a transaction");
    if (status == NG_OK)
        status = ngi_txn_connection_put(write->txn, fields, count, write, out);
    if (created != NULL)
        *created = status == NG_OK ? count : 0;
    return status;
}

ng_status ngi_store_connection_put(ng_store *store, const ng_connection_fields *fields,
                                   size_t count, unsigned put_flags, uint32_t origin,
                                   const ng_write_options *write, ng_connection_id *out,
                                   size_t *created)
{
    if (count == 0 || count > NGI_BATCH_MAX)
        return ngi_fail(NG_E_INVALID, "count %zu is outside 1..%d", count, NGI_BATCH_MAX);
    if (write != NULL && write->if_version != 0)
        return link_fail_version(write);
    if (write != NULL && write->txn != NULL)
        return link_stage(store, fields, count, put_flags | origin, write, out, created);
    size_t buckets = 4;
    while (buckets < 2 * count)
        buckets *= 2;
    link_job job = {.store = store,
                    .fields = fields,
                    .count = count,
                    .write = write,
                    .put_flags = put_flags,
                    .origin = origin,
                    .mask = buckets - 1};
    void *block;
    ng_status status =
        ngi_alloc(store->mem, buckets * sizeof(uint32_t), "connections of a batch", &block);
    if (status != NG_OK)
        return status;
    memset(block, 0, buckets * sizeof(uint32_t));
    job.buckets = block;
    if (count > 1 && !(put_flags & NGI_CONNECTION_CURATED))
        status = ngi_degrees_reserve(store->mem, &job.degrees, count);
    if (status == NG_OK)
        status = ngi_store_write_begin(store, NGI_OP_LIST_HEADER + count * NGI_OP_CONNECTION_BYTES,
                                       write);
    if (status == NG_OK)
        status = link_commit(&job, out);
    ngi_degrees_release(store->mem, &job.degrees);
    ngi_free(store->mem, job.buckets, buckets * sizeof(uint32_t));
    if (created != NULL)
        *created = status == NG_OK ? job.item_count : 0;
    return status;
}

static ng_status link_fail_not_found(ng_connection_id id)
{
    return ngi_fail(NG_E_NOT_FOUND, "connection %llu not found", (unsigned long long)id);
}

static const ng_connection *link_get(const ng_store *store, ng_connection_id id)
{
    return id <= UINT32_MAX ? ngi_graph_get(&store->graph, (uint32_t)id) : NULL;
}

ng_status ngi_store_connection_get(const ng_store *store, ng_connection_id id, ng_connection *out)
{
    ng_status status = ngi_store_check_readable(store);
    if (status != NG_OK)
        return status;
    uint32_t source = ngi_graph_source_of(&store->graph, id);
    if (source == 0)
        return link_fail_not_found(id);
    ng_connection record;
    store_look look = store_look_at(store, source);
    do {
        store_look_begin(&look);
        ngi_graph_read(&store->graph, (uint32_t)id, &record);
    } while (!store_look_end(&look));
    if (record.source == 0)
        return link_fail_not_found(id); /* removed since */
    *out = record;
    return NG_OK;
}

ng_status ngi_store_connection_delete(ng_store *store, ng_connection_id id,
                                      const ng_write_options *write)
{
    ng_status status = ngi_store_check_delete(write);
    if (status != NG_OK)
        return status;
    if (write != NULL && write->if_version != 0)
        return link_fail_version(write);
    if (write != NULL && write->txn != NULL) {
        status = ngi_store_check_txn(store, write);
        return status != NG_OK ? status : ngi_txn_connection_delete(write->txn, id, write);
    }
    status = ngi_store_write_begin(store, NGI_OP_LIST_HEADER + 4, write);
    if (status != NG_OK)
        return status;
    if (link_get(store, id) == NULL) {
        ngi_store_write_abandon(store);
        return link_fail_not_found(id);
    }
    uint8_t *body = ngi_wal_body(store->wal);
    ngi_op_list_encode(body, 1, 0);
    ngi_put_u32(body + NGI_OP_LIST_HEADER, (uint32_t)id);
    return ngi_store_write_commit(store, NGI_OP_CONNECTIONS_DELETE, NGI_OP_LIST_HEADER + 4, write);
}

ng_status ngi_store_token_connections(const ng_store *store, ng_token_id id, ng_direction direction,
                                      const ng_type_set *types, ng_edge *out, size_t capacity,
                                      size_t *count)
{
    uint32_t slot;
    *count = 0;
    if (direction < NG_OUTGOING || direction > NG_BOTH)
        return ngi_fail(NG_E_INVALID, "direction %d is outside 1..3", (int)direction);
    if (store_is_outside(store, id))
        return ngi_store_fail_read(store, id);
    store_look look = store_look_at(store, (uint32_t)id);
    do {
        store_look_begin(&look);
        slot = store_shared_slot(store, id);
        *count =
            slot == 0 ? 0 : ngi_graph_edges(&store->graph, slot, direction, types, out, capacity);
    } while (!store_look_end(&look));
    return slot != 0 ? NG_OK : ngi_store_fail_read(store, id);
}

ng_status ngi_store_connections_between(const ng_store *store, ng_token_id a, ng_token_id b,
                                        ng_edge *out, size_t capacity, size_t *count)
{
    uint32_t slot_a, slot_b;
    *count = 0;
    if (store_is_outside(store, a) || store_is_outside(store, b))
        return ngi_store_fail_read(store, store_is_outside(store, a) ? a : b);
    store_look look = store_look_at(store, (uint32_t)a);
    store_look_also(&look, store_stripe(store_mutable(store), (uint32_t)b));
    do {
        store_look_begin(&look);
        slot_a = store_shared_slot(store, a);
        slot_b = store_shared_slot(store, b);
        *count = slot_a == 0 || slot_b == 0
                     ? 0
                     : ngi_graph_between(&store->graph, slot_a, slot_b, out, capacity);
    } while (!store_look_end(&look));
    if (slot_a == 0 || slot_b == 0)
        return ngi_store_fail_read(store, slot_a == 0 ? a : b);
    return NG_OK;
}

#define PATH_TRIES_MAX 4 /* the last one does not let go of the lock */

/* Lets a writer have the lock, if one waits. */
static void path_pause(void *context)
{
    const ng_store *store = context;
    ngi_store_read_end(store);
    ngi_rwlock_read(&store_mutable(store)->index_lock);
}

ng_status ngi_store_path_find(const ng_store *store, ng_token_id from, ng_token_id to,
                              const ng_path_options *options, ng_edge *out, size_t capacity,
                              size_t *count)
{
    *count = 0;
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    for (unsigned tries = 1; tries <= PATH_TRIES_MAX; tries++) {
        ngi_graph_path_query query = {.options = options, .context = store_mutable(store)};
        query.pause = tries < PATH_TRIES_MAX ? path_pause : NULL;
        status = ngi_store_slot(store, from, &query.from);
        if (status == NG_OK)
            status = ngi_store_slot(store, to, &query.to);
        if (status == NG_OK)
            status = ngi_graph_path(&store->graph, store->mem, &query, out, capacity, count);
        if (status != NG_E_BUSY)
            break;
    }
    ngi_store_read_end(store);
    return status;
}
