/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Appending, acknowledging and waiting. Frame layout and invariants are in wal_private.h.
 *
 * Two buffers take turns. Writers fill one under the lock; whoever waits first for a group leads
 * it: takes the buffer, lets go of the lock, writes and syncs once for all, and wakes the others
 * (wal_fly.c). Writers that do not wait leave that to the background thread, or to the next one
 * that does. */
#include "wal/wal_private.h"

#include "base/base_bytes.h"

#include <stdio.h>
#include <string.h>

void ngi_wal_lock(ngi_wal *wal)
{
    ngi_mutex_lock(&wal->lock);
}

void ngi_wal_unlock(ngi_wal *wal)
{
    ngi_mutex_unlock(&wal->lock);
}

ng_seq ngi_wal_applied(const ngi_wal *wal)
{
    return atomic_load_explicit(&wal->applied, memory_order_acquire);
}

ng_seq ngi_wal_durable(const ngi_wal *wal)
{
    return atomic_load_explicit(&wal->durable, memory_order_acquire);
}

uint64_t ngi_wal_applied_time(const ngi_wal *wal)
{
    return wal->last_time_us;
}

bool ngi_wal_is_latched(const ngi_wal *wal)
{
    return atomic_load_explicit(&wal->latched, memory_order_acquire);
}

ng_status ngi_wal_fail_latched(const ngi_wal *wal)
{
    return ngi_fail(NG_E_LATCHED, "%s; reopen it", wal->latch_message);
}

void ngi_wal_on_latch(ngi_wal *wal, void (*on_latch)(void *context), void *context)
{
    wal->on_latch = on_latch;
    wal->on_latch_context = context;
}

void ngi_wal_on_pressure(ngi_wal *wal, void (*on_pressure)(void *context), void *context)
{
    wal->on_pressure = on_pressure;
    wal->on_pressure_context = context;
}

void ngi_wal_set_blackbox(ngi_wal *wal, ngi_blackbox *box)
{
    wal->box = box;
}

/* Memory is now ahead of what is known to be on disk, or wrong: nothing may be read or written any
 * more. A failed sync is not tried again, because the kernel may have dropped the pages it could not
 * write and would report success. */
void ngi_wal_latch(ngi_wal *wal, ng_status status, const char *reason)
{
    ngi_mutex_lock(&wal->latch_lock);
    bool is_first = !ngi_wal_is_latched(wal);
    if (is_first) {
        const char *what = status == NG_E_INTERNAL ? ng_status_text(status) : "a failed write";
        snprintf(wal->latch_message, sizeof wal->latch_message,
                 status == NG_E_INTERNAL ? "the store stopped, %s: %s"
                                         : "the store stopped after %s: %s",
                 what, reason);
        atomic_store_explicit(&wal->latched, true, memory_order_release);
        if (wal->on_latch != NULL)
            wal->on_latch(wal->on_latch_context);
    }
    ngi_mutex_unlock(&wal->latch_lock);
    if (is_first)
        ngi_blackbox_note(wal->box, "latched", ngi_wal_applied(wal), "%s", wal->latch_message);
    ngi_wal_open_gates(wal);
}

ng_status ngi_wal_unlock_and_wait(ngi_wal *wal, ng_seq seq)
{
    if (ngi_wal_durable(wal) >= seq || ngi_wal_is_latched(wal)) {
        ngi_mutex_unlock(&wal->lock);
    } else if (seq > wal->sealed && !(wal->flushing && wal->has_leader)) {
        ngi_wal_lead_unlock(wal, true);
    } else {
        unsigned parity = (unsigned)(seq > wal->sealed ? wal->group : wal->group - 1) & 1;
        wal->has_followers[parity] = true;
        ngi_mutex_unlock(&wal->lock);
        ngi_wal_gate_wait(&wal->follower_gates[parity], wal, &wal->durable, seq);
    }
    return ngi_wal_durable(wal) >= seq ? NG_OK : ngi_wal_fail_latched(wal);
}

ng_status ngi_wal_wait(ngi_wal *wal, ng_seq seq)
{
    if (seq <= ngi_wal_durable(wal))
        return NG_OK;
    if (seq > ngi_wal_applied(wal))
        return ngi_fail(NG_E_INVALID, "seq %llu has not been written; the newest is %llu",
                        (unsigned long long)seq, (unsigned long long)ngi_wal_applied(wal));
    ngi_mutex_lock(&wal->lock);
    return ngi_wal_unlock_and_wait(wal, seq);
}

ng_status ngi_wal_unlock_and_acknowledge(ngi_wal *wal, ng_seq seq, ng_durability durability)
{
    if (durability == NG_DURABILITY_DEFAULT)
        durability = wal->durability;
    if (durability == NG_DURABILITY_SYNC)
        return ngi_wal_unlock_and_wait(wal, seq);
    if (durability == NG_DURABILITY_INTERVAL)
        wal->interval_seq = seq;
    ngi_mutex_unlock(&wal->lock);
    return NGI_UNLIKELY(ngi_wal_is_latched(wal)) ? ngi_wal_fail_latched(wal) : NG_OK;
}

ng_status ngi_wal_drain(ngi_wal *wal)
{
    ng_seq newest = atomic_load_explicit(&wal->applied, memory_order_relaxed);
    ng_status status = ngi_wal_unlock_and_wait(wal, newest);
    ngi_mutex_lock(&wal->lock);
    return status;
}

ng_status ngi_wal_flush(ngi_wal *wal, bool all)
{
    ngi_mutex_lock(&wal->lock);
    ng_seq wanted =
        all ? atomic_load_explicit(&wal->applied, memory_order_relaxed) : wal->interval_seq;
    ng_status status = NG_OK;
    if (ngi_wal_is_latched(wal)) {
        ngi_mutex_unlock(&wal->lock);
        return ngi_wal_fail_latched(wal);
    }
    if (wanted > ngi_wal_durable(wal))
        status = ngi_wal_unlock_and_wait(wal, wanted);
    else if (wal->home.path != NULL && wal_filling(wal)->bytes > 0 &&
             !(wal->flushing && wal->has_leader))
        ngi_wal_lead_unlock(wal, false); /* only writes, so that little is lost with the process */
    else
        ngi_mutex_unlock(&wal->lock);
    if (status != NG_OK || ngi_wal_is_latched(wal))
        return ngi_wal_fail_latched(wal);
    ngi_wal_make_spare_ahead(wal);
    return NG_OK;
}

ng_seq ngi_wal_wait_change(ngi_wal *wal, ng_seq after, uint32_t timeout_ms)
{
    uint64_t begin_ns = wal->os->monotonic_ns(wal->os);
    for (;;) {
        ngi_mutex_lock(&wal->lock);
        bool is_over = ngi_wal_durable(wal) > after || ngi_wal_is_latched(wal) ||
                       atomic_load_explicit(&wal->is_woken, memory_order_acquire);
        wal->has_watchers |= !is_over;
        ngi_mutex_unlock(&wal->lock);
        uint64_t passed_ms = (wal->os->monotonic_ns(wal->os) - begin_ns) / 1000000;
        if (is_over || passed_ms >= timeout_ms)
            return ngi_wal_durable(wal);
        wal_gate *gate = &wal->change_gate;
        bool in_time = true;
        ngi_mutex_lock(&gate->mutex);
        if (ngi_wal_durable(wal) <= after && !ngi_wal_is_latched(wal) &&
            !atomic_load_explicit(&wal->is_woken, memory_order_acquire))
            in_time = ngi_cond_wait_ms(&gate->opened, &gate->mutex, timeout_ms - passed_ms);
        ngi_mutex_unlock(&gate->mutex);
        if (!in_time)
            return ngi_wal_durable(wal);
    }
}

void ngi_wal_wake_all(ngi_wal *wal)
{
    atomic_store_explicit(&wal->is_woken, true, memory_order_release);
    ngi_wal_gate_open(&wal->change_gate);
}

uint8_t *ngi_wal_body(ngi_wal *wal)
{
    ngi_buffer *buffer = wal_filling(wal);
    return buffer->data + buffer->bytes + WAL_FRAME_HEADER;
}

/* Without a path. The body stays where it is; the next make_room encodes over it. */
static void wal_append_nowhere(ngi_wal *wal, ng_seq seq)
{
    atomic_store_explicit(&wal->applied, seq, memory_order_release);
    atomic_store_explicit(&wal->durable, seq, memory_order_release);
    wal->sealed = seq;
    if (NGI_UNLIKELY(wal->has_watchers)) {
        wal->has_watchers = false;
        ngi_wal_gate_open(&wal->change_gate);
    }
}

/* Appends the op, whose body is in its place and whose time is last_time_us. */
static void wal_append(ngi_wal *wal, ngi_op *op)
{
    ngi_buffer *buffer = wal_filling(wal);
    uint8_t *frame = buffer->data + buffer->bytes;
    size_t bytes = (size_t)wal_frame_bytes(op->body_bytes);
    ng_seq behind = op->seq - 1 - atomic_load_explicit(&wal->durable, memory_order_relaxed);
    op->body = frame + WAL_FRAME_HEADER;
    op->time_us = wal->last_time_us;
    wal->op_count++;
    if (wal->home.path == NULL) {
        wal_append_nowhere(wal, op->seq);
        return;
    }
    memset(frame + WAL_FRAME_HEADER + op->body_bytes, 0, bytes - WAL_FRAME_HEADER - op->body_bytes);
    ngi_put_u32(frame, WAL_FRAME_MAGIC);
    ngi_put_u32(frame + 8, op->body_bytes);
    ngi_put_u16(frame + 12, op->kind);
    ngi_put_u16(frame + 14, 0);
    ngi_put_u64(frame + 16, op->seq);
    ngi_put_u64(frame + 24, op->time_us);
    ngi_put_u32(frame + 32, op->actor);
    ngi_put_u32(frame + 36, behind > UINT32_MAX ? UINT32_MAX : (uint32_t)behind);
    ngi_put_u32(frame + 4, ngi_wal_frame_crc(wal->home.salt, frame, bytes));
    bool was_calm = buffer->bytes < WAL_PRESSURE_BYTES;
    buffer->bytes += bytes;
    atomic_store_explicit(&wal->applied, op->seq, memory_order_release);
    if (was_calm && buffer->bytes >= WAL_PRESSURE_BYTES && wal->on_pressure != NULL)
        wal->on_pressure(wal->on_pressure_context);
}

void ngi_wal_commit(ngi_wal *wal, uint16_t kind, uint32_t actor, size_t body_bytes, ngi_op *out)
{
    uint64_t now = wal->os->clock_us(wal->os);
    wal->last_time_us = now > wal->last_time_us ? now : wal->last_time_us + 1;
    *out = (ngi_op){.seq = atomic_load_explicit(&wal->applied, memory_order_relaxed) + 1,
                    .body_bytes = (uint32_t)body_bytes,
                    .actor = actor,
                    .kind = kind};
    wal_append(wal, out);
}

void ngi_wal_commit_stamped(ngi_wal *wal, const ngi_op *from, ngi_op *out)
{
    ngi_op op = *from;
    uint8_t *body = ngi_wal_body(wal);
    if (op.body != body && op.body_bytes > 0)
        memmove(body, op.body, op.body_bytes);
    wal->last_time_us = op.time_us;
    wal_append(wal, &op);
    *out = op;
}

/* Bytes of frames after a snapshot: of the segment in which it ended, a share. */
static uint64_t wal_bytes_since(const ngi_wal *wal, ng_seq snapshot_seq)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < wal->segment_count; i++) {
        const wal_segment *segment = &wal->segments[i];
        ng_seq end = i + 1 < wal->segment_count
                         ? segment[1].first_seq
                         : atomic_load_explicit(&wal->applied, memory_order_relaxed) + 1;
        if (end <= snapshot_seq + 1 || end <= segment->first_seq ||
            segment->end_bytes <= WAL_SEGMENT_HEADER)
            continue;
        ng_seq begin = segment->first_seq > snapshot_seq ? segment->first_seq : snapshot_seq + 1;
        double share = (double)(end - begin) / (double)(end - segment->first_seq);
        sum += (uint64_t)(share * (double)(segment->end_bytes - WAL_SEGMENT_HEADER));
    }
    return sum;
}

static ng_seq wal_first_seq(const ngi_wal *wal)
{
    return wal->segment_count > 0 ? wal->segments[0].first_seq : wal->begin_seq;
}

ng_seq ngi_wal_first_seq(ngi_wal *wal)
{
    ngi_mutex_lock(&wal->lock);
    ng_seq seq = wal_first_seq(wal);
    ngi_mutex_unlock(&wal->lock);
    return seq;
}

void ngi_wal_stats_get(ngi_wal *wal, ngi_wal_stats *out)
{
    ngi_mutex_lock(&wal->lock);
    *out = (ngi_wal_stats){
        .segment_count = wal->segment_count,
        .disk_bytes = wal->spare_allocated,
        .buffer_bytes = wal->buffers[0].capacity_bytes + wal->buffers[1].capacity_bytes,
        .sync_count = wal->sync_count,
        .op_count = wal->op_count,
        .recovered_ops = wal->recovered_ops,
        .recovered_bytes_cut = wal->recovered_bytes_cut,
        .first_seq = wal_first_seq(wal),
    };
    for (size_t i = 0; i < wal->segment_count; i++) {
        out->log_bytes += wal->segments[i].end_bytes;
        out->disk_bytes += wal->segments[i].file_bytes;
    }
    if (wal->home.path != NULL) {
        uint64_t waiting = wal_filling(wal)->bytes;
        out->log_bytes += waiting;
        out->bytes_since_snapshot = waiting + wal_bytes_since(wal, wal->snapshot_seq);
    }
    ngi_mutex_unlock(&wal->lock);
}
