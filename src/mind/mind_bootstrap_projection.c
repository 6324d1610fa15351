/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Principal components of the collection's vectors, and coordinates from them.
 *
 * Whether this is needed is read from the state of the store alone: there is no projection, or one
 * with another number of components, or a word with a vector lacks coordinates. It lacks them if it
 * is not in the space of the first component: each write here gives a word all its spaces or takes
 * all, and words may be absent from one of the others because it is anchored.
 *
 * Order of writes. The log keeps a prefix of what was written, so an interruption leaves a state
 * between two writes, and the next load must see that the work is not done:
 *     1. spaces that the old projection filled and the new one does not are left;
 *     2. if no word lacks coordinates, one word leaves its spaces: the mark;
 *     3. the projection;
 *     4. the coordinates of the words that had some;
 *     5. the coordinates of the words that lacked them, the mark included.
 * Up to the last write of step 5 some word lacks coordinates, so the next load starts over. Were
 * the projection written last, words moved by step 4 would stand among others that were not, and
 * after an interruption nothing would tell. Before step 3 the old number of components tells.
 *
 * With an exchange the vectors are those of a named field, and step 3 makes them the default ones by the
 * same op that stores their projection. Words that lose their vector by it leave the spaces of both
 * projections in step 1, so that up to the end some word lacks coordinates here as well. */
#include "mind/mind_private.h"

#include "mind/mind_axes.h"
#include "mind/mind_pca.h"

#include <string.h>

#define PLACE_PAGE 1024 /* tokens listed, and vectors copied, at a time */
#define PLACE_FRACTION 0.999

typedef struct place_word {
    ng_token_id id;
    bool lacks; /* coordinates by the projection */
} place_word;

typedef struct place_job {
    ngi_load *load;
    place_word *words; /* [capacity]: the collection's tokens with a vector, ids ascending */
    size_t capacity, count, lacking_count;
    size_t left_count; /* at the end of `words`: they lose their vector */
    size_t dimensions, components;
    uint8_t spaces;            /* that the components fill */
    uint8_t old_spaces;        /* that those of the stored projection do */
    float *page;               /* [PLACE_PAGE][dimensions] */
    float *projections;        /* [count][components] */
    double *transposed;        /* [dimensions][components] */
    ng_token_fields *fields;   /* [NGI_BATCH_MAX] */
    ng_token_id *batch;        /* [NGI_BATCH_MAX] */
    ngi_projection projection; /* arrays in one block, as ngi_projection_release wants them */
    ngi_axis axes[NG_SPACE_COUNT][NG_AXIS_COUNT];
    ng_info info;
} place_job;

static void place_release(place_job *job)
{
    ngi_mem *mem = job->load->mem;
    ngi_free(mem, job->words, job->capacity * sizeof *job->words);
    ngi_free(mem, job->page, PLACE_PAGE * job->dimensions * sizeof *job->page);
    ngi_free(mem, job->projections, job->count * job->components * sizeof *job->projections);
    ngi_free(mem, job->transposed, job->dimensions * job->components * sizeof *job->transposed);
    ngi_free(mem, job->fields, NGI_BATCH_MAX * sizeof *job->fields);
    ngi_free(mem, job->batch, NGI_BATCH_MAX * sizeof *job->batch);
    ngi_projection_release(mem, &job->projection);
}

/* --- what is there --------------------------------------------------------------------------- */

static bool place_lacks(const ng_token *record)
{
    ng_space space;
    unsigned axis;
    ngi_axes_place(0, &space, &axis);
    return record->coordinates[space][axis] == NG_COORDINATE_ABSENT;
}

static ng_status place_collect_one(place_job *job, ng_token_id id)
{
    ng_token_info info;
    ng_status status = ngi_store_token_get(job->load->store, id, &info);
    if (status == NG_E_NOT_FOUND)
        return NG_OK; /* deleted since it was listed */
    if (status != NG_OK)
        return status;
    const ngi_exchange *exchange = job->load->exchange;
    if (exchange != NULL && info.has_vector &&
        !((unsigned)info.vector_fields >> exchange->field & 1u))
        job->words[job->capacity - ++job->left_count].id = id;
    if (exchange == NULL ? !info.has_vector
                         : !((unsigned)info.vector_fields >> exchange->field & 1u))
        return NG_OK;
    place_word *word = &job->words[job->count++];
    *word = (place_word){.id = id, .lacks = place_lacks(&info.record)};
    job->lacking_count += word->lacks;
    return NG_OK;
}

static bool place_has_room(const place_job *job)
{
    return job->count + job->left_count < job->capacity;
}

/* Tokens that come meanwhile and find no room lack coordinates, so the next load sees them. */
static ng_status place_collect(place_job *job)
{
    ngi_load *load = job->load;
    uint64_t token_count = 0;
    ng_token_id page[PLACE_PAGE], after = 0;
    size_t listed = PLACE_PAGE;
    void *block;

    ng_status status =
        ngi_store_collection_get(load->store, load->options.collection, NULL, &token_count);
    if (status == NG_OK)
        status = ngi_alloc(load->mem, (size_t)token_count * sizeof *job->words, "words to place",
                           &block);
    if (status != NG_OK)
        return status;
    job->words = block;
    job->capacity = (size_t)token_count;
    while (status == NG_OK && listed == PLACE_PAGE) {
        status = ngi_store_token_list(load->store, load->options.collection, after, page,
                                      PLACE_PAGE, &listed);
        for (size_t i = 0; i < listed && status == NG_OK && place_has_room(job); i++) {
            status = place_collect_one(job, page[i]);
            after = page[i];
        }
        if (!place_has_room(job))
            break;
    }
    return status;
}

/* The projection that is stored; component_count 0 if there is none. */
static ng_status place_stored(const place_job *job, ngi_projection *out)
{
    ng_status status = ngi_store_projection_get(job->load->store, out);
    if (status == NG_E_NOT_FOUND) {
        *out = (ngi_projection){0};
        return NG_OK;
    }
    return status;
}

static void place_report(ngi_load *load, const ngi_projection *projection)
{
    load->report.components = projection->component_count;
    load->report.clipped_count = projection->clipped_count;
    load->report.explained_variance = 0;
    for (uint32_t k = 0; k < projection->component_count; k++)
        load->report.explained_variance += projection->explained[k];
}

/* --- components ------------------------------------------------------------------------------ */

static ng_status place_alloc(place_job *job)
{
    ngi_mem *mem = job->load->mem;
    size_t d = job->dimensions, k = job->components;
    ng_status status;
    void *block;

    NGI_TRY(ngi_alloc(mem, PLACE_PAGE * d * sizeof *job->page, "vector page", &block));
    job->page = block;
    NGI_TRY(ngi_alloc(mem, job->count * k * sizeof *job->projections, "projections", &block));
    job->projections = block;
    NGI_TRY(ngi_alloc(mem, d * k * sizeof *job->transposed, "projection", &block));
    job->transposed = block;
    NGI_TRY(ngi_alloc(mem, NGI_BATCH_MAX * sizeof *job->fields, "coordinate batch", &block));
    job->fields = block;
    NGI_TRY(ngi_alloc(mem, NGI_BATCH_MAX * sizeof *job->batch, "coordinate batch", &block));
    job->batch = block;
    NGI_TRY(ngi_alloc(mem, d * (1 + k) * sizeof(float), "projection", &block));
    job->projection = (ngi_projection){.dimensions = (uint32_t)d,
                                       .component_count = (uint32_t)k,
                                       .vector_count = job->count,
                                       .mean = block,
                                       .components = (float *)block + d};
out:
    return status;
}

static ng_status place_vector(const place_job *job, size_t index, float *out)
{
    size_t count = 0;
    ng_token_id id = job->words[index].id;
    ng_vector_field_id field = job->load->exchange != NULL ? job->load->exchange->field : 0;
    ng_status status =
        ngi_store_token_vector_in(job->load->store, id, field, out, job->dimensions, &count);
    if (status == NG_OK && count != job->dimensions)
        return ngi_fail(NG_E_NOT_FOUND,
                        "token %llu lost its vector while the words were placed; load again",
                        (unsigned long long)id);
    return status;
}

typedef void (*place_page_fn)(void *context, const float *rows, size_t first, size_t count);

/* Gives all vectors to `each`, a page at a time; pass number `pass` of 3, for the progress. */
static ng_status place_scan(place_job *job, unsigned pass, place_page_fn each, void *context)
{
    for (size_t first = 0; first < job->count; first += PLACE_PAGE) {
        size_t n = job->count - first < PLACE_PAGE ? job->count - first : PLACE_PAGE;
        for (size_t i = 0; i < n; i++) {
            ng_status status = place_vector(job, first + i, job->page + i * job->dimensions);
            if (status != NG_OK)
                return status;
        }
        each(context, job->page, first, n);
        ng_status status = ngi_task_progress(&job->load->task, pass * job->count + first + n,
                                             3 * job->count, first + n);
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

static void place_add_to_mean(void *context, const float *rows, size_t first, size_t count)
{
    (void)first;
    ngi_pca_add_to_mean(context, rows, count);
}

static void place_add(void *context, const float *rows, size_t first, size_t count)
{
    (void)first;
    ngi_pca_add(context, rows, count);
}

static void place_project(void *context, const float *rows, size_t first, size_t count)
{
    place_job *job = context;
    for (size_t i = 0; i < count; i++)
        ngi_axes_project(rows + i * job->dimensions, job->projection.mean, job->transposed,
                         job->dimensions, job->components,
                         job->projections + (first + i) * job->components);
}

static ng_status place_project_all(place_job *job)
{
    for (size_t k = 0; k < job->components; k++) {
        for (size_t i = 0; i < job->dimensions; i++)
            job->transposed[i * job->components + k] =
                job->projection.components[k * job->dimensions + i];
    }
    return place_scan(job, 2, place_project, job);
}

static ng_status place_solving(void *context)
{
    place_job *job = context;
    return ngi_task_progress(&job->load->task, 2 * job->count, 3 * job->count, job->count);
}

static ng_status place_components(place_job *job)
{
    ngi_mem *mem = job->load->mem;
    ngi_projection *p = &job->projection;
    ngi_pca_watch watch = {place_solving, job};
    ngi_pca *pca = NULL;
    ng_status status = ngi_pca_create(mem, job->dimensions, &pca);
    if (status == NG_OK)
        status = place_scan(job, 0, place_add_to_mean, pca);
    if (status == NG_OK)
        status = place_scan(job, 1, place_add, pca);
    if (status == NG_OK)
        status =
            ngi_pca_solve(mem, pca, job->components, &watch, p->mean, p->components, p->explained);
    ngi_pca_destroy(mem, pca);
    if (status != NG_OK)
        return status;
    return place_project_all(job);
}

/* Scales every axis, and counts what will be clipped. An axis that no component reaches, in a space
 * that some do, gets factor 0: its coordinate is the origin. */
static void place_scale(place_job *job)
{
    uint64_t clipped = 0;
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++) {
        for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++)
            ngi_axis_init(&job->axes[space][axis], job->info.scales[space][axis],
                          job->info.origins[space][axis], 0);
    }
    for (size_t k = 0; k < job->components; k++) {
        ng_space space;
        unsigned axis;
        ngi_axes_place(k, &space, &axis);
        const float *values = job->projections + k;
        ngi_axis_init(&job->axes[space][axis], job->info.scales[space][axis],
                      job->info.origins[space][axis],
                      ngi_axes_quantile(values, job->components, job->count, PLACE_FRACTION));
        for (size_t i = 0; i < job->count; i++)
            (void)ngi_axis_value(&job->axes[space][axis], values[i * job->components], &clipped);
    }
    job->projection.clipped_count = clipped;
}

/* --- writing --------------------------------------------------------------------------------- */

static ng_status place_put(place_job *job, size_t count)
{
    ng_seq seq;
    ng_write_options write = ngi_task_write(&seq);
    if (count == 0)
        return NG_OK;
    ng_status status =
        ngi_store_token_put(job->load->store, job->batch, job->fields, count, &write, NULL);
    return status != NG_OK ? status : ngi_task_committed(&job->load->task, seq);
}

/* So many words from `words` on leave `spaces`. */
static ng_status place_clear(place_job *job, const place_word *words, uint8_t spaces, size_t count)
{
    ng_status status = NG_OK;
    for (size_t first = 0; status == NG_OK && first < count; first += NGI_BATCH_MAX) {
        size_t n = count - first < NGI_BATCH_MAX ? count - first : NGI_BATCH_MAX;
        for (size_t i = 0; i < n; i++) {
            job->batch[i] = words[first + i].id;
            job->fields[i] =
                (ng_token_fields){.struct_size = sizeof(ng_token_fields), .spaces_clear = spaces};
        }
        status = place_put(job, n);
    }
    return status;
}

static void place_coordinates(const place_job *job, size_t index, ng_token_fields *fields)
{
    const float *projected = job->projections + index * job->components;
    uint64_t ignored = 0;
    *fields = (ng_token_fields){.struct_size = sizeof *fields, .spaces_set = job->spaces};
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++) {
        for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++)
            fields->coordinates[space][axis] = job->info.origins[space][axis];
    }
    for (size_t k = 0; k < job->components; k++) {
        ng_space space;
        unsigned axis;
        ngi_axes_place(k, &space, &axis);
        fields->coordinates[space][axis] =
            ngi_axis_value(&job->axes[space][axis], projected[k], &ignored);
    }
}

/* Coordinates of the words that lacked them, or of the others. */
static ng_status place_write(place_job *job, bool lacking, uint64_t *done)
{
    size_t n = 0;
    ng_status status = NG_OK;
    for (size_t i = 0; status == NG_OK && i < job->count; i++) {
        if (job->words[i].lacks == lacking) {
            job->batch[n] = job->words[i].id;
            place_coordinates(job, i, &job->fields[n++]);
        }
        if (n == NGI_BATCH_MAX || (i + 1 == job->count && n > 0)) {
            status = place_put(job, n);
            *done += n;
            n = 0;
            if (status == NG_OK)
                status = ngi_task_progress(&job->load->task, *done, job->count, *done);
        }
    }
    return status;
}

static ng_status place_mark(place_job *job, uint8_t surplus)
{
    ng_status status = surplus == 0 ? NG_OK : place_clear(job, job->words, surplus, job->count);
    if (status == NG_OK)
        status = place_clear(job, job->words + job->capacity - job->left_count,
                             job->old_spaces | job->spaces, job->left_count);
    if (status == NG_OK && job->lacking_count == 0) {
        status = place_clear(job, job->words, job->spaces, 1);
        job->words[0].lacks = true;
    }
    return status;
}

static ng_status place_store(place_job *job)
{
    ng_seq seq;
    ng_write_options write = ngi_task_write(&seq);
    ngi_exchange *exchange = job->load->exchange;
    ng_status status =
        exchange == NULL ? ngi_store_projection_set(job->load->store, &job->projection, &write)
                         : ngi_store_vector_field_swap(job->load->store, exchange->field,
                                                       exchange->keep_as, &job->projection, &write);
    if (status == NG_OK && exchange != NULL)
        exchange->is_done = true;
    return status != NG_OK ? status : ngi_task_committed(&job->load->task, seq);
}

static ng_status place_run(place_job *job, uint8_t surplus)
{
    const ngi_exchange *exchange = job->load->exchange;
    bool places = exchange == NULL || !exchange->keep_coordinates;
    uint64_t done = 0;
    ng_status status;
    NGI_TRY(ngi_task_begin(&job->load->task, "projection", 3 * job->count));
    NGI_TRY(place_alloc(job));
    NGI_TRY(place_components(job));
    place_scale(job);
    NGI_TRY(ngi_task_end(&job->load->task, 3 * job->count, job->count));

    NGI_TRY(ngi_task_begin(&job->load->task, "coordinates", job->count));
    if (places)
        NGI_TRY(place_mark(job, surplus));
    NGI_TRY(place_store(job));
    if (places) {
        NGI_TRY(place_write(job, false, &done));
        NGI_TRY(place_write(job, true, &done));
    }
    place_report(job->load, &job->projection);
    NGI_TRY(ngi_task_end(&job->load->task, job->count, job->count));
out:
    return status;
}

ng_status ngi_load_projection(ngi_load *load)
{
    place_job job = {.load = load,
                     .dimensions = load->report.dimensions,
                     .components = load->options.components,
                     .spaces = ngi_axes_spaces(load->options.components)};
    ngi_projection stored = {0};
    uint64_t begin_ns = load->os->monotonic_ns(load->os);

    ng_status status = ngi_store_info(load->store, &job.info);
    if (status == NG_OK)
        status = place_collect(&job);
    if (status == NG_OK)
        status = place_stored(&job, &stored);
    if (status == NG_OK && job.count > 0) {
        job.old_spaces = ngi_axes_spaces(stored.component_count);
        place_report(load, &stored);
        if (load->exchange != NULL || job.lacking_count > 0 ||
            stored.component_count != job.components)
            status = place_run(&job, (uint8_t)(job.old_spaces & ~(unsigned)job.spaces));
    }
    ngi_projection_release(load->mem, &stored);
    place_release(&job);
    load->report.projection_seconds = ngi_task_seconds(&load->task, begin_ns);
    return status;
}

/* --- the way back from anchors --------------------------------------------------------------- */

/* Coordinates of the stored projection, as the load that stored it has computed them. */
static ng_status place_again(place_job *job, const ngi_projection *stored)
{
    size_t floats = job->dimensions * job->components;
    ng_status status = ngi_task_begin(&job->load->task, "projection", 3 * job->count);
    if (status == NG_OK)
        status = place_alloc(job);
    if (status != NG_OK)
        return status;
    memcpy(job->projection.mean, stored->mean, job->dimensions * sizeof(float));
    memcpy(job->projection.components, stored->components, floats * sizeof(float));
    status = place_project_all(job);
    if (status != NG_OK)
        return status;
    place_scale(job);
    return ngi_task_end(&job->load->task, 3 * job->count, job->count);
}

static ng_status place_restore_one(place_job *job, size_t index, uint8_t spaces, ngi_places *places)
{
    ng_token record;
    ng_token_fields fields;
    ng_status status = ngi_store_token_read(job->load->store, job->words[index].id, &record);
    if (status == NG_E_NOT_FOUND)
        return NG_OK; /* deleted since it was listed */
    if (status != NG_OK)
        return status;
    place_coordinates(job, index, &fields);
    fields.spaces_set = job->spaces & spaces;
    fields.spaces_clear = spaces & (uint8_t)~job->spaces;
    return ngi_places_add(places, job->words[index].id, &record, &fields);
}

static ng_status place_restore(place_job *job, uint8_t spaces, uint64_t *changed)
{
    ngi_places places = {0};
    ng_status status = ngi_task_begin(&job->load->task, "coordinates", job->count);
    if (status == NG_OK)
        status = ngi_places_init(&places, job->load);
    for (size_t i = 0; i < job->count && status == NG_OK; i++) {
        status = place_restore_one(job, i, spaces, &places);
        if (status == NG_OK && i % PLACE_PAGE == 0)
            status = ngi_task_progress(&job->load->task, i, job->count, i);
    }
    if (status == NG_OK)
        status = ngi_places_flush(&places);
    *changed += places.changed_count;
    ngi_places_release(&places);
    return status != NG_OK ? status : ngi_task_end(&job->load->task, job->count, job->count);
}

ng_status ngi_load_restore(ngi_load *load, uint8_t spaces, uint64_t *words, uint64_t *changed)
{
    place_job job = {.load = load};
    ngi_projection stored = {0};
    ng_status status;
    NGI_TRY(ngi_store_info(load->store, &job.info));
    NGI_TRY(place_stored(&job, &stored));
    if (stored.component_count == 0)
        NGI_TRY(ngi_fail(NG_E_NOT_FOUND, "the store has no projection: no words were loaded"));
    load->options.components = stored.component_count;
    job.dimensions = stored.dimensions;
    job.components = stored.component_count;
    job.spaces = ngi_axes_spaces(job.components);
    NGI_TRY(place_collect(&job));
    *words = job.count;
    if (job.count == 0)
        goto out;
    if (stored.vector_count == job.count && job.lacking_count == 0) {
        NGI_TRY(place_again(&job, &stored));
    } else {
        NGI_TRY(place_run(&job, 0));
        *changed = job.count;
    }
    NGI_TRY(place_restore(&job, spaces, changed));
out:
    ngi_projection_release(load->mem, &stored);
    place_release(&job);
    return status;
}
