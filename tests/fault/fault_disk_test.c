/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Power loss: after a crash at any call of the system, with any of the unsynced writes lost, torn
 * or out of order, every acknowledged op is there, the rest is a prefix of what was done, whole.
 *
 * NG_TEST_SEED repeats a run, NG_TEST_SCHEDULES sets how many histories are tried, NG_TEST_HISTORY
 * plays the one that a failure printed. */
#include "fault_schedule.h"

#include "model/model_cdna.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static fault_schedule current; /* the history that runs, for when it fails */

static const twin_mix disk_mix = {.target_tokens = 60,
                                  .bad_percent = 5,
                                  .use_projection = true,
                                  .dimensions = 56};

/* Writes until the machine stops or the session is over. */
static void disk_write(fault_run *run, test_random *random, size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        uint32_t flags = test_random_chance(random, 50) ? NG_WRITE_NOWAIT : 0;
        if (fault_run_step(run, &disk_mix, random, flags) != NG_OK)
            return;
    }
}

static void disk_crash(fault_run *run, test_random *random)
{
    sim_disk *next = sim_disk_crash(run->disk, test_random_next(random));
    sim_disk_destroy(run->disk);
    run->disk = next;
}

/* A history that is still there when the test is over has failed. */
static int minimise_failed(void **state)
{
    (void)state;
    if (current.steps != NULL)
        schedule_minimise_and_print(&current);
    schedule_release(&current);
    return 0;
}

static void schedules_print(const schedule_seen *seen)
{
    print_message("%llu recoveries (%llu from a snapshot), ops kept %llu, lost %llu; torn tails "
                  "%llu; in doubt kept %llu, lost %llu; with several segments %llu\n",
                  (unsigned long long)seen->recoveries, (unsigned long long)seen->snapshots_loaded,
                  (unsigned long long)seen->ops_kept, (unsigned long long)seen->ops_lost,
                  (unsigned long long)seen->tails_cut, (unsigned long long)seen->doubts_kept,
                  (unsigned long long)seen->doubts_lost, (unsigned long long)seen->rotations);
    print_message("%llu transactions, %llu conflicts, %llu views and %llu copies compared; %llu "
                  "failed calls, %llu of them for a full disk, %llu latched the store\n",
                  (unsigned long long)seen->transactions, (unsigned long long)seen->conflicts,
                  (unsigned long long)seen->views_compared, (unsigned long long)seen->copies,
                  (unsigned long long)seen->faulted, (unsigned long long)seen->full,
                  (unsigned long long)seen->latched);
}

static void test_schedules(void **state)
{
    (void)state;
    uint64_t seed = test_environment("NG_TEST_SEED", 1);
    uint64_t count = test_environment("NG_TEST_SCHEDULES", 300);
    schedule_seen seen = {0};
    const char *history = getenv("NG_TEST_HISTORY");
    if (history != NULL && *history != '\0') {
        schedule_read(&current, history);
        schedule_play(&current, &seen);
        schedule_release(&current);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        schedule_make(&current, seed + i);
        schedule_play(&current, &seen);
        schedule_release(&current);
    }
    schedules_print(&seen);
    if (count < 300)
        return;
    assert_true(seen.ops_kept > 1000 && seen.ops_lost > 100);
    assert_true(seen.tails_cut > 10 && seen.rotations > 10 && seen.snapshots_loaded > 10);
    assert_true(seen.doubts_kept > 5 && seen.doubts_lost > 5);
    assert_true(seen.transactions > 100 && seen.conflicts > 100 && seen.views_compared > 10);
    assert_true(seen.copies > 10);
    assert_true(seen.full > 5 && seen.latched > 10 && seen.kills > 100);
    for (int kind = 0; kind < STEP_KINDS; kind++)
        assert_true(seen.steps[kind] > 50);
}

/* Ops of one size, so that a frame left over from a lost group would stand exactly where the next
 * one is looked for. */
static ng_status uniform_write(fault_run *run, size_t count, size_t wait_every)
{
    ng_status status = NG_OK;
    for (size_t i = 1; i <= count && status == NG_OK; i++) {
        twin_op op = {.kind = TWIN_CREATE, .count = 1};
        op.items = calloc(1, sizeof *op.items);
        char *label = malloc(701);
        assert_non_null(op.items);
        assert_non_null(label);
        snprintf(label, 701, "%0700zu", run->twin.token_count * 1000 + i);
        op.items[0].fields.struct_size = sizeof op.items[0].fields;
        op.items[0].fields.set = NG_FIELD_LABEL;
        op.items[0].fields.label = label;
        op.items[0].fields.label_bytes = 700;
        status = fault_run_op(run, &op, i % wait_every == 0 ? 0 : NG_WRITE_NOWAIT);
    }
    return status;
}

/* The machine stops at every single call of a session; the store is recovered, goes on with a few
 * ops, loses power again, and is recovered again. `filled` ops are there before. */
static void stop_at_every_call(size_t filled, size_t count)
{
    bool is_through = false;
    for (uint64_t at = 1; at < 200 && !is_through; at++) {
        for (uint64_t seed = 0; seed < 60; seed++) {
            test_random random = {at * 1000 + seed};
            fault_run run;
            fault_run_init(&run, sim_disk_create(seed));
            assert_int_equal(fault_run_open(&run), NG_OK);
            assert_int_equal(uniform_write(&run, filled, filled), NG_OK);
            sim_disk_stop_at(run.disk, at);
            is_through = uniform_write(&run, count, 6) == NG_OK;
            sim_disk_stop_at(run.disk, 1);
            (void)fault_run_close(&run);
            disk_crash(&run, &random);
            assert_int_equal(fault_run_open(&run), NG_OK);
            fault_run_recovered(&run);
            assert_int_equal(uniform_write(&run, 1 + seed % 3, 1), NG_OK);
            sim_disk_stop_at(run.disk, 1);
            (void)fault_run_close(&run);
            disk_crash(&run, &random);
            assert_int_equal(fault_run_open(&run), NG_OK);
            fault_run_recovered(&run);
            assert_int_equal(fault_run_close(&run), NG_OK);
            fault_run_release(&run);
        }
    }
    assert_true(is_through);
}

static void test_stop_at_every_call(void **state)
{
    (void)state;
    stop_at_every_call(0, 18);
    stop_at_every_call(70, 18); /* about 79 of these ops fill a segment */
}

/* A session with two checkpoints, killed at call `at`, and the store opened again, which is when it
 * removes what the checkpoint has left. What the first process did not sync, the second one has only
 * read. Returns whether the session came to its end before. */
static bool kill_and_reopen(fault_run *run, uint64_t at)
{
    assert_int_equal(fault_run_open(run), NG_OK);
    assert_int_equal(uniform_write(run, 90, 90), NG_OK);
    assert_int_equal(ng_checkpoint(run->store, NULL, NULL, NULL), NG_OK);
    assert_int_equal(uniform_write(run, 90, 90), NG_OK);
    sim_disk_stop_at(run->disk, at);
    bool is_through = ng_checkpoint(run->store, NULL, NULL, NULL) == NG_OK &&
                      uniform_write(run, 10, 5) == NG_OK &&
                      ng_checkpoint(run->store, NULL, NULL, NULL) == NG_OK;
    (void)fault_run_close(run);
    sim_disk_fail(run->disk, NULL);
    assert_int_equal(fault_run_open(run), NG_OK);
    fault_run_recovered(run);
    sim_disk_stop_at(run->disk, 1);
    (void)fault_run_close(run);
    return is_through;
}

/* The process is killed at every single call, and then power is lost: 40 times for each call, in
 * eight sessions, since a session takes longer than finding what a power failure has left. */
static void test_killed_before_power_is_lost(void **state)
{
    (void)state;
    bool is_through = false;
    for (uint64_t at = 1; at < 200 && !is_through; at++) {
        for (uint64_t seed = 0; seed < 8; seed++) {
            test_random random = {at * 1000 + seed};
            fault_run run;
            fault_run_init(&run, sim_disk_create(seed));
            is_through = kill_and_reopen(&run, at);
            sim_disk *killed = run.disk;
            for (unsigned loss = 0; loss < 5; loss++) {
                run.disk = sim_disk_crash(killed, test_random_next(&random));
                if (fault_run_open(&run) != NG_OK)
                    fail_msg("killed at call %llu, seed %llu, loss %u: %s", (unsigned long long)at,
                             (unsigned long long)seed, loss, ng_last_error());
                fault_run_recovered(&run);
                assert_int_equal(fault_run_close(&run), NG_OK);
                sim_disk_destroy(run.disk);
            }
            run.disk = killed;
            fault_run_release(&run);
        }
    }
    assert_true(is_through);
}

/* A store whose creation was cut off anywhere can still be made, whatever of it is on disk. */
static void test_crash_during_creation(void **state)
{
    (void)state;
    bool is_made = false;
    for (uint64_t at = 1; at < 200 && !is_made; at++) {
        for (uint64_t seed = 0; seed < 100; seed++) {
            fault_run run;
            fault_run_init(&run, sim_disk_create(seed));
            sim_disk_stop_at(run.disk, at);
            is_made = fault_run_open(&run) == NG_OK;
            if (is_made)
                (void)fault_run_close(&run);
            is_made = is_made && sim_disk_fault_count(run.disk) == 0;
            sim_disk *next = sim_disk_crash(run.disk, seed);
            sim_disk_destroy(run.disk);
            run.disk = next;
            if (fault_run_open(&run) != NG_OK)
                fail_msg("stopped at call %llu, crash %llu: %s", (unsigned long long)at,
                         (unsigned long long)seed, ng_last_error());
            if (!is_made)
                fault_run_recovered(&run);
            assert_int_equal(fault_run_close(&run), NG_OK);
            fault_run_release(&run);
        }
    }
    assert_true(is_made);
}

/* Between the write that carried an op and its acknowledgement stands a sync of that very file, and
 * the bytes are in the part of the disk that outlives any crash. */
static void test_sync_precedes_acknowledgement(void **state)
{
    (void)state;
    fault_run run;
    fault_run_init(&run, sim_disk_create(3));
    assert_int_equal(fault_run_open(&run), NG_OK);
    sim_disk_trace(run.disk, true);
    for (unsigned i = 0; i < 400; i++) {
        char label[600];
        int bytes = snprintf(label, sizeof label, "acknowledged-%05u-%0500u", i, i);
        ng_token_fields fields = {.struct_size = sizeof fields, .set = NG_FIELD_LABEL};
        fields.label = label;
        fields.label_bytes = (size_t)bytes;
        bool waits = i % 3 != 0;
        ng_seq seq = 0;
        ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
        write.flags = waits ? 0 : NG_WRITE_NOWAIT;
        ng_token_id id;
        size_t begin = sim_disk_event_count(run.disk);
        assert_int_equal(ng_token_create(run.store, &fields, &write, &id), NG_OK);
        if (!waits)
            assert_int_equal(ng_wait_durable(run.store, seq), NG_OK);
        assert_true(sim_disk_durable_contains(run.disk, label, (size_t)bytes));
        size_t end = sim_disk_event_count(run.disk);
        int writes = 0;
        for (size_t k = begin; k < end; k++) {
            sim_event event = sim_disk_event(run.disk, k);
            bool is_op = event.call == SIM_WRITE && event.bytes > (uint64_t)bytes;
            bool is_synced = false;
            for (size_t later = k + 1; is_op && later < end; later++) {
                sim_event other = sim_disk_event(run.disk, later);
                is_synced = is_synced || (other.call == SIM_SYNC && other.file == event.file &&
                                          other.status == NG_OK);
            }
            assert_true(!is_op || is_synced);
            writes += is_op;
        }
        assert_int_equal(writes, 1);
    }
    ng_info info;
    assert_int_equal(ng_store_info(run.store, &info), NG_OK);
    assert_true(info.segment_count > 2); /* so the syncs of new segments were among them */
    assert_int_equal(fault_run_close(&run), NG_OK);
    fault_run_release(&run);
}

#define ASSERT_LATCHED(call) assert_int_equal((call), NG_E_LATCHED)

static void assert_reads_are_latched(ng_store *store)
{
    ng_token record;
    ng_token_info info;
    ng_token_id id, ids[4];
    ng_collection_id collection;
    ng_hit hits[4];
    ng_score scores[4];
    ng_edge edges[4];
    ng_connection connection;
    size_t count;
    double similarity;
    uint64_t hash;
    char text[65];
    float vector[56] = {1}, center[3] = {0};
    ng_cdna cdna;
    ng_check_report report;
    ASSERT_LATCHED(ng_token_read(store, 1, &record));
    assert_non_null(strstr(ng_last_error(), "reopen"));
    ASSERT_LATCHED(ng_token_get(store, 1, &info));
    ASSERT_LATCHED(ng_token_find(store, 0, "x", 1, &id));
    ASSERT_LATCHED(ng_token_label(store, 1, text, sizeof text, &count));
    ASSERT_LATCHED(ng_token_vector(store, 1, vector, 56, &count));
    ASSERT_LATCHED(ng_token_list(store, NG_COLLECTION_ANY, 0, ids, 4, &count));
    ASSERT_LATCHED(ng_connection_get(store, 1, &connection));
    ASSERT_LATCHED(ng_token_connections(store, 1, NULL, edges, 4, &count));
    ASSERT_LATCHED(ng_connections_between(store, 1, 2, edges, 4, &count));
    ASSERT_LATCHED(ng_path_find(store, 1, 2, NULL, edges, 4, &count));
    ASSERT_LATCHED(ng_grid_range(store, NG_SPACE_PHYSICAL, center, 1, NULL, hits, 4, &count));
    ASSERT_LATCHED(ng_grid_nearest(store, NG_SPACE_PHYSICAL, center, NULL, hits, 4, &count));
    ASSERT_LATCHED(ng_token_neighbors(store, 1, NG_SPACE_PHYSICAL, NULL, hits, 4, &count));
    ASSERT_LATCHED(ng_vector_nearest(store, vector, 56, NULL, scores, 4, &count));
    ASSERT_LATCHED(ng_token_similarity(store, 1, 2, 0, &similarity));
    ASSERT_LATCHED(ng_cdna_get(store, &cdna));
    ASSERT_LATCHED(ng_collection_find(store, "runtime", &collection));
    ASSERT_LATCHED(ng_collection_get(store, 0, text, &hash));
    ASSERT_LATCHED(ng_state_hash(store, &hash));
    ASSERT_LATCHED(ng_check(store, &report));
}

static void assert_writes_are_latched(ng_store *store)
{
    ng_token_id id = 0;
    ng_connection_id link = 0;
    ng_collection_id collection = 0;
    ng_cdna cdna = {0};
    ngi_cdna_default(&cdna, 1);
    ng_token_fields fields = {.struct_size = sizeof fields, .set = NG_FIELD_WEIGHT};
    ng_connection_fields ends = {.struct_size = sizeof ends, .source = 1, .target = 2};
    ng_write_options write = {.struct_size = sizeof write, .flags = NG_WRITE_NOWAIT};
    ASSERT_LATCHED(ng_token_create(store, NULL, NULL, &id));
    ASSERT_LATCHED(ng_token_create(store, NULL, &write, &id));
    ASSERT_LATCHED(ng_token_update(store, 1, &fields, NULL));
    ASSERT_LATCHED(ng_token_delete(store, 1, NULL));
    ASSERT_LATCHED(ng_connection_create(store, &ends, NULL, &link));
    ASSERT_LATCHED(ng_connection_delete(store, 1, NULL));
    ASSERT_LATCHED(ng_collection_create(store, "later", NULL, &collection));
    ASSERT_LATCHED(ng_cdna_set(store, &cdna, NULL));
}

static void test_failed_sync_latches(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        test_random random = {11};
        fault_run run;
        fault_run_init(&run, sim_disk_create(5));
        assert_int_equal(fault_run_open(&run), NG_OK);
        disk_write(&run, &random, 60);
        uint32_t kinds = kind == 0 ? SIM_SYNC : SIM_WRITE;
        sim_disk_fail(run.disk, &(sim_fault){.kinds = kinds,
                                             .at = 1,
                                             .partial_write = true,
                                             .status = NG_E_IO});
        twin_op op = {.kind = TWIN_COLLECTION, .name = "lost"};
        assert_int_equal(fault_run_op(&run, &op, 0), NG_E_LATCHED);
        assert_int_equal(sim_disk_fault_count(run.disk), 1); /* the disk is whole again */
        assert_reads_are_latched(run.store);
        assert_writes_are_latched(run.store);
        ng_seq applied = 0;
        ng_positions(run.store, &applied, NULL);
        assert_int_equal(ng_wait_durable(run.store, applied), NG_E_LATCHED);
        assert_int_equal(fault_run_close(&run), NG_E_LATCHED);
        sim_disk_fail(run.disk, NULL);
        assert_int_equal(fault_run_open(&run), NG_OK);
        fault_run_recovered(&run);
        disk_write(&run, &random, 20);
        assert_int_equal(fault_run_close(&run), NG_OK);
        fault_run_release(&run);
    }
}

/* What an opening finds and shows as durable must survive a power failure right after it, also when
 * it was written by a process whose sync failed. */
static void test_recovered_ops_are_durable(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(9);
    ngi_mem mem;
    ng_store *store = NULL;
    ng_token_fields fields = {.struct_size = sizeof fields};
    ng_open_options options = {.struct_size = sizeof options, .segment_bytes = 65536};
    ng_token token;
    ng_token_id id = 0;
    ng_seq durable = 0;
    ngi_mem_init(&mem, 0);
    assert_int_equal(ngi_store_open(sim_disk_os(disk), &mem, "/sim/store", &options, &store),
                     NG_OK);
    assert_int_equal(ngi_store_token_put(store, NULL, &fields, 1, NULL, &id), NG_OK);
    sim_disk_fail(disk, &(sim_fault){.kinds = SIM_SYNC, .at = 1, .status = NG_E_IO});
    assert_int_equal(ngi_store_token_put(store, NULL, &fields, 1, NULL, &id), NG_E_LATCHED);
    assert_int_equal(ngi_store_close(store), NG_E_LATCHED);
    sim_disk_fail(disk, NULL);
    assert_int_equal(ngi_store_open(sim_disk_os(disk), &mem, "/sim/store", &options, &store),
                     NG_OK);
    assert_int_equal(ngi_store_token_read(store, 2, &token), NG_OK);
    ng_positions(store, NULL, &durable);
    assert_int_equal(durable, 2);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        sim_disk *found = sim_disk_crash(disk, seed);
        ng_store *other = NULL;
        assert_int_equal(ngi_store_open(sim_disk_os(found), &mem, "/sim/store", &options, &other),
                         NG_OK);
        assert_int_equal(ngi_store_token_read(other, 2, &token), NG_OK);
        assert_int_equal(ngi_store_close(other), NG_OK);
        sim_disk_destroy(found);
    }
    assert_int_equal(ngi_store_close(store), NG_OK);
    assert_int_equal(atomic_load(&mem.used_bytes), 0);
    sim_disk_destroy(disk);
}

static void test_disk_full_is_met_before_the_op(void **state)
{
    (void)state;
    test_random random = {12};
    fault_run run;
    fault_run_init(&run, sim_disk_create(6));
    assert_int_equal(fault_run_open(&run), NG_OK);
    disk_write(&run, &random, 10);
    sim_disk_set_capacity(run.disk, sim_disk_used_bytes(run.disk) + 1000);
    ng_status status = NG_OK;
    size_t steps = 0;
    twin_mix good = disk_mix;
    good.bad_percent = 0;
    while (status == NG_OK && steps++ < 2000) {
        twin_op op;
        twin_random_op(&run.twin, &good, &random, &op);
        status = twin_perform(run.store, &op, 0);
        if (status == NG_OK) {
            assert_true(twin_learn(&run.twin, run.store, &op, false));
            twin_apply(&run.twin, &op);
        } else if (status == op.expected && status != NG_OK) {
            status = NG_OK;
        }
        twin_op_release(&op);
    }
    assert_int_equal(status, NG_E_DISK_FULL);
    assert_non_null(strstr(ng_last_error(), ".log"));
    fault_run_verify(&run); /* reads work, and the refused op is not there */
    for (status = NG_OK, steps = 0; status == NG_OK && steps < 2000; steps++) {
        twin_op small = {.kind = TWIN_CREATE, .count = 1};
        small.items = calloc(1, sizeof *small.items); /* what is smaller may still have fitted */
        assert_non_null(small.items);
        small.items[0].fields.struct_size = sizeof small.items[0].fields;
        small.items[0].fields.set = NG_FIELD_WEIGHT;
        status = twin_perform(run.store, &small, 0);
        if (status == NG_OK) {
            assert_true(twin_learn(&run.twin, run.store, &small, false));
            twin_apply(&run.twin, &small);
        }
        twin_op_release(&small);
    }
    assert_int_equal(status, NG_E_DISK_FULL);
    fault_run_verify(&run);

    /* A full store opens and reads: only writing needs room. */
    assert_int_equal(fault_run_close(&run), NG_OK);
    assert_int_equal(fault_run_open(&run), NG_OK);
    fault_run_verify(&run);

    sim_disk_set_capacity(run.disk, 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(fault_run_step(&run, &good, &random, 0), NG_OK);
    fault_run_verify(&run);
    assert_int_equal(fault_run_close(&run), NG_OK);
    assert_int_equal(fault_run_open(&run), NG_OK);
    fault_run_verify(&run);
    assert_int_equal(fault_run_close(&run), NG_OK);
    fault_run_release(&run);
}

static void test_second_open_is_busy(void **state)
{
    (void)state;
    fault_run run;
    fault_run_init(&run, sim_disk_create(7));
    assert_int_equal(fault_run_open(&run), NG_OK);
    ng_store *second = NULL;
    fail_mem mem;
    fail_mem_init(&mem, 0);
    char text[128], wanted[64];
    assert_int_equal(ngi_store_open(sim_disk_os(run.disk), &mem.mem, FAULT_PATH, NULL, &second),
                     NG_E_BUSY);
    snprintf(wanted, sizeof wanted, "in use by pid %u", ngi_os_process_id());
    assert_non_null(strstr(ng_last_error(), wanted));
    assert_null(second);
    assert_null(fail_mem_leak(&mem, text, sizeof text));
    ng_token_id id;
    assert_int_equal(ng_token_create(run.store, NULL, NULL, &id), NG_OK);
    assert_int_equal(fault_run_close(&run), NG_OK);
    assert_int_equal(fault_run_open(&run), NG_OK);
    assert_int_equal(fault_run_close(&run), NG_OK);
    fault_run_release(&run);
}

/* Times of ops only grow, whatever the clock does, also over a reopening. */
static void test_clock_that_goes_back(void **state)
{
    (void)state;
    static const uint64_t clocks[] = {1700000000000000ull, 1600000000000000ull, 1600000000000000ull,
                                      1700000000000001ull, 0};
    fault_run run;
    uint64_t last = 0;
    ng_token_id id = 0;
    fault_run_init(&run, sim_disk_create(7));
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        sim_disk_set_clock(run.disk, clocks[i], 0);
        assert_int_equal(fault_run_open(&run), NG_OK);
        for (int k = 0; k < 3; k++) {
            ng_token_info info;
            assert_int_equal(ng_token_create(run.store, NULL, NULL, &id), NG_OK);
            assert_int_equal(ng_token_get(run.store, id, &info), NG_OK);
            assert_true(info.updated_us > last);
            assert_true(info.updated_us >= clocks[i]);
            last = info.updated_us;
        }
        assert_int_equal(fault_run_close(&run), NG_OK);
    }
    assert_true(last < 1700000000000100ull);
    fault_run_release(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_schedules, minimise_failed),
        cmocka_unit_test(test_stop_at_every_call),
        cmocka_unit_test(test_killed_before_power_is_lost),
        cmocka_unit_test(test_crash_during_creation),
        cmocka_unit_test(test_sync_precedes_acknowledgement),
        cmocka_unit_test(test_failed_sync_latches),
        cmocka_unit_test(test_recovered_ops_are_durable),
        cmocka_unit_test(test_disk_full_is_met_before_the_op),
        cmocka_unit_test(test_second_open_is_busy),
        cmocka_unit_test(test_clock_that_goes_back),
    };
    return cmocka_run_group_tests_name("faults of the disk", tests, NULL, NULL);
}
