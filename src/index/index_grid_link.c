/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which places hang together, by looking at pairs of nodes.
 *
 * Two nodes whose farthest points are near enough are of one component as a whole; two whose nearest
 * points are not have no pair; two that are known to be of one component need not be looked at again.
 * Only what is left is split. So a crowd is linked by its boxes, and the pairs of places that are
 * measured are those along the edges of what hangs together.
 *
 * Components are kept by union-find (Tarjan 1975); a root is the first place of its component. */
#include "index/index_grid_pack.h"

/* A pair is split on one side at a time, and its parts are worked off before the next pair. */
#define LINK_STACK (2 * PACK_LEVELS_MAX * PACK_FANOUT)

typedef struct link_pair {
    pack_ref a, b;
} link_pair;

typedef struct link_job {
    grid_work *work;
    grid_pack *pack;
    const uint64_t *within;
    uint32_t *root; /* parents, until the end */
} link_job;

static uint32_t link_find(const link_job *link, uint32_t i)
{
    uint32_t *parent = link->root;
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

static void link_unite(const link_job *link, uint32_t a, uint32_t b)
{
    a = link_find(link, a);
    b = link_find(link, b);
    if (a < b)
        link->root[b] = a;
    else
        link->root[a] = b;
}

static void link_unite_all(const link_job *link, pack_ref ref)
{
    pack_node *node = pack_node_at(link->pack, ref);
    uint32_t first = pack_first(ref), end = pack_end(link->pack, ref);
    for (uint32_t i = first + 1; i < end && !node->is_one; i++)
        link_unite(link, first, i);
    node->is_one = true;
}

/* Whether all below a node are known to hang together. */
static bool link_is_one(const link_job *link, pack_ref ref)
{
    pack_node *node = pack_node_at(link->pack, ref);
    uint32_t first = pack_first(ref), end = pack_end(link->pack, ref);
    if (node->is_one)
        return true;
    uint32_t root = link_find(link, first);
    if (ref.level == 0) {
        for (uint32_t i = first + 1; i < end; i++)
            if (link_find(link, i) != root)
                return false;
    } else {
        pack_ref child;
        end = pack_children(link->pack, ref, &child);
        for (; child.index < end; child.index++)
            if (!pack_node_at(link->pack, child)->is_one ||
                link_find(link, pack_first(child)) != root)
                return false;
    }
    node->is_one = true;
    return true;
}

/* Whether it is known that all below both hang together. */
static bool link_are_one(const link_job *link, pack_ref a, pack_ref b)
{
    return link_is_one(link, a) && link_is_one(link, b) &&
           link_find(link, pack_first(a)) == link_find(link, pack_first(b));
}

/* Measures the places of two leaves, which may be the same. */
static void link_leaves(const link_job *link, uint32_t a, uint32_t b)
{
    const grid_pack *pack = link->pack;
    const pack_node *other = &pack->nodes[b];
    uint32_t end = pack_end(pack, (pack_ref){0, a});
    for (uint32_t i = a * NGI_GRID_LEAF_MAX; i < end; i++) {
        const grid_place *place = &pack->places[i];
        const grid_box box = pack_point_box(place->at);
        uint64_t bound = link->within[place->reach + other->reach_most];
        ngi_grid_hit found[NGI_GRID_WITHIN_MAX];
        if (pack_least(&link->work->job->metric, &box, &other->box) > bound)
            continue;
        unsigned count = ngi_pack_within(link->work, pack, b, place->at, bound, found);
        for (unsigned k = 0; k < count; k++) {
            uint32_t j = b * NGI_GRID_LEAF_MAX + (uint32_t)found[k].slot;
            if (found[k].value <= link->within[place->reach + pack->places[j].reach])
                link_unite(link, i, j);
        }
        if (count > 0 && a != b && link_are_one(link, (pack_ref){0, a}, (pack_ref){0, b}))
            return;
    }
}

/* Puts the pairs of `whole` and each child of `split` on the stack. */
static unsigned link_split(const link_job *link, pack_ref split, pack_ref whole, link_pair *out)
{
    pack_ref child;
    unsigned count = 0;
    bool is_one = pack_node_at(link->pack, split)->is_one;
    uint32_t end = pack_children(link->pack, split, &child);
    for (; child.index < end; child.index++) {
        if (is_one)
            pack_node_at(link->pack, child)->is_one = true;
        out[count++] = (link_pair){child, whole};
    }
    return count;
}

/* Links what is below one node with what is below another. */
static void link_pairs(const link_job *link, pack_ref a, pack_ref b)
{
    const ngi_metric *metric = &link->work->job->metric;
    link_pair stack[LINK_STACK];
    unsigned height = 0;
    stack[height++] = (link_pair){a, b};
    while (height > 0) {
        link_pair pair = stack[--height];
        const pack_node *one = pack_node_at(link->pack, pair.a);
        const pack_node *two = pack_node_at(link->pack, pair.b);
        if (!ngi_work_goes_on(link->work, 1))
            return;
        if (pack_least(metric, &one->box, &two->box) >
                link->within[one->reach_most + two->reach_most] ||
            link_are_one(link, pair.a, pair.b))
            continue;
        if (pack_most(metric, &one->box, &two->box) <=
            link->within[one->reach_least + two->reach_least]) {
            link_unite_all(link, pair.a);
            link_unite_all(link, pair.b);
            link_unite(link, pack_first(pair.a), pack_first(pair.b));
        } else if (pair.a.level == 0 && pair.b.level == 0) {
            link_leaves(link, pair.a.index, pair.b.index);
            (void)ngi_work_goes_on(link->work, NGI_GRID_LEAF_MAX);
        } else if (pair.a.level >= pair.b.level) {
            height += link_split(link, pair.a, pair.b, stack + height);
        } else {
            height += link_split(link, pair.b, pair.a, stack + height);
        }
    }
}

/* Links what is below a node with itself; below its children that is done. */
static void link_within(const link_job *link, pack_ref ref)
{
    const pack_node *node = pack_node_at(link->pack, ref);
    pack_ref first;
    if (pack_most(&link->work->job->metric, &node->box, &node->box) <=
        link->within[2 * node->reach_least]) {
        link_unite_all(link, ref);
        return;
    }
    if (ref.level == 0) {
        link_leaves(link, ref.index, ref.index);
        return;
    }
    uint32_t end = pack_children(link->pack, ref, &first);
    for (pack_ref a = first; a.index < end; a.index++)
        for (pack_ref b = {a.level, a.index + 1}; b.index < end; b.index++)
            link_pairs(link, a, b);
}

void ngi_pack_link(grid_work *work, grid_pack *pack, const uint64_t *within, uint32_t *root)
{
    const link_job link = {work, pack, within, root};
    for (uint32_t i = 0; i < pack->count; i++)
        root[i] = i;
    for (uint32_t level = 0; level < pack->level_count; level++) {
        for (uint32_t i = 0; i < pack_level_count(pack, level); i++) {
            link_within(&link, (pack_ref){level, i});
            if (!ngi_work_goes_on(work, NGI_GRID_LEAF_MAX))
                return;
        }
    }
    for (uint32_t i = 0; i < pack->count; i++)
        root[i] = link_find(&link, i);
    for (uint32_t level = 0; level < pack->level_count; level++)
        for (uint32_t i = 0; i < pack_level_count(pack, level); i++)
            (void)link_is_one(&link, (pack_ref){level, i});
}
