/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A scan over 24 axes. See bench_scan.h.
 *
 * int16 rather than float32, because the scan waits for memory; tiles rather than 24 whole columns,
 * because one stream is read ahead better than many. The sums of a tile stay in the first cache.
 */
#include "bench_scan.h"

#include <math.h>

bool bench_scan_init(bench_scan *out, size_t count)
{
    out->count = count;
    out->bytes = (count + BENCH_TILE - 1) / BENCH_TILE * sizeof *out->tiles;
    out->tiles = bench_pages_map(&out->bytes);
    return out->tiles != NULL;
}

void bench_scan_release(bench_scan *old)
{
    bench_pages_unmap(old->tiles, old->bytes);
    old->tiles = NULL;
}

/** Three axes at a time; the compiler makes SIMD of the inner loop. */
static inline void tile_sum(const bench_tile *tile, const float *center, const float *weights,
                            float sums[BENCH_TILE])
{
    for (size_t i = 0; i < BENCH_TILE; i++) {
        sums[i] = 0;
    }
    for (size_t axis = 0; axis < BENCH_AXES; axis += 3) {
        const int16_t *x = tile->axes[axis], *y = tile->axes[axis + 1], *z = tile->axes[axis + 2];
        const float cx = center[axis], cy = center[axis + 1], cz = center[axis + 2];
        const float wx = weights[axis], wy = weights[axis + 1], wz = weights[axis + 2];
        for (size_t i = 0; i < BENCH_TILE; i++) {
            float dx = (float)x[i] - cx;
            float dy = (float)y[i] - cy;
            float dz = (float)z[i] - cz;
            float sum = fmaf(wx * dx, dx, sums[i]);
            sum = fmaf(wy * dy, dy, sum);
            sums[i] = fmaf(wz * dz, dz, sum);
        }
    }
}

static void hit_add(bench_scan_hit *hits, size_t *count, size_t wanted, bench_scan_hit hit)
{
    size_t place = *count < wanted ? (*count)++ : wanted - 1;
    for (; place > 0 && hits[place - 1].squared > hit.squared; place--) {
        hits[place] = hits[place - 1];
    }
    hits[place] = hit;
}

size_t bench_scan_nearest(const bench_scan *scan, const float center[BENCH_AXES],
                          const float weights[BENCH_AXES], bench_scan_hit *out, size_t wanted)
{
    float threshold = INFINITY;
    size_t found = 0;
    for (size_t first = 0; first < scan->count; first += BENCH_TILE) {
        _Alignas(64) float sums[BENCH_TILE];
        size_t left = scan->count - first;
        int below = 0;
        tile_sum(&scan->tiles[first / BENCH_TILE], center, weights, sums);
        for (size_t i = 0; i < BENCH_TILE; i++) {
            below |= sums[i] < threshold;
        }
        for (size_t i = 0; below && i < BENCH_TILE && i < left; i++) {
            if (sums[i] < threshold) {
                hit_add(out, &found, wanted, (bench_scan_hit){sums[i], (uint32_t)(first + i)});
                threshold = found < wanted ? INFINITY : out[wanted - 1].squared;
            }
        }
    }
    return found;
}

typedef uint64_t scan_lanes __attribute__((vector_size(64)));

uint64_t bench_scan_read(const void *bytes, size_t count)
{
    const scan_lanes *at = bytes;
    scan_lanes sums[4] = {{0}}; /* so that no load waits for an addition */
    for (size_t i = 0; i + 4 <= count / sizeof *at; i += 4) {
        for (size_t j = 0; j < 4; j++) {
            sums[j] += at[i + j];
        }
    }
    scan_lanes all = sums[0] + sums[1] + sums[2] + sums[3];
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof all / sizeof sum; i++) {
        sum += all[i];
    }
    return sum;
}
