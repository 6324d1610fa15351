/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Pages of ids and counts; flags by the bit; states; age. */
#include "api_support.h"

#include <math.h>

/* 20 tokens, odd ids in runtime and even ones in semantic; every fifth is not active. */
static ng_store *listed_store(void)
{
    ng_store *store = api_memory_store();
    ng_token_fields fields = api_fields();
    for (unsigned i = 1; i <= 20; i++) {
        ng_token_id id = 0;
        fields.collection = (i + 1) % 2;
        fields.flags_clear = i % 5 == 0 ? NG_TOKEN_ACTIVE : 0;
        ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
        assert_int_equal(id, i);
    }
    return store;
}

#define ASSERT_PAGE(store, options, capacity, ...)                                                 \
    do {                                                                                           \
        const ng_token_id wanted[] = {__VA_ARGS__};                                                \
        ng_token_id page[32];                                                                      \
        size_t count = 99;                                                                         \
        ASSERT_OK(ng_token_page(store, &(options), page, capacity, &count));                       \
        assert_int_equal(count, sizeof wanted / sizeof *wanted);                                   \
        assert_memory_equal(page, wanted, sizeof wanted);                                          \
    } while (0)

static void test_pages(void **state)
{
    (void)state;
    ng_store *store = listed_store();
    ng_page_options options = {.struct_size = sizeof options};
    ASSERT_PAGE(store, options, 3, 1, 3, 5); /* runtime */
    options.after = 5;
    ASSERT_PAGE(store, options, 3, 7, 9, 11);
    options.offset = 2;
    ASSERT_PAGE(store, options, 3, 11, 13, 15);
    options.active_only = true; /* without 5 and 15 */
    ASSERT_PAGE(store, options, 3, 11, 13, 17);
    options.collection = NG_COLLECTION_ANY;
    ASSERT_PAGE(store, options, 3, 8, 9, 11);
    options = (ng_page_options){.struct_size = sizeof options, .descending = true};
    ASSERT_PAGE(store, options, 3, 19, 17, 15);
    options.after = 15;
    options.offset = 1;
    ASSERT_PAGE(store, options, 3, 11, 9, 7);
    options.collection = NG_COLLECTION_SEMANTIC;
    options.active_only = true;
    options.after = 1000;
    options.offset = 0;
    ASSERT_PAGE(store, options, 3, 18, 16, 14);
    ng_token_id page[8];
    size_t count = 9;
    options.after = 1;
    ASSERT_OK(ng_token_page(store, &options, page, 8, &count));
    assert_int_equal(count, 0);
    options.after = 0;
    options.offset = UINT64_MAX;
    ASSERT_OK(ng_token_page(store, &options, page, 8, &count));
    assert_int_equal(count, 0);
    ASSERT_OK(ng_token_page(store, NULL, page, 8, &count));
    assert_int_equal(count, 8);
    ASSERT_OK(ng_token_page(store, NULL, NULL, 0, &count));
    assert_int_equal(count, 0);
    options.collection = 7;
    ASSERT_FAILS(ng_token_page(store, &options, page, 8, &count), NG_E_NOT_FOUND, "collection 7");
    options.collection = 0;
    options.after = 1ull << 32;
    ASSERT_FAILS(ng_token_page(store, &options, page, 8, &count), NG_E_INVALID, "after");
    options.struct_size = 3;
    ASSERT_FAILS(ng_token_page(store, &options, page, 8, &count), NG_E_INVALID, "struct_size");
    ASSERT_FAILS(ng_token_page(store, NULL, NULL, 1, &count), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_page(store, NULL, page, 1, NULL), NG_E_INVALID, "count");
    ASSERT_OK(ng_close(store));
}

/* More tokens than one hold of the lock looks at; cursors stay right while tokens come and go. */
static void test_pages_beside_writes(void **state)
{
    (void)state;
    enum { TOKENS = 20000, PAGE = 700 };
    ng_store *store = api_memory_store();
    static ng_token_fields fields[4000];
    static ng_token_id ids[4000];
    for (size_t i = 0; i < 4000; i++)
        fields[i] = api_fields();
    for (int i = 0; i < TOKENS / 4000; i++)
        ASSERT_OK(ng_token_create_many(store, fields, 4000, NULL, ids));
    for (int descending = 0; descending < 2; descending++) {
        ng_page_options options = {.struct_size = sizeof options, .descending = descending != 0};
        size_t count = 0, odd = 0;
        do {
            ASSERT_OK(ng_token_page(store, &options, ids, PAGE, &count));
            for (size_t i = 0; i < count; i++)
                odd += ids[i] % 2 == 1 && ids[i] <= TOKENS;
            if (count > 0) {
                options.after = ids[count - 1];
                if (ids[0] % 2 == 0)
                    ASSERT_OK(ng_token_delete(store, ids[0], NULL));
                api_token(store);
            }
        } while (count == PAGE);
        assert_int_equal(odd, TOKENS / 2); /* which were there all the time: each once */
    }
    ASSERT_OK(ng_close(store));
}

static uint64_t counted(const ng_store *store, ng_collection_id collection, bool active_only)
{
    uint64_t count = 999;
    ASSERT_OK(ng_token_count(store, collection, active_only, &count));
    return count;
}

static void test_counts(void **state)
{
    (void)state;
    ng_store *store = listed_store();
    assert_int_equal(counted(store, NG_COLLECTION_RUNTIME, false), 10);
    assert_int_equal(counted(store, NG_COLLECTION_RUNTIME, true), 8);
    assert_int_equal(counted(store, NG_COLLECTION_SEMANTIC, true), 8);
    assert_int_equal(counted(store, NG_COLLECTION_ANY, false), 20);
    assert_int_equal(counted(store, NG_COLLECTION_ANY, true), 16);
    ng_token_fields fields = api_fields();
    fields.flags_set = NG_TOKEN_ACTIVE;
    ASSERT_OK(ng_token_update(store, 5, &fields, NULL));
    ASSERT_OK(ng_token_update(store, 5, &fields, NULL));
    assert_int_equal(counted(store, NG_COLLECTION_RUNTIME, true), 9);
    ASSERT_OK(ng_token_delete(store, 5, NULL));
    ASSERT_OK(ng_token_delete(store, 10, NULL)); /* was not active */
    assert_int_equal(counted(store, NG_COLLECTION_RUNTIME, true), 8);
    assert_int_equal(counted(store, NG_COLLECTION_RUNTIME, false), 9);
    assert_int_equal(counted(store, NG_COLLECTION_SEMANTIC, true), 8);
    assert_int_equal(counted(store, NG_COLLECTION_SEMANTIC, false), 9);
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_string_equal(report.first_problem, "");
    uint64_t count = 0;
    ASSERT_FAILS(ng_token_count(store, 5, false, &count), NG_E_NOT_FOUND, "collection 5");
    ASSERT_FAILS(ng_token_count(store, 0, false, NULL), NG_E_INVALID, "out");
    ASSERT_OK(ng_close(store));
}

static uint16_t flags_of(const ng_store *store, ng_token_id id)
{
    ng_token record;
    ASSERT_OK(ng_token_read(store, id, &record));
    return record.flags;
}

static void test_flags_by_the_bit(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id id = api_token(store);
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_ENTITY;
    fields.entity = NG_ENTITY_GOAL;
    fields.flags_set = NG_TOKEN_PERSISTENT | NG_TOKEN_USER_3;
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    assert_int_equal(flags_of(store, id), 0x4903);
    fields = api_fields();
    fields.flags_set = NG_TOKEN_USER_1;
    fields.flags_clear = NG_TOKEN_ACTIVE | NG_TOKEN_LOCKED;
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    assert_int_equal(flags_of(store, id), 0x5902);
    fields.set = NG_FIELD_FLAGS; /* first all are replaced, then the bits changed */
    fields.flags = NG_TOKEN_ACTIVE | NG_TOKEN_DIRTY;
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    assert_int_equal(flags_of(store, id), 0x1940);
    fields = api_fields();
    fields.flags_set = 0x0100;
    ASSERT_FAILS(ng_token_update(store, id, &fields, NULL), NG_E_INVALID, "entity type", "0x0100");
    fields = api_fields();
    fields.flags_clear = 0x0F01;
    ASSERT_FAILS(ng_token_update(store, id, &fields, NULL), NG_E_INVALID, "entity type");
    fields.flags_set = fields.flags_clear = NG_TOKEN_LOCKED;
    ASSERT_FAILS(ng_token_update(store, id, &fields, NULL), NG_E_INVALID, "both", "0x0080");
    assert_int_equal(flags_of(store, id), 0x1940);
    ASSERT_OK(ng_close(store));
}

static void test_states(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    const float given[NG_SPACE_COUNT] = {12.5f, -0.5f, 3, 0.25f, 1, -1, 100, 0};
    float read[NG_SPACE_COUNT];
    ng_token record;
    ng_token_id id = 0;
    ng_token_fields fields = api_fields();
    fields.spaces_clear = 4;
    ng_token_from_state(given, &fields);
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    ASSERT_OK(ng_token_read(store, id, &record));
    assert_int_equal(ng_token_to_state(store, &record, read), 0xFF);
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        assert_true(fabsf(read[space] - given[space]) < 1e-4f);
        assert_int_equal(record.coordinates[space][1], 0);
        assert_int_equal(record.coordinates[space][2], 0);
    }
    fields = api_fields();
    fields.spaces_clear = 1 << NG_SPACE_MOTOR;
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    ASSERT_OK(ng_token_read(store, id, &record));
    assert_int_equal(ng_token_to_state(store, &record, read), 0xFB);
    assert_true(read[NG_SPACE_MOTOR] == 0);
    const float wrong[NG_SPACE_COUNT] = {0, 0, 0, NAN, 0, 0, 0, 0};
    fields = api_fields();
    ng_token_from_state(wrong, &fields);
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "emotional");
    assert_in_range(ng_token_age(store, &record), 0, 60);
    record.timestamp -= 1000;
    assert_in_range(ng_token_age(store, &record), 1000, 1060);
    record.timestamp = UINT32_MAX;
    assert_int_equal(ng_token_age(store, &record), 0);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),  cmocka_unit_test(test_pages_beside_writes),
        cmocka_unit_test(test_counts), cmocka_unit_test(test_flags_by_the_bit),
        cmocka_unit_test(test_states),
    };
    return cmocka_run_group_tests_name("listing tokens", tests, NULL, NULL);
}
