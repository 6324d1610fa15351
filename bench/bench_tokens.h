/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens for the benchmarks of durability: seeded, so that every side and every run has the same. */
#ifndef BENCH_TOKENS_H
#define BENCH_TOKENS_H

#include "bench_harness.h"
#include "neurograph.h"

#define BENCH_BATCH 1000 /* tokens of one call */

/** Fills `count` records with random coordinates in the spaces of `spaces` (bits), which fit the
 *  default encoding. */
void bench_tokens_fill(ng_token_fields *fields, size_t count, unsigned spaces, uint64_t *random);
/** Creates `count` tokens in batches of BENCH_BATCH, waiting for the disk as `durability` says. */
bool bench_tokens_create(ng_store *store, uint64_t count, unsigned spaces, ng_durability durability,
                         uint64_t *random);
/** Complains with ng_last_error unless `status` is NG_OK. */
bool bench_ok(ng_status status, const char *what);

#endif
