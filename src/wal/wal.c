/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Appending and group commit. Frame layout and invariants are in wal_private.h.
 *
 * Two buffers take turns. Writers fill one under the lock; whoever waits first for a group leads
 * it: takes the buffer, lets go of the lock, writes and syncs once for all, and wakes the others.
 * Leaders and followers sleep at gates of their own: a finished group wakes the next leader first,
 * then its own members, and none of them needs the log's lock to go on. With 64 writers on two
 * cores one condition for all under the log's lock gave half the commits a second. */
#include "wal/wal_private.h"

#include "base/base_bytes.h"
#include "base/base_limits.h"

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

bool ngi_wal_is_latched(const ngi_wal *wal)
{
    return atomic_load_explicit(&wal->latched, memory_order_acquire);
}

ng_status ngi_wal_fail_latched(const ngi_wal *wal)
{
    return ngi_fail(NG_E_LATCHED, "the store stopped after a failed write: %s; reopen it",
                    wal->latch_message);
}

void ngi_wal_on_latch(ngi_wal *wal, void (*on_latch)(void *context), void *context)
{
    wal->on_latch = on_latch;
    wal->on_latch_context = context;
}

/* Memory is now ahead of what is known to be on disk: nothing may be read or written any more. A
 * failed sync is not tried again, because the kernel may have dropped the pages it could not write
 * and would report success. */
static void wal_latch(ngi_wal *wal)
{
    snprintf(wal->latch_message, sizeof wal->latch_message, "%s", ngi_last_error());
    atomic_store_explicit(&wal->latched, true, memory_order_release);
    if (wal->on_latch != NULL)
        wal->on_latch(wal->on_latch_context);
}

static void gate_wait(wal_gate *gate, const ngi_wal *wal, const atomic_uint_fast64_t *reached,
                      uint64_t wanted)
{
    ngi_mutex_lock(&gate->mutex);
    while (atomic_load_explicit(reached, memory_order_acquire) < wanted && !ngi_wal_is_latched(wal))
        ngi_cond_wait(&gate->opened, &gate->mutex);
    ngi_mutex_unlock(&gate->mutex);
}

static void gate_open(wal_gate *gate)
{
    /* Passing through the mutex: a waiter has seen the new value or sleeps already. */
    ngi_mutex_lock(&gate->mutex);
    ngi_mutex_unlock(&gate->mutex);
    ngi_cond_broadcast(&gate->opened);
}

/* After a flight, without the lock: first the leader of the next group, so that its sync runs while
 * the members of this one wake up. */
static void wal_wake(ngi_wal *wal, unsigned parity, bool leader, bool followers, bool latched)
{
    if (leader)
        gate_open(&wal->leader_gate);
    if (followers)
        gate_open(&wal->follower_gates[parity]);
    if (latched)
        gate_open(&wal->follower_gates[parity ^ 1]);
}

/* Writes and syncs the filling group. Called with the lock, returns without it. */
static void wal_flush_unlock(ngi_wal *wal)
{
    unsigned parity = wal->group & 1;
    ngi_buffer *buffer = &wal->buffers[parity];
    ng_seq last = atomic_load_explicit(&wal->applied, memory_order_relaxed);
    uint64_t offset = wal->fill_offset;
    ngi_file file = wal->active;
    wal->fill_offset += buffer->bytes;
    wal->segments[wal->segment_count - 1].end_bytes = wal->fill_offset;
    wal->sealed = last;
    wal->flushing = true;
    wal->group++;
    ngi_mutex_unlock(&wal->lock);

    ngi_os *os = wal->os;
    ng_status status = os->file_write(os, file, buffer->data, buffer->bytes, offset);
    if (status == NG_OK)
        status = os->file_sync(os, file);

    ngi_mutex_lock(&wal->lock);
    buffer->bytes = 0;
    if (status == NG_OK) {
        wal->sync_count++;
        atomic_store_explicit(&wal->durable, last, memory_order_release);
    } else {
        wal_latch(wal);
    }
    bool leader = wal->has_leader;
    bool followers = wal->has_followers[parity];
    wal->has_followers[parity] = false;
    wal->flushing = leader && status == NG_OK; /* it goes on in the next leader's name */
    atomic_store_explicit(&wal->handed, wal->group, memory_order_release);
    ngi_mutex_unlock(&wal->lock);
    wal_wake(wal, parity, leader, followers, status != NG_OK);
}

/* Leads the filling group, after the one in flight. Called with the lock, returns without it. */
static void wal_lead_unlock(ngi_wal *wal)
{
    if (wal->flushing) {
        uint64_t group = wal->group;
        wal->has_leader = true;
        ngi_mutex_unlock(&wal->lock);
        gate_wait(&wal->leader_gate, wal, &wal->handed, group);
        if (ngi_wal_is_latched(wal))
            return;
        ngi_mutex_lock(&wal->lock);
        wal->has_leader = false; /* not before: a second leader must not come in between */
    }
    wal_flush_unlock(wal);
}

ng_status ngi_wal_unlock_and_wait(ngi_wal *wal, ng_seq seq)
{
    if (ngi_wal_durable(wal) >= seq || ngi_wal_is_latched(wal)) {
        ngi_mutex_unlock(&wal->lock);
    } else if (seq > wal->sealed && !(wal->flushing && wal->has_leader)) {
        wal_lead_unlock(wal);
    } else {
        unsigned parity = (unsigned)(seq > wal->sealed ? wal->group : wal->group - 1) & 1;
        wal->has_followers[parity] = true;
        ngi_mutex_unlock(&wal->lock);
        gate_wait(&wal->follower_gates[parity], wal, &wal->durable, seq);
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

ng_status ngi_wal_drain(ngi_wal *wal)
{
    for (;;) {
        ng_seq newest = atomic_load_explicit(&wal->applied, memory_order_relaxed);
        if (atomic_load_explicit(&wal->durable, memory_order_relaxed) == newest)
            return NG_OK;
        ng_status status = ngi_wal_unlock_and_wait(wal, newest);
        ngi_mutex_lock(&wal->lock);
        if (status != NG_OK)
            return status;
    }
}

static ng_status wal_allocate_active(ngi_wal *wal)
{
    ng_status status = wal->os->file_allocate(wal->os, wal->active, wal->segment_bytes);
    if (status != NG_OK)
        return status;
    wal->active_allocated = wal->segment_bytes;
    wal->segments[wal->segment_count - 1].file_bytes = wal->segment_bytes;
    return NG_OK;
}

ng_status ngi_wal_make_room(ngi_wal *wal, size_t body_bytes)
{
    if (body_bytes > NGI_OP_BYTES_MAX)
        return ngi_fail(NG_E_LIMIT,
                        "an op of %zu bytes is over the limit of %u; use smaller batches",
                        body_bytes, NGI_OP_BYTES_MAX);
    uint64_t bytes = wal_frame_bytes(body_bytes);
    for (;;) {
        if (ngi_wal_is_latched(wal))
            return ngi_wal_fail_latched(wal);
        ngi_buffer *buffer = &wal->buffers[wal->group & 1];
        if (wal->path == NULL)
            return ngi_buffer_reserve(wal->mem, buffer, bytes, "op");
        bool fits = wal->active != WAL_NO_FILE &&
                    wal->fill_offset + buffer->bytes + bytes <= wal->active_allocated;
        bool calm = buffer->bytes == 0 || buffer->bytes + bytes <= WAL_GROUP_BYTES_MAX;
        if (fits && calm)
            return ngi_buffer_reserve(wal->mem, buffer, bytes, "log buffer");
        if (fits) { /* only this group is too large: it has to go out, not all that follows */
            ng_status status = ngi_wal_unlock_and_wait(wal, ngi_wal_applied(wal));
            ngi_mutex_lock(&wal->lock);
            if (status != NG_OK)
                return status;
            continue;
        }
        if (wal->flushing || buffer->bytes > 0) {
            ng_status status = ngi_wal_drain(wal);
            if (status != NG_OK)
                return status;
            continue; /* others may have appended meanwhile */
        }
        ng_status status = NG_OK;
        if (wal->active != WAL_NO_FILE && wal->active_allocated < wal->segment_bytes &&
            wal->fill_offset + bytes <= wal->segment_bytes) {
            status = wal_allocate_active(wal); /* the first write after opening */
            if (status != NG_OK)
                return status;
            continue;
        }
        status = ngi_wal_segment_create(wal, WAL_SEGMENT_HEADER + bytes);
        if (status != NG_OK)
            return status;
        wal->fill_offset = WAL_SEGMENT_HEADER;
    }
}

uint8_t *ngi_wal_body(ngi_wal *wal)
{
    ngi_buffer *buffer = &wal->buffers[wal->group & 1];
    return buffer->data + buffer->bytes + WAL_FRAME_HEADER;
}

void ngi_wal_commit(ngi_wal *wal, uint16_t kind, uint32_t actor, size_t body_bytes, ngi_op *out)
{
    ngi_buffer *buffer = &wal->buffers[wal->group & 1];
    uint8_t *frame = buffer->data + buffer->bytes;
    size_t bytes = (size_t)wal_frame_bytes(body_bytes);
    uint64_t now = wal->os->clock_us(wal->os);
    ng_seq seq = atomic_load_explicit(&wal->applied, memory_order_relaxed) + 1;
    ng_seq behind = seq - 1 - atomic_load_explicit(&wal->durable, memory_order_relaxed);
    wal->last_time_us = now > wal->last_time_us ? now : wal->last_time_us + 1;
    wal->op_count++;

    *out = (ngi_op){.seq = seq,
                    .time_us = wal->last_time_us,
                    .body = frame + WAL_FRAME_HEADER,
                    .body_bytes = (uint32_t)body_bytes,
                    .actor = actor,
                    .kind = kind};
    if (wal->path == NULL) {
        /* The body stays where it is; the next make_room encodes over it. */
        atomic_store_explicit(&wal->durable, seq, memory_order_release);
        atomic_store_explicit(&wal->applied, seq, memory_order_release);
        return;
    }
    memset(frame + WAL_FRAME_HEADER + body_bytes, 0, bytes - WAL_FRAME_HEADER - body_bytes);
    ngi_put_u32(frame, WAL_FRAME_MAGIC);
    ngi_put_u32(frame + 8, (uint32_t)body_bytes);
    ngi_put_u16(frame + 12, kind);
    ngi_put_u16(frame + 14, 0);
    ngi_put_u64(frame + 16, seq);
    ngi_put_u64(frame + 24, wal->last_time_us);
    ngi_put_u32(frame + 32, actor);
    ngi_put_u32(frame + 36, behind > UINT32_MAX ? UINT32_MAX : (uint32_t)behind);
    ngi_put_u32(frame + 4, ngi_wal_frame_crc(wal, frame, bytes));
    buffer->bytes += bytes;
    atomic_store_explicit(&wal->applied, seq, memory_order_release);
}

void ngi_wal_stats_get(ngi_wal *wal, ngi_wal_stats *out)
{
    ngi_mutex_lock(&wal->lock);
    *out = (ngi_wal_stats){
        .segment_count = wal->segment_count,
        .buffer_bytes = wal->buffers[0].capacity_bytes + wal->buffers[1].capacity_bytes,
        .sync_count = wal->sync_count,
        .op_count = wal->op_count,
        .recovered_ops = wal->recovered_ops,
        .recovered_bytes_cut = wal->recovered_bytes_cut,
    };
    for (size_t i = 0; i < wal->segment_count; i++) {
        out->log_bytes += wal->segments[i].end_bytes;
        out->disk_bytes += wal->segments[i].file_bytes;
    }
    if (wal->path != NULL)
        out->log_bytes += wal->buffers[wal->group & 1].bytes;
    ngi_mutex_unlock(&wal->lock);
}
