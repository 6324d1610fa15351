/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Streams of whole states and of ops, backups in a directory, restoring to an op or a time. */
#include "api_stream_support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct fixture {
    char *root; /* a directory for everything */
    char store_path[600], backups[600], copy[600];
    ng_store *store;
    api_history history;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->root = test_directory_create();
    test_path(f->store_path, sizeof f->store_path, f->root, "store");
    test_path(f->backups, sizeof f->backups, f->root, "backups");
    test_path(f->copy, sizeof f->copy, f->root, "copy");
    f->store = api_disk_store(f->store_path);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    ASSERT_OK(ng_close(f->store));
    test_directory_remove(f->root);
    free(f);
    return 0;
}

static void remove_copy(const fixture *f)
{
    char path[700];
    DIR *directory = opendir(f->copy);
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            unlink(test_path(path, sizeof path, f->copy, entry->d_name));
    closedir(directory);
    assert_int_equal(rmdir(f->copy), 0);
}

static void fill(fixture *f, ng_seq until)
{
    test_random random = {.state = until};
    api_history_write(&f->history, f->store, &random, until);
}

static const char *full_name(const fixture *f, ng_seq seq, char out[700])
{
    snprintf(out, 700, "%s/%020llu.full", f->backups, (unsigned long long)seq);
    return out;
}

static const char *increment_name(const fixture *f, ng_seq after, ng_seq seq, char out[700])
{
    snprintf(out, 700, "%s/%020llu-%020llu.incremental", f->backups, (unsigned long long)after,
             (unsigned long long)seq);
    return out;
}

static void backup(fixture *f, bool incremental, ng_stream_report *report)
{
    ng_backup_options options = {.struct_size = sizeof options, .incremental = incremental};
    ASSERT_OK(ng_backup(f->store, f->backups, &options, report));
}

/* Restores from `from` up to an op or a time, compares, and removes the copy. */
static void restore_to(fixture *f, const char *from, ng_seq seq, uint64_t time_us, ng_seq expected)
{
    ng_restore_options options = {.struct_size = sizeof options, .seq = seq, .time_us = time_us};
    ng_stream_report report;
    ASSERT_OK(ng_restore(from, f->copy, &options, &report));
    assert_int_equal(report.seq, expected);
    assert_true(report.time_us == f->history.time_us[expected]);
    api_assert_is(f->copy, f->history.hash[expected], expected);
    remove_copy(f);
}

static ng_status write_stream(ng_store *store, const ng_stream_options *options, api_blob *blob,
                              ng_stream_report *report)
{
    blob->bytes = blob->at = 0;
    return ng_stream_write(store, options, api_blob_sink, blob, report);
}

static ng_status restore_blob(fixture *f, api_blob *blob, const ng_restore_options *options,
                              ng_stream_report *report)
{
    blob->at = 0;
    return ng_stream_restore(api_blob_source, blob, f->copy, options, report);
}

/* --- whole states ---------------------------------------------------------------------------- */

static void test_whole_state_round_trip(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    ng_stream_report written, restored;
    ng_info info, copied;
    fill(f, 150);
    ASSERT_OK(write_stream(f->store, NULL, &blob, &written));
    ASSERT_OK(ng_store_info(f->store, &info));
    assert_false(written.incremental);
    assert_int_equal(written.seq, 150);
    assert_int_equal(written.after, 0);
    assert_int_equal(written.bytes, blob.bytes);
    assert_int_equal(written.tokens, info.token_count);
    assert_int_equal(written.connections, info.connection_count);
    assert_true(written.time_us == f->history.time_us[150]);
    for (size_t step = 1; step <= blob.bytes; step = step * 7 + 1) {
        blob.step = step;
        ASSERT_OK(restore_blob(f, &blob, NULL, &restored));
        assert_int_equal(restored.seq, 150);
        assert_int_equal(restored.bytes, blob.bytes);
        assert_int_equal(restored.files, 1);
        assert_int_equal(restored.tokens, info.token_count);
        ng_store *copy = api_disk_store(f->copy);
        assert_true(api_hash(copy) == f->history.hash[150]);
        ASSERT_OK(ng_store_info(copy, &copied));
        assert_string_not_equal(copied.uuid, info.uuid);
        assert_true(copied.created_us == info.created_us);
        assert_false(copied.follows);
        /* It is a store like any other: writing goes on after the op it was made at. */
        api_token(copy);
        uint64_t hash = api_hash(copy);
        ASSERT_OK(ng_close(copy));
        api_assert_is(f->copy, hash, 151);
        remove_copy(f);
    }
    api_blob_release(&blob);
}

static void test_empty_store(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    ng_stream_report report;
    ASSERT_OK(write_stream(f->store, NULL, &blob, &report));
    assert_int_equal(report.seq, 0);
    ASSERT_OK(restore_blob(f, &blob, NULL, &report));
    api_assert_is(f->copy, api_hash(f->store), 0);
    api_blob_release(&blob);
}

static void test_store_in_memory(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    ng_stream_options options = {.struct_size = sizeof options, .incremental = true};
    ng_store *memory = api_memory_store();
    test_random random = {.state = 5};
    for (int i = 0; i < 100; i++)
        api_random_write(memory, &random);
    ASSERT_OK(write_stream(memory, NULL, &blob, NULL));
    ASSERT_OK(restore_blob(f, &blob, NULL, NULL));
    api_assert_is(f->copy, api_hash(memory), api_seq(memory));
    ASSERT_FAILS(write_stream(memory, &options, &blob, NULL), NG_E_GONE, "memory");
    options.after = api_seq(memory);
    ASSERT_OK(write_stream(memory, &options, &blob, NULL));
    ASSERT_OK(ng_close(memory));
    api_blob_release(&blob);
}

static void test_encoding_is_kept(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    char path[700];
    ng_open_options options = {.struct_size = sizeof options};
    options.scales[2][1] = 77;
    options.origins[5][0] = 3.5f;
    ng_store *store = NULL;
    ASSERT_OK(ng_open(test_path(path, sizeof path, f->root, "other"), &options, &store));
    api_at(store, NG_SPACE_MOTOR, 1, 2, 3);
    ASSERT_OK(write_stream(store, NULL, &blob, NULL));
    ASSERT_OK(restore_blob(f, &blob, NULL, NULL));
    ng_store *copy = api_disk_store(f->copy);
    ng_info info;
    ASSERT_OK(ng_store_info(copy, &info));
    assert_int_equal(info.scales[2][1], 77);
    assert_true(info.origins[5][0] == 3.5f);
    assert_true(api_hash(copy) == api_hash(store));
    ASSERT_OK(ng_close(copy));
    ASSERT_OK(ng_close(store));
    api_blob_release(&blob);
}

/* --- increments ------------------------------------------------------------------------------ */

static void test_range_of_an_increment(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    ng_stream_report report;
    ng_stream_options options = {.struct_size = sizeof options, .incremental = true};
    fill(f, 40);
    ASSERT_OK(write_stream(f->store, &options, &blob, &report));
    assert_true(report.incremental);
    assert_int_equal(report.seq, 40);
    assert_int_equal(report.ops, 40);
    assert_true(report.time_us == f->history.time_us[40]);
    options.after = 10;
    options.last = 15;
    ASSERT_OK(write_stream(f->store, &options, &blob, &report));
    assert_int_equal(report.after, 10);
    assert_int_equal(report.seq, 15);
    assert_int_equal(report.ops, 5);
    options.last = 10;
    ASSERT_OK(write_stream(f->store, &options, &blob, &report));
    assert_int_equal(report.seq, 10);
    assert_int_equal(report.ops, 0);
    options.last = 9;
    ASSERT_FAILS(write_stream(f->store, &options, &blob, &report), NG_E_INVALID, "last 9",
                 "10..40");
    options.last = 41;
    ASSERT_FAILS(write_stream(f->store, &options, &blob, &report), NG_E_INVALID, "last 41");
    options = (ng_stream_options){.struct_size = sizeof options, .incremental = true, .after = 41};
    ASSERT_FAILS(write_stream(f->store, &options, &blob, &report), NG_E_INVALID, "after 41", "40");
    /* One op at least, however few bytes are wanted. */
    options.after = 20;
    options.max_bytes = 1;
    ASSERT_OK(write_stream(f->store, &options, &blob, &report));
    assert_int_equal(report.seq, 21);
    options.max_bytes = report.bytes + 400;
    ASSERT_OK(write_stream(f->store, &options, &blob, &report));
    assert_true(report.seq > 21 && report.seq < 40);
    options = (ng_stream_options){.struct_size = sizeof options, .after = 3};
    ASSERT_FAILS(write_stream(f->store, &options, &blob, &report), NG_E_INVALID, "incremental");
    api_blob_release(&blob);
}

static void test_log_that_is_gone(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    ng_stream_report report;
    ng_stream_options options = {.struct_size = sizeof options, .incremental = true};
    test_random random = {.state = 3};
    ng_info info;
    do {
        for (int i = 0; i < 1000; i++)
            api_random_write(f->store, &random);
        ASSERT_OK(ng_checkpoint(f->store, NULL, NULL, NULL));
        ASSERT_OK(ng_store_info(f->store, &info));
    } while (info.log_first_seq < 10);
    options.after = info.log_first_seq - 2;
    ASSERT_FAILS(write_stream(f->store, &options, &blob, &report), NG_E_GONE, "");
    assert_int_equal(blob.bytes, 0);
    options.after = info.log_first_seq - 1;
    ASSERT_OK(write_stream(f->store, &options, &blob, &report));
    assert_int_equal(report.seq, api_seq(f->store));
    api_blob_release(&blob);
}

static void test_restore_from_ops_alone(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    ng_stream_report report;
    ng_stream_options options = {.struct_size = sizeof options, .incremental = true};
    ng_restore_options wanted = {.struct_size = sizeof wanted};
    fill(f, 60);
    ASSERT_OK(write_stream(f->store, &options, &blob, NULL));
    for (wanted.seq = 1; wanted.seq <= 60; wanted.seq += 13) {
        ASSERT_OK(restore_blob(f, &blob, &wanted, &report));
        assert_int_equal(report.ops, wanted.seq);
        api_assert_is(f->copy, f->history.hash[wanted.seq], wanted.seq);
        remove_copy(f);
    }
    options.after = 5;
    ASSERT_OK(write_stream(f->store, &options, &blob, NULL));
    ASSERT_FAILS(restore_blob(f, &blob, NULL, NULL), NG_E_GONE, "after 5");
    assert_int_equal(api_entries(f->root), 1);
    api_blob_release(&blob);
}

/* --- a directory of backups ------------------------------------------------------------------ */

static void write_chain(fixture *f)
{
    ng_stream_report report;
    char name[700];
    fill(f, 12);
    backup(f, false, &report);
    assert_string_equal(report.file, strrchr(full_name(f, 12, name), '/') + 1);
    for (ng_seq until = 20; until <= 36; until += 8) {
        fill(f, until);
        backup(f, true, &report);
        assert_int_equal(report.after, until - 8);
        assert_int_equal(report.seq, until);
        assert_int_equal(report.ops, 8);
        assert_string_equal(report.file,
                            strrchr(increment_name(f, until - 8, until, name), '/') + 1);
    }
}

static void test_restore_to_every_op(void **state)
{
    fixture *f = *state;
    write_chain(f);
    for (ng_seq seq = 12; seq <= 36; seq++) {
        restore_to(f, f->backups, seq, 0, seq);
        if (seq % 3 != 0) /* each costs a few syncs */
            continue;
        restore_to(f, f->backups, 0, f->history.time_us[seq], seq);
        ng_seq before = seq > 12 ? seq - 1 : 12;
        if (f->history.time_us[seq] - 1 > f->history.time_us[before])
            restore_to(f, f->backups, 0, f->history.time_us[seq] - 1, before);
        restore_to(f, f->backups, 20, f->history.time_us[seq], seq < 20 ? seq : 20);
    }
    restore_to(f, f->backups, 0, 0, 36);
    restore_to(f, f->backups, 0, f->history.time_us[36] + 1000000, 36);
    ng_restore_options options = {.struct_size = sizeof options, .seq = 11};
    ASSERT_FAILS(ng_restore(f->backups, f->copy, &options, NULL), NG_E_GONE, "12");
    options.seq = 37;
    ASSERT_FAILS(ng_restore(f->backups, f->copy, &options, NULL), NG_E_INVALID, "37", "36");
    options.seq = 0;
    options.time_us = f->history.time_us[12] - 1;
    ASSERT_FAILS(ng_restore(f->backups, f->copy, &options, NULL), NG_E_GONE, "12");
    assert_int_equal(api_entries(f->root), 2);
}

static void test_nothing_new(void **state)
{
    fixture *f = *state;
    ng_stream_report report;
    write_chain(f);
    size_t files = api_entries(f->backups);
    backup(f, true, &report);
    assert_string_equal(report.file, "");
    assert_int_equal(report.seq, 36);
    assert_int_equal(report.ops, 0);
    assert_int_equal(api_entries(f->backups), files);
    backup(f, false, &report); /* asked for: written */
    assert_int_equal(api_entries(f->backups), files + 1);
    restore_to(f, f->backups, 0, 0, 36);
}

static void test_newest_full_that_is_old_enough(void **state)
{
    fixture *f = *state;
    char name[700];
    write_chain(f);
    fill(f, 50);
    backup(f, false, NULL);
    fill(f, 55);
    backup(f, true, NULL);
    restore_to(f, f->backups, 0, 0, 55);
    restore_to(f, f->backups, 53, 0, 53);
    restore_to(f, f->backups, 30, 0, 30);
    restore_to(f, f->backups, 0, f->history.time_us[31], 31);
    ng_restore_options options = {.struct_size = sizeof options, .seq = 40};
    ASSERT_FAILS(ng_restore(f->backups, f->copy, &options, NULL), NG_E_GONE, "37..");
    /* A single file. */
    restore_to(f, full_name(f, 50, name), 0, 0, 50);
    ASSERT_FAILS(ng_restore(increment_name(f, 50, 55, name), f->copy, NULL, NULL), NG_E_GONE,
                 ".incremental");
}

static void test_missing_increment(void **state)
{
    fixture *f = *state;
    char name[700];
    write_chain(f);
    assert_int_equal(unlink(increment_name(f, 20, 28, name)), 0);
    ASSERT_FAILS(ng_restore(f->backups, f->copy, NULL, NULL), NG_E_GONE, "21..28", "missing");
    ng_restore_options options = {.struct_size = sizeof options, .seq = 25};
    ASSERT_FAILS(ng_restore(f->backups, f->copy, &options, NULL), NG_E_GONE, "21..28");
    options.seq = 0;
    options.time_us = f->history.time_us[30];
    ASSERT_FAILS(ng_restore(f->backups, f->copy, &options, NULL), NG_E_GONE, "21..28");
    assert_int_equal(api_entries(f->root), 2);
    restore_to(f, f->backups, 20, 0, 20);
    restore_to(f, f->backups, 0, f->history.time_us[15], 15);
}

static void flip(const char *path, long offset)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, offset < 0 ? SEEK_END : SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, -1, SEEK_CUR), 0);
    assert_int_equal(fputc((byte ^ 0x10) & 0xFF, file), byte ^ 0x10);
    assert_int_equal(fclose(file), 0);
}

static void test_damaged_increment(void **state)
{
    fixture *f = *state;
    char name[700];
    write_chain(f);
    struct stat info;
    assert_int_equal(stat(increment_name(f, 20, 28, name), &info), 0);
    for (long offset = 3; offset < info.st_size; offset += 61) {
        flip(name, offset);
        ng_status status = ng_restore(f->backups, f->copy, NULL, NULL);
        assert_true(status == NG_E_CORRUPT || status == NG_E_FORMAT);
        assert_non_null(strstr(ng_last_error(), strrchr(name, '/') + 1));
        assert_int_equal(api_entries(f->root), 2);
        flip(name, offset);
    }
    flip(name, -1);
    restore_to(f, f->backups, 20, 0, 20); /* not needed for these */
    restore_to(f, f->backups, 23, 0, 23); /* in front of the damage */
    ASSERT_FAILS(ng_restore(f->backups, f->copy, NULL, NULL), NG_E_CORRUPT, "offset");
    flip(name, -1);
    restore_to(f, f->backups, 0, 0, 36);
}

static void test_foreign_backups(void **state)
{
    fixture *f = *state;
    char path[700], name[700], target[700];
    write_chain(f);
    ng_store *other = api_disk_store(test_path(path, sizeof path, f->root, "other"));
    test_random random = {.state = 99};
    while (api_seq(other) < 28)
        api_random_write(other, &random);
    ng_backup_options options = {.struct_size = sizeof options};
    ASSERT_FAILS(ng_backup(other, f->backups, &options, NULL), NG_E_CONFLICT, "another store");
    options.incremental = true;
    ASSERT_FAILS(ng_backup(other, f->backups, &options, NULL), NG_E_CONFLICT, "another store");
    /* An increment of the other store under the name of one of ours. */
    api_blob blob = {0};
    ng_stream_options range = {.struct_size = sizeof range,
                               .incremental = true,
                               .after = 20,
                               .last = 28};
    ASSERT_OK(write_stream(other, &range, &blob, NULL));
    test_file_write(increment_name(f, 20, 28, name), blob.data, blob.bytes);
    ASSERT_FAILS(ng_restore(f->backups, f->copy, NULL, NULL), NG_E_CONFLICT, "another store",
                 strrchr(name, '/') + 1);
    /* Ours under a name that says something else. */
    assert_int_equal(rename(increment_name(f, 28, 36, target), name), 0);
    ASSERT_FAILS(ng_restore(f->backups, f->copy, NULL, NULL), NG_E_GONE, "21..28");
    ASSERT_OK(ng_close(other));
    api_blob_release(&blob);
}

static void test_backup_refusals(void **state)
{
    fixture *f = *state;
    char path[700];
    ng_backup_options options = {.struct_size = sizeof options, .incremental = true};
    ASSERT_FAILS(ng_backup(f->store, f->backups, &options, NULL), NG_E_NOT_FOUND, "no full");
    ASSERT_FAILS(ng_restore(f->backups, f->copy, NULL, NULL), NG_E_NOT_FOUND, "no backup");
    ASSERT_FAILS(ng_restore("/nowhere/at/all", f->copy, NULL, NULL), NG_E_NOT_FOUND, "nowhere");
    ASSERT_FAILS(ng_backup(f->store, "/nowhere/at/all", NULL, NULL), NG_E_NOT_FOUND, "nowhere");
    options.struct_size = 1;
    ASSERT_FAILS(ng_backup(f->store, f->backups, &options, NULL), NG_E_INVALID, "struct_size");
    ASSERT_FAILS(ng_backup(NULL, f->backups, NULL, NULL), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_backup(f->store, NULL, NULL, NULL), NG_E_INVALID, "directory");
    ASSERT_FAILS(ng_restore(NULL, f->copy, NULL, NULL), NG_E_INVALID, "from");
    fill(f, 20);
    backup(f, false, NULL);
    /* Where something is already. */
    ASSERT_FAILS(ng_restore(f->backups, f->store_path, NULL, NULL), NG_E_EXISTS, "not empty");
    test_path(path, sizeof path, f->root, "file");
    test_file_write(path, "x", 1);
    ASSERT_FAILS(ng_restore(f->backups, path, NULL, NULL), NG_E_EXISTS, "not a directory");
    /* What is no backup. */
    ASSERT_FAILS(ng_restore(path, f->copy, NULL, NULL), NG_E_FORMAT, "file");
    assert_int_equal(mkdir(f->copy, 0700), 0); /* an empty directory will do */
    restore_to(f, f->backups, 0, 0, 20);
    test_path(path, sizeof path, f->copy, "");
    ASSERT_OK(ng_restore(f->backups, path, NULL, NULL)); /* with a slash behind it */
    api_assert_is(f->copy, f->history.hash[20], 20);
}

/* The store was taken back to an older state by copying its files: its seqs are no longer those of
 * the backups. */
static void test_backups_ahead_of_the_store(void **state)
{
    fixture *f = *state;
    char command[1400];
    char older[700];
    fill(f, 20);
    ASSERT_OK(ng_close(f->store));
    test_path(older, sizeof older, f->root, "older");
    snprintf(command, sizeof command, "cp -r %s %s", f->store_path, older);
    assert_int_equal(system(command), 0);
    f->store = api_disk_store(f->store_path);
    fill(f, 30);
    backup(f, false, NULL);
    ng_store *store = api_disk_store(older);
    ng_backup_options options = {.struct_size = sizeof options, .incremental = true};
    ASSERT_FAILS(ng_backup(store, f->backups, &options, NULL), NG_E_CONFLICT, "30", "20");
    ASSERT_FAILS(ng_backup(store, f->backups, NULL, NULL), NG_E_CONFLICT, "30", "20");
    /* It goes on until its seqs are those of the backups, for other ops. */
    while (api_seq(store) < 35)
        api_token(store);
    ASSERT_FAILS(ng_backup(store, f->backups, &options, NULL), NG_E_CONFLICT, "op 30");
    ASSERT_FAILS(ng_backup(store, f->backups, NULL, NULL), NG_E_CONFLICT, "op 30");
    /* Put there by hand, its increment does not go on from them: op 30 is in both. */
    api_blob blob = {0};
    char name[700];
    ng_stream_options range = {.struct_size = sizeof range, .incremental = true, .after = 29};
    ASSERT_OK(write_stream(store, &range, &blob, NULL));
    test_file_write(increment_name(f, 29, 35, name), blob.data, blob.bytes);
    ASSERT_FAILS(ng_restore(f->backups, f->copy, NULL, NULL), NG_E_CONFLICT, "op 30");
    api_blob_release(&blob);
    ASSERT_OK(ng_close(store));
}

static void test_backups_into_a_store(void **state)
{
    fixture *f = *state;
    char path[700];
    fill(f, 20);
    ASSERT_FAILS(ng_backup(f->store, f->store_path, NULL, NULL), NG_E_INVALID, "a store");
    ng_store *other = api_disk_store(test_path(path, sizeof path, f->root, "other"));
    ASSERT_OK(ng_close(other));
    ASSERT_FAILS(ng_backup(f->store, path, NULL, NULL), NG_E_INVALID, "a store");
}

/* A restored store is another store: its backups do not go among those of its source. */
static void test_restored_store_is_another_store(void **state)
{
    fixture *f = *state;
    write_chain(f);
    ASSERT_OK(ng_restore(f->backups, f->copy, NULL, NULL));
    ng_store *copy = api_disk_store(f->copy);
    api_token(copy);
    ng_backup_options options = {.struct_size = sizeof options, .incremental = true};
    ASSERT_FAILS(ng_backup(copy, f->backups, &options, NULL), NG_E_CONFLICT, "another store");
    ASSERT_OK(ng_close(copy));
}

/* --- damaged streams, failing sinks and sources ---------------------------------------------- */

static void test_truncated_stream(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    fill(f, 60);
    ASSERT_OK(write_stream(f->store, NULL, &blob, NULL));
    size_t whole = blob.bytes;
    for (size_t bytes = 0; bytes < whole; bytes += bytes + 97 < whole ? 97 : 1) {
        blob.bytes = bytes;
        ng_status status = restore_blob(f, &blob, NULL, NULL);
        assert_true(status == NG_E_CORRUPT || (bytes == 0 && status == NG_E_FORMAT));
        if (bytes > 0)
            assert_non_null(strstr(ng_last_error(), "offset"));
        assert_int_equal(api_entries(f->root), 1);
    }
    blob.bytes = whole;
    ASSERT_OK(restore_blob(f, &blob, NULL, NULL));
    api_blob_release(&blob);
}

static void test_failing_sink_and_source(void **state)
{
    fixture *f = *state;
    api_blob blob = {0}, whole = {0};
    ng_stream_options options = {.struct_size = sizeof options, .incremental = true};
    fill(f, 40);
    ASSERT_OK(write_stream(f->store, NULL, &whole, NULL));
    for (size_t at = 1; at < whole.bytes; at += 501) {
        blob.fail_at = at;
        assert_int_equal(write_stream(f->store, NULL, &blob, NULL), NG_E_DISK_FULL);
        whole.fail_at = at;
        assert_int_equal(restore_blob(f, &whole, NULL, NULL), NG_E_IO);
        assert_int_equal(api_entries(f->root), 1);
    }
    blob.fail_at = 600;
    assert_int_equal(write_stream(f->store, &options, &blob, NULL), NG_E_DISK_FULL);
    api_token(f->store); /* nothing is held or broken */
    api_assert_clean(f->store);
    api_blob_release(&blob);
    api_blob_release(&whole);
}

typedef struct phases {
    char seen[256];
    const char *stop;
} phases;

static bool see_phase(void *context, const ng_progress *progress)
{
    phases *all = context;
    if (strstr(all->seen, progress->phase) == NULL) {
        size_t bytes = strlen(all->seen);
        snprintf(all->seen + bytes, sizeof all->seen - bytes, "%s ", progress->phase);
    }
    return all->stop == NULL || strcmp(all->stop, progress->phase) != 0;
}

static void test_progress(void **state)
{
    fixture *f = *state;
    phases all = {.seen = ""};
    fill(f, 30);
    ng_backup_options options = {.struct_size = sizeof options,
                                 .progress = see_phase,
                                 .progress_context = &all};
    const char *const stops[] = {"state", "verify"};
    for (int i = 0; i < 2; i++) {
        all.stop = stops[i];
        ASSERT_FAILS(ng_backup(f->store, f->backups, &options, NULL), NG_E_CANCELLED, stops[i]);
        assert_int_equal(api_entries(f->backups), 1); /* its LOCK */
    }
    all = (phases){.seen = ""};
    ASSERT_OK(ng_backup(f->store, f->backups, &options, NULL));
    assert_string_equal(all.seen, "state verify ");
    fill(f, 33);
    options.incremental = true;
    ASSERT_OK(ng_backup(f->store, f->backups, &options, NULL));
    assert_string_equal(all.seen, "state verify log ");
    ng_restore_options restore = {.struct_size = sizeof restore,
                                  .progress = see_phase,
                                  .progress_context = &all};
    const char *const restore_stops[] = {"state", "log", "verify"};
    for (int i = 0; i < 3; i++) {
        all.stop = restore_stops[i];
        ASSERT_FAILS(ng_restore(f->backups, f->copy, &restore, NULL), NG_E_CANCELLED,
                     restore_stops[i]);
        assert_int_equal(api_entries(f->root), 2);
    }
    all.stop = NULL;
    ASSERT_OK(ng_restore(f->backups, f->copy, &restore, NULL));
}

/* What an attempt left that was cut short by a crash is taken over. */
static void test_left_over_directory(void **state)
{
    fixture *f = *state;
    char path[700], file[800];
    fill(f, 20);
    backup(f, false, NULL);
    snprintf(path, sizeof path, "%s.restoring", f->copy);
    assert_int_equal(mkdir(path, 0700), 0);
    test_file_write(test_path(file, sizeof file, path, "LOCK"), "", 0);
    test_file_write(test_path(file, sizeof file, path, "00000000000000000007.snap"), "x", 1);
    restore_to(f, f->backups, 0, 0, 20);
    assert_int_equal(api_entries(f->root), 2);
}

/* --- beside writers -------------------------------------------------------------------------- */

typedef struct writers {
    ng_store *store;
    atomic_bool stop;
} writers;

typedef struct writer {
    writers *all;
    uint64_t seed;
} writer;

static void *run_writer(void *context)
{
    writer *self = context;
    test_random random = {.state = self->seed};
    while (!atomic_load(&self->all->stop))
        api_random_write(self->all->store, &random);
    return NULL;
}

static void test_backup_beside_writers(void **state)
{
    fixture *f = *state;
    enum { THREADS = 3, ROUNDS = 6 };
    writers all = {.store = f->store};
    writer each[THREADS];
    pthread_t threads[THREADS];
    ng_stream_report full[ROUNDS];
    api_blob blob = {0};
    for (int i = 0; i < THREADS; i++) {
        each[i] = (writer){&all, (uint64_t)i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, run_writer, &each[i]), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        for (ng_seq seq = api_seq(f->store); api_seq(f->store) < seq + 50;)
            sched_yield();
        ng_backup_options options = {.struct_size = sizeof options, .incremental = i % 2 == 1};
        ASSERT_OK(ng_backup(f->store, f->backups, &options, &full[i]));
    }
    atomic_store(&all.stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    /* The log has every op, and its own way to the same states. */
    ng_stream_options everything = {.struct_size = sizeof everything, .incremental = true};
    api_make_durable(f->store);
    ASSERT_OK(write_stream(f->store, &everything, &blob, NULL));
    for (int i = 0; i < ROUNDS; i++) {
        ng_restore_options wanted = {.struct_size = sizeof wanted, .seq = full[i].seq};
        ASSERT_OK(restore_blob(f, &blob, &wanted, NULL));
        ng_store *copy = api_disk_store(f->copy);
        f->history.hash[0] = api_hash(copy);
        ASSERT_OK(ng_close(copy));
        remove_copy(f);
        ASSERT_OK(ng_restore(f->backups, f->copy, &wanted, NULL));
        api_assert_is(f->copy, f->history.hash[0], full[i].seq);
        remove_copy(f);
    }
    api_blob_release(&blob);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_whole_state_round_trip),
        TEST(test_empty_store),
        TEST(test_store_in_memory),
        TEST(test_encoding_is_kept),
        TEST(test_range_of_an_increment),
        TEST(test_log_that_is_gone),
        TEST(test_restore_from_ops_alone),
        TEST(test_restore_to_every_op),
        TEST(test_nothing_new),
        TEST(test_newest_full_that_is_old_enough),
        TEST(test_missing_increment),
        TEST(test_damaged_increment),
        TEST(test_foreign_backups),
        TEST(test_backup_refusals),
        TEST(test_backups_ahead_of_the_store),
        TEST(test_backups_into_a_store),
        TEST(test_restored_store_is_another_store),
        TEST(test_truncated_stream),
        TEST(test_failing_sink_and_source),
        TEST(test_progress),
        TEST(test_left_over_directory),
        TEST(test_backup_beside_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
