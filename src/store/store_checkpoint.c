/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Checkpoint: a snapshot, and then less log.
 *
 *     view -> wait until it is durable -> write, sync, verify, rename -> graphs -> MANIFEST
 *          -> remove segments -> remove snapshots
 *
 * Invariants:
 *   1. Nothing is removed before MANIFEST names a snapshot that was verified.
 *   2. The snapshot before stays, with all the log after it: if the new one is damaged later, the
 *      state can still be had.
 *   3. Until MANIFEST names it, the store does not depend on the new file. A failure after it got its
 *      name leaves it, because MANIFEST may already name it; once it does, nothing fails.
 *   4. At most one at a time: `upkeep.checkpointing`. */
#include "store/store_graph_file.h"
#include "store/store_snapshot.h"

#include <stdio.h>
#include <string.h>

#define PATH_BYTES 4352
#define KEPT_MAX                                                                                   \
    64u /* snapshots that are looked at; what is beyond goes with the next checkpoint */

/* Whether it can begin; then it is the only one until checkpoint_release. */
static ng_status checkpoint_claim(ng_store *store, ng_seq *before, uint64_t *before_bytes)
{
    if (store->path == NULL)
        return ngi_fail(NG_E_INVALID, "a store in memory has nothing to checkpoint");
    if (store->read_only)
        return ngi_fail(NG_E_READ_ONLY, "the store is open for reading only");
    if (ngi_wal_is_latched(store->wal))
        return ngi_wal_fail_latched(store->wal);
    store_upkeep *upkeep = &store->upkeep;
    ngi_mutex_lock(&upkeep->lock);
    bool is_busy = upkeep->checkpointing;
    upkeep->checkpointing = true;
    *before = upkeep->snapshot_seq;
    *before_bytes = upkeep->snapshot_bytes;
    ngi_mutex_unlock(&upkeep->lock);
    return is_busy ? ngi_fail(NG_E_BUSY, "a checkpoint is being written") : NG_OK;
}

/* `done`: a snapshot was written and MANIFEST names it. */
static void checkpoint_release(ng_store *store, ng_status status, const ng_checkpoint_report *done)
{
    store_upkeep *upkeep = &store->upkeep;
    uint64_t now_us = store->os->clock_us(store->os);
    ngi_mutex_lock(&upkeep->lock);
    upkeep->checkpointing = false;
    if (done != NULL) {
        upkeep->snapshot_seq = done->seq;
        upkeep->snapshot_bytes = done->bytes;
        upkeep->snapshot_us = now_us;
        upkeep->checkpoint_count++;
    }
    if (status != NG_OK && status != NG_E_CANCELLED)
        upkeep->checkpoint_failures++;
    ngi_mutex_unlock(&upkeep->lock);
}

/* Writes the snapshot of the present state; `out->seq` is what it holds. */
static ng_status checkpoint_save(ng_store *store, store_progress *progress,
                                 ng_checkpoint_report *out)
{
    ng_view *view;
    ng_status status = ngi_view_open(store, NULL, true, &view);
    if (status != NG_OK)
        return status;
    out->seq = view->seq;
    ngi_blackbox_note(store->box, "checkpoint", view->seq, "begins: %llu tokens",
                      (unsigned long long)view->token_count);
    status = ngi_wal_wait(store->wal, view->seq);
    if (status == NG_OK)
        status = ngi_snapshot_save(view, progress, &out->bytes);
    ngi_view_close_timed(view, &out->lock_ns_max);
    return status;
}

/* The oldest snapshot from which the log can still be replayed; 0 = none of these. */
static ng_seq checkpoint_oldest_useful(const ng_seq *seqs, size_t count, ng_seq first_op)
{
    ng_seq oldest = 0;
    for (size_t i = 0; i < count && seqs[i] + 1 >= first_op; i++)
        oldest = seqs[i];
    return oldest;
}

/* Removes snapshots that nothing needs: all but the new one, the one before, and the oldest from
 * which the log that is kept can be replayed. What cannot be removed is tried again next time. */
static void checkpoint_remove_snapshots(ng_store *store, ng_seq before, ng_checkpoint_report *out)
{
    ngi_os *os = store->os;
    ng_seq seqs[KEPT_MAX];
    size_t count;
    if (ngi_snapshot_list(os, store->path, seqs, KEPT_MAX, &count) != NG_OK)
        return;
    ng_seq oldest = checkpoint_oldest_useful(seqs, count, ngi_wal_first_seq(store->wal));
    for (size_t i = 0; i < count; i++) {
        if (seqs[i] == out->seq || seqs[i] == before || seqs[i] == oldest)
            continue;
        char path[PATH_BYTES];
        ngi_file file;
        uint64_t bytes = 0;
        ngi_snapshot_path(store->path, seqs[i], path, sizeof path);
        if (os->file_open(os, path, NGI_OPEN_READ, &file) == NG_OK) {
            if (os->file_size(os, file, &bytes) != NG_OK)
                bytes = 0;
            os->file_close(os, file);
        }
        if (os->remove(os, path) == NG_OK)
            out->bytes_freed += bytes;
    }
}

static ng_status checkpoint_run(ng_store *store, store_progress *progress, ng_seq before,
                                ng_checkpoint_report *out)
{
    ng_status status = checkpoint_save(store, progress, out);
    /* Before MANIFEST names the snapshot: graphs that are older than it are of no use. */
    if (status == NG_OK)
        ngi_graphs_save(store);
    if (status == NG_OK)
        status =
            ngi_wal_retire(store->wal, out->seq, before, store->upkeep.retain_bytes,
                           store->upkeep.retain_seconds, &out->segments_removed, &out->bytes_freed);
    if (status == NG_OK)
        checkpoint_remove_snapshots(store, before, out);
    return status;
}

static void checkpoint_note(ng_store *store, ng_status status, const ng_checkpoint_report *report)
{
    if (status != NG_OK)
        ngi_blackbox_note(store->box, "checkpoint", report->seq, "failed: %s", ngi_last_error());
    else
        ngi_blackbox_note(store->box, "checkpoint", report->seq,
                          "ends: %llu bytes, %llu segments removed, %.3f s",
                          (unsigned long long)report->bytes,
                          (unsigned long long)report->segments_removed, report->seconds);
}

ng_status ngi_store_checkpoint(ng_store *store, ng_progress_fn progress, void *progress_context,
                               ng_checkpoint_report *out)
{
    ng_checkpoint_report report = {0};
    store_progress reporting = {.call = progress, .context = progress_context, .os = store->os};
    uint64_t begin_ns = store->os->monotonic_ns(store->os);
    ng_seq before = 0;
    ng_status status = checkpoint_claim(store, &before, &report.bytes);
    if (status != NG_OK)
        return status;
    report.seq = before;
    bool has_new = ngi_wal_applied(store->wal) > before;
    if (has_new) {
        report.bytes = 0;
        status = checkpoint_run(store, &reporting, before, &report);
        report.seconds = (double)(store->os->monotonic_ns(store->os) - begin_ns) / 1e9;
        checkpoint_note(store, status, &report);
    }
    checkpoint_release(store, status, has_new && status == NG_OK ? &report : NULL);
    if (status == NG_OK && out != NULL)
        *out = report;
    return status;
}
