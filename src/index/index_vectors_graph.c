/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The graph of approximate search, kept up beside the vectors it is derived from.
 *
 * A row that changes leaves the graph at once, which costs nothing, and comes back before the next
 * search. While a graph is built nobody waits: rows that change meanwhile are noted, and brought in
 * afterwards like any others. */
#include "index/index_vectors_ann.h"
#include "index/index_vectors_ann_kernels.h"
#include "index/index_vectors_private.h"

#include <math.h>
#include <string.h>

#define WORD_BITS 64u
#define DEVIATIONS 4.0      /* of the score of an image */
#define AHEAD 4u            /* hits before one is scored, its vector is fetched */
#define PREFETCH_BYTES 512u /* of it; the hardware fetches the rest */
#define CLEANED_ROWS 8u     /* in the time in which one is inserted */
#define CLEAN_DIVISOR 8u    /* a pass over the graph when so large a part of it was removed */

static size_t graph_changed_bytes(uint32_t rows)
{
    return (rows / WORD_BITS + 1) * sizeof(uint64_t);
}

/* --- building -------------------------------------------------------------------------------- */

ng_status ngi_vectors_job_begin(ngi_vectors *vectors, int32_t remove_components,
                                ngi_vectors_job *job)
{
    ngi_vectors_graph *graph = &vectors->graph;
    size_t bytes = graph_changed_bytes(vectors->row_end);
    void *block = NULL;
    ng_status status;
    if (graph->building != NULL)
        return ngi_fail(NG_E_BUSY, "a graph of vectors is being built");
    *job = (ngi_vectors_job){.row_end = vectors->row_end,
                             .projection_version = vectors->projection_version};
    NGI_TRY(ngi_vectors_resolve(vectors, remove_components, &job->setting));
    NGI_TRY(ngi_alloc(vectors->mem, bytes, "graph of vectors", &block));
    NGI_TRY(ngi_ann_create(vectors->os, vectors->mem, vectors->dimensions, vectors->max_slots,
                           &job->ann));
    memset(block, 0, bytes);
    graph->building = job->ann;
    graph->changed = block;
    graph->changed_rows = vectors->row_end;
out:
    if (status != NG_OK)
        ngi_free(vectors->mem, block, bytes);
    return status;
}

/* The direction of a row, zeros if it has none; or the row itself where lengths count. */
static void graph_direction(const ngi_projector *projector, uint32_t row, float *out)
{
    const ngi_vectors *vectors = projector->vectors;
    double residual[NGI_DIMENSIONS_MAX];
    double inverse = ngi_projector_row(projector, ngi_vectors_row_at(vectors, row), residual);
    for (uint32_t i = 0; i < vectors->dimensions; i++)
        out[i] = inverse > 0 ? (float)(residual[i] * inverse) : 0;
}

bool ngi_vectors_job_row(const ngi_vectors *vectors, const ngi_vectors_job *job, uint32_t row,
                         float *out)
{
    ngi_projector projector;
    if (ngi_vectors_info_at(vectors, row)->slot == 0)
        return false;
    /* The projection may be another one by now: then the job is in vain, and ends so. */
    bool is_same = job->projection_version == vectors->projection_version;
    bool is_usable = is_same || !ngi_setting_is_projected(job->setting);
    ngi_projector_init(&projector, vectors, is_usable ? job->setting : VECTORS_PLAIN);
    graph_direction(&projector, row, out);
    return true;
}

static void graph_take(ngi_vectors *vectors, const ngi_vectors_job *job)
{
    ngi_vectors_graph *graph = &vectors->graph;
    for (uint32_t row = 0; row < job->row_end; row++)
        if ((graph->changed[row / WORD_BITS] >> row % WORD_BITS & 1u) != 0)
            ngi_ann_remove(job->ann, row);
    ngi_ann_destroy(graph->ann);
    graph->ann = job->ann;
    graph->setting = job->setting;
    graph->cursor = 0;
}

bool ngi_vectors_job_end(ngi_vectors *vectors, ngi_vectors_job *job, bool is_built)
{
    ngi_vectors_graph *graph = &vectors->graph;
    bool is_valid = !ngi_setting_is_projected(job->setting) ||
                    job->projection_version == vectors->projection_version;
    if (is_built && is_valid)
        graph_take(vectors, job);
    else
        ngi_ann_destroy(job->ann);
    ngi_free(vectors->mem, graph->changed, graph_changed_bytes(graph->changed_rows));
    graph->building = NULL;
    graph->changed = NULL;
    graph->changed_rows = 0;
    *job = (ngi_vectors_job){0};
    return is_valid;
}

/* --- what changes ---------------------------------------------------------------------------- */

void ngi_vectors_graph_forget(ngi_vectors *vectors, uint32_t row)
{
    ngi_vectors_graph *graph = &vectors->graph;
    if (row < graph->changed_rows)
        graph->changed[row / WORD_BITS] |= UINT64_C(1) << row % WORD_BITS;
    if (graph->ann == NULL)
        return;
    ngi_ann_remove(graph->ann, row);
    graph->cursor = row < graph->cursor ? row : graph->cursor;
}

void ngi_vectors_graph_drop(ngi_vectors *vectors)
{
    ngi_ann_destroy(vectors->graph.ann);
    vectors->graph.ann = NULL;
}

static bool graph_wants_cleaning(const ngi_vectors_graph *graph)
{
    return ngi_ann_removed_count(graph->ann) > ngi_ann_count(graph->ann) / CLEAN_DIVISOR;
}

bool ngi_vectors_graph_is_complete(const ngi_vectors *vectors)
{
    const ngi_vectors_graph *graph = &vectors->graph;
    return graph->ann == NULL || ngi_ann_count(graph->ann) == vectors->count;
}

bool ngi_vectors_graph_is_prepared(const ngi_vectors *vectors)
{
    const ngi_vectors_graph *graph = &vectors->graph;
    return graph->ann == NULL ||
           (ngi_vectors_graph_is_complete(vectors) && !graph_wants_cleaning(graph));
}

ng_status ngi_vectors_graph_prepare(ngi_vectors *vectors, uint32_t max_rows)
{
    ngi_vectors_graph *graph = &vectors->graph;
    ngi_projector projector;
    float direction[NGI_DIMENSIONS_MAX];
    ng_status status = NG_OK;
    if (graph->ann == NULL)
        return NG_OK;
    NGI_TRY(ngi_ann_reserve(graph->ann, vectors->row_end));
    ngi_projector_init(&projector, vectors, graph->setting);
    for (; max_rows > 0 && ngi_ann_count(graph->ann) < vectors->count; graph->cursor++) {
        uint32_t row = graph->cursor;
        if (ngi_vectors_info_at(vectors, row)->slot == 0 || ngi_ann_has(graph->ann, row))
            continue;
        graph_direction(&projector, row, direction);
        NGI_TRY(ngi_ann_insert(graph->ann, row, direction));
        max_rows--;
    }
    if (max_rows > 0 && graph_wants_cleaning(graph))
        (void)ngi_ann_clean(graph->ann, CLEANED_ROWS * max_rows);
out:
    return status;
}

/* --- kept and brought back ------------------------------------------------------------------- */

uint32_t ngi_vectors_graph_links(const ngi_vectors *vectors, uint32_t row, uint32_t *links,
                                 unsigned *count)
{
    const ngi_ann *ann = vectors->graph.ann;
    *count = 0;
    if (ann == NULL || !ngi_ann_has(ann, row))
        return 0;
    *count = ngi_ann_get_links(ann, row, links);
    for (unsigned i = 0; i < *count; i++)
        links[i] = ngi_vectors_info_at(vectors, links[i])->slot;
    return ngi_vectors_info_at(vectors, row)->slot;
}

ng_status ngi_vectors_restore_begin(const ngi_vectors *vectors, ngi_vectors_job *job)
{
    return ngi_ann_reserve(job->ann, vectors->row_end);
}

/* The row of a slot, or VECTORS_NO_ROW. */
static uint32_t graph_row_of(const ngi_vectors *vectors, uint32_t slot)
{
    const float *values =
        slot > 0 && slot <= vectors->max_slots ? ngi_vectors_get(vectors, slot) : NULL;
    if (values == NULL)
        return VECTORS_NO_ROW;
    return ngi_vectors_row_of(vectors, values);
}

void ngi_vectors_restore_slot(const ngi_vectors *vectors, ngi_vectors_job *job, uint32_t slot)
{
    float direction[NGI_DIMENSIONS_MAX];
    uint32_t row = graph_row_of(vectors, slot);
    if (row != VECTORS_NO_ROW && ngi_vectors_job_row(vectors, job, row, direction))
        ngi_ann_restore_row(job->ann, row, direction);
}

void ngi_vectors_restore_links(const ngi_vectors *vectors, ngi_vectors_job *job, uint32_t slot,
                               const uint32_t *slots, unsigned count)
{
    uint32_t rows[NGI_VECTORS_LINKS], row = graph_row_of(vectors, slot);
    unsigned found = 0;
    if (row == VECTORS_NO_ROW || !ngi_ann_has(job->ann, row))
        return;
    for (unsigned i = 0; i < count && i < NGI_VECTORS_LINKS; i++) {
        rows[found] = graph_row_of(vectors, slots[i]);
        found += rows[found] != VECTORS_NO_ROW;
    }
    ngi_ann_restore_links(job->ann, row, rows, found);
}

void ngi_vectors_restore_end(ngi_vectors_job *job)
{
    ngi_ann_restore_end(job->ann);
}

/* --- what it answers ------------------------------------------------------------------------- */

bool ngi_vectors_graph_get(const ngi_vectors *vectors, ngi_vectors_graph_info *out)
{
    const ngi_vectors_graph *graph = &vectors->graph;
    *out = (ngi_vectors_graph_info){0};
    if (graph->ann == NULL)
        return false;
    int32_t select = graph->setting == VECTORS_PLAIN ? NG_PLAIN_COSINE
                     : graph->setting == VECTORS_DOT ? NGI_SELECT_DOT
                     : graph->setting == VECTORS_L2  ? NGI_SELECT_L2
                                                     : (int32_t)graph->setting;
    *out =
        (ngi_vectors_graph_info){select, ngi_setting_is_cosine(graph->setting) ? graph->setting : 0,
                                 ngi_ann_count(graph->ann), ngi_ann_bytes(graph->ann)};
    return true;
}

uint64_t ngi_vectors_graph_bytes(const ngi_vectors *vectors)
{
    const ngi_vectors_graph *graph = &vectors->graph;
    uint64_t bytes = 0;
    if (graph->ann != NULL)
        bytes += ngi_ann_bytes(graph->ann);
    if (graph->building != NULL)
        bytes += ngi_ann_bytes(graph->building) + graph_changed_bytes(graph->changed_rows);
    return bytes;
}

bool ngi_vectors_graph_serves(const ngi_vectors *vectors, int32_t remove_components)
{
    uint32_t setting;
    return vectors->graph.ann != NULL &&
           ngi_vectors_resolve(vectors, remove_components, &setting) == NG_OK &&
           setting == vectors->graph.setting;
}

static bool graph_accepts(void *context, uint32_t row)
{
    const ngi_vector_search *search = context;
    uint32_t slot = ngi_vectors_info_at(ngi_vector_search_vectors(search), row)->slot;
    return slot != 0 && ngi_vector_search_accepts(search, slot);
}

/* Scores what was found exactly, but for rows that cannot come among the best unless their images err
 * by more than DEVIATIONS. */
static void graph_offer(ngi_vector_search *search, const ngi_ann_hit *hits, uint32_t count)
{
    const ngi_vectors *vectors = ngi_vector_search_vectors(search);
    const double *query = ngi_vector_search_query(search);
    const ngi_ann *ann = vectors->graph.ann;
    bool is_distance = vectors->graph.setting == VECTORS_L2;
    double squares = 0, peak = 0;
    for (uint32_t i = 0; i < vectors->dimensions; i++) {
        squares += query[i] * query[i];
        peak = fmax(peak, fabs(query[i]));
    }
    double length = sqrt(squares), scale = is_distance ? 2 : 1, shift = is_distance ? squares : 0;
    for (uint32_t i = 0; i < count; i++) {
        double doubt = DEVIATIONS * ngi_ann_deviation(ann, hits[i].row, length, peak);
        if (i + AHEAD < count) {
            const char *ahead = (const char *)ngi_vectors_row_at(vectors, hits[i + AHEAD].row);
            for (size_t at = 0; at < PREFETCH_BYTES; at += NGI_ANN_LINE)
                __builtin_prefetch(ahead + at);
        }
        double most = scale * ((double)hits[i].score + doubt) - shift;
        if (!(most < ngi_vector_search_least(search)))
            ngi_vector_search_offer(search, hits[i].row);
    }
}

ng_status ngi_vector_search_graph(ngi_vector_search *search, uint32_t effort, uint32_t breadth)
{
    const ngi_vectors *vectors = ngi_vector_search_vectors(search);
    const double *query = ngi_vector_search_query(search);
    float direction[NGI_DIMENSIONS_MAX];
    const ngi_ann_request request = {.query = direction,
                                     .effort = effort,
                                     .breadth = breadth,
                                     .by_product = vectors->graph.setting != VECTORS_L2,
                                     .accept = ngi_vector_search_is_filtered(search) ? graph_accepts
                                                                                     : NULL,
                                     .context = search};
    uint32_t count = 0;
    size_t bytes = effort * sizeof(ngi_ann_hit);
    void *block;
    ng_status status = ngi_alloc(vectors->mem, bytes, "search for vectors", &block);
    if (status != NG_OK)
        return status;
    for (uint32_t i = 0; i < vectors->dimensions; i++)
        direction[i] = (float)query[i];
    status = ngi_ann_search(vectors->graph.ann, &request, block, &count);
    graph_offer(search, block, count);
    ngi_free(vectors->mem, block, bytes);
    return status;
}
