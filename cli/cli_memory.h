/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a store takes up memory for, shown by part. */
#ifndef CLI_MEMORY_H
#define CLI_MEMORY_H

#include "cli.h"
#include "cli_json.h"

/** A row for each part and one for all: on a terminal with a heading, in a pipe without. */
void cli_memory_print(const cli_context *context, const ng_memory *memory);
/** The object "memory". */
void cli_memory_json(cli_json *json, const ng_memory *memory);

#endif
