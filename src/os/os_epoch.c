/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Epochs: slots of readers, each in a cache line of its own. */
#include "os/os_epoch.h"

#include "base/base_limits.h"

#define LINE_BYTES 64u
#define SHARED_SLOT NGI_EPOCH_SLOTS
/* The shared slot is a count of readers below the epoch that the first of them noted. */
#define SHARED_COUNT_BITS 16u
#define SHARED_COUNT_MASK ((UINT64_C(1) << SHARED_COUNT_BITS) - 1)

typedef struct epoch_slot {
    atomic_uint_fast64_t noted; /* 0 = free; guard: whoever took it */
    uint8_t padding[LINE_BYTES - sizeof(atomic_uint_fast64_t)];
} epoch_slot;

_Static_assert(sizeof(epoch_slot) == LINE_BYTES, "a slot is a cache line");

struct ngi_epoch {
    epoch_slot slots[NGI_EPOCH_SLOTS + 1]; /* the last is SHARED_SLOT */
    epoch_slot now;                        /* the counter; stored by the writer */
    ngi_mem *mem;
    void *block; /* what was allocated: the struct is aligned within */
};

#define BLOCK_BYTES (sizeof(ngi_epoch) + LINE_BYTES)

ng_status ngi_epoch_create(ngi_mem *mem, ngi_epoch **out)
{
    void *block = NULL;
    ng_status status = ngi_alloc(mem, BLOCK_BYTES, "epochs of readers", &block);
    if (status != NG_OK)
        return status;
    size_t past = (uintptr_t)block % LINE_BYTES;
    ngi_epoch *epoch = (ngi_epoch *)(void *)((uint8_t *)block + (LINE_BYTES - past) % LINE_BYTES);
    for (unsigned i = 0; i <= SHARED_SLOT; i++)
        atomic_init(&epoch->slots[i].noted, 0);
    atomic_init(&epoch->now.noted, 1);
    epoch->mem = mem;
    epoch->block = block;
    *out = epoch;
    return NG_OK;
}

void ngi_epoch_destroy(ngi_epoch *epoch)
{
    if (epoch != NULL)
        ngi_free(epoch->mem, epoch->block, BLOCK_BYTES);
}

size_t ngi_epoch_memory_bytes(const ngi_epoch *epoch)
{
    return epoch != NULL ? BLOCK_BYTES : 0;
}

/* A number of the calling thread that seldom is another one's: where its variables are. */
static unsigned epoch_first_slot(void)
{
    static _Thread_local char mine;
    uint64_t hash = (uint64_t)(uintptr_t)&mine * UINT64_C(0x9E3779B97F4A7C15);
    return (unsigned)(hash >> 32) % NGI_EPOCH_SLOTS;
}

/* More readers than the count can say would mean as many threads; they take turns. */
static void epoch_enter_shared(ngi_epoch *epoch, uint64_t now)
{
    atomic_uint_fast64_t *noted = &epoch->slots[SHARED_SLOT].noted;
    uint64_t old = atomic_load_explicit(noted, memory_order_relaxed), next;
    do {
        while (NGI_UNLIKELY((old & SHARED_COUNT_MASK) == SHARED_COUNT_MASK))
            old = atomic_load_explicit(noted, memory_order_relaxed);
        next = (old & SHARED_COUNT_MASK) == 0 ? now << SHARED_COUNT_BITS | 1 : old + 1;
    } while (!atomic_compare_exchange_weak(noted, &old, next));
}

unsigned ngi_epoch_enter(ngi_epoch *epoch)
{
    uint64_t now = atomic_load_explicit(&epoch->now.noted, memory_order_relaxed);
    unsigned first = epoch_first_slot(), slot = SHARED_SLOT;
    for (unsigned i = 0; i < NGI_EPOCH_SLOTS; i++) {
        unsigned probed = (first + i) % NGI_EPOCH_SLOTS;
        atomic_uint_fast64_t *noted = &epoch->slots[probed].noted;
        uint64_t expected = 0;
        if (atomic_load_explicit(noted, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(noted, &expected, now)) {
            slot = probed;
            break;
        }
    }
    if (NGI_UNLIKELY(slot == SHARED_SLOT))
        epoch_enter_shared(epoch, now);
    /* The look that comes after the note: see the top of the header. Its value does not matter. */
    (void)atomic_load(&epoch->now.noted);
    return slot;
}

void ngi_epoch_leave(ngi_epoch *epoch, unsigned slot)
{
    if (NGI_LIKELY(slot < NGI_EPOCH_SLOTS))
        atomic_store_explicit(&epoch->slots[slot].noted, 0, memory_order_release);
    else
        atomic_fetch_sub_explicit(&epoch->slots[SHARED_SLOT].noted, 1, memory_order_acq_rel);
}

uint64_t ngi_epoch_advance(ngi_epoch *epoch)
{
    return atomic_fetch_add(&epoch->now.noted, 1);
}

uint64_t ngi_epoch_oldest(const ngi_epoch *epoch)
{
    uint64_t oldest = atomic_load_explicit(&epoch->now.noted, memory_order_relaxed);
    for (unsigned i = 0; i < NGI_EPOCH_SLOTS; i++) {
        uint64_t noted = atomic_load(&epoch->slots[i].noted);
        if (noted != 0 && noted < oldest)
            oldest = noted;
    }
    uint64_t shared = atomic_load(&epoch->slots[SHARED_SLOT].noted);
    if ((shared & SHARED_COUNT_MASK) != 0 && shared >> SHARED_COUNT_BITS < oldest)
        oldest = shared >> SHARED_COUNT_BITS;
    return oldest;
}
