/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections: read, walk, and what their values mean in this store. */
#include "store/store_connection.h"

#include "store/store_look.h"

#include <math.h>
#include <string.h>

ng_status ngi_link_fail_not_found(ng_connection_id id)
{
    return ngi_fail(NG_E_NOT_FOUND, "connection %llu not found", (unsigned long long)id);
}

/* --- reads ----------------------------------------------------------------------------------- */

ng_status ngi_store_connection_get(const ng_store *store, ng_connection_id id, ng_connection *out)
{
    ng_status status = ngi_store_check_readable(store);
    if (status != NG_OK)
        return status;
    uint32_t source = ngi_graph_source_of(&store->graph, id);
    if (source == 0)
        return ngi_link_fail_not_found(id);
    ng_connection record;
    store_look look = store_look_at(store, source);
    do {
        store_look_begin(&look);
        ngi_graph_read(&store->graph, (uint32_t)id, &record);
    } while (!store_look_end(&look));
    if (record.source == 0)
        return ngi_link_fail_not_found(id); /* removed since */
    *out = record;
    return NG_OK;
}

ng_status ngi_store_connection_get_many(const ng_store *store, const ng_connection_id *ids,
                                        size_t count, ng_connection *out, size_t *found)
{
    *found = 0;
    if (count == 0 || count > NGI_BATCH_MAX)
        return ngi_fail(NG_E_INVALID, "count %zu is outside 1..%d", count, NGI_BATCH_MAX);
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        const ng_connection *record = ngi_link_get(store, ids[i]);
        out[i] = record != NULL ? *record : (ng_connection){0};
        *found += record != NULL;
    }
    ngi_store_read_end(store);
    return NG_OK;
}

ng_status ngi_edge_check(const ng_edge_options *options, ng_token_id id)
{
    if (options == NULL)
        return NG_OK;
    if ((int)options->direction < 0 || options->direction > NG_BOTH)
        return ngi_fail(NG_E_INVALID, "direction %d is outside 0..3", (int)options->direction);
    const ng_edge *after = options->after;
    if (after != NULL && (after->id == 0 || (after->source != id && after->target != id)))
        return ngi_fail(NG_E_INVALID, "after: connection %llu is not one of token %llu",
                        (unsigned long long)after->id, (unsigned long long)id);
    return ngi_link_check_categories(options->categories);
}

ng_status ngi_store_token_connections(const ng_store *store, ng_token_id id,
                                      const ng_edge_options *options, ng_edge *out, size_t capacity,
                                      size_t *count)
{
    uint32_t slot;
    *count = 0;
    ng_status status = ngi_edge_check(options, id);
    if (status != NG_OK)
        return status;
    if (store_is_outside(store, id))
        return ngi_store_fail_read(store, id);
    store_look look = store_look_at(store, (uint32_t)id);
    do {
        store_look_begin(&look);
        slot = store_shared_slot(store, id);
        *count = slot == 0 ? 0 : ngi_graph_edges(&store->graph, slot, options, out, capacity);
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

/* --- meaning --------------------------------------------------------------------------------- */

static uint64_t link_time(const ng_store *store, uint64_t time_us)
{
    return time_us != 0 ? time_us : store->os->clock_us(store->os);
}

ng_status ngi_store_connection_decode(const ng_store *store, ng_connection_id id,
                                      const ng_connection *record, uint64_t time_us,
                                      ng_connection_info *out)
{
    ng_status status = ngi_connection_validate(record);
    if (status != NG_OK)
        return status;
    *out = (ng_connection_info){
        .id = id,
        .source = record->source,
        .target = record->target,
        .type = ng_connection_type_name(record->type),
        .category = ng_connection_category_name(record->type),
        .mutability = ng_mutability_name((ng_mutability)record->mutability),
        .rigidity = record->rigidity / 255.0,
        .confidence = record->confidence / 255.0,
        .learning_rate = record->learning_rate / 255.0,
        .decay_rate = record->decay_rate / 255.0,
        .time_us = link_time(store, time_us),
    };
    out->confidence_now = ng_connection_confidence(record, out->time_us);
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        const int16_t raw[NG_AXIS_COUNT] = {record->target_vector[space], 0, 0};
        float value[NG_AXIS_COUNT];
        if (!ngi_space_decode(&store->encoding, (ng_space)space, raw, value))
            continue;
        out->target_spaces |= (uint8_t)(1u << space);
        out->target_vector[space] = value[0];
    }
    return NG_OK;
}

static ng_status link_fail_absent(uint32_t slot, ng_space space)
{
    return ngi_fail(NG_E_ABSENT, "token %u has no coordinates in space %s", slot,
                    ng_space_name(space));
}

/* The distance of the ends. The caller holds a lock. */
static ng_status link_distance(const ng_store *store, const ng_connection *record, ng_space space,
                               double *out)
{
    int16_t a[NG_AXIS_COUNT];
    int16_t b[NG_AXIS_COUNT];
    memcpy(a, store_records(store)[record->source].coordinates[space], sizeof a);
    memcpy(b, store_records(store)[record->target].coordinates[space], sizeof b);
    if (a[0] == NG_COORDINATE_ABSENT)
        return link_fail_absent(record->source, space);
    if (b[0] == NG_COORDINATE_ABSENT)
        return link_fail_absent(record->target, space);
    ngi_metric metric;
    ngi_metric_init(&metric, &store->encoding, space, NG_METRIC_EUCLIDEAN);
    *out = (double)ngi_metric_distance(&metric, ngi_metric_value(&metric, a, b));
    return NG_OK;
}

ng_status ngi_store_connection_force_in(const ng_store *store, ng_connection_id id, ng_space space,
                                        uint64_t time_us, double *distance, double *force)
{
    if ((unsigned)space >= NG_SPACE_COUNT)
        return ngi_fail(NG_E_INVALID, "space %d is outside 0..7", (int)space);
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    ng_connection record = {0};
    double apart = 0;
    const ng_connection *stored = ngi_link_get(store, id);
    if (stored == NULL) {
        status = ngi_link_fail_not_found(id);
    } else {
        record = *stored;
        status = link_distance(store, &record, space, &apart);
    }
    ngi_store_read_end(store);
    if (status == NG_OK)
        status = ng_connection_force(&record, apart, link_time(store, time_us), force);
    if (status == NG_OK && distance != NULL)
        *distance = apart;
    return status;
}
