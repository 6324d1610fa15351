/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The hash tables against arrays, and every failing allocation. */
#include "mind/mind_table.h"

#include "mind/mind_testing.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)
#define KEY_COUNT 20000

static void test_keys(void **state)
{
    testing *t = *state;
    ngi_keys map = {0}, set = {0};
    uint32_t value;
    bool is_new;
    assert_false(ngi_keys_get(&map, 1, &value));
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < KEY_COUNT; i++) {
            uint64_t key = (uint64_t)(i % 7 + 1) << 36 | (uint64_t)i << 8 | 1;
            assert_ok(ngi_keys_put(&t->mem, &map, key, i, &is_new));
            assert_int_equal(is_new, round == 0);
            assert_ok(ngi_keys_add(&t->mem, &set, key, &is_new));
            assert_int_equal(is_new, round == 0);
            assert_true(ngi_keys_get(&map, key, &value));
            assert_int_equal(value, i);
        }
    }
    assert_int_equal(map.count, KEY_COUNT);
    assert_true(map.count * 4 <= map.capacity * 3);
    assert_false(ngi_keys_get(&map, 2, &value));
    assert_ok(ngi_keys_put(&t->mem, &map, UINT64_MAX, 5, &is_new));
    assert_true(is_new);
    assert_ok(ngi_keys_put(&t->mem, &map, UINT64_MAX, 6, &is_new));
    assert_true(ngi_keys_get(&map, UINT64_MAX, &value));
    assert_int_equal(value, 5); /* the first stays */
    ngi_keys_release(&t->mem, &map);
    ngi_keys_release(&t->mem, &set);
}

static void test_strings(void **state)
{
    testing *t = *state;
    ngi_strings strings = {0};
    uint32_t number;
    bool is_new;
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < KEY_COUNT; i++) {
            char text[32];
            int n = sprintf(text, "%x", i * 2654435761u);
            assert_ok(ngi_strings_add(&t->mem, &strings, text, (size_t)n, &number, &is_new));
            assert_int_equal(number, i);
            assert_int_equal(is_new, round != 1);
        }
        assert_int_equal(strings.count, KEY_COUNT);
        if (round == 1)
            ngi_strings_clear(&strings);
    }
    size_t bytes;
    const char *text = ngi_strings_get(&strings, 1, &bytes);
    assert_int_equal(bytes, 8);
    assert_memory_equal(text, "9e3779b1", 8);
    ngi_strings_release(&t->mem, &strings);
}

static void test_strings_empty_and_with_nul(void **state)
{
    testing *t = *state;
    ngi_strings strings = {0};
    uint32_t number;
    bool is_new;
    size_t bytes;
    assert_ok(ngi_strings_add(&t->mem, &strings, "", 0, &number, &is_new));
    assert_true(is_new && number == 0);
    assert_ok(ngi_strings_add(&t->mem, &strings, "a\0b", 3, &number, &is_new));
    assert_true(is_new && number == 1);
    assert_ok(ngi_strings_add(&t->mem, &strings, "a", 1, &number, &is_new));
    assert_true(is_new && number == 2);
    assert_ok(ngi_strings_add(&t->mem, &strings, "", 0, &number, &is_new));
    assert_true(!is_new && number == 0);
    assert_memory_equal(ngi_strings_get(&strings, 1, &bytes), "a\0b", 3);
    assert_int_equal(bytes, 3);
    ngi_strings_get(&strings, 0, &bytes);
    assert_int_equal(bytes, 0);
    ngi_strings_release(&t->mem, &strings);
}

/* Adds until something fails, and then everything again. */
static void test_failing_memory(void **state)
{
    testing *t = *state;
    size_t failures = 0;
    for (size_t at = 1;; at++) {
        ngi_keys map = {0};
        ngi_strings strings = {0};
        t->memory_count = 0;
        t->fail_memory = at;
        bool failed = false;
        for (uint32_t i = 0; i < 3000; i++) {
            bool is_new;
            uint32_t number;
            if (ngi_keys_put(&t->mem, &map, i + 1, i, &is_new) == NG_E_NOMEM) {
                failed = true;
                assert_ok(ngi_keys_put(&t->mem, &map, i + 1, i, &is_new));
            }
            assert_true(is_new);
            if (ngi_strings_add(&t->mem, &strings, (const char *)&i, 4, &number, &is_new) ==
                NG_E_NOMEM) {
                failed = true;
                assert_ok(
                    ngi_strings_add(&t->mem, &strings, (const char *)&i, 4, &number, &is_new));
            }
            assert_int_equal(number, i);
        }
        for (uint32_t i = 0; i < 3000; i++) {
            uint32_t value;
            assert_true(ngi_keys_get(&map, i + 1, &value));
            assert_int_equal(value, i);
        }
        ngi_keys_release(&t->mem, &map);
        ngi_strings_release(&t->mem, &strings);
        if (!failed)
            break;
        failures++;
    }
    assert_true(failures > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_keys),
        TEST(test_strings),
        TEST(test_strings_empty_and_with_nul),
        TEST(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
