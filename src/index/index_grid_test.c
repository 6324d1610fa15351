/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The spatial scan against sorting everything, over distributions that make ties and extremes. */
#include "index/index_grid.h"
#include "os/os_testing.h"

#define TOKENS 3000u

typedef struct filter_odd {
    size_t calls;
} filter_odd;

static bool accept_odd(void *context, uint32_t slot)
{
    filter_odd *filter = context;
    filter->calls++;
    return slot % 2 == 1;
}

static int compare_hits(const void *left, const void *right)
{
    const ngi_grid_hit *a = left, *b = right;
    if (a->squared != b->squared)
        return a->squared < b->squared ? -1 : 1;
    return (a->slot > b->slot) - (a->slot < b->slot);
}

static size_t brute_force(const ngi_grid_search *search, const ng_token *records, ngi_grid_hit *out)
{
    size_t count = 0;
    for (uint32_t slot = 1; slot <= TOKENS; slot++) {
        const ng_token *record = &records[slot];
        int16_t raw[3];
        memcpy(raw, record->coordinates[search->space], sizeof raw);
        if (record->slot == 0 || raw[0] == NG_COORDINATE_ABSENT || slot == search->exclude_slot ||
            (record->flags & search->flags_all) != search->flags_all ||
            (search->accept != NULL && slot % 2 == 0))
            continue;
        uint64_t squared = ngi_metric_squared(&search->metric, raw, search->center);
        if (squared <= search->bound)
            out[count++] = (ngi_grid_hit){.squared = squared, .slot = slot};
    }
    qsort(out, count, sizeof *out, compare_hits);
    return count;
}

static void expect_same(const ngi_grid_search *wanted, const ng_token *records, size_t slice,
                        bool backwards)
{
    static ngi_grid_hit expected[TOKENS + 1];
    ngi_grid_search search = *wanted;
    search.heap = malloc((search.capacity + 1) * sizeof *search.heap);
    search.heap[search.capacity] = (ngi_grid_hit){.squared = 77, .slot = 99};
    if (backwards) {
        for (uint32_t slot = TOKENS; slot >= 1; slot--)
            ngi_grid_scan(&search, records, slot, 1);
    } else {
        for (uint32_t slot = 1; slot <= TOKENS; slot += (uint32_t)slice) {
            size_t left = TOKENS + 1 - slot;
            ngi_grid_scan(&search, records, slot, left < slice ? left : slice);
        }
    }
    ngi_grid_finish(&search);
    size_t count = brute_force(&search, records, expected);
    assert_int_equal(search.found, count);
    assert_int_equal(search.heap_count, count < search.capacity ? count : search.capacity);
    for (size_t i = 0; i < search.heap_count; i++) {
        assert_int_equal(search.heap[i].slot, expected[i].slot);
        assert_true(search.heap[i].squared == expected[i].squared);
    }
    assert_int_equal(search.heap[search.capacity].slot, 99);
    free(search.heap);
}

typedef enum shape { UNIFORM, ALL_EQUAL, LINE, EXTREMES, LATTICE, CLUSTERS, SHAPE_COUNT } shape;

static int16_t shape_raw(shape kind, int axis, uint32_t slot, uint64_t *seed)
{
    switch (kind) {
    case ALL_EQUAL:
        return 127;
    case LINE:
        return axis == 0 ? (int16_t)((int)slot * 10 - 15000) : 5;
    case EXTREMES:
        return testing_below(seed, 2) ? 32767 : -32767;
    case LATTICE:
        return (int16_t)((int)testing_below(seed, 5) - 2);
    case CLUSTERS:
        return (int16_t)((int)(slot % 3) * 9000 + (int)testing_below(seed, 40));
    case UNIFORM:
    case SHAPE_COUNT:
        break;
    }
    return (int16_t)((int)testing_below(seed, 65535) - 32767);
}

static ng_token *make_tokens(shape kind, uint64_t *seed)
{
    ng_token *records = calloc(TOKENS + 1, sizeof *records);
    for (uint32_t slot = 1; slot <= TOKENS; slot++) {
        if (slot % 13 == 0)
            continue; /* deleted: all zero, which is the origin of every space */
        ng_token *record = &records[slot];
        record->slot = slot;
        record->flags = (uint16_t)(slot % 3 ? NG_TOKEN_ACTIVE : 0);
        for (int space = 0; space < NG_SPACE_COUNT; space++)
            for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
                record->coordinates[space][axis] = (slot + (uint32_t)space) % 7 == 0
                                                       ? NG_COORDINATE_ABSENT
                                                       : shape_raw(kind, axis, slot, seed);
    }
    return records;
}

static void search_one(const ng_token *records, ng_space space, uint64_t *seed)
{
    ngi_encoding encoding;
    ngi_encoding_default(&encoding);
    ngi_grid_search search = {.space = space};
    ngi_metric_init(&search.metric, &encoding, space);
    uint32_t slot = 1 + testing_below(seed, TOKENS);
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        search.center[axis] = records[slot].coordinates[space][axis];
    if (search.center[0] == NG_COORDINATE_ABSENT)
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            search.center[axis] = -32767;
    static const float radii[] = {0.0f, 0.001f, 0.02f, 0.3f, 3.0f, 100.0f, 1000.0f};
    uint32_t radius = testing_below(seed, 8);
    search.bound = radius == 7 ? UINT64_MAX : ngi_metric_bound(&search.metric, radii[radius]);
    static const size_t capacities[] = {0, 1, 2, 3, 10, 100, TOKENS + 5};
    search.capacity = capacities[testing_below(seed, 7)];
    filter_odd filter = {0};
    if (testing_below(seed, 3) == 0)
        search.flags_all = NG_TOKEN_ACTIVE;
    if (testing_below(seed, 3) == 0)
        search.exclude_slot = slot;
    if (testing_below(seed, 3) == 0) {
        search.accept = accept_odd;
        search.context = &filter;
    }
    expect_same(&search, records, 1 + testing_below(seed, TOKENS), testing_below(seed, 4) == 0);
}

static void test_against_brute_force(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    for (int kind = 0; kind < SHAPE_COUNT; kind++) {
        ng_token *records = make_tokens((shape)kind, &seed);
        for (int i = 0; i < 240; i++)
            search_one(records, (ng_space)(i % NG_SPACE_COUNT), &seed);
        free(records);
    }
}

static ngi_grid_search everything(ng_space space, ngi_grid_hit *heap, size_t capacity)
{
    ngi_encoding encoding;
    ngi_encoding_default(&encoding);
    ngi_grid_search search = {.space = space,
                              .bound = UINT64_MAX,
                              .heap = heap,
                              .capacity = capacity};
    ngi_metric_init(&search.metric, &encoding, space);
    return search;
}

static void test_nothing(void **state)
{
    (void)state;
    ng_token records[4];
    memset(records, 0, sizeof records);
    ngi_grid_search search = everything(NG_SPACE_PHYSICAL, NULL, 0);
    ngi_grid_scan(&search, records, 1, 3); /* deleted tokens lie at the origin and do not count */
    ngi_grid_scan(&search, records, 1, 0);
    ngi_grid_finish(&search);
    assert_int_equal(search.found, 0);
    assert_int_equal(search.heap_count, 0);
}

static void test_capacity_zero_counts(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    ng_token *records = make_tokens(UNIFORM, &seed);
    ngi_grid_search counting = everything(NG_SPACE_MOTOR, NULL, 0);
    ngi_grid_scan(&counting, records, 1, TOKENS);
    ngi_grid_finish(&counting);
    size_t present = 0;
    for (uint32_t slot = 1; slot <= TOKENS; slot++)
        present += records[slot].slot != 0 && records[slot].coordinates[2][0] != INT16_MIN;
    assert_int_equal(counting.found, present);
    assert_int_equal(counting.heap_count, 0);
    free(records);
}

static void test_ties_by_slot(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    ng_token *records = make_tokens(ALL_EQUAL, &seed);
    ngi_grid_hit heap[5];
    ngi_grid_search search = everything(NG_SPACE_ABSTRACT, heap, 5);
    for (uint32_t slot = TOKENS; slot >= 1; slot--)
        ngi_grid_scan(&search, records, slot, 1);
    ngi_grid_finish(&search);
    uint32_t expected = 1;
    for (size_t i = 0; i < 5; i++, expected++) {
        while (records[expected].slot == 0 ||
               records[expected].coordinates[7][0] == NG_COORDINATE_ABSENT)
            expected++;
        assert_int_equal(heap[i].slot, expected);
    }
    free(records);
}

/* The metric of one space with scales 32768 : 1 : 1 reaches the largest squares there are. */
static void test_unequal_scales(void **state)
{
    (void)state;
    ngi_encoding encoding;
    ngi_encoding_default(&encoding);
    encoding.scale[0][0] = 32768;
    encoding.scale[0][1] = 1;
    encoding.scale[0][2] = 1;
    uint64_t seed = testing_seed(__func__);
    for (int kind = 0; kind < SHAPE_COUNT; kind++) {
        ng_token *records = make_tokens((shape)kind, &seed);
        ngi_grid_search search = {.space = NG_SPACE_PHYSICAL,
                                  .center = {-32767, -32767, -32767},
                                  .bound = UINT64_MAX,
                                  .capacity = 50};
        ngi_metric_init(&search.metric, &encoding, NG_SPACE_PHYSICAL);
        expect_same(&search, records, 100, false);
        search.bound = UINT64_C(1) << 63;
        expect_same(&search, records, TOKENS, true);
        free(records);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_brute_force),  cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_capacity_zero_counts), cmocka_unit_test(test_ties_by_slot),
        cmocka_unit_test(test_unequal_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
