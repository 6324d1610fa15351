/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A side of bench_semantic_ann: an index of unit vectors that finds most of the nearest, built in one
 * way or another. Calls that fail have complained. */
#ifndef BENCH_ANN_H
#define BENCH_ANN_H

#include "bench_harness.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_ANN_NEAREST 10
#define BENCH_ANN_NONE UINT32_MAX /* in place of a row that was not found */
#define BENCH_ANN_EFFORTS_MAX 20

typedef struct bench_ann_vectors {
    const float *unit; /* [count][dimensions] */
    size_t count, dimensions;
} bench_ann_vectors;

/** A way to build an index, and how it is asked. */
typedef struct bench_ann_way {
    const char *name;
    bool is_extra;         /* built with --builds all only */
    const size_t *efforts; /* ascending, 0 behind the last */
} bench_ann_way;

typedef struct bench_ann {
    const char *name, *version;
    void *context; /* of the side */
    const bench_ann_way *ways;
    size_t way_count;
    /** Builds an index; NULL if it failed. `*seconds` = what is timed of it. */
    void *(*build)(const struct bench_ann *side, const bench_ann_vectors *vectors, size_t way,
                   double *seconds);
    /** What the index takes, vectors included, by the side's own account; 0 if it failed. */
    uint64_t (*bytes)(void *index);
    /** The nearest by scalar product to each query, in any order: rows, out[queries][NEAREST].
     *  `*seconds` = what is timed of it. */
    bool (*search)(void *index, const bench_ann_vectors *queries, size_t effort, uint32_t *out,
                   double *seconds);
    void (*destroy)(void *index);
    void (*close)(struct bench_ann *side);
} bench_ann;

/** Candidates kept by a search of a graph, from the fewest that make sense. */
extern const size_t bench_ann_graph_efforts[];

bool bench_ann_open_ours(bench_ann *out);
bool bench_ann_open_hnswlib(bench_ann *out);
/** Starts `python` with bench_ann_faiss.py; false after a complaint. */
bool bench_ann_open_faiss(const char *python, bench_ann *out);

#ifdef __cplusplus
}
#endif
#endif
