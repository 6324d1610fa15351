/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Fields of vectors, their graphs of approximate search, and POST /tokens/nearest, which searches one.
 * A field is named; the default one has the name "". What may take long runs on the pool. */
#include <stdio.h>
#include <stdlib.h>

#include "server_query.h"

#define FIELDS_MAX (NGS_VECTOR_FIELDS_MAX + 1) /* with the default one */
#define EXCLUDE_MAX 1000 /* tokens that are looked through for each candidate */

/* The field of that name; false: noted that there is none. */
static bool vectors_field(ngs_request *request, const char *path, const char *name,
                          ng_vector_field_id *out)
{
    if (ng_vector_field_find(request->server->store, name, out) == NG_OK)
        return true;
    ngs_problem(request, path, "value_error", "no vector field \"%.64s\"", name);
    return false;
}

/* {"field": "image"} of a body; "" or null is the default field. */
static void vectors_read_field(ngs_request *request, ngs_json_value value, ng_vector_field_id *out)
{
    const char *text;
    size_t count;
    char name[65] = "?"; /* names no field */
    if (ngs_json_type_of(value) == NGS_JSON_NULL ||
        !ngs_read_string(request, value, "body.field", &text, &count))
        return;
    if (count < sizeof name && memchr(text, '\0', count) == NULL)
        snprintf(name, sizeof name, "%.*s", (int)count, text);
    (void)vectors_field(request, "body.field", name, out);
}

/* What the library refuses is about the body as a whole. */
static void vectors_fail(ngs_request *request, ng_status status)
{
    if (status == NG_E_INVALID) {
        ngs_problem(request, "body", "value_error", "%s", ng_last_error());
        ngs_problems_reply(request);
    } else {
        ngs_reply_status(request, status);
    }
}

/* -------------------------------------------------------------------------------------- fields */

static void fields_out(ngs_out *out, const ng_vector_field_info *info)
{
    ngs_out_text(out, "{\"id\":");
    ngs_out_u64(out, info->id);
    ngs_out_text(out, ",\"name\":");
    ngs_out_string_z(out, info->name);
    ngs_out_text(out, ",\"dimensions\":");
    ngs_out_u64(out, info->dimensions);
    ngs_out_text(out, ",\"metric\":");
    ngs_out_string_z(out, ng_vector_metric_name(info->metric));
    ngs_out_text(out, ",\"vectors\":");
    ngs_out_u64(out, info->vector_count);
    ngs_out_char(out, '}');
}

static void fields_reply(ngs_request *request, int http_status)
{
    ng_vector_field_info infos[FIELDS_MAX];
    size_t count = 0;
    ng_status status = ng_vector_field_list(request->server->store, infos, FIELDS_MAX, &count);
    request->settles = true;
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, http_status);
    ngs_out_text(out, "{\"fields\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            ngs_out_char(out, ',');
        fields_out(out, &infos[i]);
    }
    ngs_out_text(out, "]}");
}

void ngs_field_list(ngs_request *request)
{
    fields_reply(request, 200);
}

typedef struct fields_body {
    char name[80];
    char metric[80];
    uint32_t dimensions;
    unsigned seen; /* a bit each */
} fields_body;

/* Reads {"name": "...", "dimensions": 512, "metric": "..."}; false: replied. */
static bool fields_read(ngs_request *request, fields_body *body)
{
    static const char *const names[] = {"name", "dimensions", "metric"};
    ngs_json_parser *parser;
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key;
    size_t key_count;
    if (!ngs_body_open(request, &parser, &walk))
        return false;
    while (ngs_json_next(&walk, &key, &key_count, &value)) {
        unsigned at = 0;
        while (at < 3 && (strlen(names[at]) != key_count || memcmp(names[at], key, key_count) != 0))
            at++;
        if (at == 3 || (body->seen & 1u << at) != 0) {
            ngs_unknown_field(request, key, key_count, at < 3);
            continue;
        }
        body->seen |= 1u << at;
        if (at == 0)
            ngs_read_name(request, value, "body.name", body->name, sizeof body->name);
        else if (at == 1)
            ngs_read_u32(request, value, "body.dimensions", 2, NGS_DIMENSIONS_MAX,
                         &body->dimensions);
        else
            ngs_read_name(request, value, "body.metric", body->metric, sizeof body->metric);
    }
    if ((body->seen & 1) == 0)
        ngs_problem(request, "body.name", "missing", "the name of the field is required");
    if ((body->seen & 2) == 0)
        ngs_problem(request, "body.dimensions", "missing", "the length of the vectors is required");
    ngs_parser_give(request->server, parser);
    return !ngs_problems_reply(request);
}

void ngs_field_create(ngs_request *request)
{
    const ng_write_options write = ngs_token_write(request);
    ng_vector_field_options options = {.struct_size = sizeof options};
    ng_vector_field_id id = 0;
    fields_body body = {.metric = "cosine"};
    if (!fields_read(request, &body))
        return;
    if (ng_vector_metric_parse(body.metric, &options.metric) != NG_OK)
        ngs_problem(request, "body.metric", "value_error", "%s", ng_last_error());
    if (ngs_problems_reply(request))
        return;
    options.dimensions = body.dimensions;
    ng_status status =
        ng_vector_field_create(request->server->store, body.name, &options, &write, &id);
    if (status == NG_OK)
        fields_reply(request, 201);
    else
        vectors_fail(request, status);
}

void ngs_field_drop(ngs_request *request)
{
    const ng_write_options write = ngs_token_write(request);
    ng_vector_field_id id = 0;
    ng_status status = ng_vector_field_find(request->server->store, request->id_text, &id);
    if (status == NG_OK)
        status = ng_vector_field_drop(request->server->store, id, &write);
    request->settles = true;
    if (status == NG_E_NOT_FOUND)
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL,
                        "Vector field \"%.64s\" not found", request->id_text);
    else if (status != NG_OK)
        ngs_reply_status(request, status);
    else
        fields_reply(request, 200);
}

/* ------------------------------------------------------------------------------------- nearest */

typedef struct nearest_body {
    ngs_query_body query; /* limit, remove_components, filter, collection */
    ng_vector_field_id field;
    uint32_t effort;
    float *vector;
    size_t dimensions;
    uint64_t token; /* 0 = a vector is given */
    ng_token_id exclude[EXCLUDE_MAX + 1];
    size_t exclude_count;
    ngs_json_parser *parser;
} nearest_body;

typedef void (*nearest_read_fn)(ngs_request *request, nearest_body *body, ngs_json_value value);

static void nearest_vector(ngs_request *request, nearest_body *body, ngs_json_value value)
{
    body->vector = ngs_read_numbers(request, value, "body.vector", &body->dimensions);
}

static void nearest_token(ngs_request *request, nearest_body *body, ngs_json_value value)
{
    ngs_read_id(request, value, "body.token", &body->token);
}

static void nearest_field(ngs_request *request, nearest_body *body, ngs_json_value value)
{
    vectors_read_field(request, value, &body->field);
}

static void nearest_limit(ngs_request *request, nearest_body *body, ngs_json_value value)
{
    ngs_read_u32(request, value, "body.limit", 1, NGS_PAGE_MAX, &body->query.options.limit);
}

static void nearest_effort(ngs_request *request, nearest_body *body, ngs_json_value value)
{
    ngs_read_u32(request, value, "body.effort", 0, NG_VECTOR_EFFORT_MAX, &body->effort);
}

static void nearest_components(ngs_request *request, nearest_body *body, ngs_json_value value)
{
    ngs_read_components(request, value, &body->query.options.remove_components);
}

static void nearest_collection(ngs_request *request, nearest_body *body, ngs_json_value value)
{
    ng_filter *filter = &body->query.filter.filter;
    char name[80];
    if (!ngs_read_name(request, value, "body.collection", name, sizeof name))
        return;
    filter->by_collection = true;
    if (ng_collection_find(request->server->store, name, &filter->collection) != NG_OK)
        ngs_problem(request, "body.collection", "value_error", "no collection \"%.64s\"", name);
}

static void nearest_filter(ngs_request *request, nearest_body *body, ngs_json_value value)
{
    ngs_query_filter(request, &body->query, value);
}

static void nearest_exclude(ngs_request *request, nearest_body *body, ngs_json_value value)
{
    ngs_json_walk walk;
    ngs_json_value element;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, "body.exclude", "an array of ids");
        return;
    }
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        char path[40];
        snprintf(path, sizeof path, "body.exclude[%zu]", body->exclude_count);
        if (body->exclude_count == EXCLUDE_MAX) {
            ngs_problem(request, "body.exclude", "value_error", "more than %d ids", EXCLUDE_MAX);
            return;
        }
        if (!ngs_read_id(request, element, path, &body->exclude[body->exclude_count]))
            return;
        body->exclude_count++;
    }
}

static const struct nearest_member {
    const char *name;
    nearest_read_fn read;
} nearest_members[] = {
    {"vector", nearest_vector},         {"token", nearest_token},
    {"field", nearest_field},           {"limit", nearest_limit},
    {"effort", nearest_effort},         {"remove_components", nearest_components},
    {"collection", nearest_collection}, {"filter", nearest_filter},
    {"exclude", nearest_exclude},
};

#define NEAREST_MEMBER_COUNT (sizeof nearest_members / sizeof nearest_members[0])

/* False: replied. The parser stays open, for strings of the filter point into it. */
static bool nearest_read(ngs_request *request, nearest_body *body)
{
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key;
    size_t key_count;
    unsigned seen = 0;
    body->query.options.limit = NGS_PAGE_DEFAULT;
    body->query.filter.filter.struct_size = sizeof body->query.filter.filter;
    if (!ngs_body_open(request, &body->parser, &walk))
        return false;
    while (ngs_json_next(&walk, &key, &key_count, &value)) {
        size_t at = 0;
        while (at < NEAREST_MEMBER_COUNT && (strlen(nearest_members[at].name) != key_count ||
                                             memcmp(nearest_members[at].name, key, key_count) != 0))
            at++;
        if (at == NEAREST_MEMBER_COUNT || (seen & 1u << at) != 0) {
            ngs_unknown_field(request, key, key_count, at < NEAREST_MEMBER_COUNT);
            continue;
        }
        seen |= 1u << at;
        nearest_members[at].read(request, body, value);
    }
    if ((seen & 3u) == 0)
        ngs_problem(request, "body.vector", "missing", "a vector or a token is required");
    else if ((seen & 3u) == 3)
        ngs_problem(request, "body.token", "value_error", "vector and token exclude each other");
    return !ngs_problems_reply(request);
}

/* The vector of the token, which then does not count; false: replied. */
static bool nearest_of_token(ngs_request *request, nearest_body *body)
{
    const ng_store *store = request->server->store;
    if (body->token == 0)
        return true;
    body->exclude[body->exclude_count++] = body->token;
    body->vector = malloc(NGS_DIMENSIONS_MAX * sizeof *body->vector);
    if (body->vector == NULL) {
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for a vector");
        return false;
    }
    ng_status status = ng_token_vector_in(store, body->token, body->field, body->vector,
                                          NGS_DIMENSIONS_MAX, &body->dimensions);
    if (status != NG_OK)
        ngs_reply_status(request, status);
    else if (body->dimensions == 0)
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL,
                        "Token %08llX has no vector in the field", (unsigned long long)body->token);
    return status == NG_OK && body->dimensions > 0;
}

static void nearest_reply(ngs_request *request, const nearest_body *body, const ng_score *scores,
                          size_t count)
{
    ng_vector_field_info info;
    ng_status status = ng_vector_field_get(request->server->store, body->field, &info);
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    bool first = true;
    ngs_out_text(out, "{\"field\":");
    ngs_out_string_z(out, info.name);
    ngs_out_text(out, ",\"metric\":");
    ngs_out_string_z(out, ng_vector_metric_name(info.metric));
    ngs_out_text(out, ",\"hits\":[");
    for (size_t i = 0; i < count; i++) {
        ng_token_info token;
        if (ng_token_get(request->server->store, scores[i].id, &token) != NG_OK)
            continue; /* deleted since it was found */
        ngs_out_text(out, first ? "{\"score\":" : ",{\"score\":");
        first = false;
        ngs_out_float(out, (float)scores[i].score);
        ngs_out_text(out, ",\"token\":");
        (void)ngs_token_out(request, out, scores[i].id);
        ngs_out_char(out, '}');
    }
    ngs_out_text(out, "]}");
}

static void nearest_run(ngs_request *request, nearest_body *body)
{
    ng_score scores[NGS_PAGE_MAX];
    size_t count = 0;
    if (!nearest_of_token(request, body))
        return;
    const ng_vector_options options = {.struct_size = sizeof options,
                                       .remove_components = body->query.options.remove_components,
                                       .filter = &body->query.filter.filter,
                                       .exclude = body->exclude,
                                       .exclude_count = body->exclude_count,
                                       .effort = body->effort,
                                       .field = body->field};
    ng_status status = ng_vector_nearest(request->server->store, body->vector, body->dimensions,
                                         &options, scores, body->query.options.limit, &count);
    if (status == NG_OK)
        nearest_reply(request, body, scores, count);
    else
        vectors_fail(request, status);
}

void ngs_nearest(ngs_request *request)
{
    nearest_body *body = calloc(1, sizeof *body);
    request->settles = true;
    if (body == NULL) {
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for a search");
        return;
    }
    if (nearest_read(request, body))
        nearest_run(request, body);
    if (body->parser != NULL)
        ngs_parser_give(request->server, body->parser);
    free(body->vector);
    free(body);
}

/* --------------------------------------------------------------------------------------- graph */

static void graph_reply(ngs_request *request, int http_status, ng_vector_field_id field)
{
    ng_vector_field_info info;
    ng_vector_graph graph;
    ng_status status = ng_vector_field_get(request->server->store, field, &info);
    if (status == NG_OK)
        status = ng_vector_graph_get(request->server->store, field, &graph);
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, http_status);
    ngs_out_text(out, "{\"field\":");
    ngs_out_string_z(out, info.name);
    ngs_out_text(out, ",\"removed_components\":");
    ngs_out_u64(out, graph.removed_components);
    ngs_out_text(out, ",\"vectors\":");
    ngs_out_u64(out, graph.row_count);
    ngs_out_text(out, ",\"bytes\":");
    ngs_out_u64(out, graph.bytes);
    ngs_out_char(out, '}');
}

/* ?field=NAME; false: replied. */
static bool graph_param(ngs_request *request, ng_vector_field_id *out)
{
    *out = 0;
    for (size_t i = 0; i < request->param_count; i++) {
        const ngs_param *param = &request->params[i];
        if (strcmp(param->name, "field") == 0)
            (void)vectors_field(request, "query.field", param->value, out);
        else
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        param->name);
    }
    return !ngs_problems_reply(request);
}

/* The server is going down: what is being built is of no use any more. */
static bool graph_goes_on(void *context, const ng_progress *progress)
{
    const ngs_server *server = context;
    (void)progress;
    return !atomic_load_explicit(&server->draining, memory_order_acquire);
}

/* The body, {"field": "...", "remove_components": 0}, may be left out. */
void ngs_graph_build(ngs_request *request)
{
    ng_vector_graph_options options = {.struct_size = sizeof options};
    ngs_json_parser *parser;
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key;
    size_t key_count;
    unsigned seen = 0;
    if (request->body_size > 0 && !ngs_body_open(request, &parser, &walk))
        return;
    while (request->body_size > 0 && ngs_json_next(&walk, &key, &key_count, &value)) {
        bool is_field = key_count == 5 && memcmp(key, "field", 5) == 0;
        bool is_components = key_count == 17 && memcmp(key, "remove_components", 17) == 0;
        unsigned bit = is_field ? 1u : is_components ? 2u : 0;
        if (bit == 0 || (seen & bit) != 0)
            ngs_unknown_field(request, key, key_count, bit != 0);
        else if (is_field)
            vectors_read_field(request, value, &options.field);
        else
            ngs_read_components(request, value, &options.remove_components);
        seen |= bit;
    }
    if (request->body_size > 0)
        ngs_parser_give(request->server, parser);
    if (ngs_problems_reply(request))
        return;
    ng_status status =
        ng_vector_graph_build(request->server->store, &options, graph_goes_on, request->server);
    if (status == NG_OK)
        graph_reply(request, 201, options.field);
    else
        vectors_fail(request, status);
}

void ngs_graph_get(ngs_request *request)
{
    ng_vector_field_id field;
    if (graph_param(request, &field))
        graph_reply(request, 200, field);
}

void ngs_graph_drop(ngs_request *request)
{
    ng_vector_field_id field;
    if (!graph_param(request, &field))
        return;
    ng_status status = ng_vector_graph_drop(request->server->store, field);
    if (status == NG_OK)
        ngs_reply_empty(request, 204);
    else
        ngs_reply_status(request, status);
}
