/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Evictions when memory runs short, for a store that was opened with NG_OPEN_CLEANUP.
 *
 * A pass begins when the store has taken more than 80 % of its limit, and goes through the
 * connections in the order of their ids, which is that of their creation, so the oldest go first. It
 * ends when what the items need is down to 70 %, or there are no more; then it rests, because a second
 * pass over the same connections would find nothing.
 *
 * The limit counts what was taken from the system, and deleting one of many neighbours gives nothing
 * back. So the pass is begun by what is taken and ended by what is in use: otherwise it would evict
 * everything it may for no gain.
 *
 * Each step is one op, like any other deletion: replay, copies and views know nothing of cleaning up.
 *
 * Threads: steps may overlap (the thread of the store, and a host that ticks as well). Each looks and
 * deletes under the log's lock; the cursor only makes the next step cheaper. */
#include "store/store_memory.h"

#define CONNECTION_BYTES (sizeof(ng_connection) + sizeof(ngi_graph_links))

static uint64_t cleanup_percent(const ng_store *store, unsigned percent)
{
    return store->memory_limit / 100 * percent;
}

static uint64_t cleanup_taken(const ng_store *store)
{
    return atomic_load_explicit(&store->root->used_bytes, memory_order_relaxed);
}

bool ngi_cleanup_is_due(ng_store *store)
{
    store_cleanup *cleanup = &store->cleanup;
    if (!store->cleans || store->memory_limit == 0 || store->read_only || store->follows ||
        ngi_wal_is_latched(store->wal))
        return false;
    if (atomic_load_explicit(&cleanup->running, memory_order_relaxed))
        return true;
    return cleanup_taken(store) > cleanup_percent(store, NGI_CLEANUP_BEGIN_PERCENT) &&
           store->os->monotonic_ns(store->os) >=
               atomic_load_explicit(&cleanup->rest_until_ns, memory_order_relaxed);
}

static bool cleanup_is_semantic(const ng_store *store, uint32_t slot)
{
    return store_sides(store)[slot].collection == NG_COLLECTION_SEMANTIC;
}

static bool cleanup_may_evict(const ng_store *store, const ng_connection *record)
{
    return record->mutability == NG_HYPOTHESIS &&
           (record->flags & (NG_CONNECTION_ACTIVE | NG_CONNECTION_PERSISTENT)) == 0 &&
           record->confidence <= NGI_CLEANUP_CONFIDENCE_MAX &&
           !(cleanup_is_semantic(store, record->source) &&
             cleanup_is_semantic(store, record->target));
}

/* Ids of up to `most` connections that may go, from the cursor on, into `body`; `*at_end` if there
 * are no others behind. The caller holds the log's lock. */
static uint32_t cleanup_collect(ng_store *store, uint32_t most, uint8_t *body, bool *at_end)
{
    uint32_t id = atomic_load_explicit(&store->cleanup.cursor, memory_order_relaxed);
    uint32_t end = store->graph.id_end, count = 0;
    if (end - id > NGI_CLEANUP_SCAN)
        end = id + NGI_CLEANUP_SCAN;
    for (; id < end && count < most; id++) {
        const ng_connection *record = ngi_graph_get(&store->graph, id);
        if (record != NULL && cleanup_may_evict(store, record))
            ngi_put_u32(body + 4 * (size_t)count++, id);
    }
    atomic_store_explicit(&store->cleanup.cursor, id, memory_order_relaxed);
    *at_end = id >= store->graph.id_end;
    return count;
}

/* The next evictions, as one op; `*count` may be 0. */
static ng_status cleanup_evict(ng_store *store, uint32_t most, uint32_t *count, bool *at_end)
{
    const ng_write_options write = {.struct_size = sizeof write,
                                    .actor = NG_ACTOR_STORE,
                                    .durability = NG_DURABILITY_NONE};
    *count = 0;
    ng_status status = ngi_store_write_begin(store, NGI_OP_LIST_HEADER + 4 * (size_t)most, &write);
    if (status != NG_OK)
        return status;
    uint8_t *body = ngi_wal_body(store->wal);
    uint32_t found = cleanup_collect(store, most, body + NGI_OP_LIST_HEADER, at_end);
    if (found == 0) {
        ngi_store_write_abandon(store);
        return NG_OK;
    }
    ngi_op_list_encode(body, found, 0);
    status = ngi_store_write_commit(store, NGI_OP_CONNECTIONS_DELETE,
                                    NGI_OP_LIST_HEADER + 4 * (size_t)found, &write);
    if (status == NG_OK) {
        *count = found;
        atomic_fetch_add_explicit(&store->cleanup.evicted_connections, found, memory_order_relaxed);
    }
    return status;
}

static void cleanup_begin(ng_store *store)
{
    if (atomic_exchange_explicit(&store->cleanup.running, true, memory_order_relaxed))
        return;
    atomic_fetch_add_explicit(&store->cleanup.count, 1, memory_order_relaxed);
    ngi_blackbox_note(store->box, "cleanup", ngi_wal_applied(store->wal),
                      "begins: %llu bytes are taken, the limit is %llu",
                      (unsigned long long)cleanup_taken(store),
                      (unsigned long long)store->memory_limit);
}

static void cleanup_end(ng_store *store)
{
    uint64_t rest_ns = NGI_CLEANUP_REST_S * UINT64_C(1000000000);
    atomic_store_explicit(&store->cleanup.rest_until_ns,
                          store->os->monotonic_ns(store->os) + rest_ns, memory_order_relaxed);
    atomic_store_explicit(&store->cleanup.cursor, 1, memory_order_relaxed);
    atomic_store_explicit(&store->cleanup.running, false, memory_order_relaxed);
}

/* One op at most; `*ended` when the pass has come to its end. */
static ng_status cleanup_part(ng_store *store, bool *ended)
{
    ng_memory memory;
    uint32_t count = 0;
    bool at_end = false;
    uint64_t goal = cleanup_percent(store, NGI_CLEANUP_END_PERCENT);
    ng_status status = ngi_store_memory(store, &memory);
    *ended = status != NG_OK || memory.used_bytes <= goal;
    if (*ended)
        return status;
    uint64_t wanted = (memory.used_bytes - goal + CONNECTION_BYTES - 1) / CONNECTION_BYTES;
    uint32_t most = wanted < NGI_CLEANUP_BATCH ? (uint32_t)wanted : NGI_CLEANUP_BATCH;
    status = cleanup_evict(store, most, &count, &at_end);
    if (count > 0)
        ngi_blackbox_note(store->box, "cleanup", ngi_wal_applied(store->wal),
                          "evicted %u connections; items need %llu of %llu bytes", count,
                          (unsigned long long)memory.used_bytes,
                          (unsigned long long)store->memory_limit);
    *ended = status != NG_OK || at_end;
    return status;
}

ng_status ngi_cleanup_step(ng_store *store, uint64_t deadline_ns)
{
    ng_status status = NG_OK;
    bool ended = false;
    cleanup_begin(store);
    do {
        status = cleanup_part(store, &ended);
    } while (!ended && store->os->monotonic_ns(store->os) < deadline_ns);
    if (ended)
        cleanup_end(store);
    return status;
}
