/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tags, payloads and expiries of tokens: given and read in every way, refused, kept over everything
 * that a store goes through, and given back. */
#include "api_stream_support.h"

#define PAST_US 1000u /* a moment that has passed */

static ng_token_fields with_tags(const ng_text *tags, size_t count)
{
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_TAGS;
    fields.tags = tags;
    fields.tag_count = count;
    return fields;
}

static ng_token_fields with_data(const char *data)
{
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_DATA;
    fields.data = data;
    fields.data_bytes = strlen(data);
    return fields;
}

static ng_token_fields with_expiry(uint64_t expires_us)
{
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_EXPIRY;
    fields.expires_us = expires_us;
    return fields;
}

static const ng_text some_tags[] = {{"red", 3}, {"apple", 5}, {"red", 3}, {"слово", 10}, {"a", 1}};

static ng_token_fields with_all(void)
{
    ng_token_fields fields = with_tags(some_tags, 5);
    fields.set |= NG_FIELD_DATA | NG_FIELD_EXPIRY;
    fields.data = "{\"kind\": \"fruit\"}";
    fields.data_bytes = strlen(fields.data);
    fields.expires_us = UINT64_C(9000000000000001);
    return fields;
}

/* Tags as one text: "a|apple|". */
static const char *tags_of(const ng_store *store, ng_token_id id)
{
    static char out[4096];
    size_t bytes = 0;
    ASSERT_OK(ng_token_tags(store, id, out, sizeof out, &bytes));
    out[bytes] = '\0';
    for (size_t i = 0; i < bytes; i++)
        if (out[i] == '\0')
            out[i] = '|';
    return out;
}

static const char *data_of(const ng_store *store, ng_token_id id)
{
    static char out[70000];
    size_t bytes = 0;
    ASSERT_OK(ng_token_data(store, id, out, sizeof out, &bytes));
    assert_int_equal(strlen(out), bytes);
    return out;
}

static void assert_clean(ng_store *store)
{
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    if (report.problem_count != 0)
        fail_msg("%s", report.first_problem);
}

static void assert_has_all(const ng_store *store, ng_token_id id)
{
    ng_token_info info;
    ASSERT_OK(ng_token_get(store, id, &info));
    assert_int_equal(info.tag_count, 4);
    assert_int_equal(info.data_bytes, 17);
    assert_int_equal(info.expires_us, UINT64_C(9000000000000001));
    assert_string_equal(tags_of(store, id), "a|apple|red|слово|");
    assert_string_equal(data_of(store, id), "{\"kind\": \"fruit\"}");
}

static void test_given_and_read(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id id, plain = api_token(store);
    ng_token_fields fields = with_all();
    ng_token_info info;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    assert_has_all(store, id);
    assert_string_equal(tags_of(store, plain), "");
    assert_string_equal(data_of(store, plain), "");

    fields = with_tags(&some_tags[1], 1); /* one is replaced, the others stay */
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    assert_string_equal(tags_of(store, id), "apple|");
    assert_string_equal(data_of(store, id), "{\"kind\": \"fruit\"}");
    fields = with_data("no JSON\n");
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    assert_string_equal(tags_of(store, id), "apple|");
    assert_string_equal(data_of(store, id), "no JSON\n");
    fields = with_expiry(0);
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    ASSERT_OK(ng_token_get(store, id, &info));
    assert_int_equal(info.expires_us, 0);
    assert_int_equal(info.version, 4);
    fields = with_tags(NULL, 0);
    fields.set |= NG_FIELD_DATA;
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    assert_string_equal(tags_of(store, id), "");
    assert_string_equal(data_of(store, id), "");

    ng_info all;
    ASSERT_OK(ng_store_info(store, &all));
    assert_int_equal(all.attribute_count, 0);
    assert_int_equal(all.tag_count, 0);
    assert_int_equal(all.expiring_count, 0);
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

static void test_short_buffers(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id id;
    ng_token_fields fields = with_all();
    char text[8];
    size_t bytes = 0;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    ASSERT_OK(ng_token_tags(store, id, NULL, 0, &bytes));
    assert_int_equal(bytes, 2 + 6 + 4 + 11);
    ASSERT_OK(ng_token_tags(store, id, text, 5, NULL));
    assert_memory_equal(text, "a\0ap\0", 5);
    ASSERT_OK(ng_token_data(store, id, text, sizeof text, &bytes));
    assert_int_equal(bytes, 17);
    assert_string_equal(text, "{\"kind\"");
    ASSERT_OK(ng_token_data(store, id, text, 1, NULL));
    assert_string_equal(text, "");
    ASSERT_OK(ng_token_data(store, id, NULL, 0, &bytes));
    ASSERT_FAILS(ng_token_tags(store, 99, text, sizeof text, &bytes), NG_E_NOT_FOUND, "00000063");
    ASSERT_FAILS(ng_token_data(store, 99, text, sizeof text, &bytes), NG_E_NOT_FOUND, "00000063");
    ASSERT_FAILS(ng_token_tags(NULL, id, text, sizeof text, &bytes), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_token_data(store, id, NULL, 4, &bytes), NG_E_INVALID, "out");
    ASSERT_OK(ng_close(store));
}

/* A refused write, alone and in a transaction: nothing is there. */
static void refuse(ng_store *store, const ng_token_fields *fields, const char *part)
{
    ng_txn *txn = NULL;
    ng_token_id id = api_token(store);
    ng_token_fields twice[2] = {api_fields(), *fields};
    ng_token_id ids[2];
    ASSERT_FAILS(ng_token_create(store, fields, NULL, &ids[0]), NG_E_INVALID, part);
    ASSERT_FAILS(ng_token_create_many(store, twice, 2, NULL, ids), NG_E_INVALID, part);
    ASSERT_FAILS(ng_token_update(store, id, fields, NULL), NG_E_INVALID, part);
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    ASSERT_FAILS(ng_token_update(store, id, fields, &write), NG_E_INVALID, part);
    ng_txn_rollback(txn);
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.attribute_count, 0);
    assert_int_equal(info.token_count, 1);
    ASSERT_OK(ng_token_delete(store, id, NULL));
}

static void test_refused(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    static char large[65538];
    memset(large, 'x', 65537);
    ng_text many[33];
    for (int i = 0; i < 33; i++)
        many[i] = (ng_text){"t", 1};
    ng_token_fields fields = with_tags(many, 33);
    refuse(store, &fields, "tag_count 33 is outside 0..32");
    many[2] = (ng_text){large, 65};
    fields = with_tags(many, 3);
    refuse(store, &fields, "tag 2 has 65 bytes, outside 1..64");
    many[0] = (ng_text){"", 0};
    refuse(store, &fields, "tag 0 has 0 bytes");
    many[0] = (ng_text){"a\tb", 3};
    refuse(store, &fields, "tag 0 has the control code U+0009 at byte 1");
    many[0] = (ng_text){"\xC3(", 2};
    refuse(store, &fields, "tag 0 is not UTF-8 at byte 0");
    many[0] = (ng_text){NULL, 2};
    refuse(store, &fields, "tag 0 is NULL");
    fields = with_data(large);
    refuse(store, &fields, "data has 65537 bytes, outside 0..65536");
    fields = with_data("x\xFF");
    refuse(store, &fields, "data is not UTF-8 at byte 1 (0xFF)");
    fields.data = "x\0y";
    fields.data_bytes = 3;
    refuse(store, &fields, "data has a NUL at byte 1");
    fields.data = NULL;
    refuse(store, &fields, "fields.data");
    fields = with_tags(NULL, 1);
    refuse(store, &fields, "fields.tags");

    /* Each token is within its limits, all together are more than an op holds. */
    enum { COUNT = 1400 };
    static ng_token_fields full[COUNT];
    static ng_token_id ids[COUNT];
    for (int i = 0; i < COUNT; i++)
        full[i] = with_data(large + 1);
    ASSERT_FAILS(ng_token_create_many(store, full, COUNT, NULL, ids), NG_E_LIMIT, "bytes");
    ASSERT_OK(ng_token_create_many(store, full, 1000, NULL, ids));
    assert_int_equal(strlen(data_of(store, ids[999])), 65536);
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

static void test_batch(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    enum { COUNT = 4096 };
    static ng_token_fields fields[COUNT];
    static ng_token_id ids[COUNT];
    static char texts[COUNT][32];
    for (int i = 0; i < COUNT; i++) {
        fields[i] = i % 3 == 0 ? api_fields() : with_tags(&some_tags[i % 3], 1 + (size_t)i % 3);
        if (i % 5 == 0) {
            snprintf(texts[i], sizeof texts[i], "{\"number\": %d}", i);
            fields[i].set |= NG_FIELD_DATA;
            fields[i].data = texts[i];
            fields[i].data_bytes = strlen(texts[i]);
        }
    }
    ng_seq seq = 0;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    ASSERT_OK(ng_token_create_many(store, fields, COUNT, &write, ids));
    assert_int_equal(seq, 1); /* one op */
    assert_string_equal(tags_of(store, ids[0]), "");
    assert_string_equal(tags_of(store, ids[1]), "apple|red|");
    assert_string_equal(tags_of(store, ids[2]), "a|red|слово|");
    assert_string_equal(data_of(store, ids[0]), "{\"number\": 0}");
    assert_string_equal(data_of(store, ids[1]), "");
    assert_string_equal(data_of(store, ids[4095]), "{\"number\": 4095}");
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.tag_count, 4);
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

static void test_transaction(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id old, id;
    ng_txn *txn = NULL;
    ng_token_info info;
    char text[128];
    size_t bytes;
    ng_token_fields fields = with_all();
    ASSERT_OK(ng_token_create(store, &fields, NULL, &old));
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    fields = with_tags(&some_tags[3], 1);
    ASSERT_OK(ng_token_create(store, &fields, &write, &id));
    fields = with_data("later");
    ASSERT_OK(ng_token_update(store, id, &fields, &write)); /* both are kept */
    ASSERT_OK(ng_token_update(store, old, &fields, &write));
    ASSERT_OK(ng_txn_token_get(txn, id, &info));
    assert_int_equal(info.tag_count, 1);
    assert_int_equal(info.data_bytes, 5);
    ASSERT_OK(ng_txn_token_tags(txn, id, text, sizeof text, &bytes));
    assert_int_equal(bytes, 11);
    assert_string_equal(text, "слово");
    ASSERT_OK(ng_txn_token_data(txn, old, text, sizeof text, &bytes));
    assert_string_equal(text, "later");
    ASSERT_OK(ng_txn_token_tags(txn, old, text, sizeof text, &bytes));
    assert_int_equal(bytes, 23); /* as committed */
    ASSERT_OK(ng_txn_token_get(txn, old, &info));
    assert_int_equal(info.tag_count, 4);
    assert_int_equal(info.expires_us, UINT64_C(9000000000000001));
    assert_has_all(store, old); /* nobody else sees it */
    ASSERT_OK(ng_txn_commit(txn, NULL));
    assert_string_equal(tags_of(store, id), "слово|");
    assert_string_equal(data_of(store, id), "later");
    assert_string_equal(tags_of(store, old), "a|apple|red|слово|");
    assert_string_equal(data_of(store, old), "later");

    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    write.txn = txn;
    ASSERT_OK(ng_token_delete(store, old, &write));
    ASSERT_FAILS(ng_txn_token_data(txn, old, text, sizeof text, &bytes), NG_E_NOT_FOUND, "");
    ng_txn_rollback(txn);
    assert_string_equal(data_of(store, old), "later");
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

/* The numbers of tags and the units of payloads that a view shows are used again behind its back. */
static void test_view(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id id, other;
    ng_view *view = NULL;
    ng_token_info info;
    char text[128];
    size_t bytes;
    uint64_t hash, now;
    ng_token_fields fields = with_all();
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    ASSERT_OK(ng_token_create(store, NULL, NULL, &other));
    ASSERT_OK(ng_state_hash(store, &hash));
    ASSERT_OK(ng_view_open(store, NULL, &view));
    ASSERT_OK(ng_token_delete(store, id, NULL));
    const ng_text others[] = {{"zzz", 3}, {"yy", 2}, {"xxxxxxxxxx", 10}, {"w", 1}};
    fields = with_tags(others, 4);
    fields.set |= NG_FIELD_DATA;
    fields.data = "something else entirely";
    fields.data_bytes = strlen(fields.data);
    ASSERT_OK(ng_token_update(store, other, &fields, NULL));
    ASSERT_OK(ng_view_token_get(view, id, &info));
    assert_int_equal(info.tag_count, 4);
    assert_int_equal(info.expires_us, UINT64_C(9000000000000001));
    ASSERT_OK(ng_view_token_tags(view, id, text, sizeof text, &bytes));
    assert_int_equal(bytes, 23);
    assert_memory_equal(text, "a\0apple\0red\0слово\0", 23);
    ASSERT_OK(ng_view_token_data(view, id, text, sizeof text, &bytes));
    assert_string_equal(text, "{\"kind\": \"fruit\"}");
    ASSERT_OK(ng_view_token_data(view, other, text, sizeof text, &bytes));
    assert_int_equal(bytes, 0);
    ASSERT_FAILS(ng_view_token_tags(view, 99, text, sizeof text, &bytes), NG_E_NOT_FOUND,
                 "00000063");
    ASSERT_OK(ng_view_state_hash(view, &now));
    assert_true(now == hash);
    ng_view_close(view);
    ASSERT_OK(ng_state_hash(store, &now));
    assert_true(now != hash);
    ASSERT_OK(ng_close(store));
}

static ng_memory_use attribute_memory(const ng_store *store)
{
    ng_memory memory;
    ASSERT_OK(ng_store_memory(store, &memory));
    return memory.parts[NG_MEMORY_ATTRIBUTES];
}

/* What is taken away makes room for what comes: memory does not grow with age. */
static void test_given_back(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    static char large[5000];
    ng_token_id ids[50];
    uint64_t first = 0;
    memset(large, 'd', sizeof large - 1);
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < 50; i++) {
            char tag[32];
            snprintf(tag, sizeof tag, "tag %u of round %u", i, round);
            ng_token_fields fields = with_tags(&(ng_text){tag, strlen(tag)}, 1);
            fields.set |= NG_FIELD_DATA;
            fields.data = large;
            fields.data_bytes = 1 + (i * 97 + round * 31) % (sizeof large - 1);
            if (round == 0)
                ASSERT_OK(ng_token_create(store, &fields, NULL, &ids[i]));
            else
                ASSERT_OK(ng_token_update(store, ids[i], &fields, NULL));
        }
        ng_info info;
        ASSERT_OK(ng_store_info(store, &info));
        assert_int_equal(info.tag_count, 50);
        if (round == 10)
            first = attribute_memory(store).bytes;
        if (round > 10)
            assert_true(attribute_memory(store).bytes <= first + first / 4);
    }
    for (unsigned i = 0; i < 50; i++)
        ASSERT_OK(ng_token_delete(store, ids[i], NULL));
    assert_int_equal(attribute_memory(store).used_bytes, 0);
    assert_int_equal(attribute_memory(store).items, 0);
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

static uint64_t hash_of(ng_store *store)
{
    uint64_t hash = 0;
    ASSERT_OK(ng_state_hash(store, &hash));
    return hash;
}

static ng_store *disk_store(const char *path)
{
    ng_store *store = NULL;
    ASSERT_OK(ng_open(path, NULL, &store));
    return store;
}

/* Log, snapshot, stream, restore, a follower. */
static void test_kept(void **state)
{
    (void)state;
    char *directory = test_directory_create(), path[512], copy[512];
    test_path(path, sizeof path, directory, "store");
    test_path(copy, sizeof copy, directory, "copy");
    ng_store *store = disk_store(path);
    ng_token_id id, gone;
    ng_token_fields fields = with_all();
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    ASSERT_OK(ng_token_create(store, &fields, NULL, &gone));
    ASSERT_OK(ng_token_delete(store, gone, NULL));
    uint64_t hash = hash_of(store);
    ASSERT_OK(ng_close(store));

    store = disk_store(path); /* the log */
    assert_true(hash_of(store) == hash);
    assert_has_all(store, id);
    ASSERT_OK(ng_checkpoint(store, NULL, NULL, NULL));
    ASSERT_OK(ng_close(store));
    store = disk_store(path); /* the snapshot */
    assert_true(hash_of(store) == hash);
    assert_has_all(store, id);
    assert_clean(store);

    api_blob whole = {0}, ops = {0};
    ASSERT_OK(ng_stream_write(store, NULL, api_blob_sink, &whole, NULL));
    ng_restore_options follow = {.struct_size = sizeof follow, .follow = true};
    ng_stream_report report;
    ASSERT_OK(ng_stream_restore(api_blob_source, &whole, copy, &follow, &report));
    ng_store *follower = disk_store(copy);
    assert_true(hash_of(follower) == hash);
    fields = with_tags(&some_tags[3], 2);
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    ASSERT_OK(ng_token_create(store, &fields, NULL, &gone));
    ng_stream_options after = {.struct_size = sizeof after,
                               .incremental = true,
                               .after = report.seq};
    ASSERT_OK(ng_stream_write(store, &after, api_blob_sink, &ops, NULL));
    ASSERT_OK(ng_stream_apply(follower, api_blob_source, &ops, NULL));
    assert_true(hash_of(follower) == hash_of(store));
    assert_string_equal(tags_of(follower, id), "a|слово|");
    assert_clean(follower);
    ASSERT_OK(ng_close(follower));
    ASSERT_OK(ng_close(store));
    api_blob_release(&whole);
    api_blob_release(&ops);
    test_directory_remove(directory);
}

static void test_expire(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id ids[6], list[8];
    ng_seq seq = 99;
    uint64_t count = 99;
    size_t listed;
    /* The oldest expiry is that of the youngest token; one never expires, one in the far future. */
    const uint64_t times[] = {PAST_US + 3, PAST_US + 2, 0, UINT64_C(9000000000000000),
                              PAST_US + 1, PAST_US};
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    ASSERT_OK(ng_token_expire(store, UINT64_MAX, &write, &count));
    assert_int_equal(count, 0);
    assert_int_equal(seq, 0);
    for (int i = 0; i < 6; i++) {
        ng_token_fields fields = with_expiry(times[i]);
        ASSERT_OK(ng_token_create(store, &fields, NULL, &ids[i]));
    }
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.expiring_count, 5);
    assert_int_equal(info.token_count, 6); /* what has expired is there until it is deleted */
    ASSERT_OK(ng_token_expire(store, 0, &write, &count));
    assert_int_equal(count, 0);
    ASSERT_OK(ng_token_expire(store, 2, &write, &count));
    assert_int_equal(count, 2);
    assert_int_equal(seq, 7); /* one op */
    ASSERT_OK(ng_token_list(store, NG_COLLECTION_ANY, 0, list, 8, &listed));
    assert_int_equal(listed, 4);
    assert_memory_equal(list, ids, 4 * sizeof *ids);
    write.if_seq = 3;
    ASSERT_FAILS(ng_token_expire(store, 10, &write, &count), NG_E_CONFLICT, "if_seq");
    assert_int_equal(count, 0);
    ASSERT_OK(ng_token_expire(store, UINT64_MAX, NULL, &count));
    assert_int_equal(count, 2);
    ASSERT_OK(ng_token_expire(store, UINT64_MAX, NULL, NULL));
    ASSERT_OK(ng_token_list(store, NG_COLLECTION_ANY, 0, list, 8, &listed));
    assert_int_equal(listed, 2);
    assert_memory_equal(list, &ids[2], 2 * sizeof *ids);
    ng_txn *txn = NULL;
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    ng_write_options inside = {.struct_size = sizeof inside, .txn = txn};
    ASSERT_FAILS(ng_token_expire(store, 1, &inside, &count), NG_E_INVALID, "transaction");
    ng_txn_rollback(txn);
    ASSERT_FAILS(ng_token_expire(NULL, 1, NULL, &count), NG_E_INVALID, "store");
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

/* More than one op has room for. */
static void test_expire_many(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    enum { COUNT = 4096, BATCHES = 3 };
    static ng_token_fields fields[COUNT];
    static ng_token_id ids[COUNT];
    ng_seq seq = 0;
    uint64_t count = 0;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        for (unsigned i = 0; i < COUNT; i++)
            fields[i] = with_expiry(PAST_US + (i * 7919 + batch) % 1000);
        ASSERT_OK(ng_token_create_many(store, fields, COUNT, NULL, ids));
    }
    ASSERT_OK(ng_token_expire(store, COUNT * BATCHES - 5, &write, &count));
    assert_int_equal(count, COUNT * BATCHES - 5);
    assert_int_equal(seq, BATCHES + 3);
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.token_count, 5);
    assert_int_equal(info.expiring_count, 5);
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_and_read), cmocka_unit_test(test_short_buffers),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_transaction),    cmocka_unit_test(test_view),
        cmocka_unit_test(test_given_back),     cmocka_unit_test(test_kept),
        cmocka_unit_test(test_expire),         cmocka_unit_test(test_expire_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
