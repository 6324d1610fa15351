/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A file that is written by a thread of its own, so that putting bytes together and giving them to
 * the system happen side by side. */
#ifndef NGI_STORE_SNAPSHOT_SINK_H
#define NGI_STORE_SNAPSHOT_SINK_H

#include "base/base_mem.h"
#include "os/os.h"

typedef struct store_snapshot_sink store_snapshot_sink;

/** Creates the file, or empties it. Without `threaded`, or when there is no thread to be had,
 *  writes happen in the caller's. */
NG_MUST_USE ng_status ngi_snapshot_sink_open(ngi_os *os, ngi_mem *mem, const char *path,
                                             bool threaded, store_snapshot_sink **out);
/** An ng_sink_fn; the context is the sink. A failed write is reported by a later call. */
ng_status ngi_snapshot_sink_take(void *context, const void *data, size_t bytes);
/** Writes what is left and syncs. */
NG_MUST_USE ng_status ngi_snapshot_sink_sync(store_snapshot_sink *sink);
/** Closes the file and frees the sink, whatever has happened before. NULL is allowed. The message
 *  of the last error stays. */
void ngi_snapshot_sink_close(store_snapshot_sink *sink);

#endif
