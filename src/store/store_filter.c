/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The filter of a search, asked for each candidate. */
#include "store/store_filter.h"

bool ngi_filter_accept(void *context, uint32_t slot)
{
    const store_filter *search = context;
    for (size_t i = 0; i < search->exclude_count; i++)
        if (search->exclude[i] == slot)
            return false;
    const ng_filter *filter = search->filter;
    if (filter == NULL)
        return true;
    const ng_token *record = &store_records(search->store)[slot];
    return filter->exclude != slot && (record->flags & filter->flags_all) == filter->flags_all &&
           (!filter->by_collection ||
            store_sides(search->store)[slot].collection == filter->collection);
}

ng_status ngi_filter_resolve(const ng_store *store, const ng_filter *filter)
{
    if (filter == NULL || !filter->by_collection || store_has_collection(store, filter->collection))
        return NG_OK;
    return ngi_store_fail_collection(filter->collection);
}

ng_status ngi_filter_check(const ng_filter *filter)
{
    if (filter != NULL && filter->struct_size != sizeof *filter)
        return ngi_fail(NG_E_INVALID, "filter.struct_size %zu is not %zu", filter->struct_size,
                        sizeof *filter);
    return NG_OK;
}
