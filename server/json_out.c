/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* JSON out; see json_out.h.
 *
 * Numbers are written by hand because a token has up to 27 floats and printf is ten times slower.
 * Short decimals ("0.75") are found by scaling to an integer, which covers what people and the
 * store's fixed-point coordinates produce; everything else goes through printf. */
#include "json_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_text.h"

#define OUT_FIRST_CAPACITY 1024

void ngs_out_release(ngs_out *out)
{
    free(out->bytes);
    *out = (ngs_out){0};
}

bool ngs_out_reserve(ngs_out *out, size_t count)
{
    if (out->failed)
        return false;
    if (count <= out->capacity - out->size)
        return true;
    size_t capacity = out->capacity ? out->capacity : OUT_FIRST_CAPACITY;
    while (capacity - out->size < count) {
        if (capacity > SIZE_MAX / 2) {
            out->failed = true;
            return false;
        }
        capacity *= 2;
    }
    char *bytes = realloc(out->bytes, capacity);
    if (bytes == NULL) {
        out->failed = true;
        return false;
    }
    out->bytes = bytes;
    out->capacity = capacity;
    return true;
}

void ngs_out_raw(ngs_out *out, const char *bytes, size_t count)
{
    if (!ngs_out_reserve(out, count))
        return;
    memcpy(out->bytes + out->size, bytes, count);
    out->size += count;
}

void ngs_out_char(ngs_out *out, char c)
{
    ngs_out_raw(out, &c, 1);
}

static void out_escape(ngs_out *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = "btn?fr"; /* of 8..13; 11 has none */
    if (c == '"' || c == '\\') {
        ngs_out_raw(out, (char[]){'\\', (char)c}, 2);
    } else if (c >= 8 && c <= 13 && c != 11) {
        ngs_out_raw(out, (char[]){'\\', letters[c - 8]}, 2);
    } else {
        ngs_out_raw(out, (char[]){'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]}, 6);
    }
}

void ngs_out_string(ngs_out *out, const char *bytes, size_t count)
{
    ngs_out_char(out, '"');
    const unsigned char *at = (const unsigned char *)bytes;
    size_t i = 0;
    size_t plain = 0; /* first byte not yet copied */
    while (i < count) {
        unsigned char c = at[i];
        size_t length = c < 0x80 ? 1 : ngs_utf8_length(at + i, count - i);
        if (length > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) {
            i += length;
            continue;
        }
        ngs_out_raw(out, bytes + plain, i - plain);
        if (length == 0)
            ngs_out_raw(out, "\xEF\xBF\xBD", 3);
        else
            out_escape(out, c);
        plain = ++i;
    }
    ngs_out_raw(out, bytes + plain, i - plain);
    ngs_out_char(out, '"');
}

/* Digits of `value` ending at `end`; returns where they begin. */
static char *out_digits(char *end, uint64_t value)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
}

void ngs_out_u64(ngs_out *out, uint64_t value)
{
    char text[NGS_NUMBER_CHARS];
    char *end = text + sizeof text;
    char *begin = out_digits(end, value);
    ngs_out_raw(out, begin, (size_t)(end - begin));
}

void ngs_out_i64(ngs_out *out, int64_t value)
{
    if (value < 0)
        ngs_out_char(out, '-');
    ngs_out_u64(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void ngs_out_bool(ngs_out *out, bool value)
{
    if (value)
        ngs_out_raw(out, "true", 4);
    else
        ngs_out_raw(out, "false", 5);
}

/* "123.45": the digits of `scaled` with `decimals` of them after the point, at least one. */
static size_t out_decimal(char *text, bool negative, uint64_t scaled, unsigned decimals)
{
    char digits[NGS_NUMBER_CHARS];
    char *end = digits + sizeof digits;
    char *begin = out_digits(end, scaled);
    while (end - begin <= (ptrdiff_t)decimals)
        *--begin = '0';
    size_t size = 0;
    if (negative)
        text[size++] = '-';
    size_t whole = (size_t)(end - begin) - decimals;
    memcpy(text + size, begin, whole);
    size += whole;
    text[size++] = '.';
    if (decimals == 0)
        text[size++] = '0';
    memcpy(text + size, begin + whole, decimals);
    return size + decimals;
}

size_t ngs_float_text(char text[NGS_NUMBER_CHARS], float value)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
    double magnitude = fabs((double)value);
    if (magnitude < 1e7 && (magnitude >= 1e-4 || magnitude == 0)) {
        for (unsigned decimals = 0; decimals < sizeof powers / sizeof powers[0]; decimals++) {
            double scaled = rint(magnitude * powers[decimals]);
            /* Below 2^24 digits and power are exact in float32's double, so the quotient is the
             * decimal correctly rounded, and it reads back as `value` if it rounds to it. */
            if ((float)(scaled / powers[decimals]) == (float)magnitude)
                return out_decimal(text, signbit(value) != 0, (uint64_t)scaled, decimals);
        }
    }
    for (int precision = 6; precision <= 9; precision++) {
        int size = snprintf(text, NGS_NUMBER_CHARS, "%.*g", precision, (double)value);
        if (precision == 9 || strtof(text, NULL) == value)
            return (size_t)size;
    }
    return 0;
}

void ngs_out_float(ngs_out *out, float value)
{
    if (!isfinite(value)) {
        ngs_out_raw(out, "null", 4);
        return;
    }
    char text[NGS_NUMBER_CHARS];
    ngs_out_raw(out, text, ngs_float_text(text, value));
}

void ngs_out_fixed3(ngs_out *out, double value)
{
    if (!isfinite(value) || fabs(value) > 1e15) {
        ngs_out_raw(out, "null", 4);
        return;
    }
    char text[NGS_NUMBER_CHARS];
    uint64_t scaled = (uint64_t)(fabs(value) * 1000 + 0.5);
    ngs_out_raw(out, text, out_decimal(text, value < 0 && scaled > 0, scaled, 3));
}
