/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The spatial indexes as part of the store: which tokens are in them, kept by every op.
 *
 * Invariant: the tree of a space holds exactly the live tokens with coordinates there, where their
 * records say; that of a named grid its members among them. They are derived, so no snapshot has them. */
#include "store/store_private.h"

#include <string.h>

static bool space_has(const ng_token *record, int space)
{
    return record != NULL && record->coordinates[space][0] != NG_COORDINATE_ABSENT;
}

/* Records are packed: coordinates are copied to where they are aligned. */
static const int16_t *space_at(const ng_token *record, int space, int16_t out[NG_AXIS_COUNT])
{
    if (!space_has(record, space))
        return NULL;
    memcpy(out, record->coordinates[space], NG_AXIS_COUNT * sizeof *out);
    return out;
}

static bool space_differs(const ng_token *old, const ng_token *now, int space)
{
    if (!space_has(old, space) && !space_has(now, space))
        return false;
    return !space_has(old, space) || !space_has(now, space) ||
           memcmp(old->coordinates[space], now->coordinates[space],
                  sizeof old->coordinates[space]) != 0;
}

static bool space_is_same(const ng_token *old, const ng_token *now)
{
    return old != NULL && now != NULL &&
           memcmp(old->coordinates, now->coordinates, sizeof old->coordinates) == 0;
}

void ngi_space_count_in(const ng_token *old, const ng_token *now, uint32_t moved[NG_SPACE_COUNT])
{
    if (space_is_same(old, now))
        return;
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        moved[space] += space_differs(old, now, space);
}

void ngi_space_count(ng_store *store, uint32_t slot, const ng_token *old, const ng_token *now,
                     uint32_t moved[NG_SPACE_COUNT])
{
    ngi_space_count_in(old, now, moved);
    if (NGI_UNLIKELY(slot < store->named.member_end))
        ngi_named_count(store, slot, old, now);
}

ng_status ngi_space_reserve(ng_store *store, const uint32_t moved[NG_SPACE_COUNT])
{
    ng_status status = NG_OK;
    ngi_grid_begin(store->grid);
    for (int space = 0; space < NG_SPACE_COUNT && status == NG_OK; space++)
        if (moved[space] > 0)
            status = ngi_grid_reserve(store->grid, &store->spaces[space], moved[space]);
    return status == NG_OK && store->named.any_moved ? ngi_named_reserve(store) : status;
}

ng_status ngi_space_put_in(ng_store *store, ngi_grid_tree trees[NG_SPACE_COUNT], uint32_t slot,
                           const ng_token *old, const ng_token *now)
{
    ng_status status = NG_OK;
    if (space_is_same(old, now))
        return NG_OK;
    for (int space = 0; space < NG_SPACE_COUNT && status == NG_OK; space++) {
        int16_t from[NG_AXIS_COUNT], to[NG_AXIS_COUNT];
        if (space_differs(old, now, space))
            status = ngi_grid_put(store->grid, &trees[space], slot, space_at(old, space, from),
                                  space_at(now, space, to));
    }
    return status;
}

ng_status ngi_space_put(ng_store *store, uint32_t slot, const ng_token *old, const ng_token *now)
{
    ng_status status = ngi_space_put_in(store, store->spaces, slot, old, now);
    if (status == NG_OK && NGI_UNLIKELY(slot < store->named.member_end))
        status = ngi_named_put(store, slot, old, now);
    return status;
}

/* --- the whole ------------------------------------------------------------------------------- */

/* The tree of a space, and which tokens belong to it: grid 0 is the store's own. */
typedef struct space_part {
    ng_grid_id grid;
    int space;
    ngi_grid_tree *tree;
} space_part;

static space_part space_part_of(const ng_store *store, ng_grid_id grid, int space)
{
    ng_store *owner = store_mutable(store);
    ngi_grid_tree *trees = grid == 0 ? owner->spaces : owner->named.trees[grid - 1];
    return (space_part){.grid = grid, .space = space, .tree = &trees[space]};
}

static bool space_belongs(const ng_store *store, const space_part *part, uint32_t slot)
{
    const ng_token *record = &store_records(store)[slot];
    return record->slot != 0 && space_has(record, part->space) &&
           (part->grid == 0 || ngi_named_is_member(store, part->grid, slot));
}

/* Slots from here on are in no part of a named grid. */
static uint32_t space_end(const ng_store *store, const space_part *part, uint32_t slot_end)
{
    uint32_t member_end = store->named.member_end;
    return part->grid != 0 && member_end < slot_end ? member_end : slot_end;
}

/* Copies the first `room` points; returns how many there are. */
static size_t space_collect(const ng_store *store, uint32_t slot_end, const space_part *part,
                            ngi_grid_point *points, size_t room)
{
    const ng_token *records = store_records(store);
    uint32_t end = space_end(store, part, slot_end);
    size_t count = 0;
    for (uint32_t slot = 1; slot < end; slot++) {
        if (!space_belongs(store, part, slot))
            continue;
        if (NGI_LIKELY(count < room)) {
            points[count].slot = slot;
            memcpy(points[count].at, records[slot].coordinates[part->space], sizeof points->at);
        }
        count++;
    }
    return count;
}

/* The tree knows how many points there are. When it is still to be built, there is no room for them
 * at first, and they are counted. */
static ng_status space_build(ng_store *store, uint32_t slot_end, const space_part *part)
{
    size_t room, count = (size_t)part->tree->count;
    ng_status status = NG_OK;
    do {
        void *points;
        room = count;
        size_t bytes = room * sizeof(ngi_grid_point);
        NGI_TRY(ngi_alloc(store->mem, bytes, "points to be indexed", &points));
        count = space_collect(store, slot_end, part, points, room);
        if (count > 0 && count <= room)
            status = ngi_grid_build(store->grid, part->tree, points, count);
        ngi_free(store->mem, points, bytes);
    } while (count > room);
    if (count == 0 && part->tree->count > 0)
        ngi_grid_clear(store->grid, part->tree);
out:
    return status;
}

ng_status ngi_space_rebuild(ng_store *store, uint32_t slot_end, unsigned spaces)
{
    ng_status status = NG_OK;
    for (ng_grid_id grid = 0; grid <= NGI_GRIDS_MAX; grid++) {
        if (grid != 0 && !ngi_named_has(store, grid))
            continue;
        for (int space = 0; space < NG_SPACE_COUNT && status == NG_OK; space++) {
            const space_part part = space_part_of(store, grid, space);
            if (spaces >> space & 1)
                status = space_build(store, slot_end, &part);
        }
    }
    return status;
}

/* --- verification ---------------------------------------------------------------------------- */

typedef struct space_check_job {
    const ng_store *store;
    space_part part;
    uint32_t wrong_slot; /* 0 = none */
} space_check_job;

static bool space_check_point(void *context, uint32_t slot, const int16_t at[NG_AXIS_COUNT])
{
    space_check_job *job = context;
    const ng_store *store = job->store;
    int16_t own[NG_AXIS_COUNT];
    if (slot >= store_slot_end(store) || store_records(store)[slot].slot != slot ||
        !space_belongs(store, &job->part, slot) ||
        memcmp(space_at(&store_records(store)[slot], job->part.space, own), at, sizeof own) != 0)
        job->wrong_slot = slot;
    return job->wrong_slot == 0;
}

static ng_status space_check_part(const ng_store *store, ng_grid_id grid, int space)
{
    space_check_job job = {.store = store, .part = space_part_of(store, grid, space)};
    const char *name = ng_space_name((ng_space)space);
    ng_status status = ngi_grid_check(store->grid, job.part.tree);
    if (status != NG_OK)
        return ngi_fail_prefix(status, name);
    size_t count = space_collect(store, store_slot_end(store), &job.part, NULL, 0);
    if (job.part.tree->count != count)
        return ngi_fail(NG_E_INTERNAL, "space %s of grid %u indexes %llu tokens of %zu", name, grid,
                        (unsigned long long)job.part.tree->count, count);
    ngi_grid_each(store->grid, job.part.tree, space_check_point, &job);
    if (job.wrong_slot != 0)
        return ngi_fail(NG_E_INTERNAL, "space %s of grid %u has token %u where it is not", name,
                        grid, job.wrong_slot);
    return NG_OK;
}

ng_status ngi_space_check(const ng_store *store)
{
    ng_status status = ngi_named_check(store);
    for (ng_grid_id grid = 0; grid <= NGI_GRIDS_MAX; grid++) {
        if (grid != 0 && !ngi_named_has(store, grid))
            continue;
        for (int space = 0; space < NG_SPACE_COUNT && status == NG_OK; space++)
            status = space_check_part(store, grid, space);
    }
    return status;
}
