/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The connection table and its two lists per token.
 *
 *   node[source].first_out -> id -> links[id].next_out -> ... -> 0
 *   node[target].first_in  -> id -> links[id].next_in  -> ... -> 0
 *
 * Invariants:
 *   1. a record with source 0 is none, is in no list, and has links that are all zero.
 *   2. every other record is once in the list of its source and once in that of its target.
 *   3. previous is the inverse of next; the first of a list has previous 0.
 *   4. degrees are the lengths of the lists; `count` is the sum of either kind.
 *   5. ids in a list descend.
 *   6. id_end is above every id that was put; node_end is above every end of a record. */
#include "index/index_graph_private.h"

#include <string.h>

static ngi_graph_node *graph_node_at(const ngi_graph *graph, uint32_t slot)
{
    return (ngi_graph_node *)(void *)graph->nodes.base + slot;
}

ng_status ngi_graph_init(ngi_graph *graph, ngi_os *os, ngi_mem *mem, uint32_t max_slots,
                         uint32_t max_connections)
{
    ng_status status;
    memset(graph, 0, sizeof *graph);
    NGI_TRY(ngi_table_init(&graph->records, os, mem, sizeof(ng_connection),
                           (size_t)max_connections + 1, "connection table"));
    NGI_TRY(ngi_table_init(&graph->links, os, mem, sizeof(ngi_graph_links),
                           (size_t)max_connections + 1, "connection lists"));
    NGI_TRY(ngi_table_init(&graph->nodes, os, mem, sizeof(ngi_graph_node), (size_t)max_slots + 1,
                           "connection heads"));
    graph->id_end = 1;
out:
    if (status != NG_OK)
        ngi_graph_release(graph);
    return status;
}

void ngi_graph_release(ngi_graph *graph)
{
    ngi_table_release(&graph->nodes);
    ngi_table_release(&graph->links);
    ngi_table_release(&graph->records);
    memset(graph, 0, sizeof *graph);
}

ng_status ngi_graph_reserve(ngi_graph *graph, uint32_t max_id, uint32_t max_slot)
{
    ng_status status;
    NGI_TRY(ngi_table_reserve(&graph->records, (size_t)max_id + 1));
    NGI_TRY(ngi_table_reserve(&graph->links, (size_t)max_id + 1));
    NGI_TRY(ngi_table_reserve(&graph->nodes, (size_t)max_slot + 1));
    if (max_slot >= graph->node_end)
        graph->node_end = max_slot + 1;
out:
    return status;
}

/* One of the two lists of a slot: the functions below are the same for both. */
static uint32_t *graph_first(ngi_graph_node *node, bool incoming)
{
    return incoming ? &node->first_in : &node->first_out;
}

static uint32_t *graph_next(ngi_graph_links *links, bool incoming)
{
    return incoming ? &links->next_in : &links->next_out;
}

static uint32_t *graph_previous(ngi_graph_links *links, bool incoming)
{
    return incoming ? &links->previous_in : &links->previous_out;
}

static uint32_t *graph_degree(ngi_graph_node *node, bool incoming)
{
    return incoming ? &node->in_degree : &node->out_degree;
}

/* The last connection of a list before which `id` does not belong, or 0: it becomes the first. */
static ng_status graph_find_place(const ngi_graph *graph, uint32_t slot, uint32_t id, bool incoming,
                                  uint32_t *out)
{
    ngi_graph_node *node = graph_node_at(graph, slot);
    uint32_t next = *graph_first(node, incoming), left = *graph_degree(node, incoming);
    *out = 0;
    while (NGI_UNLIKELY(next > id)) {
        if (left-- == 0 || next >= graph->id_end)
            return ngi_fail(NG_E_INTERNAL, "graph: a list of token %u does not end", slot);
        *out = next;
        next = *graph_next(ngi_graph_links_at(graph, next), incoming);
    }
    return NG_OK;
}

static void graph_count(uint32_t *degree, uint32_t change)
{
    ngi_shared_set_u32(degree, *degree + change);
}

static void graph_link(ngi_graph *graph, uint32_t slot, uint32_t id, uint32_t before, bool incoming)
{
    ngi_graph_node *node = graph_node_at(graph, slot);
    ngi_graph_links *links = ngi_graph_links_at(graph, id);
    uint32_t *link = graph_first(node, incoming);
    ngi_table_touch(&graph->nodes, slot, 1);
    ngi_table_touch(&graph->links, id, 1);
    if (NGI_UNLIKELY(before != 0)) {
        ngi_table_touch(&graph->links, before, 1);
        link = graph_next(ngi_graph_links_at(graph, before), incoming);
    }
    uint32_t next = *link;
    *graph_previous(links, incoming) = before;
    ngi_shared_set_u32(graph_next(links, incoming), next);
    if (next != 0) {
        ngi_table_touch(&graph->links, next, 1);
        *graph_previous(ngi_graph_links_at(graph, next), incoming) = id;
    }
    ngi_shared_set_u32(link, id);
    graph_count(graph_degree(node, incoming), 1);
}

static void graph_unlink(ngi_graph *graph, uint32_t slot, uint32_t id, bool incoming)
{
    ngi_graph_node *node = graph_node_at(graph, slot);
    ngi_graph_links *links = ngi_graph_links_at(graph, id);
    uint32_t previous = *graph_previous(links, incoming), next = *graph_next(links, incoming);
    ngi_table_touch(&graph->nodes, slot, 1);
    if (previous != 0) {
        ngi_table_touch(&graph->links, previous, 1);
        ngi_shared_set_u32(graph_next(ngi_graph_links_at(graph, previous), incoming), next);
    } else {
        ngi_shared_set_u32(graph_first(node, incoming), next);
    }
    if (next != 0) {
        ngi_table_touch(&graph->links, next, 1);
        *graph_previous(ngi_graph_links_at(graph, next), incoming) = previous;
    }
    graph_count(graph_degree(node, incoming), UINT32_MAX);
}

static ng_status graph_add(ngi_graph *graph, uint32_t id, const ng_connection *record)
{
    uint32_t before_out, before_in;
    ng_status status = graph_find_place(graph, record->source, id, false, &before_out);
    if (status == NG_OK)
        status = graph_find_place(graph, record->target, id, true, &before_in);
    if (status != NG_OK)
        return status;
    graph_link(graph, record->source, id, before_out, false);
    graph_link(graph, record->target, id, before_in, true);
    graph->count++;
    return NG_OK;
}

ng_status ngi_graph_put(ngi_graph *graph, uint32_t id, const ng_connection *record)
{
    if (NGI_UNLIKELY(id == 0 || id >= graph->links.committed_bytes / sizeof(ngi_graph_links) ||
                     record->source >= graph->node_end || record->target >= graph->node_end))
        return ngi_fail(NG_E_INTERNAL, "graph: no room was made for connection %u of %u and %u", id,
                        record->source, record->target);
    if (NGI_UNLIKELY(record->source == 0 || record->target == 0 ||
                     record->source == record->target))
        return ngi_fail(NG_E_INTERNAL, "graph: ends %u and %u of connection %u", record->source,
                        record->target, id);
    ng_connection *stored = ngi_graph_record_at(graph, id);
    if (stored->source == 0) {
        ng_status status = graph_add(graph, id, record);
        if (NGI_UNLIKELY(status != NG_OK))
            return status;
    } else if (NGI_UNLIKELY(stored->source != record->source || stored->target != record->target)) {
        return ngi_fail(NG_E_INTERNAL, "graph: connection %u has other ends, %u and %u", id,
                        stored->source, stored->target);
    }
    ngi_table_touch(&graph->records, id, 1);
    ngi_shared_write(stored, record, sizeof *stored);
    graph->change_count++;
    if (id >= graph->id_end)
        graph->id_end = id + 1;
    return NG_OK;
}

ng_status ngi_graph_remove(ngi_graph *graph, uint32_t id)
{
    if (NGI_UNLIKELY(ngi_graph_get(graph, id) == NULL))
        return ngi_fail(NG_E_INTERNAL, "graph: connection %u is not there to be removed", id);
    ng_connection *record = ngi_graph_record_at(graph, id);
    graph_unlink(graph, record->source, id, false);
    graph_unlink(graph, record->target, id, true);
    ngi_table_touch(&graph->links, id, 1);
    ngi_table_touch(&graph->records, id, 1);
    ngi_shared_write(ngi_graph_links_at(graph, id), &(ngi_graph_links){0}, sizeof(ngi_graph_links));
    ngi_shared_write(record, &(ng_connection){0}, sizeof *record);
    graph->count--;
    graph->change_count++;
    return NG_OK;
}

const ng_connection *ngi_graph_get(const ngi_graph *graph, uint32_t id)
{
    if (id == 0 || id >= graph->id_end)
        return NULL;
    const ng_connection *record = ngi_graph_record_at(graph, id);
    return record->source == 0 ? NULL : record;
}

uint32_t ngi_graph_source_of(const ngi_graph *graph, uint64_t id)
{
    _Static_assert(offsetof(ng_connection, source) == 0, "a record begins with its source");
    if (id > UINT32_MAX || !ngi_table_covers(&graph->records, id))
        return 0;
    return ngi_shared_u32((uint32_t *)(void *)ngi_graph_record_at(graph, (uint32_t)id));
}

void ngi_graph_read(const ngi_graph *graph, uint32_t id, ng_connection *out)
{
    ngi_shared_read(out, ngi_graph_record_at(graph, id), sizeof *out);
}

ngi_graph_node ngi_graph_node_of(const ngi_graph *graph, uint32_t slot)
{
    ngi_graph_node node = {0};
    if (ngi_table_covers(&graph->nodes, slot))
        ngi_shared_read(&node, graph_node_at(graph, slot), sizeof node);
    return node;
}

const ngi_graph_links *ngi_graph_links_of(const ngi_graph *graph, uint32_t id)
{
    return ngi_graph_links_at(graph, id);
}

/* A walk along one list. Ids descend, and so many are left: a walk beside a writer ends too. */
typedef struct graph_walk {
    const ngi_graph *graph;
    bool incoming;
    uint32_t id; /* 0 = the end */
    uint32_t left;
} graph_walk;

static inline graph_walk graph_walk_begin(const ngi_graph *graph, const ngi_graph_node *node,
                                          bool incoming)
{
    uint32_t first = incoming ? node->first_in : node->first_out;
    uint32_t degree = incoming ? node->in_degree : node->out_degree;
    return (graph_walk){.graph = graph,
                        .incoming = incoming,
                        .id = degree != 0 ? first : 0,
                        .left = degree};
}

static inline void graph_walk_next(graph_walk *walk)
{
    ngi_graph_links *links = ngi_graph_links_at(walk->graph, walk->id);
    uint32_t next = ngi_shared_u32(graph_next(links, walk->incoming));
    walk->id = --walk->left != 0 && next < walk->id ? next : 0;
}

/* Along the shorter of the two lists that connections from `source` to `target` are in. */
static inline graph_walk graph_walk_shorter(const ngi_graph *graph, uint32_t source,
                                            uint32_t target)
{
    ngi_graph_node from = ngi_graph_node_of(graph, source), to = ngi_graph_node_of(graph, target);
    bool by_out = from.out_degree <= to.in_degree;
    return graph_walk_begin(graph, by_out ? &from : &to, !by_out);
}

uint32_t ngi_graph_find(const ngi_graph *graph, uint32_t source, uint32_t target, uint8_t type)
{
    graph_walk walk = graph_walk_shorter(graph, source, target);
    for (; walk.id != 0; graph_walk_next(&walk)) {
        ng_connection head = ngi_graph_head_at(graph, walk.id);
        if (head.source == source && head.target == target && head.type == type)
            return walk.id;
    }
    return 0;
}

void ngi_graph_fetch_record(const ngi_graph *graph, uint64_t id)
{
    if (id < graph->id_end)
        __builtin_prefetch(ngi_graph_record_at(graph, (uint32_t)id), 1);
}

void ngi_graph_fetch_heads(const ngi_graph *graph, uint32_t source, uint32_t target)
{
    if (source < graph->node_end)
        __builtin_prefetch(graph_node_at(graph, source), 1);
    if (target < graph->node_end)
        __builtin_prefetch(graph_node_at(graph, target), 1);
}

/* A put changes the first of both lists, a find begins with the record of one of them. */
void ngi_graph_fetch_lists(const ngi_graph *graph, uint32_t source, uint32_t target)
{
    ngi_graph_node from = ngi_graph_node_of(graph, source), to = ngi_graph_node_of(graph, target);
    __builtin_prefetch(ngi_graph_links_at(graph, from.first_out), 1);
    __builtin_prefetch(ngi_graph_links_at(graph, to.first_in), 1);
    __builtin_prefetch(
        ngi_graph_record_at(graph, from.out_degree <= to.in_degree ? from.first_out : to.first_in));
}

ngi_graph_side ngi_graph_side_of(const ng_edge_options *options, uint32_t slot, bool incoming)
{
    ngi_graph_side side = {.is_walked = true};
    if (options == NULL)
        return side;
    ng_direction direction = options->direction != 0 ? options->direction : NG_BOTH;
    if (!(direction & (incoming ? NG_INCOMING : NG_OUTGOING))) {
        side.is_walked = options->both_ways;
        side.only_both_ways = true;
    }
    if (options->after != NULL) {
        bool after_is_incoming = options->after->source != slot;
        side.is_resumed = after_is_incoming == incoming;
        side.is_walked = side.is_walked && (side.is_resumed || incoming);
    }
    return side;
}

bool ngi_graph_edge_passes(const ng_edge_options *options, ngi_graph_side side, uint8_t type,
                           uint8_t flags)
{
    if (options == NULL)
        return true;
    if (side.only_both_ways && !(flags & NG_CONNECTION_BIDIRECTIONAL))
        return false;
    if (options->categories != 0 && !(options->categories >> (type >> 4) & 1))
        return false;
    return ngi_graph_types_any(&options->types) || ngi_graph_types_have(&options->types, type);
}

/* To the first connection of the list that is behind `after`, whose place is known if it is still
 * there. */
static void graph_walk_resume(graph_walk *walk, uint32_t slot, const ng_edge *after)
{
    if (walk->id != 0 && after->id <= UINT32_MAX &&
        ngi_table_covers(&walk->graph->records, after->id)) {
        ng_connection head = ngi_graph_head_at(walk->graph, (uint32_t)after->id);
        if ((walk->incoming ? head.target : head.source) == slot)
            walk->id = (uint32_t)after->id;
    }
    while (walk->id != 0 && walk->id >= after->id)
        graph_walk_next(walk);
}

size_t ngi_graph_edges(const ngi_graph *graph, uint32_t slot, const ng_edge_options *options,
                       ng_edge *out, size_t capacity)
{
    ngi_graph_node node = ngi_graph_node_of(graph, slot);
    size_t count = 0;
    for (int incoming = 0; incoming < 2; incoming++) {
        ngi_graph_side side = ngi_graph_side_of(options, slot, incoming);
        if (!side.is_walked)
            continue;
        graph_walk walk = graph_walk_begin(graph, &node, incoming != 0);
        if (side.is_resumed)
            graph_walk_resume(&walk, slot, options->after);
        for (; walk.id != 0; graph_walk_next(&walk)) {
            ng_connection head = ngi_graph_head_at(graph, walk.id);
            if (!ngi_graph_edge_passes(options, side, head.type, head.flags))
                continue;
            if (count < capacity)
                out[count] = ngi_graph_edge(walk.id, &head);
            count++;
        }
    }
    return count;
}

/* Both lists are newest first, so the order is the same whichever is walked. */
static size_t graph_between_one_way(const ngi_graph *graph, uint32_t source, uint32_t target,
                                    ng_edge *out, size_t capacity, size_t count)
{
    graph_walk walk = graph_walk_shorter(graph, source, target);
    for (; walk.id != 0; graph_walk_next(&walk)) {
        ng_connection head = ngi_graph_head_at(graph, walk.id);
        if (head.source != source || head.target != target)
            continue;
        if (count < capacity)
            out[count] = ngi_graph_edge(walk.id, &head);
        count++;
    }
    return count;
}

size_t ngi_graph_between(const ngi_graph *graph, uint32_t a, uint32_t b, ng_edge *out,
                         size_t capacity)
{
    size_t count = graph_between_one_way(graph, a, b, out, capacity, 0);
    return graph_between_one_way(graph, b, a, out, capacity, count);
}

void ngi_graph_memory(const ngi_graph *graph, ng_memory_use *records, ng_memory_use *links,
                      ng_memory_use *heads)
{
    uint64_t slots = graph->node_end == 0 ? 0 : graph->node_end - 1; /* slot 0 is no token */
    *records = (ng_memory_use){.bytes = ngi_table_bytes(&graph->records),
                               .used_bytes = graph->count * sizeof(ng_connection),
                               .items = graph->count};
    *links = (ng_memory_use){.bytes = ngi_table_bytes(&graph->links),
                             .used_bytes = graph->count * sizeof(ngi_graph_links),
                             .items = graph->count};
    *heads = (ng_memory_use){.bytes = ngi_table_bytes(&graph->nodes),
                             .used_bytes = slots * sizeof(ngi_graph_node),
                             .items = slots};
    if (heads->used_bytes > heads->bytes) /* heads of tokens that have gone were given back */
        heads->used_bytes = heads->bytes;
}

/* How far ahead memory is fetched while rebuilding: first the nodes of both ends, later the links
 * of whoever is the first there by then. */
#define REBUILD_NODES_AHEAD 32u
#define REBUILD_LINKS_AHEAD 12u

static void graph_rebuild_prefetch(const ngi_graph *graph, uint32_t id, uint32_t id_end,
                                   uint32_t slot_end)
{
    if (id_end - id > REBUILD_NODES_AHEAD) {
        const ng_connection *record = ngi_graph_record_at(graph, id + REBUILD_NODES_AHEAD);
        __builtin_prefetch(graph_node_at(graph, record->source), 1);
        __builtin_prefetch(graph_node_at(graph, record->target), 1);
    }
    if (id_end - id > REBUILD_LINKS_AHEAD) {
        const ng_connection *record = ngi_graph_record_at(graph, id + REBUILD_LINKS_AHEAD);
        if (record->source >= slot_end || record->target >= slot_end)
            return; /* the node is not there to be read */
        uint32_t out = graph_node_at(graph, record->source)->first_out;
        uint32_t in = graph_node_at(graph, record->target)->first_in;
        __builtin_prefetch(ngi_graph_links_at(graph, out), 1);
        __builtin_prefetch(ngi_graph_links_at(graph, in), 1);
    }
}

/* Ids ascend, so each becomes the first of its lists. */
static ng_status graph_rebuild_lists(ngi_graph *graph, uint32_t id_end, uint32_t slot_end)
{
    for (uint32_t id = 1; id < id_end; id++) {
        graph_rebuild_prefetch(graph, id, id_end, slot_end);
        const ng_connection *record = ngi_graph_record_at(graph, id);
        uint32_t source = record->source, target = record->target;
        if (source == 0 && target == 0)
            continue;
        if (source == 0 || target == 0 || source == target || source >= slot_end ||
            target >= slot_end)
            return ngi_fail(NG_E_CORRUPT,
                            "connection %u from %u to %u: ends are not two of tokens 1..%u", id,
                            source, target, slot_end - 1);
        ngi_graph_node *from = graph_node_at(graph, source), *to = graph_node_at(graph, target);
        *ngi_graph_links_at(graph, id) =
            (ngi_graph_links){.next_out = from->first_out, .next_in = to->first_in};
        if (from->first_out != 0)
            ngi_graph_links_at(graph, from->first_out)->previous_out = id;
        if (to->first_in != 0)
            ngi_graph_links_at(graph, to->first_in)->previous_in = id;
        from->first_out = id;
        to->first_in = id;
        from->out_degree++;
        to->in_degree++;
        graph->count++;
    }
    return NG_OK;
}

ng_status ngi_graph_rebuild(ngi_graph *graph, uint32_t id_end, uint32_t slot_end)
{
    if (id_end == 0 || slot_end == 0 ||
        id_end - 1 >= graph->records.reserved_bytes / sizeof(ng_connection))
        return ngi_fail(NG_E_CORRUPT, "connections up to %u of tokens up to %u", id_end, slot_end);
    uint32_t used_ids = graph->id_end, used_nodes = graph->node_end; /* the rest is still zero */
    ng_status status = ngi_graph_reserve(graph, id_end - 1, slot_end - 1);
    if (status != NG_OK)
        return status;
    if (used_ids > 1)
        memset(graph->links.base, 0, used_ids * sizeof(ngi_graph_links));
    memset(graph->nodes.base, 0, used_nodes * sizeof(ngi_graph_node));
    graph->count = 0;
    graph->id_end = 1;
    status = graph_rebuild_lists(graph, id_end, slot_end);
    if (status == NG_OK) {
        graph->id_end = id_end;
        return NG_OK;
    }
    memset(graph->links.base, 0, graph->links.committed_bytes);
    memset(graph->nodes.base, 0, graph->nodes.committed_bytes);
    graph->count = 0;
    return status;
}

static ng_status graph_check_list(const ngi_graph *graph, uint32_t slot, bool incoming)
{
    const char *kind = incoming ? "incoming" : "outgoing";
    const ngi_graph_node *node = graph_node_at(graph, slot);
    uint32_t degree = incoming ? node->in_degree : node->out_degree;
    uint32_t id = incoming ? node->first_in : node->first_out, previous = 0, length = 0;
    while (id != 0) {
        const ng_connection *record = ngi_graph_get(graph, id);
        if (record == NULL || (incoming ? record->target : record->source) != slot)
            return ngi_fail(NG_E_INTERNAL,
                            "graph: connection %u in the %s list of token %u is not its own", id,
                            kind, slot);
        const ngi_graph_links *links = ngi_graph_links_at(graph, id);
        if ((incoming ? links->previous_in : links->previous_out) != previous)
            return ngi_fail(NG_E_INTERNAL, "graph: connection %u has the wrong %s predecessor", id,
                            kind);
        if (previous != 0 && id >= previous)
            return ngi_fail(NG_E_INTERNAL,
                            "graph: connection %u follows %u in the %s list of token %u", id,
                            previous, kind, slot);
        if (++length > degree)
            break;
        previous = id;
        id = incoming ? links->next_in : links->next_out;
    }
    if (length != degree)
        return ngi_fail(NG_E_INTERNAL, "graph: %s degree of token %u is %u, its list is %s", kind,
                        slot, degree, length < degree ? "shorter" : "longer");
    return NG_OK;
}

ng_status ngi_graph_check(const ngi_graph *graph)
{
    uint64_t records = 0, outgoing = 0, incoming = 0;
    for (uint32_t id = 1; id < graph->id_end; id++)
        records += ngi_graph_get(graph, id) != NULL;
    for (uint32_t slot = 0; slot < graph->node_end; slot++) {
        ng_status status = graph_check_list(graph, slot, false);
        if (status == NG_OK)
            status = graph_check_list(graph, slot, true);
        if (status != NG_OK)
            return status;
        outgoing += graph_node_at(graph, slot)->out_degree;
        incoming += graph_node_at(graph, slot)->in_degree;
    }
    if (records != graph->count || outgoing != records || incoming != records)
        return ngi_fail(NG_E_INTERNAL,
                        "graph: %llu connections counted, %llu stored, %llu leave and %llu reach "
                        "a token",
                        (unsigned long long)graph->count, (unsigned long long)records,
                        (unsigned long long)outgoing, (unsigned long long)incoming);
    return NG_OK;
}
