/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What every search in space begins and goes on with: checks, the filter, deadline and cancellation. */
#ifndef NGI_STORE_GRID_H
#define NGI_STORE_GRID_H

#include "store/store_filter.h"

/** A search in progress. With a filter it holds the shared lock between begin and end, and lets go of
 *  it now and then. */
typedef struct store_grid_call {
    const ng_store *store;
    const ng_search_options *options; /* or NULL */
    const ngi_grid_tree *trees;       /* [NG_SPACE_COUNT], of the grid that is searched */
    store_filter filter;
    uint64_t deadline_ns; /* 0 = none */
    bool holds_lock;
    ng_status stopped; /* why go_on said no */
} store_grid_call;

/** Space, options and latch. `capacity` as given by the caller. */
NG_MUST_USE ng_status ngi_grid_call_check(const ng_store *store, ng_space space,
                                          const ng_search_options *options, size_t capacity);
/** Prepares `search`, whose context leads to `call`, for the space: metric, filter, deadline. Then
 *  ngi_grid_call_end. */
NG_MUST_USE ng_status ngi_grid_call_begin(store_grid_call *call, const ng_store *store,
                                          ng_space space, const ng_search_options *options,
                                          ngi_grid_search *search);
/** NG_OK, or why the search was stopped. ngi_grid_call_goes_on may still be asked after it. */
ng_status ngi_grid_call_end(store_grid_call *call);
/** For ngi_grid_search.go_on; false = stop. */
bool ngi_grid_call_goes_on(void *context);
/** Encodes a point that a caller asks about: never clamped, which would answer another question. */
NG_MUST_USE ng_status ngi_grid_encode(const ng_store *store, ng_space space,
                                      const float at[NG_AXIS_COUNT], int16_t raw[NG_AXIS_COUNT]);
/** A search in several spaces, of which everything was checked. */
typedef struct store_multi {
    const ng_multi_query *query;    /* its spaces and centers */
    double weights[NG_SPACE_COUNT]; /* in place of those of the query; any size above 0 */
    float radius;                   /* < 0: the nearest */
} store_multi;

/** As ngi_store_multi_search. */
NG_MUST_USE ng_status ngi_multi_search(const ng_store *store, const store_multi *multi,
                                       const ng_search_options *options, ng_hit *out,
                                       size_t capacity, size_t *count);

#endif
