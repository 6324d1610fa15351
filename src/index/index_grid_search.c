/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Searches in a spatial tree: all within a distance or a box, the nearest, how many.
 *
 * Every search walks down from one root with a stack of its own, entering only children whose boxes
 * can matter. Narrow searches (a radius up to half of an axis, one scale for all axes, Euclidean, no
 * box) use the kernels; the others take the same way with plain arithmetic in 64 bits.
 *
 * Invariants of a search: 1. hits[0, count) are different points that match.
 *                         2. nearest: they are the best seen, and once there are `capacity` of them
 *                            nothing beyond the worst is looked at. */
#include "index/index_grid_private.h"

#include <string.h>

#define STOP_LEAVES 64u     /* between two questions whether to go on */
#define SORTED_HITS_MAX 32u /* up to so many hits are kept sorted, more in a heap */
#define WALK_STACK (GRID_DEPTH_MAX * NGI_GRID_FANOUT)
#define COLLECT_LEAVES 64u
#define FETCH_AHEAD 2u /* leaves */

typedef struct walk_job {
    ngi_grid *grid;
    ngi_grid_search *search;
    bool narrow;
    bool filtered;
    unsigned leaves; /* since it was last asked whether to go on */
} walk_job;

/* Nodes that are still to be looked at. */
typedef struct walk_stack {
    uint32_t node[WALK_STACK];
    unsigned height;
} walk_stack;

/* --- distances ------------------------------------------------------------------------------- */

static bool walk_is_narrow(const ngi_grid_search *search)
{
    const int64_t *factor = search->metric.factor;
    return search->metric.kind == NG_METRIC_EUCLIDEAN && !search->by_box && factor[0] == 1 &&
           factor[1] == 1 && factor[2] == 1;
}

/* The least value of any point in the box of a lane; UINT64_MAX if none can match. */
static uint64_t walk_lane_value(const ngi_grid_search *search, const grid_node *node, unsigned lane)
{
    int16_t near[NG_AXIS_COUNT];
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int16_t low = node->boxes.low[axis][lane], high = node->boxes.high[axis][lane];
        int16_t center = search->center[axis];
        if (search->by_box && (high < search->low[axis] || low > search->high[axis]))
            return UINT64_MAX;
        near[axis] = center < low ? low : center > high ? high : center;
    }
    return ngi_metric_value(&search->metric, near, search->center);
}

/* Whether every point in the box of a lane matches. */
static bool walk_lane_is_inside(const ngi_grid_search *search, const grid_node *node, unsigned lane)
{
    int16_t far[NG_AXIS_COUNT];
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int low = node->boxes.low[axis][lane], high = node->boxes.high[axis][lane];
        int center = search->center[axis];
        if (search->by_box && (low < search->low[axis] || high > search->high[axis]))
            return false;
        far[axis] = (int16_t)(center - low > high - center ? low : high);
    }
    return ngi_metric_value(&search->metric, far, search->center) <= search->bound;
}

static bool walk_point_matches(const ngi_grid_search *search, const int16_t at[NG_AXIS_COUNT],
                               uint64_t *value)
{
    if (search->by_box)
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            if (at[axis] < search->low[axis] || at[axis] > search->high[axis])
                return false;
    *value = ngi_metric_value(&search->metric, at, search->center);
    return *value <= search->bound;
}

static bool walk_passes(const walk_job *job, uint32_t slot)
{
    const ngi_grid_search *search = job->search;
    return slot != search->exclude_slot &&
           (search->accept == NULL || search->accept(search->context, slot));
}

/* After so many leaves more: false when the caller wants to stop. */
static bool walk_goes_on(walk_job *job, unsigned leaves)
{
    ngi_grid_search *search = job->search;
    job->leaves += leaves;
    if (job->leaves < STOP_LEAVES || search->go_on == NULL)
        return true;
    job->leaves = 0;
    search->is_stopped = !search->go_on(search->context);
    return !search->is_stopped;
}

/* The lanes of a node that can matter. */
static uint32_t walk_mask(const walk_job *job, const grid_node *node)
{
    const ngi_grid_search *search = job->search;
    uint32_t squared[NGI_GRID_FANOUT], mask = 0;
    if (job->narrow)
        return job->grid->kernels->boxes(&node->boxes, search->center, (uint32_t)search->bound,
                                         squared);
    for (unsigned lane = 0; lane < node->count; lane++)
        mask |= (uint32_t)(walk_lane_value(search, node, lane) <= search->bound) << lane;
    return mask;
}

/* The points of a leaf within the bound of a narrow search. */
static unsigned walk_within(const walk_job *job, const grid_leaf *leaf, uint32_t points,
                            ngi_grid_hit out[NGI_GRID_WITHIN_MAX])
{
    const ngi_grid_search *search = job->search;
    return job->grid->kernels->within(leaf->at, leaf->slot, points, search->center,
                                      (uint32_t)search->bound, out);
}

static void walk_prefetch(const grid_leaf *leaf)
{
    const char *line = (const char *)leaf;
    for (unsigned i = 0; i < sizeof *leaf; i += 64)
        __builtin_prefetch(line + i);
}

/* --- counting -------------------------------------------------------------------------------- */

static uint64_t count_leaf(walk_job *job, const grid_leaf *leaf, uint32_t points)
{
    const ngi_grid_search *search = job->search;
    uint64_t found = 0;
    if (job->narrow) {
        ngi_grid_hit matches[NGI_GRID_WITHIN_MAX];
        unsigned count = walk_within(job, leaf, points, matches);
        if (!job->filtered)
            return count;
        for (unsigned i = 0; i < count; i++)
            found += walk_passes(job, (uint32_t)matches[i].slot);
        return found;
    }
    for (uint32_t i = 0; i < points; i++) {
        const int16_t at[NG_AXIS_COUNT] = {leaf->at[0][i], leaf->at[1][i], leaf->at[2][i]};
        uint64_t value;
        found += walk_point_matches(search, at, &value) &&
                 (!job->filtered || walk_passes(job, leaf->slot[i]));
    }
    return found;
}

/* The points below a lane that match, if it is above a leaf; otherwise it is put on the stack. Children
 * that are inside whole are not looked into. */
static uint64_t count_lane(walk_job *job, const grid_node *node, unsigned lane, walk_stack *stack)
{
    if (!job->filtered && walk_lane_is_inside(job->search, node, lane))
        return node->points[lane];
    if (node->level == 1)
        return count_leaf(job, grid_leaf_at(job->grid, node->child[lane]), node->points[lane]);
    stack->node[stack->height++] = node->child[lane];
    return 0;
}

static uint64_t walk_count(walk_job *job, uint32_t handle)
{
    walk_stack stack = {.height = 1};
    uint64_t found = 0;
    stack.node[0] = handle;
    while (stack.height > 0) {
        const grid_node *node = grid_node_at(job->grid, stack.node[--stack.height]);
        for (uint32_t mask = walk_mask(job, node); mask != 0; mask &= mask - 1)
            found += count_lane(job, node, (unsigned)__builtin_ctz(mask), &stack);
        if (node->level == 1 && !walk_goes_on(job, node->count))
            break;
    }
    return found;
}

/* --- all of them ----------------------------------------------------------------------------- */

static void collect_match(walk_job *job, uint64_t value, uint32_t slot)
{
    ngi_grid_search *search = job->search;
    if (job->filtered && !walk_passes(job, slot))
        return;
    if (search->count < search->capacity)
        search->hits[search->count++] = (ngi_grid_hit){value, slot};
    search->found++;
}

static void collect_leaf(walk_job *job, const grid_leaf *leaf, uint32_t points)
{
    ngi_grid_search *search = job->search;
    if (!job->narrow) {
        for (uint32_t i = 0; i < points; i++) {
            const int16_t at[NG_AXIS_COUNT] = {leaf->at[0][i], leaf->at[1][i], leaf->at[2][i]};
            uint64_t value;
            if (walk_point_matches(search, at, &value))
                collect_match(job, value, leaf->slot[i]);
        }
        return;
    }
    if (!job->filtered && search->capacity - search->count >= NGI_GRID_WITHIN_MAX) {
        unsigned count = walk_within(job, leaf, points, search->hits + search->count);
        search->count += count;
        search->found += count;
        return;
    }
    ngi_grid_hit matches[NGI_GRID_WITHIN_MAX];
    unsigned count = walk_within(job, leaf, points, matches);
    for (unsigned i = 0; i < count; i++)
        collect_match(job, matches[i].value, (uint32_t)matches[i].slot);
}

/* Leaves that can matter, to be looked at together: each is fetched while others are read. */
typedef struct collect_list {
    uint32_t leaf[COLLECT_LEAVES], points[COLLECT_LEAVES];
    unsigned count;
} collect_list;

static void collect_leaves(walk_job *job, collect_list *list)
{
    for (unsigned i = 0; i < list->count && i < FETCH_AHEAD; i++)
        walk_prefetch(grid_leaf_at(job->grid, list->leaf[i]));
    for (unsigned i = 0; i < list->count; i++) {
        if (i + FETCH_AHEAD < list->count)
            walk_prefetch(grid_leaf_at(job->grid, list->leaf[i + FETCH_AHEAD]));
        collect_leaf(job, grid_leaf_at(job->grid, list->leaf[i]), list->points[i]);
    }
    (void)walk_goes_on(job, list->count);
    list->count = 0;
}

static void walk_collect(walk_job *job, uint32_t handle)
{
    ngi_grid_search *search = job->search;
    const ngi_grid_kernels *kernels = job->grid->kernels;
    walk_stack stack;
    collect_list list;
    stack.height = 1;
    stack.node[0] = handle;
    list.count = 0;
    while (stack.height > 0 && !search->is_stopped) {
        uint32_t next = stack.node[--stack.height];
        if (search->count == search->capacity && !job->filtered) {
            search->found += walk_count(job, next);
            continue;
        }
        const grid_node *node = grid_node_at(job->grid, next);
        uint32_t mask = walk_mask(job, node);
        if (node->level > 1) {
            stack.height += kernels->pick(mask, node->child, &stack.node[stack.height]);
            continue;
        }
        kernels->pick(mask, node->child, &list.leaf[list.count]);
        list.count += kernels->pick(mask, node->points, &list.points[list.count]);
        if (list.count > COLLECT_LEAVES - NGI_GRID_FANOUT)
            collect_leaves(job, &list);
    }
    collect_leaves(job, &list);
}

/* --- the nearest ----------------------------------------------------------------------------- */

/* The worst of those kept. */
static const ngi_grid_hit *nearest_worst(const ngi_grid_search *search)
{
    return search->capacity <= SORTED_HITS_MAX ? &search->hits[search->count - 1]
                                               : &search->hits[0];
}

static void nearest_insert(ngi_grid_search *search, ngi_grid_hit hit)
{
    size_t at = search->count < search->capacity ? search->count++ : search->count - 1;
    for (; at > 0 && grid_hit_is_after(&search->hits[at - 1], hit.value, hit.slot); at--)
        search->hits[at] = search->hits[at - 1];
    search->hits[at] = hit;
}

void ngi_grid_keep(ngi_grid_search *search, uint64_t value, uint32_t slot)
{
    ngi_grid_hit hit = {value, slot};
    bool is_full = search->count == search->capacity;
    if (is_full &&
        (search->capacity == 0 || !grid_hit_is_after(nearest_worst(search), value, slot)))
        return;
    if (search->capacity <= SORTED_HITS_MAX)
        nearest_insert(search, hit);
    else if (!is_full)
        ngi_grid_sift_up(search->hits, search->count++, hit);
    else
        ngi_grid_sift_down(search->hits, search->count, hit);
    if (search->count == search->capacity)
        search->bound = nearest_worst(search)->value;
}

void ngi_grid_keep_end(ngi_grid_search *search)
{
    if (search->capacity > SORTED_HITS_MAX)
        ngi_grid_sort(search->hits, search->count);
}

/* The filter is asked last: it costs the most. */
static void nearest_offer(walk_job *job, uint64_t value, uint32_t slot)
{
    const ngi_grid_search *search = job->search;
    if (job->filtered && ((search->count == search->capacity &&
                           !grid_hit_is_after(nearest_worst(search), value, slot)) ||
                          !walk_passes(job, slot)))
        return;
    ngi_grid_keep(job->search, value, slot);
}

static void nearest_leaf(walk_job *job, const grid_leaf *leaf, uint32_t points)
{
    ngi_grid_search *search = job->search;
    if (job->narrow) {
        ngi_grid_hit matches[NGI_GRID_WITHIN_MAX];
        unsigned count = walk_within(job, leaf, points, matches);
        for (unsigned i = 0; i < count; i++)
            nearest_offer(job, matches[i].value, (uint32_t)matches[i].slot);
        return;
    }
    for (uint32_t i = 0; i < points; i++) {
        const int16_t at[NG_AXIS_COUNT] = {leaf->at[0][i], leaf->at[1][i], leaf->at[2][i]};
        uint64_t value;
        if (walk_point_matches(search, at, &value))
            nearest_offer(job, value, leaf->slot[i]);
    }
}

/* A child to look at, with the least value of its points. */
typedef struct nearest_step {
    uint64_t value;
    uint32_t child; /* a node; of a node of level 1: the lane */
    uint32_t least; /* no slot in it is lower */
} nearest_step;

/* Whether it can still have a hit: among equal distances the lowest slots win. */
static bool nearest_can_matter(const ngi_grid_search *search, const nearest_step *step)
{
    if (step->value != search->bound || search->count < search->capacity)
        return step->value <= search->bound;
    return step->least < nearest_worst(search)->slot;
}

/* The children of a node that can matter, as steps. */
static unsigned nearest_children(const walk_job *job, const grid_node *node, nearest_step *out)
{
    const ngi_grid_search *search = job->search;
    const bool by_lane = node->level == 1;
    unsigned count = 0;
    if (job->narrow) {
        uint32_t squared[NGI_GRID_FANOUT];
        uint32_t mask = job->grid->kernels->boxes(&node->boxes, search->center,
                                                  (uint32_t)search->bound, squared);
        for (; mask != 0; mask &= mask - 1) {
            unsigned lane = (unsigned)__builtin_ctz(mask);
            out[count++] = (nearest_step){squared[lane], by_lane ? lane : node->child[lane],
                                          node->least[lane]};
        }
        return count;
    }
    for (unsigned lane = 0; lane < node->count; lane++) {
        uint64_t value = walk_lane_value(search, node, lane);
        if (value <= search->bound)
            out[count++] =
                (nearest_step){value, by_lane ? lane : node->child[lane], node->least[lane]};
    }
    return count;
}

/* Takes the nearest step out of a list, and with it all that cannot matter any more. */
static bool nearest_take(const ngi_grid_search *search, nearest_step *steps, unsigned *count,
                         nearest_step *out)
{
    unsigned kept = 0, best = 0;
    for (unsigned i = 0; i < *count; i++) {
        if (!nearest_can_matter(search, &steps[i]))
            continue;
        steps[kept] = steps[i];
        if (steps[kept].value < steps[best].value)
            best = kept;
        kept++;
    }
    *count = kept;
    if (kept == 0)
        return false;
    *out = steps[best];
    steps[best] = steps[--*count];
    return true;
}

/* The leaves of a node of level 1, nearest first. */
static bool nearest_leaves(walk_job *job, const grid_node *node, nearest_step *steps,
                           unsigned count)
{
    nearest_step next;
    for (unsigned i = 0; i < count; i++)
        walk_prefetch(grid_leaf_at(job->grid, node->child[steps[i].child]));
    while (nearest_take(job->search, steps, &count, &next)) {
        nearest_leaf(job, grid_leaf_at(job->grid, node->child[next.child]),
                     node->points[next.child]);
        if (!walk_goes_on(job, 1))
            return false;
    }
    return true;
}

/* A narrow bound within which there are `capacity` points, from the leaf where the center would be:
 * then hardly anything else is entered. Not for filtered searches: the points may not pass. */
static void nearest_probe(walk_job *job, uint32_t handle)
{
    ngi_grid_search *search = job->search;
    const ngi_grid_kernels *kernels = job->grid->kernels;
    if (!job->narrow || job->filtered)
        return;
    const grid_key key = {grid_code(search->center[0], search->center[1], search->center[2]), 0};
    const grid_node *node = grid_node_at(job->grid, handle);
    while (node->level > 1)
        node = grid_node_at(job->grid, node->child[grid_lane(node, key)]);
    unsigned lane = grid_lane(node, key);
    if (search->capacity > node->points[lane])
        return;
    const grid_leaf *leaf = grid_leaf_at(job->grid, node->child[lane]);
    uint32_t reach =
        kernels->reach(leaf->at, node->points[lane], search->center, (unsigned)search->capacity);
    if (reach < search->bound)
        search->bound = reach;
}

static void walk_nearest(walk_job *job, uint32_t handle)
{
    nearest_step stack[WALK_STACK];
    unsigned height = 0;
    nearest_probe(job, handle);
    stack[height++] = (nearest_step){.child = handle};
    while (height > 0) {
        nearest_step next = stack[--height];
        if (!nearest_can_matter(job->search, &next))
            continue;
        const grid_node *node = grid_node_at(job->grid, next.child);
        nearest_step *below = stack + height;
        unsigned count = nearest_children(job, node, below);
        if (node->level == 1) {
            if (!nearest_leaves(job, node, below, count))
                return;
            continue;
        }
        /* The nearest on top, of equals the one with the lowest slots: then a crowd at one distance is
         * not entered twice. The others are looked at again when they are taken. */
        for (unsigned i = 0; i + 1 < count; i++) {
            const nearest_step *top = &below[count - 1];
            if (below[i].value < top->value ||
                (below[i].value == top->value && below[i].least < top->least)) {
                nearest_step nearer = below[i];
                below[i] = below[count - 1];
                below[count - 1] = nearer;
            }
        }
        height += count;
    }
}

/* --- calls ----------------------------------------------------------------------------------- */

static uint32_t walk_begin(walk_job *job, ngi_grid *grid, const ngi_grid_tree *tree,
                           ngi_grid_search *search, unsigned *slot)
{
    *job = (walk_job){.grid = grid,
                      .search = search,
                      .narrow = walk_is_narrow(search) && search->bound <= GRID_NARROW_BOUND,
                      .filtered = search->accept != NULL || search->exclude_slot != 0};
    search->count = 0;
    search->found = 0;
    search->is_stopped = false;
    *slot = ngi_epoch_enter(grid->epoch);
    return (uint32_t)atomic_load_explicit(&tree->root, memory_order_acquire);
}

void ngi_grid_collect(ngi_grid *grid, const ngi_grid_tree *tree, ngi_grid_search *search)
{
    walk_job job;
    unsigned slot;
    uint32_t root = walk_begin(&job, grid, tree, search, &slot);
    if (root != 0)
        walk_collect(&job, root);
    ngi_epoch_leave(grid->epoch, slot);
}

void ngi_grid_count(ngi_grid *grid, const ngi_grid_tree *tree, ngi_grid_search *search)
{
    walk_job job;
    unsigned slot;
    uint32_t root = walk_begin(&job, grid, tree, search, &slot);
    if (root != 0)
        search->found = walk_count(&job, root);
    ngi_epoch_leave(grid->epoch, slot);
}

/* The nearest below one root. A search without a bound is tried as a narrow one first, which is
 * enough unless there are too few points within half of an axis. */
static void nearest_from(walk_job *job, uint32_t root)
{
    ngi_grid_search *search = job->search;
    uint64_t bound = search->bound;
    if (search->capacity == 0)
        return;
    bool tried = !job->narrow && walk_is_narrow(search);
    if (tried) {
        job->narrow = true;
        search->bound = GRID_NARROW_BOUND;
        walk_nearest(job, root);
        job->narrow = false;
    }
    if (!tried || (search->count < search->capacity && !search->is_stopped)) {
        search->count = 0;
        search->bound = bound;
        walk_nearest(job, root);
    }
    search->bound = bound;
    ngi_grid_keep_end(search);
}

void ngi_grid_nearest(ngi_grid *grid, const ngi_grid_tree *tree, ngi_grid_search *search)
{
    walk_job job;
    unsigned slot;
    uint32_t root = walk_begin(&job, grid, tree, search, &slot);
    if (root != 0)
        nearest_from(&job, root);
    ngi_epoch_leave(grid->epoch, slot);
}

/* Mostly there is room for all: collected and sorted. Else the nearest are searched for. */
void ngi_grid_range(ngi_grid *grid, const ngi_grid_tree *tree, ngi_grid_search *search)
{
    walk_job job;
    unsigned slot;
    uint32_t root = walk_begin(&job, grid, tree, search, &slot);
    if (root != 0)
        walk_collect(&job, root);
    if (root != 0 && search->found > search->count && !search->is_stopped) {
        uint64_t found = search->found;
        search->count = 0;
        nearest_from(&job, root);
        search->found = found;
    } else {
        ngi_grid_sort(search->hits, search->count);
    }
    ngi_epoch_leave(grid->epoch, slot);
}

/* The first `points` of a leaf by place: one that was changed has them in no order. */
static void copy_order(const grid_leaf *leaf, uint32_t points, uint8_t order[NGI_GRID_LEAF_MAX])
{
    grid_key keys[NGI_GRID_LEAF_MAX];
    for (uint32_t i = 0; i < points; i++) {
        grid_key key = grid_leaf_key(leaf, i);
        uint32_t at = i;
        for (; at > 0 && grid_key_before(key, keys[at - 1]); at--) {
            keys[at] = keys[at - 1];
            order[at] = order[at - 1];
        }
        keys[at] = key;
        order[at] = (uint8_t)i;
    }
}

typedef bool copy_each(void *context, uint32_t slot, const int16_t at[NG_AXIS_COUNT]);

static bool copy_leaf(walk_job *job, const grid_leaf *leaf, uint32_t points, copy_each *each,
                      void *context)
{
    uint8_t order[NGI_GRID_LEAF_MAX];
    copy_order(leaf, points, order);
    for (uint32_t i = 0; i < points; i++) {
        uint32_t from = order[i], slot = leaf->slot[from];
        const int16_t at[NG_AXIS_COUNT] = {leaf->at[0][from], leaf->at[1][from], leaf->at[2][from]};
        if ((!job->filtered || walk_passes(job, slot)) && !each(context, slot, at))
            return false;
    }
    return walk_goes_on(job, 1);
}

/* The leaves of a node of level 1, or its children on the stack, the first on top. */
static bool copy_node(walk_job *job, const grid_node *node, uint32_t *stack, unsigned *height,
                      copy_each *each, void *context)
{
    for (unsigned lane = node->count; node->level > 1 && lane-- > 0;)
        stack[(*height)++] = node->child[lane];
    for (unsigned lane = 0; node->level == 1 && lane < node->count; lane++)
        if (!copy_leaf(job, grid_leaf_at(job->grid, node->child[lane]), node->points[lane], each,
                       context))
            return false;
    return true;
}

void ngi_grid_copy(ngi_grid *grid, const ngi_grid_tree *tree, ngi_grid_search *search,
                   bool (*each)(void *context, uint32_t slot, const int16_t at[NG_AXIS_COUNT]),
                   void *context)
{
    walk_job job;
    unsigned slot, height = 0;
    uint32_t stack[WALK_STACK];
    uint32_t root = walk_begin(&job, grid, tree, search, &slot);
    if (root != 0)
        stack[height++] = root;
    while (height > 0 &&
           copy_node(&job, grid_node_at(grid, stack[--height]), stack, &height, each, context)) {
    }
    ngi_epoch_leave(grid->epoch, slot);
}

void ngi_grid_report(const ngi_grid_search *search)
{
    const ngi_metric *metric = &search->metric;
    if (metric->kind == NG_METRIC_EUCLIDEAN) {
        ngi_grid_kernels_best()->report(search->hits, search->count, metric->steps);
        return;
    }
    for (size_t i = 0; i < search->count; i++) {
        ng_hit hit = {.id = search->hits[i].slot,
                      .distance = ngi_metric_distance(metric, search->hits[i].value)};
        memcpy(&search->hits[i], &hit, sizeof hit);
    }
}
