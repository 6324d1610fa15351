/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The commands `clusters` and `fields`: what hangs together in a space. */
#include "cli_args.h"
#include "cli_grid.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CLUSTERS_TOKENS_DEFAULT 3u

enum {
    CLUSTERS_SPACE = CLI_OPTION_FIRST,
    CLUSTERS_RADIUS,
    CLUSTERS_TOKENS,
    CLUSTERS_METRIC,
    CLUSTERS_MEMBERS,
    CLUSTERS_DENSITY,
    CLUSTERS_IN,
    CLUSTERS_GRID
};

/* What both commands take. */
typedef struct clusters_request {
    ng_space space;
    ng_cluster_query near;
    ng_grid_field_query dense;
    bool members;
    uint64_t limit; /* 0 = not given */
    const char *in, *grid;
    ng_filter filter;
    ng_search_options options; /* leads to `filter` */
} clusters_request;

/* ---- options ---- */

static bool clusters_parse_space(const cli_args *args, ng_space *out)
{
    ng_status status = ng_space_parse(args->value, out);

    if (status != NG_OK)
        cli_fail(args->context, cli_exit_of(status), "--space: %s", ng_last_error());
    return status == NG_OK;
}

static bool clusters_parse_metric(const cli_args *args, uint32_t *out)
{
    static const char *const names[] = {"euclidean", "manhattan", "chebyshev"};

    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(args->value, names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    cli_fail(args->context, CLI_USAGE, "--metric: '%s' is not euclidean, manhattan or chebyshev",
             args->value);
    return false;
}

static bool clusters_parse_above(const cli_args *args, float *out)
{
    if (!cli_parse_float(args, out))
        return false;
    if (*out <= 0)
        cli_fail(args->context, CLI_USAGE, "--%s: %g is not above 0", args->name, (double)*out);
    return *out > 0;
}

static bool clusters_option(const cli_args *args, int option, clusters_request *request)
{
    uint64_t number;

    switch (option) {
    case CLUSTERS_SPACE:
        return clusters_parse_space(args, &request->space);
    case CLUSTERS_RADIUS:
        return clusters_parse_above(args, &request->near.radius);
    case CLUSTERS_TOKENS:
        if (!cli_parse_u64(args, 1, UINT32_MAX, &number))
            return false;
        request->near.min_tokens = request->dense.min_tokens = (uint32_t)number;
        return true;
    case CLUSTERS_METRIC:
        return clusters_parse_metric(args, &request->options.metric);
    case CLUSTERS_MEMBERS:
        request->members = true;
        return true;
    case CLUSTERS_DENSITY:
        return clusters_parse_above(args, &request->dense.density_threshold);
    case CLUSTERS_IN:
        request->in = args->value;
        return true;
    case CLUSTERS_GRID:
        request->grid = args->value;
        return true;
    default:
        return cli_parse_u64(args, 1, UINT32_MAX, &request->limit);
    }
}

/* Reads the options; > 0: an exit code to end with. */
static int clusters_read(cli_context *context, int argc, char **argv, clusters_request *request)
{
    cli_args args;
    int option;

    *request = (clusters_request){.space = NG_SPACE_ABSTRACT,
                                  .near = {.struct_size = sizeof request->near,
                                           .min_tokens = CLUSTERS_TOKENS_DEFAULT},
                                  .dense = {.struct_size = sizeof request->dense},
                                  .filter = {.struct_size = sizeof request->filter},
                                  .options = {.struct_size = sizeof request->options}};
    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!clusters_option(&args, option, request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code != CLI_OK ? args.exit_code : -1;
    return cli_args_store(&args, 0);
}

static int clusters_open(cli_context *context, clusters_request *request)
{
    int code = cli_store_open_reading(context);

    if (code == CLI_OK)
        code = cli_collection_resolve(context, request->in, &request->filter.collection);
    if (code == CLI_OK && request->grid != NULL)
        code = cli_grid_resolve(context, request->grid, &request->options.grid);
    request->filter.by_collection = request->in != NULL;
    if (request->in != NULL)
        request->options.filter = &request->filter;
    return code;
}

/* How many are shown of what there is. */
static size_t clusters_shown(const clusters_request *request, size_t total)
{
    return request->limit > 0 && request->limit < total ? (size_t)request->limit : total;
}

static void clusters_json_triple(cli_json *json, const char *key, const float at[NG_AXIS_COUNT])
{
    cli_json_array(json, key);
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        cli_json_float(json, NULL, at[axis]);
    cli_json_close(json);
}

static void clusters_cell_triple(cli_table *table, const float at[NG_AXIS_COUNT])
{
    char text[NG_AXIS_COUNT][CLI_NUMBER_ROOM];

    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        cli_show_float(at[axis], text[axis]);
    cli_table_cell(table, "%s,%s,%s", text[0], text[1], text[2]);
}

/* Says what is not there, and how it ends. */
static int clusters_end(const cli_context *context, const clusters_request *request,
                        const char *what, size_t shown, size_t total)
{
    if (total > shown)
        cli_note(context, "%zu more; use --limit", total - shown);
    if (total == 0)
        cli_note(context, "no %s in the %s space", what, ng_space_name(request->space));
    return total > 0 ? CLI_OK : CLI_NOTHING;
}

/* ---- clusters ---- */

/* Everything: how many there are is known only when they are found, so room is made for the answer and
 * they are found again. */
typedef struct clusters_answer {
    ng_cluster *clusters;
    size_t room, total;
    ng_cluster_members members;
} clusters_answer;

static ng_status clusters_find(const cli_context *context, const clusters_request *request,
                               clusters_answer *answer)
{
    ng_cluster_members *members = request->members ? &answer->members : NULL;
    ng_status status;

    do {
        free(answer->clusters);
        free(answer->members.items);
        answer->room = clusters_shown(request, answer->total);
        answer->members.capacity = answer->members.count;
        answer->clusters = cli_allocate(answer->room + 1, sizeof *answer->clusters);
        answer->members.items =
            cli_allocate(answer->members.capacity + 1, sizeof *answer->members.items);
        status = ng_grid_clusters(context->store, request->space, &request->near, &request->options,
                                  answer->clusters, answer->room, &answer->total, members);
    } while (status == NG_OK && (answer->room < clusters_shown(request, answer->total) ||
                                 answer->members.capacity < answer->members.count));
    return status;
}

static void clusters_print_json(const clusters_request *request, const clusters_answer *answer)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "space", ng_space_name(request->space));
    cli_json_float(&json, "radius", request->near.radius);
    cli_json_u64(&json, "min_tokens", request->near.min_tokens);
    cli_json_u64(&json, "total", answer->total);
    cli_json_array(&json, "clusters");
    for (size_t i = 0; i < clusters_shown(request, answer->total); i++) {
        const ng_cluster *cluster = &answer->clusters[i];

        cli_json_object(&json, NULL);
        cli_json_u64(&json, "tokens", cluster->token_count);
        cli_json_u64(&json, "cores", cluster->core_count);
        cli_json_u64(&json, "lowest_id", cluster->lowest_id);
        clusters_json_triple(&json, "center", cluster->center);
        clusters_json_triple(&json, "low", cluster->low);
        clusters_json_triple(&json, "high", cluster->high);
        cli_json_float(&json, "radius", cluster->radius);
        cli_json_close(&json);
    }
    cli_json_close(&json);
    if (request->members) {
        cli_json_array(&json, "members");
        for (size_t i = 0; i < answer->members.count; i++) {
            cli_json_object(&json, NULL);
            cli_json_u64(&json, "id", answer->members.items[i].id);
            cli_json_u64(&json, "cluster", answer->members.items[i].cluster);
            cli_json_close(&json);
        }
        cli_json_close(&json);
    }
    cli_json_close(&json);
    cli_json_end(&json);
}

static void clusters_print_members(const cli_context *context, const ng_cluster_members *members)
{
    static const cli_column columns[] = {{"id", true}, {"label", false}, {"cluster", true}};
    cli_table table;

    cli_table_init(&table, columns, 3);
    for (size_t i = 0; i < members->count; i++) {
        char label[CLI_LABEL_ROOM];

        if (cli_token_label(context, members->items[i].id, label) == NULL)
            label[0] = '\0';
        cli_table_cell(&table, "%" PRIu64, members->items[i].id);
        cli_table_cell(&table, "%s", label);
        cli_table_cell(&table, "%u", members->items[i].cluster);
    }
    cli_table_print(context, &table);
    cli_table_release(&table);
}

static void clusters_print(const cli_context *context, const clusters_request *request,
                           const clusters_answer *answer)
{
    static const cli_column columns[] = {{"cluster", true},   {"tokens", true}, {"cores", true},
                                         {"lowest-id", true}, {"center", true}, {"radius", true}};
    cli_table table;

    cli_table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < clusters_shown(request, answer->total); i++) {
        const ng_cluster *cluster = &answer->clusters[i];
        char number[CLI_NUMBER_ROOM];

        cli_table_cell(&table, "%zu", i + 1);
        cli_table_cell(&table, "%s", cli_show_count(context, cluster->token_count, number));
        cli_table_cell(&table, "%s", cli_show_count(context, cluster->core_count, number));
        cli_table_cell(&table, "%" PRIu64, cluster->lowest_id);
        clusters_cell_triple(&table, cluster->center);
        cli_table_cell(&table, "%s", cli_show_float(cluster->radius, number));
    }
    cli_table_print(context, &table);
    cli_table_release(&table);
}

static int clusters_run(cli_context *context, int argc, char **argv)
{
    clusters_request request;
    clusters_answer answer = {0};
    ng_status status;
    int code = clusters_read(context, argc, argv, &request);

    if (code != CLI_OK)
        return code < 0 ? CLI_OK : code;
    if (request.near.radius <= 0)
        return cli_fail(context, CLI_USAGE, "how near is near? give --radius R");
    code = clusters_open(context, &request);
    if (code != CLI_OK)
        return code;
    status = clusters_find(context, &request, &answer);
    if (status != NG_OK)
        code = cli_fail_status(context, status);
    else if (context->json)
        clusters_print_json(&request, &answer);
    else if (request.members)
        clusters_print_members(context, &answer.members);
    else
        clusters_print(context, &request, &answer);
    if (status == NG_OK)
        code = clusters_end(context, &request, "clusters", clusters_shown(&request, answer.total),
                            answer.total);
    free(answer.clusters);
    free(answer.members.items);
    return code;
}

static const cli_option clusters_options[] = {
    {"space", CLUSTERS_SPACE, "NAME", "the space; default abstract"},
    {"radius", CLUSTERS_RADIUS, "R", "how near is near, in the units of the space; required"},
    {"min-tokens", CLUSTERS_TOKENS, "N", "so many near a token make it a core; default 3"},
    {"metric", CLUSTERS_METRIC, "NAME", "euclidean (default), manhattan or chebyshev"},
    {"limit", 'n', "N", "show at most N clusters; default all"},
    {"members", CLUSTERS_MEMBERS, NULL, "list the tokens with the number of their cluster"},
    {"in", CLUSTERS_IN, "NAME", "of tokens of this collection alone"},
    {"grid", CLUSTERS_GRID, "GRID", "of members of this named grid alone"},
    {NULL, 0, NULL, NULL},
};

static const int clusters_exits[] = {CLI_OK,   CLI_NOTHING, CLI_USAGE, CLI_NOT_FOUND,
                                     CLI_BUSY, CLI_IO,      CLI_DATA,  -1};

const cli_command cli_command_clusters = {
    .name = "clusters",
    .arguments = "[OPTION]... [STORE]",
    .summary = "List groups of tokens that lie close together in a space",
    .description =
        "A token with --min-tokens within --radius, itself counted, is a core; cores near\n"
        "each other are in one cluster, other tokens in that of the nearest core, if one is\n"
        "near, and else in none (cluster 0). The largest first.",
    .options = clusters_options,
    .examples = "neurograph clusters --space physical --radius 2\n"
                "neurograph clusters --space sensory --radius 0.1 --min-tokens 5 --limit 10\n"
                "neurograph clusters --space physical --radius 2 --members --json",
    .exit_codes = clusters_exits,
    .run = clusters_run,
};

/* ---- fields ---- */

static void fields_print_json(const clusters_request *request, const ng_grid_field *fields,
                              size_t total)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "space", ng_space_name(request->space));
    cli_json_u64(&json, "total", total);
    cli_json_array(&json, "fields");
    for (size_t i = 0; i < clusters_shown(request, total); i++) {
        const ng_grid_field *field = &fields[i];

        cli_json_object(&json, NULL);
        cli_json_u64(&json, "tokens", field->token_count);
        cli_json_u64(&json, "sources", field->source_count);
        cli_json_u64(&json, "lowest_id", field->lowest_id);
        clusters_json_triple(&json, "center", field->center);
        cli_json_float(&json, "radius", field->radius);
        cli_json_double(&json, "density", field->density);
        cli_json_double(&json, "strength", field->strength);
        cli_json_close(&json);
    }
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

static void fields_print(const cli_context *context, const clusters_request *request,
                         const ng_grid_field *fields, size_t total)
{
    static const cli_column columns[] = {{"tokens", true},  {"sources", true}, {"lowest-id", true},
                                         {"center", true},  {"radius", true},  {"density", true},
                                         {"strength", true}};
    cli_table table;

    cli_table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < clusters_shown(request, total); i++) {
        char number[CLI_NUMBER_ROOM];

        cli_table_cell(&table, "%s", cli_show_count(context, fields[i].token_count, number));
        cli_table_cell(&table, "%s", cli_show_count(context, fields[i].source_count, number));
        cli_table_cell(&table, "%" PRIu64, fields[i].lowest_id);
        clusters_cell_triple(&table, fields[i].center);
        cli_table_cell(&table, "%s", cli_show_float(fields[i].radius, number));
        cli_table_cell(&table, "%s", cli_show_float((float)fields[i].density, number));
        cli_table_cell(&table, "%s", cli_show_float((float)fields[i].strength, number));
    }
    cli_table_print(context, &table);
    cli_table_release(&table);
}

static int fields_run(cli_context *context, int argc, char **argv)
{
    clusters_request request;
    ng_grid_field *fields = NULL;
    size_t total = 0, room;
    ng_status status;
    int code = clusters_read(context, argc, argv, &request);

    if (code == CLI_OK)
        code = clusters_open(context, &request);
    if (code != CLI_OK)
        return code < 0 ? CLI_OK : code;
    do {
        free(fields);
        room = clusters_shown(&request, total);
        fields = cli_allocate(room + 1, sizeof *fields);
        status = ng_grid_fields(context->store, request.space, &request.dense, &request.options,
                                fields, room, &total);
    } while (status == NG_OK && room < clusters_shown(&request, total));
    if (status != NG_OK)
        code = cli_fail_status(context, status);
    else if (context->json)
        fields_print_json(&request, fields, total);
    else
        fields_print(context, &request, fields, total);
    if (status == NG_OK)
        code = clusters_end(context, &request, "fields", clusters_shown(&request, total), total);
    free(fields);
    return code;
}

static const cli_option fields_options[] = {
    {"space", CLUSTERS_SPACE, "NAME", "the space; default abstract"},
    {"density-threshold", CLUSTERS_DENSITY, "X", "tokens for each unit of volume; default 0.5"},
    {"min-tokens", CLUSTERS_TOKENS, "N", "tokens within the field radius; default 3"},
    {"limit", 'n', "N", "show at most N fields; default all"},
    {"in", CLUSTERS_IN, "NAME", "of tokens of this collection alone"},
    {"grid", CLUSTERS_GRID, "GRID", "of members of this named grid, with its thresholds"},
    {NULL, 0, NULL, NULL},
};

const cli_command cli_command_fields = {
    .name = "fields",
    .arguments = "[OPTION]... [STORE]",
    .summary = "List the fields that dense places of a space give rise to",
    .description =
        "A token gives rise to a field if within its field radius there are --min-tokens\n"
        "tokens, itself counted, and more than --density-threshold for each unit of volume.\n"
        "Fields nearer than the sum of their radii are one. The largest first.",
    .options = fields_options,
    .examples = "neurograph fields --space physical\n"
                "neurograph fields --space physical --density-threshold 2 --min-tokens 10\n"
                "neurograph fields --space physical --grid kitchen --json",
    .exit_codes = clusters_exits,
    .run = fields_run,
};
