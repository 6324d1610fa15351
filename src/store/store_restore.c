/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* New stores from streams.
 *
 * The new store is made in `to`.restoring, locked, and renamed when it is complete and synced: a
 * failure leaves nothing, and a crash leaves a directory that the next attempt takes over.
 *
 * Invariants:
 *  1. Ops are applied in order without a gap, so the state equals that of the source at that seq.
 *  2. The new store has a uuid of its own: its ops never pass for those of its source. */
#include "store/store_restore.h"

#include "store/store_file.h"

#include <stdio.h>
#include <string.h>

#define SUFFIX ".restoring"

static ng_status restore_see_entry(void *context, const char *name)
{
    (void)name;
    *(bool *)context = true;
    return NG_OK;
}

ng_status ngi_restore_check_target(ngi_os *os, const char *to)
{
    char path[STORE_PATH_BYTES];
    ng_status status = ngi_file_beside(to, "", path);
    if (status != NG_OK)
        return status;
    bool any = false;
    status = os->list_directory(os, path, restore_see_entry, &any);
    if (status == NG_E_NOT_FOUND)
        return NG_OK;
    if (status == NG_OK)
        return any ? ngi_fail(NG_E_EXISTS, "%s: there already, and not empty", path) : NG_OK;
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    ngi_file file;
    if (os->file_open(os, path, NGI_OPEN_READ, &file) == NG_OK) {
        os->file_close(os, file);
        return ngi_fail(NG_E_EXISTS, "%s: there already, and not a directory", path);
    }
    ngi_error_set(reason);
    return status;
}

ng_status ngi_restore_identity(ngi_os *os, ngi_manifest *identity)
{
    ngi_manifest made = {.format_version = NGI_FORMAT_VERSION,
                         .created_us = identity->created_us,
                         .encoding = identity->encoding,
                         .first_segment = 1};
    ng_status status = os->random(os, made.uuid, sizeof made.uuid);
    if (status != NG_OK)
        return status;
    made.uuid[6] = (uint8_t)((made.uuid[6] & 0x0F) | 0x40); /* RFC 4122, version 4 */
    made.uuid[8] = (uint8_t)((made.uuid[8] & 0x3F) | 0x80);
    *identity = made;
    return NG_OK;
}

ng_status ngi_restore_replay(ng_store *store, const ngi_op *op)
{
    ngi_rwlock_write(&store->index_lock);
    ng_status status = ngi_store_prepare_foreign(store, op);
    if (status == NG_OK)
        status = ngi_store_apply(store, op);
    ngi_rwlock_write_end(&store->index_lock);
    return status;
}

/* --- writing --------------------------------------------------------------------------------- */

static ng_status restore_verify(ng_store *store)
{
    ng_check_report report;
    ng_status status = ngi_store_check(store, &report);
    if (status == NG_OK && report.problem_count > 0)
        status = ngi_fail(NG_E_CORRUPT, "the restored state has %llu problems: %s",
                          (unsigned long long)report.problem_count, report.first_problem);
    return status;
}

/* Writes the snapshot of a store in memory, which has no directory of its own, into this one. */
static ng_status restore_save(ng_store *store, const char *directory, store_progress *progress)
{
    void *block;
    size_t bytes = strlen(directory) + 1;
    ng_view *view = NULL;
    uint64_t saved;
    ng_status status = ngi_alloc(store->mem, bytes, "path", &block);
    if (status != NG_OK)
        return status;
    memcpy(block, directory, bytes);
    store->path = block;
    NGI_TRY(ngi_view_open(store, NULL, true, &view));
    NGI_TRY(ngi_snapshot_save(view, progress, &saved));
out:
    ngi_view_close(view);
    store->path = NULL;
    ngi_free(store->mem, block, bytes);
    return status;
}

/* Takes the temporary directory, and empties it if an attempt that was cut short left it. */
static ng_status restore_take(ngi_os *os, const char *directory, ngi_file *lock)
{
    char path[STORE_PATH_BYTES];
    ng_status status = ngi_file_path(directory, "LOCK", path);
    if (status != NG_OK)
        return status;
    status = os->make_directory(os, directory);
    if (status != NG_OK && status != NG_E_EXISTS)
        return status;
    bool made = status == NG_OK;
    status = os->file_open(os, path, NGI_OPEN_WRITE | NGI_OPEN_CREATE, lock);
    if (status == NG_OK) {
        status = os->file_lock(os, *lock, true);
        if (status == NG_E_BUSY)
            status = ngi_fail(NG_E_BUSY, "%s: in use by another restore", directory);
        if (status == NG_OK)
            status = ngi_file_clear(os, directory, "LOCK");
        if (status != NG_OK)
            os->file_close(os, *lock);
    }
    if (status != NG_OK && status != NG_E_BUSY && made)
        ngi_file_discard(os, directory);
    return status;
}

/* Gives the finished directory its name. */
static ng_status restore_publish(ngi_os *os, const char *directory, const char *to)
{
    char parent[STORE_PATH_BYTES];
    ngi_os_parent(to, parent, sizeof parent);
    ng_status status = os->rename(os, directory, to);
    if (status != NG_OK) {
        ngi_file_discard(os, directory);
        return status;
    }
    status = os->sync_directory(os, parent);
    if (status != NG_OK)
        ngi_file_discard(os, to);
    return status;
}

ng_status ngi_restore_write(ng_store *store, const ngi_manifest *identity, ng_seq seq,
                            uint64_t time_us, const char *to, store_progress *progress)
{
    char target[STORE_PATH_BYTES];
    char directory[STORE_PATH_BYTES];
    ngi_os *os = store->os;
    ngi_file lock = STORE_NO_FILE;
    ngi_manifest manifest = *identity;
    manifest.clean_seq = manifest.snapshot_seq = seq;
    ng_status status = ngi_file_beside(to, "", target);
    if (status == NG_OK)
        status = ngi_file_beside(to, SUFFIX, directory);
    if (status == NG_OK && seq > 0)
        status = ngi_wal_begin_after(store->wal, seq, time_us);
    if (status == NG_OK)
        status = restore_verify(store);
    if (status == NG_OK)
        status = ngi_restore_check_target(os, target); /* it may have come meanwhile */
    if (status == NG_OK)
        status = restore_take(os, directory, &lock);
    if (status != NG_OK)
        return status;
    if (seq > 0)
        status = restore_save(store, directory, progress);
    if (status == NG_OK)
        status = ngi_manifest_write(os, directory, &manifest);
    if (status == NG_OK)
        status = restore_publish(os, directory, target);
    else
        ngi_file_discard(os, directory);
    os->file_close(os, lock);
    return status;
}

/* --- reading --------------------------------------------------------------------------------- */

ng_status ngi_restore_begin(store_restore *restore, ngi_os *os, ngi_mem *mem, const char *to,
                            const ng_restore_options *options)
{
    *restore = (store_restore){.os = os, .mem = mem, .to = to};
    if (options != NULL)
        restore->options = *options;
    restore->progress.call = restore->options.progress;
    restore->progress.context = restore->options.progress_context;
    restore->progress.os = os;
    restore->began_ns = os->monotonic_ns(os);
    return ngi_restore_check_target(os, to);
}

void ngi_restore_release(store_restore *restore)
{
    if (restore->store == NULL)
        return;
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    (void)ngi_store_close(restore->store);
    restore->store = NULL;
    ngi_error_set(reason);
}

/* Whether what is wanted lies before the state in the stream. */
static ng_status restore_check_wanted(const store_restore *restore, const ngi_stream_head *head)
{
    const ng_restore_options *options = &restore->options;
    if (options->seq != 0 && options->seq < head->state_seq)
        return ngi_fail(NG_E_GONE, "seq %llu is before the state in the stream, of op %llu",
                        (unsigned long long)options->seq, (unsigned long long)head->state_seq);
    if (options->time_us != 0 && options->time_us < head->state_time_us)
        return ngi_fail(NG_E_GONE,
                        "time %llu us is before the state in the stream, of op %llu at %llu us",
                        (unsigned long long)options->time_us, (unsigned long long)head->state_seq,
                        (unsigned long long)head->state_time_us);
    return NG_OK;
}

/* The first stream says what the store is; the next ones must be of the same and go on from there. */
static ng_status restore_accept(store_restore *restore, const ngi_stream_head *head)
{
    if (restore->store != NULL) {
        if (memcmp(head->identity.uuid, restore->source_uuid, sizeof restore->source_uuid) != 0)
            return ngi_fail(NG_E_CONFLICT, "the stream is of another store than the one before it");
        if (head->after > restore->seq)
            return ngi_fail(NG_E_GONE, "ops %llu..%llu are missing before this stream",
                            (unsigned long long)restore->seq + 1, (unsigned long long)head->after);
        return NG_OK;
    }
    if (!head->whole && head->after != 0)
        return ngi_fail(NG_E_GONE, "the stream holds only ops after %llu: the state is missing",
                        (unsigned long long)head->after);
    ng_status status = restore_check_wanted(restore, head);
    if (status != NG_OK)
        return status;
    restore->identity = head->identity;
    memcpy(restore->source_uuid, head->identity.uuid, sizeof restore->source_uuid);
    status = ngi_restore_identity(restore->os, &restore->identity);
    if (status != NG_OK)
        return status;
    if (restore->options.follow)
        memcpy(restore->identity.origin_uuid, restore->source_uuid, sizeof restore->source_uuid);
    return ngi_store_create_memory(restore->os, restore->mem, &restore->identity, &restore->store);
}

/* Loads the blocks, up to the first item that is none. */
static ng_status restore_state(store_restore *restore, ngi_stream_reader *reader,
                               const ngi_stream_head *head, ngi_stream_item *item, ngi_op *op)
{
    store_loader *loader = NULL;
    ngi_stream_head own = *head;
    own.identity = restore->identity; /* the tables belong to the new store */
    ng_status status = NG_OK;
    ngi_progress_begin(&restore->progress, "state", 0);
    NGI_TRY(ngi_loader_begin(restore->store, &own, &loader));
    for (;;) {
        ngi_block block;
        NGI_TRY(ngi_stream_next(reader, item, &block, op));
        if (*item != NGI_ITEM_BLOCK)
            break;
        NGI_TRY(ngi_loader_block(loader, &block));
        NGI_TRY(ngi_progress_step(&restore->progress, ngi_stream_offset(reader), block.first));
    }
    status = ngi_loader_end(loader);
    loader = NULL;
    if (status == NG_OK) {
        restore->seq = head->state_seq;
        restore->time_us = head->state_time_us;
    }
out:
    ngi_loader_abandon(loader);
    return status;
}

static ng_status restore_op(store_restore *restore, const ngi_op *op)
{
    const ng_restore_options *options = &restore->options;
    if (op->seq == restore->seq && op->time_us != restore->time_us)
        return ngi_fail(NG_E_CONFLICT,
                        "op %llu differs from the one before it in the chain: the source was taken"
                        " back to an older state in between",
                        (unsigned long long)op->seq);
    if (op->seq <= restore->seq)
        return NG_OK;
    if ((options->seq != 0 && op->seq > options->seq) ||
        (options->time_us != 0 && op->time_us > options->time_us)) {
        restore->complete = true;
        return NG_OK;
    }
    ng_status status = ngi_restore_replay(restore->store, op);
    if (status != NG_OK) {
        char place[64];
        snprintf(place, sizeof place, "op %llu", (unsigned long long)op->seq);
        return ngi_fail_prefix(status, place);
    }
    restore->seq = op->seq;
    restore->time_us = op->time_us;
    restore->report.ops++;
    return NG_OK;
}

ng_status ngi_restore_feed(store_restore *restore, ng_source_fn source, void *source_context)
{
    ngi_stream_head head;
    ngi_stream_reader *reader = NULL;
    ngi_stream_item item = NGI_ITEM_BLOCK;
    ngi_op op;
    ng_status status = NG_OK;
    bool is_first = restore->store == NULL;
    NGI_TRY(ngi_stream_reader_open(restore->mem, source, source_context, &head, &reader));
    NGI_TRY(restore_accept(restore, &head));
    if (is_first && head.whole)
        NGI_TRY(restore_state(restore, reader, &head, &item, &op));
    ngi_progress_begin(&restore->progress, "log", 0);
    while (item != NGI_ITEM_END) {
        if (item == NGI_ITEM_OP) {
            NGI_TRY(restore_op(restore, &op));
            if (restore->complete)
                break;
            NGI_TRY(ngi_progress_step(&restore->progress, ngi_stream_offset(reader),
                                      restore->report.ops));
        }
        ngi_block block; /* of a state that is passed over: the store is at or beyond it */
        NGI_TRY(ngi_stream_next(reader, &item, &block, &op));
    }
    restore->report.files++;
    restore->report.bytes += ngi_stream_offset(reader);
out:
    ngi_stream_reader_close(reader);
    return status;
}

ng_status ngi_restore_finish(store_restore *restore, ng_stream_report *out)
{
    if (!restore->complete && restore->options.seq > restore->seq)
        return ngi_fail(NG_E_INVALID, "seq %llu is beyond the newest op there, %llu",
                        (unsigned long long)restore->options.seq, (unsigned long long)restore->seq);
    ngi_progress_begin(&restore->progress, "verify", 0);
    ng_status status = ngi_progress_step(&restore->progress, 0, 0);
    if (status == NG_OK)
        status = ngi_restore_write(restore->store, &restore->identity, restore->seq,
                                   restore->time_us, restore->to, &restore->progress);
    if (status != NG_OK || out == NULL)
        return status;
    ng_stream_report *report = &restore->report;
    report->seq = restore->seq;
    report->time_us = restore->time_us;
    report->tokens = restore->store->token_count;
    report->connections = restore->store->graph.count;
    report->seconds = (double)(restore->os->monotonic_ns(restore->os) - restore->began_ns) / 1e9;
    *out = *report;
    return NG_OK;
}

ng_status ngi_store_stream_restore(ngi_os *os, ngi_mem *mem, ng_source_fn source,
                                   void *source_context, const char *to,
                                   const ng_restore_options *options, ng_stream_report *out)
{
    store_restore restore = {0};
    ng_status status = ngi_restore_begin(&restore, os, mem, to, options);
    if (status == NG_OK)
        status = ngi_restore_feed(&restore, source, source_context);
    if (status == NG_OK)
        status = ngi_restore_finish(&restore, out);
    ngi_restore_release(&restore);
    return status;
}
