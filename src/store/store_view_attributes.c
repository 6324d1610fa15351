/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tags, payloads and expiries through a view. */
#include "store/store_view.h"

#include <string.h>

#define ATTRIBUTES_CHUNK 64u /* entries looked at together: on the stack */

/* The first `bytes` bytes of a chain. */
static void view_read_chain(const ng_view *view, uint32_t first, size_t bytes, void *out)
{
    ngi_chains_unit unit = {.next = first};
    for (uint8_t *to = out; bytes > 0;) {
        size_t piece = bytes < NGI_CHAINS_CONTENT_BYTES ? bytes : NGI_CHAINS_CONTENT_BYTES;
        ngi_view_read(view, VIEW_CHAINS, unit.next, 1, view->unit_end, &unit);
        memcpy(to, unit.bytes, piece);
        to += piece;
        bytes -= piece;
    }
}

static uint16_t view_pack_tags(const ng_view *view, const store_attribute_entry *entry,
                               uint8_t out[NGI_TAGS_PACKED_MAX])
{
    uint32_t terms[NGI_TAGS_MAX];
    uint8_t *next = out;
    if (entry->tag_count <= STORE_TAGS_INSIDE)
        memcpy(terms, entry->tags, entry->tag_count * sizeof *terms);
    else
        view_read_chain(view, entry->tags[0], entry->tag_count * sizeof *terms, terms);
    for (uint32_t i = 0; i < entry->tag_count; i++) {
        ngi_labels_entry label;
        char text[NGI_LABEL_BYTES_MAX];
        ngi_view_read(view, VIEW_TERM_ENTRIES, terms[i], 1, view->term_end, &label);
        size_t bytes = ngi_labels_entry_bytes(&label);
        ngi_mirror_read(&view->pages->mirrors[VIEW_TERM_TEXTS], ngi_labels_entry_unit(&label),
                        ngi_labels_units(bytes), text);
        *next++ = (uint8_t)bytes;
        memcpy(next, text, bytes);
        next += bytes;
    }
    return (uint16_t)(next - out);
}

/* Adds the item of a slot; false if it has no room. */
static bool view_add_item(const ng_view *view, uint32_t slot, const store_attribute_entry *entry,
                          ngi_view_items *items)
{
    uint8_t tags[NGI_TAGS_PACKED_MAX];
    ngi_op_attributes item = {.slot = slot,
                              .tag_count = (uint8_t)entry->tag_count,
                              .tag_bytes = view_pack_tags(view, entry, tags),
                              .data_bytes = entry->data_bytes,
                              .expires_us = entry->expires_us,
                              .tags = tags};
    item.set = (uint8_t)((entry->tag_count > 0 ? NGI_ATTRIBUTE_TAGS : 0) |
                         (entry->data_bytes > 0 ? NGI_ATTRIBUTE_DATA : 0) |
                         (entry->expires_us != 0 ? NGI_ATTRIBUTE_EXPIRY : 0));
    size_t bytes = ngi_op_attributes_bytes(item.tag_bytes, item.data_bytes);
    if (bytes > items->capacity - items->bytes)
        return false;
    uint8_t *at = items->out + items->bytes;
    (void)ngi_op_attributes_encode(at, &item);
    view_read_chain(view, entry->data_first, entry->data_bytes,
                    at + NGI_OP_ATTRIBUTES_FIXED + item.tag_bytes);
    if (items->count++ == 0)
        items->first = slot;
    items->bytes += bytes;
    return true;
}

ng_status ngi_view_attributes(const ng_view *view, uint32_t *next, ngi_view_items *items)
{
    ng_status status = ngi_view_read_begin(view);
    if (status != NG_OK)
        return status;
    uint32_t end =
        view->slot_end - *next < NGI_SLICE_ITEMS ? view->slot_end : *next + NGI_SLICE_ITEMS;
    while (*next < end && !items->full) {
        store_attribute_entry entries[ATTRIBUTES_CHUNK];
        uint32_t some = end - *next < ATTRIBUTES_CHUNK ? end - *next : ATTRIBUTES_CHUNK;
        ngi_view_read(view, VIEW_ATTRIBUTES, *next, some, view->slot_end, entries);
        for (uint32_t i = 0; i < some && !items->full; i++) {
            if (!ngi_attributes_is_empty(&entries[i]))
                items->full = !view_add_item(view, *next, &entries[i], items);
            *next += !items->full;
        }
    }
    ngi_view_read_end(view);
    return NG_OK;
}

ng_status ngi_view_token_tags(const ng_view *view, ng_token_id id, char *out, size_t capacity,
                              size_t *bytes)
{
    ng_token record = {0};
    ng_status status = ngi_view_read_token(view, id, &record);
    if (status != NG_OK)
        return status;
    uint8_t packed[NGI_TAGS_PACKED_MAX];
    store_attribute_entry entry;
    ngi_view_read(view, VIEW_ATTRIBUTES, record.slot, 1, view->slot_end, &entry);
    uint16_t packed_bytes = view_pack_tags(view, &entry, packed);
    ngi_view_read_end(view);
    size_t length = ngi_attributes_unpack(packed, packed_bytes, out, capacity);
    if (bytes != NULL)
        *bytes = length;
    return NG_OK;
}

ng_status ngi_view_token_data(const ng_view *view, ng_token_id id, char *out, size_t capacity,
                              size_t *bytes)
{
    ng_token record = {0};
    ng_status status = ngi_view_read_token(view, id, &record);
    if (status != NG_OK)
        return status;
    store_attribute_entry entry;
    ngi_view_read(view, VIEW_ATTRIBUTES, record.slot, 1, view->slot_end, &entry);
    if (capacity > 0) {
        size_t copied = entry.data_bytes < capacity - 1 ? entry.data_bytes : capacity - 1;
        view_read_chain(view, entry.data_first, copied, out);
        out[copied] = '\0';
    }
    ngi_view_read_end(view);
    if (bytes != NULL)
        *bytes = entry.data_bytes;
    return NG_OK;
}
