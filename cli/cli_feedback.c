/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `feedback`: says whether a hit was right, lists what was said, and takes it back. */
#include "cli_args.h"
#include "cli_edge.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FEEDBACK_LIST_MAX 1000u

enum {
    FEEDBACK_POSITIVE = CLI_OPTION_FIRST,
    FEEDBACK_NEGATIVE,
    FEEDBACK_CORRECT,
    FEEDBACK_SIGNAL,
    FEEDBACK_STRENGTH,
    FEEDBACK_PRIOR_LIMIT,
    FEEDBACK_COLLECTION,
    FEEDBACK_LIST,
    FEEDBACK_BEFORE,
    FEEDBACK_UNDO
};

typedef struct feedback_request {
    ng_feedback_options options;
    const char *correct;
    const char *collection;
    unsigned types; /* how many were given */
    bool lists;
    uint64_t before, limit;
    uint64_t undo; /* 0 = none */
} feedback_request;

/* ---- output ---- */

static void feedback_json_effect(const cli_context *context, cli_json *json,
                                 const ng_feedback_effect *effect, bool undone)
{
    char type[CLI_TYPE_ROOM];

    cli_json_object(json, NULL);
    if (effect->kind == NG_EFFECT_PRIOR) {
        cli_json_text(json, "kind", "prior");
        cli_json_token(context, json, "token", effect->token);
    } else {
        cli_json_text(json, "kind", "connection");
        cli_json_u64(json, "connection", effect->connection);
        cli_json_token(context, json, "source", effect->source);
        cli_json_token(context, json, "target", effect->target);
        cli_json_text(json, "type", cli_type_name(effect->type, type));
        cli_json_u64(json, "evidence_before", effect->evidence_before);
        cli_json_u64(json, "evidence_after", effect->evidence_after);
    }
    cli_json_double(json, "before", effect->before);
    cli_json_double(json, "after", effect->after);
    if (undone)
        cli_json_bool(json, "restored", effect->is_restored);
    cli_json_close(json);
}

static void feedback_json_item(const cli_context *context, cli_json *json,
                               const ng_feedback_info *info, bool undone)
{
    if (info->id != 0)
        cli_json_u64(json, "id", info->id);
    else
        cli_json_null(json, "id");
    cli_json_text(json, "type", ng_feedback_type_name(info->type));
    cli_json_text(json, "query", info->text);
    cli_json_text(json, "signal", info->signal);
    cli_json_token(context, json, "hit", info->hit);
    if (info->correct != 0)
        cli_json_token(context, json, "correct", info->correct);
    else
        cli_json_null(json, "correct");
    cli_json_double(json, "strength", info->strength);
    cli_json_u64(json, "seq", info->seq);
    cli_json_u64(json, "time_us", info->time_us);
    cli_json_u64(json, "actor", info->actor);
    cli_json_array(json, "effects");
    for (size_t i = 0; i < info->effect_count; i++)
        feedback_json_effect(context, json, &info->effects[i], undone);
    cli_json_close(json);
}

/* "  cup 0.0000 -> 0.1000", "  coffee -AssociatedWith-> cup 0.5020 -> 0.6275". */
static void feedback_effect_note(const cli_context *context, cli_table *table,
                                 const ng_feedback_effect *effect, bool undone)
{
    char text[CLI_EDGE_ROOM + 96], name[CLI_EDGE_ROOM];
    const ng_edge edge = {.id = effect->connection,
                          .source = effect->source,
                          .target = effect->target,
                          .type = effect->type};

    if (effect->kind == NG_EFFECT_PRIOR)
        cli_token_name(context, effect->token, name);
    else
        cli_edge_text(context, &edge, name);
    snprintf(text, sizeof text, "  %s %.4f -> %.4f%s", name,
             undone ? effect->after : effect->before, undone ? effect->before : effect->after,
             undone && !effect->is_restored ? " was changed since, and stays" : "");
    cli_table_note(table, text);
}

static void feedback_text(const cli_context *context, const ng_feedback_result *result, bool undone)
{
    static const cli_column columns[] = {{"id", true},     {"time", false}, {"type", false},
                                         {"query", false}, {"hit", false},  {"correct", false}};
    char name[CLI_LABEL_ROOM], time[CLI_NUMBER_ROOM];
    cli_table table;

    cli_table_init(&table, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < result->count; i++) {
        const ng_feedback_info *info = &result->items[i];

        cli_table_cell(&table, "%" PRIu64, info->id);
        cli_table_cell(&table, "%s", cli_show_time(info->time_us / 1000000, time));
        cli_table_cell(&table, "%s", ng_feedback_type_name(info->type));
        cli_table_cell(&table, "%s", info->text);
        cli_table_cell(&table, "%s", cli_token_name(context, info->hit, name));
        cli_table_cell(&table, "%s",
                       info->correct != 0 ? cli_token_name(context, info->correct, name) : "-");
        for (size_t k = 0; k < info->effect_count; k++)
            feedback_effect_note(context, &table, &info->effects[k], undone);
    }
    cli_table_print(context, &table);
}

static void feedback_print(const cli_context *context, const ng_feedback_result *result,
                           bool undone)
{
    cli_json json;

    if (!context->json) {
        feedback_text(context, result, undone);
        return;
    }
    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    feedback_json_item(context, &json, &result->items[0], undone);
    cli_json_bool(&json, undone ? "undone" : "repeated", undone || result->is_repeated);
    cli_json_close(&json);
    cli_json_end(&json);
}

/* ---- what is done ---- */

static int feedback_list(cli_context *context, const feedback_request *request)
{
    ng_feedback_result *result = NULL;
    cli_json json;
    int code = cli_store_open_reading(context);

    if (code != CLI_OK)
        return code;
    ng_status status = ng_feedback_list(context->store, request->before, request->limit, &result);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (context->json) {
        cli_json_begin(&json, stdout);
        cli_json_object(&json, NULL);
        cli_json_array(&json, "feedback");
        for (size_t i = 0; i < result->count; i++) {
            cli_json_object(&json, NULL);
            feedback_json_item(context, &json, &result->items[i], false);
            cli_json_close(&json);
        }
        cli_json_close(&json);
        cli_json_close(&json);
        cli_json_end(&json);
    } else {
        feedback_text(context, result, false);
    }
    ng_feedback_result_destroy(result);
    return CLI_OK;
}

static int feedback_undo(cli_context *context, const feedback_request *request)
{
    ng_feedback_result *result = NULL;
    int code = cli_store_open(context, NG_OPEN_MUST_EXIST);

    if (code != CLI_OK)
        return code;
    ng_status status = ng_feedback_undo(context->store, request->undo, NULL, &result);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    feedback_print(context, result, true);
    ng_feedback_result_destroy(result);
    return CLI_OK;
}

/* A hit as a query shows it: a word of its collection, or "#id". */
static int feedback_token(const cli_context *context, const feedback_request *request,
                          const char *text, ng_token_id *out)
{
    if (text[0] == '#')
        return cli_token_resolve(context, text, NG_COLLECTION_ANY, out);
    ng_status status =
        ng_word_find(context->store, request->options.collection, text, strlen(text), out);
    return status == NG_OK ? CLI_OK : cli_token_resolve(context, text, NG_COLLECTION_ANY, out);
}

static int feedback_give(cli_context *context, feedback_request *request, const cli_args *args)
{
    ng_feedback_options *options = &request->options;
    ng_feedback_result *result = NULL;
    int code = cli_store_open(context, NG_OPEN_MUST_EXIST);

    options->text = args->operands[0];
    options->collection = NG_COLLECTION_SEMANTIC;
    options->by_collection = true;
    if (code == CLI_OK && request->collection != NULL)
        code = cli_collection_resolve(context, request->collection, &options->collection);
    if (code == CLI_OK)
        code = feedback_token(context, request, args->operands[1], &options->hit);
    if (code == CLI_OK && request->correct != NULL)
        code = feedback_token(context, request, request->correct, &options->correct);
    if (code != CLI_OK)
        return code;
    ng_status status = ng_feedback(context->store, options, NULL, &result);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (result->is_repeated)
        cli_note(context, "it was given before, as %" PRIu64 ": nothing was changed",
                 result->items[0].id);
    else if (result->items[0].id == 0)
        cli_note(context, "nothing is left to change");
    feedback_print(context, result, false);
    ng_feedback_result_destroy(result);
    return CLI_OK;
}

/* ---- arguments ---- */

static bool feedback_fraction(const cli_args *args, double *out)
{
    if (!cli_parse_double(args, out))
        return false;
    if (*out > 0 && *out <= 1)
        return true;
    (void)cli_fail(args->context, CLI_USAGE, "--%s: %s is outside of what is above 0 and at most 1",
                   args->name, args->value);
    return false;
}

static bool feedback_option(const cli_args *args, int option, feedback_request *request)
{
    switch (option) {
    case FEEDBACK_POSITIVE:
    case FEEDBACK_NEGATIVE:
    case FEEDBACK_CORRECT:
        request->types++;
        request->options.type = option == FEEDBACK_POSITIVE   ? NG_FEEDBACK_POSITIVE
                                : option == FEEDBACK_NEGATIVE ? NG_FEEDBACK_NEGATIVE
                                                              : NG_FEEDBACK_CORRECTION;
        if (option == FEEDBACK_CORRECT)
            request->correct = args->value;
        return true;
    case FEEDBACK_SIGNAL:
        request->options.signal = args->value;
        return true;
    case FEEDBACK_STRENGTH:
        return feedback_fraction(args, &request->options.strength);
    case FEEDBACK_PRIOR_LIMIT:
        return feedback_fraction(args, &request->options.limit);
    case FEEDBACK_COLLECTION:
        request->collection = args->value;
        return true;
    case FEEDBACK_LIST:
        request->lists = true;
        return true;
    case FEEDBACK_BEFORE:
        return cli_parse_u64(args, 1, UINT64_MAX, &request->before);
    case FEEDBACK_UNDO:
        return cli_parse_u64(args, 1, UINT64_MAX, &request->undo);
    default:
        return cli_parse_u64(args, 1, FEEDBACK_LIST_MAX, &request->limit);
    }
}

static int feedback_run(cli_context *context, int argc, char **argv)
{
    feedback_request request = {.options = {.struct_size = sizeof request.options}, .limit = 20};
    cli_args args;
    int option;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!feedback_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (request.lists || request.undo != 0) {
        if (request.types > 0 || args.operand_count > 0 || (request.lists && request.undo != 0))
            return cli_fail(context, CLI_USAGE, "--list and --undo ID stand alone");
        return request.lists ? feedback_list(context, &request) : feedback_undo(context, &request);
    }
    if (args.operand_count != 2)
        return cli_fail(context, CLI_USAGE, "give a query and a hit, or --list or --undo ID");
    if (request.types != 1)
        return cli_fail(context, CLI_USAGE, "give one of --positive, --negative, --correct WORD");
    return feedback_give(context, &request, &args);
}

static const cli_option feedback_options[] = {
    {"positive", FEEDBACK_POSITIVE, NULL, "the hit is right: it rises"},
    {"negative", FEEDBACK_NEGATIVE, NULL, "the hit is wrong: it falls"},
    {"correct", FEEDBACK_CORRECT, "WORD", "WORD is right: it rises, and the hit falls"},
    {"signal", FEEDBACK_SIGNAL, "UUID", "on this one answer, as 'query --json' names it"},
    {"strength", FEEDBACK_STRENGTH, "X", "above 0, at most 1; default 1"},
    {"prior-limit", FEEDBACK_PRIOR_LIMIT, "X", "where priors go to, at most 1; default 0.2"},
    {"collection", FEEDBACK_COLLECTION, "NAME", "the words of this collection; default semantic"},
    {"list", FEEDBACK_LIST, NULL, "show what was given, newest first"},
    {"limit", 'n', "N", "at most N of the list, 1..1000; default 20"},
    {"before", FEEDBACK_BEFORE, "ID", "of the list those below ID: the next page"},
    {"undo", FEEDBACK_UNDO, "ID", "take it back"},
    CLI_DURABILITY_ROW,
    {NULL, 0, NULL, NULL},
};

static const int feedback_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY,
                                     CLI_IO, CLI_DATA,  CLI_REFUSED,   -1};

const cli_command cli_command_feedback = {
    .name = "feedback",
    .arguments = "[OPTION]... QUERY HIT | --list | --undo ID",
    .summary = "Say whether a hit was right, so that the next answer is better",
    .description =
        "Moves HIT in every later answer to the same question, however it is written, and teaches\n"
        "the connections that led to it, if they can learn. Shows what changed. Without --signal\n"
        "the same feedback on the same question counts once. HIT and WORD are labels, folded as\n"
        "in a query, or #ID. Undo restores what nobody has changed since, and names the rest.",
    .options = feedback_options,
    .examples = "neurograph feedback coffee tea --negative\n"
                "neurograph feedback \"king - man + woman\" prince --correct queen\n"
                "neurograph feedback --list\n"
                "neurograph feedback --undo 3",
    .exit_codes = feedback_exits,
    .run = feedback_run,
};
