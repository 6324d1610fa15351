/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Views against naive copies of their moment, through random changes. */
#include "store/store_view_testing.h"

#define EDGES 40 /* of one token that are compared; how many there are always is */

typedef struct copied_token {
    bool exists;
    ng_token_info info;
    char label[NGI_LABEL_BYTES_MAX + 1];
    size_t label_bytes;
    float vector[DIMENSIONS];
    size_t vector_count;
    ng_edge edges[3][EDGES];
    size_t edge_count[3];
} copied_token;

typedef struct copy {
    uint32_t slot_end, id_end;
    copied_token *tokens;
    bool *connected;
    ng_connection *connections;
    ng_token_id names[2][NAMES];
    ng_token_id list[3][2 * TOKENS];
    size_t list_count[3];
    uint32_t collection_count;
    store_collection *collections;
    ng_cdna cdna;
    uint64_t hash;
    ng_info info;
} copy;

/* The same calls, of the store (view NULL) or of a view. */
static void copy_token(copied_token *out, ng_store *store, const ng_view *view, ng_token_id id)
{
    memset(out, 0, sizeof *out);
    ng_status status = view != NULL ? ngi_view_token_get(view, id, &out->info)
                                    : ngi_store_token_get(store, id, &out->info);
    out->exists = status == NG_OK;
    if (status != NG_OK) {
        assert_int_equal(status, NG_E_NOT_FOUND);
        return;
    }
    expect_ok(
        view != NULL
            ? ngi_view_token_label(view, id, out->label, sizeof out->label, &out->label_bytes)
            : ngi_store_token_label(store, id, out->label, sizeof out->label, &out->label_bytes));
    expect_ok(view != NULL
                  ? ngi_view_token_vector(view, id, out->vector, DIMENSIONS, &out->vector_count)
                  : ngi_store_token_vector(store, id, out->vector, DIMENSIONS, &out->vector_count));
    for (int i = 0; i < 3; i++) {
        ng_direction direction = (ng_direction)(i + 1);
        const ng_type_set one = {{UINT64_C(1) << 1, 0, 0, 0}};
        const ng_edge_options options = {.struct_size = sizeof options,
                                         .direction = direction,
                                         .both_ways = id % 5 == 0,
                                         .types = id % 2 == 0 ? one : (ng_type_set){{0}}};
        size_t capacity = sizeof out->edges[i] / sizeof out->edges[i][0];
        if (id % 3 == 0)
            capacity = 1;
        expect_ok(view != NULL ? ngi_view_token_connections(view, id, &options, out->edges[i],
                                                            capacity, &out->edge_count[i])
                               : ngi_store_token_connections(store, id, &options, out->edges[i],
                                                             capacity, &out->edge_count[i]));
    }
}

static void copy_take(copy *out, ng_store *store, const ng_view *view)
{
    memset(out, 0, sizeof *out);
    out->slot_end = view != NULL ? view->slot_end : store_slot_end(store);
    out->id_end = view != NULL ? view->id_end : store->graph.id_end;
    out->tokens = calloc(out->slot_end + 3, sizeof *out->tokens);
    for (uint32_t id = 1; id < out->slot_end + 3; id++)
        copy_token(&out->tokens[id], store, view, id);
    out->connections = calloc(out->id_end + 3, sizeof *out->connections);
    out->connected = calloc(out->id_end + 3, sizeof *out->connected);
    for (uint32_t id = 0; id < out->id_end + 3; id++)
        out->connected[id] =
            (view != NULL ? ngi_view_connection_get(view, id, &out->connections[id])
                          : ngi_store_connection_get(store, id, &out->connections[id])) == NG_OK;
    for (uint32_t i = 0; i < 2 * NAMES; i++) {
        char name[NGI_LABEL_BYTES_MAX];
        size_t bytes = some_name(i % NAMES, name);
        ng_token_id *found = &out->names[i / NAMES][i % NAMES];
        ng_status status = view != NULL
                               ? ngi_view_token_find(view, i / NAMES, name, bytes, found)
                               : ngi_store_token_find(store, i / NAMES, name, bytes, found);
        assert_int_equal(status, *found != 0 ? NG_OK : NG_E_NOT_FOUND);
    }
    for (uint32_t i = 0; i < 3; i++) {
        ng_collection_id collection = i < 2 ? i : NG_COLLECTION_ANY;
        expect_ok(view != NULL ? ngi_view_token_list(view, collection, 0, out->list[i], 2 * TOKENS,
                                                     &out->list_count[i])
                               : ngi_store_token_list(store, collection, 0, out->list[i],
                                                      2 * TOKENS, &out->list_count[i]));
    }
    expect_ok(view != NULL ? ngi_view_cdna_get(view, &out->cdna)
                           : ngi_store_cdna_get(store, &out->cdna));
    expect_ok(view != NULL ? ngi_view_state_hash(view, &out->hash)
                           : ngi_store_hash(store, &out->hash));
    out->collection_count = view != NULL ? view->collection_count : store->collection_count;
    out->collections = calloc(out->collection_count, sizeof *out->collections);
    for (uint32_t i = 0; i < out->collection_count; i++)
        expect_ok(view != NULL ? ngi_view_collection_get(view, i, out->collections[i].name,
                                                         &out->collections[i].token_count)
                               : ngi_store_collection_get(store, i, out->collections[i].name,
                                                          &out->collections[i].token_count));
    expect_ok(ngi_store_info(store, &out->info));
}

static void copy_free(copy *c)
{
    free(c->tokens);
    free(c->connected);
    free(c->connections);
    free(c->collections);
}

static void copy_expect_edges(const copied_token *got, const copied_token *wanted, int list)
{
    assert_int_equal(got->edge_count[list], wanted->edge_count[list]);
    for (size_t i = 0; i < EDGES && i < wanted->edge_count[list]; i++) {
        const ng_edge *a = &got->edges[list][i], *b = &wanted->edges[list][i];
        assert_int_equal(a->id, b->id);
        assert_int_equal(a->source, b->source);
        assert_int_equal(a->target, b->target);
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->flags, b->flags);
    }
}

static void copy_expect_token(const copied_token *got, const copied_token *wanted)
{
    const ng_token_info *a = &got->info, *b = &wanted->info;
    assert_int_equal(got->exists, wanted->exists);
    assert_int_equal(a->id, b->id);
    assert_memory_equal(&a->record, &b->record, sizeof a->record);
    assert_int_equal(a->updated_us, b->updated_us);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->collection, b->collection);
    assert_int_equal(a->out_degree, b->out_degree);
    assert_int_equal(a->in_degree, b->in_degree);
    assert_int_equal(a->has_vector, b->has_vector);
    assert_int_equal(got->label_bytes, wanted->label_bytes);
    assert_string_equal(got->label, wanted->label);
    assert_int_equal(got->vector_count, wanted->vector_count);
    assert_memory_equal(got->vector, wanted->vector, sizeof got->vector);
    for (int list = 0; list < 3; list++)
        copy_expect_edges(got, wanted, list);
}

static void copy_expect(const copy *wanted, ng_store *store, const ng_view *view)
{
    copy *got = malloc(sizeof *got);
    copy_take(got, store, view);
    assert_int_equal(got->slot_end, wanted->slot_end);
    assert_int_equal(got->id_end, wanted->id_end);
    for (uint32_t i = 0; i < wanted->slot_end; i++)
        copy_expect_token(&got->tokens[i], &wanted->tokens[i]);
    assert_memory_equal(got->connected, wanted->connected, wanted->id_end);
    assert_memory_equal(got->connections, wanted->connections,
                        wanted->id_end * sizeof *wanted->connections);
    assert_memory_equal(got->names, wanted->names, sizeof wanted->names);
    assert_memory_equal(got->list, wanted->list, sizeof wanted->list);
    assert_memory_equal(got->list_count, wanted->list_count, sizeof wanted->list_count);
    assert_memory_equal(&got->cdna, &wanted->cdna, sizeof wanted->cdna);
    assert_int_equal(got->collection_count, wanted->collection_count);
    assert_memory_equal(got->collections, wanted->collections,
                        wanted->collection_count * sizeof *wanted->collections);
    assert_true(got->hash == wanted->hash);
    ng_view_info info;
    ngi_view_info_get(view, &info);
    assert_int_equal(info.seq, wanted->info.applied_seq);
    assert_int_equal(info.token_count, wanted->info.token_count);
    assert_int_equal(info.connection_count, wanted->info.connection_count);
    assert_int_equal(info.collection_count, wanted->info.collection_count);
    assert_int_equal(info.dimensions, wanted->info.dimensions);
    assert_false(info.expired);
    assert_int_equal(view->label_count, wanted->info.label_count);
    assert_int_equal(view->vector_count, wanted->info.vector_count);
    copy_free(got);
    free(got);
}

static void test_equals_a_naive_copy(void **state)
{
    enum { VIEWS = 5 };
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    struct {
        ng_view *view;
        copy *copy;
    } open[VIEWS] = {{NULL, NULL}};
    for (int round = 0; round < 60; round++) {
        uint32_t i = testing_below(&seed, VIEWS);
        if (open[i].view == NULL) {
            open[i].copy = malloc(sizeof *open[i].copy);
            copy_take(open[i].copy, f->store, NULL);
            open[i].view = open_view(f->store);
            copy_expect(open[i].copy, f->store, open[i].view);
        } else {
            copy_expect(open[i].copy, f->store, open[i].view);
            ngi_view_close(open[i].view);
            copy_free(open[i].copy);
            free(open[i].copy);
            open[i].view = NULL;
        }
        churn(f->store, (int)testing_below(&seed, 200), &seed);
    }
    assert_true(f->store->token_count > 20 && f->store->graph.count > 20);
    for (int i = 0; i < VIEWS; i++) {
        if (open[i].view == NULL)
            continue;
        copy_expect(open[i].copy, f->store, open[i].view);
        ngi_view_close(open[i].view);
        copy_free(open[i].copy);
        free(open[i].copy);
    }
}

static void test_of_an_empty_store(void **state)
{
    fixture *f = *state;
    uint64_t hash, again;
    expect_ok(ngi_store_hash(f->store, &hash));
    ng_view *view = open_view(f->store);
    uint64_t seed = testing_seed(__func__);
    churn(f->store, 500, &seed); /* also fixes the dimensions */
    ng_view_info info;
    ngi_view_info_get(view, &info);
    assert_true(info.seq == 0 && info.time_us == 0 && info.token_count == 0);
    assert_int_equal(info.dimensions, 0);
    assert_int_equal(info.collection_count, 2);
    ng_token_info token;
    assert_int_equal(ngi_view_token_get(view, 1, &token), NG_E_NOT_FOUND);
    assert_string_equal(ng_last_error(), "Token 00000001 not found");
    assert_int_equal(ngi_view_token_get(view, 0, &token), NG_E_INVALID);
    assert_int_equal(ngi_view_token_get(view, UINT64_C(1) << 32 | 1, &token), NG_E_NOT_FOUND);
    size_t count = 9;
    expect_ok(ngi_view_token_list(view, NG_COLLECTION_ANY, 0, NULL, 0, &count));
    assert_int_equal(count, 0);
    expect_ok(ngi_view_state_hash(view, &again));
    assert_true(hash == again);
    ng_token records[3];
    store_side sides[3];
    ng_connection connections[3];
    uint16_t lengths[3];
    uint32_t slots[3], found = 9;
    ngi_buffer texts = {0};
    expect_ok(ngi_view_records(view, 0, 3, records));
    expect_ok(ngi_view_sides(view, 0, 3, sides));
    expect_ok(ngi_view_connections(view, 0, 3, connections));
    expect_ok(ngi_view_labels(view, 0, 3, lengths, &texts));
    expect_ok(ngi_view_vectors(view, 0, 3, slots, NULL, &found));
    for (int i = 0; i < 3; i++)
        assert_true(records[i].slot == 0 && sides[i].version == 0 && connections[i].source == 0 &&
                    lengths[i] == 0);
    assert_true(texts.bytes == 0 && found == 0);
    ngi_buffer_release(&f->mem, &texts);
    ngi_view_close(view);
    ngi_view_close(NULL);
}

static void expect_found(const ng_view *view, ng_collection_id collection, const char *label,
                         ng_token_id wanted)
{
    ng_token_id found = 99;
    ng_status status = ngi_view_token_find(view, collection, label, strlen(label), &found);
    assert_int_equal(status, wanted != 0 ? NG_OK : NG_E_NOT_FOUND);
    assert_int_equal(found, wanted);
}

static void test_find_where_labels_moved(void **state)
{
    fixture *f = *state;
    ng_token_id a = put_label(f->store, 0, 0, "a"), b = put_label(f->store, 0, 0, "b");
    ng_token_id other = put_label(f->store, 0, 1, "a");
    for (int i = 0; i < 2000; i++) { /* so that the entries take up several pages */
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        put_label(f->store, 0, 0, name);
    }
    ng_view *view = open_view(f->store);
    put_label(f->store, a, 0, ""); /* a swap */
    put_label(f->store, b, 0, "a");
    put_label(f->store, a, 0, "b");
    expect_found(view, 0, "a", a);
    expect_found(view, 0, "b", b);
    expect_found(view, 1, "a", other);
    expect_found(view, 1, "b", 0);
    expect_ok(ngi_store_token_delete(f->store, other, NULL));
    expect_found(view, 1, "a", other);
    ng_token_id late = put_label(f->store, 0, 1, "b");
    expect_found(view, 1, "b", 0);
    assert_string_equal(ng_last_error(), "no token labelled 'b' in collection semantic");
    for (ng_token_id id = 4; id < late; id += 2) { /* changes every page of entries */
        char name[16];
        snprintf(name, sizeof name, "m%u", (unsigned)id);
        put_label(f->store, id, 0, name);
    }
    for (int i = 0; i < 2000; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        expect_found(view, 0, name, 4 + (ng_token_id)i);
    }
    expect_found(view, 0, "m4", 0);
    ng_token_id found;
    assert_int_equal(ngi_view_token_find(view, 7, "a", 1, &found), NG_E_NOT_FOUND);
    assert_string_equal(ng_last_error(), "collection 7 not found");
    static char text[NGI_LABEL_BYTES_MAX + 1];
    memset(text, 'a', sizeof text);
    assert_int_equal(ngi_view_token_find(view, 0, text, sizeof text, &found), NG_E_NOT_FOUND);
    assert_int_equal(ngi_view_token_find(view, 0, text, 0, &found), NG_E_NOT_FOUND);
    ngi_view_close(view);
}

static void test_answers_that_do_not_fit(void **state)
{
    fixture *f = *state;
    ng_token_id id = put_label(f->store, 0, 0, "a long label");
    const float vector[] = {1, 2, 3, 4};
    const ng_token_fields fields = {.struct_size = sizeof fields,
                                    .set = NG_FIELD_VECTOR,
                                    .vector = vector,
                                    .vector_dimensions = 4};
    expect_ok(ngi_store_token_put(f->store, &id, &fields, 1, NULL, NULL));
    for (int i = 0; i < 9; i++)
        put_label(f->store, 0, 1, "");
    ng_view *view = open_view(f->store);
    char label[8];
    size_t bytes = 0, count = 0;
    expect_ok(ngi_view_token_label(view, id, label, sizeof label, &bytes));
    assert_string_equal(label, "a long ");
    assert_int_equal(bytes, 12);
    expect_ok(ngi_view_token_label(view, id, NULL, 0, NULL));
    float out[5] = {0, 0, 9, 9, 9};
    expect_ok(ngi_view_token_vector(view, id, out, 2, &count));
    assert_true(count == 4 && out[1] == 2 && out[2] == 9);
    expect_ok(ngi_view_token_vector(view, id, NULL, 0, &count));
    assert_int_equal(count, 4);
    expect_ok(ngi_view_token_vector(view, id + 1, out, 5, &count));
    assert_int_equal(count, 0);
    ng_token_id ids[4];
    expect_ok(ngi_view_token_list(view, 1, 3, ids, 4, &count));
    assert_true(count == 4 && ids[0] == 4 && ids[3] == 7);
    expect_ok(ngi_view_token_list(view, 1, 8, ids, 4, &count));
    assert_true(count == 2 && ids[0] == 9 && ids[1] == 10);
    expect_ok(ngi_view_token_list(view, 1, UINT32_MAX, ids, 4, &count));
    assert_int_equal(count, 0);
    assert_int_equal(ngi_view_token_list(view, 1, UINT64_MAX, ids, 4, &count), NG_E_INVALID);
    assert_int_equal(ngi_view_token_list(view, 2, 0, ids, 4, &count), NG_E_NOT_FOUND);
    ng_connection connection;
    assert_int_equal(ngi_view_connection_get(view, UINT64_C(1) << 32, &connection), NG_E_NOT_FOUND);
    const ng_edge_options wrong = {.struct_size = sizeof wrong, .direction = (ng_direction)4};
    assert_int_equal(ngi_view_token_connections(view, id, &wrong, NULL, 0, &count), NG_E_INVALID);
    assert_int_equal(ngi_view_token_connections(view, 77, NULL, NULL, 0, &count), NG_E_NOT_FOUND);
    assert_int_equal(ngi_view_collection_get(view, 2, NULL, NULL), NG_E_NOT_FOUND);
    expect_ok(ngi_view_collection_get(view, 1, NULL, NULL));
    ngi_view_close(view);
}

/* More connections at one token than are walked under one hold of the lock. */
static void test_a_hub(void **state)
{
    fixture *f = *state;
    enum { SPOKES = 5000 };
    for (int i = 0; i <= SPOKES; i++)
        put_label(f->store, 0, 0, "");
    for (ng_token_id i = 2; i <= SPOKES + 1; i++) {
        const ng_connection_fields fields = {.struct_size = sizeof fields,
                                             .source = i % 2 ? 1 : i,
                                             .target = i % 2 ? i : 1};
        expect_ok(ngi_store_connection_put(f->store, &fields, 1, NGI_CONNECTION_CURATED, 0, NULL,
                                           NULL, NULL));
    }
    ng_view *view = open_view(f->store);
    for (ng_token_id i = 2; i <= SPOKES + 1; i += 3)
        expect_ok(ngi_store_token_delete(f->store, i, NULL));
    size_t count;
    ng_edge *edges = calloc(SPOKES, sizeof *edges);
    expect_ok(ngi_view_token_connections(view, 1, NULL, edges, SPOKES, &count));
    assert_int_equal(count, SPOKES);
    for (size_t i = 0; i < SPOKES; i++) {
        assert_int_equal(i < SPOKES / 2 ? edges[i].source : edges[i].target, 1);
        if (i % (SPOKES / 2) != 0)
            assert_true(edges[i].id < edges[i - 1].id);
    }
    ng_token_info info;
    expect_ok(ngi_view_token_get(view, 1, &info));
    assert_true(info.out_degree == SPOKES / 2 && info.in_degree == SPOKES / 2);
    free(edges);
    ngi_view_close(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_equals_a_naive_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_of_an_empty_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_find_where_labels_moved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answers_that_do_not_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_hub, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
