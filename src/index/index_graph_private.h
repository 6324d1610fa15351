/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the list part and the path part of the graph share. */
#ifndef NGI_INDEX_GRAPH_PRIVATE_H
#define NGI_INDEX_GRAPH_PRIVATE_H

#include "base/base_shared.h"
#include "index/index_graph.h"

static inline ng_connection *ngi_graph_record_at(const ngi_graph *graph, uint32_t id)
{
    return (ng_connection *)(void *)graph->records.base + id;
}

static inline ngi_graph_links *ngi_graph_links_at(const ngi_graph *graph, uint32_t id)
{
    return (ngi_graph_links *)(void *)graph->links.base + id;
}

/* The part of a record that an edge shows. */
static inline ng_connection ngi_graph_head_at(const ngi_graph *graph, uint32_t id)
{
    ng_connection head;
    ngi_shared_read(&head, ngi_graph_record_at(graph, id),
                    offsetof(ng_connection, activation_count));
    return head;
}

static inline ng_edge ngi_graph_edge(uint32_t id, const ng_connection *head)
{
    return (ng_edge){.id = id,
                     .source = head->source,
                     .target = head->target,
                     .type = head->type,
                     .flags = head->flags};
}

#endif
