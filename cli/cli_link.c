/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The commands `link` and `unlink`. */
#include "cli_edge.h"
#include "cli_link_fields.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINK_BIDIRECTIONAL = CLI_LINK_OPTION_END,
    LINK_INHIBITORY,
    LINK_PERSISTENT,
    LINK_COLLECTION,
    LINK_UPSERT
};

typedef struct link_request {
    const char *collection;
    cli_link_fields link;
    bool upsert;
} link_request;

static bool link_option(const cli_args *args, int option, link_request *request)
{
    ng_connection_fields *fields = &request->link.fields;
    unsigned flag = 0;

    switch (option) {
    case LINK_BIDIRECTIONAL:
        flag = NG_CONNECTION_BIDIRECTIONAL;
        break;
    case LINK_INHIBITORY:
        flag = NG_CONNECTION_INHIBITORY;
        break;
    case LINK_PERSISTENT:
        flag = NG_CONNECTION_PERSISTENT;
        break;
    case LINK_UPSERT:
        request->upsert = true;
        break;
    case LINK_COLLECTION:
        request->collection = args->value;
        break;
    default:
        return cli_link_fields_option(&request->link, args, option);
    }
    fields->flags_set = (uint8_t)(fields->flags_set | flag);
    return true;
}

static void link_print(const cli_context *context, ng_connection_id id, bool created, ng_seq seq)
{
    ng_connection record = {0};
    cli_json json;

    if (!context->json) {
        printf("%" PRIu64 "\n", id);
        return;
    }
    (void)!ng_connection_get(context->store, id, &record); /* it was written a moment ago */
    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_u64(&json, "id", id);
    cli_json_link(context, &json, "connection", id, &record);
    cli_json_bool(&json, "created", created);
    cli_json_u64(&json, "seq", seq);
    cli_json_close(&json);
    cli_json_end(&json);
}

static int link_write(cli_context *context, const cli_args *args, link_request *request)
{
    ng_seq seq = 0;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    ng_connection_fields *fields = &request->link.fields;
    ng_collection_id collection;
    ng_connection_id id = 0;
    bool created = true;
    ng_status status;
    int code = cli_store_open(context, NG_OPEN_MUST_EXIST);

    if (code == CLI_OK)
        code = cli_collection_resolve(context, request->collection, &collection);
    if (code == CLI_OK)
        code = cli_token_resolve(context, args->operands[0], collection, &fields->source);
    if (code == CLI_OK)
        code = cli_token_resolve(context, args->operands[1], collection, &fields->target);
    if (code == CLI_OK)
        code = cli_link_fields_resolve(&request->link, context, collection);
    if (code != CLI_OK)
        return code;
    status = request->upsert ? ng_connection_upsert(context->store, fields, &write, &id, &created)
                             : ng_connection_create(context->store, fields, &write, &id);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    link_print(context, id, created, seq);
    return CLI_OK;
}

static int link_run(cli_context *context, int argc, char **argv)
{
    link_request request = {0};
    cli_args args;
    int option;

    cli_link_fields_init(&request.link);
    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!link_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (args.operand_count != 2)
        return cli_fail(context, CLI_USAGE, "give a source and a target, not %d arguments",
                        args.operand_count);
    return link_write(context, &args, &request);
}

static const cli_option link_options[] = {
    CLI_LINK_ROWS,
    {"bidirectional", LINK_BIDIRECTIONAL, NULL, "it counts both ways"},
    {"inhibitory", LINK_INHIBITORY, NULL, "it inhibits its target"},
    {"persistent", LINK_PERSISTENT, NULL, "mark it as never to be evicted"},
    {"upsert", LINK_UPSERT, NULL, "change the one that is there already"},
    {"collection", LINK_COLLECTION, "NAME", "look labels up in this collection alone"},
    CLI_DURABILITY_ROW,
    {NULL, 0, NULL, NULL},
};

static const int link_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY,
                                 CLI_IO, CLI_DATA,  CLI_REFUSED,   -1};

const cli_command cli_command_link = {
    .name = "link",
    .arguments = "[OPTION]... SOURCE TARGET",
    .summary = "Connect two tokens",
    .description =
        "The connection leaves SOURCE and reaches TARGET. Prints its id. Two tokens have\n"
        "at most one connection of a type in each direction. Without options it is an active\n"
        "AssociatedWith, half rigid and half confident, without pull, at distance 1. Tokens\n"
        "are named as in 'neurograph help get'.",
    .options = link_options,
    .examples = "neurograph link dog animal --type hypernym\n"
                "neurograph link '#3' '#4' --pull -2.5 --bidirectional\n"
                "neurograph link dog barking --type cause --confidence 0.8 --upsert",
    .exit_codes = link_exits,
    .run = link_run,
};

/* ---- unlink ---- */

#define UNLINK_BATCH 4096 /* what one op deletes */

/* The same id twice is deleted once. All of up to 4096 are one op; more are several. */
static int unlink_delete(const cli_context *context, const ng_connection_id *given, int count)
{
    ng_connection_id *ids = cli_allocate((size_t)count, sizeof *ids);
    int kept = 0, code = CLI_OK;

    for (int i = 0; i < count && code == CLI_OK; i++) {
        ng_connection record;
        ng_status status = ng_connection_get(context->store, given[i], &record);
        int earlier = 0;

        if (status != NG_OK)
            code = cli_fail_status(context, status);
        while (earlier < kept && ids[earlier] != given[i])
            earlier++;
        if (earlier == kept)
            ids[kept++] = given[i];
    }
    for (int done = 0; done < kept && code == CLI_OK; done += UNLINK_BATCH) {
        int some = kept - done < UNLINK_BATCH ? kept - done : UNLINK_BATCH;
        ng_status status =
            ng_connection_delete_many(context->store, ids + done, (size_t)some, NULL);

        if (status != NG_OK)
            code = cli_fail_status(context, status);
    }
    free(ids);
    return code;
}

static void unlink_print(const cli_context *context, const ng_connection_id *ids, int count)
{
    cli_json json;

    if (!context->json) {
        for (int i = 0; i < count; i++)
            printf("%" PRIu64 "\n", ids[i]);
        return;
    }
    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_array(&json, "removed");
    for (int i = 0; i < count; i++)
        cli_json_u64(&json, NULL, ids[i]);
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

static int unlink_parse(const cli_args *args, ng_connection_id *ids)
{
    for (int i = 0; i < args->operand_count; i++) {
        const char *text = args->operands[i][0] == '#' ? args->operands[i] + 1 : args->operands[i];

        if (!cli_digits(text, &ids[i]))
            return cli_fail(args->context, CLI_USAGE, "'%s' is not the id of a connection",
                            args->operands[i]);
        if (ids[i] == 0)
            return cli_fail(args->context, CLI_USAGE, "id 0 is not a connection");
    }
    return CLI_OK;
}

static int unlink_run(cli_context *context, int argc, char **argv)
{
    ng_connection_id *ids;
    cli_args args;
    int code, count;

    cli_args_begin(&args, context, argc, argv);
    if (cli_args_next(&args) < 0)
        return args.exit_code;
    if (args.operand_count == 0)
        return cli_fail(context, CLI_USAGE, "which connection? see 'neurograph unlink --help'");
    count = args.operand_count;
    ids = cli_allocate((size_t)count, sizeof *ids);
    code = unlink_parse(&args, ids);
    if (code == CLI_OK)
        code = cli_store_open(context, NG_OPEN_MUST_EXIST);
    if (code == CLI_OK)
        code = unlink_delete(context, ids, count);
    if (code == CLI_OK)
        unlink_print(context, ids, count);
    free(ids);
    return code;
}

static const int unlink_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY,
                                   CLI_IO, CLI_DATA,  CLI_REFUSED,   -1};

static const cli_option unlink_options[] = {
    CLI_DURABILITY_ROW,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_command_unlink = {
    .name = "unlink",
    .arguments = "[OPTION]... CONNECTION_ID...",
    .summary = "Delete connections",
    .description = "Ids are printed by link and by 'get --connections'. If one of them does not\n"
                   "exist, none is deleted.",
    .options = unlink_options,
    .examples = "neurograph unlink 17\nneurograph unlink 17 18 19",
    .exit_codes = unlink_exits,
    .run = unlink_run,
};
