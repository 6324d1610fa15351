/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Ridge regression: one matrix of all rows, from which the rows held out are taken away.
 *
 * The rows are centred first, so that a common part of all vectors costs no digits; the column of
 * ones that stands for b is not penalised. With fewer rows than dimensions each row is replaced by
 * its coordinates in the span of all rows, where the solution lies: the decomposition of the rows'
 * products with each other. So the matrices are never larger than the smaller of the two. */
#include "mind/mind_ridge.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define T NGI_RIDGE_TARGETS
#define RIDGE_LAMBDAS 9
#define RIDGE_LANES 8 /* partial sums of a scalar product: they do not wait for each other */

static const double ridge_lambdas[RIDGE_LAMBDAS] = {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100};

struct ngi_ridge {
    ngi_mem *mem;
    ngi_ridge_input input; /* its arrays only while it is made */
    size_t n, d;           /* rows, dimensions */
    size_t p;              /* columns: d, or n if that is less */
    size_t m;              /* p + 1: the column of ones is the last */
    double *mean;          /* [d] of the rows */
    double *centred;       /* [n][d] */
    double *span;          /* [n][n] lower triangle, columns of the rows if n < d; else NULL */
    double *total;         /* [m][m] lower triangle: products of all columns */
    double *train;         /* [m][m] the same without the rows held out */
    double *factor;        /* [m][m] decomposed */
    double *total_xy;      /* [T][m] products with the targets */
    double *train_xy;      /* [T][m] */
    double *solution;      /* [T][m] */
    double *weights;       /* [T][d + 1], the last one of each b */
    double *leverages;     /* [n] */
    double *scratch;       /* [d + m] */
    size_t lambda_count;
    double lambdas[RIDGE_LAMBDAS];
    double squares[RIDGE_LAMBDAS][T];
    double squares_of_mean[T];
    double lambda, penalty;
    double reliable; /* greatest leverage that is */
    ngi_ridge_error errors[T];
};

static void ridge_free(ngi_ridge *r, double *block, size_t count)
{
    ngi_free(r->mem, block, count * sizeof *block);
}

void ngi_ridge_destroy(ngi_ridge *r)
{
    if (r == NULL)
        return;
    ridge_free(r, r->mean, r->d);
    ridge_free(r, r->centred, r->n * r->d);
    ridge_free(r, r->span, r->n * r->n);
    ridge_free(r, r->total, r->m * r->m);
    ridge_free(r, r->train, r->m * r->m);
    ridge_free(r, r->factor, r->m * r->m);
    ridge_free(r, r->total_xy, T * r->m);
    ridge_free(r, r->train_xy, T * r->m);
    ridge_free(r, r->solution, T * r->m);
    ridge_free(r, r->weights, T * (r->d + 1));
    ridge_free(r, r->leverages, r->n);
    ridge_free(r, r->scratch, r->d + r->m);
    ngi_free(r->mem, r, sizeof *r);
}

static ng_status ridge_doubles(ngi_ridge *r, size_t count, double **out)
{
    void *block;
    ng_status status = ngi_alloc(r->mem, count * sizeof(double), "regression", &block);
    if (status == NG_OK) {
        memset(block, 0, count * sizeof(double));
        *out = block;
    }
    return status;
}

static ng_status ridge_alloc(ngi_ridge *r)
{
    ng_status status;
    NGI_TRY(ridge_doubles(r, r->d, &r->mean));
    NGI_TRY(ridge_doubles(r, r->n * r->d, &r->centred));
    if (r->p < r->d)
        NGI_TRY(ridge_doubles(r, r->n * r->n, &r->span));
    NGI_TRY(ridge_doubles(r, r->m * r->m, &r->total));
    NGI_TRY(ridge_doubles(r, r->m * r->m, &r->train));
    NGI_TRY(ridge_doubles(r, r->m * r->m, &r->factor));
    NGI_TRY(ridge_doubles(r, T * r->m, &r->total_xy));
    NGI_TRY(ridge_doubles(r, T * r->m, &r->train_xy));
    NGI_TRY(ridge_doubles(r, T * r->m, &r->solution));
    NGI_TRY(ridge_doubles(r, T * (r->d + 1), &r->weights));
    NGI_TRY(ridge_doubles(r, r->n, &r->leverages));
    NGI_TRY(ridge_doubles(r, r->d + r->m, &r->scratch));
out:
    return status;
}

static ng_status ridge_step(const ngi_ridge *r)
{
    return r->input.step == NULL ? NG_OK : r->input.step(r->input.context);
}

static double ridge_dot(const double *a, const double *b, size_t count)
{
    double lanes[RIDGE_LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + RIDGE_LANES <= count; i += RIDGE_LANES)
        for (size_t k = 0; k < RIDGE_LANES; k++)
            lanes[k] += a[i + k] * b[i + k];
    for (; i < count; i++)
        sum += a[i] * b[i];
    for (size_t k = 0; k < RIDGE_LANES; k++)
        sum += lanes[k];
    return sum;
}

/* --- rows ------------------------------------------------------------------------------------ */

static void ridge_center(ngi_ridge *r)
{
    for (size_t i = 0; i < r->n; i++)
        for (size_t j = 0; j < r->d; j++)
            r->mean[j] += (double)r->input.rows[i * r->d + j];
    for (size_t j = 0; j < r->d; j++)
        r->mean[j] /= (double)r->n;
    for (size_t i = 0; i < r->n; i++)
        for (size_t j = 0; j < r->d; j++)
            r->centred[i * r->d + j] = (double)r->input.rows[i * r->d + j] - r->mean[j];
}

/* Cholesky's decomposition of a lower triangle in place. A pivot that is nothing beside `floor`
 * gets a column of zeros: a row in the span of those before it. */
static void ridge_decompose(double *a, size_t size, double floor)
{
    for (size_t j = 0; j < size; j++) {
        double pivot = a[j * size + j] - ridge_dot(a + j * size, a + j * size, j);
        double root = pivot > floor ? sqrt(pivot) : 0;
        a[j * size + j] = root;
        for (size_t i = j + 1; i < size; i++)
            a[i * size + j] =
                root > 0 ? (a[i * size + j] - ridge_dot(a + i * size, a + j * size, j)) / root : 0;
    }
}

/* x: the transpose of the decomposition times x is what x was. */
static void ridge_solve_upper(const double *a, size_t size, double *x)
{
    for (size_t j = size; j-- > 0;) {
        for (size_t i = j + 1; i < size; i++)
            x[j] -= a[i * size + j] * x[i];
        x[j] = a[j * size + j] > 0 ? x[j] / a[j * size + j] : 0;
    }
}

/* x: the decomposition, of rows `stride` apart, times x is what x was. Ends when the squares of x
 * have more than the sum `enough`; returns that sum. */
static double ridge_solve_lower(const double *a, size_t stride, size_t size, double *x,
                                double enough)
{
    double squares = 0;
    for (size_t j = 0; j < size && squares <= enough; j++) {
        double rest = x[j] - ridge_dot(a + j * stride, x, j);
        x[j] = a[j * stride + j] > 0 ? rest / a[j * stride + j] : 0;
        squares += x[j] * x[j];
    }
    return squares;
}

static void ridge_make_span(ngi_ridge *r)
{
    double largest = 0;
    for (size_t i = 0; i < r->n; i++) {
        for (size_t j = 0; j <= i; j++)
            r->span[i * r->n + j] = ridge_dot(r->centred + i * r->d, r->centred + j * r->d, r->d);
        largest = fmax(largest, r->span[i * r->n + i]);
    }
    ridge_decompose(r->span, r->n, largest * (double)r->n * DBL_EPSILON);
    for (size_t i = 0; i < r->n; i++)
        memset(r->span + i * r->n + i + 1, 0, (r->n - i - 1) * sizeof(double));
}

static const double *ridge_row(const ngi_ridge *r, size_t i)
{
    return r->span != NULL ? r->span + i * r->n : r->centred + i * r->d;
}

/* Adds `sign` times the products of row i. */
static void ridge_add(const ngi_ridge *r, size_t i, double sign, double *products, double *xy)
{
    const double *row = ridge_row(r, i);
    for (size_t a = 0; a < r->p; a++) {
        double x = sign * row[a];
        double *to = products + a * r->m;
        for (size_t b = 0; b <= a; b++)
            to[b] += x * row[b];
    }
    double *ones = products + r->p * r->m;
    for (size_t b = 0; b < r->p; b++)
        ones[b] += sign * row[b];
    ones[r->p] += sign;
    for (size_t t = 0; t < T; t++) {
        double y = sign * r->input.targets[i * T + t];
        for (size_t b = 0; b < r->p; b++)
            xy[t * r->m + b] += y * row[b];
        xy[t * r->m + r->p] += y;
    }
}

/* --- solutions ------------------------------------------------------------------------------- */

/* Sum of the squared distances from the mean, of the mean dimension. */
static double ridge_spread(const ngi_ridge *r, const double *products)
{
    const double *ones = products + r->p * r->m;
    double sum = 0;
    for (size_t a = 0; a < r->p; a++)
        sum += products[a * r->m + a] - ones[a] * ones[a] / ones[r->p];
    sum /= (double)r->d;
    return sum > DBL_MIN ? sum : 1; /* all rows the same: any penalty makes every weight 0 */
}

static void ridge_solve_all(ngi_ridge *r, const double *products, const double *xy, double lambda)
{
    r->penalty = lambda * ridge_spread(r, products);
    memcpy(r->factor, products, r->m * r->m * sizeof(double));
    for (size_t a = 0; a < r->p; a++)
        r->factor[a * r->m + a] += r->penalty;
    ridge_decompose(r->factor, r->m, 0);
    memcpy(r->solution, xy, T * r->m * sizeof(double));
    for (size_t t = 0; t < T; t++) {
        ridge_solve_lower(r->factor, r->m, r->m, r->solution + t * r->m, INFINITY);
        ridge_solve_upper(r->factor, r->m, r->solution + t * r->m);
    }
}

static double ridge_value(const ngi_ridge *r, size_t i, size_t t)
{
    const double *w = r->solution + t * r->m;
    return ridge_dot(w, ridge_row(r, i), r->p) + w[r->p];
}

static ng_status ridge_hold_out(ngi_ridge *r, size_t part)
{
    memcpy(r->train, r->total, r->m * r->m * sizeof(double));
    memcpy(r->train_xy, r->total_xy, T * r->m * sizeof(double));
    for (size_t i = part; i < r->n; i += NGI_RIDGE_PARTS)
        ridge_add(r, i, -1, r->train, r->train_xy);
    double rows = r->train[r->m * r->m - 1];
    for (size_t i = part; i < r->n; i += NGI_RIDGE_PARTS) {
        for (size_t t = 0; t < T; t++) {
            double apart = r->input.targets[i * T + t] - r->train_xy[t * r->m + r->p] / rows;
            r->squares_of_mean[t] += apart * apart;
        }
    }
    for (size_t k = 0; k < r->lambda_count; k++) {
        ng_status status = ridge_step(r);
        if (status != NG_OK)
            return status;
        ridge_solve_all(r, r->train, r->train_xy, r->lambdas[k]);
        for (size_t i = part; i < r->n; i += NGI_RIDGE_PARTS) {
            for (size_t t = 0; t < T; t++) {
                double apart = r->input.targets[i * T + t] - ridge_value(r, i, t);
                r->squares[k][t] += apart * apart;
            }
        }
    }
    return NG_OK;
}

/* The lambda with the least error, and the errors with it. */
static void ridge_choose(ngi_ridge *r)
{
    double least = INFINITY;
    size_t best = 0;
    for (size_t k = 0; k < r->lambda_count; k++) {
        double sum = 0;
        for (size_t t = 0; t < T; t++)
            sum += r->squares_of_mean[t] > 0 ? r->squares[k][t] / r->squares_of_mean[t] : 0;
        best = sum < least ? k : best;
        least = fmin(sum, least);
    }
    r->lambda = r->lambdas[best];
    for (size_t t = 0; t < T; t++) {
        double of_mean = r->squares_of_mean[t];
        r->errors[t] = (ngi_ridge_error){.rmse = sqrt(r->squares[best][t] / (double)r->n),
                                         .rmse_of_mean = sqrt(of_mean / (double)r->n),
                                         .r2 = of_mean > 0 ? 1 - r->squares[best][t] / of_mean : 0};
    }
}

/* From columns back to dimensions, and from centred vectors to vectors as they are. */
static void ridge_weights(ngi_ridge *r, size_t t)
{
    double *w = r->solution + t * r->m, *out = r->weights + t * (r->d + 1);
    if (r->span == NULL) {
        memcpy(out, w, r->d * sizeof(double));
    } else {
        ridge_solve_upper(r->span, r->n, w);
        for (size_t i = 0; i < r->n; i++)
            for (size_t j = 0; j < r->d; j++)
                out[j] += w[i] * r->centred[i * r->d + j];
    }
    out[r->d] = w[r->p] - ridge_dot(out, r->mean, r->d);
}

/* Of columns at `x`, which are overwritten. */
static double ridge_leverage(const ngi_ridge *r, double *x, double enough)
{
    return ridge_solve_lower(r->factor, r->m, r->p, x, enough);
}

static int ridge_compare(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* The leverage of a row by the others is h / (1 - h) where h is that by all. */
static void ridge_measure(ngi_ridge *r)
{
    for (size_t i = 0; i < r->n; i++) {
        memcpy(r->scratch, ridge_row(r, i), r->p * sizeof(double));
        double h = ridge_leverage(r, r->scratch, INFINITY);
        r->leverages[i] = h < 1 ? h / (1 - h) : INFINITY;
    }
    qsort(r->leverages, r->n, sizeof *r->leverages, ridge_compare);
    r->reliable = r->leverages[(3 * r->n - 1) / 4];
}

static ng_status ridge_run(ngi_ridge *r)
{
    ng_status status = ridge_alloc(r);
    if (status != NG_OK)
        return status;
    ridge_center(r);
    if (r->span != NULL)
        ridge_make_span(r);
    for (size_t i = 0; i < r->n; i++)
        ridge_add(r, i, 1, r->total, r->total_xy);
    for (size_t part = 0; part < NGI_RIDGE_PARTS && status == NG_OK; part++)
        status = ridge_hold_out(r, part);
    if (status != NG_OK)
        return status;
    ridge_choose(r);
    ridge_solve_all(r, r->total, r->total_xy, r->lambda);
    ridge_measure(r);
    for (size_t t = 0; t < T; t++)
        ridge_weights(r, t);
    return NG_OK;
}

ng_status ngi_ridge_create(ngi_mem *mem, const ngi_ridge_input *input, ngi_ridge **out)
{
    void *block;
    *out = NULL;
    ng_status status = ngi_alloc(mem, sizeof(ngi_ridge), "regression", &block);
    if (status != NG_OK)
        return status;
    ngi_ridge *r = block;
    *r = (ngi_ridge){.mem = mem, .input = *input, .n = input->count, .d = input->dimensions};
    r->p = r->n < r->d ? r->n : r->d;
    r->m = r->p + 1;
    r->lambda_count = input->lambda > 0 ? 1 : RIDGE_LAMBDAS;
    memcpy(r->lambdas, ridge_lambdas, sizeof r->lambdas);
    if (input->lambda > 0)
        r->lambdas[0] = input->lambda;
    status = ridge_run(r);
    if (status == NG_OK)
        *out = r;
    else
        ngi_ridge_destroy(r);
    return status;
}

/* --- answers --------------------------------------------------------------------------------- */

double ngi_ridge_lambda(const ngi_ridge *r)
{
    return r->lambda;
}

const ngi_ridge_error *ngi_ridge_errors(const ngi_ridge *r)
{
    return r->errors;
}

double ngi_ridge_predict(const ngi_ridge *r, const float *vector, size_t target)
{
    const double *w = r->weights + target * (r->d + 1);
    double sum = w[r->d];
    for (size_t j = 0; j < r->d; j++)
        sum += w[j] * (double)vector[j];
    return sum;
}

bool ngi_ridge_is_reliable(ngi_ridge *r, const float *vector)
{
    double *c = r->scratch, *z = c, outside = 0;
    for (size_t j = 0; j < r->d; j++)
        c[j] = (double)vector[j] - r->mean[j];
    if (r->span != NULL) {
        z = c + r->d;
        for (size_t i = 0; i < r->n; i++)
            z[i] = ridge_dot(r->centred + i * r->d, c, r->d);
        double inside = ridge_solve_lower(r->span, r->n, r->n, z, INFINITY);
        outside = fmax(0, ridge_dot(c, c, r->d) - inside) / r->penalty;
    }
    return outside <= r->reliable &&
           outside + ridge_leverage(r, z, r->reliable - outside) <= r->reliable;
}
