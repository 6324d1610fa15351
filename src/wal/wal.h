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
 * Writes of interval and none durability do not wait: ngi_wal_flush, called by the store's
 * background thread, takes their group to the disk.
 *
 * Without a path the log keeps no bytes: an op is durable when it is committed. */
#ifndef NGI_WAL_H
#define NGI_WAL_H

#include "base/base_mem.h"
#include "os/os_blackbox.h"
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
    ng_seq first_seq;              /* oldest op kept */
    uint64_t bytes_since_snapshot; /* of frames after the snapshot loaded or written last,
                                      roughly */
} ngi_wal_stats;

typedef struct ngi_wal_options {
    const char *path; /* NULL: a log without files */
    bool must_exist;
    bool read_only;           /* takes a shared lock (none if there is no LOCK file); writes
                                   nothing: a torn tail is passed over, every write is refused */
    uint64_t segment_bytes;   /* immutable after open */
    ng_durability durability; /* of writes that do not say; never DEFAULT */
} ngi_wal_options;

/** Opens (creating what is absent, unless told not to) the directory, takes its lock and reads its
 *  MANIFEST into `*manifest`, or writes `*manifest` when the store is new.
 *  Errors: NG_E_BUSY, NG_E_NOT_FOUND, NG_E_CORRUPT, NG_E_VERSION, NG_E_IO. */
NG_MUST_USE ng_status ngi_wal_open(ngi_os *os, ngi_mem *mem, const ngi_wal_options *options,
                                   ngi_manifest *manifest, ngi_wal **out);
/** Where events go; NULL = nowhere. Before recover. */
void ngi_wal_set_blackbox(ngi_wal *wal, ngi_blackbox *box);
/** Replays every op after `snapshot_seq` (0 = all), cuts a torn tail, and makes the log ready for
 *  appending. Segments that end before are not read. Once, after open.
 *  NG_E_CORRUPT if ops after `snapshot_seq` are missing. */
NG_MUST_USE ng_status ngi_wal_recover(ngi_wal *wal, ng_seq snapshot_seq, uint64_t snapshot_time_us,
                                      ngi_wal_replay replay, void *context);
/** With nothing in the log and before any op (a restored store): the next op is `seq` + 1. */
NG_MUST_USE ng_status ngi_wal_begin_after(ngi_wal *wal, ng_seq seq, uint64_t time_us);
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

/** As ngi_wal_commit, of an op that another store has stamped: `from->seq` is the next one. */
void ngi_wal_commit_stamped(ngi_wal *wal, const ngi_op *from, ngi_op *out);

/** Waits until `seq` is durable, writing and syncing the group itself if nobody does.
 *  Errors: NG_E_LATCHED, NG_E_INVALID (never written). */
NG_MUST_USE ng_status ngi_wal_wait(ngi_wal *wal, ng_seq seq);
/** As ngi_wal_wait, with the lock held on entry and not on return: spares a lock after a commit. */
NG_MUST_USE ng_status ngi_wal_unlock_and_wait(ngi_wal *wal, ng_seq seq);
/** Acknowledges op `seq` as `durability` (DEFAULT = the store's) asks for, with the lock held on
 *  entry and not on return: waits for the disk, or returns at once. */
NG_MUST_USE ng_status ngi_wal_unlock_and_acknowledge(ngi_wal *wal, ng_seq seq,
                                                     ng_durability durability);
/** Writes what has been appended, and syncs it if there is an op of interval durability (or `all`)
 *  that is not durable yet. For the store's background thread. */
NG_MUST_USE ng_status ngi_wal_flush(ngi_wal *wal, bool all);
/** Waits until a seq greater than `after` is durable, the log is latched or closed by
 *  ngi_wal_wake_all, or `timeout_ms` have passed; returns the durable seq. */
ng_seq ngi_wal_wait_change(ngi_wal *wal, ng_seq after, uint32_t timeout_ms);
/** Ends every ngi_wal_wait_change, now and from now on: before the log is closed. */
void ngi_wal_wake_all(ngi_wal *wal);
/** Has `on_pressure` called, under the log's lock, when 1 MiB waits to be written or a segment is half
 *  full: time for ngi_wal_flush. Before the first write. At 16 MiB writers wait for the disk. */
void ngi_wal_on_pressure(ngi_wal *wal, void (*on_pressure)(void *context), void *context);
/** With the lock held (and let go of while waiting): until all that was appended before the call is
 *  durable. What others append meanwhile is not waited for. */
NG_MUST_USE ng_status ngi_wal_drain(ngi_wal *wal);
ng_seq ngi_wal_applied(const ngi_wal *wal);
ng_seq ngi_wal_durable(const ngi_wal *wal);
/** With the lock held: time of the newest op, Unix microseconds; 0 = none. */
uint64_t ngi_wal_applied_time(const ngi_wal *wal);

/** Whether a sync or write has failed, after which memory may be ahead of the disk. */
bool ngi_wal_is_latched(const ngi_wal *wal);
/** Has `on_latch` called, once, at the moment of such a failure. It must not call the log. */
void ngi_wal_on_latch(ngi_wal *wal, void (*on_latch)(void *context), void *context);
/** NG_E_LATCHED with the reason of the failure. */
ng_status ngi_wal_fail_latched(const ngi_wal *wal);

/** Stops the log as a failed write does, because of `status` (a broken invariant). `reason` is what
 *  later calls say, which give NG_E_LATCHED. With or without the lock; the first reason stays. */
void ngi_wal_latch(ngi_wal *wal, ng_status status, const char *reason);

/** A new snapshot of `snapshot_seq` has been verified: notes it in the MANIFEST, then removes the
 *  segments that hold nothing after `keep_after` (seq of the snapshot before) and that the retention
 *  does not keep. Writers go on. `*segments` and `*bytes` receive what was removed. A file that cannot
 *  be removed is no failure: the next time it is tried again. */
NG_MUST_USE ng_status ngi_wal_retire(ngi_wal *wal, ng_seq snapshot_seq, ng_seq keep_after,
                                     uint64_t retain_bytes, uint64_t retain_seconds,
                                     uint64_t *segments, uint64_t *bytes);
/** Oldest op that the log still has. */
ng_seq ngi_wal_first_seq(ngi_wal *wal);

/** Reads segments again and verifies every frame that was durable at the call, while writers go on.
 *  `*ops` and `*bytes` receive what was verified. Errors: NG_E_CORRUPT with file and offset. */
NG_MUST_USE ng_status ngi_wal_verify(ngi_wal *wal, uint64_t *ops, uint64_t *bytes);
void ngi_wal_stats_get(ngi_wal *wal, ngi_wal_stats *out);

#endif
