/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* State of the twin and the effect of each op on it. */
#include "twin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *twin_grow(void *items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return items;
    size_t wanted = *capacity == 0 ? 64 : *capacity * 2;
    void *grown = realloc(items, wanted * item_bytes);
    if (grown == NULL)
        abort();
    *capacity = wanted;
    return grown;
}

static void *twin_copy(const void *from, size_t bytes)
{
    if (from == NULL || bytes == 0)
        return NULL;
    void *copy = malloc(bytes);
    if (copy == NULL)
        abort();
    return memcpy(copy, from, bytes);
}

void twin_init(twin_state *twin, const ng_store *store)
{
    memset(twin, 0, sizeof *twin);
    ng_info info;
    if (ng_store_info(store, &info) != NG_OK || ng_cdna_get(store, &twin->cdna) != NG_OK)
        abort();
    memcpy(twin->scales, info.scales, sizeof twin->scales);
    memcpy(twin->origins, info.origins, sizeof twin->origins);
    twin->dimensions = info.dimensions;
    snprintf(twin->collections[0], 65, "runtime");
    snprintf(twin->collections[1], 65, "semantic");
    twin->collection_count = 2;
    ng_positions(store, &twin->seq, NULL);
}

static void token_copy(twin_token *to, const twin_token *from, uint32_t dimensions)
{
    *to = *from;
    to->label = twin_copy(from->label, from->label_bytes);
    to->vector = twin_copy(from->vector, dimensions * sizeof(float));
    to->tags = twin_copy(from->tags, from->tag_bytes);
    to->data = twin_copy(from->data, from->data_bytes);
    twin_copy_vectors(to, from);
}

void twin_token_release(twin_token *token)
{
    free(token->label);
    free(token->vector);
    free(token->tags);
    free(token->data);
    twin_release_vectors(token);
    token->label = token->tags = token->data = NULL;
    token->vector = NULL;
    token->label_bytes = token->tag_bytes = token->data_bytes = 0;
    token->expires_us = 0;
}

void twin_clone(const twin_state *twin, twin_state *out)
{
    *out = *twin;
    out->tokens = twin_copy(twin->tokens, twin->token_count * sizeof *twin->tokens);
    out->token_capacity = twin->token_count;
    for (size_t i = 0; i < twin->token_count; i++)
        token_copy(&out->tokens[i], &twin->tokens[i], twin->dimensions);
    out->connections =
        twin_copy(twin->connections, twin->connection_count * sizeof *twin->connections);
    out->connection_capacity = twin->connection_count;
    const twin_projection *from = &twin->projection;
    out->projection.mean = twin_copy(from->mean, from->dimensions * sizeof(float));
    out->projection.components = twin_copy(from->components, (size_t)from->component_count *
                                                                 from->dimensions * sizeof(float));
}

bool twin_is_same(const twin_token *a, const twin_token *b, uint32_t dimensions)
{
    return memcmp(&a->record, &b->record, sizeof a->record) == 0 &&
           a->label_bytes == b->label_bytes &&
           (a->label_bytes == 0 || memcmp(a->label, b->label, a->label_bytes) == 0) &&
           (a->vector == NULL) == (b->vector == NULL) &&
           (a->vector == NULL || memcmp(a->vector, b->vector, dimensions * sizeof(float)) == 0) &&
           twin_same_vectors(a, b) && twin_same_attributes(a, b);
}

void twin_forget(twin_state *twin, const twin_state *base)
{
    size_t kept = 0;
    for (size_t i = 0; i < twin->token_count; i++) {
        if (twin->tokens[i].alive || twin_find(base, twin->tokens[i].id) != NULL)
            twin->tokens[kept++] = twin->tokens[i];
    }
    twin->token_count = kept;
    kept = 0;
    for (size_t i = 0; i < twin->connection_count; i++) {
        if (twin->connections[i].alive ||
            twin_find_connection(base, twin->connections[i].id) != NULL)
            twin->connections[kept++] = twin->connections[i];
    }
    twin->connection_count = kept;
}

void twin_release(twin_state *twin)
{
    for (size_t i = 0; i < twin->token_count; i++)
        twin_token_release(&twin->tokens[i]);
    free(twin->tokens);
    free(twin->connections);
    free(twin->projection.mean);
    free(twin->projection.components);
    memset(twin, 0, sizeof *twin);
}

static size_t token_position(const twin_state *twin, ng_token_id id)
{
    size_t low = 0, high = twin->token_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (twin->tokens[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

twin_token *twin_find(const twin_state *twin, ng_token_id id)
{
    size_t position = token_position(twin, id);
    return position < twin->token_count && twin->tokens[position].id == id ? &twin->tokens[position]
                                                                           : NULL;
}

static size_t connection_position(const twin_state *twin, ng_connection_id id)
{
    size_t low = 0, high = twin->connection_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (twin->connections[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

twin_connection *twin_find_connection(const twin_state *twin, ng_connection_id id)
{
    size_t position = connection_position(twin, id);
    return position < twin->connection_count && twin->connections[position].id == id
               ? &twin->connections[position]
               : NULL;
}

twin_token *twin_find_label(const twin_state *twin, ng_collection_id collection, const char *label,
                            size_t bytes)
{
    for (size_t i = 0; i < twin->token_count; i++) {
        twin_token *token = &twin->tokens[i];
        if (token->alive && token->collection == collection && token->label_bytes == bytes &&
            bytes != 0 && memcmp(token->label, label, bytes) == 0)
            return token;
    }
    return NULL;
}

uint32_t twin_degree(const twin_state *twin, ng_token_id id, ng_direction direction)
{
    uint32_t degree = 0;
    for (size_t i = 0; i < twin->connection_count; i++) {
        const twin_connection *connection = &twin->connections[i];
        if (!connection->alive)
            continue;
        degree += (direction & NG_OUTGOING) && connection->source == id;
        degree += (direction & NG_INCOMING) && connection->target == id;
    }
    return degree;
}

int16_t twin_encode(const twin_state *twin, int space, int axis, float value)
{
    double steps = ((double)value - (double)twin->origins[space][axis]) * twin->scales[space][axis];
    return (int16_t)lrint(steps); /* the default mode: to nearest, ties to even */
}

void twin_apply_fields(const twin_state *twin, const ng_token_fields *fields, ng_token *record)
{
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            if (fields->spaces_clear & (1 << space))
                record->coordinates[space][axis] = NG_COORDINATE_ABSENT;
            if (fields->spaces_set & (1 << space))
                record->coordinates[space][axis] =
                    twin_encode(twin, space, axis, fields->coordinates[space][axis]);
        }
    }
    if (fields->set & NG_FIELD_WEIGHT)
        record->weight = fields->weight;
    if (fields->set & NG_FIELD_RADIUS)
        record->field_radius = (uint8_t)lrint((double)fields->field_radius * 100);
    if (fields->set & NG_FIELD_STRENGTH)
        record->field_strength = (uint8_t)lrint((double)fields->field_strength * 255);
    unsigned flags = record->flags;
    if (fields->set & NG_FIELD_FLAGS)
        flags = (flags & NG_TOKEN_ENTITY_MASK) | fields->flags;
    flags &= ~(unsigned)fields->flags_clear;
    flags |= fields->flags_set;
    if (fields->set & NG_FIELD_ENTITY)
        flags = (flags & ~(unsigned)NG_TOKEN_ENTITY_MASK) | (unsigned)fields->entity
                                                                << NG_TOKEN_ENTITY_SHIFT;
    record->flags = (uint16_t)flags;
}

static void token_take_fields(twin_state *twin, twin_token *token, const ng_token_fields *fields)
{
    twin_apply_fields(twin, fields, &token->record);
    if (fields->set & NG_FIELD_LABEL) {
        free(token->label);
        token->label = twin_copy(fields->label, fields->label_bytes);
        token->label_bytes = fields->label_bytes;
    }
    if (fields->set & NG_FIELD_VECTOR) {
        free(token->vector);
        token->vector = twin_copy(fields->vector, fields->vector_dimensions * sizeof(float));
        if (fields->vector_dimensions != 0)
            twin->dimensions = (uint32_t)fields->vector_dimensions;
    }
    twin_take_vectors(twin, token, fields);
    twin_take_attributes(token, fields);
}

/* A place for a token that the twin has never seen. */
static twin_token *twin_insert(twin_state *twin, ng_token_id id)
{
    size_t position = token_position(twin, id);
    twin->tokens =
        twin_grow(twin->tokens, twin->token_count, &twin->token_capacity, sizeof *twin->tokens);
    memmove(&twin->tokens[position + 1], &twin->tokens[position],
            (twin->token_count - position) * sizeof *twin->tokens);
    twin->token_count++;
    twin->live_tokens++;
    twin_token *token = &twin->tokens[position];
    memset(token, 0, sizeof *token);
    token->id = id;
    return token;
}

static void twin_create(twin_state *twin, const twin_item *item)
{
    twin_token *token = twin_insert(twin, item->id);
    token->alive = true;
    token->version = 1;
    token->updated_us = item->updated_us;
    token->collection = item->fields.collection;
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            token->record.coordinates[space][axis] = NG_COORDINATE_ABSENT;
    }
    token->record.slot = (uint32_t)item->id;
    token->record.weight = 1;
    token->record.field_radius = 100;
    token->record.field_strength = 255;
    token->record.flags = NG_TOKEN_ACTIVE;
    token->record.timestamp = item->timestamp;
    token_take_fields(twin, token, &item->fields);
}

static void twin_update(twin_state *twin, const twin_item *item)
{
    twin_token *token = twin_find(twin, item->id);
    token_take_fields(twin, token, &item->fields);
    token->version++;
    token->updated_us = item->updated_us;
}

static void twin_delete(twin_state *twin, ng_token_id id)
{
    twin_token *token = twin_find(twin, id);
    token->alive = false;
    twin->live_tokens--;
    twin_token_release(token);
    for (size_t i = 0; i < twin->connection_count; i++) {
        twin_connection *connection = &twin->connections[i];
        if (connection->alive && (connection->source == id || connection->target == id)) {
            connection->alive = false;
            twin->live_connections--;
        }
    }
}

static void twin_clear(twin_state *twin, ng_collection_id collection)
{
    for (size_t i = 0; i < twin->token_count; i++) {
        if (twin->tokens[i].alive && twin->tokens[i].collection == collection)
            twin_delete(twin, twin->tokens[i].id);
    }
}

/* Adds a connection, or replaces the record of one that is there. */
static void twin_connect(twin_state *twin, const twin_connection *connection)
{
    size_t position = connection_position(twin, connection->id);
    if (twin_find_connection(twin, connection->id) != NULL) {
        twin->connections[position].record = connection->record;
        return;
    }
    twin->connections = twin_grow(twin->connections, twin->connection_count,
                                  &twin->connection_capacity, sizeof *twin->connections);
    memmove(&twin->connections[position + 1], &twin->connections[position],
            (twin->connection_count - position) * sizeof *twin->connections);
    twin->connection_count++;
    twin->live_connections++;
    twin->connections[position] = *connection;
}

static void twin_link_apply(twin_state *twin, const twin_link *link)
{
    twin_connect(twin, &(twin_connection){.id = link->id,
                                          .alive = true,
                                          .source = link->record.source,
                                          .target = link->record.target,
                                          .record = link->record});
}

static void twin_disconnect(twin_state *twin, ng_connection_id id)
{
    twin_find_connection(twin, id)->alive = false;
    twin->live_connections--;
}

static void twin_put(twin_state *twin, const twin_token *after)
{
    twin_token *token = twin_find(twin, after->id);
    if (token == NULL)
        token = twin_insert(twin, after->id);
    twin_token_release(token);
    if (after->vector != NULL && twin->dimensions == 0)
        abort(); /* a transaction never stores the first vector of a store: see twin_transact */
    token_copy(token, after, twin->dimensions);
}

static void twin_take_effects(twin_state *twin, const twin_effects *effects)
{
    for (size_t i = 0; i < effects->unlinked_count; i++)
        twin_disconnect(twin, effects->unlinked[i]);
    for (size_t i = 0; i < effects->deleted_count; i++)
        twin_delete(twin, effects->deleted[i]);
    for (size_t i = 0; i < effects->put_count; i++)
        twin_put(twin, &effects->puts[i]);
    for (size_t i = 0; i < effects->linked_count; i++)
        twin_connect(twin, &effects->linked[i]);
}

static void twin_project(twin_state *twin, const twin_projection *from)
{
    free(twin->projection.mean);
    free(twin->projection.components);
    twin->projection = *from;
    twin->projection.mean = twin_copy(from->mean, from->dimensions * sizeof(float));
    twin->projection.components = twin_copy(from->components, (size_t)from->component_count *
                                                                  from->dimensions * sizeof(float));
}

void twin_apply(twin_state *twin, const twin_op *op)
{
    if (op->seq == 0)
        return;
    twin->seq = op->seq;
    switch (op->kind) {
    case TWIN_CREATE:
        for (size_t i = 0; i < op->count; i++)
            twin_create(twin, &op->items[i]);
        break;
    case TWIN_UPDATE:
        for (size_t i = 0; i < op->count; i++)
            twin_update(twin, &op->items[i]);
        break;
    case TWIN_UPSERT:
        for (size_t i = 0; i < op->count; i++) {
            if (op->items[i].created)
                twin_create(twin, &op->items[i]);
            else
                twin_update(twin, &op->items[i]);
        }
        break;
    case TWIN_DELETE:
        for (size_t i = 0; op->as_batch && i < op->count; i++)
            twin_delete(twin, op->deleted[i]);
        if (!op->as_batch)
            twin_delete(twin, op->token);
        break;
    case TWIN_CONNECT:
    case TWIN_RELINK:
    case TWIN_JOIN:
    case TWIN_ACTIVATE:
        for (size_t i = 0; i < op->count; i++)
            twin_link_apply(twin, &op->links[i]);
        break;
    case TWIN_DISCONNECT:
        for (size_t i = 0; i < op->count; i++)
            twin_disconnect(twin, op->links[i].id);
        if (op->count == 0)
            twin_disconnect(twin, op->connection);
        break;
    case TWIN_COLLECTION:
        snprintf(twin->collections[twin->collection_count++], 65, "%s", op->name);
        break;
    case TWIN_CLEAR:
        twin_clear(twin, op->collection);
        break;
    case TWIN_DROP:
        twin_clear(twin, op->collection);
        twin->collections[op->collection][0] = '\0';
        break;
    case TWIN_CDNA:
        twin->cdna = op->cdna;
        break;
    case TWIN_PROJECTION:
        twin_project(twin, &op->projection);
        break;
    case TWIN_INDEX:
        twin->indexes[op->index] = !op->drops;
        break;
    case TWIN_FIELD:
        twin_take_field(twin, op);
        break;
    case TWIN_TRANSACTION:
        twin_take_effects(twin, &op->effects);
        break;
    }
}

void twin_op_release(twin_op *op)
{
    for (size_t i = 0; op->items != NULL && i < op->count; i++) {
        free((void *)(uintptr_t)op->items[i].fields.label);
        free((void *)(uintptr_t)op->items[i].fields.vector);
        twin_vectors_release(&op->items[i].fields);
        twin_attributes_release(&op->items[i].fields);
    }
    free(op->items);
    free(op->links);
    free(op->projection.mean);
    free(op->projection.components);
    for (size_t i = 0; i < op->effects.put_count; i++)
        twin_token_release(&op->effects.puts[i]);
    free(op->effects.puts);
    free(op->effects.deleted);
    free(op->effects.linked);
    free(op->effects.unlinked);
    memset(op, 0, sizeof *op);
}

const char *twin_kind_name(twin_kind kind)
{
    static const char *const names[] = {"create",     "update",     "upsert", "delete",
                                        "connect",    "disconnect", "relink", "join",
                                        "activate",   "collection", "clear",  "drop",
                                        "cdna",       "projection", "index",  "field",
                                        "transaction"};
    return names[kind];
}
