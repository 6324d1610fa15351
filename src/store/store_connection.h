/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files about connections share: finding one, and which ones a filter lets through. */
#ifndef NGI_STORE_CONNECTION_H
#define NGI_STORE_CONNECTION_H

#include "store/store_txn.h"

/** "connection 7 not found". */
ng_status ngi_link_fail_not_found(ng_connection_id id);
/** The record, or NULL. The caller holds a lock. */
static inline const ng_connection *ngi_link_get(const ng_store *store, ng_connection_id id)
{
    return id <= UINT32_MAX ? ngi_graph_get(&store->graph, (uint32_t)id) : NULL;
}

/** Bits of categories that there are: NG_E_INVALID. */
NG_MUST_USE ng_status ngi_link_check_categories(uint16_t categories);
/** The options of ng_token_connections, which may be NULL, for token `id`: NG_E_INVALID. */
NG_MUST_USE ng_status ngi_edge_check(const ng_edge_options *options, ng_token_id id);

/** A list or a count under way, of the store or of a view. */
typedef struct store_link_list {
    ng_connection_filter filter; /* all zero = every one */
    bool any_type;
    bool needs_collections;
    uint64_t next;          /* id to look at next */
    uint64_t offset;        /* matches still to be passed over */
    ng_connection_id *ids;  /* [capacity] or NULL */
    ng_connection *records; /* [capacity] or NULL */
    size_t capacity;
    size_t count;
    ng_connection_counts *counts; /* or NULL; then everything is listed */
} store_link_list;

/** Begins one; `clock` gives the time that a filter leaves open. NG_E_INVALID; NG_E_NOT_FOUND for a
 *  collection that is not below `collection_count`. */
NG_MUST_USE ng_status ngi_link_list_begin(store_link_list *list, const ng_connection_filter *filter,
                                          uint64_t now_us, uint32_t collection_count);
/** Whether there is room for another one. */
static inline bool ngi_link_list_wants(const store_link_list *list)
{
    return list->counts != NULL || list->count < list->capacity;
}
/** Looks at connection `id`; `record` has source 0 if there is none. The collections of its ends are
 *  looked at only if the list needs them. */
void ngi_link_list_take(store_link_list *list, uint32_t id, const ng_connection *record,
                        uint32_t source_collection, uint32_t target_collection);

#endif
