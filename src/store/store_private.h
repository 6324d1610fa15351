/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The store: tables, indexes and log bound together.
 *
 * Write path, under the log's lock:   make room -> check -> encode -> prepare (reserve) -> commit
 *                                     -> apply -> unlock -> wait for the shared sync
 * Recovery:                           prepare -> apply, of the same bodies
 *
 * Invariants (verified by ngi_store_check):
 *  1. Every connection's ends are live tokens; every label and vector belongs to a live token.
 *  2. A slot below slot_end is live or was deleted; it is never used again.
 *  3. Counters equal what a count would give.
 *  4. Applying the same ops gives the same ngi_store_hash on every machine.
 *
 * Threads: all changes are made by the holder of the log's lock. `index_lock` is held for writing
 * during prepare and apply, and for reading by searches, in slices. ngi_store_token_read takes no
 * lock: it copies under a sequence counter shared by the records of a stripe. The holder of the
 * log's lock may read everything but derived vector values without index_lock. */
#ifndef NGI_STORE_PRIVATE_H
#define NGI_STORE_PRIVATE_H

#include "base/base_limits.h"
#include "index/index_graph.h"
#include "index/index_labels.h"
#include "index/index_vectors.h"
#include "model/model_token.h"
#include "os/os_thread.h"
#include "store/store.h"
#include "wal/wal_op.h"

#define STORE_STRIPES 1024u /* 4 KiB of counters: they stay in the first-level cache */

/** What stands beside a record. */
typedef struct store_side {
    uint64_t updated_us;
    uint32_t version;
    uint32_t collection;
} store_side;

typedef struct store_collection {
    char name[NGI_COLLECTION_NAME_MAX + 1];
    uint64_t token_count;
} store_collection;

struct ng_store {
    ngi_store_head head; /* first, see store.h */
    ngi_table records;   /* ng_token by slot */
    atomic_uint_fast64_t
        readable_end; /* slot_end, or 0 when empty or latched: what a read without a
                                          lock may see; stored under the log's lock (release) */
    ngi_os *os;
    ngi_mem *mem;
    ngi_wal *wal;
    char *path;            /* NULL: memory only; immutable */
    ngi_encoding encoding; /* immutable */
    uint32_t max_tokens;   /* immutable */
    uint32_t max_connections;
    uint32_t dimensions_wanted; /* of ng_open_options, 0 = any; immutable */
    uint8_t uuid[16];
    uint64_t created_us;
    uint64_t open_us;

    ngi_table sides;      /* store_side by slot; guard: index_lock */
    atomic_uint slot_end; /* slots below have been given; release after the record is written */

    ngi_rwlock index_lock; /* guards everything below */
    ngi_labels labels;
    ngi_graph graph;
    ngi_vectors *vectors;
    store_collection *collections;
    uint32_t collection_count;
    uint32_t collection_capacity;
    ng_cdna cdna;
    ngi_buffer projection;       /* body of the last PROJECTION_PUT; empty = none */
    uint64_t projection_version; /* counts them, so that a search sees that its norms changed */
    uint64_t token_count;
    uint64_t active_token_count;
    uint64_t active_connection_count;

    atomic_uint stripes[STORE_STRIPES]; /* odd while a record of the stripe is being written */
};

static inline ng_token *store_records(const ng_store *store)
{
    return (ng_token *)(void *)store->records.base;
}

static inline store_side *store_sides(const ng_store *store)
{
    return (store_side *)(void *)store->sides.base;
}

static inline uint32_t store_slot_end(const ng_store *store)
{
    return atomic_load_explicit(&store->slot_end, memory_order_acquire);
}

/** Searches change only derived values and locks, never the state. */
static inline ng_store *store_mutable(const ng_store *store)
{
    return (ng_store *)(uintptr_t)store;
}

/** The live record's slot, or 0. For the holder of either lock. */
static inline uint32_t store_live_slot(const ng_store *store, ng_token_id id)
{
    uint32_t slot = (uint32_t)id;
    if (id != slot || slot == 0 || slot >= store_slot_end(store))
        return 0;
    return store_records(store)[slot].slot;
}

/** The read without a lock that suits this processor; see store_read.c. */
ngi_store_reader ngi_store_choose_reader(void);
/** Writes a record beside readers that copy it without a lock; for the holder of the log's lock. */
void ngi_store_record_write(ng_store *store, uint32_t slot, const ng_token *record);

/** NG_E_NOT_FOUND "Token 0000002A not found", or NG_E_INVALID for id 0. */
ng_status ngi_store_fail_token(ng_token_id id);
/** As store_live_slot, with the error. */
NG_MUST_USE ng_status ngi_store_slot(const ng_store *store, ng_token_id id, uint32_t *out);

/** Locks for reading; fails when the store is latched. */
NG_MUST_USE ng_status ngi_store_read_begin(const ng_store *store);
void ngi_store_read_end(const ng_store *store);
/** As ngi_store_read_begin, and finds a token; unlocked again when it fails. */
NG_MUST_USE ng_status ngi_store_read_token(const ng_store *store, ng_token_id id, uint32_t *slot);
/** Locks the log and makes room; on success the caller ends with commit or abandon. */
NG_MUST_USE ng_status ngi_store_write_begin(ng_store *store, size_t body_bytes);
void ngi_store_write_abandon(ng_store *store);
/** Prepares, commits and applies the encoded body, unlocks, and waits unless told not to. Fails
 *  without a trace, or after the op was applied if it could not be made durable (NG_E_LATCHED). */
NG_MUST_USE ng_status ngi_store_write_commit(ng_store *store, ngi_op_kind kind, size_t body_bytes,
                                             const ng_write_options *write);

/** Derives what a search with this setting uses, in slices. */
NG_MUST_USE ng_status ngi_store_prepare_search(const ng_store *store, int32_t remove_components);
/** Validates an op against the state and reserves what apply needs. Leaves no trace on failure. */
NG_MUST_USE ng_status ngi_store_prepare(ng_store *store, const ngi_op *op);
/** Applies a prepared op; cannot fail. */
void ngi_store_apply(ng_store *store, const ngi_op *op);

#endif
