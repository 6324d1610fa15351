/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From principal components to coordinates: which component fills which axis, and its scale. */
#ifndef NGI_MIND_AXES_H
#define NGI_MIND_AXES_H

#include "base/base_limits.h"
#include "base/base_mem.h"

/** The space and axis of component `index` (0 .. NGI_COMPONENTS_MAX - 1): three to a space, in the
 *  order abstract, cognitive, emotional, social, sensory, motor, temporal, physical. */
void ngi_axes_place(size_t index, ng_space *space, unsigned *axis);
/** A bit per space that `component_count` components reach. */
uint8_t ngi_axes_spaces(size_t component_count);

/** out [component_count] = components x (vector - mean). `transposed` holds the components as
 *  [dimensions][component_count]. */
void ngi_axes_project(const float *vector, const float *mean, const double *transposed,
                      size_t dimensions, size_t component_count, float *out);

/** The least value that at least `fraction` of the magnitudes |values[i x stride]| do not exceed;
 *  if that is 0, the largest magnitude. */
float ngi_axes_quantile(const float *values, size_t stride, size_t count, double fraction);

/** One axis: value = origin + projection x factor, clipped to `reach` around the origin. */
typedef struct ngi_axis {
    double factor;
    double reach; /* largest distance from the origin that can be stored, in the axis's units */
    double scale; /* raw steps per unit */
    float origin;
} ngi_axis;

/** `quantile` is the magnitude that shall land on the end of the axis. */
void ngi_axis_init(ngi_axis *axis, uint32_t scale, float origin, float quantile);
/** The coordinate of a projection; adds 1 to `*clipped` if it did not fit. Never refused by the
 *  encoding of the store. */
float ngi_axis_value(const ngi_axis *axis, float projection, uint64_t *clipped);

#endif
