/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A group on its way to the disk: taking off, writing and syncing without the lock, landing.
 *
 * Leaders and followers sleep at gates of their own: a finished group wakes the next leader first,
 * then its own members, and none of them needs the log's lock to go on. With 64 writers on two
 * cores one condition for all under the log's lock gave half the commits a second.
 *
 * A group that does not fit behind the active segment begins the next one, for which a spare file
 * with its space is there (invariant 7): it gets its header here, so that writers never wait for a
 * new segment. A group that only has to be written, not synced, advances nothing but the file. */
#include "wal/wal_private.h"

#include "base/base_bytes.h"

#include <stdio.h>

typedef struct wal_flight {
    unsigned parity;
    bool sync;
    ng_seq last; /* newest op of the group */
    ngi_file file;
    uint64_t offset;

    bool rotates;        /* begins a segment */
    wal_segment segment; /* that one */
    bool sync_old;       /* the one before has frames that are not durable */
    ngi_file old;        /* WAL_NO_FILE: there is none before */
    uint64_t old_number;
    uint64_t old_end;
} wal_flight;

void ngi_wal_gate_wait(wal_gate *gate, const ngi_wal *wal, const atomic_uint_fast64_t *reached,
                       uint64_t wanted)
{
    ngi_mutex_lock(&gate->mutex);
    while (atomic_load_explicit(reached, memory_order_acquire) < wanted && !ngi_wal_is_latched(wal))
        ngi_cond_wait(&gate->opened, &gate->mutex);
    ngi_mutex_unlock(&gate->mutex);
}

void ngi_wal_gate_open(wal_gate *gate)
{
    /* Passing through the mutex: a waiter has seen the new value or sleeps already. */
    ngi_mutex_lock(&gate->mutex);
    ngi_mutex_unlock(&gate->mutex);
    ngi_cond_broadcast(&gate->opened);
}

void ngi_wal_open_gates(ngi_wal *wal)
{
    ngi_wal_gate_open(&wal->leader_gate);
    ngi_wal_gate_open(&wal->follower_gates[0]);
    ngi_wal_gate_open(&wal->follower_gates[1]);
    ngi_wal_gate_open(&wal->change_gate);
    ngi_cond_broadcast(
        &wal->room); /* one that is about to sleep is woken by the flight's landing */
}

static bool flight_must_rotate(ngi_wal *wal)
{
    return wal_filling(wal)->bytes > 0 && !wal_fits_active(wal, 0);
}

/* Makes the spare the active segment, beginning with the filling group. */
static void flight_rotate(ngi_wal *wal, wal_flight *flight)
{
    bool is_first = wal->segment_count == 0;
    wal_segment *last = is_first ? NULL : &wal->segments[wal->segment_count - 1];
    flight->rotates = wal->rotating = true;
    flight->segment = (wal_segment){
        .number = is_first ? wal->manifest.first_segment : last->number + 1,
        .first_seq = ngi_get_u64(wal_filling(wal)->data + 16),
        .created_us = wal->os->clock_us(wal->os),
        .file_bytes = wal->spare_allocated,
    };
    flight->old = wal->active;
    if (last != NULL && wal->active != WAL_NO_FILE) {
        flight->sync_old = ngi_wal_durable(wal) < flight->segment.first_seq - 1;
        flight->old_number = last->number;
        flight->old_end = last->end_bytes;
    }
    wal->segments[wal->segment_count++] = flight->segment; /* reserved with the spare */
    wal->active = wal->spare;
    wal->active_allocated = wal->spare_allocated;
    wal->fill_offset = WAL_SEGMENT_HEADER;
    wal->spare = WAL_NO_FILE;
    wal->spare_allocated = 0;
    wal->ahead_failed = wal->ends_early = false;
}

/* With the lock. */
static void flight_take_off(ngi_wal *wal, bool sync, wal_flight *flight)
{
    wal->flushing = true; /* before waiting below: nobody else may lead */
    while (wal->growing && flight_must_rotate(wal))
        ngi_wal_room_wait(wal);
    unsigned parity = wal->group & 1;
    *flight = (wal_flight){
        .parity = parity,
        .sync = sync || wal->has_followers[parity],
        .last = atomic_load_explicit(&wal->applied, memory_order_relaxed),
        .old = WAL_NO_FILE,
    };
    if (flight_must_rotate(wal))
        flight_rotate(wal, flight);
    flight->file = wal->active;
    flight->offset = wal->fill_offset;
    wal->fill_offset += wal->buffers[parity].bytes;
    wal->segments[wal->segment_count - 1].end_bytes = wal->fill_offset;
    if (wal_needs_spare(wal, wal->fill_offset) && !wal_needs_spare(wal, flight->offset) &&
        wal->on_pressure != NULL)
        wal->on_pressure(wal->on_pressure_context);
    if (flight->sync)
        wal->sealed = flight->last;
    wal->group++;
    ngi_wal_room_changed(wal);
}

static ng_status flight_sync(ngi_wal *wal, ngi_file file)
{
    ngi_os *os = wal->os;
    uint64_t begin_ns = os->monotonic_ns(os);
    ng_status status = os->file_sync(os, file);
    uint64_t ns = os->monotonic_ns(os) - begin_ns;
    if (NGI_UNLIKELY(status == NG_OK && ns > WAL_SLOW_SYNC_NS))
        ngi_blackbox_note(wal->box, "slow sync", ngi_wal_applied(wal), "a sync took %.1f s",
                          (double)ns / 1e9);
    return status;
}

/* Without the lock: the group's buffer and the files are this thread's. */
static ng_status flight_fly(ngi_wal *wal, const wal_flight *flight)
{
    ngi_os *os = wal->os;
    const ngi_buffer *buffer = &wal->buffers[flight->parity];
    ng_status status = NG_OK;
    if (flight->rotates) {
        uint8_t header[WAL_SEGMENT_HEADER];
        ngi_wal_segment_header_encode(&wal->home, &flight->segment, header);
        if (flight->sync_old)
            NGI_TRY(flight_sync(wal, flight->old));
        NGI_TRY(os->file_write(os, flight->file, header, sizeof header, 0));
        NGI_TRY(flight_sync(wal, flight->file));
    }
    if (buffer->bytes > 0)
        NGI_TRY(os->file_write(os, flight->file, buffer->data, buffer->bytes, flight->offset));
    if (flight->sync)
        NGI_TRY(flight_sync(wal, flight->file));
out:
    return status;
}

/* With the lock: what the flight has made durable. */
static void flight_advance(ngi_wal *wal, const wal_flight *flight)
{
    ng_seq durable = flight->sync      ? flight->last
                     : flight->rotates ? flight->segment.first_seq - 1
                                       : 0;
    wal->sync_count += (flight->sync ? 1u : 0u) + (flight->rotates ? 1u : 0u);
    if (durable <= atomic_load_explicit(&wal->durable, memory_order_relaxed))
        return;
    atomic_store_explicit(&wal->durable, durable, memory_order_release);
    if (wal->sealed < durable)
        wal->sealed = durable;
    ngi_blackbox_publish(wal->box, durable);
}

/* Takes the lock and lets go of it: first the leader of the next group is woken, so that its sync
 * runs while the members of this one wake up. */
static void flight_land(ngi_wal *wal, const wal_flight *flight, ng_status status)
{
    ngi_mutex_lock(&wal->lock);
    wal->buffers[flight->parity].bytes = 0;
    if (status == NG_OK)
        flight_advance(wal, flight);
    bool leader = wal->has_leader;
    bool followers = wal->has_followers[flight->parity];
    bool watchers = wal->has_watchers;
    wal->has_followers[flight->parity] = wal->has_watchers = false;
    wal->rotating = false;
    wal->flushing = leader && status == NG_OK; /* it goes on in the next leader's name */
    if (status != NG_OK)
        ngi_wal_latch(wal, NG_E_IO, ngi_last_error());
    atomic_store_explicit(&wal->handed, wal->group, memory_order_release);
    ngi_wal_room_changed(wal);
    ngi_mutex_unlock(&wal->lock);
    if (leader)
        ngi_wal_gate_open(&wal->leader_gate);
    if (followers)
        ngi_wal_gate_open(&wal->follower_gates[flight->parity]);
    if (watchers)
        ngi_wal_gate_open(&wal->change_gate);
}

/* Gives back what was preallocated in the segment before and not used. If that fails, nothing is
 * lost: zeroes behind the last frame mean nothing. */
static void flight_close_old(ngi_wal *wal, const wal_flight *flight, ng_status status)
{
    ngi_os *os = wal->os;
    if (flight->old != WAL_NO_FILE) {
        bool is_cut =
            status == NG_OK && os->file_truncate(os, flight->old, flight->old_end) == NG_OK;
        os->file_close(os, flight->old);
        ngi_mutex_lock(&wal->lock);
        for (size_t i = 0; is_cut && i < wal->segment_count; i++)
            if (wal->segments[i].number == flight->old_number)
                wal->segments[i].file_bytes = flight->old_end;
        ngi_mutex_unlock(&wal->lock);
    }
    if (status == NG_OK && flight->rotates)
        ngi_blackbox_note(wal->box, "segment", flight->segment.first_seq,
                          "%08llu.log begins at op %llu",
                          (unsigned long long)flight->segment.number,
                          (unsigned long long)flight->segment.first_seq);
}

/* Writes the filling group. Called with the lock and nothing in flight, returns without it. */
static void wal_fly_unlock(ngi_wal *wal, bool sync)
{
    wal_flight flight;
    flight_take_off(wal, sync, &flight);
    ngi_mutex_unlock(&wal->lock);
    ng_status status = flight_fly(wal, &flight);
    flight_land(wal, &flight, status);
    if (flight.rotates)
        flight_close_old(wal, &flight, status);
}

void ngi_wal_lead_unlock(ngi_wal *wal, bool sync)
{
    if (wal->flushing) {
        uint64_t group = wal->group;
        wal->has_leader = true;
        ngi_mutex_unlock(&wal->lock);
        ngi_wal_gate_wait(&wal->leader_gate, wal, &wal->handed, group);
        if (ngi_wal_is_latched(wal))
            return;
        ngi_mutex_lock(&wal->lock);
        wal->has_leader = false; /* not before: a second leader must not come in between */
    }
    wal_fly_unlock(wal, sync);
}
