/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Search by vector, in slices: the shared lock is let go between them, so that a writer waits for one
 * slice at most. */
#include "store/store_filter.h"
#include "store/store_source.h"

#include <math.h>
#include <string.h>

#define VECTOR_SLICE_ROWS 8192u
#define PREPARE_ROWS 1024u
#define GRAPH_ROUNDS 64u /* of one search; then it is exact, and the next one goes on */
#define GRAPH_ROWS 16u   /* that are brought into the graph while the lock is held: a few ms */
#define SEARCH_RETRIES 4
#define SOURCE_AHEAD 16u   /* candidates whose vectors are fetched together */
#define FETCHED_BYTES 512u /* of a vector; the hardware fetches the rest */
#define PLAN_SAMPLE 64u
/* What things cost in nanoseconds, measured with 100 dimensions; their ratios matter alone. */
#define PLAN_CANDIDATE_NS 120.0 /* the filter and an exact score */
#define PLAN_FOLLOWED_NS 800.0  /* the links of one row */
#define PLAN_SCANNED_NS 4.0     /* one row */

/* When everything is there already, it costs one look under the shared lock. */
static ng_status search_prepare(const store_searched *searched)
{
    ng_store *mutable_store = store_mutable(searched->store);
    for (;;) {
        ng_status status = ngi_searched_read_begin(searched);
        if (status != NG_OK)
            return status;
        bool prepared = ngi_vectors_is_prepared(searched->vectors, searched->select);
        ngi_store_read_end(searched->store);
        if (prepared)
            return NG_OK;
        ngi_rwlock_write(&mutable_store->index_lock);
        status = ngi_vectors_prepare(searched->vectors, searched->select, PREPARE_ROWS);
        ngi_rwlock_write_end(&mutable_store->index_lock);
        if (status != NG_OK)
            return status;
    }
}

ng_status ngi_searched_prepare(const store_searched *searched)
{
    return search_prepare(searched);
}

ng_status ngi_store_prepare_search(const ng_store *store, int32_t remove_components)
{
    store_searched searched;
    ng_status status = ngi_searched_begin(store, 0, remove_components, &searched);
    if (status == NG_OK)
        status = search_prepare(&searched);
    ngi_searched_end(&searched);
    return status;
}

/* Likewise the graph of approximate search, if there is one. `*prepared` = nothing is missing in it:
 * a writer may be faster, and a search does not run after it. What was removed is left to the store's own
 * thread; without one each search takes a step. */
static ng_status search_prepare_graph(const store_searched *searched, bool *prepared)
{
    ng_store *mutable_store = store_mutable(searched->store);
    for (unsigned round = 0;; round++) {
        ng_status status = ngi_searched_read_begin(searched);
        if (status != NG_OK)
            return status;
        bool has_time = round == 0 && !searched->store->upkeep.has_thread;
        bool is_done = !has_time || ngi_vectors_graph_is_prepared(searched->vectors);
        *prepared = ngi_vectors_graph_is_complete(searched->vectors);
        ngi_store_read_end(searched->store);
        if ((*prepared && is_done) || round == GRAPH_ROUNDS)
            return NG_OK;
        ngi_rwlock_write(&mutable_store->index_lock);
        status = ngi_vectors_graph_prepare(searched->vectors, GRAPH_ROWS);
        ngi_rwlock_write_end(&mutable_store->index_lock);
        if (status != NG_OK)
            return status;
    }
}

/* One search: what it looks for, and what it has found. */
typedef struct vectors_call {
    store_searched searched;
    const double *query; /* [dimensions] */
    store_filter filter;
    uint32_t effort;      /* 0 = exact */
    uint32_t breadth;     /* of a walk, where few rows count */
    ngi_vector_hit *hits; /* [capacity] */
    size_t capacity, count;
    uint64_t *compared; /* or NULL */
} vectors_call;

/* What the graph finds; `*found` = it could answer, and there are `capacity` hits. */
static ng_status vectors_walk(vectors_call *call, bool *found)
{
    const store_searched *searched = &call->searched;
    store_filter *filter = &call->filter;
    ngi_vector_search *search = NULL;
    ng_status status;
    bool prepared;
    *found = false;
    NGI_TRY(search_prepare_graph(searched, &prepared));
    if (!prepared)
        goto out;
    NGI_TRY(ngi_searched_read_begin(searched));
    if (ngi_vectors_graph_serves(searched->vectors, searched->select)) {
        bool is_filtered = filter->filter != NULL || filter->exclude_count > 0;
        uint32_t effort = call->effort > call->capacity ? call->effort : (uint32_t)call->capacity;
        status = ngi_filter_resolve(searched->store, filter->filter);
        if (status == NG_OK)
            status = ngi_vector_search_begin(searched->vectors, call->query, searched->select,
                                             call->capacity, is_filtered ? ngi_filter_accept : NULL,
                                             filter, &search);
        if (status == NG_OK)
            status = ngi_vector_search_graph(search, effort, call->breadth);
        if (status == NG_OK)
            call->count = ngi_vector_search_finish(search, call->hits, call->compared);
        *found = status == NG_OK && call->count == call->capacity;
        ngi_vector_search_destroy(search);
    }
    ngi_store_read_end(searched->store);
out:
    return status;
}

/* One pass over all rows; `*again` when the projection was replaced meanwhile. */
static ng_status vectors_scan(vectors_call *call, bool *again)
{
    const store_searched *searched = &call->searched;
    ngi_vector_search *search = NULL;
    ng_status status = ngi_searched_read_begin(searched);
    if (status != NG_OK)
        return status;
    uint64_t version = ngi_searched_version(searched);
    status = ngi_filter_resolve(searched->store, call->filter.filter);
    if (status == NG_OK)
        status = ngi_vector_search_begin(searched->vectors, call->query, searched->select,
                                         call->capacity, ngi_filter_accept, &call->filter, &search);
    size_t row = 0;
    while (status == NG_OK && ngi_vector_search_slice(search, &row, VECTOR_SLICE_ROWS)) {
        ngi_store_read_end(searched->store);
        status = ngi_searched_read_begin(searched);
        if (status != NG_OK) {
            ngi_vector_search_destroy(search);
            return status;
        }
        if (ngi_searched_version(searched) != version)
            break;
    }
    if (status == NG_OK) {
        *again = ngi_searched_version(searched) != version;
        call->count = ngi_vector_search_finish(search, call->hits, call->compared);
    }
    ngi_vector_search_destroy(search);
    ngi_store_read_end(searched->store);
    return status;
}

static ng_status vectors_check(const store_searched *searched, size_t dimensions,
                               const ng_vector_options *options)
{
    ng_status status = ngi_searched_read_begin(searched);
    if (status != NG_OK)
        return status;
    uint32_t own = ngi_vectors_dimensions(searched->vectors);
    const char *name = searched->field != NULL ? searched->field->spec.name : "";
    if (searched->field != NULL && dimensions != own)
        status = ngi_fail(NG_E_INVALID, "vector has %zu dimensions, field '%s' has %u", dimensions,
                          name, own);
    else if (searched->field != NULL && ngi_vectors_count(searched->vectors) == 0)
        status = ngi_fail(NG_E_NOT_FOUND, "vector field '%s' has no vectors", name);
    else if (own == 0 || ngi_vectors_count(searched->vectors) == 0)
        status = ngi_fail(NG_E_NOT_FOUND, "the store has no vectors");
    else if (dimensions != own)
        status =
            ngi_fail(NG_E_INVALID, "vector has %zu dimensions, this store has %u", dimensions, own);
    else
        status = ngi_filter_check(options != NULL ? options->filter : NULL);
    ngi_store_read_end(searched->store);
    return status;
}

/* What a filter lets through, from the smallest source of candidates. */
typedef struct source_walk {
    vectors_call *call;
    ngi_vector_search *search;
    uint32_t slots[SOURCE_AHEAD]; /* whose vectors are being fetched */
    unsigned count;
} source_walk;

static void source_flush(source_walk *walk)
{
    for (unsigned i = 0; i < walk->count; i++)
        ngi_vector_search_offer_slot(walk->search, walk->slots[i]);
    walk->count = 0;
}

static bool source_take(void *context, uint32_t slot)
{
    source_walk *walk = context;
    const store_searched *searched = &walk->call->searched;
    const char *vector = (const char *)ngi_vectors_get(searched->vectors, slot);
    if (vector == NULL || !ngi_filter_accept(&walk->call->filter, slot))
        return true;
    for (size_t at = 0; at < FETCHED_BYTES; at += 64)
        __builtin_prefetch(vector + at);
    walk->slots[walk->count++] = slot;
    if (walk->count == SOURCE_AHEAD)
        source_flush(walk);
    return true;
}

static ng_status vectors_by_source(vectors_call *call, store_source *source, bool *again)
{
    const store_searched *searched = &call->searched;
    source_walk walk = {.call = call};
    bool going = true;
    ng_status status = search_prepare(searched);
    if (status == NG_OK)
        status = ngi_searched_read_begin(searched);
    if (status != NG_OK)
        return status;
    uint64_t version = ngi_searched_version(searched);
    status = ngi_vector_search_begin(searched->vectors, call->query, searched->select,
                                     call->capacity, NULL, NULL, &walk.search);
    while (status == NG_OK && going) {
        going = ngi_source_slice(source, source_take, &walk);
        source_flush(&walk);
        if (!going)
            break;
        ngi_store_read_end(searched->store);
        status = ngi_searched_read_begin(searched);
        if (status != NG_OK) {
            ngi_vector_search_destroy(walk.search);
            return status;
        }
        going = ngi_searched_version(searched) == version;
    }
    if (status == NG_OK) {
        *again = ngi_searched_version(searched) != version;
        call->count = ngi_vector_search_finish(walk.search, call->hits, call->compared);
    }
    ngi_vector_search_destroy(walk.search);
    ngi_store_read_end(searched->store);
    return status;
}

/* --- the way that costs least ---------------------------------------------------------------- */

/* Which share of the vectors a filter lets through, as a sample of them says. */
static double plan_share(const vectors_call *call)
{
    const store_searched *searched = &call->searched;
    uint64_t slots = store_slot_end(searched->store);
    unsigned looked_at = 0, accepted = 0;
    store_filter filter = call->filter;
    for (unsigned i = 0; i < PLAN_SAMPLE; i++) {
        uint32_t slot = (uint32_t)(i * slots / PLAN_SAMPLE);
        if (slot == 0 || ngi_vectors_get(searched->vectors, slot) == NULL)
            continue;
        looked_at++;
        accepted += ngi_filter_accept(&filter, slot);
    }
    return (accepted + 0.5) / (looked_at + 1.0);
}

/* Chooses between the candidates of a source, a walk that is so much broader as fewer rows count, and a
 * scan of everything, by what each costs in nanoseconds. `*by_source` = the first; else `breadth` says
 * how broad a walk is, or `effort` 0 that it does not pay. */
static ng_status vectors_plan(vectors_call *call, store_source *source, bool *by_source)
{
    const store_searched *searched = &call->searched;
    ng_status status;
    *by_source = false;
    NGI_TRY(ngi_searched_read_begin(searched));
    status = ngi_filter_resolve(searched->store, call->filter.filter);
    if (status == NG_OK)
        status = ngi_source_begin(source, searched->store, call->filter.filter, 1);
    if (status == NG_OK) {
        double rows = (double)ngi_vectors_count(searched->vectors);
        double effort = call->effort > call->capacity ? call->effort : (double)call->capacity;
        double listed = (double)ngi_source_bound(source) * PLAN_CANDIDATE_NS;
        double scan = rows * PLAN_SCANNED_NS, walk = effort * PLAN_FOLLOWED_NS;
        bool can_walk =
            call->effort > 0 && ngi_vectors_graph_serves(searched->vectors, searched->select);
        *by_source = listed < (can_walk && walk < scan ? walk : scan);
        if (!*by_source) { /* that is what they cost if every row counts */
            double share = plan_share(call), asked = 5 * (double)call->capacity / share;
            scan += (asked < rows ? asked : rows) * PLAN_CANDIDATE_NS;
            walk /= share;
            can_walk = can_walk && effort / share <= NG_VECTOR_EFFORT_MAX;
            *by_source = listed < (can_walk && walk < scan ? walk : scan);
            call->breadth = can_walk && walk < scan ? (uint32_t)(effort / share) : 0;
        }
        if (call->breadth == 0)
            call->effort = 0;
    }
    ngi_store_read_end(searched->store);
out:
    return status;
}

/* The hits of a call that has everything but room for them. */
static ng_status vectors_find(vectors_call *call)
{
    bool again = true, found = false, by_source = false;
    store_source source = {.store = call->searched.store};
    ng_status status = NG_OK;
    if (call->filter.filter != NULL)
        status = vectors_plan(call, &source, &by_source);
    if (status == NG_OK && !by_source && call->effort > 0 && call->capacity <= NG_VECTOR_EFFORT_MAX)
        status = vectors_walk(call, &found);
    for (int i = 0; i < SEARCH_RETRIES && again && !found && status == NG_OK; i++) {
        if (by_source && i == 0) {
            status = vectors_by_source(call, &source, &again);
            continue;
        }
        status = search_prepare(&call->searched);
        if (status == NG_OK)
            status = vectors_scan(call, &again);
    }
    if (status == NG_OK && again && !found)
        status = ngi_fail(NG_E_CANCELLED, "the projection changed during every attempt");
    ngi_source_release(&source);
    return status;
}

static ng_status vectors_nearest(const store_searched *searched, const double *query,
                                 const ng_vector_options *options, ng_score *out, size_t capacity,
                                 size_t *count, uint64_t *compared)
{
    const ng_store *store = searched->store;
    vectors_call call = {.searched = *searched,
                         .query = query,
                         .filter = {.store = store},
                         .capacity = capacity,
                         .compared = compared};
    if (capacity == 0)
        return NG_OK;
    if (options != NULL) {
        call.effort = options->effort;
        call.filter.filter = options->filter;
        call.filter.exclude = options->exclude;
        call.filter.exclude_count = options->exclude_count;
    }
    size_t bytes = capacity * sizeof(ngi_vector_hit);
    void *block;
    ng_status status = ngi_alloc(store->mem, bytes, "hits of a search", &block);
    if (status != NG_OK)
        return status;
    call.hits = block;
    status = vectors_find(&call);
    *count = status == NG_OK ? call.count : 0;
    for (size_t i = 0; i < *count; i++)
        out[i] = (ng_score){.id = call.hits[i].slot, .score = call.hits[i].score};
    ngi_free(store->mem, block, bytes);
    return status;
}

ng_status ngi_store_vector_nearest_prepared(const ng_store *store, const double *vector,
                                            size_t dimensions, const ng_vector_options *options,
                                            ng_score *out, size_t capacity, size_t *count,
                                            uint64_t *compared)
{
    *count = 0;
    store_searched searched;
    ng_status status =
        ngi_searched_begin(store, 0, options != NULL ? options->remove_components : 0, &searched);
    if (status == NG_OK)
        status = vectors_check(&searched, dimensions, options);
    if (status == NG_OK)
        status = vectors_nearest(&searched, vector, options, out, capacity, count, compared);
    ngi_searched_end(&searched);
    return status;
}

/* What the index compares with: of a cosine the direction, of other metrics the vector as it is. */
static ng_status vectors_query(const store_searched *searched, const float *vector,
                               size_t dimensions, double *query, uint64_t *version)
{
    ng_status status = search_prepare(searched);
    if (status == NG_OK)
        status = ngi_searched_read_begin(searched);
    if (status != NG_OK)
        return status;
    *version = ngi_searched_version(searched);
    memset(query, 0, dimensions * sizeof *query);
    if (!ngi_vectors_accumulate(searched->vectors, 0, vector, 1.0, searched->select, query))
        status = ngi_fail(NG_E_INVALID, "the query vector has no direction left");
    ngi_store_read_end(searched->store);
    return status;
}

static ng_status vectors_nearest_of(const store_searched *searched, const float *vector,
                                    size_t dimensions, const ng_vector_options *options,
                                    ng_score *out, size_t capacity, size_t *count)
{
    const ng_store *store = searched->store;
    void *block;
    ng_status status = ngi_alloc(store->mem, dimensions * sizeof(double), "query vector", &block);
    if (status != NG_OK)
        return status;
    double *query = block;
    bool again = true;
    for (int i = 0; i < SEARCH_RETRIES && again; i++) {
        uint64_t version = 0;
        NGI_TRY(vectors_query(searched, vector, dimensions, query, &version));
        NGI_TRY(vectors_nearest(searched, query, options, out, capacity, count, NULL));
        ngi_rwlock_read(&store_mutable(store)->index_lock);
        again = ngi_searched_version(searched) != version;
        ngi_store_read_end(store);
    }
    if (again)
        status = ngi_fail(NG_E_CANCELLED, "the projection changed during every attempt");
out:
    ngi_free(store->mem, query, dimensions * sizeof *query);
    return status;
}

static ng_status vectors_check_finite(const float *vector, size_t dimensions)
{
    for (size_t i = 0; i < dimensions; i++)
        if (!isfinite(vector[i]))
            return ngi_fail(NG_E_INVALID, "vector[%zu] is not finite", i);
    return NG_OK;
}

ng_status ngi_store_vector_direction(const ng_store *store, const float *vector, size_t dimensions,
                                     int32_t remove_components, double *dst, uint64_t *version)
{
    store_searched searched;
    ng_status status = ngi_searched_begin(store, 0, remove_components, &searched);
    if (status == NG_OK)
        status = vectors_check(&searched, dimensions, NULL);
    if (status == NG_OK)
        status = vectors_check_finite(vector, dimensions);
    if (status == NG_OK)
        status = vectors_query(&searched, vector, dimensions, dst, version);
    ngi_searched_end(&searched);
    return status;
}

static ng_status vectors_nearest_once(const ng_store *store, const float *vector, size_t dimensions,
                                      const ng_vector_options *options, ng_score *out,
                                      size_t capacity, size_t *count)
{
    store_searched searched;
    *count = 0;
    ng_status status =
        ngi_searched_begin(store, options != NULL ? options->field : 0,
                           options != NULL ? options->remove_components : 0, &searched);
    if (status != NG_OK)
        return status;
    status = vectors_check(&searched, dimensions, options);
    if (status == NG_OK)
        status = vectors_check_finite(vector, dimensions);
    if (status == NG_OK)
        status = vectors_nearest_of(&searched, vector, dimensions, options, out, capacity, count);
    ngi_searched_end(&searched);
    return status;
}

ng_status ngi_store_vector_nearest(const ng_store *store, const float *vector, size_t dimensions,
                                   const ng_vector_options *options, ng_score *out, size_t capacity,
                                   size_t *count)
{
    ng_status status = NG_E_CANCELLED;
    for (int i = 0; i < SEARCH_RETRIES && status == NG_E_CANCELLED; i++)
        status = vectors_nearest_once(store, vector, dimensions, options, out, capacity, count);
    return status;
}

uint64_t ngi_store_projection_version(const ng_store *store)
{
    ngi_rwlock_read(&store_mutable(store)->index_lock);
    uint64_t version = store->projection_version;
    ngi_store_read_end(store);
    return version;
}

/* The default field, prepared and locked for reading; nothing is held if it fails. */
static ng_status searched_ready(const ng_store *store, int32_t remove_components, size_t dimensions,
                                store_searched *out)
{
    ng_status status = ngi_searched_begin(store, 0, remove_components, out);
    if (status == NG_OK)
        status = vectors_check(out, dimensions, NULL);
    if (status == NG_OK)
        status = search_prepare(out);
    if (status == NG_OK)
        status = ngi_searched_read_begin(out);
    if (status != NG_OK)
        ngi_searched_end(out);
    return status;
}

ng_status ngi_store_vector_accumulate(const ng_store *store, ng_token_id id, double sign,
                                      int32_t remove_components, double *dst, size_t dimensions)
{
    store_searched searched;
    ng_status status = searched_ready(store, remove_components, dimensions, &searched);
    if (status != NG_OK)
        return status;
    uint32_t slot;
    status = ngi_store_slot(store, id, &slot);
    if (status == NG_OK &&
        !ngi_vectors_accumulate(searched.vectors, slot, NULL, sign, remove_components, dst))
        status = ngi_fail(NG_E_ABSENT, "token %llu has no vector with a direction",
                          (unsigned long long)id);
    ngi_store_read_end(store);
    ngi_searched_end(&searched);
    return status;
}

ng_status ngi_store_vector_sum(const ng_store *store, const ng_token_id *ids, size_t count,
                               int32_t remove_components, double *dst, size_t dimensions,
                               size_t *added)
{
    store_searched searched;
    *added = 0;
    ng_status status = searched_ready(store, remove_components, dimensions, &searched);
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = store_live_slot(store, ids[i]);
        if (slot != 0 &&
            ngi_vectors_accumulate(searched.vectors, slot, NULL, 1.0, remove_components, dst))
            ++*added;
    }
    ngi_store_read_end(store);
    ngi_searched_end(&searched);
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

void ngi_projection_encode(const ngi_projection *projection, uint8_t *body)
{
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
    ngi_projection_encode(projection, ngi_wal_body(store->wal));
    return ngi_store_write_commit(store, NGI_OP_PROJECTION_PUT, bytes, write);
}
