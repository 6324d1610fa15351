/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens: creation, reading, changing, deleting, labels, vectors, listing. */
#include "api_support.h"

#include <math.h>
#include <stdlib.h>

static void test_defaults(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token record;
    ng_token_info info;
    size_t bytes = 9, count = 9;
    char label[8] = "x";
    assert_int_equal(api_token(store), 1);
    ASSERT_OK(ng_token_read(store, 1, &record));
    assert_int_equal(record.slot, 1);
    assert_true(record.weight == 1.0f);
    assert_int_equal(record.field_radius, 100);
    assert_int_equal(record.field_strength, 255);
    assert_int_equal(record.flags, NG_TOKEN_ACTIVE);
    assert_true(record.timestamp > 1600000000);
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            assert_int_equal(record.coordinates[space][axis], NG_COORDINATE_ABSENT);
    }
    ASSERT_OK(ng_token_get(store, 1, &info));
    assert_memory_equal(&info.record, &record, sizeof record);
    assert_int_equal(info.id, 1);
    assert_int_equal(info.version, 1);
    assert_int_equal(info.collection, NG_COLLECTION_RUNTIME);
    assert_int_equal(info.out_degree + info.in_degree, 0);
    assert_false(info.has_vector);
    assert_int_equal(info.updated_us / 1000000, record.timestamp);
    ASSERT_OK(ng_token_label(store, 1, label, sizeof label, &bytes));
    assert_int_equal(bytes, 0);
    assert_string_equal(label, "");
    ASSERT_OK(ng_token_vector(store, 1, NULL, 0, &count));
    assert_int_equal(count, 0);
    ASSERT_OK(ng_close(store));
}

static void test_null_arguments(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id id = 0;
    ng_token record;
    ng_token_info info;
    size_t count;
    ng_token_fields fields = api_fields();
    ASSERT_FAILS(ng_token_create(NULL, NULL, NULL, &id), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_token_create(store, NULL, NULL, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_create_many(store, NULL, 1, NULL, &id), NG_E_INVALID, "fields");
    ASSERT_FAILS(ng_token_read(NULL, 1, &record), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_token_read(store, 1, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_get(store, 1, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_get(NULL, 1, &info), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_token_update(store, 1, NULL, NULL), NG_E_INVALID, "fields");
    ASSERT_FAILS(ng_token_delete(NULL, 1, NULL), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_token_find(store, 0, NULL, 1, &id), NG_E_INVALID, "label");
    ASSERT_FAILS(ng_token_find(store, 0, "a", 1, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_label(store, 1, NULL, 5, &count), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_vector(store, 1, NULL, 5, &count), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_vector(store, 1, NULL, 0, NULL), NG_E_INVALID, "count");
    ASSERT_FAILS(ng_token_list(store, 0, 0, NULL, 5, &count), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_list(store, 0, 0, &id, 1, NULL), NG_E_INVALID, "count");
    fields.set = NG_FIELD_LABEL;
    fields.label_bytes = 3;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "label");
    fields = api_fields();
    fields.set = NG_FIELD_VECTOR;
    fields.vector_dimensions = 3;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "vector");
    fields = api_fields();
    fields.struct_size--;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "struct_size");
    ASSERT_OK(ng_close(store));
}

/* A refused creation: the message names field, value and range, and nothing is there. */
#define REFUSE(member, value_, bit, ...)                                                           \
    do {                                                                                           \
        ng_token_fields wrong = api_fields();                                                      \
        wrong.set = (bit);                                                                         \
        wrong.member = (value_);                                                                   \
        ASSERT_FAILS(ng_token_create(store, &wrong, NULL, &id), NG_E_INVALID, __VA_ARGS__);        \
        ASSERT_FAILS(ng_token_update(store, 1, &wrong, NULL), NG_E_INVALID, __VA_ARGS__);          \
    } while (0)

static void test_values_out_of_range(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id id = api_token(store);
    REFUSE(weight, 2, NG_FIELD_WEIGHT, "weight", "2", "0..1");
    REFUSE(weight, -0.01f, NG_FIELD_WEIGHT, "weight", "-0.01", "0..1");
    REFUSE(weight, NAN, NG_FIELD_WEIGHT, "weight", "nan");
    REFUSE(weight, INFINITY, NG_FIELD_WEIGHT, "weight", "inf");
    REFUSE(field_radius, 2.56f, NG_FIELD_RADIUS, "radius", "2.56", "0..2.55");
    REFUSE(field_radius, NAN, NG_FIELD_RADIUS, "radius");
    REFUSE(field_strength, 1.01f, NG_FIELD_STRENGTH, "strength", "1.01", "0..1");
    REFUSE(field_strength, -INFINITY, NG_FIELD_STRENGTH, "strength");
    REFUSE(entity, 16, NG_FIELD_ENTITY, "entity", "16", "0..15");
    REFUSE(weight, 0, 1u << 20, "set", "100000");
    ng_token_fields fields = api_fields();
    fields.spaces_set = fields.spaces_clear = 1 << NG_SPACE_SOCIAL;
    ASSERT_FAILS(ng_token_update(store, 1, &fields, NULL), NG_E_INVALID, "social");
    fields = api_fields();
    fields.spaces_set = 1 << NG_SPACE_TEMPORAL;
    fields.coordinates[NG_SPACE_TEMPORAL][2] = 33;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "coordinate z",
                 "temporal", "33", "-32.767..32.767");
    fields.coordinates[NG_SPACE_TEMPORAL][2] = NAN;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "coordinate z", "nan");
    fields.coordinates[NG_SPACE_TEMPORAL][2] = -INFINITY;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "coordinate z", "inf");
    fields = api_fields();
    fields.coordinates[0][0] = NAN; /* not named in spaces_set: not looked at */
    fields.weight = NAN;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.token_count, 2);
    ASSERT_OK(ng_close(store));
}

static void test_rounding(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id id;
    ng_token record;
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_RADIUS | NG_FIELD_STRENGTH;
    for (int value = 0; value <= 255; value++) {
        fields.field_radius = (float)value / 100;
        fields.field_strength = (float)value / 255;
        ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
        ASSERT_OK(ng_token_read(store, id, &record));
        assert_int_equal(record.field_radius, value);
        assert_int_equal(record.field_strength, value);
    }
    static const struct {
        float value;
        int raw;
    } cases[] = {{0.005f, 0},   {0.0149f, 1},     {0.0151f, 2},       {-0.0149f, -1},
                 {1.23f, 123},  {327.67f, 32767}, {-327.67f, -32767}, {0.015625f, 2},
                 {0.03125f, 3}, {-0.0f, 0},       {100.125f, 10012},  {100.375f, 10038}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        id = api_at(store, NG_SPACE_PHYSICAL, cases[i].value, 0, 0);
        ASSERT_OK(ng_token_read(store, id, &record));
        assert_int_equal(record.coordinates[0][0], cases[i].raw);
    }
    ASSERT_OK(ng_close(store));
}

static void test_update(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_fields fields = api_fields();
    ng_token_info before, after;
    ng_token_id id = api_at(store, NG_SPACE_SENSORY, 1, 2, 3);
    ASSERT_OK(ng_token_get(store, id, &before));
    fields.set = NG_FIELD_ENTITY | NG_FIELD_WEIGHT;
    fields.entity = NG_ENTITY_GOAL;
    fields.weight = 0.25f;
    fields.spaces_set = 1 << NG_SPACE_MOTOR;
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    ASSERT_OK(ng_token_get(store, id, &after));
    assert_int_equal(after.version, 2);
    assert_true(after.updated_us > before.updated_us);
    assert_int_equal(after.record.timestamp, before.record.timestamp);
    assert_int_equal(after.record.flags, NG_TOKEN_ACTIVE | NG_ENTITY_GOAL << NG_TOKEN_ENTITY_SHIFT);
    assert_true(after.record.weight == 0.25f);
    assert_int_equal(after.record.coordinates[NG_SPACE_MOTOR][1], 0);
    assert_memory_equal(after.record.coordinates[NG_SPACE_SENSORY],
                        before.record.coordinates[NG_SPACE_SENSORY], 6);
    fields = api_fields();
    fields.set = NG_FIELD_FLAGS; /* keeps the entity type */
    fields.flags = NG_TOKEN_PERSISTENT | NG_TOKEN_USER_4;
    fields.spaces_clear = 1 << NG_SPACE_SENSORY;
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    ASSERT_OK(ng_token_get(store, id, &after));
    assert_int_equal(after.record.flags, NG_TOKEN_PERSISTENT | NG_TOKEN_USER_4 |
                                             NG_ENTITY_GOAL << NG_TOKEN_ENTITY_SHIFT);
    assert_int_equal(after.record.coordinates[NG_SPACE_SENSORY][2], NG_COORDINATE_ABSENT);
    ASSERT_FAILS(ng_token_update(store, 99, &fields, NULL), NG_E_NOT_FOUND, "00000063");
    ASSERT_FAILS(ng_token_update(store, 0, &fields, NULL), NG_E_INVALID, "0");
    ASSERT_OK(ng_close(store));
}

static void test_batch_is_all_or_none(void **state)
{
    (void)state;
    enum { COUNT = 4096 };
    ng_store *store = api_memory_store();
    ng_token_fields *fields = calloc(COUNT + 1, sizeof *fields);
    ng_token_id *ids = calloc(COUNT + 1, sizeof *ids);
    assert_non_null(fields);
    assert_non_null(ids);
    for (size_t i = 0; i <= COUNT; i++)
        fields[i] = api_fields();
    ASSERT_FAILS(ng_token_create_many(store, fields, 0, NULL, ids), NG_E_INVALID, "0", "1..4096");
    ASSERT_FAILS(ng_token_create_many(store, fields, COUNT + 1, NULL, ids), NG_E_INVALID, "4097",
                 "1..4096");
    fields[COUNT - 1].set = NG_FIELD_WEIGHT;
    fields[COUNT - 1].weight = 3;
    ASSERT_FAILS(ng_token_create_many(store, fields, COUNT, NULL, ids), NG_E_INVALID, "weight 3");
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.token_count, 0);
    assert_int_equal(info.applied_seq, 0);
    fields[COUNT - 1].set = 0;
    ASSERT_OK(ng_token_create_many(store, fields, COUNT, NULL, ids));
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(ids[i], i + 1);
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.token_count, COUNT);
    assert_int_equal(info.applied_seq, 1);
    fields[0].set = fields[1].set = NG_FIELD_LABEL;
    fields[0].label = fields[1].label = "twice";
    fields[0].label_bytes = fields[1].label_bytes = 5;
    ASSERT_FAILS(ng_token_create_many(store, fields, 2, NULL, ids), NG_E_EXISTS, "twice");
    fields[1].collection = NG_COLLECTION_SEMANTIC;
    ASSERT_OK(ng_token_create_many(store, fields, 2, NULL, ids));
    free(fields);
    free(ids);
    ASSERT_OK(ng_close(store));
}

static void test_deleted_ids(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token record;
    ng_token_id id = 0;
    ng_token_id first = api_labelled(store, "first");
    ASSERT_OK(ng_token_delete(store, first, NULL));
    ASSERT_FAILS(ng_token_delete(store, first, NULL), NG_E_NOT_FOUND, "Token 00000001 not found");
    ASSERT_FAILS(ng_token_read(store, first, &record), NG_E_NOT_FOUND, "00000001");
    ASSERT_FAILS(ng_token_find(store, 0, "first", 5, &id), NG_E_NOT_FOUND, "first");
    ASSERT_FAILS(ng_token_read(store, 0, &record), NG_E_INVALID, "0");
    ASSERT_FAILS(ng_token_delete(store, 0, NULL), NG_E_INVALID, "0");
    ASSERT_FAILS(ng_token_read(store, UINT64_MAX, &record), NG_E_NOT_FOUND, "FFFFFFFF");
    ASSERT_FAILS(ng_token_read(store, (1ull << 32) | 1, &record), NG_E_NOT_FOUND, "not found");
    for (int i = 0; i < 100; i++) {
        id = api_token(store);
        assert_int_not_equal(id, first);
        ASSERT_OK(ng_token_delete(store, id, NULL));
    }
    id = api_labelled(store, "first"); /* the label is free again, the id is not */
    assert_int_equal(id, 102);
    ASSERT_OK(ng_close(store));
}

static void test_labels(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_fields fields = api_fields();
    ng_token_id id = 0, found = 0;
    size_t bytes = 0;
    char text[2000], small[4];
    ng_token_id word = api_labelled(store, "слово");
    ASSERT_OK(ng_token_find(store, 0, "слово", strlen("слово"), &found));
    assert_int_equal(found, word);
    ASSERT_FAILS(ng_token_find(store, 0, "слов", strlen("слов"), &found), NG_E_NOT_FOUND, "слов",
                 "runtime");
    ASSERT_FAILS(ng_token_find(store, 99, "a", 1, &found), NG_E_NOT_FOUND, "collection 99");
    ASSERT_FAILS(ng_token_find(store, NG_COLLECTION_SEMANTIC, "слово", strlen("слово"), &found),
                 NG_E_NOT_FOUND, "semantic");
    ASSERT_OK(ng_token_label(store, word, small, sizeof small, &bytes));
    assert_int_equal(bytes, strlen("слово"));
    assert_int_equal(strlen(small) < sizeof small, 1);
    ASSERT_OK(ng_token_label(store, word, NULL, 0, &bytes));
    ASSERT_OK(ng_token_label(store, word, text, sizeof text, NULL));
    assert_string_equal(text, "слово");

    fields.set = NG_FIELD_LABEL;
    fields.label = "слово";
    fields.label_bytes = strlen("слово");
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_EXISTS, "слово", "token 1");
    fields.collection = NG_COLLECTION_SEMANTIC;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id)); /* unique in its collection only */
    fields.collection = 0;
    ng_token_id other = api_token(store);
    ASSERT_FAILS(ng_token_update(store, other, &fields, NULL), NG_E_EXISTS, "token 1");
    ASSERT_OK(ng_token_update(store, word, &fields, NULL)); /* its own label is no conflict */
    fields.label = "renamed";
    fields.label_bytes = 7;
    ASSERT_OK(ng_token_update(store, word, &fields, NULL));
    ASSERT_FAILS(ng_token_find(store, 0, "слово", strlen("слово"), &found), NG_E_NOT_FOUND,
                 "слово");
    ASSERT_OK(ng_token_find(store, 0, "renamed", 7, &found));
    fields.label = NULL;
    fields.label_bytes = 0;
    ASSERT_OK(ng_token_update(store, word, &fields, NULL));
    ASSERT_OK(ng_token_label(store, word, text, sizeof text, &bytes));
    assert_int_equal(bytes, 0);
    ASSERT_FAILS(ng_token_find(store, 0, "renamed", 7, &found), NG_E_NOT_FOUND, "renamed");
    ASSERT_OK(ng_close(store));
}

static void test_labels_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
        const char *says;
    } cases[] = {{"a\nb", 3, "control"},
                 {"a\0b", 3, "control"},
                 {"\x7F", 1, "control"},
                 {"\xC2\x85", 2, "control"},
                 {"\xFF", 1, "UTF-8"},
                 {"a\xC3", 2, "UTF-8"},
                 {"\xC0\x80", 2, "UTF-8"},
                 {"\xED\xA0\x80", 3, "UTF-8"},
                 {"\xF4\x90\x80\x80", 4, "UTF-8"},
                 {"\xE2\x28\xA1", 3, "UTF-8"},
                 {"\xF0\x82\x82\xAC", 4, "UTF-8"}};
    ng_store *store = api_memory_store();
    ng_token_fields fields = api_fields();
    ng_token_id id = 0;
    fields.set = NG_FIELD_LABEL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fields.label = cases[i].text;
        fields.label_bytes = cases[i].bytes;
        ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "label",
                     cases[i].says);
    }
    char text[1025];
    memset(text, 'x', sizeof text);
    fields.label = text;
    fields.label_bytes = 1025;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "label", "1025",
                 "1..1024");
    fields.label_bytes = SIZE_MAX;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "label", "1..1024");
    fields.label_bytes = 1024;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    char copy[1025];
    size_t bytes = 0;
    ASSERT_OK(ng_token_label(store, id, copy, sizeof copy, &bytes));
    assert_int_equal(bytes, 1024);
    assert_int_equal(strlen(copy), 1024);
    fields.label = "\xF0\x9F\x90\x88 \xE2\x82\xAC"; /* four bytes, a blank, three */
    fields.label_bytes = strlen(fields.label);
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    ASSERT_OK(ng_close(store));
}

static void test_vectors(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    const float vector[5] = {1, -2, 3.5f, 0, 1e-30f};
    float copy[5] = {9, 9, 9, 9, 9};
    size_t count = 0;
    ng_token_id id = 0;
    ng_token_info info;
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_VECTOR;
    fields.vector = vector;
    fields.vector_dimensions = 5;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    ASSERT_OK(ng_token_vector(store, id, copy, 5, &count));
    assert_int_equal(count, 5);
    assert_memory_equal(copy, vector, sizeof copy);
    memset(copy, 0, sizeof copy);
    ASSERT_OK(ng_token_vector(store, id, copy, 2, &count));
    assert_int_equal(count, 5);
    assert_true(copy[1] == -2 && copy[2] == 0);
    ASSERT_OK(ng_token_get(store, id, &info));
    assert_true(info.has_vector);
    fields.vector_dimensions = 4;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "4", "5");
    ASSERT_FAILS(ng_token_update(store, id, &fields, NULL), NG_E_INVALID, "4", "5");
    fields.vector_dimensions = 1;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "1", "2..4096");
    fields.vector_dimensions = 4097;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "4097", "2..4096");
    float wrong[5] = {0, 0, 0, NAN, 0};
    fields.vector = wrong;
    fields.vector_dimensions = 5;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "vector[3]", "finite");
    wrong[3] = INFINITY;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "vector[3]");
    fields.vector = NULL;
    fields.vector_dimensions = 0;
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    ASSERT_OK(ng_token_vector(store, id, NULL, 0, &count));
    assert_int_equal(count, 0);
    ng_info store_info;
    ASSERT_OK(ng_store_info(store, &store_info));
    assert_int_equal(store_info.vector_count, 0);
    assert_int_equal(store_info.dimensions, 5);
    ASSERT_OK(ng_close(store));
}

static void test_listing(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id ids[8], after = 0;
    size_t count = 9;
    ASSERT_OK(ng_token_list(store, NG_COLLECTION_ANY, 0, ids, 8, &count));
    assert_int_equal(count, 0);
    ng_token_fields fields = api_fields();
    for (int i = 0; i < 20; i++) {
        ng_token_id id;
        fields.collection = (ng_collection_id)(i % 2);
        ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    }
    ASSERT_OK(ng_token_list(store, NG_COLLECTION_SEMANTIC, 0, ids, 8, &count));
    assert_int_equal(count, 8);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(ids[i], 2 * i + 2);
    /* Pages by the last id seen: what is deleted or added meanwhile does not shift the rest. */
    after = ids[7];
    ASSERT_OK(ng_token_delete(store, 2, NULL));
    ASSERT_OK(ng_token_delete(store, after, NULL));
    ASSERT_OK(ng_token_delete(store, 18, NULL));
    fields.collection = NG_COLLECTION_SEMANTIC;
    ng_token_id late;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &late));
    ASSERT_OK(ng_token_list(store, NG_COLLECTION_SEMANTIC, after, ids, 8, &count));
    assert_int_equal(count, 2);
    assert_int_equal(ids[0], 20);
    assert_int_equal(ids[1], late);
    ASSERT_OK(ng_token_list(store, NG_COLLECTION_SEMANTIC, late, ids, 8, &count));
    assert_int_equal(count, 0);
    ASSERT_OK(ng_token_list(store, NG_COLLECTION_ANY, 1000, ids, 8, &count));
    assert_int_equal(count, 0);
    ASSERT_OK(ng_token_list(store, NG_COLLECTION_ANY, 0, NULL, 0, &count));
    assert_int_equal(count, 0);
    ASSERT_FAILS(ng_token_list(store, 77, 0, ids, 8, &count), NG_E_NOT_FOUND, "collection 77");
    ASSERT_OK(ng_close(store));
}

static void test_unknown_collection(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id id = 0;
    ng_token_fields fields = api_fields();
    fields.collection = 2;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_NOT_FOUND, "collection 2");
    fields.collection = NG_COLLECTION_ANY;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_NOT_FOUND, "collection");
    ASSERT_OK(ng_close(store));
}

static void test_update_that_changes_nothing(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id id = api_token(store);
    ng_token_info before, after;
    ng_token_fields fields = api_fields();
    ng_seq seq = 99;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    ASSERT_OK(ng_token_get(store, id, &before));
    ASSERT_OK(ng_token_update(store, id, &fields, &write));
    ASSERT_OK(ng_token_get(store, id, &after));
    assert_memory_equal(&before.record, &after.record, sizeof before.record);
    assert_int_equal(after.version, seq == 0 ? before.version : before.version + 1);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_null_arguments),
        cmocka_unit_test(test_values_out_of_range),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_batch_is_all_or_none),
        cmocka_unit_test(test_deleted_ids),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_labels_that_are_refused),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_unknown_collection),
        cmocka_unit_test(test_update_that_changes_nothing),
    };
    return cmocka_run_group_tests_name("tokens", tests, NULL, NULL);
}
