/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Similarities of tokens that are named: one pair, many pairs, a matrix, and the odd one out.
 *
 * A similarity is the scalar product of two unit vectors in float64, summed from the first dimension
 * to the last, and cut to -1..1. Many are computed in blocks: each vector of a block is normalised
 * once, and then LANES sums go on side by side, each in that same order. So the bits are those of one
 * pair, and the processor is not kept waiting for one long chain of additions.
 *
 * A block is computed under one hold of the shared lock. If the projection was replaced between two
 * blocks everything begins again, so that one call answers by one projection. */
#include "store/store_private.h"

#include <math.h>
#include <string.h>

#define LANES 8u
#define PAIR_BLOCK 128u
#define ROW_BLOCK 64u     /* of a matrix */
#define COLUMN_BLOCK 256u /* a multiple of LANES */
#define BLOCK_MAX (ROW_BLOCK + COLUMN_BLOCK)
#define SIMILARITY_RETRIES 4

_Static_assert(COLUMN_BLOCK % LANES == 0, "columns are grouped by lanes");
_Static_assert(2 * PAIR_BLOCK <= BLOCK_MAX, "the same room serves pairs and matrices");

/* One call. */
typedef struct similarity {
    const ng_store *store;
    store_searched searched; /* the default field, held */
    int32_t remove_components;
    size_t dimensions;
    double *units;       /* [BLOCK_MAX][dimensions] */
    double *lanes;       /* [COLUMN_BLOCK / LANES][dimensions][LANES]; NULL = not a matrix */
    bool has[BLOCK_MAX]; /* of units: whether there is a direction */
    uint64_t version;    /* of the projection that this call answers by */
    size_t found;
} similarity;

static double similarity_cut(double sum)
{
    return sum > 1 ? 1 : sum < -1 ? -1 : sum;
}

static double similarity_of(const double *x, const double *y, size_t dimensions)
{
    double sum = 0;
    for (size_t i = 0; i < dimensions; i++)
        sum += x[i] * y[i];
    return similarity_cut(sum);
}

/* Unit vectors of `count` tokens into units[at ...], under the lock. An id that is no token has
 * none. Errors: NG_E_INVALID (remove_components). */
static ng_status similarity_units(similarity *call, const ng_token_id *ids, size_t count, size_t at)
{
    uint32_t slots[BLOCK_MAX];
    for (size_t i = 0; i < count; i++)
        slots[i] = store_live_slot(call->store, ids[i]);
    return ngi_vectors_units(call->searched.vectors, slots, count, call->remove_components,
                             call->units + at * call->dimensions, call->has + at);
}

/* Begins a block: the lock, and whether the projection is still the one. NG_E_CANCELLED: it is not. */
static ng_status similarity_begin(const similarity *call)
{
    ng_status status = ngi_searched_read_begin(&call->searched);
    if (status != NG_OK)
        return status;
    if (ngi_searched_version(&call->searched) == call->version)
        return NG_OK;
    ngi_store_read_end(call->store);
    return ngi_fail(NG_E_CANCELLED, "the projection changed during every attempt");
}

/* ---------------------------------------------------------------------------------------------
 * Room
 * ------------------------------------------------------------------------------------------- */

static size_t similarity_bytes(const similarity *call, bool matrix)
{
    return (BLOCK_MAX + (matrix ? COLUMN_BLOCK : 0)) * call->dimensions * sizeof(double);
}

/* Holds the default field, if it has dimensions. */
static ng_status similarity_hold(similarity *call)
{
    ng_status status = ngi_searched_begin(call->store, 0, call->remove_components, &call->searched);
    if (status == NG_OK)
        status = ngi_searched_read_begin(&call->searched);
    if (status == NG_OK) {
        call->dimensions = ngi_vectors_dimensions(call->searched.vectors);
        ngi_store_read_end(call->store);
    }
    if (status != NG_OK || call->dimensions == 0)
        ngi_searched_end(&call->searched);
    return status;
}

static uint64_t similarity_version(const similarity *call)
{
    ngi_rwlock_read(&store_mutable(call->store)->index_lock);
    uint64_t version = ngi_searched_version(&call->searched);
    ngi_store_read_end(call->store);
    return version;
}

static ng_status similarity_open(similarity *call, bool matrix)
{
    void *block;
    ng_status status = similarity_hold(call);
    if (status != NG_OK || call->dimensions == 0)
        return status; /* nothing to compare, and nothing to close */
    status = ngi_alloc(call->store->mem, similarity_bytes(call, matrix), "similarities", &block);
    if (status != NG_OK) {
        ngi_searched_end(&call->searched);
        return status;
    }
    call->units = block;
    call->lanes = matrix ? call->units + BLOCK_MAX * call->dimensions : NULL;
    return NG_OK;
}

static void similarity_close(similarity *call)
{
    ngi_free(call->store->mem, call->units, similarity_bytes(call, call->lanes != NULL));
    ngi_searched_end(&call->searched);
}

/* A store without vectors: nothing is similar to anything. */
static ng_status similarity_none(double *out, size_t count, size_t *found)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (double)NAN;
    *found = 0;
    return NG_OK;
}

/* ---------------------------------------------------------------------------------------------
 * Pairs
 * ------------------------------------------------------------------------------------------- */

/* LANES sums of pairs side by side, or what is left of them. */
static void similarity_lanes(const similarity *call, size_t at, size_t count, double *out)
{
    const double *x[LANES], *y[LANES];
    double sums[LANES] = {0};
    for (size_t lane = 0; lane < LANES; lane++) {
        size_t pair = lane < count ? at + lane : at;
        x[lane] = call->units + 2 * pair * call->dimensions;
        y[lane] = x[lane] + call->dimensions;
    }
    for (size_t i = 0; i < call->dimensions; i++) {
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += x[lane][i] * y[lane][i];
    }
    for (size_t lane = 0; lane < count; lane++)
        out[lane] = similarity_cut(sums[lane]);
}

static ng_status similarity_pairs(similarity *call, const ng_token_id (*pairs)[2], size_t count,
                                  double *out)
{
    ng_status status = similarity_begin(call);
    if (status != NG_OK)
        return status;
    status = similarity_units(call, &pairs[0][0], 2 * count, 0);
    ngi_store_read_end(call->store);
    for (size_t at = 0; at < count && status == NG_OK; at += LANES)
        similarity_lanes(call, at, count - at < LANES ? count - at : LANES, out + at);
    for (size_t i = 0; i < count && status == NG_OK; i++) {
        if (call->has[2 * i] && call->has[2 * i + 1])
            call->found++;
        else
            out[i] = (double)NAN;
    }
    return status;
}

static ng_status similarity_pairs_once(similarity *call, const ng_token_id (*pairs)[2],
                                       size_t count, double *out)
{
    ng_status status = NG_OK;
    call->version = similarity_version(call);
    call->found = 0;
    for (size_t at = 0; at < count && status == NG_OK; at += PAIR_BLOCK)
        status = similarity_pairs(call, pairs + at,
                                  count - at < PAIR_BLOCK ? count - at : PAIR_BLOCK, out + at);
    return status;
}

ng_status ngi_store_similarity_many(const ng_store *store, const ng_token_id (*pairs)[2],
                                    size_t count, int32_t remove_components, double *out,
                                    size_t *found)
{
    similarity call = {.store = store, .remove_components = remove_components};
    *found = 0;
    ng_status status = similarity_open(&call, false);
    if (status != NG_OK)
        return status;
    if (call.dimensions == 0)
        return similarity_none(out, count, found);
    status = NG_E_CANCELLED;
    for (int i = 0; i < SIMILARITY_RETRIES && status == NG_E_CANCELLED; i++)
        status = similarity_pairs_once(&call, pairs, count, out);
    similarity_close(&call);
    *found = status == NG_OK ? call.found : 0;
    return status;
}

ng_status ngi_store_similarity(const ng_store *store, ng_token_id a, ng_token_id b,
                               int32_t remove_components, double *out)
{
    similarity call = {.store = store, .remove_components = remove_components};
    const ng_token_id ids[2] = {a, b};
    ng_status status = similarity_hold(&call);
    if (status != NG_OK)
        return status;
    if (call.dimensions == 0)
        return ngi_fail(NG_E_ABSENT, "the store has no vectors");
    void *block = NULL;
    NGI_TRY(ngi_alloc(store->mem, 2 * call.dimensions * sizeof(double), "similarity", &block));
    call.units = block;
    /* Both vectors under one hold of the lock, so that one projection serves both. */
    NGI_TRY(ngi_searched_read_begin(&call.searched));
    for (int i = 0; i < 2 && status == NG_OK; i++) {
        uint32_t slot;
        status = ngi_store_slot(store, ids[i], &slot);
    }
    if (status == NG_OK)
        status = similarity_units(&call, ids, 2, 0);
    ngi_store_read_end(store);
    for (int i = 0; i < 2 && status == NG_OK; i++) {
        if (!call.has[i])
            status = ngi_fail(NG_E_ABSENT, "token %llu has no vector with a direction",
                              (unsigned long long)ids[i]);
    }
    if (status == NG_OK)
        *out = similarity_of(call.units, call.units + call.dimensions, call.dimensions);
out:
    ngi_free(store->mem, call.units, 2 * call.dimensions * sizeof(double));
    ngi_searched_end(&call.searched);
    return status;
}

/* Rows of a named field, by its metric. False without a direction. */
static bool similarity_by_metric(const store_vector_field *field, const float *a, const float *b,
                                 double *out)
{
    double dot = 0, aa = 0, bb = 0, squares = 0;
    for (uint32_t i = 0; i < field->spec.dimensions; i++) {
        double x = (double)a[i], y = (double)b[i];
        dot += x * y;
        aa += x * x;
        bb += y * y;
        squares += (x - y) * (x - y);
    }
    *out = field->spec.metric == NG_VECTOR_L2 ? -squares : dot;
    if (field->spec.metric != NG_VECTOR_COSINE)
        return true;
    if (aa == 0 || bb == 0)
        return false;
    double cosine = dot / sqrt(aa) / sqrt(bb);
    *out = cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
    return true;
}

ng_status ngi_store_similarity_in(const ng_store *store, ng_vector_field_id id, ng_token_id a,
                                  ng_token_id b, double *out)
{
    const ng_token_id ids[2] = {a, b};
    const float *rows[2] = {NULL, NULL};
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    const store_vector_field *field = ngi_vector_field(store, id);
    if (field == NULL) {
        ngi_store_read_end(store);
        return ngi_vector_field_fail(id);
    }
    for (int i = 0; i < 2 && status == NG_OK; i++) {
        uint32_t slot;
        status = ngi_store_slot(store, ids[i], &slot);
        if (status != NG_OK)
            break;
        rows[i] = ngi_vectors_get(field->vectors, slot);
        if (rows[i] == NULL)
            status = ngi_fail(NG_E_ABSENT, "token %u has no vector in field '%s'", slot,
                              field->spec.name);
    }
    double score = 0;
    if (status == NG_OK && rows[0] != NULL && rows[1] != NULL &&
        !similarity_by_metric(field, rows[0], rows[1], &score))
        status =
            ngi_fail(NG_E_ABSENT, "a zero vector in field '%s' has no direction", field->spec.name);
    ngi_store_read_end(store);
    if (status == NG_OK)
        *out = score;
    return status;
}

/* ---------------------------------------------------------------------------------------------
 * Matrix
 * ------------------------------------------------------------------------------------------- */

/* Where a matrix is at. */
typedef struct similarity_matrix {
    const ng_token_id *a, *b;
    size_t a_count, b_count;
    double *out;
} similarity_matrix;

/* Lays columns of units[ROW_BLOCK ...] out so that LANES of them stand side by side. */
static void matrix_interleave(similarity *call, size_t count)
{
    for (size_t column = 0; column < (count + LANES - 1) / LANES * LANES; column++) {
        const double *unit = call->units + (ROW_BLOCK + column) * call->dimensions;
        double *lane = call->lanes + column / LANES * LANES * call->dimensions + column % LANES;
        for (size_t i = 0; i < call->dimensions && column < count; i++)
            lane[i * LANES] = unit[i];
        for (size_t i = 0; i < call->dimensions && column >= count; i++)
            lane[i * LANES] = 0;
    }
}

/* One row with LANES columns. */
static void matrix_cells(const double *restrict row, const double *restrict lanes,
                         size_t dimensions, double sums[LANES])
{
    double local[LANES] = {0};
    for (size_t i = 0; i < dimensions; i++) {
        for (size_t lane = 0; lane < LANES; lane++)
            local[lane] += row[i] * lanes[i * LANES + lane];
    }
    memcpy(sums, local, sizeof local);
}

static void matrix_row(similarity *call, size_t row, size_t count, double *out)
{
    const bool *has = call->has + ROW_BLOCK;
    for (size_t column = 0; column < count; column += LANES) {
        double sums[LANES];
        matrix_cells(call->units + row * call->dimensions, call->lanes + column * call->dimensions,
                     call->dimensions, sums);
        for (size_t lane = 0; lane < LANES && column + lane < count; lane++) {
            bool is_there = call->has[row] && has[column + lane];
            out[column + lane] = is_there ? similarity_cut(sums[lane]) : (double)NAN;
            call->found += is_there;
        }
    }
}

/* Rows [0, a_count) with a block of columns. */
static ng_status matrix_columns(similarity *call, const similarity_matrix *matrix, size_t column)
{
    size_t left = matrix->b_count - column;
    size_t count = left < COLUMN_BLOCK ? left : COLUMN_BLOCK;
    for (size_t at = 0; at < matrix->a_count; at += ROW_BLOCK) {
        size_t rows = matrix->a_count - at < ROW_BLOCK ? matrix->a_count - at : ROW_BLOCK;
        ng_status status = similarity_begin(call);
        if (status != NG_OK)
            return status;
        if (at == 0)
            status = similarity_units(call, matrix->b + column, count, ROW_BLOCK);
        if (status == NG_OK)
            status = similarity_units(call, matrix->a + at, rows, 0);
        ngi_store_read_end(call->store);
        if (status != NG_OK)
            return status;
        if (at == 0)
            matrix_interleave(call, count);
        for (size_t row = 0; row < rows; row++)
            matrix_row(call, row, count, matrix->out + (at + row) * matrix->b_count + column);
    }
    return NG_OK;
}

static ng_status matrix_once(similarity *call, const similarity_matrix *matrix)
{
    ng_status status = NG_OK;
    call->version = similarity_version(call);
    call->found = 0;
    for (size_t column = 0; column < matrix->b_count && status == NG_OK; column += COLUMN_BLOCK)
        status = matrix_columns(call, matrix, column);
    return status;
}

ng_status ngi_store_similarity_matrix(const ng_store *store, const ng_token_id *a, size_t a_count,
                                      const ng_token_id *b, size_t b_count,
                                      int32_t remove_components, double *out, size_t *found)
{
    const similarity_matrix matrix = {a, b, a_count, b_count, out};
    similarity call = {.store = store, .remove_components = remove_components};
    *found = 0;
    ng_status status = similarity_open(&call, true);
    if (status != NG_OK)
        return status;
    if (call.dimensions == 0)
        return similarity_none(out, a_count * b_count, found);
    status = NG_E_CANCELLED;
    for (int i = 0; i < SIMILARITY_RETRIES && status == NG_E_CANCELLED; i++)
        status = matrix_once(&call, &matrix);
    similarity_close(&call);
    *found = status == NG_OK ? call.found : 0;
    return status;
}

/* ---------------------------------------------------------------------------------------------
 * Odd one out
 * ------------------------------------------------------------------------------------------- */

/* The mean of row `i` without the diagonal; NaN if the token has no vector. */
static double odd_score(const double *cells, size_t count, size_t i, size_t there)
{
    double sum = 0;
    if (isnan(cells[i * count + i]))
        return (double)NAN;
    for (size_t j = 0; j < count; j++) {
        if (j != i && !isnan(cells[i * count + j]))
            sum += cells[i * count + j];
    }
    return sum / (double)(there - 1);
}

ng_status ngi_store_odd_one_out(const ng_store *store, const ng_token_id *ids, size_t count,
                                int32_t remove_components, size_t *out, double *scores)
{
    void *block;
    size_t bytes = count * count * sizeof(double), found, there = 0;
    double least = INFINITY;
    ng_status status = ngi_alloc(store->mem, bytes, "similarities of a set", &block);
    if (status != NG_OK)
        return status;
    double *cells = block;
    NGI_TRY(ngi_store_similarity_matrix(store, ids, count, ids, count, remove_components, cells,
                                        &found));
    for (size_t i = 0; i < count; i++)
        there += isnan(cells[i * count + i]) ? 0 : 1;
    if (there < 3) {
        status =
            ngi_fail(NG_E_ABSENT, "%zu of the %zu tokens have a vector, three must", there, count);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        double score = odd_score(cells, count, i, there);
        if (score < least) {
            least = score;
            *out = i;
        }
        if (scores != NULL)
            scores[i] = score;
    }
out:
    ngi_free(store->mem, cells, bytes);
    return status;
}
