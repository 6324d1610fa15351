/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The feed: what followers of the store poll for, and the thread that lets them wait.
 *
 *   GET /feed?after=N: ops after N are durable -> a worker writes them -> sent
 *                      none yet                -> waits here, suspended -> a worker, as above
 *
 * A request waits on no thread of its own: one thread watches the durable seq for all of them, and
 * hands those that have something to read, or have waited long enough, to the pool.
 *
 * Invariants
 * 1. reserved = places promised to event loops or taken by waiting requests; reserved <= the limit.
 * 2. A request in the queue is suspended and belongs to the queue.
 * 3. `stopped` never becomes false again; with it the queue stays empty. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "server_private.h"

#define FEED_SLICE_MS 100 /* how late a deadline or a stop may be noticed */

struct ngs_feed {
    ngs_server *server;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    ngs_request *queue; /* in no order */
    unsigned reserved;
    bool stopped;
};

static void feed_refuse(ngs_request *request, const char *text)
{
    request->retry_after_s = 1;
    ngs_reply_error(request, 503, "SERVICE_UNAVAILABLE", NULL, "%s", text);
    ngs_http_resume(request);
}

/* Takes what has something to read, or has waited long enough, out of the queue. Under the lock. */
static ngs_request *feed_take(ngs_feed *feed, ng_seq durable)
{
    ngs_request *taken = NULL;
    ngs_request **link = &feed->queue;
    int64_t now = ngs_now_ns();
    while (*link != NULL) {
        ngs_request *request = *link;
        if (request->feed.after >= durable && request->feed.until_ns > now) {
            link = &request->next;
            continue;
        }
        *link = request->next;
        request->next = taken;
        taken = request;
        feed->reserved--;
    }
    return taken;
}

static void feed_hand_on(ngs_feed *feed, ngs_request *taken)
{
    while (taken != NULL) {
        ngs_request *next = taken->next;
        if (ngs_pool_reserve(feed->server->pool))
            ngs_pool_push(feed->server->pool, taken);
        else
            feed_refuse(taken, "no worker is free");
        taken = next;
    }
}

/* Sleeps for a slice, unless the queue is told to look. A store that has stopped returns from
 * ng_wait_change at once, and so must not be what paces the loop. Under the lock. */
static void feed_sleep(ngs_feed *feed)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += FEED_SLICE_MS * 1000000L;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&feed->changed, &feed->lock, &until);
}

static void *feed_main(void *context)
{
    ngs_feed *feed = context;
    ng_store *store = feed->server->store;
    ng_seq seen = 0;
    pthread_mutex_lock(&feed->lock);
    while (!feed->stopped) {
        if (feed->queue == NULL) {
            pthread_cond_wait(&feed->changed, &feed->lock);
            continue;
        }
        pthread_mutex_unlock(&feed->lock);
        int64_t began = ngs_now_ns();
        ng_seq durable = ng_wait_change(store, seen, FEED_SLICE_MS);
        bool at_once = durable <= seen && ngs_now_ns() - began < FEED_SLICE_MS * 1000000LL / 2;
        seen = durable;
        pthread_mutex_lock(&feed->lock);
        ngs_request *taken = feed_take(feed, durable);
        pthread_mutex_unlock(&feed->lock);
        feed_hand_on(feed, taken);
        pthread_mutex_lock(&feed->lock);
        if (at_once && taken == NULL && !feed->stopped)
            feed_sleep(feed);
    }
    pthread_mutex_unlock(&feed->lock);
    return NULL;
}

ngs_feed *ngs_feed_start(ngs_server *server)
{
    pthread_condattr_t monotonic;
    ngs_feed *feed = calloc(1, sizeof *feed);
    if (feed == NULL)
        return NULL;
    feed->server = server;
    pthread_mutex_init(&feed->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&feed->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&feed->thread, NULL, feed_main, feed) != 0) {
        pthread_cond_destroy(&feed->changed);
        pthread_mutex_destroy(&feed->lock);
        free(feed);
        return NULL;
    }
    return feed;
}

bool ngs_feed_reserve(ngs_feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    bool room = !feed->stopped && feed->reserved < NGS_FEEDS_MAX;
    feed->reserved += room;
    pthread_mutex_unlock(&feed->lock);
    return room;
}

void ngs_feed_push(ngs_feed *feed, ngs_request *request)
{
    pthread_mutex_lock(&feed->lock);
    bool stopped = feed->stopped;
    if (stopped) {
        feed->reserved--;
    } else {
        request->next = feed->queue;
        feed->queue = request;
    }
    pthread_mutex_unlock(&feed->lock);
    if (stopped)
        feed_refuse(request, "the server is stopping");
    else
        pthread_cond_signal(&feed->changed);
}

void ngs_feed_stop(ngs_feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    bool first = !feed->stopped;
    feed->stopped = true;
    ngs_request *left = feed->queue;
    feed->queue = NULL;
    pthread_mutex_unlock(&feed->lock);
    pthread_cond_signal(&feed->changed);
    while (left != NULL) {
        ngs_request *next = left->next;
        feed_refuse(left, "the server is stopping");
        left = next;
    }
    if (first)
        pthread_join(feed->thread, NULL);
}

void ngs_feed_destroy(ngs_feed *feed)
{
    if (feed == NULL)
        return;
    pthread_cond_destroy(&feed->changed);
    pthread_mutex_destroy(&feed->lock);
    free(feed);
}

/* ------------------------------------------------------------------------------------- handler */

/* Reads the parameters; false: replied. */
static bool feed_read(ngs_request *request, uint64_t *wait_ms)
{
    bool after = false;
    request->feed.max_bytes = NGS_FEED_BYTES_DEFAULT;
    for (size_t i = 0; i < request->param_count; i++) {
        const ngs_param *param = &request->params[i];
        if (strcmp(param->name, "after") == 0) {
            ngs_read_param(request, param, 0, UINT64_MAX, &request->feed.after);
            after = true;
        } else if (strcmp(param->name, "wait_ms") == 0) {
            ngs_read_param(request, param, 0, NGS_FEED_WAIT_MS_MAX, wait_ms);
        } else if (strcmp(param->name, "max_bytes") == 0) {
            ngs_read_param(request, param, 1, NGS_FEED_BYTES_MAX, &request->feed.max_bytes);
        } else {
            ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"",
                        param->name);
        }
    }
    if (!after)
        ngs_problem(request, "query.after", "missing",
                    "required: the seq after which the ops are wanted");
    return !ngs_problems_reply(request);
}

static ng_status feed_sink(void *context, const void *data, size_t bytes)
{
    ngs_out *out = context;
    ngs_out_raw(out, data, bytes);
    return out->failed ? NG_E_NOMEM : NG_OK;
}

static void feed_write(ngs_request *request)
{
    ng_stream_options options = {.struct_size = sizeof options,
                                 .incremental = true,
                                 .after = request->feed.after,
                                 .max_bytes = request->feed.max_bytes};
    ng_store *store = request->server->store;
    ng_stream_report report;
    ngs_out *out = ngs_reply_stream(request, 200);
    ng_status status = ng_stream_write(store, &options, feed_sink, out, &report);
    if (status == NG_E_INVALID) { /* `after` is the only argument that can be wrong */
        ngs_problem(request, "query.after", "value_error", "%s", ng_last_error());
        ngs_problems_reply(request);
    } else if (status == NG_E_NOMEM && out->failed) {
        ngs_out_release(out);
        ngs_reply_status_text(request, status, "no memory for the reply");
    } else if (status != NG_OK) {
        ngs_reply_status(request, status);
    } else {
        ng_positions(store, NULL, &request->shown_seq);
    }
}

void ngs_feed_get(ngs_request *request)
{
    uint64_t wait_ms = 0;
    ng_seq applied = 0;
    ng_seq durable = 0;
    if (request->on_worker) {
        feed_write(request);
        return;
    }
    if (!feed_read(request, &wait_ms))
        return;
    request->feed.until_ns = ngs_now_ns() + (int64_t)wait_ms * 1000000;
    ng_positions(request->server->store, &applied, &durable);
    /* A seq beyond the newest op is an error, which the worker finds. */
    if (wait_ms > 0 && request->feed.after >= durable && request->feed.after <= applied)
        request->wants_feed = true;
    else
        request->wants_worker = true;
}
