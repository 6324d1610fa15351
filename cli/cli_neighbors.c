/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `neighbors`: what is near a token or a point in one of the spaces. */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NEAR_SPACE = CLI_OPTION_FIRST, NEAR_RADIUS, NEAR_AT, NEAR_COLLECTION, NEAR_IN };

typedef struct near_request {
    const char *collection; /* of the token's label */
    const char *in;         /* collection of the answers */
    ng_space space;
    bool by_radius, at_given;
    float radius;
    float at[NG_AXIS_COUNT];
    uint64_t limit; /* 0 = not given */
    ng_token_id token;
    ng_filter filter;
} near_request;

static bool near_option(const cli_args *args, int option, near_request *request)
{
    ng_status status;

    switch (option) {
    case NEAR_SPACE:
        status = ng_space_parse(args->value, &request->space);
        if (status != NG_OK)
            cli_fail(args->context, cli_exit_of(status), "--space: %s", ng_last_error());
        return status == NG_OK;
    case NEAR_RADIUS:
        request->by_radius = true;
        return cli_parse_float(args, &request->radius);
    case NEAR_AT:
        request->at_given = true;
        return cli_parse_triple(args, args->value, request->at);
    case NEAR_COLLECTION:
        request->collection = args->value;
        return true;
    case NEAR_IN:
        request->in = args->value;
        return true;
    default:
        return cli_parse_u64(args, 1, UINT32_MAX, &request->limit);
    }
}

static int near_resolve(const cli_context *context, const cli_args *args, near_request *request)
{
    ng_collection_id collection;
    ng_token record;
    ng_status status;
    int code = cli_collection_resolve(context, request->in, &request->filter.collection);

    request->filter.by_collection = request->in != NULL;
    if (code != CLI_OK || request->at_given)
        return code;
    code = cli_collection_resolve(context, request->collection, &collection);
    if (code == CLI_OK)
        code = cli_token_resolve(context, args->operands[0], collection, &request->token);
    if (code != CLI_OK)
        return code;
    request->filter.exclude = request->token;
    status = ng_token_read(context->store, request->token, &record);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (!ng_token_coordinates(context->store, &record, request->space, request->at))
        return cli_fail(context, CLI_NOT_FOUND, "token %s has no coordinates in the %s space",
                        args->operands[0], ng_space_name(request->space));
    return CLI_OK;
}

static ng_status near_search(const cli_context *context, const near_request *request, ng_hit *out,
                             size_t capacity, size_t *count)
{
    const ng_search_options options = {.struct_size = sizeof options, .filter = &request->filter};

    if (request->by_radius)
        return ng_grid_range(context->store, request->space, request->at, request->radius, &options,
                             out, capacity, count);
    if (request->at_given)
        return ng_grid_nearest(context->store, request->space, request->at, &options, out, capacity,
                               count);
    return ng_token_neighbors(context->store, request->token, request->space, &options, out,
                              capacity, count);
}

static void near_print_json(const cli_context *context, const near_request *request,
                            const ng_hit *hits, size_t shown, size_t total)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "space", ng_space_name(request->space));
    cli_json_array(&json, "at");
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        cli_json_float(&json, NULL, request->at[axis]);
    cli_json_close(&json);
    if (request->token != 0)
        cli_json_u64(&json, "token", request->token);
    else
        cli_json_null(&json, "token");
    if (request->by_radius) {
        cli_json_float(&json, "radius", request->radius);
        cli_json_u64(&json, "total", total);
    }
    cli_json_array(&json, "hits");
    for (size_t i = 0; i < shown; i++) {
        char label[CLI_LABEL_ROOM];

        cli_json_object(&json, NULL);
        cli_json_u64(&json, "id", hits[i].id);
        cli_json_text(&json, "label", cli_token_label(context, hits[i].id, label));
        cli_json_float(&json, "distance", hits[i].distance);
        cli_json_close(&json);
    }
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

static void near_print_text(const cli_context *context, const ng_hit *hits, size_t shown)
{
    static const cli_column columns[] = {{"id", true}, {"label", false}, {"distance", true}};
    cli_table table;

    cli_table_init(&table, columns, 3);
    for (size_t i = 0; i < shown; i++) {
        char label[CLI_LABEL_ROOM], number[CLI_NUMBER_ROOM];

        if (cli_token_label(context, hits[i].id, label) == NULL)
            label[0] = '\0';
        cli_table_cell(&table, "%" PRIu64, hits[i].id);
        cli_table_cell(&table, "%s", label);
        cli_table_cell(&table, "%s", cli_show_float(hits[i].distance, number));
    }
    cli_table_print(context, &table);
}

static int near_answer(const cli_context *context, const near_request *request)
{
    size_t capacity = request->limit > 0 ? (size_t)request->limit : CLI_LIMIT_DEFAULT;
    ng_hit *hits = NULL;
    size_t count = 0, shown;
    ng_status status = NG_OK;
    int code = CLI_NOTHING;

    if (request->by_radius) {
        /* Without a limit all within the radius are wanted, so they are counted first. */
        status = near_search(context, request, NULL, 0, &count);
        if (request->limit == 0 || count < capacity)
            capacity = count;
    }
    if (status == NG_OK) {
        hits = cli_allocate(capacity, sizeof *hits);
        status = near_search(context, request, hits, capacity, &count);
    }
    shown = count < capacity ? count : capacity;
    if (status != NG_OK) {
        code = cli_fail_status(context, status);
    } else {
        if (context->json)
            near_print_json(context, request, hits, shown, count);
        else
            near_print_text(context, hits, shown);
        if (request->by_radius && count > shown)
            cli_note(context, "%zu more within the radius; use --limit", count - shown);
        if (shown > 0)
            code = CLI_OK;
        else
            cli_note(context, "no token is there in the %s space", ng_space_name(request->space));
    }
    free(hits);
    return code;
}

static int near_run(cli_context *context, int argc, char **argv)
{
    near_request request = {.space = NG_SPACE_ABSTRACT,
                            .filter = {.struct_size = sizeof request.filter}};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!near_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (args.operand_count > 1 || (args.operand_count == 1) == request.at_given)
        return cli_fail(context, CLI_USAGE, "give either one token or --at x,y,z");
    if (request.by_radius && request.radius < 0)
        return cli_fail(context, CLI_USAGE, "--radius: %g is less than 0", (double)request.radius);
    code = cli_store_open_reading(context);
    if (code == CLI_OK)
        code = near_resolve(context, &args, &request);
    if (code == CLI_OK)
        code = near_answer(context, &request);
    return code;
}

static const cli_option near_options[] = {
    {"space", NEAR_SPACE, "NAME", "the space; default abstract"},
    {"at", NEAR_AT, "X,Y,Z", "near this point rather than a token"},
    {"limit", 'n', "N", "at most N; default 10, with --radius all"},
    {"radius", NEAR_RADIUS, "R", "all within this distance, in the units of the space"},
    {"in", NEAR_IN, "NAME", "answer with tokens of this collection alone"},
    {"collection", NEAR_COLLECTION, "NAME", "look the label up in this collection alone"},
    {NULL, 0, NULL, NULL},
};

static const int near_exits[] = {CLI_OK,   CLI_NOTHING, CLI_USAGE, CLI_NOT_FOUND,
                                 CLI_BUSY, CLI_IO,      CLI_DATA,  -1};

const cli_command cli_command_neighbors = {
    .name = "neighbors",
    .arguments = "[OPTION]... TOKEN | --at X,Y,Z [OPTION]...",
    .summary = "List what is near a token or a point in a space",
    .description =
        "Nearest first, equal distances by id; the token itself is left out. The spaces\n"
        "are physical, sensory, motor, emotional, cognitive, social, temporal, abstract.\n"
        "TOKEN is named as in 'neurograph help get'.",
    .options = near_options,
    .examples = "neurograph neighbors dog --limit 5\n"
                "neurograph neighbors cup --space physical --radius 1.5\n"
                "neurograph neighbors --at 0,0,1 --space physical --json",
    .exit_codes = near_exits,
    .run = near_run,
};
