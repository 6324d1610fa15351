/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The parts of the simulated disk: images of files and names, each with what is pending.
 *
 * sim_image.c knows how contents and names change and what a crash leaves of them; sim_disk.c is
 * the table of calls with its faults and its trace; sim_control.c is what tests do to a disk. */
#ifndef SIM_DISK_PRIVATE_H
#define SIM_DISK_PRIVATE_H

#include "sim_disk.h"
#include "test_random.h"

#include <pthread.h>

/** One sector as it was after one write; `order` counts all changes of the disk. */
typedef struct sim_sector {
    uint64_t order;
    uint64_t index;
    uint8_t data[SIM_SECTOR_BYTES];
} sim_sector;

typedef struct sim_resize {
    uint64_t order;
    uint64_t bytes;
} sim_resize;

typedef struct sim_inode {
    bool is_directory;
    uint8_t *seen, *durable; /* both of capacity_bytes, zero beyond their sizes */
    uint64_t capacity_bytes;
    uint64_t seen_bytes, durable_bytes;
    uint64_t durable_end; /* beyond it the durable image is zero */
    sim_sector *sectors;  /* pending, oldest first */
    size_t sector_count, sector_capacity;
    sim_resize *resizes; /* pending, oldest first */
    size_t resize_count, resize_capacity;
    uint8_t *map; /* the file as memory, or NULL */
    size_t map_bytes;
    unsigned map_count; /* who has it mapped */
} sim_inode;

typedef struct sim_name {
    char path[SIM_PATH_BYTES];
    int inode;
} sim_name;

typedef struct sim_names {
    sim_name *items; /* sorted by path */
    size_t count, capacity;
} sim_names;

typedef enum sim_name_change { SIM_NAME_ADD, SIM_NAME_REMOVE, SIM_NAME_RENAME } sim_name_change;

typedef struct sim_entry_change {
    uint64_t order;
    sim_name_change change;
    char path[SIM_PATH_BYTES], to[SIM_PATH_BYTES];
    int inode;
} sim_entry_change;

/** What a crash keeps of the pending changes. */
typedef enum sim_crash_mode {
    SIM_KEEP_NOTHING,
    SIM_KEEP_ALL,
    SIM_KEEP_ANY,    /* each by itself, with chance keep_percent */
    SIM_KEEP_PREFIX, /* what was changed before `cut`, nothing after */
    SIM_LOSE_ONE,    /* all but one sector of one file */
    SIM_KEEP_FILES,  /* each file's contents as a whole, and each name, or nothing of it */
    SIM_CRASH_MODES
} sim_crash_mode;

typedef struct sim_crash_plan {
    sim_crash_mode mode;
    unsigned keep_percent;
    uint64_t cut;
    int lost_inode; /* of SIM_LOSE_ONE; -1 = none */
    uint64_t lost_sector;
    bool is_lost_inode; /* the inode being settled is that one */
    bool keeps_inode;   /* of SIM_KEEP_FILES: the inode being settled is kept */
    test_random *random;
} sim_crash_plan;

typedef enum sim_lock { SIM_UNLOCKED, SIM_SHARED, SIM_EXCLUSIVE } sim_lock;

typedef struct sim_handle {
    int inode; /* -1 = closed */
    bool can_write;
    sim_lock lock;
} sim_handle;

struct sim_disk {
    ngi_os os; /* first: the table's functions find the disk through its context */
    pthread_mutex_t mutex;
    test_random random;
    uint64_t order; /* of the newest change */
    uint64_t clock_us, clock_step_us;
    uint64_t capacity_bytes;

    sim_inode *inodes;
    size_t inode_count, inode_capacity;
    sim_names seen, durable;
    sim_entry_change *changes; /* pending, oldest first */
    size_t change_count, change_capacity;
    sim_handle *handles;
    size_t handle_count, handle_capacity;

    sim_fault fault;
    bool has_fault;
    bool is_stopped; /* every call fails from now on: what is stored into mapped files is lost */
    uint64_t fault_matches, fault_count;
    uint64_t calls[SIM_CALL_KINDS]; /* by bit of sim_call */

    bool is_tracing;
    sim_event *events;
    size_t event_count, event_capacity;
};

extern const ngi_os sim_disk_table;

/* What every call of the table does first and last. The mutex is held from enter to leave, whatever
 * enter returned. */
sim_disk *sim_disk_of(ngi_os *os);
ng_status sim_disk_enter(sim_disk *disk, sim_call call, const char *path);
ng_status sim_disk_leave(sim_disk *disk, const sim_event *event, const char *path);
/** The same for an open file; false if the call ends here. */
bool sim_file_enter(sim_disk *disk, ngi_file file, sim_call call, sim_inode **inode,
                    sim_event *event, const char **path);
/** Whether a file may grow to `bytes`: only growth can meet a full disk. */
ng_status sim_disk_check_room(const sim_disk *disk, const sim_inode *inode, uint64_t bytes,
                              const char *path);

/* Parts of the table in sim_memory.c */
ng_status sim_os_map(ngi_os *os, ngi_file file, size_t bytes, void **out);
void sim_os_unmap(ngi_os *os, void *address, size_t bytes);
ng_status sim_os_memory_reserve(ngi_os *os, size_t bytes, void **out);
ng_status sim_os_memory_commit(ngi_os *os, void *address, size_t bytes);
void sim_os_memory_discard(ngi_os *os, void *address, size_t bytes);
void sim_os_memory_release(ngi_os *os, void *address, size_t bytes);
ng_status sim_os_memory_map_sparse(ngi_os *os, size_t bytes, void **out);
uint64_t sim_os_clock_us(ngi_os *os);
uint64_t sim_os_monotonic_ns(ngi_os *os);
uint64_t sim_os_thread_ns(ngi_os *os);
ng_status sim_os_random(ngi_os *os, void *out, size_t bytes);
/** What was stored into mapped files becomes a change of theirs, not synced. */
void sim_disk_absorb(sim_disk *disk);
void sim_inode_absorb(sim_inode *inode, uint64_t *order);

void sim_disk_change_names(sim_disk *disk, sim_name_change kind, const char *path, const char *to,
                           int inode);
int sim_disk_new_inode(sim_disk *disk, bool is_directory);
bool sim_disk_has_parent(const sim_disk *disk, const char *path);
uint64_t sim_disk_used(const sim_disk *disk);

/* Images of files */
void sim_inode_resize(sim_inode *inode, uint64_t bytes, uint64_t order);
void sim_inode_write(sim_inode *inode, const uint8_t *data, size_t bytes, uint64_t offset,
                     uint64_t order);
/** Contents of an inode that has none yet, durable. */
void sim_inode_fill(sim_inode *inode, const uint8_t *data, uint64_t bytes);
/** All that is pending becomes durable. */
void sim_inode_sync(sim_inode *inode);
/** What is pending becomes durable or is forgotten, as the plan decides; the seen image stays. */
void sim_inode_settle(sim_inode *inode, const sim_crash_plan *plan);
void sim_inode_release(sim_inode *inode);

/* Names */
int sim_names_find(const sim_names *names, const char *path);
void sim_names_apply(sim_names *names, const sim_entry_change *change);
void sim_names_copy(sim_names *names, const sim_names *from);
/** Whether `path` stands directly in directory `parent`. */
bool sim_path_is_in(const char *path, const char *parent);
/** If `path` stands below directory `from`, moves it to the same place below `to`. */
void sim_path_move(char path[SIM_PATH_BYTES], const char *from, const char *to);
bool sim_crash_keeps(const sim_crash_plan *plan, uint64_t order);

/** Memory of the harness: a test without it cannot go on, so failure ends the program. */
void *sim_grow(void *items, size_t count, size_t *capacity, size_t item_bytes);

#endif
