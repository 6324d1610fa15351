/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* neurograph.h, views: argument checks. */
#include "api/api_private.h"
#include "store/store_view.h"

ng_status ng_view_open(ng_store *store, const ng_view_options *options, ng_view **out)
{
    API_REQUIRE(out);
    *out = NULL;
    API_REQUIRE(store);
    API_OPTIONS(options);
    return ngi_view_open(store, options, false, out);
}

void ng_view_close(ng_view *view)
{
    ngi_view_close(view);
}

void ng_view_info_get(const ng_view *view, ng_view_info *out)
{
    if (out == NULL)
        return;
    *out = (ng_view_info){.expired = true};
    if (view != NULL)
        ngi_view_info_get(view, out);
}

ng_status ng_view_token_get(const ng_view *view, ng_token_id id, ng_token_info *out)
{
    API_REQUIRE(view);
    API_REQUIRE(out);
    return ngi_view_token_get(view, id, out);
}

ng_status ng_view_token_label(const ng_view *view, ng_token_id id, char *out, size_t capacity,
                              size_t *bytes)
{
    API_REQUIRE(view);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_view_token_label(view, id, out, capacity, bytes);
}

ng_status ng_view_token_vector(const ng_view *view, ng_token_id id, float *out, size_t capacity,
                               size_t *count)
{
    API_REQUIRE(view);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_view_token_vector(view, id, out, capacity, count);
}

ng_status ng_view_token_find(const ng_view *view, ng_collection_id collection, const char *label,
                             size_t label_bytes, ng_token_id *out)
{
    API_REQUIRE(view);
    API_REQUIRE(label);
    API_REQUIRE(out);
    return ngi_view_token_find(view, collection, label, label_bytes, out);
}

ng_status ng_view_token_list(const ng_view *view, ng_collection_id collection, ng_token_id after,
                             ng_token_id *out, size_t capacity, size_t *count)
{
    API_REQUIRE(view);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_view_token_list(view, collection, after, out, capacity, count);
}

ng_status ng_view_connection_get(const ng_view *view, ng_connection_id id, ng_connection *out)
{
    API_REQUIRE(view);
    API_REQUIRE(out);
    return ngi_view_connection_get(view, id, out);
}

ng_status ng_view_connection_list(const ng_view *view, const ng_connection_list_options *options,
                                  ng_connection_id *ids, ng_connection *records, size_t capacity,
                                  size_t *count)
{
    API_REQUIRE(view);
    API_REQUIRE(count);
    ng_status status = ngi_api_check_list(options);
    return status != NG_OK ? status
                           : ngi_view_connection_list(view, options, ids, records, capacity, count);
}

ng_status ng_view_token_connections(const ng_view *view, ng_token_id id,
                                    const ng_edge_options *options, ng_edge *out, size_t capacity,
                                    size_t *count)
{
    API_REQUIRE(view);
    API_REQUIRE(count);
    API_OPTIONS(options);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_view_token_connections(view, id, options, out, capacity, count);
}

ng_status ng_view_cdna_get(const ng_view *view, ng_cdna *out)
{
    API_REQUIRE(view);
    API_REQUIRE(out);
    return ngi_view_cdna_get(view, out);
}

ng_status ng_view_collection_get(const ng_view *view, ng_collection_id id, char name[65],
                                 uint64_t *token_count)
{
    API_REQUIRE(view);
    return ngi_view_collection_get(view, id, name, token_count);
}

ng_status ng_view_state_hash(const ng_view *view, uint64_t *out)
{
    API_REQUIRE(view);
    API_REQUIRE(out);
    return ngi_view_state_hash(view, out);
}

ng_status ng_view_token_vector_in(const ng_view *view, ng_token_id id, ng_vector_field_id field,
                                  float *out, size_t capacity, size_t *count)
{
    API_REQUIRE(view);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_view_token_vector_in(view, id, field, out, capacity, count);
}

ng_status ng_view_token_tags(const ng_view *view, ng_token_id id, char *out, size_t capacity,
                             size_t *bytes)
{
    API_REQUIRE(view);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_view_token_tags(view, id, out, capacity, bytes);
}

ng_status ng_view_token_data(const ng_view *view, ng_token_id id, char *out, size_t capacity,
                             size_t *bytes)
{
    API_REQUIRE(view);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_view_token_data(view, id, out, capacity, bytes);
}
