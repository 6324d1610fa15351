/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tables, messages and the ways numbers are shown. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli.h"

#include <stdio.h>

/* ---- messages ---- */

/** Prints `neurograph: <command>: <message>` and returns `code`. */
int cli_fail(const cli_context *context, int code, const char *format, ...) CLI_PRINTF(3, 4);
/** The same with ng_last_error() as the message; returns the exit code of `status`. */
int cli_fail_status(const cli_context *context, ng_status status);
/** `neurograph: <command>: <what>: <ng_last_error()>`. */
int cli_fail_about(const cli_context *context, ng_status status, const char *what);
/** The exit code of a status. */
int cli_exit_of(ng_status status);
/** A line on stderr, `neurograph: note: <message>`; nothing with --quiet. */
void cli_note(const cli_context *context, const char *format, ...) CLI_PRINTF(2, 3);

/* ---- memory: the process ends with CLI_REFUSED and one line when there is none ---- */

void *cli_allocate(size_t count, size_t size);
void *cli_reallocate(void *old, size_t count, size_t size);
/** Copies `bytes` bytes and adds a NUL. */
char *cli_copy(const char *text, size_t bytes);

/* ---- tables: aligned with a heading on a terminal, tab-separated without one in a pipe ---- */

typedef struct cli_column {
    const char *name; /* NULL in every column = no heading */
    bool right;
} cli_column;

typedef struct cli_table {
    const cli_column *columns;
    size_t column_count;
    char **cells;
    size_t cell_count, cell_capacity;
    char **notes; /* lines below the row of that index, or NULL */
    size_t note_capacity;
} cli_table;

void cli_table_init(cli_table *table, const cli_column *columns, size_t column_count);
/** Appends one cell; a row is full after column_count of them. */
void cli_table_cell(cli_table *table, const char *format, ...) CLI_PRINTF(2, 3);
/** Appends a line below the newest full row. */
void cli_table_note(cli_table *table, const char *text);
/** Prints and empties it. */
void cli_table_print(const cli_context *context, cli_table *table);
void cli_table_release(cli_table *table);

/** A heading in bold, on a terminal only. */
void cli_heading(const cli_context *context, const char *text);

/* ---- numbers; each writes into `out` and returns it ---- */

#define CLI_NUMBER_ROOM 48

/** "1,234,567" on a terminal, digits alone in a pipe. */
const char *cli_show_count(const cli_context *context, uint64_t value, char out[CLI_NUMBER_ROOM]);
/** "12.3 MiB". */
const char *cli_show_bytes(uint64_t bytes, char out[CLI_NUMBER_ROOM]);
/** "850 us", "12 ms", "3.4 s", "2:05 min". */
const char *cli_show_seconds(double seconds, char out[CLI_NUMBER_ROOM]);
/** "2025-01-31T12:00:00Z". */
const char *cli_show_time(uint64_t unix_seconds, char out[CLI_NUMBER_ROOM]);
/** The fewest digits that read back as the same float. */
const char *cli_show_float(float value, char out[CLI_NUMBER_ROOM]);

#endif
