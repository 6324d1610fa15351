/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Scalar products of quantised vectors, one version for each instruction set. They are sums of
 * integers, so every version gives the same.
 *
 * What is walked through are *images*, so small that a vector of 100 numbers is one line of memory: a
 * block of `stride` bytes, a multiple of NGI_ANN_LINE, with codes at its beginning, then zeros, and
 * ngi_ann_tail at the end. Either a byte has two codes of four bits, 0..15, those of numbers [0, half) low
 * and of [half, dimensions) high; or, where there is room in a line, one of seven bits, 0..127. A code c
 * stands for (2c - code_max) x scale.
 *
 * What a graph is built from are *codes* of eight bits, -127..127, in panels of 16 rows that are compared
 * with eight queries at once.
 *
 * Threads: pure functions over constant tables. */
#ifndef NGI_INDEX_VECTORS_ANN_KERNELS_H
#define NGI_INDEX_VECTORS_ANN_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NGI_ANN_LINE 64u
#define NGI_ANN_STRIDE_MAX (2048u + NGI_ANN_LINE)
#define NGI_ANN_WIDTH_MAX 4096u /* codes of a row */
#define NGI_ANN_PANEL 16u       /* rows of a panel */
#define NGI_ANN_BATCH 8u        /* queries that are compared with it at once */

typedef struct ngi_ann_tail {
    float scale;     /* times 2c - code_max = the number a code stands for */
    float shift;     /* half of the squared length of the vector */
    float deviation; /* of the score of a query of length 1, by what the codes make wrong */
} ngi_ann_tail;

/** A query: codes -127..127 in the places of those of an image, zeros where an image has none. */
typedef struct ngi_ann_query {
    size_t stride;
    float scale;    /* times a code = the number it stands for */
    int32_t excess; /* code_max of the images x the sum of the codes */
    uint8_t mask;   /* of what is a low code: code_max */
    float shifted;  /* 1 = a score is product - shift, 0 = the product */
    _Alignas(64) int8_t low[NGI_ANN_STRIDE_MAX];
    _Alignas(64) int8_t high[NGI_ANN_STRIDE_MAX];
} ngi_ann_query;

typedef struct ngi_ann_batch {
    size_t width; /* codes of each, a multiple of four; zeros at the end */
    float scales[NGI_ANN_BATCH];
    float thresholds[NGI_ANN_BATCH];
    int32_t excess[NGI_ANN_BATCH]; /* 128 x the sum of the codes */
    _Alignas(64) int8_t codes[NGI_ANN_BATCH][NGI_ANN_WIDTH_MAX + NGI_ANN_LINE];
} ngi_ann_batch;

typedef struct ngi_ann_panel {
    const uint8_t *codes; /* [width / 4][NGI_ANN_PANEL][4], each raised by 128; whole lines */
    const float *scales;  /* [NGI_ANN_PANEL] */
    const float *shifts;
} ngi_ann_panel;

typedef struct ngi_ann_compared {
    float scores[NGI_ANN_BATCH][NGI_ANN_PANEL]; /* product x (scale x scale) - shift */
    uint16_t above[NGI_ANN_BATCH];              /* a bit for each that is above the threshold */
} ngi_ann_compared;

typedef struct ngi_ann_kernels {
    const char *name;
    /** Scores of those of the images that `rows` names. */
    void (*list)(const ngi_ann_query *query, const uint8_t *images, const uint32_t *rows,
                 size_t count, float *out);
    void (*compare)(const ngi_ann_batch *batch, const ngi_ann_panel *panel, ngi_ann_compared *out);
} ngi_ann_kernels;

/** The score that a sum of codes x codes makes. */
static inline float ngi_ann_score_of(const ngi_ann_query *query, const uint8_t *image, int32_t sum)
{
    ngi_ann_tail tail;
    memcpy(&tail, image + query->stride - sizeof tail, sizeof tail);
    float product = (float)(2 * sum - query->excess) * (query->scale * tail.scale);
    return product - query->shifted * tail.shift;
}

/** Likewise for row `row` of a panel beside query `at` of a batch. */
static inline void ngi_ann_compared_set(const ngi_ann_batch *batch, const ngi_ann_panel *panel,
                                        size_t at, size_t row, int32_t sum, ngi_ann_compared *out)
{
    float product = (float)(sum - batch->excess[at]) * (batch->scales[at] * panel->scales[row]);
    out->scores[at][row] = product - panel->shifts[row];
    uint16_t bit = out->scores[at][row] > batch->thresholds[at];
    out->above[at] = (uint16_t)((row == 0 ? 0u : out->above[at]) | (unsigned)bit << row);
}

/** The fastest version this processor runs. Owns: a constant. */
const ngi_ann_kernels *ngi_ann_kernels_best(void);
/** Every version this processor runs, by `index`, the portable one first; NULL beyond. */
const ngi_ann_kernels *ngi_ann_kernels_at(size_t index);
/** The portable version of `compare`. */
void ngi_ann_compare_portable(const ngi_ann_batch *batch, const ngi_ann_panel *panel,
                              ngi_ann_compared *out);

#if defined(__x86_64__)
const ngi_ann_kernels *ngi_ann_kernels_x86(size_t index);
#endif
#if defined(__aarch64__)
const ngi_ann_kernels *ngi_ann_kernels_arm(size_t index);
#endif

#endif
