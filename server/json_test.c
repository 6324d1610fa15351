/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* JSON in and out: numbers that read back, strings that stay valid, texts that are refused where
 * they stop being JSON. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_in.h"
#include "json_out.h"
#include "json_text.h"

static void check_float(float value, const char *expected)
{
    ngs_out out = {0};
    ngs_out_float(&out, value);
    ngs_out_char(&out, '\0');
    assert_string_equal(out.bytes, expected);
    ngs_out_release(&out);
}

static void test_floats_are_short(void **state)
{
    (void)state;
    check_float(0, "0.0");
    check_float(-0.0f, "-0.0");
    check_float(1, "1.0");
    check_float(-1.5f, "-1.5");
    check_float(0.75f, "0.75");
    check_float(0.1f, "0.1");
    check_float(2.55f, "2.55");
    check_float(327.67f, "327.67");
    check_float(-0.0001f, "-0.0001");
    check_float(16777216, "16777216");
    check_float(9999999, "9999999.0");
    check_float(3.4028235e38f, "3.4028235e+38");
    check_float(1e-45f, "1.4013e-45");
    check_float(INFINITY, "null");
    check_float(NAN, "null");
}

/* Every exponent, random mantissas: the text reads back as the same float, as float and, for those
 * who parse into doubles, rounded from the double. */
static void test_floats_read_back(void **state)
{
    (void)state;
    uint32_t seed = 12345;
    for (int i = 0; i < 2000000; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t bits = seed ^ (seed << 13) ^ (uint32_t)i;
        float value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        char text[NGS_NUMBER_CHARS + 1];
        text[ngs_float_text(text, value)] = '\0';
        float direct = strtof(text, NULL);
        float rounded = (float)strtod(text, NULL);
        if (direct != value || rounded != value)
            fail_msg("%a is written %s", (double)value, text);
    }
    for (int i = -32767; i <= 32767; i++) {
        char text[NGS_NUMBER_CHARS + 1];
        char expected[NGS_NUMBER_CHARS];
        float value = (float)(i / 10000.0);
        text[ngs_float_text(text, value)] = '\0';
        snprintf(expected, sizeof expected, "%g", i / 10000.0);
        assert_true(strtof(text, NULL) == value);
        assert_true(strlen(text) <= strlen(expected) + 2);
    }
}

static void test_other_numbers(void **state)
{
    (void)state;
    ngs_out out = {0};
    ngs_out_u64(&out, 0);
    ngs_out_char(&out, ' ');
    ngs_out_u64(&out, UINT64_MAX);
    ngs_out_char(&out, ' ');
    ngs_out_i64(&out, INT64_MIN);
    ngs_out_char(&out, ' ');
    ngs_out_fixed3(&out, 0.0004);
    ngs_out_char(&out, ' ');
    ngs_out_fixed3(&out, 1234.5678);
    ngs_out_char(&out, ' ');
    ngs_out_fixed3(&out, -0.0001);
    ngs_out_char(&out, ' ');
    ngs_out_fixed3(&out, -12.5);
    ngs_out_char(&out, ' ');
    ngs_out_fixed3(&out, NAN);
    ngs_out_char(&out, '\0');
    assert_string_equal(out.bytes,
                        "0 18446744073709551615 -9223372036854775808 0.000 1234.568 0.000 "
                        "-12.500 null");
    ngs_out_release(&out);
}

static void check_string(const char *bytes, size_t count, const char *expected)
{
    ngs_out out = {0};
    ngs_out_string(&out, bytes, count);
    ngs_out_char(&out, '\0');
    assert_string_equal(out.bytes, expected);
    ngs_out_release(&out);
}

static void test_strings(void **state)
{
    (void)state;
    check_string("", 0, "\"\"");
    check_string("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    check_string("\b\t\n\v\f\r\x1f\x7f", 8, "\"\\b\\t\\n\\u000b\\f\\r\\u001f\\u007f\"");
    check_string("a\0b", 3, "\"a\\u0000b\"");
    check_string("\xc3\xa9\xe7\x8c\xab\xf0\x9f\x90\x88", 9,
                 "\"\xc3\xa9\xe7\x8c\xab\xf0\x9f\x90\x88\"");
    /* Overlong, surrogate, too large, cut short, stray: each bad byte becomes one U+FFFD. */
    check_string("\xc0\xaf", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_string("\xed\xa0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_string("\xf5x", 2, "\"\xEF\xBF\xBDx\"");
    check_string("x\xe7\x8c", 3, "\"x\xEF\xBF\xBD\xEF\xBF\xBD\"");
    assert_int_equal(ngs_utf8_count("a\xc3\xa9\xe7\x8c\xab", 6), 3);
}

static void test_growth(void **state)
{
    (void)state;
    ngs_out out = {0};
    for (int i = 0; i < 100000; i++)
        ngs_out_text(&out, "0123456789");
    assert_int_equal(out.size, 1000000);
    assert_false(out.failed);
    assert_false(ngs_out_reserve(&out, SIZE_MAX - 10));
    assert_true(out.failed);
    ngs_out_char(&out, 'x');
    assert_int_equal(out.size, 1000000);
    ngs_out_release(&out);
}

/* A parser and a text with its padding. */
typedef struct parsed {
    ngs_json_parser *parser;
    char text[512];
    ngs_json_value root;
    ngs_json_error error;
    bool ok;
} parsed;

static void parse(parsed *p, const char *bytes, size_t count)
{
    memset(p, 0, sizeof *p);
    p->parser = ngs_json_parser_create();
    assert_non_null(p->parser);
    assert_true(count + NGS_JSON_PADDING <= sizeof p->text);
    memcpy(p->text, bytes, count);
    p->ok = ngs_json_parse(p->parser, p->text, count, &p->root, &p->error);
}

static void release(parsed *p)
{
    ngs_json_parser_destroy(p->parser);
}

static void test_walk(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":1,\"b\":[true,null,\"x\\u0000y\",-2.5,{}],\"a\":-3}";
    parsed p;
    parse(&p, text, sizeof text - 1);
    ngs_json_walk walk, inner;
    ngs_json_value value, array;
    const char *key;
    size_t count;
    uint64_t u;
    int64_t i;
    double d;
    bool b = false;
    assert_true(p.ok);
    assert_int_equal(ngs_json_type_of(p.root), NGS_JSON_OBJECT);
    assert_true(ngs_json_begin(p.root, &walk));
    assert_true(ngs_json_next(&walk, &key, &count, &value));
    assert_memory_equal(key, "a", 1);
    assert_true(ngs_json_u64(value, &u) && u == 1);
    assert_true(ngs_json_i64(value, &i) && i == 1);
    assert_true(ngs_json_double(value, &d) && d == 1);
    assert_false(ngs_json_bool(value, &b));
    assert_false(ngs_json_string(value, &key, &count));
    assert_false(ngs_json_begin(value, &inner));
    assert_true(ngs_json_next(&walk, &key, &count, &array));
    assert_true(ngs_json_begin(array, &inner));
    assert_true(ngs_json_next(&inner, NULL, NULL, &value));
    assert_true(ngs_json_bool(value, &b) && b);
    assert_true(ngs_json_next(&inner, NULL, NULL, &value));
    assert_int_equal(ngs_json_type_of(value), NGS_JSON_NULL);
    assert_true(ngs_json_next(&inner, NULL, NULL, &value));
    assert_true(ngs_json_string(value, &key, &count));
    assert_int_equal(count, 3);
    assert_memory_equal(key, "x\0y", 3);
    assert_true(ngs_json_next(&inner, NULL, NULL, &value));
    assert_int_equal(ngs_json_type_of(value), NGS_JSON_NUMBER);
    assert_true(ngs_json_double(value, &d) && d == -2.5);
    assert_false(ngs_json_i64(value, &i));
    assert_true(ngs_json_next(&inner, NULL, NULL, &value));
    assert_true(ngs_json_begin(value, &inner));
    assert_false(ngs_json_next(&inner, &key, &count, &value));
    assert_true(ngs_json_next(&walk, &key, &count, &value)); /* the duplicate is seen */
    assert_memory_equal(key, "a", 1);
    assert_false(ngs_json_u64(value, &u));
    assert_true(ngs_json_i64(value, &i) && i == -3);
    assert_false(ngs_json_next(&walk, &key, &count, &value));
    release(&p);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
        const char *word; /* in the message */
    } cases[] = {
        {"", 0, "empty"},
        {"{\"a\":1", 6, "object does not end"},
        {"[1", 2, "array does not end"},
        {"[1,]", 3, "value"},
        {"[1}", 2, "']'"},
        {"{\"a\" 1}", 5, "':'"},
        {"{a:1}", 1, "key"},
        {"\"abc", 4, "does not end"},
        {"\"\\q\"", 1, "escape"},
        {"\"\\u12g4\"", 1, "hexadecimal"},
        {"\"\\ud800\\n\"", 1, "surrogate"},
        {"\"\\udc00\"", 1, "surrogate"},
        {"\"\n\"", 1, "control"},
        {"\"\xff\"", 1, "UTF-8"},
        {"[01]", 1, "0"},
        {"[-]", 2, "digit"},
        {"[1.]", 3, "point"},
        {"[1e+]", 4, "exponent"},
        {"[1e999]", 1, "large"},
        {"[18446744073709551616]", 1, "large"},
        {"[-9223372036854775809]", 1, "large"},
        {"[NaN]", 1, "NaN"},
        {"[] []", 3, "after"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        parsed p;
        parse(&p, cases[i].text, strlen(cases[i].text));
        if (p.ok || p.error.offset != cases[i].offset || !strstr(p.error.message, cases[i].word))
            fail_msg("%s: offset %zu, \"%s\"", cases[i].text, p.error.offset, p.error.message);
        release(&p);
    }
}

static void test_depth(void **state)
{
    (void)state;
    char text[4 * NGS_JSON_DEPTH_MAX];
    for (size_t depth = 1; depth <= NGS_JSON_DEPTH_MAX + 4; depth++) {
        ngs_json_error error = {0};
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        parsed p;
        parse(&p, text, 2 * depth);
        /* The parser and the scanner agree within a level; neither goes deeper. */
        if (depth <= NGS_JSON_DEPTH_MAX - 1)
            assert_true(p.ok);
        if (depth > NGS_JSON_DEPTH_MAX) {
            assert_false(p.ok);
            assert_int_equal(p.error.offset, NGS_JSON_DEPTH_MAX);
        }
        assert_int_equal(ngs_json_locate(text, 2 * depth, &error), depth > NGS_JSON_DEPTH_MAX);
        release(&p);
    }
}

/* Whatever bytes come, parser and scanner agree on whether they are JSON, and nothing is read
 * outside. Mutations of a valid text hit the interesting cases. */
static void test_mutations(void **state)
{
    (void)state;
    static const char seed_text[] =
        "{\"weight\":0.5,\"l1_physical\":{\"x\":-1e3,\"y\":[1,2]},\"label\":\"\\u00e9\xc3\xa9\"}";
    static const char bytes[] = "{}[]\":,\\ue-+.0123456789 \x01\xff\xc3ntf";
    ngs_json_parser *parser = ngs_json_parser_create();
    uint32_t random = 99;
    size_t valid = 0;
    assert_non_null(parser);
    for (int round = 0; round < 200000; round++) {
        char text[sizeof seed_text + NGS_JSON_PADDING] = {0};
        ngs_json_value root;
        ngs_json_error error;
        size_t count = sizeof seed_text - 1;
        memcpy(text, seed_text, count);
        for (int edit = 0; edit < 1 + round % 3; edit++) {
            random = random * 1664525u + 1013904223u;
            text[(random >> 8) % count] = bytes[(random >> 20) % (sizeof bytes - 1)];
        }
        if (round % 5 == 0)
            count = (random >> 4) % count;
        memset(text + count, 0, sizeof text - count);
        bool ok = ngs_json_parse(parser, text, count, &root, &error);
        bool wrong = ngs_json_locate(text, count, &error);
        if (ok == wrong)
            fail_msg("parser %d, scanner %d: %s", ok, !wrong, text);
        valid += ok;
    }
    assert_true(valid > 1000);
    ngs_json_parser_destroy(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats_are_short), cmocka_unit_test(test_floats_read_back),
        cmocka_unit_test(test_other_numbers),    cmocka_unit_test(test_strings),
        cmocka_unit_test(test_growth),           cmocka_unit_test(test_walk),
        cmocka_unit_test(test_refused),          cmocka_unit_test(test_depth),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
