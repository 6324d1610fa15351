/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Changes of a spatial tree: a point goes, a point comes.
 *
 * The way to a leaf is walked from the root by keys. Blocks on it that older roots reach are copied
 * once an op; then points, boxes and counts are changed in place, because nobody sees them yet. A
 * point that comes into a leaf with room is only appended, and nobody sees that either. */
#include "index/index_grid_private.h"

#include <string.h>

/* A leaf that splits is cut between these many points and so many less from its end, where the
 * codes differ most: so leaves are whole cells of space rather than halves of two. */
#define CUT_FROM 16u
#define MERGED_LEAF_MAX 40u /* not full: the next point would split it again */
#define MERGED_NODE_MAX 12u

/* The way from the root to a leaf: nodes, and which child was taken. */
typedef struct grid_way {
    struct {
        uint32_t handle;
        unsigned lane;
    } step[GRID_DEPTH_MAX];
    unsigned length; /* nodes */
    uint32_t leaf;
} grid_way;

static void change_fetch(const void *block, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)block + i);
}

/* The levels are counted, not read: the node itself has not arrived. */
uint32_t ngi_grid_fetch_node(const ngi_grid *grid, const ngi_grid_tree *tree,
                             const grid_event *event)
{
    const grid_key key = {event->code, event->slot};
    uint32_t handle = (uint32_t)tree->next_root;
    if (handle == 0)
        return 0;
    for (unsigned level = grid_node_at(grid, handle)->level; level > 1; level--) {
        const grid_node *node = grid_node_at(grid, handle);
        handle = node->child[grid_lane(node, key)];
    }
    change_fetch(grid_node_at(grid, handle), sizeof(grid_node));
    return handle;
}

/* The node may have been copied or split meanwhile; then something else is fetched, in vain. */
void ngi_grid_fetch_leaf(const ngi_grid *grid, uint32_t node, const grid_event *event)
{
    if (node == 0)
        return;
    const grid_node *above = grid_node_at(grid, node);
    unsigned lane = grid_lane(above, (grid_key){event->code, event->slot});
    const grid_leaf *leaf = grid_leaf_at(grid, above->child[lane]);
    uint32_t end = above->points[lane];
    if (!event->comes || end >= NGI_GRID_LEAF_MAX) {
        change_fetch(leaf, sizeof *leaf);
        return;
    }
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        __builtin_prefetch(&leaf->at[axis][end], 1);
    __builtin_prefetch(&leaf->slot[end], 1);
    __builtin_prefetch(&leaf->count, 1);
}

static void change_find_way(const ngi_grid *grid, const ngi_grid_tree *tree, grid_key key,
                            grid_way *way)
{
    uint32_t handle = (uint32_t)tree->next_root;
    way->length = 0;
    while (!grid_is_leaf(handle)) {
        const grid_node *node = grid_node_at(grid, handle);
        unsigned lane = grid_lane(node, key);
        way->step[way->length].handle = handle;
        way->step[way->length++].lane = lane;
        handle = node->child[lane];
    }
    way->leaf = handle;
}

/* The block itself if this op made it, else a copy; 0 if there is no room. */
static uint32_t change_own(ngi_grid *grid, ngi_grid_tree *tree, uint32_t handle)
{
    if (grid_is_leaf(handle)) {
        const grid_leaf *old = grid_leaf_at(grid, handle);
        if (old->stamp == grid->op)
            return handle;
        uint32_t copy = ngi_grid_leaf_new(grid, tree);
        if (copy != 0) {
            memcpy(grid_leaf_at(grid, copy), old, sizeof *old);
            grid_leaf_at(grid, copy)->stamp = grid->op;
            ngi_grid_let_go(grid, tree, handle);
        }
        return copy;
    }
    const grid_node *old = grid_node_at(grid, handle);
    if (old->stamp == grid->op)
        return handle;
    uint32_t copy = ngi_grid_node_new(grid, tree);
    if (copy != 0) {
        memcpy(grid_node_at(grid, copy), old, sizeof *old);
        grid_node_at(grid, copy)->stamp = grid->op;
        ngi_grid_let_go(grid, tree, handle);
    }
    return copy;
}

/* Makes the nodes on the way changeable, and the leaf if it is not only appended to. A copy is put in
 * place at once, so stopping half-way leaves the same tree in other blocks. */
static bool change_own_way(ngi_grid *grid, ngi_grid_tree *tree, grid_way *way, bool with_leaf)
{
    for (unsigned i = 0; i < way->length + with_leaf; i++) {
        uint32_t *handle = i < way->length ? &way->step[i].handle : &way->leaf;
        uint32_t own = change_own(grid, tree, *handle);
        if (NGI_UNLIKELY(own == 0))
            return false;
        if (own == *handle)
            continue;
        *handle = own;
        if (i == 0)
            tree->next_root = own;
        else
            grid_node_at(grid, way->step[i - 1].handle)->child[way->step[i - 1].lane] = own;
    }
    return true;
}

/* --- lanes ----------------------------------------------------------------------------------- */

static void lane_copy(grid_node *to, unsigned i, const grid_node *from, unsigned j)
{
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        to->boxes.low[axis][i] = from->boxes.low[axis][j];
        to->boxes.high[axis][i] = from->boxes.high[axis][j];
    }
    to->child[i] = from->child[j];
    to->least[i] = from->least[j];
    to->points[i] = from->points[j];
    to->key_slot[i] = from->key_slot[j];
    to->key_code[i] = from->key_code[j];
}

static void lane_insert(const ngi_grid *grid, grid_node *node, unsigned lane, uint32_t handle,
                        grid_key key)
{
    for (unsigned i = node->count; i > lane; i--)
        lane_copy(node, i, node, i - 1);
    node->key_code[lane] = key.code;
    node->key_slot[lane] = key.slot;
    ngi_grid_describe(grid, node, lane, handle);
    node->count++;
}

static void lane_remove(grid_node *node, unsigned lane)
{
    for (unsigned i = lane; i + 1 < node->count; i++)
        lane_copy(node, i, node, i + 1);
    node->count--;
    ngi_grid_blank(node, node->count);
}

static grid_key lane_key(const grid_node *node, unsigned lane)
{
    return (grid_key){node->key_code[lane], node->key_slot[lane]};
}

/* --- a point comes --------------------------------------------------------------------------- */

static void leaf_set(grid_leaf *leaf, uint32_t i, uint32_t slot, const int16_t at[NG_AXIS_COUNT])
{
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        leaf->at[axis][i] = at[axis];
    leaf->slot[i] = slot;
}

static void change_extend(const ngi_grid *grid, const grid_way *way, uint32_t slot,
                          const int16_t at[NG_AXIS_COUNT])
{
    for (unsigned i = 0; i < way->length; i++) {
        grid_node *node = grid_node_at(grid, way->step[i].handle);
        unsigned lane = way->step[i].lane;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            int16_t low = node->boxes.low[axis][lane], high = node->boxes.high[axis][lane];
            node->boxes.low[axis][lane] = at[axis] < low ? at[axis] : low;
            node->boxes.high[axis][lane] = at[axis] > high ? at[axis] : high;
        }
        uint32_t least = node->least[lane];
        node->least[lane] = slot < least ? slot : least;
        node->points[lane]++;
    }
}

typedef struct split_point {
    grid_key key;
    int16_t at[NG_AXIS_COUNT];
} split_point;

static void split_sort(split_point *points, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        split_point moved = points[i];
        unsigned j = i;
        for (; j > 0 && grid_key_before(moved.key, points[j - 1].key); j--)
            points[j] = points[j - 1];
        points[j] = moved;
    }
}

/* Where neighbouring codes differ in the highest bit; of equals the one next to the middle. */
static unsigned split_cut(const split_point *points, unsigned count)
{
    unsigned best = count / 2;
    uint64_t widest = points[best - 1].key.code ^ points[best].key.code;
    for (unsigned away = 1; away <= count / 2 - CUT_FROM; away++) {
        for (unsigned side = 0; side < 2; side++) {
            unsigned cut = side == 0 ? count / 2 - away : count / 2 + away;
            uint64_t differs = points[cut - 1].key.code ^ points[cut].key.code;
            /* a higher top bit */
            if (differs > widest && (differs ^ widest) > widest) {
                widest = differs;
                best = cut;
            }
        }
    }
    return best;
}

/* Where the points are to be parted: those before the key stay. Mostly the highest bit in which codes
 * differ does it; else they are sorted. */
static grid_key split_key(split_point *points, unsigned count)
{
    uint64_t differs = 0, bit;
    unsigned high = 0;
    for (unsigned i = 1; i < count; i++)
        differs |= points[0].key.code ^ points[i].key.code;
    bit = differs == 0 ? 0 : UINT64_C(1) << (63 - __builtin_clzll(differs));
    for (unsigned i = 0; i < count; i++)
        high += (points[i].key.code & bit) != 0;
    if (high >= CUT_FROM && count - high >= CUT_FROM) {
        grid_key least = {UINT64_MAX, 0};
        for (unsigned i = 0; i < count; i++)
            if ((points[i].key.code & bit) != 0 && grid_key_before(points[i].key, least))
                least = points[i].key;
        return least;
    }
    split_sort(points, count);
    return points[split_cut(points, count)].key;
}

/* Cuts a full leaf and the new point in two. Returns the right one and its first key; 0 if there
 * is no room. */
static uint32_t split_leaf(ngi_grid *grid, ngi_grid_tree *tree, uint32_t left_handle, uint32_t slot,
                           const int16_t at[NG_AXIS_COUNT], grid_key *key)
{
    split_point points[NGI_GRID_LEAF_MAX + 1];
    uint32_t right_handle = ngi_grid_leaf_new(grid, tree);
    if (NGI_UNLIKELY(right_handle == 0))
        return 0;
    grid_leaf *left = grid_leaf_at(grid, left_handle);
    grid_leaf *right = grid_leaf_at(grid, right_handle);
    for (uint32_t i = 0; i < NGI_GRID_LEAF_MAX; i++)
        points[i] =
            (split_point){grid_leaf_key(left, i), {left->at[0][i], left->at[1][i], left->at[2][i]}};
    points[NGI_GRID_LEAF_MAX] =
        (split_point){{grid_code(at[0], at[1], at[2]), slot}, {at[0], at[1], at[2]}};
    *key = split_key(points, NGI_GRID_LEAF_MAX + 1);
    left->count = right->count = 0;
    for (unsigned i = 0; i <= NGI_GRID_LEAF_MAX; i++) {
        grid_leaf *leaf = grid_key_before(points[i].key, *key) ? left : right;
        leaf_set(leaf, leaf->count++, points[i].key.slot, points[i].at);
    }
    return right_handle;
}

/* Adds a child right of lane `lane` of a full node, whose upper half goes to a new one. */
static uint32_t split_node(ngi_grid *grid, ngi_grid_tree *tree, uint32_t left_handle, unsigned lane,
                           uint32_t child, grid_key *key)
{
    const unsigned half = NGI_GRID_FANOUT / 2;
    uint32_t right_handle = ngi_grid_node_new(grid, tree);
    if (NGI_UNLIKELY(right_handle == 0))
        return 0;
    grid_node *left = grid_node_at(grid, left_handle);
    grid_node *right = grid_node_at(grid, right_handle);
    right->level = left->level;
    right->count = NGI_GRID_FANOUT - half;
    for (unsigned i = half; i < NGI_GRID_FANOUT; i++)
        lane_copy(right, i - half, left, i);
    ngi_grid_blank(right, right->count);
    left->count = half;
    ngi_grid_blank(left, half);
    if (lane < half)
        lane_insert(grid, left, lane + 1, child, *key);
    else
        lane_insert(grid, right, lane + 1 - half, child, *key);
    *key = lane_key(right, 0);
    return right_handle;
}

static bool split_root(ngi_grid *grid, ngi_grid_tree *tree, uint32_t right, grid_key key)
{
    uint32_t left = (uint32_t)tree->next_root;
    uint32_t handle = ngi_grid_node_new(grid, tree);
    if (NGI_UNLIKELY(handle == 0))
        return false;
    grid_node *root = grid_node_at(grid, handle);
    root->level = (uint16_t)(grid_node_at(grid, left)->level + 1);
    root->count = 0;
    ngi_grid_blank(root, 0);
    lane_insert(grid, root, 0, left, (grid_key){0});
    lane_insert(grid, root, 1, right, key);
    tree->next_root = handle;
    return true;
}

/* Splits the leaf at the end of the way, and what is full above it. */
static bool change_split(ngi_grid *grid, ngi_grid_tree *tree, const grid_way *way, uint32_t slot,
                         const int16_t at[NG_AXIS_COUNT])
{
    grid_key key;
    uint32_t left = way->leaf;
    uint32_t right = split_leaf(grid, tree, left, slot, at, &key);
    if (NGI_UNLIKELY(right == 0))
        return false;
    for (unsigned i = way->length; i-- > 0;) {
        uint32_t handle = way->step[i].handle;
        unsigned lane = way->step[i].lane;
        grid_node *node = grid_node_at(grid, handle);
        ngi_grid_describe(grid, node, lane, left);
        left = handle;
        if (right == 0)
            continue;
        if (node->count < NGI_GRID_FANOUT) {
            lane_insert(grid, node, lane + 1, right, key);
            right = 0;
        } else {
            right = split_node(grid, tree, handle, lane, right, &key);
            if (NGI_UNLIKELY(right == 0))
                return false;
        }
    }
    return right == 0 || split_root(grid, tree, right, key);
}

/* A root with an empty leaf. */
static bool change_plant(ngi_grid *grid, ngi_grid_tree *tree)
{
    uint32_t leaf = ngi_grid_leaf_new(grid, tree);
    uint32_t handle = ngi_grid_node_new(grid, tree);
    if (NGI_UNLIKELY(leaf == 0 || handle == 0))
        return false;
    grid_node *root = grid_node_at(grid, handle);
    grid_leaf_at(grid, leaf)->count = 0;
    root->level = 1;
    root->count = 0;
    ngi_grid_blank(root, 0);
    lane_insert(grid, root, 0, leaf, (grid_key){0});
    tree->next_root = handle;
    return true;
}

static bool change_insert(ngi_grid *grid, ngi_grid_tree *tree, const grid_event *event)
{
    const int16_t *at = event->at;
    uint32_t slot = event->slot;
    grid_way way;
    if (tree->next_root == 0 && NGI_UNLIKELY(!change_plant(grid, tree)))
        return false;
    change_find_way(grid, tree, (grid_key){event->code, slot}, &way);
    grid_leaf *leaf = grid_leaf_at(grid, way.leaf);
    bool is_full = leaf->count == NGI_GRID_LEAF_MAX;
    if (NGI_UNLIKELY(!change_own_way(grid, tree, &way, is_full)))
        return false;
    tree->count++;
    if (is_full)
        return change_split(grid, tree, &way, slot, at);
    leaf_set(leaf, leaf->count++, slot, at);
    change_extend(grid, &way, slot, at);
    return true;
}

/* --- a point goes ---------------------------------------------------------------------------- */

static bool lane_has_on_its_edge(const grid_node *node, unsigned lane,
                                 const int16_t at[NG_AXIS_COUNT])
{
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        if (at[axis] == node->boxes.low[axis][lane] || at[axis] == node->boxes.high[axis][lane])
            return true;
    return false;
}

/* After a point has gone from below the way's first `length` nodes, and nothing else has changed. */
static void change_shrink(const ngi_grid *grid, const grid_way *way, unsigned length,
                          const int16_t at[NG_AXIS_COUNT])
{
    for (unsigned i = length; i-- > 0;) {
        grid_node *node = grid_node_at(grid, way->step[i].handle);
        unsigned lane = way->step[i].lane;
        if (lane_has_on_its_edge(node, lane, at))
            ngi_grid_describe(grid, node, lane, node->child[lane]);
        else
            node->points[lane]--;
    }
}

/* Moves the points of `from` to `to`, which this op made. */
static void merge_leaves(const ngi_grid *grid, uint32_t to, uint32_t from)
{
    grid_leaf *mine = grid_leaf_at(grid, to);
    const grid_leaf *other = grid_leaf_at(grid, from);
    for (uint32_t i = 0; i < other->count; i++) {
        const int16_t at[NG_AXIS_COUNT] = {other->at[0][i], other->at[1][i], other->at[2][i]};
        leaf_set(mine, mine->count++, other->slot[i], at);
    }
}

/* Moves the children of `from` before or behind those of `to`, which this op made. `key` is that of the
 * right one of the two in the node above: points below its own first key may be in its first child. */
static void merge_nodes(const ngi_grid *grid, uint32_t to, uint32_t from, bool before, grid_key key)
{
    grid_node *mine = grid_node_at(grid, to);
    const grid_node *other = grid_node_at(grid, from);
    unsigned own = before ? other->count : 0;   /* where mine go */
    unsigned theirs = before ? 0 : mine->count; /* where the others go */
    for (unsigned i = mine->count; before && i-- > 0;)
        lane_copy(mine, own + i, mine, i);
    for (unsigned i = 0; i < other->count; i++)
        lane_copy(mine, theirs + i, other, i);
    unsigned seam = before ? own : theirs;
    mine->key_code[seam] = key.code;
    mine->key_slot[seam] = key.slot;
    mine->count = (uint16_t)(mine->count + other->count);
}

static unsigned block_count(const ngi_grid *grid, uint32_t handle)
{
    return grid_is_leaf(handle) ? grid_leaf_at(grid, handle)->count
                                : grid_node_at(grid, handle)->count;
}

/* Joins child `lane` of a node, which has become small, with its left or right neighbour if both fit in
 * one. Returns the lane of the child. */
static unsigned change_merge(ngi_grid *grid, ngi_grid_tree *tree, grid_node *node, unsigned lane)
{
    uint32_t small = node->child[lane];
    unsigned most = grid_is_leaf(small) ? MERGED_LEAF_MAX : MERGED_NODE_MAX;
    unsigned count = block_count(grid, small);
    for (unsigned side = 0; side < 2; side++) {
        bool before = side == 1;
        if (before ? lane == 0 : lane + 1u >= node->count)
            continue;
        uint32_t other = node->child[before ? lane - 1 : lane + 1];
        if (count + block_count(grid, other) > most)
            continue;
        if (grid_is_leaf(small))
            merge_leaves(grid, small, other);
        else
            merge_nodes(grid, small, other, before, lane_key(node, before ? lane : lane + 1));
        ngi_grid_let_go(grid, tree, other);
        if (!before) {
            lane_remove(node, lane + 1);
            return lane;
        }
        node->child[lane - 1] = small; /* the range begins where the left one's did */
        lane_remove(node, lane);
        return lane - 1;
    }
    return lane;
}

/* The root is as deep as it has to be: none, a node above leaves, or one with several children. */
static void change_tidy_root(ngi_grid *grid, ngi_grid_tree *tree)
{
    uint32_t root = (uint32_t)tree->next_root;
    while (root != 0) {
        const grid_node *node = grid_node_at(grid, root);
        if (node->count > 1 || (node->count == 1 && node->level == 1))
            break;
        uint32_t below = node->count == 1 ? node->child[0] : 0;
        ngi_grid_let_go(grid, tree, root);
        root = below;
    }
    tree->next_root = root;
}

/* The leaf at the end of the way has few points, or none: joins and removes blocks upwards. */
static void change_tidy(ngi_grid *grid, ngi_grid_tree *tree, const grid_way *way)
{
    for (unsigned i = way->length; i-- > 0;) {
        grid_node *node = grid_node_at(grid, way->step[i].handle);
        unsigned lane = way->step[i].lane;
        uint32_t child = node->child[lane];
        unsigned count = block_count(grid, child);
        if (count == 0) {
            ngi_grid_let_go(grid, tree, child);
            lane_remove(node, lane);
            continue;
        }
        if (count < (grid_is_leaf(child) ? GRID_LEAF_LEAST : GRID_NODE_LEAST))
            lane = change_merge(grid, tree, node, lane);
        ngi_grid_describe(grid, node, lane, child);
    }
    change_tidy_root(grid, tree);
}

/* By its place as well: while an op is applied, a leaf may have a token where it was and where it will
 * be. */
static uint32_t leaf_find(const grid_leaf *leaf, uint32_t slot, const int16_t at[NG_AXIS_COUNT])
{
    uint32_t i = 0;
    while (i < leaf->count && (leaf->slot[i] != slot || leaf->at[0][i] != at[0] ||
                               leaf->at[1][i] != at[1] || leaf->at[2][i] != at[2]))
        i++;
    return i;
}

static bool change_remove(ngi_grid *grid, ngi_grid_tree *tree, const grid_event *event)
{
    const int16_t *at = event->at;
    uint32_t slot = event->slot;
    grid_way way;
    if (tree->next_root == 0)
        return false;
    change_find_way(grid, tree, (grid_key){event->code, slot}, &way);
    uint32_t i = leaf_find(grid_leaf_at(grid, way.leaf), slot, at);
    if (NGI_UNLIKELY(i == grid_leaf_at(grid, way.leaf)->count) ||
        NGI_UNLIKELY(!change_own_way(grid, tree, &way, true)))
        return false;
    grid_leaf *leaf = grid_leaf_at(grid, way.leaf);
    uint32_t last = --leaf->count;
    const int16_t moved[NG_AXIS_COUNT] = {leaf->at[0][last], leaf->at[1][last], leaf->at[2][last]};
    leaf_set(leaf, i, leaf->slot[last], moved);
    tree->count--;
    if (leaf->count < GRID_LEAF_LEAST)
        change_tidy(grid, tree, &way);
    else
        change_shrink(grid, &way, way.length, at);
    return true;
}

bool ngi_grid_change(ngi_grid *grid, ngi_grid_tree *tree, const grid_event *event)
{
    return event->comes ? change_insert(grid, tree, event) : change_remove(grid, tree, event);
}
