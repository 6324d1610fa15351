/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tags, payload and expiry of tokens; see store_attributes.h for what stands where. */
#include "store/store_attributes.h"

#include "base/base_shared.h"

#include <string.h>

/* Address space for `tagged`: so many a token, with nodes a quarter full, and for small stores. */
#define TAGS_MEAN 4u
#define TAGS_SPARE (4u << 20)

static store_attribute_entry *entry_at(const store_attributes *attributes, uint32_t slot)
{
    return (store_attribute_entry *)(void *)attributes->entries.base + slot;
}

static size_t entry_end(const store_attributes *attributes)
{
    return attributes->entries.committed_bytes / sizeof(store_attribute_entry);
}

/* --- life ------------------------------------------------------------------------------------ */

ng_status ngi_attributes_init(store_attributes *attributes, ngi_os *os, ngi_mem *mem,
                              uint32_t max_tokens)
{
    size_t slots = (size_t)max_tokens + 1;
    uint64_t tagged = (uint64_t)slots * TAGS_MEAN + TAGS_SPARE;
    ng_status status;
    *attributes = (store_attributes){0};
    _Static_assert(sizeof(store_attribute_entry) == 32, "two entries in a cache line");
    NGI_TRY(ngi_table_init(&attributes->entries, os, mem, sizeof(store_attribute_entry), slots,
                           "attributes"));
    NGI_TRY(ngi_chains_init(&attributes->chains, os, mem, NGI_DATA_UNITS_MAX, "payloads"));
    NGI_TRY(ngi_terms_init(&attributes->tags, os, mem));
    NGI_TRY(ngi_ordered_init(&attributes->tagged, os, mem, tagged, "tokens by tag"));
    NGI_TRY(ngi_ordered_init(&attributes->expiring, os, mem, slots, "tokens by expiry"));
    NGI_TRY(ngi_fields_init(&attributes->fields, os, mem, max_tokens));
out:
    if (status != NG_OK)
        ngi_attributes_release(attributes);
    return status;
}

void ngi_attributes_release(store_attributes *attributes)
{
    ngi_fields_release(&attributes->fields);
    ngi_ordered_release(&attributes->expiring);
    ngi_ordered_release(&attributes->tagged);
    ngi_terms_release(&attributes->tags);
    ngi_chains_release(&attributes->chains);
    ngi_table_release(&attributes->entries);
    *attributes = (store_attributes){0};
}

uint64_t ngi_attributes_used_bytes(const store_attributes *attributes)
{
    return attributes->count * sizeof(store_attribute_entry) +
           ngi_chains_used_bytes(&attributes->chains) + ngi_terms_used_bytes(&attributes->tags) +
           ngi_ordered_used_bytes(&attributes->tagged) +
           ngi_ordered_used_bytes(&attributes->expiring) +
           ngi_fields_used_bytes(&attributes->fields);
}

/* --- room ------------------------------------------------------------------------------------ */

uint32_t ngi_attributes_term(const store_attributes *attributes, const char *text, size_t bytes)
{
    return ngi_terms_find(&attributes->tags, text, bytes);
}

void ngi_attributes_measure(const store_attributes *attributes, const ngi_op_attributes *item,
                            store_attributes_need *need)
{
    const uint8_t *tag = item->tags;
    for (unsigned i = 0; i < item->tag_count; i++, tag += 1 + (size_t)*tag) {
        if (ngi_attributes_term(attributes, (const char *)tag + 1, *tag) != 0)
            continue;
        need->terms++;
        need->term_bytes += *tag;
    }
    need->tags += item->tag_count;
    if (item->tag_count > STORE_TAGS_INSIDE)
        need->units += ngi_chains_units(item->tag_count * sizeof(uint32_t));
    need->units += ngi_chains_units(item->data_bytes);
    need->expiries += item->expires_us != 0;
    if (item->set & NGI_ATTRIBUTE_DATA)
        ngi_fields_measure(&attributes->fields, item->slot, item->data, item->data_bytes,
                           &need->fields);
    if (item->slot > need->max_slot)
        need->max_slot = item->slot;
}

ng_status ngi_attributes_reserve(store_attributes *attributes, const store_attributes_need *need)
{
    ng_status status = NG_OK;
    if (need->max_slot == 0)
        return NG_OK;
    NGI_TRY(ngi_table_reserve(&attributes->entries, (size_t)need->max_slot + 1));
    NGI_TRY(ngi_chains_reserve(&attributes->chains, need->units));
    NGI_TRY(ngi_terms_reserve(&attributes->tags, need->terms, need->term_bytes));
    NGI_TRY(ngi_ordered_reserve(&attributes->tagged, need->tags));
    NGI_TRY(ngi_ordered_reserve(&attributes->expiring, need->expiries));
    NGI_TRY(ngi_fields_reserve(&attributes->fields, &need->fields));
out:
    return status;
}

/* --- tags ------------------------------------------------------------------------------------ */

void ngi_attributes_terms(const store_attributes *attributes, const store_attribute_entry *entry,
                          uint32_t out[NGI_TAGS_MAX])
{
    if (entry->tag_count <= STORE_TAGS_INSIDE)
        memcpy(out, entry->tags, entry->tag_count * sizeof *out);
    else
        ngi_chains_read(&attributes->chains, entry->tags[0], entry->tag_count * sizeof *out, out);
}

static ng_status tags_remove(store_attributes *attributes, uint32_t slot,
                             store_attribute_entry *entry)
{
    uint32_t terms[NGI_TAGS_MAX];
    ngi_attributes_terms(attributes, entry, terms);
    for (uint32_t i = 0; i < entry->tag_count; i++) {
        if (!ngi_ordered_remove(&attributes->tagged, terms[i], slot))
            return ngi_fail(NG_E_INTERNAL, "token %u is not found by tag %u", slot, terms[i]);
        ngi_terms_unuse(&attributes->tags, terms[i]);
    }
    if (entry->tag_count > STORE_TAGS_INSIDE)
        ngi_chains_remove(&attributes->chains, entry->tags[0], entry->tag_count * sizeof *terms);
    entry->tag_count = 0;
    memset(entry->tags, 0, sizeof entry->tags);
    return NG_OK;
}

static ng_status tags_add(store_attributes *attributes, const ngi_op_attributes *item,
                          store_attribute_entry *entry)
{
    uint32_t terms[NGI_TAGS_MAX];
    const uint8_t *tag = item->tags;
    ng_status status = NG_OK;
    for (unsigned i = 0; i < item->tag_count; i++, tag += 1 + (size_t)*tag) {
        NGI_TRY(ngi_terms_use(&attributes->tags, (const char *)tag + 1, *tag, &terms[i]));
        NGI_TRY(ngi_ordered_insert(&attributes->tagged, terms[i], item->slot));
    }
    entry->tag_count = item->tag_count;
    if (item->tag_count <= STORE_TAGS_INSIDE) {
        memcpy(entry->tags, terms, item->tag_count * sizeof *terms);
        return NG_OK;
    }
    entry->tags[0] = ngi_chains_put(&attributes->chains, terms, item->tag_count * sizeof *terms);
    if (entry->tags[0] == 0)
        status = ngi_fail(NG_E_INTERNAL, "no room was made for the tags of token %u", item->slot);
out:
    return status;
}

/* --- payload and expiry ---------------------------------------------------------------------- */

static void data_remove(store_attributes *attributes, store_attribute_entry *entry)
{
    ngi_chains_remove(&attributes->chains, entry->data_first, entry->data_bytes);
    entry->data_first = entry->data_bytes = 0;
}

static ng_status data_put(store_attributes *attributes, const ngi_op_attributes *item,
                          store_attribute_entry *entry)
{
    data_remove(attributes, entry);
    if (item->data_bytes == 0)
        return NG_OK;
    entry->data_first = ngi_chains_put(&attributes->chains, item->data, item->data_bytes);
    entry->data_bytes = item->data_bytes;
    if (entry->data_first == 0)
        return ngi_fail(NG_E_INTERNAL, "no room was made for the payload of token %u", item->slot);
    return NG_OK;
}

static ng_status expiry_put(store_attributes *attributes, uint32_t slot, uint64_t expires_us,
                            store_attribute_entry *entry)
{
    if (entry->expires_us == expires_us)
        return NG_OK;
    if (entry->expires_us != 0 &&
        !ngi_ordered_remove(&attributes->expiring, entry->expires_us, slot))
        return ngi_fail(NG_E_INTERNAL, "token %u is not found by its expiry", slot);
    entry->expires_us = expires_us;
    return expires_us != 0 ? ngi_ordered_insert(&attributes->expiring, expires_us, slot) : NG_OK;
}

/* --- as a whole ------------------------------------------------------------------------------ */

static void entry_write(store_attributes *attributes, uint32_t slot,
                        const store_attribute_entry *entry)
{
    store_attribute_entry *place = entry_at(attributes, slot);
    attributes->count += ngi_attributes_is_empty(place) && !ngi_attributes_is_empty(entry);
    attributes->count -= !ngi_attributes_is_empty(place) && ngi_attributes_is_empty(entry);
    ngi_table_touch(&attributes->entries, slot, 1);
    ngi_shared_write(place, entry, sizeof *place);
}

ng_status ngi_attributes_put(store_attributes *attributes, const ngi_op_attributes *item)
{
    ng_status status = NG_OK;
    if (item->slot == 0 || item->slot >= entry_end(attributes))
        return ngi_fail(NG_E_INTERNAL, "no room was made for attributes of token %u", item->slot);
    store_attribute_entry entry = *entry_at(attributes, item->slot);
    if (item->set & NGI_ATTRIBUTE_TAGS) {
        NGI_TRY(tags_remove(attributes, item->slot, &entry));
        NGI_TRY(tags_add(attributes, item, &entry));
    }
    if (item->set & NGI_ATTRIBUTE_DATA) {
        NGI_TRY(data_put(attributes, item, &entry));
        NGI_TRY(ngi_fields_put(&attributes->fields, item->slot, item->data, item->data_bytes));
    }
    if (item->set & NGI_ATTRIBUTE_EXPIRY)
        NGI_TRY(expiry_put(attributes, item->slot, item->expires_us, &entry));
    entry_write(attributes, item->slot, &entry);
out:
    return status;
}

ng_status ngi_attributes_remove(store_attributes *attributes, uint32_t slot)
{
    store_attribute_entry entry = ngi_attributes_entry(attributes, slot);
    ng_status status = NG_OK;
    if (ngi_attributes_is_empty(&entry))
        return NG_OK;
    NGI_TRY(tags_remove(attributes, slot, &entry));
    if (entry.data_bytes > 0)
        NGI_TRY(ngi_fields_put(&attributes->fields, slot, NULL, 0));
    data_remove(attributes, &entry);
    NGI_TRY(expiry_put(attributes, slot, 0, &entry));
    entry_write(attributes, slot, &entry);
out:
    return status;
}

store_attribute_entry ngi_attributes_entry(const store_attributes *attributes, uint32_t slot)
{
    store_attribute_entry entry = {0};
    if (ngi_table_covers(&attributes->entries, slot))
        ngi_shared_read(&entry, entry_at(attributes, slot), sizeof entry);
    return entry;
}

uint32_t ngi_attributes_uses(const store_attributes *attributes, uint32_t term)
{
    return ngi_terms_uses(&attributes->tags, term);
}

uint16_t ngi_attributes_tags(const store_attributes *attributes, const store_attribute_entry *entry,
                             uint8_t out[NGI_TAGS_PACKED_MAX])
{
    uint32_t terms[NGI_TAGS_MAX];
    uint8_t *next = out;
    ngi_attributes_terms(attributes, entry, terms);
    for (uint32_t i = 0; i < entry->tag_count; i++) {
        size_t bytes;
        const char *text = ngi_terms_text(&attributes->tags, terms[i], &bytes);
        *next++ = (uint8_t)bytes;
        if (bytes > 0)
            memcpy(next, text, bytes);
        next += bytes;
    }
    return (uint16_t)(next - out);
}

size_t ngi_attributes_payload(const void *context, uint32_t slot, char *out)
{
    const store_attributes *attributes = context;
    store_attribute_entry entry = ngi_attributes_entry(attributes, slot);
    ngi_chains_read(&attributes->chains, entry.data_first, entry.data_bytes, out);
    out[entry.data_bytes] = '\0';
    return entry.data_bytes;
}

ng_status ngi_attributes_build(store_attributes *attributes, const ngi_field_spec *spec)
{
    return ngi_fields_build(&attributes->fields, spec, (uint32_t)entry_end(attributes),
                            ngi_attributes_payload, attributes);
}

void ngi_attributes_data(const store_attributes *attributes, uint32_t slot, char *out,
                         size_t capacity, size_t *bytes)
{
    store_attribute_entry entry = ngi_attributes_entry(attributes, slot);
    if (capacity > 0) {
        size_t copied = entry.data_bytes < capacity - 1 ? entry.data_bytes : capacity - 1;
        ngi_chains_read(&attributes->chains, entry.data_first, copied, out);
        out[copied] = '\0';
    }
    if (bytes != NULL)
        *bytes = entry.data_bytes;
}

size_t ngi_attributes_unpack(const uint8_t *packed, size_t packed_bytes, char *out, size_t capacity)
{
    /* Each length before a text becomes a NUL behind it: as many bytes in all. */
    for (size_t at = 0; at < packed_bytes; at += 1 + (size_t)packed[at]) {
        if (at < capacity)
            ngi_attributes_copy_text((const char *)packed + at + 1, packed[at], out + at,
                                     capacity - at);
    }
    return packed_bytes;
}

void ngi_attributes_copy_text(const char *text, size_t bytes, char *out, size_t capacity)
{
    if (capacity == 0)
        return;
    size_t copied = bytes < capacity - 1 ? bytes : capacity - 1;
    if (copied > 0)
        memcpy(out, text, copied);
    out[copied] = '\0';
}

/* --- verification ---------------------------------------------------------------------------- */

typedef struct attributes_check {
    const store_attributes *attributes;
    uint32_t *uses; /* [tags.end], counted */
    uint64_t count, tags, expiries, units;
} attributes_check;

static ng_status check_tags(attributes_check *check, uint32_t slot,
                            const store_attribute_entry *entry)
{
    const store_attributes *attributes = check->attributes;
    uint32_t terms[NGI_TAGS_MAX];
    size_t last_bytes = 0;
    const char *last = NULL;
    ng_status status = NG_OK;
    if (entry->tag_count > NGI_TAGS_MAX)
        return ngi_fail(NG_E_INTERNAL, "token %u has %u tags", slot, entry->tag_count);
    if (entry->tag_count > STORE_TAGS_INSIDE)
        NGI_TRY(ngi_chains_check_one(&attributes->chains, entry->tags[0],
                                     entry->tag_count * sizeof *terms, &check->units));
    ngi_attributes_terms(attributes, entry, terms);
    for (uint32_t i = 0; i < entry->tag_count; i++) {
        size_t bytes = 0;
        const char *text = ngi_terms_text(&attributes->tags, terms[i], &bytes);
        if (text == NULL || (i > 0 && ngi_text_compare(last, last_bytes, text, bytes) >= 0))
            return ngi_fail(NG_E_INTERNAL, "tag %u of token %u is not valid", i, slot);
        if (!ngi_ordered_has(&attributes->tagged, terms[i], slot))
            return ngi_fail(NG_E_INTERNAL, "token %u is not found by its tag '%.*s'", slot,
                            (int)bytes, text);
        check->uses[terms[i]]++;
        last = text;
        last_bytes = bytes;
    }
    check->tags += entry->tag_count;
out:
    return status;
}

static ng_status check_slot(attributes_check *check, uint32_t slot)
{
    const store_attributes *attributes = check->attributes;
    const store_attribute_entry *entry = entry_at(attributes, slot);
    ng_status status = check_tags(check, slot, entry);
    if (status != NG_OK)
        return status;
    check->count++;
    if (entry->expires_us != 0) {
        check->expiries++;
        if (!ngi_ordered_has(&attributes->expiring, entry->expires_us, slot))
            return ngi_fail(NG_E_INTERNAL, "token %u is not found by its expiry", slot);
    }
    if (entry->data_bytes > NGI_DATA_BYTES_MAX)
        return ngi_fail(NG_E_INTERNAL, "token %u has %u bytes of data", slot, entry->data_bytes);
    return entry->data_bytes == 0 ? NG_OK
                                  : ngi_chains_check_one(&attributes->chains, entry->data_first,
                                                         entry->data_bytes, &check->units);
}

static ng_status check_sums(const attributes_check *check)
{
    const store_attributes *attributes = check->attributes;
    if (check->count != attributes->count || check->tags != attributes->tagged.count ||
        check->expiries != attributes->expiring.count)
        return ngi_fail(NG_E_INTERNAL,
                        "attributes: %llu tokens, %llu tags and %llu expiries are not the %llu, "
                        "%llu and %llu counted",
                        (unsigned long long)check->count, (unsigned long long)check->tags,
                        (unsigned long long)check->expiries, (unsigned long long)attributes->count,
                        (unsigned long long)attributes->tagged.count,
                        (unsigned long long)attributes->expiring.count);
    ng_status status;
    NGI_TRY(ngi_terms_check(&attributes->tags, check->uses));
    NGI_TRY(ngi_chains_check(&attributes->chains, check->units));
    NGI_TRY(ngi_ordered_check(&attributes->tagged));
    NGI_TRY(ngi_ordered_check(&attributes->expiring));
    NGI_TRY(ngi_fields_check(&attributes->fields, (uint32_t)entry_end(attributes),
                             ngi_attributes_payload, attributes));
out:
    return status;
}

ng_status ngi_attributes_check(const store_attributes *attributes, ngi_mem *mem,
                               bool (*is_live)(const void *context, uint32_t slot),
                               const void *context, uint64_t *count)
{
    attributes_check check = {.attributes = attributes};
    size_t bytes = attributes->tags.end * sizeof *check.uses;
    void *block;
    ng_status status = ngi_alloc(mem, bytes, "check", &block);
    if (status != NG_OK)
        return status;
    memset(block, 0, bytes);
    check.uses = block;
    for (uint32_t slot = 0; slot < entry_end(attributes); slot++) {
        if (ngi_attributes_is_empty(entry_at(attributes, slot)))
            continue;
        if (!is_live(context, slot)) {
            status = ngi_fail(NG_E_INTERNAL, "attributes of token %u, which is not there", slot);
            goto out;
        }
        NGI_TRY(check_slot(&check, slot));
    }
    NGI_TRY(check_sums(&check));
out:
    *count = check.count;
    ngi_free(mem, block, bytes);
    return status;
}
