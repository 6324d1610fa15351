/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Chains of units: what is put comes back, what is removed is used again, and a view of the table
 * still has what was removed since. */
#include "index/index_chains.h"
#include "os/os_mirror.h"
#include "os/os_testing.h"

#define UNITS 4096u
#define BLOBS 64u
#define BLOB_BYTES 1500u

typedef struct blob {
    uint32_t first; /* 0 = none */
    size_t bytes;
    uint8_t content[BLOB_BYTES];
} blob;

static void expect_ok(const ngi_chains *chains, const blob *blobs)
{
    uint64_t used = 0;
    for (uint32_t i = 0; i < BLOBS; i++) {
        uint8_t found[BLOB_BYTES];
        if (blobs[i].first == 0)
            continue;
        if (ngi_chains_check_one(chains, blobs[i].first, blobs[i].bytes, &used) != NG_OK)
            fail_msg("%s", ng_last_error());
        ngi_chains_read(chains, blobs[i].first, blobs[i].bytes, found);
        assert_memory_equal(found, blobs[i].content, blobs[i].bytes);
    }
    if (ngi_chains_check(chains, used) != NG_OK)
        fail_msg("%s", ng_last_error());
}

static void blob_make(blob *out, uint64_t *random)
{
    out->bytes = 1 + testing_below(random, BLOB_BYTES);
    for (size_t i = 0; i < out->bytes; i++)
        out->content[i] = (uint8_t)testing_random(random);
}

static void test_churn(void **state)
{
    (void)state;
    static blob blobs[BLOBS];
    memset(blobs, 0, sizeof blobs);
    uint64_t random = testing_seed("churn");
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_chains chains;
    assert_int_equal(ngi_chains_init(&chains, &memory.os, &memory.mem, UNITS, "chains"), NG_OK);
    assert_int_equal(ngi_chains_put(&chains, "x", 1), 0); /* no room was made */
    uint32_t unit_end = 0;
    for (int round = 0; round < 6000; round++) {
        blob *one = &blobs[testing_below(&random, BLOBS)];
        if (one->first != 0)
            ngi_chains_remove(&chains, one->first, one->bytes);
        one->first = 0;
        if (testing_below(&random, 100) < 80) {
            blob_make(one, &random);
            assert_int_equal(ngi_chains_reserve(&chains, ngi_chains_units(one->bytes)), NG_OK);
            one->first = ngi_chains_put(&chains, one->content, one->bytes);
            assert_int_not_equal(one->first, 0);
        }
        if (round % 500 == 0)
            expect_ok(&chains, blobs);
        if (round == 3000)
            unit_end = chains.unit_end;
    }
    expect_ok(&chains, blobs);
    assert_true(chains.unit_end < unit_end + unit_end / 4); /* it has stopped growing */
    ngi_chains_release(&chains);
    ngi_chains_release(&chains);
    testing_memory_check(&memory);
}

static void test_mirror(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_chains chains;
    ngi_mirror mirror;
    ngi_mirror_group group = {.copied_bytes_max = SIZE_MAX};
    uint8_t old[300], other[300];
    memset(old, 'a', sizeof old);
    memset(other, 'b', sizeof other);
    assert_int_equal(ngi_chains_init(&chains, &memory.os, &memory.mem, UNITS, "chains"), NG_OK);
    assert_int_equal(ngi_chains_reserve(&chains, 20), NG_OK);
    uint32_t first = ngi_chains_put(&chains, old, sizeof old);
    assert_int_equal(ngi_mirror_attach(&mirror, &chains.units, chains.unit_end, &group), NG_OK);
    ngi_chains_remove(&chains, first, sizeof old);
    assert_int_equal(ngi_chains_put(&chains, other, sizeof other), first);
    for (size_t at = 0; at < sizeof old; at += NGI_CHAINS_CONTENT_BYTES) {
        ngi_chains_unit unit;
        ngi_mirror_read(&mirror, first, 1, &unit);
        assert_memory_equal(unit.bytes, old, NGI_CHAINS_CONTENT_BYTES);
        first = unit.next;
    }
    assert_int_equal(first, 0);
    ngi_mirror_detach(&mirror);
    ngi_mirror_destroy(&mirror);
    ngi_chains_release(&chains);
    testing_memory_check(&memory);
}

static void test_no_memory(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_chains chains;
    assert_int_equal(ngi_chains_init(&chains, &memory.os, &memory.mem, UNITS, "chains"), NG_OK);
    assert_int_equal(ngi_chains_reserve(&chains, 1), NG_OK);
    assert_int_not_equal(ngi_chains_put(&chains, "x", 1), 0);
    assert_int_equal(ngi_chains_reserve(&chains, 2 * UNITS), NG_E_LIMIT);
    memory.fail_at = memory.request_count + 1;
    assert_int_equal(ngi_chains_reserve(&chains, UNITS / 2), NG_E_NOMEM);
    if (ngi_chains_check(&chains, 1) != NG_OK)
        fail_msg("%s", ng_last_error());
    ngi_chains_release(&chains);
    testing_memory_check(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_churn),
        cmocka_unit_test(test_mirror),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
