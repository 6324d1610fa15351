/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Followers, and streams of a directory that is open elsewhere. */
#include "api_stream_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

typedef struct fixture {
    char *root; /* a directory for everything */
    char source_path[600], copy_path[600];
    ng_store *source, *copy;
    test_random random;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->root = test_directory_create();
    test_path(f->source_path, sizeof f->source_path, f->root, "source");
    test_path(f->copy_path, sizeof f->copy_path, f->root, "copy");
    f->source = api_disk_store(f->source_path);
    f->random.state = 20260101;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    ASSERT_OK(ng_close(f->source));
    ASSERT_OK(ng_close(f->copy));
    test_directory_remove(f->root);
    free(f);
    return 0;
}

static void write_some(fixture *f, int count)
{
    for (int i = 0; i < count; i++)
        api_random_write(f->source, &f->random);
    api_make_durable(f->source);
}

/* Makes the follower from the whole state. */
static void begin_following(fixture *f)
{
    api_blob blob = {0};
    ng_restore_options options = {.struct_size = sizeof options, .follow = true};
    ASSERT_OK(ng_stream_write(f->source, NULL, api_blob_sink, &blob, NULL));
    ASSERT_OK(ng_stream_restore(api_blob_source, &blob, f->copy_path, &options, NULL));
    f->copy = api_disk_store(f->copy_path);
    api_blob_release(&blob);
}

/* One increment of at most `max_bytes` from the source to the follower. */
static ng_status follow_once(fixture *f, uint64_t max_bytes, ng_stream_report *applied)
{
    api_blob blob = {0};
    ng_stream_options options = {.struct_size = sizeof options,
                                 .incremental = true,
                                 .after = api_seq(f->copy),
                                 .max_bytes = max_bytes};
    ng_status status = ng_stream_write(f->source, &options, api_blob_sink, &blob, NULL);
    if (status == NG_OK)
        status = ng_stream_apply(f->copy, api_blob_source, &blob, applied);
    api_blob_release(&blob);
    return status;
}

static void remove_copy(const fixture *f)
{
    char command[800];
    snprintf(command, sizeof command, "rm -r '%s'", f->copy_path);
    assert_int_equal(system(command), 0);
}

/* As follow_once; a follower that the source has left behind begins again. */
static void follow_on(fixture *f, uint64_t max_bytes)
{
    ng_status status = follow_once(f, max_bytes, NULL);
    if (status == NG_E_GONE) {
        ASSERT_OK(ng_close(f->copy));
        f->copy = NULL;
        remove_copy(f);
        begin_following(f);
        return;
    }
    ASSERT_OK(status);
}

static void catch_up(fixture *f)
{
    while (api_seq(f->copy) < api_seq(f->source))
        follow_on(f, 1 + test_random_below(&f->random, 20000));
    assert_true(api_hash(f->copy) == api_hash(f->source));
}

static void reopen_copy(fixture *f)
{
    ASSERT_OK(ng_close(f->copy));
    f->copy = api_disk_store(f->copy_path);
}

/* --- following ------------------------------------------------------------------------------- */

static void test_follow_loop(void **state)
{
    fixture *f = *state;
    ng_info info;
    write_some(f, 50);
    begin_following(f);
    for (int round = 0; round < 60; round++) {
        write_some(f, (int)test_random_below(&f->random, 80));
        if (test_random_chance(&f->random, 20))
            ASSERT_OK(ng_checkpoint(f->source, NULL, NULL, NULL));
        if (test_random_chance(&f->random, 20))
            ASSERT_OK(ng_checkpoint(f->copy, NULL, NULL, NULL));
        if (test_random_chance(&f->random, 30))
            follow_on(f, 1 + test_random_below(&f->random, 3000));
        if (test_random_chance(&f->random, 30))
            reopen_copy(f);
        if (test_random_chance(&f->random, 60))
            catch_up(f);
    }
    catch_up(f);
    api_assert_clean(f->copy);
    ASSERT_OK(ng_store_info(f->copy, &info));
    assert_true(info.follows);
    reopen_copy(f);
    assert_true(api_hash(f->copy) == api_hash(f->source));
}

static void test_follower_from_the_first_op(void **state)
{
    fixture *f = *state;
    begin_following(f); /* of nothing yet */
    assert_int_equal(api_seq(f->copy), 0);
    write_some(f, 100);
    catch_up(f);
    reopen_copy(f);
    assert_true(api_hash(f->copy) == api_hash(f->source));
}

static void test_follower_of_a_follower(void **state)
{
    fixture *f = *state;
    char path[700];
    api_blob blob = {0};
    write_some(f, 40);
    begin_following(f);
    ng_restore_options options = {.struct_size = sizeof options, .follow = true};
    ASSERT_OK(ng_stream_write(f->copy, NULL, api_blob_sink, &blob, NULL));
    ASSERT_OK(ng_stream_restore(api_blob_source, &blob, test_path(path, sizeof path, f->root, "b"),
                                &options, NULL));
    ng_store *second = api_disk_store(path);
    write_some(f, 40);
    catch_up(f);
    api_make_durable(f->copy);
    ng_stream_options range = {.struct_size = sizeof range,
                               .incremental = true,
                               .after = api_seq(second)};
    blob.bytes = blob.at = 0;
    ASSERT_OK(ng_stream_write(f->copy, &range, api_blob_sink, &blob, NULL));
    ASSERT_OK(ng_stream_apply(second, api_blob_source, &blob, NULL));
    assert_true(api_hash(second) == api_hash(f->source));
    ASSERT_OK(ng_close(second));
    api_blob_release(&blob);
}

static void test_local_writes_are_refused(void **state)
{
    fixture *f = *state;
    ng_token_id id;
    ng_collection_id collection;
    ng_connection_id connection;
    ng_cdna cdna;
    ng_txn *txn = NULL;
    write_some(f, 20);
    begin_following(f);
    uint64_t hash = api_hash(f->copy);
    ng_connection_fields link = {.struct_size = sizeof link, .source = 1, .target = 2};
    ASSERT_FAILS(ng_token_create(f->copy, NULL, NULL, &id), NG_E_READ_ONLY, "");
    ASSERT_FAILS(ng_token_delete(f->copy, 1, NULL), NG_E_READ_ONLY, "");
    ASSERT_FAILS(ng_connection_create(f->copy, &link, NULL, &connection), NG_E_READ_ONLY, "");
    ASSERT_FAILS(ng_collection_create(f->copy, "new", NULL, &collection), NG_E_READ_ONLY, "");
    ASSERT_OK(ng_cdna_get(f->copy, &cdna));
    ASSERT_FAILS(ng_cdna_set(f->copy, &cdna, NULL), NG_E_READ_ONLY, "");
    ASSERT_FAILS(ng_txn_begin(f->copy, NULL, &txn), NG_E_READ_ONLY, "");
    assert_true(api_hash(f->copy) == hash);
}

static void test_ops_that_are_there_are_passed_over(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    ng_stream_report report;
    ng_stream_options range = {.struct_size = sizeof range, .incremental = true};
    write_some(f, 30);
    begin_following(f);
    ng_seq before = api_seq(f->copy);
    write_some(f, 30);
    ASSERT_OK(ng_stream_write(f->source, &range, api_blob_sink, &blob, NULL));
    ASSERT_OK(ng_stream_apply(f->copy, api_blob_source, &blob, &report));
    assert_int_equal(report.ops, api_seq(f->source) - before);
    assert_int_equal(report.seq, api_seq(f->source));
    assert_int_equal(report.bytes, blob.bytes);
    blob.at = 0;
    ASSERT_OK(ng_stream_apply(f->copy, api_blob_source, &blob, &report));
    assert_int_equal(report.ops, 0);
    /* A whole state brings nothing to a store that is at it. */
    blob.at = blob.bytes = 0;
    ASSERT_OK(ng_stream_write(f->source, NULL, api_blob_sink, &blob, NULL));
    ASSERT_OK(ng_stream_apply(f->copy, api_blob_source, &blob, &report));
    assert_int_equal(report.ops, 0);
    assert_true(api_hash(f->copy) == api_hash(f->source));
    api_blob_release(&blob);
}

/* The source's files were replaced by an older copy of them, which has gone on by itself. */
static void test_source_that_was_taken_back(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    char older[700], command[1500];
    ng_conflict conflict;
    write_some(f, 10);
    snprintf(command, sizeof command, "cp -r %s %s", f->source_path,
             test_path(older, sizeof older, f->root, "older"));
    assert_int_equal(system(command), 0);
    write_some(f, 5);
    begin_following(f);
    ng_seq at = api_seq(f->copy);
    uint64_t hash = api_hash(f->copy);
    ng_store *other = api_disk_store(older);
    while (api_seq(other) < at + 3)
        api_token(other);
    api_make_durable(other);
    ng_stream_options range = {.struct_size = sizeof range, .incremental = true, .after = at - 1};
    ASSERT_OK(ng_stream_write(other, &range, api_blob_sink, &blob, NULL));
    ASSERT_FAILS(ng_stream_apply(f->copy, api_blob_source, &blob, NULL), NG_E_CONFLICT, "another");
    assert_true(ng_last_conflict(&conflict));
    assert_int_equal(conflict.expected_seq, at);
    assert_int_equal(conflict.seq, at);
    assert_int_equal(api_seq(f->copy), at);
    assert_true(api_hash(f->copy) == hash);
    /* Its own source overlaps in the same way, and is let in. */
    blob.at = blob.bytes = 0;
    write_some(f, 3);
    ASSERT_OK(ng_stream_write(f->source, &range, api_blob_sink, &blob, NULL));
    ASSERT_OK(ng_stream_apply(f->copy, api_blob_source, &blob, NULL));
    assert_true(api_hash(f->copy) == api_hash(f->source));
    ASSERT_OK(ng_close(other));
    api_blob_release(&blob);
}

static void test_gaps_and_strangers(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    ng_conflict conflict;
    char path[700];
    write_some(f, 30);
    begin_following(f);
    ng_seq at = api_seq(f->copy);
    uint64_t hash = api_hash(f->copy);
    while (api_seq(f->source) < at + 5)
        write_some(f, 1);
    ng_stream_options range = {.struct_size = sizeof range, .incremental = true, .after = at + 2};
    ASSERT_OK(ng_stream_write(f->source, &range, api_blob_sink, &blob, NULL));
    char expected[32];
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)at + 2);
    ASSERT_FAILS(ng_stream_apply(f->copy, api_blob_source, &blob, NULL), NG_E_CONFLICT, "gap",
                 expected);
    assert_true(ng_last_conflict(&conflict));
    assert_int_equal(conflict.kind, NG_CONFLICT_SEQ);
    assert_int_equal(conflict.expected_seq, at + 2);
    assert_int_equal(conflict.seq, at);
    /* A whole state from ahead is a gap as well. */
    blob.at = blob.bytes = 0;
    ASSERT_OK(ng_stream_write(f->source, NULL, api_blob_sink, &blob, NULL));
    ASSERT_FAILS(ng_stream_apply(f->copy, api_blob_source, &blob, NULL), NG_E_CONFLICT, "gap");
    /* Of another store. */
    ng_store *other = api_disk_store(test_path(path, sizeof path, f->root, "other"));
    range.after = 0;
    blob.at = blob.bytes = 0;
    ASSERT_OK(ng_stream_write(other, &range, api_blob_sink, &blob, NULL));
    ASSERT_FAILS(ng_stream_apply(f->copy, api_blob_source, &blob, NULL), NG_E_CONFLICT,
                 "another store");
    assert_false(ng_last_conflict(&conflict));
    /* Into a store that follows nobody. */
    blob.at = 0;
    ASSERT_FAILS(ng_stream_apply(other, api_blob_source, &blob, NULL), NG_E_CONFLICT, "follow");
    ASSERT_OK(ng_close(other));
    assert_true(api_hash(f->copy) == hash);
    catch_up(f);
    api_blob_release(&blob);
}

static void test_damaged_feed(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    ng_stream_report report;
    write_some(f, 30);
    begin_following(f);
    ASSERT_OK(ng_close(f->copy));
    ASSERT_OK(ng_open(f->copy_path, NULL, &f->copy)); /* of sync durability */
    write_some(f, 60);
    for (;;) {
        ng_seq at = api_seq(f->copy);
        ng_stream_options range = {.struct_size = sizeof range, .incremental = true, .after = at};
        blob.at = blob.bytes = 0;
        ASSERT_OK(ng_stream_write(f->source, &range, api_blob_sink, &blob, &report));
        if (report.ops == 0)
            break;
        /* Cut anywhere: the ops before the cut are applied, and are durable. */
        blob.bytes = 512 + test_random_below(&f->random, blob.bytes - 512);
        ASSERT_FAILS(ng_stream_apply(f->copy, api_blob_source, &blob, &report), NG_E_CORRUPT,
                     "offset");
        assert_int_equal(api_seq(f->copy), at + report.ops);
        ng_seq durable;
        ng_positions(f->copy, NULL, &durable);
        assert_int_equal(durable, at + report.ops);
        ASSERT_OK(follow_once(f, 1, NULL)); /* so that it ends */
    }
    assert_true(api_hash(f->copy) == api_hash(f->source));
    blob.fail_at = 1;
    blob.at = 0;
    assert_int_equal(ng_stream_apply(f->copy, api_blob_source, &blob, NULL), NG_E_IO);
    api_blob_release(&blob);
}

static void test_source_that_forgot(void **state)
{
    fixture *f = *state;
    ng_info info;
    write_some(f, 20);
    begin_following(f);
    do {
        write_some(f, 1000);
        ASSERT_OK(ng_checkpoint(f->source, NULL, NULL, NULL));
        ASSERT_OK(ng_store_info(f->source, &info));
    } while (info.log_first_seq <= api_seq(f->copy) + 1);
    ASSERT_FAILS(follow_once(f, 0, NULL), NG_E_GONE, "");
}

static void test_wait_change(void **state)
{
    fixture *f = *state;
    write_some(f, 10);
    ng_seq seq = api_seq(f->source);
    assert_int_equal(ng_wait_change(f->source, seq - 1, 60000), seq);
    assert_int_equal(ng_wait_change(f->source, seq, 1), seq);
    assert_int_equal(ng_wait_change(f->source, seq, 0), seq);
    assert_int_equal(ng_wait_change(NULL, 0, 1), 0);
    ASSERT_OK(ng_tick(f->source, 0, NULL));
    ASSERT_FAILS(ng_tick(NULL, 0, NULL), NG_E_INVALID, "store");
}

/* --- directories ----------------------------------------------------------------------------- */

static void restore_path(fixture *f, ng_stream_report *written)
{
    api_blob blob = {0};
    ng_stream_report restored;
    ASSERT_OK(ng_stream_write_path(f->source_path, NULL, api_blob_sink, &blob, written));
    assert_int_equal(written->bytes, blob.bytes);
    ASSERT_OK(ng_stream_restore(api_blob_source, &blob, f->copy_path, NULL, &restored));
    assert_int_equal(restored.seq, written->seq);
    api_blob_release(&blob);
}

static void test_path_of_an_open_store(void **state)
{
    fixture *f = *state;
    ng_stream_report report;
    for (int round = 0; round < 6; round++) {
        write_some(f, 60);
        if (round % 2 == 1)
            ASSERT_OK(ng_checkpoint(f->source, NULL, NULL, NULL));
        restore_path(f, &report);
        assert_int_equal(report.seq, api_seq(f->source));
        api_assert_is(f->copy_path, api_hash(f->source), report.seq);
        remove_copy(f);
    }
    /* Closed, and a store that was itself restored and has no log yet. */
    uint64_t hash = api_hash(f->source);
    ng_seq seq = api_seq(f->source);
    ASSERT_OK(ng_close(f->source));
    restore_path(f, &report);
    api_blob blob = {0};
    ASSERT_OK(ng_stream_write_path(f->copy_path, NULL, api_blob_sink, &blob, &report));
    assert_int_equal(report.seq, seq);
    remove_copy(f);
    ASSERT_OK(ng_stream_restore(api_blob_source, &blob, f->copy_path, NULL, NULL));
    api_assert_is(f->copy_path, hash, seq);
    f->source = api_disk_store(f->source_path);
    api_blob_release(&blob);
}

static void test_path_increments(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    write_some(f, 30);
    begin_following(f);
    for (int round = 0; round < 10; round++) {
        write_some(f, 40);
        if (round % 3 == 2)
            ASSERT_OK(ng_checkpoint(f->source, NULL, NULL, NULL));
        while (api_seq(f->copy) < api_seq(f->source)) {
            ng_stream_options range = {.struct_size = sizeof range,
                                       .incremental = true,
                                       .after = api_seq(f->copy),
                                       .max_bytes = 4000};
            blob.at = blob.bytes = 0;
            ASSERT_OK(ng_stream_write_path(f->source_path, &range, api_blob_sink, &blob, NULL));
            ASSERT_OK(ng_stream_apply(f->copy, api_blob_source, &blob, NULL));
        }
        assert_true(api_hash(f->copy) == api_hash(f->source));
    }
    ng_stream_options range = {.struct_size = sizeof range,
                               .incremental = true,
                               .after = api_seq(f->source)};
    ng_stream_report report;
    ASSERT_OK(ng_stream_write_path(f->source_path, &range, api_blob_sink, &blob, &report));
    assert_int_equal(report.ops, 0);
    range.after++;
    ASSERT_FAILS(ng_stream_write_path(f->source_path, &range, api_blob_sink, &blob, NULL),
                 NG_E_INVALID, "beyond");
    ASSERT_FAILS(ng_stream_write_path(f->root, NULL, api_blob_sink, &blob, NULL), NG_E_NOT_FOUND,
                 "no store");
    ASSERT_FAILS(ng_stream_write_path("/nowhere", NULL, api_blob_sink, &blob, NULL), NG_E_NOT_FOUND,
                 "no store");
    api_blob_release(&blob);
}

/* Ops that are not durable are in no stream, from the store or its files. */
static void test_only_durable_ops(void **state)
{
    fixture *f = *state;
    api_blob blob = {0};
    ng_stream_report report;
    ng_stream_options range = {.struct_size = sizeof range, .incremental = true};
    write_some(f, 20);
    ng_seq durable = api_seq(f->source);
    ng_write_options lazy = {.struct_size = sizeof lazy, .durability = NG_DURABILITY_NONE};
    ng_token_id id;
    for (int i = 0; i < 5; i++)
        ASSERT_OK(ng_token_create(f->source, NULL, &lazy, &id));
    ASSERT_OK(ng_stream_write(f->source, &range, api_blob_sink, &blob, &report));
    assert_int_equal(report.seq, durable);
    ASSERT_OK(ng_stream_write_path(f->source_path, NULL, api_blob_sink, &blob, &report));
    assert_int_equal(report.seq, durable);
    /* Asked for by number, and of the whole state, they are made durable first. */
    range.last = durable + 2;
    ASSERT_OK(ng_stream_write(f->source, &range, api_blob_sink, &blob, &report));
    assert_int_equal(report.seq, durable + 2);
    ASSERT_OK(ng_stream_write(f->source, NULL, api_blob_sink, &blob, &report));
    assert_int_equal(report.seq, durable + 5);
    ng_positions(f->source, NULL, &durable);
    assert_int_equal(durable, report.seq);
    api_blob_release(&blob);
}

typedef struct busy {
    ng_store *store;
    atomic_bool stop;
} busy;

static void *run_writer(void *context)
{
    busy *all = context;
    test_random random = {.state = 7};
    while (!atomic_load(&all->stop))
        api_random_write(all->store, &random);
    return NULL;
}

static void *run_checkpoints(void *context)
{
    busy *all = context;
    while (!atomic_load(&all->stop))
        (void)!ng_checkpoint(all->store, NULL, NULL, NULL);
    return NULL;
}

/* A follower by path beside writers and checkpoints that retire the log: it may be told that ops are
 * gone and begin again, but is never given a state that was not there. */
static void test_path_beside_writers(void **state)
{
    fixture *f = *state;
    busy all = {.store = f->source};
    pthread_t threads[2];
    api_blob blob = {0};
    assert_int_equal(pthread_create(&threads[0], NULL, run_writer, &all), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, run_checkpoints, &all), 0);
    ng_restore_options options = {.struct_size = sizeof options, .follow = true};
    for (int round = 0; round < 30; round++) {
        ng_stream_options range = {.struct_size = sizeof range, .incremental = true};
        blob.at = blob.bytes = 0;
        if (f->copy == NULL) {
            ASSERT_OK(ng_stream_write_path(f->source_path, NULL, api_blob_sink, &blob, NULL));
            ASSERT_OK(ng_stream_restore(api_blob_source, &blob, f->copy_path, &options, NULL));
            f->copy = api_disk_store(f->copy_path);
            continue;
        }
        range.after = api_seq(f->copy);
        ng_status status = ng_stream_write_path(f->source_path, &range, api_blob_sink, &blob, NULL);
        if (status == NG_E_GONE) {
            ASSERT_OK(ng_close(f->copy));
            f->copy = NULL;
            remove_copy(f);
            continue;
        }
        ASSERT_OK(status);
        ASSERT_OK(ng_stream_apply(f->copy, api_blob_source, &blob, NULL));
    }
    atomic_store(&all.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    api_make_durable(f->source);
    if (f->copy == NULL || follow_once(f, 0, NULL) != NG_OK) {
        ASSERT_OK(ng_close(f->copy));
        if (f->copy != NULL)
            remove_copy(f);
        begin_following(f);
    }
    catch_up(f);
    api_assert_clean(f->copy);
    api_blob_release(&blob);
}

/* A damaged newest snapshot: the one before and the log behind it give the same state. */
static void test_path_with_a_damaged_snapshot(void **state)
{
    fixture *f = *state;
    char name[700];
    ng_stream_report report;
    ng_info info;
    write_some(f, 50);
    ASSERT_OK(ng_checkpoint(f->source, NULL, NULL, NULL));
    write_some(f, 50);
    ASSERT_OK(ng_checkpoint(f->source, NULL, NULL, NULL));
    write_some(f, 10);
    ASSERT_OK(ng_store_info(f->source, &info));
    snprintf(name, sizeof name, "%s/%020llu.snap", f->source_path,
             (unsigned long long)info.snapshot_seq);
    FILE *file = fopen(name, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 700, SEEK_SET), 0);
    assert_int_equal(fwrite("damage", 1, 6, file), 6);
    assert_int_equal(fclose(file), 0);
    restore_path(f, &report);
    assert_int_equal(report.seq, api_seq(f->source));
    api_assert_is(f->copy_path, api_hash(f->source), report.seq);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_follow_loop),
        TEST(test_follower_from_the_first_op),
        TEST(test_follower_of_a_follower),
        TEST(test_local_writes_are_refused),
        TEST(test_ops_that_are_there_are_passed_over),
        TEST(test_source_that_was_taken_back),
        TEST(test_gaps_and_strangers),
        TEST(test_damaged_feed),
        TEST(test_source_that_forgot),
        TEST(test_wait_change),
        TEST(test_path_of_an_open_store),
        TEST(test_path_increments),
        TEST(test_only_durable_ops),
        TEST(test_path_beside_writers),
        TEST(test_path_with_a_damaged_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
