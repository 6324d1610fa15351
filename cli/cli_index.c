/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `index`: declares, lists and drops the fields of payloads by which tokens are found. */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>
#include <string.h>

enum { INDEX_DROP = CLI_OPTION_FIRST, INDEX_PATH, INDEX_TYPE };

#define INDEX_MAX 32

static const char *const index_types[] = {"keyword", "integer", "float", "time"};

typedef struct index_request {
    const char *name; /* NULL: list */
    const char *path; /* NULL: the name */
    ng_index_type type;
    bool drop;
} index_request;

static bool index_parse_type(const cli_args *args, ng_index_type *out)
{
    for (unsigned i = 0; i < sizeof index_types / sizeof index_types[0]; i++) {
        if (strcmp(args->value, index_types[i]) == 0) {
            *out = (ng_index_type)(i + 1);
            return true;
        }
    }
    cli_fail(args->context, CLI_USAGE, "--type: '%s' is not keyword, integer, float or time",
             args->value);
    return false;
}

static void index_print_json(const ng_index_info *infos, size_t count)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_array(&json, "indexes");
    for (size_t i = 0; i < count; i++) {
        cli_json_object(&json, NULL);
        cli_json_text(&json, "name", infos[i].name);
        cli_json_text(&json, "path", infos[i].path);
        cli_json_text(&json, "type", index_types[infos[i].type - 1]);
        cli_json_u64(&json, "values", infos[i].count);
        cli_json_close(&json);
    }
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

static int index_list(const cli_context *context)
{
    static const cli_column columns[] = {{"name", false},
                                         {"path", false},
                                         {"type", false},
                                         {"values", true}};
    ng_index_info infos[INDEX_MAX];
    size_t count = 0;
    cli_table table;
    ng_status status = ng_index_list(context->store, infos, INDEX_MAX, &count);

    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (context->json) {
        index_print_json(infos, count);
        return CLI_OK;
    }
    cli_table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < count; i++) {
        cli_table_cell(&table, "%s", infos[i].name);
        cli_table_cell(&table, "%s", infos[i].path);
        cli_table_cell(&table, "%s", index_types[infos[i].type - 1]);
        cli_table_cell(&table, "%" PRIu64, infos[i].count);
    }
    cli_table_print(context, &table);
    return CLI_OK;
}

static int index_write(const cli_context *context, const index_request *request)
{
    ng_status status;

    if (request->drop)
        status = ng_index_drop(context->store, request->name, NULL);
    else
        status = ng_index_declare(context->store, request->name,
                                  request->path != NULL ? request->path : request->name,
                                  request->type, NULL);
    return status == NG_OK ? index_list(context) : cli_fail_status(context, status);
}

static int index_check(const cli_args *args, index_request *request)
{
    bool declares = request->type != 0 || request->path != NULL;

    if (args->operand_count > 1)
        return cli_fail(args->context, CLI_USAGE, "unexpected argument '%s'", args->operands[1]);
    if (args->operand_count == 1)
        request->name = args->operands[0];
    if (request->name == NULL && (declares || request->drop))
        return cli_fail(args->context, CLI_USAGE, "the NAME of a field is missing");
    if (request->drop && declares)
        return cli_fail(args->context, CLI_USAGE, "--drop goes without --type and --path");
    if (request->name != NULL && !request->drop && request->type == 0)
        return cli_fail(args->context, CLI_USAGE, "--type is missing");
    return CLI_OK;
}

static int index_run(cli_context *context, int argc, char **argv)
{
    index_request request = {0};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0) {
        if (option == INDEX_DROP)
            request.drop = true;
        else if (option == INDEX_PATH)
            request.path = args.value;
        else if (!index_parse_type(&args, &request.type))
            return CLI_USAGE;
    }
    if (option < 0)
        return args.exit_code;
    code = index_check(&args, &request);
    if (code != CLI_OK)
        return code;
    if (request.name == NULL) {
        code = cli_store_open_reading(context);
        return code == CLI_OK ? index_list(context) : code;
    }
    code = cli_store_open(context, request.drop ? NG_OPEN_MUST_EXIST : 0);
    return code == CLI_OK ? index_write(context, &request) : code;
}

static const cli_option index_options[] = {
    {"type", INDEX_TYPE, "TYPE", "declare it: keyword, integer, float or time"},
    {"path", INDEX_PATH, "PATH", "keys that lead to it, such as box.size; default NAME"},
    {"drop", INDEX_DROP, NULL, "forget the field"},
    CLI_DURABILITY_ROW,
    {NULL, 0, NULL, NULL},
};

static const int index_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY,
                                  CLI_IO, CLI_DATA,  CLI_REFUSED,   -1};

const cli_command cli_command_index = {
    .name = "index",
    .arguments = "[OPTION]... [NAME]",
    .summary = "List, declare or drop the fields of payloads by which tokens are found",
    .description =
        "Without NAME lists what is declared. A declared field is read from payloads that are "
        "JSON\n"
        "objects, those that are there and those to come; 'neurograph find --where' asks about it.",
    .options = index_options,
    .examples = "neurograph index kind --type keyword\n"
                "neurograph index size --type integer --path box.size\n"
                "neurograph index\nneurograph index --drop kind",
    .exit_codes = index_exits,
    .run = index_run,
};
