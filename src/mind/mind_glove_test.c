/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The text format: what is read, and the exact message for everything that is not. */
#include "mind/mind_glove.h"

#include "mind/mind_testing.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)

static ngi_glove *open_text(testing *t, const char *text)
{
    ngi_glove *glove = NULL;
    testing_write_text(t, "g.txt", text);
    assert_ok(ngi_glove_open(&t->mem, &t->os, t->path, &glove));
    return glove;
}

static void check_word(ngi_glove *glove, const char *text, float first, float last, uint64_t line)
{
    ngi_word word;
    bool end = true;
    assert_ok(ngi_glove_next(glove, &word, &end));
    assert_false(end);
    assert_int_equal(word.bytes, strlen(text));
    assert_memory_equal(word.text, text, word.bytes);
    assert_true(word.vector[0] == first);
    assert_true(word.vector[glove->dimensions - 1] == last);
    assert_string_equal(word.unit, "line");
    assert_int_equal(word.position, line);
}

static void check_end(ngi_glove *glove)
{
    ngi_word word;
    bool end = false;
    assert_ok(ngi_glove_next(glove, &word, &end));
    assert_true(end);
}

/* Reads to the failure and checks it. */
static void check_error(testing *t, const char *text, const char *message)
{
    ngi_glove *glove = open_text(t, text);
    ngi_word word;
    bool end = false;
    ng_status status = NG_OK;
    while (status == NG_OK && !end)
        status = ngi_glove_next(glove, &word, &end);
    assert_int_equal(status, NG_E_FORMAT);
    assert_message("g.txt");
    assert_message(message);
    ngi_glove_close(&t->mem, glove);
}

static void test_words(void **state)
{
    testing *t = *state;
    ngi_glove *glove =
        open_text(t, "the 0.5 -1e-1 2\n\n  \t\ncat\t1 2  3 \r\n- 1 2 3\nслово 4 5 6");
    check_word(glove, "the", 0.5f, 2, 1);
    assert_int_equal(glove->dimensions, 3);
    check_word(glove, "cat", 1, 3, 4);
    check_word(glove, "-", 1, 3, 5);
    check_word(glove, "слово", 4, 6, 6);
    check_end(glove);
    check_end(glove);
    ngi_glove_close(&t->mem, glove);
}

static void test_header(void **state)
{
    testing *t = *state;
    ngi_glove *glove = open_text(t, "2 3\nthe 1 2 3\n400 4 5 6\n");
    check_word(glove, "the", 1, 3, 2);
    check_word(glove, "400", 4, 6, 3);
    check_end(glove);
    ngi_glove_close(&t->mem, glove);

    glove = open_text(t, "400 4 5\n2 3 4\n"); /* three integers are a word with its vector */
    check_word(glove, "400", 4, 5, 1);
    check_word(glove, "2", 3, 4, 2);
    check_end(glove);
    ngi_glove_close(&t->mem, glove);

    check_error(t, "3 2\na 1 2\nb 1 2\n", "announces 3 words, ends after 2 (truncated file)");
    check_error(t, "1 2\na 1 2\nb 1 2\n", "line 3: more than the 1 words that line 1 announces");
    check_error(t, "5 1\n", "line 1: 1 numbers are outside 2..4096");
    check_error(t, "5 4097\n", "line 1: 4097 numbers are outside 2..4096");
    check_error(t, "2 3\na 1 2\n", "line 2: expected 3 numbers, got 2");
    check_error(t, "0 2\n", "has no words");
}

static void test_wrong_counts(void **state)
{
    testing *t = *state;
    check_error(t, "a 1 2 3\nb 1 2\n", "line 2: expected 3 numbers, got 2");
    check_error(t, "a 1 2 3\nb 1 2 3 4\n", "line 2: expected 3 numbers, got 4");
    check_error(t, "a 1 2 3\nb\nc 1 2 3\n", "line 2: expected 3 numbers, got 0");
    check_error(t, "a 1\n", "line 1: 1 numbers are outside 2..4096");
    check_error(t, "", "has no words");
    check_error(t, "\n \n", "has no words");
}

static void test_wrong_numbers(void **state)
{
    testing *t = *state;
    check_error(t, "a 1 2 nan\n", "line 1: number 3 is not finite: 'nan'");
    check_error(t, "a 1 -inf 3\n", "line 1: number 2 is not finite: '-inf'");
    check_error(t, "a 1 1e39 3\n", "line 1: number 2 is not finite: '1e39'");
    check_error(t, "a 1 2\nb 1 abc\nc", "line 2: 'abc' is not a number");
    check_error(t, "a 1 0x10\n", "line 1: '0x10' is not a number");
    check_error(t, "a 1 nanx\n", "line 1: 'nanx' is not a number");
    check_error(t, "a 1 2,5 3\n", "line 1: '2,5' is not a number");
    check_error(t, "a 1 \xFFz\n", "line 1: '?z' is not a number");
    check_error(t, "a\xFF 1 2\n", "line 1: the word is not valid UTF-8");
}

static void test_truncated(void **state)
{
    testing *t = *state;
    check_error(t, "a 1 2 3\nb 1 2", "ends in the middle of line 2 (truncated file)");
    check_error(t, "a 1 2 3\nb", "ends in the middle of line 2 (truncated file)");
    check_error(t, "a 1 2 3\nb 1 2 -", "ends in the middle of line 2 (truncated file)");
    check_error(t, "a 1 2 3\nb 1 2 1e", "ends in the middle of line 2 (truncated file)");
    check_error(t, "a 1 2 3\nb 1 x 3", "line 2: 'x' is not a number");
    check_error(t, "a 1 2 3\n\xD1", "ends in the middle of line 2 (truncated file)");
    check_error(t, "a 1 2 3\nb 1 2 3 4", "line 2: expected 3 numbers, got 4");
}

static void test_nul_bytes_are_no_numbers(void **state)
{
    testing *t = *state;
    static const char text[] = "a 1 2\nb 1\0 2\n";
    testing_write(t, "g.txt", text, sizeof text - 1);
    ngi_glove *glove = NULL;
    ngi_word word;
    bool end;
    assert_ok(ngi_glove_open(&t->mem, &t->os, t->path, &glove));
    assert_ok(ngi_glove_next(glove, &word, &end));
    assert_int_equal(ngi_glove_next(glove, &word, &end), NG_E_FORMAT);
    assert_message("line 2: '1?' is not a number");
    ngi_glove_close(&t->mem, glove);
}

static void test_most_dimensions(void **state)
{
    testing *t = *state;
    for (int extra = 0; extra < 2; extra++) {
        size_t used = 1, count = NGI_DIMENSIONS_MAX + (size_t)extra;
        char *text = malloc(2 * count + 3);
        text[0] = 'w';
        for (size_t i = 0; i < count; i++, used += 2)
            memcpy(text + used, " 7", 2);
        memcpy(text + used, "\n", 2);
        if (extra == 0) {
            ngi_glove *glove = open_text(t, text);
            check_word(glove, "w", 7, 7, 1);
            assert_int_equal(glove->dimensions, NGI_DIMENSIONS_MAX);
            check_end(glove);
            ngi_glove_close(&t->mem, glove);
        } else {
            check_error(t, text, "line 1: 4097 numbers are outside 2..4096");
        }
        free(text);
    }
}

static void test_failures_leave_nothing(void **state)
{
    testing *t = *state;
    ngi_glove *glove = NULL;
    testing_write_text(t, "g.txt", "a 1 2\n");
    for (t->fail_memory = 1; t->fail_memory <= 2; t->fail_memory++) {
        t->memory_count = 0;
        assert_int_equal(ngi_glove_open(&t->mem, &t->os, t->path, &glove), NG_E_NOMEM);
    }
    t->fail_memory = 0;
    assert_int_equal(ngi_glove_open(&t->mem, &t->os, testing_path(t, "none"), &glove),
                     NG_E_NOT_FOUND);
    ngi_glove_close(&t->mem, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_words),           TEST(test_header),
        TEST(test_wrong_counts),    TEST(test_wrong_numbers),
        TEST(test_truncated),       TEST(test_nul_bytes_are_no_numbers),
        TEST(test_most_dimensions), TEST(test_failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
