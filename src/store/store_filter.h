/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which tokens a search may find: asked for each candidate during the search, so that `limit` rows are
 * returned when they exist. */
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
/** Whether what it names is there; under the shared lock. Collections are never removed: once a
 *  search is enough. Errors: NG_E_NOT_FOUND. */
NG_MUST_USE ng_status ngi_filter_resolve(const ng_store *store, const ng_filter *filter);
/** Whether the token in `slot` may be found; `context` is a store_filter. */
bool ngi_filter_accept(void *context, uint32_t slot);

#endif
