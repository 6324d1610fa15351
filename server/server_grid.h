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
#define NGS_GRID_NEAR_MIN 1e-6f /* of what has to be above 0: no space has finer steps */
#define NGS_GRID_CLUSTER_TOKENS 3u

/** Which parameters a request takes. */
typedef enum ngs_grid_takes {
    NGS_GRID_TAKES_POINT = 1 << 0,    /* x, y, z */
    NGS_GRID_TAKES_RADIUS = 1 << 1,   /* radius */
    NGS_GRID_TAKES_BOX = 1 << 2,      /* low, high */
    NGS_GRID_TAKES_LIMIT = 1 << 3,    /* limit */
    NGS_GRID_TAKES_MAX = 1 << 4,      /* max_results, the original's name for it */
    NGS_GRID_TAKES_ORDER = 1 << 5,    /* unordered */
    NGS_GRID_TAKES_METRIC = 1 << 6,   /* metric */
    NGS_GRID_TAKES_FAR = 1 << 7,      /* max_distance */
    NGS_GRID_TAKES_ALL = 1 << 8,      /* space, collection, flags, exclude, timeout_ms */
    NGS_GRID_TAKES_NEAR = 1 << 9,     /* radius, which has no default */
    NGS_GRID_TAKES_TOKENS = 1 << 10,  /* min_tokens */
    NGS_GRID_TAKES_DENSITY = 1 << 11, /* density_threshold */
    NGS_GRID_TAKES_MEMBERS = 1 << 12  /* members */
} ngs_grid_takes;

typedef struct ngs_grid_given {
    const char *collection;
    unsigned box; /* 1: low was given, 2: high */
    bool radius;
    bool point;
} ngs_grid_given;

typedef struct ngs_grid_call {
    ng_space space;
    float center[NG_AXIS_COUNT];
    float low[NG_AXIS_COUNT], high[NG_AXIS_COUNT];
    float radius;
    float density_threshold; /* 0 = not given; likewise the next two */
    uint64_t min_tokens;
    uint64_t member_limit;
    uint64_t limit;
    uint64_t timeout_ms;
    ng_search_options options; /* grid 0 is the store's own; leads to `filter` unless all count */
    ng_filter filter;
} ngs_grid_call;

/** The defaults of `call`, and its grid from the path; false: replied. */
bool ngs_grid_begin(ngs_request *request, ngs_grid_call *call);
/** Everything of a search that path and parameters say; false: replied. */
bool ngs_grid_read(ngs_request *request, unsigned takes, ngs_grid_call *call,
                   ngs_grid_given *given);
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

/** Begins the reply: {"grid_id":0,"space":0 */
ngs_out *ngs_grid_reply(ngs_request *request, const ngs_grid_call *call);
void ngs_grid_out_triple(ngs_out *out, const float at[NG_AXIS_COUNT]);
/** [{"token_id":1,"distance":0.5},...] */
void ngs_grid_out_hits(ngs_out *out, const ng_hit *hits, size_t count);

#endif
