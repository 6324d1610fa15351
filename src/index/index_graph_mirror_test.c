/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every change of the mirrored tables of the graph is announced, so that views keep what was
 * there. */
#include "index/index_graph.h"
#include "os/os_mirror_testing.h"

#define SLOTS 3000u

static void graph_used(void *index, size_t *elements)
{
    const ngi_graph *graph = index;
    elements[0] = graph->id_end;
    elements[1] = graph->id_end;
    elements[2] = graph->node_end;
}

static void graph_step(void *index, uint64_t *seed)
{
    ngi_graph *graph = index;
    uint32_t id = 1 + testing_below(seed, 2 * SLOTS); /* in any order, so also late ones */
    const ng_connection *old = ngi_graph_get(graph, id);
    if (old != NULL && testing_below(seed, 2) == 0) {
        assert_int_equal(ngi_graph_remove(graph, id), NG_OK);
        return;
    }
    ng_connection record = {.source = 1 + testing_below(seed, 1 + testing_below(seed, SLOTS)),
                            .target = 1 + testing_below(seed, SLOTS)};
    if (old != NULL)
        record = *old;
    if (record.source == record.target)
        return;
    record.origin++;
    uint32_t max_slot = record.source > record.target ? record.source : record.target;
    assert_int_equal(ngi_graph_reserve(graph, id, max_slot), NG_OK);
    assert_int_equal(ngi_graph_put(graph, id, &record), NG_OK);
}

static void test_every_change_is_announced(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_graph graph;
    assert_int_equal(ngi_graph_init(&graph, &memory.os, &memory.mem, SLOTS, 2 * SLOTS), NG_OK);
    ngi_table *const tables[] = {&graph.records, &graph.links, &graph.nodes};
    watch_churn(&graph, tables, 3, graph_used, graph_step, &seed);
    assert_int_equal(ngi_graph_check(&graph), NG_OK);
    ngi_graph_release(&graph);
    testing_memory_check(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_change_is_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
