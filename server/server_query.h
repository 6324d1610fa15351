/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A query as a client sends it: read in server_query_body.c, answered in server_query.c. */
#ifndef NGS_SERVER_QUERY_H
#define NGS_SERVER_QUERY_H

#include "server_private.h"

enum {
    NGS_FILTER_TAGS_MAX = 32, /* of each kind, the library's limit, as the next three */
    NGS_FILTER_WHERE_MAX = 8,
    NGS_FILTER_VALUES_MAX = 32,
    NGS_SUGGEST_MAX = 10
};

/** A filter and what it points to; strings point into the parser. */
typedef struct ngs_filter_body {
    ng_filter filter;
    ng_text tags[3][NGS_FILTER_TAGS_MAX]; /* all, any, none */
    char names[NGS_FILTER_WHERE_MAX][65];
    ng_predicate predicates[NGS_FILTER_WHERE_MAX];
    ng_value values[NGS_FILTER_WHERE_MAX][NGS_FILTER_VALUES_MAX];
} ngs_filter_body;

typedef struct ngs_recall_body ngs_recall_body; /* server_recall.h */

typedef struct ngs_query_body {
    ngs_recall_body *recall;  /* freed by the reader; NULL = nothing but meaning is asked */
    bool no_memory;           /* for it */
    ng_query_options options; /* points into this: it stays where it is */
    ngs_filter_body filter;
    const char *text; /* NUL-terminated; points into the parser; NULL = none, with `recall` */
    size_t text_bytes;
    char collection[80]; /* empty = semantic */
} ngs_query_body;

/** Reads the fields of a query, and notes what is wrong. */
void ngs_query_body_read(ngs_request *request, ngs_json_walk *walk, ngs_query_body *body);
/** "body.filter", into a body whose filter has its size; sets options.filter unless it is null. */
void ngs_query_filter(ngs_request *request, ngs_query_body *body, ngs_json_value value);
/** A string as a C string; one that does not fit, or has a NUL, becomes one that names nothing. */
bool ngs_read_name(ngs_request *request, ngs_json_value value, const char *field, char *out,
                   size_t capacity);
/** "body.remove_components" */
void ngs_read_components(ngs_request *request, ngs_json_value value, int32_t *out);
/** What the answers of a query share: an entity type, a connection, `,"unknown":[...],...` about
 *  the words, and the reply when no word is known. */
void ngs_query_out_entity(ngs_out *out, const ng_token *record);
void ngs_query_out_edge(ngs_out *out, const ng_edge *edge, const ng_connection *connection);
void ngs_query_out_words(ngs_out *out, const ng_store *store, const ng_query_result *result,
                         bool suggestions);
void ngs_query_reply_unknown(ngs_request *request, const ngs_query_body *body);

#endif
