/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A cue: what a question asks for, however it is written, and what feedback has learned about it.
 *
 * The terms are tokens, ascending by id, each once, with its weight relative to the heaviest one's
 * (1,000,000), negative if it is subtracted. Their hash names the cue. What was learned are priors:
 * integers of 1e-9 units of score, so that they are stored, compared and taken back exactly.
 *
 * A cue with priors is a token of the collection `feedback`:
 *
 *     label    cue:HASH                   15 hexadecimal digits
 *     payload  {"terms":[[id,weight],...],"priors":[[id,prior],...]}
 *
 * A signal names one answer: the hash and a nonce, as a UUID of version 8 (RFC 9562). */
#ifndef NGI_MIND_CUE_H
#define NGI_MIND_CUE_H

#include "mind/mind_terms.h"
#include "store/store.h"
#include "store/store_answers.h"

#define NGI_FEEDBACK_COLLECTION "feedback"
#define NGI_CUE_LABEL_ROOM 20
#define NGI_CUE_WEIGHT 1000000
#define NGI_PRIOR_UNIT 1e-9
#define NGI_PRIOR_MAX 1000000000

typedef struct ngi_cue_prior {
    ng_token_id id;
    int32_t value; /* not 0; in units of NGI_PRIOR_UNIT, at most NGI_PRIOR_MAX either way */
} ngi_cue_prior;

typedef struct ngi_cue {
    uint64_t hash; /* 60 bits; of no terms 0 */
    size_t term_count, prior_count;
    ngi_cue_term terms[NGI_QUERY_TERMS_MAX];
    ngi_cue_prior priors[NGI_FEEDBACK_PRIORS_MAX];
    ng_token_id token; /* that holds it, 0 = none */
    uint32_t version;  /* of that, or an older one */
} ngi_cue;

/** The cue of what was found of a text; of the examples of a recall. */
void ngi_cue_of_terms(ngi_cue *cue, const ngi_terms *terms);
void ngi_cue_of_tokens(ngi_cue *cue, const ng_token_id *ids, size_t count);
/** The cue of terms that one had before. */
void ngi_cue_of_cue(ngi_cue *cue, const ngi_cue_term *terms, size_t count);
/** Reads what was learned: nothing if there is nothing, or if its token is not what feedback writes;
 *  then `*is_foreign` (may be NULL) is true. NG_E_NOMEM, NG_E_LATCHED. */
NG_MUST_USE ng_status ngi_cue_load(const ng_store *store, ngi_cue *cue, bool *is_foreign);
/** The prior of a token, 0 = none. */
int32_t ngi_cue_prior_of(const ngi_cue *cue, ng_token_id id);
/** Sets it; 0 removes it. False: there are too many. */
bool ngi_cue_set_prior(ngi_cue *cue, ng_token_id id, int32_t value);
void ngi_cue_label(const ngi_cue *cue, char out[NGI_CUE_LABEL_ROOM]);
/** Appends the payload to `out`. */
NG_MUST_USE ng_status ngi_cue_payload(ngi_mem *mem, const ngi_cue *cue, ngi_buffer *out);
/** The question by labels, cut to fit: "king - man + 0.5*woman". */
void ngi_cue_text(const ng_store *store, const ngi_cue *cue, char *out, size_t room);

void ngi_signal_write(uint64_t cue, uint64_t nonce, char out[NG_SIGNAL_ROOM]);
/** NG_E_INVALID: it is none. */
NG_MUST_USE ng_status ngi_signal_read(const char *text, uint64_t *cue, uint64_t *nonce);
/** Remembers an answer to this cue with the hits given so far, and writes its signal. */
void ngi_cue_answered(const ng_store *store, const ngi_cue *cue, ngi_answer *answer,
                      char signal[NG_SIGNAL_ROOM]);

#endif
