/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* NeuroGraph as a side: a store in memory, a token for each vector, its graph, plain cosine. What is
 * timed of building is ng_vector_graph_build. */
#include "bench_ann.h"
#include "bench_tokens.h"

#include <stdlib.h>

#define LIMIT_MAX 100

typedef struct ours_index {
    ng_store *store;
    size_t dimensions;
} ours_index;

static void ours_destroy(void *index)
{
    ours_index *self = index;
    if (self != NULL) {
        ng_close(self->store);
        free(self);
    }
}

static bool ours_fill(ng_store *store, const bench_ann_vectors *vectors)
{
    ng_token_fields *fields = calloc(BENCH_BATCH, sizeof *fields);
    ng_token_id ids[BENCH_BATCH];
    bool good = fields != NULL || bench_complain("out of memory");
    for (size_t done = 0; good && done < vectors->count;) {
        size_t left = vectors->count - done;
        size_t batch = left < BENCH_BATCH ? left : BENCH_BATCH;
        for (size_t i = 0; i < batch; i++) {
            fields[i] =
                (ng_token_fields){.struct_size = sizeof fields[i],
                                  .set = NG_FIELD_VECTOR,
                                  .vector = vectors->unit + (done + i) * vectors->dimensions,
                                  .vector_dimensions = vectors->dimensions};
        }
        good =
            bench_ok(ng_token_create_many(store, fields, batch, NULL, ids), "ng_token_create_many");
        done += batch;
    }
    free(fields);
    return good;
}

static void *ours_build(const bench_ann_vectors *vectors, size_t setting, double *seconds)
{
    (void)setting; /* there is one */
    const ng_vector_graph_options plain = {.struct_size = sizeof plain,
                                           .remove_components = NG_PLAIN_COSINE};
    ours_index *self = calloc(1, sizeof *self);
    if (self == NULL) {
        bench_complain("out of memory");
        return NULL;
    }
    self->dimensions = vectors->dimensions;
    bool good =
        bench_ok(ng_open(NULL, NULL, &self->store), "ng_open") && ours_fill(self->store, vectors);
    double began = bench_clock_seconds();
    if (!good || !bench_ok(ng_vector_graph_build(self->store, &plain, NULL, NULL),
                           "ng_vector_graph_build")) {
        ours_destroy(self);
        return NULL;
    }
    *seconds = bench_clock_seconds() - began;
    return self;
}

static bool ours_search(void *index, const float *query, size_t effort, size_t limit, uint32_t *out,
                        size_t *count)
{
    const ours_index *self = index;
    const ng_vector_options options = {.struct_size = sizeof options,
                                       .remove_components = NG_PLAIN_COSINE,
                                       .effort = (uint32_t)effort};
    ng_score hits[LIMIT_MAX];
    if (!bench_ok(ng_vector_nearest(self->store, query, self->dimensions, &options, hits, limit,
                                    count),
                  "ng_vector_nearest")) {
        return false;
    }
    for (size_t i = 0; i < *count; i++) {
        out[i] = (uint32_t)hits[i].id - 1;
    }
    return true;
}

const bench_ann bench_ann_ours = {.name = "ours",
                                  .version = "neurograph",
                                  .setting_count = 1,
                                  .settings = {"as it is"},
                                  .build = ours_build,
                                  .search = ours_search,
                                  .destroy = ours_destroy};
