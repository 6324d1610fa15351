/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Streams in files. */
#include "store/store_file.h"

#include <stdio.h>
#include <string.h>

#define SINK_BYTES (1u << 20)
#define CLEAR_ROUNDS_MAX                                                                           \
    65536u /* files removed from one directory, so that no race lasts forever */
#define NAME_BYTES 256u

ng_status ngi_file_source(void *context, void *data, size_t capacity, size_t *bytes)
{
    store_file_source *source = context;
    *bytes = 0;
    ng_status status =
        source->os->file_read(source->os, source->file, data, capacity, source->offset, bytes);
    if (status == NG_OK)
        source->offset += *bytes;
    return status;
}

ng_status ngi_file_sink_flush(store_file_sink *sink)
{
    if (sink->buffer.bytes == 0)
        return NG_OK;
    ng_status status = sink->os->file_write(sink->os, sink->file, sink->buffer.data,
                                            sink->buffer.bytes, sink->offset);
    if (status != NG_OK)
        return status;
    sink->offset += sink->buffer.bytes;
    sink->buffer.bytes = 0;
    return NG_OK;
}

ng_status ngi_file_sink(void *context, const void *data, size_t bytes)
{
    store_file_sink *sink = context;
    const uint8_t *from = data;
    ng_status status = NG_OK;
    if (sink->buffer.data == NULL)
        status = ngi_buffer_reserve(sink->mem, &sink->buffer, SINK_BYTES, "stream buffer");
    while (status == NG_OK && bytes > 0) {
        size_t room = SINK_BYTES - sink->buffer.bytes;
        size_t step = bytes < room ? bytes : room;
        memcpy(sink->buffer.data + sink->buffer.bytes, from, step);
        sink->buffer.bytes += step;
        from += step;
        bytes -= step;
        if (sink->buffer.bytes == SINK_BYTES)
            status = ngi_file_sink_flush(sink);
    }
    return status;
}

void ngi_file_sink_release(store_file_sink *sink)
{
    ngi_buffer_release(sink->mem, &sink->buffer);
}

ng_status ngi_file_path(const char *directory, const char *name, char out[STORE_PATH_BYTES])
{
    int bytes = snprintf(out, STORE_PATH_BYTES, "%s/%s", directory, name);
    if (bytes < 0 || bytes >= STORE_PATH_BYTES)
        return ngi_fail(NG_E_INVALID, "path of %zu bytes is longer than %d", strlen(directory),
                        STORE_PATH_BYTES - (int)NAME_BYTES);
    return NG_OK;
}

ng_status ngi_file_beside(const char *path, const char *suffix, char out[STORE_PATH_BYTES])
{
    size_t bytes = strlen(path);
    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    if (bytes == 0 || bytes + strlen(suffix) + NAME_BYTES >= STORE_PATH_BYTES)
        return ngi_fail(NG_E_INVALID, "path of %zu bytes is outside 1..%d", bytes,
                        STORE_PATH_BYTES - 2 * (int)NAME_BYTES);
    memcpy(out, path, bytes);
    memcpy(out + bytes, suffix, strlen(suffix) + 1);
    return NG_OK;
}

/* The name of any file but one, the last that the listing gave. */
typedef struct file_pick {
    const char *kept;
    char name[NAME_BYTES];
} file_pick;

static ng_status file_see(void *context, const char *name)
{
    file_pick *pick = context;
    if (pick->kept == NULL || strcmp(name, pick->kept) != 0)
        snprintf(pick->name, sizeof pick->name, "%s", name);
    return NG_OK;
}

ng_status ngi_file_clear(ngi_os *os, const char *directory, const char *kept)
{
    char path[STORE_PATH_BYTES];
    for (unsigned round = 0; round < CLEAR_ROUNDS_MAX; round++) {
        file_pick pick = {.kept = kept};
        ng_status status = os->list_directory(os, directory, file_see, &pick);
        if (status != NG_OK || pick.name[0] == '\0')
            return status;
        status = ngi_file_path(directory, pick.name, path);
        if (status == NG_OK)
            status = os->remove(os, path);
        if (status != NG_OK)
            return status;
    }
    return ngi_fail(NG_E_LIMIT, "%s: more than %u files to remove", directory, CLEAR_ROUNDS_MAX);
}

void ngi_file_discard(ngi_os *os, const char *directory)
{
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    if (ngi_file_clear(os, directory, NULL) == NG_OK)
        (void)!os->remove_directory(os, directory);
    ngi_error_set(reason);
}
