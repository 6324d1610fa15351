/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A load from end to end: options, format, phases, durability, progress. */
#include "mind/mind_private.h"

#include "base/base_limits.h"
#include "mind/mind_words.h"

#include <stdio.h>
#include <string.h>

#define LOAD_SHOW_NS UINT64_C(200000000) /* "a few times a second" */
#define LOAD_MESSAGE_MAX 1024

double ngi_load_seconds(const ngi_load *load, uint64_t begin_ns)
{
    return (double)(load->os->monotonic_ns(load->os) - begin_ns) * 1e-9;
}

static ng_status load_show(ngi_load *load, uint64_t done, uint64_t total, uint64_t items)
{
    if (load->options.progress == NULL)
        return NG_OK;
    ng_progress progress = {.phase = load->phase,
                            .done = done,
                            .total = total,
                            .items = items,
                            .seconds = ngi_load_seconds(load, load->phase_begin_ns)};
    load->shown_ns = load->os->monotonic_ns(load->os);
    if (!load->options.progress(load->options.progress_context, &progress))
        return ngi_fail(NG_E_CANCELLED, "loading %s was cancelled", load->path);
    return NG_OK;
}

ng_status ngi_load_begin(ngi_load *load, const char *phase, uint64_t total)
{
    load->phase = phase;
    load->phase_begin_ns = load->os->monotonic_ns(load->os);
    return load_show(load, 0, total, 0);
}

ng_status ngi_load_progress(ngi_load *load, uint64_t done, uint64_t total, uint64_t items)
{
    if (load->os->monotonic_ns(load->os) - load->shown_ns < LOAD_SHOW_NS)
        return NG_OK;
    return load_show(load, done, total, items);
}

ng_status ngi_load_end(ngi_load *load, uint64_t total, uint64_t items)
{
    return load_show(load, total, total, items);
}

ng_write_options ngi_load_write(ng_seq *seq)
{
    *seq = 0;
    return (ng_write_options){.struct_size = sizeof(ng_write_options),
                              .flags = NG_WRITE_NOWAIT,
                              .seq = seq};
}

ng_status ngi_load_committed(ngi_load *load, ng_seq seq)
{
    if (seq == 0)
        return NG_OK;
    ng_seq before = load->last_seq;
    load->last_seq = seq;
    return before == 0 ? NG_OK : ngi_store_wait_durable(load->store, before);
}

/* Also what another thread wrote without waiting: a label found there counts as loaded. */
static ng_status load_wait(const ngi_load *load)
{
    ng_seq applied = 0, durable = 0;
    ngi_store_positions(load->store, &applied, &durable);
    return applied <= durable ? NG_OK : ngi_store_wait_durable(load->store, applied);
}

ng_status ngi_load_finish(const ngi_load *load, ng_status status)
{
    char message[LOAD_MESSAGE_MAX];
    if (status == NG_OK)
        return load_wait(load);
    snprintf(message, sizeof message, "%s", ngi_last_error());
    ng_status waited = load_wait(load); /* the batches before the failure are kept */
    (void)waited;
    ngi_error_set(message);
    return status;
}

static ng_status load_stop_listing(void *context, const char *name)
{
    (void)context;
    (void)name;
    return NG_E_CANCELLED; /* one name is enough: it is a directory */
}

static bool load_is_directory(const ngi_load *load)
{
    ng_status status = load->os->list_directory(load->os, load->path, load_stop_listing, NULL);
    return status == NG_OK || status == NG_E_CANCELLED;
}

static ng_status load_detect(ngi_load *load)
{
    if (load->options.format != NG_FORMAT_AUTO) {
        load->report.format = load->options.format;
        return NG_OK;
    }
    if (load_is_directory(load)) {
        load->report.format = NG_FORMAT_WORDNET; /* which names the file that is missing */
        return NG_OK;
    }
    return ngi_words_detect(load->mem, load->os, load->path, &load->report.format);
}

static ng_status load_options(ngi_load *load, const ng_bootstrap_options *options)
{
    if (options != NULL)
        load->options = *options;
    if (load->options.collection == 0 && !load->options.by_collection)
        load->options.collection = NG_COLLECTION_SEMANTIC;
    if (load->options.components == 0)
        load->options.components = NGI_COMPONENTS_MAX;
    if (load->options.components > NGI_COMPONENTS_MAX)
        return ngi_fail(NG_E_INVALID, "components %u is outside 1..%d", load->options.components,
                        NGI_COMPONENTS_MAX);
    if ((unsigned)load->options.format > NG_FORMAT_NPY)
        return ngi_fail(NG_E_INVALID, "format %d is outside 0..%d", (int)load->options.format,
                        NG_FORMAT_NPY);
    if (*load->path == 0)
        return ngi_fail(NG_E_INVALID, "path is empty");
    return ngi_store_collection_get(load->store, load->options.collection, NULL, NULL);
}

static ng_status load_run(ngi_load *load, const ng_bootstrap_options *options)
{
    ng_status status = load_options(load, options);
    if (status == NG_OK)
        status = load_detect(load);
    if (status != NG_OK)
        return status;
    if (load->options.vocabulary != NULL && load->report.format != NG_FORMAT_NPY)
        return ngi_fail(NG_E_INVALID, "vocabulary: %s is no .npy file, its words are in it",
                        load->path);
    if (load->report.format == NG_FORMAT_WORDNET)
        return ngi_load_lexicon(load);
    status = ngi_load_words(load);
    return status != NG_OK ? status : ngi_load_projection(load);
}

ng_status ngi_mind_bootstrap(ng_store *store, const char *path, const ng_bootstrap_options *options,
                             ng_bootstrap_report *out)
{
    ngi_load load = {.store = store,
                     .mem = ngi_store_mem(store),
                     .os = ngi_store_os(store),
                     .path = path};
    uint64_t begin_ns = load.os->monotonic_ns(load.os);

    ng_status status = ngi_load_finish(&load, load_run(&load, options));
    load.report.total_seconds = ngi_load_seconds(&load, begin_ns);
    if (out != NULL)
        *out = load.report;
    return status;
}
