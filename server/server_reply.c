/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Replies: the envelope around data, the one body of every error, and the codes.
 *
 *   {"success":true,"data":...,"meta":{...},"error":null}
 *   {"success":false,"data":null,"error":{"code":...,"message":...,"details":...},
 *    "detail":message,"meta":{...}}
 *
 * `meta` is written last, by ngs_reply_finish, so that its time includes the wait for the disk. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "server_private.h"

ngs_out *ngs_reply_data(ngs_request *request, int status)
{
    request->status = status;
    request->kind = NGS_REPLY_DATA;
    request->out.size = 0;
    ngs_out_text(&request->out, "{\"success\":true,\"data\":");
    return &request->out;
}

ngs_out *ngs_reply_bare(ngs_request *request, int status)
{
    request->status = status;
    request->kind = NGS_REPLY_BARE;
    request->out.size = 0;
    return &request->out;
}

ngs_out *ngs_reply_stream(ngs_request *request, int status)
{
    request->status = status;
    request->kind = NGS_REPLY_BYTES;
    request->out.size = 0;
    return &request->out;
}

void ngs_reply_empty(ngs_request *request, int status)
{
    request->status = status;
    request->kind = NGS_REPLY_EMPTY;
    request->out.size = 0;
}

static void reply_error_text(ngs_request *request, int status, const char *code,
                             const char *details, const char *message)
{
    ngs_out *out = &request->out;
    request->status = status;
    request->kind = NGS_REPLY_ERROR;
    out->size = 0;
    ngs_out_text(out, "{\"success\":false,\"data\":null,\"error\":{\"code\":");
    ngs_out_string_z(out, code);
    ngs_out_text(out, ",\"message\":");
    ngs_out_string_z(out, message);
    ngs_out_text(out, ",\"details\":");
    ngs_out_text(out, details ? details : "null");
    ngs_out_text(out, "},\"detail\":");
    ngs_out_string_z(out, message);
}

void ngs_reply_error(ngs_request *request, int status, const char *code, const char *details,
                     const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    reply_error_text(request, status, code, details, message);
}

typedef struct reply_code {
    ng_status status;
    int http;
    const char *code;
} reply_code;

static const reply_code reply_codes[] = {
    {NG_E_INVALID, 422, "VALIDATION_ERROR"},
    {NG_E_NOT_FOUND, 404, "RESOURCE_NOT_FOUND"},
    {NG_E_EXISTS, 409, "RESOURCE_ALREADY_EXISTS"},
    {NG_E_NOMEM, 503, "OUT_OF_MEMORY"},
    {NG_E_IO, 500, "STORAGE_ERROR"},
    {NG_E_DISK_FULL, 507, "DISK_FULL"},
    {NG_E_CORRUPT, 500, "STORAGE_ERROR"},
    {NG_E_LATCHED, 503, "STORE_LATCHED"},
    {NG_E_BUSY, 503, "SERVICE_UNAVAILABLE"},
    {NG_E_LIMIT, 400, "RESOURCE_LIMIT_EXCEEDED"},
    {NG_E_FORBIDDEN, 403, "PERMISSION_DENIED"},
    {NG_E_CANCELLED, 503, "SERVICE_UNAVAILABLE"},
    {NG_E_FORMAT, 422, "VALIDATION_ERROR"},
    {NG_E_ABSENT, 404, "RESOURCE_NOT_FOUND"},
    {NG_E_CONFLICT, 409, "CONFLICT"},
    {NG_E_READ_ONLY, 403, "READ_ONLY"},
    {NG_E_EXPIRED, 410, "EXPIRED"},
    {NG_E_GONE, 410, "GONE"},
    {NG_E_TIMEOUT, 504, "TIMEOUT"},
};

/* The library begins its message with the name of the field: "weight 2 is outside 0..1". */
static void reply_invalid(ngs_request *request, const char *text)
{
    static const char *const fields[] = {"weight", "field_radius", "field_strength",   "entity",
                                         "label",  "vector",       "collection",       "threshold",
                                         "limit",  "text",         "remove_components"};
    char field[64] = "body";
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        size_t length = strlen(fields[i]);
        if (strncmp(text, fields[i], length) == 0 && (text[length] == ' ' || text[length] == ':'))
            snprintf(field, sizeof field, "body.%s", fields[i]);
    }
    ngs_problem(request, field, "value_error", "%s", text);
    ngs_problems_reply(request);
}

void ngs_reply_status_text(ngs_request *request, ng_status status, const char *text)
{
    char copy[400];
    snprintf(copy, sizeof copy, "%s", text[0] ? text : ng_status_text(status));
    if (status == NG_E_INVALID) {
        reply_invalid(request, copy);
        return;
    }
    for (size_t i = 0; i < sizeof reply_codes / sizeof reply_codes[0]; i++) {
        if (reply_codes[i].status == status) {
            if (reply_codes[i].http == 503 && status != NG_E_LATCHED)
                request->retry_after_s = 1;
            reply_error_text(request, reply_codes[i].http, reply_codes[i].code, NULL, copy);
            return;
        }
    }
    reply_error_text(request, 500, "INTERNAL_SERVER_ERROR", NULL, copy);
}

void ngs_reply_status(ngs_request *request, ng_status status)
{
    ngs_reply_status_text(request, status, ng_last_error());
}

void ngs_problem(ngs_request *request, const char *field, const char *type, const char *format, ...)
{
    ngs_problems *problems = &request->problems;
    char message[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (problems->count++ == 0)
        snprintf(problems->first, sizeof problems->first, "%.96s: %s", field, message);
    if (problems->count > NGS_PROBLEMS_MAX)
        return;
    ngs_out *list = &problems->list;
    ngs_out_text(list, list->size > 0 ? ",{\"field\":" : "{\"field\":");
    ngs_out_string_z(list, field);
    ngs_out_text(list, ",\"message\":");
    ngs_out_string_z(list, message);
    ngs_out_text(list, ",\"type\":");
    ngs_out_string_z(list, type);
    ngs_out_char(list, '}');
}

bool ngs_problems_reply(ngs_request *request)
{
    ngs_problems *problems = &request->problems;
    if (problems->count == 0)
        return false;
    ngs_out details = {0};
    ngs_out_text(&details, "{\"errors\":[");
    ngs_out_raw(&details, problems->list.bytes, problems->list.size);
    ngs_out_text(&details, "],\"count\":");
    ngs_out_u64(&details, problems->count);
    ngs_out_raw(&details, "}", 2); /* with its NUL */
    bool whole = !details.failed && !problems->list.failed;
    reply_error_text(request, 422, "VALIDATION_ERROR", whole ? details.bytes : NULL,
                     problems->first);
    ngs_out_release(&details);
    return true;
}

void ngs_out_time(ngs_out *out, uint64_t unix_us)
{
    time_t seconds = (time_t)(unix_us / 1000000);
    struct tm utc;
    char text[64];
    if (gmtime_r(&seconds, &utc) == NULL) {
        ngs_out_text(out, "null");
        return;
    }
    size_t size = strftime(text, sizeof text, "\"%Y-%m-%dT%H:%M:%S.", &utc);
    uint64_t fraction = unix_us % 1000000;
    for (int i = 5; i >= 0; i--) {
        text[size + (size_t)i] = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    memcpy(text + size + 6, "Z\"", 2);
    ngs_out_raw(out, text, size + 8);
}

static void reply_meta(ngs_request *request)
{
    ngs_out *out = &request->out;
    char uuid[NGS_UUID_CHARS];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    ngs_uuid(request->server, uuid);
    ngs_out_text(out, ",\"meta\":{\"request_id\":");
    ngs_out_string_z(out, uuid);
    ngs_out_text(out, ",\"processing_time_ms\":");
    ngs_out_fixed3(out, (double)(ngs_now_ns() - request->start_ns) / 1e6);
    ngs_out_text(out, ",\"version\":");
    ngs_out_string_z(out, ng_version());
    ngs_out_text(out, ",\"timestamp\":");
    ngs_out_time(out, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    ngs_out_char(out, '}');
}

bool ngs_reply_finish(ngs_request *request)
{
    ngs_out *out = &request->out;
    if (request->kind == NGS_REPLY_DATA) {
        reply_meta(request);
        ngs_out_text(out, ",\"error\":null}");
    } else if (request->kind == NGS_REPLY_ERROR) {
        reply_meta(request);
        ngs_out_char(out, '}');
    }
    return !out->failed;
}
