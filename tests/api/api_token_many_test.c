/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens by the batch: one op, all or none, results by position, the same inside transactions. */
#include "api_support.h"

#include <stdlib.h>

enum { MANY = 4096 };

typedef struct batch {
    ng_store *store;
    ng_token_id ids[MANY + 1];
    ng_token_fields fields[MANY + 1];
} batch;

/* A store with `count` tokens, ids 1, 2, 3, ..., and fields that change nothing. */
static batch *batch_create(size_t count)
{
    batch *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->store = api_memory_store();
    for (size_t i = 0; i <= MANY; i++) {
        b->ids[i] = i + 1;
        b->fields[i] = api_fields();
    }
    if (count > 0)
        ASSERT_OK(ng_token_create_many(b->store, b->fields, count, NULL, b->ids));
    return b;
}

static void batch_destroy(batch *b)
{
    ng_check_report report;
    ASSERT_OK(ng_check(b->store, &report));
    assert_string_equal(report.first_problem, "");
    ASSERT_OK(ng_close(b->store));
    free(b);
}

static ng_seq newest(const ng_store *store)
{
    ng_seq seq = 0;
    ng_positions(store, &seq, NULL);
    return seq;
}

static void test_update_many(void **state)
{
    (void)state;
    batch *b = batch_create(MANY);
    for (size_t i = 0; i < MANY; i++) {
        b->ids[i] = MANY - i; /* positions, not order, say what is meant */
        b->fields[i].spaces_set = 1 << NG_SPACE_PHYSICAL;
        b->fields[i].coordinates[NG_SPACE_PHYSICAL][0] = (float)i / 100;
    }
    ng_seq seq = 0, before = newest(b->store);
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    ASSERT_OK(ng_token_update_many(b->store, b->ids, b->fields, MANY, &write));
    assert_int_equal(seq, before + 1);
    assert_int_equal(newest(b->store), seq);
    for (size_t i = 0; i < MANY; i++) {
        ng_token_info info;
        ASSERT_OK(ng_token_get(b->store, b->ids[i], &info));
        assert_int_equal(info.record.coordinates[NG_SPACE_PHYSICAL][0], i);
        assert_int_equal(info.version, 2);
    }
    batch_destroy(b);
}

static void test_update_many_is_all_or_none(void **state)
{
    (void)state;
    batch *b = batch_create(100);
    uint64_t before = 0, after = 0;
    ASSERT_OK(ng_state_hash(b->store, &before));
    for (size_t i = 0; i < 100; i++) {
        b->fields[i].set = NG_FIELD_WEIGHT;
        b->fields[i].weight = 0.25f;
    }
    b->fields[99].weight = 7;
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, b->fields, 100, NULL), NG_E_INVALID,
                 "item 99: weight 7", "0..1");
    b->fields[99].weight = 0.5f;
    b->ids[40] = 12345;
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, b->fields, 100, NULL), NG_E_NOT_FOUND,
                 "item 40", "00003039");
    b->ids[40] = 7;
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, b->fields, 100, NULL), NG_E_INVALID,
                 "item 40: token 7 is also item 6");
    b->ids[40] = 0;
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, b->fields, 100, NULL), NG_E_INVALID,
                 "item 40: id 0");
    b->ids[40] = 41;
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, b->fields, 0, NULL), NG_E_INVALID,
                 "count 0", "1..4096");
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, b->fields, MANY + 1, NULL), NG_E_INVALID,
                 "count 4097", "1..4096");
    ASSERT_FAILS(ng_token_update_many(b->store, NULL, b->fields, 1, NULL), NG_E_INVALID, "ids");
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, NULL, 1, NULL), NG_E_INVALID, "fields");
    ng_write_options write = {.struct_size = sizeof write, .if_version = 1};
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, b->fields, 2, &write), NG_E_INVALID,
                 "if_version");
    write.if_version = 0;
    write.if_seq = newest(b->store) + 1;
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, b->fields, 2, &write), NG_E_CONFLICT,
                 "if_seq");
    b->fields[3].struct_size = 1;
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, b->fields, 4, NULL), NG_E_INVALID,
                 "struct_size");
    ASSERT_OK(ng_state_hash(b->store, &after));
    assert_int_equal(before, after);
    batch_destroy(b);
}

static void test_labels_of_a_batch(void **state)
{
    (void)state;
    batch *b = batch_create(3);
    ng_token_id id = 0;
    static const char *const labels[] = {"one", "two", "one"};
    for (size_t i = 0; i < 3; i++) {
        b->fields[i].set = NG_FIELD_LABEL;
        b->fields[i].label = labels[i];
        b->fields[i].label_bytes = 3;
    }
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, b->fields, 3, NULL), NG_E_EXISTS,
                 "item 2: label 'one' is given twice, also to item 0");
    ASSERT_OK(ng_token_update_many(b->store, b->ids, b->fields, 2, NULL));
    ASSERT_OK(ng_token_find(b->store, 0, "two", 3, &id));
    assert_int_equal(id, 2);
    b->fields[0].label = "two"; /* is free only behind the next item */
    b->fields[1].label = "six";
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, b->fields, 2, NULL), NG_E_EXISTS,
                 "item 0: label 'two' belongs to token 2");
    b->fields[0].label = "six"; /* gives up "one" */
    b->fields[1].label = "one"; /* gives up "two" */
    b->fields[2].label = "two";
    ASSERT_OK(ng_token_update_many(b->store, b->ids, b->fields, 3, NULL));
    static const char *const wanted[] = {"six", "one", "two"};
    for (size_t i = 0; i < 3; i++) {
        ASSERT_OK(ng_token_find(b->store, 0, wanted[i], 3, &id));
        assert_int_equal(id, i + 1);
    }
    b->fields[0].label = "six"; /* keeps it */
    b->fields[1].label = "six";
    ASSERT_FAILS(ng_token_update_many(b->store, b->ids, b->fields, 2, NULL), NG_E_EXISTS,
                 "item 1: label 'six' belongs to token 1");
    b->fields[0].label_bytes = 0;
    ASSERT_OK(ng_token_update_many(b->store, b->ids, b->fields, 2, NULL));
    ASSERT_OK(ng_token_find(b->store, 0, "six", 3, &id));
    assert_int_equal(id, 2);
    batch_destroy(b);
}

static void test_delete_many(void **state)
{
    (void)state;
    batch *b = batch_create(MANY);
    for (ng_token_id i = 1; i < 20; i++)
        api_link(b->store, i, i + 1, 0x50, 0);
    ng_seq before = newest(b->store);
    b->ids[5] = 9999;
    ASSERT_FAILS(ng_token_delete_many(b->store, b->ids, 10, NULL), NG_E_NOT_FOUND, "item 5",
                 "0000270F");
    b->ids[5] = 1;
    ASSERT_FAILS(ng_token_delete_many(b->store, b->ids, 10, NULL), NG_E_INVALID,
                 "item 5: token 1 is also item 0");
    b->ids[5] = 0;
    ASSERT_FAILS(ng_token_delete_many(b->store, b->ids, 10, NULL), NG_E_INVALID, "item 5", "0");
    ASSERT_FAILS(ng_token_delete_many(b->store, b->ids, 0, NULL), NG_E_INVALID, "1..4096");
    ASSERT_FAILS(ng_token_delete_many(b->store, b->ids, MANY + 1, NULL), NG_E_INVALID, "1..4096");
    ASSERT_FAILS(ng_token_delete_many(b->store, NULL, 1, NULL), NG_E_INVALID, "ids");
    ng_write_options write = {.struct_size = sizeof write, .if_version = 1};
    ASSERT_FAILS(ng_token_delete_many(b->store, b->ids, 2, &write), NG_E_INVALID, "if_version");
    write = (ng_write_options){.struct_size = sizeof write, .flags = NG_WRITE_IF_ABSENT};
    ASSERT_FAILS(ng_token_delete_many(b->store, b->ids, 2, &write), NG_E_INVALID, "IF_ABSENT");
    assert_int_equal(newest(b->store), before);
    b->ids[5] = 6;
    ASSERT_OK(ng_token_delete_many(b->store, b->ids, 10, NULL));
    ng_info info;
    ASSERT_OK(ng_store_info(b->store, &info));
    assert_int_equal(info.applied_seq, before + 1);
    assert_int_equal(info.token_count, MANY - 10);
    assert_int_equal(info.connection_count, 9); /* 11-12 to 19-20 */
    ASSERT_OK(ng_token_delete_many(b->store, b->ids + 10, MANY - 10, NULL));
    ASSERT_OK(ng_store_info(b->store, &info));
    assert_int_equal(info.token_count + info.connection_count, 0);
    batch_destroy(b);
}

static void test_reads_of_many(void **state)
{
    (void)state;
    batch *b = batch_create(10);
    const ng_token_id ids[] = {3, 99, 0, 3, UINT64_MAX, 10, (1ull << 32) | 3, 7};
    static const bool there[] = {true, false, false, true, false, true, false, true};
    enum { COUNT = sizeof ids / sizeof *ids };
    ng_token records[COUNT];
    ng_token_info infos[COUNT];
    size_t found = 0;
    memset(records, 0xAA, sizeof records);
    memset(infos, 0xAA, sizeof infos);
    ASSERT_OK(ng_token_read_many(b->store, ids, COUNT, records, &found));
    assert_int_equal(found, 4);
    ASSERT_OK(ng_token_get_many(b->store, ids, COUNT, infos, &found));
    assert_int_equal(found, 4);
    for (size_t i = 0; i < COUNT; i++) {
        bool exists = !there[i];
        assert_int_equal(records[i].slot, there[i] ? ids[i] : 0);
        assert_int_equal(infos[i].id, there[i] ? ids[i] : 0);
        assert_int_equal(infos[i].version, there[i] ? 1 : 0);
        assert_memory_equal(&infos[i].record, &records[i], sizeof records[i]);
        ASSERT_OK(ng_token_exists(b->store, ids[i], &exists));
        assert_int_equal(exists, there[i]);
    }
    ASSERT_OK(ng_token_delete(b->store, 3, NULL));
    bool exists = true;
    ASSERT_OK(ng_token_exists(b->store, 3, &exists));
    assert_false(exists);
    ASSERT_OK(ng_token_get_many(b->store, ids, COUNT, infos, NULL));
    assert_int_equal(infos[0].id, 0);
    ASSERT_OK(ng_token_read_many(b->store, ids, COUNT, records, NULL));
    assert_int_equal(records[0].slot, 0);
    ASSERT_OK(ng_token_get_many(b->store, NULL, 0, NULL, &found));
    assert_int_equal(found, 0);
    ASSERT_OK(ng_token_read_many(b->store, NULL, 0, NULL, &found));
    ASSERT_FAILS(ng_token_get_many(b->store, b->ids, MANY + 1, infos, &found), NG_E_INVALID, "4097",
                 "0..4096");
    ASSERT_FAILS(ng_token_get_many(b->store, NULL, 1, infos, &found), NG_E_INVALID, "ids");
    ASSERT_FAILS(ng_token_read_many(b->store, ids, 1, NULL, &found), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_exists(b->store, 1, NULL), NG_E_INVALID, "out");
    batch_destroy(b);
}

static void test_in_a_transaction(void **state)
{
    (void)state;
    batch *b = batch_create(8);
    ng_txn *txn = NULL;
    ng_seq before = newest(b->store);
    ASSERT_OK(ng_txn_begin(b->store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    for (size_t i = 0; i < 8; i++) {
        b->fields[i].set = NG_FIELD_WEIGHT;
        b->fields[i].weight = 0.5f;
    }
    ASSERT_OK(ng_token_update_many(b->store, b->ids, b->fields, 6, &write));
    ng_token_id made[2];
    ASSERT_OK(ng_token_create_many(b->store, b->fields, 2, &write, made));
    /* All or none also here: the last one is not there, so the first is not deleted. */
    const ng_token_id wrong[] = {1, made[0], 77};
    ASSERT_FAILS(ng_token_delete_many(b->store, wrong, 3, &write), NG_E_NOT_FOUND, "item 2");
    ng_token_info info;
    ASSERT_OK(ng_txn_token_get(txn, 1, &info));
    ASSERT_OK(ng_txn_token_get(txn, made[0], &info));
    const ng_token_id right[] = {1, made[0], 8};
    ASSERT_OK(ng_token_delete_many(b->store, right, 3, &write));
    ASSERT_FAILS(ng_txn_token_get(txn, made[0], &info), NG_E_NOT_FOUND, "not found");
    ASSERT_FAILS(ng_token_delete_many(b->store, right, 3, &write), NG_E_NOT_FOUND, "item 0");
    assert_int_equal(newest(b->store), before);
    ASSERT_OK(ng_txn_commit(txn, NULL));
    assert_int_equal(newest(b->store), before + 1);
    const ng_token_id all[] = {1, 2, 6, 7, 8, made[0], made[1]};
    ng_token records[7];
    size_t found = 0;
    ASSERT_OK(ng_token_read_many(b->store, all, 7, records, &found));
    assert_int_equal(found, 4);
    assert_int_equal(records[0].slot + records[4].slot + records[5].slot, 0);
    assert_true(records[1].weight == 0.5f && records[2].weight == 0.5f);
    assert_true(records[3].weight == 1.0f && records[6].weight == 0.5f);
    batch_destroy(b);
}

static void set_label(ng_token_fields *fields, const char *label)
{
    fields->set |= NG_FIELD_LABEL;
    fields->label = label;
    fields->label_bytes = strlen(label);
}

static void test_upsert(void **state)
{
    (void)state;
    batch *b = batch_create(0);
    ng_token_fields fields = api_fields();
    ng_token_id id = 0, other = 0;
    ng_token_info info;
    bool created = false;
    set_label(&fields, "cup");
    fields.set |= NG_FIELD_WEIGHT;
    fields.weight = 0.5f;
    ASSERT_OK(ng_token_upsert(b->store, &fields, NULL, &id, &created));
    assert_true(created);
    fields.set = NG_FIELD_LABEL | NG_FIELD_ENTITY;
    fields.entity = NG_ENTITY_OBJECT;
    ASSERT_OK(ng_token_upsert(b->store, &fields, NULL, &other, &created));
    assert_false(created);
    assert_int_equal(other, id);
    ASSERT_OK(ng_token_get(b->store, id, &info));
    assert_int_equal(info.version, 2);
    assert_true(info.record.weight == 0.5f);
    assert_int_equal(info.record.flags >> NG_TOKEN_ENTITY_SHIFT & 15, NG_ENTITY_OBJECT);
    fields.collection = NG_COLLECTION_SEMANTIC; /* the same label there is another token */
    ASSERT_OK(ng_token_upsert(b->store, &fields, NULL, &other, NULL));
    assert_int_not_equal(other, id);
    fields.collection = 99;
    ASSERT_FAILS(ng_token_upsert(b->store, &fields, NULL, &other, NULL), NG_E_NOT_FOUND,
                 "collection 99");
    fields = api_fields();
    ASSERT_FAILS(ng_token_upsert(b->store, &fields, NULL, &other, NULL), NG_E_INVALID, "label");
    set_label(&fields, "");
    ASSERT_FAILS(ng_token_upsert(b->store, &fields, NULL, &other, NULL), NG_E_INVALID, "label");
    set_label(&fields, "cup");
    ng_write_options write = {.struct_size = sizeof write, .if_version = 2};
    ASSERT_FAILS(ng_token_upsert(b->store, &fields, &write, &other, NULL), NG_E_INVALID,
                 "if_version");
    write = (ng_write_options){.struct_size = sizeof write, .flags = NG_WRITE_IF_ABSENT};
    ASSERT_FAILS(ng_token_upsert(b->store, &fields, &write, &other, NULL), NG_E_INVALID,
                 "IF_ABSENT");
    ASSERT_FAILS(ng_token_upsert(b->store, &fields, NULL, NULL, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_upsert(b->store, NULL, NULL, &id, NULL), NG_E_INVALID, "fields");
    batch_destroy(b);
}

static void test_upsert_many(void **state)
{
    (void)state;
    batch *b = batch_create(0);
    static char labels[MANY][16];
    bool *created = calloc(MANY, sizeof *created);
    assert_non_null(created);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(labels[i], sizeof labels[i], "label %zu", i);
        set_label(&b->fields[i], labels[i]);
    }
    ASSERT_OK(ng_token_create_many(b->store, b->fields, 10, NULL, b->ids));
    ng_seq before = newest(b->store);
    ASSERT_OK(ng_token_upsert_many(b->store, b->fields, MANY, NULL, b->ids, created));
    assert_int_equal(newest(b->store), before + 1);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(b->ids[i], i + 1);
        assert_int_equal(created[i], i >= 10);
    }
    b->fields[7].label = labels[3];
    b->fields[7].label_bytes = strlen(labels[3]);
    ASSERT_FAILS(ng_token_upsert_many(b->store, b->fields, MANY, NULL, b->ids, created),
                 NG_E_EXISTS, "item 7: label 'label 3' is given twice, also to item 3");
    set_label(&b->fields[7], "new");
    b->fields[8].set |= NG_FIELD_WEIGHT;
    b->fields[8].weight = -1;
    ASSERT_FAILS(ng_token_upsert_many(b->store, b->fields, 20, NULL, b->ids, created), NG_E_INVALID,
                 "item 8: weight -1");
    assert_int_equal(newest(b->store), before + 1);
    free(created);
    batch_destroy(b);
}

static void test_upsert_in_a_transaction(void **state)
{
    (void)state;
    batch *b = batch_create(0);
    ng_token_id kept = api_labelled(b->store, "kept");
    ng_token_id ids[3];
    bool created[3];
    ng_txn *txn = NULL;
    ASSERT_OK(ng_txn_begin(b->store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    set_label(&b->fields[0], "kept");
    set_label(&b->fields[1], "new");
    ASSERT_OK(ng_token_upsert_many(b->store, b->fields, 2, &write, ids, created));
    assert_int_equal(ids[0], kept);
    assert_true(!created[0] && created[1]);
    b->fields[1].set |= NG_FIELD_WEIGHT;
    b->fields[1].weight = 0.25f;
    set_label(&b->fields[2], "third");
    ng_token_id first_new = ids[1];
    ASSERT_OK(ng_token_upsert_many(b->store, b->fields, 3, &write, ids, created));
    assert_int_equal(ids[1], first_new); /* its own, which nobody else sees yet */
    assert_true(!created[0] && !created[1] && created[2]);
    b->fields[2].label = "new";
    b->fields[2].label_bytes = 3;
    ASSERT_FAILS(ng_token_upsert_many(b->store, b->fields, 3, &write, ids, created), NG_E_EXISTS,
                 "item 2", "item 1");
    ASSERT_OK(ng_txn_commit(txn, NULL));
    ng_token record;
    ASSERT_OK(ng_token_read(b->store, first_new, &record));
    assert_true(record.weight == 0.25f);
    ng_info info;
    ASSERT_OK(ng_store_info(b->store, &info));
    assert_int_equal(info.token_count, 3);
    batch_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_update_many),
        cmocka_unit_test(test_update_many_is_all_or_none),
        cmocka_unit_test(test_labels_of_a_batch),
        cmocka_unit_test(test_delete_many),
        cmocka_unit_test(test_reads_of_many),
        cmocka_unit_test(test_in_a_transaction),
        cmocka_unit_test(test_upsert),
        cmocka_unit_test(test_upsert_many),
        cmocka_unit_test(test_upsert_in_a_transaction),
    };
    return cmocka_run_group_tests_name("tokens by the batch", tests, NULL, NULL);
}
