/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Clusters and fields by the public header: what is found, what is refused, what ends early. That they
 * are exact is tested beside the code, against twins. */
#include "api_support.h"

#include "test_random.h"

#include <math.h>
#include <stdlib.h>

#define PHYSICAL NG_SPACE_PHYSICAL

static const ng_cluster_query near_two = {.struct_size = sizeof near_two,
                                          .radius = 1.5f,
                                          .min_tokens = 2};

/* A token with a field. */
static ng_token_id field_at(ng_store *store, float x, float y, float radius, float strength)
{
    ng_token_id id = 0;
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_RADIUS | NG_FIELD_STRENGTH;
    fields.spaces_set = 1 << PHYSICAL;
    fields.coordinates[PHYSICAL][0] = x;
    fields.coordinates[PHYSICAL][1] = y;
    fields.field_radius = radius;
    fields.field_strength = strength;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    return id;
}

/* --- clusters -------------------------------------------------------------------------------- */

static void test_no_tokens(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_cluster cluster;
    ng_grid_field field;
    ng_cluster_member member;
    ng_cluster_members members = {.items = &member, .capacity = 1, .count = 9};
    size_t count = 9;
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &near_two, NULL, &cluster, 1, &count, &members));
    assert_int_equal(count, 0);
    assert_int_equal(members.count, 0);
    count = 9;
    ASSERT_OK(ng_grid_fields(store, PHYSICAL, NULL, NULL, &field, 1, &count));
    assert_int_equal(count, 0);
    ASSERT_OK(ng_close(store));
}

/* 1, 2, 3 in a row; 4, 5, 6, 7 at one place; 8 alone; 9 in another space. */
static ng_store *store_of_two(void)
{
    ng_store *store = api_memory_store();
    for (int i = 0; i < 3; i++)
        api_at(store, PHYSICAL, (float)i, 2, -1);
    for (int i = 0; i < 4; i++)
        api_at(store, PHYSICAL, 20, 0, 0);
    api_at(store, PHYSICAL, -50, 0, 0);
    api_at(store, NG_SPACE_SENSORY, 0, 0, 0);
    return store;
}

static void test_clusters(void **state)
{
    (void)state;
    ng_store *store = store_of_two();
    ng_cluster found[4];
    ng_cluster_member items[16];
    ng_cluster_members members = {.items = items, .capacity = 16};
    size_t count = 0;
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &near_two, NULL, found, 4, &count, &members));
    assert_int_equal(count, 2);
    assert_int_equal(found[0].token_count, 4);
    assert_int_equal(found[0].core_count, 4);
    assert_int_equal(found[0].lowest_id, 4);
    assert_true(found[0].center[0] == 20.0f && found[0].radius == 0.0f);
    assert_int_equal(found[1].token_count, 3);
    assert_int_equal(found[1].lowest_id, 1);
    assert_true(found[1].center[0] == 1.0f && found[1].center[1] == 2.0f);
    assert_true(found[1].low[0] == 0.0f && found[1].high[0] == 2.0f && found[1].low[2] == -1.0f);
    assert_true(found[1].radius == 1.0f);
    assert_int_equal(members.count, 8);
    static const uint32_t wanted[] = {2, 2, 2, 1, 1, 1, 1, 0};
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(items[i].id, i + 1);
        assert_int_equal(items[i].cluster, wanted[i]);
    }
    /* less room than there is; nothing beyond it is written */
    found[1].token_count = 77;
    items[3].id = 77;
    members.capacity = 3;
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &near_two, NULL, found, 1, &count, &members));
    assert_int_equal(count, 2);
    assert_int_equal(found[1].token_count, 77);
    assert_int_equal(members.count, 8);
    assert_int_equal(items[2].id, 3);
    assert_int_equal(items[3].id, 77);
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &near_two, NULL, NULL, 0, &count, NULL));
    assert_int_equal(count, 2);
    ASSERT_OK(ng_close(store));
}

static void test_borders(void **state)
{
    (void)state;
    ng_store *store = store_of_two();
    ng_cluster_query query = {.struct_size = sizeof query, .radius = 1.0f, .min_tokens = 3};
    ng_search_options options = {.struct_size = sizeof options};
    ng_cluster found[4];
    size_t count = 0;
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &query, NULL, found, 4, &count, NULL));
    assert_int_equal(count, 2);
    assert_int_equal(found[1].token_count, 3); /* the middle one is the only core */
    assert_int_equal(found[1].core_count, 1);
    query.radius = 200;
    query.min_tokens = 1;
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &query, NULL, found, 4, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(found[0].token_count, 8);
    query.radius = 22.0f; /* from (2, 2, -1) to (20, 0, 0): 18.1, 18 or 21 */
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &query, NULL, found, 4, &count, NULL));
    assert_int_equal(count, 2);
    query.radius = 18.05f;
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &query, &options, found, 4, &count, NULL));
    assert_int_equal(count, 3);
    options.metric = NG_METRIC_CHEBYSHEV;
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &query, &options, found, 4, &count, NULL));
    assert_int_equal(count, 2);
    options.metric = NG_METRIC_MANHATTAN;
    query.radius = 20.5f;
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &query, &options, found, 4, &count, NULL));
    assert_int_equal(count, 3);
    ASSERT_OK(ng_close(store));
}

/* --- fields ---------------------------------------------------------------------------------- */

static void test_fields(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    const ng_search_options options = {.struct_size = sizeof options};
    ng_grid_field found[4];
    double density = 0;
    size_t count = 0;
    /* 1 and 2 are nearer than 0.5 + 0.7; 3 has no field; 4, 5, 6 lie together, 7 is alone */
    field_at(store, 0, 0, 0.5f, 1);
    field_at(store, 0.4f, 0, 0.7f, 0.2f);
    field_at(store, 0.2f, 0.1f, 0, 1);
    for (int i = 0; i < 3; i++)
        field_at(store, 10, 0, 1, 0);
    field_at(store, 30, 0, 2.55f, 1);
    ASSERT_OK(ng_grid_fields(store, PHYSICAL, NULL, NULL, found, 4, &count));
    assert_int_equal(count, 2);
    assert_int_equal(found[0].lowest_id, 1); /* of equal size: the lowest id */
    assert_int_equal(found[0].token_count, 3);
    assert_int_equal(found[0].source_count, 2);
    assert_true(fabs(found[0].strength - 1.2) < 1e-9);
    assert_true(fabs((double)found[0].center[0] - 0.4 * 0.2 / 1.2) < 1e-6);
    assert_true(fabs((double)found[0].radius - (0.4 - 0.4 * 0.2 / 1.2 + 0.7)) < 1e-5);
    const float origin[3] = {0};
    ASSERT_OK(ng_grid_density(store, PHYSICAL, origin, 0.5f, &options, &density, NULL));
    assert_true(found[0].density == density);
    assert_int_equal(found[1].lowest_id, 4);
    assert_int_equal(found[1].source_count, 3);
    assert_true(found[1].strength == 0.0 && found[1].center[0] == 10.0f);
    assert_true(found[1].radius == 1.0f);
    /* one that touches another field is another field; one that overlaps it is not */
    field_at(store, 12, 0, 1, 0.5f);
    field_at(store, 12, 0, 1, 0.5f);
    field_at(store, 12, 0, 1, 0.5f);
    ASSERT_OK(ng_grid_fields(store, PHYSICAL, NULL, NULL, found, 4, &count));
    assert_int_equal(count, 3);
    field_at(store, 11.99f, 0, 1, 0.5f);
    ASSERT_OK(ng_grid_fields(store, PHYSICAL, NULL, NULL, found, 4, &count));
    assert_int_equal(count, 2);
    assert_int_equal(found[0].token_count, 7);
    ASSERT_OK(ng_close(store));
}

static size_t fields_by(const ng_store *store, float threshold, uint32_t tokens, ng_grid_id grid)
{
    const ng_search_options options = {.struct_size = sizeof options, .grid = grid};
    const ng_grid_field_query query = {.struct_size = sizeof query,
                                       .density_threshold = threshold,
                                       .min_tokens = tokens};
    size_t count = 0;
    ASSERT_OK(ng_grid_fields(store, PHYSICAL, &query, &options, NULL, 0, &count));
    return count;
}

/* Pairs, within a ball of 4.19 a density of 0.48; and three alone at one place. */
static void test_thresholds(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id ids[7];
    ng_grid_id grid = 0, strict = 0;
    ng_grid_config config = {.struct_size = sizeof config,
                             .density_threshold = 0.4f,
                             .min_field_nodes = 2};
    for (int i = 0; i < 4; i++)
        ids[i] = field_at(store, i < 2 ? 0 : 50, 0, 1, 1);
    for (int i = 4; i < 7; i++)
        ids[i] = field_at(store, 100, 0, 1, 1);
    assert_int_equal(fields_by(store, 0, 0, 0), 1);
    assert_int_equal(fields_by(store, 0, 2, 0), 1);
    assert_int_equal(fields_by(store, -1, 2, 0), 1);
    assert_int_equal(fields_by(store, 0.4f, 2, 0), 3);
    assert_int_equal(fields_by(store, 0.4f, 0, 0), 1);
    assert_int_equal(fields_by(store, 0.8f, 1, 0), 0);
    ASSERT_OK(ng_grid_create(store, "pairs", &config, NULL, &grid));
    ASSERT_OK(ng_grid_create(store, "strict", NULL, NULL, &strict));
    ASSERT_OK(ng_grid_add(store, grid, ids, 6, NULL, NULL));
    ASSERT_OK(ng_grid_add(store, strict, ids, 7, NULL, NULL));
    assert_int_equal(fields_by(store, 0, 0, grid), 3); /* of three at one place two are members */
    assert_int_equal(fields_by(store, 0, 3, grid), 0);
    assert_int_equal(fields_by(store, 0.5f, 0, grid), 0);
    assert_int_equal(fields_by(store, 0, 0, strict), 1);
    ASSERT_OK(ng_close(store));
}

/* --- options --------------------------------------------------------------------------------- */

static void test_filters_and_grids(void **state)
{
    (void)state;
    ng_store *store = store_of_two();
    const ng_text tag = {"red", 3};
    ng_token_id members[] = {1, 2, 8};
    ng_filter filter = {.struct_size = sizeof filter, .exclude = 2};
    ng_search_options options = {.struct_size = sizeof options, .filter = &filter};
    ng_cluster found[4];
    size_t count = 0;
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &near_two, &options, found, 4, &count, NULL));
    assert_int_equal(count, 1); /* without 2, 1 and 3 are alone */
    filter = (ng_filter){.struct_size = sizeof filter, .tags_none = &tag, .tags_none_count = 1};
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &near_two, &options, found, 4, &count, NULL));
    assert_int_equal(count, 2); /* a filter that holds the lock */
    ASSERT_OK(ng_grid_create(store, "some", NULL, NULL, &options.grid));
    ASSERT_OK(ng_grid_add(store, options.grid, members, 3, NULL, NULL));
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &near_two, &options, found, 4, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(found[0].token_count, 2);
    ASSERT_OK(ng_close(store));
}

static void test_bad_arguments(void **state)
{
    (void)state;
    ng_store *store = store_of_two();
    ng_cluster cluster = {.token_count = 77};
    ng_grid_field field = {.token_count = 77};
    ng_cluster_members members = {.capacity = 1};
    ng_cluster_query query = near_two;
    ng_grid_field_query asked = {.struct_size = sizeof asked};
    ng_search_options options = {.struct_size = sizeof options};
    size_t count = 0;
#define CLUSTERS(...)                                                                              \
    ASSERT_FAILS(ng_grid_clusters(store, PHYSICAL, &query, &options, &cluster, 1, &count, NULL),   \
                 NG_E_INVALID, __VA_ARGS__)
#define FIELDS(...)                                                                                \
    ASSERT_FAILS(ng_grid_fields(store, PHYSICAL, &asked, &options, &field, 1, &count),             \
                 NG_E_INVALID, __VA_ARGS__)
    ASSERT_FAILS(ng_grid_clusters(store, PHYSICAL, NULL, NULL, &cluster, 1, &count, NULL),
                 NG_E_INVALID, "query");
    ASSERT_FAILS(ng_grid_clusters(store, PHYSICAL, &query, NULL, NULL, 1, &count, NULL),
                 NG_E_INVALID, "out");
    ASSERT_FAILS(ng_grid_clusters(store, PHYSICAL, &query, NULL, &cluster, 1, &count, &members),
                 NG_E_INVALID, "items");
    ASSERT_FAILS(ng_grid_clusters(store, (ng_space)8, &query, NULL, &cluster, 1, &count, NULL),
                 NG_E_INVALID, "space 8", "0..7");
    ASSERT_FAILS(ng_grid_fields(store, (ng_space)-1, NULL, NULL, &field, 1, &count), NG_E_INVALID,
                 "space -1");
    query.radius = 0;
    CLUSTERS("radius 0");
    query.radius = -1;
    CLUSTERS("radius -1");
    query.radius = NAN;
    CLUSTERS("radius", "nan");
    query = near_two;
    query.min_tokens = 0;
    CLUSTERS("min_tokens 0", "1..4294967295");
    query = near_two;
    query.struct_size = 3;
    CLUSTERS("struct_size 3");
    query = near_two;
    options.max_distance = 2;
    CLUSTERS("max_distance 2");
    FIELDS("max_distance 2");
    options.max_distance = 0;
    options.flags = NG_SEARCH_UNORDERED;
    CLUSTERS("flags 0x1");
    FIELDS("flags 0x1");
    options.flags = 0;
    options.metric = NG_METRIC_MANHATTAN;
    FIELDS("metric 1");
    options.metric = 3;
    CLUSTERS("metric 3", "0..2");
    options.metric = 0;
    asked.density_threshold = INFINITY;
    FIELDS("density_threshold inf");
    options.grid = 9;
    ASSERT_FAILS(ng_grid_clusters(store, PHYSICAL, &query, &options, &cluster, 1, &count, NULL),
                 NG_E_NOT_FOUND, "grid 9");
    ASSERT_FAILS(ng_grid_fields(store, PHYSICAL, NULL, &options, &field, 1, &count), NG_E_NOT_FOUND,
                 "grid 9");
    assert_int_equal(cluster.token_count, 77);
    assert_int_equal(field.token_count, 77);
    ASSERT_OK(ng_close(store));
}

static bool cancel_when_asked(void *context)
{
    ++*(int *)context;
    return true;
}

static void test_ended_early(void **state)
{
    (void)state;
    enum { COUNT = 4000, BATCH = 1000 };
    ng_store *store = api_memory_store();
    test_random random = {.state = 1};
    ng_token_fields *fields = calloc(BATCH, sizeof *fields);
    ng_token_id *ids = calloc(BATCH, sizeof *ids);
    ng_cluster cluster = {.token_count = 77};
    ng_grid_field field = {.token_count = 77};
    int asked = 0;
    ng_search_options options = {.struct_size = sizeof options,
                                 .cancelled = cancel_when_asked,
                                 .context = &asked};
    size_t count = 5;
    assert_true(fields != NULL && ids != NULL);
    for (int from = 0; from < COUNT; from += BATCH) {
        for (int i = 0; i < BATCH; i++) {
            fields[i] = api_fields();
            fields[i].set = NG_FIELD_RADIUS;
            fields[i].field_radius = 2;
            fields[i].spaces_set = 1 << PHYSICAL;
            for (int axis = 0; axis < 3; axis++)
                fields[i].coordinates[PHYSICAL][axis] =
                    (float)test_random_below(&random, 1000) / 50.0f;
        }
        ASSERT_OK(ng_token_create_many(store, fields, BATCH, NULL, ids));
    }
    ASSERT_FAILS(ng_grid_clusters(store, PHYSICAL, &near_two, &options, &cluster, 1, &count, NULL),
                 NG_E_CANCELLED, "cancelled");
    assert_int_equal(count, 0);
    ASSERT_FAILS(ng_grid_fields(store, PHYSICAL, NULL, &options, &field, 1, &count), NG_E_CANCELLED,
                 "cancelled");
    assert_int_equal(asked, 2);
    options.cancelled = NULL;
    options.timeout_us = 1;
    ASSERT_FAILS(ng_grid_clusters(store, PHYSICAL, &near_two, &options, &cluster, 1, &count, NULL),
                 NG_E_TIMEOUT, "1 us");
    ASSERT_FAILS(ng_grid_fields(store, PHYSICAL, NULL, &options, &field, 1, &count), NG_E_TIMEOUT,
                 "1 us");
    assert_true(cluster.token_count == 77 && field.token_count == 77);
    options.timeout_us = 0;
    ASSERT_OK(ng_grid_clusters(store, PHYSICAL, &near_two, &options, &cluster, 1, &count, NULL));
    ASSERT_OK(ng_grid_fields(store, PHYSICAL, NULL, &options, &field, 1, &count));
    assert_in_range(cluster.token_count, 2, COUNT);
    free(fields);
    free(ids);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_tokens),     cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_borders),       cmocka_unit_test(test_fields),
        cmocka_unit_test(test_thresholds),    cmocka_unit_test(test_filters_and_grids),
        cmocka_unit_test(test_bad_arguments), cmocka_unit_test(test_ended_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
