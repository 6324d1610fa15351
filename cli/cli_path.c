/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `path`: how one token leads to another. */
#include "cli_args.h"
#include "cli_edge.h"
#include "cli_output.h"
#include "cli_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PATH_HOPS_DEFAULT 32u
#define PATH_HOPS_MAX 100000u

enum { PATH_TYPES = CLI_OPTION_FIRST, PATH_DIRECTION, PATH_HOPS, PATH_COLLECTION };

typedef struct path_request {
    const char *collection;
    ng_token_id from, to;
    ng_path_options options;
} path_request;

static bool path_option(const cli_args *args, int option, path_request *request)
{
    uint64_t hops;

    switch (option) {
    case PATH_TYPES:
        return cli_parse_types(args, &request->options.types);
    case PATH_DIRECTION:
        return cli_parse_direction(args, &request->options.direction);
    case PATH_HOPS:
        if (!cli_parse_u64(args, 1, PATH_HOPS_MAX, &hops))
            return false;
        request->options.max_hops = (uint32_t)hops;
        return true;
    default:
        request->collection = args->value;
        return true;
    }
}

/* "dog -Hypernym-> canine <-Meronym- tail": the arrow shows which way the connection points. */
static void path_print_text(const cli_context *context, const path_request *request,
                            const ng_edge *edges, size_t count)
{
    char name[CLI_LABEL_ROOM], type[CLI_TYPE_ROOM];
    const char *begin = context->color ? "\033[36m" : "";
    const char *end = context->color ? "\033[0m" : "";
    ng_token_id at = request->from;

    cli_text_print(stdout, cli_token_name(context, at, name));
    for (size_t i = 0; i < count; i++) {
        bool forward = edges[i].source == at;
        bool both = (edges[i].flags & NG_CONNECTION_BIDIRECTIONAL) != 0;

        at = forward ? edges[i].target : edges[i].source;
        printf(" %s%s%s%s%s ", begin, forward && !both ? "-" : "<-",
               cli_type_name(edges[i].type, type), forward || both ? "->" : "-", end);
        cli_text_print(stdout, cli_token_name(context, at, name));
    }
    putchar('\n');
}

static void path_print_json(const cli_context *context, const path_request *request,
                            const ng_edge *edges, size_t count)
{
    ng_token_id at = request->from;
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_token(context, &json, "from", request->from);
    cli_json_token(context, &json, "to", request->to);
    cli_json_u64(&json, "hops", count);
    cli_json_array(&json, "tokens");
    cli_json_token(context, &json, NULL, at);
    for (size_t i = 0; i < count; i++) {
        at = edges[i].source == at ? edges[i].target : edges[i].source;
        cli_json_token(context, &json, NULL, at);
    }
    cli_json_close(&json);
    cli_json_array(&json, "connections");
    for (size_t i = 0; i < count; i++)
        cli_json_edge(context, &json, NULL, &edges[i]);
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

static int path_find(const cli_context *context, const path_request *request)
{
    size_t capacity = request->options.max_hops, count = 0;
    ng_edge *edges = cli_allocate(capacity, sizeof *edges);
    char from[CLI_LABEL_ROOM], to[CLI_LABEL_ROOM];
    int code = CLI_OK;
    ng_status status = ng_path_find(context->store, request->from, request->to, &request->options,
                                    edges, capacity, &count);

    /* Both tokens exist, so this says that there is no path. */
    if (status == NG_E_NOT_FOUND)
        code = cli_fail(context, CLI_NOTHING, "no path from %s to %s within %" PRIu32 " hops",
                        cli_token_name(context, request->from, from),
                        cli_token_name(context, request->to, to), request->options.max_hops);
    else if (status != NG_OK)
        code = cli_fail_status(context, status);
    else if (context->json)
        path_print_json(context, request, edges, count);
    else
        path_print_text(context, request, edges, count);
    free(edges);
    return code;
}

static int path_run(cli_context *context, int argc, char **argv)
{
    path_request request = {
        .options = {.struct_size = sizeof request.options, .max_hops = PATH_HOPS_DEFAULT}};
    ng_collection_id collection;
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!path_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (args.operand_count != 2)
        return cli_fail(context, CLI_USAGE, "give two tokens, not %d", args.operand_count);
    code = cli_store_open_reading(context);
    if (code == CLI_OK)
        code = cli_collection_resolve(context, request.collection, &collection);
    if (code == CLI_OK)
        code = cli_token_resolve(context, args.operands[0], collection, &request.from);
    if (code == CLI_OK)
        code = cli_token_resolve(context, args.operands[1], collection, &request.to);
    if (code == CLI_OK)
        code = path_find(context, &request);
    return code;
}

static const cli_option path_options[] = {
    {"types", PATH_TYPES, "TYPE,...", "follow only connections of these types"},
    {"direction", PATH_DIRECTION, "WAY", "out (default), in or both"},
    {"max-hops", PATH_HOPS, "N", "at most N connections; default 32"},
    {"collection", PATH_COLLECTION, "NAME", "look labels up in this collection alone"},
    {NULL, 0, NULL, NULL},
};

static const int path_exits[] = {CLI_OK,   CLI_NOTHING, CLI_USAGE, CLI_NOT_FOUND,
                                 CLI_BUSY, CLI_IO,      CLI_DATA,  -1};

const cli_command cli_command_path = {
    .name = "path",
    .arguments = "[OPTION]... FROM TO",
    .summary = "Show how one token leads to another by connections",
    .description =
        "Finds a path of fewest connections. The arrow of each step is the direction of\n"
        "the connection. Tokens are named as in 'neurograph help get'.",
    .options = path_options,
    .examples = "neurograph path dog animal\n"
                "neurograph path dog animal --types hypernym,meronym --max-hops 8\n"
                "neurograph path '#3' '#9' --direction both --json",
    .exit_codes = path_exits,
    .run = path_run,
};
