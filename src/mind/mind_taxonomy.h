/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How near two words are by what they are kinds of: paths over Hypernym connections, after Li, Bandar and
 * McLean 2003, e^(-0.2 hops) x tanh(0.6 depth).
 *
 * Connections stand between words, so a word that has several senses leads to what is above each of
 * them. Senses are told apart by what the connections say:
 *   1. Words above a word that are synonyms of each other are one group: a synset as far as it can be seen.
 *   2. Above a group is what is above every word in it.
 *   3. Above a group of one word is what is above it and above none of its synonyms, if there is such: those
 *      belong to its other senses.
 *   4. Where m groups remain the sense is not known, and the step counts m hops instead of one. The first
 *      step, from a word itself, is one: any of its senses may be meant.
 * Two groups are the same if they share more than half of the words of the smaller one. */
#ifndef NGI_MIND_TAXONOMY_H
#define NGI_MIND_TAXONOMY_H

#include "mind/mind_table.h"
#include "store/store.h"

typedef struct ngi_taxonomic {
    bool is_known; /* both words have Hypernym or Similar connections, or one is above the other, or
                      they are synonyms */
    double similarity; /* 0..1 */
    uint32_t hops;     /* of the best path, or NG_FUSED_NO_PATH */
    uint32_t depth; /* of the group where it turns, 1 = topmost that was seen; 0 = of adjectives */
} ngi_taxonomic;

typedef struct ngi_taxonomy ngi_taxonomy;

/** What is read of words is kept until it is destroyed. */
NG_MUST_USE ng_status ngi_taxonomy_create(const ng_store *store, ngi_taxonomy **out);
void ngi_taxonomy_destroy(ngi_taxonomy *taxonomy);
/** Of two words that are not the same. A word that is gone has no connections. Errors: NG_E_NOMEM,
 *  NG_E_LATCHED. */
NG_MUST_USE ng_status ngi_taxonomy_compare(ngi_taxonomy *taxonomy, ng_token_id a, ng_token_id b,
                                           ngi_taxonomic *out);

#endif
