/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A token in a body: that of POST and PUT /tokens, or an item of a batch. A table of fields, a reader
 * for each kind of field.
 *
 * Fields that nobody knows, and fields that occur twice, are refused: they are more often a slip
 * of the pen than a wish to be ignored. What is given twice by meaning is not possible. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server_private.h"

typedef struct body_reader {
    ngs_request *request;
    ngs_token_body *body;
    const char *path; /* "body.weight", "body.create[3].weight" */
    unsigned index;   /* of the space */
    bool create;
} body_reader;

#define BODY_TAGS_MAX 32
#define BODY_SECONDS_MAX 1e12 /* more than any clock will show */
#define BODY_PATH_BYTES 160   /* two names of 64 characters and what is between them */

typedef void (*body_read_fn)(const body_reader *reader, ngs_json_value value);

static void body_entity(const body_reader *reader, ngs_json_value value)
{
    uint32_t entity;
    if (!ngs_read_u32(reader->request, value, reader->path, 0, 15, &entity))
        return;
    reader->body->fields.entity = (uint8_t)entity;
    reader->body->fields.set |= NG_FIELD_ENTITY;
}

static void body_domain(const body_reader *reader, ngs_json_value value)
{
    uint32_t domain;
    if (!ngs_read_u32(reader->request, value, reader->path, 0, 15, &domain))
        return;
    if (domain != 0)
        ngs_problem(reader->request, reader->path, "value_error",
                    "%u is not possible: this store has no domain bits in its ids, so every token "
                    "is in domain 0",
                    domain);
}

/* The bounds of the weight are the constitution's; the library checks them. */
static void body_weight(const body_reader *reader, ngs_json_value value)
{
    if (ngs_read_float(reader->request, value, reader->path, -HUGE_VAL, HUGE_VAL,
                       &reader->body->fields.weight))
        reader->body->fields.set |= NG_FIELD_WEIGHT;
}

static void body_radius(const body_reader *reader, ngs_json_value value)
{
    if (ngs_read_float(reader->request, value, reader->path, 0, 2.55,
                       &reader->body->fields.field_radius))
        reader->body->fields.set |= NG_FIELD_RADIUS;
}

static void body_strength(const body_reader *reader, ngs_json_value value)
{
    if (ngs_read_float(reader->request, value, reader->path, 0, 1,
                       &reader->body->fields.field_strength))
        reader->body->fields.set |= NG_FIELD_STRENGTH;
}

static void body_persistent(const body_reader *reader, ngs_json_value value)
{
    if (ngs_read_bool(reader->request, value, reader->path, &reader->body->persistent))
        reader->body->persistent_given = true;
}

static void body_label(const body_reader *reader, ngs_json_value value)
{
    ng_token_fields *fields = &reader->body->fields;
    if (ngs_json_type_of(value) != NGS_JSON_NULL) {
        if (!ngs_read_string(reader->request, value, reader->path, &fields->label,
                             &fields->label_bytes))
            return;
        if (fields->label_bytes == 0 || fields->label_bytes > NGS_LABEL_BYTES_MAX) {
            ngs_problem(reader->request, reader->path, "value_error",
                        "a length of %zu bytes is outside 1..%d; null means no label",
                        fields->label_bytes, NGS_LABEL_BYTES_MAX);
            return;
        }
    }
    fields->set |= NG_FIELD_LABEL;
}

static void body_tags(const body_reader *reader, ngs_json_value value)
{
    ng_token_fields *fields = &reader->body->fields;
    ngs_json_walk walk;
    ngs_json_value element;
    if (ngs_json_type_of(value) == NGS_JSON_NULL) {
        fields->set |= NG_FIELD_TAGS;
        return;
    }
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(reader->request, value, reader->path, "an array of strings");
        return;
    }
    reader->body->tags = malloc(BODY_TAGS_MAX * sizeof *reader->body->tags);
    if (reader->body->tags == NULL) {
        ngs_problem(reader->request, reader->path, "memory", "no memory for tags");
        return;
    }
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        char path[BODY_PATH_BYTES];
        ng_text *tag = &reader->body->tags[fields->tag_count];
        snprintf(path, sizeof path, "%s[%zu]", reader->path, fields->tag_count);
        if (fields->tag_count == BODY_TAGS_MAX) {
            ngs_problem(reader->request, reader->path, "value_error", "more than %d tags",
                        BODY_TAGS_MAX);
            return;
        }
        if (!ngs_read_string(reader->request, element, path, &tag->text, &tag->bytes))
            return;
        fields->tag_count++;
    }
    fields->tags = reader->body->tags;
    fields->set |= NG_FIELD_TAGS;
}

static void body_data(const body_reader *reader, ngs_json_value value)
{
    ng_token_fields *fields = &reader->body->fields;
    if (ngs_json_type_of(value) != NGS_JSON_NULL &&
        !ngs_read_string(reader->request, value, reader->path, &fields->data, &fields->data_bytes))
        return;
    fields->set |= NG_FIELD_DATA;
}

static void body_ttl(const body_reader *reader, ngs_json_value value)
{
    ng_token_fields *fields = &reader->body->fields;
    uint32_t seconds = 0;
    if (ngs_json_type_of(value) != NGS_JSON_NULL &&
        !ngs_read_u32(reader->request, value, reader->path, 1, UINT32_MAX, &seconds))
        return;
    if (fields->set & NG_FIELD_EXPIRY)
        ngs_problem(reader->request, reader->path, "value_error",
                    "ttl_seconds and expires_at exclude each other");
    fields->expires_us = seconds != 0 ? ((uint64_t)time(NULL) + seconds) * 1000000 : 0;
    fields->set |= NG_FIELD_EXPIRY;
}

/* Unix seconds, with a fraction if need be. */
static void body_expires(const body_reader *reader, ngs_json_value value)
{
    ng_token_fields *fields = &reader->body->fields;
    double seconds = 0;
    if (ngs_json_type_of(value) != NGS_JSON_NULL &&
        (!ngs_json_double(value, &seconds) || seconds <= 0 || seconds > BODY_SECONDS_MAX)) {
        ngs_problem(reader->request, reader->path, "value_error",
                    "Unix seconds above 0 are expected; null means never");
        return;
    }
    if (fields->set & NG_FIELD_EXPIRY)
        ngs_problem(reader->request, reader->path, "value_error",
                    "ttl_seconds and expires_at exclude each other");
    fields->expires_us = (uint64_t)(seconds * 1e6);
    fields->set |= NG_FIELD_EXPIRY;
}

static void body_collection(const body_reader *reader, ngs_json_value value)
{
    const char *text;
    size_t count;
    char name[65];
    if (!reader->create) {
        ngs_problem(reader->request, reader->path, "value_error",
                    "the collection of a token cannot be changed");
        return;
    }
    if (!ngs_read_string(reader->request, value, reader->path, &text, &count))
        return;
    bool fits = count > 0 && count < sizeof name && memchr(text, '\0', count) == NULL;
    if (fits) {
        memcpy(name, text, count);
        name[count] = '\0';
    }
    if (!fits || ng_collection_find(reader->request->server->store, name,
                                    &reader->body->fields.collection) != NG_OK)
        ngs_problem(reader->request, reader->path, "value_error", "no collection \"%.*s\"",
                    (int)(count < 64 ? count : 64), text);
}

static void body_vector(const body_reader *reader, ngs_json_value value)
{
    ng_token_fields *fields = &reader->body->fields;
    fields->set |= NG_FIELD_VECTOR;
    if (ngs_json_type_of(value) == NGS_JSON_NULL)
        return;
    fields->vector = reader->body->vector =
        ngs_read_numbers(reader->request, value, reader->path, &fields->vector_dimensions);
}

/* The field that a key names; false: noted that there is none, or that it came before. */
static bool body_field_of(const body_reader *reader, const char *path, const char *key,
                          size_t key_count, ng_vector_field_id *out)
{
    char name[65] = "?"; /* names no field, like a key that is too long or has a NUL */
    const ng_token_fields *fields = &reader->body->fields;
    if (key_count > 0 && key_count < sizeof name && memchr(key, '\0', key_count) == NULL)
        snprintf(name, sizeof name, "%.*s", (int)key_count, key);
    if (ng_vector_field_find(reader->request->server->store, name, out) != NG_OK) {
        ngs_problem(reader->request, path, "value_error", "no vector field \"%.*s\"",
                    (int)(key_count < 64 ? key_count : 64), key);
        return false;
    }
    for (size_t i = 0; i < fields->vector_count; i++) {
        if (reader->body->vectors[i].field == *out) {
            ngs_problem(reader->request, path, "duplicate_field", "the field occurs twice");
            return false;
        }
    }
    return true;
}

/* Here, where the path is known; the library looks once more. */
static void body_check_dimensions(const body_reader *reader, const char *path,
                                  const ng_field_vector *vector)
{
    ng_vector_field_info info;
    if (vector->dimensions != 0 &&
        ng_vector_field_get(reader->request->server->store, vector->field, &info) == NG_OK &&
        info.dimensions != vector->dimensions)
        ngs_problem(reader->request, path, "value_error", "%zu dimensions, the field has %u",
                    vector->dimensions, info.dimensions);
}

/* {"image": [...], "sound": null} */
static void body_vectors(const body_reader *reader, ngs_json_value value)
{
    ng_token_fields *fields = &reader->body->fields;
    ngs_json_walk walk;
    ngs_json_value vector;
    const char *key;
    size_t key_count;
    if (ngs_json_type_of(value) != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(reader->request, value, reader->path, "an object of vectors by field");
        return;
    }
    reader->body->vectors = calloc(NGS_VECTOR_FIELDS_MAX, sizeof *reader->body->vectors);
    if (reader->body->vectors == NULL) {
        ngs_problem(reader->request, reader->path, "memory", "no memory for vectors");
        return;
    }
    while (ngs_json_next(&walk, &key, &key_count, &vector)) {
        char path[BODY_PATH_BYTES];
        ng_vector_field_id field = 0;
        snprintf(path, sizeof path, "%.90s.%.*s", reader->path,
                 (int)(key_count < 64 ? key_count : 64), key);
        if (!body_field_of(reader, path, key, key_count, &field))
            return; /* there are not more fields than room for them */
        ng_field_vector *item = &reader->body->vectors[fields->vector_count++];
        item->field = field;
        if (ngs_json_type_of(vector) != NGS_JSON_NULL)
            item->values = ngs_read_numbers(reader->request, vector, path, &item->dimensions);
        body_check_dimensions(reader, path, item);
    }
    fields->vectors = reader->body->vectors;
    fields->set |= NG_FIELD_VECTORS;
}

static void body_axis(const body_reader *reader, ngs_json_value value, const char *key,
                      size_t key_count, unsigned *seen)
{
    char path[BODY_PATH_BYTES];
    unsigned axis = key_count == 1 ? (unsigned)(unsigned char)key[0] - 'x' : NG_AXIS_COUNT;
    snprintf(path, sizeof path, "%s.%.*s", reader->path, (int)(key_count < 64 ? key_count : 64),
             key);
    if (axis >= NG_AXIS_COUNT)
        ngs_problem(reader->request, path, "unknown_field", "no such field; axes are x, y and z");
    else if (*seen & 1u << axis)
        ngs_problem(reader->request, path, "duplicate_field", "the field occurs twice");
    else
        ngs_read_float(reader->request, value, path, -HUGE_VAL, HUGE_VAL,
                       &reader->body->fields.coordinates[reader->index][axis]);
    if (axis < NG_AXIS_COUNT)
        *seen |= 1u << axis;
}

static void body_space(const body_reader *reader, ngs_json_value value)
{
    ng_token_fields *fields = &reader->body->fields;
    ngs_json_walk walk;
    ngs_json_value axis;
    const char *key;
    size_t key_count;
    unsigned seen = 0;
    reader->body->any_space = true;
    ngs_json_type type = ngs_json_type_of(value);
    if (type == NGS_JSON_NULL) {
        fields->spaces_clear |= (uint8_t)(1u << reader->index);
        return;
    }
    if (type != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(reader->request, value, reader->path, "an object {x, y, z} or null");
        return;
    }
    while (ngs_json_next(&walk, &key, &key_count, &axis))
        body_axis(reader, axis, key, key_count, &seen);
    fields->spaces_set |= (uint8_t)(1u << reader->index);
}

typedef struct body_field {
    const char *name;
    body_read_fn read;
    unsigned index;
} body_field;

static const body_field body_fields[] = {
    {"entity_type", body_entity, 0},
    {"domain", body_domain, 0},
    {"weight", body_weight, 0},
    {"field_radius", body_radius, 0},
    {"field_strength", body_strength, 0},
    {"persistent", body_persistent, 0},
    {"label", body_label, 0},
    {"collection", body_collection, 0},
    {"vector", body_vector, 0},
    {"vectors", body_vectors, 0},
    {"tags", body_tags, 0},
    {"data", body_data, 0},
    {"ttl_seconds", body_ttl, 0},
    {"expires_at", body_expires, 0},
    {"l1_physical", body_space, NG_SPACE_PHYSICAL},
    {"l2_sensory", body_space, NG_SPACE_SENSORY},
    {"l3_motor", body_space, NG_SPACE_MOTOR},
    {"l4_emotional", body_space, NG_SPACE_EMOTIONAL},
    {"l5_cognitive", body_space, NG_SPACE_COGNITIVE},
    {"l6_social", body_space, NG_SPACE_SOCIAL},
    {"l7_temporal", body_space, NG_SPACE_TEMPORAL},
    {"l8_abstract", body_space, NG_SPACE_ABSTRACT},
};

#define BODY_FIELD_COUNT (sizeof body_fields / sizeof body_fields[0])

static const body_field *body_field_find(const char *key, size_t key_count)
{
    for (size_t i = 0; i < BODY_FIELD_COUNT; i++) {
        const char *name = body_fields[i].name;
        if (strlen(name) == key_count && memcmp(name, key, key_count) == 0)
            return &body_fields[i];
    }
    return NULL;
}

/* Notes that a field is not known, or came twice. */
static void body_refuse_key(ngs_request *request, const char *prefix, const char *key,
                            size_t key_count, bool twice)
{
    char path[BODY_PATH_BYTES];
    snprintf(path, sizeof path, "%s.%.*s", prefix, (int)(key_count < 64 ? key_count : 64), key);
    if (twice)
        ngs_problem(request, path, "duplicate_field", "the field occurs twice");
    else
        ngs_problem(request, path, "unknown_field", "no such field");
}

/* The id of an item, which is no field of a token. */
static void body_read_id(ngs_request *request, const char *prefix, ngs_json_value value,
                         uint64_t *id)
{
    char path[BODY_PATH_BYTES];
    snprintf(path, sizeof path, "%s.id", prefix);
    if (*id != 0)
        ngs_problem(request, path, "duplicate_field", "the field occurs twice");
    else
        ngs_read_id(request, value, path, id);
}

static void body_walk(ngs_request *request, ngs_json_walk *walk, const char *prefix, uint64_t *id,
                      ngs_token_body *out)
{
    ngs_json_value value;
    const char *key;
    size_t key_count;
    uint32_t seen = 0;
    out->fields.struct_size = sizeof out->fields;
    while (ngs_json_next(walk, &key, &key_count, &value)) {
        char path[BODY_PATH_BYTES];
        const body_field *field = body_field_find(key, key_count);
        uint32_t bit = field ? 1u << (field - body_fields) : 0;
        if (id != NULL && key_count == 2 && memcmp(key, "id", 2) == 0) {
            body_read_id(request, prefix, value, id);
            continue;
        }
        if (field == NULL || (seen & bit) != 0) {
            body_refuse_key(request, prefix, key, key_count, field != NULL);
            continue;
        }
        seen |= bit;
        snprintf(path, sizeof path, "%s.%s", prefix, field->name);
        body_reader reader = {.request = request,
                              .body = out,
                              .path = path,
                              .index = field->index,
                              .create = out->create};
        field->read(&reader, value);
    }
}

bool ngs_token_body_read(ngs_request *request, bool create, ngs_token_body *out)
{
    ngs_json_walk walk;
    memset(out, 0, sizeof *out);
    out->create = create;
    if (!ngs_body_open(request, &out->parser, &walk))
        return false;
    body_walk(request, &walk, "body", NULL, out);
    return !ngs_problems_reply(request);
}

void ngs_token_item_read(ngs_request *request, ngs_json_value value, const char *path, uint64_t *id,
                         ngs_token_body *out)
{
    ngs_json_walk walk;
    memset(out, 0, sizeof *out);
    out->create = id == NULL;
    if (id != NULL)
        *id = 0;
    if (ngs_json_type_of(value) != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, path, "an object");
        return;
    }
    body_walk(request, &walk, path, id, out);
    if (id != NULL && *id == 0) {
        char field[BODY_PATH_BYTES];
        snprintf(field, sizeof field, "%s.id", path);
        ngs_problem(request, field, "missing", "the id of a token is required");
    }
}

void ngs_token_body_created(ngs_token_body *body)
{
    ng_token_fields *fields = &body->fields;
    if ((fields->set & NG_FIELD_WEIGHT) == 0)
        fields->weight = 0.5f;
    fields->set |= NG_FIELD_WEIGHT;
    if (body->persistent)
        fields->flags_set = NG_TOKEN_PERSISTENT;
    /* Where no space is named the token stands at the origin of the first one; a space that is
     * named null is left out. */
    if (!body->any_space)
        fields->spaces_set = 1u << NG_SPACE_PHYSICAL;
    fields->spaces_clear = 0;
    if (fields->label_bytes == 0)
        fields->set &= ~(uint32_t)NG_FIELD_LABEL;
    if (fields->vector_dimensions == 0)
        fields->set &= ~(uint32_t)NG_FIELD_VECTOR;
}

void ngs_token_body_updated(ngs_token_body *body)
{
    if (!body->persistent_given)
        return;
    if (body->persistent)
        body->fields.flags_set = NG_TOKEN_PERSISTENT;
    else
        body->fields.flags_clear = NG_TOKEN_PERSISTENT;
}

void ngs_token_body_release(ngs_request *request, ngs_token_body *body)
{
    if (body->parser != NULL)
        ngs_parser_give(request->server, body->parser);
    for (size_t i = 0; body->vectors != NULL && i < body->fields.vector_count; i++)
        free((void *)(uintptr_t)body->vectors[i].values);
    free(body->vectors);
    free(body->vector);
    free(body->tags);
    body->tags = NULL;
    body->parser = NULL;
    body->vector = NULL;
    body->vectors = NULL;
}
