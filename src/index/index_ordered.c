/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The ordered set: a B+tree.
 *
 * Invariants:
 *   1. entries ascend strictly through the linked leaves; every leaf but an only one has at least
 *      one entry, every inner node at least one child, the root, if it is inner, two.
 *   2. separator i of an inner node (i > 0) is not after the first entry below child i, and after
 *      every entry below child i - 1. Separator 0 is kept, but nothing is compared with it.
 *   3. every node below node_end is in the tree or in the free list, once.
 *
 * How nodes are split: one that is appended to at its end goes on in a new one and stays full, so
 * ascending entries fill nodes; others are halved. Behind a leaf that is not the last one only
 * entries of one key are appended in this way, and only while the next leaf does not hold that key
 * as well: descending entries would otherwise each get a leaf of their own. So a full leaf is split
 * twice at most before anything is added to it, which is what reserving counts on.
 *
 * Removing joins a node that is nearly empty with its neighbour if both together fill it by three
 * quarters at most, so that removing and inserting in turn does not split and join in turn. */
#include "index/index_ordered.h"

#include <string.h>

#define NODE_BYTES 512u
#define LEAF_MAX 41u
#define INNER_MAX 31u
#define DEPTH_MAX 16u /* 2^32 leaves are less deep, also with nodes a quarter full */

typedef struct ordered_node {
    uint16_t count;
    uint16_t level; /* 0 = leaf */
    uint32_t next;  /* leaf; in the free list: the next free one */
    uint32_t previous;
    uint32_t unused;
    union {
        struct {
            uint64_t keys[LEAF_MAX];
            uint32_t slots[LEAF_MAX];
        } leaf;
        struct {
            uint64_t keys[INNER_MAX];
            uint32_t slots[INNER_MAX];
            uint32_t children[INNER_MAX];
        } inner;
    } as;
} ordered_node;

_Static_assert(sizeof(ordered_node) == NODE_BYTES, "eight nodes in a page");

/* The way from the root to a leaf. */
typedef struct ordered_path {
    uint32_t node[DEPTH_MAX];
    uint32_t at[DEPTH_MAX]; /* which child was taken */
    unsigned depth;         /* of the leaf */
} ordered_path;

static ordered_node *node_at(const ngi_ordered *set, uint32_t number)
{
    return (ordered_node *)(void *)set->nodes.base + number;
}

static bool is_before(uint64_t a_key, uint32_t a_slot, uint64_t b_key, uint32_t b_slot)
{
    return a_key < b_key || (a_key == b_key && a_slot < b_slot);
}

/* How many of the sorted entries are before (key, slot), or not after it with `inclusive`. */
static uint32_t position(const uint64_t *keys, const uint32_t *slots, uint32_t count,
                         ngi_ordered_entry target, bool inclusive)
{
    uint32_t low = 0;
    while (count > 0) {
        uint32_t half = count / 2;
        uint32_t middle = low + half;
        bool before = inclusive ? !is_before(target.key, target.slot, keys[middle], slots[middle])
                                : is_before(keys[middle], slots[middle], target.key, target.slot);
        low = before ? middle + 1 : low;
        count = before ? count - half - 1 : half;
    }
    return low;
}

static uint32_t leaf_position(const ordered_node *leaf, ngi_ordered_entry target)
{
    return position(leaf->as.leaf.keys, leaf->as.leaf.slots, leaf->count, target, false);
}

static uint32_t child_position(const ordered_node *inner, ngi_ordered_entry target)
{
    return position(inner->as.inner.keys + 1, inner->as.inner.slots + 1, inner->count - 1u, target,
                    true);
}

static bool leaf_has(const ordered_node *leaf, uint32_t at, ngi_ordered_entry target)
{
    return at < leaf->count && leaf->as.leaf.keys[at] == target.key &&
           leaf->as.leaf.slots[at] == target.slot;
}

/* Of a set that is not empty. */
static void descend(const ngi_ordered *set, ngi_ordered_entry target, ordered_path *path)
{
    uint32_t number = set->root;
    path->depth = 0;
    for (const ordered_node *node; (node = node_at(set, number))->level > 0; path->depth++) {
        path->node[path->depth] = number;
        path->at[path->depth] = child_position(node, target);
        number = node->as.inner.children[path->at[path->depth]];
    }
    path->node[path->depth] = number;
}

/* --- nodes ----------------------------------------------------------------------------------- */

ng_status ngi_ordered_init(ngi_ordered *set, ngi_os *os, ngi_mem *mem, uint64_t max_entries,
                           const char *what)
{
    *set = (ngi_ordered){.what = what, .node_end = 1};
    /* Leaves a quarter full, and as many inner nodes as that takes. */
    uint64_t nodes = max_entries / (LEAF_MAX / 4) * 5 / 4 + 1024;
    return ngi_table_init(&set->nodes, os, mem, NODE_BYTES, (size_t)nodes, what);
}

void ngi_ordered_release(ngi_ordered *set)
{
    ngi_table_release(&set->nodes);
    *set = (ngi_ordered){0};
}

static size_t node_room(const ngi_ordered *set)
{
    return set->free_count + set->nodes.committed_bytes / NODE_BYTES - set->node_end;
}

ng_status ngi_ordered_reserve(ngi_ordered *set, uint64_t count)
{
    if (count == 0)
        return NG_OK;
    uint64_t leaves = 2 * (uint64_t)set->leaf_count + count / 10 + 2;
    if (leaves > count + 1)
        leaves = count + 1; /* and one when the set is empty */
    uint64_t inner = 2 * (uint64_t)set->inner_count + leaves / 7 + 1;
    if (inner > leaves)
        inner = leaves;
    uint64_t wanted = leaves + inner + DEPTH_MAX;
    size_t room = set->nodes.committed_bytes == 0 ? 0 : node_room(set);
    if (room >= wanted)
        return NG_OK;
    return ngi_table_reserve(&set->nodes, (size_t)(set->node_end + wanted - set->free_count));
}

/* Room was made for it. */
static uint32_t node_take(ngi_ordered *set, uint16_t level)
{
    uint32_t number = set->free_node;
    if (number != 0) {
        set->free_node = node_at(set, number)->next;
        set->free_count--;
    } else {
        number = set->node_end++;
    }
    ordered_node *node = node_at(set, number);
    node->count = 0;
    node->level = level;
    node->next = node->previous = node->unused = 0;
    if (level == 0)
        set->leaf_count++;
    else
        set->inner_count++;
    return number;
}

static void node_give(ngi_ordered *set, uint32_t number)
{
    ordered_node *node = node_at(set, number);
    if (node->level == 0)
        set->leaf_count--;
    else
        set->inner_count--;
    node->count = 0;
    node->next = set->free_node;
    set->free_node = number;
    set->free_count++;
}

/* --- moving entries -------------------------------------------------------------------------- */

/* Copies `count` entries, or children with their separators, between or within nodes. */
static void node_copy(ordered_node *to, uint32_t to_at, const ordered_node *from, uint32_t from_at,
                      uint32_t count)
{
    if (to->level == 0) {
        memmove(to->as.leaf.keys + to_at, from->as.leaf.keys + from_at, count * sizeof(uint64_t));
        memmove(to->as.leaf.slots + to_at, from->as.leaf.slots + from_at, count * sizeof(uint32_t));
        return;
    }
    memmove(to->as.inner.keys + to_at, from->as.inner.keys + from_at, count * sizeof(uint64_t));
    memmove(to->as.inner.slots + to_at, from->as.inner.slots + from_at, count * sizeof(uint32_t));
    memmove(to->as.inner.children + to_at, from->as.inner.children + from_at,
            count * sizeof(uint32_t));
}

static void leaf_insert(ordered_node *leaf, uint32_t at, ngi_ordered_entry entry)
{
    node_copy(leaf, at + 1, leaf, at, leaf->count - at);
    leaf->as.leaf.keys[at] = entry.key;
    leaf->as.leaf.slots[at] = entry.slot;
    leaf->count++;
}

static void inner_insert(ordered_node *inner, uint32_t at, ngi_ordered_entry separator,
                         uint32_t child)
{
    node_copy(inner, at + 1, inner, at, inner->count - at);
    inner->as.inner.keys[at] = separator.key;
    inner->as.inner.slots[at] = separator.slot;
    inner->as.inner.children[at] = child;
    inner->count++;
}

static void node_remove(ordered_node *node, uint32_t at)
{
    node_copy(node, at, node, at + 1, node->count - at - 1u);
    node->count--;
}

static ngi_ordered_entry node_first(const ordered_node *node)
{
    if (node->level == 0)
        return (ngi_ordered_entry){node->as.leaf.keys[0], node->as.leaf.slots[0]};
    return (ngi_ordered_entry){node->as.inner.keys[0], node->as.inner.slots[0]};
}

/* --- inserting ------------------------------------------------------------------------------- */

/* Moves what stands from `keep` on into a new node behind, and returns that one's number. */
static uint32_t node_split(ngi_ordered *set, uint32_t number, uint32_t keep)
{
    uint32_t right_number = node_take(set, node_at(set, number)->level);
    ordered_node *left = node_at(set, number);
    ordered_node *right = node_at(set, right_number);
    node_copy(right, 0, left, keep, left->count - keep);
    right->count = (uint16_t)(left->count - keep);
    left->count = (uint16_t)keep;
    if (left->level > 0)
        return right_number;
    right->next = left->next;
    right->previous = number;
    left->next = right_number;
    if (right->next != 0)
        node_at(set, right->next)->previous = right_number;
    return right_number;
}

/* Puts a new node behind the one that the path leads to at `depth`, up to a new root. */
static void insert_above(ngi_ordered *set, const ordered_path *path, unsigned depth, uint32_t child)
{
    ngi_ordered_entry separator = node_first(node_at(set, child));
    while (depth > 0) {
        depth--;
        uint32_t number = path->node[depth], at = path->at[depth] + 1;
        ordered_node *inner = node_at(set, number);
        if (inner->count < INNER_MAX) {
            inner_insert(inner, at, separator, child);
            return;
        }
        uint32_t keep = at == INNER_MAX ? INNER_MAX : INNER_MAX / 2;
        uint32_t right = node_split(set, number, keep);
        if (at > keep || at == INNER_MAX)
            inner_insert(node_at(set, right), at - keep, separator, child);
        else
            inner_insert(node_at(set, number), at, separator, child);
        separator = node_first(node_at(set, right));
        child = right;
    }
    uint32_t old = set->root;
    set->root = node_take(set, (uint16_t)(node_at(set, old)->level + 1));
    ordered_node *root = node_at(set, set->root);
    inner_insert(root, 0, (ngi_ordered_entry){0, 0}, old);
    inner_insert(root, 1, separator, child);
}

/* Whether a full leaf stays as it is when something is appended to it; see the top. */
static bool leaf_stays_full(const ngi_ordered *set, const ordered_node *leaf, uint32_t at,
                            uint64_t key)
{
    if (at < leaf->count)
        return false;
    return leaf->next == 0 || (leaf->as.leaf.keys[leaf->count - 1] == key &&
                               node_at(set, leaf->next)->as.leaf.keys[0] != key);
}

static void insert_split(ngi_ordered *set, const ordered_path *path, uint32_t at,
                         ngi_ordered_entry entry)
{
    uint32_t number = path->node[path->depth];
    const ordered_node *leaf = node_at(set, number);
    uint32_t keep = leaf_stays_full(set, leaf, at, entry.key) ? LEAF_MAX : LEAF_MAX / 2;
    uint32_t right = node_split(set, number, keep);
    if (at > keep || keep == LEAF_MAX)
        leaf_insert(node_at(set, right), at - keep, entry);
    else
        leaf_insert(node_at(set, number), at, entry);
    insert_above(set, path, path->depth, right);
}

ng_status ngi_ordered_insert(ngi_ordered *set, uint64_t key, uint32_t slot)
{
    const ngi_ordered_entry entry = {key, slot};
    if (NGI_UNLIKELY(set->nodes.committed_bytes == 0 || node_room(set) < DEPTH_MAX))
        return ngi_fail(NG_E_INTERNAL, "%s: no room was made for token %u", set->what, slot);
    if (set->root == 0)
        set->root = node_take(set, 0);
    ordered_path path;
    descend(set, entry, &path);
    ordered_node *leaf = node_at(set, path.node[path.depth]);
    uint32_t at = leaf_position(leaf, entry);
    if (NGI_UNLIKELY(leaf_has(leaf, at, entry)))
        return ngi_fail(NG_E_INTERNAL, "%s: token %u is there with that key", set->what, slot);
    if (leaf->count < LEAF_MAX)
        leaf_insert(leaf, at, entry);
    else
        insert_split(set, &path, at, entry);
    set->count++;
    return NG_OK;
}

/* --- removing -------------------------------------------------------------------------------- */

static void leaf_unlink(ngi_ordered *set, const ordered_node *leaf)
{
    if (leaf->previous != 0)
        node_at(set, leaf->previous)->next = leaf->next;
    if (leaf->next != 0)
        node_at(set, leaf->next)->previous = leaf->previous;
}

/* Child `at + 1` of an inner node goes into child `at`. */
static void join(ngi_ordered *set, ordered_node *parent, uint32_t at)
{
    ordered_node *left = node_at(set, parent->as.inner.children[at]);
    uint32_t right_number = parent->as.inner.children[at + 1];
    ordered_node *right = node_at(set, right_number);
    if (right->level > 0) { /* its first separator was not kept up to date */
        right->as.inner.keys[0] = parent->as.inner.keys[at + 1];
        right->as.inner.slots[0] = parent->as.inner.slots[at + 1];
    } else {
        leaf_unlink(set, right);
    }
    node_copy(left, left->count, right, 0, right->count);
    left->count = (uint16_t)(left->count + right->count);
    node_give(set, right_number);
    node_remove(parent, at + 1);
}

static bool may_join(const ngi_ordered *set, const ordered_node *parent, uint32_t at)
{
    if (at + 1 >= parent->count)
        return false;
    const ordered_node *left = node_at(set, parent->as.inner.children[at]);
    const ordered_node *right = node_at(set, parent->as.inner.children[at + 1]);
    uint32_t most = left->level == 0 ? LEAF_MAX : INNER_MAX;
    return (uint32_t)left->count + right->count <= most / 4 * 3;
}

/* After something was removed from the leaf at the end of the path. */
static void remove_above(ngi_ordered *set, const ordered_path *path)
{
    for (unsigned depth = path->depth; depth > 0; depth--) {
        uint32_t number = path->node[depth], at = path->at[depth - 1];
        ordered_node *node = node_at(set, number);
        ordered_node *parent = node_at(set, path->node[depth - 1]);
        if (node->count > (node->level == 0 ? LEAF_MAX : INNER_MAX) / 4)
            return;
        if (node->count == 0) {
            if (node->level == 0)
                leaf_unlink(set, node);
            node_remove(parent, at);
            node_give(set, number);
        } else if (may_join(set, parent, at)) {
            join(set, parent, at);
        } else if (at > 0 && may_join(set, parent, at - 1)) {
            join(set, parent, at - 1);
        } else {
            return;
        }
    }
    ordered_node *root = node_at(set, set->root);
    while (root->level > 0 && root->count <= 1) {
        uint32_t old = set->root;
        set->root = root->count == 1 ? root->as.inner.children[0] : 0;
        node_give(set, old);
        if (set->root == 0)
            return;
        root = node_at(set, set->root);
    }
    if (root->level == 0 && root->count == 0) {
        node_give(set, set->root);
        set->root = 0;
    }
}

bool ngi_ordered_remove(ngi_ordered *set, uint64_t key, uint32_t slot)
{
    const ngi_ordered_entry entry = {key, slot};
    if (set->root == 0)
        return false;
    ordered_path path;
    descend(set, entry, &path);
    ordered_node *leaf = node_at(set, path.node[path.depth]);
    uint32_t at = leaf_position(leaf, entry);
    if (!leaf_has(leaf, at, entry))
        return false;
    node_remove(leaf, at);
    set->count--;
    remove_above(set, &path);
    return true;
}

/* --- looking --------------------------------------------------------------------------------- */

ngi_ordered_cursor ngi_ordered_seek(const ngi_ordered *set, uint64_t key, uint32_t slot)
{
    const ngi_ordered_entry target = {key, slot};
    ngi_ordered_cursor cursor = {0, 0};
    if (set->root == 0)
        return cursor;
    ordered_path path;
    descend(set, target, &path);
    cursor.leaf = path.node[path.depth];
    cursor.at = leaf_position(node_at(set, cursor.leaf), target);
    return cursor;
}

bool ngi_ordered_next(const ngi_ordered *set, ngi_ordered_cursor *cursor, ngi_ordered_entry *out)
{
    while (cursor->leaf != 0) {
        const ordered_node *leaf = node_at(set, cursor->leaf);
        if (cursor->at < leaf->count) {
            *out = (ngi_ordered_entry){leaf->as.leaf.keys[cursor->at],
                                       leaf->as.leaf.slots[cursor->at]};
            cursor->at++;
            return true;
        }
        *cursor = (ngi_ordered_cursor){leaf->next, 0};
    }
    return false;
}

bool ngi_ordered_has(const ngi_ordered *set, uint64_t key, uint32_t slot)
{
    ngi_ordered_entry entry;
    ngi_ordered_cursor cursor = ngi_ordered_seek(set, key, slot);
    return ngi_ordered_next(set, &cursor, &entry) && entry.key == key && entry.slot == slot;
}

uint64_t ngi_ordered_count(const ngi_ordered *set, uint64_t low, uint64_t high, uint64_t most)
{
    ngi_ordered_entry entry;
    ngi_ordered_cursor cursor = ngi_ordered_seek(set, low, 0);
    uint64_t count = 0;
    while (count < most && ngi_ordered_next(set, &cursor, &entry) && entry.key <= high)
        count++;
    return count;
}

uint64_t ngi_ordered_used_bytes(const ngi_ordered *set)
{
    return ((uint64_t)set->leaf_count + set->inner_count) * NODE_BYTES;
}

/* --- verification ---------------------------------------------------------------------------- */

static ng_status check_fail(const ngi_ordered *set, uint32_t node, const char *what)
{
    return ngi_fail(NG_E_INTERNAL, "%s: node %u: %s", set->what, node, what);
}

/* One node: its size, and its children's levels and separators. */
static ng_status check_node(const ngi_ordered *set, uint32_t number)
{
    const ordered_node *node = node_at(set, number);
    uint32_t most = node->level == 0 ? LEAF_MAX : INNER_MAX;
    if (node->count == 0 || node->count > most || node->level >= DEPTH_MAX)
        return check_fail(set, number, "its size is not valid");
    for (uint32_t i = 0; node->level > 0 && i < node->count; i++) {
        uint32_t child_number = node->as.inner.children[i];
        if (child_number == 0 || child_number >= set->node_end)
            return check_fail(set, number, "a child is not there");
        const ordered_node *child = node_at(set, child_number);
        if (child->level + 1 != node->level || child->count == 0)
            return check_fail(set, number, "a child of another level");
        if (i > 0 && child->level == 0) {
            const ordered_node *before = node_at(set, node->as.inner.children[i - 1]);
            uint32_t last = before->count - 1u;
            if (is_before(child->as.leaf.keys[0], child->as.leaf.slots[0], node->as.inner.keys[i],
                          node->as.inner.slots[i]) ||
                !is_before(before->as.leaf.keys[last], before->as.leaf.slots[last],
                           node->as.inner.keys[i], node->as.inner.slots[i]))
                return check_fail(set, number, "a separator is not between its children");
        }
    }
    return NG_OK;
}

/* Every node of the tree, level by level along the left edge and its leaves: counts what is seen. */
static ng_status check_tree(const ngi_ordered *set, uint32_t *leaves, uint32_t *inner)
{
    uint32_t stack[DEPTH_MAX], at[DEPTH_MAX];
    unsigned depth = 0;
    stack[0] = set->root;
    at[0] = 0;
    ng_status status = set->root != 0 ? check_node(set, set->root) : NG_OK;
    for (bool going = set->root != 0; going && status == NG_OK;) {
        const ordered_node *node = node_at(set, stack[depth]);
        if (node->level > 0 && at[depth] < node->count) {
            uint32_t child = node->as.inner.children[at[depth]++];
            status = check_node(set, child);
            stack[++depth] = child;
            at[depth] = 0;
            continue;
        }
        *leaves += node->level == 0;
        *inner += node->level > 0;
        if (*leaves > set->leaf_count || *inner > set->inner_count)
            return check_fail(set, stack[depth], "more nodes than are counted");
        going = depth > 0;
        depth -= going;
    }
    return status;
}

static ng_status check_entries(const ngi_ordered *set)
{
    ngi_ordered_entry entry, last = {0, 0};
    ngi_ordered_cursor cursor = ngi_ordered_seek(set, 0, 0);
    uint64_t count = 0;
    while (count <= set->count && ngi_ordered_next(set, &cursor, &entry)) {
        if (count > 0 && !is_before(last.key, last.slot, entry.key, entry.slot))
            return check_fail(set, cursor.leaf, "entries are out of order");
        if (!ngi_ordered_has(set, entry.key, entry.slot))
            return check_fail(set, cursor.leaf, "an entry is not found");
        last = entry;
        count++;
    }
    if (count != set->count)
        return ngi_fail(NG_E_INTERNAL, "%s: %llu entries counted, %llu found", set->what,
                        (unsigned long long)set->count, (unsigned long long)count);
    return NG_OK;
}

ng_status ngi_ordered_check(const ngi_ordered *set)
{
    uint32_t leaves = 0, inner = 0, free_count = 0;
    ng_status status = check_tree(set, &leaves, &inner);
    if (status != NG_OK)
        return status;
    for (uint32_t at = set->free_node; at != 0 && free_count <= set->free_count; free_count++)
        at = node_at(set, at)->next;
    if (leaves != set->leaf_count || inner != set->inner_count || free_count != set->free_count ||
        (set->node_end > 0 && leaves + inner + free_count != set->node_end - 1))
        return ngi_fail(NG_E_INTERNAL,
                        "%s: %u leaves, %u inner and %u free nodes are not the %u used", set->what,
                        leaves, inner, free_count, set->node_end - 1);
    return check_entries(set);
}
