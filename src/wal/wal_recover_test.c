/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Recovery behind a snapshot, read-only opening, hostile files, and failing calls. */
#include "wal/wal_testing.h"

#include "base/base_crc.h"

#define FIRST "00000001.log"
#define SECOND "00000002.log"
#define THIRD "00000003.log"

/* A log of 200 ops of 1040 bytes in four segments, closed cleanly or not. */
static void fill(log_fixture *f, bool clean)
{
    ngi_wal *wal = log_must_open(f);
    log_fill(wal, 200);
    assert_int_equal(log_stat_segments(wal), 4);
    if (clean)
        assert_int_equal(ngi_wal_close(wal), NG_OK);
    else
        log_abandon(wal);
}

static ng_seq first_of(const log_fixture *f, const char *name)
{
    char path[128];
    uint8_t header[WAL_SEGMENT_HEADER];
    log_path(f, name, path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(header, 1, sizeof header, file), sizeof header);
    assert_int_equal(fclose(file), 0);
    return ngi_get_u64(header + 40);
}

static void expect_corrupt(log_fixture *f, const char *part)
{
    ngi_wal *wal;
    assert_int_equal(log_open(f, &wal), NG_E_CORRUPT);
    if (strstr(ng_last_error(), part) == NULL)
        fail_msg("'%s' does not say '%s'", ng_last_error(), part);
}

static void test_only_what_the_snapshot_lacks(void **state)
{
    log_fixture *f = *state;
    fill(f, true);
    for (ng_seq seq = 0; seq <= 200; seq++) {
        f->snapshot_seq = seq;
        f->snapshot_time_us = seq;
        log_expect(f, 200);
        assert_int_equal(f->replayed_count, 200 - seq);
        assert_int_equal(f->replayed_first, seq == 200 ? 0 : seq + 1);
    }
}

static void test_segments_before_the_snapshot_are_not_read(void **state)
{
    log_fixture *f = *state;
    fill(f, true);
    ng_seq third = first_of(f, THIRD);
    log_flip(f, FIRST, 30000);
    log_flip(f, SECOND, 30000);
    f->snapshot_seq = third - 1;
    log_expect(f, 200);
    f->snapshot_seq = third - 2; /* one op of the second is needed: all of it is verified */
    expect_corrupt(f, SECOND);
    log_flip(f, SECOND, 30000);
    log_expect(f, 200);
    assert_int_equal(f->replayed_first, third - 1);
    log_flip(f, FIRST, 20); /* a header is always read */
    expect_corrupt(f, FIRST);
}

static void test_ops_of_the_snapshot_are_verified(void **state)
{
    log_fixture *f = *state;
    fill(f, true);
    f->snapshot_seq = first_of(f, THIRD) + 20;
    log_flip(f, THIRD, 64 + 5 * 1040 + 100); /* before it, in the first segment needed */
    expect_corrupt(f, THIRD ": damaged at offset 5264");
}

/* A store restored from a stream: a snapshot and no log. */
static void test_snapshot_without_a_log(void **state)
{
    log_fixture *f = *state;
    f->snapshot_seq = 500;
    f->snapshot_time_us = UINT64_C(4000000000000000); /* ahead of the clock */
    ngi_wal *wal = log_must_open(f);
    assert_int_equal(ngi_wal_applied(wal), 500);
    assert_int_equal(ngi_wal_durable(wal), 500);
    assert_int_equal(ngi_wal_first_seq(wal), 501);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    wal = log_must_open(f);
    log_fill(wal, 501);
    ngi_wal_lock(wal);
    assert_int_equal(ngi_wal_applied_time(wal), UINT64_C(4000000000000001));
    ngi_wal_unlock(wal);
    assert_int_equal(ngi_wal_first_seq(wal), 501);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, 501);
    f->snapshot_seq = 499;
    expect_corrupt(f, "begins at op 501, but op 500 is needed");
    f->snapshot_seq = 502; /* proved durable: 501 only, and the log ends cleanly */
    log_expect(f, 502);
}

static void write_manifest(log_fixture *f, ng_seq clean_seq, ng_seq snapshot_seq, uint64_t first)
{
    ngi_manifest manifest = f->manifest;
    manifest.clean_seq = clean_seq;
    manifest.snapshot_seq = snapshot_seq;
    manifest.first_segment = first;
    assert_int_equal(ngi_manifest_write(ngi_os_system(), f->path, &manifest), NG_OK);
}

/* The newest files are gone, the snapshot has their ops: the log goes on behind it. */
static void test_log_that_ends_before_the_snapshot(void **state)
{
    log_fixture *f = *state;
    uint64_t ops;
    uint64_t bytes;
    fill(f, true);
    ng_seq third = first_of(f, THIRD);
    log_remove_file(f, "00000004.log");
    write_manifest(f, 150, 190, 1);
    f->snapshot_seq = 190;
    ngi_wal *wal = log_must_open(f);
    assert_int_equal(ngi_wal_applied(wal), 190);
    assert_int_equal(f->replayed_count, 0);
    assert_int_equal(ngi_wal_flush(wal, true), NG_OK);
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_OK);
    log_fill(wal, 195);
    assert_int_equal(log_stat_segments(wal), 4);
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_OK);
    assert_true(ops > third && ops < 195);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    assert_int_equal(first_of(f, "00000004.log"), 191);
    log_expect(f, 195);
    assert_int_equal(f->replayed_first, 191);

    /* Without that snapshot the gap is what it is. */
    f->snapshot_seq = third;
    expect_corrupt(f, THIRD);
    f->snapshot_seq = 190;
    write_manifest(f, 195, 100, 1);
    log_expect(f, 195);
    wal = log_must_open(f);
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_E_CORRUPT); /* no snapshot covers it */
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

static void test_log_that_ends_before_what_is_proved(void **state)
{
    log_fixture *f = *state;
    fill(f, true);
    log_remove_file(f, "00000004.log");
    f->snapshot_seq = 190;
    expect_corrupt(f, THIRD); /* the MANIFEST says that 200 was durable */
    write_manifest(f, 0, 195, 1);
    expect_corrupt(f, THIRD); /* it names a newer snapshot than the one that could be loaded */
    write_manifest(f, 0, 190, 1);
    /* Bytes behind the end are not a clean end. */
    char byte = 1;
    log_poke(f, THIRD, log_file_bytes(f, THIRD) + 8, &byte, 1);
    expect_corrupt(f, THIRD);
    log_remove_file(f, THIRD);
    log_remove_file(f, SECOND);
    log_remove_file(f, FIRST);
    log_expect(f, 190);
    f->snapshot_seq = 189;
    expect_corrupt(f, "the log ends at op 189 but op 190 was durable");
}

static void test_damage_behind_the_snapshot(void **state)
{
    log_fixture *f = *state;
    fill(f, false);
    /* The last op: nothing proves it, so it is a torn tail; unless the snapshot does. */
    long end = log_file_bytes(f, "00000004.log");
    ng_seq first = first_of(f, "00000004.log");
    long last = 64 + 1040 * (long)(200 - first);
    assert_true(last + 1040 <= end);
    log_flip(f, "00000004.log", last + 50);
    f->snapshot_seq = 199;
    f->read_only = true;
    log_expect(f, 199);
    f->snapshot_seq = 200;
    expect_corrupt(f, "00000004.log: damaged");
    f->snapshot_seq = 150;
    f->read_only = false;
    log_expect(f, 199);
    assert_int_equal(log_file_bytes(f, "00000004.log"), last);
}

static void test_leftovers_and_missing_segments(void **state)
{
    log_fixture *f = *state;
    fill(f, true);
    f->snapshot_seq = first_of(f, THIRD) + 3;
    write_manifest(f, 200, f->snapshot_seq, 3);
    log_poke(f, "7.log", 0, "x", 1);
    log_poke(f, "00000000.log", 0, "x", 1);
    log_poke(f, "18446744073709551615.log", 0, "x", 1);
    f->read_only = f->disk.is_read_only = true; /* they are left alone */
    log_expect(f, 200);
    assert_true(log_has_file(f, FIRST));
    f->read_only = f->disk.is_read_only = false;
    log_expect(f, 200);
    assert_false(log_has_file(f, FIRST));
    assert_false(log_has_file(f, SECOND));
    assert_true(log_has_file(f, "7.log"));
    assert_true(log_has_file(f, "00000000.log"));
    log_remove_file(f, THIRD);
    expect_corrupt(f, THIRD ": missing");
    ngi_wal *wal;
    uint8_t image[512];
    char path[128];
    log_path(f, "MANIFEST", path);
    FILE *file = fopen(path, "rb");
    assert_int_equal(fread(image, 1, sizeof image, file), sizeof image);
    assert_int_equal(fclose(file), 0);
    ngi_put_u64(image + 248, UINT64_MAX);
    ngi_put_u32(image + 12, ngi_crc32c(0, image + 16, sizeof image - 16));
    log_poke(f, "MANIFEST", 0, image, sizeof image);
    assert_int_equal(log_open(f, &wal), NG_E_CORRUPT);
    assert_non_null(strstr(ng_last_error(), "first segment"));
}

static void test_manifest_fields(void **state)
{
    log_fixture *f = *state;
    log_expect(f, 0);
    assert_int_equal(log_file_bytes(f, "MANIFEST"), 512);
    ngi_manifest manifest = f->manifest;
    ngi_manifest found;
    manifest.snapshot_seq = 1;
    manifest.clean_seq = 2;
    manifest.first_segment = 3;
    memset(manifest.origin_uuid, 4, sizeof manifest.origin_uuid);
    assert_int_equal(ngi_manifest_write(ngi_os_system(), f->path, &manifest), NG_OK);
    assert_int_equal(ngi_manifest_read(ngi_os_system(), f->path, &found), NG_OK);
    assert_int_equal(found.snapshot_seq, 1);
    assert_int_equal(found.clean_seq, 2);
    assert_int_equal(found.first_segment, 3);
    assert_memory_equal(found.origin_uuid, manifest.origin_uuid, 16);
    assert_memory_equal(found.uuid, manifest.uuid, 16);
    assert_memory_equal(found.encoding.scale, manifest.encoding.scale, sizeof found.encoding.scale);
    assert_memory_equal(found.encoding.origin, manifest.encoding.origin,
                        sizeof found.encoding.origin);
    manifest.first_segment = 0; /* as in a manifest that was never in a directory */
    assert_int_equal(ngi_manifest_write(ngi_os_system(), f->path, &manifest), NG_OK);
    assert_int_equal(ngi_manifest_read(ngi_os_system(), f->path, &found), NG_OK);
    assert_int_equal(found.first_segment, 1);
    for (long offset = 0; offset < 512; offset++) {
        log_flip(f, "MANIFEST", offset);
        assert_int_not_equal(ngi_manifest_read(ngi_os_system(), f->path, &found), NG_OK);
        log_flip(f, "MANIFEST", offset);
    }
    assert_int_equal(ngi_manifest_read(ngi_os_system(), f->path, &found), NG_OK);
}

static void test_hostile_manifest(void **state)
{
    log_fixture *f = *state;
    ngi_manifest found;
    uint8_t image[512];
    char path[128];
    log_expect(f, 0);
    log_path(f, "MANIFEST", path);
    FILE *file = fopen(path, "rb");
    assert_int_equal(fread(image, 1, sizeof image, file), sizeof image);
    assert_int_equal(fclose(file), 0);
    static const struct {
        long offset;
        uint32_t value;
        ng_status expected;
    } cases[] = {{8, 2, NG_E_VERSION},
                 {8, 0, NG_E_CORRUPT},
                 {56, 0, NG_E_CORRUPT},
                 {56, UINT32_MAX, NG_E_CORRUPT},
                 {152, 0x7F800000, NG_E_CORRUPT},
                 {248, 0, NG_E_CORRUPT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t changed[512];
        memcpy(changed, image, sizeof changed);
        ngi_put_u32(changed + cases[i].offset, cases[i].value);
        ngi_put_u32(changed + 12, ngi_crc32c(0, changed + 16, sizeof changed - 16));
        log_poke(f, "MANIFEST", 0, changed, sizeof changed);
        assert_int_equal(ngi_manifest_read(ngi_os_system(), f->path, &found), cases[i].expected);
        assert_non_null(strstr(ng_last_error(), "MANIFEST"));
    }
    log_poke(f, "MANIFEST", 0, image, sizeof image);
    assert_int_equal(ngi_manifest_read(ngi_os_system(), f->path, &found), NG_OK);
    log_poke(f, "MANIFEST", 512, "", 1);
    assert_int_equal(ngi_manifest_read(ngi_os_system(), f->path, &found), NG_E_CORRUPT);
    for (long bytes = 0; bytes < 512; bytes += 5) {
        assert_int_equal(truncate(path, bytes), 0);
        assert_int_equal(ngi_manifest_read(ngi_os_system(), f->path, &found), NG_E_CORRUPT);
        log_poke(f, "MANIFEST", 0, image, sizeof image);
    }
}

/* Whoever finds a MANIFEST relies on the entry of its directory: it is synced before. */
static void test_directory_is_durable_before_manifest(void **state)
{
    log_fixture *f = *state;
    bool done = false;
    unsigned seen = 0;
    for (unsigned n = 1; !done; n++) {
        ngi_wal *wal;
        log_wipe(f);
        atomic_store(&f->disk.directory_sync_count, 0);
        log_disk_plan(&f->disk, n, true, NG_E_IO);
        ng_status status = log_open(f, &wal);
        done = !log_disk_has_failed(&f->disk);
        log_disk_plan(&f->disk, 0, false, NG_OK);
        bool has_manifest = log_has_file(f, "MANIFEST");
        seen += has_manifest && status != NG_OK;
        assert_true(!has_manifest || atomic_load(&f->disk.directory_sync_count) > 0);
        if (status == NG_OK)
            assert_int_equal(ngi_wal_close(wal), NG_OK);
        atomic_store(&f->disk.directory_sync_count, 0);
        log_expect(f, 0); /* nor may a segment be found without it */
        assert_true(atomic_load(&f->disk.directory_sync_count) > 0);
    }
    assert_true(seen > 0);
}

/* Headers that say the wrong thing with the right checksum. */
static void test_hostile_headers(void **state)
{
    log_fixture *f = *state;
    fill(f, true);
    ng_seq second = first_of(f, SECOND);
    log_poke_header(f, SECOND, 9, second);
    expect_corrupt(f, "has number 9 inside");
    log_poke_header(f, SECOND, 2, second + 1);
    expect_corrupt(f, FIRST); /* which ends too early */
    log_poke_header(f, SECOND, 2, 0);
    expect_corrupt(f, SECOND);
    log_poke_header(f, SECOND, 2, UINT64_MAX);
    expect_corrupt(f, "damaged");
    log_poke_header(f, SECOND, 2, second);
    log_expect(f, 200);
    log_poke_header(f, FIRST, 1, 2);
    expect_corrupt(f, "begins at op 2, but op 1 is needed");
    log_poke_header(f, FIRST, 1, 1);
    uint8_t version[4] = {99, 0, 0, 0};
    log_poke(f, FIRST, 8, version, 4);
    ngi_wal *wal;
    assert_int_equal(log_open(f, &wal), NG_E_VERSION);
    assert_non_null(strstr(ng_last_error(), FIRST));
    version[0] = 0;
    log_poke(f, FIRST, 8, version, 4);
    expect_corrupt(f, FIRST);
}

/* Frames with the right checksum and an impossible seq, length or count of unsynced ops. */
static void test_hostile_frames(void **state)
{
    log_fixture *f = *state;
    static const struct {
        uint64_t seq;
        uint32_t body_bytes, unsynced;
    } cases[] = {{3, 16, 0},       {UINT64_MAX, 16, 0},          {0, 16, 0}, {2, UINT32_MAX, 0},
                 {2, 83886081, 0}, {UINT64_MAX, 16, UINT32_MAX}, {1, 16, 7}, {2, 16, UINT32_MAX}};
    ngi_wal *wal = log_must_open(f);
    assert_int_equal(ngi_wal_wait(wal, log_append(wal, 24)), NG_OK);
    wal_home home = {0};
    ngi_wal_home_init(&home, NULL, NULL, f->manifest.uuid);
    log_abandon(wal);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t frame[64] = {0};
        ngi_put_u32(frame, WAL_FRAME_MAGIC);
        ngi_put_u32(frame + 8, cases[i].body_bytes);
        ngi_put_u16(frame + 12, LOG_KIND);
        ngi_put_u64(frame + 16, cases[i].seq);
        ngi_put_u32(frame + 36, cases[i].unsynced);
        ngi_put_u64(frame + 40, log_value(cases[i].seq));
        ngi_put_u32(frame + 4, ngi_wal_frame_crc(home.salt, frame, 56));
        log_poke(f, FIRST, 64 + 64, frame, sizeof frame);
        f->read_only = true;
        bool is_next = cases[i].seq == 2 && cases[i].body_bytes == 16;
        bool proves = cases[i].seq == 3; /* that op 2 was durable, which is not there */
        if (proves)
            expect_corrupt(f, FIRST ": damaged at offset 128, where op 2 should be");
        else
            log_expect(f, is_next ? 2 : 1);
    }
    f->read_only = false;
    log_expect(f, 2); /* the last case: settled and gone on with */
}

static size_t copy_directory(const log_fixture *f, char *out, size_t capacity)
{
    char command[256];
    size_t bytes = 0;
    snprintf(command, sizeof command, "ls -l --time-style=full-iso '%s'; cksum '%s'/*", f->path,
             f->path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    bytes = fread(out, 1, capacity - 1, pipe);
    out[bytes] = '\0';
    assert_int_equal(pclose(pipe), 0);
    return bytes;
}

static void test_read_only_changes_nothing(void **state)
{
    log_fixture *f = *state;
    char before[4096];
    char after[4096];
    fill(f, false);
    log_flip(f, "00000004.log", 64 + 1040 * (long)(200 - first_of(f, "00000004.log")) + 60);
    assert_true(copy_directory(f, before, sizeof before) > 0);
    f->read_only = f->disk.is_read_only = true;
    ngi_wal *wal = log_must_open(f);
    ngi_wal *second = log_must_open(f); /* several may read */
    ngi_wal_stats stats;
    ng_seq seq;
    uint64_t ops;
    uint64_t bytes;
    assert_int_equal(ngi_wal_applied(wal), 199);
    assert_int_equal(ngi_wal_durable(wal), 199);
    assert_int_equal(ngi_wal_first_seq(wal), 1);
    ngi_wal_stats_get(wal, &stats);
    assert_int_equal(stats.recovered_bytes_cut, 1040);
    assert_int_equal(stats.segment_count, 4);
    assert_int_equal(log_write(wal, 8, NG_DURABILITY_NONE, &seq), NG_E_READ_ONLY);
    assert_int_equal(ngi_wal_retire(wal, 10, 10, 0, 0, &ops, &bytes), NG_E_READ_ONLY);
    assert_int_equal(ngi_wal_begin_after(wal, 10, 0), NG_E_INVALID);
    assert_int_equal(ngi_wal_flush(wal, true), NG_OK);
    assert_int_equal(ngi_wal_wait(wal, 199), NG_OK);
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_OK);
    assert_int_equal(ops, 199);
    f->read_only = f->disk.is_read_only = false;
    ngi_wal *writer;
    assert_int_equal(log_open(f, &writer), NG_E_BUSY);
    assert_non_null(strstr(ng_last_error(), "open for reading in another process"));
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    assert_int_equal(ngi_wal_close(second), NG_OK);
    copy_directory(f, after, sizeof after);
    assert_string_equal(before, after);

    writer = log_must_open(f);
    f->read_only = true;
    assert_int_equal(log_open(f, &wal), NG_E_BUSY);
    assert_non_null(strstr(ng_last_error(), "in use by pid"));
    assert_int_equal(ngi_wal_close(writer), NG_OK);
    log_remove_file(f, "LOCK"); /* as on a copy of the files that matter */
    f->disk.is_read_only = true;
    log_expect(f, 199);
    assert_false(log_has_file(f, "LOCK"));
}

static void test_read_only_needs_a_store(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal;
    f->read_only = f->disk.is_read_only = true;
    assert_int_equal(log_open(f, &wal), NG_E_NOT_FOUND);
    assert_non_null(strstr(ng_last_error(), "no store there"));
    f->read_only = false;
    f->must_exist = true;
    assert_int_equal(log_open(f, &wal), NG_E_NOT_FOUND);
    f->must_exist = f->disk.is_read_only = false;
    log_expect(f, 0);
    f->must_exist = true;
    log_expect(f, 0);
    f->read_only = f->disk.is_read_only = true;
    log_expect(f, 0);
}

static void test_foreign_directory(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal;
    log_poke(f, "letter.txt", 0, "x", 1);
    assert_int_equal(log_open(f, &wal), NG_E_INVALID);
    log_remove_file(f, "letter.txt");
    log_poke(f, "00000000000000000042.snap", 0, "x", 1);
    assert_int_equal(log_open(f, &wal), NG_E_CORRUPT);
    assert_non_null(strstr(ng_last_error(), "MANIFEST: missing, but there is a snapshot"));
    log_poke(f, "BLACKBOX", 0, "x", 1);
    log_remove_file(f, "00000000000000000042.snap");
    log_expect(f, 0);
    log_poke(f, "letter.txt", 0, "x", 1); /* now it is a store, and there may be others' files */
    log_expect(f, 0);
    char kept[64];
    snprintf(kept, sizeof kept, "%s", f->path);
    f->path[0] = '\0';
    assert_int_equal(log_open(f, &wal), NG_E_INVALID);
    snprintf(f->path, sizeof f->path, "%s", kept);
}

/* ---- retirement ---- */

static void retire(ngi_wal *wal, ng_seq snapshot_seq, ng_seq keep_after, uint64_t keep_bytes,
                   uint64_t keep_seconds, uint64_t expected)
{
    uint64_t segments;
    uint64_t bytes;
    assert_int_equal(ngi_wal_retire(wal, snapshot_seq, keep_after, keep_bytes, keep_seconds,
                                    &segments, &bytes),
                     NG_OK);
    assert_int_equal(segments, expected);
    assert_true(expected == 0 ? bytes == 0 : bytes > 60000 * expected);
}

static void test_retire(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    ngi_wal_stats stats;
    uint64_t segments;
    uint64_t bytes;
    retire(wal, 0, 0, 0, 0, 0);
    log_fill(wal, 500);
    log_append(wal, 100);
    assert_int_equal(ngi_wal_retire(wal, 501, 501, 0, 0, &segments, &bytes), NG_E_INVALID);
    ng_seq second = first_of(f, SECOND);
    ng_seq third = first_of(f, THIRD);
    retire(wal, 300, second - 2, 0, 0, 0);
    retire(wal, 300, second - 1, 0, 0, 1);
    assert_false(log_has_file(f, FIRST));
    assert_int_equal(ngi_wal_first_seq(wal), second);
    retire(wal, 300, third - 1, 0, 0, 1);
    ngi_wal_stats_get(wal, &stats);
    assert_int_equal(stats.first_seq, third);
    assert_true(stats.bytes_since_snapshot > 190 * 1040 && stats.bytes_since_snapshot < 210 * 1040);
    retire(wal, 500, 0, 0, 0, 0);
    retire(wal, 500, UINT64_MAX, 0, 0, 500 / 62 - 2); /* never the last */
    assert_int_equal(log_stat_segments(wal), 1);
    ngi_wal_stats_get(wal, &stats);
    assert_true(stats.bytes_since_snapshot < 1200);
    uint64_t ops;
    assert_int_equal(ngi_wal_wait(wal, 501), NG_OK);
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_OK);
    assert_true(ops < 64);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    f->snapshot_seq = 500;
    log_expect(f, 501);
    assert_int_equal(f->manifest.snapshot_seq, 500);
    assert_int_equal(f->manifest.first_segment, 500 / 62 + 1);
    wal = log_must_open(f);
    log_fill(wal, 700);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, 700);
}

static void test_retention(void **state)
{
    log_fixture *f = *state;
    f->disk.clock_us = 1000000000;
    ngi_wal *wal = log_must_open(f);
    for (int i = 1; i <= 10; i++) { /* a segment a minute, about */
        log_fill(wal, 62 * (ng_seq)i);
        f->disk.clock_us += 60000000;
    }
    assert_int_equal(log_stat_segments(wal), 10);
    retire(wal, 620, 620, NG_NEVER, 0, 0);
    retire(wal, 620, 620, 0, NG_NEVER, 0);
    retire(wal, 620, 620, 8 * 65000, 0, 1); /* nine are kept: eight hold a little less */
    retire(wal, 620, 620, 0, 451, 1);       /* until the next one was 8 minutes old */
    assert_int_equal(log_stat_segments(wal), 8);
    retire(wal, 620, 620, 6 * 65000, 301, 1); /* either keeps it */
    f->disk.clock_us = 1000000;               /* a clock that was set back keeps all */
    retire(wal, 620, 620, 0, 1, 0);
    f->disk.clock_us = 1000000000 + 3600000000;
    retire(wal, 620, 620, 0, 1, 6);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

/* The process ends at each call of a retirement: what is left opens, and the next one goes on. */
static void test_retire_is_cut_short(void **state)
{
    log_fixture *f = *state;
    bool done = false;
    for (unsigned n = 1; !done; n++) {
        ngi_wal *wal = log_must_open(f);
        ng_seq newest = ngi_wal_applied(wal) + 200;
        log_fill(wal, newest);
        uint64_t segments;
        uint64_t bytes;
        log_disk_plan(&f->disk, n, true, NG_E_IO);
        ng_status status = ngi_wal_retire(wal, newest - 1, newest - 1, 0, 0, &segments, &bytes);
        done = !log_disk_has_failed(&f->disk);
        log_disk_plan(&f->disk, 0, false, NG_OK);
        if (done)
            assert_int_equal(status, NG_OK);
        assert_false(ngi_wal_is_latched(wal));
        log_append(wal, 100); /* the log goes on */
        assert_int_equal(ngi_wal_wait(wal, newest + 1), NG_OK);
        if (n % 2 == 0)
            log_abandon(wal);
        else
            assert_int_equal(ngi_wal_close(wal), NG_OK);
        /* The snapshot before, or the new one: the MANIFEST knows. */
        ngi_manifest manifest;
        assert_int_equal(ngi_manifest_read(ngi_os_system(), f->path, &manifest), NG_OK);
        f->snapshot_seq = manifest.snapshot_seq;
        assert_true(status != NG_OK || manifest.snapshot_seq == newest - 1);
        log_expect(f, newest + 1);
        assert_true(n < 100);
    }
    log_expect(f, f->replayed_last);
}

typedef struct race {
    ngi_wal *wal;
    atomic_bool stop;
    bool failed;
} race;

static void *verify_often(void *context)
{
    race *r = context;
    while (!atomic_load(&r->stop)) {
        uint64_t ops;
        uint64_t bytes;
        r->failed = r->failed || ngi_wal_verify(r->wal, &ops, &bytes) != NG_OK;
    }
    return NULL;
}

static void *write_often(void *context)
{
    race *r = context;
    ng_seq seq;
    while (!atomic_load(&r->stop))
        r->failed = r->failed || log_write(r->wal, 4000, NG_DURABILITY_INTERVAL, &seq) != NG_OK;
    return NULL;
}

static void test_retire_beside_others(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal = log_must_open(f);
    race races[2] = {{.wal = wal}, {.wal = wal}};
    ngi_thread threads[2];
    assert_int_equal(ngi_thread_start(&threads[0], verify_often, &races[0]), NG_OK);
    assert_int_equal(ngi_thread_start(&threads[1], write_often, &races[1]), NG_OK);
    ng_seq before = 0;
    uint64_t removed = 0;
    while (removed < 40) {
        assert_int_equal(ngi_wal_flush(wal, false), NG_OK);
        ng_seq now = ngi_wal_durable(wal);
        uint64_t segments;
        uint64_t bytes;
        assert_int_equal(ngi_wal_retire(wal, now, before, 0, 0, &segments, &bytes), NG_OK);
        removed += segments;
        before = now;
    }
    for (int i = 0; i < 2; i++) {
        atomic_store(&races[i].stop, true);
        ngi_thread_join(&threads[i]);
        assert_false(races[i].failed);
    }
    f->snapshot_seq = wal->manifest.snapshot_seq;
    ng_seq newest = ngi_wal_applied(wal);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, newest);
}

static void test_verify_finds_damage(void **state)
{
    log_fixture *f = *state;
    uint64_t ops;
    uint64_t bytes;
    ngi_wal *wal = log_must_open(f);
    log_fill(wal, 200);
    log_append(wal, 100);
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_OK);
    assert_int_equal(ops, 200);
    log_flip(f, SECOND, 1000);
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_E_CORRUPT);
    assert_non_null(strstr(ng_last_error(), SECOND ": damaged at offset 64"));
    log_flip(f, SECOND, 1000);
    log_flip(f, FIRST, 40);
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_E_CORRUPT);
    log_flip(f, FIRST, 40);
    log_poke_header(f, FIRST, 1, 2);
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_E_CORRUPT);
    log_poke_header(f, FIRST, 1, 1);
    log_poke(f, FIRST, log_file_bytes(f, FIRST) + 3, "x", 1);
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_E_CORRUPT);
    log_poke(f, FIRST, log_file_bytes(f, FIRST) - 1, "", 1);
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_OK);
    log_remove_file(f, THIRD);
    assert_int_equal(ngi_wal_verify(wal, &ops, &bytes), NG_E_CORRUPT);
    assert_non_null(strstr(ng_last_error(), THIRD));
    log_abandon(wal);
}

/* ---- failing calls ---- */

/* Opens, writes over two segments, flushes and closes, until something fails. `*kept` is the newest
 * op that was acknowledged as durable, `*newest` the newest that was applied. */
static ng_status write_life(log_fixture *f, ng_seq *kept, ng_seq *newest)
{
    ngi_wal *wal;
    ng_status status = log_open(f, &wal);
    if (status != NG_OK)
        return status;
    *kept = *newest = ngi_wal_applied(wal);
    for (int i = 0; i < 30 && status == NG_OK; i++) {
        ng_durability durability = i % 4 == 0 ? NG_DURABILITY_SYNC : NG_DURABILITY_NONE;
        ng_seq seq;
        status = log_write(wal, 5000, durability, &seq);
        if (status == NG_OK && durability == NG_DURABILITY_SYNC)
            *kept = seq;
        if (status == NG_OK && i % 10 == 9)
            status = ngi_wal_flush(wal, i % 20 == 19);
        *newest = ngi_wal_applied(wal);
    }
    if (status == NG_OK) {
        uint64_t ops;
        uint64_t bytes;
        status = ngi_wal_verify(wal, &ops, &bytes);
    }
    ng_status closed = ngi_wal_close(wal);
    if (closed == NG_OK)
        *kept = *newest;
    return status == NG_OK ? closed : status;
}

static void test_every_call_fails_once(void **state)
{
    log_fixture *f = *state;
    for (int all = 0; all < 2; all++) {
        bool done = false;
        for (unsigned n = 1; !done; n++) {
            ng_seq kept = 0;
            ng_seq newest = 0;
            log_wipe(f);
            log_disk_plan(&f->disk, n, all, n % 3 == 0 ? NG_E_DISK_FULL : NG_E_IO);
            ng_status status = write_life(f, &kept, &newest);
            done = !log_disk_has_failed(&f->disk);
            if (done)
                assert_int_equal(status, NG_OK);
            log_disk_plan(&f->disk, 0, false, NG_OK);
            ngi_wal *wal = log_must_open(f);
            ng_seq found = ngi_wal_applied(wal);
            if (newest != 0)
                assert_true(found >= kept && found <= newest);
            assert_int_equal(ngi_wal_close(wal), NG_OK);
            assert_int_equal(atomic_load(&f->memory.mem.used_bytes), 0);
            assert_true(n < 2000);
        }
    }
}

static void test_every_request_of_memory_fails_once(void **state)
{
    log_fixture *f = *state;
    unsigned refused = 0;
    bool done = false;
    for (unsigned n = 1; !done; n++) {
        ng_seq kept = 0;
        ng_seq newest = 0;
        log_wipe(f);
        log_memory_plan(&f->memory, n);
        ng_status status = write_life(f, &kept, &newest);
        done = !log_memory_has_failed(&f->memory);
        assert_true(status == NG_OK || (status == NG_E_NOMEM && !done));
        refused += status != NG_OK;
        log_memory_plan(&f->memory, 0);
        ngi_wal *wal = log_must_open(f);
        ng_seq found = ngi_wal_applied(wal);
        if (newest != 0)
            assert_true(found >= kept && found <= newest);
        assert_int_equal(ngi_wal_close(wal), NG_OK);
        assert_int_equal(atomic_load(&f->memory.mem.used_bytes), 0);
    }
    assert_true(refused >= 8); /* only a spare that is made ahead may be done without */
}

static void test_read_only_with_failing_calls(void **state)
{
    log_fixture *f = *state;
    fill(f, false);
    f->read_only = f->disk.is_read_only = true;
    bool done = false;
    for (unsigned n = 1; !done; n++) {
        ngi_wal *wal;
        log_disk_plan(&f->disk, n, false, NG_E_IO);
        ng_status status = log_open(f, &wal);
        done = !log_disk_has_failed(&f->disk);
        assert_int_equal(status, done ? NG_OK : NG_E_IO);
        if (status == NG_OK)
            assert_int_equal(ngi_wal_close(wal), NG_OK);
    }
}

static ng_status refuse_replay(void *context, const ngi_op *op)
{
    (void)context;
    return op->seq == 5 ? ngi_fail(NG_E_LIMIT, "too many") : NG_OK;
}

static void test_replay_is_refused(void **state)
{
    log_fixture *f = *state;
    ngi_wal *wal;
    fill(f, true);
    const ngi_wal_options options = {.path = f->path,
                                     .segment_bytes = LOG_SEGMENT,
                                     .durability = NG_DURABILITY_SYNC};
    assert_int_equal(ngi_wal_open(&f->disk.os, &f->memory.mem, &options, &f->manifest, &wal),
                     NG_OK);
    assert_int_equal(ngi_wal_recover(wal, 0, 0, refuse_replay, NULL), NG_E_LIMIT);
    assert_non_null(strstr(ng_last_error(), FIRST ", op 5 at offset 4224: too many"));
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, 200);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, log_set_up, log_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_only_what_the_snapshot_lacks),
        T(test_segments_before_the_snapshot_are_not_read),
        T(test_ops_of_the_snapshot_are_verified),
        T(test_snapshot_without_a_log),
        T(test_log_that_ends_before_the_snapshot),
        T(test_log_that_ends_before_what_is_proved),
        T(test_damage_behind_the_snapshot),
        T(test_leftovers_and_missing_segments),
        T(test_manifest_fields),
        T(test_hostile_manifest),
        T(test_directory_is_durable_before_manifest),
        T(test_hostile_headers),
        T(test_hostile_frames),
        T(test_read_only_changes_nothing),
        T(test_read_only_needs_a_store),
        T(test_foreign_directory),
        T(test_retire),
        T(test_retention),
        T(test_retire_is_cut_short),
        T(test_retire_beside_others),
        T(test_verify_finds_damage),
        T(test_every_call_fails_once),
        T(test_every_request_of_memory_fails_once),
        T(test_read_only_with_failing_calls),
        T(test_replay_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
