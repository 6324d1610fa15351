/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* SIGINT and SIGTERM of commands that end in order. */
#ifndef CLI_SIGNAL_H
#define CLI_SIGNAL_H

#include "cli.h"

/** From now on the first of them is noted; the second one kills as if this had not been called. */
void cli_signal_catch(void);
bool cli_signal_came(void);
/** Readable once a signal has come: for poll. -1 before cli_signal_catch. */
int cli_signal_fd(void);
/** Waits `ms` milliseconds or until a signal has come; returns cli_signal_came(). */
bool cli_signal_wait(uint32_t ms);
/** An ng_progress_fn: shows progress, its context a cli_progress, and stops when a signal came. */
bool cli_progress_or_stop(void *progress, const ng_progress *state);

#endif
