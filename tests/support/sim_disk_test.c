/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The simulated disk and the memory hook do what the fault tests believe of them. */
#include "fail_mem.h"
#include "sim_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ngi_file open_file(sim_disk *disk, const char *path, unsigned mode)
{
    ngi_file file = 0;
    ngi_os *os = sim_disk_os(disk);
    assert_int_equal(os->file_open(os, path, mode, &file), NG_OK);
    return file;
}

static ngi_file create_file(sim_disk *disk, const char *path)
{
    return open_file(disk, path, NGI_OPEN_WRITE | NGI_OPEN_CREATE);
}

static void write_at(sim_disk *disk, ngi_file file, const char *text, uint64_t offset)
{
    ngi_os *os = sim_disk_os(disk);
    assert_int_equal(os->file_write(os, file, text, strlen(text), offset), NG_OK);
}

static bool has_file(sim_disk *disk, const char *path)
{
    size_t bytes;
    uint8_t *copy = sim_disk_file_copy(disk, path, &bytes);
    free(copy);
    return copy != NULL;
}

static void test_reads_what_was_written(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ngi_file file = create_file(disk, "/sim/a");
    write_at(disk, file, "hello", 1000);
    char data[8] = {0};
    size_t got = 9;
    assert_int_equal(os->file_read(os, file, data, 8, 1000, &got), NG_OK);
    assert_int_equal(got, 5);
    assert_memory_equal(data, "hello", 5);
    assert_int_equal(os->file_read(os, file, data, 8, 5000, &got), NG_OK);
    assert_int_equal(got, 0);
    uint64_t size = 0;
    assert_int_equal(os->file_truncate(os, file, 1002), NG_OK);
    assert_int_equal(os->file_truncate(os, file, 1010), NG_OK);
    assert_int_equal(os->file_size(os, file, &size), NG_OK);
    assert_int_equal(size, 1010);
    assert_int_equal(os->file_read(os, file, data, 8, 1000, &got), NG_OK);
    assert_int_equal(got, 8);
    assert_memory_equal(data, "he\0\0\0\0\0\0", 8);
    os->file_close(os, file);
    assert_int_equal(sim_disk_open_count(disk), 0);
    sim_disk_destroy(disk);
}

static void test_open_modes_and_errors(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ngi_file file;
    assert_int_equal(os->file_open(os, "/sim/a", NGI_OPEN_READ, &file), NG_E_NOT_FOUND);
    assert_int_equal(os->file_open(os, "/none/a", NGI_OPEN_WRITE | NGI_OPEN_CREATE, &file),
                     NG_E_NOT_FOUND);
    file = create_file(disk, "/sim/a");
    write_at(disk, file, "x", 0);
    os->file_close(os, file);
    assert_int_equal(os->file_open(os, "/sim/a",
                                   NGI_OPEN_WRITE | NGI_OPEN_CREATE | NGI_OPEN_EXCLUSIVE, &file),
                     NG_E_EXISTS);
    file = open_file(disk, "/sim/a", NGI_OPEN_READ);
    assert_int_equal(os->file_write(os, file, "y", 1, 0), NG_E_IO);
    os->file_close(os, file);
    file = open_file(disk, "/sim/a", NGI_OPEN_WRITE | NGI_OPEN_TRUNCATE);
    uint64_t size = 9;
    assert_int_equal(os->file_size(os, file, &size), NG_OK);
    assert_int_equal(size, 0);
    os->file_close(os, file);
    assert_int_equal(os->make_directory(os, "/sim"), NG_E_EXISTS);
    assert_int_equal(os->make_directory(os, "/none/b"), NG_E_NOT_FOUND);
    assert_int_equal(os->remove(os, "/sim/none"), NG_E_NOT_FOUND);
    assert_int_equal(os->rename(os, "/sim/none", "/sim/b"), NG_E_NOT_FOUND);
    sim_disk_destroy(disk);
}

static void test_locks(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ngi_file first = create_file(disk, "/sim/LOCK"), second = create_file(disk, "/sim/LOCK");
    ngi_file reader = open_file(disk, "/sim/LOCK", NGI_OPEN_READ);
    assert_int_equal(os->file_lock(os, first, true), NG_OK);
    assert_int_equal(os->file_lock(os, first, true), NG_OK);
    assert_int_equal(os->file_lock(os, second, true), NG_E_BUSY);
    assert_int_equal(os->file_lock(os, reader, false), NG_E_BUSY);
    os->file_close(os, first);
    assert_int_equal(os->file_lock(os, reader, false), NG_OK);
    assert_int_equal(os->file_lock(os, second, true), NG_E_BUSY);
    assert_int_equal(os->file_lock(os, second, false), NG_OK);
    os->file_close(os, reader);
    assert_int_equal(os->file_lock(os, second, true), NG_OK);
    os->file_close(os, second);
    sim_disk_destroy(disk);
}

/* What is stored into a mapped file is seen by readers at once, survives closing, is safe after a
 * sync, and otherwise a gamble, sector by sector. */
static void test_mapped_file(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ngi_file file = create_file(disk, "/sim/a"), other = create_file(disk, "/sim/a");
    ngi_file reader = open_file(disk, "/sim/a", NGI_OPEN_READ);
    void *map = NULL, *again = NULL;
    assert_int_equal(os->file_map(os, reader, 100, &map), NG_E_IO);
    write_at(disk, file, "before", 0);
    assert_int_equal(os->file_map(os, file, 2000, &map), NG_OK);
    assert_int_equal(os->file_map(os, other, 1000, &again), NG_OK);
    assert_ptr_equal(map, again);
    assert_int_equal((uintptr_t)map % 4096, 0);
    assert_memory_equal(map, "before\0", 8);
    write_at(disk, file, "beside", 10);
    assert_memory_equal((char *)map + 10, "beside", 6);
    assert_int_equal(os->file_sync(os, file), NG_OK);
    assert_int_equal(os->sync_directory(os, "/sim"), NG_OK);
    memcpy((char *)map + 20, "stored", 6);
    memcpy((char *)map + 1500, "stored", 6);
    char data[8];
    size_t got;
    assert_int_equal(os->file_read(os, reader, data, 6, 1500, &got), NG_OK);
    assert_memory_equal(data, "stored", 6);
    int apart = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        sim_disk *after = sim_disk_crash(disk, seed);
        size_t bytes;
        uint8_t *copy = sim_disk_file_copy(after, "/sim/a", &bytes);
        assert_non_null(copy);
        assert_int_equal(bytes, 2000);
        assert_memory_equal(copy + 10, "beside", 6);
        bool has_first = memcmp(copy + 20, "stored", 6) == 0;
        bool has_second = memcmp(copy + 1500, "stored", 6) == 0;
        assert_true(has_first || copy[20] == 0);
        apart += has_first != has_second;
        free(copy);
        sim_disk_destroy(after);
    }
    assert_true(apart > 5);
    os->file_close(os, file);
    os->file_close(os, other);
    os->file_close(os, reader);
    os->file_unmap(os, map, 2000);
    assert_int_equal(sim_disk_open_count(disk), 1);
    os->file_unmap(os, again, 1000);
    assert_int_equal(sim_disk_open_count(disk), 0);
    sim_disk *whole = sim_disk_clone(disk);
    size_t bytes;
    uint8_t *copy = sim_disk_file_copy(whole, "/sim/a", &bytes);
    assert_memory_equal(copy + 1500, "stored", 6);
    free(copy);
    sim_disk_destroy(whole);
    sim_disk_destroy(disk);
}

/* What is stored into mapped memory after the machine stopped never reaches the disk, and a map
 * that would need more room than there is is refused. */
static void test_mapped_file_of_a_stopped_machine(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ngi_file file = create_file(disk, "/sim/a");
    void *map = NULL;
    sim_disk_set_capacity(disk, 4096);
    assert_int_equal(os->file_map(os, file, 4097, &map), NG_E_DISK_FULL);
    assert_int_equal(os->file_map(os, file, 4096, &map), NG_OK);
    memcpy(map, "one", 3);
    sim_disk_stop_at(disk, 1);
    assert_int_equal(os->file_sync(os, file), NG_E_IO);
    memcpy(map, "two", 3);
    os->file_close(os, file);
    os->file_unmap(os, map, 4096);
    sim_disk *whole = sim_disk_clone(disk);
    size_t bytes;
    uint8_t *copy = sim_disk_file_copy(whole, "/sim/a", &bytes);
    assert_int_equal(bytes, 4096);
    assert_memory_equal(copy, "one", 3);
    free(copy);
    sim_disk_destroy(whole);
    sim_disk_destroy(disk);
}

static void test_directories(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    assert_int_equal(os->make_directory(os, "/sim/new"), NG_OK);
    assert_int_equal(os->make_directory(os, "/sim/new/deep"), NG_OK);
    ngi_file file = create_file(disk, "/sim/new/deep/a");
    write_at(disk, file, "payload", 0);
    assert_int_equal(os->file_sync(os, file), NG_OK);
    os->file_close(os, file);
    assert_int_equal(os->remove(os, "/sim/new"), NG_E_IO);
    assert_int_equal(os->remove_directory(os, "/sim/new"), NG_E_IO); /* not empty */
    assert_int_equal(os->remove_directory(os, "/sim/none"), NG_E_NOT_FOUND);
    assert_int_equal(os->sync_directory(os, "/sim/new/deep"), NG_OK);
    assert_int_equal(os->sync_directory(os, "/sim/new"), NG_OK);
    assert_int_equal(os->sync_directory(os, "/sim"), NG_OK);

    /* Renamed as a whole, over an empty directory at most, with all that is in it. */
    assert_int_equal(os->make_directory(os, "/sim/to"), NG_OK);
    assert_int_equal(os->rename(os, "/sim/new/deep/a", "/sim/to"), NG_E_IO);
    assert_int_equal(os->rename(os, "/sim/new", "/sim/to"), NG_OK);
    assert_true(has_file(disk, "/sim/to/deep/a"));
    assert_false(has_file(disk, "/sim/new/deep/a"));
    int moved = 0, stayed = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        sim_disk *after = sim_disk_crash(disk, seed);
        bool is_there = has_file(after, "/sim/to/deep/a");
        assert_true(is_there != has_file(after, "/sim/new/deep/a"));
        moved += is_there;
        stayed += !is_there;
        sim_disk_destroy(after);
    }
    assert_true(moved > 5 && stayed > 5);
    assert_int_equal(os->make_directory(os, "/sim/other"), NG_OK);
    assert_int_equal(os->rename(os, "/sim/other", "/sim/to"), NG_E_IO); /* not empty */
    assert_int_equal(os->remove(os, "/sim/to/deep/a"), NG_OK);
    assert_int_equal(os->remove_directory(os, "/sim/to/deep"), NG_OK);
    assert_int_equal(os->remove_directory(os, "/sim/to"), NG_OK);
    assert_int_equal(os->sync_directory(os, "/sim/to"), NG_E_NOT_FOUND);
    sim_disk_destroy(disk);
}

/* Of two files, the one written later may be there without the one written first. */
static void test_crash_reorders_across_files(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ngi_file first = create_file(disk, "/sim/first"), second = create_file(disk, "/sim/second");
    char block[8 * SIM_SECTOR_BYTES];
    memset(block, '-', sizeof block);
    assert_int_equal(os->file_write(os, first, block, sizeof block, 0), NG_OK);
    assert_int_equal(os->file_write(os, second, block, sizeof block, 0), NG_OK);
    assert_int_equal(os->file_sync(os, first), NG_OK);
    assert_int_equal(os->file_sync(os, second), NG_OK);
    assert_int_equal(os->sync_directory(os, "/sim"), NG_OK);
    memset(block, 'x', sizeof block);
    assert_int_equal(os->file_write(os, first, block, sizeof block, 0), NG_OK);
    assert_int_equal(os->file_write(os, second, block, sizeof block, 0), NG_OK);
    int only_first = 0, only_second = 0, whole_second = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        sim_disk *after = sim_disk_crash(disk, seed);
        size_t bytes, kept[2] = {0};
        for (int i = 0; i < 2; i++) {
            uint8_t *copy =
                sim_disk_file_copy(after, i == 0 ? "/sim/first" : "/sim/second", &bytes);
            assert_int_equal(bytes, sizeof block);
            for (size_t at = 0; at < bytes; at += SIM_SECTOR_BYTES)
                kept[i] += copy[at] == 'x';
            free(copy);
        }
        only_first += kept[0] != 0 && kept[1] == 0;
        only_second += kept[0] == 0 && kept[1] != 0;
        whole_second += kept[0] == 0 && kept[1] == 8;
        sim_disk_destroy(after);
    }
    assert_true(only_first > 3 && only_second > 3 && whole_second > 3);
    os->file_close(os, first);
    os->file_close(os, second);
    sim_disk_destroy(disk);
}

static void test_flip(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    sim_disk_file_put(disk, "/sim/a", "abc", 3);
    sim_disk_flip(disk, "/sim/a", 8);
    for (uint64_t seed = 0; seed < 3; seed++) {
        sim_disk *after = sim_disk_crash(disk, seed);
        size_t bytes;
        uint8_t *copy = sim_disk_file_copy(after, "/sim/a", &bytes);
        assert_memory_equal(copy, "acc", 3); /* 'c' is 'b' with its lowest bit turned */
        free(copy);
        sim_disk_destroy(after);
    }
    sim_disk_destroy(disk);
}

static void test_fault_may_last_a_while(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ngi_file file = create_file(disk, "/sim/a");
    sim_disk_fail(disk, &(sim_fault){.kinds = SIM_WRITE | SIM_ALLOCATE,
                                     .at = 2,
                                     .times = 3,
                                     .status = NG_E_DISK_FULL});
    assert_int_equal(os->file_write(os, file, "x", 1, 0), NG_OK);
    assert_int_equal(os->file_allocate(os, file, 10), NG_E_DISK_FULL);
    assert_int_equal(os->file_write(os, file, "x", 1, 0), NG_E_DISK_FULL);
    assert_int_equal(os->file_sync(os, file), NG_OK);
    assert_int_equal(os->file_write(os, file, "x", 1, 0), NG_E_DISK_FULL);
    assert_int_equal(os->file_write(os, file, "x", 1, 0), NG_OK);
    assert_int_equal(sim_disk_fault_count(disk), 3);
    os->file_close(os, file);
    sim_disk_destroy(disk);
}

/* Over many seeds: what was synced is always there; what was not is sometimes there and sometimes
 * not, sector by sector, and a sector is never mixed. */
static void test_crash_keeps_synced_and_gambles_the_rest(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ngi_file file = create_file(disk, "/sim/a");
    char block[4 * SIM_SECTOR_BYTES];
    memset(block, 'a', sizeof block);
    assert_int_equal(os->file_write(os, file, block, sizeof block, 0), NG_OK);
    assert_int_equal(os->file_sync(os, file), NG_OK);
    assert_int_equal(os->sync_directory(os, "/sim"), NG_OK);
    memset(block, 'b', sizeof block);
    assert_int_equal(os->file_write(os, file, block, sizeof block, 2 * SIM_SECTOR_BYTES), NG_OK);
    int torn = 0, none = 0, all = 0, reordered = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        sim_disk *after = sim_disk_crash(disk, seed);
        size_t bytes = 0;
        uint8_t *data = sim_disk_file_copy(after, "/sim/a", &bytes);
        assert_non_null(data);
        assert_true(bytes == 4 * SIM_SECTOR_BYTES || bytes == 6 * SIM_SECTOR_BYTES);
        int kept = 0, last = -1;
        for (size_t sector = 0; sector < bytes / SIM_SECTOR_BYTES; sector++) {
            const uint8_t *at = data + sector * SIM_SECTOR_BYTES;
            for (int i = 1; i < SIM_SECTOR_BYTES; i++)
                assert_int_equal(at[i], at[0]);
            assert_true(at[0] == 'a' || at[0] == 'b' || (sector >= 4 && at[0] == 0));
            assert_true(sector >= 2 || at[0] == 'a');
            if (at[0] == 'b') {
                reordered += last < 0 && sector > 2;
                last = (int)sector;
                kept++;
            }
        }
        torn += kept == 1 || kept == 2;
        none += kept == 0;
        all += kept == 4;
        free(data);
        sim_disk_destroy(after);
    }
    assert_true(torn > 10 && none > 10 && all > 10 && reordered > 5);
    os->file_close(os, file);
    sim_disk_destroy(disk);
}

static void test_crash_is_repeatable(void **state)
{
    (void)state;
    uint8_t *data[2];
    size_t bytes[2];
    for (int round = 0; round < 2; round++) {
        sim_disk *disk = sim_disk_create(5);
        ngi_os *os = sim_disk_os(disk);
        ngi_file file = create_file(disk, "/sim/a");
        assert_int_equal(os->sync_directory(os, "/sim"), NG_OK);
        for (uint64_t i = 0; i < 20; i++)
            write_at(disk, file, "some words of a log", i * 300);
        sim_disk *after = sim_disk_crash(disk, 10);
        data[round] = sim_disk_file_copy(after, "/sim/a", &bytes[round]);
        os->file_close(os, file);
        sim_disk_destroy(disk);
        sim_disk_destroy(after);
    }
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(data[0], data[1], bytes[0]);
    free(data[0]);
    free(data[1]);
}

static void test_names_need_a_directory_sync(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ngi_file file = create_file(disk, "/sim/new");
    write_at(disk, file, "text", 0);
    assert_int_equal(os->file_sync(os, file), NG_OK);
    assert_false(sim_disk_durable_contains(disk, "text", 4));
    int lost = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        sim_disk *after = sim_disk_crash(disk, seed);
        lost += !has_file(after, "/sim/new");
        sim_disk_destroy(after);
    }
    assert_true(lost > 5 && lost < 45);
    assert_int_equal(os->sync_directory(os, "/sim"), NG_OK);
    assert_true(sim_disk_durable_contains(disk, "text", 4));
    for (uint64_t seed = 0; seed < 50; seed++) {
        sim_disk *after = sim_disk_crash(disk, seed);
        assert_true(has_file(after, "/sim/new"));
        sim_disk_destroy(after);
    }
    os->file_close(os, file);
    sim_disk_destroy(disk);
}

/* A replaced file is the old one or the new one, whole; the temporary name may remain. */
static void test_rename_is_atomic(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    sim_disk_file_put(disk, "/sim/M", "old", 3);
    ngi_file file = create_file(disk, "/sim/M.tmp");
    write_at(disk, file, "new", 0);
    assert_int_equal(os->file_sync(os, file), NG_OK);
    os->file_close(os, file);
    assert_int_equal(os->rename(os, "/sim/M.tmp", "/sim/M"), NG_OK);
    int fresh = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        sim_disk *after = sim_disk_crash(disk, seed);
        size_t bytes = 0;
        uint8_t *data = sim_disk_file_copy(after, "/sim/M", &bytes);
        assert_non_null(data);
        assert_int_equal(bytes, 3);
        fresh += memcmp(data, "new", 3) == 0;
        assert_true(memcmp(data, "new", 3) == 0 || memcmp(data, "old", 3) == 0);
        free(data);
        sim_disk_destroy(after);
    }
    assert_true(fresh > 5 && fresh < 55);
    sim_disk_destroy(disk);
}

static void test_files_of_a_lost_directory_are_lost(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    assert_int_equal(os->make_directory(os, "/sim/d"), NG_OK);
    os->file_close(os, create_file(disk, "/sim/d/a"));
    assert_int_equal(os->sync_directory(os, "/sim/d"), NG_OK);
    int lost = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        sim_disk *after = sim_disk_crash(disk, seed);
        lost += !has_file(after, "/sim/d/a");
        sim_disk_destroy(after);
    }
    assert_true(lost > 5 && lost < 45);
    assert_int_equal(os->sync_directory(os, "/sim"), NG_OK);
    sim_disk *after = sim_disk_crash(disk, 3);
    assert_true(has_file(after, "/sim/d/a"));
    sim_disk_destroy(after);
    sim_disk_destroy(disk);
}

static void test_fault_hits_the_nth_call_of_its_kind(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ngi_file file = create_file(disk, "/sim/a");
    sim_disk_fail(disk, &(sim_fault){.kinds = SIM_WRITE, .at = 3, .status = NG_E_DISK_FULL});
    write_at(disk, file, "1", 0);
    assert_int_equal(os->file_sync(os, file), NG_OK);
    write_at(disk, file, "2", 1);
    assert_int_equal(os->file_write(os, file, "3", 1, 2), NG_E_DISK_FULL);
    assert_non_null(strstr(ngi_last_error(), "/sim/a: write"));
    write_at(disk, file, "4", 2);
    assert_int_equal(sim_disk_fault_count(disk), 1);
    assert_int_equal(sim_disk_call_count(disk, SIM_WRITE), 4);
    sim_disk_stop_at(disk, 2);
    write_at(disk, file, "5", 3);
    size_t got;
    char byte;
    assert_int_equal(os->file_sync(os, file), NG_E_IO);
    assert_int_equal(os->file_read(os, file, &byte, 1, 0, &got), NG_E_IO);
    assert_int_equal(os->sync_directory(os, "/sim"), NG_E_IO);
    sim_disk_fail(disk, NULL);
    assert_int_equal(os->file_sync(os, file), NG_OK);
    os->file_close(os, file);
    sim_disk_destroy(disk);
}

static void test_partial_write_leaves_a_prefix(void **state)
{
    (void)state;
    int lengths = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        sim_disk *disk = sim_disk_create(seed);
        ngi_os *os = sim_disk_os(disk);
        ngi_file file = create_file(disk, "/sim/a");
        sim_disk_fail(disk, &(sim_fault){.kinds = SIM_WRITE,
                                         .at = 1,
                                         .partial_write = true,
                                         .status = NG_E_IO});
        assert_int_equal(os->file_write(os, file, "abcdefghij", 10, 0), NG_E_IO);
        size_t bytes = 0;
        uint8_t *data = sim_disk_file_copy(disk, "/sim/a", &bytes);
        assert_true(bytes <= 10);
        assert_memory_equal(data, "abcdefghij", bytes);
        lengths |= 1 << bytes;
        free(data);
        os->file_close(os, file);
        sim_disk_destroy(disk);
    }
    assert_true(__builtin_popcount((unsigned)lengths) > 4);
}

/* After a failed sync a later one that succeeds does not bring the lost pages back. */
static void test_failed_sync_loses_pages_for_good(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        sim_disk *disk = sim_disk_create(seed);
        ngi_os *os = sim_disk_os(disk);
        ngi_file file = create_file(disk, "/sim/a");
        assert_int_equal(os->sync_directory(os, "/sim"), NG_OK);
        write_at(disk, file, "payload", 0);
        sim_disk_fail(disk, &(sim_fault){.kinds = SIM_SYNC, .at = 1, .status = NG_E_IO});
        assert_int_equal(os->file_sync(os, file), NG_E_IO);
        assert_int_equal(os->file_sync(os, file), NG_OK);
        lost += !sim_disk_durable_contains(disk, "payload", 7);
        size_t got = 0;
        char data[7];
        assert_int_equal(os->file_read(os, file, data, 7, 0, &got), NG_OK);
        assert_int_equal(got, 7);
        assert_memory_equal(data, "payload", 7);
        os->file_close(os, file);
        sim_disk_destroy(disk);
    }
    assert_true(lost > 4 && lost < 40);
}

static void test_capacity_refuses_growth_only(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ngi_file file = create_file(disk, "/sim/a");
    sim_disk_set_capacity(disk, 4096);
    assert_int_equal(os->file_allocate(os, file, 4096), NG_OK);
    assert_int_equal(sim_disk_used_bytes(disk), 4096);
    write_at(disk, file, "inside", 4090);
    assert_int_equal(os->file_write(os, file, "over", 4, 4094), NG_E_DISK_FULL);
    assert_int_equal(os->file_allocate(os, file, 4097), NG_E_DISK_FULL);
    sim_disk_set_capacity(disk, 8192);
    assert_int_equal(os->file_allocate(os, file, 8192), NG_OK);
    os->file_close(os, file);
    sim_disk_destroy(disk);
}

#define NAMES_BYTES 64u

static ng_status count_name(void *context, const char *name)
{
    char *seen = context;
    size_t bytes = strlen(seen);
    int more = snprintf(seen + bytes, NAMES_BYTES - bytes, "%s ", name);
    assert_true(more > 0 && (size_t)more < NAMES_BYTES - bytes);
    return NG_OK;
}

static void test_list_and_trace(void **state)
{
    (void)state;
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    sim_disk_file_put(disk, "/sim/b", "1", 1);
    sim_disk_file_put(disk, "/sim/a", "2", 1);
    assert_int_equal(os->make_directory(os, "/sim/c"), NG_OK);
    sim_disk_file_put(disk, "/sim/c/hidden", "3", 1);
    char seen[NAMES_BYTES] = "";
    sim_disk_trace(disk, true);
    assert_int_equal(os->list_directory(os, "/sim/", count_name, seen), NG_OK);
    assert_string_equal(seen, "a b c ");
    sim_disk_mark(disk, 42);
    ngi_file file = open_file(disk, "/sim/a", NGI_OPEN_WRITE);
    write_at(disk, file, "xyz", 7);
    sim_disk_trace(disk, false);
    write_at(disk, file, "xyz", 7);
    os->file_close(os, file);
    assert_int_equal(sim_disk_event_count(disk), 4);
    assert_int_equal(sim_disk_event(disk, 1).mark, 42);
    sim_event event = sim_disk_event(disk, 3);
    assert_int_equal(event.call, SIM_WRITE);
    assert_int_equal(event.offset, 7);
    assert_int_equal(event.bytes, 3);
    assert_string_equal(event.path, "/sim/a");
    sim_disk_file_erase(disk, "/sim/a");
    char paths[4][SIM_PATH_BYTES];
    assert_int_equal(sim_disk_files(disk, paths, 4), 2);
    assert_string_equal(paths[0], "/sim/b");
    assert_string_equal(paths[1], "/sim/c/hidden");
    sim_disk_destroy(disk);
}

static void test_memory_hook_counts_and_fails(void **state)
{
    (void)state;
    fail_mem fail;
    char text[128];
    fail_mem_init(&fail, 0);
    void *a = NULL, *b = NULL;
    assert_int_equal(ngi_alloc(&fail.mem, 100, "first", &a), NG_OK);
    fail_mem_plan(&fail, 2, false);
    assert_int_equal(ngi_alloc(&fail.mem, 10, "second", &b), NG_OK);
    memset(a, 7, 100);
    assert_int_equal(ngi_resize(&fail.mem, &a, 100, 200, "first"), NG_E_NOMEM);
    assert_int_equal(((char *)a)[99], 7);
    assert_int_equal(ngi_resize(&fail.mem, &a, 100, 200, "first"), NG_OK);
    assert_int_equal(((char *)a)[99], 7);
    assert_int_equal(fail_mem_failed(&fail), 1);
    assert_non_null(fail_mem_leak(&fail, text, sizeof text));
    ngi_free(&fail.mem, a, 200);
    ngi_free(&fail.mem, b, 10);
    assert_null(fail_mem_leak(&fail, text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_was_written),
        cmocka_unit_test(test_open_modes_and_errors),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_mapped_file),
        cmocka_unit_test(test_mapped_file_of_a_stopped_machine),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_crash_reorders_across_files),
        cmocka_unit_test(test_flip),
        cmocka_unit_test(test_fault_may_last_a_while),
        cmocka_unit_test(test_crash_keeps_synced_and_gambles_the_rest),
        cmocka_unit_test(test_crash_is_repeatable),
        cmocka_unit_test(test_names_need_a_directory_sync),
        cmocka_unit_test(test_rename_is_atomic),
        cmocka_unit_test(test_files_of_a_lost_directory_are_lost),
        cmocka_unit_test(test_fault_hits_the_nth_call_of_its_kind),
        cmocka_unit_test(test_partial_write_leaves_a_prefix),
        cmocka_unit_test(test_failed_sync_loses_pages_for_good),
        cmocka_unit_test(test_capacity_refuses_growth_only),
        cmocka_unit_test(test_list_and_trace),
        cmocka_unit_test(test_memory_hook_counts_and_fails),
    };
    return cmocka_run_group_tests_name("simulated disk", tests, NULL, NULL);
}
