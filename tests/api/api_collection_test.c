/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Collections: listing, emptying, dropping, and what holds on to one that has gone. */
#include "api_support.h"

#include "test_directory.h"

static ng_collection_id collection(ng_store *store, const char *name)
{
    ng_collection_id id = 0;
    ASSERT_OK(ng_collection_create(store, name, NULL, &id));
    return id;
}

/* `count` tokens, every third not active; their ids are returned by the store in order. */
static void fill(ng_store *store, ng_collection_id id, size_t count)
{
    static ng_token_fields fields[4096];
    static ng_token_id ids[4096];
    for (size_t done = 0; done < count;) {
        size_t batch = count - done < 4096 ? count - done : 4096;
        for (size_t i = 0; i < batch; i++) {
            fields[i] = api_fields();
            fields[i].collection = id;
            fields[i].flags_clear = (done + i) % 3 == 0 ? NG_TOKEN_ACTIVE : 0;
        }
        ASSERT_OK(ng_token_create_many(store, fields, batch, NULL, ids));
        done += batch;
    }
}

static ng_seq newest(const ng_store *store)
{
    ng_seq seq = 0;
    ng_positions(store, &seq, NULL);
    return seq;
}

static uint64_t tokens_of(const ng_store *store, ng_collection_id id)
{
    uint64_t count = 0;
    ASSERT_OK(ng_token_count(store, id, false, &count));
    return count;
}

static void assert_clean(ng_store *store)
{
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_string_equal(report.first_problem, "");
}

static void test_list(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_collection_info list[8];
    size_t count = 0;
    ng_collection_id first = collection(store, "first"), second = collection(store, "second");
    fill(store, second, 10);
    ASSERT_OK(ng_collection_list(store, list, 8, &count));
    assert_int_equal(count, 4);
    assert_string_equal(list[0].name, "runtime");
    assert_string_equal(list[1].name, "semantic");
    assert_string_equal(list[2].name, "first");
    assert_int_equal(list[2].id, first);
    assert_string_equal(list[3].name, "second");
    assert_int_equal(list[3].token_count, 10);
    assert_int_equal(list[3].active_token_count, 6);
    ASSERT_OK(ng_collection_drop(store, first, NULL, NULL));
    ASSERT_OK(ng_collection_list(store, list, 1, &count));
    assert_int_equal(count, 3);
    ASSERT_OK(ng_collection_list(store, list, 8, &count));
    assert_int_equal(list[2].id, second);
    ASSERT_OK(ng_collection_list(store, NULL, 0, &count));
    assert_int_equal(count, 3);
    ASSERT_FAILS(ng_collection_list(store, NULL, 1, &count), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_collection_list(store, list, 1, NULL), NG_E_INVALID, "count");
    ASSERT_OK(ng_close(store));
}

static void test_clear(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_collection_id id = collection(store, "robot");
    uint64_t deleted = 99;
    ng_seq seq = 99;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    fill(store, NG_COLLECTION_RUNTIME, 5);
    fill(store, id, 4096);
    api_link(store, 1, 6, 0x50, 0); /* from another collection into it */
    ng_seq before = newest(store);
    ASSERT_OK(ng_collection_clear(store, id, &write, &deleted));
    assert_int_equal(deleted, 4096);
    assert_int_equal(seq, before + 1); /* up to a batch it is one op */
    assert_int_equal(newest(store), seq);
    assert_int_equal(tokens_of(store, id), 0);
    assert_int_equal(tokens_of(store, NG_COLLECTION_RUNTIME), 5);
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.connection_count, 0);
    ASSERT_OK(ng_collection_clear(store, id, &write, &deleted));
    assert_int_equal(deleted, 0);
    assert_int_equal(seq, 0);
    assert_int_equal(newest(store), before + 1);
    fill(store, id, 10000);
    before = newest(store);
    ASSERT_OK(ng_collection_clear(store, id, NULL, &deleted));
    assert_int_equal(deleted, 10000);
    assert_int_equal(newest(store), before + 3);
    fill(store, id, 3);
    write.if_seq = newest(store) - 1;
    ASSERT_FAILS(ng_collection_clear(store, id, &write, &deleted), NG_E_CONFLICT, "if_seq");
    assert_int_equal(deleted, 0);
    write.if_seq = newest(store);
    ASSERT_OK(ng_collection_clear(store, id, &write, &deleted));
    assert_int_equal(deleted, 3);
    ASSERT_OK(ng_collection_clear(store, NG_COLLECTION_RUNTIME, NULL, NULL));
    assert_int_equal(tokens_of(store, NG_COLLECTION_ANY), 0);
    ASSERT_FAILS(ng_collection_clear(store, 9, NULL, NULL), NG_E_NOT_FOUND, "collection 9");
    write = (ng_write_options){.struct_size = sizeof write, .if_version = 3};
    ASSERT_FAILS(ng_collection_clear(store, id, &write, NULL), NG_E_INVALID, "if_version");
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

static void test_drop(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_collection_id id = collection(store, "session"), other = 0;
    ng_token_fields fields = api_fields();
    ng_token_id token = 0;
    uint64_t deleted = 0;
    fill(store, id, 100);
    ng_seq before = newest(store);
    ASSERT_OK(ng_collection_drop(store, id, NULL, &deleted));
    assert_int_equal(deleted, 100);
    assert_int_equal(newest(store), before + 1);
    ASSERT_FAILS(ng_collection_get(store, id, NULL, NULL), NG_E_NOT_FOUND, "collection");
    ASSERT_FAILS(ng_collection_find(store, "session", &other), NG_E_NOT_FOUND, "session");
    ASSERT_FAILS(ng_collection_find(store, "", &other), NG_E_NOT_FOUND, "collection");
    ASSERT_FAILS(ng_collection_drop(store, id, NULL, NULL), NG_E_NOT_FOUND, "collection");
    ASSERT_FAILS(ng_collection_clear(store, id, NULL, NULL), NG_E_NOT_FOUND, "collection");
    ASSERT_FAILS(ng_token_count(store, id, false, &deleted), NG_E_NOT_FOUND, "collection");
    ASSERT_FAILS(ng_token_find(store, id, "a", 1, &token), NG_E_NOT_FOUND, "collection");
    fields.collection = id;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &token), NG_E_NOT_FOUND, "collection");
    ng_filter filter = {.struct_size = sizeof filter, .collection = id, .by_collection = true};
    const ng_search_options search = {.struct_size = sizeof search, .filter = &filter};
    const float center[3] = {0};
    size_t count = 0;
    ASSERT_FAILS(ng_grid_nearest(store, NG_SPACE_PHYSICAL, center, &search, NULL, 0, &count),
                 NG_E_NOT_FOUND, "collection");
    other = collection(store, "session"); /* the name is free, the number is not used again */
    assert_int_not_equal(other, id);
    fill(store, other, 9000);
    before = newest(store);
    ASSERT_OK(ng_collection_drop(store, other, NULL, &deleted));
    assert_int_equal(deleted, 9000);
    assert_int_equal(newest(store), before + 3);
    ASSERT_FAILS(ng_collection_drop(store, 0, NULL, NULL), NG_E_FORBIDDEN, "runtime");
    ASSERT_FAILS(ng_collection_drop(store, 1, NULL, NULL), NG_E_FORBIDDEN, "semantic");
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

static void test_transaction_into_a_dropped_one(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_collection_id id = collection(store, "short");
    ng_token_fields fields = api_fields();
    ng_token_id token = 0;
    ng_txn *txn = NULL;
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    fields.collection = id;
    ASSERT_OK(ng_token_create(store, &fields, &write, &token));
    ASSERT_FAILS(ng_collection_clear(store, id, &write, NULL), NG_E_INVALID, "transaction");
    ASSERT_FAILS(ng_collection_drop(store, id, &write, NULL), NG_E_INVALID, "transaction");
    ASSERT_OK(ng_collection_drop(store, id, NULL, NULL));
    ASSERT_FAILS(ng_txn_commit(txn, NULL), NG_E_CONFLICT, "collection", "not there any more");
    ng_conflict conflict;
    assert_true(ng_last_conflict(&conflict));
    assert_int_equal(conflict.kind, NG_CONFLICT_ABSENT);
    assert_int_equal(tokens_of(store, NG_COLLECTION_ANY), 0);
    ASSERT_OK(ng_close(store));
}

/* A view goes on showing it; the log, a snapshot and a stream say that it has gone. */
static void test_views_and_files(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char path[600], name[65];
    ng_store *store = NULL;
    ng_view *view = NULL;
    uint64_t hash = 0, after = 0, count = 0;
    ASSERT_OK(ng_open(test_path(path, sizeof path, directory, "store"), NULL, &store));
    ng_collection_id id = collection(store, "gone"), kept = collection(store, "kept");
    fill(store, id, 50);
    fill(store, kept, 7);
    ASSERT_OK(ng_view_open(store, NULL, &view));
    ASSERT_OK(ng_collection_drop(store, id, NULL, NULL));
    ASSERT_OK(ng_view_collection_get(view, id, name, &count));
    assert_string_equal(name, "gone");
    assert_int_equal(count, 50);
    ng_view_close(view);
    ASSERT_OK(ng_view_open(store, NULL, &view));
    ASSERT_FAILS(ng_view_collection_get(view, id, name, &count), NG_E_NOT_FOUND, "collection");
    ng_view_close(view);
    ASSERT_OK(ng_state_hash(store, &hash));
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(ng_close(store));
        ASSERT_OK(ng_open(path, NULL, &store));
        ASSERT_OK(ng_state_hash(store, &after));
        assert_int_equal(after, hash);
        assert_clean(store);
        ASSERT_FAILS(ng_collection_get(store, id, name, NULL), NG_E_NOT_FOUND, "collection");
        ASSERT_OK(ng_token_count(store, kept, true, &count));
        assert_int_equal(count, 4);
        if (i == 0)
            ASSERT_OK(ng_checkpoint(store, NULL, NULL, NULL)); /* the next time from a snapshot */
    }
    char to[600];
    ASSERT_OK(ng_close(store));
    ASSERT_OK(ng_repair(path, test_path(to, sizeof to, directory, "repaired"), NULL, NULL, NULL));
    ASSERT_OK(ng_open(to, NULL, &store));
    ASSERT_OK(ng_state_hash(store, &after));
    assert_int_equal(after, hash);
    ASSERT_OK(ng_close(store));
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_transaction_into_a_dropped_one),
        cmocka_unit_test(test_views_and_files),
    };
    return cmocka_run_group_tests_name("collections", tests, NULL, NULL);
}
