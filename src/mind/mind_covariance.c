/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The inner loop of the covariance: x x' of every row of a block, added to the upper triangle, in
 * tiles of 4 x 8 entries that stay in registers while the block streams by. It is compiled twice,
 * for AVX2 and for the baseline of the machine. Each entry is summed over the rows in their order
 * and then added, in all of them, so they and the portable twin agree in every bit. */
#include "mind/mind_pca_private.h"

#include <string.h>

#define COVARIANCE_TILE_ROWS 4

/* One tile: entries [i, i + 4) x [j, j + 8) over all rows of the block. */
static inline __attribute__((always_inline)) void covariance_tile(const double *block, size_t rows,
                                                                  size_t stride, double *covariance,
                                                                  size_t i, size_t j)
{
    typedef double lane __attribute__((vector_size(32)));
    lane sum[COVARIANCE_TILE_ROWS][2] = {{{0}}};
    for (size_t r = 0; r < rows; r++) {
        const double *row = block + r * stride;
        lane low, high;
        memcpy(&low, row + j, sizeof low);
        memcpy(&high, row + j + 4, sizeof high);
        for (size_t k = 0; k < COVARIANCE_TILE_ROWS; k++) {
            double x = row[i + k];
            lane factor = {x, x, x, x};
            sum[k][0] += factor * low;
            sum[k][1] += factor * high;
        }
    }
    for (size_t k = 0; k < COVARIANCE_TILE_ROWS; k++) {
        double *to = covariance + (i + k) * stride + j;
        for (size_t lane_index = 0; lane_index < 4; lane_index++) {
            to[lane_index] += sum[k][0][lane_index];
            to[lane_index + 4] += sum[k][1][lane_index];
        }
    }
}

static inline __attribute__((always_inline)) void covariance_tiles(const double *block, size_t rows,
                                                                   size_t stride,
                                                                   double *covariance)
{
    for (size_t i = 0; i < stride; i += COVARIANCE_TILE_ROWS) {
        size_t first = i / NGI_COVARIANCE_TILE * NGI_COVARIANCE_TILE;
        for (size_t j = first; j < stride; j += NGI_COVARIANCE_TILE)
            covariance_tile(block, rows, stride, covariance, i, j);
    }
}

static void covariance_add_baseline(const double *block, size_t rows, size_t stride,
                                    double *covariance)
{
    covariance_tiles(block, rows, stride, covariance);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void covariance_add_avx2(const double *block, size_t rows,
                                                                size_t stride, double *covariance)
{
    covariance_tiles(block, rows, stride, covariance);
}
#endif

void ngi_covariance_add(const double *block, size_t rows, size_t stride, double *covariance)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        covariance_add_avx2(block, rows, stride, covariance);
        return;
    }
#endif
    covariance_add_baseline(block, rows, stride, covariance);
}

void ngi_covariance_add_portable(const double *block, size_t rows, size_t stride,
                                 double *covariance)
{
    for (size_t i = 0; i < stride; i++) {
        size_t first = i / NGI_COVARIANCE_TILE * NGI_COVARIANCE_TILE;
        for (size_t j = first; j < stride; j++) {
            double sum = 0;
            for (size_t r = 0; r < rows; r++)
                sum += block[r * stride + i] * block[r * stride + j];
            covariance[i * stride + j] += sum;
        }
    }
}
