/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Transactions: what is seen inside and outside, ids, labels that move, limits, memory that runs
 * out. Conflicts are in store_conflict_test.c, random histories in store_txn_model_test.c. */
#include "store/store_txn_testing.h"

static void test_commit_is_one_op(void **state)
{
    txn_fixture *f = *state;
    ng_token_id old[] = {txn_create(f, NULL, "a"), txn_create(f, NULL, "b"),
                         txn_create(f, NULL, "c")};
    ng_connection_id link = txn_connect(f, NULL, old[0], old[1]);
    ng_seq before = txn_seq(f);
    ng_txn *txn = txn_begin(f);
    ng_token_id added = txn_create(f, txn, "new");
    assert_int_equal(txn_reweigh(f, txn, old[0], 0.5f), NG_OK);
    assert_int_equal(txn_delete(f, txn, old[2]), NG_OK);
    ng_connection_id added_link = txn_connect(f, txn, added, old[0]);
    assert_int_equal(txn_disconnect(f, txn, link), NG_OK);

    /* Nobody else sees any of it. */
    ng_token record;
    ng_connection connection;
    assert_int_equal(txn_seq(f), before);
    assert_int_equal(ngi_store_token_read(f->store, added, &record), NG_E_NOT_FOUND);
    assert_int_equal(txn_holder(f, "new"), 0);
    assert_int_equal(txn_version(f, old[0]), 1);
    assert_int_equal(txn_version(f, old[2]), 1);
    assert_int_equal(ngi_store_connection_get(f->store, link, &connection), NG_OK);
    assert_int_equal(ngi_store_connection_get(f->store, added_link, &connection), NG_E_NOT_FOUND);

    ng_seq seq = 0;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    assert_int_equal(ngi_txn_commit(txn, &write), NG_OK);
    assert_int_equal(seq, before + 1);
    assert_int_equal(txn_seq(f), before + 1);
    assert_int_equal(txn_holder(f, "new"), added);
    assert_int_equal(txn_version(f, added), 1);
    assert_int_equal(txn_version(f, old[0]), 2);
    assert_int_equal(txn_version(f, old[2]), 0);
    assert_int_equal(ngi_store_connection_get(f->store, link, &connection), NG_E_NOT_FOUND);
    assert_int_equal(ngi_store_connection_get(f->store, added_link, &connection), NG_OK);
    assert_int_equal(connection.source, added);
    ng_info info;
    assert_int_equal(ngi_store_info(f->store, &info), NG_OK);
    assert_int_equal(info.token_count, 3);
    assert_int_equal(info.connection_count, 1);
    assert_int_equal(atomic_load(&f->store->commit_count), 1);
}

static void test_own_writes_are_seen(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    ng_txn *txn = txn_begin(f);
    ng_token_info info;
    ng_token_id found;
    char label[16];
    float vector[4];
    size_t count;
    assert_int_equal(ngi_txn_token_get(txn, a, &info), NG_OK);
    assert_int_equal(info.version, 1);
    assert_true(info.updated_us > 0);

    ng_token_fields fields = txn_labelled("b");
    const float values[] = {1, 2, 3};
    fields.set |= NG_FIELD_VECTOR | NG_FIELD_WEIGHT;
    fields.weight = 0.25f;
    fields.vector = values;
    fields.vector_dimensions = 3;
    fields.spaces_set = 1;
    fields.coordinates[0][1] = 1.5f;
    ng_write_options write = txn_write(txn);
    assert_int_equal(ngi_store_token_put(f->store, &a, &fields, 1, &write, NULL), NG_OK);
    assert_int_equal(ngi_txn_token_get(txn, a, &info), NG_OK);
    assert_int_equal(info.version, 2);
    assert_true(info.has_vector);
    assert_true(info.record.weight == 0.25f);
    assert_int_equal(ngi_txn_token_find(txn, 0, "b", 1, &found), NG_OK);
    assert_int_equal(found, a);
    assert_int_equal(ngi_txn_token_find(txn, 0, "a", 1, &found), NG_E_NOT_FOUND);
    assert_int_equal(ngi_txn_token_find(txn, 9, "a", 1, &found), NG_E_NOT_FOUND);
    assert_int_equal(ngi_txn_token_label(txn, a, label, sizeof label, &count), NG_OK);
    assert_string_equal(label, "b");
    assert_int_equal(count, 1);
    assert_int_equal(ngi_txn_token_vector(txn, a, vector, 4, &count), NG_OK);
    assert_int_equal(count, 3);
    assert_memory_equal(vector, values, sizeof values);
    assert_int_equal(txn_holder(f, "b"), 0);

    /* A second change of the same token is part of the same one version. */
    fields = txn_labelled(NULL);
    fields.set |= NG_FIELD_VECTOR;
    assert_int_equal(ngi_store_token_put(f->store, &a, &fields, 1, &write, NULL), NG_OK);
    assert_int_equal(ngi_txn_token_get(txn, a, &info), NG_OK);
    assert_int_equal(info.version, 2);
    assert_false(info.has_vector);
    assert_int_equal(ngi_txn_token_label(txn, a, label, sizeof label, &count), NG_OK);
    assert_int_equal(count, 0);
    assert_int_equal(ngi_txn_token_vector(txn, a, vector, 4, &count), NG_OK);
    assert_int_equal(count, 0);
    assert_int_equal(ngi_txn_token_find(txn, 0, "b", 1, &found), NG_E_NOT_FOUND);

    assert_int_equal(txn_delete(f, txn, a), NG_OK);
    assert_int_equal(ngi_txn_token_get(txn, a, &info), NG_E_NOT_FOUND);
    assert_int_equal(txn_delete(f, txn, a), NG_E_NOT_FOUND);
    assert_int_equal(txn_reweigh(f, txn, a, 1), NG_E_NOT_FOUND);
    ng_token_id b = txn_create(f, txn, "a"); /* the label is free now */
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    assert_int_equal(txn_holder(f, "a"), b);
    assert_int_equal(txn_version(f, a), 0);
    assert_int_equal(txn_version(f, b), 1);
}

static void test_connections_follow_their_tokens(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    ng_token_id b = txn_create(f, NULL, "b");
    ng_connection_id committed = txn_connect(f, NULL, a, b);
    ng_txn *txn = txn_begin(f);
    ng_connection record;
    ng_connection_id id;
    ng_token_id c = txn_create(f, txn, "c");
    ng_connection_id first = txn_connect(f, txn, c, a);
    ng_connection_id second = txn_connect(f, txn, b, c);
    assert_int_equal(txn_try_connect(f, txn, c, a, &id), NG_E_EXISTS);
    assert_int_equal(txn_try_connect(f, txn, a, b, &id), NG_E_EXISTS);
    assert_int_equal(ngi_txn_connection_get(txn, first, &record), NG_OK);
    assert_int_equal(record.source, c);

    /* Deleting what the transaction created takes its connections back, as if they never were. */
    assert_int_equal(txn_delete(f, txn, c), NG_OK);
    assert_int_equal(ngi_txn_connection_get(txn, first, &record), NG_E_NOT_FOUND);
    assert_int_equal(ngi_txn_connection_get(txn, second, &record), NG_E_NOT_FOUND);
    assert_int_equal(txn_disconnect(f, txn, second), NG_E_NOT_FOUND);
    assert_int_equal(txn_try_connect(f, txn, a, c, &id), NG_E_NOT_FOUND);

    /* Deleting a committed one hides its connections, also created ones. */
    ng_token_id d = txn_create(f, txn, "d");
    ng_connection_id third = txn_connect(f, txn, d, b);
    assert_int_equal(ngi_txn_connection_get(txn, committed, &record), NG_OK);
    assert_int_equal(txn_delete(f, txn, b), NG_OK);
    assert_int_equal(ngi_txn_connection_get(txn, committed, &record), NG_E_NOT_FOUND);
    assert_int_equal(txn_disconnect(f, txn, committed), NG_E_NOT_FOUND);
    assert_int_equal(ngi_txn_connection_get(txn, third, &record), NG_E_NOT_FOUND);
    assert_int_equal(ngi_txn_connection_get(txn, UINT64_MAX, &record), NG_E_NOT_FOUND);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    ng_info info;
    assert_int_equal(ngi_store_info(f->store, &info), NG_OK);
    assert_int_equal(info.token_count, 2);
    assert_int_equal(info.connection_count, 0);
}

/* A connection may be replaced by one with the same ends in one transaction. */
static void test_connection_replaced(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    ng_token_id b = txn_create(f, NULL, "b");
    ng_connection_id old = txn_connect(f, NULL, a, b);
    ng_txn *txn = txn_begin(f);
    assert_int_equal(txn_disconnect(f, txn, old), NG_OK);
    assert_int_equal(txn_disconnect(f, txn, old), NG_E_NOT_FOUND);
    ng_connection_id next = txn_connect(f, txn, a, b);
    assert_int_equal(txn_disconnect(f, txn, next), NG_OK);
    next = txn_connect(f, txn, a, b);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    ng_connection record;
    assert_int_equal(ngi_store_connection_get(f->store, old, &record), NG_E_NOT_FOUND);
    assert_int_equal(ngi_store_connection_get(f->store, next, &record), NG_OK);
}

/* A whole record is replaced only over the one that was read. */
static void test_record_replaced(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a"), b = txn_create(f, NULL, "b");
    ng_connection_id id = txn_connect(f, NULL, a, b);
    ng_connection before, after, now;
    assert_int_equal(ngi_store_connection_get(f->store, id, &before), NG_OK);
    after = before;
    after.confidence = 7;
    after.last_update = 8;
    ng_txn *txn = txn_begin(f);
    assert_int_equal(ngi_txn_connection_replace(txn, id, &before, &after), NG_OK);
    assert_int_equal(ngi_txn_connection_get(txn, id, &now), NG_OK);
    assert_memory_equal(&now, &after, sizeof now);
    assert_int_equal(ngi_txn_connection_replace(txn, id, &before, &after), NG_E_CONFLICT);
    assert_int_equal(ngi_txn_connection_replace(txn, id + 1, &before, &after), NG_E_CONFLICT);
    assert_int_equal(ngi_store_connection_get(f->store, id, &now), NG_OK);
    assert_memory_equal(&now, &before, sizeof now);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    assert_int_equal(ngi_store_connection_get(f->store, id, &now), NG_OK);
    assert_memory_equal(&now, &after, sizeof now);
    txn = txn_begin(f);
    assert_int_equal(ngi_txn_connection_replace(txn, id, &after, &before), NG_OK);
    assert_int_equal(txn_disconnect(f, NULL, id), NG_OK);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_E_CONFLICT);
}

static void test_labels_move(void **state)
{
    txn_fixture *f = *state;
    ng_token_id id[4];
    const char *names[] = {"n0", "n1", "n2", "n3"};
    for (int i = 0; i < 4; i++)
        id[i] = txn_create(f, NULL, names[i]);

    /* Two exchange theirs, by way of no label. */
    ng_txn *txn = txn_begin(f);
    assert_int_equal(txn_relabel(f, txn, id[0], "n1"), NG_E_EXISTS);
    assert_string_equal(ng_last_error(), "label 'n1' belongs to token 2");
    assert_int_equal(txn_relabel(f, txn, id[0], NULL), NG_OK);
    assert_int_equal(txn_relabel(f, txn, id[1], "n0"), NG_OK);
    assert_int_equal(txn_relabel(f, txn, id[0], "n1"), NG_OK);
    assert_int_equal(txn_relabel(f, txn, id[0], "n1"), NG_OK); /* it has it */
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    assert_int_equal(txn_holder(f, "n0"), id[1]);
    assert_int_equal(txn_holder(f, "n1"), id[0]);

    /* A ring of four, in which every label passes on. */
    txn = txn_begin(f);
    assert_int_equal(txn_relabel(f, txn, id[3], NULL), NG_OK);
    const char *now[] = {"n1", "n0", "n2", "n3"};
    for (int i = 2; i >= 0; i--)
        assert_int_equal(txn_relabel(f, txn, id[i], now[i + 1]), NG_OK);
    assert_int_equal(txn_relabel(f, txn, id[3], "n1"), NG_OK);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(txn_holder(f, now[(i + 1) % 4]), id[i]);

    /* Away and back again. */
    txn = txn_begin(f);
    assert_int_equal(txn_relabel(f, txn, id[0], "elsewhere"), NG_OK);
    assert_int_equal(txn_relabel(f, txn, id[0], "n0"), NG_OK);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    assert_int_equal(txn_holder(f, "n0"), id[0]);
    assert_int_equal(txn_holder(f, "elsewhere"), 0);

    /* From one that goes to one that comes. */
    txn = txn_begin(f);
    assert_int_equal(txn_delete(f, txn, id[0]), NG_OK);
    ng_token_id next = txn_create(f, txn, "n0");
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    assert_int_equal(txn_holder(f, "n0"), next);
}

static void test_rollback_returns_ids(void **state)
{
    txn_fixture *f = *state;
    uint64_t hash = txn_hash(f);
    ng_txn *txn = txn_begin(f);
    for (uint32_t i = 1; i <= 100; i++)
        assert_int_equal(txn_create(f, txn, NULL), i);
    for (uint32_t i = 1; i <= 50; i++)
        assert_int_equal(txn_connect(f, txn, i, i + 1), i);
    assert_int_equal(txn_delete(f, txn, 7), NG_OK);
    assert_int_equal(f->store->given.slot_given, 101);
    assert_int_equal(f->store->given.id_given, 51);
    ngi_txn_rollback(txn);
    assert_int_equal(f->store->given.slot_given, 1);
    assert_int_equal(f->store->given.id_given, 1);
    assert_int_equal(f->store->given.returned_slots.bytes, 0);
    assert_true(txn_hash(f) == hash);

    /* What is not the newest waits for the next transaction; plain writes go on behind. */
    txn = txn_begin(f);
    assert_int_equal(txn_create(f, txn, NULL), 1);
    assert_int_equal(txn_create(f, txn, NULL), 2);
    assert_int_equal(txn_create(f, NULL, "plain"), 3);
    ngi_txn_rollback(txn);
    assert_int_equal(f->store->given.slot_given, 4);
    assert_int_equal(f->store->given.returned_slots.bytes, 8);
    txn_check(f);
    assert_int_equal(txn_create(f, NULL, "plain too"), 4);
    txn = txn_begin(f);
    ng_token_id again = txn_create(f, txn, "again");
    assert_true(again == 1 || again == 2);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    txn = txn_begin(f);
    assert_int_equal(txn_create(f, txn, NULL), 3 - again);
    assert_int_equal(txn_create(f, txn, NULL), 5);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    ng_token_id list[8];
    size_t count;
    assert_int_equal(ngi_store_token_list(f->store, 0, 0, list, 8, &count), NG_OK);
    assert_int_equal(count, 5);

    /* An id that was told and whose token was deleted is not given again after a commit. */
    txn = txn_begin(f);
    assert_int_equal(txn_create(f, txn, NULL), 6);
    assert_int_equal(txn_delete(f, txn, 6), NG_OK);
    assert_int_equal(txn_create(f, txn, NULL), 7);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    assert_int_equal(txn_create(f, NULL, NULL), 8);
    ngi_txn_rollback(NULL);
}

/* Connection lists stay newest first when ids are used out of order. */
static void test_ids_out_of_order(void **state)
{
    txn_fixture *f = *state;
    ng_token_id hub = txn_create(f, NULL, "hub");
    ng_token_id leaf[4];
    for (int i = 0; i < 4; i++)
        leaf[i] = txn_create(f, NULL, NULL);
    ng_txn *early = txn_begin(f);
    assert_int_equal(txn_connect(f, early, hub, leaf[0]), 1);
    assert_int_equal(txn_connect(f, NULL, hub, leaf[1]), 2);
    ng_txn *late = txn_begin(f);
    assert_int_equal(txn_connect(f, late, hub, leaf[2]), 3);
    assert_int_equal(ngi_txn_commit(late, NULL), NG_OK);
    assert_int_equal(ngi_txn_commit(early, NULL), NG_OK);
    ng_edge edges[4];
    size_t count;
    const ng_edge_options outgoing = {.struct_size = sizeof outgoing, .direction = NG_OUTGOING};
    assert_int_equal(ngi_store_token_connections(f->store, hub, &outgoing, edges, 4, &count),
                     NG_OK);
    assert_int_equal(count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(edges[i].id, 3 - i);
}

static void test_batch_is_staged_whole_or_not(void **state)
{
    txn_fixture *f = *state;
    txn_create(f, NULL, "taken");
    ng_txn *txn = txn_begin(f);
    ng_token_id kept = txn_create(f, txn, "kept");
    ng_token_fields fields[300];
    char names[300][16];
    ng_token_id ids[300];
    for (int i = 0; i < 300; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        fields[i] = txn_labelled(i == 299 ? "taken" : names[i]);
    }
    ng_write_options write = txn_write(txn);
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 300, &write, ids), NG_E_EXISTS);
    assert_string_equal(ng_last_error(), "item 299: label 'taken' belongs to token 1");
    assert_int_equal(txn->token_count, 1);
    assert_int_equal(f->store->given.slot_given, kept + 1);
    ng_token_id found;
    assert_int_equal(ngi_txn_token_find(txn, 0, "n5", 2, &found), NG_E_NOT_FOUND);
    fields[299] = txn_labelled("n5"); /* twice in the batch */
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 300, &write, ids), NG_E_EXISTS);
    fields[299] = txn_labelled("n299");
    fields[298].collection = 77;
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 300, &write, ids), NG_E_NOT_FOUND);
    fields[298].collection = 0;
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 300, &write, ids), NG_OK);
    assert_int_equal(ngi_txn_token_find(txn, 0, "n5", 2, &found), NG_OK);
    assert_int_equal(found, ids[5]);

    /* A batch that changes, creates and fails takes the changes back too. */
    ng_token_id mixed[] = {ids[0], 0, 1, ids[1]};
    ng_token_fields next[] = {txn_labelled("m0"), txn_labelled("m1"), txn_labelled("m2"),
                              txn_labelled("kept")};
    assert_int_equal(ngi_store_token_put(f->store, mixed, next, 4, &write, NULL), NG_E_EXISTS);
    assert_int_equal(ngi_txn_token_find(txn, 0, "n0", 2, &found), NG_OK);
    assert_int_equal(ngi_txn_token_find(txn, 0, "taken", 5, &found), NG_OK);
    assert_int_equal(ngi_txn_token_find(txn, 0, "m0", 2, &found), NG_E_NOT_FOUND);
    next[3] = txn_labelled("n0"); /* which the first item gives up */
    assert_int_equal(ngi_store_token_put(f->store, mixed, next, 4, &write, mixed), NG_OK);
    assert_int_equal(ngi_txn_token_find(txn, 0, "n0", 2, &found), NG_OK);
    assert_int_equal(found, ids[1]);

    ng_connection_fields links[3] = {txn_link(kept, ids[0]), txn_link(kept, ids[1]),
                                     txn_link(kept, ids[0])};
    ng_connection_id link_ids[3];
    assert_int_equal(ngi_store_connection_put(f->store, links, 3, 0, 0, &write, link_ids, NULL),
                     NG_E_EXISTS);
    assert_int_equal(txn->connection_count, 0);
    assert_int_equal(f->store->given.id_given, 1);
    size_t created;
    links[2] = txn_link(ids[0], kept);
    assert_int_equal(ngi_store_connection_put(f->store, links, 3, 0, 0, &write, link_ids, &created),
                     NG_OK);
    assert_int_equal(created, 3);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    assert_int_equal(txn_holder(f, "m2"), 1);
    assert_int_equal(txn_holder(f, "m1"), mixed[1]);
}

static void test_empty_commit(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    ng_seq seq = 99;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    ng_txn *txn = txn_begin(f);
    assert_int_equal(ngi_txn_if_version(txn, a, 1), NG_OK);
    assert_int_equal(ngi_txn_if_absent(txn, 0, "b", 1), NG_OK);
    assert_int_equal(ngi_txn_commit(txn, &write), NG_OK);
    assert_int_equal(seq, 0);
    assert_int_equal(txn_seq(f), 1);
    txn = txn_begin(f); /* what was created and deleted again is nothing */
    ng_token_id b = txn_create(f, txn, "b");
    txn_connect(f, txn, a, b);
    assert_int_equal(txn_delete(f, txn, b), NG_OK);
    assert_int_equal(ngi_txn_commit(txn, &write), NG_OK);
    assert_int_equal(txn_seq(f), 1);
    assert_int_equal(atomic_load(&f->store->commit_count), 2);
}

static void test_dimensions(void **state)
{
    txn_fixture *f = *state;
    const float values[] = {1, 2, 3, 4};
    ng_token_fields fields = {.struct_size = sizeof fields, .set = NG_FIELD_VECTOR};
    ng_txn *txn = txn_begin(f);
    ng_write_options write = txn_write(txn);
    ng_token_id id;
    fields.vector = values;
    fields.vector_dimensions = 3;
    assert_int_equal(ngi_store_token_put(f->store, NULL, &fields, 1, &write, &id), NG_OK);
    fields.vector_dimensions = 4;
    assert_int_equal(ngi_store_token_put(f->store, NULL, &fields, 1, &write, &id), NG_E_INVALID);
    assert_string_equal(ng_last_error(), "vector has 4 dimensions, this store has 3");
    /* Somebody else fixes others meanwhile. */
    assert_int_equal(ngi_store_token_put(f->store, NULL, &fields, 1, NULL, &id), NG_OK);
    uint64_t hash = txn_hash(f);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_E_INVALID);
    assert_true(txn_hash(f) == hash);
    assert_int_equal(ngi_vectors_dimensions(f->store->vectors), 4);
}

/* A vector that fails to be stored must not fix the dimensions of the store. */
static void test_dimensions_stay_open_after_failure(void **state)
{
    txn_fixture *f = *state;
    ng_token_id a = txn_create(f, NULL, "a");
    const float values[] = {1, 2, 3, 4};
    ng_token_fields fields = {.struct_size = sizeof fields, .set = NG_FIELD_VECTOR};
    fields.vector = values;
    fields.vector_dimensions = 3;
    ng_txn *txn = txn_begin(f);
    ng_write_options write = txn_write(txn);
    ng_token_id id;
    assert_int_equal(ngi_store_token_put(f->store, NULL, &fields, 1, &write, &id), NG_OK);
    assert_int_equal(txn_reweigh(f, txn, a, 0.5f), NG_OK);
    assert_int_equal(txn_reweigh(f, NULL, a, 0.75f), NG_OK);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_E_CONFLICT);
    assert_int_equal(ngi_vectors_dimensions(f->store->vectors), 0);
}

/* --- limits ---------------------------------------------------------------------------------- */

static void test_size_limits(void **state)
{
    txn_fixture *f = *state;
    ng_token_fields *fields = calloc(NGI_BATCH_MAX, sizeof *fields);
    ng_token_id *ids = calloc(NGI_BATCH_MAX, sizeof *ids);
    for (int i = 0; i < NGI_BATCH_MAX; i++)
        fields[i] = txn_weighted(0.5f);
    ng_token_id before = txn_create(f, NULL, "before");
    ng_txn *txn = txn_begin(f);
    ng_write_options write = txn_write(txn);
    assert_int_equal(txn_create(f, txn, "one"), 2);
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, NGI_BATCH_MAX, &write, ids),
                     NG_E_LIMIT);
    assert_string_equal(ng_last_error(), "a transaction holds at most 4096 tokens");
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, NGI_BATCH_MAX - 1, &write, ids),
                     NG_OK);
    ng_token_id id;
    assert_int_equal(txn_try_create(f, txn, "more", &id), NG_E_LIMIT);
    assert_int_equal(txn_reweigh(f, txn, before, 0.5f), NG_E_LIMIT);
    assert_int_equal(txn_delete(f, txn, before), NG_E_LIMIT);
    for (int i = 0; i < 200; i++) /* those that are in it may be changed any number of times */
        assert_int_equal(txn_relabel(f, txn, 2, i % 2 ? "odd" : "even"), NG_OK);

    ng_connection_fields *links = calloc(NGI_BATCH_MAX, sizeof *links);
    for (uint32_t i = 0; i < NGI_BATCH_MAX; i++)
        links[i] = txn_link(3 + i % 4000, 3 + (i + 1 + i / 4000) % 4000);
    assert_int_equal(ngi_store_connection_put(f->store, links, NGI_BATCH_MAX, 0, 0, &write, ids,
                                              NULL),
                     NG_OK);
    assert_int_equal(txn_try_connect(f, txn, 2, 3, &id), NG_E_LIMIT);
    assert_string_equal(ng_last_error(), "a transaction holds at most 4096 connections");
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    ng_info info;
    assert_int_equal(ngi_store_info(f->store, &info), NG_OK);
    assert_int_equal(info.token_count, NGI_BATCH_MAX + 1);
    assert_int_equal(info.connection_count, NGI_BATCH_MAX);
    free(links);
    free(ids);
    free(fields);
}

static void test_transaction_limit(void **state)
{
    txn_fixture *f = *state;
    ng_txn *txn[NGI_TRANSACTIONS_MAX];
    ng_txn *more;
    for (int i = 0; i < NGI_TRANSACTIONS_MAX; i++)
        txn[i] = txn_begin(f);
    assert_int_equal(ngi_txn_begin(f->store, NULL, &more), NG_E_LIMIT);
    assert_null(more);
    assert_int_equal(atomic_load(&f->store->open_txn_count), NGI_TRANSACTIONS_MAX);
    ngi_txn_rollback(txn[0]);
    txn[0] = txn_begin(f);
    for (int i = 0; i < NGI_TRANSACTIONS_MAX; i++)
        ngi_txn_rollback(txn[i]);
    txn[0] = txn_begin(f);
    for (int i = 0; i < NGI_TXN_CONDITIONS_MAX; i++)
        assert_int_equal(ngi_txn_if_version(txn[0], 1, 0), NG_OK);
    assert_int_equal(ngi_txn_if_version(txn[0], 1, 0), NG_E_LIMIT);
    assert_int_equal(ngi_txn_if_version(txn[0], 0, 0), NG_E_INVALID);
    assert_int_equal(ngi_txn_if_absent(txn[0], 7, "x", 1), NG_E_NOT_FOUND);
    assert_int_equal(ngi_txn_if_absent(txn[0], 0, "", 0), NG_E_INVALID);
    ngi_txn_rollback(txn[0]);
}

static void test_store_limits(void **state)
{
    (void)state;
    txn_fixture fixture;
    txn_fixture *f = &fixture;
    const ng_open_options options = {.struct_size = sizeof options,
                                     .max_tokens = 5,
                                     .max_connections = 3};
    txn_open(f, NULL, &options);
    ng_txn *txn = txn_begin(f);
    for (int i = 0; i < 3; i++)
        txn_create(f, txn, NULL);
    ng_token_fields fields[3] = {txn_weighted(1), txn_weighted(1), txn_weighted(1)};
    ng_write_options write = txn_write(txn);
    ng_token_id ids[3];
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 3, &write, ids), NG_E_LIMIT);
    assert_string_equal(ng_last_error(), "the store holds at most 5 tokens");
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 2, &write, ids), NG_OK);
    assert_int_equal(txn_try_create(f, NULL, NULL, ids), NG_E_LIMIT); /* all are given */
    txn_connect(f, txn, 1, 2);
    txn_connect(f, txn, 2, 3);
    txn_connect(f, txn, 3, 4);
    ng_connection_id id;
    assert_int_equal(txn_try_connect(f, txn, 4, 5, &id), NG_E_LIMIT);
    ngi_txn_rollback(txn);
    for (ng_token_id i = 1; i <= 5; i++)
        assert_int_equal(txn_create(f, NULL, NULL), i);
    assert_int_equal(txn_connect(f, NULL, 1, 2), 1);
    txn_close(f);
}

static void test_refusals(void **state)
{
    txn_fixture *f = *state;
    txn_fixture other;
    txn_open(&other, NULL, NULL);
    ng_token_id a = txn_create(f, NULL, "a");
    ng_token_id b = txn_create(f, NULL, "b");
    ng_txn *txn = txn_begin(&other);
    ng_token_id id;
    assert_int_equal(txn_try_create(f, txn, "x", &id), NG_E_INVALID);
    assert_string_equal(ng_last_error(), "write.txn is a transaction of another store");
    assert_int_equal(txn_delete(f, txn, a), NG_E_INVALID);
    assert_int_equal(txn_try_connect(f, txn, a, b, &id), NG_E_INVALID);
    assert_int_equal(txn_disconnect(f, txn, 1), NG_E_INVALID);
    ng_write_options write = txn_write(txn); /* which a commit has no use for */
    assert_int_equal(ngi_txn_commit(txn, &write), NG_E_INVALID);
    txn_close(&other);

    txn = txn_begin(f);
    write = txn_write(txn);
    ng_connection_fields link = txn_link(a, b);
    assert_int_equal(ngi_store_connection_put(f->store, &link, 1, NGI_CONNECTION_CURATED, 0, &write,
                                              &id, NULL),
                     NG_E_INVALID);
    assert_int_equal(txn_try_connect(f, txn, a, a, &id), NG_E_INVALID);
    assert_int_equal(txn_reweigh(f, txn, a, 200), NG_E_INVALID);
    assert_int_equal(txn_reweigh(f, txn, 99, 1), NG_E_NOT_FOUND);
    assert_int_equal(txn_reweigh(f, txn, UINT64_MAX, 1), NG_E_NOT_FOUND);
    assert_int_equal(txn->token_count, 0);
    ngi_txn_rollback(txn);

    f->store->follows = true;
    assert_int_equal(ngi_txn_begin(f->store, NULL, &txn), NG_E_READ_ONLY);
    assert_null(txn);
    f->store->follows = false;
}

/* --- memory ---------------------------------------------------------------------------------- */

/* One of each kind of staging, with labels and vectors, over tokens 1, 2 and 3 and connection 1. */
static ng_status stage_everything(txn_fixture *f, ng_txn *txn)
{
    const float values[] = {1, 2, 3};
    ng_token_fields fields[20];
    char names[20][24];
    ng_token_id ids[20];
    for (int i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "batch%d", i);
        fields[i] = txn_labelled(names[i]);
        fields[i].set |= NG_FIELD_VECTOR;
        fields[i].vector = values;
        fields[i].vector_dimensions = 3;
    }
    ng_write_options write = txn_write(txn);
    ng_connection_id id;
    ng_status status;
    NGI_TRY(ngi_store_token_put(f->store, NULL, fields, 20, &write, ids));
    NGI_TRY(txn_relabel(f, txn, ids[3], "renamed"));
    NGI_TRY(txn_relabel(f, txn, 1, "batch3"));
    NGI_TRY(ngi_store_token_put(f->store, &ids[4], &fields[4], 1, &write, NULL));
    NGI_TRY(txn_delete(f, txn, 2));
    NGI_TRY(txn_delete(f, txn, ids[5]));
    for (int i = 6; i < 19; i++)
        NGI_TRY(txn_try_connect(f, txn, ids[i], ids[i + 1], &id));
    NGI_TRY(txn_disconnect(f, txn, 1));
    NGI_TRY(ngi_txn_if_version(txn, 3, 1));
    NGI_TRY(ngi_txn_if_absent(txn, 0, "nobody", 6));
out:
    return status;
}

static void test_memory_fails_at_every_step(void **state)
{
    (void)state;
    bool done = false;
    for (size_t n = 1; !done; n++) {
        txn_fixture fixture;
        txn_fixture *f = &fixture;
        txn_open(f, NULL, NULL);
        txn_create(f, NULL, "a");
        txn_create(f, NULL, "b");
        txn_create(f, NULL, "c");
        txn_connect(f, NULL, 1, 3);
        uint64_t hash = txn_hash(f);
        f->memory.request_count = 0;
        f->memory.fail_at = n;
        ng_txn *txn = NULL;
        ng_status status = ngi_txn_begin(f->store, NULL, &txn);
        if (status == NG_OK)
            status = stage_everything(f, txn);
        if (status == NG_OK) {
            status = ngi_txn_commit(txn, NULL);
            txn = NULL;
        }
        done = f->memory.request_count < n;
        f->memory.fail_at = 0;
        assert_int_equal(status, done ? NG_OK : NG_E_NOMEM);
        ngi_txn_rollback(txn);
        if (!done) {
            assert_true(txn_hash(f) == hash);
            assert_int_equal(ngi_vectors_dimensions(f->store->vectors), 0);
            assert_int_equal(f->store->given.slot_given, 4);
            txn = txn_begin(f); /* and the same succeeds now */
            assert_int_equal(stage_everything(f, txn), NG_OK);
            assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
        }
        assert_int_equal(txn_holder(f, "batch3"), 1);
        txn_close(f);
        assert_true(n < 1000);
    }
}

/* A failing call inside stages nothing, and the transaction goes on. */
static void test_transaction_survives_a_failed_call(void **state)
{
    (void)state;
    bool done = false;
    for (size_t n = 1; !done; n++) {
        txn_fixture fixture;
        txn_fixture *f = &fixture;
        txn_open(f, NULL, NULL);
        txn_create(f, NULL, "a");
        ng_txn *txn = txn_begin(f);
        ng_token_fields fields[40];
        char names[40][16];
        for (int i = 0; i < 40; i++) {
            snprintf(names[i], sizeof names[i], "n%d", i);
            fields[i] = txn_labelled(names[i]);
        }
        assert_int_equal(txn_relabel(f, txn, 1, "first"), NG_OK);
        ng_write_options write = txn_write(txn);
        f->memory.request_count = 0;
        f->memory.fail_at = n;
        ng_status status = ngi_store_token_put(f->store, NULL, fields, 40, &write, NULL);
        done = f->memory.request_count < n;
        f->memory.fail_at = 0;
        assert_int_equal(status, done ? NG_OK : NG_E_NOMEM);
        ng_token_id found;
        assert_int_equal(ngi_txn_token_find(txn, 0, "n7", 2, &found),
                         done ? NG_OK : NG_E_NOT_FOUND);
        assert_int_equal(ngi_txn_token_find(txn, 0, "first", 5, &found), NG_OK);
        assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
        assert_int_equal(txn_holder(f, "first"), 1);
        assert_int_equal(txn_holder(f, "n7") != 0, done);
        txn_close(f);
        assert_true(n < 1000);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, txn_set_up, txn_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_commit_is_one_op),
        T(test_own_writes_are_seen),
        T(test_connections_follow_their_tokens),
        T(test_connection_replaced),
        T(test_record_replaced),
        T(test_labels_move),
        T(test_rollback_returns_ids),
        T(test_ids_out_of_order),
        T(test_batch_is_staged_whole_or_not),
        T(test_empty_commit),
        T(test_dimensions),
        T(test_dimensions_stay_open_after_failure),
        T(test_size_limits),
        T(test_transaction_limit),
        cmocka_unit_test(test_store_limits),
        T(test_refusals),
        cmocka_unit_test(test_memory_fails_at_every_step),
        cmocka_unit_test(test_transaction_survives_a_failed_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
