/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Bulk loading of labels: the same as one put at a time, and what a damaged or hostile state
 * must not do. */
#include "index/index_labels.h"
#include "os/os_testing.h"

#define SLOTS 5000u

static void expect_ok(ng_status status)
{
    if (status != NG_OK)
        fail_msg("%s", ng_last_error());
}

static size_t some_label(uint32_t slot, char text[NGI_LABEL_BYTES_MAX])
{
    size_t bytes = (size_t)snprintf(text, 32, "label %u", slot);
    if (slot % 50 != 0)
        return bytes;
    memset(text + bytes, (int)('a' + slot % 26), NGI_LABEL_BYTES_MAX - bytes);
    return NGI_LABEL_BYTES_MAX;
}

static void test_equal_to_puts(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    for (uint32_t count = 0; count < 20000; count = count * 3 + 1) {
        testing_memory memory;
        testing_memory_init(&memory);
        ngi_labels labels;
        expect_ok(ngi_labels_init(&labels, &memory.os, &memory.mem, 3 * count + 1));
        char text[NGI_LABEL_BYTES_MAX];
        for (uint32_t slot = 1; slot <= 3 * count; slot += 3)
            expect_ok(ngi_labels_load(&labels, slot, slot % 2, text, some_label(slot, text)));
        expect_ok(ngi_labels_index(&labels));
        assert_int_equal(labels.used_count, count);
        expect_ok(ngi_labels_check(&labels));
        for (uint32_t slot = 1; slot <= 3 * count; slot++) {
            size_t bytes = some_label(slot, text), stored;
            uint32_t wanted = slot % 3 == 1 ? slot : 0;
            assert_int_equal(ngi_labels_find(&labels, slot % 2, text, bytes), wanted);
            assert_int_equal(ngi_labels_find(&labels, slot % 2 + 1, text, bytes), 0);
            assert_int_equal(ngi_labels_get(&labels, slot, &stored) != NULL, wanted != 0);
            assert_int_equal(stored, wanted != 0 ? bytes : 0);
        }
        /* It goes on as if they had been put. */
        for (uint32_t i = 0; i < count; i++) {
            uint32_t slot = 1 + testing_below(&seed, 3 * count);
            ngi_labels_remove(&labels, slot);
            size_t bytes = some_label(slot + 1000000, text);
            expect_ok(ngi_labels_reserve(&labels, 1, bytes, slot));
            expect_ok(ngi_labels_put(&labels, slot, 7, text, bytes));
        }
        expect_ok(ngi_labels_check(&labels));
        expect_ok(ngi_labels_index(&labels)); /* may be made anew at any time */
        expect_ok(ngi_labels_check(&labels));
        ngi_labels_release(&labels);
        testing_memory_check(&memory);
    }
}

static void test_refused(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_labels labels;
    expect_ok(ngi_labels_init(&labels, &memory.os, &memory.mem, 1000));
    char text[NGI_LABEL_BYTES_MAX + 1] = "same";
    assert_int_equal(ngi_labels_load(&labels, 0, 0, "x", 1), NG_E_CORRUPT);
    assert_int_equal(ngi_labels_load(&labels, 1, 0, "", 0), NG_E_CORRUPT);
    assert_string_equal(ng_last_error(), "label of token 1 has 0 bytes, outside 1..1024");
    assert_int_equal(ngi_labels_load(&labels, 1, 0, text, sizeof text), NG_E_CORRUPT);
    assert_int_equal(ngi_labels_load(&labels, UINT32_MAX, 0, "x", 1), NG_E_LIMIT);
    assert_int_equal(labels.arena_bytes, 0);
    expect_ok(ngi_labels_load(&labels, 3, 0, "same", 4));
    assert_int_equal(ngi_labels_load(&labels, 3, 0, "other", 5), NG_E_CORRUPT);
    assert_string_equal(ng_last_error(), "token 3 is given two labels");
    expect_ok(ngi_labels_load(&labels, 900, 1, "same", 4)); /* of another collection */
    expect_ok(ngi_labels_index(&labels));
    expect_ok(ngi_labels_load(&labels, 700, 0, "same", 4));
    assert_int_equal(ngi_labels_index(&labels), NG_E_CORRUPT);
    assert_string_equal(ng_last_error(), "tokens 3 and 700 have the same label 'same'");
    assert_int_equal(labels.used_count, 2);
    assert_int_equal(ngi_labels_find(&labels, 0, "same", 4), 3); /* the index is as it was */
    ngi_labels_release(&labels);
    testing_memory_check(&memory);
}

static void test_memory_fails(void **state)
{
    (void)state;
    size_t failures = 0;
    for (size_t fail_at = 1;; fail_at++) {
        testing_memory memory;
        testing_memory_init(&memory);
        ngi_labels labels;
        expect_ok(ngi_labels_init(&labels, &memory.os, &memory.mem, SLOTS));
        memory.fail_at = memory.request_count + fail_at;
        ng_status status = NG_OK;
        char text[NGI_LABEL_BYTES_MAX];
        for (uint32_t slot = 1; slot <= SLOTS && status == NG_OK; slot++)
            status = ngi_labels_load(&labels, slot, 0, text, some_label(slot, text));
        if (status == NG_OK)
            status = ngi_labels_index(&labels);
        ngi_labels_release(&labels);
        testing_memory_check(&memory);
        if (status == NG_OK)
            break;
        assert_int_equal(status, NG_E_NOMEM);
        failures++;
    }
    assert_true(failures >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_to_puts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
