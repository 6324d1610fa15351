/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Degrees beside two plain arrays, with connections taken back and room made again and again. */
#include "os/os_testing.h"
#include "store/store_degree.h"

#define SLOTS 500u
#define ROUNDS 20000u

typedef struct edge {
    uint32_t source, target;
} edge;

static void expect_degree(const store_degrees *degrees, uint32_t slot, uint32_t out, uint32_t in)
{
    store_degree degree = ngi_degrees_of(degrees, slot);
    assert_int_equal(degree.out, out);
    assert_int_equal(degree.in, in);
}

static void test_nothing_counted(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_mem_init(&mem, 0);
    store_degrees degrees = {0};
    expect_degree(&degrees, 7, 0, 0);
    assert_int_equal(ngi_degrees_reserve(&mem, &degrees, 0), NG_OK);
    expect_degree(&degrees, 7, 0, 0);
    ngi_degrees_release(&mem, &degrees);
    ngi_degrees_release(&mem, &degrees);
}

static void test_beside_arrays(void **state)
{
    (void)state;
    static edge edges[ROUNDS];
    uint32_t out[SLOTS] = {0}, in[SLOTS] = {0}, count = 0;
    uint64_t seed = testing_seed(__func__);
    ngi_mem mem;
    ngi_mem_init(&mem, 0);
    store_degrees degrees = {0};
    for (uint32_t round = 0; round < ROUNDS; round++) {
        if (count > 0 && testing_below(&seed, 2) == 0) {
            uint32_t at = testing_below(&seed, count);
            edge gone = edges[at];
            edges[at] = edges[--count];
            ngi_degrees_remove(&degrees, gone.source, gone.target);
            out[gone.source]--;
            in[gone.target]--;
        } else {
            edge added = {1 + testing_below(&seed, SLOTS - 1), 1 + testing_below(&seed, SLOTS - 1)};
            assert_int_equal(ngi_degrees_reserve(&mem, &degrees, 1), NG_OK);
            ngi_degrees_add(&degrees, added.source, added.target);
            edges[count++] = added;
            out[added.source]++;
            in[added.target]++;
        }
        assert_true(degrees.used_count <= degrees.bucket_count / 2);
        uint32_t slot = 1 + testing_below(&seed, SLOTS - 1);
        expect_degree(&degrees, slot, out[slot], in[slot]);
    }
    for (uint32_t slot = 1; slot < SLOTS; slot++)
        expect_degree(&degrees, slot, out[slot], in[slot]);
    assert_true(degrees.bucket_count <= 4096); /* who has none any more is left behind */
    ngi_degrees_release(&mem, &degrees);
    assert_int_equal(atomic_load(&mem.used_bytes), 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_mem_init(&mem, 1000);
    store_degrees degrees = {0};
    assert_int_equal(ngi_degrees_reserve(&mem, &degrees, 2), NG_OK);
    ngi_degrees_add(&degrees, 1, 2);
    assert_int_equal(ngi_degrees_reserve(&mem, &degrees, 4096), NG_E_LIMIT);
    expect_degree(&degrees, 1, 1, 0);
    expect_degree(&degrees, 2, 0, 1);
    ngi_degrees_release(&mem, &degrees);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_counted),
        cmocka_unit_test(test_beside_arrays),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("store_degree", tests, NULL, NULL);
}
