/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The reader of the package's JSON: which keys mean what, and that the counts agree. */
#include "mind/mind_wink.h"

#include "mind/mind_gzip.h"
#include "mind/mind_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

ng_status ngi_wink_open(ngi_mem *mem, ngi_os *os, const char *path, ngi_wink **out)
{
    void *block = NULL;
    ng_status status = ngi_alloc(mem, sizeof(ngi_wink), "embedding reader", &block);
    if (status != NG_OK)
        return status;
    ngi_wink *wink = block;
    memset(wink, 0, sizeof *wink);
    status = ngi_gzip_reader_open(&wink->reader, os, mem, path);
    if (status != NG_OK) {
        ngi_free(mem, wink, sizeof *wink);
        return status;
    }
    ngi_json_init(&wink->json, &wink->reader);
    *out = wink;
    return NG_OK;
}

void ngi_wink_close(ngi_mem *mem, ngi_wink *wink)
{
    if (wink == NULL)
        return;
    ngi_reader_close(&wink->reader);
    ngi_free(mem, wink, sizeof *wink);
}

static bool wink_text_is(const ngi_wink *wink, const char *name)
{
    return wink->json.text_bytes == strlen(name) && !wink->json.is_text_cut &&
           memcmp(wink->json.text, name, wink->json.text_bytes) == 0;
}

/* The value of a key that counts something. */
static ng_status wink_integer(ngi_wink *wink, const char *key, uint64_t min, uint64_t max,
                              uint64_t *out)
{
    ngi_json_event event;
    ng_status status = ngi_json_next(&wink->json, &event);
    if (status != NG_OK)
        return status;
    double value = wink->json.number;
    if (event != NGI_JSON_NUMBER || !(value >= (double)min && value <= (double)max) ||
        value != (double)(uint64_t)value)
        return ngi_fail(NG_E_FORMAT,
                        "%s byte %" PRIu64 ": '%s' is not an integer from %" PRIu64 " to %" PRIu64,
                        wink->reader.path, wink->json.event_offset, key, min, max);
    *out = (uint64_t)value;
    return NG_OK;
}

static ng_status wink_dimensions(ngi_wink *wink)
{
    uint64_t value = 0;
    ng_status status =
        wink_integer(wink, "dimensions", NGI_DIMENSIONS_MIN, NGI_DIMENSIONS_MAX, &value);
    if (status != NG_OK)
        return status;
    if (wink->dimensions != 0 && wink->dimensions != value)
        return ngi_fail(NG_E_FORMAT,
                        "%s byte %" PRIu64 ": dimensions is %" PRIu64
                        ", but the vectors have %" PRIu32,
                        wink->reader.path, wink->json.event_offset, value, wink->dimensions);
    wink->dimensions = (uint32_t)value;
    return NG_OK;
}

/* One key of the outer object with its value, or for "vectors" only its opening bracket. */
static ng_status wink_outer_key(ngi_wink *wink)
{
    ngi_json_event event;
    if (wink_text_is(wink, "dimensions"))
        return wink_dimensions(wink);
    if (wink_text_is(wink, "size")) {
        wink->has_size = true;
        return wink_integer(wink, "size", 0, UINT32_MAX, &wink->size);
    }
    bool is_vectors = wink_text_is(wink, "vectors");
    ng_status status = ngi_json_next(&wink->json, &event);
    if (status != NG_OK)
        return status;
    if (!is_vectors)
        return ngi_json_skip(&wink->json, event);
    if (event != NGI_JSON_OBJECT_BEGIN)
        return ngi_fail(NG_E_FORMAT, "%s byte %" PRIu64 ": 'vectors' is not an object",
                        wink->reader.path, wink->json.event_offset);
    if (wink->has_vectors)
        return ngi_fail(NG_E_FORMAT, "%s byte %" PRIu64 ": 'vectors' comes twice",
                        wink->reader.path, wink->json.event_offset);
    wink->in_vectors = wink->has_vectors = true;
    return NG_OK;
}

static ng_status wink_finish(const ngi_wink *wink)
{
    if (!wink->has_vectors)
        return ngi_fail(NG_E_FORMAT, "%s: has no \"vectors\"", wink->reader.path);
    if (wink->has_size && wink->size != wink->word_count)
        return ngi_fail(NG_E_FORMAT, "%s: size is %" PRIu64 ", but there are %" PRIu64 " vectors",
                        wink->reader.path, wink->size, wink->word_count);
    if (wink->word_count == 0)
        return ngi_fail(NG_E_FORMAT, "%s: has no words", wink->reader.path);
    return NG_OK;
}

/* The array behind a word, whose text stays in wink->json.text. */
static ng_status wink_vector(ngi_wink *wink, const char *word)
{
    ngi_json_event event;
    size_t count = 0;
    ng_status status = ngi_json_next(&wink->json, &event);
    uint64_t offset = wink->json.event_offset;
    if (status == NG_OK && event != NGI_JSON_ARRAY_BEGIN)
        return ngi_fail(NG_E_FORMAT, "%s byte %" PRIu64 ": the vector of '%s' is not an array",
                        wink->reader.path, offset, word);
    if (status != NG_OK)
        return status;
    status =
        ngi_json_floats(&wink->json, wink->vector, NGI_DIMENSIONS_MAX + NGI_WINK_EXTRA, &count);
    if (status != NG_OK) {
        char prefix[NGI_EXCERPT_BYTES + 24];
        snprintf(prefix, sizeof prefix, "the vector of '%s'", word);
        return ngi_fail_prefix(status, prefix);
    }
    if (wink->dimensions == 0) {
        if (count < NGI_DIMENSIONS_MIN + NGI_WINK_EXTRA ||
            count > NGI_DIMENSIONS_MAX + NGI_WINK_EXTRA)
            return ngi_fail(NG_E_FORMAT,
                            "%s byte %" PRIu64
                            ": the vector of '%s' has %zu numbers, outside %d..%d",
                            wink->reader.path, offset, word, count,
                            NGI_DIMENSIONS_MIN + NGI_WINK_EXTRA,
                            NGI_DIMENSIONS_MAX + NGI_WINK_EXTRA);
        wink->dimensions = (uint32_t)count - NGI_WINK_EXTRA;
    }
    if (count != (size_t)wink->dimensions + NGI_WINK_EXTRA)
        return ngi_fail(NG_E_FORMAT,
                        "%s byte %" PRIu64 ": the vector of '%s': expected %" PRIu32
                        " numbers with norm and index, got %zu",
                        wink->reader.path, offset, word, wink->dimensions + NGI_WINK_EXTRA, count);
    return NG_OK;
}

static ng_status wink_word(ngi_wink *wink, ngi_word *out)
{
    uint64_t offset = wink->json.event_offset;
    ngi_excerpt excerpt = ngi_text_excerpt(wink->json.text, wink->json.text_bytes);
    if (wink->json.is_text_cut)
        return ngi_fail(NG_E_FORMAT, "%s byte %" PRIu64 ": the word '%s' is longer than %d bytes",
                        wink->reader.path, offset, excerpt.text, NGI_LABEL_BYTES_MAX);
    if (!ngi_text_is_utf8(wink->json.text, wink->json.text_bytes))
        return ngi_fail(NG_E_FORMAT, "%s byte %" PRIu64 ": the word is not valid UTF-8",
                        wink->reader.path, offset);
    ng_status status = wink_vector(wink, excerpt.text);
    if (status != NG_OK)
        return status;
    wink->word_count++;
    *out = (ngi_word){.text = wink->json.text,
                      .bytes = wink->json.text_bytes,
                      .vector = wink->vector,
                      .path = wink->reader.path,
                      .unit = "byte",
                      .position = offset};
    return NG_OK;
}

static ng_status wink_begin(ngi_wink *wink)
{
    ngi_json_event event;
    ng_status status = ngi_json_next(&wink->json, &event);
    if (status == NG_OK && event != NGI_JSON_OBJECT_BEGIN)
        return ngi_fail(NG_E_FORMAT, "%s: the JSON document is not an object", wink->reader.path);
    wink->is_begun = true;
    return status;
}

ng_status ngi_wink_next(ngi_wink *wink, ngi_word *out, bool *end)
{
    ng_status status = NG_OK;
    *end = false;
    if (!wink->is_begun)
        status = wink_begin(wink);
    while (status == NG_OK) {
        ngi_json_event event;
        status = ngi_json_next(&wink->json, &event);
        if (status != NG_OK)
            break;
        if (event == NGI_JSON_END) {
            *end = true;
            return wink_finish(wink);
        }
        if (event == NGI_JSON_OBJECT_END)
            wink->in_vectors = false; /* of "vectors", or the last one of the document */
        else if (wink->in_vectors)
            return wink_word(wink, out);
        else
            status = wink_outer_key(wink);
    }
    return status;
}
