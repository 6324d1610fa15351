/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The rival of bench_index_multispace: a scan over the 24 coordinates of every point, for the
 * nearest by weighted squared distance. No index, no early exit: all the work, done well.
 *
 * Points stand in tiles of 64, axis by axis, so that the scan reads memory once from end to end and
 * every load fills a register. */
#ifndef BENCH_SCAN_H
#define BENCH_SCAN_H

#include "bench_harness.h"

#define BENCH_AXES 24
#define BENCH_TILE 64

typedef struct bench_tile {
    int16_t axes[BENCH_AXES][BENCH_TILE];
} bench_tile;

typedef struct bench_scan_hit {
    float squared; /* weighted */
    uint32_t index;
} bench_scan_hit;

typedef struct bench_scan {
    bench_tile *tiles;
    size_t count; /* of points */
    size_t bytes;
} bench_scan;

/** Room for `count` points on huge pages. */
bool bench_scan_init(bench_scan *out, size_t count);
void bench_scan_release(bench_scan *old);

static inline int16_t *bench_scan_at(const bench_scan *scan, size_t axis, size_t index)
{
    return &scan->tiles[index / BENCH_TILE].axes[axis][index % BENCH_TILE];
}

/** The `wanted` nearest by the sum of weights[axis] x (raw - center[axis])^2, nearest first;
 *  returns how many there are. */
size_t bench_scan_nearest(const bench_scan *scan, const float center[BENCH_AXES],
                          const float weights[BENCH_AXES], bench_scan_hit *out, size_t wanted);

/** Reads bytes once from end to end, as fast as registers can: the floor of any scan. Returns a sum
 *  that depends on them all; `bytes` is aligned to 64, and what is left of 256 is not read. */
uint64_t bench_scan_read(const void *bytes, size_t count);

#endif
