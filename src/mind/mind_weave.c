/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Weaving from end to end: the k nearest words of each word become connections, and what was woven
 * before and does not hold any more goes.
 *
 * What has to be written is read from the state of the store, word by word, never remembered: so a run
 * that was interrupted anywhere is completed by the same run, and a complete one writes nothing. */
#include "mind/mind_weave.h"

#include "model/model_types.h"

#include <math.h>
#include <string.h>

#define WEAVE_NEIGHBORS_DEFAULT 10u
#define WEAVE_SIMILARITY_DEFAULT 0.5 /* two words at random: one pair in ten thousand */
#define WEAVE_EFFORT_DEFAULT 512u    /* finds .99 of what is as near as that */
#define WEAVE_EXACT_VECTORS 65536u   /* so many are passed over as fast as a graph is walked */

/* --- options ---------------------------------------------------------------------------------- */

static ng_status weave_check(const ng_weave_options *options)
{
    if (options->neighbors > NGI_WEAVE_NEIGHBORS_MAX)
        return ngi_fail(NG_E_INVALID, "neighbors %u is outside 1..%d", options->neighbors,
                        NGI_WEAVE_NEIGHBORS_MAX);
    if (options->by_min_similarity &&
        !(options->min_similarity >= -1 && options->min_similarity <= 1))
        return ngi_fail(NG_E_INVALID, "min_similarity %g is outside -1..1",
                        options->min_similarity);
    if (!options->by_min_similarity && options->min_similarity != 0)
        return ngi_fail(NG_E_INVALID, "min_similarity %g is given without by_min_similarity",
                        options->min_similarity);
    if (options->remove_components < NG_PLAIN_COSINE ||
        options->remove_components > NGI_COMPONENTS_MAX)
        return ngi_fail(NG_E_INVALID, "remove_components %d is outside %d..%d",
                        options->remove_components, NG_PLAIN_COSINE, NGI_COMPONENTS_MAX);
    if (options->effort > NG_VECTOR_EFFORT_MAX)
        return ngi_fail(NG_E_INVALID, "effort %u is outside 0..%u", options->effort,
                        NG_VECTOR_EFFORT_MAX);
    if (options->exact && options->effort > 0)
        return ngi_fail(NG_E_INVALID, "effort %u is for searches that are not exact",
                        options->effort);
    return NG_OK;
}

static ng_status weave_check_undo(const ng_weave_options *options)
{
    if (options->neighbors != 0 || options->by_min_similarity || options->min_similarity != 0 ||
        options->remove_components != 0 || options->exact || options->effort != 0 ||
        options->max_words != 0)
        return ngi_fail(NG_E_INVALID, "only collection and progress are options of unweaving");
    return NG_OK;
}

static void weave_init(ngi_weave *weave, ng_store *store, const ng_weave_options *options,
                       const char *what)
{
    memset(weave, 0, sizeof *weave);
    weave->store = store;
    weave->mem = ngi_store_mem(store);
    if (options != NULL)
        weave->options = *options;
    if (weave->options.collection == 0 && !weave->options.by_collection)
        weave->options.collection = NG_COLLECTION_SEMANTIC;
    weave->task = (ngi_task){.store = store,
                             .os = ngi_store_os(store),
                             .what = what,
                             .progress = weave->options.progress,
                             .progress_context = weave->options.progress_context};
}

/* Defaults that depend on nothing but the options. */
static void weave_defaults(ng_weave_options *options)
{
    if (options->neighbors == 0)
        options->neighbors = WEAVE_NEIGHBORS_DEFAULT;
    if (!options->by_min_similarity)
        options->min_similarity = WEAVE_SIMILARITY_DEFAULT;
}

/* --- memory ----------------------------------------------------------------------------------- */

static ng_status weave_alloc_removals(ngi_weave *weave)
{
    void *block;
    ng_status status =
        ngi_alloc(weave->mem, sizeof *weave->removals * NGI_BATCH_MAX, "woven connections", &block);
    if (status == NG_OK)
        weave->removals = block;
    return status;
}

static ng_status weave_alloc(ngi_weave *weave)
{
    ng_status status;
    void *block;
    NGI_TRY(weave_alloc_removals(weave));
    NGI_TRY(
        ngi_alloc(weave->mem, sizeof *weave->links * NGI_BATCH_MAX, "woven connections", &block));
    weave->links = block;
    NGI_TRY(ngi_alloc(weave->mem, sizeof *weave->hits * NGI_WEAVE_GROUP * weave->options.neighbors,
                      "nearest words", &block));
    weave->hits = block;
out:
    return status;
}

static void weave_release(ngi_weave *weave)
{
    ngi_mem *mem = weave->mem;
    ngi_free(mem, weave->hits, sizeof *weave->hits * NGI_WEAVE_GROUP * weave->options.neighbors);
    ngi_free(mem, weave->links, sizeof *weave->links * NGI_BATCH_MAX);
    ngi_free(mem, weave->removals, sizeof *weave->removals * NGI_BATCH_MAX);
    ngi_free(mem, weave->edges, sizeof *weave->edges * weave->edge_capacity);
    ngi_free(mem, weave->records, sizeof *weave->records * weave->edge_capacity);
}

/* --- weaving ---------------------------------------------------------------------------------- */

/* The vectors there are, and the graph that an approximate search of them needs. */
static ng_status weave_prepare(ngi_weave *weave)
{
    ng_weave_options *options = &weave->options;
    ng_info info;
    bool serves;
    ng_status status = ngi_store_info(weave->store, &info);
    if (status == NG_OK)
        status = ngi_store_graph_serves(weave->store, options->remove_components, &serves);
    if (status != NG_OK)
        return status;
    weave->dimensions = info.vector_count > 0 ? info.dimensions : 0;
    if (options->effort == 0 && !options->exact && info.vector_count > WEAVE_EXACT_VECTORS)
        options->effort = WEAVE_EFFORT_DEFAULT;
    weave->report.effort = options->effort;
    if (options->effort > 0 && weave->dimensions > 0 && !serves) {
        const ng_vector_graph_options graph = {.struct_size = sizeof graph,
                                               .remove_components = options->remove_components};
        uint64_t begin_ns = weave->task.os->monotonic_ns(weave->task.os);
        status = ngi_store_vector_graph_build(weave->store, &graph, options->progress,
                                              options->progress_context);
        weave->report.graph_seconds = ngi_task_seconds(&weave->task, begin_ns);
    }
    weave->version = ngi_store_projection_version(weave->store);
    return status;
}

static ng_status weave_group(ngi_weave *weave)
{
    ng_status status = ngi_weave_search(weave);
    for (size_t i = 0; i < weave->count && status == NG_OK; i++)
        status = ngi_weave_compare(weave, i);
    return status;
}

static uint64_t weave_items(const ng_weave_report *report)
{
    return report->connections_created + report->connections_changed +
           report->connections_unchanged;
}

static ng_status weave_words(ngi_weave *weave)
{
    const ng_weave_options *options = &weave->options;
    uint64_t total, done = 0;
    ng_token_id after = 0;
    ng_status status = ngi_store_collection_get(weave->store, options->collection, NULL, &total);
    if (status == NG_OK && options->max_words != 0 && options->max_words < total)
        total = options->max_words;
    if (status == NG_OK)
        status = ngi_task_begin(&weave->task, "weaving", total);
    while (status == NG_OK && (options->max_words == 0 || done < options->max_words)) {
        uint64_t left = options->max_words == 0 ? NGI_WEAVE_GROUP : options->max_words - done;
        status = ngi_store_token_list(weave->store, options->collection, after, weave->ids,
                                      left < NGI_WEAVE_GROUP ? (size_t)left : NGI_WEAVE_GROUP,
                                      &weave->count);
        if (status != NG_OK || weave->count == 0)
            break;
        status = weave_group(weave);
        done += weave->count;
        after = weave->ids[weave->count - 1];
        total = total < done ? done : total;
        if (status == NG_OK)
            status = ngi_task_progress(&weave->task, done, total, weave_items(&weave->report));
    }
    if (status == NG_OK || status == NG_E_CANCELLED) /* what is known is not thrown away */
        NGI_KEEP_FIRST(status, ngi_weave_flush(weave));
    if (status == NG_OK)
        status = ngi_task_end(&weave->task, done, weave_items(&weave->report));
    return status;
}

static ng_status weave_run(ngi_weave *weave)
{
    ng_status status;
    NGI_TRY(weave_check(&weave->options));
    weave_defaults(&weave->options);
    NGI_TRY(ngi_store_collection_get(weave->store, weave->options.collection, NULL, NULL));
    NGI_TRY(weave_alloc(weave));
    NGI_TRY(weave_prepare(weave));
    NGI_TRY(weave_words(weave));
out:
    return status;
}

/* --- unweaving -------------------------------------------------------------------------------- */

/* Woven ones among the connections of a page are removed. */
static ng_status unweave_page(ngi_weave *weave, const ng_connection_id *ids,
                              const ng_connection *records, size_t count)
{
    ng_status status = NG_OK;
    for (size_t i = 0; i < count && status == NG_OK; i++)
        if (ngi_weave_is_woven(&records[i]))
            status = ngi_weave_remove(weave, ids[i]);
    return status;
}

static ng_status unweave_pages(ngi_weave *weave, const ng_connection_filter *filter,
                               ng_connection_id *ids, ng_connection *records, uint64_t total)
{
    ng_connection_list_options page = {.struct_size = sizeof page, .filter = filter};
    uint64_t done = 0;
    ng_status status = ngi_task_begin(&weave->task, "unweaving", total);
    size_t count = NGI_BATCH_MAX;
    while (status == NG_OK && count == NGI_BATCH_MAX) {
        status =
            ngi_store_connection_list(weave->store, &page, ids, records, NGI_BATCH_MAX, &count);
        if (status == NG_OK)
            status = unweave_page(weave, ids, records, count);
        if (status != NG_OK || count == 0)
            break;
        page.after = ids[count - 1];
        done += count;
        status = ngi_task_progress(&weave->task, done, total > done ? total : done,
                                   weave->report.connections_removed);
    }
    if (status == NG_OK || status == NG_E_CANCELLED)
        NGI_KEEP_FIRST(status, ngi_weave_flush(weave));
    if (status == NG_OK)
        status = ngi_task_end(&weave->task, done, weave->report.connections_removed);
    return status;
}

static ng_status unweave_run(ngi_weave *weave)
{
    const ng_connection_filter filter = {.struct_size = sizeof filter,
                                         .types.bits[NGI_TYPE_SIMILAR_TO >> 6] =
                                             UINT64_C(1) << (NGI_TYPE_SIMILAR_TO & 63),
                                         .by_source = true,
                                         .source_collection = weave->options.collection};
    const size_t bytes = (sizeof(ng_connection_id) + sizeof(ng_connection)) * NGI_BATCH_MAX;
    ng_connection_counts counts;
    void *block = NULL;
    ng_status status;
    NGI_TRY(weave_check_undo(&weave->options));
    NGI_TRY(ngi_store_connection_count(weave->store, &filter, &counts));
    NGI_TRY(weave_alloc_removals(weave));
    NGI_TRY(ngi_alloc(weave->mem, bytes, "page of connections", &block));
    ng_connection *records = block;
    NGI_TRY(unweave_pages(weave, &filter, (ng_connection_id *)(records + NGI_BATCH_MAX), records,
                          counts.total));
out:
    ngi_free(weave->mem, block, bytes);
    return status;
}

/* --- the calls -------------------------------------------------------------------------------- */

static ng_status weave_call(ng_store *store, const ng_weave_options *options, const char *what,
                            ng_status (*run)(ngi_weave *weave), ng_weave_report *out)
{
    void *block;
    ng_weave_report report = {0};
    ngi_mem *mem = ngi_store_mem(store);
    ng_status status = ngi_alloc(mem, sizeof(ngi_weave), "weaving", &block);
    if (status == NG_OK) {
        ngi_weave *weave = block;
        weave_init(weave, store, options, what);
        uint64_t begin_ns = weave->task.os->monotonic_ns(weave->task.os);
        status = ngi_task_finish(&weave->task, run(weave));
        weave_release(weave);
        report = weave->report;
        report.total_seconds = ngi_task_seconds(&weave->task, begin_ns);
        ngi_free(mem, weave, sizeof *weave);
    }
    if (out != NULL)
        *out = report;
    return status;
}

ng_status ngi_mind_weave(ng_store *store, const ng_weave_options *options, ng_weave_report *out)
{
    return weave_call(store, options, "weaving", weave_run, out);
}

ng_status ngi_mind_unweave(ng_store *store, const ng_weave_options *options, ng_weave_report *out)
{
    return weave_call(store, options, "unweaving", unweave_run, out);
}
