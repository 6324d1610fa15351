/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The state of a store against the state of its twin. */
#include "twin.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 4096

static const char *compare_status(ng_status got, ng_status wanted, const char *call, uint64_t id,
                                  char *out)
{
    if (got == wanted)
        return NULL;
    return TWIN_DIFFER(out, "%s(%" PRIu64 "): %s (%s), expected %s", call, id, ng_status_name(got),
                       ng_last_error(), ng_status_name(wanted));
}

static const char *compare_dead(const ng_store *store, ng_token_id id, char *out)
{
    ng_token record;
    ng_token_info info;
    size_t count;
    char text[8];
    const char *difference =
        compare_status(ng_token_read(store, id, &record), NG_E_NOT_FOUND, "ng_token_read", id, out);
    if (difference == NULL)
        difference =
            compare_status(ng_token_get(store, id, &info), NG_E_NOT_FOUND, "ng_token_get", id, out);
    if (difference == NULL)
        difference = compare_status(ng_token_label(store, id, text, sizeof text, &count),
                                    NG_E_NOT_FOUND, "ng_token_label", id, out);
    if (difference == NULL)
        difference = compare_status(ng_token_vector(store, id, NULL, 0, &count), NG_E_NOT_FOUND,
                                    "ng_token_vector", id, out);
    if (difference == NULL)
        difference = compare_status(ng_token_connections(store, id, NULL, NULL, 0, &count),
                                    NG_E_NOT_FOUND, "ng_token_connections", id, out);
    return difference;
}

static const char *compare_record(const ng_token *got, const ng_token *wanted, char *out)
{
    if (memcmp(got, wanted, sizeof *got) == 0)
        return NULL;
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            if (got->coordinates[space][axis] != wanted->coordinates[space][axis])
                return TWIN_DIFFER(out, "token %u: space %d axis %d is %d, expected %d",
                                   wanted->slot, space, axis, got->coordinates[space][axis],
                                   wanted->coordinates[space][axis]);
        }
    }
    return TWIN_DIFFER(out,
                       "token %u: slot %u flags %04x weight %.9g radius %u strength %u time %u, "
                       "expected flags %04x weight %.9g radius %u strength %u time %u",
                       wanted->slot, got->slot, got->flags, (double)got->weight, got->field_radius,
                       got->field_strength, got->timestamp, wanted->flags, (double)wanted->weight,
                       wanted->field_radius, wanted->field_strength, wanted->timestamp);
}

static const char *compare_label(const ng_store *store, const twin_token *token, char *out)
{
    char text[1100];
    size_t bytes = 99;
    ng_status status = ng_token_label(store, token->id, text, sizeof text, &bytes);
    const char *difference = compare_status(status, NG_OK, "ng_token_label", token->id, out);
    if (difference != NULL)
        return difference;
    if (bytes != token->label_bytes || text[bytes] != '\0' ||
        (bytes != 0 && memcmp(text, token->label, bytes) != 0))
        return TWIN_DIFFER(out, "token %" PRIu64 ": label '%.80s' of %zu bytes, expected %zu",
                           token->id, text, bytes, token->label_bytes);
    if (bytes == 0)
        return NULL;
    ng_token_id found = 0;
    status = ng_token_find(store, token->collection, token->label, bytes, &found);
    difference = compare_status(status, NG_OK, "ng_token_find", token->id, out);
    if (difference == NULL && found != token->id)
        return TWIN_DIFFER(out, "label of token %" PRIu64 " finds %" PRIu64, token->id, found);
    return difference;
}

static const char *compare_vector(const twin_state *twin, const ng_store *store,
                                  const twin_token *token, char *out)
{
    float vector[64];
    size_t count = 99;
    ng_status status = ng_token_vector(store, token->id, vector, 64, &count);
    const char *difference = compare_status(status, NG_OK, "ng_token_vector", token->id, out);
    if (difference != NULL)
        return difference;
    size_t wanted = token->vector == NULL ? 0 : twin->dimensions;
    if (count != wanted ||
        (count != 0 && memcmp(vector, token->vector, count * sizeof *vector) != 0))
        return TWIN_DIFFER(out, "token %" PRIu64 ": vector of %zu differs from that of %zu",
                           token->id, count, wanted);
    return NULL;
}

const char *twin_compare_token(const twin_state *twin, const ng_store *store,
                               const twin_token *token, char *out)
{
    if (!token->alive)
        return compare_dead(store, token->id, out);
    ng_token record;
    ng_token_info info;
    const char *difference = compare_status(ng_token_read(store, token->id, &record), NG_OK,
                                            "ng_token_read", token->id, out);
    if (difference == NULL)
        difference = compare_status(ng_token_get(store, token->id, &info), NG_OK, "ng_token_get",
                                    token->id, out);
    if (difference == NULL)
        difference = compare_record(&record, &token->record, out);
    if (difference == NULL)
        difference = compare_record(&info.record, &token->record, out);
    if (difference != NULL)
        return difference;
    uint32_t out_degree = twin_degree(twin, token->id, NG_OUTGOING);
    uint32_t in_degree = twin_degree(twin, token->id, NG_INCOMING);
    if (info.id != token->id || info.version != token->version ||
        info.updated_us != token->updated_us || info.collection != token->collection ||
        info.out_degree != out_degree || info.in_degree != in_degree ||
        info.has_vector != (token->vector != NULL))
        return TWIN_DIFFER(out,
                           "token %" PRIu64 ": id %" PRIu64 " version %u updated %" PRIu64
                           " collection %u degrees %u %u vector %d, expected version %u updated "
                           "%" PRIu64 " collection %u degrees %u %u vector %d",
                           token->id, info.id, info.version, info.updated_us, info.collection,
                           info.out_degree, info.in_degree, info.has_vector, token->version,
                           token->updated_us, token->collection, out_degree, in_degree,
                           token->vector != NULL);
    if (info.tag_count != twin_tag_count(token) || info.data_bytes != token->data_bytes ||
        info.expires_us != token->expires_us)
        return TWIN_DIFFER(out,
                           "token %" PRIu64 ": %u tags, %u bytes of data, expiry %" PRIu64
                           ", expected %u, %zu, %" PRIu64,
                           token->id, info.tag_count, info.data_bytes, info.expires_us,
                           twin_tag_count(token), token->data_bytes, token->expires_us);
    difference = compare_label(store, token, out);
    if (difference == NULL)
        difference = twin_compare_attributes(store, NULL, token, out);
    if (difference == NULL)
        difference = twin_compare_named(twin, store, NULL, token, out);
    return difference != NULL ? difference : compare_vector(twin, store, token, out);
}

static const char *compare_connection(const ng_store *store, const twin_connection *connection,
                                      char *out)
{
    ng_connection record;
    ng_status status = ng_connection_get(store, connection->id, &record);
    ng_status wanted = connection->alive ? NG_OK : NG_E_NOT_FOUND;
    const char *difference =
        compare_status(status, wanted, "ng_connection_get", connection->id, out);
    if (difference == NULL && connection->alive &&
        memcmp(&record, &connection->record, sizeof record) != 0)
        return TWIN_DIFFER(out, "connection %" PRIu64 ": the record changed", connection->id);
    if (difference == NULL && connection->alive &&
        (record.source != (uint32_t)connection->source ||
         record.target != (uint32_t)connection->target))
        return TWIN_DIFFER(out, "connection %" PRIu64 ": other ends", connection->id);
    return difference;
}

/* Outgoing before incoming, newest first. */
static size_t twin_edges(const twin_state *twin, ng_token_id id, ng_direction direction,
                         ng_connection_id *ids)
{
    size_t count = 0;
    for (int way = NG_OUTGOING; way <= NG_INCOMING; way++) {
        if (!((int)direction & way))
            continue;
        for (size_t i = twin->connection_count; i-- > 0;) {
            const twin_connection *connection = &twin->connections[i];
            ng_token_id end = way == NG_OUTGOING ? connection->source : connection->target;
            if (connection->alive && end == id && count < LIST_MAX)
                ids[count++] = connection->id;
        }
    }
    return count;
}

static const char *compare_edges(const twin_state *twin, const ng_store *store, ng_token_id id,
                                 ng_direction direction, char *out)
{
    static _Thread_local ng_connection_id wanted[LIST_MAX];
    static _Thread_local ng_edge edges[LIST_MAX];
    size_t count = 0, wanted_count = twin_edges(twin, id, direction, wanted);
    const ng_edge_options options = {.struct_size = sizeof options, .direction = direction};
    ng_status status = ng_token_connections(store, id, &options, edges, LIST_MAX, &count);
    const char *difference = compare_status(status, NG_OK, "ng_token_connections", id, out);
    if (difference != NULL)
        return difference;
    if (count != wanted_count)
        return TWIN_DIFFER(out, "token %" PRIu64 ": %zu connections (direction %d), expected %zu",
                           id, count, (int)direction, wanted_count);
    for (size_t i = 0; i < count; i++) {
        const twin_connection *connection = twin_find_connection(twin, wanted[i]);
        if (edges[i].id != wanted[i] || edges[i].source != connection->source ||
            edges[i].target != connection->target || edges[i].type != connection->record.type ||
            edges[i].flags != connection->record.flags)
            return TWIN_DIFFER(out, "token %" PRIu64 ": edge %zu is %" PRIu64 ", expected %" PRIu64,
                               id, i, edges[i].id, wanted[i]);
    }
    return NULL;
}

static const char *compare_effects(const twin_state *twin, const ng_store *store,
                                   const twin_effects *effects, char *out)
{
    const char *difference = NULL;
    for (size_t i = 0; i < effects->put_count && difference == NULL; i++)
        difference = twin_compare_token(twin, store, twin_find(twin, effects->puts[i].id), out);
    for (size_t i = 0; i < effects->deleted_count && difference == NULL; i++)
        difference = compare_dead(store, effects->deleted[i], out);
    for (size_t i = 0; i < effects->linked_count && difference == NULL; i++) {
        difference = compare_connection(store, &effects->linked[i], out);
        if (difference == NULL)
            difference = compare_edges(twin, store, effects->linked[i].source, NG_BOTH, out);
        if (difference == NULL)
            difference = compare_edges(twin, store, effects->linked[i].target, NG_BOTH, out);
    }
    return difference;
}

const char *twin_compare_op(const twin_state *twin, const ng_store *store, const twin_op *op,
                            char *out)
{
    const char *difference = NULL;
    if (op->kind == TWIN_TRANSACTION)
        return op->seq == 0 ? NULL : compare_effects(twin, store, &op->effects, out);
    for (size_t i = 0; op->items != NULL && i < op->count && difference == NULL; i++) {
        const twin_token *token = twin_find(twin, op->items[i].id);
        if (token != NULL)
            difference = twin_compare_token(twin, store, token, out);
    }
    for (size_t i = 0; op->links != NULL && i < op->count && difference == NULL; i++) {
        const twin_connection *connection = twin_find_connection(twin, op->links[i].id);
        if (connection == NULL)
            continue;
        difference = compare_connection(store, connection, out);
        if (difference == NULL)
            difference = compare_edges(twin, store, connection->source, NG_BOTH, out);
        if (difference == NULL)
            difference = compare_edges(twin, store, connection->target, NG_INCOMING, out);
    }
    const twin_token *token = op->token != 0 ? twin_find(twin, op->token) : NULL;
    if (difference == NULL && token != NULL)
        difference = twin_compare_token(twin, store, token, out);
    for (size_t i = 0; op->kind == TWIN_DELETE && i < op->count && difference == NULL; i++) {
        token = twin_find(twin, op->deleted[i]);
        if (token != NULL)
            difference = twin_compare_token(twin, store, token, out);
    }
    const twin_connection *connection =
        op->connection != 0 ? twin_find_connection(twin, op->connection) : NULL;
    if (difference == NULL && connection != NULL)
        difference = compare_connection(store, connection, out);
    return difference;
}

static const char *compare_counts(const twin_state *twin, const ng_store *store, char *out)
{
    ng_info info;
    const char *difference =
        compare_status(ng_store_info(store, &info), NG_OK, "ng_store_info", 0, out);
    if (difference != NULL)
        return difference;
    uint64_t tokens = 0, active = 0, labels = 0, vectors = 0, connections = 0, active_links = 0;
    uint64_t attributes = 0, expiring = 0;
    for (size_t i = 0; i < twin->token_count; i++) {
        const twin_token *token = &twin->tokens[i];
        tokens += token->alive;
        active += token->alive && (token->record.flags & NG_TOKEN_ACTIVE);
        labels += token->label != NULL;
        vectors += token->vector != NULL;
        expiring += token->expires_us != 0;
        attributes += token->expires_us != 0 || token->tag_bytes != 0 || token->data_bytes != 0;
    }
    for (size_t i = 0; i < twin->connection_count; i++) {
        const twin_connection *connection = &twin->connections[i];
        connections += connection->alive;
        active_links += connection->alive && (connection->record.flags & NG_CONNECTION_ACTIVE);
    }
    if (info.attribute_count != attributes || info.expiring_count != expiring)
        return TWIN_DIFFER(out,
                           "info: %" PRIu64 " tokens with attributes, %" PRIu64
                           " with an expiry, expected %" PRIu64 " and %" PRIu64,
                           info.attribute_count, info.expiring_count, attributes, expiring);
    if (info.token_count != tokens || info.active_token_count != active ||
        info.label_count != labels || info.vector_count != vectors ||
        info.connection_count != connections || info.active_connection_count != active_links ||
        info.dimensions != twin->dimensions || info.collection_count != twin->collection_count)
        return TWIN_DIFFER(out,
                           "info: tokens %" PRIu64 "/%" PRIu64 " labels %" PRIu64
                           " vectors %" PRIu64 " connections %" PRIu64 "/%" PRIu64
                           " dimensions %u collections %u, expected %" PRIu64 "/%" PRIu64
                           " %" PRIu64 " %" PRIu64 " %" PRIu64 "/%" PRIu64 " %u %zu",
                           info.token_count, info.active_token_count, info.label_count,
                           info.vector_count, info.connection_count, info.active_connection_count,
                           info.dimensions, info.collection_count, tokens, active, labels, vectors,
                           connections, active_links, twin->dimensions, twin->collection_count);
    return NULL;
}

static const char *compare_list(const twin_state *twin, const ng_store *store,
                                ng_collection_id collection, char *out)
{
    ng_token_id page[37], after = 0;
    size_t count = 0, at = 37;
    for (size_t i = 0; i < twin->token_count; i++) {
        const twin_token *token = &twin->tokens[i];
        if (!token->alive || (collection != NG_COLLECTION_ANY && token->collection != collection))
            continue;
        if (at == 37) {
            ng_status status = ng_token_list(store, collection, after, page, 37, &count);
            if (status != NG_OK)
                return compare_status(status, NG_OK, "ng_token_list", collection, out);
            at = 0;
        }
        if (at >= count || page[at] != token->id)
            return TWIN_DIFFER(out, "list of collection %u: token %" PRIu64 " is not where it was",
                               collection, token->id);
        after = page[at++];
    }
    ng_status status = ng_token_list(store, collection, after, page, 37, &count);
    if (status != NG_OK || count != 0)
        return TWIN_DIFFER(out, "list of collection %u goes on after its end", collection);
    return NULL;
}

/* Those that are there, in order, with their counts. */
static const char *compare_collection_list(const twin_state *twin, const ng_store *store, char *out)
{
    ng_collection_info list[TWIN_COLLECTIONS_MAX];
    size_t count = 0, at = 0;
    ng_status status = ng_collection_list(store, list, TWIN_COLLECTIONS_MAX, &count);
    if (status != NG_OK)
        return compare_status(status, NG_OK, "ng_collection_list", 0, out);
    for (ng_collection_id id = 0; id < twin->collection_count; id++) {
        uint64_t tokens = 0, active = 0;
        if (twin->collections[id][0] == '\0')
            continue;
        for (size_t i = 0; i < twin->token_count; i++) {
            const twin_token *token = &twin->tokens[i];
            bool is_in = token->alive && token->collection == id;
            tokens += is_in;
            active += is_in && (token->record.flags & NG_TOKEN_ACTIVE);
        }
        if (at >= count || list[at].id != id || list[at].token_count != tokens ||
            list[at].active_token_count != active ||
            strcmp(list[at].name, twin->collections[id]) != 0)
            return TWIN_DIFFER(out, "collection %u is not listed right at %zu", id, at);
        at++;
    }
    return at == count ? NULL : TWIN_DIFFER(out, "%zu collections, expected %zu", count, at);
}

static const char *compare_collections(const twin_state *twin, const ng_store *store, char *out)
{
    for (ng_collection_id id = 0; id < twin->collection_count; id++) {
        char name[65];
        uint64_t count = 0, wanted = 0;
        ng_collection_id found = 0;
        if (twin->collections[id][0] == '\0') {
            ng_status gone = ng_collection_get(store, id, name, &count);
            if (gone != NG_E_NOT_FOUND)
                return compare_status(gone, NG_E_NOT_FOUND, "ng_collection_get", id, out);
            continue;
        }
        for (size_t i = 0; i < twin->token_count; i++)
            wanted += twin->tokens[i].alive && twin->tokens[i].collection == id;
        ng_status status = ng_collection_get(store, id, name, &count);
        if (status != NG_OK || strcmp(name, twin->collections[id]) != 0 || count != wanted)
            return TWIN_DIFFER(out,
                               "collection %u: %s, '%s' of %" PRIu64 ", expected '%s' of %" PRIu64,
                               id, ng_status_name(status), name, count, twin->collections[id],
                               wanted);
        status = ng_collection_find(store, name, &found);
        if (status != NG_OK || found != id)
            return TWIN_DIFFER(out, "collection '%s' is found as %u, expected %u", name, found, id);
        const char *difference = compare_list(twin, store, id, out);
        if (difference != NULL)
            return difference;
    }
    return compare_list(twin, store, NG_COLLECTION_ANY, out);
}

static const char *compare_cdna(const twin_state *twin, const ng_store *store, char *out)
{
    ng_cdna cdna;
    ng_status status = ng_cdna_get(store, &cdna);
    if (status != NG_OK)
        return compare_status(status, NG_OK, "ng_cdna_get", 0, out);
    if (memcmp(&cdna, &twin->cdna, sizeof cdna) != 0)
        return TWIN_DIFFER(out, "the constitution differs (max weight %.9g, expected %.9g)",
                           (double)cdna.max_token_weight, (double)twin->cdna.max_token_weight);
    return NULL;
}

const char *twin_compare_all(const twin_state *twin, const ng_store *store, char *out)
{
    const char *difference = compare_counts(twin, store, out);
    if (difference == NULL)
        difference = compare_collections(twin, store, out);
    if (difference == NULL)
        difference = compare_collection_list(twin, store, out);
    if (difference == NULL)
        difference = compare_cdna(twin, store, out);
    if (difference == NULL)
        difference = twin_compare_indexes(twin, store, out);
    if (difference == NULL)
        difference = twin_compare_fields(twin, store, out);
    for (size_t i = 0; i < twin->token_count && difference == NULL; i++) {
        const twin_token *token = &twin->tokens[i];
        difference = twin_compare_token(twin, store, token, out);
        if (difference == NULL && token->alive)
            difference = compare_edges(twin, store, token->id, NG_BOTH, out);
    }
    for (size_t i = 0; i < twin->connection_count && difference == NULL; i++)
        difference = compare_connection(store, &twin->connections[i], out);
    return difference;
}
