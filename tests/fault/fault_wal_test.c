/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The log alone through power failures: sessions of writes of all durabilities, flushes and removals
 * of segments, each cut off at any call of the system, opened again by a writer, a reader and a
 * cursor. Without a store above it a history costs little, so many are tried.
 *
 * After each opening: every op that was acknowledged as durable is there, with the body it was
 * written with, none is missing in between, and none is there that was never written.
 *
 * NG_TEST_SEED is the seed of the first history, which a failure prints; NG_TEST_HISTORIES (300) says
 * how many follow. */
#include "base/base_limits.h"
#include "sim_disk.h"
#include "test_random.h"
#include "wal/wal_cursor.h"
#include "wal/wal_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LOG_PATH "/sim/log"
#define LOG_UUID "0123456789abcde"
#define LOG_KIND 7
#define LOG_BODY_BYTES 20008u /* at most */
#define FILES_MAX 64

/** What histories met, so that a test that meets nothing fails. */
typedef struct wal_seen {
    uint64_t recoveries, readers, tails_cut, ops_lost, rotations, retired, refused, kills,
        durable_ops;
} wal_seen;

typedef struct wal_history {
    uint64_t seed;
    test_random random;
    sim_disk *disk;
    ngi_mem mem;
    ngi_manifest manifest; /* as the last opening gave it */
    ng_seq replayed_last;  /* by the last opening */
    ng_seq kept;           /* newest op that must be there */
    ng_seq newest;         /* newest op that may be there */
    bool is_made;          /* an opening has succeeded */
    wal_seen *seen;
} wal_history;

/* --- failing --------------------------------------------------------------------------------- */

/* Which ops stand where: all there is to know about a history that failed. */
static void print_segment(const uint8_t *data, size_t bytes)
{
    wal_home home = {0};
    wal_frame frame;
    ngi_wal_home_init(&home, NULL, NULL, (const uint8_t *)LOG_UUID);
    for (size_t at = WAL_SEGMENT_HEADER; at + 8 <= bytes; at += 8) {
        if (!ngi_wal_frame_decode(home.salt, data + at, bytes - at, &frame))
            continue;
        print_error(" %llu@%zu", (unsigned long long)frame.op.seq, at);
        at += frame.bytes - 8;
    }
}

static void print_disk(sim_disk *disk)
{
    static char paths[FILES_MAX][SIM_PATH_BYTES];
    size_t count = sim_disk_files(disk, paths, FILES_MAX);
    for (size_t i = 0; i < count && i < FILES_MAX; i++) {
        size_t bytes = 0;
        uint8_t *data = sim_disk_file_copy(disk, paths[i], &bytes);
        print_error("%s %zu", paths[i], bytes);
        if (strstr(paths[i], ".log") != NULL)
            print_segment(data, bytes);
        print_error("\n");
        free(data);
    }
}

#define FAIL(history, ...)                                                                         \
    do {                                                                                           \
        print_error("%s\n", ng_last_error());                                                      \
        print_disk((history)->disk);                                                               \
        print_error("to repeat it: NG_TEST_HISTORIES=1 NG_TEST_SEED=%llu\n",                       \
                    (unsigned long long)(history)->seed);                                          \
        fail_msg(__VA_ARGS__);                                                                     \
    } while (0)

/* --- ops ------------------------------------------------------------------------------------- */

/* The body of op `seq` is made of numbers that follow from `seq`, so nothing of another op, and no
 * part of its own, can stand in for it. */
static void body_fill(uint8_t *body, size_t bytes, ng_seq seq)
{
    test_random numbers = {seq};
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t number = test_random_next(&numbers);
        memcpy(body + i, &number, bytes - i < 8 ? bytes - i : 8);
    }
}

static bool body_is_right(const ngi_op *op)
{
    static uint8_t wanted[LOG_BODY_BYTES];
    if (op->kind != LOG_KIND || op->body_bytes > sizeof wanted)
        return false;
    body_fill(wanted, op->body_bytes, op->seq);
    return memcmp(op->body, wanted, op->body_bytes) == 0;
}

static ng_status replay(void *context, const ngi_op *op)
{
    wal_history *history = context;
    if (!body_is_right(op))
        FAIL(history, "op %llu is not what was written", (unsigned long long)op->seq);
    if (op->seq != history->replayed_last + 1)
        FAIL(history, "op %llu comes after %llu", (unsigned long long)op->seq,
             (unsigned long long)history->replayed_last);
    history->replayed_last = op->seq;
    return NG_OK;
}

static ng_status log_open(wal_history *history, bool read_only, ngi_wal **out)
{
    const ngi_wal_options options = {.path = LOG_PATH,
                                     .segment_bytes = NGI_SEGMENT_BYTES_MIN,
                                     .durability = NG_DURABILITY_SYNC,
                                     .read_only = read_only,
                                     .must_exist = read_only};
    history->manifest = (ngi_manifest){.format_version = NGI_FORMAT_VERSION, .uuid = LOG_UUID};
    ngi_encoding_default(&history->manifest.encoding);
    ng_status status =
        ngi_wal_open(sim_disk_os(history->disk), &history->mem, &options, &history->manifest, out);
    if (status != NG_OK)
        return status;
    history->replayed_last = history->manifest.snapshot_seq;
    status = ngi_wal_recover(*out, history->manifest.snapshot_seq, 0, replay, history);
    if (status != NG_OK) {
        char message[512];
        snprintf(message, sizeof message, "%s", ng_last_error());
        (void)ngi_wal_close(*out);
        ngi_error_set(message);
        return status;
    }
    if (ngi_wal_applied(*out) != history->replayed_last)
        FAIL(history, "op %llu is the newest, but %llu was replayed last",
             (unsigned long long)ngi_wal_applied(*out), (unsigned long long)history->replayed_last);
    if (history->replayed_last < history->kept || history->replayed_last > history->newest)
        FAIL(history, "the log ends at op %llu, not in %llu to %llu",
             (unsigned long long)history->replayed_last, (unsigned long long)history->kept,
             (unsigned long long)history->newest);
    return NG_OK;
}

/* --- reading --------------------------------------------------------------------------------- */

/* A cursor gives the very ops that recovery gave. */
static void cursor_look(wal_history *history, ng_seq end)
{
    ngi_wal_cursor *cursor;
    ng_seq at = history->manifest.snapshot_seq;
    bool found = true;
    if (ngi_wal_cursor_open(sim_disk_os(history->disk), &history->mem, LOG_PATH, &history->manifest,
                            at, &cursor) != NG_OK)
        FAIL(history, "no cursor behind op %llu", (unsigned long long)at);
    while (found) {
        ngi_op op;
        const uint8_t *frame;
        size_t frame_bytes;
        if (ngi_wal_cursor_next(cursor, end, &op, &frame, &frame_bytes, &found) != NG_OK)
            FAIL(history, "the cursor fails behind op %llu", (unsigned long long)at);
        if (found && (op.seq != at + 1 || !body_is_right(&op)))
            FAIL(history, "the cursor gives a wrong op %llu behind %llu",
                 (unsigned long long)op.seq, (unsigned long long)at);
        at += found;
    }
    ngi_wal_cursor_close(cursor);
    if (at < end)
        FAIL(history, "the cursor ends at op %llu of %llu", (unsigned long long)at,
             (unsigned long long)end);
}

/* What another process sees that only reads, before anybody has mended anything. */
static void reader_look(wal_history *history)
{
    ngi_wal *wal;
    if (log_open(history, true, &wal) != NG_OK) {
        if (history->kept > 0)
            FAIL(history, "the log does not open for reading");
        return;
    }
    ng_seq end = ngi_wal_applied(wal), durable = 0;
    if (ngi_wal_known_durable(sim_disk_os(history->disk), &history->mem, LOG_PATH,
                              &history->manifest, &durable) != NG_OK)
        FAIL(history, "how far the log is durable cannot be known");
    if (durable > end)
        FAIL(history, "op %llu is said to be durable, but the log ends at %llu",
             (unsigned long long)durable, (unsigned long long)end);
    history->seen->durable_ops += durable;
    cursor_look(history, end);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    history->seen->readers++;
}

/* --- writing --------------------------------------------------------------------------------- */

static void note_kept(wal_history *history, ng_seq seq)
{
    if (seq > history->kept)
        history->kept = seq;
}

static ng_status write_one(wal_history *history, ngi_wal *wal, size_t bytes,
                           ng_durability durability)
{
    ngi_op op;
    ngi_wal_lock(wal);
    ng_status status = ngi_wal_make_room(wal, bytes);
    if (status != NG_OK) {
        ngi_wal_unlock(wal);
        return status;
    }
    body_fill(ngi_wal_body(wal), bytes, ngi_wal_applied(wal) + 1);
    ngi_wal_commit(wal, LOG_KIND, 0, bytes, &op);
    history->newest = op.seq;
    status = ngi_wal_unlock_and_acknowledge(wal, op.seq, durability);
    if (status == NG_OK && durability == NG_DURABILITY_SYNC)
        note_kept(history, op.seq);
    return status;
}

/* As after a checkpoint; `*before` is the snapshot before this one. */
static void retire(wal_history *history, ngi_wal *wal, ng_seq *before)
{
    uint64_t segments = 0, bytes = 0;
    ng_seq snapshot_seq = ngi_wal_durable(wal);
    ng_seq keep_after = test_random_chance(&history->random, 50) ? snapshot_seq : *before;
    if (ngi_wal_retire(wal, snapshot_seq, keep_after, 0, 0, &segments, &bytes) == NG_OK)
        *before = snapshot_seq;
    history->seen->retired += segments;
}

/* Until the machine stops, or for up to 250 steps. */
static ng_status write_many(wal_history *history, ngi_wal *wal)
{
    test_random *random = &history->random;
    ng_status status = NG_OK;
    uint64_t steps = test_random_below(random, 250);
    size_t bytes_max = test_random_chance(random, 25) ? LOG_BODY_BYTES - 8 : 2500;
    uint64_t mode = test_random_below(random, 5); /* 3 and 4: each op as it likes */
    ng_seq snapshot_seq = history->manifest.snapshot_seq;
    for (uint64_t i = 0; i < steps && status == NG_OK; i++) {
        uint64_t durability = NG_DURABILITY_SYNC + (mode < 3 ? mode : test_random_below(random, 3));
        status = write_one(history, wal, 8 + test_random_below(random, bytes_max),
                           (ng_durability)durability);
        if (status == NG_OK && test_random_chance(random, 12))
            status = ngi_wal_flush(wal, test_random_chance(random, 20));
        if (status == NG_OK && test_random_chance(random, 3))
            retire(history, wal, &snapshot_seq);
        note_kept(history, ngi_wal_durable(wal));
    }
    if (status != NG_OK)
        return status;
    uint64_t ops, bytes;
    return ngi_wal_verify(wal, &ops, &bytes);
}

/* --- histories ------------------------------------------------------------------------------- */

/* The writer's process ends: cleanly, if it can, or it is killed. */
static void session_end(wal_history *history, ngi_wal *wal, bool cleanly)
{
    if (cleanly) {
        if (ngi_wal_close(wal) == NG_OK)
            history->kept = history->newest;
        return;
    }
    if (!ngi_wal_is_latched(wal))
        ngi_wal_latch(wal, NG_E_IO, "killed by the test");
    assert_int_equal(ngi_wal_close(wal), NG_E_LATCHED);
}

/* One process: it opens the log, writes and ends. In the last one nothing fails. */
static void session_play(wal_history *history, bool is_last)
{
    test_random *random = &history->random;
    ngi_wal *wal;
    bool stops_early = !is_last && test_random_chance(random, 40);
    if (history->is_made && test_random_chance(random, 50))
        reader_look(history);
    if (stops_early)
        sim_disk_stop_at(history->disk, 1 + test_random_below(random, 30));
    if (log_open(history, false, &wal) != NG_OK) {
        if (!stops_early)
            FAIL(history, "the log does not open");
        history->seen->refused++;
        return;
    }
    ngi_wal_stats stats;
    ngi_wal_stats_get(wal, &stats);
    history->is_made = true;
    history->seen->recoveries++;
    history->seen->tails_cut += stats.recovered_bytes_cut > 0;
    history->seen->ops_lost += history->newest - ngi_wal_applied(wal);
    history->kept = history->newest = ngi_wal_applied(wal);
    if (!is_last && (!stops_early || test_random_chance(random, 70)))
        sim_disk_stop_at(history->disk,
                         1 + test_random_below(random, test_random_chance(random, 50) ? 40 : 300));
    ng_status status = write_many(history, wal);
    if (status != NG_OK && !sim_disk_is_stopped(history->disk))
        FAIL(history, "the log fails by itself");
    ngi_wal_stats_get(wal, &stats);
    history->seen->rotations += stats.segment_count > 1;
    session_end(history, wal, is_last || test_random_chance(random, 50));
}

/* Power fails; or only the process died, and the next one finds what was not synced as well. */
static void history_crash(wal_history *history)
{
    if (test_random_chance(&history->random, 25)) {
        sim_disk_fail(history->disk, NULL);
        history->seen->kills++;
        return;
    }
    sim_disk *next = sim_disk_crash(history->disk, test_random_next(&history->random));
    sim_disk_destroy(history->disk);
    history->disk = next;
}

static void history_play(uint64_t seed, wal_seen *seen)
{
    wal_history history = {.seed = seed, .random = {seed}, .seen = seen};
    ngi_mem_init(&history.mem, 0);
    history.disk = sim_disk_create(test_random_next(&history.random));
    uint64_t failures = 1 + test_random_below(&history.random, 6);
    for (uint64_t i = 0; i < failures; i++) {
        session_play(&history, false);
        history_crash(&history);
    }
    session_play(&history, true);
    reader_look(&history);
    assert_int_equal(history.kept, history.newest);
    if (atomic_load(&history.mem.used_bytes) != 0)
        FAIL(&history, "memory is left");
    assert_int_equal(sim_disk_open_count(history.disk), 0);
    sim_disk_destroy(history.disk);
}

static void test_histories(void **state)
{
    (void)state;
    wal_seen seen = {0};
    uint64_t seed = test_environment("NG_TEST_SEED", 1);
    uint64_t count = test_environment("NG_TEST_HISTORIES", 300);
    print_message("NG_TEST_SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < count; i++)
        history_play(seed + i, &seen);
    print_message("%llu recoveries, %llu readers, %llu openings cut off, %llu kills; torn tails "
                  "%llu, ops lost %llu; with several segments %llu, segments retired %llu\n",
                  (unsigned long long)seen.recoveries, (unsigned long long)seen.readers,
                  (unsigned long long)seen.refused, (unsigned long long)seen.kills,
                  (unsigned long long)seen.tails_cut, (unsigned long long)seen.ops_lost,
                  (unsigned long long)seen.rotations, (unsigned long long)seen.retired);
    if (count < 300)
        return;
    assert_true(seen.recoveries > count && seen.readers > count && seen.durable_ops > count);
    assert_true(seen.refused > 50 && seen.kills > 50 && seen.tails_cut > 50);
    assert_true(seen.ops_lost > 500 && seen.rotations > 50 && seen.retired > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_histories)};
    return cmocka_run_group_tests_name("the log through power failures", tests, NULL, NULL);
}
