/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The plain scan behind searches in space.
 *
 * Invariants of a search: 1. heap[0, heap_count) is a max-heap by (squared, slot) of the best
 *                            min(capacity, found) tokens seen, until finish sorts it.
 *                         2. `found` counts every token within `bound` that the filter lets pass,
 *                            also those that the heap has no room for.
 *
 * The loop is bound by memory: one 64-byte record a token, of which it reads the six bytes of one
 * space unless the point is near enough. The rest of the same cache line is then free. */
#include "index/index_grid.h"

static bool grid_is_after(const ngi_grid_hit *a, const ngi_grid_hit *b)
{
    return a->squared > b->squared || (a->squared == b->squared && a->slot > b->slot);
}

/* Moves the hit at the top down to where it belongs. */
static void grid_sift_down(ngi_grid_hit *heap, size_t count, ngi_grid_hit hit)
{
    size_t at = 0;
    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && grid_is_after(&heap[child + 1], &heap[child]))
            child++;
        if (!grid_is_after(&heap[child], &hit))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = hit;
}

static void grid_sift_up(ngi_grid_hit *heap, size_t at, ngi_grid_hit hit)
{
    while (at > 0 && grid_is_after(&hit, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = hit;
}

/* A token within the bound: out of line, because most are not. */
static __attribute__((noinline)) void grid_offer(ngi_grid_search *search, const ng_token *record,
                                                 uint32_t slot, uint64_t squared)
{
    if (record->coordinates[search->space][0] == NG_COORDINATE_ABSENT || record->slot == 0 ||
        slot == search->exclude_slot || (record->flags & search->flags_all) != search->flags_all ||
        (search->accept != NULL && !search->accept(search->context, slot)))
        return;
    search->found++;
    ngi_grid_hit hit = {.squared = squared, .slot = slot};
    if (search->heap_count < search->capacity)
        grid_sift_up(search->heap, search->heap_count++, hit);
    else if (search->capacity > 0 && grid_is_after(&search->heap[0], &hit))
        grid_sift_down(search->heap, search->heap_count, hit);
}

/* With one scale for all axes the metric is the plain one, and each square fits 32 bits. */
static void grid_scan_uniform(ngi_grid_search *search, const ng_token *records, uint32_t first,
                              size_t count)
{
    const int x = search->center[0], y = search->center[1], z = search->center[2];
    const uint64_t bound = search->bound;
    const ng_space space = search->space;
    for (size_t i = 0; i < count; i++) {
        const ng_token *record = &records[first + i];
        const int16_t *raw = record->coordinates[space];
        uint32_t dx = (uint32_t)(raw[0] - x), dy = (uint32_t)(raw[1] - y);
        uint32_t dz = (uint32_t)(raw[2] - z);
        uint64_t squared = (uint64_t)(dx * dx) + (dy * dy) + (dz * dz);
        if (NGI_UNLIKELY(squared <= bound))
            grid_offer(search, record, first + (uint32_t)i, squared);
    }
}

static void grid_scan_weighted(ngi_grid_search *search, const ng_token *records, uint32_t first,
                               size_t count)
{
    const ngi_metric metric = search->metric;
    const int16_t center[NG_AXIS_COUNT] = {search->center[0], search->center[1], search->center[2]};
    const uint64_t bound = search->bound;
    const ng_space space = search->space;
    for (size_t i = 0; i < count; i++) {
        const ng_token *record = &records[first + i];
        uint64_t squared = ngi_metric_squared(&metric, record->coordinates[space], center);
        if (NGI_UNLIKELY(squared <= bound))
            grid_offer(search, record, first + (uint32_t)i, squared);
    }
}

void ngi_grid_scan(ngi_grid_search *search, const ng_token *records, uint32_t first, size_t count)
{
    const int64_t *factor = search->metric.factor;
    if (factor[0] == 1 && factor[1] == 1 && factor[2] == 1)
        grid_scan_uniform(search, records, first, count);
    else
        grid_scan_weighted(search, records, first, count);
}

/* Heap sort in place: the heap is there already, and nothing is allocated. */
void ngi_grid_finish(ngi_grid_search *search)
{
    for (size_t left = search->heap_count; left > 1; left--) {
        ngi_grid_hit farthest = search->heap[0];
        ngi_grid_hit last = search->heap[left - 1];
        grid_sift_down(search->heap, left - 1, last);
        search->heap[left - 1] = farthest;
    }
}
