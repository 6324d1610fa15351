/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A store on a simulated disk beside its twin. */
#include "fault_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void fault_run_init(fault_run *run, sim_disk *disk)
{
    memset(run, 0, sizeof *run);
    run->disk = disk;
    fail_mem_init(&run->mem, 0);
}

static void run_drop(fault_run *run, size_t count)
{
    while (run->count > count)
        twin_op_release(&run->journal[--run->count]);
    if (run->has_doubt)
        twin_op_release(&run->doubt);
    run->has_doubt = false;
}

void fault_run_release(fault_run *run)
{
    assert_null(run->store);
    run_drop(run, 0);
    free(run->journal);
    if (run->has_twin)
        twin_release(&run->twin);
    sim_disk_destroy(run->disk);
}

ng_status fault_run_open(fault_run *run)
{
    ng_open_options options = {.struct_size = sizeof options,
                               .max_tokens = 4096,
                               .max_connections = 16384,
                               .segment_bytes = FAULT_SEGMENT_BYTES};
    ng_status status =
        ngi_store_open(sim_disk_os(run->disk), &run->mem.mem, FAULT_PATH, &options, &run->store);
    if (status != NG_OK) {
        char text[128];
        assert_null(run->store);
        assert_null(fail_mem_leak(&run->mem, text, sizeof text));
        assert_int_equal(sim_disk_open_count(run->disk), 0);
    } else if (!run->has_twin) {
        twin_init(&run->twin, run->store);
        run->first_cdna = run->twin.cdna;
        run->has_twin = true;
    }
    return status;
}

ng_status fault_run_close(fault_run *run)
{
    char text[128];
    ng_status status = ngi_store_close(run->store);
    run->store = NULL;
    const char *leak = fail_mem_leak(&run->mem, text, sizeof text);
    if (leak != NULL)
        fail_msg("after close: %s", leak);
    assert_int_equal(sim_disk_open_count(run->disk), 0);
    return status;
}

static void run_push(fault_run *run, twin_op *op)
{
    if (run->count == run->capacity) {
        run->capacity = run->capacity == 0 ? 64 : run->capacity * 2;
        run->journal = realloc(run->journal, run->capacity * sizeof *run->journal);
        assert_non_null(run->journal);
    }
    run->journal[run->count++] = *op;
    memset(op, 0, sizeof *op);
}

static void run_note_durable(fault_run *run)
{
    ng_seq durable = 0;
    ng_positions(run->store, NULL, &durable);
    if (durable > run->acknowledged)
        run->acknowledged = durable;
}

ng_status fault_run_op(fault_run *run, twin_op *op, uint32_t write_flags)
{
    ng_status status = twin_perform(run->store, op, write_flags);
    if (status != op->expected) {
        char kept[512];
        snprintf(kept, sizeof kept, "%s", ng_last_error());
        if (sim_disk_fault_count(run->disk) == 0 && fail_mem_failed(&run->mem) == 0)
            fail_msg("%s: %s (%s), expected %s", twin_kind_name(op->kind), ng_status_name(status),
                     kept, ng_status_name(op->expected));
        run->has_doubt = op->expected == NG_OK;
        if (run->has_doubt)
            run->doubt = *op;
        else
            twin_op_release(op);
        run_note_durable(run);
        return status;
    }
    if (status == NG_OK) {
        char text[TWIN_DIFFERENCE_BYTES];
        assert_true(twin_learn(&run->twin, run->store, op, false));
        twin_apply(&run->twin, op);
        const char *difference = twin_compare_op(&run->twin, run->store, op, text);
        if (difference != NULL)
            fail_msg("%s", difference);
        if (!(write_flags & NG_WRITE_NOWAIT) && op->seq > run->acknowledged)
            run->acknowledged = op->seq;
        if (op->seq != 0)
            run_push(run, op);
    }
    twin_op_release(op);
    run_note_durable(run);
    return NG_OK;
}

ng_status fault_run_step(fault_run *run, const twin_mix *mix, test_random *random,
                         uint32_t write_flags)
{
    twin_op op;
    twin_random_op(&run->twin, mix, random, &op);
    return fault_run_op(run, &op, write_flags);
}

void fault_run_verify(const fault_run *run)
{
    char text[TWIN_DIFFERENCE_BYTES];
    const char *difference = twin_compare_all(&run->twin, run->store, text);
    if (difference != NULL)
        fail_msg("%s", difference);
    ng_check_report report;
    assert_int_equal(ng_check(run->store, &report), NG_OK);
    if (report.problem_count != 0)
        fail_msg("ng_check: %llu problems, first: %s", (unsigned long long)report.problem_count,
                 report.first_problem);
    assert_int_equal(report.tokens, run->twin.live_tokens);
    assert_int_equal(report.connections, run->twin.live_connections);
}

void fault_run_recovered(fault_run *run)
{
    ng_seq applied = 0, durable = 0;
    ng_positions(run->store, &applied, &durable);
    if (applied < run->acknowledged)
        fail_msg("op %llu was acknowledged, but the log ends at %llu",
                 (unsigned long long)run->acknowledged, (unsigned long long)applied);
    assert_int_equal(applied, durable);

    size_t kept = 0;
    while (kept < run->count && run->journal[kept].seq <= applied)
        kept++;
    ng_seq newest = kept == 0 ? 0 : run->journal[kept - 1].seq;
    bool has_doubt = newest < applied;
    if (has_doubt && (!run->has_doubt || kept != run->count || applied != newest + 1))
        fail_msg("the store has op %llu, which was never written", (unsigned long long)applied);

    twin_release(&run->twin);
    twin_init(&run->twin, run->store);
    run->twin.dimensions = 0;
    if (applied == 0)
        run->first_cdna = run->twin.cdna; /* made anew, its creation was not durable */
    run->twin.cdna = run->first_cdna;
    for (size_t i = 0; i < kept; i++)
        twin_apply(&run->twin, &run->journal[i]);
    if (has_doubt) {
        run->has_doubt = false;
        twin_op doubt = run->doubt;
        doubt.seq = applied;
        if (!twin_learn(&run->twin, run->store, &doubt, true))
            fail_msg("op %llu (%s) is half there", (unsigned long long)applied,
                     twin_kind_name(doubt.kind));
        twin_apply(&run->twin, &doubt);
        run_drop(run, kept);
        run_push(run, &doubt);
    } else {
        run_drop(run, kept);
    }
    run->acknowledged = applied;
    fault_run_verify(run);
}
