/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the unit tests of this folder share: a directory of their own, files in it, seeded random
 * numbers, memory and reads that fail, a clock that runs fast. */
#ifndef NGI_MIND_TESTING_H
#define NGI_MIND_TESTING_H

#include "base/base_mem.h"
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define assert_ok(call) assert_string_equal(testing_result(call), "")

/** "" for NG_OK, otherwise the message, so that a failing test says why. */
static inline const char *testing_result(ng_status status)
{
    return status == NG_OK ? "" : ngi_last_error();
}

#define assert_message(text) testing_assert_message(text, __FILE__, __LINE__)

/** The last error contains `text`. */
static inline void testing_assert_message(const char *text, const char *file, int line)
{
    if (strstr(ngi_last_error(), text) != NULL)
        return;
    print_error("expected \"%s\" in \"%s\"\n", text, ngi_last_error());
    _fail(file, line);
}

/** splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t testing_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/** -1 <= result < 1. */
static inline float testing_float(uint64_t *state)
{
    return (float)((double)(testing_random(state) >> 11) * 0x1p-52 - 1);
}

/** The seed of a run: NG_TEST_SEED, or always the same one. Printed, to repeat a run. */
static inline uint64_t testing_seed(void)
{
    const char *text = getenv("NG_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20260101;
    printf("NG_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

typedef struct testing {
    ngi_mem mem;
    ngi_os os;           /* the system's, with what follows */
    size_t fail_memory;  /* request of this number fails; 0 = never */
    size_t memory_count; /* requests so far */
    size_t fail_read;    /* the same for reads of files */
    size_t read_count;
    size_t fail_sync; /* from this sync on, all fail */
    size_t sync_count;
    bool fast_clock; /* every look at the clock lets a second pass */
    uint64_t clock_ns;
    char directory[64];
    char path[160]; /* of testing_path */
} testing;

static inline void *testing_resize(ngi_mem *mem, void *block, size_t old_bytes, size_t new_bytes)
{
    testing *t = mem->context;
    (void)old_bytes;
    if (new_bytes == 0) {
        free(block);
        return NULL;
    }
    return ++t->memory_count == t->fail_memory ? NULL : realloc(block, new_bytes);
}

static inline ng_status testing_file_read(ngi_os *os, ngi_file file, void *data, size_t bytes,
                                          uint64_t offset, size_t *got)
{
    testing *t = os->context;
    if (++t->read_count == t->fail_read)
        return ngi_fail(NG_E_IO, "read number %zu fails", t->read_count);
    return ngi_os_system()->file_read(ngi_os_system(), file, data, bytes, offset, got);
}

static inline ng_status testing_file_sync(ngi_os *os, ngi_file file)
{
    testing *t = os->context;
    if (++t->sync_count >= t->fail_sync && t->fail_sync != 0)
        return ngi_fail(NG_E_IO, "sync number %zu fails", t->sync_count);
    return ngi_os_system()->file_sync(ngi_os_system(), file);
}

static inline uint64_t testing_monotonic_ns(ngi_os *os)
{
    testing *t = os->context;
    if (!t->fast_clock)
        return ngi_os_system()->monotonic_ns(ngi_os_system());
    return t->clock_ns += UINT64_C(1000000000);
}

static inline int testing_set_up(void **state)
{
    testing *t = calloc(1, sizeof *t);
    assert_non_null(t);
    ngi_mem_init(&t->mem, 0);
    t->mem.resize = testing_resize;
    t->mem.context = t;
    t->os = *ngi_os_system();
    t->os.context = t;
    t->os.file_read = testing_file_read;
    t->os.file_sync = testing_file_sync;
    t->os.monotonic_ns = testing_monotonic_ns;
    snprintf(t->directory, sizeof t->directory, "mind_test_XXXXXX");
    assert_non_null(mkdtemp(t->directory));
    *state = t;
    return 0;
}

static inline ng_status testing_remove_one(void *context, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)context, name);
    return remove(path) == 0 ? NG_OK : NG_E_IO;
}

/** Removes a directory that holds only files. */
static inline void testing_remove_directory(const char *path)
{
    ngi_os *os = ngi_os_system();
    assert_ok(os->list_directory(os, path, testing_remove_one, (void *)(uintptr_t)path));
    assert_int_equal(rmdir(path), 0);
}

static inline int testing_tear_down(void **state)
{
    testing *t = *state;
    testing_remove_directory(t->directory);
    assert_int_equal(atomic_load(&t->mem.used_bytes), 0);
    free(t);
    return 0;
}

/** Appends to a string in an array of `capacity` bytes, which must be large enough. */
static inline void testing_append(char *text, size_t capacity, const char *more)
{
    size_t used = strlen(text);
    assert_true(used + strlen(more) < capacity);
    memcpy(text + used, more, strlen(more) + 1);
}

/** A path in the test's directory; valid until the next call. */
static inline const char *testing_path(testing *t, const char *name)
{
    snprintf(t->path, sizeof t->path, "%s/%s", t->directory, name);
    return t->path;
}

static inline const char *testing_write(testing *t, const char *name, const void *data,
                                        size_t bytes)
{
    FILE *file = fopen(testing_path(t, name), "wb");
    assert_non_null(file);
    if (bytes > 0)
        assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
    return t->path;
}

static inline const char *testing_write_text(testing *t, const char *name, const char *text)
{
    return testing_write(t, name, text, strlen(text));
}

#endif
