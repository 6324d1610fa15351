/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Signals. A handler can reach nothing but a global: these two are it, set once by
 * cli_signal_catch and by the handler, which runs on whichever thread the system picks. The
 * descriptor lets a poll for something else end. */
#include "cli_signal.h"
#include "cli_progress.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

static atomic_bool signal_came;
static atomic_int signal_fd = -1;

static void signal_handle(int number)
{
    int saved = errno;
    int fd = atomic_load(&signal_fd);
    uint64_t one = 1;

    (void)number;
    atomic_store(&signal_came, true);
    /* A failed write means that the counter is full, hence readable. */
    if (fd >= 0 && write(fd, &one, sizeof one) < 0)
        errno = saved;
    errno = saved;
}

void cli_signal_catch(void)
{
    /* Reset after the first: a second Ctrl-C ends the process as if this were not here. */
    struct sigaction action = {.sa_handler = signal_handle, .sa_flags = (int)SA_RESETHAND};

    if (atomic_load(&signal_fd) < 0)
        atomic_store(&signal_fd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    action.sa_flags |= SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool cli_signal_came(void)
{
    return atomic_load(&signal_came);
}

int cli_signal_fd(void)
{
    return atomic_load(&signal_fd);
}

bool cli_signal_wait(uint32_t ms)
{
    struct pollfd fd = {.fd = atomic_load(&signal_fd), .events = POLLIN};

    if (!cli_signal_came())
        (void)poll(&fd, 1, (int)ms);
    return cli_signal_came();
}

bool cli_progress_or_stop(void *progress, const ng_progress *state)
{
    cli_progress_show(progress, state);
    return !cli_signal_came();
}
