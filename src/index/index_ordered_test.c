/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The ordered set against a sorted array: orders that split badly, removal of nearly everything, room
 * that was counted exactly, and memory that runs out. */
#include "index/index_ordered.h"
#include "os/os_testing.h"

#define ENTRIES 20000u

typedef struct twin {
    ngi_ordered_entry entries[ENTRIES];
    uint32_t count;
} twin;

static twin naive;

static uint32_t twin_position(uint64_t key, uint32_t slot)
{
    uint32_t low = 0, high = naive.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const ngi_ordered_entry *entry = &naive.entries[middle];
        if (entry->key < key || (entry->key == key && entry->slot < slot))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool twin_has(uint64_t key, uint32_t slot)
{
    uint32_t at = twin_position(key, slot);
    return at < naive.count && naive.entries[at].key == key && naive.entries[at].slot == slot;
}

static void twin_insert(uint64_t key, uint32_t slot)
{
    uint32_t at = twin_position(key, slot);
    memmove(&naive.entries[at + 1], &naive.entries[at], (naive.count - at) * sizeof *naive.entries);
    naive.entries[at] = (ngi_ordered_entry){key, slot};
    naive.count++;
}

static void twin_remove(uint64_t key, uint32_t slot)
{
    uint32_t at = twin_position(key, slot);
    naive.count--;
    memmove(&naive.entries[at], &naive.entries[at + 1], (naive.count - at) * sizeof *naive.entries);
}

static void expect_equal(const ngi_ordered *set)
{
    if (ngi_ordered_check(set) != NG_OK)
        fail_msg("%s", ng_last_error());
    assert_int_equal(set->count, naive.count);
    ngi_ordered_entry entry;
    ngi_ordered_cursor cursor = ngi_ordered_seek(set, 0, 0);
    for (uint32_t i = 0; i < naive.count; i++) {
        assert_true(ngi_ordered_next(set, &cursor, &entry));
        assert_int_equal(entry.key, naive.entries[i].key);
        assert_int_equal(entry.slot, naive.entries[i].slot);
    }
    assert_false(ngi_ordered_next(set, &cursor, &entry));
}

static void expect_seek(const ngi_ordered *set, uint64_t key, uint32_t slot)
{
    ngi_ordered_entry entry;
    ngi_ordered_cursor cursor = ngi_ordered_seek(set, key, slot);
    uint32_t at = twin_position(key, slot);
    assert_int_equal(ngi_ordered_next(set, &cursor, &entry), at < naive.count);
    if (at < naive.count) {
        assert_int_equal(entry.key, naive.entries[at].key);
        assert_int_equal(entry.slot, naive.entries[at].slot);
    }
    assert_int_equal(ngi_ordered_has(set, key, slot), twin_has(key, slot));
}

static void test_empty(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_ordered set;
    assert_int_equal(ngi_ordered_init(&set, &memory.os, &memory.mem, ENTRIES, "set"), NG_OK);
    naive.count = 0;
    expect_equal(&set);
    expect_seek(&set, 7, 7);
    assert_false(ngi_ordered_remove(&set, 1, 1));
    assert_int_equal(ngi_ordered_count(&set, 0, UINT64_MAX, 10), 0);
    assert_int_equal(ngi_ordered_used_bytes(&set), 0);
    assert_int_equal(ngi_ordered_insert(&set, 1, 1), NG_E_INTERNAL); /* no room was made */
    assert_int_equal(ngi_ordered_reserve(&set, 1), NG_OK);
    assert_int_equal(ngi_ordered_insert(&set, 1, 1), NG_OK);
    assert_int_equal(ngi_ordered_reserve(&set, 1), NG_OK);
    assert_int_equal(ngi_ordered_insert(&set, 1, 1), NG_E_INTERNAL); /* it is there */
    assert_true(ngi_ordered_remove(&set, 1, 1));
    expect_equal(&set);
    ngi_ordered_release(&set);
    ngi_ordered_release(&set);
    testing_memory_check(&memory);
}

/* The i-th entry of an order that is hard in one way. */
static ngi_ordered_entry entry_of(int order, uint32_t i, uint64_t *random)
{
    switch (order) {
    case 0: /* ascending, as ids of one tag */
        return (ngi_ordered_entry){5, i + 1};
    case 1: /* descending keys: each new leaf would hold one entry if it were split at its end */
        return (ngi_ordered_entry){ENTRIES - i, 1};
    case 2: /* a few keys in turn, slots ascending: tags */
        return (ngi_ordered_entry){i % 7, i + 1};
    case 3: /* descending slots of few keys */
        return (ngi_ordered_entry){i % 3, ENTRIES - i};
    case 4: /* keys at the ends of their range */
        return (ngi_ordered_entry){i % 2 ? UINT64_MAX : 0, testing_below(random, UINT32_MAX)};
    default:
        return (ngi_ordered_entry){testing_below(random, 5000), testing_below(random, 50)};
    }
}

static void test_orders(void **state)
{
    (void)state;
    uint64_t random = testing_seed("orders");
    for (int order = 0; order < 6; order++) {
        testing_memory memory;
        testing_memory_init(&memory);
        ngi_ordered set;
        naive.count = 0;
        assert_int_equal(ngi_ordered_init(&set, &memory.os, &memory.mem, ENTRIES, "set"), NG_OK);
        for (uint32_t i = 0; i < ENTRIES;) {
            uint32_t batch = 1 + testing_below(&random, 300);
            assert_int_equal(ngi_ordered_reserve(&set, batch), NG_OK);
            for (uint32_t k = 0; k < batch && i < ENTRIES; k++, i++) {
                ngi_ordered_entry entry = entry_of(order, i, &random);
                if (twin_has(entry.key, entry.slot))
                    continue;
                assert_int_equal(ngi_ordered_insert(&set, entry.key, entry.slot), NG_OK);
                twin_insert(entry.key, entry.slot);
            }
        }
        expect_equal(&set);
        /* Ascending entries fill their leaves; none is emptier than a half on average. */
        assert_true(set.leaf_count <= naive.count / (order == 0 ? 40 : 20) + 2);
        for (int i = 0; i < 2000; i++)
            expect_seek(&set, testing_below(&random, 5000), testing_below(&random, ENTRIES));
        while (naive.count > 0) {
            uint32_t at = testing_below(&random, naive.count);
            ngi_ordered_entry entry = naive.entries[at];
            assert_true(ngi_ordered_remove(&set, entry.key, entry.slot));
            twin_remove(entry.key, entry.slot);
            if (naive.count % 2500 == 0)
                expect_equal(&set);
        }
        assert_int_equal(set.root, 0);
        ngi_ordered_release(&set);
        testing_memory_check(&memory);
    }
}

/* Batches of inserts and removals in turn, each with room for its inserts alone. */
static void test_churn(void **state)
{
    (void)state;
    uint64_t random = testing_seed("churn");
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_ordered set;
    naive.count = 0;
    assert_int_equal(ngi_ordered_init(&set, &memory.os, &memory.mem, ENTRIES, "set"), NG_OK);
    for (int round = 0; round < 400; round++) {
        uint32_t batch = 1 + testing_below(&random, round % 50 == 0 ? 900 : 40);
        assert_int_equal(ngi_ordered_reserve(&set, batch), NG_OK);
        for (uint32_t i = 0; i < batch; i++) {
            ngi_ordered_entry entry = {testing_below(&random, 400), testing_below(&random, 20)};
            if (naive.count > 0 && testing_below(&random, 100) < 45) {
                ngi_ordered_entry old = naive.entries[testing_below(&random, naive.count)];
                assert_true(ngi_ordered_remove(&set, old.key, old.slot));
                twin_remove(old.key, old.slot);
            }
            if (twin_has(entry.key, entry.slot))
                continue;
            assert_int_equal(ngi_ordered_insert(&set, entry.key, entry.slot), NG_OK);
            twin_insert(entry.key, entry.slot);
        }
        expect_equal(&set);
        uint64_t low = testing_below(&random, 400), high = low + testing_below(&random, 100);
        uint64_t inside = twin_position(high + 1, 0) - twin_position(low, 0);
        assert_int_equal(ngi_ordered_count(&set, low, high, UINT64_MAX), inside);
        assert_int_equal(ngi_ordered_count(&set, low, high, 3), inside < 3 ? inside : 3);
    }
    ngi_ordered_release(&set);
    testing_memory_check(&memory);
}

static void test_no_memory(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_ordered set;
    naive.count = 0;
    assert_int_equal(ngi_ordered_init(&set, &memory.os, &memory.mem, ENTRIES, "set"), NG_OK);
    assert_int_equal(ngi_ordered_reserve(&set, 1), NG_OK);
    assert_int_equal(ngi_ordered_insert(&set, 1, 1), NG_OK);
    twin_insert(1, 1);
    memory.fail_at = memory.request_count + 1;
    assert_int_equal(ngi_ordered_reserve(&set, ENTRIES), NG_E_NOMEM);
    assert_non_null(strstr(ng_last_error(), "set"));
    expect_equal(&set);
    ngi_ordered_release(&set);
    testing_memory_check(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_churn),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
