/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The parts of mind_pca that are tested by themselves: the sum of outer products and the
 * eigen-solver. */
#ifndef NGI_MIND_PCA_PRIVATE_H
#define NGI_MIND_PCA_PRIVATE_H

#include "mind/mind_pca.h"

#define NGI_COVARIANCE_TILE 8 /* strides are multiples of this */

/** covariance [stride][stride] += sum of x x' over the rows x of block [rows][stride]: of entry
 *  (i, j) for every j from the beginning of i's tile. */
void ngi_covariance_add(const double *block, size_t rows, size_t stride, double *covariance);
/** Its twin in tests, with the same bits. */
void ngi_covariance_add_portable(const double *block, size_t rows, size_t stride,
                                 double *covariance);

/** Eigenvalues and eigenvectors of the symmetric matrix a [n][stride], whose upper triangle counts.
 *  Afterwards a[i][i] is eigenvalue i and row i of `vectors` [n][stride] its eigenvector. */
NG_MUST_USE ng_status ngi_pca_eigen(double *a, double *vectors, size_t n, size_t stride,
                                    const ngi_pca_watch *watch);

#endif
