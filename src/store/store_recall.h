/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a recall asks of the tables: candidates by space and by relation, and the parts of a candidate
 * however it was found (random access). Which of them make the answer is decided in mind/. */
#ifndef NGI_STORE_RECALL_H
#define NGI_STORE_RECALL_H

#include "index/index_graph.h"
#include "store/store.h"

#define NGI_RECALL_SLICE 256u /* candidates measured under one hold of the lock */

typedef struct ngi_recall_place {
    ng_space space;
    float at[NG_AXIS_COUNT];
    double scale;
    float radius; /* 0 = none */
} ngi_recall_place;

/** What candidates are measured by; values are checked. It and what it points to outlive the probe. */
typedef struct ngi_recall_spec {
    const double *direction; /* as of ngi_store_vector_nearest_prepared; NULL = none */
    size_t dimensions;       /* of it */
    int32_t remove_components;
    const ngi_recall_place *places; /* each in another space */
    size_t place_count;
    const ng_filter *filter; /* NULL = every token */
} ngi_recall_spec;

typedef struct ngi_recall_parts {
    bool is_found;   /* it is there, and the filter lets it through; else nothing below is set */
    double cosine;   /* NaN: no vector with a direction */
    double space;    /* part score; NaN: not in all of the spaces, or beyond a radius */
    double distance; /* NaN likewise */
} ngi_recall_parts;

typedef struct ngi_recall_probe ngi_recall_probe;

/** Errors: NG_E_INVALID (remove_components, place, filter), NG_E_NOT_FOUND (what the filter names),
 *  NG_E_NOMEM. Owns: the caller, until ngi_store_recall_close. */
NG_MUST_USE ng_status ngi_store_recall_open(const ng_store *store, const ngi_recall_spec *spec,
                                            ngi_recall_probe **out);
/** NULL is allowed. */
void ngi_store_recall_close(ngi_recall_probe *probe);
/** Measures up to NGI_RECALL_SLICE tokens. After a new projection cosines of two kinds are mixed: see
 *  ngi_store_projection_version. */
NG_MUST_USE ng_status ngi_store_recall_measure(ngi_recall_probe *probe, const ng_token_id *ids,
                                               size_t count, ngi_recall_parts *out);
/** The `capacity` nearest that the filter lets through, nearest first, whatever their radius. `upper`
 *  receives a bound of the part score of every other token, 0 if no other has the part. `options`
 *  for deadline and cancellation; its filter is that of the probe. */
NG_MUST_USE ng_status ngi_store_recall_nearest(ngi_recall_probe *probe,
                                               const ng_search_options *options, ng_hit *out,
                                               size_t capacity, size_t *count, double *upper);
/** Every token within a radius, of the place where they are fewest, whatever the filter says of
 *  them; `*count` receives how many there are, UINT64_MAX if no place has a radius. Nothing is written
 *  when they do not fit. */
NG_MUST_USE ng_status ngi_store_recall_within(ngi_recall_probe *probe,
                                              const ng_search_options *options, ng_hit *out,
                                              size_t capacity, uint64_t *count);
/** Finds what is reached from tokens, at most NGI_RECALL_TOKENS_MAX, each of which must be there; they
 *  take the place of query->from. `go_on`, not NULL, is called without the lock. Errors: NG_E_NOT_FOUND (token), NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_store_recall_reach(const ng_store *store, ngi_graph_reach_query *query,
                                             const ng_token_id *from, size_t from_count,
                                             ngi_graph_reach *out);
/** See ngi_graph_reach_path. */
NG_MUST_USE ng_status ngi_store_recall_path(const ng_store *store, const ngi_graph_reach *reach,
                                            const ngi_graph_path_step *step, ng_edge *out,
                                            size_t *count);

#endif
