/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What an index of points in space must offer to be a side of bench_index_grid.
 *
 * A side leaves its answer in whatever it uses to return one to a program (a vector, an array);
 * copying that into `bench_found` is done for comparisons only and never timed.
 *
 * Invariants: 1. radius: every point with squared distance <= radius x radius, which is a whole
 *                number; nearest: the `wanted` nearest, in order.
 *             2. points are numbered from 0 in the order they were given. */
#ifndef BENCH_SPATIAL_H
#define BENCH_SPATIAL_H

#include "bench_points.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_SETTINGS_MAX 5

typedef struct bench_found {
    uint32_t index;
    float squared; /* distance */
} bench_found;

typedef struct bench_spatial {
    const char *name;
    const char *version;
    size_t setting_count; /* ways to build it, of which the best counts */
    const char *settings[BENCH_SETTINGS_MAX];
    /** Makes an empty index over points that stay where they are; NULL when out of memory. */
    void *(*create)(const bench_point *points, size_t count, size_t setting);
    /** Builds it, anew if it is built already: this is timed. */
    bool (*build)(void *index);
    bool (*radius)(void *index, const bench_point *center, float radius, bool sorted,
                   size_t *count);
    bool (*nearest)(void *index, const bench_point *center, size_t wanted, size_t *count);
    /** The points of the last answer, as many as its count. */
    void (*found)(const void *index, bench_found *out);
    void (*destroy)(void *index); /* NULL is allowed */
} bench_spatial;

extern const bench_spatial bench_spatial_ours;
extern const bench_spatial bench_spatial_nanoflann;
extern const bench_spatial bench_spatial_boost;
extern const bench_spatial bench_spatial_grid;

#ifdef __cplusplus
}
#endif
#endif
