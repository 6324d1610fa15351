/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Contents and names of the simulated disk: the seen image, the durable one, what is between. */
#include "sim_disk_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void *sim_grow(void *items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return items;
    size_t wanted = *capacity < 16 ? 16 : *capacity * 2;
    void *grown = realloc(items, wanted * item_bytes);
    if (grown == NULL) {
        fprintf(stderr, "simulated disk: out of memory\n");
        abort();
    }
    *capacity = wanted;
    return grown;
}

static uint8_t *image_grow(uint8_t *image, uint64_t from, uint64_t to)
{
    uint8_t *grown = calloc(1, to);
    if (grown == NULL) {
        fprintf(stderr, "simulated disk: out of memory\n");
        abort();
    }
    if (from != 0)
        memcpy(grown, image, from);
    free(image);
    return grown;
}

static void inode_reserve(sim_inode *inode, uint64_t bytes)
{
    if (bytes <= inode->capacity_bytes)
        return;
    uint64_t wanted = (bytes + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES * SIM_SECTOR_BYTES;
    if (wanted < inode->capacity_bytes * 2)
        wanted = inode->capacity_bytes * 2;
    inode->seen = image_grow(inode->seen, inode->capacity_bytes, wanted);
    inode->durable = image_grow(inode->durable, inode->capacity_bytes, wanted);
    inode->capacity_bytes = wanted;
}

static void inode_push_sector(sim_inode *inode, uint64_t index, uint64_t order)
{
    inode->sectors = sim_grow(inode->sectors, inode->sector_count, &inode->sector_capacity,
                              sizeof *inode->sectors);
    sim_sector *sector = &inode->sectors[inode->sector_count++];
    sector->order = order;
    sector->index = index;
    memcpy(sector->data, inode->seen + index * SIM_SECTOR_BYTES, SIM_SECTOR_BYTES);
}

static void inode_push_size(sim_inode *inode, uint64_t bytes, uint64_t order)
{
    inode->resizes = sim_grow(inode->resizes, inode->resize_count, &inode->resize_capacity,
                              sizeof *inode->resizes);
    inode->resizes[inode->resize_count++] = (sim_resize){.order = order, .bytes = bytes};
    inode->seen_bytes = bytes;
}

void sim_inode_resize(sim_inode *inode, uint64_t bytes, uint64_t order)
{
    if (bytes == inode->seen_bytes)
        return;
    inode_reserve(inode, bytes);
    if (bytes < inode->seen_bytes) {
        memset(inode->seen + bytes, 0, inode->seen_bytes - bytes);
        uint64_t end = (inode->seen_bytes + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES;
        for (uint64_t index = bytes / SIM_SECTOR_BYTES; index < end; index++)
            inode_push_sector(inode, index, order);
    }
    inode_push_size(inode, bytes, order);
}

void sim_inode_write(sim_inode *inode, const uint8_t *data, size_t bytes, uint64_t offset,
                     uint64_t order)
{
    if (bytes == 0)
        return;
    inode_reserve(inode, offset + bytes);
    memmove(inode->seen + offset, data, bytes);
    if (offset < inode->map_bytes && data != inode->map + offset) {
        size_t mapped = inode->map_bytes - (size_t)offset;
        memcpy(inode->map + offset, data, bytes < mapped ? bytes : mapped);
    }
    uint64_t end = (offset + bytes + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES;
    for (uint64_t index = offset / SIM_SECTOR_BYTES; index < end; index++)
        inode_push_sector(inode, index, order);
    if (offset + bytes > inode->seen_bytes)
        inode_push_size(inode, offset + bytes, order);
}

static void inode_store_sector(sim_inode *inode, const sim_sector *sector)
{
    uint64_t end = (sector->index + 1) * SIM_SECTOR_BYTES;
    memcpy(inode->durable + end - SIM_SECTOR_BYTES, sector->data, SIM_SECTOR_BYTES);
    if (end > inode->durable_end)
        inode->durable_end = end;
}

static void inode_trim_durable(sim_inode *inode)
{
    if (inode->durable_bytes < inode->durable_end)
        memset(inode->durable + inode->durable_bytes, 0, inode->durable_end - inode->durable_bytes);
    inode->durable_end = inode->durable_bytes;
}

void sim_inode_fill(sim_inode *inode, const uint8_t *data, uint64_t bytes)
{
    if (bytes == 0)
        return;
    inode_reserve(inode, bytes);
    memcpy(inode->seen, data, bytes);
    memcpy(inode->durable, data, bytes);
    inode->seen_bytes = inode->durable_bytes = inode->durable_end = bytes;
}

void sim_inode_sync(sim_inode *inode)
{
    for (size_t i = 0; i < inode->sector_count; i++)
        inode_store_sector(inode, &inode->sectors[i]);
    inode->durable_bytes = inode->seen_bytes;
    inode_trim_durable(inode);
    inode->sector_count = 0;
    inode->resize_count = 0;
}

bool sim_crash_keeps(const sim_crash_plan *plan, uint64_t order)
{
    switch (plan->mode) {
    case SIM_KEEP_NOTHING:
        return false;
    case SIM_KEEP_ALL:
    case SIM_LOSE_ONE:
        return true;
    case SIM_KEEP_ANY:
    case SIM_KEEP_FILES:
        return test_random_chance(plan->random, plan->keep_percent);
    case SIM_KEEP_PREFIX:
        return order < plan->cut;
    case SIM_CRASH_MODES:
        break;
    }
    return false;
}

/* A version of a sector that is kept overwrites older ones, and a later one that is lost leaves the
 * last kept one: so each sector ends as some version between durable and seen. At the cut itself
 * the sectors of one write part ways, which is how a torn write looks. */
void sim_inode_settle(sim_inode *inode, const sim_crash_plan *plan)
{
    for (size_t i = 0; i < inode->sector_count; i++) {
        if (plan->mode == SIM_LOSE_ONE && plan->is_lost_inode &&
            inode->sectors[i].index == plan->lost_sector)
            continue;
        if (plan->mode == SIM_KEEP_FILES) {
            if (plan->keeps_inode)
                inode_store_sector(inode, &inode->sectors[i]);
            continue;
        }
        bool is_torn = plan->mode == SIM_KEEP_PREFIX && inode->sectors[i].order == plan->cut;
        if (is_torn ? test_random_chance(plan->random, 50)
                    : sim_crash_keeps(plan, inode->sectors[i].order))
            inode_store_sector(inode, &inode->sectors[i]);
    }
    for (size_t i = 0; i < inode->resize_count; i++) {
        if (plan->mode == SIM_KEEP_FILES ? plan->keeps_inode
                                         : sim_crash_keeps(plan, inode->resizes[i].order))
            inode->durable_bytes = inode->resizes[i].bytes;
    }
    inode_trim_durable(inode);
    inode->sector_count = 0;
    inode->resize_count = 0;
}

void sim_inode_release(sim_inode *inode)
{
    free(inode->seen);
    free(inode->durable);
    free(inode->sectors);
    free(inode->resizes);
    free(inode->map);
    memset(inode, 0, sizeof *inode);
}

static size_t names_position(const sim_names *names, const char *path)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(names->items[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool names_has(const sim_names *names, size_t position, const char *path)
{
    return position < names->count && strcmp(names->items[position].path, path) == 0;
}

int sim_names_find(const sim_names *names, const char *path)
{
    size_t position = names_position(names, path);
    return names_has(names, position, path) ? names->items[position].inode : -1;
}

static void names_set(sim_names *names, const char *path, int inode)
{
    size_t position = names_position(names, path);
    if (names_has(names, position, path)) {
        names->items[position].inode = inode;
        return;
    }
    names->items = sim_grow(names->items, names->count, &names->capacity, sizeof *names->items);
    memmove(&names->items[position + 1], &names->items[position],
            (names->count - position) * sizeof *names->items);
    snprintf(names->items[position].path, SIM_PATH_BYTES, "%s", path);
    names->items[position].inode = inode;
    names->count++;
}

static void names_remove(sim_names *names, const char *path, int inode)
{
    size_t position = names_position(names, path);
    if (!names_has(names, position, path) || names->items[position].inode != inode)
        return;
    names->count--;
    memmove(&names->items[position], &names->items[position + 1],
            (names->count - position) * sizeof *names->items);
}

void sim_path_move(char path[SIM_PATH_BYTES], const char *from, const char *to)
{
    size_t bytes = strlen(from);
    if (strncmp(path, from, bytes) != 0 || path[bytes] != '/')
        return;
    char moved[2 * SIM_PATH_BYTES];
    int length = snprintf(moved, sizeof moved, "%s%s", to, path + bytes);
    if (length >= SIM_PATH_BYTES)
        abort();
    memcpy(path, moved, (size_t)length + 1);
}

/* What is in a directory moves with it. The names below it stand in one run, and may have to stand
 * elsewhere afterwards. */
static void names_move_below(sim_names *names, const char *from, const char *to)
{
    size_t at = 0;
    while (at < names->count) {
        sim_name moved = names->items[at];
        sim_path_move(moved.path, from, to);
        if (strcmp(moved.path, names->items[at].path) == 0) {
            at++;
            continue;
        }
        names_remove(names, names->items[at].path, moved.inode);
        names_set(names, moved.path, moved.inode);
        at = 0;
    }
}

void sim_names_apply(sim_names *names, const sim_entry_change *change)
{
    switch (change->change) {
    case SIM_NAME_ADD:
        names_set(names, change->path, change->inode);
        break;
    case SIM_NAME_REMOVE:
        names_remove(names, change->path, change->inode);
        break;
    case SIM_NAME_RENAME:
        names_remove(names, change->path, change->inode);
        names_set(names, change->to, change->inode);
        names_move_below(names, change->path, change->to);
        break;
    }
}

void sim_names_copy(sim_names *names, const sim_names *from)
{
    names->count = 0;
    for (size_t i = 0; i < from->count; i++)
        names_set(names, from->items[i].path, from->items[i].inode);
}

bool sim_path_is_in(const char *path, const char *parent)
{
    const char *slash = strrchr(path, '/');
    assert(slash != NULL);
    size_t bytes = slash == path ? 1 : (size_t)(slash - path);
    return strlen(parent) == bytes && strncmp(path, parent, bytes) == 0 && strcmp(path, "/") != 0;
}
