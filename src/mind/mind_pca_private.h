/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The eigen-solver behind mind_pca, apart so that it can be tested on matrices. */
#ifndef NGI_MIND_PCA_PRIVATE_H
#define NGI_MIND_PCA_PRIVATE_H

#include "mind/mind_pca.h"

/** Eigenvalues and eigenvectors of the symmetric matrix a [n][stride], whose upper triangle counts.
 *  Afterwards a[i][i] is eigenvalue i and row i of `vectors` [n][stride] its eigenvector. */
NG_MUST_USE ng_status ngi_pca_eigen(double *a, double *vectors, size_t n, size_t stride,
                                    const ngi_pca_watch *watch);

#endif
