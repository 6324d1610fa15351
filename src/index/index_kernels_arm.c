/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Kernels for NEON, which every aarch64 processor has. */
#include "index/index_kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>

#define LANES 16u
#define PREFETCH_BYTES 4096u

/* Multiplication and addition stay apart: vmlaq_f64 may be fused, which would change the result. */
static inline void neon_dot_step(float64x2_t sums[LANES / 2], const double *a, const float *b)
{
    for (size_t j = 0; j < LANES / 2; j++) {
        float64x2_t y = vcvt_f64_f32(vld1_f32(b + 2 * j));
        sums[j] = vaddq_f64(sums[j], vmulq_f64(vld1q_f64(a + 2 * j), y));
    }
}

static double neon_dot(const double *a, const float *b, size_t count)
{
    float64x2_t sums[LANES / 2];
    for (size_t j = 0; j < LANES / 2; j++)
        sums[j] = vdupq_n_f64(0);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        neon_dot_step(sums, a + i, b + i);
    if (i < count) {
        /* Padding adds +0, which changes no sum: none is -0, since they began as +0. */
        double x[LANES] = {0};
        float y[LANES] = {0};
        memcpy(x, a + i, (count - i) * sizeof *x);
        memcpy(y, b + i, (count - i) * sizeof *y);
        neon_dot_step(sums, x, y);
    }
    for (size_t width = LANES / 4; width > 0; width /= 2) {
        for (size_t j = 0; j < width; j++)
            sums[j] = vaddq_f64(sums[j], sums[j + width]);
    }
    return vgetq_lane_f64(sums[0], 0) + vgetq_lane_f64(sums[0], 1);
}

static void neon_panel_dots(const int8_t *panels, size_t panel_count, const int16_t *query,
                            size_t pair_count, int32_t *out)
{
    for (size_t panel = 0; panel < panel_count; panel++) {
        int32x4_t sums[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
        for (size_t pair = 0; pair < pair_count; pair++) {
            __builtin_prefetch(panels + PREFETCH_BYTES);
            int8x16x2_t codes = vld2q_s8(panels);
            for (size_t side = 0; side < 2; side++) {
                int16x8_t low = vmovl_s8(vget_low_s8(codes.val[side]));
                int16x8_t high = vmovl_s8(vget_high_s8(codes.val[side]));
                int16_t q = query[2 * pair + side];
                sums[0] = vmlal_n_s16(sums[0], vget_low_s16(low), q);
                sums[1] = vmlal_n_s16(sums[1], vget_high_s16(low), q);
                sums[2] = vmlal_n_s16(sums[2], vget_low_s16(high), q);
                sums[3] = vmlal_n_s16(sums[3], vget_high_s16(high), q);
            }
            panels += NGI_PANEL_PAIR_BYTES;
        }
        for (size_t j = 0; j < 4; j++)
            vst1q_s32(out + 4 * j, sums[j]);
        out += NGI_PANEL_ROWS;
    }
}

static void neon_filter(const ngi_bound *bound, const int32_t *dots, const ngi_panel_bounds *bounds,
                        const float *errors, size_t panel_count, uint16_t *masks)
{
    static const uint32_t BITS[4] = {1, 2, 4, 8};
    float32x4_t step = vdupq_n_f32(bound->step);
    float32x4_t margin = vdupq_n_f32(bound->margin);
    float32x4_t norm = vdupq_n_f32(bound->norm);
    float32x4_t offset = vdupq_n_f32(bound->offset);
    float32x4_t threshold = vdupq_n_f32(bound->threshold);
    uint32x4_t bits = vld1q_u32(BITS);
    for (size_t panel = 0; panel < panel_count; panel++) {
        unsigned mask = 0;
        for (size_t at = 0; at < NGI_PANEL_ROWS; at += 4) {
            float32x4_t reach = vmulq_f32(step, vcvtq_f32_s32(vld1q_s32(dots + at)));
            reach = vaddq_f32(reach, margin);
            reach = vaddq_f32(reach, vmulq_f32(norm, vld1q_f32(errors + at)));
            float32x4_t best = vmulq_f32(vld1q_f32(bounds[panel].gain + at), reach);
            best = vaddq_f32(best, vmulq_f32(vld1q_f32(bounds[panel].shift + at), offset));
            uint32x4_t pass = vmvnq_u32(vcltq_f32(best, threshold));
            mask |= (unsigned)vaddvq_u32(vandq_u32(pass, bits)) << at;
        }
        masks[panel] = (uint16_t)mask;
        dots += NGI_PANEL_ROWS;
        errors += NGI_PANEL_ROWS;
    }
}

static const ngi_kernels NEON = {
    .name = "neon",
    .dot = neon_dot,
    .panel_dots = neon_panel_dots,
    .filter = neon_filter,
};

const ngi_kernels *ngi_kernels_arm(size_t index)
{
    return index == 0 ? &NEON : NULL;
}

#endif
