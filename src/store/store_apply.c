/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From an op to the state: prepare validates and reserves, apply stores. The same two functions
 * serve local writes and recovery, so what was logged is what is applied. No floating-point
 * arithmetic happens here. */
#include "store/store_private.h"

#include <assert.h>
#include <string.h>

static ng_status apply_refuse(const char *what, uint64_t value)
{
    return ngi_fail(NG_E_CORRUPT, "op does not fit the state: %s %llu", what,
                    (unsigned long long)value);
}

/* --- tokens put ------------------------------------------------------------------------------ */

typedef struct put_needs {
    size_t labels, label_bytes, vectors;
    uint32_t slot_end;
} put_needs;

static ng_status prepare_token(ng_store *store, const ngi_op_token *token, put_needs *needs)
{
    uint32_t slot = token->record.slot;
    if (slot == 0 || slot > needs->slot_end)
        return apply_refuse("slot", slot);
    if (slot > store->max_tokens)
        return ngi_fail(NG_E_LIMIT, "token %u is over max_tokens %u", slot, store->max_tokens);
    bool is_new = slot == needs->slot_end;
    if (!is_new && slot >= store_slot_end(store))
        return apply_refuse("slot given twice", slot);
    if (!is_new) {
        if (store_live_slot(store, slot) == 0)
            return apply_refuse("deleted slot", slot);
        if (store_sides(store)[slot].collection != token->collection)
            return apply_refuse("collection", token->collection);
    }
    if (token->collection >= store->collection_count)
        return apply_refuse("collection", token->collection);
    if (token->label_bytes != NGI_OP_LABEL_KEEP && token->label_bytes > 0) {
        uint32_t holder =
            ngi_labels_find(&store->labels, token->collection, token->label, token->label_bytes);
        if (holder != 0 && holder != slot)
            return apply_refuse("label of slot", holder);
        if (ngi_label_validate(token->label, token->label_bytes) != NG_OK)
            return ngi_fail_prefix(NG_E_CORRUPT, "op does not fit the state");
        needs->labels++;
        needs->label_bytes += token->label_bytes;
    }
    if (token->vector == NGI_VECTOR_SET)
        needs->vectors++;
    if (is_new)
        needs->slot_end++;
    if (ngi_token_validate(&token->record) != NG_OK)
        return ngi_fail_prefix(NG_E_CORRUPT, "op does not fit the state");
    return NG_OK;
}

static ng_status prepare_tokens_put(ng_store *store, const ngi_op *op)
{
    put_needs needs = {.slot_end = store_slot_end(store)};
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    if (status != NG_OK)
        return status;
    while (reader.left > 0) {
        ngi_op_token token;
        NGI_TRY(ngi_op_token_next(&reader, &token));
        NGI_TRY(prepare_token(store, &token, &needs));
    }
    NGI_TRY(ngi_op_list_close(&reader));
    NGI_TRY(ngi_table_reserve(&store->records, needs.slot_end));
    NGI_TRY(ngi_table_reserve(&store->sides, needs.slot_end));
    if (needs.labels > 0)
        NGI_TRY(ngi_labels_reserve(&store->labels, needs.labels, needs.label_bytes,
                                   needs.slot_end - 1));
    if (needs.vectors > 0)
        NGI_TRY(ngi_vectors_reserve(store->vectors, reader.dimensions, needs.vectors,
                                    needs.slot_end - 1));
out:
    return status;
}

static void apply_token(ng_store *store, const ngi_op *op, const ngi_op_token *token)
{
    uint32_t slot = token->record.slot;
    const ng_token *old = &store_records(store)[slot];
    store_side *side = &store_sides(store)[slot];
    bool is_new = old->slot == 0;
    if (!is_new && (old->flags & NG_TOKEN_ACTIVE))
        store->active_token_count--;
    if (token->record.flags & NG_TOKEN_ACTIVE)
        store->active_token_count++;
    if (is_new) {
        store->token_count++;
        store->collections[token->collection].token_count++;
    }
    *side = (store_side){.updated_us = op->time_us,
                         .version = token->version,
                         .collection = token->collection};
    if (token->label_bytes != NGI_OP_LABEL_KEEP) {
        ngi_labels_remove(&store->labels, slot);
        if (token->label_bytes > 0)
            ngi_labels_put(&store->labels, slot, token->collection, token->label,
                           token->label_bytes);
    }
    if (token->vector == NGI_VECTOR_SET)
        ngi_vectors_put(store->vectors, slot, token->floats);
    else if (token->vector == NGI_VECTOR_NONE)
        ngi_vectors_remove(store->vectors, slot);
    ngi_store_record_write(store, slot, &token->record);
    if (slot >= store_slot_end(store)) {
        atomic_store_explicit(&store->slot_end, slot + 1, memory_order_release);
        if (NGI_LIKELY(!ngi_wal_is_latched(store->wal)))
            atomic_store_explicit(&store->readable_end, slot + 1, memory_order_release);
    }
}

static void apply_tokens_put(ng_store *store, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    while (status == NG_OK && reader.left > 0) {
        ngi_op_token token;
        status = ngi_op_token_next(&reader, &token);
        if (status == NG_OK)
            apply_token(store, op, &token);
    }
    assert(status == NG_OK); /* prepare has read the same bytes */
}

/* --- tokens delete --------------------------------------------------------------------------- */

static ng_status prepare_tokens_delete(ng_store *store, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    if (status != NG_OK)
        return status;
    while (reader.left > 0) {
        uint32_t slot;
        NGI_TRY(ngi_op_u32_next(&reader, &slot));
        if (store_live_slot(store, slot) == 0)
            return apply_refuse("slot", slot);
    }
    NGI_TRY(ngi_op_list_close(&reader));
out:
    return status;
}

static void apply_connection_delete(ng_store *store, uint32_t id)
{
    const ng_connection *record = ngi_graph_get(&store->graph, id);
    if (record == NULL)
        return; /* named twice in one op */
    if (record->flags & NG_CONNECTION_ACTIVE)
        store->active_connection_count--;
    ngi_graph_remove(&store->graph, id);
}

static void apply_token_delete(ng_store *store, uint32_t slot)
{
    const ng_token *old = &store_records(store)[slot];
    if (old->slot == 0)
        return; /* named twice in one op */
    for (uint32_t id; (id = ngi_graph_node_of(&store->graph, slot).first_out) != 0;)
        apply_connection_delete(store, id);
    for (uint32_t id; (id = ngi_graph_node_of(&store->graph, slot).first_in) != 0;)
        apply_connection_delete(store, id);
    ngi_labels_remove(&store->labels, slot);
    ngi_vectors_remove(store->vectors, slot);
    store->token_count--;
    if (old->flags & NG_TOKEN_ACTIVE)
        store->active_token_count--;
    store->collections[store_sides(store)[slot].collection].token_count--;
    const ng_token none = {0};
    ngi_store_record_write(store, slot, &none);
    store_sides(store)[slot] = (store_side){0};
}

/* --- connections ----------------------------------------------------------------------------- */

static ng_status prepare_connections_put(ng_store *store, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    if (status != NG_OK)
        return status;
    uint32_t id_end = store->graph.id_end;
    uint32_t max_slot = 0;
    while (reader.left > 0) {
        uint32_t id;
        ng_connection record;
        NGI_TRY(ngi_op_connection_next(&reader, &id, &record));
        if (ngi_connection_validate(&record) != NG_OK)
            return ngi_fail_prefix(NG_E_CORRUPT, "op does not fit the state");
        if (store_live_slot(store, record.source) == 0 ||
            store_live_slot(store, record.target) == 0)
            return apply_refuse("ends of connection", id);
        if (id > store->max_connections)
            return ngi_fail(NG_E_LIMIT, "connection %u is over max_connections %u", id,
                            store->max_connections);
        const ng_connection *old =
            id < store->graph.id_end ? ngi_graph_get(&store->graph, id) : NULL;
        if (id == id_end)
            id_end++;
        else if (old == NULL || old->source != record.source || old->target != record.target)
            return apply_refuse("connection", id);
        max_slot = record.source > max_slot ? record.source : max_slot;
        max_slot = record.target > max_slot ? record.target : max_slot;
    }
    NGI_TRY(ngi_op_list_close(&reader));
    NGI_TRY(ngi_graph_reserve(&store->graph, id_end - 1, max_slot));
out:
    return status;
}

static void apply_connections_put(ng_store *store, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    while (status == NG_OK && reader.left > 0) {
        uint32_t id;
        ng_connection record;
        status = ngi_op_connection_next(&reader, &id, &record);
        if (status != NG_OK)
            break;
        const ng_connection *old = ngi_graph_get(&store->graph, id);
        if (old != NULL && (old->flags & NG_CONNECTION_ACTIVE))
            store->active_connection_count--;
        if (record.flags & NG_CONNECTION_ACTIVE)
            store->active_connection_count++;
        ngi_graph_put(&store->graph, id, &record);
    }
    assert(status == NG_OK);
}

static ng_status prepare_connections_delete(ng_store *store, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    if (status != NG_OK)
        return status;
    while (reader.left > 0) {
        uint32_t id;
        NGI_TRY(ngi_op_u32_next(&reader, &id));
        if (ngi_graph_get(&store->graph, id) == NULL)
            return apply_refuse("connection", id);
    }
    NGI_TRY(ngi_op_list_close(&reader));
out:
    return status;
}

/* Deletes what a list names, by `one`. */
static void apply_list(ng_store *store, const ngi_op *op, void (*one)(ng_store *, uint32_t))
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    while (status == NG_OK && reader.left > 0) {
        uint32_t number;
        status = ngi_op_u32_next(&reader, &number);
        if (status == NG_OK)
            one(store, number);
    }
    assert(status == NG_OK);
}

/* --- collections, constitution, projection --------------------------------------------------- */

static ng_status prepare_collection_put(ng_store *store, const ngi_op *op)
{
    if (op->body_bytes < 9 || op->body_bytes != 8 + ngi_get_u32(op->body + 4) ||
        op->body_bytes - 8 > NGI_COLLECTION_NAME_MAX)
        return ngi_fail(NG_E_CORRUPT, "malformed op: collection");
    if (ngi_get_u32(op->body) != store->collection_count ||
        store->collection_count >= NGI_COLLECTIONS_MAX)
        return apply_refuse("collection", ngi_get_u32(op->body));
    if (store->collection_count < store->collection_capacity)
        return NG_OK;
    size_t bytes = store->collection_capacity * sizeof *store->collections;
    void *block = store->collections;
    ng_status status = ngi_resize(store->mem, &block, bytes, 2 * bytes, "collections");
    if (status == NG_OK) {
        store->collections = block;
        store->collection_capacity *= 2;
    }
    return status;
}

static void apply_collection_put(ng_store *store, const ngi_op *op)
{
    store_collection *added = &store->collections[store->collection_count++];
    *added = (store_collection){0};
    memcpy(added->name, op->body + 8, op->body_bytes - 8);
}

static ng_status prepare_cdna_put(const ngi_op *op)
{
    ng_cdna decoded;
    if (op->body_bytes != NGI_CDNA_BYTES)
        return ngi_fail(NG_E_CORRUPT, "malformed op: constitution");
    return ngi_cdna_decode(op->body, &decoded);
}

static void apply_cdna_put(ng_store *store, const ngi_op *op)
{
    ng_status status = ngi_cdna_decode(op->body, &store->cdna);
    assert(status == NG_OK);
    (void)status;
}

static ng_status prepare_projection_put(ng_store *store, const ngi_op *op)
{
    ngi_op_projection decoded;
    ng_status status = ngi_op_projection_decode(op, &decoded);
    if (status != NG_OK)
        return status;
    if (op->body_bytes > store->projection.bytes)
        status = ngi_buffer_reserve(store->mem, &store->projection,
                                    op->body_bytes - store->projection.bytes, "projection");
    if (status != NG_OK)
        return status;
    /* Last, because it may fix the dimensions of the store. */
    return ngi_vectors_reserve_projection(store->vectors, decoded.dimensions,
                                          decoded.component_count);
}

static void apply_projection_put(ng_store *store, const ngi_op *op)
{
    ngi_op_projection decoded;
    ng_status status = ngi_op_projection_decode(op, &decoded);
    assert(status == NG_OK);
    (void)status;
    memcpy(store->projection.data, op->body, op->body_bytes);
    store->projection.bytes = op->body_bytes;
    store->projection_version++;
    ngi_vectors_set_projection(store->vectors, decoded.mean, decoded.components,
                               decoded.component_count);
}

ng_status ngi_store_prepare(ng_store *store, const ngi_op *op)
{
    switch (op->kind) {
    case NGI_OP_TOKENS_PUT:
        return prepare_tokens_put(store, op);
    case NGI_OP_TOKENS_DELETE:
        return prepare_tokens_delete(store, op);
    case NGI_OP_CONNECTIONS_PUT:
        return prepare_connections_put(store, op);
    case NGI_OP_CONNECTIONS_DELETE:
        return prepare_connections_delete(store, op);
    case NGI_OP_COLLECTION_PUT:
        return prepare_collection_put(store, op);
    case NGI_OP_CDNA_PUT:
        return prepare_cdna_put(op);
    case NGI_OP_PROJECTION_PUT:
        return prepare_projection_put(store, op);
    default:
        return ngi_fail(NG_E_VERSION, "op of unknown kind %u", op->kind);
    }
}

void ngi_store_apply(ng_store *store, const ngi_op *op)
{
    switch (op->kind) {
    case NGI_OP_TOKENS_PUT:
        apply_tokens_put(store, op);
        break;
    case NGI_OP_TOKENS_DELETE:
        apply_list(store, op, apply_token_delete);
        break;
    case NGI_OP_CONNECTIONS_PUT:
        apply_connections_put(store, op);
        break;
    case NGI_OP_CONNECTIONS_DELETE:
        apply_list(store, op, apply_connection_delete);
        break;
    case NGI_OP_COLLECTION_PUT:
        apply_collection_put(store, op);
        break;
    case NGI_OP_CDNA_PUT:
        apply_cdna_put(store, op);
        break;
    case NGI_OP_PROJECTION_PUT:
        apply_projection_put(store, op);
        break;
    }
}
