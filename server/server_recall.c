/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* POST /query with more than a text: the answer has what that of a plain query has, and for each hit the
 * parts of its score and the path that led to it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "server_recall.h"

/* ------------------------------------------------------------------------------------- looking up */

bool ngs_recall_name_find(ngs_request *request, ng_collection_id collection,
                          const ngs_recall_name *name, ng_token_id *out)
{
    const ng_store *store = request->server->store;
    bool exists = false;
    ng_status status;
    *out = name->id;
    if (name->text != NULL) {
        status = ng_word_find(store, collection, name->text, name->bytes, out);
    } else {
        status = ng_token_exists(store, name->id, &exists);
        if (status == NG_OK && !exists) {
            ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Token %08llX not found",
                            (unsigned long long)name->id);
            return false;
        }
    }
    if (status != NG_OK)
        ngs_reply_status(request, status);
    return status == NG_OK;
}

bool ngs_recall_names_find(ngs_request *request, ng_collection_id collection,
                           ngs_recall_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        if (!ngs_recall_name_find(request, collection, &names->names[i], &names->ids[i]))
            return false;
    return true;
}

static bool recall_resolve(ngs_request *request, const ngs_query_body *body)
{
    ngs_recall_body *recall = body->recall;
    ng_collection_id collection =
        body->options.by_collection ? body->options.collection : NG_COLLECTION_SEMANTIC;
    if (!ngs_recall_names_find(request, collection, &recall->tokens) ||
        !ngs_recall_names_find(request, collection, &recall->from))
        return false;
    for (size_t i = 0; i < recall->options.near_count; i++) {
        const ngs_recall_name *name = &recall->near_names[i];
        if ((name->text != NULL || name->id != 0) &&
            !ngs_recall_name_find(request, collection, name, &recall->near[i].token))
            return false;
    }
    return true;
}

/* The fields of a plain query, and the deadline: the time since the request came counts. */
static void recall_complete(ngs_request *request, const ngs_query_body *body)
{
    ngs_recall_body *recall = body->recall;
    ng_recall_options *options = &recall->options;
    const bool asks[NG_RECALL_PART_COUNT] = {body->text != NULL || options->vector != NULL ||
                                                 options->tokens != NULL,
                                             options->near_count > 0, options->through != NULL};
    options->struct_size = sizeof *options;
    options->text = body->text;
    options->limit = body->options.limit;
    options->threshold = body->options.threshold;
    options->spaces = body->options.spaces;
    options->remove_components = body->options.remove_components;
    options->no_spelling = body->options.no_spelling;
    options->suggest = body->options.suggest;
    options->collection = body->options.collection;
    options->by_collection = body->options.by_collection;
    options->filter = body->options.filter;
    options->by_weights = recall->weighted != 0;
    for (unsigned part = 0; part < NG_RECALL_PART_COUNT; part++)
        if ((recall->weighted & 1u << part) == 0)
            options->weights[part] = asks[part] ? 1 : 0;
    int64_t left_us = (int64_t)request->server->limits.query_deadline_ms * 1000;
    if (request->start_ns != 0) /* one of a batch counts for itself */
        left_us -= (ngs_now_ns() - request->start_ns) / 1000;
    options->timeout_us = left_us < 1 ? 1 : left_us > UINT32_MAX ? UINT32_MAX : (uint32_t)left_us;
}

/* ---------------------------------------------------------------------------------------- writing */

static void out_number(ngs_out *out, double value)
{
    if (isnan(value))
        ngs_out_text(out, "null");
    else
        ngs_out_float(out, (float)value);
}

static void out_path(ngs_out *out, const ng_store *store, const ng_recall_hit *hit, bool *first)
{
    for (size_t i = 0; i < hit->path_count; i++) {
        ng_connection connection;
        if (ng_connection_get(store, hit->path[i].id, &connection) != NG_OK)
            continue; /* deleted since it was found */
        if (!*first)
            ngs_out_char(out, ',');
        ngs_query_out_edge(out, &hit->path[i], &connection);
        *first = false;
    }
}

static void out_hit(ngs_out *out, const ng_store *store, const ngs_query_body *body,
                    const ng_recall_hit *hit, const ng_token *record)
{
    bool first = true;
    ngs_out_text(out, "{\"token_id\":");
    ngs_out_u64(out, hit->id);
    ngs_out_text(out, ",\"label\":");
    if (hit->label[0] != '\0')
        ngs_out_string_z(out, hit->label);
    else
        ngs_out_text(out, "null");
    ngs_out_text(out, ",\"score\":");
    ngs_out_float(out, (float)hit->score);
    ngs_out_text(out, ",\"prior\":");
    ngs_out_float(out, (float)hit->prior);
    ngs_out_text(out, ",\"entity_type\":");
    ngs_query_out_entity(out, record);
    ngs_out_text(out, ",\"coordinates\":");
    ngs_out_coordinates(out, store, record, body->options.spaces ? body->options.spaces : 0xFF);
    ngs_out_text(out, ",\"parts\":{");
    for (int part = 0; part < NG_RECALL_PART_COUNT; part++) {
        if (part > 0)
            ngs_out_char(out, ',');
        ngs_out_string_z(out, ng_recall_part_name((ng_recall_part)part));
        ngs_out_char(out, ':');
        out_number(out, hit->parts[part]);
    }
    ngs_out_text(out, "},\"distance\":");
    out_number(out, hit->distance);
    ngs_out_text(out, ",\"path\":[");
    out_path(out, store, hit, &first);
    ngs_out_text(out, "]}");
}

static void out_connections(ngs_out *out, const ng_store *store, const ng_recall_result *result)
{
    bool first = true;
    ngs_out_char(out, '[');
    for (size_t i = 0; i < result->hit_count; i++)
        out_path(out, store, &result->hits[i], &first);
    ngs_out_char(out, ']');
}

static void out_steps(ngs_out *out, const ng_recall_result *result)
{
    ngs_out_char(out, '[');
    for (size_t i = 0; i < result->step_count; i++) {
        const ng_recall_step *step = &result->steps[i];
        ngs_out_text(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        ngs_out_string_z(out, step->name);
        ngs_out_text(out, ",\"candidates\":");
        ngs_out_u64(out, step->candidates);
        ngs_out_text(out, ",\"microseconds\":");
        ngs_out_u64(out, step->microseconds);
        ngs_out_text(out, ",\"text\":");
        ngs_out_string_z(out, step->text);
        ngs_out_char(out, '}');
    }
    ngs_out_char(out, ']');
}

/* The part of the answer that is about words. */
static ng_query_result recall_words(const ng_recall_result *result)
{
    return (ng_query_result){.terms = result->terms,
                             .term_count = result->term_count,
                             .corrections = result->corrections,
                             .correction_count = result->correction_count,
                             .suggestions = result->suggestions,
                             .suggestion_count = result->suggestion_count};
}

static void recall_reply(ngs_request *request, const ngs_query_body *body,
                         const ng_recall_result *result)
{
    const ng_store *store = request->server->store;
    const ng_query_result words = recall_words(result);
    bool first = true;
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"signal_id\":");
    ngs_out_string_z(out, result->signal);
    ngs_out_text(out, ",\"query_text\":");
    if (body->text != NULL)
        ngs_out_string(out, body->text, body->text_bytes);
    else
        ngs_out_text(out, "null");
    ngs_out_text(out, ",\"processing_time_ms\":");
    ngs_out_fixed3(out, result->seconds * 1e3);
    ngs_out_text(out, ",\"confidence\":");
    ngs_out_float(out, result->hit_count > 0 ? (float)fmin(result->hits[0].score, 1) : 0);
    ngs_out_text(out, ",\"interpretation\":\"recall\",\"tokens\":[");
    for (size_t i = 0; i < result->hit_count; i++) {
        ng_token record;
        if (ng_token_read(store, result->hits[i].id, &record) != NG_OK)
            continue; /* deleted since it was found */
        if (!first)
            ngs_out_char(out, ',');
        out_hit(out, store, body, &result->hits[i], &record);
        first = false;
    }
    ngs_out_text(out, "],\"connections\":");
    if (body->options.why)
        out_connections(out, store, result);
    else
        ngs_out_text(out, "null");
    ngs_out_text(out, ",\"total_candidates\":");
    ngs_out_u64(out, result->candidates);
    ngs_query_out_words(out, store, &words, body->options.suggest > 0);
    ngs_out_text(out, ",\"exact\":");
    ngs_out_bool(out, result->is_exact);
    ngs_out_text(out, ",\"steps\":");
    if (body->recall->options.explain)
        out_steps(out, result);
    else
        ngs_out_text(out, "null");
    ngs_out_char(out, '}');
}

void ngs_recall(ngs_request *request, ngs_query_body *body)
{
    ng_recall_result *result = NULL;
    if (!recall_resolve(request, body))
        return;
    recall_complete(request, body);
    ng_status status = ng_recall(request->server->store, &body->recall->options, &result);
    if (status == NG_OK) {
        recall_reply(request, body, result);
    } else if (status == NG_E_NOT_FOUND && body->text != NULL) {
        ngs_query_reply_unknown(request, body);
    } else if (status == NG_E_INVALID || status == NG_E_ABSENT) {
        ngs_problem(request, "body", "value_error", "%s", ng_last_error());
        ngs_problems_reply(request);
    } else {
        ngs_reply_status(request, status);
    }
    ng_recall_result_destroy(result);
}
