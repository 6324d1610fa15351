/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Commit: what a transaction has staged becomes one op, or nothing.
 *
 * One pass under the log's lock verifies that the state is still the one from which the staged
 * records were computed, and that everything they need is there or free. What does not hold is a
 * conflict, with the present value: the first to commit has won. Then the records are encoded as
 * they were staged; nothing is computed again.
 *
 * What is verified for each staged thing:
 *   token updated or deleted   has the version it had
 *   token created              its collection is there
 *   vector in a named field    the field is there, and no other with its number
 *   label set                  is free, or its holder loses it by the same transaction
 *   connection created         ends are there, nothing joins them with that type, degree limits
 *   connection changed         is as it was; nothing joins its ends with a type that is new to it
 *   connection deleted         is as it was
 *   anything computed          the constitution is the same */
#include "store/store_txn_private.h"

#include <string.h>

/* --- conflicts ------------------------------------------------------------------------------- */

static ng_status verify_seq(const ng_txn *txn)
{
    ng_seq newest = ngi_wal_applied(txn->store->wal);
    if (txn->if_seq == 0 || txn->if_seq == newest)
        return NG_OK;
    ng_conflict conflict = {.kind = NG_CONFLICT_SEQ, .expected_seq = txn->if_seq};
    return ngi_store_fail_conflict(txn->store, &conflict, 0,
                                   "if_seq %llu: the store's newest op is %llu",
                                   (unsigned long long)txn->if_seq, (unsigned long long)newest);
}

/* That token `id` has `version`; 0 = that there is none. */
static ng_status verify_version(const ng_txn *txn, ng_token_id id, uint32_t version)
{
    ng_store *store = txn->store;
    uint32_t slot = store_live_slot(store, id);
    uint32_t present = slot != 0 ? store_sides(store)[slot].version : 0;
    if (present == version)
        return NG_OK;
    ng_conflict conflict = {.kind = NG_CONFLICT_VERSION,
                            .expected_version = version,
                            .version = present};
    if (slot == 0) {
        conflict.kind = NG_CONFLICT_ABSENT;
        return ngi_store_fail_conflict(store, &conflict, 0,
                                       "token %llu with version %u is not there any more",
                                       (unsigned long long)id, version);
    }
    if (version == 0) {
        conflict.kind = NG_CONFLICT_PRESENT;
        return ngi_store_fail_conflict(store, &conflict, slot, "token %u is there, with version %u",
                                       slot, present);
    }
    return ngi_store_fail_conflict(store, &conflict, slot, "token %u has version %u, not %u", slot,
                                   present, version);
}

static ng_status verify_conditions(const ng_txn *txn)
{
    ng_status status;
    NGI_TRY(verify_seq(txn));
    for (uint32_t i = 0; i < txn->version_count; i++)
        NGI_TRY(verify_version(txn, txn->versions[i].id, txn->versions[i].version));
    for (uint32_t i = 0; i < txn->absent_count; i++) {
        const txn_absent_condition *absent = &txn->absents[i];
        uint32_t holder =
            ngi_labels_find(&txn->store->labels, absent->collection, absent->label, absent->bytes);
        if (holder != 0 && ngi_overlay_keeps_label(txn, holder))
            return ngi_txn_fail_label(txn, holder, absent->label, absent->bytes, true);
    }
    if (txn->uses_cdna && txn->cdna_version != txn->store->cdna_version) {
        ng_conflict conflict = {.kind = NG_CONFLICT_CDNA};
        return ngi_store_fail_conflict(txn->store, &conflict, 0,
                                       "the constitution has changed since the transaction wrote");
    }
out:
    return status;
}

/* That the collection of a new token was not dropped meanwhile, whoever has its number now. */
static ng_status verify_collection(const ng_txn *txn, const txn_token *entry)
{
    const ng_store *store = txn->store;
    if (store_has_collection(store, entry->collection) &&
        store->collections[entry->collection].epoch == entry->collection_epoch)
        return NG_OK;
    ng_conflict conflict = {.kind = NG_CONFLICT_ABSENT};
    return ngi_store_fail_conflict(txn->store, &conflict, 0,
                                   "collection %u of token %u is not there any more",
                                   entry->collection, entry->record.slot);
}

ng_status ngi_txn_check_field(const ng_txn *txn, ng_vector_field_id id)
{
    const store_vector_field *field =
        id == 0 ? txn->store->vector_fields.main : ngi_vector_field(txn->store, id);
    if (txn->field_epochs[id] == 0 || (field != NULL && field->epoch == txn->field_epochs[id]))
        return NG_OK;
    ng_conflict conflict = {.kind = NG_CONFLICT_ABSENT};
    return ngi_store_fail_conflict(txn->store, &conflict, 0,
                                   id == 0 ? "the default field of vectors has others now"
                                           : "vector field %u is not there any more",
                                   id);
}

static ng_status verify_vectors(const ng_txn *txn, const txn_token *entry)
{
    ngi_op_vectors item;
    ng_status status = NG_OK;
    ngi_op_vectors_decode(entry->vectors, &item);
    for (uint32_t i = 0; i < item.count && status == NG_OK; i++)
        status = ngi_txn_check_field(txn, item.vectors[i].field);
    return status;
}

static ng_status verify_token(const ng_txn *txn, const txn_token *entry)
{
    ng_status status = NG_OK;
    if (entry->state == TXN_UPDATED || entry->state == TXN_DELETED)
        status = verify_version(txn, entry->record.slot, entry->base_version);
    if (status != NG_OK)
        return status;
    if (entry->state == TXN_CREATED)
        status = verify_collection(txn, entry);
    if (status == NG_OK && entry->vectors != NULL)
        status = verify_vectors(txn, entry);
    if (status == NG_OK && entry->vector == NGI_VECTOR_SET)
        status = ngi_txn_check_field(txn, 0);
    if (status != NG_OK || entry->label == NULL)
        return status;
    uint32_t holder =
        ngi_labels_find(&txn->store->labels, entry->collection, entry->label, entry->label_bytes);
    if (holder == 0 || holder == entry->record.slot || !ngi_overlay_keeps_label(txn, holder))
        return NG_OK;
    return ngi_txn_fail_label(txn, holder, entry->label, entry->label_bytes, true);
}

/* That an end is there, or created by this transaction. */
static ng_status verify_end(const ng_txn *txn, const txn_connection *connection, uint32_t slot)
{
    if (store_live_slot(txn->store, slot) != 0)
        return NG_OK;
    const txn_token *entry = ngi_overlay_token(txn, slot);
    if (entry != NULL && entry->state == TXN_CREATED)
        return NG_OK;
    ng_conflict conflict = {.kind = NG_CONFLICT_ABSENT};
    return ngi_store_fail_conflict(txn->store, &conflict, 0,
                                   "token %u, an end of connection %u, is not there any more", slot,
                                   connection->id);
}

/* That a connection is still the one from which the entry was computed. */
static ng_status verify_base(const ng_txn *txn, const txn_connection *entry)
{
    ng_conflict conflict = {.kind = NG_CONFLICT_ABSENT, .connection = entry->id};
    const ng_connection *present = ngi_graph_get(&txn->store->graph, entry->id);
    if (present == NULL)
        return ngi_store_fail_conflict(txn->store, &conflict, 0,
                                       "connection %u is not there any more", entry->id);
    if (memcmp(present, &entry->base, sizeof *present) == 0)
        return NG_OK;
    conflict.kind = NG_CONFLICT_CHANGED;
    return ngi_store_fail_conflict(txn->store, &conflict, 0,
                                   "connection %u was changed by someone else", entry->id);
}

static ng_status verify_connection(const ng_txn *txn, const txn_connection *entry)
{
    const ng_connection *record = &entry->record;
    ng_status status = NG_OK;
    if (entry->state == TXN_GONE)
        return NG_OK;
    if (entry->state == TXN_CREATED) {
        NGI_TRY(verify_end(txn, entry, record->source));
        NGI_TRY(verify_end(txn, entry, record->target));
    } else {
        NGI_TRY(verify_base(txn, entry));
        if (entry->state == TXN_DELETED || record->type == entry->base.type)
            return NG_OK;
    }
    uint32_t id = ngi_graph_find(&txn->store->graph, record->source, record->target, record->type);
    if (id != 0 && ngi_overlay_shows(txn, id, record))
        return ngi_txn_fail_joined(txn, id, record, true);
out:
    return status;
}

/* After all connections were verified. What begins at one token is mostly staged in a row. */
static ng_status verify_degrees(const ng_txn *txn)
{
    uint32_t last_source = 0;
    uint32_t last_target = 0;
    ng_status status = NG_OK;
    for (uint32_t i = 0; i < txn->connection_count; i++) {
        const txn_connection *entry = &txn->connections[i];
        if (entry->state != TXN_CREATED)
            continue;
        if (entry->record.source != last_source)
            NGI_TRY(ngi_overlay_check_degree(txn, entry->record.source, true, 0));
        if (entry->record.target != last_target)
            NGI_TRY(ngi_overlay_check_degree(txn, entry->record.target, false, 0));
        last_source = entry->record.source;
        last_target = entry->record.target;
    }
out:
    return status;
}

static ng_status commit_verify(const ng_txn *txn)
{
    ng_status status;
    NGI_TRY(verify_conditions(txn));
    for (uint32_t i = 0; i < txn->token_count; i++)
        NGI_TRY(verify_token(txn, &txn->tokens[i]));
    for (uint32_t i = 0; i < txn->connection_count; i++)
        NGI_TRY(verify_connection(txn, &txn->connections[i]));
    NGI_TRY(verify_degrees(txn));
out:
    return status;
}

/* --- encoding -------------------------------------------------------------------------------- */

/* What the op consists of; a part without items is left out. */
typedef struct commit_plan {
    uint32_t tokens_put, tokens_deleted, attributes_put, vectors_put;
    uint32_t connections_put, connections_deleted;
    uint32_t part_count;
    size_t bytes_max;
} commit_plan;

static bool is_put(txn_state state)
{
    return state == TXN_CREATED || state == TXN_UPDATED;
}

static void commit_measure(const ng_txn *txn, commit_plan *plan)
{
    *plan = (commit_plan){0};
    for (uint32_t i = 0; i < txn->token_count; i++) {
        const txn_token *entry = &txn->tokens[i];
        plan->tokens_deleted += entry->state == TXN_DELETED;
        plan->tokens_put += is_put(entry->state);
        if (is_put(entry->state))
            plan->bytes_max += ngi_op_token_bytes(entry->label != NULL ? entry->label_bytes : 0,
                                                  entry->dimensions) +
                               entry->attribute_bytes + entry->vector_bytes;
        plan->attributes_put += is_put(entry->state) && entry->attributes != NULL;
        plan->vectors_put += is_put(entry->state) && entry->vectors != NULL;
    }
    for (uint32_t i = 0; i < txn->connection_count; i++) {
        plan->connections_deleted += txn->connections[i].state == TXN_DELETED;
        plan->connections_put += is_put(txn->connections[i].state);
    }
    plan->part_count += plan->tokens_put != 0;
    plan->part_count += plan->tokens_deleted != 0;
    plan->part_count += plan->attributes_put != 0;
    plan->part_count += plan->vectors_put != 0;
    plan->part_count += plan->connections_put != 0;
    plan->part_count += plan->connections_deleted != 0;
    plan->bytes_max += 4 * ((size_t)plan->tokens_deleted + plan->connections_deleted) +
                       NGI_OP_CONNECTION_BYTES * (size_t)plan->connections_put +
                       NGI_OP_PARTS_HEADER +
                       NGI_OP_PARTS_MAX * (NGI_OP_PART_HEADER + NGI_OP_LIST_HEADER + 8);
}

static size_t encode_connections_deleted(const ng_txn *txn, uint8_t *body, uint32_t count)
{
    uint8_t *at = body + NGI_OP_LIST_HEADER;
    ngi_op_list_encode(body, count, 0);
    for (uint32_t i = 0; i < txn->connection_count; i++) {
        if (txn->connections[i].state != TXN_DELETED)
            continue;
        ngi_put_u32(at, txn->connections[i].id);
        at += 4;
    }
    return (size_t)(at - body);
}

static size_t encode_tokens_deleted(const ng_txn *txn, uint8_t *body, uint32_t count)
{
    uint8_t *at = body + NGI_OP_LIST_HEADER;
    ngi_op_list_encode(body, count, 0);
    for (uint32_t i = 0; i < txn->token_count; i++) {
        if (txn->tokens[i].state != TXN_DELETED)
            continue;
        ngi_put_u32(at, txn->tokens[i].record.slot);
        at += 4;
    }
    return (size_t)(at - body);
}

static size_t encode_tokens_put(const ng_txn *txn, uint8_t *body, uint32_t count)
{
    uint8_t *at = body + NGI_OP_LIST_HEADER;
    uint32_t dimensions = 0;
    for (uint32_t i = 0; i < txn->token_count; i++) {
        const txn_token *entry = &txn->tokens[i];
        if (!is_put(entry->state))
            continue;
        const ngi_op_token token = {.record = entry->record,
                                    .collection = entry->collection,
                                    .version = store_next_version(entry->base_version),
                                    .label_bytes = entry->label_bytes,
                                    .vector = entry->vector,
                                    .label = entry->label};
        at = ngi_op_token_encode(at, &token, entry->floats, entry->dimensions);
        if (entry->vector == NGI_VECTOR_SET)
            dimensions = entry->dimensions;
    }
    ngi_op_list_encode(body, count, dimensions);
    return (size_t)(at - body);
}

static size_t encode_attributes_put(const ng_txn *txn, uint8_t *body, uint32_t count)
{
    uint8_t *at = body + NGI_OP_LIST_HEADER;
    ngi_op_list_encode(body, count, 0);
    for (uint32_t i = 0; i < txn->token_count; i++) {
        const txn_token *entry = &txn->tokens[i];
        if (!is_put(entry->state) || entry->attributes == NULL)
            continue;
        memcpy(at, entry->attributes, entry->attribute_bytes);
        at += entry->attribute_bytes;
    }
    return (size_t)(at - body);
}

static size_t encode_vectors_put(const ng_txn *txn, uint8_t *body, uint32_t count)
{
    uint8_t *at = body + NGI_OP_LIST_HEADER;
    ngi_op_list_encode(body, count, 0);
    for (uint32_t i = 0; i < txn->token_count; i++) {
        const txn_token *entry = &txn->tokens[i];
        if (!is_put(entry->state) || entry->vectors == NULL)
            continue;
        memcpy(at, entry->vectors, entry->vector_bytes);
        at += entry->vector_bytes;
    }
    return (size_t)(at - body);
}

static size_t encode_connections_put(const ng_txn *txn, uint8_t *body, uint32_t count)
{
    uint8_t *at = body + NGI_OP_LIST_HEADER;
    ngi_op_list_encode(body, count, 0);
    for (uint32_t i = 0; i < txn->connection_count; i++) {
        const txn_connection *entry = &txn->connections[i];
        if (is_put(entry->state))
            at = ngi_op_connection_encode(at, entry->id, &entry->record);
    }
    return (size_t)(at - body);
}

/* A single part is an op of its own kind: nobody sees that it was a transaction. */
static size_t commit_encode(const ng_txn *txn, const commit_plan *plan, uint8_t *body,
                            ngi_op_kind *kind)
{
    const struct {
        ngi_op_kind kind;
        uint32_t count;
        size_t (*encode)(const ng_txn *, uint8_t *, uint32_t);
    } parts[NGI_OP_PARTS_MAX] = {
        {NGI_OP_CONNECTIONS_DELETE, plan->connections_deleted, encode_connections_deleted},
        {NGI_OP_TOKENS_DELETE, plan->tokens_deleted, encode_tokens_deleted},
        {NGI_OP_TOKENS_PUT, plan->tokens_put, encode_tokens_put},
        {NGI_OP_ATTRIBUTES_PUT, plan->attributes_put, encode_attributes_put},
        {NGI_OP_VECTORS_PUT, plan->vectors_put, encode_vectors_put},
        {NGI_OP_CONNECTIONS_PUT, plan->connections_put, encode_connections_put},
    };
    uint8_t *at = plan->part_count > 1 ? ngi_op_parts_begin(body) : body;
    size_t bytes = 0;
    for (size_t i = 0; i < NGI_OP_PARTS_MAX; i++) {
        if (parts[i].count == 0)
            continue;
        *kind = parts[i].kind;
        bytes = parts[i].encode(txn, at, parts[i].count);
        if (plan->part_count > 1)
            at = ngi_op_part_end(at, parts[i].kind, bytes);
    }
    if (plan->part_count <= 1)
        return bytes;
    *kind = NGI_OP_TRANSACTION;
    return ngi_op_parts_end(body, plan->part_count, at);
}

/* --- commit ---------------------------------------------------------------------------------- */

/* Verifies, writes and unlocks. `*used` receives whether its ids are used up: they are by a commit,
 * even of nothing, because an id that was told and then dropped is like that of a deleted token. */
static ng_status commit_locked(const ng_txn *txn, const commit_plan *plan,
                               const ng_write_options *write, bool *used)
{
    ng_store *store = txn->store;
    ng_seq before = ngi_wal_applied(store->wal);
    ng_status status = commit_verify(txn);
    if (status != NG_OK || plan->part_count == 0) {
        ngi_store_write_abandon(store);
        if (status == NG_OK && write != NULL && write->seq != NULL)
            *write->seq = 0;
        *used = status == NG_OK;
        return status;
    }
    ngi_op_kind kind = NGI_OP_TRANSACTION;
    size_t bytes = commit_encode(txn, plan, ngi_wal_body(store->wal), &kind);
    status = ngi_store_write_commit(store, kind, bytes, write);
    /* An op that was applied and could not be made durable has stopped the store: its ids do not
     * matter any more, but they are not free either. */
    *used =
        status == NG_OK || (ngi_wal_is_latched(store->wal) && ngi_wal_applied(store->wal) > before);
    return status;
}

ng_status ngi_txn_commit(ng_txn *txn, const ng_write_options *write)
{
    ng_store *store = txn->store;
    commit_plan plan;
    bool used = false;
    ng_status status = NG_OK;
    commit_measure(txn, &plan);
    if (write != NULL &&
        (write->txn != NULL || write->if_version != 0 || (write->flags & NG_WRITE_IF_ABSENT)))
        status = ngi_fail(NG_E_INVALID,
                          "write of a commit: txn, if_version and NG_WRITE_IF_ABSENT are for the "
                          "writes inside");
    if (status == NG_OK)
        status = ngi_store_write_begin(store, plan.bytes_max, write);
    if (status == NG_OK)
        status = commit_locked(txn, &plan, write, &used);
    if (status == NG_OK)
        atomic_fetch_add_explicit(&store->commit_count, 1, memory_order_relaxed);
    if (used)
        ngi_txn_end(txn);
    else
        ngi_txn_rollback(txn);
    return status;
}
