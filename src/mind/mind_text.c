/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Folding by utf8proc on a fixed buffer: no allocation, and ASCII takes a short cut. */
#include "mind/mind_text.h"

#include <string.h>
#include <utf8proc.h>

#define TEXT_CODES_MAX (2 * NGI_FOLD_BYTES_MAX) /* U+FDFA is 3 bytes and becomes 18 code points */

bool ngi_text_is_utf8(const char *text, size_t bytes)
{
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
    while (bytes > 0) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n = 1;
        if (*p >= 0x80) {
            n = utf8proc_iterate(p, (utf8proc_ssize_t)bytes, &code);
            if (n <= 0)
                return false;
        }
        p += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* Where folded text is written, with the collapsing of blanks. */
typedef struct text_sink {
    char *out;
    size_t capacity;
    size_t bytes;
    bool blank_pending;
} text_sink;

static bool sink_put(text_sink *sink, utf8proc_int32_t code)
{
    utf8proc_uint8_t encoded[4];
    size_t n = 1;
    if (code < 0x80)
        encoded[0] = (utf8proc_uint8_t)code;
    else
        n = (size_t)utf8proc_encode_char(code, encoded);
    size_t gap = sink->blank_pending && sink->bytes > 0 ? 1 : 0;
    if (n + gap > sink->capacity - sink->bytes)
        return false;
    if (gap != 0)
        sink->out[sink->bytes++] = ' ';
    sink->blank_pending = false;
    for (size_t i = 0; i < n; i++)
        sink->out[sink->bytes++] = (char)encoded[i];
    return true;
}

static bool text_is_blank(utf8proc_int32_t code)
{
    if (code < 0x80)
        return code <= 0x20 || code == 0x7F;
    switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return true;
    default:
        return false;
    }
}

static bool sink_put_folded(text_sink *sink, utf8proc_int32_t code)
{
    if (text_is_blank(code)) {
        sink->blank_pending = true;
        return true;
    }
    return sink_put(sink, code);
}

static ng_status text_fold_ascii(const char *text, size_t bytes, text_sink *sink)
{
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        if (!sink_put_folded(sink, c))
            return ngi_fail(NG_E_LIMIT, "folded text is longer than %zu bytes", sink->capacity);
    }
    return NG_OK;
}

static ng_status text_fold_unicode(const char *text, size_t bytes, text_sink *sink)
{
    const utf8proc_option_t options =
        UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD;
    utf8proc_int32_t codes[TEXT_CODES_MAX];

    utf8proc_ssize_t n = utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes,
                                            codes, TEXT_CODES_MAX, options);
    if (n < 0)
        return ngi_fail(NG_E_INVALID, "text is not valid UTF-8");
    if (n > TEXT_CODES_MAX)
        return ngi_fail(NG_E_LIMIT, "text has more than %d code points", TEXT_CODES_MAX);
    n = utf8proc_normalize_utf32(codes, n, options);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        if (!sink_put_folded(sink, codes[i]))
            return ngi_fail(NG_E_LIMIT, "folded text is longer than %zu bytes", sink->capacity);
    }
    return NG_OK;
}

ng_status ngi_text_fold(const char *text, size_t bytes, char *out, size_t capacity,
                        size_t *out_bytes)
{
    text_sink sink = {.out = out, .capacity = capacity};
    *out_bytes = 0;
    if (bytes > NGI_FOLD_BYTES_MAX)
        return ngi_fail(NG_E_LIMIT, "text of %zu bytes is longer than %d", bytes,
                        NGI_FOLD_BYTES_MAX);
    unsigned char high = 0;
    for (size_t i = 0; i < bytes; i++)
        high |= (unsigned char)text[i];
    ng_status status =
        high < 0x80 ? text_fold_ascii(text, bytes, &sink) : text_fold_unicode(text, bytes, &sink);
    if (status == NG_OK)
        *out_bytes = sink.bytes;
    return status;
}
