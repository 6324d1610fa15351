/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens found by what they are and have, and the fields of payloads by which they are found. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "server_private.h"

#define SEARCH_TAGS_MAX 32
#define SEARCH_INDEXES_MAX 32

static const char *const index_types[] = {"keyword", "integer", "float", "time"};

typedef struct search_request {
    ng_text tags[3][SEARCH_TAGS_MAX]; /* all, any, none */
    ng_filter filter;
    ng_token_search_options options;
    uint64_t limit;
} search_request;

static void search_refuse(ngs_request *request, const ngs_param *param, const char *wanted)
{
    char field[64];
    snprintf(field, sizeof field, "query.%.32s", param->name);
    ngs_problem(request, field, "value_error", "\"%.64s\" is not %s", param->value, wanted);
}

/* "a,b": a tag cannot be given that has a comma in it. */
static size_t search_tags(ngs_request *request, const ngs_param *param, ng_text *out)
{
    size_t count = 0;
    for (const char *at = param->value; *at != '\0'; at += *at == ',') {
        size_t bytes = strcspn(at, ",");
        if (count == SEARCH_TAGS_MAX) {
            search_refuse(request, param, "a list of at most 32 tags");
            break;
        }
        out[count++] = (ng_text){at, bytes};
        at += bytes;
    }
    return count;
}

static void search_weight(ngs_request *request, const ngs_param *param, ng_filter *filter,
                          float *bound)
{
    char *end;
    errno = 0;
    if (!filter->by_weight)
        filter->weight_max = 1e6f;
    filter->by_weight = true;
    *bound = strtof(param->value, &end);
    if (errno != 0 || end == param->value || *end != '\0')
        search_refuse(request, param, "a number");
}

/* A name or a number. */
static void search_entity(ngs_request *request, const ngs_param *param, ng_filter *filter)
{
    for (unsigned entity = 0; entity < 16; entity++) {
        char number[4];
        const char *name = ng_entity_name((ng_entity)entity);
        snprintf(number, sizeof number, "%u", entity);
        if ((name != NULL && strcasecmp(name, param->value) == 0) ||
            strcmp(number, param->value) == 0) {
            filter->entities = (uint16_t)(1u << entity);
            return;
        }
    }
    search_refuse(request, param, "an entity type: 0..15, or a name such as concept");
}

static void search_space(ngs_request *request, const ngs_param *param, ng_filter *filter)
{
    ng_space space;
    if (ng_space_parse(param->value, &space) == NG_OK)
        filter->spaces_all = (uint8_t)(1u << space);
    else
        search_refuse(request, param, "a space, such as L1 or physical");
}

static void search_created(ngs_request *request, const ngs_param *param, uint32_t *bound)
{
    uint64_t seconds = 0;
    ngs_read_param(request, param, 0, UINT32_MAX, &seconds);
    *bound = (uint32_t)seconds;
}

/* The parameters that narrow the search; false if it is none of them. */
static bool search_filter_param(ngs_request *request, const ngs_param *param,
                                search_request *search)
{
    ng_filter *filter = &search->filter;
    if (strcmp(param->name, "tags") == 0)
        filter->tags_all_count = search_tags(request, param, search->tags[0]);
    else if (strcmp(param->name, "any_tags") == 0)
        filter->tags_any_count = search_tags(request, param, search->tags[1]);
    else if (strcmp(param->name, "without_tags") == 0)
        filter->tags_none_count = search_tags(request, param, search->tags[2]);
    else if (strcmp(param->name, "entity_type") == 0)
        search_entity(request, param, filter);
    else if (strcmp(param->name, "min_weight") == 0)
        search_weight(request, param, filter, &filter->weight_min);
    else if (strcmp(param->name, "max_weight") == 0)
        search_weight(request, param, filter, &filter->weight_max);
    else if (strcmp(param->name, "created_from") == 0)
        search_created(request, param, &filter->created_min);
    else if (strcmp(param->name, "created_to") == 0)
        search_created(request, param, &filter->created_max);
    else if (strcmp(param->name, "space") == 0)
        search_space(request, param, filter);
    else
        return false;
    return true;
}

/* Reads the parameters; false: replied. */
static bool search_read(ngs_request *request, search_request *search)
{
    const ngs_param *collection = NULL;
    ng_filter *filter = &search->filter;
    *search = (search_request){.filter = {.struct_size = sizeof *filter},
                               .options = {.struct_size = sizeof search->options},
                               .limit = NGS_PAGE_DEFAULT};
    for (size_t i = 0; i < request->param_count; i++) {
        const ngs_param *param = &request->params[i];
        if (search_filter_param(request, param, search))
            continue;
        if (strcmp(param->name, "limit") == 0) {
            ngs_read_param(request, param, 1, NGS_PAGE_MAX, &search->limit);
        } else if (strcmp(param->name, "after") == 0) {
            ngs_read_param(request, param, 0, UINT32_MAX, &search->options.after);
        } else if (strcmp(param->name, "prefix") == 0) {
            search->options.prefix = param->value;
            search->options.prefix_bytes = strlen(param->value);
        } else if (strcmp(param->name, "collection") == 0) {
            collection = param;
        } else {
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        param->name);
        }
    }
    if (ngs_problems_reply(request))
        return false;
    filter->by_collection = collection != NULL && strcmp(collection->value, "*") != 0;
    filter->tags_all = search->tags[0];
    filter->tags_any = search->tags[1];
    filter->tags_none = search->tags[2];
    search->options.filter = filter;
    return !filter->by_collection ||
           ngs_param_collection(request, collection, false, &filter->collection);
}

void ngs_token_search(ngs_request *request)
{
    ng_token_id ids[NGS_PAGE_MAX];
    search_request search;
    size_t count = 0;
    uint64_t total = 0;
    request->settles = true;
    if (!search_read(request, &search))
        return;
    ng_status status = ng_token_search(request->server->store, &search.options, ids,
                                       (size_t)search.limit, &count, &total);
    if (status == NG_E_INVALID)
        ngs_problem(request, "query", "value_error", "%s", ng_last_error());
    else if (status != NG_OK)
        ngs_reply_status(request, status);
    if (ngs_problems_reply(request) || status != NG_OK)
        return;
    ngs_out *out = ngs_reply_data(request, 200);
    bool first = true;
    ngs_out_text(out, "{\"tokens\":[");
    for (size_t i = 0; i < count; i++) {
        ng_token_info info;
        if (ng_token_get(request->server->store, ids[i], &info) != NG_OK)
            continue; /* deleted since it was found */
        if (!first)
            ngs_out_char(out, ',');
        first = false;
        (void)ngs_token_out(request, out, ids[i]);
    }
    ngs_out_text(out, "],\"total\":");
    ngs_out_u64(out, total);
    ngs_out_text(out, ",\"limit\":");
    ngs_out_u64(out, search.limit);
    ngs_out_text(out, ",\"next_after\":");
    if (count == search.limit)
        ngs_out_u64(out, ids[count - 1]);
    else
        ngs_out_text(out, "null");
    ngs_out_char(out, '}');
}

/* ------------------------------------------------------------------------------------- indexes */

static void index_out(ngs_out *out, const ng_index_info *info)
{
    ngs_out_text(out, "{\"name\":");
    ngs_out_string_z(out, info->name);
    ngs_out_text(out, ",\"path\":");
    ngs_out_string_z(out, info->path);
    ngs_out_text(out, ",\"type\":");
    ngs_out_string_z(out, index_types[info->type - 1]);
    ngs_out_text(out, ",\"values\":");
    ngs_out_u64(out, info->count);
    ngs_out_char(out, '}');
}

static void index_reply(ngs_request *request, int http_status)
{
    ng_index_info infos[SEARCH_INDEXES_MAX];
    size_t count = 0;
    ng_status status = ng_index_list(request->server->store, infos, SEARCH_INDEXES_MAX, &count);
    request->settles = true;
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, http_status);
    ngs_out_text(out, "{\"indexes\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            ngs_out_char(out, ',');
        index_out(out, &infos[i]);
    }
    ngs_out_text(out, "]}");
}

void ngs_index_list(ngs_request *request)
{
    index_reply(request, 200);
}

typedef struct index_body {
    char texts[3][258]; /* name, path, type */
    unsigned seen;      /* a bit each */
} index_body;

/* Reads {"name": "...", "path": "...", "type": "..."}; false: replied. */
static bool index_read(ngs_request *request, index_body *body)
{
    static const char *const names[] = {"name", "path", "type"};
    ngs_json_parser *parser;
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key, *text;
    size_t key_count, count;
    if (!ngs_body_open(request, &parser, &walk))
        return false;
    while (ngs_json_next(&walk, &key, &key_count, &value)) {
        char field[16];
        unsigned at = 0;
        while (at < 3 && (strlen(names[at]) != key_count || memcmp(names[at], key, key_count) != 0))
            at++;
        if (at == 3 || (body->seen & 1u << at) != 0) {
            ngs_unknown_field(request, key, key_count, at < 3);
            continue;
        }
        body->seen |= 1u << at;
        snprintf(field, sizeof field, "body.%s", names[at]);
        if (!ngs_read_string(request, value, field, &text, &count))
            continue;
        if (count >= sizeof body->texts[at] || memchr(text, '\0', count) != NULL)
            count = 0; /* neither can be one, and an empty one is refused */
        memcpy(body->texts[at], text, count);
        body->texts[at][count] = '\0';
    }
    if ((body->seen & 1) == 0)
        ngs_problem(request, "body.name", "missing", "the name of the index is required");
    if ((body->seen & 4) == 0)
        ngs_problem(request, "body.type", "missing", "the type of the values is required");
    ngs_parser_give(request->server, parser);
    return !ngs_problems_reply(request);
}

void ngs_index_declare(ngs_request *request)
{
    index_body body = {0};
    ng_write_options write = ngs_token_write(request);
    ng_seq seq = 0;
    unsigned type = 0;
    write.seq = &seq;
    if (!index_read(request, &body))
        return;
    while (type < 4 && strcmp(index_types[type], body.texts[2]) != 0)
        type++;
    if (type == 4)
        ngs_problem(request, "body.type", "value_error",
                    "\"%.32s\" is not keyword, integer, float or time", body.texts[2]);
    if (ngs_problems_reply(request))
        return;
    const char *path = (body.seen & 2) != 0 ? body.texts[1] : body.texts[0];
    ng_status status = ng_index_declare(request->server->store, body.texts[0], path,
                                        (ng_index_type)(type + 1), &write);
    if (status == NG_E_INVALID) {
        ngs_problem(request, "body", "value_error", "%s", ng_last_error());
        ngs_problems_reply(request);
    } else if (status != NG_OK) {
        ngs_reply_status(request, status);
    } else {
        index_reply(request, seq != 0 ? 201 : 200);
    }
}

void ngs_index_drop(ngs_request *request)
{
    const ng_write_options write = ngs_token_write(request);
    ng_status status = ng_index_drop(request->server->store, request->id_text, &write);
    request->settles = true;
    if (status == NG_E_NOT_FOUND)
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Index \"%.64s\" not found",
                        request->id_text);
    else if (status != NG_OK)
        ngs_reply_status(request, status);
    else
        index_reply(request, 200);
}
