/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Two hash tables: integers to integers, and distinct strings to 0, 1, 2, ...
 *
 * Both are open-addressed with linear probing, a power of two in size, at most 3/4 full.
 * Zeroed = empty. Threads: one table is used by one thread. */
#ifndef NGI_MIND_TABLE_H
#define NGI_MIND_TABLE_H

#include "base/base_mem.h"

/** From u64 keys that are not 0 to u32 values, or a set of keys. */
typedef struct ngi_keys {
    uint64_t *keys;   /* [capacity], 0 = free */
    uint32_t *values; /* [capacity]; NULL in a set */
    size_t capacity, count;
} ngi_keys;

/** Adds `key`, which is not 0; `*is_new` is false, and nothing changed, if it is there. */
NG_MUST_USE ng_status ngi_keys_add(ngi_mem *mem, ngi_keys *set, uint64_t key, bool *is_new);
/** The same in a map. A structure is either used as a set or as a map. */
NG_MUST_USE ng_status ngi_keys_put(ngi_mem *mem, ngi_keys *map, uint64_t key, uint32_t value,
                                   bool *is_new);
/** The value of a key of a map; false if it is absent. */
bool ngi_keys_get(const ngi_keys *map, uint64_t key, uint32_t *value);
void ngi_keys_release(ngi_mem *mem, ngi_keys *table);

/** Distinct strings, numbered in the order in which they came. */
typedef struct ngi_strings {
    ngi_buffer text; /* all strings, one behind the other */
    uint64_t *ends;  /* [count_capacity]: string i is text[ends[i - 1], ends[i]) */
    size_t count_capacity;
    uint32_t *slots; /* [slot_capacity]: number + 1, 0 = free */
    size_t slot_capacity;
    uint32_t count;
} ngi_strings;

/** The number of a string; added if it is new. At most 2^28 strings: NG_E_LIMIT. */
NG_MUST_USE ng_status ngi_strings_add(ngi_mem *mem, ngi_strings *strings, const char *text,
                                      size_t bytes, uint32_t *number, bool *is_new);
/** A string by number, without a NUL; valid until the next add. */
const char *ngi_strings_get(const ngi_strings *strings, uint32_t number, size_t *bytes);
/** Forgets the strings and keeps the memory. */
void ngi_strings_clear(ngi_strings *strings);
void ngi_strings_release(ngi_mem *mem, ngi_strings *strings);

#endif
