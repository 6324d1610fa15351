/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The graph's lists against naive ones, its check against damage, and memory that runs out. */
#include "index/index_graph.h"
#include "os/os_testing.h"

#define SLOTS 60u
#define LINKS 4000u

typedef struct fixture {
    testing_memory memory;
    ngi_graph graph;
} fixture;

static void fixture_open(fixture *f, uint32_t max_slots, uint32_t max_connections)
{
    testing_memory_init(&f->memory);
    assert_int_equal(ngi_graph_init(&f->graph, &f->memory.os, &f->memory.mem, max_slots,
                                    max_connections),
                     NG_OK);
}

static void fixture_close(fixture *f)
{
    ngi_graph_release(&f->graph);
    testing_memory_check(&f->memory);
}

static ng_connection connection(uint32_t source, uint32_t target, uint8_t type)
{
    return (ng_connection){.source = source,
                           .target = target,
                           .type = type,
                           .flags = NG_CONNECTION_ACTIVE,
                           .preferred_distance = 1.0f};
}

static void put(fixture *f, uint32_t id, uint32_t source, uint32_t target, uint8_t type)
{
    ng_connection record = connection(source, target, type);
    assert_int_equal(ngi_graph_reserve(&f->graph, id, source > target ? source : target), NG_OK);
    assert_int_equal(ngi_graph_put(&f->graph, id, &record), NG_OK);
}

static void expect_ok(const ngi_graph *graph)
{
    if (ngi_graph_check(graph) != NG_OK)
        fail_msg("%s", ng_last_error());
}

static size_t edges_of(const ngi_graph *graph, uint32_t slot, ng_direction direction,
                       const ng_type_set *types, ng_edge *out, size_t capacity)
{
    ng_edge_options options = {.struct_size = sizeof options, .direction = direction};
    if (types != NULL)
        options.types = *types;
    return ngi_graph_edges(graph, slot, &options, out, capacity);
}

static void test_empty(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, SLOTS, LINKS);
    ng_edge edge;
    assert_null(ngi_graph_get(&f.graph, 0));
    assert_null(ngi_graph_get(&f.graph, 1));
    assert_null(ngi_graph_get(&f.graph, UINT32_MAX));
    assert_int_equal(ngi_graph_node_of(&f.graph, UINT32_MAX).out_degree, 0);
    ngi_graph_fetch_record(&f.graph, UINT64_MAX); /* no more than hints, whatever they name */
    ngi_graph_fetch_heads(&f.graph, 1, UINT32_MAX);
    ngi_graph_fetch_lists(&f.graph, 1, UINT32_MAX);
    assert_int_equal(ngi_graph_find(&f.graph, 1, 2, 0), 0);
    assert_int_equal(edges_of(&f.graph, 1, NG_BOTH, NULL, &edge, 1), 0);
    assert_int_equal(ngi_graph_between(&f.graph, 1, 2, &edge, 1), 0);
    ng_memory_use records, links, heads;
    ngi_graph_memory(&f.graph, &records, &links, &heads);
    assert_int_equal(records.bytes + links.bytes + heads.bytes, 0);
    expect_ok(&f.graph);
    fixture_close(&f);
    ngi_graph_release(&f.graph);
}

static void test_order_and_filters(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, SLOTS, LINKS);
    put(&f, 1, 1, 2, 0x02);
    put(&f, 2, 2, 1, 0xAF);
    put(&f, 3, 1, 3, 0x02);
    put(&f, 4, 1, 2, 0xAF);
    ng_edge out[8];
    memset(out, 0, sizeof out);
    assert_int_equal(edges_of(&f.graph, 1, NG_BOTH, NULL, out, 8), 4);
    static const ng_connection_id newest_first[4] = {4, 3, 1, 2}; /* outgoing, then incoming */
    for (int i = 0; i < 4; i++)
        assert_int_equal(out[i].id, newest_first[i]);
    assert_true(out[3].source == 2 && out[3].target == 1 && out[3].type == 0xAF);
    assert_int_equal(out[3].flags, NG_CONNECTION_ACTIVE);
    ng_type_set types = {{UINT64_C(1) << 2, 0, 0, 0}}, none = {{0}};
    assert_int_equal(edges_of(&f.graph, 1, NG_OUTGOING, &types, out, 8), 2);
    assert_int_equal(edges_of(&f.graph, 1, NG_OUTGOING, &none, out, 8), 3);
    types = (ng_type_set){{0, 0, UINT64_C(1) << 47, 0}};
    assert_int_equal(edges_of(&f.graph, 1, NG_BOTH, &types, out, 8), 2);
    assert_int_equal(edges_of(&f.graph, 1, NG_INCOMING, &types, out, 8), 1);
    memset(out, 0, sizeof out);
    assert_int_equal(edges_of(&f.graph, 1, NG_BOTH, NULL, out, 2), 4);
    assert_true(out[1].id == 3 && out[2].id == 0);
    assert_int_equal(edges_of(&f.graph, 1, NG_BOTH, NULL, NULL, 0), 4);
    assert_int_equal(ngi_graph_between(&f.graph, 2, 1, out, 8), 3);
    assert_true(out[0].id == 2 && out[1].id == 4 && out[2].id == 1);
    assert_int_equal(ngi_graph_between(&f.graph, 1, 2, out, 1), 3);
    assert_int_equal(out[0].id, 4);
    assert_int_equal(ngi_graph_between(&f.graph, 1, 1, out, 8), 0);
    fixture_close(&f);
}

static void test_replace(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, SLOTS, LINKS);
    put(&f, 5, 1, 2, 0x02);
    put(&f, 6, 1, 2, 0x03);
    ng_connection changed = connection(1, 2, 0x02);
    changed.confidence = 77;
    assert_int_equal(ngi_graph_put(&f.graph, 5, &changed), NG_OK);
    assert_int_equal(ngi_graph_get(&f.graph, 5)->confidence, 77);
    assert_int_equal(f.graph.count, 2);
    ng_edge out[2];
    assert_int_equal(edges_of(&f.graph, 1, NG_OUTGOING, NULL, out, 2), 2);
    assert_true(out[0].id == 6 && out[1].id == 5); /* changing is not making: the order stays */
    assert_null(ngi_graph_get(&f.graph, 4));
    expect_ok(&f.graph);
    fixture_close(&f);
}

/* The twin: all records, and the order in which they were put. */
typedef struct twin {
    ng_connection records[LINKS + 1];
    uint32_t order[LINKS];
    uint32_t count; /* of order, removed ones included */
} twin;

static size_t twin_edges(const twin *t, uint32_t slot, ng_direction direction, ng_edge *out)
{
    size_t count = 0;
    for (int incoming = 0; incoming < 2; incoming++)
        for (uint32_t i = t->count; i-- > 0;) {
            const ng_connection *record = &t->records[t->order[i]];
            if (record->source != 0 && (incoming ? record->target : record->source) == slot &&
                direction & (incoming ? NG_INCOMING : NG_OUTGOING))
                out[count++] = (ng_edge){.id = t->order[i],
                                         .source = record->source,
                                         .target = record->target,
                                         .type = record->type,
                                         .flags = record->flags};
        }
    return count;
}

static void expect_edges(const ng_edge *got, const ng_edge *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(got[i].id, wanted[i].id);
        assert_int_equal(got[i].source, wanted[i].source);
        assert_int_equal(got[i].target, wanted[i].target);
        assert_int_equal(got[i].type, wanted[i].type);
        assert_int_equal(got[i].flags, wanted[i].flags);
    }
}

static void compare_slot(const ngi_graph *graph, const twin *t, uint32_t slot, uint64_t *seed)
{
    static ng_edge got[LINKS], wanted[LINKS];
    for (int direction = 1; direction <= 3; direction++) {
        size_t count = twin_edges(t, slot, (ng_direction)direction, wanted);
        assert_int_equal(edges_of(graph, slot, (ng_direction)direction, NULL, got, LINKS), count);
        expect_edges(got, wanted, count);
        if (direction == 1)
            assert_int_equal(ngi_graph_node_of(graph, slot).out_degree, count);
        if (direction == 2)
            assert_int_equal(ngi_graph_node_of(graph, slot).in_degree, count);
    }
    uint32_t other = 1 + testing_below(seed, SLOTS);
    size_t count = 0, all = twin_edges(t, slot, NG_BOTH, wanted);
    for (size_t i = 0; i < all; i++) {
        if (wanted[i].source == other || wanted[i].target == other)
            wanted[count++] = wanted[i];
    }
    if (other == slot)
        count = 0;
    assert_int_equal(ngi_graph_between(graph, slot, other, got, LINKS), count);
    expect_edges(got, wanted, count);
    for (int type = 0; type < 4; type++) {
        uint32_t expected = 0;
        for (uint32_t i = 0; i < t->count; i++) {
            const ng_connection *record = &t->records[t->order[i]];
            if (record->source == slot && record->target == other && record->type == type)
                expected = t->order[i];
        }
        assert_int_equal(ngi_graph_find(graph, slot, other, (uint8_t)type), expected);
    }
}

static void test_against_twin(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, SLOTS, LINKS);
    twin *t = calloc(1, sizeof *t);
    uint64_t seed = testing_seed(__func__);
    uint32_t live = 0;
    for (int step = 0; t->count < LINKS; step++) {
        uint32_t roll = testing_below(&seed, 100), removals = t->count / 500 % 2 ? 60 : 25;
        uint32_t id = t->count == 0 ? 0 : 1 + testing_below(&seed, t->count);
        if (roll < removals && id != 0 && t->records[id].source != 0) {
            assert_int_equal(ngi_graph_remove(&f.graph, id), NG_OK);
            t->records[id] = (ng_connection){0};
            live--;
        } else if (roll >= removals) {
            /* Low slots are hubs. */
            uint32_t source = 1 + testing_below(&seed, 1 + testing_below(&seed, SLOTS));
            uint32_t target = 1 + testing_below(&seed, SLOTS);
            uint8_t type = (uint8_t)testing_below(&seed, 4);
            if (source == target || ngi_graph_find(&f.graph, source, target, type) != 0)
                continue;
            id = ++t->count;
            t->order[id - 1] = id;
            put(&f, id, source, target, type);
            t->records[id] = connection(source, target, type);
            live++;
        }
        assert_int_equal(f.graph.count, live);
        compare_slot(&f.graph, t, 1 + testing_below(&seed, SLOTS), &seed);
        if (step % 64 == 0)
            expect_ok(&f.graph);
    }
    for (uint32_t id = 1; id <= t->count; id++) {
        const ng_connection *record = ngi_graph_get(&f.graph, id);
        assert_int_equal(record != NULL, t->records[id].source != 0);
        if (record != NULL) {
            assert_memory_equal(record, &t->records[id], sizeof *record);
            assert_int_equal(ngi_graph_remove(&f.graph, id), NG_OK);
        }
    }
    assert_int_equal(f.graph.count, 0);
    for (uint32_t slot = 0; slot <= SLOTS; slot++)
        assert_int_equal(edges_of(&f.graph, slot, NG_BOTH, NULL, NULL, 0), 0);
    expect_ok(&f.graph);
    free(t);
    fixture_close(&f);
}

static void test_limits(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 10, 10);
    assert_int_equal(ngi_graph_reserve(&f.graph, UINT32_MAX - 1, 1), NG_E_LIMIT);
    assert_int_equal(ngi_graph_reserve(&f.graph, 1, UINT32_MAX - 1), NG_E_LIMIT);
    assert_int_equal(f.graph.node_end, 0);
    put(&f, 10, 10, 9, 175);
    expect_ok(&f.graph);
    assert_int_equal(ngi_graph_find(&f.graph, 10, 9, 175), 10);
    ng_memory_use records, links, heads;
    ngi_graph_memory(&f.graph, &records, &links, &heads);
    assert_true(records.bytes + links.bytes + heads.bytes == atomic_load(&f.memory.mem.used_bytes));
    assert_true(records.items == f.graph.count && records.used_bytes == 64 * f.graph.count);
    fixture_close(&f);
}

static void test_memory_fails(void **state)
{
    (void)state;
    for (size_t fail_at = 1;; fail_at++) {
        fixture f;
        fixture_open(&f, SLOTS, LINKS);
        f.memory.fail_at = fail_at;
        ng_status status = ngi_graph_reserve(&f.graph, 7, 9);
        if (status != NG_OK) {
            assert_int_equal(status, NG_E_NOMEM);
            assert_int_equal(ngi_graph_node_of(&f.graph, 9).out_degree, 0);
            expect_ok(&f.graph);
        }
        put(&f, 7, 9, 1, 0);
        expect_ok(&f.graph);
        fixture_close(&f);
        if (status == NG_OK) {
            assert_int_equal(fail_at, 4);
            break;
        }
    }
}

/* Connections of a transaction that commits late have lower ids than some that are there. */
static void test_late_ids_find_their_place(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    for (int round = 0; round < 50; round++) {
        enum { COUNT = 60 };
        fixture f;
        fixture_open(&f, SLOTS, LINKS);
        uint32_t ids[COUNT] = {0};
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t other = testing_below(&seed, i + 1);
            ids[i] = ids[other];
            ids[other] = 1 + i;
        }
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t source = 1 + testing_below(&seed, 3);
            put(&f, ids[i], source, 4 + testing_below(&seed, 3), 0);
            if (i % 7 == 6)
                assert_int_equal(ngi_graph_remove(&f.graph, ids[testing_below(&seed, i)]), NG_OK);
            expect_ok(&f.graph);
            if (i % 7 == 6)
                break;
        }
        for (uint32_t i = 7; i < COUNT; i++)
            put(&f, ids[i], 1 + testing_below(&seed, 3), 4 + testing_below(&seed, 3), 0);
        expect_ok(&f.graph);
        assert_int_equal(f.graph.count, COUNT - 1);
        ng_edge out[COUNT];
        for (uint32_t slot = 1; slot <= 6; slot++) {
            size_t count = edges_of(&f.graph, slot, NG_BOTH, NULL, out, COUNT);
            for (size_t i = 1; i < count; i++)
                assert_true(out[i].id < out[i - 1].id);
        }
        fixture_close(&f);
    }
}

static void expect_refused(ngi_graph *graph, uint32_t id, uint32_t source, uint32_t target,
                           const char *message)
{
    ng_connection record = connection(source, target, 0);
    uint64_t count = graph->count;
    uint32_t id_end = graph->id_end;
    assert_int_equal(ngi_graph_put(graph, id, &record), NG_E_INTERNAL);
    assert_string_equal(ng_last_error(), message);
    assert_int_equal(graph->count, count);
    assert_int_equal(graph->id_end, id_end);
    expect_ok(graph);
}

static void test_broken_calls_change_nothing(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 100000, 100000);
    expect_refused(&f.graph, 1, 1, 2, "graph: no room was made for connection 1 of 1 and 2");
    put(&f, 3, 1, 2, 0);
    expect_refused(&f.graph, 0, 1, 2, "graph: no room was made for connection 0 of 1 and 2");
    expect_refused(&f.graph, 99999, 1, 2,
                   "graph: no room was made for connection 99999 of 1 and 2");
    expect_refused(&f.graph, 4, 1, 3, "graph: no room was made for connection 4 of 1 and 3");
    expect_refused(&f.graph, 4, 0, 2, "graph: ends 0 and 2 of connection 4");
    expect_refused(&f.graph, 4, 1, 0, "graph: ends 1 and 0 of connection 4");
    expect_refused(&f.graph, 4, 2, 2, "graph: ends 2 and 2 of connection 4");
    expect_refused(&f.graph, 3, 2, 1, "graph: connection 3 has other ends, 1 and 2");
    for (uint32_t id = 0; id < 6; id++) {
        if (id == 3)
            continue;
        assert_int_equal(ngi_graph_remove(&f.graph, id), NG_E_INTERNAL);
        expect_ok(&f.graph);
    }
    assert_int_equal(ngi_graph_remove(&f.graph, UINT32_MAX), NG_E_INTERNAL);
    /* A list that goes round in a circle. */
    put(&f, 5, 1, 2, 0);
    ngi_graph_links *links = (ngi_graph_links *)(void *)f.graph.links.base;
    links[3].next_out = 5;
    ng_connection late = connection(1, 2, 1);
    assert_int_equal(ngi_graph_put(&f.graph, 2, &late), NG_E_INTERNAL);
    assert_string_equal(ng_last_error(), "graph: a list of token 1 does not end");
    assert_null(ngi_graph_get(&f.graph, 2));
    links[3].next_out = 0;
    expect_ok(&f.graph);
    assert_int_equal(ngi_graph_remove(&f.graph, 3), NG_OK);
    assert_int_equal(ngi_graph_remove(&f.graph, 3), NG_E_INTERNAL);
    fixture_close(&f);
}

static void expect_broken(const ngi_graph *graph, const char *message)
{
    assert_int_equal(ngi_graph_check(graph), NG_E_INTERNAL);
    if (strstr(ng_last_error(), message) == NULL)
        fail_msg("\"%s\" does not contain \"%s\"", ng_last_error(), message);
}

static void test_check_sees_damage(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, SLOTS, LINKS);
    for (uint32_t id = 1; id <= 5; id++)
        put(&f, id, 1, id + 1, 0);
    ng_connection *records = (ng_connection *)(void *)f.graph.records.base;
    ngi_graph_links *links = (ngi_graph_links *)(void *)f.graph.links.base;
    ngi_graph_node *nodes = (ngi_graph_node *)(void *)f.graph.nodes.base;
    records[3].source = 2;
    expect_broken(&f.graph, "connection 3 in the outgoing list of token 1 is not its own");
    records[3].source = 0;
    expect_broken(&f.graph, "connection 3");
    records[3].source = 1;
    records[3].target = 6;
    expect_broken(&f.graph, "incoming list of token 4");
    records[3].target = 4;
    nodes[1].out_degree++;
    expect_broken(&f.graph, "outgoing degree of token 1 is 6, its list is shorter");
    nodes[1].out_degree -= 2;
    expect_broken(&f.graph, "its list is longer");
    nodes[1].out_degree++;
    links[1].next_out = 5; /* a cycle */
    expect_broken(&f.graph, "connection 5 has the wrong outgoing predecessor");
    links[5].previous_out = 1; /* a cycle that fits at its seam does not at its entry */
    expect_broken(&f.graph, "connection 5 has the wrong outgoing predecessor");
    links[5].previous_out = 0;
    links[1].next_out = 0;
    links[2].previous_in = 1;
    expect_broken(&f.graph, "connection 2 has the wrong incoming predecessor");
    links[2].previous_in = 0;
    ngi_graph_links kept[4];
    memcpy(kept, links, sizeof kept);
    links[3].next_out = 1; /* a whole list, in the wrong order */
    links[1].previous_out = 3;
    links[1].next_out = 2;
    links[2].previous_out = 1;
    links[2].next_out = 0;
    expect_broken(&f.graph, "connection 2 follows 1 in the outgoing list of token 1");
    memcpy(links, kept, sizeof kept);
    f.graph.count++;
    expect_broken(&f.graph, "6 connections counted, 5 stored");
    f.graph.count--;
    expect_ok(&f.graph);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_order_and_filters),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_against_twin),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_memory_fails),
        cmocka_unit_test(test_late_ids_find_their_place),
        cmocka_unit_test(test_broken_calls_change_nothing),
        cmocka_unit_test(test_check_sees_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
