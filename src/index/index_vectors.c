/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Rows of the vector index: room, storing, removing, and the installed projection.
 *
 * put, remove and set_projection belong to the application of an op: they move bits, allocate
 * nothing and do no arithmetic on floats. Layout and invariants: index_vectors_private.h. */
#include "index/index_vectors_private.h"

#include "base/base_bytes.h"
#include "base/base_shared.h"

#include <math.h>
#include <string.h>

#define STORE_CHUNK 64u /* floats stored at a time: they pass through the stack */

ng_status ngi_vectors_create(ngi_os *os, ngi_mem *mem, uint32_t max_slots, ngi_vectors **out)
{
    void *block = NULL;
    ng_status status = ngi_alloc(mem, sizeof(ngi_vectors), "vector index", &block);
    if (status != NG_OK)
        return status;
    ngi_vectors *vectors = block;
    *vectors = (ngi_vectors){.os = os,
                             .mem = mem,
                             .max_slots = max_slots,
                             .free_row = VECTORS_NO_ROW,
                             .kernels = ngi_kernels_best()};
    *out = vectors;
    return NG_OK;
}

static void vectors_release_rows(ngi_vectors *vectors)
{
    ngi_table_release(&vectors->rows);
    ngi_table_release(&vectors->row_infos);
    ngi_table_release(&vectors->slot_rows);
    ngi_table_release(&vectors->panels);
    ngi_table_release(&vectors->errors);
}

static void vectors_release_derived(ngi_vectors *vectors)
{
    ngi_table_release(&vectors->row_infos);
    ngi_table_release(&vectors->panels);
    ngi_table_release(&vectors->errors);
    ngi_vectors_graph_drop(vectors);
    for (uint32_t i = 0; i < VECTORS_SETTING_COUNT; i++) {
        ngi_table_release(&vectors->settings[i].bounds);
        ngi_table_release(&vectors->settings[i].inverses);
    }
    ngi_free(vectors->mem, vectors->projection, vectors->projection_capacity * sizeof(float));
    vectors->projection = NULL;
    vectors->projection_capacity = 0;
    vectors->component_count = 0;
}

void ngi_vectors_destroy(ngi_vectors *vectors)
{
    if (vectors == NULL)
        return;
    vectors_release_derived(vectors);
    ngi_table_release(&vectors->rows);
    ngi_table_release(&vectors->slot_rows);
    ngi_free(vectors->mem, vectors, sizeof *vectors);
}

void ngi_vectors_retire(ngi_vectors *vectors)
{
    vectors_release_derived(vectors);
    if (vectors->dimensions == 0)
        return;
    ngi_table_empty(&vectors->slot_rows);
    ngi_table_empty(&vectors->rows);
    vectors->count = 0;
    vectors->row_end = 0;
    vectors->free_row = VECTORS_NO_ROW;
}

uint32_t ngi_vectors_dimensions(const ngi_vectors *vectors)
{
    return vectors->dimensions;
}

uint64_t ngi_vectors_count(const ngi_vectors *vectors)
{
    return vectors->count;
}

ngi_table *ngi_vectors_slot_table(ngi_vectors *vectors)
{
    return &vectors->slot_rows;
}

ngi_table *ngi_vectors_row_table(ngi_vectors *vectors)
{
    return &vectors->rows;
}

uint32_t ngi_vectors_row_end(const ngi_vectors *vectors)
{
    return vectors->row_end;
}

void ngi_vectors_memory(const ngi_vectors *vectors, ng_memory_use *floats, ng_memory_use *images,
                        ng_memory_use *rows)
{
    uint64_t count = vectors->count;
    size_t image_bytes = (size_t)vectors->pair_count * 2 + sizeof(float);
    *floats = (ng_memory_use){.bytes = ngi_table_bytes(&vectors->rows),
                              .used_bytes = count * vectors->dimensions * sizeof(float),
                              .items = count};
    *images = (ng_memory_use){.bytes = ngi_table_bytes(&vectors->panels) +
                                       ngi_table_bytes(&vectors->errors) +
                                       ngi_vectors_graph_bytes(vectors),
                              .used_bytes = count * image_bytes,
                              .items = count};
    size_t fixed = sizeof *vectors + vectors->projection_capacity * sizeof(float);
    *rows =
        (ng_memory_use){.bytes = fixed + ngi_table_bytes(&vectors->row_infos) +
                                 ngi_table_bytes(&vectors->slot_rows),
                        .used_bytes = fixed + count * (sizeof(ngi_vectors_row) + sizeof(uint32_t)),
                        .items = count};
    for (uint32_t i = 0; i < VECTORS_SETTING_COUNT; i++) {
        const ngi_vectors_setting *setting = &vectors->settings[i];
        rows->bytes += ngi_table_bytes(&setting->bounds) + ngi_table_bytes(&setting->inverses);
        rows->used_bytes +=
            setting->derived_count * (sizeof(double) + sizeof(ngi_panel_bounds) / NGI_PANEL_ROWS);
    }
}

/* ---------------------------------------------------------------------------------------------
 * Room
 * ------------------------------------------------------------------------------------------- */

static size_t vectors_panels(size_t rows)
{
    return (rows + NGI_PANEL_ROWS - 1) / NGI_PANEL_ROWS;
}

static ng_status vectors_init_rows(ngi_vectors *vectors, uint32_t dimensions)
{
    ng_status status;
    ngi_os *os = vectors->os;
    ngi_mem *mem = vectors->mem;
    size_t max_rows = vectors->max_slots;
    size_t max_panels = vectors_panels(max_rows);
    size_t panel_bytes = (size_t)(dimensions + 1) / 2 * NGI_PANEL_PAIR_BYTES;
    NGI_TRY(
        ngi_table_init(&vectors->rows, os, mem, dimensions * sizeof(float), max_rows, "vectors"));
    NGI_TRY(ngi_table_init(&vectors->row_infos, os, mem, sizeof(ngi_vectors_row), max_rows,
                           "rows of vectors"));
    NGI_TRY(ngi_table_init(&vectors->slot_rows, os, mem, sizeof(uint32_t), max_rows + 1,
                           "slots of vectors"));
    NGI_TRY(ngi_table_init(&vectors->panels, os, mem, panel_bytes, max_panels,
                           "int8 image of vectors"));
    NGI_TRY(ngi_table_init(&vectors->errors, os, mem, sizeof(float), max_panels * NGI_PANEL_ROWS,
                           "errors of vectors"));
out:
    if (status != NG_OK)
        vectors_release_rows(vectors);
    return status;
}

static ng_status vectors_check_dimensions(const ngi_vectors *vectors, uint32_t dimensions)
{
    if (dimensions < NGI_DIMENSIONS_MIN || dimensions > NGI_DIMENSIONS_MAX)
        return ngi_fail(NG_E_INVALID, "dimensions %u is outside %d..%d", dimensions,
                        NGI_DIMENSIONS_MIN, NGI_DIMENSIONS_MAX);
    if (vectors->dimensions != 0 && dimensions != vectors->dimensions)
        return ngi_fail(NG_E_INVALID, "dimensions %u differs from the %u of the stored vectors",
                        dimensions, vectors->dimensions);
    return NG_OK;
}

static ng_status vectors_grow(ngi_vectors *vectors, size_t rows, uint32_t max_slot)
{
    ng_status status;
    size_t free_count = vectors->row_end - (size_t)vectors->count;
    size_t fresh = rows > free_count ? rows - free_count : 0;
    /* More puts than slots can only be replacements. */
    size_t room = vectors->max_slots - vectors->row_end;
    size_t end = vectors->row_end + (fresh < room ? fresh : room);
    size_t panels = vectors_panels(end);
    NGI_TRY(ngi_table_reserve(&vectors->slot_rows, (size_t)max_slot + 1));
    NGI_TRY(ngi_table_reserve(&vectors->rows, end));
    NGI_TRY(ngi_table_reserve(&vectors->row_infos, end));
    NGI_TRY(ngi_table_reserve(&vectors->panels, panels));
    NGI_TRY(ngi_table_reserve(&vectors->errors, panels * NGI_PANEL_ROWS));
out:
    return status;
}

ng_status ngi_vectors_reserve(ngi_vectors *vectors, uint32_t dimensions, size_t rows,
                              uint32_t max_slot)
{
    ng_status status = vectors_check_dimensions(vectors, dimensions);
    if (status != NG_OK)
        return status;
    if (max_slot > vectors->max_slots)
        return ngi_fail(NG_E_LIMIT, "slot %u of a vector is outside 1..%u", max_slot,
                        vectors->max_slots);
    bool first = vectors->dimensions == 0;
    if (first) {
        status = vectors_init_rows(vectors, dimensions);
        if (status != NG_OK)
            return status;
    }
    status = vectors_grow(vectors, rows, max_slot);
    if (status == NG_OK) {
        vectors->dimensions = dimensions;
        vectors->pair_count = (dimensions + 1) / 2;
        atomic_store_explicit(&vectors->readable, dimensions, memory_order_release);
    } else if (first) {
        vectors_release_rows(vectors);
    }
    return status;
}

/* ---------------------------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------------------------- */

static uint32_t *vectors_slot_row(const ngi_vectors *vectors, uint32_t slot)
{
    size_t slots = vectors->slot_rows.committed_bytes / sizeof(uint32_t);
    return slot < slots ? (uint32_t *)(void *)vectors->slot_rows.base + slot : NULL;
}

const float *ngi_vectors_get(const ngi_vectors *vectors, uint32_t slot)
{
    const uint32_t *row = vectors_slot_row(vectors, slot);
    return row == NULL || *row == 0 ? NULL : ngi_vectors_row_at(vectors, *row - 1);
}

/* Row + 1, 0 = none; also the dimensions, for a reader without a lock. */
static uint32_t vectors_shared_row(const ngi_vectors *vectors, uint32_t slot, uint32_t *dimensions)
{
    *dimensions = atomic_load_explicit(&vectors->readable, memory_order_acquire);
    if (*dimensions == 0 || !ngi_table_covers(&vectors->slot_rows, slot))
        return 0;
    return ngi_shared_u32((const uint32_t *)(const void *)vectors->slot_rows.base + slot);
}

bool ngi_vectors_has(const ngi_vectors *vectors, uint32_t slot)
{
    uint32_t dimensions;
    return vectors_shared_row(vectors, slot, &dimensions) != 0;
}

size_t ngi_vectors_read(const ngi_vectors *vectors, uint32_t slot, float *out, size_t capacity)
{
    uint32_t dimensions;
    uint32_t row = vectors_shared_row(vectors, slot, &dimensions);
    if (row == 0)
        return 0;
    const uint8_t *source = vectors->rows.base + (row - 1) * (dimensions * sizeof(float));
    size_t copied = dimensions < capacity ? dimensions : capacity;
    ngi_shared_read(out, source, copied * sizeof(float));
    return dimensions;
}

static void vectors_copy_floats(float *out, const uint8_t *little_endian, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = ngi_get_u32(little_endian + 4 * i);
        memcpy(out + i, &bits, sizeof bits);
    }
}

/* Takes a row out of the counts of derived values; the filter then passes it on (`gain` NaN). */
static void vectors_forget(ngi_vectors *vectors, uint32_t row)
{
    uint32_t derived = ngi_vectors_info_at(vectors, row)->derived;
    ngi_vectors_graph_forget(vectors, row);
    for (uint32_t i = 0; i < VECTORS_SETTING_COUNT; i++) {
        ngi_vectors_setting *setting = &vectors->settings[i];
        if (row >= setting->swept)
            continue;
        setting->derived_count -= derived >> i & 1u;
        ngi_vectors_bounds_at(setting, row / NGI_PANEL_ROWS)->gain[row % NGI_PANEL_ROWS] = NAN;
        if (setting->cursor > row)
            setting->cursor = row;
    }
}

static uint32_t vectors_take_row(ngi_vectors *vectors)
{
    uint32_t row = vectors->free_row;
    if (row == VECTORS_NO_ROW)
        return vectors->row_end++;
    vectors->free_row = ngi_vectors_info_at(vectors, row)->derived;
    ngi_vectors_info_at(vectors, row)->derived = 0;
    return row;
}

static void vectors_store_row(ngi_vectors *vectors, uint32_t row, const uint8_t *little_endian)
{
    float chunk[STORE_CHUNK];
    float *floats = (float *)(void *)vectors->rows.base + (size_t)row * vectors->dimensions;
    for (size_t at = 0, count; at < vectors->dimensions; at += count) {
        count = vectors->dimensions - at < STORE_CHUNK ? vectors->dimensions - at : STORE_CHUNK;
        vectors_copy_floats(chunk, little_endian + at * sizeof(float), count);
        ngi_shared_write(floats + at, chunk, count * sizeof(float));
    }
}

void ngi_vectors_put(ngi_vectors *vectors, uint32_t slot, const uint8_t *little_endian_floats)
{
    uint32_t *place = vectors_slot_row(vectors, slot);
    if (*place == 0) {
        ngi_table_touch(&vectors->slot_rows, slot, 1);
        ngi_shared_set_u32(place, vectors_take_row(vectors) + 1);
        vectors->count++;
    }
    uint32_t row = *place - 1;
    vectors_forget(vectors, row);
    *ngi_vectors_info_at(vectors, row) = (ngi_vectors_row){.slot = slot};
    *ngi_vectors_error_at(vectors, row) = NAN;
    ngi_table_touch(&vectors->rows, row, 1);
    vectors_store_row(vectors, row, little_endian_floats);
    vectors->change_count++;
}

void ngi_vectors_remove(ngi_vectors *vectors, uint32_t slot)
{
    uint32_t *place = vectors_slot_row(vectors, slot);
    if (place == NULL || *place == 0)
        return;
    uint32_t row = *place - 1;
    ngi_table_touch(&vectors->slot_rows, slot, 1);
    ngi_shared_set_u32(place, 0);
    vectors_forget(vectors, row);
    /* With a gain of 1 the error of minus infinity tells the filter that nothing is here. */
    for (uint32_t i = 0; i < VECTORS_SETTING_COUNT; i++) {
        ngi_vectors_setting *setting = &vectors->settings[i];
        if (row < setting->swept) {
            ngi_panel_bounds *bounds = ngi_vectors_bounds_at(setting, row / NGI_PANEL_ROWS);
            bounds->gain[row % NGI_PANEL_ROWS] = 1;
            bounds->shift[row % NGI_PANEL_ROWS] = 0;
        }
    }
    *ngi_vectors_error_at(vectors, row) = -INFINITY;
    *ngi_vectors_info_at(vectors, row) = (ngi_vectors_row){.derived = vectors->free_row};
    vectors->free_row = row;
    vectors->count--;
    vectors->change_count++;
}

/* ---------------------------------------------------------------------------------------------
 * Projection
 * ------------------------------------------------------------------------------------------- */

ng_status ngi_vectors_reserve_projection(ngi_vectors *vectors, uint32_t dimensions,
                                         uint32_t component_count)
{
    ng_status status = vectors_check_dimensions(vectors, dimensions);
    if (status != NG_OK)
        return status;
    if (component_count < 1 || component_count > NGI_COMPONENTS_MAX || component_count > dimensions)
        return ngi_fail(NG_E_INVALID, "component_count %u is outside 1..%u", component_count,
                        dimensions < NGI_COMPONENTS_MAX ? dimensions : NGI_COMPONENTS_MAX);
    size_t floats = (size_t)(component_count + 1) * dimensions;
    bool grown = floats > vectors->projection_capacity;
    void *block = vectors->projection;
    size_t old_bytes = vectors->projection_capacity * sizeof(float);
    if (grown) {
        status = ngi_resize(vectors->mem, &block, old_bytes, floats * sizeof(float), "projection");
        if (status != NG_OK)
            return status;
        vectors->projection = block;
        vectors->projection_capacity = floats;
    }
    /* A projection may come before the first vector; both fix the dimensions. */
    return ngi_vectors_reserve(vectors, dimensions, 0, 0);
}

uint64_t ngi_vectors_projection_version(const ngi_vectors *vectors)
{
    return vectors->projection_version;
}

void ngi_vectors_set_projection(ngi_vectors *vectors, const uint8_t *little_endian_mean,
                                const uint8_t *little_endian_components, uint32_t component_count)
{
    size_t dimensions = vectors->dimensions;
    vectors->component_count = little_endian_mean == NULL ? 0 : component_count;
    if (vectors->component_count != 0) {
        vectors_copy_floats(vectors->projection, little_endian_mean, dimensions);
        vectors_copy_floats(vectors->projection + dimensions, little_endian_components,
                            dimensions * component_count);
    }
    for (uint32_t i = VECTORS_PLAIN + 1; i <= NGI_COMPONENTS_MAX; i++) {
        vectors->settings[i].swept = 0;
        vectors->settings[i].cursor = 0;
        vectors->settings[i].derived_count = 0;
    }
    /* A graph of directions without components is of no use any more. */
    if (ngi_setting_is_projected(vectors->graph.setting))
        ngi_vectors_graph_drop(vectors);
    vectors->projection_version++;
}

ng_status ngi_vectors_resolve(const ngi_vectors *vectors, int32_t remove_components, uint32_t *out)
{
    uint32_t available = vectors->component_count;
    *out = remove_components == NGI_SELECT_L2 ? VECTORS_L2 : VECTORS_DOT;
    if (remove_components == NGI_SELECT_L2 || remove_components == NGI_SELECT_DOT)
        return NG_OK;
    if (remove_components < NG_PLAIN_COSINE || remove_components > NGI_COMPONENTS_MAX)
        return ngi_fail(NG_E_INVALID, "remove_components %d is outside %d..%d", remove_components,
                        NG_PLAIN_COSINE, NGI_COMPONENTS_MAX);
    if (remove_components > 0 && available == 0)
        return ngi_fail(NG_E_INVALID,
                        "remove_components %d, but no principal components have been computed",
                        remove_components);
    if (remove_components > 0 && (uint32_t)remove_components > available)
        return ngi_fail(NG_E_INVALID, "remove_components %d is more than the %u that are stored",
                        remove_components, available);
    if (remove_components == NG_PLAIN_COSINE || available == 0) {
        *out = VECTORS_PLAIN;
    } else if (remove_components > 0) {
        *out = (uint32_t)remove_components;
    } else {
        /* One dimension at least must be left, or nothing would have a direction. */
        uint32_t most = available < vectors->dimensions ? available : vectors->dimensions - 1;
        *out = most < VECTORS_DEFAULT_COMPONENTS ? most : VECTORS_DEFAULT_COMPONENTS;
    }
    return NG_OK;
}
