/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Fields: balls that are dense enough are counted and linked; then it is found which tokens they have
 * in them. See index_grid_cluster.h.
 *
 * Tokens at one place with one radius have one ball. Balls are counted radius by radius, so that
 * neighbours are asked about together. At one place the widest ball decides: it touches what any
 * of the others touches, and has in it what they have. */
#include "index/index_grid_cluster.h"

#include "index/index_grid_pack.h"

#include <stdlib.h>
#include <string.h>

#define FIELD_PI 3.14159265358979323846
#define FIELD_REACHES 256u /* of one token */

typedef struct field_sum {
    ngi_field field;
    int64_t weighted[NG_AXIS_COUNT]; /* coordinates by strength */
    int64_t plain[NG_AXIS_COUNT];
    uint64_t strength;
    uint32_t seen; /* the last place that was found to be in it, + 1 */
} field_sum;

typedef struct field_job {
    grid_work work;
    double threshold;
    uint64_t min_tokens;
    uint64_t ball[FIELD_REACHES];       /* the largest value within a radius */
    uint64_t within[2 * FIELD_REACHES]; /* the largest value nearer than a sum of radii */
    uint64_t needed[FIELD_REACHES];     /* tokens in a ball of this radius that makes a source */
    grid_place *places;
    uint32_t place_count;
    grid_pack all;
    uint32_t *ball_of; /* of each point: of ball_place and ball_count; UINT32_MAX = none */
    uint32_t *ball_place, *ball_count;
    uint32_t ball_end[FIELD_REACHES + 1]; /* balls by radius: those of r end at [r] */
    grid_place *sources;
    uint32_t source_count; /* places */
    grid_pack source_pack;
    uint32_t *number; /* of the field of each source place */
    field_sum *sums;
    uint32_t sum_count;
} field_job;

/* --- lengths --------------------------------------------------------------------------------- */

double ngi_field_density(uint64_t count, uint8_t reach)
{
    double radius = (double)(reach / 100.0f);
    return (double)count / (4.0 / 3.0 * FIELD_PI * radius * radius * radius);
}

/* value < (reach x steps / 100)^2. With reach x steps = 100 a + b that is
 * value < a^2 + (200 a b + b^2) / 10^4, in integers throughout. */
uint64_t ngi_field_nearer(const ngi_metric *metric, unsigned reach)
{
    uint64_t length = reach * (uint64_t)metric->steps;
    uint64_t a = length / 100, b = length % 100;
    if (a > UINT32_MAX)
        return UINT64_MAX; /* farther than any two points are from each other */
    uint64_t more = 200 * a * b + b * b;
    uint64_t most = a * a + more / 10000;
    return more % 10000 != 0 ? most : most - 1;
}

/* The least count that makes a source. */
static uint64_t field_needed(const field_job *job, uint8_t reach)
{
    double guess = job->threshold / ngi_field_density(1, reach);
    if (guess > (double)UINT32_MAX)
        return UINT64_MAX; /* there are not so many tokens */
    uint64_t count = guess > 2 ? (uint64_t)guess - 2 : 0;
    while (!(ngi_field_density(count, reach) > job->threshold))
        count++;
    return count > job->min_tokens ? count : job->min_tokens;
}

static void field_set_lengths(field_job *job)
{
    const ngi_metric *metric = &job->work.job->metric;
    for (unsigned reach = 1; reach < 2 * FIELD_REACHES; reach++)
        job->within[reach] = ngi_field_nearer(metric, reach);
    for (unsigned reach = 1; reach < FIELD_REACHES; reach++) {
        job->ball[reach] = ngi_metric_bound(metric, (float)reach / 100.0f);
        job->needed[reach] = field_needed(job, (uint8_t)reach);
    }
}

/* --- balls ----------------------------------------------------------------------------------- */

/* Balls are numbered by radius, then by place; ends[] says where those of a radius go on. First they are
 * only counted. */
static void field_visit_balls(field_job *job, uint32_t ends[FIELD_REACHES], bool is_counting)
{
    const ngi_cluster_point *points = job->work.job->points;
    uint32_t last[FIELD_REACHES];
    memset(last, 0xFF, sizeof last);
    for (uint32_t i = 0; i < job->place_count; i++) {
        const grid_place *place = &job->places[i];
        for (uint32_t k = place->first; k < place->first + place->weight; k++) {
            uint8_t reach = points[k].reach;
            if (reach == 0)
                continue;
            if (last[reach] != i)
                ends[reach]++;
            last[reach] = i;
            if (is_counting)
                continue;
            job->ball_place[ends[reach] - 1] = i;
            job->ball_of[k] = ends[reach] - 1;
        }
    }
}

static ng_status field_find_balls(field_job *job)
{
    uint32_t *ends = job->ball_end, count = 0;
    ng_status status;
    field_visit_balls(job, ends, true);
    for (unsigned reach = 0; reach < FIELD_REACHES; reach++) {
        uint32_t size = ends[reach];
        ends[reach] = count; /* where they begin */
        count += size;
    }
    NGI_TRY(ngi_work_room(&job->work, count, sizeof(uint32_t), "fields", &job->ball_place));
    NGI_TRY(ngi_work_room(&job->work, count, sizeof(uint32_t), "fields", &job->ball_count));
    NGI_TRY(
        ngi_work_room(&job->work, job->work.job->count, sizeof(uint32_t), "fields", &job->ball_of));
    field_visit_balls(job, ends, false);
out:
    return status;
}

static void field_count_balls(field_job *job)
{
    for (unsigned reach = 1; reach < FIELD_REACHES; reach++) {
        const pack_question question = {.bound = job->ball[reach],
                                        .needed = job->needed[reach],
                                        .exact = true};
        uint32_t from = job->ball_end[reach - 1], count = job->ball_end[reach] - from;
        ngi_pack_count(&job->work, &job->all, &question, job->ball_place + from, count,
                       job->ball_count + from);
        if (job->work.job->is_stopped)
            return;
    }
}

/* --- sources --------------------------------------------------------------------------------- */

static bool field_is_source(const field_job *job, uint32_t point)
{
    uint8_t reach = job->work.job->points[point].reach;
    return reach > 0 && job->ball_count[job->ball_of[point]] >= job->needed[reach];
}

/* The widest radius of the sources at a place, 0 = none. */
static uint8_t field_reach(const field_job *job, const grid_place *place)
{
    uint8_t reach = 0;
    for (uint32_t k = place->first; k < place->first + place->weight; k++)
        if (field_is_source(job, k) && job->work.job->points[k].reach > reach)
            reach = job->work.job->points[k].reach;
    return reach;
}

static ng_status field_find_sources(field_job *job)
{
    for (uint32_t i = 0; i < job->place_count; i++) {
        job->places[i].reach = field_reach(job, &job->places[i]);
        job->source_count += job->places[i].reach > 0;
    }
    ng_status status = ngi_work_room(&job->work, job->source_count, sizeof *job->sources, "sources",
                                     &job->sources);
    if (status != NG_OK)
        return status;
    for (uint32_t i = 0, source = 0; i < job->place_count; i++)
        if (job->places[i].reach > 0)
            job->sources[source++] = job->places[i];
    return NG_OK;
}

static ng_status field_link(field_job *job)
{
    ng_status status;
    NGI_TRY(ngi_pack_build(&job->work, job->sources, job->source_count, &job->source_pack));
    NGI_TRY(ngi_work_room(&job->work, job->source_count, sizeof *job->number, "components",
                          &job->number));
    ngi_pack_link(&job->work, &job->source_pack, job->within, job->number);
    for (uint32_t i = 0; i < job->source_count; i++)
        job->number[i] = job->number[i] == i ? job->sum_count++ : job->number[job->number[i]];
    NGI_TRY(ngi_work_room(&job->work, job->sum_count, sizeof *job->sums, "fields", &job->sums));
out:
    return status;
}

static void field_add_source(const field_job *job, field_sum *sum, uint32_t point)
{
    const ngi_cluster_point *source = &job->work.job->points[point];
    ngi_field *field = &sum->field;
    double density = ngi_field_density(job->ball_count[job->ball_of[point]], source->reach);
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        sum->plain[axis] += source->at[axis];
        sum->weighted[axis] += source->at[axis] * source->strength;
    }
    sum->strength += source->strength;
    if (field->source_count == 0 || source->slot < field->least)
        field->least = source->slot;
    field->density = density > field->density ? density : field->density;
    field->source_count++;
}

static void field_measure(field_job *job)
{
    const ngi_metric *metric = &job->work.job->metric;
    for (uint32_t i = 0; i < job->source_count; i++) {
        const grid_place *place = &job->sources[i];
        for (uint32_t k = place->first; k < place->first + place->weight; k++)
            if (field_is_source(job, k))
                field_add_source(job, &job->sums[job->number[i]], k);
    }
    for (uint32_t i = 0; i < job->sum_count; i++) {
        field_sum *sum = &job->sums[i];
        sum->field.strength = (double)sum->strength / 255.0;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            sum->field.center[axis] =
                sum->strength > 0 ? (double)sum->weighted[axis] / (double)sum->strength
                                  : (double)sum->plain[axis] / (double)sum->field.source_count;
    }
    for (uint32_t i = 0; i < job->source_count; i++) {
        ngi_field *field = &job->sums[job->number[i]].field;
        double reach = ngi_pack_distance(metric, field->center, job->sources[i].at) +
                       job->sources[i].reach / 100.0;
        field->radius = reach > field->radius ? reach : field->radius;
    }
}

/* --- what is in them ------------------------------------------------------------------------- */

typedef struct cover_step {
    uint64_t value; /* least distance */
    pack_ref ref;
} cover_step;

/* A place is in a field: counted once. */
static void cover_note(field_sum *sum, const grid_place *place, uint32_t index)
{
    if (sum->seen != index + 1)
        sum->field.token_count += place->weight;
    sum->seen = index + 1;
}

static void cover_leaf(field_job *job, uint32_t leaf, uint32_t index)
{
    const grid_pack *pack = &job->source_pack;
    const grid_place *place = &job->places[index];
    ngi_grid_hit found[NGI_GRID_WITHIN_MAX];
    unsigned count = ngi_pack_within(&job->work, pack, leaf, place->at,
                                     job->ball[pack->nodes[leaf].reach_most], found);
    for (unsigned i = 0; i < count; i++) {
        uint32_t source = leaf * NGI_GRID_LEAF_MAX + (uint32_t)found[i].slot;
        if (found[i].value <= job->ball[job->sources[source].reach])
            cover_note(&job->sums[job->number[source]], place, index);
    }
}

/* Puts the children that can matter on the stack, the nearest on top: it settles most others. */
static unsigned cover_children(const field_job *job, pack_ref parent, const grid_box *box,
                               cover_step *out)
{
    pack_ref child;
    unsigned count = 0;
    uint32_t end = pack_children(&job->source_pack, parent, &child);
    for (; child.index < end; child.index++) {
        const pack_node *node = pack_node_at(&job->source_pack, child);
        cover_step step = {pack_least(&job->work.job->metric, box, &node->box), child};
        if (step.value > job->ball[node->reach_most])
            continue;
        unsigned at = count++;
        for (; at > 0 && out[at - 1].value < step.value; at--)
            out[at] = out[at - 1];
        out[at] = step;
    }
    return count;
}

/* Adds a place to each field that it is in. */
static void cover_place(field_job *job, uint32_t index)
{
    const grid_place *place = &job->places[index];
    const grid_box box = pack_point_box(place->at);
    cover_step stack[PACK_STACK];
    unsigned height = 0;
    stack[height++] = (cover_step){0, pack_root(&job->source_pack)};
    while (height > 0) {
        pack_ref ref = stack[--height].ref;
        const pack_node *node = pack_node_at(&job->source_pack, ref);
        field_sum *sum = &job->sums[job->number[pack_first(ref)]];
        if (node->is_one && sum->seen == index + 1)
            continue;
        if (node->is_one &&
            pack_most(&job->work.job->metric, &box, &node->box) <= job->ball[node->reach_least])
            cover_note(sum, place, index);
        else if (ref.level == 0)
            cover_leaf(job, ref.index, index);
        else
            height += cover_children(job, ref, &box, stack + height);
        if (!ngi_work_goes_on(&job->work, PACK_FANOUT))
            return;
    }
}

static int field_by_size(const void *a, const void *b)
{
    const ngi_field *x = &((const field_sum *)a)->field, *y = &((const field_sum *)b)->field;
    if (x->token_count != y->token_count)
        return x->token_count > y->token_count ? -1 : 1;
    return x->least < y->least ? -1 : x->least > y->least;
}

static ng_status field_tell(const field_job *job, ngi_field **out, uint32_t *count)
{
    void *block;
    qsort(job->sums, job->sum_count, sizeof *job->sums, field_by_size);
    ng_status status =
        ngi_alloc(job->work.job->mem, job->sum_count * sizeof **out, "fields", &block);
    if (status != NG_OK)
        return status;
    *out = block;
    *count = job->sum_count;
    for (uint32_t i = 0; i < job->sum_count; i++)
        (*out)[i] = job->sums[i].field;
    return NG_OK;
}

/* --- all of it ------------------------------------------------------------------------------- */

static ng_status field_prepare(field_job *job)
{
    ng_status status;
    field_set_lengths(job);
    NGI_TRY(ngi_pack_places(&job->work, &job->places, &job->place_count));
    NGI_TRY(ngi_pack_build(&job->work, job->places, job->place_count, &job->all));
    NGI_TRY(field_find_balls(job));
    field_count_balls(job);
out:
    return status;
}

ng_status ngi_field_find(ngi_cluster_job *job, double density_threshold, uint64_t min_tokens,
                         ngi_field **out, uint32_t *count)
{
    field_job all = {.threshold = density_threshold, .min_tokens = min_tokens};
    ng_status status = NG_OK;
    *out = NULL;
    *count = 0;
    ngi_work_begin(&all.work, job);
    if (job->count == 0)
        goto out;
    NGI_TRY(field_prepare(&all));
    if (job->is_stopped)
        goto out;
    NGI_TRY(field_find_sources(&all));
    NGI_TRY(field_link(&all));
    if (job->is_stopped || all.sum_count == 0)
        goto out;
    field_measure(&all);
    for (uint32_t i = 0; i < all.place_count && !job->is_stopped; i++)
        cover_place(&all, i);
    if (!job->is_stopped)
        status = field_tell(&all, out, count);
out:
    ngi_work_end(&all.work);
    return status;
}
