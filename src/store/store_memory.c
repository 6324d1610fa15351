/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a store takes up memory for, by part.
 *
 * Every part takes its memory through an account of its own (base_mem.h), so the sum of the accounts
 * and of the store itself is what the hook has given: nothing is estimated, and nothing is left
 * over. A module that has several parts splits its account by what its tables have committed; the
 * pieces add up to the account (store_memory_test.c). */
#include "store/store_memory.h"

static size_t memory_account(const ng_store *store, store_account which)
{
    return atomic_load_explicit(&store->accounts[which].used_bytes, memory_order_relaxed);
}

/* A part that has an account to itself. */
static ng_memory_use memory_whole(const ng_store *store, store_account which)
{
    size_t bytes = memory_account(store, which);
    return (ng_memory_use){.bytes = bytes, .used_bytes = bytes};
}

static void memory_tokens(const ng_store *store, ng_memory_use *parts)
{
    uint64_t count = store->token_count;
    parts[NG_MEMORY_TOKENS] = (ng_memory_use){.bytes = ngi_table_bytes(&store->records),
                                              .used_bytes = count * sizeof(ng_token),
                                              .items = count};
    parts[NG_MEMORY_TOKEN_SIDES] = (ng_memory_use){.bytes = ngi_table_bytes(&store->sides),
                                                   .used_bytes = count * sizeof(store_side),
                                                   .items = count};
}

/* The counts of neighbours (store_shrink.h) stand beside what they count. */
static void memory_groups(const store_groups *groups, ng_memory_use *part)
{
    part->bytes += groups->capacity * sizeof(uint32_t);
    part->used_bytes += groups->capacity * sizeof(uint32_t);
}

void ngi_store_grid_memory(const ng_store *store, ng_memory_use *out)
{
    *out = memory_whole(store, STORE_GRID);
    out->used_bytes = 0;
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        out->items += store->spaces[space].count;
        out->used_bytes += ngi_grid_tree_bytes(&store->spaces[space]);
    }
    for (uint32_t i = 0; i < NGI_GRIDS_MAX && store->named.count > 0; i++)
        for (int space = 0; space < NG_SPACE_COUNT; space++)
            out->used_bytes += ngi_grid_tree_bytes(&store->named.trees[i][space]);
    out->used_bytes += store->named.member_end * sizeof(store_members);
}

void ngi_store_attributes_memory(const ng_store *store, ng_memory_use *out)
{
    *out = memory_whole(store, STORE_ATTRIBUTES);
    out->items = store->attributes.count;
    out->items = store->attributes.count;
    out->used_bytes = ngi_attributes_used_bytes(&store->attributes);
}

static void memory_rest(const ng_store *store, ng_memory_use *parts)
{
    ng_memory_use *collections = &parts[NG_MEMORY_COLLECTIONS];
    *collections = memory_whole(store, STORE_COLLECTIONS);
    collections->items = store->collection_count;
    collections->used_bytes = store->collection_count * sizeof *store->collections;
    parts[NG_MEMORY_LOG] = memory_whole(store, STORE_LOG);
    parts[NG_MEMORY_VIEWS] = memory_whole(store, STORE_VIEWS);
    parts[NG_MEMORY_VIEWS].items = store->open_view_count;
    parts[NG_MEMORY_TRANSACTIONS] = memory_whole(store, STORE_TRANSACTIONS);
    parts[NG_MEMORY_TRANSACTIONS].items =
        atomic_load_explicit(&store->open_txn_count, memory_order_relaxed);
    parts[NG_MEMORY_OTHER] = memory_whole(store, STORE_OTHER);
    parts[NG_MEMORY_OTHER].bytes += sizeof *store;
    parts[NG_MEMORY_OTHER].used_bytes += sizeof *store;
}

void ngi_memory_of(const ng_store *store, ng_memory *out)
{
    ng_memory_use *parts = out->parts;
    *out = (ng_memory){.limit_bytes = store->memory_limit != 0 ? store->memory_limit : NG_NEVER};
    memory_tokens(store, parts);
    ngi_labels_memory(&store->labels, &parts[NG_MEMORY_LABEL_INDEX], &parts[NG_MEMORY_LABEL_TEXTS]);
    ngi_vectors_memory(store->vectors, &parts[NG_MEMORY_VECTORS], &parts[NG_MEMORY_VECTOR_IMAGES],
                       &parts[NG_MEMORY_VECTOR_ROWS]);
    ngi_vector_fields_memory(store, &parts[NG_MEMORY_VECTORS], &parts[NG_MEMORY_VECTOR_IMAGES],
                             &parts[NG_MEMORY_VECTOR_ROWS]);
    ngi_graph_memory(&store->graph, &parts[NG_MEMORY_CONNECTIONS],
                     &parts[NG_MEMORY_CONNECTION_LISTS], &parts[NG_MEMORY_CONNECTION_HEADS]);
    memory_groups(&store->token_groups, &parts[NG_MEMORY_TOKEN_SIDES]);
    memory_groups(&store->connection_groups, &parts[NG_MEMORY_CONNECTION_LISTS]);
    ngi_store_grid_memory(store, &parts[NG_MEMORY_GRID]);
    ngi_store_attributes_memory(store, &parts[NG_MEMORY_ATTRIBUTES]);
    memory_rest(store, parts);
    for (int i = 0; i < NG_MEMORY_PART_COUNT; i++) {
        out->bytes += parts[i].bytes;
        out->used_bytes += parts[i].used_bytes;
        if (parts[i].items > 0)
            parts[i].bytes_per_item = (double)parts[i].bytes / (double)parts[i].items;
    }
}

ng_status ngi_store_memory(const ng_store *store, ng_memory *out)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    ngi_memory_of(store, out);
    ngi_store_read_end(store);
    return NG_OK;
}
