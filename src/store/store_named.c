/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named grids as part of the state. */
#include "store/store_named.h"

#include "store/store_private.h"

#include <math.h>
#include <string.h>

static store_members *named_members(const ng_store *store)
{
    return (store_members *)(void *)store->named.members.base;
}

static bool members_has(const store_members *members, uint32_t index)
{
    return (members->bits[index / 64] >> index % 64 & 1) != 0;
}

/* The lowest bit that is set; false if there is none. Takes it out of `rest`. */
static bool members_next(store_members *rest, uint32_t *index)
{
    for (uint32_t word = 0; word < STORE_GRID_WORDS; word++) {
        if (rest->bits[word] == 0)
            continue;
        *index = 64 * word + (uint32_t)__builtin_ctzll(rest->bits[word]);
        rest->bits[word] &= rest->bits[word] - 1;
        return true;
    }
    return false;
}

static ng_status named_refuse(const char *what, uint64_t value)
{
    return ngi_fail(NG_E_CORRUPT, "op does not fit the state: %s %llu", what,
                    (unsigned long long)value);
}

ng_status ngi_named_init(ng_store *store)
{
    return ngi_table_init(&store->named.members, store->os, store_account_of(store, STORE_GRID),
                          sizeof(store_members), (size_t)store->max_tokens + 1, "members of grids");
}

void ngi_named_release(ng_store *store)
{
    store_named *named = &store->named;
    ngi_free(store_account_of(store, STORE_GRID), named->trees,
             NGI_GRIDS_MAX * sizeof *named->trees);
    ngi_table_release(&named->members);
    memset(named, 0, sizeof *named);
}

bool ngi_named_has(const ng_store *store, ng_grid_id id)
{
    return id >= 1 && id <= NGI_GRIDS_MAX && store->named.grids[id - 1].is_there;
}

bool ngi_named_is_member(const ng_store *store, ng_grid_id id, uint32_t slot)
{
    return slot < store->named.member_end && members_has(&named_members(store)[slot], id - 1);
}

ng_status ngi_named_fail(ng_grid_id id)
{
    return ngi_fail(NG_E_NOT_FOUND, "grid %u not found", id);
}

ng_status ngi_named_check_name(const char *name, size_t bytes)
{
    if (bytes > NGI_GRID_NAME_MAX)
        return ngi_fail(NG_E_INVALID, "grid name of %zu bytes is outside 1..%d", bytes,
                        NGI_GRID_NAME_MAX);
    for (size_t i = 0; i < bytes; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'))
            return ngi_fail(NG_E_INVALID, "grid name '%.*s' has a character outside [a-z0-9_.-]",
                            (int)bytes, name);
    }
    return NG_OK;
}

ng_status ngi_named_check_config(float bucket_size, float density_threshold,
                                 uint32_t min_field_nodes)
{
    if (!(bucket_size >= NGI_GRID_BUCKET_MIN && bucket_size <= NGI_GRID_BUCKET_MAX))
        return ngi_fail(NG_E_INVALID, "bucket_size %g is outside 0.1..1000", (double)bucket_size);
    if (!(density_threshold >= 0 && density_threshold <= 1))
        return ngi_fail(NG_E_INVALID, "density_threshold %g is outside 0..1",
                        (double)density_threshold);
    if (min_field_nodes < 1 || min_field_nodes > NGI_GRID_FIELD_NODES_MAX)
        return ngi_fail(NG_E_INVALID, "min_field_nodes %u is outside 1..%d", min_field_nodes,
                        NGI_GRID_FIELD_NODES_MAX);
    return NG_OK;
}

/* --- tokens that change ---------------------------------------------------------------------- */

void ngi_named_count(ng_store *store, uint32_t slot, const ng_token *old, const ng_token *now)
{
    store_members rest = named_members(store)[slot];
    for (uint32_t i; members_next(&rest, &i);) {
        ngi_space_count_in(old, now, store->named.moved[i]);
        store->named.any_moved = true;
    }
}

void ngi_named_forget(ng_store *store)
{
    memset(store->named.moved, 0, sizeof store->named.moved);
    store->named.any_moved = false;
}

ng_status ngi_named_reserve(ng_store *store)
{
    const store_named *named = &store->named;
    ng_status status = NG_OK;
    for (uint32_t i = 0; i < NGI_GRIDS_MAX; i++) {
        for (int space = 0; space < NG_SPACE_COUNT && status == NG_OK; space++)
            if (named->moved[i][space] > 0)
                status =
                    ngi_grid_reserve(store->grid, &named->trees[i][space], named->moved[i][space]);
    }
    return status;
}

ng_status ngi_named_put(ng_store *store, uint32_t slot, const ng_token *old, const ng_token *now)
{
    store_named *named = &store->named;
    store_members rest = named_members(store)[slot];
    ng_status status = NG_OK;
    bool any = false;
    for (uint32_t i; status == NG_OK && members_next(&rest, &i);) {
        any = true;
        status = ngi_space_put_in(store, named->trees[i], slot, old, now);
        if (now != NULL)
            continue;
        named->grids[i].member_count--;
        named->member_total--;
    }
    if (any && now == NULL) {
        ngi_table_touch(&named->members, slot, 1);
        named_members(store)[slot] = (store_members){{0}};
    }
    return status;
}

/* --- ops ------------------------------------------------------------------------------------- */

static ng_status named_make_trees(ng_store *store)
{
    void *block;
    size_t bytes = NGI_GRIDS_MAX * sizeof *store->named.trees;
    if (store->named.trees != NULL)
        return NG_OK;
    ng_status status =
        ngi_alloc(store_account_of(store, STORE_GRID), bytes, "trees of grids", &block);
    if (status == NG_OK) {
        memset(block, 0, bytes);
        store->named.trees = block;
    }
    return status;
}

static bool named_has_name(const ng_store *store, const char *name, size_t bytes)
{
    for (uint32_t i = 0; bytes > 0 && i < NGI_GRIDS_MAX; i++) {
        const char *other = store->named.grids[i].name;
        if (memcmp(other, name, bytes) == 0 && other[bytes] == '\0')
            return true;
    }
    return false;
}

static ng_status prepare_grid_put(ng_store *store, const ngi_op *op)
{
    if (op->body_bytes < NGI_OP_GRID_FIXED ||
        op->body_bytes - NGI_OP_GRID_FIXED != ngi_get_u32(op->body + 4) ||
        op->body_bytes - NGI_OP_GRID_FIXED > NGI_GRID_NAME_MAX || ngi_get_u32(op->body + 20) != 0)
        return ngi_fail(NG_E_CORRUPT, "malformed op: grid");
    uint32_t id = ngi_get_u32(op->body);
    const char *name = (const char *)op->body + NGI_OP_GRID_FIXED;
    size_t bytes = op->body_bytes - NGI_OP_GRID_FIXED;
    if (ngi_named_check_name(name, bytes) != NG_OK ||
        ngi_named_check_config(ngi_get_f32(op->body + 8), ngi_get_f32(op->body + 12),
                               ngi_get_u32(op->body + 16)) != NG_OK)
        return ngi_fail_prefix(NG_E_CORRUPT, "op does not fit the state");
    if (id == 0 || id > NGI_GRIDS_MAX || ngi_named_has(store, id))
        return named_refuse("grid", id);
    if (named_has_name(store, name, bytes))
        return named_refuse("a second name for the same grid", id);
    return named_make_trees(store);
}

static ng_status prepare_grid_drop(const ng_store *store, const ngi_op *op)
{
    if (op->body_bytes != 8 || ngi_get_u32(op->body + 4) != 0)
        return ngi_fail(NG_E_CORRUPT, "malformed op: grid");
    if (!ngi_named_has(store, ngi_get_u32(op->body)))
        return named_refuse("grid", ngi_get_u32(op->body));
    return NG_OK;
}

static ng_status prepare_grid_members(ng_store *store, const ngi_op *op)
{
    store_named *named = &store->named;
    uint32_t moved[NG_SPACE_COUNT] = {0};
    if (op->body_bytes < NGI_OP_LIST_HEADER)
        return ngi_fail(NG_E_CORRUPT, "malformed op: members of a grid");
    uint32_t count = ngi_get_u32(op->body), id = ngi_get_u32(op->body + 4) & ~NGI_OP_GRID_LEAVE;
    bool leave = (ngi_get_u32(op->body + 4) & NGI_OP_GRID_LEAVE) != 0;
    if (count == 0 || count > NGI_BATCH_MAX || op->body_bytes != NGI_OP_LIST_HEADER + 4 * count)
        return ngi_fail(NG_E_CORRUPT, "malformed op: members of a grid");
    if (!ngi_named_has(store, id))
        return named_refuse("grid", id);
    uint32_t slot = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t next = ngi_get_u32(op->body + NGI_OP_LIST_HEADER + 4 * (size_t)i);
        if (next <= slot || store_live_slot(store, next) == 0 ||
            ngi_named_is_member(store, id, next) != leave)
            return named_refuse("slot", next);
        slot = next;
        ngi_space_count_in(NULL, &store_records(store)[slot], moved);
    }
    if (!leave && named->member_total + count > store->max_tokens)
        return ngi_fail(NG_E_LIMIT, "%llu members of grids are over max_tokens %u",
                        (unsigned long long)(named->member_total + count), store->max_tokens);
    ng_status status = ngi_table_reserve(&named->members, (size_t)slot + 1);
    ngi_grid_begin(store->grid);
    for (int space = 0; space < NG_SPACE_COUNT && status == NG_OK; space++)
        if (moved[space] > 0)
            status = ngi_grid_reserve(store->grid, &named->trees[id - 1][space], moved[space]);
    return status;
}

ng_status ngi_named_prepare(ng_store *store, const ngi_op *op)
{
    if (op->kind == NGI_OP_GRID_PUT)
        return prepare_grid_put(store, op);
    if (op->kind == NGI_OP_GRID_DROP)
        return prepare_grid_drop(store, op);
    return prepare_grid_members(store, op);
}

static void apply_grid_put(ng_store *store, const ngi_op *op)
{
    store_named_grid *grid = &store->named.grids[ngi_get_u32(op->body) - 1];
    *grid = (store_named_grid){.is_there = true,
                               .bucket_size = ngi_get_f32(op->body + 8),
                               .density_threshold = ngi_get_f32(op->body + 12),
                               .min_field_nodes = ngi_get_u32(op->body + 16)};
    memcpy(grid->name, op->body + NGI_OP_GRID_FIXED, op->body_bytes - NGI_OP_GRID_FIXED);
    store->named.count++;
}

static void apply_grid_drop(ng_store *store, const ngi_op *op)
{
    store_named *named = &store->named;
    uint32_t index = ngi_get_u32(op->body) - 1;
    uint64_t left = named->grids[index].member_count;
    named->member_total -= left;
    for (uint32_t slot = 1; left > 0 && slot < named->member_end; slot++) {
        store_members *members = &named_members(store)[slot];
        if (!members_has(members, index))
            continue;
        ngi_table_touch(&named->members, slot, 1);
        members->bits[index / 64] &= ~(UINT64_C(1) << index % 64);
        left--;
    }
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        if (named->trees[index][space].count > 0)
            ngi_grid_clear(store->grid, &named->trees[index][space]);
    named->grids[index] = (store_named_grid){.name = ""};
    if (--named->count == 0)
        named->member_end = 0; /* writes of tokens pay for nothing again */
}

static ng_status apply_grid_members(ng_store *store, const ngi_op *op)
{
    store_named *named = &store->named;
    uint32_t count = ngi_get_u32(op->body);
    uint32_t index = (ngi_get_u32(op->body + 4) & ~NGI_OP_GRID_LEAVE) - 1;
    bool leave = (ngi_get_u32(op->body + 4) & NGI_OP_GRID_LEAVE) != 0;
    ng_status status = NG_OK;
    for (uint32_t i = 0; i < count && status == NG_OK; i++) {
        uint32_t slot = ngi_get_u32(op->body + NGI_OP_LIST_HEADER + 4 * (size_t)i);
        const ng_token *record = &store_records(store)[slot];
        ngi_table_touch(&named->members, slot, 1);
        named_members(store)[slot].bits[index / 64] ^= UINT64_C(1) << index % 64;
        status = ngi_space_put_in(store, named->trees[index], slot, leave ? record : NULL,
                                  leave ? NULL : record);
        if (slot >= named->member_end)
            named->member_end = slot + 1;
    }
    named->grids[index].member_count += leave ? 0 - (uint64_t)count : count;
    named->member_total += leave ? 0 - (uint64_t)count : count;
    return status;
}

ng_status ngi_named_apply(ng_store *store, const ngi_op *op)
{
    if (op->kind == NGI_OP_GRID_MEMBERS)
        return apply_grid_members(store, op);
    if (op->kind == NGI_OP_GRID_PUT)
        apply_grid_put(store, op);
    else
        apply_grid_drop(store, op);
    return NG_OK;
}

/* --- images and loading ---------------------------------------------------------------------- */

size_t ngi_named_image_encode(ng_grid_id id, const store_named_grid *grid, uint8_t *out)
{
    size_t bytes = strlen(grid->name);
    size_t whole = STORE_GRID_IMAGE_FIXED + (bytes + 7) / 8 * 8;
    memset(out, 0, whole);
    ngi_put_u32(out, id);
    ngi_put_u32(out + 4, (uint32_t)bytes);
    ngi_put_f32(out + 8, grid->bucket_size);
    ngi_put_f32(out + 12, grid->density_threshold);
    ngi_put_u32(out + 16, grid->min_field_nodes);
    ngi_put_u64(out + 24, grid->member_count);
    memcpy(out + STORE_GRID_IMAGE_FIXED, grid->name, bytes);
    return whole;
}

size_t ngi_named_image_decode(const uint8_t *in, size_t available, ng_grid_id *id,
                              store_named_grid *out)
{
    uint8_t again[STORE_GRID_IMAGE_MAX];
    if (available < STORE_GRID_IMAGE_FIXED || ngi_get_u32(in + 4) > NGI_GRID_NAME_MAX)
        return 0;
    size_t bytes = ngi_get_u32(in + 4), whole = STORE_GRID_IMAGE_FIXED + (bytes + 7) / 8 * 8;
    const char *name = (const char *)in + STORE_GRID_IMAGE_FIXED;
    *id = ngi_get_u32(in);
    *out = (store_named_grid){.is_there = true,
                              .bucket_size = ngi_get_f32(in + 8),
                              .density_threshold = ngi_get_f32(in + 12),
                              .min_field_nodes = ngi_get_u32(in + 16),
                              .member_count = ngi_get_u64(in + 24)};
    if (*id == 0 || *id > NGI_GRIDS_MAX || available < whole ||
        ngi_named_check_name(name, bytes) != NG_OK ||
        ngi_named_check_config(out->bucket_size, out->density_threshold, out->min_field_nodes) !=
            NG_OK)
        return 0;
    memcpy(out->name, name, bytes);
    /* Whatever an image does not say is zero. */
    return ngi_named_image_encode(*id, out, again) == whole && memcmp(again, in, whole) == 0 ? whole
                                                                                             : 0;
}

ng_status ngi_named_load_grid(ng_store *store, ng_grid_id id, const store_named_grid *grid)
{
    store_named *named = &store->named;
    if (ngi_named_has(store, id) || named_has_name(store, grid->name, strlen(grid->name)))
        return ngi_fail(NG_E_CORRUPT, "grid %u does not fit the state", id);
    ng_status status = named_make_trees(store);
    if (status != NG_OK)
        return status;
    named->grids[id - 1] = *grid;
    named->count++;
    return NG_OK;
}

ng_status ngi_named_load_member(ng_store *store, uint32_t slot, const store_members *members)
{
    store_named *named = &store->named;
    store_members rest = *members;
    uint32_t i = NGI_GRIDS_MAX;
    while (members_next(&rest, &i)) {
        if (i >= NGI_GRIDS_MAX || !named->grids[i].is_there)
            return ngi_fail(NG_E_CORRUPT, "grids of token %u do not fit the state", slot);
        named->member_total++;
    }
    if (i == NGI_GRIDS_MAX || slot < named->member_end)
        return ngi_fail(NG_E_CORRUPT, "grids of token %u do not fit the state", slot);
    ng_status status = ngi_table_reserve(&named->members, (size_t)slot + 1);
    if (status != NG_OK)
        return status;
    named_members(store)[slot] = *members;
    named->member_end = slot + 1;
    return NG_OK;
}

/* --- verification ---------------------------------------------------------------------------- */

ng_status ngi_named_check(const ng_store *store)
{
    const store_named *named = &store->named;
    uint64_t counts[NGI_GRIDS_MAX] = {0}, total = 0;
    uint32_t there = 0;
    for (uint32_t slot = 0; slot < named->member_end; slot++) {
        store_members rest = named_members(store)[slot];
        for (uint32_t i; members_next(&rest, &i); total++) {
            if (store_live_slot(store, slot) == 0 || !ngi_named_has(store, i + 1))
                return ngi_fail(NG_E_INTERNAL, "slot %u is in grid %u", slot, i + 1);
            counts[i]++;
        }
    }
    for (uint32_t i = 0; i < NGI_GRIDS_MAX; i++) {
        there += named->grids[i].is_there;
        if (named->grids[i].member_count != counts[i])
            return ngi_fail(NG_E_INTERNAL, "grid %u has %llu members, its counter says %llu", i + 1,
                            (unsigned long long)counts[i],
                            (unsigned long long)named->grids[i].member_count);
    }
    if (there != named->count || total != named->member_total)
        return ngi_fail(NG_E_INTERNAL,
                        "there are %u grids with %llu members in all, counters say "
                        "%u and %llu",
                        there, (unsigned long long)total, named->count,
                        (unsigned long long)named->member_total);
    return NG_OK;
}
