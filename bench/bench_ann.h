/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A side of bench_semantic_ann: an index of unit vectors that finds most of the nearest. */
#ifndef BENCH_ANN_H
#define BENCH_ANN_H

#include "bench_harness.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_ANN_SETTINGS_MAX 4

typedef struct bench_ann_vectors {
    const float *unit; /* [count][dimensions] */
    size_t count, dimensions;
} bench_ann_vectors;

typedef struct bench_ann {
    const char *name, *version;
    size_t setting_count; /* ways to build it */
    const char *settings[BENCH_ANN_SETTINGS_MAX];
    /** Builds an index; NULL after a complaint. `*seconds` = what is timed of it. */
    void *(*build)(const bench_ann_vectors *vectors, size_t setting, double *seconds);
    /** The `limit` nearest, by scalar product, to `query`: numbers of vectors, in any order. */
    bool (*search)(void *index, const float *query, size_t effort, size_t limit, uint32_t *out,
                   size_t *count);
    void (*destroy)(void *index);
} bench_ann;

extern const bench_ann bench_ann_ours, bench_ann_hnswlib;

#ifdef __cplusplus
}
#endif
#endif
