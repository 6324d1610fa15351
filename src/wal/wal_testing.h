/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For the tests of the log only: a directory of its own, a system whose calls can fail, be forbidden
 * or be held, and ops that say what they are. */
#ifndef NGI_WAL_TESTING_H
#define NGI_WAL_TESTING_H

#include "base/base_bytes.h"
#include "os/os_testing.h"
#include "wal/wal_private.h"

#include <unistd.h>

#define LOG_KIND 7
#define LOG_SEGMENT 65536u

/** The real system with a plan. Syncs are counted and can fail, but do not wait for the disk. */
typedef struct log_disk {
    ngi_os os;
    atomic_uint call_count;
    unsigned fail_at; /* 0 = never; else that call fails */
    bool from_then_on;
    ng_status status;   /* what a failing call gives */
    bool is_full;       /* file_allocate fails */
    bool is_stuffed;    /* file_write fails where the file has no space yet */
    uint64_t has_bytes; /* not 0: file_allocate beyond takes them and fails, as ext4 does */
    bool is_read_only;  /* a call that changes anything fails the test */
    uint64_t clock_us;  /* 0 = the real one */
    uint64_t sync_ns;   /* how long a sync seems to take */
    atomic_uint_fast64_t now_ns;
    ngi_mutex held; /* a sync passes through it */
    atomic_uint sync_count;
    atomic_uint directory_sync_count;
} log_disk;

static inline ng_status disk_call(ngi_os *os, bool changes)
{
    log_disk *disk = os->context;
    unsigned call = atomic_fetch_add(&disk->call_count, 1) + 1;
    assert_false(changes && disk->is_read_only);
    if (disk->fail_at != 0 &&
        (call == disk->fail_at || (disk->from_then_on && call > disk->fail_at)))
        return ngi_fail(disk->status, "refused by the test");
    return NG_OK;
}

static inline ng_status disk_open(ngi_os *os, const char *path, unsigned mode, ngi_file *out)
{
    ng_status status = disk_call(os, mode != NGI_OPEN_READ);
    return status != NG_OK ? status : ngi_os_system()->file_open(ngi_os_system(), path, mode, out);
}

static inline ng_status disk_read(ngi_os *os, ngi_file file, void *data, size_t bytes,
                                  uint64_t offset, size_t *got)
{
    ng_status status = disk_call(os, false);
    return status != NG_OK
               ? status
               : ngi_os_system()->file_read(ngi_os_system(), file, data, bytes, offset, got);
}

static inline ng_status disk_write(ngi_os *os, ngi_file file, const void *data, size_t bytes,
                                   uint64_t offset)
{
    log_disk *disk = os->context;
    ng_status status = disk_call(os, true);
    uint64_t size = 0;
    if (status == NG_OK && disk->is_stuffed)
        status = ngi_os_system()->file_size(ngi_os_system(), file, &size);
    if (status == NG_OK && disk->is_stuffed && offset + bytes > size)
        status = ngi_fail(NG_E_DISK_FULL, "no space left (test)");
    return status != NG_OK
               ? status
               : ngi_os_system()->file_write(ngi_os_system(), file, data, bytes, offset);
}

static inline ng_status disk_sync(ngi_os *os, ngi_file file)
{
    log_disk *disk = os->context;
    ng_status status = disk_call(os, false);
    ngi_mutex_lock(&disk->held);
    ngi_mutex_unlock(&disk->held);
    atomic_fetch_add(&disk->now_ns, disk->sync_ns);
    if (status != NG_OK)
        return status;
    atomic_fetch_add(&disk->sync_count, 1);
    return testing_sync(os, file);
}

static inline ng_status disk_allocate(ngi_os *os, ngi_file file, uint64_t bytes)
{
    log_disk *disk = os->context;
    ng_status status = disk_call(os, true);
    if (status == NG_OK && disk->is_full)
        status = ngi_fail(NG_E_DISK_FULL, "no space left (test)");
    if (status == NG_OK && disk->has_bytes != 0 && bytes > disk->has_bytes) {
        assert_int_equal(ngi_os_system()->file_allocate(ngi_os_system(), file, disk->has_bytes),
                         NG_OK);
        status = ngi_fail(NG_E_DISK_FULL, "no space left (test)");
    }
    return status != NG_OK ? status : ngi_os_system()->file_allocate(ngi_os_system(), file, bytes);
}

static inline ng_status disk_truncate(ngi_os *os, ngi_file file, uint64_t bytes)
{
    ng_status status = disk_call(os, true);
    return status != NG_OK ? status : ngi_os_system()->file_truncate(ngi_os_system(), file, bytes);
}

static inline ng_status disk_size(ngi_os *os, ngi_file file, uint64_t *out)
{
    ng_status status = disk_call(os, false);
    return status != NG_OK ? status : ngi_os_system()->file_size(ngi_os_system(), file, out);
}

static inline ng_status disk_lock(ngi_os *os, ngi_file file, bool exclusive)
{
    ng_status status = disk_call(os, exclusive);
    return status != NG_OK ? status : ngi_os_system()->file_lock(ngi_os_system(), file, exclusive);
}

static inline ng_status disk_rename(ngi_os *os, const char *from, const char *to)
{
    ng_status status = disk_call(os, true);
    return status != NG_OK ? status : ngi_os_system()->rename(ngi_os_system(), from, to);
}

static inline ng_status disk_remove(ngi_os *os, const char *path)
{
    ng_status status = disk_call(os, true);
    return status != NG_OK ? status : ngi_os_system()->remove(ngi_os_system(), path);
}

static inline ng_status disk_make_directory(ngi_os *os, const char *path)
{
    ng_status status = disk_call(os, true);
    return status != NG_OK ? status : ngi_os_system()->make_directory(ngi_os_system(), path);
}

static inline ng_status disk_sync_directory(ngi_os *os, const char *path)
{
    log_disk *disk = os->context;
    ng_status status = disk_call(os, true);
    if (status != NG_OK)
        return status;
    atomic_fetch_add(&disk->directory_sync_count, 1);
    return testing_sync_directory(os, path);
}

static inline ng_status disk_list(ngi_os *os, const char *path,
                                  ng_status (*each)(void *context, const char *name), void *context)
{
    ng_status status = disk_call(os, false);
    return status != NG_OK ? status
                           : ngi_os_system()->list_directory(ngi_os_system(), path, each, context);
}

static inline uint64_t disk_clock_us(ngi_os *os)
{
    log_disk *disk = os->context;
    return disk->clock_us != 0 ? disk->clock_us : ngi_os_system()->clock_us(ngi_os_system());
}

static inline uint64_t disk_monotonic_ns(ngi_os *os)
{
    log_disk *disk = os->context;
    return ngi_os_system()->monotonic_ns(ngi_os_system()) + atomic_load(&disk->now_ns);
}

static inline void log_disk_init(log_disk *disk)
{
    memset(disk, 0, sizeof *disk);
    disk->os = *ngi_os_system();
    disk->os.context = disk;
    disk->os.file_open = disk_open;
    disk->os.file_read = disk_read;
    disk->os.file_write = disk_write;
    disk->os.file_sync = disk_sync;
    disk->os.file_allocate = disk_allocate;
    disk->os.file_truncate = disk_truncate;
    disk->os.file_size = disk_size;
    disk->os.file_lock = disk_lock;
    disk->os.rename = disk_rename;
    disk->os.remove = disk_remove;
    disk->os.make_directory = disk_make_directory;
    disk->os.sync_directory = disk_sync_directory;
    disk->os.list_directory = disk_list;
    disk->os.clock_us = disk_clock_us;
    disk->os.monotonic_ns = disk_monotonic_ns;
    assert_int_equal(ngi_mutex_init(&disk->held), NG_OK);
}

static inline void log_disk_plan(log_disk *disk, unsigned fail_at, bool from_then_on,
                                 ng_status status)
{
    atomic_store(&disk->call_count, 0);
    disk->fail_at = fail_at;
    disk->from_then_on = from_then_on;
    disk->status = status;
}

static inline bool log_disk_has_failed(const log_disk *disk)
{
    return disk->fail_at != 0 && atomic_load(&disk->call_count) >= disk->fail_at;
}

/** Memory whose request number `fail_at` fails; asked for by several threads, unlike that of
 *  os_testing.h. */
typedef struct log_memory {
    ngi_mem mem;
    unsigned fail_at; /* 0 = never */
    atomic_uint request_count;
} log_memory;

static inline void *log_resize(ngi_mem *mem, void *block, size_t old_bytes, size_t new_bytes)
{
    log_memory *memory = mem->context;
    (void)old_bytes;
    if (new_bytes == 0) {
        free(block);
        return NULL;
    }
    bool fails = atomic_fetch_add(&memory->request_count, 1) + 1 == memory->fail_at;
    return fails ? NULL : realloc(block, new_bytes);
}

static inline void log_memory_plan(log_memory *memory, unsigned fail_at)
{
    atomic_store(&memory->request_count, 0);
    memory->fail_at = fail_at;
}

static inline bool log_memory_has_failed(const log_memory *memory)
{
    return memory->fail_at != 0 && atomic_load(&memory->request_count) >= memory->fail_at;
}

typedef struct log_fixture {
    log_memory memory;
    log_disk disk;
    char path[64];
    ngi_manifest manifest;    /* as the last opening gave it */
    ng_durability durability; /* of the next opening, as all below; 0 = sync */
    bool read_only;
    bool must_exist;
    ng_seq snapshot_seq;
    uint64_t snapshot_time_us;
    ngi_blackbox *box;
    ng_seq replayed_first, replayed_last; /* 0 = none */
    uint64_t replayed_count;
} log_fixture;

static inline int log_set_up(void **state)
{
    log_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    ngi_mem_init(&f->memory.mem, 0);
    f->memory.mem.resize = log_resize;
    f->memory.mem.context = &f->memory;
    log_disk_init(&f->disk);
    snprintf(f->path, sizeof f->path, "wal_test_XXXXXX");
    assert_non_null(mkdtemp(f->path));
    *state = f;
    return 0;
}

static inline ng_status log_remove_name(void *context, const char *name)
{
    const log_fixture *f = context;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    return ngi_os_system()->remove(ngi_os_system(), path);
}

/** Removes everything in the directory. */
static inline void log_wipe(log_fixture *f)
{
    ngi_os *os = ngi_os_system();
    assert_int_equal(os->list_directory(os, f->path, log_remove_name, f), NG_OK);
}

static inline int log_tear_down(void **state)
{
    log_fixture *f = *state;
    ngi_blackbox_close(f->box);
    assert_int_equal(atomic_load(&f->memory.mem.used_bytes), 0);
    ngi_mutex_destroy(&f->disk.held);
    log_wipe(f);
    assert_int_equal(rmdir(f->path), 0);
    free(f);
    return 0;
}

/** What the body of op `seq` begins with. */
static inline uint64_t log_value(ng_seq seq)
{
    uint64_t state = seq;
    return testing_random(&state);
}

static inline ng_status log_replay(void *context, const ngi_op *op)
{
    log_fixture *f = context;
    assert_int_equal(op->kind, LOG_KIND);
    assert_true(op->body_bytes >= 8);
    assert_int_equal((uintptr_t)op->body % 8, 0);
    assert_int_equal(ngi_get_u64(op->body), log_value(op->seq));
    if (f->replayed_count++ == 0)
        f->replayed_first = op->seq;
    else
        assert_int_equal(op->seq, f->replayed_last + 1);
    f->replayed_last = op->seq;
    return NG_OK;
}

static inline ng_status log_open(log_fixture *f, ngi_wal **out)
{
    f->replayed_first = f->replayed_last = f->replayed_count = 0;
    f->manifest = (ngi_manifest){.format_version = NGI_FORMAT_VERSION, .uuid = "0123456789abcde"};
    ngi_encoding_default(&f->manifest.encoding);
    const ngi_wal_options options = {.path = f->path,
                                     .segment_bytes = LOG_SEGMENT,
                                     .must_exist = f->must_exist,
                                     .read_only = f->read_only,
                                     .durability =
                                         f->durability != 0 ? f->durability : NG_DURABILITY_SYNC};
    ng_status status = ngi_wal_open(&f->disk.os, &f->memory.mem, &options, &f->manifest, out);
    if (status != NG_OK)
        return status;
    ngi_wal_set_blackbox(*out, f->box);
    status = ngi_wal_recover(*out, f->snapshot_seq, f->snapshot_time_us, log_replay, f);
    if (status != NG_OK) {
        char message[512];
        snprintf(message, sizeof message, "%s", ng_last_error());
        (void)ngi_wal_close(*out);
        ngi_error_set(message);
    }
    return status;
}

static inline ngi_wal *log_must_open(log_fixture *f)
{
    ngi_wal *wal = NULL;
    if (log_open(f, &wal) != NG_OK)
        fail_msg("the log does not open: %s", ng_last_error());
    return wal;
}

/** Opens it with nothing special, expecting ops up to `last`, and closes it. */
static inline void log_expect(log_fixture *f, ng_seq last)
{
    ngi_wal *wal = log_must_open(f);
    assert_int_equal(ngi_wal_applied(wal), last);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
}

/** With the lock held: makes room for an op and appends it. */
static inline ng_status log_append_locked(ngi_wal *wal, size_t bytes, ng_seq *seq)
{
    ngi_op op;
    ng_status status = ngi_wal_make_room(wal, bytes);
    if (status != NG_OK)
        return status;
    uint8_t *body = ngi_wal_body(wal);
    assert_int_equal((uintptr_t)body % 8, 0);
    memset(body, 0xAB, bytes);
    ngi_put_u64(body, log_value(ngi_wal_applied(wal) + 1));
    ngi_wal_commit(wal, LOG_KIND, 3, bytes, &op);
    assert_ptr_equal(op.body, body);
    *seq = op.seq;
    return NG_OK;
}

static inline ng_seq log_append(ngi_wal *wal, size_t bytes)
{
    ng_seq seq = 0;
    ngi_wal_lock(wal);
    ng_status status = log_append_locked(wal, bytes, &seq);
    if (status != NG_OK)
        fail_msg("no room: %s", ng_last_error());
    ngi_wal_unlock(wal);
    return seq;
}

/** One op, acknowledged as `durability` says. */
static inline ng_status log_write(ngi_wal *wal, size_t bytes, ng_durability durability, ng_seq *seq)
{
    ngi_wal_lock(wal);
    ng_status status = log_append_locked(wal, bytes, seq);
    if (status == NG_OK)
        return ngi_wal_unlock_and_acknowledge(wal, *seq, durability);
    ngi_wal_unlock(wal);
    return status;
}

/** Appends and syncs ops of 1000 bytes until op `last`. */
static inline void log_fill(ngi_wal *wal, ng_seq last)
{
    while (ngi_wal_applied(wal) < last)
        log_append(wal, 1000);
    assert_int_equal(ngi_wal_wait(wal, last), NG_OK);
}

/** Drops the log as a crash of the process would: nothing is flushed, no clean end is noted. */
static inline void log_abandon(ngi_wal *wal)
{
    if (!ngi_wal_is_latched(wal))
        ngi_wal_latch(wal, NG_E_IO, "abandoned by the test");
    assert_int_equal(ngi_wal_close(wal), NG_E_LATCHED);
}

static inline void log_path(const log_fixture *f, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", f->path, name);
}

static inline bool log_has_file(const log_fixture *f, const char *name)
{
    char path[128];
    log_path(f, name, path);
    return access(path, F_OK) == 0;
}

static inline void log_remove_file(const log_fixture *f, const char *name)
{
    char path[128];
    log_path(f, name, path);
    assert_int_equal(unlink(path), 0);
}

/** Changes bytes of a file, or makes it. */
static inline void log_poke(const log_fixture *f, const char *name, long offset, const void *data,
                            size_t bytes)
{
    char path[128];
    log_path(f, name, path);
    FILE *file = fopen(path, access(path, F_OK) == 0 ? "r+b" : "w+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static inline void log_flip(const log_fixture *f, const char *name, long offset)
{
    char path[128];
    log_path(f, name, path);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    uint8_t byte = (uint8_t)(fgetc(file) ^ 0x10);
    assert_int_equal(fclose(file), 0);
    log_poke(f, name, offset, &byte, 1);
}

static inline long log_file_bytes(const log_fixture *f, const char *name)
{
    char path[128];
    log_path(f, name, path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long bytes = ftell(file);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

/** Writes a segment header that this log takes for its own. */
static inline void log_poke_header(const log_fixture *f, const char *name, uint64_t number,
                                   ng_seq first_seq)
{
    wal_home home = {0};
    uint8_t header[WAL_SEGMENT_HEADER];
    ngi_wal_home_init(&home, NULL, NULL, f->manifest.uuid);
    wal_segment segment = {.number = number, .first_seq = first_seq};
    ngi_wal_segment_header_encode(&home, &segment, header);
    log_poke(f, name, 0, header, sizeof header);
}

static inline uint64_t log_stat_segments(ngi_wal *wal)
{
    ngi_wal_stats stats;
    ngi_wal_stats_get(wal, &stats);
    return stats.segment_count;
}

static inline void log_open_box(log_fixture *f)
{
    assert_int_equal(ngi_blackbox_open(ngi_os_system(), f->path, &f->box), NG_OK);
}

typedef struct log_event_search {
    const char *kind;
    unsigned count;
} log_event_search;

static inline void log_see_event(void *context, const ng_event *event)
{
    log_event_search *search = context;
    search->count += strcmp(event->kind, search->kind) == 0;
}

static inline unsigned log_event_count(const log_fixture *f, const char *kind)
{
    log_event_search search = {.kind = kind};
    assert_int_equal(ngi_blackbox_read(ngi_os_system(), f->path, log_see_event, &search), NG_OK);
    return search.count;
}

#endif
