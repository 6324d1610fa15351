/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What stands beside a token besides its label and vector: tags, payload, expiry, and the sets that
 * find tokens by them.
 *
 *   entries    store_attribute_entry by slot; all zero = nothing
 *   chains     payloads, and the tags of tokens that have many
 *   tags       every tag once, by a number that counts its uses: a term
 *   tagged     (term, slot)
 *   expiring   (expires_us, slot)
 *   fields     declared fields of payloads, and their indexes
 *
 * Invariants: 1. a slot is in `tagged` once for each of its tags, and in `expiring` if and only if
 *                its expires_us is not 0.
 *             2. the tags of a slot ascend by their texts.
 *             3. a term is there as long as it has uses: one for each entry of `tagged`.
 *
 * Guard of everything: index_lock; an entry is also read without it, and written inside a change of
 * its token (base_shared.h). Views keep entries, chains and the texts of terms. */
#ifndef NGI_STORE_ATTRIBUTES_H
#define NGI_STORE_ATTRIBUTES_H

#include "index/index_chains.h"
#include "index/index_ordered.h"
#include "model/model_attributes.h"
#include "store/store_fields.h"
#include "store/store_terms.h"
#include "wal/wal_op.h"

#define STORE_TAGS_INSIDE 3u /* more of them stand in a chain */

typedef struct store_attribute_entry {
    uint64_t expires_us; /* 0 = never */
    uint32_t data_first; /* first unit of the payload */
    uint32_t data_bytes; /* 0 = none */
    uint32_t tag_count;
    uint32_t tags[STORE_TAGS_INSIDE]; /* terms; or [0] = first unit of a chain of them */
} store_attribute_entry;

typedef struct store_attributes {
    ngi_table entries;
    ngi_chains chains;
    store_terms tags;
    ngi_ordered tagged, expiring;
    store_fields fields;
    uint64_t count; /* slots whose entry is not zero */
} store_attributes;

/** What some changes take at most. Zeroed = nothing. */
typedef struct store_attributes_need {
    size_t units, terms, term_bytes, tags, expiries;
    uint32_t max_slot;
    store_fields_need fields;
} store_attributes_need;

NG_MUST_USE ng_status ngi_attributes_init(store_attributes *attributes, ngi_os *os, ngi_mem *mem,
                                          uint32_t max_tokens);
/** Attributes that are all zero bytes are allowed. */
void ngi_attributes_release(store_attributes *attributes);

/** Adds what putting the item takes. */
void ngi_attributes_measure(const store_attributes *attributes, const ngi_op_attributes *item,
                            store_attributes_need *need);
/** Makes the room, so that the puts that were measured cannot fail. NG_E_LIMIT, NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_attributes_reserve(store_attributes *attributes,
                                             const store_attributes_need *need);
/** Replaces what is in item->set. NG_E_INTERNAL: an invariant is broken. */
NG_MUST_USE ng_status ngi_attributes_put(store_attributes *attributes,
                                         const ngi_op_attributes *item);
/** Takes everything from a slot. */
NG_MUST_USE ng_status ngi_attributes_remove(store_attributes *attributes, uint32_t slot);

/** The entry of a slot: all zero if it has nothing. */
store_attribute_entry ngi_attributes_entry(const store_attributes *attributes, uint32_t slot);
static inline bool ngi_attributes_is_empty(const store_attribute_entry *entry)
{
    return entry->expires_us == 0 && entry->data_bytes == 0 && entry->tag_count == 0;
}
/** The terms of an entry. */
void ngi_attributes_terms(const store_attributes *attributes, const store_attribute_entry *entry,
                          uint32_t out[NGI_TAGS_MAX]);
/** The number of a tag, or 0. */
uint32_t ngi_attributes_term(const store_attributes *attributes, const char *text, size_t bytes);
/** How many tokens have a term as a tag; 0 for term 0. */
uint32_t ngi_attributes_uses(const store_attributes *attributes, uint32_t term);
/** Packs the tags of an entry; returns the bytes. */
uint16_t ngi_attributes_tags(const store_attributes *attributes, const store_attribute_entry *entry,
                             uint8_t out[NGI_TAGS_PACKED_MAX]);
/** The payload of a slot with a NUL behind it; `context` is a store_attributes, `out` has
 *  NGI_DATA_BYTES_MAX + 1 bytes. Returns its bytes. */
size_t ngi_attributes_payload(const void *context, uint32_t slot, char *out);
/** Copies the payload of a slot as ng_token_data does. */
void ngi_attributes_data(const store_attributes *attributes, uint32_t slot, char *out,
                         size_t capacity, size_t *bytes);
/** Copies packed tags as ng_token_tags gives them; returns the full length. */
size_t ngi_attributes_unpack(const uint8_t *packed, size_t packed_bytes, char *out,
                             size_t capacity);
/** Copies a text and a NUL, cut to `capacity`. */
void ngi_attributes_copy_text(const char *text, size_t bytes, char *out, size_t capacity);
/** Of the memory that they take, what is in use. */
uint64_t ngi_attributes_used_bytes(const store_attributes *attributes);
/** Verifies the invariants; `is_live` says of a slot whether there is a token. `*count` receives how
 *  many slots have something. NG_E_INTERNAL, NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_attributes_check(const store_attributes *attributes, ngi_mem *mem,
                                           bool (*is_live)(const void *context, uint32_t slot),
                                           const void *context, uint64_t *count);
/** Builds a declared field over the payloads there are, for ngi_fields_install. */
NG_MUST_USE ng_status ngi_attributes_build(store_attributes *attributes,
                                           const ngi_field_spec *spec);

#endif
