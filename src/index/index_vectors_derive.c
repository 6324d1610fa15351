/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the vector index derives from rows: projections, inverse norms, the int8 image with its
 * error, and the verification of all of them.
 *
 * The projection P removes the span of the top components C (k rows). They are stored as float32,
 * so not quite orthonormal; therefore P = I - C'(CC')^-1 C, by a Cholesky factor of CC'. Then P is
 * symmetric and idempotent to float64 precision, which the formula in index_vectors.h needs.
 *
 * A vector has no direction, and scores nowhere, if it is the zero vector, or if no more than
 * RESIDUE_MIN of its centred length is left: rounding of its float32 values, not meaning. */
#include "index/index_vectors_ann.h"
#include "index/index_vectors_private.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define RESIDUE_MIN 1e-6
#define PIVOT_MIN 1e-9       /* of components: a smaller pivot is a copy of those before it */
#define ERROR_SLACK 1.000001 /* rounds up what float32 could round down */
#define SUMS 8u
#define UNITS_AHEAD 4u /* rows fetched before they are needed */

/* ---------------------------------------------------------------------------------------------
 * Projections
 * ------------------------------------------------------------------------------------------- */

/* Independent sums in a fixed order, as in the kernels. */
static double derive_norm(const double *values, size_t count)
{
    double sums[SUMS] = {0};
    size_t i = 0;
    for (; i + SUMS <= count; i += SUMS) {
        for (size_t j = 0; j < SUMS; j++)
            sums[j] += values[i + j] * values[i + j];
    }
    for (size_t j = 0; i + j < count; j++)
        sums[j] += values[i + j] * values[i + j];
    for (size_t width = SUMS / 2; width > 0; width /= 2) {
        for (size_t j = 0; j < width; j++)
            sums[j] += sums[j + width];
    }
    return sqrt(sums[0]);
}

double ngi_vectors_nearness(const double *query, const float *values, size_t count)
{
    double sums[SUMS] = {0}, difference;
    size_t i = 0;
    for (; i + SUMS <= count; i += SUMS) {
        for (size_t j = 0; j < SUMS; j++) {
            difference = query[i + j] - (double)values[i + j];
            sums[j] += difference * difference;
        }
    }
    for (size_t j = 0; i + j < count; j++) {
        difference = query[i + j] - (double)values[i + j];
        sums[j] += difference * difference;
    }
    for (size_t width = SUMS / 2; width > 0; width /= 2) {
        for (size_t j = 0; j < width; j++)
            sums[j] += sums[j + width];
    }
    return -sums[0];
}

static void derive_widen(double *out, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (double)values[i];
}

static double *projector_factor(ngi_projector *projector, uint32_t row)
{
    return projector->factor + (size_t)row * (row + 1) / 2;
}

/* Cholesky, row by row. A component that depends on those before it gets pivot 0 and is left out:
 * its removal would change nothing. */
static void projector_factorise(ngi_projector *projector)
{
    const ngi_vectors *vectors = projector->vectors;
    double component[NGI_DIMENSIONS_MAX];
    for (uint32_t i = 0; i < projector->component_count; i++) {
        double *row = projector_factor(projector, i);
        derive_widen(component, ngi_vectors_component(vectors, i), vectors->dimensions);
        for (uint32_t j = 0; j <= i; j++) {
            const double *other = projector_factor(projector, j);
            const float *values = ngi_vectors_component(vectors, j);
            double sum = vectors->kernels->dot(component, values, vectors->dimensions);
            double limit = sum * PIVOT_MIN;
            for (uint32_t m = 0; m < j; m++)
                sum -= row[m] * other[m];
            if (j < i)
                row[j] = other[j] > 0 ? sum / other[j] : 0;
            else
                row[j] = sum > limit && sum > 0 ? sqrt(sum) : 0;
        }
    }
}

void ngi_projector_init(ngi_projector *projector, const ngi_vectors *vectors, uint32_t setting)
{
    projector->vectors = vectors;
    projector->setting = setting;
    projector->component_count = ngi_setting_is_cosine(setting) ? setting : 0;
    projector->mean_norm = 0;
    if (projector->component_count == 0)
        return;
    double mean[NGI_DIMENSIONS_MAX];
    derive_widen(mean, ngi_vectors_mean(vectors), vectors->dimensions);
    projector->mean_norm = derive_norm(mean, vectors->dimensions);
    projector_factorise(projector);
}

/* Solves (CC') x = products in place, by the factor; x = 0 where the pivot is 0. */
static void projector_solve(const ngi_projector *projector, double *products)
{
    uint32_t count = projector->component_count;
    const double *factor = projector->factor;
    for (uint32_t i = 0; i < count; i++) {
        const double *row = factor + (size_t)i * (i + 1) / 2;
        for (uint32_t j = 0; j < i; j++)
            products[i] -= row[j] * products[j];
        products[i] = row[i] > 0 ? products[i] / row[i] : 0;
    }
    for (uint32_t i = count; i-- > 0;) {
        for (uint32_t j = i + 1; j < count; j++)
            products[i] -= factor[(size_t)j * (j + 1) / 2 + i] * products[j];
        double pivot = factor[(size_t)i * (i + 1) / 2 + i];
        products[i] = pivot > 0 ? products[i] / pivot : 0;
    }
}

static void projector_remove(const ngi_projector *projector, double *values)
{
    const ngi_vectors *vectors = projector->vectors;
    double products[NGI_COMPONENTS_MAX];
    for (uint32_t i = 0; i < projector->component_count; i++)
        products[i] =
            vectors->kernels->dot(values, ngi_vectors_component(vectors, i), vectors->dimensions);
    projector_solve(projector, products);
    for (uint32_t i = 0; i < projector->component_count; i++) {
        const float *component = ngi_vectors_component(vectors, i);
        for (size_t j = 0; j < vectors->dimensions; j++)
            values[j] -= products[i] * (double)component[j];
    }
}

double ngi_projector_row(const ngi_projector *projector, const float *vector, double *residual)
{
    size_t dimensions = projector->vectors->dimensions;
    derive_widen(residual, vector, dimensions);
    if (!ngi_setting_is_cosine(projector->setting))
        return 1;
    double norm = derive_norm(residual, dimensions);
    if (!(norm > 0) || isinf(norm))
        return 0;
    if (projector->component_count != 0) {
        const float *mean = ngi_vectors_mean(projector->vectors);
        for (size_t i = 0; i < dimensions; i++)
            residual[i] -= (double)mean[i];
        double centred = derive_norm(residual, dimensions);
        projector_remove(projector, residual);
        norm = derive_norm(residual, dimensions);
        if (!(norm > RESIDUE_MIN * centred) || isinf(norm))
            return 0;
    }
    return 1 / norm;
}

double ngi_projector_query(const ngi_projector *projector, double *query)
{
    size_t dimensions = projector->vectors->dimensions;
    double norm = derive_norm(query, dimensions);
    if (projector->component_count == 0)
        return norm;
    projector_remove(projector, query);
    double left = derive_norm(query, dimensions);
    return left > RESIDUE_MIN * norm ? left : 0;
}

bool ngi_vectors_accumulate(const ngi_vectors *vectors, uint32_t slot, const float *vector,
                            double sign, int32_t remove_components, double *dst)
{
    const float *values = vector != NULL ? vector : ngi_vectors_get(vectors, slot);
    uint32_t setting;
    if (values == NULL || ngi_vectors_resolve(vectors, remove_components, &setting) != NG_OK)
        return false;
    ngi_projector projector;
    double residual[NGI_DIMENSIONS_MAX];
    ngi_projector_init(&projector, vectors, setting);
    double inverse = ngi_projector_row(&projector, values, residual);
    if (!(inverse > 0))
        return false;
    for (size_t i = 0; i < vectors->dimensions; i++)
        dst[i] += sign * (residual[i] * inverse);
    return true;
}

/* As ngi_projector_row; where the inverse norm is there already no norm is computed again. */
static double units_row(const ngi_projector *projector, const float *values, double *residual)
{
    const ngi_vectors *vectors = projector->vectors;
    uint32_t setting = projector->setting;
    size_t row = ngi_vectors_row_of(vectors, values);
    if (!ngi_vectors_is_derived(vectors, setting, row))
        return ngi_projector_row(projector, values, residual);
    double inverse = *ngi_vectors_inverse_at(&vectors->settings[setting], row);
    derive_widen(residual, values, vectors->dimensions);
    if (inverse > 0 && projector->component_count != 0) {
        const float *mean = ngi_vectors_mean(vectors);
        for (size_t i = 0; i < vectors->dimensions; i++)
            residual[i] -= (double)mean[i];
        projector_remove(projector, residual);
    }
    return inverse;
}

/* Rows are anywhere in memory: those that come next are fetched while one is worked on. */
static void units_prefetch(const ngi_vectors *vectors, uint32_t slot)
{
    const float *values = slot != 0 ? ngi_vectors_get(vectors, slot) : NULL;
    for (size_t i = 0; values != NULL && i < vectors->dimensions; i += 64 / sizeof(float))
        __builtin_prefetch(values + i);
}

ng_status ngi_vectors_units(const ngi_vectors *vectors, const uint32_t *slots, size_t count,
                            int32_t remove_components, double *dst, bool *has)
{
    uint32_t setting;
    ng_status status = ngi_vectors_resolve(vectors, remove_components, &setting);
    if (status != NG_OK)
        return status;
    size_t dimensions = vectors->dimensions;
    ngi_projector projector;
    ngi_projector_init(&projector, vectors, setting);
    for (size_t i = 0; i < count; i++, dst += dimensions) {
        const float *values = slots[i] != 0 ? ngi_vectors_get(vectors, slots[i]) : NULL;
        if (i + UNITS_AHEAD < count)
            units_prefetch(vectors, slots[i + UNITS_AHEAD]);
        double inverse = values != NULL ? units_row(&projector, values, dst) : 0;
        has[i] = inverse > 0;
        for (size_t j = 0; j < dimensions; j++)
            dst[j] = has[i] ? 0 + dst[j] * inverse : 0; /* 0 + makes of -0 what accumulate makes */
    }
    return NG_OK;
}

/* ---------------------------------------------------------------------------------------------
 * Derived values of rows
 * ------------------------------------------------------------------------------------------- */

double ngi_vectors_inverse(const ngi_projector *projector, size_t row)
{
    const ngi_vectors *vectors = projector->vectors;
    uint32_t setting = projector->setting;
    if (NGI_LIKELY(ngi_vectors_is_derived(vectors, setting, row)))
        return *ngi_vectors_inverse_at(&vectors->settings[setting], row);
    double residual[NGI_DIMENSIONS_MAX];
    return ngi_projector_row(projector, ngi_vectors_row_at(vectors, row), residual);
}

/* The largest magnitude; infinite if any value is not finite. */
static double derive_peak(const float *values, size_t count)
{
    float peak = 0;
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        float size = fabsf(values[i]);
        peak = size > peak ? size : peak;
        finite = finite && size <= FLT_MAX;
    }
    return finite ? (double)peak : INFINITY;
}

static void derive_image(ngi_vectors *vectors, size_t row)
{
    const float *values = ngi_vectors_row_at(vectors, row);
    int8_t *codes = ngi_vectors_panel_at(vectors, row / NGI_PANEL_ROWS) + row % NGI_PANEL_ROWS * 2;
    double peak = derive_peak(values, vectors->dimensions);
    double scale = peak > 0 && isfinite(peak) ? VECTORS_CODE_MAX / peak : 0;
    double sum = 0;
    for (size_t i = 0; i < 2 * (size_t)vectors->pair_count; i++) {
        double value = scale > 0 && i < vectors->dimensions ? (double)values[i] * scale : 0;
        int code = (int)(value < 0 ? value - 0.5 : value + 0.5);
        codes[i / 2 * NGI_PANEL_PAIR_BYTES + i % 2] = (int8_t)code;
        sum += (value - code) * (value - code);
    }
    *ngi_vectors_error_at(vectors, row) = (float)(sqrt(sum) * ERROR_SLACK);
    ngi_vectors_info_at(vectors, row)->derived |= VECTORS_IMAGE_BIT;
}

static void derive_bounds(ngi_vectors *vectors, const ngi_projector *projector, size_t row)
{
    uint32_t index = projector->setting;
    ngi_vectors_setting *setting = &vectors->settings[index];
    ngi_vectors_row *info = ngi_vectors_info_at(vectors, row);
    const float *values = ngi_vectors_row_at(vectors, row);
    double residual[NGI_DIMENSIONS_MAX];
    double inverse = ngi_projector_row(projector, values, residual);
    double gain = 0;
    double shift = 0;
    if (inverse > 0) {
        gain = derive_peak(values, vectors->dimensions) / VECTORS_CODE_MAX * inverse;
        shift = projector->mean_norm * inverse;
    }
    if (index == VECTORS_L2) {
        double length = derive_norm(residual, vectors->dimensions);
        gain *= 2; /* the bound is 2 q.v - |v|^2 */
        shift = length * length;
    }
    double most = ngi_setting_is_cosine(index) ? VECTORS_BOUND_MAX : VECTORS_LENGTH_MAX;
    bool usable = gain <= most && shift <= most;
    ngi_panel_bounds *bounds = ngi_vectors_bounds_at(setting, row / NGI_PANEL_ROWS);
    bounds->gain[row % NGI_PANEL_ROWS] = usable ? (float)gain : NAN;
    bounds->shift[row % NGI_PANEL_ROWS] = usable ? (float)shift : 0;
    *ngi_vectors_inverse_at(setting, row) = inverse;
    info->derived |= 1u << index;
    setting->derived_count++;
}

static ng_status prepare_room(ngi_vectors *vectors, ngi_vectors_setting *setting)
{
    size_t max_panels = ((size_t)vectors->max_slots + NGI_PANEL_ROWS - 1) / NGI_PANEL_ROWS;
    size_t panels = ((size_t)vectors->row_end + NGI_PANEL_ROWS - 1) / NGI_PANEL_ROWS;
    ng_status status = NG_OK;
    if (setting->bounds.base == NULL)
        NGI_TRY(ngi_table_init(&setting->bounds, vectors->os, vectors->mem,
                               sizeof(ngi_panel_bounds), max_panels, "bounds of vectors"));
    if (setting->inverses.base == NULL)
        NGI_TRY(ngi_table_init(&setting->inverses, vectors->os, vectors->mem, sizeof(double),
                               vectors->max_slots, "norms of vectors"));
    NGI_TRY(ngi_table_reserve(&setting->bounds, panels));
    NGI_TRY(ngi_table_reserve(&setting->inverses, vectors->row_end));
out:
    return status;
}

/* Brings a row into the swept part; a row with a slot is derived next. Its bit may be left over
 * from before a projection was replaced. */
static void prepare_sweep(ngi_vectors *vectors, uint32_t index, uint32_t row)
{
    ngi_vectors_setting *setting = &vectors->settings[index];
    ngi_vectors_row *info = ngi_vectors_info_at(vectors, row);
    setting->swept = row + 1;
    if (info->slot != 0) {
        info->derived &= ~(1u << index);
    } else {
        ngi_panel_bounds *bounds = ngi_vectors_bounds_at(setting, row / NGI_PANEL_ROWS);
        bounds->gain[row % NGI_PANEL_ROWS] = 1;
        bounds->shift[row % NGI_PANEL_ROWS] = 0;
    }
}

bool ngi_vectors_is_prepared(const ngi_vectors *vectors, int32_t remove_components)
{
    uint32_t index;
    return ngi_vectors_resolve(vectors, remove_components, &index) == NG_OK &&
           vectors->settings[index].derived_count == vectors->count;
}

ng_status ngi_vectors_prepare(ngi_vectors *vectors, int32_t remove_components, size_t max_rows)
{
    uint32_t index;
    ng_status status = ngi_vectors_resolve(vectors, remove_components, &index);
    if (status != NG_OK || vectors->settings[index].derived_count == vectors->count)
        return status;
    ngi_vectors_setting *setting = &vectors->settings[index];
    status = prepare_room(vectors, setting);
    if (status != NG_OK)
        return status;
    ngi_projector projector;
    ngi_projector_init(&projector, vectors, index);
    uint32_t row = setting->cursor;
    size_t done = 0;
    for (; done < max_rows && setting->derived_count < vectors->count; row++) {
        if (row >= setting->swept)
            prepare_sweep(vectors, index, row);
        const ngi_vectors_row *info = ngi_vectors_info_at(vectors, row);
        if (info->slot == 0 || (info->derived >> index & 1u) != 0)
            continue;
        if ((info->derived & VECTORS_IMAGE_BIT) == 0)
            derive_image(vectors, row);
        derive_bounds(vectors, &projector, row);
        done++;
    }
    setting->cursor = row;
    return NG_OK;
}

/* ---------------------------------------------------------------------------------------------
 * Verification
 * ------------------------------------------------------------------------------------------- */

static ng_status check_rows(const ngi_vectors *vectors)
{
    uint64_t live = 0;
    for (uint32_t row = 0; row < vectors->row_end; row++) {
        uint32_t slot = ngi_vectors_info_at(vectors, row)->slot;
        if (slot == 0)
            continue;
        live++;
        if (slot > vectors->max_slots ||
            ngi_vectors_get(vectors, slot) != ngi_vectors_row_at(vectors, row))
            return ngi_fail(NG_E_INTERNAL, "vector row %u names slot %u, which has another row",
                            row, slot);
    }
    uint64_t free_count = 0;
    uint32_t row = vectors->free_row;
    for (; row < vectors->row_end && free_count <= vectors->row_end; free_count++) {
        if (ngi_vectors_info_at(vectors, row)->slot != 0)
            return ngi_fail(NG_E_INTERNAL, "vector row %u is free and in use", row);
        row = ngi_vectors_info_at(vectors, row)->derived;
    }
    if (live != vectors->count || live + free_count != vectors->row_end || row != VECTORS_NO_ROW)
        return ngi_fail(NG_E_INTERNAL,
                        "of %u vector rows %llu are in use and %llu free, but the count is %llu",
                        vectors->row_end, (unsigned long long)live, (unsigned long long)free_count,
                        (unsigned long long)vectors->count);
    return NG_OK;
}

static ng_status check_image(const ngi_vectors *vectors, uint32_t row)
{
    const float *values = ngi_vectors_row_at(vectors, row);
    const int8_t *codes =
        ngi_vectors_panel_at(vectors, row / NGI_PANEL_ROWS) + row % NGI_PANEL_ROWS * 2;
    double peak = derive_peak(values, vectors->dimensions);
    double unit = isfinite(peak) ? peak / VECTORS_CODE_MAX : 0;
    double difference[NGI_DIMENSIONS_MAX];
    for (size_t i = 0; i < vectors->dimensions; i++) {
        int8_t code = codes[i / 2 * NGI_PANEL_PAIR_BYTES + i % 2];
        difference[i] = (double)values[i] - unit * code;
    }
    double error = (double)*ngi_vectors_error_at(vectors, row);
    if (isfinite(peak) && !(derive_norm(difference, vectors->dimensions) <= unit * error))
        return ngi_fail(NG_E_INTERNAL, "vector row %u differs from its image by more than %g", row,
                        unit * error);
    return NG_OK;
}

static ng_status check_setting(const ngi_vectors *vectors, uint32_t index)
{
    const ngi_vectors_setting *setting = &vectors->settings[index];
    ngi_projector projector;
    double residual[NGI_DIMENSIONS_MAX];
    uint64_t derived = 0;
    if (setting->swept > 0)
        ngi_projector_init(&projector, vectors, index);
    for (uint32_t row = 0; row < setting->swept; row++) {
        if (ngi_vectors_info_at(vectors, row)->slot == 0)
            continue;
        if (!ngi_vectors_is_derived(vectors, index, row)) {
            if (row < setting->cursor)
                return ngi_fail(NG_E_INTERNAL, "vector row %u is missing below cursor %u", row,
                                setting->cursor);
            continue;
        }
        derived++;
        const float *values = ngi_vectors_row_at(vectors, row);
        double inverse = ngi_projector_row(&projector, values, residual);
        if (inverse != *ngi_vectors_inverse_at(setting, row))
            return ngi_fail(NG_E_INTERNAL, "vector row %u has inverse norm %g, not %g", row,
                            *ngi_vectors_inverse_at(setting, row), inverse);
    }
    if (derived != setting->derived_count || setting->swept > vectors->row_end ||
        setting->cursor > setting->swept)
        return ngi_fail(NG_E_INTERNAL, "%llu vector rows are derived, but the count is %llu",
                        (unsigned long long)derived, (unsigned long long)setting->derived_count);
    return NG_OK;
}

ng_status ngi_vectors_check(const ngi_vectors *vectors)
{
    ng_status status;
    NGI_TRY(check_rows(vectors));
    for (uint32_t row = 0; row < vectors->row_end; row++) {
        const ngi_vectors_row *info = ngi_vectors_info_at(vectors, row);
        if (info->slot != 0 && (info->derived & VECTORS_IMAGE_BIT) != 0)
            NGI_TRY(check_image(vectors, row));
    }
    for (uint32_t i = 0; i < VECTORS_SETTING_COUNT; i++)
        NGI_TRY(check_setting(vectors, i));
    if (vectors->graph.ann != NULL)
        NGI_TRY(ngi_ann_check(vectors->graph.ann));
out:
    return status;
}
