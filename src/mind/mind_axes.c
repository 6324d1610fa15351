/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Projection and scaling of coordinates. */
#include "mind/mind_axes.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* The abstract space first, because it is the one that means "semantic proximity"; then the spaces
 * whose axes all reach +-3.2767 before the coarser ones. */
static const ng_space axes_order[NG_SPACE_COUNT] = {NG_SPACE_ABSTRACT,  NG_SPACE_COGNITIVE,
                                                    NG_SPACE_EMOTIONAL, NG_SPACE_SOCIAL,
                                                    NG_SPACE_SENSORY,   NG_SPACE_MOTOR,
                                                    NG_SPACE_TEMPORAL,  NG_SPACE_PHYSICAL};

void ngi_axes_place(size_t index, ng_space *space, unsigned *axis)
{
    *space = axes_order[index / NG_AXIS_COUNT];
    *axis = (unsigned)(index % NG_AXIS_COUNT);
}

uint8_t ngi_axes_spaces(size_t component_count)
{
    unsigned spaces = 0;
    for (size_t i = 0; i < component_count; i += NG_AXIS_COUNT)
        spaces |= 1u << axes_order[i / NG_AXIS_COUNT];
    return (uint8_t)spaces;
}

void ngi_axes_project(const float *vector, const float *mean, const double *transposed,
                      size_t dimensions, size_t component_count, float *out)
{
    double sums[NGI_COMPONENTS_MAX] = {0};
    for (size_t i = 0; i < dimensions; i++) {
        double x = (double)vector[i] - mean[i];
        const double *row = transposed + i * component_count;
        for (size_t k = 0; k < component_count; k++)
            sums[k] += x * row[k];
    }
    for (size_t k = 0; k < component_count; k++)
        out[k] = (float)fmax(-FLT_MAX, fmin(FLT_MAX, sums[k]));
}

static uint32_t axes_magnitude_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7FFFFFFF; /* magnitudes of finite floats order as these integers do */
}

/* The magnitude of rank `rank` (0 = smallest), by its bytes from the highest: no copy, and no input
 * makes it slow. */
static float axes_select(const float *values, size_t stride, size_t count, size_t rank)
{
    uint32_t prefix = 0, mask = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        size_t histogram[256] = {0};
        for (size_t i = 0; i < count; i++) {
            uint32_t bits = axes_magnitude_bits(values[i * stride]);
            if ((bits & mask) == prefix)
                histogram[bits >> shift & 0xFF]++;
        }
        uint32_t byte = 0;
        for (; rank >= histogram[byte]; byte++)
            rank -= histogram[byte];
        prefix |= byte << shift;
        mask |= 0xFFu << shift;
    }
    float value;
    memcpy(&value, &prefix, sizeof value);
    return value;
}

float ngi_axes_quantile(const float *values, size_t stride, size_t count, double fraction)
{
    if (count == 0)
        return 0;
    size_t needed = (size_t)ceil((double)count * fraction);
    size_t rank = needed == 0 ? 0 : needed - 1;
    float value = axes_select(values, stride, count, rank < count ? rank : count - 1);
    return value > 0 ? value : axes_select(values, stride, count, count - 1);
}

void ngi_axis_init(ngi_axis *axis, uint32_t scale, float origin, float quantile)
{
    axis->scale = scale;
    axis->origin = origin;
    axis->reach = (double)NG_COORDINATE_MAX / scale;
    axis->factor = quantile > 0 ? axis->reach / quantile : 0;
}

float ngi_axis_value(const ngi_axis *axis, float projection, uint64_t *clipped)
{
    double offset = projection * axis->factor;
    if (fabs(offset) > axis->reach * (1 + DBL_EPSILON)) {
        offset = copysign(axis->reach, offset);
        ++*clipped;
    }
    float value = (float)(axis->origin + offset);
    /* The sum was rounded to a float; beside a large origin that may be a step outside. */
    while (fabs(((double)value - axis->origin) * axis->scale) > NG_COORDINATE_MAX + 0.4)
        value = nextafterf(value, axis->origin);
    return value;
}
