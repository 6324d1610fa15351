/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `restore`: a new store from a backup. */
#include "cli_args.h"
#include "cli_backup_names.h"
#include "cli_fetch.h"
#include "cli_json.h"
#include "cli_output.h"
#include "cli_progress.h"
#include "cli_signal.h"
#include "cli_source.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { RESTORE_TO_SEQ = CLI_OPTION_FIRST, RESTORE_TO_TIME };

static void restore_print(const cli_context *context, const ng_stream_report *report)
{
    static const cli_column columns[] = {{NULL, false}, {NULL, true}};
    char number[CLI_NUMBER_ROOM];
    cli_table table;
    cli_json json;

    if (context->json) {
        cli_json_begin(&json, stdout);
        cli_json_object(&json, NULL);
        cli_json_text(&json, "store", cli_store_path(context));
        cli_json_u64(&json, "seq", report->seq);
        cli_json_u64(&json, "time_us", report->time_us);
        cli_json_u64(&json, "tokens", report->tokens);
        cli_json_u64(&json, "connections", report->connections);
        cli_json_u64(&json, "ops", report->ops);
        cli_json_u64(&json, "files", report->files);
        cli_json_u64(&json, "bytes", report->bytes);
        cli_json_double(&json, "seconds", report->seconds);
        cli_json_close(&json);
        cli_json_end(&json);
        return;
    }
    cli_table_init(&table, columns, 2);
    cli_table_cell(&table, "seq");
    cli_table_cell(&table, "%s", cli_show_count(context, report->seq, number));
    cli_table_cell(&table, "time");
    cli_table_cell(&table, "%s", cli_show_time(report->time_us / 1000000, number));
    cli_table_cell(&table, "tokens");
    cli_table_cell(&table, "%s", cli_show_count(context, report->tokens, number));
    cli_table_cell(&table, "connections");
    cli_table_cell(&table, "%s", cli_show_count(context, report->connections, number));
    cli_table_cell(&table, "ops replayed");
    cli_table_cell(&table, "%s", cli_show_count(context, report->ops, number));
    cli_table_cell(&table, "seconds");
    cli_table_cell(&table, "%.3f", report->seconds);
    cli_table_print(context, &table);
}

static int restore_server(const cli_context *context, const char *from, const char *to,
                          const ng_restore_options *options, ng_stream_report *report)
{
    cli_source *source = cli_source_create(context, from);
    cli_source_request wanted = {0};
    ng_status status;
    int code = CLI_OK;

    if (source == NULL)
        return CLI_USAGE;
    status = cli_source_begin(source, &wanted);
    if (status == NG_OK)
        status = ng_stream_restore(cli_source_read, source, to, options, report);
    status = cli_source_end(source, status);
    if (status != NG_OK)
        /* What is wrong with the target has its name already. */
        code = cli_fail(context, cli_exit_of(status), "%s%s%s", status != NG_E_EXISTS ? from : "",
                        status != NG_E_EXISTS ? ": " : "", cli_source_text(source));
    cli_source_destroy(source);
    return code;
}

static int restore_work(const cli_context *context, const char *from, ng_restore_options *options)
{
    const char *to = cli_store_path(context);
    ng_stream_report report = {0};
    cli_progress progress;
    ng_status status = NG_OK;
    int input = STDIN_FILENO;
    int code = CLI_OK;

    cli_signal_catch();
    cli_progress_begin(&progress, context);
    options->progress = cli_progress_or_stop;
    options->progress_context = &progress;
    if (cli_fetch_is_url(from))
        code = restore_server(context, from, to, options, &report);
    else if (strcmp(from, "-") == 0)
        status = ng_stream_restore(cli_backup_file_source, &input, to, options, &report);
    else
        status = ng_restore(from, to, options, &report);
    cli_progress_end(&progress);
    options->progress = NULL;
    options->progress_context = NULL;
    if (status != NG_OK)
        code = cli_fail_status(context, status);
    if (code == CLI_OK)
        restore_print(context, &report);
    return code;
}

static int restore_run(cli_context *context, int argc, char **argv)
{
    ng_restore_options options = {.struct_size = sizeof options};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0) {
        if (option == RESTORE_TO_SEQ ? !cli_parse_u64(&args, 1, UINT64_MAX, &options.seq)
                                     : !cli_parse_time(&args, &options.time_us))
            return CLI_USAGE;
    }
    if (option < 0)
        return args.exit_code;
    if (args.operand_count == 0 || args.operands[0][0] == '\0')
        return cli_fail(context, CLI_USAGE, "from which backup? see 'neurograph restore --help'");
    code = cli_args_store(&args, 1);
    if (code == CLI_OK && options.seq != 0 && options.time_us != 0)
        code = cli_fail(context, CLI_USAGE, "--to-seq and --to-time exclude each other");
    if (code == CLI_OK && strcmp(args.operands[0], "-") == 0 && isatty(STDIN_FILENO) == 1)
        code = cli_fail(context, CLI_USAGE, "a backup does not come from a terminal");
    return code == CLI_OK ? restore_work(context, args.operands[0], &options) : code;
}

static const cli_option restore_options[] = {
    {"to-seq", RESTORE_TO_SEQ, "N", "the state after this op; default the newest"},
    {"to-time", RESTORE_TO_TIME, "T", "as it was then: 2026-01-31T12:00:00Z, or Unix seconds"},
    {NULL, 0, NULL, NULL},
};

static const int restore_exits[] = {CLI_OK,   CLI_USAGE,   CLI_NOT_FOUND,   CLI_IO,
                                    CLI_DATA, CLI_REFUSED, CLI_INTERRUPTED, -1};

const cli_command cli_command_restore = {
    .name = "restore",
    .arguments = "[OPTION]... FROM [STORE]",
    .summary = "Make a new store from a backup, as it was at any op or time in it",
    .description =
        "FROM is a directory of backups, one of its files, - for a stream on standard input, or\n"
        "the URL of a server. STORE must not exist or be empty; it gets an identity of its own.\n"
        "Everything is verified; a restore that fails leaves nothing behind.",
    .options = restore_options,
    .examples = "neurograph restore ./backups ./memory\n"
                "neurograph restore ./backups ./yesterday --to-time 2026-01-31T18:00:00+01:00\n"
                "zstd -d < memory.zst | neurograph restore - ./memory",
    .exit_codes = restore_exits,
    .run = restore_run,
};
