/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The two queues, against a store and an HTTP library that this file plays: who is resumed, with
 * what, and that nobody is forgotten when a sync fails or the server stops. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>

#include "server_private.h"

/* What the played store and library have seen; `lock` guards it. */
static struct played {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    ng_seq durable;
    ng_seq allowed;   /* syncs up to here return; later ones wait */
    ng_status result; /* of the next syncs */
    unsigned syncs;   /* begun */
    unsigned resumed;
    bool workers_wait;
    unsigned handled;
} played = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void played_reset(void)
{
    pthread_mutex_lock(&played.lock);
    played.durable = played.allowed = 0;
    played.result = NG_OK;
    played.syncs = played.resumed = played.handled = 0;
    played.workers_wait = false;
    pthread_mutex_unlock(&played.lock);
}

static void played_allow(ng_seq seq, ng_status result)
{
    pthread_mutex_lock(&played.lock);
    played.allowed = seq;
    played.result = result;
    pthread_cond_broadcast(&played.changed);
    pthread_mutex_unlock(&played.lock);
}

static void played_wait(const unsigned *counter, unsigned value)
{
    pthread_mutex_lock(&played.lock);
    while (*counter < value)
        pthread_cond_wait(&played.changed, &played.lock);
    assert_int_equal(*counter, value);
    pthread_mutex_unlock(&played.lock);
}

ng_status ng_wait_durable(ng_store *store, ng_seq seq)
{
    (void)store;
    pthread_mutex_lock(&played.lock);
    played.syncs++;
    pthread_cond_broadcast(&played.changed);
    while (played.allowed < seq && played.result == NG_OK)
        pthread_cond_wait(&played.changed, &played.lock);
    ng_status status = played.result;
    if (status == NG_OK && played.durable < seq)
        played.durable = seq;
    pthread_mutex_unlock(&played.lock);
    return status;
}

void ng_positions(const ng_store *store, ng_seq *applied, ng_seq *durable)
{
    (void)store;
    pthread_mutex_lock(&played.lock);
    if (applied != NULL)
        *applied = 0;
    if (durable != NULL)
        *durable = played.durable;
    pthread_mutex_unlock(&played.lock);
}

const char *ng_last_error(void)
{
    return "the sync failed";
}

void ngs_http_resume(ngs_request *request)
{
    pthread_mutex_lock(&played.lock);
    assert_false(atomic_exchange(&request->ready, true)); /* exactly once */
    played.resumed++;
    pthread_cond_broadcast(&played.changed);
    pthread_mutex_unlock(&played.lock);
}

void ngs_reply_error(ngs_request *request, int status, const char *code, const char *details,
                     const char *format, ...)
{
    (void)code;
    (void)details;
    (void)format;
    request->status = status;
}

void ngs_reply_status_text(ngs_request *request, ng_status status, const char *text)
{
    assert_string_equal(text, "the sync failed");
    request->status = status == NG_E_LATCHED ? 503 : 500;
}

void ngs_route_run(ngs_request *request)
{
    pthread_mutex_lock(&played.lock);
    assert_true(request->on_worker);
    played.handled++;
    pthread_cond_broadcast(&played.changed);
    while (played.workers_wait)
        pthread_cond_wait(&played.changed, &played.lock);
    pthread_mutex_unlock(&played.lock);
    request->status = 200;
}

void ngs_request_settle(ngs_request *request)
{
    ngs_http_resume(request);
}

int64_t ngs_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#define REQUESTS 8

static void test_commit_shares_a_sync(void **state)
{
    (void)state;
    ngs_server server = {0};
    ngs_request requests[REQUESTS] = {0};
    played_reset();
    ngs_commit *commit = ngs_commit_start(&server);
    assert_non_null(commit);
    for (unsigned i = 0; i < REQUESTS; i++)
        requests[i].status = 201;
    requests[0].barrier = 1;
    ngs_commit_push(commit, &requests[0]);
    played_wait(&played.syncs, 1);
    for (unsigned i = 1; i < REQUESTS; i++) {
        requests[i].barrier = REQUESTS + 1 - i; /* newest first: order must not matter */
        ngs_commit_push(commit, &requests[i]);
    }
    played_allow(1, NG_OK);
    played_wait(&played.syncs, 2);
    played_wait(&played.resumed, 1);
    assert_true(atomic_load(&requests[0].ready));
    played_allow(REQUESTS, NG_OK);
    played_wait(&played.resumed, REQUESTS);
    played_wait(&played.syncs, 2);
    ngs_commit_stop(commit);
    ngs_commit_destroy(commit);
    for (unsigned i = 0; i < REQUESTS; i++)
        assert_int_equal(requests[i].status, 201);
}

static void test_commit_failure(void **state)
{
    (void)state;
    ngs_server server = {0};
    ngs_request first = {.status = 201, .barrier = 5};
    ngs_request second = {.status = 201, .barrier = 6};
    ngs_request later = {.status = 201, .barrier = 7};
    played_reset();
    ngs_commit *commit = ngs_commit_start(&server);
    assert_non_null(commit);
    pthread_mutex_lock(&played.lock);
    played.durable = 5; /* an earlier sync had covered the first */
    pthread_mutex_unlock(&played.lock);
    ngs_commit_push(commit, &second);
    played_wait(&played.syncs, 1);
    ngs_commit_push(commit, &first);
    played_allow(0, NG_E_LATCHED);
    played_wait(&played.resumed, 2);
    assert_int_equal(first.status, 201);
    assert_int_equal(second.status, 503);
    ngs_commit_push(commit, &later); /* everybody after that is told, too */
    played_wait(&played.resumed, 3);
    assert_int_equal(later.status, 503);
    ngs_commit_stop(commit);
    ngs_commit_destroy(commit);
}

static void *stop_commit(void *commit)
{
    ngs_commit_stop(commit);
    return NULL;
}

static void test_commit_stop_answers_everybody(void **state)
{
    (void)state;
    ngs_server server = {0};
    ngs_request stuck = {.status = 201, .barrier = 5};
    ngs_request late = {.status = 201, .barrier = 6};
    pthread_t stopper;
    played_reset();
    ngs_commit *commit = ngs_commit_start(&server);
    assert_non_null(commit);
    ngs_commit_push(commit, &stuck);
    played_wait(&played.syncs, 1);
    assert_int_equal(pthread_create(&stopper, NULL, stop_commit, commit), 0);
    played_wait(&played.resumed, 1); /* while the sync still hangs */
    assert_int_equal(stuck.status, 503);
    played_allow(9, NG_OK);
    pthread_join(stopper, NULL);
    ngs_commit_push(commit, &late);
    assert_int_equal(late.status, 503);
    assert_true(atomic_load(&late.ready));
    played_wait(&played.resumed, 2);
    ngs_commit_destroy(commit);
}

static void test_pool_bound_and_order(void **state)
{
    (void)state;
    ngs_server server = {
        .limits = {.query_threads = 1, .query_queue_max = 2, .query_deadline_ms = 3600000}};
    ngs_request requests[4] = {0};
    played_reset();
    played.workers_wait = true;
    ngs_pool *pool = ngs_pool_start(&server);
    assert_non_null(pool);
    assert_true(ngs_pool_reserve(pool));
    ngs_pool_push(pool, &requests[0]);
    played_wait(&played.handled, 1); /* the only worker is busy now */
    assert_true(ngs_pool_reserve(pool));
    assert_true(ngs_pool_reserve(pool));
    assert_false(ngs_pool_reserve(pool));
    ngs_pool_push(pool, &requests[1]);
    ngs_pool_push(pool, &requests[2]);
    ngs_pool_counts counts = ngs_pool_count(pool);
    assert_int_equal(counts.queued, 2);
    assert_int_equal(counts.running, 1);
    ngs_pool_expire(pool); /* nobody has waited an hour */
    assert_int_equal(ngs_pool_count(pool).queued, 2);
    pthread_mutex_lock(&played.lock);
    played.workers_wait = false;
    pthread_cond_broadcast(&played.changed);
    pthread_mutex_unlock(&played.lock);
    played_wait(&played.resumed, 3);
    assert_true(ngs_pool_reserve(pool));
    ngs_pool_stop(pool);
    ngs_pool_push(pool, &requests[3]); /* its place was promised before the stop */
    assert_int_equal(requests[3].status, 503);
    assert_false(ngs_pool_reserve(pool));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(requests[i].status, 200);
    ngs_pool_destroy(pool);
}

static void test_pool_expires_what_waits(void **state)
{
    (void)state;
    ngs_server server = {.limits = {.query_threads = 1, .query_queue_max = 4}}; /* deadline 0 */
    ngs_request requests[3] = {0};
    played_reset();
    played.workers_wait = true;
    ngs_pool *pool = ngs_pool_start(&server);
    assert_non_null(pool);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(ngs_pool_reserve(pool));
        ngs_pool_push(pool, &requests[i]);
        played_wait(&played.handled, 1);
    }
    int64_t pushed = ngs_now_ns();
    while (ngs_now_ns() == pushed)
        ;
    ngs_pool_expire(pool);
    played_wait(&played.resumed, 2);
    assert_int_equal(requests[1].status, 503);
    assert_int_equal(requests[2].status, 503);
    assert_int_equal(requests[1].retry_after_s, 1);
    pthread_mutex_lock(&played.lock);
    played.workers_wait = false;
    pthread_cond_broadcast(&played.changed);
    pthread_mutex_unlock(&played.lock);
    ngs_pool_stop(pool);
    assert_int_equal(requests[0].status, 200);
    played_wait(&played.resumed, 3);
    ngs_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit_shares_a_sync),
        cmocka_unit_test(test_commit_failure),
        cmocka_unit_test(test_commit_stop_answers_everybody),
        cmocka_unit_test(test_pool_bound_and_order),
        cmocka_unit_test(test_pool_expires_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
