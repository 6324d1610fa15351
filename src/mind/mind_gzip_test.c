/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Compressed files: that they read as what is in them, and what is said of those that are damaged. */
#include "mind/mind_gzip.h"

#include "mind/mind_formats_testing.h"
#include "mind/mind_testing.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)

/* Writes the file and releases it. */
static void write_file(testing *t, made_file *file)
{
    testing_write(t, "f.gz", file->data, file->bytes);
    made_release(file);
}

/* Reads everything that is in the file; the caller frees it. */
static ng_status read_all(testing *t, char **out, size_t *bytes)
{
    ngi_reader reader;
    size_t capacity = 0;
    *out = NULL;
    *bytes = 0;
    ng_status status = ngi_gzip_reader_open(&reader, &t->os, &t->mem, t->path);
    if (status != NG_OK)
        return status;
    uint64_t before = 0;
    for (;;) {
        status = ngi_reader_want(&reader, 1);
        size_t rest = reader.end - reader.at;
        assert_true(ngi_reader_consumed(&reader) >= before);
        before = ngi_reader_consumed(&reader);
        if (status != NG_OK || rest == 0)
            break;
        capacity = *bytes + rest + 1;
        *out = realloc(*out, capacity);
        assert_non_null(*out);
        memcpy(*out + *bytes, reader.data + reader.at, rest);
        *bytes += rest;
        reader.at += rest;
    }
    if (status == NG_OK)
        assert_int_equal(ngi_reader_consumed(&reader), reader.size_bytes);
    assert_true(ngi_reader_consumed(&reader) <= reader.size_bytes || reader.source == NULL);
    ngi_reader_close(&reader);
    return status;
}

static void check_content(testing *t, made_file *file, const void *data, size_t bytes)
{
    char *content;
    size_t count;
    write_file(t, file);
    assert_ok(read_all(t, &content, &count));
    assert_int_equal(count, bytes);
    if (bytes > 0)
        assert_memory_equal(content, data, bytes);
    free(content);
}

static void check_error(testing *t, made_file *file, const char *message)
{
    char *content;
    size_t count;
    write_file(t, file);
    assert_int_equal(read_all(t, &content, &count), NG_E_FORMAT);
    assert_message("f.gz");
    assert_message(message);
    free(content);
}

static void test_plain_and_compressed(void **state)
{
    testing *t = *state;
    static const char text[] = "the 1 2\ncat 3 4\n";
    made_file file = {0};
    made_text(&file, text);
    check_content(t, &file, text, sizeof text - 1);
    made_gzip(&file, text, sizeof text - 1);
    check_content(t, &file, text, sizeof text - 1);
    made_gzip(&file, "", 0);
    check_content(t, &file, "", 0);
    made_text(&file, "\x1F"); /* one byte is no magic */
    check_content(t, &file, "\x1F", 1);
    made_text(&file, "");
    check_content(t, &file, "", 0);
}

static void test_members(void **state)
{
    testing *t = *state;
    made_file file = {0};
    made_gzip(&file, "the 1", 5);
    made_gzip(&file, "", 0);
    made_gzip(&file, " 2\n", 3);
    check_content(t, &file, "the 1 2\n", 8);
    made_gzip(&file, "a", 1);
    made_put(&file, "\0\0\0\0", 4);
    check_content(t, &file, "a", 1);
    made_gzip(&file, "a", 1);
    made_put(&file, "\0\0", 2);
    made_gzip(&file, "b", 1);
    check_content(t, &file, "ab", 2);
    char *zeros = calloc(1, 200000); /* over several reads */
    made_gzip(&file, "a", 1);
    made_put(&file, zeros, 200000);
    check_content(t, &file, "a", 1);
    free(zeros);
    made_gzip(&file, "a", 1);
    size_t member = file.bytes;
    char message[120];
    snprintf(message, sizeof message,
             "f.gz byte %zu: damaged gzip data: what follows is no gzip data", member);
    made_text(&file, "x");
    check_error(t, &file, message);
}

static void test_byte_order_mark(void **state)
{
    testing *t = *state;
    ngi_reader reader;
    ngi_line line;
    bool end;
    made_file file = {0};
    made_gzip(&file, "\xEF\xBB\xBFword\nnext", 12);
    write_file(t, &file);
    assert_ok(ngi_gzip_reader_open(&reader, &t->os, &t->mem, t->path));
    assert_ok(ngi_reader_line(&reader, &line, &end));
    assert_string_equal(line.text, "word");
    assert_int_equal(ngi_reader_offset(&reader), 8); /* of what is in the file */
    assert_ok(ngi_reader_line(&reader, &line, &end));
    assert_string_equal(line.text, "next");
    ngi_reader_close(&reader);
}

/* Larger than every buffer, and hard to compress, so that input and output borders fall anywhere. */
static void test_large(void **state)
{
    testing *t = *state;
    uint64_t seed = testing_seed();
    size_t bytes = 3 * NGI_READER_CHUNK + 4321;
    char *data = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (char)(testing_random(&seed) % (i < bytes / 2 ? 256 : 3));
    made_file file = {0};
    made_gzip(&file, data, bytes / 3);
    made_gzip(&file, data + bytes / 3, bytes - bytes / 3);
    check_content(t, &file, data, bytes);
    free(data);
}

/* 64 MiB of zeros in 64 KiB: what is read of it is all that is unpacked. */
static void test_bomb_is_not_unpacked(void **state)
{
    testing *t = *state;
    size_t bytes = (size_t)64 << 20;
    char *zeros = calloc(1, bytes);
    made_file file = {0};
    made_gzip(&file, zeros, bytes);
    assert_true(file.bytes < (size_t)128 << 10);
    write_file(t, &file);
    free(zeros);
    ngi_reader reader;
    ngi_line line;
    bool end;
    assert_ok(ngi_gzip_reader_open(&reader, &t->os, &t->mem, t->path));
    assert_true(atomic_load(&t->mem.used_bytes) < 2 * NGI_READER_CHUNK);
    assert_int_equal(ngi_reader_line(&reader, &line, &end), NG_E_FORMAT);
    assert_message("f.gz line 1: longer than 1048575 bytes");
    assert_true(atomic_load(&t->mem.used_bytes) < 2 * NGI_READER_CHUNK);
    ngi_reader_close(&reader);
}

static void test_truncated_at_every_byte(void **state)
{
    testing *t = *state;
    made_file whole = {0};
    made_gzip(&whole, "the 1 2\ncat 3 4\n", 16);
    size_t member = whole.bytes;
    made_gzip(&whole, "dog 5 6\n", 8);
    for (size_t bytes = 2; bytes < whole.bytes; bytes++) {
        made_file file = {0};
        char message[120];
        if (bytes == member)
            continue; /* whole again */
        made_put(&file, whole.data, bytes);
        snprintf(message, sizeof message,
                 "ends in the middle of its gzip data (truncated file, at byte %zu)", bytes);
        check_error(t, &file, message);
    }
    made_release(&whole);
}

static void test_every_byte_damaged(void **state)
{
    testing *t = *state;
    static const char text[] = "the 1 2\ncat 3 4\n";
    made_file whole = {0};
    made_gzip(&whole, text, sizeof text - 1);
    size_t refused = 0;
    for (size_t at = 2; at < whole.bytes; at++) {
        made_file file = {0};
        char *content;
        size_t count;
        made_put(&file, whole.data, whole.bytes);
        file.data[at] ^= 0x55;
        write_file(t, &file);
        ng_status status = read_all(t, &content, &count);
        if (status == NG_OK) { /* time, system and the like */
            assert_true(at < 10);
            assert_int_equal(count, sizeof text - 1);
            assert_memory_equal(content, text, count);
        } else {
            assert_int_equal(status, NG_E_FORMAT);
            assert_message("f.gz");
            refused++;
        }
        free(content);
    }
    assert_true(refused >= whole.bytes - 10);

    made_file file = {0};
    made_put(&file, whole.data, whole.bytes);
    *made_last(&file, 7) ^= 1;
    check_error(t, &file, "damaged gzip data: incorrect data check");
    made_put(&file, whole.data, whole.bytes);
    *made_last(&file, 0) ^= 1;
    check_error(t, &file, "damaged gzip data: incorrect length check");
    made_put(&file, whole.data, whole.bytes);
    file.data[2] = 7;
    check_error(t, &file, "damaged gzip data: unknown compression method");
    made_release(&whole);
}

static void test_failures_leave_nothing(void **state)
{
    testing *t = *state;
    uint64_t seed = 1;
    size_t bytes = (size_t)300 << 10;
    char *data = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (char)testing_random(&seed);
    made_file file = {0};
    made_gzip(&file, data, bytes);
    free(data);
    write_file(t, &file);
    for (int kind = 0; kind < 2; kind++) {
        ng_status status = NG_E_NOMEM;
        size_t at = 1;
        for (; status != NG_OK; at++) {
            char *content;
            size_t count;
            t->memory_count = t->read_count = 0;
            t->fail_memory = kind == 0 ? at : 0;
            t->fail_read = kind == 1 ? at : 0;
            status = read_all(t, &content, &count);
            free(content);
            if (status != NG_OK)
                assert_int_equal(status, kind == 0 ? NG_E_NOMEM : NG_E_IO);
            assert_int_equal(atomic_load(&t->mem.used_bytes), 0);
        }
        assert_true(at > (kind == 0 ? 4 : 5)); /* buffers and zlib's two; five parts */
        t->fail_memory = t->fail_read = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain_and_compressed), TEST(test_members),
        TEST(test_byte_order_mark),      TEST(test_large),
        TEST(test_bomb_is_not_unpacked), TEST(test_truncated_at_every_byte),
        TEST(test_every_byte_damaged),   TEST(test_failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
