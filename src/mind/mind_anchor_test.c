/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The built-in words, and files of a user's: what they must be, and what is said of those that are
 * not. */
#include "mind/mind_anchor_list.h"

#include "base/base_limits.h"
#include "mind/mind_testing.h"
#include "mind/mind_text.h"

#include <math.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)

static ngi_anchors read_text(testing *t, const char *text)
{
    ngi_anchors anchors = {0};
    assert_ok(ngi_anchors_read(&t->mem, &t->os, testing_write_text(t, "a.tsv", text), &anchors));
    return anchors;
}

static void refuse(testing *t, const char *text, ng_status wanted, const char *says)
{
    ngi_anchors anchors = {0};
    assert_int_equal(ngi_anchors_read(&t->mem, &t->os, testing_write_text(t, "a.tsv", text),
                                      &anchors),
                     wanted);
    assert_message("a.tsv");
    assert_message(says);
    ngi_anchors_release(&t->mem, &anchors);
}

static const ngi_anchor *find(const ngi_anchors *anchors, ng_modality modality, const char *word)
{
    for (size_t i = 0; i < anchors->count; i++) {
        size_t bytes;
        const char *text = ngi_strings_get(&anchors->words, anchors->list[i].word, &bytes);
        if (anchors->list[i].modality == modality && bytes == strlen(word) &&
            memcmp(text, word, bytes) == 0)
            return &anchors->list[i];
    }
    fail_msg("%s is no anchor", word);
    return NULL;
}

/* In range, folded, each once: the last is what the list of all has as many entries as for. */
static void test_built_in_words(void **state)
{
    testing *t = *state;
    ngi_anchors anchors = {0};
    size_t total = 0;
    assert_ok(ngi_anchors_add_built_in(&t->mem, &anchors));
    for (int m = 0; m < NG_MODALITY_COUNT; m++) {
        const ng_modality_info *info = ngi_modality((ng_modality)m);
        size_t count;
        const ngi_anchor_entry *words = ngi_anchor_words((ng_modality)m, &count);
        assert_true(count >= 100 && count <= 250);
        total += count;
        for (size_t i = 0; i < count; i++) {
            char folded[NGI_LABEL_BYTES_MAX];
            size_t bytes;
            assert_ok(
                ngi_text_fold(words[i].word, strlen(words[i].word), folded, sizeof folded, &bytes));
            assert_int_equal(bytes, strlen(words[i].word));
            assert_memory_equal(folded, words[i].word, bytes);
            for (unsigned v = 0; v < NGI_ANCHOR_VALUES_MAX; v++)
                assert_true(words[i].values[v] <= 100 * info->high &&
                            words[i].values[v] >= 100 * info->low);
            assert_true(info->value_count == 4 || words[i].values[3] == 0);
        }
    }
    assert_int_equal(anchors.count, total);
    ngi_anchors_release(&t->mem, &anchors);
}

/* No axis says nothing, and no two modalities share a space. */
static void test_axes(void **state)
{
    (void)state;
    unsigned spaces = 0;
    for (int m = 0; m < NG_MODALITY_COUNT; m++) {
        const ng_modality_info *info = ngi_modality((ng_modality)m);
        size_t count;
        const ngi_anchor_entry *words = ngi_anchor_words((ng_modality)m, &count);
        assert_int_equal(spaces >> info->space & 1, 0);
        spaces |= 1u << info->space;
        for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++) {
            double least = 9, most = -9;
            assert_non_null(info->axes[axis]);
            for (size_t i = 0; i < count; i++) {
                float values[NGI_ANCHOR_VALUES_MAX];
                for (unsigned v = 0; v < NGI_ANCHOR_VALUES_MAX; v++)
                    values[v] = (float)(words[i].values[v] / 100.0);
                double at = ngi_anchor_axis((ng_modality)m, values, axis);
                least = fmin(least, at);
                most = fmax(most, at);
            }
            assert_true(least >= (double)info->low && most <= (double)info->high);
            assert_true(most - least > 0.9 * (double)(info->high - info->low) * 0.9);
        }
    }
    const float values[] = {0.1f, 0.2f, 0.3f, 0.5f};
    assert_true(ngi_anchor_axis(NG_MODALITY_SOUND, values, 1) == (double)0.3f);
    assert_true(ngi_anchor_axis(NG_MODALITY_ACTION, values, 0) == (double)0.2f);
    assert_true(fabs(ngi_anchor_axis(NG_MODALITY_ACTION, values, 1) - 0.3) < 1e-7);
    assert_true(ngi_anchor_axis(NG_MODALITY_ACTION, values, 2) == (double)0.3f);
}

static void test_file(void **state)
{
    testing *t = *state;
    ngi_anchors anchors = read_text(t, "\xEF\xBB\xBF# mine\n\nemotion\tHot  Dog\t0.5\t-1\t1e-1\r\n"
                                       "action,run,0,0.25,-0.5,1\n  \ncolor \t sky\t0\t0.5\t1");
    assert_int_equal(anchors.count, 3);
    const ngi_anchor *dog = find(&anchors, NG_MODALITY_EMOTION, "hot dog");
    assert_true(dog->values[0] == 0.5f && dog->values[1] == -1 && dog->values[2] == 0.1f);
    assert_int_equal(dog->line, 3);
    assert_true(find(&anchors, NG_MODALITY_ACTION, "run")->values[3] == 1);
    assert_true(find(&anchors, NG_MODALITY_COLOUR, "sky")->values[2] == 1);
    ngi_anchors_release(&t->mem, &anchors);
    anchors = read_text(t, "");
    assert_int_equal(anchors.count, 0);
    ngi_anchors_release(&t->mem, &anchors);
}

static void test_file_overrides(void **state)
{
    testing *t = *state;
    ngi_anchors anchors = {0};
    assert_ok(ngi_anchors_add_built_in(&t->mem, &anchors));
    size_t before = anchors.count;
    float cry = find(&anchors, NG_MODALITY_SOUND, "cry")->values[0];
    assert_ok(ngi_anchors_read(&t->mem, &t->os,
                               testing_write_text(t, "a.tsv",
                                                  "action\tcry\t0\t0\t0\t1\n"
                                                  "emotion\tzyzzy\t0\t0\t0\n"),
                               &anchors));
    assert_int_equal(anchors.count, before + 1);
    assert_true(find(&anchors, NG_MODALITY_ACTION, "cry")->values[3] == 1);
    assert_true(find(&anchors, NG_MODALITY_ACTION, "cry")->values[0] == 0);
    assert_true(find(&anchors, NG_MODALITY_SOUND, "cry")->values[0] == cry);
    ngi_anchors_release(&t->mem, &anchors);
}

static void test_file_errors(void **state)
{
    static const char *const files[][2] = {
        {"emotion\ta\t0\t0\n", "line 1: expected emotion, a word and 3 numbers, got 4 fields"},
        {"\naction\ta\t0\t0\t0\n", "line 2: expected action, a word and 4 numbers, got 5 fields"},
        {"emotion\ta\t0\t0\t0\t0\t0\t0\n", "got 8 fields"},
        {"emotion a 0 0 0\n", "line 1: modality \"emotion a 0 0 0\" is none of colour"},
        {"smell\ta\t0\t0\t0\n", "modality \"smell\""},
        {"emotion\ta\t2\t0\t0\n", "line 1: valence 2 is outside -1..1"},
        {"emotion\ta\t0\t-1.01\t0\n", "arousal -1.01 is outside -1..1"},
        {"colour\ta\t0\t-0.5\t0\n", "green -0.5 is outside 0..1"},
        {"emotion\ta\tnan\t0\t0\n", "valence nan is outside"},
        {"emotion\ta\t0\tinf\t0\n", "arousal inf is outside"},
        {"emotion\ta\t0\t0\t1e99\n", "dominance 1e99 is outside"},
        {"emotion\ta\t0\tx\t0\n", "arousal: 'x' is not a number"},
        {"emotion\ta\t0\t0.5z\t0\n", "arousal: '0.5z' is not a number"},
        {"emotion\ta\t0\t0\t\n", "dominance: '' is not a number"},
        {"emotion\t \t0\t0\t0\n", "line 1: the word is empty"},
        {"emotion\t\xFF\t0\t0\t0\n", "line 1: the word is not valid UTF-8"},
        {"emotion\ta\t0\t0\t0\nemotion\tA\t0\t0\t0\n",
         "line 2: 'a' of emotion stands in line 1 already"},
    };
    testing *t = *state;
    char text[8192] = "emotion\t";
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        refuse(t, files[i][0], NG_E_FORMAT, files[i][1]);
    static const size_t lengths[] = {NGI_LABEL_BYTES_MAX + 1, 6000};
    for (size_t i = 0; i < 2; i++) {
        memset(text + 8, 'a', lengths[i]);
        memcpy(text + 8 + lengths[i], "\t0\t0\t0\n", 8);
        refuse(t, text, NG_E_FORMAT, "line 1: the word is longer than 1024 bytes");
    }
    ngi_anchors anchors = {0};
    assert_int_equal(ngi_anchors_read(&t->mem, &t->os, testing_path(t, "absent"), &anchors),
                     NG_E_NOT_FOUND);
    assert_message("absent");
}

static void test_too_many(void **state)
{
    testing *t = *state;
    size_t capacity = (NGI_ANCHORS_MAX + 1) * 24, used = 0;
    char *text = malloc(capacity);
    assert_non_null(text);
    for (unsigned i = 0; i <= NGI_ANCHORS_MAX; i++)
        used += (size_t)snprintf(text + used, capacity - used, "emotion,w%u,0,0,0\n", i);
    refuse(t, text, NG_E_LIMIT, "line 65537: more than 65536 anchors");
    free(text);
}

static void test_failures_of_memory(void **state)
{
    testing *t = *state;
    char path[sizeof t->path];
    ng_status status = NG_E_NOMEM;
    snprintf(path, sizeof path, "%s", testing_write_text(t, "a.tsv", "emotion\tzyzzy\t0\t0\t0\n"));
    for (size_t n = 1; status == NG_E_NOMEM; n++) {
        ngi_anchors anchors = {0};
        t->memory_count = 0;
        t->fail_memory = n;
        status = ngi_anchors_add_built_in(&t->mem, &anchors);
        if (status == NG_OK)
            status = ngi_anchors_read(&t->mem, &t->os, path, &anchors);
        ngi_anchors_release(&t->mem, &anchors);
        assert_int_equal(atomic_load(&t->mem.used_bytes), 0);
    }
    assert_int_equal(status, NG_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_built_in_words),     TEST(test_axes),        TEST(test_file),
        TEST(test_file_overrides),     TEST(test_file_errors), TEST(test_too_many),
        TEST(test_failures_of_memory),
    };
    return cmocka_run_group_tests_name("lists of anchors", tests, NULL, NULL);
}
