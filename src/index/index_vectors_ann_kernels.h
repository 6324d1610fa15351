/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Scalar products of int8 images, one version for each instruction set. They are sums of integers, so
 * every version gives the same.
 *
 * An image is a block of `stride` bytes, a multiple of NGI_ANN_LINE: the codes, -127..127, then zeros,
 * and in the last eight bytes what ngi_ann_tail says. A query has zeros wherever an image has no code.
 *
 * Threads: pure functions over constant tables. */
#ifndef NGI_INDEX_VECTORS_ANN_KERNELS_H
#define NGI_INDEX_VECTORS_ANN_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NGI_ANN_LINE 64u
#define NGI_ANN_STRIDE_MAX (4096u + NGI_ANN_LINE)
#define NGI_ANN_BLOCK 16u /* images that are compared together */

typedef struct ngi_ann_tail {
    float scale; /* times a code = the number it stands for */
    int32_t sum; /* of the codes */
} ngi_ann_tail;

/** The codes of a query, in the two forms that kernels read. */
typedef struct ngi_ann_query {
    size_t stride;
    _Alignas(64) int8_t codes[NGI_ANN_STRIDE_MAX];
    _Alignas(64) uint8_t raised[NGI_ANN_STRIDE_MAX]; /* code + 128; 0 where there is none */
} ngi_ann_query;

typedef struct ngi_ann_block {
    const int8_t *images;
    const float *scales;
    const int32_t *sums;
} ngi_ann_block;

typedef struct ngi_ann_kernels {
    const char *name;
    int32_t (*dot)(const ngi_ann_query *query, const int8_t *image);
    /** Scores, product x (scale x that of the tail), of those of the images that `rows` names. */
    void (*list)(const ngi_ann_query *query, const int8_t *images, const uint32_t *rows,
                 size_t count, float scale, float *out);
    /** Scores, product x (scale x scales[i]), of NGI_ANN_BLOCK images that stand one behind the other,
     *  with what their tails say apart; a bit for each that is above `threshold`. */
    uint32_t (*scores)(const ngi_ann_query *query, const ngi_ann_block *block, float scale,
                       float threshold, float out[NGI_ANN_BLOCK]);
} ngi_ann_kernels;

/** `list` and `scores` by way of a `dot`. */
static inline void ngi_ann_list(int32_t (*dot)(const ngi_ann_query *, const int8_t *),
                                const ngi_ann_query *query, const int8_t *images,
                                const uint32_t *rows, size_t count, float scale, float *out)
{
    for (size_t i = 0; i < count; i++) {
        const int8_t *image = images + rows[i] * query->stride;
        ngi_ann_tail tail;
        memcpy(&tail, image + query->stride - sizeof tail, sizeof tail);
        out[i] = (float)dot(query, image) * (scale * tail.scale);
    }
}

static inline uint32_t ngi_ann_scores(int32_t (*dot)(const ngi_ann_query *, const int8_t *),
                                      const ngi_ann_query *query, const ngi_ann_block *block,
                                      float scale, float threshold, float out[NGI_ANN_BLOCK])
{
    uint32_t above = 0;
    for (size_t i = 0; i < NGI_ANN_BLOCK; i++) {
        out[i] = (float)dot(query, block->images + i * query->stride) * (scale * block->scales[i]);
        above |= (uint32_t)(out[i] > threshold) << i;
    }
    return above;
}

/** The fastest version this processor runs. Owns: a constant. */
const ngi_ann_kernels *ngi_ann_kernels_best(void);
/** Every version this processor runs, by `index`, the portable one first; NULL beyond. */
const ngi_ann_kernels *ngi_ann_kernels_at(size_t index);

#if defined(__x86_64__)
const ngi_ann_kernels *ngi_ann_kernels_x86(size_t index);
#endif
#if defined(__aarch64__)
const ngi_ann_kernels *ngi_ann_kernels_arm(size_t index);
#endif

#endif
