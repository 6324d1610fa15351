/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `find`: tokens by what they are and have.
 *
 * Invariants
 *   1. Every condition is checked by the store while it searches; nothing is left out here.
 */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIND_LIMIT_DEFAULT 20u
#define FIND_LIMIT_MAX 100000u
#define FIND_TAGS_MAX 32
#define FIND_WHERE_MAX 8
#define FIND_TAG_ROOM 2081

enum {
    FIND_PREFIX = CLI_OPTION_FIRST,
    FIND_COLLECTION,
    FIND_TAG,
    FIND_ANY_TAG,
    FIND_WITHOUT_TAG,
    FIND_ENTITY,
    FIND_IN,
    FIND_MIN_WEIGHT,
    FIND_MAX_WEIGHT,
    FIND_SINCE,
    FIND_UNTIL,
    FIND_WHERE,
    FIND_AFTER,
    FIND_TOTAL
};

typedef struct find_request {
    const char *collection;
    ng_text tags[3][FIND_TAGS_MAX]; /* all, any, none */
    size_t tag_counts[3];
    const char *where[FIND_WHERE_MAX];
    char names[FIND_WHERE_MAX][65];
    ng_predicate predicates[FIND_WHERE_MAX];
    ng_value values[FIND_WHERE_MAX];
    size_t where_count;
    uint64_t limit;
    bool total;
    ng_filter filter;
    ng_token_search_options search;
} find_request;

static bool find_tag(const cli_args *args, find_request *request, int which)
{
    size_t *count = &request->tag_counts[which];

    if (*count == FIND_TAGS_MAX) {
        cli_fail(args->context, CLI_USAGE, "--%s: more than %d", args->name, FIND_TAGS_MAX);
        return false;
    }
    request->tags[which][(*count)++] = (ng_text){args->value, strlen(args->value)};
    return true;
}

static bool find_entity(const cli_args *args, find_request *request)
{
    for (unsigned entity = 0; entity < 16; entity++) {
        const char *name = ng_entity_name((ng_entity)entity);

        if (name != NULL && strcasecmp(name, args->value) == 0) {
            request->filter.entities = (uint16_t)(request->filter.entities | 1u << entity);
            return true;
        }
    }
    cli_fail(args->context, CLI_USAGE, "--entity: '%s' is not the name of a type, such as %s",
             args->value, ng_entity_name(NG_ENTITY_CONCEPT));
    return false;
}

static bool find_in(const cli_args *args, find_request *request)
{
    ng_space space;
    ng_status status = ng_space_parse(args->value, &space);

    if (status != NG_OK) {
        cli_fail(args->context, cli_exit_of(status), "--in: %s", ng_last_error());
        return false;
    }
    request->filter.spaces_all = (uint8_t)(request->filter.spaces_all | 1u << space);
    return true;
}

static bool find_weight(const cli_args *args, find_request *request, float *bound)
{
    if (!request->filter.by_weight)
        request->filter.weight_max = 1e6f;
    request->filter.by_weight = true;
    return cli_parse_float(args, bound);
}

static bool find_where(const cli_args *args, find_request *request)
{
    if (request->where_count == FIND_WHERE_MAX) {
        cli_fail(args->context, CLI_USAGE, "--where: more than %d", FIND_WHERE_MAX);
        return false;
    }
    request->where[request->where_count++] = args->value;
    return true;
}

static bool find_option(const cli_args *args, int option, find_request *request)
{
    switch (option) {
    case FIND_PREFIX:
        request->search.prefix = args->value;
        request->search.prefix_bytes = strlen(args->value);
        return true;
    case FIND_COLLECTION:
        request->collection = args->value;
        return true;
    case FIND_TAG:
    case FIND_ANY_TAG:
    case FIND_WITHOUT_TAG:
        return find_tag(args, request, option - FIND_TAG);
    case FIND_ENTITY:
        return find_entity(args, request);
    case FIND_IN:
        return find_in(args, request);
    case FIND_MIN_WEIGHT:
        return find_weight(args, request, &request->filter.weight_min);
    case FIND_MAX_WEIGHT:
        return find_weight(args, request, &request->filter.weight_max);
    case FIND_SINCE:
        return cli_parse_time(args, &request->filter.updated_min_us);
    case FIND_UNTIL:
        return cli_parse_time(args, &request->filter.updated_max_us);
    case FIND_WHERE:
        return find_where(args, request);
    case FIND_AFTER:
        return cli_parse_u64(args, 0, UINT64_MAX, &request->search.after);
    case FIND_TOTAL:
        request->total = true;
        return true;
    default:
        return cli_parse_u64(args, 1, FIND_LIMIT_MAX, &request->limit);
    }
}

/* --- conditions on declared fields ------------------------------------------------------------ */

/* A number, or a date, as the type of the field says. */
static bool find_value(const cli_context *context, const ng_index_info *info, const char *text,
                       ng_value *out)
{
    char *end;

    if (info->type == NG_INDEX_KEYWORD) {
        out->keyword = (ng_text){text, strlen(text)};
        return true;
    }
    errno = 0;
    if (info->type == NG_INDEX_FLOAT)
        out->real = strtod(text, &end);
    else
        out->integer = strtoll(text, &end, 10);
    if (info->type == NG_INDEX_TIME)
        out->integer *= 1000000;
    if (errno == 0 && end != text && *end == '\0')
        return true;
    cli_fail(context, CLI_USAGE, "--where: '%s' is not a number, which index '%s' is of", text,
             info->name);
    return false;
}

static const ng_index_info *find_index(const ng_index_info *infos, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(infos[i].name, name) == 0)
            return &infos[i];
    return NULL;
}

/* NAME, NAME=VALUE, NAME>=VALUE or NAME<=VALUE. */
static int find_condition(const cli_context *context, const ng_index_info *infos, size_t count,
                          find_request *request, size_t at)
{
    const char *text = request->where[at];
    ng_predicate *predicate = &request->predicates[at];
    size_t length = strcspn(text, "=<>");
    const char *rest = text + length;
    char sign = *rest;

    snprintf(request->names[at], sizeof request->names[at], "%.*s",
             (int)(length < 64 ? length : 64), text);
    *predicate = (ng_predicate){.index = request->names[at]};
    const ng_index_info *info = find_index(infos, count, request->names[at]);
    if (info == NULL)
        return cli_fail(context, CLI_NOT_FOUND, "--where: no index '%s'", request->names[at]);
    if (sign == '\0')
        return CLI_OK;
    if (sign != '=' && *++rest != '=')
        return cli_fail(context, CLI_USAGE,
                        "--where: '%s' is not NAME, NAME=VALUE, NAME>=VALUE or NAME<=VALUE", text);
    if (!find_value(context, info, rest + 1, &request->values[at]))
        return CLI_USAGE;
    predicate->any_of = &request->values[at];
    predicate->any_of_count = sign == '=';
    predicate->by_low = sign == '>';
    predicate->by_high = sign == '<';
    predicate->low = predicate->high = request->values[at];
    return CLI_OK;
}

static int find_conditions(const cli_context *context, find_request *request)
{
    ng_index_info infos[32];
    size_t count = 0;
    int code = CLI_OK;
    ng_status status = ng_index_list(context->store, infos, 32, &count);

    if (status != NG_OK)
        return cli_fail_status(context, status);
    for (size_t i = 0; i < request->where_count && code == CLI_OK; i++)
        code = find_condition(context, infos, count, request, i);
    request->filter.predicates = request->predicates;
    request->filter.predicate_count = request->where_count;
    return code;
}

/* --- rows ------------------------------------------------------------------------------------- */

static void find_row_json(const cli_context *context, cli_json *json, const ng_token_info *info,
                          const char *tags, size_t tag_bytes)
{
    char label[CLI_LABEL_ROOM], collection[65];

    cli_json_object(json, NULL);
    cli_json_u64(json, "id", info->id);
    cli_json_text(json, "label", cli_token_label(context, info->id, label));
    cli_json_text(json, "collection", cli_collection_name(context, info->collection, collection));
    cli_json_array(json, "tags");
    for (size_t at = 0; at < tag_bytes; at += strlen(tags + at) + 1)
        cli_json_text(json, NULL, tags + at);
    cli_json_close(json);
    cli_json_close(json);
}

static void find_row_text(const cli_context *context, cli_table *table, const ng_token_info *info,
                          char *tags, size_t tag_bytes)
{
    char label[CLI_LABEL_ROOM], collection[65];

    if (cli_token_label(context, info->id, label) == NULL)
        label[0] = '\0';
    for (size_t i = 0; i + 1 < tag_bytes; i++)
        if (tags[i] == '\0')
            tags[i] = ' ';
    cli_table_cell(table, "%" PRIu64, info->id);
    cli_table_cell(table, "%s", label);
    cli_table_cell(table, "%s", cli_collection_name(context, info->collection, collection));
    cli_table_cell(table, "%s", tag_bytes > 0 ? tags : "");
}

static int find_rows(const cli_context *context, const ng_token_id *ids, size_t count,
                     cli_json *json, cli_table *table)
{
    for (size_t i = 0; i < count; i++) {
        char tags[FIND_TAG_ROOM];
        size_t tag_bytes = 0;
        ng_token_info info;
        ng_status status = ng_token_get(context->store, ids[i], &info);

        if (status == NG_OK)
            status = ng_token_tags(context->store, ids[i], tags, sizeof tags, &tag_bytes);
        if (status != NG_OK)
            return cli_fail_status(context, status);
        if (context->json)
            find_row_json(context, json, &info, tags, tag_bytes);
        else
            find_row_text(context, table, &info, tags, tag_bytes);
    }
    return CLI_OK;
}

static int find_print(const cli_context *context, const find_request *request,
                      const ng_token_id *ids, size_t count, uint64_t total)
{
    static const cli_column columns[] = {{"id", true},
                                         {"label", false},
                                         {"collection", false},
                                         {"tags", false}};
    cli_table table;
    cli_json json;
    int code;

    cli_table_init(&table, columns, sizeof columns / sizeof columns[0]);
    if (context->json) {
        cli_json_begin(&json, stdout);
        cli_json_object(&json, NULL);
        cli_json_array(&json, "tokens");
    }
    code = find_rows(context, ids, count, &json, &table);
    if (code != CLI_OK) {
        cli_table_release(&table);
        return code;
    }
    if (context->json) {
        cli_json_close(&json);
        if (request->total)
            cli_json_u64(&json, "total", total);
        else
            cli_json_null(&json, "total");
        if (count == request->limit)
            cli_json_u64(&json, "next", ids[count - 1]);
        else
            cli_json_null(&json, "next");
        cli_json_close(&json);
        cli_json_end(&json);
        return CLI_OK;
    }
    cli_table_print(context, &table);
    if (request->total)
        cli_note(context, "%" PRIu64 " in all", total);
    if (count == request->limit)
        cli_note(context, "there may be more: --after %" PRIu64, ids[count - 1]);
    return CLI_OK;
}

static int find_search(const cli_context *context, find_request *request)
{
    ng_filter *filter = &request->filter;
    ng_token_id *ids;
    size_t count = 0;
    uint64_t total = 0;
    ng_status status;
    int code = find_conditions(context, request);

    if (code == CLI_OK)
        code = cli_collection_resolve(context, request->collection, &filter->collection);
    if (code != CLI_OK)
        return code;
    filter->by_collection = request->collection != NULL;
    filter->tags_all = request->tags[0];
    filter->tags_all_count = request->tag_counts[0];
    filter->tags_any = request->tags[1];
    filter->tags_any_count = request->tag_counts[1];
    filter->tags_none = request->tags[2];
    filter->tags_none_count = request->tag_counts[2];
    request->search.filter = filter;
    ids = cli_allocate((size_t)request->limit, sizeof *ids);
    status = ng_token_search(context->store, &request->search, ids, (size_t)request->limit, &count,
                             request->total ? &total : NULL);
    code = status == NG_OK ? find_print(context, request, ids, count, total)
                           : cli_fail_status(context, status);
    free(ids);
    return code;
}

static int find_run(cli_context *context, int argc, char **argv)
{
    find_request request = {.limit = FIND_LIMIT_DEFAULT,
                            .filter = {.struct_size = sizeof request.filter},
                            .search = {.struct_size = sizeof request.search}};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!find_option(&args, option, &request))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_fail(context, CLI_USAGE, "unexpected argument '%s'", args.operands[0]);
    code = cli_store_open_reading(context);
    return code == CLI_OK ? find_search(context, &request) : code;
}

static const cli_option find_options[] = {
    {"prefix", FIND_PREFIX, "TEXT", "the label begins with TEXT"},
    {"collection", FIND_COLLECTION, "NAME", "tokens of this collection; default all"},
    {"tag", FIND_TAG, "TAG", "it has this tag; once for each that it must have"},
    {"any-tag", FIND_ANY_TAG, "TAG", "it has one of the tags given so"},
    {"without-tag", FIND_WITHOUT_TAG, "TAG", "it does not have this tag"},
    {"entity", FIND_ENTITY, "NAME", "entity type, such as concept; any of those given"},
    {"in", FIND_IN, "SPACE", "it has coordinates in this space"},
    {"min-weight", FIND_MIN_WEIGHT, "X", "its weight is at least X"},
    {"max-weight", FIND_MAX_WEIGHT, "X", "its weight is at most X"},
    {"since", FIND_SINCE, "TIME", "it was changed at this time or later"},
    {"until", FIND_UNTIL, "TIME", "it was last changed at this time or before"},
    {"where", FIND_WHERE, "CONDITION", "NAME, NAME=VALUE, NAME>=VALUE or NAME<=VALUE of a field"},
    {"limit", 'n', "N", "at most N; default 20"},
    {"after", FIND_AFTER, "ID", "begin after this id"},
    {"total", FIND_TOTAL, NULL, "count all that fit"},
    {NULL, 0, NULL, NULL},
};

static const int find_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY, CLI_IO, CLI_DATA, -1};

const cli_command cli_command_find = {
    .name = "find",
    .arguments = "[OPTION]...",
    .summary = "Find tokens by label, tags, fields, type, weight, time and space",
    .description =
        "A token is shown if every condition holds; in the order of ids. Fields are those that\n"
        "'neurograph index' has declared; a VALUE of a time is in Unix seconds. Nothing found is\n"
        "no error.",
    .options = find_options,
    .examples = "neurograph find --prefix blue --tag cup\n"
                "neurograph find --where kind=fruit --where 'size>=10' --total\n"
                "neurograph find --entity concept --min-weight 0.5 --in physical",
    .exit_codes = find_exits,
    .run = find_run,
};
