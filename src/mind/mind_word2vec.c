/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The reader of word2vec's binary form: a window over each word with its numbers. */
#include "mind/mind_word2vec.h"

#include "base/base_bytes.h"
#include "mind/mind_gzip.h"
#include "mind/mind_text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define WORD2VEC_HEADER_MAX 64 /* two integers of 18 digits, and blanks */

ng_status ngi_word2vec_open(ngi_mem *mem, ngi_os *os, const char *path, ngi_word2vec **out)
{
    void *block = NULL;
    ng_status status = ngi_alloc(mem, sizeof(ngi_word2vec), "embedding reader", &block);
    if (status != NG_OK)
        return status;
    ngi_word2vec *word2vec = block;
    memset(word2vec, 0, sizeof *word2vec);
    status = ngi_gzip_reader_open(&word2vec->reader, os, mem, path);
    if (status != NG_OK) {
        ngi_free(mem, word2vec, sizeof *word2vec);
        return status;
    }
    *out = word2vec;
    return NG_OK;
}

void ngi_word2vec_close(ngi_mem *mem, ngi_word2vec *word2vec)
{
    if (word2vec == NULL)
        return;
    ngi_reader_close(&word2vec->reader);
    ngi_free(mem, word2vec, sizeof *word2vec);
}

/* Passes over blanks, then over an unsigned integer of at most 18 digits. */
static const char *word2vec_integer(const char *p, const char *stop, uint64_t *out)
{
    while (p < stop && (*p == ' ' || *p == '\t'))
        p++;
    const char *begin = p;
    uint64_t value = 0;
    for (; p < stop && *p >= '0' && *p <= '9' && p - begin < 18; p++)
        value = value * 10 + (uint64_t)(*p - '0');
    *out = value;
    return p > begin ? p : NULL;
}

bool ngi_word2vec_header(const char *text, size_t bytes, uint64_t *words, uint64_t *dimensions)
{
    const char *stop = text + bytes;
    const char *p = word2vec_integer(text, stop, words);
    if (p == NULL || p == stop || (*p != ' ' && *p != '\t'))
        return false;
    p = word2vec_integer(p, stop, dimensions);
    while (p != NULL && p < stop && (*p == ' ' || *p == '\t' || *p == '\r'))
        p++;
    return p == stop;
}

static ng_status word2vec_begin(ngi_word2vec *word2vec)
{
    ngi_reader *reader = &word2vec->reader;
    uint64_t dimensions = 0;
    ng_status status = ngi_reader_want(reader, WORD2VEC_HEADER_MAX);
    if (status != NG_OK)
        return status;
    const char *p = reader->data + reader->at;
    size_t rest = reader->end - reader->at;
    const char *newline = memchr(p, '\n', rest < WORD2VEC_HEADER_MAX ? rest : WORD2VEC_HEADER_MAX);
    size_t bytes = newline != NULL ? (size_t)(newline - p) : rest;
    if (rest == 0)
        return ngi_fail(NG_E_FORMAT, "%s: is empty", reader->path);
    if (newline == NULL ||
        !ngi_word2vec_header(p, bytes, &word2vec->announced_words, &dimensions)) {
        ngi_excerpt excerpt = ngi_text_excerpt(p, bytes);
        return ngi_fail(NG_E_FORMAT, "%s line 1: '%s' is not the number of words and of dimensions",
                        reader->path, excerpt.text);
    }
    if (dimensions < NGI_DIMENSIONS_MIN || dimensions > NGI_DIMENSIONS_MAX)
        return ngi_fail(NG_E_FORMAT, "%s line 1: %" PRIu64 " numbers are outside %d..%d",
                        reader->path, dimensions, NGI_DIMENSIONS_MIN, NGI_DIMENSIONS_MAX);
    if (word2vec->announced_words == 0)
        return ngi_fail(NG_E_FORMAT, "%s: has no words", reader->path);
    reader->at += bytes + 1;
    word2vec->dimensions = (uint32_t)dimensions;
    return NG_OK;
}

static ng_status word2vec_fail_truncated(const ngi_word2vec *word2vec, bool is_between)
{
    if (is_between)
        return ngi_fail(NG_E_FORMAT,
                        "%s: announces %" PRIu64 " words, ends after %" PRIu64 " (truncated file)",
                        word2vec->reader.path, word2vec->announced_words, word2vec->word_count);
    return ngi_fail(NG_E_FORMAT,
                    "%s: announces %" PRIu64 " words, ends in the middle of word %" PRIu64
                    " (truncated file)",
                    word2vec->reader.path, word2vec->announced_words, word2vec->word_count + 1);
}

/* After the last word. */
static ng_status word2vec_finish(ngi_word2vec *word2vec)
{
    ngi_reader *reader = &word2vec->reader;
    ng_status status = ngi_reader_want(reader, 1);
    if (status == NG_OK && reader->at < reader->end)
        return ngi_fail(NG_E_FORMAT,
                        "%s byte %" PRIu64 ": more than the %" PRIu64
                        " words that line 1 announces",
                        reader->path, ngi_reader_offset(reader), word2vec->announced_words);
    return status;
}

/* The word at the reader's position, and the blank behind it. */
static ng_status word2vec_text(ngi_word2vec *word2vec, size_t *bytes)
{
    const ngi_reader *reader = &word2vec->reader;
    const char *p = reader->data + reader->at;
    size_t rest = reader->end - reader->at;
    size_t most = rest < NGI_WORD_BYTES_MAX + 1 ? rest : NGI_WORD_BYTES_MAX + 1;
    const char *blank = memchr(p, ' ', most);
    uint64_t offset = ngi_reader_offset(reader);

    if (blank == NULL && rest <= NGI_WORD_BYTES_MAX)
        return word2vec_fail_truncated(word2vec, rest == 0);
    if (blank == NULL) {
        ngi_excerpt excerpt = ngi_text_excerpt(p, rest);
        return ngi_fail(NG_E_FORMAT, "%s byte %" PRIu64 ": the word '%s' is longer than %d bytes",
                        reader->path, offset, excerpt.text, NGI_WORD_BYTES_MAX);
    }
    *bytes = (size_t)(blank - p);
    if (*bytes == 0)
        return ngi_fail(NG_E_FORMAT, "%s byte %" PRIu64 ": word %" PRIu64 " is empty", reader->path,
                        offset, word2vec->word_count + 1);
    if (!ngi_text_is_utf8(p, *bytes))
        return ngi_fail(NG_E_FORMAT, "%s byte %" PRIu64 ": the word is not valid UTF-8",
                        reader->path, offset);
    return NG_OK;
}

static ng_status word2vec_vector(ngi_word2vec *word2vec, size_t text_bytes)
{
    const ngi_reader *reader = &word2vec->reader;
    const char *text = reader->data + reader->at;
    const uint8_t *p = (const uint8_t *)text + text_bytes + 1;
    for (uint32_t i = 0; i < word2vec->dimensions; i++) {
        float value = ngi_get_f32(p + 4 * (size_t)i);
        if (!isfinite(value)) {
            ngi_excerpt excerpt = ngi_text_excerpt(text, text_bytes);
            return ngi_fail(NG_E_FORMAT,
                            "%s byte %" PRIu64 ": number %" PRIu32 " of '%s' is not finite",
                            reader->path, ngi_reader_offset(reader) + text_bytes + 1 + 4 * i, i + 1,
                            excerpt.text);
        }
        word2vec->vector[i] = value;
    }
    return NG_OK;
}

ng_status ngi_word2vec_next(ngi_word2vec *word2vec, ngi_word *out, bool *end)
{
    ngi_reader *reader = &word2vec->reader;
    ng_status status = NG_OK;
    size_t bytes = 0;

    *end = false;
    if (word2vec->dimensions == 0)
        status = word2vec_begin(word2vec);
    if (status == NG_OK && word2vec->word_count > 0)
        status = ngi_reader_want(reader, 1);
    if (status != NG_OK)
        return status;
    if (word2vec->word_count > 0 && reader->data[reader->at] == '\n')
        reader->at++; /* of the word before; behind the end is a zero */
    *end = word2vec->word_count == word2vec->announced_words;
    if (*end)
        return word2vec_finish(word2vec);

    size_t numbers = word2vec->dimensions * sizeof(float);
    NGI_TRY(ngi_reader_want(reader, NGI_WORD_BYTES_MAX + 1 + numbers));
    NGI_TRY(word2vec_text(word2vec, &bytes));
    if (reader->end - reader->at < bytes + 1 + numbers)
        return word2vec_fail_truncated(word2vec, false);
    NGI_TRY(word2vec_vector(word2vec, bytes));
    word2vec->word_count++;
    *out = (ngi_word){.text = reader->data + reader->at,
                      .bytes = bytes,
                      .vector = word2vec->vector,
                      .path = reader->path,
                      .unit = "byte",
                      .position = ngi_reader_offset(reader)};
    reader->at += bytes + 1 + numbers;
out:
    return status;
}
