/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The commands `link` and `unlink`. */
#include "cli_args.h"
#include "cli_edge.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINK_PULL = CLI_OPTION_FIRST,
    LINK_DISTANCE,
    LINK_RIGIDITY,
    LINK_CONFIDENCE,
    LINK_MUTABILITY,
    LINK_BIDIRECTIONAL,
    LINK_INHIBITORY,
    LINK_PERSISTENT,
    LINK_LEVEL,
    LINK_COLLECTION
};

typedef struct link_request {
    const char *collection;
    ng_connection_fields fields;
} link_request;

static bool link_parse_mutability(const cli_args *args, uint8_t *out)
{
    static const char *const names[] = {"immutable", "learnable", "hypothesis"};

    for (uint8_t i = 0; i < 3; i++) {
        if (strcmp(args->value, names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    cli_fail(args->context, CLI_USAGE,
             "--mutability: '%s' is none of immutable, learnable, hypothesis", args->value);
    return false;
}

static bool link_parse_level(const cli_args *args, ng_connection_fields *fields)
{
    ng_space space;
    ng_status status = ng_space_parse(args->value, &space);

    if (status != NG_OK) {
        cli_fail(args->context, cli_exit_of(status), "--level: %s", ng_last_error());
        return false;
    }
    fields->active_levels = (uint8_t)(fields->active_levels | 1u << space);
    return true;
}

static bool link_parse_type(const cli_args *args, uint8_t *out)
{
    ng_status status = ng_connection_type_parse(args->value, out);

    if (status != NG_OK)
        cli_fail(args->context, cli_exit_of(status), "--type: %s", ng_last_error());
    return status == NG_OK;
}

static bool link_flag(ng_connection_fields *fields, unsigned flag)
{
    fields->set |= NG_CFIELD_FLAGS;
    fields->flags = (uint8_t)(fields->flags | flag);
    return true;
}

static bool link_option(const cli_args *args, int option, link_request *request)
{
    ng_connection_fields *fields = &request->fields;

    switch (option) {
    case 't':
        fields->set |= NG_CFIELD_TYPE;
        return link_parse_type(args, &fields->type);
    case LINK_PULL:
        fields->set |= NG_CFIELD_PULL;
        return cli_parse_float(args, &fields->pull_strength);
    case LINK_DISTANCE:
        fields->set |= NG_CFIELD_DISTANCE;
        return cli_parse_float(args, &fields->preferred_distance);
    case LINK_RIGIDITY:
        fields->set |= NG_CFIELD_RIGIDITY;
        return cli_parse_float(args, &fields->rigidity);
    case LINK_CONFIDENCE:
        fields->set |= NG_CFIELD_CONFIDENCE;
        return cli_parse_float(args, &fields->confidence);
    case LINK_MUTABILITY:
        fields->set |= NG_CFIELD_MUTABILITY;
        return link_parse_mutability(args, &fields->mutability);
    case LINK_BIDIRECTIONAL:
        return link_flag(fields, NG_CONNECTION_BIDIRECTIONAL);
    case LINK_INHIBITORY:
        return link_flag(fields, NG_CONNECTION_INHIBITORY);
    case LINK_PERSISTENT:
        return link_flag(fields, NG_CONNECTION_PERSISTENT);
    case LINK_LEVEL:
        fields->set |= NG_CFIELD_LEVELS;
        return link_parse_level(args, fields);
    default:
        request->collection = args->value;
        return true;
    }
}

static void link_print(const cli_context *context, const ng_connection_fields *fields,
                       ng_connection_id id, ng_seq seq)
{
    ng_edge edge = {.id = id, .source = fields->source, .target = fields->target};
    ng_connection record;
    cli_json json;

    if (!context->json) {
        printf("%" PRIu64 "\n", id);
        return;
    }
    edge.type = fields->set & NG_CFIELD_TYPE ? fields->type : NG_CONNECTION_TYPE_DEFAULT;
    edge.flags = fields->flags;
    if (ng_connection_get(context->store, id, &record) == NG_OK) {
        edge.type = record.type;
        edge.flags = record.flags;
    }
    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_u64(&json, "id", id);
    cli_json_edge(context, &json, "connection", &edge);
    cli_json_u64(&json, "seq", seq);
    cli_json_close(&json);
    cli_json_end(&json);
}

static int link_write(cli_context *context, const cli_args *args, link_request *request)
{
    ng_seq seq = 0;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    ng_collection_id collection;
    ng_connection_id id = 0;
    ng_status status;
    int code = cli_store_open(context, NG_OPEN_MUST_EXIST);

    if (code == CLI_OK)
        code = cli_collection_resolve(context, request->collection, &collection);
    if (code == CLI_OK)
        code = cli_token_resolve(context, args->operands[0], collection, &request->fields.source);
    if (code == CLI_OK)
        code = cli_token_resolve(context, args->operands[1], collection, &request->fields.target);
    if (code != CLI_OK)
        return code;
    status = ng_connection_create(context->store, &request->fields, &write, &id);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    link_print(context, &request->fields, id, seq);
    return CLI_OK;
}

static int link_run(cli_context *context, int argc, char **argv)
{
    link_request request = {
        .fields = {.struct_size = sizeof request.fields, .flags = NG_CONNECTION_ACTIVE}};
    cli_args args;
    int option;

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
    {"type", 't', "TYPE", "type of the connection, such as Hypernym; default AssociatedWith"},
    {"pull", LINK_PULL, "X", "pull strength, -10..10; negative repels; default 0"},
    {"distance", LINK_DISTANCE, "X", "preferred distance, 0.01..100; default 1"},
    {"rigidity", LINK_RIGIDITY, "X", "stiffness, 0..1; default 0.5"},
    {"confidence", LINK_CONFIDENCE, "X", "confidence, 0..1; default 0.5"},
    {"mutability", LINK_MUTABILITY, "M", "immutable, learnable or hypothesis; default by type"},
    {"bidirectional", LINK_BIDIRECTIONAL, NULL, "it counts both ways"},
    {"inhibitory", LINK_INHIBITORY, NULL, "it inhibits its target"},
    {"persistent", LINK_PERSISTENT, NULL, "mark it as never to be evicted"},
    {"level", LINK_LEVEL, "SPACE", "it acts in this space; once for each space"},
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
        "at most one connection of a type in each direction. Tokens are named as in\n"
        "'neurograph help get'.",
    .options = link_options,
    .examples = "neurograph link dog animal --type hypernym\n"
                "neurograph link '#3' '#4' --pull -2.5 --bidirectional",
    .exit_codes = link_exits,
    .run = link_run,
};

/* ---- unlink ---- */

static int unlink_delete(const cli_context *context, const ng_connection_id *ids, int count)
{
    for (int i = 0; i < count; i++) {
        ng_connection record;
        ng_status status = ng_connection_get(context->store, ids[i], &record);

        if (status != NG_OK)
            return cli_fail_status(context, status);
    }
    for (int i = 0; i < count; i++) {
        ng_status status;
        int earlier = 0;

        while (ids[earlier] != ids[i])
            earlier++;
        if (earlier < i)
            continue;
        status = ng_connection_delete(context->store, ids[i], NULL);
        if (status != NG_OK)
            return cli_fail_status(context, status);
    }
    return CLI_OK;
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
    int code;

    cli_args_begin(&args, context, argc, argv);
    if (cli_args_next(&args) < 0)
        return args.exit_code;
    if (args.operand_count == 0)
        return cli_fail(context, CLI_USAGE, "which connection? see 'neurograph unlink --help'");
    ids = cli_allocate((size_t)args.operand_count, sizeof *ids);
    code = unlink_parse(&args, ids);
    if (code == CLI_OK)
        code = cli_store_open(context, NG_OPEN_MUST_EXIST);
    if (code == CLI_OK)
        code = unlink_delete(context, ids, args.operand_count);
    if (code == CLI_OK)
        unlink_print(context, ids, args.operand_count);
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
