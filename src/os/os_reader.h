/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A file read once from front to back, through the store's table of system calls.
 *
 * The parsers need two things that a plain read does not give: a window of bytes that is
 * contiguous although the file is read in chunks, and the place (line, offset) for messages.
 *
 * A source may stand between the file and the reader, which decompresses. Lines and offsets are then
 * those of what it gives.
 *
 * Invariants: 1. at <= end <= NGI_READER_CHUNK.
 *             2. data[end] == 0, so that scanning for a delimiter needs no bound.
 *             3. data[0] is the byte at offset `base` of the file, or of what the source gives.
 * Threads: one reader is used by one thread. */
#ifndef NGI_OS_READER_H
#define NGI_OS_READER_H

#include "base/base_mem.h"
#include "os/os.h"

#define NGI_READER_CHUNK ((size_t)1 << 20) /* also the longest line: 4096 numbers take a tenth */

/** Makes the bytes of a reader out of those of its file. */
typedef struct ngi_source ngi_source;
struct ngi_source {
    /** Gives up to `bytes`; `*got` is less only at the end. */
    ng_status (*read)(ngi_source *source, void *data, size_t bytes, size_t *got);
    /** The file is still open. */
    void (*close)(ngi_source *source);
    uint64_t consumed_bytes; /* of the file, so far */
};

typedef struct ngi_reader {
    ngi_os *os;
    ngi_mem *mem;
    const char *path; /* the caller's; for messages */
    ngi_file file;
    bool is_open;
    bool is_drained;    /* there are no bytes after data[end) */
    ngi_source *source; /* NULL = the file itself */
    char *data;
    size_t at, end;
    uint64_t base;
    uint64_t size_bytes; /* of the file when opened; for progress */
    uint64_t line;       /* of the line returned last: 1, 2, 3, ... */
} ngi_reader;

/** Opens `path`, which must outlive the reader; a UTF-8 byte order mark is passed over.
 *  Errors: those of file_open and file_read, NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_reader_open(ngi_reader *reader, ngi_os *os, ngi_mem *mem,
                                      const char *path);
/** Reads bytes in memory instead, which a zero byte follows and which outlive the reader; it need not be
 *  closed, and has no lines. `name` for messages. */
void ngi_reader_of_memory(ngi_reader *reader, const char *data, size_t bytes, const char *name);
/** Begins again at the first byte of what `source` gives, which the reader closes from now on, also
 *  on failure. Right after opening. */
NG_MUST_USE ng_status ngi_reader_filter(ngi_reader *reader, ngi_source *source);
/** A reader that is all zero bytes is allowed. */
void ngi_reader_close(ngi_reader *reader);
/** Makes [at, at + want) readable if the file has that many bytes; want <= NGI_READER_CHUNK.
 *  Pointers into `data` are invalid afterwards. */
NG_MUST_USE ng_status ngi_reader_want(ngi_reader *reader, size_t want);
/** Offset of the next byte, counted behind the source if there is one. */
uint64_t ngi_reader_offset(const ngi_reader *reader);
/** How much of `size_bytes` has been used; for progress. */
uint64_t ngi_reader_consumed(const ngi_reader *reader);

typedef struct ngi_line {
    char *text; /* followed by a 0 byte in place of the newline; valid until the next call */
    size_t bytes;
    bool is_terminated; /* false: the file ended before a newline */
} ngi_line;

/** The next line without its "\n" or "\r\n"; `*end` is set instead when there is none.
 *  Errors: NG_E_FORMAT "FILE line N: longer than 1048575 bytes", NG_E_IO. */
NG_MUST_USE ng_status ngi_reader_line(ngi_reader *reader, ngi_line *out, bool *end);

#endif
