/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The last error of each thread with the detail of a conflict, and the texts of statuses. */
#include "base/base_error.h"

#include <stdio.h>
#include <string.h>

#define ERROR_BYTES 768

static _Thread_local char error_message[ERROR_BYTES];
static _Thread_local ng_conflict error_conflict; /* kind NONE: the last error was another */

ng_status(ngi_fail)(ng_status status, const char *format, ...)
{
    if (status != NG_E_CONFLICT)
        error_conflict.kind = NG_CONFLICT_NONE;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error_message, sizeof error_message, format, arguments);
    va_end(arguments);
    return status;
}

ng_status ngi_fail_prefix(ng_status status, const char *prefix)
{
    char copy[ERROR_BYTES];
    memcpy(copy, error_message, sizeof copy);
    return ngi_fail(status, "%s: %s", prefix, copy);
}

ng_status ngi_fail_item(ng_status status, size_t index, size_t count)
{
    char prefix[48];
    if (status == NG_OK || count <= 1)
        return status;
    snprintf(prefix, sizeof prefix, "item %zu", index);
    return ngi_fail_prefix(status, prefix);
}

const char *ngi_last_error(void)
{
    return error_message;
}

void ngi_error_set(const char *message)
{
    if (message != error_message)
        snprintf(error_message, sizeof error_message, "%s", message);
}

void ngi_conflict_set(const ng_conflict *conflict)
{
    error_conflict = *conflict;
}

bool ng_last_conflict(ng_conflict *out)
{
    if (error_conflict.kind == NG_CONFLICT_NONE)
        return false;
    if (out != NULL)
        *out = error_conflict;
    return true;
}

const char *ng_status_name(ng_status status)
{
    switch (status) {
#define STATUS_NAME(name, value, text)                                                             \
    case name:                                                                                     \
        return #name;
        NG_STATUS_TABLE(STATUS_NAME)
#undef STATUS_NAME
    }
    return "NG_E_UNKNOWN";
}

const char *ng_status_text(ng_status status)
{
    switch (status) {
#define STATUS_TEXT(name, value, text)                                                             \
    case name:                                                                                     \
        return text;
        NG_STATUS_TABLE(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

const char *ng_last_error(void)
{
    return error_message;
}

const char *ng_version(void)
{
    return NG_VERSION_TEXT;
}
