/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `connections`: a list with filters, or how many there are of each type.
 *
 * Invariants
 *   1. Memory is bounded by one page in a pipe, by --limit on a terminal.
 */
#include "cli_edge.h"
#include "cli_link_fields.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_PAGE 1000u
#define CONNECTIONS_TERMINAL_DEFAULT 20u

enum {
    CONNECTIONS_CATEGORY = CLI_OPTION_FIRST,
    CONNECTIONS_MUTABILITY,
    CONNECTIONS_FLAGS,
    CONNECTIONS_MIN,
    CONNECTIONS_MAX,
    CONNECTIONS_SOURCE,
    CONNECTIONS_TARGET,
    CONNECTIONS_AFTER,
    CONNECTIONS_OFFSET,
    CONNECTIONS_COUNT
};

typedef struct connections_request {
    ng_connection_filter filter;
    ng_connection_list_options options;
    const char *source, *target; /* collections; NULL = any */
    uint64_t limit;
    bool counts;
} connections_request;

static const cli_column connections_columns[] = {
    {"id", true},          {"source", false},    {"type", false}, {"target", false},
    {"mutability", false}, {"confidence", true}, {"pull", true},  {"flags", false},
};

#define CONNECTIONS_COLUMNS (sizeof connections_columns / sizeof connections_columns[0])

/* ---- options ---- */

static bool connections_name(const cli_args *args, ng_status status)
{
    if (status != NG_OK)
        cli_fail(args->context, CLI_USAGE, "--%s: %s", args->name, ng_last_error());
    return status == NG_OK;
}

static bool connections_types(const cli_args *args, ng_type_set *out)
{
    char name[64];
    uint8_t type;

    for (const char *list = args->value; cli_next_name(&list, name);) {
        if (!connections_name(args, ng_connection_type_parse(name, &type)))
            return false;
        out->bits[type >> 6] |= UINT64_C(1) << (type & 63);
    }
    return true;
}

static bool connections_categories(const cli_args *args, uint16_t *out)
{
    char name[64];
    uint8_t first;

    for (const char *list = args->value; cli_next_name(&list, name);) {
        if (!connections_name(args, ng_connection_category_parse(name, &first)))
            return false;
        *out = (uint16_t)(*out | 1u << (first >> 4));
    }
    return true;
}

static bool connections_mutabilities(const cli_args *args, uint8_t *out)
{
    char name[64];
    ng_mutability mutability;

    for (const char *list = args->value; cli_next_name(&list, name);) {
        if (!connections_name(args, ng_mutability_parse(name, &mutability)))
            return false;
        *out = (uint8_t)(*out | 1u << (unsigned)mutability);
    }
    return true;
}

static bool connections_option(const cli_args *args, int option, connections_request *request)
{
    ng_connection_filter *filter = &request->filter;

    switch (option) {
    case 't':
        return connections_types(args, &filter->types);
    case CONNECTIONS_CATEGORY:
        return connections_categories(args, &filter->categories);
    case CONNECTIONS_MUTABILITY:
        return connections_mutabilities(args, &filter->mutabilities);
    case CONNECTIONS_FLAGS:
        return cli_link_flags_parse(args, &filter->flags_all, &filter->flags_none);
    case CONNECTIONS_MIN:
        filter->by_confidence = true;
        return cli_parse_double(args, &filter->confidence_min);
    case CONNECTIONS_MAX:
        filter->by_confidence = true;
        return cli_parse_double(args, &filter->confidence_max);
    case CONNECTIONS_SOURCE:
        request->source = args->value;
        return true;
    case CONNECTIONS_TARGET:
        request->target = args->value;
        return true;
    case CONNECTIONS_AFTER:
        return cli_parse_u64(args, 0, UINT64_MAX, &request->options.after);
    case CONNECTIONS_OFFSET:
        return cli_parse_u64(args, 0, UINT64_MAX, &request->options.offset);
    case CONNECTIONS_COUNT:
        request->counts = true;
        return true;
    default:
        return cli_parse_u64(args, 1, UINT64_MAX, &request->limit);
    }
}

/* ---- list ---- */

static void connections_row(const cli_context *context, cli_table *table, ng_connection_id id,
                            const ng_connection *record)
{
    char source[CLI_LABEL_ROOM], target[CLI_LABEL_ROOM], type[CLI_TYPE_ROOM];
    char number[CLI_NUMBER_ROOM], flags[CLI_FLAGS_ROOM];
    const char *mutability = ng_mutability_name((ng_mutability)record->mutability);
    ng_connection_info info = {0};

    (void)!ng_connection_decode(context->store, id, record, 0, &info);
    cli_table_cell(table, "%" PRIu64, id);
    cli_table_cell(table, "%s", cli_token_name(context, record->source, source));
    cli_table_cell(table, "%s", cli_type_name(record->type, type));
    cli_table_cell(table, "%s", cli_token_name(context, record->target, target));
    cli_table_cell(table, "%s", mutability != NULL ? mutability : "unknown");
    cli_table_cell(table, "%s", cli_show_float((float)info.confidence_now, number));
    cli_table_cell(table, "%s", cli_show_float(record->pull_strength, number));
    cli_table_cell(table, "%s", cli_flags_text(record->flags, flags));
}

typedef struct connections_page {
    ng_connection_id *ids;
    ng_connection *records;
    cli_json json;
    cli_table table;
} connections_page;

static void connections_show(const cli_context *context, connections_page *page, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (context->json)
            cli_json_link(context, &page->json, NULL, page->ids[i], &page->records[i]);
        else
            connections_row(context, &page->table, page->ids[i], &page->records[i]);
    }
    if (!context->json && !context->terminal)
        cli_table_print(context, &page->table);
}

/* Lists page after page; `*next` receives the last id when there are more, otherwise 0. */
static int connections_pages(const cli_context *context, const connections_request *request,
                             connections_page *page, ng_connection_id *next)
{
    ng_connection_list_options options = request->options;
    uint64_t left = request->limit;

    *next = 0;
    for (;;) {
        size_t want = left < CONNECTIONS_PAGE ? (size_t)left : CONNECTIONS_PAGE, count = 0;
        /* One more than is shown tells whether there are more. */
        ng_status status = ng_connection_list(context->store, &options, page->ids, page->records,
                                              want + 1, &count);

        if (status != NG_OK)
            return cli_fail_status(context, status);
        connections_show(context, page, count < want ? count : want);
        if (count <= want)
            return CLI_OK;
        options.after = page->ids[want - 1];
        options.offset = 0;
        left -= want;
        if (left == 0) {
            *next = options.after;
            return CLI_OK;
        }
    }
}

static int connections_list(const cli_context *context, const connections_request *request)
{
    connections_page page = {0};
    ng_connection_id next;
    int code;

    page.ids = cli_allocate(CONNECTIONS_PAGE + 1, sizeof *page.ids);
    page.records = cli_allocate(CONNECTIONS_PAGE + 1, sizeof *page.records);
    if (context->json) {
        cli_json_begin(&page.json, stdout);
        cli_json_object(&page.json, NULL);
        cli_json_array(&page.json, "connections");
    }
    cli_table_init(&page.table, connections_columns, CONNECTIONS_COLUMNS);
    code = connections_pages(context, request, &page, &next);
    if (code == CLI_OK && context->json) {
        cli_json_close(&page.json);
        if (next != 0)
            cli_json_u64(&page.json, "next", next);
        else
            cli_json_null(&page.json, "next");
        cli_json_close(&page.json);
        cli_json_end(&page.json);
    } else if (code == CLI_OK) {
        cli_table_print(context, &page.table);
        if (next != 0)
            cli_note(context, "there are more: --after %" PRIu64, next);
    }
    cli_table_release(&page.table);
    free(page.ids);
    free(page.records);
    return code;
}

/* ---- count ---- */

static void connections_count_json(const ng_connection_counts *counts)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_u64(&json, "total", counts->total);
    cli_json_u64(&json, "active", counts->active);
    cli_json_object(&json, "by_mutability");
    for (int i = 0; i < 3; i++)
        cli_json_u64(&json, ng_mutability_name((ng_mutability)i), counts->by_mutability[i]);
    cli_json_close(&json);
    cli_json_object(&json, "by_type");
    for (unsigned type = 0; type < NG_CONNECTION_TYPE_COUNT; type++)
        if (counts->by_type[type] > 0)
            cli_json_u64(&json, ng_connection_type_name((uint8_t)type), counts->by_type[type]);
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

static int connections_count(const cli_context *context, const connections_request *request)
{
    static const cli_column columns[] = {{"type", false}, {"category", false}, {"count", true}};
    char number[CLI_NUMBER_ROOM];
    ng_connection_counts counts;
    ng_status status = ng_connection_count(context->store, &request->filter, &counts);
    cli_table table;

    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (context->json) {
        connections_count_json(&counts);
        return CLI_OK;
    }
    cli_table_init(&table, columns, 3);
    for (unsigned type = 0; type < NG_CONNECTION_TYPE_COUNT; type++) {
        if (counts.by_type[type] == 0)
            continue;
        cli_table_cell(&table, "%s", ng_connection_type_name((uint8_t)type));
        cli_table_cell(&table, "%s", ng_connection_category_name((uint8_t)type));
        cli_table_cell(&table, "%s", cli_show_count(context, counts.by_type[type], number));
    }
    cli_table_cell(&table, "total");
    cli_table_cell(&table, "%s", "");
    cli_table_cell(&table, "%s", cli_show_count(context, counts.total, number));
    cli_table_print(context, &table);
    return CLI_OK;
}

/* ---- the command ---- */

static int connections_resolve(const cli_context *context, connections_request *request)
{
    ng_connection_filter *filter = &request->filter;
    int code = CLI_OK;

    filter->by_source = request->source != NULL;
    filter->by_target = request->target != NULL;
    if (filter->by_source)
        code = cli_collection_resolve(context, request->source, &filter->source_collection);
    if (code == CLI_OK && filter->by_target)
        code = cli_collection_resolve(context, request->target, &filter->target_collection);
    return code;
}

static int connections_run(cli_context *context, int argc, char **argv)
{
    connections_request request = {.filter = {.struct_size = sizeof request.filter},
                                   .options = {.struct_size = sizeof request.options}};
    cli_args args;
    int option, code;

    request.limit = context->terminal ? CONNECTIONS_TERMINAL_DEFAULT : UINT64_MAX;
    request.filter.confidence_max = 1;
    request.options.filter = &request.filter;
    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!connections_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_fail(context, CLI_USAGE, "unexpected argument '%s'", args.operands[0]);
    code = cli_store_open_reading(context);
    if (code == CLI_OK)
        code = connections_resolve(context, &request);
    if (code != CLI_OK)
        return code;
    return request.counts ? connections_count(context, &request)
                          : connections_list(context, &request);
}

static const cli_option connections_options[] = {
    {"type", 't', "TYPE,...", "of these types"},
    {"category", CONNECTIONS_CATEGORY, "NAME,...", "of these categories, such as Causal"},
    {"mutability", CONNECTIONS_MUTABILITY, "M,...", "immutable, learnable, hypothesis"},
    {"flags", CONNECTIONS_FLAGS, "FLAG,...", "with these flags; !FLAG = without it"},
    {"min-confidence", CONNECTIONS_MIN, "X", "with at least this confidence now, 0..1"},
    {"max-confidence", CONNECTIONS_MAX, "X", "with at most this confidence now, 0..1"},
    {"source-collection", CONNECTIONS_SOURCE, "NAME", "from tokens of this collection"},
    {"target-collection", CONNECTIONS_TARGET, "NAME", "to tokens of this collection"},
    {"limit", 'n', "N", "at most N; default 20 on a terminal, otherwise all"},
    {"after", CONNECTIONS_AFTER, "ID", "begin after this id"},
    {"offset", CONNECTIONS_OFFSET, "N", "pass over N of them"},
    {"count", CONNECTIONS_COUNT, NULL, "how many there are of each type instead"},
    {NULL, 0, NULL, NULL},
};

static const int connections_exits[] = {CLI_OK,   CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY, CLI_IO,
                                        CLI_DATA, -1};

const cli_command cli_command_connections = {
    .name = "connections",
    .arguments = "[OPTION]...",
    .summary = "List connections in the order of their ids",
    .description =
        "Shows id, source, type, target, mutability, confidence, pull strength and flags.\n"
        "The confidence is what is left of it now. An empty list is no error. Those of one\n"
        "token are shown by 'get --connections'.",
    .options = connections_options,
    .examples = "neurograph connections --type hypernym --limit 100\n"
                "neurograph connections --category Causal,Temporal --flags 'active,!user' --json\n"
                "neurograph connections --count",
    .exit_codes = connections_exits,
    .run = connections_run,
};
