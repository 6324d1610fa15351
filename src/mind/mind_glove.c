/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The GloVe reader: one pass over each line, numbers parsed in place. */
#include "mind/mind_glove.h"

#include "mind/mind_gzip.h"
#include "mind/mind_text.h"
#include "mind/mind_word2vec.h"
#include "model/model_number.h"

#include <inttypes.h>
#include <string.h>

ng_status ngi_glove_open(ngi_mem *mem, ngi_os *os, const char *path, ngi_glove **out)
{
    void *block = NULL;
    ng_status status = ngi_alloc(mem, sizeof(ngi_glove), "embedding reader", &block);
    if (status != NG_OK)
        return status;
    ngi_glove *glove = block;
    memset(glove, 0, sizeof *glove);
    status = ngi_gzip_reader_open(&glove->reader, os, mem, path);
    if (status != NG_OK) {
        ngi_free(mem, glove, sizeof *glove);
        return status;
    }
    *out = glove;
    return NG_OK;
}

void ngi_glove_close(ngi_mem *mem, ngi_glove *glove)
{
    if (glove == NULL)
        return;
    ngi_reader_close(&glove->reader);
    ngi_free(mem, glove, sizeof *glove);
}

static bool glove_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static const char *glove_skip_blanks(const char *p)
{
    while (glove_is_blank(*p))
        p++;
    return p;
}

static const char *glove_skip_field(const char *p, const char *stop)
{
    while (p < stop && !glove_is_blank(*p))
        p++;
    return p;
}

static ng_status glove_fail_truncated(const ngi_glove *glove)
{
    return ngi_fail(NG_E_FORMAT, "%s: ends in the middle of line %" PRIu64 " (truncated file)",
                    glove->reader.path, glove->reader.line);
}

/* `text` is no number, or not a finite one. */
static ng_status glove_fail_number(const ngi_glove *glove, const ngi_line *line, const char *text,
                                   ngi_number_status reason, size_t index)
{
    const char *stop = glove_skip_field(text, line->text + line->bytes);
    if (!line->is_terminated && stop == line->text + line->bytes)
        return glove_fail_truncated(glove);
    ngi_excerpt excerpt = ngi_text_excerpt(text, (size_t)(stop - text));
    if (reason == NGI_NUMBER_NOT_FINITE)
        return ngi_fail(NG_E_FORMAT, "%s line %" PRIu64 ": number %zu is not finite: '%s'",
                        glove->reader.path, glove->reader.line, index, excerpt.text);
    return ngi_fail(NG_E_FORMAT, "%s line %" PRIu64 ": '%s' is not a number", glove->reader.path,
                    glove->reader.line, excerpt.text);
}

static ng_status glove_fail_count(const ngi_glove *glove, const ngi_line *line, size_t count)
{
    if (!line->is_terminated && count < glove->dimensions)
        return glove_fail_truncated(glove);
    return ngi_fail(NG_E_FORMAT, "%s line %" PRIu64 ": expected %" PRIu32 " numbers, got %zu",
                    glove->reader.path, glove->reader.line, glove->dimensions, count);
}

/* Parses the numbers of a line; `*count` may come out larger than what `vector` holds. */
static ng_status glove_numbers(ngi_glove *glove, const ngi_line *line, const char *p, size_t *count)
{
    const char *stop = line->text + line->bytes;
    size_t n = 0;
    for (p = glove_skip_blanks(p); p < stop; p = glove_skip_blanks(p)) {
        float value;
        const char *end;
        ngi_number_status number = ngi_number_parse_float(p, &end, &value);
        if (end != stop && !glove_is_blank(*end))
            number = NGI_NUMBER_GARBAGE;
        if (number != NGI_NUMBER_OK)
            return glove_fail_number(glove, line, p, number, n + 1);
        if (n < NGI_DIMENSIONS_MAX)
            glove->vector[n] = value;
        n++;
        p = end;
    }
    *count = n;
    return NG_OK;
}

static ng_status glove_set_dimensions(ngi_glove *glove, uint64_t dimensions)
{
    if (dimensions < NGI_DIMENSIONS_MIN || dimensions > NGI_DIMENSIONS_MAX)
        return ngi_fail(NG_E_FORMAT, "%s line %" PRIu64 ": %" PRIu64 " numbers are outside %d..%d",
                        glove->reader.path, glove->reader.line, dimensions, NGI_DIMENSIONS_MIN,
                        NGI_DIMENSIONS_MAX);
    glove->dimensions = (uint32_t)dimensions;
    return NG_OK;
}

/* A word with one number is no embedding, so nothing but a header can look like one. */
static ng_status glove_header(ngi_glove *glove, const ngi_line *line, bool *is_header)
{
    uint64_t words, dimensions;
    *is_header = ngi_word2vec_header(line->text, line->bytes, &words, &dimensions);
    if (!*is_header)
        return NG_OK;
    glove->has_header = true;
    glove->announced_words = words;
    return glove_set_dimensions(glove, dimensions);
}

static ng_status glove_finish(const ngi_glove *glove)
{
    if (glove->has_header && glove->word_count < glove->announced_words)
        return ngi_fail(NG_E_FORMAT,
                        "%s: announces %" PRIu64 " words, ends after %" PRIu64 " (truncated file)",
                        glove->reader.path, glove->announced_words, glove->word_count);
    if (glove->word_count == 0)
        return ngi_fail(NG_E_FORMAT, "%s: has no words", glove->reader.path);
    return NG_OK;
}

static ng_status glove_word(ngi_glove *glove, const ngi_line *line, ngi_word *out)
{
    const char *text = glove_skip_blanks(line->text);
    const char *text_end = glove_skip_field(text, line->text + line->bytes);
    size_t count = 0;
    ng_status status = glove_numbers(glove, line, text_end, &count);
    if (status != NG_OK)
        return status;
    if (glove->dimensions == 0) {
        status = glove_set_dimensions(glove, count);
        if (status != NG_OK)
            return status;
    }
    if (count != glove->dimensions)
        return glove_fail_count(glove, line, count);
    if (!ngi_text_is_utf8(text, (size_t)(text_end - text)))
        return ngi_fail(NG_E_FORMAT, "%s line %" PRIu64 ": the word is not valid UTF-8",
                        glove->reader.path, glove->reader.line);
    if (glove->has_header && glove->word_count == glove->announced_words)
        return ngi_fail(NG_E_FORMAT,
                        "%s line %" PRIu64 ": more than the %" PRIu64
                        " words that line 1 announces",
                        glove->reader.path, glove->reader.line, glove->announced_words);
    glove->word_count++;
    *out = (ngi_word){.text = text,
                      .bytes = (size_t)(text_end - text),
                      .vector = glove->vector,
                      .path = glove->reader.path,
                      .unit = "line",
                      .position = glove->reader.line};
    return NG_OK;
}

ng_status ngi_glove_next(ngi_glove *glove, ngi_word *out, bool *end)
{
    for (;;) {
        ngi_line line;
        ng_status status = ngi_reader_line(&glove->reader, &line, end);
        if (status != NG_OK)
            return status;
        if (*end)
            return glove_finish(glove);
        if (glove_skip_blanks(line.text) == line.text + line.bytes)
            continue;
        if (glove->reader.line == 1) {
            bool is_header;
            status = glove_header(glove, &line, &is_header);
            if (status != NG_OK)
                return status;
            if (is_header)
                continue;
        }
        return glove_word(glove, &line, out);
    }
}
