/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a store does on its own: syncs of interval durability, the end of views that have lived too
 * long, checkpoints when the log has grown.
 *
 * Each kind of work is a job: a question whether it is due, and a step that does a part of it. One
 * thread does the jobs; it sleeps until something is due. A checkpoint that falls due runs in a
 * thread of its own, because a flush must not wait for it. A manual store has neither: ng_tick does
 * the same jobs in the caller's thread, within the time that the caller has.
 *
 * Whoever comes first in the table would starve the others when every tick is too short for it, so
 * the next tick begins where the last one stopped.
 *
 * A flush is due from the first op of interval durability that is appended; `flush_due` is set once
 * and cleared before the flush, so an op appended during it makes the next one due. */
#include "store/store_graph_file.h"
#include "store/store_shrink.h"
#include "store/store_snapshot.h"

#define UPKEEP_IDLE_MS 1000u /* views expire, and checkpoints by age fall due, as late as this */
#define UPKEEP_RETRY_S 30u   /* after a checkpoint that failed */
#define UPKEEP_WORK_MS 20u   /* of jobs in the thread, before it looks for a flush again */
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

static bool upkeep_flush_is_due(ng_store *store)
{
    store_upkeep *upkeep = &store->upkeep;
    ngi_mutex_lock(&upkeep->lock);
    bool due =
        upkeep->urgent || (upkeep->flush_at_ns != 0 && upkeep->flush_at_ns <= upkeep_now(store));
    ngi_mutex_unlock(&upkeep->lock);
    return due;
}

static ng_status upkeep_flush(ng_store *store)
{
    ngi_mutex_lock(&store->upkeep.lock);
    store->upkeep.urgent = false;
    store->upkeep.flush_at_ns = 0;
    ngi_mutex_unlock(&store->upkeep.lock);
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

/* --- jobs ------------------------------------------------------------------------------------ */

static ng_status upkeep_flush_step(ng_store *store, uint64_t deadline_ns)
{
    (void)deadline_ns; /* one sync */
    return upkeep_flush(store);
}

static ng_status upkeep_expire_step(ng_store *store, uint64_t deadline_ns)
{
    (void)deadline_ns; /* gives pages back; at most NGI_VIEWS_MAX views */
    ngi_view_expire_due(store);
    return NG_OK;
}

static ng_status upkeep_checkpoint_step(ng_store *store, uint64_t deadline_ns)
{
    (void)deadline_ns; /* it cannot be done in parts: see store_job.is_long */
    return upkeep_checkpoint(store);
}

/* Whatever falls due on its own is a line here. */
static const store_job upkeep_jobs[] = {
    {.due = upkeep_flush_is_due, .step = upkeep_flush_step},
    {.due = ngi_view_any_due, .step = upkeep_expire_step},
    {.due = ngi_store_expiry_is_due, .step = ngi_store_expiry_step},
    {.due = ngi_cleanup_is_due, .step = ngi_cleanup_step},
    {.due = ngi_shrink_is_due, .step = ngi_shrink_step},
    {.due = ngi_graphs_are_due, .step = ngi_graphs_step},
    {.due = upkeep_checkpoint_is_due, .step = upkeep_checkpoint_step, .is_long = true},
};

#define UPKEEP_JOB_COUNT (sizeof upkeep_jobs / sizeof upkeep_jobs[0])

/* What one round of work may do, and has done. */
typedef struct upkeep_round {
    uint64_t deadline_ns; /* UINT64_MAX = none */
    bool allows_long;
    bool has_worked;
    bool more; /* something is still due */
} upkeep_round;

/* Steps of one job until nothing is due, it fails, or the time is up; but always one in a round,
 * so that a budget that is too short for anything makes progress as well. */
static ng_status upkeep_do_job(ng_store *store, const store_job *job, upkeep_round *round)
{
    ng_status status = NG_OK;
    while (status == NG_OK && job->due(store)) {
        bool is_late = round->has_worked && upkeep_now(store) >= round->deadline_ns;
        if (is_late || (job->is_long && !round->allows_long)) {
            round->more = true;
            break;
        }
        round->has_worked = true;
        status = job->step(store, round->deadline_ns);
    }
    return status;
}

/* Returns the first error, but does the other jobs as well. */
static ng_status upkeep_do_jobs(ng_store *store, upkeep_round *round)
{
    ng_status first = NG_OK;
    uint32_t begin = atomic_load_explicit(&store->upkeep.next_job, memory_order_relaxed);
    for (uint32_t i = 0; i < UPKEEP_JOB_COUNT; i++) {
        uint32_t at = (begin + i) % UPKEEP_JOB_COUNT;
        bool had_more = round->more;
        ng_status status = upkeep_do_job(store, &upkeep_jobs[at], round);
        if (first == NG_OK)
            first = status;
        if (round->more && !had_more && !upkeep_jobs[at].is_long)
            atomic_store_explicit(&store->upkeep.next_job, at, memory_order_relaxed);
    }
    return first;
}

void ngi_upkeep_wake(ng_store *store)
{
    ngi_mutex_lock(&store->upkeep.lock);
    store->upkeep.look = true;
    ngi_mutex_unlock(&store->upkeep.lock);
    ngi_cond_signal(&store->upkeep.wake);
}

/* Sleeps until something is due, or it is time to look. With the lock held. */
static void upkeep_sleep(ng_store *store)
{
    store_upkeep *upkeep = &store->upkeep;
    uint64_t now = upkeep_now(store);
    uint64_t until = now + UPKEEP_IDLE_MS * UINT64_C(1000000);
    if (upkeep->flush_at_ns != 0 && upkeep->flush_at_ns < until)
        until = upkeep->flush_at_ns;
    if (!upkeep->urgent && !upkeep->look && until > now)
        (void)ngi_cond_wait_ms(&upkeep->wake, &upkeep->lock, (until - now + 999999) / 1000000);
}

/* Returns whether more is due. */
static bool upkeep_look(ng_store *store)
{
    upkeep_round round = {.deadline_ns = upkeep_now(store) + UPKEEP_WORK_MS * UINT64_C(1000000)};
    /* A failure latches the log, or is noted in the black box: everyone will see it. */
    (void)!upkeep_do_jobs(store, &round);
    upkeep_drive_checkpoint(store);
    return round.more && round.has_worked;
}

static void *upkeep_run(void *context)
{
    ng_store *store = context;
    store_upkeep *upkeep = &store->upkeep;
    uint64_t looked_ns = 0;
    ngi_mutex_lock(&upkeep->lock);
    while (!atomic_load_explicit(&upkeep->stopping, memory_order_relaxed)) {
        upkeep_sleep(store);
        bool look = upkeep->look;
        upkeep->look = false;
        ngi_mutex_unlock(&upkeep->lock);
        if (upkeep_flush_is_due(store))
            (void)!upkeep_flush(store); /* a failure latches the log: everyone will see it */
        uint64_t now = upkeep_now(store);
        if (look || now - looked_ns >= UPKEEP_IDLE_MS * UINT64_C(1000000)) {
            looked_ns = now;
            look = upkeep_look(store);
        }
        ngi_mutex_lock(&upkeep->lock);
        upkeep->look = upkeep->look || look;
    }
    ngi_mutex_unlock(&upkeep->lock);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------ */

ng_status ngi_upkeep_start(ng_store *store)
{
    store_upkeep *upkeep = &store->upkeep;
    upkeep->opened_us = store->os->clock_us(store->os);
    if (store->manual || store->read_only || (store->path == NULL && !store->cleans))
        return NG_OK; /* views of such a store expire when the next one is opened or read */
    if (store->path != NULL)
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

ng_status ngi_store_tick(ng_store *store, uint64_t budget_us, bool *more)
{
    upkeep_round round = {.deadline_ns = UINT64_MAX, .allows_long = budget_us == 0};
    uint64_t now = upkeep_now(store);
    if (budget_us != 0) {
        round.allows_long = store->long_ticks;
        if (budget_us < (UINT64_MAX - now) / 1000)
            round.deadline_ns = now + budget_us * 1000;
    }
    ng_status status = upkeep_do_jobs(store, &round);
    if (more != NULL)
        *more = round.more;
    return status;
}
