/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which tokens a search may find: asked for each candidate during the search, so that `limit` rows are
 * returned when they exist.
 *
 * What can be told from the record alone is asked first, and apart: a reader that has a copy of the
 * record needs no lock for it. The rest reads what stands beside the token and is asked under the
 * shared lock. Nothing is translated ahead of the search (a tag into its number, a name into an
 * index): between two slices a number may come to mean something else. */
#ifndef NGI_STORE_FILTER_H
#define NGI_STORE_FILTER_H

#include "store/store_private.h"

typedef struct store_filter {
    const ng_store *store;
    const ng_filter *filter;    /* or NULL */
    const ng_token_id *exclude; /* sorted by nothing: short lists */
    size_t exclude_count;
} store_filter;

/** Verifies what a caller gave; `filter` may be NULL. Errors: NG_E_INVALID (field, value, range). */
NG_MUST_USE ng_status ngi_filter_check(const ng_filter *filter);
/** Whether what it names is there; under the shared lock, once a search: what is dropped meanwhile is
 *  in no token. Errors: NG_E_NOT_FOUND. */
NG_MUST_USE ng_status ngi_filter_resolve(const ng_store *store, const ng_filter *filter);
/** Whether the token in `slot` may be found; `context` is a store_filter. Under the shared lock if
 *  ngi_filter_needs_lock says so. */
bool ngi_filter_accept(void *context, uint32_t slot);

/** Whether something is asked that the record does not say; `filter` may be NULL. */
bool ngi_filter_needs_lock(const ng_filter *filter);
/** What the record says, which is one that is there. */
bool ngi_filter_accept_record(const ng_filter *filter, const ng_token *record);
/** What stands beside it; under the shared lock. */
bool ngi_filter_accept_side(const ng_store *store, const ng_filter *filter, uint32_t slot);

#endif
