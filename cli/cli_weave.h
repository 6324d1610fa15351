/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Weaving as `weave` does it, and `load --weave` behind its load. */
#ifndef CLI_WEAVE_H
#define CLI_WEAVE_H

#include "cli.h"
#include "cli_json.h"
#include "cli_output.h"

#define CLI_NEIGHBORS_MAX 100u

/** Weaves, or with `undo` unweaves, with a line of progress. Signals are caught by the caller. After one
 *  CLI_INTERRUPTED, with a message. */
int cli_weave(const cli_context *context, ng_weave_options *options, bool undo,
              ng_weave_report *out);
/** The members of a report. */
void cli_weave_json(cli_json *json, const ng_weave_report *report);
/** A row of a table of two columns for each of them. */
void cli_weave_rows(const cli_context *context, cli_table *table, const ng_weave_report *report);

#endif
