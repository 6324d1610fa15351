/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A disk in memory, behind the table of src/os/os.h, that can fail and lose power.
 *
 * Why: only a disk that forgets what was not synced can show that acknowledged means on disk.
 *
 * Invariants: 1. A file's data and size are durable as of its last successful file_sync. Later
 *                changes may at a crash be kept or lost for each 512-byte sector by itself, in any
 *                order; one sector is old or new, never mixed.
 *             2. A directory's entries are durable as of its last successful sync_directory. Later
 *                creations, renames and removals may be kept or lost each by itself; a rename is
 *                never half done.
 *                The directory's own name and those in it are kept or lost apart, so that what is in
 *                a directory whose name is lost is lost with it.
 *             3. After a failed sync the pending changes count as written for later syncs, though
 *                any of them may not be on disk (as on Linux, where pages are marked clean).
 *             4. What is stored into a mapped file is a change that nothing has synced.
 *             5. Equal seeds and equal calls give equal disks.
 * Threads: every call may be made from any thread; one mutex guards the whole disk. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "os/os.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_SECTOR_BYTES 512
#define SIM_PATH_BYTES 256

typedef struct sim_disk sim_disk;

typedef enum sim_call {
    SIM_OPEN = 1 << 0,
    SIM_READ = 1 << 1,
    SIM_WRITE = 1 << 2,
    SIM_SYNC = 1 << 3,
    SIM_ALLOCATE = 1 << 4,
    SIM_TRUNCATE = 1 << 5,
    SIM_SIZE = 1 << 6,
    SIM_LOCK = 1 << 7,
    SIM_MAP = 1 << 8,
    SIM_RENAME = 1 << 9,
    SIM_REMOVE = 1 << 10,
    SIM_MAKE_DIRECTORY = 1 << 11,
    SIM_REMOVE_DIRECTORY = 1 << 12,
    SIM_SYNC_DIRECTORY = 1 << 13,
    SIM_LIST = 1 << 14,
    SIM_MEMORY_RESERVE = 1 << 15,
    SIM_MEMORY_COMMIT = 1 << 16,
    SIM_MEMORY_SPARSE = 1 << 17,
    SIM_RANDOM = 1 << 18,
    SIM_MARK = 1 << 19, /* in traces only: something the test did */
    SIM_CALL_KINDS = 20,
    SIM_DISK_CALLS = (1 << 15) - 1,
    SIM_ALL_CALLS = (1 << 19) - 1
} sim_call;

/** An empty disk with the directory "/" and, durable in it, "/sim". */
sim_disk *sim_disk_create(uint64_t seed);
/** NULL is allowed. Nothing may be open any more that uses the disk's table. */
void sim_disk_destroy(sim_disk *disk);
/** The table to give to a store. Owned by the disk. */
ngi_os *sim_disk_os(sim_disk *disk);
/** The disk as the next start would find it if power failed now; `disk` stays as it is. */
sim_disk *sim_disk_crash(sim_disk *disk, uint64_t seed);
/** The disk as programs see it now, with everything durable. */
sim_disk *sim_disk_clone(sim_disk *disk);

/** Which calls fail: the `at`-th (1 = next) of those in `kinds`, and the `times` - 1 after it, or all
 *  later ones if asked. */
typedef struct sim_fault {
    uint32_t kinds;
    uint64_t at;
    uint64_t times; /* 0 = once */
    bool from_then_on;
    bool partial_write; /* a failing write leaves a random prefix behind */
    ng_status status;
} sim_fault;

/** Installs a plan, counting from now; NULL takes it away. */
void sim_disk_fail(sim_disk *disk, const sim_fault *fault);
/** Every disk call from the `at`-th on fails, a write half done: the machine stops there. */
void sim_disk_stop_at(sim_disk *disk, uint64_t at);
/** Whether a plan that lasts has begun to fail calls. */
bool sim_disk_is_stopped(sim_disk *disk);
/** Calls of these kinds since the disk was made or the plan was last installed or taken away. */
uint64_t sim_disk_call_count(sim_disk *disk, uint32_t kinds);
/** Calls that failed because of the plan, ever. */
uint64_t sim_disk_fault_count(sim_disk *disk);
/** Room for file contents; 0 = no limit. Growing beyond it fails with NG_E_DISK_FULL. */
void sim_disk_set_capacity(sim_disk *disk, uint64_t bytes);
uint64_t sim_disk_used_bytes(sim_disk *disk);
/** Sets the clock; each reading adds `step_us` to it. */
void sim_disk_set_clock(sim_disk *disk, uint64_t now_us, uint64_t step_us);
/** Files that are open or mapped through the table. */
size_t sim_disk_open_count(sim_disk *disk);

typedef struct sim_event {
    sim_call call;
    ng_status status;
    int file; /* the file's identity: stays the same through renames; -1 = none */
    char path[SIM_PATH_BYTES];
    uint64_t offset, bytes;
    uint64_t mark;
} sim_event;

/** Turns recording of calls on or off; the events so far are kept. */
void sim_disk_trace(sim_disk *disk, bool on);
/** Puts an event of the test's own between the recorded calls. */
void sim_disk_mark(sim_disk *disk, uint64_t mark);
size_t sim_disk_event_count(sim_disk *disk);
sim_event sim_disk_event(sim_disk *disk, size_t index);

/** Whether these bytes stand in the durable image of a file whose entry is durable: what is found
 *  even if all that is pending were lost. */
bool sim_disk_durable_contains(sim_disk *disk, const void *data, size_t bytes);

/* Raw access for tests that damage files; nothing may be open meanwhile. */

/** Paths of all files, sorted; returns how many there are. */
size_t sim_disk_files(sim_disk *disk, char (*paths)[SIM_PATH_BYTES], size_t capacity);
/** A copy of a file's contents (release with free), or NULL if there is no such file. */
uint8_t *sim_disk_file_copy(sim_disk *disk, const char *path, size_t *bytes);
/** Writes a file as a whole, durable, creating it if absent. */
void sim_disk_file_put(sim_disk *disk, const char *path, const void *data, size_t bytes);
/** Turns bit `bit` (of the byte bit / 8) of a file that has it, durable. */
void sim_disk_flip(sim_disk *disk, const char *path, uint64_t bit);
/** Removes a file, durable. */
void sim_disk_file_erase(sim_disk *disk, const char *path);

#endif
