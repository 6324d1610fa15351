/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* NeuroGraph as a side of bench_index_grid: a store in memory with a token for each point, through
 * the public API. Hits go into an array of the caller; distances are Euclidean, not squared. */
#include "bench_spatial.h"
#include "bench_store.h"

#include <stdlib.h>

typedef struct ours_index {
    ng_store *store;
    ng_hit *hits; /* [capacity] */
    size_t capacity;
    size_t found;
} ours_index;

static void ours_destroy(void *index)
{
    ours_index *self = index;
    if (self != NULL) {
        ng_close(self->store);
        free(self->hits);
        free(self);
    }
}

static void *ours_create(const bench_point *points, size_t count, size_t setting)
{
    (void)setting; /* there is one */
    ours_index *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->capacity = count;
    self->hits = calloc(count, sizeof *self->hits);
    if (self->hits == NULL || !bench_store_create(points, count, &self->store)) {
        ours_destroy(self);
        return NULL;
    }
    return self;
}

static bool ours_build(void *index)
{
    const ours_index *self = index;
    return bench_store_pack(self->store, 1u << NG_SPACE_PHYSICAL);
}

static bool ours_radius(void *index, const bench_point *center, float radius, bool sorted,
                        size_t *count)
{
    ours_index *self = index;
    const bench_ball ball = {.center = center->at, .radius = radius, .unordered = !sorted};
    bool good = bench_store_radius(self->store, &ball, self->hits, self->capacity, count);
    self->found = *count;
    return good;
}

static bool ours_nearest(void *index, const bench_point *center, size_t wanted, size_t *count)
{
    ours_index *self = index;
    bool good = bench_store_nearest(self->store, center->at, self->hits, wanted, count);
    self->found = *count = *count < wanted ? *count : wanted;
    return good;
}

static void ours_found(const void *index, bench_found *out)
{
    const ours_index *self = index;
    for (size_t i = 0; i < self->found; i++) {
        float distance = self->hits[i].distance;
        out[i] = (bench_found){(uint32_t)self->hits[i].id - 1, distance * distance};
    }
}

const bench_spatial bench_spatial_ours = {
    .name = "ours",
    .version = "neurograph",
    .setting_count = 1,
    .settings = {"as it is"},
    .create = ours_create,
    .build = ours_build,
    .radius = ours_radius,
    .nearest = ours_nearest,
    .found = ours_found,
    .destroy = ours_destroy,
};
