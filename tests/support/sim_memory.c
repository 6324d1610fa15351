/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The simulated disk's files as memory, and the rest of the table: memory, clocks, random numbers.
 *
 * Mapped files: what is stored there is a change of the file that nothing has synced. It is absorbed
 * into the file's image when the file is read, synced or unmapped, and when power fails. */
#include "sim_disk_private.h"

#include <stdio.h>
#include <string.h>

void sim_inode_absorb(sim_inode *inode, uint64_t *order)
{
    for (size_t at = 0; at < inode->map_bytes; at += SIM_SECTOR_BYTES) {
        size_t bytes = inode->map_bytes - at;
        if (bytes > SIM_SECTOR_BYTES)
            bytes = SIM_SECTOR_BYTES;
        if (memcmp(inode->map + at, inode->seen + at, bytes) != 0)
            sim_inode_write(inode, inode->map + at, bytes, at, ++*order);
    }
}

void sim_disk_absorb(sim_disk *disk)
{
    for (size_t i = 0; i < disk->inode_count && !disk->is_stopped; i++)
        sim_inode_absorb(&disk->inodes[i], &disk->order);
}

/* One memory for all who map a file, as long as one of them does. */
static ng_status inode_map(sim_disk *disk, sim_inode *inode, size_t bytes, const char *path)
{
    if (inode->map_count != 0 && bytes > inode->map_bytes)
        return ngi_fail(NG_E_IO, "%s: is mapped with fewer bytes (simulated)", path);
    ng_status status = sim_disk_check_room(disk, inode, bytes, path);
    if (status != NG_OK)
        return status;
    if (bytes > inode->seen_bytes)
        sim_inode_resize(inode, bytes, ++disk->order);
    if (inode->map_count == 0) {
        size_t room = (bytes + 4095) / 4096 * 4096;
        inode->map = aligned_alloc(4096, room);
        if (inode->map == NULL)
            abort();
        memcpy(inode->map, inode->seen, bytes);
        inode->map_bytes = bytes;
    }
    inode->map_count++;
    return NG_OK;
}

ng_status sim_os_map(ngi_os *os, ngi_file file, size_t bytes, void **out)
{
    sim_disk *disk = sim_disk_of(os);
    sim_inode *inode;
    const char *path;
    sim_event event = {.bytes = bytes};
    if (sim_file_enter(disk, file, SIM_MAP, &inode, &event, &path)) {
        if (!disk->handles[file - 1].can_write)
            event.status = ngi_fail(NG_E_IO, "%s: opened for reading only", path);
        else
            event.status = inode_map(disk, inode, bytes, path);
        if (event.status == NG_OK)
            *out = inode->map;
    }
    return sim_disk_leave(disk, &event, path);
}

void sim_os_unmap(ngi_os *os, void *address, size_t bytes)
{
    sim_disk *disk = sim_disk_of(os);
    pthread_mutex_lock(&disk->mutex);
    sim_inode *inode = NULL;
    for (size_t i = 0; i < disk->inode_count && address != NULL; i++) {
        if (disk->inodes[i].map == address)
            inode = &disk->inodes[i];
    }
    if (inode == NULL || bytes > inode->map_bytes) {
        fprintf(stderr, "simulated disk: %zu bytes at %p were never mapped\n", bytes, address);
        abort();
    }
    if (!disk->is_stopped)
        sim_inode_absorb(inode, &disk->order);
    if (--inode->map_count == 0) {
        free(inode->map);
        inode->map = NULL;
        inode->map_bytes = 0;
    }
    pthread_mutex_unlock(&disk->mutex);
}

ng_status sim_os_memory_reserve(ngi_os *os, size_t bytes, void **out)
{
    sim_disk *disk = sim_disk_of(os);
    sim_event event = {.call = SIM_MEMORY_RESERVE, .file = -1, .bytes = bytes};
    event.status = sim_disk_enter(disk, SIM_MEMORY_RESERVE, "memory");
    if (event.status == NG_OK)
        event.status = ngi_os_system()->memory_reserve(ngi_os_system(), bytes, out);
    return sim_disk_leave(disk, &event, "memory");
}

ng_status sim_os_memory_commit(ngi_os *os, void *address, size_t bytes)
{
    sim_disk *disk = sim_disk_of(os);
    sim_event event = {.call = SIM_MEMORY_COMMIT, .file = -1, .bytes = bytes};
    event.status = sim_disk_enter(disk, SIM_MEMORY_COMMIT, "memory");
    if (event.status == NG_OK)
        event.status = ngi_os_system()->memory_commit(ngi_os_system(), address, bytes);
    return sim_disk_leave(disk, &event, "memory");
}

/* Real memory: a simulated one that is as sparse would only be a copy of the system's. */
ng_status sim_os_memory_map_sparse(ngi_os *os, size_t bytes, void **out)
{
    sim_disk *disk = sim_disk_of(os);
    sim_event event = {.call = SIM_MEMORY_SPARSE, .file = -1, .bytes = bytes};
    event.status = sim_disk_enter(disk, SIM_MEMORY_SPARSE, "memory");
    if (event.status == NG_OK)
        event.status = ngi_os_system()->memory_map_sparse(ngi_os_system(), bytes, out);
    return sim_disk_leave(disk, &event, "memory");
}

void sim_os_memory_discard(ngi_os *os, void *address, size_t bytes)
{
    (void)os;
    ngi_os_system()->memory_discard(ngi_os_system(), address, bytes);
}

void sim_os_memory_release(ngi_os *os, void *address, size_t bytes)
{
    (void)os;
    ngi_os_system()->memory_release(ngi_os_system(), address, bytes);
}

uint64_t sim_os_clock_us(ngi_os *os)
{
    sim_disk *disk = sim_disk_of(os);
    pthread_mutex_lock(&disk->mutex);
    uint64_t now = disk->clock_us;
    disk->clock_us += disk->clock_step_us;
    pthread_mutex_unlock(&disk->mutex);
    return now;
}

uint64_t sim_os_monotonic_ns(ngi_os *os)
{
    return sim_os_clock_us(os) * 1000;
}

uint64_t sim_os_thread_ns(ngi_os *os)
{
    return sim_os_clock_us(os) * 1000;
}

ng_status sim_os_random(ngi_os *os, void *out, size_t bytes)
{
    sim_disk *disk = sim_disk_of(os);
    sim_event event = {.call = SIM_RANDOM, .file = -1, .bytes = bytes};
    event.status = sim_disk_enter(disk, SIM_RANDOM, "random");
    if (event.status == NG_OK) {
        for (size_t i = 0; i < bytes; i++)
            ((uint8_t *)out)[i] = (uint8_t)test_random_next(&disk->random);
    }
    return sim_disk_leave(disk, &event, "random");
}
