/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A recall from end to end; docs/recall.md tells the model. */
#include "mind/mind_recall.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RECALL_ATTEMPTS 4

uint64_t ngi_recall_now(const ngi_recall_job *job)
{
    return job->os->monotonic_ns(job->os);
}

ng_status ngi_recall_check(ngi_recall_job *job)
{
    const ng_recall_options *options = job->options;
    if (job->stopped != NG_OK)
        return job->stopped;
    if (options->cancelled != NULL && options->cancelled(options->context))
        job->stopped = ngi_fail(NG_E_CANCELLED, "the recall was cancelled");
    else if (options->timeout_us != 0 &&
             ngi_recall_now(job) - job->begin_ns > UINT64_C(1000) * options->timeout_us)
        job->stopped =
            ngi_fail(NG_E_TIMEOUT, "the recall took more than %u us", options->timeout_us);
    return job->stopped;
}

bool ngi_recall_go_on(void *context)
{
    return ngi_recall_check(context) == NG_OK;
}

ng_search_options ngi_recall_search(const ngi_recall_job *job)
{
    const ng_recall_options *options = job->options;
    ng_search_options search = {.struct_size = sizeof search,
                                .cancelled = options->cancelled,
                                .context = options->context};
    if (options->timeout_us != 0) {
        uint64_t spent_us = (ngi_recall_now(job) - job->begin_ns) / 1000;
        search.timeout_us =
            spent_us < options->timeout_us ? options->timeout_us - (uint32_t)spent_us : 1;
    }
    return search;
}

void ngi_recall_explain(ngi_recall_job *job, const char *name, uint64_t candidates,
                        uint64_t nanoseconds, const char *format, ...)
{
    va_list values;
    if (!job->options->explain || job->note_count == NGI_RECALL_STEPS_MAX)
        return;
    ngi_recall_note *note = &job->notes[job->note_count++];
    *note = (ngi_recall_note){.name = name,
                              .candidates = candidates,
                              .microseconds = nanoseconds / 1000};
    va_start(values, format);
    vsnprintf(note->text, sizeof note->text, format, values);
    va_end(values);
}

static void recall_release(ngi_recall_job *job)
{
    ngi_store_recall_close(job->probe);
    ngi_graph_reach_release(job->mem, &job->reach);
    ngi_keys_release(job->mem, &job->seen);
    ngi_query_release(&job->query);
    ngi_free(job->mem, job->sum, job->dimensions * sizeof *job->sum);
    ngi_free(job->mem, job->left_out, job->left_out_capacity * sizeof *job->left_out);
    ngi_free(job->mem, job->best, job->best_capacity * sizeof *job->best);
    ngi_free(job->mem, job, sizeof *job);
}

static ng_status recall_once(const ng_store *store, const ng_recall_options *options,
                             uint64_t begin_ns, ng_recall_result **out)
{
    void *block;
    ng_status status = ngi_alloc(ngi_store_mem(store), sizeof(ngi_recall_job), "recall", &block);
    if (status != NG_OK)
        return status;
    ngi_recall_job *job = block;
    memset(job, 0, sizeof *job);
    job->store = store;
    job->mem = ngi_store_mem(store);
    job->os = ngi_store_os(store);
    job->options = options;
    job->begin_ns = begin_ns;
    NGI_TRY(ngi_recall_ask(job));
    NGI_TRY(ngi_recall_check(job));
    NGI_TRY(ngi_recall_rank(job));
    NGI_TRY(ngi_recall_result_create(job, out));
out:
    recall_release(job);
    return status;
}

/* Directions and cosines come from several calls of the store: an answer counts only if all stood on
 * the same projection. */
ng_status ngi_mind_recall(const ng_store *store, const ng_recall_options *options,
                          ng_recall_result **out)
{
    ngi_os *os = ngi_store_os(store);
    uint64_t begin_ns = os->monotonic_ns(os);
    for (int i = 0; i < RECALL_ATTEMPTS; i++) {
        uint64_t version = ngi_store_projection_version(store);
        ng_status status = recall_once(store, options, begin_ns, out);
        if (ngi_store_projection_version(store) == version)
            return status;
        if (status != NG_OK) /* perhaps because the vectors have been exchanged for others */
            continue;
        ngi_mind_recall_result_destroy(*out);
        *out = NULL;
    }
    return ngi_fail(NG_E_CANCELLED, "the projection changed during every attempt");
}
