/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whether an op fits the state, and the room that applying it takes.
 *
 * The same checks serve local writes, recovery and ops of another store. They guard memory and the
 * invariants of the indexes; limits and the constitution are the writer's business, which has
 * already decided. What this library's own writes cannot get wrong and what costs time (a label
 * twice in one op, numbers that are not finite) is verified for ops of other stores only.
 *
 * Puts of tokens and connections outside of transactions do not come here: their writers look at
 * every value, label and id under the same lock, so they count the room while they encode, and only
 * reserve. That halves the time of creation. Builds with assertions run the checks on those ops all
 * the same, and recovery runs them on every op that such writes left in the log.
 *
 * The parts of a transaction are verified against the state and against each other, because they
 * are applied one after the other: a label may belong to a token that the same op deletes or
 * relabels, and an end of a connection may be a token that the same op puts.
 *
 * Invariants:
 *  1. Everything is verified before anything is reserved, and vectors are reserved last, for their
 *     first reserve fixes the dimensions of the store. So a failure leaves no trace.
 *  2. No slot and no id is put twice by an op: the label of each is put once. */
#include "store/store_shrink.h"

#include <string.h>
#include <xxhash.h>

#define PREPARE_AHEAD 16u /* items whose labels are fetched before they are looked for */

/* Slots or ids of one op: open addressing, `id << 1 | mark`, 0 = empty. Zeroed = empty set. */
typedef struct id_set {
    uint32_t *buckets;
    size_t mask;
    size_t bytes;
} id_set;

/* Labels that one op gives: open addressing over where their items begin. */
typedef struct label_place {
    const char *text; /* NULL = empty */
    uint32_t collection;
    uint32_t bytes;
} label_place;

typedef struct prepare_job {
    ng_store *store;
    bool foreign;
    bool in_transaction;

    id_set deleted_connections, deleted_tokens;
    id_set put_tokens; /* marked: its label is replaced */
    id_set put_connections;
    id_set put_attributes, put_vectors;
    label_place *labels; /* foreign ops only */
    size_t label_mask;

    store_room room;
} prepare_job;

static ng_status prepare_refuse(const char *what, uint64_t value)
{
    return ngi_fail(NG_E_CORRUPT, "op does not fit the state: %s %llu", what,
                    (unsigned long long)value);
}

/* --- sets of ids ----------------------------------------------------------------------------- */

static ng_status set_create(prepare_job *job, id_set *set, uint32_t count)
{
    size_t buckets = 16;
    while (buckets < 2 * (size_t)count)
        buckets *= 2;
    void *block;
    ng_status status =
        ngi_alloc(job->store->mem, buckets * sizeof(uint32_t), "ids of an op", &block);
    if (status == NG_OK) {
        memset(block, 0, buckets * sizeof(uint32_t));
        *set = (id_set){block, buckets - 1, buckets * sizeof(uint32_t)};
    }
    return status;
}

static void set_release(prepare_job *job, id_set *set)
{
    ngi_free(job->store->mem, set->buckets, set->bytes);
}

/* The bucket of an id, or the empty one where it belongs. */
static uint32_t *set_at(const id_set *set, uint32_t id)
{
    size_t at = (id * 0x9E3779B1u >> 7) & set->mask;
    while (set->buckets[at] != 0 && set->buckets[at] >> 1 != id)
        at = (at + 1) & set->mask;
    return &set->buckets[at];
}

/* False if it is there. `id` fits 31 bits: those of the store's limits do. */
static bool set_add(id_set *set, uint32_t id, bool mark)
{
    uint32_t *bucket = set_at(set, id);
    if (*bucket != 0)
        return false;
    *bucket = id << 1 | mark;
    return true;
}

static bool set_has(const id_set *set, uint32_t id)
{
    return set->buckets != NULL && *set_at(set, id) != 0;
}

static bool set_is_marked(const id_set *set, uint32_t id)
{
    return set->buckets != NULL && (*set_at(set, id) & 1) != 0;
}

/* --- tokens ---------------------------------------------------------------------------------- */

static ng_status check_slot(const prepare_job *job, uint32_t slot)
{
    if (slot == 0)
        return prepare_refuse("slot", slot);
    if (slot > job->store->max_tokens)
        return ngi_fail(NG_E_LIMIT, "token %u is over max_tokens %u", slot, job->store->max_tokens);
    return NG_OK;
}

/* Finds a slot given twice. Needed only if the slots do not ascend, or for what other parts say. */
static ng_status collect_tokens(prepare_job *job, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    if (status != NG_OK)
        return status;
    NGI_TRY(set_create(job, &job->put_tokens, reader.left));
    while (reader.left > 0) {
        ngi_op_token_key key;
        NGI_TRY(ngi_op_token_skip(&reader, &key));
        NGI_TRY(check_slot(job, key.slot));
        if (!set_add(&job->put_tokens, key.slot, key.label_bytes != NGI_OP_LABEL_KEEP))
            return prepare_refuse("slot given twice", key.slot);
    }
out:
    return status;
}

static ng_status check_label_twice(prepare_job *job, const ngi_op_token *token)
{
    size_t at = XXH3_64bits_withSeed(token->label, token->label_bytes, token->collection);
    for (at &= job->label_mask; job->labels[at].text != NULL; at = (at + 1) & job->label_mask) {
        const label_place *other = &job->labels[at];
        if (other->collection == token->collection && other->bytes == token->label_bytes &&
            memcmp(other->text, token->label, other->bytes) == 0)
            return prepare_refuse("label given twice, also to slot", token->record.slot);
    }
    job->labels[at] = (label_place){token->label, token->collection, token->label_bytes};
    return NG_OK;
}

/* Whether the token that has a label now loses it by the same op. */
static ng_status check_label_freed(prepare_job *job, const ngi_op *op, uint32_t holder)
{
    if (set_has(&job->deleted_tokens, holder))
        return NG_OK;
    ng_status status = job->put_tokens.buckets != NULL ? NG_OK : collect_tokens(job, op);
    if (status == NG_OK && !set_is_marked(&job->put_tokens, holder))
        status = prepare_refuse("label of slot", holder);
    return status;
}

static ng_status check_label(prepare_job *job, const ngi_op *op, const ngi_op_token *token)
{
    ng_status status = NG_OK;
    uint32_t holder =
        ngi_labels_find(&job->store->labels, token->collection, token->label, token->label_bytes);
    if (holder != 0 && holder != token->record.slot)
        NGI_TRY(check_label_freed(job, op, holder));
    if (ngi_label_validate(token->label, token->label_bytes) != NG_OK)
        return ngi_fail_prefix(NG_E_CORRUPT, "op does not fit the state");
    if (job->labels != NULL)
        NGI_TRY(check_label_twice(job, token));
    job->room.label_count++;
    job->room.label_bytes += token->label_bytes;
out:
    return status;
}

/* By the bits of the exponent: what is not finite has all of them. */
static ng_status check_finite(const uint8_t *floats, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++) {
        if ((ngi_get_u32(floats + 4 * i) & 0x7F800000u) == 0x7F800000u)
            return ngi_fail(NG_E_CORRUPT, "op does not fit the state: %s[%zu] is not finite", what,
                            i);
    }
    return NG_OK;
}

static ng_status check_token(prepare_job *job, const ngi_op *op, const ngi_op_token *token)
{
    ng_store *store = job->store;
    uint32_t slot = token->record.slot;
    ng_status status = check_slot(job, slot);
    if (status != NG_OK)
        return status;
    if (token->version == 0) /* which says that there is no token */
        return prepare_refuse("version", token->version);
    if (store_live_slot(store, slot) != 0 &&
        store_sides(store)[slot].collection != token->collection)
        return prepare_refuse("collection", token->collection);
    if (!store_has_collection(store, token->collection))
        return prepare_refuse("collection", token->collection);
    if (set_has(&job->deleted_tokens, slot))
        return prepare_refuse("both deleted and put: slot", slot);
    if (token->label != NULL)
        NGI_TRY(check_label(job, op, token));
    if (token->vector == NGI_VECTOR_SET) {
        job->room.vector_count++;
        if (job->foreign)
            NGI_TRY(check_finite(token->floats, job->room.dimensions, "vector"));
    }
    if (ngi_token_validate(&token->record) != NG_OK)
        return ngi_fail_prefix(NG_E_CORRUPT, "op does not fit the state");
    ngi_space_count(store, slot,
                    store_live_slot(store, slot) != 0 ? &store_records(store)[slot] : NULL,
                    &token->record, job->room.moved);
    if (slot > job->room.max_slot)
        job->room.max_slot = slot;
out:
    return status;
}

/* Fetches where the label of the next item will be looked for. A damaged item is not reported here:
 * its turn comes. */
static void fetch_label(const prepare_job *job, ngi_op_reader *ahead)
{
    ngi_op_token_key key;
    if (ahead->left > 0 && ngi_op_token_skip(ahead, &key) == NG_OK && key.label != NULL)
        ngi_labels_prefetch(&job->store->labels,
                            ngi_labels_hash(key.collection, key.label, key.label_bytes));
}

static ng_status check_tokens_put(prepare_job *job, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    if (status != NG_OK)
        return status;
    job->room.dimensions = reader.dimensions;
    if (job->in_transaction)
        NGI_TRY(collect_tokens(job, op));
    if (job->foreign) {
        void *block;
        job->label_mask = 16;
        while (job->label_mask < 2 * (size_t)reader.left)
            job->label_mask *= 2;
        NGI_TRY(ngi_alloc(job->store->mem, job->label_mask * sizeof *job->labels, "labels of an op",
                          &block));
        memset(block, 0, job->label_mask * sizeof *job->labels);
        job->labels = block;
        job->label_mask--;
    }
    ngi_op_reader ahead = reader;
    for (unsigned i = 0; i < PREPARE_AHEAD; i++)
        fetch_label(job, &ahead);
    for (uint32_t previous = 0; reader.left > 0;) {
        ngi_op_token token;
        fetch_label(job, &ahead);
        NGI_TRY(ngi_op_token_next(&reader, &token));
        if (token.record.slot <= previous && job->put_tokens.buckets == NULL)
            NGI_TRY(collect_tokens(job, op));
        previous = token.record.slot;
        NGI_TRY(check_token(job, op, &token));
    }
    NGI_TRY(ngi_op_list_close(&reader));
out:
    return status;
}

static ng_status check_tokens_delete(prepare_job *job, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    if (status != NG_OK)
        return status;
    if (job->in_transaction)
        NGI_TRY(set_create(job, &job->deleted_tokens, reader.left));
    while (reader.left > 0) {
        uint32_t slot;
        NGI_TRY(ngi_op_u32_next(&reader, &slot));
        if (store_live_slot(job->store, slot) == 0)
            return prepare_refuse("slot", slot);
        if (job->in_transaction && !set_add(&job->deleted_tokens, slot, false))
            return prepare_refuse("deleted twice: slot", slot);
        ngi_space_count(job->store, slot, &store_records(job->store)[slot], NULL, job->room.moved);
    }
    NGI_TRY(ngi_op_list_close(&reader));
out:
    return status;
}

/* Only of tokens that the same op puts: their version and time change with them. */
static ng_status check_attributes_put(prepare_job *job, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    if (status != NG_OK)
        return status;
    if (reader.dimensions != 0)
        return prepare_refuse("attributes: second number", reader.dimensions);
    NGI_TRY(set_create(job, &job->put_attributes, reader.left));
    while (reader.left > 0) {
        ngi_op_attributes item;
        NGI_TRY(ngi_op_attributes_next(&reader, job->foreign, &item));
        if (item.slot > job->store->max_tokens || !set_has(&job->put_tokens, item.slot))
            return prepare_refuse("attributes of slot", item.slot);
        if (!set_add(&job->put_attributes, item.slot, false))
            return prepare_refuse("attributes given twice: slot", item.slot);
        ngi_attributes_measure(&job->store->attributes, &item, &job->room.attributes);
    }
    NGI_TRY(ngi_op_list_close(&reader));
out:
    return status;
}

/* Likewise. */
static ng_status check_vectors_put(prepare_job *job, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    if (status != NG_OK)
        return status;
    if (reader.dimensions != 0)
        return prepare_refuse("vectors: second number", reader.dimensions);
    NGI_TRY(set_create(job, &job->put_vectors, reader.left));
    while (reader.left > 0) {
        ngi_op_vectors item;
        NGI_TRY(ngi_op_vectors_next(&reader, &item));
        if (item.slot > job->store->max_tokens || !set_has(&job->put_tokens, item.slot))
            return prepare_refuse("vectors of slot", item.slot);
        if (!set_add(&job->put_vectors, item.slot, false))
            return prepare_refuse("vectors given twice: slot", item.slot);
        NGI_TRY(ngi_vector_fields_verify(job->store, &item, job->foreign));
        ngi_vector_fields_measure(&item, &job->room.vectors);
    }
    NGI_TRY(ngi_op_list_close(&reader));
out:
    return status;
}

/* --- connections ----------------------------------------------------------------------------- */

static ng_status collect_connections(prepare_job *job, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    if (status != NG_OK)
        return status;
    NGI_TRY(set_create(job, &job->put_connections, reader.left));
    while (reader.left > 0) {
        uint32_t id;
        ng_connection record;
        NGI_TRY(ngi_op_connection_next(&reader, &id, &record));
        if (id == 0 || id > job->store->max_connections)
            return prepare_refuse("connection", id);
        if (!set_add(&job->put_connections, id, false))
            return prepare_refuse("connection given twice", id);
    }
out:
    return status;
}

static bool end_is_there(const prepare_job *job, uint32_t slot)
{
    if (store_live_slot(job->store, slot) != 0)
        return !set_has(&job->deleted_tokens, slot);
    return slot <= job->store->max_tokens && set_has(&job->put_tokens, slot);
}

static ng_status check_connection(prepare_job *job, uint32_t id, const ng_connection *record)
{
    ng_store *store = job->store;
    if (ngi_connection_validate(record) != NG_OK)
        return ngi_fail_prefix(NG_E_CORRUPT, "op does not fit the state");
    if (!end_is_there(job, record->source) || !end_is_there(job, record->target))
        return prepare_refuse("ends of connection", id);
    if (id > store->max_connections)
        return ngi_fail(NG_E_LIMIT, "connection %u is over max_connections %u", id,
                        store->max_connections);
    const ng_connection *old = ngi_graph_get(&store->graph, id);
    if (id == 0 ||
        (old != NULL && (old->source != record->source || old->target != record->target)))
        return prepare_refuse("connection", id);
    if (set_has(&job->deleted_connections, id))
        return prepare_refuse("both deleted and put: connection", id);
    if (id > job->room.max_id)
        job->room.max_id = id;
    if (record->source > job->room.max_end)
        job->room.max_end = record->source;
    if (record->target > job->room.max_end)
        job->room.max_end = record->target;
    return NG_OK;
}

static ng_status check_connections_put(prepare_job *job, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    if (status != NG_OK)
        return status;
    for (uint32_t previous = 0; reader.left > 0;) {
        uint32_t id;
        ng_connection record;
        NGI_TRY(ngi_op_connection_next(&reader, &id, &record));
        if (id <= previous && job->put_connections.buckets == NULL)
            NGI_TRY(collect_connections(job, op));
        previous = id;
        NGI_TRY(check_connection(job, id, &record));
    }
    NGI_TRY(ngi_op_list_close(&reader));
out:
    return status;
}

static ng_status check_connections_delete(prepare_job *job, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    if (status != NG_OK)
        return status;
    if (job->in_transaction)
        NGI_TRY(set_create(job, &job->deleted_connections, reader.left));
    while (reader.left > 0) {
        uint32_t id;
        NGI_TRY(ngi_op_u32_next(&reader, &id));
        if (ngi_graph_get(&job->store->graph, id) == NULL)
            return prepare_refuse("connection", id);
        if (job->in_transaction && !set_add(&job->deleted_connections, id, false))
            return prepare_refuse("deleted twice: connection", id);
    }
    NGI_TRY(ngi_op_list_close(&reader));
out:
    return status;
}

/* --- lists as a whole ------------------------------------------------------------------------ */

static ng_status check_list(prepare_job *job, const ngi_op *op)
{
    switch (op->kind) {
    case NGI_OP_TOKENS_PUT:
        return check_tokens_put(job, op);
    case NGI_OP_TOKENS_DELETE:
        return check_tokens_delete(job, op);
    case NGI_OP_ATTRIBUTES_PUT:
        return check_attributes_put(job, op);
    case NGI_OP_VECTORS_PUT:
        return check_vectors_put(job, op);
    case NGI_OP_CONNECTIONS_PUT:
        return check_connections_put(job, op);
    default:
        return check_connections_delete(job, op);
    }
}

static ng_status check_transaction(prepare_job *job, const ngi_op *op)
{
    ngi_op_parts parts;
    ng_status status = ngi_op_parts_decode(op, &parts);
    job->in_transaction = true;
    for (uint32_t i = 0; status == NG_OK && i < parts.count; i++)
        status = check_list(job, &parts.part[i]);
    return status;
}

ng_status ngi_store_reserve(ng_store *store, const store_room *room)
{
    ng_status status = NG_OK;
    if (room->max_slot > 0) {
        NGI_TRY(ngi_table_reserve(&store->records, (size_t)room->max_slot + 1));
        NGI_TRY(ngi_table_reserve(&store->sides, (size_t)room->max_slot + 1));
        NGI_TRY(ngi_groups_reserve(&store->accounts[STORE_TOKENS], &store->token_groups,
                                   room->max_slot));
    }
    if (room->label_count > 0)
        NGI_TRY(ngi_labels_reserve(&store->labels, room->label_count, room->label_bytes,
                                   room->max_slot));
    NGI_TRY(ngi_space_reserve(store, room->moved));
    if (room->max_id > 0) {
        NGI_TRY(ngi_graph_reserve(&store->graph, room->max_id, room->max_end));
        NGI_TRY(ngi_groups_reserve(&store->accounts[STORE_GRAPH], &store->connection_groups,
                                   room->max_id));
    }
    NGI_TRY(ngi_attributes_reserve(&store->attributes, &room->attributes));
    NGI_TRY(ngi_vector_fields_reserve(store, &room->vectors));
    if (room->vector_count > 0)
        NGI_TRY(ngi_vectors_reserve(store->vectors, room->dimensions, room->vector_count,
                                    room->max_slot));
out:
    return status;
}

/* Ids that were given long ago may lie where memory was given back since. */
static ng_status fill_list(ng_store *store, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = NG_OK;
    if (op->kind != NGI_OP_TOKENS_PUT && op->kind != NGI_OP_CONNECTIONS_PUT)
        return NG_OK;
    NGI_TRY(ngi_op_list_open(op, &reader));
    while (reader.left > 0) {
        ngi_op_token_key key;
        ng_connection record;
        uint32_t id;
        if (op->kind == NGI_OP_TOKENS_PUT) {
            NGI_TRY(ngi_op_token_skip(&reader, &key));
            NGI_TRY(ngi_shrink_fill_token(store, key.slot));
        } else {
            NGI_TRY(ngi_op_connection_next(&reader, &id, &record));
            NGI_TRY(ngi_shrink_fill_connection(store, id));
        }
    }
out:
    return status;
}

static ng_status prepare_fill(ng_store *store, const ngi_op *op)
{
    ngi_op_parts parts;
    if (NGI_LIKELY(store->records.hole_count == 0 && store->graph.records.hole_count == 0))
        return NG_OK;
    if (op->kind != NGI_OP_TRANSACTION)
        return fill_list(store, op);
    ng_status status = ngi_op_parts_decode(op, &parts);
    for (uint32_t i = 0; status == NG_OK && i < parts.count; i++)
        status = fill_list(store, &parts.part[i]);
    return status;
}

static ng_status prepare_lists(ng_store *store, const ngi_op *op, bool foreign)
{
    prepare_job job = {.store = store, .foreign = foreign};
    ng_status status =
        op->kind == NGI_OP_TRANSACTION ? check_transaction(&job, op) : check_list(&job, op);
    if (status == NG_OK)
        status = prepare_fill(store, op);
    if (status == NG_OK)
        status = ngi_store_reserve(store, &job.room);
    set_release(&job, &job.deleted_connections);
    set_release(&job, &job.deleted_tokens);
    set_release(&job, &job.put_tokens);
    set_release(&job, &job.put_connections);
    set_release(&job, &job.put_attributes);
    set_release(&job, &job.put_vectors);
    if (job.labels != NULL)
        ngi_free(store->mem, job.labels, (job.label_mask + 1) * sizeof *job.labels);
    return status;
}

/* --- collections, constitution, projection --------------------------------------------------- */

ng_status ngi_collection_check_name(const char *name, size_t bytes)
{
    if (bytes == 0 || bytes > NGI_COLLECTION_NAME_MAX)
        return ngi_fail(NG_E_INVALID, "collection name of %zu bytes is outside 1..%d", bytes,
                        NGI_COLLECTION_NAME_MAX);
    for (size_t i = 0; i < bytes; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'))
            return ngi_fail(NG_E_INVALID,
                            "collection name '%.*s' has a character outside [a-z0-9_.-]",
                            (int)bytes, name);
    }
    return NG_OK;
}

static bool collection_is_there(const ng_store *store, const char *name, size_t bytes)
{
    for (uint32_t i = 0; i < store->collection_count; i++) {
        const char *other = store->collections[i].name;
        if (memcmp(other, name, bytes) == 0 && other[bytes] == '\0')
            return true;
    }
    return false;
}

static ng_status prepare_collection_put(ng_store *store, const ngi_op *op, bool foreign)
{
    if (op->body_bytes < 9 || op->body_bytes - 8 != ngi_get_u32(op->body + 4) ||
        op->body_bytes - 8 > NGI_COLLECTION_NAME_MAX)
        return ngi_fail(NG_E_CORRUPT, "malformed op: collection");
    const char *name = (const char *)op->body + 8;
    if (ngi_collection_check_name(name, op->body_bytes - 8) != NG_OK)
        return ngi_fail_prefix(NG_E_CORRUPT, "op does not fit the state");
    uint32_t number = ngi_get_u32(op->body);
    if (number > store->collection_count || number >= NGI_COLLECTIONS_MAX ||
        store_has_collection(store, number))
        return prepare_refuse("collection", number);
    if (foreign && collection_is_there(store, name, op->body_bytes - 8))
        return prepare_refuse("a second name for the same collection", number);
    if (number < store->collection_capacity)
        return NG_OK;
    size_t bytes = store->collection_capacity * sizeof *store->collections;
    void *block = store->collections;
    ng_status status = ngi_resize(store_account_of(store, STORE_COLLECTIONS), &block, bytes,
                                  2 * bytes, "collections");
    if (status == NG_OK) {
        store->collections = block;
        store->collection_capacity *= 2;
    }
    return status;
}

/* Its tokens, all of them, ascending. */
static ng_status prepare_collection_drop(ng_store *store, const ngi_op *op)
{
    if (op->body_bytes < NGI_OP_LIST_HEADER)
        return ngi_fail(NG_E_CORRUPT, "malformed op: collection");
    uint32_t number = ngi_get_u32(op->body);
    uint32_t count = ngi_get_u32(op->body + 4);
    if (count > NGI_BATCH_MAX || op->body_bytes != NGI_OP_LIST_HEADER + 4 * count)
        return ngi_fail(NG_E_CORRUPT, "malformed op: collection");
    if (number <= NG_COLLECTION_SEMANTIC || !store_has_collection(store, number))
        return prepare_refuse("collection", number);
    if (store->collections[number].token_count != count)
        return prepare_refuse("number of tokens", count);
    uint32_t moved[NG_SPACE_COUNT] = {0};
    for (uint32_t i = 0, previous = 0; i < count; i++) {
        uint32_t slot = ngi_get_u32(op->body + NGI_OP_LIST_HEADER + 4 * (size_t)i);
        if (slot <= previous || store_live_slot(store, slot) == 0 ||
            store_sides(store)[slot].collection != number)
            return prepare_refuse("slot", slot);
        ngi_space_count(store, slot, &store_records(store)[slot], NULL, moved);
        previous = slot;
    }
    return ngi_space_reserve(store, moved);
}

static ng_status prepare_cdna_put(const ngi_op *op)
{
    ng_cdna decoded;
    if (op->body_bytes != NGI_CDNA_BYTES)
        return ngi_fail(NG_E_CORRUPT, "malformed op: constitution");
    return ngi_cdna_decode(op->body, &decoded);
}

static ng_status prepare_projection_put(ng_store *store, const ngi_op *op, bool foreign)
{
    ngi_op_projection decoded;
    ng_status status = ngi_op_projection_decode(op, &decoded);
    if (status == NG_OK && foreign)
        status = check_finite(decoded.mean,
                              (size_t)decoded.dimensions * (1 + (size_t)decoded.component_count),
                              "projection");
    if (status == NG_OK && op->body_bytes > store->projection.bytes)
        status = ngi_buffer_reserve(store->mem, &store->projection,
                                    op->body_bytes - store->projection.bytes, "projection");
    if (status != NG_OK)
        return status;
    /* Last, because it may fix the dimensions of the store. */
    return ngi_vectors_reserve_projection(store->vectors, decoded.dimensions,
                                          decoded.component_count);
}

static ng_status prepare_op(ng_store *store, const ngi_op *op, bool foreign)
{
    if (NGI_UNLIKELY(store->named.any_moved))
        ngi_named_forget(store);
    switch (op->kind) {
    case NGI_OP_TOKENS_PUT:
    case NGI_OP_TOKENS_DELETE:
    case NGI_OP_CONNECTIONS_PUT:
    case NGI_OP_CONNECTIONS_DELETE:
    case NGI_OP_TRANSACTION:
        return prepare_lists(store, op, foreign);
    case NGI_OP_COLLECTION_PUT:
        return prepare_collection_put(store, op, foreign);
    case NGI_OP_COLLECTION_DROP:
        return prepare_collection_drop(store, op);
    case NGI_OP_GRID_PUT:
    case NGI_OP_GRID_DROP:
    case NGI_OP_GRID_MEMBERS:
        return ngi_named_prepare(store, op);
    case NGI_OP_VECTOR_FIELD_PUT:
    case NGI_OP_VECTOR_FIELD_DROP:
    case NGI_OP_VECTOR_FIELD_SWAP:
        return ngi_vector_field_prepare(store, op, foreign);
    case NGI_OP_CDNA_PUT:
        return prepare_cdna_put(op);
    case NGI_OP_PROJECTION_PUT:
        return prepare_projection_put(store, op, foreign);
    case NGI_OP_INDEX_PUT: {
        size_t used;
        ng_status status = ngi_store_prepare_index_put(store, op->body, op->body_bytes, &used);
        if (status == NG_OK && used != op->body_bytes)
            status = ngi_fail(NG_E_CORRUPT, "malformed op: bytes behind a declaration");
        return status;
    }
    case NGI_OP_INDEX_DELETE:
        return ngi_store_prepare_index_delete(store, op);
    default:
        return ngi_fail(NG_E_VERSION, "op of unknown kind %u", op->kind);
    }
}

ng_status ngi_store_prepare(ng_store *store, const ngi_op *op)
{
    return prepare_op(store, op, false);
}

ng_status ngi_store_prepare_foreign(ng_store *store, const ngi_op *op)
{
    return prepare_op(store, op, true);
}
