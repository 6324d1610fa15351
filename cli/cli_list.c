/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `ls`.
 *
 * Invariants
 *   1. Memory is bounded by one page in a pipe, by --limit on a terminal.
 */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LIST_PAGE 1000u
#define LIST_TERMINAL_DEFAULT 20u

enum { LIST_COLLECTION = CLI_OPTION_FIRST, LIST_AFTER, LIST_OFFSET, LIST_ACTIVE, LIST_DESCENDING };

typedef struct list_request {
    const char *collection;
    ng_page_options page; /* of the first page */
    uint64_t limit;
} list_request;

/* Where the rows go: one of the two, by context->json. */
typedef struct list_sink {
    cli_json json;
    cli_table table;
} list_sink;

static const cli_column list_columns[] = {
    {"id", true},      {"label", false}, {"collection", false},
    {"entity", false}, {"weight", true}, {"spaces", false},
};

static const char *list_entity(const ng_token *record)
{
    const char *name = ng_entity_name(
        (ng_entity)((record->flags & NG_TOKEN_ENTITY_MASK) >> NG_TOKEN_ENTITY_SHIFT));

    return name != NULL ? name : "unknown";
}

static void list_text_spaces(const cli_context *context, const ng_token *record, char out[128])
{
    size_t used = 0;
    int count = 0;
    float at[NG_AXIS_COUNT];

    out[0] = '\0';
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        if (!ng_token_coordinates(context->store, record, (ng_space)space, at))
            continue;
        count++;
        used += (size_t)snprintf(out + used, 128 - used, "%s%s", used > 0 ? "," : "",
                                 ng_space_name((ng_space)space));
    }
    if (count == NG_SPACE_COUNT)
        snprintf(out, 128, "all");
}

static void list_row_json(const cli_context *context, cli_json *json, const ng_token_info *info)
{
    char label[CLI_LABEL_ROOM], collection[65];
    float at[NG_AXIS_COUNT];

    cli_json_object(json, NULL);
    cli_json_u64(json, "id", info->id);
    cli_json_text(json, "label", cli_token_label(context, info->id, label));
    cli_json_text(json, "collection", cli_collection_name(context, info->collection, collection));
    cli_json_text(json, "entity", list_entity(&info->record));
    cli_json_float(json, "weight", info->record.weight);
    cli_json_array(json, "spaces");
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        if (ng_token_coordinates(context->store, &info->record, (ng_space)space, at))
            cli_json_text(json, NULL, ng_space_name((ng_space)space));
    cli_json_close(json);
    cli_json_close(json);
}

static void list_row_text(const cli_context *context, cli_table *table, const ng_token_info *info)
{
    char label[CLI_LABEL_ROOM], collection[65], number[CLI_NUMBER_ROOM], spaces[128];

    if (cli_token_label(context, info->id, label) == NULL)
        label[0] = '\0';
    list_text_spaces(context, &info->record, spaces);
    cli_table_cell(table, "%" PRIu64, info->id);
    cli_table_cell(table, "%s", label);
    cli_table_cell(table, "%s", cli_collection_name(context, info->collection, collection));
    cli_table_cell(table, "%s", list_entity(&info->record));
    cli_table_cell(table, "%s", cli_show_float(info->record.weight, number));
    cli_table_cell(table, "%s", spaces);
}

static int list_rows(const cli_context *context, list_sink *sink, const ng_token_id *ids,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ng_token_info info;
        ng_status status = ng_token_get(context->store, ids[i], &info);

        if (status != NG_OK)
            return cli_fail_status(context, status);
        if (context->json)
            list_row_json(context, &sink->json, &info);
        else
            list_row_text(context, &sink->table, &info);
    }
    if (!context->json && !context->terminal)
        cli_table_print(context, &sink->table);
    return CLI_OK;
}

/* Lists page after page; `*next` receives the last id when there are more tokens, otherwise 0. */
static int list_pages(const cli_context *context, const list_request *request, list_sink *sink,
                      ng_token_id *next)
{
    ng_token_id *ids = cli_allocate(LIST_PAGE + 1, sizeof *ids);
    ng_page_options page = request->page;
    uint64_t left = request->limit;
    int code = CLI_OK;

    *next = 0;
    for (;;) {
        size_t want = left < LIST_PAGE ? (size_t)left : LIST_PAGE, count = 0;
        ng_status status;

        /* One more than is shown tells whether there are more. */
        status = ng_token_page(context->store, &page, ids, want + 1, &count);
        if (status != NG_OK) {
            code = cli_fail_status(context, status);
            break;
        }
        code = list_rows(context, sink, ids, count < want ? count : want);
        if (code != CLI_OK || count <= want)
            break;
        page.after = ids[want - 1];
        page.offset = 0;
        left -= want;
        if (left == 0) {
            *next = page.after;
            break;
        }
    }
    free(ids);
    return code;
}

static int list_print(const cli_context *context, const list_request *request)
{
    list_sink sink;
    ng_token_id next;
    int code;

    if (context->json) {
        cli_json_begin(&sink.json, stdout);
        cli_json_object(&sink.json, NULL);
        cli_json_array(&sink.json, "tokens");
    }
    cli_table_init(&sink.table, list_columns, sizeof list_columns / sizeof list_columns[0]);
    code = list_pages(context, request, &sink, &next);
    if (code != CLI_OK) {
        cli_table_release(&sink.table);
        return code;
    }
    if (context->json) {
        cli_json_close(&sink.json);
        if (next != 0)
            cli_json_u64(&sink.json, "next", next);
        else
            cli_json_null(&sink.json, "next");
        cli_json_close(&sink.json);
        cli_json_end(&sink.json);
        return CLI_OK;
    }
    cli_table_print(context, &sink.table);
    if (next != 0)
        cli_note(context, "there are more: --after %" PRIu64, next);
    return CLI_OK;
}

static bool list_option(const cli_args *args, int option, list_request *request)
{
    if (option == LIST_COLLECTION) {
        request->collection = strcmp(args->value, "all") == 0 ? NULL : args->value;
        return true;
    }
    if (option == LIST_AFTER)
        return cli_parse_u64(args, 0, UINT64_MAX, &request->page.after);
    if (option == LIST_OFFSET)
        return cli_parse_u64(args, 0, UINT64_MAX, &request->page.offset);
    if (option == LIST_ACTIVE || option == LIST_DESCENDING) {
        request->page.active_only |= option == LIST_ACTIVE;
        request->page.descending |= option == LIST_DESCENDING;
        return true;
    }
    return cli_parse_u64(args, 1, UINT64_MAX, &request->limit);
}

static int list_run(cli_context *context, int argc, char **argv)
{
    list_request request = {.page = {.struct_size = sizeof request.page}};
    cli_args args;
    int option, code;

    request.limit = context->terminal ? LIST_TERMINAL_DEFAULT : UINT64_MAX;
    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!list_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_fail(context, CLI_USAGE, "unexpected argument '%s'", args.operands[0]);
    code = cli_store_open_reading(context);
    if (code == CLI_OK)
        code = cli_collection_resolve(context, request.collection, &request.page.collection);
    if (code == CLI_OK)
        code = list_print(context, &request);
    return code;
}

static const cli_option list_options[] = {
    {"collection", LIST_COLLECTION, "NAME", "tokens of this collection; default all"},
    {"limit", 'n', "N", "at most N; default 20 on a terminal, otherwise all"},
    {"after", LIST_AFTER, "ID", "begin after this id"},
    {"offset", LIST_OFFSET, "N", "pass over N tokens"},
    {"active", LIST_ACTIVE, NULL, "only those that are active"},
    {"descending", LIST_DESCENDING, NULL, "newest first; --after then bounds from above"},
    {NULL, 0, NULL, NULL},
};

static const int list_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY, CLI_IO, CLI_DATA, -1};

const cli_command cli_command_ls = {
    .name = "ls",
    .arguments = "[OPTION]...",
    .summary = "List tokens in the order of their ids",
    .description = "Shows id, label, collection, entity type, weight and the spaces each is in.\n"
                   "An empty list is no error.",
    .options = list_options,
    .examples = "neurograph ls\nneurograph ls --collection semantic --limit 100 --after 2000\n"
                "neurograph ls --descending --limit 5\n"
                "neurograph ls | cut -f2 | sort",
    .exit_codes = list_exits,
    .run = list_run,
};
