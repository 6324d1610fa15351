/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The inner loops of the vector index, one version for each instruction set.
 *
 * Every version returns the same bits: integers are exact, and floating-point sums are taken in
 * the order written below, with a rounding after every multiplication and addition (never a fused
 * one). So a result does not depend on the processor, and tests compare each version with the
 * portable one.
 *
 * The int8 image stands in panels of 16 rows, two dimensions of each row side by side, so that one
 * load serves 16 rows and no sum crosses lanes; rows are padded to an even number of dimensions:
 *
 *   panel (pair_count x 32 bytes)
 *   pair 0: r0 d0, r0 d1, r1 d0, r1 d1, ... r15 d0, r15 d1
 *   pair 1: r0 d2, r0 d3, r1 d2, r1 d3, ... r15 d2, r15 d3
 *
 * The query of a scan is int16, so that its part of the error hardly counts. Measured on 341,479 x
 * 100 word vectors against an int8 query: a fifth to a third fewer rows need an exact score, and
 * the scan takes no longer, because it waits for memory.
 *
 * Threads: pure functions over constant tables. */
#ifndef NGI_INDEX_KERNELS_H
#define NGI_INDEX_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NGI_PANEL_ROWS 16u
#define NGI_PANEL_PAIR_BYTES 32u /* two dimensions of every row of a panel */

/** What the filter needs of each row of a panel, for one way of measuring rows. */
typedef struct ngi_panel_bounds {
    float gain[NGI_PANEL_ROWS]; /* NaN = nothing is known of this row */
    float shift[NGI_PANEL_ROWS];
} ngi_panel_bounds;

/** What the filter needs of the query. */
typedef struct ngi_bound {
    float step;      /* one unit of the int16 query */
    float margin;    /* covers what the query lost and every rounding */
    float norm;      /* norm of the quantised query */
    float offset;    /* of the centre, in units of shift */
    float threshold; /* rows whose bound is below cannot matter */
} ngi_bound;

typedef struct ngi_kernels {
    const char *name; /* "avx512-vnni" */
    /** Sum of a[i] * b[i]: 16 sums, of the i with equal i % 16, each in rising order of i; then
     *  sum[j] += sum[j + w] for all j < w, for w = 8, 4, 2, 1. */
    double (*dot)(const double *a, const float *b, size_t count);
    /** Scalar products of every row of `panel_count` panels with a query of `pair_count` pairs;
     *  `out` receives 16 a panel. The caller sees to it that they fit in 32 bits. */
    void (*panel_dots)(const int8_t *panels, size_t panel_count, const int16_t *query,
                       size_t pair_count, int32_t *out);
    /** A bit for each row with !(bound < threshold), so also where the bound is not a number:
     *  bound = gain * ((step * dot + margin) + norm * error) + shift * offset. */
    void (*filter)(const ngi_bound *bound, const int32_t *dots, const ngi_panel_bounds *bounds,
                   const float *errors, size_t panel_count, uint16_t *masks);
} ngi_kernels;

/** The fastest version this processor runs. Owns: a constant. */
const ngi_kernels *ngi_kernels_best(void);
/** Every version this processor runs, by `index`, the portable one first; NULL beyond. */
const ngi_kernels *ngi_kernels_at(size_t index);

/* The versions of this build, best first, without the portable one; NULL if it has fewer. */
#if defined(__x86_64__)
const ngi_kernels *ngi_kernels_x86(size_t index);
#endif
#if defined(__aarch64__)
const ngi_kernels *ngi_kernels_arm(size_t index);
#endif

#endif
