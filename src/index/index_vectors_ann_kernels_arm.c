/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Kernels of the graph of vectors for NEON, which every aarch64 processor has. */
#include "index/index_vectors_ann_kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>

static int32x4_t neon_add(int32x4_t sum, int8x16_t a, int8x16_t b)
{
    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(sum, vmull_s8(vget_high_s8(a), vget_high_s8(b)));
}

static void neon_list(const ngi_ann_query *query, const uint8_t *images, const uint32_t *rows,
                      size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *image = images + rows[i] * query->stride;
        int32x4_t low = vdupq_n_s32(0), high = vdupq_n_s32(0);
        for (size_t k = 0; k < query->stride; k += 16) {
            uint8x16_t codes = vld1q_u8(image + k);
            low = neon_add(low, vreinterpretq_s8_u8(vandq_u8(codes, vdupq_n_u8(query->mask))),
                           vld1q_s8(query->low + k));
            high = neon_add(high, vreinterpretq_s8_u8(vshrq_n_u8(codes, 4)),
                            vld1q_s8(query->high + k));
        }
        out[i] = ngi_ann_score_of(query, image, vaddvq_s32(vaddq_s32(low, high)));
    }
}

/* The sums of the four codes of each of four rows with four of a query. */
static int32x4_t neon_four_rows(int32x4_t sums, const uint8_t *panel, int8x16_t query)
{
    int8x16_t rows = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(panel), vdupq_n_u8(128)));
    int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(rows), vget_low_s8(query)));
    int32x4_t high = vpaddlq_s16(vmull_s8(vget_high_s8(rows), vget_high_s8(query)));
    return vaddq_s32(sums, vpaddq_s32(low, high));
}

static void neon_compare(const ngi_ann_batch *batch, const ngi_ann_panel *panel,
                         ngi_ann_compared *out)
{
    for (size_t at = 0; at < NGI_ANN_BATCH; at++) {
        int32x4_t sums[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
        int32_t each[NGI_ANN_PANEL];
        for (size_t k = 0; k < batch->width; k += 4) {
            int32_t four;
            memcpy(&four, &batch->codes[at][k], sizeof four);
            int8x16_t query = vreinterpretq_s8_s32(vdupq_n_s32(four));
            for (size_t i = 0; i < 4; i++)
                sums[i] = neon_four_rows(sums[i], panel->codes + k * NGI_ANN_PANEL + 16 * i, query);
        }
        for (size_t i = 0; i < 4; i++)
            vst1q_s32(each + 4 * i, sums[i]);
        for (size_t row = 0; row < NGI_ANN_PANEL; row++)
            ngi_ann_compared_set(batch, panel, at, row, each[row] + batch->excess[at], out);
    }
}

static const ngi_ann_kernels NEON = {.name = "neon", .list = neon_list, .compare = neon_compare};

const ngi_ann_kernels *ngi_ann_kernels_arm(size_t index)
{
    return index == 0 ? &NEON : NULL;
}

#endif
