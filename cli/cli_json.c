/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The JSON writer. It keeps no text: stdio buffers, and a document is written once its content is
 * known, so that a failed command leaves stdout empty.
 *
 * Invariants
 *   1. What was written so far is always a prefix of a valid document (RFC 8259).
 *   2. Strings come out as valid UTF-8 whatever went in.
 *   3. A number reads back as the same value; NaN and infinities are never written.
 */
#include "cli_json.h"
#include "cli_text.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void cli_json_begin(cli_json *json, FILE *out)
{
    memset(json, 0, sizeof *json);
    json->out = out;
}

void cli_json_end(cli_json *json)
{
    assert(json->depth == 0);
    fputc('\n', json->out);
}

static void json_escape(FILE *out, uint32_t code, const char *bytes, size_t size)
{
    switch (code) {
    case '"':
        fputs("\\\"", out);
        return;
    case '\\':
        fputs("\\\\", out);
        return;
    case '\n':
        fputs("\\n", out);
        return;
    case '\t':
        fputs("\\t", out);
        return;
    default:
        break;
    }
    if (code == CLI_TEXT_BAD)
        fputs("\xEF\xBF\xBD", out);
    else if (code < 0x20 || (code >= 0x7F && code < 0xA0))
        fprintf(out, "\\u%04" PRIx32, code);
    else
        fwrite(bytes, 1, size, out);
}

static void json_quoted(FILE *out, const char *text)
{
    size_t left = strlen(text);

    fputc('"', out);
    while (left > 0) {
        uint32_t code;
        size_t size = cli_text_decode(text, left, &code);

        json_escape(out, code, text, size);
        text += size;
        left -= size;
    }
    fputc('"', out);
}

/* The comma before a member and its key. */
static void json_member(cli_json *json, const char *key)
{
    uint64_t bit = UINT64_C(1) << json->depth;

    assert((key == NULL) == (json->depth == 0 || (json->arrays & bit) != 0));
    if (json->filled & bit)
        fputc(',', json->out);
    json->filled |= bit;
    if (key != NULL) {
        json_quoted(json->out, key);
        fputc(':', json->out);
    }
}

static void json_open(cli_json *json, const char *key, bool array)
{
    uint64_t bit;

    json_member(json, key);
    assert(json->depth < CLI_JSON_DEPTH_MAX);
    json->depth++;
    bit = UINT64_C(1) << json->depth;
    json->filled &= ~bit;
    json->arrays = array ? json->arrays | bit : json->arrays & ~bit;
    fputc(array ? '[' : '{', json->out);
}

void cli_json_object(cli_json *json, const char *key)
{
    json_open(json, key, false);
}

void cli_json_array(cli_json *json, const char *key)
{
    json_open(json, key, true);
}

void cli_json_close(cli_json *json)
{
    assert(json->depth > 0);
    fputc(json->arrays & (UINT64_C(1) << json->depth) ? ']' : '}', json->out);
    json->depth--;
}

void cli_json_text(cli_json *json, const char *key, const char *text)
{
    json_member(json, key);
    if (text == NULL)
        fputs("null", json->out);
    else
        json_quoted(json->out, text);
}

void cli_json_u64(cli_json *json, const char *key, uint64_t value)
{
    json_member(json, key);
    fprintf(json->out, "%" PRIu64, value);
}

void cli_json_i64(cli_json *json, const char *key, int64_t value)
{
    json_member(json, key);
    fprintf(json->out, "%" PRId64, value);
}

void cli_json_double(cli_json *json, const char *key, double value)
{
    char text[40];

    if (!isfinite(value)) {
        cli_json_null(json, key);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    json_member(json, key);
    fputs(text, json->out);
}

void cli_json_float(cli_json *json, const char *key, float value)
{
    char text[40];

    if (!isfinite(value)) {
        cli_json_null(json, key);
        return;
    }
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    json_member(json, key);
    fputs(text, json->out);
}

void cli_json_bool(cli_json *json, const char *key, bool value)
{
    json_member(json, key);
    fputs(value ? "true" : "false", json->out);
}

void cli_json_null(cli_json *json, const char *key)
{
    json_member(json, key);
    fputs("null", json->out);
}
