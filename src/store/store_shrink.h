/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Memory that deletions have left free, given back to the system.
 *
 * Neighbours are counted in groups. When the last of a group has gone, the tables have nothing but
 * zeroes there, and what lies wholly inside the group is given back (ngi_table_discard). Ids are not
 * used again, so nobody comes back to it but a transaction that was given an id long ago; its commit
 * fills the group again.
 *
 * Invariants: 1. a count is what counting the live ones of the group gives.
 *             2. EMPTIED is set for a group whose last one has gone and that has not been given
 *                back, or come back, since.
 *             3. nothing of a group that has a live one, or reaches beyond the end, is given back.
 * Threads: counts belong to index_lock; giving back needs it for writing, with the log's lock. */
#ifndef NGI_STORE_SHRINK_H
#define NGI_STORE_SHRINK_H

#include "store/store_private.h"

/** Room for the counts up to an id. Fails without a trace. */
NG_MUST_USE ng_status ngi_groups_reserve(ngi_mem *mem, store_groups *groups, uint32_t max_id);
void ngi_groups_release(ngi_mem *mem, store_groups *groups);

static inline void ngi_groups_add(store_groups *groups, uint32_t id)
{
    uint32_t *count = &groups->counts[id >> STORE_GROUP_BITS];
    *count = (*count & ~STORE_GROUP_EMPTIED) + 1;
}

static inline void ngi_groups_remove(store_groups *groups, uint32_t id)
{
    uint32_t *count = &groups->counts[id >> STORE_GROUP_BITS];
    if (--*count == 0)
        *count = STORE_GROUP_EMPTIED;
}

/** After bulk loading: counts everything below the ends. */
NG_MUST_USE ng_status ngi_shrink_recount(ng_store *store, uint32_t slot_end, uint32_t id_end);
/** Whether the counts are right. With a lock held. */
bool ngi_shrink_is_consistent(const ng_store *store);

/** The job that gives back. */
bool ngi_shrink_is_due(ng_store *store);
NG_MUST_USE ng_status ngi_shrink_step(ng_store *store, uint64_t deadline_ns);
/** Gives back up to `most` groups of either kind, with both locks held for writing; returns how many. */
uint32_t ngi_shrink_groups(ng_store *store, uint32_t most);

/** Before a token or a connection is put where memory was given back. Fails without a trace. */
NG_MUST_USE ng_status ngi_shrink_fill_token(ng_store *store, uint32_t slot);
NG_MUST_USE ng_status ngi_shrink_fill_connection(ng_store *store, uint32_t id);

#endif
