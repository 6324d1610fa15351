/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Inside the log: frames, segments, the group being filled and the group in flight.
 *
 * Frame, little-endian, 8-byte aligned in its segment (docs/format/log.md):
 *
 *     0  u32 magic "NGop"       16  u64 seq
 *     4  u32 salted crc of 8..   24  u64 time_us
 *     8  u32 body_bytes         32  u32 actor
 *    12  u16 kind               36  u32 unsynced: ops before this one not yet known durable
 *    14  u16 0                  40  body, then zeroes up to a multiple of 8
 *
 * Invariants:
 *  1. Seqs are consecutive across frames and segments, but for ops that a snapshot covers.
 *  2. A segment gets its header only when every frame of the segments before is durable, and its
 *     first frame only when its header is.
 *  3. At most one group is in flight; its frames precede those of the filling group.
 *  4. durable <= sealed <= applied; they differ from each other only by ops that are in the buffers,
 *     or in the active segment and not synced.
 *  5. `flushing` is false only when no group is in flight and none is being handed over.
 *  6. A frame with seq s and unsynced u proves that all up to s - 1 - u were durable when it was
 *     appended: a bad frame below that is damage, not a torn tail.
 *  7. The filling group fits as a whole behind what is in the active segment, or into the spare:
 *     a full disk is met before an op is applied. Which of the two is decided when it takes off.
 *  8. At most one file, the spare, stands behind the segment that is written to.
 *
 * Life of a segment's file:
 *
 *     spare (space, no header) -> active (header, frames) -> closed (cut to its end) -> removed
 *          wal_room.c         wal_fly.c             wal_fly.c              wal_retire.c */
#ifndef NGI_WAL_PRIVATE_H
#define NGI_WAL_PRIVATE_H

#include "os/os_thread.h"
#include "wal/wal.h"

#include <stdatomic.h>

#define WAL_FRAME_MAGIC 0x706F474Eu /* "NGop" */
#define WAL_FRAME_HEADER 40u
#define WAL_SEGMENT_MAGIC "NGLOG\r\n\x1a"
#define WAL_SEGMENT_HEADER 64u
#define WAL_PATH_BYTES 4352
#define WAL_NO_FILE (-1)
#define WAL_GROUP_BYTES_MAX (16u << 20)       /* beyond it a writer waits for the disk */
#define WAL_PRESSURE_BYTES (1u << 20)         /* beyond it the background thread is told */
#define WAL_SLOW_SYNC_NS UINT64_C(1000000000) /* a longer sync is an event */
#define WAL_READ_BYTES (1u << 20)

/** Where waiters sleep, apart from the log's lock, so that waking them does not make them fight
 * with the writers for it. */
typedef struct wal_gate {
    ngi_mutex mutex;
    ngi_cond opened;
} wal_gate;

/** Whose segments: what the log and a cursor have in common. Immutable. */
typedef struct wal_home {
    ngi_os *os;
    ngi_mem *mem;
    char *path; /* NULL: no files */
    uint8_t uuid[16];
    uint32_t salt; /* of frame checksums, from the uuid */
} wal_home;

typedef struct wal_segment {
    uint64_t number;
    ng_seq first_seq;
    uint64_t created_us;
    uint64_t end_bytes;  /* of its header and frames */
    uint64_t file_bytes; /* size of the file */
} wal_segment;

/** A frame as read. */
typedef struct wal_frame {
    ngi_op op;
    uint32_t unsynced;
    size_t bytes;
} wal_frame;

struct ngi_wal {
    wal_home home;
    ngi_os *os;               /* as in home */
    ngi_mem *mem;             /* likewise */
    bool read_only;           /* immutable */
    ng_durability durability; /* of writes that do not say; immutable */
    uint64_t segment_bytes;   /* immutable */
    ngi_file lock_file;
    ngi_blackbox *box;       /* NULL: none; immutable after recovery */
    ngi_manifest manifest;   /* guard: lock; written to disk by whoever holds manifest_lock */
    ngi_mutex manifest_lock; /* taken before lock */

    ngi_mutex lock; /* guards everything below that is not atomic */
    ngi_cond room;  /* with lock: growing or rotating has ended, or a group has taken off */
    uint32_t room_waiters;
    wal_gate leader_gate; /* the leader of the filling group waits here for the one in flight */
    wal_gate follower_gates[2]; /* by parity of the group whose members wait here */
    wal_gate change_gate;       /* ngi_wal_wait_change */
    bool has_followers[2];      /* likewise; such a group is synced */
    bool has_watchers;          /* at change_gate */
    bool has_leader;            /* the filling group has a leader, waiting at leader_gate */
    bool is_recovered;          /* only then has the log an end that may be noted as clean */
    bool flushing;              /* a group is in flight, or its leader is on the way */
    bool growing;               /* somebody allocates space, without the lock */
    bool rotating;              /* the group in flight begins a segment */
    bool has_leftovers;         /* there are files below first_segment; recovery only */
    bool ends_early;            /* the log ends before the snapshot, and goes on behind it */
    bool ahead_failed;          /* the last spare could not be made before it was needed */
    bool is_full;               /* the disk was, at the last allocation */
    uint64_t group;             /* number of the group being filled */
    atomic_uint_fast64_t
        handed;            /* groups up to this one may be written by their leader; stored under
                                    lock (release), read at the gate (acquire) */
    ngi_buffer buffers[2]; /* [group & 1] is being filled */
    uint64_t fill_offset;  /* where the filling group goes in the active segment */
    ng_seq sealed;         /* newest op that the sync in flight covers, or durable */
    ng_seq interval_seq;   /* newest op of interval durability */
    ng_seq begin_seq;      /* of the first op of a log without segments */
    ng_seq snapshot_seq;   /* of the snapshot that was loaded, or has been written since */
    uint64_t last_time_us;
    void (*on_pressure)(void *context); /* immutable after recovery */
    void *on_pressure_context;

    wal_segment *segments; /* room for one more than there are, while there is a spare */
    size_t segment_count;
    size_t segment_capacity;
    ngi_file active; /* file of the last segment, or WAL_NO_FILE: the next group begins one */
    uint64_t active_allocated; /* bytes preallocated in it */
    ngi_file spare;            /* file of the next segment, or WAL_NO_FILE */
    uint64_t spare_allocated;  /* likewise */

    atomic_uint_fast64_t applied; /* stored under lock (release), read anywhere (acquire) */
    atomic_uint_fast64_t durable; /* likewise */
    atomic_bool is_woken;         /* ngi_wal_wake_all */
    atomic_bool latched;          /* stored under latch_lock (release), read anywhere (acquire) */
    ngi_mutex latch_lock;         /* after every other lock; guards latch_message until latched */
    void (*on_latch)(void *context); /* immutable after recovery */
    void *on_latch_context;
    char latch_message[512];

    ng_seq proved;         /* ops up to here are known to have been durable; recovery only */
    uint64_t doubt_offset; /* frames of the last segment from here on are not; recovery only */

    uint64_t sync_count;
    uint64_t op_count;
    uint64_t recovered_ops;
    uint64_t recovered_bytes_cut;
};

static inline uint64_t wal_frame_bytes(uint64_t body_bytes)
{
    return (WAL_FRAME_HEADER + body_bytes + 7) & ~UINT64_C(7);
}

/** Up to which op the frame proves that all was durable, see invariant 6. */
static inline ng_seq wal_frame_proof(const wal_frame *frame)
{
    return frame->unsynced < frame->op.seq ? frame->op.seq - 1 - frame->unsynced : 0;
}

static inline ngi_buffer *wal_filling(ngi_wal *wal)
{
    return &wal->buffers[wal->group & 1];
}

/** Whether what is in the filling group, and `more` bytes, go into the active segment. */
static inline bool wal_fits_active(ngi_wal *wal, uint64_t more)
{
    return wal->active != WAL_NO_FILE &&
           wal->fill_offset + wal_filling(wal)->bytes + more <= wal->active_allocated;
}

/** Whether the next segment's file should be made when the active one is filled up to `offset`. */
static inline bool wal_needs_spare(const ngi_wal *wal, uint64_t offset)
{
    return offset > wal->segment_bytes / 2;
}

/* ---- wal_segment.c ---- */

void ngi_wal_home_init(wal_home *home, ngi_os *os, ngi_mem *mem, const uint8_t uuid[16]);
/** Path of a segment's file. */
void ngi_wal_segment_path(const wal_home *home, uint64_t number, char out[WAL_PATH_BYTES]);
/** Number of the segment whose file has this name, or 0. */
uint64_t ngi_wal_segment_number(const char *name);
/** Appends to the list of segments, which is big enough after ngi_wal_segment_list_reserve. */
NG_MUST_USE ng_status ngi_wal_segment_list_reserve(ngi_wal *wal, size_t count);
/** Header of a segment; NG_E_CORRUPT without a place (the caller knows it). */
void ngi_wal_segment_header_encode(const wal_home *home, const wal_segment *segment,
                                   uint8_t out[WAL_SEGMENT_HEADER]);
NG_MUST_USE ng_status ngi_wal_segment_header_decode(const wal_home *home,
                                                    const uint8_t in[WAL_SEGMENT_HEADER],
                                                    wal_segment *out);
/** Whether magic and checksum of a header are right, whatever it says. */
bool ngi_wal_segment_header_is_whole(const uint8_t in[WAL_SEGMENT_HEADER]);
/** CRC32C of a frame from byte 8 on, continued from the salt. Without the salt, bytes that a caller
 * has put into a label or a vector could pass for a frame behind a torn one. */
uint32_t ngi_wal_frame_crc(uint32_t salt, const uint8_t *frame, size_t frame_bytes);
/** Whether `data` [available] begins with a whole valid frame; fills `*out`. */
bool ngi_wal_frame_decode(uint32_t salt, const uint8_t *data, size_t available, wal_frame *out);

/* ---- wal_reader.c ---- */

/** A window over one segment file that slides forward. */
typedef struct wal_reader {
    const wal_home *home;
    uint64_t number;
    ngi_file file;
    uint64_t file_bytes;
    uint64_t offset;   /* of data[start] in the file; multiple of 8 */
    size_t read_bytes; /* at least so many at once, if the file has them */
    ngi_buffer window;
    size_t start; /* bytes before are consumed; multiple of 8 */
} wal_reader;

/** To be closed also when it fails. */
NG_MUST_USE ng_status ngi_wal_reader_open(const wal_home *home, uint64_t number, unsigned mode,
                                          wal_reader *out);
void ngi_wal_reader_close(wal_reader *reader);
/** Reads the header at the beginning into `*segment`, which has the number, and passes over it. When
 *  it fails with NG_E_CORRUPT, `*is_whole` says whether it is a header of something else. Messages
 *  name the file. */
NG_MUST_USE ng_status ngi_wal_reader_header(wal_reader *reader, wal_segment *segment,
                                            bool *is_whole);
/** The frame at the current position; `*ok` false if there is no valid one. */
NG_MUST_USE ng_status ngi_wal_reader_frame(wal_reader *reader, wal_frame *out, bool *ok);
void ngi_wal_reader_skip(wal_reader *reader, size_t bytes);
/** Forgets what was read ahead and how long the file was, because it may have changed. */
NG_MUST_USE ng_status ngi_wal_reader_refresh(wal_reader *reader);
/** Looks behind a bad place: how many bytes up to the last that is not zero, and whether a valid
 *  frame proves that `seq` was durable. Moves on. */
NG_MUST_USE ng_status ngi_wal_reader_look_behind(wal_reader *reader, ng_seq seq,
                                                 uint64_t *rest_bytes, bool *was_durable);
ng_status ngi_wal_fail_damaged(const wal_home *home, uint64_t number, uint64_t offset, ng_seq seq);

/* ---- wal_fly.c ---- */

/** Writes the filling group, after the one in flight, and syncs it if asked to or if somebody waits
 *  for it. With the lock, returns without it. */
void ngi_wal_lead_unlock(ngi_wal *wal, bool sync);
void ngi_wal_gate_open(wal_gate *gate);
void ngi_wal_gate_wait(wal_gate *gate, const ngi_wal *wal, const atomic_uint_fast64_t *reached,
                       uint64_t wanted);
/** Wakes everybody, because the log is latched. */
void ngi_wal_open_gates(ngi_wal *wal);

/* ---- wal_room.c ---- */

/** Waits, with the lock held and let go of, until something about room has changed. */
void ngi_wal_room_wait(ngi_wal *wal);
void ngi_wal_room_changed(ngi_wal *wal);
/** Makes the next segment's file, if the active one is over half full, so that no writer has to. */
void ngi_wal_make_spare_ahead(ngi_wal *wal);
/** Removes a spare that is not needed any more. */
void ngi_wal_drop_spare(ngi_wal *wal);

/* ---- wal_retire.c ---- */

/** Removes the segments with numbers below `first`; adds how many to `*removed`. Goes on after a
 *  failure, which it returns. */
ng_status ngi_wal_remove_below(ngi_wal *wal, uint64_t first, uint64_t *removed);

#endif
