/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Options and numbers of the command line. getopt_long keeps its position in globals of libc: one
 * cli_args is in use at a time, and beginning another starts getopt anew.
 *
 * Invariants
 *   1. A number is the whole text of its argument: no blanks around it, nothing behind it, finite.
 *   2. Every message names the option and the value as given.
 */
#include "cli_args.h"
#include "cli_output.h"

#include <assert.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static size_t args_add(cli_args *args, const cli_option *options, size_t count)
{
    size_t used = strlen(args->letters);

    for (; options != NULL && options->name != NULL; options++) {
        assert(count < CLI_OPTION_MAX);
        args->table[count].name = options->name;
        args->table[count].has_arg = options->argument == NULL                  ? no_argument
                                     : strncmp(options->argument, "[=", 2) == 0 ? optional_argument
                                                                                : required_argument;
        args->table[count].val = options->value;
        count++;
        if (options->value < CLI_OPTION_FIRST) {
            args->letters[used++] = (char)options->value;
            if (options->argument != NULL)
                args->letters[used++] = ':';
        }
    }
    args->letters[used] = '\0';
    return count;
}

void cli_args_begin(cli_args *args, cli_context *context, int argc, char **argv)
{
    size_t count;

    memset(args, 0, sizeof *args);
    args->context = context;
    args->argc = argc;
    args->argv = argv;
    args->options = context->command != NULL ? context->command->options : NULL;
    /* '+' stops at the command's name; ':' tells a missing argument from an unknown option. */
    snprintf(args->letters, sizeof args->letters, "%s", context->command == NULL ? "+:" : ":");
    count = args_add(args, cli_general_options, 0);
    args_add(args, args->options, count);
    optind = 0;
    opterr = 0;
}

static const char *args_name_of(const cli_args *args, int value)
{
    for (size_t i = 0; args->table[i].name != NULL; i++)
        if (args->table[i].val == value)
            return args->table[i].name;
    return "?";
}

static int args_stop(cli_args *args, int code)
{
    args->exit_code = code;
    return -1;
}

static const char *args_hint(const cli_args *args, char room[96])
{
    const cli_command *command = args->context->command;

    snprintf(room, 96, "see 'neurograph %s%s--help'", command != NULL ? command->name : "",
             command != NULL ? " " : "");
    return room;
}

static int args_unknown(cli_args *args)
{
    const char *text = args->argv[optind - 1];
    size_t length = strcspn(text, "=");
    size_t matches = 0;
    char hint[96];

    args_hint(args, hint);
    if (strncmp(text, "--", 2) != 0)
        return args_stop(args, cli_fail(args->context, CLI_USAGE, "unknown option '-%c'; %s",
                                        optopt, hint));
    if (optopt != 0)
        return args_stop(args, cli_fail(args->context, CLI_USAGE, "'--%s' takes no argument; %s",
                                        args_name_of(args, optopt), hint));
    for (size_t i = 0; args->table[i].name != NULL; i++)
        matches += length > 2 && strncmp(args->table[i].name, text + 2, length - 2) == 0;
    return args_stop(args,
                     cli_fail(args->context, CLI_USAGE, "%s option '%.*s'; %s",
                              matches > 1 ? "ambiguous" : "unknown", (int)length, text, hint));
}

static int args_color(cli_args *args)
{
    cli_context *context = args->context;

    if (strcmp(optarg, "always") == 0)
        context->color = true;
    else if (strcmp(optarg, "never") == 0)
        context->color = false;
    else if (strcmp(optarg, "auto") == 0)
        context->color = context->color_auto;
    else
        return args_stop(args, cli_fail(context, CLI_USAGE,
                                        "--color: '%s' is none of auto, always, never", optarg));
    return 1;
}

static int args_durability(cli_args *args)
{
    static const char *const names[] = {"sync", "interval", "none"};

    for (uint32_t i = 0; i < 3; i++) {
        if (strcmp(optarg, names[i]) == 0) {
            args->context->durability = NG_DURABILITY_SYNC + i;
            return 1;
        }
    }
    return args_stop(args, cli_fail(args->context, CLI_USAGE,
                                    "--durability: '%s' is none of sync, interval, none", optarg));
}

static int args_limits(cli_args *args)
{
    ng_open_options options = {.struct_size = sizeof options};

    if (ng_open_preset(optarg, &options) != NG_OK)
        return args_stop(args, cli_fail(args->context, CLI_USAGE, "--limits: %s", ng_last_error()));
    args->context->limits = optarg;
    return 1;
}

static int args_memory(cli_args *args)
{
    if (cli_digits(optarg, &args->context->memory_bytes) &&
        args->context->memory_bytes >= CLI_MEMORY_BYTES_MIN)
        return 1;
    return args_stop(args, cli_fail(args->context, CLI_USAGE,
                                    "--memory: '%s' is not a number of bytes from %u on", optarg,
                                    CLI_MEMORY_BYTES_MIN));
}

/* 1 if `option` was a general one, 0 if it is the command's, -1 to stop. */
static int args_general(cli_args *args, int option)
{
    cli_context *context = args->context;

    switch (option) {
    case 's':
        if (optarg[0] == '\0')
            return args_stop(args, cli_fail(context, CLI_USAGE, "--store: the path is empty"));
        context->store_path = optarg;
        return 1;
    case 'j':
        context->json = true;
        return 1;
    case 'q':
        context->quiet = true;
        return 1;
    case 'h':
        cli_help_print(cli_commands, context->command);
        return args_stop(args, CLI_OK);
    case CLI_OPTION_COLOR:
        return args_color(args);
    case CLI_OPTION_DURABILITY:
        return args_durability(args);
    case CLI_OPTION_LIMITS:
        return args_limits(args);
    case CLI_OPTION_MEMORY:
        return args_memory(args);
    default:
        return 0;
    }
}

int cli_args_next(cli_args *args)
{
    for (;;) {
        int option = getopt_long(args->argc, args->argv, args->letters, args->table, NULL);
        int general;
        char hint[96];

        if (option == -1) {
            args->operands = args->argv + optind;
            args->operand_count = args->argc - optind;
            return 0;
        }
        if (option == '?')
            return args_unknown(args);
        if (option == ':')
            return args_stop(args, cli_fail(args->context, CLI_USAGE, "'%s' needs an argument; %s",
                                            args->argv[optind - 1], args_hint(args, hint)));
        general = args_general(args, option);
        if (general < 0)
            return -1;
        if (general == 0) {
            args->name = args_name_of(args, option);
            args->value = optarg;
            return option;
        }
    }
}

int cli_args_store(const cli_args *args, int index)
{
    if (args->operand_count > index + 1)
        return cli_fail(args->context, CLI_USAGE, "unexpected argument '%s'",
                        args->operands[index + 1]);
    if (args->operand_count <= index)
        return CLI_OK;
    if (args->context->store_path != NULL)
        return cli_fail(args->context, CLI_USAGE,
                        "the store is given twice, by --store and as '%s'", args->operands[index]);
    if (args->operands[index][0] == '\0')
        return cli_fail(args->context, CLI_USAGE, "the path of the store is empty");
    args->context->store_path = args->operands[index];
    return CLI_OK;
}

bool cli_digits(const char *text, uint64_t *out)
{
    uint64_t value = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (*text < '0' || *text > '9' || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool cli_parse_u64(const cli_args *args, uint64_t smallest, uint64_t largest, uint64_t *out)
{
    uint64_t value;

    if (cli_digits(args->value, &value) && value >= smallest && value <= largest) {
        *out = value;
        return true;
    }
    cli_fail(args->context, CLI_USAGE, "--%s: '%s' is not a whole number in %" PRIu64 "..%" PRIu64,
             args->name, args->value, smallest, largest);
    return false;
}

/* One number of `length` bytes; strtod would accept blanks before it, which we do not. */
static bool args_number(const cli_args *args, const char *text, size_t length, double *out)
{
    char copy[64];
    char *end;
    double value;

    if (length == 0 || length >= sizeof copy || strchr(" \t\n\v\f\r", text[0]) != NULL)
        goto bad;
    memcpy(copy, text, length);
    copy[length] = '\0';
    value = strtod(copy, &end);
    if (end != copy + length || !isfinite(value))
        goto bad;
    *out = value;
    return true;
bad:
    cli_fail(args->context, CLI_USAGE, "--%s: '%.*s' is not a finite number", args->name,
             (int)(length < 64 ? length : 64), text);
    return false;
}

static bool args_float(const cli_args *args, const char *text, size_t length, float *out)
{
    double value;

    if (!args_number(args, text, length, &value))
        return false;
    if (fabs(value) > (double)FLT_MAX) {
        cli_fail(args->context, CLI_USAGE, "--%s: '%.*s' is too large for a 32-bit number",
                 args->name, (int)length, text);
        return false;
    }
    *out = (float)value;
    return true;
}

bool cli_parse_double(const cli_args *args, double *out)
{
    return args_number(args, args->value, strlen(args->value), out);
}

bool cli_parse_float(const cli_args *args, float *out)
{
    return args_float(args, args->value, strlen(args->value), out);
}

/* `count` digits that are a number in smallest..largest; moves *text behind them. */
static bool time_number(const char **text, int count, int smallest, int largest, int *out)
{
    *out = 0;
    for (int i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *out = *out * 10 + (**text - '0');
    }
    return *out >= smallest && *out <= largest;
}

static bool time_char(const char **text, const char *allowed)
{
    if (**text == '\0' || strchr(allowed, **text) == NULL)
        return false;
    (*text)++;
    return true;
}

/* ".5" as microseconds; nothing there is 0. More digits than that are cut. */
static bool time_fraction(const char **text, int64_t *us)
{
    int64_t unit = 100000;

    *us = 0;
    if (**text != '.')
        return true;
    (*text)++;
    if (**text < '0' || **text > '9')
        return false;
    for (; **text >= '0' && **text <= '9'; (*text)++, unit /= 10)
        *us += unit * (**text - '0');
    return true;
}

/* "Z" or "+01:30", in seconds. */
static bool time_zone(const char **text, int64_t *seconds)
{
    int hours, minutes, sign = **text == '-' ? -1 : 1;

    *seconds = 0;
    if (time_char(text, "Zz"))
        return true;
    if (!time_char(text, "+-") || !time_number(text, 2, 0, 23, &hours) || !time_char(text, ":") ||
        !time_number(text, 2, 0, 59, &minutes))
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool time_date(const char **text, struct tm *out)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month;
    bool leap;

    memset(out, 0, sizeof *out);
    if (!time_number(text, 4, 1970, 9999, &year) || !time_char(text, "-") ||
        !time_number(text, 2, 1, 12, &month) || !time_char(text, "-"))
        return false;
    leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    out->tm_year = year - 1900;
    out->tm_mon = month - 1;
    return time_number(text, 2, 1, days[month - 1] + leap, &out->tm_mday) &&
           time_char(text, "Tt ") && time_number(text, 2, 0, 23, &out->tm_hour) &&
           time_char(text, ":") && time_number(text, 2, 0, 59, &out->tm_min) &&
           time_char(text, ":") && time_number(text, 2, 0, 60, &out->tm_sec);
}

bool cli_parse_time(const cli_args *args, uint64_t *out)
{
    const char *text = args->value;
    size_t digits = strspn(text, "0123456789");
    int64_t seconds, zone, us;
    struct tm parts;

    if (digits > 0 && digits <= 11 && (text[digits] == '\0' || text[digits] == '.')) {
        seconds = strtoll(text, NULL, 10);
        text += digits;
        if (!time_fraction(&text, &us))
            goto bad;
    } else {
        if (!time_date(&text, &parts) || !time_fraction(&text, &us) || !time_zone(&text, &zone))
            goto bad;
        seconds = (int64_t)timegm(&parts) - zone;
    }
    if (*text != '\0' || seconds < 0 || seconds + us == 0)
        goto bad;
    *out = (uint64_t)seconds * 1000000 + (uint64_t)us;
    return true;
bad:
    cli_fail(args->context, CLI_USAGE,
             "--%s: '%s' is neither a time with its zone, such as 2026-01-31T12:00:00Z, nor Unix"
             " seconds",
             args->name, args->value);
    return false;
}

bool cli_parse_triple(const cli_args *args, const char *text, float out[NG_AXIS_COUNT])
{
    const char *part = text;

    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        size_t length = strcspn(part, ",");

        if ((part[length] == ',') != (axis < NG_AXIS_COUNT - 1)) {
            cli_fail(args->context, CLI_USAGE, "--%s: '%s' is not three numbers x,y,z", args->name,
                     text);
            return false;
        }
        if (!args_float(args, part, length, &out[axis]))
            return false;
        part += length + 1;
    }
    return true;
}

bool cli_parse_vector(const cli_args *args, const char *text, float **out, size_t *count)
{
    const char *part = text;
    size_t capacity = 1, used = 0;
    float *numbers;

    for (const char *c = part; *c != '\0'; c++)
        capacity += *c == ',';
    numbers = cli_allocate(capacity, sizeof *numbers);
    for (;;) {
        size_t length = strcspn(part, ",");

        if (!args_float(args, part, length, &numbers[used])) {
            free(numbers);
            return false;
        }
        used++;
        if (part[length] == '\0')
            break;
        part += length + 1;
    }
    *out = numbers;
    *count = used;
    return true;
}

bool cli_parse_types(const cli_args *args, ng_type_set *set)
{
    const char *part = args->value;

    for (;;) {
        size_t length = strcspn(part, ",");
        char name[64];
        uint8_t type;
        ng_status status;

        snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1),
                 part);
        status = ng_connection_type_parse(name, &type);
        if (status != NG_OK) {
            cli_fail(args->context, cli_exit_of(status), "--%s: %s", args->name, ng_last_error());
            return false;
        }
        set->bits[type >> 6] |= UINT64_C(1) << (type & 63);
        if (part[length] == '\0')
            return true;
        part += length + 1;
    }
}

bool cli_parse_direction(const cli_args *args, ng_direction *out)
{
    if (strcmp(args->value, "out") == 0)
        *out = NG_OUTGOING;
    else if (strcmp(args->value, "in") == 0)
        *out = NG_INCOMING;
    else if (strcmp(args->value, "both") == 0)
        *out = NG_BOTH;
    else {
        cli_fail(args->context, CLI_USAGE, "--%s: '%s' is none of out, in, both", args->name,
                 args->value);
        return false;
    }
    return true;
}
