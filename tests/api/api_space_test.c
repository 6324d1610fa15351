/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Search in space through the public header: what each call refuses, deadlines and cancellation, many
 * tokens at one point, statistics, rebuilding, reopening. Answers themselves: tests/model. */
#include "api_support.h"
#include "test_directory.h"

#include <math.h>

static ng_store *space_store(const char *path)
{
    ng_store *store;
    ASSERT_OK(ng_open(path, NULL, &store));
    return store;
}

/* `count` tokens in two spaces; all at one point if `step` is 0. */
static void put_tokens(ng_store *store, size_t count, float step)
{
    static ng_token_fields fields[1000];
    static ng_token_id ids[1000];
    for (size_t done = 0; done < count;) {
        size_t batch = count - done < 1000 ? count - done : 1000;
        for (size_t i = 0; i < batch; i++) {
            float at = step * (float)((done + i) % 1000);
            fields[i] = (ng_token_fields){.struct_size = sizeof fields[i], .spaces_set = 0x81};
            for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
                fields[i].coordinates[NG_SPACE_PHYSICAL][axis] = at;
                fields[i].coordinates[NG_SPACE_ABSTRACT][axis] = at / 1000;
            }
        }
        const ng_write_options write = {.struct_size = sizeof write,
                                        .durability = NG_DURABILITY_NONE};
        ASSERT_OK(ng_token_create_many(store, fields, batch, &write, ids));
        done += batch;
    }
}

static const float origin[NG_AXIS_COUNT] = {0, 0, 0};

static void test_refusals(void **state)
{
    (void)state;
    ng_store *store = space_store(NULL);
    ng_search_options options = {.struct_size = sizeof options};
    ng_hit hits[4];
    size_t count;
    uint64_t number;
    double value;
    const float high[NG_AXIS_COUNT] = {1, 1, -1}, far[NG_AXIS_COUNT] = {400, 0, 0};
    options.metric = 3;
    ASSERT_FAILS(ng_grid_nearest(store, NG_SPACE_PHYSICAL, origin, &options, hits, 4, &count),
                 NG_E_INVALID, "metric 3 is outside 0..2");
    options = (ng_search_options){.struct_size = sizeof options, .flags = 6};
    ASSERT_FAILS(ng_grid_range(store, NG_SPACE_PHYSICAL, origin, 1, &options, hits, 4, &count),
                 NG_E_INVALID, "flags 0x6");
    options = (ng_search_options){.struct_size = sizeof options, .max_distance = -1};
    ASSERT_FAILS(ng_grid_nearest(store, NG_SPACE_PHYSICAL, origin, &options, hits, 4, &count),
                 NG_E_INVALID, "max_distance -1 is outside 0..inf");
    options.max_distance = 2;
    ASSERT_FAILS(ng_grid_range(store, NG_SPACE_PHYSICAL, origin, 1, &options, hits, 4, &count),
                 NG_E_INVALID, "max_distance 2 is for searches of the nearest");
    ASSERT_FAILS(ng_grid_count(store, NG_SPACE_PHYSICAL, origin, 1, &options, &number),
                 NG_E_INVALID, "max_distance");
    options.struct_size = 3;
    ASSERT_FAILS(ng_grid_count(store, NG_SPACE_PHYSICAL, origin, 1, &options, &number),
                 NG_E_INVALID, "options.struct_size 3");
    ASSERT_FAILS(ng_grid_box(store, NG_SPACE_PHYSICAL, origin, high, NULL, hits, 4, &count),
                 NG_E_INVALID, "low z 0 is above high -1");
    ASSERT_FAILS(ng_grid_box_count(store, NG_SPACE_PHYSICAL, origin, far, NULL, &number),
                 NG_E_INVALID, "coordinate x of space physical: 400");
    ASSERT_FAILS(ng_grid_density(store, NG_SPACE_PHYSICAL, origin, 0, NULL, &value, NULL),
                 NG_E_INVALID, "radius 0");
    ASSERT_FAILS(ng_grid_influence(store, NG_SPACE_PHYSICAL, origin, NAN, NULL, &value, NULL),
                 NG_E_INVALID, "radius nan");
    ASSERT_FAILS(ng_grid_stats_get(store, (ng_space)9, &(ng_grid_stats){0}), NG_E_INVALID,
                 "space 9 is outside 0..7");
    ASSERT_FAILS(ng_grid_rebuild(store, 256), NG_E_INVALID, "spaces 0x100 is outside 0..0xFF");
    ASSERT_OK(ng_close(store));
}

static void test_refusals_of_many(void **state)
{
    (void)state;
    ng_store *store = space_store(NULL);
    ng_hit hits[4];
    size_t counts[2];
    const float centers[2][NG_AXIS_COUNT] = {{0, 0, 0}, {0, 400, 0}};
    ASSERT_FAILS(ng_grid_many(store, NG_SPACE_PHYSICAL, centers, 2, 1, 2, NULL, hits, counts),
                 NG_E_INVALID, "center 1: coordinate y of space physical: 400");
    ASSERT_FAILS(ng_grid_many(store, NG_SPACE_PHYSICAL, centers, 1, 1, 0, NULL, hits, counts),
                 NG_E_INVALID, "max_hits 0 is outside 1..10000");
    ASSERT_FAILS(ng_grid_many(store, NG_SPACE_PHYSICAL, centers, 1, NAN, 2, NULL, hits, counts),
                 NG_E_INVALID, "radius nan");
    ASSERT_OK(ng_grid_many(store, NG_SPACE_PHYSICAL, NULL, 0, 1, 2, NULL, NULL, NULL));
    ng_multi_query query = {.struct_size = sizeof query};
    ASSERT_FAILS(ng_multi_nearest(store, &query, NULL, hits, 4, counts), NG_E_INVALID, "spaces 0");
    query.spaces = 3;
    query.weights[0] = 1;
    ASSERT_FAILS(ng_multi_nearest(store, &query, NULL, hits, 4, counts), NG_E_INVALID,
                 "weight 0 of space sensory is outside");
    query.weights[1] = INFINITY;
    ASSERT_FAILS(ng_multi_range(store, &query, 1, NULL, hits, 4, counts), NG_E_INVALID,
                 "weight inf of space sensory");
    query.weights[1] = 1;
    query.centers[1][2] = 5;
    ASSERT_FAILS(ng_multi_range(store, &query, 1, NULL, hits, 4, counts), NG_E_INVALID,
                 "coordinate z of space sensory");
    ng_search_options options = {.struct_size = sizeof options, .metric = NG_METRIC_MANHATTAN};
    query.centers[1][2] = 0;
    ASSERT_FAILS(ng_multi_nearest(store, &query, &options, hits, 4, counts), NG_E_INVALID,
                 "metric 1");
    ASSERT_OK(ng_multi_nearest(store, &query, NULL, hits, 4, counts));
    assert_int_equal(counts[0], 0);
    ASSERT_OK(ng_close(store));
}

static bool cancel_at_third(void *context)
{
    return ++*(int *)context >= 3;
}

/* A filter that takes nothing has to look at everything, so the search asks before it ends. */
static void test_cancellation(void **state)
{
    (void)state;
    ng_store *store = space_store(NULL);
    put_tokens(store, 40000, 0.3f);
    ng_filter filter = {.struct_size = sizeof filter, .flags_all = NG_TOKEN_USER_1};
    int asked = 0;
    ng_search_options options = {.struct_size = sizeof options,
                                 .filter = &filter,
                                 .cancelled = cancel_at_third,
                                 .context = &asked};
    ng_hit hits[4];
    size_t count = 7;
    ASSERT_FAILS(ng_grid_nearest(store, NG_SPACE_PHYSICAL, origin, &options, hits, 4, &count),
                 NG_E_CANCELLED, "cancelled");
    assert_int_equal(asked, 3);
    assert_int_equal(count, 0);
    options.cancelled = NULL;
    options.timeout_us = 1;
    ASSERT_FAILS(ng_grid_range(store, NG_SPACE_PHYSICAL, origin, 500, &options, hits, 4, &count),
                 NG_E_TIMEOUT, "1 us");
    options.timeout_us = 60000000;
    ASSERT_OK(ng_grid_range(store, NG_SPACE_PHYSICAL, origin, 500, &options, hits, 4, &count));
    assert_int_equal(count, 0);
    ASSERT_OK(ng_close(store));
}

static void test_all_at_one_point(void **state)
{
    (void)state;
    ng_store *store = space_store(NULL);
    put_tokens(store, 100000, 0);
    ng_hit hits[10];
    size_t count;
    uint64_t number;
    ASSERT_OK(ng_grid_nearest(store, NG_SPACE_PHYSICAL, origin, NULL, hits, 10, &count));
    assert_int_equal(count, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(hits[i].id, i + 1); /* equal distances by id */
        assert_true(hits[i].distance == 0.0f);
    }
    ASSERT_OK(ng_grid_range(store, NG_SPACE_PHYSICAL, origin, 0, NULL, hits, 10, &count));
    assert_int_equal(count, 100000);
    assert_int_equal(hits[9].id, 10);
    ASSERT_OK(ng_grid_count(store, NG_SPACE_PHYSICAL, origin, 0, NULL, &number));
    assert_int_equal(number, 100000);
    for (ng_token_id id = 1; id <= 5; id++)
        ASSERT_OK(ng_token_delete(store, id, NULL));
    ASSERT_OK(ng_grid_nearest(store, NG_SPACE_PHYSICAL, origin, NULL, hits, 1, &count));
    assert_int_equal(hits[0].id, 6);
    ASSERT_OK(ng_close(store));
}

static void test_stats_and_rebuild(void **state)
{
    (void)state;
    ng_store *store = space_store(NULL);
    ng_grid_stats stats;
    ASSERT_OK(ng_grid_stats_get(store, NG_SPACE_PHYSICAL, &stats));
    assert_int_equal(stats.token_count, 0);
    assert_int_equal(stats.depth, 0);
    put_tokens(store, 5000, 0.1f);
    ASSERT_OK(ng_grid_stats_get(store, NG_SPACE_PHYSICAL, &stats));
    assert_int_equal(stats.token_count, 5000);
    assert_true(stats.low[0] == 0.0f && fabsf(stats.high[2] - 99.9f) < 1e-4f);
    assert_true(stats.fill > 0.3 && stats.fill <= 1 && stats.depth >= 2);
    uint64_t before = 0, after = 0;
    ASSERT_OK(ng_state_hash(store, &before));
    ASSERT_OK(ng_grid_rebuild(store, 0));
    ASSERT_OK(ng_state_hash(store, &after));
    assert_true(before == after);
    double fill = stats.fill;
    ASSERT_OK(ng_grid_stats_get(store, NG_SPACE_PHYSICAL, &stats));
    assert_true(stats.fill >= fill && stats.token_count == 5000);
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_int_equal(report.problem_count, 0);
    ASSERT_OK(ng_close(store));
}

static void test_reopened(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    ng_hit before[20], after[20];
    size_t count_before, count_after;
    ng_store *store = space_store(directory);
    const float center[NG_AXIS_COUNT] = {30, 31, 29};
    put_tokens(store, 3000, 0.2f);
    ASSERT_OK(ng_checkpoint(store, NULL, NULL, NULL));
    put_tokens(store, 500, 0.3f);
    ASSERT_OK(ng_token_delete(store, 151, NULL));
    ASSERT_OK(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 50, NULL, before, 20, &count_before));
    ASSERT_OK(ng_close(store));
    store = space_store(directory);
    ASSERT_OK(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 50, NULL, after, 20, &count_after));
    assert_int_equal(count_before, count_after);
    assert_true(count_after > 20);
    for (size_t i = 0; i < 20; i++)
        assert_true(before[i].id == after[i].id && before[i].distance == after[i].distance);
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_int_equal(report.problem_count, 0);
    ASSERT_OK(ng_close(store));
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),          cmocka_unit_test(test_refusals_of_many),
        cmocka_unit_test(test_cancellation),      cmocka_unit_test(test_all_at_one_point),
        cmocka_unit_test(test_stats_and_rebuild), cmocka_unit_test(test_reopened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
