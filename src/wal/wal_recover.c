/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading the log back when a store is opened.
 *
 * Where a frame is bad, two cases must be told apart:
 *   torn tail   the machine stopped while the last group was being written: nobody was told that
 *               these ops are durable, so the log ends before the bad frame;
 *   damage      the op was durable once: opening stops with file and offset.
 * It is damage if anything proves that the op was durable: the MANIFEST's clean_seq or snapshot_seq,
 * a later segment (invariant 2), or a later frame in this segment (invariant 6).
 *
 * With a snapshot the log may also end before it, cleanly, as when the newest files were taken
 * away: its ops are in the snapshot, and the log goes on behind it in a new segment. */
#include "wal/wal_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One recovery. */
typedef struct recovery {
    ngi_wal *wal;
    ng_seq snapshot_seq;
    ngi_wal_replay replay;
    void *context;
    ng_seq next; /* seq of the next frame to read */
} recovery;

static ng_status recover_see_file(void *context, const char *name)
{
    ngi_wal *wal = context;
    uint64_t number = ngi_wal_segment_number(name);
    if (number == 0)
        return NG_OK;
    if (number < wal->manifest.first_segment) {
        wal->has_leftovers = true;
        return NG_OK;
    }
    ng_status status = ngi_wal_segment_list_reserve(wal, wal->segment_count + 1);
    if (status == NG_OK)
        wal->segments[wal->segment_count++] = (wal_segment){.number = number};
    return status;
}

static int recover_compare(const void *a, const void *b)
{
    uint64_t x = ((const wal_segment *)a)->number;
    uint64_t y = ((const wal_segment *)b)->number;
    return x < y ? -1 : x > y;
}

/* Lists the segment files and verifies that none is missing between them. */
static ng_status recover_list(ngi_wal *wal)
{
    ng_status status = wal->os->list_directory(wal->os, wal->home.path, recover_see_file, wal);
    if (status != NG_OK || wal->segment_count == 0)
        return status;
    qsort(wal->segments, wal->segment_count, sizeof *wal->segments, recover_compare);
    for (size_t i = 0; i < wal->segment_count; i++) {
        if (wal->segments[i].number == wal->manifest.first_segment + i)
            continue;
        char path[WAL_PATH_BYTES];
        ngi_wal_segment_path(&wal->home, wal->manifest.first_segment + i, path);
        return ngi_fail(NG_E_CORRUPT, "%s: missing, but later segments are there", path);
    }
    return NG_OK;
}

/* Reads the header of a segment ahead: its first seq proves where the one before it ends. */
static ng_status recover_peek(ngi_wal *wal, wal_segment *segment)
{
    wal_reader reader;
    bool is_whole;
    ng_status status = ngi_wal_reader_open(&wal->home, segment->number, NGI_OPEN_READ, &reader);
    reader.read_bytes = WAL_SEGMENT_HEADER;
    if (status == NG_OK)
        status = ngi_wal_reader_header(&reader, segment, &is_whole);
    segment->file_bytes = segment->end_bytes = reader.file_bytes;
    ngi_wal_reader_close(&reader);
    return status;
}

/* Whether the last segment holds any frame. A spare, zeroes or a torn first frame: none. */
static ng_status recover_has_frames(ngi_wal *wal, wal_segment *segment, bool *out)
{
    wal_reader reader;
    wal_frame frame;
    bool is_whole;
    uint64_t rest;
    *out = false;
    ng_status status = ngi_wal_reader_open(&wal->home, segment->number, NGI_OPEN_READ, &reader);
    if (status != NG_OK)
        goto out;
    status = ngi_wal_reader_header(&reader, segment, &is_whole);
    if (status == NG_E_CORRUPT && !is_whole) {
        /* Frames are written only behind a header that is durable: without any this is a file that
         * was a spare, or became a segment just then. */
        char reason[512];
        snprintf(reason, sizeof reason, "%s", ngi_last_error());
        NGI_TRY(ngi_wal_reader_look_behind(&reader, 0, &rest, out));
        if (*out) {
            ngi_error_set(reason);
            status = NG_E_CORRUPT;
        }
        goto out;
    }
    if (status != NG_OK)
        goto out;
    NGI_TRY(ngi_wal_reader_frame(&reader, &frame, out));
    if (!*out)
        NGI_TRY(ngi_wal_reader_look_behind(&reader, segment->first_seq - 1, &rest, out));
    if (segment->first_seq - 1 > wal->proved)
        wal->proved = segment->first_seq - 1; /* it was made when those were durable */
out:
    ngi_wal_reader_close(&reader);
    return status;
}

/* Leaves out a last segment without frames: a spare, one whose creation was cut short, or one that
 * was left behind while the segment before went on. The next one created takes its file. */
static ng_status recover_skip_unfinished(ngi_wal *wal)
{
    bool has_frames = false;
    if (wal->segment_count == 0)
        return NG_OK;
    ng_status status = recover_has_frames(wal, &wal->segments[wal->segment_count - 1], &has_frames);
    if (status == NG_OK && !has_frames)
        wal->segment_count--;
    return status;
}

static ng_status recover_fail_replay(const recovery *run, const wal_reader *reader,
                                     const ngi_op *op, ng_status status)
{
    char place[WAL_PATH_BYTES + 64];
    ngi_wal_segment_path(&run->wal->home, reader->number, place);
    size_t length = strlen(place);
    snprintf(place + length, sizeof place - length, ", op %llu at offset %llu",
             (unsigned long long)op->seq, (unsigned long long)reader->offset);
    return ngi_fail_prefix(status, place);
}

/* Takes one valid frame: ops that the snapshot has are only verified. */
static ng_status recover_take(recovery *run, const wal_reader *reader, const wal_frame *frame)
{
    ngi_wal *wal = run->wal;
    run->next = frame->op.seq + 1;
    if (frame->op.seq <= run->snapshot_seq)
        return NG_OK;
    ng_status status = run->replay(run->context, &frame->op);
    if (status != NG_OK)
        return recover_fail_replay(run, reader, &frame->op, status);
    if (frame->op.time_us > wal->last_time_us)
        wal->last_time_us = frame->op.time_us;
    wal->recovered_ops++;
    atomic_store_explicit(&wal->applied, frame->op.seq, memory_order_release);
    return NG_OK;
}

/* At a place without a valid frame: the segment's end, or damage. */
static ng_status recover_end(recovery *run, wal_reader *reader, const wal_segment *next,
                             uint64_t *cut_bytes)
{
    ngi_wal *wal = run->wal;
    uint64_t offset = reader->offset;
    bool was_durable;
    ng_status status = ngi_wal_reader_look_behind(reader, run->next, cut_bytes, &was_durable);
    if (status != NG_OK)
        return status;
    bool is_damage = was_durable;
    if (next != NULL)
        is_damage = is_damage || next->first_seq != run->next || *cut_bytes > 0;
    else if (run->next <= run->snapshot_seq)
        is_damage = is_damage || *cut_bytes > 0 || wal->proved > run->snapshot_seq;
    else
        is_damage = is_damage || run->next <= wal->proved;
    return is_damage ? ngi_wal_fail_damaged(&wal->home, reader->number, offset, run->next) : NG_OK;
}

/* Replays the frames of one segment and finds its end. */
static ng_status recover_frames(recovery *run, wal_reader *reader, wal_segment *segment,
                                const wal_segment *next, uint64_t *cut_bytes)
{
    ngi_wal *wal = run->wal;
    ng_seq mark_seq = segment->first_seq - 1; /* when this is proved, doubt begins at mark_offset */
    uint64_t mark_offset = reader->offset;
    wal->doubt_offset = reader->offset;
    for (;;) {
        wal_frame frame;
        bool ok;
        ng_status status = ngi_wal_reader_frame(reader, &frame, &ok);
        if (status != NG_OK)
            return status;
        if (!ok || frame.op.seq != run->next) {
            segment->end_bytes = reader->offset;
            return recover_end(run, reader, next, cut_bytes);
        }
        status = recover_take(run, reader, &frame);
        if (status != NG_OK)
            return status;
        ngi_wal_reader_skip(reader, frame.bytes);
        if (wal_frame_proof(&frame) >= mark_seq) {
            wal->doubt_offset = mark_offset;
            mark_seq = frame.op.seq;
            mark_offset = reader->offset;
        }
    }
}

/* Writes the frames that nothing proves durable once more and syncs them. They were read, perhaps
 * from pages that the disk never got, also after a sync that failed; before anyone is told that they
 * are durable they must be. */
static ng_status recover_settle(ngi_wal *wal, const wal_reader *reader, const wal_segment *segment)
{
    ngi_os *os = wal->os;
    ngi_buffer copy = {0};
    ng_status status = NG_OK;
    uint64_t offset = wal->doubt_offset;
    NGI_TRY(ngi_buffer_reserve(wal->mem, &copy, WAL_READ_BYTES, "log reader"));
    while (offset < segment->end_bytes) {
        uint64_t left = segment->end_bytes - offset;
        size_t want = left < WAL_READ_BYTES ? (size_t)left : WAL_READ_BYTES;
        size_t got = 0;
        NGI_TRY(os->file_read(os, reader->file, copy.data, want, offset, &got));
        if (got < want) {
            status = ngi_wal_fail_damaged(&wal->home, segment->number, offset + got,
                                          ngi_wal_applied(wal));
            goto out;
        }
        NGI_TRY(os->file_write(os, reader->file, copy.data, want, offset));
        offset += want;
    }
    NGI_TRY(os->file_sync(os, reader->file));
    NGI_TRY(os->sync_directory(os, wal->home.path));
out:
    ngi_buffer_release(wal->mem, &copy);
    return status;
}

/* Makes the last segment the active one, its torn tail removed for good. */
static ng_status recover_activate(ngi_wal *wal, wal_reader *reader, wal_segment *segment,
                                  uint64_t cut_bytes)
{
    ng_status status = NG_OK;
    ng_seq known = wal->manifest.clean_seq > wal->manifest.snapshot_seq
                       ? wal->manifest.clean_seq
                       : wal->manifest.snapshot_seq;
    if (cut_bytes > 0) {
        NGI_TRY(wal->os->file_truncate(wal->os, reader->file, segment->end_bytes));
        segment->file_bytes = segment->end_bytes;
        ngi_blackbox_note(wal->box, "torn tail", ngi_wal_applied(wal),
                          "%08llu.log: %llu bytes cut at offset %llu",
                          (unsigned long long)segment->number, (unsigned long long)cut_bytes,
                          (unsigned long long)segment->end_bytes);
    }
    if (cut_bytes > 0 || ngi_wal_applied(wal) > known)
        NGI_TRY(recover_settle(wal, reader, segment));
    /* Nothing is allocated yet: the first write makes room, so that opening and reading a store
     * needs no space. */
    wal->active = reader->file;
    reader->file = WAL_NO_FILE;
    wal->active_allocated = segment->end_bytes;
    wal->fill_offset = segment->end_bytes;
out:
    return status;
}

static ng_status recover_segment(recovery *run, size_t index)
{
    ngi_wal *wal = run->wal;
    wal_segment *segment = &wal->segments[index];
    bool is_last = index + 1 == wal->segment_count;
    wal_reader reader;
    bool is_whole;
    uint64_t cut_bytes = 0;
    ng_status status =
        ngi_wal_reader_open(&wal->home, segment->number,
                            is_last && !wal->read_only ? NGI_OPEN_WRITE : NGI_OPEN_READ, &reader);
    if (status != NG_OK)
        goto out;
    NGI_TRY(ngi_wal_reader_header(&reader, segment, &is_whole));
    if (segment->first_seq != run->next) {
        status = ngi_wal_fail_damaged(&wal->home, segment->number, 0, run->next);
        goto out;
    }
    NGI_TRY(recover_frames(run, &reader, segment, is_last ? NULL : segment + 1, &cut_bytes));
    if (!is_last)
        goto out;
    wal->recovered_bytes_cut = cut_bytes;
    wal->ends_early = run->next <= run->snapshot_seq;
    /* A log that ends before the snapshot goes on behind it, in a new segment. */
    if (!wal->read_only && !wal->ends_early)
        NGI_TRY(recover_activate(wal, &reader, segment, cut_bytes));
    /* A process that was killed may have left ops in the page cache alone; whoever reads here copies
     * them elsewhere. */
    if (wal->read_only && run->next - 1 > wal->manifest.clean_seq)
        status = wal->os->file_sync(wal->os, reader.file);
out:
    ngi_wal_reader_close(&reader);
    return status;
}

/* The segment in which the first op after the snapshot is, or would be. */
static ng_status recover_find_first(recovery *run, size_t *out)
{
    ngi_wal *wal = run->wal;
    size_t first = 0;
    while (first + 1 < wal->segment_count &&
           wal->segments[first + 1].first_seq <= run->snapshot_seq + 1)
        first++;
    *out = first;
    if (first == wal->segment_count || wal->segments[first].first_seq <= run->snapshot_seq + 1)
        return NG_OK;
    char path[WAL_PATH_BYTES];
    ngi_wal_segment_path(&wal->home, wal->segments[first].number, path);
    return ngi_fail(NG_E_CORRUPT, "%s: begins at op %llu, but op %llu is needed", path,
                    (unsigned long long)wal->segments[first].first_seq,
                    (unsigned long long)run->snapshot_seq + 1);
}

static ng_status recover_segments(recovery *run)
{
    ngi_wal *wal = run->wal;
    size_t first = 0;
    ng_status status = NG_OK;
    NGI_TRY(recover_list(wal));
    NGI_TRY(recover_skip_unfinished(wal));
    for (size_t i = 0; i < wal->segment_count; i++)
        NGI_TRY(recover_peek(wal, &wal->segments[i]));
    NGI_TRY(recover_find_first(run, &first));
    if (wal->segment_count > 0)
        run->next = wal->segments[first].first_seq;
    for (size_t i = first; i < wal->segment_count; i++)
        NGI_TRY(recover_segment(run, i));
out:
    return status;
}

/* Removes what an interrupted removal has left. The MANIFEST that was read need not be durable: the
 * process before may have been stopped between renaming it and syncing the directory, and the one
 * behind it needs these segments. A failure leaves them to the next opening. */
static void recover_remove_leftovers(ngi_wal *wal)
{
    uint64_t removed = 0;
    if (wal->has_leftovers && wal->os->sync_directory(wal->os, wal->home.path) == NG_OK)
        (void)ngi_wal_remove_below(wal, wal->manifest.first_segment, &removed);
}

/* The state of a log whose newest op is `seq`. */
static void wal_begin(ngi_wal *wal, ng_seq seq, uint64_t time_us)
{
    wal->sealed = seq;
    wal->begin_seq = seq + 1;
    wal->last_time_us = time_us;
    atomic_store_explicit(&wal->applied, seq, memory_order_release);
    atomic_store_explicit(&wal->durable, seq, memory_order_release);
}

ng_status ngi_wal_recover(ngi_wal *wal, ng_seq snapshot_seq, uint64_t snapshot_time_us,
                          ngi_wal_replay replay, void *context)
{
    recovery run = {.wal = wal,
                    .snapshot_seq = snapshot_seq,
                    .replay = replay,
                    .context = context,
                    .next = snapshot_seq + 1};
    wal->snapshot_seq = snapshot_seq;
    wal_begin(wal, snapshot_seq, snapshot_time_us);
    if (wal->home.path == NULL)
        return NG_OK;
    wal->proved = wal->manifest.clean_seq > wal->manifest.snapshot_seq ? wal->manifest.clean_seq
                                                                       : wal->manifest.snapshot_seq;
    ng_status status = recover_segments(&run);
    if (status != NG_OK)
        return status;
    ng_seq newest = ngi_wal_applied(wal);
    if (newest < wal->proved)
        return ngi_fail(NG_E_CORRUPT, "%s: the log ends at op %llu but op %llu was durable",
                        wal->home.path, (unsigned long long)newest,
                        (unsigned long long)wal->proved);
    wal->is_recovered = true;
    wal_begin(wal, newest, wal->last_time_us);
    if (wal->read_only)
        return NG_OK; /* what was read counts as durable: it was synced, as far as that can be */
    recover_remove_leftovers(wal);
    ngi_blackbox_publish(wal->box, newest);
    return NG_OK;
}

ng_status ngi_wal_begin_after(ngi_wal *wal, ng_seq seq, uint64_t time_us)
{
    ngi_mutex_lock(&wal->lock);
    ng_seq newest = ngi_wal_applied(wal);
    bool is_empty = newest == 0 && wal->segment_count == 0 && !wal->read_only;
    if (is_empty)
        wal_begin(wal, seq, time_us);
    ngi_mutex_unlock(&wal->lock);
    if (!is_empty)
        return ngi_fail(NG_E_INVALID, "the log has ops up to %llu; it cannot begin after %llu",
                        (unsigned long long)newest, (unsigned long long)seq);
    return NG_OK;
}
