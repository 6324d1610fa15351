/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The JSON reader. A token never has to be put together from two chunks: before one is read, the
 * reader makes the most that it can take contiguous; only strings are read piece by piece. */
#include "model/model_json.h"

#include "model/model_number.h"
#include "model/model_text.h"

#include <inttypes.h>
#include <string.h>

void ngi_json_init(ngi_json *json, ngi_reader *reader)
{
    memset(json, 0, sizeof *json);
    json->reader = reader;
}

static ng_status json_fail(const ngi_json *json, const char *what)
{
    return ngi_fail(NG_E_FORMAT, "%s byte %" PRIu64 ": %s", json->reader->path,
                    ngi_reader_offset(json->reader), what);
}

static ng_status json_fail_truncated(const ngi_json *json)
{
    return ngi_fail(NG_E_FORMAT, "%s: ends in the middle (truncated file, at byte %" PRIu64 ")",
                    json->reader->path, json->reader->base + json->reader->end);
}

/* Whether more bytes could make a value of these: a literal or a number that was cut. */
static bool json_may_go_on(const char *p, size_t bytes)
{
    static const char *const literals[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++) {
        if (bytes < strlen(literals[i]) && memcmp(p, literals[i], bytes) == 0)
            return true;
    }
    return strspn(p, "-+.eE0123456789") == bytes;
}

/* What stands at the reader's position instead of what was expected. */
static ng_status json_fail_token(const ngi_json *json, const char *what)
{
    const ngi_reader *reader = json->reader;
    const char *p = reader->data + reader->at;
    const char *stop = reader->data + reader->end;
    if (p == stop)
        return json_fail_truncated(json);
    const char *end = p + 1;
    while (end < stop && end - p < NGI_EXCERPT_BYTES && strchr(",:]}\" \t\r\n", *end) == NULL)
        end++;
    bool is_cut = end == stop && reader->is_drained && json_may_go_on(p, (size_t)(end - p));
    if (is_cut)
        return json_fail_truncated(json);
    ngi_excerpt excerpt = ngi_text_excerpt(p, (size_t)(end - p));
    return ngi_fail(NG_E_FORMAT, "%s byte %" PRIu64 ": '%s' is not %s", reader->path,
                    ngi_reader_offset(reader), excerpt.text, what);
}

static bool json_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Stands at the next byte that is not blank; *out is 0 at the end of the file. */
static ng_status json_peek(ngi_json *json, char *out)
{
    ngi_reader *reader = json->reader;
    for (;;) {
        while (json_is_blank(reader->data[reader->at]))
            reader->at++;
        *out = reader->data[reader->at];
        if (reader->at < reader->end || reader->is_drained)
            break;
        ng_status status = ngi_reader_want(reader, 1);
        if (status != NG_OK)
            return status;
    }
    if (*out == 0 && reader->at < reader->end)
        return json_fail(json, "a NUL byte");
    return NG_OK;
}

static void json_keep(ngi_json *json, const char *text, size_t bytes)
{
    size_t room = NGI_JSON_TEXT_MAX - json->text_bytes;
    if (bytes > room) {
        json->is_text_cut = true;
        bytes = room;
    }
    memcpy(json->text + json->text_bytes, text, bytes);
    json->text_bytes += bytes;
}

static void json_keep_code(ngi_json *json, uint32_t code)
{
    char out[4];
    size_t n = 0;
    if (code < 0x80) {
        out[n++] = (char)code;
    } else if (code < 0x800) {
        out[n++] = (char)(0xC0 | code >> 6);
        out[n++] = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        out[n++] = (char)(0xE0 | code >> 12);
        out[n++] = (char)(0x80 | (code >> 6 & 0x3F));
        out[n++] = (char)(0x80 | (code & 0x3F));
    } else {
        out[n++] = (char)(0xF0 | code >> 18);
        out[n++] = (char)(0x80 | (code >> 12 & 0x3F));
        out[n++] = (char)(0x80 | (code >> 6 & 0x3F));
        out[n++] = (char)(0x80 | (code & 0x3F));
    }
    json_keep(json, out, n);
}

/* Four hexadecimal digits; false if they are not. */
static bool json_hex4(const char *p, uint32_t *out)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (uint32_t)((c | 0x20) - 'a') + 10;
        else
            return false;
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}

/* The reader stands at "\u" with everything up to the end of a surrogate pair in the window. */
static ng_status json_escape_unicode(ngi_json *json)
{
    ngi_reader *reader = json->reader;
    const char *p = reader->data + reader->at;
    uint32_t code, low;
    size_t taken = 6;

    if (!json_hex4(p + 2, &code))
        return json_fail(json, "\\u needs four hexadecimal digits");
    if (code >= 0xD800 && code <= 0xDFFF) {
        bool is_pair = code < 0xDC00 && p[6] == '\\' && p[7] == 'u' && json_hex4(p + 8, &low) &&
                       low >= 0xDC00 && low <= 0xDFFF;
        if (!is_pair)
            return json_fail(json, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        taken = 12;
    }
    reader->at += taken;
    json_keep_code(json, code);
    return NG_OK;
}

static ng_status json_escape(ngi_json *json)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    ngi_reader *reader = json->reader;
    ng_status status = ngi_reader_want(reader, 12);
    if (status != NG_OK)
        return status;
    size_t have = reader->end - reader->at;
    char c = reader->data[reader->at + 1];
    if (have < 2 || (c == 'u' && have < 6))
        return json_fail_truncated(json);
    if (c == 'u')
        return json_escape_unicode(json);
    const char *name = c != 0 ? strchr(names, c) : NULL;
    if (name == NULL)
        return json_fail(json, "an escape that JSON does not have");
    json_keep(json, &values[name - names], 1);
    reader->at += 2;
    return NG_OK;
}

/* The reader stands at the opening quote; ends behind the closing one. */
static ng_status json_string(ngi_json *json)
{
    ngi_reader *reader = json->reader;
    json->text_bytes = 0;
    json->is_text_cut = false;
    reader->at++;
    for (;;) {
        const char *begin = reader->data + reader->at;
        const char *p = begin;
        while ((unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
            p++;
        json_keep(json, begin, (size_t)(p - begin));
        reader->at += (size_t)(p - begin);
        if (reader->at == reader->end) {
            ng_status status = ngi_reader_want(reader, 1);
            if (status != NG_OK)
                return status;
            if (reader->at == reader->end)
                return json_fail_truncated(json);
        } else if (*p == '"') {
            reader->at++;
            return NG_OK;
        } else if (*p == '\\') {
            ng_status status = json_escape(json);
            if (status != NG_OK)
                return status;
        } else {
            return json_fail(json, "a control code inside a string");
        }
    }
}

/* JSON is stricter than strtod: no '+', a digit on both sides of the point, no leading zeros. */
static bool json_is_number(const char *p, const char *end)
{
    if (*p == '-')
        p++;
    if (p == end || *p < '0' || *p > '9')
        return false;
    if (*p == '0' && end - p > 1 && p[1] >= '0' && p[1] <= '9')
        return false;
    const char *point = memchr(p, '.', (size_t)(end - p));
    return point == NULL || (end - point > 1 && point[1] >= '0' && point[1] <= '9');
}

/* The window holds the whole number. */
static ng_status json_number_at(ngi_json *json, const char *p, const char **end, double *out)
{
    ngi_number_status number = ngi_number_parse(p, end, out);
    if (*end - p >= NGI_JSON_NUMBER_MAX)
        return json_fail(json, "a number longer than 1023 bytes");
    if (*end == json->reader->data + json->reader->end)
        return json_fail_truncated(json);
    if (number == NGI_NUMBER_GARBAGE || !json_is_number(p, *end))
        return json_fail_token(json, "a number");
    if (number == NGI_NUMBER_NOT_FINITE)
        return json_fail_token(json, "a finite number");
    return NG_OK;
}

static ng_status json_literal(ngi_json *json, const char *name, ngi_json_event event,
                              ngi_json_event *out)
{
    size_t bytes = strlen(name);
    ngi_reader *reader = json->reader;
    if (reader->end - reader->at < bytes || memcmp(reader->data + reader->at, name, bytes) != 0)
        return json_fail_token(json, "a JSON value");
    reader->at += bytes;
    *out = event;
    return NG_OK;
}

static ng_status json_open(ngi_json *json, bool is_object)
{
    if (json->depth == NGI_JSON_DEPTH_MAX)
        return json_fail(json, "nested deeper than 64 levels");
    uint64_t bit = (uint64_t)1 << json->depth++;
    json->nesting = is_object ? json->nesting | bit : json->nesting & ~bit;
    json->expect = is_object ? NGI_JSON_EXPECT_FIRST_KEY : NGI_JSON_EXPECT_FIRST_VALUE;
    json->reader->at++;
    return NG_OK;
}

static bool json_in_object(const ngi_json *json)
{
    return json->depth > 0 && (json->nesting >> (json->depth - 1) & 1) != 0;
}

static void json_close(ngi_json *json)
{
    json->depth--;
    json->reader->at++;
    json->expect = NGI_JSON_EXPECT_AFTER;
}

static ng_status json_value(ngi_json *json, char c, ngi_json_event *out)
{
    ngi_reader *reader = json->reader;
    const char *end = NULL;
    ng_status status = ngi_reader_want(reader, NGI_JSON_NUMBER_MAX + 1);
    if (status != NG_OK)
        return status;
    if (c == '{' || c == '[') {
        *out = c == '{' ? NGI_JSON_OBJECT_BEGIN : NGI_JSON_ARRAY_BEGIN;
        return json_open(json, c == '{');
    }
    json->expect = NGI_JSON_EXPECT_AFTER;
    switch (c) {
    case '"':
        *out = NGI_JSON_STRING;
        return json_string(json);
    case 't':
        return json_literal(json, "true", NGI_JSON_TRUE, out);
    case 'f':
        return json_literal(json, "false", NGI_JSON_FALSE, out);
    case 'n':
        return json_literal(json, "null", NGI_JSON_NULL, out);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        *out = NGI_JSON_NUMBER;
        status = json_number_at(json, reader->data + reader->at, &end, &json->number);
        if (status == NG_OK) {
            json->number_text = reader->data + reader->at;
            json->number_bytes = (size_t)(end - json->number_text);
            reader->at = (size_t)(end - reader->data);
        }
        return status;
    default:
        return json_fail_token(json, "a JSON value");
    }
}

static ng_status json_key(ngi_json *json, char c, ngi_json_event *out)
{
    if (c != '"')
        return json_fail_token(json, "a key");
    ng_status status = json_string(json);
    if (status == NG_OK)
        status = json_peek(json, &c);
    if (status != NG_OK)
        return status;
    if (c != ':')
        return json_fail_token(json, "a colon");
    json->reader->at++;
    json->expect = NGI_JSON_EXPECT_VALUE;
    *out = NGI_JSON_KEY;
    return NG_OK;
}

/* After a value: steps over a comma, or leaves the closing bracket for the caller. */
static ng_status json_comma(ngi_json *json, char *c)
{
    if (*c != ',')
        return NG_OK;
    json->reader->at++;
    json->expect = json_in_object(json) ? NGI_JSON_EXPECT_KEY : NGI_JSON_EXPECT_VALUE;
    ng_status status = json_peek(json, c);
    json->event_offset = ngi_reader_offset(json->reader);
    return status;
}

ng_status ngi_json_next(ngi_json *json, ngi_json_event *out)
{
    char c;
    ng_status status = json_peek(json, &c);
    if (status != NG_OK)
        return status;
    json->event_offset = ngi_reader_offset(json->reader);
    if (json->depth == 0 && json->expect == NGI_JSON_EXPECT_AFTER) {
        *out = NGI_JSON_END;
        return c == 0 ? NG_OK : json_fail(json, "something stands after the end of the document");
    }
    if (c == 0)
        return json_fail_truncated(json);
    if (json->expect == NGI_JSON_EXPECT_AFTER) {
        status = json_comma(json, &c);
        if (status != NG_OK)
            return status;
    }
    bool may_close = json->expect != NGI_JSON_EXPECT_VALUE && json->expect != NGI_JSON_EXPECT_KEY;
    if (may_close && c == (json_in_object(json) ? '}' : ']')) {
        *out = json_in_object(json) ? NGI_JSON_OBJECT_END : NGI_JSON_ARRAY_END;
        json_close(json);
        return NG_OK;
    }
    switch (json->expect) {
    case NGI_JSON_EXPECT_AFTER:
        return json_fail_token(json, "a comma or a closing bracket");
    case NGI_JSON_EXPECT_KEY:
    case NGI_JSON_EXPECT_FIRST_KEY:
        return json_key(json, c, out);
    default:
        return json_value(json, c, out);
    }
}

ng_status ngi_json_skip(ngi_json *json, ngi_json_event event)
{
    if (event != NGI_JSON_OBJECT_BEGIN && event != NGI_JSON_ARRAY_BEGIN)
        return NG_OK;
    unsigned depth = json->depth;
    while (json->depth >= depth) {
        ng_status status = ngi_json_next(json, &event);
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

/* One number of an array and what follows it; *more is false behind the closing bracket. */
static ng_status json_element(ngi_json *json, double *value, bool *more)
{
    ngi_reader *reader = json->reader;
    const char *end;
    char c;
    ng_status status = json_peek(json, &c);
    if (status == NG_OK && reader->end - reader->at <= NGI_JSON_NUMBER_MAX)
        status = ngi_reader_want(reader, NGI_JSON_NUMBER_MAX + 1);
    if (status == NG_OK)
        status = json_number_at(json, reader->data + reader->at, &end, value);
    if (status != NG_OK)
        return status;
    reader->at = (size_t)(end - reader->data);
    status = json_peek(json, &c);
    if (status != NG_OK)
        return status;
    *more = c == ',';
    if (c == ',')
        reader->at++;
    else if (c == ']')
        json_close(json);
    else
        return json_fail_token(json, "a comma or a closing bracket");
    return NG_OK;
}

ng_status ngi_json_floats(ngi_json *json, float *out, size_t capacity, size_t *count)
{
    char c;
    *count = 0;
    ng_status status = json_peek(json, &c);
    if (status != NG_OK)
        return status;
    if (c == ']') {
        json_close(json);
        return NG_OK;
    }
    for (bool more = true; more;) {
        double value;
        status = json_element(json, &value, &more);
        if (status != NG_OK)
            return status;
        if (*count < capacity) {
            out[*count] = (float)value;
            if (out[*count] - out[*count] != 0)
                return json_fail(json, "the number before is too large for a float");
        }
        ++*count;
    }
    return NG_OK;
}
