/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A directory of backups, each a stream in a file whose name says what it holds:
 *
 *     00000000000000000042.full                                the state after op 42
 *     00000000000000000042-00000000000000000057.incremental    ops 43..57
 *     LOCK                                                     held by the backup being written
 *
 * A chain is a full one and the increments that go on from it: the next is the one that begins at or
 * before the newest op so far and reaches farthest.
 *
 * Invariant: a file that has such a name is complete, synced, and was verified when it was written. */
#include "store/store_backup.h"

#include "store/store_file.h"
#include "wal/wal_cursor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEQ_DIGITS 20
#define FULL_SUFFIX ".full"
#define INCREMENT_SUFFIX ".incremental"
#define NEW_NAME "backup.new" /* while it is written */

typedef struct backup_file {
    bool is_full;
    ng_seq after; /* of an increment */
    ng_seq seq;
} backup_file;

typedef struct backup_list {
    ngi_os *os;
    ngi_mem *mem;
    const char *directory;
    backup_file *items; /* by seq, then full ones first, then by after */
    size_t count, capacity;
} backup_list;

static void backup_name(const backup_file *file, char out[64])
{
    if (file->is_full)
        snprintf(out, 64, "%020llu" FULL_SUFFIX, (unsigned long long)file->seq);
    else
        snprintf(out, 64, "%020llu-%020llu" INCREMENT_SUFFIX, (unsigned long long)file->after,
                 (unsigned long long)file->seq);
}

/* --- the list of a directory ----------------------------------------------------------------- */

static bool backup_digits(const char *text, ng_seq *out)
{
    ng_seq value = 0;
    for (int i = 0; i < SEQ_DIGITS; i++) {
        if (text[i] < '0' || text[i] > '9' || value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (ng_seq)(text[i] - '0');
    }
    *out = value;
    return true;
}

static bool backup_parse(const char *name, backup_file *out)
{
    *out = (backup_file){0};
    if (strnlen(name, SEQ_DIGITS) < SEQ_DIGITS || !backup_digits(name, &out->seq))
        return false;
    const char *rest = name + SEQ_DIGITS;
    out->is_full = strcmp(rest, FULL_SUFFIX) == 0;
    if (out->is_full)
        return true;
    out->after = out->seq;
    return rest[0] == '-' && strnlen(rest + 1, SEQ_DIGITS) == SEQ_DIGITS &&
           backup_digits(rest + 1, &out->seq) &&
           strcmp(rest + 1 + SEQ_DIGITS, INCREMENT_SUFFIX) == 0 && out->after < out->seq;
}

static ng_status backup_see(void *context, const char *name)
{
    backup_list *list = context;
    backup_file file;
    if (!backup_parse(name, &file))
        return NG_OK;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        void *block = list->items;
        ng_status status = ngi_resize(list->mem, &block, list->capacity * sizeof file,
                                      capacity * sizeof file, "list of backups");
        if (status != NG_OK)
            return status;
        list->items = block;
        list->capacity = capacity;
    }
    list->items[list->count++] = file;
    return NG_OK;
}

static int backup_compare(const void *a, const void *b)
{
    const backup_file *x = a;
    const backup_file *y = b;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    if (x->is_full != y->is_full)
        return x->is_full ? -1 : 1;
    return x->after < y->after ? -1 : x->after > y->after;
}

static ng_status backup_list_read(backup_list *list)
{
    ng_status status = list->os->list_directory(list->os, list->directory, backup_see, list);
    if (status == NG_OK && list->count > 1)
        qsort(list->items, list->count, sizeof *list->items, backup_compare);
    return status;
}

static void backup_list_release(backup_list *list)
{
    ngi_free(list->mem, list->items, list->capacity * sizeof *list->items);
}

/* The newest full one at or before `seq`, or NULL. */
static const backup_file *backup_full(const backup_list *list, ng_seq seq)
{
    for (size_t i = list->count; i > 0; i--)
        if (list->items[i - 1].is_full && list->items[i - 1].seq <= seq)
            return &list->items[i - 1];
    return NULL;
}

/* The increment that goes on from `seq` and reaches farthest, or NULL. */
static const backup_file *backup_next(const backup_list *list, ng_seq seq)
{
    for (size_t i = list->count; i > 0 && list->items[i - 1].seq > seq; i--)
        if (!list->items[i - 1].is_full && list->items[i - 1].after <= seq)
            return &list->items[i - 1];
    return NULL;
}

static ng_status backup_open(const backup_list *list, const backup_file *file,
                             char path[STORE_PATH_BYTES], store_file_source *source)
{
    char name[64];
    backup_name(file, name);
    *source = (store_file_source){.os = list->os, .file = STORE_NO_FILE};
    ng_status status = ngi_file_path(list->directory, name, path);
    return status != NG_OK ? status
                           : list->os->file_open(list->os, path, NGI_OPEN_READ, &source->file);
}

static ng_status backup_head(const backup_list *list, const backup_file *file,
                             ngi_stream_head *head)
{
    char path[STORE_PATH_BYTES];
    store_file_source source;
    uint8_t image[NGI_STREAM_HEAD_BYTES] = {0};
    size_t got = 0;
    ng_status status = backup_open(list, file, path, &source);
    if (status != NG_OK)
        return status;
    status = list->os->file_read(list->os, source.file, image, sizeof image, 0, &got);
    list->os->file_close(list->os, source.file);
    if (status == NG_OK)
        status = ngi_stream_head_decode(image, head);
    return status == NG_OK ? status : ngi_fail_prefix(status, path);
}

/* --- writing --------------------------------------------------------------------------------- */

/* Every backup there whose head can be read must be of this store. */
static ng_status backup_check_uuid(const backup_list *list, const ng_store *store)
{
    for (size_t i = 0; i < list->count; i++) {
        ngi_stream_head head;
        ng_status status = backup_head(list, &list->items[i], &head);
        if (status == NG_E_IO || status == NG_E_NOMEM)
            return status;
        if (status != NG_OK || memcmp(head.identity.uuid, store->uuid, sizeof store->uuid) == 0)
            continue; /* a damaged one does not stand in the way of a new one */
        char name[64];
        backup_name(&list->items[i], name);
        ngi_conflict_set(&(ng_conflict){.seq = ngi_wal_applied(store->wal)});
        return ngi_fail(NG_E_CONFLICT, "%s/%s: a backup of another store", list->directory, name);
    }
    return NG_OK;
}

/* The file with the newest op that the directory's newest chain holds, or NULL. */
static const backup_file *backup_chain_end(const backup_list *list)
{
    const backup_file *end = NULL;
    for (const backup_file *file = backup_full(list, UINT64_MAX); file != NULL;
         file = backup_next(list, end->seq))
        end = file;
    return end;
}

/* When the newest op in a backup was written, from its end mark; 0: the file is damaged. */
static ng_status backup_end_time(const backup_list *list, const backup_file *file, uint64_t *out)
{
    ngi_os *os = list->os;
    char path[STORE_PATH_BYTES];
    store_file_source source;
    ngi_stream_head head;
    ngi_stream_totals totals;
    uint8_t mark[NGI_STREAM_END_BYTES] = {0};
    uint64_t bytes = 0;
    size_t got = 0;
    *out = 0;
    ng_status status = backup_head(list, file, &head);
    if (status != NG_OK)
        return status == NG_E_IO || status == NG_E_NOMEM ? status : NG_OK;
    status = backup_open(list, file, path, &source);
    if (status != NG_OK)
        return status;
    NGI_TRY(os->file_size(os, source.file, &bytes));
    if (bytes > sizeof mark)
        NGI_TRY(os->file_read(os, source.file, mark, sizeof mark, bytes - sizeof mark, &got));
    if (ngi_stream_end_decode(mark, ngi_stream_salt(&head.identity), &totals) &&
        totals.last_seq == file->seq)
        *out = totals.last_time_us;
out:
    os->file_close(os, source.file);
    return status;
}

/* When op `seq` of the store was written; 0: the log does not reach back to it. */
static ng_status backup_own_time(ng_store *store, ng_seq seq, uint64_t *out)
{
    ngi_wal_cursor *cursor = NULL;
    ngi_manifest manifest;
    ngi_op op;
    const uint8_t *frame;
    size_t bytes;
    bool found = false;
    *out = 0;
    if (store->path == NULL || seq == 0)
        return NG_OK;
    ng_status status = ngi_store_wait_durable(store, seq);
    if (status == NG_OK)
        status = ngi_manifest_read(store->os, store->path, &manifest);
    if (status == NG_OK)
        status =
            ngi_wal_cursor_open(store->os, store->mem, store->path, &manifest, seq - 1, &cursor);
    if (status == NG_OK)
        status = ngi_wal_cursor_next(cursor, seq, &op, &frame, &bytes, &found);
    if (status == NG_OK && found)
        *out = op.time_us;
    ngi_wal_cursor_close(cursor);
    return status == NG_E_GONE ? NG_OK : status;
}

/* A store whose files were copied back from elsewhere has other ops under the numbers of those that
 * were backed up: a chain of both would restore to a state that never was. */
static ng_status backup_check_history(const backup_list *list, ng_store *store,
                                      const backup_file *end)
{
    ng_seq applied = ngi_wal_applied(store->wal);
    uint64_t backed_up = 0, own = 0;
    ng_conflict conflict = {.kind = NG_CONFLICT_SEQ, .expected_seq = end->seq, .seq = applied};
    if (end->seq > applied) {
        ngi_conflict_set(&conflict);
        return ngi_fail(NG_E_CONFLICT, "%s: backups reach op %llu, the store is at op %llu",
                        list->directory, (unsigned long long)end->seq, (unsigned long long)applied);
    }
    ng_status status = backup_end_time(list, end, &backed_up);
    if (status == NG_OK)
        status = backup_own_time(store, end->seq, &own);
    if (status != NG_OK || backed_up == 0 || own == 0 || backed_up == own)
        return status;
    ngi_conflict_set(&conflict);
    return ngi_fail(
        NG_E_CONFLICT,
        "%s: op %llu in the backups differs from the store's, which was taken back to an"
        " older state; use another directory",
        list->directory, (unsigned long long)end->seq);
}

/* Reads back what was written. */
static ng_status backup_verify(ngi_os *os, ngi_mem *mem, const char *path,
                               const ng_stream_report *report)
{
    store_file_source source = {.os = os};
    ngi_stream_head head;
    ng_seq last;
    uint64_t bytes;
    ng_status status = os->file_open(os, path, NGI_OPEN_READ, &source.file);
    if (status != NG_OK)
        return status;
    status = ngi_stream_verify(mem, ngi_file_source, &source, &head, &last, &bytes);
    os->file_close(os, source.file);
    if (status != NG_OK)
        return ngi_fail_prefix(status, path);
    if (last != report->seq || bytes != report->bytes)
        return ngi_fail(NG_E_CORRUPT, "%s: reads back as op %llu and %llu bytes, not %llu and %llu",
                        path, (unsigned long long)last, (unsigned long long)bytes,
                        (unsigned long long)report->seq, (unsigned long long)report->bytes);
    return NG_OK;
}

static ng_status backup_write_file(ng_store *store, const char *path,
                                   const ng_stream_options *options, ng_stream_report *report)
{
    ngi_os *os = store->os;
    store_file_sink sink = {.os = os, .mem = store->mem};
    ng_status status =
        os->file_open(os, path, NGI_OPEN_WRITE | NGI_OPEN_CREATE | NGI_OPEN_TRUNCATE, &sink.file);
    if (status != NG_OK)
        return status;
    NGI_TRY(ngi_store_stream_write(store, options, ngi_file_sink, &sink, report));
    NGI_TRY(ngi_file_sink_flush(&sink));
    NGI_TRY(os->file_sync(os, sink.file));
out:
    os->file_close(os, sink.file);
    ngi_file_sink_release(&sink);
    return status;
}

/* Writes, verifies and names one backup; leaves nothing when it fails. */
static ng_status backup_write(ng_store *store, const char *directory,
                              const ng_stream_options *options, ng_stream_report *report)
{
    ngi_os *os = store->os;
    char path[STORE_PATH_BYTES];
    char target[STORE_PATH_BYTES];
    char name[64];
    store_progress progress = {.call = options->progress,
                               .context = options->progress_context,
                               .os = os};
    ng_status status = ngi_file_path(directory, NEW_NAME, path);
    if (status != NG_OK)
        return status;
    NGI_TRY(backup_write_file(store, path, options, report));
    ngi_progress_begin(&progress, "verify", report->bytes);
    NGI_TRY(ngi_progress_step(&progress, 0, 0));
    NGI_TRY(backup_verify(os, store->mem, path, report));
    const backup_file file = {.is_full = !options->incremental,
                              .after = report->after,
                              .seq = report->seq};
    backup_name(&file, name);
    NGI_TRY(ngi_file_path(directory, name, target));
    NGI_TRY(os->rename(os, path, target));
    memcpy(path, target, sizeof path); /* what there is to remove from now on */
    NGI_TRY(os->sync_directory(os, directory));
    snprintf(report->file, sizeof report->file, "%s", name);
    return NG_OK;
out : {
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    (void)!os->remove(os, path);
    ngi_error_set(reason);
    return status;
}
}

/* Files of a store and backups do not mix: each would remove or lock what is the other's. */
static ng_status backup_check_place(ngi_os *os, const char *directory)
{
    char path[STORE_PATH_BYTES];
    ngi_file file;
    ng_status status = ngi_file_path(directory, "MANIFEST", path);
    if (status != NG_OK || os->file_open(os, path, NGI_OPEN_READ, &file) != NG_OK)
        return status;
    os->file_close(os, file);
    return ngi_fail(NG_E_INVALID, "%s: a store, not a directory for backups", directory);
}

/* Makes the directory if it is absent, and takes its lock. */
static ng_status backup_take(ngi_os *os, const char *directory, ngi_file *lock)
{
    char path[STORE_PATH_BYTES];
    ng_status status = os->make_directory(os, directory);
    if (status == NG_OK) {
        ngi_os_parent(directory, path, sizeof path);
        status = os->sync_directory(os, path);
    } else if (status == NG_E_EXISTS) {
        status = NG_OK;
    }
    if (status == NG_OK)
        status = backup_check_place(os, directory);
    if (status == NG_OK)
        status = ngi_file_path(directory, "LOCK", path);
    if (status == NG_OK)
        status = os->file_open(os, path, NGI_OPEN_WRITE | NGI_OPEN_CREATE, lock);
    if (status != NG_OK)
        return status;
    status = os->file_lock(os, *lock, true);
    if (status == NG_E_BUSY)
        status = ngi_fail(NG_E_BUSY, "%s: another backup is being written there", directory);
    if (status != NG_OK)
        os->file_close(os, *lock);
    return status;
}

ng_status ngi_store_backup(ng_store *store, const char *directory, const ng_backup_options *options,
                           ng_stream_report *out)
{
    ngi_os *os = store->os;
    char path[STORE_PATH_BYTES];
    ngi_file lock;
    ng_stream_report report = {0};
    ng_stream_options stream = {.struct_size = sizeof stream};
    uint64_t began_ns = os->monotonic_ns(os);
    if (options != NULL) {
        stream.incremental = options->incremental;
        stream.progress = options->progress;
        stream.progress_context = options->progress_context;
    }
    ng_status status = ngi_file_beside(directory, "", path);
    if (status == NG_OK)
        status = backup_take(os, path, &lock);
    if (status != NG_OK)
        return status;
    backup_list list = {.os = os, .mem = store->mem, .directory = path};
    NGI_TRY(backup_list_read(&list));
    NGI_TRY(backup_check_uuid(&list, store));
    const backup_file *end = backup_chain_end(&list);
    if (end != NULL)
        NGI_TRY(backup_check_history(&list, store, end));
    else if (stream.incremental)
        status = ngi_fail(NG_E_NOT_FOUND, "%s: no full backup to go on from", path);
    if (status != NG_OK)
        goto out;
    if (stream.incremental)
        stream.after = end->seq;
    if (stream.incremental && stream.after == ngi_wal_applied(store->wal)) {
        /* Nothing is new: a file that holds nothing would only have to be kept. */
        report =
            (ng_stream_report){.incremental = true, .after = stream.after, .seq = stream.after};
    } else {
        if (stream.incremental)
            stream.last = ngi_wal_applied(store->wal);
        NGI_TRY(backup_write(store, path, &stream, &report));
    }
    report.seconds = (double)(os->monotonic_ns(os) - began_ns) / 1e9;
    if (out != NULL)
        *out = report;
out:
    backup_list_release(&list);
    os->file_close(os, lock);
    return status;
}

/* --- restoring ------------------------------------------------------------------------------- */

static ng_status backup_feed(store_restore *restore, store_file_source *source, const char *path)
{
    ng_status status = ngi_restore_feed(restore, ngi_file_source, source);
    source->os->file_close(source->os, source->file);
    return status == NG_OK || status == NG_E_CANCELLED ? status : ngi_fail_prefix(status, path);
}

static ng_status backup_feed_file(store_restore *restore, const backup_list *list,
                                  const backup_file *file)
{
    char path[STORE_PATH_BYTES];
    store_file_source source;
    ng_status status = backup_open(list, file, path, &source);
    if (status != NG_OK)
        return status;
    ng_seq before = restore->seq;
    status = backup_feed(restore, &source, path);
    if (status == NG_OK && !restore->complete && restore->seq < file->seq)
        return ngi_fail(NG_E_CORRUPT, "%s: ends at op %llu", path,
                        (unsigned long long)restore->seq);
    if (status == NG_OK && !restore->complete && restore->seq == before && !file->is_full)
        return ngi_fail(NG_E_CORRUPT, "%s: holds no new op", path);
    return status;
}

/* The newest full one that is old enough; NULL with NG_OK if the ops are there from the first on. */
static ng_status backup_choose(const backup_list *list, const ng_restore_options *options,
                               const backup_file **out)
{
    ng_seq most = options->seq != 0 ? options->seq : UINT64_MAX;
    const backup_file *oldest = NULL;
    for (;;) {
        *out = backup_full(list, most);
        if (*out == NULL || options->time_us == 0)
            break;
        ngi_stream_head head = {0};
        ng_status status = backup_head(list, *out, &head);
        if (status != NG_OK)
            return status;
        if (head.state_time_us <= options->time_us)
            break;
        oldest = *out;
        if (oldest->seq == 0)
            break;
        most = oldest->seq - 1;
    }
    if (*out != NULL || backup_next(list, 0) != NULL)
        return NG_OK;
    for (size_t i = 0; i < list->count && oldest == NULL; i++)
        oldest = &list->items[i];
    if (oldest == NULL)
        return ngi_fail(NG_E_NOT_FOUND, "%s: no backup there", list->directory);
    return ngi_fail(NG_E_GONE, "%s: the oldest backup, of op %llu, is newer than what is wanted",
                    list->directory, (unsigned long long)oldest->seq);
}

/* Nothing goes on from here. That is the end, unless something later is there or wanted. */
static ng_status backup_check_end(const store_restore *restore, const backup_list *list)
{
    ng_seq wanted = restore->options.seq;
    if (restore->complete || (wanted != 0 && restore->seq >= wanted))
        return NG_OK;
    const backup_file *later = NULL;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].seq > restore->seq &&
            (later == NULL || list->items[i].after < later->after))
            later = &list->items[i];
    if (later == NULL)
        return NG_OK;
    ng_seq until = later->is_full ? later->seq : later->after;
    return ngi_fail(NG_E_GONE, "%s: a backup of ops %llu..%llu is missing", list->directory,
                    (unsigned long long)restore->seq + 1, (unsigned long long)until);
}

static ng_status backup_restore_list(store_restore *restore, const backup_list *list)
{
    const backup_file *file = NULL;
    ng_status status = backup_choose(list, &restore->options, &file);
    if (status != NG_OK)
        return status;
    ng_seq wanted = restore->options.seq != 0 ? restore->options.seq : UINT64_MAX;
    if (file != NULL)
        status = backup_feed_file(restore, list, file);
    while (status == NG_OK && !restore->complete && restore->seq < wanted) {
        file = backup_next(list, restore->seq);
        if (file == NULL)
            break;
        status = backup_feed_file(restore, list, file);
    }
    return status == NG_OK ? backup_check_end(restore, list) : status;
}

static ng_status backup_restore(store_restore *restore, backup_list *list)
{
    ngi_os *os = list->os;
    ng_status status = backup_list_read(list);
    if (status == NG_OK)
        return backup_restore_list(restore, list);
    if (status == NG_E_NOMEM || status == NG_E_NOT_FOUND)
        return status;
    store_file_source source = {.os = os}; /* not a directory: a file, or nothing we can read */
    status = os->file_open(os, list->directory, NGI_OPEN_READ, &source.file);
    return status != NG_OK ? status : backup_feed(restore, &source, list->directory);
}

ng_status ngi_store_restore(ngi_os *os, ngi_mem *mem, const char *from, const char *to,
                            const ng_restore_options *options, ng_stream_report *out)
{
    store_restore restore = {0};
    backup_list list = {.os = os, .mem = mem, .directory = from};
    ng_status status = ngi_restore_begin(&restore, os, mem, to, options);
    if (status == NG_OK)
        status = backup_restore(&restore, &list);
    if (status == NG_OK)
        status = ngi_restore_finish(&restore, out);
    ngi_restore_release(&restore);
    backup_list_release(&list);
    return status;
}
