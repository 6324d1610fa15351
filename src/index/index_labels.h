/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Labels: (collection, text) -> slot, and slot -> text.
 *
 * Open addressing (linear probing) over XXH3 of the text seeded with the collection; texts stand in
 * one arena, and the room of a removed text is used again for one of its size class. The layout is
 * drawn in index_labels.c.
 * Threads: reserve, put and remove with the store's lock held for writing; put and remove inside a
 * change of the slot, and remove inside one of `removals` as well (base_shared.h), which may last
 * for many removals and puts. find_shared, is and read need no lock; the rest with the lock held for
 * reading. Beside a change
 *   - what find_shared returns has the label only if `is` says so inside a look at the slot's
 *     changes, for until then the text may have become another one's;
 *   - that it returns 0 is true only if `removals` did not change meanwhile: buckets move back when
 *     others are emptied, and a label may be on its way to another slot. */
#ifndef NGI_INDEX_LABELS_H
#define NGI_INDEX_LABELS_H

#include "os/os_epoch.h"
#include "os/os_table.h"

#include "base/base_limits.h"

#define NGI_LABELS_UNIT_BYTES 8 /* texts begin at and take up multiples of it */
#define NGI_LABELS_CLASS_COUNT (NGI_LABEL_BYTES_MAX / NGI_LABELS_UNIT_BYTES + 1)

/** What an element of the table `entries` says of its slot; views read old ones. 16 bytes, so that
 * a table of ten million slots takes 160 MB when every token has a label. */
typedef struct ngi_labels_entry {
    uint64_t place; /* first unit of the text << 11 | bytes; 0 = no label */
    uint32_t hash;  /* of the collection and the text */
    uint32_t collection;
} ngi_labels_entry;

#define NGI_LABELS_BYTES_BITS 11

static inline size_t ngi_labels_entry_bytes(const ngi_labels_entry *entry)
{
    return entry->place & ((1u << NGI_LABELS_BYTES_BITS) - 1);
}

/** The first element of the table `arena` that the text is in. */
static inline size_t ngi_labels_entry_unit(const ngi_labels_entry *entry)
{
    return (size_t)(entry->place >> NGI_LABELS_BYTES_BITS);
}

/** How many elements of the table `arena` a text takes up. */
static inline size_t ngi_labels_units(size_t bytes)
{
    return (bytes + NGI_LABELS_UNIT_BYTES - 1) / NGI_LABELS_UNIT_BYTES;
}

/** Says what a label hashes to beside whose it is, so that probing past others stays in one or two
 * cache lines, and the table grows without a look at the entries. */
typedef struct ngi_labels_bucket {
    uint32_t slot; /* 0 = empty */
    uint32_t hash; /* as in the entry of the slot */
} ngi_labels_bucket;

/* Buckets that were replaced by more of them, until no reader looks at them any more. */
typedef struct ngi_labels_retired {
    ngi_table table;
    uint64_t stamp;
} ngi_labels_retired;

typedef struct ngi_labels {
    ngi_os *os;
    ngi_mem *mem;
    ngi_table entries;          /* ngi_labels_entry by slot */
    ngi_table arena;            /* texts, in units */
    ngi_table bucket_table;     /* what `buckets` is in; another one when it grows */
    ngi_labels_bucket *buckets; /* a power of two of them, at most 3/4 used; NULL = none yet */
    size_t bucket_count;
    unsigned home_shift;               /* 32 - log2(bucket_count) */
    _Atomic(uintptr_t) shared_buckets; /* `buckets` | home_shift, for readers without a
                                                    lock: stored (release) when they are filled, loaded (acquire)
                                                    inside `readers` */
    ngi_epoch *readers;
    ngi_labels_retired retired[32]; /* each is half the next, so there are no more */
    size_t retired_count;
    atomic_uint removals; /* odd while labels are taken away; the caller begins and ends it */
    size_t used_count;    /* live labels */
    size_t arena_bytes;   /* used of the arena, wasted_bytes included */
    size_t wasted_bytes;  /* of removed texts, waiting to be used again */
    uint64_t free_units[NGI_LABELS_CLASS_COUNT]; /* by units: first free text + 1, 0 = none */
} ngi_labels;

NG_MUST_USE ng_status ngi_labels_init(ngi_labels *labels, ngi_os *os, ngi_mem *mem,
                                      uint32_t max_slots);
/** Labels that are all zero bytes are allowed. */
void ngi_labels_release(ngi_labels *labels);
/** Makes room so that `count` puts with `bytes` of text in all, of slots up to `max_slot`, cannot
 *  fail. Leaves no trace when it fails. */
NG_MUST_USE ng_status ngi_labels_reserve(ngi_labels *labels, size_t count, size_t bytes,
                                         uint32_t max_slot);
/** Gives `slot` a label; it has none, and no other slot of the collection has it, or one has it that
 *  loses it before anyone looks for it. NG_E_INTERNAL if it has one, or there is no room, which
 *  reserve has made; then nothing is changed. */
NG_MUST_USE ng_status ngi_labels_put(ngi_labels *labels, uint32_t slot, uint32_t collection,
                                     const char *text, size_t bytes);
/** Bulk loading: gives `slot` a label, which is found only after ngi_labels_index, and until then
 *  there is no put, no remove and no find. Makes its own room. Errors: NG_E_CORRUPT (slot 0, a slot
 *  that has a label, bytes outside 1..1024), NG_E_LIMIT, NG_E_NOMEM; nothing is changed then. */
NG_MUST_USE ng_status ngi_labels_load(ngi_labels *labels, uint32_t slot, uint32_t collection,
                                      const char *text, size_t bytes);
/** Indexes all labels anew, loaded or put. Errors: NG_E_CORRUPT (two slots have the same label:
 *  names both), NG_E_NOMEM; the index is as it was then. */
NG_MUST_USE ng_status ngi_labels_index(ngi_labels *labels);
/** Takes the label from `slot`, if it has one. */
void ngi_labels_remove(ngi_labels *labels, uint32_t slot);
/** The slot with that label, or 0. */
uint32_t ngi_labels_find(const ngi_labels *labels, uint32_t collection, const char *text,
                         size_t bytes);
/** The text of a slot (not NUL-terminated) and its length, or NULL. Valid while the store's lock
 *  is held. */
const char *ngi_labels_get(const ngi_labels *labels, uint32_t slot, size_t *bytes);
/** Whether a slot has that label, of this hash. */
bool ngi_labels_is(const ngi_labels *labels, uint32_t slot, uint32_t hash, uint32_t collection,
                   const char *text, size_t bytes);
/** Copies at most `capacity` bytes of the text of a slot; returns how many it has, 0 = none. */
size_t ngi_labels_read(const ngi_labels *labels, uint32_t slot, char *out, size_t capacity);
/** `hash` of the entry that such a label has. */
uint32_t ngi_labels_hash(uint32_t collection, const char *text, size_t bytes);
/** As ngi_labels_find, of a label whose hash is known. */
uint32_t ngi_labels_find_hashed(const ngi_labels *labels, uint32_t hash, uint32_t collection,
                                const char *text, size_t bytes);
/** The same for a reader without a lock, among slots below `slot_end`. */
uint32_t ngi_labels_find_shared(const ngi_labels *labels, uint32_t hash, uint32_t collection,
                                const char *text, size_t bytes, uint32_t slot_end);
/** Fetches the buckets where a label of this hash is or would be: who is about to find or put many
 *  does this for all of them first, and waits for memory once. */
static inline void ngi_labels_prefetch(const ngi_labels *labels, uint32_t hash)
{
    if (labels->buckets != NULL)
        __builtin_prefetch(&labels->buckets[hash >> labels->home_shift], 1);
}
/** What entries and buckets take up, and the texts: the two together are all it has. */
void ngi_labels_memory(const ngi_labels *labels, ng_memory_use *index, ng_memory_use *texts);
/** Verifies the invariants; NG_E_INTERNAL says which is broken. */
NG_MUST_USE ng_status ngi_labels_check(const ngi_labels *labels);

#endif
