/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stores of points, and the searches in them that the benchmarks of the index time: the one place
 * where they call the part of the API that is measured.
 *
 * Functions complain with ng_last_error when a call fails. */
#ifndef BENCH_STORE_H
#define BENCH_STORE_H

#include "bench_points.h"
#include "bench_tokens.h"

typedef struct bench_ball {
    const float *center; /* [3] */
    float radius;
    bool unordered;
} bench_ball;

/** A store in memory with one raw step per unit in the physical space, and a token there for each
 *  point: ids 1, 2, 3, ... */
bool bench_store_create(const bench_point *points, size_t count, ng_store **out);
/** Packs the indexes of these spaces anew from the records. */
bool bench_store_pack(ng_store *store, unsigned spaces);
bool bench_store_radius(const ng_store *store, const bench_ball *ball, ng_hit *out, size_t capacity,
                        size_t *count);
bool bench_store_nearest(const ng_store *store, const float center[3], ng_hit *out, size_t capacity,
                         size_t *count);
/** The `capacity` nearest over all spaces, with the weights of the constitution. */
bool bench_store_nearest_all(const ng_store *store, float centers[NG_SPACE_COUNT][NG_AXIS_COUNT],
                             ng_hit *out, size_t capacity, size_t *count);
/** Moves tokens, at most BENCH_BATCH, in one op; no id twice. */
bool bench_store_move(ng_store *store, const ng_token_id *ids, const ng_token_fields *fields,
                      size_t count);

#endif
