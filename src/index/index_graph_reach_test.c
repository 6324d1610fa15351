/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What strong connections lead to: bounds of hops, tokens and memory, pauses, and paths that are weaker
 * but lead farther. Scores on random graphs are compared in src/mind/mind_recall_test.c. */
#include "index/index_graph.h"
#include "os/os_testing.h"

#include "base/base_limits.h"

typedef struct fixture {
    testing_memory memory;
    ngi_graph graph;
    uint32_t last_id;
} fixture;

static void fixture_open(fixture *f)
{
    testing_memory_init(&f->memory);
    assert_int_equal(ngi_graph_init(&f->graph, &f->memory.os, &f->memory.mem, 200000, 200000),
                     NG_OK);
    f->last_id = 0;
}

static void fixture_close(fixture *f)
{
    ngi_graph_release(&f->graph);
    testing_memory_check(&f->memory);
}

/* An immutable connection, so that its confidence is 1 and its strength its pull. */
static uint32_t put(fixture *f, uint32_t source, uint32_t target, float strength)
{
    const ng_connection record = {.source = source,
                                  .target = target,
                                  .pull_strength = strength,
                                  .mutability = NG_IMMUTABLE};
    uint32_t id = ++f->last_id;
    assert_int_equal(ngi_graph_reserve(&f->graph, id, source > target ? source : target), NG_OK);
    assert_int_equal(ngi_graph_put(&f->graph, id, &record), NG_OK);
    return id;
}

static const uint32_t one[] = {1, 1}; /* the same beginning twice is one */

static ngi_graph_reach_query from_one(uint32_t max_hops)
{
    return (ngi_graph_reach_query){.from = one,
                                   .from_count = 2,
                                   .direction = NG_OUTGOING,
                                   .max_hops = max_hops,
                                   .decay = 1,
                                   .max_tokens = 1000,
                                   .time_us = 1};
}

static double score_of(const ngi_graph_reach *reach, uint32_t slot)
{
    const ngi_graph_path_step *step = ngi_graph_reach_of(reach, slot);
    return step != NULL ? step->score : 0;
}

static void expect_order(const ngi_graph_reach *reach)
{
    for (size_t i = 1; i < reach->count; i++)
        assert_true(reach->steps[reach->best[i - 1]].score >= reach->steps[reach->best[i]].score);
}

/* 1 -> 2 -> 3 -> 4 is strong, and 1 -> 3 weak: within three hops 5 is reached by the weak one only. */
static void test_a_weaker_path_leads_farther(void **state)
{
    fixture f;
    ngi_graph_reach reach;
    ng_edge edges[NGI_RECALL_HOPS_MAX];
    (void)state;
    fixture_open(&f);
    put(&f, 1, 2, 1);
    put(&f, 2, 3, 1);
    uint32_t weak = put(&f, 1, 3, 0.25f);
    uint32_t third = put(&f, 3, 4, 1);
    uint32_t last = put(&f, 4, 5, 1);
    ngi_graph_reach_query query = from_one(3);
    assert_int_equal(ngi_graph_reach_find(&f.graph, &f.memory.mem, &query, &reach), NG_OK);
    assert_int_equal(reach.count, 4);
    expect_order(&reach);
    assert_true(score_of(&reach, 3) == 1 && score_of(&reach, 4) == 1);
    assert_true(score_of(&reach, 5) == 0.25);
    assert_true(score_of(&reach, 1) == 0); /* where paths begin */
    const ngi_graph_path_step *step = ngi_graph_reach_of(&reach, 5);
    assert_int_equal(ngi_graph_reach_path(&f.graph, &reach, step, edges), 3);
    assert_int_equal(edges[0].id, weak);
    assert_int_equal(edges[1].id, third);
    assert_int_equal(edges[2].id, last);
    assert_int_equal(ngi_graph_remove(&f.graph, third), NG_OK);
    assert_int_equal(ngi_graph_reach_path(&f.graph, &reach, step, edges), 0); /* gone */
    ngi_graph_reach_release(&f.memory.mem, &reach);
    query.max_hops = 4;
    assert_int_equal(ngi_graph_reach_find(&f.graph, &f.memory.mem, &query, &reach), NG_OK);
    assert_int_equal(reach.count, 2);
    ngi_graph_reach_release(&f.memory.mem, &reach);
    fixture_close(&f);
}

static void test_decay_and_fewest_hops_of_equals(void **state)
{
    fixture f;
    ngi_graph_reach reach;
    (void)state;
    fixture_open(&f);
    put(&f, 1, 2, 1);
    put(&f, 2, 3, 1);
    put(&f, 1, 3, 0.5f);
    put(&f, 3, 1, 1); /* back to the beginning */
    ngi_graph_reach_query query = from_one(6);
    query.decay = 0.5;
    assert_int_equal(ngi_graph_reach_find(&f.graph, &f.memory.mem, &query, &reach), NG_OK);
    assert_int_equal(reach.count, 2);
    assert_true(score_of(&reach, 3) == 0.5);
    assert_int_equal(ngi_graph_reach_of(&reach, 3)->hops, 1);
    ngi_graph_reach_release(&f.memory.mem, &reach);
    assert_null(ngi_graph_reach_of(&reach, 3)); /* nothing is there any more */
    fixture_close(&f);
}

/* The best `max_tokens` are those that would have been the first of all. */
static void test_bounded_by_tokens(void **state)
{
    fixture f;
    ngi_graph_reach all, few;
    (void)state;
    fixture_open(&f);
    for (uint32_t slot = 2; slot < 300; slot++)
        put(&f, slot % 3 == 0 ? slot / 3 + 1 : 1, slot, (float)(slot % 17 + 1) / 20);
    ngi_graph_reach_query query = from_one(6);
    assert_int_equal(ngi_graph_reach_find(&f.graph, &f.memory.mem, &query, &all), NG_OK);
    assert_false(all.is_cut);
    expect_order(&all);
    for (uint32_t most = 1; most <= all.count; most += 13) {
        query.max_tokens = most;
        assert_int_equal(ngi_graph_reach_find(&f.graph, &f.memory.mem, &query, &few), NG_OK);
        assert_int_equal(few.count, most);
        assert_true(few.is_cut == (most < all.count));
        for (size_t i = 0; i < most; i++)
            assert_int_equal(few.steps[few.best[i]].slot, all.steps[all.best[i]].slot);
        ngi_graph_reach_release(&f.memory.mem, &few);
    }
    ngi_graph_reach_release(&f.memory.mem, &all);
    fixture_close(&f);
}

static bool go_on(void *context)
{
    unsigned *left = context;
    return (*left)-- > 0;
}

static void test_pauses(void **state)
{
    fixture f;
    ngi_graph_reach all, paused;
    (void)state;
    fixture_open(&f);
    for (uint32_t slot = 2; slot <= 100; slot++)
        put(&f, 1, slot, 0.5f);
    for (uint32_t i = 0; i < 30000; i++)
        put(&f, i % 99 + 2, i % 1999 + 200, 0.5f);
    ngi_graph_reach_query query = from_one(3);
    query.max_tokens = 10000;
    assert_int_equal(ngi_graph_reach_find(&f.graph, &f.memory.mem, &query, &all), NG_OK);
    unsigned left = 1000;
    query.go_on = go_on;
    query.context = &left;
    assert_int_equal(ngi_graph_reach_find(&f.graph, &f.memory.mem, &query, &paused), NG_OK);
    assert_in_range(left, 980, 998); /* it did pause */
    assert_int_equal(paused.count, all.count);
    assert_memory_equal(paused.best, all.best, all.count * sizeof *all.best);
    ngi_graph_reach_release(&f.memory.mem, &paused);
    left = 0;
    assert_int_equal(ngi_graph_reach_find(&f.graph, &f.memory.mem, &query, &paused), NG_OK);
    assert_true(paused.is_stopped);
    assert_true(paused.count < all.count);
    ngi_graph_reach_release(&f.memory.mem, &paused);
    ngi_graph_reach_release(&f.memory.mem, &all);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_weaker_path_leads_farther),
        cmocka_unit_test(test_decay_and_fewest_hops_of_equals),
        cmocka_unit_test(test_bounded_by_tokens),
        cmocka_unit_test(test_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
