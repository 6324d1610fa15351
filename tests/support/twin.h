/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The naive twin of a store: plain arrays and brute force, right because it is simple.
 *
 * A twin_op is a change with everything in it that the store decided (ids, times), so a journal of
 * ops can be applied again to a fresh twin, op by op, to find which prefix a recovered store holds.
 *
 * Invariants: 1. tokens and connections are sorted by id; deleted ones stay, marked, because their
 *                ids may never come back.
 *             2. twin_apply of equal ops to equal twins gives equal twins. */
#ifndef TWIN_H
#define TWIN_H

#include "neurograph.h"
#include "test_random.h"

#include <stdio.h>

#define TWIN_COLLECTIONS_MAX 16
#define TWIN_DIFFERENCE_BYTES 512
#define TWIN_BATCH_MAX 12
#define TWIN_FIELDS 2  /* named ones of vectors */
#define TWIN_INDEXES 2 /* "n" of integers, "word" of keywords */

typedef struct twin_token {
    ng_token_id id;
    bool alive;
    ng_token record;
    uint64_t updated_us;
    uint32_t version;
    ng_collection_id collection;
    char *label;
    size_t label_bytes;
    float *vector;
    float *named[TWIN_FIELDS]; /* vectors in named fields, or NULL */
    char *tags;                /* as ng_token_tags gives them */
    size_t tag_bytes;
    char *data;
    size_t data_bytes;
    uint64_t expires_us;
} twin_token;

typedef struct twin_connection {
    ng_connection_id id;
    bool alive;
    ng_token_id source, target;
    ng_connection record;
} twin_connection;

typedef struct twin_projection {
    uint32_t dimensions, component_count;
    float *mean, *components;
} twin_projection;

typedef struct twin_state {
    twin_token *tokens;
    size_t token_count, token_capacity;
    twin_connection *connections;
    size_t connection_count, connection_capacity;
    char collections[TWIN_COLLECTIONS_MAX][65]; /* empty: was dropped */
    size_t collection_count;
    ng_cdna cdna;
    uint32_t dimensions; /* 0 = no vector yet */
    twin_projection projection;
    uint32_t scales[NG_SPACE_COUNT][NG_AXIS_COUNT];
    float origins[NG_SPACE_COUNT][NG_AXIS_COUNT];
    size_t live_tokens, live_connections;
    bool indexes[TWIN_INDEXES];             /* declared */
    ng_vector_field_id fields[TWIN_FIELDS]; /* numbers, 0 = not there */
    ng_seq seq;                             /* of the newest op */
} twin_state;

typedef enum twin_kind {
    TWIN_CREATE,     /* one token or a batch */
    TWIN_UPDATE,     /* one token or a batch */
    TWIN_UPSERT,     /* likewise, by label */
    TWIN_DELETE,     /* `token`, or a batch: `deleted` */
    TWIN_CONNECT,    /* one connection or a batch */
    TWIN_DISCONNECT, /* one connection, or the links of a batch */
    TWIN_RELINK,     /* an update of one connection or a batch */
    TWIN_JOIN,       /* likewise, or what is not there is created */
    TWIN_ACTIVATE,   /* one connection or a batch */
    TWIN_COLLECTION,
    TWIN_CLEAR, /* of `collection` */
    TWIN_DROP,  /* likewise */
    TWIN_CDNA,
    TWIN_PROJECTION,
    TWIN_INDEX,      /* declares or drops `index` */
    TWIN_FIELD,      /* makes or drops vector field `index` */
    TWIN_TRANSACTION /* see twin_transact */
} twin_kind;

typedef struct twin_item {
    ng_token_id id;         /* given by the store for a creation */
    bool created;           /* of an upsert: there is no such token yet */
    ng_token_fields fields; /* what it points to are the item's own copies */
    uint32_t timestamp;     /* learned: creation time */
    uint64_t updated_us;    /* learned */
} twin_item;

typedef struct twin_link {
    ng_connection_id id; /* given by the store for a creation */
    ng_connection_fields fields;
    ng_connection record; /* learned */
} twin_link;

/** What a transaction left behind. */
typedef struct twin_effects {
    twin_token *puts; /* created or changed, as they are afterwards */
    size_t put_count;
    ng_token_id *deleted;
    size_t deleted_count;
    twin_connection *linked; /* created or changed */
    size_t linked_count;
    ng_connection_id *unlinked; /* those of deleted tokens are not listed */
    size_t unlinked_count;
} twin_effects;

typedef struct twin_op {
    twin_kind kind;
    ng_status expected;        /* what the store must answer */
    ng_conflict_kind conflict; /* and why, if that is NG_E_CONFLICT */
    uint32_t if_version;       /* conditions, as in ng_write_options */
    ng_seq if_seq;
    bool if_absent;
    ng_durability durability;
    ng_txn *txn;   /* the op is part of this one */
    ng_seq seq;    /* 0 if nothing had to change */
    bool as_batch; /* through the _many call, even with one item */
    size_t count;
    twin_item *items;
    twin_link *links;
    ng_token_id token;
    ng_token_id deleted[TWIN_BATCH_MAX];
    ng_connection_id connection;
    ng_collection_id collection;
    char name[65];
    ng_cdna cdna;
    unsigned index;
    ng_vector_field_id field;
    bool drops; /* the index, or the field */
    twin_projection projection;
    twin_effects effects;
} twin_op;

/** What random ops are like. */
typedef struct twin_mix {
    size_t target_tokens; /* deletions become likelier beyond it */
    unsigned bad_percent; /* ops that must be refused */
    bool use_projection;
    unsigned condition_percent; /* ops with a condition, true or false */
    uint32_t dimensions;
} twin_mix;

/* twin.c: state and its changes */

/** The twin of a store that was just created: takes over its scales, CDNA and collections. */
void twin_init(twin_state *twin, const ng_store *store);
void twin_release(twin_state *twin);
/** `*out` becomes a copy with everything in it its own. */
void twin_clone(const twin_state *twin, twin_state *out);
/** Forgets dead tokens and connections that `base` never had: ids that only a transaction saw. */
void twin_forget(twin_state *twin, const twin_state *base);
/** Frees what a token points to. */
void twin_token_release(twin_token *token);
uint32_t twin_tag_count(const twin_token *token);
/** Whether record, label, vectors, tags, data and expiry are equal. */
bool twin_is_same(const twin_token *a, const twin_token *b, uint32_t dimensions);
twin_token *twin_find(const twin_state *twin, ng_token_id id);
twin_connection *twin_find_connection(const twin_state *twin, ng_connection_id id);
/** Live token with that label in that collection, or NULL. */
twin_token *twin_find_label(const twin_state *twin, ng_collection_id collection, const char *label,
                            size_t bytes);
/** Applies an op that the store took. Does nothing if its seq is 0. */
void twin_apply(twin_state *twin, const twin_op *op);
/** The record that `fields` make of `record`; timestamp and slot as they are in it. */
void twin_apply_fields(const twin_state *twin, const ng_token_fields *fields, ng_token *record);
/** The raw value of a coordinate. */
int16_t twin_encode(const twin_state *twin, int space, int axis, float value);
uint32_t twin_degree(const twin_state *twin, ng_token_id id, ng_direction direction);
void twin_op_release(twin_op *op);
/** "create 3", for messages. */
const char *twin_kind_name(twin_kind kind);

/* twin_attributes.c: tags, data and expiry */

/** The values of a payload in the form that random payloads have: whether it has any. */
bool twin_data_values(const twin_token *token, unsigned *n, char word[16]);
extern const char *const twin_index_names[TWIN_INDEXES];
ng_status twin_perform_index(ng_store *store, const twin_op *op, const ng_write_options *write);
const char *twin_compare_indexes(const twin_state *twin, const ng_store *store, char *out);
/** Takes those that `fields` sets. */
void twin_take_attributes(twin_token *token, const ng_token_fields *fields);
/** Makes up some. */
void twin_random_attributes(test_random *random, ng_token_fields *fields, bool is_update);
/** Makes them invalid, in some way. */
void twin_spoil_attributes(test_random *random, ng_token_fields *fields);
void twin_attributes_release(ng_token_fields *fields);
bool twin_same_attributes(const twin_token *a, const twin_token *b);
/** Compares what the store says, or a transaction if `txn` is not NULL. */
const char *twin_compare_attributes(const ng_store *store, const ng_txn *txn,
                                    const twin_token *token, char *out);

/* twin_vectors.c: vectors in named fields */

ng_status twin_perform_field(ng_store *store, twin_op *op, const ng_write_options *write);
/** Finds the number of a field that was made. */
bool twin_learn_field(const ng_store *store, twin_op *op);
void twin_random_field(const twin_state *twin, test_random *random, twin_op *op);
void twin_take_field(twin_state *twin, const twin_op *op);
void twin_copy_vectors(twin_token *to, const twin_token *from);
void twin_release_vectors(twin_token *token);
bool twin_same_vectors(const twin_token *a, const twin_token *b);
void twin_take_vectors(const twin_state *twin, twin_token *token, const ng_token_fields *fields);
void twin_random_vectors(const twin_state *twin, test_random *random, ng_token_fields *fields,
                         bool is_update);
void twin_vectors_release(ng_token_fields *fields);
/** As twin_compare_attributes. */
const char *twin_compare_named(const twin_state *twin, const ng_store *store, const ng_txn *txn,
                               const twin_token *token, char *out);
const char *twin_compare_fields(const twin_state *twin, const ng_store *store, char *out);

/* twin_perform.c: the same op on a store */

/** Makes the store do `op`, and says in it what the store decided. Returns what the store returned;
 *  does not touch the twin. */
ng_status twin_perform(ng_store *store, twin_op *op, uint32_t write_flags);
/** Reads ids and times of an op that the store took, back from it. For an op whose call did not
 *  return, `guess` says that ids must be looked for. false if the op is not in the store. */
bool twin_learn(const twin_state *twin, const ng_store *store, twin_op *op, bool guess);

/** After an NG_E_CONFLICT: what ng_last_conflict says, against what it must say. */
const char *twin_compare_conflict(const twin_state *twin, const twin_op *op, char *out);

/* twin_link.c: connections */

/** `got` is what link `index` of an op has become: notes it, and returns whether it is what the op
 *  makes of the twin's connection. The twin is the one before the op. */
bool twin_learn_link(const twin_state *twin, twin_op *op, size_t index, const ng_connection *got);
/** A list and counts with a made-up filter; see twin_compare.c. */
const char *twin_compare_links(const twin_state *twin, const ng_store *store, test_random *random,
                               char *out);

/* twin_txn.c: several writes as one */

/** Begins a transaction, puts made-up writes and conditions into it, compares what it reads with
 *  what it must see after each, and commits it or, now and then, rolls it back. `*op` becomes what
 *  it did as one op. Returns what failed first, or what the commit returned; op->expected is what
 *  it had to be. `out` [TWIN_DIFFERENCE_BYTES] gets what else was wrong, or becomes empty. */
ng_status twin_transact(const twin_state *twin, ng_store *store, const twin_mix *mix,
                        test_random *random, twin_op *op, char *out);

/* twin_random.c: what to do next */

/** Makes up an op and what the store must answer to it. Release with twin_op_release. */
void twin_random_op(const twin_state *twin, const twin_mix *mix, test_random *random, twin_op *op);
/** A live token or connection; NULL if there is none. */
const twin_token *twin_random_token(const twin_state *twin, test_random *random);
const twin_connection *twin_random_connection(const twin_state *twin, test_random *random);
/** A collection that is there. */
ng_collection_id twin_random_collection(const twin_state *twin, test_random *random);
/** A coordinate that rounds to `raw`. */
float twin_decode(const twin_state *twin, ng_space space, int axis, int raw);

/* twin_compare.c: the same questions to both. Each returns NULL, or a description of the first
 * difference, which stands in `out` (TWIN_DIFFERENCE_BYTES). */

const char *twin_compare_token(const twin_state *twin, const ng_store *store,
                               const twin_token *token, char *out);
/** What an op touched. */
const char *twin_compare_op(const twin_state *twin, const ng_store *store, const twin_op *op,
                            char *out);
/** Everything: tokens dead and alive, connections, lists, labels, counters, CDNA, collections. */
const char *twin_compare_all(const twin_state *twin, const ng_store *store, char *out);

/* twin_filter.c: filters, and searches over tokens */

bool twin_filter_takes(const ng_filter *filter, const twin_token *token);
/** What it points to is valid until the next call of this thread. */
void twin_random_filter(const twin_state *twin, test_random *random, ng_filter *filter);
const char *twin_compare_search(const twin_state *twin, const ng_store *store, test_random *random,
                                char *out);

/* twin_search.c: searches against brute force */

const char *twin_compare_grid(const twin_state *twin, const ng_store *store, test_random *random,
                              char *out);
/* twin_space.c: every kind of search in space, in one and in several */
const char *twin_compare_space(const twin_state *twin, const ng_store *store, test_random *random,
                               char *out);
const char *twin_compare_multi(const twin_state *twin, const ng_store *store, test_random *random,
                               char *out);
const char *twin_compare_vectors(const twin_state *twin, const ng_store *store, test_random *random,
                                 char *out);
const char *twin_compare_paths(const twin_state *twin, const ng_store *store, test_random *random,
                               char *out);

/** Writes a difference and returns it. */
#define TWIN_DIFFER(out, ...) (snprintf((out), TWIN_DIFFERENCE_BYTES, __VA_ARGS__), (out))

#endif
