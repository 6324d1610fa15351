/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every label of a collection, for those who compare all of them: in slices under the shared lock, so
 * that a writer waits for one slice at most. */
#include "store/store_private.h"

static void walk_slice(const ng_store *store, ng_collection_id collection, uint32_t from,
                       uint32_t end, ngi_label_visit_fn visit, void *context)
{
    const ng_token *records = store_records(store);
    const store_side *sides = store_sides(store);
    for (uint32_t slot = from; slot < end; slot++) {
        size_t bytes;
        if (records[slot].slot == 0 || sides[slot].collection != collection)
            continue;
        const char *label = ngi_labels_get(&store->labels, slot, &bytes);
        if (label != NULL)
            visit(context, slot, label, bytes, ngi_vectors_get(store->vectors, slot) != NULL);
    }
}

ng_status ngi_store_label_walk(const ng_store *store, ng_collection_id collection,
                               ngi_label_visit_fn visit, void *context)
{
    for (uint32_t from = 1;;) {
        ng_status status = ngi_store_read_begin(store);
        if (status != NG_OK)
            return status;
        uint32_t slot_end = store_slot_end(store);
        uint32_t end = from + NGI_SLICE_ITEMS < slot_end ? from + NGI_SLICE_ITEMS : slot_end;
        walk_slice(store, collection, from, end, visit, context);
        ngi_store_read_end(store);
        if (end == slot_end)
            return NG_OK;
        from = end;
    }
}
