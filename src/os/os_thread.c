/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Locks over pthreads. */
#include "os/os_thread.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define WAIT_MS_MAX (UINT64_C(365) * 24 * 3600 * 1000)

/* Reports a failed initialisation; everything later can only fail through misuse. */
static ng_status thread_status(int error, const char *what)
{
    if (error == 0)
        return NG_OK;
    return ngi_fail(NG_E_NOMEM, "cannot make a %s: %s", what, strerror(error));
}

static void thread_assert(int error)
{
    assert(error == 0);
    (void)error;
}

ng_status ngi_mutex_init(ngi_mutex *mutex)
{
    return thread_status(pthread_mutex_init(&mutex->handle, NULL), "mutex");
}

void ngi_mutex_destroy(ngi_mutex *mutex)
{
    thread_assert(pthread_mutex_destroy(&mutex->handle));
}

void ngi_mutex_lock(ngi_mutex *mutex)
{
    thread_assert(pthread_mutex_lock(&mutex->handle));
}

void ngi_mutex_unlock(ngi_mutex *mutex)
{
    thread_assert(pthread_mutex_unlock(&mutex->handle));
}

ng_status ngi_cond_init(ngi_cond *cond)
{
    pthread_condattr_t attributes;
    ng_status status = thread_status(pthread_condattr_init(&attributes), "condition variable");
    if (status != NG_OK)
        return status;
    /* A clock that is set must not lengthen a wait. */
    thread_assert(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
    status = thread_status(pthread_cond_init(&cond->handle, &attributes), "condition variable");
    pthread_condattr_destroy(&attributes);
    return status;
}

void ngi_cond_destroy(ngi_cond *cond)
{
    thread_assert(pthread_cond_destroy(&cond->handle));
}

void ngi_cond_wait(ngi_cond *cond, ngi_mutex *mutex)
{
    thread_assert(pthread_cond_wait(&cond->handle, &mutex->handle));
}

bool ngi_cond_wait_ms(ngi_cond *cond, ngi_mutex *mutex, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    /* Years of waiting would overflow the sum. */
    uint64_t bounded = ms < WAIT_MS_MAX ? ms : WAIT_MS_MAX;
    uint64_t ns = (uint64_t)until.tv_nsec + bounded % 1000 * 1000000u;
    until.tv_sec += (time_t)(bounded / 1000 + ns / 1000000000u);
    until.tv_nsec = (long)(ns % 1000000000u);
    int error = pthread_cond_timedwait(&cond->handle, &mutex->handle, &until);
    if (error == ETIMEDOUT)
        return false;
    thread_assert(error);
    return true;
}

void ngi_cond_signal(ngi_cond *cond)
{
    thread_assert(pthread_cond_signal(&cond->handle));
}

void ngi_cond_broadcast(ngi_cond *cond)
{
    thread_assert(pthread_cond_broadcast(&cond->handle));
}

ng_status ngi_rwlock_init(ngi_rwlock *lock)
{
    pthread_rwlockattr_t attributes;
    ng_status status = thread_status(pthread_rwlockattr_init(&attributes), "reader/writer lock");
    if (status != NG_OK)
        return status;
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    status = thread_status(pthread_rwlock_init(&lock->handle, &attributes), "reader/writer lock");
    pthread_rwlockattr_destroy(&attributes);
    return status;
}

void ngi_rwlock_destroy(ngi_rwlock *lock)
{
    thread_assert(pthread_rwlock_destroy(&lock->handle));
}

void ngi_rwlock_read(ngi_rwlock *lock)
{
    thread_assert(pthread_rwlock_rdlock(&lock->handle));
}

void ngi_rwlock_read_end(ngi_rwlock *lock)
{
    thread_assert(pthread_rwlock_unlock(&lock->handle));
}

void ngi_rwlock_write(ngi_rwlock *lock)
{
    thread_assert(pthread_rwlock_wrlock(&lock->handle));
}

void ngi_rwlock_write_end(ngi_rwlock *lock)
{
    thread_assert(pthread_rwlock_unlock(&lock->handle));
}

ng_status ngi_thread_start(ngi_thread *thread, void *(*run)(void *context), void *context)
{
    /* A thread inherits the mask: the signals of the program stay with the program's own threads. */
    sigset_t all, before;
    sigfillset(&all);
    thread_assert(pthread_sigmask(SIG_SETMASK, &all, &before));
    ng_status status = thread_status(pthread_create(&thread->handle, NULL, run, context), "thread");
    thread_assert(pthread_sigmask(SIG_SETMASK, &before, NULL));
    return status;
}

void ngi_thread_join(ngi_thread *thread)
{
    thread_assert(pthread_join(thread->handle, NULL));
}
