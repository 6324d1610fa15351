/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The answer to a query as one block of memory: header, result, hits, terms, edges, text. It comes
 * from malloc and not from the store's hook, so that it may outlive the store. */
#ifndef NGI_MIND_RESULT_H
#define NGI_MIND_RESULT_H

#include "mind/mind.h"
#include "mind/mind_cue.h"
#include "mind/mind_spelling.h"
#include "mind/mind_terms.h"

#define NGI_RESULT_EDGES_MAX 16 /* why, of one hit */

/** What an answer is made of. */
typedef struct ngi_result_request {
    const ngi_terms *terms;
    const ngi_cue *cue;
    const ng_score *scores;
    size_t score_count;
    bool why;
    uint8_t spaces; /* coordinates to show, a bit each */
    /** Words that were looked for by spelling, and which terms they are of. */
    const ngi_spelling *spellings;
    const uint32_t *spelling_terms;
    size_t spelling_count;
    bool is_corrected; /* the best match of each stands in for it */
    size_t suggest;    /* matches to show of each */
} ngi_result_request;

/** Labels, coordinates, and with `why` the connections between terms and hits, are read from the store
 *  here; what was deleted since it was found is left out. Owns: destroyed by
 *  ngi_mind_query_result_destroy. */
NG_MUST_USE ng_status ngi_result_create(const ng_store *store, const ngi_result_request *request,
                                        ng_query_result **out);

#endif
