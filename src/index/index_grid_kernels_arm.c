/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Kernels of the spatial index for NEON, which every aarch64 processor has. */
#include "index/index_grid_kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>

/* A bit for each of eight lanes that are all ones. */
static inline uint32_t neon_mask(uint32x4_t low, uint32x4_t high)
{
    static const uint16_t BITS[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    uint16x8_t lanes = vcombine_u16(vmovn_u32(low), vmovn_u32(high));
    return vaddvq_u16(vandq_u16(lanes, vld1q_u16(BITS)));
}

static inline void neon_add_squares(uint32x4_t sums[2], int16x8_t differences)
{
    int16x4_t low = vget_low_s16(differences);
    int16x4_t high = vget_high_s16(differences);
    sums[0] = vaddq_u32(sums[0], vreinterpretq_u32_s32(vmull_s16(low, low)));
    sums[1] = vaddq_u32(sums[1], vreinterpretq_u32_s32(vmull_s16(high, high)));
}

static uint32_t neon_boxes(const ngi_grid_boxes *boxes, const int16_t center[NG_AXIS_COUNT],
                           uint32_t bound, uint32_t squared[NGI_GRID_FANOUT])
{
    uint32x4_t limit = vdupq_n_u32(bound);
    uint32_t mask = 0;
    for (unsigned lane = 0; lane < NGI_GRID_FANOUT; lane += 8) {
        uint32x4_t sums[2] = {vdupq_n_u32(0), vdupq_n_u32(0)};
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            int16x8_t c = vdupq_n_s16(center[axis]);
            int16x8_t below = vqsubq_s16(vld1q_s16(boxes->low[axis] + lane), c);
            int16x8_t above = vqsubq_s16(c, vld1q_s16(boxes->high[axis] + lane));
            neon_add_squares(sums, vmaxq_s16(vmaxq_s16(below, above), vdupq_n_s16(0)));
        }
        vst1q_u32(squared + lane, sums[0]);
        vst1q_u32(squared + lane + 4, sums[1]);
        mask |= neon_mask(vcleq_u32(sums[0], limit), vcleq_u32(sums[1], limit)) << lane;
    }
    return mask;
}

static unsigned neon_within(const int16_t at[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX],
                            const uint32_t *slot, unsigned count,
                            const int16_t center[NG_AXIS_COUNT], uint32_t bound, ngi_grid_hit *out)
{
    uint32x4_t limit = vdupq_n_u32(bound);
    unsigned found = 0;
    for (unsigned i = 0; i < count; i += 8) {
        uint32x4_t sums[2] = {vdupq_n_u32(0), vdupq_n_u32(0)};
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            neon_add_squares(sums, vqsubq_s16(vld1q_s16(at[axis] + i), vdupq_n_s16(center[axis])));
        uint32_t mask = neon_mask(vcleq_u32(sums[0], limit), vcleq_u32(sums[1], limit));
        if (count - i < 8)
            mask &= (1u << (count - i)) - 1;
        if (mask == 0)
            continue;
        uint32_t values[8];
        vst1q_u32(values, sums[0]);
        vst1q_u32(values + 4, sums[1]);
        for (; mask != 0; mask &= mask - 1, found++) {
            unsigned j = (unsigned)__builtin_ctz(mask);
            out[found] = (ngi_grid_hit){values[j], slot[i + j]};
        }
    }
    return found;
}

static uint32_t neon_reach(const int16_t at[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX], unsigned count,
                           const int16_t center[NG_AXIS_COUNT], unsigned wanted)
{
    uint32_t squared[NGI_GRID_LEAF_MAX];
    for (unsigned i = 0; i < count; i += 8) {
        uint32x4_t sums[2] = {vdupq_n_u32(0), vdupq_n_u32(0)};
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            neon_add_squares(sums, vqsubq_s16(vld1q_s16(at[axis] + i), vdupq_n_s16(center[axis])));
        vst1q_u32(squared + i, sums[0]);
        vst1q_u32(squared + i + 4, sums[1]);
    }
    uint32_t low = 0, high = 0;
    for (unsigned i = 0; i < count; i++)
        high = squared[i] > high ? squared[i] : high;
    for (unsigned i = count; i < NGI_GRID_LEAF_MAX; i++)
        squared[i] = UINT32_MAX;
    for (unsigned step = 0; step < NGI_GRID_REACH_STEPS; step++) {
        uint32_t middle = low + (high - low) / 2;
        uint32x4_t limit = vdupq_n_u32(middle), within = vdupq_n_u32(0);
        for (unsigned i = 0; i < NGI_GRID_LEAF_MAX; i += 4)
            within = vsubq_u32(within, vcleq_u32(vld1q_u32(squared + i), limit));
        if (vaddvq_u32(within) >= wanted)
            high = middle;
        else
            low = middle;
    }
    return high;
}

static void neon_report(void *hits, size_t count, double steps)
{
    uint64_t *at = hits;
    float64x2_t divisor = vdupq_n_f64(steps);
    size_t i = 0;
    for (; i + 2 <= count; i += 2, at += 4) {
        uint64x2_t a = vld1q_u64(at);
        uint64x2_t b = vld1q_u64(at + 2);
        float64x2_t roots = vsqrtq_f64(vcvtq_f64_u64(vzip1q_u64(a, b)));
        uint64x2_t wide = vmovl_u32(vreinterpret_u32_f32(vcvt_f32_f64(vdivq_f64(roots, divisor))));
        uint64x2_t slots = vzip2q_u64(a, b);
        vst1q_u64(at, vzip1q_u64(slots, wide));
        vst1q_u64(at + 2, vzip2q_u64(slots, wide));
    }
    if (i < count)
        ngi_grid_kernels_at(0)->report(at, count - i, steps);
}

static const ngi_grid_kernels NEON = {
    .name = "neon",
    .boxes = neon_boxes,
    .pick = ngi_grid_pick,
    .within = neon_within,
    .reach = neon_reach,
    .report = neon_report,
};

const ngi_grid_kernels *ngi_grid_kernels_arm(size_t index)
{
    return index == 0 ? &NEON : NULL;
}

#endif
