/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A bounded pipe between a thread that pushes bytes (ng_stream_write into its sink) and a consumer
 * that pulls them: an event loop, which must not wait, or ng_stream_restore of the command line,
 * which may.
 *
 *      pipe = ngs_pipe_start(&options);
 *      while ((bytes = ngs_pipe_take(pipe, room, sizeof room, true)) > 0)
 *          ...
 *      status = ngs_pipe_result(pipe, text);
 *      ngs_pipe_destroy(pipe);
 *
 * Threads: one consumer; cancel from any thread. */
#ifndef NGS_SERVER_PIPE_H
#define NGS_SERVER_PIPE_H

#include <neurograph.h>

#define NGS_PIPE_TEXT_MAX 400

typedef struct ngs_pipe ngs_pipe;

typedef struct ngs_pipe_options {
    size_t capacity;  /* bytes kept between the two */
    uint32_t room_ms; /* longest that one call of the sink waits for room; 0 = for ever */
    /* Runs on a thread of the pipe; ends when the sink refuses. */
    ng_status (*produce)(void *context, ng_sink_fn sink, void *sink_context);
    void *context;
    void (*wake)(void *context); /* see ngs_pipe_arm; NULL for a consumer that waits */
    void *wake_context;
} ngs_pipe_options;

/** NULL without memory or thread. */
ngs_pipe *ngs_pipe_start(const ngs_pipe_options *options);
/** Takes up to `capacity` bytes. Without `wait` 0 means nothing now, or the end; with `wait`, or once
 *  ngs_pipe_ended, it means the end. */
size_t ngs_pipe_take(ngs_pipe *pipe, void *data, size_t capacity, bool wait);
/** Whether everything was produced and taken, or the pipe was cancelled. */
bool ngs_pipe_ended(ngs_pipe *pipe);
/** Calls `wake` once, as soon as there are bytes or the end: perhaps before this returns. */
void ngs_pipe_arm(ngs_pipe *pipe);
/** What the producer returned, and its message, once it has ended; NG_E_CANCELLED before. */
ng_status ngs_pipe_result(ngs_pipe *pipe, char text[NGS_PIPE_TEXT_MAX]);
/** The sink refuses from now on, and there is nothing more to take. Never waits. */
void ngs_pipe_cancel(ngs_pipe *pipe);
/** Whether the producer has returned: ngs_pipe_destroy will not wait. */
bool ngs_pipe_idle(ngs_pipe *pipe);
/** Cancels, waits for the producer to return, frees. NULL is allowed. */
void ngs_pipe_destroy(ngs_pipe *pipe);

#endif
