/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* POST /query: a text in, the tokens nearest in meaning out. Runs on the pool.
 *
 * `spaces` asks for tokens that have coordinates in all of the spaces named. The library does not
 * filter by space, so more hits are fetched, four times as many each round, until `limit` of them
 * pass or NGS_QUERY_HITS_MAX were looked at. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_text.h"
#include "server_private.h"

#define QUERY_GROWTH 4u

typedef struct query_body {
    ng_query_options options;
    const char *text; /* NUL-terminated; points into the parser */
    size_t text_bytes;
    uint32_t limit;
    unsigned spaces; /* a bit per space; 0 = not given */
    bool connections;
    ngs_json_parser *parser;
} query_body;

typedef void (*query_read_fn)(ngs_request *request, query_body *body, ngs_json_value value);

static void query_text(ngs_request *request, query_body *body, ngs_json_value value)
{
    const char *text;
    size_t count;
    if (!ngs_read_string(request, value, "body.text", &text, &count))
        return;
    size_t characters = ngs_utf8_count(text, count);
    if (characters < 1 || characters > NGS_QUERY_TEXT_MAX)
        ngs_problem(request, "body.text", "value_error", "%zu characters is outside 1..%d",
                    characters, NGS_QUERY_TEXT_MAX);
    else if (memchr(text, '\0', count) != NULL)
        ngs_problem(request, "body.text", "value_error", "a NUL character is not allowed");
    body->text = text;
    body->text_bytes = count;
}

static void query_limit(ngs_request *request, query_body *body, ngs_json_value value)
{
    ngs_read_u32(request, value, "body.limit", 1, NGS_PAGE_MAX, &body->limit);
}

static void query_threshold(ngs_request *request, query_body *body, ngs_json_value value)
{
    float threshold;
    double exact;
    if (ngs_read_float(request, value, "body.threshold", 0, 1, &threshold) &&
        ngs_json_double(value, &exact)) {
        body->options.threshold = exact;
        body->options.by_threshold = true;
    }
}

static void query_space(ngs_request *request, query_body *body, ngs_json_value value, size_t index)
{
    const char *text;
    size_t count;
    char field[40];
    char name[32];
    ng_space space;
    snprintf(field, sizeof field, "body.spaces[%zu]", index);
    if (!ngs_read_string(request, value, field, &text, &count))
        return;
    snprintf(name, sizeof name, "%.*s", (int)(count < sizeof name ? count : sizeof name - 1), text);
    if (strlen(name) != count || ng_space_parse(name, &space) != NG_OK) {
        ngs_problem(request, field, "value_error",
                    "no space \"%s\"; spaces are L1Physical, L2Sensory, L3Motor, L4Emotional, "
                    "L5Cognitive, L6Social, L7Temporal, L8Abstract",
                    name);
        return;
    }
    body->spaces |= 1u << (unsigned)space;
}

static void query_spaces(ngs_request *request, query_body *body, ngs_json_value value)
{
    ngs_json_walk walk;
    ngs_json_value element;
    ngs_json_type type = ngs_json_type_of(value);
    if (type == NGS_JSON_NULL)
        return;
    if (type != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, "body.spaces", "an array of strings");
        return;
    }
    size_t index = 0;
    while (index < NGS_PROBLEMS_MAX && ngs_json_next(&walk, NULL, NULL, &element))
        query_space(request, body, element, index++);
    if (index == NGS_PROBLEMS_MAX)
        ngs_problem(request, "body.spaces", "value_error", "more than eight spaces");
    if (index == 0)
        ngs_problem(request, "body.spaces", "value_error",
                    "the array is empty; leave the field out for every space");
}

static void query_connections(ngs_request *request, query_body *body, ngs_json_value value)
{
    ngs_read_bool(request, value, "body.include_connections", &body->connections);
}

static void query_components(ngs_request *request, query_body *body, ngs_json_value value)
{
    int64_t number = 0;
    if (ngs_json_type_of(value) != NGS_JSON_INTEGER) {
        ngs_wrong_type(request, value, "body.remove_components", "an integer");
        return;
    }
    if (!ngs_json_i64(value, &number) || number < NG_PLAIN_COSINE || number > NGS_DIMENSIONS_MAX) {
        ngs_problem(request, "body.remove_components", "value_error",
                    "the number is outside %d..%d", NG_PLAIN_COSINE, NGS_DIMENSIONS_MAX);
        return;
    }
    body->options.remove_components = (int32_t)number;
}

static const struct query_field {
    const char *name;
    query_read_fn read;
} query_fields[] = {
    {"text", query_text},
    {"limit", query_limit},
    {"threshold", query_threshold},
    {"spaces", query_spaces},
    {"include_connections", query_connections},
    {"remove_components", query_components},
};

#define QUERY_FIELD_COUNT (sizeof query_fields / sizeof query_fields[0])

static bool query_read(ngs_request *request, query_body *body)
{
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key;
    size_t key_count;
    unsigned seen = 0;
    *body =
        (query_body){.options = {.struct_size = sizeof body->options}, .limit = NGS_PAGE_DEFAULT};
    if (!ngs_body_open(request, &body->parser, &walk))
        return false;
    while (ngs_json_next(&walk, &key, &key_count, &value)) {
        size_t i = 0;
        while (i < QUERY_FIELD_COUNT && (strlen(query_fields[i].name) != key_count ||
                                         memcmp(query_fields[i].name, key, key_count) != 0))
            i++;
        if (i == QUERY_FIELD_COUNT || (seen & 1u << i) != 0) {
            ngs_unknown_field(request, key, key_count, i < QUERY_FIELD_COUNT);
            continue;
        }
        seen |= 1u << i;
        query_fields[i].read(request, body, value);
    }
    if ((seen & 1u) == 0)
        ngs_problem(request, "body.text", "missing", "the field is required");
    body->options.why = body->connections;
    return !ngs_problems_reply(request);
}

/* ------------------------------------------------------------------------------------- running */

typedef struct query_row {
    const ng_query_hit *hit;
    ng_token record;
} query_row;

/* The hits of `result` that have coordinates in every space asked for, at most `limit`. */
static uint32_t query_select(const ng_store *store, const query_body *body,
                             const ng_query_result *result, query_row *rows)
{
    uint32_t count = 0;
    for (size_t i = 0; i < result->hit_count && count < body->limit; i++) {
        query_row *row = &rows[count];
        float axes[NG_AXIS_COUNT];
        bool passes = ng_token_read(store, result->hits[i].id, &row->record) == NG_OK;
        for (unsigned space = 0; passes && space < NG_SPACE_COUNT; space++)
            passes = (body->spaces & 1u << space) == 0 ||
                     ng_token_coordinates(store, &row->record, (ng_space)space, axes);
        if (!passes)
            continue;
        row->hit = &result->hits[i];
        count++;
    }
    return count;
}

static ng_status query_run(ngs_request *request, query_body *body, ng_query_result **result,
                           query_row *rows, uint32_t *count)
{
    const ng_store *store = request->server->store;
    uint32_t fetch = body->spaces ? body->limit * QUERY_GROWTH : body->limit;
    for (;;) {
        body->options.limit = fetch < NGS_QUERY_HITS_MAX ? fetch : NGS_QUERY_HITS_MAX;
        ng_status status = ng_query(store, body->text, &body->options, result);
        if (status != NG_OK)
            return status;
        *count = query_select(store, body, *result, rows);
        if (*count == body->limit || body->spaces == 0 || fetch >= NGS_QUERY_HITS_MAX ||
            (*result)->hit_count < body->options.limit)
            return NG_OK;
        ng_query_result_destroy(*result);
        *result = NULL;
        fetch *= QUERY_GROWTH;
    }
}

/* ------------------------------------------------------------------------------------- writing */

static void query_out_entity(ngs_out *out, const ng_token *record)
{
    char name[32] = "";
    const char *entity = ng_entity_name(
        (ng_entity)((record->flags & NG_TOKEN_ENTITY_MASK) >> NG_TOKEN_ENTITY_SHIFT));
    snprintf(name, sizeof name, "%s", entity ? entity : "undefined");
    if (name[0] >= 'a' && name[0] <= 'z')
        name[0] = (char)(name[0] - 'a' + 'A');
    ngs_out_string_z(out, name);
}

static void query_out_rows(ngs_out *out, const ng_store *store, const query_body *body,
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
        ngs_out_text(out, ",\"entity_type\":");
        query_out_entity(out, &rows[i].record);
        ngs_out_text(out, ",\"coordinates\":");
        ngs_out_coordinates(out, store, &rows[i].record, body->spaces ? body->spaces : 0xFF);
        ngs_out_char(out, '}');
    }
}

static void query_out_edge(ngs_out *out, const ng_edge *edge, const ng_connection *connection)
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
            query_out_edge(out, edge, &connection);
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

static void query_reply(ngs_request *request, const query_body *body, const ng_query_result *result,
                        const query_row *rows, uint32_t count)
{
    const ng_store *store = request->server->store;
    char uuid[NGS_UUID_CHARS];
    double best = count > 0 ? rows[0].hit->score : 0;
    ngs_uuid(request->server, uuid);
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"signal_id\":");
    ngs_out_string_z(out, uuid);
    ngs_out_text(out, ",\"query_text\":");
    ngs_out_string(out, body->text, body->text_bytes);
    ngs_out_text(out, ",\"processing_time_ms\":");
    ngs_out_fixed3(out, result->seconds * 1e3);
    ngs_out_text(out, ",\"confidence\":");
    ngs_out_float(out, (float)fmin(fmax(best, 0), 1));
    ngs_out_text(out, ",\"interpretation\":\"semantic_query\",\"tokens\":[");
    query_out_rows(out, store, body, rows, count);
    ngs_out_text(out, "],\"connections\":");
    if (body->connections)
        query_out_connections(out, store, rows, count);
    else
        ngs_out_text(out, "null");
    ngs_out_text(out, ",\"total_candidates\":");
    ngs_out_u64(out, result->candidates);
    ngs_out_text(out, ",\"unknown\":");
    query_out_unknown(out, store, result);
    ngs_out_char(out, '}');
}

/* No word is known: the words as the client wrote them, without operators. */
static void query_reply_unknown(ngs_request *request, const query_body *body)
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
        size_t length = strcspn(at, " \t\r\n");
        bool sign = length == 1 && (*at == '+' || *at == '-');
        if (length > 0 && !sign) {
            if (!first)
                ngs_out_char(&details, ',');
            ngs_out_string(&details, at, length);
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

void ngs_query(ngs_request *request)
{
    query_body body;
    ng_query_result *result = NULL;
    uint32_t count = 0;
    if (!query_read(request, &body)) {
        if (body.parser != NULL)
            ngs_parser_give(request->server, body.parser);
        return;
    }
    request->settles = true;
    query_row *rows = calloc(body.limit, sizeof *rows);
    if (rows == NULL) {
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for the answer");
    } else {
        ng_status status = query_run(request, &body, &result, rows, &count);
        if (status == NG_OK)
            query_reply(request, &body, result, rows, count);
        else if (status == NG_E_NOT_FOUND)
            query_reply_unknown(request, &body);
        else
            ngs_reply_status(request, status);
    }
    ng_query_result_destroy(result);
    free(rows);
    ngs_parser_give(request->server, body.parser);
}
