/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `weave`: the nearest words of each word become connections, or go again. */
#include "cli_weave.h"
#include "cli_args.h"
#include "cli_progress.h"
#include "cli_signal.h"

#include <inttypes.h>
#include <string.h>

#define REMOVE_MAX 24u

enum {
    WEAVE_NEIGHBORS = CLI_OPTION_FIRST,
    WEAVE_SIMILARITY,
    WEAVE_EXACT,
    WEAVE_EFFORT,
    WEAVE_REMOVE,
    WEAVE_COLLECTION,
    WEAVE_UNDO
};

typedef struct weave_request {
    const char *collection;
    ng_weave_options options;
    bool undo;
} weave_request;

/* ---- the work, and what it says ---- */

int cli_weave(const cli_context *context, ng_weave_options *options, bool undo,
              ng_weave_report *out)
{
    cli_progress progress;
    ng_status status;

    cli_progress_begin(&progress, context);
    options->progress = cli_progress_or_stop;
    options->progress_context = &progress;
    status =
        undo ? ng_unweave(context->store, options, out) : ng_weave(context->store, options, out);
    cli_progress_end(&progress);
    if (status == NG_E_CANCELLED && cli_signal_came())
        return cli_fail(context, CLI_INTERRUPTED,
                        "interrupted: %" PRIu64 " connections were made, %" PRIu64 " changed and"
                        " %" PRIu64 " removed, all on disk; the same command completes it",
                        out->connections_created, out->connections_changed,
                        out->connections_removed);
    return status == NG_OK ? CLI_OK : cli_fail_status(context, status);
}

void cli_weave_json(cli_json *json, const ng_weave_report *report)
{
    cli_json_u64(json, "words", report->words);
    cli_json_u64(json, "without_vector", report->without_vector);
    cli_json_u64(json, "connections_created", report->connections_created);
    cli_json_u64(json, "connections_changed", report->connections_changed);
    cli_json_u64(json, "connections_unchanged", report->connections_unchanged);
    cli_json_u64(json, "connections_removed", report->connections_removed);
    cli_json_u64(json, "connections_others", report->connections_others);
    cli_json_u64(json, "effort", report->effort);
    cli_json_double(json, "graph_seconds", report->graph_seconds);
    cli_json_double(json, "total_seconds", report->total_seconds);
}

static void weave_row(const cli_context *context, cli_table *table, const char *name,
                      uint64_t value)
{
    char number[CLI_NUMBER_ROOM];

    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%s", cli_show_count(context, value, number));
}

static void weave_row_seconds(cli_table *table, const char *name, double seconds)
{
    char number[CLI_NUMBER_ROOM];

    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%s", cli_show_seconds(seconds, number));
}

void cli_weave_rows(const cli_context *context, cli_table *table, const ng_weave_report *report)
{
    weave_row(context, table, "words woven", report->words);
    weave_row(context, table, "without a vector", report->without_vector);
    weave_row(context, table, "connections created", report->connections_created);
    weave_row(context, table, "changed", report->connections_changed);
    weave_row(context, table, "unchanged", report->connections_unchanged);
    weave_row(context, table, "removed", report->connections_removed);
    weave_row(context, table, "SimilarTo of others", report->connections_others);
    cli_table_cell(table, "search");
    if (report->effort == 0)
        cli_table_cell(table, "exact");
    else
        cli_table_cell(table, "approximate, effort %" PRIu32, report->effort);
    weave_row_seconds(table, "graph time", report->graph_seconds);
    weave_row_seconds(table, "weaving time", report->total_seconds);
}

static void weave_print(const cli_context *context, const weave_request *request,
                        const ng_weave_report *report, const char *collection)
{
    static const cli_column columns[] = {{NULL, false}, {NULL, false}};
    cli_table table;
    cli_json json;

    if (context->json) {
        cli_json_begin(&json, stdout);
        cli_json_object(&json, NULL);
        cli_json_text(&json, "collection", collection);
        cli_json_bool(&json, "undo", request->undo);
        cli_weave_json(&json, report);
        cli_json_close(&json);
        cli_json_end(&json);
        return;
    }
    cli_table_init(&table, columns, 2);
    cli_table_cell(&table, "collection");
    cli_table_cell(&table, "%s", collection);
    if (request->undo) {
        weave_row(context, &table, "removed", report->connections_removed);
        weave_row_seconds(&table, "total time", report->total_seconds);
    } else {
        cli_weave_rows(context, &table, report);
    }
    cli_table_print(context, &table);
}

/* ---- the command ---- */

static bool weave_option(const cli_args *args, int option, weave_request *request)
{
    ng_weave_options *options = &request->options;
    uint64_t number = 0;

    switch (option) {
    case WEAVE_COLLECTION:
        request->collection = args->value;
        return true;
    case WEAVE_EXACT:
        options->exact = true;
        return true;
    case WEAVE_UNDO:
        request->undo = true;
        return true;
    case WEAVE_SIMILARITY:
        options->by_min_similarity = true;
        return cli_parse_double(args, &options->min_similarity);
    case WEAVE_NEIGHBORS:
        if (!cli_parse_u64(args, 1, CLI_NEIGHBORS_MAX, &number))
            return false;
        options->neighbors = (uint32_t)number;
        return true;
    case WEAVE_EFFORT:
        if (!cli_parse_u64(args, 1, NG_VECTOR_EFFORT_MAX, &number))
            return false;
        options->effort = (uint32_t)number;
        return true;
    case WEAVE_REMOVE:
        if (!cli_parse_u64(args, 0, REMOVE_MAX, &number))
            return false;
        options->remove_components = number == 0 ? NG_PLAIN_COSINE : (int32_t)number;
        return true;
    default:
        return cli_parse_u64(args, 1, UINT64_MAX, &options->max_words);
    }
}

static int weave_work(const cli_context *context, weave_request *request)
{
    ng_weave_report report = {0};
    char collection[65];
    ng_collection_id id = NG_COLLECTION_SEMANTIC;
    int code = CLI_OK;

    if (request->collection != NULL)
        code = cli_collection_resolve(context, request->collection, &id);
    if (code != CLI_OK)
        return code;
    request->options.collection = id;
    request->options.by_collection = true;
    cli_collection_name(context, id, collection);
    cli_signal_catch();
    code = cli_weave(context, &request->options, request->undo, &report);
    if (code == CLI_OK)
        weave_print(context, request, &report, collection);
    return code;
}

static int weave_run(cli_context *context, int argc, char **argv)
{
    const ng_weave_options none = {.struct_size = sizeof none};
    weave_request request = {.options = none};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!weave_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    code = cli_args_store(&args, 0);
    if (code == CLI_OK && request.undo && memcmp(&request.options, &none, sizeof none) != 0)
        code = cli_fail(context, CLI_USAGE, "--undo goes with --collection alone");
    if (code == CLI_OK && request.options.exact && request.options.effort != 0)
        code = cli_fail(context, CLI_USAGE, "--exact has no --effort");
    if (code == CLI_OK && request.options.by_min_similarity &&
        !(request.options.min_similarity >= -1 && request.options.min_similarity <= 1))
        code = cli_fail(context, CLI_USAGE, "--min-similarity: %g is outside -1..1",
                        request.options.min_similarity);
    if (code == CLI_OK)
        code = cli_store_open(context, NG_OPEN_MUST_EXIST);
    return code == CLI_OK ? weave_work(context, &request) : code;
}

static const cli_option weave_options[] = {
    {"neighbors", WEAVE_NEIGHBORS, "K", "connections of a word, at most; 1..100; default 10"},
    {"min-similarity", WEAVE_SIMILARITY, "S",
     "none to a word that is less similar; -1..1; default 0.5"},
    {"exact", WEAVE_EXACT, NULL, "compare each word with every other"},
    {"effort", WEAVE_EFFORT, "N",
     "candidates of a search; default 512, but exact up to 65,536 vectors"},
    {"remove", WEAVE_REMOVE, "N",
     "top components removed first, 1..24; default 2; 0 = plain cosine"},
    {"limit", 'n', "N", "only the first N words; default all"},
    {"collection", WEAVE_COLLECTION, "NAME", "the words of this collection; default semantic"},
    {"undo", WEAVE_UNDO, NULL, "remove what was woven"},
    CLI_DURABILITY_ROW,
    CLI_LIMIT_ROWS,
    {NULL, 0, NULL, NULL},
};

static const int weave_exits[] = {CLI_OK,   CLI_USAGE,   CLI_NOT_FOUND,   CLI_BUSY, CLI_IO,
                                  CLI_DATA, CLI_REFUSED, CLI_INTERRUPTED, -1};

const cli_command cli_command_weave = {
    .name = "weave",
    .arguments = "[OPTION]... [STORE]",
    .summary = "Connect each word with the words nearest to it",
    .description =
        "The nearest words of each word, by their vectors, become connections SimilarTo from the\n"
        "word to the neighbour, as strong as they are similar. Again, with other options or after\n"
        "vectors changed, only what differs is written; connections that were not woven are left\n"
        "alone. Ctrl-C ends it after the batch in hand, and the same command completes it.",
    .options = weave_options,
    .examples = "neurograph weave\n"
                "neurograph weave --neighbors 5 --min-similarity 0.6 --exact\n"
                "neurograph weave --undo",
    .exit_codes = weave_exits,
    .run = weave_run,
};
