/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `embedding`: compares a second embedding with the one that is there, switches to it, and back. */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"
#include "cli_progress.h"
#include "cli_signal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define EMBEDDING_SAMPLE_MAX 100000u
#define EMBEDDING_K_MAX 100u
#define EMBEDDING_COMPONENTS_MAX 24u
#define EMBEDDING_OLD "previous" /* what is kept by `switch`, and looked for by `back` */
#define EMBEDDING_NEW "next"     /* what is kept by `back` */

enum {
    EMBEDDING_FIELD = CLI_OPTION_FIRST,
    EMBEDDING_KEEP,
    EMBEDDING_COLLECTION,
    EMBEDDING_SAMPLE,
    EMBEDDING_SEED,
    EMBEDDING_K,
    EMBEDDING_ALIGN,
    EMBEDDING_COORDINATES,
    EMBEDDING_COMPONENTS,
    EMBEDDING_YES
};

typedef enum embedding_action {
    EMBEDDING_COMPARE,
    EMBEDDING_SWITCH,
    EMBEDDING_BACK
} embedding_action;

typedef struct embedding_request {
    embedding_action action;
    const char *collection;
    ng_embedding_compare_options compare;
    ng_embedding_switch_options change; /* `field` and `keep_as` are as typed, or NULL */
    bool yes;
} embedding_request;

static const char *const embedding_actions[] = {"compare", "switch", "back"};

/* ---- what it says ---- */

static void embedding_row(const cli_context *context, cli_table *table, const char *name,
                          uint64_t value)
{
    char number[CLI_NUMBER_ROOM];

    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%s", cli_show_count(context, value, number));
}

static void embedding_row_share(cli_table *table, const char *name, double value)
{
    cli_table_cell(table, "%s", name);
    if (isnan(value))
        cli_table_cell(table, "-");
    else
        cli_table_cell(table, "%.4f", value);
}

static void embedding_text(const cli_context *context, const ng_embedding_report *report)
{
    static const cli_column columns[] = {{NULL, false}, {NULL, false}};
    char label[CLI_LABEL_ROOM];
    cli_table table;

    cli_table_init(&table, columns, 2);
    cli_table_cell(&table, "dimensions");
    cli_table_cell(&table, "%" PRIu32 " -> %" PRIu32, report->old_dimensions,
                   report->new_dimensions);
    embedding_row(context, &table, "words with both", report->shared);
    embedding_row(context, &table, "would lose their vector", report->lost);
    embedding_row(context, &table, "would gain one", report->gained);
    embedding_row_share(&table, "cosine after rotation, fitted", report->fitted_cosine);
    embedding_row_share(&table, "cosine after rotation, held out", report->held_out_cosine);
    embedding_row(context, &table, "words sampled", report->sampled);
    cli_table_cell(&table, "recall of %" PRIu32 " neighbours", report->k);
    cli_table_cell(&table, isnan(report->recall) ? "-" : "%.4f", report->recall);
    embedding_row_share(&table, "mean Jaccard", report->jaccard);
    for (uint32_t i = 0; i < report->worst_count; i++) {
        cli_table_cell(&table, "%s", i == 0 ? "change most" : "");
        cli_table_cell(&table, "%s (%" PRIu32 " of %" PRIu32 " kept)",
                       cli_token_name(context, report->worst[i].id, label), report->worst[i].kept,
                       report->k);
    }
    cli_table_print(context, &table);
}

/* A number, or nothing where there is none. */
static void embedding_json_share(cli_json *json, const char *name, double value)
{
    if (!isnan(value))
        cli_json_double(json, name, value);
}

static void embedding_json(const cli_context *context, cli_json *json,
                           const ng_embedding_report *report)
{
    char label[CLI_LABEL_ROOM];

    cli_json_object(json, "comparison");
    cli_json_u64(json, "old_dimensions", report->old_dimensions);
    cli_json_u64(json, "new_dimensions", report->new_dimensions);
    cli_json_u64(json, "shared", report->shared);
    cli_json_u64(json, "lost", report->lost);
    cli_json_u64(json, "gained", report->gained);
    cli_json_u64(json, "fitted", report->fitted);
    cli_json_u64(json, "held_out", report->held_out);
    embedding_json_share(json, "fitted_cosine", report->fitted_cosine);
    embedding_json_share(json, "held_out_cosine", report->held_out_cosine);
    cli_json_u64(json, "sampled", report->sampled);
    cli_json_u64(json, "k", report->k);
    embedding_json_share(json, "recall", report->recall);
    embedding_json_share(json, "jaccard", report->jaccard);
    cli_json_array(json, "worst");
    for (uint32_t i = 0; i < report->worst_count; i++) {
        cli_json_object(json, NULL);
        cli_json_u64(json, "id", report->worst[i].id);
        cli_json_text(json, "label", cli_token_name(context, report->worst[i].id, label));
        cli_json_u64(json, "kept", report->worst[i].kept);
        cli_json_close(json);
    }
    cli_json_close(json);
    cli_json_double(json, "seconds", report->seconds);
    cli_json_close(json);
}

static void embedding_switched(const cli_context *context, const embedding_request *request,
                               const ng_embedding_switch_report *report)
{
    static const cli_column columns[] = {{NULL, false}, {NULL, false}};
    char number[CLI_NUMBER_ROOM];
    cli_table table;

    cli_table_init(&table, columns, 2);
    cli_table_cell(&table, "old vectors are in");
    cli_table_cell(&table, "%s", request->change.keep_as);
    embedding_row(context, &table, "dimensions", report->dimensions);
    embedding_row(context, &table, "aligned", report->aligned);
    embedding_row(context, &table, "left without a vector", report->left);
    embedding_row(context, &table, "components", report->components);
    cli_table_cell(&table, "explained variance");
    cli_table_cell(&table, "%.2f %%", report->explained_variance * 100);
    cli_table_cell(&table, "total time");
    cli_table_cell(&table, "%s", cli_show_seconds(report->seconds, number));
    cli_table_print(context, &table);
}

static void embedding_switched_json(cli_json *json, const embedding_request *request,
                                    const ng_embedding_switch_report *report)
{
    cli_json_object(json, "switch");
    cli_json_text(json, "field", request->change.field);
    cli_json_text(json, "keep_as", request->change.keep_as);
    cli_json_bool(json, "was_switched", report->was_switched);
    cli_json_u64(json, "kept", report->kept);
    cli_json_u64(json, "dimensions", report->dimensions);
    cli_json_u64(json, "aligned", report->aligned);
    cli_json_u64(json, "left", report->left);
    cli_json_u64(json, "components", report->components);
    cli_json_double(json, "explained_variance", report->explained_variance);
    cli_json_double(json, "seconds", report->seconds);
    cli_json_close(json);
}

/* ---- the work ---- */

static int embedding_fail(const cli_context *context, ng_status status)
{
    if (status == NG_E_CANCELLED && cli_signal_came())
        return cli_fail(context, CLI_INTERRUPTED,
                        "interrupted: the store is valid, and the same command completes it");
    return cli_fail_status(context, status);
}

static int embedding_compare(const cli_context *context, embedding_request *request,
                             ng_embedding_report *report)
{
    cli_progress progress;
    ng_status status =
        ng_vector_field_find(context->store, request->change.field, &request->compare.field);

    if (status != NG_OK)
        return cli_fail_status(context, status);
    cli_progress_begin(&progress, context);
    request->compare.progress = cli_progress_or_stop;
    request->compare.progress_context = &progress;
    status = ng_embedding_compare(context->store, &request->compare, report);
    cli_progress_end(&progress);
    return status == NG_OK ? CLI_OK : embedding_fail(context, status);
}

static int embedding_ask(const cli_context *context, const embedding_request *request)
{
    int answer;

    if (request->yes)
        return CLI_OK;
    fprintf(stderr, "switch to '%s' and keep the old vectors as '%s'? [y/N] ",
            request->change.field, request->change.keep_as);
    answer = getchar();
    if (answer == 'y' || answer == 'Y')
        return CLI_OK;
    return cli_fail(context, CLI_REFUSED, "nothing was changed");
}

static int embedding_switch(const cli_context *context, embedding_request *request,
                            ng_embedding_switch_report *report)
{
    cli_progress progress;
    ng_status status;

    cli_progress_begin(&progress, context);
    request->change.progress = cli_progress_or_stop;
    request->change.progress_context = &progress;
    status = ng_embedding_switch(context->store, &request->change, report);
    cli_progress_end(&progress);
    return status == NG_OK ? CLI_OK : embedding_fail(context, status);
}

/* A switch that was interrupted behind the exchange has nothing left to compare. */
static bool embedding_is_half_done(const cli_context *context, const embedding_request *request)
{
    ng_vector_field_id id;

    return request->action == EMBEDDING_SWITCH &&
           ng_vector_field_find(context->store, request->change.field, &id) == NG_E_NOT_FOUND &&
           ng_vector_field_find(context->store, request->change.keep_as, &id) == NG_OK;
}

static int embedding_steps(const cli_context *context, embedding_request *request, cli_json *json)
{
    ng_embedding_report compared = {0};
    ng_embedding_switch_report switched = {0};
    int code = CLI_OK;

    if (request->action != EMBEDDING_BACK && !embedding_is_half_done(context, request)) {
        code = embedding_compare(context, request, &compared);
        if (code != CLI_OK)
            return code;
        if (context->json)
            embedding_json(context, json, &compared);
        else
            embedding_text(context, &compared);
        if (request->action == EMBEDDING_COMPARE)
            return CLI_OK;
        code = embedding_ask(context, request);
    }
    if (code == CLI_OK)
        code = embedding_switch(context, request, &switched);
    if (code == CLI_OK && context->json)
        embedding_switched_json(json, request, &switched);
    else if (code == CLI_OK)
        embedding_switched(context, request, &switched);
    return code;
}

static int embedding_work(const cli_context *context, embedding_request *request)
{
    ng_collection_id id = NG_COLLECTION_SEMANTIC;
    cli_json json;
    int code = CLI_OK;

    if (request->collection != NULL)
        code = cli_collection_resolve(context, request->collection, &id);
    if (code != CLI_OK)
        return code;
    request->compare.collection = request->change.collection = id;
    request->compare.by_collection = request->change.by_collection = true;
    cli_signal_catch();
    if (!context->json)
        return embedding_steps(context, request, NULL);
    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    code = embedding_steps(context, request, &json);
    cli_json_close(&json);
    cli_json_end(&json);
    return code;
}

static bool embedding_option(const cli_args *args, int option, embedding_request *request)
{
    uint64_t number = 0;

    switch (option) {
    case EMBEDDING_FIELD:
        request->change.field = args->value;
        return true;
    case EMBEDDING_KEEP:
        request->change.keep_as = args->value;
        return true;
    case EMBEDDING_COLLECTION:
        request->collection = args->value;
        return true;
    case EMBEDDING_ALIGN:
        request->change.align_missing = true;
        return true;
    case EMBEDDING_COORDINATES:
        request->change.keep_coordinates = true;
        return true;
    case EMBEDDING_YES:
        request->yes = true;
        return true;
    case EMBEDDING_SEED:
        return cli_parse_u64(args, 0, UINT64_MAX, &request->compare.seed);
    case EMBEDDING_SAMPLE:
        if (!cli_parse_u64(args, 1, EMBEDDING_SAMPLE_MAX, &number))
            return false;
        request->compare.sample = (uint32_t)number;
        return true;
    case EMBEDDING_K:
        if (!cli_parse_u64(args, 1, EMBEDDING_K_MAX, &number))
            return false;
        request->compare.k = (uint32_t)number;
        return true;
    default:
        if (!cli_parse_u64(args, 1, EMBEDDING_COMPONENTS_MAX, &number))
            return false;
        request->change.components = (uint32_t)number;
        return true;
    }
}

static int embedding_action_of(const cli_args *args, embedding_request *request)
{
    for (size_t i = 0; args->operand_count > 0 && i < 3; i++) {
        if (strcmp(args->operands[0], embedding_actions[i]) == 0) {
            request->action = (embedding_action)i;
            return cli_args_store(args, 1);
        }
    }
    return cli_fail(args->context, CLI_USAGE, "give one of compare, switch, back");
}

static int embedding_check(const cli_args *args, embedding_request *request)
{
    ng_embedding_switch_options *change = &request->change;
    bool changes = change->keep_as != NULL || change->align_missing || change->keep_coordinates ||
                   change->components != 0 || request->yes;

    if (request->action == EMBEDDING_COMPARE && changes)
        return cli_fail(args->context, CLI_USAGE,
                        "compare changes nothing: it goes without"
                        " --keep-as, --align, --keep-coordinates,"
                        " --components and --yes");
    if (request->action == EMBEDDING_SWITCH && !request->yes && isatty(STDIN_FILENO) != 1)
        return cli_fail(args->context, CLI_USAGE, "nobody can be asked here: add --yes");
    if (request->action == EMBEDDING_BACK) {
        if (change->field == NULL)
            change->field = EMBEDDING_OLD;
        if (change->keep_as == NULL)
            change->keep_as = EMBEDDING_NEW;
    }
    if (change->keep_as == NULL)
        change->keep_as = EMBEDDING_OLD;
    if (change->field == NULL)
        return cli_fail(args->context, CLI_USAGE, "--field is missing");
    return CLI_OK;
}

static int embedding_run(cli_context *context, int argc, char **argv)
{
    embedding_request request = {.compare = {.struct_size = sizeof request.compare},
                                 .change = {.struct_size = sizeof request.change}};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!embedding_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    code = embedding_action_of(&args, &request);
    if (code == CLI_OK)
        code = embedding_check(&args, &request);
    if (code == CLI_OK)
        code = request.action == EMBEDDING_COMPARE ? cli_store_open_reading(context)
                                                   : cli_store_open(context, NG_OPEN_MUST_EXIST);
    return code == CLI_OK ? embedding_work(context, &request) : code;
}

static const cli_option embedding_options[] = {
    {"field", EMBEDDING_FIELD, "NAME", "the field with the other vectors; of back: previous"},
    {"keep-as", EMBEDDING_KEEP, "NAME",
     "name of the field with those of before; default previous, of back next"},
    {"align", EMBEDDING_ALIGN, NULL,
     "words without a new vector get their old one, rotated to the new ones"},
    {"keep-coordinates", EMBEDDING_COORDINATES, NULL, "leave words where the old vectors put them"},
    {"components", EMBEDDING_COMPONENTS, "N",
     "components that become coordinates, 1..24; default as many as now"},
    {"sample", EMBEDDING_SAMPLE, "N", "compare the neighbours of N words; default 1000"},
    {"seed", EMBEDDING_SEED, "N", "draw them at random; default 0: the first ones"},
    {"neighbors", EMBEDDING_K, "K", "K neighbours of each, 1..100; default 10"},
    {"collection", EMBEDDING_COLLECTION, "NAME", "the words of this collection; default semantic"},
    {"yes", EMBEDDING_YES, NULL, "switch without being asked"},
    CLI_DURABILITY_ROW,
    {NULL, 0, NULL, NULL},
};

static const int embedding_exits[] = {CLI_OK,   CLI_USAGE,   CLI_NOT_FOUND,   CLI_BUSY, CLI_IO,
                                      CLI_DATA, CLI_REFUSED, CLI_INTERRUPTED, -1};

const cli_command cli_command_embedding = {
    .name = "embedding",
    .arguments = "compare|switch|back [OPTION]... [STORE]",
    .summary = "Compare a second embedding with the first, and switch to it",
    .description =
        "The second embedding is in a named field ('load --field NAME'). compare says how many "
        "words\n"
        "have both, how well a rotation takes one to the other, and how many of a word's nearest\n"
        "neighbours stay. switch says the same, asks, and makes the field's vectors the ones that\n"
        "everything answers by, in one step; the old ones stay in a field, and back switches to\n"
        "them. Interrupted, the same command completes it.",
    .options = embedding_options,
    .examples = "neurograph load better.vec --field better\n"
                "neurograph embedding compare --field better\n"
                "neurograph embedding switch --field better --keep-as glove --yes\n"
                "neurograph embedding back --field glove --keep-as better",
    .exit_codes = embedding_exits,
    .run = embedding_run,
};
