/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Search in space, in slices: the shared lock is let go between them, so that a writer waits for one
 * slice at most. */
#include "index/index_grid.h"
#include "store/store_filter.h"

#include <string.h>

static ng_status grid_run(const ng_store *store, ngi_grid_search *search, const ng_filter *filter,
                          ng_hit *out, size_t *count)
{
    store_filter context = {.store = store, .filter = filter};
    void *heap;
    ng_status status =
        ngi_alloc(store->mem, search->capacity * sizeof(ngi_grid_hit), "hits of a search", &heap);
    if (status != NG_OK)
        return status;
    search->heap = heap;
    search->accept = ngi_filter_accept;
    search->context = &context;
    NGI_TRY(ngi_store_read_begin(store));
    status = ngi_filter_resolve(store, filter);
    ngi_store_read_end(store);
    if (status != NG_OK)
        goto out;
    for (uint64_t slot = 1; slot < store_slot_end(store); slot += NGI_SLICE_ITEMS) {
        NGI_TRY(ngi_store_read_begin(store));
        uint64_t end = store_slot_end(store);
        size_t slice = end - slot < NGI_SLICE_ITEMS ? (size_t)(end - slot) : NGI_SLICE_ITEMS;
        ngi_grid_scan(search, store_records(store), (uint32_t)slot, slice);
        ngi_store_read_end(store);
    }
    ngi_grid_finish(search);
    for (size_t i = 0; i < search->heap_count; i++)
        out[i] =
            (ng_hit){.id = search->heap[i].slot,
                     .distance = ngi_metric_distance(&search->metric, search->heap[i].squared)};
    *count = search->found;
out:
    search->context = NULL;
    ngi_free(store->mem, heap, search->capacity * sizeof(ngi_grid_hit));
    return status;
}

static ng_status grid_check(ng_space space, const ng_filter *filter, size_t capacity)
{
    if ((unsigned)space >= NG_SPACE_COUNT)
        return ngi_fail(NG_E_INVALID, "space %d is outside 0..7", (int)space);
    if (capacity > NGI_TOKENS_MAX_LIMIT)
        return ngi_fail(NG_E_INVALID, "capacity %zu is outside 0..%u", capacity,
                        NGI_TOKENS_MAX_LIMIT);
    return ngi_filter_check(filter);
}

static ng_status grid_from(const ng_store *store, ng_space space,
                           const int16_t center[NG_AXIS_COUNT], float radius,
                           const ng_filter *filter, ng_hit *out, size_t capacity, size_t *count)
{
    ngi_grid_search search = {.space = space, .bound = UINT64_MAX, .capacity = capacity};
    memcpy(search.center, center, sizeof search.center);
    ngi_metric_init(&search.metric, &store->encoding, space);
    if (radius >= 0)
        search.bound = ngi_metric_bound(&search.metric, radius);
    ng_status status = grid_run(store, &search, filter, out, count);
    if (status == NG_OK && radius < 0 && *count > capacity)
        *count = capacity; /* "the nearest": there are no more than asked for */
    return status;
}

ng_status ngi_store_grid_search(const ng_store *store, ng_space space,
                                const float center[NG_AXIS_COUNT], float radius,
                                const ng_filter *filter, ng_hit *out, size_t capacity,
                                size_t *count)
{
    *count = 0;
    ng_status status = grid_check(space, filter, capacity);
    if (status != NG_OK)
        return status;
    int16_t raw[NG_AXIS_COUNT];
    ngi_encoding strict = store->encoding;
    strict.clip = false; /* a centre that was clamped would answer another question */
    status = ngi_space_encode(&strict, space, center, raw);
    if (status != NG_OK)
        return status;
    return grid_from(store, space, raw, radius, filter, out, capacity, count);
}

ng_status ngi_store_token_neighbors(const ng_store *store, ng_token_id id, ng_space space,
                                    const ng_filter *filter, ng_hit *out, size_t capacity,
                                    size_t *count)
{
    *count = 0;
    ng_token record;
    ng_status status = grid_check(space, filter, capacity);
    if (status == NG_OK)
        status = ngi_store_token_read(store, id, &record);
    if (status != NG_OK)
        return status;
    int16_t raw[NG_AXIS_COUNT];
    memcpy(raw, record.coordinates[space], sizeof raw);
    float ignored[NG_AXIS_COUNT];
    if (!ngi_space_decode(&store->encoding, space, raw, ignored))
        return ngi_fail(NG_E_ABSENT, "token %llu has no coordinates in space %s",
                        (unsigned long long)id, ng_space_name(space));
    ng_filter narrowed = {.struct_size = sizeof narrowed};
    if (filter != NULL)
        narrowed = *filter;
    if (narrowed.exclude != 0 && narrowed.exclude != id)
        return ngi_fail(NG_E_INVALID, "exclude: the token itself is always left out; "
                                      "search around its coordinates to leave out another");
    narrowed.exclude = id;
    return grid_from(store, space, raw, -1.0f, &narrowed, out, capacity, count);
}
