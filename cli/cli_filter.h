/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The options by which commands narrow what they find.
 *
 *      cli_filter_init(&filter);
 *      ... if (cli_filter_has(option)) cli_filter_option(&args, option, &filter) ...
 *      cli_filter_finish(context, &filter);     once the store is open
 *      ... filter.filter ...
 */
#ifndef CLI_FILTER_H
#define CLI_FILTER_H

#include "cli_args.h"

#define CLI_FILTER_TAGS_MAX 32
#define CLI_FILTER_WHERE_MAX 8

enum {
    CLI_FILTER_TAG = 600, /* beyond the options of any command's own */
    CLI_FILTER_ANY_TAG,
    CLI_FILTER_WITHOUT_TAG,
    CLI_FILTER_ENTITY,
    CLI_FILTER_IN,
    CLI_FILTER_MIN_WEIGHT,
    CLI_FILTER_MAX_WEIGHT,
    CLI_FILTER_SINCE,
    CLI_FILTER_UNTIL,
    CLI_FILTER_WHERE
};

/** Rows for the options of a command. */
#define CLI_FILTER_ROWS                                                                            \
    {"tag", CLI_FILTER_TAG, "TAG", "it has this tag; once for each that it must have"},            \
        {"any-tag", CLI_FILTER_ANY_TAG, "TAG", "it has one of the tags given so"},                 \
        {"without-tag", CLI_FILTER_WITHOUT_TAG, "TAG", "it does not have this tag"},               \
        {"entity", CLI_FILTER_ENTITY, "NAME", "entity type, such as concept; any of those given"}, \
        {"in", CLI_FILTER_IN, "SPACE", "it has coordinates in this space"},                        \
        {"min-weight", CLI_FILTER_MIN_WEIGHT, "X", "its weight is at least X"},                    \
        {"max-weight", CLI_FILTER_MAX_WEIGHT, "X", "its weight is at most X"},                     \
        {"since", CLI_FILTER_SINCE, "TIME", "it was changed at this time or later"},               \
        {"until", CLI_FILTER_UNTIL, "TIME", "it was last changed at this time or before"},         \
    {                                                                                              \
        "where", CLI_FILTER_WHERE, "CONDITION",                                                    \
            "NAME, NAME=VALUE, NAME>=VALUE or NAME<=VALUE of a field"                              \
    }

typedef struct cli_filter {
    ng_filter filter;                     /* whole after cli_filter_finish */
    ng_text tags[3][CLI_FILTER_TAGS_MAX]; /* all, any, none */
    size_t tag_counts[3];
    const char *where[CLI_FILTER_WHERE_MAX];
    char names[CLI_FILTER_WHERE_MAX][65];
    ng_predicate predicates[CLI_FILTER_WHERE_MAX];
    ng_value values[CLI_FILTER_WHERE_MAX];
    size_t where_count;
} cli_filter;

void cli_filter_init(cli_filter *filter);
/** Whether an option is one of these. */
bool cli_filter_has(int option);
/** False: printed what is wrong. */
bool cli_filter_option(const cli_args *args, int option, cli_filter *filter);
/** Resolves conditions on declared fields. Returns an exit code. The filter stays where it is. */
int cli_filter_finish(const cli_context *context, cli_filter *filter);

#endif
