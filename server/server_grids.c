/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Grids themselves: listed, made, looked at, filled, dropped. Grid 0 is the store's own; it is always
 * there, and every token is in it. */
#include "server_grid.h"

#include <stdio.h>
#include <stdlib.h>

#define GRIDS_CONFIG_DEFAULT                                                                       \
    {                                                                                              \
        .struct_size = sizeof(ng_grid_config), .bucket_size = 10.0f, .density_threshold = 0.5f,    \
        .min_field_nodes = 3                                                                       \
    }

/* "config":{...} */
static void grids_out_config(ngs_out *out, const ng_grid_config *config)
{
    ngs_out_text(out, "\"config\":{\"bucket_size\":");
    ngs_out_float(out, config->bucket_size);
    ngs_out_text(out, ",\"density_threshold\":");
    ngs_out_float(out, config->density_threshold);
    ngs_out_text(out, ",\"min_field_nodes\":");
    ngs_out_u64(out, config->min_field_nodes);
    ngs_out_char(out, '}');
}

static void grids_out(ngs_out *out, const ng_grid_info *info)
{
    ngs_out_text(out, "{\"grid_id\":");
    ngs_out_u64(out, info->id);
    ngs_out_text(out, ",\"name\":");
    if (info->name[0] != '\0')
        ngs_out_string_z(out, info->name);
    else
        ngs_out_text(out, "null");
    ngs_out_text(out, ",\"token_count\":");
    ngs_out_u64(out, info->member_count);
    ngs_out_char(out, ',');
    grids_out_config(out, &info->config);
    ngs_out_char(out, '}');
}

/* What grid `id` is; for 0 with the tokens of one collection. */
static ng_status grids_info(const ngs_request *request, ng_grid_id id, ng_collection_id collection,
                            ng_grid_info *out)
{
    const ng_store *store = request->server->store;
    if (id != 0)
        return ng_grid_get(store, id, out);
    *out = (ng_grid_info){.config = GRIDS_CONFIG_DEFAULT};
    return ng_token_count(store, collection, false, &out->member_count);
}

void ngs_grid_status(ngs_request *request)
{
    size_t count = 0;
    ng_status status = ng_grid_list(request->server->store, NULL, 0, &count);
    request->settles = true;
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"available\":true,\"grids_count\":");
    ngs_out_u64(out, count + 1);
    ngs_out_text(out, ",\"message\":\"Grid is available\"}");
}

void ngs_grid_list(ngs_request *request)
{
    ng_grid_info own;
    ng_grid_info *list = calloc(NGS_GRIDS_MAX, sizeof *list);
    size_t count = 0;
    request->settles = true;
    if (list == NULL) {
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for a list of grids");
        return;
    }
    ng_status status = grids_info(request, 0, NG_COLLECTION_RUNTIME, &own);
    if (status == NG_OK)
        status = ng_grid_list(request->server->store, list, NGS_GRIDS_MAX, &count);
    if (status == NG_OK) {
        ngs_out *out = ngs_reply_data(request, 200);
        ngs_out_text(out, "{\"grids\":[");
        grids_out(out, &own);
        for (size_t i = 0; i < count; i++) {
            ngs_out_char(out, ',');
            grids_out(out, &list[i]);
        }
        ngs_out_text(out, "],\"total\":");
        ngs_out_u64(out, count + 1);
        ngs_out_char(out, '}');
    } else {
        ngs_reply_status(request, status);
    }
    free(list);
}

void ngs_grid_get(ngs_request *request)
{
    ngs_grid_call call;
    ng_grid_info info;
    const ngs_param *collection = NULL;
    ng_collection_id id = NG_COLLECTION_ANY;
    for (size_t i = 0; i < request->param_count; i++) {
        if (strcmp(request->params[i].name, "collection") == 0)
            collection = &request->params[i];
        else
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        request->params[i].name);
    }
    bool any = collection != NULL && strcmp(collection->value, "any") == 0;
    if (ngs_problems_reply(request) || !ngs_grid_begin(request, &call) ||
        (!any && !ngs_param_collection(request, collection, true, &id)))
        return;
    ng_status status = grids_info(request, call.options.grid, id, &info);
    if (status != NG_OK)
        ngs_reply_status(request, status);
    else
        grids_out(ngs_reply_data(request, 200), &info);
}

/* ------------------------------------------------------------------------------ made, dropped */

typedef struct grids_body {
    ng_grid_config config;
    char name[80];
    bool named;
} grids_body;

static void grids_read_field(ngs_request *request, grids_body *body, const char *key,
                             size_t key_count, ngs_json_value value)
{
    const char *text;
    size_t count;
    if (key_count == 4 && memcmp(key, "name", 4) == 0) {
        if (ngs_json_type_of(value) == NGS_JSON_NULL ||
            !ngs_read_string(request, value, "body.name", &text, &count))
            return;
        body->named = true;
        if (count < sizeof body->name && memchr(text, '\0', count) == NULL)
            snprintf(body->name, sizeof body->name, "%.*s", (int)count, text);
        else
            body->name[0] = '\0'; /* cannot be a name, and an empty one is refused */
    } else if (key_count == 11 && memcmp(key, "bucket_size", 11) == 0) {
        ngs_read_float(request, value, "body.bucket_size", 0.1, 1000, &body->config.bucket_size);
    } else if (key_count == 17 && memcmp(key, "density_threshold", 17) == 0) {
        ngs_read_float(request, value, "body.density_threshold", 0, 1,
                       &body->config.density_threshold);
    } else if (key_count == 15 && memcmp(key, "min_field_nodes", 15) == 0) {
        ngs_read_u32(request, value, "body.min_field_nodes", 1, 100, &body->config.min_field_nodes);
    } else {
        ngs_unknown_field(request, key, key_count, false);
    }
}

/* The body may be left out. False: replied. */
static bool grids_read(ngs_request *request, grids_body *body)
{
    ngs_json_parser *parser;
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key;
    size_t key_count;
    *body = (grids_body){.config = GRIDS_CONFIG_DEFAULT};
    if (request->body_size == 0)
        return true;
    if (!ngs_body_open(request, &parser, &walk))
        return false;
    while (ngs_json_next(&walk, &key, &key_count, &value))
        grids_read_field(request, body, key, key_count, value);
    ngs_parser_give(request->server, parser);
    return !ngs_problems_reply(request);
}

void ngs_grid_create(ngs_request *request)
{
    const ng_write_options write = ngs_token_write(request);
    grids_body body;
    ng_grid_id id = 0;
    if (!grids_read(request, &body))
        return;
    ng_status status = ng_grid_create(request->server->store, body.named ? body.name : NULL,
                                      &body.config, &write, &id);
    request->settles = true;
    if (status == NG_E_INVALID) {
        ngs_problem(request, "body.name", "value_error", "%s", ng_last_error());
        ngs_problems_reply(request);
        return;
    }
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 201);
    ngs_out_text(out, "{\"grid_id\":");
    ngs_out_u64(out, id);
    ngs_out_text(out, ",\"name\":");
    if (body.named)
        ngs_out_string_z(out, body.name);
    else
        ngs_out_text(out, "null");
    ngs_out_char(out, ',');
    grids_out_config(out, &body.config);
    ngs_out_text(out, ",\"status\":\"created\"}");
}

void ngs_grid_drop(ngs_request *request)
{
    const ng_write_options write = ngs_token_write(request);
    ngs_grid_call call;
    if (!ngs_grid_begin(request, &call))
        return;
    if (call.options.grid == 0) {
        ngs_reply_error(request, 403, "PERMISSION_DENIED", NULL,
                        "grid 0 is the store's own and cannot be deleted");
        return;
    }
    ng_status status = ng_grid_drop(request->server->store, call.options.grid, &write);
    if (status == NG_OK)
        ngs_reply_empty(request, 204);
    else
        ngs_reply_status(request, status);
}

/* ------------------------------------------------------------------------------------- members */

/* Adds or takes out the token in the path. Grid 0 has every token, so there only whether the token
 * exists is looked at. */
static bool grids_change(ngs_request *request, bool leave, ng_grid_id *grid, ng_token_id *token)
{
    const ng_write_options write = ngs_token_write(request);
    ng_store *store = request->server->store;
    ngs_grid_call call;
    bool exists = false;
    if (!ngs_grid_token(request, token) || !ngs_grid_begin(request, &call))
        return false;
    *grid = call.options.grid;
    ng_status status = ng_token_exists(store, *token, &exists);
    if (status == NG_OK && exists && *grid != 0)
        status = leave ? ng_grid_remove(store, *grid, token, 1, &write, NULL)
                       : ng_grid_add(store, *grid, token, 1, &write, NULL);
    if (status == NG_OK && exists)
        return true;
    if (status == NG_OK)
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Token %08llX not found",
                        (unsigned long long)*token);
    else
        ngs_reply_status(request, status);
    return false;
}

void ngs_grid_add(ngs_request *request)
{
    ng_grid_id grid;
    ng_token_id token;
    ng_grid_info info;
    if (!grids_change(request, false, &grid, &token))
        return;
    ng_status status = grids_info(request, grid, NG_COLLECTION_RUNTIME, &info);
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"grid_id\":");
    ngs_out_u64(out, grid);
    ngs_out_text(out, ",\"token_id\":");
    ngs_out_u64(out, token);
    ngs_out_text(out, ",\"status\":\"added\",\"grid_size\":");
    ngs_out_u64(out, info.member_count);
    ngs_out_char(out, '}');
}

void ngs_grid_remove(ngs_request *request)
{
    ng_grid_id grid;
    ng_token_id token;
    if (grids_change(request, true, &grid, &token))
        ngs_reply_empty(request, 204);
}
