/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Principal components of a set of vectors that need not fit in memory: mean, covariance and its
 * eigenvectors, all in float64.
 *
 * The vectors are given twice, first for the mean and then for the covariance about it, because the
 * covariance about zero loses the digits that matter when the mean is large.
 *
 * The result depends on the vectors and their order alone, not on how they were split into calls
 * nor on the processor: every sum is taken in the order of the vectors, SIMD lanes run over the
 * entries of the matrix, and no multiplication is fused with an addition. */
#ifndef NGI_MIND_PCA_H
#define NGI_MIND_PCA_H

#include "base/base_mem.h"

typedef struct ngi_pca ngi_pca;

/** For vectors of `dimensions` numbers, 1..NGI_DIMENSIONS_MAX. Takes dimensions^2 x 8 bytes, and as
 *  much again while solving. */
NG_MUST_USE ng_status ngi_pca_create(ngi_mem *mem, size_t dimensions, ngi_pca **out);
void ngi_pca_destroy(ngi_mem *mem, ngi_pca *pca);
/** First pass: `count` rows of finite numbers. */
void ngi_pca_add_to_mean(ngi_pca *pca, const float *rows, size_t count);
/** Second pass, over the same rows in the same order. */
void ngi_pca_add(ngi_pca *pca, const float *rows, size_t count);

/** Asked now and then during the solution; a status that is not NG_OK ends it. */
typedef struct ngi_pca_watch {
    ng_status (*step)(void *context);
    void *context;
} ngi_pca_watch;

/** The `component_count` (<= dimensions) directions of greatest variance, greatest first: `mean`
 *  [dimensions], `components` [component_count][dimensions] orthonormal, each with its entry of
 *  largest magnitude positive, `explained` [component_count] the fraction of the variance. Vectors
 *  without any variance give unit vectors and fractions of 0. Only destroy may follow. */
NG_MUST_USE ng_status ngi_pca_solve(ngi_mem *mem, ngi_pca *pca, size_t component_count,
                                    const ngi_pca_watch *watch, float *mean, float *components,
                                    double *explained);

#endif
