/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections: the record table, and per token the lists of those that leave and reach it.
 *
 * The lists are threaded through side arrays by connection id (next and previous, both ways),
 * newest (highest id) first. Adding and removing allocate nothing and cost O(1), but for a
 * connection that comes late: it walks past those with higher ids.
 * Threads: reserve, put and remove with the store's lock held for writing, and put and remove inside
 * a change of both ends (base_shared.h). source_of, read, node_of, edges and between need no lock:
 * beside a change they end and return something, which the caller then finds out to be torn. The
 * rest with the lock held for reading. */
#ifndef NGI_INDEX_GRAPH_H
#define NGI_INDEX_GRAPH_H

#include "os/os_table.h"

/** Whether a set, which may be NULL, means every type. */
static inline bool ngi_graph_types_any(const ng_type_set *types)
{
    return types == NULL ||
           (types->bits[0] | types->bits[1] | types->bits[2] | types->bits[3]) == 0;
}

static inline bool ngi_graph_types_have(const ng_type_set *types, uint8_t type)
{
    return types->bits[type >> 6] >> (type & 63) & 1;
}

typedef struct ngi_graph_links {
    uint32_t next_out, previous_out, next_in, previous_in; /* connection ids, 0 = end */
} ngi_graph_links;

typedef struct ngi_graph_node {
    uint32_t first_out, first_in; /* connection ids */
    uint32_t out_degree, in_degree;
} ngi_graph_node;

typedef struct ngi_graph {
    ngi_table records; /* ng_connection by id; source 0 = none */
    ngi_table links;   /* ngi_graph_links by id */
    ngi_table nodes;   /* ngi_graph_node by slot */
    uint32_t id_end;   /* ids below have been given */
    uint32_t node_end; /* slots below have a committed node */
    uint64_t count;
    uint64_t change_count; /* puts and removals */
} ngi_graph;

NG_MUST_USE ng_status ngi_graph_init(ngi_graph *graph, ngi_os *os, ngi_mem *mem, uint32_t max_slots,
                                     uint32_t max_connections);
void ngi_graph_release(ngi_graph *graph);
/** Room for connection ids up to `max_id` and token slots up to `max_slot`. Leaves no trace when it
 *  fails. */
NG_MUST_USE ng_status ngi_graph_reserve(ngi_graph *graph, uint32_t max_id, uint32_t max_slot);
/** Adds a connection, or replaces the record of one with the same ends, after a reserve that covers
 *  its id and its ends. Lists are ordered by id, newest (highest) first, whatever the order of
 *  puts. Here and in remove, NG_E_INTERNAL if an invariant is broken; then nothing is changed. */
NG_MUST_USE ng_status ngi_graph_put(ngi_graph *graph, uint32_t id, const ng_connection *record);
/** Removes a connection that exists. */
NG_MUST_USE ng_status ngi_graph_remove(ngi_graph *graph, uint32_t id);
/** Bulk loading: with the records below `id_end` already in the table, builds everything else.
 *  Their ends must differ and be in 1..slot_end - 1. Errors: NG_E_CORRUPT (names the connection),
 *  NG_E_LIMIT, NG_E_NOMEM; then there are no lists, and the records must not be used. */
NG_MUST_USE ng_status ngi_graph_rebuild(ngi_graph *graph, uint32_t id_end, uint32_t slot_end);
/** The record, or NULL. */
const ng_connection *ngi_graph_get(const ngi_graph *graph, uint32_t id);
/** The same for a reader without a lock: the slot of the source, 0 if there is no such connection;
 *  it stays so until the connection is removed. The source's changes are those of the record. */
uint32_t ngi_graph_source_of(const ngi_graph *graph, uint64_t id);
/** Copies the record of an id that has or had a source; source 0 when it is removed. */
void ngi_graph_read(const ngi_graph *graph, uint32_t id, ng_connection *out);
/** Lists and degrees of a slot; all zero for a slot without any. */
ngi_graph_node ngi_graph_node_of(const ngi_graph *graph, uint32_t slot);
const ngi_graph_links *ngi_graph_links_of(const ngi_graph *graph, uint32_t id);
/** The connection with these ends and type, or 0. Walks the shorter of the two lists. */
uint32_t ngi_graph_find(const ngi_graph *graph, uint32_t source, uint32_t target, uint8_t type);
/** For who is about to get or put many connections: fetches a record. */
void ngi_graph_fetch_record(const ngi_graph *graph, uint64_t id);
/** For who is about to find or put many connections: fetches the heads of the lists of both ends, and,
 *  some items later, when these have arrived, what a find and a put look at behind them. */
void ngi_graph_fetch_heads(const ngi_graph *graph, uint32_t source, uint32_t target);
void ngi_graph_fetch_lists(const ngi_graph *graph, uint32_t source, uint32_t target);
/** How one of the two lists of a slot takes part in an answer to ng_token_connections. */
typedef struct ngi_graph_side {
    bool is_walked;
    bool only_both_ways; /* of it, only BIDIRECTIONAL connections */
    bool is_resumed;     /* behind options->after, which is of this list */
} ngi_graph_side;

/** `options` as checked by the store; may be NULL. */
ngi_graph_side ngi_graph_side_of(const ng_edge_options *options, uint32_t slot, bool incoming);
/** Whether the type is among those asked for, and the side wants the connection. */
bool ngi_graph_edge_passes(const ng_edge_options *options, ngi_graph_side side, uint8_t type,
                           uint8_t flags);
/** Edges of a slot, outgoing before incoming, newest first; see ng_token_connections. Returns how many
 *  there are, which may exceed `capacity`. Here and below the token ids of an edge are slots:
 *  generations are the store's. */
size_t ngi_graph_edges(const ngi_graph *graph, uint32_t slot, const ng_edge_options *options,
                       ng_edge *out, size_t capacity);
/** Edges between two slots, those from `a` first, newest first; walks the shorter lists. */
size_t ngi_graph_between(const ngi_graph *graph, uint32_t a, uint32_t b, ng_edge *out,
                         size_t capacity);
typedef struct ngi_graph_path_query {
    uint32_t from, to;
    const ng_path_options *options; /* or NULL */
    void (*pause)(void *context);   /* or NULL; called between tokens, every NGI_SLICE_ITEMS
                                       connections: the graph may change in it */
    void *context;
} ngi_graph_path_query;

/** See ng_path_find; bidirectional breadth-first search. If the graph changed in a pause, a path that
 *  is found is one that is there at the end; NG_E_BUSY if none was found, or it is gone: that says
 *  nothing. Errors: NG_E_NOT_FOUND (no path), NG_E_INVALID (direction, max_hops), NG_E_NOMEM,
 *  NG_E_LIMIT (memory). */
NG_MUST_USE ng_status ngi_graph_path(const ngi_graph *graph, ngi_mem *mem,
                                     const ngi_graph_path_query *query, ng_edge *out,
                                     size_t capacity, size_t *count);
/** Tokens that are reached by strong connections; see ng_recall_through. */
typedef struct ngi_graph_reach_query {
    const uint32_t *from; /* slots, each once */
    size_t from_count;
    const ng_type_set *types; /* NULL = every type */
    unsigned direction;       /* ng_direction, not 0 */
    uint32_t max_hops;        /* 1..NGI_RECALL_HOPS_MAX */
    double decay;             /* above 0, at most 1 */
    uint32_t max_tokens;
    uint64_t time_us;
    bool (*go_on)(void *context); /* or NULL; called between tokens, every NGI_SLICE_ITEMS
                                     connections: the graph may change in it; false = stop */
    void *context;
} ngi_graph_reach_query;

/** One path: that of its parent, and one connection more. */
typedef struct ngi_graph_path_step {
    double score;
    uint32_t slot;
    uint32_t via;    /* the connection; 0 where paths begin */
    uint32_t parent; /* index of a step */
    uint32_t hops;
} ngi_graph_path_step;

/** What was reached. Zeroed = nothing. */
typedef struct ngi_graph_reach {
    ngi_graph_path_step *steps;
    size_t step_count, step_capacity;
    uint32_t *best; /* steps of the best path to each token, best first */
    size_t count, capacity;
    struct ngi_graph_reach_node *nodes; /* hash map by slot; power of two, at most half used */
    size_t node_count, node_capacity;
    bool is_cut;     /* there was more than max_tokens */
    bool is_stopped; /* go_on said so */
} ngi_graph_reach;

/** Best first. What is found does not depend on how often it paused, if the graph did not change.
 *  Errors: NG_E_NOMEM, NG_E_LIMIT (memory); also then the caller releases. */
NG_MUST_USE ng_status ngi_graph_reach_find(const ngi_graph *graph, ngi_mem *mem,
                                           const ngi_graph_reach_query *query,
                                           ngi_graph_reach *out);
/** The step that ends the best path to a slot; NULL if it was not reached, or paths begin there. */
const ngi_graph_path_step *ngi_graph_reach_of(const ngi_graph_reach *reach, uint32_t slot);
/** The connections of a path, in order, [NGI_RECALL_HOPS_MAX]; 0 if one of them is gone. */
size_t ngi_graph_reach_path(const ngi_graph *graph, const ngi_graph_reach *reach,
                            const ngi_graph_path_step *step, ng_edge *out);
void ngi_graph_reach_release(ngi_mem *mem, ngi_graph_reach *reach);

/** What records, links and heads take up: the three together are all it has. */
void ngi_graph_memory(const ngi_graph *graph, ng_memory_use *records, ng_memory_use *links,
                      ng_memory_use *heads);
/** Verifies lists against records and degrees; NG_E_INTERNAL says what is broken. */
NG_MUST_USE ng_status ngi_graph_check(const ngi_graph *graph);

#endif
