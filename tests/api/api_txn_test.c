/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Transactions and conditions as a program uses them. */
#include "api_support.h"
#include "test_directory.h"

#include <stdlib.h>
#include <string.h>

static ng_token_fields labelled(const char *label)
{
    return (ng_token_fields){.struct_size = sizeof(ng_token_fields),
                             .set = NG_FIELD_LABEL,
                             .label = label,
                             .label_bytes = strlen(label)};
}

static void test_null_arguments(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_txn *txn = NULL;
    ng_token_info info;
    ng_token_id id;
    ng_connection record;
    size_t count;
    assert_int_equal(ng_txn_begin(NULL, NULL, &txn), NG_E_INVALID);
    assert_int_equal(ng_txn_begin(store, NULL, NULL), NG_E_INVALID);
    ng_txn_options options = {.struct_size = 3};
    assert_int_equal(ng_txn_begin(store, &options, &txn), NG_E_INVALID);
    assert_null(txn);
    assert_int_equal(ng_txn_commit(NULL, NULL), NG_E_INVALID);
    ng_txn_rollback(NULL);
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    assert_int_equal(ng_txn_if_version(NULL, 1, 1), NG_E_INVALID);
    assert_int_equal(ng_txn_if_absent(NULL, 0, "a", 1), NG_E_INVALID);
    assert_int_equal(ng_txn_if_absent(txn, 0, NULL, 1), NG_E_INVALID);
    assert_int_equal(ng_txn_token_get(NULL, 1, &info), NG_E_INVALID);
    assert_int_equal(ng_txn_token_get(txn, 1, NULL), NG_E_INVALID);
    assert_int_equal(ng_txn_token_find(txn, 0, NULL, 1, &id), NG_E_INVALID);
    assert_int_equal(ng_txn_token_find(txn, 0, "a", 1, NULL), NG_E_INVALID);
    assert_int_equal(ng_txn_token_label(txn, 1, NULL, 5, &count), NG_E_INVALID);
    assert_int_equal(ng_txn_token_vector(txn, 1, NULL, 0, NULL), NG_E_INVALID);
    assert_int_equal(ng_txn_connection_get(txn, 1, NULL), NG_E_INVALID);
    assert_int_equal(ng_txn_connection_get(NULL, 1, &record), NG_E_INVALID);

    /* A commit ends the transaction also if its arguments are wrong. */
    ng_write_options write = {.struct_size = 1};
    assert_int_equal(ng_txn_commit(txn, &write), NG_E_INVALID);
    ng_info all;
    ASSERT_OK(ng_store_info(store, &all));
    assert_int_equal(all.open_txn_count, 0);
    ASSERT_OK(ng_close(store));
}

static void test_what_takes_no_part(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_txn *txn;
    ng_cdna cdna;
    ng_collection_id collection;
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    ASSERT_OK(ng_cdna_get(store, &cdna));
    assert_int_equal(ng_cdna_set(store, &cdna, &write), NG_E_INVALID);
    assert_int_equal(ng_collection_create(store, "new", &write, &collection), NG_E_INVALID);
    ng_txn_rollback(txn);
    /* A condition that is not verified is refused rather than passed over. */
    const ng_write_options versioned = {.struct_size = sizeof versioned, .if_version = 3};
    const ng_write_options absent = {.struct_size = sizeof absent, .flags = NG_WRITE_IF_ABSENT};
    ASSERT_FAILS(ng_cdna_set(store, &cdna, &versioned), NG_E_INVALID, "if_version", "constitution");
    ASSERT_FAILS(ng_cdna_set(store, &cdna, &absent), NG_E_INVALID, "NG_WRITE_IF_ABSENT");
    ASSERT_FAILS(ng_collection_create(store, "new", &versioned, &collection), NG_E_INVALID,
                 "if_version", "collection");
    ASSERT_FAILS(ng_collection_create(store, "semantic", &absent, &collection), NG_E_INVALID,
                 "NG_WRITE_IF_ABSENT");
    ng_seq applied;
    ng_positions(store, &applied, NULL);
    assert_int_equal(applied, 0);
    ASSERT_OK(ng_close(store));
}

static void test_commit_survives_reopening(void **state)
{
    (void)state;
    char *path = test_directory_create();
    ng_store *store;
    ASSERT_OK(ng_open(path, NULL, &store));
    ng_token_id ids[3];
    ng_token_fields fields[] = {labelled("a"), labelled("b"), labelled("c")};
    ASSERT_OK(ng_token_create_many(store, fields, 3, NULL, ids));
    ng_txn *txn;
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    ng_token_id added;
    ng_connection_id link;
    ng_token_fields none = {.struct_size = sizeof none, .set = NG_FIELD_LABEL};
    ASSERT_OK(ng_token_update(store, ids[0], &none, &write));
    ASSERT_OK(ng_token_update(store, ids[1], &fields[0], &write));
    ASSERT_OK(ng_token_update(store, ids[0], &fields[1], &write));
    ASSERT_OK(ng_token_delete(store, ids[2], &write));
    ASSERT_OK(ng_token_create(store, &fields[2], &write, &added));
    ng_connection_fields ends = {.struct_size = sizeof ends, .source = added, .target = ids[0]};
    ASSERT_OK(ng_connection_create(store, &ends, &write, &link));
    ng_token_id found;
    ASSERT_OK(ng_txn_token_find(txn, 0, "c", 1, &found));
    assert_int_equal(found, added);
    ASSERT_OK(ng_token_find(store, 0, "c", 1, &found));
    assert_int_equal(found, ids[2]);
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.open_txn_count, 1);
    assert_int_equal(info.applied_seq, 1);
    ng_seq seq;
    ng_write_options commit = {.struct_size = sizeof commit, .seq = &seq};
    ASSERT_OK(ng_txn_commit(txn, &commit));
    assert_int_equal(seq, 2);
    uint64_t before;
    uint64_t after;
    ASSERT_OK(ng_state_hash(store, &before));
    ASSERT_OK(ng_close(store));

    ASSERT_OK(ng_open(path, NULL, &store));
    ASSERT_OK(ng_state_hash(store, &after));
    assert_true(before == after);
    ASSERT_OK(ng_token_find(store, 0, "a", 1, &found));
    assert_int_equal(found, ids[1]);
    ASSERT_OK(ng_token_find(store, 0, "b", 1, &found));
    assert_int_equal(found, ids[0]);
    ASSERT_OK(ng_token_find(store, 0, "c", 1, &found));
    assert_int_equal(found, added);
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_int_equal(report.problem_count, 0);
    assert_int_equal(report.log_ops, 2);
    ASSERT_OK(ng_close(store));
    test_directory_remove(path);
}

static void test_compare_and_set(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id id = api_token(store);
    ng_token_info now;
    ng_conflict conflict;
    ASSERT_OK(ng_token_get(store, id, &now));
    ng_token_fields fields = {.struct_size = sizeof fields, .set = NG_FIELD_WEIGHT, .weight = 0.5f};
    ASSERT_OK(ng_token_update(store, id, &fields, NULL)); /* somebody else */
    fields.weight = 0.25f;
    ng_write_options write = {.struct_size = sizeof write, .if_version = now.version};
    int attempts = 0;
    while (ng_token_update(store, id, &fields, &write) == NG_E_CONFLICT) {
        assert_true(ng_last_conflict(&conflict));
        assert_int_equal(conflict.kind, NG_CONFLICT_VERSION);
        assert_true(conflict.token.record.weight == 0.5f);
        write.if_version = conflict.token.version;
        assert_true(++attempts < 3);
    }
    assert_int_equal(attempts, 1);
    ASSERT_OK(ng_token_get(store, id, &now));
    assert_true(now.record.weight == 0.25f);
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.conflict_count, 1);
    ASSERT_OK(ng_close(store));
}

static void test_read_only(void **state)
{
    (void)state;
    char *path = test_directory_create();
    ng_store *store;
    ng_txn *txn;
    ASSERT_OK(ng_open(path, NULL, &store));
    (void)api_token(store);
    ASSERT_OK(ng_close(store));
    const ng_open_options options = {.struct_size = sizeof options, .flags = NG_OPEN_READ_ONLY};
    ASSERT_OK(ng_open(path, &options, &store));
    assert_int_equal(ng_txn_begin(store, NULL, &txn), NG_E_READ_ONLY);
    assert_null(txn);
    ASSERT_OK(ng_close(store));
    test_directory_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null_arguments),
        cmocka_unit_test(test_what_takes_no_part),
        cmocka_unit_test(test_commit_survives_reopening),
        cmocka_unit_test(test_compare_and_set),
        cmocka_unit_test(test_read_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
