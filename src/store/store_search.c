/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Search by vector, in slices: the shared lock is let go between them, so that a writer waits for one
 * slice at most. */
#include "store/store_filter.h"

#include <math.h>
#include <string.h>

#define VECTOR_SLICE_ROWS 8192u
#define PREPARE_ROWS 1024u
#define GRAPH_ROUNDS 64u /* of one search; then it is exact, and the next one goes on */
#define GRAPH_ROWS 16u   /* that are brought into the graph while the lock is held: a few ms */
#define SEARCH_RETRIES 4

/* When everything is there already, it costs one look under the shared lock. */
ng_status ngi_store_prepare_search(const ng_store *store, int32_t remove_components)
{
    ng_store *mutable_store = store_mutable(store);
    for (;;) {
        ng_status status = ngi_store_read_begin(store);
        if (status != NG_OK)
            return status;
        bool prepared = ngi_vectors_is_prepared(store->vectors, remove_components);
        ngi_store_read_end(store);
        if (prepared)
            return NG_OK;
        ngi_rwlock_write(&mutable_store->index_lock);
        status = ngi_vectors_prepare(store->vectors, remove_components, PREPARE_ROWS);
        ngi_rwlock_write_end(&mutable_store->index_lock);
        if (status != NG_OK)
            return status;
    }
}

/* Likewise the graph of approximate search, if there is one. `*prepared` = nothing is missing in it:
 * a writer may be faster, and a search does not run after it. */
static ng_status search_prepare_graph(const ng_store *store, bool *prepared)
{
    ng_store *mutable_store = store_mutable(store);
    for (unsigned round = 0;; round++) {
        ng_status status = ngi_store_read_begin(store);
        if (status != NG_OK)
            return status;
        *prepared = ngi_vectors_graph_is_prepared(store->vectors);
        ngi_store_read_end(store);
        if (*prepared || round == GRAPH_ROUNDS)
            return NG_OK;
        ngi_rwlock_write(&mutable_store->index_lock);
        status = ngi_vectors_graph_prepare(store->vectors, GRAPH_ROWS);
        ngi_rwlock_write_end(&mutable_store->index_lock);
        if (status != NG_OK)
            return status;
    }
}

/* What the graph finds; `*found` = it could answer, and there are `capacity` hits. */
static ng_status vectors_walk(const ng_store *store, const double *query,
                              const ng_vector_options *options, store_filter *filter,
                              ngi_vector_hit *hits, size_t capacity, size_t *count,
                              uint64_t *compared, bool *found)
{
    ngi_vector_search *search = NULL;
    ng_status status;
    bool prepared;
    *found = false;
    NGI_TRY(search_prepare_graph(store, &prepared));
    if (!prepared)
        goto out;
    NGI_TRY(ngi_store_read_begin(store));
    if (ngi_vectors_graph_serves(store->vectors, options->remove_components)) {
        bool is_filtered = filter->filter != NULL || filter->exclude_count > 0;
        uint32_t effort = options->effort > capacity ? options->effort : (uint32_t)capacity;
        status = ngi_filter_resolve(store, filter->filter);
        if (status == NG_OK)
            status =
                ngi_vector_search_begin(store->vectors, query, options->remove_components, capacity,
                                        is_filtered ? ngi_filter_accept : NULL, filter, &search);
        if (status == NG_OK)
            status = ngi_vector_search_graph(search, effort);
        if (status == NG_OK)
            *count = ngi_vector_search_finish(search, hits, compared);
        *found = status == NG_OK && *count == capacity;
        ngi_vector_search_destroy(search);
    }
    ngi_store_read_end(store);
out:
    return status;
}

/* One pass over all rows; `*again` when the projection was replaced meanwhile. */
static ng_status vectors_scan(const ng_store *store, const double *query, int32_t remove_components,
                              store_filter *filter, ngi_vector_hit *hits, size_t capacity,
                              size_t *count, uint64_t *compared, bool *again)
{
    ngi_vector_search *search = NULL;
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    uint64_t version = store->projection_version;
    status = ngi_filter_resolve(store, filter->filter);
    if (status == NG_OK)
        status = ngi_vector_search_begin(store->vectors, query, remove_components, capacity,
                                         ngi_filter_accept, filter, &search);
    size_t row = 0;
    while (status == NG_OK && ngi_vector_search_slice(search, &row, VECTOR_SLICE_ROWS)) {
        ngi_store_read_end(store);
        status = ngi_store_read_begin(store);
        if (status != NG_OK) {
            ngi_vector_search_destroy(search);
            return status;
        }
        if (store->projection_version != version)
            break;
    }
    if (status == NG_OK) {
        *again = store->projection_version != version;
        *count = ngi_vector_search_finish(search, hits, compared);
    }
    ngi_vector_search_destroy(search);
    ngi_store_read_end(store);
    return status;
}

static ng_status vectors_check(const ng_store *store, size_t dimensions,
                               const ng_vector_options *options)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    uint32_t own = ngi_vectors_dimensions(store->vectors);
    if (own == 0 || ngi_vectors_count(store->vectors) == 0)
        status = ngi_fail(NG_E_NOT_FOUND, "the store has no vectors");
    else if (dimensions != own)
        status =
            ngi_fail(NG_E_INVALID, "vector has %zu dimensions, this store has %u", dimensions, own);
    else
        status = ngi_filter_check(options != NULL ? options->filter : NULL);
    ngi_store_read_end(store);
    return status;
}

ng_status ngi_store_vector_nearest_prepared(const ng_store *store, const double *vector,
                                            size_t dimensions, const ng_vector_options *options,
                                            ng_score *out, size_t capacity, size_t *count,
                                            uint64_t *compared)
{
    *count = 0;
    ng_status status = vectors_check(store, dimensions, options);
    if (status != NG_OK || capacity == 0)
        return status;
    int32_t remove = options != NULL ? options->remove_components : 0;
    store_filter filter = {.store = store};
    if (options != NULL) {
        filter.filter = options->filter;
        filter.exclude = options->exclude;
        filter.exclude_count = options->exclude_count;
    }
    void *hits;
    status = ngi_alloc(store->mem, capacity * sizeof(ngi_vector_hit), "hits of a search", &hits);
    if (status != NG_OK)
        return status;
    bool again = true, found = false;
    if (options != NULL && options->effort > 0 && capacity <= NG_VECTOR_EFFORT_MAX)
        status =
            vectors_walk(store, vector, options, &filter, hits, capacity, count, compared, &found);
    for (int i = 0; i < SEARCH_RETRIES && again && !found && status == NG_OK; i++) {
        status = ngi_store_prepare_search(store, remove);
        if (status == NG_OK)
            status = vectors_scan(store, vector, remove, &filter, hits, capacity, count, compared,
                                  &again);
    }
    if (status == NG_OK && again && !found)
        status = ngi_fail(NG_E_CANCELLED, "the projection changed during every attempt");
    for (size_t i = 0; i < *count && status == NG_OK; i++) {
        const ngi_vector_hit *hit = (const ngi_vector_hit *)hits + i;
        out[i] = (ng_score){.id = hit->slot, .score = hit->score};
    }
    if (status != NG_OK)
        *count = 0;
    ngi_free(store->mem, hits, capacity * sizeof(ngi_vector_hit));
    return status;
}

ng_status ngi_store_vector_nearest(const ng_store *store, const float *vector, size_t dimensions,
                                   const ng_vector_options *options, ng_score *out, size_t capacity,
                                   size_t *count)
{
    *count = 0;
    ng_status status = vectors_check(store, dimensions, options);
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < dimensions; i++)
        if (!isfinite(vector[i]))
            return ngi_fail(NG_E_INVALID, "vector[%zu] is not finite", i);
    int32_t remove = options != NULL ? options->remove_components : 0;
    void *block;
    status = ngi_alloc(store->mem, dimensions * sizeof(double), "query vector", &block);
    if (status != NG_OK)
        return status;
    double *query = block;
    bool again = true;
    for (int i = 0; i < SEARCH_RETRIES && again; i++) {
        uint64_t version = 0;
        memset(query, 0, dimensions * sizeof *query);
        NGI_TRY(ngi_store_prepare_search(store, remove));
        NGI_TRY(ngi_store_read_begin(store));
        version = store->projection_version;
        bool usable = ngi_vectors_accumulate(store->vectors, 0, vector, 1.0, remove, query);
        ngi_store_read_end(store);
        if (!usable) {
            status = ngi_fail(NG_E_INVALID, "the query vector has no direction left");
            goto out;
        }
        NGI_TRY(ngi_store_vector_nearest_prepared(store, query, dimensions, options, out, capacity,
                                                  count, NULL));
        again = ngi_store_projection_version(store) != version;
    }
    if (again)
        status = ngi_fail(NG_E_CANCELLED, "the projection changed during every attempt");
out:
    ngi_free(store->mem, query, dimensions * sizeof *query);
    return status;
}

uint64_t ngi_store_projection_version(const ng_store *store)
{
    ngi_rwlock_read(&store_mutable(store)->index_lock);
    uint64_t version = store->projection_version;
    ngi_store_read_end(store);
    return version;
}

ng_status ngi_store_vector_accumulate(const ng_store *store, ng_token_id id, double sign,
                                      int32_t remove_components, double *dst, size_t dimensions)
{
    ng_status status = vectors_check(store, dimensions, NULL);
    if (status == NG_OK)
        status = ngi_store_prepare_search(store, remove_components);
    if (status == NG_OK)
        status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    uint32_t slot;
    status = ngi_store_slot(store, id, &slot);
    if (status == NG_OK &&
        !ngi_vectors_accumulate(store->vectors, slot, NULL, sign, remove_components, dst))
        status = ngi_fail(NG_E_ABSENT, "token %llu has no vector with a direction",
                          (unsigned long long)id);
    ngi_store_read_end(store);
    return status;
}

ng_status ngi_store_vector_sum(const ng_store *store, const ng_token_id *ids, size_t count,
                               int32_t remove_components, double *dst, size_t dimensions,
                               size_t *added)
{
    *added = 0;
    ng_status status = vectors_check(store, dimensions, NULL);
    if (status == NG_OK)
        status = ngi_store_prepare_search(store, remove_components);
    if (status == NG_OK)
        status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = store_live_slot(store, ids[i]);
        if (slot != 0 &&
            ngi_vectors_accumulate(store->vectors, slot, NULL, 1.0, remove_components, dst))
            ++*added;
    }
    ngi_store_read_end(store);
    return NG_OK;
}

/* --- projection ------------------------------------------------------------------------------ */

void ngi_projection_release(ngi_mem *mem, ngi_projection *projection)
{
    size_t floats = (size_t)projection->dimensions * (1 + (size_t)projection->component_count);
    ngi_free(mem, projection->mean, floats * sizeof(float));
    *projection = (ngi_projection){0};
}

ng_status ngi_store_projection_get(const ng_store *store, ngi_projection *out)
{
    *out = (ngi_projection){0};
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    ngi_op op = {.body = store->projection.data, .body_bytes = (uint32_t)store->projection.bytes};
    ngi_op_projection decoded;
    void *block = NULL;
    if (store->projection.bytes == 0) {
        status = ngi_fail(NG_E_NOT_FOUND, "the store has no projection");
        goto out;
    }
    NGI_TRY(ngi_op_projection_decode(&op, &decoded));
    size_t floats = (size_t)decoded.dimensions * (1 + decoded.component_count);
    NGI_TRY(ngi_alloc(store->mem, floats * sizeof(float), "projection", &block));
    out->dimensions = decoded.dimensions;
    out->component_count = decoded.component_count;
    out->vector_count = decoded.vector_count;
    out->clipped_count = decoded.clipped_count;
    memcpy(out->explained, decoded.explained, sizeof out->explained);
    out->mean = block;
    out->components = out->mean + decoded.dimensions;
    for (size_t i = 0; i < floats; i++)
        out->mean[i] = ngi_get_f32(decoded.mean + 4 * i);
out:
    ngi_store_read_end(store);
    return status;
}

ng_status ngi_store_projection_set(ng_store *store, const ngi_projection *projection,
                                   const ng_write_options *write)
{
    if (projection->component_count == 0 || projection->component_count > NGI_COMPONENTS_MAX)
        return ngi_fail(NG_E_INVALID, "component_count %u is outside 1..%d",
                        projection->component_count, NGI_COMPONENTS_MAX);
    if (projection->dimensions < NGI_DIMENSIONS_MIN || projection->dimensions > NGI_DIMENSIONS_MAX)
        return ngi_fail(NG_E_INVALID, "dimensions %u is outside %d..%d", projection->dimensions,
                        NGI_DIMENSIONS_MIN, NGI_DIMENSIONS_MAX);
    if (store->dimensions_wanted != 0 && projection->dimensions != store->dimensions_wanted)
        return ngi_fail(NG_E_INVALID, "dimensions %u: the store was opened for vectors of %u",
                        projection->dimensions, store->dimensions_wanted);
    size_t bytes = ngi_op_projection_bytes(projection->dimensions, projection->component_count);
    ng_status status = ngi_store_write_begin(store, bytes, write);
    if (status != NG_OK)
        return status;
    uint8_t *body = ngi_wal_body(store->wal);
    ngi_put_u32(body, projection->dimensions);
    ngi_put_u32(body + 4, projection->component_count);
    ngi_put_u64(body + 8, projection->vector_count);
    ngi_put_u64(body + 16, projection->clipped_count);
    for (int i = 0; i < 24; i++) {
        uint64_t bits;
        memcpy(&bits, &projection->explained[i], sizeof bits);
        ngi_put_u64(body + 24 + 8 * i, bits);
    }
    uint8_t *at = body + NGI_OP_PROJECTION_HEADER;
    for (size_t i = 0; i < projection->dimensions; i++, at += 4)
        ngi_put_f32(at, projection->mean[i]);
    size_t floats = (size_t)projection->dimensions * projection->component_count;
    for (size_t i = 0; i < floats; i++, at += 4)
        ngi_put_f32(at, projection->components[i]);
    return ngi_store_write_commit(store, NGI_OP_PROJECTION_PUT, bytes, write);
}
