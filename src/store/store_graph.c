/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Building the graph of approximate search by vector beside readers and writers: vectors are copied
 * row by row under the shared lock, the graph is made without any, and taken in under the writer's. */
#include "index/index_vectors_ann.h"
#include "store/store_graph_file.h"
#include "store/store_snapshot.h"

#include <string.h>

#define PROGRESS_STEPS 1000u
#define COPIED_ROWS 256u /* under one hold of the lock */
#define STEP_ROWS 16u    /* likewise, of what is brought in: a few milliseconds */

typedef struct graph_build {
    ng_store *store;
    store_searched searched;
    ngi_vectors_job job;
    store_progress progress;
    ng_status status; /* why it was stopped */
    float *copied;    /* [COPIED_ROWS][dimensions], of rows from first_copied on */
    bool is_there[COPIED_ROWS];
    uint32_t first_copied, copied_count, dimensions;
} graph_build;

static void graph_copy(graph_build *build, uint32_t row)
{
    const ng_store *store = build->store;
    uint32_t left = build->job.row_end - row;
    build->first_copied = row;
    build->copied_count = left < COPIED_ROWS ? left : COPIED_ROWS;
    ngi_rwlock_read(&store_mutable(store)->index_lock);
    for (uint32_t i = 0; i < build->copied_count; i++)
        build->is_there[i] = ngi_vectors_job_row(build->searched.vectors, &build->job, row + i,
                                                 build->copied + (size_t)i * build->dimensions);
    ngi_store_read_end(store);
}

/* Rows are asked for in order. */
static bool graph_vector(void *context, uint32_t row, float *out)
{
    graph_build *build = context;
    if (row - build->first_copied >= build->copied_count)
        graph_copy(build, row);
    uint32_t i = row - build->first_copied;
    if (build->is_there[i])
        memcpy(out, build->copied + (size_t)i * build->dimensions, build->dimensions * sizeof *out);
    return build->is_there[i];
}

static bool graph_goes_on(void *context, double done)
{
    graph_build *build = context;
    uint64_t step = (uint64_t)(done * PROGRESS_STEPS);
    build->status = ngi_progress_step(&build->progress, step < PROGRESS_STEPS ? step : 0, 0);
    return build->status == NG_OK;
}

static ng_status graph_begin(graph_build *build)
{
    ng_store *store = build->store;
    const store_searched *searched = &build->searched;
    ng_status status = ngi_searched_read_begin(searched);
    if (status != NG_OK)
        return status;
    build->dimensions = ngi_vectors_dimensions(searched->vectors);
    if (ngi_vectors_count(searched->vectors) == 0)
        status = searched->field != NULL
                     ? ngi_fail(NG_E_NOT_FOUND, "vector field '%s' has no vectors",
                                searched->field->spec.name)
                     : ngi_fail(NG_E_NOT_FOUND, "the store has no vectors");
    ngi_store_read_end(store);
    if (status != NG_OK)
        return status;
    ngi_rwlock_write(&store->index_lock);
    status = ngi_vectors_job_begin(searched->vectors, searched->select, &build->job);
    ngi_rwlock_write_end(&store->index_lock);
    return status;
}

/* After graph_begin; a job is ended whatever becomes of it. */
static ng_status graph_run(graph_build *build)
{
    ng_store *store = build->store;
    const store_searched *searched = &build->searched;
    const ngi_ann_source source = {.row_end = build->job.row_end,
                                   .vector = graph_vector,
                                   .go_on = graph_goes_on,
                                   .context = build,
                                   .mem = store->mem};
    size_t bytes = (size_t)build->dimensions * COPIED_ROWS * sizeof(float);
    void *block = NULL;
    ngi_progress_begin(&build->progress, "graph", PROGRESS_STEPS);
    ng_status status = ngi_alloc(store->mem, bytes, "graph of vectors", &block);
    build->copied = block;
    if (status == NG_OK)
        status = ngi_ann_build(build->job.ann, &source);
    if (build->status != NG_OK)
        status = build->status;
    ngi_free(store->mem, block, bytes);
    ngi_rwlock_write(&store->index_lock);
    bool is_valid = ngi_vectors_job_end(searched->vectors, &build->job, status == NG_OK);
    bool is_dropped = searched->field != NULL && searched->field->is_dropped;
    ngi_rwlock_write_end(&store->index_lock);
    if (status == NG_OK && !is_valid)
        status = ngi_fail(NG_E_CANCELLED, "the projection changed while the graph was built");
    if (status == NG_OK && is_dropped)
        status = ngi_fail(NG_E_CANCELLED, "the field was dropped while the graph was built");
    return status;
}

ng_status ngi_store_vector_graph_build(ng_store *store, const ng_vector_graph_options *options,
                                       ng_progress_fn progress, void *progress_context)
{
    graph_build build = {.store = store,
                         .progress = {.call = progress,
                                      .context = progress_context,
                                      .os = store->os}};
    ng_status status =
        ngi_searched_begin(store, options->field, options->remove_components, &build.searched);
    if (status != NG_OK)
        return status;
    status = graph_begin(&build);
    if (status == NG_OK)
        status = graph_run(&build);
    ngi_searched_end(&build.searched);
    if (status == NG_OK)
        ngi_graphs_save(store);
    return status;
}

ng_status ngi_store_vector_graph_get(const ng_store *store, ng_vector_field_id id,
                                     ng_vector_graph *out)
{
    ngi_vectors_graph_info info = {0};
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    const ngi_vectors *vectors = ngi_vector_field_index(store, id);
    if (vectors == NULL)
        status = ngi_vector_field_fail(id);
    else if (!ngi_vectors_graph_get(vectors, &info))
        status = ngi_fail(NG_E_NOT_FOUND,
                          id == 0 ? "the store has no graph of vectors"
                                  : "vector field %u has no graph of vectors",
                          id);
    ngi_store_read_end(store);
    *out = (ng_vector_graph){info.removed_components, info.rows, info.bytes};
    return status;
}

ng_status ngi_store_vector_graph_drop(ng_store *store, ng_vector_field_id id)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    ngi_store_read_end(store);
    ngi_rwlock_write(&store->index_lock);
    ngi_vectors *vectors = ngi_vector_field_index(store, id);
    if (vectors != NULL)
        ngi_vectors_graph_drop(vectors);
    ngi_rwlock_write_end(&store->index_lock);
    if (vectors == NULL)
        return ngi_vector_field_fail(id);
    ngi_graphs_save(store);
    return NG_OK;
}

ng_status ngi_store_graph_serves(const ng_store *store, int32_t remove_components, bool *out)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    *out = ngi_vectors_graph_serves(store->vectors, remove_components);
    ngi_store_read_end(store);
    return NG_OK;
}

/* --- kept up --------------------------------------------------------------------------------- */

/* The first index whose graph lacks something, with the lock held; NULL if there is none. */
static ngi_vectors *graph_unprepared(const ng_store *store)
{
    for (ng_vector_field_id id = 0; id <= NGI_VECTOR_FIELDS_MAX; id++) {
        ngi_vectors *vectors = ngi_vector_field_index(store, id);
        if (vectors != NULL && !ngi_vectors_graph_is_prepared(vectors))
            return vectors;
    }
    return NULL;
}

bool ngi_graphs_are_due(ng_store *store)
{
    ngi_rwlock_read(&store->index_lock);
    bool are_due = graph_unprepared(store) != NULL;
    ngi_store_read_end(store);
    return are_due;
}

ng_status ngi_graphs_step(ng_store *store, uint64_t deadline_ns)
{
    ng_status status = NG_OK;
    (void)deadline_ns; /* a step is short */
    ngi_rwlock_write(&store->index_lock);
    ngi_vectors *vectors = graph_unprepared(store);
    if (vectors != NULL)
        status = ngi_vectors_graph_prepare(vectors, STEP_ROWS);
    ngi_rwlock_write_end(&store->index_lock);
    return status;
}
