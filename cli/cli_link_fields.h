/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The fields of a connection as options: what `link` creates with and `connection` changes. */
#ifndef CLI_LINK_FIELDS_H
#define CLI_LINK_FIELDS_H

#include "cli_args.h"

enum {
    CLI_LINK_PULL = CLI_OPTION_FIRST,
    CLI_LINK_DISTANCE,
    CLI_LINK_RIGIDITY,
    CLI_LINK_CONFIDENCE,
    CLI_LINK_MUTABILITY,
    CLI_LINK_LEARNING_RATE,
    CLI_LINK_DECAY_RATE,
    CLI_LINK_ORIGIN,
    CLI_LINK_LEVEL,
    CLI_LINK_TARGET,
    CLI_LINK_TARGET_OF,
    CLI_LINK_SET,
    CLI_LINK_CLEAR,
    CLI_LINK_OPTION_END /* the options of a command begin here */
};

#define CLI_LINK_ROWS                                                                              \
    {"type", 't', "TYPE", "type of the connection, such as Hypernym"},                             \
        {"pull", CLI_LINK_PULL, "X", "pull strength, -10..10; negative repels"},                   \
        {"distance", CLI_LINK_DISTANCE, "X", "preferred distance, 0.01..100"},                     \
        {"rigidity", CLI_LINK_RIGIDITY, "X", "stiffness, 0..1"},                                   \
        {"confidence", CLI_LINK_CONFIDENCE, "X", "confidence, 0..1"},                              \
        {"mutability", CLI_LINK_MUTABILITY, "M", "immutable, learnable or hypothesis"},            \
        {"learning-rate", CLI_LINK_LEARNING_RATE, "X", "how fast it learns, 0..1"},                \
        {"decay-rate", CLI_LINK_DECAY_RATE, "X", "what it loses an hour if it fades, 0..1"},       \
        {"origin", CLI_LINK_ORIGIN, "N", "where it comes from; 0 = made by hand"},                 \
        {"level", CLI_LINK_LEVEL, "SPACE", "it acts in this space; once for each space"},          \
        {"target", CLI_LINK_TARGET, "SPACE=X", "target vector, once for each space"},              \
        {"target-of", CLI_LINK_TARGET_OF, "TOKEN", "target vector: where this token is"},          \
        {"set", CLI_LINK_SET, "FLAG,...", "flags that it is to have"},                             \
    {                                                                                              \
        "clear", CLI_LINK_CLEAR, "FLAG,...", "flags that it is not to have"                        \
    }

typedef struct cli_link_fields {
    ng_connection_fields fields;
    const char *target_of; /* a token; NULL = not given */
    bool given;            /* any of the options was */
} cli_link_fields;

/** Begins with nothing set. */
void cli_link_fields_init(cli_link_fields *self);
/** Takes one of the options above. False: it printed an error. */
bool cli_link_fields_option(cli_link_fields *self, const cli_args *args, int option);
/** Looks up what target_of names. */
int cli_link_fields_resolve(cli_link_fields *self, const cli_context *context,
                            ng_collection_id collection);

/** "active", ... by bit; NULL-terminated. */
extern const char *const cli_link_flags[9];
/** The bits of "FLAG,FLAG"; with `absent` not NULL those that have "!" before them go there. False: it
 *  printed an error. */
bool cli_link_flags_parse(const cli_args *args, uint8_t *bits, uint8_t *absent);
/** One name of a list with commas between, and the rest of it; false at the end. */
bool cli_next_name(const char **list, char out[64]);

#endif
