/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `check`: verifies a store, or saves what is valid of a damaged one.
 *
 * Invariants
 *   1. Neither changes the store: it is opened for reading, and --repair writes a new one.
 *   2. Every loss is listed, in the order it was found, before the summary. */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"
#include "cli_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHECK_REPAIR = CLI_OPTION_FIRST };

static void check_print_json(const ng_check_report *report)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_bool(&json, "ok", report->problem_count == 0);
    cli_json_u64(&json, "problem_count", report->problem_count);
    cli_json_text(&json, "first_problem", report->problem_count > 0 ? report->first_problem : NULL);
    cli_json_u64(&json, "tokens", report->tokens);
    cli_json_u64(&json, "connections", report->connections);
    cli_json_u64(&json, "labels", report->labels);
    cli_json_u64(&json, "vectors", report->vectors);
    cli_json_u64(&json, "log_ops", report->log_ops);
    cli_json_u64(&json, "log_bytes", report->log_bytes);
    cli_json_u64(&json, "snapshots", report->snapshots);
    cli_json_u64(&json, "snapshot_bytes", report->snapshot_bytes);
    cli_json_close(&json);
    cli_json_end(&json);
}

static void check_print_text(const cli_context *context, const ng_check_report *report)
{
    static const cli_column columns[] = {{NULL, false}, {NULL, true}};
    const struct check_row {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"tokens", report->tokens},       {"connections", report->connections},
        {"labels", report->labels},       {"vectors", report->vectors},
        {"log ops", report->log_ops},     {"log bytes", report->log_bytes},
        {"snapshots", report->snapshots}, {"snapshot bytes", report->snapshot_bytes},
    };
    cli_table table;

    cli_table_init(&table, columns, 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char number[CLI_NUMBER_ROOM];

        cli_table_cell(&table, "%s", rows[i].name);
        cli_table_cell(&table, "%s", cli_show_count(context, rows[i].value, number));
    }
    cli_table_print(context, &table);
    if (report->problem_count == 0)
        puts("ok");
    else
        printf("%" PRIu64 " problem%s, the first: %s\n", report->problem_count,
               report->problem_count == 1 ? "" : "s", report->first_problem);
}

static int check_verify(cli_context *context)
{
    ng_check_report report;
    ng_status status;
    int code = cli_store_open_reading(context);

    if (code != CLI_OK)
        return code;
    status = ng_check(context->store, &report);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (context->json)
        check_print_json(&report);
    else
        check_print_text(context, &report);
    return report.problem_count == 0 ? CLI_OK : CLI_NOTHING;
}

/* ---- repair ---- */

typedef struct check_loss {
    ng_loss at; /* but for its texts, which are those below */
    char *file, *text;
} check_loss;

typedef struct check_losses {
    check_loss *list;
    size_t count, capacity;
} check_losses;

static void check_on_loss(void *context, const ng_loss *loss)
{
    check_losses *losses = context;
    const char *file = loss->file != NULL ? loss->file : "";
    const char *text = loss->text != NULL ? loss->text : "";
    check_loss *kept;

    if (losses->count == losses->capacity) {
        losses->capacity = losses->capacity > 0 ? 2 * losses->capacity : 16;
        losses->list = cli_reallocate(losses->list, losses->capacity, sizeof *losses->list);
    }
    kept = &losses->list[losses->count++];
    kept->at = *loss;
    kept->file = cli_copy(file, strlen(file));
    kept->text = cli_copy(text, strlen(text));
}

static void check_losses_release(check_losses *losses)
{
    for (size_t i = 0; i < losses->count; i++) {
        free(losses->list[i].file);
        free(losses->list[i].text);
    }
    free(losses->list);
}

static void repair_print_json(const check_losses *losses, const ng_repair_report *report,
                              const char *to)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_bool(&json, "ok", losses->count == 0);
    cli_json_text(&json, "store", to);
    cli_json_array(&json, "losses");
    for (size_t i = 0; i < losses->count; i++) {
        const ng_loss *loss = &losses->list[i].at;

        cli_json_object(&json, NULL);
        cli_json_text(&json, "file", losses->list[i].file);
        cli_json_u64(&json, "offset", loss->offset);
        cli_json_u64(&json, "bytes", loss->bytes);
        cli_json_u64(&json, "first", loss->first);
        cli_json_u64(&json, "last", loss->last);
        cli_json_text(&json, "text", losses->list[i].text);
        cli_json_close(&json);
    }
    cli_json_close(&json);
    cli_json_u64(&json, "seq", report->seq);
    cli_json_u64(&json, "ops_applied", report->ops_applied);
    cli_json_u64(&json, "ops_refused", report->ops_refused);
    cli_json_u64(&json, "ops_missing", report->ops_missing);
    cli_json_u64(&json, "tokens", report->tokens);
    cli_json_u64(&json, "connections", report->connections);
    cli_json_u64(&json, "labels", report->labels);
    cli_json_u64(&json, "vectors", report->vectors);
    cli_json_double(&json, "seconds", report->seconds);
    cli_json_close(&json);
    cli_json_end(&json);
}

static void repair_print_losses(const cli_context *context, const check_losses *losses)
{
    static const cli_column columns[] = {
        {"file", false}, {"offset", true}, {"bytes", true}, {"ops", true}, {"lost", false}};
    cli_table table;

    if (losses->count == 0)
        return;
    cli_table_init(&table, columns, 5);
    for (size_t i = 0; i < losses->count; i++) {
        const ng_loss *loss = &losses->list[i].at;

        cli_table_cell(&table, "%s", losses->list[i].file);
        cli_table_cell(&table, "%" PRIu64, loss->offset);
        if (loss->bytes > 0)
            cli_table_cell(&table, "%" PRIu64, loss->bytes);
        else
            cli_table_cell(&table, "?");
        if (loss->first > 0)
            cli_table_cell(&table, "%" PRIu64 "-%" PRIu64, loss->first, loss->last);
        else
            cli_table_cell(&table, "-");
        cli_table_cell(&table, "%s", losses->list[i].text);
    }
    cli_table_print(context, &table);
}

static void repair_print_text(const cli_context *context, const check_losses *losses,
                              const ng_repair_report *report, const char *to)
{
    repair_print_losses(context, losses);
    printf("saved up to seq %" PRIu64 ": %" PRIu64 " tokens, %" PRIu64 " connections, %" PRIu64
           " labels, %" PRIu64 " vectors in ",
           report->seq, report->tokens, report->connections, report->labels, report->vectors);
    cli_text_print(stdout, to);
    if (losses->count == 0)
        printf("\nnothing is lost\n");
    else
        printf("\nlost: %zu place%s, %" PRIu64 " ops missing, %" PRIu64 " ops refused\n",
               losses->count, losses->count == 1 ? "" : "s", report->ops_missing,
               report->ops_refused);
}

static int check_repair(const cli_context *context, const char *to)
{
    check_losses losses = {0};
    ng_repair_report report = {0};
    ng_status status = ng_repair(cli_store_path(context), to, check_on_loss, &losses, &report);
    int code = losses.count == 0 ? CLI_OK : CLI_NOTHING;

    if (status != NG_OK)
        code = cli_fail_status(context, status);
    else if (context->json)
        repair_print_json(&losses, &report, to);
    else
        repair_print_text(context, &losses, &report, to);
    check_losses_release(&losses);
    return code;
}

static int check_run(cli_context *context, int argc, char **argv)
{
    const char *to = NULL;
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        to = args.value;
    if (option < 0)
        return args.exit_code;
    code = cli_args_store(&args, 0);
    if (code != CLI_OK)
        return code;
    if (to != NULL && to[0] == '\0')
        return cli_fail(context, CLI_USAGE, "--repair: the path is empty");
    return to != NULL ? check_repair(context, to) : check_verify(context);
}

static const cli_option check_options[] = {
    {"repair", CHECK_REPAIR, "NEWDIR", "save what is valid into a new store, and list the losses"},
    {NULL, 0, NULL, NULL},
};

static const int check_exits[] = {CLI_OK,   CLI_NOTHING, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY, CLI_IO,
                                  CLI_DATA, CLI_REFUSED, -1};

const cli_command cli_command_check = {
    .name = "check",
    .arguments = "[OPTION]... [STORE]",
    .summary = "Verify the whole store, or save what is valid of a damaged one",
    .description =
        "Reads the log and the snapshots with their checksums and compares every cross\n"
        "reference and counter. Prints ok, or how many problems there are and the first one.\n"
        "A store whose files are damaged cannot be opened: that is exit code 6. --repair reads\n"
        "its files one by one instead, writes what is valid into NEWDIR, which must not exist or\n"
        "be empty, and lists every loss; exit code 1 says that there were some. Neither changes\n"
        "the store.",
    .options = check_options,
    .examples = "neurograph check\nneurograph check --json | jq .problem_count\n"
                "neurograph check ./damaged --repair ./saved",
    .exit_codes = check_exits,
    .run = check_run,
};
