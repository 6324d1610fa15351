/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The store as a whole: information, verification, constitution. */
#include "store/store_memory.h"
#include "store/store_shrink.h"
#include "store/store_snapshot.h"

#include <stdio.h>
#include <string.h>

/* --- information ----------------------------------------------------------------------------- */

static void info_uuid(const uint8_t uuid[16], char out[37])
{
    char *at = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        snprintf(at, 3, "%02x", uuid[i]);
        at += 2;
    }
    *at = '\0';
}

static void info_projection(const ng_store *store, ng_info *out)
{
    ngi_op op = {.body = store->projection.data, .body_bytes = (uint32_t)store->projection.bytes};
    ngi_op_projection decoded;
    if (store->projection.bytes == 0 || ngi_op_projection_decode(&op, &decoded) != NG_OK)
        return;
    out->component_count = decoded.component_count;
    out->clipped_count = decoded.clipped_count;
    memcpy(out->explained_variance, decoded.explained, sizeof out->explained_variance);
}

static void info_memory(const ng_store *store, ng_info *out)
{
    ng_memory memory;
    ngi_memory_of(store, &memory);
    const ng_memory_use *parts = memory.parts;
    out->memory_bytes = memory.bytes;
    out->memory_limit_bytes = memory.limit_bytes;
    out->memory_token_bytes = parts[NG_MEMORY_TOKENS].bytes + parts[NG_MEMORY_TOKEN_SIDES].bytes;
    out->memory_connection_bytes = parts[NG_MEMORY_CONNECTIONS].bytes +
                                   parts[NG_MEMORY_CONNECTION_LISTS].bytes +
                                   parts[NG_MEMORY_CONNECTION_HEADS].bytes;
    out->memory_label_bytes =
        parts[NG_MEMORY_LABEL_INDEX].bytes + parts[NG_MEMORY_LABEL_TEXTS].bytes;
    out->memory_vector_bytes = parts[NG_MEMORY_VECTORS].bytes +
                               parts[NG_MEMORY_VECTOR_IMAGES].bytes +
                               parts[NG_MEMORY_VECTOR_ROWS].bytes;
    out->memory_grid_bytes = parts[NG_MEMORY_GRID].bytes;
    out->memory_log_bytes = parts[NG_MEMORY_LOG].bytes;
}

static void info_upkeep(const ng_store *store, ng_info *out)
{
    store_upkeep *upkeep = &store_mutable(store)->upkeep;
    ngi_mutex_lock(&upkeep->lock);
    out->snapshot_seq = upkeep->snapshot_seq;
    out->snapshot_bytes = upkeep->snapshot_bytes;
    out->snapshot_us = upkeep->snapshot_us;
    out->checkpoint_count = upkeep->checkpoint_count;
    out->checkpoint_failures = upkeep->checkpoint_failures;
    ngi_mutex_unlock(&upkeep->lock);
    out->durability = store->durability;
    out->read_only = store->read_only;
    out->follows = store->follows;
    out->open_txn_count = atomic_load_explicit(&store->open_txn_count, memory_order_relaxed);
    out->commit_count = atomic_load_explicit(&store->commit_count, memory_order_relaxed);
    out->conflict_count = atomic_load_explicit(&store->conflict_count, memory_order_relaxed);
    out->expired_view_count =
        atomic_load_explicit(&store->expired_view_count, memory_order_relaxed);
    out->memory_refused_count =
        atomic_load_explicit(&store->memory_refused_count, memory_order_relaxed);
    out->cleanup_count = atomic_load_explicit(&store->cleanup.count, memory_order_relaxed);
    out->evicted_token_count =
        atomic_load_explicit(&store->cleanup.evicted_tokens, memory_order_relaxed);
    out->evicted_connection_count =
        atomic_load_explicit(&store->cleanup.evicted_connections, memory_order_relaxed);
    out->disk_bytes += out->snapshot_bytes;
}

ng_status ngi_store_info(const ng_store *store, ng_info *out)
{
    memset(out, 0, sizeof *out);
    ngi_wal_stats log;
    ngi_wal_stats_get(store->wal, &log);
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    snprintf(out->path, sizeof out->path, "%s", store->path != NULL ? store->path : "");
    info_uuid(store->uuid, out->uuid);
    out->format_version = NGI_FORMAT_VERSION;
    out->created_us = store->created_us;
    ngi_store_positions(store, &out->applied_seq, &out->durable_seq);
    out->token_count = store->token_count;
    out->active_token_count = store->active_token_count;
    out->connection_count = store->graph.count;
    out->active_connection_count = store->active_connection_count;
    out->label_count = store->labels.used_count;
    out->vector_count = ngi_vectors_count(store->vectors);
    out->vector_field_count = store->vector_fields.count;
    out->attribute_count = store->attributes.count;
    out->tag_count = store->attributes.tags.texts.used_count;
    out->index_count = store->attributes.fields.count;
    out->expiring_count = store->attributes.expiring.count;
    out->collection_count = store->collection_count;
    out->dimensions = ngi_vectors_dimensions(store->vectors);
    out->ids_left = (uint64_t)store->max_tokens + 1 - store_slot_end(store);
    info_memory(store, out);
    out->disk_bytes = log.disk_bytes;
    out->log_bytes = log.log_bytes;
    out->segment_count = (uint32_t)log.segment_count;
    out->log_first_seq = log.first_seq;
    out->log_since_snapshot_bytes = log.bytes_since_snapshot;
    out->recovered_snapshot_seq = store->recovered_snapshot_seq;
    out->recovered_ops = log.recovered_ops;
    out->recovered_bytes_cut = log.recovered_bytes_cut;
    out->open_us = store->open_us;
    out->sync_count = log.sync_count;
    out->op_count = log.op_count;
    out->open_view_count = store->open_view_count;
    out->view_bytes = ngi_view_bytes(store);
    info_upkeep(store, out);
    info_projection(store, out);
    memcpy(out->scales, store->encoding.scale, sizeof out->scales);
    memcpy(out->origins, store->encoding.origin, sizeof out->origins);
    ngi_store_read_end(store);
    return NG_OK;
}

/* --- verification ---------------------------------------------------------------------------- */

static void check_problem(ng_check_report *report, const char *format, ...) NGI_PRINTF(2, 3);

static void check_problem(ng_check_report *report, const char *format, ...)
{
    if (report->problem_count++ > 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(report->first_problem, sizeof report->first_problem, format, arguments);
    va_end(arguments);
}

static void check_counter(ng_check_report *report, const char *name, uint64_t kept,
                          uint64_t counted)
{
    if (kept != counted)
        check_problem(report, "%s is %llu, a count gives %llu", name, (unsigned long long)kept,
                      (unsigned long long)counted);
}

/* What a count of a collection gives. */
typedef struct check_counts {
    uint64_t tokens, active;
} check_counts;

static void check_tokens(const ng_store *store, check_counts *per_collection,
                         ng_check_report *report)
{
    uint64_t active = 0;
    for (uint32_t slot = 1; slot < store_slot_end(store); slot++) {
        const ng_token *record = &store_records(store)[slot];
        size_t label_bytes;
        const char *label = ngi_labels_get(&store->labels, slot, &label_bytes);
        const float *row = ngi_vectors_get(store->vectors, slot);
        if (record->slot == 0) {
            if (label != NULL || row != NULL)
                check_problem(report, "deleted token %u has a label or a vector", slot);
            continue;
        }
        uint32_t collection = store_sides(store)[slot].collection;
        report->tokens++;
        report->labels += label != NULL;
        report->vectors += row != NULL;
        active += (record->flags & NG_TOKEN_ACTIVE) != 0;
        if (record->slot != slot || ngi_token_validate(record) != NG_OK)
            check_problem(report, "record of token %u is not valid", slot);
        if (!store_has_collection(store, collection)) {
            check_problem(report, "token %u is in unknown collection %u", slot, collection);
            continue;
        }
        per_collection[collection].tokens++;
        per_collection[collection].active += (record->flags & NG_TOKEN_ACTIVE) != 0;
        if (label != NULL &&
            ngi_labels_find(&store->labels, collection, label, label_bytes) != slot)
            check_problem(report, "token %u is not found by its label", slot);
    }
    check_counter(report, "number of tokens", store->token_count, report->tokens);
    check_counter(report, "number of active tokens", store->active_token_count, active);
    for (uint32_t i = 0; i < store->collection_count; i++) {
        const store_collection *kept = &store->collections[i];
        check_counter(report, kept->name, kept->token_count, per_collection[i].tokens);
        check_counter(report, kept->name, kept->active_count, per_collection[i].active);
    }
    check_counter(report, "number of labels", store->labels.used_count, report->labels);
    check_counter(report, "number of vectors", ngi_vectors_count(store->vectors), report->vectors);
}

static void check_connections(const ng_store *store, ng_check_report *report)
{
    uint64_t active = 0;
    for (uint32_t id = 1; id < store->graph.id_end; id++) {
        const ng_connection *record = ngi_graph_get(&store->graph, id);
        if (record == NULL)
            continue;
        report->connections++;
        active += (record->flags & NG_CONNECTION_ACTIVE) != 0;
        if (ngi_connection_validate(record) != NG_OK)
            check_problem(report, "record of connection %u is not valid", id);
        if (store_live_slot(store, record->source) == 0 ||
            store_live_slot(store, record->target) == 0)
            check_problem(report, "connection %u has an end that is not there", id);
    }
    check_counter(report, "number of connections", store->graph.count, report->connections);
    check_counter(report, "number of active connections", store->active_connection_count, active);
}

static void check_index(ng_check_report *report, ng_status status)
{
    if (status != NG_OK)
        check_problem(report, "%s", ngi_last_error());
}

static bool check_is_live(const void *context, uint32_t slot)
{
    return store_live_slot(context, slot) != 0;
}

/* Damage becomes a problem of the report; anything else ends the check. */
static ng_status check_files(ng_check_report *report, ng_status status)
{
    if (status != NG_E_CORRUPT)
        return status;
    check_index(report, status);
    return NG_OK;
}

#define CHECK_SNAPSHOTS_MAX 64 /* more than retention ever keeps by default */

/* The snapshot that MANIFEST names is there. Looked at again when it is not in the list: checkpoints
 * may have replaced it meanwhile. */
static ng_status check_named_snapshot(ng_store *store, const ng_seq *seqs, size_t count,
                                      ng_seq named, ng_check_report *report)
{
    ngi_manifest now;
    char path[4416];
    bool found = named == 0;
    for (size_t i = 0; i < count && !found; i++)
        found = seqs[i] == named;
    if (found)
        return NG_OK;
    ng_status status = ngi_manifest_read(store->os, store->path, &now);
    if (status == NG_OK && now.snapshot_seq == named) {
        ngi_snapshot_path(store->path, named, path, sizeof path);
        check_problem(report, "%s: missing, but MANIFEST names it", path);
    }
    return status;
}

static ng_status check_snapshots(ng_store *store, ng_check_report *report)
{
    ng_seq seqs[CHECK_SNAPSHOTS_MAX];
    size_t count = 0;
    ngi_manifest manifest;
    ng_status status = ngi_manifest_read(store->os, store->path, &manifest);
    ng_seq named = status == NG_OK ? manifest.snapshot_seq : 0;
    status = check_files(report, status == NG_E_NOT_FOUND ? NG_E_CORRUPT : status);
    if (status == NG_OK)
        status = ngi_snapshot_list(store->os, store->path, seqs, CHECK_SNAPSHOTS_MAX, &count);
    if (status == NG_OK)
        status = check_named_snapshot(store, seqs, count, named, report);
    ngi_store_identity(store, &manifest);
    for (size_t i = 0; i < count && i < CHECK_SNAPSHOTS_MAX && status == NG_OK; i++) {
        char path[4416];
        uint64_t bytes = 0;
        ngi_snapshot_path(store->path, seqs[i], path, sizeof path);
        status = ngi_snapshot_verify(store->os, store->mem, path, &manifest, &bytes);
        if (status == NG_E_NOT_FOUND) {
            status = NG_OK; /* a checkpoint has just removed it */
            continue;
        }
        status = check_files(report, status);
        report->snapshots++;
        report->snapshot_bytes += bytes;
    }
    return status;
}

static ng_status check_tables(ng_store *store, ng_check_report *report)
{
    void *per_collection = NULL;
    size_t bytes = 0;
    ngi_wal_lock(store->wal); /* no writer */
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK) {
        ngi_wal_unlock(store->wal);
        return status;
    }
    bytes = store->collection_count * sizeof(check_counts);
    NGI_TRY(ngi_alloc(store->mem, bytes, "check", &per_collection));
    memset(per_collection, 0, bytes);
    check_tokens(store, per_collection, report);
    check_connections(store, report);
    if (!ngi_shrink_is_consistent(store))
        check_problem(report, "a count of neighbouring tokens or connections is wrong");
    check_index(report, ngi_labels_check(&store->labels));
    check_index(report, ngi_graph_check(&store->graph));
    check_index(report, ngi_space_check(store));
    check_index(report, ngi_vectors_check(store->vectors));
    check_index(report, ngi_vector_fields_check(store));
    status = ngi_attributes_check(&store->attributes, store->mem, check_is_live, store,
                                  &report->attributes);
    if (status == NG_E_NOMEM)
        goto out;
    check_index(report, status);
    status = NG_OK;
out:
    ngi_free(store->mem, per_collection, bytes);
    ngi_store_read_end(store);
    ngi_wal_unlock(store->wal);
    return status;
}

ng_status ngi_store_check(ng_store *store, ng_check_report *out)
{
    ng_status status = NG_OK;
    *out = (ng_check_report){0};
    if (store->path != NULL) {
        /* Everything that has been written so far is verified as it is on disk. */
        if (!store->read_only)
            NGI_TRY(ngi_store_wait_durable(store, ngi_wal_applied(store->wal)));
        status = ngi_wal_verify(store->wal, &out->log_ops, &out->log_bytes);
        NGI_TRY(check_files(out, status));
        NGI_TRY(check_snapshots(store, out));
    }
    NGI_TRY(check_tables(store, out));
out:
    return status;
}

/* --- constitution ---------------------------------------------------------------------------- */

ng_status ngi_store_cdna_get(const ng_store *store, ng_cdna *out)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    *out = store->cdna;
    ngi_store_read_end(store);
    return NG_OK;
}

ng_status ngi_store_cdna_set(ng_store *store, const ng_cdna *cdna, const ng_write_options *write)
{
    ng_status status = ngi_store_write_begin(store, NGI_CDNA_BYTES, write);
    if (status != NG_OK)
        return status;
    ng_cdna next = *cdna;
    next.created_at = store->cdna.created_at;
    next.modified_at = store->os->clock_us(store->os) / 1000000;
    if (next.modified_at < next.created_at)
        next.modified_at = next.created_at; /* the clock was set back */
    status = ngi_cdna_validate(&next);
    if (status != NG_OK) {
        ngi_store_write_abandon(store);
        return status;
    }
    ngi_cdna_encode(&next, ngi_wal_body(store->wal));
    return ngi_store_write_commit(store, NGI_OP_CDNA_PUT, NGI_CDNA_BYTES, write);
}
