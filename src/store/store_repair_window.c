/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading damaged files: a window that slides over one, and goes on behind sectors that fail. */
#include "store/store_repair_private.h"

#include <string.h>

#define WINDOW_BYTES ((size_t)1 << 20)
#define SECTOR_BYTES 4096u
#define WASTE_BYTES_MAX (UINT64_C(1) << 30) /* a fraction of a second */
#define SMALL_BYTES 4096u                   /* may always be tried */

ng_status ngi_repair_window_open(const store_repair *repair, const char *name, repair_window *out)
{
    char path[STORE_PATH_BYTES];
    *out = (repair_window){.os = repair->os, .mem = repair->mem, .file = STORE_NO_FILE};
    ng_status status = ngi_file_path(repair->path, name, path);
    if (status == NG_OK)
        status = repair->os->file_open(repair->os, path, NGI_OPEN_READ, &out->file);
    if (status != NG_OK) {
        out->file = STORE_NO_FILE;
        return status;
    }
    status = repair->os->file_size(repair->os, out->file, &out->file_bytes);
    if (status != NG_OK)
        ngi_repair_window_close(out);
    return status;
}

void ngi_repair_window_close(repair_window *window)
{
    if (window->os == NULL)
        return;
    if (window->file != STORE_NO_FILE)
        window->os->file_close(window->os, window->file);
    ngi_buffer_release(window->mem, &window->buffer);
    *window = (repair_window){0};
}

/* Reads sector by sector, zeroes for those that fail. */
static void window_read_sectors(repair_window *window, uint64_t offset, size_t bytes)
{
    uint8_t *at = window->buffer.data;
    memset(at, 0, bytes);
    for (size_t done = 0; done < bytes; done += SECTOR_BYTES) {
        size_t step = bytes - done < SECTOR_BYTES ? bytes - done : SECTOR_BYTES;
        size_t got = 0;
        if (window->os->file_read(window->os, window->file, at + done, step, offset + done, &got) !=
            NG_OK)
            memset(at + done, 0, step);
    }
}

static ng_status window_fill(repair_window *window, uint64_t offset, size_t bytes)
{
    size_t want = bytes < WINDOW_BYTES ? WINDOW_BYTES : bytes;
    if (want > window->file_bytes - offset)
        want = (size_t)(window->file_bytes - offset);
    window->buffer.bytes = 0;
    ng_status status = ngi_buffer_reserve(window->mem, &window->buffer, want, "repair window");
    if (status != NG_OK)
        return status;
    size_t got = 0;
    status =
        window->os->file_read(window->os, window->file, window->buffer.data, want, offset, &got);
    if (status == NG_E_IO) {
        window_read_sectors(window, offset, want);
        status = NG_OK;
        got = want;
    }
    if (status == NG_OK && got < want)
        memset(window->buffer.data + got, 0, want - got); /* it shrank under us */
    if (status == NG_OK) {
        window->begin = offset;
        window->buffer.bytes = want;
    }
    return status;
}

ng_status ngi_repair_window_at(repair_window *window, uint64_t offset, size_t bytes,
                               const uint8_t **data, size_t *available)
{
    *data = NULL;
    *available = 0;
    if (offset >= window->file_bytes)
        return NG_OK;
    if (bytes > window->file_bytes - offset)
        bytes = (size_t)(window->file_bytes - offset);
    bool inside = offset >= window->begin && offset - window->begin <= window->buffer.bytes &&
                  window->buffer.bytes - (offset - window->begin) >= bytes;
    if (!inside) {
        ng_status status = window_fill(window, offset, bytes);
        if (status != NG_OK)
            return status;
    }
    *data = window->buffer.data + (offset - window->begin);
    *available = window->buffer.bytes - (size_t)(offset - window->begin);
    return NG_OK;
}

bool ngi_repair_window_may_try(const repair_window *window, size_t bytes)
{
    return bytes <= SMALL_BYTES || window->wasted_bytes < WASTE_BYTES_MAX;
}
