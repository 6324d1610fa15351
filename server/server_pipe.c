/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The pipe: a ring of bytes under one lock.
 *
 * Invariants
 * 1. used <= capacity; the bytes taken are those produced, in order.
 * 2. A producer waits only while the ring is full, and at most room_ms for one call of its sink, so a
 *    consumer that reads too slowly cannot keep a view of the store open for ever.
 * 3. `wake` is called once for an ngs_pipe_arm, outside the lock. */
#include "server_pipe.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct ngs_pipe {
    ngs_pipe_options options; /* immutable */
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    char *ring;
    size_t first, used;
    bool armed;
    bool cancelled;
    bool slow; /* cancelled because of room_ms */
    bool over; /* the producer has returned */
    ng_status status;
    char text[NGS_PIPE_TEXT_MAX];
};

/* Under the lock: whether `wake` is due now; the caller calls it after unlocking. */
static bool pipe_due(ngs_pipe *pipe)
{
    bool due = pipe->armed && (pipe->used > 0 || pipe->over || pipe->cancelled);
    if (due)
        pipe->armed = false;
    return due;
}

/* Unlocks, and wakes if that is due. */
static void pipe_leave(ngs_pipe *pipe)
{
    bool due = pipe_due(pipe);
    pthread_cond_broadcast(&pipe->changed);
    pthread_mutex_unlock(&pipe->lock);
    if (due)
        pipe->options.wake(pipe->options.wake_context);
}

static struct timespec pipe_deadline(uint32_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}

/* Under the lock: waits until there is room; false if there will be none. */
static bool pipe_room(ngs_pipe *pipe, const struct timespec *until)
{
    while (!pipe->cancelled && pipe->used == pipe->options.capacity) {
        if (pipe->options.room_ms == 0) {
            pthread_cond_wait(&pipe->changed, &pipe->lock);
        } else if (pthread_cond_timedwait(&pipe->changed, &pipe->lock, until) == ETIMEDOUT &&
                   pipe->used == pipe->options.capacity) {
            pipe->cancelled = true;
            pipe->slow = true;
        }
    }
    return !pipe->cancelled;
}

static size_t pipe_put(ngs_pipe *pipe, const char *data, size_t bytes)
{
    size_t capacity = pipe->options.capacity;
    size_t at = (pipe->first + pipe->used) % capacity;
    size_t count = capacity - pipe->used < bytes ? capacity - pipe->used : bytes;
    size_t straight = capacity - at < count ? capacity - at : count;
    memcpy(pipe->ring + at, data, straight);
    memcpy(pipe->ring, data + straight, count - straight);
    pipe->used += count;
    return count;
}

static ng_status pipe_sink(void *context, const void *data, size_t bytes)
{
    ngs_pipe *pipe = context;
    const char *from = data;
    struct timespec until = pipe_deadline(pipe->options.room_ms);
    while (bytes > 0) {
        pthread_mutex_lock(&pipe->lock);
        bool room = pipe_room(pipe, &until);
        size_t count = room ? pipe_put(pipe, from, bytes) : 0;
        pipe_leave(pipe);
        if (!room)
            return NG_E_CANCELLED;
        from += count;
        bytes -= count;
    }
    return NG_OK;
}

static void *pipe_main(void *context)
{
    ngs_pipe *pipe = context;
    ng_status status = pipe->options.produce(pipe->options.context, pipe_sink, pipe);
    const char *text = status != NG_OK ? ng_last_error() : "";
    pthread_mutex_lock(&pipe->lock);
    pipe->over = true;
    pipe->status = status;
    if (pipe->slow)
        text = "the reader took too long";
    else if (status == NG_E_CANCELLED || (status != NG_OK && text[0] == '\0'))
        text = ng_status_text(status);
    snprintf(pipe->text, sizeof pipe->text, "%s", text);
    pipe_leave(pipe);
    return NULL;
}

static void pipe_free(ngs_pipe *pipe)
{
    pthread_cond_destroy(&pipe->changed);
    pthread_mutex_destroy(&pipe->lock);
    free(pipe->ring);
    free(pipe);
}

ngs_pipe *ngs_pipe_start(const ngs_pipe_options *options)
{
    pthread_condattr_t monotonic;
    ngs_pipe *pipe = calloc(1, sizeof *pipe);
    if (pipe == NULL)
        return NULL;
    pipe->options = *options;
    pipe->status = NG_E_CANCELLED;
    pthread_mutex_init(&pipe->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pipe->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pipe->ring = malloc(options->capacity);
    if (pipe->ring == NULL || pthread_create(&pipe->thread, NULL, pipe_main, pipe) != 0) {
        pipe_free(pipe);
        return NULL;
    }
    return pipe;
}

size_t ngs_pipe_take(ngs_pipe *pipe, void *data, size_t capacity, bool wait)
{
    char *to = data;
    pthread_mutex_lock(&pipe->lock);
    while (wait && pipe->used == 0 && !pipe->over && !pipe->cancelled)
        pthread_cond_wait(&pipe->changed, &pipe->lock);
    size_t count = pipe->used < capacity ? pipe->used : capacity;
    if (pipe->cancelled)
        count = 0;
    size_t straight = pipe->options.capacity - pipe->first;
    straight = straight < count ? straight : count;
    memcpy(to, pipe->ring + pipe->first, straight);
    memcpy(to + straight, pipe->ring, count - straight);
    pipe->first = (pipe->first + count) % pipe->options.capacity;
    pipe->used -= count;
    pipe_leave(pipe);
    return count;
}

bool ngs_pipe_ended(ngs_pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    bool ended = pipe->cancelled || (pipe->over && pipe->used == 0);
    pthread_mutex_unlock(&pipe->lock);
    return ended;
}

void ngs_pipe_arm(ngs_pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    pipe->armed = true;
    pipe_leave(pipe);
}

ng_status ngs_pipe_result(ngs_pipe *pipe, char text[NGS_PIPE_TEXT_MAX])
{
    pthread_mutex_lock(&pipe->lock);
    ng_status status = pipe->over ? pipe->status : NG_E_CANCELLED;
    snprintf(text, NGS_PIPE_TEXT_MAX, "%s",
             pipe->over ? pipe->text : ng_status_text(NG_E_CANCELLED));
    pthread_mutex_unlock(&pipe->lock);
    return status;
}

void ngs_pipe_cancel(ngs_pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    pipe->cancelled = true;
    pipe_leave(pipe);
}

bool ngs_pipe_idle(ngs_pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    bool over = pipe->over;
    pthread_mutex_unlock(&pipe->lock);
    return over;
}

void ngs_pipe_destroy(ngs_pipe *pipe)
{
    if (pipe == NULL)
        return;
    ngs_pipe_cancel(pipe);
    pthread_join(pipe->thread, NULL);
    pipe_free(pipe);
}
