/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Candidates for a filter, in the order of their ids, from whichever source is smallest, in slices under
 * the shared lock. The filter itself decides about each.
 *
 * Sources: the tokens of the rarest tag that must be there; those of every tag of which one must be
 * there, merged; those whose field has a value that is asked for, if they are few; or all. The source
 * by tag is chosen anew for each slice, because tags come and go between them; where the walk stands is
 * the id of the next candidate, whatever the source. Candidates by field stand in the order of their
 * values, so they are gathered and sorted once; what a writer does meanwhile may be missed. */
#ifndef NGI_STORE_SOURCE_H
#define NGI_STORE_SOURCE_H

#include "store/store_private.h"

typedef struct store_source {
    const ng_store *store;
    const ng_filter *filter; /* or NULL */
    uint64_t next;           /* candidate */
    uint32_t *gathered;      /* candidates by field, ascending; NULL = another source */
    size_t gathered_count, gathered_at, gathered_capacity;
} store_source;

/** Begins at slot `next`; the filter has been resolved. Under the shared lock, like the rest.
 *  Errors: NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_source_begin(store_source *source, const ng_store *store,
                                       const ng_filter *filter, uint64_t next);
/** There are no more candidates than this. */
uint64_t ngi_source_bound(const store_source *source);
/** Offers a slice of candidates, slots that may be empty, until `take` returns false; false when that
 *  was so or there are no more. */
bool ngi_source_slice(store_source *source, bool (*take)(void *context, uint32_t slot),
                      void *context);
/** Without the lock as well. */
void ngi_source_release(store_source *source);

#endif
