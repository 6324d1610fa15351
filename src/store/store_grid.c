/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Search in space. A search reads one moment of a spatial tree without a lock. A filter that
 * asks about records reads them without one; for one that asks what is beside them the search holds the
 * shared lock, in slices: the writer waits for one slice at most. */
#include "store/store_grid.h"

#include "base/base_limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the frame ------------------------------------------------------------------------------- */

bool ngi_grid_call_goes_on(void *context)
{
    store_grid_call *call = context;
    const ng_search_options *options = call->options;
    ngi_os *os = call->store->os;
    if (call->holds_lock)
        ngi_store_read_end(call->store);
    if (options != NULL && options->cancelled != NULL && options->cancelled(options->context))
        call->stopped = ngi_fail(NG_E_CANCELLED, "the search was cancelled");
    else if (options != NULL && call->deadline_ns != 0 && os->monotonic_ns(os) > call->deadline_ns)
        call->stopped =
            ngi_fail(NG_E_TIMEOUT, "the search took more than %u us", options->timeout_us);
    if (call->holds_lock)
        ngi_rwlock_read(&store_mutable(call->store)->index_lock);
    return call->stopped == NG_OK;
}

/* The tree may be older than the record: the token may be gone. */
static bool grid_accept(void *context, uint32_t slot)
{
    store_grid_call *call = context;
    return store_records(call->store)[slot].slot != 0 && ngi_filter_accept(&call->filter, slot);
}

static bool grid_accept_record(void *context, uint32_t slot)
{
    const store_grid_call *call = context;
    ng_token record;
    return ngi_store_token_read(call->store, slot, &record) == NG_OK &&
           ngi_filter_accept_record(call->filter.filter, &record);
}

ng_status ngi_grid_call_check(const ng_store *store, ng_space space,
                              const ng_search_options *options, size_t capacity)
{
    if ((unsigned)space >= NG_SPACE_COUNT)
        return ngi_fail(NG_E_INVALID, "space %d is outside 0..7", (int)space);
    if (capacity > NGI_TOKENS_MAX_LIMIT)
        return ngi_fail(NG_E_INVALID, "capacity %zu is outside 0..%u", capacity,
                        NGI_TOKENS_MAX_LIMIT);
    if (NGI_UNLIKELY(ngi_wal_is_latched(store->wal)))
        return ngi_wal_fail_latched(store->wal);
    if (options == NULL)
        return NG_OK;
    if (options->metric > NG_METRIC_CHEBYSHEV)
        return ngi_fail(NG_E_INVALID, "metric %u is outside 0..2", options->metric);
    if ((options->flags & ~(uint32_t)NG_SEARCH_UNORDERED) != 0)
        return ngi_fail(NG_E_INVALID, "flags 0x%X has unknown bits", options->flags);
    if (!isfinite(options->max_distance) || options->max_distance < 0)
        return ngi_fail(NG_E_INVALID, "max_distance %g is outside 0..inf",
                        (double)options->max_distance);
    return ngi_filter_check(options->filter);
}

/* A grid that is dropped after this is searched as it is then: empty. */
static ng_status grid_find(store_grid_call *call, ng_grid_id id)
{
    ng_status status = ngi_store_read_begin(call->store);
    if (status != NG_OK)
        return status;
    if (ngi_named_has(call->store, id))
        call->trees = call->store->named.trees[id - 1];
    else
        status = ngi_named_fail(id);
    ngi_store_read_end(call->store);
    return status;
}

ng_status ngi_grid_call_begin(store_grid_call *call, const ng_store *store, ng_space space,
                              const ng_search_options *options, ngi_grid_search *search)
{
    *call = (store_grid_call){.store = store, .options = options, .trees = store->spaces};
    search->metric = store->metrics[space];
    if (options == NULL)
        return NG_OK;
    ng_status status = options->grid != 0 ? grid_find(call, options->grid) : NG_OK;
    if (status != NG_OK)
        return status;
    if (options->metric != NG_METRIC_EUCLIDEAN)
        ngi_metric_init(&search->metric, &store->encoding, space, (ng_metric)options->metric);
    if (options->timeout_us != 0)
        call->deadline_ns =
            store->os->monotonic_ns(store->os) + UINT64_C(1000) * options->timeout_us;
    if (options->timeout_us != 0 || options->cancelled != NULL || options->filter != NULL)
        search->go_on = ngi_grid_call_goes_on;
    call->filter = (store_filter){.store = store, .filter = options->filter};
    if (options->filter == NULL)
        return NG_OK;
    if (!ngi_filter_needs_lock(options->filter)) {
        search->accept = grid_accept_record;
        return NG_OK;
    }
    status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    status = ngi_filter_resolve(store, options->filter);
    if (status != NG_OK) {
        ngi_store_read_end(store);
        return status;
    }
    call->holds_lock = true;
    search->accept = grid_accept;
    return NG_OK;
}

ng_status ngi_grid_call_end(store_grid_call *call)
{
    if (call->holds_lock)
        ngi_store_read_end(call->store);
    call->holds_lock = false;
    return call->stopped;
}

ng_status ngi_grid_encode(const ng_store *store, ng_space space, const float at[NG_AXIS_COUNT],
                          int16_t raw[NG_AXIS_COUNT])
{
    ngi_encoding strict = store->encoding;
    strict.clip = false;
    return ngi_space_encode(&strict, space, at, raw);
}

static ngi_grid *grid_of(const ng_store *store)
{
    return store->grid; /* searches change nothing but the epochs of readers */
}

/* --- range, nearest, box --------------------------------------------------------------------- */

static bool grid_is_unordered(const ng_search_options *options)
{
    return options != NULL && (options->flags & NG_SEARCH_UNORDERED) != 0;
}

static ng_status grid_refuse_distance(const ng_search_options *options)
{
    if (options == NULL || options->max_distance == 0.0f)
        return NG_OK;
    return ngi_fail(NG_E_INVALID, "max_distance %g is for searches of the nearest",
                    (double)options->max_distance);
}

/* A search whose region and center are set. `nearest` wants no count of what is farther. */
static ng_status grid_run(const ng_store *store, ng_space space, const ng_search_options *options,
                          bool nearest, ngi_grid_search *search, size_t *count)
{
    const store_grid_call *call = search->context;
    const ngi_grid_tree *tree = &call->trees[space];
    if (nearest)
        ngi_grid_nearest(grid_of(store), tree, search);
    else if (grid_is_unordered(options))
        ngi_grid_collect(grid_of(store), tree, search);
    else
        ngi_grid_range(grid_of(store), tree, search);
    *count = nearest ? search->count : (size_t)search->found;
    ng_status status = ngi_grid_call_end(search->context);
    if (status == NG_OK)
        ngi_grid_report(search);
    else
        *count = 0;
    return status;
}

/* Around a raw point; `radius` < 0: the nearest. */
static ng_status grid_around(const ng_store *store, ng_space space,
                             const int16_t center[NG_AXIS_COUNT], float radius,
                             const ng_search_options *options, ngi_grid_search *search,
                             size_t *count)
{
    ng_status status = radius < 0 ? NG_OK : grid_refuse_distance(options);
    if (status == NG_OK)
        status = ngi_grid_call_begin(search->context, store, space, options, search);
    if (status != NG_OK)
        return status;
    float most = radius < 0 && options != NULL ? options->max_distance : radius;
    memcpy(search->center, center, sizeof search->center);
    search->bound = most > 0 || radius >= 0 ? ngi_metric_bound(&search->metric, most) : UINT64_MAX;
    return grid_run(store, space, options, radius < 0, search, count);
}

ng_status ngi_store_grid_search(const ng_store *store, ng_space space,
                                const float center[NG_AXIS_COUNT], float radius,
                                const ng_search_options *options, ng_hit *out, size_t capacity,
                                size_t *count)
{
    int16_t raw[NG_AXIS_COUNT];
    *count = 0;
    ng_status status = ngi_grid_call_check(store, space, options, capacity);
    if (status == NG_OK)
        status = ngi_grid_encode(store, space, center, raw);
    if (status != NG_OK)
        return status;
    store_grid_call call;
    ngi_grid_search search = {.hits = (ngi_grid_hit *)(void *)out,
                              .capacity = capacity,
                              .context = &call};
    return grid_around(store, space, raw, radius, options, &search, count);
}

ng_status ngi_store_token_neighbors(const ng_store *store, ng_token_id id, ng_space space,
                                    const ng_search_options *options, ng_hit *out, size_t capacity,
                                    size_t *count)
{
    ng_token record;
    *count = 0;
    ng_status status = ngi_grid_call_check(store, space, options, capacity);
    if (status == NG_OK)
        status = ngi_store_token_read(store, id, &record);
    if (status != NG_OK)
        return status;
    int16_t raw[NG_AXIS_COUNT];
    memcpy(raw, record.coordinates[space], sizeof raw);
    if (raw[0] == NG_COORDINATE_ABSENT)
        return ngi_fail(NG_E_ABSENT, "token %llu has no coordinates in space %s",
                        (unsigned long long)id, ng_space_name(space));
    const ng_filter *filter = options != NULL ? options->filter : NULL;
    if (filter != NULL && filter->exclude != 0 && filter->exclude != id)
        return ngi_fail(NG_E_INVALID, "exclude: the token itself is always left out; "
                                      "search around its coordinates to leave out another");
    store_grid_call call;
    ngi_grid_search search = {.hits = (ngi_grid_hit *)(void *)out,
                              .capacity = capacity,
                              .context = &call,
                              .exclude_slot = record.slot};
    return grid_around(store, space, raw, -1.0f, options, &search, count);
}

/* The raw box of a decoded one, and its middle. */
static ng_status grid_encode_box(const ng_store *store, ng_space space,
                                 const float low[NG_AXIS_COUNT], const float high[NG_AXIS_COUNT],
                                 ngi_grid_search *search)
{
    ng_status status = ngi_grid_encode(store, space, low, search->low);
    if (status == NG_OK)
        status = ngi_grid_encode(store, space, high, search->high);
    if (status != NG_OK)
        return status;
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        if (low[axis] > high[axis])
            return ngi_fail(NG_E_INVALID, "low %c %.7g is above high %.7g", "xyz"[axis],
                            (double)low[axis], (double)high[axis]);
        search->center[axis] = (int16_t)((search->low[axis] + search->high[axis]) / 2);
    }
    search->by_box = true;
    search->bound = UINT64_MAX;
    return NG_OK;
}

ng_status ngi_store_grid_box(const ng_store *store, ng_space space, const float low[NG_AXIS_COUNT],
                             const float high[NG_AXIS_COUNT], const ng_search_options *options,
                             ng_hit *out, size_t capacity, size_t *count)
{
    store_grid_call call;
    ngi_grid_search search = {.hits = (ngi_grid_hit *)(void *)out,
                              .capacity = capacity,
                              .context = &call};
    ng_status status;
    *count = 0;
    NGI_TRY(ngi_grid_call_check(store, space, options, capacity));
    NGI_TRY(grid_refuse_distance(options));
    NGI_TRY(grid_encode_box(store, space, low, high, &search));
    NGI_TRY(ngi_grid_call_begin(&call, store, space, options, &search));
    status = grid_run(store, space, options, false, &search, count);
out:
    return status;
}

/* --- counting -------------------------------------------------------------------------------- */

static ng_status grid_count_run(const ng_store *store, ng_space space,
                                const ng_search_options *options, float radius,
                                ngi_grid_search *search, uint64_t *count)
{
    ng_status status = grid_refuse_distance(options);
    if (status == NG_OK)
        status = ngi_grid_call_begin(search->context, store, space, options, search);
    if (status != NG_OK)
        return status;
    if (!search->by_box)
        search->bound = ngi_metric_bound(&search->metric, radius);
    const store_grid_call *call = search->context;
    ngi_grid_count(grid_of(store), &call->trees[space], search);
    status = ngi_grid_call_end(search->context);
    *count = status == NG_OK ? search->found : 0;
    return status;
}

ng_status ngi_store_grid_count(const ng_store *store, ng_space space,
                               const float center[NG_AXIS_COUNT], float radius,
                               const ng_search_options *options, uint64_t *count)
{
    store_grid_call call;
    ngi_grid_search search = {.context = &call};
    *count = 0;
    ng_status status = ngi_grid_call_check(store, space, options, 0);
    if (status == NG_OK)
        status = ngi_grid_encode(store, space, center, search.center);
    return status == NG_OK ? grid_count_run(store, space, options, radius, &search, count) : status;
}

ng_status ngi_store_grid_box_count(const ng_store *store, ng_space space,
                                   const float low[NG_AXIS_COUNT], const float high[NG_AXIS_COUNT],
                                   const ng_search_options *options, uint64_t *count)
{
    store_grid_call call;
    ngi_grid_search search = {.context = &call};
    *count = 0;
    ng_status status = ngi_grid_call_check(store, space, options, 0);
    if (status == NG_OK)
        status = grid_encode_box(store, space, low, high, &search);
    return status == NG_OK ? grid_count_run(store, space, options, 0, &search, count) : status;
}

/* --- influence ------------------------------------------------------------------------------- */

#define FIELD_RADIUS_MAX 2.55f /* what a token can have */

static int influence_by_id(const void *a, const void *b)
{
    uint64_t x = ((const ng_hit *)a)->id, y = ((const ng_hit *)b)->id;
    return x < y ? -1 : x > y;
}

/* All hits of one search, in memory that it allocates: `*hits` of `*room`. */
static ng_status influence_hits(const ng_store *store, ng_space space,
                                const float center[NG_AXIS_COUNT], float radius,
                                const ng_search_options *options, ng_hit **hits, size_t *room,
                                size_t *count)
{
    ng_status status;
    *count = 256;
    do {
        size_t wanted = *count + *count / 8; /* more may come meanwhile */
        void *block = *hits;
        status = ngi_resize(store->mem, &block, *room * sizeof **hits, wanted * sizeof **hits,
                            "hits of a search");
        if (status != NG_OK)
            return status;
        *hits = block;
        *room = wanted;
        status = ngi_store_grid_search(store, space, center, radius, options, *hits, *room, count);
    } while (status == NG_OK && *count > *room);
    return status;
}

ng_status ngi_store_grid_influence(const ng_store *store, ng_space space,
                                   const float center[NG_AXIS_COUNT], float radius,
                                   const ng_search_options *options, double *influence,
                                   uint64_t *count)
{
    ng_hit *hits = NULL;
    size_t room = 0, found = 0;
    float reach = radius < FIELD_RADIUS_MAX ? radius : FIELD_RADIUS_MAX;
    *influence = 0;
    *count = 0;
    ng_status status = influence_hits(store, space, center, reach, options, &hits, &room, &found);
    if (status != NG_OK)
        goto out;
    qsort(hits, found, sizeof *hits, influence_by_id);
    for (size_t i = 0; i < found; i++) {
        ng_token record;
        if (ngi_store_token_read(store, hits[i].id, &record) != NG_OK)
            continue; /* gone meanwhile */
        double field = record.field_radius / 100.0;
        double distance = (double)hits[i].distance;
        if (field <= 0 || distance > field)
            continue;
        *influence += record.field_strength / 255.0 * (1 - distance / field);
        ++*count;
    }
out:
    ngi_free(store->mem, hits, room * sizeof *hits);
    return status;
}

/* --- many ------------------------------------------------------------------------------------ */

typedef struct many_center {
    uint64_t place; /* in an order that follows space */
    size_t index;
} many_center;

static int many_by_place(const void *a, const void *b)
{
    const many_center *x = a, *y = b;
    return x->place < y->place ? -1 : x->place > y->place;
}

static ng_status many_fail(ng_status status, size_t index)
{
    char prefix[48];
    snprintf(prefix, sizeof prefix, "center %zu", index);
    return ngi_fail_prefix(status, prefix);
}

static ng_status many_order(const ng_store *store, ng_space space,
                            const float (*centers)[NG_AXIS_COUNT], size_t count, many_center *order)
{
    for (size_t i = 0; i < count; i++) {
        int16_t raw[NG_AXIS_COUNT];
        ng_status status = ngi_grid_encode(store, space, centers[i], raw);
        if (status != NG_OK)
            return many_fail(status, i);
        order[i] = (many_center){.place = ngi_grid_place(raw), .index = i};
    }
    qsort(order, count, sizeof *order, many_by_place);
    return NG_OK;
}

ng_status ngi_store_grid_many(const ng_store *store, ng_space space,
                              const float (*centers)[NG_AXIS_COUNT], size_t center_count,
                              float radius, size_t max_hits, const ng_search_options *options,
                              ng_hit *out, size_t *counts)
{
    void *block;
    ng_status status = ngi_grid_call_check(store, space, options, max_hits);
    if (status != NG_OK || center_count == 0)
        return status;
    size_t bytes = center_count * sizeof(many_center);
    status = ngi_alloc(store->mem, bytes, "centers", &block);
    if (status != NG_OK)
        return status;
    const many_center *order = block;
    NGI_TRY(many_order(store, space, centers, center_count, block));
    for (size_t i = 0; i < center_count; i++) {
        size_t index = order[i].index;
        status = ngi_store_grid_search(store, space, centers[index], radius, options,
                                       out + index * max_hits, max_hits, &counts[index]);
        if (status != NG_OK) {
            status = many_fail(status, index);
            break;
        }
    }
out:
    ngi_free(store->mem, block, bytes);
    return status;
}

/* --- statistics and maintenance -------------------------------------------------------------- */

ng_status ngi_store_grid_stats(const ng_store *store, ng_space space, ng_grid_stats *out)
{
    ngi_grid_stats stats;
    ng_status status = ngi_grid_call_check(store, space, NULL, 0);
    if (status != NG_OK)
        return status;
    ngi_grid_stats_get(grid_of(store), &store->spaces[space], &stats);
    *out = (ng_grid_stats){.token_count = stats.points,
                           .leaf_count = stats.leaves,
                           .node_count = stats.nodes,
                           .depth = stats.depth,
                           .bytes = stats.bytes};
    if (stats.points == 0)
        return NG_OK;
    out->fill = (double)stats.points / (double)stats.capacity;
    (void)ngi_space_decode(&store->encoding, space, stats.low, out->low);
    (void)ngi_space_decode(&store->encoding, space, stats.high, out->high);
    return NG_OK;
}

ng_status ngi_store_grid_rebuild(ng_store *store, unsigned spaces)
{
    if (spaces > 0xFF)
        return ngi_fail(NG_E_INVALID, "spaces 0x%X is outside 0..0xFF", spaces);
    if (ngi_wal_is_latched(store->wal))
        return ngi_wal_fail_latched(store->wal);
    ngi_wal_lock(store->wal);
    ng_status status = ngi_space_rebuild(store, store_slot_end(store), spaces != 0 ? spaces : 0xFF);
    ngi_wal_unlock(store->wal);
    return status;
}
