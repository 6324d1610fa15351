/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* When a store syncs and checkpoints on its own, with a clock that the test sets. */
#include "store/store_snapshot_testing.h"

typedef struct clock_os {
    ngi_os os;
    uint64_t now_us;
    bool is_refused;  /* files cannot be renamed */
    uint64_t sync_us; /* how long a sync takes */
} clock_os;

static uint64_t clock_us(ngi_os *os)
{
    return ((clock_os *)os->context)->now_us;
}

static uint64_t clock_monotonic_ns(ngi_os *os)
{
    return ((clock_os *)os->context)->now_us * 1000;
}

static ng_status clock_rename(ngi_os *os, const char *from, const char *to)
{
    if (((clock_os *)os->context)->is_refused)
        return ngi_fail(NG_E_IO, "refused by the test");
    return ngi_os_system()->rename(os, from, to);
}

static ng_status clock_sync(ngi_os *os, ngi_file file)
{
    (void)file;
    clock_os *clock = os->context;
    clock->now_us += clock->sync_us;
    return NG_OK;
}

static void clock_init(clock_os *clock)
{
    *clock = (clock_os){.os = *ngi_os_system(), .now_us = UINT64_C(1700000000000000)};
    clock->os.context = clock;
    clock->os.clock_us = clock_us;
    clock->os.monotonic_ns = clock_monotonic_ns;
    clock->os.rename = clock_rename;
    clock->os.file_sync = clock_sync;
}

static void clock_pass(clock_os *clock, uint64_t seconds)
{
    clock->now_us += seconds * 1000000;
}

static ng_store *open_flags(fixture *f, clock_os *clock, uint32_t flags, ng_durability durability,
                            uint64_t bytes, uint64_t seconds)
{
    ng_store *store;
    const ng_open_options options = {.struct_size = sizeof options,
                                     .flags = NG_OPEN_MANUAL | flags,
                                     .durability = durability,
                                     .interval_ms = 500,
                                     .segment_bytes = NGI_SEGMENT_BYTES_MIN,
                                     .checkpoint_bytes = bytes,
                                     .checkpoint_seconds = seconds};
    ng_status status = ngi_store_open(&clock->os, &f->memory.mem, f->directory, &options, &store);
    if (status != NG_OK)
        fail_msg("open: %s", ng_last_error());
    return store;
}

static ng_store *open_manual(fixture *f, clock_os *clock, ng_durability durability, uint64_t bytes,
                             uint64_t seconds)
{
    return open_flags(f, clock, 0, durability, bytes, seconds);
}

static void expect_snapshot(ng_store *store, ng_seq seq)
{
    assert_int_equal(ngi_store_tick(store, 0, NULL), NG_OK);
    assert_int_equal(store->upkeep.snapshot_seq, seq);
}

/* Log of any size, once it is old enough, whatever the durability of what is in it. */
static void test_due_by_age(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    clock_os clock;
    clock_init(&clock);
    static const ng_durability durabilities[] = {NG_DURABILITY_NONE, NG_DURABILITY_INTERVAL,
                                                 NG_DURABILITY_SYNC};
    for (size_t i = 0; i < sizeof durabilities / sizeof *durabilities; i++) {
        ng_durability durability = durabilities[i];
        ng_store *store = open_manual(f, &clock, durability, NG_NEVER, 60);
        ng_seq before = store->upkeep.snapshot_seq;
        put_tokens(store, &seed, 100u << (2 * i)); /* more than half of what is there */
        clock_pass(&clock, 59);
        expect_snapshot(store, before);
        clock_pass(&clock, 1);
        expect_snapshot(store, ngi_wal_applied(store->wal));
        assert_int_equal(ngi_wal_durable(store->wal), ngi_wal_applied(store->wal));
        clock_pass(&clock, 1000);
        expect_snapshot(store, ngi_wal_applied(store->wal)); /* of nothing new, none */
        assert_int_equal(store->upkeep.checkpoint_count, 1);
        assert_int_equal(ngi_store_close(store), NG_OK);
    }
}

/* Log of the size asked for, whatever its age; but not before it is half as large as the snapshot. */
static void test_due_by_size(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    clock_os clock;
    ngi_wal_stats log;
    clock_init(&clock);
    ng_store *store = open_manual(f, &clock, NG_DURABILITY_NONE, NGI_SEGMENT_BYTES_MIN, NG_NEVER);
    for (ng_seq last = 0; last == 0;) {
        ngi_wal_stats_get(store->wal, &log);
        bool is_due = log.bytes_since_snapshot >= NGI_SEGMENT_BYTES_MIN;
        expect_snapshot(store, is_due ? ngi_wal_applied(store->wal) : 0);
        last = store->upkeep.snapshot_seq;
        put_tokens(store, &seed, 64);
    }
    put_tokens(store, &seed, 6000);
    expect_snapshot(store, ngi_wal_applied(store->wal));
    ng_seq last = store->upkeep.snapshot_seq;
    uint64_t half = store->upkeep.snapshot_bytes / 2;
    assert_true(half > 2 * NGI_SEGMENT_BYTES_MIN);
    do {
        expect_snapshot(store, last);
        put_tokens(store, &seed, 64);
        ngi_wal_stats_get(store->wal, &log);
    } while (log.bytes_since_snapshot < half);
    expect_snapshot(store, ngi_wal_applied(store->wal));
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* A checkpoint that failed is tried again, but not at once. */
static void test_failed_one_is_tried_again(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    clock_os clock;
    clock_init(&clock);
    ng_store *store = open_manual(f, &clock, NG_DURABILITY_SYNC, NG_NEVER, 60);
    put_tokens(store, &seed, 10);
    clock_pass(&clock, 60);
    clock.is_refused = true;
    assert_int_equal(ngi_store_tick(store, 0, NULL), NG_E_IO);
    clock.is_refused = false;
    assert_int_equal(store->upkeep.checkpoint_failures, 1);
    clock_pass(&clock, 29);
    expect_snapshot(store, 0);
    clock_pass(&clock, 1);
    expect_snapshot(store, ngi_wal_applied(store->wal));
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* What opening had to replay counts, also when MANIFEST names a newer snapshot, which is damaged:
 * the next one replaces it although nothing was written. */
static void test_damaged_one_is_replaced(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    clock_os clock;
    char path[4352];
    clock_init(&clock);
    ng_store *store = open_manual(f, &clock, NG_DURABILITY_SYNC, NG_NEVER, 60);
    put_tokens(store, &seed, 100);
    clock_pass(&clock, 60);
    expect_snapshot(store, ngi_wal_applied(store->wal));
    ng_seq first = store->upkeep.snapshot_seq;
    put_tokens(store, &seed, 500);
    clock_pass(&clock, 60);
    expect_snapshot(store, ngi_wal_applied(store->wal));
    ng_seq second = store->upkeep.snapshot_seq;
    assert_int_equal(ngi_store_close(store), NG_OK);
    ngi_snapshot_path(f->directory, second, path, sizeof path);
    assert_int_equal(ngi_os_system()->remove(ngi_os_system(), path), NG_OK);
    store = open_manual(f, &clock, NG_DURABILITY_SYNC, NG_NEVER, 60);
    assert_int_equal(store->recovered_snapshot_seq, first);
    ngi_wal_stats log;
    ngi_wal_stats_get(store->wal, &log);
    assert_true(log.bytes_since_snapshot > 500 * 28);
    clock_pass(&clock, 59);
    expect_snapshot(store, first);
    clock_pass(&clock, 1);
    expect_snapshot(store, second);
    ngi_wal_stats_get(store->wal, &log);
    assert_int_equal(log.bytes_since_snapshot, 0);
    uint64_t hash = hash_of(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    store = open_manual(f, &clock, NG_DURABILITY_SYNC, NG_NEVER, NG_NEVER);
    assert_int_equal(store->recovered_snapshot_seq, second);
    assert_int_equal(hash_of(store), hash);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* Ops of interval durability are on disk when the interval is over, and not before it must be. */
static void test_interval(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    clock_os clock;
    clock_init(&clock);
    ng_store *store = open_manual(f, &clock, NG_DURABILITY_INTERVAL, NG_NEVER, NG_NEVER);
    for (int round = 0; round < 3; round++) {
        ng_seq before = ngi_wal_applied(store->wal);
        put_tokens(store, &seed, 1);
        clock.now_us += 499999;
        put_tokens(store, &seed, 1); /* counts from the first one */
        assert_int_equal(ngi_store_tick(store, 0, NULL), NG_OK);
        assert_int_equal(ngi_wal_durable(store->wal), before);
        clock.now_us += 1;
        assert_int_equal(ngi_store_tick(store, 0, NULL), NG_OK);
        assert_int_equal(ngi_wal_durable(store->wal), before + 2);
    }
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* A tick that has no time does one step, and the next one goes on with what was left. */
static void test_budget(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    clock_os clock;
    ng_view *view;
    bool more = true;
    clock_init(&clock);
    clock.sync_us = 5000;
    ng_store *store = open_manual(f, &clock, NG_DURABILITY_INTERVAL, NG_NEVER, NG_NEVER);
    assert_int_equal(ngi_store_tick(store, 1, &more), NG_OK);
    assert_false(more); /* nothing is due */
    const ng_view_options options = {.struct_size = sizeof options, .lifetime_ms = 100};
    assert_int_equal(ngi_view_open(store, &options, false, &view), NG_OK);
    put_tokens(store, &seed, 1);
    clock_pass(&clock, 1);
    assert_int_equal(ngi_store_tick(store, 5000, &more), NG_OK); /* the sync takes all of it */
    assert_true(more);
    assert_int_equal(ngi_wal_durable(store->wal), ngi_wal_applied(store->wal));
    assert_int_equal(store->open_view_count, 1);
    put_tokens(store, &seed, 1);
    ng_seq durable = ngi_wal_durable(store->wal);
    clock_pass(&clock, 1);
    assert_int_equal(ngi_store_tick(store, 1, &more), NG_OK);
    assert_false(more); /* the view takes no time on this clock, so the sync was done as well */
    assert_int_equal(store->open_view_count, 0);
    assert_int_equal(ngi_wal_durable(store->wal), durable + 1);
    ngi_view_close(view);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* With a budget a checkpoint is the host's decision. */
static void test_budget_and_checkpoint(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    clock_os clock;
    bool more = false;
    clock_init(&clock);
    for (int allowed = 0; allowed < 2; allowed++) {
        ng_store *store = open_flags(f, &clock, allowed ? NG_OPEN_LONG_TICKS : 0,
                                     NG_DURABILITY_NONE, NG_NEVER, 60);
        ng_seq before = store->upkeep.snapshot_seq;
        put_tokens(store, &seed, 100u << (2 * allowed));
        clock_pass(&clock, 60);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(ngi_store_tick(store, UINT64_MAX, &more), NG_OK);
            assert_int_equal(more, !allowed);
        }
        assert_int_equal(store->upkeep.snapshot_seq,
                         allowed ? ngi_wal_applied(store->wal) : before);
        assert_int_equal(ngi_store_tick(store, 0, &more), NG_OK);
        assert_false(more);
        assert_int_equal(store->upkeep.snapshot_seq, ngi_wal_applied(store->wal));
        assert_int_equal(ngi_store_close(store), NG_OK);
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_due_by_age),
        TEST(test_due_by_size),
        TEST(test_failed_one_is_tried_again),
        TEST(test_damaged_one_is_replaced),
        TEST(test_interval),
        TEST(test_budget),
        TEST(test_budget_and_checkpoint),
    };
    return cmocka_run_group_tests_name("store_upkeep", tests, NULL, NULL);
}
