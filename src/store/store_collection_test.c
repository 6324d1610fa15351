/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Numbers of collections: given in order, again only when there are no others, and never to a
 * transaction that meant the collection before. */
#include "store/store_txn_testing.h"

#include <stdio.h>

/* Makes collections up to the last number, without the search for the name that each would take. */
static void make_all(txn_fixture *f)
{
    uint8_t body[8 + 16];
    for (uint32_t i = f->store->collection_count; i < NGI_COLLECTIONS_MAX; i++) {
        char name[16];
        uint32_t bytes = (uint32_t)snprintf(name, sizeof name, "n%u", i);
        ngi_put_u32(body, i);
        ngi_put_u32(body + 4, bytes);
        memcpy(body + 8, name, bytes);
        const ngi_op op = {.kind = NGI_OP_COLLECTION_PUT, .body = body, .body_bytes = 8 + bytes};
        assert_int_equal(ngi_store_prepare(f->store, &op), NG_OK);
        assert_int_equal(ngi_store_apply(f->store, &op), NG_OK);
    }
}

static void test_numbers_run_out(void **state)
{
    txn_fixture *f = *state;
    ng_collection_id id = 0;
    uint64_t deleted = 9;
    assert_int_equal(ngi_store_collection_create(f->store, "one", NULL, &id), NG_OK);
    assert_int_equal(id, 2);
    assert_int_equal(ngi_store_collection_drop(f->store, id, NULL, &deleted), NG_OK);
    assert_int_equal(deleted, 0);
    assert_int_equal(ngi_store_collection_create(f->store, "one", NULL, &id), NG_OK);
    assert_int_equal(id, 3); /* 2 is not given again yet */
    make_all(f);
    assert_int_equal(ngi_store_collection_create(f->store, "late", NULL, &id), NG_OK);
    assert_int_equal(id, 2); /* now it is */
    assert_int_equal(ngi_store_collection_create(f->store, "later", NULL, &id), NG_E_LIMIT);
    assert_non_null(strstr(ngi_last_error(), "65536"));
    txn_check(f);

    /* A token is staged for number 500, which then becomes another collection. */
    ng_txn *txn = txn_begin(f);
    const ng_write_options write = txn_write(txn);
    ng_token_fields fields = {.struct_size = sizeof fields, .collection = 500};
    ng_token_id token = 0;
    assert_int_equal(ngi_store_token_put(f->store, NULL, &fields, 1, &write, &token), NG_OK);
    assert_int_equal(ngi_store_collection_drop(f->store, 500, NULL, &deleted), NG_OK);
    assert_int_equal(ngi_store_collection_create(f->store, "other", NULL, &id), NG_OK);
    assert_int_equal(id, 500);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_E_CONFLICT);
    ng_conflict conflict;
    assert_true(ng_last_conflict(&conflict));
    assert_int_equal(conflict.kind, NG_CONFLICT_ABSENT);
    assert_int_equal(f->store->collections[500].token_count, 0);
    txn_check(f);
}

/* Writers fill the collection again while it is emptied: by ids behind the last one that was looked
 * at, and, by transactions, before it. */
static void test_drop_of_what_was_filled_again(void **state)
{
    txn_fixture *f = *state;
    static ng_token_fields fields[NGI_BATCH_MAX];
    ng_collection_id id = 0;
    ng_token_id early = 0;
    uint64_t deleted = 0;
    assert_int_equal(ngi_store_collection_create(f->store, "full", NULL, &id), NG_OK);
    for (size_t i = 0; i < NGI_BATCH_MAX; i++)
        fields[i] = (ng_token_fields){.struct_size = sizeof fields[i], .collection = id};
    ng_txn *txn = txn_begin(f);
    const ng_write_options write = txn_write(txn);
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 1, &write, &early), NG_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ngi_store_token_put(f->store, NULL, fields, NGI_BATCH_MAX, NULL, NULL),
                         NG_OK);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK); /* an id below all others */
    assert_int_equal(ngi_store_collection_drop(f->store, id, NULL, &deleted), NG_OK);
    assert_int_equal(deleted, 3 * NGI_BATCH_MAX + 1);
    assert_int_equal(f->store->token_count, 0);
    assert_false(store_has_collection(f->store, id));
    txn_check(f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, txn_set_up, txn_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_numbers_run_out),
        T(test_drop_of_what_was_filled_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
