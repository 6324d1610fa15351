/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The snapshot files of a store: written under a temporary name, found again, and tried one after
 * the other when a store is opened.
 *
 * `<seq>.snap` is complete, verified and synced from the moment it has this name. `<seq>.snap.new`
 * is what an interruption left behind. Which snapshot counts is what MANIFEST says: a newer file
 * is one whose MANIFEST was never written. */
#include "store/store_loader.h"
#include "store/store_snapshot_sink.h"
#include "wal/wal_cursor.h"

#include <stdio.h>
#include <string.h>

#define PATH_BYTES 4352
#define SEQ_DIGITS 20
#define NEW_SUFFIX ".snap.new"
#define SNAP_SUFFIX ".snap"
#define LIST_MAX 64u /* snapshots of a directory that are looked at, newest first */

void ngi_snapshot_path(const char *directory, ng_seq seq, char *out, size_t capacity)
{
    snprintf(out, capacity, "%s/%0*llu" SNAP_SUFFIX, directory, SEQ_DIGITS,
             (unsigned long long)seq);
}

static void snapshot_new_path(const char *directory, ng_seq seq, char *out, size_t capacity)
{
    snprintf(out, capacity, "%s/%0*llu" NEW_SUFFIX, directory, SEQ_DIGITS, (unsigned long long)seq);
}

/* --- finding --------------------------------------------------------------------------------- */

typedef struct snapshot_names {
    const char *suffix;
    ng_seq *seqs; /* [capacity], newest first */
    size_t capacity, count;
} snapshot_names;

/* The seq of a name with that suffix, or 0. */
static ng_seq names_parse(const char *name, const char *suffix)
{
    ng_seq seq = 0;
    for (int i = 0; i < SEQ_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        ng_seq digit = (ng_seq)(name[i] - '0');
        if (seq > (UINT64_MAX - digit) / 10)
            return 0;
        seq = 10 * seq + digit;
    }
    return strcmp(name + SEQ_DIGITS, suffix) == 0 ? seq : 0;
}

static ng_status names_see(void *context, const char *name)
{
    snapshot_names *names = context;
    ng_seq seq = names_parse(name, names->suffix);
    if (seq == 0)
        return NG_OK;
    size_t at = names->count;
    while (at > 0 && names->seqs[at - 1] < seq)
        at--;
    if (at == names->capacity)
        return NG_OK;
    if (names->count == names->capacity)
        names->count--;
    memmove(names->seqs + at + 1, names->seqs + at, (names->count - at) * sizeof *names->seqs);
    names->seqs[at] = seq;
    names->count++;
    return NG_OK;
}

static ng_status names_list(ngi_os *os, const char *directory, snapshot_names *names)
{
    names->count = 0;
    return os->list_directory(os, directory, names_see, names);
}

ng_status ngi_snapshot_list(ngi_os *os, const char *directory, ng_seq *out, size_t capacity,
                            size_t *count)
{
    snapshot_names names = {.suffix = SNAP_SUFFIX, .seqs = out, .capacity = capacity};
    ng_status status = names_list(os, directory, &names);
    *count = names.count;
    return status;
}

/* Removes what interrupted checkpoints left behind. They are in nobody's way, so a failure is
 * none. */
static void snapshot_remove_leftovers(const ng_store *store)
{
    ng_seq seqs[LIST_MAX];
    snapshot_names names = {.suffix = NEW_SUFFIX, .seqs = seqs, .capacity = LIST_MAX};
    if (names_list(store->os, store->path, &names) != NG_OK)
        return;
    for (size_t i = 0; i < names.count; i++) {
        char path[PATH_BYTES];
        snapshot_new_path(store->path, seqs[i], path, sizeof path);
        (void)!store->os->remove(store->os, path);
    }
}

/* --- writing --------------------------------------------------------------------------------- */

/* Writes and syncs the whole file. */
static ng_status save_write(const ng_view *view, const char *path, store_progress *progress)
{
    const ng_store *store = view->store;
    store_snapshot_sink *sink;
    ng_status status = ngi_snapshot_sink_open(store->os, store->mem, path, !store->manual, &sink);
    if (status != NG_OK)
        return status;
    ngi_stream_writer writer = {.sink = ngi_snapshot_sink_take, .sink_context = sink};
    ngi_progress_begin(progress, "snapshot", 0);
    NGI_TRY(ngi_snapshot_write(view, &writer, progress));
    NGI_TRY(ngi_stream_end(&writer));
    NGI_TRY(ngi_snapshot_sink_sync(sink));
out:
    ngi_snapshot_sink_close(sink);
    return status;
}

ng_status ngi_snapshot_save(const ng_view *view, store_progress *progress, uint64_t *bytes)
{
    const ng_store *store = view->store;
    ngi_os *os = store->os;
    char path[PATH_BYTES], temporary[PATH_BYTES];
    ngi_stream_head head;
    ngi_snapshot_path(store->path, view->seq, path, sizeof path);
    snapshot_new_path(store->path, view->seq, temporary, sizeof temporary);
    ng_status status = save_write(view, temporary, progress);
    if (status != NG_OK)
        goto out;
    ngi_progress_begin(progress, "verify", 0);
    NGI_TRY(ngi_snapshot_read(os, store->mem, temporary, NULL, NULL,
                              ngi_store_thread_count(store), progress, &head, bytes));
    NGI_TRY(os->rename(os, temporary, path));
    /* Whether or not this succeeds the file stays: MANIFEST may name one of this seq already. */
    return os->sync_directory(os, store->path);
out : {
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    (void)!os->remove(os, temporary);
    ngi_error_set(reason);
    return status;
}
}

ng_status ngi_snapshot_verify(ngi_os *os, ngi_mem *mem, const char *path,
                              const ngi_manifest *manifest, uint64_t *bytes)
{
    ngi_stream_head head;
    return ngi_snapshot_read(os, mem, path, manifest, NULL, 1, NULL, &head, bytes);
}

/* --- recovery -------------------------------------------------------------------------------- */

ng_status ngi_snapshot_load(ng_store *store, const char *path, ngi_stream_head *head)
{
    return ngi_snapshot_read(store->os, store->mem, path, NULL, store,
                             ngi_store_thread_count(store), NULL, head, NULL);
}

/* Loads one file; a failure leaves the tables empty. */
static ng_status recover_one(ng_store *store, const ngi_manifest *manifest, ng_seq seq,
                             ngi_stream_head *head, uint64_t *bytes)
{
    char path[PATH_BYTES];
    ngi_snapshot_path(store->path, seq, path, sizeof path);
    ng_status status = ngi_snapshot_read(store->os, store->mem, path, manifest, store,
                                         ngi_store_thread_count(store), NULL, head, bytes);
    const ngi_manifest *identity = &head->identity;
    bool fits = status != NG_OK ||
                (head->state_seq == seq && identity->created_us == manifest->created_us &&
                 memcmp(identity->encoding.scale, manifest->encoding.scale,
                        sizeof identity->encoding.scale) == 0 &&
                 memcmp(identity->encoding.origin, manifest->encoding.origin,
                        sizeof identity->encoding.origin) == 0);
    if (!fits)
        status = ngi_fail(NG_E_CORRUPT, "%s: does not belong to this MANIFEST", path);
    if (status == NG_OK)
        return NG_OK;
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    ng_status reset = ngi_store_reset_tables(store);
    if (reset != NG_OK)
        return reset;
    ngi_error_set(reason);
    return status;
}

/* A disk tells of a bad sector by a read that fails. */
static bool recover_is_damage(ng_status status)
{
    return status == NG_E_CORRUPT || status == NG_E_NOT_FOUND || status == NG_E_IO;
}

/* Tries the snapshots before the one that MANIFEST names, newest first. `*seq` 0: none can be
 * used. */
static ng_status recover_older(ng_store *store, const ngi_manifest *manifest, ngi_stream_head *head,
                               uint64_t *bytes, ng_seq *seq)
{
    ng_seq seqs[LIST_MAX];
    size_t count;
    *seq = 0;
    ng_status status = ngi_snapshot_list(store->os, store->path, seqs, LIST_MAX, &count);
    for (size_t i = 0; i < count && status == NG_OK; i++) {
        if (seqs[i] >= manifest->snapshot_seq)
            continue;
        status = recover_one(store, manifest, seqs[i], head, bytes);
        if (status == NG_OK) {
            *seq = seqs[i];
            return NG_OK;
        }
        if (recover_is_damage(status))
            status = NG_OK;
    }
    return status;
}

/* Whether the log still begins with op 1: then it holds the whole state by itself. The log is not
 * cut before there is a second snapshot. */
static bool recover_log_is_whole(const ng_store *store, const ngi_manifest *manifest)
{
    ngi_wal_cursor *cursor;
    ngi_op op;
    const uint8_t *frame;
    size_t bytes;
    bool found = false;
    if (ngi_wal_cursor_open(store->os, store->mem, store->path, manifest, 0, &cursor) != NG_OK)
        return false;
    ng_status status = ngi_wal_cursor_next(cursor, 1, &op, &frame, &bytes, &found);
    ngi_wal_cursor_close(cursor);
    return status == NG_OK && found && op.seq == 1;
}

/* The snapshot that MANIFEST names is damaged, as `damage` and the last error say: what else is
 * there? */
static ng_status recover_otherwise(ng_store *store, const ngi_manifest *manifest, ng_status damage,
                                   ngi_stream_head *head, uint64_t *bytes, ng_seq *seq)
{
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    ng_status status = recover_older(store, manifest, head, bytes, seq);
    if (status != NG_OK)
        return status;
    if (*seq == 0 && !recover_log_is_whole(store, manifest)) {
        ngi_error_set(reason);
        return damage == NG_E_IO ? NG_E_IO : NG_E_CORRUPT;
    }
    ngi_blackbox_note(store->box, "snapshot", *seq, "not used because it is damaged: %s", reason);
    return NG_OK;
}

ng_status ngi_snapshot_recover(ng_store *store, const ngi_manifest *manifest, ng_seq *seq,
                               uint64_t *time_us)
{
    ngi_stream_head head;
    uint64_t bytes = 0;
    *seq = 0;
    *time_us = 0;
    if (!store->read_only)
        snapshot_remove_leftovers(store);
    if (manifest->snapshot_seq == 0)
        return NG_OK;
    ng_seq found = manifest->snapshot_seq;
    ng_status status = recover_one(store, manifest, found, &head, &bytes);
    if (recover_is_damage(status))
        status = recover_otherwise(store, manifest, status, &head, &bytes, &found);
    if (status != NG_OK || found == 0)
        return status; /* 0: the log alone is replayed, from its begin */
    *seq = found;
    *time_us = head.state_time_us;
    store->upkeep.snapshot_seq = found;
    store->upkeep.snapshot_bytes = bytes;
    store->upkeep.snapshot_us = head.state_time_us;
    return NG_OK;
}
