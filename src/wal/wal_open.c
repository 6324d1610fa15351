/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The life of a log: directory, lock file, MANIFEST, and the clean end. */
#include "wal/wal_private.h"

#include <stdio.h>
#include <string.h>

static ng_status wal_open_lock(ngi_wal *wal, const char *path, unsigned mode)
{
    ngi_file file;
    ng_status status = wal->os->file_open(wal->os, path, mode, &file);
    if (status == NG_OK)
        wal->lock_file = file;
    return status;
}

/* Says which process writes to the store; the file holds its number in decimal. */
static ng_status wal_fail_busy(ngi_wal *wal)
{
    char holder[24] = {0};
    size_t got = 0;
    if (wal->os->file_read(wal->os, wal->lock_file, holder, sizeof holder - 1, 0, &got) != NG_OK)
        got = 0;
    holder[strcspn(holder, " \n")] = '\0';
    return ngi_fail(NG_E_BUSY, "%s: in use by pid %s", wal->home.path,
                    got > 0 ? holder : "unknown");
}

/* Shared with other readers. Without a LOCK file nobody ever wrote here, or it is a copy on media
 * where nobody can. */
static ng_status wal_take_shared_lock(ngi_wal *wal)
{
    char path[WAL_PATH_BYTES];
    snprintf(path, sizeof path, "%s/LOCK", wal->home.path);
    ngi_os *os = wal->os;
    ng_status status = wal_open_lock(wal, path, NGI_OPEN_READ);
    if (status == NG_E_NOT_FOUND)
        return NG_OK;
    if (status != NG_OK)
        return status;
    status = os->file_lock(os, wal->lock_file, false);
    return status == NG_E_BUSY ? wal_fail_busy(wal) : status;
}

static ng_status wal_take_lock(ngi_wal *wal)
{
    char path[WAL_PATH_BYTES];
    snprintf(path, sizeof path, "%s/LOCK", wal->home.path);
    ngi_os *os = wal->os;
    ng_status status = wal_open_lock(wal, path, NGI_OPEN_WRITE | NGI_OPEN_CREATE);
    if (status != NG_OK)
        return status;
    status = os->file_lock(os, wal->lock_file, true);
    if (status == NG_E_BUSY && os->file_lock(os, wal->lock_file, false) == NG_OK)
        return ngi_fail(NG_E_BUSY, "%s: open for reading in another process", wal->home.path);
    if (status == NG_E_BUSY)
        return wal_fail_busy(wal);
    if (status != NG_OK)
        return status;
    /* Of one length and without cutting the file before: on a full disk that would give away the room
     * for it. The number is for messages alone, so the store opens without. */
    char text[24];
    int length = snprintf(text, sizeof text, "%-10u\n", ngi_os_process_id());
    status = os->file_write(os, wal->lock_file, text, (size_t)length, 0);
    return status == NG_E_DISK_FULL ? NG_OK : status;
}

static bool name_ends(const char *name, const char *end)
{
    size_t bytes = strlen(name);
    size_t end_bytes = strlen(end);
    return bytes > end_bytes && strcmp(name + bytes - end_bytes, end) == 0;
}

/* Whether a name is one that a store gives, also one whose creation was interrupted. */
static ng_status wal_see_name(void *context, const char *name)
{
    static const char *const own[] = {"MANIFEST",         "MANIFEST.new", "LOCK",
                                      "BLACKBOX",         "BLACKBOX.new", "blackbox.json",
                                      "blackbox.json.new"};
    bool is_own =
        name_ends(name, ".log") || name_ends(name, ".snap") || name_ends(name, ".snap.new");
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        is_own = is_own || strcmp(name, own[i]) == 0;
    if (!is_own)
        *(bool *)context = true;
    return NG_OK;
}

static ng_status wal_see_content(void *context, const char *name)
{
    const char **what = context;
    if (name_ends(name, ".log"))
        *what = "log";
    else if (name_ends(name, ".snap") && *what == NULL)
        *what = "snapshot";
    return NG_OK;
}

static ng_status wal_make_directory(ngi_wal *wal)
{
    ngi_os *os = wal->os;
    ng_status status = os->make_directory(os, wal->home.path);
    return status == NG_E_EXISTS ? NG_OK : status; /* its entry is synced with the MANIFEST's */
}

/* MANIFEST is written before everything else: without it there must be nothing. */
static ng_status wal_check_empty(ngi_wal *wal)
{
    ngi_os *os = wal->os;
    const char *what = NULL;
    ng_status status = os->list_directory(os, wal->home.path, wal_see_content, &what);
    if (status == NG_OK && what != NULL)
        return ngi_fail(NG_E_CORRUPT, "%s/MANIFEST: missing, but there is a %s", wal->home.path,
                        what);
    return status;
}

static ng_status wal_create_manifest(ngi_wal *wal, const ngi_manifest *manifest)
{
    ngi_os *os = wal->os;
    char parent[WAL_PATH_BYTES];
    ngi_os_parent(wal->home.path, parent, sizeof parent);
    ng_status status = wal_check_empty(wal);
    /* First the entry of the directory, which another attempt may have made: whoever finds a MANIFEST
     * relies on it. */
    if (status == NG_OK)
        status = os->sync_directory(os, parent);
    if (status == NG_OK)
        status = ngi_manifest_write(os, wal->home.path, manifest);
    return status;
}

static ng_status wal_read_existing(ngi_wal *wal, ngi_manifest *manifest)
{
    ng_status status = ngi_manifest_read(wal->os, wal->home.path, manifest);
    if (status != NG_E_NOT_FOUND)
        return status;
    if (wal_check_empty(wal) == NG_E_CORRUPT)
        return NG_E_CORRUPT; /* not "no store": what is left of it can be saved */
    return ngi_fail(NG_E_NOT_FOUND, "%s: no store there", wal->home.path);
}

static ng_status wal_open_files(ngi_wal *wal, bool must_exist, ngi_manifest *manifest)
{
    ngi_manifest ignored;
    ng_status status = must_exist ? wal_read_existing(wal, &ignored) : wal_make_directory(wal);
    if (status == NG_OK)
        status = wal_take_lock(wal);
    if (status == NG_OK && must_exist)
        return wal_read_existing(wal, manifest);
    if (status != NG_OK)
        return status;
    ngi_manifest found;
    status = ngi_manifest_read(wal->os, wal->home.path, &found);
    if (status == NG_E_NOT_FOUND)
        return wal_create_manifest(wal, manifest);
    /* Perhaps the attempt that wrote it ended before its entry was durable: no segment may be found
     * without it. */
    if (status == NG_OK && found.clean_seq == 0 && found.snapshot_seq == 0)
        status = wal->os->sync_directory(wal->os, wal->home.path);
    if (status == NG_OK)
        *manifest = found;
    return status;
}

static ng_status wal_open_files_to_read(ngi_wal *wal, ngi_manifest *manifest)
{
    ng_status status = wal_take_shared_lock(wal);
    return status == NG_OK ? wal_read_existing(wal, manifest) : status;
}

/* Refuses to make a store among files of something else. */
static ng_status wal_check_foreign(ngi_wal *wal)
{
    bool foreign = false;
    ngi_manifest ignored;
    if (wal->os->list_directory(wal->os, wal->home.path, wal_see_name, &foreign) != NG_OK ||
        !foreign)
        return NG_OK; /* absent: the next step says so if it cannot be made */
    if (ngi_manifest_read(wal->os, wal->home.path, &ignored) != NG_E_NOT_FOUND)
        return NG_OK;
    return ngi_fail(NG_E_INVALID, "%s: the directory is not empty and not a store", wal->home.path);
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

#define WAL_GATES 4

static void wal_list_gates(ngi_wal *wal, wal_gate *out[WAL_GATES])
{
    out[0] = &wal->leader_gate;
    out[1] = &wal->follower_gates[0];
    out[2] = &wal->follower_gates[1];
    out[3] = &wal->change_gate;
}

static void wal_destroy_locks(ngi_wal *wal, size_t mutexes, bool room, size_t gates)
{
    ngi_mutex *all[] = {&wal->lock, &wal->latch_lock, &wal->manifest_lock};
    wal_gate *list[WAL_GATES];
    wal_list_gates(wal, list);
    while (gates > 0)
        gate_destroy(list[--gates]);
    if (room)
        ngi_cond_destroy(&wal->room);
    while (mutexes > 0)
        ngi_mutex_destroy(all[--mutexes]);
}

static ng_status wal_init_locks(ngi_wal *wal)
{
    ngi_mutex *all[] = {&wal->lock, &wal->latch_lock, &wal->manifest_lock};
    wal_gate *list[WAL_GATES];
    size_t mutexes = 0;
    size_t gates = 0;
    bool room = false;
    ng_status status = NG_OK;
    wal_list_gates(wal, list);
    while (mutexes < 3 && (status = ngi_mutex_init(all[mutexes])) == NG_OK)
        mutexes++;
    if (status == NG_OK)
        room = (status = ngi_cond_init(&wal->room)) == NG_OK;
    while (status == NG_OK && gates < WAL_GATES && (status = gate_init(list[gates])) == NG_OK)
        gates++;
    if (status != NG_OK)
        wal_destroy_locks(wal, mutexes, room, gates);
    return status;
}

static void wal_free(ngi_wal *wal)
{
    ngi_mem *mem = wal->mem;
    const ngi_file files[] = {wal->active, wal->spare, wal->lock_file};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] != WAL_NO_FILE)
            wal->os->file_close(wal->os, files[i]);
    ngi_buffer_release(mem, &wal->buffers[0]);
    ngi_buffer_release(mem, &wal->buffers[1]);
    ngi_free(mem, wal->segments, wal->segment_capacity * sizeof *wal->segments);
    if (wal->home.path != NULL)
        ngi_free(mem, wal->home.path, strlen(wal->home.path) + 1);
    wal_destroy_locks(wal, 3, true, WAL_GATES);
    ngi_free(mem, wal, sizeof *wal);
}

static ng_status wal_create(ngi_os *os, ngi_mem *mem, const ngi_wal_options *options, ngi_wal **out)
{
    void *block;
    ng_status status = ngi_alloc(mem, sizeof(ngi_wal), "log", &block);
    if (status != NG_OK)
        return status;
    ngi_wal *wal = block;
    *wal = (ngi_wal){.os = os,
                     .mem = mem,
                     .read_only = options->read_only,
                     .durability = options->durability,
                     .segment_bytes = options->segment_bytes,
                     .lock_file = WAL_NO_FILE,
                     .active = WAL_NO_FILE,
                     .spare = WAL_NO_FILE,
                     .begin_seq = 1};
    atomic_init(&wal->applied, 0);
    atomic_init(&wal->durable, 0);
    atomic_init(&wal->is_woken, false);
    atomic_init(&wal->latched, false);
    atomic_init(&wal->handed, 0);
    status = wal_init_locks(wal);
    if (status != NG_OK)
        ngi_free(mem, wal, sizeof *wal);
    else
        *out = wal;
    return status;
}

static ng_status wal_set_path(ngi_wal *wal, const char *path)
{
    size_t bytes = strlen(path) + 1;
    if (bytes > WAL_PATH_BYTES - 64 || bytes == 1)
        return ngi_fail(NG_E_INVALID, "path of %zu bytes is outside 1..%d", bytes - 1,
                        WAL_PATH_BYTES - 65);
    void *copy;
    ng_status status = ngi_alloc(wal->mem, bytes, "path", &copy);
    if (status != NG_OK)
        return status;
    memcpy(copy, path, bytes);
    wal->home.path = copy;
    return NG_OK;
}

ng_status ngi_wal_open(ngi_os *os, ngi_mem *mem, const ngi_wal_options *options,
                       ngi_manifest *manifest, ngi_wal **out)
{
    ngi_wal *wal = NULL;
    ng_status status = wal_create(os, mem, options, &wal);
    if (status != NG_OK)
        return status;
    if (manifest->first_segment == 0)
        manifest->first_segment = 1;
    if (options->path != NULL) {
        NGI_TRY(wal_set_path(wal, options->path));
        if (options->read_only) {
            NGI_TRY(wal_open_files_to_read(wal, manifest));
        } else {
            NGI_TRY(wal_check_foreign(wal));
            NGI_TRY(wal_open_files(wal, options->must_exist, manifest));
        }
    }
    wal->manifest = *manifest;
    ngi_wal_home_init(&wal->home, os, mem, manifest->uuid);
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
    ngi_wal_drop_spare(wal);
    if (status != NG_OK || wal->active == WAL_NO_FILE)
        return status;
    wal_segment *last = &wal->segments[wal->segment_count - 1];
    if (last->file_bytes != last->end_bytes) {
        NGI_TRY(os->file_truncate(os, wal->active, last->end_bytes));
        NGI_TRY(os->file_sync(os, wal->active));
    }
    if (wal->manifest.clean_seq != newest) {
        wal->manifest.clean_seq = newest;
        status = ngi_manifest_write(os, wal->home.path, &wal->manifest);
        /* Every op is durable: a disk without room for the new MANIFEST is no reason to doubt them. */
        if (status == NG_E_DISK_FULL) {
            ngi_blackbox_note(wal->box, "disk full", newest, "%s", ngi_last_error());
            status = NG_OK;
        }
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
    else if (wal->home.path != NULL && wal->is_recovered && !wal->read_only)
        status = wal_end_cleanly(wal);
    wal_free(wal);
    return status;
}
