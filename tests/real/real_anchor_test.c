/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Anchors in 20,000 real words: feelings that are held out are predicted far better than by their
 * mean, and what is near angry in the emotional space is a word of anger. */
#include "../api/api_support.h"

#include <stdlib.h>
#include <unistd.h>

#define WORDS 20000u
#define SKIPPED 77 /* what ctest takes for it */

static const char *vectors_path;

static ng_token_id find(const ng_store *store, const char *word)
{
    ng_token_id id = 0;
    ASSERT_OK(ng_token_find(store, NG_COLLECTION_SEMANTIC, word, strlen(word), &id));
    return id;
}

/* The rank of `word` among the neighbours of `of`, from 1; 0 = it is not among the first 20. */
static size_t rank(const ng_store *store, ng_space space, const char *of, const char *word)
{
    ng_hit hits[20];
    size_t count = 0;
    ng_search_options options = {.struct_size = sizeof options};
    ASSERT_OK(ng_token_neighbors(store, find(store, of), space, &options, hits, 20, &count));
    for (size_t i = 0; i < count && i < 20; i++)
        if (hits[i].id == find(store, word))
            return i + 1;
    return 0;
}

static void test_real_words(void **state)
{
    (void)state;
    const ng_bootstrap_options load = {.struct_size = sizeof load, .max_words = WORDS};
    ng_store *store = api_memory_store();
    ng_anchor_report report;
    ng_check_report check;
    ng_token before, after;
    ASSERT_OK(ng_bootstrap(store, vectors_path, &load, NULL));
    ASSERT_OK(ng_token_read(store, find(store, "angry"), &before));
    ASSERT_OK(ng_anchor(store, NULL, &report));
    const ng_anchor_result *emotion = &report.modalities[NG_MODALITY_EMOTION];
    assert_true(emotion->has_errors && emotion->filled && emotion->found_count > 150);
    assert_true(emotion->axes[0].r2 > 0.7);
    assert_true(emotion->axes[0].rmse < 0.6 * emotion->axes[0].rmse_of_mean);
    assert_true(emotion->axes[1].r2 > 0.4 && emotion->axes[2].r2 > 0.5);
    assert_true(emotion->predicted_count > 500);
    for (int m = 0; m < NG_MODALITY_COUNT; m++)
        assert_true(report.modalities[m].has_errors);
    assert_true(rank(store, NG_SPACE_EMOTIONAL, "angry", "outraged") > 0);
    assert_true(rank(store, NG_SPACE_EMOTIONAL, "angry", "furious") > 0);
    assert_true(rank(store, NG_SPACE_EMOTIONAL, "happy", "cheerful") > 0);
    assert_int_equal(rank(store, NG_SPACE_EMOTIONAL, "angry", "calm"), 0);
    assert_true(rank(store, NG_SPACE_SENSORY, "red", "scarlet") > 0);
    ASSERT_OK(ng_anchor_remove(store, NULL, &report));
    ASSERT_OK(ng_token_read(store, find(store, "angry"), &after));
    assert_memory_equal(&before, &after, sizeof before);
    ASSERT_OK(ng_check(store, &check));
    assert_int_equal(check.problem_count, 0);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_real_words)};
    vectors_path = getenv("NG_TEST_VECTORS");
    if (vectors_path == NULL || access(vectors_path, R_OK) != 0)
        return SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
