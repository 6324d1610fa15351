/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The portable kernels of the spatial index, which define the results of all, and the choice. */
#include "index/index_grid_kernels.h"

#include <math.h>
#include <string.h>

static int kernels_saturate(int value)
{
    return value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value;
}

static uint32_t kernels_square(int value)
{
    return (uint32_t)(value * value);
}

static uint32_t portable_boxes(const ngi_grid_boxes *boxes, const int16_t center[NG_AXIS_COUNT],
                               uint32_t bound, uint32_t squared[NGI_GRID_FANOUT])
{
    uint32_t mask = 0;
    for (unsigned lane = 0; lane < NGI_GRID_FANOUT; lane++) {
        uint32_t sum = 0;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            int below = kernels_saturate(boxes->low[axis][lane] - center[axis]);
            int above = kernels_saturate(center[axis] - boxes->high[axis][lane]);
            int gap = below > above ? below : above;
            sum += kernels_square(gap > 0 ? gap : 0);
        }
        squared[lane] = sum;
        mask |= (uint32_t)(sum <= bound) << lane;
    }
    return mask;
}

unsigned ngi_grid_pick(uint32_t mask, const uint32_t from[NGI_GRID_FANOUT],
                       uint32_t out[NGI_GRID_FANOUT])
{
    unsigned picked = 0;
    for (unsigned lane = 0; lane < NGI_GRID_FANOUT; lane++) {
        out[picked] = from[lane];
        picked += mask >> lane & 1;
    }
    return picked;
}

static unsigned portable_within(const int16_t at[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX],
                                const uint32_t *slot, unsigned count,
                                const int16_t center[NG_AXIS_COUNT], uint32_t bound,
                                ngi_grid_hit *out)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t sum = 0;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            sum += kernels_square(kernels_saturate(at[axis][i] - center[axis]));
        out[found] = (ngi_grid_hit){sum, slot[i]};
        found += sum <= bound;
    }
    return found;
}

static uint32_t portable_reach(const int16_t at[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX], unsigned count,
                               const int16_t center[NG_AXIS_COUNT], unsigned wanted)
{
    uint32_t squared[NGI_GRID_LEAF_MAX];
    uint32_t low = 0, high = 0;
    for (unsigned i = 0; i < count; i++) {
        squared[i] = 0;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            squared[i] += kernels_square(kernels_saturate(at[axis][i] - center[axis]));
        high = squared[i] > high ? squared[i] : high;
    }
    for (unsigned step = 0; step < NGI_GRID_REACH_STEPS; step++) {
        uint32_t middle = low + (high - low) / 2;
        unsigned within = 0;
        for (unsigned i = 0; i < count; i++)
            within += squared[i] <= middle;
        if (within >= wanted)
            high = middle;
        else
            low = middle;
    }
    return high;
}

static void portable_report(void *hits, size_t count, double steps)
{
    uint8_t *at = hits;
    for (size_t i = 0; i < count; i++, at += sizeof(ng_hit)) {
        uint64_t pair[2];
        memcpy(pair, at, sizeof pair);
        ng_hit hit = {.id = pair[1], .distance = (float)(sqrt((double)pair[0]) / steps)};
        memcpy(at, &hit, sizeof hit);
    }
}

static const ngi_grid_kernels PORTABLE = {
    .name = "portable",
    .boxes = portable_boxes,
    .pick = ngi_grid_pick,
    .within = portable_within,
    .reach = portable_reach,
    .report = portable_report,
};

static const ngi_grid_kernels *kernels_special(size_t index)
{
#if defined(__x86_64__)
    return ngi_grid_kernels_x86(index);
#elif defined(__aarch64__)
    return ngi_grid_kernels_arm(index);
#else
    (void)index;
    return NULL;
#endif
}

/* Under ThreadSanitizer it is the portable one, which does not load what is behind the last point: the
 * writer may be appending there. */
const ngi_grid_kernels *ngi_grid_kernels_best(void)
{
#if defined(__SANITIZE_THREAD__)
    return &PORTABLE;
#endif
    const ngi_grid_kernels *best = kernels_special(0);
    return best != NULL ? best : &PORTABLE;
}

const ngi_grid_kernels *ngi_grid_kernels_at(size_t index)
{
    return index == 0 ? &PORTABLE : kernels_special(index - 1);
}
