/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Spatial search over the token table: exact integer distances, a bounded heap of the best.
 *
 * This is the plain scan: right for every distribution, linear in the number of tokens, driven in
 * slices so that the caller can let the writer in between them. */
#ifndef NGI_INDEX_GRID_H
#define NGI_INDEX_GRID_H

#include "base/base_mem.h"
#include "model/model_space.h"

typedef struct ngi_grid_hit {
    uint64_t squared; /* distance, in raw steps of the metric */
    uint32_t slot;
} ngi_grid_hit;

/** One search. The found hits are a max-heap of at most `capacity`, `found` counts all inside. */
typedef struct ngi_grid_search {
    ngi_metric metric;
    ng_space space;
    int16_t center[NG_AXIS_COUNT];
    uint64_t bound;                               /* largest squared distance wanted */
    uint16_t flags_all;                           /* token flags required */
    uint32_t exclude_slot;                        /* 0 = none */
    bool (*accept)(void *context, uint32_t slot); /* further filter, or NULL */
    void *context;
    ngi_grid_hit *heap; /* caller's, [capacity] */
    size_t capacity;
    size_t heap_count;
    uint64_t found; /* tokens within the bound; the bound itself never shrinks */
} ngi_grid_search;

/** Scans the records of slots [first, first + count); `records` is the table, indexed by slot.
 *  Absent tokens (slot 0) are passed over. Slots may come in any order, each once. */
void ngi_grid_scan(ngi_grid_search *search, const ng_token *records, uint32_t first, size_t count);
/** Orders the heap: nearest first, equal distances by slot. Ends the search: no scan may follow. */
void ngi_grid_finish(ngi_grid_search *search);

#endif
