/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A ring of pieces between the one who fills them and the thread that writes them.
 *
 * Invariants:
 *   1. Pieces [written, filled) are full and belong to the writer; the one at `filled` belongs to
 *      the caller; filled - written < PIECE_COUNT.
 *   2. After a failure nothing more is written; pieces are taken and dropped, so nobody waits. */
#include "store/store_snapshot_sink.h"

#include "os/os_thread.h"

#include <stdio.h>
#include <string.h>

#define PIECE_BYTES ((size_t)1 << 20)
#define PIECE_COUNT 4u

struct store_snapshot_sink {
    ngi_os *os;
    ngi_mem *mem;
    ngi_file file;
    uint64_t offset; /* where the next piece goes; the writer's */
    uint8_t *pieces; /* [piece_count][PIECE_BYTES] */
    size_t piece_count;
    size_t held; /* bytes in the caller's piece */
    bool threaded;
    ngi_thread thread;

    ngi_mutex lock; /* guards all below */
    ngi_cond changed;
    uint64_t filled, written; /* pieces so far */
    bool closing;
    ng_status status;
    char message[512];
};

static uint8_t *sink_piece(store_snapshot_sink *sink, uint64_t number)
{
    return sink->pieces + number % sink->piece_count * PIECE_BYTES;
}

static ng_status sink_write(store_snapshot_sink *sink, const void *data, size_t bytes)
{
    ng_status status = sink->os->file_write(sink->os, sink->file, data, bytes, sink->offset);
    if (status == NG_OK)
        sink->offset += bytes;
    return status;
}

static void *sink_run(void *context)
{
    store_snapshot_sink *sink = context;
    ngi_mutex_lock(&sink->lock);
    for (;;) {
        while (sink->written == sink->filled && !sink->closing)
            ngi_cond_wait(&sink->changed, &sink->lock);
        if (sink->written == sink->filled)
            break;
        if (sink->status == NG_OK) {
            const uint8_t *piece = sink_piece(sink, sink->written);
            ngi_mutex_unlock(&sink->lock);
            ng_status status = sink_write(sink, piece, PIECE_BYTES);
            ngi_mutex_lock(&sink->lock);
            if (status != NG_OK) {
                sink->status = status;
                snprintf(sink->message, sizeof sink->message, "%s", ngi_last_error());
            }
        }
        sink->written++;
        ngi_cond_broadcast(&sink->changed);
    }
    ngi_mutex_unlock(&sink->lock);
    return NULL;
}

/* Gives the full piece to the writer and takes the next one. */
static ng_status sink_hand_over(store_snapshot_sink *sink)
{
    sink->held = 0;
    if (!sink->threaded)
        return sink_write(sink, sink->pieces, PIECE_BYTES);
    ngi_mutex_lock(&sink->lock);
    sink->filled++;
    ngi_cond_broadcast(&sink->changed);
    while (sink->filled - sink->written >= sink->piece_count)
        ngi_cond_wait(&sink->changed, &sink->lock);
    ng_status status = sink->status;
    if (status != NG_OK)
        ngi_error_set(sink->message);
    ngi_mutex_unlock(&sink->lock);
    return status;
}

ng_status ngi_snapshot_sink_take(void *context, const void *data, size_t bytes)
{
    store_snapshot_sink *sink = context;
    const uint8_t *from = data;
    while (bytes > 0) {
        size_t room = PIECE_BYTES - sink->held;
        size_t n = bytes < room ? bytes : room;
        memcpy(sink_piece(sink, sink->filled) + sink->held, from, n);
        sink->held += n;
        from += n;
        bytes -= n;
        if (sink->held == PIECE_BYTES) {
            ng_status status = sink_hand_over(sink);
            if (status != NG_OK)
                return status;
        }
    }
    return NG_OK;
}

/* Ends the thread, after which everything belongs to the caller. */
static void sink_join(store_snapshot_sink *sink)
{
    if (!sink->threaded)
        return;
    ngi_mutex_lock(&sink->lock);
    sink->closing = true;
    ngi_cond_broadcast(&sink->changed);
    ngi_mutex_unlock(&sink->lock);
    ngi_thread_join(&sink->thread);
    ngi_cond_destroy(&sink->changed);
    ngi_mutex_destroy(&sink->lock);
    sink->threaded = false;
}

ng_status ngi_snapshot_sink_sync(store_snapshot_sink *sink)
{
    const uint8_t *rest = sink_piece(sink, sink->filled);
    sink_join(sink);
    if (sink->status != NG_OK) {
        ngi_error_set(sink->message);
        return sink->status;
    }
    ng_status status = sink->held > 0 ? sink_write(sink, rest, sink->held) : NG_OK;
    sink->held = 0;
    return status == NG_OK ? sink->os->file_sync(sink->os, sink->file) : status;
}

void ngi_snapshot_sink_close(store_snapshot_sink *sink)
{
    if (sink == NULL)
        return;
    sink_join(sink);
    sink->os->file_close(sink->os, sink->file);
    ngi_free(sink->mem, sink->pieces, sink->piece_count * PIECE_BYTES);
    ngi_free(sink->mem, sink, sizeof *sink);
}

/* Without a thread the sink works all the same, only slower. */
static void sink_start(store_snapshot_sink *sink)
{
    if (ngi_mutex_init(&sink->lock) != NG_OK)
        return;
    if (ngi_cond_init(&sink->changed) == NG_OK) {
        sink->threaded = ngi_thread_start(&sink->thread, sink_run, sink) == NG_OK;
        if (sink->threaded)
            return;
        ngi_cond_destroy(&sink->changed);
    }
    ngi_mutex_destroy(&sink->lock);
}

ng_status ngi_snapshot_sink_open(ngi_os *os, ngi_mem *mem, const char *path, bool threaded,
                                 store_snapshot_sink **out)
{
    void *block, *pieces = NULL;
    size_t piece_count = threaded ? PIECE_COUNT : 1;
    *out = NULL;
    ng_status status = ngi_alloc(mem, sizeof(store_snapshot_sink), "snapshot", &block);
    if (status != NG_OK)
        return status;
    store_snapshot_sink *sink = block;
    *sink = (store_snapshot_sink){.os = os, .mem = mem, .piece_count = piece_count};
    NGI_TRY(ngi_alloc(mem, piece_count * PIECE_BYTES, "snapshot", &pieces));
    sink->pieces = pieces;
    NGI_TRY(
        os->file_open(os, path, NGI_OPEN_WRITE | NGI_OPEN_CREATE | NGI_OPEN_TRUNCATE, &sink->file));
    if (threaded)
        sink_start(sink);
    *out = sink;
    return NG_OK;
out:
    ngi_free(mem, pieces, piece_count * PIECE_BYTES);
    ngi_free(mem, sink, sizeof *sink);
    return status;
}
