/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files of embeddings made up in memory, for tests: bytes that grow, .npy headers, gzip. */
#ifndef NGI_MIND_FORMATS_TESTING_H
#define NGI_MIND_FORMATS_TESTING_H

#include "base/base_bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef struct made_file {
    uint8_t *data;
    size_t bytes, capacity;
} made_file;

static inline void made_require(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "cannot make a file for a test: %s\n", what);
    abort();
}

static inline void made_put(made_file *file, const void *data, size_t bytes)
{
    if (file->capacity - file->bytes <= bytes) {
        file->capacity = 2 * file->capacity + bytes + 1;
        file->data = realloc(file->data, file->capacity);
        made_require(file->data != NULL, "memory");
    }
    if (bytes > 0)
        memcpy(file->data + file->bytes, data, bytes);
    file->bytes += bytes;
}

/* The byte that `back` others follow. */
static inline uint8_t *made_last(made_file *file, size_t back)
{
    made_require(file->bytes > back, "too short");
    return file->data + file->bytes - 1 - back;
}

static inline void made_text(made_file *file, const char *text)
{
    made_put(file, text, strlen(text));
}

static inline void made_float(made_file *file, float value)
{
    uint8_t bytes[4];
    ngi_put_f32(bytes, value);
    made_put(file, bytes, sizeof bytes);
}

static inline void made_double(made_file *file, double value)
{
    uint8_t bytes[8];
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    ngi_put_u64(bytes, bits);
    made_put(file, bytes, sizeof bytes);
}

static inline void made_half(made_file *file, uint16_t bits)
{
    uint8_t bytes[2];
    ngi_put_u16(bytes, bits);
    made_put(file, bytes, sizeof bytes);
}

/* Magic, version, length and the dictionary, padded as NumPy does. */
static inline void made_npy_header(made_file *file, unsigned major, const char *dictionary)
{
    uint8_t head[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (uint8_t)major, 0};
    size_t prefix = major == 1 ? 10 : 12, length = strlen(dictionary);
    size_t padded = (prefix + length + 1 + 63) / 64 * 64 - prefix;
    if (major == 1)
        ngi_put_u16(head + 8, (uint16_t)padded);
    else
        ngi_put_u32(head + 8, (uint32_t)padded);
    made_put(file, head, prefix);
    made_text(file, dictionary);
    for (size_t i = length; i + 1 < padded; i++)
        made_text(file, " ");
    made_text(file, "\n");
}

/* Appends `bytes` as a gzip member. */
static inline void made_gzip(made_file *file, const void *data, size_t bytes)
{
    z_stream stream = {0};
    made_require(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) ==
                     Z_OK,
                 "deflate");
    size_t room = deflateBound(&stream, (uLong)bytes);
    uint8_t *out = malloc(room), *in = malloc(bytes + 1);
    made_require(out != NULL && in != NULL, "memory");
    if (bytes > 0)
        memcpy(in, data, bytes);
    stream.next_in = in;
    stream.avail_in = (uInt)bytes;
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    made_require(deflate(&stream, Z_FINISH) == Z_STREAM_END, "deflate");
    made_put(file, out, room - stream.avail_out);
    made_require(deflateEnd(&stream) == Z_OK, "deflate");
    free(out);
    free(in);
}

static inline void made_release(made_file *file)
{
    free(file->data);
    *file = (made_file){0};
}

#endif
