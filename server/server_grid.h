/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of the endpoints below /grid share: one search in space, and how its hits are shown. */
#ifndef NGS_SERVER_GRID_H
#define NGS_SERVER_GRID_H

#include "server_private.h"

enum {
    NGS_GRIDS_MAX = 100,           /* named ones: the limit of the store */
    NGS_GRID_LIMIT_MAX = 1000,     /* hits of one search, as the original */
    NGS_GRID_LIMIT_DEFAULT = 10,   /* of the nearest, as the original */
    NGS_GRID_CENTERS_MAX = 1000,   /* of one body */
    NGS_GRID_HITS_MAX = 100 * 1000 /* of all centers of one body: a reply of 4 MB */
};

#define NGS_GRID_RADIUS_MIN 0.1f /* as the original */
#define NGS_GRID_RADIUS_DEFAULT 10.0f

typedef struct ngs_grid_call {
    ng_space space;
    float center[NG_AXIS_COUNT];
    float low[NG_AXIS_COUNT], high[NG_AXIS_COUNT];
    float radius;
    uint64_t limit;
    uint64_t timeout_ms;
    ng_search_options options; /* grid 0 is the store's own; leads to `filter` unless all count */
    ng_filter filter;
} ngs_grid_call;

/** The defaults of `call`, and its grid from the path; false: replied. */
bool ngs_grid_begin(ngs_request *request, ngs_grid_call *call);
/** The token in the path; false: replied. */
bool ngs_grid_token(ngs_request *request, ng_token_id *out);
/** The filter for the collection named (NULL: runtime in grid 0, any in another one), and the deadline: what is left of the time a
 *  request may take. After the rest was read. False: replied. */
bool ngs_grid_prepare(ngs_request *request, ngs_grid_call *call, const char *collection);
/** Room for the hits of `call`; NULL: replied. */
ng_hit *ngs_grid_room(ngs_request *request, uint64_t count);
/** A search failed. */
void ngs_grid_fail(ngs_request *request, ng_status status);

/** A space by name, by L1..L8 or by number. */
bool ngs_grid_space(const char *text, ng_space *out);
bool ngs_grid_metric(const char *text, uint32_t *out);

void ngs_grid_out_triple(ngs_out *out, const float at[NG_AXIS_COUNT]);
/** [{"token_id":1,"distance":0.5},...] */
void ngs_grid_out_hits(ngs_out *out, const ng_hit *hits, size_t count);

#endif
