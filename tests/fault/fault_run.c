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
    run->options = (ng_open_options){.struct_size = sizeof run->options,
                                     .flags = NG_OPEN_MANUAL,
                                     .max_tokens = 4096,
                                     .max_connections = 16384,
                                     .segment_bytes = FAULT_SEGMENT_BYTES,
                                     .checkpoint_bytes = NG_NEVER,
                                     .checkpoint_seconds = NG_NEVER};
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
    free(run->hashes);
    if (run->has_twin)
        twin_release(&run->twin);
    sim_disk_destroy(run->disk);
}

ng_status fault_run_open(fault_run *run)
{
    ng_status status = ngi_store_open(sim_disk_os(run->disk), &run->mem.mem, FAULT_PATH,
                                      &run->options, &run->store);
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
        run->hashes = realloc(run->hashes, run->capacity * sizeof *run->hashes);
        assert_non_null(run->hashes);
    }
    run->hashes[run->count] = 0;
    if (run->keeps_hashes && ng_state_hash(run->store, &run->hashes[run->count]) != NG_OK)
        run->hashes[run->count] = 0;
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

static bool run_waits(const fault_run *run, const twin_op *op, uint32_t write_flags)
{
    ng_durability durability = op->durability;
    if (durability == NG_DURABILITY_DEFAULT)
        durability = (ng_durability)run->options.durability;
    return !(write_flags & NG_WRITE_NOWAIT) &&
           (durability == NG_DURABILITY_DEFAULT || durability == NG_DURABILITY_SYNC);
}

/* The store did something with `op`, which is taken over: what it was to do, or not. */
static ng_status run_settle(fault_run *run, twin_op *op, ng_status status, bool waited)
{
    char text[TWIN_DIFFERENCE_BYTES];
    if (status != op->expected) {
        snprintf(text, sizeof text, "%s", ng_last_error());
        if (sim_disk_fault_count(run->disk) == 0 && fail_mem_failed(&run->mem) == 0 &&
            status != NG_E_DISK_FULL)
            fail_msg("%s: %s (%s), expected %s", twin_kind_name(op->kind), ng_status_name(status),
                     text, ng_status_name(op->expected));
        if (run->has_doubt)
            twin_op_release(&run->doubt);
        run->has_doubt = op->expected == NG_OK;
        if (run->has_doubt)
            run->doubt = *op;
        else
            twin_op_release(op);
        run_note_durable(run);
        return status;
    }
    const char *difference = NULL;
    if (status == NG_E_CONFLICT)
        difference = twin_compare_conflict(&run->twin, op, text);
    if (status == NG_OK) {
        if (!twin_learn(&run->twin, run->store, op, false))
            fail_msg("%s: what was written is not there", twin_kind_name(op->kind));
        twin_apply(&run->twin, op);
        difference = twin_compare_op(&run->twin, run->store, op, text);
        if (waited && op->seq > run->acknowledged)
            run->acknowledged = op->seq;
        if (op->seq != 0)
            run_push(run, op);
    }
    if (difference != NULL)
        fail_msg("%s", difference);
    twin_op_release(op);
    run_note_durable(run);
    return NG_OK;
}

ng_status fault_run_op(fault_run *run, twin_op *op, uint32_t write_flags)
{
    bool waits = run_waits(run, op, write_flags);
    return run_settle(run, op, twin_perform(run->store, op, write_flags), waits);
}

ng_status fault_run_transact(fault_run *run, const twin_mix *mix, test_random *random,
                             ng_durability durability)
{
    twin_op op = {.durability = durability};
    char text[TWIN_DIFFERENCE_BYTES];
    uint64_t faults = sim_disk_fault_count(run->disk) + fail_mem_failed(&run->mem);
    ng_status status = twin_transact(&run->twin, run->store, mix, random, &op, text);
    bool was_faulted = sim_disk_fault_count(run->disk) + fail_mem_failed(&run->mem) != faults;
    if (text[0] != '\0' && !was_faulted && status != NG_E_LATCHED)
        fail_msg("%s", text);
    return run_settle(run, &op, status, run_waits(run, &op, 0));
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
    /* Whoever opens for reading only cannot sync what a process before may not have. */
    bool is_reader = (run->options.flags & NG_OPEN_READ_ONLY) != 0;
    if (!is_reader)
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
    if (!is_reader)
        run->acknowledged = applied;
    fault_run_verify(run);
    uint64_t hash = 0;
    assert_int_equal(ng_state_hash(run->store, &hash), NG_OK);
    if (kept != 0 && run->hashes[kept - 1] != 0 && kept == run->count &&
        hash != run->hashes[kept - 1])
        fail_msg("the state after op %llu has another hash", (unsigned long long)applied);
}

bool fault_run_failed(fault_run *run)
{
    ng_cdna cdna;
    ng_status status = ng_cdna_get(run->store, &cdna);
    if (status == NG_E_LATCHED)
        return true;
    assert_int_equal(status, NG_OK);
    fault_run_verify(run);
    if (run->has_doubt)
        twin_op_release(&run->doubt);
    run->has_doubt = false;
    return false;
}

typedef struct run_files {
    char paths[64][SIM_PATH_BYTES];
    uint8_t *data[64];
    size_t bytes[64];
    size_t count;
} run_files;

static void files_take(sim_disk *disk, run_files *files)
{
    files->count = sim_disk_files(disk, files->paths, 64);
    assert_in_range(files->count, 0, 64);
    for (size_t i = 0; i < files->count; i++)
        files->data[i] = sim_disk_file_copy(disk, files->paths[i], &files->bytes[i]);
}

static void files_compare_and_release(run_files *before, run_files *after)
{
    assert_int_equal(before->count, after->count);
    for (size_t i = 0; i < before->count; i++) {
        assert_string_equal(before->paths[i], after->paths[i]);
        if (before->bytes[i] != after->bytes[i] ||
            memcmp(before->data[i], after->data[i], before->bytes[i]) != 0)
            fail_msg("%s was changed by opening it for reading", before->paths[i]);
        free(before->data[i]);
        free(after->data[i]);
    }
}

void fault_run_read_only(fault_run *run)
{
    static run_files before, after;
    ng_open_options options = run->options;
    files_take(run->disk, &before);
    run->options.flags |= NG_OPEN_READ_ONLY;
    if (fault_run_open(run) != NG_OK)
        fail_msg("the store does not open for reading: %s", ng_last_error());
    fault_run_recovered(run);
    ng_token_id id = 0;
    ng_txn *txn = NULL;
    assert_int_equal(ng_token_create(run->store, NULL, NULL, &id), NG_E_READ_ONLY);
    assert_int_equal(ng_txn_begin(run->store, NULL, &txn), NG_E_READ_ONLY);
    assert_int_equal(ng_checkpoint(run->store, NULL, NULL, NULL), NG_E_READ_ONLY);
    assert_int_equal(fault_run_close(run), NG_OK);
    run->options = options;
    files_take(run->disk, &after);
    files_compare_and_release(&before, &after);
}
