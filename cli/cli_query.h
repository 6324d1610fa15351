/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the answers of `query` share, ranked by meaning alone or not. */
#ifndef CLI_QUERY_H
#define CLI_QUERY_H

#include "cli.h"
#include "cli_json.h"

/** Notes on stderr: words that could not take part, and what stands in for them. */
void cli_query_note_gaps(const cli_context *context, const ng_query_result *result,
                         const char *where);
void cli_query_note_spelling(const cli_context *context, const ng_query_result *result,
                             const char *where);
/** The members "terms", "unknown" and "without_vector"; "corrections" and "suggestions". */
void cli_query_json_terms(const cli_context *context, cli_json *json,
                          const ng_query_result *result);
void cli_query_json_spellings(cli_json *json, const ng_query_result *result, bool suggestions);
/** The line of a query that failed. */
void cli_query_json_error(const char *text, ng_status status);

#endif
