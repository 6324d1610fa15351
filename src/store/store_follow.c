/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Applies streams to a store that follows another one.
 *
 * Invariant: the ops of a follower are those of its source, with their seqs and times, so the two
 * states are equal whenever their seqs are. */
#include "store/store_stream.h"

#include <stdio.h>

#define SYNC_BYTES (4u << 20) /* applied between two waits for the disk, so that no buffer grows */

/* A conflict without a token: what the stream begins after, and where the store is. */
static ng_status follow_fail(ng_seq expected, ng_seq found, const char *what)
{
    const ng_conflict conflict = {.kind = NG_CONFLICT_SEQ, .expected_seq = expected, .seq = found};
    ng_status status = ngi_fail(NG_E_CONFLICT, "%s op %llu, the store is at op %llu", what,
                                (unsigned long long)expected, (unsigned long long)found);
    ngi_conflict_set(&conflict);
    return status;
}

static ng_status follow_check_head(ng_store *store, const ngi_stream_head *head)
{
    ng_seq applied = ngi_wal_applied(store->wal);
    if (memcmp(head->identity.uuid, store->origin_uuid, sizeof store->origin_uuid) != 0) {
        const ng_conflict conflict = {.kind = NG_CONFLICT_NONE, .seq = applied};
        ng_status status =
            ngi_fail(NG_E_CONFLICT, "the stream is of another store than the one followed");
        ngi_conflict_set(&conflict);
        return status;
    }
    if (head->after > applied)
        return follow_fail(head->after, applied, "gap: the stream begins after");
    return NG_OK;
}

/* Acknowledges what has been applied so far as the store's durability asks for. */
static ng_status follow_acknowledge(ng_store *store)
{
    ng_seq applied = ngi_wal_applied(store->wal);
    if (store->durability == NG_DURABILITY_INTERVAL)
        ngi_upkeep_flush_soon(store);
    if (store->durability != NG_DURABILITY_SYNC || applied == 0)
        return NG_OK;
    return ngi_store_wait_durable(store, applied);
}

/* An op that the store has already. If the newest one has another time in the stream, the source has
 * been taken back to an older state since, and has gone on from there. */
static ng_status follow_pass_over(ng_store *store, const ngi_op *op)
{
    ngi_wal_lock(store->wal);
    ng_seq applied = ngi_wal_applied(store->wal);
    bool differs = op->seq == applied && op->time_us != ngi_wal_applied_time(store->wal);
    ngi_wal_unlock(store->wal);
    if (!differs)
        return NG_OK;
    const ng_conflict conflict = {.kind = NG_CONFLICT_SEQ, .expected_seq = op->seq, .seq = applied};
    ng_status status = ngi_fail(NG_E_CONFLICT,
                                "op %llu of the source is another one than that of the copy: the"
                                " source was taken back to an older state",
                                (unsigned long long)op->seq);
    ngi_conflict_set(&conflict);
    return status;
}

static ng_status follow_read(ng_store *store, ngi_stream_reader *reader, ng_stream_report *report)
{
    uint64_t unsynced = 0;
    ngi_stream_item item = NGI_ITEM_BLOCK;
    ng_status status = NG_OK;
    while (item != NGI_ITEM_END) {
        ngi_block block; /* of a state that the store is at or beyond */
        ngi_op op;
        NGI_TRY(ngi_stream_next(reader, &item, &block, &op));
        report->bytes = ngi_stream_offset(reader);
        if (item != NGI_ITEM_OP)
            continue;
        report->seq = op.seq;
        report->time_us = op.time_us;
        if (op.seq <= ngi_wal_applied(store->wal)) {
            NGI_TRY(follow_pass_over(store, &op));
            continue;
        }
        NGI_TRY(ngi_store_apply_stamped(store, &op));
        report->ops++;
        unsynced += op.body_bytes;
        if (unsynced >= SYNC_BYTES) {
            unsynced = 0;
            NGI_TRY(follow_acknowledge(store));
        }
    }
out:
    return status;
}

ng_status ngi_store_stream_apply(ng_store *store, ng_source_fn source, void *source_context,
                                 ng_stream_report *out)
{
    ng_stream_report report = {0};
    ngi_stream_head head;
    ngi_stream_reader *reader = NULL;
    uint64_t began_ns = store->os->monotonic_ns(store->os);
    ng_status status = NG_OK;
    if (!store->follows) {
        status = ngi_fail(NG_E_CONFLICT, "the store does not follow another one");
        ngi_conflict_set(&(ng_conflict){.seq = ngi_wal_applied(store->wal)});
        goto out;
    }
    if (store->read_only) {
        status = ngi_fail(NG_E_READ_ONLY, "the store is open for reading only");
        goto out;
    }
    if (ngi_wal_is_latched(store->wal)) {
        status = ngi_wal_fail_latched(store->wal);
        goto out;
    }
    NGI_TRY(ngi_stream_reader_open(store->mem, source, source_context, &head, &reader));
    report.incremental = !head.whole;
    report.after = head.whole ? 0 : head.after;
    report.seq = head.after;
    report.time_us = head.state_time_us;
    NGI_TRY(follow_check_head(store, &head));
    status = follow_read(store, reader, &report);
    /* Also after a failure: what was applied counts. The first message is the one to keep. */
    if (status == NG_OK) {
        status = follow_acknowledge(store);
    } else if (report.ops > 0) {
        char reason[512];
        snprintf(reason, sizeof reason, "%s", ngi_last_error());
        if (follow_acknowledge(store) == NG_OK)
            ngi_error_set(reason);
    }
out:
    ngi_stream_reader_close(reader);
    report.seconds = (double)(store->os->monotonic_ns(store->os) - began_ns) / 1e9;
    if (out != NULL)
        *out = report;
    return status;
}
