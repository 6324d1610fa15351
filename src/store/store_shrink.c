/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Memory that deletions have left free, given back to the system. See store_shrink.h. */
#include "store/store_shrink.h"

#include <string.h>

#define GROUP_IDS (1u << STORE_GROUP_BITS)
#define SHRINK_STEP_GROUPS 64u /* of either kind under one hold of the locks: some milliseconds */
#define SHRINK_TABLES_MAX 4

/* The tables that have an element for every id of a kind. */
typedef struct shrink_tables {
    ngi_table *table[SHRINK_TABLES_MAX];
    size_t count;
} shrink_tables;

static shrink_tables shrink_token_tables(ng_store *store)
{
    return (shrink_tables){.table = {&store->records, &store->sides, &store->labels.entries,
                                     &store->graph.nodes},
                           .count = 4};
}

static shrink_tables shrink_connection_tables(ng_store *store)
{
    return (shrink_tables){.table = {&store->graph.records, &store->graph.links}, .count = 2};
}

/* --- counts ---------------------------------------------------------------------------------- */

ng_status ngi_groups_reserve(ngi_mem *mem, store_groups *groups, uint32_t max_id)
{
    uint32_t wanted = (max_id >> STORE_GROUP_BITS) + 1;
    if (NGI_LIKELY(wanted <= groups->capacity))
        return NG_OK;
    if (wanted < 2 * groups->capacity)
        wanted = 2 * groups->capacity;
    void *block = groups->counts;
    ng_status status = ngi_resize(mem, &block, groups->capacity * sizeof(uint32_t),
                                  wanted * sizeof(uint32_t), "counts of groups");
    if (status != NG_OK)
        return status;
    groups->counts = block;
    memset(groups->counts + groups->capacity, 0, (wanted - groups->capacity) * sizeof(uint32_t));
    groups->capacity = wanted;
    return NG_OK;
}

void ngi_groups_release(ngi_mem *mem, store_groups *groups)
{
    ngi_free(mem, groups->counts, groups->capacity * sizeof(uint32_t));
    *groups = (store_groups){0};
}

static void groups_restart(store_groups *groups)
{
    if (groups->capacity > 0)
        memset(groups->counts, 0, groups->capacity * sizeof(uint32_t));
}

/* Groups below an end that have none: their memory is taken all the same. */
static void groups_mark_empty(store_groups *groups, uint32_t end)
{
    for (uint32_t at = 0; at < end >> STORE_GROUP_BITS; at++)
        if (groups->counts[at] == 0)
            groups->counts[at] = STORE_GROUP_EMPTIED;
}

ng_status ngi_shrink_recount(ng_store *store, uint32_t slot_end, uint32_t id_end)
{
    ng_status status;
    store_groups *tokens = &store->token_groups, *connections = &store->connection_groups;
    NGI_TRY(ngi_groups_reserve(&store->accounts[STORE_TOKENS], tokens, slot_end));
    NGI_TRY(ngi_groups_reserve(&store->accounts[STORE_GRAPH], connections, id_end));
    groups_restart(tokens);
    groups_restart(connections);
    for (uint32_t slot = 1; slot < slot_end; slot++)
        tokens->counts[slot >> STORE_GROUP_BITS] += store_records(store)[slot].slot != 0;
    for (uint32_t id = 1; id < id_end; id++)
        connections->counts[id >> STORE_GROUP_BITS] += ngi_graph_get(&store->graph, id) != NULL;
    groups_mark_empty(tokens, slot_end);
    groups_mark_empty(connections, id_end);
out:
    return status;
}

static bool groups_are(const store_groups *groups, uint32_t at, uint32_t counted)
{
    uint32_t kept = at < groups->capacity ? groups->counts[at] & ~STORE_GROUP_EMPTIED : 0;
    return kept == counted;
}

bool ngi_shrink_is_consistent(const ng_store *store)
{
    bool good = true;
    for (uint32_t first = 0; good && first < store_slot_end(store); first += GROUP_IDS) {
        uint32_t count = 0;
        for (uint32_t i = first; i < first + GROUP_IDS && i < store_slot_end(store); i++)
            count += i != 0 && store_records(store)[i].slot != 0;
        good = groups_are(&store->token_groups, first >> STORE_GROUP_BITS, count);
    }
    for (uint32_t first = 0; good && first < store->graph.id_end; first += GROUP_IDS) {
        uint32_t count = 0;
        for (uint32_t i = first; i < first + GROUP_IDS && i < store->graph.id_end; i++)
            count += ngi_graph_get(&store->graph, i) != NULL;
        good = groups_are(&store->connection_groups, first >> STORE_GROUP_BITS, count);
    }
    return good;
}

/* --- giving back ----------------------------------------------------------------------------- */

/* The first emptied group from `at` on that lies wholly below `end`, or UINT32_MAX. */
static uint32_t groups_next(const store_groups *groups, uint32_t at, uint32_t end)
{
    uint32_t last = end >> STORE_GROUP_BITS;
    if (last > groups->capacity)
        last = groups->capacity;
    while (at < last && !(groups->counts[at] & STORE_GROUP_EMPTIED))
        at++;
    return at < last ? at : UINT32_MAX;
}

/* The first table tells whether a group was given back; without memory for a note of it, none is. */
static void shrink_discard(shrink_tables tables, uint32_t group)
{
    size_t first = (size_t)group << STORE_GROUP_BITS;
    ngi_table_discard(tables.table[0], first, GROUP_IDS);
    for (size_t i = 1; i < tables.count && ngi_table_is_hole(tables.table[0], first); i++)
        ngi_table_discard(tables.table[i], first, GROUP_IDS);
}

static uint32_t shrink_kind(store_groups *groups, shrink_tables tables, uint32_t end, uint32_t most)
{
    uint32_t count = 0;
    for (uint32_t at = 0; count < most; count++) {
        at = groups_next(groups, at, end);
        if (at == UINT32_MAX)
            break;
        shrink_discard(tables, at);
        groups->counts[at] = 0;
    }
    return count;
}

uint32_t ngi_shrink_groups(ng_store *store, uint32_t most)
{
    return shrink_kind(&store->token_groups, shrink_token_tables(store), store_slot_end(store),
                       most) +
           shrink_kind(&store->connection_groups, shrink_connection_tables(store),
                       store->graph.id_end, most);
}

bool ngi_shrink_is_due(ng_store *store)
{
    ngi_rwlock_read(&store->index_lock);
    bool due = groups_next(&store->token_groups, 0, store_slot_end(store)) != UINT32_MAX ||
               groups_next(&store->connection_groups, 0, store->graph.id_end) != UINT32_MAX;
    ngi_rwlock_read_end(&store->index_lock);
    return due && !ngi_wal_is_latched(store->wal);
}

ng_status ngi_shrink_step(ng_store *store, uint64_t deadline_ns)
{
    (void)deadline_ns; /* one hold of the locks */
    ngi_wal_lock(store->wal);
    ngi_rwlock_write(&store->index_lock);
    (void)ngi_shrink_groups(store, SHRINK_STEP_GROUPS);
    ngi_rwlock_write_end(&store->index_lock);
    ngi_wal_unlock(store->wal);
    return NG_OK;
}

/* --- coming back ----------------------------------------------------------------------------- */

/* All tables of the group, or none. */
static ng_status shrink_fill(store_groups *groups, shrink_tables tables, uint32_t id)
{
    size_t first = (size_t)(id >> STORE_GROUP_BITS) << STORE_GROUP_BITS;
    ng_status status = NG_OK;
    for (size_t i = 0; i < tables.count && status == NG_OK; i++) {
        status = ngi_table_fill(tables.table[i], first, GROUP_IDS);
        while (status != NG_OK && i > 0)
            ngi_table_discard(tables.table[--i], first, GROUP_IDS);
    }
    if (status == NG_OK && groups->counts[id >> STORE_GROUP_BITS] == 0)
        groups->counts[id >> STORE_GROUP_BITS] = STORE_GROUP_EMPTIED; /* until it is put */
    return status;
}

ng_status ngi_shrink_fill_token(ng_store *store, uint32_t slot)
{
    if (NGI_LIKELY(!ngi_table_is_hole(&store->records, slot)))
        return NG_OK;
    return shrink_fill(&store->token_groups, shrink_token_tables(store), slot);
}

ng_status ngi_shrink_fill_connection(ng_store *store, uint32_t id)
{
    if (NGI_LIKELY(!ngi_table_is_hole(&store->graph.records, id)))
        return NG_OK;
    return shrink_fill(&store->connection_groups, shrink_connection_tables(store), id);
}
