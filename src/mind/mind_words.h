/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A word with its vector, as the readers of embedding files hand it out, and a file of any of their
 * formats as one thing.
 *
 * A format decides nothing but how bytes become words: what is loaded is the same for all. */
#ifndef NGI_MIND_WORDS_H
#define NGI_MIND_WORDS_H

#include "base/base_limits.h"
#include "os/os_reader.h"

#include <stddef.h>
#include <stdint.h>

typedef struct ngi_word {
    const char *text; /* UTF-8 as in the file; valid until the next call */
    size_t bytes;
    const float *vector; /* [dimensions], finite; valid until the next call */
    const char *path;    /* of the file in which the text stands */
    const char *unit;    /* "line" or "byte": what `position` counts, decompressed */
    uint64_t position;
} ngi_word;

/** An open file; zeroed = closed. One of the readers is set. */
typedef struct ngi_words {
    ngi_mem *mem;
    struct ngi_glove *glove;
    struct ngi_wink *wink;
    struct ngi_word2vec *word2vec;
    struct ngi_npy *npy;
} ngi_words;

/** Tells the format of a file by its content, decompressed if it is gzip.
 *  Errors: NG_E_FORMAT "FILE: is a zip archive, ..." for what is known and not read; those of
 *  ngi_gzip_reader_open. */
NG_MUST_USE ng_status ngi_words_detect(ngi_mem *mem, ngi_os *os, const char *path, ng_format *out);
/** Opens `path`, which must outlive the words, in a format of embeddings. `vocabulary` is for
 *  NG_FORMAT_NPY, and may be NULL. Errors: those of the reader's open. */
NG_MUST_USE ng_status ngi_words_open(ngi_words *words, ngi_mem *mem, ngi_os *os, ng_format format,
                                     const char *path, const char *vocabulary);
void ngi_words_close(ngi_words *words);
/** The next word; `*end` is set instead after the last. Errors: those of the reader. */
NG_MUST_USE ng_status ngi_words_next(ngi_words *words, ngi_word *out, bool *end);
/** 0 as long as it is not known: until the first word at most. */
uint32_t ngi_words_dimensions(const ngi_words *words);
/** The reader of the vectors, for progress. */
const ngi_reader *ngi_words_reader(const ngi_words *words);

#endif
