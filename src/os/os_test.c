/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The real system: locks between handles, mapped files, sparse memory, waiting with a limit, threads
 * that leave signals alone. */
#include "os/os_testing.h"
#include "os/os_thread.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct fixture {
    char directory[64];
    char path[96];
    ngi_os *os;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->os = ngi_os_system();
    snprintf(f->directory, sizeof f->directory, "/tmp/neurograph-os-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->path, sizeof f->path, "%s/file", f->directory);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    unlink(f->path);
    assert_int_equal(rmdir(f->directory), 0);
    free(f);
    return 0;
}

static ngi_file open_file(const fixture *f, unsigned mode)
{
    ngi_file file;
    assert_int_equal(f->os->file_open(f->os, f->path, mode, &file), NG_OK);
    return file;
}

static void test_locks(void **state)
{
    fixture *f = *state;
    ngi_os *os = f->os;
    ngi_file a = open_file(f, NGI_OPEN_WRITE | NGI_OPEN_CREATE);
    ngi_file b = open_file(f, NGI_OPEN_WRITE);
    ngi_file c = open_file(f, NGI_OPEN_READ);
    assert_int_equal(os->file_lock(os, a, false), NG_OK);
    assert_int_equal(os->file_lock(os, b, false), NG_OK);
    assert_int_equal(os->file_lock(os, c, false), NG_OK);
    assert_int_equal(os->file_lock(os, a, true), NG_E_BUSY);
    os->file_close(os, c);
    assert_int_equal(os->file_lock(os, a, true), NG_E_BUSY);
    os->file_close(os, b);
    assert_int_equal(os->file_lock(os, a, true), NG_OK);
    b = open_file(f, NGI_OPEN_WRITE);
    assert_int_equal(os->file_lock(os, b, false), NG_E_BUSY);
    assert_int_equal(os->file_lock(os, b, true), NG_E_BUSY);
    os->file_close(os, a);
    assert_int_equal(os->file_lock(os, b, true), NG_OK);
    os->file_close(os, b);
    /* An exclusive lock wants a handle that may write; the failure is not mistaken for a lock. */
    c = open_file(f, NGI_OPEN_READ);
    assert_int_equal(os->file_lock(os, c, true), NG_E_IO);
    os->file_close(os, c);
}

static void test_a_map_is_the_file(void **state)
{
    fixture *f = *state;
    ngi_os *os = f->os;
    ngi_file file = open_file(f, NGI_OPEN_WRITE | NGI_OPEN_CREATE);
    assert_int_equal(os->file_write(os, file, "begin", 5, 0), NG_OK);
    void *memory = NULL;
    assert_int_equal(os->file_map(os, file, 10000, &memory), NG_OK);
    uint64_t size = 0;
    assert_int_equal(os->file_size(os, file, &size), NG_OK);
    assert_int_equal(size, 10000);
    assert_memory_equal(memory, "begin", 6);
    memcpy((char *)memory + 9990, "the end", 8);
    char back[8] = "";
    size_t got = 0;
    assert_int_equal(os->file_read(os, file, back, sizeof back, 9990, &got), NG_OK);
    assert_int_equal(got, 8);
    assert_string_equal(back, "the end");
    os->file_unmap(os, memory, 10000);

    /* A second, shorter one of a longer file leaves the length alone. */
    assert_int_equal(os->file_map(os, file, 100, &memory), NG_OK);
    assert_int_equal(os->file_size(os, file, &size), NG_OK);
    assert_int_equal(size, 10000);
    os->file_unmap(os, memory, 100);
    os->file_close(os, file);

    file = open_file(f, NGI_OPEN_READ);
    assert_int_not_equal(os->file_map(os, file, 100, &memory), NG_OK);
    assert_non_null(strstr(ngi_last_error(), f->path));
    os->file_close(os, file);
}

static void test_a_map_beyond_the_limit_of_files_is_an_error(void **state)
{
    fixture *f = *state;
    ngi_os *os = f->os;
    ngi_file file = open_file(f, NGI_OPEN_WRITE | NGI_OPEN_CREATE);
    void *memory = NULL;
    /* More than any disk has: an error, not a signal at the first touch. */
    ng_status status = os->file_map(os, file, (size_t)1 << 60, &memory);
    assert_true(status == NG_E_DISK_FULL || status == NG_E_IO);
    assert_non_null(strstr(ngi_last_error(), f->path));
    os->file_close(os, file);
}

static void test_sync(void **state)
{
    fixture *f = *state;
    ngi_os *os = f->os;
    ngi_file file = open_file(f, NGI_OPEN_WRITE | NGI_OPEN_CREATE);
    assert_int_equal(os->file_write(os, file, "kept", 4, 0), NG_OK);
    assert_int_equal(os->file_sync(os, file), NG_OK);
    assert_int_equal(os->sync_directory(os, f->directory), NG_OK);
    os->file_close(os, file);
    assert_int_equal(os->file_sync(os, file), NG_E_IO); /* of a file that is closed */
    assert_int_equal(os->sync_directory(os, f->path), NG_E_IO);
    assert_non_null(strstr(ngi_last_error(), f->path)); /* it is no directory */
    assert_int_equal(os->sync_directory(os, "/nowhere/at/all"), NG_E_NOT_FOUND);
}

/* Tables that huge pages fit into begin where one may begin; small ones need not. */
static void test_reserved_memory(void **state)
{
    fixture *f = *state;
    ngi_os *os = f->os;
    static const size_t sizes[] = {65536, (2u << 20) - 65536, 2u << 20, (6u << 20) + 65536};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *memory = NULL;
        assert_int_equal(os->memory_reserve(os, sizes[i], &memory), NG_OK);
        assert_int_equal((uintptr_t)memory % (sizes[i] < 2u << 20 ? 4096 : 2u << 20), 0);
        uint8_t *last = (uint8_t *)memory + sizes[i] - 65536;
        assert_int_equal(os->memory_commit(os, last, 65536), NG_OK);
        assert_int_equal(last[0], 0);
        assert_int_equal(last[65535], 0);
        last[65535] = 1;
        os->memory_release(os, memory, sizes[i]);
    }
    void *memory = NULL;
    assert_int_equal(os->memory_reserve(os, (size_t)1 << 62, &memory), NG_E_NOMEM);
    assert_null(memory);
}

static void test_directories(void **state)
{
    fixture *f = *state;
    ngi_os *os = f->os;
    assert_int_equal(os->make_directory(os, f->path), NG_OK);
    char inner[128];
    snprintf(inner, sizeof inner, "%s/inner", f->path);
    assert_int_equal(os->make_directory(os, inner), NG_OK);
    assert_int_equal(os->remove_directory(os, f->path), NG_E_IO);
    assert_int_equal(os->remove_directory(os, inner), NG_OK);
    assert_int_equal(os->remove_directory(os, inner), NG_E_NOT_FOUND);
    assert_non_null(strstr(ngi_last_error(), inner));
    assert_int_equal(os->remove_directory(os, f->path), NG_OK);
}

static void test_sparse_memory(void **state)
{
    fixture *f = *state;
    ngi_os *os = f->os;
    const size_t bytes = (size_t)1 << 36;
    void *memory = NULL;
    assert_int_equal(os->memory_map_sparse(os, bytes, &memory), NG_OK);
    uint8_t *at = memory;
    for (size_t offset = 12345; offset < bytes; offset += (size_t)1 << 30) {
        assert_int_equal(at[offset], 0);
        at[offset] = 7;
        assert_int_equal(at[offset], 7);
    }
    assert_int_equal(at[bytes - 1], 0);
    os->memory_release(os, memory, bytes);
    assert_int_equal(os->memory_map_sparse(os, SIZE_MAX / 2, &memory), NG_E_NOMEM);
}

static void test_processor_time_of_a_thread(void **state)
{
    fixture *f = *state;
    ngi_os *os = f->os;
    uint64_t before = os->thread_ns(os);
    volatile uint32_t work = 0;
    while (os->thread_ns(os) == before)
        work = work + 1;
    assert_true(os->thread_ns(os) > before);
}

typedef struct meeting {
    ngi_mutex lock;
    ngi_cond changed;
    int stage;
    uint32_t thread;
    bool signals_masked;
} meeting;

static void *meet(void *context)
{
    meeting *m = context;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ngi_mutex_lock(&m->lock);
    m->thread = ngi_os_thread_id();
    m->signals_masked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1 &&
                        sigismember(&mask, SIGUSR1) == 1;
    m->stage = 1;
    ngi_cond_signal(&m->changed);
    while (m->stage != 2)
        ngi_cond_wait(&m->changed, &m->lock);
    m->stage = 3;
    ngi_mutex_unlock(&m->lock);
    return NULL;
}

static void test_threads_meet(void **state)
{
    (void)state;
    meeting m = {0};
    ngi_thread thread;
    assert_int_equal(ngi_mutex_init(&m.lock), NG_OK);
    assert_int_equal(ngi_cond_init(&m.changed), NG_OK);
    assert_int_equal(ngi_thread_start(&thread, meet, &m), NG_OK);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0);
    ngi_mutex_lock(&m.lock);
    while (m.stage != 1)
        assert_true(ngi_cond_wait_ms(&m.changed, &m.lock, UINT64_MAX));
    /* Nobody changes anything now: the time is over, and the lock is held again. */
    while (ngi_cond_wait_ms(&m.changed, &m.lock, 3))
        continue;
    assert_false(ngi_cond_wait_ms(&m.changed, &m.lock, 0));
    assert_int_equal(m.stage, 1);
    m.stage = 2;
    ngi_cond_broadcast(&m.changed);
    ngi_mutex_unlock(&m.lock);
    ngi_thread_join(&thread);
    assert_int_equal(m.stage, 3);
    assert_true(m.signals_masked);
    assert_int_not_equal(m.thread, 0);
    assert_int_not_equal(m.thread, ngi_os_thread_id());
    ngi_cond_destroy(&m.changed);
    ngi_mutex_destroy(&m.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_locks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_map_is_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_map_beyond_the_limit_of_files_is_an_error, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_sync, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reserved_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_directories, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sparse_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_processor_time_of_a_thread, set_up, tear_down),
        cmocka_unit_test(test_threads_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
