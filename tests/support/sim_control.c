/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What tests do to a simulated disk: make it, plan its faults, cut its power, look inside. */
#include "sim_disk_private.h"

#include <stdio.h>
#include <string.h>

static sim_disk *disk_allocate(uint64_t seed)
{
    sim_disk *disk = calloc(1, sizeof *disk);
    if (disk == NULL || pthread_mutex_init(&disk->mutex, NULL) != 0)
        abort();
    disk->os = sim_disk_table;
    disk->os.context = disk;
    disk->random.state = seed;
    disk->clock_us = 1700000000000000ull;
    disk->clock_step_us = 1;
    return disk;
}

sim_disk *sim_disk_create(uint64_t seed)
{
    sim_disk *disk = disk_allocate(seed);
    sim_disk_change_names(disk, SIM_NAME_ADD, "/", "", sim_disk_new_inode(disk, true));
    sim_disk_change_names(disk, SIM_NAME_ADD, "/sim", "", sim_disk_new_inode(disk, true));
    sim_names_copy(&disk->durable, &disk->seen);
    disk->change_count = 0;
    return disk;
}

void sim_disk_destroy(sim_disk *disk)
{
    if (disk == NULL)
        return;
    for (size_t i = 0; i < disk->inode_count; i++)
        sim_inode_release(&disk->inodes[i]);
    free(disk->inodes);
    free(disk->seen.items);
    free(disk->durable.items);
    free(disk->changes);
    free(disk->handles);
    free(disk->events);
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
}

ngi_os *sim_disk_os(sim_disk *disk)
{
    return &disk->os;
}

/* A disk whose both images are the durable image of `from` after `plan`. */
static sim_disk *disk_after(const sim_disk *from, const sim_crash_plan *plan, uint64_t seed)
{
    sim_disk *disk = disk_allocate(seed);
    disk->clock_us = from->clock_us + 1000000;
    disk->clock_step_us = from->clock_step_us;
    disk->capacity_bytes = from->capacity_bytes;
    disk->order = from->order;
    for (size_t i = 0; i < from->inode_count; i++) {
        const sim_inode *old = &from->inodes[i];
        int number = sim_disk_new_inode(disk, old->is_directory);
        sim_inode scratch = *old;
        size_t bytes = old->capacity_bytes;
        scratch.seen = NULL;
        scratch.map = NULL;
        scratch.durable = bytes != 0 ? malloc(bytes) : NULL;
        if (bytes != 0 && scratch.durable == NULL)
            abort();
        if (bytes != 0)
            memcpy(scratch.durable, old->durable, bytes);
        sim_crash_plan mine = *plan;
        mine.is_lost_inode = (int)i == plan->lost_inode;
        mine.keeps_inode =
            plan->mode == SIM_KEEP_FILES && test_random_chance(plan->random, plan->keep_percent);
        sim_inode_settle(&scratch, &mine);
        sim_inode_fill(&disk->inodes[number], scratch.durable, scratch.durable_bytes);
        free(scratch.durable);
    }
    sim_names names = {0};
    sim_names_copy(&names, &from->durable);
    for (size_t i = 0; i < from->change_count; i++) {
        if (sim_crash_keeps(plan, from->changes[i].order))
            sim_names_apply(&names, &from->changes[i]);
    }
    for (size_t i = 0; i < names.count; i++) { /* sorted: parents come before what is in them */
        const sim_name *name = &names.items[i];
        if (strcmp(name->path, "/") == 0 || sim_disk_has_parent(disk, name->path))
            sim_disk_change_names(disk, SIM_NAME_ADD, name->path, "", name->inode);
    }
    free(names.items);
    disk->change_count = 0;
    sim_names_copy(&disk->durable, &disk->seen);
    return disk;
}

/* Any of the pending sectors of the disk. */
static void disk_choose_lost(const sim_disk *disk, sim_crash_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < disk->inode_count; i++)
        count += disk->inodes[i].sector_count;
    plan->lost_inode = -1;
    size_t nth = count == 0 ? 0 : test_random_below(plan->random, count);
    for (size_t i = 0; i < disk->inode_count && plan->lost_inode < 0 && count != 0; i++) {
        if (nth < disk->inodes[i].sector_count) {
            plan->lost_inode = (int)i;
            plan->lost_sector = disk->inodes[i].sectors[nth].index;
        } else {
            nth -= disk->inodes[i].sector_count;
        }
    }
}

sim_disk *sim_disk_crash(sim_disk *disk, uint64_t seed)
{
    test_random random = {seed};
    pthread_mutex_lock(&disk->mutex);
    sim_disk_absorb(disk);
    sim_crash_plan plan = {.mode = (sim_crash_mode)test_random_below(&random, SIM_CRASH_MODES),
                           .random = &random};
    plan.keep_percent = (unsigned)(10 + test_random_below(&random, 81));
    uint64_t oldest = disk->order;
    for (size_t i = 0; i < disk->inode_count; i++) {
        if (disk->inodes[i].sector_count != 0 && disk->inodes[i].sectors[0].order < oldest)
            oldest = disk->inodes[i].sectors[0].order;
    }
    plan.cut = oldest + test_random_below(&random, disk->order - oldest + 1);
    disk_choose_lost(disk, &plan);
    sim_disk *after = disk_after(disk, &plan, test_random_next(&random));
    pthread_mutex_unlock(&disk->mutex);
    return after;
}

sim_disk *sim_disk_clone(sim_disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    sim_disk_absorb(disk);
    sim_crash_plan plan = {.mode = SIM_KEEP_ALL};
    sim_disk *after = disk_after(disk, &plan, disk->random.state);
    pthread_mutex_unlock(&disk->mutex);
    return after;
}

void sim_disk_fail(sim_disk *disk, const sim_fault *fault)
{
    pthread_mutex_lock(&disk->mutex);
    disk->has_fault = fault != NULL;
    if (fault != NULL)
        disk->fault = *fault;
    disk->fault_matches = 0;
    disk->is_stopped = false;
    memset(disk->calls, 0, sizeof disk->calls);
    pthread_mutex_unlock(&disk->mutex);
}

void sim_disk_stop_at(sim_disk *disk, uint64_t at)
{
    sim_disk_fail(disk, &(sim_fault){.kinds = SIM_DISK_CALLS,
                                     .at = at,
                                     .from_then_on = true,
                                     .partial_write = true,
                                     .status = NG_E_IO});
}

bool sim_disk_is_stopped(sim_disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    bool is_stopped = disk->is_stopped;
    pthread_mutex_unlock(&disk->mutex);
    return is_stopped;
}

uint64_t sim_disk_call_count(sim_disk *disk, uint32_t kinds)
{
    uint64_t count = 0;
    pthread_mutex_lock(&disk->mutex);
    for (unsigned i = 0; i < sizeof disk->calls / sizeof *disk->calls; i++) {
        if (kinds & (1u << i))
            count += disk->calls[i];
    }
    pthread_mutex_unlock(&disk->mutex);
    return count;
}

uint64_t sim_disk_fault_count(sim_disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    uint64_t count = disk->fault_count;
    pthread_mutex_unlock(&disk->mutex);
    return count;
}

void sim_disk_set_capacity(sim_disk *disk, uint64_t bytes)
{
    pthread_mutex_lock(&disk->mutex);
    disk->capacity_bytes = bytes;
    pthread_mutex_unlock(&disk->mutex);
}

uint64_t sim_disk_used_bytes(sim_disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    uint64_t used = sim_disk_used(disk);
    pthread_mutex_unlock(&disk->mutex);
    return used;
}

void sim_disk_set_clock(sim_disk *disk, uint64_t now_us, uint64_t step_us)
{
    pthread_mutex_lock(&disk->mutex);
    disk->clock_us = now_us;
    disk->clock_step_us = step_us;
    pthread_mutex_unlock(&disk->mutex);
}

size_t sim_disk_open_count(sim_disk *disk)
{
    size_t count = 0;
    pthread_mutex_lock(&disk->mutex);
    for (size_t i = 0; i < disk->handle_count; i++)
        count += disk->handles[i].inode >= 0;
    for (size_t i = 0; i < disk->inode_count; i++)
        count += disk->inodes[i].map_count;
    pthread_mutex_unlock(&disk->mutex);
    return count;
}

void sim_disk_trace(sim_disk *disk, bool on)
{
    pthread_mutex_lock(&disk->mutex);
    disk->is_tracing = on;
    pthread_mutex_unlock(&disk->mutex);
}

void sim_disk_mark(sim_disk *disk, uint64_t mark)
{
    pthread_mutex_lock(&disk->mutex);
    if (disk->is_tracing) {
        disk->events =
            sim_grow(disk->events, disk->event_count, &disk->event_capacity, sizeof *disk->events);
        disk->events[disk->event_count++] = (sim_event){.call = SIM_MARK, .file = -1, .mark = mark};
    }
    pthread_mutex_unlock(&disk->mutex);
}

size_t sim_disk_event_count(sim_disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    size_t count = disk->event_count;
    pthread_mutex_unlock(&disk->mutex);
    return count;
}

sim_event sim_disk_event(sim_disk *disk, size_t index)
{
    pthread_mutex_lock(&disk->mutex);
    sim_event event = disk->events[index];
    pthread_mutex_unlock(&disk->mutex);
    return event;
}

bool sim_disk_durable_contains(sim_disk *disk, const void *data, size_t bytes)
{
    bool found = false;
    pthread_mutex_lock(&disk->mutex);
    for (size_t i = 0; i < disk->durable.count && !found; i++) {
        const sim_inode *inode = &disk->inodes[disk->durable.items[i].inode];
        if (!inode->is_directory && inode->durable_bytes != 0)
            found = memmem(inode->durable, inode->durable_bytes, data, bytes) != NULL;
    }
    pthread_mutex_unlock(&disk->mutex);
    return found;
}

size_t sim_disk_files(sim_disk *disk, char (*paths)[SIM_PATH_BYTES], size_t capacity)
{
    size_t count = 0;
    for (size_t i = 0; i < disk->seen.count; i++) {
        const sim_name *name = &disk->seen.items[i];
        if (disk->inodes[name->inode].is_directory)
            continue;
        if (count < capacity)
            snprintf(paths[count], SIM_PATH_BYTES, "%s", name->path);
        count++;
    }
    return count;
}

uint8_t *sim_disk_file_copy(sim_disk *disk, const char *path, size_t *bytes)
{
    int number = sim_names_find(&disk->seen, path);
    if (number < 0)
        return NULL;
    const sim_inode *inode = &disk->inodes[number];
    uint8_t *copy = malloc(inode->seen_bytes + 1);
    if (copy == NULL)
        abort();
    if (inode->seen_bytes != 0)
        memcpy(copy, inode->seen, inode->seen_bytes);
    *bytes = inode->seen_bytes;
    return copy;
}

void sim_disk_file_put(sim_disk *disk, const char *path, const void *data, size_t bytes)
{
    int number = sim_names_find(&disk->seen, path);
    if (number < 0) {
        number = sim_disk_new_inode(disk, false);
        sim_disk_change_names(disk, SIM_NAME_ADD, path, "", number);
        sim_names_apply(&disk->durable, &disk->changes[--disk->change_count]);
    }
    sim_inode *inode = &disk->inodes[number];
    sim_inode_resize(inode, 0, ++disk->order);
    sim_inode_write(inode, data, bytes, 0, ++disk->order);
    sim_inode_sync(inode);
}

void sim_disk_flip(sim_disk *disk, const char *path, uint64_t bit)
{
    int number = sim_names_find(&disk->seen, path);
    sim_inode *inode = number < 0 ? NULL : &disk->inodes[number];
    if (inode == NULL || bit / 8 >= inode->seen_bytes)
        abort();
    inode->seen[bit / 8] ^= (uint8_t)(1u << bit % 8);
    if (bit / 8 < inode->durable_bytes)
        inode->durable[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

void sim_disk_file_erase(sim_disk *disk, const char *path)
{
    int number = sim_names_find(&disk->seen, path);
    if (number < 0)
        return;
    sim_disk_change_names(disk, SIM_NAME_REMOVE, path, "", number);
    sim_names_apply(&disk->durable, &disk->changes[--disk->change_count]);
}
