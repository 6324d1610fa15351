/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* POST /query: a text in, the tokens nearest in meaning out; what asks for more than that is answered in
 * server_recall.c. POST /query/batch: many of them, each as it would have been alone. Both run on
 * the pool. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "server_recall.h"

/* ------------------------------------------------------------------------------------- running */

typedef struct query_row {
    const ng_query_hit *hit;
    ng_token record;
} query_row;

/* The hits that are still there. */
static uint32_t query_select(const ng_store *store, const ng_query_result *result, query_row *rows)
{
    uint32_t count = 0;
    for (size_t i = 0; i < result->hit_count; i++) {
        rows[count].hit = &result->hits[i];
        if (ng_token_read(store, result->hits[i].id, &rows[count].record) == NG_OK)
            count++;
    }
    return count;
}

/* ------------------------------------------------------------------------------------- writing */

void ngs_query_out_entity(ngs_out *out, const ng_token *record)
{
    char name[32] = "";
    const char *entity = ng_entity_name(
        (ng_entity)((record->flags & NG_TOKEN_ENTITY_MASK) >> NG_TOKEN_ENTITY_SHIFT));
    snprintf(name, sizeof name, "%s", entity ? entity : "undefined");
    if (name[0] >= 'a' && name[0] <= 'z')
        name[0] = (char)(name[0] - 'a' + 'A');
    ngs_out_string_z(out, name);
}

static void query_out_rows(ngs_out *out, const ng_store *store, const ngs_query_body *body,
                           const query_row *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const ng_query_hit *hit = rows[i].hit;
        ngs_out_text(out, i == 0 ? "{\"token_id\":" : ",{\"token_id\":");
        ngs_out_u64(out, hit->id);
        ngs_out_text(out, ",\"label\":");
        if (hit->label != NULL)
            ngs_out_string_z(out, hit->label);
        else
            ngs_out_text(out, "null");
        ngs_out_text(out, ",\"score\":");
        ngs_out_float(out, (float)hit->score);
        ngs_out_text(out, ",\"prior\":");
        ngs_out_float(out, (float)hit->prior);
        ngs_out_text(out, ",\"entity_type\":");
        ngs_query_out_entity(out, &rows[i].record);
        ngs_out_text(out, ",\"coordinates\":");
        ngs_out_coordinates(out, store, &rows[i].record,
                            body->options.spaces ? body->options.spaces : 0xFF);
        ngs_out_char(out, '}');
    }
}

void ngs_query_out_edge(ngs_out *out, const ng_edge *edge, const ng_connection *connection)
{
    const char *type = ng_connection_type_name(edge->type);
    ngs_out_text(out, "{\"connection_id\":");
    ngs_out_u64(out, edge->id);
    ngs_out_text(out, ",\"source_id\":");
    ngs_out_u64(out, edge->source);
    ngs_out_text(out, ",\"target_id\":");
    ngs_out_u64(out, edge->target);
    ngs_out_text(out, ",\"connection_type\":");
    ngs_out_string_z(out, type ? type : "Unknown");
    ngs_out_text(out, ",\"strength\":");
    ngs_out_float(out, connection->pull_strength);
    ngs_out_char(out, '}');
}

static void query_out_connections(ngs_out *out, const ng_store *store, const query_row *rows,
                                  uint32_t count)
{
    bool first = true;
    ngs_out_char(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        for (size_t e = 0; e < rows[i].hit->why_count; e++) {
            ng_connection connection;
            const ng_edge *edge = &rows[i].hit->why[e];
            if (ng_connection_get(store, edge->id, &connection) != NG_OK)
                continue; /* deleted since it was found */
            if (!first)
                ngs_out_char(out, ',');
            ngs_query_out_edge(out, edge, &connection);
            first = false;
        }
    }
    ngs_out_char(out, ']');
}

static void query_out_unknown(ngs_out *out, const ng_store *store, const ng_query_result *result)
{
    bool first = true;
    ngs_out_char(out, '[');
    for (size_t i = 0; i < result->term_count; i++) {
        const ng_query_term *term = &result->terms[i];
        ng_token_info info;
        if (term->id != 0 && ng_token_get(store, term->id, &info) == NG_OK && info.has_vector)
            continue;
        if (!first)
            ngs_out_char(out, ',');
        ngs_out_string_z(out, term->text);
        first = false;
    }
    ngs_out_char(out, ']');
}

static void query_out_spellings(ngs_out *out, const ng_query_spelling *spellings, size_t count,
                                const char *name)
{
    ngs_out_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        ngs_out_text(out, i == 0 ? "{\"given\":" : ",{\"given\":");
        ngs_out_string_z(out, spellings[i].given);
        ngs_out_char(out, ',');
        ngs_out_string_z(out, name);
        ngs_out_char(out, ':');
        ngs_out_string_z(out, spellings[i].label);
        ngs_out_text(out, ",\"token_id\":");
        ngs_out_u64(out, spellings[i].id);
        ngs_out_text(out, ",\"distance\":");
        ngs_out_u64(out, spellings[i].distance);
        ngs_out_char(out, '}');
    }
    ngs_out_char(out, ']');
}

void ngs_query_out_words(ngs_out *out, const ng_store *store, const ng_query_result *result,
                         bool suggestions)
{
    ngs_out_text(out, ",\"unknown\":");
    query_out_unknown(out, store, result);
    ngs_out_text(out, ",\"corrections\":");
    query_out_spellings(out, result->corrections, result->correction_count, "used");
    ngs_out_text(out, ",\"suggestions\":");
    if (suggestions)
        query_out_spellings(out, result->suggestions, result->suggestion_count, "label");
    else
        ngs_out_text(out, "null");
}

static void query_reply(ngs_request *request, const ngs_query_body *body,
                        const ng_query_result *result, const query_row *rows, uint32_t count)
{
    const ng_store *store = request->server->store;
    double best = count > 0 ? rows[0].hit->score : 0;
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"signal_id\":");
    ngs_out_string_z(out, result->signal);
    ngs_out_text(out, ",\"query_text\":");
    ngs_out_string(out, body->text, body->text_bytes);
    ngs_out_text(out, ",\"processing_time_ms\":");
    ngs_out_fixed3(out, result->seconds * 1e3);
    ngs_out_text(out, ",\"confidence\":");
    ngs_out_float(out, (float)fmin(fmax(best, 0), 1));
    ngs_out_text(out, ",\"interpretation\":\"semantic_query\",\"tokens\":[");
    query_out_rows(out, store, body, rows, count);
    ngs_out_text(out, "],\"connections\":");
    if (body->options.why)
        query_out_connections(out, store, rows, count);
    else
        ngs_out_text(out, "null");
    ngs_out_text(out, ",\"total_candidates\":");
    ngs_out_u64(out, result->candidates);
    ngs_query_out_words(out, store, result, body->options.suggest > 0);
    ngs_out_char(out, '}');
}

/* What a term of a text looks like to its writer: without a weight before it, and without quotation
 * marks around it. Returns the bytes up to its end. */
static size_t query_term(const char *at, const char **term, size_t *bytes)
{
    size_t weight = strspn(at, "0123456789.");
    const char *begin = weight > 0 && at[weight] == '*' ? at + weight + 1 : at;
    const char *close = begin[0] == '"' ? strchr(begin + 1, '"') : NULL;
    while (close != NULL && close[1] != '\0' && strchr(" \t\r\n", close[1]) == NULL)
        close = strchr(close + 1, '"');
    bool quoted = close != NULL && close > begin + 1;
    *term = quoted ? begin + 1 : begin;
    *bytes = quoted ? (size_t)(close - begin) - 1 : strcspn(begin, " \t\r\n");
    return (size_t)(*term - at) + *bytes + (quoted ? 1 : 0);
}

/* No word is known: the words as the client wrote them, without operators. */
void ngs_query_reply_unknown(ngs_request *request, const ngs_query_body *body)
{
    ng_info info;
    char message[300];
    snprintf(message, sizeof message, "%s", ng_last_error());
    if (ng_store_info(request->server->store, &info) == NG_OK && info.vector_count == 0) {
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", "{\"unknown\":[],\"vectors\":0}",
                        "the store has no vectors yet: load embeddings before asking");
        return;
    }
    ngs_out details = {0};
    bool first = true;
    ngs_out_text(&details, "{\"unknown\":[");
    for (const char *at = body->text; *at != '\0';) {
        const char *term;
        size_t bytes;
        size_t length = query_term(at, &term, &bytes);
        bool sign = length == 1 && (*at == '+' || *at == '-');
        if (bytes > 0 && !sign) {
            if (!first)
                ngs_out_char(&details, ',');
            ngs_out_string(&details, term, bytes);
            first = false;
        }
        at += length;
        at += strspn(at, " \t\r\n");
    }
    ngs_out_raw(&details, "]}", 3); /* with its NUL */
    ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", details.failed ? NULL : details.bytes, "%s",
                    message);
    ngs_out_release(&details);
}

/* Answers a query that was read, or replies what was wrong with it. */
static void query_answer(ngs_request *request, ngs_query_body *body)
{
    const ng_store *store = request->server->store;
    ng_query_result *result = NULL;
    if (ngs_problems_reply(request))
        return;
    if (body->no_memory) {
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for the query");
        return;
    }
    if (body->collection[0] != '\0') {
        body->options.by_collection = true;
        if (ng_collection_find(store, body->collection, &body->options.collection) != NG_OK) {
            ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL,
                            "Collection \"%.64s\" not found", body->collection);
            return;
        }
    }
    if (body->recall != NULL) {
        ngs_recall(request, body);
        return;
    }
    query_row *rows = calloc(body->options.limit, sizeof *rows);
    if (rows == NULL) {
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for the answer");
        return;
    }
    ng_status status = ng_query(store, body->text, &body->options, &result);
    if (status == NG_OK)
        query_reply(request, body, result, rows, query_select(store, result, rows));
    else if (status == NG_E_NOT_FOUND)
        ngs_query_reply_unknown(request, body);
    else
        ngs_reply_status(request, status);
    ng_query_result_destroy(result);
    free(rows);
}

void ngs_query(ngs_request *request)
{
    ngs_query_body body;
    ngs_json_parser *parser;
    ngs_json_walk walk;
    if (!ngs_body_open(request, &parser, &walk))
        return;
    request->settles = true;
    ngs_query_body_read(request, &walk, &body);
    query_answer(request, &body);
    free(body.recall);
    ngs_parser_give(request->server, parser);
}

/* --------------------------------------------------------------------------------------- batch */

/* The reply that a query would have had alone, without `meta`, and its status. */
static void batch_one(ngs_request *request, ngs_json_value value, ngs_out *out, size_t *failed)
{
    ngs_request alone = {.server = request->server};
    ngs_query_body body;
    ngs_json_walk walk;
    if (ngs_json_type_of(value) == NGS_JSON_OBJECT && ngs_json_begin(value, &walk)) {
        ngs_query_body_read(&alone, &walk, &body);
        query_answer(&alone, &body);
        free(body.recall);
    } else {
        ngs_wrong_type(&alone, value, "body", "an object");
        ngs_problems_reply(&alone);
    }
    ngs_out_raw(out, alone.out.bytes, alone.out.size);
    ngs_out_text(out,
                 alone.kind == NGS_REPLY_DATA ? ",\"error\":null,\"status\":" : ",\"status\":");
    ngs_out_u64(out, (uint64_t)alone.status);
    ngs_out_char(out, '}');
    *failed += alone.kind == NGS_REPLY_DATA ? 0 : 1;
    if (alone.out.failed)
        out->failed = true;
    ngs_out_release(&alone.out);
    ngs_out_release(&alone.problems.list);
}

/* The array of queries; false: replied. */
static bool batch_open(ngs_request *request, ngs_json_walk *fields, ngs_json_walk *queries)
{
    ngs_json_value value;
    const char *key;
    size_t key_count, count = 0;
    bool given = false;
    while (ngs_json_next(fields, &key, &key_count, &value)) {
        if (key_count != 7 || memcmp(key, "queries", 7) != 0 || given) {
            ngs_unknown_field(request, key, key_count,
                              key_count == 7 && memcmp(key, "queries", 7) == 0);
            continue;
        }
        given = true;
        ngs_json_value element;
        if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, queries)) {
            ngs_wrong_type(request, value, "body.queries", "an array of objects");
            continue;
        }
        ngs_json_walk counting = *queries;
        while (count <= NGS_QUERY_BATCH_MAX && ngs_json_next(&counting, NULL, NULL, &element))
            count++;
        if (count < 1 || count > NGS_QUERY_BATCH_MAX)
            ngs_problem(request, "body.queries", "value_error", "%s%zu queries are outside 1..%d",
                        count == 0 ? "" : "at least ", count, NGS_QUERY_BATCH_MAX);
    }
    if (!given)
        ngs_problem(request, "body.queries", "missing", "the field is required");
    return !ngs_problems_reply(request);
}

void ngs_query_batch(ngs_request *request)
{
    ngs_json_parser *parser;
    ngs_json_walk fields, queries;
    ngs_json_value value;
    size_t count = 0, failed = 0;
    if (!ngs_body_open(request, &parser, &fields))
        return;
    request->settles = true;
    if (batch_open(request, &fields, &queries)) {
        ngs_out *out = ngs_reply_data(request, 200);
        ngs_out_text(out, "{\"results\":[");
        while (ngs_json_next(&queries, NULL, NULL, &value)) {
            if (count++ > 0)
                ngs_out_char(out, ',');
            batch_one(request, value, out, &failed);
        }
        ngs_out_text(out, "],\"count\":");
        ngs_out_u64(out, count);
        ngs_out_text(out, ",\"failed\":");
        ngs_out_u64(out, failed);
        ngs_out_char(out, '}');
    }
    ngs_parser_give(request->server, parser);
}
