/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The overlay of a transaction: what it has staged, over the committed state.
 *
 * An entry is a token or connection that the transaction touched, in the order of first touch:
 *
 *     CREATED --update--> CREATED --delete--> GONE       (never was, for everyone else)
 *     UPDATED --update--> UPDATED --delete--> DELETED
 *                committed --delete---------> DELETED
 *
 * Invariants:
 *  1. The entry of an UPDATED or DELETED token carries the committed version it was computed from,
 *     that of a connection, which has no version, the committed record; commit refuses if that is
 *     not what is there any more.
 *  2. `label_bytes` is NGI_OP_LABEL_KEEP unless the transaction set or removed the label; so the
 *     committed label of a token is its own no more if and only if its entry is DELETED or its
 *     label_bytes is something else.
 *  3. An index leads to every entry by its present key, and to others by keys they had: what it
 *     finds is compared with the entry. So an entry that is taken back leaves nothing to clean up.
 *
 * Threads: one at a time. What reads the committed state needs the store's read lock, or the log's
 * lock. */
#ifndef NGI_STORE_TXN_PRIVATE_H
#define NGI_STORE_TXN_PRIVATE_H

#include "store/store_degree.h"
#include "store/store_txn.h"

typedef enum txn_state {
    TXN_CREATED = 1,
    TXN_UPDATED = 2,
    TXN_DELETED = 3,
    TXN_GONE = 4 /* created and deleted again; its id is not used for anything else meanwhile */
} txn_state;

typedef struct txn_token {
    ng_token record; /* record.slot is the token's, in every state */
    txn_state state;
    uint32_t collection;
    uint32_t base_version;     /* committed; 0 = created here */
    uint64_t collection_epoch; /* if created here */
    uint16_t label_bytes;      /* as in ngi_op_token */
    uint16_t vector;           /* ngi_op_vector */
    uint32_t dimensions;       /* of `floats` */
    uint32_t attribute_bytes;
    uint32_t vector_bytes;
    uint8_t *attributes; /* an item of ATTRIBUTES_PUT [attribute_bytes], or NULL */
    uint8_t *vectors;    /* an item of VECTORS_PUT [vector_bytes], or NULL */
    char *label;         /* [label_bytes] unless that is KEEP or 0 */
    float *floats;       /* if `vector` is SET */
} txn_token;

typedef struct txn_connection {
    ng_connection record; /* of a deleted one: as it was when that was staged */
    ng_connection base;   /* committed record of an UPDATED or DELETED one */
    uint32_t id;
    txn_state state;
} txn_connection;

/* Open addressing: entry + 1, 0 = empty. */
typedef struct txn_index {
    uint32_t *buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t used_count;
} txn_index;

typedef struct txn_version_condition {
    ng_token_id id;
    uint32_t version; /* 0 = does not exist */
} txn_version_condition;

typedef struct txn_absent_condition {
    uint32_t collection;
    uint32_t bytes;
    char label[NGI_LABEL_BYTES_MAX];
} txn_absent_condition;

struct ng_txn {
    ng_store *store;
    ng_seq if_seq;         /* 0 = any */
    bool uses_cdna;        /* something was evaluated against the constitution */
    uint64_t cdna_version; /* then: that one */
    uint32_t dimensions;   /* of the vectors staged, 0 = none */
    uint64_t field_epochs[NGI_VECTOR_FIELDS_MAX + 1]; /* of fields with vectors staged, 0 = none */

    txn_token *tokens;
    uint32_t token_count, token_capacity;
    txn_connection *connections;
    uint32_t connection_count, connection_capacity;
    uint32_t deleted_count; /* entries of either kind that are DELETED */
    uint32_t updated_count; /* connections that are UPDATED */
    txn_index by_slot, by_label, by_id, by_ends;
    store_degrees degrees; /* of connections that are CREATED */

    txn_version_condition *versions;
    uint32_t version_count, version_capacity;
    txn_absent_condition *absents;
    uint32_t absent_count, absent_capacity;
};

/** Makes room for `more` entries, and for labels of `labels` of all there are, so that adding and
 *  changing them cannot fail. NG_E_LIMIT. */
NG_MUST_USE ng_status ngi_overlay_reserve_tokens(ng_txn *txn, uint32_t more, uint32_t labels);
/** Likewise for `more` entries, and for `keys` new ends or types of all there are. */
NG_MUST_USE ng_status ngi_overlay_reserve_connections(ng_txn *txn, uint32_t more, uint32_t keys);
/** Appends an entry. */
txn_token *ngi_overlay_add_token(ng_txn *txn, const txn_token *entry);
txn_connection *ngi_overlay_add_connection(ng_txn *txn, const txn_connection *entry);
/** Replaces an entry, whose id and ends stay. */
void ngi_overlay_set_connection(ng_txn *txn, txn_connection *entry, const txn_connection *next);
/** Puts back what an entry was before. */
void ngi_overlay_restore_connection(ng_txn *txn, txn_connection *entry, const txn_connection *old);
/** Takes back the entry that was appended last. */
void ngi_overlay_pop_connection(ng_txn *txn);
/** What becomes of a connection that is CREATED or UPDATED when it is deleted. */
void ngi_overlay_delete_connection(ng_txn *txn, txn_connection *entry);
/** After an entry's label was replaced. */
void ngi_overlay_index_label(ng_txn *txn, const txn_token *entry);

/** The entry, in whatever state, or NULL. */
txn_token *ngi_overlay_token(const ng_txn *txn, uint32_t slot);
txn_connection *ngi_overlay_connection(const ng_txn *txn, ng_connection_id id);
/** Whether the transaction leaves no such token behind. */
bool ngi_overlay_is_deleted(const ng_txn *txn, uint32_t slot);
/** The slot of a token as the transaction sees it; NG_E_NOT_FOUND. `*entry` may become NULL. */
NG_MUST_USE ng_status ngi_overlay_find(const ng_txn *txn, ng_token_id id, uint32_t *slot,
                                       txn_token **entry);
/** Who has a label as the transaction sees it, or 0. */
uint32_t ngi_overlay_label_holder(const ng_txn *txn, uint32_t collection, const char *label,
                                  size_t bytes);
/** Whether a token that has a label in the committed state keeps it. */
bool ngi_overlay_keeps_label(const ng_txn *txn, uint32_t slot);
/** The entry with these ends and type that is CREATED or UPDATED, or NULL. */
txn_connection *ngi_overlay_joined(const ng_txn *txn, uint32_t source, uint32_t target,
                                   uint8_t type);
/** The connection with these ends and type as the transaction sees it, or 0. */
uint32_t ngi_overlay_joining(const ng_txn *txn, const ng_connection *record);
/** Whether the transaction sees a committed connection as it is: it may have changed or deleted it, or
 *  one of its ends. */
bool ngi_overlay_shows(const ng_txn *txn, uint32_t id, const ng_connection *record);
/** A connection as the transaction sees it, or NULL. `*entry` may become NULL. */
const ng_connection *ngi_overlay_connection_record(const ng_txn *txn, ng_connection_id id,
                                                   txn_connection **entry);
/** Degree limits of one end, with `more` connections added to what is staged. NG_E_LIMIT. */
NG_MUST_USE ng_status ngi_overlay_check_degree(const ng_txn *txn, uint32_t slot, bool outgoing,
                                               uint32_t more);
/** ng_token_get of an entry that is CREATED or UPDATED. */
void ngi_overlay_info(const ng_txn *txn, const txn_token *entry, ng_token_info *out);
void ngi_overlay_release(ng_txn *txn);

/** Frees what an entry points to. */
void ngi_overlay_release_token(ng_txn *txn, txn_token *entry);

/** For every write that is staged: the time, what it was evaluated against, its condition now, and
 *  what of `write` counts when it is done. */
uint32_t ngi_stage_now(const ng_txn *txn);
void ngi_stage_note_cdna(ng_txn *txn);
NG_MUST_USE ng_status ngi_stage_if_seq(ng_txn *txn, const ng_write_options *write);
void ngi_stage_done(ng_txn *txn, const ng_write_options *write);

/** NG_E_CONFLICT if a field in which the transaction has staged vectors was dropped since. */
NG_MUST_USE ng_status ngi_txn_check_field(const ng_txn *txn, ng_vector_field_id id);

/** Frees a transaction whose ids are used or have been returned. */
void ngi_txn_end(ng_txn *txn);

/** Hands out `count` ids, returned ones first. NG_E_LIMIT. Takes the log's lock. */
NG_MUST_USE ng_status ngi_given_take_slots(ng_store *store, uint32_t count, uint32_t *out);
NG_MUST_USE ng_status ngi_given_take_ids(ng_store *store, uint32_t count, uint32_t *out);
/** Takes back ids that were never written, in the order they were handed out; the error of the
 *  thread stays what it was. Takes the log's lock. */
void ngi_given_return_slots(ng_store *store, const uint32_t *slots, uint32_t count);
void ngi_given_return_ids(ng_store *store, const uint32_t *ids, uint32_t count);

/** The error of a label that is taken, or of a connection that is there: NG_E_EXISTS, or
 *  NG_E_CONFLICT if `conflict`. */
ng_status ngi_txn_fail_label(const ng_txn *txn, uint32_t holder, const char *label, size_t bytes,
                             bool conflict);
ng_status ngi_txn_fail_joined(const ng_txn *txn, uint32_t id, const ng_connection *record,
                              bool conflict);

#endif
