/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Texts of queries: operators, phrases, underscores, unknown words, limits. */
#include "mind/mind_terms.h"

#include "mind/mind_testing.h"

/* The vocabulary: ids are positions from 1. */
static const char *const vocabulary[] = {"king",       "man",       "woman",
                                         "-",          "+",         "ice",
                                         "cream",      "ice cream", "ice cream cone",
                                         "snake_case", "_",         "a b c d e f g h",
                                         "c",          "слово",     "hot dog",
                                         "1",          "3*4",       "\"quoted\"",
                                         "日本 語",    "😀",         "+ x"};

static ng_status find_word(void *context, const char *label, size_t bytes, ng_token_id *id)
{
    size_t *calls = context;
    ++*calls;
    for (size_t i = 0; i < sizeof vocabulary / sizeof vocabulary[0]; i++) {
        if (strlen(vocabulary[i]) == bytes && memcmp(vocabulary[i], label, bytes) == 0) {
            *id = i + 1;
            return NG_OK;
        }
    }
    return NG_E_NOT_FOUND;
}

/* "+king" for a known term, "-?x" for an unknown one, joined by '|'. */
static void check(const char *text, const char *expected)
{
    ngi_terms terms;
    size_t calls = 0;
    char got[4096], *p = got;
    assert_ok(ngi_terms_parse(&terms, text, strlen(text), find_word, &calls));
    *p = 0;
    for (size_t i = 0; i < terms.count; i++) {
        const ngi_term *term = &terms.terms[i];
        if (term->id != 0) {
            assert_int_equal(term->bytes, strlen(vocabulary[term->id - 1]));
            assert_memory_equal(terms.text + term->begin, vocabulary[term->id - 1], term->bytes);
        }
        p += sprintf(p, "%s%c%s", i > 0 ? "|" : "", term->sign < 0 ? '-' : '+',
                     term->id == 0 ? "?" : "");
        if (term->weight != 1)
            p += sprintf(p, "(%g)", term->weight);
        p += sprintf(p, "%.*s", (int)term->bytes, terms.text + term->begin);
    }
    assert_string_equal(got, expected);
}

static void check_error(const char *text, size_t bytes, const char *message)
{
    ngi_terms terms;
    size_t calls = 0;
    assert_int_equal(ngi_terms_parse(&terms, text, bytes, find_word, &calls), NG_E_INVALID);
    assert_message(message);
}

static void test_words_and_operators(void **state)
{
    (void)state;
    check("king", "+king");
    check("  KING\t man ", "+king|+man");
    check("king - man + woman", "+king|-man|+woman");
    check("- man king", "-man|+king");
    check("king - - man", "+king|+man");
    check("king + - man woman", "+king|-man|+woman");
    check("king -man", "+king|+?-man"); /* an operator stands between blanks */
    check("СЛОВО", "+слово");
    check("\xEF\xBC\x91 \xEF\xBC\x8D man", "+1|-man"); /* full width 1 and - */
}

static void test_operators_alone_are_words(void **state)
{
    (void)state;
    check("-", "+-");
    check(" + ", "++");
    check("- +", "-+");
    check("- -", "--");
}

static void test_phrases(void **state)
{
    (void)state;
    check("ice cream", "+ice cream");
    check("Ice  Cream cone", "+ice cream cone");
    check("ice cream man", "+ice cream|+man");
    check("ice man cream", "+ice|+man|+cream");
    check("ice - cream", "+ice|-cream"); /* a phrase does not reach over an operator */
    check("king - ice cream", "+king|-ice cream");
    check("a b c d e f g h", "+a b c d e f g h");
    check("a b c d e f g", "+?a|+?b|+c|+?d|+?e|+?f|+?g");
    check("cream ice cream cone", "+cream|+ice cream cone");
}

static void test_underscores(void **state)
{
    (void)state;
    check("ice_cream", "+ice cream");
    check("Ice_Cream_Cone", "+ice cream cone");
    check("ice_cream cone", "+ice cream cone");
    check("hot__dog_", "+hot dog");
    check("snake_case", "+snake_case");
    check("_", "+_");
    check("__", "+?__");
    check("ice_zzz", "+ice|+?zzz");
}

static void test_weights(void **state)
{
    (void)state;
    check("2*king", "+(2)king");
    check("2*king - 0.5*man + woman", "+(2)king|-(0.5)man|+woman");
    check("king 3*ice cream", "+king|+(3)ice cream"); /* a weight begins a term */
    check("ice 2*cream", "+ice|+(2)cream");
    check("2*ice_cream", "+(2)ice cream");
    check("1.25*zzz", "+?(1.25)zzz");
    check("1000*king", "+(1000)king");
    check("2*1", "+(2)1");
    check("2*3*4", "+(2)3*4");
    check("3*4", "+3*4"); /* a label is no weight */
    check("2*+", "+(2)+");
    check("2*", "+?2*");
    check("*king", "+?*king");
    check("2.*king", "+?2.*king");
    check(".5*king", "+?.5*king");
    check("2..5*king", "+?2..5*king");
    check("-2*king", "+?-2*king");
    check("1234567890123456*king", "+?1234567890123456*king");
    check_error("0*king", 6, "weight 0, which is outside 0..1000");
    check_error("0.0*king", 8, "weight 0");
    check_error("1001*king", 9, "weight 1001, which is outside 0..1000");
}

static void test_quotation_marks(void **state)
{
    (void)state;
    check("\"ice cream\"", "+ice cream");
    check("\"ice cream\" cone", "+ice cream|+?cone"); /* not the longest run */
    check("ice \"cream cone\"", "+ice|+?cream cone"); /* one term, though no label */
    check("\"ICE  Cream\" - \"man\"", "+ice cream|-man");
    check("2*\"ice cream\" + king", "+(2)ice cream|+king");
    check("\"+\"", "++");
    check("king \"+ x\"", "+king|++ x");
    check("\" ice \"", "+ice");
    check("\"ice_cream\"", "+?ice_cream"); /* as it stands */
    check("\"quoted\"", "+\"quoted\"");    /* a label has the mark itself */
    check("\"king", "+?\"king");           /* nothing answers it */
    check("king\"", "+?king\"");
    check("\"", "+?\"");
    check("\"\"", "+?\"\"");
    check("\" \"", "+?\"|+?\"");
    check("\"日本  語\" 😀", "+日本 語|+😀");
    check("\"a b c d e f g h\"", "+a b c d e f g h");
    check_error("\"a b c d e f g h i\"", 19, "text has a phrase of 9 words, more than 8");
}

static void test_unknown_words(void **state)
{
    (void)state;
    check("zzz", "+?zzz");
    check("zzz king", "+?zzz|+king");
    check("king - yyy", "+king|-?yyy");
}

static void test_errors(void **state)
{
    (void)state;
    check_error("", 0, "text is empty");
    check_error(" \t\n ", 4, "text is empty");
    check_error("king -", 6, "operator '-' at the end has no word after it");
    check_error("king - +", 8, "operator '+' at the end has no word after it");
    check_error("a\xFF", 2, "text is not valid UTF-8");
    char text[NGI_QUERY_BYTES_MAX + 2];
    memset(text, 'x', sizeof text);
    check_error(text, NGI_QUERY_BYTES_MAX + 1, "text of 4097 bytes is longer than 4096");
    for (size_t i = 0; i + 3 <= NGI_QUERY_BYTES_MAX; i += 3)
        memcpy(text + i, "\xEF\xB7\xBA", 3);
    check_error(text, 4095, "text is longer than 4096 bytes when folded");
}

static void test_limits(void **state)
{
    (void)state;
    char text[NGI_QUERY_BYTES_MAX];
    size_t calls = 0;
    ngi_terms terms;
    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy(text + i, "z ", 2);
    assert_ok(ngi_terms_parse(&terms, text, 2 * NGI_QUERY_TERMS_MAX, find_word, &calls));
    assert_int_equal(terms.count, NGI_QUERY_TERMS_MAX);
    check_error(text, 2 * NGI_QUERY_TERMS_MAX + 1, "text has more than 64 words or phrases");
    check_error(text, sizeof text, "text has more than 64 words or phrases");
    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy(text + i, "- ", 2);
    memcpy(text + sizeof text - 2, "c", 2);
    assert_ok(ngi_terms_parse(&terms, text, sizeof text - 1, find_word, &calls));
    assert_int_equal(terms.count, 1); /* 2047 signs and a word */
    assert_int_equal(terms.terms[0].sign, -1);
    memset(text, 'y', sizeof text);
    calls = 0;
    assert_ok(ngi_terms_parse(&terms, text, sizeof text, find_word, &calls));
    assert_int_equal(terms.count, 1);
    assert_int_equal(terms.terms[0].id, 0);
    assert_int_equal(calls, 0); /* longer than any label: not even asked */
}

/* Whatever the text: it is refused, or its terms lie within it. */
static void test_any_text(void **state)
{
    (void)state;
    static const char *const pieces[] = {"\"",    " ", "2*", "0.5*", "+", "-", "_",    "ice",
                                         "cream", "a", "*",  ".",    "é", "😀", "\xFF", "1001*"};
    uint64_t random = testing_seed();
    size_t parsed = 0, quoted = 0, weighted = 0, calls = 0;
    for (int round = 0; round < 30000; round++) {
        char text[160] = "";
        ngi_terms terms;
        for (uint64_t left = 1 + testing_random(&random) % 24; left > 0; left--)
            testing_append(text, sizeof text,
                           pieces[testing_random(&random) % (round % 4 == 0 ? 16 : 14)]);
        ng_status status = ngi_terms_parse(&terms, text, strlen(text), find_word, &calls);
        if (status != NG_OK) {
            assert_int_equal(status, NG_E_INVALID);
            continue;
        }
        parsed++;
        assert_true(terms.count >= 1 && terms.count <= NGI_QUERY_TERMS_MAX);
        for (size_t i = 0; i < terms.count; i++) {
            const ngi_term *term = &terms.terms[i];
            assert_true(term->begin + term->bytes <= terms.text_bytes && term->bytes > 0);
            assert_true(term->word_count >= 1 && term->word_count <= NGI_PHRASE_WORDS_MAX);
            assert_true(term->first_word + term->word_count <= terms.word_count);
            assert_true(term->sign == 1 || term->sign == -1);
            assert_true(term->weight > 0 && term->weight <= NGI_QUERY_WEIGHT_MAX);
            quoted += terms.words[term->first_word].quoted > 0;
            weighted += term->weight != 1;
        }
    }
    assert_true(parsed > 3000 && quoted > 300 && weighted > 1000);
}

static ng_status find_failure(void *context, const char *label, size_t bytes, ng_token_id *id)
{
    (void)context;
    (void)label;
    (void)bytes;
    (void)id;
    return NG_E_LATCHED;
}

static void test_failing_look_up(void **state)
{
    (void)state;
    ngi_terms terms;
    assert_int_equal(ngi_terms_parse(&terms, "a", 1, find_failure, NULL), NG_E_LATCHED);
    assert_int_equal(ngi_terms_parse(&terms, "a_b", 3, find_failure, NULL), NG_E_LATCHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_and_operators),
        cmocka_unit_test(test_operators_alone_are_words),
        cmocka_unit_test(test_phrases),
        cmocka_unit_test(test_underscores),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_quotation_marks),
        cmocka_unit_test(test_unknown_words),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_any_text),
        cmocka_unit_test(test_failing_look_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
