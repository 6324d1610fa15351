/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Options by getopt_long from one table that the help is printed from as well, and strict numbers.
 *
 *      cli_args_begin(&args, context, argc, argv);
 *      while ((option = cli_args_next(&args)) > 0)
 *          ... args.value ...
 *      if (option < 0)
 *          return args.exit_code;
 *      ... args.operands[0 .. args.operand_count - 1] ...
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "cli.h"

#include <getopt.h>

#define CLI_OPTION_MAX 56

typedef struct cli_args {
    cli_context *context;
    int argc;
    char **argv;
    const cli_option *options; /* of the command, may be NULL */
    struct option table[CLI_OPTION_MAX + 1];
    char letters[3 * CLI_OPTION_MAX + 3];
    const char *name;  /* long name of the option that was read */
    const char *value; /* its argument; NULL if it was left out */
    char **operands;   /* once all options are read */
    int operand_count;
    int exit_code; /* when cli_args_next returned -1 */
} cli_args;

/** Values of options that have no letter begin here. */
#define CLI_OPTION_FIRST 256
/** Option numbers of the general options without a letter. */
#define CLI_OPTION_COLOR 1000
/** A row for the options of a command that writes; cli_args_next deals with it. */
#define CLI_OPTION_DURABILITY 1001
#define CLI_DURABILITY_ROW                                                                         \
    {                                                                                              \
        "durability", CLI_OPTION_DURABILITY, "WHEN",                                               \
            "sync (default), interval or none: how soon a write is on disk"                        \
    }

/** Rows for a command that may store much; likewise. */
#define CLI_OPTION_LIMITS 1002
#define CLI_OPTION_MEMORY 1003
#define CLI_LIMIT_ROWS                                                                             \
    {"limits", CLI_OPTION_LIMITS, "PRESET",                                                        \
     "default, or seed: 10,000,000 tokens, 1,024,000,000 bytes, cleaning up"},                     \
    {                                                                                              \
        "memory", CLI_OPTION_MEMORY, "BYTES",                                                      \
            "limit of memory; default 1 GB, or half of the machine's if more"                      \
    }

/** Options of `context->command`; before it is known, the general ones up to the first operand. */
void cli_args_begin(cli_args *args, cli_context *context, int argc, char **argv);
/** The next option of the command; 0 after the last; -1 when the command is to end with
 *  `exit_code`: an error was printed, or the help. General options are dealt with inside. */
int cli_args_next(cli_args *args);
/** The operand at `index`, if there is one, is the store. Prints and returns CLI_USAGE if --store
 *  was given as well, or if there are operands after it. */
int cli_args_store(const cli_args *args, int index);

/* Each prints `--name: ...` and returns false if the value is not what it should be. */

bool cli_parse_u64(const cli_args *args, uint64_t smallest, uint64_t largest, uint64_t *out);
bool cli_parse_double(const cli_args *args, double *out);
bool cli_parse_float(const cli_args *args, float *out);
/** "2026-01-31T12:00:00.5+01:00" (RFC 3339) or Unix seconds, as Unix microseconds above 0. */
bool cli_parse_time(const cli_args *args, uint64_t *out);
/** "x,y,z". */
bool cli_parse_triple(const cli_args *args, const char *text, float out[NG_AXIS_COUNT]);
/** "0.1,0.2,..." in a new array, which the caller frees. `text` is the value or a part of it. */
bool cli_parse_vector(const cli_args *args, const char *text, float **out, size_t *count);

/** "TYPE,TYPE,..." of connections, added to the set. */
bool cli_parse_types(const cli_args *args, ng_type_set *set);
/** "out", "in" or "both". */
bool cli_parse_direction(const cli_args *args, ng_direction *out);

/** Digits alone that fit; false without a message. */
bool cli_digits(const char *text, uint64_t *out);

#endif
