/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Locks over pthreads. */
#include "os/os_thread.h"

#include <assert.h>
#include <string.h>

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
    return thread_status(pthread_cond_init(&cond->handle, NULL), "condition variable");
}

void ngi_cond_destroy(ngi_cond *cond)
{
    thread_assert(pthread_cond_destroy(&cond->handle));
}

void ngi_cond_wait(ngi_cond *cond, ngi_mutex *mutex)
{
    thread_assert(pthread_cond_wait(&cond->handle, &mutex->handle));
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
