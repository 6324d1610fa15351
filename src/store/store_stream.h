/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Streams out of a store and into one that follows: behind ng_stream_write, ng_stream_write_path and
 * ng_stream_apply. Arguments are checked for NULL; behaviour is that of neurograph.h. */
#ifndef NGI_STORE_STREAM_H
#define NGI_STORE_STREAM_H

#include "store/store_snapshot.h"

/** `options` and `out` may be NULL. */
NG_MUST_USE ng_status ngi_store_stream_write(ng_store *store, const ng_stream_options *options,
                                             ng_sink_fn sink, void *sink_context,
                                             ng_stream_report *out);
NG_MUST_USE ng_status ngi_store_stream_write_path(ngi_os *os, ngi_mem *mem, const char *path,
                                                  const ng_stream_options *options, ng_sink_fn sink,
                                                  void *sink_context, ng_stream_report *out);
/** `out` is filled on failure as well: ops before a damaged place have been applied. */
NG_MUST_USE ng_status ngi_store_stream_apply(ng_store *store, ng_source_fn source,
                                             void *source_context, ng_stream_report *out);

#endif
