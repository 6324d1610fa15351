/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The fields of a query: from JSON values to ng_query_options and ng_filter. */
#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "json_text.h"
#include "server_recall.h"

#define INDEXES_MAX 32 /* that a store declares, the library's limit */

typedef void (*query_read_fn)(ngs_request *request, ngs_query_body *body, ngs_json_value value);

typedef struct query_field {
    const char *name;
    query_read_fn read;
} query_field;

bool ngs_read_name(ngs_request *request, ngs_json_value value, const char *field, char *out,
                   size_t capacity)
{
    const char *text;
    size_t count;
    if (!ngs_read_string(request, value, field, &text, &count))
        return false;
    if (memchr(text, '\0', count) != NULL || count == 0) {
        text = "?";
        count = 1;
    }
    if (count >= capacity)
        count = capacity - 1;
    memcpy(out, text, count);
    out[count] = '\0';
    return true;
}

void ngs_read_components(ngs_request *request, ngs_json_value value, int32_t *out)
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
    *out = (int32_t)number;
}

/* ------------------------------------------------------------------------------- simple fields */

static void query_text(ngs_request *request, ngs_query_body *body, ngs_json_value value)
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

static void query_limit(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_read_u32(request, value, "body.limit", 1, NGS_PAGE_MAX, &body->options.limit);
}

static void query_threshold(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    float threshold;
    double exact;
    if (ngs_read_float(request, value, "body.threshold", 0, 1, &threshold) &&
        ngs_json_double(value, &exact)) {
        body->options.threshold = exact;
        body->options.by_threshold = true;
    }
}

static void query_space(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                        size_t index)
{
    char field[40];
    char name[32];
    ng_space space;
    snprintf(field, sizeof field, "body.spaces[%zu]", index);
    if (!ngs_read_name(request, value, field, name, sizeof name))
        return;
    if (ng_space_parse(name, &space) != NG_OK) {
        ngs_problem(request, field, "value_error",
                    "no space \"%s\"; spaces are L1Physical, L2Sensory, L3Motor, L4Emotional, "
                    "L5Cognitive, L6Social, L7Temporal, L8Abstract",
                    name);
        return;
    }
    body->options.spaces |= (uint8_t)(1u << (unsigned)space);
}

static void query_spaces(ngs_request *request, ngs_query_body *body, ngs_json_value value)
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

static void query_connections(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_read_bool(request, value, "body.include_connections", &body->options.why);
}

static void query_components(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_read_components(request, value, &body->options.remove_components);
}

static void query_spelling(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    bool spelling;
    if (ngs_read_bool(request, value, "body.spelling", &spelling))
        body->options.no_spelling = !spelling;
}

static void query_suggest(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_read_u32(request, value, "body.suggest", 0, NGS_SUGGEST_MAX, &body->options.suggest);
}

static void query_collection(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_read_name(request, value, "body.collection", body->collection, sizeof body->collection);
}

/* -------------------------------------------------------------------------------------- filter */

static void filter_tags(ngs_request *request, ngs_json_value value, const char *field,
                        ng_text tags[NGS_FILTER_TAGS_MAX], size_t *count)
{
    ngs_json_walk walk;
    ngs_json_value element;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, field, "an array of strings");
        return;
    }
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        if (*count == NGS_FILTER_TAGS_MAX) {
            ngs_problem(request, field, "value_error", "more than %d tags", NGS_FILTER_TAGS_MAX);
            return;
        }
        if (!ngs_read_string(request, element, field, &tags[*count].text, &tags[*count].bytes))
            return;
        ++*count;
    }
}

static void filter_tags_all(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_filter_body *filter = &body->filter;
    filter_tags(request, value, "body.filter.tags", filter->tags[0],
                &filter->filter.tags_all_count);
}

static void filter_tags_any(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_filter_body *filter = &body->filter;
    filter_tags(request, value, "body.filter.any_tags", filter->tags[1],
                &filter->filter.tags_any_count);
}

static void filter_tags_none(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_filter_body *filter = &body->filter;
    filter_tags(request, value, "body.filter.without_tags", filter->tags[2],
                &filter->filter.tags_none_count);
}

/* A number or a name. */
static void filter_entity(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    char name[32];
    uint32_t number = 16;
    if (ngs_json_type_of(value) == NGS_JSON_INTEGER) {
        if (ngs_read_u32(request, value, "body.filter.entity_type", 0, 15, &number))
            body->filter.filter.entities = (uint16_t)(1u << number);
        return;
    }
    if (!ngs_read_name(request, value, "body.filter.entity_type", name, sizeof name))
        return;
    for (unsigned entity = 0; entity < 16; entity++) {
        const char *known = ng_entity_name((ng_entity)entity);
        if (known != NULL && strcasecmp(known, name) == 0)
            number = entity;
    }
    if (number < 16)
        body->filter.filter.entities = (uint16_t)(1u << number);
    else
        ngs_problem(request, "body.filter.entity_type", "value_error",
                    "\"%s\" is not an entity type: 0..15, or a name such as concept", name);
}

static void filter_weight(ngs_request *request, ngs_query_body *body, ngs_json_value value,
                          const char *field, float *bound)
{
    if (!body->filter.filter.by_weight)
        body->filter.filter.weight_max = 1e6f;
    body->filter.filter.by_weight = true;
    ngs_read_float(request, value, field, 0, 1e6, bound);
}

static void filter_weight_min(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    filter_weight(request, body, value, "body.filter.min_weight", &body->filter.filter.weight_min);
}

static void filter_weight_max(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    filter_weight(request, body, value, "body.filter.max_weight", &body->filter.filter.weight_max);
}

static void filter_created_from(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_read_u32(request, value, "body.filter.created_from", 0, UINT32_MAX,
                 &body->filter.filter.created_min);
}

static void filter_created_to(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_read_u32(request, value, "body.filter.created_to", 0, UINT32_MAX,
                 &body->filter.filter.created_max);
}

static void filter_flags(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    uint32_t flags;
    if (ngs_read_u32(request, value, "body.filter.flags", 0, UINT16_MAX, &flags))
        body->filter.filter.flags_all = (uint16_t)flags;
}

/* A value of a declared field, as its type wants it; times are Unix seconds. */
static bool where_value(ngs_request *request, ngs_json_value value, const char *field,
                        ng_index_type type, ng_value *out)
{
    double number;
    if (type == NG_INDEX_KEYWORD)
        return ngs_read_string(request, value, field, &out->keyword.text, &out->keyword.bytes);
    if (type == NG_INDEX_INTEGER) {
        if (ngs_json_i64(value, &out->integer))
            return true;
        ngs_wrong_type(request, value, field, "an integer of 64 bits");
        return false;
    }
    if (!ngs_json_double(value, &number)) {
        ngs_wrong_type(request, value, field, "a number");
        return false;
    }
    out->real = number;
    if (type == NG_INDEX_TIME && !(fabs(number) < 9e12))
        ngs_problem(request, field, "value_error", "%.9g is not a time in Unix seconds", number);
    else if (type == NG_INDEX_TIME)
        out->integer = (int64_t)(number * 1e6);
    return true;
}

static void where_any_of(ngs_request *request, ngs_json_value value, const char *field,
                         ng_index_type type, ng_value *values, size_t *count)
{
    ngs_json_walk walk;
    ngs_json_value element;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, field, "an array");
        return;
    }
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        if (*count == NGS_FILTER_VALUES_MAX) {
            ngs_problem(request, field, "value_error", "more than %d values",
                        NGS_FILTER_VALUES_MAX);
            return;
        }
        if (!where_value(request, element, field, type, &values[*count]))
            return;
        ++*count;
    }
    if (*count == 0)
        ngs_problem(request, field, "value_error", "the array is empty");
}

/* The name of the index, from the members of a condition, and its type. */
static bool where_index(ngs_request *request, ngs_json_value value, const char *field,
                        char name[65], ng_index_type *type)
{
    ng_index_info infos[INDEXES_MAX];
    ngs_json_walk walk;
    ngs_json_value member;
    const char *key;
    size_t count, known = 0;
    char inner[80];
    snprintf(inner, sizeof inner, "%s.index", field);
    name[0] = '\0';
    if (!ngs_json_begin(value, &walk))
        return false;
    while (ngs_json_next(&walk, &key, &count, &member))
        if (count == 5 && memcmp(key, "index", 5) == 0 && name[0] == '\0' &&
            !ngs_read_name(request, member, inner, name, 65))
            return false;
    if (name[0] == '\0') {
        ngs_problem(request, inner, "missing", "the field is required");
        return false;
    }
    if (ng_index_list(request->server->store, infos, INDEXES_MAX, &known) != NG_OK)
        known = 0;
    for (size_t i = 0; i < known && i < INDEXES_MAX; i++) {
        if (strcmp(infos[i].name, name) == 0) {
            *type = infos[i].type;
            return true;
        }
    }
    ngs_problem(request, inner, "value_error", "no index \"%s\"", name);
    return false;
}

/* {"index": "kind", "any_of": ["fruit"]} or {"index": "size", "low": 1, "high": 9} */
static void where_condition(ngs_request *request, ngs_filter_body *filter, ngs_json_value value,
                            size_t at)
{
    ng_predicate *predicate = &filter->predicates[at];
    ng_index_type type;
    ngs_json_walk walk;
    ngs_json_value member;
    const char *key;
    size_t count;
    char field[48], inner[96];
    snprintf(field, sizeof field, "body.filter.where[%zu]", at);
    if (ngs_json_type_of(value) != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, field, "an object");
        return;
    }
    if (!where_index(request, value, field, filter->names[at], &type))
        return;
    *predicate = (ng_predicate){.index = filter->names[at], .any_of = filter->values[at]};
    while (ngs_json_next(&walk, &key, &count, &member)) {
        snprintf(inner, sizeof inner, "%s.%.*s", field, (int)(count < 24 ? count : 24), key);
        if (count == 6 && memcmp(key, "any_of", 6) == 0)
            where_any_of(request, member, inner, type, filter->values[at],
                         &predicate->any_of_count);
        else if (count == 3 && memcmp(key, "low", 3) == 0)
            predicate->by_low = where_value(request, member, inner, type, &predicate->low);
        else if (count == 4 && memcmp(key, "high", 4) == 0)
            predicate->by_high = where_value(request, member, inner, type, &predicate->high);
        else if (count != 5 || memcmp(key, "index", 5) != 0)
            ngs_problem(request, inner, "unknown_field", "no such field");
    }
}

static void filter_where(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_json_walk walk;
    ngs_json_value element;
    ng_filter *filter = &body->filter.filter;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, "body.filter.where", "an array of objects");
        return;
    }
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        if (filter->predicate_count == NGS_FILTER_WHERE_MAX) {
            ngs_problem(request, "body.filter.where", "value_error", "more than %d conditions",
                        NGS_FILTER_WHERE_MAX);
            return;
        }
        where_condition(request, &body->filter, element, filter->predicate_count++);
    }
}

/* --------------------------------------------------------------------------------- all of them */

/* Reads the members of an object by a table. Returns a bit for each that was there. */
static unsigned query_members(ngs_request *request, ngs_query_body *body, ngs_json_walk *walk,
                              const query_field *fields, size_t count, const char *prefix)
{
    ngs_json_value value;
    const char *key;
    size_t key_count;
    unsigned seen = 0;
    while (ngs_json_next(walk, &key, &key_count, &value)) {
        size_t i = 0;
        while (i < count &&
               (strlen(fields[i].name) != key_count || memcmp(fields[i].name, key, key_count) != 0))
            i++;
        if (i == count || (seen & 1u << i) != 0) {
            char field[96];
            snprintf(field, sizeof field, "%s%.*s", prefix, (int)(key_count < 64 ? key_count : 64),
                     key);
            if (i < count)
                ngs_problem(request, field, "duplicate_field", "the field occurs twice");
            else
                ngs_problem(request, field, "unknown_field", "no such field");
            continue;
        }
        seen |= 1u << i;
        fields[i].read(request, body, value);
    }
    return seen;
}

static const query_field filter_fields[] = {
    {"tags", filter_tags_all},
    {"any_tags", filter_tags_any},
    {"without_tags", filter_tags_none},
    {"entity_type", filter_entity},
    {"min_weight", filter_weight_min},
    {"max_weight", filter_weight_max},
    {"created_from", filter_created_from},
    {"created_to", filter_created_to},
    {"flags", filter_flags},
    {"where", filter_where},
};

void ngs_query_filter(ngs_request *request, ngs_query_body *body, ngs_json_value value)
{
    ngs_json_walk walk;
    ngs_json_type type = ngs_json_type_of(value);
    if (type == NGS_JSON_NULL)
        return;
    if (type != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, "body.filter", "an object");
        return;
    }
    query_members(request, body, &walk, filter_fields,
                  sizeof filter_fields / sizeof filter_fields[0], "body.filter.");
    ng_filter *filter = &body->filter.filter;
    filter->tags_all = body->filter.tags[0];
    filter->tags_any = body->filter.tags[1];
    filter->tags_none = body->filter.tags[2];
    filter->predicates = body->filter.predicates;
    body->options.filter = filter;
}

static const query_field query_fields[] = {
    {"text", query_text},
    {"limit", query_limit},
    {"threshold", query_threshold},
    {"spaces", query_spaces},
    {"include_connections", query_connections},
    {"remove_components", query_components},
    {"spelling", query_spelling},
    {"suggest", query_suggest},
    {"collection", query_collection},
    {"filter", ngs_query_filter},
    {"tokens", ngs_recall_tokens},
    {"vector", ngs_recall_vector},
    {"near", ngs_recall_near},
    {"through", ngs_recall_through},
    {"weights", ngs_recall_weights},
    {"require", ngs_recall_require},
    {"include_asked", ngs_recall_include},
    {"any_collection", ngs_recall_any_collection},
    {"explain", ngs_recall_explain},
    {"effort", ngs_recall_effort},
};

void ngs_query_body_read(ngs_request *request, ngs_json_walk *walk, ngs_query_body *body)
{
    memset(body, 0, sizeof *body);
    body->options.struct_size = sizeof body->options;
    body->options.limit = NGS_PAGE_DEFAULT;
    body->filter.filter.struct_size = sizeof body->filter.filter;
    unsigned seen = query_members(request, body, walk, query_fields,
                                  sizeof query_fields / sizeof query_fields[0], "body.");
    bool asks = body->recall != NULL &&
                (body->recall->options.tokens != NULL || body->recall->options.vector != NULL ||
                 body->recall->options.near != NULL || body->recall->options.through != NULL);
    if ((seen & 1u) == 0 && !asks && !body->no_memory)
        ngs_problem(request, "body.text", "missing", "the field is required");
}
