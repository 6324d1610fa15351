/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The options of `query` that ask for more than meaning, and their answer.
 *
 *      cli_recall_init(&recall);
 *      ... if (cli_recall_has(option)) cli_recall_option(&args, option, &recall) ...
 *      ... recall.options.limit and what else `query` knows as well ...
 *      cli_recall_finish(context, &recall, has_text);      once the store is open
 *      cli_recall_answer(context, &recall, text, "", false);
 */
#ifndef CLI_RECALL_H
#define CLI_RECALL_H

#include "cli_args.h"

#define CLI_RECALL_TOKENS_MAX 64

enum {
    CLI_RECALL_LIKE = 700, /* beyond the options of any command's own, and of filters */
    CLI_RECALL_NEAR,
    CLI_RECALL_RADIUS,
    CLI_RECALL_THROUGH,
    CLI_RECALL_FROM,
    CLI_RECALL_HOPS,
    CLI_RECALL_DECAY,
    CLI_RECALL_DIRECTION,
    CLI_RECALL_WEIGHTS,
    CLI_RECALL_REQUIRE,
    CLI_RECALL_EVERY,
    CLI_RECALL_EXPLAIN,
    CLI_RECALL_END
};

/** Rows for the options of a command. */
#define CLI_RECALL_ROWS                                                                            \
    {"like", CLI_RECALL_LIKE, "TOKEN", "in place of a text: like this token; once for each"},      \
        {"near", CLI_RECALL_NEAR, "PLACE",                                                         \
         "SPACE=X,Y,Z or SPACE@TOKEN; behind it ~SCALE, where half is left"},                      \
        {"radius", CLI_RECALL_RADIUS, "R", "nothing of --near beyond R; of the one just named"},   \
        {"through", CLI_RECALL_THROUGH, "TYPE,...", "reached by these connections; any = by all"}, \
        {"from", CLI_RECALL_FROM, "TOKEN",                                                         \
         "where paths begin; once for each; default the words, or --like"},                        \
        {"hops", CLI_RECALL_HOPS, "N", "at most N connections, 1..6; default 2"},                  \
        {"decay", CLI_RECALL_DECAY, "X", "for each connection after the first; default 0.8"},      \
        {"direction", CLI_RECALL_DIRECTION, "WAY",                                                 \
         "follow connections out (default), in or both"},                                          \
        {"weights", CLI_RECALL_WEIGHTS, "PART=W,...",                                              \
         "of meaning, space and relation; default 1 each"},                                        \
        {"require", CLI_RECALL_REQUIRE, "PART,...", "only what has these parts"},                  \
        {"every-collection", CLI_RECALL_EVERY, NULL, "not only tokens of the words' collection"},  \
    {                                                                                              \
        "explain", CLI_RECALL_EXPLAIN, NULL, "say on stderr how the answer was found"              \
    }

typedef struct cli_recall {
    bool is_asked; /* any of the options was given */
    ng_recall_options options;
    ng_recall_through through;
    bool goes_through; /* --through, or something of it */
    ng_recall_near near[NG_SPACE_COUNT];
    char near_tokens[NG_SPACE_COUNT][CLI_LABEL_ROOM]; /* names; empty = a point */
    const char *like[CLI_RECALL_TOKENS_MAX], *from[CLI_RECALL_TOKENS_MAX];
    ng_token_id like_ids[CLI_RECALL_TOKENS_MAX], from_ids[CLI_RECALL_TOKENS_MAX];
    size_t like_count, from_count;
    unsigned weighted; /* a bit for each part that --weights names */
} cli_recall;

void cli_recall_init(cli_recall *recall);
/** Whether an option is one of these. */
bool cli_recall_has(int option);
/** False: printed what is wrong. */
bool cli_recall_option(const cli_args *args, int option, cli_recall *recall);
/** Whether it asks something without a text. */
bool cli_recall_has_question(const cli_recall *recall);
/** Looks up the tokens that are named, and fills in the weights. Returns an exit code. */
int cli_recall_finish(const cli_context *context, cli_recall *recall, bool has_text);
/** Answers `text` (NULL = there is none) and prints; returns the exit code. `where` is "" or
 *  "line 3: "; `many`: other answers follow. */
int cli_recall_answer(const cli_context *context, const cli_recall *recall, const char *text,
                      const char *where, bool many);

#endif
