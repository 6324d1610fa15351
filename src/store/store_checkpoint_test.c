/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Snapshot files, checkpoints and recovery from them, with writers beside and with failures. */
#include "store/store_snapshot_sink.h"
#include "store/store_snapshot_testing.h"

/* --- files ----------------------------------------------------------------------------------- */

static void flip_bit(const char *path, uint64_t offset)
{
    ngi_os *os = ngi_os_system();
    ngi_file file;
    uint8_t byte;
    size_t got;
    assert_int_equal(os->file_open(os, path, NGI_OPEN_WRITE, &file), NG_OK);
    assert_int_equal(os->file_read(os, file, &byte, 1, offset, &got), NG_OK);
    byte ^= 0x10;
    assert_int_equal(os->file_write(os, file, &byte, 1, offset), NG_OK);
    os->file_close(os, file);
}

static size_t list_snapshots(fixture *f, ng_seq seqs[8])
{
    size_t count;
    assert_int_equal(ngi_snapshot_list(ngi_os_system(), f->directory, seqs, 8, &count), NG_OK);
    return count;
}

/* A file of many blocks, read by several threads, gives what one thread gives. */
static void test_threads(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    use_threads(f);
    ng_store *store = open_store(f, 0);
    fill(store, &seed, 120000);
    ng_checkpoint_report report;
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &report), NG_OK);
    assert_true(report.bytes > 12u << 20);
    char path[4352];
    ngi_snapshot_path(f->directory, report.seq, path, sizeof path);
    for (unsigned threads = 1; threads <= 8; threads *= 2) {
        ngi_stream_head head;
        uint64_t bytes_read;
        ng_store *twin = empty_twin(f, store);
        assert_int_equal(ngi_snapshot_read(&f->memory.os, &f->memory.mem, path, NULL, twin, threads,
                                           NULL, &head, &bytes_read),
                         NG_OK);
        assert_int_equal(bytes_read, report.bytes);
        assert_int_equal(ngi_wal_begin_after(twin->wal, head.state_seq, head.state_time_us), NG_OK);
        assert_int_equal(hash_of(twin), hash_of(store));
        check_clean(twin);
        assert_int_equal(ngi_store_close(twin), NG_OK);
    }
    /* Damage in any block is found by any number of threads. */
    for (int i = 0; i < 20; i++) {
        uint64_t offset = testing_random(&seed) % report.bytes;
        ngi_stream_head head;
        uint64_t bytes_read;
        flip_bit(path, offset);
        ng_store *twin = empty_twin(f, store);
        ng_status status = ngi_snapshot_read(&f->memory.os, &f->memory.mem, path, NULL, twin,
                                             1 + testing_below(&seed, 4), NULL, &head, &bytes_read);
        assert_int_equal(status, NG_E_CORRUPT);
        assert_non_null(strstr(ng_last_error(), path));
        assert_non_null(strstr(ng_last_error(), "offset"));
        assert_int_equal(ngi_store_close(twin), NG_OK);
        assert_int_equal(ngi_snapshot_verify(&f->memory.os, &f->memory.mem, path, NULL,
                                             &bytes_read),
                         NG_E_CORRUPT);
        flip_bit(path, offset);
    }
    uint64_t hash = hash_of(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    store = open_store(f, 0);
    assert_int_equal(store->recovered_snapshot_seq, report.seq);
    assert_int_equal(hash_of(store), hash);
    check_clean(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* Any byte of a snapshot file: the store still opens with the right state, from the log. */
static void test_every_byte_of_a_file(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    fill(store, &seed, 4);
    ng_checkpoint_report report;
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &report), NG_OK);
    put_tokens(store, &seed, 2);
    uint64_t hash = hash_of(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    char path[4352];
    ngi_snapshot_path(f->directory, report.seq, path, sizeof path);
    for (uint64_t at = 0; at < report.bytes; at += 1 + testing_below(&seed, 5)) {
        flip_bit(path, at);
        store = open_store(f, NG_OPEN_MANUAL | NG_OPEN_READ_ONLY);
        assert_int_equal(store->recovered_snapshot_seq, 0);
        assert_int_equal(hash_of(store), hash);
        assert_int_equal(ngi_store_close(store), NG_OK);
        flip_bit(path, at);
    }
    store = open_store(f, NG_OPEN_MANUAL);
    assert_int_equal(store->recovered_snapshot_seq, report.seq);
    assert_int_equal(hash_of(store), hash);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

static void test_names(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {
        "00000000000000000007.snap",     "00000000000000000100.snap", "18446744073709551615.snap",
        "18446744073709551616.snap", /* beyond 64 bits */
        "00000000000000000000.snap",     "0000000000000000007.snap",  "00000000000000000008.snapX",
        "00000000000000000009.snap.new", "0000000000000000000a.snap", "snap",
    };
    ngi_os *os = ngi_os_system();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        ngi_file file;
        snprintf(path, sizeof path, "%s/%s", f->directory, names[i]);
        assert_int_equal(os->file_open(os, path, NGI_OPEN_WRITE | NGI_OPEN_CREATE, &file), NG_OK);
        os->file_close(os, file);
    }
    ng_seq seqs[8];
    assert_int_equal(list_snapshots(f, seqs), 3);
    assert_true(seqs[0] == UINT64_MAX && seqs[1] == 100 && seqs[2] == 7);
    size_t count;
    assert_int_equal(ngi_snapshot_list(os, f->directory, seqs, 2, &count), NG_OK);
    assert_int_equal(count, 2);
    assert_true(seqs[0] == UINT64_MAX && seqs[1] == 100);
    assert_int_equal(ngi_snapshot_list(os, f->directory, seqs, 0, &count), NG_OK);
    assert_int_equal(count, 0);
    assert_int_equal(ngi_snapshot_list(os, "/nowhere/at/all", seqs, 8, &count), NG_E_NOT_FOUND);
}

/* --- recovery -------------------------------------------------------------------------------- */

static void test_damaged_snapshots(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    ng_checkpoint_report first, second;
    char path[4352], older[4352];
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    fill(store, &seed, 300);
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &first), NG_OK);
    fill(store, &seed, 3000); /* several segments */
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &second), NG_OK);
    fill(store, &seed, 100);
    uint64_t hash = hash_of(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    ngi_snapshot_path(f->directory, first.seq, older, sizeof older);
    ngi_snapshot_path(f->directory, second.seq, path, sizeof path);
    /* The newest is damaged: the one before and more of the log. */
    flip_bit(path, second.bytes / 2);
    store = open_store(f, NG_OPEN_MANUAL);
    assert_int_equal(store->recovered_snapshot_seq, first.seq);
    assert_int_equal(hash_of(store), hash);
    /* The next checkpoint leaves the sound ones. */
    ng_checkpoint_report third;
    put_tokens(store, &seed, 1);
    hash = hash_of(store);
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &third), NG_OK);
    ng_seq seqs[8];
    assert_int_equal(list_snapshots(f, seqs), 2);
    assert_true(seqs[0] == third.seq && seqs[1] == first.seq);
    check_clean(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    /* Now nothing but the old one is there; then it is damaged too. */
    ngi_snapshot_path(f->directory, third.seq, path, sizeof path);
    assert_int_equal(ngi_os_system()->remove(ngi_os_system(), path), NG_OK);
    store = open_store(f, NG_OPEN_MANUAL);
    assert_int_equal(store->recovered_snapshot_seq, first.seq);
    assert_int_equal(hash_of(store), hash);
    assert_int_equal(ngi_store_close(store), NG_OK);
    /* Another checkpoint, after which the log does not reach back to op 1; then none is sound. */
    store = open_store(f, NG_OPEN_MANUAL);
    put_tokens(store, &seed, 1);
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &second), NG_OK);
    fill(store, &seed, 3000);
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &third), NG_OK);
    assert_true(third.segments_removed > 0);
    assert_true(ngi_wal_first_seq(store->wal) > 1);
    hash = hash_of(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    ngi_snapshot_path(f->directory, second.seq, older, sizeof older);
    ngi_snapshot_path(f->directory, third.seq, path, sizeof path);
    flip_bit(path, third.bytes - 20);
    flip_bit(older, second.bytes - 20);
    assert_int_equal(ngi_store_open(&f->memory.os, &f->memory.mem, f->directory, NULL, &store),
                     NG_E_CORRUPT);
    assert_non_null(strstr(ng_last_error(), path));
    flip_bit(older, second.bytes - 20);
    store = open_store(f, NG_OPEN_MANUAL);
    assert_int_equal(store->recovered_snapshot_seq, second.seq);
    assert_int_equal(hash_of(store), hash);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

static void test_leftovers(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    ngi_os *os = ngi_os_system();
    char path[512];
    ngi_file file;
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    fill(store, &seed, 10);
    uint64_t hash = hash_of(store);
    ng_seq seq = ngi_wal_applied(store->wal);
    assert_int_equal(ngi_store_close(store), NG_OK);
    snprintf(path, sizeof path, "%s/%020llu.snap.new", f->directory, (unsigned long long)seq);
    assert_int_equal(os->file_open(os, path, NGI_OPEN_WRITE | NGI_OPEN_CREATE, &file), NG_OK);
    os->file_close(os, file);
    store = open_store(f, NG_OPEN_MANUAL | NG_OPEN_READ_ONLY);
    assert_int_equal(os->file_open(os, path, NGI_OPEN_READ, &file), NG_OK);
    os->file_close(os, file);
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, NULL), NG_E_READ_ONLY);
    assert_int_equal(ngi_store_close(store), NG_OK);
    store = open_store(f, NG_OPEN_MANUAL);
    assert_int_equal(os->file_open(os, path, NGI_OPEN_READ, &file), NG_E_NOT_FOUND);
    assert_int_equal(hash_of(store), hash);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* --- checkpoints ----------------------------------------------------------------------------- */

typedef struct watcher {
    ng_store *store;
    char phases[64];
    int stop_after; /* calls; 0 = never */
    int calls;
    bool is_sane;
} watcher;

static bool watch(void *context, const ng_progress *progress)
{
    watcher *w = context;
    size_t bytes_used = strlen(w->phases);
    if (strstr(w->phases, progress->phase) == NULL)
        snprintf(w->phases + bytes_used, sizeof w->phases - bytes_used, "%s ", progress->phase);
    w->is_sane &= progress->total > 0 && progress->done <= progress->total;
    /* One at a time. */
    w->is_sane &= ngi_store_checkpoint(w->store, NULL, NULL, NULL) == NG_E_BUSY;
    return ++w->calls != w->stop_after;
}

static void test_checkpoint(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    ng_seq seqs[8];
    ng_checkpoint_report report = {0};
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &report), NG_OK);
    assert_int_equal(report.seq, 0); /* nothing to write */
    assert_int_equal(list_snapshots(f, seqs), 0);
    fill(store, &seed, 500);
    for (int stop = 1; stop <= 2; stop++) {
        watcher stopping = {.store = store, .stop_after = stop, .is_sane = true};
        assert_int_equal(ngi_store_checkpoint(store, watch, &stopping, &report), NG_E_CANCELLED);
        assert_int_equal(list_snapshots(f, seqs), 0);
    }
    watcher w = {.store = store, .is_sane = true};
    assert_int_equal(ngi_store_checkpoint(store, watch, &w, &report), NG_OK);
    assert_string_equal(w.phases, "snapshot verify ");
    assert_true(w.is_sane);
    assert_int_equal(report.seq, ngi_wal_applied(store->wal));
    assert_int_equal(report.segments_removed, 0); /* there is no snapshot before */
    assert_int_equal(ngi_wal_durable(store->wal), report.seq);
    ng_seq seq = report.seq;
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &report), NG_OK);
    assert_int_equal(report.seq, seq); /* nothing new */
    for (int i = 0; i < 4; i++) {
        fill(store, &seed, 2000);
        ng_seq before = report.seq;
        assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &report), NG_OK);
        assert_int_equal(list_snapshots(f, seqs), 2);
        assert_true(seqs[0] == report.seq && seqs[1] == before);
        assert_true(ngi_wal_first_seq(store->wal) <= before + 1);
        assert_true(i == 0 || report.segments_removed > 0);
        assert_true(i == 0 || report.bytes_freed > 0);
    }
    assert_int_equal(store->upkeep.checkpoint_count, 5);
    assert_int_equal(store->upkeep.checkpoint_failures, 0);
    assert_int_equal(store->upkeep.snapshot_seq, report.seq);
    uint64_t hash = hash_of(store);
    check_clean(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    store = open_store(f, NG_OPEN_MANUAL);
    assert_int_equal(store->recovered_snapshot_seq, report.seq);
    assert_int_equal(store->upkeep.snapshot_seq, report.seq);
    assert_int_equal(store->upkeep.snapshot_bytes, report.bytes);
    assert_int_equal(hash_of(store), hash);
    assert_int_equal(ngi_store_close(store), NG_OK);
    assert_int_equal(ngi_store_open(&f->memory.os, &f->memory.mem, NULL, NULL, &store), NG_OK);
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, NULL), NG_E_INVALID);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

typedef struct busy_writer {
    ng_store *store;
    uint64_t seed;
    atomic_bool *stop;
    ngi_thread thread;
} busy_writer;

static void *run_writer(void *context)
{
    busy_writer *writer = context;
    while (!atomic_load(writer->stop)) {
        put_tokens(writer->store, &writer->seed, 5);
        put_connections(writer->store, &writer->seed, 3);
        delete_some(writer->store, &writer->seed, 2);
    }
    return NULL;
}

/* Checkpoints beside two writers: each snapshot is one moment, and recovery goes on from it. */
static void test_beside_writers(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    use_threads(f);
    ng_store *store = open_store(f, 0);
    atomic_bool stop = false;
    busy_writer writers[2];
    fill(store, &seed, 2000);
    for (int i = 0; i < 2; i++) {
        writers[i] = (busy_writer){.store = store, .seed = seed + (uint64_t)i, .stop = &stop};
        assert_int_equal(ngi_thread_start(&writers[i].thread, run_writer, &writers[i]), NG_OK);
    }
    ng_seq last = 0;
    ng_checkpoint_report report;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &report), NG_OK);
        assert_true(report.seq >= last);
        last = report.seq;
        uint64_t bytes_read;
        char path[4352];
        ngi_snapshot_path(f->directory, report.seq, path, sizeof path);
        assert_int_equal(ngi_snapshot_verify(&f->memory.os, &f->memory.mem, path, NULL,
                                             &bytes_read),
                         NG_OK);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        ngi_thread_join(&writers[i].thread);
    uint64_t hash = hash_of(store);
    check_clean(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    store = open_store(f, 0);
    assert_int_equal(store->recovered_snapshot_seq, last);
    assert_int_equal(hash_of(store), hash);
    check_clean(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* --- failures -------------------------------------------------------------------------------- */

/* The memory hook refuses request N during a checkpoint, then during opening from it. */
static void test_memory_fails(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    fill(store, &seed, 600);
    uint64_t hash = hash_of(store);
    ng_status status = NG_E_NOMEM;
    size_t n;
    for (n = 1; status != NG_OK; n++) {
        f->memory.request_count = 0;
        f->memory.fail_at = n;
        status = ngi_store_checkpoint(store, NULL, NULL, NULL);
        f->memory.fail_at = 0;
        assert_true(status == NG_OK || status == NG_E_NOMEM || status == NG_E_EXPIRED);
        assert_int_equal(hash_of(store), hash);
    }
    assert_true(n > 4);
    assert_int_equal(ngi_store_close(store), NG_OK);
    status = NG_E_NOMEM;
    for (n = 1; status != NG_OK; n++) {
        const ng_open_options options = {.struct_size = sizeof options, .flags = NG_OPEN_MANUAL};
        f->memory.request_count = 0;
        f->memory.fail_at = n;
        status = ngi_store_open(&f->memory.os, &f->memory.mem, f->directory, &options, &store);
        f->memory.fail_at = 0;
        assert_true(status == NG_OK || status == NG_E_NOMEM);
        if (status != NG_OK)
            testing_memory_check(&f->memory);
    }
    assert_true(n > 10);
    assert_int_equal(hash_of(store), hash);
    check_clean(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* A system whose call N fails, of those that a checkpoint makes. */
typedef struct failing_os {
    ngi_os os;
    atomic_size_t calls; /* also by threads of the library */
    size_t fail_at;
} failing_os;

static ng_status os_refuses(ngi_os *os, ng_status with)
{
    failing_os *failing = os->context;
    if (atomic_fetch_add(&failing->calls, 1) + 1 != failing->fail_at)
        return NG_OK;
    return ngi_fail(with, "refused by the test");
}

static ng_status failing_open(ngi_os *os, const char *path, unsigned mode, ngi_file *out)
{
    ng_status status = os_refuses(os, NG_E_IO);
    return status != NG_OK ? status : ngi_os_system()->file_open(os, path, mode, out);
}

static ng_status failing_read(ngi_os *os, ngi_file file, void *data, size_t count, uint64_t offset,
                              size_t *got)
{
    ng_status status = os_refuses(os, NG_E_IO);
    return status != NG_OK ? status
                           : ngi_os_system()->file_read(os, file, data, count, offset, got);
}

static ng_status failing_write(ngi_os *os, ngi_file file, const void *data, size_t count,
                               uint64_t offset)
{
    ng_status status = os_refuses(os, NG_E_DISK_FULL);
    return status != NG_OK ? status : ngi_os_system()->file_write(os, file, data, count, offset);
}

static ng_status failing_sync(ngi_os *os, ngi_file file)
{
    ng_status status = os_refuses(os, NG_E_IO);
    return status != NG_OK ? status : testing_sync(os, file);
}

static ng_status failing_rename(ngi_os *os, const char *from, const char *to)
{
    ng_status status = os_refuses(os, NG_E_IO);
    return status != NG_OK ? status : ngi_os_system()->rename(os, from, to);
}

static ng_status failing_remove(ngi_os *os, const char *path)
{
    ng_status status = os_refuses(os, NG_E_IO);
    return status != NG_OK ? status : ngi_os_system()->remove(os, path);
}

static ng_status failing_directory(ngi_os *os, const char *path)
{
    ng_status status = os_refuses(os, NG_E_IO);
    return status != NG_OK ? status : testing_sync_directory(os, path);
}

static ng_status failing_list(ngi_os *os, const char *path,
                              ng_status (*each)(void *context, const char *name), void *context)
{
    ng_status status = os_refuses(os, NG_E_IO);
    return status != NG_OK ? status : ngi_os_system()->list_directory(os, path, each, context);
}

static void failing_init(failing_os *failing)
{
    *failing = (failing_os){.os = *ngi_os_system()};
    failing->os.context = failing;
    failing->os.file_open = failing_open;
    failing->os.file_read = failing_read;
    failing->os.file_write = failing_write;
    failing->os.file_sync = failing_sync;
    failing->os.rename = failing_rename;
    failing->os.remove = failing_remove;
    failing->os.sync_directory = failing_directory;
    failing->os.list_directory = failing_list;
}

/* A file as large as wanted, while write number N fails, with a thread and without one. */
static void test_sink_fails(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    use_threads(f);
    enum { BYTES = 9 << 20 };
    uint8_t *data = malloc(BYTES), *back = malloc(BYTES);
    char path[512];
    failing_os failing;
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (uint8_t)testing_random(&seed);
    snprintf(path, sizeof path, "%s/sink", f->directory);
    for (int threaded = 0; threaded < 2; threaded++) {
        ng_status status = NG_E_IO;
        for (size_t n = 1; status != NG_OK; n++) {
            store_snapshot_sink *sink = NULL;
            failing_init(&failing);
            failing.fail_at = n;
            status = ngi_snapshot_sink_open(&failing.os, &f->memory.mem, path, threaded, &sink);
            for (size_t at = 0; status == NG_OK && at < BYTES;) {
                size_t piece = 1 + testing_below(&seed, 1200000);
                piece = piece < BYTES - at ? piece : BYTES - at;
                status = ngi_snapshot_sink_take(sink, data + at, piece);
                at += piece;
            }
            if (status == NG_OK)
                status = ngi_snapshot_sink_sync(sink);
            ngi_snapshot_sink_close(sink);
            assert_true(status == NG_OK || strstr(ng_last_error(), "refused by the test") != NULL);
            assert_true(n > 2 || status != NG_OK);
            assert_true(n < 20);
        }
        ngi_file file;
        size_t got;
        assert_int_equal(ngi_os_system()->file_open(ngi_os_system(), path, NGI_OPEN_READ, &file),
                         NG_OK);
        assert_int_equal(ngi_os_system()->file_read(ngi_os_system(), file, back, BYTES, 0, &got),
                         NG_OK);
        ngi_os_system()->file_close(ngi_os_system(), file);
        assert_int_equal(got, BYTES);
        assert_memory_equal(data, back, BYTES);
    }
    free(data);
    free(back);
}

static ng_status see_new(void *context, const char *name)
{
    *(bool *)context |= strstr(name, ".snap.new") != NULL;
    return NG_OK;
}

/* Whatever call of a checkpoint fails: the store goes on, nothing half done is left, and it opens
 * again with the same state. */
static void test_system_fails(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    failing_os failing;
    ng_open_options options = {.struct_size = sizeof options,
                               .flags = NG_OPEN_MANUAL,
                               .segment_bytes = NGI_SEGMENT_BYTES_MIN};
    ng_status status = NG_E_IO;
    size_t failures = 0;
    for (size_t n = 1; status != NG_OK || failures == 0; n++) {
        ng_store *store;
        failing_init(&failing);
        assert_int_equal(ngi_store_open(&failing.os, &f->memory.mem, f->directory, &options,
                                        &store),
                         NG_OK);
        fill(store, &seed, 40);
        uint64_t hash = hash_of(store);
        failing.calls = 0;
        failing.fail_at = n;
        status = ngi_store_checkpoint(store, NULL, NULL, NULL);
        bool was_reached = failing.calls >= n;
        failing.fail_at = 0;
        assert_true(status == NG_OK || status == NG_E_IO || status == NG_E_DISK_FULL ||
                    status == NG_E_LATCHED);
        failures += status != NG_OK;
        bool left = false;
        assert_int_equal(ngi_os_system()->list_directory(ngi_os_system(), f->directory, see_new,
                                                         &left),
                         NG_OK);
        if (status != NG_OK && !ngi_wal_is_latched(store->wal)) {
            assert_int_equal(store->upkeep.checkpoint_failures, 1);
            assert_int_equal(hash_of(store), hash);
            assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, NULL), NG_OK);
        }
        assert_false(left);
        if (!ngi_wal_is_latched(store->wal))
            check_clean(store);
        assert_int_equal(ngi_store_close(store), NG_OK);
        store = open_store(f, NG_OPEN_MANUAL);
        assert_int_equal(hash_of(store), hash);
        check_clean(store);
        assert_int_equal(ngi_store_close(store), NG_OK);
        if (was_reached)
            status = NG_E_IO; /* failures that a checkpoint passes over: go on */
    }
    assert_true(failures > 10);
}

/* A system that cannot read one file, as when a sector has gone bad. */
typedef struct bad_disk {
    ngi_os os;
    const char *path;
    ngi_file file;
} bad_disk;

static ng_status bad_open(ngi_os *os, const char *path, unsigned mode, ngi_file *out)
{
    bad_disk *bad = os->context;
    ng_status status = ngi_os_system()->file_open(os, path, mode, out);
    if (status == NG_OK && strcmp(path, bad->path) == 0)
        bad->file = *out;
    return status;
}

static void bad_close(ngi_os *os, ngi_file file)
{
    bad_disk *bad = os->context;
    if (file == bad->file)
        bad->file = -1;
    ngi_os_system()->file_close(os, file);
}

static ng_status bad_read(ngi_os *os, ngi_file file, void *data, size_t count, uint64_t offset,
                          size_t *got)
{
    const bad_disk *bad = os->context;
    if (file == bad->file && offset + count > 4096)
        return ngi_fail(NG_E_IO, "%s: cannot read: Input/output error", bad->path);
    return ngi_os_system()->file_read(os, file, data, count, offset, got);
}

/* A snapshot that cannot be read is damaged like one with wrong bytes. */
static void test_unreadable_snapshot(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    char path[4352];
    bad_disk bad = {.os = *ngi_os_system(), .path = path, .file = -1};
    bad.os.context = &bad;
    bad.os.file_open = bad_open;
    bad.os.file_close = bad_close;
    bad.os.file_read = bad_read;
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    ng_checkpoint_report report;
    ng_seq usable = 0; /* of the snapshot before; 0 = the log has everything */
    for (int i = 0; i < 3; i++) {
        fill(store, &seed, 1500);
        assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &report), NG_OK);
        uint64_t hash = hash_of(store);
        assert_int_equal(ngi_store_close(store), NG_OK);
        ngi_snapshot_path(f->directory, report.seq, path, sizeof path);
        const ng_open_options options = {.struct_size = sizeof options, .flags = NG_OPEN_MANUAL};
        if (ngi_store_open(&bad.os, &f->memory.mem, f->directory, &options, &store) != NG_OK)
            fail_msg("%s", ng_last_error());
        assert_int_equal(store->recovered_snapshot_seq, usable);
        assert_int_equal(hash_of(store), hash);
        assert_int_equal(ngi_store_close(store), NG_OK);
        store = open_store(f, NG_OPEN_MANUAL);
        assert_int_equal(store->recovered_snapshot_seq, report.seq);
        assert_int_equal(hash_of(store), hash);
        usable = report.seq;
    }
    /* Without anything else the reason is told. */
    ng_seq seqs[8];
    char older[4352];
    assert_int_equal(list_snapshots(f, seqs), 2);
    assert_true(ngi_wal_first_seq(store->wal) > 1);
    assert_int_equal(ngi_store_close(store), NG_OK);
    ngi_snapshot_path(f->directory, seqs[1], older, sizeof older);
    assert_int_equal(ngi_os_system()->remove(ngi_os_system(), older), NG_OK);
    assert_int_equal(ngi_store_open(&bad.os, &f->memory.mem, f->directory, NULL, &store), NG_E_IO);
    assert_non_null(strstr(ng_last_error(), path));
}

/* Two checkpoints, of the same moment when the first one failed, each with one call that fails: the
 * snapshot that MANIFEST names is always there and sound. */
static void test_named_snapshot_is_there(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    failing_os failing;
    ng_open_options options = {.struct_size = sizeof options,
                               .flags = NG_OPEN_MANUAL,
                               .max_tokens = 4096, /* small tables: it is opened 784 times */
                               .max_connections = 4096,
                               .segment_bytes = NGI_SEGMENT_BYTES_MIN};
    size_t failures = 0;
    for (size_t n = 0; n < 28 * 28; n++) {
        ng_store *store;
        failing_init(&failing);
        assert_int_equal(ngi_store_open(&failing.os, &f->memory.mem, f->directory, &options,
                                        &store),
                         NG_OK);
        put_tokens(store, &seed, 3);
        for (int i = 0; i < 2; i++) {
            failing.calls = 0;
            failing.fail_at = 1 + (i == 0 ? n / 28 : n % 28);
            failures += ngi_store_checkpoint(store, NULL, NULL, NULL) != NG_OK;
            failing.fail_at = 0;
            ngi_manifest manifest;
            char path[4352];
            uint64_t bytes;
            assert_int_equal(ngi_manifest_read(ngi_os_system(), f->directory, &manifest), NG_OK);
            ngi_snapshot_path(f->directory, manifest.snapshot_seq, path, sizeof path);
            if (manifest.snapshot_seq != 0 && ngi_snapshot_verify(ngi_os_system(), &f->memory.mem,
                                                                  path, &manifest, &bytes) != NG_OK)
                fail_msg("calls %zu and %zu failed: %s", 1 + n / 28, 1 + n % 28, ng_last_error());
        }
        (void)ngi_store_close(store);
    }
    assert_true(failures > 200);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_threads),
        TEST(test_every_byte_of_a_file),
        TEST(test_names),
        TEST(test_damaged_snapshots),
        TEST(test_leftovers),
        TEST(test_checkpoint),
        TEST(test_beside_writers),
        TEST(test_memory_fails),
        TEST(test_sink_fails),
        TEST(test_system_fails),
        TEST(test_named_snapshot_is_there),
        TEST(test_unreadable_snapshot),
    };
    return cmocka_run_group_tests_name("store_checkpoint", tests, NULL, NULL);
}
