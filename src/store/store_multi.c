/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Search in several spaces at once.
 *
 * What is near by the whole measure is near in each space: with D^2 the sum of w x d^2, no d^2 of a hit
 * is above D^2 / w. So the tokens to measure are those near in one space, and the best one is the space
 * with the fewest of them:
 *
 *     seed      the nearest in each space alone are measured: a first bound of D^2
 *     choose    each space says how many tokens are within its share of the bound
 *     visit     those of the smallest are measured; the bound shrinks on the way
 *
 * Measuring reads the record, one cache line, fetched ahead in small groups. When no space is selective
 * the records are scanned in the order of the table.
 *
 * Values are float64 of the same operations in the same order on every machine. Their bits order like
 * the numbers, because none is negative. */
#include "store/store_grid.h"

#include <math.h>
#include <string.h>

#define SEED_HITS 32u     /* nearest in each space that are measured first, at least */
#define CHOOSE_LEAVES 16u /* x 64: how far a space is looked at before it counts as large */
#define GROUP 16u         /* records fetched ahead */

typedef struct multi_job {
    store_grid_call call; /* first: what searches pass around */
    const ng_store *store;
    unsigned spaces;
    int16_t center[NG_SPACE_COUNT][NG_AXIS_COUNT];
    double factor[NG_SPACE_COUNT]; /* weight / steps^2: of a value of the space's metric */
    bool limited;                  /* by `radius` */
    bool counts_all;               /* within it, also those that there is no room for */
    float radius;
    ngi_grid_search best; /* hits, capacity, count, bound */
    uint64_t found;

    ngi_grid_search *visit; /* the search in one space whose bound is kept */
    int visit_space;
    unsigned questions;

    uint32_t group[GROUP]; /* slots whose records are on their way */
    unsigned group_count;
} multi_job;

static uint64_t multi_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double multi_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* --- measuring ------------------------------------------------------------------------------- */

/* False if the token is absent from one of the spaces. */
static bool multi_measure(const multi_job *job, const ng_token *record, double *out)
{
    double sum = 0;
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        if (!(job->spaces >> space & 1))
            continue;
        int16_t at[NG_AXIS_COUNT];
        memcpy(at, record->coordinates[space], sizeof at);
        if (at[0] == NG_COORDINATE_ABSENT)
            return false;
        uint64_t value = ngi_metric_value(&job->store->metrics[space], at, job->center[space]);
        sum += job->factor[space] * (double)value;
    }
    *out = sum;
    return true;
}

/* The largest value of a space within a bound of the whole; rounded up, so never too small. */
static uint64_t multi_share(const multi_job *job, int space, uint64_t bound)
{
    double most = multi_double(bound) / job->factor[space] * (1 + 1e-12) + 1;
    return most < 18446744073709549568.0 ? (uint64_t)most : UINT64_MAX;
}

static bool multi_passes(multi_job *job, const ng_token *record)
{
    store_filter *filter = &job->call.filter;
    if (filter->filter == NULL)
        return true;
    return job->call.holds_lock ? ngi_filter_accept(filter, record->slot)
                                : ngi_filter_accept_record(filter->filter, record);
}

static void multi_offer(multi_job *job, uint32_t slot)
{
    ng_token record;
    double sum;
    if (ngi_store_token_read(job->store, slot, &record) != NG_OK ||
        !multi_measure(job, &record, &sum))
        return;
    uint64_t bits = multi_bits(sum);
    if (bits > job->best.bound || (job->limited && (float)sqrt(sum) > job->radius) ||
        !multi_passes(job, &record))
        return;
    job->found++;
    uint64_t bound = job->best.bound;
    ngi_grid_keep(&job->best, bits, slot);
    if (job->counts_all)
        job->best.bound = bound;
}

static void multi_flush(multi_job *job)
{
    for (unsigned i = 0; i < job->group_count; i++)
        multi_offer(job, job->group[i]);
    job->group_count = 0;
    if (job->visit != NULL)
        job->visit->bound = multi_share(job, job->visit_space, job->best.bound);
}

/* As the filter of a search in one space: takes every token that is offered, keeps none. */
static bool multi_visit(void *context, uint32_t slot)
{
    multi_job *job = context;
    __builtin_prefetch(&store_records(job->store)[slot]);
    job->group[job->group_count++] = slot;
    if (job->group_count == GROUP)
        multi_flush(job);
    return false;
}

/* --- steps ----------------------------------------------------------------------------------- */

static bool multi_goes_on(void *context)
{
    multi_job *job = context;
    return ngi_grid_call_goes_on(&job->call);
}

static ngi_grid_search multi_search_in(multi_job *job, int space)
{
    ngi_grid_search search = {.metric = job->store->metrics[space], .context = job};
    memcpy(search.center, job->center[space], sizeof search.center);
    if (job->call.holds_lock || job->call.deadline_ns != 0 || job->call.options != NULL)
        search.go_on = multi_goes_on;
    return search;
}

/* The nearest in each space alone are measured, without counting them: `visit` meets them again. */
static ng_status multi_seed(multi_job *job)
{
    size_t count = job->best.capacity > SEED_HITS ? job->best.capacity : SEED_HITS;
    void *block;
    ng_status status =
        ngi_alloc(job->store->mem, count * sizeof(ngi_grid_hit), "hits of a search", &block);
    if (status != NG_OK)
        return status;
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        if (!(job->spaces >> space & 1))
            continue;
        ngi_grid_search near = multi_search_in(job, space);
        near.hits = block;
        near.capacity = count;
        near.bound = UINT64_MAX;
        ngi_grid_nearest(job->store->grid, &job->call.trees[space], &near);
        job->best.count = 0; /* each space for itself, so no token is kept twice */
        for (size_t i = 0; i < near.count; i++)
            (void)multi_visit(job, (uint32_t)near.hits[i].slot);
        multi_flush(job);
    }
    job->best.count = 0;
    job->found = 0;
    ngi_free(job->store->mem, block, count * sizeof(ngi_grid_hit));
    return NG_OK;
}

static bool multi_is_patient(void *context)
{
    multi_job *job = context;
    return ++job->questions < CHOOSE_LEAVES;
}

/* The space with the fewest tokens within its share of the bound. */
static int multi_choose(multi_job *job, uint64_t *fewest)
{
    int best = -1;
    *fewest = UINT64_MAX;
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        if (!(job->spaces >> space & 1))
            continue;
        ngi_grid_search share = multi_search_in(job, space);
        share.bound = multi_share(job, space, job->best.bound);
        share.go_on = multi_is_patient;
        job->questions = 0;
        ngi_grid_count(job->store->grid, &job->call.trees[space], &share);
        uint64_t count = share.is_stopped ? UINT64_MAX - 1 : share.found;
        if (count < *fewest) {
            *fewest = count;
            best = space;
        }
    }
    return best;
}

static void multi_visit_space(multi_job *job, int space)
{
    ngi_grid_search visit = multi_search_in(job, space);
    visit.bound = multi_share(job, space, job->best.bound);
    visit.accept = multi_visit;
    job->visit = &visit;
    job->visit_space = space;
    ngi_grid_count(job->store->grid, &job->call.trees[space], &visit);
    multi_flush(job);
    job->visit = NULL;
}

/* All records, in the order of the table. */
static void multi_scan(multi_job *job)
{
    uint32_t end = store_slot_end(job->store);
    for (uint32_t slot = 1; slot < end; slot++) {
        multi_offer(job, slot);
        if (slot % NGI_SLICE_ITEMS == 0 && !multi_goes_on(job))
            return;
    }
}

static void multi_run(multi_job *job)
{
    uint64_t fewest;
    int space = multi_choose(job, &fewest);
    uint64_t tokens = store_slot_end(job->store);
    /* Records in the order of space are as many cache misses; in the order of the table they stream. */
    if (fewest < tokens / 8 || job->call.trees != job->store->spaces)
        multi_visit_space(job, space);
    else
        multi_scan(job);
}

/* --- the call -------------------------------------------------------------------------------- */

static ng_status multi_check(const ng_store *store, const ng_multi_query *query,
                             const ng_search_options *options, size_t capacity)
{
    ng_status status = ngi_grid_call_check(store, NG_SPACE_PHYSICAL, options, capacity);
    if (status != NG_OK)
        return status;
    if (query->spaces == 0)
        return ngi_fail(NG_E_INVALID, "spaces 0: at least one space must count");
    if (options != NULL && options->metric != NG_METRIC_EUCLIDEAN)
        return ngi_fail(NG_E_INVALID, "metric %u: several spaces are measured by the Euclidean",
                        options->metric);
    return NG_OK;
}

static bool multi_has_weights(const ng_multi_query *query)
{
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        if (query->weights[space] != 0.0f)
            return true;
    return false;
}

/* The weights that a caller gave, or the scales of the constitution. */
static ng_status multi_weights(const ng_store *store, const ng_multi_query *query,
                               double out[NG_SPACE_COUNT])
{
    ng_cdna cdna;
    ng_status status = ngi_store_cdna_get(store, &cdna);
    const float *weights = multi_has_weights(query) ? query->weights : cdna.scales;
    for (int space = 0; space < NG_SPACE_COUNT && status == NG_OK; space++) {
        if (!(query->spaces >> space & 1))
            continue;
        float weight = weights[space];
        if (!isfinite(weight) || weight < 1e-6f || weight > 1e6f)
            return ngi_fail(NG_E_INVALID, "weight %g of space %s is outside 1e-6..1e6",
                            (double)weight, ng_space_name((ng_space)space));
        out[space] = (double)weight;
    }
    return status;
}

static ng_status multi_prepare(multi_job *job, const store_multi *multi)
{
    const ng_store *store = job->store;
    ng_status status = NG_OK;
    for (int space = 0; space < NG_SPACE_COUNT && status == NG_OK; space++) {
        if (!(job->spaces >> space & 1))
            continue;
        double steps = store->metrics[space].steps;
        job->factor[space] = multi->weights[space] / (steps * steps);
        status = ngi_grid_encode(store, (ng_space)space, multi->query->centers[space],
                                 job->center[space]);
    }
    return status;
}

/* The bound of the sum for a distance: a little more, what is reported decides. */
static uint64_t multi_bound(float distance)
{
    double most = (double)distance * (1 + 1e-6);
    return multi_bits(most * most + 1e-300);
}

static void multi_report(multi_job *job)
{
    ngi_grid_keep_end(&job->best);
    for (size_t i = 0; i < job->best.count; i++) {
        ng_hit hit = {.id = job->best.hits[i].slot,
                      .distance = (float)sqrt(multi_double(job->best.hits[i].value))};
        memcpy(&job->best.hits[i], &hit, sizeof hit);
    }
}

ng_status ngi_multi_search(const ng_store *store, const store_multi *multi,
                           const ng_search_options *options, ng_hit *out, size_t capacity,
                           size_t *count)
{
    float radius = multi->radius;
    multi_job job = {.store = store, .spaces = multi->query->spaces, .radius = radius};
    ngi_grid_search unused = {0};
    *count = 0;
    ng_status status = multi_prepare(&job, multi);
    if (status != NG_OK)
        return status;
    job.counts_all = job.limited = radius >= 0;
    if (!job.counts_all && options != NULL && options->max_distance > 0) {
        job.limited = true;
        job.radius = options->max_distance;
    }
    job.best =
        (ngi_grid_search){.hits = (ngi_grid_hit *)(void *)out,
                          .capacity = capacity,
                          .bound = job.limited ? multi_bound(job.radius) : multi_bits(INFINITY)};
    status = ngi_grid_call_begin(&job.call, store, NG_SPACE_PHYSICAL, options, &unused);
    if (status != NG_OK)
        return status;
    if (!job.counts_all && capacity > 0)
        status = multi_seed(&job);
    if (status == NG_OK && (capacity > 0 || job.counts_all))
        multi_run(&job);
    ng_status stopped = ngi_grid_call_end(&job.call);
    if (status == NG_OK)
        status = stopped;
    if (status != NG_OK)
        return status;
    multi_report(&job);
    *count = radius >= 0 ? (size_t)job.found : job.best.count;
    return NG_OK;
}

ng_status ngi_store_multi_search(const ng_store *store, const ng_multi_query *query, float radius,
                                 const ng_search_options *options, ng_hit *out, size_t capacity,
                                 size_t *count)
{
    store_multi multi = {.query = query, .radius = radius};
    *count = 0;
    ng_status status = multi_check(store, query, options, capacity);
    if (status == NG_OK)
        status = multi_weights(store, query, multi.weights);
    if (status != NG_OK)
        return status;
    return ngi_multi_search(store, &multi, options, out, capacity, count);
}
