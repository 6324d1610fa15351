/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Embeddings in the binary form of word2vec, which gensim writes too:
 *
 *     "3000000 300\n"              words and numbers, as text
 *     then for each word
 *     "word" " "                   no blank in it
 *     300 floats                   32 bits each, little-endian
 *     "\n"                         word2vec writes it, gensim does not
 *
 * Invariants: 1. every word handed out has `dimensions` finite numbers.
 *             2. nothing is allocated by what the header announces. */
#ifndef NGI_MIND_WORD2VEC_H
#define NGI_MIND_WORD2VEC_H

#include "mind/mind_words.h"

typedef struct ngi_word2vec {
    ngi_reader reader;
    uint32_t dimensions; /* 0 until the header was read */
    uint64_t announced_words;
    uint64_t word_count;
    float vector[NGI_DIMENSIONS_MAX];
} ngi_word2vec;

/** Whether a line is exactly two integers, the header of word2vec in both of its forms. */
bool ngi_word2vec_header(const char *text, size_t bytes, uint64_t *words, uint64_t *dimensions);

/** Opens `path`, which must outlive the stream. */
NG_MUST_USE ng_status ngi_word2vec_open(ngi_mem *mem, ngi_os *os, const char *path,
                                        ngi_word2vec **out);
void ngi_word2vec_close(ngi_mem *mem, ngi_word2vec *word2vec);
/** The next word; `*end` is set instead after the last, when nothing follows it.
 *  Errors: NG_E_FORMAT "FILE line 1: '...' is not the number of words and of dimensions", "FILE byte
 *  N: number 7 of 'the' is not finite", "FILE: announces 10 words, ends in the middle of word 7
 *  (truncated file)"; NG_E_IO. */
NG_MUST_USE ng_status ngi_word2vec_next(ngi_word2vec *word2vec, ngi_word *out, bool *end);

#endif
