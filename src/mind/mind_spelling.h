/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The labels whose spelling is nearest to a word: optimal string alignment (Damerau-Levenshtein in
 * which no part is edited twice) on Unicode code points, after folding.
 *
 *     code points of the word   1   2..4   5..64   more
 *     distance at most          -    1       2      -
 *
 * A word of one code point would be nearest to every other, and a longer one than 64 is no word;
 * neither has a match. Labels are offered one by one in the order of their ids, so there is no index
 * to keep up: one pass over 341,479 labels took 7 ms, because all but a few are told apart by their
 * length and by a set of 64 bits of the code points in them, which an edit changes by one each way at
 * most.
 *
 * Knows nothing of the store. */
#ifndef NGI_MIND_SPELLING_H
#define NGI_MIND_SPELLING_H

#include "base/base_error.h"
#include "base/base_limits.h"

#define NGI_SPELLING_CODES_MAX 64u
#define NGI_SPELLING_EDITS_MAX 2u

typedef struct ngi_spelling_match {
    ng_token_id id;
    uint32_t distance;
    bool has_vector;
} ngi_spelling_match;

/** One word, and the best labels that were offered so far: nearest first, of equally near ones
 *  those with a vector, then the lowest id. */
typedef struct ngi_spelling {
    uint32_t codes[NGI_SPELLING_CODES_MAX];
    uint32_t code_count;
    uint32_t cutoff;    /* a label that is farther cannot enter */
    uint64_t signature; /* a bit for each code point, modulo 64 */
    size_t want, count;
    ngi_spelling_match matches[NGI_QUERY_SUGGEST_MAX];
} ngi_spelling;

/** Distance of two texts of code points if it is at most `cutoff`, otherwise cutoff + 1. Neither has
 *  more than NGI_SPELLING_CODES_MAX + NGI_SPELLING_EDITS_MAX of them; cutoff is at most
 *  NGI_SPELLING_EDITS_MAX. */
uint32_t ngi_spelling_distance(const uint32_t *a, uint32_t a_count, const uint32_t *b,
                               uint32_t b_count, uint32_t cutoff);

/** Begins a search for the `want` (1..NGI_QUERY_SUGGEST_MAX) labels nearest to a word, which is
 *  folded. False: no label can match it. */
bool ngi_spelling_begin(ngi_spelling *spelling, const char *word, size_t bytes, size_t want);
/** Offers a label to `count` words. Offered in ascending order of ids. */
void ngi_spelling_offer(ngi_spelling *spellings, size_t count, ng_token_id id, const char *label,
                        size_t bytes, bool has_vector);

#endif
