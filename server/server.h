/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The HTTP server over one open store: what the command line calls, and nothing else.
 *
 * Endpoints, fields and statuses: docs/http.md. How it works inside: server/README.md.
 *
 * The caller opens the store, calls ng_server_run, and closes the store when it returns:
 *
 *     ng_server_options options = {.struct_size = sizeof options, .listen = "127.0.0.1:8000"};
 *     int code = ng_server_run(store, &options);
 *     status = ng_close(store);
 */
#ifndef NG_SERVER_H
#define NG_SERVER_H

#include <neurograph.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NG_SERVER_LISTEN_DEFAULT "127.0.0.1:8000"

/** Every member but struct_size may be zero (or NULL), which means its default. */
typedef struct ng_server_options {
    size_t struct_size;
    const char *listen;            /**< "HOST:PORT", loopback only: 127.x.x.x, localhost, [::1];
                                        port 0 = any free one. NULL = NG_SERVER_LISTEN_DEFAULT */
    uint32_t io_threads;           /**< event loops, 1..64; 0 = processors - 1, at least 1 */
    uint32_t query_threads;        /**< workers for queries, 1..64; 0 = as io_threads */
    uint32_t query_queue_max;      /**< queries waiting for a worker, 1..65536; 0 = 64 */
    uint32_t query_deadline_ms;    /**< a query may wait so long for a worker; 0 = 30,000 */
    uint32_t connections_max;      /**< open connections, 1..65536; 0 = 1,000 */
    uint32_t connection_timeout_s; /**< silence before a connection is closed; 0 = 30 */
    uint32_t header_bytes_max;     /**< request line and headers, 4 KiB..1 MiB; 0 = 32 KiB */
    uint32_t body_bytes_max;       /**< body of a request, up to 64 MiB; 0 = 1 MiB */
    uint32_t drain_ms_max;         /**< for requests in flight when stopping; 0 = 10,000 */
    int stop_fd;                   /**< the server stops when this descriptor becomes readable;
                                        0 = none (SIGTERM and SIGINT always stop it) */
    bool any_host;                 /**< answer requests whose Host header names another machine
                                        (behind a proxy); otherwise 421, against DNS rebinding */
} ng_server_options;

/** Serves `store` until SIGTERM, SIGINT or `stop_fd`, then finishes the requests in flight.
 *
 *  Prints one line to stdout when it accepts connections,
 *      listening on http://127.0.0.1:8000 (store DIR, N tokens)
 *  and what goes wrong to stderr, one line each.
 *
 *  Owns:    nothing; the store stays open and is the caller's.
 *  Threads: returns after the last of its threads has ended. Once at a time in a process, because
 *           signals are the process's. Their previous handlers are restored on return, but where
 *           there was none SIGTERM and SIGINT stay ignored after an orderly stop, so that a second
 *           one does not interrupt the closing of the store.
 *  Returns: the exit code: 0 after an orderly stop, 1 if serving failed (address in use, no
 *           memory), 2 if an option is wrong. The message is on stderr in the last two cases. */
int ng_server_run(ng_store *store, const ng_server_options *options);

#ifdef __cplusplus
}
#endif
#endif
