/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* POST /grid/{id}/query: what does not fit into a query string. Either many centers in one space, or one
 * point of several spaces at once. */
#include "server_grid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct grid_body {
    ngs_grid_call call;
    const char *collection; /* NULL = runtime */
    char collection_text[80];
    float (*centers)[NG_AXIS_COUNT];
    size_t center_count;
    ng_multi_query multi;
    bool weighted; /* a weight was given */
    bool space, by_radius;
    uint32_t limit;
} grid_body;

typedef void (*grid_read_fn)(ngs_request *request, grid_body *body, ngs_json_value value);

/* A string as a C string, cut to what fits: nothing that long is a name here. */
static bool query_word(ngs_request *request, ngs_json_value value, const char *field, char *out,
                       size_t capacity)
{
    const char *text;
    size_t count;
    if (!ngs_read_string(request, value, field, &text, &count))
        return false;
    if (memchr(text, '\0', count) != NULL)
        count = 0;
    if (count >= capacity)
        count = capacity - 1;
    memcpy(out, text, count);
    out[count] = '\0';
    return true;
}

static void query_no_space(ngs_request *request, const char *field, const char *name)
{
    ngs_problem(request, field, "value_error",
                "no space \"%.32s\"; spaces are 0..7, L1..L8, physical, sensory, motor, "
                "emotional, cognitive, social, temporal, abstract",
                name);
}

static void query_space(ngs_request *request, grid_body *body, ngs_json_value value)
{
    char name[64];
    uint64_t number;
    body->space = true;
    if (ngs_json_u64(value, &number))
        snprintf(name, sizeof name, "%llu", (unsigned long long)number);
    else if (!query_word(request, value, "body.space", name, sizeof name))
        return;
    if (!ngs_grid_space(name, &body->call.space))
        query_no_space(request, "body.space", name);
}

static bool query_triple(ngs_request *request, ngs_json_value value, const char *field,
                         float out[NG_AXIS_COUNT])
{
    ngs_json_walk walk;
    ngs_json_value element;
    size_t count = 0;
    bool valid = ngs_json_type_of(value) == NGS_JSON_ARRAY && ngs_json_begin(value, &walk);
    while (valid && ngs_json_next(&walk, NULL, NULL, &element)) {
        double number = 0;
        valid =
            count < NG_AXIS_COUNT && ngs_json_double(element, &number) && isfinite((float)number);
        if (valid)
            out[count++] = (float)number;
    }
    if (!valid || count != NG_AXIS_COUNT)
        ngs_problem(request, field, "type_error", "three numbers, [x, y, z], are expected");
    return valid && count == NG_AXIS_COUNT;
}

static void query_centers(ngs_request *request, grid_body *body, ngs_json_value value)
{
    ngs_json_walk walk;
    ngs_json_value element;
    char field[48];
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, "body.centers", "an array of [x, y, z]");
        return;
    }
    body->centers = calloc(NGS_GRID_CENTERS_MAX, sizeof *body->centers);
    if (body->centers == NULL)
        return; /* query_read replies */
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        if (body->center_count == NGS_GRID_CENTERS_MAX) {
            ngs_problem(request, "body.centers", "value_error", "more than %d centers",
                        NGS_GRID_CENTERS_MAX);
            return;
        }
        snprintf(field, sizeof field, "body.centers[%zu]", body->center_count);
        if (!query_triple(request, element, field, body->centers[body->center_count]) &&
            request->problems.count > NGS_PROBLEMS_MAX)
            return;
        body->center_count++;
    }
    if (body->center_count == 0)
        ngs_problem(request, "body.centers", "value_error", "the array is empty");
}

/* {"at": [x, y, z], "weight": 2} */
static void query_part(ngs_request *request, grid_body *body, ng_space space, const char *field,
                       ngs_json_value value)
{
    ngs_json_walk walk;
    ngs_json_value member;
    const char *key;
    size_t count;
    char inner[96];
    bool placed = false;
    if (ngs_json_type_of(value) != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, field, "an object");
        return;
    }
    while (ngs_json_next(&walk, &key, &count, &member)) {
        snprintf(inner, sizeof inner, "%.64s.%.*s", field, (int)(count < 24 ? count : 24), key);
        if (count == 2 && memcmp(key, "at", 2) == 0) {
            placed = true;
            query_triple(request, member, inner, body->multi.centers[space]);
        } else if (count == 6 && memcmp(key, "weight", 6) == 0) {
            body->weighted = true;
            ngs_read_float(request, member, inner, 1e-6, 1e6, &body->multi.weights[space]);
        } else {
            ngs_problem(request, inner, "unknown_field", "no such field");
        }
    }
    if (!placed) {
        snprintf(inner, sizeof inner, "%.64s.at", field);
        ngs_problem(request, inner, "missing", "the field is required");
    }
}

static void query_spaces(ngs_request *request, grid_body *body, ngs_json_value value)
{
    ngs_json_walk walk;
    ngs_json_value member;
    const char *key;
    size_t count;
    if (ngs_json_type_of(value) != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, "body.spaces", "an object");
        return;
    }
    while (ngs_json_next(&walk, &key, &count, &member)) {
        ng_space space;
        char name[33], field[64];
        snprintf(name, sizeof name, "%.*s", (int)(count < 32 ? count : 32), key);
        snprintf(field, sizeof field, "body.spaces.%s", name);
        if (strlen(name) != count || !ngs_grid_space(name, &space)) {
            query_no_space(request, "body.spaces", name);
        } else if ((body->multi.spaces & 1u << (unsigned)space) != 0) {
            ngs_problem(request, field, "duplicate_field", "the space occurs twice");
        } else {
            body->multi.spaces |= (uint8_t)(1u << (unsigned)space);
            query_part(request, body, space, field, member);
        }
    }
    if (body->multi.spaces == 0)
        ngs_problem(request, "body.spaces", "value_error", "no space is named");
}

static void query_radius(ngs_request *request, grid_body *body, ngs_json_value value)
{
    if (ngs_json_type_of(value) == NGS_JSON_NULL)
        return;
    body->by_radius = ngs_read_float(request, value, "body.radius", (double)NGS_GRID_RADIUS_MIN,
                                     3.4e38, &body->call.radius);
}

static void query_distance(ngs_request *request, grid_body *body, ngs_json_value value)
{
    ngs_read_float(request, value, "body.max_distance", 0, 3.4e38,
                   &body->call.options.max_distance);
}

static void query_limit(ngs_request *request, grid_body *body, ngs_json_value value)
{
    ngs_read_u32(request, value, "body.limit", 1, NGS_GRID_LIMIT_MAX, &body->limit);
}

static void query_metric(ngs_request *request, grid_body *body, ngs_json_value value)
{
    char name[32];
    if (query_word(request, value, "body.metric", name, sizeof name) &&
        !ngs_grid_metric(name, &body->call.options.metric))
        ngs_problem(request, "body.metric", "value_error",
                    "\"%s\" is not euclidean, manhattan or chebyshev", name);
}

static void query_unordered(ngs_request *request, grid_body *body, ngs_json_value value)
{
    bool unordered;
    if (ngs_read_bool(request, value, "body.unordered", &unordered) && unordered)
        body->call.options.flags |= NG_SEARCH_UNORDERED;
}

static void query_timeout(ngs_request *request, grid_body *body, ngs_json_value value)
{
    uint32_t timeout;
    if (ngs_read_u32(request, value, "body.timeout_ms", 1, (uint32_t)body->call.timeout_ms,
                     &timeout))
        body->call.timeout_ms = timeout;
}

static void query_collection(ngs_request *request, grid_body *body, ngs_json_value value)
{
    if (query_word(request, value, "body.collection", body->collection_text,
                   sizeof body->collection_text))
        body->collection = body->collection_text;
}

static void query_flags(ngs_request *request, grid_body *body, ngs_json_value value)
{
    uint32_t flags;
    if (ngs_read_u32(request, value, "body.flags", 0, UINT16_MAX, &flags))
        body->call.filter.flags_all = (uint16_t)flags;
}

static void query_exclude(ngs_request *request, grid_body *body, ngs_json_value value)
{
    ngs_read_id(request, value, "body.exclude", &body->call.filter.exclude);
}

static const struct query_field {
    const char *name;
    grid_read_fn read;
} query_fields[] = {
    {"space", query_space},        {"centers", query_centers},
    {"spaces", query_spaces},      {"radius", query_radius},
    {"limit", query_limit},        {"max_distance", query_distance},
    {"metric", query_metric},      {"unordered", query_unordered},
    {"timeout_ms", query_timeout}, {"collection", query_collection},
    {"flags", query_flags},        {"exclude", query_exclude},
};

#define QUERY_FIELD_COUNT (sizeof query_fields / sizeof query_fields[0])

/* What the fields mean together. */
static void query_check(ngs_request *request, const grid_body *body)
{
    bool centers = body->center_count > 0, spaces = body->multi.spaces != 0;
    if (centers == spaces && request->problems.count == 0)
        ngs_problem(request, centers ? "body.spaces" : "body.centers", "value_error",
                    "either centers in one space or a point of several spaces is wanted");
    if (spaces && body->space)
        ngs_problem(request, "body.space", "value_error", "it goes with centers, not with spaces");
    if (body->by_radius && body->call.options.max_distance > 0)
        ngs_problem(request, "body.max_distance", "value_error",
                    "it bounds the nearest; with a radius there is no other bound");
    if (body->center_count * body->limit > NGS_GRID_HITS_MAX)
        ngs_problem(request, "body.limit", "value_error",
                    "%zu centers with %u hits each are more than %d", body->center_count,
                    body->limit, NGS_GRID_HITS_MAX);
}

static void query_walk(ngs_request *request, grid_body *body, ngs_json_walk *walk)
{
    ngs_json_value value;
    const char *key;
    size_t key_count;
    unsigned seen = 0;
    while (ngs_json_next(walk, &key, &key_count, &value)) {
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
        if (i == 1 && body->centers == NULL && ngs_json_type_of(value) == NGS_JSON_ARRAY)
            ngs_problem(request, "body.centers", "value_error", "no memory for the centers");
    }
}

/* False: replied. */
static bool query_read(ngs_request *request, grid_body *body)
{
    ngs_json_parser *parser;
    ngs_json_walk walk;
    *body =
        (grid_body){.multi = {.struct_size = sizeof body->multi}, .limit = NGS_GRID_LIMIT_DEFAULT};
    if (!ngs_grid_begin(request, &body->call) || !ngs_body_open(request, &parser, &walk))
        return false;
    query_walk(request, body, &walk);
    ngs_parser_give(request->server, parser);
    query_check(request, body);
    for (unsigned space = 0; body->weighted && space < NG_SPACE_COUNT; space++)
        if (body->multi.weights[space] == 0)
            body->multi.weights[space] = 1; /* of those without one beside one that has */
    body->call.limit = body->limit;
    return !ngs_problems_reply(request) && ngs_grid_prepare(request, &body->call, body->collection);
}

/* ------------------------------------------------------------------------------------- running */

static void query_out_radius(ngs_out *out, const grid_body *body)
{
    ngs_out_text(out, ",\"radius\":");
    if (body->by_radius)
        ngs_out_float(out, body->call.radius);
    else
        ngs_out_text(out, "null");
}

static void query_out_part(ngs_out *out, const ng_hit *hits, size_t limit, size_t total)
{
    size_t shown = total < limit ? total : limit;
    ngs_out_text(out, ",\"results\":");
    ngs_grid_out_hits(out, hits, shown);
    ngs_out_text(out, ",\"count\":");
    ngs_out_u64(out, shown);
    ngs_out_text(out, ",\"total\":");
    ngs_out_u64(out, total);
    ngs_out_char(out, '}');
}

static ngs_out *query_reply(ngs_request *request, const grid_body *body)
{
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"grid_id\":");
    ngs_out_u64(out, body->call.options.grid);
    return out;
}

static void query_reply_many(ngs_request *request, const grid_body *body, const ng_hit *hits,
                             const size_t *counts)
{
    ngs_out *out = query_reply(request, body);
    ngs_out_text(out, ",\"space\":");
    ngs_out_u64(out, (uint64_t)body->call.space);
    query_out_radius(out, body);
    ngs_out_text(out, ",\"results\":[");
    for (size_t i = 0; i < body->center_count; i++) {
        ngs_out_text(out, i == 0 ? "{\"center\":" : ",{\"center\":");
        ngs_grid_out_triple(out, body->centers[i]);
        query_out_part(out, hits + i * body->limit, body->limit, counts[i]);
    }
    ngs_out_text(out, "],\"count\":");
    ngs_out_u64(out, body->center_count);
    ngs_out_char(out, '}');
}

static void query_run_many(ngs_request *request, const grid_body *body)
{
    ng_hit *hits = ngs_grid_room(request, (uint64_t)body->center_count * body->limit);
    size_t *counts = calloc(body->center_count, sizeof *counts);
    if (hits != NULL && counts == NULL)
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for the answer");
    if (hits != NULL && counts != NULL) {
        ng_status status =
            ng_grid_many(request->server->store, body->call.space,
                         (const float(*)[NG_AXIS_COUNT])body->centers, body->center_count,
                         body->by_radius ? body->call.radius : -1.0f, body->limit,
                         &body->call.options, hits, counts);
        if (status == NG_OK)
            query_reply_many(request, body, hits, counts);
        else
            ngs_grid_fail(request, status);
    }
    free(hits);
    free(counts);
}

static void query_run_multi(ngs_request *request, const grid_body *body)
{
    const ng_store *store = request->server->store;
    size_t total = 0;
    ng_hit *hits = ngs_grid_room(request, body->limit);
    if (hits == NULL)
        return;
    ng_status status =
        body->by_radius
            ? ng_multi_range(store, &body->multi, body->call.radius, &body->call.options, hits,
                             body->limit, &total)
            : ng_multi_nearest(store, &body->multi, &body->call.options, hits, body->limit, &total);
    if (status == NG_OK) {
        ngs_out *out = query_reply(request, body);
        const char *separator = ",\"spaces\":[";
        for (unsigned space = 0; space < NG_SPACE_COUNT; space++) {
            if ((body->multi.spaces & 1u << space) == 0)
                continue;
            ngs_out_text(out, separator);
            ngs_out_u64(out, space);
            separator = ",";
        }
        ngs_out_char(out, ']');
        query_out_radius(out, body);
        query_out_part(out, hits, body->limit, total);
    } else {
        ngs_grid_fail(request, status);
    }
    free(hits);
}

void ngs_grid_query(ngs_request *request)
{
    grid_body body;
    if (query_read(request, &body)) {
        if (body.center_count > 0)
            query_run_many(request, &body);
        else
            query_run_multi(request, &body);
    }
    free(body.centers);
}
