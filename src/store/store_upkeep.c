/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a store does on its own: syncs of interval durability, the end of views that have lived too
 * long, checkpoints when the log has grown.
 *
 * One thread flushes and expires; it sleeps until something is due. A checkpoint that falls due runs
 * in a thread of its own, because a flush must not wait for it. A manual store has neither: ng_tick
 * does the same in the caller's thread.
 *
 * A flush is due from the first op of interval durability that is appended; `flush_due` is set once
 * and cleared before the flush, so an op appended during it makes the next one due. */
#include "store/store_snapshot.h"

#define UPKEEP_IDLE_MS 1000u /* views expire, and checkpoints by age fall due, as late as this */
#define UPKEEP_RETRY_S 30u   /* after a checkpoint that failed */
#define UPKEEP_GROWTH_DIVISOR 2u /* no new snapshot before the log is this part of the last one */

static uint64_t upkeep_now(const ng_store *store)
{
    return store->os->monotonic_ns(store->os);
}

/* --- checkpoints ----------------------------------------------------------------------------- */

/* Whether the log since the last snapshot is large or old enough. The size of the snapshot counts as
 * well, so that a large store does not write itself out again for a little log. */
static bool upkeep_checkpoint_is_due(ng_store *store)
{
    store_upkeep *upkeep = &store->upkeep;
    if (store->path == NULL || store->read_only || ngi_wal_is_latched(store->wal))
        return false;
    ngi_wal_stats log;
    ngi_wal_stats_get(store->wal, &log);
    ngi_mutex_lock(&upkeep->lock);
    uint64_t snapshot_bytes = upkeep->snapshot_bytes;
    uint64_t since_us =
        upkeep->snapshot_us > upkeep->opened_us ? upkeep->snapshot_us : upkeep->opened_us;
    bool has_new = ngi_wal_applied(store->wal) > upkeep->snapshot_seq;
    bool may = !upkeep->checkpointing && upkeep_now(store) >= upkeep->retry_at_ns;
    ngi_mutex_unlock(&upkeep->lock);
    if (!has_new || !may)
        return false;
    uint64_t now_us = store->os->clock_us(store->os);
    bool is_old = upkeep->checkpoint_seconds != NG_NEVER && now_us > since_us &&
                  (now_us - since_us) / 1000000 >= upkeep->checkpoint_seconds;
    bool is_large = upkeep->checkpoint_bytes != NG_NEVER &&
                    log.bytes_since_snapshot >= upkeep->checkpoint_bytes;
    return (is_old || is_large) &&
           log.bytes_since_snapshot >= snapshot_bytes / UPKEEP_GROWTH_DIVISOR;
}

static bool upkeep_go_on(void *context, const ng_progress *progress)
{
    (void)progress;
    const ng_store *store = context;
    return !atomic_load_explicit(&store->upkeep.stopping, memory_order_acquire);
}

static ng_status upkeep_checkpoint(ng_store *store)
{
    ng_status status = ngi_store_checkpoint(store, upkeep_go_on, store, NULL);
    if (status == NG_E_BUSY)
        return NG_OK; /* somebody else writes one */
    if (status != NG_OK) {
        ngi_mutex_lock(&store->upkeep.lock);
        store->upkeep.retry_at_ns = upkeep_now(store) + UPKEEP_RETRY_S * UINT64_C(1000000000);
        ngi_mutex_unlock(&store->upkeep.lock);
    }
    return status;
}

static void *upkeep_run_checkpoint(void *context)
{
    ng_store *store = context;
    (void)!upkeep_checkpoint(store); /* counted and noted in the black box */
    ngi_mutex_lock(&store->upkeep.lock);
    store->upkeep.checkpointer_done = true;
    ngi_mutex_unlock(&store->upkeep.lock);
    return NULL;
}

/* Joins a checkpoint that has ended and starts one that is due. For the thread alone. */
static void upkeep_drive_checkpoint(ng_store *store)
{
    store_upkeep *upkeep = &store->upkeep;
    ngi_mutex_lock(&upkeep->lock);
    bool running = upkeep->has_checkpointer && !upkeep->checkpointer_done;
    bool ended = upkeep->has_checkpointer && upkeep->checkpointer_done;
    ngi_mutex_unlock(&upkeep->lock);
    if (ended) {
        ngi_thread_join(&upkeep->checkpointer);
        upkeep->has_checkpointer = false;
    }
    if (running || !upkeep_checkpoint_is_due(store))
        return;
    upkeep->checkpointer_done = false;
    upkeep->has_checkpointer =
        ngi_thread_start(&upkeep->checkpointer, upkeep_run_checkpoint, store) == NG_OK;
}

/* --- flushes --------------------------------------------------------------------------------- */

static ng_status upkeep_flush(ng_store *store)
{
    atomic_store_explicit(&store->upkeep.flush_due, false, memory_order_seq_cst);
    return ngi_wal_flush(store->wal, false);
}

void ngi_upkeep_flush_soon(ng_store *store)
{
    store_upkeep *upkeep = &store->upkeep;
    if (NGI_LIKELY(atomic_load_explicit(&upkeep->flush_due, memory_order_relaxed)) ||
        atomic_exchange_explicit(&upkeep->flush_due, true, memory_order_seq_cst))
        return;
    ngi_mutex_lock(&upkeep->lock);
    upkeep->flush_at_ns = upkeep_now(store) + upkeep->interval_ms * UINT64_C(1000000);
    ngi_mutex_unlock(&upkeep->lock);
    ngi_cond_signal(&upkeep->wake);
}

/* The log's buffer fills faster than the interval empties it, or the log needs its next file: called
 * under the log's lock. */
static void upkeep_press(void *context)
{
    ng_store *store = context;
    ngi_mutex_lock(&store->upkeep.lock);
    store->upkeep.urgent = true;
    ngi_mutex_unlock(&store->upkeep.lock);
    ngi_cond_signal(&store->upkeep.wake);
}

/* Sleeps until something is due; returns whether a flush is. With the lock held. */
static bool upkeep_sleep(ng_store *store)
{
    store_upkeep *upkeep = &store->upkeep;
    uint64_t now = upkeep_now(store);
    uint64_t until = now + UPKEEP_IDLE_MS * UINT64_C(1000000);
    if (upkeep->flush_at_ns != 0 && upkeep->flush_at_ns < until)
        until = upkeep->flush_at_ns;
    if (!upkeep->urgent && until > now)
        (void)ngi_cond_wait_ms(&upkeep->wake, &upkeep->lock, (until - now + 999999) / 1000000);
    bool due =
        upkeep->urgent || (upkeep->flush_at_ns != 0 && upkeep->flush_at_ns <= upkeep_now(store));
    if (due) {
        upkeep->urgent = false;
        upkeep->flush_at_ns = 0;
    }
    return due;
}

static void *upkeep_run(void *context)
{
    ng_store *store = context;
    store_upkeep *upkeep = &store->upkeep;
    uint64_t looked_ns = 0;
    ngi_mutex_lock(&upkeep->lock);
    while (!atomic_load_explicit(&upkeep->stopping, memory_order_relaxed)) {
        bool flush = upkeep_sleep(store);
        ngi_mutex_unlock(&upkeep->lock);
        if (flush)
            (void)!upkeep_flush(store); /* a failure latches the log: everyone will see it */
        uint64_t now = upkeep_now(store);
        if (now - looked_ns >= UPKEEP_IDLE_MS * UINT64_C(1000000)) {
            looked_ns = now;
            ngi_view_expire_due(store);
            upkeep_drive_checkpoint(store);
        }
        ngi_mutex_lock(&upkeep->lock);
    }
    ngi_mutex_unlock(&upkeep->lock);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------ */

ng_status ngi_upkeep_start(ng_store *store)
{
    store_upkeep *upkeep = &store->upkeep;
    upkeep->opened_us = store->os->clock_us(store->os);
    if (store->manual || store->read_only || store->path == NULL)
        return NG_OK; /* views of such a store expire when the next one is opened or read */
    ngi_wal_on_pressure(store->wal, upkeep_press, store);
    ng_status status = ngi_thread_start(&upkeep->thread, upkeep_run, store);
    upkeep->has_thread = status == NG_OK;
    return status;
}

void ngi_upkeep_stop(ng_store *store)
{
    store_upkeep *upkeep = &store->upkeep;
    ngi_mutex_lock(&upkeep->lock);
    atomic_store_explicit(&upkeep->stopping, true, memory_order_release);
    ngi_mutex_unlock(&upkeep->lock);
    ngi_cond_broadcast(&upkeep->wake);
    if (upkeep->has_thread)
        ngi_thread_join(&upkeep->thread);
    if (upkeep->has_checkpointer)
        ngi_thread_join(&upkeep->checkpointer);
    upkeep->has_thread = upkeep->has_checkpointer = false;
}

ng_status ngi_store_tick(ng_store *store)
{
    store_upkeep *upkeep = &store->upkeep;
    ng_status status = NG_OK;
    ngi_mutex_lock(&upkeep->lock);
    bool flush = atomic_load_explicit(&upkeep->flush_due, memory_order_relaxed) &&
                 upkeep->flush_at_ns <= upkeep_now(store);
    ngi_mutex_unlock(&upkeep->lock);
    if (flush)
        status = upkeep_flush(store);
    ngi_view_expire_due(store);
    if (status == NG_OK && upkeep_checkpoint_is_due(store))
        status = upkeep_checkpoint(store);
    return status;
}
