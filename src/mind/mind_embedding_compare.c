/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How a new embedding differs from the old one: coverage, alignment, and neighbours that stay. */
#include "mind/mind_embedding.h"

#include "base/base_limits.h"
#include "mind/mind.h"

#include <math.h>

#define SAMPLE_DEFAULT 1000u
#define NEIGHBORS_DEFAULT 10u

typedef struct compare_job {
    ngi_embedding embedding;
    ngi_task task;
    ng_embedding_compare_options options; /* defaults filled in */
    ng_embedding_report *report;
    ng_score *old_hits, *new_hits; /* [k] each */
    double recall_sum, jaccard_sum;
} compare_job;

static ng_status compare_options(compare_job *job)
{
    ng_embedding_compare_options *options = &job->options;
    if (options->sample == 0)
        options->sample = SAMPLE_DEFAULT;
    if (options->k == 0)
        options->k = NEIGHBORS_DEFAULT;
    if (options->collection == 0 && !options->by_collection)
        options->collection = NG_COLLECTION_SEMANTIC;
    if (options->field < 1 || options->field > NGI_VECTOR_FIELDS_MAX)
        return ngi_fail(NG_E_INVALID, "field %u is outside 1..%d", options->field,
                        NGI_VECTOR_FIELDS_MAX);
    if (options->sample > NGI_EMBEDDING_SAMPLE_MAX)
        return ngi_fail(NG_E_INVALID, "sample %u is outside 1..%u", options->sample,
                        NGI_EMBEDDING_SAMPLE_MAX);
    if (options->k > NGI_EMBEDDING_NEIGHBORS_MAX)
        return ngi_fail(NG_E_INVALID, "k %u is outside 1..%d", options->k,
                        NGI_EMBEDDING_NEIGHBORS_MAX);
    return NG_OK;
}

/* --- alignment ------------------------------------------------------------------------------- */

typedef struct compare_mean {
    double sum;
    uint64_t count;
} compare_mean;

static void compare_add_cosine(ngi_embedding *embedding, void *context)
{
    compare_mean *mean = context;
    double cosine;
    if (!ngi_procrustes_cosine(embedding->map, embedding->old_vector, embedding->new_vector,
                               &cosine))
        return;
    mean->sum += cosine;
    mean->count++;
}

static ng_status compare_cosine(compare_job *job, unsigned first, double *out, uint64_t *count)
{
    compare_mean mean = {0};
    ng_status status = ngi_embedding_scan(&job->embedding, first, 2, compare_add_cosine, &mean);
    *out = mean.count > 0 ? mean.sum / (double)mean.count : (double)NAN;
    *count = mean.count;
    return status;
}

static ng_status compare_align(compare_job *job)
{
    ng_embedding_report *report = job->report;
    ng_status status = ngi_embedding_fit(&job->embedding, 2);
    if (status == NG_OK)
        status = compare_cosine(job, 0, &report->fitted_cosine, &report->fitted);
    return status != NG_OK ? status
                           : compare_cosine(job, 1, &report->held_out_cosine, &report->held_out);
}

/* --- neighbours ------------------------------------------------------------------------------ */

static ng_status compare_nearest(const compare_job *job, ng_token_id id, bool is_new,
                                 ng_score *hits, size_t *count)
{
    const ngi_embedding *e = &job->embedding;
    const ng_filter filter = {.struct_size = sizeof filter,
                              .collection = e->collection,
                              .by_collection = true};
    const ng_vector_options options = {.struct_size = sizeof options,
                                       .remove_components = NG_PLAIN_COSINE,
                                       .filter = &filter,
                                       .exclude = &id,
                                       .exclude_count = 1,
                                       .field = is_new ? e->field : 0};
    return ngi_store_vector_nearest(e->store, is_new ? e->new_vector : e->old_vector,
                                    is_new ? e->new_dimensions : e->old_dimensions, &options, hits,
                                    job->options.k, count);
}

static uint32_t compare_kept(const compare_job *job, size_t old_count, size_t new_count)
{
    uint32_t kept = 0;
    for (size_t i = 0; i < old_count; i++)
        for (size_t j = 0; j < new_count; j++)
            kept += job->old_hits[i].id == job->new_hits[j].id;
    return kept;
}

/* Keeps the list of those that keep least, in order. */
static void compare_note_worst(ng_embedding_report *report, ng_token_id id, uint32_t kept)
{
    ng_embedding_change *worst = report->worst;
    uint32_t at = report->worst_count;
    while (at > 0 &&
           (worst[at - 1].kept > kept || (worst[at - 1].kept == kept && worst[at - 1].id > id)))
        at--;
    if (at == NG_EMBEDDING_WORST)
        return;
    uint32_t last =
        report->worst_count < NG_EMBEDDING_WORST ? report->worst_count++ : NG_EMBEDDING_WORST - 1;
    for (uint32_t i = last; i > at; i--)
        worst[i] = worst[i - 1];
    worst[at] = (ng_embedding_change){.id = id, .kept = kept};
}

static ng_status compare_word(compare_job *job, ng_token_id id)
{
    bool found;
    size_t old_count = 0, new_count = 0;
    ng_status status = ngi_embedding_pair(&job->embedding, id, &found);
    if (status != NG_OK || !found)
        return status;
    status = compare_nearest(job, id, false, job->old_hits, &old_count);
    if (status == NG_OK)
        status = compare_nearest(job, id, true, job->new_hits, &new_count);
    if (status == NG_E_INVALID)
        return NG_OK; /* a zero vector has no neighbours */
    if (status != NG_OK || old_count == 0)
        return status;
    uint32_t kept = compare_kept(job, old_count, new_count);
    job->recall_sum += (double)kept / (double)old_count;
    job->jaccard_sum += (double)kept / (double)(old_count + new_count - kept);
    job->report->sampled++;
    if (kept < old_count)
        compare_note_worst(job->report, id, kept);
    return NG_OK;
}

/* splitmix64: any seed gives a good sequence. */
static uint64_t compare_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Moves the shared words to the begin, by id or in the order of the seed as far as it is needed. */
static size_t compare_draw(compare_job *job)
{
    ngi_embedding_word *words = job->embedding.words;
    uint64_t state = job->options.seed;
    size_t shared = 0;
    for (size_t i = 0; i < job->embedding.count; i++)
        if (words[i].has == NGI_EMBEDDING_BOTH)
            words[shared++] = words[i];
    size_t wanted = shared < job->options.sample ? shared : job->options.sample;
    for (size_t i = 0; i < wanted && job->options.seed != 0; i++) {
        size_t other = i + (size_t)(compare_random(&state) % (shared - i));
        ngi_embedding_word word = words[i];
        words[i] = words[other];
        words[other] = word;
    }
    return wanted;
}

/* Last, as it reorders the words. */
static ng_status compare_neighbors(compare_job *job)
{
    ng_embedding_report *report = job->report;
    size_t wanted = compare_draw(job);
    ng_status status = ngi_task_begin(&job->task, "neighbors", wanted);
    for (size_t i = 0; i < wanted && status == NG_OK; i++) {
        status = compare_word(job, job->embedding.words[i].id);
        if (status == NG_OK)
            status = ngi_task_progress(&job->task, i + 1, wanted, i + 1);
    }
    double count = (double)report->sampled;
    report->recall = report->sampled > 0 ? job->recall_sum / count : (double)NAN;
    report->jaccard = report->sampled > 0 ? job->jaccard_sum / count : (double)NAN;
    return status != NG_OK ? status : ngi_task_end(&job->task, wanted, wanted);
}

/* --- the call -------------------------------------------------------------------------------- */

static ng_status compare_run(compare_job *job)
{
    ngi_embedding *e = &job->embedding;
    ng_embedding_report *report = job->report;
    void *block;
    ng_status status;
    NGI_TRY(compare_options(job));
    e->collection = job->options.collection;
    e->field = job->options.field;
    NGI_TRY(ngi_embedding_open(e));
    NGI_TRY(ngi_alloc(e->mem, 2 * job->options.k * sizeof(ng_score), "neighbours", &block));
    job->old_hits = block;
    job->new_hits = job->old_hits + job->options.k;
    report->shared = e->counts[NGI_EMBEDDING_BOTH];
    report->lost = e->counts[NGI_EMBEDDING_OLD];
    report->gained = e->counts[NGI_EMBEDDING_NEW];
    report->old_dimensions = e->old_dimensions;
    report->new_dimensions = e->new_dimensions;
    report->k = job->options.k;
    NGI_TRY(compare_align(job));
    NGI_TRY(compare_neighbors(job));
out:
    return status;
}

ng_status ngi_mind_embedding_compare(const ng_store *store,
                                     const ng_embedding_compare_options *options,
                                     ng_embedding_report *out)
{
    ngi_os *os = ngi_store_os(store);
    uint64_t begin_ns = os->monotonic_ns(os);
    compare_job job = {.options = *options, .report = out};
    job.task = (ngi_task){.os = os,
                          .what = "comparing embeddings",
                          .progress = options->progress,
                          .progress_context = options->progress_context};
    job.embedding = (ngi_embedding){.store = store, .mem = ngi_store_mem(store), .task = &job.task};
    *out = (ng_embedding_report){0};
    ng_status status = compare_run(&job);
    ngi_free(ngi_store_mem(store), job.old_hits, 2 * job.options.k * sizeof(ng_score));
    ngi_embedding_close(&job.embedding);
    out->seconds = ngi_task_seconds(&job.task, begin_ns);
    return status;
}
