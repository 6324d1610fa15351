/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections: update, upsert, activation, batches; their conditions, and transactions. */
#include "api_support.h"

#include <math.h>

static ng_store *store_of(size_t tokens)
{
    ng_store *store = api_memory_store();
    for (size_t i = 0; i < tokens; i++)
        api_token(store);
    return store;
}

static ng_connection_fields none(void)
{
    return (ng_connection_fields){.struct_size = sizeof(ng_connection_fields)};
}

static ng_connection_fields typed(ng_token_id source, ng_token_id target, uint8_t type)
{
    ng_connection_fields fields = none();
    fields.source = source;
    fields.target = target;
    fields.set = NG_CFIELD_TYPE;
    fields.type = type;
    return fields;
}

static ng_connection record_of(const ng_store *store, ng_connection_id id)
{
    ng_connection record;
    ASSERT_OK(ng_connection_get(store, id, &record));
    return record;
}

static ng_seq newest(const ng_store *store)
{
    ng_seq seq;
    ng_positions(store, &seq, NULL);
    return seq;
}

/* --- update ---------------------------------------------------------------------------------- */

static void test_update(void **state)
{
    (void)state;
    ng_store *store = store_of(2);
    ng_token_id far = api_at(store, NG_SPACE_TEMPORAL, 1.5f, 0, 0);
    ng_connection_id id = api_link(store, 1, 2, 0x10, NG_CONNECTION_ACTIVE);
    const ng_connection before = record_of(store, id);
    ng_connection_fields fields = none();
    fields.set = NG_CFIELD_RIGIDITY | NG_CFIELD_PULL | NG_CFIELD_LEVELS | NG_CFIELD_TARGET_OF;
    fields.rigidity = 0.5f;
    fields.pull_strength = -2.5f;
    fields.active_levels = 0x81;
    fields.target_of = far;
    ng_seq seq = 0;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq, .actor = 5};
    ASSERT_OK(ng_connection_update(store, id, &fields, &write));
    assert_int_equal(seq, newest(store));
    ng_connection wanted = before;
    wanted.rigidity = 128;
    wanted.pull_strength = -2.5f;
    wanted.active_levels = 0x81;
    wanted.flags |= NG_CONNECTION_MODIFIED;
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        wanted.target_vector[space] = space == NG_SPACE_TEMPORAL ? 150 : NG_COORDINATE_ABSENT;
    ng_connection after = record_of(store, id);
    assert_memory_equal(&after, &wanted, sizeof after);
    ASSERT_OK(ng_connection_update(store, id, &fields, &write)); /* nothing had to change */
    assert_int_equal(seq, 0);
    fields = none();
    fields.set = NG_CFIELD_FLAGS;
    ASSERT_OK(ng_connection_update(store, id, &fields, NULL));
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.active_connection_count, 0);
    assert_int_equal(info.connection_count, 1);
    ASSERT_OK(ng_close(store));
}

static void test_update_refused(void **state)
{
    (void)state;
    ng_store *store = store_of(3);
    ng_connection_id id = api_link(store, 1, 2, 0x10, 1);
    ng_connection_id other = api_link(store, 1, 2, 0x11, 1);
    const ng_connection before = record_of(store, id);
    ng_connection_fields fields = typed(0, 0, 0x11);
    ASSERT_FAILS(ng_connection_update(store, id, &fields, NULL), NG_E_EXISTS, "connection 2",
                 "1 to 2", "Effect");
    ASSERT_FAILS(ng_connection_update(store, 9, &fields, NULL), NG_E_NOT_FOUND, "connection 9");
    ASSERT_FAILS(ng_connection_update(store, 0, &fields, NULL), NG_E_NOT_FOUND, "connection 0");
    ASSERT_FAILS(ng_connection_update(store, 1ull << 32 | 1, &fields, NULL), NG_E_NOT_FOUND,
                 "connection 4294967297");
    fields = typed(0, 0, 176);
    ASSERT_FAILS(ng_connection_update(store, id, &fields, NULL), NG_E_INVALID, "type 176");
    fields = typed(3, 0, 0x12);
    ASSERT_FAILS(ng_connection_update(store, id, &fields, NULL), NG_E_INVALID, "joins 1 to 2");
    fields = typed(1, 77, 0x12);
    ASSERT_FAILS(ng_connection_update(store, id, &fields, NULL), NG_E_NOT_FOUND, "0000004D");
    fields = none();
    fields.set = NG_CFIELD_TARGET_OF;
    fields.target_of = 88;
    ASSERT_FAILS(ng_connection_update(store, id, &fields, NULL), NG_E_NOT_FOUND, "target_of",
                 "00000058");
    fields = typed(1, 2, 0x12);
    ng_write_options write = {.struct_size = sizeof write, .if_version = 1};
    ASSERT_FAILS(ng_connection_update(store, id, &fields, &write), NG_E_INVALID, "if_version");
    write = (ng_write_options){.struct_size = sizeof write, .flags = NG_WRITE_IF_ABSENT};
    ASSERT_FAILS(ng_connection_update(store, id, &fields, &write), NG_E_INVALID, "IF_ABSENT");
    write = (ng_write_options){.struct_size = sizeof write, .if_seq = 1};
    ASSERT_FAILS(ng_connection_update(store, id, &fields, &write), NG_E_CONFLICT, "if_seq 1");
    ng_connection after = record_of(store, id);
    assert_memory_equal(&after, &before, sizeof after);
    write.if_seq = newest(store);
    ASSERT_OK(ng_connection_update(store, id, &fields, &write));
    ASSERT_OK(ng_connection_delete(store, other, NULL));
    fields = typed(0, 0, 0x11); /* it is free now */
    ASSERT_OK(ng_connection_update(store, id, &fields, NULL));
    assert_int_equal(record_of(store, id).type, 0x11);
    ASSERT_OK(ng_close(store));
}

static void test_update_many_in_order(void **state)
{
    (void)state;
    ng_store *store = store_of(3);
    ng_connection_id a = api_link(store, 1, 2, 0x10, 1);
    ng_connection_id b = api_link(store, 1, 2, 0x11, 1);
    ng_seq before = newest(store);
    /* b gives its type up before a takes it, and a is changed twice */
    ng_connection_id ids[] = {b, a, a};
    ng_connection_fields fields[3] = {typed(0, 0, 0x12), typed(0, 0, 0x11), none()};
    fields[2].set = NG_CFIELD_PULL;
    fields[2].pull_strength = 4;
    ASSERT_OK(ng_connection_update_many(store, ids, fields, 3, NULL));
    assert_int_equal(newest(store), before + 1);
    assert_int_equal(record_of(store, a).type, 0x11);
    assert_true(record_of(store, a).pull_strength == 4);
    assert_int_equal(record_of(store, b).type, 0x12);
    /* The other way round a's new type is taken, and nothing happens. */
    ids[0] = a;
    ids[1] = b;
    fields[0] = typed(0, 0, 0x12);
    fields[1] = typed(0, 0, 0x13);
    ASSERT_FAILS(ng_connection_update_many(store, ids, fields, 2, NULL), NG_E_EXISTS, "item 0",
                 "connection 2");
    ids[1] = a; /* both would get the same */
    fields[0] = typed(0, 0, 0x20);
    ids[1] = b;
    fields[1] = typed(0, 0, 0x20);
    ASSERT_FAILS(ng_connection_update_many(store, ids, fields, 2, NULL), NG_E_EXISTS, "item 1",
                 "connection 1");
    assert_int_equal(record_of(store, a).type, 0x11);
    assert_int_equal(newest(store), before + 1);
    ASSERT_FAILS(ng_connection_update_many(store, ids, fields, 0, NULL), NG_E_INVALID, "count 0");
    ASSERT_FAILS(ng_connection_update_many(store, ids, fields, 4097, NULL), NG_E_INVALID, "4097");
    ASSERT_OK(ng_close(store));
}

static void test_constitution(void **state)
{
    (void)state;
    ng_store *store = store_of(3);
    ng_connection_id id = api_link(store, 1, 2, 0x10, 1);
    ng_connection_fields fields = none();
    fields.set = NG_CFIELD_PULL;
    fields.pull_strength = 8;
    ASSERT_OK(ng_connection_update(store, id, &fields, NULL));
    ng_cdna cdna;
    ASSERT_OK(ng_cdna_get(store, &cdna));
    cdna.max_pull_strength = 5;
    cdna.allowed_types.bits[0] = 1ull << 0x10 | 1ull << 0x11;
    cdna.max_out_degree = 1;
    ASSERT_OK(ng_cdna_set(store, &cdna, NULL));
    fields = none();
    ASSERT_FAILS(ng_connection_update(store, id, &fields, NULL), NG_E_INVALID, "pull_strength 8");
    fields.set = NG_CFIELD_PULL;
    fields.pull_strength = 5;
    ASSERT_OK(ng_connection_activate(store, id, NULL)); /* use is not a change of values */
    ASSERT_OK(ng_connection_update(store, id, &fields, NULL));
    fields = typed(0, 0, 0x12);
    ASSERT_FAILS(ng_connection_update(store, id, &fields, NULL), NG_E_FORBIDDEN, "Precondition");
    bool created = true;
    fields = typed(1, 2, 0x10); /* it is there: no degree is exceeded */
    ASSERT_OK(ng_connection_upsert(store, &fields, NULL, &id, &created));
    assert_false(created);
    fields = typed(1, 3, 0x10);
    ASSERT_FAILS(ng_connection_upsert(store, &fields, NULL, &id, &created), NG_E_LIMIT, "token 1",
                 "max_out_degree 1");
    ASSERT_OK(ng_close(store));
}

/* --- upsert, activate, delete ---------------------------------------------------------------- */

static void test_upsert(void **state)
{
    (void)state;
    ng_store *store = store_of(3);
    ng_connection_id id = 0, again = 0;
    bool created = false;
    ng_connection_fields fields = typed(1, 2, 0x10);
    ASSERT_OK(ng_connection_upsert(store, &fields, NULL, &id, &created));
    assert_true(created);
    fields.set |= NG_CFIELD_CONFIDENCE;
    fields.confidence = 0.2f;
    ASSERT_OK(ng_connection_upsert(store, &fields, NULL, &again, &created));
    assert_false(created);
    assert_int_equal(again, id);
    assert_int_equal(record_of(store, id).confidence, 51);
    ng_connection_fields many[4] = {typed(1, 3, 0x10), typed(1, 2, 0x10), typed(1, 3, 0x10),
                                    typed(2, 1, 0x10)};
    many[2].set |= NG_CFIELD_PULL; /* the same as the first: it changes that one */
    many[2].pull_strength = 3;
    ng_connection_id ids[4];
    bool news[4];
    ng_seq before = newest(store);
    ASSERT_OK(ng_connection_upsert_many(store, many, 4, NULL, ids, news));
    assert_int_equal(newest(store), before + 1);
    assert_true(news[0] && !news[1] && !news[2] && news[3]);
    assert_true(ids[0] == 2 && ids[1] == 1 && ids[2] == 2 && ids[3] == 3);
    assert_true(record_of(store, 2).pull_strength == 3);
    ASSERT_OK(ng_connection_upsert_many(store, &many[1], 1, NULL, ids, NULL));
    many[1].target = 1;
    ASSERT_FAILS(ng_connection_upsert_many(store, many, 4, NULL, ids, news), NG_E_INVALID, "item 1",
                 "itself");
    ng_write_options write = {.struct_size = sizeof write, .flags = NG_WRITE_IF_ABSENT};
    ASSERT_FAILS(ng_connection_upsert(store, &fields, &write, &id, NULL), NG_E_INVALID,
                 "IF_ABSENT");
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_int_equal(report.problem_count, 0);
    assert_int_equal(report.connections, 3);
    ASSERT_OK(ng_close(store));
}

static void test_activate(void **state)
{
    (void)state;
    ng_store *store = store_of(3);
    ng_connection_id a = api_link(store, 1, 2, 0x10, 0);
    ng_connection_id b = api_link(store, 1, 2, 0x02, 0);
    ASSERT_OK(ng_connection_activate(store, a, NULL));
    ng_connection record = record_of(store, a);
    assert_int_equal(record.activation_count, 1);
    assert_true(record.last_activation >= record.created_at);
    assert_int_equal(record.flags, NG_CONNECTION_ACTIVE | NG_CONNECTION_REINFORCED);
    assert_int_equal(record.rigidity, 129);
    ng_connection_id ids[] = {b, a, b, b};
    ng_seq before = newest(store);
    ASSERT_OK(ng_connection_activate_many(store, ids, 4, NULL));
    assert_int_equal(newest(store), before + 1);
    assert_int_equal(record_of(store, a).activation_count, 2);
    record = record_of(store, b);
    assert_int_equal(record.activation_count, 3);
    assert_int_equal(record.flags, NG_CONNECTION_ACTIVE); /* a fact is not reinforced */
    assert_int_equal(record.rigidity, 128);
    ids[2] = 9;
    ASSERT_FAILS(ng_connection_activate_many(store, ids, 4, NULL), NG_E_NOT_FOUND, "item 2",
                 "connection 9");
    assert_int_equal(record_of(store, b).activation_count, 3);
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.active_connection_count, 2);
    ASSERT_OK(ng_close(store));
}

static void test_delete_many(void **state)
{
    (void)state;
    ng_store *store = store_of(4);
    for (uint8_t type = 0; type < 5; type++)
        api_link(store, 1, 2, type, 1);
    ng_connection_id ids[] = {5, 1, 3, 1};
    ng_seq before = newest(store);
    ASSERT_FAILS(ng_connection_delete_many(store, ids, 4, NULL), NG_E_INVALID, "item 3",
                 "connection 1 is given twice");
    ids[3] = 6;
    ASSERT_FAILS(ng_connection_delete_many(store, ids, 4, NULL), NG_E_NOT_FOUND, "item 3");
    assert_int_equal(newest(store), before);
    ASSERT_OK(ng_connection_delete_many(store, ids, 3, NULL));
    assert_int_equal(newest(store), before + 1);
    ng_connection records[4];
    size_t found = 9;
    ASSERT_OK(ng_connection_get_many(store, (ng_connection_id[]){1, 2, 3, 4}, 4, records, &found));
    assert_int_equal(found, 2);
    assert_int_equal(records[0].source, 0);
    assert_int_equal(records[1].type, 1);
    assert_int_equal(records[3].type, 3);
    ASSERT_FAILS(ng_connection_get_many(store, ids, 0, records, NULL), NG_E_INVALID, "count 0");
    ASSERT_FAILS(ng_connection_get_many(store, ids, 4097, records, NULL), NG_E_INVALID, "4097");
    ASSERT_FAILS(ng_connection_delete_many(store, NULL, 1, NULL), NG_E_INVALID, "ids");
    ASSERT_OK(ng_close(store));
}

static void test_null_arguments(void **state)
{
    (void)state;
    ng_store *store = store_of(2);
    ng_connection_id id = 1;
    ng_connection_fields fields = none();
    ASSERT_FAILS(ng_connection_update(NULL, 1, &fields, NULL), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_connection_update(store, 1, NULL, NULL), NG_E_INVALID, "fields");
    ASSERT_FAILS(ng_connection_update_many(store, NULL, &fields, 1, NULL), NG_E_INVALID, "ids");
    ASSERT_FAILS(ng_connection_upsert(store, &fields, NULL, NULL, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_connection_upsert(store, NULL, NULL, &id, NULL), NG_E_INVALID, "fields");
    ASSERT_FAILS(ng_connection_activate(NULL, 1, NULL), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_connection_activate_many(store, NULL, 1, NULL), NG_E_INVALID, "ids");
    ASSERT_FAILS(ng_connection_get_many(store, &id, 1, NULL, NULL), NG_E_INVALID, "out");
    fields.struct_size = 4;
    ASSERT_FAILS(ng_connection_update(store, 1, &fields, NULL), NG_E_INVALID, "struct_size");
    ng_write_options write = {.struct_size = 2};
    ASSERT_FAILS(ng_connection_activate(store, 1, &write), NG_E_INVALID, "struct_size");
    ASSERT_OK(ng_close(store));
}

/* --- transactions ---------------------------------------------------------------------------- */

static void test_in_a_transaction(void **state)
{
    (void)state;
    ng_store *store = store_of(3);
    ng_connection_id a = api_link(store, 1, 2, 0x10, 1);
    ng_connection_id b = api_link(store, 2, 3, 0x10, 1);
    ng_txn *txn = NULL;
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    ng_seq seq = 7;
    ng_write_options write = {.struct_size = sizeof write, .txn = txn, .seq = &seq};
    ng_connection_fields fields = typed(0, 0, 0x11);
    ASSERT_OK(ng_connection_update(store, a, &fields, &write));
    assert_int_equal(seq, 0);
    ng_connection_id id = 0;
    bool created = false;
    fields = typed(1, 2, 0x10); /* a's type is free now, for this transaction */
    ASSERT_OK(ng_connection_upsert(store, &fields, &write, &id, &created));
    assert_true(created);
    fields.set |= NG_CFIELD_PULL;
    fields.pull_strength = 1;
    ng_connection_id again = 0;
    ASSERT_OK(ng_connection_upsert(store, &fields, &write, &again, &created));
    assert_true(!created && again == id);
    ng_connection_id used[] = {a, id, a};
    ASSERT_OK(ng_connection_activate_many(store, used, 3, &write));
    ASSERT_OK(ng_connection_delete_many(store, &b, 1, &write));
    ng_connection record;
    ASSERT_OK(ng_txn_connection_get(txn, a, &record));
    assert_true(record.type == 0x11 && record.activation_count == 2);
    ASSERT_FAILS(ng_txn_connection_get(txn, b, &record), NG_E_NOT_FOUND, "connection 2");
    assert_int_equal(record_of(store, a).type, 0x10); /* nobody else sees it */
    /* A call that fails in the middle is taken back as a whole. */
    ng_connection_id ids[] = {a, id, b};
    ng_connection_fields many[3] = {typed(0, 0, 0x30), typed(0, 0, 0x11), none()};
    ASSERT_FAILS(ng_connection_update_many(store, ids, many, 3, &write), NG_E_NOT_FOUND, "item 2");
    ASSERT_OK(ng_txn_connection_get(txn, a, &record));
    assert_int_equal(record.type, 0x11);
    ASSERT_FAILS(ng_connection_delete_many(store, ids, 3, &write), NG_E_NOT_FOUND, "item 2");
    ASSERT_OK(ng_txn_commit(txn, NULL));
    assert_int_equal(record_of(store, a).type, 0x11);
    assert_int_equal(record_of(store, a).activation_count, 2);
    assert_true(record_of(store, id).pull_strength == 1);
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.connection_count, 2);
    ASSERT_OK(ng_close(store));
}

/* Whoever commits first wins, also without a version: the record is compared. */
static void test_conflicts(void **state)
{
    (void)state;
    ng_store *store = store_of(3);
    ng_connection_id a = api_link(store, 1, 2, 0x10, 1);
    for (int deletes = 0; deletes < 2; deletes++) {
        ng_txn *txn = NULL;
        ASSERT_OK(ng_txn_begin(store, NULL, &txn));
        ng_write_options write = {.struct_size = sizeof write, .txn = txn};
        ng_connection_fields fields = none();
        fields.set = NG_CFIELD_LEVELS;
        fields.active_levels = 1;
        if (deletes)
            ASSERT_OK(ng_connection_delete(store, a, &write));
        else
            ASSERT_OK(ng_connection_update(store, a, &fields, &write));
        ASSERT_OK(ng_connection_activate(store, a, NULL));
        ng_conflict conflict;
        ASSERT_FAILS(ng_txn_commit(txn, NULL), NG_E_CONFLICT, "connection 1", "changed");
        assert_true(ng_last_conflict(&conflict));
        assert_int_equal(conflict.kind, NG_CONFLICT_CHANGED);
        assert_int_equal(conflict.connection, a);
        assert_int_equal(conflict.record.activation_count, 1 + deletes);
    }
    /* A type that somebody else takes meanwhile, and a connection that has gone. */
    ng_txn *txn = NULL;
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    ng_connection_fields fields = typed(0, 0, 0x12);
    ASSERT_OK(ng_connection_update(store, a, &fields, &write));
    ng_connection_id b = api_link(store, 1, 2, 0x12, 1);
    ng_conflict conflict;
    ASSERT_FAILS(ng_txn_commit(txn, NULL), NG_E_CONFLICT, "connection 2");
    assert_true(ng_last_conflict(&conflict));
    assert_int_equal(conflict.kind, NG_CONFLICT_PRESENT);
    assert_int_equal(conflict.connection, b);
    assert_int_equal(conflict.record.type, 0x12);
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    write.txn = txn;
    ASSERT_OK(ng_connection_activate(store, a, &write));
    ASSERT_OK(ng_connection_delete(store, a, NULL));
    ASSERT_FAILS(ng_txn_commit(txn, NULL), NG_E_CONFLICT, "not there any more");
    assert_true(ng_last_conflict(&conflict));
    assert_int_equal(conflict.kind, NG_CONFLICT_ABSENT);
    assert_int_equal(conflict.record.source, 0);
    ASSERT_OK(ng_close(store));
}

/* A token that goes takes a changed connection with it; roll back and ids come back. */
static void test_cascade_and_rollback(void **state)
{
    (void)state;
    ng_store *store = store_of(3);
    ng_connection_id a = api_link(store, 1, 2, 0x10, 1);
    ng_txn *txn = NULL;
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    ng_connection_fields many[2] = {typed(1, 2, 0x10), typed(2, 3, 0x10)};
    ng_connection_id ids[2];
    ASSERT_OK(ng_connection_activate(store, a, &write));
    ASSERT_OK(ng_connection_upsert_many(store, many, 2, &write, ids, NULL));
    assert_true(ids[0] == a && ids[1] == 2);
    ng_txn_rollback(txn);
    assert_int_equal(record_of(store, a).activation_count, 0);
    ASSERT_OK(ng_connection_upsert_many(store, many, 2, NULL, ids, NULL));
    assert_int_equal(ids[1], 2); /* it was not used up, and a's id was not given to another */
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    write.txn = txn;
    ASSERT_OK(ng_connection_activate(store, a, &write));
    ASSERT_OK(ng_token_delete(store, 1, &write));
    ng_connection record;
    ASSERT_FAILS(ng_txn_connection_get(txn, a, &record), NG_E_NOT_FOUND, "connection 1");
    ASSERT_FAILS(ng_connection_activate(store, a, &write), NG_E_NOT_FOUND, "connection 1");
    ASSERT_OK(ng_txn_commit(txn, NULL));
    ASSERT_FAILS(ng_connection_get(store, a, &record), NG_E_NOT_FOUND, "connection 1");
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_int_equal(report.problem_count, 0);
    assert_int_equal(report.connections, 1);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_update_refused),
        cmocka_unit_test(test_update_many_in_order),
        cmocka_unit_test(test_constitution),
        cmocka_unit_test(test_upsert),
        cmocka_unit_test(test_activate),
        cmocka_unit_test(test_delete_many),
        cmocka_unit_test(test_null_arguments),
        cmocka_unit_test(test_in_a_transaction),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_cascade_and_rollback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
