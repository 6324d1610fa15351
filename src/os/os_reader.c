/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The reader: one buffer of a chunk, whose unread rest moves to the front before each read. */
#include "os/os_reader.h"

#include <inttypes.h>
#include <string.h>

static ng_status reader_fill(ngi_reader *reader)
{
    size_t rest = reader->end - reader->at;
    memmove(reader->data, reader->data + reader->at, rest);
    reader->base += reader->at;
    reader->at = 0;
    reader->end = rest;

    size_t got = 0, wanted = NGI_READER_CHUNK - rest;
    char *to = reader->data + rest;
    ng_status status = reader->source != NULL
                           ? reader->source->read(reader->source, to, wanted, &got)
                           : reader->os->file_read(reader->os, reader->file, to, wanted,
                                                   reader->base + rest, &got);
    if (status == NG_OK) {
        reader->end += got;
        reader->is_drained = got < wanted;
    }
    reader->data[reader->end] = 0;
    return status;
}

/* Fills the buffer for the first time. */
static ng_status reader_begin(ngi_reader *reader)
{
    reader->at = reader->end = 0;
    reader->base = 0;
    reader->is_drained = false;
    ng_status status = reader_fill(reader);
    if (status == NG_OK && memcmp(reader->data, "\xEF\xBB\xBF", 3) == 0)
        reader->at = 3; /* the byte order mark some editors leave is no part of the first word */
    return status;
}

ng_status ngi_reader_open(ngi_reader *reader, ngi_os *os, ngi_mem *mem, const char *path)
{
    ng_status status;
    void *data = NULL;

    *reader = (ngi_reader){.os = os, .mem = mem, .path = path};
    NGI_TRY(os->file_open(os, path, NGI_OPEN_READ, &reader->file));
    reader->is_open = true;
    NGI_TRY(os->file_size(os, reader->file, &reader->size_bytes));
    NGI_TRY(ngi_alloc(mem, NGI_READER_CHUNK + 1, "read buffer", &data));
    reader->data = data;
    NGI_TRY(reader_begin(reader));
out:
    if (status != NG_OK)
        ngi_reader_close(reader);
    return status;
}

void ngi_reader_of_memory(ngi_reader *reader, const char *data, size_t bytes, const char *name)
{
    *reader = (ngi_reader){.path = name,
                           .is_drained = true,
                           .data = (char *)(uintptr_t)data,
                           .end = bytes,
                           .size_bytes = bytes};
}

ng_status ngi_reader_filter(ngi_reader *reader, ngi_source *source)
{
    reader->source = source;
    return reader_begin(reader);
}

void ngi_reader_close(ngi_reader *reader)
{
    if (reader->source != NULL)
        reader->source->close(reader->source);
    if (reader->is_open)
        reader->os->file_close(reader->os, reader->file);
    if (reader->data != NULL)
        ngi_free(reader->mem, reader->data, NGI_READER_CHUNK + 1);
    *reader = (ngi_reader){0};
}

uint64_t ngi_reader_offset(const ngi_reader *reader)
{
    return reader->base + reader->at;
}

uint64_t ngi_reader_consumed(const ngi_reader *reader)
{
    return reader->source != NULL ? reader->source->consumed_bytes : ngi_reader_offset(reader);
}

ng_status ngi_reader_want(ngi_reader *reader, size_t want)
{
    if (reader->end - reader->at >= want || reader->is_drained)
        return NG_OK;
    return reader_fill(reader);
}

ng_status ngi_reader_line(ngi_reader *reader, ngi_line *out, bool *end)
{
    char *newline = memchr(reader->data + reader->at, '\n', reader->end - reader->at);
    if (newline == NULL && !reader->is_drained) {
        ng_status status = reader_fill(reader);
        if (status != NG_OK)
            return status;
        newline = memchr(reader->data, '\n', reader->end);
        if (newline == NULL && !reader->is_drained)
            return ngi_fail(NG_E_FORMAT, "%s line %" PRIu64 ": longer than %zu bytes", reader->path,
                            reader->line + 1, NGI_READER_CHUNK - 1);
    }
    *end = newline == NULL && reader->at == reader->end;
    if (*end)
        return NG_OK;

    out->text = reader->data + reader->at;
    out->is_terminated = newline != NULL;
    char *stop = newline != NULL ? newline : reader->data + reader->end;
    reader->at = (size_t)(stop - reader->data) + (newline != NULL ? 1 : 0);
    if (stop > out->text && stop[-1] == '\r')
        stop--;
    *stop = 0;
    out->bytes = (size_t)(stop - out->text);
    reader->line++;
    return NG_OK;
}
