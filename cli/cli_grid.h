/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named grids by what was typed. */
#ifndef CLI_GRID_H
#define CLI_GRID_H

#include "cli.h"

/** A grid by its name or its number; an exit code. */
int cli_grid_resolve(const cli_context *context, const char *text, ng_grid_id *out);

#endif
