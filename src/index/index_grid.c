/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The memory of the spatial trees: blocks, what was let go of, roots, and their verification. */
#include "index/index_grid_private.h"

#include <assert.h>
#include <string.h>

#define FETCH_AHEAD 4u      /* changes between fetching a node, its leaf, and changing them */
#define CACHE_LINE 64u      /* bytes */
#define RECLAIM_BLOCKS 256u /* looking at every reader costs as much as a search */

/* --- life ------------------------------------------------------------------------------------ */

static ng_status grid_arena_init(grid_arena *arena, ngi_grid *grid, size_t block_bytes,
                                 uint64_t blocks, const char *what)
{
    arena->end = 1;
    return ngi_table_init(&arena->table, grid->os, grid->mem, block_bytes, (size_t)blocks + 1,
                          what);
}

static void grid_arena_release(ngi_mem *mem, grid_arena *arena)
{
    ngi_buffer_release(mem, &arena->young);
    ngi_buffer_release(mem, &arena->old);
    ngi_buffer_release(mem, &arena->free);
    ngi_table_release(&arena->table);
}

/* Two neighbouring leaves hold more than 40 points, or they would be one; besides, old ones are kept
 * until searches have left them. */
static uint64_t grid_leaves_max(uint64_t max_points)
{
    uint64_t leaves = max_points / 8 + 65536;
    return leaves < GRID_LEAF_BIT ? leaves : GRID_LEAF_BIT - 1;
}

ng_status ngi_grid_create(ngi_os *os, ngi_mem *mem, uint64_t max_points, ngi_grid **out)
{
    void *block;
    ng_status status = ngi_alloc(mem, sizeof(ngi_grid), "spatial index", &block);
    if (status != NG_OK)
        return status;
    ngi_grid *grid = block;
    uint64_t leaves = grid_leaves_max(max_points);
    *grid = (ngi_grid){.os = os, .mem = mem, .kernels = ngi_grid_kernels_best(), .op = 1};
    NGI_TRY(grid_arena_init(&grid->leaves, grid, sizeof(grid_leaf), leaves, "spatial index"));
    NGI_TRY(grid_arena_init(&grid->nodes, grid, sizeof(grid_node), leaves / 4, "spatial index"));
    NGI_TRY(ngi_epoch_create(mem, &grid->epoch));
    *out = grid;
out:
    if (status != NG_OK)
        ngi_grid_destroy(grid);
    return status;
}

void ngi_grid_destroy(ngi_grid *grid)
{
    if (grid == NULL)
        return;
    ngi_epoch_destroy(grid->epoch);
    grid_arena_release(grid->mem, &grid->nodes);
    grid_arena_release(grid->mem, &grid->leaves);
    ngi_buffer_release(grid->mem, &grid->order);
    ngi_buffer_release(grid->mem, &grid->events);
    ngi_free(grid->mem, grid, sizeof *grid);
}

uint64_t ngi_grid_tree_bytes(const ngi_grid_tree *tree)
{
    return (uint64_t)tree->leaf_count * sizeof(grid_leaf) +
           (uint64_t)tree->node_count * sizeof(grid_node);
}

/* --- blocks ---------------------------------------------------------------------------------- */

static size_t list_count(const ngi_buffer *list)
{
    return list->bytes / sizeof(uint32_t);
}

static void list_push(ngi_buffer *list, uint32_t block)
{
    assert(list->bytes < list->capacity_bytes);
    memcpy(list->data + list->bytes, &block, sizeof block);
    list->bytes += sizeof block;
}

static uint32_t list_pop(ngi_buffer *list)
{
    uint32_t block;
    list->bytes -= sizeof block;
    memcpy(&block, list->data + list->bytes, sizeof block);
    return block;
}

static grid_arena *grid_arena_of(ngi_grid *grid, bool leaves)
{
    return leaves ? &grid->leaves : &grid->nodes;
}

static void list_move(ngi_buffer *to, ngi_buffer *from)
{
    if (from->bytes > 0)
        memcpy(to->data + to->bytes, from->data, from->bytes);
    to->bytes += from->bytes;
    from->bytes = 0;
}

/* What no search can reach any more becomes free. While there is one that can reach the young, those
 * become old, if there are no others to wait for. */
static void grid_reclaim(ngi_grid *grid, grid_arena *arena, uint64_t oldest)
{
    if (arena->old_stamp < oldest)
        list_move(&arena->free, &arena->old);
    if (grid->op - 1 < oldest) {
        list_move(&arena->free, &arena->young);
    } else if (arena->old.bytes == 0) {
        list_move(&arena->old, &arena->young);
        arena->old_stamp = grid->op - 1;
    }
}

void ngi_grid_begin(ngi_grid *grid)
{
    grid->leaves.reserved = grid->nodes.reserved = 0;
    grid->events_reserved = 0;
    grid->events.bytes = 0;
    if (list_count(&grid->leaves.young) + list_count(&grid->nodes.young) < RECLAIM_BLOCKS)
        return;
    uint64_t oldest = ngi_epoch_oldest(grid->epoch);
    grid_reclaim(grid, &grid->leaves, oldest);
    grid_reclaim(grid, &grid->nodes, oldest);
}

static ng_status grid_list_reserve(ngi_mem *mem, ngi_buffer *list, size_t blocks)
{
    size_t bytes = blocks * sizeof(uint32_t);
    if (bytes <= list->capacity_bytes)
        return NG_OK;
    return ngi_buffer_reserve(mem, list, bytes - list->bytes, "spatial index");
}

static ng_status grid_arena_reserve(ngi_mem *mem, grid_arena *arena, uint64_t blocks)
{
    uint64_t wanted = arena->reserved + blocks;
    ng_status status = NG_OK;
    if (wanted > list_count(&arena->free)) {
        size_t end = (size_t)(arena->end + (wanted - list_count(&arena->free)));
        NGI_TRY(ngi_table_reserve(&arena->table, end));
        NGI_TRY(grid_list_reserve(mem, &arena->young, end));
        NGI_TRY(grid_list_reserve(mem, &arena->old, end));
        NGI_TRY(grid_list_reserve(mem, &arena->free, end));
    }
    arena->reserved = wanted;
out:
    return status;
}

ng_status ngi_grid_reserve_blocks(ngi_grid *grid, uint64_t leaves, uint64_t nodes)
{
    ng_status status = grid_arena_reserve(grid->mem, &grid->leaves, leaves);
    if (status != NG_OK)
        return status;
    status = grid_arena_reserve(grid->mem, &grid->nodes, nodes);
    if (status != NG_OK)
        grid->leaves.reserved -= leaves;
    return status;
}

static unsigned grid_level(const ngi_grid *grid, uint32_t handle)
{
    return handle == 0 ? 0 : grid_node_at(grid, handle)->level;
}

/* Each change may be two events; `order` has two keys for each. */
static ng_status grid_reserve_events(ngi_grid *grid, size_t changes)
{
    size_t events = grid->events_reserved + 2 * changes;
    ng_status status = ngi_buffer_reserve(grid->mem, &grid->events, events * sizeof(grid_event),
                                          "changes in space");
    if (status == NG_OK)
        status = ngi_buffer_reserve(grid->mem, &grid->order, 2 * events * sizeof(uint64_t),
                                    "changes in space");
    if (status == NG_OK)
        grid->events_reserved = events;
    return status;
}

static uint64_t grid_least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* An op copies each block it finds once at most, and a change takes two ways. Every leaf that was there
 * may be full and split by one point more; others began with at most 40 points (after a merge; 33
 * after a split), and take nine before they split. Likewise for nodes, which began with at most 12
 * children; and a tree may grow by some levels. */
ng_status ngi_grid_reserve(ngi_grid *grid, const ngi_grid_tree *tree, size_t changes)
{
    uint64_t level = grid_level(grid, (uint32_t)tree->next_root);
    uint64_t leaves = tree->leaf_count, nodes = tree->node_count;
    uint64_t leaf_splits = grid_least(changes, leaves + changes / 8 + 1);
    uint64_t node_splits =
        grid_least(changes + changes / 4, nodes + nodes / 4 + leaf_splits / 4) + GRID_DEPTH_MAX;
    ng_status status = grid_reserve_events(grid, changes);
    if (status != NG_OK)
        return status;
    return ngi_grid_reserve_blocks(grid, grid_least(2 * changes, leaves) + leaf_splits + 1,
                                   grid_least(2 * level * changes, nodes) + node_splits);
}

static uint32_t grid_take(grid_arena *arena)
{
    if (NGI_UNLIKELY(arena->reserved == 0))
        return 0;
    arena->reserved--;
    return arena->free.bytes > 0 ? list_pop(&arena->free) : arena->end++;
}

uint32_t ngi_grid_leaf_new(ngi_grid *grid, ngi_grid_tree *tree)
{
    uint32_t block = grid_take(&grid->leaves);
    if (NGI_UNLIKELY(block == 0))
        return 0;
    grid_leaf_at(grid, block)->stamp = grid->op;
    tree->leaf_count++;
    return block | GRID_LEAF_BIT;
}

void ngi_grid_leaf_soon(const ngi_grid *grid)
{
    const grid_arena *arena = &grid->leaves;
    uint32_t block = arena->end;
    if (arena->free.bytes > 0)
        memcpy(&block, arena->free.data + arena->free.bytes - sizeof block, sizeof block);
    const char *leaf = (const char *)grid_leaf_at(grid, block);
    for (size_t at = 0; at < sizeof(grid_leaf); at += CACHE_LINE)
        __builtin_prefetch(leaf + at, 1);
}

uint32_t ngi_grid_node_new(ngi_grid *grid, ngi_grid_tree *tree)
{
    uint32_t block = grid_take(&grid->nodes);
    if (NGI_UNLIKELY(block == 0))
        return 0;
    grid_node_at(grid, block)->stamp = grid->op;
    tree->node_count++;
    return block;
}

void ngi_grid_let_go(ngi_grid *grid, ngi_grid_tree *tree, uint32_t handle)
{
    bool leaves = grid_is_leaf(handle);
    list_push(&grid_arena_of(grid, leaves)->young, handle & ~GRID_LEAF_BIT);
    if (leaves)
        tree->leaf_count--;
    else
        tree->node_count--;
}

void ngi_grid_let_go_all(ngi_grid *grid, ngi_grid_tree *tree, uint32_t handle)
{
    uint32_t stack[GRID_DEPTH_MAX * NGI_GRID_FANOUT];
    unsigned height = 0;
    if (handle != 0)
        stack[height++] = handle;
    while (height > 0) {
        uint32_t next = stack[--height];
        if (!grid_is_leaf(next)) {
            const grid_node *node = grid_node_at(grid, next);
            for (unsigned i = 0; i < node->count; i++)
                stack[height++] = node->child[i];
        }
        ngi_grid_let_go(grid, tree, next);
    }
}

/* --- roots ----------------------------------------------------------------------------------- */

void ngi_grid_mark_changed(ngi_grid *grid, ngi_grid_tree *tree)
{
    if (tree->changed)
        return;
    tree->changed = true;
    tree->next_changed = grid->changed;
    grid->changed = tree;
}

void ngi_grid_show(ngi_grid *grid)
{
    if (grid->changed == NULL)
        return;
    for (ngi_grid_tree *tree = grid->changed; tree != NULL;) {
        ngi_grid_tree *next = tree->next_changed;
        atomic_store_explicit(&tree->root, tree->next_root, memory_order_release);
        tree->changed = false;
        tree->next_changed = NULL;
        tree = next;
    }
    grid->changed = NULL;
    /* The number of an op is that of the epoch it ends. */
    grid->op = ngi_epoch_advance(grid->epoch) + 1;
}

void ngi_grid_clear(ngi_grid *grid, ngi_grid_tree *tree)
{
    ngi_grid_let_go_all(grid, tree, (uint32_t)tree->next_root);
    tree->next_root = 0;
    tree->count = 0;
    ngi_grid_mark_changed(grid, tree);
    ngi_grid_show(grid);
}

/* --- an op ----------------------------------------------------------------------------------- */

static ng_status grid_note(ngi_grid *grid, ngi_grid_tree *tree, uint32_t slot, const int16_t *at,
                           bool comes)
{
    size_t index = grid->events.bytes / sizeof(grid_event);
    if (NGI_UNLIKELY(index >= grid->events_reserved))
        return ngi_fail(NG_E_INTERNAL, "grid: no room was made for token %u", slot);
    grid_event *event = (grid_event *)(void *)grid->events.data + index;
    *event = (grid_event){.code = grid_code(at[0], at[1], at[2]),
                          .slot = slot,
                          .next = tree->first_event,
                          .at = {at[0], at[1], at[2]},
                          .comes = comes};
    grid->events.bytes += sizeof *event;
    tree->first_event = (uint32_t)index + 1;
    tree->event_count++;
    return NG_OK;
}

ng_status ngi_grid_put(ngi_grid *grid, ngi_grid_tree *tree, uint32_t slot, const int16_t *old_at,
                       const int16_t *new_at)
{
    ng_status status = NG_OK;
    if (old_at != NULL && new_at != NULL && memcmp(old_at, new_at, 3 * sizeof *new_at) == 0)
        return NG_OK; /* so no point comes where another event of the op takes it away */
    ngi_grid_mark_changed(grid, tree);
    if (old_at != NULL)
        status = grid_note(grid, tree, slot, old_at, false);
    if (status == NG_OK && new_at != NULL)
        status = grid_note(grid, tree, slot, new_at, true);
    return status;
}

/* Sorts `count` keys by their upper half, in three passes; `spare` is as large. */
static uint64_t *grid_sort_keys(uint64_t *keys, uint64_t *spare, size_t count)
{
    for (unsigned shift = 32; shift < 56; shift += 8) {
        uint32_t starts[257] = {0};
        for (size_t i = 0; i < count; i++)
            starts[(keys[i] >> shift & 0xFF) + 1]++;
        for (unsigned digit = 1; digit < 256; digit++)
            starts[digit] += starts[digit - 1];
        for (size_t i = 0; i < count; i++)
            spare[starts[keys[i] >> shift & 0xFF]++] = keys[i];
        uint64_t *sorted = spare;
        spare = keys;
        keys = sorted;
    }
    return keys;
}

/* The events of a tree, ordered by the 24 bits of the code from the highest one that differs: enough
 * to find neighbours together, which is all that the order is for. */
static const uint64_t *grid_order_events(const ngi_grid *grid, const ngi_grid_tree *tree)
{
    const grid_event *events = (const grid_event *)(const void *)grid->events.data;
    uint64_t *keys = (uint64_t *)(void *)grid->order.data;
    uint64_t differs = 0, first = events[tree->first_event - 1].code;
    size_t count = 0;
    for (uint32_t next = tree->first_event; next != 0; next = events[next - 1].next)
        differs |= events[next - 1].code ^ first;
    unsigned top = differs == 0 ? 0 : 63u - (unsigned)__builtin_clzll(differs);
    unsigned shift = top < 24 ? 0 : top - 23;
    for (uint32_t next = tree->first_event; next != 0; next = events[next - 1].next)
        keys[count++] = (events[next - 1].code >> shift & 0xFFFFFF) << 32 | (next - 1);
    return count <= 4 ? keys : grid_sort_keys(keys, keys + count, count);
}

ng_status ngi_grid_publish(ngi_grid *grid)
{
    const grid_event *events = (const grid_event *)(const void *)grid->events.data;
    ng_status status = NG_OK;
    for (ngi_grid_tree *tree = grid->changed; tree != NULL; tree = tree->next_changed) {
        if (tree->event_count == 0)
            continue;
        const uint64_t *order = grid_order_events(grid, tree);
        uint32_t fetched[FETCH_AHEAD] = {0}; /* nodes of the next changes */
        for (uint32_t i = 0; i < tree->event_count && status == NG_OK; i++) {
            const grid_event *event = &events[order[i] & UINT32_MAX];
            uint32_t *node = &fetched[i % FETCH_AHEAD];
            if (i + FETCH_AHEAD < tree->event_count)
                ngi_grid_fetch_leaf(grid, *node, &events[order[i + FETCH_AHEAD] & UINT32_MAX]);
            if (i + 2 * FETCH_AHEAD < tree->event_count)
                *node = ngi_grid_fetch_node(grid, tree,
                                            &events[order[i + 2 * FETCH_AHEAD] & UINT32_MAX]);
            if (NGI_UNLIKELY(!ngi_grid_change(grid, tree, event)))
                status = ngi_fail(NG_E_INTERNAL, "grid: token %u is not where it should be",
                                  event->slot);
        }
        tree->first_event = tree->event_count = 0;
    }
    grid->events.bytes = 0;
    ngi_grid_show(grid);
    return status;
}

uint64_t ngi_grid_place(const int16_t at[NG_AXIS_COUNT])
{
    return grid_code(at[0], at[1], at[2]);
}

/* --- what a lane says ------------------------------------------------------------------------ */

void ngi_grid_blank(grid_node *node, unsigned count)
{
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        for (unsigned i = count; i < NGI_GRID_FANOUT; i++) {
            node->boxes.low[axis][i] = INT16_MAX;
            node->boxes.high[axis][i] = -INT16_MAX;
        }
    }
    for (unsigned i = count; i < NGI_GRID_FANOUT; i++)
        node->key_code[i] = UINT64_MAX;
}

static void grid_describe_leaf(const grid_leaf *leaf, grid_node *node, unsigned lane)
{
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int16_t low = INT16_MAX, high = -INT16_MAX;
        for (uint32_t i = 0; i < leaf->count; i++) {
            int16_t at = leaf->at[axis][i];
            low = at < low ? at : low;
            high = at > high ? at : high;
        }
        node->boxes.low[axis][lane] = low;
        node->boxes.high[axis][lane] = high;
    }
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < leaf->count; i++)
        least = leaf->slot[i] < least ? leaf->slot[i] : least;
    node->least[lane] = least;
    node->points[lane] = leaf->count;
}

static void grid_describe_node(const grid_node *below, grid_node *node, unsigned lane)
{
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int16_t low = INT16_MAX, high = -INT16_MAX;
        for (unsigned i = 0; i < NGI_GRID_FANOUT; i++) {
            low = below->boxes.low[axis][i] < low ? below->boxes.low[axis][i] : low;
            high = below->boxes.high[axis][i] > high ? below->boxes.high[axis][i] : high;
        }
        node->boxes.low[axis][lane] = low;
        node->boxes.high[axis][lane] = high;
    }
    uint32_t least = UINT32_MAX, points = 0;
    for (unsigned i = 0; i < below->count; i++) {
        least = below->least[i] < least ? below->least[i] : least;
        points += below->points[i];
    }
    node->least[lane] = least;
    node->points[lane] = points;
}

void ngi_grid_describe(const ngi_grid *grid, grid_node *node, unsigned lane, uint32_t handle)
{
    node->child[lane] = handle;
    if (grid_is_leaf(handle))
        grid_describe_leaf(grid_leaf_at(grid, handle), node, lane);
    else
        grid_describe_node(grid_node_at(grid, handle), node, lane);
}

/* --- statistics and verification ------------------------------------------------------------- */

void ngi_grid_stats_get(ngi_grid *grid, const ngi_grid_tree *tree, ngi_grid_stats *out)
{
    *out = (ngi_grid_stats){0};
    unsigned slot = ngi_epoch_enter(grid->epoch);
    uint32_t stack[GRID_DEPTH_MAX * NGI_GRID_FANOUT];
    unsigned height = 0;
    uint32_t root = (uint32_t)atomic_load_explicit(&tree->root, memory_order_acquire);
    grid_node whole;
    if (root != 0) {
        ngi_grid_describe(grid, &whole, 0, root);
        out->points = whole.points[0];
        out->depth = grid_level(grid, root) + 1;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            out->low[axis] = whole.boxes.low[axis][0];
            out->high[axis] = whole.boxes.high[axis][0];
        }
        stack[height++] = root;
    }
    while (height > 0) {
        const grid_node *node = grid_node_at(grid, stack[--height]);
        out->nodes++;
        if (node->level == 1)
            out->leaves += node->count;
        else
            for (unsigned i = 0; i < node->count; i++)
                stack[height++] = node->child[i];
    }
    out->capacity = out->leaves * NGI_GRID_LEAF_MAX;
    out->bytes = out->leaves * sizeof(grid_leaf) + out->nodes * sizeof(grid_node);
    ngi_epoch_leave(grid->epoch, slot);
}

void ngi_grid_each(const ngi_grid *grid, const ngi_grid_tree *tree,
                   bool (*each)(void *context, uint32_t slot, const int16_t at[NG_AXIS_COUNT]),
                   void *context)
{
    uint32_t stack[GRID_DEPTH_MAX * NGI_GRID_FANOUT];
    unsigned height = 0;
    if (tree->next_root != 0)
        stack[height++] = (uint32_t)tree->next_root;
    while (height > 0) {
        uint32_t next = stack[--height];
        if (!grid_is_leaf(next)) {
            const grid_node *node = grid_node_at(grid, next);
            for (unsigned i = 0; i < node->count; i++)
                stack[height++] = node->child[i];
            continue;
        }
        const grid_leaf *leaf = grid_leaf_at(grid, next);
        for (uint32_t i = 0; i < leaf->count; i++) {
            const int16_t at[NG_AXIS_COUNT] = {leaf->at[0][i], leaf->at[1][i], leaf->at[2][i]};
            if (!each(context, leaf->slot[i], at))
                return;
        }
    }
}

typedef struct grid_check_frame {
    uint32_t handle;
    uint32_t level; /* that it should have */
    bool has_from, has_to;
    grid_key from, to;
} grid_check_frame;

static ng_status grid_broken(const char *what, uint32_t handle)
{
    return ngi_fail(NG_E_INTERNAL, "grid: %s at block %u", what, handle & ~GRID_LEAF_BIT);
}

static bool grid_lane_equals(const grid_node *node, unsigned lane, const grid_node *wanted)
{
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        if (node->boxes.low[axis][lane] != wanted->boxes.low[axis][0] ||
            node->boxes.high[axis][lane] != wanted->boxes.high[axis][0])
            return false;
    }
    return node->points[lane] == wanted->points[0] && node->least[lane] <= wanted->least[0];
}

static ng_status grid_check_leaf(const grid_leaf *leaf, const grid_check_frame *frame)
{
    if (leaf->count == 0 || leaf->count > NGI_GRID_LEAF_MAX)
        return grid_broken("an empty or overfull leaf", frame->handle);
    for (uint32_t i = 0; i < leaf->count; i++) {
        grid_key key = grid_leaf_key(leaf, i);
        if ((frame->has_from && grid_key_before(key, frame->from)) ||
            (frame->has_to && !grid_key_before(key, frame->to)))
            return grid_broken("a point outside of its range", frame->handle);
    }
    return NG_OK;
}

static ng_status grid_check_node(const ngi_grid *grid, const grid_check_frame *frame,
                                 grid_check_frame *stack, unsigned *height)
{
    const grid_node *node = grid_node_at(grid, frame->handle);
    if (node->level != frame->level || node->level == 0)
        return grid_broken("a wrong level", frame->handle);
    if (node->count == 0 || node->count > NGI_GRID_FANOUT)
        return grid_broken("an empty or overfull node", frame->handle);
    for (unsigned i = 0; i < node->count; i++) {
        grid_node wanted;
        if (node->child[i] == 0 || grid_is_leaf(node->child[i]) != (node->level == 1))
            return grid_broken("a child of the wrong kind", frame->handle);
        ngi_grid_describe(grid, &wanted, 0, node->child[i]);
        if (!grid_lane_equals(node, i, &wanted))
            return grid_broken("a lane that does not describe its child", frame->handle);
        grid_check_frame *below = &stack[(*height)++];
        *below = *frame;
        below->handle = node->child[i];
        below->level = frame->level - 1;
        if (i > 0) {
            below->has_from = true;
            below->from = (grid_key){node->key_code[i], node->key_slot[i]};
        }
        if (i + 1u < node->count) {
            below->has_to = true;
            below->to = (grid_key){node->key_code[i + 1], node->key_slot[i + 1]};
        }
    }
    for (unsigned i = node->count; i < NGI_GRID_FANOUT; i++)
        if (node->boxes.low[0][i] != INT16_MAX || node->boxes.high[0][i] != -INT16_MAX ||
            node->key_code[i] != UINT64_MAX)
            return grid_broken("a lane that is not blank", frame->handle);
    return NG_OK;
}

ng_status ngi_grid_check(const ngi_grid *grid, const ngi_grid_tree *tree)
{
    grid_check_frame stack[GRID_DEPTH_MAX * NGI_GRID_FANOUT];
    unsigned height = 0;
    uint64_t points = 0, leaves = 0, nodes = 0;
    uint32_t root = (uint32_t)tree->next_root;
    ng_status status = NG_OK;
    if (root != 0)
        stack[height++] = (grid_check_frame){.handle = root, .level = grid_level(grid, root)};
    if (root != 0 && grid_level(grid, root) > 1 && grid_node_at(grid, root)->count < 2)
        return grid_broken("a root with one child", root);
    while (height > 0 && status == NG_OK) {
        grid_check_frame frame = stack[--height];
        if (!grid_is_leaf(frame.handle)) {
            nodes++;
            status = grid_check_node(grid, &frame, stack, &height);
            continue;
        }
        const grid_leaf *leaf = grid_leaf_at(grid, frame.handle);
        leaves++;
        points += leaf->count;
        status = frame.level == 0 ? grid_check_leaf(leaf, &frame)
                                  : grid_broken("a leaf at the wrong level", frame.handle);
    }
    if (status == NG_OK &&
        (points != tree->count || leaves != tree->leaf_count || nodes != tree->node_count))
        status = ngi_fail(NG_E_INTERNAL,
                          "grid: %llu points in %llu leaves and %llu nodes, counted %llu, %u, %u",
                          (unsigned long long)points, (unsigned long long)leaves,
                          (unsigned long long)nodes, (unsigned long long)tree->count,
                          tree->leaf_count, tree->node_count);
    return status;
}
