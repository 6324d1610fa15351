/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files that may be compressed with gzip (RFC 1952), read as if they were not.
 *
 *     1f 8b ...    header, deflate data, CRC-32 and length: a member; members may follow each other,
 *                  and zero bytes may stand behind one
 *
 * Nothing is unpacked to disk or held whole: what comes out is bounded by the reader's buffer,
 * whatever the file says.
 *
 * Why a source and not zlib's own files: docs/adr/0024-gzip-beneath-the-reader.md.
 *
 * Invariants: 1. the end is given only after the CRC-32 and the length of every member were right.
 *             2. what decides is the content of the file, never its name. */
#ifndef NGI_MIND_GZIP_H
#define NGI_MIND_GZIP_H

#include "os/os_reader.h"

/** Opens `path`, which must outlive the reader, and reads through the compression if there is one.
 *  Errors: those of ngi_reader_open; then and from every call that reads, NG_E_FORMAT
 *  "FILE byte N: damaged gzip data: REASON", "FILE: ends in the middle of its gzip data (truncated
 *  file, at byte N)", with bytes of the file as it is on disk. */
NG_MUST_USE ng_status ngi_gzip_reader_open(ngi_reader *reader, ngi_os *os, ngi_mem *mem,
                                           const char *path);

#endif
