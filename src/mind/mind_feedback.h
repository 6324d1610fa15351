/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Feedback: what was given, what it changed, and how both are kept.
 *
 *      mind_feedback.c         from end to end: the question, its effects, one transaction
 *      mind_feedback_undo.c    taken back; listed
 *      mind_feedback_record.c  as a token: found, read, written
 *      mind_feedback_result.c  as what a caller gets
 *
 * In the collection `feedback`, beside cues (mind_cue.h):
 *
 *      head      payload {"last":N}: the number given last
 *      given:N   tag once:HASH of signal, type, hit and correct; payload the rest
 *
 * Invariants: 1. every change of a feedback is part of the op that writes `given:N`.
 *             2. numbers rise and are not given twice, because `head` is in every such op.
 *             3. no payload is trusted: one that is not what is written here is not there. */
#ifndef NGI_MIND_FEEDBACK_H
#define NGI_MIND_FEEDBACK_H

#include "mind/mind.h"
#include "mind/mind_cue.h"
#include "store/store_txn.h"

#define NGI_FEEDBACK_TEXT_ROOM 512
#define NGI_FEEDBACK_EFFECTS_MAX (2 + NGI_FEEDBACK_LINKS_MAX)
#define NGI_FEEDBACK_HEAD "head"
#define NGI_FEEDBACK_TAG_ROOM 24
#define NGI_FEEDBACK_WHOLE 1000000000 /* strength 1 */

typedef struct ngi_feedback_change {
    bool is_connection;
    bool is_restored;
    int32_t before, after; /* prior; or confidence x 255 */
    ng_token_id id;        /* token or connection */
    uint32_t source, target, type;
    uint32_t evidence_before, evidence_after;
    uint32_t update_before, update_after; /* last_update */
    bool was_modified;                    /* NG_CONNECTION_MODIFIED */
} ngi_feedback_change;

typedef struct ngi_feedback {
    uint64_t id; /* 0 = none */
    ng_token_id token;
    ng_feedback_type type;
    char signal[NG_SIGNAL_ROOM];
    char text[NGI_FEEDBACK_TEXT_ROOM];
    ng_token_id hit, correct;
    ng_seq seq;
    uint64_t time_us;
    uint32_t actor;
    int64_t strength; /* of NGI_FEEDBACK_WHOLE */
    size_t term_count;
    ngi_cue_term terms[NGI_QUERY_TERMS_MAX];
    size_t change_count;
    ngi_feedback_change changes[NGI_FEEDBACK_EFFECTS_MAX];
} ngi_feedback;

/* --- mind_feedback_record.c --- */

/** The collection; NG_E_NOT_FOUND: nothing was ever given. */
NG_MUST_USE ng_status ngi_feedback_collection(const ng_store *store, ng_collection_id *out);
/** The number given last, and the token that keeps it: 0 and 0 if there is none yet. */
NG_MUST_USE ng_status ngi_feedback_head(const ng_store *store, ng_collection_id collection,
                                        uint64_t *last, ng_token_info *head);
/** What was given as `id`; NG_E_NOT_FOUND. */
NG_MUST_USE ng_status ngi_feedback_load(const ng_store *store, ng_collection_id collection,
                                        uint64_t id, ngi_feedback *out);
/** What was given before and is the same as `like`; out->id 0 if there is none. */
NG_MUST_USE ng_status ngi_feedback_find(const ng_store *store, ng_collection_id collection,
                                        const ngi_feedback *like, ngi_feedback *out);
/** Stages the token `given:N`. */
NG_MUST_USE ng_status ngi_feedback_stage(ng_txn *txn, ng_collection_id collection,
                                         const ngi_feedback *feedback);
/** Stages `head` with the number `last`. */
NG_MUST_USE ng_status ngi_feedback_stage_head(ng_txn *txn, ng_collection_id collection,
                                              const ng_token_info *head, uint64_t last);
/** Stages what is known of a cue: its token is made, changed, or deleted when nothing is left. */
NG_MUST_USE ng_status ngi_feedback_stage_cue(ng_txn *txn, ng_collection_id collection,
                                             const ngi_cue *cue);

/* --- mind_feedback_undo.c --- */

/** The options of the commit of a transaction, from those of the call; the transaction has if_seq. */
ng_write_options ngi_feedback_write(const ng_write_options *write);
/** Whether a failed attempt is worth another one. */
bool ngi_feedback_again(ng_status status, const ng_write_options *write, unsigned attempt);

/* --- mind_feedback_result.c --- */

/** An answer that grows item by item. */
typedef struct ngi_feedback_page {
    ngi_mem *mem;
    ngi_buffer items, effects, text;
} ngi_feedback_page;

NG_MUST_USE ng_status ngi_feedback_page_add(ngi_feedback_page *page, const ngi_feedback *feedback);
NG_MUST_USE ng_status ngi_feedback_page_finish(const ngi_feedback_page *page, bool is_repeated,
                                               ng_feedback_result **out);
void ngi_feedback_page_release(ngi_feedback_page *page);
/** An answer of one. Before what it tells is committed, so that a failure changes nothing. */
NG_MUST_USE ng_status ngi_feedback_present(ngi_mem *mem, const ngi_feedback *feedback,
                                           bool is_repeated, ng_feedback_result **out);

#endif
