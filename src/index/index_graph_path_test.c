/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Paths: validity and length against a naive breadth-first search on random graphs. */
#include "index/index_graph.h"
#include "os/os_testing.h"

#include "base/base_limits.h"

#define NODES_MAX 400u

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

static uint32_t put(fixture *f, uint32_t source, uint32_t target, uint8_t type, uint8_t flags)
{
    ng_connection record = {.source = source, .target = target, .type = type, .flags = flags};
    uint32_t id = ++f->last_id;
    assert_int_equal(ngi_graph_reserve(&f->graph, id, source > target ? source : target), NG_OK);
    assert_int_equal(ngi_graph_put(&f->graph, id, &record), NG_OK);
    return id;
}

/* The slot that an edge leads to under the options, or 0. */
static uint32_t step_over(const ng_connection *edge, uint32_t slot, const ng_path_options *options)
{
    unsigned direction = options->direction == 0 ? NG_OUTGOING : (unsigned)options->direction;
    const uint64_t *types = options->types.bits;
    bool both = edge->flags & NG_CONNECTION_BIDIRECTIONAL;
    if ((types[0] | types[1] | types[2] | types[3]) != 0 &&
        !(types[edge->type / 64] >> (edge->type % 64) & 1))
        return 0;
    if (edge->source == slot && (direction & NG_OUTGOING || both))
        return edge->target;
    if (edge->target == slot && (direction & NG_INCOMING || both))
        return edge->source;
    return 0;
}

/* Hops from `from` to every slot by repeated passes over all connections; UINT32_MAX = none. */
static void naive_hops(const ngi_graph *graph, uint32_t from, const ng_path_options *options,
                       uint32_t hops[NODES_MAX + 1])
{
    memset(hops, 0xFF, (NODES_MAX + 1) * sizeof *hops);
    hops[from] = 0;
    bool changed = true;
    for (uint32_t level = 0; changed; level++) {
        changed = false;
        for (uint32_t id = 1; id < graph->id_end; id++) {
            const ng_connection *edge = ngi_graph_get(graph, id);
            if (edge == NULL)
                continue;
            uint32_t ends[2] = {edge->source, edge->target};
            for (int i = 0; i < 2; i++) {
                uint32_t next = hops[ends[i]] == level ? step_over(edge, ends[i], options) : 0;
                if (next != 0 && hops[next] == UINT32_MAX) {
                    hops[next] = level + 1;
                    changed = true;
                }
            }
        }
    }
}

static void expect_walk(const ngi_graph *graph, uint32_t from, uint32_t to,
                        const ng_path_options *options, const ng_edge *edges, size_t count)
{
    uint32_t slot = from;
    for (size_t i = 0; i < count; i++) {
        const ng_connection *record = ngi_graph_get(graph, (uint32_t)edges[i].id);
        assert_non_null(record);
        assert_true(edges[i].source == record->source && edges[i].target == record->target);
        assert_true(edges[i].type == record->type && edges[i].flags == record->flags);
        slot = step_over(record, slot, options);
        assert_int_not_equal(slot, 0);
    }
    assert_int_equal(slot, to);
}

static void compare_one(fixture *f, uint32_t from, uint32_t to, const ng_path_options *options)
{
    static uint32_t hops[NODES_MAX + 1];
    static ng_edge edges[NODES_MAX], again[NODES_MAX];
    naive_hops(&f->graph, from, options, hops);
    uint32_t limit = options->max_hops == 0 ? 32 : options->max_hops;
    size_t count = 99;
    memset(edges, 0, sizeof edges);
    ng_status status =
        ngi_graph_path(&f->graph, &f->memory.mem,
                       &(const ngi_graph_path_query){.from = from, .to = to, .options = options},
                       edges, NODES_MAX, &count);
    if (hops[to] > limit) {
        assert_int_equal(status, NG_E_NOT_FOUND);
        assert_int_equal(count, 0);
        return;
    }
    assert_int_equal(status, NG_OK);
    assert_int_equal(count, hops[to]);
    expect_walk(&f->graph, from, to, options, edges, count);
    /* The same call gives the same path, and a short array its beginning. */
    memset(again, 0, sizeof again);
    size_t room = count / 2;
    assert_int_equal(
        ngi_graph_path(&f->graph, &f->memory.mem,
                       &(const ngi_graph_path_query){.from = from, .to = to, .options = options},
                       again, room, &count),
        NG_OK);
    assert_int_equal(count, hops[to]);
    assert_memory_equal(edges, again, room * sizeof *edges);
    assert_int_equal(again[room].id, 0);
}

static void random_graph(fixture *f, uint32_t nodes, uint32_t links, uint64_t *seed)
{
    while (f->last_id < links) {
        uint32_t source = 1 + testing_below(seed, nodes), target = 1 + testing_below(seed, nodes);
        if (testing_below(seed, 3) == 0)
            target = source % nodes + 1; /* a ring, so that long paths exist */
        if (source != target)
            put(f, source, target, (uint8_t)(testing_below(seed, 4) * 58),
                testing_below(seed, 5) == 0 ? NG_CONNECTION_BIDIRECTIONAL : 0);
    }
    for (uint32_t id = 1; id < links; id += 9)
        assert_int_equal(ngi_graph_remove(&f->graph, id), NG_OK);
}

static void test_against_naive(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    for (int round = 0; round < 40; round++) {
        fixture f;
        fixture_open(&f);
        uint32_t nodes = 2 + testing_below(&seed, round % 4 == 0 ? 10 : NODES_MAX - 2);
        random_graph(&f, nodes, nodes * (1 + testing_below(&seed, 4)), &seed);
        for (int i = 0; i < 60; i++) {
            ng_path_options options = {.direction = (ng_direction)testing_below(&seed, 4),
                                       .max_hops = testing_below(&seed, 2) == 0
                                                       ? 0
                                                       : 1 + testing_below(&seed, 12)};
            if (testing_below(&seed, 3) == 0)
                options.types.bits[0] = UINT64_C(1) << 0 | UINT64_C(1) << 58;
            compare_one(&f, 1 + testing_below(&seed, nodes), 1 + testing_below(&seed, nodes),
                        &options);
        }
        fixture_close(&f);
    }
}

static void test_self_and_nowhere(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    size_t count = 9;
    ng_edge edge = {.id = 77};
    assert_int_equal(
        ngi_graph_path(&f.graph, &f.memory.mem,
                       &(const ngi_graph_path_query){.from = 5, .to = 5, .options = NULL}, &edge, 1,
                       &count),
        NG_OK);
    assert_int_equal(count, 0);
    assert_int_equal(
        ngi_graph_path(&f.graph, &f.memory.mem,
                       &(const ngi_graph_path_query){.from = 5, .to = 6, .options = NULL}, &edge, 1,
                       &count),
        NG_E_NOT_FOUND);
    assert_string_equal(ng_last_error(), "no path from token 5 to token 6 within 32 hops");
    put(&f, 1, 2, 0, 0);
    assert_int_equal(
        ngi_graph_path(&f.graph, &f.memory.mem,
                       &(const ngi_graph_path_query){.from = 2, .to = 1, .options = NULL}, &edge, 1,
                       &count),
        NG_E_NOT_FOUND);
    assert_int_equal(edge.id, 77);
    fixture_close(&f);
}

static void test_direction_and_bidirectional(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    put(&f, 1, 2, 0, 0);
    put(&f, 3, 2, 0, NG_CONNECTION_BIDIRECTIONAL);
    put(&f, 3, 4, 0, 0);
    ng_edge out[4];
    size_t count;
    assert_int_equal(
        ngi_graph_path(&f.graph, &f.memory.mem,
                       &(const ngi_graph_path_query){.from = 1, .to = 4, .options = NULL}, out, 4,
                       &count),
        NG_OK);
    assert_int_equal(count, 3);
    assert_true(out[1].id == 2 && out[1].source == 3 && out[1].target == 2); /* as stored */
    ng_path_options options = {.direction = NG_INCOMING};
    assert_int_equal(
        ngi_graph_path(&f.graph, &f.memory.mem,
                       &(const ngi_graph_path_query){.from = 1, .to = 4, .options = &options}, out,
                       4, &count),
        NG_E_NOT_FOUND);
    assert_int_equal(
        ngi_graph_path(&f.graph, &f.memory.mem,
                       &(const ngi_graph_path_query){.from = 4, .to = 1, .options = &options}, out,
                       4, &count),
        NG_OK);
    assert_int_equal(count, 3);
    options.direction = NG_BOTH;
    assert_int_equal(
        ngi_graph_path(&f.graph, &f.memory.mem,
                       &(const ngi_graph_path_query){.from = 4, .to = 1, .options = &options}, out,
                       4, &count),
        NG_OK);
    fixture_close(&f);
}

static void test_hops(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    for (uint32_t slot = 1; slot <= 1100; slot++)
        put(&f, slot, slot + 1, 0, 0);
    static ng_edge out[1100];
    size_t count;
    ng_path_options options = {0};
    static const struct {
        uint32_t max_hops, to;
        ng_status status;
    } cases[] = {{0, 33, NG_OK},         {0, 34, NG_E_NOT_FOUND}, {1, 2, NG_OK},
                 {1, 3, NG_E_NOT_FOUND}, {1024, 1025, NG_OK},     {1024, 1026, NG_E_NOT_FOUND},
                 {2, 3, NG_OK},          {3, 4, NG_OK},           {4, 6, NG_E_NOT_FOUND}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options.max_hops = cases[i].max_hops;
        assert_int_equal(ngi_graph_path(&f.graph, &f.memory.mem,
                                        &(const ngi_graph_path_query){.from = 1,
                                                                      .to = cases[i].to,
                                                                      .options = &options},
                                        out, 1100, &count),
                         cases[i].status);
        assert_int_equal(count, cases[i].status == NG_OK ? cases[i].to - 1 : 0);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(out[k].id, k + 1);
    }
    options.max_hops = NGI_PATH_HOPS_MAX + 1;
    assert_int_equal(
        ngi_graph_path(&f.graph, &f.memory.mem,
                       &(const ngi_graph_path_query){.from = 1, .to = 2, .options = &options}, out,
                       4, &count),
        NG_E_INVALID);
    assert_string_equal(ng_last_error(), "max_hops 1025 is outside 1..1024");
    options = (ng_path_options){.direction = (ng_direction)4};
    assert_int_equal(
        ngi_graph_path(&f.graph, &f.memory.mem,
                       &(const ngi_graph_path_query){.from = 1, .to = 2, .options = &options}, out,
                       4, &count),
        NG_E_INVALID);
    fixture_close(&f);
}

/* Among several shortest paths the newest connections win, whatever else is in the store. */
static void test_same_path_every_time(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    for (uint32_t middle = 10; middle < 20; middle++) {
        put(&f, 1, middle, 0, 0);
        put(&f, middle, 2, 0, 0);
    }
    ng_edge out[2];
    size_t count;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(
            ngi_graph_path(&f.graph, &f.memory.mem,
                           &(const ngi_graph_path_query){.from = 1, .to = 2, .options = NULL}, out,
                           2, &count),
            NG_OK);
        assert_int_equal(count, 2);
        assert_true(out[0].id == 19 && out[1].id == 20);
        put(&f, 500 + (uint32_t)round, 1, 0, 0);
    }
    fixture_close(&f);
}

/* What happens while the search lets go of the lock. */
typedef struct pause {
    fixture *f;
    uint32_t removed; /* connection, 0 = none */
    bool adds;        /* a connection elsewhere */
    uint32_t count;
} pause;

static void pause_once(void *context)
{
    pause *p = context;
    if (p->count++ > 0)
        return;
    if (p->removed != 0)
        assert_int_equal(ngi_graph_remove(&p->f->graph, p->removed), NG_OK);
    if (p->adds)
        put(p->f, 70001, 70002, 0, 0);
}

/* 1 -> many leaves, of which the first alone leads on -> 50001 -> 2. */
static void test_a_graph_that_changes_in_a_pause(void **state)
{
    (void)state;
    static const struct {
        uint32_t removed; /* 1: known already, 5001: not yet, as ids are given below */
        bool adds;
        ng_status status;
    } cases[] = {{0, false, NG_OK},
                 {0, true, NG_OK},
                 {1, false, NG_E_BUSY},
                 {5001, false, NG_E_BUSY},
                 {3000, false, NG_OK}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        fixture_open(&f);
        for (uint32_t leaf = 10; leaf < 5010; leaf++)
            put(&f, 1, leaf, 0, 0);
        put(&f, 10, 50001, 0, 0);
        put(&f, 50001, 2, 0, 0);
        pause p = {.f = &f, .removed = cases[i].removed, .adds = cases[i].adds};
        ngi_graph_path_query query = {.from = 1, .to = 2, .pause = pause_once, .context = &p};
        /* So that the start is the narrower side, and is walked first. */
        for (uint32_t gate = 60000; gate < 60010; gate++)
            put(&f, gate, 2, 0, 0);
        ng_edge out[3];
        size_t count = 9;
        assert_int_equal(ngi_graph_path(&f.graph, &f.memory.mem, &query, out, 3, &count),
                         cases[i].status);
        assert_true(p.count > 0);
        assert_int_equal(count, cases[i].status == NG_OK ? 3 : 0);
        if (count == 3)
            assert_true(out[0].id == 1 && out[1].id == 5001 && out[2].id == 5002);
        /* Without pauses the answer is that of the graph as it is now. */
        query.pause = NULL;
        ng_status now = cases[i].status == NG_OK ? NG_OK : NG_E_NOT_FOUND;
        assert_int_equal(ngi_graph_path(&f.graph, &f.memory.mem, &query, out, 3, &count), now);
        fixture_close(&f);
    }
}

/* A star of 50,000 tokens: many visited ones, and every request for memory may fail. */
static void test_memory_fails(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    for (uint32_t leaf = 10; leaf < 50010; leaf++)
        put(&f, 1, leaf, 0, 0);
    for (uint32_t leaf = 60000; leaf < 60500; leaf++)
        put(&f, leaf, 2, 0, 0);
    put(&f, 30000, 60250, 0, 0);
    size_t used = atomic_load(&f.memory.mem.used_bytes), failures = 0;
    for (;; failures++) {
        f.memory.request_count = 0;
        f.memory.fail_at = failures + 1;
        ng_edge out[3];
        size_t count = 9;
        ng_status status =
            ngi_graph_path(&f.graph, &f.memory.mem,
                           &(const ngi_graph_path_query){.from = 1, .to = 2, .options = NULL}, out,
                           3, &count);
        assert_int_equal(atomic_load(&f.memory.mem.used_bytes), used);
        if (status == NG_OK) {
            assert_int_equal(count, 3);
            assert_true(out[1].source == 30000 && out[1].target == 60250);
            break;
        }
        assert_int_equal(status, NG_E_NOMEM);
        assert_int_equal(count, 0);
    }
    assert_true(failures > 10);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_naive),
        cmocka_unit_test(test_self_and_nowhere),
        cmocka_unit_test(test_direction_and_bidirectional),
        cmocka_unit_test(test_hops),
        cmocka_unit_test(test_same_path_every_time),
        cmocka_unit_test(test_a_graph_that_changes_in_a_pause),
        cmocka_unit_test(test_memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
