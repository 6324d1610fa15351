/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Making room for an op before it is checked: space in the active segment or in the spare, memory in
 * the filling buffer. Here a full disk is met, with nothing changed.
 *
 * Files are allocated without the lock. `growing` keeps others from doing the same, and a group from
 * beginning a segment meanwhile; `rotating` keeps a new spare from being made before the segment
 * that took the last one has its header (invariant 8). */
#include "wal/wal_private.h"

#include "base/base_limits.h"

#include <stdio.h>

#define ROOM_STEP_MIN (64u << 10) /* of a disk that is nearly full, less is not worth a step */

void ngi_wal_room_wait(ngi_wal *wal)
{
    wal->room_waiters++;
    ngi_cond_wait(&wal->room, &wal->lock);
    wal->room_waiters--;
}

void ngi_wal_room_changed(ngi_wal *wal)
{
    if (NGI_UNLIKELY(wal->room_waiters > 0))
        ngi_cond_broadcast(&wal->room);
}

static uint64_t wal_next_number(const ngi_wal *wal)
{
    return wal->segment_count == 0 ? wal->manifest.first_segment
                                   : wal->segments[wal->segment_count - 1].number + 1;
}

/* How large a file should be. */
typedef struct room_size {
    uint64_t has;    /* allocated already */
    uint64_t least;  /* what is needed now */
    uint64_t wanted; /* what saves allocating again soon */
} room_size;

/* Allocates as much as wanted, or less if the disk has less. A failed allocation may have taken what
 * the disk still had: that is given back, others need it. */
static ng_status room_allocate(ngi_os *os, ngi_file file, const room_size *size, uint64_t *got)
{
    uint64_t bytes = size->wanted;
    for (;;) {
        ng_status status = os->file_allocate(os, file, bytes);
        if (status == NG_OK) {
            *got = bytes;
            return NG_OK;
        }
        char reason[512];
        snprintf(reason, sizeof reason, "%s", ngi_last_error());
        (void)!os->file_truncate(os, file, size->has);
        ngi_error_set(reason);
        if (status != NG_E_DISK_FULL || bytes <= size->least)
            return status;
        uint64_t more = (bytes - size->least) / 8;
        bytes = size->least + (more >= ROOM_STEP_MIN ? more : 0);
    }
}

/* Makes a file of that size with a durable name and without a header; none if anything fails. */
static ng_status room_create_file(ngi_wal *wal, uint64_t number, const room_size *size,
                                  ngi_file *out, uint64_t *got)
{
    ngi_os *os = wal->os;
    char path[WAL_PATH_BYTES];
    ngi_wal_segment_path(&wal->home, number, path);
    ngi_file file;
    ng_status status =
        os->file_open(os, path, NGI_OPEN_WRITE | NGI_OPEN_CREATE | NGI_OPEN_TRUNCATE, &file);
    if (status != NG_OK)
        return status;
    NGI_TRY(room_allocate(os, file, size, got));
    NGI_TRY(os->sync_directory(os, wal->home.path));
    *out = file;
    return NG_OK;
out:
    os->file_close(os, file);
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    (void)!os->remove(os, path); /* the next attempt truncates what is left */
    ngi_error_set(reason);
    return status;
}

/* Makes a spare of at least `bytes`, or enlarges the one that is too small. The lock is held, and let
 * go of meanwhile; the caller has set `growing`. */
static ng_status room_grow_spare(ngi_wal *wal, uint64_t bytes)
{
    ngi_os *os = wal->os;
    ngi_file file = wal->spare;
    uint64_t number = wal_next_number(wal);
    room_size size = {.has = wal->spare_allocated,
                      .least = bytes,
                      .wanted = bytes < wal->segment_bytes ? wal->segment_bytes : bytes};
    uint64_t got = 0;
    ng_status status = ngi_wal_segment_list_reserve(wal, wal->segment_count + 1);
    if (status != NG_OK)
        return status;
    ngi_mutex_unlock(&wal->lock);
    if (file == WAL_NO_FILE)
        status = room_create_file(wal, number, &size, &file, &got);
    else
        status = room_allocate(os, file, &size, &got);
    ngi_mutex_lock(&wal->lock);
    if (status == NG_OK) {
        wal->spare = file;
        wal->spare_allocated = got;
    }
    return status;
}

/* Allocates the rest of the active segment: the first write after opening, so that opening and
 * reading a store needs no space. */
static ng_status room_grow_active(ngi_wal *wal, uint64_t least)
{
    ngi_file file = wal->active;
    room_size size = {.has = wal->active_allocated, .least = least, .wanted = wal->segment_bytes};
    uint64_t got = 0;
    ngi_mutex_unlock(&wal->lock);
    ng_status status = room_allocate(wal->os, file, &size, &got);
    ngi_mutex_lock(&wal->lock);
    if (status == NG_OK) {
        wal->active_allocated = got;
        wal->segments[wal->segment_count - 1].file_bytes = got;
    }
    return status;
}

static void room_note_full(ngi_wal *wal, ng_status status)
{
    bool is_full = status == NG_E_DISK_FULL;
    if (is_full && !wal->is_full)
        ngi_blackbox_note(wal->box, "disk full", ngi_wal_applied(wal), "%s", ngi_last_error());
    if (is_full || status == NG_OK)
        wal->is_full = is_full;
}

/* Gets space for `bytes` more than the filling group has, unless others are about to. */
static ng_status room_grow(ngi_wal *wal, uint64_t bytes)
{
    if (wal->growing || wal->rotating) {
        ngi_wal_room_wait(wal);
        return NG_OK;
    }
    uint64_t total = wal_filling(wal)->bytes + bytes;
    bool grow_active = wal->active != WAL_NO_FILE && wal->active_allocated < wal->segment_bytes &&
                       wal->fill_offset + total <= wal->segment_bytes;
    wal->growing = true;
    ng_status status = grow_active ? room_grow_active(wal, wal->fill_offset + total)
                                   : room_grow_spare(wal, WAL_SEGMENT_HEADER + total);
    wal->growing = false;
    room_note_full(wal, status);
    ngi_wal_room_changed(wal);
    return status;
}

/* Waits until the filling group has taken off: only that one has to go out, not all that follows. */
static void room_await_take_off(ngi_wal *wal)
{
    uint64_t group = wal->group;
    if (wal->flushing && wal->has_leader) {
        while (wal->group == group && wal->flushing && !ngi_wal_is_latched(wal))
            ngi_wal_room_wait(wal);
        return;
    }
    ngi_wal_lead_unlock(wal, false);
    ngi_mutex_lock(&wal->lock);
}

static ng_status room_fail_size(size_t body_bytes)
{
    return ngi_fail(NG_E_LIMIT, "an op of %zu bytes is over the limit of %u; use smaller batches",
                    body_bytes, NGI_OP_BYTES_MAX);
}

ng_status ngi_wal_make_room(ngi_wal *wal, size_t body_bytes)
{
    if (body_bytes > NGI_OP_BYTES_MAX)
        return room_fail_size(body_bytes);
    if (wal->read_only)
        return ngi_fail(NG_E_READ_ONLY, "%s: open for reading only", wal->home.path);
    uint64_t bytes = wal_frame_bytes(body_bytes);
    for (;;) {
        if (ngi_wal_is_latched(wal))
            return ngi_wal_fail_latched(wal);
        ngi_buffer *buffer = wal_filling(wal);
        if (wal->home.path == NULL)
            return ngi_buffer_reserve(wal->mem, buffer, bytes, "op");
        uint64_t total = buffer->bytes + bytes;
        bool in_active = wal_fits_active(wal, bytes);
        bool in_spare = WAL_SEGMENT_HEADER + total <= wal->spare_allocated;
        bool is_alone = buffer->bytes == 0;
        if (!is_alone && (total > WAL_GROUP_BYTES_MAX ||
                          (!in_active && WAL_SEGMENT_HEADER + total > wal->segment_bytes))) {
            room_await_take_off(wal);
            continue;
        }
        if (in_active || in_spare)
            return ngi_buffer_reserve(wal->mem, buffer, bytes, "log buffer");
        ng_status status = room_grow(wal, bytes);
        if (status != NG_OK)
            return status;
    }
}

void ngi_wal_make_spare_ahead(ngi_wal *wal)
{
    ngi_mutex_lock(&wal->lock);
    bool is_due = wal->active != WAL_NO_FILE && wal->spare == WAL_NO_FILE && !wal->read_only &&
                  !wal->growing && !wal->rotating && !wal->ahead_failed &&
                  wal->active_allocated >= wal->segment_bytes &&
                  wal_needs_spare(wal, wal->fill_offset + wal_filling(wal)->bytes);
    if (is_due && !ngi_wal_is_latched(wal)) {
        wal->growing = true;
        /* If there is no space now, the writer that needs it will be told. */
        wal->ahead_failed = room_grow_spare(wal, wal->segment_bytes) != NG_OK;
        wal->growing = false;
        ngi_wal_room_changed(wal);
    }
    ngi_mutex_unlock(&wal->lock);
}

void ngi_wal_drop_spare(ngi_wal *wal)
{
    if (wal->spare == WAL_NO_FILE)
        return;
    char path[WAL_PATH_BYTES];
    ngi_wal_segment_path(&wal->home, wal_next_number(wal), path);
    wal->os->file_close(wal->os, wal->spare);
    wal->spare = WAL_NO_FILE;
    wal->spare_allocated = 0;
    (void)!wal->os->remove(wal->os, path); /* a file without a header means nothing */
}
