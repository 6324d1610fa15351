/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading one segment file from front to back, for recovery, verification and cursors.
 *
 * The window holds what was read and not yet consumed. It grows to one frame at most, which
 * NGI_OP_BYTES_MAX bounds before anything is allocated, and everything read is verified by its
 * checksum before it is believed. */
#include "base/base_bytes.h"
#include "base/base_crc.h"
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

/* --- behind a bad place ---------------------------------------------------------------------- */

/* Callers can store bytes that look like frames, one in the other, each up to the end of the file.
 * They must not be able to make this slow. So when about a file's worth of checksums was wrong,
 * those of prefixes of the file are computed, once, and the checksum of any piece follows from two
 * of them. */
#define LOOK_STEP 4096u

typedef struct wal_look {
    uint64_t begin;
    uint64_t wrong_bytes; /* of what looked like frames and was none */
    uint32_t *prefixes;   /* of [begin, begin + LOOK_STEP * i); NULL = not needed yet */
    size_t prefix_count;
} wal_look;

static void look_release(const wal_reader *reader, wal_look *look)
{
    if (look->prefixes != NULL)
        ngi_free(reader->home->mem, look->prefixes, look->prefix_count * sizeof *look->prefixes);
}

static ng_status look_read(const wal_reader *reader, uint64_t offset, size_t bytes, uint32_t *crc)
{
    uint8_t data[LOOK_STEP];
    size_t got = 0;
    ng_status status =
        reader->home->os->file_read(reader->home->os, reader->file, data, bytes, offset, &got);
    if (status == NG_OK)
        *crc = ngi_crc32c(*crc, data, got);
    return status;
}

static ng_status look_prepare(const wal_reader *reader, wal_look *look)
{
    size_t count = (size_t)((reader->file_bytes - look->begin) / LOOK_STEP) + 1;
    void *block;
    ng_status status =
        ngi_alloc(reader->home->mem, count * sizeof *look->prefixes, "log reader", &block);
    if (status != NG_OK)
        return status;
    look->prefixes = block;
    look->prefix_count = count;
    uint32_t crc = 0;
    for (size_t i = 0; i < count && status == NG_OK; i++) {
        look->prefixes[i] = crc;
        status = look_read(reader, look->begin + (uint64_t)i * LOOK_STEP, LOOK_STEP, &crc);
    }
    return status;
}

/* Checksum of [begin, end). */
static ng_status look_prefix(const wal_reader *reader, const wal_look *look, uint64_t end,
                             uint32_t *crc)
{
    uint64_t bytes = end - look->begin;
    *crc = look->prefixes[bytes / LOOK_STEP];
    return look_read(reader, end - bytes % LOOK_STEP, bytes % LOOK_STEP, crc);
}

/* Whether the checksum of the frame of `bytes` bytes that seems to stand here is right. */
static ng_status look_check(const wal_reader *reader, const wal_look *look, uint64_t bytes,
                            bool *is_right)
{
    uint32_t before;
    uint32_t until;
    ng_status status = look_prefix(reader, look, reader->offset + 8, &before);
    if (status == NG_OK)
        status = look_prefix(reader, look, reader->offset + bytes, &until);
    *is_right =
        status == NG_OK && ngi_get_u32(reader_data(reader) + 4) ==
                               ngi_crc32c_join(reader->home->salt ^ before, until, bytes - 8);
    return status;
}

/* Whether what stands here could be a frame that proves `seq` durable, before its checksum is
 * computed. A frame left over from before a cut has an older seq and proves nothing. */
static bool look_may_prove(const wal_reader *reader, ng_seq seq)
{
    const uint8_t *data = reader_data(reader);
    if (reader_available(reader) < WAL_FRAME_HEADER || ngi_get_u32(data) != WAL_FRAME_MAGIC)
        return false;
    ng_seq found = ngi_get_u64(data + 16);
    uint32_t unsynced = ngi_get_u32(data + 36);
    bool fits = wal_frame_bytes(ngi_get_u32(data + 8)) <= reader->file_bytes - reader->offset;
    bool is_near = seq == 0 || found - seq <= reader->file_bytes / WAL_FRAME_HEADER + 1;
    return fits && found > seq && is_near && unsynced < found && found - 1 - unsynced >= seq;
}

/* Whether a valid frame stands here that proves `seq` durable. */
static ng_status look_at(wal_reader *reader, wal_look *look, ng_seq seq, bool *ok)
{
    *ok = look_may_prove(reader, seq);
    if (!*ok)
        return NG_OK;
    ng_status status = NG_OK;
    uint64_t bytes = wal_frame_bytes(ngi_get_u32(reader_data(reader) + 8));
    bool is_right = true;
    if (look->wrong_bytes > reader->file_bytes && look->prefixes == NULL)
        NGI_TRY(look_prepare(reader, look));
    if (look->prefixes != NULL)
        NGI_TRY(look_check(reader, look, bytes, &is_right));
    *ok = is_right;
    wal_frame frame;
    if (is_right)
        NGI_TRY(ngi_wal_reader_frame(reader, &frame, ok));
    look->wrong_bytes += *ok ? 0 : bytes;
out:
    return status;
}

ng_status ngi_wal_reader_look_behind(wal_reader *reader, ng_seq seq, uint64_t *rest_bytes,
                                     bool *was_durable)
{
    uint64_t begin = reader->offset;
    wal_look look = {.begin = begin};
    ng_status status = NG_OK;
    *rest_bytes = 0;
    *was_durable = false;
    while (!*was_durable) {
        NGI_TRY(reader_fill(reader, WAL_FRAME_HEADER));
        size_t available = reader_available(reader);
        if (available == 0)
            break;
        size_t step = available < 8 ? available : 8;
        const uint8_t *data = reader_data(reader);
        if (step == 8 && ngi_get_u64(data) == 0) { /* the preallocated rest, mostly */
            ngi_wal_reader_skip(reader, step);
            continue;
        }
        for (size_t i = 0; i < step; i++)
            if (data[i] != 0)
                *rest_bytes = reader->offset - begin + i + 1;
        NGI_TRY(look_at(reader, &look, seq, was_durable));
        if (!*was_durable)
            ngi_wal_reader_skip(reader, step);
    }
out:
    look_release(reader, &look);
    return status;
}

ng_status ngi_wal_fail_damaged(const wal_home *home, uint64_t number, uint64_t offset, ng_seq seq)
{
    char path[WAL_PATH_BYTES];
    ngi_wal_segment_path(home, number, path);
    return ngi_fail(NG_E_CORRUPT, "%s: damaged at offset %llu, where op %llu should be", path,
                    (unsigned long long)offset, (unsigned long long)seq);
}
