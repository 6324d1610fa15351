/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Similarities of many tokens against one by one, the odd one out against a naive twin, and what
 * queries by words do beyond ranking: spelling, weights, phrases, filters, spaces, batches, scripts. */
#include "api_support.h"

#include "test_directory.h"

#include <math.h>
#include <stdlib.h>

#define WORDS 700u /* more than two blocks of columns */
#define DIMENSIONS 13u

typedef struct words_store {
    char *directory;
    ng_store *store;
} words_store;

static double next_number(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 40) * 0x1p-23 - 1;
}

/* WORDS words w1, w2, ... with random vectors and a projection. A query has derived norms for the
 * default number of components and for no other. */
static int setup(void **state)
{
    words_store *fixture = calloc(1, sizeof *fixture);
    char path[600], *text = malloc((size_t)WORDS * DIMENSIONS * 16);
    size_t used = 0;
    uint64_t random = 11;
    assert_non_null(fixture);
    assert_non_null(text);
    for (unsigned i = 1; i <= WORDS; i++) {
        used += (size_t)sprintf(text + used, "w%u", i);
        for (unsigned d = 0; d < DIMENSIONS; d++)
            used += (size_t)sprintf(text + used, " %.5f", next_number(&random) + 0.3);
        text[used++] = '\n';
    }
    fixture->directory = test_directory_create();
    test_path(path, sizeof path, fixture->directory, "words.txt");
    test_file_write(path, text, used);
    free(text);
    fixture->store = api_memory_store();
    ASSERT_OK(ng_bootstrap(fixture->store, path, NULL, NULL));
    ng_query_result *result = NULL;
    ASSERT_OK(ng_query(fixture->store, "w1", NULL, &result));
    ng_query_result_destroy(result);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    words_store *fixture = *state;
    ASSERT_OK(ng_close(fixture->store));
    test_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

/* What one call says; NaN where it fails because there is nothing to compare. */
static double one(const ng_store *store, ng_token_id a, ng_token_id b, int32_t remove)
{
    double value = 7;
    ng_status status = ng_token_similarity(store, a, b, remove, &value);
    if (status == NG_OK)
        return value;
    assert_true(status == NG_E_ABSENT || status == NG_E_NOT_FOUND || status == NG_E_INVALID);
    return (double)NAN;
}

static void assert_bits(double got, double expected)
{
    if (isnan(expected))
        assert_true(isnan(got));
    else
        assert_memory_equal(&got, &expected, sizeof got);
}

/* Ids of words, and of what has no similarity: 0, deleted, never given, without a vector, and a
 * vector of zeros. */
static void make_ids(ng_store *store, ng_token_id *ids, size_t count, uint64_t random)
{
    float zeros[DIMENSIONS] = {0};
    ng_token_fields fields = api_fields();
    ng_token_id deleted = api_token(store), bare = api_token(store), none;
    fields.set = NG_FIELD_VECTOR;
    fields.vector = zeros;
    fields.vector_dimensions = DIMENSIONS;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &none));
    ASSERT_OK(ng_token_delete(store, deleted, NULL));
    const ng_token_id without[] = {0, deleted, bare, none, 99999, UINT64_MAX};
    for (size_t i = 0; i < count; i++) {
        uint64_t number = (uint64_t)((next_number(&random) + 1) * 1e6);
        ids[i] = number % 9 == 0 ? without[number / 9 % 6] : 1 + number % WORDS;
    }
}

static void test_pairs_equal_one_by_one(void **state)
{
    ng_store *store = ((words_store *)*state)->store;
    static ng_token_id pairs[1000][2];
    static double out[1000];
    static const int32_t removes[] = {NG_PLAIN_COSINE, 0, 1, 7};
    static const size_t counts[] = {1, 2, 7, 8, 9, 127, 128, 129, 1000};
    make_ids(store, &pairs[0][0], 2000, 5);
    for (size_t r = 0; r < sizeof removes / sizeof *removes; r++) {
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            size_t found = 99, expected = 0;
            memset(out, 1, sizeof out);
            ASSERT_OK(ng_similarity_many(store, (const ng_token_id(*)[2])pairs, counts[c],
                                         removes[r], out, &found));
            for (size_t i = 0; i < counts[c]; i++) {
                double single = one(store, pairs[i][0], pairs[i][1], removes[r]);
                assert_bits(out[i], single);
                expected += isnan(single) ? 0 : 1;
            }
            assert_int_equal(found, expected);
        }
    }
}

static void test_matrix_equals_one_by_one(void **state)
{
    ng_store *store = ((words_store *)*state)->store;
    static ng_token_id a[300], b[600];
    static double out[300 * 600];
    static const size_t sizes[][2] = {{1, 1}, {1, 9}, {9, 1}, {3, 8}, {65, 257}, {130, 519}};
    make_ids(store, a, 300, 6);
    make_ids(store, b, 600, 7);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (int32_t remove = NG_PLAIN_COSINE; remove <= 2; remove += 3) {
            size_t rows = sizes[s][0], columns = sizes[s][1], found = 0, expected = 0;
            ASSERT_OK(ng_similarity_matrix(store, a, rows, b, columns, remove, out, &found));
            for (size_t i = 0; i < rows; i++) {
                for (size_t j = 0; j < columns; j++) {
                    double single = one(store, a[i], b[j], remove);
                    assert_bits(out[i * columns + j], single);
                    expected += isnan(single) ? 0 : 1;
                }
            }
            assert_int_equal(found, expected);
        }
    }
    ASSERT_OK(ng_similarity_matrix(store, a, 40, NULL, 0, 0, out, NULL));
    for (size_t i = 0; i < 40; i++) {
        for (size_t j = 0; j < 40; j++) {
            assert_bits(out[i * 40 + j], one(store, a[i], a[j], 0));
            assert_bits(out[i * 40 + j], out[j * 40 + i]);
        }
    }
}

static void test_nothing_to_compare(void **state)
{
    ng_store *store = ((words_store *)*state)->store;
    ng_store *empty = api_memory_store();
    const ng_token_id ids[3] = {1, 2, 3};
    const ng_token_id pairs[1][2] = {{1, 2}};
    double out[9];
    size_t found = 9, odd = 77;
    ASSERT_OK(ng_similarity_many(store, NULL, 0, 0, NULL, &found));
    assert_int_equal(found, 0);
    found = 9;
    ASSERT_OK(ng_similarity_matrix(store, NULL, 0, ids, 3, 0, NULL, &found));
    assert_int_equal(found, 0);
    ASSERT_OK(ng_similarity_matrix(store, NULL, 0, NULL, 0, 0, NULL, &found));
    ASSERT_OK(ng_similarity_many(empty, pairs, 1, 0, out, &found));
    assert_int_equal(found, 0);
    assert_true(isnan(out[0]));
    ASSERT_OK(ng_similarity_matrix(empty, ids, 3, NULL, 0, 0, out, NULL));
    for (int i = 0; i < 9; i++)
        assert_true(isnan(out[i]));
    ASSERT_FAILS(ng_odd_one_out(empty, ids, 3, 0, &odd, NULL), NG_E_ABSENT, "0 of the 3");
    assert_int_equal(odd, 77);
    ASSERT_OK(ng_close(empty));
}

static void test_similarity_errors(void **state)
{
    ng_store *store = ((words_store *)*state)->store;
    const ng_token_id ids[4] = {1, 2, 3, 4};
    const ng_token_id pairs[1][2] = {{1, 2}};
    double out[16];
    size_t odd;
    ASSERT_FAILS(ng_similarity_many(NULL, pairs, 1, 0, out, NULL), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_similarity_many(store, NULL, 1, 0, out, NULL), NG_E_INVALID, "pairs");
    ASSERT_FAILS(ng_similarity_many(store, pairs, 1, 0, NULL, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_similarity_many(store, pairs, 1, 25, out, NULL), NG_E_INVALID, "25", "-1..24");
    ASSERT_FAILS(ng_similarity_many(store, pairs, 1, 24, out, NULL), NG_E_INVALID, "24");
    ASSERT_FAILS(ng_similarity_many(store, pairs, 1000001, 0, out, NULL), NG_E_INVALID,
                 "count 1000001", "0..1000000");
    ASSERT_FAILS(ng_similarity_matrix(store, ids, 2, NULL, 2, 0, out, NULL), NG_E_INVALID, "b is");
    ASSERT_FAILS(ng_similarity_matrix(store, NULL, 2, ids, 2, 0, out, NULL), NG_E_INVALID, "a is");
    ASSERT_FAILS(ng_similarity_matrix(store, ids, 2, ids, 2, 0, NULL, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_similarity_matrix(store, ids, 10001, NULL, 0, 0, out, NULL), NG_E_INVALID,
                 "10001", "0..100000000");
    ASSERT_FAILS(ng_similarity_matrix(store, ids, SIZE_MAX, ids, SIZE_MAX, 0, out, NULL),
                 NG_E_INVALID, "0..100000000");
    ASSERT_FAILS(ng_odd_one_out(store, ids, 2, 0, &odd, NULL), NG_E_INVALID, "count 2", "3..1000");
    ASSERT_FAILS(ng_odd_one_out(store, ids, 1001, 0, &odd, NULL), NG_E_INVALID, "count 1001");
    ASSERT_FAILS(ng_odd_one_out(store, NULL, 3, 0, &odd, NULL), NG_E_INVALID, "ids");
    ASSERT_FAILS(ng_odd_one_out(store, ids, 3, 0, NULL, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_odd_one_out(store, ids, 3, -2, &odd, NULL), NG_E_INVALID, "-2");
}

static void test_odd_one_out(void **state)
{
    ng_store *store = ((words_store *)*state)->store;
    static ng_token_id ids[60];
    double scores[60];
    make_ids(store, ids, 60, 8);
    for (size_t count = 6; count <= 60; count += 9) {
        size_t odd = 99, expected = 0;
        double least = INFINITY;
        ASSERT_OK(ng_odd_one_out(store, ids, count, 0, &odd, scores));
        for (size_t i = 0; i < count; i++) {
            double sum = 0;
            size_t others = 0;
            for (size_t j = 0; j < count; j++) {
                double similarity = one(store, ids[i], ids[j], 0);
                if (j != i && !isnan(similarity)) {
                    sum += similarity;
                    others++;
                }
            }
            if (others == 0) {
                assert_true(isnan(scores[i]));
                continue;
            }
            assert_true(fabs(scores[i] - sum / (double)others) < 1e-12);
            if (sum / (double)others < least) {
                least = sum / (double)others;
                expected = i;
            }
        }
        assert_int_equal(odd, expected);
    }
    const ng_token_id same[] = {4, 4, 4}, two[] = {4, 99999, 5, 0};
    size_t odd = 9;
    ASSERT_OK(ng_odd_one_out(store, same, 3, 0, &odd, NULL)); /* of equals the first */
    assert_int_equal(odd, 0);
    ASSERT_FAILS(ng_odd_one_out(store, two, 4, 0, &odd, NULL), NG_E_ABSENT, "2 of the 4");
}

/* --- queries --------------------------------------------------------------------------------- */

static ng_token_id add_word(ng_store *store, const char *label, float x, float y, float z)
{
    const float vector[3] = {x, y, z};
    ng_token_id id = 0;
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_LABEL | NG_FIELD_VECTOR;
    fields.collection = NG_COLLECTION_SEMANTIC;
    fields.label = label;
    fields.label_bytes = strlen(label);
    fields.vector = vector;
    fields.vector_dimensions = 3;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    return id;
}

static ng_query_options plain(void)
{
    return (ng_query_options){.struct_size = sizeof(ng_query_options),
                              .remove_components = NG_PLAIN_COSINE};
}

static ng_query_result *ask(const ng_store *store, const char *text,
                            const ng_query_options *options)
{
    ng_query_result *result = NULL;
    ASSERT_OK(ng_query(store, text, options, &result));
    return result;
}

static void test_spelling(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_query_options options = plain();
    ng_token_id coffee = add_word(store, "coffee", 1, 0, 0);
    ng_token_id tea = add_word(store, "tea", 0.9f, 0.3f, 0);
    add_word(store, "toffee", 0, 1, 0);
    add_word(store, "chair", 0, 0, 1);
    ng_query_result *result = ask(store, "KOFFEE - zzzzzz", &options);
    assert_int_equal(result->correction_count, 1);
    assert_string_equal(result->corrections[0].given, "koffee");
    assert_string_equal(result->corrections[0].label, "coffee"); /* before toffee: a lower id */
    assert_int_equal(result->corrections[0].id, coffee);
    assert_int_equal(result->corrections[0].distance, 1);
    assert_int_equal(result->suggestion_count, 0);
    assert_int_equal(result->term_count, 2);
    assert_int_equal(result->terms[0].id, coffee);
    assert_string_equal(result->terms[0].text, "koffee");
    assert_int_equal(result->terms[1].id, 0);
    assert_int_equal(result->unknown_count, 1);
    assert_int_equal(result->hits[0].id, tea); /* coffee itself is a word of the query */
    ng_query_result_destroy(result);

    result = ask(store, "koffee tea", &options); /* one is known: nothing is corrected */
    assert_int_equal(result->correction_count, 0);
    assert_int_equal(result->terms[0].id, 0);
    assert_int_equal(result->hits[0].id, coffee);
    ng_query_result_destroy(result);

    options.suggest = 5;
    result = ask(store, "koffee tea chairr", &options);
    assert_int_equal(result->correction_count, 0);
    assert_int_equal(result->suggestion_count, 3);
    assert_string_equal(result->suggestions[0].label, "coffee");
    assert_string_equal(result->suggestions[1].label, "toffee");
    assert_string_equal(result->suggestions[2].label, "chair");
    assert_string_equal(result->suggestions[2].given, "chairr");
    ng_query_result_destroy(result);
    result = ask(store, "koffee tae", &options);
    assert_int_equal(result->correction_count, 2);
    assert_int_equal(result->corrections[1].id, tea);
    assert_int_equal(result->suggestion_count, 3);
    ng_query_result_destroy(result);
    options.suggest = 1;
    result = ask(store, "koffee tea", &options);
    assert_int_equal(result->suggestion_count, 1);
    ng_query_result_destroy(result);
    result = ask(store, "tea", &options);
    assert_int_equal(result->suggestion_count, 0);
    ng_query_result_destroy(result);

    options.suggest = 0;
    options.no_spelling = true;
    ASSERT_FAILS(ng_query(store, "koffee", &options, &result), NG_E_NOT_FOUND, "koffee");
    options.no_spelling = false;
    ASSERT_FAILS(ng_query(store, "qqqqqq", &options, &result), NG_E_NOT_FOUND, "qqqqqq");
    ASSERT_FAILS(ng_query(store, "x", &options, &result), NG_E_NOT_FOUND, "x");
    options.suggest = 11;
    ASSERT_FAILS(ng_query(store, "tea", &options, &result), NG_E_INVALID, "suggest 11", "0..10");
    assert_null(result);
    ASSERT_OK(ng_close(store));
}

static void test_weights_and_phrases(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_query_options options = plain();
    add_word(store, "coffee", 1, 0, 0);
    add_word(store, "tea", 0, 1, 0);
    add_word(store, "ice", 0, 0, 1);
    add_word(store, "cream", 0, 0.5f, 0.5f);
    ng_token_id both = add_word(store, "ice cream", 1, 1, 1);
    add_word(store, "mix", 2, 1, 0);
    ng_query_result *result = ask(store, "2*coffee + tea", &options);
    assert_string_equal(result->hits[0].label, "mix");
    assert_true(fabs(result->hits[0].score - 1) < 1e-9);
    assert_true(result->terms[0].weight == 2 && result->terms[1].weight == 1);
    ng_query_result_destroy(result);
    result = ask(store, "coffee + tea", &options);
    assert_true(fabs(result->hits[0].score - 3 / sqrt(10)) < 1e-6);
    ng_query_result_destroy(result);
    result = ask(store, "\"ice cream\" - 0.5*tea", &options);
    assert_int_equal(result->terms[0].id, both);
    assert_true(result->terms[1].sign == -1 && result->terms[1].weight == 0.5);
    ng_query_result_destroy(result);
    result = ask(store, "\"cream ice\" tea", &options); /* no label: unknown as a whole */
    assert_int_equal(result->terms[0].id, 0);
    assert_string_equal(result->terms[0].text, "cream ice");
    ng_query_result_destroy(result);
    result = ask(store, "\"ise creem\"", &options);
    assert_int_equal(result->corrections[0].id, both);
    assert_int_equal(result->corrections[0].distance, 2);
    ng_query_result_destroy(result);
    ASSERT_FAILS(ng_query(store, "2*tea - tea - tea", &options, &result), NG_E_INVALID, "cancel");
    ASSERT_OK(ng_close(store));
}

static void set_place(ng_store *store, ng_token_id id, ng_space space, float x)
{
    ng_token_fields fields = api_fields();
    fields.spaces_set = (uint8_t)(1u << space);
    fields.coordinates[space][0] = x;
    ASSERT_OK(ng_token_update(store, id, &fields, NULL));
}

static void test_filter_and_spaces(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_query_options options = plain();
    ng_query_result *result = NULL;
    add_word(store, "cat", 1, 0, 0);
    ng_token_id dog = add_word(store, "dog", 0.9f, 0.1f, 0);
    ng_token_id cow = add_word(store, "cow", 0.8f, 0.3f, 0);
    add_word(store, "bus", 0, 1, 0);
    set_place(store, cow, NG_SPACE_SENSORY, 0.5f);
    set_place(store, cow, NG_SPACE_SOCIAL, 0.25f);
    set_place(store, dog, NG_SPACE_SOCIAL, 0.75f);

    result = ask(store, "cat", &options);
    assert_int_equal(result->hit_count, 3);
    assert_int_equal(result->hits[0].spaces, 0);
    ng_query_result_destroy(result);
    options.spaces = 1u << NG_SPACE_SOCIAL;
    result = ask(store, "cat", &options);
    assert_int_equal(result->hit_count, 2);
    assert_int_equal(result->hits[0].id, dog);
    assert_int_equal(result->hits[0].spaces, options.spaces);
    assert_true(fabsf(result->hits[0].coordinates[NG_SPACE_SOCIAL][0] - 0.75f) < 0.01f);
    ng_query_result_destroy(result);
    options.spaces = (uint8_t)(options.spaces | 1u << NG_SPACE_SENSORY);
    options.limit = 1; /* the limit is filled with what passes */
    result = ask(store, "cat", &options);
    assert_int_equal(result->hit_count, 1);
    assert_int_equal(result->hits[0].id, cow);
    assert_int_equal(result->hits[0].spaces, options.spaces);
    ng_query_result_destroy(result);

    options = plain();
    const ng_text tag = {"wild", 4};
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_TAGS;
    fields.tags = &tag;
    fields.tag_count = 1;
    ASSERT_OK(ng_token_update(store, cow, &fields, NULL));
    ng_filter filter = {.struct_size = sizeof filter, .tags_all = &tag, .tags_all_count = 1};
    options.filter = &filter;
    result = ask(store, "cat", &options);
    assert_int_equal(result->hit_count, 1);
    assert_int_equal(result->hits[0].id, cow);
    ng_query_result_destroy(result);

    /* Words of one collection, hits of another. */
    const float vector[3] = {1, 0.1f, 0};
    ng_token_id other;
    fields = api_fields();
    fields.set = NG_FIELD_VECTOR;
    fields.vector = vector;
    fields.vector_dimensions = 3;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &other));
    filter = (ng_filter){.struct_size = sizeof filter, .by_collection = true};
    result = ask(store, "cat", &options);
    assert_int_equal(result->hit_count, 1);
    assert_int_equal(result->hits[0].id, other);
    ng_query_result_destroy(result);

    filter = (ng_filter){.struct_size = 3};
    ASSERT_FAILS(ng_query(store, "cat", &options, &result), NG_E_INVALID, "struct_size 3");
    filter = (ng_filter){.struct_size = sizeof filter, .by_collection = true, .collection = 44};
    ASSERT_FAILS(ng_query(store, "cat", &options, &result), NG_E_NOT_FOUND, "collection 44");
    filter = (ng_filter){.struct_size = sizeof filter, .spaces_none = 1};
    options.spaces = 1;
    ASSERT_FAILS(ng_query(store, "cat", &options, &result), NG_E_INVALID, "spaces_none");
    ASSERT_OK(ng_close(store));
}

static void test_batch(void **state)
{
    ng_store *store = ((words_store *)*state)->store;
    ng_query_options three = plain(), wrong = plain();
    three.limit = 3;
    wrong.limit = 20000;
    ng_query_item items[] = {{.text = "w1", .options = &three},
                             {.text = "nothingofthekind"},
                             {.text = ""},
                             {.text = "w2 - w3"},
                             {.text = "w4", .options = &wrong},
                             {.text = NULL},
                             {.text = "w1", .options = &three}};
    const size_t count = sizeof items / sizeof *items;
    static const ng_status expected[] = {NG_OK,        NG_E_NOT_FOUND, NG_E_INVALID, NG_OK,
                                         NG_E_INVALID, NG_E_INVALID,   NG_OK};
    static const char *const errors[] = {"", "nothingofthekind", "text is empty",
                                         "", "limit 20000",      "text is NULL",
                                         ""};
    ASSERT_OK(ng_query_batch(store, items, count));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(items[i].status, expected[i]);
        assert_non_null(strstr(items[i].error, errors[i]));
        assert_true((items[i].result == NULL) == (expected[i] != NG_OK));
    }
    ng_query_result *single = ask(store, "w1", &three);
    assert_int_equal(items[0].result->hit_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(items[0].result->hits[i].id, single->hits[i].id);
        assert_int_equal(items[6].result->hits[i].id, single->hits[i].id);
        assert_bits(items[0].result->hits[i].score, single->hits[i].score);
    }
    assert_int_equal(items[3].result->hit_count, 10);
    ng_query_result_destroy(single);
    for (size_t i = 0; i < count; i++)
        ng_query_result_destroy(items[i].result);
    ASSERT_OK(ng_query_batch(store, NULL, 0));
    ASSERT_FAILS(ng_query_batch(NULL, items, 1), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_query_batch(store, NULL, 1), NG_E_INVALID, "items");
    ASSERT_FAILS(ng_query_batch(store, items, 1001), NG_E_INVALID, "count 1001", "0..1000");
}

static void test_scripts(void **state)
{
    (void)state;
    static const struct {
        const char *label, *asked, *misspelled;
    } words[] = {
        {"кошка", "КОШКА", "кожка"},
        {"ледяной чай", "Ледяной  Чай", "\"ледяной чйа\""},
        {"日本語", "日本語", "日木語"},
        {"아침 식사", "아침 식사", "\"아침 식샤\""},
        {"قهوة", "قهوة", "قهوه"},
        {"café", "CAFE\xCC\x81", "cafè"},
        {"q\xCC\x81x\xCC\xA7y", "Q\xCC\x81x\xCC\xA7Y",
         "qx\xCC\xA7y"}, /* marks without composed forms */
        {"👩‍💻👍🏽", "👩‍💻👍🏽", "👩‍💻👍🏿"},
    };
    ng_store *store = api_memory_store();
    ng_query_options options = plain();
    const size_t count = sizeof words / sizeof *words;
    for (size_t i = 0; i < count; i++)
        add_word(store, words[i].label, 1, (float)i * 0.1f, 0);
    for (size_t i = 0; i < count; i++) {
        ng_query_result *result = ask(store, words[i].asked, &options);
        assert_int_equal(result->term_count, 1);
        assert_int_equal(result->terms[0].id, i + 1);
        assert_int_equal(result->hit_count, count - 1);
        for (size_t j = 0; j < result->hit_count; j++)
            assert_string_equal(result->hits[j].label, words[result->hits[j].id - 1].label);
        ng_query_result_destroy(result);
        result = ask(store, words[i].misspelled, &options);
        assert_int_equal(result->correction_count, 1);
        assert_string_equal(result->corrections[0].label, words[i].label);
        assert_int_equal(result->corrections[0].distance, 1);
        ng_query_result_destroy(result);
    }
    ASSERT_OK(ng_close(store));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_pairs_equal_one_by_one),
        TEST(test_matrix_equals_one_by_one),
        TEST(test_nothing_to_compare),
        TEST(test_similarity_errors),
        TEST(test_odd_one_out),
        cmocka_unit_test(test_spelling),
        cmocka_unit_test(test_weights_and_phrases),
        cmocka_unit_test(test_filter_and_spaces),
        TEST(test_batch),
        cmocka_unit_test(test_scripts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
