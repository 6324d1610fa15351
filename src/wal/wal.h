/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The op log: the one place where a change becomes durable.
 *
 * A writer holds the log's lock from check to apply:
 *
 *     ngi_wal_lock -> ngi_wal_make_room -> (check, reserve) -> ngi_wal_body (encode)
 *                  -> ngi_wal_commit (stamp, append) -> (apply) -> ngi_wal_unlock -> ngi_wal_wait
 *
 * Between make_room and commit nothing can fail in the log. ngi_wal_wait shares syncs: the first
 * waiter writes and syncs the whole group of frames appended so far while others append the next.
 *
 * Without a path the log keeps no bytes: an op is durable when it is committed. */
#ifndef NGI_WAL_H
#define NGI_WAL_H

#include "base/base_mem.h"
#include "os/os.h"
#include "wal/wal_manifest.h"

typedef struct ngi_wal ngi_wal;

/** One op as read from the log. */
typedef struct ngi_op {
    ng_seq seq;
    uint64_t time_us;
    const uint8_t *body; /* 8-byte aligned */
    uint32_t body_bytes;
    uint32_t actor;
    uint16_t kind;
} ngi_op;

/** Applies an op during recovery; a failure ends it. */
typedef ng_status (*ngi_wal_replay)(void *context, const ngi_op *op);

typedef struct ngi_wal_stats {
    uint64_t segment_count;
    uint64_t log_bytes;    /* of frames, in all segments */
    uint64_t disk_bytes;   /* file sizes */
    uint64_t buffer_bytes; /* memory */
    uint64_t sync_count;
    uint64_t op_count;
    uint64_t recovered_ops;
    uint64_t recovered_bytes_cut;
} ngi_wal_stats;

/** Opens (creating what is absent, unless `must_exist`) the directory `path`, takes its lock and
 *  reads its MANIFEST into `*manifest`, or writes `*manifest` when the store is new. `path` NULL: a
 *  log without files. Errors: NG_E_BUSY, NG_E_NOT_FOUND, NG_E_CORRUPT, NG_E_VERSION, NG_E_IO. */
NG_MUST_USE ng_status ngi_wal_open(ngi_os *os, ngi_mem *mem, const char *path, bool must_exist,
                                   uint64_t segment_bytes, ngi_manifest *manifest, ngi_wal **out);
/** Replays every op, cuts a torn tail, and makes the log ready for appending. Once, after open. */
NG_MUST_USE ng_status ngi_wal_recover(ngi_wal *wal, ngi_wal_replay replay, void *context);
/** Makes everything durable, records a clean end in the MANIFEST, and frees the log (always). */
ng_status ngi_wal_close(ngi_wal *wal);

void ngi_wal_lock(ngi_wal *wal);
void ngi_wal_unlock(ngi_wal *wal);

/** With the lock held: makes sure that one op with a body of up to `body_bytes` can be appended.
 *  May let go of the lock for a moment, so it comes before the checks.
 *  Errors: NG_E_LATCHED, NG_E_DISK_FULL, NG_E_IO, NG_E_NOMEM, NG_E_LIMIT. */
NG_MUST_USE ng_status ngi_wal_make_room(ngi_wal *wal, size_t body_bytes);
/** Where the body is to be encoded: 8-byte aligned, with the room that was made. */
uint8_t *ngi_wal_body(ngi_wal *wal);
/** Stamps and appends the op whose body was encoded; cannot fail. The body stays readable until
 *  the lock is released. */
void ngi_wal_commit(ngi_wal *wal, uint16_t kind, uint32_t actor, size_t body_bytes, ngi_op *out);

/** Waits until `seq` is durable, writing and syncing the group itself if nobody does.
 *  Errors: NG_E_LATCHED, NG_E_INVALID (never written). */
NG_MUST_USE ng_status ngi_wal_wait(ngi_wal *wal, ng_seq seq);
/** As ngi_wal_wait, with the lock held on entry and not on return: spares a lock after a commit. */
NG_MUST_USE ng_status ngi_wal_unlock_and_wait(ngi_wal *wal, ng_seq seq);
/** With the lock held (and let go of while waiting): until all that was appended is durable. */
NG_MUST_USE ng_status ngi_wal_drain(ngi_wal *wal);
ng_seq ngi_wal_applied(const ngi_wal *wal);
ng_seq ngi_wal_durable(const ngi_wal *wal);

/** Whether a sync or write has failed, after which memory may be ahead of the disk. */
bool ngi_wal_is_latched(const ngi_wal *wal);
/** Has `on_latch` called, under the log's lock, at the moment of such a failure. */
void ngi_wal_on_latch(ngi_wal *wal, void (*on_latch)(void *context), void *context);
/** NG_E_LATCHED with the reason of the failure. */
ng_status ngi_wal_fail_latched(const ngi_wal *wal);

/** Reads every segment again and verifies every frame; with the lock held and nothing in flight.
 *  `*ops` and `*bytes` receive what was verified. Errors: NG_E_CORRUPT with file and offset. */
NG_MUST_USE ng_status ngi_wal_verify(ngi_wal *wal, uint64_t *ops, uint64_t *bytes);
void ngi_wal_stats_get(ngi_wal *wal, ngi_wal_stats *out);

#endif
