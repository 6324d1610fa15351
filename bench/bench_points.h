/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Points for the benchmarks of search in space: seeded, so that every side and every run has the
 * same.
 *
 * Coordinates are whole numbers within +-BENCH_REACH, in a store that has one raw step per unit.
 * So every side works on the same values, and squared distances below 2^24 are exact in float32:
 * answers can be compared bit by bit, boundaries included. */
#ifndef BENCH_POINTS_H
#define BENCH_POINTS_H

#include "bench_harness.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_REACH 32767
#define BENCH_HITS 100 /* of a search by radius, about */

typedef struct bench_point {
    float at[3];
} bench_point;

typedef enum bench_shape {
    BENCH_UNIFORM,
    BENCH_CLUSTERED, /* 1000 gaussians of very different sizes and widths */
    BENCH_LINE,      /* along the diagonal of the cube */
    BENCH_PLANE,     /* x and y free, z on one level */
    BENCH_EQUAL,     /* all at one place */
    BENCH_EXTREMES,  /* nearly all in one tiny cube in a corner, the rest in the others */
    BENCH_SHAPE_COUNT
} bench_shape;

const char *bench_shape_name(bench_shape shape);
/** Fills `count` points; `seed` must not be 0. Complains when out of memory. */
bool bench_points_fill(bench_shape shape, bench_point *out, size_t count, uint64_t seed);
/** The coordinates that words of an embedding file get in the physical space (their first three
 *  principal components), in raw steps. `*out` is the caller's to free. */
bool bench_points_of_words(const char *path, bench_point **out, size_t *count);
/** Random points of the set, moved by up to `jitter` on every axis. */
void bench_points_sample(const bench_point *points, size_t count, float jitter, uint64_t seed,
                         bench_point *out, size_t out_count);

/** Mean number of points that searches with this radius find. */
typedef bool (*bench_hits_fn)(void *context, float radius, double *out);
/** The largest whole radius with which searches find at most BENCH_HITS points on average; at least
 *  1, below 4096, so that its square is exact in float32. */
bool bench_radius_choose(bench_hits_fn hits, void *context, float *out);

/** The squared distance: exact, as coordinates are whole numbers. */
static inline double bench_points_squared(const bench_point *a, const bench_point *b)
{
    double sum = 0;
    for (int axis = 0; axis < 3; axis++) {
        double d = (double)a->at[axis] - (double)b->at[axis];
        sum += d * d;
    }
    return sum;
}

#ifdef __cplusplus
}
#endif
#endif
