/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `find`: tokens by what they are and have.
 *
 * Invariants
 *   1. Every condition is checked by the store while it searches; nothing is left out here.
 */
#include "cli_args.h"
#include "cli_filter.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIND_LIMIT_DEFAULT 20u
#define FIND_LIMIT_MAX 100000u
#define FIND_TAG_ROOM 2081

enum { FIND_PREFIX = CLI_OPTION_FIRST, FIND_COLLECTION, FIND_AFTER, FIND_TOTAL };

typedef struct find_request {
    const char *collection;
    cli_filter filter;
    uint64_t limit;
    bool total;
    ng_token_search_options search;
} find_request;

static bool find_option(const cli_args *args, int option, find_request *request)
{
    if (cli_filter_has(option))
        return cli_filter_option(args, option, &request->filter);
    switch (option) {
    case FIND_PREFIX:
        request->search.prefix = args->value;
        request->search.prefix_bytes = strlen(args->value);
        return true;
    case FIND_COLLECTION:
        request->collection = args->value;
        return true;
    case FIND_AFTER:
        return cli_parse_u64(args, 0, UINT64_MAX, &request->search.after);
    case FIND_TOTAL:
        request->total = true;
        return true;
    default:
        return cli_parse_u64(args, 1, FIND_LIMIT_MAX, &request->limit);
    }
}

/* --- rows ------------------------------------------------------------------------------------- */

static void find_row_json(const cli_context *context, cli_json *json, const ng_token_info *info,
                          const char *tags, size_t tag_bytes)
{
    char label[CLI_LABEL_ROOM], collection[65];

    cli_json_object(json, NULL);
    cli_json_u64(json, "id", info->id);
    cli_json_text(json, "label", cli_token_label(context, info->id, label));
    cli_json_text(json, "collection", cli_collection_name(context, info->collection, collection));
    cli_json_array(json, "tags");
    for (size_t at = 0; at < tag_bytes; at += strlen(tags + at) + 1)
        cli_json_text(json, NULL, tags + at);
    cli_json_close(json);
    cli_json_close(json);
}

static void find_row_text(const cli_context *context, cli_table *table, const ng_token_info *info,
                          char *tags, size_t tag_bytes)
{
    char label[CLI_LABEL_ROOM], collection[65];

    if (cli_token_label(context, info->id, label) == NULL)
        label[0] = '\0';
    for (size_t i = 0; i + 1 < tag_bytes; i++)
        if (tags[i] == '\0')
            tags[i] = ' ';
    cli_table_cell(table, "%" PRIu64, info->id);
    cli_table_cell(table, "%s", label);
    cli_table_cell(table, "%s", cli_collection_name(context, info->collection, collection));
    cli_table_cell(table, "%s", tag_bytes > 0 ? tags : "");
}

static int find_rows(const cli_context *context, const ng_token_id *ids, size_t count,
                     cli_json *json, cli_table *table)
{
    for (size_t i = 0; i < count; i++) {
        char tags[FIND_TAG_ROOM];
        size_t tag_bytes = 0;
        ng_token_info info;
        ng_status status = ng_token_get(context->store, ids[i], &info);

        if (status == NG_OK)
            status = ng_token_tags(context->store, ids[i], tags, sizeof tags, &tag_bytes);
        if (status != NG_OK)
            return cli_fail_status(context, status);
        if (context->json)
            find_row_json(context, json, &info, tags, tag_bytes);
        else
            find_row_text(context, table, &info, tags, tag_bytes);
    }
    return CLI_OK;
}

static int find_print(const cli_context *context, const find_request *request,
                      const ng_token_id *ids, size_t count, uint64_t total)
{
    static const cli_column columns[] = {{"id", true},
                                         {"label", false},
                                         {"collection", false},
                                         {"tags", false}};
    cli_table table;
    cli_json json;
    int code;

    cli_table_init(&table, columns, sizeof columns / sizeof columns[0]);
    if (context->json) {
        cli_json_begin(&json, stdout);
        cli_json_object(&json, NULL);
        cli_json_array(&json, "tokens");
    }
    code = find_rows(context, ids, count, &json, &table);
    if (code != CLI_OK) {
        cli_table_release(&table);
        return code;
    }
    if (context->json) {
        cli_json_close(&json);
        if (request->total)
            cli_json_u64(&json, "total", total);
        else
            cli_json_null(&json, "total");
        if (count == request->limit)
            cli_json_u64(&json, "next", ids[count - 1]);
        else
            cli_json_null(&json, "next");
        cli_json_close(&json);
        cli_json_end(&json);
        return CLI_OK;
    }
    cli_table_print(context, &table);
    if (request->total)
        cli_note(context, "%" PRIu64 " in all", total);
    if (count == request->limit)
        cli_note(context, "there may be more: --after %" PRIu64, ids[count - 1]);
    return CLI_OK;
}

static int find_search(const cli_context *context, find_request *request)
{
    ng_filter *filter = &request->filter.filter;
    ng_token_id *ids;
    size_t count = 0;
    uint64_t total = 0;
    ng_status status;
    int code = cli_filter_finish(context, &request->filter);

    if (code == CLI_OK)
        code = cli_collection_resolve(context, request->collection, &filter->collection);
    if (code != CLI_OK)
        return code;
    filter->by_collection = request->collection != NULL;
    request->search.filter = filter;
    ids = cli_allocate((size_t)request->limit, sizeof *ids);
    status = ng_token_search(context->store, &request->search, ids, (size_t)request->limit, &count,
                             request->total ? &total : NULL);
    code = status == NG_OK ? find_print(context, request, ids, count, total)
                           : cli_fail_status(context, status);
    free(ids);
    return code;
}

static int find_run(cli_context *context, int argc, char **argv)
{
    find_request request = {.limit = FIND_LIMIT_DEFAULT,
                            .search = {.struct_size = sizeof request.search}};
    cli_args args;
    int option, code;

    cli_filter_init(&request.filter);
    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!find_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_fail(context, CLI_USAGE, "unexpected argument '%s'", args.operands[0]);
    code = cli_store_open_reading(context);
    return code == CLI_OK ? find_search(context, &request) : code;
}

static const cli_option find_options[] = {
    {"prefix", FIND_PREFIX, "TEXT", "the label begins with TEXT"},
    {"collection", FIND_COLLECTION, "NAME", "tokens of this collection; default all"},
    CLI_FILTER_ROWS,
    {"limit", 'n', "N", "at most N; default 20"},
    {"after", FIND_AFTER, "ID", "begin after this id"},
    {"total", FIND_TOTAL, NULL, "count all that fit"},
    {NULL, 0, NULL, NULL},
};

static const int find_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY, CLI_IO, CLI_DATA, -1};

const cli_command cli_command_find = {
    .name = "find",
    .arguments = "[OPTION]...",
    .summary = "Find tokens by label, tags, fields, type, weight, time and space",
    .description =
        "A token is shown if every condition holds; in the order of ids. Fields are those that\n"
        "'neurograph index' has declared; a VALUE of a time is in Unix seconds. Nothing found is\n"
        "no error.",
    .options = find_options,
    .examples = "neurograph find --prefix blue --tag cup\n"
                "neurograph find --where kind=fruit --where 'size>=10' --total\n"
                "neurograph find --entity concept --min-weight 0.5 --in physical",
    .exit_codes = find_exits,
    .run = find_run,
};
