/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Workers for what may take over a millisecond: queries, and lists far from the start.
 *
 * The queue is bounded; a request that finds it full is refused with 503 at once, and one that
 * waits longer than the deadline is refused by ngs_pool_expire, so a client never waits for long
 * without an answer. A handler that runs is not interrupted: the library has no way to stop a
 * search, and one takes milliseconds.
 *
 * Invariants
 * 1. reserved = places promised to event loops or taken by queued requests; reserved <= queue_max.
 * 2. queued requests are suspended and in arrival order.
 * 3. `stopped` never becomes false again; with it the queue stays empty. */
#include <stdlib.h>

#include "server_private.h"

struct ngs_pool {
    ngs_server *server;
    unsigned queue_max;
    int64_t deadline_ns;
    unsigned thread_count;
    pthread_t *threads;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t filled;
    ngs_request *head;
    ngs_request *tail;
    unsigned reserved;
    unsigned running;
    bool stopped;
};

static ngs_request *pool_pop(ngs_pool *pool)
{
    ngs_request *request = pool->head;
    pool->head = request->next;
    if (pool->head == NULL)
        pool->tail = NULL;
    pool->reserved--;
    return request;
}

static void pool_refuse(ngs_pool *pool, ngs_request *request, bool stopped)
{
    request->retry_after_s = 1;
    if (stopped)
        ngs_reply_error(request, 503, "SERVICE_UNAVAILABLE", NULL, "the server is stopping");
    else
        ngs_reply_error(request, 503, "DEADLINE_EXCEEDED", NULL,
                        "no worker was free within %lld ms",
                        (long long)(pool->deadline_ns / 1000000));
    ngs_http_resume(request);
}

static void *pool_main(void *context)
{
    ngs_pool *pool = context;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->head == NULL && !pool->stopped)
            pthread_cond_wait(&pool->filled, &pool->lock);
        if (pool->head == NULL)
            break;
        ngs_request *request = pool_pop(pool);
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        request->on_worker = true;
        ngs_route_run(request);
        ngs_request_settle(request);
        pthread_mutex_lock(&pool->lock);
        pool->running--;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

ngs_pool *ngs_pool_start(ngs_server *server)
{
    ngs_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pool->server = server;
    pool->queue_max = server->limits.query_queue_max;
    pool->deadline_ns = (int64_t)server->limits.query_deadline_ms * 1000000;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->filled, NULL);
    pool->threads = calloc(server->limits.query_threads, sizeof *pool->threads);
    while (pool->threads != NULL && pool->thread_count < server->limits.query_threads) {
        if (pthread_create(&pool->threads[pool->thread_count], NULL, pool_main, pool) != 0)
            break;
        pool->thread_count++;
    }
    if (pool->thread_count < server->limits.query_threads) {
        ngs_pool_stop(pool);
        ngs_pool_destroy(pool);
        return NULL;
    }
    return pool;
}

bool ngs_pool_reserve(ngs_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool room = !pool->stopped && pool->reserved < pool->queue_max;
    pool->reserved += room;
    pthread_mutex_unlock(&pool->lock);
    return room;
}

void ngs_pool_push(ngs_pool *pool, ngs_request *request)
{
    request->queued_ns = ngs_now_ns();
    request->next = NULL;
    pthread_mutex_lock(&pool->lock);
    bool stopped = pool->stopped;
    if (stopped) {
        pool->reserved--;
    } else if (pool->tail != NULL) {
        pool->tail->next = request;
        pool->tail = request;
    } else {
        pool->head = pool->tail = request;
    }
    pthread_mutex_unlock(&pool->lock);
    if (stopped)
        pool_refuse(pool, request, true);
    else
        pthread_cond_signal(&pool->filled);
}

void ngs_pool_expire(ngs_pool *pool)
{
    int64_t oldest = ngs_now_ns() - pool->deadline_ns;
    for (;;) {
        pthread_mutex_lock(&pool->lock);
        bool late = pool->head != NULL && pool->head->queued_ns < oldest;
        ngs_request *request = late ? pool_pop(pool) : NULL;
        pthread_mutex_unlock(&pool->lock);
        if (request == NULL)
            return;
        pool_refuse(pool, request, false);
    }
}

ngs_pool_counts ngs_pool_count(ngs_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    ngs_pool_counts counts = {.queued = pool->reserved,
                              .running = pool->running,
                              .threads = pool->thread_count,
                              .queue_max = pool->queue_max};
    pthread_mutex_unlock(&pool->lock);
    return counts;
}

void ngs_pool_stop(ngs_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopped = true;
    while (pool->head != NULL) {
        ngs_request *request = pool_pop(pool);
        pthread_mutex_unlock(&pool->lock);
        pool_refuse(pool, request, true);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_broadcast(&pool->filled);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
}

void ngs_pool_destroy(ngs_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_cond_destroy(&pool->filled);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}
