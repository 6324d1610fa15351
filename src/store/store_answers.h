/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The answers that were given last, so that feedback can name one by its signal alone. Volatile: what
 * feedback changes is in the log, which question it was about is here only until others follow, and
 * may as well be said again.
 *
 * Invariants: 1. a place of the ring holds one whole answer, or none (nonce 0); `next` is overwritten
 *                next.
 *             2. no two answers of one store have one nonce, also after it was opened again unless
 *                its clock was set back.
 *
 * Guard: `lock`, taken after every other one. */
#ifndef NGI_STORE_ANSWERS_H
#define NGI_STORE_ANSWERS_H

#include "base/base_limits.h"
#include "base/base_mem.h"
#include "os/os_thread.h"

/** A token that was asked for, with its weight relative to the heaviest one's, 1,000,000. */
typedef struct ngi_cue_term {
    ng_token_id id;
    int32_t weight; /* not 0; negative = it was subtracted */
} ngi_cue_term;

typedef struct ngi_answer_hit {
    ng_token_id id;
    uint32_t path_count;
    uint32_t path[NGI_RECALL_HOPS_MAX]; /* ids of connections that led there */
} ngi_answer_hit;

typedef struct ngi_answer {
    uint64_t cue;   /* hash of the terms, 60 bits */
    uint64_t nonce; /* 62 bits, never 0 */
    uint32_t term_count, hit_count;
    ngi_cue_term terms[NGI_QUERY_TERMS_MAX];
    ngi_answer_hit hits[NGI_ANSWER_HITS_MAX]; /* best first */
} ngi_answer;

typedef struct store_answers {
    ngi_mutex lock;
    uint64_t nonce; /* of the last one; 0 = there was none */
    size_t next;
    ngi_answer *ring; /* [NGI_ANSWERS_MAX], or NULL before the first one */
} store_answers;

NG_MUST_USE ng_status ngi_answers_init(store_answers *answers);
void ngi_answers_release(store_answers *answers, ngi_mem *mem);

/** Gives an answer its nonce and remembers it, if there is memory for that: no question is refused
 *  because feedback on it may have to say what was asked. */
void ngi_store_answer_add(const ng_store *store, ngi_answer *answer);
/** False: it was forgotten, or never given. */
bool ngi_store_answer_find(const ng_store *store, uint64_t cue, uint64_t nonce, ngi_answer *out);

#endif
