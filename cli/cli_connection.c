/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `connection`: shows one, changes it, or notes that it was used. */
#include "cli_edge.h"
#include "cli_link_fields.h"
#include "cli_output.h"

#include <inttypes.h>
#include <string.h>

enum { CONNECTION_ACTIVATE = CLI_LINK_OPTION_END, CONNECTION_FORCE, CONNECTION_COLLECTION };

typedef struct connection_request {
    const char *collection;
    cli_link_fields link;
    ng_connection_id id;
    bool activates;
    bool shows_force;
    ng_space space; /* with shows_force */
} connection_request;

static void connection_print_force(const cli_context *context, const connection_request *request,
                                   cli_json *json)
{
    char number[CLI_NUMBER_ROOM];
    double distance, force;
    ng_status status =
        ng_connection_force_in(context->store, request->id, request->space, 0, &distance, &force);

    if (json != NULL) {
        cli_json_object(json, "force");
        cli_json_text(json, "space", ng_space_name(request->space));
        if (status == NG_OK) {
            cli_json_double(json, "distance", distance);
            cli_json_double(json, "force", force);
        } else {
            cli_json_null(json, "distance");
            cli_json_null(json, "force");
        }
        cli_json_close(json);
        return;
    }
    printf("force\t%s\t", ng_space_name(request->space));
    if (status != NG_OK) {
        printf("none: %s\n", ng_last_error());
        return;
    }
    printf("%s at distance ", cli_show_float((float)force, number));
    printf("%s\n", cli_show_float((float)distance, number));
}

static int connection_print(const cli_context *context, const connection_request *request)
{
    ng_connection record;
    ng_status status = ng_connection_get(context->store, request->id, &record);
    cli_json json;

    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (!context->json) {
        cli_link_text(context, request->id, &record);
        if (request->shows_force)
            connection_print_force(context, request, NULL);
        return CLI_OK;
    }
    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_link(context, &json, "connection", request->id, &record);
    if (request->shows_force)
        connection_print_force(context, request, &json);
    cli_json_close(&json);
    cli_json_end(&json);
    return CLI_OK;
}

/* Both as one op: changed, and then used. */
static int connection_write(const cli_context *context, const connection_request *request)
{
    ng_txn *txn = NULL;
    ng_status status = ng_txn_begin(context->store, NULL, &txn);
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};

    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (request->link.given)
        status = ng_connection_update(context->store, request->id, &request->link.fields, &write);
    if (status == NG_OK && request->activates)
        status = ng_connection_activate(context->store, request->id, &write);
    if (status != NG_OK) {
        int code = cli_fail_status(context, status);

        ng_txn_rollback(txn);
        return code;
    }
    status = ng_txn_commit(txn, NULL);
    return status == NG_OK ? CLI_OK : cli_fail_status(context, status);
}

static bool connection_option(const cli_args *args, int option, connection_request *request)
{
    ng_status status;

    switch (option) {
    case CONNECTION_ACTIVATE:
        request->activates = true;
        return true;
    case CONNECTION_COLLECTION:
        request->collection = args->value;
        return true;
    case CONNECTION_FORCE:
        request->shows_force = true;
        status = ng_space_parse(args->value, &request->space);
        if (status != NG_OK)
            cli_fail(args->context, CLI_USAGE, "--force: %s", ng_last_error());
        return status == NG_OK;
    default:
        return cli_link_fields_option(&request->link, args, option);
    }
}

static int connection_open(cli_context *context, connection_request *request)
{
    ng_collection_id collection;
    int code;

    if (!request->link.given && !request->activates)
        return cli_store_open_reading(context);
    code = cli_store_open(context, NG_OPEN_MUST_EXIST);
    if (code == CLI_OK)
        code = cli_collection_resolve(context, request->collection, &collection);
    if (code == CLI_OK)
        code = cli_link_fields_resolve(&request->link, context, collection);
    if (code == CLI_OK)
        code = connection_write(context, request);
    return code;
}

static int connection_run(cli_context *context, int argc, char **argv)
{
    connection_request request = {0};
    cli_args args;
    int option, code;

    cli_link_fields_init(&request.link);
    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!connection_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (args.operand_count != 1)
        return cli_fail(context, CLI_USAGE, "give the id of a connection, not %d arguments",
                        args.operand_count);
    if (!cli_digits(args.operands[0] + (args.operands[0][0] == '#'), &request.id))
        return cli_fail(context, CLI_USAGE, "'%s' is not the id of a connection", args.operands[0]);
    if (request.id == 0)
        return cli_fail(context, CLI_USAGE, "id 0 is not a connection");
    code = connection_open(context, &request);
    return code == CLI_OK ? connection_print(context, &request) : code;
}

static const cli_option connection_options[] = {
    CLI_LINK_ROWS,
    {"activate", CONNECTION_ACTIVATE, NULL, "note that it was used"},
    {"force", CONNECTION_FORCE, "SPACE", "show the force between its tokens in this space"},
    {"collection", CONNECTION_COLLECTION, "NAME", "look a label up in this collection alone"},
    CLI_DURABILITY_ROW,
    {NULL, 0, NULL, NULL},
};

static const int connection_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY,
                                       CLI_IO, CLI_DATA,  CLI_REFUSED,   -1};

const cli_command cli_command_connection = {
    .name = "connection",
    .arguments = "[OPTION]... CONNECTION_ID",
    .summary = "Show a connection, or change it",
    .description =
        "Without options it shows everything about the connection. Options change what they\n"
        "name and leave the rest; the ends stay. Ids are printed by link and connections.",
    .options = connection_options,
    .examples = "neurograph connection 17\n"
                "neurograph connection 17 --confidence 0.9 --set user --clear active\n"
                "neurograph connection 17 --activate --force physical --json",
    .exit_codes = connection_exits,
    .run = connection_run,
};
