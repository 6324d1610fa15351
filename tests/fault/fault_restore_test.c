/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The machine stops at call N of a backup or a restore, for N = 1, 2, 3 ...: what has a name is whole,
 * what was reported done is there, and the next attempt succeeds. */
#include "fail_mem.h"
#include "sim_disk.h"
#include "store/store_backup.h"
#include "store/store_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CRASHES 2 /* after each stop, as much kept or lost as chance will have it */
#define FILES_MAX 64

static const ng_open_options manual = {.struct_size = sizeof manual,
                                       .flags = NG_OPEN_MANUAL,
                                       .segment_bytes = 64 << 10};

static void check(ng_status status)
{
    if (status != NG_OK)
        fail_msg("%s: %s", ng_status_name(status), ngi_last_error());
}

static ng_status open_store(sim_disk *disk, ngi_mem *mem, const char *path, ng_store **out)
{
    ng_open_options options = manual;
    options.flags |= NG_OPEN_MUST_EXIST;
    return ngi_store_open(sim_disk_os(disk), mem, path, &options, out);
}

static void write_tokens(ng_store *store, int count)
{
    for (int i = 0; i < count; i++) {
        ng_token_fields fields = {.struct_size = sizeof fields};
        ng_token_id id;
        check(ngi_store_token_put(store, NULL, &fields, 1, NULL, &id));
    }
}

/* A disk with a closed store in /sim/store and a full backup of it in /sim/backups. */
static sim_disk *make_disk(uint64_t *hash)
{
    sim_disk *disk = sim_disk_create(7);
    fail_mem mem;
    ng_store *store;
    char leak[128];
    fail_mem_init(&mem, 0);
    check(ngi_store_open(sim_disk_os(disk), &mem.mem, "/sim/store", &manual, &store));
    write_tokens(store, 30);
    check(ngi_store_hash(store, hash));
    check(ngi_store_backup(store, "/sim/backups", NULL, NULL));
    check(ngi_store_close(store));
    assert_null(fail_mem_leak(&mem, leak, sizeof leak));
    return disk;
}

/* Whether a whole store is at `path`; nothing else may be there under that name. */
static bool has_store(sim_disk *disk, const char *path, uint64_t hash)
{
    fail_mem mem;
    ng_store *store;
    uint64_t found = 0;
    ng_check_report report;
    fail_mem_init(&mem, 0);
    ng_status status = open_store(disk, &mem.mem, path, &store);
    if (status != NG_OK) {
        assert_int_equal(status, NG_E_NOT_FOUND);
        return false;
    }
    check(ngi_store_hash(store, &found));
    check(ngi_store_check(store, &report));
    assert_string_equal(report.first_problem, "");
    assert_true(found == hash);
    check(ngi_store_close(store));
    return true;
}

static void test_stop_during_restore(void **state)
{
    (void)state;
    uint64_t hash;
    sim_disk *original = make_disk(&hash);
    unsigned lost = 0;
    bool done = false;
    for (uint64_t n = 1; !done; n++) {
        sim_disk *disk = sim_disk_clone(original);
        fail_mem mem;
        char leak[128];
        fail_mem_init(&mem, 0);
        sim_disk_stop_at(disk, n);
        ng_status status =
            ngi_store_restore(sim_disk_os(disk), &mem.mem, "/sim/backups", "/sim/copy", NULL, NULL);
        assert_null(fail_mem_leak(&mem, leak, sizeof leak));
        assert_int_equal(sim_disk_open_count(disk), 0);
        done = status == NG_OK && sim_disk_call_count(disk, SIM_DISK_CALLS) < n;
        for (uint64_t seed = 0; seed < CRASHES; seed++) {
            sim_disk *after = sim_disk_crash(disk, n * CRASHES + seed);
            bool there = has_store(after, "/sim/copy", hash);
            assert_true(there || status != NG_OK);
            lost += !there;
            if (!there)
                check(ngi_store_restore(sim_disk_os(after), &mem.mem, "/sim/backups", "/sim/copy",
                                        NULL, NULL));
            assert_true(has_store(after, "/sim/copy", hash));
            sim_disk_destroy(after);
        }
        sim_disk_destroy(disk);
    }
    assert_true(lost > 20);
    sim_disk_destroy(original);
}

/* How many backups there are; each that has its name is whole. */
static size_t count_backups(sim_disk *disk)
{
    static char paths[FILES_MAX][SIM_PATH_BYTES];
    size_t files = sim_disk_files(disk, paths, FILES_MAX), count = 0;
    ngi_os *os = sim_disk_os(disk);
    assert_true(files <= FILES_MAX);
    for (size_t i = 0; i < files; i++) {
        if (strstr(paths[i], ".full") == NULL && strstr(paths[i], ".incremental") == NULL)
            continue;
        fail_mem mem;
        store_file_source source = {.os = os};
        ngi_stream_head head;
        ng_seq last;
        uint64_t bytes;
        fail_mem_init(&mem, 0);
        check(os->file_open(os, paths[i], NGI_OPEN_READ, &source.file));
        check(ngi_stream_verify(&mem.mem, ngi_file_source, &source, &head, &last, &bytes));
        os->file_close(os, source.file);
        count++;
    }
    return count;
}

static void test_stop_during_backup(void **state)
{
    (void)state;
    uint64_t hash;
    sim_disk *original = make_disk(&hash);
    bool done = false;
    for (uint64_t n = 1; !done; n++) {
        sim_disk *disk = sim_disk_clone(original);
        fail_mem mem;
        ng_store *store;
        const ng_backup_options options = {.struct_size = sizeof options, .incremental = n % 2};
        fail_mem_init(&mem, 0);
        check(open_store(disk, &mem.mem, "/sim/store", &store));
        write_tokens(store, 3);
        check(ngi_store_hash(store, &hash));
        sim_disk_stop_at(disk, n);
        ng_status status = ngi_store_backup(store, "/sim/backups", &options, NULL);
        done = status == NG_OK && sim_disk_call_count(disk, SIM_DISK_CALLS) < n;
        (void)ngi_store_close(store);
        for (uint64_t seed = 0; seed < CRASHES; seed++) {
            sim_disk *after = sim_disk_crash(disk, n * CRASHES + seed);
            size_t count = count_backups(after);
            assert_true(count == 2 || (count == 1 && status != NG_OK));
            if (count == 1) { /* again, as after a restart */
                check(open_store(after, &mem.mem, "/sim/store", &store));
                check(ngi_store_backup(store, "/sim/backups", &options, NULL));
                check(ngi_store_close(store));
            }
            check(ngi_store_restore(sim_disk_os(after), &mem.mem, "/sim/backups", "/sim/copy", NULL,
                                    NULL));
            assert_true(has_store(after, "/sim/copy", hash));
            sim_disk_destroy(after);
        }
        sim_disk_destroy(disk);
    }
    sim_disk_destroy(original);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_during_restore),
        cmocka_unit_test(test_stop_during_backup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
