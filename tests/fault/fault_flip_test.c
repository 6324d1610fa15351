/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One wrong bit anywhere in a store that was closed cleanly, with snapshots and log: opening it
 * either says which file is damaged, or has exactly the right state, be it that the bit means
 * nothing or that an older snapshot and the log behind it make up for it.
 *
 * NG_TEST_STRIDE (37): every so many bits are tried, in headers every third; 1 = all. */
#include "fault_run.h"

#include "sample_store.h"
#include "store/store_snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEADER_BITS (512u * 8)
#define FILES_MAX 16

typedef struct flip_seen {
    uint64_t flips, refused, older, harmless;
} flip_seen;

static const char *base_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

static bool has_end(const char *path, const char *end)
{
    size_t bytes = strlen(path), wanted = strlen(end);
    return bytes > wanted && strcmp(path + bytes - wanted, end) == 0;
}

/* Two snapshots and log behind each; `*hash` is that of the last state. */
static sim_disk *flip_store(uint64_t *hash, ng_seq *snapshot_seq)
{
    ngi_mem mem;
    ngi_mem_init(&mem, 0);
    ng_store *store = NULL;
    sample_state sample = {0};
    ng_checkpoint_report report;
    ng_open_options options = sample_options();
    sim_disk *disk = sim_disk_create(12);
    assert_int_equal(ngi_store_open(sim_disk_os(disk), &mem, FAULT_PATH, &options, &store), NG_OK);
    for (unsigned stage = 0; stage < SAMPLE_STAGES; stage++) {
        assert_int_equal(sample_write(store, &sample, stage), NG_OK);
        if (stage == 1 || stage == 2)
            assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &report), NG_OK);
    }
    *snapshot_seq = report.seq;
    assert_int_equal(ngi_store_hash(store, hash), NG_OK);
    assert_int_equal(ngi_store_close(store), NG_OK);
    return disk;
}

static ng_status flip_open(sim_disk *disk, uint64_t *hash, ng_seq *loaded, uint64_t *problems,
                           char message[512])
{
    fail_mem mem;
    char text[128];
    fail_mem_init(&mem, 0);
    ng_store *store = NULL;
    ng_open_options options = sample_options();
    ng_status status = ngi_store_open(sim_disk_os(disk), &mem.mem, FAULT_PATH, &options, &store);
    snprintf(message, 512, "%s", ng_last_error());
    if (status == NG_OK) {
        ng_info info;
        ng_check_report report;
        assert_int_equal(ngi_store_check(store, &report), NG_OK);
        *problems = report.problem_count;
        assert_int_equal(ngi_store_hash(store, hash), NG_OK);
        assert_int_equal(ngi_store_info(store, &info), NG_OK);
        *loaded = info.recovered_snapshot_seq;
        assert_int_equal(ngi_store_close(store), NG_OK);
    }
    const char *leak = fail_mem_leak(&mem, text, sizeof text);
    if (leak != NULL)
        fail_msg("%s", leak);
    assert_int_equal(sim_disk_open_count(disk), 0);
    return status;
}

static void flip_one(sim_disk *whole, const char *path, uint64_t bit, uint64_t wanted,
                     ng_seq snapshot_seq, flip_seen *seen)
{
    char message[512];
    uint64_t hash = 0, problems = 0;
    ng_seq loaded = 0;
    sim_disk *disk = sim_disk_clone(whole);
    sim_disk_flip(disk, path, bit);
    ng_status status = flip_open(disk, &hash, &loaded, &problems, message);
    seen->flips++;
    if (status == NG_OK) {
        if (hash != wanted)
            fail_msg("%s, bit %llu: opened with another state", path, (unsigned long long)bit);
        if ((problems != 0) != has_end(path, ".snap"))
            fail_msg("%s, bit %llu: ng_check finds %llu problems", path, (unsigned long long)bit,
                     (unsigned long long)problems);
        seen->older += loaded != snapshot_seq;
        seen->harmless += loaded == snapshot_seq;
    } else {
        seen->refused++;
        if (status != NG_E_CORRUPT && status != NG_E_VERSION)
            fail_msg("%s, bit %llu: %s (%s)", path, (unsigned long long)bit, ng_status_name(status),
                     message);
        bool names_place = strstr(message, "offset") != NULL || bit < HEADER_BITS;
        if (strstr(message, base_name(path)) == NULL || !names_place)
            fail_msg("%s, bit %llu: '%s' does not say where", path, (unsigned long long)bit,
                     message);
    }
    sim_disk_destroy(disk);
}

static void flip_file(sim_disk *whole, const char *path, uint64_t wanted, ng_seq snapshot_seq,
                      flip_seen *seen)
{
    size_t bytes = 0;
    free(sim_disk_file_copy(whole, path, &bytes));
    uint64_t stride = test_environment("NG_TEST_STRIDE", 37);
    if (has_end(path, "BLACKBOX"))
        stride *= 97; /* it holds no state, and is large */
    for (uint64_t bit = 0; bit < bytes * 8;) {
        flip_one(whole, path, bit, wanted, snapshot_seq, seen);
        bit += bit < HEADER_BITS && stride > 3 ? 3 : stride;
    }
}

static void test_every_bit(void **state)
{
    (void)state;
    uint64_t wanted = 0;
    ng_seq snapshot_seq = 0;
    char paths[FILES_MAX][SIM_PATH_BYTES];
    sim_disk *whole = flip_store(&wanted, &snapshot_seq);
    size_t count = sim_disk_files(whole, paths, FILES_MAX);
    assert_in_range(count, 5, FILES_MAX);
    size_t snapshots = 0, segments = 0;
    for (size_t i = 0; i < count; i++) {
        flip_seen seen = {0};
        flip_file(whole, paths[i], wanted, snapshot_seq, &seen);
        print_message("%-26s %7llu flips: %llu refused, %llu by an older snapshot, %llu harmless\n",
                      base_name(paths[i]), (unsigned long long)seen.flips,
                      (unsigned long long)seen.refused, (unsigned long long)seen.older,
                      (unsigned long long)seen.harmless);
        if (has_end(paths[i], "BLACKBOX") || has_end(paths[i], "LOCK"))
            assert_int_equal(seen.harmless, seen.flips);
        if (has_end(paths[i], "MANIFEST"))
            assert_int_equal(seen.refused, seen.flips);
        if (has_end(paths[i], ".snap"))
            snapshots += seen.older != 0;
        if (has_end(paths[i], ".log"))
            segments += seen.refused != 0;
    }
    assert_int_equal(snapshots, 1); /* only the newest one is made up for */
    assert_true(segments >= 1);
    sim_disk_destroy(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_bit)};
    return cmocka_run_group_tests_name("one wrong bit", tests, NULL, NULL);
}
