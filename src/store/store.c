/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The life of a store, and the frame of every read and write. */
#include "store/store_shrink.h"
#include "store/store_graph_file.h"
#include "store/store_snapshot.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

ngi_mem *ngi_store_mem(const ng_store *store)
{
    return store->mem;
}

ngi_mem *ngi_store_root_mem(const ng_store *store)
{
    return store->root;
}

ngi_os *ngi_store_os(const ng_store *store)
{
    return store->os;
}

unsigned ngi_store_thread_count(const ng_store *store)
{
    return store->manual ? 1 : ngi_os_processor_count();
}

ng_status ngi_store_fail_token(ng_token_id id)
{
    if (id == 0)
        return ngi_fail(NG_E_INVALID, "id 0 is not a token; ids begin at 1");
    return ngi_fail(NG_E_NOT_FOUND, "Token %08llX not found", (unsigned long long)id);
}

ng_status ngi_store_slot(const ng_store *store, ng_token_id id, uint32_t *out)
{
    *out = store_live_slot(store, id);
    return NGI_LIKELY(*out != 0) ? NG_OK : ngi_store_fail_token(id);
}

ng_status ngi_store_fail_read(const ng_store *store, ng_token_id id)
{
    return ngi_wal_is_latched(store->wal) ? ngi_wal_fail_latched(store->wal)
                                          : ngi_store_fail_token(id);
}

ng_status ngi_store_check_readable(const ng_store *store)
{
    return NGI_UNLIKELY(ngi_wal_is_latched(store->wal)) ? ngi_wal_fail_latched(store->wal) : NG_OK;
}

ng_status ngi_store_read_begin(const ng_store *store)
{
    ng_status status = ngi_store_check_readable(store);
    if (NGI_UNLIKELY(status != NG_OK))
        return status;
    ngi_rwlock_read(&store_mutable(store)->index_lock);
    return NG_OK;
}

void ngi_store_read_end(const ng_store *store)
{
    ngi_rwlock_read_end(&store_mutable(store)->index_lock);
}

ng_status ngi_store_read_token(const ng_store *store, ng_token_id id, uint32_t *slot)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    status = ngi_store_slot(store, id, slot);
    if (status != NG_OK)
        ngi_store_read_end(store);
    return status;
}

static __attribute__((cold)) ng_status store_fail_read_only(const ng_store *store)
{
    if (store->read_only)
        return ngi_fail(NG_E_READ_ONLY, "the store is open for reading only");
    return ngi_fail(NG_E_READ_ONLY, "the store follows another one; write to that one");
}

ng_status ngi_store_write_begin(ng_store *store, size_t body_bytes, const ng_write_options *write)
{
    if (NGI_UNLIKELY(store->read_only || store->follows))
        return store_fail_read_only(store);
    ngi_wal_lock(store->wal);
    if (NGI_UNLIKELY(store->named.any_moved))
        ngi_named_forget(store);
    ng_status status = ngi_wal_make_room(store->wal, body_bytes);
    if (status == NG_OK && write != NULL && write->if_seq != 0 &&
        write->if_seq != ngi_wal_applied(store->wal)) {
        ng_conflict conflict = {.kind = NG_CONFLICT_SEQ, .expected_seq = write->if_seq};
        status = ngi_store_fail_conflict(store, &conflict, 0,
                                         "if_seq %llu: the store's newest op is %llu",
                                         (unsigned long long)write->if_seq,
                                         (unsigned long long)ngi_wal_applied(store->wal));
    }
    if (status != NG_OK)
        ngi_wal_unlock(store->wal);
    return status;
}

void ngi_store_write_abandon(ng_store *store)
{
    ngi_wal_unlock(store->wal);
}

/* What would be wrong with an op whose writer has checked it is a mistake of this library. */
static ng_status write_reserve(ng_store *store, const ngi_op *op, const store_room *room)
{
    if (room == NULL)
        return ngi_store_prepare(store, op);
#ifndef NDEBUG
    ng_status status = ngi_store_prepare(store, op);
    assert(status != NG_E_CORRUPT);
    if (status != NG_OK)
        return status;
#else
    (void)op;
#endif
    return ngi_store_reserve(store, room);
}

/* The memory limit binds users' writes and nothing else: not replay, not ops of another store. What
 * deletes needs no more room than there is. */
static ng_status write_reserve_once(ng_store *store, const ngi_op *op, const store_room *room)
{
    atomic_store_explicit(&store->write_bound, store->memory_limit, memory_order_relaxed);
    ng_status status = write_reserve(store, op, room);
    atomic_store_explicit(&store->write_bound, 0, memory_order_relaxed);
    return status;
}

static ng_status write_reserve_bounded(ng_store *store, const ngi_op *op, const store_room *room)
{
    ng_status status = write_reserve_once(store, op, room);
    if (NGI_LIKELY(status != NG_E_LIMIT))
        return status;
    if (ngi_shrink_groups(store, UINT32_MAX) > 0)
        status = write_reserve_once(store, op, room);
    if (status == NG_E_LIMIT)
        atomic_fetch_add_explicit(&store->memory_refused_count, 1, memory_order_relaxed);
    return status;
}

/* `room` NULL: the op is to be prepared. */
static ng_status write_commit(ng_store *store, ngi_op_kind kind, size_t body_bytes,
                              const store_room *room, const ng_write_options *write)
{
    ngi_op op = {.body = ngi_wal_body(store->wal),
                 .body_bytes = (uint32_t)body_bytes,
                 .kind = (uint16_t)kind};
    uint32_t actor = write != NULL ? write->actor : 0;
    ngi_rwlock_write(&store->index_lock);
    ng_status status = write_reserve_bounded(store, &op, room);
    if (status == NG_OK) {
        ngi_wal_commit(store->wal, (uint16_t)kind, actor, body_bytes, &op);
        status = ngi_store_apply(store, &op);
    }
    ngi_rwlock_write_end(&store->index_lock);
    if (status != NG_OK) {
        if (status == NG_E_INTERNAL)
            status = ngi_store_broken(store, ngi_last_error());
        ngi_wal_unlock(store->wal);
        return status;
    }
    if (write != NULL && write->seq != NULL)
        *write->seq = op.seq;
    ng_durability durability = write != NULL && write->durability != NG_DURABILITY_DEFAULT
                                   ? (ng_durability)write->durability
                                   : store->durability;
    if (durability == NG_DURABILITY_SYNC && write != NULL && (write->flags & NG_WRITE_NOWAIT)) {
        ngi_wal_unlock(store->wal);
        return NG_OK;
    }
    if (durability == NG_DURABILITY_INTERVAL)
        ngi_upkeep_flush_soon(store);
    return ngi_wal_unlock_and_acknowledge(store->wal, op.seq, durability);
}

ng_status ngi_store_write_commit(ng_store *store, ngi_op_kind kind, size_t body_bytes,
                                 const ng_write_options *write)
{
    return write_commit(store, kind, body_bytes, NULL, write);
}

ng_status ngi_store_write_commit_checked(ng_store *store, ngi_op_kind kind, size_t body_bytes,
                                         const store_room *room, const ng_write_options *write)
{
    return write_commit(store, kind, body_bytes, room, write);
}

ng_status ngi_store_apply_stamped(ng_store *store, const ngi_op *from)
{
    if (NGI_UNLIKELY(store->read_only))
        return store_fail_read_only(store);
    ngi_op op = *from;
    ngi_wal_lock(store->wal);
    ng_status status = NG_OK;
    NGI_TRY(ngi_wal_make_room(store->wal, from->body_bytes));
    ng_seq next = ngi_wal_applied(store->wal) + 1;
    if (from->seq != next) {
        ng_conflict conflict = {.kind = NG_CONFLICT_SEQ, .expected_seq = from->seq};
        status = ngi_store_fail_conflict(store, &conflict, 0,
                                         "op %llu cannot follow: the next op is %llu",
                                         (unsigned long long)from->seq, (unsigned long long)next);
        goto out;
    }
    memcpy(ngi_wal_body(store->wal), from->body, from->body_bytes);
    op.body = ngi_wal_body(store->wal);
    ngi_rwlock_write(&store->index_lock);
    status = ngi_store_prepare_foreign(store, &op);
    if (status == NG_OK) {
        ngi_wal_commit_stamped(store->wal, from, &op);
        status = ngi_store_apply(store, &op);
    }
    ngi_rwlock_write_end(&store->index_lock);
    if (status == NG_E_INTERNAL)
        status = ngi_store_broken(store, ngi_last_error());
out:
    ngi_wal_unlock(store->wal);
    return status;
}

/* Or looks (store_look.h): then record.slot is 0 if the token is not there. */
void ngi_store_token_info(const ng_store *store, uint32_t slot, ng_token_info *out)
{
    store_side side;
    ngi_shared_read(&out->record, &store_records(store)[slot], sizeof out->record);
    ngi_shared_read(&side, &store_sides(store)[slot], sizeof side);
    ngi_graph_node node = ngi_graph_node_of(&store->graph, slot);
    store_attribute_entry attributes = ngi_attributes_entry(&store->attributes, slot);
    out->id = slot;
    out->updated_us = side.updated_us;
    out->version = side.version;
    out->collection = side.collection;
    out->out_degree = node.out_degree;
    out->in_degree = node.in_degree;
    out->has_vector = ngi_vectors_has(store->vectors, slot);
    out->vector_fields = (uint16_t)ngi_vector_fields_of(store, slot);
    out->tag_count = attributes.tag_count;
    out->data_bytes = attributes.data_bytes;
    out->expires_us = attributes.expires_us;
}

ng_status ngi_store_fail_conflict(ng_store *store, ng_conflict *conflict, uint32_t slot,
                                  const char *format, ...)
{
    char message[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    conflict->seq = ngi_wal_applied(store->wal);
    if (slot != 0 && store_live_slot(store, slot) != 0)
        ngi_store_token_info(store, slot, &conflict->token);
    const ng_connection *record = conflict->connection <= UINT32_MAX
                                      ? ngi_graph_get(&store->graph, (uint32_t)conflict->connection)
                                      : NULL;
    if (record != NULL)
        conflict->record = *record;
    atomic_fetch_add_explicit(&store->conflict_count, 1, memory_order_relaxed);
    ng_status status = ngi_fail(NG_E_CONFLICT, "%s", message);
    ngi_conflict_set(conflict);
    return status;
}

ng_status ngi_store_broken(ng_store *store, const char *what)
{
    char reason[512];
    snprintf(reason, sizeof reason, "a broken invariant: %s", what);
    ngi_blackbox_note(store->box, "internal", ngi_wal_applied(store->wal), "%s", reason);
    (void)!ngi_blackbox_dump(store->box, reason); /* the events are in the file in any case */
    ngi_wal_latch(store->wal, NG_E_INTERNAL, reason);
    return ngi_fail(NG_E_INTERNAL, "%s", reason);
}

/* Under the log's lock: reads without a lock look at nothing but this limit. */
static void store_latch(void *context)
{
    ng_store *store = context;
    atomic_store_explicit(&store->readable_end, 0, memory_order_release);
}

static void store_load_graphs(ng_store *store)
{
    store->graphs_seq = 0;
    ngi_graphs_load(store);
}

static ng_status store_replay(void *context, const ngi_op *op)
{
    ng_store *store = context;
    if (store->graphs_seq != 0 && op->seq > store->graphs_seq)
        store_load_graphs(store);
    ng_status status = ngi_store_prepare(store, op);
    return status == NG_OK ? ngi_store_apply(store, op) : status;
}

static ng_status store_encoding(const ng_open_options *options, ngi_encoding *out)
{
    ngi_encoding_default(out);
    if (options == NULL)
        return NG_OK;
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            if (options->scales[space][axis] != 0)
                out->scale[space][axis] = options->scales[space][axis];
            out->origin[space][axis] = options->origins[space][axis];
        }
    }
    return ngi_encoding_validate(out);
}

static ng_status store_add_builtin_collections(ng_store *store)
{
    void *block;
    ng_status status = ngi_alloc(store_account_of(store, STORE_COLLECTIONS),
                                 8 * sizeof *store->collections, "collections", &block);
    if (status != NG_OK)
        return status;
    store->collections = block;
    store->collection_capacity = 8;
    store->collection_count = 2;
    store->collections[NG_COLLECTION_RUNTIME] = (store_collection){.name = "runtime"};
    store->collections[NG_COLLECTION_SEMANTIC] = (store_collection){.name = "semantic"};
    return NG_OK;
}

static ng_status store_init_tables(ng_store *store)
{
    ngi_os *os = store->os;
    ngi_mem *accounts = store->accounts;
    ngi_mem *mem = &accounts[STORE_TOKENS];
    size_t slots = (size_t)store->max_tokens + 1;
    ng_status status = NG_OK;
    NGI_TRY(ngi_table_init(&store->records, os, mem, sizeof(ng_token), slots, "token table"));
    NGI_TRY(ngi_table_init(&store->sides, os, mem, sizeof(store_side), slots, "token table"));
    NGI_TRY(ngi_labels_init(&store->labels, os, &accounts[STORE_LABELS], store->max_tokens));
    NGI_TRY(ngi_graph_init(&store->graph, os, &accounts[STORE_GRAPH], store->max_tokens,
                           store->max_connections));
    /* As many members of named grids as tokens. */
    NGI_TRY(ngi_grid_create(os, &accounts[STORE_GRID],
                            2 * (uint64_t)store->max_tokens * NG_SPACE_COUNT, &store->grid));
    NGI_TRY(ngi_named_init(store));
    NGI_TRY(ngi_vector_fields_init(store));
    NGI_TRY(ngi_attributes_init(&store->attributes, os, &accounts[STORE_ATTRIBUTES],
                                store->max_tokens));
    NGI_TRY(store_add_builtin_collections(store));
out:
    return status;
}

static void store_release_tables(ng_store *store)
{
    ngi_table_release(&store->records);
    ngi_table_release(&store->sides);
    ngi_labels_release(&store->labels);
    ngi_groups_release(store_account_of(store, STORE_TOKENS), &store->token_groups);
    ngi_groups_release(store_account_of(store, STORE_GRAPH), &store->connection_groups);
    ngi_graph_release(&store->graph);
    ngi_named_release(store);
    ngi_grid_destroy(store->grid);
    store->grid = NULL;
    memset(store->spaces, 0, sizeof store->spaces);
    ngi_vector_fields_release(store);
    ngi_attributes_release(&store->attributes);
    ngi_buffer_release(store->mem, &store->projection);
    ngi_free(store_account_of(store, STORE_COLLECTIONS), store->collections,
             store->collection_capacity * sizeof *store->collections);
    store->collections = NULL;
    store->collection_count = store->collection_capacity = 0;
}

ng_status ngi_store_reset_tables(ng_store *store)
{
    store_release_tables(store);
    store->token_count = store->active_token_count = store->active_connection_count = 0;
    store->projection_version = 0;
    atomic_store_explicit(&store->slot_end, 1, memory_order_release);
    atomic_store_explicit(&store->readable_end, 0, memory_order_release);
    store->given.slot_given = store->given.id_given = 1;
    ngi_cdna_default(&store->cdna, store->created_us / 1000000);
    return store_init_tables(store);
}

static void store_free(ng_store *store)
{
    ngi_mem *mem = store->mem;
    store_release_tables(store);
    ngi_buffer_release(mem, &store->given.returned_slots);
    ngi_buffer_release(mem, &store->given.returned_ids);
    ngi_blackbox_close(store->box);
    ngi_answers_release(&store->answers, mem);
    if (store->path != NULL)
        ngi_free(mem, store->path, strlen(store->path) + 1);
    ngi_cond_destroy(&store->upkeep.wake);
    ngi_mutex_destroy(&store->graphs_lock);
    ngi_mutex_destroy(&store->upkeep.lock);
    ngi_rwlock_destroy(&store->index_lock);
    ngi_free(store->root, store, sizeof *store);
}

static ng_status store_limit(const char *name, uint32_t value, uint32_t usual, uint32_t most,
                             uint32_t *out)
{
    if (value > most)
        return ngi_fail(NG_E_INVALID, "%s %u is outside 1..%u", name, value, most);
    *out = value != 0 ? value : usual;
    return NG_OK;
}

static ng_status store_limit_u64(const char *name, uint64_t value, uint64_t least, uint64_t most)
{
    if (value != 0 && (value < least || value > most))
        return ngi_fail(NG_E_INVALID, "%s %llu is outside %llu..%llu", name,
                        (unsigned long long)value, (unsigned long long)least,
                        (unsigned long long)most);
    return NG_OK;
}

static ng_status store_apply_upkeep(ng_store *store, const ng_open_options *given)
{
    store_upkeep *upkeep = &store->upkeep;
    ng_status status = NG_OK;
    if (given->durability > NG_DURABILITY_NONE)
        return ngi_fail(NG_E_INVALID, "durability %u is outside 0..3", given->durability);
    store->durability = given->durability == NG_DURABILITY_DEFAULT
                            ? NG_DURABILITY_SYNC
                            : (ng_durability)given->durability;
    NGI_TRY(store_limit_u64("interval_ms", given->interval_ms, 1, NGI_INTERVAL_MS_MAX));
    if (given->checkpoint_bytes != NG_NEVER)
        NGI_TRY(store_limit_u64("checkpoint_bytes", given->checkpoint_bytes, NGI_SEGMENT_BYTES_MIN,
                                UINT64_MAX));
    upkeep->interval_ms = given->interval_ms != 0 ? given->interval_ms : NGI_INTERVAL_MS_DEFAULT;
    upkeep->checkpoint_bytes =
        given->checkpoint_bytes != 0 ? given->checkpoint_bytes : NGI_CHECKPOINT_BYTES_DEFAULT;
    upkeep->checkpoint_seconds =
        given->checkpoint_seconds != 0 ? given->checkpoint_seconds : NGI_CHECKPOINT_SECONDS_DEFAULT;
    upkeep->retain_bytes = given->retain_bytes;
    upkeep->retain_seconds = given->retain_seconds;
out:
    return status;
}

static ng_status store_apply_memory(ng_store *store, uint64_t most)
{
    if (most != NG_NEVER && most != 0 && most < NGI_MEMORY_LIMIT_MIN)
        return ngi_fail(NG_E_INVALID, "max_memory_bytes %llu is below %llu",
                        (unsigned long long)most, (unsigned long long)NGI_MEMORY_LIMIT_MIN);
    if (most == 0) {
        most = ngi_os_memory_bytes() / 2;
        if (most < NGI_MEMORY_BYTES_MIN)
            most = NGI_MEMORY_BYTES_MIN;
    }
    store->memory_limit = most < SIZE_MAX / 2 ? (size_t)most : 0;
    atomic_store(&store->stage_bound, store->memory_limit + store->memory_limit / 8);
    return NG_OK;
}

static ng_status store_apply_options(ng_store *store, const ng_open_options *given)
{
    const uint32_t known = NG_OPEN_MUST_EXIST | NG_OPEN_CLIP | NG_OPEN_WARM | NG_OPEN_READ_ONLY |
                           NG_OPEN_MANUAL | NG_OPEN_LONG_TICKS | NG_OPEN_CLEANUP;
    ng_status status = NG_OK;
    store->dimensions_wanted = given->dimensions;
    store->read_only = (given->flags & NG_OPEN_READ_ONLY) != 0;
    store->manual = (given->flags & NG_OPEN_MANUAL) != 0;
    store->long_ticks = (given->flags & NG_OPEN_LONG_TICKS) != 0;
    store->cleans = (given->flags & NG_OPEN_CLEANUP) != 0;
    if ((given->flags & ~known) != 0)
        return ngi_fail(NG_E_INVALID, "flags 0x%X has unknown bits", given->flags);
    if (store->read_only && store->path == NULL)
        return ngi_fail(NG_E_INVALID, "flags: a store in memory cannot be opened for reading only");
    NGI_TRY(
        store_limit_u64("dimensions", given->dimensions, NGI_DIMENSIONS_MIN, NGI_DIMENSIONS_MAX));
    NGI_TRY(store_limit_u64("segment_bytes", given->segment_bytes, NGI_SEGMENT_BYTES_MIN,
                            NGI_SEGMENT_BYTES_LIMIT));
    NGI_TRY(store_apply_memory(store, given->max_memory_bytes));
    NGI_TRY(store_apply_upkeep(store, given));
    NGI_TRY(store_limit("max_tokens", given->max_tokens, NGI_TOKENS_MAX_DEFAULT,
                        NGI_TOKENS_MAX_LIMIT, &store->max_tokens));
    NGI_TRY(store_limit("max_connections", given->max_connections, NGI_CONNECTIONS_MAX_DEFAULT,
                        NGI_CONNECTIONS_MAX_LIMIT, &store->max_connections));
out:
    return status;
}

static void store_take_identity(ng_store *store, const ngi_manifest *manifest)
{
    static const uint8_t none[16] = {0};
    bool clip = store->encoding.clip;
    store->encoding = manifest->encoding;
    store->encoding.clip = clip;
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        ngi_metric_init(&store->metrics[space], &store->encoding, (ng_space)space,
                        NG_METRIC_EUCLIDEAN);
    store->created_us = manifest->created_us;
    store->follows = memcmp(manifest->origin_uuid, none, sizeof none) != 0;
    memcpy(store->uuid, manifest->uuid, sizeof store->uuid);
    memcpy(store->origin_uuid, manifest->origin_uuid, sizeof store->origin_uuid);
    ngi_cdna_default(&store->cdna, manifest->created_us / 1000000);
}

void ngi_store_identity(const ng_store *store, ngi_manifest *out)
{
    *out = (ngi_manifest){.format_version = NGI_FORMAT_VERSION,
                          .created_us = store->created_us,
                          .encoding = store->encoding,
                          .first_segment = 1};
    out->encoding.clip = false; /* chosen anew each time a store is opened */
    memcpy(out->uuid, store->uuid, sizeof out->uuid);
}

static ng_status store_new_identity(ng_store *store, const ng_open_options *options,
                                    ngi_manifest *out)
{
    ngi_os *os = store->os;
    *out = (ngi_manifest){.format_version = NGI_FORMAT_VERSION,
                          .created_us = os->clock_us(os),
                          .first_segment = 1};
    ng_status status = store_encoding(options, &out->encoding);
    return status == NG_OK ? ngi_manifest_new_uuid(os, out->uuid) : status;
}

/* Snapshot first, then the log behind it. */
static ng_status store_recover(ng_store *store, const ngi_manifest *manifest)
{
    ng_seq seq = 0;
    uint64_t time_us = 0;
    ng_status status = NG_OK;
    if (store->path != NULL)
        NGI_TRY(ngi_snapshot_recover(store, manifest, &seq, &time_us));
    store->recovered_snapshot_seq = seq;
    store->graphs_seq = ngi_graphs_seq(store);
    if (store->graphs_seq < seq)
        store->graphs_seq = 0;
    NGI_TRY(ngi_wal_recover(store->wal, seq, time_us, store_replay, store));
    if (store->graphs_seq != 0)
        store_load_graphs(store);
    store->given.slot_given = store_slot_end(store);
    store->given.id_given = store->graph.id_end;
out:
    return status;
}

static ng_status store_open_log(ng_store *store, const ng_open_options *options)
{
    ngi_manifest manifest;
    ngi_wal_options log = {.path = store->path,
                           .must_exist = (options->flags & NG_OPEN_MUST_EXIST) != 0,
                           .read_only = store->read_only,
                           .segment_bytes = options->segment_bytes != 0 ? options->segment_bytes
                                                                        : NGI_SEGMENT_BYTES_DEFAULT,
                           .durability = store->durability};
    ng_status status = NG_OK;
    NGI_TRY(store_new_identity(store, options, &manifest));
    NGI_TRY(
        ngi_wal_open(store->os, store_account_of(store, STORE_LOG), &log, &manifest, &store->wal));
    store->encoding.clip = (options->flags & NG_OPEN_CLIP) != 0;
    store_take_identity(store, &manifest);
    if (!store->read_only) {
        /* Without its black box a store works as well. */
        status = ngi_blackbox_open(store->os, store->path, &store->box);
        if (status == NG_E_NOMEM)
            goto out;
    }
    ngi_wal_set_blackbox(store->wal, store->box);
    ngi_wal_on_latch(store->wal, store_latch, store);
    NGI_TRY(store_recover(store, &manifest));
    ngi_blackbox_note(store->box, "open", ngi_wal_applied(store->wal),
                      "version %s, snapshot %llu, %llu tokens", NG_VERSION_TEXT,
                      (unsigned long long)store->recovered_snapshot_seq,
                      (unsigned long long)store->token_count);
out:
    return status;
}

static ng_status store_init(ng_store *store, ngi_os *os, ngi_mem *mem)
{
    memset(store, 0, sizeof *store);
    store->os = os;
    store->root = mem;
    for (size_t i = 0; i < STORE_ACCOUNT_COUNT; i++)
        ngi_mem_account_init(&store->accounts[i], mem);
    store->mem = &store->accounts[STORE_OTHER];
    atomic_init(&store->write_bound, 0);
    atomic_init(&store->stage_bound, 0);
    for (size_t i = STORE_TOKENS; i <= STORE_COLLECTIONS; i++)
        store->accounts[i].bound_bytes = &store->write_bound;
    store->accounts[STORE_TRANSACTIONS].bound_bytes = &store->stage_bound;
    store->head.token_read = ngi_store_choose_reader();
    store->given.slot_given = store->given.id_given = 1;
    atomic_init(&store->slot_end, 1);
    atomic_init(&store->readable_end, 0);
    atomic_init(&store->open_txn_count, 0);
    atomic_init(&store->commit_count, 0);
    atomic_init(&store->conflict_count, 0);
    atomic_init(&store->expired_view_count, 0);
    atomic_init(&store->memory_refused_count, 0);
    atomic_init(&store->cleanup.running, false);
    atomic_init(&store->cleanup.cursor, 1);
    atomic_init(&store->cleanup.rest_until_ns, 0);
    atomic_init(&store->cleanup.count, 0);
    atomic_init(&store->cleanup.evicted_connections, 0);
    atomic_init(&store->cleanup.evicted_tokens, 0);
    atomic_init(&store->upkeep.flush_due, false);
    atomic_init(&store->upkeep.stopping, false);
    atomic_init(&store->upkeep.next_job, 0);
    for (size_t i = 0; i < STORE_STRIPES; i++)
        atomic_init(&store->stripes[i], 0);
    ng_status status = ngi_rwlock_init(&store->index_lock);
    if (status != NG_OK)
        return status;
    status = ngi_mutex_init(&store->upkeep.lock);
    if (status == NG_OK) {
        status = ngi_mutex_init(&store->graphs_lock);
        if (status == NG_OK) {
            status = ngi_cond_init(&store->upkeep.wake);
            if (status != NG_OK)
                ngi_mutex_destroy(&store->graphs_lock);
        }
        if (status != NG_OK)
            ngi_mutex_destroy(&store->upkeep.lock);
    }
    if (status == NG_OK) {
        status = ngi_answers_init(&store->answers);
        if (status != NG_OK) {
            ngi_cond_destroy(&store->upkeep.wake);
            ngi_mutex_destroy(&store->upkeep.lock);
        }
    }
    if (status != NG_OK)
        ngi_rwlock_destroy(&store->index_lock);
    return status;
}

static ng_status store_create(ngi_os *os, ngi_mem *mem, const char *path, ng_store **out)
{
    void *block;
    ng_status status = ngi_alloc(mem, sizeof(ng_store), "store", &block);
    if (status != NG_OK)
        return status;
    ng_store *store = block;
    status = store_init(store, os, mem);
    if (status != NG_OK) {
        ngi_free(mem, store, sizeof *store);
        return status;
    }
    if (path != NULL) {
        status = ngi_alloc(store->mem, strlen(path) + 1, "path", &block);
        if (status != NG_OK) {
            store_free(store);
            return status;
        }
        store->path = block;
        memcpy(store->path, path, strlen(path) + 1);
    }
    *out = store;
    return NG_OK;
}

/* Gives up a store that could not be opened, keeping the message that says why. */
static void store_abandon(ng_store *store)
{
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    (void)ngi_wal_close(store->wal);
    store_free(store);
    ngi_error_set(reason);
}

static ng_status store_check_dimensions(const ng_store *store)
{
    uint32_t dimensions = ngi_vectors_dimensions(store->vectors);
    if (store->dimensions_wanted == 0 || dimensions == 0 || dimensions == store->dimensions_wanted)
        return NG_OK;
    return ngi_fail(NG_E_INVALID, "dimensions %u: the store has vectors of %u",
                    store->dimensions_wanted, dimensions);
}

ng_status ngi_store_open(ngi_os *os, ngi_mem *mem, const char *path, const ng_open_options *options,
                         ng_store **out)
{
    const ng_open_options none = {0};
    const ng_open_options *given = options != NULL ? options : &none;
    uint64_t begin_ns = os->monotonic_ns(os);
    ng_store *store;
    *out = NULL;
    ng_status status = store_create(os, mem, path, &store);
    if (status != NG_OK)
        return status;
    NGI_TRY(store_apply_options(store, given));
    NGI_TRY(store_init_tables(store));
    NGI_TRY(store_open_log(store, given));
    NGI_TRY(store_check_dimensions(store));
    if ((given->flags & NG_OPEN_WARM) && ngi_vectors_dimensions(store->vectors) != 0)
        NGI_TRY(ngi_store_prepare_search(store, 0));
    NGI_TRY(ngi_upkeep_start(store));
    store->open_us = (os->monotonic_ns(os) - begin_ns) / 1000;
    *out = store;
out:
    if (status != NG_OK)
        store_abandon(store);
    return status;
}

ng_status ngi_store_create_memory(ngi_os *os, ngi_mem *mem, const ngi_manifest *identity,
                                  ng_store **out)
{
    const ng_open_options options = {.flags = NG_OPEN_MANUAL,
                                     .max_tokens = NGI_TOKENS_MAX_LIMIT,
                                     .max_connections = NGI_CONNECTIONS_MAX_LIMIT};
    ng_store *store;
    ngi_manifest manifest = *identity;
    *out = NULL;
    ng_status status = store_create(os, mem, NULL, &store);
    if (status != NG_OK)
        return status;
    NGI_TRY(store_apply_options(store, &options));
    NGI_TRY(store_init_tables(store));
    memset(manifest.origin_uuid, 0, sizeof manifest.origin_uuid);
    store_take_identity(store, &manifest);
    const ngi_wal_options log = {.segment_bytes = NGI_SEGMENT_BYTES_DEFAULT,
                                 .durability = NG_DURABILITY_SYNC};
    NGI_TRY(ngi_wal_open(os, store_account_of(store, STORE_LOG), &log, &manifest, &store->wal));
    ngi_wal_on_latch(store->wal, store_latch, store);
    *out = store;
out:
    if (status != NG_OK)
        store_abandon(store);
    return status;
}

ng_status ngi_store_close(ng_store *store)
{
    if (store == NULL)
        return NG_OK;
    ngi_upkeep_stop(store);
    ngi_blackbox_note(store->box, "close", ngi_wal_applied(store->wal), "%llu tokens",
                      (unsigned long long)store->token_count);
    ng_status status = ngi_wal_close(store->wal);
    store_free(store);
    return status;
}

ng_status ngi_store_wait_durable(ng_store *store, ng_seq seq)
{
    if (ngi_wal_is_latched(store->wal))
        return ngi_wal_fail_latched(store->wal);
    return ngi_wal_wait(store->wal, seq);
}

void ngi_store_positions(const ng_store *store, ng_seq *applied, ng_seq *durable)
{
    if (applied != NULL)
        *applied = ngi_wal_applied(store->wal);
    if (durable != NULL)
        *durable = ngi_wal_durable(store->wal);
}
