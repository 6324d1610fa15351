/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* NeuroGraph as a side: a store in memory, a token for each vector, its graph, plain cosine. What is
 * timed of building is ng_vector_graph_build. */
#include "bench_ann.h"
#include "bench_words.h"

#include <stdlib.h>

const size_t bench_ann_graph_efforts[] = {10,  12,  14,  17,  20,  25,  30,   40,   60, 80,
                                          120, 160, 240, 320, 480, 700, 1000, 1500, 0};

static const bench_ann_way ways[] = {{.name = "as it is", .efforts = bench_ann_graph_efforts}};

static void ours_destroy(void *index)
{
    ng_close(index);
}

static void *ours_build(const bench_ann *side, const bench_ann_vectors *vectors, size_t way,
                        double *seconds)
{
    (void)side;
    (void)way; /* there is one */
    const bench_words words = {.unit = (float *)vectors->unit,
                               .count = vectors->count,
                               .dimensions = vectors->dimensions};
    const bench_words_tokens how = {.collection = NG_COLLECTION_RUNTIME};
    const ng_vector_graph_options plain = {.struct_size = sizeof plain,
                                           .remove_components = NG_PLAIN_COSINE};
    ng_store *store = NULL;
    bool good = bench_ok(ng_open(NULL, NULL, &store), "ng_open") &&
                bench_words_create(store, &words, 0, words.count, &how);
    double began = bench_clock_seconds();
    if (!good ||
        !bench_ok(ng_vector_graph_build(store, &plain, NULL, NULL), "ng_vector_graph_build")) {
        ng_close(store);
        return NULL;
    }
    *seconds = bench_clock_seconds() - began;
    return store;
}

/** Vectors with all that searching them needs, and the graph; what tables keep ahead counts. */
static uint64_t ours_bytes(void *index)
{
    ng_memory memory;
    if (!bench_ok(ng_store_memory(index, &memory), "ng_store_memory")) {
        return 0;
    }
    return memory.parts[NG_MEMORY_VECTORS].bytes + memory.parts[NG_MEMORY_VECTOR_IMAGES].bytes +
           memory.parts[NG_MEMORY_VECTOR_ROWS].bytes;
}

static bool ours_search(void *index, const bench_ann_vectors *queries, size_t effort, uint32_t *out,
                        double *seconds)
{
    const ng_vector_options options = {.struct_size = sizeof options,
                                       .remove_components = NG_PLAIN_COSINE,
                                       .effort = (uint32_t)effort};
    double began = bench_clock_seconds();
    for (size_t i = 0; i < queries->count; i++, out += BENCH_ANN_NEAREST) {
        ng_score hits[BENCH_ANN_NEAREST];
        size_t count = 0;
        if (!bench_ok(ng_vector_nearest(index, queries->unit + i * queries->dimensions,
                                        queries->dimensions, &options, hits, BENCH_ANN_NEAREST,
                                        &count),
                      "ng_vector_nearest")) {
            return false;
        }
        for (size_t j = 0; j < BENCH_ANN_NEAREST; j++) {
            out[j] = j < count ? (uint32_t)hits[j].id - 1 : BENCH_ANN_NONE;
        }
    }
    *seconds = bench_clock_seconds() - began;
    return true;
}

static void ours_close(bench_ann *side)
{
    (void)side; /* keeps nothing */
}

bool bench_ann_open_ours(bench_ann *out)
{
    *out = (bench_ann){.name = "ours",
                       .version = ng_version(),
                       .ways = ways,
                       .way_count = sizeof ways / sizeof ways[0],
                       .build = ours_build,
                       .bytes = ours_bytes,
                       .search = ours_search,
                       .destroy = ours_destroy,
                       .close = ours_close};
    return true;
}
