/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tables: growth, also near a limit, and memory given back. */
#include "os/os_testing.h"

#define UNIT NGI_TABLE_UNIT_BYTES
#define IN_UNIT (UNIT / 16) /* elements */

typedef struct element {
    uint64_t a, b;
} element;

static element *at(const ngi_table *table, size_t i)
{
    return (element *)(void *)table->base + i;
}

static size_t used(const testing_memory *memory)
{
    return atomic_load(&memory->mem.used_bytes);
}

static void test_growth(void **state)
{
    (void)state;
    testing_memory memory;
    ngi_table table;
    testing_memory_init(&memory);
    assert_int_equal(ngi_table_init(&table, &memory.os, &memory.mem, 16, 1000000, "numbers"),
                     NG_OK);
    for (size_t count = 1; count <= 1000000; count += 1000) {
        assert_int_equal(ngi_table_reserve(&table, count), NG_OK);
        at(&table, count - 1)->a = count;
        assert_int_equal(ngi_table_bytes(&table), used(&memory));
        /* An eighth ahead, and what rounding to huge pages adds. */
        assert_true(table.committed_bytes <= 16 * count + 16 * count / 8 + (2u << 20) + UNIT);
    }
    assert_int_equal(ngi_table_reserve(&table, 10000000), NG_E_LIMIT);
    ngi_table_release(&table);
    testing_memory_check(&memory);
}

/* Where the usual step does not fit, just what is needed is taken. */
static void test_growth_near_a_limit(void **state)
{
    (void)state;
    testing_memory memory;
    ngi_table table;
    testing_memory_init(&memory);
    assert_int_equal(ngi_table_init(&table, &memory.os, &memory.mem, 16, 1000000, "numbers"),
                     NG_OK);
    assert_int_equal(ngi_table_reserve(&table, 40 * IN_UNIT), NG_OK);
    size_t before = used(&memory);
    memory.mem.max_bytes = before + 2 * UNIT;
    size_t end = before / 16;
    assert_int_equal(ngi_table_reserve(&table, end + 1), NG_OK);
    assert_int_equal(used(&memory), before + UNIT);
    assert_int_equal(ngi_table_reserve(&table, end + 2 * IN_UNIT), NG_OK);
    assert_int_equal(ngi_table_reserve(&table, end + 2 * IN_UNIT + 1), NG_E_LIMIT);
    assert_int_equal(used(&memory), memory.mem.max_bytes);
    ngi_table_release(&table);
    testing_memory_check(&memory);
}

static void test_given_back(void **state)
{
    (void)state;
    testing_memory memory;
    ngi_table table;
    testing_memory_init(&memory);
    assert_int_equal(ngi_table_init(&table, &memory.os, &memory.mem, 16, 1000000, "numbers"),
                     NG_OK);
    ngi_table_discard(&table, 0, 1000000); /* nothing is committed */
    assert_int_equal(used(&memory), 0);
    assert_int_equal(ngi_table_reserve(&table, 8 * IN_UNIT), NG_OK);
    for (size_t i = 0; i < 8 * IN_UNIT; i++)
        at(&table, i)->a = i + 1;
    size_t before = used(&memory);
    memset(at(&table, 100), 0, 3 * UNIT);
    ngi_table_discard(&table, 100, 3 * IN_UNIT); /* two whole units inside */
    assert_int_equal(used(&memory), before - 2 * UNIT + sizeof(uint64_t));
    assert_int_equal(used(&memory), ngi_table_bytes(&table));
    ngi_table_discard(&table, 100, 3 * IN_UNIT);
    assert_int_equal(table.hole_count, 2);
    assert_false(ngi_table_is_hole(&table, IN_UNIT - 1));
    assert_true(ngi_table_is_hole(&table, IN_UNIT));
    assert_true(ngi_table_is_hole(&table, 3 * IN_UNIT - 1));
    assert_false(ngi_table_is_hole(&table, 3 * IN_UNIT));
    for (size_t i = 0; i < 8 * IN_UNIT; i++)
        assert_int_equal(at(&table, i)->a, i >= 100 && i < 100 + 3 * IN_UNIT ? 0 : i + 1);
    memory.mem.max_bytes = used(&memory) + UNIT - 1;
    assert_int_equal(ngi_table_fill(&table, 2 * IN_UNIT - 1, 2), NG_E_LIMIT);
    assert_int_equal(table.hole_count, 2);
    memory.mem.max_bytes = 0;
    assert_int_equal(ngi_table_fill(&table, 2 * IN_UNIT, 1), NG_OK);
    assert_true(ngi_table_is_hole(&table, IN_UNIT) && !ngi_table_is_hole(&table, 2 * IN_UNIT));
    at(&table, 2 * IN_UNIT)->b = 7;
    assert_int_equal(ngi_table_fill(&table, 0, 8 * IN_UNIT), NG_OK);
    assert_int_equal(table.hole_count, 0);
    assert_int_equal(used(&memory), before + sizeof(uint64_t));
    assert_int_equal(at(&table, 2 * IN_UNIT)->b, 7);
    ngi_table_release(&table);
    testing_memory_check(&memory);
}

/* Without memory for the note of it nothing is given back. */
static void test_no_memory_for_the_note(void **state)
{
    (void)state;
    testing_memory memory;
    ngi_table table;
    testing_memory_init(&memory);
    assert_int_equal(ngi_table_init(&table, &memory.os, &memory.mem, 16, 1000000, "numbers"),
                     NG_OK);
    assert_int_equal(ngi_table_reserve(&table, 2 * IN_UNIT), NG_OK);
    size_t before = used(&memory);
    memory.request_count = 0;
    memory.fail_at = 1;
    ngi_table_discard(&table, 0, 2 * IN_UNIT);
    assert_int_equal(used(&memory), before);
    assert_false(ngi_table_is_hole(&table, 0));
    ngi_table_discard(&table, 0, 2 * IN_UNIT);
    assert_true(ngi_table_is_hole(&table, 0));
    ngi_table_release(&table);
    testing_memory_check(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_growth_near_a_limit),
        cmocka_unit_test(test_given_back),
        cmocka_unit_test(test_no_memory_for_the_note),
    };
    return cmocka_run_group_tests_name("os_table", tests, NULL, NULL);
}
