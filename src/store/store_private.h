/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The store: tables, indexes and log bound together.
 *
 * Write path, under the log's lock:   make room -> check -> encode -> prepare (reserve) -> commit
 *                                     -> apply -> unlock -> wait for the shared sync
 * Puts, checked while encoded:        make room -> check -> encode -> reserve -> commit -> ...
 * Recovery:                           prepare -> apply, of the same bodies
 *
 * Invariants (verified by ngi_store_check):
 *  1. Every connection's ends are live tokens; every label, vector and attribute belongs to a live
 *     token.
 *  2. A slot below slot_end is live, was deleted, or was given to a transaction that has not
 *     committed. The id of a deleted token is never used again.
 *  3. Counters equal what a count would give.
 *  4. Applying the same ops gives the same ngi_store_hash on every machine.
 *
 * Threads: all changes are made by the holder of the log's lock. `index_lock` is held for writing
 * during prepare and apply, and for reading by searches, in slices. Reads of a token and of what
 * belongs to it take no lock: they copy under a count of changes that the tokens of a stripe share,
 * see base_shared.h and store_look.h. The holder of the log's lock may read everything but derived
 * vector values without index_lock. */
#ifndef NGI_STORE_PRIVATE_H
#define NGI_STORE_PRIVATE_H

#include "base/base_limits.h"
#include "base/base_shared.h"
#include "index/index_graph.h"
#include "index/index_grid.h"
#include "index/index_labels.h"
#include "index/index_vectors.h"
#include "model/model_token.h"
#include "os/os_thread.h"
#include "store/store.h"
#include "store/store_answers.h"
#include "store/store_attributes.h"
#include "store/store_named.h"
#include "store/store_vector_field.h"
#include "wal/wal_op.h"

#define STORE_STRIPES 1024u /* 4 KiB of counters: they stay in the first-level cache */

/** What stands beside a record. */
typedef struct store_side {
    uint64_t updated_us;
    uint32_t version;
    uint32_t collection;
} store_side;

/* The id of a token that was given to a transaction is its own: slots from slot_given on are free. */
typedef struct store_given {
    uint32_t slot_given;       /* next slot to hand out, >= slot_end */
    uint32_t id_given;         /* next connection id to hand out, >= graph.id_end */
    ngi_buffer returned_slots; /* u32 each: handed out, never written, free again */
    ngi_buffer returned_ids;
} store_given;

/* What applying an op takes. */
typedef struct store_room {
    size_t label_count, label_bytes, vector_count;
    uint32_t dimensions;            /* of the vectors, all in the default field */
    uint32_t max_slot;              /* of a token put */
    uint32_t max_id;                /* of a connection put */
    uint32_t max_end;               /* slot that a connection put begins or ends at */
    uint32_t moved[NG_SPACE_COUNT]; /* points that come, move or go */
    store_attributes_need attributes;
    store_vectors_need vectors; /* in named fields */
} store_room;

/* How many of 4096 neighbours are there (store_shrink.h). */
#define STORE_GROUP_BITS 12u /* of 4096: whole units of every table */
#define STORE_GROUP_EMPTIED (1u << 31)

typedef struct store_groups {
    uint32_t *counts;
    uint32_t capacity;
} store_groups;

typedef struct store_collection {
    char name[NGI_COLLECTION_NAME_MAX + 1]; /* empty: it was dropped */
    uint64_t token_count;
    uint64_t active_count; /* of them, with NG_TOKEN_ACTIVE */
    uint64_t epoch;        /* tells it from one that had its number before; not stored */
} store_collection;

/* Work that falls due on its own, see store_upkeep.c. */
typedef struct store_job {
    bool (*due)(ng_store *store); /* without any lock held, like `step` */
    /** Does a part of it, and ends soon after `deadline_ns` of the monotonic clock (UINT64_MAX = no
     *  limit). Every step makes progress: after some, or after one that failed, nothing is due. */
    ng_status (*step)(ng_store *store, uint64_t deadline_ns);
    bool is_long; /* a step cannot be cut short: only if the host has allowed it */
} store_job;

/* What happens on its own: syncs of an interval, expired views, checkpoints (store_upkeep.c). */
typedef struct store_upkeep {
    uint32_t interval_ms;
    uint64_t checkpoint_bytes, checkpoint_seconds; /* NG_NEVER = not on their own */
    uint64_t retain_bytes, retain_seconds;         /* these four are immutable after open */

    atomic_bool flush_due; /* an op waits for the next sync; set by writers, cleared before it */
    atomic_bool stopping;  /* stored under `lock` */
    atomic_uint next_job;  /* where the next round of jobs begins */

    ngi_mutex lock; /* guards all below; taken after every other lock */
    ngi_cond wake;
    ngi_thread thread;       /* flushes and expires */
    ngi_thread checkpointer; /* runs while a checkpoint that fell due is written */
    bool has_thread;
    bool has_checkpointer; /* it must be joined */
    bool checkpointer_done;
    bool look;            /* something has fallen due: see ngi_upkeep_wake */
    bool urgent;          /* a flush is due at once: see ngi_wal_on_pressure */
    uint64_t flush_at_ns; /* 0 = no flush is due */
    uint64_t retry_at_ns; /* no checkpoint on its own before, after one failed */
    uint64_t opened_us;
    bool checkpointing;
    ng_seq snapshot_seq; /* 0 = none */
    uint64_t snapshot_bytes;
    uint64_t snapshot_us;
    uint64_t checkpoint_count;
    uint64_t checkpoint_failures;
} store_upkeep;

/* Evictions when memory runs short (store_cleanup.c). */
typedef struct store_cleanup {
    atomic_bool running;
    atomic_uint cursor;                 /* connections below have been looked at in this pass */
    atomic_uint_fast64_t rest_until_ns; /* no new pass before */
    atomic_uint_fast64_t count;
    atomic_uint_fast64_t evicted_connections;
    atomic_uint_fast64_t evicted_tokens; /* that had expired */
} store_cleanup;

/* Whose memory is counted apart. What a part splits into further is known to the part itself. */
typedef enum store_account {
    STORE_TOKENS,
    STORE_LABELS,
    STORE_VECTORS,
    STORE_GRAPH,
    STORE_GRID,
    STORE_ATTRIBUTES,
    STORE_COLLECTIONS,
    STORE_LOG,
    STORE_VIEWS,
    STORE_TRANSACTIONS,
    STORE_OTHER, /* what calls use while they run, and what is small */
    STORE_ACCOUNT_COUNT
} store_account;

struct ng_store {
    ngi_store_head head; /* first, see store.h */
    ngi_table records;   /* ng_token by slot */
    atomic_uint_fast64_t
        readable_end; /* slot_end, or 0 when empty or latched: what a read without a
                                          lock may see; stored under the log's lock (release) */
    ngi_os *os;
    ngi_mem *root; /* the caller's hook: the store itself, and all accounts */
    ngi_mem *mem;  /* the account STORE_OTHER */
    ngi_mem accounts[STORE_ACCOUNT_COUNT];
    size_t memory_limit;       /* 0 = none; immutable */
    atomic_size_t write_bound; /* memory_limit while a user's write reserves, else 0 */
    atomic_size_t stage_bound; /* for what transactions stage */
    ngi_wal *wal;
    char *path; /* NULL: memory only; immutable */
    ngi_blackbox *box;
    bool read_only;           /* immutable */
    bool manual;              /* NG_OPEN_MANUAL; immutable */
    bool long_ticks;          /* NG_OPEN_LONG_TICKS; immutable */
    bool cleans;              /* NG_OPEN_CLEANUP; immutable */
    bool follows;             /* of another store; immutable after open */
    ng_durability durability; /* never DEFAULT; immutable */
    ngi_encoding encoding;    /* immutable */
    uint32_t max_tokens;      /* immutable */
    uint32_t max_connections;
    uint32_t dimensions_wanted; /* of ng_open_options, 0 = any; immutable */
    uint8_t uuid[16];
    uint8_t origin_uuid[16]; /* of the store that this one follows */
    ng_seq recovered_snapshot_seq;
    ng_seq graphs_seq;     /* while opening: the op behind which graphs are loaded; 0 = none */
    ngi_mutex graphs_lock; /* held while graphs are written; before index_lock */
    uint64_t created_us;
    uint64_t open_us;

    ngi_table sides;      /* store_side by slot; shared: the token's stripe */
    atomic_uint slot_end; /* slots below have been given; release after an op's records */

    ngi_grid *grid; /* searched without a lock; changed under the log's lock */
    ngi_grid_tree spaces[NG_SPACE_COUNT]; /* likewise: every token that has coordinates there */
    ngi_metric metrics[NG_SPACE_COUNT];   /* Euclidean; immutable after open */

    ngi_rwlock index_lock; /* guards everything below */
    ngi_labels labels;
    ngi_graph graph;
    ngi_vectors *_Atomic vectors; /* of vector_fields.main; also read inside a look */
    store_vector_fields vector_fields;
    store_attributes attributes;
    store_named named;
    store_collection *collections;
    uint32_t collection_count;
    uint32_t collection_capacity;
    uint64_t collection_epoch; /* counts collections made since opening */
    ng_cdna cdna;
    uint64_t cdna_version; /* counts changes since opening */
    ngi_buffer projection; /* body of the last PROJECTION_PUT; empty = none */
    uint64_t
        projection_version; /* counts what changes the scores of the default field: them, and swaps */
    store_groups token_groups, connection_groups;
    uint64_t token_count;
    uint64_t active_token_count;
    uint64_t active_connection_count;

    ng_view *newest_view; /* open ones, by `older` */
    uint32_t open_view_count;

    store_given given; /* guard: the log's lock */
    atomic_uint open_txn_count;
    atomic_uint_fast64_t commit_count;
    atomic_uint_fast64_t conflict_count;
    atomic_uint_fast64_t expired_view_count;
    atomic_uint_fast64_t memory_refused_count;

    store_cleanup cleanup;
    store_upkeep upkeep;
    store_answers answers; /* volatile */

    atomic_uint stripes[STORE_STRIPES]; /* odd while what belongs to a token of it is changed */
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

static inline ngi_mem *store_account_of(const ng_store *store, store_account which)
{
    return &store_mutable(store)->accounts[which];
}

/** The count that vouches for everything that belongs to a token. */
static inline atomic_uint *store_stripe(ng_store *store, uint32_t slot)
{
    return &store->stripes[slot % STORE_STRIPES];
}

/** One comparison for ids of another generation, ids not given yet, and a latched store. Slot 0 is
 *  never written, so id 0 leads to a record that is not there, like a deleted one. */
static inline bool store_is_outside(const ng_store *store, ng_token_id id)
{
    return id >= atomic_load_explicit(&store->readable_end, memory_order_acquire);
}

/** The slot that a record shows to a reader without a lock; 0 if it is not there. */
static inline uint32_t store_shared_slot(const ng_store *store, ng_token_id id)
{
    const uint8_t *record = (const uint8_t *)&store_records(store)[id];
    return ngi_shared_u32((const uint32_t *)(const void *)(record + offsetof(ng_token, slot)));
}

/** The live record's slot, or 0. For the holder of either lock. */
static inline uint32_t store_live_slot(const ng_store *store, ng_token_id id)
{
    uint32_t slot = (uint32_t)id;
    if (id != slot || slot == 0 || slot >= store_slot_end(store))
        return 0;
    return store_records(store)[slot].slot;
}

/** For the holder of either lock. */
static inline bool store_has_collection(const ng_store *store, ng_collection_id id)
{
    return id < store->collection_count && store->collections[id].name[0] != '\0';
}

/** Of a token that is changed: never 0, which means that there is no token. */
static inline uint32_t store_next_version(uint32_t version)
{
    return version == UINT32_MAX ? 1 : version + 1;
}

/** The next slot, or connection id, that has never been handed out. For the holder of the log's
 *  lock. */
static inline uint32_t store_next_slot(const ng_store *store)
{
    uint32_t end = store_slot_end(store);
    return store->given.slot_given > end ? store->given.slot_given : end;
}

static inline uint32_t store_next_connection(const ng_store *store)
{
    uint32_t end = store->graph.id_end;
    return store->given.id_given > end ? store->given.id_given : end;
}

/** The read without a lock that suits this processor; see store_read.c. */
ngi_store_reader ngi_store_choose_reader(void);
/** Writes a record beside readers that copy it without a lock; for the holder of both locks. */
void ngi_store_record_write(ng_store *store, uint32_t slot, const ng_token *record);
/** The same of a slot that no reader looks at yet, because it is not below slot_end. */
void ngi_store_record_write_new(ng_store *store, uint32_t slot, const ng_token *record);

/** NG_E_NOT_FOUND "Token 0000002A not found", or NG_E_INVALID for id 0. */
ng_status ngi_store_fail_token(ng_token_id id);
/** NG_E_NOT_FOUND "collection 7 not found". */
ng_status ngi_store_fail_collection(ng_collection_id id);
/** As store_live_slot, with the error. */
NG_MUST_USE ng_status ngi_store_slot(const ng_store *store, ng_token_id id, uint32_t *out);

/** Why a token cannot be read: the store is latched, or as ngi_store_fail_token. */
ng_status ngi_store_fail_read(const ng_store *store, ng_token_id id);
/** NG_E_LATCHED, for reads that look at no token. */
NG_MUST_USE ng_status ngi_store_check_readable(const ng_store *store);
/** Locks for reading; fails when the store is latched. */
NG_MUST_USE ng_status ngi_store_read_begin(const ng_store *store);
void ngi_store_read_end(const ng_store *store);
/** As ngi_store_read_begin, and finds a token; unlocked again when it fails. */
NG_MUST_USE ng_status ngi_store_read_token(const ng_store *store, ng_token_id id, uint32_t *slot);
/** Locks the log, makes room and verifies write->if_seq; on success the caller ends with commit or
 *  abandon. `write` may be NULL. NG_E_READ_ONLY if the store takes no writes. */
NG_MUST_USE ng_status ngi_store_write_begin(ng_store *store, size_t body_bytes,
                                            const ng_write_options *write);
void ngi_store_write_abandon(ng_store *store);
/** Prepares, commits and applies the encoded body, unlocks, and waits unless told not to. Fails
 *  without a trace, or after the op was applied if it could not be made durable (NG_E_LATCHED). */
NG_MUST_USE ng_status ngi_store_write_commit(ng_store *store, ngi_op_kind kind, size_t body_bytes,
                                             const ng_write_options *write);
/** The same of a body that its writer has made of values which it checked under the same lock, so
 *  that ngi_store_prepare would find nothing: only makes `room`. Builds with assertions look. */
NG_MUST_USE ng_status ngi_store_write_commit_checked(ng_store *store, ngi_op_kind kind,
                                                     size_t body_bytes, const store_room *room,
                                                     const ng_write_options *write);
/** Applies an op of another store with its own stamp: it must be the next. Waits for nothing. */
NG_MUST_USE ng_status ngi_store_apply_stamped(ng_store *store, const ngi_op *op);

/** NG_E_CONFLICT with its detail for ng_last_conflict; counts it. `slot` 0: no token. The caller holds
 *  the log's lock. The message comes from `format`. */
ng_status ngi_store_fail_conflict(ng_store *store, ng_conflict *conflict, uint32_t slot,
                                  const char *format, ...) NGI_PRINTF(4, 5);
/** write->if_version, of a token that is there; NG_E_CONFLICT. The caller holds a lock. */
NG_MUST_USE ng_status ngi_store_if_version(ng_store *store, uint32_t slot,
                                           const ng_write_options *write);
/** Whether write->txn, which is not NULL, is one of this store, and whether the options suit a
 *  deletion: NG_E_INVALID. */
NG_MUST_USE ng_status ngi_store_check_txn(const ng_store *store, const ng_write_options *write);
NG_MUST_USE ng_status ngi_store_check_delete(const ng_write_options *write);
/** That no id but 0 is there twice: NG_E_INVALID, which names both items. */
NG_MUST_USE ng_status ngi_store_check_ids(const ng_store *store, const ng_token_id *ids,
                                          size_t count);
/** Whether `fields` sets tags, data or expiry; how many bytes an item of them takes at most, with the
 *  lengths checked (NG_E_INVALID); and the item itself, of fields that have passed every check. */
bool ngi_fields_have_attributes(const ng_token_fields *fields);
NG_MUST_USE ng_status ngi_fields_attribute_bytes(const ng_token_fields *fields, size_t *out);
uint8_t *ngi_fields_attributes_encode(uint8_t *at, uint32_t slot, const ng_token_fields *fields);
/** The same of vectors in named fields: how many bytes an item of them takes at most (0: none are given),
 *  whether their fields are there and have those dimensions (NG_E_NOT_FOUND, NG_E_INVALID), and the
 *  item, which points into `fields`. */
bool ngi_fields_have_vectors(const ng_token_fields *fields);
NG_MUST_USE ng_status ngi_fields_vector_bytes(const ng_token_fields *fields, size_t *out);
NG_MUST_USE ng_status ngi_fields_check_vectors(const ng_store *store,
                                               const ng_token_fields *fields);
void ngi_fields_vectors(const ng_token_fields *fields, uint32_t slot, ngi_op_vectors *out);
/** The two ops about declared fields: prepared, and the declarations of the store as the bodies of
 *  INDEX_PUT one after the other, at most NGI_FIELDS_MAX * NGI_OP_INDEX_MAX bytes. */
NG_MUST_USE ng_status ngi_store_prepare_index_put(ng_store *store, const uint8_t *body,
                                                  size_t bytes, size_t *used);
NG_MUST_USE ng_status ngi_store_prepare_index_delete(const ng_store *store, const ngi_op *op);
size_t ngi_store_encode_indexes(const ng_store *store, uint8_t *out, uint32_t *count);
/** Fills what ng_token_get says; the caller holds a lock. */
void ngi_store_token_info(const ng_store *store, uint32_t slot, ng_token_info *out);
/** A broken invariant: latches the store, dumps the black box and returns NG_E_INTERNAL. */
ng_status ngi_store_broken(ng_store *store, const char *what);

/** Makes all tables empty again, for a second attempt at loading. Before the store is shared. */
NG_MUST_USE ng_status ngi_store_reset_tables(ng_store *store);
/** An empty store in memory with the encoding and creation time of another one, which takes ops from
 *  seq 1, or, after ngi_wal_begin_after, from a later one. */
NG_MUST_USE ng_status ngi_store_create_memory(ngi_os *os, ngi_mem *mem,
                                              const ngi_manifest *identity, ng_store **out);

/** 1..64 bytes of [a-z0-9_.-]. Errors: NG_E_INVALID. */
NG_MUST_USE ng_status ngi_collection_check_name(const char *name, size_t bytes);

/** What a stream of this store says it comes from: uuid, creation time, encoding. */
void ngi_store_identity(const ng_store *store, ngi_manifest *out);

/** What an op changes in space: how many points of each tree come, move or go; `old` and `now` may be
 *  NULL (no token), `moved` counts up. Then room for them, the changes, and the whole of them seen. */
void ngi_space_count(ng_store *store, uint32_t slot, const ng_token *old, const ng_token *now,
                     uint32_t moved[NG_SPACE_COUNT]);
NG_MUST_USE ng_status ngi_space_reserve(ng_store *store, const uint32_t moved[NG_SPACE_COUNT]);
NG_MUST_USE ng_status ngi_space_put(ng_store *store, uint32_t slot, const ng_token *old,
                                    const ng_token *now);
/** The same for the trees of one grid alone. */
void ngi_space_count_in(const ng_token *old, const ng_token *now, uint32_t moved[NG_SPACE_COUNT]);
NG_MUST_USE ng_status ngi_space_put_in(ng_store *store, ngi_grid_tree trees[NG_SPACE_COUNT],
                                       uint32_t slot, const ng_token *old, const ng_token *now);
/** Indexes the records of slots below `slot_end` anew, in the spaces of which `spaces` has a bit. For
 *  the holder of the log's lock, or before the store is shared. */
NG_MUST_USE ng_status ngi_space_rebuild(ng_store *store, uint32_t slot_end, unsigned spaces);
/** Whether the trees hold what the records say; NG_E_INTERNAL. For the holder of the log's lock. */
NG_MUST_USE ng_status ngi_space_check(const ng_store *store);

/** The job that deletes expired tokens, if cleaning up was asked for. */
bool ngi_store_expiry_is_due(ng_store *store);
NG_MUST_USE ng_status ngi_store_expiry_step(ng_store *store, uint64_t deadline_ns);
/** The job that evicts, see store_cleanup.c. */
bool ngi_cleanup_is_due(ng_store *store);
NG_MUST_USE ng_status ngi_cleanup_step(ng_store *store, uint64_t deadline_ns);

/** Starts and stops the background threads. */
NG_MUST_USE ng_status ngi_upkeep_start(ng_store *store);
void ngi_upkeep_stop(ng_store *store);
/** An op of interval durability has been appended: it is to be on disk within the interval. */
void ngi_upkeep_flush_soon(ng_store *store);
/** A job has fallen due that should not wait for the next time the thread looks. */
void ngi_upkeep_wake(ng_store *store);
/** See ng_tick; `more` may be NULL. */
NG_MUST_USE ng_status ngi_store_tick(ng_store *store, uint64_t budget_us, bool *more);

/** Derives what a search with this setting uses, in slices. */
NG_MUST_USE ng_status ngi_store_prepare_search(const ng_store *store, int32_t remove_components);
/** Reserves what applying an op needs; first of all what can fail. */
NG_MUST_USE ng_status ngi_store_reserve(ng_store *store, const store_room *room);
/** Validates an op against the state and reserves what apply needs. Leaves no trace on failure. */
NG_MUST_USE ng_status ngi_store_prepare(ng_store *store, const ngi_op *op);
/** The same of an op that another store made: verifies in addition what this library's own writes
 *  cannot get wrong. */
NG_MUST_USE ng_status ngi_store_prepare_foreign(ng_store *store, const ngi_op *op);
/** Applies a prepared op; fails only if an invariant is broken (NG_E_INTERNAL). */
NG_MUST_USE ng_status ngi_store_apply(ng_store *store, const ngi_op *op);

#endif
