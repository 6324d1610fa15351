/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The spatial indexes as part of the store: which tokens are in them, kept by every op.
 *
 * Invariant: the tree of a space holds exactly the live tokens with coordinates there, where their
 * records say. It is derived, so no snapshot has it. */
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

void ngi_space_count(const ng_token *old, const ng_token *now, uint32_t moved[NG_SPACE_COUNT])
{
    if (space_is_same(old, now))
        return;
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        moved[space] += space_differs(old, now, space);
}

ng_status ngi_space_reserve(ng_store *store, const uint32_t moved[NG_SPACE_COUNT])
{
    ng_status status = NG_OK;
    ngi_grid_begin(store->grid);
    for (int space = 0; space < NG_SPACE_COUNT && status == NG_OK; space++)
        if (moved[space] > 0)
            status = ngi_grid_reserve(store->grid, &store->spaces[space], moved[space]);
    return status;
}

ng_status ngi_space_put(ng_store *store, uint32_t slot, const ng_token *old, const ng_token *now)
{
    ng_status status = NG_OK;
    if (space_is_same(old, now))
        return NG_OK;
    for (int space = 0; space < NG_SPACE_COUNT && status == NG_OK; space++) {
        int16_t from[NG_AXIS_COUNT], to[NG_AXIS_COUNT];
        if (space_differs(old, now, space))
            status = ngi_grid_put(store->grid, &store->spaces[space], slot,
                                  space_at(old, space, from), space_at(now, space, to));
    }
    return status;
}

/* --- the whole ------------------------------------------------------------------------------- */

static size_t space_count_points(const ng_store *store, uint32_t slot_end, int space)
{
    size_t count = 0;
    for (uint32_t slot = 1; slot < slot_end; slot++) {
        const ng_token *record = &store_records(store)[slot];
        count += record->slot != 0 && space_has(record, space);
    }
    return count;
}

static ng_status space_build(ng_store *store, uint32_t slot_end, int space)
{
    size_t count = space_count_points(store, slot_end, space);
    if (count == 0) {
        if (store->spaces[space].count > 0)
            ngi_grid_clear(store->grid, &store->spaces[space]);
        return NG_OK;
    }
    void *block;
    size_t bytes = count * sizeof(ngi_grid_point);
    ng_status status = ngi_alloc(store->mem, bytes, "points to be indexed", &block);
    if (status != NG_OK)
        return status;
    ngi_grid_point *points = block;
    size_t next = 0;
    for (uint32_t slot = 1; slot < slot_end; slot++) {
        const ng_token *record = &store_records(store)[slot];
        if (record->slot == 0 || !space_has(record, space))
            continue;
        points[next].slot = slot;
        memcpy(points[next++].at, record->coordinates[space], sizeof points->at);
    }
    status = ngi_grid_build(store->grid, &store->spaces[space], points, count);
    ngi_free(store->mem, block, bytes);
    return status;
}

ng_status ngi_space_rebuild(ng_store *store, uint32_t slot_end, unsigned spaces)
{
    ng_status status = NG_OK;
    for (int space = 0; space < NG_SPACE_COUNT && status == NG_OK; space++)
        if (spaces >> space & 1)
            status = space_build(store, slot_end, space);
    return status;
}

/* --- verification ---------------------------------------------------------------------------- */

typedef struct space_check_job {
    const ng_store *store;
    int space;
    uint32_t wrong_slot; /* 0 = none */
} space_check_job;

static bool space_check_point(void *context, uint32_t slot, const int16_t at[NG_AXIS_COUNT])
{
    space_check_job *job = context;
    const ng_token *record =
        slot < store_slot_end(job->store) ? &store_records(job->store)[slot] : NULL;
    int16_t own[NG_AXIS_COUNT];
    if (record == NULL || record->slot != slot || space_at(record, job->space, own) == NULL ||
        memcmp(own, at, sizeof own) != 0)
        job->wrong_slot = slot;
    return job->wrong_slot == 0;
}

ng_status ngi_space_check(const ng_store *store)
{
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        const ngi_grid_tree *tree = &store->spaces[space];
        space_check_job job = {.store = store, .space = space};
        ng_status status = ngi_grid_check(store->grid, tree);
        if (status != NG_OK)
            return ngi_fail_prefix(status, ng_space_name((ng_space)space));
        size_t count = space_count_points(store, store_slot_end(store), space);
        if (tree->count != count)
            return ngi_fail(NG_E_INTERNAL, "space %s indexes %llu tokens of %zu",
                            ng_space_name((ng_space)space), (unsigned long long)tree->count, count);
        ngi_grid_each(store->grid, tree, space_check_point, &job);
        if (job.wrong_slot != 0)
            return ngi_fail(NG_E_INTERNAL, "space %s has token %u where it is not",
                            ng_space_name((ng_space)space), job.wrong_slot);
    }
    return NG_OK;
}
