/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Messages and the ways numbers are shown.
 *
 * Invariants
 *   1. A message is one line: control characters in it are replaced before it is printed.
 *   2. Every status has one exit code, whichever command met it.
 */
#include "cli_output.h"
#include "cli_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGE_ROOM 4096

int cli_exit_of(ng_status status)
{
    switch (status) {
    case NG_OK:
        return CLI_OK;
    case NG_E_INVALID:
        return CLI_USAGE;
    case NG_E_NOT_FOUND:
    case NG_E_ABSENT:
    case NG_E_GONE:
        return CLI_NOT_FOUND;
    case NG_E_BUSY:
        return CLI_BUSY;
    case NG_E_IO:
    case NG_E_DISK_FULL:
    case NG_E_LATCHED:
        return CLI_IO;
    case NG_E_CORRUPT:
    case NG_E_FORMAT:
    case NG_E_VERSION:
    case NG_E_INTERNAL:
        return CLI_DATA;
    case NG_E_EXISTS:
    case NG_E_LIMIT:
    case NG_E_FORBIDDEN:
    case NG_E_NOMEM:
    case NG_E_CONFLICT:
    case NG_E_READ_ONLY:
    case NG_E_EXPIRED:
        return CLI_REFUSED;
    case NG_E_TIMEOUT:
    case NG_E_CANCELLED:
        return CLI_INTERRUPTED;
    }
    return CLI_DATA;
}

static void output_message(const char *what, const char *message)
{
    /* What stands on stdout came first, also when both go to one terminal. */
    fflush(stdout);
    fputs("neurograph: ", stderr);
    if (what != NULL) {
        cli_text_print(stderr, what);
        fputs(": ", stderr);
    }
    cli_text_print(stderr, message);
    fputc('\n', stderr);
}

static const char *output_what(const cli_context *context)
{
    return context->command != NULL ? context->command->name : NULL;
}

int cli_fail(const cli_context *context, int code, const char *format, ...)
{
    char message[MESSAGE_ROOM];
    va_list values;

    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    output_message(output_what(context), message);
    return code;
}

static const char *output_detail(ng_status status)
{
    const char *detail = ng_last_error();

    return detail[0] != '\0' ? detail : ng_status_text(status);
}

int cli_fail_status(const cli_context *context, ng_status status)
{
    output_message(output_what(context), output_detail(status));
    return cli_exit_of(status);
}

int cli_fail_about(const cli_context *context, ng_status status, const char *what)
{
    return cli_fail(context, cli_exit_of(status), "%s: %s", what, output_detail(status));
}

void cli_note(const cli_context *context, const char *format, ...)
{
    char message[MESSAGE_ROOM];
    va_list values;

    if (context->quiet)
        return;
    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    output_message("note", message);
}

static _Noreturn void output_no_memory(void)
{
    output_message(NULL, "out of memory");
    /* An acknowledged write is on disk and the log needs no clean close, so leaving is safe. */
    exit(CLI_REFUSED);
}

void *cli_allocate(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);

    if (memory == NULL)
        output_no_memory();
    return memory;
}

void *cli_reallocate(void *old, size_t count, size_t size)
{
    void *memory = reallocarray(old, count > 0 ? count : 1, size);

    if (memory == NULL)
        output_no_memory();
    return memory;
}

char *cli_copy(const char *text, size_t bytes)
{
    char *copy = cli_allocate(bytes + 1, 1);

    memcpy(copy, text, bytes);
    return copy;
}

const char *cli_show_count(const cli_context *context, uint64_t value, char out[CLI_NUMBER_ROOM])
{
    char digits[24];
    size_t count = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, value);
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        if (context->terminal && i > 0 && (count - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}

const char *cli_show_bytes(uint64_t bytes, char out[CLI_NUMBER_ROOM])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1023.95 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    snprintf(out, CLI_NUMBER_ROOM, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

const char *cli_show_seconds(double seconds, char out[CLI_NUMBER_ROOM])
{
    if (!(seconds >= 0))
        seconds = 0;
    if (seconds < 1e-3)
        snprintf(out, CLI_NUMBER_ROOM, "%.0f us", seconds * 1e6);
    else if (seconds < 1)
        snprintf(out, CLI_NUMBER_ROOM, "%.1f ms", seconds * 1e3);
    else if (seconds < 99.5)
        snprintf(out, CLI_NUMBER_ROOM, "%.1f s", seconds);
    else
        snprintf(out, CLI_NUMBER_ROOM, "%.0f:%02.0f min", floor(seconds / 60),
                 floor(fmod(seconds, 60)));
    return out;
}

const char *cli_show_time(uint64_t unix_seconds, char out[CLI_NUMBER_ROOM])
{
    time_t when = (time_t)unix_seconds;
    struct tm parts;

    if (gmtime_r(&when, &parts) == NULL ||
        strftime(out, CLI_NUMBER_ROOM, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        snprintf(out, CLI_NUMBER_ROOM, "%" PRIu64, unix_seconds);
    return out;
}

const char *cli_show_float(float value, char out[CLI_NUMBER_ROOM])
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, CLI_NUMBER_ROOM, "%.*g", digits, (double)value);
        if (strtof(out, NULL) == value)
            break;
    }
    return out;
}
