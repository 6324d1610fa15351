/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Anchoring and its undoing, stopped at every place and by syncs that fail: what is half done is
 * completed to the same result by the same call. */
#include "mind/mind.h"

#include "mind/mind_testing.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)
#define WORDS 9000u /* several batches of coordinates */
#define RATED 100u
#define DIMENSIONS 10u /* components, so that the emotional space is filled */

typedef struct run {
    testing *t;
    char rated[160];
    ng_token *loaded, *anchored; /* [WORDS] as they should be */
} run;

static void write_files(run *r)
{
    uint64_t seed = 42;
    size_t capacity = (size_t)WORDS * 160, used = 0, rated_used = 0;
    char *text = malloc(capacity), rated[RATED * 60];
    assert_non_null(text);
    for (unsigned i = 0; i < WORDS; i++) {
        used += (size_t)snprintf(text + used, capacity - used, "w%u", i);
        for (unsigned d = 0; d < DIMENSIONS; d++)
            used += (size_t)snprintf(text + used, capacity - used, " %.5f",
                                     (double)testing_float(&seed) / (d + 1));
        text[used++] = '\n';
        if (i < RATED)
            rated_used +=
                (size_t)snprintf(rated + rated_used, sizeof rated - rated_used,
                                 "emotion\tw%u\t%.3f\t%.3f\t%.3f\n", i,
                                 (double)testing_float(&seed), (double)testing_float(&seed),
                                 (double)testing_float(&seed));
    }
    testing_write(r->t, "rated.tsv", rated, rated_used);
    memcpy(r->rated, r->t->path, sizeof r->rated);
    testing_write(r->t, "words.txt", text, used);
    free(text);
}

static void read_all(ng_store *store, ng_token *out)
{
    for (unsigned i = 0; i < WORDS; i++)
        assert_ok(ngi_store_token_read(store, i + 1, &out[i]));
}

static bool is_so(ng_store *store, const ng_token *wanted)
{
    ng_token *now = malloc(WORDS * sizeof *now);
    assert_non_null(now);
    read_all(store, now);
    bool same = memcmp(now, wanted, WORDS * sizeof *now) == 0;
    free(now);
    return same;
}

static ng_anchor_options anchor_options(const run *r)
{
    return (ng_anchor_options){.struct_size = sizeof(ng_anchor_options),
                               .modalities = 1u << NG_MODALITY_EMOTION,
                               .path = r->rated,
                               .only_file = true,
                               .fill = NG_ANCHOR_FILL_ALWAYS,
                               .lambda = 1};
}

/* A store with the words, and what they are before and behind the anchoring. */
static ng_store *begin(run *r, testing *t, const char *path)
{
    ng_store *store = NULL;
    *r = (run){.t = t,
               .loaded = malloc(WORDS * sizeof(ng_token)),
               .anchored = malloc(WORDS * sizeof(ng_token))};
    assert_non_null(r->loaded);
    assert_non_null(r->anchored);
    write_files(r);
    char words[160];
    memcpy(words, t->path, sizeof words);
    assert_ok(ngi_store_open(&t->os, &t->mem, path, NULL, &store));
    assert_ok(ngi_mind_bootstrap(store, words, NULL, NULL));
    const ng_anchor_options options = anchor_options(r);
    read_all(store, r->loaded);
    assert_ok(ngi_mind_anchor(store, &options, NULL));
    read_all(store, r->anchored);
    assert_ok(ngi_mind_anchor_remove(store, NULL, NULL));
    assert_true(is_so(store, r->loaded));
    return store;
}

static void end(run *r, ng_store *store)
{
    ng_check_report check;
    assert_ok(ngi_store_check(store, &check));
    assert_string_equal(check.first_problem, "");
    assert_ok(ngi_store_close(store));
    free(r->loaded);
    free(r->anchored);
}

static bool stop_at(void *context, const ng_progress *progress)
{
    (void)progress;
    return --*(int *)context > 0;
}

static void test_stopped_everywhere(void **state)
{
    testing *t = *state;
    run r;
    ng_store *store = begin(&r, t, NULL);
    ng_anchor_options options = anchor_options(&r), undo = {.struct_size = sizeof undo};
    unsigned halves = 0;
    ng_status status = NG_E_CANCELLED;
    options.progress = undo.progress = stop_at;
    t->fast_clock = true; /* progress is asked at every occasion */
    for (int n = 1; status == NG_E_CANCELLED; n += n < 100 ? 11 : 1) {
        int left = n;
        options.progress_context = undo.progress_context = &left;
        status = ngi_mind_anchor(store, &options, NULL);
        halves += !is_so(store, r.loaded) && !is_so(store, r.anchored);
        left = 1000000;
        assert_ok(ngi_mind_anchor(store, &options, NULL));
        assert_true(is_so(store, r.anchored));
        left = n % 30 + 1; /* there are fewer occasions */
        ng_status undone = ngi_mind_anchor_remove(store, &undo, NULL);
        assert_true(undone == NG_OK || undone == NG_E_CANCELLED);
        halves += !is_so(store, r.loaded) && !is_so(store, r.anchored);
        left = 1000000;
        assert_ok(ngi_mind_anchor_remove(store, &undo, NULL));
        assert_true(is_so(store, r.loaded));
    }
    assert_int_equal(status, NG_OK);
    assert_true(halves > 2);
    end(&r, store);
}

/* The store is reopened after each sync that fails, and only what was acknowledged must be there. */
static void test_failing_syncs(void **state)
{
    testing *t = *state;
    run r;
    char path[80];
    snprintf(path, sizeof path, "%.60s.store", t->directory);
    ng_store *store = begin(&r, t, path);
    const ng_anchor_options options = anchor_options(&r);
    ng_status status = NG_E_IO;
    for (size_t n = 1; status != NG_OK; n++) {
        t->sync_count = 0;
        t->fail_sync = n;
        status = ngi_mind_anchor(store, &options, NULL);
        t->fail_sync = 0;
        if (status != NG_OK)
            assert_true(status == NG_E_IO || status == NG_E_LATCHED);
        ng_status closed = ngi_store_close(store);
        (void)closed; /* it says once more that a sync failed */
        assert_ok(ngi_store_open(&t->os, &t->mem, path, NULL, &store));
    }
    assert_true(is_so(store, r.anchored));
    end(&r, store);
    testing_remove_directory(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stopped_everywhere),
        TEST(test_failing_syncs),
    };
    return cmocka_run_group_tests_name("anchoring interrupted", tests, NULL, NULL);
}
