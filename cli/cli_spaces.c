/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is in each space, and the shape of its index. */
#include "cli_spaces.h"
#include "cli_output.h"

int cli_spaces_read(const cli_context *context, ng_grid_stats out[NG_SPACE_COUNT])
{
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        ng_status status = ng_grid_stats_get(context->store, (ng_space)space, &out[space]);

        if (status != NG_OK)
            return cli_fail_status(context, status);
    }
    return CLI_OK;
}

/* "x,y,z", or "-" in a space without tokens. */
static void spaces_corner(cli_table *table, const ng_grid_stats *stats,
                          const float at[NG_AXIS_COUNT])
{
    char text[NG_AXIS_COUNT][CLI_NUMBER_ROOM];

    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        cli_show_float(at[axis], text[axis]);
    if (stats->token_count > 0)
        cli_table_cell(table, "%s,%s,%s", text[0], text[1], text[2]);
    else
        cli_table_cell(table, "-");
}

void cli_spaces_print(const cli_context *context, const ng_grid_stats stats[NG_SPACE_COUNT])
{
    static const cli_column columns[] = {{"space", false}, {"tokens", true}, {"low", true},
                                         {"high", true},   {"leaves", true}, {"fill", true},
                                         {"depth", true},  {"bytes", true}};
    cli_table table;

    cli_table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        const ng_grid_stats *row = &stats[space];
        char number[CLI_NUMBER_ROOM];

        cli_table_cell(&table, "%s", ng_space_name((ng_space)space));
        cli_table_cell(&table, "%s", cli_show_count(context, row->token_count, number));
        spaces_corner(&table, row, row->low);
        spaces_corner(&table, row, row->high);
        cli_table_cell(&table, "%s", cli_show_count(context, row->leaf_count, number));
        cli_table_cell(&table, "%.2f", row->fill);
        cli_table_cell(&table, "%u", row->depth);
        cli_table_cell(&table, "%s", cli_show_count(context, row->bytes, number));
    }
    cli_table_print(context, &table);
    cli_table_release(&table);
}

static void spaces_json_corner(cli_json *json, const char *key, const ng_grid_stats *stats,
                               const float at[NG_AXIS_COUNT])
{
    if (stats->token_count == 0) {
        cli_json_null(json, key);
        return;
    }
    cli_json_array(json, key);
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        cli_json_float(json, NULL, at[axis]);
    cli_json_close(json);
}

void cli_spaces_json(cli_json *json, const ng_grid_stats stats[NG_SPACE_COUNT])
{
    cli_json_object(json, "indexes");
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        const ng_grid_stats *row = &stats[space];

        cli_json_object(json, ng_space_name((ng_space)space));
        cli_json_u64(json, "token_count", row->token_count);
        spaces_json_corner(json, "low", row, row->low);
        spaces_json_corner(json, "high", row, row->high);
        cli_json_u64(json, "leaf_count", row->leaf_count);
        cli_json_u64(json, "node_count", row->node_count);
        cli_json_u64(json, "depth", row->depth);
        cli_json_double(json, "fill", row->fill);
        cli_json_u64(json, "bytes", row->bytes);
        cli_json_close(json);
    }
    cli_json_close(json);
}
