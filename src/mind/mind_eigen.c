/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Cyclic Jacobi (Golub and Van Loan, "Matrix Computations", 8.5): rotations annihilate the entries
 * above the diagonal row by row, sweep after sweep, until nothing is left above it. Slower than
 * tridiagonal QR for large matrices, but the order of operations is fixed and small eigenvalues
 * keep their relative accuracy. 100 x 100 takes about eight sweeps, less time than reading the data
 * by far; the time grows with n^3, and thousands of dimensions take minutes and more. */
#include "mind/mind_pca_private.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define EIGEN_SWEEPS_MAX 64 /* convergence is quadratic: more than 15 have not been seen */

static void eigen_rotate(double *restrict p, double *restrict q, size_t n, double c, double s)
{
    for (size_t j = 0; j < n; j++) {
        double x = p[j], y = q[j];
        p[j] = c * x - s * y;
        q[j] = s * x + c * y;
    }
}

/* Annihilates a[p][q]. The full matrix is kept, so that both rows are contiguous. */
static void eigen_annihilate(double *a, double *vectors, size_t n, size_t stride, size_t p,
                             size_t q)
{
    double *row_p = a + p * stride, *row_q = a + q * stride;
    double apq = row_p[q], app = row_p[p], aqq = row_q[q];
    double theta = (aqq - app) / (2 * apq);
    double t =
        1 / (fabs(theta) + sqrt(theta * theta + 1)); /* 0 when theta^2 overflows: as it should */
    if (theta < 0)
        t = -t;
    double c = 1 / sqrt(t * t + 1), s = t * c;

    eigen_rotate(row_p, row_q, n, c, s);
    row_p[p] = app - t * apq;
    row_q[q] = aqq + t * apq;
    row_p[q] = row_q[p] = 0;
    for (size_t j = 0; j < n; j++) {
        a[j * stride + p] = row_p[j];
        a[j * stride + q] = row_q[j];
    }
    eigen_rotate(vectors + p * stride, vectors + q * stride, n, c, s);
}

/* The largest magnitude at or above the diagonal (from = 0) or above it (from = 1). */
static double eigen_largest(const double *a, size_t n, size_t stride, size_t from)
{
    double largest = 0;
    for (size_t p = 0; p < n; p++) {
        for (size_t q = p + from; q < n; q++)
            largest = fmax(largest, fabs(a[p * stride + q]));
    }
    return largest;
}

static void eigen_begin(double *a, double *vectors, size_t n, size_t stride)
{
    memset(vectors, 0, n * stride * sizeof *vectors);
    for (size_t p = 0; p < n; p++) {
        vectors[p * stride + p] = 1;
        for (size_t q = p + 1; q < n; q++)
            a[q * stride + p] = a[p * stride + q];
    }
}

ng_status ngi_pca_eigen(double *a, double *vectors, size_t n, size_t stride,
                        const ngi_pca_watch *watch)
{
    /* Entries below this are lost in the rounding of the largest; convergence is quadratic at the
     * end, so a limit that is smaller by a few bits costs nothing. */
    double limit = eigen_largest(a, n, stride, 0) * (DBL_EPSILON / 64);
    eigen_begin(a, vectors, n, stride);
    for (int sweep = 0; sweep < EIGEN_SWEEPS_MAX; sweep++) {
        if (eigen_largest(a, n, stride, 1) <= limit)
            return NG_OK;
        for (size_t p = 0; p + 1 < n; p++) {
            if (watch != NULL) {
                ng_status status = watch->step(watch->context);
                if (status != NG_OK)
                    return status;
            }
            for (size_t q = p + 1; q < n; q++) {
                if (fabs(a[p * stride + q]) > limit)
                    eigen_annihilate(a, vectors, n, stride, p, q);
            }
        }
    }
    return ngi_fail(NG_E_INTERNAL, "the eigenvalues of a %zu x %zu matrix did not converge", n, n);
}
