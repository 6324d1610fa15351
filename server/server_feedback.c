/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Feedback: given, listed, taken back. A question is named by the signal_id of its answer, or by what was
 * asked. All run on the pool, because the words of a question are looked up as by a query. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "server_recall.h"

enum { FEEDBACK_LINKS_MAX = 32, FEEDBACK_SIGNAL_ROOM = 80 };

typedef struct feedback_body {
    ng_feedback_options options;
    char signal[FEEDBACK_SIGNAL_ROOM];
    char collection[80]; /* empty = semantic */
    ngs_recall_names tokens;
    ngs_recall_name hit, correct;
    ng_connection_id connections[FEEDBACK_LINKS_MAX];
    bool has_type;
} feedback_body;

/* ------------------------------------------------------------------------------------- reading */

static void feedback_signal(ngs_request *request, feedback_body *body, ngs_json_value value)
{
    if (ngs_read_name(request, value, "body.signal_id", body->signal, sizeof body->signal))
        body->options.signal = body->signal;
}

static void feedback_text(ngs_request *request, feedback_body *body, ngs_json_value value)
{
    const char *text;
    size_t count;
    if (!ngs_read_string(request, value, "body.text", &text, &count))
        return;
    if (memchr(text, '\0', count) != NULL)
        ngs_problem(request, "body.text", "value_error", "a NUL character is not allowed");
    body->options.text = text;
}

static void feedback_collection(ngs_request *request, feedback_body *body, ngs_json_value value)
{
    ngs_read_name(request, value, "body.collection", body->collection, sizeof body->collection);
}

static void feedback_tokens(ngs_request *request, feedback_body *body, ngs_json_value value)
{
    ngs_recall_names_read(request, value, "body.tokens", &body->tokens);
    body->options.tokens = body->tokens.ids;
    body->options.token_count = body->tokens.count;
}

static void feedback_type(ngs_request *request, feedback_body *body, ngs_json_value value)
{
    char name[32];
    body->has_type = true;
    if (ngs_read_name(request, value, "body.type", name, sizeof name) &&
        ng_feedback_type_parse(name, &body->options.type) != NG_OK)
        ngs_problem(request, "body.type", "value_error", "%s", ng_last_error());
}

static void feedback_hit(ngs_request *request, feedback_body *body, ngs_json_value value)
{
    ngs_recall_name_read(request, value, "body.hit", &body->hit);
}

static void feedback_correct(ngs_request *request, feedback_body *body, ngs_json_value value)
{
    ngs_recall_name_read(request, value, "body.correct", &body->correct);
}

static void feedback_connections(ngs_request *request, feedback_body *body, ngs_json_value value)
{
    ngs_json_walk walk;
    ngs_json_value element;
    size_t *count = &body->options.connection_count;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, "body.connections", "an array of ids");
        return;
    }
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        char field[40];
        snprintf(field, sizeof field, "body.connections[%zu]", *count);
        if (*count == FEEDBACK_LINKS_MAX) {
            ngs_problem(request, "body.connections", "value_error", "more than %d connections",
                        FEEDBACK_LINKS_MAX);
            return;
        }
        if (!ngs_read_id(request, element, field, &body->connections[*count]))
            return;
        ++*count;
    }
    if (*count > 0)
        body->options.connections = body->connections;
}

static void feedback_fraction(ngs_request *request, ngs_json_value value, const char *field,
                              double *out)
{
    double number;
    if (!ngs_json_double(value, &number))
        ngs_wrong_type(request, value, field, "a number");
    else if (!(number > 0 && number <= 1))
        ngs_problem(request, field, "value_error", "%.9g is not above 0 and at most 1", number);
    else
        *out = number;
}

static void feedback_strength(ngs_request *request, feedback_body *body, ngs_json_value value)
{
    feedback_fraction(request, value, "body.strength", &body->options.strength);
}

static void feedback_limit(ngs_request *request, feedback_body *body, ngs_json_value value)
{
    feedback_fraction(request, value, "body.prior_limit", &body->options.limit);
}

static const struct {
    const char *name, *alias; /* the original's name, or NULL */
    void (*read)(ngs_request *request, feedback_body *body, ngs_json_value value);
} feedback_fields[] = {
    {"signal_id", "signal", feedback_signal},  {"text", NULL, feedback_text},
    {"collection", NULL, feedback_collection}, {"tokens", NULL, feedback_tokens},
    {"type", "feedback_type", feedback_type},  {"hit", NULL, feedback_hit},
    {"correct", NULL, feedback_correct},       {"connections", NULL, feedback_connections},
    {"strength", NULL, feedback_strength},     {"prior_limit", NULL, feedback_limit},
};

static bool feedback_is(const char *name, const char *key, size_t key_count)
{
    return name != NULL && strlen(name) == key_count && memcmp(name, key, key_count) == 0;
}

/* False: replied. */
static bool feedback_read(ngs_request *request, ngs_json_walk *walk, feedback_body *body)
{
    enum { COUNT = sizeof feedback_fields / sizeof feedback_fields[0] };
    ngs_json_value value;
    const char *key;
    size_t key_count;
    unsigned seen = 0;
    while (ngs_json_next(walk, &key, &key_count, &value)) {
        size_t i = 0;
        while (i < COUNT && !feedback_is(feedback_fields[i].name, key, key_count) &&
               !feedback_is(feedback_fields[i].alias, key, key_count))
            i++;
        if (i == COUNT || (seen & 1u << i) != 0) {
            ngs_unknown_field(request, key, key_count, i < COUNT);
            continue;
        }
        seen |= 1u << i;
        feedback_fields[i].read(request, body, value);
    }
    if (!body->has_type)
        ngs_problem(request, "body.type", "missing", "the field is required");
    return !ngs_problems_reply(request);
}

/* Names become tokens; false: replied. */
static bool feedback_resolve(ngs_request *request, feedback_body *body)
{
    ng_feedback_options *options = &body->options;
    options->struct_size = sizeof *options;
    options->collection = NG_COLLECTION_SEMANTIC;
    options->by_collection = true;
    if (body->collection[0] != '\0' && ng_collection_find(request->server->store, body->collection,
                                                          &options->collection) != NG_OK) {
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Collection \"%.64s\" not found",
                        body->collection);
        return false;
    }
    if (!ngs_recall_names_find(request, options->collection, &body->tokens))
        return false;
    if ((body->hit.id != 0 || body->hit.text != NULL) &&
        !ngs_recall_name_find(request, options->collection, &body->hit, &options->hit))
        return false;
    return (body->correct.id == 0 && body->correct.text == NULL) ||
           ngs_recall_name_find(request, options->collection, &body->correct, &options->correct);
}

/* ------------------------------------------------------------------------------------- writing */

static void out_token(ngs_out *out, const ng_store *store, const char *key, ng_token_id id)
{
    char label[NGS_LABEL_BYTES_MAX + 1] = "";
    size_t bytes = 0;
    ngs_out_text(out, key);
    if (id == 0) {
        ngs_out_text(out, "null");
        return;
    }
    ngs_out_text(out, "{\"token_id\":");
    ngs_out_u64(out, id);
    ngs_out_text(out, ",\"label\":");
    if (ng_token_label(store, id, label, sizeof label, &bytes) == NG_OK && bytes > 0)
        ngs_out_string_z(out, label);
    else
        ngs_out_text(out, "null");
    ngs_out_char(out, '}');
}

static void out_effect(ngs_out *out, const ng_store *store, const ng_feedback_effect *effect,
                       bool undone)
{
    if (effect->kind == NG_EFFECT_PRIOR) {
        out_token(out, store, "{\"kind\":\"prior\",\"token\":", effect->token);
    } else {
        const char *type = ng_connection_type_name(effect->type);
        ngs_out_text(out, "{\"kind\":\"connection\",\"connection_id\":");
        ngs_out_u64(out, effect->connection);
        ngs_out_text(out, ",\"source_id\":");
        ngs_out_u64(out, effect->source);
        ngs_out_text(out, ",\"target_id\":");
        ngs_out_u64(out, effect->target);
        ngs_out_text(out, ",\"connection_type\":");
        ngs_out_string_z(out, type != NULL ? type : "Unknown");
        ngs_out_text(out, ",\"evidence_before\":");
        ngs_out_u64(out, effect->evidence_before);
        ngs_out_text(out, ",\"evidence_after\":");
        ngs_out_u64(out, effect->evidence_after);
    }
    ngs_out_text(out, ",\"before\":");
    ngs_out_float(out, (float)effect->before);
    ngs_out_text(out, ",\"after\":");
    ngs_out_float(out, (float)effect->after);
    if (undone) {
        ngs_out_text(out, ",\"restored\":");
        ngs_out_bool(out, effect->is_restored);
    }
    ngs_out_char(out, '}');
}

/* How many effects of each kind there are, as the original meant to reply. */
static void out_adjustments(ngs_out *out, const ng_feedback_info *info)
{
    uint64_t priors = 0, stronger = 0, weaker = 0;
    for (size_t i = 0; i < info->effect_count; i++) {
        const ng_feedback_effect *effect = &info->effects[i];
        bool is_stronger =
            effect->evidence_after > effect->evidence_before || effect->after > effect->before;
        priors += effect->kind == NG_EFFECT_PRIOR;
        stronger += effect->kind == NG_EFFECT_CONNECTION && is_stronger;
        weaker += effect->kind == NG_EFFECT_CONNECTION && !is_stronger;
    }
    ngs_out_text(out, ",\"adjustments\":{\"weights_updated\":");
    ngs_out_u64(out, priors);
    ngs_out_text(out, ",\"connections_strengthened\":");
    ngs_out_u64(out, stronger);
    ngs_out_text(out, ",\"connections_weakened\":");
    ngs_out_u64(out, weaker);
    ngs_out_char(out, '}');
}

/* An object without its end. */
static void out_info(ngs_out *out, const ng_store *store, const ng_feedback_info *info, bool undone)
{
    ngs_out_text(out, "{\"feedback_id\":");
    if (info->id != 0)
        ngs_out_u64(out, info->id);
    else
        ngs_out_text(out, "null");
    ngs_out_text(out, ",\"type\":");
    ngs_out_string_z(out, ng_feedback_type_name(info->type));
    ngs_out_text(out, ",\"signal_id\":");
    ngs_out_string_z(out, info->signal);
    ngs_out_text(out, ",\"query_text\":");
    ngs_out_string_z(out, info->text);
    out_token(out, store, ",\"hit\":", info->hit);
    out_token(out, store, ",\"correct\":", info->correct);
    ngs_out_text(out, ",\"strength\":");
    ngs_out_float(out, (float)info->strength);
    ngs_out_text(out, ",\"seq\":");
    ngs_out_u64(out, info->seq);
    ngs_out_text(out, ",\"time\":");
    ngs_out_time(out, info->time_us);
    ngs_out_text(out, ",\"actor\":");
    ngs_out_u64(out, info->actor);
    ngs_out_text(out, ",\"effects\":[");
    for (size_t i = 0; i < info->effect_count; i++) {
        if (i > 0)
            ngs_out_char(out, ',');
        out_effect(out, store, &info->effects[i], undone);
    }
    ngs_out_char(out, ']');
    out_adjustments(out, info);
}

/* ------------------------------------------------------------------------------------ handlers */

static void feedback_reply(ngs_request *request, const ng_feedback_result *result)
{
    const ng_feedback_info *info = &result->items[0];
    bool applied = info->id != 0 && !result->is_repeated;
    ngs_out *out = ngs_reply_data(request, applied ? 201 : 200);
    out_info(out, request->server->store, info, false);
    ngs_out_text(out, ",\"applied\":");
    ngs_out_bool(out, applied);
    ngs_out_text(out, ",\"repeated\":");
    ngs_out_bool(out, result->is_repeated);
    ngs_out_char(out, '}');
}

static void feedback_run(ngs_request *request, feedback_body *body)
{
    const ng_write_options write = ngs_token_write(request);
    ng_feedback_result *result = NULL;
    if (!feedback_resolve(request, body))
        return;
    ng_status status = ng_feedback(request->server->store, &body->options, &write, &result);
    if (status == NG_OK) {
        feedback_reply(request, result);
    } else if (status == NG_E_INVALID) {
        ngs_problem(request, "body", "value_error", "%s", ng_last_error());
        ngs_problems_reply(request);
    } else {
        ngs_reply_status(request, status);
    }
    ng_feedback_result_destroy(result);
}

void ngs_feedback_give(ngs_request *request)
{
    ngs_json_parser *parser;
    ngs_json_walk walk;
    if (!ngs_body_open(request, &parser, &walk))
        return;
    request->settles = true;
    feedback_body *body = calloc(1, sizeof *body);
    if (body == NULL)
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for the feedback");
    else if (feedback_read(request, &walk, body))
        feedback_run(request, body);
    free(body);
    ngs_parser_give(request->server, parser);
}

void ngs_feedback_list(ngs_request *request)
{
    const ng_store *store = request->server->store;
    uint64_t before = 0, limit = NGS_PAGE_DEFAULT;
    ng_feedback_result *result = NULL;
    for (size_t i = 0; i < request->param_count; i++) {
        const ngs_param *param = &request->params[i];
        if (strcmp(param->name, "before") == 0)
            ngs_read_param(request, param, 1, UINT64_MAX, &before);
        else if (strcmp(param->name, "limit") == 0)
            ngs_read_param(request, param, 1, NGS_PAGE_MAX, &limit);
        else
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        param->name);
    }
    if (ngs_problems_reply(request))
        return;
    request->settles = true;
    ng_status status = ng_feedback_list(store, before, limit, &result);
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"feedback\":[");
    for (size_t i = 0; i < result->count; i++) {
        if (i > 0)
            ngs_out_char(out, ',');
        out_info(out, store, &result->items[i], false);
        ngs_out_char(out, '}');
    }
    ngs_out_text(out, "],\"next_before\":"); /* null: there are no more */
    if (result->count == limit)
        ngs_out_u64(out, result->items[result->count - 1].id);
    else
        ngs_out_text(out, "null");
    ngs_out_char(out, '}');
    ng_feedback_result_destroy(result);
}

void ngs_feedback_undo(ngs_request *request)
{
    const ng_write_options write = ngs_token_write(request);
    const char *text = request->id_text;
    ng_feedback_result *result = NULL;
    char *end;
    errno = 0;
    unsigned long long id = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0) {
        ngs_problem(request, "path.id", "type_error", "an integer is expected, not \"%.32s\"",
                    text);
        ngs_problems_reply(request);
        return;
    }
    request->settles = true;
    ng_status status = ng_feedback_undo(request->server->store, id, &write, &result);
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    out_info(out, request->server->store, &result->items[0], true);
    ngs_out_text(out, ",\"undone\":true}");
    ng_feedback_result_destroy(result);
}
