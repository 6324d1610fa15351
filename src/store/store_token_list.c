/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens listed by id, page after page, and counted.
 *
 * Ids ascend with time and are never used again, so a cursor is an id: whatever is created or deleted
 * between two pages, a token that stays is on exactly one of them. Records are scanned without a lock
 * (store_look.h), and a page is not of one moment. */
#include "store/store_private.h"

typedef struct list_job {
    const ng_store *store;
    const ng_page_options *options;
    uint64_t skip; /* of the offset, still to pass over */
    ng_token_id *out;
    size_t capacity;
    size_t count;
} list_job;

static ng_status list_check_collection(const ng_store *store, ng_collection_id collection)
{
    if (collection == NG_COLLECTION_ANY || store_has_collection(store, collection))
        return NG_OK;
    return ngi_store_fail_collection(collection);
}

static ng_status list_begin(const ng_store *store, ng_collection_id collection)
{
    if (collection == NG_COLLECTION_ANY)
        return ngi_store_check_readable(store);
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    status = list_check_collection(store, collection);
    ngi_store_read_end(store);
    return status;
}

/* Looks at a slot without a lock: a record is whole, and a token never changes its collection; version
 * 0 means that it has been deleted since. */
static bool list_wants(const list_job *job, uint64_t slot)
{
    const ng_page_options *options = job->options;
    ng_token record;
    store_side side;
    if (store_shared_slot(job->store, slot) == 0)
        return false;
    if (options->active_only && (ngi_store_token_read(job->store, slot, &record) != NG_OK ||
                                 !(record.flags & NG_TOKEN_ACTIVE)))
        return false;
    if (options->collection == NG_COLLECTION_ANY)
        return true;
    ngi_shared_read(&side, &store_sides(job->store)[slot], sizeof side);
    return side.version != 0 && side.collection == options->collection;
}

/* Looks at slots from `next` on, until the page is full or nothing is left. */
static void list_scan(list_job *job, uint64_t next)
{
    uint64_t end = store_slot_end(job->store);
    bool descending = job->options->descending;
    if (descending && next >= end)
        next = end - 1;
    while (next != 0 && next < end && job->count < job->capacity) {
        uint64_t slot = next;
        next = descending ? slot - 1 : slot + 1;
        if (list_wants(job, slot)) {
            if (job->skip > 0)
                job->skip--;
            else
                job->out[job->count++] = slot;
        }
    }
}

ng_status ngi_store_token_page(const ng_store *store, const ng_page_options *options,
                               ng_token_id *out, size_t capacity, size_t *count)
{
    list_job job = {.store = store,
                    .options = options,
                    .skip = options->offset,
                    .out = out,
                    .capacity = capacity};
    *count = 0;
    if (options->after > UINT32_MAX)
        return ngi_fail(NG_E_INVALID, "after %llu is not a token id",
                        (unsigned long long)options->after);
    uint64_t next = options->after + 1;
    if (options->descending)
        next = options->after == 0 ? UINT64_MAX : options->after - 1;
    ng_status status = list_begin(store, options->collection);
    if (status != NG_OK)
        return status;
    list_scan(&job, next);
    *count = job.count;
    return NG_OK;
}

ng_status ngi_store_token_list(const ng_store *store, ng_collection_id collection,
                               ng_token_id after, ng_token_id *out, size_t capacity, size_t *count)
{
    const ng_page_options options = {.collection = collection, .after = after};
    return ngi_store_token_page(store, &options, out, capacity, count);
}

ng_status ngi_store_token_count(const ng_store *store, ng_collection_id collection,
                                bool active_only, uint64_t *out)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    status = list_check_collection(store, collection);
    if (status != NG_OK)
        *out = 0;
    else if (collection == NG_COLLECTION_ANY)
        *out = active_only ? store->active_token_count : store->token_count;
    else
        *out = active_only ? store->collections[collection].active_count
                           : store->collections[collection].token_count;
    ngi_store_read_end(store);
    return status;
}
