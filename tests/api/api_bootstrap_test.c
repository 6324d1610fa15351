/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Bootstrap from small files, and queries over what was loaded. */
#include "api_support.h"

#include "test_directory.h"

#include <math.h>
#include <stdlib.h>

static const char words_text[] = "king 1.0 0.9 0.1 0.0\n"
                                 "queen 0.9 1.0 0.1 0.1\n"
                                 "man 1.0 0.1 0.2 0.0\n"
                                 "woman 0.1 1.0 0.2 0.1\n"
                                 "apple 0.0 0.1 1.0 0.9\n"
                                 "pear 0.1 0.0 0.9 1.0\n";

typedef struct loaded_store {
    char *directory;
    char path[600];
    ng_store *store;
} loaded_store;

static int setup(void **state)
{
    loaded_store *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->directory = test_directory_create();
    test_path(fixture->path, sizeof fixture->path, fixture->directory, "words.txt");
    test_file_write(fixture->path, words_text, sizeof words_text - 1);
    fixture->store = api_memory_store();
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    loaded_store *fixture = *state;
    ASSERT_OK(ng_close(fixture->store));
    test_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

static void test_load(void **state)
{
    loaded_store *fixture = *state;
    ng_bootstrap_report report;
    ng_info info;
    ng_token_id id = 0;
    float vector[4];
    size_t count = 0;
    ASSERT_OK(ng_bootstrap(fixture->store, fixture->path, NULL, &report));
    assert_int_equal(report.format, NG_FORMAT_GLOVE);
    assert_int_equal(report.words_read, 6);
    assert_int_equal(report.words_created, 6);
    assert_int_equal(report.dimensions, 4);
    assert_true(report.components >= 1 && report.components <= 4);
    assert_true(report.explained_variance > 0.5 && report.explained_variance <= 1 + 1e-9);
    ASSERT_OK(ng_store_info(fixture->store, &info));
    assert_int_equal(info.token_count, 6);
    assert_int_equal(info.vector_count, 6);
    assert_int_equal(info.dimensions, 4);
    assert_int_equal(info.applied_seq, info.durable_seq);
    ASSERT_OK(ng_token_find(fixture->store, NG_COLLECTION_SEMANTIC, "pear", 4, &id));
    ASSERT_OK(ng_token_vector(fixture->store, id, vector, 4, &count));
    assert_true(count == 4 && vector[0] == 0.1f && vector[3] == 1.0f);
    ng_token record;
    float point[3];
    ASSERT_OK(ng_token_read(fixture->store, id, &record));
    assert_true(ng_token_coordinates(fixture->store, &record, NG_SPACE_ABSTRACT, point));
}

/* Loading again changes nothing: not a word, not an op. */
static void test_load_is_idempotent(void **state)
{
    loaded_store *fixture = *state;
    ng_bootstrap_report report;
    uint64_t before = 0, after = 0;
    ASSERT_OK(ng_bootstrap(fixture->store, fixture->path, NULL, NULL));
    ASSERT_OK(ng_state_hash(fixture->store, &before));
    ASSERT_OK(ng_bootstrap(fixture->store, fixture->path, NULL, &report));
    ASSERT_OK(ng_state_hash(fixture->store, &after));
    assert_int_equal(report.words_read, 6);
    assert_int_equal(report.words_created, 0);
    assert_int_equal(report.words_unchanged, 6);
    assert_true(before == after);
}

static void test_load_errors(void **state)
{
    loaded_store *fixture = *state;
    ng_store *store = fixture->store;
    ng_bootstrap_options options = {.struct_size = sizeof options};
    ng_bootstrap_report report;
    ASSERT_FAILS(ng_bootstrap(NULL, fixture->path, NULL, NULL), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_bootstrap(store, NULL, NULL, NULL), NG_E_INVALID, "path");
    ASSERT_FAILS(ng_bootstrap(store, "", NULL, NULL), NG_E_INVALID, "path");
    assert_int_not_equal(ng_bootstrap(store, "/nonexistent/words", NULL, NULL), NG_OK);
    assert_non_null(strstr(ng_last_error(), "/nonexistent/words"));
    options.struct_size = 1;
    ASSERT_FAILS(ng_bootstrap(store, fixture->path, &options, NULL), NG_E_INVALID, "struct_size");
    options = (ng_bootstrap_options){.struct_size = sizeof options, .components = 25};
    ASSERT_FAILS(ng_bootstrap(store, fixture->path, &options, NULL), NG_E_INVALID, "components 25",
                 "1..24");
    options = (ng_bootstrap_options){.struct_size = sizeof options, .format = (ng_format)9};
    ASSERT_FAILS(ng_bootstrap(store, fixture->path, &options, NULL), NG_E_INVALID, "format 9");
    options = (ng_bootstrap_options){.struct_size = sizeof options, .collection = 50};
    ASSERT_FAILS(ng_bootstrap(store, fixture->path, &options, NULL), NG_E_NOT_FOUND,
                 "collection 50");
    static const struct {
        const char *text;
        const char *says[3];
    } files[] = {{"cat 1 2 3\ndog 1 2\n", {"line 2", "expected 3 numbers", "got 2"}},
                 {"cat 1 2 3\ndog 1 2 x\n", {"line 2", "'x'", "number"}},
                 {"cat 1 2 3\ndog 1 nan 2\n", {"line 2", "nan", "finite"}},
                 {"cat 1 2 3\n\xFF 1 2 3\n", {"line 2", "UTF-8", ""}},
                 {"cat 1 2 3\ndog 1 2", {"truncated", "words.txt", "2"}},
                 {"", {"words.txt", "", ""}}};
    options = (ng_bootstrap_options){.struct_size = sizeof options, .format = NG_FORMAT_GLOVE};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        test_file_write(fixture->path, files[i].text, strlen(files[i].text));
        ASSERT_FAILS(ng_bootstrap(store, fixture->path, &options, &report), NG_E_FORMAT,
                     files[i].says[0], files[i].says[1], files[i].says[2]);
    }
    ng_check_report check;
    ASSERT_OK(ng_check(store, &check));
    assert_int_equal(check.problem_count, 0);
}

/* The same words as an array with a vocabulary: nothing is new. */
static void test_array_and_vocabulary(void **state)
{
    static const char dictionary[] =
        "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 4)}  \n";
    static const uint8_t halves[] = {0, 0x3C, 0, 0x38, 0, 0,    0, 0xBC,
                                     0, 0,    0, 0x3C, 0, 0x38, 0, 0x40};
    loaded_store *fixture = *state;
    uint8_t array[256] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, sizeof dictionary - 1, 0};
    char vocabulary[600], path[600];
    ng_bootstrap_report report;
    ng_bootstrap_options options = {.struct_size = sizeof options, .vocabulary = vocabulary};
    memcpy(array + 10, dictionary, sizeof dictionary - 1);
    memcpy(array + 10 + sizeof dictionary - 1, halves, sizeof halves);
    test_path(path, sizeof path, fixture->directory, "array");
    test_path(vocabulary, sizeof vocabulary, fixture->directory, "names");
    test_file_write(path, array, 10 + sizeof dictionary - 1 + sizeof halves);
    ASSERT_FAILS(ng_bootstrap(fixture->store, path, NULL, NULL), NG_E_NOT_FOUND, "array",
                 "vocabulary");
    ASSERT_FAILS(ng_bootstrap(fixture->store, path, &options, NULL), NG_E_NOT_FOUND, "names");
    test_file_write(vocabulary, "ice cream\ncat\n", 14);
    ASSERT_OK(ng_bootstrap(fixture->store, path, &options, &report));
    assert_int_equal(report.format, NG_FORMAT_NPY);
    assert_int_equal(report.words_created, 2);
    test_file_write(fixture->path, "cat 0 1 0.5 2\n", 14);
    ASSERT_FAILS(ng_bootstrap(fixture->store, fixture->path, &options, NULL), NG_E_INVALID,
                 "vocabulary");
    ASSERT_OK(ng_bootstrap(fixture->store, fixture->path, NULL, &report));
    assert_int_equal(report.words_unchanged, 1);
}

static bool stop_at_once(void *context, const ng_progress *progress)
{
    assert_non_null(progress->phase);
    (*(int *)context)++;
    return false;
}

static bool go_on(void *context, const ng_progress *progress)
{
    assert_true(progress->total == 0 || progress->done <= progress->total);
    (*(int *)context)++;
    return true;
}

static void test_cancel_and_go_on(void **state)
{
    loaded_store *fixture = *state;
    int calls = 0;
    ng_bootstrap_report report;
    ng_bootstrap_options options = {.struct_size = sizeof options,
                                    .progress = stop_at_once,
                                    .progress_context = &calls};
    ASSERT_FAILS(ng_bootstrap(fixture->store, fixture->path, &options, &report), NG_E_CANCELLED,
                 "words.txt");
    assert_int_equal(calls, 1);
    ng_check_report check;
    ASSERT_OK(ng_check(fixture->store, &check));
    assert_int_equal(check.problem_count, 0);
    calls = 0;
    options.progress = go_on;
    ASSERT_OK(ng_bootstrap(fixture->store, fixture->path, &options, &report));
    assert_true(calls >= 1);
    ng_info info;
    ASSERT_OK(ng_store_info(fixture->store, &info));
    assert_int_equal(info.token_count, 6);
}

static void test_limits_and_collection(void **state)
{
    loaded_store *fixture = *state;
    ng_collection_id mine = 0;
    uint64_t count = 0;
    ng_bootstrap_report report;
    ASSERT_OK(ng_collection_create(fixture->store, "mine", NULL, &mine));
    ng_bootstrap_options options = {.struct_size = sizeof options,
                                    .max_words = 4,
                                    .collection = mine,
                                    .components = 2};
    ASSERT_OK(ng_bootstrap(fixture->store, fixture->path, &options, &report));
    assert_int_equal(report.words_created, 4);
    assert_int_equal(report.components, 2);
    ASSERT_OK(ng_collection_get(fixture->store, mine, NULL, &count));
    assert_int_equal(count, 4);
    ng_query_options query = {.struct_size = sizeof query, .collection = mine};
    ng_query_result *result = NULL;
    ASSERT_OK(ng_query(fixture->store, "king", &query, &result));
    assert_int_equal(result->hit_count, 3);
    ng_query_result_destroy(result);
    ASSERT_FAILS(ng_query(fixture->store, "king", NULL, &result), NG_E_NOT_FOUND, "king");
}

/* Collection 0 is runtime when it is meant, and a store opened warm has its memory for searches
 * before the first one. */
static void test_runtime_and_warm(void **state)
{
    loaded_store *fixture = *state;
    char path[1100];
    ng_store *store = NULL;
    uint64_t count = 0;
    ng_info cold, warm;
    ng_query_result *result = NULL;
    ng_bootstrap_options load = {.struct_size = sizeof load, .by_collection = true};
    ng_query_options query = {.struct_size = sizeof query, .by_collection = true};
    ng_open_options open = {.struct_size = sizeof open};
    snprintf(path, sizeof path, "%s.store", fixture->path);
    ASSERT_OK(ng_open(path, &open, &store));
    ASSERT_OK(ng_bootstrap(store, fixture->path, &load, NULL));
    ASSERT_OK(ng_collection_get(store, NG_COLLECTION_RUNTIME, NULL, &count));
    assert_int_equal(count, 6);
    ASSERT_OK(ng_close(store));
    ASSERT_OK(ng_open(path, &open, &store));
    ASSERT_OK(ng_store_info(store, &cold));
    ASSERT_OK(ng_close(store));
    open.flags = NG_OPEN_WARM;
    ASSERT_OK(ng_open(path, &open, &store));
    ASSERT_OK(ng_store_info(store, &warm));
    assert_true(warm.memory_vector_bytes > cold.memory_vector_bytes);
    ASSERT_OK(ng_query(store, "king", &query, &result));
    assert_int_equal(result->hit_count, 5);
    ng_query_result_destroy(result);
    ASSERT_FAILS(ng_query(store, "king", NULL, &result), NG_E_NOT_FOUND, "king");
    ASSERT_OK(ng_close(store));
}

static void test_query(void **state)
{
    loaded_store *fixture = *state;
    ng_query_result *result = NULL;
    ASSERT_OK(ng_bootstrap(fixture->store, fixture->path, NULL, NULL));
    ng_query_options options = {.struct_size = sizeof options,
                                .remove_components = NG_PLAIN_COSINE};
    ASSERT_OK(ng_query(fixture->store, "Apple", &options, &result));
    assert_int_equal(result->hit_count, 5); /* all but the word itself */
    assert_string_equal(result->hits[0].label, "pear");
    assert_int_equal(result->term_count, 1);
    assert_string_equal(result->terms[0].text, "apple");
    assert_int_equal(result->terms[0].sign, 1);
    assert_int_equal(result->unknown_count, 0);
    assert_int_equal(result->candidates, 6);
    for (size_t i = 1; i < result->hit_count; i++)
        assert_true(result->hits[i].score <= result->hits[i - 1].score);
    ng_query_result_destroy(result);

    ASSERT_OK(ng_query(fixture->store, "king - man + woman", &options, &result));
    assert_string_equal(result->hits[0].label, "queen");
    assert_int_equal(result->term_count, 3);
    assert_int_equal(result->terms[1].sign, -1);
    ng_query_result_destroy(result);

    options.include_query_words = true;
    options.limit = 2;
    ASSERT_OK(ng_query(fixture->store, "apple zzz", &options, &result));
    assert_int_equal(result->hit_count, 2);
    assert_string_equal(result->hits[0].label, "apple");
    assert_true(fabs(result->hits[0].score - 1) < 1e-9);
    assert_int_equal(result->unknown_count, 1);
    assert_int_equal(result->terms[1].id, 0);
    assert_string_equal(result->terms[1].text, "zzz");
    ng_query_result_destroy(result);

    options.limit = 0;
    options.by_threshold = true;
    options.threshold = 0.9;
    ASSERT_OK(ng_query(fixture->store, "apple", &options, &result));
    for (size_t i = 0; i < result->hit_count; i++)
        assert_true(result->hits[i].score >= 0.9);
    assert_int_equal(result->hit_count, 2);
    ng_query_result_destroy(result);
    ng_query_result_destroy(NULL);
}

static void test_query_says_why(void **state)
{
    loaded_store *fixture = *state;
    ng_query_result *result = NULL;
    ng_token_id apple = 0, pear = 0;
    ASSERT_OK(ng_bootstrap(fixture->store, fixture->path, NULL, NULL));
    ASSERT_OK(ng_token_find(fixture->store, NG_COLLECTION_SEMANTIC, "apple", 5, &apple));
    ASSERT_OK(ng_token_find(fixture->store, NG_COLLECTION_SEMANTIC, "pear", 4, &pear));
    ng_connection_id link = api_link(fixture->store, pear, apple, 8, NG_CONNECTION_ACTIVE);
    ng_query_options options = {.struct_size = sizeof options,
                                .why = true,
                                .remove_components = NG_PLAIN_COSINE};
    ASSERT_OK(ng_query(fixture->store, "apple", &options, &result));
    assert_int_equal(result->hits[0].id, pear);
    assert_int_equal(result->hits[0].why_count, 1);
    assert_int_equal(result->hits[0].why[0].id, link);
    assert_int_equal(result->hits[1].why_count, 0);
    ng_query_result_destroy(result);
}

static void test_query_errors(void **state)
{
    loaded_store *fixture = *state;
    ng_store *store = fixture->store;
    ng_query_result *result = NULL;
    ASSERT_FAILS(ng_query(store, "apple", NULL, &result), NG_E_NOT_FOUND, "apple");
    ASSERT_OK(ng_bootstrap(store, fixture->path, NULL, NULL));
    ASSERT_FAILS(ng_query(NULL, "apple", NULL, &result), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_query(store, NULL, NULL, &result), NG_E_INVALID, "text");
    ASSERT_FAILS(ng_query(store, "apple", NULL, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_query(store, "", NULL, &result), NG_E_INVALID, "empty");
    ASSERT_FAILS(ng_query(store, "  \t ", NULL, &result), NG_E_INVALID, "empty");
    ASSERT_FAILS(ng_query(store, "apple -", NULL, &result), NG_E_INVALID, "'-'");
    ASSERT_FAILS(ng_query(store, "xyzzy plugh", NULL, &result), NG_E_NOT_FOUND, "xyzzy", "plugh");
    ASSERT_FAILS(ng_query(store, "\xFF", NULL, &result), NG_E_INVALID, "UTF-8");
    ASSERT_FAILS(ng_query(store, "apple - apple", NULL, &result), NG_E_INVALID, "cancel");
    char *text = calloc(1, 6001);
    assert_non_null(text);
    memset(text, 'a', 6000);
    ASSERT_FAILS(ng_query(store, text, NULL, &result), NG_E_INVALID, "6000", "4096");
    for (size_t i = 0; i < 400; i += 2)
        memcpy(text + i, "b ", 2);
    text[400] = '\0';
    ASSERT_FAILS(ng_query(store, text, NULL, &result), NG_E_INVALID, "64");
    free(text);
    ng_query_options options = {.struct_size = 4};
    ASSERT_FAILS(ng_query(store, "apple", &options, &result), NG_E_INVALID, "struct_size");
    options = (ng_query_options){.struct_size = sizeof options, .limit = 10001};
    ASSERT_FAILS(ng_query(store, "apple", &options, &result), NG_E_INVALID, "limit 10001",
                 "1..10000");
    options =
        (ng_query_options){.struct_size = sizeof options, .by_threshold = true, .threshold = NAN};
    ASSERT_FAILS(ng_query(store, "apple", &options, &result), NG_E_INVALID, "threshold");
    options = (ng_query_options){.struct_size = sizeof options, .collection = 30};
    ASSERT_FAILS(ng_query(store, "apple", &options, &result), NG_E_NOT_FOUND, "collection 30");
    assert_null(result);
}

int main(void)
{
#define FIXED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        FIXED(test_load),
        FIXED(test_load_is_idempotent),
        FIXED(test_load_errors),
        FIXED(test_array_and_vocabulary),
        FIXED(test_cancel_and_go_on),
        FIXED(test_limits_and_collection),
        FIXED(test_runtime_and_warm),
        FIXED(test_query),
        FIXED(test_query_says_why),
        FIXED(test_query_errors),
    };
    return cmocka_run_group_tests_name("bootstrap and query", tests, NULL, NULL);
}
