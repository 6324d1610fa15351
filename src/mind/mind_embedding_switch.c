/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A new embedding in place of the old one.
 *
 * Order of writes, each of which leaves a state that answers:
 *     1. words without a new vector get their old one, rotated, in the named field (in batches);
 *     2. words are marked as in mind_bootstrap_projection.c;
 *     3. the two fields exchange their vectors, with the projection of the new ones: one op;
 *     4. the coordinates.
 * Up to 3 the field has its name, and the same call begins again: 1 is done for the words that still lack a
 * vector. After 3 the name is that of the old vectors, and what is left is what a load would do. */
#include "mind/mind_embedding.h"

#include "base/base_limits.h"
#include "mind/mind.h"
#include "mind/mind_private.h"

#include <math.h>
#include <string.h>

#define SWITCH_KEEP_AS "previous"
#define SWITCH_BATCH_BYTES ((size_t)1 << 20) /* of vectors, but one at least */
#define SWITCH_BATCH_MAX 1024u

typedef struct switch_job {
    ngi_load load; /* what placing the words needs */
    ngi_exchange exchange;
    ng_embedding_switch_options options; /* defaults filled in */
    ng_embedding_switch_report *report;

    ngi_embedding embedding; /* for aligning; so all below */
    double *mapped;          /* [new_dimensions] */
    float *vectors;          /* [capacity][new_dimensions] */
    ng_field_vector *placed; /* [capacity]; so the next two */
    ng_token_fields *fields;
    ng_token_id *ids;
    size_t capacity, count;
} switch_job;

static ng_status switch_options(switch_job *job)
{
    ng_embedding_switch_options *options = &job->options;
    if (options->keep_as == NULL)
        options->keep_as = SWITCH_KEEP_AS;
    if (options->collection == 0 && !options->by_collection)
        options->collection = NG_COLLECTION_SEMANTIC;
    if (options->field == NULL || options->field[0] == '\0')
        return ngi_fail(NG_E_INVALID, "field is missing");
    if (strcmp(options->field, options->keep_as) == 0)
        return ngi_fail(NG_E_INVALID, "keep_as '%.80s' is the name of the field as well",
                        options->keep_as);
    if (options->components > NGI_COMPONENTS_MAX)
        return ngi_fail(NG_E_INVALID, "components %u is outside 1..%d", options->components,
                        NGI_COMPONENTS_MAX);
    return ngi_store_collection_get(job->load.store, options->collection, NULL, NULL);
}

/* --- aligning -------------------------------------------------------------------------------- */

static ng_status align_alloc(switch_job *job)
{
    ngi_mem *mem = job->load.mem;
    size_t d = job->embedding.new_dimensions, fitting = SWITCH_BATCH_BYTES / (d * sizeof(float));
    void *block;
    ng_status status;
    job->capacity = fitting < SWITCH_BATCH_MAX ? fitting : SWITCH_BATCH_MAX;
    NGI_TRY(ngi_alloc(mem, d * sizeof *job->mapped, "aligned vector", &block));
    job->mapped = block;
    NGI_TRY(ngi_alloc(mem, job->capacity * d * sizeof *job->vectors, "aligned vectors", &block));
    job->vectors = block;
    NGI_TRY(ngi_alloc(mem, job->capacity * sizeof *job->placed, "aligned vectors", &block));
    job->placed = block;
    NGI_TRY(ngi_alloc(mem, job->capacity * sizeof *job->fields, "aligned vectors", &block));
    job->fields = block;
    NGI_TRY(ngi_alloc(mem, job->capacity * sizeof *job->ids, "aligned vectors", &block));
    job->ids = block;
out:
    return status;
}

static void align_release(switch_job *job)
{
    ngi_mem *mem = job->load.mem;
    size_t d = job->embedding.new_dimensions;
    ngi_free(mem, job->mapped, d * sizeof *job->mapped);
    ngi_free(mem, job->vectors, job->capacity * d * sizeof *job->vectors);
    ngi_free(mem, job->placed, job->capacity * sizeof *job->placed);
    ngi_free(mem, job->fields, job->capacity * sizeof *job->fields);
    ngi_free(mem, job->ids, job->capacity * sizeof *job->ids);
    ngi_embedding_close(&job->embedding);
}

static ng_status align_flush(switch_job *job)
{
    ng_seq seq;
    ng_write_options write = ngi_task_write(&seq);
    if (job->count == 0)
        return NG_OK;
    ng_status status =
        ngi_store_token_put(job->load.store, job->ids, job->fields, job->count, &write, NULL);
    if (status == NG_OK)
        job->report->aligned += job->count;
    job->count = 0;
    return status != NG_OK ? status : ngi_task_committed(&job->load.task, seq);
}

static ng_status align_word(switch_job *job, ng_token_id id)
{
    const ngi_embedding *e = &job->embedding;
    size_t d = e->new_dimensions, count = 0;
    ng_status status =
        ngi_store_token_vector(e->store, id, e->old_vector, e->old_dimensions, &count);
    if (status != NG_OK || count != e->old_dimensions)
        return status == NG_E_NOT_FOUND ? NG_OK : status; /* gone since it was listed */
    float *vector = job->vectors + job->count * d;
    ngi_procrustes_map(e->map, e->old_vector, job->mapped);
    for (size_t i = 0; i < d; i++) {
        vector[i] = (float)job->mapped[i];
        if (!isfinite(vector[i]))
            return NG_OK; /* at the end of what float32 holds: it has none */
    }
    ng_field_vector *placed = &job->placed[job->count];
    *placed = (ng_field_vector){.field = e->field, .values = vector, .dimensions = d};
    job->fields[job->count] = (ng_token_fields){.struct_size = sizeof(ng_token_fields),
                                                .set = NG_FIELD_VECTORS,
                                                .vectors = placed,
                                                .vector_count = 1};
    job->ids[job->count++] = id;
    return job->count == job->capacity ? align_flush(job) : NG_OK;
}

static ng_status align_words(switch_job *job)
{
    ngi_embedding *e = &job->embedding;
    uint64_t total = e->counts[NGI_EMBEDDING_OLD], done = 0;
    ng_status status = ngi_task_begin(&job->load.task, "aligned words", total);
    for (size_t i = 0; i < e->count && status == NG_OK; i++) {
        if (e->words[i].has != NGI_EMBEDDING_OLD)
            continue;
        status = align_word(job, e->words[i].id);
        done++;
        if (status == NG_OK)
            status = ngi_task_progress(&job->load.task, done, total, done);
    }
    if (status == NG_OK)
        status = align_flush(job);
    return status != NG_OK ? status : ngi_task_end(&job->load.task, total, done);
}

static ng_status align_run(switch_job *job)
{
    ngi_embedding *e = &job->embedding;
    uint32_t larger = e->old_dimensions > e->new_dimensions ? e->old_dimensions : e->new_dimensions;
    ng_status status;
    if (e->counts[NGI_EMBEDDING_OLD] == 0)
        return NG_OK;
    if (e->counts[NGI_EMBEDDING_BOTH] < larger)
        return ngi_fail(NG_E_INVALID,
                        "align_missing: %llu words have both vectors, %u dimensions take as many",
                        (unsigned long long)e->counts[NGI_EMBEDDING_BOTH], larger);
    NGI_TRY(align_alloc(job));
    NGI_TRY(ngi_embedding_fit(e, 1));
    NGI_TRY(align_words(job));
out:
    return status;
}

/* What the words have, and what those that lack a vector get. */
static ng_status switch_words(switch_job *job)
{
    ngi_embedding *e = &job->embedding;
    *e = (ngi_embedding){.store = job->load.store,
                         .mem = job->load.mem,
                         .task = &job->load.task,
                         .collection = job->options.collection,
                         .field = job->exchange.field};
    ng_status status = ngi_embedding_open(e);
    if (status == NG_OK && job->options.align_missing)
        status = align_run(job);
    if (status == NG_OK)
        job->report->left = e->counts[NGI_EMBEDDING_OLD] - job->report->aligned;
    align_release(job);
    return status;
}

/* --- switching ------------------------------------------------------------------------------- */

/* `*again`: it was done before; then `field` is the one with the old vectors. */
static ng_status switch_find(switch_job *job, bool *again)
{
    ng_store *store = job->load.store;
    ng_vector_field_id kept;
    ng_status other = ngi_store_vector_field_find(store, job->options.keep_as, &kept);
    if (other != NG_OK && other != NG_E_NOT_FOUND)
        return other;
    ng_status status = ngi_store_vector_field_find(store, job->options.field, &job->exchange.field);
    *again = status == NG_E_NOT_FOUND && other == NG_OK;
    if (*again) {
        job->exchange.field = kept;
        return NG_OK;
    }
    if (status == NG_OK && other == NG_OK)
        return ngi_fail(NG_E_EXISTS, "keep_as: vector field %u is already named '%.80s'", kept,
                        job->options.keep_as);
    return status;
}

/* How many components there are, 0 = there is no projection; and how many there will be. */
static ng_status switch_components(switch_job *job, uint32_t dimensions, uint32_t *stored)
{
    ngi_projection projection;
    ng_status status = ngi_store_projection_get(job->load.store, &projection);
    *stored = status == NG_OK ? projection.component_count : 0;
    if (status == NG_OK)
        ngi_projection_release(job->load.mem, &projection);
    uint32_t wanted = job->options.components != 0 ? job->options.components : *stored;
    job->load.options.components = wanted < dimensions ? wanted : dimensions;
    return status == NG_E_NOT_FOUND ? NG_OK : status;
}

/* Without a projection, or without a word to make one of. */
static ng_status switch_plainly(switch_job *job)
{
    ng_seq seq;
    ng_write_options write = ngi_task_write(&seq);
    ng_status status = ngi_store_vector_field_swap(job->load.store, job->exchange.field,
                                                   job->options.keep_as, NULL, &write);
    return status != NG_OK ? status : ngi_task_committed(&job->load.task, seq);
}

static ng_status switch_place(switch_job *job, bool again)
{
    ng_vector_field_info info;
    uint32_t stored;
    ng_status status =
        ngi_store_vector_field_get(job->load.store, again ? 0 : job->exchange.field, &info);
    if (status != NG_OK)
        return status;
    job->report->dimensions = job->load.report.dimensions = info.dimensions;
    status = switch_components(job, info.dimensions, &stored);
    if (!again)
        job->load.exchange = &job->exchange;
    if (status == NG_OK && stored != 0 && !(again && job->options.keep_coordinates))
        status = ngi_load_projection(&job->load);
    if (status == NG_OK && !again && !job->exchange.is_done)
        status = switch_plainly(job);
    return status;
}

static ng_status switch_run(switch_job *job)
{
    bool again;
    ng_status status;
    NGI_TRY(switch_options(job));
    NGI_TRY(switch_find(job, &again));
    job->report->was_switched = again;
    job->report->kept = job->exchange.field;
    job->load.options.collection = job->options.collection;
    job->exchange.keep_as = job->options.keep_as;
    job->exchange.keep_coordinates = job->options.keep_coordinates;
    if (!again) {
        /* Before anything is written. */
        NGI_TRY(ngi_store_vector_field_may_swap(job->load.store, job->exchange.field,
                                                job->options.keep_as));
        NGI_TRY(switch_words(job));
    }
    NGI_TRY(switch_place(job, again));
out:
    return status;
}

ng_status ngi_mind_embedding_switch(ng_store *store, const ng_embedding_switch_options *options,
                                    ng_embedding_switch_report *out)
{
    ngi_os *os = ngi_store_os(store);
    uint64_t begin_ns = os->monotonic_ns(os);
    ng_embedding_switch_report unused;
    switch_job job = {.load = {.store = store, .mem = ngi_store_mem(store), .os = os, .path = ""},
                      .options = *options,
                      .report = out != NULL ? out : &unused};
    job.load.task = (ngi_task){.store = store,
                               .os = os,
                               .what = "switching the embedding",
                               .progress = options->progress,
                               .progress_context = options->progress_context};
    *job.report = (ng_embedding_switch_report){0};
    ng_status status = ngi_task_finish(&job.load.task, switch_run(&job));
    job.report->components = job.load.report.components;
    job.report->explained_variance = job.load.report.explained_variance;
    job.report->seconds = ngi_task_seconds(&job.load.task, begin_ns);
    return status;
}
