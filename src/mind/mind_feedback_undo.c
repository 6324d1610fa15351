/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Feedback taken back, and what was given listed. */
#include "mind/mind_feedback.h"

#include <string.h>

typedef struct undo_job {
    ng_store *store;
    const ng_write_options *write;
    ng_collection_id collection;
    uint64_t id;
    ngi_feedback feedback;
    ngi_cue cue;
    bool cue_changes;
    ng_feedback_result *result;
} undo_job;

/* --- what attempts share --------------------------------------------------------------------- */

ng_write_options ngi_feedback_write(const ng_write_options *write)
{
    ng_write_options own = {.struct_size = sizeof own};
    if (write != NULL)
        own = *write;
    own.if_seq = 0;
    return own;
}

bool ngi_feedback_again(ng_status status, const ng_write_options *write, unsigned attempt)
{
    bool is_conditional = write != NULL && write->if_seq != 0;
    return (status == NG_E_CONFLICT || status == NG_E_EXISTS) && !is_conditional &&
           attempt < NGI_FEEDBACK_ATTEMPTS;
}

/* --- undo ------------------------------------------------------------------------------------ */

static void undo_prior(undo_job *job, ngi_feedback_change *change)
{
    change->is_restored = ngi_cue_prior_of(&job->cue, change->id) == change->after &&
                          ngi_cue_set_prior(&job->cue, change->id, change->before);
    job->cue_changes |= change->is_restored;
}

static ng_status undo_connection(undo_job *job, ng_txn *txn, ngi_feedback_change *change)
{
    ng_connection before, after;
    ng_status status = ngi_store_connection_get(job->store, change->id, &before);
    change->is_restored =
        status == NG_OK && before.source == change->source && before.target == change->target &&
        before.type == change->type && before.confidence == change->after &&
        before.evidence_count == change->evidence_after &&
        before.last_update == change->update_after && before.mutability != NG_IMMUTABLE;
    if (!change->is_restored)
        return status == NG_E_NOT_FOUND ? NG_OK : status;
    after = before;
    after.confidence = (uint8_t)change->before;
    after.evidence_count = (uint16_t)change->evidence_before;
    after.last_update = change->update_before;
    if (!change->was_modified)
        after.flags &= (uint8_t)~NG_CONNECTION_MODIFIED;
    return ngi_txn_connection_replace(txn, change->id, &before, &after);
}

static ng_status undo_stage(undo_job *job, ng_txn *txn)
{
    ngi_feedback *feedback = &job->feedback;
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    ng_token_info info;
    ng_status status;
    NGI_TRY(ngi_feedback_load(job->store, job->collection, job->id, feedback));
    NGI_TRY(ngi_store_token_get(job->store, feedback->token, &info));
    write.if_version = info.version;
    ngi_cue_of_cue(&job->cue, feedback->terms, feedback->term_count);
    job->cue_changes = false;
    NGI_TRY(ngi_cue_load(job->store, &job->cue, NULL));
    for (size_t i = 0; i < feedback->change_count; i++) {
        ngi_feedback_change *change = &feedback->changes[i];
        if (change->is_connection)
            NGI_TRY(undo_connection(job, txn, change));
        else
            undo_prior(job, change);
    }
    if (job->cue_changes)
        NGI_TRY(ngi_feedback_stage_cue(txn, job->collection, &job->cue));
    NGI_TRY(ngi_store_token_delete(job->store, feedback->token, &write));
out:
    return status;
}

static ng_status undo_attempt(undo_job *job)
{
    const ng_txn_options options = {.struct_size = sizeof options,
                                    .if_seq = job->write != NULL ? job->write->if_seq : 0};
    const ng_write_options write = ngi_feedback_write(job->write);
    ng_txn *txn;
    ng_status status = ngi_txn_begin(job->store, &options, &txn);
    if (status != NG_OK)
        return status;
    status = undo_stage(job, txn);
    if (status == NG_OK)
        status =
            ngi_feedback_present(ngi_store_mem(job->store), &job->feedback, false, &job->result);
    if (status == NG_OK)
        status = ngi_txn_commit(txn, &write);
    else
        ngi_txn_rollback(txn);
    if (status != NG_OK) {
        ngi_mind_feedback_result_destroy(job->result);
        job->result = NULL;
    }
    return status;
}

static ng_status undo_run(undo_job *job)
{
    ng_status status = ngi_feedback_collection(job->store, &job->collection);
    if (status == NG_E_NOT_FOUND)
        return ngi_fail(NG_E_NOT_FOUND, "feedback %llu not found", (unsigned long long)job->id);
    unsigned attempt = 0;
    while (status == NG_OK) {
        status = undo_attempt(job);
        if (status == NG_OK || !ngi_feedback_again(status, job->write, ++attempt))
            return status;
        status = NG_OK;
    }
    return status;
}

ng_status ngi_mind_feedback_undo(ng_store *store, uint64_t id, const ng_write_options *write,
                                 ng_feedback_result **out)
{
    void *block;
    ng_status status = ngi_alloc(ngi_store_mem(store), sizeof(undo_job), "feedback", &block);
    if (status != NG_OK)
        return status;
    undo_job *job = block;
    memset(job, 0, sizeof *job);
    job->store = store;
    job->write = write;
    job->id = id;
    status = undo_run(job);
    if (out != NULL)
        *out = job->result;
    else
        ngi_mind_feedback_result_destroy(job->result);
    ngi_free(ngi_store_mem(store), block, sizeof *job);
    return status;
}

/* --- list ------------------------------------------------------------------------------------ */

static ng_status list_page(const ng_store *store, uint64_t before, size_t limit,
                           ngi_feedback_page *page, ngi_feedback *feedback)
{
    ng_collection_id collection;
    ng_token_info head;
    uint64_t last;
    ng_status status = ngi_feedback_collection(store, &collection);
    if (status == NG_OK)
        status = ngi_feedback_head(store, collection, &last, &head);
    if (status != NG_OK)
        return status == NG_E_NOT_FOUND ? NG_OK : status; /* nothing was ever given */
    uint64_t id = before != 0 && before <= last ? before - 1 : last;
    for (; id > 0 && limit > 0 && status == NG_OK; id--) {
        status = ngi_feedback_load(store, collection, id, feedback);
        if (status == NG_OK)
            status = ngi_feedback_page_add(page, feedback);
        limit -= status == NG_OK;
        status = status == NG_E_NOT_FOUND ? NG_OK : status;
    }
    return status;
}

ng_status ngi_mind_feedback_list(const ng_store *store, uint64_t before, size_t limit,
                                 ng_feedback_result **out)
{
    ngi_mem *mem = ngi_store_mem(store);
    ngi_feedback_page page = {.mem = mem};
    void *block;
    if (limit == 0 || limit > NGI_FEEDBACK_LIST_MAX)
        return ngi_fail(NG_E_INVALID, "limit %zu is outside 1..%d", limit, NGI_FEEDBACK_LIST_MAX);
    ng_status status = ngi_alloc(mem, sizeof(ngi_feedback), "feedback", &block);
    if (status != NG_OK)
        return status;
    status = list_page(store, before, limit, &page, block);
    if (status == NG_OK)
        status = ngi_feedback_page_finish(&page, false, out);
    ngi_feedback_page_release(&page);
    ngi_free(mem, block, sizeof(ngi_feedback));
    return status;
}
