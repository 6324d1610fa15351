/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Damaged files: a store whose bytes were changed is refused with file and place, or opens with
 * exactly the state it had; it never opens with another state, and never crashes.
 *
 * NG_TEST_SEED and NG_TEST_FLIPS change which bytes and how many are tried. */
#include "fault_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILES_MAX 32
#define MANIFEST_PATH FAULT_PATH "/MANIFEST"

typedef struct damaged_store {
    fault_run run; /* the store, closed, and its twin */
    uint64_t hash; /* of its state */
    ng_seq newest;
    uint64_t *prefix_hashes; /* [newest + 1]: of the state after each op */
    char files[FILES_MAX][SIM_PATH_BYTES];
    size_t file_count;
} damaged_store;

static const twin_mix damage_mix = {.target_tokens = 40,
                                    .bad_percent = 0,
                                    .use_projection = true,
                                    .dimensions = 12};

/* An op whose frame does not end in zeroes, which could not be told from the space behind it. */
static void damage_last_op(damaged_store *damage)
{
    static const char label[] = "the last op";
    twin_op op = {.kind = TWIN_CREATE, .count = 1, .items = calloc(1, sizeof *op.items)};
    char *copy = malloc(sizeof label - 1);
    assert_non_null(op.items);
    assert_non_null(copy);
    memcpy(copy, label, sizeof label - 1);
    op.items[0].fields = (ng_token_fields){.struct_size = sizeof op.items[0].fields,
                                           .set = NG_FIELD_LABEL | NG_FIELD_WEIGHT,
                                           .weight = 0.5f, /* whatever the constitution says */
                                           .label = copy,
                                           .label_bytes = sizeof label - 1};
    assert_int_equal(fault_run_op(&damage->run, &op, 0), NG_OK);
    ng_positions(damage->run.store, &damage->newest, NULL);
    assert_int_equal(ng_state_hash(damage->run.store, &damage->prefix_hashes[damage->newest]),
                     NG_OK);
}

/* A store of a few segments, closed cleanly or cut off by a crash that keeps everything. */
static void damage_init(damaged_store *damage, size_t steps, bool clean)
{
    test_random random = {4};
    memset(damage, 0, sizeof *damage);
    fault_run_init(&damage->run, sim_disk_create(8));
    assert_int_equal(fault_run_open(&damage->run), NG_OK);
    damage->prefix_hashes = calloc(steps + 2, sizeof *damage->prefix_hashes);
    assert_non_null(damage->prefix_hashes);
    assert_int_equal(ng_state_hash(damage->run.store, &damage->prefix_hashes[0]), NG_OK);
    for (size_t i = 0; i < steps; i++) {
        assert_int_equal(fault_run_step(&damage->run, &damage_mix, &random, 0), NG_OK);
        ng_positions(damage->run.store, &damage->newest, NULL);
        assert_int_equal(ng_state_hash(damage->run.store, &damage->prefix_hashes[damage->newest]),
                         NG_OK);
    }
    damage_last_op(damage);
    damage->hash = damage->prefix_hashes[damage->newest];
    if (!clean)
        sim_disk_stop_at(damage->run.disk, 1);
    ng_status status = fault_run_close(&damage->run);
    assert_true(!clean || status == NG_OK);
    sim_disk_fail(damage->run.disk, NULL);
    damage->file_count = sim_disk_files(damage->run.disk, damage->files, FILES_MAX);
    assert_in_range(damage->file_count, 3, FILES_MAX);
}

static void damage_release(damaged_store *damage)
{
    free(damage->prefix_hashes);
    fault_run_release(&damage->run);
}

static bool is_segment(const char *path)
{
    size_t bytes = strlen(path);
    return bytes > 4 && strcmp(path + bytes - 4, ".log") == 0;
}

static size_t damage_segments(const damaged_store *damage)
{
    size_t count = 0;
    for (size_t i = 0; i < damage->file_count; i++)
        count += is_segment(damage->files[i]);
    return count;
}

/* Path of the nth segment, from 0. */
static const char *damage_segment(const damaged_store *damage, size_t nth)
{
    for (size_t i = 0; i < damage->file_count; i++) {
        if (is_segment(damage->files[i]) && nth-- == 0)
            return damage->files[i];
    }
    fail_msg("there is no such segment");
    return NULL;
}

/* Opens a damaged copy. Returns the status; `*hash` the state if it opened. The message stays. */
static ng_status damage_open(sim_disk *disk, uint64_t *hash, char message[512])
{
    fault_run run;
    fault_run_init(&run, disk);
    ng_status status = fault_run_open(&run);
    snprintf(message, 512, "%s", ng_last_error());
    if (status == NG_OK) {
        ng_check_report report;
        assert_int_equal(ng_state_hash(run.store, hash), NG_OK);
        assert_int_equal(ng_check(run.store, &report), NG_OK);
        if (report.problem_count != 0)
            fail_msg("the damaged store opened with problems: %s", report.first_problem);
        assert_int_equal(fault_run_close(&run), NG_OK);
    }
    fault_run_release(&run);
    return status;
}

static void assert_names_place(const char *message, const char *path)
{
    if (path == NULL) {
        fail_msg("no file to name in '%s'", message);
        return;
    }
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    if (strstr(message, name) == NULL)
        fail_msg("'%s' does not name %s", message, name);
}

/* Last byte that is not zero: behind it is only space that was preallocated. */
static size_t used_bytes(const uint8_t *data, size_t bytes)
{
    while (bytes > 0 && data[bytes - 1] == 0)
        bytes--;
    return bytes;
}

static void flip_one(damaged_store *damage, const char *path, size_t offset, uint8_t mask,
                     bool clean)
{
    sim_disk *disk = sim_disk_clone(damage->run.disk);
    size_t bytes = 0;
    uint8_t *data = sim_disk_file_copy(disk, path, &bytes);
    bool is_used = offset < used_bytes(data, bytes);
    data[offset] ^= mask;
    sim_disk_file_put(disk, path, data, bytes);
    free(data);
    uint64_t hash = 0;
    char message[512];
    ng_status status = damage_open(disk, &hash, message);
    if (status != NG_OK) {
        if (status != NG_E_CORRUPT && status != NG_E_VERSION)
            fail_msg("%s, offset %zu: %s (%s)", path, offset, ng_status_name(status), message);
        assert_names_place(message, path);
        return;
    }
    bool is_known = false;
    for (ng_seq seq = 0; seq <= damage->newest; seq++)
        is_known = is_known || hash == damage->prefix_hashes[seq];
    if (!is_known || (clean && hash != damage->hash))
        fail_msg("%s, offset %zu: opened with another state", path, offset);
    if (clean && is_used)
        fail_msg("%s, offset %zu of mask %02x was not noticed", path, offset, mask);
}

/* After a clean close every byte that means something is covered. */
static void test_flipped_bytes_after_a_clean_close(void **state)
{
    (void)state;
    damaged_store damage;
    damage_init(&damage, 400, true);
    assert_true(damage_segments(&damage) >= 2);
    test_random random = {test_environment("NG_TEST_SEED", 1)};
    uint64_t flips = test_environment("NG_TEST_FLIPS", 500);
    for (size_t i = 0; i < damage.file_count; i++) {
        const char *path = damage.files[i];
        size_t bytes = 0;
        uint8_t *data = sim_disk_file_copy(damage.run.disk, path, &bytes);
        size_t used = used_bytes(data, bytes);
        free(data);
        if (!is_segment(path) && strcmp(path, MANIFEST_PATH) != 0)
            continue;
        for (uint64_t k = 0; k < flips && bytes != 0; k++) {
            size_t reach = test_random_chance(&random, 90) && used != 0 ? used : bytes;
            size_t offset = k < 160 && k < used ? k : test_random_below(&random, reach);
            flip_one(&damage, path, offset, (uint8_t)(1u << test_random_below(&random, 8)), true);
        }
    }
    damage_release(&damage);
}

/* Without a clean close the last ops may be cut as a torn tail, but what is before them may not be
 * lost without a word. */
static void test_flipped_bytes_after_a_crash(void **state)
{
    (void)state;
    damaged_store damage;
    damage_init(&damage, 40, false);
    const char *path = damage_segment(&damage, damage_segments(&damage) - 1);
    size_t bytes = 0;
    uint8_t *data = sim_disk_file_copy(damage.run.disk, path, &bytes);
    size_t used = used_bytes(data, bytes);
    free(data);
    test_random random = {test_environment("NG_TEST_SEED", 2)};
    for (int k = 0; k < 400; k++)
        flip_one(&damage, path, test_random_below(&random, used), 0x10, false);

    /* Each op was synced before the next, so damage in any but the last is not a torn tail. */
    for (size_t offset = 0; offset < used / 2; offset += 7) {
        sim_disk *disk = sim_disk_clone(damage.run.disk);
        data = sim_disk_file_copy(disk, path, &bytes);
        data[offset] ^= 0x40;
        sim_disk_file_put(disk, path, data, bytes);
        free(data);
        uint64_t hash;
        char message[512];
        ng_status status = damage_open(disk, &hash, message);
        if (status == NG_OK)
            fail_msg("offset %zu of %zu was not noticed", offset, used);
        assert_names_place(message, path);
        if (offset >= 64)
            assert_non_null(strstr(message, "offset"));
    }
    damage_release(&damage);
}

static void test_cut_segments(void **state)
{
    (void)state;
    for (int clean = 0; clean < 2; clean++) {
        damaged_store damage;
        damage_init(&damage, 300, clean);
        size_t segments = damage_segments(&damage);
        for (size_t nth = 0; nth < segments; nth++) {
            const char *path = damage_segment(&damage, nth);
            size_t bytes = 0;
            uint8_t *data = sim_disk_file_copy(damage.run.disk, path, &bytes);
            size_t used = used_bytes(data, bytes);
            size_t step = used / 150 + 1;
            for (size_t length = 0; length < used; length += length < 200 ? 1 : step) {
                sim_disk *disk = sim_disk_clone(damage.run.disk);
                sim_disk_file_put(disk, path, data, length);
                uint64_t hash = 0;
                char message[512];
                ng_status status = damage_open(disk, &hash, message);
                bool may_open = !clean && nth + 1 == segments;
                if (status == NG_OK && !may_open)
                    fail_msg("%s cut to %zu of %zu bytes was not noticed", path, length, used);
                if (!may_open)
                    assert_int_equal(status, NG_E_CORRUPT);
                bool is_known = status != NG_OK;
                for (ng_seq seq = 0; seq <= damage.newest; seq++)
                    is_known = is_known || hash == damage.prefix_hashes[seq];
                assert_true(is_known);
            }
            free(data);
        }
        damage_release(&damage);
    }
}

static void test_garbage_behind_the_end(void **state)
{
    (void)state;
    for (int clean = 0; clean < 2; clean++) {
        damaged_store damage;
        damage_init(&damage, 30, clean);
        const char *path = damage_segment(&damage, damage_segments(&damage) - 1);
        size_t bytes = 0;
        uint8_t *data = sim_disk_file_copy(damage.run.disk, path, &bytes);
        size_t used = used_bytes(data, bytes);
        static const size_t lengths[] = {1, 7, 8, 39, 40, 41, 4096, 70000};
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            test_random random = {i};
            uint8_t *longer = calloc(1, used + 8 + lengths[i]);
            assert_non_null(longer);
            memcpy(longer, data, used);
            size_t end = (used + 7) / 8 * 8;
            for (size_t k = 0; k < lengths[i]; k++)
                longer[end + k] = (uint8_t)(test_random_next(&random) | 1);
            sim_disk *disk = sim_disk_clone(damage.run.disk);
            sim_disk_file_put(disk, path, longer, end + lengths[i]);
            free(longer);
            uint64_t hash = 0;
            char message[512];
            assert_int_equal(damage_open(disk, &hash, message), NG_OK);
            assert_int_equal(hash, damage.hash);
        }
        free(data);
        damage_release(&damage);
    }
}

/* A copy of an old frame behind the end is not taken for a new op. */
static void test_repeated_frame_behind_the_end(void **state)
{
    (void)state;
    damaged_store damage;
    damage_init(&damage, 30, false);
    const char *path = damage_segment(&damage, damage_segments(&damage) - 1);
    size_t bytes = 0;
    uint8_t *data = sim_disk_file_copy(damage.run.disk, path, &bytes);
    size_t used = (used_bytes(data, bytes) + 7) / 8 * 8, half = used / 16 * 8;
    sim_disk *disk = sim_disk_clone(damage.run.disk);
    assert_true(half > 0);
    uint8_t *longer = calloc(1, used + half + 1);
    assert_non_null(longer);
    memcpy(longer, data, used);
    memcpy(longer + used, data + used - half, half);
    sim_disk_file_put(disk, path, longer, used + half);
    free(longer);
    free(data);
    uint64_t hash = 0;
    char message[512];
    assert_int_equal(damage_open(disk, &hash, message), NG_OK);
    assert_int_equal(hash, damage.hash);
    damage_release(&damage);
}

static void test_missing_segment(void **state)
{
    (void)state;
    damaged_store damage;
    damage_init(&damage, 900, true);
    size_t segments = damage_segments(&damage);
    assert_true(segments >= 3);
    for (size_t nth = 0; nth < segments; nth++) {
        sim_disk *disk = sim_disk_clone(damage.run.disk);
        sim_disk_file_erase(disk, damage_segment(&damage, nth));
        uint64_t hash;
        char message[512];
        assert_int_equal(damage_open(disk, &hash, message), NG_E_CORRUPT);
        if (nth + 1 < segments)
            assert_names_place(message, damage_segment(&damage, nth));
    }
    damage_release(&damage);
}

static void test_swapped_segments(void **state)
{
    (void)state;
    damaged_store damage;
    damage_init(&damage, 400, true);
    sim_disk *disk = sim_disk_clone(damage.run.disk);
    size_t first_bytes, second_bytes;
    const char *first = damage_segment(&damage, 0), *second = damage_segment(&damage, 1);
    uint8_t *a = sim_disk_file_copy(disk, first, &first_bytes);
    uint8_t *b = sim_disk_file_copy(disk, second, &second_bytes);
    sim_disk_file_put(disk, first, b, second_bytes);
    sim_disk_file_put(disk, second, a, first_bytes);
    uint64_t hash;
    char message[512];
    assert_int_equal(damage_open(disk, &hash, message), NG_E_CORRUPT);
    free(a);
    free(b);
    damage_release(&damage);
}

static void manifest_case(damaged_store *damage, const void *data, size_t bytes, ng_status wanted)
{
    sim_disk *disk = sim_disk_clone(damage->run.disk);
    if (data == NULL)
        sim_disk_file_erase(disk, MANIFEST_PATH);
    else
        sim_disk_file_put(disk, MANIFEST_PATH, data, bytes);
    uint64_t hash = 0;
    char message[512];
    ng_status status = damage_open(disk, &hash, message);
    if (status != wanted)
        fail_msg("MANIFEST of %zu bytes: %s (%s), expected %s", bytes, ng_status_name(status),
                 message, ng_status_name(wanted));
    if (status != NG_OK)
        assert_names_place(message, MANIFEST_PATH);
}

static void test_manifest(void **state)
{
    (void)state;
    damaged_store damage;
    damage_init(&damage, 20, true);
    size_t bytes = 0;
    uint8_t *data = sim_disk_file_copy(damage.run.disk, MANIFEST_PATH, &bytes);
    assert_non_null(data);
    manifest_case(&damage, data, bytes, NG_OK);
    manifest_case(&damage, NULL, 0, NG_E_CORRUPT); /* a log without a MANIFEST */
    uint8_t garbage[4096];
    test_random random = {3};
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (uint8_t)test_random_next(&random);
    manifest_case(&damage, garbage, sizeof garbage, NG_E_CORRUPT);
    manifest_case(&damage, garbage, 5, NG_E_CORRUPT);
    for (size_t length = 0; length < bytes; length++)
        manifest_case(&damage, data, length, NG_E_CORRUPT);
    for (size_t offset = 0; offset < bytes; offset++)
        flip_one(&damage, MANIFEST_PATH, offset, 0x04, true);
    free(data);
    damage_release(&damage);
}

/* Writes the format version that follows the 8 bytes of magic in MANIFEST and in segments. */
static void test_newer_version(void **state)
{
    (void)state;
    damaged_store damage;
    damage_init(&damage, 20, true);
    const char *paths[] = {MANIFEST_PATH, damage_segment(&damage, 0)};
    for (size_t i = 0; i < 2; i++) {
        sim_disk *disk = sim_disk_clone(damage.run.disk);
        size_t bytes = 0;
        uint8_t *data = sim_disk_file_copy(disk, paths[i], &bytes);
        data[8] = 2;
        sim_disk_file_put(disk, paths[i], data, bytes);
        free(data);
        uint64_t hash;
        char message[512];
        assert_int_equal(damage_open(disk, &hash, message), NG_E_VERSION);
        assert_names_place(message, paths[i]);
        assert_non_null(strstr(message, "version 2"));
    }
    damage_release(&damage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flipped_bytes_after_a_clean_close),
        cmocka_unit_test(test_flipped_bytes_after_a_crash),
        cmocka_unit_test(test_cut_segments),
        cmocka_unit_test(test_garbage_behind_the_end),
        cmocka_unit_test(test_repeated_frame_behind_the_end),
        cmocka_unit_test(test_missing_segment),
        cmocka_unit_test(test_swapped_segments),
        cmocka_unit_test(test_manifest),
        cmocka_unit_test(test_newer_version),
    };
    return cmocka_run_group_tests_name("damaged files", tests, NULL, NULL);
}
