/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Clusters: cores are counted and linked, the others go to the nearest core. See index_grid_cluster.h. */
#include "index/index_grid_cluster.h"

#include "index/index_grid_pack.h"

#include <stdlib.h>

typedef struct cluster_sum {
    ngi_cluster cluster;
    int64_t at[NG_AXIS_COUNT]; /* of all coordinates, raw */
    uint32_t index;            /* before sorting */
} cluster_sum;

typedef struct cluster_job {
    grid_work work;
    uint64_t bound, min_tokens;
    grid_place *places;
    uint32_t place_count;
    uint32_t *counts; /* of tokens near each place; then the number of its cluster, from 1 */
    grid_place *cores;
    uint32_t core_count;
    grid_pack core_pack;
    uint32_t *root; /* of each core; then the number of its cluster */
    cluster_sum *sums;
    uint32_t sum_count;
} cluster_job;

/* --- which hang together --------------------------------------------------------------------- */

static ng_status cluster_find_cores(cluster_job *job)
{
    const pack_question question = {.bound = job->bound, .needed = job->min_tokens};
    grid_pack all;
    ng_status status;
    NGI_TRY(ngi_pack_places(&job->work, &job->places, &job->place_count));
    NGI_TRY(ngi_pack_build(&job->work, job->places, job->place_count, &all));
    NGI_TRY(
        ngi_work_room(&job->work, job->place_count, sizeof *job->counts, "counts", &job->counts));
    ngi_pack_count(&job->work, &all, &question, NULL, job->place_count, job->counts);
    for (uint32_t i = 0; i < job->place_count; i++)
        job->core_count += job->counts[i] >= job->min_tokens;
    NGI_TRY(ngi_work_room(&job->work, job->core_count, sizeof *job->cores, "cores", &job->cores));
    for (uint32_t i = 0, core = 0; i < job->place_count; i++)
        if (job->counts[i] >= job->min_tokens)
            job->cores[core++] = job->places[i];
out:
    return status;
}

/* Components of cores are numbered by their first places. */
static ng_status cluster_link(cluster_job *job)
{
    ng_status status;
    NGI_TRY(ngi_pack_build(&job->work, job->cores, job->core_count, &job->core_pack));
    NGI_TRY(
        ngi_work_room(&job->work, job->core_count, sizeof *job->root, "components", &job->root));
    ngi_pack_link(&job->work, &job->core_pack, &job->bound, job->root);
    for (uint32_t i = 0; i < job->core_count; i++)
        job->root[i] = job->root[i] == i ? job->sum_count++ : job->root[job->root[i]];
    NGI_TRY(ngi_work_room(&job->work, job->sum_count, sizeof *job->sums, "clusters", &job->sums));
out:
    return status;
}

static void cluster_add(cluster_sum *sum, const grid_place *place, bool is_core)
{
    ngi_cluster *cluster = &sum->cluster;
    bool is_first = cluster->token_count == 0;
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int16_t at = place->at[axis];
        sum->at[axis] += (int64_t)at * place->weight;
        cluster->low[axis] = is_first || at < cluster->low[axis] ? at : cluster->low[axis];
        cluster->high[axis] = is_first || at > cluster->high[axis] ? at : cluster->high[axis];
    }
    cluster->least = is_first || place->least < cluster->least ? place->least : cluster->least;
    cluster->token_count += place->weight;
    cluster->core_count += is_core ? place->weight : 0;
}

/* Gives every place the number of its cluster. */
static void cluster_assign(cluster_job *job)
{
    for (uint32_t i = 0, core = 0; i < job->place_count; i++) {
        const grid_place *place = &job->places[i];
        bool is_core = job->counts[i] >= job->min_tokens;
        uint32_t nearest = is_core ? core++ : 0;
        job->counts[i] = 0;
        if (!is_core &&
            !ngi_pack_nearest(&job->work, &job->core_pack, place->at, job->bound, &nearest))
            continue;
        uint32_t number = job->root[nearest];
        job->counts[i] = number + 1;
        cluster_add(&job->sums[number], place, is_core);
    }
}

/* --- what is told about them ----------------------------------------------------------------- */

static void cluster_measure(cluster_job *job)
{
    const ngi_metric *metric = &job->work.job->metric;
    for (uint32_t i = 0; i < job->sum_count; i++) {
        cluster_sum *sum = &job->sums[i];
        sum->index = i;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            sum->cluster.center[axis] = (double)sum->at[axis] / (double)sum->cluster.token_count;
    }
    for (uint32_t i = 0; i < job->place_count; i++) {
        if (job->counts[i] == 0)
            continue;
        ngi_cluster *cluster = &job->sums[job->counts[i] - 1].cluster;
        double distance = ngi_pack_distance(metric, cluster->center, job->places[i].at);
        cluster->radius = distance > cluster->radius ? distance : cluster->radius;
    }
}

static int cluster_by_size(const void *a, const void *b)
{
    const ngi_cluster *x = &((const cluster_sum *)a)->cluster;
    const ngi_cluster *y = &((const cluster_sum *)b)->cluster;
    if (x->token_count != y->token_count)
        return x->token_count > y->token_count ? -1 : 1;
    return x->least < y->least ? -1 : x->least > y->least;
}

/* The number of each point, when clusters are sorted; `root` is not needed any more. */
static void cluster_number(cluster_job *job, uint32_t *numbers)
{
    uint32_t *rank = job->root; /* there are at least as many cores as clusters */
    for (uint32_t i = 0; i < job->sum_count; i++)
        rank[job->sums[i].index] = i + 1;
    for (uint32_t i = 0; i < job->place_count; i++) {
        const grid_place *place = &job->places[i];
        uint32_t number = job->counts[i] == 0 ? 0 : rank[job->counts[i] - 1];
        for (uint32_t k = 0; k < place->weight; k++)
            numbers[place->first + k] = number;
    }
}

static ng_status cluster_tell(cluster_job *job, ngi_cluster **out, uint32_t *count,
                              uint32_t **numbers)
{
    ngi_mem *mem = job->work.job->mem;
    size_t number_bytes = job->work.job->count * sizeof **numbers;
    void *block, *number_block;
    qsort(job->sums, job->sum_count, sizeof *job->sums, cluster_by_size);
    ng_status status = ngi_alloc(mem, number_bytes, "members of clusters", &number_block);
    if (status != NG_OK)
        return status;
    cluster_number(job, number_block);
    *numbers = number_block;
    if (job->sum_count == 0)
        return NG_OK;
    status = ngi_alloc(mem, job->sum_count * sizeof **out, "clusters", &block);
    if (status != NG_OK) {
        ngi_free(mem, number_block, number_bytes);
        *numbers = NULL;
        return status;
    }
    *out = block;
    *count = job->sum_count;
    for (uint32_t i = 0; i < job->sum_count; i++)
        (*out)[i] = job->sums[i].cluster;
    return NG_OK;
}

ng_status ngi_cluster_find(ngi_cluster_job *job, uint64_t bound, uint64_t min_tokens,
                           ngi_cluster **out, uint32_t *count, uint32_t **numbers)
{
    cluster_job all = {.bound = bound, .min_tokens = min_tokens};
    ng_status status = NG_OK;
    *out = NULL;
    *numbers = NULL;
    *count = 0;
    ngi_work_begin(&all.work, job);
    if (job->count == 0)
        goto out;
    NGI_TRY(cluster_find_cores(&all));
    if (job->is_stopped)
        goto out;
    NGI_TRY(cluster_link(&all));
    if (job->is_stopped)
        goto out;
    cluster_assign(&all);
    if (job->is_stopped)
        goto out;
    cluster_measure(&all);
    status = cluster_tell(&all, out, count, numbers);
out:
    ngi_work_end(&all.work);
    return status;
}
