/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `blackbox`.
 *
 * Invariants
 *   1. The store is not opened: it may be in use, or damaged, or too large for this machine.
 */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BLACKBOX_EVENTS_MAX 1000u /* as many as the file has */
#define BLACKBOX_KIND_ROOM 17
#define BLACKBOX_TEXT_ROOM 193

typedef struct blackbox_event {
    ng_event event;
    char kind[BLACKBOX_KIND_ROOM], text[BLACKBOX_TEXT_ROOM];
} blackbox_event;

typedef struct blackbox_list {
    blackbox_event *events;
    size_t count;
} blackbox_list;

static void blackbox_take(void *context, const ng_event *event)
{
    blackbox_list *list = context;
    blackbox_event *to = &list->events[list->count];

    if (list->count == BLACKBOX_EVENTS_MAX)
        return;
    to->event = *event;
    snprintf(to->kind, sizeof to->kind, "%s", event->kind);
    snprintf(to->text, sizeof to->text, "%s", event->text);
    list->count++;
}

/* "2025-01-31T12:00:00.123456Z" */
static const char *blackbox_time(uint64_t us, char out[CLI_NUMBER_ROOM])
{
    char seconds[CLI_NUMBER_ROOM];

    cli_show_time(us / 1000000, seconds);
    snprintf(out, CLI_NUMBER_ROOM, "%.*s.%06uZ", (int)strcspn(seconds, "Z"), seconds,
             (unsigned)(us % 1000000));
    return out;
}

static void blackbox_print_text(const cli_context *context, const blackbox_event *events,
                                size_t count)
{
    static const cli_column columns[] = {{"time", false},
                                         {"seq", true},
                                         {"kind", false},
                                         {"text", false}};
    cli_table table;
    char room[CLI_NUMBER_ROOM];

    cli_table_init(&table, columns, 4);
    for (size_t i = 0; i < count; i++) {
        cli_table_cell(&table, "%s", blackbox_time(events[i].event.time_us, room));
        cli_table_cell(&table, "%" PRIu64, events[i].event.seq);
        cli_table_cell(&table, "%s", events[i].kind);
        cli_table_cell(&table, "%s", events[i].text);
    }
    cli_table_print(context, &table);
}

static void blackbox_print_json(const blackbox_event *each)
{
    char room[CLI_NUMBER_ROOM];
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_u64(&json, "number", each->event.number);
    cli_json_text(&json, "time", blackbox_time(each->event.time_us, room));
    cli_json_u64(&json, "time_us", each->event.time_us);
    cli_json_u64(&json, "seq", each->event.seq);
    cli_json_u64(&json, "process", each->event.process);
    cli_json_u64(&json, "thread", each->event.thread);
    cli_json_text(&json, "kind", each->kind);
    cli_json_text(&json, "text", each->text);
    cli_json_close(&json);
    cli_json_end(&json);
}

static int blackbox_show(const cli_context *context, size_t last)
{
    const char *path = cli_store_path(context);
    blackbox_list list = {cli_allocate(BLACKBOX_EVENTS_MAX, sizeof *list.events), 0};
    ng_status status = ng_blackbox_read(path, blackbox_take, &list);
    size_t first = list.count > last ? list.count - last : 0;

    if (status == NG_OK && context->json)
        for (size_t i = first; i < list.count; i++)
            blackbox_print_json(&list.events[i]);
    else if (status == NG_OK)
        blackbox_print_text(context, list.events + first, list.count - first);
    free(list.events);
    if (status == NG_E_NOT_FOUND)
        return cli_fail(context, CLI_NOT_FOUND, "%s: there is no black box in this directory",
                        path);
    return status == NG_OK ? CLI_OK : cli_fail_status(context, status);
}

static int blackbox_run(cli_context *context, int argc, char **argv)
{
    uint64_t last = BLACKBOX_EVENTS_MAX;
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!cli_parse_u64(&args, 1, BLACKBOX_EVENTS_MAX, &last))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    code = cli_args_store(&args, 0);
    return code == CLI_OK ? blackbox_show(context, (size_t)last) : code;
}

static const cli_option blackbox_options[] = {
    {"last", 'n', "N", "only the last N events, 1..1000; default 1000"},
    {NULL, 0, NULL, NULL},
};

static const int blackbox_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_IO, CLI_DATA, -1};

const cli_command cli_command_blackbox = {
    .name = "blackbox",
    .arguments = "[OPTION]... [STORE]",
    .summary = "Show what the store did last, also after a crash",
    .description =
        "Events are openings, recoveries, checkpoints, failures, restarts of the server.\n"
        "Reads one file of the store and changes nothing: the store may be in use, or\n"
        "have crashed. The oldest event comes first.",
    .options = blackbox_options,
    .examples = "neurograph blackbox --last 20\nneurograph blackbox ./memory\nneurograph blackbox "
                "--json | jq -r .kind",
    .exit_codes = blackbox_exits,
    .run = blackbox_run,
};
