/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Ops of the twin, done on a store through the calls a program would use. */
#include "twin.h"

#include "store/store.h"

#include <stdlib.h>
#include <string.h>

static ng_status perform_create(ng_store *store, twin_op *op, const ng_write_options *write)
{
    if (op->count == 1 && !op->as_batch)
        return ng_token_create(store, &op->items[0].fields, write, &op->items[0].id);
    ng_token_fields fields[TWIN_BATCH_MAX];
    ng_token_id ids[TWIN_BATCH_MAX] = {0};
    for (size_t i = 0; i < op->count; i++)
        fields[i] = op->items[i].fields;
    ng_status status = ng_token_create_many(store, fields, op->count, write, ids);
    for (size_t i = 0; i < op->count && status == NG_OK; i++)
        op->items[i].id = ids[i];
    return status;
}

static ng_status perform_update(ng_store *store, twin_op *op, const ng_write_options *write)
{
    if (op->count == 1 && !op->as_batch)
        return ng_token_update(store, op->items[0].id, &op->items[0].fields, write);
    ng_token_fields fields[TWIN_BATCH_MAX];
    ng_token_id ids[TWIN_BATCH_MAX] = {0};
    for (size_t i = 0; i < op->count; i++) {
        fields[i] = op->items[i].fields;
        ids[i] = op->items[i].id;
    }
    return ng_token_update_many(store, ids, fields, op->count, write);
}

/* That something was created which should have been changed, or the other way round, is no answer
 * that an op expects. */
static ng_status perform_upsert(ng_store *store, twin_op *op, const ng_write_options *write)
{
    ng_token_fields fields[TWIN_BATCH_MAX];
    ng_token_id ids[TWIN_BATCH_MAX] = {0};
    bool created[TWIN_BATCH_MAX] = {false};
    for (size_t i = 0; i < op->count; i++)
        fields[i] = op->items[i].fields;
    ng_status status = op->as_batch
                           ? ng_token_upsert_many(store, fields, op->count, write, ids, created)
                           : ng_token_upsert(store, fields, write, ids, created);
    for (size_t i = 0; i < op->count && status == NG_OK; i++) {
        if (created[i] != op->items[i].created ||
            (!created[i] && op->items[i].id != 0 && op->items[i].id != ids[i]))
            return NG_E_INTERNAL;
        op->items[i].id = ids[i];
    }
    return status;
}

static ng_status perform_connect(ng_store *store, twin_op *op, const ng_write_options *write)
{
    if (op->count == 1 && !op->as_batch)
        return ng_connection_create(store, &op->links[0].fields, write, &op->links[0].id);
    ng_connection_fields fields[TWIN_BATCH_MAX];
    ng_connection_id ids[TWIN_BATCH_MAX] = {0};
    for (size_t i = 0; i < op->count; i++)
        fields[i] = op->links[i].fields;
    ng_status status = ng_connection_create_many(store, fields, op->count, write, ids);
    for (size_t i = 0; i < op->count && status == NG_OK; i++)
        op->links[i].id = ids[i];
    return status;
}

static ng_status perform_relink(ng_store *store, twin_op *op, const ng_write_options *write)
{
    if (op->count == 1 && !op->as_batch)
        return ng_connection_update(store, op->links[0].id, &op->links[0].fields, write);
    ng_connection_fields fields[TWIN_BATCH_MAX];
    ng_connection_id ids[TWIN_BATCH_MAX];
    for (size_t i = 0; i < op->count; i++) {
        fields[i] = op->links[i].fields;
        ids[i] = op->links[i].id;
    }
    return ng_connection_update_many(store, ids, fields, op->count, write);
}

static ng_status perform_join(ng_store *store, twin_op *op, const ng_write_options *write)
{
    ng_connection_fields fields[TWIN_BATCH_MAX];
    ng_connection_id ids[TWIN_BATCH_MAX] = {0};
    bool created[TWIN_BATCH_MAX] = {false};
    for (size_t i = 0; i < op->count; i++)
        fields[i] = op->links[i].fields;
    ng_status status =
        op->count == 1 && !op->as_batch
            ? ng_connection_upsert(store, fields, write, ids, created)
            : ng_connection_upsert_many(store, fields, op->count, write, ids, created);
    for (size_t i = 0; i < op->count && status == NG_OK; i++) {
        if (op->links[i].id != 0 && (op->links[i].id != ids[i] || created[i]))
            return NG_E_INTERNAL; /* it was there */
        if (op->links[i].id == 0 && !created[i])
            return NG_E_INTERNAL;
        op->links[i].id = ids[i];
    }
    return status;
}

static ng_status perform_activate(ng_store *store, twin_op *op, const ng_write_options *write)
{
    ng_connection_id ids[TWIN_BATCH_MAX];
    for (size_t i = 0; i < op->count; i++)
        ids[i] = op->links[i].id;
    return op->count == 1 && !op->as_batch
               ? ng_connection_activate(store, ids[0], write)
               : ng_connection_activate_many(store, ids, op->count, write);
}

static ng_status perform_disconnect(ng_store *store, twin_op *op, const ng_write_options *write)
{
    if (op->count == 0)
        return ng_connection_delete(store, op->connection, write);
    ng_connection_id ids[TWIN_BATCH_MAX];
    for (size_t i = 0; i < op->count; i++)
        ids[i] = op->links[i].id;
    return ng_connection_delete_many(store, ids, op->count, write);
}

static ng_status perform_projection(ng_store *store, twin_op *op, const ng_write_options *write)
{
    ngi_projection projection = {.dimensions = op->projection.dimensions,
                                 .component_count = op->projection.component_count,
                                 .vector_count = 1,
                                 .mean = op->projection.mean,
                                 .components = op->projection.components};
    for (uint32_t i = 0; i < projection.component_count; i++)
        projection.explained[i] = 0.5 / (i + 1.0) / projection.component_count;
    return ngi_store_projection_set(store, &projection, write);
}

ng_status twin_perform(ng_store *store, twin_op *op, uint32_t write_flags)
{
    op->seq = 0;
    ng_write_options write = {.struct_size = sizeof write,
                              .flags = write_flags | (op->if_absent ? NG_WRITE_IF_ABSENT : 0),
                              .actor = 7,
                              .seq = &op->seq,
                              .durability = op->durability,
                              .if_version = op->if_version,
                              .if_seq = op->if_seq,
                              .txn = op->txn};
    switch (op->kind) {
    case TWIN_CREATE:
        return perform_create(store, op, &write);
    case TWIN_UPDATE:
        return perform_update(store, op, &write);
    case TWIN_UPSERT:
        return perform_upsert(store, op, &write);
    case TWIN_DELETE:
        return op->as_batch ? ng_token_delete_many(store, op->deleted, op->count, &write)
                            : ng_token_delete(store, op->token, &write);
    case TWIN_CONNECT:
        return perform_connect(store, op, &write);
    case TWIN_DISCONNECT:
        return perform_disconnect(store, op, &write);
    case TWIN_RELINK:
        return perform_relink(store, op, &write);
    case TWIN_JOIN:
        return perform_join(store, op, &write);
    case TWIN_ACTIVATE:
        return perform_activate(store, op, &write);
    case TWIN_COLLECTION:
        return ng_collection_create(store, op->name, &write, &op->collection);
    case TWIN_CLEAR:
        return ng_collection_clear(store, op->collection, &write, NULL);
    case TWIN_DROP:
        return ng_collection_drop(store, op->collection, &write, NULL);
    case TWIN_CDNA:
        return ng_cdna_set(store, &op->cdna, &write);
    case TWIN_PROJECTION:
        return perform_projection(store, op, &write);
    case TWIN_INDEX:
        return twin_perform_index(store, op, &write);
    case TWIN_FIELD:
        return twin_perform_field(store, op, &write);
    case TWIN_TRANSACTION:
        break; /* is done by twin_transact, step by step */
    }
    return NG_E_INTERNAL;
}

/* Ids that the store has and the twin has never seen, in order: those of the op in doubt. */
static bool guess_tokens(const twin_state *twin, const ng_store *store, twin_op *op)
{
    size_t found = 0, count = 0;
    ng_token_id after = 0, page[256];
    do {
        if (ng_token_list(store, NG_COLLECTION_ANY, after, page, 256, &count) != NG_OK)
            return false;
        for (size_t i = 0; i < count; i++) {
            if (twin_find(twin, page[i]) != NULL)
                continue;
            if (found < op->count)
                op->items[found].id = page[i];
            found++;
        }
        after = count != 0 ? page[count - 1] : 0;
    } while (count == 256);
    return found == op->count;
}

static bool guess_upserted(const twin_state *twin, const ng_store *store, twin_op *op)
{
    for (size_t i = 0; i < op->count; i++) {
        twin_item *item = &op->items[i];
        if (ng_token_find(store, item->fields.collection, item->fields.label,
                          item->fields.label_bytes, &item->id) != NG_OK)
            return false;
        if (item->created == (twin_find(twin, item->id) != NULL))
            return false;
    }
    return true;
}

static bool guess_connections(const twin_state *twin, const ng_store *store, twin_op *op)
{
    for (size_t i = 0; i < op->count; i++) {
        ng_edge edges[256];
        size_t count = 0;
        bool found = op->links[i].id != 0; /* an upsert of one that was there */
        if (!found &&
            ng_connections_between(store, op->links[i].fields.source, op->links[i].fields.target,
                                   edges, 256, &count) != NG_OK)
            return false;
        uint8_t type = op->links[i].fields.set & NG_CFIELD_TYPE ? op->links[i].fields.type
                                                                : NG_CONNECTION_TYPE_DEFAULT;
        for (size_t k = 0; k < count && k < 256 && !found; k++) {
            if (edges[k].source != op->links[i].fields.source || edges[k].type != type ||
                twin_find_connection(twin, edges[k].id) != NULL)
                continue;
            op->links[i].id = edges[k].id;
            found = true;
        }
        if (!found)
            return false;
    }
    return true;
}

static bool learn_tokens(const ng_store *store, twin_op *op)
{
    for (size_t i = 0; i < op->count; i++) {
        ng_token_info info;
        if (ng_token_get(store, op->items[i].id, &info) != NG_OK)
            return false;
        op->items[i].timestamp = info.record.timestamp;
        op->items[i].updated_us = info.updated_us;
    }
    return true;
}

static bool learn_connections(const twin_state *twin, const ng_store *store, twin_op *op)
{
    for (size_t i = 0; i < op->count; i++) {
        ng_connection record;
        if (ng_connection_get(store, op->links[i].id, &record) != NG_OK ||
            !twin_learn_link(twin, op, i, &record))
            return false;
    }
    return true;
}

/* The times of a constitution are the store's; every other value must come back as it was given. */
static bool learn_cdna(const ng_store *store, twin_op *op)
{
    ng_cdna stored;
    if (ng_cdna_get(store, &stored) != NG_OK)
        return false;
    op->cdna.created_at = stored.created_at;
    op->cdna.modified_at = stored.modified_at;
    return true;
}

/* A token that is as before, after a change and its opposite, may or may not have been written; any
 * other counts once. */
static bool learn_put(const twin_state *twin, const ng_store *store, twin_token *put)
{
    const twin_token *before = twin_find(twin, put->id);
    ng_token_info info;
    if (ng_token_get(store, put->id, &info) != NG_OK)
        return false;
    if (before == NULL)
        put->record.timestamp = info.record.timestamp;
    else if (info.version == before->version && twin_is_same(before, put, twin->dimensions))
        put->version = before->version;
    put->updated_us = info.updated_us;
    return info.version == put->version;
}

static bool learn_effects(const twin_state *twin, const ng_store *store, twin_effects *effects)
{
    ng_connection record;
    ng_token token;
    for (size_t i = 0; i < effects->put_count; i++) {
        if (!learn_put(twin, store, &effects->puts[i]))
            return false;
    }
    for (size_t i = 0; i < effects->linked_count; i++) {
        const ng_connection *staged = &effects->linked[i].record;
        if (ng_connection_get(store, effects->linked[i].id, &record) != NG_OK)
            return false;
        if (memcmp(staged, &record, sizeof record) != 0) /* as it was staged, times included */
            return false;
    }
    for (size_t i = 0; i < effects->deleted_count; i++) {
        if (ng_token_read(store, effects->deleted[i], &token) != NG_E_NOT_FOUND)
            return false;
    }
    for (size_t i = 0; i < effects->unlinked_count; i++) {
        if (ng_connection_get(store, effects->unlinked[i], &record) != NG_E_NOT_FOUND)
            return false;
    }
    return true;
}

bool twin_learn(const twin_state *twin, const ng_store *store, twin_op *op, bool guess)
{
    switch (op->kind) {
    case TWIN_CREATE:
        return (!guess || guess_tokens(twin, store, op)) && learn_tokens(store, op);
    case TWIN_UPDATE:
        return learn_tokens(store, op);
    case TWIN_UPSERT:
        return (!guess || guess_upserted(twin, store, op)) && learn_tokens(store, op);
    case TWIN_CONNECT:
    case TWIN_JOIN:
        return (!guess || guess_connections(twin, store, op)) && learn_connections(twin, store, op);
    case TWIN_RELINK:
    case TWIN_ACTIVATE:
        return learn_connections(twin, store, op);
    case TWIN_CDNA:
        return learn_cdna(store, op);
    case TWIN_FIELD:
        return twin_learn_field(store, op);
    case TWIN_TRANSACTION:
        return op->seq == 0 || learn_effects(twin, store, &op->effects);
    case TWIN_DELETE:
    case TWIN_DISCONNECT:
    case TWIN_COLLECTION:
    case TWIN_CLEAR:
    case TWIN_DROP:
    case TWIN_PROJECTION:
    case TWIN_INDEX:
        return true;
    }
    return false;
}

const char *twin_compare_conflict(const twin_state *twin, const twin_op *op, char *out)
{
    ng_conflict conflict;
    if (!ng_last_conflict(&conflict))
        return TWIN_DIFFER(out, "%s: a conflict that ng_last_conflict does not know",
                           twin_kind_name(op->kind));
    if (conflict.kind != op->conflict || conflict.seq != twin->seq)
        return TWIN_DIFFER(out, "%s: conflict %d at op %llu, expected %d at op %llu",
                           twin_kind_name(op->kind), (int)conflict.kind,
                           (unsigned long long)conflict.seq, (int)op->conflict,
                           (unsigned long long)twin->seq);
    if (conflict.kind == NG_CONFLICT_SEQ && conflict.expected_seq != op->if_seq)
        return TWIN_DIFFER(out, "%s: expected_seq %llu, not %llu", twin_kind_name(op->kind),
                           (unsigned long long)conflict.expected_seq,
                           (unsigned long long)op->if_seq);
    if (conflict.kind == NG_CONFLICT_VERSION) {
        const twin_token *token = twin_find(twin, conflict.token.id);
        if (token == NULL || conflict.expected_version != op->if_version ||
            conflict.version != token->version ||
            memcmp(&conflict.token.record, &token->record, sizeof token->record) != 0)
            return TWIN_DIFFER(out, "%s: conflict of version %u with %u, expected %u with %u",
                               twin_kind_name(op->kind), conflict.expected_version,
                               conflict.version, op->if_version,
                               token == NULL ? 0 : token->version);
    }
    if (conflict.kind == NG_CONFLICT_PRESENT && conflict.connection == 0 &&
        twin_find(twin, conflict.token.id) == NULL)
        return TWIN_DIFFER(out, "%s: conflict with token %llu, which is not there",
                           twin_kind_name(op->kind), (unsigned long long)conflict.token.id);
    if (conflict.kind == NG_CONFLICT_PRESENT && conflict.connection != 0 &&
        twin_find_connection(twin, conflict.connection) == NULL)
        return TWIN_DIFFER(out, "%s: conflict with connection %llu, which is not there",
                           twin_kind_name(op->kind), (unsigned long long)conflict.connection);
    return NULL;
}
