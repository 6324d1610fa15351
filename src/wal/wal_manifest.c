/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading and replacing MANIFEST: 512 bytes, offsets below and in docs/format/manifest.md. */
#include "wal/wal_manifest.h"

#include "base/base_bytes.h"
#include "base/base_crc.h"

#include <stdio.h>

#define MANIFEST_BYTES 512
#define MANIFEST_MAGIC "NGMANIF\n"
#define PATH_BYTES 4352

enum {
    AT_VERSION = 8,
    AT_CRC = 12,
    AT_UUID = 16,
    AT_CREATED = 32,
    AT_CLEAN_SEQ = 40,
    AT_SNAPSHOT_SEQ = 48,
    AT_SCALE = 56,
    AT_ORIGIN = 152,
    AT_FIRST_SEGMENT = 248,
    AT_ORIGIN_UUID = 256
};
_Static_assert(AT_ORIGIN + 4 * NG_SPACE_COUNT * NG_AXIS_COUNT <= AT_FIRST_SEGMENT, "fits");

static void manifest_encode(const ngi_manifest *manifest, uint8_t out[MANIFEST_BYTES])
{
    memset(out, 0, MANIFEST_BYTES);
    memcpy(out, MANIFEST_MAGIC, 8);
    ngi_put_u32(out + AT_VERSION, manifest->format_version);
    memcpy(out + AT_UUID, manifest->uuid, sizeof manifest->uuid);
    ngi_put_u64(out + AT_CREATED, manifest->created_us);
    ngi_put_u64(out + AT_CLEAN_SEQ, manifest->clean_seq);
    ngi_put_u64(out + AT_SNAPSHOT_SEQ, manifest->snapshot_seq);
    ngi_put_u64(out + AT_FIRST_SEGMENT, manifest->first_segment != 0 ? manifest->first_segment : 1);
    memcpy(out + AT_ORIGIN_UUID, manifest->origin_uuid, sizeof manifest->origin_uuid);
    for (int i = 0; i < NG_SPACE_COUNT * NG_AXIS_COUNT; i++) {
        int space = i / NG_AXIS_COUNT;
        int axis = i % NG_AXIS_COUNT;
        ngi_put_u32(out + AT_SCALE + 4 * i, manifest->encoding.scale[space][axis]);
        ngi_put_f32(out + AT_ORIGIN + 4 * i, manifest->encoding.origin[space][axis]);
    }
    ngi_put_u32(out + AT_CRC, ngi_crc32c(0, out + AT_UUID, MANIFEST_BYTES - AT_UUID));
}

static ng_status manifest_decode(const uint8_t in[MANIFEST_BYTES], size_t bytes, const char *path,
                                 ngi_manifest *out)
{
    if (bytes < AT_UUID || memcmp(in, MANIFEST_MAGIC, 8) != 0)
        return ngi_fail(NG_E_CORRUPT, "%s: not a NeuroGraph manifest", path);
    out->format_version = ngi_get_u32(in + AT_VERSION);
    if (out->format_version > NGI_FORMAT_VERSION)
        return ngi_fail(NG_E_VERSION, "%s: format version %u, this library reads up to %u", path,
                        out->format_version, NGI_FORMAT_VERSION);
    if (bytes != MANIFEST_BYTES || out->format_version == 0 ||
        ngi_get_u32(in + AT_CRC) != ngi_crc32c(0, in + AT_UUID, MANIFEST_BYTES - AT_UUID))
        return ngi_fail(NG_E_CORRUPT, "%s: damaged at offset %d", path, AT_CRC);
    memcpy(out->uuid, in + AT_UUID, sizeof out->uuid);
    out->created_us = ngi_get_u64(in + AT_CREATED);
    out->clean_seq = ngi_get_u64(in + AT_CLEAN_SEQ);
    out->snapshot_seq = ngi_get_u64(in + AT_SNAPSHOT_SEQ);
    out->first_segment = ngi_get_u64(in + AT_FIRST_SEGMENT);
    memcpy(out->origin_uuid, in + AT_ORIGIN_UUID, sizeof out->origin_uuid);
    if (out->first_segment == 0 || out->first_segment > INT64_MAX)
        return ngi_fail(NG_E_CORRUPT, "%s: number %llu of the first segment is outside 1..2^63-1",
                        path, (unsigned long long)out->first_segment);
    out->encoding.clip = false; /* chosen anew each time a store is opened */
    for (int i = 0; i < NG_SPACE_COUNT * NG_AXIS_COUNT; i++) {
        int space = i / NG_AXIS_COUNT;
        int axis = i % NG_AXIS_COUNT;
        out->encoding.scale[space][axis] = ngi_get_u32(in + AT_SCALE + 4 * i);
        out->encoding.origin[space][axis] = ngi_get_f32(in + AT_ORIGIN + 4 * i);
    }
    if (ngi_encoding_validate(&out->encoding) != NG_OK)
        return ngi_fail_prefix(NG_E_CORRUPT, path);
    return NG_OK;
}

ng_status ngi_manifest_read(ngi_os *os, const char *directory, ngi_manifest *out)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/MANIFEST", directory);
    ngi_file file;
    ng_status status = os->file_open(os, path, NGI_OPEN_READ, &file);
    if (status != NG_OK)
        return status;
    uint8_t image[MANIFEST_BYTES + 1] = {0}; /* a longer file is not one */
    size_t got = 0;
    status = os->file_read(os, file, image, sizeof image, 0, &got);
    os->file_close(os, file);
    return status != NG_OK ? status : manifest_decode(image, got, path, out);
}

ng_status ngi_manifest_write(ngi_os *os, const char *directory, const ngi_manifest *manifest)
{
    char path[PATH_BYTES];
    char temporary[PATH_BYTES];
    snprintf(path, sizeof path, "%s/MANIFEST", directory);
    snprintf(temporary, sizeof temporary, "%s/MANIFEST.new", directory);
    uint8_t image[MANIFEST_BYTES];
    manifest_encode(manifest, image);
    ngi_file file;
    ng_status status =
        os->file_open(os, temporary, NGI_OPEN_WRITE | NGI_OPEN_CREATE | NGI_OPEN_TRUNCATE, &file);
    if (status != NG_OK)
        return status;
    status = os->file_write(os, file, image, sizeof image, 0);
    if (status == NG_OK)
        status = os->file_sync(os, file);
    os->file_close(os, file);
    if (status == NG_OK)
        status = os->rename(os, temporary, path);
    if (status == NG_OK)
        status = os->sync_directory(os, directory);
    return status;
}

ng_status ngi_manifest_new_uuid(ngi_os *os, uint8_t out[16])
{
    ng_status status = os->random(os, out, 16);
    if (status != NG_OK)
        return status;
    out[6] = (uint8_t)((out[6] & 0x0F) | 0x40);
    out[8] = (uint8_t)((out[8] & 0x3F) | 0x80);
    return NG_OK;
}
