/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Progress on stderr: one line that is redrawn on a terminal, a line every two seconds otherwise.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli.h"

typedef struct cli_progress {
    const cli_context *context;
    bool terminal;
    bool drawn;
    double shown_at; /* seconds of the monotonic clock */
    char phase[32];
} cli_progress;

void cli_progress_begin(cli_progress *progress, const cli_context *context);
void cli_progress_show(cli_progress *progress, const ng_progress *state);
/** The same for a line of the caller's, on a terminal only. */
void cli_progress_line(cli_progress *progress, const char *text);
/** Removes the line from the terminal. */
void cli_progress_end(cli_progress *progress);

#endif
