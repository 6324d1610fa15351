/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Declared fields of payloads: declared on what is there, kept up, searched, dropped, and there again
 * after everything that a store goes through. */
#include "api_stream_support.h"

static ng_token_id with_data(ng_store *store, const char *data)
{
    ng_token_id id = 0;
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_DATA;
    fields.data = data;
    fields.data_bytes = strlen(data);
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    return id;
}

static void set_data(ng_store *store, ng_token_id id, const char *data)
{
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_DATA;
    fields.data = data;
    fields.data_bytes = strlen(data);
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
}

static void assert_clean(ng_store *store)
{
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    if (report.problem_count != 0)
        fail_msg("%s", report.first_problem);
}

/* Tokens found by predicates, as a text: "1 3 ". */
static const char *found(const ng_store *store, const ng_predicate *predicates, size_t count)
{
    static char text[256];
    ng_token_id out[32];
    size_t got;
    uint64_t total;
    ng_filter filter = {.struct_size = sizeof filter,
                        .predicates = predicates,
                        .predicate_count = count};
    ng_token_search_options options = {.struct_size = sizeof options, .filter = &filter};
    ASSERT_OK(ng_token_search(store, &options, out, 32, &got, &total));
    assert_int_equal(got, total);
    text[0] = '\0';
    for (size_t i = 0; i < got; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", (int)out[i]);
    return text;
}

static ng_value keyword(const char *text)
{
    return (ng_value){.keyword = {text, strlen(text)}};
}

static const char *by_kind(const ng_store *store, const char *kind)
{
    ng_value value = keyword(kind);
    return found(store, &(ng_predicate){.index = "kind", .any_of = &value, .any_of_count = 1}, 1);
}

static const char *by_size(const ng_store *store, int64_t low, int64_t high)
{
    const ng_predicate predicate = {.index = "size",
                                    .by_low = true,
                                    .low = {.integer = low},
                                    .by_high = true,
                                    .high = {.integer = high}};
    return found(store, &predicate, 1);
}

static void declare_all(ng_store *store)
{
    ASSERT_OK(ng_index_declare(store, "kind", "kind", NG_INDEX_KEYWORD, NULL));
    ASSERT_OK(ng_index_declare(store, "size", "box.size", NG_INDEX_INTEGER, NULL));
    ASSERT_OK(ng_index_declare(store, "ratio", "ratio", NG_INDEX_FLOAT, NULL));
    ASSERT_OK(ng_index_declare(store, "at", "at", NG_INDEX_TIME, NULL));
}

static void fill(ng_store *store)
{
    (void)with_data(store, "{\"kind\": \"fruit\", \"box\": {\"size\": 3}, \"ratio\": 0.5}");
    (void)with_data(store, "{\"kind\": \"tool\", \"box\": {\"size\": -7}, \"at\": \"2026-01-31\"}");
    (void)with_data(store, "{\"kind\": \"fruit\", \"box\": {\"size\": 40}, \"ratio\": -2e3}");
    (void)with_data(store, "fruit"); /* no JSON: no value */
    (void)api_token(store);
    (void)with_data(store, "{\"kind\": true, \"at\": 1769817600.5}");
}

static void assert_answers(const ng_store *store)
{
    const ng_value both[] = {keyword("tool"), keyword("true")};
    assert_string_equal(by_kind(store, "fruit"), "1 3 ");
    assert_string_equal(by_kind(store, "fru"), "");
    assert_string_equal(found(store,
                              &(ng_predicate){.index = "kind", .any_of = both, .any_of_count = 2},
                              1),
                        "2 6 ");
    assert_string_equal(found(store, &(ng_predicate){.index = "kind"}, 1), "1 2 3 6 ");
    assert_string_equal(by_size(store, -7, 3), "1 2 ");
    assert_string_equal(by_size(store, 4, INT64_MAX), "3 ");
    assert_string_equal(by_size(store, 5, 4), "");
    const ng_predicate ratio = {.index = "ratio", .by_high = true, .high = {.real = 0}};
    assert_string_equal(found(store, &ratio, 1), "3 ");
    const ng_predicate at = {.index = "at",
                             .by_low = true,
                             .low = {.integer = INT64_C(1769817600000001)}};
    assert_string_equal(found(store, &at, 1), "6 ");
    ng_value fruit = keyword("fruit");
    const ng_predicate several[] = {{.index = "kind", .any_of = &fruit, .any_of_count = 1},
                                    {.index = "size", .by_low = true, .low = {.integer = 10}}};
    assert_string_equal(found(store, several, 2), "3 ");
}

static void test_declared_before_and_after(void **state)
{
    (void)state;
    for (int after = 0; after < 2; after++) {
        ng_store *store = api_memory_store();
        if (!after)
            declare_all(store);
        fill(store);
        if (after)
            declare_all(store);
        assert_answers(store);
        ng_index_info infos[4];
        size_t count;
        ASSERT_OK(ng_index_list(store, infos, 4, &count));
        assert_int_equal(count, 4);
        assert_string_equal(infos[1].name, "size");
        assert_string_equal(infos[1].path, "box.size");
        assert_int_equal(infos[1].type, NG_INDEX_INTEGER);
        assert_int_equal(infos[1].count, 3);
        ASSERT_OK(ng_index_list(store, NULL, 0, &count));
        assert_int_equal(count, 4);
        assert_clean(store);
        ASSERT_OK(ng_close(store));
    }
}

static void test_kept_up(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    declare_all(store);
    fill(store);
    set_data(store, 1, "{\"kind\": \"tool\"}");
    assert_string_equal(by_kind(store, "tool"), "1 2 ");
    assert_string_equal(by_size(store, INT64_MIN, INT64_MAX), "2 3 ");
    set_data(store, 2, "");
    assert_string_equal(by_kind(store, "tool"), "1 ");
    ASSERT_OK(ng_token_delete(store, 1, NULL));
    assert_string_equal(by_kind(store, "tool"), "");
    assert_clean(store);
    ng_txn *txn = NULL;
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_DATA;
    fields.data = "{\"kind\": \"tool\"}";
    fields.data_bytes = strlen(fields.data);
    ASSERT_OK(ng_token_update(store, 5, &fields, &write));
    assert_string_equal(by_kind(store, "tool"), "");
    ASSERT_OK(ng_txn_commit(txn, NULL));
    assert_string_equal(by_kind(store, "tool"), "5 ");
    ASSERT_OK(ng_index_drop(store, "kind", NULL));
    assert_clean(store);
    ng_filter filter = {.struct_size = sizeof filter,
                        .predicates = &(ng_predicate){.index = "kind"},
                        .predicate_count = 1};
    ng_token_search_options options = {.struct_size = sizeof options, .filter = &filter};
    size_t count;
    ASSERT_FAILS(ng_token_search(store, &options, NULL, 0, &count, NULL), NG_E_NOT_FOUND,
                 "no index 'kind'");
    ASSERT_OK(ng_close(store));
}

static void test_refused(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_seq seq = 9;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    char name[16], large[300];
    ASSERT_FAILS(ng_index_declare(store, "Kind", "kind", NG_INDEX_KEYWORD, NULL), NG_E_INVALID,
                 "name 'Kind'");
    ASSERT_FAILS(ng_index_declare(store, "kind", "", NG_INDEX_KEYWORD, NULL), NG_E_INVALID, "path");
    ASSERT_FAILS(ng_index_declare(store, "kind", "kind", (ng_index_type)7, NULL), NG_E_INVALID,
                 "type 7");
    memset(large, 'p', sizeof large);
    large[299] = '\0';
    ASSERT_FAILS(ng_index_declare(store, "kind", large, NG_INDEX_KEYWORD, NULL), NG_E_INVALID,
                 "299");
    ASSERT_FAILS(ng_index_declare(store, NULL, "a", NG_INDEX_KEYWORD, NULL), NG_E_INVALID, "name");
    ASSERT_FAILS(ng_index_declare(store, "a", NULL, NG_INDEX_KEYWORD, NULL), NG_E_INVALID, "path");
    ASSERT_OK(ng_index_declare(store, "kind", "kind", NG_INDEX_KEYWORD, &write));
    assert_int_equal(seq, 1);
    ASSERT_OK(ng_index_declare(store, "kind", "kind", NG_INDEX_KEYWORD, &write)); /* the same */
    assert_int_equal(seq, 0);
    ASSERT_FAILS(ng_index_declare(store, "kind", "other", NG_INDEX_KEYWORD, NULL), NG_E_EXISTS,
                 "'kind' is of 'kind' as keyword");
    ASSERT_FAILS(ng_index_drop(store, "size", NULL), NG_E_NOT_FOUND, "no index 'size'");
    for (int i = 1; i < 32; i++) {
        snprintf(name, sizeof name, "n%d", i);
        ASSERT_OK(ng_index_declare(store, name, name, NG_INDEX_FLOAT, NULL));
    }
    ASSERT_FAILS(ng_index_declare(store, "more", "a", NG_INDEX_FLOAT, NULL), NG_E_LIMIT, "32");
    (void)with_data(store, "{\"kind\": \"x\", \"n31\": 5}");
    assert_string_equal(by_kind(store, "x"), "1 ");
    ng_filter filter = {.struct_size = sizeof filter};
    ng_token_search_options options = {.struct_size = sizeof options, .filter = &filter};
    ng_predicate predicate = {.index = "kind", .by_low = true};
    size_t count;
    filter.predicates = &predicate;
    filter.predicate_count = 1;
    ASSERT_FAILS(ng_token_search(store, &options, NULL, 0, &count, NULL), NG_E_INVALID, "no range");
    predicate = (ng_predicate){.index = "kind", .any_of_count = 33};
    ASSERT_FAILS(ng_token_search(store, &options, NULL, 0, &count, NULL), NG_E_INVALID, "33");
    predicate.any_of_count = 2;
    ASSERT_FAILS(ng_token_search(store, &options, NULL, 0, &count, NULL), NG_E_INVALID, "any_of");
    predicate = (ng_predicate){0};
    ASSERT_FAILS(ng_token_search(store, &options, NULL, 0, &count, NULL), NG_E_INVALID, "index");
    filter.predicate_count = 9;
    ASSERT_FAILS(ng_token_search(store, &options, NULL, 0, &count, NULL), NG_E_INVALID, "0..8");
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

static ng_store *disk_store(const char *path)
{
    ng_store *store = NULL;
    ASSERT_OK(ng_open(path, NULL, &store));
    return store;
}

static uint64_t hash_of(ng_store *store)
{
    uint64_t hash = 0;
    ASSERT_OK(ng_state_hash(store, &hash));
    return hash;
}

/* Log, snapshot, stream, follower: what is indexed is built from the payloads each time. */
static void test_kept(void **state)
{
    (void)state;
    char *directory = test_directory_create(), path[512], copy[512];
    test_path(path, sizeof path, directory, "store");
    test_path(copy, sizeof copy, directory, "copy");
    ng_store *store = disk_store(path);
    uint64_t bare = hash_of(store);
    declare_all(store);
    ASSERT_OK(ng_index_declare(store, "gone", "gone", NG_INDEX_FLOAT, NULL));
    assert_true(hash_of(store) != bare);
    fill(store);
    ASSERT_OK(ng_index_drop(store, "gone", NULL));
    uint64_t hash = hash_of(store);
    ASSERT_OK(ng_close(store));
    store = disk_store(path);
    assert_true(hash_of(store) == hash);
    assert_answers(store);
    ASSERT_OK(ng_checkpoint(store, NULL, NULL, NULL));
    ASSERT_OK(ng_close(store));
    store = disk_store(path);
    assert_true(hash_of(store) == hash);
    assert_answers(store);
    assert_clean(store);
    api_blob whole = {0}, ops = {0};
    ng_restore_options follow = {.struct_size = sizeof follow, .follow = true};
    ng_stream_report report;
    ASSERT_OK(ng_stream_write(store, NULL, api_blob_sink, &whole, NULL));
    ASSERT_OK(ng_stream_restore(api_blob_source, &whole, copy, &follow, &report));
    ng_store *follower = disk_store(copy);
    assert_answers(follower);
    ASSERT_OK(ng_index_drop(store, "ratio", NULL));
    ASSERT_OK(ng_index_declare(store, "ratio", "box.size", NG_INDEX_FLOAT, NULL));
    ng_stream_options after = {.struct_size = sizeof after,
                               .incremental = true,
                               .after = report.seq};
    ASSERT_OK(ng_stream_write(store, &after, api_blob_sink, &ops, NULL));
    ASSERT_OK(ng_stream_apply(follower, api_blob_source, &ops, NULL));
    assert_true(hash_of(follower) == hash_of(store));
    const ng_predicate ratio = {.index = "ratio", .by_low = true, .low = {.real = 2.5}};
    assert_string_equal(found(follower, &ratio, 1), "1 3 ");
    assert_clean(follower);
    ASSERT_OK(ng_close(follower));
    ASSERT_OK(ng_close(store));
    api_blob_release(&whole);
    api_blob_release(&ops);
    test_directory_remove(directory);
}

/* Few among many, so that the index is the source; and many, so that it is not. */
static void test_sources(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    enum { COUNT = 4096 };
    static ng_token_fields fields[COUNT];
    static ng_token_id ids[COUNT], out[COUNT];
    static char texts[COUNT][32];
    ASSERT_OK(ng_index_declare(store, "size", "n", NG_INDEX_INTEGER, NULL));
    for (int i = 0; i < COUNT; i++) {
        fields[i] = api_fields();
        fields[i].set = NG_FIELD_DATA;
        snprintf(texts[i], sizeof texts[i], "{\"n\": %d}", (i * 7919) % 1000);
        fields[i].data = texts[i];
        fields[i].data_bytes = strlen(texts[i]);
    }
    ASSERT_OK(ng_token_create_many(store, fields, COUNT, NULL, ids));
    for (int64_t width = 0; width < 1000; width += 111) {
        ng_predicate predicate = {.index = "size",
                                  .by_low = true,
                                  .low = {.integer = 5},
                                  .by_high = true,
                                  .high = {.integer = 5 + width}};
        ng_filter filter = {.struct_size = sizeof filter,
                            .predicates = &predicate,
                            .predicate_count = 1};
        ng_token_search_options options = {.struct_size = sizeof options, .filter = &filter};
        size_t count, wanted = 0;
        ASSERT_OK(ng_token_search(store, &options, out, COUNT, &count, NULL));
        for (int i = 0; i < COUNT; i++) {
            int n = (i * 7919) % 1000;
            if (n < 5 || n > 5 + width)
                continue;
            assert_true(wanted < count);
            assert_int_equal(out[wanted], ids[i]);
            wanted++;
        }
        assert_int_equal(count, wanted);
        options.after = out[count / 2];
        ASSERT_OK(ng_token_search(store, &options, out, COUNT, &count, NULL));
        assert_int_equal(count, wanted - wanted / 2 - 1);
    }
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_declared_before_and_after),
        cmocka_unit_test(test_kept_up),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
