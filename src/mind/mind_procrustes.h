/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The orthogonal map that takes one set of vectors as near as possible to another, pair by pair.
 *
 * Of pairs (x, y) of unit vectors the map R with the largest sum of y.Rx among all orthogonal ones is
 * U V^T, where the sum of y x^T is U S V^T (Schoenemann 1966; of embeddings Xing et al. 2015). Vectors of
 * different lengths are filled up with zeroes to the longer one; a mapped vector is cut to the length of y.
 * Directions that no pair tells anything about are mapped onto what is left, in a fixed order.
 *
 * float64 throughout. The result depends on the pairs and their order alone, not on the processor: sums are
 * taken in a fixed order, and no multiplication is fused with an addition. */
#ifndef NGI_MIND_PROCRUSTES_H
#define NGI_MIND_PROCRUSTES_H

#include "base/base_mem.h"
#include "mind/mind_pca.h"

typedef struct ngi_procrustes ngi_procrustes;

/** From `from` to `to` dimensions, 1..NGI_DIMENSIONS_MAX each. Takes 3 x 8 bytes x the square of the
 *  larger. */
NG_MUST_USE ng_status ngi_procrustes_create(ngi_mem *mem, size_t from, size_t to,
                                            ngi_procrustes **out);
void ngi_procrustes_destroy(ngi_mem *mem, ngi_procrustes *procrustes);
/** One pair of finite vectors, x [from] and y [to]; one that has no direction tells nothing and is not
 *  counted. Before solve. */
void ngi_procrustes_add(ngi_procrustes *procrustes, const float *x, const float *y);
/** Pairs that were counted. */
uint64_t ngi_procrustes_count(const ngi_procrustes *procrustes);
/** Makes the map. `watch` is asked after every row of a sweep; NULL = nobody. Errors: those of the watch,
 *  NG_E_INTERNAL (it does not converge, which rotations of finite numbers do). */
NG_MUST_USE ng_status ngi_procrustes_solve(ngi_procrustes *procrustes, const ngi_pca_watch *watch);
/** After solve: x mapped into out [to], of the length of x, or less where it is cut. */
void ngi_procrustes_map(const ngi_procrustes *procrustes, const float *x, double *out);
/** After solve: the cosine of x mapped and y; false if one of them has no direction. */
bool ngi_procrustes_cosine(const ngi_procrustes *procrustes, const float *x, const float *y,
                           double *out);

#endif
