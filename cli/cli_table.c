/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tables. On a terminal columns are aligned by the width of what is seen and have a heading; in a
 * pipe a row is its cells with tabs between them, for cut, sort and awk.
 *
 * Invariants
 *   1. cells[] holds whole rows when it is printed.
 *   2. A cell never holds a tab or a newline when it is printed (cli_text_print replaces them).
 */
#include "cli_output.h"
#include "cli_text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_GAP 2
#define TABLE_COLUMN_MAX 102 /* a matrix of 100 words, which begins with a column of them */

void cli_table_init(cli_table *table, const cli_column *columns, size_t column_count)
{
    assert(column_count > 0 && column_count <= TABLE_COLUMN_MAX);
    memset(table, 0, sizeof *table);
    table->columns = columns;
    table->column_count = column_count;
}

void cli_table_cell(cli_table *table, const char *format, ...)
{
    va_list values;
    int length;
    char *text;

    va_start(values, format);
    length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    text = cli_allocate(length < 0 ? 1 : (size_t)length + 1, 1);
    va_start(values, format);
    if (length >= 0)
        vsnprintf(text, (size_t)length + 1, format, values);
    va_end(values);
    if (table->cell_count == table->cell_capacity) {
        table->cell_capacity = table->cell_capacity > 0 ? table->cell_capacity * 2 : 64;
        table->cells = cli_reallocate(table->cells, table->cell_capacity, sizeof *table->cells);
    }
    table->cells[table->cell_count++] = text;
}

void cli_table_note(cli_table *table, const char *text)
{
    size_t row = table->cell_count / table->column_count - 1;
    size_t old, more = strlen(text) + 1;

    assert(table->cell_count >= table->column_count);
    if (row >= table->note_capacity) {
        size_t capacity = row * 2 + 8;

        table->notes = cli_reallocate(table->notes, capacity, sizeof *table->notes);
        memset(table->notes + table->note_capacity, 0,
               (capacity - table->note_capacity) * sizeof *table->notes);
        table->note_capacity = capacity;
    }
    old = table->notes[row] != NULL ? strlen(table->notes[row]) : 0;
    table->notes[row] = cli_reallocate(table->notes[row], old + more + 1, 1);
    memcpy(table->notes[row] + old, text, more - 1);
    table->notes[row][old + more - 1] = '\n';
    table->notes[row][old + more] = '\0';
}

static void table_blanks(size_t count)
{
    while (count-- > 0)
        fputc(' ', stdout);
}

static void table_row_aligned(const cli_table *table, const char *const *row, const size_t *widths)
{
    for (size_t column = 0; column < table->column_count; column++) {
        size_t blanks = widths[column] - cli_text_width(row[column]);
        bool last = column + 1 == table->column_count;

        if (table->columns[column].right)
            table_blanks(blanks);
        cli_text_print(stdout, row[column]);
        if (!last)
            table_blanks((table->columns[column].right ? 0 : blanks) + TABLE_GAP);
    }
}

static void table_row_tabs(const cli_table *table, const char *const *row)
{
    for (size_t column = 0; column < table->column_count; column++) {
        if (column > 0)
            fputc('\t', stdout);
        cli_text_print(stdout, row[column]);
    }
}

/* Notes hold several lines, each ended by a newline. */
static void table_notes(const cli_table *table, size_t row)
{
    char *line = row < table->note_capacity ? table->notes[row] : NULL;

    while (line != NULL && *line != '\0') {
        char *end = strchr(line, '\n');

        *end = '\0';
        cli_text_print(stdout, line);
        fputc('\n', stdout);
        line = end + 1;
    }
}

static void table_heading(const cli_context *context, const cli_table *table, const size_t *widths)
{
    const char *names[TABLE_COLUMN_MAX];

    if (table->columns[0].name == NULL)
        return;
    for (size_t column = 0; column < table->column_count; column++)
        names[column] = table->columns[column].name;
    fputs(context->color ? "\033[1m" : "", stdout);
    table_row_aligned(table, names, widths);
    fputs(context->color ? "\033[0m\n" : "\n", stdout);
}

static void table_widths(const cli_table *table, size_t widths[TABLE_COLUMN_MAX])
{
    for (size_t column = 0; column < table->column_count; column++) {
        const char *name = table->columns[column].name;

        widths[column] = name != NULL ? cli_text_width(name) : 0;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t width = cli_text_width(table->cells[i]);

        if (width > widths[i % table->column_count])
            widths[i % table->column_count] = width;
    }
}

void cli_table_print(const cli_context *context, cli_table *table)
{
    size_t widths[TABLE_COLUMN_MAX] = {0};
    size_t rows = table->cell_count / table->column_count;

    assert(table->cell_count % table->column_count == 0);
    if (context->terminal) {
        table_widths(table, widths);
        if (rows > 0)
            table_heading(context, table, widths);
    }
    for (size_t row = 0; row < rows; row++) {
        const char *const *cells = (const char *const *)table->cells + row * table->column_count;

        if (context->terminal)
            table_row_aligned(table, cells, widths);
        else
            table_row_tabs(table, cells);
        fputc('\n', stdout);
        table_notes(table, row);
    }
    cli_table_release(table);
}

void cli_table_release(cli_table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    for (size_t i = 0; i < table->note_capacity; i++)
        free(table->notes[i]);
    free(table->cells);
    free(table->notes);
    cli_table_init(table, table->columns, table->column_count);
}

void cli_heading(const cli_context *context, const char *text)
{
    if (!context->terminal)
        return;
    fputs(context->color ? "\033[1m" : "", stdout);
    cli_text_print(stdout, text);
    fputs(context->color ? "\033[0m\n" : "\n", stdout);
}
