/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How a history is made up and played. */
#include "fault_schedule.h"

#include "store/store_restore.h"
#include "store/store_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SNAPSHOT_BYTES (64u << 10) /* of log after which a checkpoint is due: the least */

typedef struct schedule_player {
    fault_run run;
    schedule_seen *seen;
    ng_view *view;
    uint64_t view_hash;
} schedule_player;

static const twin_mix schedule_mix = {.target_tokens = 60,
                                      .bad_percent = 5,
                                      .condition_percent = 8,
                                      .use_projection = true,
                                      .dimensions = 56};

static schedule_kind random_kind(test_random *random)
{
    static const unsigned chances[STEP_KINDS] = {
        [STEP_WRITE] = 610,     [STEP_TRANSACTION] = 120, [STEP_WAIT] = 40, [STEP_TICK] = 60,
        [STEP_CHECKPOINT] = 25, [STEP_VIEW] = 25,         [STEP_COPY] = 10, [STEP_CLOCK] = 10,
        [STEP_STOP] = 30,       [STEP_FAULT] = 20,        [STEP_FULL] = 8,  [STEP_ROOM] = 12,
        [STEP_REOPEN] = 10,     [STEP_READ_ONLY] = 8,     [STEP_CRASH] = 12};
    uint64_t roll = test_random_below(random, 1000);
    for (int kind = 0; kind < STEP_KINDS; kind++) {
        if (roll < chances[kind])
            return (schedule_kind)kind;
        roll -= chances[kind];
    }
    return STEP_WRITE;
}

void schedule_make(fault_schedule *schedule, uint64_t seed)
{
    test_random random = {seed};
    schedule->seed = seed;
    schedule->count = 10 + test_random_below(&random, test_random_chance(&random, 30) ? 900 : 150);
    schedule->steps = calloc(schedule->count, sizeof *schedule->steps);
    assert_non_null(schedule->steps);
    /* Half of the histories have their first failure while the store is made. */
    bool fails_early = test_random_chance(&random, 50);
    for (size_t i = 0; i < schedule->count; i++) {
        schedule->steps[i].kind = i == 0 && fails_early ? STEP_STOP : random_kind(&random);
        schedule->steps[i].seed = test_random_next(&random);
    }
}

const char *schedule_kind_name(schedule_kind kind)
{
    static const char *const names[STEP_KINDS] = {
        [STEP_WRITE] = "write",   [STEP_TRANSACTION] = "transaction",
        [STEP_WAIT] = "wait",     [STEP_TICK] = "tick",
        [STEP_VIEW] = "view",     [STEP_CHECKPOINT] = "checkpoint",
        [STEP_COPY] = "copy",     [STEP_CLOCK] = "clock",
        [STEP_STOP] = "stop",     [STEP_FAULT] = "fault",
        [STEP_FULL] = "full",     [STEP_ROOM] = "room",
        [STEP_REOPEN] = "reopen", [STEP_READ_ONLY] = "look",
        [STEP_CRASH] = "crash"};
    return names[kind];
}

static schedule_kind read_kind(const char *text, size_t bytes)
{
    for (int kind = 0; kind < STEP_KINDS; kind++) {
        const char *name = schedule_kind_name((schedule_kind)kind);
        if (strlen(name) == bytes && memcmp(name, text, bytes) == 0)
            return (schedule_kind)kind;
    }
    fail_msg("there is no step '%.*s'", (int)bytes, text);
    return STEP_WRITE;
}

void schedule_read(fault_schedule *schedule, const char *text)
{
    char *at = NULL;
    memset(schedule, 0, sizeof *schedule);
    schedule->seed = strtoull(text, &at, 0);
    schedule->steps = calloc(strlen(text), sizeof *schedule->steps);
    assert_non_null(schedule->steps);
    while (*at == ' ') {
        const char *colon = strchr(++at, ':');
        assert_non_null(colon);
        schedule_step *step = &schedule->steps[schedule->count++];
        step->kind = read_kind(at, (size_t)(colon - at));
        step->seed = strtoull(colon + 1, &at, 0);
    }
}

void schedule_release(fault_schedule *schedule)
{
    free(schedule->steps);
    memset(schedule, 0, sizeof *schedule);
}

static void play_options(schedule_player *player, test_random *random)
{
    ng_open_options *options = &player->run.options;
    options->durability = (uint32_t)test_random_below(random, 4);
    options->interval_ms = 1 + (uint32_t)test_random_below(random, 1000);
    options->checkpoint_bytes =
        test_random_chance(random, 50) ? SNAPSHOT_BYTES << test_random_below(random, 2) : NG_NEVER;
    options->checkpoint_seconds = test_random_chance(random, 30) ? 60 : NG_NEVER;
    options->retain_bytes = test_random_chance(random, 30) ? 100000 : 0;
    options->retain_seconds = test_random_chance(random, 20) ? 1000 : 0;
}

/* Power fails; or only the process died, and the next one finds what was not synced as well. */
static void play_crash(schedule_player *player, test_random *random)
{
    fault_run *run = &player->run;
    if (test_random_chance(random, 30)) {
        sim_disk_fail(run->disk, NULL);
        player->seen->kills++;
        return;
    }
    sim_disk *next = sim_disk_crash(run->disk, test_random_next(random));
    sim_disk_destroy(run->disk);
    run->disk = next;
}

static void play_view_close(schedule_player *player)
{
    ng_view_close(player->view);
    player->view = NULL;
}

/* Whatever it says: the store may be latched, or the machine may have stopped. */
static void play_drop_store(schedule_player *player)
{
    play_view_close(player);
    if (player->run.store != NULL)
        (void)fault_run_close(&player->run);
}

static void play_recovered(schedule_player *player)
{
    fault_run *run = &player->run;
    schedule_seen *seen = player->seen;
    size_t before = run->count;
    bool had_doubt = run->has_doubt;
    ng_info info;
    assert_int_equal(ng_store_info(run->store, &info), NG_OK);
    fault_run_recovered(run);
    bool kept_doubt = had_doubt && run->count == before + 1;
    if (had_doubt && !kept_doubt) {
        twin_op_release(&run->doubt);
        run->has_doubt = false;
    }
    seen->recoveries++;
    seen->ops_kept += run->count;
    seen->ops_lost += before + kept_doubt - run->count;
    seen->tails_cut += info.recovered_bytes_cut != 0;
    seen->doubts_kept += kept_doubt;
    seen->doubts_lost += had_doubt && !kept_doubt;
    seen->rotations += info.segment_count > 1;
    seen->snapshots_loaded += info.recovered_snapshot_seq != 0;
}

/* Opens the store, whatever it takes: a machine that stops meanwhile is started again, and a call
 * that failed is tried again on a disk that is whole. */
static void play_open(schedule_player *player, test_random *random)
{
    fault_run *run = &player->run;
    for (int attempt = 0; run->store == NULL; attempt++) {
        uint64_t faults = sim_disk_fault_count(run->disk);
        ng_status status = fault_run_open(run);
        bool was_faulted = sim_disk_fault_count(run->disk) != faults;
        sim_disk_fail(run->disk, NULL);
        if (status == NG_OK) {
            play_recovered(player);
            continue;
        }
        if (status == NG_E_DISK_FULL)
            sim_disk_set_capacity(run->disk, 0);
        else if (!was_faulted || attempt > 3)
            fail_msg("the store does not open: %s", ng_last_error());
        play_crash(player, random);
    }
}

/* A call failed, or may have: the promises of a failure. */
static void play_failed(schedule_player *player, ng_status status, test_random *random)
{
    fault_run *run = &player->run;
    player->seen->full += status == NG_E_DISK_FULL;
    player->seen->faulted++;
    if (sim_disk_is_stopped(run->disk)) {
        play_drop_store(player);
        play_crash(player, random);
        return;
    }
    sim_disk_fail(run->disk, NULL);
    if (status == NG_E_DISK_FULL && test_random_chance(random, 30))
        sim_disk_set_capacity(run->disk, 0);
    if (!fault_run_failed(run))
        return;
    player->seen->latched++;
    play_drop_store(player);
    if (test_random_chance(random, 50))
        play_crash(player, random);
}

static void play_write(schedule_player *player, test_random *random)
{
    fault_run *run = &player->run;
    twin_op op;
    twin_random_op(&run->twin, &schedule_mix, random, &op);
    if (test_random_chance(random, 30))
        op.durability = (ng_durability)test_random_below(random, 4);
    player->seen->conflicts += op.expected == NG_E_CONFLICT;
    uint32_t flags = test_random_chance(random, 40) ? NG_WRITE_NOWAIT : 0;
    ng_status status = fault_run_op(run, &op, flags);
    if (status != NG_OK)
        play_failed(player, status, random);
}

static void play_transaction(schedule_player *player, test_random *random)
{
    player->seen->transactions++;
    ng_durability durability = (ng_durability)test_random_below(random, 4);
    ng_status status = fault_run_transact(&player->run, &schedule_mix, random, durability);
    if (status != NG_OK)
        play_failed(player, status, random);
}

/* Anything but a write: it fails only because the disk does, and then has changed nothing. */
static void play_other(schedule_player *player, test_random *random, ng_status status,
                       uint64_t faults)
{
    fault_run *run = &player->run;
    ng_seq durable = 0;
    ng_positions(run->store, NULL, &durable);
    if (durable > run->acknowledged)
        run->acknowledged = durable;
    if (status == NG_OK)
        return;
    if (sim_disk_fault_count(run->disk) == faults && status != NG_E_DISK_FULL &&
        status != NG_E_LATCHED)
        fail_msg("failed without a fault: %s", ng_last_error());
    play_failed(player, status, random);
}

static void play_upkeep(schedule_player *player, schedule_kind kind, test_random *random)
{
    fault_run *run = &player->run;
    uint64_t faults = sim_disk_fault_count(run->disk);
    ng_checkpoint_report report;
    ng_status status = NG_OK;
    if (kind == STEP_TICK)
        status = ng_tick(run->store, 0, NULL);
    else if (kind == STEP_CHECKPOINT)
        status = ng_checkpoint(run->store, NULL, NULL, &report);
    else if (run->count != 0)
        status = ng_wait_durable(run->store, run->journal[run->count - 1].seq);
    if (status == NG_OK && kind == STEP_CHECKPOINT && run->count != 0)
        assert_int_equal(report.seq, run->journal[run->count - 1].seq);
    if (status == NG_OK && kind == STEP_WAIT && run->count != 0) {
        ng_seq durable = 0;
        ng_positions(run->store, NULL, &durable);
        assert_true(durable >= run->journal[run->count - 1].seq);
    }
    play_other(player, random, status, faults);
}

static void play_view(schedule_player *player)
{
    fault_run *run = &player->run;
    if (player->view == NULL) {
        if (ng_state_hash(run->store, &player->view_hash) != NG_OK)
            return; /* latched: later steps find out */
        assert_int_equal(ng_view_open(run->store, NULL, &player->view), NG_OK);
        return;
    }
    uint64_t hash = 0;
    ng_status status = ng_view_state_hash(player->view, &hash);
    if (status == NG_OK && hash != player->view_hash)
        fail_msg("the view has another hash than when it was opened");
    if (status != NG_OK && status != NG_E_EXPIRED && status != NG_E_LATCHED)
        fail_msg("the view: %s", ng_last_error());
    player->seen->views_compared += status == NG_OK;
    play_view_close(player);
}

typedef struct copy_stream {
    uint8_t *data;
    size_t bytes, capacity, at;
} copy_stream;

static ng_status copy_take(void *context, const void *data, size_t bytes)
{
    copy_stream *copy = context;
    if (copy->bytes + bytes > copy->capacity) {
        copy->capacity = (copy->bytes + bytes) * 2;
        copy->data = realloc(copy->data, copy->capacity);
        assert_non_null(copy->data);
    }
    memcpy(copy->data + copy->bytes, data, bytes);
    copy->bytes += bytes;
    return NG_OK;
}

static ng_status copy_give(void *context, void *data, size_t capacity, size_t *bytes)
{
    copy_stream *copy = context;
    *bytes = copy->bytes - copy->at < capacity ? copy->bytes - copy->at : capacity;
    memcpy(data, copy->data + copy->at, *bytes);
    copy->at += *bytes;
    return NG_OK;
}

/* What is restored from a stream, on another disk, has the state of the moment of the stream. */
static void copy_compare(copy_stream *copy, uint64_t wanted)
{
    ngi_mem mem;
    ngi_mem_init(&mem, 0);
    uint64_t hash = 0;
    ng_store *store = NULL;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ng_open_options options = {.struct_size = sizeof options, .flags = NG_OPEN_MANUAL};
    if (ngi_store_stream_restore(os, &mem, copy_give, copy, "/sim/copy", NULL, NULL) != NG_OK ||
        ngi_store_open(os, &mem, "/sim/copy", &options, &store) != NG_OK)
        fail_msg("the copy: %s", ng_last_error());
    assert_int_equal(ngi_store_hash(store, &hash), NG_OK);
    if (hash != wanted)
        fail_msg("the copy has another state");
    assert_int_equal(ngi_store_close(store), NG_OK);
    sim_disk_destroy(disk);
}

static void play_copy(schedule_player *player, test_random *random)
{
    fault_run *run = &player->run;
    copy_stream copy = {0};
    uint64_t wanted = 0, faults = sim_disk_fault_count(run->disk);
    if (ng_state_hash(run->store, &wanted) != NG_OK)
        return; /* latched: later steps find out */
    ng_status status = ng_stream_write(run->store, NULL, copy_take, &copy, NULL);
    if (status == NG_OK) {
        copy_compare(&copy, wanted);
        player->seen->copies++;
    }
    free(copy.data);
    play_other(player, random, status, faults);
}

static void play_clock(schedule_player *player, test_random *random)
{
    sim_disk *disk = player->run.disk;
    ngi_os *os = sim_disk_os(disk);
    uint64_t now = os->clock_us(os), step = test_random_below(random, 3600u * 1000000u);
    bool goes_back = test_random_chance(random, 20);
    sim_disk_set_clock(disk, goes_back ? now - step / 10 : now + step, 1);
}

static void play_fault(schedule_player *player, test_random *random)
{
    static const uint32_t kinds[] = {SIM_WRITE,
                                     SIM_SYNC,
                                     SIM_READ,
                                     SIM_ALLOCATE,
                                     SIM_OPEN | SIM_RENAME | SIM_REMOVE,
                                     SIM_SYNC_DIRECTORY,
                                     SIM_WRITE | SIM_ALLOCATE | SIM_OPEN,
                                     SIM_DISK_CALLS};
    uint64_t nth = test_random_below(random, sizeof kinds / sizeof *kinds);
    bool is_full = kinds[nth] & (SIM_WRITE | SIM_ALLOCATE) && test_random_chance(random, 50);
    sim_disk_fail(player->run.disk, &(sim_fault){.kinds = kinds[nth],
                                                 .at = 1 + test_random_below(random, 12),
                                                 .times = 1 + test_random_below(random, 5),
                                                 .partial_write = test_random_chance(random, 50),
                                                 .status = is_full ? NG_E_DISK_FULL : NG_E_IO});
}

/* A clean end. With a fault on its way it may fail, and is then no better than a kill. */
static bool play_close(schedule_player *player, test_random *random)
{
    fault_run *run = &player->run;
    uint64_t faults = sim_disk_fault_count(run->disk);
    play_view_close(player);
    ng_seq newest = run->count == 0 ? 0 : run->journal[run->count - 1].seq;
    ng_status status = fault_run_close(run);
    if (status == NG_OK && newest > run->acknowledged)
        run->acknowledged = newest; /* everything is on disk */
    bool is_stopped = sim_disk_is_stopped(run->disk);
    if (status != NG_OK && sim_disk_fault_count(run->disk) == faults && status != NG_E_LATCHED &&
        status != NG_E_DISK_FULL)
        fail_msg("close: %s", ng_last_error());
    sim_disk_fail(run->disk, NULL);
    if (is_stopped || (status != NG_OK && test_random_chance(random, 50)))
        play_crash(player, random);
    return status == NG_OK && !is_stopped;
}

static void play_disk(schedule_player *player, schedule_kind kind, test_random *random)
{
    sim_disk *disk = player->run.disk;
    switch (kind) {
    case STEP_STOP:
        sim_disk_stop_at(disk,
                         1 + test_random_below(random, test_random_chance(random, 50) ? 40 : 400));
        break;
    case STEP_FAULT:
        play_fault(player, random);
        break;
    case STEP_FULL:
        sim_disk_set_capacity(disk, sim_disk_used_bytes(disk) + test_random_below(random, 20000));
        break;
    case STEP_ROOM:
        sim_disk_set_capacity(disk, 0);
        break;
    default:
        play_clock(player, random);
        break;
    }
}

static void play_end(schedule_player *player, schedule_kind kind, test_random *random)
{
    if (kind == STEP_CRASH) {
        sim_disk_stop_at(player->run.disk, 1);
        play_drop_store(player);
        play_crash(player, random);
    } else {
        (void)play_close(player, random);
        if (kind == STEP_REOPEN)
            play_options(player, random);
    }
    if (kind == STEP_READ_ONLY || test_random_chance(random, 20)) {
        sim_disk_fail(player->run.disk, NULL);
        if (player->run.has_twin && player->run.count != 0 && player->run.acknowledged != 0)
            fault_run_read_only(&player->run);
    }
}

static void play_step(schedule_player *player, const schedule_step *step)
{
    test_random random = {step->seed};
    player->seen->steps[step->kind]++;
    switch (step->kind) {
    case STEP_STOP:
    case STEP_FAULT:
    case STEP_FULL:
    case STEP_ROOM:
    case STEP_CLOCK:
        play_disk(player, step->kind, &random);
        return;
    default:
        break;
    }
    if (player->run.store == NULL)
        play_open(player, &random);
    switch (step->kind) {
    case STEP_WRITE:
        play_write(player, &random);
        break;
    case STEP_TRANSACTION:
        play_transaction(player, &random);
        break;
    case STEP_WAIT:
    case STEP_TICK:
    case STEP_CHECKPOINT:
        play_upkeep(player, step->kind, &random);
        break;
    case STEP_VIEW:
        play_view(player);
        break;
    case STEP_COPY:
        play_copy(player, &random);
        break;
    default:
        play_end(player, step->kind, &random);
        break;
    }
}

/* The recovered store is a store: it goes on, closes cleanly, and opens with nothing to recover. */
static void play_last(schedule_player *player, test_random *random)
{
    fault_run *run = &player->run;
    sim_disk_fail(run->disk, NULL);
    sim_disk_set_capacity(run->disk, 0);
    if (run->store == NULL)
        play_open(player, random);
    for (int i = 0; i < 15 && run->store != NULL; i++)
        play_write(player, random);
    if (run->store == NULL)
        play_open(player, random);
    uint64_t before = 0, after = 0;
    ng_info info;
    assert_int_equal(ng_state_hash(run->store, &before), NG_OK);
    assert_true(play_close(player, random));
    assert_int_equal(fault_run_open(run), NG_OK);
    fault_run_verify(run);
    assert_int_equal(ng_state_hash(run->store, &after), NG_OK);
    assert_int_equal(before, after);
    assert_int_equal(ng_store_info(run->store, &info), NG_OK);
    assert_int_equal(info.recovered_bytes_cut, 0);
    assert_int_equal(fault_run_close(run), NG_OK);
}

void schedule_play(const fault_schedule *schedule, schedule_seen *seen)
{
    test_random random = {schedule->seed ^ 0x5EED};
    schedule_player *player = calloc(1, sizeof *player);
    assert_non_null(player);
    player->seen = seen;
    fault_run_init(&player->run, sim_disk_create(test_random_next(&random)));
    player->run.keeps_hashes = test_random_chance(&random, 30);
    play_options(player, &random);
    for (size_t i = 0; i < schedule->count; i++)
        play_step(player, &schedule->steps[i]);
    play_last(player, &random);
    fault_run_release(&player->run);
    free(player);
}
