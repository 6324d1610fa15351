/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Randomness of tests: one 64-bit state, the same numbers on every machine, so that a printed seed
 * repeats a failure exactly. (SplitMix64; Steele, Lea and Flood 2014.) */
#ifndef TEST_RANDOM_H
#define TEST_RANDOM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct test_random {
    uint64_t state;
} test_random;

static inline uint64_t test_random_next(test_random *random)
{
    uint64_t z = (random->state += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/** 0 .. bound - 1; bound > 0. The bias of the remainder is far below what a test can notice. */
static inline uint64_t test_random_below(test_random *random, uint64_t bound)
{
    return test_random_next(random) % bound;
}

static inline bool test_random_chance(test_random *random, unsigned percent)
{
    return test_random_below(random, 100) < percent;
}

/** 0 <= x < 1. */
static inline double test_random_unit(test_random *random)
{
    return (double)(test_random_next(random) >> 11) * 0x1.0p-53;
}

/** A number from the environment, so that a run can be repeated or made longer. */
static inline uint64_t test_environment(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 0) : fallback;
}

#endif
