/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* ng_stream_verify: what it says of a stream, and that no damaged or shortened one passes. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdlib.h>
#include <string.h>

#include "neurograph.h"

#define HEAD_BYTES 512u

typedef struct bytes {
    unsigned char *data;
    size_t count, at, piece;
} bytes;

static ng_status bytes_sink(void *context, const void *data, size_t count)
{
    bytes *to = context;
    to->data = realloc(to->data, to->count + count);
    assert_non_null(to->data);
    memcpy(to->data + to->count, data, count);
    to->count += count;
    return NG_OK;
}

static ng_status bytes_source(void *context, void *data, size_t capacity, size_t *count)
{
    bytes *from = context;
    *count = from->count - from->at;
    *count = *count < capacity ? *count : capacity;
    *count = *count < from->piece ? *count : from->piece;
    memcpy(data, from->data + from->at, *count);
    from->at += *count;
    return NG_OK;
}

static ng_status failing_source(void *context, void *data, size_t capacity, size_t *count)
{
    bytes *from = context;
    ng_status status = bytes_source(context, data, capacity, count);
    return from->at == from->count ? NG_E_BUSY : status;
}

typedef struct fixture {
    ng_store *store;
    ng_info info;
    bytes whole;
} fixture;

static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    const float vector[] = {1, 2, 3};
    assert_non_null(self);
    assert_int_equal(ng_open(NULL, NULL, &self->store), NG_OK);
    for (int i = 0; i < 3; i++) {
        const char label[] = {(char)('a' + i)};
        ng_token_fields fields = {.struct_size = sizeof fields,
                                  .set = NG_FIELD_LABEL | NG_FIELD_VECTOR,
                                  .label = label,
                                  .label_bytes = 1,
                                  .vector = vector,
                                  .vector_dimensions = 3};
        ng_token_id id;
        assert_int_equal(ng_token_create(self->store, &fields, NULL, &id), NG_OK);
    }
    assert_int_equal(ng_store_info(self->store, &self->info), NG_OK);
    assert_int_equal(ng_stream_write(self->store, NULL, bytes_sink, &self->whole, NULL), NG_OK);
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    free(self->whole.data);
    assert_int_equal(ng_close(self->store), NG_OK);
    free(self);
    return 0;
}

static ng_status verify(const bytes *stream, size_t count, char uuid[37], ng_stream_report *out)
{
    bytes from = {.data = stream->data, .count = count, .piece = 1000};
    return ng_stream_verify(bytes_source, &from, uuid, out);
}

static void test_report(void **state)
{
    const fixture *self = *state;
    char uuid[37];
    for (size_t piece = 1; piece < 3000; piece = 3 * piece + 1) {
        bytes from = {.data = self->whole.data, .count = self->whole.count, .piece = piece};
        ng_stream_report report;
        assert_int_equal(ng_stream_verify(bytes_source, &from, uuid, &report), NG_OK);
        assert_string_equal(uuid, self->info.uuid);
        assert_false(report.incremental);
        assert_int_equal(report.after, 0);
        assert_int_equal(report.seq, 3);
        assert_true(report.time_us > 0);
        assert_int_equal(report.bytes, self->whole.count);
        assert_int_equal(report.tokens, 3);
        assert_int_equal(report.connections, 0);
        assert_int_equal(report.ops, 0);
    }
    assert_int_equal(verify(&self->whole, self->whole.count, NULL, NULL), NG_OK);
}

static void test_shortened_or_longer(void **state)
{
    fixture *self = *state;
    char uuid[37];
    for (size_t count = 0; count < self->whole.count; count++) {
        ng_stream_report report = {.seq = 77};
        assert_int_not_equal(verify(&self->whole, count, uuid, &report), NG_OK);
        assert_string_equal(uuid, count >= HEAD_BYTES ? self->info.uuid : "");
        assert_int_equal(report.seq, 77); /* a failed call changes nothing */
        assert_string_not_equal(ng_last_error(), "");
    }
    assert_int_equal(bytes_sink(&self->whole, "more", 4), NG_OK);
    assert_int_equal(verify(&self->whole, self->whole.count, uuid, NULL), NG_E_CORRUPT);
}

static void test_flipped_bytes(void **state)
{
    fixture *self = *state;
    for (size_t at = 0; at < self->whole.count; at++) {
        self->whole.data[at] ^= 0x10;
        assert_int_not_equal(verify(&self->whole, self->whole.count, NULL, NULL), NG_OK);
        self->whole.data[at] ^= 0x10;
    }
    assert_int_equal(verify(&self->whole, self->whole.count, NULL, NULL), NG_OK);
}

static void test_errors(void **state)
{
    const fixture *self = *state;
    bytes from = {.data = self->whole.data, .count = self->whole.count, .piece = 600};
    char uuid[37] = "before";
    assert_int_equal(ng_stream_verify(NULL, NULL, uuid, NULL), NG_E_INVALID);
    assert_string_equal(uuid, "");
    assert_int_equal(ng_stream_verify(failing_source, &from, uuid, NULL), NG_E_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_report, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shortened_or_longer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flipped_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
