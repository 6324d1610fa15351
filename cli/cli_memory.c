/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a store takes up memory for, shown by part. */
#include "cli_memory.h"
#include "cli_output.h"

static const cli_column memory_columns[] = {
    {"part", false}, {"bytes", true}, {"in use", true}, {"items", true}, {"bytes each", true}};

static void memory_row(const cli_context *context, cli_table *table, const char *name,
                       const ng_memory_use *use)
{
    char number[CLI_NUMBER_ROOM];

    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%s", cli_show_count(context, use->bytes, number));
    cli_table_cell(table, "%s", cli_show_count(context, use->used_bytes, number));
    cli_table_cell(table, "%s", cli_show_count(context, use->items, number));
    if (use->items > 0)
        cli_table_cell(table, "%.1f", use->bytes_per_item);
    else
        cli_table_cell(table, "-");
}

void cli_memory_print(const cli_context *context, const ng_memory *memory)
{
    const ng_memory_use all = {.bytes = memory->bytes, .used_bytes = memory->used_bytes};
    cli_table table;

    cli_table_init(&table, memory_columns, sizeof memory_columns / sizeof memory_columns[0]);
    for (int part = 0; part < NG_MEMORY_PART_COUNT; part++)
        memory_row(context, &table, ng_memory_part_name((ng_memory_part)part),
                   &memory->parts[part]);
    memory_row(context, &table, "all", &all);
    cli_table_print(context, &table);
    cli_table_release(&table);
}

void cli_memory_json(cli_json *json, const ng_memory *memory)
{
    cli_json_object(json, "memory");
    cli_json_u64(json, "bytes", memory->bytes);
    cli_json_u64(json, "used_bytes", memory->used_bytes);
    cli_json_object(json, "parts");
    for (int part = 0; part < NG_MEMORY_PART_COUNT; part++) {
        const ng_memory_use *use = &memory->parts[part];

        cli_json_object(json, ng_memory_part_name((ng_memory_part)part));
        cli_json_text(json, "text", ng_memory_part_text((ng_memory_part)part));
        cli_json_u64(json, "bytes", use->bytes);
        cli_json_u64(json, "used_bytes", use->used_bytes);
        cli_json_u64(json, "items", use->items);
        cli_json_double(json, "bytes_per_item", use->bytes_per_item);
        cli_json_close(json);
    }
    cli_json_close(json);
    cli_json_close(json);
}
