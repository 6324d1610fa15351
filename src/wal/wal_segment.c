/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Segment files: names and headers; and the decoding of one frame. */
#include "base/base_bytes.h"
#include "base/base_crc.h"
#include "base/base_limits.h"
#include "wal/wal_private.h"

#include <stdio.h>
#include <stdlib.h>

/* Header, 64 bytes: magic 8, version u32, crc32c u32 of 16..63, uuid 16, number u64, first_seq u64,
 * created_us u64, zeroes. */
enum {
    AT_VERSION = 8,
    AT_CRC = 12,
    AT_UUID = 16,
    AT_NUMBER = 32,
    AT_FIRST_SEQ = 40,
    AT_CREATED = 48
};

void ngi_wal_home_init(wal_home *home, ngi_os *os, ngi_mem *mem, const uint8_t uuid[16])
{
    home->os = os;
    home->mem = mem;
    memcpy(home->uuid, uuid, sizeof home->uuid);
    home->salt = ngi_crc32c(0, uuid, sizeof home->uuid);
}

void ngi_wal_segment_path(const wal_home *home, uint64_t number, char out[WAL_PATH_BYTES])
{
    snprintf(out, WAL_PATH_BYTES, "%s/%08llu.log", home->path, (unsigned long long)number);
}

uint64_t ngi_wal_segment_number(const char *name)
{
    char *end;
    unsigned long long number = strtoull(name, &end, 10);
    char canonical[32];
    snprintf(canonical, sizeof canonical, "%08llu.log", number);
    /* The greatest number is left out so that one more can always be computed. */
    return end == name || number == UINT64_MAX || strcmp(name, canonical) != 0 ? 0 : number;
}

void ngi_wal_segment_header_encode(const wal_home *home, const wal_segment *segment,
                                   uint8_t out[WAL_SEGMENT_HEADER])
{
    memset(out, 0, WAL_SEGMENT_HEADER);
    memcpy(out, WAL_SEGMENT_MAGIC, 8);
    ngi_put_u32(out + AT_VERSION, NGI_FORMAT_VERSION);
    memcpy(out + AT_UUID, home->uuid, sizeof home->uuid);
    ngi_put_u64(out + AT_NUMBER, segment->number);
    ngi_put_u64(out + AT_FIRST_SEQ, segment->first_seq);
    ngi_put_u64(out + AT_CREATED, segment->created_us);
    ngi_put_u32(out + AT_CRC, ngi_crc32c(0, out + AT_UUID, WAL_SEGMENT_HEADER - AT_UUID));
}

bool ngi_wal_segment_header_is_whole(const uint8_t in[WAL_SEGMENT_HEADER])
{
    return memcmp(in, WAL_SEGMENT_MAGIC, 8) == 0 &&
           ngi_get_u32(in + AT_CRC) == ngi_crc32c(0, in + AT_UUID, WAL_SEGMENT_HEADER - AT_UUID);
}

ng_status ngi_wal_segment_header_decode(const wal_home *home, const uint8_t in[WAL_SEGMENT_HEADER],
                                        wal_segment *out)
{
    if (!ngi_wal_segment_header_is_whole(in))
        return ngi_fail(NG_E_CORRUPT, "the segment's header is damaged");
    uint32_t version = ngi_get_u32(in + AT_VERSION);
    if (version > NGI_FORMAT_VERSION)
        return ngi_fail(NG_E_VERSION, "format version %u, this library reads up to %u", version,
                        NGI_FORMAT_VERSION);
    ng_seq first_seq = ngi_get_u64(in + AT_FIRST_SEQ);
    if (version == 0 || first_seq == 0)
        return ngi_fail(NG_E_CORRUPT, "the segment's header is damaged");
    if (memcmp(in + AT_UUID, home->uuid, sizeof home->uuid) != 0)
        return ngi_fail(NG_E_CORRUPT, "the segment belongs to another store");
    if (ngi_get_u64(in + AT_NUMBER) != out->number)
        return ngi_fail(NG_E_CORRUPT, "the segment has number %llu inside",
                        (unsigned long long)ngi_get_u64(in + AT_NUMBER));
    out->first_seq = first_seq;
    out->created_us = ngi_get_u64(in + AT_CREATED);
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

uint32_t ngi_wal_frame_crc(uint32_t salt, const uint8_t *frame, size_t frame_bytes)
{
    return ngi_crc32c(salt, frame + 8, frame_bytes - 8);
}

bool ngi_wal_frame_decode(uint32_t salt, const uint8_t *data, size_t available, wal_frame *out)
{
    if (available < WAL_FRAME_HEADER || ngi_get_u32(data) != WAL_FRAME_MAGIC ||
        ngi_get_u16(data + 14) != 0)
        return false;
    uint32_t body_bytes = ngi_get_u32(data + 8);
    if (body_bytes > NGI_OP_BYTES_MAX || wal_frame_bytes(body_bytes) > available)
        return false;
    size_t bytes = (size_t)wal_frame_bytes(body_bytes);
    if (ngi_get_u32(data + 4) != ngi_wal_frame_crc(salt, data, bytes))
        return false;
    *out = (wal_frame){.op = {.seq = ngi_get_u64(data + 16),
                              .time_us = ngi_get_u64(data + 24),
                              .body = data + WAL_FRAME_HEADER,
                              .body_bytes = body_bytes,
                              .actor = ngi_get_u32(data + 32),
                              .kind = ngi_get_u16(data + 12)},
                       .unsynced = ngi_get_u32(data + 36),
                       .bytes = bytes};
    return true;
}
