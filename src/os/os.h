/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every call to the operating system that can fail, behind a table that tests replace.
 *
 * This folder is the only one with system headers. Failures come back as a status whose message
 * already names the path and the system's reason: NG_E_NOT_FOUND, NG_E_EXISTS, NG_E_DISK_FULL
 * (ENOSPC, EDQUOT), NG_E_NOMEM, NG_E_IO (anything else). Interrupted calls are retried inside. */
#ifndef NGI_OS_H
#define NGI_OS_H

#include "base/base_error.h"

typedef int ngi_file; /* a handle of the table that opened it */

typedef enum ngi_open_mode {
    NGI_OPEN_READ = 0,
    NGI_OPEN_WRITE = 1 << 0,     /* read and write */
    NGI_OPEN_CREATE = 1 << 1,    /* create if absent */
    NGI_OPEN_EXCLUSIVE = 1 << 2, /* with CREATE: NG_E_EXISTS if present */
    NGI_OPEN_TRUNCATE = 1 << 3
} ngi_open_mode;

typedef struct ngi_os ngi_os;
struct ngi_os {
    void *context;

    ng_status (*file_open)(ngi_os *os, const char *path, unsigned mode, ngi_file *out);
    void (*file_close)(ngi_os *os, ngi_file file);
    /** Reads up to `bytes` at `offset`; `*got` is less only at the end of the file. */
    ng_status (*file_read)(ngi_os *os, ngi_file file, void *data, size_t bytes, uint64_t offset,
                           size_t *got);
    /** Writes all of `bytes` at `offset`, or fails. */
    ng_status (*file_write)(ngi_os *os, ngi_file file, const void *data, size_t bytes,
                            uint64_t offset);
    /** Makes the file's data durable (fdatasync). */
    ng_status (*file_sync)(ngi_os *os, ngi_file file);
    /** Makes sure that later writes to [0, bytes) do not fail for want of space. */
    ng_status (*file_allocate)(ngi_os *os, ngi_file file, uint64_t bytes);
    ng_status (*file_truncate)(ngi_os *os, ngi_file file, uint64_t bytes);
    ng_status (*file_size)(ngi_os *os, ngi_file file, uint64_t *out);
    /** Takes the lock of an open file, shared or exclusive, or fails with NG_E_BUSY. Ends with the
     *  handle. */
    ng_status (*file_lock)(ngi_os *os, ngi_file file, bool exclusive);
    /** The first `bytes` of an open file as memory, shared with other processes; what is stored
     *  there survives the process, not the machine. */
    ng_status (*file_map)(ngi_os *os, ngi_file file, size_t bytes, void **out);
    void (*file_unmap)(ngi_os *os, void *address, size_t bytes);

    ng_status (*rename)(ngi_os *os, const char *from, const char *to);
    ng_status (*remove)(ngi_os *os, const char *path);
    ng_status (*make_directory)(ngi_os *os, const char *path);
    /** An empty one. */
    ng_status (*remove_directory)(ngi_os *os, const char *path);
    /** Makes the entries of a directory durable. */
    ng_status (*sync_directory)(ngi_os *os, const char *path);
    /** Calls `each` with every name but "." and ".."; stops at a status that is not NG_OK. */
    ng_status (*list_directory)(ngi_os *os, const char *path,
                                ng_status (*each)(void *context, const char *name), void *context);

    /** Address space without memory. */
    ng_status (*memory_reserve)(ngi_os *os, size_t bytes, void **out);
    /** Zeroed memory behind [address, address + bytes), page-aligned, inside a reservation. */
    ng_status (*memory_commit)(ngi_os *os, void *address, size_t bytes);
    /** Gives the memory behind [address, address + bytes) back; it stays committed, reads as zeroes,
     *  and takes up room again where it is written. */
    void (*memory_discard)(ngi_os *os, void *address, size_t bytes);
    void (*memory_release)(ngi_os *os, void *address, size_t bytes);
    /** Zeroed memory that takes up room only where it is touched, in small pages; given back with
     *  memory_release. */
    ng_status (*memory_map_sparse)(ngi_os *os, size_t bytes, void **out);

    uint64_t (*clock_us)(ngi_os *os);     /* Unix microseconds */
    uint64_t (*monotonic_ns)(ngi_os *os); /* since some moment; never goes back */
    uint64_t (*thread_ns)(ngi_os *os);    /* processor time of the calling thread */
    ng_status (*random)(ngi_os *os, void *out, size_t bytes);
};

/** The real system. Immutable; may be shared by all stores. */
ngi_os *ngi_os_system(void);

/** The real system for one store: its directory, and the files in it, are found through a handle of
 *  that directory, which is taken when it is there for the first time. Then the store goes on in
 *  its directory wherever that is moved to, and another one that gets its name, or a process that
 *  changes its working directory, does not matter. Not to be moved in memory. */
typedef struct ngi_os_home {
    ngi_os os;
    int directory; /* -1: not yet; set by the thread that opens the store */
    size_t path_bytes;
    char path[4352];
} ngi_os_home;

/** The table for the store in `path`; NULL: one in memory. */
ngi_os *ngi_os_home_init(ngi_os_home *home, const char *path);
void ngi_os_home_release(ngi_os_home *home);

/** The directory that holds `path`: "." if no other is named. */
void ngi_os_parent(const char *path, char *out, size_t capacity);
/** Number of this process, for the lock file. */
uint32_t ngi_os_process_id(void);
/** Number of the calling thread, as the system shows it. */
uint32_t ngi_os_thread_id(void);
/** Correctly rounded decimal to double, always with '.', whatever the locale. `text` ends with NUL;
 *  `*end` receives where the number ends. */
double ngi_os_parse_double(const char *text, const char **end);
/** Memory of the machine; 0 if it cannot be told. */
uint64_t ngi_os_memory_bytes(void);
/** Number of processors this process may use, at least 1. */
unsigned ngi_os_processor_count(void);

#endif
