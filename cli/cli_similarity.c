/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The commands `similarity` and `odd`: how like each other words are that are named.
 *
 * Invariants
 *   1. --pairs is read, computed and printed in blocks of PAIRS_BLOCK lines, so a file of any size
 *      takes the same memory; every line that is not empty gives one row, in its order.
 *   2. A pair with a word that is not known or has no vector has no similarity: "-" or null.
 */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REMOVE_MAX 24u
#define PAIRS_BLOCK 1024u
#define WORDS_MAX 100 /* of a matrix: each is a column */
#define ODD_MAX 1000

enum {
    SIMILARITY_PAIRS = CLI_OPTION_FIRST,
    SIMILARITY_MATRIX,
    SIMILARITY_REMOVE,
    SIMILARITY_COLLECTION,
    SIMILARITY_FUSED
};

typedef struct similarity_request {
    const char *pairs; /* file */
    const char *collection_name;
    ng_collection_id collection;
    int32_t remove;
    bool matrix;
    bool fused;
} similarity_request;

/* A line of --pairs. */
typedef struct similarity_line {
    char *a, *b; /* one block, which `a` begins */
    uint64_t number;
} similarity_line;

/* ---- words ---- */

/* "#12" or a word; `out` 0 = there is none, with `code` CLI_NOT_FOUND and no message. */
static int similarity_word(const cli_context *context, const similarity_request *request,
                           const char *text, ng_token_id *out)
{
    ng_status status;
    uint64_t id;
    bool exists = false;

    *out = 0;
    if (text[0] == '#' && cli_digits(text + 1, &id)) {
        status = ng_token_exists(context->store, id, &exists);
        if (status != NG_OK && status != NG_E_INVALID)
            return cli_fail_status(context, status);
        *out = exists ? id : 0;
        return exists ? CLI_OK : CLI_NOT_FOUND;
    }
    status = ng_word_find(context->store, request->collection, text, strlen(text), out);
    if (status == NG_OK)
        return CLI_OK;
    *out = 0;
    return status == NG_E_NOT_FOUND || status == NG_E_INVALID ? CLI_NOT_FOUND
                                                              : cli_fail_status(context, status);
}

/* All operands, which must be known. The caller frees `*out`. */
static int similarity_words(const cli_context *context, const similarity_request *request,
                            const cli_args *args, ng_token_id **out)
{
    int code = CLI_OK;

    *out = cli_allocate((size_t)args->operand_count, sizeof **out);
    for (int i = 0; i < args->operand_count && code == CLI_OK; i++) {
        code = similarity_word(context, request, args->operands[i], &(*out)[i]);
        if (code == CLI_NOT_FOUND)
            cli_fail(context, code, "'%s' is not known", args->operands[i]);
    }
    return code;
}

static void similarity_cell(cli_table *table, double value)
{
    if (isnan(value))
        cli_table_cell(table, "-");
    else
        cli_table_cell(table, "%.4f", value);
}

/* ---- one pair ---- */

/* The parts of a fused similarity, behind its score. */
static void fused_json(cli_json *json, const ng_fused *fused)
{
    cli_json_double(json, "similarity", fused->score);
    cli_json_bool(json, "by_vectors", fused->by_vectors);
    cli_json_bool(json, "by_links", fused->by_links);
    cli_json_bool(json, "antonyms", fused->antonyms);
    cli_json_double(json, "cosine", fused->cosine);
    cli_json_double(json, "retrofitted", fused->retrofitted);
    cli_json_double(json, "taxonomic", fused->taxonomic);
    cli_json_u64(json, "linked_a", fused->linked_a);
    cli_json_u64(json, "linked_b", fused->linked_b);
    if (fused->by_links && fused->hops != NG_FUSED_NO_PATH) {
        cli_json_u64(json, "hops", fused->hops);
        cli_json_u64(json, "depth", fused->depth);
    }
}

static const cli_column fused_columns[] = {{"a", false},     {"b", false},    {"fused", true},
                                           {"cosine", true}, {"retro", true}, {"taxonomic", true},
                                           {"note", false}};
#define FUSED_COLUMNS (sizeof fused_columns / sizeof fused_columns[0])

static void fused_row(cli_table *table, const char *a, const char *b, const ng_fused *fused)
{
    cli_table_cell(table, "%s", a);
    cli_table_cell(table, "%s", b);
    similarity_cell(table, fused->score);
    similarity_cell(table, fused->cosine);
    similarity_cell(table, fused->retrofitted);
    similarity_cell(table, fused->taxonomic);
    cli_table_cell(table, "%s", fused->antonyms ? "antonyms" : "");
}

static int similarity_one_fused(const cli_context *context, const similarity_request *request,
                                const cli_args *args)
{
    const ng_fused_options options = {.struct_size = sizeof options,
                                      .remove_components = request->remove};
    ng_token_id *ids = NULL;
    ng_fused fused = {0};
    cli_table table;
    cli_json json;
    int code = similarity_words(context, request, args, &ids);

    if (code == CLI_OK) {
        ng_status status = ng_similarity_fused(context->store, ids[0], ids[1], &options, &fused);

        code = status == NG_OK ? CLI_OK : cli_fail_status(context, status);
    }
    if (code == CLI_OK && context->json) {
        cli_json_begin(&json, stdout);
        cli_json_object(&json, NULL);
        for (int i = 0; i < 2; i++) {
            cli_json_object(&json, i == 0 ? "a" : "b");
            cli_json_text(&json, "text", args->operands[i]);
            cli_json_u64(&json, "id", ids[i]);
            cli_json_close(&json);
        }
        fused_json(&json, &fused);
        cli_json_close(&json);
        cli_json_end(&json);
    } else if (code == CLI_OK) {
        cli_table_init(&table, fused_columns, FUSED_COLUMNS);
        fused_row(&table, args->operands[0], args->operands[1], &fused);
        cli_table_print(context, &table);
    }
    free(ids);
    return code;
}

static int similarity_one(const cli_context *context, const similarity_request *request,
                          const cli_args *args)
{
    static const cli_column columns[] = {{"a", false}, {"b", false}, {"similarity", true}};
    ng_token_id *ids = NULL;
    double value = 0;
    cli_table table;
    int code = similarity_words(context, request, args, &ids);

    if (code == CLI_OK) {
        ng_status status =
            ng_token_similarity(context->store, ids[0], ids[1], request->remove, &value);
        code = status == NG_OK ? CLI_OK : cli_fail_status(context, status);
    }
    if (code == CLI_OK && context->json) {
        cli_json json;

        cli_json_begin(&json, stdout);
        cli_json_object(&json, NULL);
        for (int i = 0; i < 2; i++) {
            cli_json_object(&json, i == 0 ? "a" : "b");
            cli_json_text(&json, "text", args->operands[i]);
            cli_json_u64(&json, "id", ids[i]);
            cli_json_close(&json);
        }
        cli_json_double(&json, "similarity", value);
        cli_json_close(&json);
        cli_json_end(&json);
    } else if (code == CLI_OK) {
        cli_table_init(&table, columns, 3);
        cli_table_cell(&table, "%s", args->operands[0]);
        cli_table_cell(&table, "%s", args->operands[1]);
        similarity_cell(&table, value);
        cli_table_print(context, &table);
    }
    free(ids);
    return code;
}

/* ---- pairs of a file ---- */

static void pairs_print_json(const similarity_line *line, double value, const ng_fused *fused)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "a", line->a);
    cli_json_text(&json, "b", line->b);
    if (fused != NULL)
        fused_json(&json, fused);
    else
        cli_json_double(&json, "similarity", value);
    cli_json_close(&json);
    cli_json_end(&json);
}

/* `fused` NULL = plain ones. */
static void pairs_print(const cli_context *context, const similarity_line *lines,
                        const double *values, const ng_fused *fused, size_t count)
{
    static const cli_column columns[] = {{"a", false}, {"b", false}, {"similarity", true}};
    cli_table table;

    if (!context->json)
        cli_table_init(&table, fused != NULL ? fused_columns : columns,
                       fused != NULL ? FUSED_COLUMNS : 3);
    for (size_t i = 0; i < count; i++) {
        if (context->json) {
            pairs_print_json(&lines[i], values[i], fused != NULL ? &fused[i] : NULL);
            continue;
        }
        if (fused != NULL) {
            fused_row(&table, lines[i].a, lines[i].b, &fused[i]);
            continue;
        }
        cli_table_cell(&table, "%s", lines[i].a);
        cli_table_cell(&table, "%s", lines[i].b);
        similarity_cell(&table, values[i]);
    }
    if (!context->json)
        cli_table_print(context, &table);
}

/* Computes and prints a block. */
static int pairs_block(const cli_context *context, const similarity_request *request,
                       const similarity_line *lines, size_t count)
{
    ng_token_id(*ids)[2] = cli_allocate(PAIRS_BLOCK, sizeof *ids);
    double *values = cli_allocate(PAIRS_BLOCK, sizeof *values);
    ng_fused *fused = request->fused ? cli_allocate(PAIRS_BLOCK, sizeof *fused) : NULL;
    const ng_fused_options options = {.struct_size = sizeof options,
                                      .remove_components = request->remove};
    size_t found = 0;
    int code = CLI_OK;

    for (size_t i = 0; i < count && (code == CLI_OK || code == CLI_NOT_FOUND); i++) {
        const char *const words[] = {lines[i].a, lines[i].b};

        for (int j = 0; j < 2 && (code == CLI_OK || code == CLI_NOT_FOUND); j++) {
            code = similarity_word(context, request, words[j], &ids[i][j]);
            if (code == CLI_NOT_FOUND)
                cli_note(context, "line %" PRIu64 ": '%s' is not known", lines[i].number, words[j]);
        }
    }
    if (code == CLI_OK || code == CLI_NOT_FOUND) {
        const ng_token_id(*pairs)[2] = (const ng_token_id(*)[2])ids;
        ng_status status =
            fused != NULL
                ? ng_similarity_fused_many(context->store, pairs, count, &options, fused, &found)
                : ng_similarity_many(context->store, pairs, count, request->remove, values, &found);

        code = status != NG_OK ? cli_fail_status(context, status)
               : found < count ? CLI_NOTHING
                               : CLI_OK;
        if (status == NG_OK)
            pairs_print(context, lines, values, fused, count);
    }
    free(fused);
    free(ids);
    free(values);
    return code;
}

/* "word TAB word"; what follows a second tab is passed over. */
static bool pairs_split(char *line, size_t bytes, similarity_line *out)
{
    char *tab;

    while (bytes > 0 && (line[bytes - 1] == '\n' || line[bytes - 1] == '\r'))
        line[--bytes] = '\0';
    if (strlen(line) != bytes || (tab = strchr(line, '\t')) == NULL)
        return false;
    out->a = cli_copy(line, bytes);
    out->a[tab - line] = '\0';
    out->b = out->a + (tab - line) + 1;
    out->b[strcspn(out->b, "\t")] = '\0';
    return true;
}

static int pairs_lines(const cli_context *context, const similarity_request *request, FILE *file)
{
    similarity_line *lines = cli_allocate(PAIRS_BLOCK, sizeof *lines);
    char *line = NULL;
    size_t room = 0, count = 0;
    uint64_t number = 0;
    int code = CLI_OK, block;
    bool more = true;

    while (more && (code == CLI_OK || code == CLI_NOTHING)) {
        ssize_t bytes = getline(&line, &room, file);

        more = bytes >= 0;
        number++;
        if (more && line[strspn(line, "\r\n")] != '\0') {
            lines[count].number = number;
            if (!pairs_split(line, (size_t)bytes, &lines[count])) {
                code = cli_fail(context, CLI_DATA, "%s: line %" PRIu64 " is not WORD TAB WORD",
                                request->pairs, number);
                break;
            }
            count++;
        }
        if (count < PAIRS_BLOCK && (more || count == 0))
            continue;
        block = pairs_block(context, request, lines, count);
        code = block != CLI_OK ? block : code;
        while (count > 0)
            free(lines[--count].a);
    }
    if (ferror(file) && (code == CLI_OK || code == CLI_NOTHING))
        code = cli_fail(context, CLI_IO, "%s: %s", request->pairs, strerror(errno));
    while (count > 0)
        free(lines[--count].a);
    free(lines);
    free(line);
    return code;
}

static int similarity_pairs(const cli_context *context, const similarity_request *request)
{
    FILE *file = stdin;
    int code;

    if (strcmp(request->pairs, "-") != 0)
        file = fopen(request->pairs, "re");
    if (file == NULL)
        return cli_fail(context, errno == ENOENT ? CLI_NOT_FOUND : CLI_IO, "%s: %s", request->pairs,
                        strerror(errno));
    code = pairs_lines(context, request, file);
    if (file != stdin)
        fclose(file);
    return code;
}

/* ---- matrix ---- */

static void matrix_json(const cli_args *args, const ng_token_id *ids, const double *cells)
{
    size_t count = (size_t)args->operand_count;
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_array(&json, "words");
    for (size_t i = 0; i < count; i++)
        cli_json_text(&json, NULL, args->operands[i]);
    cli_json_close(&json);
    cli_json_array(&json, "ids");
    for (size_t i = 0; i < count; i++)
        cli_json_u64(&json, NULL, ids[i]);
    cli_json_close(&json);
    cli_json_array(&json, "matrix");
    for (size_t i = 0; i < count; i++) {
        cli_json_array(&json, NULL);
        for (size_t j = 0; j < count; j++)
            cli_json_double(&json, NULL, cells[i * count + j]);
        cli_json_close(&json);
    }
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

static void matrix_text(const cli_context *context, const cli_args *args, const double *cells)
{
    size_t count = (size_t)args->operand_count;
    cli_column columns[WORDS_MAX + 1] = {{NULL, false}};
    cli_table table;

    for (size_t i = 0; i < count; i++)
        columns[i + 1] = (cli_column){args->operands[i], true};
    cli_table_init(&table, columns, count + 1);
    for (size_t i = 0; i < count; i++) {
        cli_table_cell(&table, "%s", args->operands[i]);
        for (size_t j = 0; j < count; j++)
            similarity_cell(&table, cells[i * count + j]);
    }
    cli_table_print(context, &table);
}

static int similarity_matrix(const cli_context *context, const similarity_request *request,
                             const cli_args *args)
{
    size_t count = (size_t)args->operand_count, found = 0;
    ng_token_id *ids = NULL;
    double *cells = NULL;
    int code = similarity_words(context, request, args, &ids);

    if (code == CLI_OK) {
        ng_status status;

        cells = cli_allocate(count * count, sizeof *cells);
        status = ng_similarity_matrix(context->store, ids, count, NULL, 0, request->remove, cells,
                                      &found);
        code = status == NG_OK ? CLI_OK : cli_fail_status(context, status);
    }
    if (code == CLI_OK && context->json)
        matrix_json(args, ids, cells);
    else if (code == CLI_OK)
        matrix_text(context, args, cells);
    free(ids);
    free(cells);
    return code == CLI_OK && found < count * count ? CLI_NOTHING : code;
}

/* ---- odd one out ---- */

static void odd_json_row(cli_json *json, const char *key, const char *text, ng_token_id id,
                         double score)
{
    cli_json_object(json, key);
    cli_json_text(json, "text", text);
    cli_json_u64(json, "id", id);
    cli_json_double(json, "score", score);
    cli_json_close(json);
}

static void odd_json(const cli_args *args, const ng_token_id *ids, const double *scores, size_t odd)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    odd_json_row(&json, "odd", args->operands[odd], ids[odd], scores[odd]);
    cli_json_array(&json, "scores");
    for (int i = 0; i < args->operand_count; i++)
        odd_json_row(&json, NULL, args->operands[i], ids[i], scores[i]);
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

/* The odd one first, the others as they were given. */
static void odd_text(const cli_context *context, const cli_args *args, const ng_token_id *ids,
                     const double *scores, size_t odd)
{
    static const cli_column columns[] = {{"word", false}, {"score", true}, {"id", true}};
    cli_table table;

    cli_table_init(&table, columns, 3);
    for (size_t row = 0; row < (size_t)args->operand_count; row++) {
        size_t i = row == 0 ? odd : row <= odd ? row - 1 : row;

        cli_table_cell(&table, "%s", args->operands[i]);
        similarity_cell(&table, scores[i]);
        cli_table_cell(&table, "%" PRIu64, ids[i]);
    }
    cli_table_print(context, &table);
}

static int odd_find(const cli_context *context, const similarity_request *request,
                    const cli_args *args)
{
    size_t count = (size_t)args->operand_count, odd = 0;
    ng_token_id *ids = NULL;
    double *scores = cli_allocate(count, sizeof *scores);
    int code = similarity_words(context, request, args, &ids);

    if (code == CLI_OK) {
        ng_status status =
            ng_odd_one_out(context->store, ids, count, request->remove, &odd, scores);

        code = status == NG_OK ? CLI_OK : cli_fail_status(context, status);
    }
    if (code == CLI_OK && context->json)
        odd_json(args, ids, scores, odd);
    else if (code == CLI_OK)
        odd_text(context, args, ids, scores, odd);
    for (size_t i = 0; i < count && code == CLI_OK; i++)
        if (isnan(scores[i]))
            cli_note(context, "without a vector: %s", args->operands[i]);
    free(ids);
    free(scores);
    return code;
}

/* ---- the commands ---- */

static bool similarity_option(const cli_args *args, int option, similarity_request *request)
{
    uint64_t number;

    switch (option) {
    case SIMILARITY_PAIRS:
        request->pairs = args->value;
        return true;
    case SIMILARITY_MATRIX:
        request->matrix = true;
        return true;
    case SIMILARITY_FUSED:
        request->fused = true;
        return true;
    case SIMILARITY_COLLECTION:
        request->collection_name = args->value;
        return true;
    default:
        if (!cli_parse_u64(args, 0, REMOVE_MAX, &number))
            return false;
        request->remove = number == 0 ? NG_PLAIN_COSINE : (int32_t)number;
        return true;
    }
}

static int similarity_open(cli_context *context, similarity_request *request)
{
    int code = cli_store_open_reading(context);

    request->collection = NG_COLLECTION_SEMANTIC;
    if (code == CLI_OK && request->collection_name != NULL)
        code = cli_collection_resolve(context, request->collection_name, &request->collection);
    return code;
}

static int similarity_run(cli_context *context, int argc, char **argv)
{
    similarity_request request = {0};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!similarity_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (request.pairs != NULL && (request.matrix || args.operand_count > 0))
        return cli_fail(context, CLI_USAGE, "--pairs takes no words and no --matrix");
    if (request.pairs == NULL && request.matrix &&
        (args.operand_count < 1 || args.operand_count > WORDS_MAX))
        return cli_fail(context, CLI_USAGE, "--matrix: %d words are outside 1..%d",
                        args.operand_count, WORDS_MAX);
    if (request.pairs == NULL && !request.matrix && args.operand_count != 2)
        return cli_fail(context, CLI_USAGE, "give two words, --pairs FILE or --matrix WORD...");
    if (request.fused && request.matrix)
        return cli_fail(context, CLI_USAGE, "--fused is of pairs, not of a --matrix");
    code = similarity_open(context, &request);
    if (code != CLI_OK)
        return code;
    if (request.fused && request.pairs == NULL)
        return similarity_one_fused(context, &request, &args);
    if (request.pairs != NULL)
        return similarity_pairs(context, &request);
    return request.matrix ? similarity_matrix(context, &request, &args)
                          : similarity_one(context, &request, &args);
}

static int odd_run(cli_context *context, int argc, char **argv)
{
    similarity_request request = {0};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!similarity_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (args.operand_count < 3 || args.operand_count > ODD_MAX)
        return cli_fail(context, CLI_USAGE, "%d words are outside 3..%d", args.operand_count,
                        ODD_MAX);
    code = similarity_open(context, &request);
    return code == CLI_OK ? odd_find(context, &request, &args) : code;
}

#define SIMILARITY_ROWS                                                                            \
    {"remove", SIMILARITY_REMOVE, "N",                                                             \
     "top components removed first, 1..24; default 2; 0 = plain cosine"},                          \
    {                                                                                              \
        "collection", SIMILARITY_COLLECTION, "NAME",                                               \
            "the words of this collection; default semantic"                                       \
    }

static const cli_option similarity_options[] = {
    {"pairs", SIMILARITY_PAIRS, "FILE", "two words a line with a tab between; - is standard input"},
    {"matrix", SIMILARITY_MATRIX, NULL, "each word with each"},
    {"fused", SIMILARITY_FUSED, NULL, "by vectors and connections together, and by what parts"},
    SIMILARITY_ROWS,
    {NULL, 0, NULL, NULL},
};

static const cli_option odd_options[] = {
    SIMILARITY_ROWS,
    {NULL, 0, NULL, NULL},
};

static const int similarity_exits[] = {CLI_OK,   CLI_NOTHING, CLI_USAGE, CLI_NOT_FOUND,
                                       CLI_BUSY, CLI_IO,      CLI_DATA,  -1};
static const int odd_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY, CLI_IO, CLI_DATA, -1};

const cli_command cli_command_similarity = {
    .name = "similarity",
    .arguments = "[OPTION]... A B | --pairs FILE | --matrix WORD...",
    .summary = "Show how like each other words are",
    .description =
        "The cosine of their vectors, -1..1, as 'neurograph query' scores. A word is a label,\n"
        "folded as in a query if there is none that is the same, or #ID; a phrase is one "
        "argument.\n"
        "With --pairs a pair with a word that is not known or has no vector shows - (JSON: null),\n"
        "and the exit code is 1. With --fused the vectors are moved towards linked words, and the\n"
        "cosine is averaged with what the taxonomy says; words without a vector have the latter.",
    .options = similarity_options,
    .examples = "neurograph similarity coffee tea\n"
                "neurograph similarity --pairs pairs.tsv --json > similarities.ndjson\n"
                "neurograph similarity --fused coffee tea\n"
                "neurograph similarity --matrix cup table banana \"ice cream\"",
    .exit_codes = similarity_exits,
    .run = similarity_run,
};

const cli_command cli_command_odd = {
    .name = "odd",
    .arguments = "[OPTION]... WORD WORD WORD...",
    .summary = "Find the word that does not belong to the others",
    .description =
        "It is the one whose mean similarity to the others is least, and comes first; of several\n"
        "such it is the one that was named first. Words are named as in 'neurograph help\n"
        "similarity'; one without a vector does not count.",
    .options = odd_options,
    .examples = "neurograph odd cup table banana chair\n"
                "neurograph odd --remove 0 Monday Tuesday coffee",
    .exit_codes = odd_exits,
    .run = odd_run,
};
