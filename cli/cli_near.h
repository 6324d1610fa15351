/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `neighbors` was asked, and how it is answered. */
#ifndef CLI_NEAR_H
#define CLI_NEAR_H

#include "cli.h"

typedef enum cli_near_kind {
    CLI_NEAR_HITS,
    CLI_NEAR_COUNT,
    CLI_NEAR_DENSITY,
    CLI_NEAR_INFLUENCE
} cli_near_kind;

typedef struct cli_near_request {
    cli_near_kind kind;
    ng_space space;          /* if there is one alone */
    float at[NG_AXIS_COUNT]; /* there */
    ng_multi_query query;    /* if there are several */
    bool several, by_radius, by_box;
    float radius;
    float low[NG_AXIS_COUNT], high[NG_AXIS_COUNT];
    uint64_t limit;    /* 0 = not given */
    ng_token_id token; /* 0 = a point or a box */
    ng_filter filter;
    ng_search_options options; /* leads to `filter` */
} cli_near_request;

/** Searches and prints; returns the exit code. */
int cli_near_answer(const cli_context *context, const cli_near_request *request);

#endif
