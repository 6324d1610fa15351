/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Clusters and fields of a space by GET. They are of all tokens that count, whatever is shown. */
#include "server_grid.h"

#include <stdlib.h>

static void clusters_out_u64(ngs_out *out, const char *name, uint64_t value)
{
    ngs_out_text(out, name);
    ngs_out_u64(out, value);
}

static void clusters_out_float(ngs_out *out, const char *name, float value)
{
    ngs_out_text(out, name);
    ngs_out_float(out, value);
}

static void clusters_out_triple(ngs_out *out, const char *name, const float at[NG_AXIS_COUNT])
{
    ngs_out_text(out, name);
    ngs_grid_out_triple(out, at);
}

/* Room for `count` items; NULL: replied. */
static void *clusters_room(ngs_request *request, uint64_t count, size_t item_bytes)
{
    void *room = calloc((size_t)count, item_bytes);
    if (room == NULL)
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for the answer");
    return room;
}

/* ------------------------------------------------------------------------------------ clusters */

static void clusters_out_one(ngs_out *out, const ng_cluster *cluster)
{
    clusters_out_u64(out, "{\"token_count\":", cluster->token_count);
    clusters_out_u64(out, ",\"core_count\":", cluster->core_count);
    clusters_out_u64(out, ",\"lowest_id\":", cluster->lowest_id);
    clusters_out_triple(out, ",\"center\":", cluster->center);
    clusters_out_triple(out, ",\"low\":", cluster->low);
    clusters_out_triple(out, ",\"high\":", cluster->high);
    clusters_out_float(out, ",\"radius\":", cluster->radius);
    ngs_out_char(out, '}');
}

static void clusters_out_members(ngs_out *out, const ng_cluster_members *members)
{
    ngs_out_text(out, ",\"members\":[");
    for (size_t i = 0; i < members->count && i < members->capacity; i++) {
        clusters_out_u64(out, i == 0 ? "{\"token_id\":" : ",{\"token_id\":", members->items[i].id);
        clusters_out_u64(out, ",\"cluster\":", members->items[i].cluster);
        ngs_out_char(out, '}');
    }
    clusters_out_u64(out, "],\"token_count\":", members->count);
}

static void clusters_reply(ngs_request *request, const ngs_grid_call *call,
                           const ng_cluster *clusters, size_t total,
                           const ng_cluster_members *members)
{
    size_t shown = total < call->limit ? total : (size_t)call->limit;
    ngs_out *out = ngs_grid_reply(request, call);
    clusters_out_float(out, ",\"radius\":", call->radius);
    clusters_out_u64(out, ",\"min_tokens\":", call->min_tokens);
    ngs_out_text(out, ",\"clusters\":[");
    for (size_t i = 0; i < shown; i++) {
        if (i > 0)
            ngs_out_char(out, ',');
        clusters_out_one(out, &clusters[i]);
    }
    clusters_out_u64(out, "],\"count\":", shown);
    clusters_out_u64(out, ",\"total\":", total);
    if (members->capacity > 0)
        clusters_out_members(out, members);
    ngs_out_char(out, '}');
}

void ngs_grid_clusters(ngs_request *request)
{
    ngs_grid_call call;
    ngs_grid_given given;
    size_t total = 0;
    if (!ngs_grid_read(request,
                       NGS_GRID_TAKES_NEAR | NGS_GRID_TAKES_TOKENS | NGS_GRID_TAKES_MEMBERS |
                           NGS_GRID_TAKES_LIMIT | NGS_GRID_TAKES_METRIC | NGS_GRID_TAKES_ALL,
                       &call, &given))
        return;
    if (call.min_tokens == 0)
        call.min_tokens = NGS_GRID_CLUSTER_TOKENS;
    const ng_cluster_query query = {.struct_size = sizeof query,
                                    .radius = call.radius,
                                    .min_tokens = (uint32_t)call.min_tokens};
    ng_cluster *clusters = clusters_room(request, call.limit, sizeof *clusters);
    if (clusters == NULL)
        return;
    ng_cluster_members members = {.capacity = (size_t)call.member_limit};
    if (members.capacity > 0)
        members.items = clusters_room(request, members.capacity, sizeof *members.items);
    if (members.capacity == 0 || members.items != NULL) {
        ng_status status =
            ng_grid_clusters(request->server->store, call.space, &query, &call.options, clusters,
                             (size_t)call.limit, &total, &members);
        if (status == NG_OK)
            clusters_reply(request, &call, clusters, total, &members);
        else
            ngs_grid_fail(request, status);
    }
    free(members.items);
    free(clusters);
}

/* -------------------------------------------------------------------------------------- fields */

static void fields_out_one(ngs_out *out, const ng_grid_field *field)
{
    clusters_out_u64(out, "{\"token_count\":", field->token_count);
    clusters_out_u64(out, ",\"source_count\":", field->source_count);
    clusters_out_u64(out, ",\"lowest_id\":", field->lowest_id);
    clusters_out_triple(out, ",\"center\":", field->center);
    clusters_out_float(out, ",\"radius\":", field->radius);
    clusters_out_float(out, ",\"density\":", (float)field->density);
    clusters_out_float(out, ",\"strength\":", (float)field->strength);
    ngs_out_char(out, '}');
}

void ngs_grid_fields(ngs_request *request)
{
    ngs_grid_call call;
    ngs_grid_given given;
    size_t total = 0;
    if (!ngs_grid_read(request,
                       NGS_GRID_TAKES_DENSITY | NGS_GRID_TAKES_TOKENS | NGS_GRID_TAKES_LIMIT |
                           NGS_GRID_TAKES_ALL,
                       &call, &given))
        return;
    const ng_grid_field_query query = {.struct_size = sizeof query,
                                       .density_threshold = call.density_threshold,
                                       .min_tokens = (uint32_t)call.min_tokens};
    ng_grid_field *fields = clusters_room(request, call.limit, sizeof *fields);
    if (fields == NULL)
        return;
    ng_status status = ng_grid_fields(request->server->store, call.space, &query, &call.options,
                                      fields, (size_t)call.limit, &total);
    if (status == NG_OK) {
        size_t shown = total < call.limit ? total : (size_t)call.limit;
        ngs_out *out = ngs_grid_reply(request, &call);
        ngs_out_text(out, ",\"fields\":[");
        for (size_t i = 0; i < shown; i++) {
            if (i > 0)
                ngs_out_char(out, ',');
            fields_out_one(out, &fields[i]);
        }
        clusters_out_u64(out, "],\"count\":", shown);
        clusters_out_u64(out, ",\"total\":", total);
        ngs_out_char(out, '}');
    } else {
        ngs_grid_fail(request, status);
    }
    free(fields);
}
