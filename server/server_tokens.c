/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens: create, list, get, update, delete.
 *
 * Writes return when applied (NG_WRITE_NOWAIT); ngs_request_settle keeps the reply until the op is
 * on disk. Every reply describes the token as it is after the call, read back from the store. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server_private.h"

#define NGS_TAGS_ROOM 2081 /* all tags of a token with their NULs, and one more */

void ngs_out_coordinates(ngs_out *out, const ng_store *store, const ng_token *record, unsigned mask)
{
    char separator = '{';
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++) {
        float axes[NG_AXIS_COUNT];
        if ((mask & 1u << space) == 0)
            continue;
        ngs_out_raw(out, (char[]){separator, '"', 'L', (char)('1' + space), '"', ':'}, 6);
        separator = ',';
        if (!ng_token_coordinates(store, record, (ng_space)space, axes)) {
            ngs_out_raw(out, "null", 4);
            continue;
        }
        for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++) {
            ngs_out_char(out, axis == 0 ? '[' : ',');
            ngs_out_float(out, axes[axis]);
        }
        ngs_out_char(out, ']');
    }
    if (separator == '{')
        ngs_out_char(out, '{');
    ngs_out_char(out, '}');
}

static void token_out_member(ngs_out *out, const char *name, uint64_t value)
{
    ngs_out_text(out, name);
    ngs_out_u64(out, value);
}

static void token_out_float(ngs_out *out, const char *name, float value)
{
    ngs_out_text(out, name);
    ngs_out_float(out, value);
}

static void token_out_flag(ngs_out *out, const char *name, bool value)
{
    ngs_out_text(out, name);
    ngs_out_bool(out, value);
}

static void token_out_record(ngs_out *out, const ng_token_info *info)
{
    const ng_token *record = &info->record;
    char hex[32];
    int64_t age = (int64_t)time(NULL) - (int64_t)record->timestamp;
    snprintf(hex, sizeof hex, "0x%08llX", (unsigned long long)info->id);
    token_out_member(out, "{\"id\":", info->id);
    ngs_out_text(out, ",\"id_hex\":");
    ngs_out_string_z(out, hex);
    token_out_member(out, ",\"local_id\":", (uint32_t)info->id);
    token_out_member(out, ",\"entity_type\":",
                     (record->flags & NG_TOKEN_ENTITY_MASK) >> NG_TOKEN_ENTITY_SHIFT);
    ngs_out_text(out, ",\"domain\":0");
    token_out_float(out, ",\"weight\":", record->weight);
    /* The stored bytes are hundredths and 255ths, so the shortest text of each is short. */
    token_out_float(out, ",\"field_radius\":", (float)(record->field_radius / 100.0));
    token_out_float(out, ",\"field_strength\":", (float)(record->field_strength / 255.0));
    token_out_member(out, ",\"timestamp\":", record->timestamp);
    ngs_out_text(out, ",\"age_seconds\":");
    ngs_out_i64(out, age > 0 ? age : 0);
    token_out_flag(out, ",\"flags\":{\"active\":", (record->flags & NG_TOKEN_ACTIVE) != 0);
    token_out_flag(out, ",\"persistent\":", (record->flags & NG_TOKEN_PERSISTENT) != 0);
    ngs_out_text(out, "},\"coordinates\":");
}

static void token_out_label(ngs_out *out, const ng_store *store, ng_token_id id)
{
    char label[NGS_LABEL_BYTES_MAX + 1];
    size_t bytes = 0;
    if (ng_token_label(store, id, label, sizeof label, &bytes) == NG_OK && bytes > 0)
        ngs_out_string(out, label, bytes);
    else
        ngs_out_text(out, "null");
}

static void token_out_tags(ngs_out *out, const ng_store *store, const ng_token_info *info)
{
    char tags[NGS_TAGS_ROOM];
    size_t bytes = 0;
    ngs_out_char(out, '[');
    if (info->tag_count > 0 && ng_token_tags(store, info->id, tags, sizeof tags, &bytes) != NG_OK)
        bytes = 0;
    for (size_t at = 0; at < bytes; at += strlen(tags + at) + 1) {
        if (at > 0)
            ngs_out_char(out, ',');
        ngs_out_string_z(out, tags + at);
    }
    ngs_out_char(out, ']');
}

static void token_out_data(ngs_out *out, const ng_store *store, const ng_token_info *info)
{
    size_t bytes = 0, capacity = (size_t)info->data_bytes + 1;
    char *data = info->data_bytes > 0 ? malloc(capacity) : NULL;
    if (data != NULL && ng_token_data(store, info->id, data, capacity, &bytes) == NG_OK &&
        bytes > 0 && bytes < capacity)
        ngs_out_string(out, data, bytes);
    else
        ngs_out_text(out, "null"); /* none, or it was replaced by a longer one just now */
    free(data);
}

static void token_out_attributes(ngs_out *out, const ng_store *store, const ng_token_info *info)
{
    ngs_out_text(out, ",\"tags\":");
    token_out_tags(out, store, info);
    ngs_out_text(out, ",\"data\":");
    token_out_data(out, store, info);
    ngs_out_text(out, ",\"expires_at\":");
    if (info->expires_us != 0)
        ngs_out_time(out, info->expires_us);
    else
        ngs_out_text(out, "null");
}

/* The names of the fields in which it has a vector; one that was dropped just now has none. */
static void token_out_fields(ngs_out *out, const ng_store *store, const ng_token_info *info)
{
    bool first = true;
    ngs_out_text(out, ",\"vector_fields\":[");
    for (unsigned left = info->vector_fields; left != 0; left &= left - 1) {
        ng_vector_field_info field;
        if (ng_vector_field_get(store, (ng_vector_field_id)__builtin_ctz(left), &field) != NG_OK)
            continue;
        if (!first)
            ngs_out_char(out, ',');
        first = false;
        ngs_out_string_z(out, field.name);
    }
    ngs_out_char(out, ']');
}

static void token_out(ngs_out *out, const ng_store *store, const ng_token_info *info)
{
    char collection[65];
    token_out_record(out, info);
    ngs_out_coordinates(out, store, &info->record, 0xFF);
    ngs_out_text(out, ",\"label\":");
    token_out_label(out, store, info->id);
    ngs_out_text(out, ",\"collection\":");
    if (ng_collection_get(store, info->collection, collection, NULL) == NG_OK)
        ngs_out_string_z(out, collection);
    else
        ngs_out_text(out, "null");
    token_out_member(out, ",\"version\":", info->version);
    ngs_out_text(out, ",\"updated_at\":");
    ngs_out_time(out, info->updated_us);
    token_out_attributes(out, store, info);
    token_out_flag(out, ",\"has_vector\":", info->has_vector);
    token_out_fields(out, store, info);
    token_out_member(out, ",\"out_degree\":", info->out_degree);
    token_out_member(out, ",\"in_degree\":", info->in_degree);
    ngs_out_char(out, '}');
}

bool ngs_token_out(ngs_request *request, ngs_out *out, ng_token_id id)
{
    ng_token_info info;
    if (ng_token_get(request->server->store, id, &info) != NG_OK)
        return false;
    token_out(out, request->server->store, &info);
    return true;
}

/* A call that takes nothing but an id failed: an id that no token can have is not found either. */
static void token_fail(ngs_request *request, ng_status status, ng_token_id id)
{
    if (status == NG_E_NOT_FOUND || status == NG_E_INVALID)
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Token %08llX not found",
                        (unsigned long long)id);
    else
        ngs_reply_status(request, status);
}

/* Replies with the token as it is now. */
static void token_reply(ngs_request *request, int http_status, ng_token_id id)
{
    ng_token_info info;
    ng_status status = ng_token_get(request->server->store, id, &info);
    if (status != NG_OK) {
        token_fail(request, status, id);
        return;
    }
    request->version = info.version;
    token_out(ngs_reply_data(request, http_status), request->server->store, &info);
}

/* The id in the path; false: replied. */
static bool token_id(ngs_request *request, ng_token_id *out)
{
    const char *text = request->id_text;
    const char *digits = *text == '-' ? text + 1 : text;
    size_t length = strspn(digits, "0123456789");
    errno = 0;
    unsigned long long value = strtoull(digits, NULL, 10);
    if (length == 0 || digits[length] != '\0')
        ngs_problem(request, "path.token_id", "type_error", "an integer is expected, not \"%.64s\"",
                    text);
    else if (errno != 0 || digits != text)
        ngs_problem(request, "path.token_id", "value_error", "%.32s is outside 1..2^64-1", text);
    *out = value;
    request->settles = true;
    return !ngs_problems_reply(request);
}

/* ----------------------------------------------------------------------------------- If-Match */

/* The token is not what If-Match expects: `info` is what it is, with id 0 if it is gone. */
static void match_refuse(ngs_request *request, const ng_token_info *info)
{
    ngs_out details = {0};
    if (info->id == 0) {
        ngs_reply_error(request, 412, "PRECONDITION_FAILED", NULL, "the token does not exist");
        return;
    }
    ngs_out_text(&details, "{\"token\":");
    token_out(&details, request->server->store, info);
    ngs_out_raw(&details, "}", 2); /* with its NUL */
    request->version = info->version;
    ngs_reply_error(request, 412, "PRECONDITION_FAILED", details.failed ? NULL : details.bytes,
                    "the token has version %u, which If-Match does not name", info->version);
    ngs_out_release(&details);
}

/* Whether the header names the version. A weak tag names none (RFC 9110, 13.1.1). Sets *wrong if it
 * is neither "*" nor a list of entity tags. */
static bool match_names(const char *text, uint32_t version, bool *wrong)
{
    char wanted[16];
    size_t wanted_bytes = (size_t)snprintf(wanted, sizeof wanted, "%u", version);
    bool found = false;
    *wrong = false;
    text += strspn(text, " \t");
    if (*text == '*' && text[1 + strspn(text + 1, " \t")] == '\0')
        return true;
    for (unsigned tags = 0; tags < NGS_TAGS_MAX; tags++) {
        bool weak = strncmp(text, "W/", 2) == 0;
        const char *tag = weak ? text + 3 : text + 1;
        if (text[weak ? 2 : 0] != '"')
            break;
        size_t bytes = strcspn(tag, "\"");
        if (tag[bytes] != '"')
            break;
        found |= !weak && bytes == wanted_bytes && memcmp(tag, wanted, bytes) == 0;
        text = tag + bytes + 1;
        text += strspn(text, " \t");
        if (*text == '\0')
            return found;
        if (*text != ',')
            break;
        text++;
        text += strspn(text, " \t");
    }
    *wrong = true;
    return false;
}

/* The version that the write may change, for if_version; 0 = any. False: replied. What happens to
 * the token after this is found by the write itself. */
static bool token_match(ngs_request *request, ng_token_id id, uint32_t *version)
{
    ng_token_info info;
    bool wrong;
    *version = 0;
    if (request->if_match == NULL)
        return true;
    ng_status status = ng_token_get(request->server->store, id, &info);
    if (status != NG_OK) {
        token_fail(request, status, id);
        return false;
    }
    if (match_names(request->if_match, info.version, &wrong)) {
        *version = info.version;
        return true;
    }
    if (wrong) {
        ngs_problem(
            request, "header.If-Match", "value_error",
            "\"%.64s\" is neither * nor at most %d versions such as \"3\" with their quotes",
            request->if_match, NGS_TAGS_MAX);
        ngs_problems_reply(request);
    } else {
        match_refuse(request, &info);
    }
    return false;
}

/* A write failed. */
static void token_write_fail(ngs_request *request, ng_status status, ng_token_id id)
{
    ng_conflict conflict;
    if (status == NG_E_NOT_FOUND)
        token_fail(request, status, id);
    else if (status == NG_E_CONFLICT && request->if_match != NULL && ng_last_conflict(&conflict))
        match_refuse(request, &conflict.token);
    else
        ngs_reply_status(request, status);
}

/* -------------------------------------------------------------------------------------- writes */

/* How the server writes. A store whose durability is not sync acknowledges at once by itself, and has
 * to be told by an ordinary write that there is something to sync. */
ng_write_options ngs_token_write(const ngs_request *request)
{
    return (ng_write_options){.struct_size = sizeof(ng_write_options),
                              .flags = request->server->relaxed ? 0 : NG_WRITE_NOWAIT};
}

void ngs_token_create(ngs_request *request)
{
    ngs_token_body body;
    ng_token_id id = 0;
    if (ngs_token_body_read(request, true, &body)) {
        const ng_write_options write = ngs_token_write(request);
        ngs_token_body_created(&body);
        request->settles = true;
        ng_status status = ng_token_create(request->server->store, &body.fields, &write, &id);
        if (status != NG_OK)
            ngs_reply_status(request, status);
        else
            token_reply(request, 201, id);
    }
    ngs_token_body_release(request, &body);
}

void ngs_token_get(ngs_request *request)
{
    ng_token_id id;
    if (token_id(request, &id))
        token_reply(request, 200, id);
}

static bool token_body_changes(const ng_token_fields *fields)
{
    return (fields->set | fields->spaces_set | fields->spaces_clear | fields->flags_set |
            fields->flags_clear) != 0;
}

void ngs_token_update(ngs_request *request)
{
    ngs_token_body body;
    ng_token_id id;
    ng_write_options write = ngs_token_write(request);
    if (!token_id(request, &id))
        return;
    if (ngs_token_body_read(request, false, &body) && token_match(request, id, &write.if_version)) {
        ng_status status = NG_OK;
        ngs_token_body_updated(&body);
        if (id != 0 && token_body_changes(&body.fields))
            status = ng_token_update(request->server->store, id, &body.fields, &write);
        if (status == NG_OK)
            token_reply(request, 200, id);
        else
            token_write_fail(request, status, id);
    }
    ngs_token_body_release(request, &body);
}

void ngs_token_delete(ngs_request *request)
{
    ng_token_id id;
    ng_write_options write = ngs_token_write(request);
    if (!token_id(request, &id) || !token_match(request, id, &write.if_version))
        return;
    ng_status status = ng_token_delete(request->server->store, id, &write);
    if (status == NG_E_INVALID) /* an id that no token can have is not found either */
        token_fail(request, status, id);
    else if (status != NG_OK)
        token_write_fail(request, status, id);
    else
        ngs_reply_empty(request, 204);
}

/* ---------------------------------------------------------------------------------------- list */

bool ngs_param_collection(ngs_request *request, const ngs_param *param, bool any,
                          ng_collection_id *out)
{
    *out = NG_COLLECTION_RUNTIME;
    if (param == NULL)
        return true;
    if (any && strcmp(param->value, "*") == 0) {
        *out = NG_COLLECTION_ANY;
        return true;
    }
    if (ng_collection_find(request->server->store, param->value, out) == NG_OK)
        return true;
    ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Collection \"%.64s\" not found",
                    param->value);
    return false;
}

typedef struct token_page {
    ng_page_options options;
    uint64_t limit;
    uint64_t total;
} token_page;

/* One of two words. */
static bool page_word(ngs_request *request, const ngs_param *param, const char *no, const char *yes)
{
    char field[64];
    bool is_yes = strcmp(param->value, yes) == 0;
    snprintf(field, sizeof field, "query.%.32s", param->name);
    if (!is_yes && strcmp(param->value, no) != 0)
        ngs_problem(request, field, "value_error", "\"%.32s\" is neither %s nor %s", param->value,
                    no, yes);
    return is_yes;
}

/* Reads the parameters; false: replied. */
static bool page_read(ngs_request *request, token_page *page)
{
    const ngs_param *collection = NULL;
    ng_page_options *options = &page->options;
    *page = (token_page){.options = {.struct_size = sizeof *options}, .limit = NGS_PAGE_DEFAULT};
    for (size_t i = 0; i < request->param_count; i++) {
        const ngs_param *param = &request->params[i];
        if (strcmp(param->name, "limit") == 0)
            ngs_read_param(request, param, 1, NGS_PAGE_MAX, &page->limit);
        else if (strcmp(param->name, "offset") == 0)
            ngs_read_param(request, param, 0, UINT32_MAX, &options->offset);
        else if (strcmp(param->name, "after") == 0)
            ngs_read_param(request, param, 0, UINT64_MAX, &options->after);
        else if (strcmp(param->name, "collection") == 0)
            collection = param;
        else if (strcmp(param->name, "active") == 0)
            options->active_only = page_word(request, param, "false", "true");
        else if (strcmp(param->name, "order") == 0)
            options->descending = page_word(request, param, "ascending", "descending");
        else
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        param->name);
    }
    if (ngs_problems_reply(request) ||
        !ngs_param_collection(request, collection, true, &options->collection))
        return false;
    ng_status status = ng_token_count(request->server->store, options->collection,
                                      options->active_only, &page->total);
    if (status != NG_OK)
        ngs_reply_status(request, status);
    return status == NG_OK;
}

void ngs_token_list(ngs_request *request)
{
    const ng_store *store = request->server->store;
    ng_token_id ids[NGS_PAGE_MAX];
    token_page page;
    size_t count = 0;
    request->settles = true;
    if (!page_read(request, &page))
        return;
    if (page.options.offset > NGS_OFFSET_ON_LOOP && !request->on_worker) {
        request->wants_worker = true;
        return;
    }
    ng_status status = ng_token_page(store, &page.options, ids, (size_t)page.limit, &count);
    if (status == NG_E_INVALID) /* the only argument that can be wrong here */
        ngs_problem(request, "query.after", "value_error", "%s", ng_last_error());
    else if (status != NG_OK)
        ngs_reply_status(request, status);
    if (ngs_problems_reply(request) || status != NG_OK)
        return;
    ngs_out *out = ngs_reply_data(request, 200);
    const char *separator = "{\"tokens\":[";
    ng_token_id last = 0;
    for (size_t i = 0; i < count; i++) {
        ng_token_info info;
        last = ids[i];
        if (ng_token_get(store, ids[i], &info) != NG_OK)
            continue; /* deleted since it was listed */
        ngs_out_text(out, separator);
        token_out(out, store, &info);
        separator = ",";
    }
    if (*separator == '{')
        ngs_out_text(out, separator);
    token_out_member(out, "],\"total\":", page.total);
    token_out_member(out, ",\"limit\":", page.limit);
    token_out_member(out, ",\"offset\":", page.options.offset);
    ngs_out_text(out, ",\"next_after\":");
    if (count == page.limit)
        ngs_out_u64(out, last);
    else
        ngs_out_text(out, "null");
    ngs_out_char(out, '}');
}
