/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections: creation, conflicts, limits, lists, cascade, paths. */
#include "api_support.h"

#include <math.h>
#include <stdlib.h>

static ng_store *store_of(size_t tokens)
{
    ng_store *store = api_memory_store();
    for (size_t i = 0; i < tokens; i++)
        api_token(store);
    return store;
}

static ng_connection_fields ends(ng_token_id source, ng_token_id target)
{
    return (ng_connection_fields){.struct_size = sizeof(ng_connection_fields),
                                  .source = source,
                                  .target = target};
}

static void test_defaults(void **state)
{
    (void)state;
    ng_store *store = store_of(2);
    ng_connection record;
    ng_connection_id id = 0;
    ng_connection_fields fields = ends(1, 2);
    ASSERT_OK(ng_connection_create(store, &fields, NULL, &id));
    assert_int_equal(id, 1);
    ASSERT_OK(ng_connection_get(store, id, &record));
    assert_int_equal(record.source, 1);
    assert_int_equal(record.target, 2);
    assert_int_equal(record.type, NG_CONNECTION_TYPE_DEFAULT);
    assert_int_equal(record.flags, NG_CONNECTION_ACTIVE);
    assert_int_equal(record.rigidity, 128);
    assert_true(record.pull_strength == 0 && record.preferred_distance == 1);
    assert_int_equal(record.confidence, record.mutability == NG_IMMUTABLE ? 255 : 128);
    assert_int_equal(record.active_levels, 0);
    assert_int_equal(record.origin, 0);
    assert_int_equal(record.activation_count, 0);
    assert_int_equal(record.evidence_count, 0);
    assert_int_equal(record.last_activation, 0);
    assert_true(record.created_at > 1600000000 && record.last_update == record.created_at);
    ng_token_info info;
    ASSERT_OK(ng_token_get(store, 1, &info));
    assert_int_equal(info.out_degree, 1);
    assert_int_equal(info.in_degree, 0);
    assert_int_equal(info.version, 1); /* the token itself did not change */
    ASSERT_OK(ng_token_get(store, 2, &info));
    assert_int_equal(info.in_degree, 1);
    ASSERT_OK(ng_close(store));
}

static void test_null_arguments(void **state)
{
    (void)state;
    ng_store *store = store_of(2);
    ng_connection_fields fields = ends(1, 2);
    ng_connection_id id = 0;
    size_t count;
    ng_edge edge;
    ASSERT_FAILS(ng_connection_create(NULL, &fields, NULL, &id), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_connection_create(store, NULL, NULL, &id), NG_E_INVALID, "fields");
    ASSERT_FAILS(ng_connection_create(store, &fields, NULL, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_connection_get(store, 1, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_connection_delete(NULL, 1, NULL), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_token_connections(store, 1, NULL, NULL, 1, &count), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_token_connections(store, 1, NULL, &edge, 1, NULL), NG_E_INVALID, "count");
    ASSERT_FAILS(ng_connections_between(store, 1, 2, &edge, 1, NULL), NG_E_INVALID, "count");
    ASSERT_FAILS(ng_path_find(store, 1, 2, NULL, &edge, 1, NULL), NG_E_INVALID, "count");
    fields.struct_size = 0;
    ASSERT_FAILS(ng_connection_create(store, &fields, NULL, &id), NG_E_INVALID, "struct_size");
    ng_path_options options = {.struct_size = 3};
    ASSERT_FAILS(ng_path_find(store, 1, 2, &options, &edge, 1, &count), NG_E_INVALID,
                 "struct_size");
    ASSERT_OK(ng_close(store));
}

#define REFUSE(member_, value_, bit_, ...)                                                         \
    do {                                                                                           \
        ng_connection_fields wrong = ends(1, 2);                                                   \
        wrong.set = (bit_);                                                                        \
        wrong.member_ = (value_);                                                                  \
        ASSERT_FAILS(ng_connection_create(store, &wrong, NULL, &id), NG_E_INVALID, __VA_ARGS__);   \
    } while (0)

static void test_values_out_of_range(void **state)
{
    (void)state;
    ng_store *store = store_of(2);
    ng_connection_id id = 0;
    REFUSE(type, 176, NG_CFIELD_TYPE, "type", "176", "0..175");
    REFUSE(mutability, 3, NG_CFIELD_MUTABILITY, "mutability", "3", "0..2");
    REFUSE(rigidity, 1.5f, NG_CFIELD_RIGIDITY, "rigidity", "1.5", "0..1");
    REFUSE(rigidity, NAN, NG_CFIELD_RIGIDITY, "rigidity", "nan");
    REFUSE(pull_strength, 10.5f, NG_CFIELD_PULL, "pull_strength", "10.5", "-10..10");
    REFUSE(pull_strength, -INFINITY, NG_CFIELD_PULL, "pull_strength", "inf");
    REFUSE(pull_strength, NAN, NG_CFIELD_PULL, "pull_strength", "nan");
    REFUSE(preferred_distance, 0, NG_CFIELD_DISTANCE, "preferred_distance", "0", "0.01..100");
    REFUSE(preferred_distance, 100.5f, NG_CFIELD_DISTANCE, "preferred_distance", "100.5");
    REFUSE(preferred_distance, NAN, NG_CFIELD_DISTANCE, "preferred_distance", "nan");
    REFUSE(confidence, -0.1f, NG_CFIELD_CONFIDENCE, "confidence", "-0.1", "0..1");
    REFUSE(confidence, NAN, NG_CFIELD_CONFIDENCE, "confidence", "nan");
    REFUSE(flags, 0, 1u << 20, "set", "100000");
    ng_connection_fields fields = ends(2, 2);
    ASSERT_FAILS(ng_connection_create(store, &fields, NULL, &id), NG_E_INVALID, "token 2",
                 "itself");
    fields = ends(1, 3);
    ASSERT_FAILS(ng_connection_create(store, &fields, NULL, &id), NG_E_NOT_FOUND, "00000003");
    fields = ends(3, 1);
    ASSERT_FAILS(ng_connection_create(store, &fields, NULL, &id), NG_E_NOT_FOUND, "00000003");
    fields = ends(0, 1);
    ASSERT_FAILS(ng_connection_create(store, &fields, NULL, &id), NG_E_INVALID, "0");
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.connection_count, 0);
    ASSERT_OK(ng_close(store));
}

static void test_duplicates(void **state)
{
    (void)state;
    ng_store *store = store_of(3);
    ng_connection_id id = 0;
    ng_connection_fields fields = ends(1, 2);
    assert_int_equal(api_link(store, 2, 3, 1, 1), 1);
    ASSERT_OK(ng_connection_create(store, &fields, NULL, &id));
    assert_int_equal(id, 2);
    ASSERT_FAILS(ng_connection_create(store, &fields, NULL, &id), NG_E_EXISTS, "connection 2",
                 "1 to 2", "AssociatedWith");
    fields = ends(2, 1); /* the other way is another connection */
    ASSERT_OK(ng_connection_create(store, &fields, NULL, &id));
    fields.set = NG_CFIELD_TYPE; /* and so is another type */
    fields.type = 0x51;
    ASSERT_OK(ng_connection_create(store, &fields, NULL, &id));
    assert_int_equal(id, 4);
    ng_edge edges[4];
    size_t count = 0;
    ASSERT_OK(ng_connections_between(store, 1, 2, edges, 4, &count));
    assert_int_equal(count, 3);
    ASSERT_OK(ng_connections_between(store, 2, 1, edges, 1, &count));
    assert_int_equal(count, 3);
    ASSERT_OK(ng_connections_between(store, 1, 3, edges, 4, &count));
    assert_int_equal(count, 0);
    ASSERT_FAILS(ng_connections_between(store, 1, 9, edges, 4, &count), NG_E_NOT_FOUND, "00000009");
    ASSERT_OK(ng_connection_delete(store, 2, NULL));
    fields = ends(1, 2);
    ASSERT_OK(ng_connection_create(store, &fields, NULL, &id));
    assert_int_equal(id, 5); /* ids do not come back */
    ASSERT_OK(ng_close(store));
}

static void test_deletion(void **state)
{
    (void)state;
    ng_store *store = store_of(2);
    ng_connection record;
    ng_connection_id id = api_link(store, 1, 2, 0, 1);
    ASSERT_OK(ng_connection_delete(store, id, NULL));
    ASSERT_FAILS(ng_connection_delete(store, id, NULL), NG_E_NOT_FOUND, "connection 1");
    ASSERT_FAILS(ng_connection_get(store, id, &record), NG_E_NOT_FOUND, "connection 1");
    assert_int_not_equal(ng_connection_get(store, 0, &record), NG_OK);
    assert_int_not_equal(ng_connection_delete(store, 0, NULL), NG_OK);
    ASSERT_FAILS(ng_connection_get(store, UINT64_MAX, &record), NG_E_NOT_FOUND, "connection");
    ASSERT_FAILS(ng_connection_get(store, (1ull << 32) | 1, &record), NG_E_NOT_FOUND, "connection");
    ASSERT_OK(ng_close(store));
}

static void test_batch_is_all_or_none(void **state)
{
    (void)state;
    enum { COUNT = 4096 };
    ng_store *store = store_of(120);
    ng_connection_fields *fields = calloc(COUNT + 1, sizeof *fields);
    ng_connection_id *ids = calloc(COUNT + 1, sizeof *ids);
    assert_non_null(fields);
    assert_non_null(ids);
    for (size_t i = 0; i <= COUNT; i++)
        fields[i] = ends(i % 100 + 1, i % 100 + 2 + i / 100 % 19);
    for (size_t i = 0; i <= COUNT; i++) {
        fields[i].set = NG_CFIELD_TYPE;
        fields[i].type = (uint8_t)(i / 1900);
    }
    ASSERT_FAILS(ng_connection_create_many(store, fields, 0, NULL, ids), NG_E_INVALID, "0");
    ASSERT_FAILS(ng_connection_create_many(store, fields, COUNT + 1, NULL, ids), NG_E_INVALID,
                 "4097", "1..4096");
    fields[COUNT - 1].pull_strength = 99;
    fields[COUNT - 1].set |= NG_CFIELD_PULL;
    ASSERT_FAILS(ng_connection_create_many(store, fields, COUNT, NULL, ids), NG_E_INVALID,
                 "pull_strength");
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.connection_count, 0);
    fields[COUNT - 1].set = NG_CFIELD_TYPE;
    ASSERT_OK(ng_connection_create_many(store, fields, COUNT, NULL, ids));
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(ids[i], i + 1);
    ng_connection_fields twice[2] = {ends(119, 120), ends(119, 120)};
    assert_int_equal(ng_connection_create_many(store, twice, 2, NULL, ids), NG_E_EXISTS);
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.connection_count, COUNT);
    free(fields);
    free(ids);
    ASSERT_OK(ng_close(store));
}

static void test_cascade(void **state)
{
    (void)state;
    ng_store *store = store_of(5);
    for (ng_token_id i = 1; i <= 5; i++) {
        for (ng_token_id k = 1; k <= 5; k++) {
            if (i != k)
                api_link(store, i, k, 0, NG_CONNECTION_ACTIVE);
        }
    }
    ng_info info;
    ng_edge edges[32];
    size_t count = 0;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.connection_count, 20);
    ASSERT_OK(ng_token_delete(store, 3, NULL));
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.connection_count, 12);
    assert_int_equal(info.active_connection_count, 12);
    ASSERT_FAILS(ng_token_connections(store, 3, NULL, edges, 32, &count), NG_E_NOT_FOUND,
                 "00000003");
    for (ng_token_id i = 1; i <= 5; i++) {
        if (i == 3)
            continue;
        ASSERT_OK(ng_token_connections(store, i, NULL, edges, 32, &count));
        assert_int_equal(count, 6);
        for (size_t k = 0; k < count; k++)
            assert_true(edges[k].source != 3 && edges[k].target != 3);
    }
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_int_equal(report.problem_count, 0);
    ASSERT_OK(ng_close(store));
}

static void test_lists(void **state)
{
    (void)state;
    ng_store *store = store_of(4);
    ng_edge edges[8];
    size_t count = 9;
    ASSERT_OK(ng_token_connections(store, 1, NULL, edges, 8, &count));
    assert_int_equal(count, 0);
    api_link(store, 1, 2, 0x10, 1);
    api_link(store, 3, 1, 0x20, 1);
    api_link(store, 1, 3, 0x30, NG_CONNECTION_INHIBITORY);
    api_link(store, 4, 1, 0x10, 1);
    ASSERT_OK(ng_token_connections(store, 1, NULL, edges, 8, &count));
    assert_int_equal(count, 4);
    static const ng_connection_id order[] = {3, 1, 4, 2}; /* outgoing first, newest first */
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(edges[i].id, order[i]);
    assert_int_equal(edges[0].target, 3);
    assert_int_equal(edges[0].flags, NG_CONNECTION_INHIBITORY);
    ng_edge_options options = {.struct_size = sizeof options, .direction = NG_OUTGOING};
    ASSERT_OK(ng_token_connections(store, 1, &options, edges, 8, &count));
    assert_int_equal(count, 2);
    options.direction = NG_INCOMING;
    ASSERT_OK(ng_token_connections(store, 1, &options, edges, 1, &count));
    assert_int_equal(count, 2);
    assert_int_equal(edges[0].id, 4);
    options.direction = (ng_direction)0; /* both */
    options.types = (ng_type_set){{1ull << 0x10, 0, 0, 0}};
    ASSERT_OK(ng_token_connections(store, 1, &options, edges, 8, &count));
    assert_int_equal(count, 2);
    assert_int_equal(edges[0].id, 1);
    assert_int_equal(edges[1].id, 4);
    options.types = (ng_type_set){{0}};
    ASSERT_OK(ng_token_connections(store, 1, &options, NULL, 0, &count));
    assert_int_equal(count, 4);
    options.direction = (ng_direction)4;
    ASSERT_FAILS(ng_token_connections(store, 1, &options, edges, 8, &count), NG_E_INVALID,
                 "direction 4");
    ASSERT_OK(ng_close(store));
}

static void test_constitution_bounds_connections(void **state)
{
    (void)state;
    ng_store *store = store_of(6);
    ng_cdna cdna;
    ng_connection_id id = 0;
    ASSERT_OK(ng_cdna_get(store, &cdna));
    cdna.max_out_degree = 2;
    cdna.max_in_degree = 2;
    cdna.max_total_degree = 3;
    cdna.max_pull_strength = 1;
    memset(&cdna.allowed_types, 0xFF, sizeof cdna.allowed_types);
    cdna.allowed_types.bits[0] &= ~(1ull << 7);
    cdna.allowed_types.bits[2] &= (1ull << 48) - 1;
    cdna.allowed_types.bits[3] = 0;
    ASSERT_OK(ng_cdna_set(store, &cdna, NULL));
    ng_connection_fields fields = ends(1, 2);
    fields.set = NG_CFIELD_TYPE;
    fields.type = 7;
    ASSERT_FAILS(ng_connection_create(store, &fields, NULL, &id), NG_E_FORBIDDEN,
                 ng_connection_type_name(7), "allowed_types");
    fields.set = NG_CFIELD_PULL;
    fields.pull_strength = 2;
    ASSERT_FAILS(ng_connection_create(store, &fields, NULL, &id), NG_E_INVALID, "pull_strength 2",
                 "-10..1");
    api_link(store, 1, 2, 0, 1);
    api_link(store, 1, 3, 0, 1);
    fields = ends(1, 4);
    ASSERT_FAILS(ng_connection_create(store, &fields, NULL, &id), NG_E_LIMIT, "token 1",
                 "max_out_degree 2");
    api_link(store, 4, 1, 0, 1);
    fields = ends(5, 1);
    ASSERT_FAILS(ng_connection_create(store, &fields, NULL, &id), NG_E_LIMIT, "token 1",
                 "max_total_degree 3");
    api_link(store, 4, 2, 0, 1);
    fields = ends(5, 2);
    ASSERT_FAILS(ng_connection_create(store, &fields, NULL, &id), NG_E_LIMIT, "token 2",
                 "max_in_degree 2");
    ng_connection_fields batch[3] = {ends(6, 3), ends(6, 4), ends(6, 5)};
    ng_connection_id ids[3]; /* the batch counts its own */
    ASSERT_FAILS(ng_connection_create_many(store, batch, 3, NULL, ids), NG_E_LIMIT, "token 6",
                 "max_out_degree 2");
    ASSERT_OK(ng_connection_create_many(store, batch, 2, NULL, ids));
    ASSERT_OK(ng_close(store));
}

static void test_paths(void **state)
{
    (void)state;
    ng_store *store = store_of(8);
    ng_edge path[8];
    size_t count = 9;
    for (ng_token_id i = 1; i < 6; i++)
        api_link(store, i, i + 1, 0x10, 1);
    api_link(store, 1, 7, 0x20, 1);
    api_link(store, 7, 6, 0x20, 1);
    ASSERT_OK(ng_path_find(store, 1, 6, NULL, path, 8, &count));
    assert_int_equal(count, 2);
    assert_int_equal(path[0].target, 7);
    assert_int_equal(path[1].target, 6);
    ASSERT_OK(ng_path_find(store, 1, 1, NULL, path, 8, &count));
    assert_int_equal(count, 0);
    ASSERT_FAILS(ng_path_find(store, 6, 1, NULL, path, 8, &count), NG_E_NOT_FOUND, "6", "1");
    ASSERT_FAILS(ng_path_find(store, 1, 8, NULL, path, 8, &count), NG_E_NOT_FOUND, "8");
    ASSERT_FAILS(ng_path_find(store, 1, 99, NULL, path, 8, &count), NG_E_NOT_FOUND, "00000063");
    ng_path_options options = {.struct_size = sizeof options};
    options.types.bits[0] = 1ull << 0x10;
    ASSERT_OK(ng_path_find(store, 1, 6, &options, path, 8, &count));
    assert_int_equal(count, 5);
    options.max_hops = 4;
    ASSERT_FAILS(ng_path_find(store, 1, 6, &options, path, 8, &count), NG_E_NOT_FOUND, "4");
    options = (ng_path_options){.struct_size = sizeof options, .direction = NG_INCOMING};
    ASSERT_OK(ng_path_find(store, 6, 1, &options, path, 8, &count));
    assert_int_equal(count, 2);
    assert_int_equal(path[0].source, 7); /* the edge as it is, walked against its direction */
    options.direction = NG_BOTH;
    ASSERT_OK(ng_path_find(store, 6, 1, &options, path, 1, &count));
    assert_int_equal(count, 2);
    options.direction = (ng_direction)5;
    ASSERT_FAILS(ng_path_find(store, 6, 1, &options, path, 8, &count), NG_E_INVALID, "direction");
    options = (ng_path_options){.struct_size = sizeof options, .max_hops = 5000};
    ASSERT_FAILS(ng_path_find(store, 1, 6, &options, path, 8, &count), NG_E_INVALID, "max_hops",
                 "5000");
    api_link(store, 8, 6, 0x30, NG_CONNECTION_ACTIVE | NG_CONNECTION_BIDIRECTIONAL);
    ASSERT_OK(ng_path_find(store, 6, 8, NULL, path, 8, &count));
    assert_int_equal(count, 1);
    ASSERT_OK(ng_path_find(store, 1, 8, NULL, path, 8, &count));
    assert_int_equal(count, 3);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_null_arguments),
        cmocka_unit_test(test_values_out_of_range),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_deletion),
        cmocka_unit_test(test_batch_is_all_or_none),
        cmocka_unit_test(test_cascade),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_constitution_bounds_connections),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests_name("connections", tests, NULL, NULL);
}
