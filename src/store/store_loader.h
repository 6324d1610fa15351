/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Inside loading a state: what a block must look like, and the steps of taking one, apart, so that
 * several threads can take blocks of one file side by side.
 *
 *     ngi_loader_admit    in the order of the stream: its place in it, and memory
 *     ngi_loader_place    where a table's payload goes as it is
 *     ngi_loader_accept   verifies the payload and counts; blocks of one table at the same time,
 *                         other kinds one at a time; a kind only when all blocks of the kind
 *                         before are done
 */
#ifndef NGI_STORE_LOADER_H
#define NGI_STORE_LOADER_H

#include "store/store_snapshot.h"

#define STORE_LABEL_SLICE 512u         /* slots whose labels are taken up together */
#define STORE_LABEL_BLOCK_SLOTS 65536u /* in a block of labels, at most */
#define STORE_COLLECTION_BLOCK 4096u   /* collections in a block */

/** As ngi_loader_begin; `trusted`: a snapshot of this library, behind its checksum. Then only what
 *  memory safety and the invariants between tables need is verified. */
NG_MUST_USE ng_status ngi_loader_begin_trusted(ng_store *store, const ngi_stream_head *head,
                                               bool trusted, store_loader **out);
/** Commits memory for all tables at once. The caller knows that their blocks are there. */
NG_MUST_USE ng_status ngi_loader_reserve(store_loader *loader);
NG_MUST_USE ng_status ngi_loader_admit(store_loader *loader, const ngi_block *block);
/** NULL for a kind that is not an image of a table. */
uint8_t *ngi_loader_place(const store_loader *loader, const ngi_block *block);
/** `block->payload` is read, or stands in its place already. */
NG_MUST_USE ng_status ngi_loader_accept(store_loader *loader, const ngi_block *block);

/** Reads a snapshot file with `thread_count` threads: into `store`, or, if that is NULL, only to
 *  verify every checksum. `identity` (may be NULL): by its uuid, whose snapshot it must be. */
NG_MUST_USE ng_status ngi_snapshot_read(ngi_os *os, ngi_mem *mem, const char *path,
                                        const ngi_manifest *identity, ng_store *store,
                                        unsigned thread_count, store_progress *progress,
                                        ngi_stream_head *head, uint64_t *bytes);

#endif
