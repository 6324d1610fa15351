/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Kernels of the graph of vectors for NEON, which every aarch64 processor has. */
#include "index/index_vectors_ann_kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>

static int32_t neon_dot(const ngi_ann_query *query, const int8_t *image)
{
    int32x4_t low = vdupq_n_s32(0), high = vdupq_n_s32(0);
    for (size_t i = 0; i < query->stride; i += 16) {
        int8x16_t a = vld1q_s8(query->codes + i), b = vld1q_s8(image + i);
        low = vpadalq_s16(low, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
        high = vpadalq_s16(high, vmull_s8(vget_high_s8(a), vget_high_s8(b)));
    }
    return vaddvq_s32(vaddq_s32(low, high));
}

static void neon_list(const ngi_ann_query *query, const int8_t *images, const uint32_t *rows,
                      size_t count, float scale, float *out)
{
    ngi_ann_list(neon_dot, query, images, rows, count, scale, out);
}

static uint32_t neon_scores(const ngi_ann_query *query, const ngi_ann_block *block, float scale,
                            float threshold, float out[NGI_ANN_BLOCK])
{
    return ngi_ann_scores(neon_dot, query, block, scale, threshold, out);
}

static const ngi_ann_kernels NEON = {.name = "neon",
                                     .dot = neon_dot,
                                     .list = neon_list,
                                     .scores = neon_scores};

const ngi_ann_kernels *ngi_ann_kernels_arm(size_t index)
{
    return index == 0 ? &NEON : NULL;
}

#endif
