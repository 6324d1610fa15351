/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Search in space and by vector: order, ties, counts, filters, errors. */
#include "api_support.h"

#include <math.h>
#include <stdlib.h>

static void test_range(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    const float center[3] = {10, 0, 0};
    ng_hit hits[8];
    size_t count = 9;
    ASSERT_OK(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 5, NULL, hits, 8, &count));
    assert_int_equal(count, 0);
    ng_token_id far = api_at(store, NG_SPACE_PHYSICAL, 13, 4, 0);  /* 5 exactly */
    ng_token_id near = api_at(store, NG_SPACE_PHYSICAL, 10, 0, 1); /* 1 */
    ng_token_id equal = api_at(store, NG_SPACE_PHYSICAL, 9, 0, 0); /* 1, a larger id */
    ng_token_id here = api_at(store, NG_SPACE_PHYSICAL, 10, 0, 0); /* 0 */
    api_at(store, NG_SPACE_PHYSICAL, 13, 4, 0.01f);                /* just outside */
    api_at(store, NG_SPACE_SOCIAL, 1, 0, 0);                       /* elsewhere */
    api_token(store);                                              /* nowhere */
    ASSERT_OK(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 5, NULL, hits, 8, &count));
    assert_int_equal(count, 4);
    assert_int_equal(hits[0].id, here);
    assert_int_equal(hits[1].id, near);
    assert_int_equal(hits[2].id, equal);
    assert_int_equal(hits[3].id, far);
    assert_true(hits[0].distance == 0 && hits[1].distance == 1 && hits[3].distance == 5);
    ASSERT_OK(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 0, NULL, hits, 8, &count));
    assert_int_equal(count, 1);
    ASSERT_OK(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 5, NULL, hits, 2, &count));
    assert_int_equal(count, 4); /* how many there are; the nearest two are shown */
    assert_int_equal(hits[0].id, here);
    assert_int_equal(hits[1].id, near);
    ASSERT_OK(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 5, NULL, NULL, 0, &count));
    assert_int_equal(count, 4);
    ASSERT_OK(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 1e30f, NULL, hits, 8, &count));
    assert_int_equal(count, 5);
    ASSERT_OK(ng_close(store));
}

static void test_range_errors(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    float center[3] = {0};
    ng_hit hit;
    size_t count;
    ASSERT_FAILS(ng_grid_range(NULL, NG_SPACE_PHYSICAL, center, 1, NULL, &hit, 1, &count),
                 NG_E_INVALID, "store");
    ASSERT_FAILS(ng_grid_range(store, NG_SPACE_PHYSICAL, NULL, 1, NULL, &hit, 1, &count),
                 NG_E_INVALID, "center");
    ASSERT_FAILS(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 1, NULL, &hit, 1, NULL),
                 NG_E_INVALID, "count");
    ASSERT_FAILS(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 1, NULL, NULL, 1, &count),
                 NG_E_INVALID, "out");
    ASSERT_FAILS(ng_grid_range(store, (ng_space)8, center, 1, NULL, &hit, 1, &count), NG_E_INVALID,
                 "space 8", "0..7");
    ASSERT_FAILS(ng_grid_range(store, (ng_space)-1, center, 1, NULL, &hit, 1, &count), NG_E_INVALID,
                 "space");
    ASSERT_FAILS(ng_grid_range(store, NG_SPACE_MOTOR, center, -1, NULL, &hit, 1, &count),
                 NG_E_INVALID, "radius -1");
    ASSERT_FAILS(ng_grid_range(store, NG_SPACE_MOTOR, center, NAN, NULL, &hit, 1, &count),
                 NG_E_INVALID, "radius");
    ASSERT_FAILS(ng_grid_range(store, NG_SPACE_MOTOR, center, INFINITY, NULL, &hit, 1, &count),
                 NG_E_INVALID, "radius");
    center[1] = 1e6f;
    ASSERT_FAILS(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 1, NULL, &hit, 1, &count),
                 NG_E_INVALID, "y", "1000000", "-327.67..327.67");
    ASSERT_FAILS(ng_grid_nearest(store, NG_SPACE_PHYSICAL, center, NULL, &hit, 1, &count),
                 NG_E_INVALID, "1000000");
    center[1] = NAN;
    ASSERT_FAILS(ng_grid_nearest(store, NG_SPACE_PHYSICAL, center, NULL, &hit, 1, &count),
                 NG_E_INVALID, "y", "nan");
    center[1] = 0;
    ng_filter filter = {.struct_size = 1};
    ng_search_options search = {.struct_size = sizeof search, .filter = &filter};
    ASSERT_FAILS(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 1, &search, &hit, 1, &count),
                 NG_E_INVALID, "struct_size");
    filter = (ng_filter){.struct_size = sizeof filter, .by_collection = true, .collection = 44};
    ASSERT_FAILS(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 1, &search, &hit, 1, &count),
                 NG_E_NOT_FOUND, "collection 44");
    ASSERT_OK(ng_close(store));
}

static void test_nearest_and_filters(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    const float center[3] = {0};
    ng_hit hits[16];
    size_t count = 0;
    ng_token_fields fields = api_fields();
    fields.spaces_set = 1 << NG_SPACE_EMOTIONAL;
    fields.set = NG_FIELD_FLAGS;
    for (int i = 0; i < 12; i++) {
        ng_token_id id;
        fields.coordinates[NG_SPACE_EMOTIONAL][0] = 0.01f * (float)(12 - i);
        fields.collection = (ng_collection_id)(i % 2);
        fields.flags = (uint16_t)(i % 3 == 0 ? NG_TOKEN_ACTIVE | NG_TOKEN_USER_1 : NG_TOKEN_ACTIVE);
        ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    }
    ASSERT_OK(ng_grid_nearest(store, NG_SPACE_EMOTIONAL, center, NULL, hits, 4, &count));
    assert_int_equal(count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(hits[i].id, 12 - i);
    ASSERT_OK(ng_grid_nearest(store, NG_SPACE_EMOTIONAL, center, NULL, hits, 16, &count));
    assert_int_equal(count, 12);
    ASSERT_OK(ng_grid_nearest(store, NG_SPACE_EMOTIONAL, center, NULL, NULL, 0, &count));
    assert_int_equal(count, 0);
    ng_filter filter = {.struct_size = sizeof filter, .by_collection = true};
    const ng_search_options search = {.struct_size = sizeof search, .filter = &filter};
    ASSERT_OK(ng_grid_nearest(store, NG_SPACE_EMOTIONAL, center, &search, hits, 4, &count));
    assert_int_equal(count, 4); /* a filtered search still fills its limit */
    assert_int_equal(hits[0].id, 11);
    assert_int_equal(hits[3].id, 5);
    filter.flags_all = NG_TOKEN_USER_1;
    ASSERT_OK(ng_grid_nearest(store, NG_SPACE_EMOTIONAL, center, &search, hits, 4, &count));
    assert_int_equal(count, 2);
    assert_int_equal(hits[0].id, 7);
    assert_int_equal(hits[1].id, 1);
    filter.exclude = 7;
    ASSERT_OK(ng_grid_nearest(store, NG_SPACE_EMOTIONAL, center, &search, hits, 4, &count));
    assert_int_equal(count, 1);
    assert_int_equal(hits[0].id, 1);
    ASSERT_OK(ng_close(store));
}

/* Axes with different scales are compared in the space's units, exactly. */
static void test_mixed_scales(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    const float center[3] = {0};
    ng_hit hits[4];
    size_t count = 0;
    ng_token_id third = api_at(store, NG_SPACE_TEMPORAL, 0.04f, 0, 0);
    ng_token_id first = api_at(store, NG_SPACE_TEMPORAL, 0, 0, 0.029f);
    ng_token_id second = api_at(store, NG_SPACE_TEMPORAL, 0, 0.03f, 0);
    ng_token_id tie = api_at(store, NG_SPACE_TEMPORAL, 0, 0, 0.03f);
    ASSERT_OK(ng_grid_nearest(store, NG_SPACE_TEMPORAL, center, NULL, hits, 4, &count));
    assert_int_equal(hits[0].id, first);
    assert_int_equal(hits[1].id, second);
    assert_int_equal(hits[2].id, tie);
    assert_int_equal(hits[3].id, third);
    assert_true(hits[1].distance == hits[2].distance);
    assert_true(fabsf(hits[0].distance - 0.029f) < 1e-6f);
    /* What was reported as a distance is inside a range of that radius. */
    ASSERT_OK(
        ng_grid_range(store, NG_SPACE_TEMPORAL, center, hits[1].distance, NULL, hits, 4, &count));
    assert_int_equal(count, 3);
    ASSERT_OK(ng_close(store));
}

static void test_extremes(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    const float corner[3] = {-327.67f, -327.67f, -327.67f};
    ng_hit hits[2];
    size_t count = 0;
    api_at(store, NG_SPACE_PHYSICAL, 327.67f, 327.67f, 327.67f);
    api_at(store, NG_SPACE_PHYSICAL, -327.67f, -327.67f, -327.67f);
    ASSERT_OK(ng_grid_nearest(store, NG_SPACE_PHYSICAL, corner, NULL, hits, 2, &count));
    assert_int_equal(count, 2);
    assert_int_equal(hits[0].id, 2);
    assert_true(hits[0].distance == 0);
    assert_true(fabs((double)hits[1].distance - sqrt(3) * 655.34) < 1e-3);
    ASSERT_OK(ng_close(store));
}

static void test_neighbors(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_hit hits[4];
    size_t count = 0;
    api_at(store, NG_SPACE_COGNITIVE, 1, 1, 1);
    api_at(store, NG_SPACE_COGNITIVE, 1, 1, 1);
    api_at(store, NG_SPACE_COGNITIVE, 1, 1, 2);
    ASSERT_OK(ng_token_neighbors(store, 1, NG_SPACE_COGNITIVE, NULL, hits, 4, &count));
    assert_int_equal(count, 2);
    assert_int_equal(hits[0].id, 2);
    assert_true(hits[0].distance == 0);
    assert_int_equal(hits[1].id, 3);
    ASSERT_FAILS(ng_token_neighbors(store, 1, NG_SPACE_SOCIAL, NULL, hits, 4, &count), NG_E_ABSENT,
                 "token 1", "social");
    ASSERT_FAILS(ng_token_neighbors(store, 9, NG_SPACE_SOCIAL, NULL, hits, 4, &count),
                 NG_E_NOT_FOUND, "00000009");
    ASSERT_FAILS(ng_token_neighbors(store, 0, NG_SPACE_SOCIAL, NULL, hits, 4, &count), NG_E_INVALID,
                 "0");
    ASSERT_FAILS(ng_token_neighbors(store, 1, (ng_space)9, NULL, hits, 4, &count), NG_E_INVALID,
                 "space 9");
    ASSERT_FAILS(ng_token_neighbors(store, 1, NG_SPACE_SOCIAL, NULL, hits, 4, NULL), NG_E_INVALID,
                 "count");
    ASSERT_OK(ng_token_delete(store, 2, NULL));
    ASSERT_OK(ng_token_neighbors(store, 1, NG_SPACE_COGNITIVE, NULL, hits, 4, &count));
    assert_int_equal(count, 1);
    ASSERT_OK(ng_close(store));
}

static ng_token_id with_vector(ng_store *store, float x, float y, float z)
{
    const float vector[3] = {x, y, z};
    ng_token_id id = 0;
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_VECTOR;
    fields.vector = vector;
    fields.vector_dimensions = 3;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    return id;
}

static void test_vectors(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    float query[3] = {2, 0, 0};
    ng_score scores[8];
    size_t count = 0;
    ASSERT_FAILS(ng_vector_nearest(store, query, 3, NULL, scores, 8, &count), NG_E_NOT_FOUND,
                 "vectors");
    with_vector(store, 0, 1, 0);
    with_vector(store, 5, 0, 0);
    with_vector(store, -1, 0, 0);
    with_vector(store, 1, 1, 0);
    with_vector(store, 0.001f, 0, 0); /* as good as 2: only the direction counts */
    ng_vector_options options = {.struct_size = sizeof options,
                                 .remove_components = NG_PLAIN_COSINE};
    ASSERT_OK(ng_vector_nearest(store, query, 3, &options, scores, 8, &count));
    assert_int_equal(count, 5);
    static const ng_token_id order[] = {2, 5, 4, 1, 3};
    static const double values[] = {1, 1, 0.70710678118654752, 0, -1};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(scores[i].id, order[i]);
        assert_true(fabs(scores[i].score - values[i]) < 1e-9);
    }
    ASSERT_OK(ng_vector_nearest(store, query, 3, &options, scores, 2, &count));
    assert_int_equal(count, 2);
    const ng_token_id excluded[] = {2, 4, 99};
    options.exclude = excluded;
    options.exclude_count = 3;
    ASSERT_OK(ng_vector_nearest(store, query, 3, &options, scores, 2, &count));
    assert_int_equal(count, 2);
    assert_int_equal(scores[0].id, 5);
    assert_int_equal(scores[1].id, 1);
    ng_filter filter = {.struct_size = sizeof filter, .exclude = 5};
    options.filter = &filter;
    ASSERT_OK(ng_vector_nearest(store, query, 3, &options, scores, 8, &count));
    assert_int_equal(count, 2);
    assert_int_equal(scores[0].id, 1);
    double similarity = 0;
    ASSERT_OK(ng_token_similarity(store, 2, 4, NG_PLAIN_COSINE, &similarity));
    assert_true(fabs(similarity - 0.70710678118654752) < 1e-9);
    ASSERT_OK(ng_token_similarity(store, 2, 3, NG_PLAIN_COSINE, &similarity));
    assert_true(fabs(similarity + 1) < 1e-9);
    ASSERT_OK(ng_close(store));
}

static void test_vector_errors(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    float query[3] = {1, 2, 3};
    ng_score score;
    size_t count;
    double similarity;
    with_vector(store, 1, 2, 3);
    api_token(store);
    ASSERT_FAILS(ng_vector_nearest(store, query, 2, NULL, &score, 1, &count), NG_E_INVALID, "2",
                 "3");
    ASSERT_FAILS(ng_vector_nearest(store, query, 4, NULL, &score, 1, &count), NG_E_INVALID, "4",
                 "3");
    ASSERT_FAILS(ng_vector_nearest(NULL, query, 3, NULL, &score, 1, &count), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_vector_nearest(store, NULL, 3, NULL, &score, 1, &count), NG_E_INVALID,
                 "vector");
    ASSERT_FAILS(ng_vector_nearest(store, query, 3, NULL, NULL, 1, &count), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_vector_nearest(store, query, 3, NULL, &score, 1, NULL), NG_E_INVALID, "count");
    query[1] = NAN;
    ASSERT_FAILS(ng_vector_nearest(store, query, 3, NULL, &score, 1, &count), NG_E_INVALID,
                 "vector[1]", "finite");
    query[1] = 2;
    ng_vector_options options = {.struct_size = 2};
    ASSERT_FAILS(ng_vector_nearest(store, query, 3, &options, &score, 1, &count), NG_E_INVALID,
                 "struct_size");
    options = (ng_vector_options){.struct_size = sizeof options, .remove_components = 25};
    ASSERT_FAILS(ng_vector_nearest(store, query, 3, &options, &score, 1, &count), NG_E_INVALID,
                 "remove_components 25", "-1..24");
    options = (ng_vector_options){.struct_size = sizeof options, .remove_components = -2};
    ASSERT_FAILS(ng_vector_nearest(store, query, 3, &options, &score, 1, &count), NG_E_INVALID,
                 "remove_components -2");
    options = (ng_vector_options){.struct_size = sizeof options, .exclude_count = 1};
    ASSERT_FAILS(ng_vector_nearest(store, query, 3, &options, &score, 1, &count), NG_E_INVALID,
                 "exclude");
    query[0] = query[1] = query[2] = 0;
    options =
        (ng_vector_options){.struct_size = sizeof options, .remove_components = NG_PLAIN_COSINE};
    ASSERT_FAILS(ng_vector_nearest(store, query, 3, &options, &score, 1, &count), NG_E_INVALID,
                 "direction");
    ASSERT_FAILS(ng_token_similarity(store, 1, 2, NG_PLAIN_COSINE, &similarity), NG_E_ABSENT, "2");
    ASSERT_FAILS(ng_token_similarity(store, 1, 3, NG_PLAIN_COSINE, &similarity), NG_E_NOT_FOUND,
                 "00000003");
    ASSERT_FAILS(ng_token_similarity(store, 1, 1, NG_PLAIN_COSINE, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_similarity(store, 1, 1, 99, &similarity), NG_E_INVALID,
                 "remove_components 99");
    ASSERT_OK(ng_close(store));
}

/* A vector of zeroes is stored, has no direction, and is in no answer. */
static void test_zero_vector(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    const float query[3] = {1, 0, 0};
    ng_score scores[4];
    size_t count = 9;
    ng_token_id zero = with_vector(store, 0, 0, 0);
    ng_token_id one = with_vector(store, 1, 0, 0);
    ng_vector_options options = {.struct_size = sizeof options,
                                 .remove_components = NG_PLAIN_COSINE};
    ASSERT_OK(ng_vector_nearest(store, query, 3, &options, scores, 4, &count));
    assert_int_equal(count, 1);
    assert_int_equal(scores[0].id, one);
    float copy[3] = {9, 9, 9};
    ASSERT_OK(ng_token_vector(store, zero, copy, 3, &count));
    assert_int_equal(count, 3);
    assert_true(copy[0] == 0 && copy[1] == 0 && copy[2] == 0);
    ASSERT_OK(ng_close(store));
}

/* Every token that a long list of vectors holds is found by its own vector, with score 1. */
static void test_many_vectors(void **state)
{
    (void)state;
    enum { DIMENSIONS = 17, COUNT = 3000 };
    ng_store *store = api_memory_store();
    static float vectors[COUNT][DIMENSIONS];
    static ng_token_fields fields[COUNT];
    static ng_token_id ids[COUNT];
    uint32_t bits = 12345;
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < DIMENSIONS; k++) {
            bits = bits * 1664525 + 1013904223;
            vectors[i][k] = (float)(bits >> 8) / (1 << 23) - 1;
        }
        fields[i] = api_fields();
        fields[i].set = NG_FIELD_VECTOR;
        fields[i].vector = vectors[i];
        fields[i].vector_dimensions = DIMENSIONS;
    }
    ASSERT_OK(ng_token_create_many(store, fields, COUNT, NULL, ids));
    ng_vector_options options = {.struct_size = sizeof options,
                                 .remove_components = NG_PLAIN_COSINE};
    for (size_t i = 0; i < COUNT; i += 97) {
        ng_score scores[3];
        size_t count = 0;
        ASSERT_OK(ng_vector_nearest(store, vectors[i], DIMENSIONS, &options, scores, 3, &count));
        assert_int_equal(count, 3);
        assert_int_equal(scores[0].id, ids[i]);
        assert_true(fabs(scores[0].score - 1) < 1e-9);
        assert_true(scores[1].score >= scores[2].score && scores[1].score < 1);
    }
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_range_errors),
        cmocka_unit_test(test_nearest_and_filters),
        cmocka_unit_test(test_mixed_scales),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_neighbors),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_vector_errors),
        cmocka_unit_test(test_zero_vector),
        cmocka_unit_test(test_many_vectors),
    };
    return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
