/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The fields of a recall: from JSON values to ng_recall_options. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "server_recall.h"

/* The fields beyond those of a plain query; NULL without memory, which the answer tells. */
static ngs_recall_body *recall_of(ngs_query_body *body)
{
    if (body->recall == NULL) {
        body->recall = calloc(1, sizeof *body->recall);
        body->no_memory = body->recall == NULL;
    }
    return body->recall;
}

/* Reads the members of an object, each by its function. */
typedef struct recall_member {
    const char *name;
    void (*read)(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                 const char *field, size_t at);
} recall_member;

typedef struct recall_object {
    const char *name; /* of the field that holds it */
    size_t at;        /* for its members */
    const recall_member *members;
    size_t count;
} recall_object;

/* Returns a bit for each member that was there. */
static unsigned recall_members(ngs_request *request, ngs_query_body *body, ngs_json_value object,
                               const recall_object *of)
{
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key;
    size_t key_count;
    unsigned seen = 0;
    if (ngs_json_type_of(object) != NGS_JSON_OBJECT || !ngs_json_begin(object, &walk)) {
        ngs_wrong_type(request, object, of->name, "an object");
        return 0;
    }
    while (ngs_json_next(&walk, &key, &key_count, &value)) {
        char field[128];
        size_t i = 0;
        while (i < of->count && (strlen(of->members[i].name) != key_count ||
                                 memcmp(of->members[i].name, key, key_count) != 0))
            i++;
        snprintf(field, sizeof field, "%s.%.*s", of->name, (int)(key_count < 64 ? key_count : 64),
                 key);
        if (i < of->count && (seen & 1u << i) == 0) {
            seen |= 1u << i;
            of->members[i].read(request, body, value, field, of->at);
        } else if (i < of->count) {
            ngs_problem(request, field, "duplicate_field", "the field occurs twice");
        } else {
            ngs_problem(request, field, "unknown_field", "no such field");
        }
    }
    return seen;
}

/* ---------------------------------------------------------------------------- tokens and vectors */

void ngs_recall_name_read(ngs_request *request, ngs_json_value value, const char *field,
                          ngs_recall_name *out)
{
    if (ngs_json_type_of(value) == NGS_JSON_STRING)
        ngs_read_string(request, value, field, &out->text, &out->bytes);
    else if (ngs_json_type_of(value) == NGS_JSON_INTEGER)
        ngs_read_id(request, value, field, &out->id);
    else
        ngs_wrong_type(request, value, field, "a word or an id");
}

void ngs_recall_names_read(ngs_request *request, ngs_json_value value, const char *field,
                           ngs_recall_names *out)
{
    ngs_json_walk walk;
    ngs_json_value element;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, field, "an array of words or ids");
        return;
    }
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        char inner[64];
        if (out->count == NGS_RECALL_TOKENS_MAX) {
            ngs_problem(request, field, "value_error", "more than %d tokens",
                        NGS_RECALL_TOKENS_MAX);
            return;
        }
        snprintf(inner, sizeof inner, "%s[%zu]", field, out->count);
        ngs_recall_name_read(request, element, inner, &out->names[out->count++]);
    }
    if (out->count == 0)
        ngs_problem(request, field, "value_error", "the array is empty");
}

void ngs_recall_tokens(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_recall_body *recall = recall_of(body);
    if (recall == NULL)
        return;
    ngs_recall_names_read(request, value, "body.tokens", &recall->tokens);
    recall->options.tokens = recall->tokens.ids;
    recall->options.token_count = recall->tokens.count;
}

void ngs_recall_vector(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_recall_body *recall = recall_of(body);
    ngs_json_walk walk;
    ngs_json_value element;
    if (recall == NULL)
        return;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, "body.vector", "an array of numbers");
        return;
    }
    size_t *count = &recall->options.dimensions;
    recall->options.vector = recall->vector;
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        char field[40];
        snprintf(field, sizeof field, "body.vector[%zu]", *count);
        if (*count == NGS_DIMENSIONS_MAX) {
            ngs_problem(request, "body.vector", "value_error", "more than %d numbers",
                        NGS_DIMENSIONS_MAX);
            return;
        }
        if (!ngs_read_float(request, element, field, -3.4e38, 3.4e38, &recall->vector[*count]))
            return;
        ++*count;
    }
    if (*count == 0)
        ngs_problem(request, "body.vector", "value_error", "the array is empty");
}

/* ---------------------------------------------------------------------------------------- space */

static void near_space(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                       const char *field, size_t at)
{
    char name[32];
    if (ngs_read_name(request, value, field, name, sizeof name) &&
        ng_space_parse(name, &body->recall->near[at].space) != NG_OK)
        ngs_problem(request, field, "value_error", "%s", ng_last_error());
}

static void near_at(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                    const char *field, size_t at)
{
    ngs_json_walk walk;
    ngs_json_value element;
    size_t axis = 0;
    bool is_array = ngs_json_type_of(value) == NGS_JSON_ARRAY && ngs_json_begin(value, &walk);
    while (is_array && ngs_json_next(&walk, NULL, NULL, &element)) {
        if (axis < NG_AXIS_COUNT &&
            !ngs_read_float(request, element, field, -1e9, 1e9, &body->recall->near[at].at[axis]))
            return;
        axis++;
    }
    if (axis != NG_AXIS_COUNT)
        ngs_problem(request, field, "type_error", "an array of three numbers is expected");
}

static void near_token(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                       const char *field, size_t at)
{
    ngs_recall_name_read(request, value, field, &body->recall->near_names[at]);
}

static void near_scale(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                       const char *field, size_t at)
{
    ngs_read_float(request, value, field, 1e-6, 1e6, &body->recall->near[at].scale);
}

static void near_radius(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                        const char *field, size_t at)
{
    ngs_read_float(request, value, field, 1e-6, 1e9, &body->recall->near[at].radius);
}

/* One place: a space, and a point or a token. */
static void near_one(ngs_request *request, ngs_query_body *body, ngs_json_value value, size_t at)
{
    static const recall_member members[] = {{"space", near_space},
                                            {"at", near_at},
                                            {"token", near_token},
                                            {"scale", near_scale},
                                            {"radius", near_radius}};
    char prefix[32];
    snprintf(prefix, sizeof prefix, "body.near[%zu]", at);
    const recall_object of = {prefix, at, members, sizeof members / sizeof members[0]};
    unsigned seen = recall_members(request, body, value, &of);
    if (ngs_json_type_of(value) != NGS_JSON_OBJECT)
        return;
    if ((seen & 1u) == 0)
        ngs_problem(request, prefix, "missing", "the field space is required");
    if (((seen >> 1 ^ seen >> 2) & 1u) == 0)
        ngs_problem(request, prefix, "value_error", "one of at and token is required");
}

void ngs_recall_near(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_recall_body *recall = recall_of(body);
    ngs_json_walk walk;
    ngs_json_value element;
    if (recall == NULL)
        return;
    recall->options.near = recall->near;
    if (ngs_json_type_of(value) == NGS_JSON_OBJECT) {
        near_one(request, body, value, recall->options.near_count++);
        return;
    }
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, "body.near", "an object, or an array of them");
        return;
    }
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        if (recall->options.near_count == NG_SPACE_COUNT) {
            ngs_problem(request, "body.near", "value_error", "more than %d places", NG_SPACE_COUNT);
            return;
        }
        near_one(request, body, element, recall->options.near_count++);
    }
    if (recall->options.near_count == 0)
        ngs_problem(request, "body.near", "value_error", "the array is empty");
}

/* ------------------------------------------------------------------------------------- relation */

static void through_from(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                         const char *field, size_t at)
{
    ngs_recall_names *from = &body->recall->from;
    (void)at;
    ngs_recall_names_read(request, value, field, from);
    body->recall->through.from = from->ids;
    body->recall->through.from_count = from->count;
}

static void through_types(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                          const char *field, size_t at)
{
    ng_type_set *types = &body->recall->through.types;
    ngs_json_walk walk;
    ngs_json_value element;
    (void)at;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, field, "an array of names of types");
        return;
    }
    for (size_t i = 0; ngs_json_next(&walk, NULL, NULL, &element); i++) {
        char inner[64], name[64];
        uint8_t type;
        snprintf(inner, sizeof inner, "%s[%zu]", field, i);
        if (!ngs_read_name(request, element, inner, name, sizeof name))
            continue;
        if (ng_connection_type_parse(name, &type) == NG_OK)
            types->bits[type >> 6] |= UINT64_C(1) << (type & 63);
        else
            ngs_problem(request, inner, "value_error", "%s", ng_last_error());
    }
    if ((types->bits[0] | types->bits[1] | types->bits[2]) == 0)
        ngs_problem(request, field, "value_error",
                    "no type is named; leave the field out for every type");
}

static void through_direction(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                              const char *field, size_t at)
{
    static const char *const names[] = {"outgoing", "incoming", "both"};
    char name[16];
    (void)at;
    if (!ngs_read_name(request, value, field, name, sizeof name))
        return;
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            body->recall->through.direction = (ng_direction)(i + 1);
    if (body->recall->through.direction == 0)
        ngs_problem(request, field, "value_error",
                    "\"%s\": directions are outgoing, incoming and both", name);
}

static void through_hops(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                         const char *field, size_t at)
{
    (void)at;
    ngs_read_u32(request, value, field, 1, NGS_RECALL_HOPS_MAX, &body->recall->through.max_hops);
}

static void through_decay(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                          const char *field, size_t at)
{
    float within;
    (void)at;
    if (ngs_read_float(request, value, field, 1e-6, 1, &within))
        (void)ngs_json_double(value, &body->recall->through.decay);
}

static void through_max(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                        const char *field, size_t at)
{
    (void)at;
    ngs_read_u32(request, value, field, 1, NGS_RECALL_REACHED_MAX,
                 &body->recall->through.max_tokens);
}

void ngs_recall_through(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    static const recall_member members[] = {
        {"from", through_from},     {"types", through_types}, {"direction", through_direction},
        {"max_hops", through_hops}, {"decay", through_decay}, {"max_tokens", through_max}};
    ngs_recall_body *recall = recall_of(body);
    if (recall == NULL)
        return;
    const recall_object of = {"body.through", 0, members, sizeof members / sizeof members[0]};
    recall->options.through = &recall->through;
    recall_members(request, body, value, &of);
}

/* -------------------------------------------------------------------------------- how they count */

static void weight_of(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                      const char *field, ng_recall_part part)
{
    float within;
    if (!ngs_read_float(request, value, field, 0, 1e6, &within))
        return;
    (void)ngs_json_double(value, &body->recall->options.weights[part]);
    body->recall->weighted |= 1u << (unsigned)part;
}

static void weight_meaning(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                           const char *field, size_t at)
{
    (void)at;
    weight_of(request, body, value, field, NG_RECALL_MEANING);
}

static void weight_space(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                         const char *field, size_t at)
{
    (void)at;
    weight_of(request, body, value, field, NG_RECALL_SPACE);
}

static void weight_relation(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                            const char *field, size_t at)
{
    (void)at;
    weight_of(request, body, value, field, NG_RECALL_RELATION);
}

void ngs_recall_weights(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    static const recall_member members[] = {{"meaning", weight_meaning},
                                            {"space", weight_space},
                                            {"relation", weight_relation}};
    const recall_object of = {"body.weights", 0, members, sizeof members / sizeof members[0]};
    if (recall_of(body) != NULL)
        recall_members(request, body, value, &of);
}

void ngs_recall_require(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_recall_body *recall = recall_of(body);
    ngs_json_walk walk;
    ngs_json_value element;
    if (recall == NULL)
        return;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, "body.require", "an array of parts");
        return;
    }
    for (size_t i = 0; ngs_json_next(&walk, NULL, NULL, &element); i++) {
        char field[40], name[16];
        int part = 0;
        snprintf(field, sizeof field, "body.require[%zu]", i);
        if (!ngs_read_name(request, element, field, name, sizeof name))
            continue;
        while (part < NG_RECALL_PART_COUNT &&
               strcmp(name, ng_recall_part_name((ng_recall_part)part)) != 0)
            part++;
        if (part < NG_RECALL_PART_COUNT)
            recall->options.require |= (uint8_t)(1u << (unsigned)part);
        else
            ngs_problem(request, field, "value_error",
                        "\"%s\": parts are meaning, space and relation", name);
    }
}

void ngs_recall_include(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_recall_body *recall = recall_of(body);
    if (recall != NULL)
        ngs_read_bool(request, value, "body.include_asked", &recall->options.include_asked);
}

void ngs_recall_any_collection(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_recall_body *recall = recall_of(body);
    if (recall != NULL)
        ngs_read_bool(request, value, "body.any_collection", &recall->options.any_collection);
}

void ngs_recall_explain(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_recall_body *recall = recall_of(body);
    if (recall != NULL)
        ngs_read_bool(request, value, "body.explain", &recall->options.explain);
}

void ngs_recall_effort(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_recall_body *recall = recall_of(body);
    if (recall != NULL)
        ngs_read_u32(request, value, "body.effort", 0, NGS_RECALL_EFFORT_MAX,
                     &recall->options.effort);
}
