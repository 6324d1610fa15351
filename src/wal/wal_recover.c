/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading the log back: recovery when a store is opened, and verification later.
 *
 * Where a frame is bad, two cases must be told apart:
 *   torn tail   the machine stopped while the last group was being written: nobody was told that
 *               these ops are durable, so the log ends before the bad frame;
 *   damage      the op was durable once: opening stops with file and offset.
 * It is damage if anything proves that the op was durable: the MANIFEST's clean_seq, a later
 * segment (invariant 2), or a later frame in this segment (invariant 6). */
#include "wal/wal_private.h"

#include "base/base_bytes.h"
#include "base/base_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES (1u << 20)

/* A window over one segment file that slides forward. */
typedef struct wal_reader {
    ngi_wal *wal;
    ngi_file file;
    uint64_t file_bytes;
    uint64_t offset; /* of data[start] in the file; multiple of 8 */
    ngi_buffer window;
    size_t start; /* bytes before are consumed; multiple of 8 */
} wal_reader;

static size_t reader_available(const wal_reader *reader)
{
    return reader->window.bytes - reader->start;
}

static const uint8_t *reader_data(const wal_reader *reader)
{
    return reader->window.data + reader->start;
}

/* Makes `bytes` available at the current position, or all that is left of the file. */
static ng_status reader_fill(wal_reader *reader, size_t bytes)
{
    size_t available = reader_available(reader);
    if (available >= bytes || reader->offset + available >= reader->file_bytes)
        return NG_OK;
    if (reader->start > 0) {
        memmove(reader->window.data, reader->window.data + reader->start, available);
        reader->window.bytes = available;
        reader->start = 0;
    }
    uint64_t left = reader->file_bytes - reader->offset - available;
    size_t want = bytes - available > READ_BYTES ? bytes - available : READ_BYTES;
    if (want > left)
        want = (size_t)left;
    ngi_wal *wal = reader->wal;
    ng_status status = ngi_buffer_reserve(wal->mem, &reader->window, want, "log reader");
    if (status != NG_OK)
        return status;
    size_t got = 0;
    status = wal->os->file_read(wal->os, reader->file, reader->window.data + available, want,
                                reader->offset + available, &got);
    reader->window.bytes = available + got;
    if (status == NG_OK && got < want)
        reader->file_bytes = reader->offset + reader->window.bytes; /* it shrank under us */
    return status;
}

static void reader_skip(wal_reader *reader, size_t bytes)
{
    reader->start += bytes;
    reader->offset += bytes;
}

/* The frame at the current position; `*ok` false if there is no valid one. */
static ng_status reader_frame(wal_reader *reader, ngi_op *op, uint32_t *unsynced, size_t *bytes,
                              bool *ok)
{
    *ok = false;
    ng_status status = reader_fill(reader, WAL_FRAME_HEADER);
    if (status != NG_OK || reader_available(reader) < WAL_FRAME_HEADER)
        return status;
    uint32_t body_bytes = ngi_get_u32(reader_data(reader) + 8);
    if (ngi_get_u32(reader_data(reader)) != WAL_FRAME_MAGIC || body_bytes > NGI_OP_BYTES_MAX)
        return NG_OK;
    status = reader_fill(reader, (size_t)wal_frame_bytes(body_bytes));
    if (status == NG_OK)
        *ok = ngi_wal_frame_decode(reader->wal, reader_data(reader), reader_available(reader), op,
                                   unsynced, bytes);
    return status;
}

/* Whether what stands here could be a frame that proves `seq` durable, before its checksum is
 * computed: bytes that callers stored must not be able to make this slow. A frame left over from
 * before a cut has an older seq and proves nothing. */
static bool reader_may_prove(const wal_reader *reader, ng_seq seq)
{
    if (reader_available(reader) < WAL_FRAME_HEADER ||
        ngi_get_u32(reader_data(reader)) != WAL_FRAME_MAGIC)
        return false;
    ng_seq found = ngi_get_u64(reader_data(reader) + 16);
    uint32_t unsynced = ngi_get_u32(reader_data(reader) + 36);
    bool is_near = seq == 0 || found - seq <= reader->file_bytes / WAL_FRAME_HEADER + 1;
    return found > seq && is_near && unsynced < found && found - 1 - unsynced >= seq;
}

/* Looks behind a bad place: how many bytes up to the last that is not zero, and whether a valid
 * frame proves that `seq` was durable. */
static ng_status reader_look_behind(wal_reader *reader, ng_seq seq, uint64_t *rest_bytes,
                                    bool *was_durable)
{
    uint64_t begin = reader->offset;
    *rest_bytes = 0;
    *was_durable = false;
    for (;;) {
        ng_status status = reader_fill(reader, WAL_FRAME_HEADER);
        if (status != NG_OK)
            return status;
        size_t available = reader_available(reader);
        if (available == 0)
            return NG_OK;
        size_t step = available < 8 ? available : 8;
        const uint8_t *data = reader_data(reader);
        if (step == 8 && ngi_get_u64(data) == 0) { /* the preallocated rest, mostly */
            reader_skip(reader, step);
            continue;
        }
        for (size_t i = 0; i < step; i++)
            if (data[i] != 0)
                *rest_bytes = reader->offset - begin + i + 1;
        ngi_op op;
        uint32_t unsynced;
        size_t bytes;
        bool ok = reader_may_prove(reader, seq);
        if (ok)
            status = reader_frame(reader, &op, &unsynced, &bytes, &ok);
        if (status != NG_OK)
            return status;
        if (ok) {
            *was_durable = true;
            return NG_OK;
        }
        reader_skip(reader, step);
    }
}

static ng_status wal_fail_damaged(const ngi_wal *wal, const wal_segment *segment, uint64_t offset,
                                  ng_seq seq)
{
    char path[WAL_PATH_BYTES];
    ngi_wal_segment_path(wal, segment->number, path);
    return ngi_fail(NG_E_CORRUPT, "%s: damaged at offset %llu, where op %llu should be", path,
                    (unsigned long long)offset, (unsigned long long)seq);
}

/* Reads the header. `*empty`: the file was being created when the machine stopped. */
static ng_status wal_read_header(wal_reader *reader, wal_segment *segment, bool is_last,
                                 bool *empty)
{
    ngi_wal *wal = reader->wal;
    *empty = false;
    ng_status status = reader_fill(reader, WAL_SEGMENT_HEADER);
    if (status != NG_OK)
        return status;
    uint8_t header[WAL_SEGMENT_HEADER] = {0};
    size_t available = reader_available(reader);
    if (available > 0)
        memcpy(header, reader_data(reader), available < sizeof header ? available : sizeof header);
    status = ngi_wal_segment_header_decode(wal, header, segment);
    if (status == NG_OK && available >= sizeof header) {
        reader_skip(reader, WAL_SEGMENT_HEADER);
        return NG_OK;
    }
    if (status == NG_OK)
        status = ngi_fail(NG_E_CORRUPT, "the segment's header is cut off");
    char path[WAL_PATH_BYTES];
    ngi_wal_segment_path(wal, segment->number, path);
    if (status == NG_E_CORRUPT && is_last && !ngi_wal_segment_header_is_whole(header)) {
        /* Frames are written only behind a header that is durable: without any this is a file
         * whose creation was cut short. */
        char reason[512];
        snprintf(reason, sizeof reason, "%s", ngi_last_error());
        uint64_t rest;
        bool was_durable;
        ng_status looked = reader_look_behind(reader, 0, &rest, &was_durable);
        if (looked != NG_OK)
            return looked;
        if (!was_durable) {
            *empty = true;
            return NG_OK;
        }
        ngi_error_set(reason);
    }
    return ngi_fail_prefix(status, path);
}

/* Replays the frames of one segment and finds its end. */
static ng_status wal_read_frames(wal_reader *reader, wal_segment *segment, const wal_segment *next,
                                 ngi_wal_replay replay, void *context, uint64_t *cut_bytes)
{
    ngi_wal *wal = reader->wal;
    *cut_bytes = 0;
    ng_seq mark_seq = segment->first_seq - 1; /* when this is proved, doubt begins at mark_offset */
    uint64_t mark_offset = reader->offset;
    wal->doubt_offset = reader->offset;
    for (;;) {
        ng_seq expected = ngi_wal_applied(wal) + 1;
        ngi_op op;
        uint32_t unsynced;
        size_t bytes;
        bool ok;
        ng_status status = reader_frame(reader, &op, &unsynced, &bytes, &ok);
        if (status != NG_OK)
            return status;
        if (!ok || op.seq != expected) {
            uint64_t offset = reader->offset;
            bool was_durable;
            segment->end_bytes = offset;
            status = reader_look_behind(reader, expected, cut_bytes, &was_durable);
            if (status != NG_OK)
                return status;
            bool must_go_on = next == NULL ? expected <= wal->proved
                                           : next->first_seq != expected || *cut_bytes > 0;
            if (was_durable || must_go_on)
                return wal_fail_damaged(wal, segment, offset, expected);
            return NG_OK;
        }
        status = replay(context, &op);
        if (status != NG_OK) {
            char place[WAL_PATH_BYTES + 64];
            ngi_wal_segment_path(wal, segment->number, place);
            size_t length = strlen(place);
            snprintf(place + length, sizeof place - length, ", op %llu at offset %llu",
                     (unsigned long long)op.seq, (unsigned long long)reader->offset);
            return ngi_fail_prefix(status, place);
        }
        wal->last_time_us = op.time_us;
        wal->recovered_ops++;
        atomic_store_explicit(&wal->applied, op.seq, memory_order_release);
        reader_skip(reader, bytes);
        if (op.seq - 1 - unsynced >= mark_seq) {
            wal->doubt_offset = mark_offset;
            mark_seq = op.seq;
            mark_offset = reader->offset;
        }
    }
}

static ng_status wal_open_reader(ngi_wal *wal, wal_segment *segment, unsigned mode,
                                 wal_reader *reader)
{
    char path[WAL_PATH_BYTES];
    ngi_wal_segment_path(wal, segment->number, path);
    *reader = (wal_reader){.wal = wal, .file = WAL_NO_FILE};
    ng_status status = wal->os->file_open(wal->os, path, mode, &reader->file);
    if (status != NG_OK)
        return status;
    status = wal->os->file_size(wal->os, reader->file, &reader->file_bytes);
    segment->file_bytes = reader->file_bytes;
    return status;
}

static void wal_close_reader(wal_reader *reader)
{
    if (reader->file != WAL_NO_FILE)
        reader->wal->os->file_close(reader->wal->os, reader->file);
    ngi_buffer_release(reader->wal->mem, &reader->window);
}

static ng_status wal_see_file(void *context, const char *name)
{
    ngi_wal *wal = context;
    char *end;
    unsigned long long number = strtoull(name, &end, 10);
    char canonical[32];
    snprintf(canonical, sizeof canonical, "%08llu.log", number);
    if (end == name || number == 0 || strcmp(name, canonical) != 0)
        return NG_OK;
    ng_status status = ngi_wal_segment_list_reserve(wal, wal->segment_count + 1);
    if (status == NG_OK)
        wal->segments[wal->segment_count++] = (wal_segment){.number = number};
    return status;
}

static int wal_compare_segments(const void *a, const void *b)
{
    uint64_t x = ((const wal_segment *)a)->number;
    uint64_t y = ((const wal_segment *)b)->number;
    return x < y ? -1 : x > y;
}

/* Lists the segment files and verifies that none is missing between them. */
static ng_status wal_list_segments(ngi_wal *wal)
{
    ng_status status = wal->os->list_directory(wal->os, wal->path, wal_see_file, wal);
    if (status != NG_OK || wal->segment_count == 0)
        return status;
    qsort(wal->segments, wal->segment_count, sizeof *wal->segments, wal_compare_segments);
    for (size_t i = 0; i < wal->segment_count; i++) {
        if (wal->segments[i].number == i + 1)
            continue;
        char path[WAL_PATH_BYTES];
        ngi_wal_segment_path(wal, i + 1, path);
        return ngi_fail(NG_E_CORRUPT, "%s: missing, but later segments are there", path);
    }
    return NG_OK;
}

/* Reads the header of a segment ahead: its first seq proves where the one before it ends. */
static ng_status wal_peek_header(ngi_wal *wal, wal_segment *segment)
{
    wal_reader reader;
    bool empty;
    ng_status status = wal_open_reader(wal, segment, NGI_OPEN_READ, &reader);
    if (status == NG_OK)
        status = wal_read_header(&reader, segment, false, &empty);
    wal_close_reader(&reader);
    return status;
}

/* Writes the frames that nothing proves durable once more and syncs them. They were read, perhaps
 * from pages that the disk never got, also after a sync that failed; before anyone is told that they
 * are durable they must be. */
static ng_status wal_settle(ngi_wal *wal, const wal_reader *reader, const wal_segment *segment)
{
    ngi_os *os = wal->os;
    ngi_buffer copy = {0};
    ng_status status = NG_OK;
    uint64_t offset = wal->doubt_offset;
    NGI_TRY(ngi_buffer_reserve(wal->mem, &copy, READ_BYTES, "log reader"));
    while (offset < segment->end_bytes) {
        uint64_t left = segment->end_bytes - offset;
        size_t want = left < READ_BYTES ? (size_t)left : READ_BYTES;
        size_t got = 0;
        NGI_TRY(os->file_read(os, reader->file, copy.data, want, offset, &got));
        if (got < want) {
            status = wal_fail_damaged(wal, segment, offset + got, ngi_wal_applied(wal));
            goto out;
        }
        NGI_TRY(os->file_write(os, reader->file, copy.data, want, offset));
        offset += want;
    }
    NGI_TRY(os->file_sync(os, reader->file));
    NGI_TRY(os->sync_directory(os, wal->path));
out:
    ngi_buffer_release(wal->mem, &copy);
    return status;
}

/* Makes the last segment the active one, its torn tail removed for good. */
static ng_status wal_activate(ngi_wal *wal, wal_reader *reader, wal_segment *segment,
                              uint64_t cut_bytes)
{
    ng_status status = NG_OK;
    if (cut_bytes > 0) {
        NGI_TRY(wal->os->file_truncate(wal->os, reader->file, segment->end_bytes));
        segment->file_bytes = segment->end_bytes;
        wal->recovered_bytes_cut = cut_bytes;
    }
    if (cut_bytes > 0 || ngi_wal_applied(wal) > wal->manifest.clean_seq)
        NGI_TRY(wal_settle(wal, reader, segment));
    /* Nothing is allocated yet: the first write makes room, so that opening and reading a store
     * needs no space. */
    wal->active = reader->file;
    reader->file = WAL_NO_FILE;
    wal->active_allocated = segment->end_bytes;
    wal->fill_offset = segment->end_bytes;
out:
    return status;
}

static ng_status wal_recover_segment(ngi_wal *wal, size_t index, ngi_wal_replay replay,
                                     void *context)
{
    wal_segment *segment = &wal->segments[index];
    bool is_last = index + 1 == wal->segment_count;
    wal_segment *next = is_last ? NULL : &wal->segments[index + 1];
    wal_reader reader;
    bool empty = false;
    uint64_t cut_bytes = 0;
    ng_status status =
        wal_open_reader(wal, segment, is_last ? NGI_OPEN_WRITE : NGI_OPEN_READ, &reader);
    if (status != NG_OK)
        goto out;
    NGI_TRY(wal_read_header(&reader, segment, is_last, &empty));
    if (segment->first_seq != ngi_wal_applied(wal) + 1) {
        status = wal_fail_damaged(wal, segment, 0, ngi_wal_applied(wal) + 1);
        goto out;
    }
    NGI_TRY(wal_read_frames(&reader, segment, next, replay, context, &cut_bytes));
    if (is_last)
        NGI_TRY(wal_activate(wal, &reader, segment, cut_bytes));
out:
    wal_close_reader(&reader);
    return status;
}

/* Whether the segment holds any frame. Zeroes or a torn first frame: none. */
static ng_status wal_has_frames(ngi_wal *wal, wal_segment *segment, bool *out)
{
    wal_reader reader;
    bool empty = false;
    ngi_op op;
    uint32_t unsynced;
    size_t bytes;
    *out = false;
    ng_status status = wal_open_reader(wal, segment, NGI_OPEN_READ, &reader);
    if (status == NG_OK)
        status = wal_read_header(&reader, segment, true, &empty);
    if (status == NG_OK && !empty)
        status = reader_frame(&reader, &op, &unsynced, &bytes, out);
    if (status == NG_OK && !empty && !*out) {
        uint64_t rest;
        status = reader_look_behind(&reader, segment->first_seq - 1, &rest, out);
    }
    if (status == NG_OK && !empty && segment->first_seq - 1 > wal->proved)
        wal->proved = segment->first_seq - 1; /* it was made when those were durable */
    wal_close_reader(&reader);
    return status;
}

/* Leaves out a last segment without frames: its creation was cut short, or failed and left the file
 * behind while the segment before went on. The next one created takes its file. */
static ng_status wal_skip_unfinished(ngi_wal *wal)
{
    bool has_frames = false;
    ng_status status = wal_has_frames(wal, &wal->segments[wal->segment_count - 1], &has_frames);
    if (status == NG_OK && !has_frames)
        wal->segment_count--;
    return status;
}

ng_status ngi_wal_recover(ngi_wal *wal, ngi_wal_replay replay, void *context)
{
    if (wal->path == NULL)
        return NG_OK;
    wal->proved = wal->manifest.clean_seq;
    ng_status status = wal_list_segments(wal);
    if (status == NG_OK && wal->segment_count > 0)
        status = wal_skip_unfinished(wal);
    for (size_t i = 1; i < wal->segment_count && status == NG_OK; i++)
        status = wal_peek_header(wal, &wal->segments[i]);
    for (size_t i = 0; i < wal->segment_count && status == NG_OK; i++)
        status = wal_recover_segment(wal, i, replay, context);
    if (status != NG_OK)
        return status;
    ng_seq newest = ngi_wal_applied(wal);
    if (newest < wal->proved)
        return ngi_fail(NG_E_CORRUPT, "%s: the log ends at op %llu but op %llu was durable",
                        wal->path, (unsigned long long)newest, (unsigned long long)wal->proved);
    wal->is_recovered = true;
    wal->sealed = newest;
    atomic_store_explicit(&wal->durable, newest, memory_order_release);
    return NG_OK;
}

/* Verifies one segment up to its known end. */
static ng_status wal_verify_segment(ngi_wal *wal, wal_segment *segment, ng_seq *next, uint64_t *ops)
{
    wal_segment header = *segment;
    wal_reader reader;
    bool empty;
    ng_status status = wal_open_reader(wal, &header, NGI_OPEN_READ, &reader);
    if (status != NG_OK)
        goto out;
    NGI_TRY(wal_read_header(&reader, &header, false, &empty));
    while (reader.offset < segment->end_bytes) {
        ngi_op op;
        uint32_t unsynced;
        size_t bytes;
        bool ok;
        NGI_TRY(reader_frame(&reader, &op, &unsynced, &bytes, &ok));
        if (!ok || op.seq != *next) {
            status = wal_fail_damaged(wal, segment, reader.offset, *next);
            goto out;
        }
        reader_skip(&reader, bytes);
        (*next)++;
        (*ops)++;
    }
out:
    wal_close_reader(&reader);
    return status;
}

ng_status ngi_wal_verify(ngi_wal *wal, uint64_t *ops, uint64_t *bytes)
{
    *ops = 0;
    *bytes = 0;
    ng_seq next = 1;
    ng_status status = NG_OK;
    for (size_t i = 0; i < wal->segment_count && status == NG_OK; i++) {
        status = wal_verify_segment(wal, &wal->segments[i], &next, ops);
        *bytes += wal->segments[i].end_bytes;
    }
    return status;
}
