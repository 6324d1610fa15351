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
 *  1. Seqs are consecutive across frames and segments.
 *  2. A segment's first frame is written only when every frame of the segments before is durable.
 *  3. At most one group is in flight; its frames precede those of the filling group.
 *  4. durable <= sealed <= applied.
 *  5. `flushing` is false only when no group is in flight and none is being handed over.
 *  6. A frame with seq s and unsynced u proves that all up to s - 1 - u were durable when it was
 *     appended: a bad frame below that is damage, not a torn tail. */
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
#define WAL_GROUP_BYTES_MAX (16u << 20) /* beyond it a writer waits for the disk */

/** Where waiters sleep, apart from the log's lock, so that waking them does not make them fight
 * with the writers for it. */
typedef struct wal_gate {
    ngi_mutex mutex;
    ngi_cond opened;
} wal_gate;

typedef struct wal_segment {
    uint64_t number;
    ng_seq first_seq;
    uint64_t end_bytes;  /* of its header and frames */
    uint64_t file_bytes; /* size of the file */
} wal_segment;

struct ngi_wal {
    ngi_os *os;
    ngi_mem *mem;
    char *path; /* NULL: no files; immutable */
    ngi_file lock_file;
    uint64_t segment_bytes; /* immutable */
    ngi_manifest manifest;  /* guard: lock */
    uint32_t salt;          /* of frame checksums, from the store's uuid; immutable after open */

    ngi_mutex lock;       /* guards everything below that is not atomic */
    wal_gate leader_gate; /* the leader of the filling group waits here for the one in flight */
    wal_gate follower_gates[2]; /* by parity of the group whose members wait here */
    bool has_followers[2];      /* likewise */
    bool has_leader;            /* the filling group has a leader, waiting at leader_gate */
    bool is_recovered;          /* only then has the log an end that may be noted as clean */
    bool flushing;              /* a group is in flight, or its leader is on the way */
    uint64_t group;             /* number of the group being filled */
    atomic_uint_fast64_t
        handed;            /* groups up to this one may be written by their leader; stored under
                                    lock (release), read at the gate (acquire) */
    ngi_buffer buffers[2]; /* [group & 1] is being filled */
    uint64_t fill_offset;  /* where the filling group goes in the active segment */
    uint64_t body_offset;  /* in the filling buffer, where the next body is encoded */
    ng_seq sealed;         /* newest op of the group in flight, or durable */
    uint64_t last_time_us;

    wal_segment *segments;
    size_t segment_count;
    size_t segment_capacity;
    ngi_file active;           /* file of the last segment, or WAL_NO_FILE */
    uint64_t active_allocated; /* bytes preallocated in it */

    atomic_uint_fast64_t applied;    /* stored under lock (release), read anywhere (acquire) */
    atomic_uint_fast64_t durable;    /* likewise */
    atomic_bool latched;             /* likewise; latch_message is written before */
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

/** Path of a segment's file. */
void ngi_wal_segment_path(const ngi_wal *wal, uint64_t number, char out[WAL_PATH_BYTES]);
/** Makes the next segment active; everything before must be durable. */
NG_MUST_USE ng_status ngi_wal_segment_create(ngi_wal *wal, uint64_t min_bytes);
/** Appends to the list of segments, which is big enough after ngi_wal_segment_list_reserve. */
NG_MUST_USE ng_status ngi_wal_segment_list_reserve(ngi_wal *wal, size_t count);
/** Header of a segment; NG_E_CORRUPT without a place (the caller knows it). */
void ngi_wal_segment_header_encode(const ngi_wal *wal, const wal_segment *segment,
                                   uint8_t out[WAL_SEGMENT_HEADER]);
NG_MUST_USE ng_status ngi_wal_segment_header_decode(const ngi_wal *wal,
                                                    const uint8_t in[WAL_SEGMENT_HEADER],
                                                    wal_segment *out);

/** CRC32C of a frame from byte 8 on, continued from the salt. Without the salt, bytes that a caller
 * has put into a label or a vector could pass for a frame behind a torn one. */
uint32_t ngi_wal_frame_crc(const ngi_wal *wal, const uint8_t *frame, size_t frame_bytes);
/** Whether magic and checksum of a header are right, whatever it says. */
bool ngi_wal_segment_header_is_whole(const uint8_t in[WAL_SEGMENT_HEADER]);
/** Whether `data` [available] begins with a whole valid frame; fills `*out` and `*frame_bytes`. */
bool ngi_wal_frame_decode(const ngi_wal *wal, const uint8_t *data, size_t available, ngi_op *out,
                          uint32_t *unsynced, size_t *frame_bytes);

#endif
