/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The memory of a store by part: exact, whatever happens to it. */
#include "store/store_memory.h"
#include "store/store_snapshot_testing.h"
#include "store/store_txn.h"
#include "store/store_view.h"

static uint64_t account(const ng_store *store, store_account which)
{
    return atomic_load(&store->accounts[which].used_bytes);
}

static uint64_t sum(const ng_memory *memory, int first, int last)
{
    uint64_t bytes = 0;
    for (int part = first; part <= last; part++)
        bytes += memory->parts[part].bytes;
    return bytes;
}

/* All parts are what was taken, and the pieces of a module are its account. */
static ng_memory expect_exact(fixture *f, ng_store *store)
{
    ng_memory memory;
    assert_int_equal(ngi_store_memory(store, &memory), NG_OK);
    assert_int_equal(memory.bytes, atomic_load(&f->memory.mem.used_bytes));
    assert_int_equal(sum(&memory, 0, NG_MEMORY_PART_COUNT - 1), memory.bytes);
    assert_int_equal(sum(&memory, NG_MEMORY_TOKENS, NG_MEMORY_TOKEN_SIDES),
                     account(store, STORE_TOKENS));
    assert_int_equal(sum(&memory, NG_MEMORY_LABEL_INDEX, NG_MEMORY_LABEL_TEXTS),
                     account(store, STORE_LABELS));
    assert_int_equal(sum(&memory, NG_MEMORY_VECTORS, NG_MEMORY_VECTOR_ROWS),
                     account(store, STORE_VECTORS));
    assert_int_equal(sum(&memory, NG_MEMORY_CONNECTIONS, NG_MEMORY_CONNECTION_HEADS),
                     account(store, STORE_GRAPH));
    for (int part = 0; part < NG_MEMORY_PART_COUNT; part++)
        assert_true(memory.parts[part].used_bytes <= memory.parts[part].bytes);
    return memory;
}

static void test_everything_is_in_a_part(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    ng_memory memory = expect_exact(f, store);
    assert_int_equal(memory.parts[NG_MEMORY_COLLECTIONS].items, 2);
    assert_int_equal(memory.parts[NG_MEMORY_TOKENS].items, 0);
    assert_true(memory.parts[NG_MEMORY_TOKENS].bytes_per_item == 0);
    fill(store, &seed, 3000);
    memory = expect_exact(f, store);
    assert_int_equal(memory.parts[NG_MEMORY_TOKENS].items, store->token_count);
    assert_int_equal(memory.parts[NG_MEMORY_TOKENS].used_bytes, 64 * store->token_count);
    assert_int_equal(memory.parts[NG_MEMORY_CONNECTIONS].items, store->graph.count);
    assert_int_equal(memory.parts[NG_MEMORY_LABEL_TEXTS].items, store->labels.used_count);
    assert_int_equal(memory.parts[NG_MEMORY_VECTORS].items, ngi_vectors_count(store->vectors));
    assert_int_equal(memory.parts[NG_MEMORY_COLLECTIONS].items, 5);
    assert_true(memory.parts[NG_MEMORY_LOG].bytes > 0);
    assert_int_equal(ngi_store_prepare_search(store, 0), NG_OK);
    expect_exact(f, store);
    ng_checkpoint_report report;
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &report), NG_OK);
    expect_exact(f, store);
    (void)hash_of(store);
    expect_exact(f, store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    store = open_store(f, NG_OPEN_MANUAL);
    memory = expect_exact(f, store);
    assert_int_equal(memory.parts[NG_MEMORY_TOKENS].items, store->token_count);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

static void test_views_and_transactions(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    fill(store, &seed, 500);
    ng_view *view;
    ng_txn *txn;
    assert_int_equal(ngi_view_open(store, NULL, false, &view), NG_OK);
    uint64_t before = expect_exact(f, store).parts[NG_MEMORY_VIEWS].bytes;
    put_tokens(store, &seed, 500); /* pages are kept for the view */
    delete_some(store, &seed, 50);
    ng_memory memory = expect_exact(f, store);
    assert_true(memory.parts[NG_MEMORY_VIEWS].bytes >= before + NGI_MIRROR_PAGE_BYTES);
    assert_int_equal(memory.parts[NG_MEMORY_VIEWS].items, 1);
    assert_int_equal(ngi_txn_begin(store, NULL, &txn), NG_OK);
    const ng_token_fields fields = {.struct_size = sizeof fields,
                                    .set = NG_FIELD_LABEL,
                                    .label = "staged",
                                    .label_bytes = 6};
    const ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    assert_int_equal(ngi_store_token_put(store, NULL, &fields, 1, &write, NULL), NG_OK);
    memory = expect_exact(f, store);
    assert_int_equal(memory.parts[NG_MEMORY_TRANSACTIONS].items, 1);
    assert_true(memory.parts[NG_MEMORY_TRANSACTIONS].bytes > sizeof fields);
    assert_int_equal(ngi_txn_commit(txn, NULL), NG_OK);
    ngi_view_close(view);
    memory = expect_exact(f, store);
    assert_int_equal(memory.parts[NG_MEMORY_TRANSACTIONS].bytes, 0);
    assert_int_equal(memory.parts[NG_MEMORY_VIEWS].bytes, 0);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* A request that is refused leaves every account as it was, or what it kept is in it. */
static void test_exact_after_refusals(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    fill(store, &seed, 200);
    for (uint32_t i = 0; i < 300; i++) {
        ng_view *view = NULL;
        f->memory.request_count = 0;
        f->memory.fail_at = 1 + testing_below(&seed, 12);
        char label[400];
        snprintf(label, sizeof label, "l%u%*s", i, (int)testing_below(&seed, 370), "z");
        const ng_token_fields fields = {.struct_size = sizeof fields,
                                        .set = NG_FIELD_LABEL,
                                        .label = label,
                                        .label_bytes = strlen(label)};
        ng_status status = ngi_store_token_put(store, NULL, &fields, 1, NULL, NULL);
        assert_true(status == NG_OK || status == NG_E_NOMEM);
        status = ngi_view_open(store, NULL, false, &view);
        assert_true(status == NG_OK || status == NG_E_NOMEM);
        expect_exact(f, store);
        ngi_view_close(view);
        f->memory.fail_at = 0;
    }
    assert_int_equal(ngi_store_close(store), NG_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything_is_in_a_part, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_views_and_transactions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_exact_after_refusals, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("memory by part", tests, NULL, NULL);
}
