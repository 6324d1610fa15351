/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Memory that readers copy without a lock while the one writer changes it.
 *
 *     writer                             reader
 *     ------                             ------
 *     ngi_change_begin: count odd        before = ngi_change_count
 *     ngi_shared_write, ...              ngi_shared_read, ...
 *     ngi_change_end: count even         whole if ngi_change_none(before), or start over
 *
 * Rules: 1. what is shared is written and read by the functions below alone, while there may be
 *           readers; the writer may read it as it likes.
 *        2. what was copied means nothing before ngi_change_none has said that it is whole. Until
 *           then a number in it is one that stood there at some time, but not with its neighbours.
 *        3. shared memory is never given back while there may be readers (see os_table.h), or only
 *           through os_epoch.h.
 *
 * By C11: words are stored with release behind the odd count and loaded with acquire before the
 * count is looked at again, so whoever sees one word of a change sees that the count changed.
 * ThreadSanitizer checks this. On x86-64 the words are copied by memcpy between compiler barriers,
 * because the processor keeps loads in order with loads and stores with stores. */
#ifndef NGI_BASE_SHARED_H
#define NGI_BASE_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define NGI_SHARED_IN_ORDER 1
#define NGI_SHARED_BARRIER() __asm__ volatile("" ::: "memory")
#else
#define NGI_SHARED_IN_ORDER 0
#endif

typedef uint32_t __attribute__((may_alias)) ngi_shared_word;

/* --- counts of changes ------------------------------------------------------------------------ */

/** The writer's: false if a change is going on already, whose end is then another one's. */
static inline bool ngi_change_begin(atomic_uint *count)
{
    unsigned before = atomic_load_explicit(count, memory_order_relaxed);
    if (before & 1u)
        return false;
    atomic_store_explicit(count, before + 1, memory_order_relaxed);
    return true;
}

/** `begun` is what ngi_change_begin returned. */
static inline void ngi_change_end(atomic_uint *count, bool begun)
{
    if (begun)
        atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                              memory_order_release);
}

/** Odd: a change is going on. */
static inline unsigned ngi_change_count(const atomic_uint *count)
{
    return atomic_load_explicit(count, memory_order_acquire);
}

/** Whether nothing changed since, nor was being changed: one comparison, for a count only grows. */
static inline bool ngi_change_none(const atomic_uint *count, unsigned before)
{
    return atomic_load_explicit(count, memory_order_relaxed) == (before & ~1u);
}

/* --- words ------------------------------------------------------------------------------------ */

static inline uint32_t ngi_shared_u32(const uint32_t *place)
{
    return __atomic_load_n(place, __ATOMIC_ACQUIRE);
}

static inline void ngi_shared_set_u32(uint32_t *place, uint32_t value)
{
    __atomic_store_n(place, value, __ATOMIC_RELEASE);
}

/** Writes `bytes` to `target`, which begins at a word of four bytes and has room for a whole last
 *  one. */
static inline void ngi_shared_write(void *target, const void *source, size_t bytes)
{
#if NGI_SHARED_IN_ORDER
    NGI_SHARED_BARRIER();
    memcpy(target, source, bytes);
    NGI_SHARED_BARRIER();
#else
    ngi_shared_word *words = (ngi_shared_word *)target;
    const uint8_t *from = (const uint8_t *)source;
    for (size_t at = 0; at < bytes; at += sizeof(ngi_shared_word)) {
        ngi_shared_word word = 0;
        memcpy(&word, from + at, bytes - at < sizeof word ? bytes - at : sizeof word);
        __atomic_store_n(words++, word, __ATOMIC_RELEASE);
    }
#endif
}

/** The counterpart: `source` is what ngi_shared_write wrote, or zero. `out` may be NULL if `bytes` is 0. */
static inline void ngi_shared_read(void *out, const void *source, size_t bytes)
{
    if (bytes == 0)
        return;
#if NGI_SHARED_IN_ORDER
    NGI_SHARED_BARRIER();
    memcpy(out, source, bytes);
    NGI_SHARED_BARRIER();
#else
    const ngi_shared_word *words = (const ngi_shared_word *)source;
    uint8_t *to = (uint8_t *)out;
    for (size_t at = 0; at < bytes; at += sizeof(ngi_shared_word)) {
        ngi_shared_word word = __atomic_load_n(words++, __ATOMIC_ACQUIRE);
        memcpy(to + at, &word, bytes - at < sizeof word ? bytes - at : sizeof word);
    }
#endif
}

/** Whether `bytes` of what ngi_shared_write wrote are these. */
static inline bool ngi_shared_equal(const void *shared, const void *bytes_wanted, size_t bytes)
{
#if NGI_SHARED_IN_ORDER
    NGI_SHARED_BARRIER();
    bool equal = memcmp(shared, bytes_wanted, bytes) == 0;
    NGI_SHARED_BARRIER();
    return equal;
#else
    const ngi_shared_word *words = (const ngi_shared_word *)shared;
    const uint8_t *wanted = (const uint8_t *)bytes_wanted;
    for (size_t at = 0; at < bytes; at += sizeof(ngi_shared_word)) {
        ngi_shared_word word = __atomic_load_n(words++, __ATOMIC_ACQUIRE);
        if (memcmp(&word, wanted + at, bytes - at < sizeof word ? bytes - at : sizeof word) != 0)
            return false;
    }
    return true;
#endif
}

#endif
