/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Feedback from end to end; docs/feedback.md tells the model.
 *
 * An attempt reads what is there, computes what becomes of it and stages both in one transaction, which
 * is committed only if nothing of that was changed since. First attempts also ask that nothing at all was
 * written since, so that the seq of the op is known before it; when others write all the time, later ones
 * do without. */
#include "mind/mind_feedback.h"

#include "mind/mind_query.h"

#include <math.h>
#include <string.h>

#define FEEDBACK_ATTEMPTS_WITH_SEQ 16

typedef struct feedback_job {
    ng_store *store;
    const ng_feedback_options *options;
    const ng_write_options *write;
    ng_collection_id collection;
    ng_seq if_seq;     /* of the caller, or of the collection that was made for it; 0 = none */
    ngi_answer answer; /* nonce 0 if it is not known */
    double limit, strength;
    ngi_cue cue;
    ngi_feedback feedback; /* what is given */
    ngi_feedback found;    /* what was given before */
    ng_feedback_result *result;
} feedback_job;

/* --- the question ---------------------------------------------------------------------------- */

static bool feedback_is_outside(double value)
{
    return !(value >= 0 && value <= 1); /* NaN is outside of everything */
}

static ng_status feedback_check(const ng_feedback_options *options)
{
    if (ng_feedback_type_name(options->type) == NULL)
        return ngi_fail(NG_E_INVALID, "type %d is outside 1..3", (int)options->type);
    if (options->text != NULL && options->tokens != NULL)
        return ngi_fail(NG_E_INVALID, "give one of text and tokens");
    if (options->signal == NULL && options->text == NULL && options->tokens == NULL)
        return ngi_fail(NG_E_INVALID, "say what was asked: give signal, text or tokens");
    if ((options->tokens == NULL) != (options->token_count == 0) ||
        options->token_count > NGI_RECALL_TOKENS_MAX)
        return ngi_fail(NG_E_INVALID, "token_count %zu is outside 1..%d", options->token_count,
                        NGI_RECALL_TOKENS_MAX);
    if ((options->connections == NULL) != (options->connection_count == 0) ||
        options->connection_count > NGI_FEEDBACK_LINKS_MAX)
        return ngi_fail(NG_E_INVALID, "connection_count %zu is outside 0..%d",
                        options->connection_count, NGI_FEEDBACK_LINKS_MAX);
    if ((options->type == NG_FEEDBACK_CORRECTION) != (options->correct != 0))
        return ngi_fail(NG_E_INVALID, "correct %llu: a token is given with a correction alone",
                        (unsigned long long)options->correct);
    if (feedback_is_outside(options->strength))
        return ngi_fail(NG_E_INVALID, "strength %g is outside 0..1", options->strength);
    if (feedback_is_outside(options->limit))
        return ngi_fail(NG_E_INVALID, "limit %g is outside 0..%g", options->limit,
                        NGI_FEEDBACK_LIMIT_MAX);
    return NG_OK;
}

static ng_status feedback_of_text(feedback_job *job)
{
    const ng_feedback_options *options = job->options;
    const ng_query_options query = {.struct_size = sizeof query,
                                    .limit = 1,
                                    .collection = options->collection,
                                    .by_collection = options->by_collection};
    void *block;
    ng_status status =
        ngi_alloc(ngi_store_mem(job->store), sizeof(ngi_query_job), "feedback", &block);
    if (status != NG_OK)
        return status;
    ngi_query_job *asked = block;
    status = ngi_query_begin(asked, job->store, options->text, &query);
    job->cue = asked->cue;
    ngi_query_release(asked);
    ngi_free(ngi_store_mem(job->store), block, sizeof *asked);
    return status;
}

static ng_status feedback_of_tokens(feedback_job *job)
{
    const ng_feedback_options *options = job->options;
    ng_status status = NG_OK;
    ng_token record;
    for (size_t i = 0; i < options->token_count && status == NG_OK; i++)
        status = ngi_fail_item(ngi_store_token_read(job->store, options->tokens[i], &record), i,
                               options->token_count);
    if (status == NG_OK)
        ngi_cue_of_tokens(&job->cue, options->tokens, options->token_count);
    return status;
}

/* Which question it was: by what is said of it, or else by the answer that is remembered. */
static ng_status feedback_question(feedback_job *job)
{
    const ng_feedback_options *options = job->options;
    bool is_said = options->text != NULL || options->tokens != NULL;
    uint64_t hash = 0, nonce = 0;
    ng_status status = NG_OK;
    if (options->text != NULL)
        NGI_TRY(feedback_of_text(job));
    if (options->tokens != NULL)
        NGI_TRY(feedback_of_tokens(job));
    if (options->signal == NULL) {
        ngi_signal_write(job->cue.hash, 0, job->feedback.signal);
        return NG_OK;
    }
    NGI_TRY(ngi_signal_read(options->signal, &hash, &nonce));
    if (is_said && hash != job->cue.hash)
        return ngi_fail(NG_E_INVALID, "signal %s is of another question than the %s",
                        options->signal, options->text != NULL ? "text" : "tokens");
    bool is_known = ngi_store_answer_find(job->store, hash, nonce, &job->answer);
    if (!is_known && !is_said)
        return ngi_fail(NG_E_NOT_FOUND,
                        "signal %s is not among the last %d answers: say what was asked as well",
                        options->signal, NGI_ANSWERS_MAX);
    if (!is_said)
        ngi_cue_of_cue(&job->cue, job->answer.terms, job->answer.term_count);
    ngi_signal_write(hash, nonce, job->feedback.signal);
out:
    return status;
}

static ng_status feedback_tokens(feedback_job *job)
{
    ngi_feedback *feedback = &job->feedback;
    ng_token record;
    feedback->hit = job->options->hit;
    feedback->correct = job->options->correct;
    if (feedback->hit == 0 && job->answer.nonce == 0)
        return ngi_fail(NG_E_INVALID, "hit: name it, or an answer by its signal");
    if (feedback->hit == 0 && job->answer.hit_count == 0)
        return ngi_fail(NG_E_ABSENT, "hit: the answer has none");
    if (feedback->hit == 0)
        feedback->hit = job->answer.hits[0].id;
    if (feedback->hit == feedback->correct)
        return ngi_fail(NG_E_INVALID, "correct %llu is the hit itself",
                        (unsigned long long)feedback->correct);
    ng_status status = ngi_store_token_read(job->store, feedback->hit, &record);
    if (status != NG_OK)
        return ngi_fail_prefix(status, "hit");
    if (feedback->correct != 0)
        status = ngi_store_token_read(job->store, feedback->correct, &record);
    return status != NG_OK ? ngi_fail_prefix(status, "correct") : NG_OK;
}

/* Everything that no attempt changes. */
static ng_status feedback_ask(feedback_job *job)
{
    const ng_feedback_options *options = job->options;
    ngi_feedback *feedback = &job->feedback;
    ng_status status;
    NGI_TRY(feedback_check(options));
    NGI_TRY(feedback_question(job));
    NGI_TRY(feedback_tokens(job));
    job->limit = options->limit > 0 ? options->limit : NGI_FEEDBACK_LIMIT_DEFAULT;
    job->strength = options->strength > 0 ? options->strength : 1;
    feedback->type = options->type;
    feedback->strength = llrint(job->strength * NGI_FEEDBACK_WHOLE);
    feedback->actor = job->write != NULL ? job->write->actor : 0;
    feedback->term_count = job->cue.term_count;
    memcpy(feedback->terms, job->cue.terms, sizeof feedback->terms);
    ngi_cue_text(job->store, &job->cue, feedback->text, sizeof feedback->text);
out:
    return status;
}

/* --- effects --------------------------------------------------------------------------------- */

/* Priors of tokens that were deleted make room. */
static void feedback_prune(feedback_job *job)
{
    for (size_t i = job->cue.prior_count; i-- > 0;) {
        bool exists = true;
        ng_token_id id = job->cue.priors[i].id;
        if (ngi_store_token_exists(job->store, id, &exists) == NG_OK && !exists)
            (void)ngi_cue_set_prior(&job->cue, id, 0);
    }
}

static ng_status feedback_prior(feedback_job *job, ng_token_id id, bool is_right)
{
    int32_t before = ngi_cue_prior_of(&job->cue, id);
    double target = (is_right ? job->limit : -job->limit) / NGI_PRIOR_UNIT;
    double step = NGI_FEEDBACK_RATE * job->strength * (target - before);
    int32_t after = before + (int32_t)(step < 0 ? floor(step) : ceil(step));
    if (job->cue.term_count == 0 || after == before)
        return NG_OK; /* an answer to no words: only connections can learn */
    if (job->cue.prior_count == NGI_FEEDBACK_PRIORS_MAX)
        feedback_prune(job);
    if (!ngi_cue_set_prior(&job->cue, id, after))
        return ngi_fail(NG_E_LIMIT, "the question has priors of %d tokens",
                        NGI_FEEDBACK_PRIORS_MAX);
    job->feedback.changes[job->feedback.change_count++] =
        (ngi_feedback_change){.id = id, .before = before, .after = after};
    return NG_OK;
}

/* Teaches one connection, once; `must_exist`: it was named. */
static ng_status feedback_teach(feedback_job *job, ng_txn *txn, ng_connection_id id, bool is_right,
                                bool must_exist)
{
    ngi_feedback *feedback = &job->feedback;
    ng_connection before, after;
    size_t taught = 0;
    for (size_t i = 0; i < feedback->change_count; i++) {
        if (!feedback->changes[i].is_connection)
            continue;
        taught++;
        if (feedback->changes[i].id == id)
            return NG_OK;
    }
    if (taught == NGI_FEEDBACK_LINKS_MAX)
        return NG_OK;
    ng_status status = ngi_store_connection_get(job->store, id, &before);
    if (status == NG_E_NOT_FOUND && !must_exist)
        return NG_OK; /* deleted meanwhile */
    after = before;
    if (status != NG_OK ||
        !ngi_connection_learn(&after, is_right, job->strength, feedback->time_us))
        return status;
    feedback->changes[feedback->change_count++] =
        (ngi_feedback_change){.is_connection = true,
                              .id = id,
                              .source = before.source,
                              .target = before.target,
                              .type = before.type,
                              .before = before.confidence,
                              .after = after.confidence,
                              .evidence_before = before.evidence_count,
                              .evidence_after = after.evidence_count,
                              .update_before = before.last_update,
                              .update_after = after.last_update,
                              .was_modified = (before.flags & NG_CONNECTION_MODIFIED) != 0};
    return ngi_txn_connection_replace(txn, id, &before, &after);
}

/* The connections between a token and what was asked for. */
static ng_status feedback_teach_direct(feedback_job *job, ng_txn *txn, ng_token_id token,
                                       bool is_right)
{
    ng_status status = NG_OK;
    for (size_t i = 0; i < job->cue.term_count && status == NG_OK; i++) {
        ng_edge edges[NGI_FEEDBACK_LINKS_MAX];
        size_t count = 0;
        if (job->cue.terms[i].weight < 0 || job->cue.terms[i].id == token)
            continue;
        status = ngi_store_connections_between(job->store, job->cue.terms[i].id, token, edges,
                                               NGI_FEEDBACK_LINKS_MAX, &count);
        if (status == NG_E_NOT_FOUND)
            status = NG_OK; /* a term was deleted meanwhile */
        for (size_t j = 0; j < count && j < NGI_FEEDBACK_LINKS_MAX && status == NG_OK; j++)
            status = feedback_teach(job, txn, edges[j].id, is_right, false);
    }
    return status;
}

/* The connections that led to the hit: those that were named, and the path of the answer. */
static ng_status feedback_teach_path(feedback_job *job, ng_txn *txn, bool is_right)
{
    const ng_feedback_options *options = job->options;
    ng_status status = NG_OK;
    for (size_t i = 0; i < options->connection_count && status == NG_OK; i++)
        status = ngi_fail_item(feedback_teach(job, txn, options->connections[i], is_right, true), i,
                               options->connection_count);
    for (size_t i = 0; i < job->answer.hit_count; i++) {
        const ngi_answer_hit *hit = &job->answer.hits[i];
        if (hit->id != job->feedback.hit)
            continue;
        for (size_t j = 0; j < hit->path_count && status == NG_OK; j++)
            status = feedback_teach(job, txn, hit->path[j], is_right, false);
    }
    return status;
}

static ng_status feedback_effects(feedback_job *job, ng_txn *txn)
{
    ngi_feedback *feedback = &job->feedback;
    bool is_right = feedback->type == NG_FEEDBACK_POSITIVE;
    bool is_foreign = false;
    ng_status status;
    feedback->change_count = 0;
    NGI_TRY(ngi_cue_load(job->store, &job->cue, &is_foreign));
    if (is_foreign)
        return ngi_fail(NG_E_INVALID,
                        "token %llu of the collection " NGI_FEEDBACK_COLLECTION
                        " has the label of this question and is another one's",
                        (unsigned long long)job->cue.token);
    NGI_TRY(feedback_prior(job, feedback->hit, is_right));
    if (feedback->correct != 0)
        NGI_TRY(feedback_prior(job, feedback->correct, true));
    NGI_TRY(feedback_teach_path(job, txn, is_right));
    NGI_TRY(feedback_teach_direct(job, txn, feedback->hit, is_right));
    if (feedback->correct != 0)
        NGI_TRY(feedback_teach_direct(job, txn, feedback->correct, true));
out:
    return status;
}

/* --- attempts -------------------------------------------------------------------------------- */

static ng_status feedback_stage(feedback_job *job, ng_txn *txn)
{
    ng_token_info head;
    uint64_t last;
    bool moves = false; /* a prior */
    ng_status status;
    for (size_t i = 0; i < job->feedback.change_count; i++)
        moves |= !job->feedback.changes[i].is_connection;
    NGI_TRY(ngi_feedback_head(job->store, job->collection, &last, &head));
    job->feedback.id = last + 1;
    if (moves)
        NGI_TRY(ngi_feedback_stage_cue(txn, job->collection, &job->cue));
    NGI_TRY(ngi_feedback_stage(txn, job->collection, &job->feedback));
    NGI_TRY(ngi_feedback_stage_head(txn, job->collection, &head, last + 1));
out:
    return status;
}

static ng_status feedback_check_room(const feedback_job *job)
{
    uint64_t count;
    ng_status status = ngi_store_token_count(job->store, job->collection, false, &count);
    if (status == NG_OK && count + 3 > NGI_FEEDBACK_TOKENS_MAX)
        return ngi_fail(NG_E_LIMIT,
                        "the collection " NGI_FEEDBACK_COLLECTION " has %llu tokens of at most %u",
                        (unsigned long long)count, NGI_FEEDBACK_TOKENS_MAX);
    return status;
}

/* Stages what changes; `*changes` is false if there is nothing to commit. */
static ng_status feedback_in(feedback_job *job, ng_txn *txn, bool *changes)
{
    ngi_mem *mem = ngi_store_mem(job->store);
    ng_status status;
    job->feedback.id = 0;
    NGI_TRY(ngi_feedback_find(job->store, job->collection, &job->feedback, &job->found));
    if (job->found.id != 0)
        return ngi_feedback_present(mem, &job->found, true, &job->result);
    NGI_TRY(feedback_check_room(job));
    NGI_TRY(feedback_effects(job, txn));
    *changes = job->feedback.change_count > 0;
    if (*changes)
        NGI_TRY(feedback_stage(job, txn));
    else
        job->feedback.seq = 0;
    NGI_TRY(ngi_feedback_present(mem, &job->feedback, false, &job->result));
out:
    return status;
}

static ng_status feedback_attempt(feedback_job *job, unsigned attempt)
{
    ng_txn_options options = {.struct_size = sizeof options, .if_seq = job->if_seq};
    ngi_os *os = ngi_store_os(job->store);
    ng_txn *txn;
    if (options.if_seq == 0 && attempt < FEEDBACK_ATTEMPTS_WITH_SEQ)
        ngi_store_positions(job->store, &options.if_seq, NULL);
    job->feedback.seq = options.if_seq != 0 ? options.if_seq + 1 : 0;
    job->feedback.time_us = os->clock_us(os);
    const ng_write_options write = ngi_feedback_write(job->write);
    bool changes = false;
    ng_status status = ngi_txn_begin(job->store, &options, &txn);
    if (status != NG_OK)
        return status;
    status = feedback_in(job, txn, &changes);
    if (status == NG_OK && changes) {
        status = ngi_txn_commit(txn, &write);
    } else {
        ngi_txn_rollback(txn);
        if (write.seq != NULL)
            *write.seq = 0;
    }
    if (status != NG_OK) {
        ngi_mind_feedback_result_destroy(job->result);
        job->result = NULL;
    }
    return status;
}

static ng_status feedback_collection(feedback_job *job)
{
    ng_write_options write = ngi_feedback_write(job->write);
    job->if_seq = job->write != NULL ? job->write->if_seq : 0;
    ng_status status = ngi_feedback_collection(job->store, &job->collection);
    if (status != NG_E_NOT_FOUND)
        return status;
    ng_seq made = 0;
    write.if_seq = job->if_seq;
    write.seq = &made;
    status =
        ngi_store_collection_create(job->store, NGI_FEEDBACK_COLLECTION, &write, &job->collection);
    if (status == NG_E_EXISTS)
        return ngi_feedback_collection(job->store, &job->collection);
    if (status == NG_OK && job->if_seq != 0)
        job->if_seq = made;
    return status;
}

static ng_status feedback_run(feedback_job *job)
{
    ng_status status = feedback_ask(job);
    if (status == NG_OK)
        status = feedback_collection(job);
    if (status != NG_OK)
        return status;
    unsigned attempt = 0;
    do
        status = feedback_attempt(job, attempt++);
    while (ngi_feedback_again(status, job->write, attempt));
    return status;
}

ng_status ngi_mind_feedback(ng_store *store, const ng_feedback_options *options,
                            const ng_write_options *write, ng_feedback_result **out)
{
    void *block;
    ng_status status = ngi_alloc(ngi_store_mem(store), sizeof(feedback_job), "feedback", &block);
    if (status != NG_OK)
        return status;
    feedback_job *job = block;
    memset(job, 0, sizeof *job);
    job->store = store;
    job->options = options;
    job->write = write;
    status = feedback_run(job);
    if (status == NG_OK)
        *out = job->result;
    ngi_free(ngi_store_mem(store), block, sizeof *job);
    return status;
}
