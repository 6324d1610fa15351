/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Records copied without a lock, beside the one writer: a sequence counter that many records share
 * is odd while one of them is being written. Random reads of a large table are bound by how many
 * cache misses are in flight, so what counts is how few instructions one copy takes.
 *
 * The portable pair is C11: the writer stores the words with release behind the odd counter, the
 * reader loads them with acquire before it looks at the counter again, so a word of a newer record
 * is always noticed. ThreadSanitizer checks this pair.
 *
 * On x86-64 the copy is one or a few vector moves. To C11 that is a race; to the processor it is
 * not: loads are not reordered with loads nor stores with stores, a torn copy is seen by the
 * counter, and the barriers keep the compiler from moving the copy out of the two looks. */
#include "store/store_private.h"

#include <string.h>

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#include <immintrin.h>
#define COPY_VECTOR 1
#define COPY_BARRIER() __asm__ volatile("" ::: "memory")
#endif

typedef uint64_t __attribute__((may_alias)) store_word;

#define RECORD_WORDS (sizeof(ng_token) / sizeof(store_word))

void ngi_store_record_write(ng_store *store, uint32_t slot, const ng_token *record)
{
    store_word words[RECORD_WORDS];
    memcpy(words, record, sizeof words);
    store_word *target = (store_word *)(void *)&store_records(store)[slot];
    atomic_uint *stripe = &store->stripes[slot % STORE_STRIPES];
    unsigned count = atomic_load_explicit(stripe, memory_order_relaxed);
    atomic_store_explicit(stripe, count + 1, memory_order_relaxed);
    for (size_t i = 0; i < RECORD_WORDS; i++)
        __atomic_store_n(&target[i], words[i], __ATOMIC_RELEASE);
    atomic_store_explicit(stripe, count + 2, memory_order_release);
}

static void copy_portable(const ng_store *store, uint32_t slot, ng_token *out)
{
    const store_word *source = (const store_word *)(const void *)&store_records(store)[slot];
    const atomic_uint *stripe = &store->stripes[slot % STORE_STRIPES];
    store_word words[RECORD_WORDS];
    unsigned before;
    unsigned after;
    do {
        before = atomic_load_explicit(stripe, memory_order_acquire);
        for (size_t i = 0; i < RECORD_WORDS; i++)
            words[i] = __atomic_load_n(&source[i], __ATOMIC_ACQUIRE);
        after = atomic_load_explicit(stripe, memory_order_relaxed);
    } while (NGI_UNLIKELY(before != after || (before & 1)));
    memcpy(out, words, sizeof *out);
}

#if COPY_VECTOR
/* `move` copies 64 bytes from `source` to `out`. */
#define COPY_BETWEEN_LOOKS(move)                                                                   \
    const ng_token *source = &store_records(store)[slot];                                          \
    const atomic_uint *stripe = &store->stripes[slot % STORE_STRIPES];                             \
    unsigned before;                                                                               \
    unsigned after;                                                                                \
    do {                                                                                           \
        before = atomic_load_explicit(stripe, memory_order_acquire);                               \
        COPY_BARRIER();                                                                            \
        move;                                                                                      \
        COPY_BARRIER();                                                                            \
        after = atomic_load_explicit(stripe, memory_order_relaxed);                                \
    } while (NGI_UNLIKELY(before != after || (before & 1)))

__attribute__((target("avx512f"))) static void copy_avx512(const ng_store *store, uint32_t slot,
                                                           ng_token *out)
{
    COPY_BETWEEN_LOOKS(_mm512_storeu_si512(out, _mm512_loadu_si512(source)));
}

__attribute__((target("avx"))) static void copy_avx(const ng_store *store, uint32_t slot,
                                                    ng_token *out)
{
    COPY_BETWEEN_LOOKS({
        __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)source);
        __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)source + 1);
        _mm256_storeu_si256((__m256i *)(void *)out, low);
        _mm256_storeu_si256((__m256i *)(void *)out + 1, high);
    });
}
#endif

store_token_copy ngi_store_token_copy(void)
{
#if COPY_VECTOR
    if (__builtin_cpu_supports("avx512f"))
        return copy_avx512;
    if (__builtin_cpu_supports("avx"))
        return copy_avx;
#endif
    return copy_portable;
}
