/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Queries against stores filled by the loader: ranking against a naive twin, what is left out, why,
 * and every refused argument. */
#include "mind/mind.h"

#include "base/base_limits.h"
#include "mind/mind_testing.h"

#include <math.h>

typedef struct fixture {
    testing *t;
    ng_store *store;
} fixture;

static const char words[] = "king 1 0.9 0 0.1\nqueen 1 -0.9 0 0.12\nman 0.1 1 0.1 0\n"
                            "woman 0.1 -1 0.1 0\nice 0 0.1 1 0\ncream 0 0 0.9 0.5\n"
                            "snow 0.05 0.1 0.8 -0.1\n- 0.3 0.3 0.3 0.3\nzero 0 0 0 0\n"
                            "prince 0.9 1 0.05 0.1\n";

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    void *t = NULL;
    assert_non_null(f);
    testing_set_up(&t);
    f->t = t;
    assert_ok(ngi_store_open(&f->t->os, &f->t->mem, NULL, NULL, &f->store));
    assert_ok(ngi_mind_bootstrap(f->store, testing_write_text(f->t, "g.txt", words), NULL, NULL));
    testing_write_text(f->t, "data.noun",
                       "00000001 05 n 01 king 0 002 ! 00000002 n 0101 @ 00000004 n 0000 | a king\n"
                       "00000002 05 n 01 queen 0 001 @ 00000004 n 0000 | a queen\n"
                       "00000003 05 n 01 ice_cream 0 001 @ 00000005 n 0000 | x\n"
                       "00000004 05 n 01 sovereign 0 000 | y\n"
                       "00000005 05 n 01 snow 0 000 | z\n");
    testing_write_text(f->t, "data.verb", "");
    testing_write_text(f->t, "data.adj", "");
    testing_write_text(f->t, "data.adv", "");
    assert_ok(ngi_mind_bootstrap(f->store, f->t->directory, NULL, NULL));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    void *t = f->t;
    if (f->store != NULL)
        assert_ok(ngi_store_close(f->store));
    free(f);
    return testing_tear_down(&t);
}

static ng_query_options plain(void)
{
    return (ng_query_options){.struct_size = sizeof(ng_query_options),
                              .remove_components = NG_PLAIN_COSINE};
}

static ng_query_result *ask(fixture *f, const char *text, const ng_query_options *options)
{
    ng_query_result *result = NULL;
    assert_ok(ngi_mind_query(f->store, text, options, &result));
    assert_non_null(result);
    return result;
}

static const char *label_of(const ng_query_result *result, size_t index)
{
    assert_true(index < result->hit_count);
    return result->hits[index].label;
}

static ng_token_id find(fixture *f, const char *label)
{
    ng_token_id id = 0;
    assert_ok(ngi_store_token_find(f->store, NG_COLLECTION_SEMANTIC, label, strlen(label), &id));
    return id;
}

static void test_one_word(void **state)
{
    fixture *f = *state;
    ng_query_options options = plain();
    ng_query_result *result = ask(f, " KING ", &options);
    assert_string_equal(label_of(result, 0), "prince");
    assert_int_equal(result->hits[0].id, find(f, "prince"));
    assert_int_equal(result->term_count, 1);
    assert_string_equal(result->terms[0].text, "king");
    assert_int_equal(result->terms[0].sign, 1);
    assert_int_equal(result->terms[0].id, find(f, "king"));
    assert_int_equal(result->unknown_count, 0);
    assert_true(result->candidates > 0 && result->candidates <= 10);
    assert_true(result->seconds >= 0);
    double expected =
        (0.9 * 1 + 1 * 0.9 + 0.1 * 0.1) / sqrt((1 + 0.81 + 0.01) * (0.81 + 1 + 0.0025 + 0.01));
    assert_true(fabs(result->hits[0].score - expected) < 1e-6);
    for (size_t i = 0; i < result->hit_count; i++) {
        assert_string_not_equal(result->hits[i].label, "king");
        assert_string_not_equal(result->hits[i].label, "zero"); /* it has no direction */
        assert_null(result->hits[i].why);
        assert_true(i == 0 || result->hits[i].score <= result->hits[i - 1].score);
    }
    ngi_mind_query_result_destroy(result);
}

static void test_operators(void **state)
{
    fixture *f = *state;
    ng_query_options options = plain();
    options.limit = 1;
    ng_query_result *result = ask(f, "king - man + woman", &options);
    assert_int_equal(result->hit_count, 1);
    assert_string_equal(label_of(result, 0), "queen");
    assert_int_equal(result->term_count, 3);
    assert_int_equal(result->terms[1].sign, -1);
    assert_string_equal(result->terms[2].text, "woman");
    ngi_mind_query_result_destroy(result);

    result = ask(f, "-", &options);
    assert_int_equal(result->terms[0].id, find(f, "-"));
    ngi_mind_query_result_destroy(result);
    assert_int_equal(ngi_mind_query(f->store, "king - king", &options, &result), NG_E_INVALID);
    assert_message("the words of the query cancel each other out");
}

/* The default removes components; the result must be the store's own ranking. */
static void test_default_ranking_is_that_of_the_store(void **state)
{
    fixture *f = *state;
    ng_query_result *result = ask(f, "king", NULL);
    ng_token_id king = find(f, "king");
    float vector[4];
    size_t count;
    assert_ok(ngi_store_token_vector(f->store, king, vector, 4, &count));
    ng_score scores[20];
    ng_vector_options options = {.struct_size = sizeof options,
                                 .exclude = &king,
                                 .exclude_count = 1};
    assert_ok(ngi_store_vector_nearest(f->store, vector, 4, &options, scores, 10, &count));
    assert_int_equal(result->hit_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(result->hits[i].id, scores[i].id);
        assert_true(fabs(result->hits[i].score - scores[i].score) < 1e-9);
    }
    ngi_mind_query_result_destroy(result);
}

static void test_query_words_threshold_and_limit(void **state)
{
    fixture *f = *state;
    ng_query_options options = plain();
    options.include_query_words = true;
    ng_query_result *result = ask(f, "king", &options);
    assert_string_equal(label_of(result, 0), "king");
    assert_true(fabs(result->hits[0].score - 1) < 1e-9);
    ngi_mind_query_result_destroy(result);

    options.by_threshold = true;
    options.threshold = 0.9;
    result = ask(f, "king", &options);
    assert_int_equal(result->hit_count, 2);
    for (size_t i = 0; i < result->hit_count; i++)
        assert_true(result->hits[i].score >= 0.9);
    ngi_mind_query_result_destroy(result);
    options.threshold = 2;
    result = ask(f, "king", &options);
    assert_int_equal(result->hit_count, 0);
    ngi_mind_query_result_destroy(result);
    options.by_threshold = false;
    options.limit = 10000;
    result = ask(f, "king", &options);
    assert_int_equal(result->hit_count, 9);
    ngi_mind_query_result_destroy(result);
}

static void test_why(void **state)
{
    fixture *f = *state;
    ng_query_options options = plain();
    options.why = true;
    ng_query_result *result = ask(f, "king man king", &options);
    bool seen = false;
    for (size_t i = 0; i < result->hit_count; i++) {
        const ng_query_hit *hit = &result->hits[i];
        if (strcmp(hit->label, "queen") != 0) {
            assert_int_equal(hit->why_count, 0);
            continue;
        }
        seen = true;
        assert_int_equal(hit->why_count, 1); /* once, though the word came twice */
        assert_int_equal(hit->why[0].type, 0x01);
        assert_int_equal(hit->why[0].source, find(f, "king"));
        assert_int_equal(hit->why[0].target, find(f, "queen"));
    }
    assert_true(seen);
    ngi_mind_query_result_destroy(result);
}

/* More connections than are shown. */
static void test_why_is_bounded(void **state)
{
    fixture *f = *state;
    ng_connection_fields links[30];
    for (uint8_t i = 0; i < 30; i++)
        links[i] = (ng_connection_fields){.struct_size = sizeof links[i],
                                          .source = find(f, "king"),
                                          .target = find(f, "prince"),
                                          .set = NG_CFIELD_TYPE,
                                          .type = (uint8_t)(0x50 + i)};
    assert_ok(ngi_store_connection_put(f->store, links, 30, 0, 0, NULL, NULL, NULL));
    ng_query_options options = plain();
    options.why = true;
    ng_query_result *result = ask(f, "king", &options);
    assert_string_equal(label_of(result, 0), "prince");
    assert_int_equal(result->hits[0].why_count, 16);
    ngi_mind_query_result_destroy(result);
}

/* A phrase that only the lexicon knows is ranked by its words, and says why with its own links. */
static void test_phrase_without_vector(void **state)
{
    fixture *f = *state;
    ng_query_options options = plain();
    options.why = true;
    ng_query_result *result = ask(f, "Ice_Cream", &options);
    assert_int_equal(result->term_count, 1);
    assert_string_equal(result->terms[0].text, "ice cream");
    assert_int_equal(result->terms[0].id, find(f, "ice cream"));
    assert_int_equal(result->unknown_count, 1);
    assert_string_equal(label_of(result, 0), "snow"); /* not ice, not cream */
    assert_int_equal(result->hits[0].why_count, 1);
    assert_int_equal(result->hits[0].why[0].type, 0x02);
    for (size_t i = 0; i < result->hit_count; i++) {
        assert_string_not_equal(result->hits[i].label, "ice");
        assert_string_not_equal(result->hits[i].label, "cream");
    }
    ngi_mind_query_result_destroy(result);
}

static void test_unknown_words(void **state)
{
    fixture *f = *state;
    ng_query_options options = plain();
    ng_query_result *result = ask(f, "king qwerty", &options);
    assert_int_equal(result->unknown_count, 1);
    assert_int_equal(result->term_count, 2);
    assert_string_equal(result->terms[1].text, "qwerty");
    assert_int_equal(result->terms[1].id, 0);
    assert_string_equal(label_of(result, 0), "prince");
    ngi_mind_query_result_destroy(result);

    result = NULL;
    assert_int_equal(ngi_mind_query(f->store, "qwerty - asdf", &options, &result), NG_E_NOT_FOUND);
    assert_message("no word of the query is known: qwerty asdf");
    assert_null(result);
    char text[4000] = "";
    for (int i = 0; i < 60; i++)
        testing_append(text, sizeof text, "unknownunknownunknown ");
    assert_int_equal(ngi_mind_query(f->store, text, &options, &result), NG_E_NOT_FOUND);
    assert_message("unknownunknownunknown ...");
}

/* Known, but nothing to compare with: an answer without hits, which names its terms. */
static void test_words_without_vectors(void **state)
{
    fixture *f = *state;
    ng_query_options options = plain();
    static const char *const texts[] = {"sovereign", "zero", "sovereign - zero"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ng_query_result *result = ask(f, texts[i], &options);
        assert_int_equal(result->hit_count, 0);
        assert_int_equal(result->unknown_count, result->term_count);
        assert_int_equal(result->terms[0].id, find(f, i == 1 ? "zero" : "sovereign"));
        assert_int_equal(result->candidates, 0);
        ngi_mind_query_result_destroy(result);
    }
    ng_store *empty = NULL;
    ng_token_id id;
    ng_query_result *result = NULL;
    assert_ok(ngi_store_open(&f->t->os, &f->t->mem, NULL, NULL, &empty));
    assert_int_equal(ngi_mind_query(empty, "king", NULL, &result), NG_E_NOT_FOUND);
    ng_token_fields fields = {.struct_size = sizeof fields,
                              .set = NG_FIELD_LABEL,
                              .collection = NG_COLLECTION_SEMANTIC,
                              .label = "king",
                              .label_bytes = 4};
    assert_ok(ngi_store_token_put(empty, NULL, &fields, 1, NULL, &id));
    assert_ok(ngi_mind_query(empty, "king", NULL, &result));
    assert_int_equal(result->hit_count, 0);
    assert_int_equal(result->unknown_count, 1);
    ngi_mind_query_result_destroy(result);
    assert_ok(ngi_store_close(empty));
}

static void test_other_collection(void **state)
{
    fixture *f = *state;
    ng_query_options options = plain();
    ng_query_result *result = NULL;
    assert_ok(ngi_store_collection_create(f->store, "pets", NULL, &options.collection));
    float vector[4] = {1, 2, 3, 4};
    ng_token_fields fields[2] = {{.struct_size = sizeof fields[0],
                                  .set = NG_FIELD_LABEL | NG_FIELD_VECTOR,
                                  .collection = options.collection,
                                  .label = "rex",
                                  .label_bytes = 3,
                                  .vector = vector,
                                  .vector_dimensions = 4}};
    fields[1] = fields[0];
    fields[1].set = NG_FIELD_VECTOR; /* without a label */
    assert_ok(ngi_store_token_put(f->store, NULL, fields, 2, NULL, NULL));
    assert_int_equal(ngi_mind_query(f->store, "king", &options, &result), NG_E_NOT_FOUND);
    result = ask(f, "rex", &options);
    assert_int_equal(result->hit_count, 1);
    assert_string_equal(result->hits[0].label, "");
    ngi_mind_query_result_destroy(result);
    options.collection = 99;
    assert_int_equal(ngi_mind_query(f->store, "rex", &options, &result), NG_E_NOT_FOUND);
}

static void check_invalid(fixture *f, const char *text, ng_query_options options,
                          const char *message)
{
    ng_query_result *result = NULL;
    assert_int_equal(ngi_mind_query(f->store, text, &options, &result), NG_E_INVALID);
    assert_message(message);
    assert_null(result);
}

static void test_invalid_arguments(void **state)
{
    fixture *f = *state;
    ng_query_options options = plain();
    check_invalid(f, "", options, "text is empty");
    check_invalid(f, " \n", options, "text is empty");
    check_invalid(f, "king +", options, "operator '+' at the end");
    check_invalid(f, "\xFF", options, "text is not valid UTF-8");
    options.limit = 10001;
    check_invalid(f, "king", options, "limit 10001 is outside 1..10000");
    options = plain();
    options.remove_components = 25;
    check_invalid(f, "king", options, "remove_components 25 is outside -1..24");
    options.remove_components = 5; /* only 4 exist */
    check_invalid(f, "king", options, "remove_components 5");
    options = plain();
    options.by_threshold = true;
    options.threshold = NAN;
    check_invalid(f, "king", options, "threshold is not finite");
}

static void test_result_outlives_the_store(void **state)
{
    fixture *f = *state;
    ng_query_options options = plain();
    options.why = true;
    ng_query_result *result = ask(f, "king", &options);
    assert_ok(ngi_store_close(f->store));
    f->store = NULL;
    assert_int_equal(atomic_load(&f->t->mem.used_bytes), 0);
    assert_string_equal(label_of(result, 0), "prince");
    ngi_mind_query_result_destroy(result);
    ngi_mind_query_result_destroy(NULL);
}

/* Every allocation of a query fails once. */
static void check_failing_memory(fixture *f, const char *text, const ng_query_options *options)
{
    ng_status status = NG_E_NOMEM;
    size_t failures = 0;
    ngi_mind_query_result_destroy(ask(f, text, options)); /* what is kept, is made */
    size_t used = atomic_load(&f->t->mem.used_bytes);
    for (size_t at = 1; status != NG_OK; at++) {
        ng_query_result *result = NULL;
        f->t->memory_count = 0;
        f->t->fail_memory = at;
        status = ngi_mind_query(f->store, text, options, &result);
        f->t->fail_memory = 0;
        assert_int_equal(atomic_load(&f->t->mem.used_bytes), used);
        if (status != NG_OK) {
            assert_int_equal(status, NG_E_NOMEM);
            assert_null(result);
            failures++;
        }
        ngi_mind_query_result_destroy(result);
    }
    assert_true(failures >= 6);
}

static void test_failing_memory(void **state)
{
    ng_query_options options = plain();
    options.why = true;
    check_failing_memory(*state, "king - ice cream", &options);
    options.suggest = 4;
    check_failing_memory(*state, "knig - 2*prinse", &options);
}

/* Of equally near labels one with a vector stands in, whatever the lexicon added before. */
static void test_spelling_prefers_vectors(void **state)
{
    fixture *f = *state;
    ng_query_options options = plain();
    ng_token_fields fields[2] = {{.struct_size = sizeof fields[0],
                                  .set = NG_FIELD_LABEL,
                                  .collection = NG_COLLECTION_SEMANTIC,
                                  .label = "throne",
                                  .label_bytes = 6}};
    float vector[4] = {1, 1, 1, 1};
    fields[1] = fields[0];
    fields[1].set |= NG_FIELD_VECTOR;
    fields[1].label = "thrune";
    fields[1].vector = vector;
    fields[1].vector_dimensions = 4;
    assert_ok(ngi_store_token_put(f->store, NULL, fields, 2, NULL, NULL));
    ng_query_result *result = ask(f, "thrane", &options);
    assert_int_equal(result->correction_count, 1);
    assert_string_equal(result->corrections[0].label, "thrune");
    assert_true(result->hit_count > 0);
    ngi_mind_query_result_destroy(result);
    options.collection = NG_COLLECTION_RUNTIME; /* labels of the collection alone */
    options.by_collection = true;
    assert_int_equal(ngi_mind_query(f->store, "thrane", &options, &result), NG_E_NOT_FOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_one_word),
        TEST(test_operators),
        TEST(test_default_ranking_is_that_of_the_store),
        TEST(test_query_words_threshold_and_limit),
        TEST(test_why),
        TEST(test_why_is_bounded),
        TEST(test_phrase_without_vector),
        TEST(test_unknown_words),
        TEST(test_words_without_vectors),
        TEST(test_other_collection),
        TEST(test_invalid_arguments),
        TEST(test_result_outlives_the_store),
        TEST(test_failing_memory),
        TEST(test_spelling_prefers_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
