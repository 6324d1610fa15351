/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Inside repair: what was found in the damaged store, and the loss reports.
 *
 *     identity -> log (scan every segment) -> state (newest snapshot that loads, or what is valid of
 *     one) -> ops behind it -> the new store
 *
 * Nothing of the damaged store is trusted but what carries a right checksum with the store's salt. */
#ifndef NGI_STORE_REPAIR_PRIVATE_H
#define NGI_STORE_REPAIR_PRIVATE_H

#include "store/store_file.h"
#include "store/store_repair.h"

#define REPAIR_NAME_BYTES 48

typedef struct repair_segment {
    uint64_t number;
    ng_seq first_seq; /* 0 = its header is lost */
    bool is_missing;  /* a hole in the numbers */
} repair_segment;

/** A valid frame. */
typedef struct repair_op {
    ng_seq seq;
    uint64_t segment, offset;
    uint64_t time_us;
    uint32_t frame_bytes;
} repair_op;

/** A place of the log where something is damaged or missing. */
typedef struct repair_place {
    uint64_t segment, offset;
    uint64_t bytes;      /* 0 = not known */
    ng_seq before, next; /* nearest ops that are known on either side; next 0 = none */
    bool is_tail;        /* nothing valid behind it */
    const char *text;
} repair_place;

typedef struct repair_range {
    ng_seq first, last;
} repair_range;

typedef struct store_repair {
    ngi_os *os;
    ngi_mem *mem;
    const char *path;
    ng_loss_fn each;
    void *context;
    ng_repair_report report;

    bool has_manifest;
    ngi_manifest source; /* what is known of the damaged store; uuid is always known */
    uint32_t salt;

    ng_seq *snapshots; /* newest first */
    size_t snapshot_count, snapshot_capacity;
    repair_segment *segments; /* by number */
    size_t segment_count, segment_capacity;
    repair_op *ops; /* by seq, each once */
    size_t op_count, op_capacity;
    repair_place *places; /* by segment and offset */
    size_t place_count, place_capacity;
    repair_range *claims; /* ops reported as lost with a place, ascending */
    size_t claim_count, claim_capacity;

    ngi_manifest identity; /* of the new store */
    ng_store *store;
    ng_seq seq; /* newest op in it */
    uint64_t time_us;
} store_repair;

/** Makes room for one more item of an array. */
NG_MUST_USE ng_status ngi_repair_grow(ngi_mem *mem, void *items, size_t *capacity, size_t count,
                                      size_t item_bytes);
#define REPAIR_GROW(repair, items, capacity, count)                                                \
    ngi_repair_grow((repair)->mem, &(repair)->items, &(repair)->capacity, (repair)->count,         \
                    sizeof *(repair)->items)

/** Counts a loss and tells the caller. The text comes from `format`. */
void ngi_repair_lose(store_repair *repair, const ng_loss *where, const char *format, ...)
    NGI_PRINTF(3, 4);
void ngi_repair_segment_name(uint64_t number, char out[REPAIR_NAME_BYTES]);
void ngi_repair_snapshot_name(ng_seq seq, char out[REPAIR_NAME_BYTES]);
/** An empty store to fill. */
NG_MUST_USE ng_status ngi_repair_new_store(store_repair *repair);

/* --- store_repair_window.c --------------------------------------------------------------------- */

/** A part of a file in memory. Sectors that cannot be read count as zeroes: damage like any other. */
typedef struct repair_window {
    ngi_os *os;
    ngi_mem *mem;
    ngi_file file;
    uint64_t file_bytes;
    uint64_t begin; /* of the buffer in the file; multiple of 8 */
    ngi_buffer buffer;
    uint64_t wasted_bytes; /* checksums computed in vain */
} repair_window;

NG_MUST_USE ng_status ngi_repair_window_open(const store_repair *repair, const char *name,
                                             repair_window *out);
/** A zeroed one is allowed. */
void ngi_repair_window_close(repair_window *window);
/** `*data` receives what stands at `offset`, 8-byte aligned if `offset` is: `bytes`, or what is left
 *  of the file (`*available`). Valid until the next call. */
NG_MUST_USE ng_status ngi_repair_window_at(repair_window *window, uint64_t offset, size_t bytes,
                                           const uint8_t **data, size_t *available);
/** Whether a checksum over so many bytes may be tried: what looks like the begin of something must
 *  not be able to make repair slow. */
bool ngi_repair_window_may_try(const repair_window *window, size_t bytes);

/* --- store_repair_log.c ------------------------------------------------------------------------ */

/** Reads the header of a segment file: whose it is. `*whole` false: its header is lost. */
NG_MUST_USE ng_status ngi_repair_segment_head(const store_repair *repair, uint64_t number,
                                              uint8_t uuid[16], ng_seq *first_seq,
                                              uint64_t *created_us, bool *whole);
/** Finds every valid frame of every segment, and the places where there is none. */
NG_MUST_USE ng_status ngi_repair_scan(store_repair *repair);
/** Reports what of the log is lost behind op `base`, which the state holds. */
NG_MUST_USE ng_status ngi_repair_report_log(store_repair *repair, ng_seq base);
/** Applies the ops behind repair->seq; reports those that do not fit. */
NG_MUST_USE ng_status ngi_repair_apply(store_repair *repair);

/* --- store_salvage.c ---------------------------------------------------------------------- */

/** Fills repair->store with what is valid in a snapshot file, and reports the rest. */
NG_MUST_USE ng_status ngi_repair_salvage(store_repair *repair, ng_seq snapshot);

#endif
