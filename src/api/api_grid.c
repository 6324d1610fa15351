/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Search in space, and what hangs together there. */
#include "api/api_private.h"

#include <math.h>

#define API_PI 3.14159265358979323846

static ng_status api_radius(float radius)
{
    if (isfinite(radius) && radius >= 0)
        return NG_OK;
    return ngi_fail(NG_E_INVALID, "radius %g is outside 0..inf", (double)radius);
}

#define API_RADIUS(radius)                                                                         \
    do {                                                                                           \
        ng_status radius_status = api_radius(radius);                                              \
        if (radius_status != NG_OK)                                                                \
            return radius_status;                                                                  \
    } while (0)

#define API_HITS(out, capacity)                                                                    \
    do {                                                                                           \
        if ((capacity) > 0)                                                                        \
            API_REQUIRE(out);                                                                      \
    } while (0)

ng_status ng_grid_range(const ng_store *store, ng_space space, const float center[NG_AXIS_COUNT],
                        float radius, const ng_search_options *options, ng_hit *out,
                        size_t capacity, size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(center);
    API_REQUIRE(count);
    API_OPTIONS(options);
    API_HITS(out, capacity);
    API_RADIUS(radius);
    return ngi_store_grid_search(store, space, center, radius, options, out, capacity, count);
}

ng_status ng_grid_nearest(const ng_store *store, ng_space space, const float center[NG_AXIS_COUNT],
                          const ng_search_options *options, ng_hit *out, size_t capacity,
                          size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(center);
    API_REQUIRE(count);
    API_OPTIONS(options);
    API_HITS(out, capacity);
    return ngi_store_grid_search(store, space, center, -1.0f, options, out, capacity, count);
}

ng_status ng_token_neighbors(const ng_store *store, ng_token_id id, ng_space space,
                             const ng_search_options *options, ng_hit *out, size_t capacity,
                             size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(count);
    API_OPTIONS(options);
    API_HITS(out, capacity);
    return ngi_store_token_neighbors(store, id, space, options, out, capacity, count);
}

ng_status ng_grid_box(const ng_store *store, ng_space space, const float low[NG_AXIS_COUNT],
                      const float high[NG_AXIS_COUNT], const ng_search_options *options,
                      ng_hit *out, size_t capacity, size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(low);
    API_REQUIRE(high);
    API_REQUIRE(count);
    API_OPTIONS(options);
    API_HITS(out, capacity);
    return ngi_store_grid_box(store, space, low, high, options, out, capacity, count);
}

ng_status ng_grid_count(const ng_store *store, ng_space space, const float center[NG_AXIS_COUNT],
                        float radius, const ng_search_options *options, uint64_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(center);
    API_REQUIRE(count);
    API_OPTIONS(options);
    API_RADIUS(radius);
    return ngi_store_grid_count(store, space, center, radius, options, count);
}

ng_status ng_grid_box_count(const ng_store *store, ng_space space, const float low[NG_AXIS_COUNT],
                            const float high[NG_AXIS_COUNT], const ng_search_options *options,
                            uint64_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(low);
    API_REQUIRE(high);
    API_REQUIRE(count);
    API_OPTIONS(options);
    return ngi_store_grid_box_count(store, space, low, high, options, count);
}

ng_status ng_grid_density(const ng_store *store, ng_space space, const float center[NG_AXIS_COUNT],
                          float radius, const ng_search_options *options, double *density,
                          uint64_t *count)
{
    uint64_t found;
    API_REQUIRE(store);
    API_REQUIRE(center);
    API_REQUIRE(density);
    API_OPTIONS(options);
    API_RADIUS(radius);
    if (radius == 0.0f)
        return ngi_fail(NG_E_INVALID, "radius 0: a density needs a volume");
    if (options != NULL && options->metric != NG_METRIC_EUCLIDEAN)
        return ngi_fail(NG_E_INVALID, "metric %u: a density is that of a sphere", options->metric);
    ng_status status = ngi_store_grid_count(store, space, center, radius, options, &found);
    if (status != NG_OK)
        return status;
    double r = (double)radius;
    *density = (double)found / (4.0 / 3.0 * API_PI * r * r * r);
    if (count != NULL)
        *count = found;
    return NG_OK;
}

ng_status ng_grid_influence(const ng_store *store, ng_space space,
                            const float center[NG_AXIS_COUNT], float radius,
                            const ng_search_options *options, double *influence, uint64_t *count)
{
    uint64_t found;
    API_REQUIRE(store);
    API_REQUIRE(center);
    API_REQUIRE(influence);
    API_OPTIONS(options);
    API_RADIUS(radius);
    ng_status status =
        ngi_store_grid_influence(store, space, center, radius, options, influence, &found);
    if (status == NG_OK && count != NULL)
        *count = found;
    return status;
}

ng_status ng_grid_many(const ng_store *store, ng_space space, const float (*centers)[NG_AXIS_COUNT],
                       size_t center_count, float radius, size_t max_hits,
                       const ng_search_options *options, ng_hit *out, size_t *counts)
{
    API_REQUIRE(store);
    API_OPTIONS(options);
    if (center_count > 0) {
        API_REQUIRE(centers);
        API_REQUIRE(out);
        API_REQUIRE(counts);
    }
    if (!isfinite(radius))
        return ngi_fail(NG_E_INVALID, "radius %g is not finite", (double)radius);
    if (max_hits < 1 || max_hits > NGI_QUERY_LIMIT_MAX)
        return ngi_fail(NG_E_INVALID, "max_hits %zu is outside 1..%u", max_hits,
                        NGI_QUERY_LIMIT_MAX);
    return ngi_store_grid_many(store, space, centers, center_count, radius, max_hits, options, out,
                               counts);
}

ng_status ng_multi_nearest(const ng_store *store, const ng_multi_query *query,
                           const ng_search_options *options, ng_hit *out, size_t capacity,
                           size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(query);
    API_REQUIRE(count);
    API_OPTIONS(query);
    API_OPTIONS(options);
    API_HITS(out, capacity);
    return ngi_store_multi_search(store, query, -1.0f, options, out, capacity, count);
}

ng_status ng_multi_range(const ng_store *store, const ng_multi_query *query, float radius,
                         const ng_search_options *options, ng_hit *out, size_t capacity,
                         size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(query);
    API_REQUIRE(count);
    API_OPTIONS(query);
    API_OPTIONS(options);
    API_HITS(out, capacity);
    API_RADIUS(radius);
    return ngi_store_multi_search(store, query, radius, options, out, capacity, count);
}

/* --- clusters and fields --------------------------------------------------------------------- */

ng_status ng_grid_clusters(const ng_store *store, ng_space space, const ng_cluster_query *query,
                           const ng_search_options *options, ng_cluster *out, size_t capacity,
                           size_t *count, ng_cluster_members *members)
{
    API_REQUIRE(store);
    API_REQUIRE(query);
    API_REQUIRE(count);
    API_OPTIONS(query);
    API_OPTIONS(options);
    API_HITS(out, capacity);
    if (members != NULL)
        API_HITS(members->items, members->capacity);
    if (!isfinite(query->radius) || query->radius <= 0)
        return ngi_fail(NG_E_INVALID, "radius %g is not above 0, or not finite",
                        (double)query->radius);
    if (query->min_tokens == 0)
        return ngi_fail(NG_E_INVALID, "min_tokens 0 is outside 1..%u", UINT32_MAX);
    return ngi_store_grid_clusters(store, space, query, options, out, capacity, count, members);
}

ng_status ng_grid_fields(const ng_store *store, ng_space space, const ng_grid_field_query *query,
                         const ng_search_options *options, ng_grid_field *out, size_t capacity,
                         size_t *count)
{
    const ng_grid_field_query none = {.struct_size = sizeof none};
    API_REQUIRE(store);
    API_REQUIRE(count);
    API_OPTIONS(query);
    API_OPTIONS(options);
    API_HITS(out, capacity);
    if (query == NULL)
        query = &none;
    if (!isfinite(query->density_threshold))
        return ngi_fail(NG_E_INVALID, "density_threshold %g is not finite",
                        (double)query->density_threshold);
    if (options != NULL && options->metric != NG_METRIC_EUCLIDEAN)
        return ngi_fail(NG_E_INVALID, "metric %u: fields are spheres", options->metric);
    return ngi_store_grid_fields(store, space, query, options, out, capacity, count);
}

ng_status ng_grid_stats_get(const ng_store *store, ng_space space, ng_grid_stats *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_grid_stats(store, space, out);
}

ng_status ng_grid_rebuild(ng_store *store, unsigned spaces)
{
    API_REQUIRE(store);
    return ngi_store_grid_rebuild(store, spaces);
}

/* --- named grids ----------------------------------------------------------------------------- */

ng_status ng_grid_create(ng_store *store, const char *name, const ng_grid_config *config,
                         const ng_write_options *write, ng_grid_id *out)
{
    ng_grid_config whole = {.bucket_size = 10.0f, .density_threshold = 0.5f, .min_field_nodes = 3};
    API_REQUIRE(store);
    API_REQUIRE(out);
    API_OPTIONS(config);
    ng_status status = ngi_api_check_alone(write, "a grid");
    if (status != NG_OK)
        return status;
    if (config != NULL) {
        whole.density_threshold = config->density_threshold;
        if (config->bucket_size != 0.0f)
            whole.bucket_size = config->bucket_size;
        if (config->min_field_nodes != 0)
            whole.min_field_nodes = config->min_field_nodes;
    }
    return ngi_store_grid_create(store, name, &whole, write, out);
}

ng_status ng_grid_drop(ng_store *store, ng_grid_id id, const ng_write_options *write)
{
    API_REQUIRE(store);
    ng_status status = ngi_api_check_alone(write, "dropping a grid");
    return status != NG_OK ? status : ngi_store_grid_drop(store, id, write);
}

static ng_status api_members(ng_store *store, ng_grid_id id, const ng_token_id *ids, size_t count,
                             bool leave, const ng_write_options *write, uint64_t *changed_count)
{
    uint64_t unused;
    API_REQUIRE(store);
    API_REQUIRE(ids);
    ng_status status = ngi_api_check_alone(write, "a change of the members of a grid");
    if (status != NG_OK)
        return status;
    return ngi_store_grid_members(store, id, ids, count, leave, write,
                                  changed_count != NULL ? changed_count : &unused);
}

ng_status ng_grid_add(ng_store *store, ng_grid_id id, const ng_token_id *ids, size_t count,
                      const ng_write_options *write, uint64_t *added_count)
{
    return api_members(store, id, ids, count, false, write, added_count);
}

ng_status ng_grid_remove(ng_store *store, ng_grid_id id, const ng_token_id *ids, size_t count,
                         const ng_write_options *write, uint64_t *removed_count)
{
    return api_members(store, id, ids, count, true, write, removed_count);
}

ng_status ng_grid_get(const ng_store *store, ng_grid_id id, ng_grid_info *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_grid_get(store, id, out);
}

ng_status ng_grid_list(const ng_store *store, ng_grid_info *out, size_t capacity, size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_grid_list(store, out, capacity, count);
}

ng_status ng_grid_has(const ng_store *store, ng_grid_id id, ng_token_id token, bool *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_grid_has(store, id, token, out);
}
