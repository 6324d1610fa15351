/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* neurograph.h: fields of vectors, search by vector, similarity. */
#include "api/api_private.h"

/* --- fields ---------------------------------------------------------------------------------- */

ng_status ng_vector_field_create(ng_store *store, const char *name,
                                 const ng_vector_field_options *options,
                                 const ng_write_options *write, ng_vector_field_id *out)
{
    API_REQUIRE(store);
    API_REQUIRE(name);
    API_REQUIRE(options);
    API_REQUIRE(out);
    API_OPTIONS(options);
    ng_status status = ngi_api_check_alone(write, "a vector field");
    return status != NG_OK ? status
                           : ngi_store_vector_field_create(store, name, options, write, out);
}

ng_status ng_vector_field_drop(ng_store *store, ng_vector_field_id field,
                               const ng_write_options *write)
{
    API_REQUIRE(store);
    ng_status status = ngi_api_check_alone(write, "dropping a vector field");
    return status != NG_OK ? status : ngi_store_vector_field_drop(store, field, write);
}

ng_status ng_vector_field_get(const ng_store *store, ng_vector_field_id field,
                              ng_vector_field_info *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_vector_field_get(store, field, out);
}

ng_status ng_vector_field_find(const ng_store *store, const char *name, ng_vector_field_id *out)
{
    API_REQUIRE(store);
    API_REQUIRE(name);
    API_REQUIRE(out);
    return ngi_store_vector_field_find(store, name, out);
}

ng_status ng_vector_field_list(const ng_store *store, ng_vector_field_info *out, size_t capacity,
                               size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_vector_field_list(store, out, capacity, count);
}

/* --- search by vector --------------------------------------------------------------------------- */

ng_status ngi_api_check_remove(int32_t remove_components)
{
    if (remove_components < NG_PLAIN_COSINE || remove_components > NGI_COMPONENTS_MAX)
        return ngi_fail(NG_E_INVALID, "remove_components %d is outside %d..%d", remove_components,
                        NG_PLAIN_COSINE, NGI_COMPONENTS_MAX);
    return NG_OK;
}

ng_status ng_vector_nearest(const ng_store *store, const float *vector, size_t dimensions,
                            const ng_vector_options *options, ng_score *out, size_t capacity,
                            size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(vector);
    API_REQUIRE(count);
    API_OPTIONS(options);
    if (capacity > 0)
        API_REQUIRE(out);
    if (capacity > NGI_TOKENS_MAX_LIMIT)
        return ngi_fail(NG_E_INVALID, "capacity %zu is outside 0..%u", capacity,
                        NGI_TOKENS_MAX_LIMIT);
    if (options != NULL && options->exclude_count > 0)
        API_REQUIRE(options->exclude);
    ng_status status = options != NULL ? ngi_api_check_remove(options->remove_components) : NG_OK;
    if (status != NG_OK)
        return status;
    if (options != NULL && options->effort > NG_VECTOR_EFFORT_MAX)
        return ngi_fail(NG_E_INVALID, "effort %u is outside 0..%u", options->effort,
                        NG_VECTOR_EFFORT_MAX);
    return ngi_store_vector_nearest(store, vector, dimensions, options, out, capacity, count);
}

ng_status ng_vector_graph_build(ng_store *store, const ng_vector_graph_options *options,
                                ng_progress_fn progress, void *progress_context)
{
    const ng_vector_graph_options none = {.struct_size = sizeof none};
    API_REQUIRE(store);
    API_OPTIONS(options);
    if (options == NULL)
        options = &none;
    ng_status status = ngi_api_check_remove(options->remove_components);
    if (status != NG_OK)
        return status;
    return ngi_store_vector_graph_build(store, options, progress, progress_context);
}

ng_status ng_vector_graph_get(const ng_store *store, ng_vector_field_id field, ng_vector_graph *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_vector_graph_get(store, field, out);
}

ng_status ng_vector_graph_drop(ng_store *store, ng_vector_field_id field)
{
    API_REQUIRE(store);
    return ngi_store_vector_graph_drop(store, field);
}

ng_status ng_token_similarity(const ng_store *store, ng_token_id a, ng_token_id b,
                              int32_t remove_components, double *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    ng_status status = ngi_api_check_remove(remove_components);
    return status != NG_OK ? status : ngi_store_similarity(store, a, b, remove_components, out);
}

ng_status ng_token_similarity_in(const ng_store *store, ng_vector_field_id field, ng_token_id a,
                                 ng_token_id b, double *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    if (field == 0)
        return ngi_store_similarity(store, a, b, 0, out);
    return ngi_store_similarity_in(store, field, a, b, out);
}

ng_status ng_similarity_many(const ng_store *store, const ng_token_id (*pairs)[2], size_t count,
                             int32_t remove_components, double *out, size_t *found)
{
    size_t unused;
    API_REQUIRE(store);
    if (count > 0) {
        API_REQUIRE(pairs);
        API_REQUIRE(out);
    }
    if (count > NGI_SIMILARITY_PAIRS_MAX)
        return ngi_fail(NG_E_INVALID, "count %zu is outside 0..%u", count,
                        NGI_SIMILARITY_PAIRS_MAX);
    ng_status status = ngi_api_check_remove(remove_components);
    if (status != NG_OK)
        return status;
    return ngi_store_similarity_many(store, pairs, count, remove_components, out,
                                     found != NULL ? found : &unused);
}

ng_status ng_similarity_matrix(const ng_store *store, const ng_token_id *a, size_t a_count,
                               const ng_token_id *b, size_t b_count, int32_t remove_components,
                               double *out, size_t *found)
{
    size_t unused;
    API_REQUIRE(store);
    if (b == NULL && b_count > 0)
        return api_null("b");
    if (b == NULL) {
        b = a;
        b_count = a_count;
    }
    if (a_count > NGI_SIMILARITY_CELLS_MAX ||
        (a_count > 0 && b_count > NGI_SIMILARITY_CELLS_MAX / a_count))
        return ngi_fail(NG_E_INVALID, "a_count %zu times b_count %zu is outside 0..%u", a_count,
                        b_count, NGI_SIMILARITY_CELLS_MAX);
    if (a_count > 0 && b_count > 0) {
        API_REQUIRE(a);
        API_REQUIRE(out);
    }
    ng_status status = ngi_api_check_remove(remove_components);
    if (status != NG_OK)
        return status;
    return ngi_store_similarity_matrix(store, a, a_count, b, b_count, remove_components, out,
                                       found != NULL ? found : &unused);
}

ng_status ng_odd_one_out(const ng_store *store, const ng_token_id *ids, size_t count,
                         int32_t remove_components, size_t *out, double *scores)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    if (count < 3 || count > NGI_ODD_MAX)
        return ngi_fail(NG_E_INVALID, "count %zu is outside 3..%d", count, NGI_ODD_MAX);
    API_REQUIRE(ids);
    ng_status status = ngi_api_check_remove(remove_components);
    return status != NG_OK
               ? status
               : ngi_store_odd_one_out(store, ids, count, remove_components, out, scores);
}
