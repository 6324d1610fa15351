/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Comparing the vectors of a named field with those of the default one, and switching to them. */
#include <stdio.h>

#include "server_query.h"

#define SAMPLE_MAX 100000
#define NEIGHBORS_MAX 100
#define COMPONENTS_MAX 24

typedef struct embedding_body {
    ng_embedding_compare_options compare;
    ng_embedding_switch_options change;
    char keep_as[80], collection[80];
} embedding_body;

typedef struct embedding_member {
    const char *name;
    const char *field; /* "body.NAME" */
} embedding_member;

/* Of comparing up to the first that is of switching alone; the collection is of both. */
static const embedding_member embedding_members[] = {{"collection", "body.collection"},
                                                     {"sample", "body.sample"},
                                                     {"seed", "body.seed"},
                                                     {"k", "body.k"},
                                                     {"keep_as", "body.keep_as"},
                                                     {"align_missing", "body.align_missing"},
                                                     {"keep_coordinates", "body.keep_coordinates"},
                                                     {"components", "body.components"}};

#define MEMBER_COUNT (sizeof embedding_members / sizeof embedding_members[0])
#define MEMBER_SWITCH 4u /* the first one of switching alone */

static void embedding_member_read(ngs_request *request, size_t at, ngs_json_value value,
                                  embedding_body *body)
{
    const char *field = embedding_members[at].field;
    uint32_t seed = 0;
    switch (at) {
    case 0:
        ngs_read_name(request, value, field, body->collection, sizeof body->collection);
        break;
    case 1:
        ngs_read_u32(request, value, field, 1, SAMPLE_MAX, &body->compare.sample);
        break;
    case 2:
        ngs_read_u32(request, value, field, 0, UINT32_MAX, &seed);
        body->compare.seed = seed;
        break;
    case 3:
        ngs_read_u32(request, value, field, 1, NEIGHBORS_MAX, &body->compare.k);
        break;
    case 4:
        ngs_read_name(request, value, field, body->keep_as, sizeof body->keep_as);
        break;
    case 5:
        ngs_read_bool(request, value, field, &body->change.align_missing);
        break;
    case 6:
        ngs_read_bool(request, value, field, &body->change.keep_coordinates);
        break;
    default:
        ngs_read_u32(request, value, field, 1, COMPONENTS_MAX, &body->change.components);
        break;
    }
}

static bool embedding_is_member(size_t at, bool switches)
{
    return at == 0 || (at < MEMBER_COUNT && (at >= MEMBER_SWITCH) == switches);
}

/* The body, which may be left out; false: replied. */
static bool embedding_read(ngs_request *request, bool switches, embedding_body *body)
{
    ngs_json_parser *parser;
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key;
    size_t key_count;
    unsigned seen = 0;
    if (request->body_size == 0)
        return true;
    if (!ngs_body_open(request, &parser, &walk))
        return false;
    while (ngs_json_next(&walk, &key, &key_count, &value)) {
        size_t at = 0;
        while (at < MEMBER_COUNT && (strlen(embedding_members[at].name) != key_count ||
                                     memcmp(embedding_members[at].name, key, key_count) != 0))
            at++;
        bool is_known = embedding_is_member(at, switches);
        if (!is_known || (seen & 1u << at) != 0) {
            ngs_unknown_field(request, key, key_count, is_known);
            continue;
        }
        seen |= 1u << at;
        embedding_member_read(request, at, value, body);
    }
    ngs_parser_give(request->server, parser);
    return !ngs_problems_reply(request);
}

static bool embedding_goes_on(void *context, const ng_progress *progress)
{
    const ngs_server *server = context;
    (void)progress;
    return !atomic_load_explicit(&server->draining, memory_order_acquire);
}

/* Reads the body into options with everything else in them; false: replied. */
static bool embedding_begin(ngs_request *request, bool switches, embedding_body *body)
{
    ng_collection_id collection = NG_COLLECTION_SEMANTIC;
    *body = (embedding_body){.compare = {.struct_size = sizeof body->compare},
                             .change = {.struct_size = sizeof body->change}};
    if (!embedding_read(request, switches, body))
        return false;
    if (body->collection[0] != '\0' &&
        ng_collection_find(request->server->store, body->collection, &collection) != NG_OK) {
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Collection \"%.64s\" not found",
                        body->collection);
        return false;
    }
    body->compare.collection = body->change.collection = collection;
    body->compare.by_collection = body->change.by_collection = true;
    body->compare.progress = body->change.progress = embedding_goes_on;
    body->compare.progress_context = body->change.progress_context = request->server;
    body->change.field = request->id_text;
    if (body->keep_as[0] != '\0')
        body->change.keep_as = body->keep_as;
    return true;
}

static void embedding_fail(ngs_request *request, ng_status status)
{
    if (status == NG_E_INVALID) {
        ngs_problem(request, "body", "value_error", "%s", ng_last_error());
        ngs_problems_reply(request);
    } else {
        ngs_reply_status(request, status);
    }
}

/* ,"name":value with null for what is not there. */
static void embedding_number(ngs_out *out, const char *name, double value)
{
    ngs_out_text(out, ",\"");
    ngs_out_text(out, name);
    ngs_out_text(out, "\":");
    ngs_out_float(out, (float)value);
}

static void embedding_count(ngs_out *out, const char *name, uint64_t value)
{
    ngs_out_text(out, ",\"");
    ngs_out_text(out, name);
    ngs_out_text(out, "\":");
    ngs_out_u64(out, value);
}

static void embedding_out(ngs_out *out, const ng_embedding_report *report)
{
    ngs_out_text(out, "{\"old_dimensions\":");
    ngs_out_u64(out, report->old_dimensions);
    embedding_count(out, "new_dimensions", report->new_dimensions);
    embedding_count(out, "shared", report->shared);
    embedding_count(out, "lost", report->lost);
    embedding_count(out, "gained", report->gained);
    embedding_count(out, "fitted", report->fitted);
    embedding_count(out, "held_out", report->held_out);
    embedding_number(out, "fitted_cosine", report->fitted_cosine);
    embedding_number(out, "held_out_cosine", report->held_out_cosine);
    embedding_count(out, "sampled", report->sampled);
    embedding_count(out, "k", report->k);
    embedding_number(out, "recall", report->recall);
    embedding_number(out, "jaccard", report->jaccard);
    ngs_out_text(out, ",\"worst\":[");
    for (uint32_t i = 0; i < report->worst_count; i++) {
        ngs_out_text(out, i > 0 ? ",{\"id\":" : "{\"id\":");
        ngs_out_u64(out, report->worst[i].id);
        embedding_count(out, "kept", report->worst[i].kept);
        ngs_out_char(out, '}');
    }
    ngs_out_text(out, "]}");
}

/* {"sample": 1000, "seed": 0, "k": 10, "collection": "semantic"}, each may be left out. */
void ngs_embedding_compare(ngs_request *request)
{
    embedding_body body;
    ng_embedding_report report;
    if (!embedding_begin(request, false, &body))
        return;
    ng_status status =
        ng_vector_field_find(request->server->store, request->id_text, &body.compare.field);
    if (status == NG_OK)
        status = ng_embedding_compare(request->server->store, &body.compare, &report);
    request->settles = true;
    if (status != NG_OK)
        embedding_fail(request, status);
    else
        embedding_out(ngs_reply_data(request, 200), &report);
}

/* {"keep_as": "previous", "align_missing": false, "keep_coordinates": false, "components": 24,
 * "collection": "semantic"}, each may be left out. */
void ngs_embedding_switch(ngs_request *request)
{
    embedding_body body;
    ng_embedding_switch_report report;
    if (!embedding_begin(request, true, &body))
        return;
    ng_status status = ng_embedding_switch(request->server->store, &body.change, &report);
    if (status != NG_OK) {
        embedding_fail(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"was_switched\":");
    ngs_out_bool(out, report.was_switched);
    embedding_count(out, "kept", report.kept);
    embedding_count(out, "dimensions", report.dimensions);
    embedding_count(out, "aligned", report.aligned);
    embedding_count(out, "left", report.left);
    embedding_count(out, "components", report.components);
    embedding_number(out, "explained_variance", report.explained_variance);
    ngs_out_char(out, '}');
}
