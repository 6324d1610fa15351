/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named fields of vectors at their limits: what is refused, and fields that come and go beside readers. */
#include "api_stream_support.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#define TOKENS 60u

static ng_vector_field_id make_field(ng_store *store, const char *name, uint32_t dimensions,
                                     ng_vector_metric metric)
{
    ng_vector_field_id id = 99;
    const ng_vector_field_options options = {.struct_size = sizeof options,
                                             .dimensions = dimensions,
                                             .metric = metric};
    ASSERT_OK(ng_vector_field_create(store, name, &options, NULL, &id));
    return id;
}

/* --- beside a writer ------------------------------------------------------------------------- */

#define ROUNDS 40
#define READERS 3

typedef struct readers {
    ng_store *store;
    atomic_bool done;
    atomic_uint wrong, found;
} readers;

static void count_wrong(readers *all, ng_status status)
{
    if (status != NG_OK && status != NG_E_NOT_FOUND && status != NG_E_CANCELLED &&
        status != NG_E_BUSY)
        atomic_fetch_add(&all->wrong, 1);
}

/* What is read of a view is one moment: a token has the vectors that its bits say. */
static void read_view(readers *all)
{
    ng_view *view = NULL;
    uint64_t first = 0, second = 1;
    if (ng_view_open(all->store, NULL, &view) != NG_OK)
        return;
    count_wrong(all, ng_view_state_hash(view, &first));
    for (ng_token_id id = 1; id <= TOKENS; id++) {
        ng_token_info info;
        size_t count = 0;
        if (ng_view_token_get(view, id, &info) != NG_OK || info.vector_fields == 0)
            continue;
        ng_vector_field_id field = (ng_vector_field_id)__builtin_ctz(info.vector_fields);
        count_wrong(all, ng_view_token_vector_in(view, id, field, NULL, 0, &count));
        if (count != 8)
            atomic_fetch_add(&all->wrong, 1);
    }
    count_wrong(all, ng_view_state_hash(view, &second));
    if (first != second)
        atomic_fetch_add(&all->wrong, 1);
    ng_view_close(view);
}

static void *read_on(void *context)
{
    readers *all = context;
    const float query[8] = {1, 2, 3};
    while (!atomic_load(&all->done)) {
        ng_score scores[5];
        size_t count = 0;
        ng_token_info info;
        ng_vector_options options = {.struct_size = sizeof options, .field = 1};
        ng_vector_graph_options graph = {.struct_size = sizeof graph, .field = 1};
        count_wrong(all, ng_vector_nearest(all->store, query, 8, &options, scores, 5, &count));
        atomic_fetch_add(&all->found, (unsigned)count);
        count_wrong(all, ng_vector_graph_build(all->store, &graph, NULL, NULL));
        options.effort = 50;
        count_wrong(all, ng_vector_nearest(all->store, query, 8, &options, scores, 5, &count));
        count_wrong(all, ng_token_vector_in(all->store, 7, 1, NULL, 0, &count));
        count_wrong(all, ng_token_get(all->store, 7, &info));
        read_view(all);
    }
    return NULL;
}

static void test_fields_come_and_go_beside_readers(void **state)
{
    (void)state;
    readers all = {.store = api_memory_store()};
    pthread_t threads[READERS];
    ng_token_id ids[TOKENS];
    float values[TOKENS][8];
    ng_field_vector vectors[TOKENS];
    ng_token_fields fields[TOKENS];
    for (uint32_t i = 0; i < TOKENS; i++) {
        ids[i] = api_token(all.store);
        for (int k = 0; k < 8; k++)
            values[i][k] = (float)((i * 7 + (uint32_t)k * 5) % 11) - 4;
        vectors[i] = (ng_field_vector){1, values[i], 8};
        fields[i] = api_fields();
        fields[i].set = NG_FIELD_VECTORS;
        fields[i].vectors = &vectors[i];
        fields[i].vector_count = 1;
    }
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &all), 0);
    for (int round = 0; round < ROUNDS || atomic_load(&all.found) == 0; round++) {
        assert_int_equal(make_field(all.store, "image", 8, NG_VECTOR_COSINE), 1);
        ASSERT_OK(ng_token_update_many(all.store, ids, fields, TOKENS, NULL));
        ASSERT_OK(ng_token_update_many(all.store, ids, fields, TOKENS / 2, NULL));
        ASSERT_OK(ng_vector_field_drop(all.store, 1, NULL));
    }
    atomic_store(&all.done, true);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&all.wrong), 0);
    api_assert_clean(all.store);
    ASSERT_OK(ng_close(all.store));
}

/* --- what is refused ------------------------------------------------------------------------- */

static void test_fields_refused(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_vector_field_options options = {.struct_size = sizeof options, .dimensions = 3};
    ng_vector_field_id id = 0;
    char name[80];
    static const char *const hostile[] = {"Image", "a b", "a/b", "a\"b", "\xc3\xa9", "a\n",
                                          "a\\b",  "<a>", "a%",  "'",    "\x7f",     "*"};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        ASSERT_FAILS(ng_vector_field_create(store, hostile[i], &options, NULL, &id), NG_E_INVALID,
                     "[a-z0-9_.-]");
    memset(name, 'n', sizeof name);
    name[65] = '\0';
    ASSERT_FAILS(ng_vector_field_create(store, name, &options, NULL, &id), NG_E_INVALID, "65",
                 "1..64");
    ASSERT_FAILS(ng_vector_field_create(store, "", &options, NULL, &id), NG_E_INVALID, "0 bytes");
    name[64] = '\0';
    ASSERT_OK(ng_vector_field_create(store, name, &options, NULL, &id));
    ASSERT_FAILS(ng_vector_field_create(store, name, &options, NULL, &id), NG_E_EXISTS,
                 "vector field 1 is already named");
    options.dimensions = 1;
    ASSERT_FAILS(ng_vector_field_create(store, "a", &options, NULL, &id), NG_E_INVALID,
                 "dimensions 1 is outside 2..4096");
    options.dimensions = 4097;
    ASSERT_FAILS(ng_vector_field_create(store, "a", &options, NULL, &id), NG_E_INVALID, "4097");
    options.dimensions = 4096;
    options.metric = (ng_vector_metric)3;
    ASSERT_FAILS(ng_vector_field_create(store, "a", &options, NULL, &id), NG_E_INVALID,
                 "metric 3 is outside 0..2");
    options.metric = NG_VECTOR_COSINE;
    options.struct_size--;
    ASSERT_FAILS(ng_vector_field_create(store, "a", &options, NULL, &id), NG_E_INVALID,
                 "struct_size");
    options.struct_size++;
    ASSERT_FAILS(ng_vector_field_create(store, NULL, &options, NULL, &id), NG_E_INVALID, "name");
    ASSERT_FAILS(ng_vector_field_create(store, "a", NULL, NULL, &id), NG_E_INVALID, "options");
    for (int i = 2; i <= 15; i++) {
        snprintf(name, sizeof name, "f%d", i);
        ASSERT_OK(ng_vector_field_create(store, name, &options, NULL, &id));
        assert_int_equal(id, i);
    }
    ASSERT_FAILS(ng_vector_field_create(store, "more", &options, NULL, &id), NG_E_LIMIT,
                 "at most 15");
    ASSERT_OK(ng_vector_field_drop(store, 7, NULL));
    ASSERT_OK(ng_vector_field_create(store, "more", &options, NULL, &id));
    assert_int_equal(id, 7); /* the others have all been given */
    ASSERT_FAILS(ng_vector_field_drop(store, 0, NULL), NG_E_INVALID, "default field");
    ASSERT_FAILS(ng_vector_field_drop(store, 16, NULL), NG_E_NOT_FOUND, "vector field 16");
    ng_vector_metric metric;
    ASSERT_OK(ng_vector_metric_parse("L2", &metric));
    assert_int_equal(metric, NG_VECTOR_L2);
    assert_string_equal(ng_vector_metric_name(NG_VECTOR_DOT), "dot");
    assert_null(ng_vector_metric_name((ng_vector_metric)3));
    ASSERT_FAILS(ng_vector_metric_parse("euclid", &metric), NG_E_INVALID, "cosine, dot, l2");
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.vector_field_count, 15);
    ng_vector_field_info infos[3];
    size_t count = 0;
    ASSERT_OK(ng_vector_field_list(store, infos, 3, &count));
    assert_int_equal(count, 16); /* how many there are, not how many were shown */
    assert_int_equal(infos[2].id, 2);
    ASSERT_OK(ng_vector_field_find(store, "", &id));
    assert_int_equal(id, 0);
    ASSERT_OK(ng_vector_field_find(store, "more", &id));
    assert_int_equal(id, 7);
    ASSERT_FAILS(ng_vector_field_find(store, NULL, &id), NG_E_INVALID, "name");
    ASSERT_FAILS(ng_vector_field_find(store, "MORE", &id), NG_E_NOT_FOUND, "MORE");
    ng_txn *txn = NULL;
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    const ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    ASSERT_FAILS(ng_vector_field_create(store, "b", &options, &write, &id), NG_E_INVALID,
                 "transaction");
    ASSERT_FAILS(ng_vector_field_drop(store, 7, &write), NG_E_INVALID, "transaction");
    ng_txn_rollback(txn);
    ASSERT_OK(ng_close(store));
}

static void test_vectors_refused(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    assert_int_equal(make_field(store, "image", 5, NG_VECTOR_COSINE), 1);
    assert_int_equal(make_field(store, "sound", 12, NG_VECTOR_DOT), 2);
    assert_int_equal(make_field(store, "taste", 2, NG_VECTOR_L2), 3);
    const float good[5] = {1, 2, 3, 4, 5}, bad[5] = {1, 2, NAN, 4, 5}, worse[2] = {INFINITY, 0};
    const struct {
        ng_field_vector vectors[2];
        size_t count;
        ng_status status;
        const char *says;
    } cases[] = {
        {{{1, good, 4}}, 1, NG_E_INVALID, "vector has 4 dimensions, field 'image' has 5"},
        {{{1, good, 1}}, 1, NG_E_INVALID, "1 dimensions, outside 2..4096"},
        {{{1, good, 4097}}, 1, NG_E_INVALID, "4097 dimensions"},
        {{{1, good, SIZE_MAX / 2}}, 1, NG_E_INVALID, "dimensions, outside"},
        {{{1, bad, 5}}, 1, NG_E_INVALID, "vectors[0].values[2] is not finite"},
        {{{1, good, 5}, {3, worse, 2}}, 2, NG_E_INVALID, "vectors[1].values[0] is not finite"},
        {{{1, NULL, 5}}, 1, NG_E_INVALID, "vectors[0].values is NULL"},
        {{{1, good, 5}, {1, good, 5}}, 2, NG_E_INVALID, "vectors[1].field 1 is given twice"},
        {{{0, good, 5}}, 1, NG_E_INVALID, "vectors[0].field 0 is outside 1..15"},
        {{{16, good, 5}}, 1, NG_E_INVALID, "field 16 is outside"},
        {{{9, good, 5}}, 1, NG_E_NOT_FOUND, "vector field 9 not found"},
        {{{9, NULL, 0}}, 1, NG_E_NOT_FOUND, "vector field 9 not found"},
        {{{1, good, 5}}, 16, NG_E_INVALID, "vector_count 16 is outside 0..15"},
    };
    ng_token_id id = api_token(store), made = 0;
    uint64_t hash = api_hash(store);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ng_token_fields fields = api_fields();
        fields.set = NG_FIELD_VECTORS;
        fields.vectors = cases[i].vectors;
        fields.vector_count = cases[i].count;
        ASSERT_FAILS(ng_token_update(store, id, &fields, NULL), cases[i].status, cases[i].says);
        ASSERT_FAILS(ng_token_create(store, &fields, NULL, &made), cases[i].status, cases[i].says);
    }
    assert_true(api_hash(store) == hash);
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_VECTORS;
    fields.vector_count = 1;
    ASSERT_FAILS(ng_token_update(store, id, &fields, NULL), NG_E_INVALID, "fields.vectors");
    /* Searches. */
    ng_score score;
    size_t count;
    ng_vector_options options = {.struct_size = sizeof options, .field = 1};
    ASSERT_FAILS(ng_vector_nearest(store, good, 5, &options, &score, 1, &count), NG_E_NOT_FOUND,
                 "field 'image' has no vectors");
    ASSERT_FAILS(ng_vector_nearest(store, good, 4, &options, &score, 1, &count), NG_E_INVALID,
                 "4 dimensions, field 'image' has 5");
    options.remove_components = 2;
    ASSERT_FAILS(ng_vector_nearest(store, good, 5, &options, &score, 1, &count), NG_E_INVALID,
                 "remove_components 2", "'image'");
    options.remove_components = -2;
    ASSERT_FAILS(ng_vector_nearest(store, good, 5, &options, &score, 1, &count), NG_E_INVALID,
                 "remove_components -2");
    options.remove_components = 0;
    options.field = 12;
    ASSERT_FAILS(ng_vector_nearest(store, good, 5, &options, &score, 1, &count), NG_E_NOT_FOUND,
                 "vector field 12");
    const ng_vector_graph_options graph = {.struct_size = sizeof graph, .field = 12};
    ASSERT_FAILS(ng_vector_graph_build(store, &graph, NULL, NULL), NG_E_NOT_FOUND, "12");
    ASSERT_FAILS(ng_vector_graph_drop(store, 12), NG_E_NOT_FOUND, "12");
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_come_and_go_beside_readers),
        cmocka_unit_test(test_fields_refused),
        cmocka_unit_test(test_vectors_refused),
    };
    return cmocka_run_group_tests_name("limits of fields of vectors", tests, NULL, NULL);
}
