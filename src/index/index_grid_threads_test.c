/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Searches beside the writer, without a lock: what each sees is one moment of the tree. ThreadSanitizer
 * runs this too.
 *
 * The writer keeps pairs of points: both members of a pair are at one place, and move in one op. So a
 * search that sees one moment finds both of a pair or none, and always the same number in all. */
#include "index/index_grid_testing.h"

#include "os/os_thread.h"

#define PAIRS 1500u
#define MOVES 4000u
#define READERS 3

typedef struct shared {
    ngi_grid *grid;
    ngi_grid_tree tree;
    atomic_bool done;
    atomic_uint broken;
} shared;

static void *read_pairs(void *context)
{
    shared *all = context;
    static _Thread_local ngi_grid_hit hits[2 * PAIRS];
    static _Thread_local uint8_t seen[PAIRS];
    uint64_t random = (uint64_t)(uintptr_t)&random;
    do {
        ngi_grid_search search = {.metric = {.factor = {1, 1, 1}, .steps = 1},
                                  .bound = (uint64_t)testing_below(&random, 30000) *
                                           testing_below(&random, 30000),
                                  .hits = hits,
                                  .capacity = 2 * PAIRS};
        grid_test_point(GRID_TEST_UNIFORM, &random, search.center);
        ngi_grid_collect(all->grid, &all->tree, &search);
        memset(seen, 0, sizeof seen);
        for (size_t i = 0; i < search.count; i++)
            seen[hits[i].slot / 2]++;
        for (size_t i = 0; i < PAIRS; i++)
            if (seen[i] == 1 || seen[i] > 2)
                atomic_fetch_add(&all->broken, 1);
        search.bound = UINT64_MAX;
        search.capacity = 10;
        ngi_grid_nearest(all->grid, &all->tree, &search);
        if (search.count != 10)
            atomic_fetch_add(&all->broken, 1);
        ngi_grid_count(all->grid, &all->tree, &search);
        if (search.found != 2 * PAIRS)
            atomic_fetch_add(&all->broken, 1);
        ngi_grid_stats stats;
        ngi_grid_stats_get(all->grid, &all->tree, &stats);
        if (stats.points != 2 * PAIRS)
            atomic_fetch_add(&all->broken, 1);
    } while (!atomic_load(&all->done));
    return NULL;
}

static void move_pairs(shared *all, int16_t at[PAIRS][NG_AXIS_COUNT], uint64_t *random, bool first)
{
    uint32_t count = first ? PAIRS : 1 + testing_below(random, 20);
    uint32_t from = first ? 0 : testing_below(random, PAIRS - count);
    ngi_grid_begin(all->grid);
    assert_int_equal(ngi_grid_reserve(all->grid, &all->tree, 2 * (size_t)count), NG_OK);
    for (uint32_t pair = from; pair < from + count; pair++) {
        int16_t now[NG_AXIS_COUNT];
        grid_test_point(GRID_TEST_UNIFORM, random, now);
        for (uint32_t side = 0; side < 2; side++)
            assert_int_equal(ngi_grid_put(all->grid, &all->tree, 2 * pair + side,
                                          first ? NULL : at[pair], now),
                             NG_OK);
        memcpy(at[pair], now, sizeof now);
    }
    assert_int_equal(ngi_grid_publish(all->grid), NG_OK);
}

static void test_one_moment(void **state)
{
    (void)state;
    static int16_t at[PAIRS][NG_AXIS_COUNT];
    ngi_os os = testing_os();
    ngi_mem mem;
    ngi_mem_init(&mem, 0);
    shared all = {0};
    uint64_t random = testing_seed("grid threads");
    assert_int_equal(ngi_grid_create(&os, &mem, 1u << 20, &all.grid), NG_OK);
    move_pairs(&all, at, &random, true);
    ngi_thread readers[READERS];
    for (int i = 0; i < READERS; i++)
        assert_int_equal(ngi_thread_start(&readers[i], read_pairs, &all), NG_OK);
    for (uint32_t i = 0; i < MOVES; i++)
        move_pairs(&all, at, &random, false);
    atomic_store(&all.done, true);
    for (int i = 0; i < READERS; i++)
        ngi_thread_join(&readers[i]);
    assert_int_equal(atomic_load(&all.broken), 0);
    assert_int_equal(ngi_grid_check(all.grid, &all.tree), NG_OK);
    ngi_grid_destroy(all.grid);
    assert_int_equal(atomic_load(&mem.used_bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_moment)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
