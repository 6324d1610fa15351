/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Embeddings as text: a word and its numbers a line, separated by blanks or tabs.
 *
 *     the -0.038194 -0.24487 0.72812 ...         GloVe: nothing before the first word
 *     400000 100                                 word2vec, fastText: first line, words and numbers
 *
 * Invariants: 1. every word handed out has `dimensions` finite numbers.
 *             2. the dimension never changes after the first line. */
#ifndef NGI_MIND_GLOVE_H
#define NGI_MIND_GLOVE_H

#include "mind/mind_words.h"
#include "os/os_reader.h"

typedef struct ngi_glove {
    ngi_reader reader;
    uint32_t dimensions;      /* 0 until the first line */
    uint64_t announced_words; /* of a word2vec header */
    uint64_t word_count;
    bool has_header;
    float vector[NGI_DIMENSIONS_MAX];
} ngi_glove;

/** Opens `path`, which must outlive the stream. */
NG_MUST_USE ng_status ngi_glove_open(ngi_mem *mem, ngi_os *os, const char *path, ngi_glove **out);
void ngi_glove_close(ngi_mem *mem, ngi_glove *glove);
/** The next word; `*end` is set instead after the last.
 *  Errors: NG_E_FORMAT "FILE line N: expected 100 numbers, got 99", "... number 7 is not finite:
 *  'nan'", "... 'abc' is not a number", "... the word is not valid UTF-8", "FILE: ends in the
 *  middle of line N (truncated file)"; NG_E_IO. */
NG_MUST_USE ng_status ngi_glove_next(ngi_glove *glove, ngi_word *out, bool *end);

#endif
