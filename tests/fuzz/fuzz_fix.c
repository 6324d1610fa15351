/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Checksums of damaged files, made right: MANIFEST, segments, snapshots and streams, black box. */
#include "fuzz_image.h"

#include "base/base_bytes.h"
#include "base/base_crc.h"

#define FRAME_MAGIC 0x706F474Eu
#define FRAME_HEADER 40u
#define SEGMENT_HEADER 64u
#define STREAM_HEAD 512u
#define STREAM_END 48u
#define BLOCK_MAGIC 0x6C62474Eu
#define END_MAGIC 0x6E65474Eu
#define BLOCK_HEADER 32u
#define BOX_RECORD 256u

static bool ends_with(const char *name, const char *end)
{
    size_t bytes = strlen(name), wanted = strlen(end);
    return bytes >= wanted && strcmp(name + bytes - wanted, end) == 0;
}

/* Bytes of the frame at `data`, its checksum right afterwards; 0 if there is none. */
static size_t fix_frame(uint8_t *data, size_t bytes, uint32_t salt)
{
    if (bytes < FRAME_HEADER || ngi_get_u32(data) != FRAME_MAGIC)
        return 0;
    uint64_t length = (FRAME_HEADER + (uint64_t)ngi_get_u32(data + 8) + 7) & ~UINT64_C(7);
    if (length > bytes)
        return 0;
    ngi_put_u32(data + 4, ngi_crc32c(salt, data + 8, (size_t)length - 8));
    return (size_t)length;
}

static size_t fix_block(uint8_t *data, size_t bytes, uint32_t salt)
{
    if (bytes < BLOCK_HEADER || ngi_get_u32(data) != BLOCK_MAGIC)
        return 0;
    uint64_t payload = ngi_get_u32(data + 16);
    uint64_t length = BLOCK_HEADER + ((payload + 7) & ~UINT64_C(7));
    if (length > bytes)
        return 0;
    uint32_t crc = ngi_crc32c(salt, data + 8, BLOCK_HEADER - 8);
    ngi_put_u32(data + 4, ngi_crc32c(crc, data + BLOCK_HEADER, (size_t)payload));
    return (size_t)length;
}

static void fix_segment(uint8_t *data, size_t bytes, uint32_t salt)
{
    if (bytes < SEGMENT_HEADER)
        return;
    ngi_put_u32(data + 12, ngi_crc32c(0, data + 16, SEGMENT_HEADER - 16));
    size_t length = 0;
    for (size_t at = SEGMENT_HEADER; at < bytes; at += length) {
        length = fix_frame(data + at, bytes - at, salt);
        if (length == 0)
            return;
    }
}

static void fix_stream(uint8_t *data, size_t bytes)
{
    if (bytes < STREAM_HEAD)
        return;
    uint32_t crc = ngi_crc32c(0, data, 12);
    ngi_put_u32(data + 12, ngi_crc32c(crc, data + 16, STREAM_HEAD - 16));
    uint32_t salt = ngi_crc32c(0, data + 16, 16);
    size_t length = 0;
    for (size_t at = STREAM_HEAD; at < bytes; at += length) {
        length = fix_frame(data + at, bytes - at, salt);
        if (length == 0)
            length = fix_block(data + at, bytes - at, salt);
        if (length == 0 && bytes - at >= STREAM_END && ngi_get_u32(data + at) == END_MAGIC) {
            ngi_put_u32(data + at + 4, ngi_crc32c(salt, data + at + 8, STREAM_END - 8));
            length = STREAM_END;
        }
        if (length == 0)
            return;
    }
}

/* Header and records; where the checksum of a record stands, it covers all other bytes of it. */
static void fix_box(uint8_t *data, size_t bytes)
{
    if (bytes < BOX_RECORD)
        return;
    ngi_put_u32(data + 12, ngi_crc32c(0, data + 16, 64 - 16));
}

void fuzz_fix_file(const char *name, uint8_t *data, size_t bytes, uint32_t salt)
{
    if (ends_with(name, "MANIFEST") && bytes >= 16)
        ngi_put_u32(data + 12, ngi_crc32c(0, data + 16, bytes - 16));
    else if (ends_with(name, ".log"))
        fix_segment(data, bytes, salt);
    else if (ends_with(name, ".snap") || ends_with(name, ".full") ||
             ends_with(name, ".incremental"))
        fix_stream(data, bytes);
    else if (ends_with(name, "BLACKBOX"))
        fix_box(data, bytes);
}
