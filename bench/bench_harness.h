/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What every benchmark shares: options, interleaved rounds, medians, rows, clock, directories.
 *
 * A benchmark is a set of *sides*: ours and its rivals, linked into one program. A round runs every
 * side once; the order is reversed from one round to the next, so that a drift of the machine
 * meets all sides alike. A row compares the medians of two sides:
 *
 *   BENCH name=N ours=V rival=V rival_name=LIB unit=U ratio=R n=SIZE
 *
 * Invariants: 1. a ratio above 1 means that ours is better, whatever the unit.
 *             2. every other line on stdout begins with '#'; complaints go to stderr.
 *             3. what a program makes on disk lies in one directory that it removes at the end.
 * Threads: the harness itself is used by the main thread only. */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_ROUNDS_MAX 1000
#define BENCH_PATH_MAX 4096

/* ----- options ----- */

typedef struct bench_settings {
    uint64_t rounds;
    double seconds;   /* what one side gets in one round, about */
    const char *dir;  /* where stores are made; NULL = a fresh directory under ./build or . */
    const char *only; /* names of the sides to run, separated by commas; NULL = all */
} bench_settings;

typedef enum bench_option_kind { BENCH_COUNT, BENCH_REAL, BENCH_TEXT } bench_option_kind;

typedef struct bench_option {
    const char *name; /* without the dashes */
    bench_option_kind kind;
    void *target; /* uint64_t, double or const char *; holds the default */
    const char *meaning;
} bench_option;

typedef enum bench_parsed { BENCH_PARSED_RUN, BENCH_PARSED_HELP, BENCH_PARSED_BAD } bench_parsed;

/** Reads "--name value" and "--name=value"; prints the help or the complaint itself. Counts and
 *  reals must be above 0. */
bench_parsed bench_options_parse(int argc, char **argv, const char *summary,
                                 const bench_option *options, size_t option_count);

/** Whether `name` is one of the names in `list`, separated by commas; NULL lists all. */
bool bench_name_is_listed(const char *list, const char *name);

/* ----- rounds ----- */

typedef struct bench_side {
    const char *name;
    /** Runs for about `settings->seconds` and reports one value, or says why not and fails. */
    bool (*round)(void *context, const bench_settings *settings, double *out);
    void *context;
    double *values; /* [rounds]; made by bench_rounds_run, NULL if the side was not to run */
    double median, lowest, highest;
} bench_side;

/** Runs the rounds, prints a '#' line a side, and leaves the medians in the sides. */
bool bench_rounds_run(const bench_settings *settings, const char *name, const char *unit,
                      bench_side *sides, size_t side_count);
void bench_sides_release(bench_side *sides, size_t side_count);

typedef enum bench_better { BENCH_HIGHER_IS_BETTER, BENCH_LOWER_IS_BETTER } bench_better;

/** Prints the row and returns its ratio; NAN, and nothing is printed, if one of the two did not
 *  run. */
double bench_row_print(const char *name, const char *unit, bench_better better,
                       const bench_side *ours, const bench_side *rival, uint64_t n);
/** A '#' line that says whether the ratio of a row reaches `target`; nothing for a NAN. */
void bench_target_print(const char *name, const char *rival_name, double ratio, double target);

/** A row of two figures that are no medians of rounds, and its target. */
typedef struct bench_pair {
    const char *name, *rival_name, *unit;
    bench_better better;
    double ours, rival, target; /* the figures finite and above 0 */
    uint64_t n;
} bench_pair;

/** Prints both lines; returns the ratio. */
double bench_pair_print(const bench_pair *pair);

/** Median of values[0..count), which are sorted in place. */
double bench_median(double *values, size_t count);

/* ----- machine ----- */

/** '#' lines about processor, SIMD level, kernel, load and compiler. */
void bench_machine_print(void);
/** Which of AVX-512 VNNI, AVX-512, AVX2, SSE4.2, NEON the processor offers. */
const char *bench_simd_level(void);

/** Seconds of the monotonic clock. */
double bench_clock_seconds(void);
/** Seconds of processor time of the calling thread: what a time would be on a machine that nobody
 *  shares. For '#' lines; rows are by the clock. */
double bench_cpu_seconds(void);
/** Sleeps until that moment of the monotonic clock. */
void bench_sleep_until(double seconds);

/** The next number of a seeded sequence (xorshift64*); `state` must not be 0. */
uint64_t bench_random(uint64_t *state);
/** A number of about the normal distribution, from the same sequence. */
double bench_gaussian(uint64_t *state);

/** Prints "program: message" to stderr and returns false, so that a caller can return it. */
bool bench_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Zeroed memory on huge pages where the system grants them, with the advice that our own tables
 *  give; `*bytes` is rounded up to what bench_pages_unmap needs. NULL after a complaint. */
void *bench_pages_map(size_t *bytes);
/** NULL is allowed. */
void bench_pages_unmap(void *base, size_t bytes);

/* ----- directories ----- */

/** Makes a fresh directory inside `parent` (NULL: ./build if there is one, else .). */
bool bench_directory_create(const char *parent, char out[BENCH_PATH_MAX]);
/** Makes `parent`/`name`, which must not exist. */
bool bench_directory_make(const char *parent, const char *name, char out[BENCH_PATH_MAX]);
/** Removes a directory with all it holds. */
void bench_directory_remove(const char *path);
/** "ext4", "xfs", ...; "other" if it is none of the known ones. */
const char *bench_directory_filesystem(const char *path);
/** path = directory "/" name; complains and fails when that is too long. */
bool bench_path_join(const char *directory, const char *name, char out[BENCH_PATH_MAX]);

#ifdef __cplusplus
}
#endif

#endif
