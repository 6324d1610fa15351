/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Lines and windows over chunk borders, ends of files in every shape, reads that fail. */
#include "os/os_reader.h"

#include "mind/mind_testing.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)

static void check_line(ngi_reader *reader, const char *expected, bool is_terminated)
{
    ngi_line line;
    bool end = true;
    assert_ok(ngi_reader_line(reader, &line, &end));
    assert_false(end);
    assert_int_equal(line.bytes, strlen(expected));
    assert_string_equal(line.text, expected);
    assert_int_equal(line.is_terminated, is_terminated);
}

static void check_end(ngi_reader *reader)
{
    ngi_line line;
    bool end = false;
    assert_ok(ngi_reader_line(reader, &line, &end));
    assert_true(end);
}

static void test_lines(void **state)
{
    testing *t = *state;
    ngi_reader reader;
    testing_write_text(t, "f", "one\n\r\n two \r\nthree");
    assert_ok(ngi_reader_open(&reader, &t->os, &t->mem, t->path));
    assert_int_equal(reader.size_bytes, 18);
    check_line(&reader, "one", true);
    assert_int_equal(ngi_reader_offset(&reader), 4);
    check_line(&reader, "", true);
    check_line(&reader, " two ", true);
    check_line(&reader, "three", false);
    assert_int_equal(reader.line, 4);
    check_end(&reader);
    check_end(&reader);
    assert_int_equal(ngi_reader_offset(&reader), 18);
    ngi_reader_close(&reader);
}

static void test_empty_and_byte_order_mark(void **state)
{
    testing *t = *state;
    ngi_reader reader;
    testing_write_text(t, "f", "");
    assert_ok(ngi_reader_open(&reader, &t->os, &t->mem, t->path));
    check_end(&reader);
    ngi_reader_close(&reader);
    testing_write_text(t, "f", "\xEF\xBB\xBFword\n");
    assert_ok(ngi_reader_open(&reader, &t->os, &t->mem, t->path));
    check_line(&reader, "word", true);
    check_end(&reader);
    ngi_reader_close(&reader);
    ngi_reader_close(&reader); /* closed twice: zeroed by the first */
}

static void test_missing_file(void **state)
{
    testing *t = *state;
    ngi_reader reader;
    assert_int_equal(ngi_reader_open(&reader, &t->os, &t->mem, testing_path(t, "none")),
                     NG_E_NOT_FOUND);
    assert_message("none");
}

/* Three chunks of lines whose lengths differ, so that borders fall anywhere. */
static void test_lines_over_chunks(void **state)
{
    testing *t = *state;
    ngi_reader reader;
    size_t bytes = 3 * NGI_READER_CHUNK + 12345, used = 0;
    char *data = malloc(bytes + 4096);
    uint64_t seed = testing_seed(), copy;
    copy = seed;
    while (used < bytes) {
        size_t length = testing_random(&seed) % 3000;
        memset(data + used, 'a' + (int)(length % 26), length);
        data[used + length] = '\n';
        used += length + 1;
    }
    testing_write(t, "f", data, used);
    assert_ok(ngi_reader_open(&reader, &t->os, &t->mem, t->path));
    for (size_t at = 0; at < used;) {
        size_t length = testing_random(&copy) % 3000;
        ngi_line line;
        bool end;
        assert_ok(ngi_reader_line(&reader, &line, &end));
        assert_false(end);
        assert_int_equal(line.bytes, length);
        assert_memory_equal(line.text, data + at, length);
        at += length + 1;
        assert_int_equal(ngi_reader_offset(&reader), at);
    }
    check_end(&reader);
    ngi_reader_close(&reader);
    free(data);
}

static void test_longest_line(void **state)
{
    testing *t = *state;
    ngi_reader reader;
    ngi_line line;
    bool end;
    char *data = malloc(NGI_READER_CHUNK + 2);
    memset(data, 'x', NGI_READER_CHUNK + 2);
    data[0] = '\n';
    data[NGI_READER_CHUNK] = '\n';
    testing_write(t, "f", data, NGI_READER_CHUNK + 1);
    assert_ok(ngi_reader_open(&reader, &t->os, &t->mem, t->path));
    check_line(&reader, "", true);
    assert_ok(ngi_reader_line(&reader, &line, &end));
    assert_int_equal(line.bytes, NGI_READER_CHUNK - 1);
    check_end(&reader);
    ngi_reader_close(&reader);

    data[NGI_READER_CHUNK] = 'x';
    testing_write(t, "f", data, NGI_READER_CHUNK + 2);
    assert_ok(ngi_reader_open(&reader, &t->os, &t->mem, t->path));
    check_line(&reader, "", true);
    assert_int_equal(ngi_reader_line(&reader, &line, &end), NG_E_FORMAT);
    assert_message("f line 2: longer than 1048575 bytes");
    ngi_reader_close(&reader);
    free(data);
}

static void test_window(void **state)
{
    testing *t = *state;
    ngi_reader reader;
    size_t bytes = 2 * NGI_READER_CHUNK;
    char *data = calloc(1, bytes);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (char)('a' + i % 26);
    testing_write(t, "f", data, bytes);
    assert_ok(ngi_reader_open(&reader, &t->os, &t->mem, t->path));
    for (size_t at = 0; at + 1000 <= bytes; at += 777) {
        assert_ok(ngi_reader_want(&reader, 1000));
        assert_true(reader.end - reader.at >= 1000);
        assert_memory_equal(reader.data + reader.at, data + at, 1000);
        assert_int_equal(reader.data[reader.end], 0);
        reader.at += 777;
    }
    ngi_reader_close(&reader);
    free(data);
}

static void test_failures_leave_nothing(void **state)
{
    testing *t = *state;
    ngi_reader reader;
    testing_write_text(t, "f", "one\n");
    t->fail_memory = 1;
    assert_int_equal(ngi_reader_open(&reader, &t->os, &t->mem, t->path), NG_E_NOMEM);
    t->fail_read = 1;
    assert_int_equal(ngi_reader_open(&reader, &t->os, &t->mem, t->path), NG_E_IO);
    assert_int_equal(atomic_load(&t->mem.used_bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lines),
        TEST(test_empty_and_byte_order_mark),
        TEST(test_missing_file),
        TEST(test_lines_over_chunks),
        TEST(test_longest_line),
        TEST(test_window),
        TEST(test_failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
