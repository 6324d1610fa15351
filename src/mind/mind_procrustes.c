/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Cross-covariance, its singular vectors by one-sided Jacobi rotations (Hestenes 1958), and the map.
 *
 * Rotations from the left make the rows of M orthogonal: J M = S V^T. So row k of J is u_k, row k of the
 * rotated M is s_k v_k, and R = sum over k of u_k v_k^T. Rows side by side in memory are what is rotated. */
#include "mind/mind_procrustes.h"

#include "base/base_limits.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define LANES 8u
#define SWEEPS_MAX 60
#define ORTHOGONAL 1e-14 /* a cosine of two rows that is small enough */

struct ngi_procrustes {
    size_t from, to, d; /* d: the larger of both */
    uint64_t count;
    double *m;               /* [d][d]: the sum of y x^T, then S V^T, then V^T */
    double *j;               /* [d][d]: J */
    double *r;               /* [d][d]: the map */
    double *x, *y, *squares; /* [d] each: unit vectors of a pair, and squared lengths of rows */
};

static size_t procrustes_doubles(size_t d)
{
    return 3 * d * d + 3 * d;
}

ng_status ngi_procrustes_create(ngi_mem *mem, size_t from, size_t to, ngi_procrustes **out)
{
    void *block;
    size_t d = from > to ? from : to;
    if (from < 1 || to < 1 || d > NGI_DIMENSIONS_MAX)
        return ngi_fail(NG_E_INVALID, "dimensions %zu and %zu are not both in 1..%d", from, to,
                        NGI_DIMENSIONS_MAX);
    ng_status status = ngi_alloc(mem, sizeof(ngi_procrustes), "rotation", &block);
    if (status != NG_OK)
        return status;
    ngi_procrustes *p = block;
    *p = (ngi_procrustes){.from = from, .to = to, .d = d};
    status = ngi_alloc(mem, procrustes_doubles(d) * sizeof(double), "rotation", &block);
    if (status != NG_OK) {
        ngi_free(mem, p, sizeof *p);
        return status;
    }
    memset(block, 0, procrustes_doubles(d) * sizeof(double));
    p->m = block;
    p->j = p->m + d * d;
    p->r = p->j + d * d;
    p->x = p->r + d * d;
    p->y = p->x + d;
    p->squares = p->y + d;
    *out = p;
    return NG_OK;
}

void ngi_procrustes_destroy(ngi_mem *mem, ngi_procrustes *procrustes)
{
    if (procrustes == NULL)
        return;
    ngi_free(mem, procrustes->m, procrustes_doubles(procrustes->d) * sizeof(double));
    ngi_free(mem, procrustes, sizeof *procrustes);
}

uint64_t ngi_procrustes_count(const ngi_procrustes *procrustes)
{
    return procrustes->count;
}

/* --- rows ------------------------------------------------------------------------------------ */

/* Eight sums side by side, added up in one order. */
static double row_dot(const double *restrict a, const double *restrict b, size_t count)
{
    double lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += a[i + lane] * b[i + lane];
    for (; i < count; i++)
        sum += a[i] * b[i];
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum;
}

/* to += factor x from */
static void row_add(double *restrict to, const double *restrict from, double factor, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += factor * from[i];
}

static void row_rotate(double *restrict a, double *restrict b, double c, double s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double x = a[i], y = b[i];
        a[i] = c * x - s * y;
        b[i] = s * x + c * y;
    }
}

/* The direction of a vector; false if it has none. */
static bool row_unit(const float *vector, size_t count, double *out)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)vector[i]));
    if (!(largest > 0))
        return false;
    for (size_t i = 0; i < count; i++)
        out[i] = (double)vector[i] / largest;
    double length = sqrt(row_dot(out, out, count));
    for (size_t i = 0; i < count; i++)
        out[i] /= length;
    return true;
}

void ngi_procrustes_add(ngi_procrustes *p, const float *x, const float *y)
{
    if (!row_unit(x, p->from, p->x) || !row_unit(y, p->to, p->y))
        return;
    for (size_t i = 0; i < p->to; i++)
        row_add(p->m + i * p->d, p->x, p->y[i], p->from);
    p->count++;
}

/* --- singular vectors ------------------------------------------------------------------------ */

/* Makes rows `a` and `b` orthogonal; true if they were not. */
static bool jacobi_pair(ngi_procrustes *p, size_t a, size_t b, double floor)
{
    size_t d = p->d;
    double *x = p->m + a * d, *y = p->m + b * d;
    double xx = p->squares[a], yy = p->squares[b], xy = row_dot(x, y, d);
    if (fabs(xy) <= ORTHOGONAL * sqrt(fmax(xx, floor)) * sqrt(fmax(yy, floor)))
        return false;
    double zeta = (yy - xx) / (2 * xy);
    double t = (zeta >= 0 ? 1 : -1) / (fabs(zeta) + sqrt(1 + zeta * zeta));
    double c = 1 / sqrt(1 + t * t), s = c * t;
    row_rotate(x, y, c, s, d);
    row_rotate(p->j + a * d, p->j + b * d, c, s, d);
    p->squares[a] = fmax(xx - t * xy, 0);
    p->squares[b] = fmax(yy + t * xy, 0);
    return true;
}

/* Squared lengths of all rows; returns the largest. */
static double jacobi_measure(ngi_procrustes *p)
{
    double largest = 0;
    for (size_t i = 0; i < p->d; i++) {
        p->squares[i] = row_dot(p->m + i * p->d, p->m + i * p->d, p->d);
        largest = fmax(largest, p->squares[i]);
    }
    return largest;
}

/* What is shorter than this (squared) is rounding. */
static double jacobi_floor(const ngi_procrustes *p, double largest)
{
    double part = (double)p->d * DBL_EPSILON;
    return largest * part * part;
}

static ng_status jacobi_sweep(ngi_procrustes *p, const ngi_pca_watch *watch, bool *again)
{
    double floor = jacobi_floor(p, jacobi_measure(p));
    *again = false;
    for (size_t a = 0; a + 1 < p->d; a++) {
        for (size_t b = a + 1; b < p->d; b++)
            *again |= jacobi_pair(p, a, b, floor);
        ng_status status = watch != NULL ? watch->step(watch->context) : NG_OK;
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

/* --- the map --------------------------------------------------------------------------------- */

/* Takes from `row` what it has of the rows that are done: twice, as once leaves rounding. Returns the
 * length of what is left. */
static double map_orthogonalize(const ngi_procrustes *p, const bool *is_done, double *row)
{
    for (int round = 0; round < 2; round++)
        for (size_t k = 0; k < p->d; k++)
            if (is_done[k])
                row_add(row, p->m + k * p->d, -row_dot(row, p->m + k * p->d, p->d), p->d);
    return sqrt(row_dot(row, row, p->d));
}

/* A direction for row `k`, which no pair tells anything about: that of u_k, so that what is not known is
 * left alone, or else of the first axis of which enough is left. */
static void map_invent(ngi_procrustes *p, const bool *is_done, size_t k)
{
    double *row = p->m + k * p->d, length;
    memcpy(row, p->j + k * p->d, p->d * sizeof *row);
    length = map_orthogonalize(p, is_done, row);
    for (size_t axis = 0; length < 0.5 / sqrt((double)p->d) && axis < p->d; axis++) {
        memset(row, 0, p->d * sizeof *row);
        row[axis] = 1;
        length = map_orthogonalize(p, is_done, row);
    }
    for (size_t i = 0; i < p->d; i++)
        row[i] /= length;
}

static void map_make(ngi_procrustes *p)
{
    bool is_done[NGI_DIMENSIONS_MAX] = {false};
    double largest = jacobi_measure(p), floor = jacobi_floor(p, largest);
    for (size_t k = 0; k < p->d; k++) {
        is_done[k] = p->squares[k] > floor;
        for (size_t i = 0; i < p->d && is_done[k]; i++)
            p->m[k * p->d + i] /= sqrt(p->squares[k]);
    }
    for (size_t k = 0; k < p->d; k++) {
        if (!is_done[k])
            map_invent(p, is_done, k);
        is_done[k] = true;
    }
    memset(p->r, 0, p->d * p->d * sizeof *p->r);
    for (size_t k = 0; k < p->d; k++)
        for (size_t i = 0; i < p->d; i++)
            row_add(p->r + i * p->d, p->m + k * p->d, p->j[k * p->d + i], p->d);
}

ng_status ngi_procrustes_solve(ngi_procrustes *p, const ngi_pca_watch *watch)
{
    bool again = true;
    memset(p->j, 0, p->d * p->d * sizeof *p->j);
    for (size_t i = 0; i < p->d; i++)
        p->j[i * (p->d + 1)] = 1;
    for (int sweep = 0; again && sweep < SWEEPS_MAX; sweep++) {
        ng_status status = jacobi_sweep(p, watch, &again);
        if (status != NG_OK)
            return status;
    }
    if (again)
        return ngi_fail(NG_E_INTERNAL, "a rotation was not found in %d sweeps", SWEEPS_MAX);
    map_make(p);
    return NG_OK;
}

void ngi_procrustes_map(const ngi_procrustes *p, const float *x, double *out)
{
    for (size_t i = 0; i < p->to; i++) {
        const double *row = p->r + i * p->d;
        out[i] = 0;
        for (size_t k = 0; k < p->from; k++)
            out[i] += row[k] * (double)x[k];
    }
}

bool ngi_procrustes_cosine(const ngi_procrustes *p, const float *x, const float *y, double *out)
{
    if (!row_unit(x, p->from, p->x) || !row_unit(y, p->to, p->y))
        return false;
    double dot = 0, square = 0;
    for (size_t i = 0; i < p->to; i++) {
        double mapped = row_dot(p->r + i * p->d, p->x, p->from);
        dot += mapped * p->y[i];
        square += mapped * mapped;
    }
    if (!(square > 0))
        return false;
    double cosine = dot / sqrt(square);
    *out = cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
    return true;
}
