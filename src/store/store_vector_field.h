/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named fields of vectors: a token may have one vector in each, beside that of the default field.
 *
 *     fields[n]   field n, or NULL: name, dimensions, metric, and an index of its own
 *     sets[slot]  a bit 1 << n for each field in which the token has a vector, 4 bytes
 *
 * Most stores have none: what a write or deletion of a token pays then is a comparison of its slot with
 * `set_end`, which is 0. Names of fields and what is set in ngi_op_vectors are as in wal_op.h.
 *
 * Invariants (verified by ngi_vector_fields_check):
 *  1. sets[slot] has bit n if and only if slot has a vector in the index of field n; it is then a live
 *     token, and field n is there. No slot from set_end on has a bit.
 *  2. The index of a field has the field's dimensions from the begin; no two fields have one name.
 *
 * The default field is one as well, with number 0, no name and dimensions that the first vector fixes. It
 * exchanges its vectors with a named field in one op (0033), which moves none: the two structs change
 * places, and who holds one goes on with it as it was.
 *
 * A field that is dropped lives on, out of reach, for as long as somebody holds it: a view, a search, a
 * graph that is being built. `is_dropped` tells them. Readers without a lock hold nothing: what has ever
 * been the default field gives its memory back when nobody holds it, and its struct and address range when
 * the store closes.
 *
 * Threads: changed by the holder of both locks, read by the holder of either; `sets` also without one,
 * inside a look (store_look.h). What a field is does not change; its index needs index_lock, as
 * index_vectors.h says. */
#ifndef NGI_STORE_VECTOR_FIELD_H
#define NGI_STORE_VECTOR_FIELD_H

#include "base/base_limits.h"
#include "index/index_vectors.h"
#include "wal/wal_op.h"

_Static_assert(NGI_VECTOR_FIELDS_MAX < 16, "a bit for each in ng_token_info.vector_fields");

/** What a field is, and how many vectors it has. */
typedef struct store_vector_spec {
    char name[NGI_VECTOR_FIELD_NAME_MAX + 1];
    uint32_t dimensions;
    ng_vector_metric metric;
    uint64_t vector_count; /* in images alone: the index of a field knows */
} store_vector_spec;

typedef struct store_vector_field store_vector_field;

struct store_vector_field {
    store_vector_spec spec;
    uint64_t epoch; /* tells it from one that had its number before; not stored */
    ngi_vectors *vectors;
    atomic_uint holders; /* the store is one */
    bool is_dropped;     /* guard: index_lock */
    bool was_main;       /* it has been the default field; likewise */
    store_vector_field *next_retired;
};

typedef struct store_vector_fields {
    uint32_t count;   /* that are there */
    uint32_t set_end; /* slots from here on have no vector in any */
    uint64_t epoch;   /* counts fields made since opening */
    ngi_table sets;   /* uint32_t by slot */
    store_vector_field *fields[NGI_VECTOR_FIELDS_MAX + 1]; /* [0] is not used */
    store_vector_field *main;                              /* the default one */
    store_vector_field *pending;                           /* made by prepare, for apply; or NULL */
    store_vector_field *_Atomic retired;                   /* emptied, see above */
} store_vector_fields;

/** What some changes take at most. Zeroed = nothing. */
typedef struct store_vectors_need {
    uint32_t puts[NGI_VECTOR_FIELDS_MAX + 1];
    uint32_t max_slot; /* 0 = no put */
} store_vectors_need;

/* An image of a field, in a stream and for the state hash: VECTOR_FIELD_PUT with the number of vectors. */
#define STORE_FIELD_IMAGE_FIXED 24u
#define STORE_FIELD_IMAGE_MAX (STORE_FIELD_IMAGE_FIXED + (NGI_VECTOR_FIELD_NAME_MAX + 7u) / 8u * 8u)

NG_MUST_USE ng_status ngi_vector_fields_init(ng_store *store);
void ngi_vector_fields_release(ng_store *store);

/** Adds what putting the item takes. */
void ngi_vector_fields_measure(const ngi_op_vectors *item, store_vectors_need *need);
/** Makes the room, so that the puts that were measured cannot fail. NG_E_LIMIT, NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_vector_fields_reserve(ng_store *store, const store_vectors_need *need);
/** Puts and removes what the item says. */
void ngi_vector_fields_put(ng_store *store, const ngi_op_vectors *item);
/** Sets the bits of a slot, of which there is room. */
void ngi_vector_fields_set(ng_store *store, uint32_t slot, uint32_t set);
/** Removes every vector in named fields of a slot below set_end. */
void ngi_vector_fields_remove(ng_store *store, uint32_t slot);

/** NG_E_CORRUPT unless every field of the item is there and has those dimensions; `deep`: and unless the
 *  numbers are finite. */
NG_MUST_USE ng_status ngi_vector_fields_verify(const ng_store *store, const ngi_op_vectors *item,
                                               bool deep);
/** Whether little-endian floats are finite: by their bits. */
bool ngi_vector_floats_are_finite(const uint8_t *floats, size_t count);
/** VECTOR_FIELD_PUT, VECTOR_FIELD_DROP, VECTOR_FIELD_SWAP. */
NG_MUST_USE ng_status ngi_vector_field_prepare(ng_store *store, const ngi_op *op, bool foreign);
void ngi_vector_field_apply(ng_store *store, const ngi_op *op);

/** The field, or NULL; 0 and numbers beyond the last are none. */
store_vector_field *ngi_vector_field(const ng_store *store, ng_vector_field_id id);
/** The vectors of a field, 0 the default one, with index_lock held; NULL if there is no such field. */
ngi_vectors *ngi_vector_field_index(const ng_store *store, ng_vector_field_id id);
/** The number of the field of that name, or 0. */
ng_vector_field_id ngi_vector_field_named(const ng_store *store, const char *name, size_t bytes);
/** NG_E_NOT_FOUND "vector field 7 not found". */
ng_status ngi_vector_field_fail(ng_vector_field_id id);
/** NG_E_INVALID unless it is 1..64 bytes of [a-z0-9_.-]. */
NG_MUST_USE ng_status ngi_vector_field_check_name(const char *name, size_t bytes);
/** NG_E_INVALID names the member. */
NG_MUST_USE ng_status ngi_vector_field_check_spec(uint32_t dimensions, uint32_t metric);
/** What the metric of a field is to the index. */
int32_t ngi_vector_field_select(ng_vector_metric metric);
/** A bit for each field in which the slot has a vector; also inside a look. */
uint32_t ngi_vector_fields_of(const ng_store *store, uint32_t slot);

/** Keeps a field from going away, with index_lock held; without any lock lets go of it. */
void ngi_vector_field_hold(store_vector_field *field);
void ngi_vector_field_let_go(const ng_store *store, store_vector_field *field);

/** A field that is searched, held until ngi_searched_end. */
typedef struct store_searched {
    const ng_store *store;
    ngi_vectors *vectors;
    store_vector_field *held;
    store_vector_field *field; /* the same, or NULL: it was the default one when the search began */
    int32_t select;            /* `remove_components` of the index, which says its metric as well */
} store_searched;

/** Errors: NG_E_NOT_FOUND (field), NG_E_INVALID (remove_components of a named field), NG_E_LATCHED. */
NG_MUST_USE ng_status ngi_searched_begin(const ng_store *store, ng_vector_field_id id,
                                         int32_t remove_components, store_searched *out);
void ngi_searched_end(const store_searched *searched);
/** As ngi_store_read_begin; NG_E_NOT_FOUND if the field was dropped since. What was the default field and
 *  has become a named one is searched to the end; NG_E_CANCELLED if it was dropped then. */
NG_MUST_USE ng_status ngi_searched_read_begin(const store_searched *searched);
/** Derives what the search uses, in slices. */
NG_MUST_USE ng_status ngi_searched_prepare(const store_searched *searched);
/** Changes when scores of before and after are not of one kind. With index_lock held. */
uint64_t ngi_searched_version(const store_searched *searched);

/** Invariants 1 and 2, and those of the indexes; NG_E_INTERNAL. */
NG_MUST_USE ng_status ngi_vector_fields_check(const ng_store *store);
/** Adds what the fields take up. */
void ngi_vector_fields_memory(const ng_store *store, ng_memory_use *floats, ng_memory_use *images,
                              ng_memory_use *rows);

/** Encodes and decodes an image; returns its bytes, 0 if it is not one. */
size_t ngi_vector_image_encode(ng_vector_field_id id, const store_vector_spec *spec, uint8_t *out);
size_t ngi_vector_image_decode(const uint8_t *in, size_t available, ng_vector_field_id *id,
                               store_vector_spec *out);
/** While a state is loaded: a field, then vectors of it, of slots that have none there. NG_E_CORRUPT. */
NG_MUST_USE ng_status ngi_vector_field_load(ng_store *store, ng_vector_field_id id,
                                            const store_vector_spec *spec);
NG_MUST_USE ng_status ngi_vector_field_load_rows(ng_store *store, ng_vector_field_id id,
                                                 const uint8_t *slots, const uint8_t *rows,
                                                 uint32_t count);

#endif
