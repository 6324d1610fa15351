/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Memory that deletions leave free goes back to the system, and comes back when it is needed. */
#include "store/store_memory.h"
#include "store/store_shrink.h"
#include "store/store_snapshot_testing.h"
#include "store/store_txn.h"

#define GROUP (1u << STORE_GROUP_BITS)
#define TOKEN_UNITS 6u      /* of a group: four of records, one of side arrays, one of labels */
#define CONNECTION_UNITS 5u /* four of records, one of links */

static void expect_exact(fixture *f, ng_store *store)
{
    ng_memory memory;
    assert_int_equal(ngi_store_memory(store, &memory), NG_OK);
    assert_int_equal(memory.bytes, atomic_load(&f->memory.mem.used_bytes));
    for (int part = 0; part < NG_MEMORY_PART_COUNT; part++)
        assert_true(memory.parts[part].used_bytes <= memory.parts[part].bytes);
    assert_true(ngi_shrink_is_consistent(store));
}

/* Labelled tokens up to slot `last`. */
static void create_up_to(ng_store *store, uint32_t last)
{
    while (store_slot_end(store) <= last) {
        ng_token_fields fields[64];
        char labels[64][16];
        size_t count = 0;
        for (uint32_t slot = store_slot_end(store); count < 64 && slot <= last; slot++, count++) {
            snprintf(labels[count], sizeof labels[count], "t%u", slot);
            fields[count] = (ng_token_fields){.struct_size = sizeof *fields,
                                              .set = NG_FIELD_LABEL,
                                              .label = labels[count],
                                              .label_bytes = strlen(labels[count])};
        }
        assert_int_equal(ngi_store_token_put(store, NULL, fields, count, NULL, NULL), NG_OK);
    }
}

static void delete_range(ng_store *store, uint32_t first, uint32_t end)
{
    for (uint32_t slot = first; slot < end; slot++)
        if (store_live_slot(store, slot) != 0)
            assert_int_equal(ngi_store_token_delete(store, slot, NULL), NG_OK);
}

/* Of tokens, labels and connections. */
static uint64_t taken(const ng_store *store)
{
    return atomic_load(&store->accounts[STORE_TOKENS].used_bytes) +
           atomic_load(&store->accounts[STORE_LABELS].used_bytes) +
           atomic_load(&store->accounts[STORE_GRAPH].used_bytes);
}

/* What it is after a tick. */
static uint64_t tick(fixture *f, ng_store *store)
{
    bool more = true;
    assert_int_equal(ngi_store_tick(store, 0, &more), NG_OK);
    assert_false(more);
    expect_exact(f, store);
    return taken(store);
}

/* A group is given back when its last one has gone, to the byte; not before, not beyond the end. */
static void test_group_by_group(void **state)
{
    fixture *f = *state;
    ng_token record;
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    create_up_to(store, 4 * GROUP + 100);
    uint64_t before = tick(f, store);
    delete_range(store, GROUP, 2 * GROUP - 1);
    assert_int_equal(tick(f, store), before);
    delete_range(store, 2 * GROUP - 1, 2 * GROUP);
    assert_true(ngi_shrink_is_due(store));
    uint64_t map_bytes = 3 * sizeof(uint64_t); /* which units: a word for each of three tables */
    assert_int_equal(tick(f, store), before - TOKEN_UNITS * NGI_TABLE_UNIT_BYTES + map_bytes);
    assert_false(ngi_shrink_is_due(store));
    assert_int_equal(ngi_store_token_read(store, GROUP + 7, &record), NG_E_NOT_FOUND);
    assert_int_equal(ngi_store_token_read(store, GROUP - 1, &record), NG_OK);
    delete_range(store, 4 * GROUP, 4 * GROUP + 101);
    assert_false(ngi_shrink_is_due(store)); /* the next ones will be created there */
    check_clean(store);
    uint64_t hash = hash_of(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    for (int round = 0; round < 2; round++) { /* from the log, then from a snapshot */
        store = open_store(f, NG_OPEN_MANUAL);
        assert_int_equal(hash_of(store), hash);
        uint64_t opened = taken(store);
        assert_true(ngi_shrink_is_due(store));
        /* There are no labels, and so no room for any, from the fifth group on. */
        uint64_t units = TOKEN_UNITS + (uint64_t)round * (TOKEN_UNITS - 1);
        assert_int_equal(tick(f, store), opened - units * NGI_TABLE_UNIT_BYTES + map_bytes);
        create_up_to(store, 5 * GROUP);
        delete_range(store, 4 * GROUP + 101, 5 * GROUP + 1);
        hash = hash_of(store);
        assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, NULL), NG_OK);
        check_clean(store);
        assert_int_equal(ngi_store_close(store), NG_OK);
    }
}

/* What a view shows does not change when the memory behind it goes. */
static void test_beside_a_view(void **state)
{
    fixture *f = *state;
    ng_view *view;
    uint64_t seen;
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    create_up_to(store, 3 * GROUP);
    uint64_t hash = hash_of(store);
    assert_int_equal(ngi_view_open(store, NULL, false, &view), NG_OK);
    delete_range(store, 1, 2 * GROUP);
    (void)tick(f, store);
    assert_true(store->records.hole_count > 0);
    assert_int_equal(ngi_view_state_hash(view, &seen), NG_OK);
    assert_int_equal(seen, hash);
    ngi_view_close(view);
    expect_exact(f, store);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

static void test_connections(void **state)
{
    fixture *f = *state;
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    create_up_to(store, 200);
    for (uint32_t i = 0; i < 2 * GROUP + 10; i++) {
        const ng_connection_fields fields = {.struct_size = sizeof fields,
                                             .source = 1 + i % 100,
                                             .target = 101 + i / 100 % 100,
                                             .set = NG_CFIELD_TYPE,
                                             .type = (uint8_t)(i / 10000)};
        size_t created;
        assert_int_equal(ngi_store_connection_put(store, &fields, 1, 0, 0, NULL, NULL, &created),
                         NG_OK);
    }
    uint64_t before = tick(f, store);
    for (uint32_t id = GROUP; id < 2 * GROUP; id++)
        assert_int_equal(ngi_store_connection_delete(store, id, NULL), NG_OK);
    uint64_t map_bytes = 2 * sizeof(uint64_t);
    assert_int_equal(tick(f, store), before - CONNECTION_UNITS * NGI_TABLE_UNIT_BYTES + map_bytes);
    delete_range(store, 1, 101); /* and the rest with their tokens */
    before -= 2 * CONNECTION_UNITS * NGI_TABLE_UNIT_BYTES;
    assert_int_equal(tick(f, store), before + map_bytes);
    check_clean(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* A transaction was given ids whose neighbours have all gone since. Its commit takes the memory
 * again, or fails without a trace if there is none. */
static void test_late_transaction(void **state)
{
    fixture *f = *state;
    ng_txn *txn;
    ng_token_id early[2];
    ng_token_info info;
    for (int limited = 0; limited < 2; limited++) {
        ng_store *store = open_store(f, NG_OPEN_MANUAL);
        uint32_t base = store_slot_end(store);
        assert_int_equal(ngi_txn_begin(store, NULL, &txn), NG_OK);
        const ng_write_options write = {.struct_size = sizeof write, .txn = txn};
        const ng_token_fields fields[2] = {{.struct_size = sizeof *fields},
                                           {.struct_size = sizeof *fields}};
        create_up_to(store, base + GROUP + 50);
        assert_int_equal(ngi_store_token_put(store, NULL, fields, 2, &write, early), NG_OK);
        create_up_to(store, base + 3 * GROUP);
        delete_range(store, base, base + 3 * GROUP);
        (void)tick(f, store);
        assert_true(ngi_table_is_hole(&store->records, early[0]));
        size_t used = atomic_load(&f->memory.mem.used_bytes);
        store->memory_limit = limited ? used + NGI_TABLE_UNIT_BYTES : 0;
        uint64_t hash = hash_of(store);
        if (limited) {
            assert_int_equal(ngi_txn_commit(txn, NULL), NG_E_LIMIT);
            assert_int_equal(hash_of(store), hash);
            assert_true(ngi_table_is_hole(&store->records, early[0]));
        } else {
            assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
            assert_false(ngi_table_is_hole(&store->records, early[0]));
            assert_int_equal(ngi_store_token_get(store, early[1], &info), NG_OK);
        }
        (void)tick(f, store);
        check_clean(store);
        delete_range(store, 1, store_slot_end(store));
        (void)tick(f, store);
        assert_int_equal(ngi_store_close(store), NG_OK);
    }
}

/* A store that is full takes new tokens as soon as a group of old ones has gone, ticked or not. */
static void test_at_the_limit(void **state)
{
    fixture *f = *state;
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    create_up_to(store, 2 * GROUP);
    store->memory_limit = atomic_load(&f->memory.mem.used_bytes);
    const ng_token_fields fields = {.struct_size = sizeof fields};
    ng_status status;
    uint32_t first = 0, second = 0;
    while ((status = ngi_store_token_put(store, NULL, &fields, 1, NULL, NULL)) == NG_OK)
        first++;
    assert_int_equal(status, NG_E_LIMIT);
    delete_range(store, 1, GROUP);
    while ((status = ngi_store_token_put(store, NULL, &fields, 1, NULL, NULL)) == NG_OK)
        second++;
    assert_int_equal(status, NG_E_LIMIT);
    assert_true(second > GROUP / 2 &&
                atomic_load(&f->memory.mem.used_bytes) <= store->memory_limit);
    expect_exact(f, store);
    check_clean(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_group_by_group),   TEST(test_beside_a_view), TEST(test_connections),
        TEST(test_late_transaction), TEST(test_at_the_limit),
    };
    return cmocka_run_group_tests_name("memory given back", tests, NULL, NULL);
}
