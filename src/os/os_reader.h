/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A file read once from front to back, through the store's table of system calls.
 *
 * The parsers need two things that a plain read does not give: a window of bytes that is
 * contiguous although the file is read in chunks, and the place (line, offset) for messages.
 *
 * Invariants: 1. at <= end <= NGI_READER_CHUNK.
 *             2. data[end] == 0, so that scanning for a delimiter needs no bound.
 *             3. data[0] is the byte at file offset `base`.
 * Threads: one reader is used by one thread. */
#ifndef NGI_OS_READER_H
#define NGI_OS_READER_H

#include "base/base_mem.h"
#include "os/os.h"

#define NGI_READER_CHUNK ((size_t)1 << 20) /* also the longest line: 4096 numbers take a tenth */

typedef struct ngi_reader {
    ngi_os *os;
    ngi_mem *mem;
    const char *path; /* the caller's; for messages */
    ngi_file file;
    bool is_open;
    bool is_drained; /* the file has no bytes after data[end) */
    char *data;
    size_t at, end;
    uint64_t base;
    uint64_t size_bytes; /* when opened; for progress */
    uint64_t line;       /* of the line returned last: 1, 2, 3, ... */
} ngi_reader;

/** Opens `path`, which must outlive the reader; a UTF-8 byte order mark is passed over.
 *  Errors: those of file_open and file_read, NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_reader_open(ngi_reader *reader, ngi_os *os, ngi_mem *mem,
                                      const char *path);
/** Reads bytes in memory instead, which a zero byte follows and which outlive the reader; it need not be
 *  closed, and has no lines. `name` for messages. */
void ngi_reader_of_memory(ngi_reader *reader, const char *data, size_t bytes, const char *name);
/** A reader that is all zero bytes is allowed. */
void ngi_reader_close(ngi_reader *reader);
/** Makes [at, at + want) readable if the file has that many bytes; want <= NGI_READER_CHUNK.
 *  Pointers into `data` are invalid afterwards. */
NG_MUST_USE ng_status ngi_reader_want(ngi_reader *reader, size_t want);
/** File offset of the next byte. */
uint64_t ngi_reader_offset(const ngi_reader *reader);

typedef struct ngi_line {
    char *text; /* followed by a 0 byte in place of the newline; valid until the next call */
    size_t bytes;
    bool is_terminated; /* false: the file ended before a newline */
} ngi_line;

/** The next line without its "\n" or "\r\n"; `*end` is set instead when there is none.
 *  Errors: NG_E_FORMAT "FILE line N: longer than 1048575 bytes", NG_E_IO. */
NG_MUST_USE ng_status ngi_reader_line(ngi_reader *reader, ngi_line *out, bool *end);

#endif
