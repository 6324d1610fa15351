/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `anchor`: words of known meaning get their place in a space, others a predicted one,
 * and all of it is undone again. */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"
#include "cli_progress.h"
#include "cli_signal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ANCHOR_MODALITY = CLI_OPTION_FIRST,
    ANCHOR_FILE,
    ANCHOR_ONLY_FILE,
    ANCHOR_ONLY_ANCHORS,
    ANCHOR_FILL_ALL,
    ANCHOR_LAMBDA,
    ANCHOR_COLLECTION,
    ANCHOR_UNDO,
    ANCHOR_PRINT
};

typedef struct anchor_request {
    ng_anchor_options options;
    const char *collection;
    bool only_anchors, fill_all, undo, print;
} anchor_request;

/* ---- the built-in words ---- */

static void anchor_print_word(const ng_modality_info *info, const ng_anchor_word *word)
{
    char number[CLI_NUMBER_ROOM];

    printf("%s\t%s", info->name, word->word);
    for (uint32_t v = 0; v < info->value_count; v++)
        printf("\t%s", cli_show_float(word->values[v], number));
    putchar('\n');
}

static void anchor_json_word(cli_json *json, const ng_modality_info *info,
                             const ng_anchor_word *word)
{
    cli_json_object(json, NULL);
    cli_json_text(json, "modality", info->name);
    cli_json_text(json, "word", word->word);
    for (uint32_t v = 0; v < info->value_count; v++)
        cli_json_float(json, info->values[v], word->values[v]);
    cli_json_close(json);
}

/* As a file that --file reads: comments say what the columns are. */
static int anchor_print_modality(const cli_context *context, cli_json *json, ng_modality modality)
{
    ng_modality_info info;
    size_t count = 0;
    ng_status status = ng_modality_get(modality, &info);

    if (status == NG_OK)
        status = ng_anchor_list(modality, NULL, 0, &count);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    ng_anchor_word *words = cli_allocate(count, sizeof *words);
    status = ng_anchor_list(modality, words, count, &count);
    if (status == NG_OK && !context->json) {
        printf("# %s\tword", info.name);
        for (uint32_t v = 0; v < info.value_count; v++)
            printf("\t%s", info.values[v]);
        putchar('\n');
    }
    for (size_t i = 0; i < count && status == NG_OK; i++) {
        if (context->json)
            anchor_json_word(json, &info, &words[i]);
        else
            anchor_print_word(&info, &words[i]);
    }
    free(words);
    return status == NG_OK ? CLI_OK : cli_fail_status(context, status);
}

static int anchor_print(const cli_context *context, uint32_t modalities)
{
    cli_json json;
    int code = CLI_OK;

    if (context->json) {
        cli_json_begin(&json, stdout);
        cli_json_array(&json, NULL);
    }
    for (int m = 0; m < NG_MODALITY_COUNT && code == CLI_OK; m++)
        if (modalities == 0 || (modalities >> m & 1) != 0)
            code = anchor_print_modality(context, &json, (ng_modality)m);
    if (context->json && code == CLI_OK) {
        cli_json_close(&json);
        cli_json_end(&json);
    }
    return code;
}

/* ---- the report ---- */

/* What became of the words that are no anchors. */
static const char *anchor_others(const anchor_request *request, const ng_anchor_result *result)
{
    if (result->found_count == 0)
        return "as they were";
    if (result->filled)
        return "predicted";
    if (request->only_anchors)
        return "left out";
    if (!result->has_errors)
        return "left out: too few anchors";
    return "left out: predictions are hardly better than the mean";
}

static void anchor_json_axes(cli_json *json, const ng_modality_info *info,
                             const ng_anchor_result *result)
{
    cli_json_array(json, "axes");
    for (unsigned axis = 0; axis < NG_AXIS_COUNT && result->has_errors; axis++) {
        const ng_anchor_axis *each = &result->axes[axis];

        cli_json_object(json, NULL);
        cli_json_text(json, "name", info->axes[axis]);
        cli_json_double(json, "r2", each->r2);
        cli_json_double(json, "rmse", each->rmse);
        cli_json_double(json, "rmse_of_mean", each->rmse_of_mean);
        cli_json_u64(json, "clipped_count", each->clipped_count);
        cli_json_close(json);
    }
    cli_json_close(json);
}

static void anchor_json_modality(cli_json *json, const anchor_request *request,
                                 const ng_modality_info *info, const ng_anchor_result *result)
{
    cli_json_object(json, NULL);
    cli_json_text(json, "modality", info->name);
    cli_json_text(json, "space", ng_space_name(info->space));
    if (!request->undo) {
        cli_json_u64(json, "anchors", result->word_count);
        cli_json_u64(json, "found", result->found_count);
        cli_json_bool(json, "filled", result->filled);
        cli_json_text(json, "others", anchor_others(request, result));
        cli_json_u64(json, "predicted_count", result->predicted_count);
        cli_json_u64(json, "unreliable_count", result->unreliable_count);
        cli_json_double(json, "unit", result->unit);
        if (result->has_errors)
            cli_json_double(json, "lambda", result->lambda);
        else
            cli_json_null(json, "lambda");
        anchor_json_axes(json, info, result);
    }
    cli_json_close(json);
}

static int anchor_json(const cli_context *context, const anchor_request *request,
                       const ng_anchor_report *report)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_bool(&json, "undone", request->undo);
    cli_json_array(&json, "modalities");
    for (int m = 0; m < NG_MODALITY_COUNT; m++) {
        ng_modality_info info;
        ng_status status = ng_modality_get((ng_modality)m, &info);

        if (status != NG_OK)
            return cli_fail_status(context, status);
        if (report->modalities[m].selected)
            anchor_json_modality(&json, request, &info, &report->modalities[m]);
    }
    cli_json_close(&json);
    cli_json_u64(&json, "words", report->words);
    cli_json_u64(&json, "words_changed", report->words_changed);
    cli_json_double(&json, "regression_seconds", report->regression_seconds);
    cli_json_double(&json, "total_seconds", report->total_seconds);
    cli_json_close(&json);
    cli_json_end(&json);
    return CLI_OK;
}

/* One row an axis; what concerns the modality stands in the first one. */
static void anchor_rows(const cli_context *context, cli_table *table, const ng_modality_info *info,
                        const ng_anchor_result *result)
{
    char number[CLI_NUMBER_ROOM], all[CLI_NUMBER_ROOM];

    for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++) {
        const ng_anchor_axis *each = &result->axes[axis];

        cli_table_cell(table, "%s", info->name);
        cli_table_cell(table, "%s", ng_space_name(info->space));
        cli_table_cell(table, "%s", info->axes[axis]);
        cli_table_cell(table, "%s of %s", cli_show_count(context, result->found_count, number),
                       cli_show_count(context, result->word_count, all));
        if (result->has_errors) {
            cli_table_cell(table, "%.2f", each->r2);
            cli_table_cell(table, "%.3f", each->rmse);
            cli_table_cell(table, "%.3f", each->rmse_of_mean);
            cli_table_cell(table, "%g", result->lambda);
        } else {
            for (int i = 0; i < 4; i++)
                cli_table_cell(table, "-");
        }
        cli_table_cell(table, "%s", cli_show_count(context, each->clipped_count, number));
    }
}

static void anchor_note(const cli_context *context, const anchor_request *request,
                        const ng_modality_info *info, const ng_anchor_result *result)
{
    const char *space = ng_space_name(info->space);
    char number[CLI_NUMBER_ROOM], other[CLI_NUMBER_ROOM];

    if (result->filled)
        cli_note(context,
                 "%s: %s other words are predicted in space %s, %s are too far from the anchors",
                 info->name, cli_show_count(context, result->predicted_count, number), space,
                 cli_show_count(context, result->unreliable_count, other));
    else
        cli_note(context, "%s: other words in space %s: %s", info->name, space,
                 anchor_others(request, result));
}

static int anchor_text(const cli_context *context, const anchor_request *request,
                       const ng_anchor_report *report)
{
    static const cli_column columns[] = {{"modality", false}, {"space", false}, {"axis", false},
                                         {"anchors", true},   {"R2", true},     {"error", true},
                                         {"of mean", true},   {"lambda", true}, {"clipped", true}};
    ng_modality_info info[NG_MODALITY_COUNT];
    char words[CLI_NUMBER_ROOM], changed[CLI_NUMBER_ROOM];
    cli_table table;

    cli_table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (int m = 0; m < NG_MODALITY_COUNT; m++) {
        ng_status status = ng_modality_get((ng_modality)m, &info[m]);

        if (status != NG_OK)
            return cli_fail_status(context, status);
        if (report->modalities[m].selected && !request->undo)
            anchor_rows(context, &table, &info[m], &report->modalities[m]);
    }
    cli_table_print(context, &table);
    for (int m = 0; m < NG_MODALITY_COUNT; m++)
        if (report->modalities[m].selected && !request->undo)
            anchor_note(context, request, &info[m], &report->modalities[m]);
    cli_note(context, "%s of %s words with a vector were given other coordinates",
             cli_show_count(context, report->words_changed, changed),
             cli_show_count(context, report->words, words));
    return CLI_OK;
}

/* ---- the work ---- */

static int anchor_fail(const cli_context *context, ng_status status, const ng_anchor_report *report)
{
    if (status == NG_E_CANCELLED)
        return cli_fail(context, CLI_INTERRUPTED,
                        "interrupted: the coordinates of %" PRIu64 " words are on disk, the store"
                        " is valid, and the same command completes it",
                        report->words_changed);
    return cli_fail_status(context, status);
}

static int anchor_work(const cli_context *context, anchor_request *request)
{
    ng_anchor_report report;
    cli_progress progress;
    ng_status status;

    if (request->collection != NULL) {
        int code =
            cli_collection_resolve(context, request->collection, &request->options.collection);

        if (code != CLI_OK)
            return code;
        request->options.by_collection = true;
    }
    cli_signal_catch();
    cli_progress_begin(&progress, context);
    request->options.progress = cli_progress_or_stop;
    request->options.progress_context = &progress;
    status = request->undo ? ng_anchor_remove(context->store, &request->options, &report)
                           : ng_anchor(context->store, &request->options, &report);
    cli_progress_end(&progress);
    if (status != NG_OK)
        return anchor_fail(context, status, &report);
    return context->json ? anchor_json(context, request, &report)
                         : anchor_text(context, request, &report);
}

/* ---- options ---- */

static bool anchor_parse_modalities(const cli_args *args, uint32_t *out)
{
    char name[32];

    for (const char *at = args->value;; at++) {
        size_t length = strcspn(at, ",");
        ng_modality modality;

        snprintf(name, sizeof name, "%.*s", (int)(length < 31 ? length : 31), at);
        if (ng_modality_parse(name, &modality) != NG_OK) {
            cli_fail(args->context, CLI_USAGE, "--modality: %s", ng_last_error());
            return false;
        }
        *out |= UINT32_C(1) << modality;
        at += length;
        if (*at == '\0')
            return true;
    }
}

static bool anchor_option(const cli_args *args, int option, anchor_request *request)
{
    switch (option) {
    case ANCHOR_MODALITY:
        return anchor_parse_modalities(args, &request->options.modalities);
    case ANCHOR_FILE:
        request->options.path = args->value;
        return true;
    case ANCHOR_ONLY_FILE:
        return request->options.only_file = true;
    case ANCHOR_ONLY_ANCHORS:
        return request->only_anchors = true;
    case ANCHOR_FILL_ALL:
        return request->fill_all = true;
    case ANCHOR_LAMBDA:
        return cli_parse_double(args, &request->options.lambda);
    case ANCHOR_COLLECTION:
        request->collection = args->value;
        return true;
    case ANCHOR_UNDO:
        return request->undo = true;
    case ANCHOR_PRINT:
        return request->print = true;
    default:
        return cli_parse_u64(args, 1, UINT64_MAX, &request->options.max_words);
    }
}

/* What does not go together, before a store is opened. */
static int anchor_check(const cli_context *context, anchor_request *request)
{
    ng_anchor_options *options = &request->options;
    bool how = options->path != NULL || options->only_file || request->only_anchors ||
               request->fill_all || options->lambda != 0 || options->max_words != 0;

    if (request->print && (how || request->undo || request->collection != NULL))
        return cli_fail(context, CLI_USAGE, "--print-lexicon goes with --modality alone");
    if (request->undo && how)
        return cli_fail(context, CLI_USAGE, "--undo goes with --modality and --collection alone");
    if (request->only_anchors && request->fill_all)
        return cli_fail(context, CLI_USAGE, "--only-anchors and --fill-all exclude each other");
    if (options->only_file && options->path == NULL)
        return cli_fail(context, CLI_USAGE, "--only-file needs --file");
    if (options->path != NULL && access(options->path, R_OK) != 0)
        return cli_fail(context, errno == ENOENT || errno == ENOTDIR ? CLI_NOT_FOUND : CLI_IO,
                        "%s: %s", options->path, strerror(errno));
    options->fill = request->only_anchors ? NG_ANCHOR_FILL_NEVER
                    : request->fill_all   ? NG_ANCHOR_FILL_ALWAYS
                                          : NG_ANCHOR_FILL_AUTO;
    return CLI_OK;
}

static int anchor_run(cli_context *context, int argc, char **argv)
{
    anchor_request request = {.options = {.struct_size = sizeof request.options}};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!anchor_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    code = cli_args_store(&args, 0);
    if (code == CLI_OK)
        code = anchor_check(context, &request);
    if (code != CLI_OK)
        return code;
    if (request.print)
        return anchor_print(context, request.options.modalities);
    code = cli_store_open(context, NG_OPEN_MUST_EXIST);
    return code != CLI_OK ? code : anchor_work(context, &request);
}

static const cli_option anchor_options[] = {
    {"modality", ANCHOR_MODALITY, "NAME,...",
     "colour, emotion, sound, action, spatial; default all"},
    {"file", ANCHOR_FILE, "FILE", "more words, which override the built-in ones"},
    {"only-file", ANCHOR_ONLY_FILE, NULL, "without the built-in words"},
    {"only-anchors", ANCHOR_ONLY_ANCHORS, NULL, "other words leave the space"},
    {"fill-all", ANCHOR_FILL_ALL, NULL, "other words get predictions, however bad they are"},
    {"lambda", ANCHOR_LAMBDA, "X", "strength of the ridge, 1e-6..1e6; default by cross-validation"},
    {"limit", 'n', "N", "predictions for the first N words alone; default all"},
    {"collection", ANCHOR_COLLECTION, "NAME", "the words of this collection; default semantic"},
    {"undo", ANCHOR_UNDO, NULL, "give the words the coordinates of the load again"},
    {"print-lexicon", ANCHOR_PRINT, NULL, "print the built-in words as --file reads them"},
    CLI_DURABILITY_ROW,
    {NULL, 0, NULL, NULL},
};

static const int anchor_exits[] = {CLI_OK,   CLI_USAGE,   CLI_NOT_FOUND,   CLI_BUSY, CLI_IO,
                                   CLI_DATA, CLI_REFUSED, CLI_INTERRUPTED, -1};

const cli_command cli_command_anchor = {
    .name = "anchor",
    .arguments = "[OPTION]... [STORE]",
    .summary = "Give words of known meaning their place in a space",
    .description =
        "Colours, feelings, sounds, actions and words of place get coordinates that mean\n"
        "something: angry its valence, arousal and dominance in the emotional space. Other\n"
        "words get what a regression from their vectors predicts; its error on anchors held out\n"
        "stands beside that of always predicting the mean. Where it is hardly better the anchors\n"
        "are alone in the space. Run it after loads: one that brings new words replaces\n"
        "coordinates. FILE has lines of modality, word and values, between tabs or commas.",
    .options = anchor_options,
    .examples = "neurograph anchor\n"
                "neurograph neighbors angry --space emotional\n"
                "neurograph anchor --print-lexicon --modality emotion > emotion.tsv\n"
                "neurograph anchor --modality emotion --file emotion.tsv --only-file\n"
                "neurograph anchor --undo",
    .exit_codes = anchor_exits,
    .run = anchor_run,
};
