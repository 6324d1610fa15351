/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Coordinates: from decoded values to raw 16-bit steps and back, and distances between raw points.
 *
 * Everything is computed in float64 from float32 inputs, so with origin 0 the product before the
 * rounding is exact (24 + 20 bits) and the rounding to a step is the only one. */
#include "model/model_space.h"

#include "base/base_limits.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* |origin| x scale + 32767 must stay below 2^23: then half a unit in the last place of a decoded
 * float32 is less than half a step, and decoding loses nothing. */
#define SPACE_ORIGIN_STEPS_MAX (8388608.0 - 1.0 - NG_COORDINATE_MAX)

static const char space_axis_letters[NG_AXIS_COUNT] = {'x', 'y', 'z'};

void ngi_encoding_default(ngi_encoding *out)
{
    static const uint32_t scales[NG_SPACE_COUNT] = {100,   10000, 1000, 10000,
                                                    10000, 10000, 100,  10000};
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            out->scale[space][axis] = scales[space];
            out->origin[space][axis] = 0.0f;
        }
    }
    out->scale[NG_SPACE_TEMPORAL][2] = 1000; /* Hz, finer than the two axes in seconds */
    out->clip = false;
}

/* Three scales up to 10^6 have a common multiple of at most 10^18. */
static uint64_t space_common_multiple(uint64_t a, uint64_t b)
{
    assert(a > 0 && b > 0);
    uint64_t x = a, y = b;
    while (y != 0) {
        uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return x == 0 ? 0 : a / x * b; /* x is their greatest common divisor */
}

static uint64_t space_steps(const ngi_encoding *encoding, ng_space space)
{
    uint64_t steps = encoding->scale[space][0];
    for (int axis = 1; axis < NG_AXIS_COUNT; axis++)
        steps = space_common_multiple(steps, encoding->scale[space][axis]);
    return steps;
}

static ng_status space_axis_validate(const ngi_encoding *encoding, ng_space space, int axis)
{
    uint32_t scale = encoding->scale[space][axis];
    float origin = encoding->origin[space][axis];
    char letter = space_axis_letters[axis];
    if (scale < 1 || scale > NGI_SCALE_MAX)
        return ngi_fail(NG_E_INVALID, "scale %c of space %s: %u is outside 1..%u", letter,
                        ng_space_name(space), scale, NGI_SCALE_MAX);
    double origin_max = SPACE_ORIGIN_STEPS_MAX / scale;
    if (!(fabs((double)origin) <= origin_max))
        return ngi_fail(NG_E_INVALID,
                        "origin %c of space %s: %g is outside -%.7g..%.7g, where float32 "
                        "tells steps of 1/%u apart",
                        letter, ng_space_name(space), (double)origin, origin_max, origin_max,
                        scale);
    return NG_OK;
}

ng_status ngi_encoding_validate(const ngi_encoding *encoding)
{
    for (int s = 0; s < NG_SPACE_COUNT; s++) {
        ng_space space = (ng_space)s;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            ng_status status = space_axis_validate(encoding, space, axis);
            if (status != NG_OK)
                return status;
        }
        uint64_t steps = space_steps(encoding, space);
        const uint32_t *scale = encoding->scale[space];
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            if (steps / scale[axis] > NGI_SCALE_RATIO_MAX)
                return ngi_fail(NG_E_INVALID,
                                "scales %u, %u, %u of space %s: their least common multiple is "
                                "more than %u times scale %c",
                                scale[0], scale[1], scale[2], ng_space_name(space),
                                NGI_SCALE_RATIO_MAX, space_axis_letters[axis]);
        }
    }
    return NG_OK;
}

static __attribute__((cold)) ng_status space_fail_encode(const ngi_encoding *encoding,
                                                         ng_space space, int axis, float value)
{
    double scale = encoding->scale[space][axis];
    double origin = (double)encoding->origin[space][axis];
    return ngi_fail(NG_E_INVALID, "coordinate %c of space %s: %.7g is outside %.7g..%.7g",
                    space_axis_letters[axis], ng_space_name(space), (double)value,
                    origin - NG_COORDINATE_MAX / scale, origin + NG_COORDINATE_MAX / scale);
}

ng_status ngi_space_encode(const ngi_encoding *encoding, ng_space space,
                           const float value[NG_AXIS_COUNT], int16_t raw[NG_AXIS_COUNT])
{
    int16_t result[NG_AXIS_COUNT];
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        double steps = ((double)value[axis] - (double)encoding->origin[space][axis]) *
                       encoding->scale[space][axis];
        /* What rounds to -32767..32767: the ties at both ends go to 32768, which is even. */
        bool fits = steps > -(NG_COORDINATE_MAX + 0.5) && steps < NG_COORDINATE_MAX + 0.5;
        if (NGI_LIKELY(fits))
            result[axis] = (int16_t)lrint(steps); /* one instruction, unlike rint before SSE4.1 */
        else if (encoding->clip && isfinite(value[axis]))
            result[axis] = steps < 0 ? -NG_COORDINATE_MAX : NG_COORDINATE_MAX;
        else
            return space_fail_encode(encoding, space, axis, value[axis]);
    }
    memcpy(raw, result, sizeof result);
    return NG_OK;
}

bool ngi_space_decode(const ngi_encoding *encoding, ng_space space,
                      const int16_t raw[NG_AXIS_COUNT], float value[NG_AXIS_COUNT])
{
    if (raw[0] == NG_COORDINATE_ABSENT)
        return false;
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        value[axis] = (float)((double)encoding->origin[space][axis] +
                              raw[axis] / (double)encoding->scale[space][axis]);
    return true;
}

void ngi_metric_init(ngi_metric *metric, const ngi_encoding *encoding, ng_space space,
                     ng_metric kind)
{
    metric->kind = kind;
    uint64_t steps = space_steps(encoding, space);
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        metric->factor[axis] = (int64_t)(steps / encoding->scale[space][axis]);
    metric->steps = (double)steps;
}

float ngi_metric_distance(const ngi_metric *metric, uint64_t value)
{
    double length = metric->kind == NG_METRIC_EUCLIDEAN ? sqrt((double)value) : (double)value;
    return (float)(length / metric->steps);
}

/* By definition rather than by formula: the answer is found from a guess with the very function that
 * reports distances, which never decreases. The guess is the value at which that rounds to the
 * next float32; a few steps of a doubling stride find the change, bisection the place. */
uint64_t ngi_metric_bound(const ngi_metric *metric, float radius)
{
    double next = (double)nextafterf(radius, INFINITY);
    double length = ((double)radius + next) / 2 * metric->steps;
    double guess = metric->kind == NG_METRIC_EUCLIDEAN ? length * length : length;
    if (!(guess < 18446744073709549568.0))
        guess = 18446744073709549568.0; /* the largest float64 below 2^64 */
    uint64_t inside = (uint64_t)guess, outside = inside, stride = 1;
    while (ngi_metric_distance(metric, inside) > radius) {
        outside = inside;
        inside = inside > stride ? inside - stride : 0;
        stride *= 2;
    }
    for (stride = 1; outside == inside; stride *= 2) {
        uint64_t further = inside < UINT64_MAX - stride ? inside + stride : UINT64_MAX;
        if (ngi_metric_distance(metric, further) > radius)
            outside = further;
        else if (further == UINT64_MAX)
            return UINT64_MAX;
        else
            inside = outside = further;
    }
    while (outside - inside > 1) {
        uint64_t middle = inside + (outside - inside) / 2;
        if (ngi_metric_distance(metric, middle) <= radius)
            inside = middle;
        else
            outside = middle;
    }
    return inside;
}
