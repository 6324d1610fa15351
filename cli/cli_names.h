/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Names that a file of writes gives to what it creates ("as": "a"), for use as "$a". */
#ifndef CLI_NAMES_H
#define CLI_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cli_name {
    char *text; /* NULL = free */
    size_t bytes;
    uint64_t id;
    bool connection;
} cli_name;

/** Zeroed = empty. */
typedef struct cli_names {
    cli_name *slots;
    size_t count, capacity; /* a power of two, at least twice the count */
} cli_names;

/** NULL if there is none. */
const cli_name *cli_names_find(const cli_names *names, const char *text, size_t bytes);
/** Adds a name that is not there yet. */
void cli_names_add(cli_names *names, const char *text, size_t bytes, uint64_t id, bool connection);
void cli_names_release(cli_names *names);

#endif
