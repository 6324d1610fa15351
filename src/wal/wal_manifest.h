/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* MANIFEST: what a store is. Replaced as a whole: write a temporary, sync it, rename it over the
 * old one, sync the directory. Layout in docs/format/manifest.md. */
#ifndef NGI_WAL_MANIFEST_H
#define NGI_WAL_MANIFEST_H

#include "model/model_space.h"
#include "os/os.h"

#define NGI_FORMAT_VERSION 1u

typedef struct ngi_manifest {
    uint32_t format_version;
    uint8_t uuid[16];
    uint64_t created_us;
    ngi_encoding encoding;
    ng_seq clean_seq;        /* everything up to here was durable at the last clean close */
    ng_seq snapshot_seq;     /* newest snapshot that was verified, 0 = none */
    uint64_t first_segment;  /* number of the oldest segment that is kept, from 1 */
    uint8_t origin_uuid[16]; /* of the store that this one follows; zero = none */
} ngi_manifest;

/** A fresh uuid: RFC 4122, version 4. */
NG_MUST_USE ng_status ngi_manifest_new_uuid(ngi_os *os, uint8_t out[16]);
/** Errors: NG_E_NOT_FOUND, NG_E_CORRUPT, NG_E_VERSION, NG_E_IO; each names the file. */
NG_MUST_USE ng_status ngi_manifest_read(ngi_os *os, const char *directory, ngi_manifest *out);
NG_MUST_USE ng_status ngi_manifest_write(ngi_os *os, const char *directory,
                                         const ngi_manifest *manifest);

#endif
