/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `backup`: a store, or the store of a server, into a directory or to stdout.
 *
 * Invariants
 *   1. The store is opened for reading: a backup changes nothing in it.
 *   2. A file gets its name once it is complete, verified and on disk. What a server sends is kept
 *      as `backup.PID.part` until then, and removed if it is of no use.
 */
#include "cli_args.h"
#include "cli_backup_names.h"
#include "cli_fetch.h"
#include "cli_json.h"
#include "cli_output.h"
#include "cli_progress.h"
#include "cli_signal.h"
#include "cli_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKUP_PIECE ((size_t)256 << 10)

enum { BACKUP_INCREMENTAL = CLI_OPTION_FIRST, BACKUP_AFTER };

typedef struct backup_request {
    const char *url; /* NULL = the store */
    const char *to;
    bool incremental;
    bool has_after;
    uint64_t after;
} backup_request;

static bool backup_to_stdout(const backup_request *request)
{
    return request->to != NULL && strcmp(request->to, "-") == 0;
}

/* ---- the answer ---- */

static void backup_print_json(const ng_stream_report *report, const char *file)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "file", file);
    cli_json_bool(&json, "incremental", report->incremental);
    cli_json_u64(&json, "after", report->after);
    cli_json_u64(&json, "seq", report->seq);
    cli_json_u64(&json, "bytes", report->bytes);
    cli_json_u64(&json, "ops", report->ops);
    cli_json_u64(&json, "tokens", report->tokens);
    cli_json_u64(&json, "connections", report->connections);
    cli_json_double(&json, "seconds", report->seconds);
    cli_json_close(&json);
    cli_json_end(&json);
}

static void backup_print(const cli_context *context, const ng_stream_report *report,
                         const char *directory)
{
    static const cli_column columns[] = {{NULL, false}, {NULL, false}};
    /* An increment without an op is not kept: there is no file for it. */
    char *file = report->file[0] != '\0' ? cli_backup_path(directory, report->file) : NULL;
    char number[CLI_NUMBER_ROOM];
    cli_table table;

    if (context->json) {
        backup_print_json(report, file);
        free(file);
        return;
    }
    cli_table_init(&table, columns, 2);
    cli_table_cell(&table, "file");
    cli_table_cell(&table, "%s", file != NULL ? file : "none: nothing is new");
    cli_table_cell(&table, "seq");
    cli_table_cell(&table, "%s", cli_show_count(context, report->seq, number));
    cli_table_cell(&table, "bytes");
    cli_table_cell(&table, "%s", cli_show_count(context, report->bytes, number));
    cli_table_cell(&table, "ops");
    cli_table_cell(&table, "%s", cli_show_count(context, report->ops, number));
    cli_table_cell(&table, "seconds");
    cli_table_cell(&table, "%.3f", report->seconds);
    cli_table_print(context, &table);
    free(file);
}

static void backup_note(const cli_context *context, const ng_stream_report *report)
{
    char number[CLI_NUMBER_ROOM];

    cli_note(context, "%s written, up to seq %" PRIu64, cli_show_bytes(report->bytes, number),
             report->seq);
}

/* ---- of a store ---- */

static ng_status backup_sink(void *context, const void *data, size_t bytes)
{
    (void)context;
    return fwrite(data, 1, bytes, stdout) == bytes ? NG_OK : NG_E_IO;
}

static int backup_open(cli_context *context)
{
    ng_open_options options = {.struct_size = sizeof options,
                               .flags = NG_OPEN_MUST_EXIST | NG_OPEN_READ_ONLY};
    ng_status status = ng_open(cli_store_path(context), &options, &context->store);

    if (status != NG_E_BUSY && status != NG_OK) {
        context->store = NULL;
        return cli_store_open_reading(context); /* says what is wrong as every command does */
    }
    if (status == NG_OK)
        return CLI_OK;
    context->store = NULL;
    return cli_fail(context, CLI_BUSY,
                    "%s; if that is a server, it gives the backup itself: 'neurograph backup"
                    " http://HOST:PORT DIR', or GET /api/v1/admin/backup",
                    ng_last_error());
}

static int backup_stream(const cli_context *context, const backup_request *request)
{
    ng_stream_options options = {.struct_size = sizeof options,
                                 .incremental = request->has_after,
                                 .after = request->after,
                                 .progress = cli_progress_or_stop};
    ng_stream_report report = {0};
    cli_progress progress;
    ng_status status;

    cli_progress_begin(&progress, context);
    options.progress_context = &progress;
    errno = 0;
    status = ng_stream_write(context->store, &options, backup_sink, NULL, &report);
    cli_progress_end(&progress);
    if (ferror(stdout))
        return cli_fail(context, CLI_IO, "cannot write to standard output: %s",
                        errno != 0 ? strerror(errno) : "output error");
    if (status != NG_OK)
        return cli_fail_status(context, status);
    backup_note(context, &report);
    return CLI_OK;
}

static int backup_store(cli_context *context, const backup_request *request)
{
    ng_backup_options options = {.struct_size = sizeof options,
                                 .incremental = request->incremental,
                                 .progress = cli_progress_or_stop};
    ng_stream_report report = {0};
    cli_progress progress;
    ng_status status;
    int code = backup_open(context);

    if (code != CLI_OK)
        return code;
    cli_signal_catch();
    if (backup_to_stdout(request))
        return backup_stream(context, request);
    cli_progress_begin(&progress, context);
    options.progress_context = &progress;
    status = ng_backup(context->store, request->to, &options, &report);
    cli_progress_end(&progress);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    backup_print(context, &report, request->to);
    return CLI_OK;
}

/* ---- of a server ---- */

static int backup_source_fail(const cli_context *context, const backup_request *request,
                              const cli_source *source, ng_status status)
{
    return cli_fail(context, cli_exit_of(status), "%s: %s", request->url, cli_source_text(source));
}

/* Copies the stream to `fd`; *bytes counts. */
static int backup_copy(const cli_context *context, const backup_request *request,
                       cli_source *source, int fd, const char *name, uint64_t *bytes)
{
    char *piece = cli_allocate(BACKUP_PIECE, 1);
    cli_progress progress;
    ng_progress state = {.phase = "receiving"};
    int code = CLI_OK;

    cli_progress_begin(&progress, context);
    *bytes = 0;
    while (code == CLI_OK) {
        size_t count, done = 0;
        ng_status status = cli_source_read(source, piece, BACKUP_PIECE, &count);

        if (status != NG_OK)
            code = backup_source_fail(context, request, source, status);
        if (status != NG_OK || count == 0)
            break;
        while (code == CLI_OK && done < count) {
            ssize_t wrote = write(fd, piece + done, count - done);

            if (wrote >= 0)
                done += (size_t)wrote;
            else if (errno != EINTR)
                code = cli_fail(context, CLI_IO, "%s: %s", name, strerror(errno));
        }
        *bytes += count;
        state.items = *bytes;
        cli_progress_show(&progress, &state);
    }
    cli_progress_end(&progress);
    free(piece);
    return code;
}

/* Verifies the file that was received, and gives it its name. */
static int backup_keep(const cli_context *context, const backup_request *request, const char *part,
                       int fd, ng_stream_report *report)
{
    char uuid[37], known[37], name[CLI_BACKUP_NAME_ROOM];
    char *path;
    ng_status status;
    int code = CLI_OK;

    if (lseek(fd, 0, SEEK_SET) != 0)
        return cli_fail(context, CLI_IO, "%s: %s", part, strerror(errno));
    status = ng_stream_verify(cli_backup_file_source, &fd, uuid, report);
    if (status != NG_OK)
        return cli_fail_about(context, status, request->url);
    if (cli_backup_uuid(request->to, known) && strcmp(uuid, known) != 0)
        return cli_fail(context, CLI_REFUSED,
                        "%s has backups of the store %s, and this one is of %s", request->to, known,
                        uuid);
    if (report->incremental && report->seq == report->after)
        return CLI_OK;
    cli_backup_name(report, name);
    path = cli_backup_path(request->to, name);
    if (fsync(fd) != 0 || rename(part, path) != 0 || !cli_backup_sync_directory(request->to))
        code = cli_fail(context, CLI_IO, "%s: %s", path, strerror(errno));
    else
        snprintf(report->file, sizeof report->file, "%s", name);
    free(path);
    return code;
}

static int backup_receive(const cli_context *context, const backup_request *request,
                          cli_source *source)
{
    ng_stream_report report = {0};
    char name[64];
    char *part;
    uint64_t bytes;
    int code, fd;

    snprintf(name, sizeof name, "backup.%ld.part", (long)getpid());
    part = cli_backup_path(request->to, name);
    fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        code = cli_fail(context, CLI_IO, "%s: %s", part, strerror(errno));
        free(part);
        return code;
    }
    code = backup_copy(context, request, source, fd, part, &bytes);
    if (code == CLI_OK)
        code = backup_keep(context, request, part, fd, &report);
    close(fd);
    unlink(part); /* gone already if it got its name */
    free(part);
    if (code == CLI_OK)
        backup_print(context, &report, request->to);
    return code;
}

static int backup_server_begin(const cli_context *context, const backup_request *request,
                               cli_source *source)
{
    cli_source_request wanted = {.incremental = request->has_after,
                                 .after = request->after,
                                 .backup = true};
    ng_status status;

    if (request->incremental) {
        wanted.incremental = true;
        if (!cli_backup_newest(request->to, &wanted.after))
            return cli_fail(context, CLI_NOT_FOUND,
                            "%s has no full backup for an incremental one to go on from",
                            request->to);
    }
    status = cli_source_begin(source, &wanted);
    return status == NG_OK ? CLI_OK : backup_source_fail(context, request, source, status);
}

static int backup_server(const cli_context *context, const backup_request *request)
{
    cli_source *source = cli_source_create(context, request->url);
    ng_stream_report report = {0};
    char number[CLI_NUMBER_ROOM];
    int code;

    if (source == NULL)
        return CLI_USAGE;
    cli_signal_catch();
    code = backup_server_begin(context, request, source);
    if (code == CLI_OK && backup_to_stdout(request)) {
        code =
            backup_copy(context, request, source, STDOUT_FILENO, "standard output", &report.bytes);
        if (code == CLI_OK)
            cli_note(context, "%s written", cli_show_bytes(report.bytes, number));
    } else if (code == CLI_OK) {
        if (mkdir(request->to, 0777) != 0 && errno != EEXIST)
            code = cli_fail(context, CLI_IO, "%s: %s", request->to, strerror(errno));
        else
            code = backup_receive(context, request, source);
    }
    cli_source_destroy(source);
    return code;
}

/* ---- arguments ---- */

static int backup_check(cli_context *context, const cli_args *args, backup_request *request)
{
    if (args->operand_count < 1 || args->operand_count > 2)
        return cli_fail(context, CLI_USAGE,
                        "give a directory or -, and before it a store or a URL");
    request->to = args->operands[args->operand_count - 1];
    if (request->to[0] == '\0')
        return cli_fail(context, CLI_USAGE, "the path of the directory is empty");
    if (cli_fetch_is_url(request->to))
        return cli_fail(context, CLI_USAGE, "'%s' is where backups come from, not where they go",
                        request->to);
    if (args->operand_count == 2 && cli_fetch_is_url(args->operands[0])) {
        request->url = args->operands[0];
    } else if (args->operand_count == 2) {
        if (context->store_path != NULL)
            return cli_fail(context, CLI_USAGE, "the store is given twice, by --store and as '%s'",
                            args->operands[0]);
        context->store_path = args->operands[0];
    }
    if (request->has_after && !backup_to_stdout(request))
        return cli_fail(context, CLI_USAGE, "--after goes with -; use --incremental");
    if (request->incremental && backup_to_stdout(request))
        return cli_fail(context, CLI_USAGE, "--incremental goes with a directory; use --after SEQ");
    if (backup_to_stdout(request) && context->json)
        return cli_fail(context, CLI_USAGE, "--json has no meaning with -");
    if (backup_to_stdout(request) && context->terminal)
        return cli_fail(context, CLI_USAGE, "a backup is not for a terminal; redirect the output");
    return CLI_OK;
}

static int backup_run(cli_context *context, int argc, char **argv)
{
    backup_request request = {0};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0) {
        if (option == BACKUP_INCREMENTAL)
            request.incremental = true;
        else if (!cli_parse_u64(&args, 0, UINT64_MAX, &request.after))
            return CLI_USAGE;
        else
            request.has_after = true;
    }
    if (option < 0)
        return args.exit_code;
    code = backup_check(context, &args, &request);
    if (code != CLI_OK)
        return code;
    return request.url != NULL ? backup_server(context, &request) : backup_store(context, &request);
}

static const cli_option backup_options[] = {
    {"incremental", BACKUP_INCREMENTAL, NULL, "only what the newest backup in DIR does not have"},
    {"after", BACKUP_AFTER, "SEQ", "with -: only the ops after this one"},
    {NULL, 0, NULL, NULL},
};

static const int backup_exits[] = {CLI_OK,   CLI_USAGE,   CLI_NOT_FOUND,   CLI_BUSY, CLI_IO,
                                   CLI_DATA, CLI_REFUSED, CLI_INTERRUPTED, -1};

const cli_command cli_command_backup = {
    .name = "backup",
    .arguments = "[OPTION]... [STORE | URL] DIR | -",
    .summary = "Back up a store, or that of a server, while it is in use",
    .description =
        "Writes a file into DIR, which is made if absent, or a stream to standard output with -.\n"
        "A file is read back and verified before it gets its name, which says what it holds. A\n"
        "store that another process has open is backed up by its server: URL is http://HOST:PORT.",
    .options = backup_options,
    .examples = "neurograph backup ./memory ./backups\n"
                "neurograph backup ./memory ./backups --incremental\n"
                "neurograph backup http://127.0.0.1:8000 ./backups\n"
                "neurograph backup - | zstd > memory.zst",
    .exit_codes = backup_exits,
    .run = backup_run,
};
