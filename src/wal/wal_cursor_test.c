/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Following a log by its files: from every place, beside a writer, through retirement and damage. */
#include "wal/wal_testing.h"

#include "wal/wal_cursor.h"

#define FIRST "00000001.log"
#define SECOND "00000002.log"

static ng_status open_cursor(log_fixture *f, ng_seq after, ngi_wal_cursor **out)
{
    return ngi_wal_cursor_open(&f->disk.os, &f->memory.mem, f->path, &f->manifest, after, out);
}

static ngi_wal_cursor *must_open(log_fixture *f, ng_seq after)
{
    ngi_wal_cursor *cursor = NULL;
    if (open_cursor(f, after, &cursor) != NG_OK)
        fail_msg("the cursor does not open: %s", ng_last_error());
    return cursor;
}

/* Reads on up to `limit`, expecting ops `first`..`last` (none if last < first) and `end` then. */
static void expect(ngi_wal_cursor *cursor, ng_seq limit, ng_seq first, ng_seq last, ng_status end)
{
    for (ng_seq seq = first;; seq++) {
        ngi_op op;
        const uint8_t *frame;
        size_t bytes;
        bool found;
        ng_status status = ngi_wal_cursor_next(cursor, limit, &op, &frame, &bytes, &found);
        if (seq > last) {
            if (status != end)
                fail_msg("after op %llu: %s (%s)", (unsigned long long)last, ng_status_name(status),
                         ng_last_error());
            assert_false(found);
            return;
        }
        if (status != NG_OK)
            fail_msg("op %llu: %s", (unsigned long long)seq, ng_last_error());
        assert_true(found);
        assert_int_equal(op.seq, seq);
        assert_int_equal(op.kind, LOG_KIND);
        assert_int_equal(op.actor, 3);
        assert_int_equal((uintptr_t)op.body % 8, 0);
        assert_int_equal(ngi_get_u64(op.body), log_value(seq));
        assert_int_equal(bytes, wal_frame_bytes(op.body_bytes));
        assert_int_equal(ngi_get_u32(frame), WAL_FRAME_MAGIC);
        assert_int_equal(ngi_get_u64(frame + 16), seq);
    }
}

static ng_seq known(log_fixture *f)
{
    ng_seq seq = 0;
    assert_int_equal(ngi_wal_known_durable(&f->disk.os, &f->memory.mem, f->path, &f->manifest,
                                           &seq),
                     NG_OK);
    return seq;
}

static void test_from_every_place(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    log_fill(wal, 200);
    for (ng_seq after = 0; after <= 202; after += after % 62 < 58 ? 5 : 1) {
        ngi_wal_cursor *cursor = must_open(f, after);
        ng_seq half = 100 > after ? 100 : after;
        expect(cursor, 0, 1, 0, NG_OK);
        expect(cursor, 100, after + 1, half == after ? 0 : half, NG_OK);
        expect(cursor, 100, 1, 0, NG_OK); /* not more than the limit */
        expect(cursor, 200, half + 1, after < 200 ? 200 : 0, NG_OK);
        ngi_wal_cursor_close(cursor);
    }
    ngi_wal_cursor_close(NULL);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_empty_log(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    ngi_wal_cursor *cursor = must_open(f, 0);
    ngi_wal_cursor *later = must_open(f, 3);
    expect(cursor, 0, 1, 0, NG_OK);
    assert_int_equal(known(f), 0);
    log_fill(wal, 2);
    expect(cursor, 2, 1, 2, NG_OK);
    expect(later, 2, 1, 0, NG_OK);
    log_fill(wal, 5);
    expect(cursor, 5, 3, 5, NG_OK);
    expect(later, 5, 4, 5, NG_OK);
    ngi_wal_cursor_close(cursor);
    ngi_wal_cursor_close(later);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    ngi_wal_cursor *too_far;
    assert_int_equal(open_cursor(f, UINT64_MAX, &too_far), NG_E_INVALID);
}

/* A restored store: the log will begin behind the snapshot. */
static void test_log_behind_a_snapshot(void **state)
{
    log_fixture *f = *state;
    f->snapshot_seq = 40;
    ngi_wal *wal = log_must_open(f);
    f->manifest.snapshot_seq = 40;
    ngi_wal_cursor *cursor;
    assert_int_equal(open_cursor(f, 39, &cursor), NG_E_GONE);
    assert_non_null(strstr(ng_last_error(), "op 40 is not in the log any more"));
    assert_non_null(strstr(ng_last_error(), "starts at op 41"));
    assert_int_equal(known(f), 40);
    cursor = must_open(f, 40);
    expect(cursor, 40, 1, 0, NG_OK);
    log_fill(wal, 42);
    expect(cursor, 42, 41, 42, NG_OK);
    ngi_wal_cursor_close(cursor);
    assert_int_equal(open_cursor(f, 39, &cursor), NG_E_GONE);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void retire(ngi_wal *wal, ng_seq snapshot_seq)
{
    uint64_t segments;
    uint64_t bytes;
    assert_int_equal(ngi_wal_retire(wal, snapshot_seq, snapshot_seq, 0, 0, &segments, &bytes),
                     NG_OK);
    assert_true(segments > 0);
}

static void test_retired_under_it(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    log_fill(wal, 300);
    ngi_wal_cursor *old = must_open(f, 0);
    ngi_wal_cursor *same = must_open(f, 0);
    ngi_wal_cursor *near = must_open(f, 290);
    ngi_op op;
    const uint8_t *frame;
    size_t bytes;
    bool found;
    assert_int_equal(ngi_wal_cursor_next(same, 300, &op, &frame, &bytes, &found), NG_OK);
    retire(wal, 300);
    ng_seq first = ngi_wal_first_seq(wal);
    assert_true(first > 200 && first <= 290);
    /* What is open can be read to its end; then the next one is gone. */
    ng_seq end = 62;
    expect(old, 300, 1, end, NG_E_GONE);
    assert_non_null(strstr(ng_last_error(), "op 63 is not in the log any more"));
    expect(old, 300, 1, 0, NG_E_GONE);
    expect(same, 300, 2, end, NG_E_GONE);
    expect(near, 300, 291, 300, NG_OK);
    log_fill(wal, 400);
    expect(near, 400, 301, 400, NG_OK);
    ngi_wal_cursor_close(old);
    ngi_wal_cursor_close(same);
    ngi_wal_cursor_close(near);
    assert_int_equal(open_cursor(f, first - 2, &old), NG_E_GONE);
    old = must_open(f, first - 1);
    expect(old, 400, first, 400, NG_OK);
    ngi_wal_cursor_close(old);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_damage(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    log_fill(wal, 200);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_flip(f, FIRST, 64 + 10 * 1040 + 500);
    ngi_wal_cursor *cursor = must_open(f, 5);
    expect(cursor, 200, 6, 10, NG_E_CORRUPT);
    assert_non_null(strstr(ng_last_error(), FIRST ": damaged at offset 10464, where op 11"));
    expect(cursor, 200, 1, 0, NG_E_CORRUPT); /* and stays so */
    expect(cursor, 10, 1, 0, NG_OK);
    ngi_wal_cursor_close(cursor);
    cursor = must_open(f, 100); /* in the second segment */
    expect(cursor, 200, 101, 200, NG_OK);
    expect(cursor, 201, 1, 0, NG_E_CORRUPT); /* the caller was told that it is durable */
    assert_non_null(strstr(ng_last_error(), "where op 201 should be"));
    ngi_wal_cursor_close(cursor);
    log_flip(f, FIRST, 64 + 10 * 1040 + 500);

    log_flip(f, SECOND, 20);
    /* It is not the newest: a spare it cannot be. */
    assert_int_equal(open_cursor(f, 70, &cursor), NG_E_CORRUPT);
    assert_non_null(strstr(ng_last_error(), SECOND));
    log_flip(f, SECOND, 20);
    log_poke_header(f, SECOND, 7, 63);
    assert_int_equal(open_cursor(f, 70, &cursor), NG_E_CORRUPT);
    assert_non_null(strstr(ng_last_error(), SECOND));
    log_poke_header(f, SECOND, 2, 63);
    log_remove_file(f, SECOND);
    cursor = must_open(f, 0);
    expect(cursor, 200, 1, 62, NG_E_CORRUPT);
    ngi_wal_cursor_close(cursor);
}

/* The log ended before a snapshot and went on behind it. */
static void test_gap(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    log_fill(wal, 10);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    f->snapshot_seq = 20;
    ngi_manifest manifest = f->manifest;
    manifest.clean_seq = 10;
    manifest.snapshot_seq = 20;
    assert_int_equal(ngi_manifest_write(ngi_os_system(), f->path, &manifest), NG_OK);
    wal = log_must_open(f);
    log_fill(wal, 25);
    ngi_wal_cursor *cursor = must_open(f, 4);
    expect(cursor, 25, 5, 10, NG_E_GONE);
    assert_non_null(strstr(ng_last_error(), "starts at op 21"));
    ngi_wal_cursor_close(cursor);
    cursor = must_open(f, 20);
    expect(cursor, 25, 21, 25, NG_OK);
    ngi_wal_cursor_close(cursor);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

/* Ops that were not durable are cut off, and others written in their place: a cursor that had read
 * ahead must not return the old ones. */
static void test_cut_and_written_anew(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    log_fill(wal, 3);
    ngi_wal_cursor *cursor = must_open(f, 0);
    ng_seq seq;
    for (int i = 0; i < 3; i++)
        assert_int_equal(log_write(wal, 2000, NG_DURABILITY_NONE, &seq), NG_OK);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK); /* 4..6 are in the file, not synced */
    expect(cursor, 3, 1, 3, NG_OK);
    log_abandon(wal);
    log_flip(f, FIRST, 64 + 3 * 1040 + 100);
    wal = log_must_open(f); /* as after a power failure: cut to 3 */
    assert_int_equal(ngi_wal_applied(wal), 3);
    ngi_op op;
    const uint8_t *frame;
    size_t bytes;
    bool found;
    ngi_wal_lock(wal);
    assert_int_equal(ngi_wal_make_room(wal, 16), NG_OK);
    memset(ngi_wal_body(wal), 0x77, 16);
    ngi_wal_commit(wal, 99, 1, 16, &op);
    assert_int_equal(ngi_wal_unlock_and_wait(wal, 4), NG_OK);
    assert_int_equal(ngi_wal_cursor_next(cursor, 4, &op, &frame, &bytes, &found), NG_OK);
    assert_true(found);
    assert_int_equal(op.kind, 99);
    assert_int_equal(op.body[0], 0x77);
    ngi_wal_cursor_close(cursor);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

/* The cursor waits in a segment that had only its header when the process died; the next one goes on
 * in the segment before. */
static void test_segment_that_was_given_up(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    log_fill(wal, 10);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_poke_header(f, SECOND, 2, 11);
    ngi_wal_cursor *cursor = must_open(f, 10);
    expect(cursor, 10, 1, 0, NG_OK);
    wal = log_must_open(f);
    for (ng_seq seq = 11; seq <= 100; seq++)
        log_fill(wal, seq); /* one group each: until the first segment is full */
    assert_int_equal(log_stat_segments(wal), 2);
    expect(cursor, 100, 11, 100, NG_OK);
    ngi_wal_cursor_close(cursor);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

/* It is still there, with an older first op than the log has meanwhile. */
static void test_given_up_and_left_behind(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    for (ng_seq seq = 1; seq <= 20; seq++)
        log_fill(wal, seq);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, 20);
    log_poke_header(f, SECOND, 2, 11);
    assert_int_equal(known(f), 20);
    for (ng_seq after = 0; after <= 20; after++) {
        ngi_wal_cursor *cursor = must_open(f, after);
        expect(cursor, 20, after + 1, after < 20 ? 20 : 0, NG_OK);
        expect(cursor, 20, 1, 0, NG_OK);
        ngi_wal_cursor_close(cursor);
    }
    log_expect(f, 20);
}

static void test_known_durable(void **state)
{
    log_fixture *f = *state;
    log_open_box(f);
    ngi_wal *wal = log_must_open(f);
    ng_seq seq;
    log_fill(wal, 5);
    assert_int_equal(known(f), 5); /* the box says so */
    assert_int_equal(log_write(wal, 100, NG_DURABILITY_NONE, &seq), NG_OK);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_int_equal(known(f), 5);
    ngi_blackbox_publish(f->box, 1000); /* of a log that is not this one */
    assert_int_equal(known(f), 6);
    log_remove_file(f, "BLACKBOX");
    assert_int_equal(known(f), 5); /* frame 6 was appended after 5 was durable */
    log_fill(wal, 200);
    ng_seq proved = known(f);
    assert_true(proved >= 62 * 3 && proved < 200);
    f->manifest.clean_seq = 199;
    assert_int_equal(known(f), 199);
    f->manifest.clean_seq = 300;
    assert_int_equal(known(f), 200);
    f->manifest.clean_seq = 0;
    f->manifest.snapshot_seq = 250; /* a log that ends before the snapshot */
    assert_int_equal(known(f), 250);
    f->manifest.snapshot_seq = 0;
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK); /* makes a spare, perhaps */
    assert_true(known(f) >= proved);
    log_flip(f, "00000004.log", 64 + 2000);
    ng_seq cut = known(f);
    assert_true(cut < 200 && cut >= 186);
    log_flip(f, "00000004.log", 64 + 2000);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    char path[5000];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(ngi_wal_known_durable(&f->disk.os, &f->memory.mem, path, &f->manifest, &seq),
                     NG_E_INVALID);
    ngi_wal_cursor *cursor;
    assert_int_equal(ngi_wal_cursor_open(&f->disk.os, &f->memory.mem, path, &f->manifest, 0,
                                         &cursor),
                     NG_E_INVALID);
}

typedef struct follower {
    log_fixture *f;
    ngi_wal *wal;
    ng_seq start, last;
    bool by_files; /* learns from the files alone what is durable */
    bool failed;
} follower;

static void *follow(void *context)
{
    follower *w = context;
    ngi_wal_cursor *cursor = NULL;
    ng_seq seen = w->start;
    w->failed = open_cursor(w->f, seen, &cursor) != NG_OK;
    while (!w->failed && seen < w->last) {
        ng_seq limit = 0;
        if (w->by_files)
            w->failed = ngi_wal_known_durable(&w->f->disk.os, &w->f->memory.mem, w->f->path,
                                              &w->f->manifest, &limit) != NG_OK ||
                        limit > ngi_wal_applied(w->wal);
        else
            limit = ngi_wal_wait_change(w->wal, seen, 60000);
        bool found = true;
        while (!w->failed && found) {
            ngi_op op;
            const uint8_t *frame;
            size_t bytes;
            w->failed = ngi_wal_cursor_next(cursor, limit, &op, &frame, &bytes, &found) != NG_OK;
            if (!w->failed && found)
                w->failed = op.seq != ++seen || ngi_get_u64(op.body) != log_value(seen);
        }
    }
    if (w->failed)
        print_error("follower at op %llu: %s\n", (unsigned long long)seen, ng_last_error());
    ngi_wal_cursor_close(cursor);
    return NULL;
}

static void test_beside_a_writer(void **state)
{
    log_fixture *f = *state;
    log_open_box(f);
    ngi_wal *wal = log_must_open(f);
    follower followers[3];
    ngi_thread threads[3];
    uint64_t seed = testing_seed("test_beside_a_writer");
    log_fill(wal, 5);
    for (unsigned i = 0; i < 3; i++) {
        followers[i] = (follower){.f = f, .wal = wal, .start = i, .last = 2000, .by_files = i == 2};
        assert_int_equal(ngi_thread_start(&threads[i], follow, &followers[i]), NG_OK);
    }
    ng_seq seq = 0;
    while (seq < 2000) {
        size_t bytes = 8 + testing_below(&seed, testing_below(&seed, 40) == 0 ? 100000 : 1500);
        ng_durability durability = (ng_durability)(1 + testing_below(&seed, 3));
        assert_int_equal(log_write(wal, bytes, durability, &seq), NG_OK);
        if (testing_below(&seed, 20) == 0)
            assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    }
    assert_int_equal(ngi_wal_flush(wal, true), NG_OK);
    for (int i = 0; i < 3; i++) {
        ngi_thread_join(&threads[i]);
        assert_false(followers[i].failed);
    }
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

/* Everything that can be refused is, once: a cursor that fails can be opened again. */
static ng_status read_all(log_fixture *f)
{
    ngi_wal_cursor *cursor;
    ng_seq limit = 0;
    ng_status status =
        ngi_wal_known_durable(&f->disk.os, &f->memory.mem, f->path, &f->manifest, &limit);
    if (status != NG_OK)
        return status;
    assert_int_equal(limit, 100);
    status = open_cursor(f, 20, &cursor);
    if (status != NG_OK)
        return status;
    bool found = true;
    ng_seq seen = 20;
    while (found && status == NG_OK) {
        ngi_op op;
        const uint8_t *frame;
        size_t bytes;
        status = ngi_wal_cursor_next(cursor, limit, &op, &frame, &bytes, &found);
        if (status == NG_OK && found)
            assert_int_equal(op.seq, ++seen);
    }
    if (status == NG_OK)
        assert_int_equal(seen, 100);
    ngi_wal_cursor_close(cursor);
    return status;
}

static void test_failing_calls(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    log_fill(wal, 100);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, 100); /* reads the MANIFEST as it is now */
    f->disk.is_read_only = true;
    for (int memory = 0; memory < 2; memory++) {
        bool done = false;
        for (unsigned n = 1; !done; n++) {
            if (memory)
                log_memory_plan(&f->memory, n);
            else
                log_disk_plan(&f->disk, n, false, NG_E_IO);
            ng_status status = read_all(f);
            done = memory ? !log_memory_has_failed(&f->memory) : !log_disk_has_failed(&f->disk);
            /* A box that cannot be read is done without. */
            assert_true(status == (memory ? NG_E_NOMEM : NG_E_IO) || status == NG_OK);
            assert_true(!done || status == NG_OK);
            assert_int_equal(atomic_load(&f->memory.mem.used_bytes), 0);
        }
        log_memory_plan(&f->memory, 0);
        log_disk_plan(&f->disk, 0, false, NG_OK);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, log_set_up, log_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_from_every_place),
        T(test_empty_log),
        T(test_log_behind_a_snapshot),
        T(test_retired_under_it),
        T(test_damage),
        T(test_gap),
        T(test_cut_and_written_anew),
        T(test_segment_that_was_given_up),
        T(test_given_up_and_left_behind),
        T(test_known_durable),
        T(test_beside_a_writer),
        T(test_failing_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
