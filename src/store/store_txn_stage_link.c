/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writes of connections inside a transaction: evaluated against what the transaction sees, and put
 * into its overlay. As in store_txn_stage.c a call stages everything or nothing.
 *
 * Ids are handed out before the read lock is taken, because the log's lock comes before it: as many as
 * the call may create, and those that turn out not to be needed go back. */
#include "store/store_connection.h"
#include "store/store_txn_private.h"

#include <string.h>

/* How to take back one staged connection. */
typedef struct link_undo {
    uint32_t index; /* of the entry */
    bool is_new;    /* the entry was appended */
    txn_connection old;
} link_undo;

typedef struct stage_links {
    ng_txn *txn;
    const ngi_link_request *request;
    const ng_connection *before, *after; /* of a replacement */
    ngi_connection_context context;
    uint32_t *ids; /* handed out, for those that are created, in order */
    uint32_t id_count;
    uint32_t ids_used;
    link_undo *undo;
    size_t undo_count;
} stage_links;

/* --- overlay, so that it can be taken back --------------------------------------------------- */

/* Puts `*next` over `entry`, or behind all entries if that is NULL. */
static void stage_put(stage_links *job, txn_connection *entry, const txn_connection *next)
{
    ng_txn *txn = job->txn;
    link_undo *undo = &job->undo[job->undo_count++];
    *undo = (link_undo){.is_new = entry == NULL};
    if (entry != NULL) {
        undo->old = *entry;
        ngi_overlay_set_connection(txn, entry, next);
    } else {
        entry = ngi_overlay_add_connection(txn, next);
    }
    undo->index = (uint32_t)(entry - txn->connections);
}

static void stage_take_back(stage_links *job)
{
    while (job->undo_count > 0) {
        const link_undo *undo = &job->undo[--job->undo_count];
        if (undo->is_new)
            ngi_overlay_pop_connection(job->txn);
        else
            ngi_overlay_restore_connection(job->txn, &job->txn->connections[undo->index],
                                           &undo->old);
    }
}

/* --- items ----------------------------------------------------------------------------------- */

/* What fields->target_of leads to, as the transaction sees it. */
static ng_status stage_find_target(stage_links *job, const ng_connection_fields *fields)
{
    uint32_t slot;
    txn_token *entry;
    job->context.target_of = NULL;
    if (!(fields->set & NG_CFIELD_TARGET_OF))
        return NG_OK;
    ng_status status = ngi_overlay_find(job->txn, fields->target_of, &slot, &entry);
    if (status != NG_OK)
        return ngi_fail_prefix(status, "target_of");
    job->context.target_of = entry != NULL ? &entry->record : &store_records(job->txn->store)[slot];
    return NG_OK;
}

static ng_status stage_check_end(const stage_links *job, ng_token_id id)
{
    uint32_t slot;
    txn_token *entry;
    return ngi_overlay_find(job->txn, id, &slot, &entry);
}

static ng_status stage_fail_joined(const stage_links *job, uint32_t id, const ng_connection *record)
{
    const ng_write_options *write = job->request->write;
    return ngi_txn_fail_joined(job->txn, id, record,
                               write != NULL && (write->flags & NG_WRITE_IF_ABSENT));
}

/* Changes a connection by `fields`, or activates it if they are NULL. */
static ng_status stage_change(stage_links *job, ng_connection_id id,
                              const ng_connection_fields *fields)
{
    ng_txn *txn = job->txn;
    txn_connection *entry;
    const ng_connection *base = ngi_overlay_connection_record(txn, id, &entry);
    if (base == NULL)
        return ngi_link_fail_not_found(id);
    txn_connection next = {.id = (uint32_t)id, .state = TXN_UPDATED, .base = *base};
    if (entry != NULL)
        next = *entry;
    next.record = *base;
    ng_status status = NG_OK;
    if (fields != NULL)
        status = ngi_connection_apply_fields(&next.record, fields, &job->context);
    else
        ngi_connection_activate(&next.record, job->context.now_s);
    if (status != NG_OK)
        return status;
    if (next.record.type != base->type) {
        uint32_t joining = ngi_overlay_joining(txn, &next.record);
        if (joining != 0)
            return stage_fail_joined(job, joining, &next.record);
    }
    if (memcmp(&next.record, base, sizeof next.record) != 0)
        stage_put(job, entry, &next);
    return NG_OK;
}

static ng_status stage_create(stage_links *job, const ng_connection_fields *fields,
                              ng_connection_id *id, bool *is_new)
{
    ng_txn *txn = job->txn;
    txn_connection next = {.state = TXN_CREATED};
    ng_status status;
    NGI_TRY(stage_check_end(job, fields->source)); /* NOLINT: there, with a creation */
    NGI_TRY(stage_check_end(job, fields->target));
    NGI_TRY(stage_find_target(job, fields));
    NGI_TRY(ngi_connection_from_fields(&next.record, fields, &job->context));
    *id = ngi_overlay_joining(txn, &next.record);
    *is_new = *id == 0;
    if (!*is_new && job->request->verb == NGI_LINK_UPSERT)
        return stage_change(job, *id, fields);
    if (!*is_new)
        return stage_fail_joined(job, (uint32_t)*id, &next.record);
    NGI_TRY(ngi_overlay_check_degree(txn, next.record.source, true, 1));
    NGI_TRY(ngi_overlay_check_degree(txn, next.record.target, false, 1));
    next.id = job->ids[job->ids_used++];
    *id = next.id;
    stage_put(job, NULL, &next);
out:
    return status;
}

static ng_status stage_update(stage_links *job, ng_connection_id id,
                              const ng_connection_fields *fields)
{
    ng_status status = NG_OK;
    if (fields->source != 0)
        NGI_TRY(stage_check_end(job, fields->source));
    if (fields->target != 0)
        NGI_TRY(stage_check_end(job, fields->target));
    NGI_TRY(stage_find_target(job, fields));
    NGI_TRY(stage_change(job, id, fields));
out:
    return status;
}

static ng_status stage_delete(stage_links *job, ng_connection_id id)
{
    txn_connection *entry;
    const ng_connection *record = ngi_overlay_connection_record(job->txn, id, &entry);
    if (record == NULL)
        return ngi_link_fail_not_found(id);
    txn_connection next = {.record = *record,
                           .base = *record,
                           .id = (uint32_t)id,
                           .state = TXN_DELETED};
    if (entry != NULL) {
        next = *entry;
        next.state = entry->state == TXN_CREATED ? TXN_GONE : TXN_DELETED;
    }
    stage_put(job, entry, &next);
    return NG_OK;
}

static ng_status stage_replace(stage_links *job, ng_connection_id id)
{
    txn_connection *entry;
    const ng_connection *base = ngi_overlay_connection_record(job->txn, id, &entry);
    if (base == NULL || memcmp(base, job->before, sizeof *base) != 0)
        return ngi_fail(NG_E_CONFLICT, "connection %llu was changed by someone else",
                        (unsigned long long)id);
    txn_connection next = {.id = (uint32_t)id, .state = TXN_UPDATED, .base = *base};
    if (entry != NULL)
        next = *entry;
    next.record = *job->after;
    stage_put(job, entry, &next);
    return NG_OK;
}

static ng_status stage_item(stage_links *job, size_t index)
{
    const ngi_link_request *request = job->request;
    ng_connection_id id = 0;
    bool is_new = false;
    ng_status status;
    switch (request->verb) {
    case NGI_LINK_CREATE:
    case NGI_LINK_UPSERT:
        status = stage_create(job, &request->fields[index], &id, &is_new);
        if (status == NG_OK && request->out != NULL)
            request->out[index] = id;
        if (status == NG_OK && request->created != NULL)
            request->created[index] = is_new;
        return status;
    case NGI_LINK_UPDATE:
        return stage_update(job, request->ids[index], &request->fields[index]);
    case NGI_LINK_REPLACE:
        return stage_replace(job, request->ids[index]);
    default:
        return stage_change(job, request->ids[index], NULL);
    }
}

/* --- the call -------------------------------------------------------------------------------- */

static ng_status stage_locked(stage_links *job, const ng_connection_id *deleted)
{
    ng_txn *txn = job->txn;
    const ngi_link_request *request = job->request;
    ng_status status = ngi_store_read_begin(txn->store);
    if (status != NG_OK)
        return status;
    status = ngi_stage_if_seq(txn, request->write);
    for (size_t i = 0; status == NG_OK && i < request->count; i++)
        status = ngi_fail_item(deleted != NULL ? stage_delete(job, deleted[i]) : stage_item(job, i),
                               i, request->count);
    if (status != NG_OK)
        stage_take_back(job);
    else if (deleted == NULL && request->verb != NGI_LINK_ACTIVATE &&
             request->verb != NGI_LINK_REPLACE)
        ngi_stage_note_cdna(txn);
    ngi_store_read_end(txn->store);
    return status;
}

/* How many entries a request may add. */
static uint32_t stage_entries(const ng_txn *txn, const ngi_link_request *request,
                              const ng_connection_id *deleted)
{
    const ng_connection_id *ids = deleted != NULL ? deleted : request->ids;
    uint32_t count = 0;
    for (size_t i = 0; i < request->count; i++) {
        if (ids != NULL) {
            count += ngi_overlay_connection(txn, ids[i]) == NULL;
            continue;
        }
        const ng_connection_fields *fields = &request->fields[i];
        count +=
            request->verb == NGI_LINK_CREATE ||
            ngi_overlay_joined(txn, (uint32_t)fields->source, (uint32_t)fields->target,
                               fields->set & NG_CFIELD_TYPE ? fields->type
                                                            : NG_CONNECTION_TYPE_DEFAULT) == NULL;
    }
    return count;
}

static ng_status stage_links_all(stage_links *job, const ng_connection_id *deleted)
{
    ng_txn *txn = job->txn;
    ngi_mem *mem = txn->store->mem;
    size_t count = job->request->count;
    bool creates = deleted == NULL && job->request->ids == NULL;
    size_t undo_bytes = count * sizeof *job->undo;
    size_t id_bytes = creates ? count * sizeof *job->ids : 0;
    void *undo = NULL;
    void *ids = NULL;
    ng_status status;
    NGI_TRY(ngi_overlay_reserve_connections(txn, stage_entries(txn, job->request, deleted),
                                            (uint32_t)count));
    NGI_TRY(ngi_alloc(mem, undo_bytes, "transaction", &undo));
    if (creates)
        NGI_TRY(ngi_alloc(mem, id_bytes, "transaction", &ids));
    job->undo = undo;
    job->ids = ids;
    job->context.now_s = ngi_stage_now(txn);
    if (creates)
        NGI_TRY(ngi_given_take_ids(txn->store, (uint32_t)count, job->ids));
    job->id_count = creates ? (uint32_t)count : 0;
    NGI_TRY(stage_locked(job, deleted));
    ngi_stage_done(txn, job->request->write);
out:
    if (status != NG_OK)
        job->ids_used = 0;
    if (job->id_count > job->ids_used)
        ngi_given_return_ids(txn->store, job->ids + job->ids_used, job->id_count - job->ids_used);
    ngi_free(mem, undo, undo_bytes);
    ngi_free(mem, ids, id_bytes);
    return status;
}

ng_status ngi_txn_connection_write(ng_txn *txn, const ngi_link_request *request)
{
    stage_links job = {.txn = txn,
                       .request = request,
                       .context = {.cdna = &txn->store->cdna, .encoding = &txn->store->encoding}};
    return stage_links_all(&job, NULL);
}

ng_status ngi_txn_connection_replace(ng_txn *txn, ng_connection_id id, const ng_connection *before,
                                     const ng_connection *after)
{
    const ngi_link_request request = {.verb = NGI_LINK_REPLACE, .count = 1, .ids = &id};
    stage_links job = {.txn = txn, .request = &request, .before = before, .after = after};
    return stage_links_all(&job, NULL);
}

ng_status ngi_txn_connection_delete(ng_txn *txn, const ng_connection_id *ids, size_t count,
                                    const ng_write_options *write)
{
    const ngi_link_request request = {.count = count, .write = write};
    stage_links job = {.txn = txn, .request = &request};
    return stage_links_all(&job, ids);
}
