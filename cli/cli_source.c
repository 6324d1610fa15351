/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sources of streams. A directory pushes (ng_stream_write_path) where a reader pulls, so a thread
 * and a bounded pipe stand between them; a URL is pulled as it is. */
#include "cli_source.h"
#include "cli_fetch.h"
#include "cli_output.h"
#include "cli_signal.h"

#include <inttypes.h>
#include <server_pipe.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_PIPE_BYTES ((size_t)1 << 20)
#define SOURCE_URL_MAX 2048

struct cli_source {
    char *name;       /* a URL without the '/' at its end */
    cli_fetch *fetch; /* NULL = a directory */
    ngs_pipe *pipe;   /* between begin and end, of a directory */
    ng_stream_options options;
    ng_status status; /* of the source itself */
    char text[NGS_PIPE_TEXT_MAX + CLI_FETCH_TEXT_MAX];
};

cli_source *cli_source_create(const cli_context *context, const char *name)
{
    cli_source *source = cli_allocate(1, sizeof *source);
    size_t bytes = strlen(name);

    if (cli_fetch_is_url(name) && strchr("/?#:", strchr(name, ':')[3]) != NULL) {
        free(source);
        cli_fail(context, CLI_USAGE, "'%s' names no host", name);
        return NULL;
    }
    if (cli_fetch_is_url(name)) {
        while (bytes > 0 && name[bytes - 1] == '/')
            bytes--;
        source->fetch = cli_fetch_create();
        if (source->fetch == NULL) {
            cli_fail(context, CLI_REFUSED, "no memory for HTTP");
            exit(CLI_REFUSED); /* as for all memory of the command line */
        }
    }
    source->name = cli_copy(name, bytes);
    return source;
}

void cli_source_destroy(cli_source *source)
{
    if (source == NULL)
        return;
    ngs_pipe_destroy(source->pipe);
    cli_fetch_destroy(source->fetch);
    free(source->name);
    free(source);
}

bool cli_source_is_remote(const cli_source *source)
{
    return source->fetch != NULL;
}

bool cli_source_failed(const cli_source *source)
{
    return source->status != NG_OK;
}

const char *cli_source_text(const cli_source *source)
{
    return source->text;
}

ng_seq cli_source_seq(const cli_source *source)
{
    return source->fetch != NULL ? cli_fetch_seq(source->fetch) : 0;
}

static ng_status source_fail(cli_source *source, ng_status status, const char *text)
{
    source->status = status;
    snprintf(source->text, sizeof source->text, "%s", text);
    return status;
}

static ng_status source_produce(void *context, ng_sink_fn sink, void *sink_context)
{
    const cli_source *source = context;

    return ng_stream_write_path(source->name, &source->options, sink, sink_context, NULL);
}

static ng_status source_begin_path(cli_source *source, const cli_source_request *request)
{
    ngs_pipe_options pipe = {.capacity = SOURCE_PIPE_BYTES,
                             .produce = source_produce,
                             .context = source};

    source->options = (ng_stream_options){.struct_size = sizeof source->options,
                                          .incremental = request->incremental,
                                          .after = request->after,
                                          .max_bytes = request->max_bytes};
    source->pipe = ngs_pipe_start(&pipe);
    return source->pipe != NULL ? NG_OK : source_fail(source, NG_E_NOMEM, "no memory for a stream");
}

static ng_status source_begin_url(cli_source *source, const cli_source_request *request)
{
    char url[SOURCE_URL_MAX];
    int bytes;
    ng_status status;

    if (!request->incremental)
        bytes = snprintf(url, sizeof url, "%s/api/v1/admin/backup", source->name);
    else if (request->backup)
        bytes = snprintf(url, sizeof url, "%s/api/v1/admin/backup?after=%" PRIu64, source->name,
                         request->after);
    else
        bytes = snprintf(url, sizeof url,
                         "%s/api/v1/feed?after=%" PRIu64 "&wait_ms=%" PRIu32 "&max_bytes=%" PRIu64,
                         source->name, request->after, request->wait_ms, request->max_bytes);
    if (bytes < 0 || (size_t)bytes >= sizeof url)
        return source_fail(source, NG_E_FORMAT, "the URL is too long");
    status = cli_fetch_get(source->fetch, url);
    return status == NG_OK ? NG_OK : source_fail(source, status, cli_fetch_text(source->fetch));
}

ng_status cli_source_begin(cli_source *source, const cli_source_request *request)
{
    source->status = NG_OK;
    source->text[0] = '\0';
    return source->fetch != NULL ? source_begin_url(source, request)
                                 : source_begin_path(source, request);
}

ng_status cli_source_read(void *context, void *data, size_t capacity, size_t *bytes)
{
    cli_source *source = context;
    char text[NGS_PIPE_TEXT_MAX];
    ng_status status;

    if (source->fetch != NULL) {
        status = cli_fetch_read(source->fetch, data, capacity, bytes);
        return status == NG_OK ? NG_OK : source_fail(source, status, cli_fetch_text(source->fetch));
    }
    *bytes = 0;
    if (cli_signal_came())
        return source_fail(source, NG_E_CANCELLED, "interrupted");
    *bytes = ngs_pipe_take(source->pipe, data, capacity, true);
    if (*bytes > 0)
        return NG_OK;
    status = ngs_pipe_result(source->pipe, text);
    return status == NG_OK ? NG_OK : source_fail(source, status, text);
}

ng_status cli_source_end(cli_source *source, ng_status status)
{
    ngs_pipe_destroy(source->pipe);
    source->pipe = NULL;
    if (source->status != NG_OK)
        return source->status;
    if (status != NG_OK)
        snprintf(source->text, sizeof source->text, "%s",
                 ng_last_error()[0] != '\0' ? ng_last_error() : ng_status_text(status));
    return status;
}
