/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How a read without a lock gets an answer of one moment: it looks, and looks again if what it
 * looked at was being changed meanwhile.
 *
 *     store_look look = store_look_at(store, slot);
 *     do {
 *         store_look_begin(&look);
 *         copies what it wants, by base_shared.h
 *     } while (!store_look_end(&look));
 *
 * Everything that belongs to a token (record, side, label, vector, both lists of connections and
 * the records in them) is changed under the count of the token's stripe, so one count vouches for
 * all of it. A reader tries a bounded number of times; then it takes index_lock, under which nothing
 * changes, so that it finishes whatever the writer does. */
#ifndef NGI_STORE_LOOK_H
#define NGI_STORE_LOOK_H

#include "base/base_shared.h"
#include "store/store_private.h"

#define STORE_LOOK_TRIES_MAX 8u
#define STORE_LOOK_COUNTS_MAX 2u

typedef struct store_look {
    const ng_store *store;
    const atomic_uint *counts[STORE_LOOK_COUNTS_MAX];
    unsigned before[STORE_LOOK_COUNTS_MAX];
    unsigned count_count;
    unsigned tries;
    bool is_locked;
} store_look;

/** At what belongs to one token. */
static inline store_look store_look_at(const ng_store *store, uint32_t slot)
{
    return (store_look){.store = store,
                        .counts = {store_stripe(store_mutable(store), slot)},
                        .count_count = 1};
}

/** At what only the count given to store_look_also vouches for. */
static inline store_look store_look_at_none(const ng_store *store)
{
    return (store_look){.store = store};
}

/** And at what another count vouches for. */
static inline void store_look_also(store_look *look, const atomic_uint *count)
{
    look->counts[look->count_count++] = count;
}

/** The cold part of store_look_begin: waits a little, or takes the lock. */
void ngi_store_look_wait(store_look *look);

static inline void store_look_begin(store_look *look)
{
    unsigned odd = 0;
    for (unsigned i = 0; i < look->count_count; i++)
        odd |= look->before[i] = ngi_change_count(look->counts[i]);
    if (NGI_UNLIKELY(odd & 1u || look->tries >= STORE_LOOK_TRIES_MAX))
        ngi_store_look_wait(look);
}

/** True if what was read is of one moment. */
static inline bool store_look_end(store_look *look)
{
    bool is_whole = true;
    for (unsigned i = 0; i < look->count_count; i++)
        is_whole = is_whole && ngi_change_none(look->counts[i], look->before[i]);
    look->tries++;
    if (NGI_UNLIKELY(look->is_locked))
        ngi_store_read_end(look->store);
    return is_whole;
}

#endif
