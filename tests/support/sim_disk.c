/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of calls of the simulated disk, with its faults and its trace. */
#include "sim_disk_private.h"

#include <stdio.h>
#include <string.h>

sim_disk *sim_disk_of(ngi_os *os)
{
    return os->context;
}

static void disk_path(char out[SIM_PATH_BYTES], const char *path)
{
    snprintf(out, SIM_PATH_BYTES, "%s%s", path[0] == '/' ? "" : "/", path);
    size_t bytes = strlen(out);
    while (bytes > 1 && out[bytes - 1] == '/')
        out[--bytes] = '\0';
}

static const char *call_name(sim_call call)
{
    static const char *const names[] = {"open",
                                        "read",
                                        "write",
                                        "sync",
                                        "allocate",
                                        "truncate",
                                        "size",
                                        "lock",
                                        "map",
                                        "rename",
                                        "remove",
                                        "make_directory",
                                        "remove_directory",
                                        "sync_directory",
                                        "list",
                                        "reserve",
                                        "commit",
                                        "sparse",
                                        "random",
                                        "mark"};
    return names[__builtin_ctz((unsigned)call)];
}

/* Counts a call and decides whether the plan fails it; the mutex is held. */
static ng_status disk_count(sim_disk *disk, sim_call call, const char *path)
{
    disk->calls[__builtin_ctz((unsigned)call)]++;
    if (!disk->has_fault || !(disk->fault.kinds & (uint32_t)call))
        return NG_OK;
    disk->fault_matches++;
    uint64_t last = disk->fault.at + (disk->fault.times == 0 ? 0 : disk->fault.times - 1);
    if (disk->fault_matches < disk->fault.at ||
        (disk->fault_matches > last && !disk->fault.from_then_on))
        return NG_OK;
    if (disk->fault.from_then_on && !disk->is_stopped) {
        sim_disk_absorb(disk); /* what is stored into mapped files from now on is lost */
        disk->is_stopped = true;
    }
    disk->fault_count++;
    return ngi_fail(disk->fault.status, "%s: %s failed (simulated)", path, call_name(call));
}

ng_status sim_disk_enter(sim_disk *disk, sim_call call, const char *path)
{
    pthread_mutex_lock(&disk->mutex);
    return disk_count(disk, call, path);
}

ng_status sim_disk_leave(sim_disk *disk, const sim_event *event, const char *path)
{
    ng_status status = event->status;
    if (disk->is_tracing) {
        disk->events =
            sim_grow(disk->events, disk->event_count, &disk->event_capacity, sizeof *disk->events);
        sim_event *kept = &disk->events[disk->event_count++];
        *kept = *event;
        snprintf(kept->path, sizeof kept->path, "%s", path);
    }
    pthread_mutex_unlock(&disk->mutex);
    return status;
}

static const char *disk_inode_path(const sim_disk *disk, int inode)
{
    for (size_t i = 0; i < disk->seen.count; i++) {
        if (disk->seen.items[i].inode == inode)
            return disk->seen.items[i].path;
    }
    return "(removed file)";
}

void sim_disk_change_names(sim_disk *disk, sim_name_change kind, const char *path, const char *to,
                           int inode)
{
    disk->changes =
        sim_grow(disk->changes, disk->change_count, &disk->change_capacity, sizeof *disk->changes);
    if (kind == SIM_NAME_RENAME && disk->inodes[inode].is_directory) {
        for (size_t i = 0; i < disk->change_count; i++)
            sim_path_move(disk->changes[i].path, path, to);
    }
    sim_entry_change *change = &disk->changes[disk->change_count++];
    memset(change, 0, sizeof *change);
    change->order = ++disk->order;
    change->change = kind;
    change->inode = inode;
    snprintf(change->path, sizeof change->path, "%s", path);
    snprintf(change->to, sizeof change->to, "%s", to);
    sim_names_apply(&disk->seen, change);
}

int sim_disk_new_inode(sim_disk *disk, bool is_directory)
{
    disk->inodes =
        sim_grow(disk->inodes, disk->inode_count, &disk->inode_capacity, sizeof *disk->inodes);
    memset(&disk->inodes[disk->inode_count], 0, sizeof *disk->inodes);
    disk->inodes[disk->inode_count].is_directory = is_directory;
    return (int)disk->inode_count++;
}

bool sim_disk_has_parent(const sim_disk *disk, const char *path)
{
    for (size_t i = 0; i < disk->seen.count; i++) {
        const sim_name *name = &disk->seen.items[i];
        if (disk->inodes[name->inode].is_directory && sim_path_is_in(path, name->path))
            return true;
    }
    return false;
}

uint64_t sim_disk_used(const sim_disk *disk)
{
    uint64_t used = 0;
    for (size_t i = 0; i < disk->seen.count; i++)
        used += disk->inodes[disk->seen.items[i].inode].seen_bytes;
    return used;
}

/* Whether a file may grow to `bytes`: only growth can meet a full disk. */
ng_status sim_disk_check_room(const sim_disk *disk, const sim_inode *inode, uint64_t bytes,
                              const char *path)
{
    if (disk->capacity_bytes == 0 || bytes <= inode->seen_bytes ||
        sim_disk_used(disk) - inode->seen_bytes + bytes <= disk->capacity_bytes)
        return NG_OK;
    return ngi_fail(NG_E_DISK_FULL, "%s: no space left on device (simulated)", path);
}

static sim_inode *disk_handle(sim_disk *disk, ngi_file file, int *inode)
{
    *inode = file >= 1 && (size_t)file <= disk->handle_count ? disk->handles[file - 1].inode : -1;
    return *inode < 0 ? NULL : &disk->inodes[*inode];
}

static ng_status os_open(ngi_os *os, const char *given, unsigned mode, ngi_file *out)
{
    sim_disk *disk = sim_disk_of(os);
    char path[SIM_PATH_BYTES];
    disk_path(path, given);
    sim_event event = {.call = SIM_OPEN, .status = sim_disk_enter(disk, SIM_OPEN, path)};
    int inode = sim_names_find(&disk->seen, path);
    event.file = inode;
    if (event.status != NG_OK)
        return sim_disk_leave(disk, &event, path);
    if (inode >= 0 && disk->inodes[inode].is_directory)
        event.status = ngi_fail(NG_E_IO, "%s: is a directory", path);
    else if (inode >= 0 && (mode & NGI_OPEN_EXCLUSIVE))
        event.status = ngi_fail(NG_E_EXISTS, "%s: exists", path);
    else if (inode < 0 && (!(mode & NGI_OPEN_CREATE) || !sim_disk_has_parent(disk, path)))
        event.status = ngi_fail(NG_E_NOT_FOUND, "%s: no such file", path);
    if (event.status != NG_OK)
        return sim_disk_leave(disk, &event, path);
    if (inode < 0) {
        inode = sim_disk_new_inode(disk, false);
        sim_disk_change_names(disk, SIM_NAME_ADD, path, "", inode);
    }
    if (mode & NGI_OPEN_TRUNCATE)
        sim_inode_resize(&disk->inodes[inode], 0, ++disk->order);
    event.file = inode;
    disk->handles =
        sim_grow(disk->handles, disk->handle_count, &disk->handle_capacity, sizeof *disk->handles);
    disk->handles[disk->handle_count++] =
        (sim_handle){.inode = inode, .can_write = (mode & NGI_OPEN_WRITE) != 0};
    *out = (ngi_file)disk->handle_count;
    return sim_disk_leave(disk, &event, path);
}

static void os_close(ngi_os *os, ngi_file file)
{
    sim_disk *disk = sim_disk_of(os);
    pthread_mutex_lock(&disk->mutex);
    int number;
    sim_inode *inode = disk_handle(disk, file, &number);
    if (inode == NULL) {
        fprintf(stderr, "simulated disk: handle %d is closed twice or was never open\n", file);
        abort();
    }
    disk->handles[file - 1] = (sim_handle){.inode = -1};
    pthread_mutex_unlock(&disk->mutex);
}

/* What every call on an open file does first; false if the call ends here. */
bool sim_file_enter(sim_disk *disk, ngi_file file, sim_call call, sim_inode **inode,
                    sim_event *event, const char **path)
{
    pthread_mutex_lock(&disk->mutex);
    *inode = disk_handle(disk, file, &event->file);
    *path = *inode == NULL ? "(closed file)" : disk_inode_path(disk, event->file);
    event->call = call;
    event->status = disk_count(disk, call, *path);
    if (*inode == NULL && event->status == NG_OK)
        event->status = ngi_fail(NG_E_IO, "handle %d is not open", file);
    return event->status == NG_OK;
}

static ng_status os_read(ngi_os *os, ngi_file file, void *data, size_t bytes, uint64_t offset,
                         size_t *got)
{
    sim_disk *disk = sim_disk_of(os);
    sim_inode *inode;
    const char *path;
    sim_event event = {.offset = offset, .bytes = bytes};
    if (sim_file_enter(disk, file, SIM_READ, &inode, &event, &path)) {
        sim_inode_absorb(inode, &disk->order);
        uint64_t left = offset < inode->seen_bytes ? inode->seen_bytes - offset : 0;
        *got = left < bytes ? (size_t)left : bytes;
        if (*got != 0)
            memcpy(data, inode->seen + offset, *got);
    }
    return sim_disk_leave(disk, &event, path);
}

static ng_status os_write(ngi_os *os, ngi_file file, const void *data, size_t bytes,
                          uint64_t offset)
{
    sim_disk *disk = sim_disk_of(os);
    sim_inode *inode;
    const char *path;
    sim_event event = {.offset = offset, .bytes = bytes};
    bool goes_on = sim_file_enter(disk, file, SIM_WRITE, &inode, &event, &path);
    size_t written = bytes;
    if (!goes_on && inode != NULL)
        written = disk->fault.partial_write ? test_random_below(&disk->random, bytes + 1) : 0;
    if (goes_on && !disk->handles[file - 1].can_write)
        event.status = ngi_fail(NG_E_IO, "%s: opened for reading only", path);
    else if (goes_on)
        event.status = sim_disk_check_room(disk, inode, offset + bytes, path);
    if (goes_on && event.status != NG_OK)
        written = 0;
    if (inode != NULL && written != 0)
        sim_inode_write(inode, data, written, offset, ++disk->order);
    return sim_disk_leave(disk, &event, path);
}

static ng_status os_sync(ngi_os *os, ngi_file file)
{
    sim_disk *disk = sim_disk_of(os);
    sim_inode *inode;
    const char *path;
    sim_event event = {0};
    if (sim_file_enter(disk, file, SIM_SYNC, &inode, &event, &path)) {
        sim_inode_absorb(inode, &disk->order);
        sim_inode_sync(inode);
    } else if (inode != NULL && !disk->fault.from_then_on) {
        sim_crash_plan plan = {.mode = SIM_KEEP_ANY, .random = &disk->random};
        plan.keep_percent = (unsigned)test_random_below(&disk->random, 101);
        sim_inode_settle(inode, &plan);
    }
    return sim_disk_leave(disk, &event, path);
}

static ng_status os_allocate(ngi_os *os, ngi_file file, uint64_t bytes)
{
    sim_disk *disk = sim_disk_of(os);
    sim_inode *inode;
    const char *path;
    sim_event event = {.bytes = bytes};
    if (sim_file_enter(disk, file, SIM_ALLOCATE, &inode, &event, &path)) {
        event.status = sim_disk_check_room(disk, inode, bytes, path);
        if (event.status == NG_OK && bytes > inode->seen_bytes)
            sim_inode_resize(inode, bytes, ++disk->order);
    }
    return sim_disk_leave(disk, &event, path);
}

static ng_status os_truncate(ngi_os *os, ngi_file file, uint64_t bytes)
{
    sim_disk *disk = sim_disk_of(os);
    sim_inode *inode;
    const char *path;
    sim_event event = {.bytes = bytes};
    if (sim_file_enter(disk, file, SIM_TRUNCATE, &inode, &event, &path)) {
        event.status = sim_disk_check_room(disk, inode, bytes, path);
        if (event.status == NG_OK)
            sim_inode_resize(inode, bytes, ++disk->order);
    }
    return sim_disk_leave(disk, &event, path);
}

static ng_status os_size(ngi_os *os, ngi_file file, uint64_t *out)
{
    sim_disk *disk = sim_disk_of(os);
    sim_inode *inode;
    const char *path;
    sim_event event = {0};
    if (sim_file_enter(disk, file, SIM_SIZE, &inode, &event, &path))
        *out = inode->seen_bytes;
    return sim_disk_leave(disk, &event, path);
}

static bool disk_lock_is_free(const sim_disk *disk, ngi_file file, int inode, bool exclusive)
{
    for (size_t i = 0; i < disk->handle_count; i++) {
        const sim_handle *other = &disk->handles[i];
        if (other->inode == inode && (ngi_file)i + 1 != file &&
            (other->lock == SIM_EXCLUSIVE || (exclusive && other->lock == SIM_SHARED)))
            return false;
    }
    return true;
}

static ng_status os_lock(ngi_os *os, ngi_file file, bool exclusive)
{
    sim_disk *disk = sim_disk_of(os);
    sim_inode *inode;
    const char *path;
    sim_event event = {0};
    if (sim_file_enter(disk, file, SIM_LOCK, &inode, &event, &path)) {
        if (exclusive && !disk->handles[file - 1].can_write)
            event.status = ngi_fail(NG_E_IO, "%s: opened for reading only", path);
        else if (!disk_lock_is_free(disk, file, event.file, exclusive))
            event.status = ngi_fail(NG_E_BUSY, "%s: is locked", path);
        else
            disk->handles[file - 1].lock = exclusive ? SIM_EXCLUSIVE : SIM_SHARED;
    }
    return sim_disk_leave(disk, &event, path);
}

/* Whether nothing is in a directory. */
static bool disk_is_empty(const sim_disk *disk, const char *path)
{
    for (size_t i = 0; i < disk->seen.count; i++) {
        if (sim_path_is_in(disk->seen.items[i].path, path))
            return false;
    }
    return true;
}

/* As rename(2): over a file, or an empty directory over an empty one. */
static ng_status rename_check(const sim_disk *disk, const char *path, const char *target, int from)
{
    int to = sim_names_find(&disk->seen, target);
    if (from < 0 || !sim_disk_has_parent(disk, target))
        return ngi_fail(NG_E_NOT_FOUND, "%s: no such file", path);
    if (to < 0)
        return NG_OK;
    if (disk->inodes[from].is_directory != disk->inodes[to].is_directory)
        return ngi_fail(NG_E_IO, "%s: file and directory", target);
    if (disk->inodes[to].is_directory && !disk_is_empty(disk, target))
        return ngi_fail(NG_E_IO, "%s: directory not empty", target);
    return NG_OK;
}

static ng_status os_rename(ngi_os *os, const char *from, const char *to)
{
    sim_disk *disk = sim_disk_of(os);
    char path[SIM_PATH_BYTES], target[SIM_PATH_BYTES];
    disk_path(path, from);
    disk_path(target, to);
    sim_event event = {.call = SIM_RENAME, .status = sim_disk_enter(disk, SIM_RENAME, path)};
    event.file = sim_names_find(&disk->seen, path);
    if (event.status == NG_OK)
        event.status = rename_check(disk, path, target, event.file);
    if (event.status == NG_OK)
        sim_disk_change_names(disk, SIM_NAME_RENAME, path, target, event.file);
    return sim_disk_leave(disk, &event, path);
}

static ng_status os_remove(ngi_os *os, const char *given)
{
    sim_disk *disk = sim_disk_of(os);
    char path[SIM_PATH_BYTES];
    disk_path(path, given);
    sim_event event = {.call = SIM_REMOVE, .status = sim_disk_enter(disk, SIM_REMOVE, path)};
    event.file = sim_names_find(&disk->seen, path);
    if (event.status == NG_OK && event.file < 0)
        event.status = ngi_fail(NG_E_NOT_FOUND, "%s: no such file", path);
    else if (event.status == NG_OK && disk->inodes[event.file].is_directory)
        event.status = ngi_fail(NG_E_IO, "%s: is a directory", path);
    if (event.status == NG_OK)
        sim_disk_change_names(disk, SIM_NAME_REMOVE, path, "", event.file);
    return sim_disk_leave(disk, &event, path);
}

static ng_status os_make_directory(ngi_os *os, const char *given)
{
    sim_disk *disk = sim_disk_of(os);
    char path[SIM_PATH_BYTES];
    disk_path(path, given);
    sim_event event = {.call = SIM_MAKE_DIRECTORY, .file = -1};
    event.status = sim_disk_enter(disk, SIM_MAKE_DIRECTORY, path);
    if (event.status == NG_OK && sim_names_find(&disk->seen, path) >= 0)
        event.status = ngi_fail(NG_E_EXISTS, "%s: exists", path);
    else if (event.status == NG_OK && !sim_disk_has_parent(disk, path))
        event.status = ngi_fail(NG_E_NOT_FOUND, "%s: its parent does not exist", path);
    if (event.status == NG_OK)
        sim_disk_change_names(disk, SIM_NAME_ADD, path, "", sim_disk_new_inode(disk, true));
    return sim_disk_leave(disk, &event, path);
}

static ng_status os_remove_directory(ngi_os *os, const char *given)
{
    sim_disk *disk = sim_disk_of(os);
    char path[SIM_PATH_BYTES];
    disk_path(path, given);
    sim_event event = {.call = SIM_REMOVE_DIRECTORY};
    event.status = sim_disk_enter(disk, SIM_REMOVE_DIRECTORY, path);
    event.file = sim_names_find(&disk->seen, path);
    if (event.status == NG_OK && event.file < 0)
        event.status = ngi_fail(NG_E_NOT_FOUND, "%s: no such directory", path);
    else if (event.status == NG_OK && !disk->inodes[event.file].is_directory)
        event.status = ngi_fail(NG_E_IO, "%s: not a directory", path);
    else if (event.status == NG_OK && !disk_is_empty(disk, path))
        event.status = ngi_fail(NG_E_IO, "%s: directory not empty", path);
    if (event.status == NG_OK)
        sim_disk_change_names(disk, SIM_NAME_REMOVE, path, "", event.file);
    return sim_disk_leave(disk, &event, path);
}

static void disk_sync_names(sim_disk *disk, const char *directory)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk->change_count; i++) {
        if (sim_path_is_in(disk->changes[i].path, directory))
            sim_names_apply(&disk->durable, &disk->changes[i]);
        else
            disk->changes[kept++] = disk->changes[i];
    }
    disk->change_count = kept;
}

static ng_status os_sync_directory(ngi_os *os, const char *given)
{
    sim_disk *disk = sim_disk_of(os);
    char path[SIM_PATH_BYTES];
    disk_path(path, given);
    sim_event event = {.call = SIM_SYNC_DIRECTORY};
    event.status = sim_disk_enter(disk, SIM_SYNC_DIRECTORY, path);
    event.file = sim_names_find(&disk->seen, path);
    if (event.status == NG_OK && (event.file < 0 || !disk->inodes[event.file].is_directory))
        event.status = ngi_fail(NG_E_NOT_FOUND, "%s: no such directory", path);
    if (event.status == NG_OK)
        disk_sync_names(disk, path);
    return sim_disk_leave(disk, &event, path);
}

/* The names are copied first: `each` may call the disk. */
static ng_status os_list_directory(ngi_os *os, const char *given,
                                   ng_status (*each)(void *context, const char *name),
                                   void *context)
{
    sim_disk *disk = sim_disk_of(os);
    char path[SIM_PATH_BYTES];
    disk_path(path, given);
    sim_event event = {.call = SIM_LIST, .status = sim_disk_enter(disk, SIM_LIST, path)};
    event.file = sim_names_find(&disk->seen, path);
    if (event.status == NG_OK && event.file < 0)
        event.status = ngi_fail(NG_E_NOT_FOUND, "%s: no such directory", path);
    else if (event.status == NG_OK && !disk->inodes[event.file].is_directory)
        event.status = ngi_fail(NG_E_IO, "%s: not a directory", path);
    sim_names copy = {0};
    if (event.status == NG_OK)
        sim_names_copy(&copy, &disk->seen);
    ng_status status = sim_disk_leave(disk, &event, path);
    for (size_t i = 0; i < copy.count && status == NG_OK; i++) {
        if (sim_path_is_in(copy.items[i].path, path))
            status = each(context, strrchr(copy.items[i].path, '/') + 1);
    }
    free(copy.items);
    return status;
}

const ngi_os sim_disk_table = {
    .file_open = os_open,
    .file_close = os_close,
    .file_read = os_read,
    .file_write = os_write,
    .file_sync = os_sync,
    .file_allocate = os_allocate,
    .file_truncate = os_truncate,
    .file_size = os_size,
    .file_lock = os_lock,
    .rename = os_rename,
    .remove = os_remove,
    .make_directory = os_make_directory,
    .remove_directory = os_remove_directory,
    .sync_directory = os_sync_directory,
    .list_directory = os_list_directory,
    .file_map = sim_os_map,
    .file_unmap = sim_os_unmap,
    .memory_reserve = sim_os_memory_reserve,
    .memory_commit = sim_os_memory_commit,
    .memory_discard = sim_os_memory_discard,
    .memory_release = sim_os_memory_release,
    .memory_map_sparse = sim_os_memory_map_sparse,
    .clock_us = sim_os_clock_us,
    .monotonic_ns = sim_os_monotonic_ns,
    .thread_ns = sim_os_thread_ns,
    .random = sim_os_random,
};
