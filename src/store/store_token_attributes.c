/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tags, payload and expiry of tokens as callers give and read them, and the deletion of tokens that
 * have expired. */
#include "store/store_private.h"

#include <string.h>

#define ATTRIBUTE_FIELDS (NG_FIELD_TAGS | NG_FIELD_DATA | NG_FIELD_EXPIRY)

/* --- from fields ----------------------------------------------------------------------------- */

bool ngi_fields_have_attributes(const ng_token_fields *fields)
{
    return (fields->set & ATTRIBUTE_FIELDS) != 0;
}

ng_status ngi_fields_attribute_bytes(const ng_token_fields *fields, size_t *out)
{
    size_t tag_bytes = 0, data_bytes = fields->set & NG_FIELD_DATA ? fields->data_bytes : 0;
    *out = 0;
    if (!ngi_fields_have_attributes(fields))
        return NG_OK;
    if (fields->set & NG_FIELD_TAGS) {
        if (fields->tag_count > NGI_TAGS_MAX)
            return ngi_fail(NG_E_INVALID, "tag_count %zu is outside 0..%d", fields->tag_count,
                            NGI_TAGS_MAX);
        tag_bytes = fields->tag_count * (1 + NGI_TAG_BYTES_MAX);
    }
    if (data_bytes > NGI_DATA_BYTES_MAX)
        return ngi_fail(NG_E_INVALID, "data has %zu bytes, outside 0..%d", data_bytes,
                        NGI_DATA_BYTES_MAX);
    *out = ngi_op_attributes_bytes(tag_bytes, data_bytes);
    return NG_OK;
}

uint8_t *ngi_fields_attributes_encode(uint8_t *at, uint32_t slot, const ng_token_fields *fields)
{
    uint8_t tags[NGI_TAGS_PACKED_MAX];
    ngi_op_attributes item = {.slot = slot, .tags = tags};
    if (fields->set & NG_FIELD_TAGS) {
        item.set |= NGI_ATTRIBUTE_TAGS;
        item.tag_bytes = ngi_tags_pack(fields->tags, fields->tag_count, tags, &item.tag_count);
    }
    if (fields->set & NG_FIELD_DATA) {
        item.set |= NGI_ATTRIBUTE_DATA;
        item.data = fields->data;
        item.data_bytes = (uint32_t)fields->data_bytes;
    }
    if (fields->set & NG_FIELD_EXPIRY) {
        item.set |= NGI_ATTRIBUTE_EXPIRY;
        item.expires_us = fields->expires_us;
    }
    return ngi_op_attributes_encode(at, &item);
}

/* --- reads ----------------------------------------------------------------------------------- */

ng_status ngi_store_token_tags(const ng_store *store, ng_token_id id, char *out, size_t capacity,
                               size_t *bytes)
{
    uint32_t slot;
    ng_status status = ngi_store_read_token(store, id, &slot);
    if (status != NG_OK)
        return status;
    uint8_t packed[NGI_TAGS_PACKED_MAX];
    store_attribute_entry entry = ngi_attributes_entry(&store->attributes, slot);
    uint16_t packed_bytes = ngi_attributes_tags(&store->attributes, &entry, packed);
    ngi_store_read_end(store);
    size_t length = ngi_attributes_unpack(packed, packed_bytes, out, capacity);
    if (bytes != NULL)
        *bytes = length;
    return NG_OK;
}

ng_status ngi_store_token_data(const ng_store *store, ng_token_id id, char *out, size_t capacity,
                               size_t *bytes)
{
    uint32_t slot;
    ng_status status = ngi_store_read_token(store, id, &slot);
    if (status != NG_OK)
        return status;
    ngi_attributes_data(&store->attributes, slot, out, capacity, bytes);
    ngi_store_read_end(store);
    return NG_OK;
}

/* --- expiry ---------------------------------------------------------------------------------- */

/* Whether a token has expired by `now_us`. */
static ng_status expire_any(const ng_store *store, uint64_t now_us, bool *any)
{
    ngi_ordered_entry entry;
    *any = false;
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    const ngi_ordered *expiring = &store->attributes.expiring;
    ngi_ordered_cursor cursor = ngi_ordered_seek(expiring, 0, 0);
    *any = ngi_ordered_next(expiring, &cursor, &entry) && entry.key <= now_us;
    ngi_store_read_end(store);
    return NG_OK;
}

/* What the store deletes on its own leaves out what is never evicted. The caller holds a lock. */
static bool expire_spares(const ng_store *store, uint32_t slot)
{
    return (store_records(store)[slot].flags & NG_TOKEN_PERSISTENT) != 0 ||
           store_sides(store)[slot].collection == NG_COLLECTION_SEMANTIC;
}

bool ngi_store_expiry_is_due(ng_store *store)
{
    ngi_ordered_entry entry;
    bool due = false;
    uint64_t now_us = store->os->clock_us(store->os);
    if (!store->cleans || store->read_only || store->follows ||
        ngi_store_read_begin(store) != NG_OK)
        return false;
    const ngi_ordered *expiring = &store->attributes.expiring;
    ngi_ordered_cursor cursor = ngi_ordered_seek(expiring, 0, 0);
    while (!due && ngi_ordered_next(expiring, &cursor, &entry) && entry.key <= now_us)
        due = !expire_spares(store, entry.slot);
    ngi_store_read_end(store);
    return due;
}

/* One op. `*count` receives how many tokens it deleted. */
static ng_status expire_batch(ng_store *store, uint64_t now_us, uint32_t most,
                              const ng_write_options *write, uint32_t *count)
{
    bool spares = write->actor == NG_ACTOR_STORE;
    ngi_ordered_entry entry;
    *count = 0;
    ng_status status = ngi_store_write_begin(store, NGI_OP_LIST_HEADER + 4 * (size_t)most, write);
    if (status != NG_OK)
        return status;
    const ngi_ordered *expiring = &store->attributes.expiring;
    ngi_ordered_cursor cursor = ngi_ordered_seek(expiring, 0, 0);
    uint8_t *body = ngi_wal_body(store->wal);
    uint8_t *at = body + NGI_OP_LIST_HEADER;
    while (*count < most && ngi_ordered_next(expiring, &cursor, &entry) && entry.key <= now_us) {
        if (spares && expire_spares(store, entry.slot))
            continue;
        ngi_put_u32(at, entry.slot);
        at += 4;
        ++*count;
    }
    if (*count == 0) {
        ngi_store_write_abandon(store);
        return NG_OK;
    }
    ngi_op_list_encode(body, *count, 0);
    status = ngi_store_write_commit(store, NGI_OP_TOKENS_DELETE, (size_t)(at - body), write);
    if (status != NG_OK)
        *count = 0;
    return status;
}

ng_status ngi_store_expire(ng_store *store, uint64_t limit, const ng_write_options *write,
                           uint64_t *count)
{
    uint64_t now_us = store->os->clock_us(store->os), deleted = 0;
    ng_write_options own = write != NULL ? *write : (ng_write_options){.struct_size = sizeof own};
    bool any;
    if (write != NULL && write->seq != NULL)
        *write->seq = 0;
    ng_status status = expire_any(store, now_us, &any);
    while (status == NG_OK && any && deleted < limit) {
        uint64_t left = limit - deleted;
        uint32_t most = left < NGI_BATCH_MAX ? (uint32_t)left : NGI_BATCH_MAX, batch;
        status = expire_batch(store, now_us, most, &own, &batch);
        deleted += batch;
        any = batch == most;
        own.if_seq = 0; /* it was about the state before the first op */
    }
    if (count != NULL)
        *count = deleted;
    return status;
}

ng_status ngi_store_expiry_step(ng_store *store, uint64_t deadline_ns)
{
    const ng_write_options write = {.struct_size = sizeof write,
                                    .actor = NG_ACTOR_STORE,
                                    .durability = NG_DURABILITY_NONE};
    uint64_t now_us = store->os->clock_us(store->os);
    uint32_t count = 0;
    ng_status status;
    do {
        status = expire_batch(store, now_us, NGI_CLEANUP_BATCH, &write, &count);
        if (count > 0) {
            atomic_fetch_add_explicit(&store->cleanup.evicted_tokens, count, memory_order_relaxed);
            ngi_blackbox_note(store->box, "cleanup", ngi_wal_applied(store->wal),
                              "deleted %u tokens that had expired", count);
        }
    } while (status == NG_OK && count == NGI_CLEANUP_BATCH &&
             store->os->monotonic_ns(store->os) < deadline_ns);
    return status;
}
