/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Ridge regression from vectors to three targets, with its error on rows held out.
 *
 *     minimise  sum over rows of (target - w . vector - b)^2 + penalty x |w|^2
 *     penalty = lambda x rows x mean variance of a dimension
 *
 * Row i is held out with every NGI_RIDGE_PARTS-th one, and lambda is the one of a fixed list with
 * the least error on the rows held out, summed over the targets as parts of their variance. The
 * error reported is that of the lambda chosen, so it is a little too good: one number is chosen
 * among nine.
 *
 * How far a vector is from what the rows cover is its leverage, c' (C'C + penalty I)^-1 c for the
 * vector c and the rows C, centred: the variance of a prediction there, in variances of the noise.
 * A prediction is reliable where the leverage is not above that of three quarters of the rows, each
 * measured by the others.
 *
 * The result depends on the rows and their order alone: all sums are in float64, in a fixed order,
 * and no multiplication is fused with an addition.
 *
 * Source: Hoerl and Kennard 1970; the normal equations, by Cholesky's decomposition. */
#ifndef NGI_MIND_RIDGE_H
#define NGI_MIND_RIDGE_H

#include "base/base_mem.h"

#include <stdbool.h>

#define NGI_RIDGE_PARTS 10u
#define NGI_RIDGE_TARGETS 3u

typedef struct ngi_ridge ngi_ridge;

typedef struct ngi_ridge_input {
    const float *rows;     /* [count][dimensions], finite */
    const double *targets; /* [count][NGI_RIDGE_TARGETS] */
    size_t count;          /* >= 2 x NGI_RIDGE_PARTS */
    size_t dimensions;
    double lambda; /* > 0; 0 = by cross-validation */
    /** Asked now and then; a status that is not NG_OK ends the work. NULL = never. */
    ng_status (*step)(void *context);
    void *context;
} ngi_ridge_input;

/** Of a target; rows held out. */
typedef struct ngi_ridge_error {
    double rmse;         /* root of the mean squared error */
    double rmse_of_mean; /* if the mean of the other rows is the prediction */
    double r2;           /* 1 - (rmse / rmse_of_mean)^2; 0 if the targets are all the same */
} ngi_ridge_error;

/** Fits all rows, once the errors on rows held out have chosen lambda. The input is not needed
 *  afterwards. Errors: NG_E_NOMEM, those of `step`. */
NG_MUST_USE ng_status ngi_ridge_create(ngi_mem *mem, const ngi_ridge_input *input, ngi_ridge **out);
/** NULL is allowed. */
void ngi_ridge_destroy(ngi_ridge *ridge);

double ngi_ridge_lambda(const ngi_ridge *ridge);
const ngi_ridge_error *ngi_ridge_errors(const ngi_ridge *ridge); /* [NGI_RIDGE_TARGETS] */
/** w . vector + b */
double ngi_ridge_predict(const ngi_ridge *ridge, const float *vector, size_t target);
/** Whether predictions for the vector are reliable. Uses memory of the ridge: one thread. */
bool ngi_ridge_is_reliable(ngi_ridge *ridge, const float *vector);

#endif
