/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The commands `checkpoint` and `hash`. */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"
#include "cli_progress.h"
#include "cli_signal.h"

#include <inttypes.h>

static void checkpoint_print(const cli_context *context, const ng_checkpoint_report *report)
{
    static const cli_column columns[] = {{NULL, false}, {NULL, true}};
    char number[CLI_NUMBER_ROOM];
    cli_table table;
    cli_json json;

    if (context->json) {
        cli_json_begin(&json, stdout);
        cli_json_object(&json, NULL);
        cli_json_u64(&json, "seq", report->seq);
        cli_json_u64(&json, "bytes", report->bytes);
        cli_json_double(&json, "seconds", report->seconds);
        cli_json_u64(&json, "segments_removed", report->segments_removed);
        cli_json_u64(&json, "bytes_freed", report->bytes_freed);
        cli_json_u64(&json, "lock_ns_max", report->lock_ns_max);
        cli_json_close(&json);
        cli_json_end(&json);
        return;
    }
    cli_table_init(&table, columns, 2);
    cli_table_cell(&table, "seq");
    cli_table_cell(&table, "%s", cli_show_count(context, report->seq, number));
    cli_table_cell(&table, "bytes");
    cli_table_cell(&table, "%s", cli_show_count(context, report->bytes, number));
    cli_table_cell(&table, "seconds");
    cli_table_cell(&table, "%.3f", report->seconds);
    cli_table_cell(&table, "segments removed");
    cli_table_cell(&table, "%s", cli_show_count(context, report->segments_removed, number));
    cli_table_cell(&table, "bytes freed");
    cli_table_cell(&table, "%s", cli_show_count(context, report->bytes_freed, number));
    cli_table_print(context, &table);
}

static int checkpoint_run(cli_context *context, int argc, char **argv)
{
    ng_checkpoint_report report = {0};
    cli_progress progress;
    ng_status status;
    cli_args args;
    int code;

    cli_args_begin(&args, context, argc, argv);
    if (cli_args_next(&args) < 0)
        return args.exit_code;
    code = cli_args_store(&args, 0);
    /* Nothing else may begin a checkpoint meanwhile. */
    if (code == CLI_OK)
        code = cli_store_open(context, NG_OPEN_MUST_EXIST | NG_OPEN_MANUAL);
    if (code != CLI_OK)
        return code;
    cli_signal_catch();
    cli_progress_begin(&progress, context);
    status = ng_checkpoint(context->store, cli_progress_or_stop, &progress, &report);
    cli_progress_end(&progress);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (report.seconds == 0) /* one that is written takes some time */
        cli_note(context, "nothing has changed since the newest snapshot");
    checkpoint_print(context, &report);
    return CLI_OK;
}

static const int checkpoint_exits[] = {CLI_OK,   CLI_USAGE,   CLI_NOT_FOUND,   CLI_BUSY, CLI_IO,
                                       CLI_DATA, CLI_REFUSED, CLI_INTERRUPTED, -1};

const cli_command cli_command_checkpoint = {
    .name = "checkpoint",
    .arguments = "[STORE]",
    .summary = "Write a snapshot, and free the log that it makes superfluous",
    .description =
        "A store with a snapshot opens faster, because only the log after it is replayed. A\n"
        "store that is open does this by itself; while a server has it open, ask the server:\n"
        "POST /api/v1/admin/checkpoint. Does nothing if nothing has changed since the last one.",
    .examples = "neurograph checkpoint\nneurograph checkpoint ./memory --json",
    .exit_codes = checkpoint_exits,
    .run = checkpoint_run,
};

/* ---- hash ---- */

static int hash_run(cli_context *context, int argc, char **argv)
{
    uint64_t hash;
    ng_seq seq;
    ng_status status;
    cli_args args;
    cli_json json;
    char text[24];
    int code;

    cli_args_begin(&args, context, argc, argv);
    if (cli_args_next(&args) < 0)
        return args.exit_code;
    code = cli_args_store(&args, 0);
    if (code == CLI_OK)
        code = cli_store_open_reading(context);
    if (code != CLI_OK)
        return code;
    status = ng_state_hash(context->store, &hash);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    ng_positions(context->store, &seq, NULL);
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    if (!context->json) {
        printf("%s %" PRIu64 "\n", text, seq);
        return CLI_OK;
    }
    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "state_hash", text);
    cli_json_u64(&json, "seq", seq);
    cli_json_close(&json);
    cli_json_end(&json);
    return CLI_OK;
}

static const int hash_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY, CLI_IO, CLI_DATA, -1};

const cli_command cli_command_hash = {
    .name = "hash",
    .arguments = "[STORE]",
    .summary = "Print the hash of the whole state and the seq it is of",
    .description = "Stores with equal contents have equal hashes, on every machine: a copy that\n"
                   "follows, or a restored backup, has the hash of its source at that seq.",
    .examples = "neurograph hash\nneurograph hash ./copy --json",
    .exit_codes = hash_exits,
    .run = hash_run,
};
