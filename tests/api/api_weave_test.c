/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Weaving and fused similarity through the public header: arguments, reports, and what they leave. */
#include "api_support.h"

#include "test_directory.h"

#include <math.h>
#include <stdlib.h>

static const char words_text[] = "cup 1.0 0.9 0.1\nmug 0.9 1.0 0.1\nbowl 0.8 0.9 0.3\n"
                                 "sea 0.0 0.1 1.0\nlake 0.1 0.0 0.9\nvoid 0 0 0\n";

typedef struct woven_store {
    char *directory;
    ng_store *store;
} woven_store;

static int setup(void **state)
{
    woven_store *fixture = calloc(1, sizeof *fixture);
    char path[600];
    assert_non_null(fixture);
    fixture->directory = test_directory_create();
    test_path(path, sizeof path, fixture->directory, "words.txt");
    test_file_write(path, words_text, sizeof words_text - 1);
    fixture->store = api_memory_store();
    ASSERT_OK(ng_bootstrap(fixture->store, path, NULL, NULL));
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    woven_store *fixture = *state;
    ASSERT_OK(ng_close(fixture->store));
    test_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

static ng_token_id word(ng_store *store, const char *text)
{
    ng_token_id id = 0;
    ASSERT_OK(ng_word_find(store, NG_COLLECTION_SEMANTIC, text, strlen(text), &id));
    return id;
}

static void test_weave_and_unweave(void **state)
{
    ng_store *store = ((woven_store *)*state)->store;
    ng_weave_options options = {.struct_size = sizeof options,
                                .neighbors = 1,
                                .remove_components = NG_PLAIN_COSINE};
    ng_weave_report report;
    ng_edge edge;
    ng_connection record;
    size_t count = 0;
    uint64_t before, woven, after;
    double similarity;
    ASSERT_OK(ng_state_hash(store, &before));
    ASSERT_OK(ng_weave(store, &options, &report));
    assert_int_equal(report.words, 6);
    assert_int_equal(report.without_vector, 1);
    assert_int_equal(report.connections_created, 5);
    const ng_edge_options out = {.struct_size = sizeof out, .direction = NG_OUTGOING};
    ng_token_id cup = word(store, "cup"), mug = word(store, "mug");
    ASSERT_OK(ng_token_connections(store, cup, &out, &edge, 1, &count));
    assert_int_equal(count, 1);
    assert_int_equal(edge.target, mug);
    assert_string_equal(ng_connection_type_name(edge.type), "SimilarTo");
    ASSERT_OK(ng_connection_get(store, edge.id, &record));
    ASSERT_OK(ng_token_similarity(store, cup, mug, NG_PLAIN_COSINE, &similarity));
    assert_int_equal(record.origin, 3);
    assert_int_equal(record.mutability, NG_IMMUTABLE);
    assert_true(fabs((double)record.pull_strength - similarity) < 1e-7);
    ASSERT_OK(ng_state_hash(store, &woven));
    ASSERT_OK(ng_weave(store, &options, &report));
    assert_int_equal(report.connections_unchanged, 5);
    ASSERT_OK(ng_state_hash(store, &after));
    assert_true(woven == after && woven != before);
    ASSERT_OK(ng_unweave(store, NULL, &report));
    assert_int_equal(report.connections_removed, 5);
    ASSERT_OK(ng_unweave(store, NULL, &report));
    assert_int_equal(report.connections_removed, 0);
}

static void test_weave_errors(void **state)
{
    ng_store *store = ((woven_store *)*state)->store;
    ng_weave_options options = {.struct_size = 1};
    ASSERT_FAILS(ng_weave(NULL, NULL, NULL), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_unweave(NULL, NULL, NULL), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_weave(store, &options, NULL), NG_E_INVALID, "struct_size");
    ASSERT_FAILS(ng_unweave(store, &options, NULL), NG_E_INVALID, "struct_size");
    options = (ng_weave_options){.struct_size = sizeof options, .neighbors = 101};
    ASSERT_FAILS(ng_weave(store, &options, NULL), NG_E_INVALID, "neighbors 101", "1..100");
    ASSERT_FAILS(ng_unweave(store, &options, NULL), NG_E_INVALID, "collection", "progress");
    options = (ng_weave_options){.struct_size = sizeof options, .remove_components = 9};
    ASSERT_FAILS(ng_weave(store, &options, NULL), NG_E_INVALID, "9");
    options = (ng_weave_options){.struct_size = sizeof options, .collection = 50};
    ASSERT_FAILS(ng_weave(store, &options, NULL), NG_E_NOT_FOUND, "50");
}

/* What the constitution does not allow is not woven. */
static void test_constitution(void **state)
{
    ng_store *store = ((woven_store *)*state)->store;
    ng_cdna cdna;
    ASSERT_OK(ng_cdna_get(store, &cdna));
    cdna.allowed_types.bits[0] = 1;
    ASSERT_OK(ng_cdna_set(store, &cdna, NULL));
    ASSERT_FAILS(ng_weave(store, NULL, NULL), NG_E_FORBIDDEN, "SimilarTo");
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.connection_count, 0);
}

static void test_fused(void **state)
{
    ng_store *store = ((woven_store *)*state)->store;
    ng_token_id cup = word(store, "cup"), mug = word(store, "mug"), none = word(store, "void");
    ng_fused_options options = {.struct_size = sizeof options};
    ng_fused fused, many[3];
    size_t found = 9;
    ASSERT_OK(ng_similarity_fused(store, cup, mug, &options, &fused));
    assert_true(fused.by_vectors && !fused.by_links && fabs(fused.score - fused.cosine) < 1e-12);
    ASSERT_FAILS(ng_similarity_fused(store, cup, none, NULL, &fused), NG_E_ABSENT, "vectors");
    ASSERT_FAILS(ng_similarity_fused(store, cup, 999, NULL, &fused), NG_E_NOT_FOUND, "");
    ASSERT_FAILS(ng_similarity_fused(NULL, cup, mug, NULL, &fused), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_similarity_fused(store, cup, mug, NULL, NULL), NG_E_INVALID, "out");
    options.remove_components = 25;
    ASSERT_FAILS(ng_similarity_fused(store, cup, mug, &options, &fused), NG_E_INVALID,
                 "remove_components 25");
    options.struct_size = 3;
    ASSERT_FAILS(ng_similarity_fused(store, cup, mug, &options, &fused), NG_E_INVALID,
                 "struct_size");
    const ng_token_id pairs[3][2] = {{cup, mug}, {cup, none}, {999, cup}};
    ASSERT_OK(ng_similarity_fused_many(store, pairs, 3, NULL, many, &found));
    assert_int_equal(found, 1);
    ASSERT_OK(ng_similarity_fused(store, cup, mug, NULL, &fused));
    assert_true(many[0].score == fused.score && isnan(many[1].score) && isnan(many[2].score));
    ASSERT_OK(ng_similarity_fused_many(store, NULL, 0, NULL, NULL, NULL));
    ASSERT_FAILS(ng_similarity_fused_many(store, pairs, 1000001, NULL, many, NULL), NG_E_INVALID,
                 "count 1000001", "1000000");
    ASSERT_FAILS(ng_similarity_fused_many(store, NULL, 1, NULL, many, NULL), NG_E_INVALID, "pairs");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_weave_and_unweave),
        TEST(test_weave_errors),
        TEST(test_constitution),
        TEST(test_fused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
