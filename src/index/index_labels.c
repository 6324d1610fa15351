/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The label index.
 *
 *   hash of (collection, text), 32 bits; its upper bits say the home
 *         |
 *         v              buckets: 8 bytes each, a run is probed to the right until the label is
 *   ... | slot hash | slot hash | 0 | ...      found or an empty bucket is
 *            |
 *            v           entries, by slot: 16 bytes
 *   ... | place hash collection | ...
 *            |
 *            v           arena: the text, in whole units of 8 bytes
 *   ... | text | text | free, the next free one of its class | ...
 *
 * A find that ends at an empty bucket touches buckets only. Homes ascend with hashes, so when the
 * table doubles both old and new one are walked from end to end: 1 M labels take 8 ms, where
 * looking up the hash of each took 20.
 *
 * Invariants:
 *   1. a slot has a label if and only if its entry's `place` is not 0, and then exactly one bucket
 *      holds the slot, with the entry's hash; used_count is the number of such slots.
 *   2. a bucket is reached from its label's home by buckets that are all in use: removing moves
 *      later ones back instead of leaving graves, so look-ups never slow down with age.
 *   3. no two slots have the same collection and text.
 *   4. live texts and free texts do not overlap and together are the used part of the arena;
 *      wasted_bytes is what the free ones take up.
 *
 * A free text begins with the unit + 1 of the next free one of its class, 0 at the end. */
#include "index/index_labels.h"

#include "base/base_shared.h"

#include <string.h>

#define XXH_INLINE_ALL /* a label of 8 bytes is hashed in 2 ns, of which a call would be half */
#include <xxhash.h>

#define HASH_BITS 32u
#define BUCKETS_MIN_LOG2 6u
#define BUCKETS_MIN ((size_t)1 << BUCKETS_MIN_LOG2)
/* Beyond one longest text for every slot: room for the size classes to fill unevenly. */
#define ARENA_SPARE_BYTES (64u << 20)

/* Buckets are aligned to pages, so that the shift fits below their address. */
#define SHARED_ALIGNMENT 64u

#define INDEX_BATCH 64u /* labels whose memory is fetched at the same time; see ngi_labels_index */

_Static_assert(NGI_LABEL_BYTES_MAX < 1 << NGI_LABELS_BYTES_BITS, "the length fits its place");
_Static_assert(sizeof(ngi_labels_entry) == 16, "four entries in a cache line");

static const char labels_what[] = "label index";

static ngi_labels_entry *labels_entry_at(const ngi_labels *labels, uint32_t slot)
{
    return (ngi_labels_entry *)(void *)labels->entries.base + slot;
}

static size_t labels_entry_end(const ngi_labels *labels)
{
    return labels->entries.committed_bytes / sizeof(ngi_labels_entry);
}

static char *labels_unit_at(const ngi_labels *labels, uint64_t unit)
{
    return (char *)labels->arena.base + unit * NGI_LABELS_UNIT_BYTES;
}

static const char *labels_text(const ngi_labels *labels, const ngi_labels_entry *entry)
{
    return labels_unit_at(labels, ngi_labels_entry_unit(entry));
}

uint32_t ngi_labels_hash(uint32_t collection, const char *text, size_t bytes)
{
    return (uint32_t)XXH3_64bits_withSeed(text, bytes, collection);
}

ng_status ngi_labels_init(ngi_labels *labels, ngi_os *os, ngi_mem *mem, uint32_t max_slots)
{
    memset(labels, 0, sizeof *labels);
    labels->os = os;
    labels->mem = mem;
    size_t arena_units =
        ((size_t)max_slots * NGI_LABEL_BYTES_MAX + ARENA_SPARE_BYTES) / NGI_LABELS_UNIT_BYTES;
    ng_status status = ngi_table_init(&labels->entries, os, mem, sizeof(ngi_labels_entry),
                                      (size_t)max_slots + 1, "label table");
    if (status == NG_OK)
        status = ngi_table_init(&labels->arena, os, mem, NGI_LABELS_UNIT_BYTES, arena_units,
                                "label texts");
    if (status == NG_OK)
        status = ngi_epoch_create(mem, &labels->readers);
    if (status != NG_OK)
        ngi_labels_release(labels);
    return status;
}

void ngi_labels_release(ngi_labels *labels)
{
    for (size_t i = 0; i < labels->retired_count; i++)
        ngi_table_release(&labels->retired[i].table);
    ngi_epoch_destroy(labels->readers);
    ngi_table_release(&labels->bucket_table);
    ngi_table_release(&labels->arena);
    ngi_table_release(&labels->entries);
    memset(labels, 0, sizeof *labels);
}

/* Buckets that are not in use yet, and where a hash is at home among them. */
typedef struct labels_buckets {
    ngi_table table;
    ngi_labels_bucket *at;
    size_t count;
    unsigned shift;
} labels_buckets;

/* As many as `used_count` labels need, all empty. */
static ng_status labels_buckets_create(const ngi_labels *labels, size_t used_count,
                                       labels_buckets *out)
{
    *out = (labels_buckets){.count = BUCKETS_MIN, .shift = HASH_BITS - BUCKETS_MIN_LOG2};
    for (; out->count / 4 * 3 < used_count; out->count *= 2)
        out->shift--;
    ng_status status = ngi_table_init(&out->table, labels->os, labels->mem,
                                      sizeof(ngi_labels_bucket), out->count, labels_what);
    if (status == NG_OK)
        status = ngi_table_reserve(&out->table, out->count);
    if (status != NG_OK)
        ngi_table_release(&out->table);
    out->at = (ngi_labels_bucket *)(void *)out->table.base;
    return status;
}

/* Gives back buckets that no reader can be looking at. */
static void labels_reclaim(ngi_labels *labels)
{
    if (NGI_LIKELY(labels->retired_count == 0))
        return;
    uint64_t oldest = ngi_epoch_oldest(labels->readers);
    size_t kept = 0;
    for (size_t i = 0; i < labels->retired_count; i++) {
        if (labels->retired[i].stamp < oldest)
            ngi_table_release(&labels->retired[i].table);
        else
            labels->retired[kept++] = labels->retired[i];
    }
    labels->retired_count = kept;
}

static void labels_buckets_use(ngi_labels *labels, const labels_buckets *buckets)
{
    labels_reclaim(labels);
    ngi_labels_retired *last = &labels->retired[labels->retired_count];
    last->table = labels->bucket_table;
    atomic_store_explicit(&labels->shared_buckets, (uintptr_t)buckets->at | buckets->shift,
                          memory_order_release);
    last->stamp = ngi_epoch_advance(labels->readers);
    labels->retired_count += last->table.base != NULL;
    labels->bucket_table = buckets->table;
    labels->buckets = buckets->at;
    labels->bucket_count = buckets->count;
    labels->home_shift = buckets->shift;
}

typedef uint64_t __attribute__((may_alias)) labels_word;

/* A bucket is one word: a reader without a lock sees it as it was or as it will be. */
static inline void labels_bucket_set(ngi_labels_bucket *place, ngi_labels_bucket bucket)
{
    labels_word word;
    memcpy(&word, &bucket, sizeof word);
    __atomic_store_n((labels_word *)(void *)place, word, __ATOMIC_RELEASE);
}

static inline ngi_labels_bucket labels_bucket_get(const ngi_labels_bucket *place)
{
    ngi_labels_bucket bucket;
    labels_word word = __atomic_load_n((const labels_word *)(const void *)place, __ATOMIC_ACQUIRE);
    memcpy(&bucket, &word, sizeof bucket);
    return bucket;
}

static void labels_insert(ngi_labels_bucket *buckets, size_t count, unsigned shift,
                          ngi_labels_bucket bucket)
{
    size_t at = bucket.hash >> shift;
    while (buckets[at].slot != 0)
        at = (at + 1) & (count - 1);
    labels_bucket_set(&buckets[at], bucket);
}

static ng_status labels_grow(ngi_labels *labels, size_t wanted)
{
    if (wanted <= labels->bucket_count / 4 * 3)
        return NG_OK;
    labels_buckets next;
    ng_status status = labels_buckets_create(labels, wanted, &next);
    if (status != NG_OK)
        return status;
    /* From behind an empty bucket on, so that the run that wraps is not begun in its middle. */
    size_t begin = 0, mask = labels->bucket_count - 1;
    while (begin < labels->bucket_count && labels->buckets[begin].slot != 0)
        begin++;
    for (size_t i = 1; i < labels->bucket_count; i++) {
        ngi_labels_bucket bucket = labels->buckets[(begin + i) & mask];
        if (bucket.slot != 0)
            labels_insert(next.at, next.count, next.shift, bucket);
    }
    labels_buckets_use(labels, &next);
    return NG_OK;
}

ng_status ngi_labels_reserve(ngi_labels *labels, size_t count, size_t bytes, uint32_t max_slot)
{
    ng_status status;
    size_t units = labels->arena_bytes / NGI_LABELS_UNIT_BYTES;
    /* Every text may end in a unit that it does not fill. */
    size_t more_units = bytes / NGI_LABELS_UNIT_BYTES + count;
    labels_reclaim(labels);
    NGI_TRY(ngi_table_reserve(&labels->entries, (size_t)max_slot + 1));
    NGI_TRY(ngi_table_reserve(&labels->arena, units + more_units));
    NGI_TRY(labels_grow(labels, labels->used_count + count));
out:
    return status;
}

/* Takes a free text of that many units, or the next units of the arena; false if they are not
 * there. */
static bool labels_take_units(ngi_labels *labels, size_t units, uint64_t *out)
{
    uint64_t first = labels->free_units[units];
    if (first == 0) {
        size_t bytes = units * NGI_LABELS_UNIT_BYTES;
        if (bytes > labels->arena.committed_bytes - labels->arena_bytes)
            return false;
        *out = labels->arena_bytes / NGI_LABELS_UNIT_BYTES;
        labels->arena_bytes += bytes;
        return true;
    }
    memcpy(&labels->free_units[units], labels_unit_at(labels, first - 1), sizeof(uint64_t));
    labels->wasted_bytes -= units * NGI_LABELS_UNIT_BYTES;
    *out = first - 1;
    return true;
}

/* Writes the text and the entry; false if there is no room for the text. */
static bool labels_store(ngi_labels *labels, uint32_t slot, uint32_t collection, const char *text,
                         size_t bytes)
{
    uint64_t unit;
    size_t units = ngi_labels_units(bytes);
    if (!labels_take_units(labels, units, &unit))
        return false;
    ngi_table_touch(&labels->arena, (size_t)unit, units);
    ngi_table_touch(&labels->entries, slot, 1);
    ngi_labels_entry entry = {.place = unit << NGI_LABELS_BYTES_BITS | bytes,
                              .hash = ngi_labels_hash(collection, text, bytes),
                              .collection = collection};
    ngi_shared_write(labels_unit_at(labels, unit), text, bytes);
    ngi_shared_write(labels_entry_at(labels, slot), &entry, sizeof entry);
    return true;
}

ng_status ngi_labels_put(ngi_labels *labels, uint32_t slot, uint32_t collection, const char *text,
                         size_t bytes)
{
    if (NGI_UNLIKELY(slot == 0 || slot >= labels_entry_end(labels)))
        return ngi_fail(NG_E_INTERNAL, "label index: no room was made for token %u", slot);
    if (NGI_UNLIKELY(labels_entry_at(labels, slot)->place != 0))
        return ngi_fail(NG_E_INTERNAL, "label index: token %u has a label", slot);
    if (NGI_UNLIKELY(bytes < 1 || bytes > NGI_LABEL_BYTES_MAX))
        return ngi_fail(NG_E_INTERNAL, "label index: label of %zu bytes is outside 1..%d", bytes,
                        NGI_LABEL_BYTES_MAX);
    if (NGI_UNLIKELY(labels->used_count >= labels->bucket_count / 4 * 3 ||
                     !labels_store(labels, slot, collection, text, bytes)))
        return ngi_fail(NG_E_INTERNAL, "label index: no room was made for the label of token %u",
                        slot);
    labels_insert(labels->buckets, labels->bucket_count, labels->home_shift,
                  (ngi_labels_bucket){slot, labels_entry_at(labels, slot)->hash});
    labels->used_count++;
    return NG_OK;
}

ng_status ngi_labels_load(ngi_labels *labels, uint32_t slot, uint32_t collection, const char *text,
                          size_t bytes)
{
    if (slot == 0)
        return ngi_fail(NG_E_CORRUPT, "label of token 0, which does not exist");
    if (bytes < 1 || bytes > NGI_LABEL_BYTES_MAX)
        return ngi_fail(NG_E_CORRUPT, "label of token %u has %zu bytes, outside 1..%d", slot, bytes,
                        NGI_LABEL_BYTES_MAX);
    ng_status status = ngi_table_reserve(&labels->entries, (size_t)slot + 1);
    if (status != NG_OK)
        return status;
    if (labels_entry_at(labels, slot)->place != 0)
        return ngi_fail(NG_E_CORRUPT, "token %u is given two labels", slot);
    size_t units = labels->arena_bytes / NGI_LABELS_UNIT_BYTES + ngi_labels_units(bytes);
    status = ngi_table_reserve(&labels->arena, units);
    if (status == NG_OK && !labels_store(labels, slot, collection, text, bytes))
        status = ngi_fail(NG_E_INTERNAL, "label index: no room for the label of token %u", slot);
    return status;
}

static bool labels_equal(const ngi_labels *labels, const ngi_labels_entry *a,
                         const ngi_labels_entry *b)
{
    size_t bytes = ngi_labels_entry_bytes(a);
    return a->hash == b->hash && a->collection == b->collection &&
           ngi_labels_entry_bytes(b) == bytes &&
           memcmp(labels_text(labels, a), labels_text(labels, b), bytes) == 0;
}

static ng_status labels_fail_twice(const ngi_labels *labels, uint32_t first, uint32_t second)
{
    const ngi_labels_entry *entry = labels_entry_at(labels, second);
    size_t bytes = ngi_labels_entry_bytes(entry);
    return ngi_fail(NG_E_CORRUPT, "tokens %u and %u have the same label '%.*s'", first, second,
                    (int)(bytes > 80 ? 80 : bytes), labels_text(labels, entry));
}

/* Every insertion misses the cache at its home bucket, so those of a batch are fetched together. */
static ng_status labels_insert_batch(const ngi_labels *labels, const labels_buckets *buckets,
                                     const uint32_t *slots, size_t count)
{
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(&buckets->at[labels_entry_at(labels, slots[i])->hash >> buckets->shift],
                           1);
    for (size_t i = 0; i < count; i++) {
        const ngi_labels_entry *entry = labels_entry_at(labels, slots[i]);
        size_t at = entry->hash >> buckets->shift;
        for (; buckets->at[at].slot != 0; at = (at + 1) & (buckets->count - 1))
            if (buckets->at[at].hash == entry->hash &&
                labels_equal(labels, entry, labels_entry_at(labels, buckets->at[at].slot)))
                return labels_fail_twice(labels, buckets->at[at].slot, slots[i]);
        buckets->at[at] = (ngi_labels_bucket){slots[i], entry->hash};
    }
    return NG_OK;
}

static ng_status labels_insert_all(const ngi_labels *labels, const labels_buckets *buckets)
{
    uint32_t slots[INDEX_BATCH];
    size_t count = 0, end = labels_entry_end(labels);
    ng_status status = NG_OK;
    for (size_t slot = 1; slot < end && status == NG_OK; slot++) {
        if (labels_entry_at(labels, (uint32_t)slot)->place == 0)
            continue;
        slots[count++] = (uint32_t)slot;
        if (count == INDEX_BATCH) {
            status = labels_insert_batch(labels, buckets, slots, count);
            count = 0;
        }
    }
    return status == NG_OK ? labels_insert_batch(labels, buckets, slots, count) : status;
}

ng_status ngi_labels_index(ngi_labels *labels)
{
    size_t used_count = 0, end = labels_entry_end(labels);
    for (size_t slot = 1; slot < end; slot++)
        used_count += labels_entry_at(labels, (uint32_t)slot)->place != 0;
    labels_buckets buckets;
    ng_status status = labels_buckets_create(labels, used_count, &buckets);
    if (status != NG_OK)
        return status;
    status = labels_insert_all(labels, &buckets);
    if (status != NG_OK) {
        ngi_table_release(&buckets.table);
        return status;
    }
    labels_buckets_use(labels, &buckets);
    labels->used_count = used_count;
    return NG_OK;
}

/* Empties a bucket and moves later ones of the run back, each at most to its home. */
static void labels_close_gap(ngi_labels *labels, size_t gap)
{
    size_t mask = labels->bucket_count - 1;
    for (size_t at = (gap + 1) & mask; labels->buckets[at].slot != 0; at = (at + 1) & mask) {
        size_t home = labels->buckets[at].hash >> labels->home_shift;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            labels_bucket_set(&labels->buckets[gap], labels->buckets[at]);
            gap = at;
        }
    }
    labels_bucket_set(&labels->buckets[gap], (ngi_labels_bucket){0});
}

void ngi_labels_remove(ngi_labels *labels, uint32_t slot)
{
    if (slot >= labels_entry_end(labels))
        return;
    ngi_labels_entry *entry = labels_entry_at(labels, slot);
    if (entry->place == 0)
        return;
    size_t mask = labels->bucket_count - 1;
    size_t at = entry->hash >> labels->home_shift;
    while (labels->buckets[at].slot != slot)
        at = (at + 1) & mask;
    labels_close_gap(labels, at);
    size_t units = ngi_labels_units(ngi_labels_entry_bytes(entry));
    uint64_t unit = ngi_labels_entry_unit(entry);
    ngi_table_touch(&labels->arena, (size_t)unit, 1);
    ngi_table_touch(&labels->entries, slot, 1);
    ngi_shared_write(labels_unit_at(labels, unit), &labels->free_units[units], sizeof(uint64_t));
    labels->free_units[units] = unit + 1;
    labels->wasted_bytes += units * NGI_LABELS_UNIT_BYTES;
    labels->used_count--;
    ngi_shared_write(entry, &(ngi_labels_entry){0}, sizeof *entry);
}

/* The entry of a slot and where its text is; NULL if it has none. Beside a change the entry may be
 * of two halves. */
static const char *labels_shared_text(const ngi_labels *labels, uint32_t slot,
                                      ngi_labels_entry *entry)
{
    if (!ngi_table_covers(&labels->entries, slot))
        return NULL;
    ngi_shared_read(entry, labels_entry_at(labels, slot), sizeof *entry);
    size_t unit = ngi_labels_entry_unit(entry);
    size_t last = unit + ngi_labels_units(ngi_labels_entry_bytes(entry));
    bool is_there = entry->place != 0 && ngi_table_covers(&labels->arena, last - 1);
    return is_there ? labels_unit_at(labels, unit) : NULL;
}

typedef struct wanted_label {
    const char *text;
    size_t bytes;
    uint32_t hash, collection;
    uint32_t slot_end; /* tokens from here on do not count */
} wanted_label;

static inline bool labels_is(const ngi_labels *labels, uint32_t slot, const wanted_label *wanted)
{
    ngi_labels_entry entry;
    const char *stored = labels_shared_text(labels, slot, &entry);
    return stored != NULL && entry.hash == wanted->hash && entry.collection == wanted->collection &&
           ngi_labels_entry_bytes(&entry) == wanted->bytes &&
           ngi_shared_equal(stored, wanted->text, wanted->bytes);
}

bool ngi_labels_is(const ngi_labels *labels, uint32_t slot, uint32_t hash, uint32_t collection,
                   const char *text, size_t bytes)
{
    return labels_is(labels, slot, &(const wanted_label){text, bytes, hash, collection, 0});
}

size_t ngi_labels_read(const ngi_labels *labels, uint32_t slot, char *out, size_t capacity)
{
    ngi_labels_entry entry;
    const char *stored = labels_shared_text(labels, slot, &entry);
    if (stored == NULL)
        return 0;
    size_t bytes = ngi_labels_entry_bytes(&entry);
    ngi_shared_read(out, stored, bytes < capacity ? bytes : capacity);
    return bytes;
}

static inline uint32_t labels_find_in(const ngi_labels *labels, uintptr_t shared,
                                      const wanted_label *wanted)
{
    if (shared == 0)
        return 0;
    unsigned shift = (unsigned)(shared % SHARED_ALIGNMENT);
    const ngi_labels_bucket *buckets = (const ngi_labels_bucket *)(shared - shift);
    size_t mask = ((size_t)1 << (HASH_BITS - shift)) - 1, at = wanted->hash >> shift;
    /* Once round at most: beside a writer the gaps may move out of the way of a reader. */
    for (size_t left = mask; left > 0; left--) {
        ngi_labels_bucket bucket = labels_bucket_get(&buckets[at]);
        if (bucket.slot == 0)
            return 0;
        if (NGI_UNLIKELY(bucket.hash == wanted->hash) && bucket.slot < wanted->slot_end &&
            labels_is(labels, bucket.slot, wanted))
            return bucket.slot;
        at = (at + 1) & mask;
    }
    return 0;
}

uint32_t ngi_labels_find_hashed(const ngi_labels *labels, uint32_t hash, uint32_t collection,
                                const char *text, size_t bytes)
{
    const wanted_label wanted = {text, bytes, hash, collection, UINT32_MAX};
    return labels_find_in(labels,
                          atomic_load_explicit(&labels->shared_buckets, memory_order_relaxed),
                          &wanted);
}

uint32_t ngi_labels_find_shared(const ngi_labels *labels, uint32_t hash, uint32_t collection,
                                const char *text, size_t bytes, uint32_t slot_end)
{
    const wanted_label wanted = {text, bytes, hash, collection, slot_end};
    unsigned reader = ngi_epoch_enter(labels->readers);
    uint32_t slot =
        labels_find_in(labels, atomic_load_explicit(&labels->shared_buckets, memory_order_acquire),
                       &wanted);
    ngi_epoch_leave(labels->readers, reader);
    return slot;
}

uint32_t ngi_labels_find(const ngi_labels *labels, uint32_t collection, const char *text,
                         size_t bytes)
{
    return ngi_labels_find_hashed(labels, ngi_labels_hash(collection, text, bytes), collection,
                                  text, bytes);
}

const char *ngi_labels_get(const ngi_labels *labels, uint32_t slot, size_t *bytes)
{
    *bytes = 0;
    if (slot >= labels_entry_end(labels))
        return NULL;
    const ngi_labels_entry *entry = labels_entry_at(labels, slot);
    if (entry->place == 0)
        return NULL;
    *bytes = ngi_labels_entry_bytes(entry);
    return labels_text(labels, entry);
}

static size_t labels_retired_bytes(const ngi_labels *labels)
{
    size_t bytes = 0;
    for (size_t i = 0; i < labels->retired_count; i++)
        bytes += labels->retired[i].table.committed_bytes;
    return bytes;
}

void ngi_labels_memory(const ngi_labels *labels, ng_memory_use *index, ng_memory_use *texts)
{
    const size_t item_bytes = sizeof(ngi_labels_entry) + sizeof *labels->buckets;
    *index = (ng_memory_use){.bytes = ngi_table_bytes(&labels->entries) +
                                      ngi_table_bytes(&labels->bucket_table) +
                                      labels_retired_bytes(labels) +
                                      ngi_epoch_memory_bytes(labels->readers),
                             .used_bytes = labels->used_count * item_bytes,
                             .items = labels->used_count};
    *texts = (ng_memory_use){.bytes = ngi_table_bytes(&labels->arena),
                             .used_bytes = labels->arena_bytes - labels->wasted_bytes,
                             .items = labels->used_count};
}

static ng_status labels_check_slot(const ngi_labels *labels, uint32_t slot, size_t *live_bytes)
{
    const ngi_labels_entry *entry = labels_entry_at(labels, slot);
    size_t bytes = ngi_labels_entry_bytes(entry);
    size_t taken = ngi_labels_units(bytes) * NGI_LABELS_UNIT_BYTES;
    uint64_t begin = ngi_labels_entry_unit(entry) * NGI_LABELS_UNIT_BYTES;
    if (bytes == 0 || bytes > NGI_LABEL_BYTES_MAX || begin > labels->arena_bytes ||
        taken > labels->arena_bytes - begin)
        return ngi_fail(NG_E_INTERNAL, "label index: text of token %u is outside the arena", slot);
    const char *text = labels_text(labels, entry);
    if (ngi_labels_hash(entry->collection, text, bytes) != entry->hash)
        return ngi_fail(NG_E_INTERNAL, "label index: text and hash of token %u differ", slot);
    uint32_t found = ngi_labels_find(labels, entry->collection, text, bytes);
    if (found != slot)
        return ngi_fail(NG_E_INTERNAL, "label index: the label of token %u leads to %u", slot,
                        found);
    *live_bytes += taken;
    return NG_OK;
}

static ng_status labels_check_free(const ngi_labels *labels)
{
    size_t left = labels->wasted_bytes;
    for (size_t units = 1; units < NGI_LABELS_CLASS_COUNT; units++) {
        size_t taken = units * NGI_LABELS_UNIT_BYTES;
        uint64_t next = labels->free_units[units];
        while (next != 0) {
            if (taken > left || (next - 1) * NGI_LABELS_UNIT_BYTES + taken > labels->arena_bytes)
                return ngi_fail(NG_E_INTERNAL,
                                "label index: free texts of %zu bytes exceed the %zu wasted", taken,
                                labels->wasted_bytes);
            left -= taken;
            memcpy(&next, labels_unit_at(labels, next - 1), sizeof next);
        }
    }
    if (left != 0)
        return ngi_fail(NG_E_INTERNAL, "label index: %zu of %zu wasted bytes are lost", left,
                        labels->wasted_bytes);
    return NG_OK;
}

static ng_status labels_check_buckets(const ngi_labels *labels, size_t *used)
{
    for (size_t i = 0; i < labels->bucket_count; i++) {
        ngi_labels_bucket bucket = labels->buckets[i];
        if (bucket.slot == 0)
            continue;
        ++*used;
        if (bucket.slot >= labels_entry_end(labels) ||
            labels_entry_at(labels, bucket.slot)->place == 0)
            return ngi_fail(NG_E_INTERNAL,
                            "label index: bucket %zu names token %u, which has no label", i,
                            bucket.slot);
        if (bucket.hash != labels_entry_at(labels, bucket.slot)->hash)
            return ngi_fail(NG_E_INTERNAL, "label index: bucket %zu has another hash than token %u",
                            i, bucket.slot);
    }
    if (*used != labels->used_count || *used > labels->bucket_count / 4 * 3)
        return ngi_fail(NG_E_INTERNAL, "label index: %zu of %zu buckets used, %zu labels counted",
                        *used, labels->bucket_count, labels->used_count);
    return NG_OK;
}

ng_status ngi_labels_check(const ngi_labels *labels)
{
    size_t used = 0, live_bytes = 0;
    ng_status status = labels_check_buckets(labels, &used);
    if (status != NG_OK)
        return status;
    size_t labelled = 0, end = labels_entry_end(labels);
    for (size_t slot = 0; slot < end; slot++) {
        if (labels_entry_at(labels, (uint32_t)slot)->place == 0)
            continue;
        labelled++;
        status = labels_check_slot(labels, (uint32_t)slot, &live_bytes);
        if (status != NG_OK)
            return status;
    }
    if (labelled != used)
        return ngi_fail(NG_E_INTERNAL, "label index: %zu tokens have labels, %zu are indexed",
                        labelled, used);
    if (live_bytes + labels->wasted_bytes != labels->arena_bytes)
        return ngi_fail(NG_E_INTERNAL,
                        "label index: %zu live and %zu wasted bytes are not the "
                        "%zu used",
                        live_bytes, labels->wasted_bytes, labels->arena_bytes);
    return labels_check_free(labels);
}
