/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The package's JSON, and the JSON reader below it: every shape, every cut, every wrong byte. */
#include "mind/mind_wink.h"

#include "mind/mind_testing.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)

#define WORDS_BYTES 1024

#define GOOD                                                                                       \
    "{\"precision\":8,\"l2NormIndex\":2,\"wordIndex\":3,\"size\":2,\"dimensions\":2,"              \
    "\"words\":[\"the\",\"d\\u00e9j\\u00e0\"],\"vectors\":{\"the\":[0.5,-1e-2,1.5,0],"             \
    "\"d\\u00e9j\\u00e0\":[1,2,3,1]},\"unkVector\":[0,0,0,-1]}"

/* Reads everything; the words joined by '|' in `words`, the sum of all numbers in `*sum`. */
static ng_status read_all(testing *t, const void *data, size_t bytes, char *words, double *sum)
{
    ngi_wink *wink = NULL;
    testing_write(t, "w.json", data, bytes);
    ng_status status = ngi_wink_open(&t->mem, &t->os, t->path, &wink);
    bool end = false;
    *words = 0;
    *sum = 0;
    while (status == NG_OK && !end) {
        ngi_word word;
        status = ngi_wink_next(wink, &word, &end);
        if (status != NG_OK || end)
            break;
        assert_string_equal(word.unit, "byte");
        strncat(words, word.text, word.bytes < 100 ? word.bytes : 100);
        testing_append(words, WORDS_BYTES, "|");
        for (uint32_t i = 0; i < wink->dimensions; i++)
            *sum += word.vector[i];
    }
    if (wink != NULL)
        ngi_wink_close(&t->mem, wink);
    return status;
}

static void check_good(testing *t, const char *text, const char *expected, double expected_sum)
{
    char words[WORDS_BYTES];
    double sum;
    assert_ok(read_all(t, text, strlen(text), words, &sum));
    assert_string_equal(words, expected);
    assert_true(sum > expected_sum - 1e-6 && sum < expected_sum + 1e-6);
}

static void check_error(testing *t, const char *text, const char *message)
{
    char words[WORDS_BYTES];
    double sum;
    assert_int_equal(read_all(t, text, strlen(text), words, &sum), NG_E_FORMAT);
    assert_message("w.json");
    assert_message(message);
}

static void test_good(void **state)
{
    testing *t = *state;
    check_good(t, GOOD, "the|déjà|", 0.5 - 0.01 + 1 + 2);
    check_good(t, " \n{ \"vectors\" : { \"a\\n\\\"\\\\\\/\\t\" : [ 1 , 2 ,3,0 ] } }\n ",
               "a\n\"\\/\t|", 3);
    /* dimensions after the vectors, unknown keys of every shape, an astral character */
    check_good(t,
               "{\"x\":[[],{},[1,{\"y\":null}]],\"t\":true,\"f\":false,\"n\":null,\"e\":-1.5E+3,"
               "\"vectors\":{\"\\ud83d\\ude00\":[1,2,0,0]},\"dimensions\":2,\"size\":1}",
               "\xF0\x9F\x98\x80|", 3);
}

static void test_every_truncation_is_found(void **state)
{
    testing *t = *state;
    char words[WORDS_BYTES];
    double sum;
    for (size_t bytes = 0; bytes < strlen(GOOD); bytes++) {
        assert_int_equal(read_all(t, GOOD, bytes, words, &sum), NG_E_FORMAT);
        assert_message("ends in the middle (truncated file, at byte ");
        char place[32];
        snprintf(place, sizeof place, "byte %zu)", bytes);
        assert_message(place);
    }
}

/* Whatever a damaged file does, it must not crash, and every failure has a message. */
static void test_every_wrong_byte(void **state)
{
    testing *t = *state;
    static const char wrong[] = {0,   ' ', '"', '\\', '{', '}', '[',        ']',       ',',
                                 ':', '-', 'e', 'n',  '9', '.', (char)0x80, (char)0xFF};
    char text[sizeof GOOD], words[WORDS_BYTES];
    double sum;
    for (size_t at = 0; at < strlen(GOOD); at++) {
        for (size_t i = 0; i < sizeof wrong; i++) {
            memcpy(text, GOOD, sizeof GOOD);
            text[at] = wrong[i];
            ng_status status = read_all(t, text, strlen(GOOD), words, &sum);
            if (status == NG_OK)
                continue;
            assert_int_equal(status, NG_E_FORMAT);
            assert_message("w.json");
        }
    }
}

static void test_wrong_shapes(void **state)
{
    testing *t = *state;
    check_error(t, "[]", "the JSON document is not an object");
    check_error(t, "{}", "has no \"vectors\"");
    check_error(t, "{} x", "byte 3: something stands after the end of the document");
    check_error(t, "{\"vectors\":{}}", "has no words");
    check_error(t, "{\"vectors\":[]}", "byte 11: 'vectors' is not an object");
    check_error(t, "{\"vectors\":{\"a\":1}}", "byte 16: the vector of 'a' is not an array");
    check_error(t, "{\"vectors\":{\"a\":[1,2,3]}}",
                "the vector of 'a' has 3 numbers, outside 4..4098");
    check_error(t, "{\"vectors\":{\"a\":[]}}", "the vector of 'a' has 0 numbers, outside 4..4098");
    check_error(t, "{\"vectors\":{\"a\":[1,2,3,4],\"b\":[1,2,3]}}",
                "the vector of 'b': expected 4 numbers with norm and index, got 3");
    check_error(t, "{\"dimensions\":3,\"vectors\":{\"a\":[1,2,3,4]}}",
                "the vector of 'a': expected 5 numbers with norm and index, got 4");
    check_error(t, "{\"vectors\":{\"a\":[1,2,3,4]},\"dimensions\":3}",
                "dimensions is 3, but the vectors have 2");
    check_error(t, "{\"dimensions\":1}", "'dimensions' is not an integer from 2 to 4096");
    check_error(t, "{\"dimensions\":2.5}", "'dimensions' is not an integer from 2 to 4096");
    check_error(t, "{\"dimensions\":\"2\"}", "'dimensions' is not an integer from 2 to 4096");
    check_error(t, "{\"size\":-1}", "'size' is not an integer from 0 to 4294967295");
    check_error(t, "{\"size\":3,\"vectors\":{\"a\":[1,2,3,4]}}",
                "size is 3, but there are 1 vectors");
    check_error(t, "{\"vectors\":{\"a\":[1,2,3,4]},\"vectors\":{\"b\":[1,2,3,4]}}",
                "'vectors' comes twice");
}

static void test_wrong_numbers(void **state)
{
    testing *t = *state;
    check_error(t, "{\"vectors\":{\"a\":[1,NaN,3,4]}}", "the vector of 'a': ");
    check_error(t, "{\"vectors\":{\"a\":[1,NaN,3,4]}}", "byte 19: 'NaN' is not a number");
    check_error(t, "{\"vectors\":{\"a\":[1,\"x\",3,4]}}", "byte 19: '\"x' is not a number");
    check_error(t, "{\"vectors\":{\"a\":[1,null,3,4]}}", "'null' is not a number");
    check_error(t, "{\"vectors\":{\"a\":[1,+1,3,4]}}", "'+1' is not a number");
    check_error(t, "{\"vectors\":{\"a\":[1,.5,3,4]}}", "'.5' is not a number");
    check_error(t, "{\"vectors\":{\"a\":[1,5.,3,4]}}", "'5.' is not a number");
    check_error(t, "{\"vectors\":{\"a\":[1,05,3,4]}}", "'05' is not a number");
    check_error(t, "{\"vectors\":{\"a\":[1,1e,3,4]}}", "'e' is not a comma");
    check_error(t, "{\"vectors\":{\"a\":[1,2,3,4,]}}", "is not a number");
    check_error(t, "{\"vectors\":{\"a\":[1 2,3,4]}}", "'2' is not a comma or a closing bracket");
    check_error(t, "{\"vectors\":{\"a\":[1e999,2,3,4]}}", "'1e999' is not a finite number");
    check_error(t, "{\"vectors\":{\"a\":[1e39,2,3,4]}}", "too large for a float");
}

static void test_wrong_strings(void **state)
{
    testing *t = *state;
    check_error(t, "{\"a\\x\":1}", "an escape that JSON does not have");
    check_error(t, "{\"a\\u12g4\":1}", "\\u needs four hexadecimal digits");
    check_error(t, "{\"\\ud800\":1}", "half of a surrogate pair");
    check_error(t, "{\"\\ud800\\u0041\":1}", "half of a surrogate pair");
    check_error(t, "{\"\\udc00\":1}", "half of a surrogate pair");
    check_error(t, "{\"a\nb\":1}", "a control code inside a string");
    check_error(t, "{\"vectors\":{\"\xFF\":[1,2,3,4]}}", "the word is not valid UTF-8");
    check_error(t, "{a:1}", "'a' is not a key");
    check_error(t, "{\"a\" 1}", "'1' is not a colon");
    check_error(t, "{\"a\":1,}", "'}' is not a key");
    check_error(t, "{\"a\":[1,]}", "']' is not a JSON value");
    check_error(t, "{\"a\":1]", "']' is not a comma or a closing bracket");
    check_error(t, "{\"a\":tru }", "'tru' is not a JSON value");
    check_error(t, "{\"a\":truex}", "'x' is not a comma");
}

static void test_depth_is_bounded(void **state)
{
    testing *t = *state;
    char text[300] = "{\"x\":";
    for (int i = 0; i < 63; i++)
        testing_append(text, sizeof text, "[");
    for (int i = 0; i < 63; i++)
        testing_append(text, sizeof text, "]");
    testing_append(text, sizeof text, ",\"vectors\":{\"a\":[1,2,0,0]}}");
    check_good(t, text, "a|", 3);
    char deep[200] = "{\"x\":";
    for (int i = 0; i < 64; i++)
        testing_append(deep, sizeof deep, "[");
    check_error(t, deep, "nested deeper than 64 levels");
}

/* Tokens on every border of the chunk, by shifting a document through it. */
static void test_borders_of_chunks(void **state)
{
    testing *t = *state;
    size_t bytes = NGI_READER_CHUNK + 4096;
    char *text = malloc(bytes + sizeof GOOD), words[WORDS_BYTES];
    double sum;
    for (size_t shift = 0; shift < strlen(GOOD) + 8; shift++) {
        size_t blanks = NGI_READER_CHUNK - shift;
        memset(text, ' ', blanks);
        memcpy(text + blanks, GOOD, sizeof GOOD);
        assert_ok(read_all(t, text, blanks + strlen(GOOD), words, &sum));
        assert_string_equal(words, "the|déjà|");
    }
    free(text);
}

static void test_long_strings(void **state)
{
    testing *t = *state;
    size_t length = 3 * NGI_READER_CHUNK;
    char *text = malloc(length + 100), words[WORDS_BYTES];
    double sum;
    size_t used = (size_t)sprintf(text, "{\"note\":\"");
    memset(text + used, 'x', length);
    used += length;
    used += (size_t)sprintf(text + used, "\",\"vectors\":{\"a\":[1,2,0,0]}}");
    assert_ok(read_all(t, text, used, words, &sum)); /* an unknown key may be as long as it likes */
    assert_string_equal(words, "a|");

    used = (size_t)sprintf(text, "{\"vectors\":{\"");
    memset(text + used, 'x', length);
    sprintf(text + used + length, "\":[1,2,0,0]}}");
    check_error(t, text, "is longer than 1024 bytes");
    used = (size_t)sprintf(text, "{\"x\":");
    memset(text + used, '1', 1200);
    sprintf(text + used + 1200, "}");
    check_error(t, text, "a number longer than 1023 bytes");
    free(text);
}

static void test_failures_leave_nothing(void **state)
{
    testing *t = *state;
    ngi_wink *wink = NULL;
    testing_write_text(t, "w.json", GOOD);
    for (t->fail_memory = 1; t->fail_memory <= 2; t->fail_memory++) {
        t->memory_count = 0;
        assert_int_equal(ngi_wink_open(&t->mem, &t->os, t->path, &wink), NG_E_NOMEM);
    }
    ngi_wink_close(&t->mem, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_good),
        TEST(test_every_truncation_is_found),
        TEST(test_every_wrong_byte),
        TEST(test_wrong_shapes),
        TEST(test_wrong_numbers),
        TEST(test_wrong_strings),
        TEST(test_depth_is_bounded),
        TEST(test_borders_of_chunks),
        TEST(test_long_strings),
        TEST(test_failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
