/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The body of a connection: a table of fields, a reader for each kind of field. As with tokens, what
 * nobody knows and what occurs twice is refused. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "server_connection.h"

typedef struct link_reader {
    ngs_request *request;
    ngs_connection_body *body;
    const char *path; /* "body.create[3].source" */
} link_reader;

typedef void (*link_read_fn)(const link_reader *reader, ngs_json_value value);

static void link_source(const link_reader *reader, ngs_json_value value)
{
    ngs_read_id(reader->request, value, reader->path, &reader->body->fields.source);
}

static void link_target(const link_reader *reader, ngs_json_value value)
{
    ngs_read_id(reader->request, value, reader->path, &reader->body->fields.target);
}

static void link_id(const link_reader *reader, ngs_json_value value)
{
    ngs_read_id(reader->request, value, reader->path, &reader->body->id);
}

/* A name as a NUL-terminated text; false: noted. */
static bool link_name(const link_reader *reader, ngs_json_value value, char out[64])
{
    const char *text;
    size_t count;
    if (!ngs_read_string(reader->request, value, reader->path, &text, &count))
        return false;
    if (count >= 64 || memchr(text, '\0', count) != NULL) {
        ngs_problem(reader->request, reader->path, "value_error", "no such name: \"%.*s\"",
                    (int)(count < 40 ? count : 40), text);
        return false;
    }
    memcpy(out, text, count);
    out[count] = '\0';
    return true;
}

static void link_type(const link_reader *reader, ngs_json_value value)
{
    ng_connection_fields *fields = &reader->body->fields;
    char name[64];
    uint32_t number;
    if (ngs_json_type_of(value) == NGS_JSON_INTEGER) {
        if (!ngs_read_u32(reader->request, value, reader->path, 0, NG_CONNECTION_TYPE_COUNT - 1,
                          &number))
            return;
        fields->type = (uint8_t)number;
    } else if (!link_name(reader, value, name)) {
        return;
    } else if (ng_connection_type_parse(name, &fields->type) != NG_OK) {
        ngs_problem(reader->request, reader->path, "value_error", "%s", ng_last_error());
        return;
    }
    fields->set |= NG_CFIELD_TYPE;
}

static void link_mutability(const link_reader *reader, ngs_json_value value)
{
    char name[64];
    ng_mutability mutability;
    if (!link_name(reader, value, name))
        return;
    if (ng_mutability_parse(name, &mutability) != NG_OK) {
        ngs_problem(reader->request, reader->path, "value_error", "%s", ng_last_error());
        return;
    }
    reader->body->fields.mutability = (uint8_t)mutability;
    reader->body->fields.set |= NG_CFIELD_MUTABILITY;
}

static void link_number(const link_reader *reader, ngs_json_value value, double min, double max,
                        ng_connection_field bit, float *out)
{
    if (ngs_read_float(reader->request, value, reader->path, min, max, out))
        reader->body->fields.set |= bit;
}

static void link_rigidity(const link_reader *reader, ngs_json_value value)
{
    link_number(reader, value, 0, 1, NG_CFIELD_RIGIDITY, &reader->body->fields.rigidity);
}

/* The bounds are the constitution's; the library checks them. */
static void link_pull(const link_reader *reader, ngs_json_value value)
{
    link_number(reader, value, -HUGE_VAL, HUGE_VAL, NG_CFIELD_PULL,
                &reader->body->fields.pull_strength);
}

static void link_distance(const link_reader *reader, ngs_json_value value)
{
    link_number(reader, value, 0.01, 100, NG_CFIELD_DISTANCE,
                &reader->body->fields.preferred_distance);
}

static void link_confidence(const link_reader *reader, ngs_json_value value)
{
    link_number(reader, value, 0, 1, NG_CFIELD_CONFIDENCE, &reader->body->fields.confidence);
}

static void link_learning_rate(const link_reader *reader, ngs_json_value value)
{
    link_number(reader, value, 0, 1, NG_CFIELD_LEARNING_RATE, &reader->body->fields.learning_rate);
}

static void link_decay_rate(const link_reader *reader, ngs_json_value value)
{
    link_number(reader, value, 0, 1, NG_CFIELD_DECAY_RATE, &reader->body->fields.decay_rate);
}

static void link_origin(const link_reader *reader, ngs_json_value value)
{
    if (ngs_read_u32(reader->request, value, reader->path, 0, UINT32_MAX,
                     &reader->body->fields.origin))
        reader->body->fields.set |= NG_CFIELD_ORIGIN;
}

static void link_target_token(const link_reader *reader, ngs_json_value value)
{
    if (ngs_read_id(reader->request, value, reader->path, &reader->body->fields.target_of))
        reader->body->fields.set |= NG_CFIELD_TARGET_OF;
}

/* One member of an object; `*seen` has a bit for each index that occurred. */
static void link_member(const link_reader *reader, const char *path, bool known, unsigned index,
                        unsigned *seen, bool *again)
{
    *again = known && (*seen >> index & 1) != 0;
    if (!known)
        ngs_problem(reader->request, path, "unknown_field", "no such field");
    else if (*again)
        ngs_problem(reader->request, path, "duplicate_field", "the field occurs twice");
    else
        *seen |= 1u << index;
}

static void link_flags(const link_reader *reader, ngs_json_value value)
{
    ng_connection_fields *fields = &reader->body->fields;
    ngs_json_walk walk;
    ngs_json_value member;
    const char *key;
    size_t count;
    unsigned seen = 0;
    if (ngs_json_type_of(value) != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(reader->request, value, reader->path, "an object of booleans");
        return;
    }
    while (ngs_json_next(&walk, &key, &count, &member)) {
        char path[NGS_PATH_MAX];
        unsigned index = 0;
        bool again;
        bool on;
        snprintf(path, sizeof path, "%.80s.%.*s", reader->path, (int)(count < 40 ? count : 40),
                 key);
        while (index < 8 && (strlen(ngs_connection_flags[index]) != count ||
                             memcmp(ngs_connection_flags[index], key, count) != 0))
            index++;
        link_member(reader, path, index < 8, index, &seen, &again);
        if (index == 8 || again || !ngs_read_bool(reader->request, member, path, &on))
            continue;
        if (on)
            fields->flags_set |= (uint8_t)(1u << index);
        else
            fields->flags_clear |= (uint8_t)(1u << index);
    }
}

/* "L1" or the name of a space. */
static bool link_space(const char *text, size_t count, ng_space *out)
{
    char name[32];
    if (count >= sizeof name)
        return false;
    memcpy(name, text, count);
    name[count] = '\0';
    return strlen(name) == count && ng_space_parse(name, out) == NG_OK;
}

static void link_levels(const link_reader *reader, ngs_json_value value)
{
    ngs_json_walk walk;
    ngs_json_value element;
    unsigned levels = 0;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(reader->request, value, reader->path, "an array of spaces");
        return;
    }
    for (size_t index = 0; ngs_json_next(&walk, NULL, NULL, &element); index++) {
        char path[NGS_PATH_MAX];
        const char *text;
        size_t count;
        ng_space space;
        snprintf(path, sizeof path, "%.80s[%zu]", reader->path, index);
        if (!ngs_read_string(reader->request, element, path, &text, &count))
            return;
        if (!link_space(text, count, &space)) {
            ngs_problem(reader->request, path, "value_error",
                        "no space \"%.*s\"; spaces are L1 to L8 or their names",
                        (int)(count < 40 ? count : 40), text);
            return;
        }
        levels |= 1u << (unsigned)space;
    }
    reader->body->fields.active_levels = (uint8_t)levels;
    reader->body->fields.set |= NG_CFIELD_LEVELS;
}

static void link_target_vector(const link_reader *reader, ngs_json_value value)
{
    ng_connection_fields *fields = &reader->body->fields;
    ngs_json_walk walk;
    ngs_json_value member;
    const char *key;
    size_t count;
    unsigned seen = 0;
    fields->set |= NG_CFIELD_TARGET_VECTOR;
    if (ngs_json_type_of(value) == NGS_JSON_NULL)
        return;
    if (ngs_json_type_of(value) != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(reader->request, value, reader->path, "an object {L1: x, ...} or null");
        return;
    }
    while (ngs_json_next(&walk, &key, &count, &member)) {
        char path[NGS_PATH_MAX];
        ng_space space = NG_SPACE_PHYSICAL;
        bool again;
        snprintf(path, sizeof path, "%.80s.%.*s", reader->path, (int)(count < 40 ? count : 40),
                 key);
        bool known = link_space(key, count, &space);
        link_member(reader, path, known, (unsigned)space, &seen, &again);
        if (!known || again || ngs_json_type_of(member) == NGS_JSON_NULL)
            continue;
        if (ngs_read_float(reader->request, member, path, -HUGE_VAL, HUGE_VAL,
                           &fields->target_vector[space]))
            fields->target_spaces |= (uint8_t)(1u << (unsigned)space);
    }
}

typedef struct link_field {
    const char *name;
    link_read_fn read;
    unsigned slot; /* names of the same thing share a bit */
} link_field;

static const link_field link_fields[] = {
    {"id", link_id, 0},
    {"source", link_source, 1},
    {"source_id", link_source, 1},
    {"token_a", link_source, 1},
    {"target", link_target, 2},
    {"target_id", link_target, 2},
    {"token_b", link_target, 2},
    {"connection_type", link_type, 3},
    {"mutability", link_mutability, 4},
    {"flags", link_flags, 5},
    {"active_levels", link_levels, 6},
    {"rigidity", link_rigidity, 7},
    {"pull_strength", link_pull, 8},
    {"preferred_distance", link_distance, 9},
    {"confidence", link_confidence, 10},
    {"learning_rate", link_learning_rate, 11},
    {"decay_rate", link_decay_rate, 12},
    {"origin", link_origin, 13},
    {"target_vector", link_target_vector, 14},
    {"target_token", link_target_token, 15},
};

static const link_field *link_field_find(const char *key, size_t count)
{
    for (size_t i = 0; i < sizeof link_fields / sizeof link_fields[0]; i++) {
        if (strlen(link_fields[i].name) == count && memcmp(link_fields[i].name, key, count) == 0)
            return &link_fields[i];
    }
    return NULL;
}

static void link_missing(ngs_request *request, const char *prefix, const char *name)
{
    char path[NGS_PATH_MAX];
    snprintf(path, sizeof path, "%.80s.%s", prefix, name);
    ngs_problem(request, path, "missing", "the field is required");
}

void ngs_connection_body_walk(ngs_request *request, ngs_json_walk *walk, const char *prefix,
                              unsigned needs, ngs_connection_body *out)
{
    ngs_json_value value;
    const char *key;
    size_t count;
    unsigned seen = 0;
    *out = (ngs_connection_body){.fields.struct_size = sizeof out->fields};
    while (ngs_json_next(walk, &key, &count, &value)) {
        char path[NGS_PATH_MAX];
        bool again;
        const link_field *field = link_field_find(key, count);
        bool known = field != NULL && (field->slot != 0 || (needs & NGS_NEEDS_ID) != 0);
        link_reader reader = {.request = request, .body = out, .path = path};
        snprintf(path, sizeof path, "%.80s.%.*s", prefix, (int)(count < 40 ? count : 40), key);
        link_member(&reader, path, known, known ? field->slot : 0, &seen, &again);
        if (known && !again)
            field->read(&reader, value);
    }
    if ((needs & NGS_NEEDS_ID) != 0 && (seen & 1u) == 0)
        link_missing(request, prefix, "id");
    if ((needs & NGS_NEEDS_ENDS) != 0 && (seen & 2u) == 0)
        link_missing(request, prefix, "source");
    if ((needs & NGS_NEEDS_ENDS) != 0 && (seen & 4u) == 0)
        link_missing(request, prefix, "target");
}

bool ngs_connection_body_read(ngs_request *request, unsigned needs, ngs_connection_body *out)
{
    ngs_json_parser *parser;
    ngs_json_walk walk;
    if (!ngs_body_open(request, &parser, &walk))
        return false;
    ngs_connection_body_walk(request, &walk, "body", needs, out);
    ngs_parser_give(request->server, parser); /* nothing in the fields points into it */
    return !ngs_problems_reply(request);
}
