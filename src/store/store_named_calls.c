/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named grids as a caller meets them: made, dropped, listed, filled and emptied. */
#include "store/store_private.h"

#include <stdlib.h>
#include <string.h>

static void named_info(const store_named_grid *grid, ng_grid_id id, ng_grid_info *out)
{
    *out = (ng_grid_info){.id = id,
                          .config = {.struct_size = sizeof out->config,
                                     .bucket_size = grid->bucket_size,
                                     .density_threshold = grid->density_threshold,
                                     .min_field_nodes = grid->min_field_nodes},
                          .member_count = grid->member_count};
    memcpy(out->name, grid->name, sizeof grid->name);
}

/* The next number, or, when all have been given, the lowest that is free: who still holds the number of
 * a grid that was dropped should rather be told so than find another grid. */
static ng_status named_number(const ng_store *store, ng_grid_id *out)
{
    ng_grid_id next = NGI_GRIDS_MAX;
    while (next > 0 && !store->named.grids[next - 1].is_there)
        next--;
    *out = next + 1;
    if (*out <= NGI_GRIDS_MAX)
        return NG_OK;
    for (*out = 1; *out <= NGI_GRIDS_MAX; ++*out)
        if (!store->named.grids[*out - 1].is_there)
            return NG_OK;
    return ngi_fail(NG_E_LIMIT, "the store holds at most %d grids", NGI_GRIDS_MAX);
}

static ng_status named_check_free(const ng_store *store, const char *name)
{
    for (uint32_t i = 0; name[0] != '\0' && i < NGI_GRIDS_MAX; i++)
        if (strcmp(store->named.grids[i].name, name) == 0)
            return ngi_fail(NG_E_EXISTS, "grid %u is already named '%s'", i + 1, name);
    return NG_OK;
}

ng_status ngi_store_grid_create(ng_store *store, const char *name, const ng_grid_config *config,
                                const ng_write_options *write, ng_grid_id *out)
{
    const char *text = name != NULL ? name : "";
    size_t bytes = strnlen(text, NGI_GRID_NAME_MAX + 1);
    if (name != NULL && bytes == 0)
        return ngi_fail(NG_E_INVALID, "grid name of 0 bytes is outside 1..%d", NGI_GRID_NAME_MAX);
    ng_status status = ngi_named_check_name(text, bytes);
    if (status == NG_OK)
        status = ngi_named_check_config(config->bucket_size, config->density_threshold,
                                        config->min_field_nodes);
    if (status == NG_OK)
        status = ngi_store_write_begin(store, NGI_OP_GRID_FIXED + bytes, write);
    if (status != NG_OK)
        return status;
    status = named_check_free(store, text);
    if (status == NG_OK)
        status = named_number(store, out);
    if (status != NG_OK) {
        ngi_store_write_abandon(store);
        return status;
    }
    uint8_t *body = ngi_wal_body(store->wal);
    ngi_put_u32(body, *out);
    ngi_put_u32(body + 4, (uint32_t)bytes);
    ngi_put_f32(body + 8, config->bucket_size);
    ngi_put_f32(body + 12, config->density_threshold);
    ngi_put_u32(body + 16, config->min_field_nodes);
    ngi_put_u32(body + 20, 0);
    memcpy(body + NGI_OP_GRID_FIXED, text, bytes);
    return ngi_store_write_commit(store, NGI_OP_GRID_PUT, NGI_OP_GRID_FIXED + bytes, write);
}

ng_status ngi_store_grid_drop(ng_store *store, ng_grid_id id, const ng_write_options *write)
{
    ng_status status = ngi_store_write_begin(store, 8, write);
    if (status != NG_OK)
        return status;
    if (!ngi_named_has(store, id)) {
        ngi_store_write_abandon(store);
        return ngi_named_fail(id);
    }
    uint8_t *body = ngi_wal_body(store->wal);
    ngi_put_u32(body, id);
    ngi_put_u32(body + 4, 0);
    return ngi_store_write_commit(store, NGI_OP_GRID_DROP, 8, write);
}

static int named_by_slot(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* The slots that the op changes, ascending, each once; those that are as wanted are passed over. */
static ng_status named_slots(const ng_store *store, ng_grid_id id, const ng_token_id *ids,
                             size_t count, bool leave, uint32_t *slots, uint32_t *changed)
{
    *changed = 0;
    if (!ngi_named_has(store, id))
        return ngi_named_fail(id);
    for (size_t i = 0; i < count; i++) {
        uint32_t slot;
        ng_status status = ngi_store_slot(store, ids[i], &slot);
        if (status != NG_OK)
            return ngi_fail_item(status, i, count);
        slots[i] = slot;
    }
    qsort(slots, count, sizeof *slots, named_by_slot);
    for (size_t i = 0; i < count; i++) {
        bool again = i > 0 && slots[i] == slots[i - 1];
        if (!again && ngi_named_is_member(store, id, slots[i]) == leave)
            slots[(*changed)++] = slots[i];
    }
    return NG_OK;
}

ng_status ngi_store_grid_members(ng_store *store, ng_grid_id id, const ng_token_id *ids,
                                 size_t count, bool leave, const ng_write_options *write,
                                 uint64_t *changed_count)
{
    void *block;
    uint32_t changed = 0;
    *changed_count = 0;
    if (count == 0 || count > NGI_BATCH_MAX)
        return ngi_fail(NG_E_INVALID, "count %zu is outside 1..%d", count, NGI_BATCH_MAX);
    size_t bytes = count * sizeof(uint32_t);
    ng_status status = ngi_alloc(store->mem, bytes, "members of a grid", &block);
    if (status != NG_OK)
        return status;
    uint32_t *slots = block;
    NGI_TRY(ngi_store_write_begin(store, NGI_OP_LIST_HEADER + bytes, write));
    status = named_slots(store, id, ids, count, leave, slots, &changed);
    if (status != NG_OK || changed == 0) {
        ngi_store_write_abandon(store);
        if (status == NG_OK && write != NULL && write->seq != NULL)
            *write->seq = 0;
        goto out;
    }
    uint8_t *body = ngi_wal_body(store->wal);
    ngi_op_list_encode(body, changed, id | (leave ? NGI_OP_GRID_LEAVE : 0));
    for (uint32_t i = 0; i < changed; i++)
        ngi_put_u32(body + NGI_OP_LIST_HEADER + 4 * (size_t)i, slots[i]);
    status = ngi_store_write_commit(store, NGI_OP_GRID_MEMBERS,
                                    NGI_OP_LIST_HEADER + 4 * (size_t)changed, write);
    if (status == NG_OK)
        *changed_count = changed;
out:
    ngi_free(store->mem, block, bytes);
    return status;
}

ng_status ngi_store_grid_get(const ng_store *store, ng_grid_id id, ng_grid_info *out)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    if (ngi_named_has(store, id))
        named_info(&store->named.grids[id - 1], id, out);
    else
        status = ngi_named_fail(id);
    ngi_store_read_end(store);
    return status;
}

ng_status ngi_store_grid_list(const ng_store *store, ng_grid_info *out, size_t capacity,
                              size_t *count)
{
    *count = 0;
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    for (ng_grid_id id = 1; id <= NGI_GRIDS_MAX; id++) {
        if (!ngi_named_has(store, id))
            continue;
        if (*count < capacity)
            named_info(&store->named.grids[id - 1], id, &out[*count]);
        ++*count;
    }
    ngi_store_read_end(store);
    return NG_OK;
}

ng_status ngi_store_grid_has(const ng_store *store, ng_grid_id id, ng_token_id token, bool *out)
{
    uint32_t slot = 0;
    *out = false;
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    status = ngi_named_has(store, id) ? ngi_store_slot(store, token, &slot) : ngi_named_fail(id);
    if (status == NG_OK)
        *out = ngi_named_is_member(store, id, slot);
    ngi_store_read_end(store);
    return status;
}
