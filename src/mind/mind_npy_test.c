/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Arrays and their vocabularies: what is read, and the exact message for everything that is not. */
#include "mind/mind_npy.h"

#include "mind/mind_formats_testing.h"
#include "mind/mind_testing.h"

#include <math.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)

static const char plain[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";

static made_file six_numbers(unsigned major, const char *dictionary)
{
    made_file file = {0};
    made_npy_header(&file, major, dictionary);
    for (int i = 1; i <= 6; i++)
        made_float(&file, (float)i / 2);
    return file;
}

/* Writes it as X.npy in the test's directory, and returns its path. */
static char *write_array(testing *t, made_file *file)
{
    static char path[160];
    snprintf(path, sizeof path, "%s", testing_write(t, "X.npy", file->data, file->bytes));
    made_release(file);
    return path;
}

static ngi_npy *open_array(testing *t, made_file *file, const char *words)
{
    ngi_npy *npy = NULL;
    testing_write_text(t, "X.vocab", words);
    assert_ok(ngi_npy_open(&t->mem, &t->os, write_array(t, file), NULL, &npy));
    return npy;
}

static void check_word(ngi_npy *npy, const char *text, float first, float last, uint64_t line)
{
    ngi_word word;
    bool end = true;
    assert_ok(ngi_npy_next(npy, &word, &end));
    assert_false(end);
    assert_int_equal(word.bytes, strlen(text));
    assert_memory_equal(word.text, text, word.bytes);
    assert_true(word.vector[0] == first);
    assert_true(word.vector[npy->shape.dimensions - 1] == last);
    assert_string_equal(word.unit, "line");
    assert_int_equal(word.position, line);
    assert_non_null(strstr(word.path, "X.vocab"));
}

static void check_end(testing *t, ngi_npy *npy)
{
    ngi_word word;
    bool end = false;
    assert_ok(ngi_npy_next(npy, &word, &end));
    assert_true(end);
    assert_ok(ngi_npy_next(npy, &word, &end));
    assert_true(end);
    ngi_npy_close(&t->mem, npy);
}

/* Opens and reads to the failure, which is returned. */
static ng_status read_all(testing *t, const char *path, const char *vocabulary)
{
    ngi_npy *npy = NULL;
    bool end = false;
    ng_status status = ngi_npy_open(&t->mem, &t->os, path, vocabulary, &npy);
    while (status == NG_OK && !end) {
        ngi_word word;
        status = ngi_npy_next(npy, &word, &end);
    }
    ngi_npy_close(&t->mem, npy);
    return status;
}

static void check_error(testing *t, made_file *file, const char *message)
{
    assert_int_equal(read_all(t, write_array(t, file), NULL), NG_E_FORMAT);
    assert_message("X.npy");
    assert_message(message);
}

static void check_header_error(testing *t, const char *dictionary, const char *message)
{
    made_file file = six_numbers(1, dictionary);
    testing_write_text(t, "X.vocab", "a\nb\nc\n");
    check_error(t, &file, message);
}

static void test_versions_and_headers(void **state)
{
    testing *t = *state;
    const char *const headers[] = {
        plain,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}",
        "{\"shape\" : ( 3L , 2L , ),\n\t\"descr\":\"<f4\",'fortran_order':False}",
        "  {'fortran_order': False, 'shape': (3, 2), 'descr': '<f4'} ",
    };
    for (unsigned major = 1; major <= 3; major++) {
        for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
            made_file file = six_numbers(major, headers[i]);
            ngi_npy *npy = open_array(t, &file, "the\r\nice cream\nслово");
            assert_int_equal(npy->shape.rows, 3);
            assert_int_equal(npy->shape.dimensions, 2);
            check_word(npy, "the", 0.5f, 1, 1);
            check_word(npy, "ice cream", 1.5f, 2, 2);
            check_word(npy, "слово", 2.5f, 3, 3);
            check_end(t, npy);
        }
    }
}

static void test_types(void **state)
{
    testing *t = *state;
    made_file file = {0};
    made_npy_header(&file, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }");
    const double doubles[] = {0.1, -1e30, 1e-320, 3};
    for (size_t i = 0; i < 4; i++)
        made_double(&file, doubles[i]);
    ngi_npy *npy = open_array(t, &file, "a\nb\n");
    check_word(npy, "a", 0.1f, -1e30f, 1);
    check_word(npy, "b", 0, 3, 2);
    check_end(t, npy);

    made_npy_header(&file, 1, "{'descr': '<f2', 'fortran_order': False, 'shape': (4, 2), }");
    const uint16_t halves[] = {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x8400, 0x03FF, 0x0000, 0x8000};
    for (size_t i = 0; i < 8; i++)
        made_half(&file, halves[i]);
    npy = open_array(t, &file, "a\nb\nc\nd\n");
    check_word(npy, "a", 1, -2, 1);
    check_word(npy, "b", 65504, 0x1p-24f, 2);
    check_word(npy, "c", -0x1p-14f, 1023 * 0x1p-24f, 3);
    check_word(npy, "d", 0, 0, 4); /* a row of zeros is one, as in the text */
    check_end(t, npy);
}

static void test_wrong_headers(void **state)
{
    testing *t = *state;
    check_header_error(t, "{'descr': '>f4', 'fortran_order': False, 'shape': (3, 2), }",
                       "X.npy: dtype '>f4' is none of '<f2', '<f4' and '<f8'");
    check_header_error(t, "{'descr': '|O', 'fortran_order': False, 'shape': (3, 2), }",
                       "dtype '|O' is none of");
    check_header_error(t, "{'descr': '<i4', 'fortran_order': False, 'shape': (3, 2), }",
                       "dtype '<i4' is none of");
    check_header_error(t, "{'descr': [('a', '<f4'), ('b', '<f4')], 'fortran_order': False, ",
                       "dtype [('a', '<f4'), ('b', '<f4')] is none of");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }",
                       "X.npy: is in Fortran order");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': 0, 'shape': (3, 2), }",
                       "X.npy byte 44: '0, 'shape': (3, 2), }");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }",
                       "X.npy: the shape (6,) is not (words, dimensions)");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
                       "the shape () is not (words, dimensions)");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 2), }",
                       "the shape (1, 3, 2) is not (words, dimensions)");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 1), }",
                       "shape (6, 1): 1 numbers are outside 2..4096");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 4097), }",
                       "shape (1, 4097): 4097 numbers are outside 2..4096");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2), }",
                       "has no words");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 2), }",
                       "is not the length of an axis");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': False, 'shape': (3 2), }",
                       "is not ',' or ')'");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': False, 'shape': 3, }",
                       "is not a shape");
    check_header_error(
        t, "{'descr': '<f4', 'fortran_order': False, 'shape': (1234567890123456789, 2)}",
        "is not the length of an axis");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': False}", "its header lacks shape");
    check_header_error(t, "{'shape': (3, 2), 'fortran_order': False}", "its header lacks descr");
    check_header_error(t, "{'shape': (3, 2), 'descr': '<f4'}", "its header lacks fortran_order");
    check_header_error(t, "{'descr': '<f4', 'descr': '<f4'}", "each once");
    check_header_error(t, "{'descr': '<f4', 'other': 1}", "is not one of the keys descr");
    check_header_error(t, "{'descr' '<f4'}", "is not ':'");
    check_header_error(t, "{'descr': '<f4' 'shape'}", "is not ',' or '}'");
    check_header_error(t, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), } x",
                       "is not the end of the header");
    check_header_error(t, "garbage", "X.npy byte 10: 'garbage");
    check_header_error(t, "", "is not the dictionary of a header");
    check_header_error(t, "{", "is not one of the keys");
    char many[400] = "{'shape': (";
    for (int i = 0; i < 40; i++)
        testing_append(many, sizeof many, "1,");
    testing_append(many, sizeof many, ")}");
    check_header_error(t, many, "is not the length of an axis");
}

static void test_wrong_beginnings(void **state)
{
    testing *t = *state;
    testing_write_text(t, "X.vocab", "a\nb\nc\n");
    made_file file = six_numbers(1, plain);
    file.data[6] = 4;
    check_error(t, &file, "X.npy byte 6: version 4.0 is none of 1.0, 2.0 and 3.0");
    file = six_numbers(1, plain);
    file.data[7] = 1;
    check_error(t, &file, "version 1.1 is none of");
    file = six_numbers(1, plain);
    file.data[0] = 'x';
    check_error(t, &file, "X.npy byte 0: 'xNUMPY' does not begin a .npy file");
    file = six_numbers(2, plain);
    ngi_put_u32(file.data + 8, 4000000000u);
    check_error(t, &file, "X.npy byte 8: a header of 4000000000 bytes is longer than 10000");
    made_text(&file, "");
    check_error(t, &file, "X.npy: is empty");
}

/* Every file that is shorter or longer than it should be. */
static void test_truncated_at_every_byte(void **state)
{
    testing *t = *state;
    testing_write_text(t, "X.vocab", "a\nb\nc\n");
    made_file whole = six_numbers(1, plain);
    for (size_t bytes = 1; bytes < whole.bytes; bytes++) {
        made_file file = {0};
        made_put(&file, whole.data, bytes);
        check_error(t, &file,
                    bytes == whole.bytes - 24  ? "ends before row 1 of 3 (truncated file)"
                    : bytes == whole.bytes - 9 ? "ends in the middle of row 2 of 3 (truncated file)"
                                               : "(truncated file)");
    }
    made_float(&whole, 1);
    check_error(t, &whole, "X.npy byte 152: more than the 3 rows of the header");
}

static void test_wrong_numbers(void **state)
{
    testing *t = *state;
    testing_write_text(t, "X.vocab", "a\nb\nc\n");
    const float wrong[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        made_file file = six_numbers(1, plain);
        ngi_put_f32(file.data + file.bytes - 12, wrong[i]);
        check_error(t, &file, "X.npy byte 140: number 2 of row 2 is not finite");
    }
    made_file file = {0};
    made_npy_header(&file, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }");
    made_double(&file, 1);
    made_double(&file, 1e39); /* no float */
    testing_write_text(t, "X.vocab", "a\n");
    check_error(t, &file, "number 2 of row 1 is not finite");
    const uint16_t halves[] = {0x7C00, 0xFC00, 0x7C01};
    for (size_t i = 0; i < 3; i++) {
        made_npy_header(&file, 1, "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 2), }");
        made_half(&file, halves[i]);
        made_half(&file, 0);
        check_error(t, &file, "number 1 of row 1 is not finite");
    }
}

static void test_wrong_vocabularies(void **state)
{
    testing *t = *state;
    static const struct {
        const char *words, *message;
    } cases[] = {
        {"a\nb\n", "X.vocab: 2 lines, but "},
        {"a\nb\nc\n\n", "X.vocab: 4 lines, but "},
        {"", "X.vocab: 0 lines, but "},
        {"a\nb\nc\nd", "X.npy has 3 rows"},
        {"a\nb\xFF\nc\n", "X.vocab line 2: the word is not valid UTF-8"},
        {"the 0.5 -1e3\nb 1 2\nc 1 2\n", "X.vocab line 1: is a word with 2 numbers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        made_file file = six_numbers(1, plain);
        testing_write_text(t, "X.vocab", cases[i].words);
        assert_int_equal(read_all(t, write_array(t, &file), NULL), NG_E_FORMAT);
        assert_message(cases[i].message);
    }
    made_file file = six_numbers(1, plain); /* an empty line is a row without a word */
    ngi_npy *npy = open_array(t, &file, "a 7\n\nc d e");
    check_word(npy, "a 7", 0.5f, 1, 1);
    check_word(npy, "", 1.5f, 2, 2);
    check_word(npy, "c d e", 2.5f, 3, 3);
    check_end(t, npy);
}

/* Shortened while it is being read: between the count of its lines and the last of them. */
static void test_a_vocabulary_that_shrinks(void **state)
{
    testing *t = *state;
    made_file file = six_numbers(1, plain);
    ngi_npy *npy = open_array(t, &file, "a\nb\nc\n");
    npy->vocabulary.end = 2;
    npy->vocabulary.data[2] = 0;
    check_word(npy, "a", 0.5f, 1, 1);
    ngi_word word;
    bool end;
    assert_int_equal(ngi_npy_next(npy, &word, &end), NG_E_FORMAT);
    assert_message("X.vocab: ends before the word of row 2 (truncated file)");
    ngi_npy_close(&t->mem, npy);
}

static void test_where_the_vocabulary_is(void **state)
{
    testing *t = *state;
    char path[160], words[160];
    made_file file = six_numbers(1, plain);
    snprintf(path, sizeof path, "%s", write_array(t, &file));
    assert_int_equal(read_all(t, path, NULL), NG_E_NOT_FOUND);
    assert_message("X.npy: no vocabulary: neither ");
    assert_message("X.vocab nor the same with .txt, nor vocab.txt");
    testing_write_text(t, "vocab.txt", "1\n2\n3\n");
    assert_ok(read_all(t, path, NULL));
    testing_write_text(t, "X.txt", "1\n2\n"); /* wrong, so one sees that it is taken */
    assert_int_equal(read_all(t, path, NULL), NG_E_FORMAT);
    assert_message("X.txt: 2 lines");
    testing_write_text(t, "X.vocab", "1\n2\n3\n");
    assert_ok(read_all(t, path, NULL));
    snprintf(words, sizeof words, "%s", testing_path(t, "X.txt"));
    assert_int_equal(read_all(t, path, words), NG_E_FORMAT);
    assert_message("X.txt: 2 lines");
    assert_int_equal(read_all(t, path, testing_path(t, "none")), NG_E_NOT_FOUND);
    assert_message("none");
}

/* Other names than X.npy, and everything compressed. */
static void test_names_and_gzip(void **state)
{
    testing *t = *state;
    made_file file = six_numbers(1, plain), zipped = {0}, words = {0};
    made_gzip(&zipped, file.data, file.bytes);
    made_gzip(&words, "a\nb\nc\n", 6);
    static const char *const names[][2] = {{"Y.npy.gz", "Y.vocab"},
                                           {"Z", "Z.vocab"},
                                           {"V.gz", "V.txt"},
                                           {".npy", ".vocab"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[160];
        testing_write(t, names[i][1], words.data, words.bytes);
        snprintf(path, sizeof path, "%s",
                 i % 2 == 0 ? testing_write(t, names[i][0], zipped.data, zipped.bytes)
                            : testing_write(t, names[i][0], file.data, file.bytes));
        assert_ok(read_all(t, path, NULL));
    }
    made_release(&file);
    made_release(&zipped);
    made_release(&words);
}

static void test_failures_leave_nothing(void **state)
{
    testing *t = *state;
    char path[160];
    made_file file = six_numbers(1, plain);
    testing_write_text(t, "X.txt", "a\nb\nc\n");
    snprintf(path, sizeof path, "%s", write_array(t, &file));
    for (int kind = 0; kind < 2; kind++) {
        ng_status status = NG_E_NOMEM;
        for (size_t at = 1; status != NG_OK; at++) {
            t->memory_count = t->read_count = 0;
            t->fail_memory = kind == 0 ? at : 0;
            t->fail_read = kind == 1 ? at : 0;
            status = read_all(t, path, NULL);
            if (status == NG_OK)
                assert_true(at > 3);
            else
                assert_int_equal(status, kind == 0 ? NG_E_NOMEM : NG_E_IO);
            assert_int_equal(atomic_load(&t->mem.used_bytes), 0);
        }
        t->fail_memory = t->fail_read = 0;
    }
    assert_int_equal(read_all(t, testing_path(t, "none"), NULL), NG_E_NOT_FOUND);
    ngi_npy_close(&t->mem, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_versions_and_headers),    TEST(test_types),
        TEST(test_wrong_headers),           TEST(test_wrong_beginnings),
        TEST(test_truncated_at_every_byte), TEST(test_wrong_numbers),
        TEST(test_wrong_vocabularies),      TEST(test_a_vocabulary_that_shrinks),
        TEST(test_where_the_vocabulary_is), TEST(test_names_and_gzip),
        TEST(test_failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
