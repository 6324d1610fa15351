/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `grid`: named subsets of the tokens in which `neighbors --grid` searches. */
#include "cli_grid.h"
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { GRID_BUCKET = CLI_OPTION_FIRST, GRID_DENSITY, GRID_FIELD_NODES, GRID_COLLECTION };

#define GRID_LIST_MAX 100u /* the store has no more */
#define GRID_BATCH 4096u   /* tokens of one op */

typedef struct grid_request {
    ng_grid_config config;
    const char *collection; /* of the tokens' labels */
} grid_request;

int cli_grid_resolve(const cli_context *context, const char *text, ng_grid_id *out)
{
    ng_grid_info *list = cli_allocate(GRID_LIST_MAX, sizeof *list);
    size_t count = 0;
    uint64_t number = 0;
    bool digits = cli_digits(text, &number);
    ng_status status = ng_grid_list(context->store, list, GRID_LIST_MAX, &count);
    size_t i = 0;

    if (status == NG_OK) {
        while (i < count && strcmp(list[i].name, text) != 0)
            i++;
        for (size_t j = 0; i == count && digits && j < count; j++)
            if (list[j].id == number)
                i = j;
        if (i < count)
            *out = list[i].id;
    }
    free(list);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    return i < count ? CLI_OK : cli_fail(context, CLI_NOT_FOUND, "there is no grid '%s'", text);
}

/* ---- list ---- */

static void grid_json(cli_json *json, const ng_grid_info *info)
{
    cli_json_object(json, NULL);
    cli_json_u64(json, "id", info->id);
    cli_json_text(json, "name", info->name[0] != '\0' ? info->name : NULL);
    cli_json_u64(json, "members", info->member_count);
    cli_json_float(json, "bucket_size", info->config.bucket_size);
    cli_json_float(json, "density_threshold", info->config.density_threshold);
    cli_json_u64(json, "min_field_nodes", info->config.min_field_nodes);
    cli_json_close(json);
}

static void grid_print_list(const cli_context *context, const ng_grid_info *list, size_t count)
{
    static const cli_column columns[] = {{"id", true}, {"name", false}, {"members", true}};
    cli_table table;
    cli_json json;

    if (context->json) {
        cli_json_begin(&json, stdout);
        cli_json_object(&json, NULL);
        cli_json_array(&json, "grids");
        for (size_t i = 0; i < count; i++)
            grid_json(&json, &list[i]);
        cli_json_close(&json);
        cli_json_close(&json);
        cli_json_end(&json);
        return;
    }
    cli_table_init(&table, columns, 3);
    for (size_t i = 0; i < count; i++) {
        char number[CLI_NUMBER_ROOM];

        cli_table_cell(&table, "%u", list[i].id);
        cli_table_cell(&table, "%s", list[i].name);
        cli_table_cell(&table, "%s", cli_show_count(context, list[i].member_count, number));
    }
    cli_table_print(context, &table);
    cli_table_release(&table);
}

static int grid_list(cli_context *context, const cli_args *args, const grid_request *request)
{
    (void)args;
    (void)request;
    ng_grid_info *list;
    size_t count = 0;
    int code = cli_store_open_reading(context);

    if (code != CLI_OK)
        return code;
    list = cli_allocate(GRID_LIST_MAX, sizeof *list);
    ng_status status = ng_grid_list(context->store, list, GRID_LIST_MAX, &count);
    if (status == NG_OK)
        grid_print_list(context, list, count);
    else
        code = cli_fail_status(context, status);
    free(list);
    return code;
}

/* ---- create, drop ---- */

static int grid_create(cli_context *context, const cli_args *args, const grid_request *request)
{
    ng_grid_id id = 0;
    ng_grid_info info;
    cli_json json;
    int code = cli_store_open(context, 0);

    if (code != CLI_OK)
        return code;
    ng_status status =
        ng_grid_create(context->store, args->operand_count > 1 ? args->operands[1] : NULL,
                       &request->config, NULL, &id);
    if (status == NG_OK)
        status = ng_grid_get(context->store, id, &info);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (context->json) {
        cli_json_begin(&json, stdout);
        grid_json(&json, &info);
        cli_json_end(&json);
    } else {
        printf("%u\n", id);
    }
    return CLI_OK;
}

static int grid_drop(cli_context *context, const cli_args *args, const grid_request *request)
{
    (void)request;
    ng_grid_id id;
    int code = cli_store_open(context, NG_OPEN_MUST_EXIST);

    if (code == CLI_OK)
        code = cli_grid_resolve(context, args->operands[1], &id);
    if (code != CLI_OK)
        return code;
    ng_status status = ng_grid_drop(context->store, id, NULL);
    return status == NG_OK ? CLI_OK : cli_fail_status(context, status);
}

/* ---- add, remove ---- */

static int grid_change(cli_context *context, const cli_args *args, const grid_request *request,
                       bool leave)
{
    ng_collection_id collection;
    ng_grid_id id = 0;
    size_t count = (size_t)args->operand_count - 2;
    uint64_t changed = 0;
    ng_status status;
    cli_json json;
    int code = cli_store_open(context, NG_OPEN_MUST_EXIST);

    if (code == CLI_OK)
        code = cli_grid_resolve(context, args->operands[1], &id);
    if (code == CLI_OK)
        code = cli_collection_resolve(context, request->collection, &collection);
    if (code != CLI_OK)
        return code;
    ng_token_id *ids = cli_allocate(count, sizeof *ids);
    for (size_t i = 0; i < count && code == CLI_OK; i++)
        code = cli_token_resolve(context, args->operands[i + 2], collection, &ids[i]);
    if (code == CLI_OK) {
        status = leave ? ng_grid_remove(context->store, id, ids, count, NULL, &changed)
                       : ng_grid_add(context->store, id, ids, count, NULL, &changed);
        if (status != NG_OK)
            code = cli_fail_status(context, status);
    }
    free(ids);
    if (code == CLI_OK && context->json) {
        cli_json_begin(&json, stdout);
        cli_json_object(&json, NULL);
        cli_json_u64(&json, "grid", id);
        cli_json_u64(&json, leave ? "removed" : "added", changed);
        cli_json_close(&json);
        cli_json_end(&json);
    }
    return code;
}

static int grid_add(cli_context *context, const cli_args *args, const grid_request *request)
{
    return grid_change(context, args, request, false);
}

static int grid_remove(cli_context *context, const cli_args *args, const grid_request *request)
{
    return grid_change(context, args, request, true);
}

/* ---- the command ---- */

static const struct grid_verb {
    const char *name;
    int least, most; /* operands, the verb among them */
    int (*run)(cli_context *context, const cli_args *args, const grid_request *request);
} grid_verbs[] = {
    {"create", 1, 2, grid_create},
    {"drop", 2, 2, grid_drop},
    {"list", 1, 1, grid_list},
    {"add", 3, (int)GRID_BATCH + 2, grid_add},
    {"remove", 3, (int)GRID_BATCH + 2, grid_remove},
};

#define GRID_VERB_COUNT (sizeof grid_verbs / sizeof grid_verbs[0])

static bool grid_option(const cli_args *args, int option, grid_request *request)
{
    uint64_t number;

    switch (option) {
    case GRID_BUCKET:
        return cli_parse_float(args, &request->config.bucket_size);
    case GRID_DENSITY:
        return cli_parse_float(args, &request->config.density_threshold);
    case GRID_FIELD_NODES:
        if (!cli_parse_u64(args, 1, 100, &number))
            return false;
        request->config.min_field_nodes = (uint32_t)number;
        return true;
    default:
        request->collection = args->value;
        return true;
    }
}

static int grid_run(cli_context *context, int argc, char **argv)
{
    grid_request request = {
        .config = {.struct_size = sizeof request.config, .density_threshold = 0.5f}};
    cli_args args;
    size_t verb = 0;
    int option;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!grid_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    while (args.operand_count > 0 && verb < GRID_VERB_COUNT &&
           strcmp(grid_verbs[verb].name, args.operands[0]) != 0)
        verb++;
    if (args.operand_count == 0 || verb == GRID_VERB_COUNT)
        return cli_fail(context, CLI_USAGE, "give create, drop, list, add or remove");
    if (args.operand_count < grid_verbs[verb].least || args.operand_count > grid_verbs[verb].most)
        return cli_fail(context, CLI_USAGE, "%d arguments of '%s' are outside %d..%d",
                        args.operand_count - 1, args.operands[0], grid_verbs[verb].least - 1,
                        grid_verbs[verb].most - 1);
    return grid_verbs[verb].run(context, &args, &request);
}

static const cli_option grid_options[] = {
    {"bucket-size", GRID_BUCKET, "X", "of a new grid: 0.1..1000; default 10"},
    {"density-threshold", GRID_DENSITY, "X", "of a new grid: 0..1; default 0.5"},
    {"min-field-nodes", GRID_FIELD_NODES, "N", "of a new grid: 1..100; default 3"},
    {"collection", GRID_COLLECTION, "NAME", "look the labels up in this collection alone"},
    CLI_DURABILITY_ROW,
    {NULL, 0, NULL, NULL},
};

static const int grid_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY,
                                 CLI_IO, CLI_DATA,  CLI_REFUSED,   -1};

const cli_command cli_command_grid = {
    .name = "grid",
    .arguments = "[OPTION]... create [NAME] | drop GRID | list | add|remove GRID TOKEN...",
    .summary = "Make, fill and drop named grids: subsets to search in by 'neighbors --grid'",
    .description =
        "GRID is its name or its number. 'create' prints the number. Tokens that are, or are\n"
        "not, in the grid already are passed over. A dropped grid leaves its tokens alone.",
    .options = grid_options,
    .examples = "neurograph grid create kitchen\n"
                "neurograph grid add kitchen cup table chair\n"
                "neurograph neighbors cup --grid kitchen --space physical\n"
                "neurograph grid list --json",
    .exit_codes = grid_exits,
    .run = grid_run,
};
