/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens reached by strong connections, best first, within some hops.
 *
 * Every connection more makes a path weaker, or leaves it as it is: so the paths are taken from a
 * heap in the order of (score, hops), and the first to arrive at a token is its best. A weaker path with
 * fewer hops may still lead farther, because hops are bounded: it is followed as well, up to one path
 * for each number of hops. Scores are products from the beginning of the path to its end, so a better
 * beginning never becomes the worse whole by rounding.
 *
 * Invariants: 1. steps are in the order in which they were found, a parent before its children.
 *             2. node.scores[h] is the best score found at the token with at most h + 1 hops; a path
 *                that does not exceed it is not kept.
 *             3. a node is settled once: then its best step is the last of `best`, and `fewest`
 *                falls with each further path that is followed from it.
 *             4. the result depends on the connections and the order of their ids alone. */
#include "index/index_graph_private.h"

#include "base/base_limits.h"

#include <math.h>
#include <string.h>

#define REACH_MIN 64
#define REACH_STEPS_PER_TOKEN 16u /* kept at most: bounds the memory where a few know everybody */

struct ngi_graph_reach_node {
    uint32_t slot;   /* 0 = empty */
    uint32_t best;   /* step + 1 of its best path, 0 = not settled */
    uint32_t fewest; /* hops of the paths that were followed from it; 0 = a beginning */
    bool is_beginning;
    double scores[NGI_RECALL_HOPS_MAX];
};

typedef struct ngi_graph_reach_node reach_node;

typedef struct reach_search {
    const ngi_graph *graph;
    ngi_mem *mem;
    const ngi_graph_reach_query *query;
    ngi_graph_reach *out;
    uint32_t *heap; /* steps to be followed, the best at the top */
    size_t heap_count, heap_capacity;
    uint32_t walked; /* connections since the last pause */
} reach_search;

static const char reach_what[] = "search by relation";

/* --- nodes ----------------------------------------------------------------------------------- */

/* The node of a slot, or the empty one where it belongs. Fibonacci hashing: slots are dense. */
static reach_node *reach_node_of(reach_node *nodes, size_t capacity, uint32_t slot)
{
    size_t mask = capacity - 1;
    size_t at = (size_t)((slot * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;
    while (nodes[at].slot != 0 && nodes[at].slot != slot)
        at = (at + 1) & mask;
    return &nodes[at];
}

static ng_status reach_grow_nodes(reach_search *search)
{
    ngi_graph_reach *out = search->out;
    if (out->node_count < out->node_capacity / 2)
        return NG_OK;
    size_t capacity = out->node_capacity == 0 ? 2 * REACH_MIN : 2 * out->node_capacity;
    void *block = NULL;
    ng_status status = ngi_alloc(search->mem, capacity * sizeof(reach_node), reach_what, &block);
    if (status != NG_OK)
        return status;
    reach_node *nodes = block;
    memset(nodes, 0, capacity * sizeof *nodes);
    for (size_t i = 0; i < out->node_capacity; i++) {
        if (out->nodes[i].slot != 0)
            *reach_node_of(nodes, capacity, out->nodes[i].slot) = out->nodes[i];
    }
    ngi_free(search->mem, out->nodes, out->node_capacity * sizeof(reach_node));
    out->nodes = nodes;
    out->node_capacity = capacity;
    return NG_OK;
}

/* The node of a slot, made if there is none. */
static ng_status reach_node_get(reach_search *search, uint32_t slot, reach_node **node)
{
    ng_status status = reach_grow_nodes(search);
    if (status != NG_OK)
        return status;
    *node = reach_node_of(search->out->nodes, search->out->node_capacity, slot);
    if ((*node)->slot == 0) {
        **node = (reach_node){.slot = slot, .fewest = UINT32_MAX};
        search->out->node_count++;
    }
    return NG_OK;
}

/* --- the heap -------------------------------------------------------------------------------- */

static bool reach_is_before(const ngi_graph_path_step *steps, uint32_t a, uint32_t b)
{
    if (steps[a].score != steps[b].score)
        return steps[a].score > steps[b].score;
    return steps[a].hops != steps[b].hops ? steps[a].hops < steps[b].hops : a < b;
}

static void reach_heap_push(reach_search *search, uint32_t step)
{
    const ngi_graph_path_step *steps = search->out->steps;
    size_t at = search->heap_count++;
    while (at > 0 && reach_is_before(steps, step, search->heap[(at - 1) / 2])) {
        search->heap[at] = search->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    search->heap[at] = step;
}

static uint32_t reach_heap_pop(reach_search *search)
{
    const ngi_graph_path_step *steps = search->out->steps;
    uint32_t top = search->heap[0], last = search->heap[--search->heap_count];
    size_t at = 0;
    for (size_t child = 1; child < search->heap_count; child = 2 * at + 1) {
        if (child + 1 < search->heap_count &&
            reach_is_before(steps, search->heap[child + 1], search->heap[child]))
            child++;
        if (!reach_is_before(steps, search->heap[child], last))
            break;
        search->heap[at] = search->heap[child];
        at = child;
    }
    search->heap[at] = last;
    return top;
}

/* --- steps ----------------------------------------------------------------------------------- */

static ng_status reach_grow(reach_search *search, void **items, size_t count, size_t *capacity,
                            size_t item_bytes)
{
    if (count < *capacity)
        return NG_OK;
    size_t grown = *capacity == 0 ? REACH_MIN : 2 * *capacity;
    ng_status status =
        ngi_resize(search->mem, items, *capacity * item_bytes, grown * item_bytes, reach_what);
    if (status == NG_OK)
        *capacity = grown;
    return status;
}

static ng_status reach_keep(reach_search *search, const ngi_graph_path_step *step)
{
    ngi_graph_reach *out = search->out;
    void *steps = out->steps, *heap = search->heap;
    if (out->step_count >= (size_t)REACH_STEPS_PER_TOKEN * search->query->max_tokens + REACH_MIN) {
        out->is_cut = true;
        return NG_OK;
    }
    ng_status status =
        reach_grow(search, &steps, out->step_count, &out->step_capacity, sizeof *step);
    out->steps = steps;
    if (status != NG_OK)
        return status;
    status =
        reach_grow(search, &heap, search->heap_count, &search->heap_capacity, sizeof *search->heap);
    search->heap = heap;
    if (status != NG_OK)
        return status;
    out->steps[out->step_count] = *step;
    reach_heap_push(search, (uint32_t)out->step_count++);
    return NG_OK;
}

/* Notes a path of `hops` connections to a node; false if one as good is known. */
static bool reach_note(reach_node *node, uint32_t hops, double score)
{
    if (node->is_beginning || node->fewest <= hops || node->scores[hops - 1] >= score)
        return false;
    for (uint32_t i = hops - 1; i < NGI_RECALL_HOPS_MAX && node->scores[i] < score; i++)
        node->scores[i] = score;
    return true;
}

/* How strong a connection is, 0..1; 0 = it is not followed. */
static double reach_strength(const ng_connection *record, uint64_t time_us)
{
    double pull = (double)record->pull_strength;
    bool inhibits = (record->flags & NG_CONNECTION_INHIBITORY) != 0;
    if (inhibits != (pull < 0))
        return 0;
    double size = pull == 0 ? 1 : fmin(fabs(pull), 1);
    return ng_connection_confidence(record, time_us) * size;
}

static ng_status reach_along(reach_search *search, uint32_t from, uint32_t id, uint32_t slot,
                             const ng_connection *record)
{
    const ngi_graph_reach_query *query = search->query;
    const ngi_graph_path_step parent = search->out->steps[from];
    double strength = reach_strength(record, query->time_us);
    ngi_graph_path_step step = {.slot = slot, .via = id, .parent = from, .hops = parent.hops + 1};
    step.score = parent.score * (parent.hops == 0 ? strength : strength * query->decay);
    reach_node *node;
    if (!(step.score > 0))
        return NG_OK;
    ng_status status = reach_node_get(search, slot, &node);
    if (status != NG_OK || !reach_note(node, step.hops, step.score))
        return status;
    return reach_keep(search, &step);
}

/* Follows the connections of one step, those that leave it before those that reach it. */
static ng_status reach_follow(reach_search *search, uint32_t from)
{
    const ngi_graph *graph = search->graph;
    const ngi_graph_reach_query *query = search->query;
    uint32_t slot = search->out->steps[from].slot;
    ngi_graph_node node = ngi_graph_node_of(graph, slot);
    for (int incoming = 0; incoming < 2; incoming++) {
        bool along = query->direction & (incoming ? NG_INCOMING : NG_OUTGOING);
        uint32_t id = incoming ? node.first_in : node.first_out;
        while (id != 0) {
            search->walked++;
            const ng_connection *record = ngi_graph_record_at(graph, id);
            if ((along || record->flags & NG_CONNECTION_BIDIRECTIONAL) &&
                (query->types == NULL || ngi_graph_types_have(query->types, record->type))) {
                uint32_t next = incoming ? record->source : record->target;
                ng_status status = reach_along(search, from, id, next, record);
                if (status != NG_OK)
                    return status;
            }
            const ngi_graph_links *links = ngi_graph_links_at(graph, id);
            id = incoming ? links->next_in : links->next_out;
        }
    }
    return NG_OK;
}

/* --- the search ------------------------------------------------------------------------------ */

static ng_status reach_begin(reach_search *search)
{
    ng_status status = NG_OK;
    for (size_t i = 0; i < search->query->from_count && status == NG_OK; i++) {
        const ngi_graph_path_step step = {.slot = search->query->from[i], .score = 1};
        reach_node *node;
        status = reach_node_get(search, step.slot, &node);
        if (status != NG_OK || node->is_beginning)
            continue;
        node->is_beginning = true;
        status = reach_keep(search, &step);
    }
    return status;
}

/* The best path to a token that has none yet; false: there is no room for another token. */
static ng_status reach_settle(reach_search *search, reach_node *node, uint32_t step, bool *fits)
{
    ngi_graph_reach *out = search->out;
    void *best = out->best;
    *fits = out->count < search->query->max_tokens;
    if (!*fits)
        return NG_OK;
    ng_status status = reach_grow(search, &best, out->count, &out->capacity, sizeof *out->best);
    out->best = best;
    if (status != NG_OK)
        return status;
    out->best[out->count++] = step;
    node->best = step + 1;
    return NG_OK;
}

/* Takes the best path that is left; `*more` = go on. */
static ng_status reach_step(reach_search *search, bool *more)
{
    ngi_graph_reach *out = search->out;
    uint32_t at = reach_heap_pop(search);
    const ngi_graph_path_step step = out->steps[at];
    reach_node *node = reach_node_of(out->nodes, out->node_capacity, step.slot);
    ng_status status = NG_OK;
    if (!node->is_beginning && node->fewest <= step.hops)
        return NG_OK; /* a better one with as few hops was followed */
    if (!node->is_beginning && node->best == 0) {
        bool fits;
        status = reach_settle(search, node, at, &fits);
        if (status == NG_OK && !fits)
            out->is_cut = true;
        if (status != NG_OK || !fits) {
            *more = false;
            return status;
        }
    }
    node->fewest = step.hops;
    if (step.hops < search->query->max_hops)
        status = reach_follow(search, at);
    return status;
}

static ng_status reach_run(reach_search *search)
{
    const ngi_graph_reach_query *query = search->query;
    bool more = true;
    ng_status status = reach_begin(search);
    while (status == NG_OK && more && search->heap_count > 0) {
        status = reach_step(search, &more);
        if (search->walked < NGI_SLICE_ITEMS || query->go_on == NULL)
            continue;
        search->walked = 0;
        search->out->is_stopped = !query->go_on(query->context);
        more = more && !search->out->is_stopped;
    }
    return status;
}

ng_status ngi_graph_reach_find(const ngi_graph *graph, ngi_mem *mem,
                               const ngi_graph_reach_query *query, ngi_graph_reach *out)
{
    reach_search search = {.graph = graph, .mem = mem, .query = query, .out = out};
    *out = (ngi_graph_reach){0};
    ng_status status = reach_run(&search);
    ngi_free(mem, search.heap, search.heap_capacity * sizeof *search.heap);
    return status;
}

const ngi_graph_path_step *ngi_graph_reach_of(const ngi_graph_reach *reach, uint32_t slot)
{
    if (reach->node_capacity == 0 || slot == 0)
        return NULL;
    const reach_node *node = reach_node_of(reach->nodes, reach->node_capacity, slot);
    return node->best != 0 ? &reach->steps[node->best - 1] : NULL;
}

size_t ngi_graph_reach_path(const ngi_graph *graph, const ngi_graph_reach *reach,
                            const ngi_graph_path_step *step, ng_edge *out)
{
    size_t count = step->hops;
    for (size_t at = count; at > 0; at--) {
        const ng_connection *record = ngi_graph_get(graph, step->via);
        if (record == NULL)
            return 0;
        out[at - 1] = ngi_graph_edge(step->via, record);
        step = &reach->steps[step->parent];
    }
    return count;
}

void ngi_graph_reach_release(ngi_mem *mem, ngi_graph_reach *reach)
{
    ngi_free(mem, reach->steps, reach->step_capacity * sizeof *reach->steps);
    ngi_free(mem, reach->best, reach->capacity * sizeof *reach->best);
    ngi_free(mem, reach->nodes, reach->node_capacity * sizeof *reach->nodes);
    *reach = (ngi_graph_reach){0};
}
