/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `vectors`: makes, lists and drops the fields of vectors that tokens may have. */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>

enum { VECTORS_DIMENSIONS = CLI_OPTION_FIRST, VECTORS_METRIC, VECTORS_DROP };

#define VECTORS_FIELDS_MAX 16 /* with the default one */
#define VECTORS_DIMENSIONS_MAX 4096u

typedef struct vectors_request {
    const char *name;    /* NULL: list */
    uint64_t dimensions; /* 0 = not given */
    ng_vector_metric metric;
    bool drop, has_metric;
} vectors_request;

static void vectors_print_json(const ng_vector_field_info *infos, size_t count)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_array(&json, "fields");
    for (size_t i = 0; i < count; i++) {
        cli_json_object(&json, NULL);
        cli_json_u64(&json, "id", infos[i].id);
        cli_json_text(&json, "name", infos[i].name);
        cli_json_u64(&json, "dimensions", infos[i].dimensions);
        cli_json_text(&json, "metric", ng_vector_metric_name(infos[i].metric));
        cli_json_u64(&json, "vectors", infos[i].vector_count);
        cli_json_close(&json);
    }
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

static int vectors_list(const cli_context *context)
{
    static const cli_column columns[] = {
        {"id", true}, {"name", false}, {"dimensions", true}, {"metric", false}, {"vectors", true}};
    ng_vector_field_info infos[VECTORS_FIELDS_MAX];
    size_t count = 0;
    cli_table table;
    ng_status status = ng_vector_field_list(context->store, infos, VECTORS_FIELDS_MAX, &count);

    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (context->json) {
        vectors_print_json(infos, count);
        return CLI_OK;
    }
    cli_table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < count; i++) {
        cli_table_cell(&table, "%" PRIu32, infos[i].id);
        cli_table_cell(&table, "%s", infos[i].id != 0 ? infos[i].name : "(default)");
        cli_table_cell(&table, "%" PRIu32, infos[i].dimensions);
        cli_table_cell(&table, "%s", ng_vector_metric_name(infos[i].metric));
        cli_table_cell(&table, "%" PRIu64, infos[i].vector_count);
    }
    cli_table_print(context, &table);
    return CLI_OK;
}

static int vectors_write(const cli_context *context, const vectors_request *request)
{
    const ng_vector_field_options options = {.struct_size = sizeof options,
                                             .dimensions = (uint32_t)request->dimensions,
                                             .metric = request->metric};
    ng_vector_field_id id = 0;
    ng_status status;

    if (request->drop) {
        status = ng_vector_field_find(context->store, request->name, &id);
        if (status == NG_OK)
            status = ng_vector_field_drop(context->store, id, NULL);
    } else {
        status = ng_vector_field_create(context->store, request->name, &options, NULL, &id);
    }
    return status == NG_OK ? vectors_list(context) : cli_fail_status(context, status);
}

static int vectors_check(const cli_args *args, vectors_request *request)
{
    bool makes = request->dimensions != 0 || request->has_metric;

    if (args->operand_count > 1)
        return cli_fail(args->context, CLI_USAGE, "unexpected argument '%s'", args->operands[1]);
    if (args->operand_count == 1)
        request->name = args->operands[0];
    if (request->name == NULL && (makes || request->drop))
        return cli_fail(args->context, CLI_USAGE, "the NAME of a field is missing");
    if (request->drop && makes)
        return cli_fail(args->context, CLI_USAGE, "--drop goes without --dimensions and --metric");
    if (request->name != NULL && !request->drop && request->dimensions == 0)
        return cli_fail(args->context, CLI_USAGE, "--dimensions is missing");
    return CLI_OK;
}

static bool vectors_parse_metric(const cli_args *args, vectors_request *request)
{
    ng_status status = ng_vector_metric_parse(args->value, &request->metric);

    request->has_metric = true;
    if (status != NG_OK)
        cli_fail(args->context, CLI_USAGE, "--metric: %s", ng_last_error());
    return status == NG_OK;
}

static int vectors_run(cli_context *context, int argc, char **argv)
{
    vectors_request request = {.metric = NG_VECTOR_COSINE};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0) {
        if (option == VECTORS_DROP)
            request.drop = true;
        else if (option == VECTORS_METRIC && !vectors_parse_metric(&args, &request))
            return CLI_USAGE;
        else if (option == VECTORS_DIMENSIONS &&
                 !cli_parse_u64(&args, 2, VECTORS_DIMENSIONS_MAX, &request.dimensions))
            return CLI_USAGE;
    }
    if (option < 0)
        return args.exit_code;
    code = vectors_check(&args, &request);
    if (code != CLI_OK)
        return code;
    if (request.name == NULL) {
        code = cli_store_open_reading(context);
        return code == CLI_OK ? vectors_list(context) : code;
    }
    code = cli_store_open(context, request.drop ? NG_OPEN_MUST_EXIST : 0);
    return code == CLI_OK ? vectors_write(context, &request) : code;
}

static const cli_option vectors_options[] = {
    {"dimensions", VECTORS_DIMENSIONS, "N", "make it, for vectors of N numbers, 2..4096"},
    {"metric", VECTORS_METRIC, "NAME", "cosine (default), dot or l2: how its vectors are compared"},
    {"drop", VECTORS_DROP, NULL, "drop the field with its vectors"},
    CLI_DURABILITY_ROW,
    {NULL, 0, NULL, NULL},
};

static const int vectors_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY,
                                    CLI_IO, CLI_DATA,  CLI_REFUSED,   -1};

const cli_command cli_command_vectors = {
    .name = "vectors",
    .arguments = "[OPTION]... [NAME]",
    .summary = "List, make or drop fields of vectors",
    .description =
        "Without NAME lists the fields. A token may have one vector in the default field, and one\n"
        "in each of up to 15 named ones, of their own dimensions and metric: 'neurograph put\n"
        "--vector NAME=X,Y,...' gives it one, 'neurograph nearest --field NAME' searches.",
    .options = vectors_options,
    .examples = "neurograph vectors image --dimensions 512\n"
                "neurograph vectors click --dimensions 64 --metric dot\n"
                "neurograph vectors\nneurograph vectors --drop image",
    .exit_codes = vectors_exits,
    .run = vectors_run,
};
