/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Collections: listed, made, looked at, emptied, dropped. Emptying and dropping take as long as there
 * are tokens, so they run on a worker. */
#include <stdio.h>
#include <stdlib.h>

#include "server_private.h"

static void collection_out(ngs_out *out, const ng_collection_info *info)
{
    ngs_out_text(out, "{\"name\":");
    ngs_out_string_z(out, info->name);
    ngs_out_text(out, ",\"token_count\":");
    ngs_out_u64(out, info->token_count);
    ngs_out_text(out, ",\"active_token_count\":");
    ngs_out_u64(out, info->active_token_count);
    ngs_out_char(out, '}');
}

/* All of them, in memory of the caller's to free; false: replied. */
static bool collection_fetch(ngs_request *request, ng_collection_info **out, size_t *count)
{
    const ng_store *store = request->server->store;
    size_t capacity = 0;
    ng_status status;
    *out = NULL;
    request->settles = true;
    for (*count = 1; *count > capacity;) { /* more may be made between two calls */
        capacity = *count + 16;
        free(*out);
        *out = malloc(capacity * sizeof **out);
        if (*out == NULL) {
            ngs_reply_status_text(request, NG_E_NOMEM, "no memory for a list of collections");
            return false;
        }
        status = ng_collection_list(store, *out, capacity, count);
        if (status != NG_OK) {
            ngs_reply_status(request, status);
            free(*out);
            return false;
        }
    }
    return true;
}

void ngs_collection_list(ngs_request *request)
{
    ng_collection_info *list;
    size_t count;
    if (!collection_fetch(request, &list, &count))
        return;
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"collections\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            ngs_out_char(out, ',');
        collection_out(out, &list[i]);
    }
    ngs_out_text(out, "],\"total\":");
    ngs_out_u64(out, count);
    ngs_out_char(out, '}');
    free(list);
}

/* Replies with what is now called so. */
static void collection_reply(ngs_request *request, int http_status, const char *name)
{
    ng_collection_info info = {0};
    const ng_store *store = request->server->store;
    ng_status status = ng_collection_find(store, name, &info.id);
    request->settles = true;
    if (status == NG_OK)
        status = ng_collection_get(store, info.id, info.name, &info.token_count);
    if (status == NG_OK)
        status = ng_token_count(store, info.id, true, &info.active_token_count);
    if (status == NG_E_NOT_FOUND)
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Collection \"%.64s\" not found",
                        name);
    else if (status != NG_OK)
        ngs_reply_status(request, status);
    else
        collection_out(ngs_reply_data(request, http_status), &info);
}

void ngs_collection_get(ngs_request *request)
{
    collection_reply(request, 200, request->id_text);
}

/* Reads {"name": "..."}; false: replied. */
static bool collection_read_name(ngs_request *request, char name[66])
{
    ngs_json_parser *parser;
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key, *text;
    size_t key_count, count;
    bool given = false;
    if (!ngs_body_open(request, &parser, &walk))
        return false;
    while (ngs_json_next(&walk, &key, &key_count, &value)) {
        if (key_count != 4 || memcmp(key, "name", 4) != 0 || given) {
            ngs_unknown_field(request, key, key_count, given && key_count == 4);
            continue;
        }
        given = true;
        if (!ngs_read_string(request, value, "body.name", &text, &count))
            continue;
        if (count > 65 || memchr(text, '\0', count) != NULL)
            count = 0; /* neither can be a name, and an empty one is refused */
        memcpy(name, text, count);
        name[count] = '\0';
    }
    if (!given)
        ngs_problem(request, "body.name", "missing", "the name of the collection is required");
    ngs_parser_give(request->server, parser);
    return !ngs_problems_reply(request);
}

void ngs_collection_create(ngs_request *request)
{
    char name[66] = "";
    ng_write_options write = ngs_token_write(request);
    ng_collection_id id;
    ng_seq seq = 0;
    if (!collection_read_name(request, name))
        return;
    write.seq = &seq;
    ng_status status = ng_collection_create(request->server->store, name, &write, &id);
    if (status == NG_E_INVALID) {
        ngs_problem(request, "body.name", "value_error", "%s", ng_last_error());
        ngs_problems_reply(request);
    } else if (status != NG_OK) {
        ngs_reply_status(request, status);
    } else {
        collection_reply(request, seq != 0 ? 201 : 200, name);
    }
}

void ngs_collection_drop(ngs_request *request)
{
    const ng_write_options write = ngs_token_write(request);
    ng_store *store = request->server->store;
    ng_collection_id id;
    uint64_t deleted = 0;
    const ngs_param name = {.name = "collection", .value = request->id_text};
    if (!ngs_param_collection(request, &name, false, &id))
        return;
    ng_status status = ng_collection_drop(store, id, &write, &deleted);
    request->settles = true;
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"name\":");
    ngs_out_string_z(out, request->id_text);
    ngs_out_text(out, ",\"deleted\":");
    ngs_out_u64(out, deleted);
    ngs_out_char(out, '}');
}

void ngs_token_clear(ngs_request *request)
{
    const ng_write_options write = ngs_token_write(request);
    const ngs_param *collection = NULL;
    ng_collection_id id;
    uint64_t deleted = 0;
    char message[64];
    for (size_t i = 0; i < request->param_count; i++) {
        if (strcmp(request->params[i].name, "collection") == 0)
            collection = &request->params[i];
        else
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        request->params[i].name);
    }
    if (ngs_problems_reply(request) || !ngs_param_collection(request, collection, false, &id))
        return;
    ng_status status = ng_collection_clear(request->server->store, id, &write, &deleted);
    request->settles = true;
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    snprintf(message, sizeof message, "%llu tokens deleted", (unsigned long long)deleted);
    ngs_out_text(out, "{\"cleared\":");
    ngs_out_u64(out, deleted);
    ngs_out_text(out, ",\"message\":");
    ngs_out_string_z(out, message);
    ngs_out_char(out, '}');
}
