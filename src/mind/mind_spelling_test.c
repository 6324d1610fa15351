/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Distances against a whole matrix, the order of matches against a sort, and what has no match. */
#include "mind/mind_spelling.h"

#include "mind/mind_testing.h"
#include "mind/mind_text.h"

#define CODES_MAX (NGI_SPELLING_CODES_MAX + NGI_SPELLING_EDITS_MAX)

/* Optimal string alignment, as in the books. */
static uint32_t naive_distance(const uint32_t *a, uint32_t m, const uint32_t *b, uint32_t n)
{
    static uint32_t d[CODES_MAX + 1][CODES_MAX + 1];
    for (uint32_t i = 0; i <= m; i++)
        d[i][0] = i;
    for (uint32_t j = 0; j <= n; j++)
        d[0][j] = j;
    for (uint32_t i = 1; i <= m; i++) {
        for (uint32_t j = 1; j <= n; j++) {
            uint32_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
            best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[m][n];
}

static uint32_t random_text(uint64_t *random, uint32_t *codes, uint32_t most, uint32_t letters)
{
    uint32_t count = (uint32_t)(testing_random(random) % (most + 1));
    for (uint32_t i = 0; i < count; i++)
        codes[i] = 'a' + (uint32_t)(testing_random(random) % letters);
    return count;
}

/* A few edits, so that near texts are not rare. */
static uint32_t edit_text(uint64_t *random, const uint32_t *from, uint32_t count, uint32_t *to)
{
    memcpy(to, from, count * sizeof *to);
    for (uint64_t edits = testing_random(random) % 4; edits > 0; edits--) {
        uint32_t at = count > 0 ? (uint32_t)(testing_random(random) % count) : 0;
        switch (testing_random(random) % 4) {
        case 0: /* insert */
            if (count == CODES_MAX)
                break;
            memmove(to + at + 1, to + at, (count - at) * sizeof *to);
            to[at] = 'a' + (uint32_t)(testing_random(random) % 5);
            count++;
            break;
        case 1: /* delete */
            if (count == 0)
                break;
            memmove(to + at, to + at + 1, (count - at - 1) * sizeof *to);
            count--;
            break;
        case 2:
            if (count > 0)
                to[at] = 'a' + (uint32_t)(testing_random(random) % 5);
            break;
        default:
            if (at + 1 < count) {
                uint32_t kept = to[at];
                to[at] = to[at + 1];
                to[at + 1] = kept;
            }
        }
    }
    return count;
}

static void test_distance_equals_the_whole_matrix(void **state)
{
    (void)state;
    uint64_t random = testing_seed();
    uint32_t a[CODES_MAX], b[CODES_MAX];
    size_t near = 0;
    for (int round = 0; round < 60000; round++) {
        uint32_t most = round % 3 == 0 ? CODES_MAX : 10;
        uint32_t m = random_text(&random, a, most, 5);
        uint32_t n =
            round % 5 == 0 ? random_text(&random, b, most, 5) : edit_text(&random, a, m, b);
        uint32_t expected = naive_distance(a, m, b, n);
        for (uint32_t cutoff = 0; cutoff <= NGI_SPELLING_EDITS_MAX; cutoff++) {
            uint32_t cut = expected <= cutoff ? expected : cutoff + 1;
            assert_int_equal(ngi_spelling_distance(a, m, b, n, cutoff), cut);
            assert_int_equal(ngi_spelling_distance(b, n, a, m, cutoff), cut);
        }
        near += expected <= NGI_SPELLING_EDITS_MAX;
    }
    assert_true(near > 20000);
}

/* The best label of `labels` (ends with NULL; ids from 1; odd ids have a vector), or NULL. */
static const char *best_of(const char *word, const char *const *labels, uint32_t *distance)
{
    ngi_spelling spelling;
    char folded[256];
    size_t bytes;
    assert_ok(ngi_text_fold(word, strlen(word), folded, sizeof folded, &bytes));
    if (!ngi_spelling_begin(&spelling, folded, bytes, 1))
        return NULL;
    for (size_t i = 0; labels[i] != NULL; i++)
        ngi_spelling_offer(&spelling, 1, i + 1, labels[i], strlen(labels[i]), i % 2 == 0);
    if (spelling.count == 0)
        return NULL;
    *distance = spelling.matches[0].distance;
    return labels[spelling.matches[0].id - 1];
}

static void check(const char *word, const char *const *labels, const char *expected,
                  uint32_t expected_distance)
{
    uint32_t distance = 0;
    const char *got = best_of(word, labels, &distance);
    if (expected == NULL) {
        assert_null(got);
        return;
    }
    assert_non_null(got);
    assert_string_equal(got, expected);
    assert_int_equal(distance, expected_distance);
}

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_how_far(void **state)
{
    (void)state;
    check("coffe", LABELS("tea", "coffee"), "coffee", 1);
    check("cofefe", LABELS("coffee"), "coffee", 1); /* two neighbours change places */
    check("kofee", LABELS("coffee"), "coffee", 2);
    check("kofe", LABELS("coffee"), NULL, 0); /* 3 */
    check("kofffi", LABELS("coffee"), NULL, 0);
    check("cta", LABELS("cat"), "cat", 1);
    check("ctas", LABELS("scat"), NULL, 0); /* up to four code points: one edit */
    check("cxtx", LABELS("cat"), NULL, 0);
    check("cxtxs", LABELS("cats"), "cats", 2);
    check("x", LABELS("y", "a", "xy"), NULL, 0); /* all would be equally near */
    check("xy", LABELS("zy", "a"), "zy", 1);
    check("xx", LABELS("x"), "x", 1);
    check("", LABELS("a"), NULL, 0);
}

static void test_order(void **state)
{
    (void)state;
    check("hoise", LABELS("horse", "?", "house", "noise"), "horse", 1); /* the lowest id */
    check("hoise", LABELS("haime", "noise", "house"), "house", 1);      /* with a vector */
    check("hoise", LABELS("hxixe", "hoise"), "hoise", 0);  /* nearer, though without one */
    check("nasa", LABELS("nose", "?", "NASA"), "NASA", 0); /* labels are compared in lower case */
}

static void test_scripts(void **state)
{
    (void)state;
    check("превет", LABELS("ответ", "привет"), "привет", 1);
    check("ПРЕВЕТ", LABELS("Привет"), "Привет", 1);
    check("日木語", LABELS("日本", "日本語"), "日本語", 1);
    check("ねこ", LABELS("いぬ", "ねご"), "ねご", 1);
    check("猫", LABELS("犬"), NULL, 0);
    check("مرحيا", LABELS("سلام", "مرحبا"), "مرحبا", 1);
    check("cafe", LABELS("x", "café"), "café", 1);
    check("cafe\xCC\x81", LABELS("café"), "café", 0); /* a combining mark is composed first */
    check("q\xCC\x81xyz", LABELS("qxyz"), "qxyz", 1); /* one that has no composed form counts */
    check("😀😁😂", LABELS("😀😁", "😁😀😂"), "😀😁", 1);
    check("😀😁😂", LABELS("😁😀😂", "😀😁"), "😁😀😂", 1);
    check("👩‍💻s", LABELS("👩‍💻"), "👩‍💻", 1);
}

static void test_hostile_labels(void **state)
{
    (void)state;
    char longest[1025];
    memset(longest, 'a', 1024);
    longest[1024] = 0;
    check("word", LABELS(longest, "\xFF\xFF\xFF\xFF", "wor\xC3", "w", "", "ward"), "ward", 1);
    check(longest + 1024 - 64, LABELS(longest + 1024 - 66), longest + 1024 - 66, 2);
    check(longest + 1024 - 64, LABELS(longest + 1024 - 67), NULL, 0);
    check(longest + 1024 - 65, LABELS(longest + 1024 - 65), NULL, 0); /* no word is that long */
}

static int compare_matches(const void *a, const void *b)
{
    const ngi_spelling_match *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    if (x->has_vector != y->has_vector)
        return x->has_vector ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Several words at once, as many matches as are wanted, in the order of a sort. */
static void test_matches_equal_a_sort(void **state)
{
    (void)state;
    uint64_t random = testing_seed() + 1;
    static uint32_t labels[400][CODES_MAX];
    static uint32_t counts[400];
    for (int round = 0; round < 60; round++) {
        ngi_spelling spellings[3];
        uint32_t words[3][CODES_MAX], lengths[3];
        size_t want = 1 + testing_random(&random) % NGI_QUERY_SUGGEST_MAX;
        for (int i = 0; i < 3; i++) {
            char text[CODES_MAX + 1];
            lengths[i] = 2 + random_text(&random, words[i] + 2, 5, 3);
            words[i][0] = words[i][1] = 'a';
            for (uint32_t j = 0; j < lengths[i]; j++)
                text[j] = (char)words[i][j];
            assert_true(ngi_spelling_begin(&spellings[i], text, lengths[i], want));
        }
        for (size_t i = 0; i < 400; i++) {
            char text[CODES_MAX + 1];
            counts[i] = random_text(&random, labels[i], 8, 3);
            for (uint32_t j = 0; j < counts[i]; j++)
                text[j] = (char)labels[i][j];
            ngi_spelling_offer(spellings, 3, i + 1, text, counts[i], i % 3 == 0);
        }
        for (int i = 0; i < 3; i++) {
            static ngi_spelling_match all[400];
            size_t count = 0;
            uint32_t most = lengths[i] <= 4 ? 1 : 2;
            for (size_t j = 0; j < 400; j++) {
                uint32_t distance = naive_distance(words[i], lengths[i], labels[j], counts[j]);
                if (distance <= most)
                    all[count++] = (ngi_spelling_match){j + 1, distance, j % 3 == 0};
            }
            qsort(all, count, sizeof *all, compare_matches);
            assert_int_equal(spellings[i].count, count < want ? count : want);
            for (size_t j = 0; j < spellings[i].count; j++) {
                assert_int_equal(spellings[i].matches[j].id, all[j].id);
                assert_int_equal(spellings[i].matches[j].distance, all[j].distance);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance_equals_the_whole_matrix),
        cmocka_unit_test(test_how_far),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_hostile_labels),
        cmocka_unit_test(test_matches_equal_a_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
