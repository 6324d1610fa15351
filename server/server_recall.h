/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The fields of a query that ask for more than meaning: read in server_recall_body.c, answered in
 * server_recall.c. */
#ifndef NGS_SERVER_RECALL_H
#define NGS_SERVER_RECALL_H

#include "server_query.h"

enum {
    NGS_RECALL_TOKENS_MAX = 64, /* the library's limit, as the next three */
    NGS_RECALL_HOPS_MAX = 6,
    NGS_RECALL_REACHED_MAX = 10000000,
    NGS_RECALL_EFFORT_MAX = 10000
};

/** A token as a client names it: a word, or an id. */
typedef struct ngs_recall_name {
    ng_token_id id; /* 0 = the text is looked up */
    const char *text;
    size_t bytes;
} ngs_recall_name;

typedef struct ngs_recall_names {
    ngs_recall_name names[NGS_RECALL_TOKENS_MAX];
    ng_token_id ids[NGS_RECALL_TOKENS_MAX]; /* once they are looked up */
    size_t count;
} ngs_recall_names;

/** What `options` of a recall point to; strings point into the parser. */
struct ngs_recall_body {
    ng_recall_options options;
    ng_recall_through through;
    ng_recall_near near[NG_SPACE_COUNT];
    ngs_recall_name near_names[NG_SPACE_COUNT]; /* with neither id nor text: a point */
    ngs_recall_names tokens, from;
    float vector[NGS_DIMENSIONS_MAX];
    unsigned weighted; /* a bit for each part that has a weight */
};

/** Reads one of the fields; their names are in server_query_body.c. */
void ngs_recall_tokens(ngs_request *request, ngs_query_body *body, ngs_json_value value);
void ngs_recall_vector(ngs_request *request, ngs_query_body *body, ngs_json_value value);
void ngs_recall_near(ngs_request *request, ngs_query_body *body, ngs_json_value value);
void ngs_recall_through(ngs_request *request, ngs_query_body *body, ngs_json_value value);
void ngs_recall_weights(ngs_request *request, ngs_query_body *body, ngs_json_value value);
void ngs_recall_require(ngs_request *request, ngs_query_body *body, ngs_json_value value);
void ngs_recall_include(ngs_request *request, ngs_query_body *body, ngs_json_value value);
void ngs_recall_any_collection(ngs_request *request, ngs_query_body *body, ngs_json_value value);
void ngs_recall_explain(ngs_request *request, ngs_query_body *body, ngs_json_value value);
void ngs_recall_effort(ngs_request *request, ngs_query_body *body, ngs_json_value value);

/** Reads a word or an id, or an array of them. */
void ngs_recall_name_read(ngs_request *request, ngs_json_value value, const char *field,
                          ngs_recall_name *out);
void ngs_recall_names_read(ngs_request *request, ngs_json_value value, const char *field,
                           ngs_recall_names *out);
/** The token of a name, or of each; false: replied. */
bool ngs_recall_name_find(ngs_request *request, ng_collection_id collection,
                          const ngs_recall_name *name, ng_token_id *out);
bool ngs_recall_names_find(ngs_request *request, ng_collection_id collection,
                           ngs_recall_names *names);

/** Answers a query that has one of them, and replies. Its collection was looked up. */
void ngs_recall(ngs_request *request, ngs_query_body *body);

#endif
