/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One file of embeddings, whatever its format; and which format it is. */
#include "mind/mind_words.h"

#include "mind/mind_glove.h"
#include "mind/mind_gzip.h"
#include "mind/mind_npy.h"
#include "mind/mind_text.h"
#include "mind/mind_wink.h"
#include "mind/mind_word2vec.h"
#include "model/model_number.h"

#include <string.h>

/* ---- which format ---- */

/* What people have instead of one of ours. Read as text it would only be "not a number". */
static ng_status words_refuse_known(const char *path, const char *p, size_t bytes)
{
    static const struct {
        size_t at, bytes;
        const char *magic, *text;
    } known[] = {
        {0, 4, "PK\x03\x04",
         "a zip archive (.npz is one); its .npy can be loaded once it is unpacked"},
        {0, 4, "\xBA\x16\x4F\x2F", "a model of fastText; its vectors as text (.vec) can be loaded"},
        {4, 6, "1AY&SY", "compressed with bzip2; gzip can be loaded"},
        {0, 6, "\xFD\x37zXZ\x00", "compressed with xz; gzip can be loaded"},
        {0, 4, "\x28\xB5\x2F\xFD", "compressed with zstd; gzip can be loaded"},
        {0, 8, "\x89HDF\r\n\x1A\n", "an HDF5 file; its vectors as .npy can be loaded"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (bytes >= known[i].at + known[i].bytes &&
            memcmp(p + known[i].at, known[i].magic, known[i].bytes) == 0)
            return ngi_fail(NG_E_FORMAT, "%s: is %s", path, known[i].text);
    }
    return NG_OK;
}

/* Whether the line at `p` is a word and `dimensions` decimal numbers. */
static bool words_is_text(const char *p, uint64_t dimensions)
{
    uint64_t count = 0;
    p += strspn(p, " \t");
    p += strcspn(p, " \t\n");
    for (p += strspn(p, " \t"); *p != 0 && *p != '\n' && *p != '\r'; p += strspn(p, " \t")) {
        const char *end;
        float value;
        if (ngi_number_parse_float(p, &end, &value) == NGI_NUMBER_GARBAGE ||
            strchr(" \t\r\n", *end) == NULL) /* also the zero at the end */
            return false;
        p = end;
        count++;
    }
    return count == dimensions;
}

/* Whether bytes that follow a word are numbers as a machine has them. Text has no control codes and
 * is valid UTF-8; among the bytes of two floats one that is neither is all but certain. */
static bool words_is_binary(const char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        uint8_t c = (uint8_t)p[i];
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F)
            return true;
    }
    while (bytes > 0 && ((uint8_t)p[bytes - 1] & 0xC0) == 0x80)
        bytes--; /* the window may end in the middle of a code point */
    if (bytes > 0 && (uint8_t)p[bytes - 1] >= 0xC0)
        bytes--;
    return !ngi_text_is_utf8(p, bytes);
}

/* Of a file that has the header of word2vec, whose text begins at `p`: both of its forms have it. */
static ng_format words_form(const char *p, size_t bytes, uint64_t dimensions)
{
    const char *blank = memchr(p, ' ', bytes < NGI_WORD_BYTES_MAX ? bytes : NGI_WORD_BYTES_MAX);
    if (dimensions < NGI_DIMENSIONS_MIN || dimensions > NGI_DIMENSIONS_MAX || blank == NULL ||
        words_is_text(p, dimensions))
        return NG_FORMAT_GLOVE;
    size_t rest = bytes - (size_t)(blank + 1 - p);
    size_t numbers = (size_t)dimensions * sizeof(float);
    return words_is_binary(blank + 1, rest < numbers ? rest : numbers) ? NG_FORMAT_WORD2VEC_BINARY
                                                                       : NG_FORMAT_GLOVE;
}

static ng_status words_look(const ngi_reader *reader, ng_format *out)
{
    const char *p = reader->data + reader->at;
    size_t bytes = reader->end - reader->at;
    uint64_t words, dimensions;

    if (bytes >= NGI_NPY_MAGIC_BYTES && memcmp(p, NGI_NPY_MAGIC, NGI_NPY_MAGIC_BYTES) == 0) {
        *out = NG_FORMAT_NPY;
        return NG_OK;
    }
    *out = NG_FORMAT_GLOVE;
    if (p[strspn(p, " \t\r\n")] == '{') {
        *out = NG_FORMAT_WINK;
        return NG_OK;
    }
    const char *newline = memchr(p, '\n', bytes);
    if (newline != NULL && ngi_word2vec_header(p, (size_t)(newline - p), &words, &dimensions))
        *out = words_form(newline + 1, bytes - (size_t)(newline + 1 - p), dimensions);
    return words_refuse_known(reader->path, p, bytes);
}

ng_status ngi_words_detect(ngi_mem *mem, ngi_os *os, const char *path, ng_format *out)
{
    ngi_reader reader;
    ng_status status = ngi_gzip_reader_open(&reader, os, mem, path);
    if (status != NG_OK)
        return status;
    status = ngi_reader_want(&reader, NGI_READER_CHUNK);
    if (status == NG_OK)
        status = words_look(&reader, out);
    ngi_reader_close(&reader);
    return status;
}

/* ---- its reader ---- */

ng_status ngi_words_open(ngi_words *words, ngi_mem *mem, ngi_os *os, ng_format format,
                         const char *path, const char *vocabulary)
{
    *words = (ngi_words){.mem = mem};
    switch (format) {
    case NG_FORMAT_WINK:
        return ngi_wink_open(mem, os, path, &words->wink);
    case NG_FORMAT_WORD2VEC_BINARY:
        return ngi_word2vec_open(mem, os, path, &words->word2vec);
    case NG_FORMAT_NPY:
        return ngi_npy_open(mem, os, path, vocabulary, &words->npy);
    case NG_FORMAT_AUTO:
    case NG_FORMAT_GLOVE:
    case NG_FORMAT_WORDNET:
        break;
    }
    return ngi_glove_open(mem, os, path, &words->glove);
}

void ngi_words_close(ngi_words *words)
{
    ngi_glove_close(words->mem, words->glove);
    ngi_wink_close(words->mem, words->wink);
    ngi_word2vec_close(words->mem, words->word2vec);
    ngi_npy_close(words->mem, words->npy);
    *words = (ngi_words){0};
}

ng_status ngi_words_next(ngi_words *words, ngi_word *out, bool *end)
{
    if (words->wink != NULL)
        return ngi_wink_next(words->wink, out, end);
    if (words->word2vec != NULL)
        return ngi_word2vec_next(words->word2vec, out, end);
    if (words->npy != NULL)
        return ngi_npy_next(words->npy, out, end);
    return ngi_glove_next(words->glove, out, end);
}

uint32_t ngi_words_dimensions(const ngi_words *words)
{
    return words->wink != NULL       ? words->wink->dimensions
           : words->word2vec != NULL ? words->word2vec->dimensions
           : words->npy != NULL      ? words->npy->shape.dimensions
                                     : words->glove->dimensions;
}

const ngi_reader *ngi_words_reader(const ngi_words *words)
{
    return words->wink != NULL       ? &words->wink->reader
           : words->word2vec != NULL ? &words->word2vec->reader
           : words->npy != NULL      ? &words->npy->reader
                                     : &words->glove->reader;
}
