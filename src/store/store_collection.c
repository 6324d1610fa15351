/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Collections: made, found, listed, emptied, dropped.
 *
 * A collection is a number that its tokens carry and a name that is found. Dropping one frees the name
 * at once; the number is given again only when all have been given, so that who still holds it is
 * told that it is gone instead of reading another collection.
 *
 * Emptying deletes in ops of NGI_BATCH_MAX tokens, between which other writers and searches go on:
 * one op over ten million tokens would hold them up for seconds. So it is not one moment, and what
 * is interrupted is completed by doing it again. A drop empties likewise down to one batch; that
 * and the name go in one op (docs/adr/0019). */
#include "store/store_private.h"

#include <string.h>

/* --- making and finding ---------------------------------------------------------------------- */

static bool collection_find(const ng_store *store, const char *name, ng_collection_id *out)
{
    for (uint32_t i = 0; i < store->collection_count; i++) {
        if (strcmp(store->collections[i].name, name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

ng_status ngi_store_fail_collection(ng_collection_id id)
{
    return ngi_fail(NG_E_NOT_FOUND, "collection %u not found", id);
}

/* The number of a new one: the next, or, when all have been given, that of one which was dropped. */
static ng_status collection_number(const ng_store *store, ng_collection_id *out)
{
    *out = store->collection_count;
    if (*out < NGI_COLLECTIONS_MAX)
        return NG_OK;
    for (*out = 0; *out < store->collection_count; ++*out) {
        if (store->collections[*out].name[0] == '\0')
            return NG_OK;
    }
    return ngi_fail(NG_E_LIMIT, "the store holds at most %d collections", NGI_COLLECTIONS_MAX);
}

ng_status ngi_store_collection_create(ng_store *store, const char *name,
                                      const ng_write_options *write, ng_collection_id *out)
{
    ng_status status = ngi_collection_check_name(name, strnlen(name, NGI_COLLECTION_NAME_MAX + 1));
    if (status != NG_OK)
        return status;
    size_t bytes = strlen(name);
    status = ngi_store_write_begin(store, 8 + bytes, write);
    if (status != NG_OK)
        return status;
    if (collection_find(store, name, out)) {
        ngi_store_write_abandon(store);
        if (write != NULL && write->seq != NULL)
            *write->seq = 0;
        return NG_OK;
    }
    status = collection_number(store, out);
    if (status != NG_OK) {
        ngi_store_write_abandon(store);
        return status;
    }
    uint8_t *body = ngi_wal_body(store->wal);
    ngi_put_u32(body, *out);
    ngi_put_u32(body + 4, (uint32_t)bytes);
    memcpy(body + 8, name, bytes);
    return ngi_store_write_commit(store, NGI_OP_COLLECTION_PUT, 8 + bytes, write);
}

ng_status ngi_store_collection_find(const ng_store *store, const char *name, ng_collection_id *out)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    if (name[0] == '\0' || !collection_find(store, name, out))
        status = ngi_fail(NG_E_NOT_FOUND, "collection '%.64s' not found", name);
    ngi_store_read_end(store);
    return status;
}

ng_status ngi_store_collection_get(const ng_store *store, ng_collection_id id, char name[65],
                                   uint64_t *token_count)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    if (!store_has_collection(store, id)) {
        status = ngi_store_fail_collection(id);
    } else {
        if (name != NULL)
            memcpy(name, store->collections[id].name, sizeof store->collections[id].name);
        if (token_count != NULL)
            *token_count = store->collections[id].token_count;
    }
    ngi_store_read_end(store);
    return status;
}

ng_status ngi_store_collection_list(const ng_store *store, ng_collection_info *out, size_t capacity,
                                    size_t *count)
{
    *count = 0;
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    for (uint32_t i = 0; i < store->collection_count; i++) {
        const store_collection *from = &store->collections[i];
        if (from->name[0] == '\0')
            continue;
        if (*count < capacity) {
            ng_collection_info *to = &out[*count];
            *to = (ng_collection_info){.id = i,
                                       .token_count = from->token_count,
                                       .active_token_count = from->active_count};
            memcpy(to->name, from->name, sizeof to->name);
        }
        ++*count;
    }
    ngi_store_read_end(store);
    return status;
}

/* --- emptying -------------------------------------------------------------------------------- */

typedef struct clear_job {
    ng_store *store;
    ng_collection_id collection;
    const ng_write_options *given; /* or NULL */
    ng_write_options write;        /* of each op: nothing waits before the last one */
    ng_seq seq;                    /* of the newest one, 0 = none */
    ng_token_id after;             /* tokens up to here have been deleted */
    ng_token_id last;              /* those behind it stay: they came later */
    ng_token_id *ids;              /* [NGI_BATCH_MAX] */
    uint64_t deleted_count;
} clear_job;

static ng_status clear_begin(clear_job *job)
{
    ng_store *store = job->store;
    void *block = NULL;
    ng_status status = ngi_store_write_begin(store, 0, job->given); /* if_seq holds */
    if (status != NG_OK)
        return status;
    job->last = store_slot_end(store) - 1;
    if (!store_has_collection(store, job->collection))
        status = ngi_store_fail_collection(job->collection);
    ngi_store_write_abandon(store);
    if (status == NG_OK)
        status = ngi_alloc(store->mem, NGI_BATCH_MAX * sizeof *job->ids, "tokens of a collection",
                           &block);
    job->ids = block;
    job->write = job->given != NULL ? *job->given : (ng_write_options){0};
    job->write.flags |= NG_WRITE_NOWAIT;
    job->write.seq = &job->seq;
    return status;
}

/* Waits for all ops at once, as the caller wants it. */
static ng_status clear_end(clear_job *job, ng_status status, uint64_t *deleted_count)
{
    const ng_write_options *given = job->given;
    ng_store *store = job->store;
    bool waits = given == NULL || !(given->flags & NG_WRITE_NOWAIT);
    ng_durability durability = given != NULL && given->durability != NG_DURABILITY_DEFAULT
                                   ? (ng_durability)given->durability
                                   : store->durability;
    ngi_free(store->mem, job->ids, NGI_BATCH_MAX * sizeof *job->ids);
    if (status == NG_OK && job->seq != 0 && waits && durability == NG_DURABILITY_SYNC)
        status = ngi_store_wait_durable(store, job->seq);
    if (status == NG_OK && given != NULL && given->seq != NULL)
        *given->seq = job->seq;
    *deleted_count = job->deleted_count;
    return status;
}

/* The next tokens of the collection; `*count` 0 = no more. */
static ng_status clear_next(clear_job *job, size_t *count)
{
    ng_status status = ngi_store_token_list(job->store, job->collection, job->after, job->ids,
                                            NGI_BATCH_MAX, count);
    while (*count > 0 && job->ids[*count - 1] > job->last)
        --*count;
    if (*count > 0)
        job->after = job->ids[*count - 1];
    return status;
}

/* Deletes those as one op, passing over what has gone since they were listed. */
static ng_status clear_batch(clear_job *job, size_t listed)
{
    ng_store *store = job->store;
    size_t bytes = NGI_OP_LIST_HEADER + 4 * listed;
    ng_status status = ngi_store_write_begin(store, bytes, &job->write);
    if (status != NG_OK)
        return status;
    job->write.if_seq = 0; /* has held for the first op */
    uint8_t *body = ngi_wal_body(store->wal);
    uint8_t *at = body + NGI_OP_LIST_HEADER;
    for (size_t i = 0; i < listed; i++) {
        if (store_live_slot(store, job->ids[i]) == 0)
            continue;
        ngi_put_u32(at, (uint32_t)job->ids[i]);
        at += 4;
    }
    bytes = (size_t)(at - body);
    uint32_t count = (uint32_t)((bytes - NGI_OP_LIST_HEADER) / 4);
    if (count == 0) {
        ngi_store_write_abandon(store);
        return NG_OK;
    }
    ngi_op_list_encode(body, count, 0);
    status = ngi_store_write_commit(store, NGI_OP_TOKENS_DELETE, bytes, &job->write);
    if (status == NG_OK)
        job->deleted_count += count;
    return status;
}

ng_status ngi_store_collection_clear(ng_store *store, ng_collection_id id,
                                     const ng_write_options *write, uint64_t *deleted_count)
{
    clear_job job = {.store = store, .collection = id, .given = write};
    ng_status status = clear_begin(&job);
    size_t count = 1;
    while (status == NG_OK && count > 0) {
        status = clear_next(&job, &count);
        if (status == NG_OK && count > 0)
            status = clear_batch(&job, count);
    }
    return clear_end(&job, status, deleted_count);
}

/* --- dropping -------------------------------------------------------------------------------- */

/* Under the log's lock: lists what is left of the collection. */
static uint32_t drop_encode(const clear_job *job, uint8_t *body)
{
    const ng_store *store = job->store;
    uint64_t left = store->collections[job->collection].token_count;
    uint8_t *at = body + NGI_OP_LIST_HEADER;
    uint32_t count = 0;
    for (uint32_t slot = 1; count < left && slot < store_slot_end(store); slot++) {
        if (store_records(store)[slot].slot == 0 ||
            store_sides(store)[slot].collection != job->collection)
            continue;
        ngi_put_u32(at, slot);
        at += 4;
        count++;
    }
    ngi_op_list_encode(body, job->collection, count);
    return count;
}

/* Drops it if no more than one batch is left; `*done` says whether. */
static ng_status drop_last(clear_job *job, bool *done)
{
    ng_store *store = job->store;
    size_t most = NGI_OP_LIST_HEADER + 4 * (size_t)NGI_BATCH_MAX;
    ng_status status = ngi_store_write_begin(store, most, &job->write);
    if (status != NG_OK)
        return status;
    bool is_there = store_has_collection(store, job->collection);
    if (!is_there || store->collections[job->collection].token_count > NGI_BATCH_MAX) {
        ngi_store_write_abandon(store);
        return is_there ? NG_OK : ngi_store_fail_collection(job->collection);
    }
    uint32_t count = drop_encode(job, ngi_wal_body(store->wal));
    status = ngi_store_write_commit(store, NGI_OP_COLLECTION_DROP,
                                    NGI_OP_LIST_HEADER + 4 * (size_t)count, &job->write);
    *done = status == NG_OK;
    if (*done)
        job->deleted_count += count;
    return status;
}

ng_status ngi_store_collection_drop(ng_store *store, ng_collection_id id,
                                    const ng_write_options *write, uint64_t *deleted_count)
{
    clear_job job = {.store = store, .collection = id, .given = write};
    bool done = false;
    *deleted_count = 0;
    if (id <= NG_COLLECTION_SEMANTIC)
        return ngi_fail(NG_E_FORBIDDEN, "collection %s is part of every store",
                        id == NG_COLLECTION_RUNTIME ? "runtime" : "semantic");
    ng_status status = clear_begin(&job);
    job.last = UINT32_MAX;
    while (status == NG_OK && !done) {
        size_t count = 0;
        status = drop_last(&job, &done);
        if (status == NG_OK && !done)
            status = clear_next(&job, &count);
        if (status == NG_OK && !done && count == 0)
            job.after = 0; /* what came meanwhile has lower ids than the last ones: again */
        else if (status == NG_OK && !done)
            status = clear_batch(&job, count);
    }
    return clear_end(&job, status, deleted_count);
}
