/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The binary form: what is read, and the exact message for everything that is not. */
#include "mind/mind_word2vec.h"

#include "mind/mind_formats_testing.h"
#include "mind/mind_testing.h"

#include <math.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)

static ngi_word2vec *open_file(testing *t, const made_file *file)
{
    ngi_word2vec *word2vec = NULL;
    testing_write(t, "w.bin", file->data, file->bytes);
    assert_ok(ngi_word2vec_open(&t->mem, &t->os, t->path, &word2vec));
    return word2vec;
}

static void check_word(ngi_word2vec *word2vec, const char *text, float first, float last,
                       uint64_t position)
{
    ngi_word word;
    bool end = true;
    assert_ok(ngi_word2vec_next(word2vec, &word, &end));
    assert_false(end);
    assert_int_equal(word.bytes, strlen(text));
    assert_memory_equal(word.text, text, word.bytes);
    assert_true(word.vector[0] == first);
    assert_true(word.vector[word2vec->dimensions - 1] == last);
    assert_string_equal(word.unit, "byte");
    assert_int_equal(word.position, position);
}

static void check_end(ngi_word2vec *word2vec)
{
    ngi_word word;
    bool end = false;
    assert_ok(ngi_word2vec_next(word2vec, &word, &end));
    assert_true(end);
}

/* Reads to the failure, checks it, and releases the file. */
static void check_error(testing *t, made_file *file, const char *message)
{
    ngi_word2vec *word2vec = open_file(t, file);
    ngi_word word;
    bool end = false;
    ng_status status = NG_OK;
    while (status == NG_OK && !end)
        status = ngi_word2vec_next(word2vec, &word, &end);
    assert_int_equal(status, NG_E_FORMAT);
    assert_message("w.bin");
    assert_message(message);
    ngi_word2vec_close(&t->mem, word2vec);
    made_release(file);
}

static void check_text_error(testing *t, const char *text, const char *message)
{
    made_file file = {0};
    made_text(&file, text);
    check_error(t, &file, message);
}

static void put_word(made_file *file, const char *word, float first, float last, const char *behind)
{
    made_text(file, word);
    made_text(file, " ");
    made_float(file, first);
    made_float(file, 0.5f);
    made_float(file, last);
    made_text(file, behind);
}

static made_file three_words(const char *behind)
{
    made_file file = {0};
    made_text(&file, "3 3\n");
    put_word(&file, "</s>", 1, 2, behind);
    put_word(&file, "New_York", -0.25f, 1e-9f, behind);
    put_word(&file, "слово", 0, 0, behind);
    return file;
}

static void test_words(void **state)
{
    testing *t = *state;
    const char *const behind[] = {"\n", ""}; /* word2vec, gensim */
    for (size_t i = 0; i < 2; i++) {
        made_file file = three_words(behind[i]);
        ngi_word2vec *word2vec = open_file(t, &file);
        size_t extra = strlen(behind[i]);
        check_word(word2vec, "</s>", 1, 2, 4);
        assert_int_equal(word2vec->dimensions, 3);
        check_word(word2vec, "New_York", -0.25f, 1e-9f, 4 + 17 + extra);
        check_word(word2vec, "слово", 0, 0, 4 + 17 + 21 + 2 * extra);
        check_end(word2vec);
        check_end(word2vec);
        ngi_word2vec_close(&t->mem, word2vec);
        made_release(&file);
    }
}

/* A number whose first byte is a line end is no line end. */
static void test_numbers_that_look_like_text(void **state)
{
    testing *t = *state;
    made_file file = {0};
    static const uint8_t numbers[] = {'\n', ' ', ' ', '?', '\n', '\n', '\n', '\n'};
    made_text(&file, "2 2\na ");
    made_put(&file, numbers, sizeof numbers);
    made_text(&file, "b ");
    made_put(&file, numbers, sizeof numbers);
    ngi_word2vec *word2vec = open_file(t, &file);
    check_word(word2vec, "a", ngi_get_f32(numbers), ngi_get_f32(numbers + 4), 4);
    check_word(word2vec, "b", ngi_get_f32(numbers), ngi_get_f32(numbers + 4), 14);
    check_end(word2vec);
    ngi_word2vec_close(&t->mem, word2vec);
    made_release(&file);
}

static void test_truncated_at_every_byte(void **state)
{
    testing *t = *state;
    made_file file = three_words("");
    size_t whole = file.bytes;
    for (size_t bytes = 0; bytes < whole; bytes++) {
        file.bytes = bytes;
        ngi_word2vec *word2vec = open_file(t, &file);
        ngi_word word;
        bool end = false;
        ng_status status = NG_OK;
        while (status == NG_OK && !end)
            status = ngi_word2vec_next(word2vec, &word, &end);
        assert_int_equal(status, NG_E_FORMAT);
        assert_message(bytes == 0   ? "w.bin: is empty"
                       : bytes <= 3 ? "w.bin line 1: "
                       : bytes == 4 ? "announces 3 words, ends after 0 (truncated file)"
                                    : "(truncated file)");
        ngi_word2vec_close(&t->mem, word2vec);
    }
    made_release(&file);
}

static void test_wrong_headers(void **state)
{
    testing *t = *state;
    check_text_error(t, "the 0.1 0.2\n", "line 1: 'the 0.1 0.2' is not the number of words");
    check_text_error(t, "3\n", "line 1: '3' is not the number of words and of dimensions");
    check_text_error(t, "3 3 3\n", "line 1: '3 3 3' is not");
    check_text_error(t, "-3 3\n", "line 1: '-3 3' is not");
    check_text_error(t, "1234567890123456789 3\n", "is not the number of words");
    check_text_error(t, "3 1234567890123456789\n", "is not the number of words");
    check_text_error(t, "3 3", "line 1: '3 3' is not");
    check_text_error(t, "\n3 3\n", "line 1: '' is not");
    check_text_error(t, "5 1\n", "line 1: 1 numbers are outside 2..4096");
    check_text_error(t, "5 4097\n", "line 1: 4097 numbers are outside 2..4096");
    check_text_error(t, "5 0\n", "line 1: 0 numbers are outside 2..4096");
    check_text_error(t, "0 3\n", "has no words");
    char spaces[200];
    memset(spaces, ' ', sizeof spaces);
    memcpy(spaces, "3 3", 3);
    memcpy(spaces + sizeof spaces - 2, "\n", 2);
    check_text_error(t, spaces, "is not the number of words");
    check_text_error(t, "999999999999999999 4096\na ", "ends in the middle of word 1 (truncated");
}

static void test_wrong_words(void **state)
{
    testing *t = *state;
    made_file file = three_words("\n");
    file.data[0] = '2';
    check_error(t, &file, "w.bin byte 44: more than the 2 words that line 1 announces");
    file = three_words("");
    made_text(&file, "x");
    check_error(t, &file, "more than the 3 words that line 1 announces");
    file = three_words("");
    file.data[0] = '4';
    check_error(t, &file, "announces 4 words, ends after 3 (truncated file)");

    file = (made_file){0};
    made_text(&file, "2 3\n");
    put_word(&file, "", 1, 2, "");
    check_error(t, &file, "w.bin byte 4: word 1 is empty");
    made_text(&file, "2 3\n");
    put_word(&file, "a\xFF", 1, 2, "");
    check_error(t, &file, "w.bin byte 4: the word is not valid UTF-8");
    made_text(&file, "2 3\n");
    for (int i = 0; i <= NGI_WORD_BYTES_MAX; i++)
        made_text(&file, "x");
    put_word(&file, "", 1, 2, "");
    check_error(t, &file, "byte 4: the word 'xxx");
    made_text(&file, "1 3\n");
    for (int i = 0; i < NGI_WORD_BYTES_MAX; i++)
        made_text(&file, "x");
    put_word(&file, "", 1, 2, "");
    ngi_word2vec *word2vec = open_file(t, &file);
    ngi_word word;
    bool end;
    assert_ok(ngi_word2vec_next(word2vec, &word, &end));
    assert_int_equal(word.bytes, NGI_WORD_BYTES_MAX);
    ngi_word2vec_close(&t->mem, word2vec);
    made_release(&file);
}

static void test_wrong_numbers(void **state)
{
    testing *t = *state;
    const float wrong[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        made_file file = {0};
        made_text(&file, "2 3\n");
        put_word(&file, "the", 1, 2, "\n");
        put_word(&file, "cat", 1, wrong[i], "\n");
        check_error(t, &file, "w.bin byte 33: number 3 of 'cat' is not finite");
    }
}

static void test_most_dimensions_over_chunks(void **state)
{
    testing *t = *state;
    made_file file = {0};
    char text[32];
    made_text(&file, "200 4096\n"); /* 3.3 MB */
    float numbers[NGI_DIMENSIONS_MAX];
    for (int i = 0; i < 200; i++) {
        uint8_t bytes[sizeof numbers];
        for (size_t k = 0; k < NGI_DIMENSIONS_MAX; k++)
            ngi_put_f32(bytes + 4 * k, (float)i + (float)k / 4096);
        snprintf(text, sizeof text, "word%d ", i);
        made_text(&file, text);
        made_put(&file, bytes, sizeof bytes);
    }
    ngi_word2vec *word2vec = open_file(t, &file);
    for (int i = 0; i < 200; i++) {
        ngi_word word;
        bool end;
        assert_ok(ngi_word2vec_next(word2vec, &word, &end));
        assert_true(word.vector[0] == (float)i);
        assert_true(word.vector[4095] == (float)i + 4095.0f / 4096);
    }
    check_end(word2vec);
    ngi_word2vec_close(&t->mem, word2vec);
    made_release(&file);
}

static void test_failures_leave_nothing(void **state)
{
    testing *t = *state;
    ngi_word2vec *word2vec = NULL;
    made_file file = three_words("");
    testing_write(t, "w.bin", file.data, file.bytes);
    made_release(&file);
    for (t->fail_memory = 1; t->fail_memory <= 2; t->fail_memory++) {
        t->memory_count = 0;
        assert_int_equal(ngi_word2vec_open(&t->mem, &t->os, t->path, &word2vec), NG_E_NOMEM);
    }
    t->fail_memory = 0;
    assert_int_equal(ngi_word2vec_open(&t->mem, &t->os, testing_path(t, "none"), &word2vec),
                     NG_E_NOT_FOUND);
    ngi_word2vec_close(&t->mem, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_words),
        TEST(test_numbers_that_look_like_text),
        TEST(test_truncated_at_every_byte),
        TEST(test_wrong_headers),
        TEST(test_wrong_words),
        TEST(test_wrong_numbers),
        TEST(test_most_dimensions_over_chunks),
        TEST(test_failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
