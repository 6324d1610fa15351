/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From a prepared op to the state. The same function serves local writes, recovery and ops of
 * another store, so what was logged is what is applied. No floating-point arithmetic happens here,
 * nothing is allocated, and nothing fails unless an invariant of an index is broken.
 *
 * Readers without a lock stand beside (base_shared.h): what belongs to a token is changed between
 * begin and end of its stripe, each token on its own, so that a reader waits for one token at most
 * and not for an op. A new token is not looked at before slot_end covers it.
 *
 * The parts of a transaction are applied one after the other; store_prepare.c has seen to it that
 * each finds what it needs. */
#include "store/store_shrink.h"

#include <string.h>

/* --- tokens ---------------------------------------------------------------------------------- */

/* Slots below `end` are there to be read. A slot may be written for the first time behind ones that
 * are still empty: those belong to transactions that have not committed. */
static void apply_slot_end(ng_store *store, uint32_t end)
{
    if (end > store->given.slot_given)
        store->given.slot_given = end;
    if (end <= store_slot_end(store))
        return;
    atomic_store_explicit(&store->slot_end, end, memory_order_release);
    if (NGI_LIKELY(!ngi_wal_is_latched(store->wal)))
        atomic_store_explicit(&store->readable_end, end, memory_order_release);
}

/* Whose it is, and which it was. `is_new`: the slot is not below slot_end, so nobody reads it. */
static void apply_record(ng_store *store, const ngi_op_token *token, bool is_new)
{
    uint32_t slot = token->record.slot;
    const ng_token *old = &store_records(store)[slot];
    store_collection *collection = &store->collections[token->collection];
    if (is_new || old->slot == 0) {
        store->token_count++;
        ngi_groups_add(&store->token_groups, slot);
        collection->token_count++;
    } else if (old->flags & NG_TOKEN_ACTIVE) {
        store->active_token_count--;
        collection->active_count--;
    }
    if (token->record.flags & NG_TOKEN_ACTIVE) {
        store->active_token_count++;
        collection->active_count++;
    }
    if (is_new)
        ngi_store_record_write_new(store, slot, &token->record);
    else
        ngi_store_record_write(store, slot, &token->record);
}

static void apply_remove_label(ng_store *store, uint32_t slot)
{
    (void)ngi_change_begin(&store->labels.removals); /* to the end of the op */
    ngi_labels_remove(&store->labels, slot);
}

/* Two tokens may exchange their labels in one op: until the second has been applied both have the
 * same one, which is no trouble, for the index tells them apart by their slots. */
static ng_status apply_label(ng_store *store, const ngi_op_token *token, bool is_new)
{
    uint32_t slot = token->record.slot;
    if (!is_new)
        apply_remove_label(store, slot);
    return token->label == NULL ? NG_OK
                                : ngi_labels_put(&store->labels, slot, token->collection,
                                                 token->label, token->label_bytes);
}

static void apply_side(ng_store *store, uint32_t slot, const store_side *side)
{
    ngi_table_touch(&store->sides, slot, 1);
    ngi_shared_write(&store_sides(store)[slot], side, sizeof *side);
}

static ng_status apply_token_inside(ng_store *store, const ngi_op *op, const ngi_op_token *token,
                                    bool is_new)
{
    uint32_t slot = token->record.slot;
    if (token->label_bytes != NGI_OP_LABEL_KEEP) {
        ng_status status = apply_label(store, token, is_new);
        if (status != NG_OK)
            return status;
    }
    store_side side = {.updated_us = op->time_us,
                       .version = token->version,
                       .collection = token->collection};
    apply_side(store, slot, &side);
    if (token->vector == NGI_VECTOR_SET)
        ngi_vectors_put(store->vectors, slot, token->floats);
    else if (token->vector == NGI_VECTOR_NONE)
        ngi_vectors_remove(store->vectors, slot);
    const ng_token *old = &store_records(store)[slot];
    ng_status status =
        ngi_space_put(store, slot, is_new || old->slot == 0 ? NULL : old, &token->record);
    apply_record(store, token, is_new);
    return status;
}

static ng_status apply_token(ng_store *store, const ngi_op *op, const ngi_op_token *token,
                             bool is_new)
{
    if (is_new)
        return apply_token_inside(store, op, token, true);
    atomic_uint *stripe = store_stripe(store, token->record.slot);
    bool begun = ngi_change_begin(stripe);
    ng_status status = apply_token_inside(store, op, token, false);
    ngi_change_end(stripe, begun);
    return status;
}

static ng_status apply_tokens_put(ng_store *store, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status;
    uint32_t old_end = store_slot_end(store), end = old_end;
    NGI_TRY(ngi_op_list_open(op, &reader));
    while (reader.left > 0) {
        ngi_op_token token;
        NGI_TRY(ngi_op_token_next(&reader, &token));
        NGI_TRY(apply_token(store, op, &token, token.record.slot >= old_end));
        if (token.record.slot >= end)
            end = token.record.slot + 1;
    }
    apply_slot_end(store, end);
out:
    return status;
}

static ng_status apply_vectors_put(ng_store *store, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status;
    NGI_TRY(ngi_op_list_open(op, &reader));
    while (reader.left > 0) {
        ngi_op_vectors item;
        NGI_TRY(ngi_op_vectors_next(&reader, &item));
        atomic_uint *stripe = store_stripe(store, item.slot);
        bool begun = ngi_change_begin(stripe);
        ngi_vector_fields_put(store, &item);
        ngi_change_end(stripe, begun);
    }
out:
    return status;
}

static ng_status apply_attributes_put(ng_store *store, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status;
    NGI_TRY(ngi_op_list_open(op, &reader));
    while (reader.left > 0) {
        ngi_op_attributes item;
        NGI_TRY(ngi_op_attributes_next(&reader, false, &item));
        atomic_uint *stripe = store_stripe(store, item.slot);
        bool begun = ngi_change_begin(stripe);
        status = ngi_attributes_put(&store->attributes, &item);
        ngi_change_end(stripe, begun);
        if (status != NG_OK)
            break;
    }
out:
    return status;
}

/* A connection belongs to both its ends. */
typedef struct apply_ends {
    atomic_uint *stripes[2];
    bool begun[2];
} apply_ends;

static apply_ends apply_ends_begin(ng_store *store, const ng_connection *record)
{
    apply_ends ends;
    ends.stripes[0] = store_stripe(store, record->source);
    ends.stripes[1] = store_stripe(store, record->target);
    ends.begun[0] = ngi_change_begin(ends.stripes[0]);
    ends.begun[1] = ngi_change_begin(ends.stripes[1]);
    return ends;
}

static void apply_ends_end(const apply_ends *ends)
{
    ngi_change_end(ends->stripes[1], ends->begun[1]);
    ngi_change_end(ends->stripes[0], ends->begun[0]);
}

static ng_status apply_connection_remove(ng_store *store, uint32_t id)
{
    const ng_connection *record = ngi_graph_get(&store->graph, id);
    if (record == NULL)
        return ngi_fail(NG_E_INTERNAL, "a list leads to connection %u, which is not there", id);
    bool is_active = (record->flags & NG_CONNECTION_ACTIVE) != 0;
    apply_ends ends = apply_ends_begin(store, record);
    ng_status status = ngi_graph_remove(&store->graph, id);
    apply_ends_end(&ends);
    if (status != NG_OK)
        return status;
    ngi_groups_remove(&store->connection_groups, id);
    if (is_active)
        store->active_connection_count--;
    return NG_OK;
}

static ng_status apply_connection_delete(ng_store *store, uint32_t id)
{
    if (ngi_graph_get(&store->graph, id) == NULL)
        return NG_OK; /* named twice in one op */
    return apply_connection_remove(store, id);
}

static ng_status apply_token_delete_inside(ng_store *store, uint32_t slot)
{
    const ng_token *old = &store_records(store)[slot];
    ng_status status = NG_OK;
    for (uint32_t id; (id = ngi_graph_node_of(&store->graph, slot).first_out) != 0;)
        NGI_TRY(apply_connection_remove(store, id));
    for (uint32_t id; (id = ngi_graph_node_of(&store->graph, slot).first_in) != 0;)
        NGI_TRY(apply_connection_remove(store, id));
    apply_remove_label(store, slot);
    ngi_vectors_remove(store->vectors, slot);
    if (NGI_UNLIKELY(slot < store->vector_fields.set_end))
        ngi_vector_fields_remove(store, slot);
    store_collection *collection = &store->collections[store_sides(store)[slot].collection];
    NGI_TRY(ngi_attributes_remove(&store->attributes, slot));
    store->token_count--;
    ngi_groups_remove(&store->token_groups, slot);
    collection->token_count--;
    if (old->flags & NG_TOKEN_ACTIVE) {
        store->active_token_count--;
        collection->active_count--;
    }
    NGI_TRY(ngi_space_put(store, slot, old, NULL));
    const ng_token none = {0};
    ngi_store_record_write(store, slot, &none);
    apply_side(store, slot, &(store_side){0});
out:
    return status;
}

static ng_status apply_token_delete(ng_store *store, uint32_t slot)
{
    if (store_records(store)[slot].slot == 0)
        return NG_OK; /* named twice in one op */
    bool begun = ngi_change_begin(store_stripe(store, slot));
    ng_status status = apply_token_delete_inside(store, slot);
    ngi_change_end(store_stripe(store, slot), begun);
    return status;
}

/* --- connections ----------------------------------------------------------------------------- */

static ng_status apply_connection(ng_store *store, uint32_t id, const ng_connection *record)
{
    const ng_connection *old = ngi_graph_get(&store->graph, id);
    bool is_new = old == NULL;
    bool was_active = old != NULL && (old->flags & NG_CONNECTION_ACTIVE);
    apply_ends ends = apply_ends_begin(store, record);
    ng_status status = ngi_graph_put(&store->graph, id, record);
    apply_ends_end(&ends);
    if (status != NG_OK)
        return status;
    if (is_new)
        ngi_groups_add(&store->connection_groups, id);
    if (was_active)
        store->active_connection_count--;
    if (record->flags & NG_CONNECTION_ACTIVE)
        store->active_connection_count++;
    if (id >= store->given.id_given)
        store->given.id_given = id + 1;
    return NG_OK;
}

static ng_status apply_connections_put(ng_store *store, const ngi_op *op)
{
    ngi_op_reader reader;
    ng_status status;
    NGI_TRY(ngi_op_list_open(op, &reader));
    while (reader.left > 0) {
        uint32_t id;
        ng_connection record;
        NGI_TRY(ngi_op_connection_next(&reader, &id, &record));
        NGI_TRY(apply_connection(store, id, &record));
    }
out:
    return status;
}

/* Deletes what a list names, by `one`. */
static ng_status apply_list(ng_store *store, const ngi_op *op,
                            ng_status (*one)(ng_store *, uint32_t))
{
    ngi_op_reader reader;
    ng_status status;
    NGI_TRY(ngi_op_list_open(op, &reader));
    while (reader.left > 0) {
        uint32_t number;
        NGI_TRY(ngi_op_u32_next(&reader, &number));
        NGI_TRY(one(store, number));
    }
out:
    return status;
}

/* --- the rest -------------------------------------------------------------------------------- */

static void apply_collection_put(ng_store *store, const ngi_op *op)
{
    uint32_t number = ngi_get_u32(op->body);
    store_collection *added = &store->collections[number];
    if (number == store->collection_count)
        store->collection_count++;
    *added = (store_collection){.epoch = ++store->collection_epoch};
    memcpy(added->name, op->body + 8, op->body_bytes - 8);
}

/* The tokens that the op lists are all that the collection has. */
static ng_status apply_collection_drop(ng_store *store, const ngi_op *op)
{
    uint32_t count = ngi_get_u32(op->body + 4);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = op->body + NGI_OP_LIST_HEADER + 4 * (size_t)i;
        ng_status status = apply_token_delete(store, ngi_get_u32(at));
        if (status != NG_OK)
            return status;
    }
    store->collections[ngi_get_u32(op->body)] = (store_collection){0};
    return NG_OK;
}

static ng_status apply_projection_put(ng_store *store, const ngi_op *op)
{
    ngi_op_projection decoded;
    ng_status status = ngi_op_projection_decode(op, &decoded);
    if (status != NG_OK)
        return status;
    memcpy(store->projection.data, op->body, op->body_bytes);
    store->projection.bytes = op->body_bytes;
    store->projection_version++;
    ngi_vectors_set_projection(store->vectors, decoded.mean, decoded.components,
                               decoded.component_count);
    return NG_OK;
}

static ng_status apply_one(ng_store *store, const ngi_op *op)
{
    switch (op->kind) {
    case NGI_OP_TOKENS_PUT:
        return apply_tokens_put(store, op);
    case NGI_OP_TOKENS_DELETE:
        return apply_list(store, op, apply_token_delete);
    case NGI_OP_ATTRIBUTES_PUT:
        return apply_attributes_put(store, op);
    case NGI_OP_VECTORS_PUT:
        return apply_vectors_put(store, op);
    case NGI_OP_CONNECTIONS_PUT:
        return apply_connections_put(store, op);
    case NGI_OP_CONNECTIONS_DELETE:
        return apply_list(store, op, apply_connection_delete);
    case NGI_OP_COLLECTION_PUT:
        apply_collection_put(store, op);
        return NG_OK;
    case NGI_OP_COLLECTION_DROP:
        return apply_collection_drop(store, op);
    case NGI_OP_GRID_PUT:
    case NGI_OP_GRID_DROP:
    case NGI_OP_GRID_MEMBERS:
        return ngi_named_apply(store, op);
    case NGI_OP_VECTOR_FIELD_PUT:
    case NGI_OP_VECTOR_FIELD_DROP:
    case NGI_OP_VECTOR_FIELD_SWAP:
        ngi_vector_field_apply(store, op);
        return NG_OK;
    case NGI_OP_CDNA_PUT:
        store->cdna_version++;
        return ngi_cdna_decode(op->body, &store->cdna);
    case NGI_OP_PROJECTION_PUT:
        return apply_projection_put(store, op);
    case NGI_OP_INDEX_PUT:
        ngi_fields_install(&store->attributes.fields, ngi_get_u32(op->body));
        return NG_OK;
    case NGI_OP_INDEX_DELETE:
        ngi_fields_drop(&store->attributes.fields, ngi_get_u32(op->body));
        return NG_OK;
    default:
        return ngi_fail(NG_E_INTERNAL, "op of unknown kind %u", op->kind);
    }
}

ng_status ngi_store_apply(ng_store *store, const ngi_op *op)
{
    ng_status status;
    ngi_op_parts parts;
    if (op->kind == NGI_OP_TRANSACTION) {
        status = ngi_op_parts_decode(op, &parts);
        for (uint32_t i = 0; status == NG_OK && i < parts.count; i++)
            status = apply_one(store, &parts.part[i]);
    } else {
        status = apply_one(store, op);
    }
    ng_status published = ngi_grid_publish(store->grid);
    if (status == NG_OK)
        status = published;
    ngi_change_end(&store->labels.removals, ngi_change_count(&store->labels.removals) & 1u);
    /* Prepare has read the same bytes: whatever fails now is a broken invariant. */
    return status == NG_OK ? NG_OK : ngi_fail_prefix(NG_E_INTERNAL, "apply");
}
