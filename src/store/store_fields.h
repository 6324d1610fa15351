/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Declared fields of payloads and their indexes.
 *
 * A field has the key of its value by slot, and the set of (key, slot). The key of a keyword is the
 * number of its text among `keywords`; the others follow from the value (model_fields.h). All of it
 * follows from declarations and payloads: neither the log nor a snapshot has it.
 *
 * Invariant: a slot's key is not 0 if and only if (key, slot) is in the set, and then it is the
 * value of the slot's payload.
 *
 * Guard: index_lock. */
#ifndef NGI_STORE_FIELDS_H
#define NGI_STORE_FIELDS_H

#include "index/index_ordered.h"
#include "model/model_fields.h"
#include "store/store_terms.h"

typedef struct store_field {
    ngi_field_spec spec;
    ngi_table keys; /* u64 by slot; 0 = no value */
    ngi_ordered by_key;
} store_field;

typedef struct store_fields {
    ngi_os *os;
    ngi_mem *mem;
    uint32_t max_tokens;
    store_field *fields[NGI_FIELDS_MAX]; /* by number; NULL = none */
    uint32_t count;
    store_field *pending; /* built by prepare, for apply; or NULL */
    store_terms keywords;
} store_fields;

/** What values take at most. */
typedef struct store_fields_need {
    size_t keywords, keyword_bytes;
    uint32_t values[NGI_FIELDS_MAX];
    uint32_t max_slot;
} store_fields_need;

/** The payload of `slot` into `out` [NGI_DATA_BYTES_MAX + 1], with a NUL behind it; its bytes. */
typedef size_t (*store_fields_read)(const void *context, uint32_t slot, char *out);

NG_MUST_USE ng_status ngi_fields_init(store_fields *fields, ngi_os *os, ngi_mem *mem,
                                      uint32_t max_tokens);
/** Fields that are all zero bytes are allowed. */
void ngi_fields_release(store_fields *fields);
/** Adds what the values of a payload take; a zero byte follows it. */
void ngi_fields_measure(const store_fields *fields, uint32_t slot, const char *data, size_t bytes,
                        store_fields_need *need);
NG_MUST_USE ng_status ngi_fields_reserve(store_fields *fields, const store_fields_need *need);
/** Replaces the values of a slot by those of a payload, of 0 bytes if there is none any more.
 *  NG_E_INTERNAL: an invariant is broken. */
NG_MUST_USE ng_status ngi_fields_put(store_fields *fields, uint32_t slot, const char *data,
                                     size_t bytes);
/** Builds a field over the payloads of slots below `slot_end` into `pending`. */
NG_MUST_USE ng_status ngi_fields_build(store_fields *fields, const ngi_field_spec *spec,
                                       uint32_t slot_end, store_fields_read read,
                                       const void *context);
/** Makes `pending` field `number`. */
void ngi_fields_install(store_fields *fields, uint32_t number);
void ngi_fields_drop(store_fields *fields, uint32_t number);
/** The field of that name, or NULL. */
const store_field *ngi_fields_find(const store_fields *fields, const char *name);
/** The key of a slot's value, 0 = none. */
static inline uint64_t ngi_field_key(const store_field *field, uint32_t slot)
{
    return slot < field->keys.committed_bytes / sizeof(uint64_t)
               ? ((const uint64_t *)(const void *)field->keys.base)[slot]
               : 0;
}
/** The key of a value that somebody asks for; 0 = nobody has it. */
uint64_t ngi_fields_key(const store_fields *fields, const store_field *field,
                        const ng_value *value);
uint64_t ngi_fields_used_bytes(const store_fields *fields);
/** Verifies the invariant against the payloads of slots below `slot_end`. NG_E_INTERNAL, NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_fields_check(const store_fields *fields, uint32_t slot_end,
                                       store_fields_read read, const void *context);

#endif
