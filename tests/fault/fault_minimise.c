/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Makes a failing history small. Each attempt runs in a process of its own, because a failing one
 * leaves everything as it was when it failed. */
#include "fault_schedule.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ATTEMPTS_MAX 600
#define ATTEMPT_SECONDS 20

/* In the child a failed assertion ends the process, and nothing is printed. */
static void child_play(const fault_schedule *schedule)
{
    static const int signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS, SIGABRT};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_DFL);
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) {
        dup2(nowhere, 1);
        dup2(nowhere, 2);
    }
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    alarm(ATTEMPT_SECONDS);
    schedule_seen seen = {0};
    schedule_play(schedule, &seen);
    _exit(0);
}

static bool fails(const fault_schedule *schedule)
{
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        return false;
    if (child == 0)
        child_play(schedule);
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        continue;
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0) &&
           !(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

static void without(const fault_schedule *from, size_t first, size_t count, fault_schedule *to)
{
    memcpy(to->steps, from->steps, first * sizeof *to->steps);
    memcpy(to->steps + first, from->steps + first + count,
           (from->count - first - count) * sizeof *to->steps);
    to->count = from->count - count;
}

void schedule_minimise_and_print(const fault_schedule *schedule)
{
    fault_schedule best = *schedule, next = *schedule;
    best.steps = calloc(schedule->count + 1, sizeof *best.steps);
    next.steps = calloc(schedule->count + 1, sizeof *next.steps);
    if (best.steps == NULL || next.steps == NULL)
        abort();
    without(schedule, 0, 0, &best);
    unsigned attempts = 1;
    bool is_repeatable = fails(&best);
    for (size_t size = (best.count + 1) / 2; is_repeatable && size > 0 && attempts < ATTEMPTS_MAX;
         size /= 2) {
        for (size_t first = 0; first + size <= best.count && attempts < ATTEMPTS_MAX;) {
            without(&best, first, size, &next);
            attempts++;
            if (fails(&next))
                without(&next, 0, 0, &best);
            else
                first += size;
        }
    }
    print_message("failing history: NG_TEST_SEED=%llu NG_TEST_SCHEDULES=1, %zu steps, %s to %zu "
                  "after %u attempts\n",
                  (unsigned long long)schedule->seed, schedule->count,
                  is_repeatable ? "made small" : "does not fail again by itself: not made small",
                  best.count, attempts);
    print_message("to repeat it: NG_TEST_HISTORY='%#llx", (unsigned long long)schedule->seed);
    for (size_t i = 0; i < best.count; i++)
        print_message(" %s:%#llx", schedule_kind_name(best.steps[i].kind),
                      (unsigned long long)best.steps[i].seed);
    print_message("'\n");
    free(best.steps);
    free(next.steps);
}
