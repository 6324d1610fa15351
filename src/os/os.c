/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of system calls, on Linux. Each failure names the path and the system's reason. */
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

static ng_status os_status(int error)
{
    switch (error) {
    case ENOENT:
        return NG_E_NOT_FOUND;
    case EEXIST:
        return NG_E_EXISTS;
    case ENOSPC:
    case EDQUOT:
        return NG_E_DISK_FULL;
    case ENOMEM:
        return NG_E_NOMEM;
    default:
        return NG_E_IO;
    }
}

static ng_status os_fail(int error, const char *what)
{
    return ngi_fail(os_status(error), "%s: %s", what, strerror(error));
}

/* The path of an open file, for messages. */
static ng_status os_fail_file(int error, ngi_file file, const char *verb)
{
    char link[32];
    char path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    return ngi_fail(os_status(error), "%s: cannot %s: %s", path, verb, strerror(error));
}

/* Where a path begins: the working directory, or that of a store. `path` stands in messages. */
typedef struct os_place {
    int at;
    const char *name; /* from there */
    const char *path;
} os_place;

static os_place os_here(const char *path)
{
    return (os_place){.at = AT_FDCWD, .name = path, .path = path};
}

static ng_status os_open_place(const os_place *place, unsigned mode, ngi_file *out)
{
    int flags = O_CLOEXEC | (mode & NGI_OPEN_WRITE ? O_RDWR : O_RDONLY);
    if (mode & NGI_OPEN_CREATE)
        flags |= O_CREAT;
    if (mode & NGI_OPEN_EXCLUSIVE)
        flags |= O_EXCL;
    if (mode & NGI_OPEN_TRUNCATE)
        flags |= O_TRUNC;
    int fd;
    do {
        fd = openat(place->at, place->name, flags, 0600);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return os_fail(errno, place->path);
    struct stat info;
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        close(fd);
        return ngi_fail(NG_E_IO, "%s: is a directory", place->path);
    }
    *out = fd;
    return NG_OK;
}

static ng_status os_file_open(ngi_os *os, const char *path, unsigned mode, ngi_file *out)
{
    (void)os;
    os_place place = os_here(path);
    return os_open_place(&place, mode, out);
}

static void os_file_close(ngi_os *os, ngi_file file)
{
    (void)os;
    close(file);
}

static ng_status os_file_read(ngi_os *os, ngi_file file, void *data, size_t bytes, uint64_t offset,
                              size_t *got)
{
    (void)os;
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = pread(file, (char *)data + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_fail_file(errno, file, "read");
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return NG_OK;
}

#define WRITE_BEHIND_BYTES (1u << 20)

static ng_status os_file_write(ngi_os *os, ngi_file file, const void *data, size_t bytes,
                               uint64_t offset)
{
    (void)os;
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = pwrite(file, (const char *)data + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_fail_file(errno, file, "write");
        done += (size_t)n;
    }
    /* A large write begins its way to the disk at once, so that the sync behind finds less to do.
     * It is a hint: what fails here is met again by the sync. */
    if (bytes >= WRITE_BEHIND_BYTES)
        (void)sync_file_range(file, (off_t)offset, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
    return NG_OK;
}

static ng_status os_file_sync(ngi_os *os, ngi_file file)
{
    (void)os;
    /* Only an interruption is retried: after a failed sync the kernel may have dropped the dirty
     * pages. */
    int result;
    do {
        result = fdatasync(file);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && (errno == EROFS || errno == EINVAL))
        return NG_OK; /* on media that cannot be written nothing waits to be */
    return result == 0 ? NG_OK : os_fail_file(errno, file, "sync");
}

static ng_status os_file_allocate(ngi_os *os, ngi_file file, uint64_t bytes)
{
    (void)os;
    int error;
    do {
        error = posix_fallocate(file, 0, (off_t)bytes);
    } while (error == EINTR);
    return error == 0 ? NG_OK : os_fail_file(error, file, "allocate space");
}

static ng_status os_file_truncate(ngi_os *os, ngi_file file, uint64_t bytes)
{
    (void)os;
    int result;
    do {
        result = ftruncate(file, (off_t)bytes);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? NG_OK : os_fail_file(errno, file, "truncate");
}

static ng_status os_file_size(ngi_os *os, ngi_file file, uint64_t *out)
{
    (void)os;
    struct stat info;
    if (fstat(file, &info) != 0)
        return os_fail_file(errno, file, "stat");
    *out = (uint64_t)info.st_size;
    return NG_OK;
}

static ng_status os_file_lock(ngi_os *os, ngi_file file, bool exclusive)
{
    (void)os;
    /* Open file description locks, unlike classic ones, also exclude a second open in this
     * process, and closing another handle of the file does not drop them. */
    struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    if (fcntl(file, F_OFD_SETLK, &lock) == 0)
        return NG_OK;
    if (errno == EACCES || errno == EAGAIN)
        return ngi_fail(NG_E_BUSY, "locked by another process");
    return os_fail_file(errno, file, "lock");
}

static ng_status os_file_map(ngi_os *os, ngi_file file, size_t bytes, void **out)
{
    /* Storing into a hole of a file whose disk is full, or beyond its end, would be a SIGBUS. */
    ng_status status = os_file_allocate(os, file, bytes);
    if (status != NG_OK)
        return status;
    void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (address == MAP_FAILED)
        return os_fail_file(errno, file, "map");
    *out = address;
    return NG_OK;
}

static void os_file_unmap(ngi_os *os, void *address, size_t bytes)
{
    (void)os;
    munmap(address, bytes);
}

static ng_status os_rename_places(const os_place *from, const os_place *to)
{
    return renameat(from->at, from->name, to->at, to->name) == 0 ? NG_OK : os_fail(errno, to->path);
}

static ng_status os_rename(ngi_os *os, const char *from, const char *to)
{
    (void)os;
    os_place places[2] = {os_here(from), os_here(to)};
    return os_rename_places(&places[0], &places[1]);
}

static ng_status os_remove_place(const os_place *place, int flags)
{
    return unlinkat(place->at, place->name, flags) == 0 ? NG_OK : os_fail(errno, place->path);
}

static ng_status os_remove(ngi_os *os, const char *path)
{
    (void)os;
    os_place place = os_here(path);
    return os_remove_place(&place, 0);
}

static ng_status os_make_directory(ngi_os *os, const char *path)
{
    (void)os;
    return mkdir(path, 0700) == 0 ? NG_OK : os_fail(errno, path);
}

static ng_status os_remove_directory(ngi_os *os, const char *path)
{
    (void)os;
    os_place place = os_here(path);
    return os_remove_place(&place, AT_REMOVEDIR);
}

static ng_status os_sync_place(const os_place *place)
{
    int fd = openat(place->at, place->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return os_fail(errno, place->path);
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    ng_status status = result == 0 ? NG_OK : os_fail(errno, place->path);
    close(fd);
    return status;
}

static ng_status os_sync_directory(ngi_os *os, const char *path)
{
    (void)os;
    os_place place = os_here(path);
    return os_sync_place(&place);
}

static ng_status os_list_place(const os_place *place,
                               ng_status (*each)(void *context, const char *name), void *context)
{
    int fd = openat(place->at, place->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return os_fail(errno, place->path);
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        int error = errno;
        close(fd);
        return os_fail(error, place->path);
    }
    ng_status status = NG_OK;
    while (status == NG_OK) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            if (errno != 0)
                status = os_fail(errno, place->path);
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = each(context, entry->d_name);
    }
    closedir(directory);
    return status;
}

static ng_status os_list_directory(ngi_os *os, const char *path,
                                   ng_status (*each)(void *context, const char *name),
                                   void *context)
{
    (void)os;
    os_place place = os_here(path);
    return os_list_place(&place, each, context);
}

/* --- the directory of a store ------------------------------------------------------------------ */

/* The place of the directory itself or of a file in it; others are where they always are. */
static os_place home_place(ngi_os *os, const char *path)
{
    ngi_os_home *home = os->context;
    if (strncmp(path, home->path, home->path_bytes) != 0)
        return os_here(path);
    const char *name = path + home->path_bytes;
    if (*name != '\0' && *name != '/')
        return os_here(path);
    name += strspn(name, "/");
    if (strchr(name, '/') != NULL)
        return os_here(path);
    if (home->directory < 0)
        home->directory = open(home->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (home->directory < 0)
        return os_here(path);
    return (os_place){.at = home->directory, .name = *name != '\0' ? name : ".", .path = path};
}

static ng_status home_file_open(ngi_os *os, const char *path, unsigned mode, ngi_file *out)
{
    os_place place = home_place(os, path);
    return os_open_place(&place, mode, out);
}

static ng_status home_rename(ngi_os *os, const char *from, const char *to)
{
    os_place places[2] = {home_place(os, from), home_place(os, to)};
    return os_rename_places(&places[0], &places[1]);
}

static ng_status home_remove(ngi_os *os, const char *path)
{
    os_place place = home_place(os, path);
    return os_remove_place(&place, 0);
}

static ng_status home_sync_directory(ngi_os *os, const char *path)
{
    os_place place = home_place(os, path);
    return os_sync_place(&place);
}

static ng_status home_list_directory(ngi_os *os, const char *path,
                                     ng_status (*each)(void *context, const char *name),
                                     void *context)
{
    os_place place = home_place(os, path);
    return os_list_place(&place, each, context);
}

ngi_os *ngi_os_home_init(ngi_os_home *home, const char *path)
{
    *home = (ngi_os_home){.os = *ngi_os_system(), .directory = -1};
    size_t bytes = path != NULL ? strlen(path) : 0;
    if (bytes == 0 || bytes >= sizeof home->path)
        return &home->os;
    memcpy(home->path, path, bytes);
    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    home->path_bytes = bytes;
    home->os.context = home;
    home->os.file_open = home_file_open;
    home->os.rename = home_rename;
    home->os.remove = home_remove;
    home->os.sync_directory = home_sync_directory;
    home->os.list_directory = home_list_directory;
    return &home->os;
}

void ngi_os_home_release(ngi_os_home *home)
{
    if (home->directory >= 0)
        close(home->directory);
    home->directory = -1;
}

static ng_status os_memory_reserve(ngi_os *os, size_t bytes, void **out)
{
    (void)os;
    /* No huge page fits into less, and trimming costs three calls more. */
    size_t padded = bytes < HUGE_PAGE_BYTES ? bytes : bytes + HUGE_PAGE_BYTES;
    char *address =
        mmap(NULL, padded, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED)
        return ngi_fail(NG_E_NOMEM, "cannot reserve %zu bytes of address space: %s", bytes,
                        strerror(errno));
    *out = address;
    if (padded == bytes)
        return NG_OK;
    /* Random reads of a large table miss the TLB on every record with 4 KiB pages; huge ones need
     * an aligned begin. What is over at both ends is given back. */
    size_t before = HUGE_PAGE_BYTES - (uintptr_t)address % HUGE_PAGE_BYTES;
    munmap(address, before);
    munmap(address + before + bytes, padded - before - bytes);
    (void)madvise(address + before, bytes, MADV_HUGEPAGE);
    *out = address + before;
    return NG_OK;
}

static ng_status os_memory_commit(ngi_os *os, void *address, size_t bytes)
{
    (void)os;
    if (mprotect(address, bytes, PROT_READ | PROT_WRITE) == 0)
        return NG_OK;
    return ngi_fail(NG_E_NOMEM, "out of memory for %zu bytes: %s", bytes, strerror(errno));
}

static void os_memory_discard(ngi_os *os, void *address, size_t bytes)
{
    (void)os;
    /* If the system will not have it back, the pages are zero all the same: the caller says so. */
    (void)madvise(address, bytes, MADV_DONTNEED);
}

static void os_memory_release(ngi_os *os, void *address, size_t bytes)
{
    (void)os;
    munmap(address, bytes);
}

static ng_status os_memory_map_sparse(ngi_os *os, size_t bytes, void **out)
{
    (void)os;
    void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED)
        return ngi_fail(NG_E_NOMEM, "cannot map %zu bytes of memory: %s", bytes, strerror(errno));
    /* One touched byte must not take up 2 MiB. */
    (void)madvise(address, bytes, MADV_NOHUGEPAGE);
    *out = address;
    return NG_OK;
}

static uint64_t os_clock_us(ngi_os *os)
{
    (void)os;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static uint64_t os_monotonic_ns(ngi_os *os)
{
    (void)os;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t os_thread_ns(ngi_os *os)
{
    (void)os;
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static ng_status os_random(ngi_os *os, void *out, size_t bytes)
{
    (void)os;
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = getrandom((char *)out + done, bytes - done, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_fail(errno, "random numbers");
        done += (size_t)n;
    }
    return NG_OK;
}

ngi_os *ngi_os_system(void)
{
    /* Never written to; not const only because tests use the same type with a context of theirs. */
    static ngi_os system_table = {
        .file_open = os_file_open,
        .file_close = os_file_close,
        .file_read = os_file_read,
        .file_write = os_file_write,
        .file_sync = os_file_sync,
        .file_allocate = os_file_allocate,
        .file_truncate = os_file_truncate,
        .file_size = os_file_size,
        .file_lock = os_file_lock,
        .file_map = os_file_map,
        .file_unmap = os_file_unmap,
        .rename = os_rename,
        .remove = os_remove,
        .make_directory = os_make_directory,
        .remove_directory = os_remove_directory,
        .sync_directory = os_sync_directory,
        .list_directory = os_list_directory,
        .memory_reserve = os_memory_reserve,
        .memory_commit = os_memory_commit,
        .memory_discard = os_memory_discard,
        .memory_release = os_memory_release,
        .memory_map_sparse = os_memory_map_sparse,
        .clock_us = os_clock_us,
        .monotonic_ns = os_monotonic_ns,
        .thread_ns = os_thread_ns,
        .random = os_random,
    };
    return &system_table;
}

void ngi_os_parent(const char *path, char *out, size_t capacity)
{
    snprintf(out, capacity, "%s", path);
    size_t end = strlen(out);
    while (end > 1 && out[end - 1] == '/')
        end--;
    while (end > 0 && out[end - 1] != '/')
        end--;
    if (end == 0)
        snprintf(out, capacity, ".");
    else
        out[end > 1 ? end - 1 : end] = '\0';
}

uint32_t ngi_os_process_id(void)
{
    return (uint32_t)getpid();
}

uint32_t ngi_os_thread_id(void)
{
    return (uint32_t)gettid();
}

double ngi_os_parse_double(const char *text, const char **end)
{
    char *stop = NULL;
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = c_locale != (locale_t)0 ? strtod_l(text, &stop, c_locale) : strtod(text, &stop);
    if (c_locale != (locale_t)0)
        freelocale(c_locale);
    *end = stop;
    return value;
}

uint64_t ngi_os_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
}

unsigned ngi_os_processor_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (unsigned)count : 1;
}
