/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens for benchmarks: seeded, so that every side and every run has the same. */
#ifndef BENCH_TOKENS_H
#define BENCH_TOKENS_H

#include "bench_harness.h"
#include "neurograph.h"

#define BENCH_BATCH 1000 /* tokens of one call */
#define BENCH_LABEL_BYTES 8

typedef struct bench_label {
    char text[BENCH_LABEL_BYTES]; /* not terminated */
} bench_label;

/** Fills `count` records with random coordinates in the spaces of `spaces` (bits), which fit the
 *  default encoding. */
void bench_tokens_fill(ng_token_fields *fields, size_t count, unsigned spaces, uint64_t *random);
/** Creates `count` tokens in batches of BENCH_BATCH, waiting for the disk as `durability` says. */
bool bench_tokens_create(ng_store *store, uint64_t count, unsigned spaces, ng_durability durability,
                         uint64_t *random);
/** Gives `count` records the labels of tokens first, first + 1, ... `labels` holds the text and
 *  must stay as long as the records. */
void bench_tokens_label(ng_token_fields *fields, bench_label *labels, size_t count, uint64_t first);
/** As bench_tokens_create, durability none, with labels for tokens 1, 2, 3, ... */
bool bench_tokens_create_labelled(ng_store *store, uint64_t count, unsigned spaces,
                                  uint64_t *random);
/** The label of token `number`. */
bench_label bench_label_of(uint64_t number);
/** Complains with ng_last_error unless `status` is NG_OK. */
bool bench_ok(ng_status status, const char *what);

#endif
