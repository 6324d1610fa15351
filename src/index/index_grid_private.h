/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Leaves and nodes of the spatial trees, and what the parts of the module share.
 *
 * A handle names a block of one of the two arenas: bit 31 set = leaf; 0 = none.
 *
 * Invariants of a tree (ngi_grid_check):
 *  1. every leaf is equally deep; a node of level 1 has leaves below it, one of level n nodes of
 *     level n - 1. The root is a node; above level 1 it has at least two children.
 *  2. points below child i have keys in [key i, key i + 1); those of child 0 may be below key 0
 *     only in the leftmost node of its level.
 *  3. box, points and least of a child are exact: the bounds of its points, how many there are, and
 *     their lowest slot or one below it.
 *  4. no leaf and no node is empty.
 *  5. the stamp of what is reachable is the op that made it; only what the op in progress has made
 *     is changed in place. But a point that comes is appended to its leaf where it stands: searches
 *     take the number of points from the node above, so those of older roots do not see it, and
 *     nothing ever comes where a root of theirs has a point.
 *  6. unused lanes of a node have an inverted box, which no search enters, and a key above all. */
#ifndef NGI_INDEX_GRID_PRIVATE_H
#define NGI_INDEX_GRID_PRIVATE_H

#include "index/index_grid.h"
#include "index/index_grid_kernels.h"

#define GRID_LEAF_BIT 0x80000000u
#define GRID_DEPTH_MAX                                                                             \
    12u /* 3^11 leaves in nodes that are nearly empty are more than there can be */
#define GRID_NODE_LEAST 4u /* a node with fewer children, a leaf with fewer points: is merged */
#define GRID_LEAF_LEAST 12u
/* Searches with a radius up to half of an axis, which is nearly all, are narrow: saturated 16-bit
 * differences and 32-bit squares are enough for them. */
#define GRID_NARROW_BOUND ((uint64_t)32766 * 32766)

typedef struct grid_key {
    uint64_t code; /* Morton code, 48 bits */
    uint32_t slot;
} grid_key;

typedef struct grid_leaf {
    int16_t at[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX];
    uint32_t slot[NGI_GRID_LEAF_MAX];
    uint64_t stamp;
    uint32_t count; /* the writer's: see invariant 5 */
    uint8_t unused[20];
} grid_leaf;

_Static_assert(sizeof(grid_leaf) == 512, "a leaf is eight cache lines");

typedef struct grid_node {
    ngi_grid_boxes boxes;
    uint32_t child[NGI_GRID_FANOUT];
    uint32_t least[NGI_GRID_FANOUT]; /* no slot below the child is lower */
    uint32_t points[NGI_GRID_FANOUT];
    uint32_t key_slot[NGI_GRID_FANOUT];
    uint64_t key_code[NGI_GRID_FANOUT];
    uint64_t stamp;
    uint16_t count;
    uint16_t level;
    uint8_t unused[52];
} grid_node;

_Static_assert(sizeof(grid_node) == 640, "a node is ten cache lines");

/* Blocks of one kind, and lists of those that no root reaches: young -> old -> free. Numbers in lists
 * of their own, so that a block is not touched again before it is used again; each list has room for
 * every block. Searches may still be in what is old until all that began before `old_stamp` have left. */
typedef struct grid_arena {
    ngi_table table;
    uint32_t end;                /* blocks below have been used; 0 is none */
    ngi_buffer young, old, free; /* uint32_t[] */
    uint64_t old_stamp;          /* of the last op that let go of a block in `old` */
    uint64_t reserved;           /* for the op in progress */
} grid_arena;

/* A point that comes or goes by the op in progress. */
typedef struct grid_event {
    uint64_t code;
    uint32_t slot;
    uint32_t next; /* of the same tree: event + 1 */
    int16_t at[NG_AXIS_COUNT];
    bool comes;
} grid_event;

struct ngi_grid {
    ngi_os *os;
    ngi_mem *mem;
    ngi_epoch *epoch;
    const ngi_grid_kernels *kernels;
    grid_arena leaves, nodes;
    uint64_t op; /* stamp of the op in progress */
    ngi_grid_tree *changed;
    ngi_buffer events; /* grid_event[] */
    ngi_buffer order;  /* uint64_t[2][], to sort those of a tree */
    size_t events_reserved;
};

static inline grid_leaf *grid_leaf_at(const ngi_grid *grid, uint32_t handle)
{
    return (grid_leaf *)(void *)grid->leaves.table.base + (handle & ~GRID_LEAF_BIT);
}

static inline grid_node *grid_node_at(const ngi_grid *grid, uint32_t handle)
{
    return (grid_node *)(void *)grid->nodes.table.base + handle;
}

static inline bool grid_is_leaf(uint32_t handle)
{
    return (handle & GRID_LEAF_BIT) != 0;
}

/* Every third bit. */
static inline uint64_t grid_spread(uint64_t bits)
{
    bits = (bits | bits << 32) & UINT64_C(0x001F00000000FFFF);
    bits = (bits | bits << 16) & UINT64_C(0x001F0000FF0000FF);
    bits = (bits | bits << 8) & UINT64_C(0x100F00F00F00F00F);
    bits = (bits | bits << 4) & UINT64_C(0x10C30C30C30C30C3);
    return (bits | bits << 2) & UINT64_C(0x1249249249249249);
}

static inline uint64_t grid_code(int16_t x, int16_t y, int16_t z)
{
    return grid_spread((uint16_t)(x ^ INT16_MIN)) << 2 |
           grid_spread((uint16_t)(y ^ INT16_MIN)) << 1 | grid_spread((uint16_t)(z ^ INT16_MIN));
}

static inline grid_key grid_leaf_key(const grid_leaf *leaf, uint32_t i)
{
    return (grid_key){grid_code(leaf->at[0][i], leaf->at[1][i], leaf->at[2][i]), leaf->slot[i]};
}

static inline bool grid_key_before(grid_key a, grid_key b)
{
    return a.code < b.code || (a.code == b.code && a.slot < b.slot);
}

/* The child whose range has a key: by halves, without a branch that could be foretold wrongly. */
static inline unsigned grid_lane(const grid_node *node, grid_key key)
{
    unsigned lane = 0;
    for (unsigned half = NGI_GRID_FANOUT / 2; half > 0; half /= 2) {
        uint64_t code = node->key_code[lane + half];
        bool is_not_after = code < key.code;
        if (NGI_UNLIKELY(code == key.code))
            is_not_after = node->key_slot[lane + half] <= key.slot;
        lane += half * is_not_after;
    }
    return lane;
}

/** A block to write to: from the room that was reserved. 0 if there is none. */
uint32_t ngi_grid_leaf_new(ngi_grid *grid, ngi_grid_tree *tree);
uint32_t ngi_grid_node_new(ngi_grid *grid, ngi_grid_tree *tree);
/** Fetches the block that ngi_grid_leaf_new gives next. */
void ngi_grid_leaf_soon(const ngi_grid *grid);
/** Lets go of a block that the new root does not reach. */
void ngi_grid_let_go(ngi_grid *grid, ngi_grid_tree *tree, uint32_t handle);
/** Lets go of everything below and including `handle`. */
void ngi_grid_let_go_all(ngi_grid *grid, ngi_grid_tree *tree, uint32_t handle);
void ngi_grid_mark_changed(ngi_grid *grid, ngi_grid_tree *tree);
/** Lets searches see the changed trees. */
void ngi_grid_show(ngi_grid *grid);
/** Fetches the node of level 1 that a change will copy; returns it, 0 if the tree is empty. */
uint32_t ngi_grid_fetch_node(const ngi_grid *grid, const ngi_grid_tree *tree,
                             const grid_event *event);
/** Then, when that has arrived, what the change will write of the leaf below it. */
void ngi_grid_fetch_leaf(const ngi_grid *grid, uint32_t node, const grid_event *event);
/** Makes one change; false if the point is not there, or no room was made. */
NG_MUST_USE bool ngi_grid_change(ngi_grid *grid, ngi_grid_tree *tree, const grid_event *event);
/** Room for so many blocks, beyond what was reserved. */
NG_MUST_USE ng_status ngi_grid_reserve_blocks(ngi_grid *grid, uint64_t leaves, uint64_t nodes);

/** Makes lane `lane` of a node describe `handle`: box, points, least; its key stays. */
void ngi_grid_describe(const ngi_grid *grid, grid_node *node, unsigned lane, uint32_t handle);
/** Unused lanes from `count` on: see invariant 6. */
void ngi_grid_blank(grid_node *node, unsigned count);

static inline bool grid_hit_is_after(const ngi_grid_hit *a, uint64_t value, uint64_t slot)
{
    return a->value > value || (a->value == value && a->slot > slot);
}

/* A heap with the worst hit on top. */
void ngi_grid_sift_down(ngi_grid_hit *heap, size_t count, ngi_grid_hit hit);
void ngi_grid_sift_up(ngi_grid_hit *heap, size_t at, ngi_grid_hit hit);

#endif
