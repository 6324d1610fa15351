/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Backup, restore, repair and apply when call N of the system or request N for memory fails, for N = 1,
 * 2, 3 ... until they succeed: nothing is left behind, nothing is half done. */
#include "os/os_testing.h"
#include "store/store_backup.h"
#include "store/store_repair.h"

#include <dirent.h>
#include <unistd.h>

/* A system whose call number `fail_at` fails, but those that tidy up. */
typedef struct failing_os {
    ngi_os os;
    size_t fail_at; /* 0 = never */
    size_t count;
} failing_os;

static bool fails(ngi_os *os)
{
    failing_os *failing = os->context;
    return ++failing->count == failing->fail_at;
}

#define REAL ngi_os_system()
static ng_status refuse(void)
{
    return ngi_fail(NG_E_IO, "refused by the test");
}
#define FAIL_OR(call) (fails(os) ? refuse() : (call))

static ng_status f_open(ngi_os *os, const char *path, unsigned mode, ngi_file *out)
{
    return FAIL_OR(REAL->file_open(REAL, path, mode, out));
}
static ng_status f_read(ngi_os *os, ngi_file file, void *data, size_t bytes, uint64_t offset,
                        size_t *got)
{
    return FAIL_OR(REAL->file_read(REAL, file, data, bytes, offset, got));
}
static ng_status f_write(ngi_os *os, ngi_file file, const void *data, size_t bytes, uint64_t offset)
{
    return FAIL_OR(REAL->file_write(REAL, file, data, bytes, offset));
}
static ng_status f_sync(ngi_os *os, ngi_file file)
{
    return FAIL_OR(REAL->file_sync(REAL, file));
}
static ng_status f_size(ngi_os *os, ngi_file file, uint64_t *out)
{
    return FAIL_OR(REAL->file_size(REAL, file, out));
}
static ng_status f_lock(ngi_os *os, ngi_file file, bool exclusive)
{
    return FAIL_OR(REAL->file_lock(REAL, file, exclusive));
}
static ng_status f_rename(ngi_os *os, const char *from, const char *to)
{
    return FAIL_OR(REAL->rename(REAL, from, to));
}
static ng_status f_make(ngi_os *os, const char *path)
{
    return FAIL_OR(REAL->make_directory(REAL, path));
}
static ng_status f_sync_directory(ngi_os *os, const char *path)
{
    return FAIL_OR(REAL->sync_directory(REAL, path));
}
static ng_status f_commit(ngi_os *os, void *address, size_t bytes)
{
    return FAIL_OR(REAL->memory_commit(REAL, address, bytes));
}
static ng_status f_random(ngi_os *os, void *out, size_t bytes)
{
    return FAIL_OR(REAL->random(REAL, out, bytes));
}

static void failing_os_init(failing_os *failing)
{
    *failing = (failing_os){.os = *REAL};
    failing->os.context = failing;
    failing->os.file_open = f_open;
    failing->os.file_read = f_read;
    failing->os.file_write = f_write;
    failing->os.file_sync = f_sync;
    failing->os.file_size = f_size;
    failing->os.file_lock = f_lock;
    failing->os.rename = f_rename;
    failing->os.make_directory = f_make;
    failing->os.sync_directory = f_sync_directory;
    failing->os.memory_commit = f_commit;
    failing->os.random = f_random;
}

/* --- fixture --------------------------------------------------------------------------------- */

typedef struct fixture {
    char root[64], path[128], backups[128], copy[128];
    ngi_mem mem;
    ng_store *store;
} fixture;

static const ng_open_options usual = {.struct_size = sizeof usual,
                                      .flags = NG_OPEN_MANUAL,
                                      .checkpoint_bytes = NG_NEVER,
                                      .checkpoint_seconds = NG_NEVER};

static void write_tokens(ng_store *store, int count)
{
    for (int i = 0; i < count; i++) {
        char label[32];
        snprintf(label, sizeof label, "%llu", (unsigned long long)store->token_count);
        const float vector[] = {1, 2, (float)i};
        ng_token_fields fields = {.struct_size = sizeof fields,
                                  .set = NG_FIELD_LABEL | NG_FIELD_VECTOR,
                                  .label = label,
                                  .label_bytes = strlen(label),
                                  .vector = vector,
                                  .vector_dimensions = 3};
        ng_token_id id;
        assert_int_equal(ngi_store_token_put(store, NULL, &fields, 1, NULL, &id), NG_OK);
        ng_connection_fields link = {.struct_size = sizeof link, .source = id, .target = 1};
        if (id > 1)
            assert_int_equal(ngi_store_connection_put(store, &link, 1, 0, 0, NULL, NULL, NULL),
                             NG_OK);
    }
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->root, sizeof f->root, "/tmp/neurograph-restore-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    snprintf(f->path, sizeof f->path, "%s/store", f->root);
    snprintf(f->backups, sizeof f->backups, "%s/backups", f->root);
    snprintf(f->copy, sizeof f->copy, "%s/copy", f->root);
    ngi_mem_init(&f->mem, 0);
    assert_int_equal(ngi_store_open(REAL, &f->mem, f->path, &usual, &f->store), NG_OK);
    write_tokens(f->store, 20);
    *state = f;
    return 0;
}

static void remove_tree(const char *path)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static int tear_down(void **state)
{
    fixture *f = *state;
    assert_int_equal(ngi_store_close(f->store), NG_OK);
    assert_int_equal(atomic_load(&f->mem.used_bytes), 0);
    remove_tree(f->root);
    free(f);
    return 0;
}

static size_t entries(const char *path)
{
    DIR *directory = opendir(path);
    size_t count = 0;
    if (directory == NULL)
        return 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 2;
}

static uint64_t hash_of(const fixture *f, const char *path)
{
    ngi_mem mem;
    ng_store *store;
    uint64_t hash = 0;
    ng_check_report report;
    ngi_mem_init(&mem, 0);
    (void)f;
    assert_int_equal(ngi_store_open(REAL, &mem, path, &usual, &store), NG_OK);
    assert_int_equal(ngi_store_check(store, &report), NG_OK);
    assert_string_equal(report.first_problem, "");
    assert_int_equal(ngi_store_hash(store, &hash), NG_OK);
    assert_int_equal(ngi_store_close(store), NG_OK);
    return hash;
}

/* --- the tests ------------------------------------------------------------------------------- */

typedef ng_status (*job_fn)(fixture *f, ngi_os *os, ngi_mem *mem);

/* Runs a job that makes f->copy, failing each system call in turn, then each request for memory. */
static void fail_each(fixture *f, job_fn job, uint64_t hash)
{
    for (int kind = 0; kind < 2; kind++) {
        bool succeeded = false;
        for (size_t n = 1; !succeeded; n++) {
            failing_os failing;
            testing_memory memory;
            size_t before = entries(f->root);
            failing_os_init(&failing);
            testing_memory_init(&memory);
            if (kind == 0)
                failing.fail_at = n;
            else
                memory.fail_at = n;
            ng_status status = job(f, kind == 0 ? &failing.os : &memory.os, &memory.mem);
            testing_memory_check(&memory);
            size_t reached = kind == 0 ? failing.count : memory.request_count;
            succeeded = status == NG_OK && reached < n;
            if (status == NG_OK) { /* also when what failed was not needed */
                assert_true(hash_of(f, f->copy) == hash);
                remove_tree(f->copy);
            } else {
                assert_int_equal(status, kind == 0 ? NG_E_IO : NG_E_NOMEM);
            }
            assert_int_equal(entries(f->root), before);
        }
    }
}

static ng_status do_restore(fixture *f, ngi_os *os, ngi_mem *mem)
{
    return ngi_store_restore(os, mem, f->backups, f->copy, NULL, NULL);
}

static void test_restore(void **state)
{
    fixture *f = *state;
    const ng_backup_options increment = {.struct_size = sizeof increment, .incremental = true};
    assert_int_equal(ngi_store_backup(f->store, f->backups, NULL, NULL), NG_OK);
    write_tokens(f->store, 5);
    assert_int_equal(ngi_store_backup(f->store, f->backups, &increment, NULL), NG_OK);
    uint64_t hash;
    assert_int_equal(ngi_store_hash(f->store, &hash), NG_OK);
    fail_each(f, do_restore, hash);
}

static ng_status do_repair(fixture *f, ngi_os *os, ngi_mem *mem)
{
    return ngi_store_repair(os, mem, f->path, f->copy, NULL, NULL, NULL);
}

/* With the snapshot damaged, so that every way of repair is gone. What cannot be read counts as lost,
 * so only failures of memory and of writing end it: reading is not made to fail here. */
static void test_repair(void **state)
{
    fixture *f = *state;
    assert_int_equal(ngi_store_checkpoint(f->store, NULL, NULL, NULL), NG_OK);
    write_tokens(f->store, 3);
    uint64_t hash;
    assert_int_equal(ngi_store_hash(f->store, &hash), NG_OK);
    assert_int_equal(ngi_store_close(f->store), NG_OK);
    bool succeeded = false;
    for (size_t n = 1; !succeeded; n++) {
        testing_memory memory;
        testing_memory_init(&memory);
        memory.fail_at = n;
        ng_status status = do_repair(f, &memory.os, &memory.mem);
        testing_memory_check(&memory);
        succeeded = status == NG_OK && memory.request_count < n;
        if (status == NG_OK) {
            assert_true(hash_of(f, f->copy) == hash);
            remove_tree(f->copy);
        } else {
            assert_int_equal(status, NG_E_NOMEM);
        }
        assert_int_equal(entries(f->root), 1);
    }
    succeeded = false;
    for (size_t n = 1; !succeeded; n++) {
        failing_os failing;
        failing_os_init(&failing);
        failing.os.file_read = REAL->file_read;
        failing.fail_at = n;
        ng_status status = do_repair(f, &failing.os, &f->mem);
        succeeded = status == NG_OK && failing.count < n;
        if (status == NG_OK) {
            assert_true(hash_of(f, f->copy) == hash);
            remove_tree(f->copy);
        } else {
            assert_int_equal(status, NG_E_IO);
        }
        assert_int_equal(entries(f->root), 1);
    }
    assert_int_equal(ngi_store_open(REAL, &f->mem, f->path, &usual, &f->store), NG_OK);
}

/* Sectors that cannot be read are lost, not the end of everything. */
static void test_repair_beside_unreadable_sectors(void **state)
{
    fixture *f = *state;
    assert_int_equal(ngi_store_close(f->store), NG_OK);
    for (size_t n = 1; n < 200; n++) {
        failing_os failing;
        failing_os_init(&failing);
        failing_os reading = failing;
        reading.os = *REAL;
        reading.os.context = &reading;
        reading.os.file_read = f_read;
        reading.fail_at = n;
        ng_repair_report report;
        ng_status status =
            ngi_store_repair(&reading.os, &f->mem, f->path, f->copy, NULL, NULL, &report);
        bool reached = reading.count >= n;
        if (status == NG_OK) {
            (void)hash_of(f, f->copy);
            remove_tree(f->copy);
        }
        assert_int_equal(entries(f->root), 1);
        if (!reached)
            break;
    }
    assert_int_equal(ngi_store_open(REAL, &f->mem, f->path, &usual, &f->store), NG_OK);
}

/* A backup that fails leaves the directory as it was, and the store works on. */
static void test_backup(void **state)
{
    fixture *f = *state;
    assert_int_equal(ngi_store_close(f->store), NG_OK);
    failing_os failing;
    testing_memory memory;
    failing_os_init(&failing);
    testing_memory_init(&memory);
    for (int kind = 0; kind < 2; kind++) {
        assert_int_equal(ngi_store_open(kind == 0 ? &failing.os : &memory.os,
                                        kind == 0 ? &f->mem : &memory.mem, f->path, &usual,
                                        &f->store),
                         NG_OK);
        bool succeeded = false;
        for (size_t n = 1; !succeeded; n++) {
            const ng_backup_options options = {.struct_size = sizeof options,
                                               .incremental = kind == 0};
            failing.fail_at = memory.fail_at = 0;
            remove_tree(f->backups);
            assert_int_equal(ngi_store_backup(f->store, f->backups, NULL, NULL), NG_OK);
            write_tokens(f->store, 1);
            size_t before = entries(f->backups);
            failing.count = memory.request_count = 0;
            failing.fail_at = memory.fail_at = n;
            ng_stream_report report;
            ng_status status = ngi_store_backup(f->store, f->backups, &options, &report);
            size_t reached = kind == 0 ? failing.count : memory.request_count;
            succeeded = status == NG_OK && reached < n;
            failing.fail_at = memory.fail_at = 0;
            if (status == NG_OK) {
                assert_int_equal(entries(f->backups), before + 1);
            } else {
                assert_true(status == NG_E_IO || status == NG_E_NOMEM);
                assert_int_equal(entries(f->backups), before);
            }
            assert_false(ngi_wal_is_latched(f->store->wal));
        }
        uint64_t hash;
        assert_int_equal(ngi_store_hash(f->store, &hash), NG_OK);
        const ng_backup_options increment = {.struct_size = sizeof increment, .incremental = true};
        assert_int_equal(ngi_store_backup(f->store, f->backups, &increment, NULL), NG_OK);
        assert_int_equal(ngi_store_close(f->store), NG_OK);
        assert_int_equal(ngi_store_restore(REAL, &f->mem, f->backups, f->copy, NULL, NULL), NG_OK);
        assert_true(hash_of(f, f->copy) == hash);
        remove_tree(f->copy);
    }
    testing_memory_check(&memory);
    assert_int_equal(ngi_store_open(REAL, &f->mem, f->path, &usual, &f->store), NG_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_restore),
        TEST(test_repair),
        TEST(test_repair_beside_unreadable_sectors),
        TEST(test_backup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
