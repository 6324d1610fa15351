/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What each fuzz target provides, and what it may use.
 *
 * A target is linked twice: with libFuzzer, and with fuzz_replay.c, which runs it over its seeds and
 * over many mutations of them as an ordinary test, the same ones every time. */
#ifndef FUZZ_H
#define FUZZ_H

#include "fail_mem.h"
#include "sim_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** One input; returns 0. Ends the program if a promise is broken. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

typedef void (*fuzz_seed_fn)(void *context, const char *name, const void *data, size_t bytes);
/** Calls `each` with every seed of the target. */
void fuzz_seeds(fuzz_seed_fn each, void *context);

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, #condition,        \
                    ng_last_error());                                                              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/** Takes an input apart; past its end everything is 0. */
typedef struct fuzz_input {
    const uint8_t *at;
    size_t left;
} fuzz_input;

static inline uint8_t fuzz_u8(fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

static inline uint32_t fuzz_u16(fuzz_input *input)
{
    uint32_t low = fuzz_u8(input);
    return low | (uint32_t)fuzz_u8(input) << 8;
}

/** Up to `wanted` bytes of the input itself; `*got` says how many. */
static inline const uint8_t *fuzz_bytes(fuzz_input *input, size_t wanted, size_t *got)
{
    const uint8_t *at = input->at;
    *got = wanted < input->left ? wanted : input->left;
    input->at += *got;
    input->left -= *got;
    return at;
}

static inline void fuzz_no_leak(const fail_mem *mem)
{
    char text[128];
    FUZZ_CHECK(fail_mem_leak(mem, text, sizeof text) == NULL);
}

#endif
