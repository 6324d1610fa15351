/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `nearest`: the tokens whose vectors in a field are nearest to that of a token, or to a
 * vector that is given. */
#include "cli_args.h"
#include "cli_filter.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>

enum { NEAREST_FIELD = CLI_OPTION_FIRST, NEAREST_VECTOR, NEAREST_COLLECTION, NEAREST_REMOVE };

#define NEAREST_REMOVE_MAX 24u

typedef struct nearest_request {
    const char *field; /* NULL = the default one */
    const char *collection;
    ng_token_id token; /* 0 = a vector was given */
    float *vector;
    size_t dimensions;
    uint64_t limit;
    int32_t remove;
    cli_filter filter;
} nearest_request;

/* ---- the answer ---- */

static void nearest_print_json(const cli_context *context, const nearest_request *request,
                               const ng_score *scores, size_t count)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "field", request->field != NULL ? request->field : "");
    if (request->token != 0)
        cli_json_u64(&json, "token", request->token);
    else
        cli_json_null(&json, "token");
    cli_json_array(&json, "hits");
    for (size_t i = 0; i < count; i++) {
        char label[CLI_LABEL_ROOM];

        cli_json_object(&json, NULL);
        cli_json_u64(&json, "id", scores[i].id);
        cli_json_text(&json, "label", cli_token_label(context, scores[i].id, label));
        cli_json_double(&json, "score", scores[i].score);
        cli_json_close(&json);
    }
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

static void nearest_print_text(const cli_context *context, const ng_score *scores, size_t count)
{
    static const cli_column columns[] = {{"id", true}, {"label", false}, {"score", true}};
    cli_table table;

    cli_table_init(&table, columns, 3);
    for (size_t i = 0; i < count; i++) {
        char label[CLI_LABEL_ROOM];

        if (cli_token_label(context, scores[i].id, label) == NULL)
            label[0] = '\0';
        cli_table_cell(&table, "%" PRIu64, scores[i].id);
        cli_table_cell(&table, "%s", label);
        cli_table_cell(&table, "%.6g", scores[i].score);
    }
    cli_table_print(context, &table);
}

/* ---- the search ---- */

/* The vector of the token in the field. */
static int nearest_read_token(const cli_context *context, nearest_request *request,
                              ng_vector_field_id field)
{
    char name[CLI_LABEL_ROOM];
    ng_vector_field_info info;
    ng_status status = ng_vector_field_get(context->store, field, &info);

    if (status != NG_OK)
        return cli_fail_status(context, status);
    request->vector = cli_allocate((size_t)info.dimensions + 1, sizeof *request->vector);
    status = ng_token_vector_in(context->store, request->token, field, request->vector,
                                info.dimensions, &request->dimensions);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (request->dimensions == 0)
        return cli_fail(context, CLI_NOT_FOUND, "%s has no vector in %s%s",
                        cli_token_name(context, request->token, name),
                        field != 0 ? "field " : "the default field", info.name);
    return CLI_OK;
}

static int nearest_search(const cli_context *context, nearest_request *request,
                          ng_vector_options *options)
{
    ng_score *scores = cli_allocate((size_t)request->limit, sizeof *scores);
    size_t count = 0;
    ng_status status;

    options->exclude = &request->token;
    options->exclude_count = request->token != 0;
    options->remove_components = request->remove;
    status = ng_vector_nearest(context->store, request->vector, request->dimensions, options,
                               scores, (size_t)request->limit, &count);
    if (status == NG_OK && context->json)
        nearest_print_json(context, request, scores, count);
    else if (status == NG_OK)
        nearest_print_text(context, scores, count);
    free(scores);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    return count > 0 ? CLI_OK : CLI_NOTHING;
}

static int nearest_answer(const cli_context *context, nearest_request *request,
                          const cli_args *args)
{
    ng_vector_options options = {.struct_size = sizeof options, .filter = &request->filter.filter};
    ng_filter *filter = &request->filter.filter;
    int code = cli_filter_finish(context, &request->filter);

    if (code == CLI_OK)
        code = cli_collection_resolve(context, request->collection, &filter->collection);
    if (code != CLI_OK)
        return code;
    filter->by_collection = request->collection != NULL;
    if (request->field != NULL) {
        ng_status status = ng_vector_field_find(context->store, request->field, &options.field);

        if (status != NG_OK)
            return cli_fail_about(context, status, "--field");
    }
    if (args->operand_count == 1) {
        code = cli_token_resolve(context, args->operands[0], NG_COLLECTION_ANY, &request->token);
        if (code == CLI_OK)
            code = nearest_read_token(context, request, options.field);
    }
    return code == CLI_OK ? nearest_search(context, request, &options) : code;
}

/* ---- arguments ---- */

static bool nearest_option(const cli_args *args, int option, nearest_request *request)
{
    uint64_t number;

    if (cli_filter_has(option))
        return cli_filter_option(args, option, &request->filter);
    switch (option) {
    case NEAREST_FIELD:
        request->field = args->value;
        return true;
    case NEAREST_COLLECTION:
        request->collection = args->value;
        return true;
    case NEAREST_VECTOR:
        free(request->vector);
        request->vector = NULL;
        return cli_parse_vector(args, args->value, &request->vector, &request->dimensions);
    case NEAREST_REMOVE:
        if (!cli_parse_u64(args, 0, NEAREST_REMOVE_MAX, &number))
            return false;
        request->remove = number == 0 ? NG_PLAIN_COSINE : (int32_t)number;
        return true;
    default:
        return cli_parse_u64(args, 1, CLI_LIMIT_MAX, &request->limit);
    }
}

static int nearest_work(cli_context *context, cli_args *args, nearest_request *request)
{
    int option, code;

    while ((option = cli_args_next(args)) > 0)
        if (!nearest_option(args, option, request))
            return CLI_USAGE;
    if (option < 0)
        return args->exit_code;
    if (args->operand_count > 1)
        return cli_fail(context, CLI_USAGE, "unexpected argument '%s'", args->operands[1]);
    if ((args->operand_count == 1) == (request->vector != NULL))
        return cli_fail(context, CLI_USAGE, "give a TOKEN or --vector, and not both");
    code = cli_store_open_reading(context);
    return code == CLI_OK ? nearest_answer(context, request, args) : code;
}

static int nearest_run(cli_context *context, int argc, char **argv)
{
    nearest_request request = {.limit = CLI_LIMIT_DEFAULT};
    cli_args args;
    int code;

    cli_filter_init(&request.filter);
    cli_args_begin(&args, context, argc, argv);
    code = nearest_work(context, &args, &request);
    free(request.vector);
    return code;
}

static const cli_option nearest_options[] = {
    {"field", NEAREST_FIELD, "NAME", "field of vectors; without it the default one"},
    {"vector", NEAREST_VECTOR, "X,Y,...", "near this vector, instead of that of TOKEN"},
    {"limit", 'n', "N", "at most N; default 10"},
    {"collection", NEAREST_COLLECTION, "NAME", "tokens of this collection; default all"},
    CLI_FILTER_ROWS,
    {"remove-components", NEAREST_REMOVE, "N",
     "of the default field: leave out the top N components; 0 = plain cosine"},
    {NULL, 0, NULL, NULL},
};

static const int nearest_exits[] = {CLI_OK,   CLI_NOTHING, CLI_USAGE, CLI_NOT_FOUND,
                                    CLI_BUSY, CLI_IO,      CLI_DATA,  -1};

const cli_command cli_command_nearest = {
    .name = "nearest",
    .arguments = "[OPTION]... [TOKEN]",
    .summary = "Find tokens by vector, in any field",
    .description =
        "Best first: by the cosine, the scalar product, or minus the squared distance, as the\n"
        "metric of the field says. TOKEN itself is not shown. The search is exact.",
    .options = nearest_options,
    .examples = "neurograph nearest \"blue cup\" --field image\n"
                "neurograph nearest --field image --vector 0.1,0.7,0.2,0 --tag cup -n 5\n"
                "neurograph nearest dog --remove-components 0 --json",
    .exit_codes = nearest_exits,
    .run = nearest_run,
};
