/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* HTTP: the only file that knows libmicrohttpd.
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
#include <limits.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "server_private.h"

#define HTTP_DROP_FACTOR 8
#define HTTP_BODY_FIRST 1024
#define HTTP_LOG_INTERVAL_NS 1000000000

struct ngs_http {
    ngs_server *server;
    struct MHD_Daemon *daemon;
    atomic_int_fast64_t logged_ns;
    atomic_uint in_flight; /* relaxed counts; the last one of a drain takes the lock */
    pthread_mutex_t lock;  /* with `idle`: the wait for in_flight == 0 */
    pthread_cond_t idle;
};

static const struct http_verb {
    const char *name;
    ngs_method method;
} http_verbs[] = {
    {"GET", NGS_GET},       {"POST", NGS_POST}, {"PUT", NGS_PUT},
    {"DELETE", NGS_DELETE}, {"HEAD", NGS_HEAD}, {"OPTIONS", NGS_OPTIONS},
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
    ngs_reply_error(request, 413, "REQUEST_TOO_LARGE", details,
                    "the body is larger than %u bytes", max);
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
                        "Content-Type must be application/json, not \"%.100s\"",
                        type ? type : "");
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
    if (request->kind != NGS_REPLY_EMPTY)
        MHD_add_response_header(response, "Content-Type", "application/json");
    if (request->allow != 0)
        http_allow(response, request->allow);
    if (request->retry_after_s != 0) {
        snprintf(text, sizeof text, "%u", request->retry_after_s);
        MHD_add_response_header(response, "Retry-After", text);
    }
    if (atomic_load_explicit(&request->server->draining, memory_order_acquire))
        MHD_add_response_header(response, "Connection", "close");
}

/* Hands the reply to the library, which frees its buffer. */
static enum MHD_Result http_reply(ngs_request *request)
{
    static char no_memory[] =
        "{\"success\":false,\"data\":null,\"error\":{\"code\":\"OUT_OF_MEMORY\","
        "\"message\":\"no memory for the reply\",\"details\":null},"
        "\"detail\":\"no memory for the reply\",\"meta\":null}";
    struct MHD_Response *response;
    bool whole = ngs_reply_finish(request);
    if (!whole) {
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

static ngs_request *http_begin(ngs_http *http, struct MHD_Connection *connection,
                               const char *method, const char *path)
{
    ngs_request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->server = http->server;
    request->connection = connection;
    request->start_ns = ngs_now_ns();
    request->method = http_method(method);
    atomic_init(&request->ready, false);
    atomic_fetch_add_explicit(&http->in_flight, 1, memory_order_relaxed);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, http_param, request);
    http_correlation(request);
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

static enum MHD_Result http_run(ngs_request *request)
{
    if (request->refused)
        return http_reply(request);
    if ((request->route->flags & NGS_ROUTE_POOL) != 0)
        return http_to_pool(request);
    ngs_route_run(request);
    if (request->wants_worker)
        return http_to_pool(request);
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
    free(request->body);
    ngs_out_release(&request->out);
    ngs_out_release(&request->problems.list);
    free(request);
    if (atomic_fetch_sub_explicit(&http->in_flight, 1, memory_order_acq_rel) == 1 &&
        atomic_load_explicit(&http->server->draining, memory_order_acquire)) {
        pthread_mutex_lock(&http->lock);
        pthread_cond_broadcast(&http->idle);
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
        unsigned value = low ? (unsigned)((high - hex) & 15) << 4 | (unsigned)((low - hex) & 15) : 0;
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

ngs_http *ngs_http_start(ngs_server *server, int listen_fd)
{
    const ng_server_options *limits = &server->limits;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    ngs_http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return NULL;
    http->server = server;
    atomic_init(&http->logged_ns, ngs_now_ns() - HTTP_LOG_INTERVAL_NS);
    server->http = http; /* before the first request can come */
    pthread_mutex_init(&http->lock, NULL);
    pthread_cond_init(&http->idle, NULL);
    /* One loop is the library's default, and it warns if it is asked for as a pool of one. */
    struct MHD_OptionItem pool[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)limits->io_threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    if (limits->io_threads == 1)
        pool[0] = pool[1];
    http->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, http_access, http, MHD_OPTION_EXTERNAL_LOGGER, http_log, http,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_NOTIFY_COMPLETED, http_completed, http,
        MHD_OPTION_UNESCAPE_CALLBACK, http_unescape, NULL, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)limits->connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)limits->connection_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)limits->header_bytes_max, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
    if (http->daemon != NULL)
        return http;
    server->http = NULL;
    pthread_cond_destroy(&http->idle);
    pthread_mutex_destroy(&http->lock);
    free(http);
    return NULL;
}

void ngs_http_quiesce(ngs_http *http)
{
    (void)MHD_quiesce_daemon(http->daemon);
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
        waited = pthread_cond_timedwait(&http->idle, &http->lock, &until);
    pthread_mutex_unlock(&http->lock);
    return ngs_http_in_flight(http) == 0;
}

unsigned ngs_http_in_flight(const ngs_http *http)
{
    return atomic_load_explicit(&http->in_flight, memory_order_acquire);
}

void ngs_http_stop(ngs_http *http)
{
    MHD_stop_daemon(http->daemon);
    pthread_cond_destroy(&http->idle);
    pthread_mutex_destroy(&http->lock);
    free(http);
}

void ngs_http_resume(ngs_request *request)
{
    struct MHD_Connection *connection = request->connection;
    atomic_store_explicit(&request->ready, true, memory_order_release);
    MHD_resume_connection(connection);
}
