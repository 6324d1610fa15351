/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every change of the mirrored tables of the vector index is announced, so that views keep what was
 * there. */
#include "index/index_vectors.h"
#include "os/os_mirror_testing.h"

#define SLOTS 3000u

enum { DIMENSIONS = 30 };

static void vectors_used(void *index, size_t *elements)
{
    ngi_vectors *vectors = index;
    elements[0] = ngi_vectors_slot_table(vectors)->committed_bytes / sizeof(uint32_t);
    elements[1] = ngi_vectors_row_end(vectors);
}

static void vectors_step(void *index, uint64_t *seed)
{
    ngi_vectors *vectors = index;
    uint32_t slot = 1 + testing_below(seed, SLOTS), roll = testing_below(seed, 10);
    if (roll < 3) {
        ngi_vectors_remove(vectors, slot);
        return;
    }
    if (roll == 3) { /* derived values are nobody's moment */
        assert_int_equal(ngi_vectors_prepare(vectors, NG_PLAIN_COSINE, 100), NG_OK);
        return;
    }
    uint8_t floats[4 * DIMENSIONS];
    for (size_t i = 0; i < DIMENSIONS; i++) {
        float value = (float)testing_below(seed, 1000);
        memcpy(floats + 4 * i, &value, sizeof value);
    }
    assert_int_equal(ngi_vectors_reserve(vectors, DIMENSIONS, 1, slot), NG_OK);
    ngi_vectors_put(vectors, slot, floats);
}

static void test_every_change_is_announced(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_vectors *vectors;
    assert_int_equal(ngi_vectors_create(&memory.os, &memory.mem, SLOTS, &vectors), NG_OK);
    ngi_table *const tables[] = {ngi_vectors_slot_table(vectors), ngi_vectors_row_table(vectors)};
    assert_null(tables[0]->base); /* until the dimensions are fixed */
    watch_churn(vectors, tables, 2, vectors_used, vectors_step, &seed);
    assert_int_equal(ngi_vectors_check(vectors), NG_OK);
    ngi_vectors_destroy(vectors);
    testing_memory_check(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_change_is_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
