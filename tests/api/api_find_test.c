/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Searches over tokens: refusals, pages, totals, sources that come and go. What filters take is
 * compared with looking at every token in tests/model. */
#include "api_support.h"

#include <math.h>

static ng_token_id tagged(ng_store *store, const char *label, const ng_text *tags, size_t count)
{
    ng_token_id id = 0;
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_TAGS;
    fields.tags = tags;
    fields.tag_count = count;
    if (label != NULL) {
        fields.set |= NG_FIELD_LABEL;
        fields.label = label;
        fields.label_bytes = strlen(label);
    }
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    return id;
}

static const ng_text red = {"red", 3}, blue = {"blue", 4}, none = {"none", 4};

static size_t found(ng_store *store, const ng_token_search_options *options, ng_token_id out[64])
{
    size_t count = 99;
    ASSERT_OK(ng_token_search(store, options, out, 64, &count, NULL));
    return count;
}

static void test_refused(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id out[4];
    size_t count;
    ng_collection_id collections[65] = {0};
    ng_filter filter = {.struct_size = sizeof filter};
    ng_token_search_options options = {.struct_size = sizeof options, .filter = &filter};
#define REFUSE(status, ...)                                                                        \
    do {                                                                                           \
        ASSERT_FAILS(ng_token_search(store, &options, out, 4, &count, NULL), status, __VA_ARGS__); \
        filter = (ng_filter){.struct_size = sizeof filter};                                        \
        options = (ng_token_search_options){.struct_size = sizeof options, .filter = &filter};     \
    } while (0)
    options.struct_size = 1;
    REFUSE(NG_E_INVALID, "struct_size");
    filter.struct_size = 1;
    REFUSE(NG_E_INVALID, "filter.struct_size");
    options.after = UINT64_C(1) << 32;
    REFUSE(NG_E_INVALID, "after 4294967296");
    options.prefix_bytes = 3;
    REFUSE(NG_E_INVALID, "prefix is NULL");
    options.prefix_bytes = 1025;
    REFUSE(NG_E_INVALID, "prefix of 1025 bytes is outside 0..1024");
    filter.by_collection = true;
    filter.collection = 7;
    REFUSE(NG_E_NOT_FOUND, "collection 7");
    collections[1] = 9;
    filter.collections = collections;
    filter.collection_count = 2;
    REFUSE(NG_E_NOT_FOUND, "collection 9");
    filter.collections = collections;
    filter.collection_count = 65;
    REFUSE(NG_E_INVALID, "collection_count 65 is outside 0..64");
    filter.collection_count = 1;
    REFUSE(NG_E_INVALID, "filter.collections is NULL");
    filter.spaces_all = 3;
    filter.spaces_none = 2;
    REFUSE(NG_E_INVALID, "spaces_all and spaces_none");
    filter.label = (ng_presence)3;
    REFUSE(NG_E_INVALID, "presence 3");
    filter.by_weight = true;
    filter.weight_min = 1;
    REFUSE(NG_E_INVALID, "weight", "1..0");
    filter.by_weight = true;
    filter.weight_max = NAN;
    REFUSE(NG_E_INVALID, "weight");
    filter.created_min = 8;
    filter.created_max = 7;
    REFUSE(NG_E_INVALID, "created", "8..7");
    filter.updated_min_us = 8;
    filter.updated_max_us = 7;
    REFUSE(NG_E_INVALID, "updated", "8..7");
    filter.tags_all_count = 33;
    REFUSE(NG_E_INVALID, "tags_all", "33");
    filter.tags_any_count = 1;
    REFUSE(NG_E_INVALID, "tags_any is NULL");
    filter.tags_none = &(ng_text){"\x01", 1};
    filter.tags_none_count = 1;
    REFUSE(NG_E_INVALID, "tags_none: tag 0", "U+0001");
    ASSERT_FAILS(ng_token_search(NULL, NULL, out, 4, &count, NULL), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_token_search(store, NULL, NULL, 4, &count, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_search(store, NULL, out, 4, NULL, NULL), NG_E_INVALID, "count");
    ASSERT_OK(ng_close(store));
}

static void test_pages_and_totals(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id out[64];
    size_t count = 9;
    uint64_t total = 9;
    ASSERT_OK(ng_token_search(store, NULL, out, 64, &count, &total)); /* nothing is there */
    assert_int_equal(count, 0);
    assert_int_equal(total, 0);
    for (int i = 0; i < 10; i++) {
        char label[24];
        snprintf(label, sizeof label, "%s %d", i % 2 == 0 ? "even" : "odd", i);
        (void)tagged(store, label, i < 5 ? &red : &blue, 1);
    }
    ng_token_search_options options = {.struct_size = sizeof options,
                                       .prefix = "even",
                                       .prefix_bytes = 4};
    ASSERT_OK(ng_token_search(store, &options, out, 2, &count, &total));
    assert_int_equal(count, 2);
    assert_int_equal(total, 5);
    assert_int_equal(out[1], 3);
    options.after = 3;
    ASSERT_OK(ng_token_search(store, &options, out, 64, &count, &total));
    assert_int_equal(count, 3);
    assert_int_equal(total, 5); /* whatever the page */
    assert_int_equal(out[0], 5);
    options.after = 9;
    assert_int_equal(found(store, &options, out), 0);
    options = (ng_token_search_options){.struct_size = sizeof options};
    assert_int_equal(found(store, &options, out), 10);
    ASSERT_OK(ng_token_search(store, &options, NULL, 0, &count, &total));
    assert_int_equal(count, 0);
    assert_int_equal(total, 10);
    ASSERT_OK(ng_close(store));
}

static void test_tags(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    const ng_text both[] = {red, blue};
    ng_token_id out[64], first = tagged(store, "a", both, 2), second = tagged(store, "b", &red, 1),
                         third = tagged(store, NULL, &blue, 1), plain = api_token(store);
    ng_filter filter = {.struct_size = sizeof filter, .tags_all = both, .tags_all_count = 2};
    ng_token_search_options options = {.struct_size = sizeof options, .filter = &filter};
    assert_int_equal(found(store, &options, out), 1);
    assert_int_equal(out[0], first);
    filter = (ng_filter){.struct_size = sizeof filter, .tags_any = both, .tags_any_count = 2};
    assert_int_equal(found(store, &options, out), 3);
    assert_int_equal(out[2], third);
    filter.tags_none = &red;
    filter.tags_none_count = 1;
    assert_int_equal(found(store, &options, out), 1);
    assert_int_equal(out[0], third);
    filter = (ng_filter){.struct_size = sizeof filter, .tags_none = both, .tags_none_count = 2};
    assert_int_equal(found(store, &options, out), 1);
    assert_int_equal(out[0], plain);
    filter = (ng_filter){.struct_size = sizeof filter, .tags_all = &none, .tags_all_count = 1};
    assert_int_equal(found(store, &options, out), 0); /* a tag that nobody has */
    filter.tags_any = both;
    filter.tags_any_count = 2;
    assert_int_equal(found(store, &options, out), 0);
    filter = (ng_filter){.struct_size = sizeof filter, .tags_all = &red, .tags_all_count = 1};
    ASSERT_OK(ng_token_delete(store, first, NULL));
    assert_int_equal(found(store, &options, out), 1);
    assert_int_equal(out[0], second);
    ASSERT_OK(ng_token_delete(store, second, NULL));
    assert_int_equal(found(store, &options, out), 0);
    ASSERT_OK(ng_close(store));
}

/* The same filter inside searches in space and by vector. */
static void test_inside_other_searches(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_hit hits[8];
    ng_score scores[8];
    size_t count;
    for (int i = 0; i < 6; i++) {
        float vector[2] = {1, (float)i};
        ng_token_fields fields = api_fields();
        ng_token_id id;
        fields.set = NG_FIELD_TAGS | NG_FIELD_VECTOR | NG_FIELD_ENTITY;
        fields.tags = i % 2 == 0 ? &red : &blue;
        fields.tag_count = 1;
        fields.entity = (uint8_t)i;
        fields.vector = vector;
        fields.vector_dimensions = 2;
        fields.spaces_set = 1;
        fields.coordinates[0][0] = (float)i;
        ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    }
    ng_filter filter = {.struct_size = sizeof filter,
                        .tags_all = &red,
                        .tags_all_count = 1,
                        .entities = 1u << 2 | 1u << 3 | 1u << 4};
    const float center[3] = {0};
    const ng_search_options search = {.struct_size = sizeof search, .filter = &filter};
    ASSERT_OK(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 10, &search, hits, 8, &count));
    assert_int_equal(count, 2);
    assert_int_equal(hits[0].id, 3);
    assert_int_equal(hits[1].id, 5);
    ng_vector_options options = {.struct_size = sizeof options,
                                 .remove_components = NG_PLAIN_COSINE,
                                 .filter = &filter};
    const float query[2] = {1, 0};
    ASSERT_OK(ng_vector_nearest(store, query, 2, &options, scores, 8, &count));
    assert_int_equal(count, 2);
    assert_int_equal(scores[0].id, 3);
    ASSERT_OK(ng_close(store));
}

/* More candidates than a slice has. */
static void test_many(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    enum { COUNT = 4096, BATCHES = 4 };
    static ng_token_fields fields[COUNT];
    static ng_token_id ids[COUNT], out[COUNT * BATCHES];
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        for (unsigned i = 0; i < COUNT; i++) {
            fields[i] = api_fields();
            fields[i].set = NG_FIELD_TAGS;
            fields[i].tags = i % 3 == 0 ? &red : &blue;
            fields[i].tag_count = 1;
        }
        ASSERT_OK(ng_token_create_many(store, fields, COUNT, NULL, ids));
    }
    const ng_text both[] = {red, blue};
    size_t count;
    uint64_t total;
    ng_filter filter = {.struct_size = sizeof filter, .tags_all = &red, .tags_all_count = 1};
    ng_token_search_options options = {.struct_size = sizeof options, .filter = &filter};
    ASSERT_OK(ng_token_search(store, &options, out, COUNT * BATCHES, &count, &total));
    assert_int_equal(count, BATCHES * 1366);
    assert_int_equal(total, count);
    for (size_t i = 1; i < count; i++)
        assert_true(out[i] > out[i - 1]);
    filter = (ng_filter){.struct_size = sizeof filter, .tags_any = both, .tags_any_count = 2};
    ASSERT_OK(ng_token_search(store, &options, out, COUNT * BATCHES, &count, &total));
    assert_int_equal(count, BATCHES * COUNT);
    filter = (ng_filter){.struct_size = sizeof filter, .tags_none = &red, .tags_none_count = 1};
    ASSERT_OK(ng_token_search(store, &options, out, 5, &count, &total));
    assert_int_equal(count, 5);
    assert_int_equal(total, BATCHES * (COUNT - 1366));
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused), cmocka_unit_test(test_pages_and_totals),
        cmocka_unit_test(test_tags),    cmocka_unit_test(test_inside_other_searches),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
