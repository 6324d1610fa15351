/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of the command `neurograph` share: the context of one invocation, the shape of a
 * sub-command, exit codes, and the look-up of stores, collections and tokens by their names.
 *
 * Invariants
 *   1. The command line uses neurograph.h, libc, POSIX and libcurl, and nothing else of the library;
 *      of the server library it shares JSON input and the pipe.
 *   2. stdout carries the result alone; notes, progress and errors go to stderr.
 *   3. An error is exactly one line on stderr, `neurograph: <what>: <detail>`, and one exit code of
 *      CLI_EXIT_TABLE; the function that prints it returns the code, which goes up unchanged.
 *   4. Arguments are checked before the store is opened, so that a usage error never creates one.
 *   5. Nothing that came from outside reaches a terminal with control characters in it.
 */
#ifndef CLI_H
#define CLI_H

#include "neurograph.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLI_PRINTF(format_index, first_index)                                                      \
    __attribute__((format(printf, format_index, first_index)))

/** Every exit code: name, value, meaning. `neurograph help exit-codes` prints this table. */
#define CLI_EXIT_TABLE(X)                                                                          \
    X(CLI_OK, 0, "done")                                                                           \
    X(CLI_NOTHING, 1,                                                                              \
      "found nothing (query, similarity, path, neighbors, nearest), or check found problems")      \
    X(CLI_USAGE, 2, "usage error or bad argument")                                                 \
    X(CLI_NOT_FOUND, 3,                                                                            \
      "a store, file, token, connection or collection does not exist, or has gone")                \
    X(CLI_BUSY, 4, "the store is in use by another process")                                       \
    X(CLI_IO, 5, "input or output failed, or the disk is full")                                    \
    X(CLI_DATA, 6, "stored data is damaged, or input is not in the expected format")               \
    X(CLI_REFUSED, 7, "a limit, the constitution or a condition forbids it, or it exists already") \
    X(CLI_INTERRUPTED, 130, "interrupted by Ctrl-C")

typedef enum cli_exit {
#define CLI_EXIT_ENUM(name, value, text) name = value,
    CLI_EXIT_TABLE(CLI_EXIT_ENUM)
#undef CLI_EXIT_ENUM
} cli_exit;

#define CLI_LABEL_ROOM 1088    /* a label has at most 1024 bytes; or "#" and an id */
#define CLI_FIELD_NAME_ROOM 65 /* of a vector field */
#define CLI_LIMIT_DEFAULT 10u  /* of a search */
#define CLI_LIMIT_MAX 10000u   /* of a search; the same as ng_query's */

typedef struct cli_option {
    const char *name; /* long name */
    int value;        /* below 256 the letter of its short form as well */
    const char *
        argument; /* what the help calls its argument, "[=K]" if it may be left out; NULL = a switch */
    const char *help;
} cli_option;

typedef struct cli_context cli_context;

typedef struct cli_command {
    const char *name;
    const char *arguments; /* usage line after the name */
    const char *summary;
    const char *description;
    const cli_option *options; /* ends with a NULL name; NULL = the general ones only */
    const char *examples;
    const int *exit_codes; /* ends with -1 */
    int (*run)(cli_context *context, int argc, char **argv);
} cli_command;

/** One invocation. */
struct cli_context {
    const cli_command *command; /* NULL until it is known */
    const char *store_path;     /* NULL = $NEUROGRAPH_STORE or CLI_STORE_DEFAULT */
    bool json;
    bool quiet;
    bool terminal; /* stdout is one */
    bool color;
    bool color_auto;       /* what --color auto means here */
    uint32_t durability;   /* ng_durability that the store is opened with */
    const char *limits;    /* preset that it is opened with; NULL = default */
    uint64_t memory_bytes; /* limit of memory; 0 = that of the preset */
    ng_store *store;       /* closed by main */
};

#define CLI_MEMORY_BYTES_MIN (1u << 20) /* as the library says */
#define CLI_STORE_DEFAULT "./neurograph-data"

extern const cli_command cli_command_load;
extern const cli_command cli_command_weave;
extern const cli_command cli_command_anchor;
extern const cli_command cli_command_query;
extern const cli_command cli_command_feedback;
extern const cli_command cli_command_similarity;
extern const cli_command cli_command_odd;
extern const cli_command cli_command_path;
extern const cli_command cli_command_get;
extern const cli_command cli_command_put;
extern const cli_command cli_command_rm;
extern const cli_command cli_command_link;
extern const cli_command cli_command_unlink;
extern const cli_command cli_command_connection;
extern const cli_command cli_command_connections;
extern const cli_command cli_command_ls;
extern const cli_command cli_command_count;
extern const cli_command cli_command_find;
extern const cli_command cli_command_index;
extern const cli_command cli_command_vectors;
extern const cli_command cli_command_embedding;
extern const cli_command cli_command_nearest;
extern const cli_command cli_command_neighbors;
extern const cli_command cli_command_grid;
extern const cli_command cli_command_clusters;
extern const cli_command cli_command_fields;
extern const cli_command cli_command_apply;
extern const cli_command cli_command_stats;
extern const cli_command cli_command_hash;
extern const cli_command cli_command_check;
extern const cli_command cli_command_checkpoint;
extern const cli_command cli_command_backup;
extern const cli_command cli_command_restore;
extern const cli_command cli_command_follow;
extern const cli_command cli_command_blackbox;
extern const cli_command cli_command_serve;
extern const cli_command cli_command_help;
extern const cli_command cli_command_version;

/* ---- cli_help.c ---- */

extern const cli_option cli_general_options[];
/** Help of one command, or of the whole program with NULL. */
void cli_help_print(const cli_command *const *commands, const cli_command *command);
void cli_help_exit_codes(const cli_context *context);

/* ---- cli_main.c ---- */

/** All commands, ends with NULL. */
extern const cli_command *const cli_commands[];
/** NULL if there is none of that name. */
const cli_command *cli_command_named(const char *name);
/** Prints "unknown command" with the nearest name. */
int cli_command_unknown(const cli_context *context, const char *name);

/* ---- cli_lookup.c: each returns an exit code, CLI_OK when it went well ---- */

/** The path of the store as it will be opened. */
const char *cli_store_path(const cli_context *context);
/** Opens the store with ng_open_flags. */
int cli_store_open(cli_context *context, uint32_t flags);
/** Opens an existing store to read it: several processes may at once, also on media that cannot be
 *  written. */
int cli_store_open_reading(cli_context *context);
/** Closes it; a failure turns CLI_OK into its code. */
int cli_store_close(cli_context *context, int code);
/** "#12" is an id, "label:x" a label; other text a label, or, if there is none, digits an id.
 *  `collection` NG_COLLECTION_ANY searches runtime, semantic, then the others in order. */
int cli_token_resolve(const cli_context *context, const char *text, ng_collection_id collection,
                      ng_token_id *out);
/** A collection by name; NULL gives NG_COLLECTION_ANY. */
int cli_collection_resolve(const cli_context *context, const char *name, ng_collection_id *out);
/** The label, or "#id" for a token without one. Returns `out`. */
const char *cli_token_name(const cli_context *context, ng_token_id id, char out[CLI_LABEL_ROOM]);
/** The label; NULL for a token without one. */
const char *cli_token_label(const cli_context *context, ng_token_id id, char out[CLI_LABEL_ROOM]);
/** The name of a collection, or its number if it has none. Returns `out`. */
const char *cli_collection_name(const cli_context *context, ng_collection_id id, char out[65]);
/** All edges of a token in a new array, which the caller frees. */
int cli_edges_read(const cli_context *context, ng_token_id id, ng_edge **out, size_t *count);

#endif
