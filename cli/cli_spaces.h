/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is in each space, and the shape of its index. */
#ifndef CLI_SPACES_H
#define CLI_SPACES_H

#include "cli.h"
#include "cli_json.h"

/** Reads all of them; an exit code. */
int cli_spaces_read(const cli_context *context, ng_grid_stats out[NG_SPACE_COUNT]);
/** A row for each space: on a terminal with a heading, in a pipe without. */
void cli_spaces_print(const cli_context *context, const ng_grid_stats stats[NG_SPACE_COUNT]);
/** The object "indexes". */
void cli_spaces_json(cli_json *json, const ng_grid_stats stats[NG_SPACE_COUNT]);

#endif
