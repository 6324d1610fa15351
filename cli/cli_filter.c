/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Conditions on tokens: one option after the other into an ng_filter. */
#include "cli_filter.h"

#include "cli_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void cli_filter_init(cli_filter *filter)
{
    memset(filter, 0, sizeof *filter);
    filter->filter.struct_size = sizeof filter->filter;
}

bool cli_filter_has(int option)
{
    return option >= CLI_FILTER_TAG && option <= CLI_FILTER_WHERE;
}

static bool filter_tag(const cli_args *args, cli_filter *filter, int which)
{
    size_t *count = &filter->tag_counts[which];

    if (*count == CLI_FILTER_TAGS_MAX) {
        cli_fail(args->context, CLI_USAGE, "--%s: more than %d", args->name, CLI_FILTER_TAGS_MAX);
        return false;
    }
    filter->tags[which][(*count)++] = (ng_text){args->value, strlen(args->value)};
    return true;
}

static bool filter_entity(const cli_args *args, cli_filter *filter)
{
    for (unsigned entity = 0; entity < 16; entity++) {
        const char *name = ng_entity_name((ng_entity)entity);

        if (name != NULL && strcasecmp(name, args->value) == 0) {
            filter->filter.entities = (uint16_t)(filter->filter.entities | 1u << entity);
            return true;
        }
    }
    cli_fail(args->context, CLI_USAGE, "--entity: '%s' is not the name of a type, such as %s",
             args->value, ng_entity_name(NG_ENTITY_CONCEPT));
    return false;
}

static bool filter_in(const cli_args *args, cli_filter *filter)
{
    ng_space space;
    ng_status status = ng_space_parse(args->value, &space);

    if (status != NG_OK) {
        cli_fail(args->context, cli_exit_of(status), "--in: %s", ng_last_error());
        return false;
    }
    filter->filter.spaces_all = (uint8_t)(filter->filter.spaces_all | 1u << space);
    return true;
}

static bool filter_weight(const cli_args *args, cli_filter *filter, float *bound)
{
    if (!filter->filter.by_weight)
        filter->filter.weight_max = 1e6f;
    filter->filter.by_weight = true;
    return cli_parse_float(args, bound);
}

static bool filter_where(const cli_args *args, cli_filter *filter)
{
    if (filter->where_count == CLI_FILTER_WHERE_MAX) {
        cli_fail(args->context, CLI_USAGE, "--where: more than %d", CLI_FILTER_WHERE_MAX);
        return false;
    }
    filter->where[filter->where_count++] = args->value;
    return true;
}

bool cli_filter_option(const cli_args *args, int option, cli_filter *filter)
{
    switch (option) {
    case CLI_FILTER_ENTITY:
        return filter_entity(args, filter);
    case CLI_FILTER_IN:
        return filter_in(args, filter);
    case CLI_FILTER_MIN_WEIGHT:
        return filter_weight(args, filter, &filter->filter.weight_min);
    case CLI_FILTER_MAX_WEIGHT:
        return filter_weight(args, filter, &filter->filter.weight_max);
    case CLI_FILTER_SINCE:
        return cli_parse_time(args, &filter->filter.updated_min_us);
    case CLI_FILTER_UNTIL:
        return cli_parse_time(args, &filter->filter.updated_max_us);
    case CLI_FILTER_WHERE:
        return filter_where(args, filter);
    default:
        return filter_tag(args, filter, option - CLI_FILTER_TAG);
    }
}

/* --- conditions on declared fields ------------------------------------------------------------ */

/* A number, or a date, as the type of the field says. */
static bool filter_value(const cli_context *context, const ng_index_info *info, const char *text,
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

static const ng_index_info *filter_index(const ng_index_info *infos, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(infos[i].name, name) == 0)
            return &infos[i];
    return NULL;
}

/* NAME, NAME=VALUE, NAME>=VALUE or NAME<=VALUE. */
static int filter_condition(const cli_context *context, const ng_index_info *infos, size_t count,
                            cli_filter *filter, size_t at)
{
    const char *text = filter->where[at];
    ng_predicate *predicate = &filter->predicates[at];
    size_t length = strcspn(text, "=<>");
    const char *rest = text + length;
    char sign = *rest;

    snprintf(filter->names[at], sizeof filter->names[at], "%.*s", (int)(length < 64 ? length : 64),
             text);
    *predicate = (ng_predicate){.index = filter->names[at]};
    const ng_index_info *info = filter_index(infos, count, filter->names[at]);
    if (info == NULL)
        return cli_fail(context, CLI_NOT_FOUND, "--where: no index '%s'", filter->names[at]);
    if (sign == '\0')
        return CLI_OK;
    if (sign != '=' && *++rest != '=')
        return cli_fail(context, CLI_USAGE,
                        "--where: '%s' is not NAME, NAME=VALUE, NAME>=VALUE or NAME<=VALUE", text);
    if (!filter_value(context, info, rest + 1, &filter->values[at]))
        return CLI_USAGE;
    predicate->any_of = &filter->values[at];
    predicate->any_of_count = sign == '=';
    predicate->by_low = sign == '>';
    predicate->by_high = sign == '<';
    predicate->low = predicate->high = filter->values[at];
    return CLI_OK;
}

int cli_filter_finish(const cli_context *context, cli_filter *filter)
{
    ng_index_info infos[32];
    size_t count = 0;
    int code = CLI_OK;
    ng_status status = ng_index_list(context->store, infos, 32, &count);

    if (status != NG_OK)
        return cli_fail_status(context, status);
    for (size_t i = 0; i < filter->where_count && code == CLI_OK; i++)
        code = filter_condition(context, infos, count, filter, i);
    filter->filter.predicates = filter->predicates;
    filter->filter.predicate_count = filter->where_count;
    filter->filter.tags_all = filter->tags[0];
    filter->filter.tags_all_count = filter->tag_counts[0];
    filter->filter.tags_any = filter->tags[1];
    filter->filter.tags_any_count = filter->tag_counts[1];
    filter->filter.tags_none = filter->tags[2];
    filter->filter.tags_none_count = filter->tag_counts[2];
    return code;
}
