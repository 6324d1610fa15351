/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* When a write is acknowledged, what the background flush does, and how the log stops. */
#include "wal/wal_testing.h"

#include <sys/stat.h>

static void test_modes(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    ng_seq seq = 0;
    assert_int_equal(log_write(wal, 100, NG_DURABILITY_INTERVAL, &seq), NG_OK);
    assert_int_equal(ngi_wal_durable(wal), 0);
    assert_int_equal(log_write(wal, 100, NG_DURABILITY_NONE, &seq), NG_OK);
    assert_int_equal(ngi_wal_durable(wal), 0);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_true(ngi_wal_durable(wal) >= 1);
    assert_int_equal(log_write(wal, 100, NG_DURABILITY_DEFAULT, &seq), NG_OK); /* sync */
    assert_int_equal(seq, 3);
    assert_int_equal(ngi_wal_durable(wal), 3);
    unsigned syncs = atomic_load(&f->disk.sync_count);
    assert_int_equal(log_write(wal, 100, NG_DURABILITY_NONE, &seq), NG_OK);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK); /* nothing left to write */
    assert_int_equal(atomic_load(&f->disk.sync_count), syncs);
    assert_int_equal(ngi_wal_durable(wal), 3);
    assert_int_equal(ngi_wal_flush(wal, true), NG_OK); /* nothing in the buffer, but not synced */
    assert_int_equal(ngi_wal_durable(wal), 4);
    assert_int_equal(atomic_load(&f->disk.sync_count), syncs + 1);
    assert_int_equal(ngi_wal_flush(wal, true), NG_OK);
    assert_int_equal(atomic_load(&f->disk.sync_count), syncs + 1);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, 4);
}

static void test_default_of_the_store(void **state)
{
    log_fixture *f = *state;
    f->durability = NG_DURABILITY_NONE;
    ngi_wal *wal = log_must_open(f);
    ng_seq seq = 0;
    assert_int_equal(log_write(wal, 8, NG_DURABILITY_DEFAULT, &seq), NG_OK);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_int_equal(ngi_wal_durable(wal), 0);
    assert_int_equal(log_write(wal, 8, NG_DURABILITY_SYNC, &seq), NG_OK); /* covers the first */
    assert_int_equal(ngi_wal_durable(wal), 2);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

/* What was flushed survives the process, whatever its durability; what was not is a torn tail. */
static void test_written_is_not_lost_with_the_process(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    ng_seq seq = 0;
    for (int i = 0; i < 10; i++)
        assert_int_equal(log_write(wal, 500, NG_DURABILITY_NONE, &seq), NG_OK);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_int_equal(log_write(wal, 500, NG_DURABILITY_NONE, &seq), NG_OK);
    log_abandon(wal);
    wal = log_must_open(f);
    assert_int_equal(f->replayed_last, 10);
    assert_int_equal(ngi_wal_durable(wal), 10);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

/* A group that was only written, then the segment is full: the next one is begun only when the old
 * one is on disk, so what is before it is durable. */
static void test_a_full_segment_is_synced(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    ng_seq seq = 0;
    while (log_stat_segments(wal) < 3) {
        assert_int_equal(log_write(wal, 5000, NG_DURABILITY_NONE, &seq), NG_OK);
        assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    }
    ng_seq durable = ngi_wal_durable(wal);
    assert_true(durable >= 2 * (LOG_SEGMENT / 5048 - 1));
    assert_true(durable < seq);
    log_abandon(wal);
    log_expect(f, seq);
}

static void test_close_makes_all_durable(void **state)
{
    log_fixture *f = *state;
    f->durability = NG_DURABILITY_NONE;
    ngi_wal *wal = log_must_open(f);
    ng_seq seq = 0;
    for (int i = 0; i < 300; i++)
        assert_int_equal(log_write(wal, 1000, NG_DURABILITY_DEFAULT, &seq), NG_OK);
    unsigned syncs = atomic_load(&f->disk.sync_count);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    assert_true(atomic_load(&f->disk.sync_count) > syncs);
    f->disk.is_read_only = f->read_only = true; /* a clean end needs no settling */
    log_expect(f, seq);
    assert_int_equal(f->manifest.clean_seq, seq);
}

static void count_call(void *context)
{
    (*(unsigned *)context)++;
}

/* Nobody flushes: the callback comes once a group, and no op is dropped when the buffer is full. */
static void test_pressure(void **state)
{
    log_fixture *f = *state;
    unsigned calls = 0;
    f->manifest = (ngi_manifest){.format_version = NGI_FORMAT_VERSION, .uuid = "0123456789abcde"};
    ngi_encoding_default(&f->manifest.encoding);
    const ngi_wal_options options = {.path = f->path,
                                     .segment_bytes = 64u << 20,
                                     .durability = NG_DURABILITY_INTERVAL};
    ngi_wal *wal = NULL;
    ng_seq seq = 0;
    assert_int_equal(ngi_wal_open(&f->disk.os, &f->memory.mem, &options, &f->manifest, &wal),
                     NG_OK);
    ngi_wal_on_pressure(wal, count_call, &calls);
    assert_int_equal(ngi_wal_recover(wal, 0, 0, log_replay, f), NG_OK);
    for (int i = 0; i < 15; i++) {
        assert_int_equal(log_write(wal, 100000, NG_DURABILITY_DEFAULT, &seq), NG_OK);
        assert_int_equal(calls, i >= 10);
    }
    for (int i = 0; i < 300; i++)
        assert_int_equal(log_write(wal, 100000, NG_DURABILITY_DEFAULT, &seq), NG_OK);
    assert_int_equal(calls, 2);
    ngi_wal_stats stats;
    ngi_wal_stats_get(wal, &stats);
    assert_true(stats.buffer_bytes <= 2 * (WAL_GROUP_BYTES_MAX + 100048));
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_int_equal(ngi_wal_durable(wal), seq);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    f->replayed_count = 0;
    log_expect(f, 315);
}

/* Writers that sync by themselves never ask for a flush, but for one when a segment is half full:
 * that makes the next file. */
static void test_spare_for_writers_that_sync(void **state)
{
    log_fixture *f = *state;
    unsigned calls = 0;
    ngi_wal *wal = log_must_open(f);
    ngi_wal_on_pressure(wal, count_call, &calls);
    for (unsigned segment = 1; segment <= 4; segment++) {
        ng_seq seq = 0;
        char spare[32];
        snprintf(spare, sizeof spare, "%08u.log", segment + 1);
        while (calls < segment) {
            assert_int_equal(log_write(wal, 1000, NG_DURABILITY_SYNC, &seq), NG_OK);
            assert_int_equal(log_stat_segments(wal), segment);
        }
        assert_false(log_has_file(f, spare));
        assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
        assert_true(log_has_file(f, spare));
        while (log_stat_segments(wal) == segment)
            assert_int_equal(log_write(wal, 1000, NG_DURABILITY_SYNC, &seq), NG_OK);
        assert_int_equal(calls, segment);
    }
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

/* The background flush makes the next segment's file, so that the writer that needs it has it. */
static void test_spare_is_made_ahead(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    ng_seq seq = 0;
    assert_int_equal(log_write(wal, 100, NG_DURABILITY_INTERVAL, &seq), NG_OK);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_false(log_has_file(f, "00000002.log"));
    for (int i = 0; i < 8; i++)
        assert_int_equal(log_write(wal, 5000, NG_DURABILITY_INTERVAL, &seq), NG_OK);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_true(log_has_file(f, "00000002.log"));
    assert_int_equal(log_stat_segments(wal), 1);
    unsigned calls = atomic_load(&f->disk.call_count);
    for (int i = 0; i < 8; i++) /* over the end of the first */
        assert_int_equal(log_write(wal, 5000, NG_DURABILITY_INTERVAL, &seq), NG_OK);
    assert_int_equal(atomic_load(&f->disk.call_count), calls); /* without a call of the writer */
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_int_equal(log_stat_segments(wal), 2);
    assert_int_equal(ngi_wal_durable(wal), seq);

    /* It is removed at the end, and means nothing when a crash leaves it behind. */
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_true(log_has_file(f, "00000003.log"));
    log_abandon(wal);
    assert_true(log_has_file(f, "00000003.log"));
    f->read_only = true;
    log_expect(f, seq);
    f->read_only = false;
    wal = log_must_open(f);
    assert_int_equal(log_stat_segments(wal), 2);
    log_fill(wal, seq + 100);
    assert_true(log_stat_segments(wal) >= 3);
    log_fill(wal, seq + 141);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    uint64_t segments = log_stat_segments(wal);
    char spare[32];
    snprintf(spare, sizeof spare, "%08llu.log", (unsigned long long)segments + 1);
    assert_true(log_has_file(f, spare));
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    assert_false(log_has_file(f, spare));
    log_expect(f, seq + 141);
}

static void test_spare_that_cannot_be_made(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    log_open_box(f);
    ngi_wal_set_blackbox(wal, f->box);
    ng_seq seq = 0;
    for (int i = 0; i < 9; i++)
        assert_int_equal(log_write(wal, 5000, NG_DURABILITY_INTERVAL, &seq), NG_OK);
    f->disk.is_full = true;
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK); /* nobody needs it yet */
    assert_false(log_has_file(f, "00000002.log"));
    assert_int_equal(log_event_count(f, "disk full"), 0);
    unsigned calls = atomic_load(&f->disk.call_count);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_int_equal(atomic_load(&f->disk.call_count), calls); /* it is not tried all the time */
    while (log_write(wal, 5000, NG_DURABILITY_INTERVAL, &seq) == NG_OK)
        assert_true(seq < 20);
    assert_int_equal(log_write(wal, 5000, NG_DURABILITY_SYNC, &seq), NG_E_DISK_FULL);
    assert_int_equal(log_event_count(f, "disk full"), 1); /* once, until it works again */
    assert_false(log_has_file(f, "00000002.log"));
    ng_seq newest = ngi_wal_applied(wal);
    assert_int_equal(ngi_wal_wait(wal, newest), NG_OK); /* what was applied has its space */
    f->disk.is_full = false;
    assert_int_equal(log_write(wal, 5000, NG_DURABILITY_SYNC, &seq), NG_OK);
    assert_int_equal(seq, newest + 1);
    assert_int_equal(log_stat_segments(wal), 2);
    f->disk.is_full = true;
    while (log_write(wal, 5000, NG_DURABILITY_SYNC, &seq) == NG_OK)
        assert_true(seq < 50);
    assert_int_equal(log_event_count(f, "disk full"), 2);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

/* After reopening nothing is allocated: the first write is told that the disk is full. */
static void test_disk_full_at_the_first_write(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    log_fill(wal, 3);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    f->disk.is_full = true;
    wal = log_must_open(f);
    ng_seq seq = 0;
    assert_int_equal(log_write(wal, 100, NG_DURABILITY_SYNC, &seq), NG_E_DISK_FULL);
    assert_int_equal(log_write(wal, 2 * LOG_SEGMENT, NG_DURABILITY_SYNC, &seq), NG_E_DISK_FULL);
    assert_false(ngi_wal_is_latched(wal));
    f->disk.is_full = false;
    assert_int_equal(log_write(wal, 2 * LOG_SEGMENT, NG_DURABILITY_SYNC, &seq), NG_OK);
    assert_int_equal(log_write(wal, 100, NG_DURABILITY_SYNC, &seq), NG_OK);
    assert_int_equal(seq, 5);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, 5);
}

/* Less than a segment is left: ops are written while they fit, and a refused one takes nothing. */
static void test_disk_that_is_nearly_full(void **state)
{
    log_fixture *f = *state;
    f->disk.has_bytes = LOG_SEGMENT / 2;
    ngi_wal *wal = log_must_open(f);
    ng_seq seq = 0;
    while (log_write(wal, 1000, NG_DURABILITY_SYNC, &seq) == NG_OK)
        assert_true(seq < LOG_SEGMENT / 2 / 1000);
    assert_true(seq > LOG_SEGMENT / 2 / 1000 - 4);
    assert_int_equal(log_stat_segments(wal), 1);
    assert_false(ngi_wal_is_latched(wal));
    struct stat file;
    char path[128];
    log_path(f, "00000001.log", path);
    assert_int_equal(stat(path, &file), 0);
    assert_true((uint64_t)file.st_size < LOG_SEGMENT / 2);
    assert_int_equal(log_write(wal, 100, NG_DURABILITY_SYNC, &seq), NG_OK); /* fits behind */
    ng_seq newest = seq;
    assert_int_equal(log_write(wal, 5000, NG_DURABILITY_SYNC, &seq), NG_E_DISK_FULL);
    f->disk.has_bytes = 0;
    assert_int_equal(log_write(wal, 5000, NG_DURABILITY_SYNC, &seq), NG_OK);
    assert_int_equal(seq, newest + 1);
    assert_int_equal(log_stat_segments(wal), 1);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, seq);
}

/* Reading, and freeing space by deleting what is not needed, begins with opening. */
static void test_full_disk_opens_and_closes(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    log_fill(wal, 3);
    f->disk.is_stuffed = true; /* no room for MANIFEST.new */
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    wal = log_must_open(f); /* nor in LOCK */
    assert_int_equal(ngi_wal_applied(wal), 3);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    f->disk.is_stuffed = false;
    log_expect(f, 3);
}

/* A spare that is too small for an op is enlarged. */
static void test_spare_is_enlarged(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    ng_seq seq = 0;
    for (int i = 0; i < 9; i++)
        assert_int_equal(log_write(wal, 5000, NG_DURABILITY_SYNC, &seq), NG_OK);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_true(log_has_file(f, "00000002.log"));
    assert_int_equal(log_write(wal, 1000, NG_DURABILITY_NONE, &seq), NG_OK); /* goes out first */
    assert_int_equal(log_write(wal, 3 * LOG_SEGMENT, NG_DURABILITY_SYNC, &seq), NG_OK);
    assert_int_equal(log_stat_segments(wal), 2);
    assert_int_equal(log_file_bytes(f, "00000002.log"), 64 + 40 + 3 * LOG_SEGMENT);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, 11);
}

static void test_limits_of_an_op(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    ngi_wal_lock(wal);
    assert_int_equal(ngi_wal_make_room(wal, ((size_t)80 << 20) + 1), NG_E_LIMIT);
    assert_non_null(strstr(ng_last_error(), "83886080"));
    ngi_wal_unlock(wal);
    ng_seq seq = 0;
    assert_int_equal(log_write(wal, (size_t)80 << 20, NG_DURABILITY_SYNC, &seq), NG_OK);
    assert_int_equal(ngi_wal_wait(wal, 2), NG_E_INVALID);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, 1);
}

static void test_wait_change(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    assert_int_equal(ngi_wal_wait_change(wal, 0, 0), 0);
    assert_int_equal(ngi_wal_wait_change(wal, 0, 1), 0);
    log_fill(wal, 1);
    assert_int_equal(ngi_wal_wait_change(wal, 0, 60000), 1);
    log_append(wal, 100);
    assert_int_equal(ngi_wal_wait_change(wal, 1, 1), 1); /* applied, not durable */
    ngi_wal_wake_all(wal);
    assert_int_equal(ngi_wal_wait_change(wal, 1, 60000), 1);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

typedef struct watcher {
    ngi_wal *wal;
    ng_seq seen;
} watcher;

static void *watch(void *context)
{
    watcher *w = context;
    while (w->seen < 200) {
        ng_seq seq = ngi_wal_wait_change(w->wal, w->seen, 60000);
        if (seq <= w->seen)
            break; /* latched or woken */
        w->seen = seq;
    }
    return NULL;
}

static void test_watchers_follow_a_writer(void **state)
{
    log_fixture *f = *state;
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        ngi_wal *wal = NULL;
        ngi_thread threads[3];
        watcher watchers[3] = {0};
        const ngi_wal_options options = {.segment_bytes = LOG_SEGMENT,
                                         .durability = NG_DURABILITY_SYNC};
        if (in_memory) {
            assert_int_equal(ngi_wal_open(&f->disk.os, &f->memory.mem, &options, &f->manifest,
                                          &wal),
                             NG_OK);
            assert_int_equal(ngi_wal_recover(wal, 0, 0, log_replay, f), NG_OK);
        } else {
            wal = log_must_open(f);
        }
        for (int i = 0; i < 3; i++) {
            watchers[i].wal = wal;
            assert_int_equal(ngi_thread_start(&threads[i], watch, &watchers[i]), NG_OK);
        }
        for (int i = 0; i < 200; i++)
            assert_int_equal(ngi_wal_wait(wal, log_append(wal, 64)), NG_OK);
        for (int i = 0; i < 3; i++) {
            ngi_thread_join(&threads[i]);
            assert_int_equal(watchers[i].seen, 200);
        }
        assert_int_equal(ngi_wal_close(wal), NG_OK);
    }
}

static void test_watchers_are_let_go(void **state)
{
    log_fixture *f = *state;
    for (int how = 0; how < 2; how++) {
        ngi_wal *wal = log_must_open(f);
        ngi_thread thread;
        watcher w = {.wal = wal, .seen = ngi_wal_durable(wal)};
        assert_int_equal(ngi_thread_start(&thread, watch, &w), NG_OK);
        if (how == 0)
            ngi_wal_wake_all(wal);
        else
            ngi_wal_latch(wal, NG_E_INTERNAL, "told by the test");
        ngi_thread_join(&thread);
        assert_int_equal(ngi_wal_close(wal), how == 0 ? NG_OK : NG_E_LATCHED);
    }
}

static void test_latch(void **state)
{
    log_fixture *f = *state;
    log_open_box(f);
    ngi_wal *wal = log_must_open(f);
    unsigned calls = 0;
    ng_seq seq = 0;
    ngi_wal_on_latch(wal, count_call, &calls);
    log_append(wal, 100);
    ngi_wal_lock(wal); /* as from apply */
    ngi_wal_latch(wal, NG_E_INTERNAL, "label of slot 7 is gone");
    ngi_wal_unlock(wal);
    ngi_wal_latch(wal, NG_E_INTERNAL, "something else");
    assert_int_equal(calls, 1);
    assert_int_equal(log_event_count(f, "latched"), 1);
    assert_int_equal(ngi_wal_wait(wal, 1), NG_E_LATCHED);
    assert_non_null(strstr(ng_last_error(), "label of slot 7 is gone"));
    assert_non_null(strstr(ng_last_error(), "invariant"));
    assert_non_null(strstr(ng_last_error(), "reopen"));
    assert_int_equal(ngi_wal_flush(wal, true), NG_E_LATCHED);
    assert_int_equal(log_write(wal, 8, NG_DURABILITY_NONE, &seq), NG_E_LATCHED);
    uint64_t segments;
    uint64_t bytes;
    assert_int_equal(ngi_wal_retire(wal, 0, 0, 0, 0, &segments, &bytes), NG_E_LATCHED);
    assert_int_equal(ngi_wal_close(wal), NG_E_LATCHED);
}

static void *wait_for_two(void *context)
{
    ngi_wal *wal = context;
    return ngi_wal_wait(wal, 2) == NG_E_LATCHED ? context : NULL;
}

/* A failed sync reaches every waiter, in the group that failed and in the one behind it. */
static void test_failed_sync_reaches_all(void **state)
{
    log_fixture *f = *state;
    log_open_box(f);
    ngi_wal *wal = log_must_open(f);
    ngi_thread threads[4];
    log_append(wal, 100);
    log_append(wal, 100);
    log_disk_plan(&f->disk, 1, true, NG_E_IO);
    for (int i = 0; i < 4; i++)
        assert_int_equal(ngi_thread_start(&threads[i], wait_for_two, wal), NG_OK);
    for (int i = 0; i < 4; i++)
        ngi_thread_join(&threads[i]);
    assert_true(ngi_wal_is_latched(wal));
    assert_int_equal(ngi_wal_wait(wal, 2), NG_E_LATCHED);
    assert_non_null(strstr(ng_last_error(), "after a failed write: refused by the test"));
    assert_int_equal(log_event_count(f, "latched"), 1);
    assert_int_equal(ngi_wal_close(wal), NG_E_LATCHED);
    log_disk_plan(&f->disk, 0, false, NG_OK);
    log_expect(f, 0);
}

static void test_slow_sync_is_noted(void **state)
{
    log_fixture *f = *state;
    log_open_box(f);
    ngi_wal *wal = log_must_open(f);
    f->disk.sync_ns = 900000000;
    log_fill(wal, 1);
    assert_int_equal(log_event_count(f, "slow sync"), 0);
    f->disk.sync_ns = 2500000000;
    log_fill(wal, 2);
    assert_int_equal(log_event_count(f, "slow sync"), 1);
    assert_int_equal(log_event_count(f, "segment"), 1);
    ng_seq durable;
    assert_int_equal(ngi_blackbox_durable(ngi_os_system(), f->path, &durable), NG_OK);
    assert_int_equal(durable, 2);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_stamped_ops(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    uint64_t words[3];
    ngi_op out;
    for (ng_seq seq = 1; seq <= 3; seq++) {
        ngi_put_u64((uint8_t *)words, log_value(seq));
        words[1] = words[2] = 0;
        const ngi_op from = {.seq = seq,
                             .time_us = 1000 * seq,
                             .body = (const uint8_t *)words,
                             .body_bytes = seq == 2 ? 17 : 24,
                             .actor = 9,
                             .kind = LOG_KIND};
        ngi_wal_lock(wal);
        assert_int_equal(ngi_wal_make_room(wal, from.body_bytes), NG_OK);
        ngi_wal_commit_stamped(wal, &from, &out);
        assert_int_equal(ngi_wal_applied_time(wal), 1000 * seq);
        assert_int_equal(ngi_wal_unlock_and_acknowledge(wal, seq, NG_DURABILITY_NONE), NG_OK);
        assert_int_equal(out.seq, seq);
        assert_ptr_not_equal(out.body, from.body);
        assert_int_equal(out.actor, 9);
    }
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    wal = log_must_open(f);
    assert_int_equal(f->replayed_last, 3);
    ngi_wal_lock(wal);
    assert_int_equal(ngi_wal_applied_time(wal), 3000);
    ngi_wal_unlock(wal);
    log_fill(wal, 4); /* the own clock goes on behind it */
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_begin_after(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    assert_int_equal(ngi_wal_begin_after(wal, 41, 5000), NG_OK);
    assert_int_equal(ngi_wal_first_seq(wal), 42);
    assert_int_equal(ngi_wal_durable(wal), 41);
    assert_int_equal(ngi_wal_begin_after(wal, 50, 5000), NG_E_INVALID);
    assert_non_null(strstr(ng_last_error(), "41"));
    log_fill(wal, 42);
    assert_int_equal(ngi_wal_first_seq(wal), 42);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    ngi_wal *lost;
    assert_int_equal(log_open(f, &lost), NG_E_CORRUPT); /* ops 1..41 are nowhere */
    assert_non_null(strstr(ng_last_error(), "begins at op 42, but op 1 is needed"));
    f->snapshot_seq = 41;
    log_expect(f, 42);
}

typedef struct writer {
    ngi_wal *wal;
    uint64_t seed;
    unsigned count;
    ng_seq last;
} writer;

static void *write_many(void *context)
{
    writer *w = context;
    for (unsigned i = 0; i < w->count; i++) {
        size_t bytes = 8 + testing_below(&w->seed, testing_below(&w->seed, 50) == 0 ? 40000 : 900);
        ng_durability durability = (ng_durability)(1 + testing_below(&w->seed, 3));
        if (log_write(w->wal, bytes, durability, &w->last) != NG_OK)
            return context;
        if (durability == NG_DURABILITY_SYNC && ngi_wal_durable(w->wal) < w->last)
            return context;
    }
    return NULL;
}

typedef struct helper_threads {
    ngi_wal *wal;
    atomic_bool stop;
} helper_threads;

static void *flush_often(void *context)
{
    helper_threads *h = context;
    while (!atomic_load(&h->stop))
        if (ngi_wal_flush(h->wal, false) != NG_OK)
            return context;
    return NULL;
}

static void *look_often(void *context)
{
    helper_threads *h = context;
    while (!atomic_load(&h->stop)) {
        uint64_t ops;
        uint64_t bytes;
        ngi_wal_stats stats;
        ng_seq before = ngi_wal_durable(h->wal);
        if (ngi_wal_verify(h->wal, &ops, &bytes) != NG_OK || ops < before)
            return context;
        ngi_wal_stats_get(h->wal, &stats);
        ngi_wal_lock(h->wal); /* does not wait for those who write on */
        ng_seq newest = ngi_wal_applied(h->wal);
        if (ngi_wal_drain(h->wal) != NG_OK || ngi_wal_durable(h->wal) < newest)
            return context;
        ngi_wal_unlock(h->wal);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    uint64_t seed = testing_seed("test_many_threads");
    helper_threads helpers = {.wal = wal};
    void *(*const run[2])(void *) = {flush_often, look_often};
    ngi_thread helper[2];
    ngi_thread threads[8];
    writer writers[8];
    for (int i = 0; i < 2; i++)
        assert_int_equal(ngi_thread_start(&helper[i], run[i], &helpers), NG_OK);
    for (unsigned i = 0; i < 8; i++) {
        writers[i] = (writer){.wal = wal, .seed = seed + i, .count = 250};
        assert_int_equal(ngi_thread_start(&threads[i], write_many, &writers[i]), NG_OK);
    }
    for (int i = 0; i < 8; i++)
        ngi_thread_join(&threads[i]);
    atomic_store(&helpers.stop, true);
    for (int i = 0; i < 2; i++)
        ngi_thread_join(&helper[i]);
    assert_false(ngi_wal_is_latched(wal));
    assert_int_equal(ngi_wal_applied(wal), 2000);
    assert_true(log_stat_segments(wal) > 10);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, 2000);
}

/* A drain waits for what was appended before it, also when the sync of that takes long and others
 * append in the meantime. */
static void *drain(void *context)
{
    ngi_wal *wal = context;
    ngi_wal_lock(wal);
    ng_seq newest = ngi_wal_applied(wal);
    ng_status status = ngi_wal_drain(wal);
    bool ok = status == NG_OK && ngi_wal_durable(wal) >= newest;
    ngi_wal_unlock(wal);
    return ok ? context : NULL;
}

static void test_writers_go_on_during_a_sync(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    ngi_thread thread;
    log_fill(wal, 1);
    ngi_mutex_lock(&f->disk.held);
    log_append(wal, 100);
    assert_int_equal(ngi_thread_start(&thread, drain, wal), NG_OK);
    ng_seq seq = 0;
    for (int i = 0; i < 20; i++)
        assert_int_equal(log_write(wal, 100, NG_DURABILITY_INTERVAL, &seq), NG_OK);
    assert_int_equal(ngi_wal_durable(wal), 1);
    ngi_mutex_unlock(&f->disk.held);
    ngi_thread_join(&thread);
    assert_true(ngi_wal_durable(wal) >= 2);
    assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
    assert_int_equal(ngi_wal_durable(wal), seq);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, log_set_up, log_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_modes),
        T(test_default_of_the_store),
        T(test_written_is_not_lost_with_the_process),
        T(test_a_full_segment_is_synced),
        T(test_close_makes_all_durable),
        T(test_pressure),
        T(test_spare_for_writers_that_sync),
        T(test_spare_is_made_ahead),
        T(test_spare_that_cannot_be_made),
        T(test_disk_full_at_the_first_write),
        T(test_disk_that_is_nearly_full),
        T(test_full_disk_opens_and_closes),
        T(test_spare_is_enlarged),
        T(test_limits_of_an_op),
        T(test_wait_change),
        T(test_watchers_follow_a_writer),
        T(test_watchers_are_let_go),
        T(test_latch),
        T(test_failed_sync_reaches_all),
        T(test_slow_sync_is_noted),
        T(test_stamped_ops),
        T(test_begin_after),
        T(test_many_threads),
        T(test_writers_go_on_during_a_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
