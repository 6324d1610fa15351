/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The read of one record without a lock, beside the one writer (base_shared.h, store_look.h).
 *
 * Random reads of a large table are bound by how many cache misses are in flight, which is how many
 * reads fit the processor's window: what counts is how few instructions a read takes. So each
 * variant is one function without calls, chosen when a store is opened: on x86-64 the copy is two or
 * four vector moves. A record that is being changed is rare and read by a function of its own. */
#include "store/store_look.h"

#if NGI_SHARED_IN_ORDER
#include <immintrin.h>
#endif

void ngi_store_record_write(ng_store *store, uint32_t slot, const ng_token *record)
{
    /* Before the count goes odd: readers would wait for the copy of a page. */
    ngi_table_touch(&store->records, slot, 1);
    bool begun = ngi_change_begin(store_stripe(store, slot));
    ngi_shared_write(&store_records(store)[slot], record, sizeof *record);
    ngi_change_end(store_stripe(store, slot), begun);
}

void ngi_store_record_write_new(ng_store *store, uint32_t slot, const ng_token *record)
{
    ngi_table_touch(&store->records, slot, 1);
    store_records(store)[slot] = *record;
}

/* A record that was being changed. */
static __attribute__((cold, noinline)) ng_status read_again(const ng_store *store, ng_token_id id,
                                                            ng_token *out)
{
    store_look look = store_look_at(store, (uint32_t)id);
    do {
        store_look_begin(&look);
        ngi_shared_read(out, &store_records(store)[id], sizeof *out);
    } while (!store_look_end(&look));
    return out->slot != 0 ? NG_OK : ngi_store_fail_read(store, id);
}

#if !NGI_SHARED_IN_ORDER
static ng_status read_portable(const ng_store *store, ng_token_id id, ng_token *out)
{
    if (NGI_UNLIKELY(store_is_outside(store, id)))
        return ngi_store_fail_read(store, id);
    const atomic_uint *stripe = &store->stripes[id % STORE_STRIPES];
    unsigned before = ngi_change_count(stripe);
    ngi_shared_read(out, &store_records(store)[id], sizeof *out);
    if (NGI_UNLIKELY(!ngi_change_none(stripe, before)))
        return read_again(store, id, out);
    return NGI_LIKELY(out->slot != 0) ? NG_OK : ngi_store_fail_read(store, id);
}
#endif

#if NGI_SHARED_IN_ORDER
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
    if (NGI_UNLIKELY(store_is_outside(store, id)))                                                 \
        return ngi_store_fail_read(store, id);                                                     \
    const ng_token *source = &store_records(store)[id];                                            \
    const atomic_uint *stripe = &store->stripes[id % STORE_STRIPES];                               \
    unsigned before = ngi_change_count(stripe);                                                    \
    NGI_SHARED_BARRIER();                                                                          \
    move(out, source);                                                                             \
    NGI_SHARED_BARRIER();                                                                          \
    if (NGI_UNLIKELY(!ngi_change_none(stripe, before)))                                            \
        return read_again(store, id, out);                                                         \
    return NGI_LIKELY(source->slot != 0) ? NG_OK : ngi_store_fail_read(store, id)

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
#if NGI_SHARED_IN_ORDER
    return __builtin_cpu_supports("avx512vl") ? read_avx512 : read_sse2;
#else
    return read_portable;
#endif
}

ng_status ngi_store_token_exists(const ng_store *store, ng_token_id id, bool *out)
{
    *out = !store_is_outside(store, id) && store_shared_slot(store, id) != 0;
    return *out ? NG_OK : ngi_store_check_readable(store);
}
