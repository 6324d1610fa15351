/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writes streams: of an open store, and of a directory that another process may have open.
 *
 * Invariants:
 *  1. Only durable ops are in a stream.
 *  2. Nothing reaches the sink before everything is there that can be missing: the log after the
 *     state, the first op of an increment. So NG_E_GONE comes before the first byte.
 *  3. A log that is retired while it is read ends the stream early, at an op: what was written is
 *     whole, and the next increment goes on from there. */
#include "store/store_stream.h"

#include "store/store_file.h"
#include "wal/wal_cursor.h"

#include <stdio.h>

#define ATTEMPTS_MAX 8   /* states retired one after the other while we look */
#define SNAPSHOTS_MAX 16 /* looked at in a directory, newest first */

typedef struct stream_job {
    ngi_os *os;
    ngi_mem *mem;
    const ng_stream_options *options;
    ng_sink_fn sink;
    void *sink_context;
    store_progress progress;
    ngi_stream_writer writer;
    ngi_stream_head head;
    bool begun; /* the head has been given to the sink */
    uint64_t began_ns;
} stream_job;

static const ng_stream_options default_options = {.struct_size = sizeof default_options};

static void stream_start(stream_job *job, ngi_os *os, ngi_mem *mem,
                         const ng_stream_options *options)
{
    job->os = os;
    job->mem = mem;
    job->options = options != NULL ? options : &default_options;
    job->progress.call = job->options->progress;
    job->progress.context = job->options->progress_context;
    job->progress.os = os;
    job->began_ns = os->monotonic_ns(os);
}

static void stream_report(const stream_job *job, ng_stream_report *out)
{
    if (out == NULL)
        return;
    const ngi_stream_head *head = &job->head;
    const ngi_stream_writer *writer = &job->writer;
    *out = (ng_stream_report){
        .incremental = job->options->incremental,
        .after = head->whole ? 0 : head->after,
        .seq = writer->last_seq,
        .time_us = writer->last_time_us,
        .bytes = writer->bytes,
        .ops = writer->op_count,
        .tokens = head->whole ? head->token_count : 0,
        .connections = head->whole ? head->connection_count : 0,
        .seconds = (double)(job->os->monotonic_ns(job->os) - job->began_ns) / 1e9,
    };
}

static ng_status stream_begin(stream_job *job)
{
    if (job->begun)
        return NG_OK;
    job->begun = true;
    return ngi_stream_begin(&job->writer, &job->head, job->sink, job->sink_context);
}

/* --- ops ------------------------------------------------------------------------------------- */

/* Writes what the cursor gives up to `limit`, the head before the first op. */
static ng_status stream_ops(stream_job *job, ngi_wal_cursor *cursor, ng_seq limit)
{
    ngi_progress_begin(&job->progress, "log", limit - job->head.after);
    for (;;) {
        ngi_op op;
        const uint8_t *frame;
        size_t frame_bytes;
        bool found = false;
        ng_status status = ngi_wal_cursor_next(cursor, limit, &op, &frame, &frame_bytes, &found);
        if (status == NG_E_GONE && job->begun)
            return NG_OK; /* invariant 3 */
        if (status != NG_OK || !found)
            return status;
        status = stream_begin(job);
        if (status == NG_OK)
            status = ngi_stream_frame(&job->writer, frame, frame_bytes, &op);
        if (status == NG_OK)
            status =
                ngi_progress_step(&job->progress, op.seq - job->head.after, job->writer.op_count);
        if (status != NG_OK)
            return status;
        if (job->options->max_bytes != 0 && job->writer.bytes >= job->options->max_bytes)
            return NG_OK;
    }
}

/* An increment: ops after head.after up to `limit`, from the log in `directory`. */
static ng_status stream_increment(stream_job *job, const char *directory,
                                  const ngi_manifest *manifest, ng_seq limit)
{
    ngi_wal_cursor *cursor = NULL;
    ng_status status = NG_OK;
    if (limit > job->head.after) {
        NGI_TRY(
            ngi_wal_cursor_open(job->os, job->mem, directory, manifest, job->head.after, &cursor));
        NGI_TRY(stream_ops(job, cursor, limit));
    }
    NGI_TRY(stream_begin(job));
    NGI_TRY(ngi_stream_end(&job->writer));
out:
    ngi_wal_cursor_close(cursor);
    return status;
}

static ng_status stream_check_range(const ng_stream_options *options, ng_seq newest)
{
    if (options->after > newest)
        return ngi_fail(NG_E_INVALID, "after %llu is beyond the newest op, %llu",
                        (unsigned long long)options->after, (unsigned long long)newest);
    if (options->last != 0 && (options->last < options->after || options->last > newest))
        return ngi_fail(NG_E_INVALID, "last %llu is outside %llu..%llu",
                        (unsigned long long)options->last, (unsigned long long)options->after,
                        (unsigned long long)newest);
    return NG_OK;
}

/* --- of an open store ------------------------------------------------------------------------ */

static ng_status stream_store_increment(stream_job *job, ng_store *store)
{
    const ng_stream_options *options = job->options;
    ng_status status = stream_check_range(options, ngi_wal_applied(store->wal));
    if (status != NG_OK)
        return status;
    ng_seq limit = options->last;
    if (limit == 0)
        limit = ngi_wal_durable(store->wal);
    else
        status = ngi_store_wait_durable(store, limit);
    if (status != NG_OK)
        return status;
    ngi_manifest manifest = {.format_version = NGI_FORMAT_VERSION,
                             .created_us = store->created_us,
                             .encoding = store->encoding};
    memcpy(manifest.uuid, store->uuid, sizeof manifest.uuid);
    if (store->path != NULL)
        status = ngi_manifest_read(store->os, store->path, &manifest);
    else if (limit > options->after)
        status = ngi_fail(NG_E_GONE, "a store in memory keeps no log: ops after %llu are not there",
                          (unsigned long long)options->after);
    if (status != NG_OK)
        return status;
    job->head = (ngi_stream_head){.identity = manifest, .after = options->after};
    return stream_increment(job, store->path, &manifest, limit);
}

static ng_status stream_store_whole(stream_job *job, ng_store *store)
{
    ng_view *view = NULL;
    ng_status status = ngi_view_open(store, NULL, true, &view);
    if (status != NG_OK)
        return status;
    if (view->seq > 0)
        NGI_TRY(ngi_store_wait_durable(store, view->seq));
    ngi_snapshot_head(view, &job->head);
    ngi_progress_begin(&job->progress, "state", 0);
    job->writer.sink = job->sink;
    job->writer.sink_context = job->sink_context;
    NGI_TRY(ngi_snapshot_write(view, &job->writer, &job->progress));
    NGI_TRY(ngi_stream_end(&job->writer));
out:
    ngi_view_close(view);
    return status;
}

ng_status ngi_store_stream_write(ng_store *store, const ng_stream_options *options, ng_sink_fn sink,
                                 void *sink_context, ng_stream_report *out)
{
    stream_job job = {.sink = sink, .sink_context = sink_context};
    stream_start(&job, store->os, store->mem, options);
    if (ngi_wal_is_latched(store->wal))
        return ngi_wal_fail_latched(store->wal);
    ng_status status = job.options->incremental ? stream_store_increment(&job, store)
                                                : stream_store_whole(&job, store);
    if (status == NG_OK)
        stream_report(&job, out);
    return status;
}

/* --- of a directory -------------------------------------------------------------------------- */

static ng_status stream_read_manifest(const stream_job *job, const char *path, ngi_manifest *out)
{
    ng_status status = ngi_manifest_read(job->os, path, out);
    return status == NG_E_NOT_FOUND ? ngi_fail(status, "%s: no store there", path) : status;
}

/* Whether op `seq`, which is not known to be durable, stands in the log at all. */
static ng_status stream_is_there(const stream_job *job, const char *path,
                                 const ngi_manifest *manifest, ng_seq known, ng_seq seq, bool *out)
{
    ngi_wal_cursor *cursor = NULL;
    *out = false;
    ng_status status = ngi_wal_cursor_open(job->os, job->mem, path, manifest, known, &cursor);
    while (status == NG_OK && !*out) {
        ngi_op op;
        const uint8_t *frame;
        size_t frame_bytes;
        bool found = false;
        status = ngi_wal_cursor_next(cursor, seq, &op, &frame, &frame_bytes, &found);
        if (status != NG_OK || !found)
            break;
        *out = op.seq == seq;
    }
    ngi_wal_cursor_close(cursor);
    /* What cannot be read behind the durable end is not there; it may be in the making. */
    return status == NG_E_NOMEM || status == NG_E_IO ? status : NG_OK;
}

static ng_status stream_path_increment(stream_job *job, const char *path)
{
    const ng_stream_options *options = job->options;
    ngi_manifest manifest;
    ng_seq limit = 0;
    ng_status status = stream_read_manifest(job, path, &manifest);
    if (status == NG_OK)
        status = ngi_wal_known_durable(job->os, job->mem, path, &manifest, &limit);
    if (status != NG_OK)
        return status;
    job->head = (ngi_stream_head){.identity = manifest, .after = options->after};
    if (options->after > limit) {
        /* A reader that had it from the store itself may know more than the files prove. */
        bool there = false;
        status = stream_is_there(job, path, &manifest, limit, options->after, &there);
        if (status != NG_OK)
            return status;
        if (there)
            limit = options->after;
    }
    status = stream_check_range(options, limit);
    if (status != NG_OK)
        return status;
    if (options->last != 0)
        limit = options->last;
    return stream_increment(job, path, &manifest, limit);
}

/* Opens the newest snapshot whose every checksum is right; `*source` stands behind its head.
 * `*found` false: there is none. The handle keeps the file readable when it is removed. */
static ng_status stream_open_snapshot(stream_job *job, const char *path,
                                      const ngi_manifest *manifest, store_file_source *source,
                                      bool *found)
{
    ng_seq seqs[SNAPSHOTS_MAX];
    size_t count = 0;
    *found = false;
    ng_status damage = NG_OK;
    char reason[512] = "";
    ng_status status = ngi_snapshot_list(job->os, path, seqs, SNAPSHOTS_MAX, &count);
    for (size_t i = 0; i < count && i < SNAPSHOTS_MAX && status == NG_OK; i++) {
        char file[STORE_PATH_BYTES];
        ngi_stream_head head;
        ng_seq last;
        uint64_t bytes;
        ngi_snapshot_path(path, seqs[i], file, sizeof file);
        *source = (store_file_source){.os = job->os};
        status = job->os->file_open(job->os, file, NGI_OPEN_READ, &source->file);
        if (status == NG_E_NOT_FOUND) { /* retired since it was listed */
            status = NG_OK;
            continue;
        }
        if (status != NG_OK)
            return status;
        status = ngi_stream_verify(job->mem, ngi_file_source, source, &head, &last, &bytes);
        if (status == NG_OK && memcmp(head.identity.uuid, manifest->uuid, 16) != 0)
            status = ngi_fail(NG_E_CORRUPT, "the snapshot belongs to another store");
        if (status == NG_OK) {
            source->offset = 0;
            *found = true;
            return NG_OK;
        }
        job->os->file_close(job->os, source->file);
        if (status != NG_E_CORRUPT && status != NG_E_FORMAT)
            return status;
        if (damage == NG_OK) {
            damage = ngi_fail_prefix(NG_E_CORRUPT, file);
            snprintf(reason, sizeof reason, "%s", ngi_last_error());
        }
        status = NG_OK; /* the one before, and the log behind it, may do */
    }
    if (status == NG_OK && damage != NG_OK) {
        ngi_error_set(reason);
        return damage;
    }
    return status;
}

/* The blocks of a snapshot file, then the ops behind it. */
static ng_status stream_copy_snapshot(stream_job *job, const char *path,
                                      const ngi_manifest *manifest, store_file_source *source,
                                      ng_seq limit)
{
    ngi_stream_reader *reader = NULL;
    ngi_wal_cursor *cursor = NULL;
    ngi_stream_item item = NGI_ITEM_BLOCK;
    ng_status status = NG_OK;
    NGI_TRY(ngi_stream_reader_open(job->mem, ngi_file_source, source, &job->head, &reader));
    if (limit > job->head.state_seq)
        NGI_TRY(
            ngi_wal_cursor_open(job->os, job->mem, path, manifest, job->head.state_seq, &cursor));
    NGI_TRY(stream_begin(job));
    ngi_progress_begin(&job->progress, "state", 0);
    while (item != NGI_ITEM_END) {
        ngi_block block;
        ngi_op op;
        NGI_TRY(ngi_stream_next(reader, &item, &block, &op));
        if (item == NGI_ITEM_BLOCK)
            NGI_TRY(ngi_stream_block(&job->writer, &block));
        NGI_TRY(ngi_progress_step(&job->progress, job->writer.bytes, job->writer.block_count));
    }
    if (cursor != NULL)
        NGI_TRY(stream_ops(job, cursor, limit));
    NGI_TRY(ngi_stream_end(&job->writer));
out:
    ngi_stream_reader_close(reader);
    ngi_wal_cursor_close(cursor);
    return status;
}

static ng_status stream_path_whole(stream_job *job, const char *path)
{
    ngi_manifest manifest;
    store_file_source source = {.file = STORE_NO_FILE};
    bool found = false;
    ng_seq limit = 0;
    ng_status status = stream_read_manifest(job, path, &manifest);
    if (status == NG_OK)
        status = ngi_wal_known_durable(job->os, job->mem, path, &manifest, &limit);
    if (status == NG_OK)
        status = stream_open_snapshot(job, path, &manifest, &source, &found);
    if (status != NG_OK)
        return status;
    if (found) {
        status = stream_copy_snapshot(job, path, &manifest, &source, limit);
        job->os->file_close(job->os, source.file);
        return status;
    }
    if (manifest.snapshot_seq != 0)
        return ngi_fail(NG_E_GONE, "%s: snapshot %llu is not there", path,
                        (unsigned long long)manifest.snapshot_seq);
    job->head = (ngi_stream_head){.identity = manifest};
    return stream_increment(job, path, &manifest, limit);
}

ng_status ngi_store_stream_write_path(ngi_os *os, ngi_mem *mem, const char *path,
                                      const ng_stream_options *options, ng_sink_fn sink,
                                      void *sink_context, ng_stream_report *out)
{
    stream_job job = {.sink = sink, .sink_context = sink_context};
    stream_start(&job, os, mem, options);
    ng_status status = NG_OK;
    if (job.options->incremental) {
        status = stream_path_increment(&job, path);
    } else {
        /* Files that a checkpoint removes between two looks: look again, as long as nothing has
         * been given to the sink. */
        for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
            status = stream_path_whole(&job, path);
            if (status != NG_E_GONE || job.begun)
                break;
        }
    }
    if (status == NG_OK)
        stream_report(&job, out);
    return status;
}
