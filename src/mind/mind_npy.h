/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Embeddings as a NumPy array with a vocabulary beside it.
 *
 *     X.npy        93 'NUMPY', version 1.0, 2.0 or 3.0, length of the header (2 bytes, from 2.0 on 4),
 *                  {'descr': '<f4', 'fortran_order': False, 'shape': (400000, 100), }
 *                  then the rows: 16-, 32- or 64-bit floats, little-endian
 *     X.vocab      a word a line, in the order of the rows; else X.txt, else vocab.txt in the same
 *                  folder, or a file that is named
 *
 * Source: NumPy Enhancement Proposal 1, and numpy.lib.format.
 *
 * Invariants: 1. every word handed out has `dimensions` finite numbers.
 *             2. nothing is allocated by what the header announces.
 *             3. the vocabulary has as many lines as the array has rows, which is found out before
 *                the first word is handed out. */
#ifndef NGI_MIND_NPY_H
#define NGI_MIND_NPY_H

#include "mind/mind_words.h"

#define NGI_NPY_MAGIC "\x93NUMPY"
#define NGI_NPY_MAGIC_BYTES 6

typedef struct ngi_npy_shape {
    unsigned item_bytes; /* of a number: 2, 4 or 8 */
    uint64_t rows;
    uint32_t dimensions;
} ngi_npy_shape;

typedef struct ngi_npy {
    ngi_mem *mem;
    ngi_os *os;
    ngi_reader reader;
    ngi_reader vocabulary;
    char *vocabulary_path;
    size_t path_bytes; /* of the block */
    ngi_npy_shape shape;
    uint64_t row_count; /* handed out */
    float vector[NGI_DIMENSIONS_MAX];
} ngi_npy;

/** Opens `path`, which must outlive the stream, reads its header, and counts the lines of the
 *  vocabulary. `vocabulary` NULL: looks for it.
 *  Errors: NG_E_FORMAT "FILE byte N: ..." for what is wrong in the header, "FILE: dtype '>f4' is none
 *  of '<f2', '<f4' and '<f8'", "VOCABULARY: 99 lines, but FILE has 100 rows"; NG_E_NOT_FOUND "FILE: no
 *  vocabulary: ..."; NG_E_IO. */
NG_MUST_USE ng_status ngi_npy_open(ngi_mem *mem, ngi_os *os, const char *path,
                                   const char *vocabulary, ngi_npy **out);
void ngi_npy_close(ngi_mem *mem, ngi_npy *npy);
/** The next word; `*end` is set instead after the last, when nothing follows it.
 *  Errors: NG_E_FORMAT "FILE byte N: number 7 of row 3 is not finite", "FILE: ends in the middle of
 *  row 7 of 100 (truncated file)", "VOCABULARY line 3: the word is not valid UTF-8"; NG_E_IO. */
NG_MUST_USE ng_status ngi_npy_next(ngi_npy *npy, ngi_word *out, bool *end);

/** Reads magic, version and header (mind_npy_header.c). Errors: those of ngi_npy_open. */
NG_MUST_USE ng_status ngi_npy_read_header(ngi_reader *reader, ngi_npy_shape *out);

#endif
