/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reads ops from segment files, in order, beside the process that writes them: for the feed,
 * incremental backups and followers. Never past what the caller says is durable.
 *
 * Threads: one at a time for one cursor; it takes no lock. A segment that is removed under it can
 * still be read to its end. */
#ifndef NGI_WAL_CURSOR_H
#define NGI_WAL_CURSOR_H

#include "wal/wal.h"

typedef struct ngi_wal_cursor ngi_wal_cursor;

/** Stands before the first op after `after` of the store in `directory` with this manifest.
 *  Errors: NG_E_GONE ("the log starts at op N"), NG_E_CORRUPT, NG_E_IO, NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_wal_cursor_open(ngi_os *os, ngi_mem *mem, const char *directory,
                                          const ngi_manifest *manifest, ng_seq after,
                                          ngi_wal_cursor **out);
/** NULL is allowed. */
void ngi_wal_cursor_close(ngi_wal_cursor *cursor);
/** The next op, if its seq is at most `limit`; `*found` false otherwise. `op->body` and `*frame`
 *  [`*frame_bytes`] are valid until the next call. Errors: NG_E_CORRUPT with file and offset,
 *  NG_E_GONE. */
NG_MUST_USE ng_status ngi_wal_cursor_next(ngi_wal_cursor *cursor, ng_seq limit, ngi_op *op,
                                          const uint8_t **frame, size_t *frame_bytes, bool *found);
/** Up to which op the store in `directory` is known to be durable, from its black box, its MANIFEST
 *  and its frames: for a directory that another process may have open. */
NG_MUST_USE ng_status ngi_wal_known_durable(ngi_os *os, ngi_mem *mem, const char *directory,
                                            const ngi_manifest *manifest, ng_seq *out);

#endif
