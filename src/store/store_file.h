/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Streams in files: a source and a sink over the system's table, and small work on the files and
 * directories that hold them.
 *
 * Threads: one at a time for one source or sink. */
#ifndef NGI_STORE_FILE_H
#define NGI_STORE_FILE_H

#include "base/base_mem.h"
#include "os/os.h"

#define STORE_PATH_BYTES 4352
#define STORE_NO_FILE (-1)

/** Reads an open file from `offset` on. */
typedef struct store_file_source {
    ngi_os *os;
    ngi_file file;
    uint64_t offset;
} store_file_source;

/** An ng_source_fn; the context is a store_file_source. */
ng_status ngi_file_source(void *context, void *data, size_t capacity, size_t *bytes);

/** Appends to an open file, in large pieces. */
typedef struct store_file_sink {
    ngi_os *os;
    ngi_mem *mem;
    ngi_file file;
    uint64_t offset; /* of the buffer in the file */
    ngi_buffer buffer;
} store_file_sink;

/** An ng_sink_fn; the context is a store_file_sink. */
ng_status ngi_file_sink(void *context, const void *data, size_t bytes);
/** Writes what is left in the buffer. */
NG_MUST_USE ng_status ngi_file_sink_flush(store_file_sink *sink);
void ngi_file_sink_release(store_file_sink *sink);

/** "directory/name"; NG_E_INVALID if that is too long for a path. */
NG_MUST_USE ng_status ngi_file_path(const char *directory, const char *name,
                                    char out[STORE_PATH_BYTES]);
/** The path without slashes at its end, followed by `suffix`. */
NG_MUST_USE ng_status ngi_file_beside(const char *path, const char *suffix,
                                      char out[STORE_PATH_BYTES]);
/** Removes a directory and the files in it. Whatever cannot be removed stays; the message of the
 *  error before is kept. */
void ngi_file_discard(ngi_os *os, const char *directory);
/** Removes the files of a directory but `kept`. */
NG_MUST_USE ng_status ngi_file_clear(ngi_os *os, const char *directory, const char *kept);

#endif
