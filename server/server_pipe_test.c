/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The pipe: order, bounds, and its ends: by the producer, by the consumer, by time. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server_pipe.h"

const char *ng_last_error(void)
{
    return "what the producer said";
}

const char *ng_status_text(ng_status status)
{
    return status == NG_E_CANCELLED ? "cancelled" : "other";
}

typedef struct producer {
    size_t total, piece;
    ng_status end;
    ng_status sink_status;
    atomic_bool entered;
    atomic_uint wakes;
} producer;

static unsigned char pattern(size_t at)
{
    return (unsigned char)(at * 31 + (at >> 8));
}

static ng_status produce(void *context, ng_sink_fn sink, void *sink_context)
{
    producer *self = context;
    unsigned char data[5000];
    atomic_store(&self->entered, true);
    for (size_t done = 0; done < self->total;) {
        size_t count = self->total - done < self->piece ? self->total - done : self->piece;
        for (size_t i = 0; i < count; i++)
            data[i] = pattern(done + i);
        self->sink_status = sink(sink_context, data, count);
        if (self->sink_status != NG_OK)
            return self->sink_status;
        done += count;
    }
    return self->end;
}

static void wake(void *context)
{
    producer *self = context;
    atomic_fetch_add(&self->wakes, 1);
}

static ngs_pipe *start(producer *self, size_t capacity, uint32_t room_ms)
{
    ngs_pipe_options options = {.capacity = capacity,
                                .room_ms = room_ms,
                                .produce = produce,
                                .context = self,
                                .wake = wake,
                                .wake_context = self};
    ngs_pipe *pipe = ngs_pipe_start(&options);
    assert_non_null(pipe);
    return pipe;
}

/* Takes everything, with pieces of one size; returns how much. */
static size_t drain(ngs_pipe *pipe, size_t piece)
{
    unsigned char data[7000];
    size_t done = 0;
    size_t count;
    while ((count = ngs_pipe_take(pipe, data, piece, true)) > 0) {
        assert_true(count <= piece);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(data[i], pattern(done + i));
        done += count;
    }
    return done;
}

static void test_bytes_in_order(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 999, 1000, 1001, 5000};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t piece = 1; piece <= 5000; piece = piece * 7 + 1) {
            char text[NGS_PIPE_TEXT_MAX];
            producer self = {.total = sizes[i], .piece = piece, .end = NG_OK};
            ngs_pipe *pipe = start(&self, 1000, 0);
            assert_int_equal(drain(pipe, piece % 2 ? 7 : 6999), sizes[i]);
            assert_true(ngs_pipe_ended(pipe));
            assert_int_equal(ngs_pipe_result(pipe, text), NG_OK);
            assert_string_equal(text, "");
            assert_int_equal(ngs_pipe_take(pipe, text, 1, true), 0);
            ngs_pipe_destroy(pipe);
        }
    }
}

static void test_an_error_comes_after_the_bytes(void **state)
{
    char text[NGS_PIPE_TEXT_MAX];
    producer self = {.total = 3000, .piece = 100, .end = NG_E_GONE};
    (void)state;
    ngs_pipe *pipe = start(&self, 1000, 0);
    assert_int_equal(drain(pipe, 64), 3000);
    assert_int_equal(ngs_pipe_result(pipe, text), NG_E_GONE);
    assert_string_equal(text, "what the producer said");
    assert_true(ngs_pipe_idle(pipe));
    ngs_pipe_destroy(pipe);
}

static void test_a_consumer_that_leaves(void **state)
{
    char byte;
    char text[NGS_PIPE_TEXT_MAX];
    producer self = {.total = 100000, .piece = 5000};
    (void)state;
    ngs_pipe *pipe = start(&self, 1000, 0);
    assert_int_equal(ngs_pipe_take(pipe, &byte, 1, true), 1);
    assert_false(ngs_pipe_ended(pipe));
    assert_int_equal(ngs_pipe_result(pipe, text), NG_E_CANCELLED); /* not over yet */
    ngs_pipe_cancel(pipe);
    assert_true(ngs_pipe_ended(pipe));
    assert_int_equal(ngs_pipe_take(pipe, &byte, 1, true), 0);
    ngs_pipe_destroy(pipe);
    assert_int_equal(self.sink_status, NG_E_CANCELLED);
}

static void test_destroyed_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        producer self = {.total = 10000, .piece = 100};
        ngs_pipe_destroy(start(&self, 64, 0));
        assert_true(atomic_load(&self.entered));
    }
    ngs_pipe_destroy(NULL);
}

static void test_a_consumer_that_is_too_slow(void **state)
{
    char text[NGS_PIPE_TEXT_MAX];
    producer self = {.total = 10000, .piece = 5000};
    (void)state;
    ngs_pipe *pipe = start(&self, 1000, 1);
    while (!ngs_pipe_idle(pipe))
        ;
    assert_true(ngs_pipe_ended(pipe));
    assert_int_equal(ngs_pipe_take(pipe, text, 1, true), 0); /* what is left is of no use */
    assert_int_equal(ngs_pipe_result(pipe, text), NG_E_CANCELLED);
    assert_string_equal(text, "the reader took too long");
    ngs_pipe_destroy(pipe);
}

static void test_wakes_once_for_an_arm(void **state)
{
    unsigned char data[100];
    size_t done = 0;
    unsigned arms = 0;
    producer self = {.total = 5000, .piece = 37, .end = NG_OK};
    (void)state;
    ngs_pipe *pipe = start(&self, 100, 0);
    while (!ngs_pipe_ended(pipe)) {
        size_t count = ngs_pipe_take(pipe, data, sizeof data, false);
        done += count;
        if (count > 0)
            continue;
        ngs_pipe_arm(pipe);
        arms++;
        while (atomic_load(&self.wakes) < arms)
            ;
    }
    assert_int_equal(done, 5000);
    ngs_pipe_arm(pipe); /* at the end: at once */
    assert_int_equal(atomic_load(&self.wakes), arms + 1);
    ngs_pipe_destroy(pipe);
    assert_int_equal(atomic_load(&self.wakes), arms + 1);
}

static void test_a_cancel_wakes(void **state)
{
    unsigned char data[100];
    producer self = {.total = 5000, .piece = 10};
    (void)state;
    for (int i = 0; i < 100; i++) {
        atomic_store(&self.wakes, 0);
        ngs_pipe *pipe = start(&self, 100, 0);
        ngs_pipe_arm(pipe);
        ngs_pipe_cancel(pipe);
        assert_int_equal(atomic_load(&self.wakes), 1);
        assert_int_equal(ngs_pipe_take(pipe, data, sizeof data, false), 0);
        ngs_pipe_destroy(pipe);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_in_order),
        cmocka_unit_test(test_an_error_comes_after_the_bytes),
        cmocka_unit_test(test_a_consumer_that_leaves),
        cmocka_unit_test(test_destroyed_at_once),
        cmocka_unit_test(test_a_consumer_that_is_too_slow),
        cmocka_unit_test(test_wakes_once_for_an_arm),
        cmocka_unit_test(test_a_cancel_wakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
