/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Points of one space, found by place: a B+-tree in Morton order whose nodes know their bounding
 * boxes, changed by copying, so that readers need no lock.
 *
 *   tree.root -> node: boxes of up to 16 children, first key of each, points below each
 *                  -> ... -> leaf: up to 48 points as x[], y[], z[], slot[]
 *
 * Points are ordered by (Morton code of the raw coordinates, slot). So every point has one place, a
 * million points at one place are as good as any others, and a leaf is a compact piece of space
 * whatever the distribution: dense regions have small leaves, empty ones have none.
 *
 * A change copies the nodes above its leaf, once an op, and the leaf unless a point is only appended to
 * it, and publishes the new root when the op is applied. A search takes the root and sees that moment of the space to its end, however long it
 * runs and whatever the writer does. What is let go of is used again when no search can reach it.
 *
 * A `grid` is the memory of any number of trees: those of the eight spaces and of named grids.
 *
 * Threads: one writer (reserve, put, publish, build). Searches and statistics from any thread, at
 * any time, without a lock. */
#ifndef NGI_INDEX_GRID_H
#define NGI_INDEX_GRID_H

#include "model/model_space.h"
#include "os/os_epoch.h"
#include "os/os_table.h"

typedef struct ngi_grid ngi_grid;

/** The points of one space. Zeroed = empty; it holds nothing of its own. */
typedef struct ngi_grid_tree {
    atomic_uint_fast64_t root; /* released when published, acquired by searches; 0 = empty */
    uint64_t next_root;        /* of the op in progress; guard of this and all below: the writer */
    uint64_t count;            /* points */
    uint32_t leaf_count, node_count;
    uint32_t first_event, event_count;  /* of the op in progress; event + 1, 0 = none */
    struct ngi_grid_tree *next_changed; /* likewise */
    bool changed;
} ngi_grid_tree;

/** A hit while it is searched for. As large as an ng_hit, which it becomes in place. */
typedef struct __attribute__((may_alias)) ngi_grid_hit {
    uint64_t value; /* of the distance, see ngi_metric_value */
    uint64_t slot;
} ngi_grid_hit;

_Static_assert(sizeof(ngi_grid_hit) == sizeof(ng_hit), "a hit is converted where it stands");

/** One search: what is wanted, and what was found. */
typedef struct ngi_grid_search {
    ngi_metric metric;
    int16_t center[NG_AXIS_COUNT];
    bool by_box;                      /* only points with low <= coordinate <= high */
    int16_t low[NG_AXIS_COUNT];       /* with by_box */
    int16_t high[NG_AXIS_COUNT];      /* likewise */
    uint64_t bound;                   /* the largest value wanted */
    uint32_t exclude_slot;            /* 0 = none */
    bool (*accept)(void *, uint32_t); /* further filter, by slot, or NULL */
    bool (*go_on)(void *);            /* asked every few dozen leaves, or NULL; false = stop */
    void *context;                    /* of both */
    ngi_grid_hit *hits;               /* caller's, [capacity] */
    size_t capacity;
    size_t count;    /* kept in `hits` */
    uint64_t found;  /* that match; not by ngi_grid_nearest */
    bool is_stopped; /* go_on said so: the rest is not complete */
} ngi_grid_search;

/** `max_points` bounds what all trees hold together. */
NG_MUST_USE ng_status ngi_grid_create(ngi_os *os, ngi_mem *mem, uint64_t max_points,
                                      ngi_grid **out);
/** NULL is allowed. */
void ngi_grid_destroy(ngi_grid *grid);

/** Begins to make room for an op. */
void ngi_grid_begin(ngi_grid *grid);
/** Room for `changes` points of `tree` that the op puts, moves or removes, in addition to what was
 *  reserved since ngi_grid_begin. Leaves no trace when it fails. */
NG_MUST_USE ng_status ngi_grid_reserve(ngi_grid *grid, const ngi_grid_tree *tree, size_t changes);
/** Notes that the op takes the point of `slot` from where it was to where it is, in raw coordinates;
 *  NULL = nowhere. NG_E_INTERNAL if no room was made. */
NG_MUST_USE ng_status ngi_grid_put(ngi_grid *grid, ngi_grid_tree *tree, uint32_t slot,
                                   const int16_t *old_at, const int16_t *new_at);
/** Makes the changes that were noted, in an order that finds neighbours together, and lets searches
 *  see them: for each tree all at once. NG_E_INTERNAL if a point is not where it should be. */
NG_MUST_USE ng_status ngi_grid_publish(ngi_grid *grid);

typedef struct ngi_grid_point {
    uint32_t slot;
    int16_t at[NG_AXIS_COUNT];
} ngi_grid_point;

/** Replaces everything in `tree` by these points, tightly packed, and publishes it. The array is
 *  reordered. Errors: NG_E_NOMEM, NG_E_LIMIT; then the tree is as it was. */
NG_MUST_USE ng_status ngi_grid_build(ngi_grid *grid, ngi_grid_tree *tree, ngi_grid_point *points,
                                     size_t count);
/** Empties a tree and publishes that. */
void ngi_grid_clear(ngi_grid *grid, ngi_grid_tree *tree);

/** All within the bound, in no order; `hits` receives the first `capacity` of them. */
void ngi_grid_collect(ngi_grid *grid, const ngi_grid_tree *tree, ngi_grid_search *search);
/** The `capacity` nearest within the bound, nearest first, equal ones by slot. */
void ngi_grid_nearest(ngi_grid *grid, const ngi_grid_tree *tree, ngi_grid_search *search);
/** The same, and `found` counts all. */
void ngi_grid_range(ngi_grid *grid, const ngi_grid_tree *tree, ngi_grid_search *search);
/** Only counts. */
void ngi_grid_count(ngi_grid *grid, const ngi_grid_tree *tree, ngi_grid_search *search);
/** Calls `each` for every point that `search` accepts, of one moment, ordered by place and then by slot,
 *  until it returns false. No region, no hits: what it looks at is exclude_slot, accept and go_on. */
void ngi_grid_copy(ngi_grid *grid, const ngi_grid_tree *tree, ngi_grid_search *search,
                   bool (*each)(void *context, uint32_t slot, const int16_t at[NG_AXIS_COUNT]),
                   void *context);
/** For searches that measure by themselves: keeps the hit if it is among the best `capacity` so far;
 *  `bound` becomes the value of the worst when there are so many. Ended by ngi_grid_keep_end, which puts
 *  them in order. */
void ngi_grid_keep(ngi_grid_search *search, uint64_t value, uint32_t slot);
void ngi_grid_keep_end(ngi_grid_search *search);
/** By value, equal ones by slot; no two are the same. Allocates nothing. */
void ngi_grid_sort(ngi_grid_hit *hits, size_t count);
/** Where a point stands in an order that keeps neighbours together (Morton). */
uint64_t ngi_grid_place(const int16_t at[NG_AXIS_COUNT]);
/** Turns `count` hits into those that a caller gets, in place. */
void ngi_grid_report(const ngi_grid_search *search);

typedef struct ngi_grid_stats {
    uint64_t points;
    uint64_t leaves, nodes;
    uint64_t capacity;                               /* points that the leaves could hold */
    uint32_t depth;                                  /* 0 = empty, 1 = one leaf */
    uint64_t bytes;                                  /* of its leaves and nodes */
    int16_t low[NG_AXIS_COUNT], high[NG_AXIS_COUNT]; /* bounds, exact; if there are points */
} ngi_grid_stats;

void ngi_grid_stats_get(ngi_grid *grid, const ngi_grid_tree *tree, ngi_grid_stats *out);
/** Of the leaves and nodes of a tree. For the writer. */
uint64_t ngi_grid_tree_bytes(const ngi_grid_tree *tree);
/** Verifies the invariants of a tree; NG_E_INTERNAL says what is broken. For the writer. */
NG_MUST_USE ng_status ngi_grid_check(const ngi_grid *grid, const ngi_grid_tree *tree);
/** Calls `each` for every point, in no order, until it returns false. For the writer. */
void ngi_grid_each(const ngi_grid *grid, const ngi_grid_tree *tree,
                   bool (*each)(void *context, uint32_t slot, const int16_t at[NG_AXIS_COUNT]),
                   void *context);

#endif
