/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Clusters and fields of a space: the points of one moment are copied, as a search would read them, and
 * what follows holds no lock and no epoch, however long it takes.
 *
 * Where tokens are is of one moment. The radius and the strength of a field are read from the record
 * right after that, as ng_grid_influence does; a token that is gone by then counts as one without. */
#include "store/store_grid.h"

#include "base/base_limits.h"
#include "index/index_grid_cluster.h"

#include <string.h>

#define CLUSTER_AHEAD 16u /* records that are on their way */

typedef struct cluster_call {
    store_grid_call call; /* first: what searches pass around */
    const ng_store *store;
    ng_space space;
    ngi_grid_search search;
    ngi_buffer points; /* ngi_cluster_point[] */
    ng_status status;
    ngi_cluster_job job;
} cluster_call;

/* --- the copy -------------------------------------------------------------------------------- */

static bool cluster_take(void *context, uint32_t slot, const int16_t at[NG_AXIS_COUNT])
{
    cluster_call *call = context;
    ngi_cluster_point point = {.slot = slot};
    call->status =
        ngi_buffer_reserve(call->store->mem, &call->points, sizeof point, "points of a space");
    if (call->status != NG_OK)
        return false;
    memcpy(point.at, at, sizeof point.at);
    memcpy(call->points.data + call->points.bytes, &point, sizeof point);
    call->points.bytes += sizeof point;
    return true;
}

static bool cluster_goes_on(void *context)
{
    return ngi_grid_call_goes_on(&((cluster_call *)context)->call);
}

static ng_status cluster_read_fields(cluster_call *call)
{
    ngi_cluster_point *points = (ngi_cluster_point *)(void *)call->points.data;
    for (uint32_t i = 0; i < call->job.count; i++) {
        ng_token record;
        if (i + CLUSTER_AHEAD < call->job.count)
            __builtin_prefetch(&store_records(call->store)[points[i + CLUSTER_AHEAD].slot]);
        if (i % NGI_SLICE_ITEMS == 0 && call->job.go_on != NULL && !call->job.go_on(call))
            return call->call.stopped;
        if (ngi_store_token_read(call->store, points[i].slot, &record) != NG_OK)
            continue;
        points[i].reach = record.field_radius;
        points[i].strength = record.field_strength;
    }
    return NG_OK;
}

static void cluster_end(cluster_call *call)
{
    ngi_buffer_release(call->store->mem, &call->points);
}

/* Copies what is to be worked on; `call` is released by cluster_end, also after a failure. */
static ng_status cluster_begin(cluster_call *call, const ng_store *store, ng_space space,
                               const ng_search_options *options)
{
    *call = (cluster_call){.store = store, .space = space};
    call->search.context = &call->call;
    ng_status status = ngi_grid_call_begin(&call->call, store, space, options, &call->search);
    if (status != NG_OK)
        return status;
    ngi_grid_copy(store->grid, &call->call.trees[space], &call->search, cluster_take, call);
    status = ngi_grid_call_end(&call->call);
    if (call->status != NG_OK)
        status = call->status;
    call->job =
        (ngi_cluster_job){.mem = store->mem,
                          .metric = call->search.metric,
                          .points = (const ngi_cluster_point *)(const void *)call->points.data,
                          .count = (uint32_t)(call->points.bytes / sizeof(ngi_cluster_point)),
                          .go_on = call->search.go_on != NULL ? cluster_goes_on : NULL,
                          .context = call};
    return status;
}

static ng_status cluster_check(const ng_store *store, ng_space space,
                               const ng_search_options *options, size_t capacity)
{
    ng_status status = ngi_grid_call_check(store, space, options, capacity);
    if (status != NG_OK || options == NULL)
        return status;
    if (options->max_distance != 0.0f)
        return ngi_fail(NG_E_INVALID, "max_distance %g is for searches of the nearest",
                        (double)options->max_distance);
    if (options->flags != 0)
        return ngi_fail(NG_E_INVALID, "flags 0x%X: these are in one order only", options->flags);
    return NG_OK;
}

/* --- what callers get ------------------------------------------------------------------------ */

/* A point between raw ones. */
static void cluster_decode(const cluster_call *call, const double raw[NG_AXIS_COUNT],
                           float out[NG_AXIS_COUNT])
{
    const ngi_encoding *encoding = &call->store->encoding;
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        out[axis] = (float)((double)encoding->origin[call->space][axis] +
                            raw[axis] / (double)encoding->scale[call->space][axis]);
}

static void cluster_show(const cluster_call *call, const ngi_cluster *cluster, ng_cluster *out)
{
    const ngi_encoding *encoding = &call->store->encoding;
    *out = (ng_cluster){.token_count = cluster->token_count,
                        .core_count = cluster->core_count,
                        .lowest_id = cluster->least,
                        .radius = (float)cluster->radius};
    cluster_decode(call, cluster->center, out->center);
    (void)ngi_space_decode(encoding, call->space, cluster->low, out->low);
    (void)ngi_space_decode(encoding, call->space, cluster->high, out->high);
}

/* Those of the lowest ids. Sorted as hits are, which are of the same size. */
static ng_status cluster_show_members(const cluster_call *call, const uint32_t *numbers,
                                      ng_cluster_members *out)
{
    void *block;
    size_t bytes = call->job.count * sizeof(ngi_grid_hit);
    if (out->capacity == 0 || call->job.count == 0) {
        out->count = call->job.count;
        return NG_OK;
    }
    ng_status status = ngi_alloc(call->store->mem, bytes, "members of clusters", &block);
    if (status != NG_OK)
        return status;
    ngi_grid_hit *all = block;
    for (uint32_t i = 0; i < call->job.count; i++)
        all[i] = (ngi_grid_hit){.value = call->job.points[i].slot, .slot = numbers[i]};
    ngi_grid_sort(all, call->job.count);
    out->count = call->job.count;
    for (size_t i = 0; i < out->count && i < out->capacity; i++)
        out->items[i] = (ng_cluster_member){.id = all[i].value, .cluster = (uint32_t)all[i].slot};
    ngi_free(call->store->mem, block, bytes);
    return NG_OK;
}

static void field_show(const cluster_call *call, const ngi_field *field, ng_grid_field *out)
{
    *out = (ng_grid_field){.token_count = field->token_count,
                           .source_count = field->source_count,
                           .lowest_id = field->least,
                           .radius = (float)field->radius,
                           .density = field->density,
                           .strength = field->strength};
    cluster_decode(call, field->center, out->center);
}

/* --- the calls ------------------------------------------------------------------------------- */

ng_status ngi_store_grid_clusters(const ng_store *store, ng_space space,
                                  const ng_cluster_query *query, const ng_search_options *options,
                                  ng_cluster *out, size_t capacity, size_t *count,
                                  ng_cluster_members *members)
{
    cluster_call call;
    ngi_cluster *clusters;
    uint32_t *numbers, found;
    *count = 0;
    if (members != NULL)
        members->count = 0;
    ng_status status = cluster_check(store, space, options, capacity);
    if (status != NG_OK)
        return status;
    NGI_TRY(cluster_begin(&call, store, space, options));
    NGI_TRY(ngi_cluster_find(&call.job, ngi_metric_bound(&call.job.metric, query->radius),
                             query->min_tokens, &clusters, &found, &numbers));
    status = call.call.stopped;
    if (status == NG_OK && members != NULL)
        status = cluster_show_members(&call, numbers, members);
    if (status == NG_OK) {
        *count = found;
        for (size_t i = 0; i < found && i < capacity; i++)
            cluster_show(&call, &clusters[i], &out[i]);
    }
    ngi_free(store->mem, clusters, found * sizeof *clusters);
    ngi_free(store->mem, numbers, numbers != NULL ? call.job.count * sizeof *numbers : 0);
out:
    cluster_end(&call);
    return status;
}

/* What is not said: of the named grid, or of any other. */
static ng_status field_rule(const ng_store *store, const ng_search_options *options,
                            ng_grid_field_query *query)
{
    ng_grid_info info = {.config = {.density_threshold = 0.5f, .min_field_nodes = 3}};
    ng_status status = NG_OK;
    if (options != NULL && options->grid != 0)
        status = ngi_store_grid_get(store, options->grid, &info);
    if (query->density_threshold <= 0)
        query->density_threshold = info.config.density_threshold;
    if (query->min_tokens == 0)
        query->min_tokens = info.config.min_field_nodes;
    return status;
}

ng_status ngi_store_grid_fields(const ng_store *store, ng_space space,
                                const ng_grid_field_query *query, const ng_search_options *options,
                                ng_grid_field *out, size_t capacity, size_t *count)
{
    cluster_call call;
    ng_grid_field_query whole = *query;
    ngi_field *fields;
    uint32_t found;
    *count = 0;
    ng_status status = cluster_check(store, space, options, capacity);
    if (status == NG_OK)
        status = field_rule(store, options, &whole);
    if (status != NG_OK)
        return status;
    NGI_TRY(cluster_begin(&call, store, space, options));
    NGI_TRY(cluster_read_fields(&call));
    NGI_TRY(ngi_field_find(&call.job, (double)whole.density_threshold, whole.min_tokens, &fields,
                           &found));
    status = call.call.stopped;
    if (status == NG_OK) {
        *count = found;
        for (size_t i = 0; i < found && i < capacity; i++)
            field_show(&call, &fields[i], &out[i]);
    }
    ngi_free(store->mem, fields, found * sizeof *fields);
out:
    cluster_end(&call);
    return status;
}
