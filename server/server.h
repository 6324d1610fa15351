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

/** What a supervising parent tells the process that serves. Filled by ng_server_supervise. */
typedef struct ng_supervision {
    int listen_fd;     /**< bound by the parent: clients of a restart wait, and are not refused */
    int ready_fd;      /**< written to when the server accepts requests */
    uint32_t restarts; /**< so far */
    char reason[96];   /**< why the last one; empty before the first */
    char url[96];
} ng_supervision;

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
    /** Of ng_server_supervise; `listen` is not used then. NULL = none. */
    const ng_supervision *supervision;
} ng_server_options;

/** The exit code by which a supervised process asks to be restarted: its store has stopped after a
 *  write that failed, and opening it again finds out what is on disk. */
#define NG_SERVER_LATCHED 75
/** Returned by ng_server_supervise in the process that is to serve. */
#define NG_SERVER_CHILD (-1)

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
 *           memory), 2 if an option is wrong. The message is on stderr in the last two cases.
 *           NG_SERVER_LATCHED with `supervision` alone: close the store and exit with it. */
int ng_server_run(ng_store *store, const ng_server_options *options);

/** Listens, and runs this process again and again in a child that serves, as long as it fails.
 *
 *  Returns NG_SERVER_CHILD in each child, which opens the store, calls ng_server_run with
 *  `supervision`, and exits. In the parent it returns when the service has ended: the exit code of
 *  the last child, 1 if the system refused (the message is on stderr), 2 if `listen` is wrong.
 *
 *  A child is followed by another one if it died of a signal or exited with NG_SERVER_LATCHED, and,
 *  once a child has served, after any exit code that is not `is_final`. The first restart comes
 *  after 100 ms; the time doubles up to 10 s and begins anew when a child has lived for a minute.
 *  SIGTERM and SIGINT are passed on, and end the service. When the parent dies in whatever way,
 *  the child is told to stop.
 *
 *  Owns:    `*supervision` is the caller's and outlives ng_server_run.
 *  Threads: from the main thread, before any other is started. */
int ng_server_supervise(const ng_server_options *options, bool (*is_final)(int exit_code),
                        ng_supervision *supervision);

#ifdef __cplusplus
}
#endif
#endif
