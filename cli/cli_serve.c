/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `serve`: opens the store and hands it to the HTTP server, under supervision in a child
 * process. */
#include "cli_args.h"
#include "cli_output.h"

#include <server.h>

enum {
    SERVE_IO_THREADS = CLI_OPTION_FIRST,
    SERVE_QUERY_THREADS,
    SERVE_QUERY_QUEUE,
    SERVE_QUERY_DEADLINE,
    SERVE_CONNECTIONS,
    SERVE_TIMEOUT,
    SERVE_HEADER_BYTES,
    SERVE_BODY_BYTES,
    SERVE_DRAIN,
    SERVE_ANY_HOST,
    SERVE_SUPERVISE
};

/* A number that the server keeps as 32 bits; 0 means its default there, so it is not accepted. */
static bool serve_number(const cli_args *args, uint64_t largest, uint32_t *out)
{
    uint64_t value;

    if (!cli_parse_u64(args, 1, largest, &value))
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool serve_option(const cli_args *args, int option, ng_server_options *options,
                         bool *supervised)
{
    switch (option) {
    case SERVE_IO_THREADS:
        return serve_number(args, 64, &options->io_threads);
    case SERVE_QUERY_THREADS:
        return serve_number(args, 64, &options->query_threads);
    case SERVE_QUERY_QUEUE:
        return serve_number(args, 65536, &options->query_queue_max);
    case SERVE_QUERY_DEADLINE:
        return serve_number(args, UINT32_MAX, &options->query_deadline_ms);
    case SERVE_CONNECTIONS:
        return serve_number(args, 65536, &options->connections_max);
    case SERVE_TIMEOUT:
        return serve_number(args, UINT32_MAX, &options->connection_timeout_s);
    case SERVE_HEADER_BYTES:
        return serve_number(args, 1u << 20, &options->header_bytes_max);
    case SERVE_BODY_BYTES:
        return serve_number(args, 64u << 20, &options->body_bytes_max);
    case SERVE_DRAIN:
        return serve_number(args, UINT32_MAX, &options->drain_ms_max);
    case SERVE_ANY_HOST:
        options->any_host = true;
        return true;
    case SERVE_SUPERVISE:
        *supervised = true;
        return true;
    default:
        options->listen = args->value;
        return true;
    }
}

/* Starting again would not help: it was told to stop, the arguments are wrong, or the data is. */
static bool serve_is_final(int code)
{
    return code == CLI_OK || code == CLI_USAGE || code == CLI_DATA;
}

/* The server says on stderr what went wrong; its 1 is an address in use or no memory. */
static int serve_exit(int code)
{
    return code == 1 ? CLI_IO : code;
}

static int serve_run(cli_context *context, int argc, char **argv)
{
    ng_server_options options = {.struct_size = sizeof options};
    ng_supervision supervision;
    bool supervised = false;
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0)
        if (!serve_option(&args, option, &options, &supervised))
            return CLI_USAGE;
    if (option < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_fail(context, CLI_USAGE, "unexpected argument '%s'", args.operands[0]);
    if (context->json)
        return cli_fail(context, CLI_USAGE, "--json has no meaning here");
    if (supervised) {
        code = ng_server_supervise(&options, serve_is_final, &supervision);
        if (code != NG_SERVER_CHILD)
            return serve_exit(code);
        options.supervision = &supervision;
    }
    code = cli_store_open(context, NG_OPEN_WARM);
    if (code != CLI_OK)
        return code;
    return serve_exit(ng_server_run(context->store, &options));
}

static const cli_option serve_options[] = {
    {"listen", 'l', "HOST:PORT",
     "where to listen; default " NG_SERVER_LISTEN_DEFAULT "; port 0 = any free"},
    {"io-threads", SERVE_IO_THREADS, "N", "event loops, 1..64; default processors - 1"},
    {"query-threads", SERVE_QUERY_THREADS, "N",
     "workers for queries, 1..64; default as io-threads"},
    {"query-queue", SERVE_QUERY_QUEUE, "N", "queries waiting for a worker; default 64"},
    {"query-deadline", SERVE_QUERY_DEADLINE, "MS", "longest wait for a worker; default 30000"},
    {"connections", SERVE_CONNECTIONS, "N", "open connections; default 1000"},
    {"timeout", SERVE_TIMEOUT, "S", "silence before a connection is closed; default 30"},
    {"header-bytes", SERVE_HEADER_BYTES, "N", "request line and headers; default 32768"},
    {"body-bytes", SERVE_BODY_BYTES, "N", "body of a request; default 1048576"},
    {"drain", SERVE_DRAIN, "MS", "for requests in flight when stopping; default 10000"},
    {"any-host", SERVE_ANY_HOST, NULL, "answer whatever the Host header says, behind a proxy"},
    {"supervise", SERVE_SUPERVISE, NULL, "start the server again when it fails"},
    CLI_DURABILITY_ROW,
    CLI_LIMIT_ROWS,
    {NULL, 0, NULL, NULL},
};

static const int serve_exits[] = {CLI_OK, CLI_USAGE, CLI_BUSY, CLI_IO, CLI_DATA, -1};

const cli_command cli_command_serve = {
    .name = "serve",
    .arguments = "[OPTION]...",
    .summary = "Serve the store over HTTP",
    .description =
        "Listens on loopback addresses only. Prints one line when it accepts requests and\n"
        "runs until SIGTERM or Ctrl-C, which let requests in flight finish; that is exit\n"
        "code 0. Creates the store if there is none. With --supervise a parent process keeps\n"
        "the socket and starts the server again when it dies of a signal or its store stops\n"
        "after a write that failed, first after 100 ms, later up to 10 s.",
    .options = serve_options,
    .examples = "neurograph serve\nneurograph serve --listen 127.0.0.1:9000 --io-threads 2\n"
                "neurograph --store ./memory serve --listen '[::1]:8000'\n"
                "neurograph serve --supervise",
    .exit_codes = serve_exits,
    .run = serve_run,
};
