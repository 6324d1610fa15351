/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which format a file is told to be, compressed or not, and that each reads as the same words. */
#include "mind/mind_words.h"

#include "mind/mind_formats_testing.h"
#include "mind/mind_testing.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)

static ng_format detect(testing *t, const void *data, size_t bytes)
{
    ng_format format = NG_FORMAT_AUTO, zipped = NG_FORMAT_AUTO;
    made_file file = {0};
    testing_write(t, "f", data, bytes);
    assert_ok(ngi_words_detect(&t->mem, &t->os, t->path, &format));
    made_gzip(&file, data, bytes);
    testing_write(t, "f", file.data, file.bytes);
    assert_ok(ngi_words_detect(&t->mem, &t->os, t->path, &zipped));
    made_release(&file);
    assert_int_equal(format, zipped);
    return format;
}

static ng_format detect_text(testing *t, const char *text)
{
    return detect(t, text, strlen(text));
}

static void test_text(void **state)
{
    testing *t = *state;
    static const char *const texts[] = {
        "the 1 2 3\n",
        "",
        "\n\n",
        "3 2\nthe 1 2\n",
        "3 2\n the 0.25  -1e3 \r\ncat 1 2\n", /* fastText leaves a blank at the end */
        "3 2\nthe 1 abc\n",                   /* wrong, but text */
        "3 2\nthe nan 1\n",
        "3 2\nthe 1 2 3\n",
        "3 2\nthe\t1\t2\n",
        "3 2\n",
        "3 2\nthe ",
        "3 2\nthe 0.12",
        "3 2\nслово 1 слово\n",
        "3 8\nслово 1 2\nслово 3 4\nслово слово слово\n",
        "3 1\nthe \x01\x02\x03\x04", /* the reader says what is wrong with the header */
        "3 5000\nthe \x01\x02\x03\x04",
        "x {\n",
        "\x93NUMP",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (detect_text(t, texts[i]) != NG_FORMAT_GLOVE)
            fail_msg("'%s' is taken for another format", texts[i]);
    }
}

static void test_json_and_npy(void **state)
{
    testing *t = *state;
    assert_int_equal(detect_text(t, "{}"), NG_FORMAT_WINK);
    assert_int_equal(detect_text(t, " \n\t {"), NG_FORMAT_WINK);
    assert_int_equal(detect_text(t, "\xEF\xBB\xBF{"), NG_FORMAT_WINK);
    assert_int_equal(detect_text(t, "\x93NUMPY"), NG_FORMAT_NPY);
}

/* Random vectors of every small dimension, and of large ones: taken for what they are. */
static void test_binary(void **state)
{
    testing *t = *state;
    uint64_t seed = testing_seed();
    for (unsigned round = 0; round < 300; round++) {
        made_file file = {0};
        unsigned dimensions = round < 200 ? 2 + round % 20 : 300;
        char head[32];
        snprintf(head, sizeof head, "2 %u\n</s> ", dimensions);
        made_text(&file, head);
        for (unsigned i = 0; i < 2 * dimensions; i++) {
            if (i == dimensions)
                made_text(&file, round % 2 == 0 ? "\nthe " : "the ");
            made_float(&file, testing_float(&seed) * (round % 3 == 0 ? 0.01f : 4.0f));
        }
        assert_int_equal(detect(t, file.data, file.bytes), NG_FORMAT_WORD2VEC_BINARY);
        made_release(&file);
    }
}

static void test_known_but_not_read(void **state)
{
    testing *t = *state;
    static const struct {
        const char *data;
        size_t bytes;
        const char *message;
    } files[] = {
        {"PK\x03\x04 rest", 9, "f: is a zip archive (.npz is one)"},
        {"\xBA\x16\x4F\x2F\x0C\0\0\0", 8, "f: is a model of fastText; its vectors as text (.vec)"},
        {"BZh91AY&SY1234", 14, "f: is compressed with bzip2"},
        {"\xFD\x37zXZ\0\0\0", 8, "f: is compressed with xz"},
        {"\x28\xB5\x2F\xFD....", 8, "f: is compressed with zstd"},
        {"\x89HDF\r\n\x1A\n..", 10, "f: is an HDF5 file"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ng_format format;
        testing_write(t, "f", files[i].data, files[i].bytes);
        assert_int_equal(ngi_words_detect(&t->mem, &t->os, t->path, &format), NG_E_FORMAT);
        assert_message(files[i].message);
    }
}

static void check_words(testing *t, ng_format format, const made_file *file)
{
    made_file zipped = {0};
    made_gzip(&zipped, file->data, file->bytes);
    for (int is_zipped = 0; is_zipped < 2; is_zipped++) {
        const made_file *written = is_zipped ? &zipped : file;
        ngi_words words;
        ngi_word word;
        bool end = true;
        testing_write(t, "f", written->data, written->bytes);
        assert_int_equal(detect(t, file->data, file->bytes), format);
        testing_write(t, "f", written->data, written->bytes);
        assert_ok(ngi_words_open(&words, &t->mem, &t->os, format, t->path, NULL));
        assert_int_equal(ngi_words_reader(&words)->size_bytes, written->bytes);
        for (int i = 0; i < 2; i++) {
            assert_ok(ngi_words_next(&words, &word, &end));
            assert_false(end);
            assert_int_equal(word.bytes, 3);
            assert_memory_equal(word.text, i == 0 ? "the" : "cat", 3);
            assert_true(word.vector[0] == 0.5f && word.vector[1] == (i == 0 ? -1.0f : 3.0f));
            assert_int_equal(ngi_words_dimensions(&words), 2);
            assert_non_null(word.path);
        }
        assert_ok(ngi_words_next(&words, &word, &end));
        assert_true(end);
        ngi_words_close(&words);
        ngi_words_close(&words); /* closed twice: zeroed by the first */
    }
    made_release(&zipped);
}

static void test_every_format_reads_the_same(void **state)
{
    testing *t = *state;
    const float numbers[] = {0.5f, -1, 0.5f, 3};
    made_file file = {0};
    made_text(&file, "the 0.5 -1\ncat 0.5 3\n");
    check_words(t, NG_FORMAT_GLOVE, &file);
    made_release(&file);
    made_text(&file, "2 2\nthe 0.5 -1 \ncat 0.5 3 \n");
    check_words(t, NG_FORMAT_GLOVE, &file);
    made_release(&file);
    made_text(&file, "{\"vectors\":{\"the\":[0.5,-1,1,0],\"cat\":[0.5,3,3,1]}}");
    check_words(t, NG_FORMAT_WINK, &file);
    made_release(&file);
    made_text(&file, "2 2\nthe ");
    made_float(&file, 0.5f);
    made_float(&file, -1);
    made_text(&file, "\ncat ");
    made_float(&file, 0.5f);
    made_float(&file, 3);
    made_text(&file, "\n");
    check_words(t, NG_FORMAT_WORD2VEC_BINARY, &file);
    made_release(&file);
    testing_write_text(t, "f.vocab", "the\ncat\n");
    made_npy_header(&file, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }");
    for (size_t i = 0; i < 4; i++)
        made_float(&file, numbers[i]);
    check_words(t, NG_FORMAT_NPY, &file);
    made_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_text),
        TEST(test_json_and_npy),
        TEST(test_binary),
        TEST(test_known_but_not_read),
        TEST(test_every_format_reads_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
