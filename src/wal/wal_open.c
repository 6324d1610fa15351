/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The life of a log: directory, lock file, MANIFEST, and the clean end. */
#include "wal/wal_private.h"

#include "base/base_crc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Says which process has the store; the file holds its number in decimal. */
static ng_status wal_fail_busy(ngi_wal *wal)
{
    char holder[24] = {0};
    size_t got = 0;
    if (wal->os->file_read(wal->os, wal->lock_file, holder, sizeof holder - 1, 0, &got) != NG_OK)
        got = 0;
    holder[strcspn(holder, "\n")] = '\0';
    return ngi_fail(NG_E_BUSY, "%s: in use by pid %s", wal->path, got > 0 ? holder : "unknown");
}

static ng_status wal_take_lock(ngi_wal *wal)
{
    char path[WAL_PATH_BYTES];
    snprintf(path, sizeof path, "%s/LOCK", wal->path);
    ngi_os *os = wal->os;
    ng_status status = os->file_open(os, path, NGI_OPEN_WRITE | NGI_OPEN_CREATE, &wal->lock_file);
    if (status != NG_OK)
        return status;
    status = os->file_lock(os, wal->lock_file);
    if (status == NG_E_BUSY)
        return wal_fail_busy(wal);
    if (status != NG_OK)
        return status;
    char text[24];
    int length = snprintf(text, sizeof text, "%u\n", ngi_os_process_id());
    status = os->file_truncate(os, wal->lock_file, 0);
    return status != NG_OK ? status : os->file_write(os, wal->lock_file, text, (size_t)length, 0);
}

/* The directory that holds `path`, so that the entry of a new store's directory is durable too. */
static void wal_parent(const char *path, char out[WAL_PATH_BYTES])
{
    snprintf(out, WAL_PATH_BYTES, "%s", path);
    size_t end = strlen(out);
    while (end > 1 && out[end - 1] == '/')
        end--;
    while (end > 0 && out[end - 1] != '/')
        end--;
    if (end == 0)
        snprintf(out, WAL_PATH_BYTES, ".");
    else
        out[end > 1 ? end - 1 : end] = '\0';
}

/* Whether a name is one that a store gives, also one whose creation was interrupted. */
static ng_status wal_see_name(void *context, const char *name)
{
    const char *end = strrchr(name, '.');
    if (strcmp(name, "MANIFEST") != 0 && strcmp(name, "MANIFEST.new") != 0 &&
        strcmp(name, "LOCK") != 0 && (end == NULL || strcmp(end, ".log") != 0))
        *(bool *)context = true;
    return NG_OK;
}

static ng_status wal_see_segment(void *context, const char *name)
{
    const char *end = strrchr(name, '.');
    if (end != NULL && strcmp(end, ".log") == 0)
        *(bool *)context = true;
    return NG_OK;
}

static ng_status wal_make_directory(ngi_wal *wal)
{
    ngi_os *os = wal->os;
    ng_status status = os->make_directory(os, wal->path);
    return status == NG_E_EXISTS ? NG_OK : status; /* its entry is synced with the MANIFEST's */
}

static ng_status wal_open_files(ngi_wal *wal, bool must_exist, ngi_manifest *manifest)
{
    ngi_os *os = wal->os;
    ng_status status = NG_OK;
    if (must_exist) {
        ngi_manifest ignored;
        status = ngi_manifest_read(os, wal->path, &ignored);
        if (status == NG_E_NOT_FOUND)
            return ngi_fail(NG_E_NOT_FOUND, "%s: no store there", wal->path);
        if (status != NG_OK)
            return status;
    } else {
        NGI_TRY(wal_make_directory(wal));
    }
    NGI_TRY(wal_take_lock(wal));
    status = ngi_manifest_read(os, wal->path, manifest);
    if (status == NG_E_NOT_FOUND && !must_exist) {
        /* MANIFEST is written before the first segment: without it there must be no log. */
        bool any = false;
        char parent[WAL_PATH_BYTES];
        wal_parent(wal->path, parent);
        NGI_TRY(os->list_directory(os, wal->path, wal_see_segment, &any));
        if (any)
            return ngi_fail(NG_E_CORRUPT, "%s/MANIFEST: missing, but there is a log", wal->path);
        NGI_TRY(ngi_manifest_write(os, wal->path, manifest));
        NGI_TRY(os->sync_directory(os, parent)); /* also when another attempt made the directory */
    }
    if (status == NG_OK)
        wal->manifest = *manifest;
out:
    return status;
}

/* Refuses to make a store among files of something else. */
static ng_status wal_check_foreign(ngi_wal *wal)
{
    bool foreign = false;
    ngi_manifest ignored;
    if (wal->os->list_directory(wal->os, wal->path, wal_see_name, &foreign) != NG_OK || !foreign)
        return NG_OK; /* absent: the next step says so if it cannot be made */
    if (ngi_manifest_read(wal->os, wal->path, &ignored) != NG_E_NOT_FOUND)
        return NG_OK;
    return ngi_fail(NG_E_INVALID, "%s: the directory is not empty and not a store", wal->path);
}

static ng_status gate_init(wal_gate *gate)
{
    ng_status status = ngi_mutex_init(&gate->mutex);
    if (status != NG_OK)
        return status;
    status = ngi_cond_init(&gate->opened);
    if (status != NG_OK)
        ngi_mutex_destroy(&gate->mutex);
    return status;
}

static void gate_destroy(wal_gate *gate)
{
    ngi_cond_destroy(&gate->opened);
    ngi_mutex_destroy(&gate->mutex);
}

static void wal_free(ngi_wal *wal)
{
    ngi_mem *mem = wal->mem;
    if (wal->active != WAL_NO_FILE)
        wal->os->file_close(wal->os, wal->active);
    if (wal->lock_file != WAL_NO_FILE)
        wal->os->file_close(wal->os, wal->lock_file);
    ngi_buffer_release(mem, &wal->buffers[0]);
    ngi_buffer_release(mem, &wal->buffers[1]);
    ngi_free(mem, wal->segments, wal->segment_capacity * sizeof *wal->segments);
    if (wal->path != NULL)
        ngi_free(mem, wal->path, strlen(wal->path) + 1);
    gate_destroy(&wal->leader_gate);
    gate_destroy(&wal->follower_gates[0]);
    gate_destroy(&wal->follower_gates[1]);
    ngi_mutex_destroy(&wal->lock);
    ngi_free(mem, wal, sizeof *wal);
}

static ng_status wal_init_locks(ngi_wal *wal)
{
    wal_gate *gates[] = {&wal->leader_gate, &wal->follower_gates[0], &wal->follower_gates[1]};
    size_t made = 0;
    ng_status status = ngi_mutex_init(&wal->lock);
    if (status != NG_OK)
        return status;
    while (made < 3 && (status = gate_init(gates[made])) == NG_OK)
        made++;
    if (status == NG_OK)
        return NG_OK;
    while (made > 0)
        gate_destroy(gates[--made]);
    ngi_mutex_destroy(&wal->lock);
    return status;
}

static ng_status wal_create(ngi_os *os, ngi_mem *mem, uint64_t segment_bytes, ngi_wal **out)
{
    void *block;
    ng_status status = ngi_alloc(mem, sizeof(ngi_wal), "log", &block);
    if (status != NG_OK)
        return status;
    ngi_wal *wal = block;
    *wal = (ngi_wal){.os = os,
                     .mem = mem,
                     .lock_file = WAL_NO_FILE,
                     .active = WAL_NO_FILE,
                     .segment_bytes = segment_bytes};
    atomic_init(&wal->applied, 0);
    atomic_init(&wal->durable, 0);
    atomic_init(&wal->latched, false);
    atomic_init(&wal->handed, 0);
    status = wal_init_locks(wal);
    if (status != NG_OK)
        ngi_free(mem, wal, sizeof *wal);
    else
        *out = wal;
    return status;
}

ng_status ngi_wal_open(ngi_os *os, ngi_mem *mem, const char *path, bool must_exist,
                       uint64_t segment_bytes, ngi_manifest *manifest, ngi_wal **out)
{
    ngi_wal *wal = NULL;
    ng_status status = wal_create(os, mem, segment_bytes, &wal);
    if (status != NG_OK)
        return status;
    if (path == NULL) {
        wal->manifest = *manifest;
        *out = wal;
        return NG_OK;
    }
    size_t bytes = strlen(path) + 1;
    if (bytes > WAL_PATH_BYTES - 64 || bytes == 1) {
        status = ngi_fail(NG_E_INVALID, "path of %zu bytes is outside 1..%d", bytes - 1,
                          WAL_PATH_BYTES - 65);
        goto out;
    }
    void *copy;
    NGI_TRY(ngi_alloc(mem, bytes, "path", &copy));
    memcpy(copy, path, bytes);
    wal->path = copy;
    NGI_TRY(wal_check_foreign(wal));
    NGI_TRY(wal_open_files(wal, must_exist, manifest));
    wal->salt = ngi_crc32c(0, manifest->uuid, sizeof manifest->uuid);
    *out = wal;
    return NG_OK;
out:
    wal_free(wal);
    return status;
}

/* Cuts the preallocated rest of the active segment and notes how far the log is known to reach. */
static ng_status wal_end_cleanly(ngi_wal *wal)
{
    ngi_os *os = wal->os;
    ng_seq newest = ngi_wal_applied(wal);
    ng_status status = ngi_wal_wait(wal, newest);
    if (status != NG_OK || wal->active == WAL_NO_FILE)
        return status;
    wal_segment *last = &wal->segments[wal->segment_count - 1];
    if (last->file_bytes != last->end_bytes) {
        NGI_TRY(os->file_truncate(os, wal->active, last->end_bytes));
        NGI_TRY(os->file_sync(os, wal->active));
    }
    if (wal->manifest.clean_seq != newest) {
        wal->manifest.clean_seq = newest;
        NGI_TRY(ngi_manifest_write(os, wal->path, &wal->manifest));
    }
out:
    return status;
}

ng_status ngi_wal_close(ngi_wal *wal)
{
    if (wal == NULL)
        return NG_OK;
    ng_status status = NG_OK;
    if (ngi_wal_is_latched(wal))
        status = ngi_wal_fail_latched(wal);
    else if (wal->path != NULL && wal->is_recovered)
        status = wal_end_cleanly(wal);
    wal_free(wal);
    return status;
}
