/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Shortest paths: breadth first from both ends, a whole level at a time, the narrower side first.
 *
 * Each side keeps the steps it found in the order it found them, which is its queue as well; one
 * hash map says for a slot which step of which side reached it. A map and not an array by slot:
 * a path visits few of millions of tokens, and clearing an array would cost more than the search.
 *
 * Invariants: 1. a slot is reached by one side at most: where the other side meets it the search
 *                ends.
 *             2. between levels a side has found exactly the tokens within `depth` hops of its
 *                end that the other side had not, and steps[level_begin..count) are those at
 *                exactly `depth`. So the first meeting ends a shortest path, and every meeting of
 *                that level is one of equal length.
 *                (In a graph that changes in a pause this holds of what was seen; the path that
 *                is written is there as a whole, for it is looked at again at the end.)
 *             3. the result depends on the connections and the order in which they were made
 *                alone: lists are walked newest first, ties between the sides go to the start. */
#include "index/index_graph_private.h"

#include "base/base_limits.h"

#include <string.h>

#define PATH_HOPS_DEFAULT 32
#define PATH_STEPS_MIN 64
#define PATH_BUCKETS_MIN 256

typedef struct path_step {
    uint32_t slot;
    uint32_t via;    /* connection that led here; 0 at the end itself */
    uint32_t parent; /* index of the step it led from */
} path_step;

typedef struct path_side {
    path_step *steps;
    size_t count, capacity;
    size_t level_begin;
    uint32_t depth;
    unsigned direction; /* in which connections are followed from this end */
} path_side;

typedef struct path_bucket {
    uint32_t slot; /* 0 = empty */
    uint32_t side;
    uint32_t step;
} path_bucket;

typedef struct path_search {
    const ngi_graph *graph;
    ngi_mem *mem;
    const ngi_graph_path_query *query;
    const ng_type_set *types; /* NULL = all */
    uint64_t change_count;    /* of the graph, at the beginning */
    uint32_t walked;          /* connections since the last pause */
    path_side sides[2];       /* from the start, from the end */
    path_bucket *buckets;     /* power of two, at most half used */
    size_t bucket_count, bucket_used;
    bool met;
    uint32_t met_steps[2]; /* of each side, when met */
    uint32_t met_via;      /* the connection between them */
} path_search;

static const char path_what[] = "path search";

/* The bucket of a slot, or the empty one where it belongs. Fibonacci hashing: slots are dense. */
static path_bucket *path_bucket_of(path_bucket *buckets, size_t bucket_count, uint32_t slot)
{
    size_t mask = bucket_count - 1;
    size_t at = (size_t)((slot * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;
    while (buckets[at].slot != 0 && buckets[at].slot != slot)
        at = (at + 1) & mask;
    return &buckets[at];
}

static ng_status path_grow_buckets(path_search *search)
{
    if (search->bucket_used < search->bucket_count / 2)
        return NG_OK;
    size_t bucket_count = search->bucket_count == 0 ? PATH_BUCKETS_MIN : search->bucket_count * 2;
    void *block = NULL;
    ng_status status =
        ngi_alloc(search->mem, bucket_count * sizeof(path_bucket), path_what, &block);
    if (status != NG_OK)
        return status;
    path_bucket *buckets = block;
    memset(buckets, 0, bucket_count * sizeof(path_bucket));
    for (size_t i = 0; i < search->bucket_count; i++) {
        if (search->buckets[i].slot != 0)
            *path_bucket_of(buckets, bucket_count, search->buckets[i].slot) = search->buckets[i];
    }
    ngi_free(search->mem, search->buckets, search->bucket_count * sizeof(path_bucket));
    search->buckets = buckets;
    search->bucket_count = bucket_count;
    return NG_OK;
}

static ng_status path_grow_steps(path_search *search, path_side *side)
{
    if (side->count < side->capacity)
        return NG_OK;
    size_t capacity = side->capacity == 0 ? PATH_STEPS_MIN : side->capacity * 2;
    void *block = side->steps;
    ng_status status = ngi_resize(search->mem, &block, side->capacity * sizeof(path_step),
                                  capacity * sizeof(path_step), path_what);
    if (status == NG_OK) {
        side->steps = block;
        side->capacity = capacity;
    }
    return status;
}

/* Side `which` reaches `slot`: a new step, or the meeting of the two sides. */
static ng_status path_reach(path_search *search, uint32_t which, uint32_t slot, uint32_t via,
                            uint32_t parent)
{
    path_side *side = &search->sides[which];
    ng_status status = path_grow_buckets(search);
    if (status == NG_OK)
        status = path_grow_steps(search, side);
    if (status != NG_OK)
        return status;
    path_bucket *bucket = path_bucket_of(search->buckets, search->bucket_count, slot);
    if (bucket->slot == 0) {
        *bucket = (path_bucket){.slot = slot, .side = which, .step = (uint32_t)side->count};
        search->bucket_used++;
        side->steps[side->count++] = (path_step){.slot = slot, .via = via, .parent = parent};
    } else if (bucket->side != which) {
        search->met = true;
        search->met_steps[which] = parent;
        search->met_steps[1 - which] = bucket->step;
        search->met_via = via;
    }
    return NG_OK;
}

/* Follows the connections of one step, those that leave it before those that reach it. */
static ng_status path_expand_step(path_search *search, uint32_t which, uint32_t step)
{
    const ngi_graph *graph = search->graph;
    unsigned direction = search->sides[which].direction;
    uint32_t slot = search->sides[which].steps[step].slot;
    ngi_graph_node node = ngi_graph_node_of(graph, slot);
    for (int incoming = 0; incoming < 2; incoming++) {
        bool along = direction & (incoming ? NG_INCOMING : NG_OUTGOING);
        uint32_t id = incoming ? node.first_in : node.first_out;
        while (id != 0 && !search->met) {
            search->walked++;
            const ng_connection *record = ngi_graph_record_at(graph, id);
            if ((along || record->flags & NG_CONNECTION_BIDIRECTIONAL) &&
                (search->types == NULL || ngi_graph_types_have(search->types, record->type))) {
                uint32_t next = incoming ? record->source : record->target;
                ng_status status = path_reach(search, which, next, id, step);
                if (status != NG_OK)
                    return status;
            }
            const ngi_graph_links *links = ngi_graph_links_at(graph, id);
            id = incoming ? links->next_in : links->next_out;
        }
    }
    return NG_OK;
}

static void path_pause(path_search *search)
{
    if (search->walked < NGI_SLICE_ITEMS || search->query->pause == NULL)
        return;
    search->walked = 0;
    search->query->pause(search->query->context);
}

static ng_status path_expand_level(path_search *search, uint32_t which)
{
    path_side *side = &search->sides[which];
    size_t begin = side->level_begin, end = side->count;
    for (size_t step = begin; step < end && !search->met; step++) {
        ng_status status = path_expand_step(search, which, (uint32_t)step);
        if (status != NG_OK)
            return status;
        path_pause(search);
    }
    side->level_begin = end;
    side->depth++;
    return NG_OK;
}

static size_t path_level_width(const path_side *side)
{
    return side->count - side->level_begin;
}

static ng_status path_run(path_search *search, uint32_t max_hops)
{
    path_side *sides = search->sides;
    while (!search->met && sides[0].depth + sides[1].depth < max_hops) {
        size_t start_width = path_level_width(&sides[0]), end_width = path_level_width(&sides[1]);
        if (start_width == 0 || end_width == 0)
            break;
        ng_status status = path_expand_level(search, start_width <= end_width ? 0 : 1);
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

/* Writes one edge of the path; false if it is gone. */
static bool path_put(const path_search *search, uint32_t id, size_t position, ng_edge *out,
                     size_t capacity)
{
    const ng_connection *record = ngi_graph_record_at(search->graph, id);
    if (position < capacity)
        out[position] = ngi_graph_edge(id, record);
    return record->source != 0;
}

/* The steps of the start's side lead back from the meeting, those of the end's side onwards. Returns
 * how many edges there are, 0 if one of them is gone. */
static size_t path_write(const path_search *search, ng_edge *out, size_t capacity)
{
    const path_step *steps = search->sides[0].steps;
    size_t before = 0;
    for (uint32_t at = search->met_steps[0]; steps[at].via != 0; at = steps[at].parent)
        before++;
    size_t position = before;
    bool is_there = path_put(search, search->met_via, before, out, capacity);
    for (uint32_t at = search->met_steps[0]; steps[at].via != 0; at = steps[at].parent)
        is_there = path_put(search, steps[at].via, --position, out, capacity) && is_there;
    position = before + 1;
    steps = search->sides[1].steps;
    for (uint32_t at = search->met_steps[1]; steps[at].via != 0; at = steps[at].parent)
        is_there = path_put(search, steps[at].via, position++, out, capacity) && is_there;
    return is_there ? position : 0;
}

static void path_release(path_search *search)
{
    for (int which = 0; which < 2; which++)
        ngi_free(search->mem, search->sides[which].steps,
                 search->sides[which].capacity * sizeof(path_step));
    ngi_free(search->mem, search->buckets, search->bucket_count * sizeof(path_bucket));
}

/* Following connections from the end means following them the other way round. */
static unsigned path_reversed(unsigned direction)
{
    return (direction & NG_OUTGOING ? NG_INCOMING : 0u) |
           (direction & NG_INCOMING ? NG_OUTGOING : 0u);
}

static ng_status path_finish(const path_search *search, uint32_t max_hops, ng_edge *out,
                             size_t capacity, size_t *count)
{
    const ngi_graph_path_query *query = search->query;
    if (search->met)
        *count = path_write(search, out, capacity);
    if (*count != 0)
        return NG_OK;
    if (search->graph->change_count != search->change_count)
        return ngi_fail(NG_E_BUSY,
                        "connections changed while a path from token %u to token %u was "
                        "searched",
                        query->from, query->to);
    return ngi_fail(NG_E_NOT_FOUND, "no path from token %u to token %u within %u hops", query->from,
                    query->to, max_hops);
}

ng_status ngi_graph_path(const ngi_graph *graph, ngi_mem *mem, const ngi_graph_path_query *query,
                         ng_edge *out, size_t capacity, size_t *count)
{
    const ng_path_options *options = query->options;
    unsigned direction =
        options == NULL || options->direction == 0 ? NG_OUTGOING : (unsigned)options->direction;
    uint32_t max_hops =
        options == NULL || options->max_hops == 0 ? PATH_HOPS_DEFAULT : options->max_hops;
    if (direction > NG_BOTH)
        return ngi_fail(NG_E_INVALID, "direction %u is outside 1..3", direction);
    if (max_hops > NGI_PATH_HOPS_MAX)
        return ngi_fail(NG_E_INVALID, "max_hops %u is outside 1..%d", max_hops, NGI_PATH_HOPS_MAX);
    *count = 0;
    if (query->from == query->to)
        return NG_OK;
    path_search search = {.graph = graph,
                          .mem = mem,
                          .query = query,
                          .change_count = graph->change_count};
    search.types = options == NULL || ngi_graph_types_any(&options->types) ? NULL : &options->types;
    search.sides[0].direction = direction;
    search.sides[1].direction = path_reversed(direction);
    ng_status status;
    NGI_TRY(path_reach(&search, 0, query->from, 0, 0));
    NGI_TRY(path_reach(&search, 1, query->to, 0, 0));
    NGI_TRY(path_run(&search, max_hops));
    status = path_finish(&search, max_hops, out, capacity, count);
out:
    path_release(&search);
    return status;
}
