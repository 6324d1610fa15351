/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Folding: what becomes equal, what stays apart, and that folding twice changes nothing. */
#include "mind/mind_text.h"

#include "mind/mind_testing.h"

#include <utf8proc.h>

static void check_fold(const char *text, const char *expected)
{
    char out[256];
    size_t bytes = 99;
    assert_ok(ngi_text_fold(text, strlen(text), out, sizeof out - 1, &bytes));
    out[bytes] = 0;
    assert_string_equal(out, expected);
}

static void test_case_and_compatibility(void **state)
{
    (void)state;
    check_fold("Dog", "dog");
    check_fold("don't-STOP_99", "don't-stop_99");
    check_fold("СЛОВО", "слово");
    check_fold("Straße", "strasse");
    check_fold("STRASSE", "strasse");
    check_fold("ΣΊΣΥΦΟΣ", "σίσυφοσ");
    check_fold("\xEF\xBC\xA1\xEF\xBC\xA2", "ab");          /* full width */
    check_fold("\xEF\xAC\x81x", "fix");                    /* the ligature fi */
    check_fold("e\xCC\x81t\xC3\xA9", "\xC3\xA9t\xC3\xA9"); /* decomposed and composed */
    check_fold("\xE2\x84\xAB", "\xC3\xA5");                /* angstrom sign */
}

static void test_joiners_stay(void **state)
{
    (void)state;
    check_fold("\xD9\x85\xE2\x80\x8C\xD9\x85", "\xD9\x85\xE2\x80\x8C\xD9\x85");
}

static void test_blanks_and_controls_become_single_spaces(void **state)
{
    (void)state;
    check_fold("", "");
    check_fold("  \t\r\n ", "");
    check_fold("  ice \t cream\n", "ice cream");
    check_fold("a\xC2\xA0\xE2\x80\x83"
               "b",
               "a b"); /* no-break space, em space */
    check_fold("a\xC2\x85"
               "b",
               "a b"); /* next line, a control code */
    check_fold("\xC2\x85", "");
    check_fold("a\x01\x7F"
               "b",
               "a b");
    check_fold("\xE3\x80\x80x\xE2\x80\xA8", "x"); /* ideographic space, line separator */
}

static void test_folding_twice_changes_nothing(void **state)
{
    (void)state;
    for (utf8proc_int32_t code = 1; code < 0x110000; code++) {
        if (code >= 0xD800 && code < 0xE000)
            continue;
        utf8proc_uint8_t text[4];
        char once[256], twice[256];
        size_t bytes, once_bytes, twice_bytes;
        bytes = (size_t)utf8proc_encode_char(code, text);
        assert_ok(ngi_text_fold((const char *)text, bytes, once, sizeof once, &once_bytes));
        assert_ok(ngi_text_fold(once, once_bytes, twice, sizeof twice, &twice_bytes));
        if (once_bytes != twice_bytes || memcmp(once, twice, once_bytes) != 0)
            fail_msg("U+%04X folds differently the second time", (unsigned)code);
    }
}

static void test_limits(void **state)
{
    (void)state;
    static char text[NGI_FOLD_BYTES_MAX + 1], out[NGI_FOLD_BYTES_MAX];
    size_t bytes = 99;
    memset(text, 'A', sizeof text);
    assert_int_equal(ngi_text_fold(text, sizeof text, out, sizeof out, &bytes), NG_E_LIMIT);
    assert_ok(ngi_text_fold(text, sizeof text - 1, out, sizeof out, &bytes));
    assert_int_equal(bytes, NGI_FOLD_BYTES_MAX);
    assert_int_equal(ngi_text_fold("abcd", 4, out, 3, &bytes), NG_E_LIMIT);
    assert_int_equal(bytes, 0);
    assert_ok(ngi_text_fold("abc ", 4, out, 3, &bytes));
    assert_int_equal(bytes, 3);
    /* U+FDFA grows from 3 bytes to 18 code points: the code point buffer is the limit. */
    for (size_t i = 0; i + 3 <= NGI_FOLD_BYTES_MAX; i += 3)
        memcpy(text + i, "\xEF\xB7\xBA", 3);
    assert_int_equal(ngi_text_fold(text, NGI_FOLD_BYTES_MAX - 1, out, sizeof out, &bytes),
                     NG_E_LIMIT);
}

static void test_invalid_utf8(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\x80", "a\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char out[64];
        size_t bytes;
        assert_false(ngi_text_is_utf8(texts[i], strlen(texts[i])));
        assert_int_equal(ngi_text_fold(texts[i], strlen(texts[i]), out, sizeof out, &bytes),
                         NG_E_INVALID);
    }
    assert_true(ngi_text_is_utf8("", 0));
    assert_true(ngi_text_is_utf8("a\xF0\x9F\x90\xB1", 5));
    assert_false(ngi_text_is_utf8("a\xF0\x9F\x90\xB1", 4));
}

static void test_excerpt(void **state)
{
    (void)state;
    assert_string_equal(ngi_text_excerpt("word", 4).text, "word");
    assert_string_equal(ngi_text_excerpt("", 0).text, "");
    assert_string_equal(ngi_text_excerpt("a\x01\xFF"
                                         "b\xC2\x85",
                                         6)
                            .text,
                        "a??b?");
    char text[300];
    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    ngi_excerpt excerpt = ngi_text_excerpt(text, sizeof text);
    assert_true(strlen(excerpt.text) < NGI_EXCERPT_BYTES);
    assert_true(ngi_text_is_utf8(excerpt.text, strlen(excerpt.text)));
    assert_string_equal(excerpt.text + strlen(excerpt.text) - 3, "...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_case_and_compatibility),
        cmocka_unit_test(test_joiners_stay),
        cmocka_unit_test(test_blanks_and_controls_become_single_spaces),
        cmocka_unit_test(test_folding_twice_changes_nothing),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_excerpt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
