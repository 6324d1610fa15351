/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mind/mind_rows.h"

#include "model/model_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_PIECE_MAX 1024u /* bytes of what is appended at once */

/* --- reading --------------------------------------------------------------------------------- */

/* The number that was read last, if it is an integer. */
static bool rows_integer(const ngi_json *json, int64_t *out)
{
    char text[24];
    char *end;
    if (json->number_bytes == 0 || json->number_bytes >= sizeof text)
        return false;
    memcpy(text, json->number_text, json->number_bytes);
    text[json->number_bytes] = 0;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *out = value;
    return *end == 0 && errno == 0;
}

static bool rows_row(ngi_json *json, const ngi_row_field *field)
{
    int64_t numbers[NGI_ROW_NUMBERS_MAX];
    ngi_json_event event;
    for (size_t count = 0;; count++) {
        if (ngi_json_next(json, &event) != NG_OK)
            return false;
        if (event == NGI_JSON_ARRAY_END)
            return field->row(field->context, numbers, count);
        if (event != NGI_JSON_NUMBER || count == NGI_ROW_NUMBERS_MAX ||
            !rows_integer(json, &numbers[count]))
            return false;
    }
}

static bool rows_value(ngi_json *json, const ngi_row_field *field)
{
    ngi_json_event event;
    if (ngi_json_next(json, &event) != NG_OK)
        return false;
    if (field == NULL)
        return ngi_json_skip(json, event) == NG_OK;
    if (field->number != NULL)
        return event == NGI_JSON_NUMBER && rows_integer(json, field->number);
    if (field->text != NULL) {
        if (event != NGI_JSON_STRING || json->is_text_cut || json->text_bytes >= field->text_room ||
            memchr(json->text, 0, json->text_bytes) != NULL)
            return false;
        memcpy(field->text, json->text, json->text_bytes);
        field->text[json->text_bytes] = 0;
        return true;
    }
    if (event != NGI_JSON_ARRAY_BEGIN)
        return false;
    while (ngi_json_next(json, &event) == NG_OK) {
        if (event == NGI_JSON_ARRAY_END)
            return true;
        if (event != NGI_JSON_ARRAY_BEGIN || !rows_row(json, field))
            return false;
    }
    return false;
}

static const ngi_row_field *rows_field(const ngi_json *json, const ngi_row_field *fields,
                                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(fields[i].name) == json->text_bytes &&
            memcmp(fields[i].name, json->text, json->text_bytes) == 0)
            return &fields[i];
    return NULL;
}

bool ngi_rows_read(const char *data, size_t bytes, const ngi_row_field *fields, size_t count)
{
    ngi_json json;
    ngi_reader reader;
    ngi_json_event event;
    ngi_reader_of_memory(&reader, data, bytes, "data");
    ngi_json_init(&json, &reader);
    if (ngi_json_next(&json, &event) != NG_OK || event != NGI_JSON_OBJECT_BEGIN)
        return false;
    while (ngi_json_next(&json, &event) == NG_OK) {
        if (event == NGI_JSON_OBJECT_END)
            return ngi_json_next(&json, &event) == NG_OK && event == NGI_JSON_END;
        if (event != NGI_JSON_KEY || !rows_value(&json, rows_field(&json, fields, count)))
            return false;
    }
    return false;
}

ng_status ngi_rows_data(const ng_store *store, ng_token_id id, ngi_buffer *out)
{
    ngi_mem *mem = ngi_store_mem(store);
    size_t bytes = 255;
    for (;;) {
        size_t room = bytes + 1;
        out->bytes = 0;
        ng_status status = ngi_buffer_reserve(mem, out, room, "payload of feedback");
        if (status == NG_OK)
            status = ngi_store_token_data(store, id, (char *)out->data, room, &bytes);
        if (status != NG_OK)
            return status;
        if (bytes < room) { /* else it is longer, or has grown meanwhile */
            out->data[bytes] = 0;
            out->bytes = bytes;
            return NG_OK;
        }
    }
}

/* --- writing --------------------------------------------------------------------------------- */

ng_status ngi_rows_add(ngi_mem *mem, ngi_buffer *out, const char *format, ...)
{
    va_list values;
    ng_status status = ngi_buffer_reserve(mem, out, ROWS_PIECE_MAX, "payload of feedback");
    if (status != NG_OK)
        return status;
    va_start(values, format);
    int bytes = vsnprintf((char *)out->data + out->bytes, ROWS_PIECE_MAX, format, values);
    va_end(values);
    if (bytes < 0 || bytes >= (int)ROWS_PIECE_MAX)
        return ngi_fail(NG_E_INTERNAL, "a piece of a payload has %d bytes", bytes);
    out->bytes += (size_t)bytes;
    return NG_OK;
}

ng_status ngi_rows_add_text(ngi_mem *mem, ngi_buffer *out, const char *text)
{
    size_t most = 6 * strlen(text) + 2;
    ng_status status = ngi_buffer_reserve(mem, out, most + 1, "payload of feedback");
    if (status != NG_OK)
        return status;
    char *at = (char *)out->data + out->bytes;
    *at++ = '"';
    for (; *text != 0; text++) {
        if ((unsigned char)*text < 0x20) {
            at += snprintf(at, 7, "\\u%04x", (unsigned)*text);
            continue;
        }
        if (*text == '"' || *text == '\\')
            *at++ = '\\';
        *at++ = *text;
    }
    *at++ = '"';
    out->bytes = (size_t)(at - (char *)out->data);
    return NG_OK;
}
