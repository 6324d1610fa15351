/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The read of one record without a lock, beside the one writer: a sequence counter that many
 * records share is odd while one of them is being written.
 *
 * Random reads of a large table are bound by how many cache misses are in flight, which is how many
 * reads fit the processor's window: what counts is how few instructions a read takes. So each
 * variant is one function without calls, chosen when a store is opened.
 *
 * The portable pair is C11: the writer stores the words with release behind the odd counter, the
 * reader loads them with acquire before it looks at the counter again, so a word of a newer record
 * is always noticed. ThreadSanitizer checks this pair.
 *
 * On x86-64 the copy is two or four vector moves. To C11 that is a race; to the processor it is
 * not: loads are not reordered with loads nor stores with stores, a torn copy is seen by the
 * counter, and the barriers keep the compiler from moving the copy out of the two looks. */
#include "store/store_private.h"

#include <string.h>

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#include <immintrin.h>
#define READ_VECTOR 1
#define READ_BARRIER() __asm__ volatile("" ::: "memory")
#else
#define READ_VECTOR 0
#endif

typedef uint64_t __attribute__((may_alias)) store_word;

#define RECORD_WORDS (sizeof(ng_token) / sizeof(store_word))

void ngi_store_record_write(ng_store *store, uint32_t slot, const ng_token *record)
{
    store_word words[RECORD_WORDS];
    memcpy(words, record, sizeof words);
    /* Before the counter goes odd: readers would wait for the copy of a page. */
    ngi_table_touch(&store->records, slot, 1);
    store_word *target = (store_word *)(void *)&store_records(store)[slot];
    atomic_uint *stripe = &store->stripes[slot % STORE_STRIPES];
    unsigned count = atomic_load_explicit(stripe, memory_order_relaxed);
    atomic_store_explicit(stripe, count + 1, memory_order_relaxed);
    for (size_t i = 0; i < RECORD_WORDS; i++)
        __atomic_store_n(&target[i], words[i], __ATOMIC_RELEASE);
    atomic_store_explicit(stripe, count + 2, memory_order_release);
}

void ngi_store_record_write_new(ng_store *store, uint32_t slot, const ng_token *record)
{
    ngi_table_touch(&store->records, slot, 1);
    store_records(store)[slot] = *record;
}

static __attribute__((cold, noinline)) ng_status read_fail(const ng_store *store, ng_token_id id)
{
    return ngi_wal_is_latched(store->wal) ? ngi_wal_fail_latched(store->wal)
                                          : ngi_store_fail_token(id);
}

/* One comparison for ids of another generation, ids not given yet, and a latched store. Slot 0 is
 * never written, so id 0 reads a record that is not there, like a deleted one. */
static inline bool read_is_outside(const ng_store *store, ng_token_id id)
{
    return id >= atomic_load_explicit(&store->readable_end, memory_order_acquire);
}

/* Whether the counter is even and as it was: one comparison, for a counter only grows. */
static inline bool read_is_untorn(const atomic_uint *stripe, unsigned before)
{
    return atomic_load_explicit(stripe, memory_order_relaxed) == (before & ~1u);
}

#if !READ_VECTOR
static ng_status read_portable(const ng_store *store, ng_token_id id, ng_token *out)
{
    if (NGI_UNLIKELY(read_is_outside(store, id)))
        return read_fail(store, id);
    const store_word *source = (const store_word *)(const void *)&store_records(store)[id];
    const atomic_uint *stripe = &store->stripes[id % STORE_STRIPES];
    store_word words[RECORD_WORDS];
    unsigned before;
    do {
        before = atomic_load_explicit(stripe, memory_order_acquire);
        for (size_t i = 0; i < RECORD_WORDS; i++)
            words[i] = __atomic_load_n(&source[i], __ATOMIC_ACQUIRE);
    } while (NGI_UNLIKELY(!read_is_untorn(stripe, before)));
    memcpy(out, words, sizeof *out);
    return NGI_LIKELY(out->slot != 0) ? NG_OK : read_fail(store, id);
}
#endif

#if READ_VECTOR
/* Copies 64 bytes by two moves each way: one of 64 bytes is slower when the caller's record lies
 * across two cache lines. Registers above 15 leave the upper halves of the others clean, so that no
 * vzeroupper is due at the return. */
#define READ_MOVE_AVX512(target, source)                                                           \
    __asm__ volatile("vmovdqu64 (%1), %%ymm16\n\t"                                                 \
                     "vmovdqu64 32(%1), %%ymm17\n\t"                                               \
                     "vmovdqu64 %%ymm16, (%0)\n\t"                                                 \
                     "vmovdqu64 %%ymm17, 32(%0)"                                                   \
                     :                                                                             \
                     : "r"(target), "r"(source)                                                    \
                     : "xmm16", "xmm17", "memory")

#define READ_MOVE_SSE2(target, source)                                                             \
    do {                                                                                           \
        const __m128i *from = (const __m128i *)(const void *)(source);                             \
        __m128i *to = (__m128i *)(void *)(target);                                                 \
        __m128i a = _mm_loadu_si128(from), b = _mm_loadu_si128(from + 1);                          \
        __m128i c = _mm_loadu_si128(from + 2), d = _mm_loadu_si128(from + 3);                      \
        _mm_storeu_si128(to, a);                                                                   \
        _mm_storeu_si128(to + 1, b);                                                               \
        _mm_storeu_si128(to + 2, c);                                                               \
        _mm_storeu_si128(to + 3, d);                                                               \
    } while (0)

/* The slot is looked at behind the copy, while its line is near: a slot that was zero in the copy
 * is zero for ever, and one that has become zero since was deleted while it was read. */
#define READ_WITH(move)                                                                            \
    if (NGI_UNLIKELY(read_is_outside(store, id)))                                                  \
        return read_fail(store, id);                                                               \
    const ng_token *source = &store_records(store)[id];                                            \
    const atomic_uint *stripe = &store->stripes[id % STORE_STRIPES];                               \
    unsigned before;                                                                               \
    do {                                                                                           \
        before = atomic_load_explicit(stripe, memory_order_acquire);                               \
        READ_BARRIER();                                                                            \
        move(out, source);                                                                         \
        READ_BARRIER();                                                                            \
    } while (NGI_UNLIKELY(!read_is_untorn(stripe, before)));                                       \
    return NGI_LIKELY(source->slot != 0) ? NG_OK : read_fail(store, id)

__attribute__((target("avx512vl"))) static ng_status read_avx512(const ng_store *store,
                                                                 ng_token_id id, ng_token *out)
{
    READ_WITH(READ_MOVE_AVX512);
}

static ng_status read_sse2(const ng_store *store, ng_token_id id, ng_token *out)
{
    READ_WITH(READ_MOVE_SSE2);
}
#endif

ngi_store_reader ngi_store_choose_reader(void)
{
#if READ_VECTOR
    return __builtin_cpu_supports("avx512vl") ? read_avx512 : read_sse2;
#else
    return read_portable;
#endif
}

ng_status ngi_store_token_exists(const ng_store *store, ng_token_id id, bool *out)
{
    *out = false;
    if (read_is_outside(store, id))
        return ngi_wal_is_latched(store->wal) ? ngi_wal_fail_latched(store->wal) : NG_OK;
    const store_word *words = (const store_word *)(const void *)&store_records(store)[id];
    store_word word =
        __atomic_load_n(&words[offsetof(ng_token, slot) / sizeof *words], __ATOMIC_ACQUIRE);
    uint32_t slot;
    memcpy(&slot, (const char *)&word + offsetof(ng_token, slot) % sizeof word, sizeof slot);
    *out = slot != 0;
    return NG_OK;
}
