/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A second embedding made of the first 20,000 real words: their vectors turned by a random rotation, plain
 * and with noise. Turned alone, nothing changes but the numbers; with noise the report says how much is
 * lost, and words that lack a vector are put where it would have been. Skipped without the data:
 * NG_TEST_VECTORS names it. */
#include "../api/api_support.h"

#include "test_random.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define WORDS 20000u
#define DIMENSIONS 100u
#define REFLECTIONS 40
#define MISSING 50u /* every so many words has no vector in the embedding with noise */
#define SKIPPED 77

static const char *vectors_path;
static double mirrors[REFLECTIONS][DIMENSIONS]; /* unit vectors */

static double normal(test_random *random)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (double)test_random_below(random, 1000001) / 1e6;
    return sum - 6;
}

static void make_mirrors(test_random *random)
{
    for (int i = 0; i < REFLECTIONS; i++) {
        double square = 0;
        for (size_t k = 0; k < DIMENSIONS; k++) {
            mirrors[i][k] = normal(random);
            square += mirrors[i][k] * mirrors[i][k];
        }
        for (size_t k = 0; k < DIMENSIONS; k++)
            mirrors[i][k] /= sqrt(square);
    }
}

static void turn(double *vector)
{
    for (int i = 0; i < REFLECTIONS; i++) {
        double dot = 0;
        for (size_t k = 0; k < DIMENSIONS; k++)
            dot += vector[k] * mirrors[i][k];
        for (size_t k = 0; k < DIMENSIONS; k++)
            vector[k] -= 2 * dot * mirrors[i][k];
    }
}

/* The vector of a word as the second model has it; `noise` by its length. */
static void second_vector(const ng_store *store, ng_token_id id, double noise, test_random *random,
                          float out[DIMENSIONS])
{
    float old[DIMENSIONS];
    double turned[DIMENSIONS], square = 0;
    size_t count;
    ASSERT_OK(ng_token_vector(store, id, old, DIMENSIONS, &count));
    assert_int_equal(count, DIMENSIONS);
    for (size_t k = 0; k < DIMENSIONS; k++) {
        turned[k] = (double)old[k];
        square += turned[k] * turned[k];
    }
    turn(turned);
    for (size_t k = 0; k < DIMENSIONS; k++)
        out[k] = (float)(turned[k] + noise * sqrt(square / DIMENSIONS) * normal(random));
}

static ng_vector_field_id make_field(ng_store *store, const char *name, double noise,
                                     uint32_t missing)
{
    const ng_vector_field_options options = {.struct_size = sizeof options,
                                             .dimensions = DIMENSIONS};
    test_random random = {.state = 11};
    ng_vector_field_id field;
    ASSERT_OK(ng_vector_field_create(store, name, &options, NULL, &field));
    for (ng_token_id id = 1; id <= WORDS; id++) {
        float values[DIMENSIONS];
        const ng_field_vector vector = {.field = field, .values = values, .dimensions = DIMENSIONS};
        ng_token_fields fields = api_fields();
        if (missing != 0 && id % missing == 0)
            continue;
        second_vector(store, id, noise, &random, values);
        fields.set = NG_FIELD_VECTORS;
        fields.vectors = &vector;
        fields.vector_count = 1;
        ASSERT_OK(ng_token_update(store, id, &fields, NULL));
    }
    return field;
}

static ng_embedding_report compare(const ng_store *store, ng_vector_field_id field)
{
    const ng_embedding_compare_options options = {.struct_size = sizeof options,
                                                  .field = field,
                                                  .sample = 300,
                                                  .seed = 5};
    ng_embedding_report report;
    ASSERT_OK(ng_embedding_compare(store, &options, &report));
    print_message("noise field %u: cosine %.4f fitted, %.4f held out, recall %.4f, Jaccard %.4f\n",
                  field, report.fitted_cosine, report.held_out_cosine, report.recall,
                  report.jaccard);
    return report;
}

static void switch_to(ng_store *store, const char *field, const char *keep_as, bool align)
{
    const ng_embedding_switch_options options = {.struct_size = sizeof options,
                                                 .field = field,
                                                 .keep_as = keep_as,
                                                 .align_missing = align};
    ASSERT_OK(ng_embedding_switch(store, &options, NULL));
}

static void nearest(const ng_store *store, ng_token_id id, ng_score hits[10])
{
    float values[DIMENSIONS];
    size_t count;
    const ng_vector_options options = {.struct_size = sizeof options,
                                       .remove_components = NG_PLAIN_COSINE,
                                       .exclude = &id,
                                       .exclude_count = 1};
    ASSERT_OK(ng_token_vector(store, id, values, DIMENSIONS, &count));
    ASSERT_OK(ng_vector_nearest(store, values, count, &options, hits, 10, &count));
    assert_int_equal(count, 10);
}

static void test_a_second_model(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    const ng_bootstrap_options load = {.struct_size = sizeof load, .max_words = WORDS};
    ng_bootstrap_report loaded;
    test_random random = {.state = 3};
    ng_score before[20][10], after[10];
    make_mirrors(&random);
    ASSERT_OK(ng_bootstrap(store, vectors_path, &load, &loaded));
    assert_int_equal(loaded.words_created, WORDS);

    ng_embedding_report plain = compare(store, make_field(store, "turned", 0, 0));
    assert_int_equal(plain.shared, WORDS);
    assert_true(plain.held_out_cosine > 1 - 1e-9 && plain.recall > 0.999);
    ng_embedding_report noisy = compare(store, make_field(store, "noisy", 0.3, MISSING));
    assert_int_equal(noisy.lost, WORDS / MISSING);
    /* cos = 1 / sqrt(1 + 0.3^2) = 0.958 */
    assert_true(fabs(noisy.held_out_cosine - 0.958) < 0.005);
    assert_true(noisy.fitted_cosine >= noisy.held_out_cosine);
    assert_true(noisy.recall > 0.5 && noisy.recall < 0.95 && noisy.jaccard < noisy.recall);
    ng_embedding_report more = compare(store, make_field(store, "noisier", 1, 0));
    assert_true(more.recall < noisy.recall && more.held_out_cosine < noisy.held_out_cosine);

    for (ng_token_id i = 0; i < 20; i++)
        nearest(store, 7 * MISSING * (i + 1), before[i]);
    switch_to(store, "noisy", "old", true);
    for (ng_token_id i = 0; i < 20; i++) {
        float values[DIMENSIONS], wanted[DIMENSIONS];
        double dot = 0, xx = 0, yy = 0;
        size_t count;
        ng_token_id id = 7 * MISSING * (i + 1);
        ASSERT_OK(ng_token_vector(store, id, values, DIMENSIONS, &count));
        assert_int_equal(count, DIMENSIONS);
        ng_vector_field_id turned;
        ASSERT_OK(ng_vector_field_find(store, "turned", &turned));
        ASSERT_OK(ng_token_vector_in(store, id, turned, wanted, DIMENSIONS, &count));
        for (size_t k = 0; k < DIMENSIONS; k++) {
            dot += (double)values[k] * (double)wanted[k];
            xx += (double)values[k] * (double)values[k];
            yy += (double)wanted[k] * (double)wanted[k];
        }
        assert_true(dot / sqrt(xx * yy) > 0.99);
    }
    switch_to(store, "old", "noisy", false);
    for (ng_token_id i = 0; i < 20; i++) {
        nearest(store, 7 * MISSING * (i + 1), after);
        assert_memory_equal(before[i], after, sizeof after);
    }
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_string_equal(report.first_problem, "");
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    vectors_path = getenv("NG_TEST_VECTORS");
    if (vectors_path == NULL || access(vectors_path, R_OK) != 0)
        return SKIPPED;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_second_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
