/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Anchors in words whose values are linear in their vectors: what is given is exact, what is
 * predicted is near, and all of it goes back. */
#include "api_support.h"

#include "test_directory.h"
#include "test_random.h"

#include <math.h>
#include <stdlib.h>

#define WORDS 120u
#define DIMENSIONS 12u /* as many components: they fill the emotional space too */
#define RATED 60u      /* w0 .. w59 have values in the file */
#define EMOTION (1u << NG_MODALITY_EMOTION)

typedef struct anchored {
    char *directory;
    char words[600], rated[600], store_path[600];
    ng_store *store;
    float vectors[WORDS][DIMENSIONS];
    ng_token records[WORDS]; /* as the load left them */
} anchored;

static float value_of(const anchored *fixture, unsigned word, unsigned axis)
{
    return roundf(fixture->vectors[word][axis] * 50) / 100;
}

/* All words but `without`. */
static void write_words(const anchored *fixture, unsigned without)
{
    char text[WORDS * 160];
    size_t used = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        if (i == without)
            continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "w%u", i);
        for (unsigned d = 0; d < DIMENSIONS; d++)
            used += (size_t)snprintf(text + used, sizeof text - used, " %.4f",
                                     (double)fixture->vectors[i][d]);
        text[used++] = '\n';
    }
    test_file_write(fixture->words, text, used);
}

static void write_rated(anchored *fixture, bool is_noise)
{
    char text[RATED * 60];
    test_random random = {5};
    size_t used = 0;
    for (unsigned i = 0; i < RATED; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "emotion\tw%u", i);
        for (unsigned axis = 0; axis < 3; axis++)
            used += (size_t)snprintf(text + used, sizeof text - used, "\t%.2f",
                                     is_noise ? 2 * test_random_unit(&random) - 1
                                              : (double)value_of(fixture, i, axis));
        text[used++] = '\n';
    }
    test_file_write(fixture->rated, text, used);
}

static ng_token_id find(const anchored *fixture, unsigned word)
{
    char label[16];
    ng_token_id id = 0;
    snprintf(label, sizeof label, "w%u", word);
    ASSERT_OK(ng_token_find(fixture->store, NG_COLLECTION_SEMANTIC, label, strlen(label), &id));
    return id;
}

static bool place_of(const anchored *fixture, unsigned word, ng_space space, float out[3])
{
    ng_token record;
    ASSERT_OK(ng_token_read(fixture->store, find(fixture, word), &record));
    return ng_token_coordinates(fixture->store, &record, space, out);
}

static int setup(void **state)
{
    anchored *fixture = calloc(1, sizeof *fixture);
    test_random random = {11};
    assert_non_null(fixture);
    fixture->directory = test_directory_create();
    test_path(fixture->words, sizeof fixture->words, fixture->directory, "words.txt");
    test_path(fixture->rated, sizeof fixture->rated, fixture->directory, "rated.tsv");
    test_path(fixture->store_path, sizeof fixture->store_path, fixture->directory, "store");
    for (unsigned i = 0; i < WORDS; i++)
        for (unsigned d = 0; d < DIMENSIONS; d++)
            fixture->vectors[i][d] = (float)(2 * test_random_unit(&random) - 1);
    write_words(fixture, WORDS);
    write_rated(fixture, false);
    ASSERT_OK(ng_open(fixture->store_path, NULL, &fixture->store));
    ASSERT_OK(ng_bootstrap(fixture->store, fixture->words, NULL, NULL));
    for (unsigned i = 0; i < WORDS; i++)
        ASSERT_OK(ng_token_read(fixture->store, find(fixture, i), &fixture->records[i]));
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    anchored *fixture = *state;
    ng_check_report check;
    ASSERT_OK(ng_check(fixture->store, &check));
    assert_string_equal(check.first_problem, "");
    ASSERT_OK(ng_close(fixture->store));
    test_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

static ng_anchor_options options_of(const anchored *fixture)
{
    return (ng_anchor_options){.struct_size = sizeof(ng_anchor_options),
                               .modalities = EMOTION,
                               .path = fixture->rated,
                               .only_file = true};
}

static void assert_as_loaded(const anchored *fixture)
{
    for (unsigned i = 0; i < WORDS; i++) {
        ng_token record;
        ASSERT_OK(ng_token_read(fixture->store, find(fixture, i), &record));
        assert_memory_equal(&record, &fixture->records[i], sizeof record);
    }
}

static void assert_anchors_exact(const anchored *fixture)
{
    float at[3];
    for (unsigned i = 0; i < RATED; i++) {
        assert_true(place_of(fixture, i, NG_SPACE_EMOTIONAL, at));
        for (unsigned axis = 0; axis < 3; axis++)
            assert_true(fabsf(at[axis] - value_of(fixture, i, axis)) < 0.00006f);
    }
}

static void test_anchors_are_exact_and_others_near(void **state)
{
    anchored *fixture = *state;
    ng_anchor_options options = options_of(fixture);
    ng_anchor_report report;
    const ng_anchor_result *emotion = &report.modalities[NG_MODALITY_EMOTION];
    float at[3];
    uint64_t predicted = 0;
    ASSERT_OK(ng_anchor(fixture->store, &options, &report));
    assert_anchors_exact(fixture);
    for (unsigned i = RATED; i < WORDS; i++) {
        if (!place_of(fixture, i, NG_SPACE_EMOTIONAL, at))
            continue;
        predicted++;
        for (unsigned axis = 0; axis < 3; axis++)
            assert_true(fabsf(at[axis] - value_of(fixture, i, axis)) < 0.03f);
    }
    assert_int_equal(report.words, WORDS);
    assert_int_equal(report.words_changed, WORDS);
    assert_true(emotion->selected && emotion->has_errors && emotion->filled);
    assert_int_equal(emotion->word_count, RATED);
    assert_int_equal(emotion->found_count, RATED);
    assert_int_equal(emotion->predicted_count, predicted);
    assert_int_equal(emotion->unreliable_count, WORDS - RATED - predicted);
    assert_true(predicted > 10);
    assert_true(emotion->unit == 1 && emotion->lambda > 0);
    for (unsigned axis = 0; axis < 3; axis++)
        assert_true(emotion->axes[axis].r2 > 0.99 && emotion->axes[axis].rmse < 0.02 &&
                    emotion->axes[axis].rmse_of_mean > 0.1);
    assert_false(report.modalities[NG_MODALITY_COLOUR].selected);
    /* The other spaces are as they were. */
    for (unsigned i = 0; i < WORDS; i++) {
        ng_token record;
        ASSERT_OK(ng_token_read(fixture->store, find(fixture, i), &record));
        assert_memory_equal(record.coordinates[NG_SPACE_ABSTRACT],
                            fixture->records[i].coordinates[NG_SPACE_ABSTRACT], 6);
        assert_int_equal(record.coordinates[NG_SPACE_SENSORY][0], NG_COORDINATE_ABSENT);
    }
}

static void test_fill(void **state)
{
    anchored *fixture = *state;
    ng_anchor_options options = options_of(fixture);
    ng_anchor_report report;
    const ng_anchor_result *emotion = &report.modalities[NG_MODALITY_EMOTION];
    float at[3];
    options.fill = NG_ANCHOR_FILL_ALWAYS;
    ASSERT_OK(ng_anchor(fixture->store, &options, &report));
    assert_int_equal(emotion->predicted_count, WORDS - RATED);
    for (unsigned i = 0; i < WORDS; i++)
        assert_true(place_of(fixture, i, NG_SPACE_EMOTIONAL, at));
    options.max_words = 70;
    ASSERT_OK(ng_anchor(fixture->store, &options, &report));
    assert_int_equal(emotion->predicted_count, 10);
    assert_int_equal(report.words_changed, WORDS - 70);
    assert_true(place_of(fixture, 69, NG_SPACE_EMOTIONAL, at));
    assert_false(place_of(fixture, 70, NG_SPACE_EMOTIONAL, at));
    options.max_words = 0;
    options.fill = NG_ANCHOR_FILL_NEVER;
    options.lambda = 2;
    ASSERT_OK(ng_anchor(fixture->store, &options, &report));
    assert_true(emotion->has_errors && !emotion->filled && emotion->lambda == 2);
    assert_int_equal(emotion->predicted_count, 0);
    assert_anchors_exact(fixture);
    assert_false(place_of(fixture, RATED, NG_SPACE_EMOTIONAL, at));
}

/* Values without any relation to the vectors: the anchors are alone, unless it is forced. */
static void test_noise_is_not_predicted(void **state)
{
    anchored *fixture = *state;
    ng_anchor_options options = options_of(fixture);
    ng_anchor_report report;
    const ng_anchor_result *emotion = &report.modalities[NG_MODALITY_EMOTION];
    float at[3];
    write_rated(fixture, true);
    ASSERT_OK(ng_anchor(fixture->store, &options, &report));
    assert_true(emotion->has_errors && !emotion->filled);
    assert_int_equal(emotion->predicted_count, 0);
    assert_true(place_of(fixture, 0, NG_SPACE_EMOTIONAL, at));
    assert_false(place_of(fixture, RATED, NG_SPACE_EMOTIONAL, at));
    options.fill = NG_ANCHOR_FILL_ALWAYS;
    ASSERT_OK(ng_anchor(fixture->store, &options, &report));
    assert_int_equal(emotion->predicted_count, WORDS - RATED);
}

static void test_again_and_undone(void **state)
{
    anchored *fixture = *state;
    ng_anchor_options options = options_of(fixture);
    ng_anchor_options undo = {.struct_size = sizeof undo, .modalities = EMOTION};
    ng_anchor_report report;
    uint64_t hash, again;
    ASSERT_OK(ng_anchor(fixture->store, &options, NULL));
    ASSERT_OK(ng_state_hash(fixture->store, &hash));
    ASSERT_OK(ng_anchor(fixture->store, &options, &report));
    ASSERT_OK(ng_state_hash(fixture->store, &again));
    assert_int_equal(report.words_changed, 0);
    assert_true(hash == again);
    /* Also behind a restart, and the same words loaded once more leave the anchors alone. */
    ASSERT_OK(ng_close(fixture->store));
    ASSERT_OK(ng_open(fixture->store_path, NULL, &fixture->store));
    ASSERT_OK(ng_bootstrap(fixture->store, fixture->words, NULL, NULL));
    ASSERT_OK(ng_anchor(fixture->store, &options, &report));
    ASSERT_OK(ng_state_hash(fixture->store, &again));
    assert_true(hash == again);
    assert_anchors_exact(fixture);

    ASSERT_OK(ng_anchor_remove(fixture->store, &undo, &report));
    assert_int_equal(report.words, WORDS);
    assert_int_equal(report.words_changed, WORDS);
    assert_true(report.modalities[NG_MODALITY_EMOTION].selected);
    assert_false(report.modalities[NG_MODALITY_SOUND].selected);
    assert_as_loaded(fixture);
    ASSERT_OK(ng_state_hash(fixture->store, &hash));
    ASSERT_OK(ng_anchor_remove(fixture->store, NULL, &report));
    ASSERT_OK(ng_state_hash(fixture->store, &again));
    assert_int_equal(report.words_changed, 0);
    assert_true(hash == again);
}

/* A projection of more words takes the place of the old one, and of the anchors. */
static void test_load_of_more_words(void **state)
{
    anchored *fixture = *state;
    ng_anchor_options options = options_of(fixture);
    ng_store *fresh = api_memory_store();
    char path[700];
    float at[3];
    ASSERT_OK(ng_anchor(fixture->store, &options, NULL));
    snprintf(path, sizeof path, "%s.more", fixture->words);
    static const char more[] = "x0 0.5 0.5 -0.5 0.1 1 2 3 4 5 6 7 8\nx1 0 1 0 1 0 0 0 0 0 0 0 2\n";
    test_file_write(path, more, sizeof more - 1);
    ASSERT_OK(ng_bootstrap(fixture->store, path, NULL, NULL));
    ASSERT_OK(ng_bootstrap(fresh, fixture->words, NULL, NULL));
    ASSERT_OK(ng_bootstrap(fresh, path, NULL, NULL));
    for (unsigned i = 0; i < WORDS; i++) {
        ng_token record, wanted;
        ASSERT_OK(ng_token_read(fixture->store, find(fixture, i), &record));
        ASSERT_OK(ng_token_read(fresh, i + 1, &wanted));
        assert_memory_equal(record.coordinates, wanted.coordinates, sizeof record.coordinates);
    }
    ng_anchor_report report;
    ASSERT_OK(ng_anchor_remove(fixture->store, NULL, &report));
    assert_int_equal(report.words_changed, 0);
    ASSERT_OK(ng_anchor(fixture->store, &options, NULL));
    assert_true(place_of(fixture, 0, NG_SPACE_EMOTIONAL, at));
    assert_anchors_exact(fixture);
    ASSERT_OK(ng_close(fresh));
}

/* A word whose vector was taken away after the load: the projection is of more vectors. */
static void test_undo_of_another_number_of_vectors(void **state)
{
    anchored *fixture = *state;
    ng_anchor_options options = options_of(fixture);
    ng_token_fields fields = api_fields();
    ng_anchor_report report;
    ASSERT_OK(ng_anchor(fixture->store, &options, NULL));
    fields.set = NG_FIELD_VECTOR;
    ASSERT_OK(ng_token_update(fixture->store, find(fixture, 7), &fields, NULL));
    ASSERT_OK(ng_anchor(fixture->store, &options, &report));
    assert_int_equal(report.modalities[NG_MODALITY_EMOTION].found_count, RATED - 1);
    ASSERT_OK(ng_anchor_remove(fixture->store, NULL, &report));
    assert_int_equal(report.words, WORDS - 1);
    /* As if the word had not been among those loaded. */
    ng_store *fresh = api_memory_store();
    write_words(fixture, 7);
    ASSERT_OK(ng_bootstrap(fresh, fixture->words, NULL, NULL));
    for (unsigned i = 8; i < WORDS; i++) {
        ng_token record, wanted;
        ASSERT_OK(ng_token_read(fixture->store, find(fixture, i), &record));
        ASSERT_OK(ng_token_read(fresh, i, &wanted));
        assert_memory_equal(record.coordinates, wanted.coordinates, sizeof record.coordinates);
    }
    ASSERT_OK(ng_close(fresh));
}

static void test_few_anchors(void **state)
{
    static const char few[] = "emotion\tw3\t1\t-1\t0.5\nemotion\tabsent\t0\t0\t0\n"
                              "spatial\tw3\t1\t-1\t0.25\ncolour\tnowhere\t0\t0\t1\n";
    anchored *fixture = *state;
    ng_anchor_options options = options_of(fixture);
    ng_anchor_report report;
    float at[3];
    test_file_write(fixture->rated, few, sizeof few - 1);
    options.modalities = 0;
    options.fill = NG_ANCHOR_FILL_ALWAYS;
    ASSERT_FAILS(ng_anchor(fixture->store, &options, &report), NG_E_INVALID, "1 anchors of emotion",
                 "20");
    assert_as_loaded(fixture);
    options.fill = NG_ANCHOR_FILL_AUTO;
    ASSERT_OK(ng_anchor(fixture->store, &options, &report));
    assert_int_equal(report.modalities[NG_MODALITY_EMOTION].word_count, 2);
    assert_int_equal(report.modalities[NG_MODALITY_EMOTION].found_count, 1);
    assert_false(report.modalities[NG_MODALITY_EMOTION].has_errors);
    assert_int_equal(report.modalities[NG_MODALITY_COLOUR].found_count, 0);
    assert_int_equal(report.words_changed, WORDS); /* the others leave the emotional space */
    assert_false(place_of(fixture, 4, NG_SPACE_EMOTIONAL, at));
    /* Physical coordinates reach 327.67: the unit is a hundred. */
    assert_true(report.modalities[NG_MODALITY_SPATIAL].unit == 100);
    assert_true(place_of(fixture, 3, NG_SPACE_PHYSICAL, at));
    assert_true(at[0] == 100 && at[1] == -100 && at[2] == 25);
    assert_false(place_of(fixture, 4, NG_SPACE_PHYSICAL, at));
    ASSERT_OK(ng_anchor_remove(fixture->store, NULL, NULL));
    assert_as_loaded(fixture);
}

static void test_other_collections_and_tokens_without_vector(void **state)
{
    anchored *fixture = *state;
    ng_anchor_options options = options_of(fixture);
    ng_collection_id mine = 0;
    ng_token_fields fields = api_fields();
    ng_token_id bare = 0, runtime = api_at(fixture->store, NG_SPACE_EMOTIONAL, 1, 2, 3);
    ng_token before, after;
    ASSERT_OK(ng_collection_create(fixture->store, "mine", NULL, &mine));
    fields.set = NG_FIELD_LABEL;
    fields.collection = NG_COLLECTION_SEMANTIC;
    fields.label = "phrase";
    fields.label_bytes = 6;
    fields.spaces_set = 1 << NG_SPACE_EMOTIONAL;
    ASSERT_OK(ng_token_create(fixture->store, &fields, NULL, &bare));
    ASSERT_OK(ng_token_read(fixture->store, bare, &before));
    static const char two[] = "emotion\tphrase\t1\t1\t1\nemotion\tw1\t0\t0\t0\n";
    test_file_write(fixture->rated, two, sizeof two - 1);
    ASSERT_OK(ng_anchor(fixture->store, &options, NULL));
    ASSERT_OK(ng_token_read(fixture->store, bare, &after));
    assert_memory_equal(&before, &after, sizeof before);
    float at[3];
    ASSERT_OK(ng_token_read(fixture->store, runtime, &after));
    assert_true(ng_token_coordinates(fixture->store, &after, NG_SPACE_EMOTIONAL, at) && at[2] == 3);
    options.collection = mine;
    ASSERT_FAILS(ng_anchor(fixture->store, &options, NULL), NG_E_NOT_FOUND, "none of 2 anchors",
                 "collection 2");
    options.collection = 0;
    options.by_collection = true;
    ASSERT_FAILS(ng_anchor(fixture->store, &options, NULL), NG_E_NOT_FOUND, "collection 0");
    options.collection = 40;
    ASSERT_FAILS(ng_anchor(fixture->store, &options, NULL), NG_E_NOT_FOUND, "collection 40");
    ASSERT_OK(ng_anchor_remove(fixture->store, NULL, NULL));
    ASSERT_OK(ng_token_read(fixture->store, bare, &after));
    assert_memory_equal(&before, &after, sizeof before);
    assert_as_loaded(fixture);
}

static void test_errors(void **state)
{
    anchored *fixture = *state;
    ng_store *store = fixture->store, *empty = api_memory_store();
    const ng_anchor_options good = options_of(fixture);
    ng_anchor_options options = good;
    uint64_t hash, again;
    ASSERT_OK(ng_state_hash(store, &hash));
    ASSERT_FAILS(ng_anchor(NULL, &good, NULL), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_anchor_remove(NULL, NULL, NULL), NG_E_INVALID, "store");
    options.struct_size = 3;
    ASSERT_FAILS(ng_anchor(store, &options, NULL), NG_E_INVALID, "struct_size");
    ASSERT_FAILS(ng_anchor_remove(store, &options, NULL), NG_E_INVALID, "struct_size");
    options = good;
    options.modalities = 32;
    ASSERT_FAILS(ng_anchor(store, &options, NULL), NG_E_INVALID, "modalities 32", "0..31");
    options = good;
    options.fill = (ng_anchor_fill)3;
    ASSERT_FAILS(ng_anchor(store, &options, NULL), NG_E_INVALID, "fill 3", "0..2");
    static const double lambdas[] = {-1, 1e-7, 1e7, NAN, INFINITY};
    for (size_t i = 0; i < 5; i++) {
        options = good;
        options.lambda = lambdas[i];
        ASSERT_FAILS(ng_anchor(store, &options, NULL), NG_E_INVALID, "lambda", "1e-06..1e+06");
    }
    options = good;
    options.path = "";
    ASSERT_FAILS(ng_anchor(store, &options, NULL), NG_E_INVALID, "path is empty");
    options.path = NULL;
    ASSERT_FAILS(ng_anchor(store, &options, NULL), NG_E_INVALID, "only_file needs path");
    options.path = "/nonexistent/anchors";
    ASSERT_FAILS(ng_anchor(store, &options, NULL), NG_E_NOT_FOUND, "/nonexistent/anchors");
    ASSERT_FAILS(ng_anchor_remove(store, &options, NULL), NG_E_INVALID, "path, only_file");
    ASSERT_FAILS(ng_anchor(store, NULL, NULL), NG_E_NOT_FOUND, "none of", "anchors");
    ASSERT_FAILS(ng_anchor(empty, NULL, NULL), NG_E_NOT_FOUND, "no projection");
    ASSERT_FAILS(ng_anchor_remove(empty, NULL, NULL), NG_E_NOT_FOUND, "no projection");
    static const char wrong[] = "emotion\tw1\t0\t0\t0\nemotion\tw2\t0\t0\t7\n";
    test_file_write(fixture->rated, wrong, sizeof wrong - 1);
    ASSERT_FAILS(ng_anchor(store, &good, NULL), NG_E_FORMAT, "rated.tsv line 2", "dominance 7",
                 "-1..1");
    ASSERT_OK(ng_state_hash(store, &again));
    assert_true(hash == again);
    ASSERT_OK(ng_close(empty));
}

static bool stop_at(void *context, const ng_progress *progress)
{
    assert_true(progress->total == 0 || progress->done <= progress->total);
    return --*(int *)context > 0;
}

static void test_cancelled_and_completed(void **state)
{
    anchored *fixture = *state;
    ng_anchor_options options = options_of(fixture);
    int left = 1;
    options.progress = stop_at;
    options.progress_context = &left;
    ASSERT_FAILS(ng_anchor(fixture->store, &options, NULL), NG_E_CANCELLED, "anchoring");
    left = 3;
    ASSERT_FAILS(ng_anchor(fixture->store, &options, NULL), NG_E_CANCELLED, "anchoring");
    left = 100000;
    ASSERT_OK(ng_anchor(fixture->store, &options, NULL));
    assert_anchors_exact(fixture);
    options = (ng_anchor_options){.struct_size = sizeof options,
                                  .progress = stop_at,
                                  .progress_context = &left};
    left = 1;
    ASSERT_FAILS(ng_anchor_remove(fixture->store, &options, NULL), NG_E_CANCELLED, "undoing");
    assert_anchors_exact(fixture);
    left = 100000;
    ASSERT_OK(ng_anchor_remove(fixture->store, &options, NULL));
    assert_as_loaded(fixture);
}

static void test_scales_and_origins_of_the_store(void **state)
{
    anchored *fixture = *state;
    ng_open_options open = {.struct_size = sizeof open};
    ng_anchor_options options = options_of(fixture);
    ng_anchor_report report;
    float at[3];
    for (unsigned axis = 0; axis < 3; axis++) {
        open.scales[NG_SPACE_EMOTIONAL][axis] = axis == 0 ? 200000 : 100000;
        open.origins[NG_SPACE_EMOTIONAL][axis] = 5;
    }
    ng_store *store = NULL;
    ASSERT_OK(ng_open(NULL, &open, &store));
    ASSERT_OK(ng_bootstrap(store, fixture->words, NULL, NULL));
    ASSERT_OK(ng_anchor(store, &options, &report));
    assert_true(fabs(report.modalities[NG_MODALITY_EMOTION].unit - 0.1) < 1e-12);
    for (unsigned i = 0; i < RATED; i++) {
        ng_token record;
        ASSERT_OK(ng_token_read(store, i + 1, &record));
        assert_true(ng_token_coordinates(store, &record, NG_SPACE_EMOTIONAL, at));
        for (unsigned axis = 0; axis < 3; axis++)
            assert_true(fabsf(at[axis] - 5 - value_of(fixture, i, axis) / 10) < 0.00002f);
    }
    ASSERT_OK(ng_close(store));
}

static void test_modalities_and_lists(void **state)
{
    (void)state;
    ng_modality_info info;
    ng_modality modality;
    size_t count = 0, again = 0;
    ASSERT_OK(ng_modality_get(NG_MODALITY_ACTION, &info));
    assert_string_equal(info.name, "action");
    assert_int_equal(info.space, NG_SPACE_MOTOR);
    assert_int_equal(info.value_count, 4);
    assert_string_equal(info.values[3], "impact");
    ASSERT_FAILS(ng_modality_get((ng_modality)5, &info), NG_E_INVALID, "modality 5", "0..4");
    ASSERT_FAILS(ng_modality_get(NG_MODALITY_ACTION, NULL), NG_E_INVALID, "out");
    for (int m = 0; m < NG_MODALITY_COUNT; m++) {
        ASSERT_OK(ng_modality_get((ng_modality)m, &info));
        ASSERT_OK(ng_modality_parse(info.name, &modality));
        assert_int_equal(modality, m);
    }
    ASSERT_OK(ng_modality_parse("color", &modality));
    assert_int_equal(modality, NG_MODALITY_COLOUR);
    ASSERT_FAILS(ng_modality_parse("smell", &modality), NG_E_INVALID, "smell", "spatial");
    ASSERT_FAILS(ng_modality_parse(NULL, &modality), NG_E_INVALID, "text");
    ASSERT_OK(ng_anchor_list(NG_MODALITY_EMOTION, NULL, 0, &count));
    ng_anchor_word *words = calloc(count, sizeof *words);
    assert_non_null(words);
    ASSERT_OK(ng_anchor_list(NG_MODALITY_EMOTION, words, 2, &again));
    assert_int_equal(again, count);
    assert_non_null(words[1].word);
    assert_null(words[2].word);
    ASSERT_OK(ng_anchor_list(NG_MODALITY_EMOTION, words, count, &again));
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].word, "angry") == 0)
            assert_true(words[i].values[0] < -0.5f && words[i].values[1] > 0.5f);
    ASSERT_FAILS(ng_anchor_list((ng_modality)-1, words, 1, &count), NG_E_INVALID, "modality");
    ASSERT_FAILS(ng_anchor_list(NG_MODALITY_EMOTION, NULL, 1, &count), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_anchor_list(NG_MODALITY_EMOTION, words, 1, NULL), NG_E_INVALID, "count");
    free(words);
}

int main(void)
{
#define FIXED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        FIXED(test_anchors_are_exact_and_others_near),
        FIXED(test_fill),
        FIXED(test_noise_is_not_predicted),
        FIXED(test_again_and_undone),
        FIXED(test_load_of_more_words),
        FIXED(test_undo_of_another_number_of_vectors),
        FIXED(test_few_anchors),
        FIXED(test_other_collections_and_tokens_without_vector),
        FIXED(test_errors),
        FIXED(test_cancelled_and_completed),
        FIXED(test_scales_and_origins_of_the_store),
        cmocka_unit_test(test_modalities_and_lists),
    };
    return cmocka_run_group_tests_name("anchors", tests, NULL, NULL);
}
