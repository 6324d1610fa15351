/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections: lists, counts, those of a token, and what their values mean. */
#include "api_support.h"

#include <math.h>

static ng_store *store_of(size_t tokens)
{
    ng_store *store = api_memory_store();
    for (size_t i = 0; i < tokens; i++)
        api_token(store);
    return store;
}

static size_t list(const ng_store *store, const ng_connection_list_options *options,
                   ng_connection_id *ids, size_t capacity)
{
    size_t count = 99;
    ASSERT_OK(ng_connection_list(store, options, ids, NULL, capacity, &count));
    return count;
}

static void test_list_pages(void **state)
{
    (void)state;
    ng_store *store = store_of(11);
    ng_connection_id ids[16];
    assert_int_equal(list(store, NULL, ids, 16), 0);
    for (ng_token_id i = 1; i <= 10; i++)
        api_link(store, i, i + 1, 0x10, 1);
    ASSERT_OK(ng_connection_delete(store, 4, NULL));
    assert_int_equal(list(store, NULL, ids, 16), 9);
    assert_true(ids[0] == 1 && ids[3] == 5 && ids[8] == 10);
    ng_connection_list_options options = {.struct_size = sizeof options};
    size_t seen = 0;
    for (size_t count; (count = list(store, &options, ids, 4)) > 0; seen += count)
        options.after = ids[count - 1];
    assert_int_equal(seen, 9);
    options.after = 4; /* deleted, and still a place to go on from */
    options.offset = 2;
    assert_int_equal(list(store, &options, ids, 2), 2);
    assert_true(ids[0] == 7 && ids[1] == 8);
    options.offset = 100;
    assert_int_equal(list(store, &options, ids, 2), 0);
    options = (ng_connection_list_options){.struct_size = sizeof options, .after = UINT64_MAX};
    assert_int_equal(list(store, &options, ids, 2), 0);
    ng_connection records[2];
    size_t count = 0;
    ASSERT_OK(ng_connection_list(store, NULL, NULL, records, 2, &count));
    assert_true(count == 2 && records[1].source == 2);
    ASSERT_OK(ng_connection_list(store, NULL, NULL, NULL, 0, &count));
    assert_int_equal(count, 0);
    ASSERT_OK(ng_close(store));
}

/* More than one slice under the lock, and what is written between pages is found. */
static void test_list_long(void **state)
{
    (void)state;
    enum { LINKS = 9000, PAGE = 3000 };
    ng_store *store = store_of(100);
    ng_cdna cdna;
    ASSERT_OK(ng_cdna_get(store, &cdna));
    cdna.max_out_degree = cdna.max_in_degree = cdna.max_total_degree = 1000000;
    ASSERT_OK(ng_cdna_set(store, &cdna, NULL));
    ng_write_options write = {.struct_size = sizeof write, .flags = NG_WRITE_NOWAIT};
    for (int i = 0; i < LINKS; i++) {
        ng_connection_id id;
        ng_connection_fields fields = {.struct_size = sizeof fields,
                                       .source = 1 + (ng_token_id)i / 99,
                                       .target = 1 + (ng_token_id)i % 99,
                                       .set = NG_CFIELD_TYPE,
                                       .type = (uint8_t)(i % 2 == 0 ? 0x10 : 0x20)};
        if (fields.target >= fields.source)
            fields.target++;
        ASSERT_OK(ng_connection_create(store, &fields, &write, &id));
    }
    ng_connection_filter filter = {.struct_size = sizeof filter, .categories = 1 << 2};
    ng_connection_list_options options = {.struct_size = sizeof options, .filter = &filter};
    static ng_connection_id ids[PAGE];
    size_t seen = 0;
    for (size_t count; (count = list(store, &options, ids, PAGE)) > 0; seen += count) {
        for (size_t i = 0; i < count; i++)
            assert_int_equal(ids[i] % 2, 0);
        options.after = ids[count - 1];
    }
    assert_int_equal(seen, LINKS / 2);
    ng_connection_counts counts;
    ASSERT_OK(ng_connection_count(store, NULL, &counts));
    assert_int_equal(counts.total, LINKS);
    assert_int_equal(counts.by_type[0x20], LINKS / 2);
    ASSERT_OK(ng_close(store));
}

static void test_filters(void **state)
{
    (void)state;
    ng_store *store = store_of(3);
    ng_token_fields in_semantic = api_fields();
    in_semantic.collection = NG_COLLECTION_SEMANTIC;
    ng_token_id word;
    ASSERT_OK(ng_token_create(store, &in_semantic, NULL, &word));
    api_link(store, 1, 2, 0x10, NG_CONNECTION_ACTIVE);                         /* 1 */
    api_link(store, 2, 3, 0x11, NG_CONNECTION_USER);                           /* 2 */
    api_link(store, 1, word, 0x00, NG_CONNECTION_ACTIVE);                      /* 3: a fact */
    api_link(store, word, 3, 0x50, NG_CONNECTION_ACTIVE | NG_CONNECTION_USER); /* 4 */
    ng_connection_fields fields = {.struct_size = sizeof fields,
                                   .set = NG_CFIELD_CONFIDENCE | NG_CFIELD_MUTABILITY,
                                   .mutability = NG_HYPOTHESIS,
                                   .confidence = 0.2f};
    ASSERT_OK(ng_connection_update(store, 2, &fields, NULL));
    ng_connection_id ids[8];
    ng_connection_filter f = {.struct_size = sizeof f};
    const ng_connection_list_options options = {.struct_size = sizeof options, .filter = &f};
    f.types.bits[0] = 1ull << 0x11 | 1;
    assert_int_equal(list(store, &options, ids, 8), 2);
    assert_true(ids[0] == 2 && ids[1] == 3);
    f = (ng_connection_filter){.struct_size = sizeof f, .categories = 1 << 1 | 1 << 5};
    assert_int_equal(list(store, &options, ids, 8), 3);
    f.types.bits[0] = 1ull << 0x10; /* both have to be right */
    assert_int_equal(list(store, &options, ids, 8), 1);
    f = (ng_connection_filter){.struct_size = sizeof f, .mutabilities = 1 << NG_IMMUTABLE};
    assert_true(list(store, &options, ids, 8) == 1 && ids[0] == 3);
    f = (ng_connection_filter){.struct_size = sizeof f,
                               .flags_all = NG_CONNECTION_ACTIVE,
                               .flags_none = NG_CONNECTION_USER};
    assert_true(list(store, &options, ids, 8) == 2 && ids[0] == 1 && ids[1] == 3);
    f = (ng_connection_filter){.struct_size = sizeof f,
                               .by_confidence = true,
                               .confidence_max = 0.5};
    assert_true(list(store, &options, ids, 8) == 1 && ids[0] == 2);
    f.confidence_max = 1;
    f.confidence_min = 0.6;
    assert_true(list(store, &options, ids, 8) == 1 && ids[0] == 3);
    f.confidence_min = 0; /* by the year 2100 it has all but gone */
    f.confidence_max = 1e-6;
    f.time_us = 4102444800000000;
    assert_true(list(store, &options, ids, 8) == 1 && ids[0] == 2);
    f = (ng_connection_filter){.struct_size = sizeof f,
                               .by_source = true,
                               .source_collection = NG_COLLECTION_SEMANTIC};
    assert_true(list(store, &options, ids, 8) == 1 && ids[0] == 4);
    f = (ng_connection_filter){.struct_size = sizeof f, .by_source = true, .by_target = true};
    assert_true(list(store, &options, ids, 8) == 2 && ids[0] == 1 && ids[1] == 2);
    ng_connection_counts counts;
    ASSERT_OK(ng_connection_count(store, &f, &counts));
    assert_true(counts.total == 2 && counts.active == 1 && counts.by_type[0x11] == 1);
    assert_true(counts.by_mutability[NG_HYPOTHESIS] == 1 &&
                counts.by_mutability[NG_LEARNABLE] == 1);
    ASSERT_OK(ng_close(store));
}

static void test_filters_refused(void **state)
{
    (void)state;
    ng_store *store = store_of(2);
    size_t count;
    ng_connection_filter f = {.struct_size = sizeof f};
    ng_connection_list_options options = {.struct_size = sizeof options, .filter = &f};
    ng_connection_counts counts;
#define REFUSE_FILTER(status_, ...)                                                                \
    do {                                                                                           \
        ASSERT_FAILS(ng_connection_list(store, &options, NULL, NULL, 1, &count), status_,          \
                     __VA_ARGS__);                                                                 \
        ASSERT_FAILS(ng_connection_count(store, &f, &counts), status_, __VA_ARGS__);               \
        f = (ng_connection_filter){.struct_size = sizeof f};                                       \
    } while (0)
    f.categories = 1 << 11;
    REFUSE_FILTER(NG_E_INVALID, "categories 0x800");
    f.mutabilities = 8;
    REFUSE_FILTER(NG_E_INVALID, "mutabilities 0x8");
    f.by_confidence = true;
    f.confidence_min = NAN;
    f.confidence_max = 1;
    REFUSE_FILTER(NG_E_INVALID, "confidence nan..1");
    f.by_confidence = true;
    f.confidence_min = 0.5;
    f.confidence_max = 0.25;
    REFUSE_FILTER(NG_E_INVALID, "confidence 0.5..0.25");
    f.by_source = true;
    f.source_collection = 7;
    REFUSE_FILTER(NG_E_NOT_FOUND, "collection 7");
    f.by_target = true;
    f.target_collection = 8;
    REFUSE_FILTER(NG_E_NOT_FOUND, "collection 8");
    f.struct_size = 1;
    REFUSE_FILTER(NG_E_INVALID, "struct_size");
    options.struct_size = 1;
    ASSERT_FAILS(ng_connection_list(store, &options, NULL, NULL, 1, &count), NG_E_INVALID,
                 "options.struct_size");
    ASSERT_FAILS(ng_connection_list(NULL, NULL, NULL, NULL, 1, &count), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_connection_list(store, NULL, NULL, NULL, 1, NULL), NG_E_INVALID, "count");
    ASSERT_FAILS(ng_connection_count(store, NULL, NULL), NG_E_INVALID, "out");
    ASSERT_OK(ng_close(store));
}

/* --- of a token ------------------------------------------------------------------------------ */

static void test_edges_by_pages(void **state)
{
    (void)state;
    ng_store *store = store_of(9);
    for (ng_token_id i = 2; i <= 6; i++)
        api_link(store, 1, i, 0x10, 1); /* 1..5 */
    for (ng_token_id i = 2; i <= 5; i++)
        api_link(store, i, 1, 0x20, 1); /* 6..9 */
    static const ng_connection_id order[] = {5, 4, 3, 2, 1, 9, 8, 7, 6};
    ng_view *view = NULL;
    ASSERT_OK(ng_view_open(store, NULL, &view));
    for (int of_view = 0; of_view < 2; of_view++) {
        ng_edge edges[2], last;
        ng_edge_options options = {.struct_size = sizeof options};
        size_t seen = 0, count = 0;
        for (;;) {
            ASSERT_OK(of_view ? ng_view_token_connections(view, 1, &options, edges, 2, &count)
                              : ng_token_connections(store, 1, &options, edges, 2, &count));
            assert_int_equal(count, 9 - seen);
            for (size_t i = 0; i < count && i < 2; i++)
                assert_int_equal(edges[i].id, order[seen++]);
            if (count <= 2)
                break;
            last = edges[1];
            options.after = &last;
        }
        assert_int_equal(seen, 9);
    }
    ng_view_close(view);
    /* The place is known although the edge has gone. */
    const ng_edge gone = {.id = 3, .source = 1, .target = 4};
    ASSERT_OK(ng_connection_delete(store, 3, NULL));
    ng_edge edges[8];
    size_t count = 0;
    ng_edge_options options = {.struct_size = sizeof options,
                               .direction = NG_OUTGOING,
                               .after = &gone};
    ASSERT_OK(ng_token_connections(store, 1, &options, edges, 8, &count));
    assert_true(count == 2 && edges[0].id == 2 && edges[1].id == 1);
    options.direction = NG_INCOMING; /* which comes after all that goes out */
    ASSERT_OK(ng_token_connections(store, 1, &options, edges, 8, &count));
    assert_int_equal(count, 4);
    const ng_edge strange = {.id = 3, .source = 7, .target = 4};
    options.after = &strange;
    ASSERT_FAILS(ng_token_connections(store, 1, &options, edges, 8, &count), NG_E_INVALID,
                 "connection 3 is not one of token 1");
    ASSERT_OK(ng_close(store));
}

static void test_both_ways(void **state)
{
    (void)state;
    ng_store *store = store_of(3);
    api_link(store, 1, 2, 0x10, NG_CONNECTION_BIDIRECTIONAL);
    api_link(store, 2, 1, 0x10, NG_CONNECTION_BIDIRECTIONAL);
    api_link(store, 3, 1, 0x10, NG_CONNECTION_ACTIVE);
    api_link(store, 1, 3, 0x20, NG_CONNECTION_ACTIVE);
    ng_edge edges[8];
    size_t count = 0;
    ng_edge_options options = {.struct_size = sizeof options,
                               .direction = NG_OUTGOING,
                               .both_ways = true};
    ASSERT_OK(ng_token_connections(store, 1, &options, edges, 8, &count));
    assert_true(count == 3 && edges[0].id == 4 && edges[1].id == 1 && edges[2].id == 2);
    options.direction = NG_INCOMING;
    ASSERT_OK(ng_token_connections(store, 1, &options, edges, 8, &count));
    assert_true(count == 3 && edges[0].id == 1 && edges[1].id == 3 && edges[2].id == 2);
    options.categories = 1 << 2;
    ASSERT_OK(ng_token_connections(store, 1, &options, edges, 8, &count));
    assert_int_equal(count, 0);
    options.both_ways = false;
    options.direction = NG_BOTH;
    ASSERT_OK(ng_token_connections(store, 1, &options, edges, 8, &count));
    assert_true(count == 1 && edges[0].id == 4);
    options.categories = 1 << 15;
    ASSERT_FAILS(ng_token_connections(store, 1, &options, edges, 8, &count), NG_E_INVALID,
                 "categories");
    options.struct_size = 3;
    ASSERT_FAILS(ng_token_connections(store, 1, &options, edges, 8, &count), NG_E_INVALID,
                 "struct_size");
    ASSERT_OK(ng_close(store));
}

/* --- meaning --------------------------------------------------------------------------------- */

static void test_decode(void **state)
{
    (void)state;
    ng_store *store = store_of(2);
    ng_connection_fields fields = {.struct_size = sizeof fields,
                                   .source = 1,
                                   .target = 2,
                                   .set = NG_CFIELD_MUTABILITY | NG_CFIELD_CONFIDENCE |
                                          NG_CFIELD_RIGIDITY | NG_CFIELD_TARGET_VECTOR |
                                          NG_CFIELD_LEARNING_RATE | NG_CFIELD_DECAY_RATE,
                                   .mutability = NG_HYPOTHESIS,
                                   .rigidity = 1,
                                   .confidence = 0.8f,
                                   .learning_rate = 0.2f,
                                   .decay_rate = 0.2f,
                                   .target_spaces = 1 << NG_SPACE_PHYSICAL,
                                   .target_vector = {-12.5f}};
    ng_connection_id id;
    ASSERT_OK(ng_connection_create(store, &fields, NULL, &id));
    ng_connection record;
    ASSERT_OK(ng_connection_get(store, id, &record));
    ng_connection_info info;
    uint64_t later_us = ((uint64_t)record.last_update + 3600) * 1000000;
    ASSERT_OK(ng_connection_decode(store, id, &record, later_us, &info));
    assert_int_equal(info.id, id);
    assert_true(info.source == 1 && info.target == 2);
    assert_string_equal(info.type, "AssociatedWith");
    assert_string_equal(info.category, "Associative");
    assert_string_equal(info.mutability, "hypothesis");
    assert_true(info.rigidity == 1 && info.confidence == 0.8 && info.learning_rate == 0.2);
    assert_true(fabs(info.confidence_now - 0.64) < 1e-12 && info.time_us == later_us);
    assert_int_equal(info.target_spaces, 1);
    assert_true(info.target_vector[0] == -12.5f && info.target_vector[3] == 0);
    ASSERT_OK(ng_connection_decode(store, id, &record, 0, &info));
    assert_true(info.confidence_now <= 0.8 && info.confidence_now > 0.79);
    record.type = 200;
    ASSERT_FAILS(ng_connection_decode(store, id, &record, 0, &info), NG_E_INVALID, "type 200");
    ASSERT_FAILS(ng_connection_decode(store, id, NULL, 0, &info), NG_E_INVALID, "record");
    ASSERT_OK(ng_close(store));
}

static void test_force_between_tokens(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id a = api_at(store, NG_SPACE_PHYSICAL, 1, 1, 1);
    ng_token_id b = api_at(store, NG_SPACE_PHYSICAL, 1, 5, 4);
    ng_connection_fields fields = {.struct_size = sizeof fields,
                                   .source = a,
                                   .target = b,
                                   .set = NG_CFIELD_PULL | NG_CFIELD_DISTANCE | NG_CFIELD_RIGIDITY |
                                          NG_CFIELD_CONFIDENCE,
                                   .rigidity = 1,
                                   .pull_strength = 0.5f,
                                   .preferred_distance = 3,
                                   .confidence = 1};
    ng_connection_id id;
    ASSERT_OK(ng_connection_create(store, &fields, NULL, &id));
    double distance = 0, force = 0;
    ASSERT_OK(ng_connection_force_in(store, id, NG_SPACE_PHYSICAL, 0, &distance, &force));
    assert_true(distance == 5 && force == 1);
    ASSERT_OK(ng_connection_force_in(store, id, NG_SPACE_PHYSICAL, 0, NULL, &force));
    ASSERT_FAILS(ng_connection_force_in(store, id, NG_SPACE_SOCIAL, 0, NULL, &force), NG_E_ABSENT,
                 "token 1", "social");
    ng_token_fields leave = api_fields();
    leave.spaces_clear = 1;
    ASSERT_OK(ng_token_update(store, b, &leave, NULL));
    ASSERT_FAILS(ng_connection_force_in(store, id, NG_SPACE_PHYSICAL, 0, NULL, &force), NG_E_ABSENT,
                 "token 2", "physical");
    ASSERT_FAILS(ng_connection_force_in(store, 7, NG_SPACE_PHYSICAL, 0, NULL, &force),
                 NG_E_NOT_FOUND, "connection 7");
    ASSERT_FAILS(ng_connection_force_in(store, id, (ng_space)8, 0, NULL, &force), NG_E_INVALID,
                 "space 8");
    ASSERT_FAILS(ng_connection_force_in(store, id, NG_SPACE_PHYSICAL, 0, NULL, NULL), NG_E_INVALID,
                 "force");
    assert_true(force == 1);
    ASSERT_OK(ng_close(store));
}

/* --- views ----------------------------------------------------------------------------------- */

static void test_list_of_a_view(void **state)
{
    (void)state;
    ng_store *store = store_of(40);
    for (ng_token_id i = 1; i < 40; i++) {
        for (uint8_t type = 0; type < 5; type++)
            api_link(store, i, i + 1, (uint8_t)(type * 16 + i % 3), 1);
    }
    ng_view *view = NULL;
    ASSERT_OK(ng_view_open(store, NULL, &view));
    ng_connection_filter filter = {.struct_size = sizeof filter,
                                   .mutabilities = 1 << NG_LEARNABLE,
                                   .by_source = true};
    ng_connection_list_options options = {.struct_size = sizeof options,
                                          .after = 7,
                                          .offset = 3,
                                          .filter = &filter};
    ng_connection_id before[200], after[200];
    ng_connection records[200], shown[200];
    size_t count = 0, view_count = 0;
    ASSERT_OK(ng_connection_list(store, &options, before, records, 60, &count));
    assert_int_equal(count, 60);
    ASSERT_OK(ng_connection_activate(store, before[5], NULL));
    ASSERT_OK(ng_connection_delete(store, before[6], NULL));
    api_link(store, 5, 1, 0x10, 1);
    ASSERT_OK(ng_view_connection_list(view, &options, after, shown, 60, &view_count));
    assert_int_equal(view_count, count);
    assert_memory_equal(before, after, count * sizeof *before);
    assert_memory_equal(records, shown, count * sizeof *records);
    ASSERT_OK(ng_view_connection_list(view, NULL, after, NULL, 200, &view_count));
    assert_int_equal(view_count, 195);
    filter.source_collection = 9;
    ASSERT_FAILS(ng_view_connection_list(view, &options, after, NULL, 9, &view_count),
                 NG_E_NOT_FOUND, "collection 9");
    ASSERT_FAILS(ng_view_connection_list(NULL, NULL, after, NULL, 9, &view_count), NG_E_INVALID,
                 "view");
    ASSERT_FAILS(ng_view_connection_list(view, NULL, after, NULL, 9, NULL), NG_E_INVALID, "count");
    ng_view_close(view);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_pages),     cmocka_unit_test(test_list_long),
        cmocka_unit_test(test_filters),        cmocka_unit_test(test_filters_refused),
        cmocka_unit_test(test_edges_by_pages), cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_decode),         cmocka_unit_test(test_force_between_tokens),
        cmocka_unit_test(test_list_of_a_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
