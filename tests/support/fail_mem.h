/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A memory hook (src/base/base_mem.h) that counts, fails the Nth request, and finds leaks.
 *
 * Each block stands behind a header with its size, so that a caller that passes a wrong size back,
 * or a block twice, ends the program at once. */
#ifndef FAIL_MEM_H
#define FAIL_MEM_H

#include "base/base_mem.h"

#include <stdatomic.h>
#include <stdint.h>

typedef struct fail_mem {
    ngi_mem mem;                   /* give &fail->mem to the store */
    atomic_uint_fast64_t requests; /* allocations and resizes since the plan was set */
    atomic_uint_fast64_t fail_at;  /* 0 = never */
    atomic_uint_fast64_t failed;   /* requests that were failed, ever */
    atomic_uint_fast64_t live_bytes, live_blocks;
    _Bool from_then_on;
} fail_mem;

/** `max_bytes` as in ngi_mem_init. The object must not move afterwards. */
void fail_mem_init(fail_mem *fail, size_t max_bytes);
/** The `at`-th request from now fails (0 = none), and all later ones if asked. */
void fail_mem_plan(fail_mem *fail, uint64_t at, _Bool from_then_on);
uint64_t fail_mem_failed(const fail_mem *fail);
/** NULL if everything was released, else a description of the leak. */
const char *fail_mem_leak(const fail_mem *fail, char *out, size_t capacity);

#endif
