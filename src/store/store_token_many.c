/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens by the batch: deletion as one op, and reads of many ids. What one op does to one token it
 * does once, so an id that a batch names twice is refused, with both places. */
#include "store/store_txn.h"

#include <string.h>

/* --- ids of a batch -------------------------------------------------------------------------- */

/* Open addressing over item numbers: item + 1, 0 = empty. */
typedef struct item_set {
    uint32_t *buckets;
    size_t mask;
} item_set;

/* True if no id can be there twice: they ascend. Zeros, which are created, do not count. */
static bool ids_ascend(const ng_token_id *ids, size_t count)
{
    ng_token_id previous = 0;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == 0)
            continue;
        if (ids[i] <= previous)
            return false;
        previous = ids[i];
    }
    return true;
}

/* The item that has this id already, or `index` after it was added. */
static size_t items_add(item_set *set, const ng_token_id *ids, size_t index)
{
    uint64_t hash = ids[index] * UINT64_C(0x9E3779B97F4A7C15);
    size_t at = (size_t)(hash >> 32) & set->mask;
    for (; set->buckets[at] != 0; at = (at + 1) & set->mask) {
        if (ids[set->buckets[at] - 1] == ids[index])
            return set->buckets[at] - 1;
    }
    set->buckets[at] = (uint32_t)index + 1;
    return index;
}

ng_status ngi_store_check_ids(const ng_store *store, const ng_token_id *ids, size_t count)
{
    if (ids_ascend(ids, count))
        return NG_OK;
    size_t buckets = 16;
    while (buckets < 2 * count)
        buckets *= 2;
    void *block;
    ng_status status = ngi_alloc(store->mem, buckets * sizeof(uint32_t), "ids of a batch", &block);
    if (status != NG_OK)
        return status;
    memset(block, 0, buckets * sizeof(uint32_t));
    item_set set = {block, buckets - 1};
    for (size_t i = 0; status == NG_OK && i < count; i++) {
        size_t first = ids[i] != 0 ? items_add(&set, ids, i) : i;
        if (first != i)
            status = ngi_fail(NG_E_INVALID, "item %zu: token %llu is also item %zu", i,
                              (unsigned long long)ids[i], first);
    }
    ngi_free(store->mem, block, buckets * sizeof(uint32_t));
    return status;
}

/* --- deletion -------------------------------------------------------------------------------- */

ng_status ngi_store_check_delete(const ng_write_options *write)
{
    if (write != NULL && (write->flags & NG_WRITE_IF_ABSENT))
        return ngi_fail(NG_E_INVALID, "NG_WRITE_IF_ABSENT is for creating");
    return NG_OK;
}

static ng_status delete_check(const ng_store *store, const ng_token_id *ids, size_t count,
                              const ng_write_options *write)
{
    if (count == 0 || count > NGI_BATCH_MAX)
        return ngi_fail(NG_E_INVALID, "count %zu is outside 1..%d", count, NGI_BATCH_MAX);
    if (write != NULL && write->if_version != 0 && count > 1)
        return ngi_fail(NG_E_INVALID, "if_version %u is for changing or deleting one token",
                        write->if_version);
    ng_status status = ngi_store_check_delete(write);
    return status != NG_OK ? status : ngi_store_check_ids(store, ids, count);
}

static ng_status delete_encode(ng_store *store, const ng_token_id *ids, size_t count,
                               const ng_write_options *write)
{
    uint8_t *body = ngi_wal_body(store->wal);
    for (size_t i = 0; i < count; i++) {
        uint32_t slot;
        ng_status status = ngi_store_slot(store, ids[i], &slot);
        if (status == NG_OK)
            status = ngi_store_if_version(store, slot, write);
        if (status != NG_OK)
            return ngi_fail_item(status, i, count);
        ngi_put_u32(body + NGI_OP_LIST_HEADER + 4 * i, slot);
    }
    ngi_op_list_encode(body, (uint32_t)count, 0);
    return NG_OK;
}

ng_status ngi_store_token_delete_many(ng_store *store, const ng_token_id *ids, size_t count,
                                      const ng_write_options *write)
{
    ng_status status = delete_check(store, ids, count, write);
    if (status != NG_OK)
        return status;
    if (write != NULL && write->txn != NULL) {
        status = ngi_store_check_txn(store, write);
        return status != NG_OK ? status : ngi_txn_token_delete(write->txn, ids, count, write);
    }
    size_t bytes = NGI_OP_LIST_HEADER + 4 * count;
    status = ngi_store_write_begin(store, bytes, write);
    if (status != NG_OK)
        return status;
    status = delete_encode(store, ids, count, write);
    if (status == NG_OK)
        return ngi_store_write_commit(store, NGI_OP_TOKENS_DELETE, bytes, write);
    ngi_store_write_abandon(store);
    return status;
}

ng_status ngi_store_token_delete(ng_store *store, ng_token_id id, const ng_write_options *write)
{
    return ngi_store_token_delete_many(store, &id, 1, write);
}

/* --- reads ----------------------------------------------------------------------------------- */

ng_status ngi_store_token_get_many(const ng_store *store, const ng_token_id *ids, size_t count,
                                   ng_token_info *out, size_t *found)
{
    *found = 0;
    if (count > NGI_BATCH_MAX)
        return ngi_fail(NG_E_INVALID, "count %zu is outside 0..%d", count, NGI_BATCH_MAX);
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = store_live_slot(store, ids[i]);
        if (slot != 0)
            ngi_store_token_info(store, slot, &out[i]);
        else
            out[i] = (ng_token_info){0};
        *found += slot != 0;
    }
    ngi_store_read_end(store);
    return NG_OK;
}

ng_status ngi_store_token_read_many(const ng_store *store, const ng_token_id *ids, size_t count,
                                    ng_token *out, size_t *found)
{
    *found = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_there = false;
        ng_status status = ngi_store_token_exists(store, ids[i], &is_there);
        /* It may be deleted between the two looks: then the second one says so. */
        if (status == NG_OK && is_there) {
            status = ngi_store_token_read(store, ids[i], &out[i]);
            is_there = status == NG_OK;
            if (status == NG_E_NOT_FOUND)
                status = NG_OK;
        }
        if (status != NG_OK)
            return status;
        if (!is_there)
            out[i] = (ng_token){0};
        *found += is_there;
    }
    return NG_OK;
}
