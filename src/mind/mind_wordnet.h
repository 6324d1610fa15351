/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* WordNet 3.0 as relations between words.
 *
 * The directory holds data.noun, data.verb, data.adj and data.adv; see wndb(5WN). After the
 * licence, whose lines begin with blanks, each line is one synset:
 *
 *     02084071 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 002 @ 02083346 n 0000 ... | gloss
 *     offset  file pos words (hex), word and its id ...   pointers: symbol offset pos source/target
 *
 * A pointer with source/target 0000 links the synsets: every word of one with every word of the
 * other. Otherwise two hexadecimal digits each number the word of the source and of the target.
 * Words are folded as labels are, '_' becomes a blank, the markers "(p)", "(a)" and "(ip)" of
 * adjectives are dropped. Relations to itself and repetitions are dropped.
 *
 * Invariants of a loaded lexicon: 1. every synset's words are numbers below word_count.
 *                                 2. every pointer's target is a synset, its word numbers exist. */
#ifndef NGI_MIND_WORDNET_H
#define NGI_MIND_WORDNET_H

#include "mind/mind_table.h"
#include "os/os.h"

typedef struct ngi_wordnet ngi_wordnet;

typedef struct ngi_relation {
    uint32_t source, target; /* numbers of words */
    uint8_t type;            /* as connections have: "source has `type` target" */
} ngi_relation;

/** Whether to go on; asked every few thousand lines. */
typedef struct ngi_wordnet_watch {
    ng_status (*step)(void *context, uint64_t words);
    void *context;
} ngi_wordnet_watch;

/** Reads the four files of `directory`. Errors: NG_E_NOT_FOUND (names the file), NG_E_FORMAT
 *  ("FILE line N: ..."), NG_E_IO, NG_E_NOMEM, and what `watch` (may be NULL) returns. */
NG_MUST_USE ng_status ngi_wordnet_load(ngi_mem *mem, ngi_os *os, const char *directory,
                                       const ngi_wordnet_watch *watch, ngi_wordnet **out);
void ngi_wordnet_destroy(ngi_mem *mem, ngi_wordnet *wordnet);

uint32_t ngi_wordnet_word_count(const ngi_wordnet *wordnet);
/** A word, without a NUL; valid as long as the lexicon. */
const char *ngi_wordnet_word(const ngi_wordnet *wordnet, uint32_t number, size_t *bytes);

/** The next relations, each once, in the order of the files: 1..capacity of them, 0 at the end. */
NG_MUST_USE ng_status ngi_wordnet_next(ngi_mem *mem, ngi_wordnet *wordnet, ngi_relation *out,
                                       size_t capacity, size_t *count);
/** How far ngi_wordnet_next has come, in synsets. */
void ngi_wordnet_position(const ngi_wordnet *wordnet, uint64_t *done, uint64_t *total);

#endif
