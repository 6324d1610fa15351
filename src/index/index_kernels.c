/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The portable kernels, which define the results of all, and the choice among versions. */
#include "index/index_kernels.h"

#include <string.h>

#define LANES 16u

static double portable_dot(const double *a, const float *b, size_t count)
{
    double sums[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t j = 0; j < LANES; j++)
            sums[j] += a[i + j] * (double)b[i + j];
    }
    for (size_t j = 0; i + j < count; j++)
        sums[j] += a[i + j] * (double)b[i + j];
    for (size_t width = LANES / 2; width > 0; width /= 2) {
        for (size_t j = 0; j < width; j++)
            sums[j] += sums[j + width];
    }
    return sums[0];
}

static void portable_panel_dots(const int8_t *panels, size_t panel_count, const int16_t *query,
                                size_t pair_count, int32_t *out)
{
    for (size_t panel = 0; panel < panel_count; panel++) {
        int32_t sums[NGI_PANEL_ROWS] = {0};
        for (size_t pair = 0; pair < pair_count; pair++) {
            int32_t q0 = query[2 * pair];
            int32_t q1 = query[2 * pair + 1];
            for (size_t row = 0; row < NGI_PANEL_ROWS; row++)
                sums[row] += panels[2 * row] * q0 + panels[2 * row + 1] * q1;
            panels += NGI_PANEL_PAIR_BYTES;
        }
        memcpy(out + panel * NGI_PANEL_ROWS, sums, sizeof sums);
    }
}

static void portable_filter(const ngi_bound *bound, const int32_t *dots,
                            const ngi_panel_bounds *bounds, const float *errors, size_t panel_count,
                            uint16_t *masks)
{
    for (size_t panel = 0; panel < panel_count; panel++) {
        unsigned mask = 0;
        for (size_t row = 0; row < NGI_PANEL_ROWS; row++) {
            float reach =
                (bound->step * (float)dots[row] + bound->margin) + bound->norm * errors[row];
            float best = bounds[panel].gain[row] * reach + bounds[panel].shift[row] * bound->offset;
            mask |= (unsigned)!(best < bound->threshold) << row;
        }
        masks[panel] = (uint16_t)mask;
        dots += NGI_PANEL_ROWS;
        errors += NGI_PANEL_ROWS;
    }
}

static const ngi_kernels PORTABLE = {
    .name = "portable",
    .dot = portable_dot,
    .panel_dots = portable_panel_dots,
    .filter = portable_filter,
};

static const ngi_kernels *kernels_special(size_t index)
{
#if defined(__x86_64__)
    return ngi_kernels_x86(index);
#elif defined(__aarch64__)
    return ngi_kernels_arm(index);
#else
    (void)index;
    return NULL;
#endif
}

const ngi_kernels *ngi_kernels_best(void)
{
    const ngi_kernels *best = kernels_special(0);
    return best != NULL ? best : &PORTABLE;
}

const ngi_kernels *ngi_kernels_at(size_t index)
{
    return index == 0 ? &PORTABLE : kernels_special(index - 1);
}
