/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Unit vectors by row, found by nearness approximately, through a graph.
 *
 * A row has links to rows near it in all directions: a candidate is left out if a link already taken
 * is much nearer to it (Subramanya et al. 2019, "DiskANN"). A search keeps the best `effort` rows it
 * has seen and follows the links of the best one that it has not followed yet, until there is none.
 * It begins at those of a few hundred entries, rows spread over all, that are nearest to the query.
 *
 * Nearness is the scalar product of int8 images, so of two lines of memory instead of seven for 100
 * dimensions; the caller measures what is found again, exactly.
 *
 * A graph of all rows at once is made from groups of rows that share a leader: in
 * a group everything is compared with everything, in the cache. Later rows are inserted by a search.
 * A row that is removed still leads on to others until ngi_ann_clean has passed.
 *
 * Threads: reserve, build, insert, remove and clean need the store's lock held for writing; the rest
 * needs it held for reading. */
#ifndef NGI_INDEX_VECTORS_ANN_H
#define NGI_INDEX_VECTORS_ANN_H

#include "os/os_table.h"

#define NGI_ANN_LINKS 32u         /* of a row, at most: two lines of memory */
#define NGI_ANN_EFFORT_MAX 10000u /* of a search */

typedef struct ngi_ann ngi_ann;

/** For vectors of 2..4096 dimensions in rows 0..max_rows - 1. */
NG_MUST_USE ng_status ngi_ann_create(ngi_os *os, ngi_mem *mem, uint32_t dimensions,
                                     uint32_t max_rows, ngi_ann **out);
/** NULL is allowed. */
void ngi_ann_destroy(ngi_ann *ann);

/** Rows that can be found. */
uint32_t ngi_ann_count(const ngi_ann *ann);
bool ngi_ann_has(const ngi_ann *ann, uint32_t row);
/** Those that were removed and not cleaned up after yet. */
uint32_t ngi_ann_removed_count(const ngi_ann *ann);
uint64_t ngi_ann_bytes(const ngi_ann *ann);

/** Room for rows below `rows`. Errors: NG_E_NOMEM, NG_E_LIMIT; leaves no trace. */
NG_MUST_USE ng_status ngi_ann_reserve(ngi_ann *ann, uint32_t rows);

/** All rows at once, in place of what there was. */
typedef struct ngi_ann_source {
    uint32_t row_end;
    /** The unit vector of a row into out[dimensions]; false = the row has none. */
    bool (*vector)(void *context, uint32_t row, float *out);
    /** Asked now and then with how much is done, 0..1, or NULL; false = stop. */
    bool (*go_on)(void *context, double done);
    void *context;
    ngi_mem *mem; /* for what is needed meanwhile */
} ngi_ann_source;

/** The same source gives the same graph, on every processor. Errors: NG_E_NOMEM, NG_E_LIMIT,
 *  NG_E_CANCELLED (go_on); then it is empty. Cost: memory of about 450 bytes a row meanwhile. */
NG_MUST_USE ng_status ngi_ann_build(ngi_ann *ann, const ngi_ann_source *source);
/** Adds a row, for which there is room, or gives it another vector. NG_E_NOMEM: as it was. */
NG_MUST_USE ng_status ngi_ann_insert(ngi_ann *ann, uint32_t row, const float *unit_vector);
/** It is not found any more. Cannot fail; nothing happens if it is not there. */
void ngi_ann_remove(ngi_ann *ann, uint32_t row);
/** Links at most `max_rows` rows past those that were removed, and goes on there the next time; after
 *  the last row what had been removed when it began is forgotten, and it returns false. */
bool ngi_ann_clean(ngi_ann *ann, uint32_t max_rows);

typedef struct ngi_ann_hit {
    float score; /* scalar product of the images */
    uint32_t row;
} ngi_ann_hit;

/** The nearest rows, best first, equal scores by row: at most `effort` of them, 1..NGI_ANN_EFFORT_MAX,
 *  into `out`, which has room for as many. More effort: more of them are right, and it takes longer.
 *  `accept` (may be NULL) says which rows count; others still lead on. Errors: NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_ann_search(const ngi_ann *ann, const float *unit_query, uint32_t effort,
                                     bool (*accept)(void *context, uint32_t row), void *context,
                                     ngi_ann_hit *out, uint32_t *count);

/** Verifies the invariants; NG_E_INTERNAL says what is broken. */
NG_MUST_USE ng_status ngi_ann_check(const ngi_ann *ann);

#endif
