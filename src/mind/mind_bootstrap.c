/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A load from end to end: options, format, phases, durability, progress. */
#include "mind/mind_private.h"

#include "base/base_limits.h"
#include "mind/mind_words.h"

#include <stdio.h>
#include <string.h>

#define LOAD_WHAT_MAX 1024 /* a longer path is cut in a message */

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
    ng_vector_field_info info;
    ng_status status = ngi_store_vector_field_get(load->store, load->options.field, &info);
    return status != NG_OK
               ? status
               : ngi_store_collection_get(load->store, load->options.collection, NULL, NULL);
}

/* Whether no option asks for what only files of vectors have. */
static bool load_is_plain(const ngi_load *load)
{
    return load->options.field == 0 && !load->options.existing_only;
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
    if (load->report.format == NG_FORMAT_WORDNET && !load_is_plain(load))
        return ngi_fail(NG_E_INVALID, "%s: WordNet has no vectors: no field, no existing_only",
                        load->path);
    if (load->report.format == NG_FORMAT_WORDNET)
        return ngi_load_lexicon(load);
    status = ngi_load_words(load);
    return status != NG_OK || load->options.field != 0 ? status : ngi_load_projection(load);
}

ng_status ngi_mind_bootstrap(ng_store *store, const char *path, const ng_bootstrap_options *options,
                             ng_bootstrap_report *out)
{
    ngi_load load = {.store = store,
                     .mem = ngi_store_mem(store),
                     .os = ngi_store_os(store),
                     .path = path};
    char what[LOAD_WHAT_MAX];
    uint64_t begin_ns = load.os->monotonic_ns(load.os);
    snprintf(what, sizeof what, "loading %s", path);
    load.task = (ngi_task){.store = store, .os = load.os, .what = what};
    if (options != NULL) {
        load.task.progress = options->progress;
        load.task.progress_context = options->progress_context;
    }
    ng_status status = ngi_task_finish(&load.task, load_run(&load, options));
    load.report.total_seconds = ngi_task_seconds(&load.task, begin_ns);
    if (out != NULL)
        *out = load.report;
    return status;
}
