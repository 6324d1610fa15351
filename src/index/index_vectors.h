/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Embedding vectors by token slot, with exact cosine search.
 *
 * float32 rows as given are the truth. Beside each row stand values derived from it, never stored
 * on disk: an int8 image with its error bound, and inverse norms. A search scores the int8 image,
 * and every row whose score plus bound can reach the result is scored again in float64.
 *
 * Cosine after removing components: with P the projection that removes the top k components,
 * q' = P(q - mean) / |P(q - mean)| and rows likewise, score = (q'.v - q'.mean) / |P(v - mean)|,
 * because P is symmetric and idempotent. So one matrix serves every k; only norms differ.
 *
 * Threads: reserve, put, remove, prepare and set_projection need the store's lock held for writing,
 * put and remove inside a change of the slot (base_shared.h); has and read need no lock; the rest
 * needs it held for reading, except finish and destroy of a search. */
#ifndef NGI_INDEX_VECTORS_H
#define NGI_INDEX_VECTORS_H

#include "os/os_table.h"

#define NGI_VECTORS_LINKS 48u /* of a row of a graph, at most */

typedef struct ngi_vectors ngi_vectors; /* defined in index_vectors_private.h */
typedef struct ngi_ann ngi_ann;         /* index_vectors_ann.h */

NG_MUST_USE ng_status ngi_vectors_create(ngi_os *os, ngi_mem *mem, uint32_t max_slots,
                                         ngi_vectors **out);
void ngi_vectors_destroy(ngi_vectors *vectors);

/** Gives back what the vectors take up, but for the address range in which readers without a lock may
 *  still look; they find no vector. Nobody else uses it any more: what is left is to destroy it. */
void ngi_vectors_retire(ngi_vectors *vectors);

/** 0 until the first reserve fixes it. */
uint32_t ngi_vectors_dimensions(const ngi_vectors *vectors);
uint64_t ngi_vectors_count(const ngi_vectors *vectors);
/** What the vectors take up, their images with the errors, and all the rest. */
void ngi_vectors_memory(const ngi_vectors *vectors, ng_memory_use *floats, ng_memory_use *images,
                        ng_memory_use *rows);

/** Makes room so that `rows` further puts, of slots up to `max_slot`, cannot fail. Fixes the
 *  dimensions when none are fixed yet. Errors: NG_E_INVALID (other dimensions: names both),
 *  NG_E_NOMEM, NG_E_LIMIT; leaves no trace. */
NG_MUST_USE ng_status ngi_vectors_reserve(ngi_vectors *vectors, uint32_t dimensions, size_t rows,
                                          uint32_t max_slot);
/** Stores or replaces the vector of a slot; `little_endian_floats` may be at any address. Cannot
 *  fail. No floating-point arithmetic; the row's derived values are marked as missing. */
void ngi_vectors_put(ngi_vectors *vectors, uint32_t slot, const uint8_t *little_endian_floats);
/** Removes the vector of a slot, if it has one; its row is used again. Cannot fail. */
void ngi_vectors_remove(ngi_vectors *vectors, uint32_t slot);
/** The row, or NULL. */
const float *ngi_vectors_get(const ngi_vectors *vectors, uint32_t slot);
/** For a reader without a lock: whether a slot has a vector, and a copy of at most `capacity` of its
 *  numbers; returns how many it has, 0 = none. The changes of a row are those of its slot. */
bool ngi_vectors_has(const ngi_vectors *vectors, uint32_t slot);
size_t ngi_vectors_read(const ngi_vectors *vectors, uint32_t slot, float *out, size_t capacity);

/** Tables that a view mirrors: row + 1 by slot (u32, 0 = none), and rows (float [dimensions]).
 *  Zeroed until the dimensions are fixed. */
ngi_table *ngi_vectors_slot_table(ngi_vectors *vectors);
ngi_table *ngi_vectors_row_table(ngi_vectors *vectors);
/** Rows from this one on have never been used. */
uint32_t ngi_vectors_row_end(const ngi_vectors *vectors);

/** Counts installations of a projection. */
uint64_t ngi_vectors_projection_version(const ngi_vectors *vectors);
/** Installs mean [dimensions] and components [component_count][dimensions] (copied; NULL mean
 *  removes them) after ngi_vectors_reserve_projection. Norms are derived anew by prepare. */
NG_MUST_USE ng_status ngi_vectors_reserve_projection(ngi_vectors *vectors, uint32_t dimensions,
                                                     uint32_t component_count);
void ngi_vectors_set_projection(ngi_vectors *vectors, const uint8_t *little_endian_mean,
                                const uint8_t *little_endian_components, uint32_t component_count);

/* `remove_components`, everywhere below, says how rows are measured: 0 = the default, NG_PLAIN_COSINE, or
 * how many of the top components are removed after centring; NGI_SELECT_DOT = by the scalar product;
 * NGI_SELECT_L2 = by minus the squared distance. Without a projection the default is the plain cosine and
 * a number is NG_E_INVALID; with one the default is 2, or what there is if that is fewer (and one
 * dimension is always left). More than there are is NG_E_INVALID, naming both.
 *
 * A row has no direction, and never appears in a result, if it is the zero vector, or if its
 * projection is zero (less than a millionth of its centred length: float32 holds no more). By scalar
 * product and distance every row counts. */
#define NGI_SELECT_DOT (-2)
#define NGI_SELECT_L2 (-3)

/** Whether every row has the derived values that a search with `remove_components` uses; false if
 *  that is invalid, and then prepare says why. */
bool ngi_vectors_is_prepared(const ngi_vectors *vectors, int32_t remove_components);
/** Derives missing values of at most `max_rows` rows; call until is_prepared. Values once derived
 *  are kept for each `remove_components` that was asked for, 16 bytes a row.
 *  Errors: NG_E_INVALID (remove_components), NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_vectors_prepare(ngi_vectors *vectors, int32_t remove_components,
                                          size_t max_rows);

/** dst += sign x unit vector of `slot` (the vector itself by scalar product and distance) (or of `vector`, when not NULL), centred and with components
 *  removed as asked. false if there is no vector, it has no direction, or `remove_components` is
 *  invalid; then dst is as it was. Allocates nothing. */
bool ngi_vectors_accumulate(const ngi_vectors *vectors, uint32_t slot, const float *vector,
                            double sign, int32_t remove_components, double *dst);

/** The same of many at once, for `slots` of which each is 0 or has a row or has none: dst
 *  [count][dimensions] receives what accumulate adds to zeros, bit for bit, and `has` whether there is a
 *  direction; without one the row is zeros. Errors: NG_E_INVALID (remove_components). */
NG_MUST_USE ng_status ngi_vectors_units(const ngi_vectors *vectors, const uint32_t *slots,
                                        size_t count, int32_t remove_components, double *dst,
                                        bool *has);

typedef struct ngi_vector_hit {
    double score;
    uint32_t slot;
} ngi_vector_hit;

/** One search: its prepared query and its best hits so far. */
typedef struct ngi_vector_search ngi_vector_search;

/** Begins a search for the `limit` best rows, those with the highest scores. `query` [dimensions] lies already in the projected
 *  space (see accumulate), of any length where cosines are asked for. `accept` (may be NULL) is asked only about rows that would
 *  enter the result. Errors: NG_E_INVALID (a non-finite query, one without
 *  direction for cosines, limit 0, remove_components), NG_E_NOMEM. Owns: the caller, until ngi_vector_search_destroy. */
NG_MUST_USE ng_status ngi_vector_search_begin(const ngi_vectors *vectors, const double *query,
                                              int32_t remove_components, size_t limit,
                                              bool (*accept)(void *context, uint32_t slot),
                                              void *context, ngi_vector_search **out);
/** Scores rows [*row, *row + max_rows) and advances *row; false when there are no more. A row
 *  without derived values is scored in float64 directly, so a search is always exact. Between
 *  slices vectors may be put, removed and prepared: rows that do not change count as they would
 *  have, and no slot is found twice. After a new projection going on is safe but mixes two kinds of
 *  scores: begin again. */
bool ngi_vector_search_slice(ngi_vector_search *search, size_t *row, size_t max_rows);
/** The score of the vector of a slot, the same bits as in a slice; false if it has none, or no direction. */
bool ngi_vector_search_score(const ngi_vector_search *search, uint32_t slot, double *out);
/** In place of slices as well: offers the vector of a slot, if it has one. */
void ngi_vector_search_offer_slot(ngi_vector_search *search, uint32_t slot);
/** Best first, equal scores by slot; returns how many. `*compared` (may be NULL) receives how many
 *  rows were compared. */
size_t ngi_vector_search_finish(ngi_vector_search *search, ngi_vector_hit *out, uint64_t *compared);
/** NULL is allowed. */
void ngi_vector_search_destroy(ngi_vector_search *search);

/* --- the graph of approximate search: derived from the vectors as well, for one `remove_components` */

/** A graph that is being built beside everything else. */
typedef struct ngi_vectors_job {
    ngi_ann *ann;
    uint32_t setting;
    uint32_t row_end;
    uint64_t projection_version;
} ngi_vectors_job;

/** Begins: from here on it is noted which rows change. One at a time: NG_E_BUSY. Errors: NG_E_INVALID
 *  (remove_components), NG_E_NOMEM. Lock for writing; so for ngi_vectors_job_end. */
NG_MUST_USE ng_status ngi_vectors_job_begin(ngi_vectors *vectors, int32_t remove_components,
                                            ngi_vectors_job *job);
/** The direction of a row into out[dimensions]; false if it has no vector. Lock for reading. */
bool ngi_vectors_job_row(const ngi_vectors *vectors, const ngi_vectors_job *job, uint32_t row,
                         float *out);
/** Puts what was built in place of the graph there was, if `is_built`. False if the projection has
 *  changed meanwhile; then nothing is put in place. */
bool ngi_vectors_job_end(ngi_vectors *vectors, ngi_vectors_job *job, bool is_built);

/** Brings a graph back that was kept, from a job that has begun: every slot that it had, then the slots
 *  that each led to, then the end of the job. Slots without a vector are passed over. Nobody else uses
 *  the vectors meanwhile. `restore_begin` makes room: NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_vectors_restore_begin(const ngi_vectors *vectors, ngi_vectors_job *job);
void ngi_vectors_restore_slot(const ngi_vectors *vectors, ngi_vectors_job *job, uint32_t slot);
void ngi_vectors_restore_links(const ngi_vectors *vectors, ngi_vectors_job *job, uint32_t slot,
                               const uint32_t *slots, unsigned count);
void ngi_vectors_restore_end(ngi_vectors_job *job);

typedef struct ngi_vectors_graph_info {
    int32_t select; /* `remove_components` that it is for, never 0 */
    uint32_t removed_components; /* 0 = plain */
    uint64_t rows;               /* that it has */
    uint64_t bytes;
} ngi_vectors_graph_info;

/** False if there is none. */
bool ngi_vectors_graph_get(const ngi_vectors *vectors, ngi_vectors_graph_info *out);
/** The slot of a row of the graph and those it leads to, at most NGI_VECTORS_LINKS, into `links`; 0 = the
 *  row is not in it. */
uint32_t ngi_vectors_graph_links(const ngi_vectors *vectors, uint32_t row, uint32_t *links,
                                 unsigned *count);
void ngi_vectors_graph_drop(ngi_vectors *vectors);
/** Whether the graph can answer for `remove_components`, once it is prepared. */
bool ngi_vectors_graph_serves(const ngi_vectors *vectors, int32_t remove_components);
/** Whether every row is in it: then it can answer. */
bool ngi_vectors_graph_is_complete(const ngi_vectors *vectors);
/** Whether, besides, few that were removed are: then there is nothing to do. */
bool ngi_vectors_graph_is_prepared(const ngi_vectors *vectors);
/** Brings in at most `max_rows` rows that have changed, or as much time goes into what was removed; call
 *  until it is prepared. NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_vectors_graph_prepare(ngi_vectors *vectors, uint32_t max_rows);
/** In place of slices: offers the search the `effort` rows that the graph finds, walking on from the best
 *  `breadth`; those kept have exact scores. Some of the nearest may be missing. Errors: NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_vector_search_graph(ngi_vector_search *search, uint32_t effort,
                                              uint32_t breadth);

/** Verifies the invariants and every derived value; NG_E_INTERNAL says what is broken. */
NG_MUST_USE ng_status ngi_vectors_check(const ngi_vectors *vectors);

#endif
