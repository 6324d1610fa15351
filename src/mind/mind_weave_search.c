/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The nearest words of a group of words, searched for by several threads.
 *
 * A word is a whole search of the store, so the threads share nothing but the number of the next word.
 * What is found does not depend on how many there are. */
#include "mind/mind_weave.h"

#include "os/os_thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define WEAVE_THREADS_MAX 64u
#define WEAVE_ROWS_PER_THREAD 4096u /* vectors: below, starting a thread costs more than it helps */
#define WEAVE_MESSAGE_MAX 512

typedef struct weave_worker {
    ngi_weave *weave;
    atomic_size_t *next; /* word of the group that nobody has begun */
    ng_status status;
    char message[WEAVE_MESSAGE_MAX]; /* errors belong to a thread: this takes them along */
    ngi_thread thread;
} weave_worker;

/* The nearest words of one; none if it has no direction, or is gone. */
static ng_status weave_word(ngi_weave *weave, double *query, size_t word)
{
    const ng_weave_options *options = &weave->options;
    const ng_filter filter = {.struct_size = sizeof filter,
                              .collection = options->collection,
                              .by_collection = true};
    const ng_vector_options search = {.struct_size = sizeof search,
                                      .remove_components = options->remove_components,
                                      .filter = &filter,
                                      .exclude = &weave->ids[word],
                                      .exclude_count = 1,
                                      .effort = options->effort};
    ng_score *hits = weave->hits + word * options->neighbors;
    size_t count = 0;
    memset(query, 0, weave->dimensions * sizeof *query);
    ng_status status =
        ngi_store_vector_accumulate(weave->store, weave->ids[word], 1.0, options->remove_components,
                                    query, weave->dimensions);
    weave->has_direction[word] = status == NG_OK;
    if (status == NG_OK)
        status = ngi_store_vector_nearest_prepared(weave->store, query, weave->dimensions, &search,
                                                   hits, options->neighbors, &count, NULL);
    if (status != NG_OK)
        return status == NG_E_ABSENT || status == NG_E_NOT_FOUND ? NG_OK : status;
    while (count > 0 && hits[count - 1].score < options->min_similarity)
        count--;
    weave->hit_counts[word] = (uint32_t)count;
    return NG_OK;
}

static ng_status weave_words(weave_worker *worker)
{
    ngi_weave *weave = worker->weave;
    void *query;
    ng_status status =
        ngi_alloc(weave->mem, weave->dimensions * sizeof(double), "direction of a word", &query);
    if (status != NG_OK)
        return status;
    for (;;) {
        size_t word = atomic_fetch_add(worker->next, 1);
        if (word >= weave->count || status != NG_OK)
            break;
        status = weave_word(weave, query, word);
    }
    ngi_free(weave->mem, query, weave->dimensions * sizeof(double));
    return status;
}

static void *weave_run(void *context)
{
    weave_worker *worker = context;
    worker->status = weave_words(worker);
    if (worker->status != NG_OK)
        snprintf(worker->message, sizeof worker->message, "%s", ngi_last_error());
    return NULL;
}

static size_t weave_thread_count(const ngi_weave *weave)
{
    ng_info info;
    if (ngi_store_info(weave->store, &info) != NG_OK)
        return 1;
    uint64_t most = 1 + info.vector_count / WEAVE_ROWS_PER_THREAD;
    unsigned allowed = ngi_store_thread_count(weave->store);
    most = most < allowed ? most : allowed;
    return most < WEAVE_THREADS_MAX ? (size_t)most : WEAVE_THREADS_MAX;
}

ng_status ngi_weave_search(ngi_weave *weave)
{
    weave_worker workers[WEAVE_THREADS_MAX];
    atomic_size_t next = 0;
    size_t count = weave_thread_count(weave), started = 1;
    ng_status status = NG_OK;
    memset(weave->hit_counts, 0, sizeof weave->hit_counts);
    memset(weave->has_direction, 0, sizeof weave->has_direction);
    if (weave->dimensions == 0)
        return NG_OK;
    workers[0] = (weave_worker){.weave = weave, .next = &next};
    for (size_t i = 1; i < count; i++)
        workers[i] = (weave_worker){.weave = weave, .next = &next};
    while (started < count &&
           ngi_thread_start(&workers[started].thread, weave_run, &workers[started]) == NG_OK)
        started++;
    weave_run(&workers[0]);
    for (size_t i = 1; i < started; i++)
        ngi_thread_join(&workers[i].thread);
    for (size_t i = 0; i < started && status == NG_OK; i++) {
        status = workers[i].status;
        if (status != NG_OK)
            ngi_error_set(workers[i].message);
    }
    if (status == NG_OK && ngi_store_projection_version(weave->store) != weave->version)
        status = ngi_fail(NG_E_CANCELLED, "the projection was replaced while words were woven");
    return status;
}
