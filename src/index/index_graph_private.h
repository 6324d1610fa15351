/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the list part and the path part of the graph share. */
#ifndef NGI_INDEX_GRAPH_PRIVATE_H
#define NGI_INDEX_GRAPH_PRIVATE_H

#include "index/index_graph.h"

static inline ng_connection *ngi_graph_record_at(const ngi_graph *graph, uint32_t id)
{
    return (ng_connection *)(void *)graph->records.base + id;
}

static inline ngi_graph_links *ngi_graph_links_at(const ngi_graph *graph, uint32_t id)
{
    return (ngi_graph_links *)(void *)graph->links.base + id;
}

static inline ng_edge ngi_graph_edge(const ngi_graph *graph, uint32_t id)
{
    const ng_connection *record = ngi_graph_record_at(graph, id);
    return (ng_edge){.id = id,
                     .source = record->source,
                     .target = record->target,
                     .type = record->type,
                     .flags = record->flags};
}

#endif
