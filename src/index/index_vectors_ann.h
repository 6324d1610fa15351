/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Vectors by row, found by nearness approximately, through a graph.
 *
 * A row has links to rows near it in all directions: a candidate is left out if a link already taken
 * is much nearer to it (Subramanya et al. 2019, "DiskANN"). A search keeps the best `effort` rows it
 * has seen and follows the links of the best ones that it has not followed yet, until there are none.
 * It begins at those of a few hundred entries, rows spread over all, that are nearest to the query.
 *
 * Nearness is measured on images of four bits a number, so on one line of memory instead of seven for
 * 100 dimensions; the caller measures what is found again, exactly. Rows are near each other by their
 * distance, which for unit vectors is the order of cosines; a query may ask for the largest scalar
 * product instead.
 *
 * A graph of all rows at once is made from groups of rows that share a leader: in a group everything is
 * compared with everything, in the cache; then neighbours of a row are compared with each other. Later
 * rows are inserted by a search. A row that is removed still leads on to others until ngi_ann_clean has
 * passed.
 *
 * Threads: reserve, build, insert, remove and clean need the store's lock held for writing; the rest
 * needs it held for reading. */
#ifndef NGI_INDEX_VECTORS_ANN_H
#define NGI_INDEX_VECTORS_ANN_H

#include "os/os_table.h"

#define NGI_ANN_LINKS 48u         /* of a row, at most: three lines of memory */
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
    /** The vector of a row, finite, into out[dimensions]; false = the row has none. */
    bool (*vector)(void *context, uint32_t row, float *out);
    /** Asked now and then with how much is done, 0..1, or NULL; false = stop. */
    bool (*go_on)(void *context, double done);
    void *context;
    ngi_mem *mem; /* for what is needed meanwhile */
} ngi_ann_source;

/** The same source gives the same graph, on every processor. Errors: NG_E_NOMEM, NG_E_LIMIT,
 *  NG_E_CANCELLED (go_on); then it is empty. Cost: memory of about 600 bytes + `dimensions` a row meanwhile. */
NG_MUST_USE ng_status ngi_ann_build(ngi_ann *ann, const ngi_ann_source *source);
/** Adds a row, for which there is room, or gives it another vector. NG_E_NOMEM: as it was. */
NG_MUST_USE ng_status ngi_ann_insert(ngi_ann *ann, uint32_t row, const float *vector);
/** It is not found any more. Cannot fail; nothing happens if it is not there. */
void ngi_ann_remove(ngi_ann *ann, uint32_t row);
/** Links at most `max_rows` rows past those that were removed, and goes on there the next time; after
 *  the last row what had been removed when it began is forgotten, and it returns false. */
bool ngi_ann_clean(ngi_ann *ann, uint32_t max_rows);

/** Links of a row that is there, to rows that are there; returns how many. With them and its vectors a
 *  graph can be put together again: first all rows, then their links, then the end. */
unsigned ngi_ann_get_links(const ngi_ann *ann, uint32_t row, uint32_t out[NGI_ANN_LINKS]);
/** A row, for which there is room, without links. Cannot fail; so the next two. */
void ngi_ann_restore_row(ngi_ann *ann, uint32_t row, const float *vector);
/** Links of a row that is there; those that lead nowhere, or a second time, are left out. */
void ngi_ann_restore_links(ngi_ann *ann, uint32_t row, const uint32_t *links, unsigned count);
void ngi_ann_restore_end(ngi_ann *ann);

typedef struct ngi_ann_hit {
    float
        score; /* scalar product with the image, and minus half of the squared length if by distance */
    uint32_t row;
} ngi_ann_hit;

typedef struct ngi_ann_request {
    const float *query; /* [dimensions], finite */
    uint32_t
        effort; /* 1..NGI_ANN_EFFORT_MAX. More: more of what is found is right, and it takes longer */
    bool by_product; /* the largest scalar products, not the least distances */
    bool (*accept)(void *context,
                   uint32_t row); /* NULL = all; which rows count. Others still lead on */
    void *context;
} ngi_ann_request;

/** The nearest rows, best first, equal scores by row: at most `effort` of them into `out`, which has room
 *  for as many. Errors: NG_E_NOMEM. Cost: beside the walk, an eighth of a byte for each row. */
NG_MUST_USE ng_status ngi_ann_search(const ngi_ann *ann, const ngi_ann_request *request,
                                     ngi_ann_hit *out, uint32_t *count);

/** The standard deviation of the score of a row beside a query of this length, whose largest number is
 *  `peak`: by what image and query leave out of the numbers. */
double ngi_ann_deviation(const ngi_ann *ann, uint32_t row, double length, double peak);

/** Verifies the invariants; NG_E_INTERNAL says what is broken. */
NG_MUST_USE ng_status ngi_ann_check(const ngi_ann *ann);

#endif
