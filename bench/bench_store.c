/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stores of points and searches in them. See bench_store.h. */
#include "bench_store.h"

#include <stdlib.h>
#include <string.h>

static bool points_create(ng_store *store, const bench_point *points, size_t count,
                          ng_token_fields *fields, ng_token_id *ids)
{
    for (size_t done = 0; done < count;) {
        size_t batch = count - done < BENCH_BATCH ? count - done : BENCH_BATCH;
        for (size_t i = 0; i < batch; i++) {
            fields[i] = (ng_token_fields){.struct_size = sizeof fields[i],
                                          .spaces_set = 1u << NG_SPACE_PHYSICAL};
            for (int axis = 0; axis < 3; axis++) {
                fields[i].coordinates[NG_SPACE_PHYSICAL][axis] = points[done + i].at[axis];
            }
        }
        if (!bench_ok(ng_token_create_many(store, fields, batch, NULL, ids),
                      "ng_token_create_many")) {
            return false;
        }
        if (ids[0] != done + 1 || ids[batch - 1] != done + batch) {
            return bench_complain("the ids of a new store are not 1, 2, 3, ...");
        }
        done += batch;
    }
    return true;
}

bool bench_store_create(const bench_point *points, size_t count, ng_store **out)
{
    ng_open_options options = {.struct_size = sizeof options};
    for (int axis = 0; axis < 3; axis++) {
        options.scales[NG_SPACE_PHYSICAL][axis] = 1;
    }
    *out = NULL;
    ng_token_fields *fields = calloc(BENCH_BATCH, sizeof *fields);
    ng_token_id *ids = calloc(BENCH_BATCH, sizeof *ids);
    bool good = fields != NULL && ids != NULL ? bench_ok(ng_open(NULL, &options, out), "ng_open")
                                              : bench_complain("out of memory");
    good = good && points_create(*out, points, count, fields, ids);
    free(fields);
    free(ids);
    if (!good) {
        ng_close(*out);
        *out = NULL;
    }
    return good;
}

bool bench_store_pack(ng_store *store, unsigned spaces)
{
    return bench_ok(ng_grid_rebuild(store, spaces), "ng_grid_rebuild");
}

bool bench_store_radius(const ng_store *store, const bench_ball *ball, ng_hit *out, size_t capacity,
                        size_t *count)
{
    const ng_search_options options = {.struct_size = sizeof options,
                                       .flags = ball->unordered ? NG_SEARCH_UNORDERED : 0};
    return bench_ok(ng_grid_range(store, NG_SPACE_PHYSICAL, ball->center, ball->radius, &options,
                                  out, capacity, count),
                    "ng_grid_range");
}

bool bench_store_nearest(const ng_store *store, const float center[3], ng_hit *out, size_t capacity,
                         size_t *count)
{
    return bench_ok(ng_grid_nearest(store, NG_SPACE_PHYSICAL, center, NULL, out, capacity, count),
                    "ng_grid_nearest");
}

bool bench_store_nearest_all(const ng_store *store, float centers[NG_SPACE_COUNT][NG_AXIS_COUNT],
                             ng_hit *out, size_t capacity, size_t *count)
{
    ng_multi_query query = {.struct_size = sizeof query, .spaces = 0xFF};
    memcpy(query.centers, centers, sizeof query.centers);
    return bench_ok(ng_multi_nearest(store, &query, NULL, out, capacity, count),
                    "ng_multi_nearest");
}

bool bench_store_move(ng_store *store, const ng_token_id *ids, const ng_token_fields *fields,
                      size_t count)
{
    return bench_ok(ng_token_update_many(store, ids, fields, count, NULL), "ng_token_update_many");
}
