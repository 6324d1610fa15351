/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections by many: lists with filters, those of a token, between two tokens, and their types. */
#include <stdio.h>
#include <stdlib.h>

#include "server_connection.h"

#define LINK_BETWEEN_MAX (2 * NG_CONNECTION_TYPE_COUNT) /* every type in either direction */

/* ---------------------------------------------------------------------------------- parameters */

bool ngs_next_name(const char **list, char out[64])
{
    if (*list == NULL)
        return false;
    size_t count = strcspn(*list, ",");
    size_t kept = count < 63 ? count : 63;
    memcpy(out, *list, kept);
    out[kept] = '\0';
    *list = (*list)[count] == ',' ? *list + count + 1 : NULL;
    return true;
}

static void param_problem(ngs_request *request, const ngs_param *param, const char *text)
{
    char field[64];
    snprintf(field, sizeof field, "query.%.40s", param->name);
    ngs_problem(request, field, "value_error", "%s", text);
}

void ngs_read_param_types(ngs_request *request, const ngs_param *param, ng_type_set *out)
{
    char name[64];
    uint8_t type;
    for (const char *list = param->value; ngs_next_name(&list, name);) {
        if (ng_connection_type_parse(name, &type) != NG_OK)
            param_problem(request, param, ng_last_error());
        else
            out->bits[type >> 6] |= UINT64_C(1) << (type & 63);
    }
}

void ngs_read_param_categories(ngs_request *request, const ngs_param *param, uint16_t *out)
{
    char name[64];
    uint8_t category;
    for (const char *list = param->value; ngs_next_name(&list, name);) {
        if (ng_connection_category_parse(name, &category) != NG_OK)
            param_problem(request, param, ng_last_error());
        else
            *out |= (uint16_t)(1u << (category >> 4));
    }
}

static void read_mutabilities(ngs_request *request, const ngs_param *param, uint8_t *out)
{
    char name[64];
    ng_mutability mutability;
    for (const char *list = param->value; ngs_next_name(&list, name);) {
        if (ng_mutability_parse(name, &mutability) != NG_OK)
            param_problem(request, param, ng_last_error());
        else
            *out |= (uint8_t)(1u << (unsigned)mutability);
    }
}

/* Names of flags, each with "!" before it if the connection must not have it. */
static void read_flags(ngs_request *request, const ngs_param *param, ng_connection_filter *filter)
{
    char name[64];
    for (const char *list = param->value; ngs_next_name(&list, name);) {
        const char *flag = name[0] == '!' ? name + 1 : name;
        unsigned bit = 0;
        while (bit < 8 && strcmp(ngs_connection_flags[bit], flag) != 0)
            bit++;
        if (bit == 8)
            param_problem(request, param,
                          "flags are active, persistent, bidirectional, inhibitory, modified, "
                          "reinforced, decaying and user, with ! before one that must be absent");
        else if (name[0] == '!')
            filter->flags_none |= (uint8_t)(1u << bit);
        else
            filter->flags_all |= (uint8_t)(1u << bit);
    }
}

static void read_fraction(ngs_request *request, const ngs_param *param, double *out)
{
    char *end;
    char text[80];
    *out = strtod(param->value, &end);
    if (param->value[0] != '\0' && *end == '\0' && *out >= 0 && *out <= 1)
        return;
    snprintf(text, sizeof text, "a number in 0..1 is expected, not \"%.32s\"", param->value);
    param_problem(request, param, text);
}

static void read_collection(ngs_request *request, const ngs_param *param, bool *by,
                            ng_collection_id *out)
{
    *by = true;
    if (ng_collection_find(request->server->store, param->value, out) != NG_OK)
        param_problem(request, param, ng_last_error());
}

/* ---------------------------------------------------------------------------------------- list */

typedef struct link_page {
    ng_connection_list_options options;
    ng_connection_filter filter;
    uint64_t limit;
    bool is_filtered;
    bool wants_count;
} link_page;

/* What narrows the list; false: another parameter. */
static bool page_read_filter(ngs_request *request, const ngs_param *param, link_page *page)
{
    ng_connection_filter *filter = &page->filter;
    if (strcmp(param->name, "type") == 0) {
        ngs_read_param_types(request, param, &filter->types);
    } else if (strcmp(param->name, "category") == 0) {
        ngs_read_param_categories(request, param, &filter->categories);
    } else if (strcmp(param->name, "mutability") == 0) {
        read_mutabilities(request, param, &filter->mutabilities);
    } else if (strcmp(param->name, "flags") == 0) {
        read_flags(request, param, filter);
    } else if (strcmp(param->name, "confidence_min") == 0) {
        filter->by_confidence = true;
        read_fraction(request, param, &filter->confidence_min);
    } else if (strcmp(param->name, "confidence_max") == 0) {
        filter->by_confidence = true;
        read_fraction(request, param, &filter->confidence_max);
    } else if (strcmp(param->name, "source_collection") == 0) {
        read_collection(request, param, &filter->by_source, &filter->source_collection);
    } else if (strcmp(param->name, "target_collection") == 0) {
        read_collection(request, param, &filter->by_target, &filter->target_collection);
    } else {
        return false;
    }
    page->is_filtered = true;
    return true;
}

static bool page_read(ngs_request *request, link_page *page)
{
    *page = (link_page){.limit = NGS_PAGE_DEFAULT,
                        .options.struct_size = sizeof page->options,
                        .filter.struct_size = sizeof page->filter,
                        .filter.confidence_max = 1};
    for (size_t i = 0; i < request->param_count; i++) {
        const ngs_param *param = &request->params[i];
        if (page_read_filter(request, param, page))
            continue;
        if (strcmp(param->name, "limit") == 0)
            ngs_read_param(request, param, 1, NGS_PAGE_MAX, &page->limit);
        else if (strcmp(param->name, "offset") == 0)
            ngs_read_param(request, param, 0, UINT32_MAX, &page->options.offset);
        else if (strcmp(param->name, "after") == 0)
            ngs_read_param(request, param, 0, UINT64_MAX, &page->options.after);
        else if (strcmp(param->name, "count") == 0)
            ngs_read_param_bool(request, param, &page->wants_count);
        else
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        param->name);
    }
    if (request->problems.count == 0 && page->filter.confidence_min > page->filter.confidence_max)
        ngs_problem(request, "query.confidence_min", "value_error",
                    "confidence_min is above confidence_max");
    page->options.filter = &page->filter;
    return !ngs_problems_reply(request);
}

/* How many there are: known without a filter, counted if asked for, else not known. */
static ng_status page_total(ngs_request *request, const link_page *page, uint64_t *total,
                            bool *is_known)
{
    ng_info info;
    ng_connection_counts counts;
    *is_known = !page->is_filtered || page->wants_count;
    ng_status status = NG_OK;
    if (!page->is_filtered) {
        status = ng_store_info(request->server->store, &info);
        *total = status == NG_OK ? info.connection_count : 0;
    } else if (page->wants_count) {
        status = ng_connection_count(request->server->store, &page->filter, &counts);
        *total = status == NG_OK ? counts.total : 0;
    }
    return status;
}

static void page_out(ngs_out *out, const ng_store *store, const link_page *page,
                     const ng_connection_id *ids, const ng_connection *records, size_t count)
{
    ngs_out_text(out, "{\"connections\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            ngs_out_char(out, ',');
        ngs_connection_out(out, store, ids[i], &records[i]);
        ngs_out_char(out, '}');
    }
    ngs_out_text(out, "],\"limit\":");
    ngs_out_u64(out, page->limit);
    ngs_out_text(out, ",\"offset\":");
    ngs_out_u64(out, page->options.offset);
    ngs_out_text(out, ",\"next_after\":");
    if (count == page->limit)
        ngs_out_u64(out, ids[count - 1]);
    else
        ngs_out_text(out, "null");
}

void ngs_connection_list(ngs_request *request)
{
    const ng_store *store = request->server->store;
    ng_connection_id ids[NGS_PAGE_MAX];
    ng_connection records[NGS_PAGE_MAX];
    link_page page;
    size_t count = 0;
    uint64_t total = 0;
    bool is_known = false;
    request->settles = true;
    if (!page_read(request, &page))
        return;
    /* A filter may have to look at every connection to find a few. */
    if (!request->on_worker && (page.is_filtered || page.options.offset > NGS_OFFSET_ON_LOOP)) {
        request->wants_worker = true;
        return;
    }
    ng_status status =
        ng_connection_list(store, &page.options, ids, records, (size_t)page.limit, &count);
    if (status == NG_OK)
        status = page_total(request, &page, &total, &is_known);
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    page_out(out, store, &page, ids, records, count);
    ngs_out_text(out, ",\"total\":");
    if (is_known)
        ngs_out_u64(out, total);
    else
        ngs_out_text(out, "null");
    ngs_out_char(out, '}');
}

/* ----------------------------------------------------------------------------------- of a token */

typedef struct edge_page {
    ng_edge_options options;
    ng_edge after;
    uint64_t limit;
    const char *cursor;
} edge_page;

static void read_direction(ngs_request *request, const ngs_param *param, ng_direction *out)
{
    if (strcmp(param->value, "outgoing") == 0)
        *out = NG_OUTGOING;
    else if (strcmp(param->value, "incoming") == 0)
        *out = NG_INCOMING;
    else if (strcmp(param->value, "both") == 0)
        *out = NG_BOTH;
    else
        param_problem(request, param, "directions are outgoing, incoming and both");
}

/* A cursor is "out-ID" or "in-ID": the list that was being walked, and the last one of it. */
static void read_cursor(ngs_request *request, edge_page *page, ng_token_id token)
{
    char *end = NULL;
    bool incoming = strncmp(page->cursor, "in-", 3) == 0;
    bool outgoing = strncmp(page->cursor, "out-", 4) == 0;
    const char *digits = page->cursor + (incoming ? 3 : 4);
    if (incoming || outgoing)
        page->after.id = strtoull(digits, &end, 10);
    if (end == NULL || *end != '\0' || digits[0] < '0' || digits[0] > '9' || page->after.id == 0) {
        ngs_problem(request, "query.cursor", "value_error",
                    "\"%.32s\" is not what next_cursor of a page said", page->cursor);
        return;
    }
    *(outgoing ? &page->after.source : &page->after.target) = token;
    page->options.after = &page->after;
}

static bool edges_read(ngs_request *request, edge_page *page, ng_token_id token)
{
    *page =
        (edge_page){.limit = NGS_PAGE_DEFAULT, .options = {.struct_size = sizeof page->options}};
    for (size_t i = 0; i < request->param_count; i++) {
        const ngs_param *param = &request->params[i];
        if (strcmp(param->name, "direction") == 0)
            read_direction(request, param, &page->options.direction);
        else if (strcmp(param->name, "both_ways") == 0)
            ngs_read_param_bool(request, param, &page->options.both_ways);
        else if (strcmp(param->name, "type") == 0)
            ngs_read_param_types(request, param, &page->options.types);
        else if (strcmp(param->name, "category") == 0)
            ngs_read_param_categories(request, param, &page->options.categories);
        else if (strcmp(param->name, "limit") == 0)
            ngs_read_param(request, param, 1, NGS_PAGE_MAX, &page->limit);
        else if (strcmp(param->name, "cursor") == 0)
            page->cursor = param->value;
        else
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        param->name);
    }
    if (page->cursor != NULL)
        read_cursor(request, page, token);
    return !ngs_problems_reply(request);
}

/* Records of edges; one that has gone since has source 0. */
static ng_status edges_records(const ng_store *store, const ng_edge *edges, size_t count,
                               ng_connection *records)
{
    ng_connection_id ids[LINK_BETWEEN_MAX];
    for (size_t i = 0; i < count; i++)
        ids[i] = edges[i].id;
    return count == 0 ? NG_OK : ng_connection_get_many(store, ids, count, records, NULL);
}

static void edge_out_label(ngs_out *out, const ng_store *store, ng_token_id id)
{
    char label[NGS_LABEL_BYTES_MAX + 1];
    size_t bytes = 0;
    if (ng_token_label(store, id, label, sizeof label, &bytes) == NG_OK && bytes > 0)
        ngs_out_string(out, label, bytes);
    else
        ngs_out_text(out, "null");
}

/* The edges that are still there. */
static void edges_out(ngs_out *out, const ng_store *store, ng_token_id token, const ng_edge *edges,
                      const ng_connection *records, size_t count)
{
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        bool outgoing = edges[i].source == token;
        if (records[i].source == 0)
            continue;
        if (!first)
            ngs_out_char(out, ',');
        first = false;
        ngs_connection_out(out, store, edges[i].id, &records[i]);
        ngs_out_text(out, outgoing ? ",\"direction\":\"outgoing\"" : ",\"direction\":\"incoming\"");
        ngs_out_text(out, outgoing ? ",\"target_label\":" : ",\"source_label\":");
        edge_out_label(out, store, outgoing ? edges[i].target : edges[i].source);
        ngs_out_char(out, '}');
    }
}

static void edges_fail(ngs_request *request, ng_status status, ng_token_id id)
{
    if (status == NG_E_NOT_FOUND || (status == NG_E_INVALID && id == 0))
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Token %08llX not found",
                        (unsigned long long)id);
    else
        ngs_reply_status(request, status);
}

void ngs_token_connections(ngs_request *request)
{
    const ng_store *store = request->server->store;
    ng_token_id token;
    edge_page page;
    ng_edge edges[NGS_PAGE_MAX];
    ng_connection records[NGS_PAGE_MAX];
    size_t left = 0;
    size_t total = 0;
    if (!ngs_path_id(request, "path.token_id", &token) || !edges_read(request, &page, token))
        return;
    ng_status status =
        ng_token_connections(store, token, &page.options, edges, (size_t)page.limit, &left);
    size_t count = left < page.limit ? left : (size_t)page.limit;
    page.options.after = NULL;
    if (status == NG_OK)
        status = ng_token_connections(store, token, &page.options, NULL, 0, &total);
    if (status == NG_OK)
        status = edges_records(store, edges, count, records);
    if (status != NG_OK) {
        edges_fail(request, status, token);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"token_id\":");
    ngs_out_u64(out, token);
    ngs_out_text(out, ",\"connections\":[");
    edges_out(out, store, token, edges, records, count);
    ngs_out_text(out, "],\"returned\":");
    ngs_out_u64(out, count);
    ngs_out_text(out, ",\"total\":");
    ngs_out_u64(out, total);
    ngs_out_text(out, ",\"limit\":");
    ngs_out_u64(out, page.limit);
    ngs_out_text(out, ",\"next_cursor\":");
    if (left > count) {
        ngs_out_text(out, edges[count - 1].source == token ? "\"out-" : "\"in-");
        ngs_out_u64(out, edges[count - 1].id);
        ngs_out_char(out, '"');
    } else {
        ngs_out_text(out, "null");
    }
    ngs_out_char(out, '}');
}

void ngs_connection_between(ngs_request *request)
{
    const ng_store *store = request->server->store;
    ng_token_id ends[2] = {0};
    unsigned given = 0;
    for (size_t i = 0; i < request->param_count; i++) {
        const ngs_param *param = &request->params[i];
        bool is_b = strcmp(param->name, "b") == 0;
        if (!is_b && strcmp(param->name, "a") != 0) {
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        param->name);
            continue;
        }
        ngs_read_param(request, param, 0, UINT64_MAX, &ends[is_b]);
        given |= 1u << is_b;
    }
    for (unsigned i = 0; i < 2; i++)
        if ((given >> i & 1) == 0)
            ngs_problem(request, i == 0 ? "query.a" : "query.b", "missing", "a token is required");
    if (ngs_problems_reply(request))
        return;
    ng_edge edges[LINK_BETWEEN_MAX];
    ng_connection records[LINK_BETWEEN_MAX];
    size_t count = 0;
    request->settles = true;
    ng_status status =
        ng_connections_between(store, ends[0], ends[1], edges, LINK_BETWEEN_MAX, &count);
    if (count > LINK_BETWEEN_MAX)
        count = LINK_BETWEEN_MAX;
    if (status == NG_OK)
        status = edges_records(store, edges, count, records);
    if (status != NG_OK) {
        ng_token record;
        bool is_first = ng_token_read(store, ends[0], &record) != NG_OK;
        edges_fail(request, status, ends[is_first ? 0 : 1]);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"a\":");
    ngs_out_u64(out, ends[0]);
    ngs_out_text(out, ",\"b\":");
    ngs_out_u64(out, ends[1]);
    ngs_out_text(out, ",\"connections\":[");
    edges_out(out, store, ends[0], edges, records, count);
    ngs_out_text(out, "],\"total\":");
    ngs_out_u64(out, count);
    ngs_out_char(out, '}');
}

/* --------------------------------------------------------------------------------------- types */

void ngs_connection_types(ngs_request *request)
{
    bool wants_count = false;
    ng_connection_counts counts = {0};
    for (size_t i = 0; i < request->param_count; i++) {
        if (strcmp(request->params[i].name, "count") == 0)
            ngs_read_param_bool(request, &request->params[i], &wants_count);
        else
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        request->params[i].name);
    }
    if (ngs_problems_reply(request))
        return;
    if (wants_count && !request->on_worker) {
        request->wants_worker = true;
        return;
    }
    request->settles = wants_count;
    ng_status status =
        wants_count ? ng_connection_count(request->server->store, NULL, &counts) : NG_OK;
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    for (unsigned type = 0; type < NG_CONNECTION_TYPE_COUNT; type++) {
        ngs_out_text(out, type == 0 ? "{\"types\":[{\"type_code\":" : ",{\"type_code\":");
        ngs_out_u64(out, type);
        ngs_out_text(out, ",\"name\":");
        ngs_out_string_z(out, ng_connection_type_name((uint8_t)type));
        ngs_out_text(out, ",\"category\":");
        ngs_out_string_z(out, ng_connection_category_name((uint8_t)type));
        ngs_out_text(out, ",\"mutability\":");
        ngs_out_string_z(out, ng_mutability_name(ng_connection_type_mutability((uint8_t)type)));
        ngs_out_text(out, ",\"count\":");
        if (wants_count)
            ngs_out_u64(out, counts.by_type[type]);
        else
            ngs_out_text(out, "null");
        ngs_out_char(out, '}');
    }
    ngs_out_text(out, "],\"total\":");
    ngs_out_u64(out, NG_CONNECTION_TYPE_COUNT);
    ngs_out_char(out, '}');
}
