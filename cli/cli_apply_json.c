/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A line of `apply`: a JSON object, read by a table of fields.
 *
 * Invariants
 *   1. A field that is not known, occurs twice, or does not belong to the op is refused by name.
 *   2. The names are those of 'get --json' for tokens and of the options of 'link'.
 */
#include "cli_apply.h"
#include "cli_output.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#define BIT(op) (1u << (op))
#define TOKEN_OPS (BIT(APPLY_CREATE) | BIT(APPLY_UPDATE) | BIT(APPLY_PUT))

/* Ops that say what a connection is to be like. */
#define LINK_OPS (BIT(APPLY_CONNECT) | BIT(APPLY_PUT_CONNECTION) | BIT(APPLY_UPDATE_CONNECTION))
/* Ops that name its two ends, and that name itself. */
#define END_OPS (BIT(APPLY_CONNECT) | BIT(APPLY_PUT_CONNECTION))
#define LINKED_OPS (BIT(APPLY_DISCONNECT) | BIT(APPLY_UPDATE_CONNECTION) | BIT(APPLY_ACTIVATE))

const char *const apply_op_names[APPLY_OP_COUNT] = {
    "create",         "update",  "put", "delete", "connect", "disconnect", "update_connection",
    "put_connection", "activate"};

typedef struct apply_reader {
    apply_line *line;
    const char *key; /* of the field in hand */
    char *error;
} apply_reader;

typedef bool (*apply_read)(const apply_reader *reader, ngs_json_value value);

static CLI_PRINTF(2, 3) bool reader_fail(const apply_reader *reader, const char *format, ...)
{
    va_list values;
    int used = snprintf(reader->error, APPLY_TEXT_MAX, "%s: ", reader->key);

    va_start(values, format);
    vsnprintf(reader->error + used, APPLY_TEXT_MAX - (size_t)used, format, values);
    va_end(values);
    return false;
}

static bool reader_type(const apply_reader *reader, ngs_json_value value, const char *expected)
{
    return reader_fail(reader, "%s is expected, not %s", expected,
                       ngs_json_type_name(ngs_json_type_of(value)));
}

static bool read_text(const apply_reader *reader, ngs_json_value value, apply_text *out)
{
    if (!ngs_json_string(value, &out->bytes, &out->count))
        return reader_type(reader, value, "a string");
    return true;
}

/* The text as a C string, for names that the library looks up. */
static bool read_word(const apply_reader *reader, ngs_json_value value, char *out, size_t room)
{
    apply_text text;

    if (!read_text(reader, value, &text))
        return false;
    if (text.count == 0 || text.count >= room || memchr(text.bytes, '\0', text.count) != NULL)
        return reader_fail(reader, "a name of 1..%zu bytes is expected", room - 1);
    memcpy(out, text.bytes, text.count);
    out[text.count] = '\0';
    return true;
}

static bool read_float(const apply_reader *reader, ngs_json_value value, float *out)
{
    double number;

    if (!ngs_json_double(value, &number))
        return reader_type(reader, value, "a number");
    if (!(fabs(number) <= (double)FLT_MAX))
        return reader_fail(reader, "%g is too large for a 32-bit number", number);
    *out = (float)number;
    return true;
}

static bool read_bool(const apply_reader *reader, ngs_json_value value, bool *out)
{
    return ngs_json_bool(value, out) || reader_type(reader, value, "true or false");
}

/* An id as a number, or text. */
static bool read_reference(const apply_reader *reader, ngs_json_value value, apply_reference *out)
{
    out->given = true;
    if (ngs_json_u64(value, &out->id))
        return out->id != 0 || reader_fail(reader, "id 0 is nothing");
    if (ngs_json_type_of(value) != NGS_JSON_STRING)
        return reader_type(reader, value, "an id or a string");
    if (!read_text(reader, value, &out->text))
        return false;
    return out->text.count > 0 || reader_fail(reader, "the text is empty");
}

/* ---- what several ops have ---- */

static bool apply_read_as(const apply_reader *reader, ngs_json_value value)
{
    apply_text *as = &reader->line->as;

    if (!read_text(reader, value, as))
        return false;
    return as->count > 0 || reader_fail(reader, "the name is empty");
}

static bool apply_read_token(const apply_reader *reader, ngs_json_value value)
{
    return read_reference(reader, value, &reader->line->token);
}

static bool apply_read_source(const apply_reader *reader, ngs_json_value value)
{
    return read_reference(reader, value, &reader->line->source);
}

static bool apply_read_target(const apply_reader *reader, ngs_json_value value)
{
    return read_reference(reader, value, &reader->line->target);
}

static bool apply_read_target_of(const apply_reader *reader, ngs_json_value value)
{
    reader->line->link.set |= NG_CFIELD_TARGET_OF;
    return read_reference(reader, value, &reader->line->target_of);
}

static bool apply_read_connection(const apply_reader *reader, ngs_json_value value)
{
    return read_reference(reader, value, &reader->line->connection);
}

static bool apply_read_collection(const apply_reader *reader, ngs_json_value value)
{
    return read_text(reader, value, &reader->line->collection);
}

static bool apply_read_version(const apply_reader *reader, ngs_json_value value)
{
    uint64_t version;

    if (!ngs_json_u64(value, &version) || version == 0 || version > UINT32_MAX)
        return reader_fail(reader, "a version in 1..%" PRIu32 " is expected", UINT32_MAX);
    reader->line->if_version = (uint32_t)version;
    return true;
}

/* ---- tokens ---- */

static bool apply_read_label(const apply_reader *reader, ngs_json_value value)
{
    ng_token_fields *fields = &reader->line->fields;
    apply_text text = {0};

    fields->set |= NG_FIELD_LABEL;
    if (ngs_json_type_of(value) == NGS_JSON_NULL)
        return true;
    if (!read_text(reader, value, &text))
        return false;
    if (text.count == 0)
        return reader_fail(reader, "the label is empty; null means none");
    fields->label = text.bytes;
    fields->label_bytes = text.count;
    return true;
}

static bool apply_read_weight(const apply_reader *reader, ngs_json_value value)
{
    reader->line->fields.set |= NG_FIELD_WEIGHT;
    return read_float(reader, value, &reader->line->fields.weight);
}

static bool apply_read_radius(const apply_reader *reader, ngs_json_value value)
{
    reader->line->fields.set |= NG_FIELD_RADIUS;
    return read_float(reader, value, &reader->line->fields.field_radius);
}

static bool apply_read_strength(const apply_reader *reader, ngs_json_value value)
{
    reader->line->fields.set |= NG_FIELD_STRENGTH;
    return read_float(reader, value, &reader->line->fields.field_strength);
}

static bool apply_read_entity(const apply_reader *reader, ngs_json_value value)
{
    ng_token_fields *fields = &reader->line->fields;
    uint64_t number;
    char name[32];

    fields->set |= NG_FIELD_ENTITY;
    if (ngs_json_u64(value, &number)) {
        fields->entity = (uint8_t)(number & 15);
        return number <= 15 || reader_fail(reader, "%" PRIu64 " is outside 0..15", number);
    }
    if (!read_word(reader, value, name, sizeof name))
        return false;
    for (uint8_t entity = 0; entity < 16; entity++) {
        const char *known = ng_entity_name((ng_entity)entity);

        if (known != NULL && strcasecmp(known, name) == 0) {
            fields->entity = entity;
            return true;
        }
    }
    return reader_fail(reader, "'%s' is neither 0..15 nor a name, such as %s", name,
                       ng_entity_name(NG_ENTITY_CONCEPT));
}

static bool apply_read_axes(const apply_reader *reader, ngs_json_value value,
                            float out[NG_AXIS_COUNT])
{
    ngs_json_walk walk;
    ngs_json_value element;
    int count = 0;

    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk))
        return reader_type(reader, value, "[x, y, z] or null");
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        if (count == NG_AXIS_COUNT)
            return reader_fail(reader, "more than three numbers");
        if (!read_float(reader, element, &out[count++]))
            return false;
    }
    return count == NG_AXIS_COUNT ||
           reader_fail(reader, "three numbers are expected, not %d", count);
}

static bool apply_read_spaces(const apply_reader *reader, ngs_json_value value)
{
    ng_token_fields *fields = &reader->line->fields;
    ngs_json_walk walk;
    ngs_json_value point;
    const char *key;
    size_t key_count;

    if (ngs_json_type_of(value) != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk))
        return reader_type(reader, value, "an object");
    while (ngs_json_next(&walk, &key, &key_count, &point)) {
        ng_space space;
        char name[32];

        snprintf(name, sizeof name, "%.*s", (int)(key_count < 31 ? key_count : 31), key);
        if (ng_space_parse(name, &space) != NG_OK)
            return reader_fail(reader, "%s", ng_last_error());
        if ((fields->spaces_set | fields->spaces_clear) & 1u << space)
            return reader_fail(reader, "%s occurs twice", ng_space_name(space));
        if (ngs_json_type_of(point) == NGS_JSON_NULL) {
            fields->spaces_clear = (uint8_t)(fields->spaces_clear | 1u << space);
            continue;
        }
        fields->spaces_set = (uint8_t)(fields->spaces_set | 1u << space);
        if (!apply_read_axes(reader, point, fields->coordinates[space]))
            return false;
    }
    return true;
}

/* Into `out` [APPLY_DIMENSIONS_MAX]; 0 numbers of null. */
static bool read_numbers(const apply_reader *reader, ngs_json_value value, float *out,
                         size_t *count)
{
    ngs_json_walk walk;
    ngs_json_value element;

    *count = 0;
    if (ngs_json_type_of(value) == NGS_JSON_NULL)
        return true;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk))
        return reader_type(reader, value, "an array of numbers or null");
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        if (*count == APPLY_DIMENSIONS_MAX)
            return reader_fail(reader, "more than %u dimensions", APPLY_DIMENSIONS_MAX);
        if (!read_float(reader, element, &out[*count]))
            return false;
        ++*count;
    }
    return *count > 0 || reader_fail(reader, "no numbers; null means no vector");
}

static bool apply_read_vector(const apply_reader *reader, ngs_json_value value)
{
    ng_token_fields *fields = &reader->line->fields;

    fields->set |= NG_FIELD_VECTOR;
    fields->vector = reader->line->vector;
    return read_numbers(reader, value, reader->line->vector, &fields->vector_dimensions);
}

/* By the names of fields; which numbers they have is known when the line is carried out. */
static bool apply_read_vectors(const apply_reader *reader, ngs_json_value value)
{
    apply_line *line = reader->line;
    ng_token_fields *fields = &line->fields;
    ngs_json_walk walk;
    ngs_json_value vector;
    const char *key;
    size_t key_count;

    if (ngs_json_type_of(value) != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk))
        return reader_type(reader, value, "an object of vectors by field");
    while (ngs_json_next(&walk, &key, &key_count, &vector)) {
        size_t at = fields->vector_count;
        float *values = line->vector + (1 + at) * APPLY_DIMENSIONS_MAX;

        if (at == APPLY_FIELDS_MAX)
            return reader_fail(reader, "more than %u fields", APPLY_FIELDS_MAX);
        for (size_t i = 0; i < at; i++)
            if (line->field_names[i].count == key_count &&
                memcmp(line->field_names[i].bytes, key, key_count) == 0)
                return reader_fail(reader, "%.*s occurs twice", (int)key_count, key);
        line->field_names[at] = (apply_text){key, key_count};
        if (!read_numbers(reader, vector, values, &line->vectors[at].dimensions))
            return false;
        line->vectors[at].values = values;
        fields->vector_count++;
    }
    fields->set |= NG_FIELD_VECTORS;
    fields->vectors = line->vectors;
    return true;
}

/* ---- connections ---- */

static bool apply_flag(const apply_reader *reader, ngs_json_value value, unsigned flag)
{
    ng_connection_fields *link = &reader->line->link;
    bool wanted;

    if (!read_bool(reader, value, &wanted))
        return false;
    if (wanted)
        link->flags_set = (uint8_t)(link->flags_set | flag);
    else
        link->flags_clear = (uint8_t)(link->flags_clear | flag);
    return true;
}

/* Of a token a mark that an update may take away, of a connection a flag. */
static bool apply_read_persistent(const apply_reader *reader, ngs_json_value value)
{
    bool wanted;

    if (BIT(reader->line->op) & LINK_OPS)
        return apply_flag(reader, value, NG_CONNECTION_PERSISTENT);
    if (!read_bool(reader, value, &wanted))
        return false;
    reader->line->persistent = wanted;
    return true;
}

static bool apply_read_bidirectional(const apply_reader *reader, ngs_json_value value)
{
    return apply_flag(reader, value, NG_CONNECTION_BIDIRECTIONAL);
}

static bool apply_read_inhibitory(const apply_reader *reader, ngs_json_value value)
{
    return apply_flag(reader, value, NG_CONNECTION_INHIBITORY);
}

static bool apply_read_active(const apply_reader *reader, ngs_json_value value)
{
    return apply_flag(reader, value, NG_CONNECTION_ACTIVE);
}

static bool apply_read_decaying(const apply_reader *reader, ngs_json_value value)
{
    return apply_flag(reader, value, NG_CONNECTION_DECAYING);
}

static bool apply_read_user(const apply_reader *reader, ngs_json_value value)
{
    return apply_flag(reader, value, NG_CONNECTION_USER);
}

static bool apply_read_learning_rate(const apply_reader *reader, ngs_json_value value)
{
    reader->line->link.set |= NG_CFIELD_LEARNING_RATE;
    return read_float(reader, value, &reader->line->link.learning_rate);
}

static bool apply_read_decay_rate(const apply_reader *reader, ngs_json_value value)
{
    reader->line->link.set |= NG_CFIELD_DECAY_RATE;
    return read_float(reader, value, &reader->line->link.decay_rate);
}

static bool apply_read_origin(const apply_reader *reader, ngs_json_value value)
{
    uint64_t origin;

    if (!ngs_json_u64(value, &origin) || origin > UINT32_MAX)
        return reader_fail(reader, "a number in 0..%" PRIu32 " is expected", UINT32_MAX);
    reader->line->link.set |= NG_CFIELD_ORIGIN;
    reader->line->link.origin = (uint32_t)origin;
    return true;
}

static bool apply_read_target_vector(const apply_reader *reader, ngs_json_value value)
{
    ng_connection_fields *link = &reader->line->link;
    ngs_json_walk walk;
    ngs_json_value number;
    const char *key;
    size_t key_count;

    link->set |= NG_CFIELD_TARGET_VECTOR;
    if (ngs_json_type_of(value) != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk))
        return reader_type(reader, value, "an object of numbers by space");
    while (ngs_json_next(&walk, &key, &key_count, &number)) {
        ng_space space;
        char name[32];

        snprintf(name, sizeof name, "%.*s", (int)(key_count < 31 ? key_count : 31), key);
        if (ng_space_parse(name, &space) != NG_OK)
            return reader_fail(reader, "%s", ng_last_error());
        if (link->target_spaces & 1u << space)
            return reader_fail(reader, "%s occurs twice", ng_space_name(space));
        link->target_spaces = (uint8_t)(link->target_spaces | 1u << space);
        if (!read_float(reader, number, &link->target_vector[space]))
            return false;
    }
    return true;
}

static bool apply_read_type(const apply_reader *reader, ngs_json_value value)
{
    char name[64];

    reader->line->link.set |= NG_CFIELD_TYPE;
    if (!read_word(reader, value, name, sizeof name))
        return false;
    return ng_connection_type_parse(name, &reader->line->link.type) == NG_OK ||
           reader_fail(reader, "%s", ng_last_error());
}

static bool apply_read_pull(const apply_reader *reader, ngs_json_value value)
{
    reader->line->link.set |= NG_CFIELD_PULL;
    return read_float(reader, value, &reader->line->link.pull_strength);
}

static bool apply_read_distance(const apply_reader *reader, ngs_json_value value)
{
    reader->line->link.set |= NG_CFIELD_DISTANCE;
    return read_float(reader, value, &reader->line->link.preferred_distance);
}

static bool apply_read_rigidity(const apply_reader *reader, ngs_json_value value)
{
    reader->line->link.set |= NG_CFIELD_RIGIDITY;
    return read_float(reader, value, &reader->line->link.rigidity);
}

static bool apply_read_confidence(const apply_reader *reader, ngs_json_value value)
{
    reader->line->link.set |= NG_CFIELD_CONFIDENCE;
    return read_float(reader, value, &reader->line->link.confidence);
}

static bool apply_read_mutability(const apply_reader *reader, ngs_json_value value)
{
    ng_mutability mutability;
    char name[16];

    reader->line->link.set |= NG_CFIELD_MUTABILITY;
    if (!read_word(reader, value, name, sizeof name))
        return false;
    if (ng_mutability_parse(name, &mutability) != NG_OK)
        return reader_fail(reader, "'%s' is none of immutable, learnable, hypothesis", name);
    reader->line->link.mutability = (uint8_t)mutability;
    return true;
}

static bool apply_read_levels(const apply_reader *reader, ngs_json_value value)
{
    ng_connection_fields *link = &reader->line->link;
    ngs_json_walk walk;
    ngs_json_value element;

    link->set |= NG_CFIELD_LEVELS;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk))
        return reader_type(reader, value, "an array of names of spaces");
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        ng_space space;
        char name[32];

        if (!read_word(reader, element, name, sizeof name))
            return false;
        if (ng_space_parse(name, &space) != NG_OK)
            return reader_fail(reader, "%s", ng_last_error());
        link->active_levels = (uint8_t)(link->active_levels | 1u << space);
    }
    return true;
}

/* ---- the table ---- */

typedef struct apply_field {
    const char *key;
    unsigned ops; /* a bit for each op that it belongs to */
    apply_read read;
} apply_field;

static const apply_field apply_fields[] = {
    {"as", BIT(APPLY_CREATE) | BIT(APPLY_PUT) | END_OPS, apply_read_as},
    {"token", BIT(APPLY_UPDATE) | BIT(APPLY_DELETE), apply_read_token},
    {"collection", ~(BIT(APPLY_DISCONNECT) | BIT(APPLY_ACTIVATE)), apply_read_collection},
    {"if_version", BIT(APPLY_UPDATE) | BIT(APPLY_DELETE), apply_read_version},
    {"label", TOKEN_OPS, apply_read_label},
    {"weight", TOKEN_OPS, apply_read_weight},
    {"field_radius", TOKEN_OPS, apply_read_radius},
    {"field_strength", TOKEN_OPS, apply_read_strength},
    {"entity", TOKEN_OPS, apply_read_entity},
    {"persistent", TOKEN_OPS | LINK_OPS, apply_read_persistent},
    {"spaces", TOKEN_OPS, apply_read_spaces},
    {"vector", TOKEN_OPS, apply_read_vector},
    {"vectors", TOKEN_OPS, apply_read_vectors},
    {"source", END_OPS, apply_read_source},
    {"target", END_OPS, apply_read_target},
    {"type", LINK_OPS, apply_read_type},
    {"pull", LINK_OPS, apply_read_pull},
    {"distance", LINK_OPS, apply_read_distance},
    {"rigidity", LINK_OPS, apply_read_rigidity},
    {"confidence", LINK_OPS, apply_read_confidence},
    {"mutability", LINK_OPS, apply_read_mutability},
    {"levels", LINK_OPS, apply_read_levels},
    {"bidirectional", LINK_OPS, apply_read_bidirectional},
    {"inhibitory", LINK_OPS, apply_read_inhibitory},
    {"connection", LINKED_OPS, apply_read_connection},
    {"learning_rate", LINK_OPS, apply_read_learning_rate},
    {"decay_rate", LINK_OPS, apply_read_decay_rate},
    {"origin", LINK_OPS, apply_read_origin},
    {"target_vector", LINK_OPS, apply_read_target_vector},
    {"target_of", LINK_OPS, apply_read_target_of},
    {"active", LINK_OPS, apply_read_active},
    {"decaying", LINK_OPS, apply_read_decaying},
    {"user", LINK_OPS, apply_read_user},
};

#define APPLY_FIELD_COUNT (sizeof apply_fields / sizeof apply_fields[0])

static bool same(const char *known, const char *text, size_t bytes)
{
    return strlen(known) == bytes && memcmp(known, text, bytes) == 0;
}

/* The op says which fields belong, so it is looked for first, wherever it stands. */
static bool line_op(ngs_json_value root, apply_line *line, char error[APPLY_TEXT_MAX])
{
    const apply_reader reader = {.line = line, .key = "op", .error = error};
    ngs_json_walk walk;
    ngs_json_value value, found = {0};
    const char *key;
    size_t key_count;
    unsigned count = 0;
    char name[32];

    if (ngs_json_type_of(root) != NGS_JSON_OBJECT || !ngs_json_begin(root, &walk)) {
        snprintf(error, APPLY_TEXT_MAX, "an object is expected, not %s",
                 ngs_json_type_name(ngs_json_type_of(root)));
        return false;
    }
    while (ngs_json_next(&walk, &key, &key_count, &value)) {
        if (same("op", key, key_count)) {
            found = value;
            count++;
        }
    }
    if (count != 1)
        return reader_fail(&reader, count == 0 ? "the field is missing" : "the field occurs twice");
    if (!read_word(&reader, found, name, sizeof name))
        return false;
    for (unsigned op = 0; op < APPLY_OP_COUNT; op++) {
        if (strcmp(apply_op_names[op], name) == 0) {
            line->op = (apply_op)op;
            return true;
        }
    }
    return reader_fail(&reader,
                       "'%s' is none of create, update, put, delete, connect, "
                       "disconnect, update_connection, put_connection, activate",
                       name);
}

static bool line_field(apply_line *line, const char *key, size_t key_count, ngs_json_value value,
                       uint64_t *seen, char error[APPLY_TEXT_MAX])
{
    char name[64];
    apply_reader reader = {.line = line, .key = name, .error = error};

    snprintf(name, sizeof name, "%.*s", (int)(key_count < 63 ? key_count : 63), key);
    for (size_t i = 0; i < APPLY_FIELD_COUNT; i++) {
        if (!same(apply_fields[i].key, key, key_count))
            continue;
        if ((apply_fields[i].ops & BIT(line->op)) == 0)
            return reader_fail(&reader, "the field does not belong to %s",
                               apply_op_names[line->op]);
        if (*seen >> i & 1)
            return reader_fail(&reader, "the field occurs twice");
        *seen |= UINT64_C(1) << i;
        return apply_fields[i].read(&reader, value);
    }
    return reader_fail(&reader, "there is no such field");
}

static bool line_required(const apply_line *line, char error[APPLY_TEXT_MAX])
{
    const char *missing = NULL;

    if ((line->op == APPLY_UPDATE || line->op == APPLY_DELETE) && !line->token.given)
        missing = "token";
    else if (line->op == APPLY_PUT && line->fields.label_bytes == 0)
        missing = "label";
    else if ((BIT(line->op) & END_OPS) != 0 && !line->source.given)
        missing = "source";
    else if ((BIT(line->op) & END_OPS) != 0 && !line->target.given)
        missing = "target";
    else if ((BIT(line->op) & LINKED_OPS) != 0 && !line->connection.given)
        missing = "connection";
    if (missing != NULL)
        snprintf(error, APPLY_TEXT_MAX, "%s: the field is missing", missing);
    return missing == NULL;
}

bool apply_line_read(ngs_json_parser *parser, const char *text, size_t bytes, apply_line *line,
                     char error[APPLY_TEXT_MAX])
{
    ngs_json_value root, value;
    ngs_json_error wrong = {0};
    ngs_json_walk walk;
    const char *key;
    size_t key_count;
    uint64_t seen = 0;
    float *vector = line->vector;

    *line = (apply_line){.vector = vector, .persistent = -1};
    line->fields.struct_size = sizeof line->fields;
    line->link.struct_size = sizeof line->link;
    if (!ngs_json_parse(parser, text, bytes, &root, &wrong)) {
        snprintf(error, APPLY_TEXT_MAX, "byte %zu: %s", wrong.offset,
                 wrong.message[0] != '\0' ? wrong.message : "no memory to parse the line");
        return false;
    }
    if (!line_op(root, line, error) || !ngs_json_begin(root, &walk))
        return false;
    while (ngs_json_next(&walk, &key, &key_count, &value))
        if (!same("op", key, key_count) && !line_field(line, key, key_count, value, &seen, error))
            return false;
    return line_required(line, error);
}
