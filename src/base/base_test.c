/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Checksums, bytes, memory accounting, error messages. */
#include "base/base_bytes.h"
#include "base/base_crc.h"
#include "base/base_mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_crc32c_vectors(void **state)
{
    (void)state;
    uint8_t data[32];
    memset(data, 0, sizeof data); /* RFC 3720, B.4 */
    assert_int_equal(ngi_crc32c(0, data, 32), 0x8A9136AA);
    memset(data, 0xFF, sizeof data);
    assert_int_equal(ngi_crc32c(0, data, 32), 0x62A8AB43);
    for (int i = 0; i < 32; i++)
        data[i] = (uint8_t)i;
    assert_int_equal(ngi_crc32c(0, data, 32), 0x46DD794E);
    assert_int_equal(ngi_crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(ngi_crc32c(0, "", 0), 0);
}

/* Long ones are computed in lanes: lengths around their ends, from any address, continued. */
static void test_crc32c_long(void **state)
{
    (void)state;
    enum { BYTES = 20000 };
    static uint8_t data[BYTES];
    uint32_t x = 1;
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    const size_t lengths[] = {6143, 6144, 6145, 6151, 6152, 12287, 12288, 12289, 18432, BYTES - 8};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t begin = 0; begin < 8; begin++)
            assert_int_equal(ngi_crc32c(7, data + begin, lengths[i]),
                             ngi_crc32c_portable(7, data + begin, lengths[i]));
    uint32_t half = ngi_crc32c(0, data, 7000);
    assert_int_equal(ngi_crc32c(half, data + 7000, BYTES - 7000), ngi_crc32c(0, data, BYTES));
    uint32_t rest = ngi_crc32c(0, data + 7000, BYTES - 7000);
    assert_int_equal(ngi_crc32c_join(half, rest, BYTES - 7000), ngi_crc32c(0, data, BYTES));
}

static void test_crc32c_twins(void **state)
{
    (void)state;
    uint8_t data[512];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof data; i++) {
        random = random * 1664525u + 1013904223u;
        data[i] = (uint8_t)(random >> 24);
    }
    for (size_t begin = 0; begin < 9; begin++) {
        for (size_t bytes = 0; bytes + begin <= 300; bytes++) {
            uint32_t whole = ngi_crc32c(0, data + begin, bytes);
            assert_int_equal(whole, ngi_crc32c_portable(0, data + begin, bytes));
            uint32_t half = ngi_crc32c(0, data + begin, bytes / 2);
            assert_int_equal(whole, ngi_crc32c(half, data + begin + bytes / 2, bytes - bytes / 2));
            uint32_t rest = ngi_crc32c(0, data + begin + bytes / 2, bytes - bytes / 2);
            assert_int_equal(whole, ngi_crc32c_join(half, rest, bytes - bytes / 2));
        }
    }
}

static void test_bytes_round_trip(void **state)
{
    (void)state;
    uint8_t at[9];
    ngi_put_u16(at + 1, 0xBEEF);
    assert_int_equal(at[1], 0xEF);
    assert_int_equal(ngi_get_u16(at + 1), 0xBEEF);
    ngi_put_u32(at + 1, 0xDEADBEEF);
    assert_int_equal(at[4], 0xDE);
    assert_int_equal(ngi_get_u32(at + 1), 0xDEADBEEF);
    ngi_put_u64(at + 1, UINT64_C(0x0123456789ABCDEF));
    assert_int_equal(at[8], 0x01);
    assert_true(ngi_get_u64(at + 1) == UINT64_C(0x0123456789ABCDEF));
    ngi_put_f32(at + 1, -1.5f);
    assert_true(ngi_get_f32(at + 1) == -1.5f);
}

/* What goes through an account counts there and at its parent, and only the parent has a limit. */
static void test_accounts_add_up(void **state)
{
    (void)state;
    ngi_mem root, first, second;
    ngi_mem_init(&root, 1000);
    ngi_mem_account_init(&first, &root);
    ngi_mem_account_init(&second, &root);
    void *a = NULL, *b = NULL;
    assert_int_equal(ngi_alloc(&first, 300, "a", &a), NG_OK);
    assert_int_equal(ngi_alloc(&second, 500, "b", &b), NG_OK);
    assert_int_equal(ngi_mem_charge(&first, 201, "c"), NG_E_LIMIT);
    assert_string_equal(ng_last_error(),
                        "c: 201 more bytes exceed the memory limit of 1000; 800 are used");
    assert_int_equal(ngi_mem_charge(&first, 200, "c"), NG_OK);
    assert_int_equal(ngi_resize(&second, &b, 500, 400, "b"), NG_OK);
    assert_int_equal(atomic_load(&first.used_bytes), 500);
    assert_int_equal(atomic_load(&second.used_bytes), 400);
    assert_int_equal(atomic_load(&root.used_bytes), 900);
    assert_int_equal(ngi_resize(&second, &b, 400, 501, "b"), NG_E_LIMIT);
    assert_int_equal(atomic_load(&second.used_bytes), 400);
    ngi_mem_uncharge(&first, 200);
    atomic_size_t bound = 900;
    first.bound_bytes = &bound; /* of all accounts together, asked when this one grows */
    assert_int_equal(ngi_mem_charge(&first, 201, "d"), NG_E_LIMIT);
    assert_string_equal(ng_last_error(),
                        "d: 201 more bytes exceed the memory limit of 900; 700 are used");
    assert_int_equal(ngi_mem_charge(&first, 200, "d"), NG_OK);
    assert_int_equal(ngi_mem_charge(&second, 50, "e"), NG_OK);
    ngi_mem_uncharge(&second, 50);
    ngi_mem_uncharge(&first, 200);
    ngi_free(&first, a, 300);
    ngi_free(&second, b, 400);
    assert_int_equal(atomic_load(&first.used_bytes) + atomic_load(&second.used_bytes), 0);
    assert_int_equal(atomic_load(&root.used_bytes), 0);
}

static void test_memory_is_counted_exactly(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_mem_init(&mem, 1000);
    void *block;
    assert_int_equal(ngi_alloc(&mem, 600, "first", &block), NG_OK);
    assert_int_equal(atomic_load(&mem.used_bytes), 600);
    void *second = &mem;
    assert_int_equal(ngi_alloc(&mem, 401, "second", &second), NG_E_LIMIT);
    assert_null(second);
    assert_string_equal(ng_last_error(),
                        "second: 401 more bytes exceed the memory limit of 1000; 600 are used");
    assert_int_equal(ngi_resize(&mem, &block, 600, 1001, "first"), NG_E_LIMIT);
    assert_int_equal(ngi_resize(&mem, &block, 600, 1000, "first"), NG_OK);
    assert_int_equal(ngi_resize(&mem, &block, 1000, 10, "first"), NG_OK);
    assert_int_equal(atomic_load(&mem.used_bytes), 10);
    ngi_free(&mem, block, 10);
    ngi_free(&mem, NULL, 10);
    assert_int_equal(ngi_alloc(&mem, 0, "empty", &block), NG_OK);
    assert_non_null(block);
    ngi_free(&mem, block, 0);
    assert_int_equal(atomic_load(&mem.used_bytes), 0);
}

static void test_buffer_grows(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_buffer buffer = {0};
    ngi_mem_init(&mem, 0);
    for (uint32_t i = 0; i < 20000; i++) {
        assert_int_equal(ngi_buffer_reserve(&mem, &buffer, 4, "buffer"), NG_OK);
        ngi_put_u32(buffer.data + buffer.bytes, i);
        buffer.bytes += 4;
    }
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(ngi_get_u32(buffer.data + 4 * i), i);
    assert_int_equal(ngi_buffer_reserve(&mem, &buffer, SIZE_MAX - 100000, "huge"), NG_E_NOMEM);
    assert_int_equal(buffer.bytes, 80000);
    ngi_buffer_release(&mem, &buffer);
    assert_int_equal(atomic_load(&mem.used_bytes), 0);
}

static void test_errors(void **state)
{
    (void)state;
    assert_int_equal(ngi_fail(NG_E_INVALID, "weight %d is outside 0..1", 2), NG_E_INVALID);
    assert_int_equal(ngi_fail_prefix(NG_E_INVALID, "item 3"), NG_E_INVALID);
    assert_string_equal(ng_last_error(), "item 3: weight 2 is outside 0..1");
    assert_string_equal(ng_status_name(NG_E_CORRUPT), "NG_E_CORRUPT");
    assert_string_equal(ng_status_text(NG_E_NOT_FOUND), "not found");
    assert_string_equal(ng_status_name((ng_status)999), "NG_E_UNKNOWN");
    char longer[2000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    (void)ngi_fail(NG_E_IO, "%s", longer);
    assert_true(strlen(ng_last_error()) < sizeof longer - 1);
}

static void test_conflict_is_of_the_last_error(void **state)
{
    (void)state;
    ng_conflict conflict = {.kind = NG_CONFLICT_VERSION, .version = 7};
    (void)ngi_fail(NG_E_INVALID, "before");
    assert_false(ng_last_conflict(&conflict));
    (void)ngi_fail(NG_E_CONFLICT, "token 1 has version 7");
    ngi_conflict_set(&conflict);
    conflict.version = 0;
    assert_true(ng_last_conflict(&conflict));
    assert_int_equal(conflict.kind, NG_CONFLICT_VERSION);
    assert_int_equal(conflict.version, 7);
    assert_int_equal(ngi_fail_prefix(NG_E_CONFLICT, "item 3"), NG_E_CONFLICT);
    assert_true(ng_last_conflict(NULL));
    (void)ngi_fail(NG_E_NOT_FOUND, "another");
    assert_false(ng_last_conflict(&conflict));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_vectors),
        cmocka_unit_test(test_crc32c_twins),
        cmocka_unit_test(test_crc32c_long),
        cmocka_unit_test(test_bytes_round_trip),
        cmocka_unit_test(test_memory_is_counted_exactly),
        cmocka_unit_test(test_accounts_add_up),
        cmocka_unit_test(test_buffer_grows),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_conflict_is_of_the_last_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
