/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `neighbors`: what is near a token or a point, in one of the spaces or in several. */
#include "cli_args.h"
#include "cli_grid.h"
#include "cli_near.h"
#include "cli_output.h"

#include <stdio.h>
#include <string.h>

enum {
    NEAR_SPACE = CLI_OPTION_FIRST,
    NEAR_WEIGHT,
    NEAR_RADIUS,
    NEAR_AT,
    NEAR_BOX,
    NEAR_MAX_DISTANCE,
    NEAR_METRIC,
    NEAR_COUNT,
    NEAR_DENSITY,
    NEAR_INFLUENCE,
    NEAR_COLLECTION,
    NEAR_IN,
    NEAR_GRID
};

typedef struct near_options {
    cli_near_request request;
    const char *collection; /* of the token's label */
    const char *in;         /* collection of the answers */
    const char *grid;       /* NULL = the store's own */
    unsigned placed;        /* a bit for each space that --at SPACE=X,Y,Z named */
    bool named;             /* a space was named */
    bool at_given;          /* --at X,Y,Z */
    bool weighted;
} near_options;

static bool near_name_space(const cli_args *args, const char *text, near_options *near)
{
    ng_status status = ng_space_parse(text, &near->request.space);

    if (status != NG_OK) {
        cli_fail(args->context, cli_exit_of(status), "--%s: %s", args->name, ng_last_error());
        return false;
    }
    near->named = true;
    near->request.query.spaces |= (uint8_t)(1u << (unsigned)near->request.space);
    return true;
}

/* "X,Y,Z" or "SPACE=X,Y,Z". */
static bool near_parse_at(const cli_args *args, near_options *near)
{
    const char *sign = strchr(args->value, '=');
    char name[32];

    if (sign == NULL) {
        near->at_given = true;
        return cli_parse_triple(args, args->value, near->request.at);
    }
    snprintf(name, sizeof name, "%.*s", (int)(sign - args->value), args->value);
    if (!near_name_space(args, name, near))
        return false;
    near->placed |= 1u << (unsigned)near->request.space;
    return cli_parse_triple(args, sign + 1, near->request.query.centers[near->request.space]);
}

/* "X,Y,Z:X,Y,Z" */
static bool near_parse_box(const cli_args *args, near_options *near)
{
    const char *sign = strchr(args->value, ':');
    char low[128];

    near->request.by_box = true;
    if (sign == NULL || (size_t)(sign - args->value) >= sizeof low) {
        cli_fail(args->context, CLI_USAGE, "--box: '%s' is not two corners X,Y,Z:X,Y,Z",
                 args->value);
        return false;
    }
    snprintf(low, sizeof low, "%.*s", (int)(sign - args->value), args->value);
    return cli_parse_triple(args, low, near->request.low) &&
           cli_parse_triple(args, sign + 1, near->request.high);
}

/* Of the space that was named last. */
static bool near_parse_weight(const cli_args *args, near_options *near)
{
    float *weight = &near->request.query.weights[near->request.space];

    if (!near->named) {
        cli_fail(args->context, CLI_USAGE, "--weight: comes after the --space that it is for");
        return false;
    }
    if (!cli_parse_float(args, weight))
        return false;
    if (*weight <= 0) {
        cli_fail(args->context, CLI_USAGE, "--weight: %g is not above 0", (double)*weight);
        return false;
    }
    near->weighted = true;
    return true;
}

static bool near_parse_metric(const cli_args *args, near_options *near)
{
    static const char *const names[] = {"euclidean", "manhattan", "chebyshev"};

    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(args->value, names[i]) == 0) {
            near->request.options.metric = i;
            return true;
        }
    }
    cli_fail(args->context, CLI_USAGE, "--metric: '%s' is not euclidean, manhattan or chebyshev",
             args->value);
    return false;
}

static bool near_parse_distance(const cli_args *args, float *out)
{
    if (!cli_parse_float(args, out))
        return false;
    if (*out >= 0)
        return true;
    cli_fail(args->context, CLI_USAGE, "--%s: %g is less than 0", args->name, (double)*out);
    return false;
}

static bool near_set_kind(const cli_args *args, near_options *near, cli_near_kind kind)
{
    if (near->request.kind != CLI_NEAR_HITS && near->request.kind != kind) {
        cli_fail(args->context, CLI_USAGE, "give one of --count, --density and --influence");
        return false;
    }
    near->request.kind = kind;
    return true;
}

static bool near_option(const cli_args *args, int option, near_options *near)
{
    switch (option) {
    case NEAR_SPACE:
        return near_name_space(args, args->value, near);
    case NEAR_WEIGHT:
        return near_parse_weight(args, near);
    case NEAR_RADIUS:
        near->request.by_radius = true;
        return near_parse_distance(args, &near->request.radius);
    case NEAR_MAX_DISTANCE:
        return near_parse_distance(args, &near->request.options.max_distance);
    case NEAR_AT:
        return near_parse_at(args, near);
    case NEAR_BOX:
        return near_parse_box(args, near);
    case NEAR_METRIC:
        return near_parse_metric(args, near);
    case NEAR_COUNT:
        return near_set_kind(args, near, CLI_NEAR_COUNT);
    case NEAR_DENSITY:
        return near_set_kind(args, near, CLI_NEAR_DENSITY);
    case NEAR_INFLUENCE:
        return near_set_kind(args, near, CLI_NEAR_INFLUENCE);
    case NEAR_COLLECTION:
        near->collection = args->value;
        return true;
    case NEAR_IN:
        near->in = args->value;
        return true;
    case NEAR_GRID:
        near->grid = args->value;
        return true;
    default:
        return cli_parse_u64(args, 1, UINT32_MAX, &near->request.limit);
    }
}

/* ---- what the options mean together ---- */

static int near_check(const cli_context *context, const cli_args *args, near_options *near)
{
    cli_near_request *request = &near->request;
    bool point = near->at_given || near->placed != 0;
    unsigned spaces = request->query.spaces;

    request->several = (spaces & (spaces - 1)) != 0;
    if (args->operand_count + point + request->by_box != 1)
        return cli_fail(context, CLI_USAGE, "give one token, --at X,Y,Z or --box X,Y,Z:X,Y,Z");
    if (near->at_given && (request->several || near->placed != 0))
        return cli_fail(context, CLI_USAGE, "with several spaces: --at SPACE=X,Y,Z for each");
    if (point && !near->at_given && near->placed != spaces)
        return cli_fail(context, CLI_USAGE, "a space is named without --at SPACE=X,Y,Z");
    if (near->weighted && !request->several)
        return cli_fail(context, CLI_USAGE, "--weight: goes with several spaces");
    if (request->several && (request->by_box || request->kind != CLI_NEAR_HITS))
        return cli_fail(context, CLI_USAGE, "%s: goes with one space",
                        request->by_box ? "--box" : "--count, --density, --influence");
    if (request->by_box && (request->by_radius || request->kind > CLI_NEAR_COUNT))
        return cli_fail(context, CLI_USAGE, "--box: goes without %s",
                        request->by_radius ? "--radius" : "--density and --influence");
    if (request->kind != CLI_NEAR_HITS && !request->by_radius && !request->by_box)
        return cli_fail(context, CLI_USAGE,
                        "--count, --density, --influence: within which "
                        "--radius?");
    if (request->options.max_distance > 0 && (request->by_radius || request->by_box))
        return cli_fail(context, CLI_USAGE, "--max-distance: goes without --radius and --box");
    return CLI_OK;
}

/* ---- where it is ---- */

static int near_place(const cli_context *context, const char *name, near_options *near)
{
    cli_near_request *request = &near->request;
    ng_token record;
    ng_status status = ng_token_read(context->store, request->token, &record);

    if (status != NG_OK)
        return cli_fail_status(context, status);
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        if ((request->query.spaces >> space & 1) == 0)
            continue;
        if (!ng_token_coordinates(context->store, &record, (ng_space)space,
                                  request->query.centers[space]))
            return cli_fail(context, CLI_NOT_FOUND, "token %s has no coordinates in the %s space",
                            name, ng_space_name((ng_space)space));
    }
    return CLI_OK;
}

static int near_resolve(const cli_context *context, const cli_args *args, near_options *near)
{
    cli_near_request *request = &near->request;
    ng_collection_id collection;
    int code = cli_collection_resolve(context, near->in, &request->filter.collection);

    request->filter.by_collection = near->in != NULL;
    if (code == CLI_OK && near->grid != NULL)
        code = cli_grid_resolve(context, near->grid, &request->options.grid);
    if (code == CLI_OK && args->operand_count == 1) {
        code = cli_collection_resolve(context, near->collection, &collection);
        if (code == CLI_OK)
            code = cli_token_resolve(context, args->operands[0], collection, &request->token);
        if (code == CLI_OK)
            code = near_place(context, args->operands[0], near);
        request->filter.exclude = request->token;
    }
    if (!near->at_given)
        memcpy(request->at, request->query.centers[request->space], sizeof request->at);
    return code;
}

static int near_run(cli_context *context, int argc, char **argv)
{
    near_options near = {.request = {.space = NG_SPACE_ABSTRACT,
                                     .query = {.struct_size = sizeof near.request.query},
                                     .filter = {.struct_size = sizeof near.request.filter},
                                     .options = {.struct_size = sizeof near.request.options}}};
    cli_args args;
    int option, code;

    near.request.options.filter = &near.request.filter;
    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!near_option(&args, option, &near))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (!near.named)
        near.request.query.spaces = 1u << (unsigned)NG_SPACE_ABSTRACT;
    for (int space = 0; near.weighted && space < NG_SPACE_COUNT; space++)
        if (near.request.query.weights[space] <= 0)
            near.request.query.weights[space] = 1; /* of a space without one beside one that has */
    code = near_check(context, &args, &near);
    if (code == CLI_OK)
        code = cli_store_open_reading(context);
    if (code == CLI_OK)
        code = near_resolve(context, &args, &near);
    if (code == CLI_OK)
        code = cli_near_answer(context, &near.request);
    return code;
}

static const cli_option near_option_rows[] = {
    {"space", NEAR_SPACE, "NAME", "the space; default abstract; several: near in all of them"},
    {"weight", NEAR_WEIGHT, "W", "of the space just named among several; default 1"},
    {"at", NEAR_AT, "[SPACE=]X,Y,Z", "near this point rather than a token"},
    {"limit", 'n', "N", "at most N; default 10, with --radius or --box all"},
    {"radius", NEAR_RADIUS, "R", "all within this distance, in the units of the space"},
    {"box", NEAR_BOX, "LOW:HIGH", "all between two corners X,Y,Z:X,Y,Z"},
    {"max-distance", NEAR_MAX_DISTANCE, "D", "the nearest, but none farther than this"},
    {"metric", NEAR_METRIC, "NAME", "euclidean (default), manhattan or chebyshev"},
    {"count", NEAR_COUNT, NULL, "print only how many are within --radius or --box"},
    {"density", NEAR_DENSITY, NULL, "print only how many there are for each unit of volume"},
    {"influence", NEAR_INFLUENCE, NULL, "print only the sum of the fields that reach the place"},
    {"in", NEAR_IN, "NAME", "answer with tokens of this collection alone"},
    {"grid", NEAR_GRID, "GRID", "answer with members of this named grid alone"},
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
        "In several spaces the distance is sqrt(sum of weight x distance^2); without any\n"
        "--weight the scales of the constitution are the weights.\n"
        "TOKEN is named as in 'neurograph help get'.",
    .options = near_option_rows,
    .examples = "neurograph neighbors dog --limit 5\n"
                "neurograph neighbors cup --space physical --radius 1.5\n"
                "neurograph neighbors --at 0,0,1 --space physical --json\n"
                "neurograph neighbors --box 0,0,0:2,2,1 --space physical --count\n"
                "neurograph neighbors cup --space physical --weight 2 --space emotional",
    .exit_codes = near_exits,
    .run = near_run,
};
