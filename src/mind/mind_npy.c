/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Rows of an array, each with the line of the vocabulary that names it. */
#include "mind/mind_npy.h"

#include "base/base_bytes.h"
#include "mind/mind_gzip.h"
#include "mind/mind_text.h"
#include "model/model_number.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define NPY_VOCABULARY_NAME "vocab.txt"
#define NPY_VOCABULARY_ROOM 16 /* for what a name gets instead of .npy */

/* ---- where the vocabulary is ---- */

static bool npy_ends(const char *path, size_t bytes, const char *ending)
{
    size_t length = strlen(ending);
    return bytes > length && memcmp(path + bytes - length, ending, length) == 0;
}

/* Puts the `index`-th name at which a vocabulary is looked for into the block. */
static bool npy_candidate(ngi_npy *npy, unsigned index)
{
    const char *path = npy->reader.path;
    size_t bytes = strlen(path);
    if (npy_ends(path, bytes, ".gz"))
        bytes -= 3;
    if (npy_ends(path, bytes, ".npy"))
        bytes -= 4;
    const char *slash = strrchr(path, '/');
    const char *name = index == 0 ? ".vocab" : index == 1 ? ".txt" : NPY_VOCABULARY_NAME;
    if (index == 2)
        bytes = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    memcpy(npy->vocabulary_path, path, bytes);
    memcpy(npy->vocabulary_path + bytes, name, strlen(name) + 1);
    return strcmp(npy->vocabulary_path, path) != 0;
}

static ng_status npy_find_vocabulary(ngi_npy *npy)
{
    void *block = NULL;
    size_t bytes = strlen(npy->reader.path) + NPY_VOCABULARY_ROOM;
    ng_status status = ngi_alloc(npy->mem, bytes, "path of a vocabulary", &block);
    if (status != NG_OK)
        return status;
    npy->vocabulary_path = block;
    npy->path_bytes = bytes;
    for (unsigned i = 0; i < 3; i++) {
        if (!npy_candidate(npy, i))
            continue;
        status = ngi_gzip_reader_open(&npy->vocabulary, npy->os, npy->mem, npy->vocabulary_path);
        if (status != NG_E_NOT_FOUND)
            return status;
    }
    (void)npy_candidate(npy, 0);
    return ngi_fail(NG_E_NOT_FOUND,
                    "%s: no vocabulary: neither %s nor the same with .txt, nor " NPY_VOCABULARY_NAME
                    " beside it is there",
                    npy->reader.path, npy->vocabulary_path);
}

static ng_status npy_open_vocabulary(ngi_npy *npy, const char *path)
{
    if (path == NULL)
        path = npy->vocabulary_path;
    return path != NULL ? ngi_gzip_reader_open(&npy->vocabulary, npy->os, npy->mem, path)
                        : npy_find_vocabulary(npy);
}

/* ---- what is in it ---- */

/* A word and as many numbers as a row has: a file of embeddings that happens to have the name. */
static bool npy_is_embedding(const ngi_npy *npy, const ngi_line *line)
{
    const char *p = line->text;
    size_t numbers = 0;
    p += strspn(p, " \t");
    p += strcspn(p, " \t");
    for (p += strspn(p, " \t"); *p != 0; p += strspn(p, " \t"), numbers++) {
        const char *end;
        float value;
        ngi_number_status status = ngi_number_parse_float(p, &end, &value);
        if (status == NGI_NUMBER_GARBAGE || (*end != 0 && *end != ' ' && *end != '\t'))
            return false;
        p = end;
    }
    return numbers == npy->shape.dimensions;
}

static ng_status npy_count_lines(ngi_npy *npy)
{
    ngi_reader *vocabulary = &npy->vocabulary;
    for (;;) {
        ngi_line line;
        bool end;
        ng_status status = ngi_reader_line(vocabulary, &line, &end);
        if (status != NG_OK)
            return status;
        if (end)
            break;
        if (vocabulary->line == 1 && npy_is_embedding(npy, &line))
            return ngi_fail(NG_E_FORMAT,
                            "%s line 1: is a word with %" PRIu32
                            " numbers, but a vocabulary has a word a line",
                            vocabulary->path, npy->shape.dimensions);
    }
    if (vocabulary->line != npy->shape.rows)
        return ngi_fail(NG_E_FORMAT, "%s: %" PRIu64 " lines, but %s has %" PRIu64 " rows",
                        vocabulary->path, vocabulary->line, npy->reader.path, npy->shape.rows);
    return NG_OK;
}

static ng_status npy_begin(ngi_npy *npy, const char *path, const char *vocabulary)
{
    ng_status status;
    NGI_TRY(ngi_gzip_reader_open(&npy->reader, npy->os, npy->mem, path));
    NGI_TRY(ngi_npy_read_header(&npy->reader, &npy->shape));
    if (npy->shape.rows == 0)
        return ngi_fail(NG_E_FORMAT, "%s: has no words", path);
    NGI_TRY(npy_open_vocabulary(npy, vocabulary));
    NGI_TRY(npy_count_lines(npy));
    ngi_reader_close(&npy->vocabulary); /* and once more from the front */
    NGI_TRY(npy_open_vocabulary(npy, vocabulary));
out:
    return status;
}

ng_status ngi_npy_open(ngi_mem *mem, ngi_os *os, const char *path, const char *vocabulary,
                       ngi_npy **out)
{
    void *block = NULL;
    ng_status status = ngi_alloc(mem, sizeof(ngi_npy), "embedding reader", &block);
    if (status != NG_OK)
        return status;
    ngi_npy *npy = block;
    memset(npy, 0, sizeof *npy);
    npy->mem = mem;
    npy->os = os;
    status = npy_begin(npy, path, vocabulary);
    if (status != NG_OK) {
        ngi_npy_close(mem, npy);
        return status;
    }
    *out = npy;
    return NG_OK;
}

void ngi_npy_close(ngi_mem *mem, ngi_npy *npy)
{
    if (npy == NULL)
        return;
    ngi_reader_close(&npy->vocabulary);
    ngi_reader_close(&npy->reader);
    ngi_free(mem, npy->vocabulary_path, npy->path_bytes);
    ngi_free(mem, npy, sizeof *npy);
}

/* ---- rows ---- */

/* IEEE 754 half precision, exactly. */
static float npy_half(uint16_t half)
{
    unsigned exponent = (half >> 10) & 31, fraction = half & 1023;
    float value = exponent == 0    ? ldexpf((float)fraction, -24)
                  : exponent == 31 ? (fraction == 0 ? INFINITY : NAN)
                                   : ldexpf((float)(1024 + fraction), (int)exponent - 25);
    return (half & 0x8000) != 0 ? -value : value;
}

static float npy_double(const uint8_t *p)
{
    uint64_t bits = ngi_get_u64(p);
    double value;
    memcpy(&value, &bits, sizeof value);
    return (float)value; /* infinite when it is beyond a float */
}

static float npy_number(const uint8_t *p, unsigned item_bytes)
{
    return item_bytes == 4   ? ngi_get_f32(p)
           : item_bytes == 8 ? npy_double(p)
                             : npy_half(ngi_get_u16(p));
}

static ng_status npy_row(ngi_npy *npy)
{
    ngi_reader *reader = &npy->reader;
    const unsigned item_bytes = npy->shape.item_bytes;
    size_t bytes = (size_t)npy->shape.dimensions * item_bytes;
    ng_status status = ngi_reader_want(reader, bytes);
    if (status != NG_OK)
        return status;
    size_t rest = reader->end - reader->at;
    if (rest < bytes)
        return ngi_fail(NG_E_FORMAT, "%s: ends %s row %" PRIu64 " of %" PRIu64 " (truncated file)",
                        reader->path, rest == 0 ? "before" : "in the middle of", npy->row_count + 1,
                        npy->shape.rows);
    const uint8_t *p = (const uint8_t *)reader->data + reader->at;
    for (uint32_t i = 0; i < npy->shape.dimensions; i++, p += item_bytes) {
        npy->vector[i] = npy_number(p, item_bytes);
        if (!isfinite(npy->vector[i]))
            return ngi_fail(NG_E_FORMAT,
                            "%s byte %" PRIu64 ": number %" PRIu32 " of row %" PRIu64
                            " is not finite",
                            reader->path, ngi_reader_offset(reader) + (uint64_t)i * item_bytes,
                            i + 1, npy->row_count + 1);
    }
    reader->at += bytes;
    return NG_OK;
}

/* After the last row. */
static ng_status npy_finish(ngi_npy *npy)
{
    ngi_reader *reader = &npy->reader;
    ng_status status = ngi_reader_want(reader, 1);
    if (status == NG_OK && reader->at < reader->end)
        return ngi_fail(NG_E_FORMAT,
                        "%s byte %" PRIu64 ": more than the %" PRIu64 " rows of the header",
                        reader->path, ngi_reader_offset(reader), npy->shape.rows);
    return status;
}

ng_status ngi_npy_next(ngi_npy *npy, ngi_word *out, bool *end)
{
    ngi_reader *vocabulary = &npy->vocabulary;
    ngi_line line;
    *end = npy->row_count == npy->shape.rows;
    if (*end)
        return npy_finish(npy);
    ng_status status = npy_row(npy);
    bool is_short = false;
    if (status == NG_OK)
        status = ngi_reader_line(vocabulary, &line, &is_short);
    if (status != NG_OK)
        return status;
    if (is_short)
        return ngi_fail(NG_E_FORMAT, "%s: ends before the word of row %" PRIu64 " (truncated file)",
                        vocabulary->path, npy->row_count + 1);
    if (!ngi_text_is_utf8(line.text, line.bytes))
        return ngi_fail(NG_E_FORMAT, "%s line %" PRIu64 ": the word is not valid UTF-8",
                        vocabulary->path, vocabulary->line);
    npy->row_count++;
    *out = (ngi_word){.text = line.text,
                      .bytes = line.bytes,
                      .vector = npy->vector,
                      .path = vocabulary->path,
                      .unit = "line",
                      .position = vocabulary->line};
    return NG_OK;
}
