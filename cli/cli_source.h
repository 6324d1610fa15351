/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where a copy of a store comes from: a server by its URL, or the directory of a store, which
 * another process may have open. Either gives streams, of the whole state or of the ops after one.
 *
 *      source = cli_source_create(context, name);
 *      status = cli_source_begin(source, &request);
 *      status = ng_stream_apply(store, cli_source_read, source, &report);
 *      status = cli_source_end(source, status);
 */
#ifndef CLI_SOURCE_H
#define CLI_SOURCE_H

#include "cli.h"

typedef struct cli_source cli_source;

typedef struct cli_source_request {
    bool incremental; /* the ops after `after`, otherwise the whole state */
    ng_seq after;
    uint64_t max_bytes; /* with `incremental`; 0 = no limit */
    uint32_t wait_ms;   /* with `incremental` and a URL: longest that the server waits for an op */
    bool backup;        /* with `incremental` and a URL: by the address of backups */
} cli_source_request;

/** Prints and returns NULL if the name is a URL without a host. */
cli_source *cli_source_create(const cli_context *context, const char *name);
void cli_source_destroy(cli_source *source);
bool cli_source_is_remote(const cli_source *source);
/** Begins a stream. Errors as cli_fetch_get's, with cli_source_text. */
ng_status cli_source_begin(cli_source *source, const cli_source_request *request);
/** An ng_source_fn, its context the cli_source. */
ng_status cli_source_read(void *context, void *data, size_t capacity, size_t *bytes);
/** Ends the stream. `status` is what the reader of the stream returned, with ng_last_error as its
 *  text; what the source said itself comes before it. */
ng_status cli_source_end(cli_source *source, ng_status status);
/** Whether it was the source that failed, and not the reader. */
bool cli_source_failed(const cli_source *source);
const char *cli_source_text(const cli_source *source);
/** Newest durable seq at the source, as it said with the last stream; 0 = not known. */
ng_seq cli_source_seq(const cli_source *source);

#endif
