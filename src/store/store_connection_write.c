/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writing connections: create, update, upsert, activate, delete; one or many as one op.
 *
 * The items of a call are evaluated in order, each against the state and what those before it made of
 * it, and encoded as they come: an item for a connection that is among the encoded ones already
 * replaces it there. What turns out to change nothing is not encoded.
 *
 * by_ends leads to every encoded item by its ends and type, and from a type it no longer has as well:
 * what is found is compared. by_id is kept when items may be about committed connections. */
#include "store/store_connection.h"
#include "store/store_degree.h"

#include <string.h>

#define LINK_NONE UINT32_MAX
#define LINK_FIRST_AHEAD 24u /* items that are fetched; their ends, if they are new */
#define LINK_LISTS_AHEAD 12u /* and, when these have arrived, the lists of the ends */

typedef struct link_job {
    ng_store *store;
    const ngi_link_request *request;
    ngi_connection_context context;
    uint32_t id_next;
    uint32_t *by_ends; /* this and the next: encoded item + 1; 0 = empty */
    uint32_t *by_id;   /* or NULL */
    size_t mask;
    store_degrees degrees; /* of this batch, if that matters */
    uint8_t *items;        /* encoded so far */
    size_t item_bytes;
    uint32_t item_count;
    size_t created_count;
    store_room room; /* of the items encoded */
} link_job;

static size_t link_hash(uint32_t source, uint32_t target, uint8_t type)
{
    uint64_t h = ((uint64_t)source << 32 | target) * UINT64_C(0x9E3779B97F4A7C15);
    h = (h ^ (h >> 29) ^ type) * UINT64_C(0xBF58476D1CE4E5B9);
    return (size_t)(h ^ (h >> 32));
}

static size_t link_hash_id(uint32_t id)
{
    uint64_t h = id * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(h >> 32);
}

/* --- what is encoded ------------------------------------------------------------------------- */

static uint32_t link_item_id(const link_job *job, uint32_t at)
{
    return ngi_get_u32(job->items + at * job->item_bytes);
}

static void link_item_get(const link_job *job, uint32_t at, ng_connection *out)
{
    ngi_connection_decode(job->items + at * job->item_bytes + 8, out);
}

/* The item with these ends and type, or LINK_NONE. */
static uint32_t link_item_joining(const link_job *job, uint32_t source, uint32_t target,
                                  uint8_t type)
{
    size_t at = link_hash(source, target, type) & job->mask;
    for (; job->by_ends != NULL && job->by_ends[at] != 0; at = (at + 1) & job->mask) {
        ng_connection record;
        link_item_get(job, job->by_ends[at] - 1, &record);
        if (record.source == source && record.target == target && record.type == type)
            return job->by_ends[at] - 1;
    }
    return LINK_NONE;
}

static uint32_t link_item_of(const link_job *job, uint32_t id)
{
    size_t at = link_hash_id(id) & job->mask;
    for (; job->by_id != NULL && job->by_id[at] != 0; at = (at + 1) & job->mask) {
        if (link_item_id(job, job->by_id[at] - 1) == id)
            return job->by_id[at] - 1;
    }
    return LINK_NONE;
}

static void link_index(uint32_t *buckets, size_t mask, size_t hash, uint32_t item)
{
    size_t at = hash & mask;
    while (buckets[at] != 0)
        at = (at + 1) & mask;
    buckets[at] = item + 1;
}

/* Encodes a connection in the place it has, or behind the others. */
static void link_encode_item(link_job *job, uint32_t item, uint32_t id, const ng_connection *record,
                             bool has_new_key)
{
    if (item == LINK_NONE) {
        item = job->item_count++;
        ngi_put_u32(job->items + item * job->item_bytes, id);
        if (job->by_id != NULL)
            link_index(job->by_id, job->mask, link_hash_id(id), item);
        has_new_key = true;
    }
    ngi_op_connection_encode(job->items + item * job->item_bytes, id, record);
    if (has_new_key && job->by_ends != NULL)
        link_index(job->by_ends, job->mask, link_hash(record->source, record->target, record->type),
                   item);
}

/* The connection with these ends and type, in the state or among the items, or 0. */
static uint32_t link_joining(const link_job *job, const ng_connection *record, bool *committed)
{
    uint32_t item = link_item_joining(job, record->source, record->target, record->type);
    *committed = false;
    if (item != LINK_NONE)
        return link_item_id(job, item);
    uint32_t id = ngi_graph_find(&job->store->graph, record->source, record->target, record->type);
    if (id == 0 || link_item_of(job, id) != LINK_NONE) /* it has another type by now */
        return 0;
    *committed = true;
    return id;
}

/* --- checks ---------------------------------------------------------------------------------- */

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

/* For a connection that is there, and `id` is committed or of this batch. */
static ng_status link_fail_exists(const link_job *job, uint32_t id, const ng_connection *record,
                                  bool committed)
{
    const ng_write_options *write = job->request->write;
    const char *type = ng_connection_type_name(record->type);
    ng_conflict conflict = {.kind = NG_CONFLICT_PRESENT, .connection = id};
    if (committed && write != NULL && (write->flags & NG_WRITE_IF_ABSENT))
        return ngi_store_fail_conflict(job->store, &conflict, 0,
                                       "connection %u already joins %u to %u as %s", id,
                                       record->source, record->target, type);
    return ngi_fail(NG_E_EXISTS, "connection %u already joins %u to %u as %s", id, record->source,
                    record->target, type);
}

/* What fields->target_of leads to. */
static ng_status link_find_target(link_job *job, const ng_connection_fields *fields)
{
    uint32_t slot;
    job->context.target_of = NULL;
    if (!(fields->set & NG_CFIELD_TARGET_OF))
        return NG_OK;
    ng_status status = ngi_store_slot(job->store, fields->target_of, &slot);
    if (status != NG_OK)
        return ngi_fail_prefix(status, "target_of");
    job->context.target_of = &store_records(job->store)[slot];
    return NG_OK;
}

static ng_status link_check_ends(const link_job *job, const ng_connection_fields *fields)
{
    uint32_t slot;
    ng_status status = ngi_store_slot(job->store, fields->source, &slot);
    return status != NG_OK ? status : ngi_store_slot(job->store, fields->target, &slot);
}

/* --- items ----------------------------------------------------------------------------------- */

/* Adds a connection that is not there yet. */
static ng_status link_add(link_job *job, const ng_connection *record, uint32_t *id)
{
    ng_store *store = job->store;
    ng_status status = NG_OK;
    if (!(job->request->put_flags & NGI_CONNECTION_CURATED)) {
        NGI_TRY(link_check_degree(job, record->source, true));
        NGI_TRY(link_check_degree(job, record->target, false));
    }
    if (job->id_next > store->max_connections)
        return ngi_fail(NG_E_LIMIT, "the store holds at most %u connections",
                        store->max_connections);
    *id = job->id_next++;
    link_encode_item(job, LINK_NONE, *id, record, true);
    job->room.max_id = *id;
    if (record->source > job->room.max_end)
        job->room.max_end = record->source;
    if (record->target > job->room.max_end)
        job->room.max_end = record->target;
    job->created_count++;
    if (job->degrees.bucket_count != 0)
        ngi_degrees_add(&job->degrees, record->source, record->target);
out:
    return status;
}

/* Changes a connection by `fields`, or activates it if they are NULL. */
static ng_status link_change(link_job *job, uint32_t id, const ng_connection_fields *fields)
{
    uint32_t item = link_item_of(job, id);
    ng_connection base;
    if (item != LINK_NONE)
        link_item_get(job, item, &base);
    else
        base = *ngi_graph_get(&job->store->graph, id);
    ng_connection next = base;
    ng_status status = NG_OK;
    if (fields != NULL)
        status = ngi_connection_apply_fields(&next, fields, &job->context);
    else
        ngi_connection_activate(&next, job->context.now_s);
    if (status != NG_OK)
        return status;
    if (next.type != base.type) {
        bool committed;
        uint32_t joining = link_joining(job, &next, &committed);
        if (joining != 0)
            return link_fail_exists(job, joining, &next, committed);
    }
    if (memcmp(&next, &base, sizeof next) != 0)
        link_encode_item(job, item, id, &next, next.type != base.type);
    return NG_OK;
}

static ng_status link_create(link_job *job, const ng_connection_fields *fields, uint32_t *id,
                             bool *is_new)
{
    ng_connection record;
    bool committed;
    ng_status status;
    NGI_TRY(link_check_ends(job, fields));
    NGI_TRY(link_find_target(job, fields));
    NGI_TRY(ngi_connection_from_fields(&record, fields, &job->context));
    *id = link_joining(job, &record, &committed);
    *is_new = *id == 0;
    if (*is_new)
        return link_add(job, &record, id);
    if (job->request->verb == NGI_LINK_UPSERT)
        return link_change(job, *id, fields);
    if (!(job->request->put_flags & NGI_CONNECTION_SKIP_EXISTING))
        return link_fail_exists(job, *id, &record, committed);
out:
    return status;
}

static ng_status link_update(link_job *job, ng_connection_id id, const ng_connection_fields *fields)
{
    ng_status status = NG_OK;
    uint32_t slot;
    if (ngi_link_get(job->store, id) == NULL)
        return ngi_link_fail_not_found(id);
    if (fields == NULL)
        return link_change(job, (uint32_t)id, NULL);
    if (fields->source != 0)
        NGI_TRY(ngi_store_slot(job->store, fields->source, &slot));
    if (fields->target != 0)
        NGI_TRY(ngi_store_slot(job->store, fields->target, &slot));
    NGI_TRY(link_find_target(job, fields));
    NGI_TRY(link_change(job, (uint32_t)id, fields));
out:
    return status;
}

static ng_status link_item(link_job *job, size_t index)
{
    const ngi_link_request *request = job->request;
    uint32_t id = 0;
    bool is_new = false;
    ng_status status;
    switch (request->verb) {
    case NGI_LINK_CREATE:
    case NGI_LINK_UPSERT:
        status = link_create(job, &request->fields[index], &id, &is_new);
        if (status == NG_OK && request->out != NULL)
            request->out[index] = id;
        if (status == NG_OK && request->created != NULL)
            request->created[index] = is_new;
        return status;
    case NGI_LINK_UPDATE:
        return link_update(job, request->ids[index], &request->fields[index]);
    default:
        return link_update(job, request->ids[index], NULL);
    }
}

/* --- the call -------------------------------------------------------------------------------- */

/* What an item looks at is anywhere in memory: a connection, or the records of two tokens, the heads
 * of two lists and the first of each. Fetched ahead it costs a quarter. */
static bool link_creates(const link_job *job)
{
    return job->request->verb == NGI_LINK_CREATE || job->request->verb == NGI_LINK_UPSERT;
}

/* The ends of the connection that item `index` is to create, if it is one. */
static bool link_has_ends(const link_job *job, size_t index, uint32_t *source, uint32_t *target)
{
    if (index >= job->request->count || !link_creates(job))
        return false;
    const ng_connection_fields *fields = &job->request->fields[index];
    uint32_t end = store_slot_end(job->store);
    *source = (uint32_t)fields->source;
    *target = (uint32_t)fields->target;
    return fields->source < end && fields->target < end;
}

static void link_fetch_first(const link_job *job, size_t index)
{
    const ng_store *store = job->store;
    uint32_t source, target;
    if (link_has_ends(job, index, &source, &target)) {
        __builtin_prefetch(&store_records(store)[source]);
        __builtin_prefetch(&store_records(store)[target]);
        ngi_graph_fetch_heads(&store->graph, source, target);
    } else if (index < job->request->count && job->request->ids != NULL) {
        ngi_graph_fetch_record(&store->graph, job->request->ids[index]);
    }
}

static void link_fetch_lists(const link_job *job, size_t index)
{
    uint32_t source, target;
    if (link_has_ends(job, index, &source, &target))
        ngi_graph_fetch_lists(&job->store->graph, source, target);
}

static ng_status link_items(link_job *job)
{
    size_t count = job->request->count;
    ng_status status = NG_OK;
    for (size_t i = 0; i < LINK_FIRST_AHEAD; i++)
        link_fetch_first(job, i);
    for (size_t i = 0; i < LINK_LISTS_AHEAD; i++)
        link_fetch_lists(job, i);
    for (size_t i = 0; status == NG_OK && i < count; i++) {
        link_fetch_first(job, i + LINK_FIRST_AHEAD);
        link_fetch_lists(job, i + LINK_LISTS_AHEAD);
        status = ngi_fail_item(link_item(job, i), i, count);
    }
    return status;
}

/* With the log locked: evaluates, and commits if there is anything to write. Ends the write. */
static ng_status link_commit(link_job *job)
{
    ng_store *store = job->store;
    const ngi_link_request *request = job->request;
    const ng_write_options *write = request->write;
    uint8_t *body = ngi_wal_body(store->wal);
    job->id_next = store_next_connection(store);
    job->context.now_s = (uint32_t)(store->os->clock_us(store->os) / 1000000);
    job->items = body + NGI_OP_LIST_HEADER;
    job->item_bytes = NGI_OP_CONNECTION_BYTES;
    ng_status status = link_items(job);
    if (status != NG_OK || job->item_count == 0) {
        if (status == NG_OK && write != NULL && write->seq != NULL)
            *write->seq = 0;
        ngi_store_write_abandon(store);
        return status;
    }
    ngi_op_list_encode(body, job->item_count, 0);
    return ngi_store_write_commit_checked(store, NGI_OP_CONNECTIONS_PUT,
                                          NGI_OP_LIST_HEADER +
                                              job->item_count * NGI_OP_CONNECTION_BYTES,
                                          &job->room, write);
}

static ng_status link_check_write(const ng_write_options *write, bool creates)
{
    if (write != NULL && write->if_version != 0)
        return ngi_fail(NG_E_INVALID, "if_version %u is for tokens; connections have no version",
                        write->if_version);
    return creates ? NG_OK : ngi_store_check_delete(write);
}

static ng_status link_check_count(size_t count)
{
    if (count == 0 || count > NGI_BATCH_MAX)
        return ngi_fail(NG_E_INVALID, "count %zu is outside 1..%d", count, NGI_BATCH_MAX);
    return NG_OK;
}

/* In a transaction. What bootstrap asks for is not for transactions. */
static ng_status link_stage(ng_store *store, const ngi_link_request *request)
{
    ng_status status = ngi_store_check_txn(store, request->write);
    if (status == NG_OK && (request->put_flags | request->origin) != 0)
        status = ngi_fail(NG_E_INVALID, "write.txn: bootstrap is not part of a transaction");
    return status != NG_OK ? status : ngi_txn_connection_write(request->write->txn, request);
}

static ng_status link_write(link_job *job)
{
    ng_store *store = job->store;
    const ngi_link_request *request = job->request;
    bool needs_ends = request->verb != NGI_LINK_ACTIVATE;
    bool needs_ids = request->verb != NGI_LINK_CREATE;
    size_t buckets = 4;
    while (buckets < 2 * request->count)
        buckets *= 2;
    size_t bytes = buckets * sizeof(uint32_t) * ((size_t)needs_ends + (size_t)needs_ids);
    void *block;
    ng_status status = ngi_alloc(store->mem, bytes, "connections of a batch", &block);
    if (status != NG_OK)
        return status;
    memset(block, 0, bytes);
    job->by_ends = needs_ends ? block : NULL;
    job->by_id = needs_ids ? (uint32_t *)block + (needs_ends ? buckets : 0) : NULL;
    job->mask = buckets - 1;
    if (request->count > 1 && needs_ends && !(request->put_flags & NGI_CONNECTION_CURATED))
        status = ngi_degrees_reserve(store->mem, &job->degrees, request->count);
    if (status == NG_OK)
        status =
            ngi_store_write_begin(store,
                                  NGI_OP_LIST_HEADER + request->count * NGI_OP_CONNECTION_BYTES,
                                  request->write);
    if (status == NG_OK)
        status = link_commit(job);
    ngi_degrees_release(store->mem, &job->degrees);
    ngi_free(store->mem, block, bytes);
    return status;
}

ng_status ngi_store_connection_write(ng_store *store, const ngi_link_request *request,
                                     size_t *created)
{
    if (created != NULL)
        *created = 0;
    ng_status status = link_check_count(request->count);
    if (status == NG_OK)
        status = link_check_write(request->write, request->verb == NGI_LINK_CREATE);
    if (status != NG_OK)
        return status;
    if (request->write != NULL && request->write->txn != NULL) {
        status = link_stage(store, request);
        if (status == NG_OK && created != NULL)
            *created = request->count;
        return status;
    }
    link_job job = {.store = store,
                    .request = request,
                    .context = {.cdna = &store->cdna,
                                .encoding = &store->encoding,
                                .origin = request->origin}};
    status = link_write(&job);
    if (status == NG_OK && created != NULL)
        *created = job.created_count;
    return status;
}

ng_status ngi_store_connection_put(ng_store *store, const ng_connection_fields *fields,
                                   size_t count, unsigned put_flags, uint32_t origin,
                                   const ng_write_options *write, ng_connection_id *out,
                                   size_t *created)
{
    const ngi_link_request request = {.verb = NGI_LINK_CREATE,
                                      .fields = fields,
                                      .count = count,
                                      .put_flags = put_flags,
                                      .origin = origin,
                                      .write = write,
                                      .out = out};
    return ngi_store_connection_write(store, &request, created);
}

/* --- deletion -------------------------------------------------------------------------------- */

static ng_status delete_item(link_job *job, ng_connection_id id)
{
    if (ngi_link_get(job->store, id) == NULL)
        return ngi_link_fail_not_found(id);
    if (link_item_of(job, (uint32_t)id) != LINK_NONE)
        return ngi_fail(NG_E_INVALID, "connection %llu is given twice", (unsigned long long)id);
    ngi_put_u32(job->items + job->item_count * job->item_bytes, (uint32_t)id);
    link_index(job->by_id, job->mask, link_hash_id((uint32_t)id), job->item_count++);
    return NG_OK;
}

static ng_status delete_commit(link_job *job, const ng_connection_id *ids, size_t count,
                               const ng_write_options *write)
{
    ng_status status = ngi_store_write_begin(job->store, NGI_OP_LIST_HEADER + 4 * count, write);
    if (status != NG_OK)
        return status;
    uint8_t *body = ngi_wal_body(job->store->wal);
    job->items = body + NGI_OP_LIST_HEADER;
    job->item_bytes = 4;
    for (size_t i = 0; status == NG_OK && i < count; i++)
        status = ngi_fail_item(delete_item(job, ids[i]), i, count);
    if (status != NG_OK) {
        ngi_store_write_abandon(job->store);
        return status;
    }
    ngi_op_list_encode(body, (uint32_t)count, 0);
    return ngi_store_write_commit(job->store, NGI_OP_CONNECTIONS_DELETE,
                                  NGI_OP_LIST_HEADER + 4 * count, write);
}

ng_status ngi_store_connection_delete_many(ng_store *store, const ng_connection_id *ids,
                                           size_t count, const ng_write_options *write)
{
    ng_status status = link_check_count(count);
    if (status == NG_OK)
        status = link_check_write(write, false);
    if (status == NG_OK && write != NULL && write->txn != NULL) {
        status = ngi_store_check_txn(store, write);
        return status != NG_OK ? status : ngi_txn_connection_delete(write->txn, ids, count, write);
    }
    if (status != NG_OK)
        return status;
    size_t buckets = 4;
    while (buckets < 2 * count)
        buckets *= 2;
    void *block;
    status = ngi_alloc(store->mem, buckets * sizeof(uint32_t), "connections of a batch", &block);
    if (status != NG_OK)
        return status;
    memset(block, 0, buckets * sizeof(uint32_t));
    link_job job = {.store = store, .by_id = block, .mask = buckets - 1};
    status = delete_commit(&job, ids, count, write);
    ngi_free(store->mem, block, buckets * sizeof(uint32_t));
    return status;
}

ng_status ngi_store_connection_delete(ng_store *store, ng_connection_id id,
                                      const ng_write_options *write)
{
    return ngi_store_connection_delete_many(store, &id, 1, write);
}
