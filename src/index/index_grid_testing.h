/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For unit tests only: points of many distributions, and searches by looking at every point. */
#ifndef NGI_INDEX_GRID_TESTING_H
#define NGI_INDEX_GRID_TESTING_H

#include "index/index_grid.h"
#include "os/os_testing.h"

#define GRID_TEST_SLOTS 3000u

/** Where points are: everywhere, in a few places, all at one, on a line, on a plane, in the corners, dense
 *  in the middle, ever denser towards a corner. */
typedef enum grid_test_distribution {
    GRID_TEST_UNIFORM,
    GRID_TEST_FEW,
    GRID_TEST_EQUAL,
    GRID_TEST_LINE,
    GRID_TEST_PLANE,
    GRID_TEST_CORNERS,
    GRID_TEST_DENSE,
    GRID_TEST_NESTED,
    GRID_TEST_COUNT
} grid_test_distribution;

static inline int16_t grid_test_within(uint64_t *random, int most)
{
    return (int16_t)((int)testing_below(random, 2 * (uint32_t)most + 1) - most);
}

static inline void grid_test_point(grid_test_distribution distribution, uint64_t *random,
                                   int16_t out[NG_AXIS_COUNT])
{
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        switch (distribution) {
        case GRID_TEST_FEW:
            out[axis] = grid_test_within(random, 3);
            break;
        case GRID_TEST_EQUAL:
            out[axis] = 5;
            break;
        case GRID_TEST_LINE:
            out[axis] = axis == 0 ? grid_test_within(random, 30000) : 7;
            break;
        case GRID_TEST_PLANE:
            out[axis] = axis < 2 ? grid_test_within(random, 20000) : -3;
            break;
        case GRID_TEST_CORNERS:
            out[axis] = testing_below(random, 2) ? NG_COORDINATE_MAX : -NG_COORDINATE_MAX;
            break;
        case GRID_TEST_DENSE:
            out[axis] = grid_test_within(random, 1000);
            break;
        case GRID_TEST_NESTED:
            out[axis] = (int16_t)(NG_COORDINATE_MAX -
                                  (int)(testing_below(random, 65535) >> testing_below(random, 16)));
            break;
        default:
            out[axis] = grid_test_within(random, NG_COORDINATE_MAX);
        }
    }
}

/** The twin: where each slot is. */
typedef struct grid_test_twin {
    int16_t at[GRID_TEST_SLOTS + 1][NG_AXIS_COUNT];
    bool is_there[GRID_TEST_SLOTS + 1];
} grid_test_twin;

static inline bool grid_test_matches(const ngi_grid_search *search, const int16_t *at,
                                     uint64_t *value)
{
    for (int axis = 0; axis < NG_AXIS_COUNT && search->by_box; axis++)
        if (at[axis] < search->low[axis] || at[axis] > search->high[axis])
            return false;
    *value = ngi_metric_value(&search->metric, at, search->center);
    return *value <= search->bound;
}

static inline int grid_test_compare(const void *a, const void *b)
{
    const ngi_grid_hit *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/** All hits in order; returns how many. `out` has room for GRID_TEST_SLOTS. */
static inline size_t grid_test_brute(const grid_test_twin *twin, const ngi_grid_search *search,
                                     ngi_grid_hit *out)
{
    size_t count = 0;
    for (uint32_t slot = 1; slot <= GRID_TEST_SLOTS; slot++) {
        uint64_t value;
        if (twin->is_there[slot] && slot != search->exclude_slot &&
            (search->accept == NULL || search->accept(search->context, slot)) &&
            grid_test_matches(search, twin->at[slot], &value))
            out[count++] = (ngi_grid_hit){value, slot};
    }
    qsort(out, count, sizeof *out, grid_test_compare);
    return count;
}

#endif
