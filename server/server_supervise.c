/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A parent that starts the serving process again when it fails. docs/http.md says when.
 *
 *   listening -> forked -> child runs -> ended -+-> finished
 *                  ^                            |
 *                  +--- back-off <--------------+
 *
 * The parent opens no store and starts no thread, so whatever broke the child cannot break it. It
 * holds the listening socket: connections that arrive between two children wait in its queue.
 *
 * Signals are blocked in the parent and taken one at a time, so there is no handler and no race
 * between a signal and a fork. The child has a process group of its own: Ctrl-C reaches the parent
 * alone, which passes it on, and is not counted as a second, impatient one. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server_private.h"

#define SUPERVISE_WAIT_MS_MIN 100
#define SUPERVISE_WAIT_MS_MAX 10000
#define SUPERVISE_HEALTHY_NS (INT64_C(60) * 1000000000) /* of life: the next failure is a new one */
#define SUPERVISE_BACKLOG 1024                          /* as ngs_listen's */

typedef struct supervisor {
    ng_supervision *told;
    bool (*is_final)(int exit_code);
    sigset_t signals; /* taken here */
    sigset_t before;  /* the mask of the caller, for children */
    pid_t child;
    int64_t started_ns;
    uint32_t wait_ms;
    bool served;   /* some child has accepted requests */
    bool stopping; /* a signal was passed on */
} supervisor;

/* In the child: as if it had been started alone, but it ends with its parent. */
static void supervise_child(const supervisor *s, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1); /* it died before it could be watched */
    sigprocmask(SIG_SETMASK, &s->before, NULL);
}

/* Waits for the end of the child, passing signals on; its status as of waitpid. */
static int supervise_wait(supervisor *s)
{
    for (;;) {
        int status;
        int number = sigwaitinfo(&s->signals, NULL);
        if (number == SIGTERM || number == SIGINT) {
            s->stopping = true;
            kill(s->child, number);
        } else if (number == SIGCHLD && waitpid(s->child, &status, WNOHANG) == s->child) {
            return status;
        }
    }
}

/* Waits before the next start; false if a signal ends the service meanwhile. */
static bool supervise_pause(supervisor *s)
{
    int64_t end = ngs_now_ns() + (int64_t)s->wait_ms * 1000000;
    for (int64_t left = end - ngs_now_ns(); left > 0; left = end - ngs_now_ns()) {
        struct timespec time = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        int number = sigtimedwait(&s->signals, NULL, &time);
        if (number == SIGTERM || number == SIGINT)
            return false;
    }
    s->wait_ms = s->wait_ms * 2 < SUPERVISE_WAIT_MS_MAX ? s->wait_ms * 2 : SUPERVISE_WAIT_MS_MAX;
    return true;
}

static void supervise_reason(supervisor *s, int status)
{
    char *reason = s->told->reason;
    size_t size = sizeof s->told->reason;
    if (WIFSIGNALED(status))
        snprintf(reason, size, "died of signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == NG_SERVER_LATCHED)
        snprintf(reason, size, "the store stopped after a write that failed");
    else
        snprintf(reason, size, "ended with exit code %d", WEXITSTATUS(status));
}

/* The exit code of the service if this was its end, otherwise NG_SERVER_CHILD. */
static int supervise_judge(supervisor *s, int status)
{
    uint64_t count;
    bool latched = WIFEXITED(status) && WEXITSTATUS(status) == NG_SERVER_LATCHED;
    if (read(s->told->ready_fd, &count, sizeof count) == (ssize_t)sizeof count)
        s->served = true;
    supervise_reason(s, status);
    if (s->stopping && (WIFSIGNALED(status) || latched)) {
        fprintf(stderr, "neurograph: the server %s while stopping\n", s->told->reason);
        return 1;
    }
    if (s->stopping)
        return WEXITSTATUS(status);
    if (WIFEXITED(status) && !latched && (s->is_final(WEXITSTATUS(status)) || !s->served))
        return WEXITSTATUS(status);
    if (ngs_now_ns() - s->started_ns >= SUPERVISE_HEALTHY_NS)
        s->wait_ms = SUPERVISE_WAIT_MS_MIN;
    s->told->restarts++;
    fprintf(stderr, "neurograph: the server: %s; restart %u in %u ms\n", s->told->reason,
            s->told->restarts, s->wait_ms);
    return NG_SERVER_CHILD;
}

/* Returns in every child with NG_SERVER_CHILD, in the parent with the exit code. */
static int supervise_loop(supervisor *s)
{
    pid_t parent = getpid();
    for (;;) {
        /* A child that stops on its own shuts the socket down, which it shares with its parent. */
        listen(s->told->listen_fd, SUPERVISE_BACKLOG);
        fflush(NULL); /* or the child would print it again */
        s->started_ns = ngs_now_ns();
        s->child = fork();
        if (s->child == 0) {
            supervise_child(s, parent);
            return NG_SERVER_CHILD;
        }
        if (s->child < 0) {
            fprintf(stderr, "neurograph: cannot fork: %s\n", strerror(errno));
            if (!s->served)
                return 1;
        } else {
            int code = supervise_judge(s, supervise_wait(s));
            if (code != NG_SERVER_CHILD)
                return code;
        }
        if (!supervise_pause(s))
            return 0;
    }
}

int ng_server_supervise(const ng_server_options *options, bool (*is_final)(int exit_code),
                        ng_supervision *supervision)
{
    const char *address = options->listen != NULL ? options->listen : NG_SERVER_LISTEN_DEFAULT;
    char message[256];
    bool wrong_option = false;
    supervisor s = {.told = supervision, .is_final = is_final, .wait_ms = SUPERVISE_WAIT_MS_MIN};
    *supervision = (ng_supervision){.ready_fd = -1};
    supervision->listen_fd = ngs_listen(address, supervision->url, sizeof supervision->url,
                                        &wrong_option, message, sizeof message);
    if (supervision->listen_fd < 0) {
        fprintf(stderr, "neurograph: %s\n", message);
        return wrong_option ? 2 : 1;
    }
    supervision->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (supervision->ready_fd < 0) {
        fprintf(stderr, "neurograph: cannot make an event descriptor: %s\n", strerror(errno));
        close(supervision->listen_fd);
        return 1;
    }
    struct sigaction normal = {.sa_handler =
                                   SIG_DFL}; /* ignored, children could not be waited for */
    sigemptyset(&normal.sa_mask);
    sigaction(SIGCHLD, &normal, NULL);
    sigemptyset(&s.signals);
    sigaddset(&s.signals, SIGTERM);
    sigaddset(&s.signals, SIGINT);
    sigaddset(&s.signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &s.signals, &s.before);
    int code = supervise_loop(&s);
    if (code != NG_SERVER_CHILD) {
        close(supervision->listen_fd);
        close(supervision->ready_fd);
        sigprocmask(SIG_SETMASK, &s.before, NULL);
    }
    return code;
}
