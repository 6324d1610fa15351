/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Mean and covariance, and what of the eigenvectors is kept.
 *
 * Rows are centred into a block of 64, and each full block is added to the covariance. */
#include "mind/mind_pca_private.h"

#include "base/base_limits.h"

#include <math.h>
#include <string.h>

#define PCA_BLOCK 64 /* rows: with 100 dimensions 52 kB, which stays in the second-level cache */

struct ngi_pca {
    size_t dimensions;
    size_t stride;       /* at least dimensions; what is added stays 0 */
    uint64_t mean_count; /* rows of the first pass */
    size_t block_count;  /* rows in the block */
    double *sums;        /* [stride]; the mean once the second pass has begun */
    double *block;       /* [PCA_BLOCK][stride], centred */
    double *covariance;  /* [stride][stride], upper triangle */
    bool is_second_pass;
};

/* Whole tiles, and never a multiple of 512 bytes: the columns that a rotation writes would all fall
 * on the same few sets of the cache. */
static size_t pca_stride(size_t dimensions)
{
    size_t tiles = (dimensions + NGI_COVARIANCE_TILE - 1) / NGI_COVARIANCE_TILE;
    return (tiles % 8 == 0 ? tiles + 1 : tiles) * NGI_COVARIANCE_TILE;
}

static size_t pca_doubles(size_t stride)
{
    return stride * (1 + PCA_BLOCK + stride);
}

ng_status ngi_pca_create(ngi_mem *mem, size_t dimensions, ngi_pca **out)
{
    void *block = NULL;
    if (dimensions < 1 || dimensions > NGI_DIMENSIONS_MAX)
        return ngi_fail(NG_E_INVALID, "dimensions %zu is outside 1..%d", dimensions,
                        NGI_DIMENSIONS_MAX);
    ng_status status = ngi_alloc(mem, sizeof(ngi_pca), "covariance", &block);
    if (status != NG_OK)
        return status;
    ngi_pca *pca = block;
    size_t stride = pca_stride(dimensions);
    *pca = (ngi_pca){.dimensions = dimensions, .stride = stride};
    status = ngi_alloc(mem, pca_doubles(stride) * sizeof(double), "covariance", &block);
    if (status != NG_OK) {
        ngi_free(mem, pca, sizeof *pca);
        return status;
    }
    memset(block, 0, pca_doubles(stride) * sizeof(double));
    pca->sums = block;
    pca->block = pca->sums + stride;
    pca->covariance = pca->block + PCA_BLOCK * stride;
    *out = pca;
    return NG_OK;
}

void ngi_pca_destroy(ngi_mem *mem, ngi_pca *pca)
{
    if (pca == NULL)
        return;
    ngi_free(mem, pca->sums, pca_doubles(pca->stride) * sizeof(double));
    ngi_free(mem, pca, sizeof *pca);
}

void ngi_pca_add_to_mean(ngi_pca *pca, const float *rows, size_t count)
{
    for (size_t r = 0; r < count; r++, rows += pca->dimensions) {
        for (size_t i = 0; i < pca->dimensions; i++)
            pca->sums[i] += rows[i];
    }
    pca->mean_count += count;
}

static void pca_flush(ngi_pca *pca)
{
    ngi_covariance_add(pca->block, pca->block_count, pca->stride, pca->covariance);
    pca->block_count = 0;
}

static void pca_end_first_pass(ngi_pca *pca)
{
    pca->is_second_pass = true;
    for (size_t i = 0; pca->mean_count > 0 && i < pca->dimensions; i++)
        pca->sums[i] /= (double)pca->mean_count;
}

void ngi_pca_add(ngi_pca *pca, const float *rows, size_t count)
{
    if (!pca->is_second_pass)
        pca_end_first_pass(pca);
    for (size_t r = 0; r < count; r++, rows += pca->dimensions) {
        double *to = pca->block + pca->block_count * pca->stride;
        for (size_t i = 0; i < pca->dimensions; i++)
            to[i] = rows[i] - pca->sums[i];
        if (++pca->block_count == PCA_BLOCK)
            pca_flush(pca);
    }
}

/* The index of the largest eigenvalue not taken yet; of equal ones the first. */
static size_t pca_take_largest(const ngi_pca *pca, uint8_t *is_taken)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < pca->dimensions; i++) {
        const double *diagonal = pca->covariance + i * (pca->stride + 1);
        if (!is_taken[i] &&
            (best == SIZE_MAX || *diagonal > pca->covariance[best * (pca->stride + 1)]))
            best = i;
    }
    is_taken[best] = 1;
    return best;
}

/* An eigenvector is one up to its sign; this one has its entry of largest magnitude positive. */
static void pca_keep(const double *vector, size_t dimensions, float *out)
{
    size_t largest = 0;
    for (size_t i = 1; i < dimensions; i++) {
        if (fabs(vector[i]) > fabs(vector[largest]))
            largest = i;
    }
    double sign = vector[largest] < 0 ? -1 : 1;
    for (size_t i = 0; i < dimensions; i++)
        out[i] = (float)(sign * vector[i]);
}

ng_status ngi_pca_solve(ngi_mem *mem, ngi_pca *pca, size_t component_count,
                        const ngi_pca_watch *watch, float *mean, float *components,
                        double *explained)
{
    uint8_t is_taken[NGI_DIMENSIONS_MAX] = {0};
    size_t bytes = pca->dimensions * pca->stride * sizeof(double);
    double total = 0;
    void *vectors = NULL;

    if (component_count < 1 || component_count > pca->dimensions)
        return ngi_fail(NG_E_INVALID, "components %zu is outside 1..%zu", component_count,
                        pca->dimensions);
    pca_flush(pca);
    for (size_t i = 0; i < pca->dimensions; i++)
        total += pca->covariance[i * (pca->stride + 1)];
    ng_status status = ngi_alloc(mem, bytes, "eigenvectors", &vectors);
    if (status != NG_OK)
        return status;
    status = ngi_pca_eigen(pca->covariance, vectors, pca->dimensions, pca->stride, watch);
    for (size_t k = 0; status == NG_OK && k < component_count; k++) {
        size_t best = pca_take_largest(pca, is_taken);
        double value = pca->covariance[best * (pca->stride + 1)];
        explained[k] = total > 0 && value > 0 ? value / total : 0;
        pca_keep((double *)vectors + best * pca->stride, pca->dimensions,
                 components + k * pca->dimensions);
    }
    for (size_t i = 0; i < pca->dimensions; i++)
        mean[i] = (float)pca->sums[i];
    ngi_free(mem, vectors, bytes);
    return status;
}
