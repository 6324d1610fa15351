/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Locks and threads. None of these can fail once initialised; a failing system call here is a
 * programming error and is asserted. */
#ifndef NGI_OS_THREAD_H
#define NGI_OS_THREAD_H

#include "base/base_error.h"

#include <pthread.h>

typedef struct ngi_mutex {
    pthread_mutex_t handle;
} ngi_mutex;

typedef struct ngi_cond {
    pthread_cond_t handle;
} ngi_cond;

typedef struct ngi_thread {
    pthread_t handle;
} ngi_thread;

typedef struct ngi_rwlock {
    pthread_rwlock_t handle; /* a waiting writer goes before new readers */
} ngi_rwlock;

NG_MUST_USE ng_status ngi_mutex_init(ngi_mutex *mutex);
void ngi_mutex_destroy(ngi_mutex *mutex);
void ngi_mutex_lock(ngi_mutex *mutex);
void ngi_mutex_unlock(ngi_mutex *mutex);

NG_MUST_USE ng_status ngi_cond_init(ngi_cond *cond);
void ngi_cond_destroy(ngi_cond *cond);
void ngi_cond_wait(ngi_cond *cond, ngi_mutex *mutex);
/** Waits at most so long (a spurious return may come earlier); false when the time is over. */
bool ngi_cond_wait_ms(ngi_cond *cond, ngi_mutex *mutex, uint64_t ms);
void ngi_cond_signal(ngi_cond *cond);
void ngi_cond_broadcast(ngi_cond *cond);

NG_MUST_USE ng_status ngi_rwlock_init(ngi_rwlock *lock);
void ngi_rwlock_destroy(ngi_rwlock *lock);
void ngi_rwlock_read(ngi_rwlock *lock);
void ngi_rwlock_read_end(ngi_rwlock *lock);
void ngi_rwlock_write(ngi_rwlock *lock);
void ngi_rwlock_write_end(ngi_rwlock *lock);

/** Starts a thread; `run` blocks no signal-driven shutdown: all signals are masked in it. */
NG_MUST_USE ng_status ngi_thread_start(ngi_thread *thread, void *(*run)(void *context),
                                       void *context);
void ngi_thread_join(ngi_thread *thread);

#endif
