/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Packing places, counting around each of them, and the nearest.
 *
 * Counts are asked for in small blocks of neighbours. What is whole within the bound of all of a block,
 * or of none, is settled for the block, level after level, so a block in the middle of a crowd is done
 * after a few boxes; only leaves in between are looked into for each place. */
#include "index/index_grid_pack.h"

#include "index/index_grid_private.h"

#include <math.h>
#include <string.h>

#define GROUP_MAX 48u  /* places that are asked about together */
#define GROUP_LEAST 8u /* even if they are far from each other */
#define EFFORT 4096u   /* between two questions whether to go on: some ten microseconds */

/* Tags of places that say which one of a leaf it is. */
static const uint32_t pack_lanes[NGI_GRID_LEAF_MAX] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,
                                                       10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
                                                       20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
                                                       30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
                                                       40, 41, 42, 43, 44, 45, 46, 47};

/* --- a job ----------------------------------------------------------------------------------- */

void ngi_work_begin(grid_work *work, ngi_cluster_job *job)
{
    const int64_t *factor = job->metric.factor;
    *work = (grid_work){.job = job,
                        .kernels = ngi_grid_kernels_best(),
                        .is_plain = job->metric.kind == NG_METRIC_EUCLIDEAN && factor[0] == 1 &&
                                    factor[1] == 1 && factor[2] == 1};
    job->is_stopped = false;
}

void ngi_work_end(grid_work *work)
{
    for (unsigned i = 0; i < work->block_count; i++)
        ngi_free(work->job->mem, work->blocks[i].data, work->blocks[i].bytes);
    work->block_count = 0;
}

ng_status ngi_work_room(grid_work *work, size_t count, size_t item_bytes, const char *what,
                        void *out)
{
    void *block;
    size_t bytes = (count > 0 ? count : 1) * item_bytes;
    if (work->block_count == sizeof work->blocks / sizeof work->blocks[0])
        return ngi_fail(NG_E_INTERNAL, "grid: a job has too many blocks");
    ng_status status = ngi_alloc(work->job->mem, bytes, what, &block);
    if (status != NG_OK)
        return status;
    memset(block, 0, bytes);
    work->blocks[work->block_count].data = block;
    work->blocks[work->block_count++].bytes = bytes;
    memcpy(out, &block, sizeof block);
    return NG_OK;
}

bool ngi_work_goes_on(grid_work *work, uint64_t effort)
{
    ngi_cluster_job *job = work->job;
    work->effort += effort;
    if (work->effort < EFFORT || job->go_on == NULL)
        return !job->is_stopped;
    work->effort = 0;
    job->is_stopped = job->is_stopped || !job->go_on(job->context);
    return !job->is_stopped;
}

/* --- packing --------------------------------------------------------------------------------- */

static bool pack_begins(const ngi_cluster_job *job, uint32_t i)
{
    return i == 0 ||
           memcmp(job->points[i].at, job->points[i - 1].at, sizeof job->points[i].at) != 0;
}

ng_status ngi_pack_places(grid_work *work, grid_place **out, uint32_t *count)
{
    const ngi_cluster_job *job = work->job;
    *count = 0;
    for (uint32_t i = 0; i < job->count; i++)
        *count += pack_begins(job, i);
    ng_status status = ngi_work_room(work, *count, sizeof **out, "places", out);
    if (status != NG_OK)
        return status;
    grid_place *place = *out - 1;
    for (uint32_t i = 0; i < job->count; i++) {
        if (pack_begins(job, i)) {
            place++;
            place->first = i;
            place->least = job->points[i].slot;
            memcpy(place->at, job->points[i].at, sizeof place->at);
        }
        place->weight++;
    }
    return NG_OK;
}

static void pack_node_add(pack_node *node, const pack_node *more, bool is_first)
{
    if (is_first) {
        *node = *more;
        return;
    }
    pack_box_add(&node->box, &more->box);
    node->weight += more->weight;
    node->least = more->least < node->least ? more->least : node->least;
    if (more->reach_least < node->reach_least)
        node->reach_least = more->reach_least;
    if (more->reach_most > node->reach_most)
        node->reach_most = more->reach_most;
}

static void pack_fill_leaf(grid_pack *pack, uint32_t index)
{
    uint32_t first = index * NGI_GRID_LEAF_MAX, end = pack_end(pack, (pack_ref){0, index});
    pack_leaf *leaf = &pack->leaves[index];
    for (uint32_t i = first; i < end; i++) {
        const grid_place *place = &pack->places[i];
        const pack_node one = {.box = pack_point_box(place->at),
                               .weight = place->weight,
                               .least = place->least,
                               .reach_least = place->reach,
                               .reach_most = place->reach};
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            leaf->at[axis][i - first] = place->at[axis];
        leaf->weight[i - first] = place->weight;
        pack_node_add(&pack->nodes[index], &one, i == first);
    }
}

ng_status ngi_pack_build(grid_work *work, const grid_place *places, uint32_t count, grid_pack *out)
{
    *out = (grid_pack){.places = places, .count = count};
    uint32_t size = count / NGI_GRID_LEAF_MAX + (count % NGI_GRID_LEAF_MAX != 0), leaves = size;
    if (count == 0)
        return NG_OK;
    for (;;) {
        out->level_first[out->level_count + 1] = out->level_first[out->level_count] + size;
        out->level_count++;
        if (size == 1)
            break;
        size = (size + PACK_FANOUT - 1) / PACK_FANOUT;
    }
    ng_status status = ngi_work_room(work, out->level_first[out->level_count], sizeof *out->nodes,
                                     "boxes", &out->nodes);
    if (status == NG_OK)
        status = ngi_work_room(work, leaves, sizeof *out->leaves, "packed places", &out->leaves);
    for (int i = 0; i < 2 && status == NG_OK; i++)
        status = ngi_work_room(work, leaves, sizeof(uint32_t), "boxes", &out->scratch[i]);
    if (status != NG_OK)
        return status;
    for (uint32_t i = 0; i < leaves; i++)
        pack_fill_leaf(out, i);
    for (uint32_t level = 1; level < out->level_count; level++) {
        for (uint32_t i = 0; i < pack_level_count(out, level); i++) {
            pack_ref first;
            uint32_t end = pack_children(out, (pack_ref){level, i}, &first);
            for (pack_ref child = first; child.index < end; child.index++)
                pack_node_add(pack_node_at(out, (pack_ref){level, i}), pack_node_at(out, child),
                              child.index == first.index);
        }
    }
    return NG_OK;
}

/* --- a leaf ---------------------------------------------------------------------------------- */

static bool pack_is_narrow(const grid_work *work, uint64_t bound)
{
    return work->is_plain && bound <= GRID_NARROW_BOUND;
}

static uint32_t pack_leaf_count(const grid_pack *pack, uint32_t leaf)
{
    return pack_end(pack, (pack_ref){0, leaf}) - leaf * NGI_GRID_LEAF_MAX;
}

unsigned ngi_pack_within(const grid_work *work, const grid_pack *pack, uint32_t leaf,
                         const int16_t at[NG_AXIS_COUNT], uint64_t bound,
                         ngi_grid_hit out[NGI_GRID_WITHIN_MAX])
{
    const grid_place *places = pack->places + leaf * NGI_GRID_LEAF_MAX;
    const pack_leaf *packed = &pack->leaves[leaf];
    uint32_t count = pack_leaf_count(pack, leaf);
    unsigned found = 0;
    if (pack_is_narrow(work, bound))
        return work->kernels->within(packed->at, pack_lanes, count, at, (uint32_t)bound, out);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t value = ngi_metric_value(&work->job->metric, places[i].at, at);
        if (value <= bound)
            out[found++] = (ngi_grid_hit){value, i};
    }
    return found;
}

static uint32_t pack_leaf_weight(const grid_work *work, const grid_pack *pack, uint32_t leaf,
                                 const int16_t at[NG_AXIS_COUNT], uint64_t bound)
{
    const grid_place *places = pack->places + leaf * NGI_GRID_LEAF_MAX;
    const pack_leaf *packed = &pack->leaves[leaf];
    uint32_t count = pack_leaf_count(pack, leaf), sum = 0;
    if (pack_is_narrow(work, bound)) {
        ngi_grid_hit found[NGI_GRID_WITHIN_MAX];
        unsigned found_count =
            work->kernels->within(packed->at, packed->weight, count, at, (uint32_t)bound, found);
        for (unsigned i = 0; i < found_count; i++)
            sum += (uint32_t)found[i].slot;
        return sum;
    }
    for (uint32_t i = 0; i < count; i++)
        if (ngi_metric_value(&work->job->metric, places[i].at, at) <= bound)
            sum += places[i].weight;
    return sum;
}

/* --- counting -------------------------------------------------------------------------------- */

/* Some places that are asked about together. */
typedef struct count_group {
    const pack_question *question;
    grid_box box;
    uint64_t inside;    /* tokens within the bound of all of them */
    uint64_t undecided; /* tokens in `nodes` */
    uint32_t *nodes;    /* of the level, that are neither inside nor outside for all */
    uint32_t *spare;    /* likewise, for the level below */
    uint32_t node_count;
} count_group;

static bool count_is_decided(const count_group *group)
{
    const pack_question *question = group->question;
    return group->node_count == 0 || group->inside + group->undecided < question->needed ||
           (!question->exact && group->inside >= question->needed);
}

static void count_offer(const grid_work *work, const grid_pack *pack, count_group *group,
                        pack_ref ref)
{
    const pack_node *node = pack_node_at(pack, ref);
    const ngi_metric *metric = &work->job->metric;
    uint64_t bound = group->question->bound;
    if (pack_most(metric, &group->box, &node->box) <= bound) {
        group->inside += node->weight;
    } else if (pack_least(metric, &group->box, &node->box) <= bound) {
        group->undecided += node->weight;
        group->spare[group->node_count++] = ref.index;
    }
}

/* Decides what can be decided for all of a group; leaves the leaves that cannot. */
static uint64_t count_refine(const grid_work *work, const grid_pack *pack, count_group *group)
{
    pack_ref root = pack_root(pack);
    uint64_t effort = 1;
    group->inside = group->undecided = group->node_count = 0;
    count_offer(work, pack, group, root);
    for (uint32_t level = root.level;; level--) {
        uint32_t *looked_at = group->spare;
        group->spare = group->nodes;
        group->nodes = looked_at;
        if (level == 0 || count_is_decided(group))
            return effort;
        uint32_t count = group->node_count;
        group->undecided = group->node_count = 0;
        for (uint32_t i = 0; i < count; i++) {
            pack_ref child;
            uint32_t end = pack_children(pack, (pack_ref){level, looked_at[i]}, &child);
            effort += end - child.index;
            for (; child.index < end; child.index++)
                count_offer(work, pack, group, child);
        }
    }
}

/* What no leaf has to be looked into for is settled first: then it is often known already. */
static uint32_t count_one(const grid_work *work, const grid_pack *pack, const count_group *group,
                          const grid_place *place)
{
    const ngi_metric *metric = &work->job->metric;
    const pack_question *question = group->question;
    const grid_box box = pack_point_box(place->at);
    uint64_t sum = group->inside, undecided = 0;
    uint32_t *cut = group->spare, cut_count = 0; /* leaves that the surface of the ball cuts */
    for (uint32_t i = 0; i < group->node_count; i++) {
        const pack_node *node = &pack->nodes[group->nodes[i]];
        if (pack_least(metric, &box, &node->box) > question->bound)
            continue;
        if (pack_most(metric, &box, &node->box) <= question->bound) {
            sum += node->weight;
        } else {
            undecided += node->weight;
            cut[cut_count++] = group->nodes[i];
        }
    }
    for (uint32_t i = 0; i < cut_count; i++) {
        if (sum + undecided < question->needed || (!question->exact && sum >= question->needed))
            break;
        undecided -= pack->nodes[cut[i]].weight;
        sum += pack_leaf_weight(work, pack, cut[i], place->at, question->bound);
    }
    return (uint32_t)sum;
}

/* How many from asked[0] on form a group, whose box is set: neighbours, as far as there are. */
static uint32_t count_gather(const grid_work *work, const grid_pack *pack, count_group *group,
                             const uint32_t *asked, uint32_t from, uint32_t left)
{
    uint32_t size = 0;
    for (; size < left && size < GROUP_MAX; size++) {
        grid_box next = pack_point_box(pack->places[asked != NULL ? asked[size] : from + size].at);
        if (size > 0)
            pack_box_add(&next, &group->box);
        if (size >= GROUP_LEAST &&
            pack_most(&work->job->metric, &next, &next) > group->question->bound)
            break;
        group->box = next;
    }
    return size;
}

void ngi_pack_count(grid_work *work, const grid_pack *pack, const pack_question *question,
                    const uint32_t *asked, uint32_t asked_count, uint32_t *out)
{
    count_group group = {.question = question,
                         .nodes = pack->scratch[0],
                         .spare = pack->scratch[1]};
    for (uint32_t from = 0, size = 0; from < asked_count; from += size) {
        const uint32_t *some = asked != NULL ? asked + from : NULL;
        size = count_gather(work, pack, &group, some, from, asked_count - from);
        uint64_t effort = count_refine(work, pack, &group);
        bool is_decided = count_is_decided(&group);
        if (!ngi_work_goes_on(work, effort + size))
            return;
        for (uint32_t i = 0; i < size; i++) {
            const grid_place *place = &pack->places[some != NULL ? some[i] : from + i];
            out[from + i] =
                is_decided ? (uint32_t)group.inside : count_one(work, pack, &group, place);
            if (!is_decided && !ngi_work_goes_on(work, group.node_count))
                return;
        }
    }
}

double ngi_pack_distance(const ngi_metric *metric, const double from[NG_AXIS_COUNT],
                         const int16_t to[NG_AXIS_COUNT])
{
    double sum = 0;
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        double d = (to[axis] - from[axis]) * (double)metric->factor[axis];
        sum += d * d;
    }
    return sqrt(sum) / metric->steps;
}

/* --- the nearest ----------------------------------------------------------------------------- */

typedef struct near_best {
    uint64_t value; /* of the best, or the bound */
    uint32_t least; /* its slot; UINT32_MAX before there is one: then equal values win */
    uint32_t place;
    bool is_found;
} near_best;

typedef struct near_step {
    uint64_t value;
    uint32_t least;
    pack_ref ref;
} near_step;

static bool near_is_better(const near_best *best, uint64_t value, uint32_t least)
{
    return value < best->value || (value == best->value && least < best->least);
}

static void near_leaf(const grid_work *work, const grid_pack *pack, uint32_t leaf,
                      const int16_t at[NG_AXIS_COUNT], near_best *best)
{
    ngi_grid_hit found[NGI_GRID_WITHIN_MAX];
    unsigned count = ngi_pack_within(work, pack, leaf, at, best->value, found);
    for (unsigned i = 0; i < count; i++) {
        uint32_t place = leaf * NGI_GRID_LEAF_MAX + (uint32_t)found[i].slot;
        uint32_t least = pack->places[place].least;
        if (near_is_better(best, found[i].value, least))
            *best = (near_best){found[i].value, least, place, true};
    }
}

/* The children of a node that can matter, the nearest on top. */
static unsigned near_children(const grid_work *work, const grid_pack *pack, pack_ref parent,
                              const grid_box *box, const near_best *best, near_step *out)
{
    pack_ref child;
    unsigned count = 0;
    uint32_t end = pack_children(pack, parent, &child);
    for (; child.index < end; child.index++) {
        const pack_node *node = pack_node_at(pack, child);
        near_step step = {pack_least(&work->job->metric, box, &node->box), node->least, child};
        if (!near_is_better(best, step.value, step.least))
            continue;
        unsigned at = count++;
        for (; at > 0 && (out[at - 1].value < step.value ||
                          (out[at - 1].value == step.value && out[at - 1].least < step.least));
             at--)
            out[at] = out[at - 1];
        out[at] = step;
    }
    return count;
}

bool ngi_pack_nearest(grid_work *work, const grid_pack *pack, const int16_t at[NG_AXIS_COUNT],
                      uint64_t bound, uint32_t *out)
{
    const grid_box box = pack_point_box(at);
    near_best best = {.value = bound, .least = UINT32_MAX};
    near_step stack[PACK_STACK];
    unsigned height = 0;
    if (pack->count > 0)
        stack[height++] = (near_step){0, 0, pack_root(pack)};
    while (height > 0) {
        near_step step = stack[--height];
        if (!near_is_better(&best, step.value, step.least))
            continue;
        if (step.ref.level == 0)
            near_leaf(work, pack, step.ref.index, at, &best);
        else
            height += near_children(work, pack, step.ref, &box, &best, stack + height);
        (void)ngi_work_goes_on(work, PACK_FANOUT);
    }
    *out = best.place;
    return best.is_found;
}
