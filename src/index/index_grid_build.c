/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A whole tree at once, from points in any order: sorted by code, cut into leaves, and nodes above
 * them level by level.
 *
 * What sorting costs is moving through memory, so the points do that once there and once back:
 *
 *   points -> spare    into buckets, by the highest bits of the code in which any two points differ
 *   spare -> points    a bucket at a time: as keys of 64 bits, (code, index in the bucket), which are
 *                      sorted in the cache by digits and then by insertion
 *
 * A bucket that is too large for keys goes into buckets of its own, by the bits in which its points
 * differ. Bits that all points have in common are left out of codes: with them, the buckets of points
 * on a plane would be too few. Measured against sorting by digits alone, four passes over all: 1.9
 * times as fast for uniform and clustered points, and no slower for any of bench_points.h. */
#include "index/index_grid_private.h"

#include <string.h>

#define CODE_BITS 48u
#define BUCKET_BITS_MAX 10u      /* as many lines are written to by turns; 12: a tenth slower */
#define BUCKET_LEAST_BITS 6u     /* no more buckets than one for 64 points */
#define BUCKET_POINTS_MAX 16384u /* that are sorted as keys: in the second-level cache */
#define INDEX_BITS 14u           /* of one of them */
#define DIGIT_BITS_MAX 11u /* counters that leave the keys some room in the first-level cache */
#define FEW 12u            /* keys that are faster sorted by insertion alone */
#define MOVES 8u           /* of a key, after which sorting by digits would have been faster */
#define LEAF_FILL_MIN 36u /* a leaf is cut between these and all it can hold: room for what comes */
#define NODE_FILL_MIN 12u

_Static_assert(1u << INDEX_BITS == BUCKET_POINTS_MAX && CODE_BITS + INDEX_BITS <= 64,
               "a key is a code and an index");

/* Neighbours in the sequence of points, in one of the two arrays. */
typedef struct build_range {
    uint32_t begin, count; /* slots have 32 bits, and so have numbers of points */
    bool is_spare;         /* in `spare`, not in `points` */
} build_range;

typedef struct build_sorter {
    ngi_grid_point *points, *spare; /* [count] */
    uint16_t *buckets;              /* [count]: where those of the range at hand go */
    uint64_t *keys[2];              /* [BUCKET_POINTS_MAX], or [count] if that is less */
    ngi_grid_point *copy;           /* as many */
    build_range *ranges; /* a stack, [count / BUCKET_POINTS_MAX]: they are disjoint, and larger */
    size_t range_count;
    uint32_t count;
    bool by_slot;      /* instead of by code */
    uint64_t differs;  /* the bits of a code in which any two of all points differ */
    unsigned low_bits; /* how many of them come from the low bytes of coordinates */
    /* What a byte of a coordinate is of those bits: codes[0] of low bytes, codes[1] of high ones. */
    uint32_t codes[2][NG_AXIS_COUNT][256];
} build_sorter;

/* --- codes ----------------------------------------------------------------------------------- */

static ngi_grid_point *build_points_of(const build_sorter *sorter, const build_range *range)
{
    return (range->is_spare ? sorter->spare : sorter->points) + range->begin;
}

/* How many bits a value has. */
static unsigned build_bits(uint64_t value)
{
    return value == 0 ? 0 : 64u - (unsigned)__builtin_clzll(value);
}

static unsigned build_least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* The bits of `code` that are set in `mask`, moved together. */
static uint64_t build_pick(uint64_t code, uint64_t mask)
{
    uint64_t picked = 0;
    for (unsigned to = 0; mask != 0; mask &= mask - 1, to++)
        picked |= (uint64_t)((code & mask & (~mask + 1)) != 0) << to;
    return picked;
}

/* `flip`: the sign, whose order is that of a code when it is the other way round. */
static void build_table_fill(uint32_t table[256], unsigned axis, unsigned flip, uint64_t mask)
{
    table[flip] = 0;
    for (unsigned byte = 1; byte < 256; byte++) {
        unsigned rest = byte & (byte - 1);
        table[byte ^ flip] = rest == 0 ? (uint32_t)build_pick(grid_spread(byte) << (2 - axis), mask)
                                       : table[rest ^ flip] | table[byte ^ rest ^ flip];
    }
}

static void build_codes_init(build_sorter *sorter, uint64_t differs)
{
    uint64_t low = differs & ((UINT64_C(1) << CODE_BITS / 2) - 1);
    sorter->differs = differs;
    sorter->low_bits = (unsigned)__builtin_popcountll(low);
    for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++) {
        build_table_fill(sorter->codes[0][axis], axis, 0, low);
        build_table_fill(sorter->codes[1][axis], axis, 0x80, differs >> CODE_BITS / 2);
    }
}

/* What the high bytes (half 1) or the low ones (half 0) are of a code. */
static inline uint64_t build_half(const build_sorter *sorter, unsigned half,
                                  const int16_t at[NG_AXIS_COUNT])
{
    const uint32_t(*codes)[256] = sorter->codes[half];
    return codes[0][(uint16_t)at[0] >> 8 * half & 0xFF] |
           codes[1][(uint16_t)at[1] >> 8 * half & 0xFF] |
           codes[2][(uint16_t)at[2] >> 8 * half & 0xFF];
}

/* The code without the bits that all have in common: in the same order. */
static inline uint64_t build_code(const build_sorter *sorter, const int16_t at[NG_AXIS_COUNT])
{
    return build_half(sorter, 1, at) << sorter->low_bits | build_half(sorter, 0, at);
}

static inline uint64_t build_key(const build_sorter *sorter, const ngi_grid_point *point)
{
    return sorter->by_slot ? point->slot : build_code(sorter, point->at);
}

/* build_key without its `shift` lowest bits: nearly always without the low bytes. */
static inline uint64_t build_key_high(const build_sorter *sorter, const ngi_grid_point *point,
                                      unsigned shift)
{
    if (sorter->by_slot || shift < sorter->low_bits)
        return build_key(sorter, point) >> shift;
    return build_half(sorter, 1, point->at) >> (shift - sorter->low_bits);
}

/* --- sorting --------------------------------------------------------------------------------- */

/* Turns counts into where each begins. */
static void build_sum(uint32_t *counts, size_t count)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t own = counts[i];
        counts[i] = sum;
        sum += own;
    }
}

/* Sorts by the bits [low, high); returns where the result is. */
static uint64_t *build_sort_digits(uint64_t *keys, uint64_t *spare, size_t count, unsigned low,
                                   unsigned high)
{
    uint32_t starts[1u << DIGIT_BITS_MAX];
    unsigned most = build_least(build_bits(count - 1), DIGIT_BITS_MAX);
    unsigned passes = (high - low + most - 1) / most;
    unsigned bits = (high - low + passes - 1) / passes;
    for (; low < high; low += bits) {
        uint64_t mask = (UINT64_C(1) << build_least(bits, high - low)) - 1;
        memset(starts, 0, (mask + 1) * sizeof *starts);
        for (size_t i = 0; i < count; i++)
            starts[keys[i] >> low & mask]++;
        build_sum(starts, mask + 1);
        for (size_t i = 0; i < count; i++)
            spare[starts[keys[i] >> low & mask]++] = keys[i];
        uint64_t *sorted = spare;
        spare = keys;
        keys = sorted;
    }
    return keys;
}

/* Finishes what is nearly in order; false if it is not. Keys of equal code stay in their order. */
static bool build_insert(uint64_t *keys, size_t count, size_t moves)
{
    for (size_t i = 1; i < count; i++) {
        uint64_t key = keys[i];
        size_t at = i;
        for (; at > 0 && keys[at - 1] > key; at--)
            keys[at] = keys[at - 1];
        keys[at] = key;
        if (NGI_UNLIKELY(i - at > moves))
            return false;
        moves -= i - at;
    }
    return true;
}

/* Two digits from the highest bit that differs put nearly all in order; where they do not, all bits
 * are sorted by. */
static uint64_t *build_sort_keys(uint64_t *keys, uint64_t *spare, size_t count, unsigned low,
                                 unsigned high)
{
    if (count <= FEW && build_insert(keys, count, FEW * FEW))
        return keys;
    unsigned two = 2 * build_least(build_bits(count - 1), DIGIT_BITS_MAX);
    unsigned from = high - low > two ? high - two : low;
    uint64_t *sorted = build_sort_digits(keys, spare, count, from, high);
    if (from == low || build_insert(sorted, count, MOVES * count))
        return sorted;
    return build_sort_digits(sorted, sorted == keys ? spare : keys, count, low, high);
}

/* Points of a range that is small enough, from where they are to `points`. */
static void build_sort_bucket(build_sorter *sorter, const build_range *range)
{
    const ngi_grid_point *from = build_points_of(sorter, range);
    ngi_grid_point *to = sorter->points + range->begin;
    uint64_t first = build_key(sorter, from), differs = 0;
    for (size_t i = 0; i < range->count; i++) {
        uint64_t key = build_key(sorter, &from[i]);
        differs |= key ^ first;
        sorter->keys[0][i] = key << INDEX_BITS | i;
    }
    if (!range->is_spare)
        from = memcpy(sorter->copy, from, range->count * sizeof *from);
    const uint64_t *sorted = sorter->keys[0];
    if (differs != 0)
        sorted = build_sort_keys(sorter->keys[0], sorter->keys[1], range->count,
                                 INDEX_BITS + (unsigned)__builtin_ctzll(differs),
                                 INDEX_BITS + build_bits(differs));
    for (size_t i = 0; i < range->count; i++)
        to[i] = from[sorted[i] & (BUCKET_POINTS_MAX - 1)];
}

typedef struct build_difference {
    uint64_t code, slot; /* bits in which any two differ */
    bool slots_ascend;
} build_difference;

static build_difference build_compare(const ngi_grid_point *points, size_t count)
{
    uint32_t slots = 0, descents = 0;
    uint16_t axes[NG_AXIS_COUNT] = {0};
    for (size_t i = 1; i < count; i++) {
        slots |= points[i].slot ^ points[0].slot;
        descents |= points[i - 1].slot > points[i].slot;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            axes[axis] |= (uint16_t)(points[i].at[axis] ^ points[0].at[axis]);
    }
    return (build_difference){grid_spread(axes[0]) << 2 | grid_spread(axes[1]) << 1 |
                                  grid_spread(axes[2]),
                              slots, descents == 0};
}

/* Into buckets in the other array, and from there to where they belong; the large ones are left on the
 * stack. */
static void build_distribute(build_sorter *sorter, const build_range *range, uint64_t differs)
{
    const ngi_grid_point *from = build_points_of(sorter, range);
    ngi_grid_point *to = (range->is_spare ? sorter->points : sorter->spare) + range->begin;
    unsigned bits = build_least(build_bits(range->count >> BUCKET_LEAST_BITS), BUCKET_BITS_MAX);
    unsigned high = build_bits(differs), shift = high > bits ? high - bits : 0;
    uint32_t ends[1u << BUCKET_BITS_MAX] = {0}, mask = (1u << bits) - 1;
    uint16_t *buckets = sorter->buckets;
    for (size_t i = 0; i < range->count; i++)
        ends[buckets[i] = (uint16_t)(build_key_high(sorter, &from[i], shift) & mask)]++;
    build_sum(ends, mask + 1);
    for (size_t i = 0; i < range->count; i++)
        to[ends[buckets[i]]++] = from[i];
    uint32_t at = 0;
    for (size_t bucket = 0; bucket <= mask; bucket++) {
        build_range part = {range->begin + at, ends[bucket] - at, !range->is_spare};
        at = ends[bucket];
        if (part.count > BUCKET_POINTS_MAX)
            sorter->ranges[sorter->range_count++] = part;
        else if (part.count > 0)
            build_sort_bucket(sorter, &part);
    }
}

/* Equal keys stay in their order. */
static void build_sort(build_sorter *sorter, uint64_t differs, bool by_slot)
{
    build_range range = {0, sorter->count, false};
    sorter->by_slot = by_slot;
    sorter->range_count = 0;
    for (;;) {
        if (differs != 0)
            build_distribute(sorter, &range, differs);
        else if (range.is_spare)
            memcpy(sorter->points + range.begin, build_points_of(sorter, &range),
                   range.count * sizeof *sorter->points);
        if (sorter->range_count == 0)
            return;
        range = sorter->ranges[--sorter->range_count];
        build_difference all = build_compare(build_points_of(sorter, &range), range.count);
        differs = by_slot ? all.slot : build_pick(all.code, sorter->differs);
    }
}

/* By slot first, which a list of tokens usually is already; equal codes keep that order. */
static void build_sort_all(build_sorter *sorter)
{
    build_difference all = build_compare(sorter->points, sorter->count);
    if (!all.slots_ascend)
        build_sort(sorter, all.slot, true);
    build_codes_init(sorter, all.code);
    build_sort(sorter, build_pick(all.code, all.code), false);
}

/* --- cutting --------------------------------------------------------------------------------- */

/* A block of the level below, whose first key this is. */
typedef struct build_item {
    uint64_t code;
    uint32_t slot;
    uint32_t child;
} build_item;

/* The most that a block takes of those that are left: what remains must be enough for another. */
static size_t build_cut_last(size_t left, size_t least, size_t most)
{
    return left - most < least ? left - least : most;
}

/* How many of the next points make a leaf: where the codes of neighbours differ in the highest bit. */
static size_t build_leaf_cut(const build_sorter *sorter, const ngi_grid_point *points, size_t left)
{
    if (left <= NGI_GRID_LEAF_MAX)
        return left;
    size_t last = build_cut_last(left, LEAF_FILL_MIN, NGI_GRID_LEAF_MAX);
    size_t best = NGI_GRID_LEAF_MAX;
    unsigned widest = 0;
    for (size_t cut = LEAF_FILL_MIN; cut <= last; cut++) {
        unsigned differs =
            build_bits(build_code(sorter, points[cut - 1].at) ^ build_code(sorter, points[cut].at));
        best = differs >= widest ? cut : best;
        widest = differs >= widest ? differs : widest;
    }
    return best;
}

/* Likewise of the next blocks a node. */
static size_t build_node_cut(const build_item *items, size_t left)
{
    if (left <= NGI_GRID_FANOUT)
        return left;
    size_t last = build_cut_last(left, NODE_FILL_MIN, NGI_GRID_FANOUT);
    size_t best = NGI_GRID_FANOUT;
    unsigned widest = 0;
    for (size_t cut = NODE_FILL_MIN; cut <= last; cut++) {
        unsigned differs = build_bits(items[cut - 1].code ^ items[cut].code);
        best = differs >= widest ? cut : best;
        widest = differs >= widest ? differs : widest;
    }
    return best;
}

static void build_fill_leaf(grid_leaf *leaf, const ngi_grid_point *points, size_t count)
{
    leaf->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++)
            leaf->at[axis][i] = points[i].at[axis];
        leaf->slot[i] = points[i].slot;
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

static build_item build_leaf(ngi_grid *grid, ngi_grid_tree *tree, const ngi_grid_point *points,
                             size_t count)
{
    uint32_t handle = ngi_grid_leaf_new(grid, tree);
    ngi_grid_leaf_soon(grid); /* up to a twentieth of the whole */
    build_fill_leaf(grid_leaf_at(grid, handle), points, count);
    return (build_item){ngi_grid_place(points->at), points->slot, handle};
}

static build_item build_node(ngi_grid *grid, ngi_grid_tree *tree, const build_item *items,
                             size_t count, unsigned level)
{
    uint32_t handle = ngi_grid_node_new(grid, tree);
    build_fill_node(grid, grid_node_at(grid, handle), items, count, level);
    return (build_item){items->code, items->slot, handle};
}

/* Leaves of all points, and the nodes of level 1 as soon as their leaves are there: while they are in
 * the cache. An item for each node; returns how many. */
static size_t build_leaves(ngi_grid *grid, ngi_grid_tree *tree, const build_sorter *sorter,
                           build_item *items)
{
    size_t made = 0, first = 0, end = 0; /* items [first, end) are leaves */
    for (size_t at = 0; at < sorter->count || first < end;) {
        while (at < sorter->count && end - first < NGI_GRID_FANOUT + NODE_FILL_MIN) {
            size_t taken = build_leaf_cut(sorter, sorter->points + at, sorter->count - at);
            items[end++] = build_leaf(grid, tree, sorter->points + at, taken);
            at += taken;
        }
        size_t taken = build_node_cut(items + first, end - first);
        items[made++] = build_node(grid, tree, items + first, taken, 1);
        first += taken;
    }
    return made;
}

/* Nodes of all that is in `items`, which are then replaced by one item a node. */
static size_t build_nodes(ngi_grid *grid, ngi_grid_tree *tree, build_item *items, size_t count,
                          unsigned level)
{
    size_t made = 0;
    for (size_t at = 0; at < count;) {
        size_t taken = build_node_cut(items + at, count - at);
        items[made++] = build_node(grid, tree, items + at, taken, level);
        at += taken;
    }
    return made;
}

/* --- the whole ------------------------------------------------------------------------------- */

static void build_make(ngi_grid *grid, ngi_grid_tree *tree, const build_sorter *sorter,
                       build_item *items)
{
    ngi_grid_let_go_all(grid, tree, (uint32_t)tree->next_root);
    tree->count = sorter->count;
    tree->next_root = 0;
    size_t nodes = build_leaves(grid, tree, sorter, items);
    for (unsigned level = 2; nodes > 1; level++)
        nodes = build_nodes(grid, tree, items, nodes, level);
    if (nodes > 0)
        tree->next_root = items[0].child;
    ngi_grid_mark_changed(grid, tree);
    ngi_grid_show(grid);
}

ng_status ngi_grid_build(ngi_grid *grid, ngi_grid_tree *tree, ngi_grid_point *points, size_t count)
{
    ng_status status = NG_OK;
    size_t leaves = count / LEAF_FILL_MIN + 2, ranges = count / BUCKET_POINTS_MAX;
    size_t keys = count < BUCKET_POINTS_MAX ? count : BUCKET_POINTS_MAX;
    size_t bytes = sizeof(build_sorter) + 2 * keys * sizeof(uint64_t) +
                   leaves * sizeof(build_item) + ranges * sizeof(build_range) +
                   (count + keys) * sizeof *points + count * sizeof(uint16_t);
    void *block = NULL;
    ngi_grid_begin(grid);
    NGI_TRY(
        ngi_grid_reserve_blocks(grid, leaves,
                                count / (LEAF_FILL_MIN * (NODE_FILL_MIN - 1)) + GRID_DEPTH_MAX));
    NGI_TRY(ngi_alloc(grid->mem, bytes, "points to be indexed", &block));
    build_sorter *sorter = block;
    *sorter = (build_sorter){.points = points, .count = (uint32_t)count};
    /* in the order of how they are aligned */
    sorter->keys[0] = (uint64_t *)(void *)(sorter + 1);
    sorter->keys[1] = sorter->keys[0] + keys;
    build_item *items = (build_item *)(void *)(sorter->keys[1] + keys);
    sorter->ranges = (build_range *)(void *)(items + leaves);
    sorter->spare = (ngi_grid_point *)(void *)(sorter->ranges + ranges);
    sorter->copy = sorter->spare + count;
    sorter->buckets = (uint16_t *)(void *)(sorter->copy + keys);
    build_sort_all(sorter);
    build_make(grid, tree, sorter, items);
out:
    ngi_free(grid->mem, block, bytes);
    return status;
}
