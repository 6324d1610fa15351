/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Anchoring from end to end: options, which anchors the store knows, a regression from them for each
 * modality, coordinates, and the way back.
 *
 * What is computed depends on the vectors and the anchors alone, never on the coordinates there are,
 * and only what differs is written. So a second run writes nothing, and one that was interrupted
 * is completed by the same run. */
#include "mind/mind_private.h"

#include "base/base_limits.h"
#include "mind/mind_anchor_list.h"
#include "mind/mind_axes.h"
#include "mind/mind_ridge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ANCHOR_PAGE 1024
#define ANCHOR_ALL ((1u << NG_MODALITY_COUNT) - 1)

typedef struct anchor_target {
    ng_token_id id;
    double at[NG_AXIS_COUNT]; /* before the unit */
} anchor_target;

/* A modality and its space in one run. */
typedef struct anchor_space {
    ng_modality modality;
    const ng_modality_info *info;
    ng_anchor_result *result;
    anchor_target *targets; /* [capacity], ids ascending; count 0 = the space is left alone */
    size_t capacity, count;
    size_t next;      /* first target whose id has not been passed */
    ngi_ridge *ridge; /* NULL = no regression */
    ngi_axis axes[NG_AXIS_COUNT];
} anchor_space;

typedef struct anchor_job {
    ngi_load load;
    ng_anchor_options options; /* defaults filled in */
    ng_anchor_report report;
    ng_info info;
    ngi_anchors anchors;
    anchor_space spaces[NG_MODALITY_COUNT];
    size_t space_count; /* of those selected */
    float *vector;      /* [dimensions] */
    ngi_places places;
    uint64_t done; /* words looked at, of both phases */
} anchor_job;

static void anchor_release(anchor_job *job)
{
    ngi_mem *mem = job->load.mem;
    for (size_t i = 0; i < job->space_count; i++) {
        anchor_space *space = &job->spaces[i];
        ngi_free(mem, space->targets, space->capacity * sizeof *space->targets);
        ngi_ridge_destroy(space->ridge);
    }
    ngi_anchors_release(mem, &job->anchors);
    ngi_free(mem, job->vector, job->info.dimensions * sizeof *job->vector);
    ngi_places_release(&job->places);
}

/* --- options --------------------------------------------------------------------------------- */

static ng_status anchor_check(const ng_anchor_options *options)
{
    double lambda = options->lambda;
    if ((options->modalities & ~ANCHOR_ALL) != 0)
        return ngi_fail(NG_E_INVALID, "modalities %u is outside 0..%u", options->modalities,
                        ANCHOR_ALL);
    if ((unsigned)options->fill > NG_ANCHOR_FILL_ALWAYS)
        return ngi_fail(NG_E_INVALID, "fill %d is outside 0..%d", (int)options->fill,
                        NG_ANCHOR_FILL_ALWAYS);
    if (lambda != 0 && !(lambda >= NGI_ANCHOR_LAMBDA_MIN && lambda <= NGI_ANCHOR_LAMBDA_MAX))
        return ngi_fail(NG_E_INVALID, "lambda %g is outside %g..%g", lambda, NGI_ANCHOR_LAMBDA_MIN,
                        NGI_ANCHOR_LAMBDA_MAX);
    if (options->path != NULL && *options->path == 0)
        return ngi_fail(NG_E_INVALID, "path is empty");
    if (options->only_file && options->path == NULL)
        return ngi_fail(NG_E_INVALID, "only_file needs path");
    return NG_OK;
}

static ng_status anchor_options(anchor_job *job, const ng_anchor_options *options)
{
    ngi_load *load = &job->load;
    if (options != NULL)
        job->options = *options;
    ng_status status = anchor_check(&job->options);
    if (status != NG_OK)
        return status;
    if (job->options.modalities == 0)
        job->options.modalities = ANCHOR_ALL;
    if (job->options.collection == 0 && !job->options.by_collection)
        job->options.collection = NG_COLLECTION_SEMANTIC;
    load->options.collection = job->options.collection;
    load->task.progress = job->options.progress;
    load->task.progress_context = job->options.progress_context;
    for (int m = 0; m < NG_MODALITY_COUNT; m++) {
        ng_anchor_result *result = &job->report.modalities[m];
        if ((job->options.modalities >> m & 1) == 0)
            continue;
        result->selected = true;
        job->spaces[job->space_count++] = (anchor_space){.modality = (ng_modality)m,
                                                         .info = ngi_modality((ng_modality)m),
                                                         .result = result};
    }
    return ngi_store_collection_get(load->store, job->options.collection, NULL, NULL);
}

static ng_status anchor_begin(anchor_job *job, const ng_anchor_options *options)
{
    ng_status status = anchor_options(job, options);
    if (status == NG_OK)
        status = ngi_store_info(job->load.store, &job->info);
    if (status == NG_OK && job->info.component_count == 0)
        return ngi_fail(NG_E_NOT_FOUND, "the store has no projection: no words were loaded");
    return status;
}

/* --- which anchors there are ----------------------------------------------------------------- */

/* The largest power of ten that every axis of the space can store, so that values stay readable. */
static void anchor_scale(const anchor_job *job, anchor_space *space)
{
    double reach = HUGE_VAL, unit = 1;
    for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++) {
        ngi_axis_init(&space->axes[axis], job->info.scales[space->info->space][axis],
                      job->info.origins[space->info->space][axis], 0);
        if (space->axes[axis].reach < reach)
            reach = space->axes[axis].reach;
    }
    while (unit * 10 <= reach)
        unit *= 10;
    while (unit > reach)
        unit /= 10;
    for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++)
        space->axes[axis].factor = unit;
    space->result->unit = unit;
}

static anchor_space *anchor_space_of(anchor_job *job, ng_modality modality)
{
    for (size_t i = 0; i < job->space_count; i++)
        if (job->spaces[i].modality == modality)
            return &job->spaces[i];
    return NULL;
}

static ng_status anchor_look_up(anchor_job *job, const ngi_anchor *anchor, anchor_space *space)
{
    ng_store *store = job->load.store;
    ng_token_info info;
    ng_token_id id;
    size_t bytes;
    const char *word = ngi_strings_get(&job->anchors.words, anchor->word, &bytes);
    ng_status status = ngi_store_token_find(store, job->options.collection, word, bytes, &id);
    if (status == NG_OK)
        status = ngi_store_token_get(store, id, &info);
    if (status == NG_E_NOT_FOUND)
        return NG_OK;
    if (status != NG_OK || !info.has_vector)
        return status;
    anchor_target *target = &space->targets[space->count++];
    target->id = id;
    for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++)
        target->at[axis] = ngi_anchor_axis(space->modality, anchor->values, axis);
    return NG_OK;
}

static int anchor_compare(const void *a, const void *b)
{
    const anchor_target *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static ng_status anchor_count(anchor_job *job)
{
    for (size_t i = 0; i < job->anchors.count; i++) {
        anchor_space *space = anchor_space_of(job, job->anchors.list[i].modality);
        if (space != NULL)
            space->result->word_count++;
    }
    for (size_t i = 0; i < job->space_count; i++) {
        anchor_space *space = &job->spaces[i];
        size_t count = (size_t)space->result->word_count;
        void *block;
        anchor_scale(job, space);
        if (count == 0)
            continue;
        ng_status status =
            ngi_alloc(job->load.mem, count * sizeof *space->targets, "anchors", &block);
        if (status != NG_OK)
            return status;
        space->targets = block;
        space->capacity = count;
    }
    return NG_OK;
}

static ng_status anchor_none(const anchor_job *job)
{
    uint64_t words = 0, found = 0;
    for (size_t i = 0; i < job->space_count; i++) {
        words += job->spaces[i].result->word_count;
        found += job->spaces[i].count;
    }
    if (found > 0)
        return NG_OK;
    return ngi_fail(NG_E_NOT_FOUND, "none of %llu anchors is a word with a vector in collection %u",
                    (unsigned long long)words, job->options.collection);
}

static ng_status anchor_find(anchor_job *job)
{
    ngi_load *load = &job->load;
    ng_status status = NG_OK;
    if (!job->options.only_file)
        status = ngi_anchors_add_built_in(load->mem, &job->anchors);
    if (status == NG_OK && job->options.path != NULL)
        status = ngi_anchors_read(load->mem, load->os, job->options.path, &job->anchors);
    if (status == NG_OK)
        status = ngi_task_begin(&load->task, "anchors", job->anchors.count);
    if (status == NG_OK)
        status = anchor_count(job);
    for (size_t i = 0; i < job->anchors.count && status == NG_OK; i++) {
        anchor_space *space = anchor_space_of(job, job->anchors.list[i].modality);
        if (space != NULL)
            status = anchor_look_up(job, &job->anchors.list[i], space);
        job->done = i + 1;
        if (status == NG_OK)
            status = ngi_task_progress(&load->task, job->done, job->anchors.count, job->done);
    }
    for (size_t i = 0; i < job->space_count && status == NG_OK; i++) {
        anchor_space *space = &job->spaces[i];
        space->result->found_count = space->count;
        if (space->count > 0)
            qsort(space->targets, space->count, sizeof *space->targets, anchor_compare);
    }
    return status != NG_OK ? status : anchor_none(job);
}

/* --- regression ------------------------------------------------------------------------------ */

static ng_status anchor_step(void *context)
{
    anchor_job *job = context;
    return ngi_task_progress(&job->load.task, job->done, job->done, job->done);
}

/* The vectors and targets of the anchors, in the order of their ids. */
static ng_status anchor_rows(const anchor_job *job, const anchor_space *space, float *rows,
                             double *targets)
{
    size_t d = job->info.dimensions;
    for (size_t i = 0; i < space->count; i++) {
        size_t count = 0;
        ng_status status =
            ngi_store_token_vector(job->load.store, space->targets[i].id, rows + i * d, d, &count);
        if (status == NG_OK && count != d)
            status = ngi_fail(NG_E_NOT_FOUND, "token %llu lost its vector meanwhile; anchor again",
                              (unsigned long long)space->targets[i].id);
        if (status != NG_OK)
            return status;
        memcpy(targets + i * NG_AXIS_COUNT, space->targets[i].at, sizeof space->targets[i].at);
    }
    return NG_OK;
}

/* Whether the words held out say that a prediction is worth something, on every axis. */
static void anchor_judge(const anchor_job *job, anchor_space *space)
{
    const ngi_ridge_error *errors = ngi_ridge_errors(space->ridge);
    ng_anchor_result *result = space->result;
    bool is_useful = true;
    for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++) {
        result->axes[axis].rmse = errors[axis].rmse;
        result->axes[axis].rmse_of_mean = errors[axis].rmse_of_mean;
        result->axes[axis].r2 = errors[axis].r2;
        is_useful = is_useful && errors[axis].r2 >= NGI_ANCHOR_R2_MIN;
    }
    result->has_errors = true;
    result->lambda = ngi_ridge_lambda(space->ridge);
    result->filled = job->options.fill == NG_ANCHOR_FILL_ALWAYS ||
                     (job->options.fill == NG_ANCHOR_FILL_AUTO && is_useful);
}

static ng_status anchor_fit(anchor_job *job, anchor_space *space)
{
    ngi_mem *mem = job->load.mem;
    size_t d = job->info.dimensions, n = space->count;
    float *rows = NULL;
    double *targets = NULL;
    ng_status status = NG_OK;
    void *block;
    if (n < NGI_ANCHOR_FIT_MIN && n > 0 && job->options.fill == NG_ANCHOR_FILL_ALWAYS)
        return ngi_fail(NG_E_INVALID, "fill: %zu anchors of %s were found, a regression needs %u",
                        n, space->info->name, NGI_ANCHOR_FIT_MIN);
    if (n < NGI_ANCHOR_FIT_MIN)
        return NG_OK;
    NGI_TRY(ngi_alloc(mem, n * d * sizeof *rows, "vectors of anchors", &block));
    rows = block;
    NGI_TRY(ngi_alloc(mem, n * NG_AXIS_COUNT * sizeof *targets, "anchors", &block));
    targets = block;
    NGI_TRY(anchor_rows(job, space, rows, targets));
    const ngi_ridge_input input = {.rows = rows,
                                   .targets = targets,
                                   .count = n,
                                   .dimensions = d,
                                   .lambda = job->options.lambda,
                                   .step = anchor_step,
                                   .context = job};
    NGI_TRY(ngi_ridge_create(mem, &input, &space->ridge));
    anchor_judge(job, space);
out:
    ngi_free(mem, rows, n * d * sizeof *rows);
    ngi_free(mem, targets, n * NG_AXIS_COUNT * sizeof *targets);
    return status;
}

static ng_status anchor_fit_all(anchor_job *job)
{
    ngi_load *load = &job->load;
    uint64_t begin_ns = load->os->monotonic_ns(load->os);
    ng_status status = NG_OK;
    for (size_t i = 0; i < job->space_count && status == NG_OK; i++)
        status = anchor_fit(job, &job->spaces[i]);
    job->report.regression_seconds = ngi_task_seconds(&load->task, begin_ns);
    return status != NG_OK ? status
                           : ngi_task_end(&load->task, job->anchors.count, job->anchors.count);
}

/* --- coordinates ----------------------------------------------------------------------------- */

static double anchor_predict(const anchor_job *job, anchor_space *space, unsigned axis)
{
    double value = ngi_ridge_predict(space->ridge, job->vector, axis);
    double low = (double)space->info->low, high = (double)space->info->high;
    if (value >= low && value <= high)
        return value;
    space->result->axes[axis].clipped_count++;
    return value > high ? high : low; /* also what overflowed to no number */
}

/* Whether a word that is no anchor gets a prediction, its vector being at hand. */
static bool anchor_is_predicted(const anchor_job *job, anchor_space *space)
{
    ng_anchor_result *result = space->result;
    if (!result->filled ||
        (job->options.max_words != 0 && job->report.words > job->options.max_words))
        return false;
    bool is_reliable = ngi_ridge_is_reliable(space->ridge, job->vector);
    bool is_predicted = is_reliable || job->options.fill == NG_ANCHOR_FILL_ALWAYS;
    result->unreliable_count += !is_reliable;
    result->predicted_count += is_predicted;
    return is_predicted;
}

static const anchor_target *anchor_target_of(anchor_space *space, ng_token_id id)
{
    while (space->next < space->count && space->targets[space->next].id < id)
        space->next++;
    bool is_anchor = space->next < space->count && space->targets[space->next].id == id;
    return is_anchor ? &space->targets[space->next] : NULL;
}

/* Says in `fields` where the word stands in the space, its vector being at hand. */
static void anchor_place(const anchor_job *job, anchor_space *space, ng_token_id id,
                         ng_token_fields *fields)
{
    ng_space at = space->info->space;
    const anchor_target *target = anchor_target_of(space, id);
    uint64_t ignored = 0;
    if (target == NULL && !anchor_is_predicted(job, space)) {
        fields->spaces_clear |= (uint8_t)(1u << at);
        return;
    }
    fields->spaces_set |= (uint8_t)(1u << at);
    for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++) {
        double value = target != NULL ? target->at[axis] : anchor_predict(job, space, axis);
        fields->coordinates[at][axis] = ngi_axis_value(&space->axes[axis], (float)value, &ignored);
    }
}

static ng_status anchor_word(anchor_job *job, ng_token_id id)
{
    ng_token_fields fields = {.struct_size = sizeof fields};
    ng_token_info info;
    size_t count = 0;
    ng_status status = ngi_store_token_get(job->load.store, id, &info);
    if (status == NG_OK && info.has_vector)
        status =
            ngi_store_token_vector(job->load.store, id, job->vector, job->info.dimensions, &count);
    if (status == NG_E_NOT_FOUND)
        return NG_OK; /* deleted since it was listed */
    if (status != NG_OK || count != job->info.dimensions)
        return status;
    job->report.words++;
    for (size_t i = 0; i < job->space_count; i++)
        if (job->spaces[i].count > 0)
            anchor_place(job, &job->spaces[i], id, &fields);
    return ngi_places_add(&job->places, id, &info.record, &fields);
}

static ng_status anchor_write(anchor_job *job)
{
    ngi_load *load = &job->load;
    ng_token_id page[ANCHOR_PAGE], after = 0;
    size_t listed = ANCHOR_PAGE;
    uint64_t total = 0, done = 0;
    void *block;
    ng_status status;
    NGI_TRY(ngi_store_collection_get(load->store, job->options.collection, NULL, &total));
    NGI_TRY(ngi_task_begin(&load->task, "coordinates", total));
    NGI_TRY(ngi_places_init(&job->places, load));
    NGI_TRY(ngi_alloc(load->mem, job->info.dimensions * sizeof(float), "vector", &block));
    job->vector = block;
    while (listed == ANCHOR_PAGE) {
        NGI_TRY(ngi_store_token_list(load->store, job->options.collection, after, page, ANCHOR_PAGE,
                                     &listed));
        for (size_t i = 0; i < listed; i++)
            NGI_TRY(anchor_word(job, page[i]));
        after = listed > 0 ? page[listed - 1] : after;
        done = done + listed < total ? done + listed : total;
        NGI_TRY(ngi_task_progress(&load->task, done, total, done));
    }
    NGI_TRY(ngi_places_flush(&job->places));
    NGI_TRY(ngi_task_end(&load->task, total, total));
out:
    return status;
}

/* --- both ways ------------------------------------------------------------------------------- */

static void anchor_job_init(anchor_job *job, ng_store *store, const char *what)
{
    ngi_os *os = ngi_store_os(store);
    *job = (anchor_job){.load = {.store = store,
                                 .mem = ngi_store_mem(store),
                                 .os = os,
                                 .task = {.store = store, .os = os, .what = what}}};
}

static ng_status anchor_finish(anchor_job *job, ng_status status, uint64_t begin_ns,
                               ng_anchor_report *out)
{
    status = ngi_task_finish(&job->load.task, status);
    job->report.total_seconds = ngi_task_seconds(&job->load.task, begin_ns);
    if (out != NULL)
        *out = job->report;
    anchor_release(job);
    return status;
}

ng_status ngi_mind_anchor(ng_store *store, const ng_anchor_options *options, ng_anchor_report *out)
{
    anchor_job job;
    anchor_job_init(&job, store, "anchoring");
    uint64_t begin_ns = job.load.os->monotonic_ns(job.load.os);
    ng_status status = anchor_begin(&job, options);
    if (status == NG_OK)
        status = anchor_find(&job);
    if (status == NG_OK)
        status = anchor_fit_all(&job);
    if (status == NG_OK)
        status = anchor_write(&job);
    job.report.words_changed = job.places.changed_count;
    return anchor_finish(&job, status, begin_ns, out);
}

static ng_status anchor_check_remove(const ng_anchor_options *options)
{
    if (options == NULL)
        return NG_OK;
    if (options->path != NULL || options->only_file || options->fill != NG_ANCHOR_FILL_AUTO ||
        options->lambda != 0 || options->max_words != 0)
        return ngi_fail(NG_E_INVALID, "path, only_file, fill, lambda and max_words must be 0: "
                                      "they say how to anchor, not where to undo it");
    return NG_OK;
}

ng_status ngi_mind_anchor_remove(ng_store *store, const ng_anchor_options *options,
                                 ng_anchor_report *out)
{
    anchor_job job;
    anchor_job_init(&job, store, "undoing anchors");
    uint64_t begin_ns = job.load.os->monotonic_ns(job.load.os);
    unsigned spaces = 0;
    ng_status status = anchor_check_remove(options);
    if (status == NG_OK)
        status = anchor_begin(&job, options);
    for (size_t i = 0; i < job.space_count; i++)
        spaces |= 1u << job.spaces[i].info->space;
    if (status == NG_OK)
        status = ngi_load_restore(&job.load, (uint8_t)spaces, &job.report.words,
                                  &job.report.words_changed);
    return anchor_finish(&job, status, begin_ns, out);
}
