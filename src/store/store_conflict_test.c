/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Conditions of plain writes and of transactions, and what a conflict tells. */
#include "store/store_txn_testing.h"

/* The last call was a conflict of this kind that changed nothing. */
static ng_conflict expect_conflict(txn_fixture *f, ng_conflict_kind kind, ng_seq seq)
{
    ng_conflict conflict;
    assert_true(ng_last_conflict(&conflict));
    assert_int_equal(conflict.kind, kind);
    assert_int_equal(conflict.seq, seq);
    assert_int_equal(txn_seq(f), seq);
    assert_true(strlen(ng_last_error()) > 0);
    return conflict;
}

/* Commits, expecting a conflict after which the store is as before. */
static ng_conflict expect_commit_conflict(txn_fixture *f, ng_txn *txn, ng_conflict_kind kind)
{
    uint64_t hash = txn_hash(f);
    uint64_t count = atomic_load(&f->store->conflict_count);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_E_CONFLICT);
    ng_conflict conflict = expect_conflict(f, kind, txn_seq(f));
    assert_true(txn_hash(f) == hash);
    assert_int_equal(atomic_load(&f->store->conflict_count), count + 1);
    assert_int_equal(atomic_load(&f->store->open_txn_count), 0);
    return conflict;
}

/* --- plain writes ---------------------------------------------------------------------------- */

static void test_if_version(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    ng_token_fields fields = txn_weighted(0.5f);
    ng_write_options write = {.struct_size = sizeof write, .if_version = 1};
    assert_int_equal(ngi_store_token_put(f->store, &a, &fields, 1, &write, NULL), NG_OK);
    fields.weight = 0.75f;
    assert_int_equal(ngi_store_token_put(f->store, &a, &fields, 1, &write, NULL), NG_E_CONFLICT);
    assert_string_equal(ng_last_error(), "token 1 has version 2, not 1");
    ng_conflict conflict = expect_conflict(f, NG_CONFLICT_VERSION, 2);
    assert_int_equal(conflict.expected_version, 1);
    assert_int_equal(conflict.version, 2);
    assert_int_equal(conflict.token.id, a);
    assert_int_equal(conflict.token.version, 2);
    assert_true(conflict.token.record.weight == 0.5f);
    assert_int_equal(ngi_store_token_delete(f->store, a, &write), NG_E_CONFLICT);
    expect_conflict(f, NG_CONFLICT_VERSION, 2);
    write.if_version = 2;
    assert_int_equal(ngi_store_token_delete(f->store, a, &write), NG_OK);
    assert_int_equal(ngi_store_token_delete(f->store, a, &write), NG_E_NOT_FOUND);
    assert_false(ng_last_conflict(&conflict)); /* the last error is another */

    ng_token_id b = txn_create(f, NULL, "b");
    ng_token_id c = txn_create(f, NULL, "c");
    ng_token_id pair[] = {b, c};
    ng_token_fields two[] = {txn_weighted(1), txn_weighted(1)};
    write.if_version = 1;
    assert_int_equal(ngi_store_token_put(f->store, NULL, &fields, 1, &write, &a), NG_E_INVALID);
    assert_int_equal(ngi_store_token_put(f->store, pair, two, 2, &write, NULL), NG_E_INVALID);
    ng_connection_fields link = txn_link(b, c);
    assert_int_equal(ngi_store_connection_put(f->store, &link, 1, 0, 0, &write, &a, NULL),
                     NG_E_INVALID);
    a = txn_connect(f, NULL, b, c);
    assert_int_equal(ngi_store_connection_delete(f->store, a, &write), NG_E_INVALID);
}

static void test_if_absent(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    ng_token_id b = txn_create(f, NULL, "b");
    ng_token_fields fields[] = {txn_labelled("c"), txn_labelled("a")};
    ng_write_options write = {.struct_size = sizeof write, .flags = NG_WRITE_IF_ABSENT};
    ng_token_id ids[2];
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 2, &write, ids), NG_E_CONFLICT);
    assert_string_equal(ng_last_error(), "item 1: label 'a' belongs to token 1");
    ng_conflict conflict = expect_conflict(f, NG_CONFLICT_PRESENT, 2);
    assert_int_equal(conflict.token.id, a);
    assert_int_equal(conflict.connection, 0);
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 2, NULL, ids), NG_E_EXISTS);
    assert_false(ng_last_conflict(NULL));
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 1, &write, ids), NG_OK);
    assert_int_equal(ngi_store_token_put(f->store, &a, fields, 1, &write, NULL), NG_E_INVALID);
    assert_int_equal(ngi_store_token_delete(f->store, a, &write), NG_E_INVALID);

    ng_connection_fields links[] = {txn_link(b, a), txn_link(a, b)};
    ng_connection_id link = txn_connect(f, NULL, a, b);
    ng_connection_id out[2];
    assert_int_equal(ngi_store_connection_put(f->store, links, 2, 0, 0, &write, out, NULL),
                     NG_E_CONFLICT);
    conflict = expect_conflict(f, NG_CONFLICT_PRESENT, 4);
    assert_int_equal(conflict.connection, link);
    assert_int_equal(conflict.token.id, 0);
    assert_int_equal(ngi_store_connection_put(f->store, links, 1, 0, 0, &write, out, NULL), NG_OK);
    assert_int_equal(ngi_store_connection_delete(f->store, link, &write), NG_E_INVALID);
}

static void test_if_seq(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    ng_token_id id;
    ng_token_fields fields = txn_weighted(0.5f);
    ng_write_options write = {.struct_size = sizeof write, .if_seq = 1};
    assert_int_equal(ngi_store_token_put(f->store, NULL, &fields, 1, &write, &id), NG_OK);
    assert_int_equal(ngi_store_token_put(f->store, NULL, &fields, 1, &write, &id), NG_E_CONFLICT);
    ng_conflict conflict = expect_conflict(f, NG_CONFLICT_SEQ, 2);
    assert_int_equal(conflict.expected_seq, 1);
    assert_int_equal(conflict.token.id, 0);
    assert_int_equal(ngi_store_token_delete(f->store, a, &write), NG_E_CONFLICT);
    ng_connection_fields link = txn_link(a, id);
    assert_int_equal(ngi_store_connection_put(f->store, &link, 1, 0, 0, &write, &id, NULL),
                     NG_E_CONFLICT);
    write.if_seq = 2;
    assert_int_equal(ngi_store_token_delete(f->store, a, &write), NG_OK);
}

/* --- at commit ------------------------------------------------------------------------------- */

static void test_first_to_commit_wins(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    ng_txn *first = txn_begin(f);
    ng_txn *second = txn_begin(f);
    assert_int_equal(txn_reweigh(f, first, a, 0.25f), NG_OK);
    assert_int_equal(txn_reweigh(f, second, a, 0.5f), NG_OK);
    assert_int_equal(ngi_txn_commit(second, NULL), NG_OK);
    ng_conflict conflict = expect_commit_conflict(f, first, NG_CONFLICT_VERSION);
    assert_int_equal(conflict.expected_version, 1);
    assert_int_equal(conflict.version, 2);
    assert_true(conflict.token.record.weight == 0.5f);

    /* A deletion is a change as well, and so is a plain write. */
    first = txn_begin(f);
    assert_int_equal(txn_delete(f, first, a), NG_OK);
    assert_int_equal(txn_reweigh(f, NULL, a, 0.125f), NG_OK);
    conflict = expect_commit_conflict(f, first, NG_CONFLICT_VERSION);
    assert_int_equal(conflict.version, 3);

    first = txn_begin(f);
    assert_int_equal(txn_reweigh(f, first, a, 0.5f), NG_OK);
    assert_int_equal(txn_delete(f, NULL, a), NG_OK);
    conflict = expect_commit_conflict(f, first, NG_CONFLICT_ABSENT);
    assert_int_equal(conflict.expected_version, 3);
    assert_int_equal(conflict.version, 0);
    assert_int_equal(conflict.token.id, 0);
    assert_int_equal(conflict.connection, 0);
}

static void test_label_taken_meanwhile(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    ng_txn *txn = txn_begin(f);
    txn_create(f, txn, "b");
    ng_token_id b = txn_create(f, NULL, "b");
    assert_int_equal(b, 3);
    ng_conflict conflict = expect_commit_conflict(f, txn, NG_CONFLICT_PRESENT);
    assert_int_equal(conflict.token.id, b);
    assert_string_equal(ng_last_error(), "label 'b' belongs to token 3");

    /* It was free when it was staged because its holder gives it up here; but then it goes on. */
    txn = txn_begin(f);
    assert_int_equal(txn_relabel(f, txn, a, NULL), NG_OK);
    assert_int_equal(txn_relabel(f, txn, b, "a"), NG_OK);
    assert_int_equal(txn_relabel(f, NULL, a, "c"), NG_OK);
    txn_create(f, NULL, "a");
    conflict = expect_commit_conflict(f, txn, NG_CONFLICT_VERSION);
    assert_int_equal(conflict.token.id, a);
}

static void test_connections_meanwhile(void **state)
{
    txn_fixture *f = *state;
    ng_token_id t[4];
    for (int i = 0; i < 4; i++)
        t[i] = txn_create(f, NULL, NULL);
    ng_txn *txn = txn_begin(f);
    txn_connect(f, txn, t[0], t[1]);
    ng_connection_id there = txn_connect(f, NULL, t[0], t[1]);
    ng_conflict conflict = expect_commit_conflict(f, txn, NG_CONFLICT_PRESENT);
    assert_int_equal(conflict.connection, there);
    assert_int_equal(conflict.token.id, 0);

    txn = txn_begin(f);
    assert_int_equal(txn_disconnect(f, txn, there), NG_OK);
    assert_int_equal(txn_disconnect(f, NULL, there), NG_OK);
    conflict = expect_commit_conflict(f, txn, NG_CONFLICT_ABSENT);
    assert_int_equal(conflict.connection, there);

    txn = txn_begin(f);
    txn_connect(f, txn, t[0], t[1]);
    assert_int_equal(txn_delete(f, NULL, t[1]), NG_OK);
    conflict = expect_commit_conflict(f, txn, NG_CONFLICT_ABSENT);
    assert_int_equal(conflict.token.id, 0);
    assert_string_equal(ng_last_error(), "token 2, an end of connection 1, is not there any more");

    /* Other connections of a token are no change of it. */
    txn = txn_begin(f);
    assert_int_equal(txn_reweigh(f, txn, t[0], 0.5f), NG_OK);
    assert_int_equal(txn_delete(f, txn, t[3]), NG_OK);
    txn_connect(f, NULL, t[0], t[2]);
    txn_connect(f, NULL, t[3], t[2]);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    ng_info info;
    assert_int_equal(ngi_store_info(f->store, &info), NG_OK);
    assert_int_equal(info.connection_count, 1);
}

static void test_constitution_meanwhile(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    ng_token_id b = txn_create(f, NULL, "b");
    ng_cdna cdna;
    assert_int_equal(ngi_store_cdna_get(f->store, &cdna), NG_OK);
    ng_txn *puts = txn_begin(f);
    ng_txn *links = txn_begin(f);
    ng_txn *deletes = txn_begin(f);
    ng_txn *late = txn_begin(f);
    assert_int_equal(txn_reweigh(f, puts, a, 0.5f), NG_OK);
    txn_connect(f, links, a, b);
    assert_int_equal(txn_delete(f, deletes, b), NG_OK);
    cdna.max_out_degree--;
    assert_int_equal(ngi_store_cdna_set(f->store, &cdna, NULL), NG_OK);
    assert_int_equal(txn_reweigh(f, late, a, 0.5f), NG_OK);
    assert_int_equal(ngi_txn_commit(puts, NULL), NG_E_CONFLICT);
    expect_conflict(f, NG_CONFLICT_CDNA, 3);
    assert_int_equal(ngi_txn_commit(links, NULL), NG_E_CONFLICT);
    expect_conflict(f, NG_CONFLICT_CDNA, 3);
    assert_int_equal(ngi_txn_commit(late, NULL), NG_OK);    /* it wrote under the new one */
    assert_int_equal(ngi_txn_commit(deletes, NULL), NG_OK); /* which says nothing about deleting */
}

static void test_conditions(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    ng_txn *txn = txn_begin(f);
    assert_int_equal(ngi_txn_if_version(txn, a, 2), NG_OK);
    ng_conflict conflict = expect_commit_conflict(f, txn, NG_CONFLICT_VERSION);
    assert_int_equal(conflict.expected_version, 2);
    assert_int_equal(conflict.token.id, a);

    txn = txn_begin(f);
    assert_int_equal(ngi_txn_if_version(txn, a, 0), NG_OK);
    conflict = expect_commit_conflict(f, txn, NG_CONFLICT_PRESENT);
    assert_int_equal(conflict.token.id, a);

    txn = txn_begin(f);
    assert_int_equal(ngi_txn_if_version(txn, 77, 3), NG_OK);
    conflict = expect_commit_conflict(f, txn, NG_CONFLICT_ABSENT);
    assert_int_equal(conflict.expected_version, 3);

    txn = txn_begin(f);
    assert_int_equal(ngi_txn_if_version(txn, 77, 0), NG_OK);
    assert_int_equal(ngi_txn_if_version(txn, UINT64_MAX, 0), NG_OK);
    assert_int_equal(ngi_txn_if_version(txn, a, 1), NG_OK);
    assert_int_equal(ngi_txn_if_absent(txn, 0, "b", 1), NG_OK);
    assert_int_equal(ngi_txn_if_absent(txn, 1, "a", 1), NG_OK);
    ng_token_id b = txn_create(f, txn, "b"); /* through this transaction */
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);

    txn = txn_begin(f);
    assert_int_equal(ngi_txn_if_absent(txn, 0, "b", 1), NG_OK);
    txn_create(f, txn, "c");
    conflict = expect_commit_conflict(f, txn, NG_CONFLICT_PRESENT);
    assert_int_equal(conflict.token.id, b);
    assert_int_equal(txn_holder(f, "c"), 0);

    txn = txn_begin(f);
    assert_int_equal(ngi_txn_if_absent(txn, 0, "b", 1), NG_OK);
    assert_int_equal(txn_delete(f, txn, b), NG_OK);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
}

static void test_seq_conditions(void **state)
{
    txn_fixture *f = *state;
    txn_create(f, NULL, "a");
    const ng_txn_options options = {.struct_size = sizeof options, .if_seq = 1};
    ng_txn *txn;
    assert_int_equal(ngi_txn_begin(f->store, &options, &txn), NG_OK);
    txn_create(f, txn, "b");
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    assert_int_equal(ngi_txn_begin(f->store, &options, &txn), NG_OK);
    txn_create(f, txn, "c");
    ng_conflict conflict = expect_commit_conflict(f, txn, NG_CONFLICT_SEQ);
    assert_int_equal(conflict.expected_seq, 1);

    /* if_seq of a write inside holds when it is staged, and at commit. */
    txn = txn_begin(f);
    ng_write_options write = txn_write(txn);
    ng_token_fields fields = txn_labelled("d");
    ng_token_id id;
    write.if_seq = 1;
    assert_int_equal(ngi_store_token_put(f->store, NULL, &fields, 1, &write, &id), NG_E_CONFLICT);
    expect_conflict(f, NG_CONFLICT_SEQ, 2);
    write.if_seq = 2;
    assert_int_equal(ngi_store_token_put(f->store, NULL, &fields, 1, &write, &id), NG_OK);
    txn_create(f, NULL, "e");
    conflict = expect_commit_conflict(f, txn, NG_CONFLICT_SEQ);
    assert_int_equal(conflict.expected_seq, 2);

    txn = txn_begin(f);
    txn_create(f, txn, "d");
    write = txn_write(NULL);
    write.if_seq = 2;
    assert_int_equal(ngi_txn_commit(txn, &write), NG_E_CONFLICT);
    conflict = expect_conflict(f, NG_CONFLICT_SEQ, 3);
    assert_int_equal(conflict.expected_seq, 2);
}

/* --- at staging ------------------------------------------------------------------------------ */

static void test_conditions_inside(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    ng_txn *txn = txn_begin(f);
    ng_write_options write = txn_write(txn);
    ng_token_fields fields = txn_weighted(0.5f);
    write.if_version = 2;
    assert_int_equal(ngi_store_token_put(f->store, &a, &fields, 1, &write, NULL), NG_E_CONFLICT);
    ng_conflict conflict = expect_conflict(f, NG_CONFLICT_VERSION, 1);
    assert_int_equal(conflict.token.id, a);
    write.if_version = 1;
    assert_int_equal(ngi_store_token_put(f->store, &a, &fields, 1, &write, NULL), NG_OK);
    /* The transaction sees version 2 now, and the conflict shows what it sees. */
    assert_int_equal(ngi_store_token_delete(f->store, a, &write), NG_E_CONFLICT);
    conflict = expect_conflict(f, NG_CONFLICT_VERSION, 1);
    assert_int_equal(conflict.version, 2);
    assert_int_equal(conflict.token.version, 2);
    assert_true(conflict.token.record.weight == 0.5f);
    write.if_version = 2;
    assert_int_equal(ngi_store_token_put(f->store, &a, &fields, 1, &write, NULL), NG_OK);

    write = txn_write(txn);
    write.flags = NG_WRITE_IF_ABSENT;
    fields = txn_labelled("a");
    ng_token_id id;
    assert_int_equal(ngi_store_token_put(f->store, NULL, &fields, 1, &write, &id), NG_E_CONFLICT);
    conflict = expect_conflict(f, NG_CONFLICT_PRESENT, 1);
    assert_int_equal(conflict.token.id, a);
    assert_true(conflict.token.record.weight == 0.5f);
    ng_token_id b = txn_create(f, txn, "b");
    ng_connection_id link = txn_connect(f, txn, a, b);
    ng_connection_fields again = txn_link(a, b);
    assert_int_equal(ngi_store_connection_put(f->store, &again, 1, 0, 0, &write, &id, NULL),
                     NG_E_CONFLICT);
    conflict = expect_conflict(f, NG_CONFLICT_PRESENT, 1);
    assert_int_equal(conflict.connection, link);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    assert_int_equal(txn_version(f, a), 2);
}

/* The detail survives the return of ids, for which there may be no memory. */
static void test_detail_survives_want_of_memory(void **state)
{
    (void)state;
    for (size_t n = 1; n < 12; n++) {
        txn_fixture fixture;
        txn_fixture *f = &fixture;
        txn_open(f, NULL, NULL);
        ng_token_id a = txn_create(f, NULL, "a");
        ng_txn *txn = txn_begin(f);
        txn_create(f, txn, "b");
        assert_int_equal(txn_reweigh(f, txn, a, 0.5f), NG_OK);
        assert_int_equal(txn_reweigh(f, NULL, a, 0.25f), NG_OK);
        txn_create(f, NULL, "c");
        f->memory.request_count = 0;
        f->memory.fail_at = n;
        ng_status status = ngi_txn_commit(txn, NULL);
        f->memory.fail_at = 0;
        ng_conflict conflict;
        assert_true(status == NG_E_CONFLICT || status == NG_E_NOMEM);
        assert_int_equal(ng_last_conflict(&conflict), status == NG_E_CONFLICT);
        if (status == NG_E_CONFLICT)
            assert_string_equal(ng_last_error(), "token 1 has version 2, not 1");
        txn_close(f);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, txn_set_up, txn_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_if_version),
        T(test_if_absent),
        T(test_if_seq),
        T(test_first_to_commit_wins),
        T(test_label_taken_meanwhile),
        T(test_connections_meanwhile),
        T(test_constitution_meanwhile),
        T(test_conditions),
        T(test_seq_conditions),
        T(test_conditions_inside),
        cmocka_unit_test(test_detail_survives_want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
