/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* GET over HTTP as a source that is read when it suits the reader: the only use of libcurl.
 *
 * The transfer runs inside the reads, so that there is no thread; while nobody reads, nothing comes
 * but what the system buffers. A signal (cli_signal.h) ends every wait. */
#ifndef CLI_FETCH_H
#define CLI_FETCH_H

#include "cli.h"

#define CLI_FETCH_TEXT_MAX 512

typedef struct cli_fetch cli_fetch;

/** NULL without memory. Connections are kept from one request to the next. */
cli_fetch *cli_fetch_create(void);
void cli_fetch_destroy(cli_fetch *fetch);

/** Begins a request and waits for its answer; ends the one before.
 *  NG_OK          200: cli_fetch_read gives the body
 *  NG_E_IO        it is away: no connection, a time-out, 5xx but 500
 *  NG_E_GONE      410;  NG_E_INVALID 422;  NG_E_CANCELLED a signal
 *  NG_E_FORMAT    anything else: not a server of ours, or not a URL */
ng_status cli_fetch_get(cli_fetch *fetch, const char *url);
/** An ng_source_fn, its context the cli_fetch. NG_E_IO if the body ends early. */
ng_status cli_fetch_read(void *context, void *data, size_t capacity, size_t *bytes);
/** What went wrong, in one line; empty if nothing did. */
const char *cli_fetch_text(const cli_fetch *fetch);
/** The number in the header X-NeuroGraph-Seq of the answer; 0 = none. */
uint64_t cli_fetch_seq(const cli_fetch *fetch);
/** Whether the text is a URL that this can fetch. */
bool cli_fetch_is_url(const char *text);

#endif
