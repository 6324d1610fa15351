/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Backups, restoring, repair and following, with faults in them. */
#include "fault_nth.h"

#include "store/store_backup.h"
#include "store/store_repair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ng_status stream_take(void *context, const void *data, size_t bytes)
{
    (void)context;
    if (nth.bytes + bytes > nth.capacity) {
        nth.capacity = (nth.bytes + bytes) * 2;
        nth.data = realloc(nth.data, nth.capacity);
        assert_non_null(nth.data);
    }
    memcpy(nth.data + nth.bytes, data, bytes);
    nth.bytes += bytes;
    return NG_OK;
}

static ng_status stream_give(void *context, void *data, size_t capacity, size_t *bytes)
{
    (void)context;
    *bytes = nth.bytes - nth.at < capacity ? nth.bytes - nth.at : capacity;
    memcpy(data, nth.data + nth.at, *bytes);
    nth.at += *bytes;
    return NG_OK;
}

ng_status nth_stream(fault_run *run)
{
    nth.bytes = 0;
    return ng_stream_write(run->store, NULL, stream_take, NULL, NULL);
}

ng_status nth_stream_ops(fault_run *run)
{
    ng_stream_options options = {.struct_size = sizeof options, .incremental = true, .after = 20};
    nth.bytes = 0;
    return ng_stream_write(run->store, &options, stream_take, NULL, NULL);
}

ng_status nth_stream_path(fault_run *run)
{
    nth.bytes = 0;
    return ngi_store_stream_write_path(sim_disk_os(run->disk), &run->mem.mem, FAULT_PATH, NULL,
                                       stream_take, NULL, NULL);
}

void nth_prepare_stream(fault_run *run)
{
    nth.bytes = 0;
    assert_int_equal(ng_stream_write(run->store, NULL, stream_take, NULL, NULL), NG_OK);
    assert_int_equal(ng_state_hash(run->store, &nth.hash), NG_OK);
}

/* Whether anything on the disk has a path that begins so. */
static bool nth_has_files(fault_run *run, const char *begin)
{
    char paths[64][SIM_PATH_BYTES];
    size_t count = sim_disk_files(run->disk, paths, 64);
    for (size_t i = 0; i < count && i < 64; i++) {
        if (strncmp(paths[i], begin, strlen(begin)) == 0)
            return true;
    }
    return false;
}

static void nth_expect_store(fault_run *run, const char *path)
{
    ng_store *store = NULL;
    uint64_t hash = 0;
    fail_mem mem;
    char text[128];
    fail_mem_init(&mem, 0);
    assert_int_equal(ngi_store_open(sim_disk_os(run->disk), &mem.mem, path, &run->options, &store),
                     NG_OK);
    assert_int_equal(ngi_store_hash(store, &hash), NG_OK);
    assert_int_equal(hash, nth.hash);
    assert_int_equal(ngi_store_close(store), NG_OK);
    assert_null(fail_mem_leak(&mem, text, sizeof text));
}

/* A failed call leaves nothing; clearing it away may fail too when every call does. */
static ng_status nth_made_store(fault_run *run, ng_status status, const char *path)
{
    char kept[512];
    snprintf(kept, sizeof kept, "%s", ng_last_error());
    bool is_stopped = sim_disk_is_stopped(run->disk);
    if (status == NG_OK) {
        sim_disk_fail(run->disk, NULL);
        fail_mem_plan(&run->mem, 0, false);
        nth_expect_store(run, path);
    } else if (!is_stopped) {
        assert_false(nth_has_files(run, path));
    }
    return status == NG_OK ? NG_OK : ngi_fail(status, "%s", kept);
}

ng_status nth_restore(fault_run *run)
{
    nth.at = 0;
    ng_status status = ngi_store_stream_restore(sim_disk_os(run->disk), &run->mem.mem, stream_give,
                                                NULL, "/sim/restored", NULL, NULL);
    return nth_made_store(run, status, "/sim/restored");
}

ng_status nth_backup(fault_run *run)
{
    return ngi_store_backup(run->store, "/sim/backup", NULL, NULL);
}

void nth_prepare_backup(fault_run *run)
{
    assert_int_equal(ngi_store_backup(run->store, "/sim/backup", NULL, NULL), NG_OK);
    nth_create_one(run);
}

ng_status nth_increment(fault_run *run)
{
    ng_backup_options options = {.struct_size = sizeof options, .incremental = true};
    return ngi_store_backup(run->store, "/sim/backup", &options, NULL);
}

void nth_prepare_backups(fault_run *run)
{
    nth_prepare_backup(run);
    assert_int_equal(nth_increment(run), NG_OK);
    assert_int_equal(ng_state_hash(run->store, &nth.hash), NG_OK);
}

ng_status nth_restore_backups(fault_run *run)
{
    ng_status status = ngi_store_restore(sim_disk_os(run->disk), &run->mem.mem, "/sim/backup",
                                         "/sim/restored", NULL, NULL);
    return nth_made_store(run, status, "/sim/restored");
}

ng_status nth_repair(fault_run *run)
{
    ng_repair_report report;
    ng_status status = ngi_store_repair(sim_disk_os(run->disk), &run->mem.mem, FAULT_PATH,
                                        "/sim/repaired", NULL, NULL, &report);
    if (status == NG_OK && sim_disk_fault_count(run->disk) == 0)
        assert_int_equal(report.losses, 0);
    /* A file that could not be read is a loss: only without one is the state the same. */
    if (status == NG_OK && report.losses != 0)
        return NG_OK;
    return nth_made_store(run, status, "/sim/repaired");
}

void nth_prepare_repair(fault_run *run)
{
    assert_int_equal(ng_state_hash(run->store, &nth.hash), NG_OK);
    assert_int_equal(fault_run_close(run), NG_OK);
}

/* --- a copy that follows: its failures are its own --- */

void nth_prepare_follow(fault_run *run)
{
    ng_restore_options options = {.struct_size = sizeof options, .follow = true};
    ng_positions(run->store, &nth.seq, NULL);
    nth_prepare_stream(run);
    nth.at = 0;
    fail_mem_init(&nth.other_mem, 0);
    assert_int_equal(ngi_store_stream_restore(sim_disk_os(run->disk), &nth.other_mem.mem,
                                              stream_give, NULL, "/sim/copy", &options, NULL),
                     NG_OK);
    test_random random = {8};
    for (int i = 0; i < 5; i++)
        assert_int_equal(fault_run_step(run, &nth_mix, &random, 0), NG_OK);
    assert_int_equal(ng_state_hash(run->store, &nth.hash), NG_OK);
    ng_stream_options ops = {.struct_size = sizeof ops, .incremental = true, .after = nth.seq};
    nth.bytes = 0;
    assert_int_equal(ng_stream_write(run->store, &ops, stream_take, NULL, NULL), NG_OK);
}

ng_status nth_follow(fault_run *run)
{
    char kept[512], text[128];
    ngi_os *os = sim_disk_os(run->disk);
    nth.at = 0;
    ng_status status = ngi_store_open(os, &run->mem.mem, "/sim/copy", &run->options, &nth.other);
    if (status == NG_OK) {
        status = ngi_store_stream_apply(nth.other, stream_give, NULL, NULL);
        snprintf(kept, sizeof kept, "%s", ng_last_error());
        ng_status closed = ngi_store_close(nth.other);
        nth.other = NULL;
        if (status != NG_OK)
            status = ngi_fail(status, "%s", kept);
        else
            status = closed;
    }
    snprintf(kept, sizeof kept, "%s", ng_last_error());
    /* Whatever happened, it goes on from where it is. */
    sim_disk_fail(run->disk, NULL);
    fail_mem_plan(&run->mem, 0, false);
    nth.at = 0;
    assert_int_equal(ngi_store_open(os, &nth.other_mem.mem, "/sim/copy", &run->options, &nth.other),
                     NG_OK);
    assert_int_equal(ngi_store_stream_apply(nth.other, stream_give, NULL, NULL), NG_OK);
    assert_int_equal(ngi_store_close(nth.other), NG_OK);
    nth_expect_store(run, "/sim/copy");
    assert_null(fail_mem_leak(&nth.other_mem, text, sizeof text));
    /* The store that it follows is not touched by its failure. */
    if (!nth_is_documented(status))
        fail_msg("%s: %s", ng_status_name(status), kept);
    return status == NG_OK ? NG_OK : ngi_fail(NG_E_IO, "%s", kept);
}
