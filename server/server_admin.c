/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What an operator asks of the store: a checkpoint, a backup.
 *
 * A backup is written by a thread of its own into a bounded pipe, from which the event loop sends.
 * Its reply begins when the first bytes are there, so that a backup that cannot begin (GONE) is an
 * ordinary error; one that fails later ends with the connection, and the client sees that its last
 * chunk is missing.
 *
 *   free -> begun: ngs_backup_get -> given up: ngs_backup_release -> free: producer has returned
 *
 * Invariants
 * 1. A slot is used again only after its producer has returned, so there are never more than
 *    NGS_BACKUPS_MAX of them.
 * 2. A pipe is destroyed by whoever takes its slot next, or by ngs_backups_destroy. */
#include <stdlib.h>

#include "server_pipe.h"
#include "server_private.h"

#define ADMIN_PIPE_BYTES (1u << 20) /* as much as the block of a stream */

struct ngs_backup {
    ngs_backups *all;
    ng_stream_options options;
    ngs_pipe *pipe; /* NULL = free */
    bool released;
};

struct ngs_backups {
    ngs_server *server;
    pthread_mutex_t lock; /* guards all below */
    ngs_backup slots[NGS_BACKUPS_MAX];
    bool stopped;
};

static void admin_out_member(ngs_out *out, const char *name, uint64_t value)
{
    ngs_out_text(out, name);
    ngs_out_u64(out, value);
}

void ngs_checkpoint(ngs_request *request)
{
    ngs_json_parser *parser;
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key;
    size_t key_count;
    ng_checkpoint_report report = {0};
    if (!ngs_body_open(request, &parser, &walk))
        return;
    while (ngs_json_next(&walk, &key, &key_count, &value))
        ngs_unknown_field(request, key, key_count, false);
    ngs_parser_give(request->server, parser);
    if (ngs_problems_reply(request))
        return;
    request->settles = true;
    ng_status status = ng_checkpoint(request->server->store, NULL, NULL, &report);
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    admin_out_member(out, "{\"seq\":", report.seq);
    admin_out_member(out, ",\"bytes\":", report.bytes);
    admin_out_member(out, ",\"segments_removed\":", report.segments_removed);
    admin_out_member(out, ",\"bytes_freed\":", report.bytes_freed);
    ngs_out_text(out, ",\"lock_ms_max\":");
    ngs_out_fixed3(out, (double)report.lock_ns_max / 1e6);
    ngs_out_text(out, ",\"seconds\":");
    ngs_out_fixed3(out, report.seconds);
    ngs_out_char(out, '}');
}

/* -------------------------------------------------------------------------------------- backup */

static ng_status backup_produce(void *context, ng_sink_fn sink, void *sink_context)
{
    ngs_backup *backup = context;
    return ng_stream_write(backup->all->server->store, &backup->options, sink, sink_context, NULL);
}

static void backup_wake(void *context)
{
    ngs_http_resume(context);
}

/* Starts a backup in a free slot; NULL if there is none, with *memory if that was the reason. */
static ngs_backup *backup_start(ngs_request *request, const ng_stream_options *options,
                                bool *memory)
{
    ngs_backups *all = request->server->backups;
    ngs_backup *found = NULL;
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < NGS_BACKUPS_MAX && !all->stopped && found == NULL; i++) {
        ngs_backup *slot = &all->slots[i];
        if (slot->pipe == NULL || (slot->released && ngs_pipe_idle(slot->pipe)))
            found = slot;
    }
    *memory = found != NULL;
    if (found != NULL) {
        ngs_pipe_options pipe = {
            .capacity = ADMIN_PIPE_BYTES,
            .room_ms = request->server->limits.connection_timeout_s * 1000u,
            .produce = backup_produce,
            .context = found,
            .wake = backup_wake,
            .wake_context = request,
        };
        ngs_pipe_destroy(found->pipe);
        found->all = all;
        found->options = *options;
        found->released = false;
        found->pipe = ngs_pipe_start(&pipe);
        if (found->pipe == NULL)
            found = NULL;
    }
    pthread_mutex_unlock(&all->lock);
    return found;
}

void ngs_backup_get(ngs_request *request)
{
    ng_stream_options options = {.struct_size = sizeof options};
    bool memory;
    for (size_t i = 0; i < request->param_count; i++) {
        const ngs_param *param = &request->params[i];
        options.incremental = true;
        if (strcmp(param->name, "after") == 0)
            ngs_read_param(request, param, 0, UINT64_MAX, &options.after);
        else
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        param->name);
    }
    if (ngs_problems_reply(request))
        return;
    request->backup = backup_start(request, &options, &memory);
    if (request->backup != NULL)
        return;
    if (memory) {
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for a backup");
        return;
    }
    request->retry_after_s = 10;
    ngs_reply_error(request, 503, "SERVICE_UNAVAILABLE", NULL,
                    "%d backups are being read already, which is the limit", NGS_BACKUPS_MAX);
}

bool ngs_backup_reply(ngs_request *request)
{
    char text[NGS_PIPE_TEXT_MAX];
    ngs_pipe *pipe = request->backup->pipe;
    if (!ngs_pipe_ended(pipe)) {
        ngs_reply_stream(request, 200);
        return true;
    }
    ng_status status = ngs_pipe_result(pipe, text);
    if (status == NG_E_INVALID) {
        ngs_problem(request, "query.after", "value_error", "%s", text);
        ngs_problems_reply(request);
    } else {
        ngs_reply_status_text(request, status == NG_OK ? NG_E_CANCELLED : status, text);
    }
    return false;
}

void ngs_backup_wait(ngs_backup *backup)
{
    ngs_pipe_arm(backup->pipe);
}

size_t ngs_backup_take(ngs_backup *backup, char *data, size_t capacity, ngs_backup_state *state)
{
    char text[NGS_PIPE_TEXT_MAX];
    size_t count = ngs_pipe_take(backup->pipe, data, capacity, false);
    *state = NGS_BACKUP_MORE;
    if (count == 0 && ngs_pipe_ended(backup->pipe))
        *state = ngs_pipe_result(backup->pipe, text) == NG_OK ? NGS_BACKUP_END : NGS_BACKUP_FAILED;
    return count;
}

void ngs_backup_release(ngs_backup *backup)
{
    ngs_pipe_cancel(backup->pipe); /* first: a slot that is released may be somebody else's */
    pthread_mutex_lock(&backup->all->lock);
    backup->released = true;
    pthread_mutex_unlock(&backup->all->lock);
}

ngs_backups *ngs_backups_create(ngs_server *server)
{
    ngs_backups *all = calloc(1, sizeof *all);
    if (all == NULL)
        return NULL;
    all->server = server;
    pthread_mutex_init(&all->lock, NULL);
    return all;
}

void ngs_backups_stop(ngs_backups *all)
{
    pthread_mutex_lock(&all->lock);
    all->stopped = true;
    pthread_mutex_unlock(&all->lock);
    /* No slot changes hands any more. A wake takes locks of the HTTP library, so not under ours. */
    for (size_t i = 0; i < NGS_BACKUPS_MAX; i++)
        if (all->slots[i].pipe != NULL)
            ngs_pipe_cancel(all->slots[i].pipe);
}

void ngs_backups_destroy(ngs_backups *all)
{
    if (all == NULL)
        return;
    for (size_t i = 0; i < NGS_BACKUPS_MAX; i++)
        ngs_pipe_destroy(all->slots[i].pipe);
    pthread_mutex_destroy(&all->lock);
    free(all);
}
