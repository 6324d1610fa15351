/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A query by a text, in its steps: what ng_query is made of, and what a recall begins with. */
#ifndef NGI_MIND_QUERY_H
#define NGI_MIND_QUERY_H

#include "base/base_limits.h"
#include "mind/mind.h"
#include "mind/mind_cue.h"
#include "mind/mind_result.h"
#include "mind/mind_spelling.h"
#include "mind/mind_terms.h"

#define NGI_QUERY_NORM_MIN 1e-9 /* below it a sum of unit vectors is rounding, not a direction */

typedef struct ngi_query_job {
    const ng_store *store;
    ngi_mem *mem;
    ng_query_options options; /* defaults filled in */
    ngi_terms *terms;
    ngi_spelling *spellings; /* [spelling_capacity], of unknown words that may match something */
    uint32_t spelling_terms[NGI_QUERY_TERMS_MAX]; /* which term each is of */
    size_t spelling_count, spelling_capacity;
    bool is_corrected; /* none was known, and the best matches stand in for them */
    size_t unknown_count;
    size_t dimensions;
    double *sum; /* [dimensions] */
    bool has_direction;
    ng_token_id exclude[2 * NGI_QUERY_TERMS_MAX * NGI_PHRASE_WORDS_MAX];
    size_t exclude_count;
    ngi_cue cue;
    ng_score *scores; /* [score_capacity] */
    size_t score_count, score_capacity;
    uint64_t candidates;
} ngi_query_job;

/** Takes `text` apart, finds its words or what is spelled like them, sums their vectors, and reads what
 *  feedback has learned.
 *  Errors: those of ng_query. Owns: also when it failed, until ngi_query_release. */
NG_MUST_USE ng_status ngi_query_begin(ngi_query_job *job, const ng_store *store, const char *text,
                                      const ng_query_options *options);
/** A job that is all zero bytes is allowed. */
void ngi_query_release(ngi_query_job *job);
/** The answer with job->scores. Owns: the caller. */
NG_MUST_USE ng_status ngi_query_result(const ngi_query_job *job, ng_query_result **out);
/** The length of a vector. */
double ngi_query_norm(const double *vector, size_t dimensions);

#endif
