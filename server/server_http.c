/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* HTTP: the only file that knows libmicrohttpd.
 *
 * Each event loop is a thread of ours around a daemon of the library, all on one listening socket.
 * The loops are not the library's own, because those (0.9.75) ask epoll again, and block, whenever
 * it gave them exactly 128 events: with a group commit that answers 128 clients at once, these then
 * wait for the next stranger. A loop of ours never lets the library block.
 *
 * The library calls http_access several times for a request: once when its headers are there,
 * once for each piece of its body, once when the body is complete, and once more whenever a
 * suspended connection is resumed. Nothing here blocks.
 *
 * Invariants
 * 1. A request exists from its headers to http_completed; `in_flight` counts them.
 * 2. A connection is suspended before its request is queued, so that a resume cannot come first.
 * 3. A body is never kept beyond the limit: what is too much is dropped piece by piece, and beyond
 *    HTTP_DROP_FACTOR times the limit the connection is closed.
 *
 * Requests that browsers can send across origins without asking are refused: a body must be
 * application/json (415) and Host must name this machine (421), because there is no
 * authentication yet and any web page may reach a loopback port. */
#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "server_private.h"

#define HTTP_DROP_FACTOR 8
#define HTTP_BODY_FIRST 1024
#define HTTP_LOG_INTERVAL_NS 1000000000
#define HTTP_STREAM_PIECE (64u << 10) /* of a backup, that the library asks for at once */

typedef struct http_loop {
    ngs_http *http;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    int wake_fd;       /* readable: connections were resumed, or `quiesce` or `stop` set */
    atomic_bool woken; /* set by whoever writes to wake_fd, so that one write serves many */
    bool quiesced;     /* of the loop's thread alone */
} http_loop;

struct ngs_http {
    ngs_server *server;
    http_loop *loops;
    unsigned loop_count; /* immutable after start */
    atomic_bool quiesce; /* release by the main thread, acquire by the loops, as the next */
    atomic_bool stop;
    atomic_int_fast64_t logged_ns;
    atomic_uint in_flight; /* the last one of a drain takes the lock */
    pthread_mutex_t lock;  /* guards `quiesced`, and the wait for in_flight == 0 */
    pthread_cond_t changed;
    unsigned quiesced; /* loops that accept no more */
};

static const struct http_verb {
    const char *name;
    ngs_method method;
} http_verbs[] = {
    {"GET", NGS_GET},   {"POST", NGS_POST},       {"PUT", NGS_PUT},     {"DELETE", NGS_DELETE},
    {"HEAD", NGS_HEAD}, {"OPTIONS", NGS_OPTIONS}, {"PATCH", NGS_PATCH},
};

#define HTTP_VERB_COUNT (sizeof http_verbs / sizeof http_verbs[0])

/* -------------------------------------------------------------------------------------- headers */

static ngs_method http_method(const char *name)
{
    for (size_t i = 0; i < HTTP_VERB_COUNT; i++)
        if (strcmp(http_verbs[i].name, name) == 0)
            return http_verbs[i].method;
    return NGS_METHOD_OTHER;
}

static const char *http_header(const ngs_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static void http_correlation(ngs_request *request)
{
    const char *sent = http_header(request, "X-Correlation-ID");
    size_t length = sent ? strspn(sent, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789._-")
                         : 0;
    if (length >= 1 && length <= NGS_CORRELATION_MAX && sent[length] == '\0')
        memcpy(request->correlation, sent, length + 1);
    else
        ngs_uuid(request->server, request->correlation);
}

static enum MHD_Result http_param(void *context, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    ngs_request *request = context;
    (void)kind;
    if (request->param_count == NGS_PARAMS_MAX) {
        request->params_overflow = true;
        return MHD_NO;
    }
    request->params[request->param_count++] = (ngs_param){name, value ? value : ""};
    return MHD_YES;
}

/* "application/json", with parameters such as a charset, which JSON does not need. */
static bool http_is_json(const char *type)
{
    static const char json[] = "application/json";
    if (type == NULL || strncasecmp(type, json, sizeof json - 1) != 0)
        return false;
    char after = type[sizeof json - 1];
    return after == '\0' || after == ';' || after == ' ' || after == '\t';
}

static void http_refuse_route(ngs_request *request, const char *path, unsigned allow)
{
    request->refused = true;
    if (allow == NGS_ROUTE_NO_PATH) {
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Not Found: %.200s", path);
        return;
    }
    request->allow = allow;
    if (request->method == NGS_OPTIONS)
        ngs_reply_empty(request, 204);
    else
        ngs_reply_error(request, 405, "METHOD_NOT_ALLOWED", NULL, "Method Not Allowed");
}

static void http_refuse_size(ngs_request *request, unsigned long long bytes)
{
    char details[96];
    uint32_t max = request->server->limits.body_bytes_max;
    snprintf(details, sizeof details, "{\"content_length\":%llu,\"max_allowed\":%u}", bytes, max);
    ngs_reply_error(request, 413, "REQUEST_TOO_LARGE", details, "the body is larger than %u bytes",
                    max);
    request->refused = true;
}

/* The body as the headers announce it. Returns its length, or the most there is if chunked. */
static unsigned long long http_announced(const ngs_request *request)
{
    const char *length = http_header(request, "Content-Length");
    if (http_header(request, "Transfer-Encoding") != NULL)
        return ULLONG_MAX;
    return length ? strtoull(length, NULL, 10) : 0;
}

static void http_check_body(ngs_request *request)
{
    unsigned long long announced = http_announced(request);
    bool chunked = announced == ULLONG_MAX;
    if (announced == 0 || request->refused)
        return;
    if (!chunked && announced > request->server->limits.body_bytes_max) {
        http_refuse_size(request, announced);
    } else if ((request->route->flags & NGS_ROUTE_BODY) == 0) {
        ngs_reply_error(request, 400, "INVALID_REQUEST", NULL, "this endpoint takes no body");
        request->refused = true;
    } else if (!http_is_json(http_header(request, "Content-Type"))) {
        const char *type = http_header(request, "Content-Type");
        ngs_reply_error(request, 415, "UNSUPPORTED_MEDIA_TYPE", NULL,
                        "Content-Type must be application/json, not \"%.100s\"", type ? type : "");
        request->refused = true;
    }
}

static void http_check(ngs_request *request, const char *path)
{
    unsigned allow = ngs_route_find(request, path);
    const char *host = http_header(request, MHD_HTTP_HEADER_HOST);
    if (host != NULL && !request->server->limits.any_host && !ngs_host_is_local(host)) {
        ngs_reply_error(request, 421, "MISDIRECTED_REQUEST", NULL,
                        "Host \"%.100s\" does not name this machine", host);
        request->refused = true;
        return;
    }
    if (request->route == NULL) {
        http_refuse_route(request, path, allow);
    } else if ((request->route->flags & NGS_ROUTE_ALWAYS) == 0 &&
               atomic_load_explicit(&request->server->draining, memory_order_acquire)) {
        request->retry_after_s = 1;
        ngs_reply_error(request, 503, "SERVICE_UNAVAILABLE", NULL, "the server is stopping");
        request->refused = true;
    }
    http_check_body(request);
}

/* ---------------------------------------------------------------------------------------- reply */

static void http_allow(struct MHD_Response *response, unsigned allow)
{
    char text[64] = "";
    size_t size = 0;
    for (size_t i = 0; i < HTTP_VERB_COUNT; i++)
        if ((allow & http_verbs[i].method) != 0)
            size += (size_t)snprintf(text + size, sizeof text - size, "%s%s", size ? ", " : "",
                                     http_verbs[i].name);
    MHD_add_response_header(response, "Allow", text);
}

static void http_reply_headers(struct MHD_Response *response, const ngs_request *request)
{
    char text[40];
    snprintf(text, sizeof text, "%.2fms", (double)(ngs_now_ns() - request->start_ns) / 1e6);
    MHD_add_response_header(response, "X-Process-Time", text);
    MHD_add_response_header(response, "X-Correlation-ID", request->correlation);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    if (request->kind == NGS_REPLY_BYTES)
        MHD_add_response_header(response, "Content-Type", "application/octet-stream");
    else if (request->kind != NGS_REPLY_EMPTY)
        MHD_add_response_header(response, "Content-Type", "application/json");
    if (request->version != 0) {
        snprintf(text, sizeof text, "\"%u\"", request->version);
        MHD_add_response_header(response, "ETag", text);
    }
    if (request->shown_seq != 0) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)request->shown_seq);
        MHD_add_response_header(response, "X-NeuroGraph-Seq", text);
    }
    if (request->allow != 0)
        http_allow(response, request->allow);
    if (request->retry_after_s != 0) {
        snprintf(text, sizeof text, "%u", request->retry_after_s);
        MHD_add_response_header(response, "Retry-After", text);
    }
    if (atomic_load_explicit(&request->server->draining, memory_order_acquire))
        MHD_add_response_header(response, "Connection", "close");
}

/* ------------------------------------------------------------------------------------- backups */

/* What the library asks for bytes of a backup. It is freed with the response, after the request. */
typedef struct http_stream {
    struct MHD_Connection *connection;
    ngs_backup *backup;
} http_stream;

/* The connection is suspended before the pipe may wake it. A backup that failed ends with the
 * connection: without its last chunk the client knows that it is not whole. */
static ssize_t http_stream_read(void *context, uint64_t position, char *data, size_t capacity)
{
    http_stream *stream = context;
    ngs_backup_state state;
    (void)position;
    size_t count = ngs_backup_take(stream->backup, data, capacity, &state);
    if (count > 0)
        return (ssize_t)count;
    if (state == NGS_BACKUP_END)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (state == NGS_BACKUP_FAILED)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    MHD_suspend_connection(stream->connection);
    ngs_backup_wait(stream->backup);
    return 0;
}

static void http_stream_free(void *context)
{
    http_stream *stream = context;
    ngs_backup_release(stream->backup);
    free(stream);
}

/* Takes over request->backup; NULL without memory. */
static struct MHD_Response *http_stream_response(ngs_request *request)
{
    http_stream *stream = malloc(sizeof *stream);
    struct MHD_Response *response;
    if (stream == NULL)
        return NULL;
    *stream = (http_stream){.connection = request->connection, .backup = request->backup};
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP_STREAM_PIECE,
                                                 http_stream_read, stream, http_stream_free);
    if (response == NULL)
        free(stream);
    else
        request->backup = NULL;
    return response;
}

/* Hands the reply to the library, which frees its buffer. */
static enum MHD_Result http_reply(ngs_request *request)
{
    static char no_memory[] =
        "{\"success\":false,\"data\":null,\"error\":{\"code\":\"OUT_OF_MEMORY\","
        "\"message\":\"no memory for the reply\",\"details\":null},"
        "\"detail\":\"no memory for the reply\",\"meta\":null}";
    struct MHD_Response *response;
    bool streams = request->backup != NULL && ngs_backup_reply(request);
    bool whole = ngs_reply_finish(request);
    if (streams) {
        response = http_stream_response(request);
    } else if (!whole) {
        ngs_out_release(&request->out);
        request->status = 503;
        request->kind = NGS_REPLY_ERROR;
        response = MHD_create_response_from_buffer(sizeof no_memory - 1, no_memory,
                                                   MHD_RESPMEM_PERSISTENT);
    } else if (request->kind == NGS_REPLY_EMPTY) {
        response = MHD_create_response_from_buffer(0, no_memory, MHD_RESPMEM_PERSISTENT);
    } else {
        response = MHD_create_response_from_buffer(request->out.size, request->out.bytes,
                                                   MHD_RESPMEM_MUST_FREE);
        if (response != NULL)
            request->out = (ngs_out){0};
    }
    if (response == NULL)
        return MHD_NO;
    http_reply_headers(response, request);
    enum MHD_Result result =
        MHD_queue_response(request->connection, (unsigned)request->status, response);
    MHD_destroy_response(response);
    return result;
}

/* --------------------------------------------------------------------------------- the request */

static ngs_request *http_begin(http_loop *loop, struct MHD_Connection *connection,
                               const char *method, const char *path)
{
    ngs_http *http = loop->http;
    ngs_request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->server = http->server;
    request->connection = connection;
    request->loop = loop;
    request->start_ns = ngs_now_ns();
    request->method = http_method(method);
    atomic_init(&request->ready, false);
    atomic_fetch_add_explicit(&http->in_flight, 1, memory_order_relaxed);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, http_param, request);
    http_correlation(request);
    request->if_match = http_header(request, "If-Match");
    http_check(request, path);
    return request;
}

/* A refusal may be sent before the body only if the client waits for leave to send it, or would
 * send more than is worth dropping; the library closes the connection after it. */
static bool http_refuse_early(const ngs_request *request)
{
    unsigned long long announced = http_announced(request);
    unsigned long long drop =
        (unsigned long long)request->server->limits.body_bytes_max * HTTP_DROP_FACTOR;
    return request->refused && announced != 0 &&
           ((announced != ULLONG_MAX && announced > drop) ||
            http_header(request, "Expect") != NULL);
}

static enum MHD_Result http_drop(ngs_request *request, size_t count)
{
    request->body_dropped += count;
    size_t max = (size_t)request->server->limits.body_bytes_max * HTTP_DROP_FACTOR;
    return request->body_dropped <= max ? MHD_YES : MHD_NO;
}

static bool http_body_grow(ngs_request *request, size_t needed)
{
    size_t capacity = request->body_capacity ? request->body_capacity : HTTP_BODY_FIRST;
    while (capacity < needed)
        capacity *= 2; /* bounded by the limit of a body */
    if (capacity == request->body_capacity)
        return true;
    char *body = realloc(request->body, capacity);
    if (body == NULL)
        return false;
    request->body = body;
    request->body_capacity = capacity;
    return true;
}

static enum MHD_Result http_append(ngs_request *request, const char *bytes, size_t count)
{
    size_t max = request->server->limits.body_bytes_max;
    if (!request->refused && count > max - request->body_size)
        http_refuse_size(request, (unsigned long long)request->body_size + count);
    if (!request->refused &&
        !http_body_grow(request, request->body_size + count + NGS_JSON_PADDING)) {
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for the body");
        request->refused = true;
    }
    if (request->refused)
        return http_drop(request, count);
    memcpy(request->body + request->body_size, bytes, count);
    request->body_size += count;
    memset(request->body + request->body_size, 0, NGS_JSON_PADDING);
    return MHD_YES;
}

static enum MHD_Result http_to_pool(ngs_request *request)
{
    ngs_pool *pool = request->server->pool;
    if (!ngs_pool_reserve(pool)) {
        request->retry_after_s = 1;
        ngs_reply_error(request, 503, "SERVICE_UNAVAILABLE", NULL,
                        "too many queries wait already (the limit is %u)",
                        request->server->limits.query_queue_max);
        return http_reply(request);
    }
    MHD_suspend_connection(request->connection);
    ngs_pool_push(pool, request);
    return MHD_YES;
}

static enum MHD_Result http_to_feed(ngs_request *request)
{
    ngs_feed *feed = request->server->feed;
    if (!ngs_feed_reserve(feed)) {
        request->retry_after_s = 1;
        ngs_reply_error(request, 503, "SERVICE_UNAVAILABLE", NULL,
                        "too many feeds wait already (the limit is %d)", NGS_FEEDS_MAX);
        return http_reply(request);
    }
    MHD_suspend_connection(request->connection);
    ngs_feed_push(feed, request);
    return MHD_YES;
}

static enum MHD_Result http_run(ngs_request *request)
{
    if (request->refused)
        return http_reply(request);
    if ((request->route->flags & NGS_ROUTE_POOL) != 0)
        return http_to_pool(request);
    ngs_route_run(request);
    if (request->wants_worker)
        return http_to_pool(request);
    if (request->wants_feed)
        return http_to_feed(request);
    if (request->backup != NULL) {
        MHD_suspend_connection(request->connection);
        ngs_backup_wait(request->backup);
        return MHD_YES;
    }
    if (ngs_request_settled(request))
        return http_reply(request);
    MHD_suspend_connection(request->connection);
    ngs_commit_push(request->server->commit, request);
    return MHD_YES;
}

static enum MHD_Result http_access(void *context, struct MHD_Connection *connection,
                                   const char *path, const char *method, const char *version,
                                   const char *bytes, size_t *count, void **state)
{
    ngs_request *request = *state;
    (void)version;
    if (request == NULL) {
        request = http_begin(context, connection, method, path);
        *state = request;
        if (request == NULL)
            return MHD_NO;
        return http_refuse_early(request) ? http_reply(request) : MHD_YES;
    }
    if (*count > 0) {
        size_t taken = *count;
        *count = 0;
        return http_append(request, bytes, taken);
    }
    if (atomic_load_explicit(&request->ready, memory_order_acquire))
        return http_reply(request);
    return http_run(request);
}

static void http_completed(void *context, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code)
{
    ngs_http *http = context;
    ngs_request *request = *state;
    (void)connection;
    (void)code;
    if (request == NULL)
        return;
    *state = NULL;
    if (request->backup != NULL)
        ngs_backup_release(request->backup);
    free(request->body);
    ngs_out_release(&request->out);
    ngs_out_release(&request->problems.list);
    free(request);
    if (atomic_fetch_sub_explicit(&http->in_flight, 1, memory_order_acq_rel) == 1 &&
        atomic_load_explicit(&http->server->draining, memory_order_acquire)) {
        pthread_mutex_lock(&http->lock);
        pthread_cond_broadcast(&http->changed);
        pthread_mutex_unlock(&http->lock);
    }
}

/* Decodes %XX in place but leaves %00 and broken escapes as they are: a NUL would cut the path
 * short and make it name something else. */
static size_t http_unescape(void *context, struct MHD_Connection *connection, char *text)
{
    static const char hex[] = "0123456789abcdef0123456789ABCDEF";
    char *to = text;
    (void)context;
    (void)connection;
    for (const char *from = text; *from != '\0';) {
        const char *high = *from == '%' && from[1] ? strchr(hex, from[1]) : NULL;
        const char *low = high != NULL && from[2] ? strchr(hex, from[2]) : NULL;
        unsigned value =
            low ? (unsigned)((high - hex) & 15) << 4 | (unsigned)((low - hex) & 15) : 0;
        *to++ = value ? (char)value : *from;
        from += value ? 3 : 1;
    }
    *to = '\0';
    return (size_t)(to - text);
}

/* One line a second at most: clients that misbehave must not be able to fill the disk. */
static void http_log(void *context, const char *format, va_list arguments)
{
    ngs_http *http = context;
    char text[512];
    int64_t now = ngs_now_ns();
    int64_t last = atomic_load_explicit(&http->logged_ns, memory_order_relaxed);
    if (now - last < HTTP_LOG_INTERVAL_NS ||
        !atomic_compare_exchange_strong(&http->logged_ns, &last, now))
        return;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    fprintf(stderr, "neurograph: http: %s\n", text);
}

/* ----------------------------------------------------------------------------------- life cycle */

/* How long the loop may sleep: until a connection times out, or for ever. */
static int loop_timeout(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (MHD_get_timeout(daemon, &ms) != MHD_YES)
        return -1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void loop_quiesce(http_loop *loop)
{
    ngs_http *http = loop->http;
    (void)MHD_quiesce_daemon(loop->daemon);
    loop->quiesced = true;
    pthread_mutex_lock(&http->lock);
    http->quiesced++;
    pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->lock);
}

static void *loop_main(void *context)
{
    http_loop *loop = context;
    ngs_http *http = loop->http;
    uint64_t wakes;
    const union MHD_DaemonInfo *epoll = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct pollfd fds[2] = {{.fd = epoll->epoll_fd, .events = POLLIN},
                            {.fd = loop->wake_fd, .events = POLLIN}};
    while (!atomic_load_explicit(&http->stop, memory_order_acquire)) {
        int ready = poll(fds, 2, loop_timeout(loop->daemon));
        if (ready > 0 && fds[1].revents != 0 && read(loop->wake_fd, &wakes, sizeof wakes) > 0)
            (void)atomic_exchange_explicit(&loop->woken, false, memory_order_acq_rel);
        if (!loop->quiesced && atomic_load_explicit(&http->quiesce, memory_order_acquire))
            loop_quiesce(loop);
        (void)MHD_run(loop->daemon);
    }
    return NULL;
}

/* The loop sees what was done before this: its exchange of `woken` reads the one here. */
static void loop_wake(http_loop *loop)
{
    uint64_t one = 1;
    if (atomic_exchange_explicit(&loop->woken, true, memory_order_acq_rel))
        return;
    while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void http_wake(ngs_http *http)
{
    for (unsigned i = 0; i < http->loop_count; i++)
        loop_wake(&http->loops[i]);
}

static struct MHD_Daemon *loop_daemon(http_loop *loop, int listen_fd)
{
    ngs_http *http = loop->http;
    const ng_server_options *limits = &http->server->limits;
    unsigned connections = (limits->connections_max + limits->io_threads - 1) / limits->io_threads;
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL,
                            NULL, http_access, loop, MHD_OPTION_EXTERNAL_LOGGER, http_log, http,
                            MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_NOTIFY_COMPLETED,
                            http_completed, http, MHD_OPTION_UNESCAPE_CALLBACK, http_unescape, NULL,
                            MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)limits->connection_timeout_s,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)limits->header_bytes_max,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

static bool loop_start(ngs_http *http, http_loop *loop, int listen_fd)
{
    loop->http = http;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->daemon = loop->wake_fd >= 0 ? loop_daemon(loop, listen_fd) : NULL;
    if (loop->daemon != NULL && pthread_create(&loop->thread, NULL, loop_main, loop) == 0)
        return true;
    if (loop->daemon != NULL) {
        (void)MHD_quiesce_daemon(
            loop->daemon); /* or it would close the socket, which is not its own */
        MHD_stop_daemon(loop->daemon);
    }
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    return false;
}

static bool http_start_loops(ngs_http *http, int listen_fd)
{
    unsigned wanted = http->server->limits.io_threads;
    http->loops = calloc(wanted, sizeof *http->loops);
    while (http->loops != NULL && http->loop_count < wanted &&
           loop_start(http, &http->loops[http->loop_count], listen_fd))
        http->loop_count++;
    return http->loops != NULL && http->loop_count == wanted;
}

ngs_http *ngs_http_start(ngs_server *server, int listen_fd)
{
    ng_info info;
    ngs_http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return NULL;
    http->server = server;
    server->http = http; /* before the first request can come, as all the next */
    server->relaxed =
        ng_store_info(server->store, &info) == NG_OK && info.durability > NG_DURABILITY_SYNC;
    server->backups = ngs_backups_create(server);
    server->feed = server->backups != NULL ? ngs_feed_start(server) : NULL;
    atomic_init(&http->logged_ns, ngs_now_ns() - HTTP_LOG_INTERVAL_NS);
    pthread_mutex_init(&http->lock, NULL);
    pthread_cond_init(&http->changed, NULL);
    if (server->feed != NULL && http_start_loops(http, listen_fd))
        return http;
    ngs_http_quiesce(http);
    ngs_http_stop(http);
    server->http = NULL;
    return NULL;
}

void ngs_http_quiesce(ngs_http *http)
{
    atomic_store_explicit(&http->quiesce, true, memory_order_release);
    http_wake(http);
    pthread_mutex_lock(&http->lock);
    while (http->quiesced < http->loop_count)
        pthread_cond_wait(&http->changed, &http->lock);
    pthread_mutex_unlock(&http->lock);
    /* Feeds wait for what may never come; a drain must not wait with them. */
    if (http->server->feed != NULL)
        ngs_feed_stop(http->server->feed);
}

bool ngs_http_wait_idle(ngs_http *http, uint32_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int waited = 0;
    pthread_mutex_lock(&http->lock);
    while (ngs_http_in_flight(http) > 0 && waited == 0)
        waited = pthread_cond_timedwait(&http->changed, &http->lock, &until);
    pthread_mutex_unlock(&http->lock);
    return ngs_http_in_flight(http) == 0;
}

unsigned ngs_http_in_flight(const ngs_http *http)
{
    return atomic_load_explicit(&http->in_flight, memory_order_acquire);
}

void ngs_http_stop(ngs_http *http)
{
    ngs_server *server = http->server;
    if (server->backups != NULL)
        ngs_backups_stop(server->backups); /* resumes those that wait for their pipe */
    atomic_store_explicit(&http->stop, true, memory_order_release);
    http_wake(http);
    for (unsigned i = 0; i < http->loop_count; i++)
        pthread_join(http->loops[i].thread, NULL);
    for (unsigned i = 0; i < http->loop_count; i++) {
        MHD_stop_daemon(http->loops[i].daemon);
        close(http->loops[i].wake_fd);
    }
    free(http->loops);
    ngs_feed_destroy(server->feed);
    ngs_backups_destroy(server->backups);
    server->feed = NULL;
    server->backups = NULL;
    pthread_cond_destroy(&http->changed);
    pthread_mutex_destroy(&http->lock);
    free(http);
}

void ngs_http_resume(ngs_request *request)
{
    struct MHD_Connection *connection = request->connection;
    http_loop *loop = request->loop;
    atomic_store_explicit(&request->ready, true, memory_order_release);
    MHD_resume_connection(connection);
    loop_wake(loop); /* the library wakes only loops of its own */
}
