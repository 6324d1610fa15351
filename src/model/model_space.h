/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Spaces: the encoding of coordinates, and exact integer distances.
 *
 * Invariants: 1. decoding a raw coordinate and encoding it again gives the same raw coordinate
 *                under every encoding that ngi_encoding_validate accepts.
 *             2. distances are compared as integers; the reported float32 is a non-decreasing
 *                function of that integer, so the order of results and what a radius includes are
 *                the same on every machine. */
#ifndef NGI_MODEL_SPACE_H
#define NGI_MODEL_SPACE_H

#include "base/base_error.h"

/** How coordinates are encoded: fixed when a store is created. raw = (value - origin) x scale,
 *  rounded to nearest, ties to even. */
typedef struct ngi_encoding {
    uint32_t scale[NG_SPACE_COUNT][NG_AXIS_COUNT]; /* raw steps per unit, 1..NGI_SCALE_MAX */
    float origin[NG_SPACE_COUNT][NG_AXIS_COUNT];
    bool clip; /* clamp instead of refusing */
} ngi_encoding;

/** The original's scales (temporal Z 1000), origins 0. */
void ngi_encoding_default(ngi_encoding *out);
/** Scales in range; origins finite and small enough that float32 tells neighbouring steps apart;
 *  the scales of a space within NGI_SCALE_RATIO_MAX of their least common multiple, so that a
 *  squared distance fits 64 bits. */
NG_MUST_USE ng_status ngi_encoding_validate(const ngi_encoding *encoding);

/** Encodes a point. Errors: NG_E_INVALID: "coordinate y of space physical: 400 is outside
 *  -327.67..327.67"; NaN and infinity likewise, also under clip. On failure `raw` is unchanged. */
NG_MUST_USE ng_status ngi_space_encode(const ngi_encoding *encoding, ng_space space,
                                       const float value[NG_AXIS_COUNT],
                                       int16_t raw[NG_AXIS_COUNT]);
/** false, and `value` unchanged, if the point is absent (raw -32768). */
bool ngi_space_decode(const ngi_encoding *encoding, ng_space space,
                      const int16_t raw[NG_AXIS_COUNT], float value[NG_AXIS_COUNT]);

/** How far two raw points are from each other, exactly: per axis integer weights and the common steps
 *  per unit, so that a Euclidean distance is sqrt(sum((dx * factor)^2)) / steps, a Manhattan one
 *  sum(|dx| * factor) / steps, a Chebyshev one max(|dx| * factor) / steps. What stands before the
 *  root or the division is the value of the distance; values are compared. */
typedef struct ngi_metric {
    int64_t factor[NG_AXIS_COUNT];
    double steps;
    ng_metric kind;
} ngi_metric;

/** `encoding` and `kind` are valid. */
void ngi_metric_init(ngi_metric *metric, const ngi_encoding *encoding, ng_space space,
                     ng_metric kind);

/** The value of a distance by how far it goes on each axis, in raw steps.
 *  At most 3 x (65534 x 32768)^2 < 2^64 between present points. */
static inline uint64_t ngi_metric_size(const ngi_metric *metric, const int32_t steps[NG_AXIS_COUNT])
{
    uint64_t sum = 0, most = 0;
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int64_t d = (int64_t)steps[axis] * metric->factor[axis];
        uint64_t size = (uint64_t)(d < 0 ? -d : d);
        sum += metric->kind == NG_METRIC_EUCLIDEAN ? size * size : size;
        most = size > most ? size : most;
    }
    return metric->kind == NG_METRIC_CHEBYSHEV ? most : sum;
}

static inline uint64_t ngi_metric_value(const ngi_metric *metric, const int16_t a[NG_AXIS_COUNT],
                                        const int16_t b[NG_AXIS_COUNT])
{
    const int32_t steps[NG_AXIS_COUNT] = {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
    return ngi_metric_size(metric, steps);
}

/** The reported distance of a value. */
float ngi_metric_distance(const ngi_metric *metric, uint64_t value);
/** The largest value whose reported distance is <= radius, so that what is found and what is reported
 *  agree; radius >= 0, may be infinite. */
uint64_t ngi_metric_bound(const ngi_metric *metric, float radius);

#endif
