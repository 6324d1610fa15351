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
 *   5. id_end is above every id that was put; node_end is above every end of a record. */
#include "index/index_graph_private.h"

#include <assert.h>
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

static void graph_link(ngi_graph *graph, uint32_t id, const ng_connection *record)
{
    ngi_graph_links *links = ngi_graph_links_at(graph, id);
    ngi_graph_node *source = graph_node_at(graph, record->source);
    ngi_graph_node *target = graph_node_at(graph, record->target);
    *links = (ngi_graph_links){.next_out = source->first_out, .next_in = target->first_in};
    if (source->first_out != 0)
        ngi_graph_links_at(graph, source->first_out)->previous_out = id;
    if (target->first_in != 0)
        ngi_graph_links_at(graph, target->first_in)->previous_in = id;
    source->first_out = id;
    target->first_in = id;
    source->out_degree++;
    target->in_degree++;
    graph->count++;
}

void ngi_graph_put(ngi_graph *graph, uint32_t id, const ng_connection *record)
{
    assert(id != 0 && record->source != 0 && record->source != record->target);
    assert(record->source < graph->node_end && record->target < graph->node_end);
    ng_connection *stored = ngi_graph_record_at(graph, id);
    if (stored->source == 0)
        graph_link(graph, id, record);
    else
        assert(stored->source == record->source && stored->target == record->target);
    *stored = *record;
    if (id >= graph->id_end)
        graph->id_end = id + 1;
}

void ngi_graph_remove(ngi_graph *graph, uint32_t id)
{
    ng_connection *record = ngi_graph_record_at(graph, id);
    ngi_graph_links *links = ngi_graph_links_at(graph, id);
    assert(id != 0 && id < graph->id_end && record->source != 0);
    ngi_graph_node *source = graph_node_at(graph, record->source);
    ngi_graph_node *target = graph_node_at(graph, record->target);
    if (links->previous_out != 0)
        ngi_graph_links_at(graph, links->previous_out)->next_out = links->next_out;
    else
        source->first_out = links->next_out;
    if (links->next_out != 0)
        ngi_graph_links_at(graph, links->next_out)->previous_out = links->previous_out;
    if (links->previous_in != 0)
        ngi_graph_links_at(graph, links->previous_in)->next_in = links->next_in;
    else
        target->first_in = links->next_in;
    if (links->next_in != 0)
        ngi_graph_links_at(graph, links->next_in)->previous_in = links->previous_in;
    source->out_degree--;
    target->in_degree--;
    graph->count--;
    *links = (ngi_graph_links){0};
    *record = (ng_connection){0};
}

const ng_connection *ngi_graph_get(const ngi_graph *graph, uint32_t id)
{
    if (id == 0 || id >= graph->id_end)
        return NULL;
    const ng_connection *record = ngi_graph_record_at(graph, id);
    return record->source == 0 ? NULL : record;
}

ngi_graph_node ngi_graph_node_of(const ngi_graph *graph, uint32_t slot)
{
    return slot < graph->node_end ? *graph_node_at(graph, slot) : (ngi_graph_node){0};
}

const ngi_graph_links *ngi_graph_links_of(const ngi_graph *graph, uint32_t id)
{
    return ngi_graph_links_at(graph, id);
}

uint32_t ngi_graph_find(const ngi_graph *graph, uint32_t source, uint32_t target, uint8_t type)
{
    ngi_graph_node from = ngi_graph_node_of(graph, source), to = ngi_graph_node_of(graph, target);
    bool by_out = from.out_degree <= to.in_degree;
    uint32_t id = by_out ? from.first_out : to.first_in;
    while (id != 0) {
        const ng_connection *record = ngi_graph_record_at(graph, id);
        if (record->source == source && record->target == target && record->type == type)
            return id;
        const ngi_graph_links *links = ngi_graph_links_at(graph, id);
        id = by_out ? links->next_out : links->next_in;
    }
    return 0;
}

size_t ngi_graph_edges(const ngi_graph *graph, uint32_t slot, ng_direction direction,
                       const ng_type_set *types, ng_edge *out, size_t capacity)
{
    ngi_graph_node node = ngi_graph_node_of(graph, slot);
    bool any = ngi_graph_types_any(types);
    size_t count = 0;
    for (int incoming = 0; incoming < 2; incoming++) {
        if (!(direction & (incoming ? NG_INCOMING : NG_OUTGOING)))
            continue;
        uint32_t id = incoming ? node.first_in : node.first_out;
        while (id != 0) {
            if (any || ngi_graph_types_have(types, ngi_graph_record_at(graph, id)->type)) {
                if (count < capacity)
                    out[count] = ngi_graph_edge(graph, id);
                count++;
            }
            const ngi_graph_links *links = ngi_graph_links_at(graph, id);
            id = incoming ? links->next_in : links->next_out;
        }
    }
    return count;
}

/* Both lists are newest first, so the order is the same whichever is walked. */
static size_t graph_between_one_way(const ngi_graph *graph, uint32_t source, uint32_t target,
                                    ng_edge *out, size_t capacity, size_t count)
{
    ngi_graph_node from = ngi_graph_node_of(graph, source), to = ngi_graph_node_of(graph, target);
    bool by_out = from.out_degree <= to.in_degree;
    uint32_t id = by_out ? from.first_out : to.first_in;
    while (id != 0) {
        const ng_connection *record = ngi_graph_record_at(graph, id);
        if (record->source == source && record->target == target) {
            if (count < capacity)
                out[count] = ngi_graph_edge(graph, id);
            count++;
        }
        const ngi_graph_links *links = ngi_graph_links_at(graph, id);
        id = by_out ? links->next_out : links->next_in;
    }
    return count;
}

size_t ngi_graph_between(const ngi_graph *graph, uint32_t a, uint32_t b, ng_edge *out,
                         size_t capacity)
{
    size_t count = graph_between_one_way(graph, a, b, out, capacity, 0);
    return graph_between_one_way(graph, b, a, out, capacity, count);
}

uint64_t ngi_graph_memory_bytes(const ngi_graph *graph)
{
    return graph->records.committed_bytes + graph->links.committed_bytes +
           graph->nodes.committed_bytes;
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
