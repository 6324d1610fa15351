/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections: create, get, change, delete, activate, force. Every reply describes the connection as it
 * is after the call, read back from the store. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "server_connection.h"

const char *const ngs_connection_flags[8] = {"active",     "persistent", "bidirectional",
                                             "inhibitory", "modified",   "reinforced",
                                             "decaying",   "user"};

/* ----------------------------------------------------------------------------------------- out */

static void link_out_member(ngs_out *out, const char *name, uint64_t value)
{
    ngs_out_text(out, name);
    ngs_out_u64(out, value);
}

static void link_out_float(ngs_out *out, const char *name, double value)
{
    ngs_out_text(out, name);
    ngs_out_float(out, (float)value);
}

static void link_out_name(ngs_out *out, const char *name, const char *value)
{
    ngs_out_text(out, name);
    ngs_out_string_z(out, value);
}

static void link_out_time(ngs_out *out, const char *name, uint32_t seconds)
{
    ngs_out_text(out, name);
    if (seconds == 0)
        ngs_out_text(out, "null");
    else
        ngs_out_time(out, (uint64_t)seconds * 1000000);
}

static void link_out_flags(ngs_out *out, uint8_t flags)
{
    for (unsigned bit = 0; bit < 8; bit++) {
        ngs_out_text(out, bit == 0 ? ",\"flags\":{" : ",");
        ngs_out_string_z(out, ngs_connection_flags[bit]);
        ngs_out_char(out, ':');
        ngs_out_bool(out, (flags >> bit & 1) != 0);
    }
    ngs_out_text(out, "},\"active_levels\":[");
}

static void link_out_levels(ngs_out *out, uint8_t levels)
{
    bool first = true;
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++) {
        if ((levels >> space & 1) == 0)
            continue;
        ngs_out_raw(out, (char[]){',', '"', 'L', (char)('1' + space), '"'} + first, 5 - first);
        first = false;
    }
    ngs_out_char(out, ']');
}

static void link_out_target(ngs_out *out, const ng_connection_info *info)
{
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++) {
        ngs_out_text(out, space == 0 ? ",\"target_vector\":{" : ",");
        ngs_out_raw(out, (char[]){'"', 'L', (char)('1' + space), '"', ':'}, 5);
        if ((info->target_spaces >> space & 1) == 0)
            ngs_out_text(out, "null");
        else
            ngs_out_float(out, info->target_vector[space]);
    }
    ngs_out_char(out, '}');
}

void ngs_connection_out(ngs_out *out, const ng_store *store, ng_connection_id id,
                        const ng_connection *record)
{
    ng_connection_info info;
    if (ng_connection_decode(store, id, record, 0, &info) != NG_OK)
        info = (ng_connection_info){.type = "", .category = "", .mutability = ""};
    link_out_member(out, "{\"id\":", id);
    link_out_member(out, ",\"source_id\":", record->source);
    link_out_member(out, ",\"target_id\":", record->target);
    link_out_name(out, ",\"connection_type\":", info.type);
    link_out_member(out, ",\"type_code\":", record->type);
    link_out_name(out, ",\"category\":", info.category);
    link_out_name(out, ",\"mutability\":", info.mutability);
    link_out_flags(out, record->flags);
    link_out_levels(out, record->active_levels);
    link_out_float(out, ",\"rigidity\":", info.rigidity);
    link_out_float(out, ",\"pull_strength\":", (double)record->pull_strength);
    link_out_float(out, ",\"preferred_distance\":", (double)record->preferred_distance);
    link_out_float(out, ",\"confidence\":", info.confidence_now);
    link_out_float(out, ",\"stored_confidence\":", info.confidence);
    link_out_float(out, ",\"learning_rate\":", info.learning_rate);
    link_out_float(out, ",\"decay_rate\":", info.decay_rate);
    link_out_member(out, ",\"activation_count\":", record->activation_count);
    link_out_member(out, ",\"evidence_count\":", record->evidence_count);
    link_out_time(out, ",\"created_at\":", record->created_at);
    link_out_time(out, ",\"last_activation\":", record->last_activation);
    link_out_time(out, ",\"last_update\":", record->last_update);
    link_out_member(out, ",\"origin\":", record->origin);
    link_out_target(out, &info);
}

/* -------------------------------------------------------------------------------------- errors */

/* What the library calls a field, and what it is called here. */
static const struct {
    const char *library, *here;
} link_names[] = {
    {"pull_strength", "pull_strength"},
    {"preferred_distance", "preferred_distance"},
    {"target_vector", "target_vector"},
    {"target_of", "target_token"},
    {"set has both target_vector", "target_token"},
    {"source", "source"},
};

void ngs_connection_fail(ngs_request *request, ng_status status, const char *prefix)
{
    char text[400];
    char path[NGS_PATH_MAX];
    snprintf(text, sizeof text, "%s", ng_last_error());
    if (status != NG_E_INVALID) {
        ngs_reply_status_text(request, status, text);
        return;
    }
    snprintf(path, sizeof path, "%s", prefix);
    for (size_t i = 0; i < sizeof link_names / sizeof link_names[0]; i++) {
        if (strncmp(text, link_names[i].library, strlen(link_names[i].library)) != 0)
            continue;
        snprintf(path, sizeof path, "%s.%s", prefix, link_names[i].here);
        break;
    }
    ngs_problem(request, path, "value_error", "%s", text);
    ngs_problems_reply(request);
}

bool ngs_path_id(ngs_request *request, const char *field, uint64_t *out)
{
    const char *text = request->id_text;
    size_t length = strspn(text, "0123456789");
    errno = 0;
    *out = strtoull(text, NULL, 10);
    if (length == 0 || text[length] != '\0')
        ngs_problem(request, field, "type_error", "an integer is expected, not \"%.64s\"", text);
    else if (errno != 0)
        ngs_problem(request, field, "value_error", "%.32s is outside 1..2^64-1", text);
    request->settles = true;
    return !ngs_problems_reply(request);
}

static bool link_path(ngs_request *request, ng_connection_id *out)
{
    return ngs_path_id(request, "path.connection_id", out);
}

/* A call that names the connection of the path failed. */
static void link_fail(ngs_request *request, ng_status status, ng_connection_id id)
{
    ng_connection record;
    bool is_gone = status == NG_E_NOT_FOUND &&
                   ng_connection_get(request->server->store, id, &record) == NG_E_NOT_FOUND;
    if (is_gone)
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Connection %llu not found",
                        (unsigned long long)id);
    else
        ngs_connection_fail(request, status, "body");
}

/* Replies with the connection as it is now. */
static void link_reply(ngs_request *request, int http_status, ng_connection_id id)
{
    const ng_store *store = request->server->store;
    ng_connection record;
    ng_status status = ng_connection_get(store, id, &record);
    if (status != NG_OK) {
        link_fail(request, status, id);
        return;
    }
    ngs_out *out = ngs_reply_data(request, http_status);
    ngs_connection_out(out, store, id, &record);
    ngs_out_char(out, '}');
}

/* One is there: it is in the details. */
static void link_exists(ngs_request *request)
{
    ng_conflict conflict;
    ngs_out details = {0};
    char message[300];
    snprintf(message, sizeof message, "%s", ng_last_error());
    if (!ng_last_conflict(&conflict) || conflict.record.source == 0) {
        ngs_reply_error(request, 409, "RESOURCE_ALREADY_EXISTS", NULL, "%s", message);
        return;
    }
    ngs_out_text(&details, "{\"connection\":");
    ngs_connection_out(&details, request->server->store, conflict.connection, &conflict.record);
    ngs_out_raw(&details, "}}", 3); /* with its NUL */
    ngs_reply_error(request, 409, "RESOURCE_ALREADY_EXISTS", details.failed ? NULL : details.bytes,
                    "%s", message);
    ngs_out_release(&details);
}

/* ------------------------------------------------------------------------------------- handlers */

void ngs_read_param_bool(ngs_request *request, const ngs_param *param, bool *out)
{
    char field[64];
    *out = strcmp(param->value, "true") == 0;
    if (*out || strcmp(param->value, "false") == 0)
        return;
    snprintf(field, sizeof field, "query.%.40s", param->name);
    ngs_problem(request, field, "type_error", "true or false is expected, not \"%.32s\"",
                param->value);
}

void ngs_connection_create(ngs_request *request)
{
    ng_store *store = request->server->store;
    ngs_connection_body body;
    ng_connection_id id = 0;
    bool upsert = false;
    bool created = true;
    for (size_t i = 0; i < request->param_count; i++) {
        if (strcmp(request->params[i].name, "upsert") == 0)
            ngs_read_param_bool(request, &request->params[i], &upsert);
        else
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        request->params[i].name);
    }
    if (ngs_problems_reply(request) || !ngs_connection_body_read(request, NGS_NEEDS_ENDS, &body))
        return;
    ng_write_options write = ngs_token_write(request);
    request->settles = true;
    ng_status status;
    if (upsert) {
        status = ng_connection_upsert(store, &body.fields, &write, &id, &created);
    } else {
        write.flags |= NG_WRITE_IF_ABSENT; /* so that the error has the one that is there */
        status = ng_connection_create(store, &body.fields, &write, &id);
    }
    if (status == NG_OK)
        link_reply(request, created ? 201 : 200, id);
    else if (status == NG_E_CONFLICT)
        link_exists(request);
    else
        ngs_connection_fail(request, status, "body");
}

void ngs_connection_get(ngs_request *request)
{
    ng_connection_id id;
    if (link_path(request, &id))
        link_reply(request, 200, id);
}

void ngs_connection_update(ngs_request *request)
{
    ngs_connection_body body;
    ng_connection_id id;
    if (!link_path(request, &id) || !ngs_connection_body_read(request, 0, &body))
        return;
    const ng_write_options write = ngs_token_write(request);
    ng_status status = ng_connection_update(request->server->store, id, &body.fields, &write);
    if (status == NG_OK)
        link_reply(request, 200, id);
    else
        link_fail(request, status, id);
}

void ngs_connection_delete(ngs_request *request)
{
    ng_connection_id id;
    if (!link_path(request, &id))
        return;
    const ng_write_options write = ngs_token_write(request);
    ng_status status = ng_connection_delete(request->server->store, id, &write);
    if (status == NG_OK)
        ngs_reply_empty(request, 204);
    else
        link_fail(request, status, id);
}

/* A body is not needed, and says nothing if there is one. */
static bool link_no_fields(ngs_request *request)
{
    ngs_json_parser *parser;
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key;
    size_t count;
    if (request->body_size == 0)
        return true;
    if (!ngs_body_open(request, &parser, &walk))
        return false;
    while (ngs_json_next(&walk, &key, &count, &value))
        ngs_unknown_field(request, key, count, false);
    ngs_parser_give(request->server, parser);
    return !ngs_problems_reply(request);
}

void ngs_connection_activate(ngs_request *request)
{
    ng_connection_id id;
    if (!link_path(request, &id) || !link_no_fields(request))
        return;
    const ng_write_options write = ngs_token_write(request);
    ng_status status = ng_connection_activate(request->server->store, id, &write);
    if (status == NG_OK)
        link_reply(request, 200, id);
    else
        link_fail(request, status, id);
}

void ngs_connection_force(ngs_request *request)
{
    const ng_store *store = request->server->store;
    ng_connection_id id;
    ng_space space = NG_SPACE_PHYSICAL;
    if (!link_path(request, &id))
        return;
    for (size_t i = 0; i < request->param_count; i++) {
        const ngs_param *param = &request->params[i];
        if (strcmp(param->name, "space") != 0)
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        param->name);
        else if (ng_space_parse(param->value, &space) != NG_OK)
            ngs_problem(request, "query.space", "value_error", "%s", ng_last_error());
    }
    if (ngs_problems_reply(request))
        return;
    double distance;
    double force;
    ng_status status = ng_connection_force_in(store, id, space, 0, &distance, &force);
    if (status != NG_OK) {
        link_fail(request, status, id);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    link_out_member(out, "{\"id\":", id);
    link_out_name(out, ",\"space\":", ng_space_name(space));
    link_out_float(out, ",\"distance\":", distance);
    link_out_float(out, ",\"force\":", force);
    ngs_out_char(out, '}');
}
