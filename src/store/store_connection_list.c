/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Lists and counts of connections, narrowed by a filter.
 *
 * The table is walked by id, a slice under each hold of the lock: what is written meanwhile behind the
 * place reached is in the list, what is written before it is not. A view walks its own moment with
 * the same functions (store_view_read.c). */
#include "store/store_connection.h"

#include <string.h>

#define CATEGORY_COUNT (NG_CONNECTION_TYPE_COUNT >> 4)

ng_status ngi_link_check_categories(uint16_t categories)
{
    if (categories >> CATEGORY_COUNT == 0)
        return NG_OK;
    return ngi_fail(NG_E_INVALID, "categories 0x%x has bits over 0x%x", categories,
                    (1u << CATEGORY_COUNT) - 1);
}

static ng_status filter_check(const ng_connection_filter *filter, uint32_t collection_count)
{
    if (filter->mutabilities >> (NG_HYPOTHESIS + 1) != 0)
        return ngi_fail(NG_E_INVALID, "mutabilities 0x%x has bits over 0x7", filter->mutabilities);
    if (filter->by_confidence && !(filter->confidence_min >= 0 && filter->confidence_max <= 1 &&
                                   filter->confidence_min <= filter->confidence_max))
        return ngi_fail(NG_E_INVALID, "confidence %g..%g is not a range within 0..1",
                        filter->confidence_min, filter->confidence_max);
    if (filter->by_source && filter->source_collection >= collection_count)
        return ngi_fail(NG_E_NOT_FOUND, "collection %u not found", filter->source_collection);
    if (filter->by_target && filter->target_collection >= collection_count)
        return ngi_fail(NG_E_NOT_FOUND, "collection %u not found", filter->target_collection);
    return ngi_link_check_categories(filter->categories);
}

ng_status ngi_link_list_begin(store_link_list *list, const ng_connection_filter *filter,
                              uint64_t now_us, uint32_t collection_count)
{
    if (filter != NULL) {
        ng_status status = filter_check(filter, collection_count);
        if (status != NG_OK)
            return status;
        list->filter = *filter;
    }
    if (list->filter.time_us == 0)
        list->filter.time_us = now_us;
    list->any_type = ngi_graph_types_any(&list->filter.types);
    list->needs_collections = list->filter.by_source || list->filter.by_target;
    if (list->next == 0)
        list->next = 1;
    return NG_OK;
}

static bool filter_passes(const store_link_list *list, const ng_connection *record)
{
    const ng_connection_filter *filter = &list->filter;
    if (!list->any_type && !ngi_graph_types_have(&filter->types, record->type))
        return false;
    if (filter->categories != 0 && !(filter->categories >> (record->type >> 4) & 1))
        return false;
    if (filter->mutabilities != 0 && !(filter->mutabilities >> record->mutability & 1))
        return false;
    if ((record->flags & filter->flags_all) != filter->flags_all ||
        (record->flags & filter->flags_none) != 0)
        return false;
    if (!filter->by_confidence)
        return true;
    double confidence = ng_connection_confidence(record, filter->time_us);
    return confidence >= filter->confidence_min && confidence <= filter->confidence_max;
}

static void list_count(ng_connection_counts *counts, const ng_connection *record)
{
    counts->total++;
    counts->active += (record->flags & NG_CONNECTION_ACTIVE) != 0;
    counts->by_mutability[record->mutability]++;
    counts->by_type[record->type]++;
}

void ngi_link_list_take(store_link_list *list, uint32_t id, const ng_connection *record,
                        uint32_t source_collection, uint32_t target_collection)
{
    const ng_connection_filter *filter = &list->filter;
    if (record->source == 0 || !filter_passes(list, record))
        return;
    if ((filter->by_source && source_collection != filter->source_collection) ||
        (filter->by_target && target_collection != filter->target_collection))
        return;
    if (list->counts != NULL) {
        list_count(list->counts, record);
        return;
    }
    if (list->offset > 0) {
        list->offset--;
        return;
    }
    if (list->ids != NULL)
        list->ids[list->count] = id;
    if (list->records != NULL)
        list->records[list->count] = *record;
    list->count++;
}

/* Looks at a slice of the table. The caller holds the lock. */
static void list_slice(const ng_store *store, store_link_list *list)
{
    const store_side *sides = store_sides(store);
    uint64_t end = store->graph.id_end;
    if (end > list->next + NGI_SLICE_ITEMS)
        end = list->next + NGI_SLICE_ITEMS;
    for (; list->next < end && ngi_link_list_wants(list); list->next++) {
        uint32_t id = (uint32_t)list->next;
        const ng_connection *record = ngi_graph_get(&store->graph, id);
        if (record == NULL)
            continue;
        uint32_t source = list->needs_collections ? sides[record->source].collection : 0;
        uint32_t target = list->needs_collections ? sides[record->target].collection : 0;
        ngi_link_list_take(list, id, record, source, target);
    }
}

static ng_status list_walk(const ng_store *store, store_link_list *list,
                           const ng_connection_filter *filter)
{
    uint64_t end = 0;
    bool has_begun = false;
    do {
        ng_status status = ngi_store_read_begin(store);
        if (status != NG_OK)
            return status;
        if (!has_begun)
            status = ngi_link_list_begin(list, filter, store->os->clock_us(store->os),
                                         store->collection_count);
        if (status == NG_OK)
            list_slice(store, list);
        end = store->graph.id_end;
        ngi_store_read_end(store);
        if (status != NG_OK)
            return status;
        has_begun = true;
    } while (list->next < end && ngi_link_list_wants(list));
    return NG_OK;
}

ng_status ngi_store_connection_list(const ng_store *store,
                                    const ng_connection_list_options *options,
                                    ng_connection_id *ids, ng_connection *records, size_t capacity,
                                    size_t *count)
{
    store_link_list list = {.ids = ids, .records = records, .capacity = capacity};
    *count = 0;
    if (options != NULL) {
        list.next = options->after < UINT32_MAX ? options->after + 1 : UINT32_MAX;
        list.offset = options->offset;
    }
    ng_status status = list_walk(store, &list, options != NULL ? options->filter : NULL);
    if (status == NG_OK)
        *count = list.count;
    return status;
}

ng_status ngi_store_connection_count(const ng_store *store, const ng_connection_filter *filter,
                                     ng_connection_counts *out)
{
    ng_connection_counts counts = {0};
    store_link_list list = {.counts = &counts};
    ng_status status = list_walk(store, &list, filter);
    if (status == NG_OK)
        *out = counts;
    return status;
}
