/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The graph of vectors from inside.
 *
 *   images   by row: codes, tail; see index_vectors_ann_kernels.h
 *   links    by row: rows, then ANN_NONE
 *   states   by row: ann_state
 *   entries  rows where searches begin
 *
 * Invariants (ngi_ann_check):
 *  1. links of a row are different rows, not itself, each of which is there or was removed.
 *  2. only a row that is there or was removed has links; `counts` says how many rows are in each state.
 *  3. an entry is there or was removed. While a row is there, so is an entry.
 *  4. a tail is that of the vector: its shift is half of the squared length, its scale that with which
 *     the product of image and vector is the squared length; all 0 for a zero vector. */
#ifndef NGI_INDEX_VECTORS_ANN_PRIVATE_H
#define NGI_INDEX_VECTORS_ANN_PRIVATE_H

#include "index/index_vectors_ann.h"
#include "index/index_vectors_ann_kernels.h"

#include <string.h>

#define ANN_NONE UINT32_MAX
#define ANN_OWN_LINKS 32u    /* that a row chooses; the rest is for rows that chose it */
#define ANN_LEAST_LINKS 12u  /* that a row chooses if it can, also shadowed ones */
#define ANN_ENTRY_ROWS 1000u /* an entry for so many */
#define ANN_ENTRIES_MAX 1024u
#define ANN_QUERY_MAX 127     /* code of a query */
#define ANN_CODE_MAX 127u     /* of an image that has room for a byte a code in one line */
#define ANN_HALF_CODE_MAX 15u /* of others, with two codes a byte */
#define ANN_SHADOW 1.2f       /* a link so much nearer to a candidate than the row is shadows it */

typedef enum ann_state {
    ANN_ABSENT = 0,
    ANN_PRESENT = 1,
    ANN_REMOVED = 2,
    ANN_REMOVED_LATE = 3, /* after the pass of ngi_ann_clean that goes on has begun */
    ANN_STATES = 4
} ann_state;

/* A row that may become a link, or a hit. */
typedef struct ann_candidate {
    float score;
    uint32_t row;
} ann_candidate;

_Static_assert(sizeof(ann_candidate) == sizeof(ngi_ann_hit), "candidates become hits in place");

struct ngi_ann {
    ngi_os *os;
    ngi_mem *mem;
    const ngi_ann_kernels *kernels;
    uint32_t dimensions;
    uint32_t code_max; /* of an image: ANN_CODE_MAX or ANN_HALF_CODE_MAX */
    size_t half;       /* bytes of an image that have codes: see index_vectors_ann_kernels.h */
    size_t stride;     /* of an image */
    uint32_t row_end;
    uint32_t clean_next;         /* row that ngi_ann_clean goes on with; 0 = no pass goes on */
    uint32_t counts[ANN_STATES]; /* of rows below row_end */
    uint32_t entry_count;
    uint32_t entries[ANN_ENTRIES_MAX];
    ngi_table images, links, states;
};

static inline uint8_t *ann_image(const ngi_ann *ann, uint32_t row)
{
    return ann->images.base + row * ann->stride;
}

static inline uint32_t *ann_links(const ngi_ann *ann, uint32_t row)
{
    return (uint32_t *)(void *)ann->links.base + (size_t)row * NGI_ANN_LINKS;
}

static inline uint8_t *ann_state_of(const ngi_ann *ann, uint32_t row)
{
    return ann->states.base + row;
}

static inline ngi_ann_tail ann_tail(const ngi_ann *ann, uint32_t row)
{
    ngi_ann_tail tail;
    memcpy(&tail, ann_image(ann, row) + ann->stride - sizeof tail, sizeof tail);
    return tail;
}

static inline unsigned ann_link_count(const uint32_t *links)
{
    unsigned count = 0;
    while (count < NGI_ANN_LINKS && links[count] != ANN_NONE)
        count++;
    return count;
}

static inline void ann_fetch(const ngi_ann *ann, uint32_t row)
{
    const uint8_t *image = ann_image(ann, row);
    for (size_t i = 0; i < ann->stride; i += NGI_ANN_LINE)
        __builtin_prefetch(image + i);
}

/* By score, equal ones by row: an order of all candidates that depends on nothing else. */
static inline bool ann_is_better(ann_candidate a, ann_candidate b)
{
    return a.score > b.score || (a.score == b.score && a.row < b.row);
}

/** Makes `query` ask for what is near a row, or near a vector. */
void ngi_ann_query_row(const ngi_ann *ann, uint32_t row, ngi_ann_query *query);
void ngi_ann_query_vector(const ngi_ann *ann, const float *vector, ngi_ann_query *query);
static inline float ann_score(const ngi_ann *ann, const ngi_ann_query *query, uint32_t row)
{
    float score;
    ann->kernels->list(query, ann->images.base, &row, 1, &score);
    return score;
}

/** The image of a vector, which is finite. */
void ngi_ann_set_image(const ngi_ann *ann, uint32_t row, const float *vector);
/** Puts a row into a state. */
void ngi_ann_set_state(ngi_ann *ann, uint32_t row, ann_state state);
/** Chooses up to `wanted` links of `row` from sorted candidates. Returns how many. */
unsigned ngi_ann_choose(const ngi_ann *ann, uint32_t row, const ann_candidate *candidates,
                        size_t count, unsigned wanted, uint32_t *out);
void ngi_ann_set_links(const ngi_ann *ann, uint32_t row, const uint32_t *links, unsigned count);
void ngi_ann_sort(ann_candidate *candidates, size_t count);
/** Forgets all rows. */
void ngi_ann_clear(ngi_ann *ann);

#endif
