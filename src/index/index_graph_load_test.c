/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Bulk loading of connections: the same as one put at a time, and what a damaged or hostile state
 * must not do. */
#include "index/index_graph.h"
#include "os/os_testing.h"

#define SLOTS 5000u

static void expect_ok(ng_status status)
{
    if (status != NG_OK)
        fail_msg("%s", ng_last_error());
}

typedef struct graph_fixture {
    testing_memory memory;
    ngi_graph graph;
} graph_fixture;

static void graph_open(graph_fixture *f, uint32_t max_slots, uint32_t max_connections)
{
    testing_memory_init(&f->memory);
    expect_ok(ngi_graph_init(&f->graph, &f->memory.os, &f->memory.mem, max_slots, max_connections));
}

static void graph_close(graph_fixture *f)
{
    ngi_graph_release(&f->graph);
    testing_memory_check(&f->memory);
}

static ng_connection *graph_records(graph_fixture *f)
{
    return (ng_connection *)(void *)f->graph.records.base;
}

static void test_equal_to_puts(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    for (uint32_t count = 0; count < 20000; count = count * 3 + 1) {
        graph_fixture put, loaded;
        uint32_t slots = 2 + count / 4;
        graph_open(&put, SLOTS, 20000);
        graph_open(&loaded, SLOTS, 20000);
        expect_ok(ngi_table_reserve(&loaded.graph.records, count + 1));
        uint32_t id_end = 1;
        for (uint32_t id = 1; id <= count; id++) {
            uint32_t source = 1 + testing_below(&seed, slots);
            uint32_t target = 1 + testing_below(&seed, 1 + testing_below(&seed, slots));
            if (source == target)
                continue; /* a gap */
            ng_connection record = {.source = source, .target = target, .type = (uint8_t)id};
            expect_ok(ngi_graph_reserve(&put.graph, id, slots));
            expect_ok(ngi_graph_put(&put.graph, id, &record));
            graph_records(&loaded)[id] = record;
            id_end = id + 1;
        }
        expect_ok(ngi_graph_rebuild(&loaded.graph, id_end, slots + 1));
        expect_ok(ngi_graph_check(&loaded.graph));
        assert_int_equal(loaded.graph.count, put.graph.count);
        assert_int_equal(loaded.graph.id_end, put.graph.id_end);
        if (id_end > 1) {
            assert_memory_equal(loaded.graph.links.base, put.graph.links.base,
                                id_end * sizeof(ngi_graph_links));
            assert_memory_equal(loaded.graph.nodes.base, put.graph.nodes.base,
                                (slots + 1) * sizeof(ngi_graph_node));
        }
        expect_ok(ngi_graph_rebuild(&loaded.graph, id_end, slots + 1)); /* twice is the same */
        expect_ok(ngi_graph_check(&loaded.graph));
        for (uint32_t id = 1; id < id_end; id++)
            if (ngi_graph_get(&loaded.graph, id) != NULL)
                expect_ok(ngi_graph_remove(&loaded.graph, id));
        assert_int_equal(loaded.graph.count, 0);
        expect_ok(ngi_graph_check(&loaded.graph));
        graph_close(&put);
        graph_close(&loaded);
    }
}

static void expect_corrupt(uint32_t source, uint32_t target, const char *message)
{
    graph_fixture f;
    graph_open(&f, 200, 200);
    expect_ok(ngi_table_reserve(&f.graph.records, 100));
    for (uint32_t id = 1; id < 60; id++)
        graph_records(&f)[id] = (ng_connection){.source = 1 + id % 7, .target = 8 + id % 9};
    graph_records(&f)[50].source = source;
    graph_records(&f)[50].target = target;
    assert_int_equal(ngi_graph_rebuild(&f.graph, 60, 100), NG_E_CORRUPT);
    assert_string_equal(ng_last_error(), message);
    assert_int_equal(f.graph.count, 0);
    assert_int_equal(f.graph.id_end, 1);
    expect_ok(ngi_graph_check(&f.graph)); /* nothing is in a list */
    graph_close(&f);
}

static void test_refused(void **state)
{
    (void)state;
    expect_corrupt(1, 1, "connection 50 from 1 to 1: ends are not two of tokens 1..99");
    expect_corrupt(0, 5, "connection 50 from 0 to 5: ends are not two of tokens 1..99");
    expect_corrupt(5, 0, "connection 50 from 5 to 0: ends are not two of tokens 1..99");
    expect_corrupt(100, 5, "connection 50 from 100 to 5: ends are not two of tokens 1..99");
    expect_corrupt(5, UINT32_MAX,
                   "connection 50 from 5 to 4294967295: ends are not two of tokens 1..99");
    expect_corrupt(UINT32_MAX, UINT32_MAX - 1,
                   "connection 50 from 4294967295 to 4294967294: ends are not two of tokens 1..99");
    graph_fixture f;
    graph_open(&f, 10, 10);
    assert_int_equal(ngi_graph_rebuild(&f.graph, 0, 1), NG_E_CORRUPT);
    assert_int_equal(ngi_graph_rebuild(&f.graph, 1, 0), NG_E_CORRUPT);
    assert_int_equal(ngi_graph_rebuild(&f.graph, UINT32_MAX, 1), NG_E_CORRUPT);
    assert_int_equal(ngi_graph_rebuild(&f.graph, 1, UINT32_MAX), NG_E_LIMIT);
    expect_ok(ngi_graph_rebuild(&f.graph, 1, 1));
    expect_ok(ngi_graph_check(&f.graph));
    graph_close(&f);
}

static void test_memory_fails(void **state)
{
    (void)state;
    for (size_t fail_at = 1;; fail_at++) {
        graph_fixture f;
        graph_open(&f, SLOTS, SLOTS);
        expect_ok(ngi_table_reserve(&f.graph.records, 10));
        graph_records(&f)[3] = (ng_connection){.source = 1, .target = 2};
        f.memory.fail_at = f.memory.request_count + fail_at;
        ng_status status = ngi_graph_rebuild(&f.graph, 4, 3);
        if (status != NG_OK) {
            assert_int_equal(status, NG_E_NOMEM);
            f.memory.fail_at = 0;
            expect_ok(ngi_graph_rebuild(&f.graph, 4, 3));
        }
        expect_ok(ngi_graph_check(&f.graph));
        assert_int_equal(ngi_graph_find(&f.graph, 1, 2, 0), 3);
        graph_close(&f);
        if (status == NG_OK) {
            assert_int_equal(fail_at, 3);
            break;
        }
    }
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
