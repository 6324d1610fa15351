/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The gzip source: zlib between a file and its reader. zlib allocates twice, a state and a window,
 * through the store's hook. */
#include "mind/mind_gzip.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

#define GZIP_INPUT_BYTES ((size_t)64 << 10)
#define GZIP_WINDOW_BITS (16 + MAX_WBITS) /* 16: gzip, and nothing else that zlib knows */
#define GZIP_BLOCK_HEADER 16              /* keeps what zlib allocates aligned as malloc's is */

typedef struct gzip_source {
    ngi_source source;
    ngi_os *os;
    ngi_mem *mem;
    const char *path;
    ngi_file file; /* the reader's */
    z_stream stream;
    bool in_member;       /* no: between two, or before the first */
    bool has_member;      /* one was read to its end */
    bool is_exhausted;    /* the file has no bytes after those in `input` */
    uint64_t file_offset; /* of the next read */
    uint8_t input[GZIP_INPUT_BYTES];
} gzip_source;

/* zlib does not say how large a block is that it gives back, so the block knows. */
static voidpf gzip_alloc(voidpf context, uInt items, uInt size)
{
    size_t bytes = (size_t)items * size + GZIP_BLOCK_HEADER; /* zlib asks for some KiB */
    void *block = NULL;
    if (ngi_alloc(context, bytes, "gzip decoder", &block) != NG_OK)
        return NULL;
    memcpy(block, &bytes, sizeof bytes);
    return (uint8_t *)block + GZIP_BLOCK_HEADER;
}

static void gzip_free(voidpf context, voidpf address)
{
    uint8_t *block = (uint8_t *)address - GZIP_BLOCK_HEADER;
    size_t bytes;
    memcpy(&bytes, block, sizeof bytes);
    ngi_free(context, block, bytes);
}

static uint64_t gzip_offset(const gzip_source *gzip)
{
    return gzip->file_offset - gzip->stream.avail_in;
}

static ng_status gzip_fail(const gzip_source *gzip, const char *reason)
{
    return ngi_fail(NG_E_FORMAT, "%s byte %" PRIu64 ": damaged gzip data: %s", gzip->path,
                    gzip_offset(gzip), reason);
}

static ng_status gzip_fail_truncated(const gzip_source *gzip)
{
    return ngi_fail(NG_E_FORMAT,
                    "%s: ends in the middle of its gzip data (truncated file, at byte %" PRIu64 ")",
                    gzip->path, gzip->file_offset);
}

/* Reads more of the file when none of what was read is left. */
static ng_status gzip_fill(gzip_source *gzip)
{
    size_t got = 0;
    if (gzip->stream.avail_in > 0 || gzip->is_exhausted)
        return NG_OK;
    ng_status status = gzip->os->file_read(gzip->os, gzip->file, gzip->input, GZIP_INPUT_BYTES,
                                           gzip->file_offset, &got);
    if (status != NG_OK)
        return status;
    gzip->file_offset += got;
    gzip->is_exhausted = got < GZIP_INPUT_BYTES;
    gzip->stream.next_in = gzip->input;
    gzip->stream.avail_in = (uInt)got;
    return NG_OK;
}

/* Behind a member: passes over zeros, and begins the next one if there is any. */
static ng_status gzip_next_member(gzip_source *gzip, bool *end)
{
    z_stream *stream = &gzip->stream;
    *end = false;
    for (;;) {
        ng_status status = gzip_fill(gzip);
        if (status != NG_OK)
            return status;
        while (gzip->has_member && stream->avail_in > 0 && *stream->next_in == 0) {
            stream->next_in++;
            stream->avail_in--;
        }
        if (stream->avail_in > 0)
            break;
        *end = gzip->is_exhausted;
        if (*end)
            return gzip->has_member ? NG_OK : gzip_fail_truncated(gzip);
    }
    if (*stream->next_in != 0x1F)
        return gzip_fail(gzip, "what follows is no gzip data");
    gzip->in_member = true;
    (void)inflateReset(stream); /* fails only for a stream that was never set up */
    return NG_OK;
}

/* One step of the decoder, which takes input or gives output. */
static ng_status gzip_inflate(gzip_source *gzip)
{
    z_stream *stream = &gzip->stream;
    ng_status status = gzip_fill(gzip);
    if (status != NG_OK)
        return status;
    int result = inflate(stream, Z_NO_FLUSH);
    switch (result) {
    case Z_OK:
        return NG_OK;
    case Z_STREAM_END:
        gzip->in_member = false;
        gzip->has_member = true;
        return NG_OK;
    case Z_BUF_ERROR: /* neither: it wants input */
        return gzip->is_exhausted ? gzip_fail_truncated(gzip) : NG_OK;
    case Z_MEM_ERROR:
        return NG_E_NOMEM; /* gzip_alloc has said why */
    default:
        return gzip_fail(gzip, stream->msg != NULL ? stream->msg : "not to be decoded");
    }
}

static ng_status gzip_read(ngi_source *source, void *data, size_t bytes, size_t *got)
{
    gzip_source *gzip = (gzip_source *)source;
    ng_status status = NG_OK;
    bool end = false;
    if (bytes > UINT_MAX)
        bytes = UINT_MAX;
    gzip->stream.next_out = data;
    gzip->stream.avail_out = (uInt)bytes;
    while (status == NG_OK && !end && gzip->stream.avail_out > 0)
        status = gzip->in_member ? gzip_inflate(gzip) : gzip_next_member(gzip, &end);
    *got = bytes - gzip->stream.avail_out;
    source->consumed_bytes = gzip_offset(gzip);
    return status;
}

static void gzip_close(ngi_source *source)
{
    gzip_source *gzip = (gzip_source *)source;
    (void)inflateEnd(&gzip->stream);
    ngi_free(gzip->mem, gzip, sizeof *gzip);
}

static ng_status gzip_filter(ngi_reader *reader)
{
    void *block = NULL;
    ng_status status = ngi_alloc(reader->mem, sizeof(gzip_source), "gzip reader", &block);
    if (status != NG_OK)
        return status;
    gzip_source *gzip = block;
    memset(gzip, 0, offsetof(gzip_source, input));
    gzip->source = (ngi_source){.read = gzip_read, .close = gzip_close};
    gzip->os = reader->os;
    gzip->mem = reader->mem;
    gzip->path = reader->path;
    gzip->file = reader->file;
    gzip->stream.zalloc = gzip_alloc;
    gzip->stream.zfree = gzip_free;
    gzip->stream.opaque = reader->mem;
    if (inflateInit2(&gzip->stream, GZIP_WINDOW_BITS) != Z_OK) {
        ngi_free(reader->mem, gzip, sizeof *gzip);
        return NG_E_NOMEM; /* gzip_alloc has said why */
    }
    return ngi_reader_filter(reader, &gzip->source);
}

ng_status ngi_gzip_reader_open(ngi_reader *reader, ngi_os *os, ngi_mem *mem, const char *path)
{
    ng_status status = ngi_reader_open(reader, os, mem, path);
    if (status != NG_OK || reader->end < 2 || memcmp(reader->data, "\x1F\x8B", 2) != 0)
        return status;
    status = gzip_filter(reader);
    if (status != NG_OK)
        ngi_reader_close(reader);
    return status;
}
