/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The log by itself: append, group, rotate, reopen, torn tail, damage, clean end. */
#include "base/base_bytes.h"
#include "wal/wal_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
    ngi_mem mem;
    char path[64];
    ngi_manifest manifest;
    uint64_t sum;   /* of the bodies replayed */
    uint64_t count; /* of the ops replayed */
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    ngi_mem_init(&f->mem, 0);
    snprintf(f->path, sizeof f->path, "wal_test_XXXXXX");
    assert_non_null(mkdtemp(f->path));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    assert_int_equal(atomic_load(&f->mem.used_bytes), 0);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->path);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static ng_status see_op(void *context, const ngi_op *op)
{
    fixture *f = context;
    assert_int_equal(op->seq, f->count + 1);
    assert_int_equal(op->kind, 7);
    assert_true(op->body_bytes >= 8);
    f->sum += ngi_get_u64(op->body);
    f->count++;
    return NG_OK;
}

static ng_status open_log(fixture *f, ngi_wal **out)
{
    f->sum = 0;
    f->count = 0;
    f->manifest = (ngi_manifest){.format_version = NGI_FORMAT_VERSION, .uuid = "0123456789abcde"};
    ngi_encoding_default(&f->manifest.encoding);
    const ngi_wal_options options = {.path = f->path,
                                     .segment_bytes = 65536,
                                     .durability = NG_DURABILITY_SYNC};
    ng_status status = ngi_wal_open(ngi_os_system(), &f->mem, &options, &f->manifest, out);
    if (status != NG_OK)
        return status;
    status = ngi_wal_recover(*out, 0, 0, see_op, f);
    if (status != NG_OK) {
        char message[512];
        snprintf(message, sizeof message, "%s", ng_last_error());
        (void)ngi_wal_close(*out);
        ngi_error_set(message);
    }
    return status;
}

static ng_seq append(ngi_wal *wal, uint64_t value, size_t bytes)
{
    ngi_op op;
    ngi_wal_lock(wal);
    assert_int_equal(ngi_wal_make_room(wal, bytes), NG_OK);
    uint8_t *body = ngi_wal_body(wal);
    assert_int_equal((uintptr_t)body % 8, 0);
    memset(body, 0xAB, bytes);
    ngi_put_u64(body, value);
    ngi_wal_commit(wal, 7, 3, bytes, &op);
    ngi_wal_unlock(wal);
    return op.seq;
}

/* Drops the log as a crash would: nothing is flushed, no clean end is noted. */
static void abandon(ngi_wal *wal)
{
    atomic_store(&wal->latched, true);
    assert_int_equal(ngi_wal_close(wal), NG_E_LATCHED);
}

static void change_byte(fixture *f, const char *name, long offset, int value)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    int old = fgetc(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_not_equal(fputc(value < 0 ? old ^ 0x10 : value, file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void test_reopen(void **state)
{
    fixture *f = *state;
    ngi_wal *wal;
    for (uint64_t round = 0; round < 4; round++) {
        assert_int_equal(open_log(f, &wal), NG_OK);
        assert_int_equal(f->count, round * 100);
        assert_int_equal(f->sum, round * 100);
        for (int i = 0; i < 100; i++) {
            ng_seq seq = append(wal, 1, 8 + (size_t)i * 7);
            assert_int_equal(ngi_wal_wait(wal, seq), NG_OK);
            assert_true(ngi_wal_durable(wal) >= seq);
        }
        assert_int_equal(ngi_wal_close(wal), NG_OK);
    }
}

static void test_rotation(void **state)
{
    fixture *f = *state;
    ngi_wal *wal;
    ngi_wal_stats stats;
    assert_int_equal(open_log(f, &wal), NG_OK);
    for (int i = 0; i < 500; i++)
        append(wal, 1, 1000);
    append(wal, 1, 300000); /* larger than a segment */
    append(wal, 1, 8);
    assert_int_equal(ngi_wal_wait(wal, 502), NG_OK);
    ngi_wal_stats_get(wal, &stats);
    assert_true(stats.segment_count > 8);
    uint64_t ops;
    uint64_t bytes;
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_OK);
    assert_int_equal(ops, 502);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    assert_int_equal(open_log(f, &wal), NG_OK);
    assert_int_equal(f->count, 502);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_unsynced_group_is_lost_whole(void **state)
{
    fixture *f = *state;
    ngi_wal *wal;
    assert_int_equal(open_log(f, &wal), NG_OK);
    assert_int_equal(ngi_wal_wait(wal, append(wal, 5, 64)), NG_OK);
    append(wal, 6, 64);
    abandon(wal);
    assert_int_equal(open_log(f, &wal), NG_OK);
    assert_int_equal(f->count, 1);
    assert_int_equal(f->sum, 5);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_torn_tail_is_cut(void **state)
{
    fixture *f = *state;
    ngi_wal *wal;
    ngi_wal_stats stats;
    assert_int_equal(open_log(f, &wal), NG_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ngi_wal_wait(wal, append(wal, 1, 24)), NG_OK);
    abandon(wal);
    /* The third frame begins behind the header and two frames of 64 bytes. */
    change_byte(f, "00000001.log", 64 + 2 * 64 + 50, -1);
    assert_int_equal(open_log(f, &wal), NG_OK);
    assert_int_equal(f->count, 2);
    ngi_wal_stats_get(wal, &stats);
    assert_int_equal(stats.recovered_bytes_cut, 64);
    append(wal, 1, 24);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    assert_int_equal(open_log(f, &wal), NG_OK);
    assert_int_equal(f->count, 3);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_damage_is_told_from_a_torn_tail(void **state)
{
    fixture *f = *state;
    ngi_wal *wal;
    assert_int_equal(open_log(f, &wal), NG_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ngi_wal_wait(wal, append(wal, 1, 24)), NG_OK);
    abandon(wal);
    /* The third frame was appended after the second was durable. */
    change_byte(f, "00000001.log", 64 + 64 + 50, -1);
    assert_int_equal(open_log(f, &wal), NG_E_CORRUPT);
    assert_non_null(strstr(ng_last_error(), "00000001.log: damaged at offset 128"));
    change_byte(f, "00000001.log", 64 + 64 + 50, -1);
    assert_int_equal(open_log(f, &wal), NG_OK);
    assert_int_equal(f->count, 3);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_every_byte_after_a_clean_close(void **state)
{
    fixture *f = *state;
    ngi_wal *wal;
    assert_int_equal(open_log(f, &wal), NG_OK);
    for (int i = 0; i < 3; i++)
        append(wal, 1, 24);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    for (long offset = 0; offset < 64 + 3 * 64; offset++) {
        change_byte(f, "00000001.log", offset, -1);
        ng_status status = open_log(f, &wal);
        if (status == NG_OK)
            fail_msg("a changed byte at %ld went unnoticed", offset);
        change_byte(f, "00000001.log", offset, -1);
    }
    assert_int_equal(open_log(f, &wal), NG_OK);
    assert_int_equal(f->count, 3);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void fill_three(fixture *f)
{
    ngi_wal *wal;
    assert_int_equal(open_log(f, &wal), NG_OK);
    for (int i = 0; i < 3; i++)
        append(wal, 1, 24);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_manifest_of_another_store(void **state)
{
    fixture *f = *state;
    ngi_wal *wal;
    fill_three(f);
    ngi_manifest own = f->manifest;
    ngi_manifest other = f->manifest;
    other.uuid[0] ^= 1;
    other.clean_seq = 0;
    assert_int_equal(ngi_manifest_write(ngi_os_system(), f->path, &other), NG_OK);
    assert_int_equal(open_log(f, &wal), NG_E_CORRUPT);
    assert_non_null(strstr(ng_last_error(), "belongs to another store"));
    own.clean_seq = 3;
    assert_int_equal(ngi_manifest_write(ngi_os_system(), f->path, &own), NG_OK);
    assert_int_equal(open_log(f, &wal), NG_OK);
    assert_int_equal(f->count, 3);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_manifest_lost(void **state)
{
    fixture *f = *state;
    ngi_wal *wal;
    char path[128];
    fill_three(f);
    snprintf(path, sizeof path, "%s/MANIFEST", f->path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(open_log(f, &wal), NG_E_CORRUPT);
    assert_non_null(strstr(ng_last_error(), "MANIFEST: missing, but there is a log"));
}

/* A segment whose creation failed after its header was written, while the one before went on. */
static void test_segment_left_behind(void **state)
{
    fixture *f = *state;
    ngi_wal *wal;
    assert_int_equal(open_log(f, &wal), NG_OK);
    for (int i = 0; i < 3; i++)
        append(wal, 1, 24);
    uint8_t header[WAL_SEGMENT_HEADER];
    wal_segment left = {.number = 2, .first_seq = 2};
    ngi_wal_segment_header_encode(&wal->home, &left, header);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    char path[128];
    snprintf(path, sizeof path, "%s/00000002.log", f->path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(header, 1, sizeof header, file), sizeof header);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(open_log(f, &wal), NG_OK);
    assert_int_equal(f->count, 3);
    for (int i = 0; i < 100; i++)
        append(wal, 1, 1000); /* and the next segment takes its place */
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    assert_int_equal(open_log(f, &wal), NG_OK);
    assert_int_equal(f->count, 103);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_in_use(void **state)
{
    fixture *f = *state;
    ngi_wal *wal;
    ngi_wal *second;
    assert_int_equal(open_log(f, &wal), NG_OK);
    assert_int_equal(open_log(f, &second), NG_E_BUSY);
    char expected[32];
    snprintf(expected, sizeof expected, "in use by pid %u", ngi_os_process_id());
    assert_non_null(strstr(ng_last_error(), expected));
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_memory_only(void **state)
{
    fixture *f = *state;
    ngi_wal *wal;
    f->manifest = (ngi_manifest){.format_version = NGI_FORMAT_VERSION};
    const ngi_wal_options options = {.segment_bytes = 65536, .durability = NG_DURABILITY_SYNC};
    assert_int_equal(ngi_wal_open(ngi_os_system(), &f->mem, &options, &f->manifest, &wal), NG_OK);
    assert_int_equal(ngi_wal_recover(wal, 0, 0, see_op, f), NG_OK);
    for (uint64_t i = 1; i < 1000; i++)
        assert_int_equal(append(wal, 1, i), i);
    assert_int_equal(ngi_wal_wait(wal, 999), NG_OK);
    assert_int_equal(ngi_wal_wait(wal, 1000), NG_E_INVALID);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_reopen),
        T(test_rotation),
        T(test_unsynced_group_is_lost_whole),
        T(test_torn_tail_is_cut),
        T(test_damage_is_told_from_a_torn_tail),
        T(test_every_byte_after_a_clean_close),
        T(test_manifest_of_another_store),
        T(test_manifest_lost),
        T(test_segment_left_behind),
        T(test_in_use),
        T(test_memory_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
