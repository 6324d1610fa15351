/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named fields of vectors: made, filled, read, searched by cosine, dropped, and there again after
 * everything that a store goes through. Every vector that should be there is kept in a table beside. */
#include "api_stream_support.h"

#include <math.h>

#define TOKENS 60u
#define MOST 12u /* dimensions */
#define FIELDS 4u

/* Field 1 is "image" of 5 dimensions, 2 "sound" of 12, 3 "taste" of 2; 0 is the default one, of 4. Where 0
 * and 1 have exchanged their vectors, field 1 is "kept". */
static const char *names[FIELDS] = {"", "image", "sound", "taste"};
static uint32_t sizes[FIELDS] = {4, 5, 12, 2};
static const ng_vector_metric metrics[FIELDS] = {NG_VECTOR_COSINE, NG_VECTOR_COSINE, NG_VECTOR_DOT,
                                                 NG_VECTOR_L2};

typedef struct kept {
    bool is_there;
    float values[MOST];
} kept;

typedef struct fixture {
    char *root;
    char path[700], copy[700];
    ng_store *store;
    test_random random;
    kept vectors[TOKENS + 1][FIELDS]; /* by token, whose ids are 1, 2, 3, ... */
    bool deleted[TOKENS + 1];
    uint32_t tokens;
} fixture;

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

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->root = test_directory_create();
    test_path(f->path, sizeof f->path, f->root, "store");
    test_path(f->copy, sizeof f->copy, f->root, "copy");
    f->store = api_disk_store(f->path);
    f->random.state = test_environment("NG_TEST_SEED", 77);
    names[1] = "image";
    sizes[0] = 4;
    sizes[1] = 5;
    for (uint32_t i = 1; i < FIELDS; i++)
        assert_int_equal(make_field(f->store, names[i], sizes[i], metrics[i]), i);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    ASSERT_OK(ng_close(f->store));
    test_directory_remove(f->root);
    free(f);
    return 0;
}

static ng_store *reopened(fixture *f)
{
    ASSERT_OK(ng_close(f->store));
    return f->store = api_disk_store(f->path);
}

/* Vectors to be given to one token: into some of the fields, some of them taken away. */
typedef struct given {
    ng_token_fields fields;
    ng_field_vector list[FIELDS];
    float values[FIELDS][MOST];
} given;

static void random_given(fixture *f, given *out, kept after[FIELDS])
{
    memset(out, 0, sizeof *out);
    out->fields = api_fields();
    for (uint32_t i = FIELDS; i-- > 0;) { /* not in order of fields */
        if (!test_random_chance(&f->random, 50))
            continue;
        bool removes = test_random_chance(&f->random, 25);
        for (uint32_t k = 0; k < sizes[i]; k++)
            out->values[i][k] = (float)test_random_below(&f->random, 2001) / 500 - 2;
        after[i].is_there = !removes;
        memcpy(after[i].values, out->values[i], sizeof out->values[i]);
        if (i == 0) {
            out->fields.set |= NG_FIELD_VECTOR;
            out->fields.vector = removes ? NULL : out->values[0];
            out->fields.vector_dimensions = removes ? 0 : sizes[0];
            continue;
        }
        out->fields.set |= NG_FIELD_VECTORS;
        out->list[out->fields.vector_count++] =
            (ng_field_vector){.field = i,
                              .values = removes ? NULL : out->values[i],
                              .dimensions = removes ? 0 : sizes[i]};
    }
    out->fields.vectors = out->list;
}

static void create_some(fixture *f, uint32_t count, const ng_write_options *write)
{
    given all[16];
    ng_token_fields fields[16] = {{0}};
    ng_token_id ids[16];
    for (uint32_t i = 0; i < count; i++) {
        random_given(f, &all[i], f->vectors[f->tokens + 1 + i]);
        fields[i] = all[i].fields;
        fields[i].vectors = all[i].list;
    }
    ASSERT_OK(ng_token_create_many(f->store, fields, count, write, ids));
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(ids[i], ++f->tokens);
}

static void change_some(fixture *f, uint32_t count, const ng_write_options *write)
{
    for (uint32_t i = 0; i < count; i++) {
        given one;
        ng_token_id id = 1 + test_random_below(&f->random, f->tokens);
        if (f->deleted[id])
            continue;
        random_given(f, &one, f->vectors[id]);
        ASSERT_OK(ng_token_update(f->store, id, &one.fields, write));
    }
}

static void delete_one(fixture *f, ng_token_id id, const ng_write_options *write)
{
    ASSERT_OK(ng_token_delete(f->store, id, write));
    f->deleted[id] = true;
    memset(f->vectors[id], 0, sizeof f->vectors[id]);
}

static void exchange(fixture *f)
{
    const char *keep_as = strcmp(names[1], "image") == 0 ? "kept" : "image";
    const ng_embedding_switch_options options = {.struct_size = sizeof options,
                                                 .field = names[1],
                                                 .keep_as = keep_as};
    uint32_t size = sizes[0];
    ASSERT_OK(ng_embedding_switch(f->store, &options, NULL));
    names[1] = keep_as;
    sizes[0] = sizes[1];
    sizes[1] = size;
    for (uint32_t id = 1; id <= f->tokens; id++) {
        kept one = f->vectors[id][0];
        f->vectors[id][0] = f->vectors[id][1];
        f->vectors[id][1] = one;
    }
}

static void fill(fixture *f)
{
    create_some(f, 16, NULL);
    create_some(f, 1, NULL);
    create_some(f, 13, NULL);
    change_some(f, 20, NULL);
    exchange(f);
    change_some(f, 10, NULL);
    delete_one(f, 4, NULL);
    exchange(f);
    delete_one(f, 17, NULL);
}

/* The reads of a store, of a view or of a transaction. */
typedef struct reads {
    const ng_store *store;
    const ng_view *view;
    const ng_txn *txn;
} reads;

static ng_status read_vector(const reads *from, ng_token_id id, ng_vector_field_id field,
                             float *out, size_t capacity, size_t *count)
{
    if (from->view != NULL)
        return ng_view_token_vector_in(from->view, id, field, out, capacity, count);
    if (from->txn != NULL)
        return ng_txn_token_vector_in(from->txn, id, field, out, capacity, count);
    return ng_token_vector_in(from->store, id, field, out, capacity, count);
}

static ng_status read_info(const reads *from, ng_token_id id, ng_token_info *out)
{
    if (from->view != NULL)
        return ng_view_token_get(from->view, id, out);
    if (from->txn != NULL)
        return ng_txn_token_get(from->txn, id, out);
    return ng_token_get(from->store, id, out);
}

static void expect_vectors(const fixture *f, const reads *from)
{
    for (uint32_t id = 1; id <= f->tokens; id++) {
        ng_token_info info;
        unsigned bits = 0;
        if (f->deleted[id]) {
            assert_int_equal(read_info(from, id, &info), NG_E_NOT_FOUND);
            continue;
        }
        ASSERT_OK(read_info(from, id, &info));
        for (uint32_t i = 0; i < FIELDS; i++) {
            const kept *wanted = &f->vectors[id][i];
            float values[MOST];
            size_t count = 99;
            ASSERT_OK(read_vector(from, id, i, values, MOST, &count));
            assert_int_equal(count, wanted->is_there ? sizes[i] : 0);
            assert_memory_equal(values, wanted->values, count * sizeof *values);
            bits |= (unsigned)wanted->is_there << i;
        }
        assert_int_equal(info.has_vector, bits & 1);
        assert_int_equal(info.vector_fields, bits & ~1u);
    }
}

static void expect_store(const fixture *f, ng_store *store)
{
    ng_vector_field_info infos[17];
    size_t count;
    expect_vectors(f, &(reads){.store = store});
    ASSERT_OK(ng_vector_field_list(store, infos, 17, &count));
    assert_int_equal(count, FIELDS);
    for (uint32_t i = 0; i < FIELDS; i++) {
        uint64_t there = 0;
        for (uint32_t id = 1; id <= f->tokens; id++)
            there += f->vectors[id][i].is_there;
        assert_int_equal(infos[i].id, i);
        assert_string_equal(infos[i].name, names[i]);
        assert_int_equal(infos[i].dimensions, sizes[i]);
        assert_int_equal(infos[i].metric, metrics[i]);
        assert_int_equal(infos[i].vector_count, there);
    }
    api_assert_clean(store);
}

static void test_tokens_have_vectors_in_fields(void **state)
{
    fixture *f = *state;
    fill(f);
    expect_store(f, f->store);
    /* The capacity cuts the copy, not the count. */
    float values[2] = {7, 7};
    size_t count = 0;
    ng_field_vector one = {.field = 1, .values = (const float[]){1, 2, 3, 4, 5}, .dimensions = 5};
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_VECTORS;
    fields.vectors = &one;
    fields.vector_count = 1;
    ASSERT_OK(ng_token_update(f->store, 1, &fields, NULL));
    ASSERT_OK(ng_token_vector_in(f->store, 1, 1, values, 1, &count));
    assert_int_equal(count, 5);
    assert_true(values[0] == 1 && values[1] == 7);
    ASSERT_OK(ng_token_vector_in(f->store, 1, 1, NULL, 0, &count));
    assert_int_equal(count, 5);
    /* By label, in one op with tokens that are new. */
    bool created[2];
    ng_token_id ids[2];
    ng_token_fields two[2] = {fields, fields};
    two[0].set = two[1].set = NG_FIELD_VECTORS | NG_FIELD_LABEL | NG_FIELD_TAGS;
    two[0].label = "seen", two[1].label = "heard";
    two[0].label_bytes = 4, two[1].label_bytes = 5;
    two[0].tags = two[1].tags = &(ng_text){"both", 4};
    two[0].tag_count = two[1].tag_count = 1;
    two[1].vectors = &(ng_field_vector){.field = 1};
    for (int round = 0; round < 2; round++) {
        ASSERT_OK(ng_token_upsert_many(f->store, two, 2, NULL, ids, created));
        assert_int_equal(created[0], round == 0);
    }
    ASSERT_OK(ng_token_vector_in(f->store, ids[0], 1, NULL, 0, &count));
    assert_int_equal(count, 5);
    ASSERT_OK(ng_token_vector_in(f->store, ids[1], 1, NULL, 0, &count));
    assert_int_equal(count, 0);
    api_assert_clean(f->store);
}

static void test_kept_by_log_snapshot_stream_and_copy(void **state)
{
    fixture *f = *state;
    fill(f);
    uint64_t hash = api_hash(f->store);
    expect_store(f, reopened(f)); /* from the log */
    assert_true(api_hash(f->store) == hash);
    ASSERT_OK(ng_checkpoint(f->store, NULL, NULL, NULL));
    expect_store(f, reopened(f)); /* from a snapshot */
    assert_true(api_hash(f->store) == hash);
    api_blob whole = {0}, ops = {0};
    ng_stream_report report;
    ASSERT_OK(ng_stream_write(f->store, NULL, api_blob_sink, &whole, &report));
    ng_restore_options follow = {.struct_size = sizeof follow, .follow = true};
    ASSERT_OK(ng_stream_restore(api_blob_source, &whole, f->copy, &follow, &report));
    ng_store *follower = api_disk_store(f->copy);
    expect_store(f, follower);
    assert_true(api_hash(follower) == hash);
    /* What comes after, as ops of another store. */
    create_some(f, 9, NULL);
    exchange(f);
    change_some(f, 25, NULL);
    delete_one(f, 2, NULL);
    assert_true(api_hash(f->store) != hash);
    ASSERT_OK(ng_wait_durable(f->store, api_seq(f->store)));
    ng_stream_options after = {.struct_size = sizeof after,
                               .incremental = true,
                               .after = report.seq};
    ASSERT_OK(ng_stream_write(f->store, &after, api_blob_sink, &ops, NULL));
    ASSERT_OK(ng_stream_apply(follower, api_blob_source, &ops, NULL));
    expect_store(f, follower);
    assert_true(api_hash(follower) == api_hash(f->store));
    ASSERT_OK(ng_close(follower));
    api_blob_release(&whole);
    api_blob_release(&ops);
    char backup[700], restored[700];
    test_path(backup, sizeof backup, f->root, "backup");
    test_path(restored, sizeof restored, f->root, "restored");
    ASSERT_OK(ng_backup(f->store, backup, NULL, NULL));
    ASSERT_OK(ng_restore(backup, restored, NULL, NULL));
    ng_store *again = api_disk_store(restored);
    expect_store(f, again);
    assert_true(api_hash(again) == api_hash(f->store));
    ASSERT_OK(ng_close(again));
}

static void test_hash_tells_fields_apart(void **state)
{
    fixture *f = *state;
    float values[5] = {1, 2, 3, 4, 5};
    ng_field_vector one = {.field = 1, .values = values, .dimensions = 5};
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_VECTORS;
    fields.vectors = &one;
    fields.vector_count = 1;
    uint64_t hashes[3];
    for (int i = 0; i < 3; i++) {
        ng_store *store = api_memory_store();
        ng_token_id id = 0;
        (void)make_field(store, i == 2 ? "other" : "image", 5, NG_VECTOR_COSINE);
        values[4] = i == 1 ? 6 : 5;
        ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
        ng_token_info info;
        ASSERT_OK(ng_token_get(store, id, &info));
        assert_int_equal(info.vector_fields, 2);
        hashes[i] = api_hash(store);
        ASSERT_OK(ng_close(store));
    }
    assert_true(hashes[0] != hashes[1]);
    assert_true(hashes[0] != hashes[2]);
    (void)f;
}

static void test_views_keep_their_moment(void **state)
{
    fixture *f = *state;
    ng_view *empty = NULL, *before = NULL, *middle = NULL;
    ASSERT_OK(ng_view_open(f->store, NULL, &empty));
    fill(f);
    ASSERT_OK(ng_view_open(f->store, NULL, &before));
    fixture *then = malloc(sizeof *then);
    assert_non_null(then);
    *then = *f;
    uint64_t hash = api_hash(f->store), other = 0;
    change_some(f, 40, NULL);
    ASSERT_OK(ng_view_open(f->store, NULL, &middle));
    delete_one(f, 9, NULL);
    ASSERT_OK(ng_vector_field_drop(f->store, 2, NULL));
    assert_int_equal(make_field(f->store, "later", 7, NG_VECTOR_L2), 4);
    expect_vectors(then, &(reads){.view = before});
    ASSERT_OK(ng_view_state_hash(before, &other));
    assert_true(other == hash);
    size_t count;
    ng_token_info info;
    ASSERT_FAILS(ng_view_token_vector_in(before, 1, 4, NULL, 0, &count), NG_E_NOT_FOUND,
                 "vector field 4 not found");
    ASSERT_FAILS(ng_view_token_vector_in(before, 1, 17, NULL, 0, &count), NG_E_NOT_FOUND, "17");
    ASSERT_FAILS(ng_token_vector_in(f->store, 1, 2, NULL, 0, &count), NG_E_NOT_FOUND,
                 "vector field 2 not found");
    ASSERT_FAILS(ng_view_token_get(empty, 1, &info), NG_E_NOT_FOUND, "Token");
    ng_view_close(before);
    ASSERT_OK(ng_view_token_vector_in(middle, 9, 2, NULL, 0, &count)); /* still held */
    ng_view_close(middle);
    ng_view_close(empty);
    free(then);
    api_assert_clean(f->store);
}

static void test_transactions(void **state)
{
    fixture *f = *state;
    fill(f);
    ng_txn *txn = NULL;
    ASSERT_OK(ng_txn_begin(f->store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    fixture *then = malloc(sizeof *then);
    assert_non_null(then);
    *then = *f;
    uint64_t hash = api_hash(f->store);
    create_some(f, 5, &write);
    change_some(f, 30, &write);
    change_some(f, 30, &write);
    delete_one(f, f->tokens, &write);
    delete_one(f, 1, &write);
    expect_vectors(f, &(reads){.txn = txn});
    expect_vectors(then, &(reads){.store = f->store}); /* nobody else sees it */
    assert_true(api_hash(f->store) == hash);
    ASSERT_OK(ng_txn_commit(txn, NULL));
    expect_store(f, f->store);
    expect_store(f, reopened(f));
    /* Rolled back, and refused as a whole. */
    hash = api_hash(f->store);
    ASSERT_OK(ng_txn_begin(f->store, NULL, &txn));
    write.txn = txn;
    *then = *f;
    change_some(f, 10, &write);
    ng_token_fields wrong[2] = {api_fields(), api_fields()};
    wrong[0].set = wrong[1].set = NG_FIELD_VECTORS;
    wrong[0].vectors = &(ng_field_vector){1, (const float[]){1, 1, 1, 1, 1}, 5};
    wrong[1].vectors = &(ng_field_vector){3, (const float[]){1, 1, 1}, 3};
    wrong[0].vector_count = wrong[1].vector_count = 1;
    ASSERT_FAILS(ng_token_update_many(f->store, (const ng_token_id[]){2, 3}, wrong, 2, &write),
                 NG_E_INVALID, "item 1", "3 dimensions", "field 'taste' has 2");
    expect_vectors(f, &(reads){.txn = txn});
    ng_txn_rollback(txn);
    *f = *then;
    assert_true(api_hash(f->store) == hash);
    expect_store(f, f->store);
    free(then);
}

static void test_a_drop_beside_a_transaction(void **state)
{
    fixture *f = *state;
    fill(f);
    const float values[2] = {1, 2};
    size_t count;
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_VECTORS;
    fields.vectors = &(ng_field_vector){3, values, 2};
    fields.vector_count = 1;
    for (int again = 0; again < 2; again++) {
        ng_txn *txn = NULL;
        ASSERT_OK(ng_txn_begin(f->store, NULL, &txn));
        ng_write_options write = {.struct_size = sizeof write, .txn = txn};
        ASSERT_OK(ng_token_update(f->store, 1, &fields, &write));
        ASSERT_OK(ng_vector_field_drop(f->store, 3, NULL));
        if (again == 1) /* another one with the same number, of other dimensions */
            assert_int_equal(make_field(f->store, "taste", 3, NG_VECTOR_DOT), 3);
        ASSERT_FAILS(ng_txn_token_vector_in(txn, 1, 3, NULL, 0, &count),
                     again == 1 ? NG_E_CONFLICT : NG_E_NOT_FOUND, "vector field 3");
        ASSERT_FAILS(ng_txn_commit(txn, NULL), NG_E_CONFLICT,
                     "vector field 3 is not there any more");
        if (again == 0)
            assert_int_equal(make_field(f->store, "taste", 2, NG_VECTOR_L2), 3);
    }
    api_assert_clean(f->store);
    uint64_t hash = api_hash(f->store);
    assert_true(api_hash(reopened(f)) == hash);
    ASSERT_OK(ng_token_vector_in(f->store, 1, 3, NULL, 0, &count));
    assert_int_equal(count, 0);
}

static void test_dropped_fields_are_gone(void **state)
{
    fixture *f = *state;
    ng_memory memory;
    ng_vector_field_info info;
    ng_vector_field_id id = 9;
    ng_token_info token;
    fill(f);
    ASSERT_OK(ng_store_memory(f->store, &memory));
    uint64_t before = memory.bytes;
    uint32_t version;
    ASSERT_OK(ng_token_get(f->store, 1, &token));
    version = token.version;
    for (uint32_t i = 1; i < FIELDS; i++)
        ASSERT_OK(ng_vector_field_drop(f->store, i, NULL));
    ASSERT_OK(ng_store_memory(f->store, &memory));
    assert_true(memory.bytes + 3 * 65536 < before);
    for (uint32_t token_id = 1; token_id <= f->tokens; token_id++) {
        if (f->deleted[token_id])
            continue;
        ASSERT_OK(ng_token_get(f->store, token_id, &token));
        assert_int_equal(token.vector_fields, 0);
        assert_int_equal(token.has_vector, f->vectors[token_id][0].is_there);
    }
    ASSERT_OK(ng_token_get(f->store, 1, &token));
    assert_int_equal(token.version, version);
    ASSERT_FAILS(ng_vector_field_get(f->store, 1, &info), NG_E_NOT_FOUND, "vector field 1");
    ASSERT_FAILS(ng_vector_field_find(f->store, "image", &id), NG_E_NOT_FOUND, "'image'");
    ASSERT_FAILS(ng_vector_field_drop(f->store, 1, NULL), NG_E_NOT_FOUND, "vector field 1");
    uint64_t hash = api_hash(f->store);
    assert_true(api_hash(reopened(f)) == hash);
    /* The number comes again, and what was there does not. */
    assert_int_equal(make_field(f->store, "image", 9, NG_VECTOR_L2), 1);
    assert_int_equal(make_field(f->store, "more", 9, NG_VECTOR_L2), 2);
    size_t count = 9;
    ASSERT_OK(ng_token_vector_in(f->store, 1, 1, NULL, 0, &count));
    assert_int_equal(count, 0);
    hash = api_hash(f->store);
    assert_true(api_hash(reopened(f)) == hash);
    api_assert_clean(f->store);
}

/* --- search ---------------------------------------------------------------------------------- */

static double cosine(const float *a, const float *b, uint32_t dimensions)
{
    double dot = 0, aa = 0, bb = 0;
    for (uint32_t i = 0; i < dimensions; i++) {
        dot += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return aa == 0 || bb == 0 ? (double)NAN : dot / sqrt(aa) / sqrt(bb);
}

static void expect_nearest(const fixture *f, const float query[MOST], uint32_t effort)
{
    const ng_vector_options options = {.struct_size = sizeof options, .field = 1, .effort = effort};
    ng_score scores[TOKENS];
    size_t count = 0, there = 0;
    ASSERT_OK(ng_vector_nearest(f->store, query, sizes[1], &options, scores, TOKENS, &count));
    for (uint32_t id = 1; id <= f->tokens; id++)
        there += f->vectors[id][1].is_there;
    assert_int_equal(count, there);
    for (size_t i = 0; i < count; i++) {
        const kept *found = &f->vectors[scores[i].id][1];
        assert_true(found->is_there);
        double wanted = cosine(query, found->values, sizes[1]);
        assert_true(fabs(wanted - scores[i].score) < 1e-6);
        assert_true(i == 0 || scores[i - 1].score >= scores[i].score);
    }
}

static void test_search_by_cosine(void **state)
{
    fixture *f = *state;
    const float query[MOST] = {1, -0.5f, 0.25f, 2, 1};
    fill(f);
    expect_nearest(f, query, 0);
    const ng_vector_graph_options graph = {.struct_size = sizeof graph, .field = 1};
    ng_vector_graph info;
    ASSERT_FAILS(ng_vector_graph_get(f->store, 1, &info), NG_E_NOT_FOUND,
                 "vector field 1 has no graph");
    ASSERT_OK(ng_vector_graph_build(f->store, &graph, NULL, NULL));
    ASSERT_OK(ng_vector_graph_get(f->store, 1, &info));
    assert_int_equal(info.removed_components, 0);
    ASSERT_FAILS(ng_vector_graph_get(f->store, 0, &info), NG_E_NOT_FOUND, "the store has no graph");
    expect_nearest(f, query, 50);
    change_some(f, 30, NULL);
    delete_one(f, 3, NULL);
    expect_nearest(f, query, 50);
    expect_nearest(f, query, 0);
    ASSERT_OK(ng_vector_graph_drop(f->store, 1));
    ASSERT_FAILS(ng_vector_graph_get(f->store, 1, &info), NG_E_NOT_FOUND, "has no graph");
    /* A token's own vector: the default field and the named ones do not mix. */
    ng_filter filter = {.struct_size = sizeof filter, .entities = 1u << NG_ENTITY_OBJECT};
    ng_vector_options options = {.struct_size = sizeof options, .field = 1, .filter = &filter};
    ng_score score;
    size_t count = 9;
    ASSERT_OK(ng_vector_nearest(f->store, query, 5, &options, &score, 1, &count));
    assert_int_equal(count, 0); /* none is an object */
}

static void test_similarity(void **state)
{
    fixture *f = *state;
    ng_token_id ids[3];
    const float values[3][MOST] = {{1, 2, 2}, {3, 0, 4}, {0}};
    given all[3];
    ng_token_fields fields[3];
    memset(all, 0, sizeof all);
    for (int i = 0; i < 3; i++) {
        fields[i] = api_fields();
        fields[i].set = NG_FIELD_VECTORS;
        fields[i].vectors = all[i].list;
        fields[i].vector_count = 3;
        for (uint32_t k = 1; k < FIELDS; k++)
            all[i].list[k - 1] = (ng_field_vector){k, values[i], sizes[k]};
    }
    ASSERT_OK(ng_token_create_many(f->store, fields, 3, NULL, ids));
    double score = 0;
    ASSERT_OK(ng_token_similarity_in(f->store, 1, ids[0], ids[1], &score));
    assert_true(fabs(score - 11.0 / 15.0) < 1e-12);
    ASSERT_OK(ng_token_similarity_in(f->store, 2, ids[0], ids[1], &score));
    assert_true(score == 11.0);
    ASSERT_OK(ng_token_similarity_in(f->store, 3, ids[0], ids[1], &score));
    assert_true(score == -8.0);
    ASSERT_OK(ng_token_similarity_in(f->store, 3, ids[0], ids[2], &score));
    assert_true(score == -5.0);
    ASSERT_FAILS(ng_token_similarity_in(f->store, 1, ids[0], ids[2], &score), NG_E_ABSENT,
                 "zero vector in field 'image'");
    ng_token_id bare = api_token(f->store);
    ASSERT_FAILS(ng_token_similarity_in(f->store, 2, bare, ids[0], &score), NG_E_ABSENT,
                 "no vector in field 'sound'");
    ASSERT_FAILS(ng_token_similarity_in(f->store, 2, 999, ids[0], &score), NG_E_NOT_FOUND,
                 "000003E7");
    ASSERT_FAILS(ng_token_similarity_in(f->store, 9, bare, ids[0], &score), NG_E_NOT_FOUND,
                 "vector field 9");
}

/* --- repair ---------------------------------------------------------------------------------- */

static void keep_losses(void *context, const ng_loss *loss)
{
    char *text = context;
    snprintf(text + strlen(text), 2048 - strlen(text), "%s\n", loss->text);
}

/* A snapshot alone, whose last block of vectors is damaged: the rest is there, and what is lost is said. */
static void test_repair_saves_the_rest(void **state)
{
    fixture *f = *state;
    char path[800], name[64], other[700], text[2048] = "", says[64];
    api_blob whole = {0};
    unsigned lost = 0, all = 0;
    fill(f);
    for (uint32_t id = 1; id <= f->tokens; id++)
        for (uint32_t i = 1; i < FIELDS; i++) {
            all += f->vectors[id][i].is_there;
            lost += i == 3 && f->vectors[id][i].is_there;
        }
    ASSERT_OK(ng_stream_write(f->store, NULL, api_blob_sink, &whole, NULL));
    snprintf(name, sizeof name, "%020llu.snap", (unsigned long long)api_seq(f->store));
    test_path(other, sizeof other, f->root, "other");
    ASSERT_OK(ng_stream_restore(api_blob_source, &whole, other, NULL, NULL));
    api_blob_release(&whole);
    FILE *file = fopen(test_path(path, sizeof path, other, name), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -64, SEEK_END), 0); /* before the end mark: in "taste" */
    assert_int_equal(fputc('!', file), '!');
    assert_int_equal(fclose(file), 0);
    ng_store *store = NULL;
    assert_int_equal(ng_open(other, NULL, &store), NG_E_CORRUPT);
    ASSERT_OK(ng_repair(other, f->copy, keep_losses, text, NULL));
    snprintf(says, sizeof says, "%u of %u vectors in named fields are lost", lost, all);
    assert_non_null(strstr(text, says));
    store = api_disk_store(f->copy);
    for (uint32_t id = 1; id <= f->tokens; id++)
        f->vectors[id][3] = (kept){0};
    expect_store(f, store);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tokens_have_vectors_in_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kept_by_log_snapshot_stream_and_copy, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_hash_tells_fields_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_views_keep_their_moment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_transactions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_drop_beside_a_transaction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dropped_fields_are_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_search_by_cosine, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_similarity, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_repair_saves_the_rest, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("fields of vectors", tests, NULL, NULL);
}
