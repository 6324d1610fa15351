/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The inner loops of the spatial index, one version for each instruction set.
 *
 * All arithmetic is on integers, or on float64 with one rounding an operation, so every version gives
 * the same results; tests compare each with the portable one. They serve narrow searches in spaces
 * with one scale for all axes: a bound of at most 32766^2, for which differences saturated to 16 bits
 * and squares summed in 32 bits are exact wherever they matter.
 *
 * Threads: pure functions over constant tables. */
#ifndef NGI_INDEX_GRID_KERNELS_H
#define NGI_INDEX_GRID_KERNELS_H

#include "index/index_grid.h"

#define NGI_GRID_FANOUT 16u   /* one 256-bit vector of 16-bit bounds */
#define NGI_GRID_LEAF_MAX 48u /* three of them: measured against 32 and 64 */

#define NGI_GRID_WITHIN_MAX (NGI_GRID_LEAF_MAX + 16u) /* what `within` may write: a vector more */
#define NGI_GRID_REACH_STEPS 7u /* 1/128 of the farthest: closer costs more than it saves */

/** Bounding boxes of the children of a node. */
typedef struct ngi_grid_boxes {
    int16_t low[NG_AXIS_COUNT][NGI_GRID_FANOUT];
    int16_t high[NG_AXIS_COUNT][NGI_GRID_FANOUT];
} ngi_grid_boxes;

typedef struct ngi_grid_kernels {
    const char *name; /* "avx512" */
    /** Squared distance from `center` to each box (a lower bound of it, where it is over 32767 steps
     *  on an axis); a bit for each that is <= bound. */
    uint32_t (*boxes)(const ngi_grid_boxes *boxes, const int16_t center[NG_AXIS_COUNT],
                      uint32_t bound, uint32_t squared[NGI_GRID_FANOUT]);
    /** The lanes of `from` that have a bit in `mask`, in their order; returns how many. All of `out` may
     * be written. */
    unsigned (*pick)(uint32_t mask, const uint32_t from[NGI_GRID_FANOUT],
                     uint32_t out[NGI_GRID_FANOUT]);
    /** The points within `bound`, in their order, by squared distance; returns how many. `out` has room
     *  for NGI_GRID_WITHIN_MAX, all of which may be written. The arrays have
     *  NGI_GRID_LEAF_MAX elements, of which `count` are points; the others may be loaded while they are
     *  written, and do not matter. */
    unsigned (*within)(const int16_t at[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX], const uint32_t *slot,
                       unsigned count, const int16_t center[NG_AXIS_COUNT], uint32_t bound,
                       ngi_grid_hit *out);
    /** A bound within which there are at least `wanted` of the points, at most NGI_GRID_REACH_STEPS halvings
     *  above the least one; `wanted` is 1..count. */
    uint32_t (*reach)(const int16_t at[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX], unsigned count,
                      const int16_t center[NG_AXIS_COUNT], unsigned wanted);
    /** distance = (float)(sqrt(value) / steps) for each hit {u64 value, u64 slot}, which becomes
     *  {u64 slot, float distance}, where it stands. */
    void (*report)(void *hits, size_t count, double steps);
} ngi_grid_kernels;

/** The fastest version this processor runs. Owns: a constant. */
const ngi_grid_kernels *ngi_grid_kernels_best(void);
/** Every version this processor runs, by `index`, the portable one first; NULL beyond. */
const ngi_grid_kernels *ngi_grid_kernels_at(size_t index);

/** The portable `pick`, which the others without a better one share. */
unsigned ngi_grid_pick(uint32_t mask, const uint32_t from[NGI_GRID_FANOUT],
                       uint32_t out[NGI_GRID_FANOUT]);

#if defined(__x86_64__)
const ngi_grid_kernels *ngi_grid_kernels_x86(size_t index);
#endif
#if defined(__aarch64__)
const ngi_grid_kernels *ngi_grid_kernels_arm(size_t index);
#endif

#endif
