/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A whole tree at once, from points in any order: sorted by code, cut into leaves, and nodes above
 * them level by level. */
#include "index/index_grid_private.h"

#include <string.h>

#define DIGIT_BITS 12u /* counters of a pass that stay in the first-level cache */
#define DIGITS (1u << DIGIT_BITS)
#define CODE_BITS 48u
#define LEAF_FILL_MIN 36u /* a leaf is cut between these and all it can hold: room for what comes */
#define NODE_FILL_MIN 12u

/* A point while it is sorted: the code says where it is, so nothing else needs to be moved. */
typedef struct build_item {
    uint64_t code;
    uint32_t slot;
    uint32_t child; /* of the levels above: a block, whose first key this is */
} build_item;

static uint64_t build_compact(uint64_t bits)
{
    bits &= UINT64_C(0x1249249249249249);
    bits = (bits ^ bits >> 2) & UINT64_C(0x10C30C30C30C30C3);
    bits = (bits ^ bits >> 4) & UINT64_C(0x100F00F00F00F00F);
    bits = (bits ^ bits >> 8) & UINT64_C(0x001F0000FF0000FF);
    bits = (bits ^ bits >> 16) & UINT64_C(0x001F00000000FFFF);
    return (bits ^ bits >> 32) & 0xFFFF;
}

static int16_t build_axis(uint64_t code, unsigned axis)
{
    return (int16_t)((uint16_t)build_compact(code >> (2 - axis)) ^ 0x8000u);
}

/* --- sorting --------------------------------------------------------------------------------- */

/* By slot first, which a list of tokens usually is already; equal codes keep that order. */
static bool build_slots_ascend(const ngi_grid_point *points, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (points[i - 1].slot > points[i].slot)
            return false;
    return true;
}

static uint64_t build_key_of(const build_item *item, bool by_slot)
{
    return by_slot ? item->slot : item->code;
}

/* Passes from the lowest digit up; digits in which all agree are passed over. `*items` and `*spare`
 * change places. */
static void build_sort(build_item **items, build_item **spare, size_t count, bool by_slot)
{
    uint64_t all = 0, first = build_key_of(&(*items)[0], by_slot);
    for (size_t i = 1; i < count; i++)
        all |= first ^ build_key_of(&(*items)[i], by_slot);
    for (unsigned shift = 0; shift < CODE_BITS; shift += DIGIT_BITS) {
        uint32_t counts[DIGITS] = {0};
        build_item *from = *items, *to = *spare;
        if ((all >> shift & (DIGITS - 1)) == 0)
            continue;
        for (size_t i = 0; i < count; i++)
            counts[build_key_of(&from[i], by_slot) >> shift & (DIGITS - 1)]++;
        uint32_t sum = 0;
        for (unsigned digit = 0; digit < DIGITS; digit++) {
            uint32_t own = counts[digit];
            counts[digit] = sum;
            sum += own;
        }
        for (size_t i = 0; i < count; i++)
            to[counts[build_key_of(&from[i], by_slot) >> shift & (DIGITS - 1)]++] = from[i];
        *items = to;
        *spare = from;
    }
}

/* --- cutting --------------------------------------------------------------------------------- */

/* How many of the next items make a block: where neighbouring codes differ in the highest bit. */
static size_t build_cut(const build_item *items, size_t left, size_t least, size_t most)
{
    if (left <= most)
        return left;
    size_t best = most;
    uint64_t widest = 0;
    /* what remains must be enough for a block of its own */
    size_t last = left - most < least ? left - least : most;
    for (size_t cut = last; cut >= least && cut > 0; cut--) {
        uint64_t differs = items[cut - 1].code ^ items[cut].code;
        if (cut == last || (differs > widest && (differs ^ widest) > widest)) {
            widest = differs;
            best = cut;
        }
    }
    return best;
}

static void build_fill_leaf(grid_leaf *leaf, const build_item *items, size_t count)
{
    leaf->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++)
            leaf->at[axis][i] = build_axis(items[i].code, axis);
        leaf->slot[i] = items[i].slot;
    }
}

static void build_fill_node(const ngi_grid *grid, grid_node *node, const build_item *items,
                            size_t count, unsigned level)
{
    node->level = (uint16_t)level;
    node->count = (uint16_t)count;
    ngi_grid_blank(node, (unsigned)count);
    for (unsigned i = 0; i < count; i++) {
        node->key_code[i] = items[i].code;
        node->key_slot[i] = items[i].slot;
        ngi_grid_describe(grid, node, i, items[i].child);
    }
}

/* One level: blocks of what is in `items`, which are then replaced by one item a block. */
static size_t build_level(ngi_grid *grid, ngi_grid_tree *tree, build_item *items, size_t count,
                          unsigned level)
{
    size_t made = 0;
    for (size_t at = 0; at < count;) {
        build_item first = items[at];
        size_t taken = level == 0
                           ? build_cut(items + at, count - at, LEAF_FILL_MIN, NGI_GRID_LEAF_MAX)
                           : build_cut(items + at, count - at, NODE_FILL_MIN, NGI_GRID_FANOUT);
        if (level == 0) {
            first.child = ngi_grid_leaf_new(grid, tree);
            build_fill_leaf(grid_leaf_at(grid, first.child), items + at, taken);
        } else {
            uint32_t node = ngi_grid_node_new(grid, tree);
            build_fill_node(grid, grid_node_at(grid, node), items + at, taken, level);
            first.child = node;
        }
        at += taken;
        items[made++] = first;
    }
    return made;
}

/* --- the whole ------------------------------------------------------------------------------- */

static void build_make(ngi_grid *grid, ngi_grid_tree *tree, build_item *items, size_t count)
{
    ngi_grid_let_go_all(grid, tree, (uint32_t)tree->next_root);
    tree->count = count;
    tree->next_root = 0;
    size_t blocks = count;
    for (unsigned level = 0; blocks > 1 || (level <= 1 && blocks > 0); level++)
        blocks = build_level(grid, tree, items, blocks, level);
    if (blocks > 0)
        tree->next_root = items[0].child;
    ngi_grid_mark_changed(grid, tree);
    ngi_grid_show(grid);
}

ng_status ngi_grid_build(ngi_grid *grid, ngi_grid_tree *tree, ngi_grid_point *points, size_t count)
{
    void *block;
    ng_status status = NG_OK;
    ngi_grid_begin(grid);
    NGI_TRY(
        ngi_grid_reserve_blocks(grid, count / LEAF_FILL_MIN + 2,
                                count / (LEAF_FILL_MIN * (NODE_FILL_MIN - 1)) + GRID_DEPTH_MAX));
    size_t bytes = 2 * (count + 1) * sizeof(build_item);
    NGI_TRY(ngi_alloc(grid->mem, bytes, "points to be indexed", &block));
    build_item *items = block, *spare = items + count + 1;
    for (size_t i = 0; i < count; i++)
        items[i] =
            (build_item){.code = grid_code(points[i].at[0], points[i].at[1], points[i].at[2]),
                         .slot = points[i].slot};
    if (count > 1 && !build_slots_ascend(points, count))
        build_sort(&items, &spare, count, true);
    if (count > 1)
        build_sort(&items, &spare, count, false);
    build_make(grid, tree, items, count);
    ngi_free(grid->mem, block, bytes);
out:
    return status;
}
