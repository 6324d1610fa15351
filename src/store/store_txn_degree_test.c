/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Degree limits of the constitution inside transactions. */
#include "store/store_txn_testing.h"

static void set_degrees(txn_fixture *f, uint32_t out, uint32_t in, uint32_t total)
{
    ng_cdna cdna;
    assert_int_equal(ngi_store_cdna_get(f->store, &cdna), NG_OK);
    cdna.max_out_degree = out;
    cdna.max_in_degree = in;
    cdna.max_total_degree = total;
    assert_int_equal(ngi_store_cdna_set(f->store, &cdna, NULL), NG_OK);
}

static void test_degree_limits(void **state)
{
    txn_fixture *f = *state;
    ng_token_id t[8];
    ng_connection_id id;
    set_degrees(f, 3, 3, 4);
    for (int i = 0; i < 8; i++)
        t[i] = txn_create(f, NULL, NULL);
    ng_connection_id first = txn_connect(f, NULL, t[0], t[1]);
    txn_connect(f, NULL, t[0], t[2]);
    ng_txn *txn = txn_begin(f);
    txn_connect(f, txn, t[0], t[3]);
    assert_int_equal(txn_try_connect(f, txn, t[0], t[4], &id), NG_E_LIMIT);
    assert_string_equal(ng_last_error(), "token 1 already has max_out_degree 3 connections");
    /* What the transaction deletes makes room: a connection, a neighbour. */
    assert_int_equal(txn_disconnect(f, txn, first), NG_OK);
    txn_connect(f, txn, t[0], t[4]);
    assert_int_equal(txn_try_connect(f, txn, t[0], t[5], &id), NG_E_LIMIT);
    assert_int_equal(txn_delete(f, txn, t[2]), NG_OK);
    txn_connect(f, txn, t[0], t[5]);
    txn_connect(f, txn, t[6], t[0]);
    assert_int_equal(txn_try_connect(f, txn, t[7], t[0], &id), NG_E_LIMIT);
    assert_string_equal(ng_last_error(), "token 1 already has max_total_degree 4 connections");
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);

    /* Room that somebody else has taken meanwhile is noticed at commit. */
    ng_token_id hub = txn_create(f, NULL, "hub");
    txn = txn_begin(f);
    for (int i = 3; i < 6; i++)
        txn_connect(f, txn, t[i], hub);
    txn_connect(f, NULL, t[6], hub);
    uint64_t hash = txn_hash(f);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_E_LIMIT);
    assert_string_equal(ng_last_error(), "token 9 already has max_in_degree 3 connections");
    assert_true(txn_hash(f) == hash);
}

/* What is dropped again, or was part of a call that failed, does not count. */
static void test_degrees_of_what_was_dropped(void **state)
{
    txn_fixture *f = *state;
    ng_token_id t[8];
    ng_connection_id id, ids[3];
    set_degrees(f, 2, 2, 3);
    for (int i = 0; i < 8; i++)
        t[i] = txn_create(f, NULL, NULL);
    ng_txn *txn = txn_begin(f);
    ng_write_options write = txn_write(txn);
    const ng_connection_fields fails[] = {txn_link(t[0], t[1]), txn_link(t[0], t[2]),
                                          txn_link(t[0], t[3])};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ngi_store_connection_put(f->store, fails, 3, 0, 0, &write, ids, NULL),
                         NG_E_LIMIT);
        assert_string_equal(ng_last_error(),
                            "item 2: token 1 already has max_out_degree 2 connections");
    }
    for (int i = 0; i < 3; i++) {
        ng_token_id made = txn_create(f, txn, NULL);
        txn_connect(f, txn, t[0], made);
        id = txn_connect(f, txn, t[0], t[1]);
        assert_int_equal(txn_try_connect(f, txn, t[0], t[2], &id), NG_E_LIMIT);
        assert_int_equal(txn_delete(f, txn, made), NG_OK); /* with its connection */
        id = txn_connect(f, txn, t[0], t[3]);
        assert_int_equal(txn_disconnect(f, txn, id), NG_OK);
        id = txn_connect(f, txn, t[0], t[2]);
        assert_int_equal(txn_try_connect(f, txn, t[0], t[3], &id), NG_E_LIMIT);
        ngi_txn_rollback(txn);
        txn = txn_begin(f);
    }
    txn_connect(f, txn, t[0], t[1]);
    txn_connect(f, txn, t[0], t[2]);
    txn_connect(f, txn, t[3], t[0]);
    assert_int_equal(txn_try_connect(f, txn, t[4], t[0], &id), NG_E_LIMIT);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
}

#define T(test) cmocka_unit_test_setup_teardown(test, txn_set_up, txn_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_degree_limits),
        T(test_degrees_of_what_was_dropped),
    };
    return cmocka_run_group_tests_name("store_txn_degree", tests, NULL, NULL);
}
