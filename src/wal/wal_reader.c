/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading one segment file from front to back, for recovery, verification and cursors.
 *
 * The window holds what was read and not yet consumed. It grows to one frame at most, which
 * NGI_OP_BYTES_MAX bounds before anything is allocated, and everything read is verified by its
 * checksum before it is believed. */
#include "base/base_bytes.h"
#include "base/base_limits.h"
#include "wal/wal_private.h"

#include <stdio.h>

ng_status ngi_wal_reader_open(const wal_home *home, uint64_t number, unsigned mode, wal_reader *out)
{
    char path[WAL_PATH_BYTES];
    ngi_wal_segment_path(home, number, path);
    *out = (wal_reader){.home = home,
                        .number = number,
                        .file = WAL_NO_FILE,
                        .read_bytes = WAL_READ_BYTES};
    ngi_file file;
    ng_status status = home->os->file_open(home->os, path, mode, &file);
    if (status != NG_OK)
        return status;
    out->file = file;
    return home->os->file_size(home->os, file, &out->file_bytes);
}

void ngi_wal_reader_close(wal_reader *reader)
{
    if (reader->file != WAL_NO_FILE)
        reader->home->os->file_close(reader->home->os, reader->file);
    reader->file = WAL_NO_FILE;
    ngi_buffer_release(reader->home->mem, &reader->window);
}

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
    size_t want = bytes - available > reader->read_bytes ? bytes - available : reader->read_bytes;
    if (want > left)
        want = (size_t)left;
    const wal_home *home = reader->home;
    ng_status status = ngi_buffer_reserve(home->mem, &reader->window, want, "log reader");
    if (status != NG_OK)
        return status;
    size_t got = 0;
    status = home->os->file_read(home->os, reader->file, reader->window.data + available, want,
                                 reader->offset + available, &got);
    if (status != NG_OK)
        return status;
    reader->window.bytes = available + got;
    if (got < want)
        reader->file_bytes = reader->offset + reader->window.bytes; /* it shrank under us */
    return NG_OK;
}

void ngi_wal_reader_skip(wal_reader *reader, size_t bytes)
{
    reader->start += bytes;
    reader->offset += bytes;
}

ng_status ngi_wal_reader_refresh(wal_reader *reader)
{
    reader->window.bytes = reader->start = 0;
    return reader->home->os->file_size(reader->home->os, reader->file, &reader->file_bytes);
}

ng_status ngi_wal_reader_header(wal_reader *reader, wal_segment *segment, bool *is_whole)
{
    *is_whole = false;
    ng_status status = reader_fill(reader, WAL_SEGMENT_HEADER);
    if (status != NG_OK)
        return status;
    uint8_t header[WAL_SEGMENT_HEADER] = {0};
    size_t available = reader_available(reader);
    if (available > 0)
        memcpy(header, reader_data(reader), available < sizeof header ? available : sizeof header);
    *is_whole = available >= sizeof header && ngi_wal_segment_header_is_whole(header);
    status = ngi_wal_segment_header_decode(reader->home, header, segment);
    if (status == NG_OK && available < sizeof header)
        status = ngi_fail(NG_E_CORRUPT, "the segment's header is cut off");
    if (status == NG_OK) {
        ngi_wal_reader_skip(reader, WAL_SEGMENT_HEADER);
        return NG_OK;
    }
    char path[WAL_PATH_BYTES];
    ngi_wal_segment_path(reader->home, reader->number, path);
    return ngi_fail_prefix(status, path);
}

ng_status ngi_wal_reader_frame(wal_reader *reader, wal_frame *out, bool *ok)
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
        *ok = ngi_wal_frame_decode(reader->home->salt, reader_data(reader),
                                   reader_available(reader), out);
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

ng_status ngi_wal_reader_look_behind(wal_reader *reader, ng_seq seq, uint64_t *rest_bytes,
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
            ngi_wal_reader_skip(reader, step);
            continue;
        }
        for (size_t i = 0; i < step; i++)
            if (data[i] != 0)
                *rest_bytes = reader->offset - begin + i + 1;
        wal_frame frame;
        bool ok = reader_may_prove(reader, seq);
        if (ok)
            status = ngi_wal_reader_frame(reader, &frame, &ok);
        if (status != NG_OK)
            return status;
        if (ok) {
            *was_durable = true;
            return NG_OK;
        }
        ngi_wal_reader_skip(reader, step);
    }
}

ng_status ngi_wal_fail_damaged(const wal_home *home, uint64_t number, uint64_t offset, ng_seq seq)
{
    char path[WAL_PATH_BYTES];
    ngi_wal_segment_path(home, number, path);
    return ngi_fail(NG_E_CORRUPT, "%s: damaged at offset %llu, where op %llu should be", path,
                    (unsigned long long)offset, (unsigned long long)seq);
}
