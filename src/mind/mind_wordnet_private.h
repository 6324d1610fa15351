/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the reader of the files (mind_wordnet_read.c) leaves for the walk over the relations
 * (mind_wordnet.c). */
#ifndef NGI_MIND_WORDNET_PRIVATE_H
#define NGI_MIND_WORDNET_PRIVATE_H

#include "mind/mind_wordnet.h"

typedef enum wordnet_part {
    WORDNET_NOUN,
    WORDNET_VERB,
    WORDNET_ADJECTIVE,
    WORDNET_ADVERB,
    WORDNET_PART_COUNT
} wordnet_part;

typedef struct wordnet_synset {
    uint32_t first_word; /* index into words[]; ends where the next synset's begin */
    uint32_t first_pointer;
    uint32_t line; /* in its file, for messages */
    uint8_t part;
} wordnet_synset;

typedef struct wordnet_pointer {
    uint32_t target; /* offset in its file while reading; the synset's index once resolved */
    uint8_t part;    /* of the target */
    uint8_t type;
    uint8_t is_reversed; /* a member pointer of a domain: the relation runs from the target here */
    uint8_t source_word; /* 1, 2, ...; both 0 = every word with every word */
    uint8_t target_word;
} wordnet_pointer;

/* A growable array of records in a buffer. */
typedef struct wordnet_array {
    ngi_buffer buffer;
    uint32_t count;
} wordnet_array;

struct ngi_wordnet {
    ngi_strings strings;
    wordnet_array synsets;  /* of wordnet_synset, and one more that ends the last */
    wordnet_array words;    /* of uint32_t: numbers of strings */
    wordnet_array pointers; /* of wordnet_pointer */
    ngi_keys by_offset;     /* (part + 1) << 32 | offset -> synset */

    /* The walk: the next relation is (a, b) of step `step` of synset `synset`; step 0 are the
     * synonyms, step n the pointer n - 1. */
    ngi_keys seen; /* source << 36 | target << 8 | type */
    uint32_t synset, step, a, b;
};

static inline wordnet_synset *wordnet_synset_at(const ngi_wordnet *wordnet, uint32_t index)
{
    return (wordnet_synset *)(void *)wordnet->synsets.buffer.data + index;
}

static inline wordnet_pointer *wordnet_pointer_at(const ngi_wordnet *wordnet, uint32_t index)
{
    return (wordnet_pointer *)(void *)wordnet->pointers.buffer.data + index;
}

static inline uint32_t wordnet_word_at(const ngi_wordnet *wordnet, uint32_t index)
{
    return ((uint32_t *)(void *)wordnet->words.buffer.data)[index];
}

/** Synsets, not counting the one that ends the last. */
static inline uint32_t wordnet_synset_count(const ngi_wordnet *wordnet)
{
    return wordnet->synsets.count - 1;
}

/** Fills an empty lexicon from the files of `directory`. */
NG_MUST_USE ng_status ngi_wordnet_read(ngi_mem *mem, ngi_os *os, const char *directory,
                                       const ngi_wordnet_watch *watch, ngi_wordnet *wordnet);

#endif
