/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `query`: answers texts by meaning.
 *
 * Invariants
 *   1. With --json every query gives exactly one line on stdout, in the order of the input, except
 *      a single query that failed, which gives none.
 *   2. A query of --file that fails does not keep the others from being answered.
 */
#include "cli_query.h"
#include "cli_args.h"
#include "cli_edge.h"
#include "cli_filter.h"
#include "cli_output.h"
#include "cli_recall.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_REMOVE_MAX 24u
#define QUERY_SUGGEST_MAX 10u
#define QUERY_COLUMNS_MAX (6 + NG_SPACE_COUNT)

enum {
    QUERY_REMOVE = CLI_OPTION_FIRST,
    QUERY_THRESHOLD,
    QUERY_WHY,
    QUERY_COLLECTION,
    QUERY_FILE,
    QUERY_WORDS,
    QUERY_NO_SPELLING,
    QUERY_SUGGEST
};

typedef struct query_request {
    const char *collection;
    const char *file;
    ng_query_options options;
    cli_filter filter;
    cli_recall recall; /* in place of `options` if it is asked for */
    bool many;         /* of --file */
} query_request;

static void query_json_coordinates(cli_json *json, const ng_query_hit *hit)
{
    cli_json_object(json, "coordinates");
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++) {
        if ((hit->spaces & 1u << space) == 0)
            continue;
        cli_json_array(json, ng_space_name((ng_space)space));
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            cli_json_float(json, NULL, hit->coordinates[space][axis]);
        cli_json_close(json);
    }
    cli_json_close(json);
}

static void query_json_hits(const cli_context *context, cli_json *json,
                            const query_request *request, const ng_query_result *result)
{
    cli_json_array(json, "hits");
    for (size_t i = 0; i < result->hit_count; i++) {
        const ng_query_hit *hit = &result->hits[i];

        cli_json_object(json, NULL);
        cli_json_u64(json, "rank", i + 1);
        cli_json_u64(json, "id", hit->id);
        cli_json_text(json, "label", hit->label);
        cli_json_double(json, "score", hit->score);
        cli_json_double(json, "prior", hit->prior);
        if (request->options.spaces != 0)
            query_json_coordinates(json, hit);
        if (request->options.why) {
            cli_json_array(json, "why");
            for (size_t j = 0; j < hit->why_count; j++)
                cli_json_edge(context, json, NULL, &hit->why[j]);
            cli_json_close(json);
        }
        cli_json_close(json);
    }
    cli_json_close(json);
}

static void query_json(const cli_context *context, const query_request *request, const char *text,
                       const ng_query_result *result)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "query", text);
    cli_json_text(&json, "signal", result->signal);
    cli_query_json_terms(context, &json, result);
    cli_query_json_spellings(&json, result, request->options.suggest > 0);
    query_json_hits(context, &json, request, result);
    cli_json_u64(&json, "candidates", result->candidates);
    cli_json_double(&json, "seconds", result->seconds);
    cli_json_close(&json);
    cli_json_end(&json);
}

static void query_why(const cli_context *context, cli_table *table, const ng_query_hit *hit)
{
    char text[CLI_EDGE_ROOM + 2] = "  ";

    for (size_t i = 0; i < hit->why_count; i++) {
        cli_edge_text(context, &hit->why[i], text + 2);
        cli_table_note(table, text);
    }
}

/* A cell for each space that was asked for. */
static void query_coordinates(cli_table *table, const query_request *request,
                              const ng_query_hit *hit)
{
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++) {
        char numbers[NG_AXIS_COUNT][CLI_NUMBER_ROOM];

        if ((request->options.spaces & 1u << space) == 0)
            continue;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            cli_show_float(hit->coordinates[space][axis], numbers[axis]);
        if ((hit->spaces & 1u << space) != 0)
            cli_table_cell(table, "%s,%s,%s", numbers[0], numbers[1], numbers[2]);
        else
            cli_table_cell(table, "-"); /* it has left the space since it was found */
    }
}

static bool query_has_prior(const ng_query_result *result)
{
    for (size_t i = 0; i < result->hit_count; i++)
        if (result->hits[i].prior < 0 || result->hits[i].prior > 0)
            return true;
    return false;
}

static void query_text(const cli_context *context, const query_request *request, const char *text,
                       const ng_query_result *result)
{
    static const cli_column columns[] = {
        {"query", false}, {"rank", true}, {"label", false}, {"score", true}, {"id", true}};
    /* In a pipe the rows of many queries are told apart by their first column. */
    bool named = request->many && !context->terminal;
    bool has_prior = query_has_prior(result);
    cli_column shown[QUERY_COLUMNS_MAX];
    size_t count = named ? 5 : 4;
    cli_table table;

    memcpy(shown, named ? columns : columns + 1, count * sizeof *shown);
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++)
        if ((request->options.spaces & 1u << space) != 0)
            shown[count++] = (cli_column){ng_space_name((ng_space)space), false};
    if (has_prior)
        shown[count++] = (cli_column){"prior", true};
    cli_table_init(&table, shown, count);
    for (size_t i = 0; i < result->hit_count; i++) {
        const ng_query_hit *hit = &result->hits[i];

        if (named)
            cli_table_cell(&table, "%s", text);
        cli_table_cell(&table, "%zu", i + 1);
        cli_table_cell(&table, "%s", hit->label != NULL ? hit->label : "");
        cli_table_cell(&table, "%.4f", hit->score);
        cli_table_cell(&table, "%" PRIu64, hit->id);
        query_coordinates(&table, request, hit);
        if (has_prior)
            cli_table_cell(&table, "%+.4f", hit->prior);
        query_why(context, &table, hit);
    }
    if (request->many)
        cli_heading(context, text);
    cli_table_print(context, &table);
    if (request->many && context->terminal)
        putchar('\n');
}

/* Answers one text. `where` is "" or "line 3: ". */
static int query_one(const cli_context *context, const query_request *request, const char *text,
                     const char *where)
{
    if (request->recall.is_asked)
        return cli_recall_answer(context, &request->recall, text, where, request->many);
    ng_query_result *result = NULL;
    ng_status status = ng_query(context->store, text, &request->options, &result);
    int code = CLI_OK;

    if (status != NG_OK) {
        if (request->many && context->json)
            cli_query_json_error(text, status);
        return cli_fail(context, cli_exit_of(status), "%s%s", where, ng_last_error());
    }
    if (context->json)
        query_json(context, request, text, result);
    else
        query_text(context, request, text, result);
    cli_query_note_spelling(context, result, where);
    cli_query_note_gaps(context, result, where);
    if (result->hit_count == 0) {
        cli_note(context, "%snothing found", where);
        code = CLI_NOTHING;
    }
    ng_query_result_destroy(result);
    return code;
}

/* A line that has no answer, or is no query, is reported and the next is read. */
static int query_line(const cli_context *context, const query_request *request, const char *line,
                      size_t bytes, uint64_t number)
{
    char where[40];
    int code;

    snprintf(where, sizeof where, "line %" PRIu64 ": ", number);
    if (strlen(line) != bytes)
        return cli_fail(context, CLI_DATA, "%s: %scontains a NUL byte", request->file, where);
    if (line[strspn(line, " \t")] == '\0')
        return CLI_OK;
    code = query_one(context, request, line, where);
    return code == CLI_NOT_FOUND || code == CLI_USAGE ? CLI_NOTHING : code;
}

static int query_lines(const cli_context *context, const query_request *request, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    uint64_t number = 0;
    int code = CLI_OK;
    ssize_t bytes;

    errno = 0;
    while ((bytes = getline(&line, &room, file)) >= 0) {
        int one;

        while (bytes > 0 && (line[bytes - 1] == '\n' || line[bytes - 1] == '\r'))
            line[--bytes] = '\0';
        one = query_line(context, request, line, (size_t)bytes, ++number);
        /* A program that writes queries and reads answers waits for each. */
        fflush(stdout);
        if (one != CLI_OK)
            code = one;
        if (one != CLI_OK && one != CLI_NOTHING)
            break;
        errno = 0;
    }
    if (ferror(file))
        code = cli_fail(context, CLI_IO, "%s: %s", request->file, strerror(errno));
    free(line);
    return code;
}

static int query_file(cli_context *context, const query_request *request)
{
    FILE *file = stdin;
    int code;

    if (strcmp(request->file, "-") != 0) {
        file = fopen(request->file, "re");
        if (file == NULL)
            return cli_fail(context, errno == ENOENT ? CLI_NOT_FOUND : CLI_IO, "%s: %s",
                            request->file, strerror(errno));
    }
    code = query_lines(context, request, file);
    if (file != stdin)
        fclose(file);
    return code;
}

static char *query_words(const cli_args *args)
{
    size_t bytes = 0, used = 0;
    char *text;

    for (int i = 0; i < args->operand_count; i++)
        bytes += strlen(args->operands[i]) + 1;
    text = cli_allocate(bytes + 1, 1);
    for (int i = 0; i < args->operand_count; i++)
        used += (size_t)snprintf(text + used, bytes + 1 - used, "%s%s", i > 0 ? " " : "",
                                 args->operands[i]);
    return text;
}

/* What needs the open store. */
static int query_prepare(const cli_context *context, query_request *request)
{
    ng_collection_id collection;
    int code = cli_filter_finish(context, &request->filter);

    request->options.filter = &request->filter.filter;
    request->options.spaces = request->filter.filter.spaces_all;
    if (request->collection == NULL || code != CLI_OK)
        return code;
    code = cli_collection_resolve(context, request->collection, &collection);
    request->options.collection = collection;
    request->options.by_collection = true;
    return code;
}

/* The options that both kinds of answers know become those of a recall. */
static int query_recall(const cli_context *context, query_request *request, bool has_text)
{
    ng_recall_options *recall = &request->recall.options;

    if (request->options.why)
        return cli_fail(context, CLI_USAGE, "--why: with --through each hit shows its path");
    recall->limit = request->options.limit;
    recall->remove_components = request->options.remove_components;
    recall->threshold = request->options.threshold;
    recall->no_spelling = request->options.no_spelling;
    recall->suggest = request->options.suggest;
    recall->collection = request->options.collection;
    recall->by_collection = request->options.by_collection;
    recall->include_asked = request->options.include_query_words;
    recall->filter = request->options.filter;
    recall->spaces = request->options.spaces;
    return cli_recall_finish(context, &request->recall, has_text);
}

static bool query_option(const cli_args *args, int option, query_request *request)
{
    uint64_t number;

    if (cli_filter_has(option))
        return cli_filter_option(args, option, &request->filter);
    if (cli_recall_has(option))
        return cli_recall_option(args, option, &request->recall);
    switch (option) {
    case QUERY_NO_SPELLING:
        request->options.no_spelling = true;
        return true;
    case QUERY_SUGGEST:
        if (!cli_parse_u64(args, 0, QUERY_SUGGEST_MAX, &number))
            return false;
        request->options.suggest = (uint32_t)number;
        return true;
    case QUERY_REMOVE:
        if (!cli_parse_u64(args, 0, QUERY_REMOVE_MAX, &number))
            return false;
        request->options.remove_components = number == 0 ? NG_PLAIN_COSINE : (int32_t)number;
        return true;
    case QUERY_THRESHOLD:
        request->options.by_threshold = true;
        return cli_parse_double(args, &request->options.threshold);
    case QUERY_WHY:
        request->options.why = true;
        return true;
    case QUERY_WORDS:
        request->options.include_query_words = true;
        return true;
    case QUERY_COLLECTION:
        request->collection = args->value;
        return true;
    case QUERY_FILE:
        request->file = args->value;
        request->many = true;
        return true;
    default:
        if (!cli_parse_u64(args, 1, CLI_LIMIT_MAX, &number))
            return false;
        request->options.limit = (uint32_t)number;
        return true;
    }
}

static int query_run(cli_context *context, int argc, char **argv)
{
    query_request request = {
        .options = {.struct_size = sizeof request.options, .limit = CLI_LIMIT_DEFAULT}};
    cli_args args;
    char *text;
    int option, code;
    bool has_text;

    cli_filter_init(&request.filter);
    cli_recall_init(&request.recall);
    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!query_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    has_text = args.operand_count > 0 || request.many;
    if (args.operand_count > 0 && request.many)
        return cli_fail(context, CLI_USAGE, "give either a text or --file");
    if (!has_text && !cli_recall_has_question(&request.recall))
        return cli_fail(context, CLI_USAGE, "give a text or --file, or --like, --near or --from");
    code = cli_store_open_reading(context);
    if (code == CLI_OK)
        code = query_prepare(context, &request);
    if (code == CLI_OK && request.recall.is_asked)
        code = query_recall(context, &request, has_text);
    if (code != CLI_OK)
        return code;
    if (request.many)
        return query_file(context, &request);
    if (!has_text)
        return query_one(context, &request, NULL, "");
    text = query_words(&args);
    code = query_one(context, &request, text, "");
    free(text);
    return code;
}

static const cli_option query_options[] = {
    {"limit", 'n', "N", "at most N hits, 1..10000; default 10"},
    {"threshold", QUERY_THRESHOLD, "X", "leave out hits with a score below X"},
    {"why", QUERY_WHY, NULL, "show the connections between each hit and the words of the query"},
    {"remove", QUERY_REMOVE, "N",
     "top components removed first, 1..24; default 2; 0 = plain cosine"},
    {"words", QUERY_WORDS, NULL, "do not leave out the words of the query"},
    {"file", QUERY_FILE, "FILE", "one query a line; - reads standard input"},
    {"collection", QUERY_COLLECTION, "NAME", "the words of this collection; default semantic"},
    {"no-spelling", QUERY_NO_SPELLING, NULL, "do not answer by spelling when no word is known"},
    {"suggest", QUERY_SUGGEST, "N", "show up to N labels spelled like each unknown word, 0..10"},
    CLI_RECALL_ROWS,
    CLI_FILTER_ROWS,
    {NULL, 0, NULL, NULL},
};

static const int query_exits[] = {CLI_OK,   CLI_NOTHING, CLI_USAGE, CLI_NOT_FOUND,
                                  CLI_BUSY, CLI_IO,      CLI_DATA,  -1};

const cli_command cli_command_query = {
    .name = "query",
    .arguments = "[OPTION]... [TEXT...] | --file FILE [OPTION]...",
    .summary = "Find words by meaning; tokens by meaning, space and relation",
    .description =
        "The arguments are joined with blanks. '+' and '-' between blanks add and subtract,\n"
        "2*coffee weighs a word, and \"ice cream\" in quotation marks is one label or unknown.\n"
        "The score is the cosine, -1..1. Unknown words are named on stderr and the others are\n"
        "answered. When none is known the labels of nearest spelling stand in for them, and a\n"
        "note says which; if there are none the exit code is 3. A hit is shown if every\n"
        "condition holds, and with --in also where it is. With --file every line is a query and\n"
        "an empty one is skipped; the exit code is 1 if one of them found nothing or is wrong.\n"
        "\n"
        "With any option from --like to --explain the answer is one ranked list of all that is\n"
        "asked: the text, or tokens --like it; places to be --near to; what is reached --through\n"
        "connections. Each part has a score 0..1 and a weight, and the score is their weighted\n"
        "mean; a part that a token does not have counts 0. See docs/recall.md.",
    .options = query_options,
    .examples = "neurograph query strong coffee\n"
                "neurograph query king - man + woman --limit 3\n"
                "neurograph query dog --why --threshold 0.5\n"
                "neurograph query '2*coffee - \"ice cream\"' --in emotional --tag drink\n"
                "neurograph query --file queries.txt --json > answers.ndjson\n"
                "neurograph query dog --through hypernym,hyponym --hops 3 --weights relation=2\n"
                "neurograph query cup --near physical=1,0,2~0.5 --every-collection\n"
                "neurograph query --like dog --like cat --near abstract@horse --explain",
    .exit_codes = query_exits,
    .run = query_run,
};
