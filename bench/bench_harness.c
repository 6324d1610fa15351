/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Options, rounds and rows of the benchmarks. See bench_harness.h. */
#include "bench_harness.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool bench_complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return false;
}

/* ---------------------------------------------------------------------------------------------
 * Options
 * ------------------------------------------------------------------------------------------- */

static void options_help(const char *program, const char *summary, const bench_option *options,
                         size_t option_count)
{
    printf("%s: %s\n\n", program, summary);
    for (size_t i = 0; i < option_count; i++) {
        const bench_option *option = &options[i];
        printf("  --%-10s %s", option->name, option->meaning);
        if (option->kind == BENCH_COUNT) {
            printf(" (%llu)", (unsigned long long)*(const uint64_t *)option->target);
        } else if (option->kind == BENCH_REAL) {
            printf(" (%g)", *(const double *)option->target);
        }
        putchar('\n');
    }
    printf("  --%-10s this text\n", "help");
}

static bool option_set(const bench_option *option, const char *text)
{
    char *end = NULL;
    errno = 0;
    if (option->kind == BENCH_COUNT) {
        unsigned long long value = strtoull(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || *text == '-' || value == 0) {
            return bench_complain("--%s: \"%s\" is not a count of at least 1", option->name, text);
        }
        *(uint64_t *)option->target = value;
    } else if (option->kind == BENCH_REAL) {
        double value = strtod(text, &end);
        if (errno != 0 || end == text || *end != '\0' || !(value > 0) || !isfinite(value)) {
            return bench_complain("--%s: \"%s\" is not a number above 0", option->name, text);
        }
        *(double *)option->target = value;
    } else {
        *(const char **)option->target = text;
    }
    return true;
}

static const bench_option *option_find(const char *name, size_t name_bytes,
                                       const bench_option *options, size_t option_count)
{
    for (size_t i = 0; i < option_count; i++) {
        if (strlen(options[i].name) == name_bytes &&
            memcmp(options[i].name, name, name_bytes) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

bench_parsed bench_options_parse(int argc, char **argv, const char *summary,
                                 const bench_option *options, size_t option_count)
{
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            options_help(argv[0], summary, options, option_count);
            return BENCH_PARSED_HELP;
        }
        if (strncmp(argument, "--", 2) != 0) {
            bench_complain("unexpected \"%s\"; see --help", argument);
            return BENCH_PARSED_BAD;
        }
        const char *name = argument + 2;
        size_t name_bytes = strcspn(name, "=");
        const bench_option *option = option_find(name, name_bytes, options, option_count);
        if (option == NULL) {
            bench_complain("unknown option \"%s\"; see --help", argument);
            return BENCH_PARSED_BAD;
        }
        const char *value = name[name_bytes] == '=' ? name + name_bytes + 1 : NULL;
        if (value == NULL) {
            value = ++i < argc ? argv[i] : NULL;
        }
        if (value == NULL) {
            bench_complain("--%s needs a value", option->name);
            return BENCH_PARSED_BAD;
        }
        if (!option_set(option, value)) {
            return BENCH_PARSED_BAD;
        }
    }
    return BENCH_PARSED_RUN;
}

/* ---------------------------------------------------------------------------------------------
 * Rounds and rows
 * ------------------------------------------------------------------------------------------- */

static int double_compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, double_compare);
    size_t middle = count / 2;
    return count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

bool bench_name_is_listed(const char *list, const char *name)
{
    if (list == NULL) {
        return true;
    }
    size_t name_bytes = strlen(name);
    for (const char *at = list; *at != '\0';) {
        size_t bytes = strcspn(at, ",");
        if (bytes == name_bytes && memcmp(at, name, bytes) == 0) {
            return true;
        }
        at += bytes + (at[bytes] == ',');
    }
    return false;
}

static bool side_run(bench_side *side, const bench_settings *settings, size_t round)
{
    if (side->values == NULL) {
        return true;
    }
    if (!side->round(side->context, settings, &side->values[round])) {
        return bench_complain("side %s failed in round %zu", side->name, round + 1);
    }
    return true;
}

static void side_summarise(bench_side *side, const bench_settings *settings, const char *name,
                           const char *unit)
{
    if (side->values == NULL) {
        return;
    }
    printf("# %s %s rounds:", name, side->name);
    for (size_t round = 0; round < settings->rounds; round++) {
        printf(" %.6g", side->values[round]);
    }
    side->median = bench_median(side->values, settings->rounds);
    side->lowest = side->values[0];
    side->highest = side->values[settings->rounds - 1];
    printf(" %s, median %.6g\n", unit, side->median);
}

bool bench_rounds_run(const bench_settings *settings, const char *name, const char *unit,
                      bench_side *sides, size_t side_count)
{
    if (settings->rounds > BENCH_ROUNDS_MAX) {
        return bench_complain("--rounds %llu is above %d", (unsigned long long)settings->rounds,
                              BENCH_ROUNDS_MAX);
    }
    for (size_t i = 0; i < side_count; i++) {
        sides[i].values = NULL;
        if (!bench_name_is_listed(settings->only, sides[i].name)) {
            continue;
        }
        sides[i].values = calloc(settings->rounds, sizeof *sides[i].values);
        if (sides[i].values == NULL) {
            return bench_complain("out of memory");
        }
    }
    for (size_t round = 0; round < settings->rounds; round++) {
        for (size_t i = 0; i < side_count; i++) {
            size_t turn = round % 2 == 0 ? i : side_count - 1 - i;
            if (!side_run(&sides[turn], settings, round)) {
                return false;
            }
        }
    }
    for (size_t i = 0; i < side_count; i++) {
        side_summarise(&sides[i], settings, name, unit);
    }
    fflush(stdout);
    return true;
}

void bench_sides_release(bench_side *sides, size_t side_count)
{
    for (size_t i = 0; i < side_count; i++) {
        free(sides[i].values);
        sides[i].values = NULL;
    }
}

double bench_row_print(const char *name, const char *unit, bench_better better,
                       const bench_side *ours, const bench_side *rival, uint64_t n)
{
    if (ours->values == NULL || rival->values == NULL) {
        return NAN;
    }
    double ratio = better == BENCH_HIGHER_IS_BETTER ? ours->median / rival->median
                                                    : rival->median / ours->median;
    printf("BENCH name=%s ours=%.6g rival=%.6g rival_name=%s unit=%s ratio=%.3f n=%llu\n", name,
           ours->median, rival->median, rival->name, unit, ratio, (unsigned long long)n);
    fflush(stdout);
    return ratio;
}

void bench_target_print(const char *name, const char *rival_name, double ratio, double target)
{
    if (isnan(ratio)) {
        return;
    }
    printf("# target %s against %s: ratio %.3f, wanted %.3g: %s\n", name, rival_name, ratio, target,
           ratio >= target ? "reached" : "MISSED");
    fflush(stdout);
}

double bench_pair_print(const bench_pair *pair)
{
    double figures[2] = {pair->ours, pair->rival};
    const bench_side ours = {.name = "ours", .values = &figures[0], .median = pair->ours};
    const bench_side rival = {.name = pair->rival_name,
                              .values = &figures[1],
                              .median = pair->rival};
    double ratio = bench_row_print(pair->name, pair->unit, pair->better, &ours, &rival, pair->n);
    bench_target_print(pair->name, pair->rival_name, ratio, pair->target);
    return ratio;
}

/* ---------------------------------------------------------------------------------------------
 * Clock and chance
 * ------------------------------------------------------------------------------------------- */

double bench_clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double bench_cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void bench_sleep_until(double seconds)
{
    struct timespec moment = {.tv_sec = (time_t)seconds};
    moment.tv_nsec = (long)((seconds - (double)moment.tv_sec) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL) == EINTR) {
    }
}

uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1Dull;
}

double bench_gaussian(uint64_t *state)
{
    double sum = -6; /* twelve uniform numbers: variance 1 */
    for (int i = 0; i < 12; i++) {
        sum += (double)(bench_random(state) >> 11) * 0x1p-53;
    }
    return sum;
}
