/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `count`. */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdio.h>

enum { COUNT_COLLECTION = CLI_OPTION_FIRST, COUNT_ACTIVE };

static void count_print_json(const char *collection, uint64_t tokens, uint64_t active)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "collection", collection);
    cli_json_u64(&json, "tokens", tokens);
    cli_json_u64(&json, "active", active);
    cli_json_close(&json);
    cli_json_end(&json);
}

static int count_run(cli_context *context, int argc, char **argv)
{
    const char *collection = NULL;
    ng_collection_id id;
    bool active_only = false;
    uint64_t tokens = 0, active = 0;
    ng_status status;
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0) {
        if (option == COUNT_COLLECTION)
            collection = args.value;
        else
            active_only = true;
    }
    if (option < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_fail(context, CLI_USAGE, "unexpected argument '%s'", args.operands[0]);
    code = cli_store_open_reading(context);
    if (code == CLI_OK)
        code = cli_collection_resolve(context, collection, &id);
    if (code != CLI_OK)
        return code;
    status = ng_token_count(context->store, id, false, &tokens);
    if (status == NG_OK)
        status = ng_token_count(context->store, id, true, &active);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (context->json)
        count_print_json(collection, tokens, active);
    else
        printf("%" PRIu64 "\n", active_only ? active : tokens);
    return CLI_OK;
}

static const cli_option count_options[] = {
    {"collection", COUNT_COLLECTION, "NAME", "tokens of this collection; default all"},
    {"active", COUNT_ACTIVE, NULL, "only those that are active"},
    {NULL, 0, NULL, NULL},
};

static const int count_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY, CLI_IO, CLI_DATA, -1};

const cli_command cli_command_count = {
    .name = "count",
    .arguments = "[OPTION]...",
    .summary = "Show how many tokens there are",
    .description = "Prints one number, whatever the size of the store at once.",
    .options = count_options,
    .examples = "neurograph count\nneurograph count --collection semantic --active",
    .exit_codes = count_exits,
    .run = count_run,
};
