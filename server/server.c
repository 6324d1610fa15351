/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The life of the server: options, start, wait, drain.
 *
 *   checked -> listening -> serving -> draining -> stopped
 *              ngs_listen   signal, stop_fd,       ng_server_run returns
 *                           latched store (supervised alone)
 *
 * Draining: the listening socket closes, readiness turns 503, new requests on open connections get
 * 503, requests in flight (also those that wait for a worker or for the disk) get their replies
 * within drain_ms_max, then every connection is closed and every thread joined. A second signal
 * ends the wait. Before a restart the socket, which is the supervisor's, stays open: clients wait in
 * its queue for the next process.
 *
 * The one thing global here is the descriptor that a signal handler writes to, because a handler
 * has no other way to find it; it is -1 outside ng_server_run. */
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server_private.h"

#define SERVER_TICK_MS 250         /* how late an expired query may be refused */
#define SERVER_LAST_REPLIES_MS 500 /* for the refusals at the end of a drain to be sent */
#define SERVER_SPARE_FDS 64        /* descriptors beside those of connections */

static atomic_int server_signal_fd = -1;

int64_t ngs_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A 64-bit mix (splitmix64); a bijection, so different inputs never collide. */
static uint64_t server_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

void ngs_uuid(ngs_server *server, char text[NGS_UUID_CHARS])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t n = atomic_fetch_add_explicit(&server->uuid_count, 1, memory_order_relaxed);
    uint64_t words[2] = {server_mix(server->uuid_key[0] + n * 0x9E3779B97F4A7C15u),
                         server_mix(server->uuid_key[1] ^ n)};
    words[0] = (words[0] & ~(uint64_t)0xF000) | 0x4000;            /* version 4 */
    words[1] = (words[1] & ~(uint64_t)0 >> 2) | (uint64_t)2 << 62; /* variant 1 */
    char *to = text;
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *to++ = '-';
        *to++ = digits[words[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    *to = '\0';
}

ngs_json_parser *ngs_parser_take(ngs_server *server)
{
    ngs_json_parser *parser = NULL;
    pthread_mutex_lock(&server->lock);
    if (server->parser_count > 0)
        parser = server->parsers[--server->parser_count];
    pthread_mutex_unlock(&server->lock);
    return parser ? parser : ngs_json_parser_create();
}

void ngs_parser_give(ngs_server *server, ngs_json_parser *parser)
{
    if (ngs_json_parser_capacity(parser) <= NGS_PARSER_BYTES_KEPT) {
        pthread_mutex_lock(&server->lock);
        if (server->parser_count < NGS_PARSERS_KEPT) {
            server->parsers[server->parser_count++] = parser;
            parser = NULL;
        }
        pthread_mutex_unlock(&server->lock);
    }
    ngs_json_parser_destroy(parser);
}

/* -------------------------------------------------------------------------------------- options */

static bool server_limit(const char *name, uint32_t *value, uint32_t fallback, uint32_t min,
                         uint32_t max)
{
    if (*value == 0)
        *value = fallback;
    if (*value >= min && *value <= max)
        return true;
    fprintf(stderr, "neurograph: %s %u is outside %u..%u\n", name, *value, min, max);
    return false;
}

static bool server_options(const ng_server_options *given, ng_server_options *out)
{
    *out = (ng_server_options){.struct_size = sizeof *out};
    if (given != NULL) {
        if (given->struct_size != sizeof *given) {
            fprintf(stderr, "neurograph: struct_size of the server options is %zu, not %zu\n",
                    given->struct_size, sizeof *given);
            return false;
        }
        *out = *given;
    }
    if (out->listen == NULL)
        out->listen = NG_SERVER_LISTEN_DEFAULT;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t loops = processors > 1 ? (uint32_t)processors - 1 : 1;
    if (loops > 64)
        loops = 64;
    return server_limit("io_threads", &out->io_threads, loops, 1, 64) &&
           server_limit("query_threads", &out->query_threads, out->io_threads, 1, 64) &&
           server_limit("query_queue_max", &out->query_queue_max, 64, 1, 65536) &&
           server_limit("query_deadline_ms", &out->query_deadline_ms, 30000, 1, 3600000) &&
           server_limit("connections_max", &out->connections_max, 1000, 1, 65536) &&
           server_limit("connection_timeout_s", &out->connection_timeout_s, 30, 1, 86400) &&
           server_limit("header_bytes_max", &out->header_bytes_max, 32 << 10, 4 << 10, 1 << 20) &&
           server_limit("body_bytes_max", &out->body_bytes_max, 1 << 20, 1, 64 << 20) &&
           server_limit("drain_ms_max", &out->drain_ms_max, 10000, 1, 3600000);
}

/* Connections need descriptors; the soft limit is often 1,024 although more are allowed. */
static void server_raise_fds(uint32_t connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + SERVER_SPARE_FDS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        fprintf(stderr, "neurograph: only %llu descriptors for %u connections\n",
                (unsigned long long)limit.rlim_cur, connections);
}

/* -------------------------------------------------------------------------------------- signals */

typedef struct server_signals {
    int fd;
    struct sigaction terminate, interrupt, pipe; /* what was there before */
} server_signals;

static void server_on_signal(int number)
{
    int saved = errno;
    uint64_t one = 1;
    int fd = atomic_load(&server_signal_fd);
    (void)number;
    /* A failed write means that the counter is full, hence that the server knows already. */
    if (fd >= 0 && write(fd, &one, sizeof one) < 0)
        errno = saved;
    errno = saved;
}

static bool server_signals_take(server_signals *signals)
{
    struct sigaction action = {.sa_handler = server_on_signal, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    int none = -1;
    signals->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (signals->fd < 0)
        return false;
    if (!atomic_compare_exchange_strong(&server_signal_fd, &none, signals->fd)) {
        close(signals->fd);
        errno = EBUSY;
        return false;
    }
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, &signals->terminate);
    sigaction(SIGINT, &action, &signals->interrupt);
    sigaction(SIGPIPE, &ignore, &signals->pipe);
    return true;
}

/* Puts the handlers back. After an orderly stop a signal without a handler stays ignored: a second
 * one, from an impatient supervisor, must not kill the process while it closes the store. */
static void server_signals_restore(server_signals *signals, bool stopped)
{
    if (stopped && signals->terminate.sa_handler == SIG_DFL)
        signals->terminate.sa_handler = SIG_IGN;
    if (stopped && signals->interrupt.sa_handler == SIG_DFL)
        signals->interrupt.sa_handler = SIG_IGN;
    sigaction(SIGTERM, &signals->terminate, NULL);
    sigaction(SIGINT, &signals->interrupt, NULL);
    sigaction(SIGPIPE, &signals->pipe, NULL);
    atomic_store(&server_signal_fd, -1);
    close(signals->fd);
}

/* Takes the signals that have come; true if there was one. */
static bool server_signals_read(const server_signals *signals)
{
    uint64_t count;
    return read(signals->fd, &count, sizeof count) == (ssize_t)sizeof count;
}

/* ----------------------------------------------------------------------------------- life cycle */

static bool server_init(ngs_server *server, ng_store *store)
{
    ng_info info;
    struct timespec used;
    server->store = store;
    if (ng_store_info(store, &info) != NG_OK) {
        fprintf(stderr, "neurograph: %s\n", ng_last_error());
        return false;
    }
    snprintf(server->store_path, sizeof server->store_path, "%s", info.path);
    if (getrandom(server->uuid_key, sizeof server->uuid_key, 0) !=
        (ssize_t)sizeof server->uuid_key) {
        fprintf(stderr, "neurograph: no random numbers: %s\n", strerror(errno));
        return false;
    }
    pthread_mutex_init(&server->lock, NULL);
    atomic_init(&server->uuid_count, 0);
    atomic_init(&server->draining, false);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    server->started_ns = ngs_now_ns();
    server->cpu_sample_ns = server->started_ns;
    server->cpu_used_ns = (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
    return true;
}

static void server_release(ngs_server *server)
{
    while (server->parser_count > 0)
        ngs_json_parser_destroy(server->parsers[--server->parser_count]);
    pthread_mutex_destroy(&server->lock);
}

static void server_announce(const ngs_server *server, const char *url)
{
    ng_info info;
    unsigned long long count = 0;
    if (ng_store_info(server->store, &info) == NG_OK)
        count = info.token_count;
    if (server->store_path[0] != '\0')
        printf("listening on %s (store %s, %llu tokens)\n", url, server->store_path, count);
    else
        printf("listening on %s (store in memory, %llu tokens)\n", url, count);
    fflush(stdout);
    const uint64_t one = 1;
    if (server->limits.supervision != NULL &&
        write(server->limits.supervision->ready_fd, &one, sizeof one) < 0)
        fprintf(stderr, "neurograph: cannot tell the supervisor: %s\n", strerror(errno));
}

/* Slot 1 need not exist: only a store that has stopped says so. */
static bool server_is_latched(const ngs_server *server)
{
    ng_token record;
    return ng_token_read(server->store, 1, &record) == NG_E_LATCHED;
}

/* Until the server is to end: true if its store has stopped and somebody will start it again. */
static bool server_wait(ngs_server *server, const server_signals *signals)
{
    struct pollfd fds[2] = {
        {.fd = signals->fd, .events = POLLIN},
        {.fd = server->limits.stop_fd > 0 ? server->limits.stop_fd : -1, .events = POLLIN},
    };
    for (;;) {
        int ready = poll(fds, 2, SERVER_TICK_MS);
        if (ready > 0 && server_signals_read(signals))
            return false;
        if (ready > 0 && fds[1].revents != 0)
            return false;
        if (server->limits.supervision != NULL && server_is_latched(server))
            return true;
        ngs_pool_expire(server->pool);
    }
}

/* Lets the requests in flight end, until the time is up or a second signal comes. `listen_fd` < 0:
 * somebody else will accept the next clients. */
static void server_drain(ngs_server *server, const server_signals *signals, int listen_fd)
{
    int64_t end = ngs_now_ns() + (int64_t)server->limits.drain_ms_max * 1000000;
    ngs_http_quiesce(server->http);
    /* The library keeps the descriptor until it stops; shut down, it refuses clients at once. */
    if (listen_fd >= 0)
        shutdown(listen_fd, SHUT_RDWR);
    atomic_store_explicit(&server->draining, true, memory_order_release);
    while (!ngs_http_wait_idle(server->http, SERVER_TICK_MS) && ngs_now_ns() < end) {
        ngs_pool_expire(server->pool);
        if (server_signals_read(signals))
            break;
    }
    unsigned left = ngs_http_in_flight(server->http);
    if (left > 0)
        fprintf(stderr, "neurograph: stopping with %u requests unanswered\n", left);
    ngs_pool_stop(server->pool);
    ngs_commit_stop(server->commit);
    (void)ngs_http_wait_idle(server->http, SERVER_LAST_REPLIES_MS);
    ngs_http_stop(server->http);
}

static int server_serve(ngs_server *server, int listen_fd, const char *url)
{
    server_signals signals;
    int code = 1;
    if (!server_signals_take(&signals)) {
        fprintf(stderr, "neurograph: cannot take signals: %s\n", strerror(errno));
        return 1;
    }
    server->commit = ngs_commit_start(server);
    server->pool = server->commit ? ngs_pool_start(server) : NULL;
    if (server->pool != NULL && ngs_http_start(server, listen_fd) != NULL) {
        server_announce(server, url);
        bool latched = server_wait(server, &signals);
        server_drain(server, &signals, latched ? -1 : listen_fd);
        code = latched ? NG_SERVER_LATCHED : 0;
    } else {
        fprintf(stderr, "neurograph: cannot start the threads of the server\n");
        if (server->pool != NULL)
            ngs_pool_stop(server->pool);
        if (server->commit != NULL)
            ngs_commit_stop(server->commit);
    }
    ngs_pool_destroy(server->pool);
    ngs_commit_destroy(server->commit);
    server_signals_restore(&signals, code != 1);
    return code;
}

/* The descriptor to accept clients from, or -1 with the exit code. */
static int server_listen(const ng_server_options *limits, char *url, size_t url_size, int *code)
{
    char message[256];
    bool wrong_option = false;
    if (limits->supervision != NULL) {
        snprintf(url, url_size, "%s", limits->supervision->url);
        return limits->supervision->listen_fd;
    }
    int fd = ngs_listen(limits->listen, url, url_size, &wrong_option, message, sizeof message);
    if (fd < 0) {
        fprintf(stderr, "neurograph: %s\n", message);
        *code = wrong_option ? 2 : 1;
    }
    return fd;
}

static void server_note_restart(ng_store *store, const ng_supervision *supervision)
{
    char text[192];
    if (supervision == NULL || supervision->restarts == 0)
        return;
    snprintf(text, sizeof text, "restart %u by the supervisor; before: %s", supervision->restarts,
             supervision->reason);
    ng_blackbox_note(store, text);
}

int ng_server_run(ng_store *store, const ng_server_options *options)
{
    char url[96];
    ngs_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        fprintf(stderr, "neurograph: no memory for the server\n");
        return 1;
    }
    int code = 2;
    if (!server_options(options, &server->limits))
        goto out;
    int fd = server_listen(&server->limits, url, sizeof url, &code);
    if (fd < 0)
        goto out;
    server_note_restart(store, server->limits.supervision);
    code = 1;
    server_raise_fds(server->limits.connections_max);
    if (server_init(server, store)) {
        code = server_serve(server, fd, url);
        server_release(server);
    }
    if (server->limits.supervision == NULL)
        close(fd);
out:
    free(server);
    return code;
}
