/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For unit tests only: seeded random numbers, and a system and a memory hook that run out. */
#ifndef NGI_OS_TESTING_H
#define NGI_OS_TESTING_H

#include "os/os_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/** The seed of a run: NG_TEST_SEED, or always the same one. Printed, to repeat a run. */
static inline uint64_t testing_seed(const char *test)
{
    const char *text = getenv("NG_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20260101;
    printf("%s: NG_TEST_SEED=%llu\n", test, (unsigned long long)seed);
    return seed;
}

/** splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t testing_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/** 0 <= result < limit. */
static inline uint32_t testing_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(testing_random(state) % limit);
}

static inline ng_status testing_sync(ngi_os *os, ngi_file file)
{
    (void)os;
    (void)file;
    return NG_OK;
}

static inline ng_status testing_sync_directory(ngi_os *os, const char *path)
{
    (void)os;
    (void)path;
    return NG_OK;
}

/** The real system, but a sync does not wait for the disk. No unit test loses power; what is not
 *  synced when it should be is found on the simulated disk, in tests/fault. */
static inline ngi_os testing_os(void)
{
    ngi_os os = *ngi_os_system();
    os.file_sync = testing_sync;
    os.sync_directory = testing_sync_directory;
    return os;
}

/** Memory whose request number `fail_at` (1, 2, 3, ...) fails, of blocks and of tables alike. */
typedef struct testing_memory {
    ngi_mem mem;
    ngi_os os;
    size_t fail_at; /* 0 = never */
    size_t request_count;
} testing_memory;

static inline bool testing_memory_fails(testing_memory *memory)
{
    return ++memory->request_count == memory->fail_at;
}

static inline void *testing_resize(ngi_mem *mem, void *block, size_t old_bytes, size_t new_bytes)
{
    (void)old_bytes;
    if (new_bytes == 0) {
        free(block);
        return NULL;
    }
    return testing_memory_fails(mem->context) ? NULL : realloc(block, new_bytes);
}

static inline ng_status testing_commit(ngi_os *os, void *address, size_t bytes)
{
    if (testing_memory_fails(os->context))
        return ngi_fail(NG_E_NOMEM, "commit refused by the test");
    return ngi_os_system()->memory_commit(ngi_os_system(), address, bytes);
}

static inline void testing_memory_init(testing_memory *memory)
{
    memset(memory, 0, sizeof *memory);
    ngi_mem_init(&memory->mem, 0);
    memory->mem.resize = testing_resize;
    memory->mem.context = memory;
    memory->os = testing_os();
    memory->os.context = memory;
    memory->os.memory_commit = testing_commit;
}

/** Everything was given back. */
static inline void testing_memory_check(testing_memory *memory)
{
    assert_int_equal(atomic_load(&memory->mem.used_bytes), 0);
}

#endif
