/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Segment files: names, headers, creation; and the decoding of one frame. */
#include "base/base_bytes.h"
#include "base/base_crc.h"
#include "base/base_limits.h"
#include "wal/wal_private.h"

#include <stdio.h>

/* Header, 64 bytes: magic 8, version u32, crc32c u32 of 16..63, uuid 16, number u64, first_seq u64,
 * zeroes. */
enum { AT_VERSION = 8, AT_CRC = 12, AT_UUID = 16, AT_NUMBER = 32, AT_FIRST_SEQ = 40 };

void ngi_wal_segment_path(const ngi_wal *wal, uint64_t number, char out[WAL_PATH_BYTES])
{
    snprintf(out, WAL_PATH_BYTES, "%s/%08llu.log", wal->path, (unsigned long long)number);
}

void ngi_wal_segment_header_encode(const ngi_wal *wal, const wal_segment *segment,
                                   uint8_t out[WAL_SEGMENT_HEADER])
{
    memset(out, 0, WAL_SEGMENT_HEADER);
    memcpy(out, WAL_SEGMENT_MAGIC, 8);
    ngi_put_u32(out + AT_VERSION, NGI_FORMAT_VERSION);
    memcpy(out + AT_UUID, wal->manifest.uuid, sizeof wal->manifest.uuid);
    ngi_put_u64(out + AT_NUMBER, segment->number);
    ngi_put_u64(out + AT_FIRST_SEQ, segment->first_seq);
    ngi_put_u32(out + AT_CRC, ngi_crc32c(0, out + AT_UUID, WAL_SEGMENT_HEADER - AT_UUID));
}

bool ngi_wal_segment_header_is_whole(const uint8_t in[WAL_SEGMENT_HEADER])
{
    return memcmp(in, WAL_SEGMENT_MAGIC, 8) == 0 &&
           ngi_get_u32(in + AT_CRC) == ngi_crc32c(0, in + AT_UUID, WAL_SEGMENT_HEADER - AT_UUID);
}

ng_status ngi_wal_segment_header_decode(const ngi_wal *wal, const uint8_t in[WAL_SEGMENT_HEADER],
                                        wal_segment *out)
{
    if (!ngi_wal_segment_header_is_whole(in))
        return ngi_fail(NG_E_CORRUPT, "the segment's header is damaged");
    uint32_t version = ngi_get_u32(in + AT_VERSION);
    if (version > NGI_FORMAT_VERSION)
        return ngi_fail(NG_E_VERSION, "format version %u, this library reads up to %u", version,
                        NGI_FORMAT_VERSION);
    if (version == 0)
        return ngi_fail(NG_E_CORRUPT, "the segment's header is damaged");
    if (memcmp(in + AT_UUID, wal->manifest.uuid, sizeof wal->manifest.uuid) != 0)
        return ngi_fail(NG_E_CORRUPT, "the segment belongs to another store");
    if (ngi_get_u64(in + AT_NUMBER) != out->number)
        return ngi_fail(NG_E_CORRUPT, "the segment has number %llu inside",
                        (unsigned long long)ngi_get_u64(in + AT_NUMBER));
    out->first_seq = ngi_get_u64(in + AT_FIRST_SEQ);
    return NG_OK;
}

ng_status ngi_wal_segment_list_reserve(ngi_wal *wal, size_t count)
{
    if (count <= wal->segment_capacity)
        return NG_OK;
    size_t capacity = wal->segment_capacity < 16 ? 16 : wal->segment_capacity * 2;
    void *list = wal->segments;
    ng_status status = ngi_resize(wal->mem, &list, wal->segment_capacity * sizeof *wal->segments,
                                  capacity * sizeof *wal->segments, "list of log segments");
    if (status == NG_OK) {
        wal->segments = list;
        wal->segment_capacity = capacity;
    }
    return status;
}

/* Writes a new file completely (space, header, directory entry) before it becomes the active one;
 * if anything fails the file is removed again and the log is as it was. */
ng_status ngi_wal_segment_create(ngi_wal *wal, uint64_t min_bytes)
{
    ngi_os *os = wal->os;
    ng_status status = ngi_wal_segment_list_reserve(wal, wal->segment_count + 1);
    if (status != NG_OK)
        return status;
    wal_segment segment = {
        .number = wal->segment_count == 0 ? 1 : wal->segments[wal->segment_count - 1].number + 1,
        .first_seq = atomic_load_explicit(&wal->applied, memory_order_relaxed) + 1,
        .end_bytes = WAL_SEGMENT_HEADER,
        .file_bytes = wal->segment_bytes > min_bytes ? wal->segment_bytes : min_bytes,
    };
    char path[WAL_PATH_BYTES];
    ngi_wal_segment_path(wal, segment.number, path);
    ngi_file file;
    status = os->file_open(os, path, NGI_OPEN_WRITE | NGI_OPEN_CREATE | NGI_OPEN_TRUNCATE, &file);
    if (status != NG_OK)
        return status;
    uint8_t header[WAL_SEGMENT_HEADER];
    ngi_wal_segment_header_encode(wal, &segment, header);
    NGI_TRY(os->file_allocate(os, file, segment.file_bytes));
    NGI_TRY(os->file_write(os, file, header, sizeof header, 0));
    NGI_TRY(os->file_sync(os, file));
    NGI_TRY(os->sync_directory(os, wal->path));
    if (wal->active != WAL_NO_FILE) {
        /* Gives back what was preallocated and not used. If it cannot, nothing is lost. */
        wal_segment *old = &wal->segments[wal->segment_count - 1];
        if (os->file_truncate(os, wal->active, old->end_bytes) == NG_OK)
            old->file_bytes = old->end_bytes;
        os->file_close(os, wal->active);
    }
    wal->segments[wal->segment_count++] = segment;
    wal->active = file;
    wal->active_allocated = segment.file_bytes;
    return NG_OK;
out:
    os->file_close(os, file);
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    (void)!os->remove(os, path); /* the next attempt truncates what is left */
    ngi_error_set(reason);
    return status;
}

uint32_t ngi_wal_frame_crc(const ngi_wal *wal, const uint8_t *frame, size_t frame_bytes)
{
    return ngi_crc32c(wal->salt, frame + 8, frame_bytes - 8);
}

bool ngi_wal_frame_decode(const ngi_wal *wal, const uint8_t *data, size_t available, ngi_op *out,
                          uint32_t *unsynced, size_t *frame_bytes)
{
    if (available < WAL_FRAME_HEADER || ngi_get_u32(data) != WAL_FRAME_MAGIC ||
        ngi_get_u16(data + 14) != 0)
        return false;
    uint32_t body_bytes = ngi_get_u32(data + 8);
    if (body_bytes > NGI_OP_BYTES_MAX || wal_frame_bytes(body_bytes) > available)
        return false;
    size_t bytes = (size_t)wal_frame_bytes(body_bytes);
    if (ngi_get_u32(data + 4) != ngi_wal_frame_crc(wal, data, bytes))
        return false;
    *out = (ngi_op){.seq = ngi_get_u64(data + 16),
                    .time_us = ngi_get_u64(data + 24),
                    .body = data + WAL_FRAME_HEADER,
                    .body_bytes = body_bytes,
                    .actor = ngi_get_u32(data + 32),
                    .kind = ngi_get_u16(data + 12)};
    *unsynced = ngi_get_u32(data + 36);
    *frame_bytes = bytes;
    return true;
}
