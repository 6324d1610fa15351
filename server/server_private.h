/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the parts of the server share: the server, a request, and who may touch it when.
 *
 * A request belongs to one thread at a time, and is handed on with a release/acquire pair:
 *
 *   event loop: read -> handler -> (nothing to wait for) -> sent
 *                          |
 *                          +-> pool queue -> worker: handler -+
 *                          +-> commit queue <-----------------+   connection suspended meanwhile
 *                                 +-> commit thread -> resumed -> event loop: sent
 *   event loop: handler -> feed queue -> feed thread -> pool queue -> as above
 *   event loop: handler -> backup: suspended whenever its pipe is empty, resumed by its producer
 *
 * Invariants
 * 1. A reply that depends on the store is sent only when every op it may show is durable
 *    (`settles`, ngs_request_settle); not so for a store whose durability is not sync (`relaxed`).
 * 2. Whoever takes a request out of a queue resumes it exactly once or puts it into the next queue.
 * 3. After ngs_pool_push, ngs_commit_push and ngs_http_resume a caller leaves the request alone.
 *
 * Names begin ngs_, because the library that is linked next to us uses ngi_. */
#ifndef NGS_SERVER_PRIVATE_H
#define NGS_SERVER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "json_in.h"
#include "json_out.h"
#include "server.h"

typedef struct ngs_server ngs_server;
typedef struct ngs_request ngs_request;
typedef struct ngs_http ngs_http;
typedef struct ngs_pool ngs_pool;
typedef struct ngs_commit ngs_commit;
typedef struct ngs_feed ngs_feed;
typedef struct ngs_backup ngs_backup;
typedef struct ngs_backups ngs_backups;

/* ---------------------------------------------------------------- limits, each with its reason */

enum {
    NGS_PARAMS_MAX = 16,   /* query parameters; no endpoint knows more than thirteen */
    NGS_ID_TEXT_MAX = 71,  /* more than any id has; what is longer is wrong anyway */
    NGS_PROBLEMS_MAX = 16, /* problems reported for one body; more help nobody */
    NGS_PAGE_MAX = 100,    /* rows of a list, as the original */
    NGS_PAGE_DEFAULT = 10,
    NGS_OFFSET_ON_LOOP = 4096,  /* ids skipped without leaving the event loop: microseconds */
    NGS_LABEL_BYTES_MAX = 1024, /* the store's limit */
    NGS_DIMENSIONS_MAX = 4096,  /* the store's limit, as the next */
    NGS_VECTOR_FIELDS_MAX = 15,
    NGS_QUERY_TEXT_MAX = 1000, /* characters, as the original */
    NGS_QUERY_BATCH_MAX = 100, /* queries of one request: a worker is busy with them for long */
    NGS_PAIRS_MAX = 10000,     /* of words to compare */
    NGS_WORDS_MAX = 1000,      /* of a matrix, on each side; of which one is odd */
    NGS_CELLS_MAX = 100000,    /* of a matrix: a megabyte of reply */
    NGS_CORRELATION_MAX = 128, /* bytes of X-Correlation-ID that are echoed */
    NGS_PARSERS_KEPT = 32,     /* idle JSON parsers; there are not more threads than that at once */
    NGS_PARSER_BYTES_KEPT = 256 * 1024, /* a parser that grew beyond is freed: it holds 14 x */
    NGS_FEEDS_MAX = 64, /* followers that wait; a store is not copied to more places at once */
    NGS_FEED_WAIT_MS_MAX = 30000, /* below the silence after which proxies give up */
    NGS_FEED_BYTES_DEFAULT = 1024 * 1024,
    NGS_FEED_BYTES_MAX = 16 * 1024 * 1024, /* a reply is kept in memory until it is sent */
    NGS_BACKUPS_MAX = 2,   /* each holds a view of the store and reads its log from disk */
    NGS_TAGS_MAX = 16,     /* entity tags of If-Match */
    NGS_BATCH_MAX = 4096,  /* tokens of one op, the store's limit */
    NGS_FIELD_CHARS = 176, /* of the path of a value in a body */
    NGS_UUID_CHARS = 37
};

/* ------------------------------------------------------------------------------------ requests */

typedef enum ngs_method {
    NGS_GET = 1 << 0,
    NGS_POST = 1 << 1,
    NGS_PUT = 1 << 2,
    NGS_DELETE = 1 << 3,
    NGS_HEAD = 1 << 4,
    NGS_OPTIONS = 1 << 5,
    NGS_PATCH = 1 << 6,
    NGS_METHOD_OTHER = 1 << 7
} ngs_method;

#define NGS_ROUTE_NO_PATH (1u << 31)

typedef enum ngs_route_flags {
    NGS_ROUTE_BODY = 1 << 0,   /* takes a JSON body */
    NGS_ROUTE_POOL = 1 << 1,   /* may take over a millisecond: runs on a worker */
    NGS_ROUTE_ALWAYS = 1 << 2, /* answers while draining too */
    NGS_ROUTE_PARAMS = 1 << 3  /* takes query parameters */
} ngs_route_flags;

typedef void (*ngs_handler)(ngs_request *request);

typedef struct ngs_route {
    ngs_method method;
    const char *pattern; /* two parts may be "{id}" */
    ngs_handler handler;
    unsigned flags;
} ngs_route;

typedef struct ngs_param {
    const char *name;
    const char *value;
} ngs_param;

typedef enum ngs_reply_kind {
    NGS_REPLY_DATA,  /* success envelope */
    NGS_REPLY_ERROR, /* error envelope */
    NGS_REPLY_BARE,  /* JSON without an envelope */
    NGS_REPLY_BYTES, /* bytes of a stream: what was written, or what request->backup gives */
    NGS_REPLY_EMPTY  /* no body */
} ngs_reply_kind;

/* Values that did not pass, collected so that a client sees all of them at once. */
typedef struct ngs_problems {
    size_t count;
    ngs_out list; /* JSON objects, with commas between */
    char first[512];
} ngs_problems;

struct ngs_request {
    ngs_server *server;
    void *connection; /* of the HTTP library */
    void *loop;       /* the event loop it belongs to */
    const ngs_route *route;
    ngs_method method;
    char id_text[NGS_ID_TEXT_MAX + 1];     /* the part of the path at "{id}" */
    char second_text[NGS_ID_TEXT_MAX + 1]; /* at the second one */
    ngs_param params[NGS_PARAMS_MAX];
    size_t param_count;
    bool params_overflow;
    int64_t start_ns;
    char correlation[NGS_CORRELATION_MAX + 1];

    char *body; /* NGS_JSON_PADDING bytes of room after it */
    size_t body_size;
    size_t body_capacity;
    size_t body_dropped; /* bytes of a body that is not wanted */
    bool refused;        /* the reply was settled by the headers; the body is only drained */

    int status;
    ngs_reply_kind kind;
    ngs_out out;
    ngs_problems problems;
    unsigned allow; /* ngs_method bits for the Allow header */
    unsigned retry_after_s;
    bool on_worker;    /* running on the pool */
    bool wants_worker; /* set by a handler: run me again, on the pool */
    bool wants_feed;   /* likewise: once there is something to read (feed) */
    bool settles;      /* the reply shows the store: it waits for the disk */

    const char *if_match; /* the header, of the HTTP library; NULL = none */
    uint32_t version;     /* of the token that the reply shows, for ETag; 0 = none */
    ng_seq shown_seq;     /* newest durable op, for X-NeuroGraph-Seq; 0 = not shown */
    struct {
        uint64_t after;
        uint64_t max_bytes;
        int64_t until_ns; /* when to answer although there is nothing to read */
    } feed;
    ngs_backup *backup; /* until it is handed to the reply; NULL = none */

    ng_seq barrier; /* what it waits for */
    int64_t queued_ns;
    ngs_request *next; /* in the queue that holds it */
    atomic_bool ready; /* release by ngs_http_resume, acquire by the event loop */
};

struct ngs_server {
    ng_store *store;          /* immutable after start, as the next ones */
    ng_server_options limits; /* every default filled in */
    char store_path[512];
    int64_t started_ns;
    uint64_t uuid_key[2];
    ngs_http *http;
    ngs_pool *pool;
    ngs_commit *commit;
    ngs_feed *feed; /* of http, as the next */
    ngs_backups *backups;
    bool relaxed; /* the durability of the store is not sync: replies do not wait for the disk */
    atomic_uint_fast64_t uuid_count; /* relaxed: only uniqueness matters */
    atomic_bool draining;            /* release by the main thread, acquire by event loops */

    pthread_mutex_t lock; /* guards all below */
    ngs_json_parser *parsers[NGS_PARSERS_KEPT];
    size_t parser_count;
    int64_t cpu_sample_ns; /* when, and how much processor time there had been */
    int64_t cpu_used_ns;
    double cpu_percent;
};

int64_t ngs_now_ns(void); /* monotonic */
/** Fills `text` with a fresh version-4 UUID. */
void ngs_uuid(ngs_server *server, char text[NGS_UUID_CHARS]);
/** Borrows a parser; NULL without memory. */
ngs_json_parser *ngs_parser_take(ngs_server *server);
void ngs_parser_give(ngs_server *server, ngs_json_parser *parser);

/* -------------------------------------------------------------------------------------- routes */

/** Finds the route of `path` and sets route and id_text. Returns 0, or, without a route, the
 *  methods that the path has, NGS_ROUTE_NO_PATH if it has none. HEAD counts as GET. */
unsigned ngs_route_find(ngs_request *request, const char *path);
/** Runs the handler on the calling thread. */
void ngs_route_run(ngs_request *request);

/** The reply is written: false if it has to wait for the disk, with `barrier` set. */
bool ngs_request_settled(ngs_request *request);
/** Sends a suspended request on: to the commit queue if it has to wait, else back to its loop. */
void ngs_request_settle(ngs_request *request);

/* --------------------------------------------------------------------------------------- reply */

/** Begins a success envelope; the caller appends the data to request->out. */
ngs_out *ngs_reply_data(ngs_request *request, int status);
ngs_out *ngs_reply_bare(ngs_request *request, int status);
/** Begins a reply of bytes; the caller appends them to request->out, or they are a backup's. */
ngs_out *ngs_reply_stream(ngs_request *request, int status);
void ngs_reply_empty(ngs_request *request, int status);
/** An error; replaces whatever was written. `details` is JSON or NULL. */
void ngs_reply_error(ngs_request *request, int status, const char *code, const char *details,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));
/** The error of a failed call of the library, with its own text. */
void ngs_reply_status(ngs_request *request, ng_status status);
/** The same with the text given, for a status that another thread saw. */
void ngs_reply_status_text(ngs_request *request, ng_status status, const char *text);
/** Ends the reply with its meta. False without memory. */
bool ngs_reply_finish(ngs_request *request);
void ngs_out_time(ngs_out *out, uint64_t unix_us); /* "2026-01-02T03:04:05.000006Z", quoted */

void ngs_problem(ngs_request *request, const char *field, const char *type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** Replies 422 if there are problems; true if it did. */
bool ngs_problems_reply(ngs_request *request);

/* ---------------------------------------------------------------------------------------- body */

/** Parses the body, which must be one object, and begins a walk over it. False: replied.
 *  On success `*parser` is the caller's until ngs_parser_give. */
bool ngs_body_open(ngs_request *request, ngs_json_parser **parser, ngs_json_walk *walk);
/** Notes a problem unless the value is a number within the range. */
bool ngs_read_float(ngs_request *request, ngs_json_value value, const char *field, double min,
                    double max, float *out);
bool ngs_read_u32(ngs_request *request, ngs_json_value value, const char *field, uint32_t min,
                  uint32_t max, uint32_t *out);
bool ngs_read_bool(ngs_request *request, ngs_json_value value, const char *field, bool *out);
/** An array of 1..4096 numbers in a new array, which the caller frees; NULL: noted what is wrong. */
float *ngs_read_numbers(ngs_request *request, ngs_json_value value, const char *field,
                        size_t *count);
/** An id that a token can have: 1..2^64-1. */
bool ngs_read_id(ngs_request *request, ngs_json_value value, const char *field, uint64_t *out);
bool ngs_read_string(ngs_request *request, ngs_json_value value, const char *field,
                     const char **out, size_t *count);
void ngs_wrong_type(ngs_request *request, ngs_json_value value, const char *field,
                    const char *expected);
/** Reads a query parameter; notes a problem unless it is an integer within the range. */
void ngs_read_param(ngs_request *request, const ngs_param *param, uint64_t min, uint64_t max,
                    uint64_t *out);
/** Notes that "body.KEY" is not known, or came twice. */
void ngs_unknown_field(ngs_request *request, const char *key, size_t key_count, bool twice);

typedef struct ngs_token_body {
    ng_token_fields fields; /* strings point into the parser */
    bool create;            /* whether the collection may be named */
    bool any_space;         /* a space was named, if only as null */
    bool persistent_given;
    bool persistent;
    float *vector;
    ng_field_vector *vectors; /* [fields.vector_count]; their values are its own */
    ng_text *tags;            /* [fields.tag_count] */
    ngs_json_parser *parser;
} ngs_token_body;

/** Reads a token body; false: replied. Always ngs_token_body_release. */
bool ngs_token_body_read(ngs_request *request, bool create, ngs_token_body *out);
void ngs_token_body_release(ngs_request *request, ngs_token_body *body);
/** Reads an item of a batch at `path`; notes what is wrong. `id` NULL: it is created, otherwise "id"
 *  is required. Always ngs_token_body_release; the parser stays the caller's. */
void ngs_token_item_read(ngs_request *request, ngs_json_value value, const char *path, uint64_t *id,
                         ngs_token_body *out);
/** Makes the fields those of a creation, with the defaults of this interface, or of an update. */
void ngs_token_body_created(ngs_token_body *body);
void ngs_token_body_updated(ngs_token_body *body);
/** How the server writes. */
ng_write_options ngs_token_write(const ngs_request *request);
/** Appends the token as it is now; false: it is not there. */
bool ngs_token_out(ngs_request *request, ngs_out *out, ng_token_id id);
/** The collection that parameter `param` names, "runtime" without one, NG_COLLECTION_ANY for "*" if
 *  `any`. False: replied. */
bool ngs_param_collection(ngs_request *request, const ngs_param *param, bool any,
                          ng_collection_id *out);

/* ------------------------------------------------------------------------------------ handlers */

void ngs_token_create(ngs_request *request);
void ngs_token_list(ngs_request *request);
void ngs_token_search(ngs_request *request);
void ngs_index_list(ngs_request *request);
void ngs_index_declare(ngs_request *request);
void ngs_index_drop(ngs_request *request);
void ngs_token_get(ngs_request *request);
void ngs_token_update(ngs_request *request);
void ngs_token_delete(ngs_request *request);
void ngs_token_batch(ngs_request *request);
void ngs_token_examples(ngs_request *request);
void ngs_token_clear(ngs_request *request);
void ngs_collection_list(ngs_request *request);
void ngs_collection_create(ngs_request *request);
void ngs_collection_get(ngs_request *request);
void ngs_collection_drop(ngs_request *request);
void ngs_connection_create(ngs_request *request);
void ngs_connection_list(ngs_request *request);
void ngs_connection_get(ngs_request *request);
void ngs_connection_update(ngs_request *request);
void ngs_connection_delete(ngs_request *request);
void ngs_connection_activate(ngs_request *request);
void ngs_connection_force(ngs_request *request);
void ngs_connection_batch(ngs_request *request);
void ngs_connection_between(ngs_request *request);
void ngs_connection_types(ngs_request *request);
void ngs_token_connections(ngs_request *request);
void ngs_grid_status(ngs_request *request);
void ngs_grid_get(ngs_request *request);
void ngs_grid_list(ngs_request *request);
void ngs_grid_create(ngs_request *request);
void ngs_grid_drop(ngs_request *request);
void ngs_grid_add(ngs_request *request);
void ngs_grid_remove(ngs_request *request);
void ngs_grid_neighbors(ngs_request *request);
void ngs_grid_range(ngs_request *request);
void ngs_grid_box(ngs_request *request);
void ngs_grid_nearest(ngs_request *request);
void ngs_grid_count(ngs_request *request);
void ngs_grid_influence(ngs_request *request);
void ngs_grid_density(ngs_request *request);
void ngs_grid_clusters(ngs_request *request);
void ngs_grid_fields(ngs_request *request);
void ngs_grid_query(ngs_request *request);
void ngs_feedback_give(ngs_request *request);
void ngs_feedback_list(ngs_request *request);
void ngs_feedback_undo(ngs_request *request);
void ngs_query(ngs_request *request);
void ngs_query_batch(ngs_request *request);
void ngs_similarity(ngs_request *request);
void ngs_odd(ngs_request *request);
void ngs_field_list(ngs_request *request);
void ngs_field_create(ngs_request *request);
void ngs_field_drop(ngs_request *request);
void ngs_embedding_compare(ngs_request *request);
void ngs_embedding_switch(ngs_request *request);
void ngs_nearest(ngs_request *request);
void ngs_graph_build(ngs_request *request);
void ngs_graph_get(ngs_request *request);
void ngs_graph_drop(ngs_request *request);
void ngs_feed_get(ngs_request *request);
void ngs_backup_get(ngs_request *request);
void ngs_checkpoint(ngs_request *request);
void ngs_system_root(ngs_request *request);
void ngs_system_health(ngs_request *request);
void ngs_system_live(ngs_request *request);
void ngs_system_ready(ngs_request *request);
void ngs_system_startup(ngs_request *request);
void ngs_system_status(ngs_request *request);
void ngs_system_memory(ngs_request *request);

/** {"L1":[x,y,z]|null,...} of the spaces in `mask`. */
void ngs_out_coordinates(ngs_out *out, const ng_store *store, const ng_token *record,
                         unsigned mask);

/* ---------------------------------------------------------------------------------- http, pool */

/** Starts the event loops on a listening socket, which stays the caller's. NULL if it failed. */
ngs_http *ngs_http_start(ngs_server *server, int listen_fd);
/** Returns when no loop accepts connections any more. */
void ngs_http_quiesce(ngs_http *http);
/** Waits until no request is in flight, or `ms` have passed; true if none is. */
bool ngs_http_wait_idle(ngs_http *http, uint32_t ms);
unsigned ngs_http_in_flight(const ngs_http *http);
/** After ngs_http_quiesce: joins the loops and closes every connection. No request may be
 *  suspended. */
void ngs_http_stop(ngs_http *http);
/** Gives a suspended request back to its event loop, from any thread. */
void ngs_http_resume(ngs_request *request);

typedef struct ngs_pool_counts {
    unsigned queued, running, threads, queue_max;
} ngs_pool_counts;

ngs_pool *ngs_pool_start(ngs_server *server);
/** A place in the queue; false if it is full or the pool has stopped. ngs_pool_push must follow. */
bool ngs_pool_reserve(ngs_pool *pool);
void ngs_pool_push(ngs_pool *pool, ngs_request *request);
/** Refuses what has waited longer than the deadline. */
void ngs_pool_expire(ngs_pool *pool);
ngs_pool_counts ngs_pool_count(ngs_pool *pool);
/** Refuses what waits, lets what runs end, joins and frees. */
void ngs_pool_stop(ngs_pool *pool);
void ngs_pool_destroy(ngs_pool *pool);

ngs_commit *ngs_commit_start(ngs_server *server);
/** Takes over a suspended request; it is resumed when request->barrier is durable. */
void ngs_commit_push(ngs_commit *commit, ngs_request *request);
/** Refuses what still waits and joins; later pushes are refused at once. */
void ngs_commit_stop(ngs_commit *commit);
void ngs_commit_destroy(ngs_commit *commit);

ngs_feed *ngs_feed_start(ngs_server *server);
/** A place among those that wait; false if there is none. ngs_feed_push must follow. */
bool ngs_feed_reserve(ngs_feed *feed);
/** Takes over a suspended request; it goes to the pool when ops after feed.after are durable, or at
 *  feed.until_ns. */
void ngs_feed_push(ngs_feed *feed, ngs_request *request);
/** Refuses what waits and joins; later pushes are refused at once. Twice is allowed. */
void ngs_feed_stop(ngs_feed *feed);
void ngs_feed_destroy(ngs_feed *feed);

typedef enum ngs_backup_state {
    NGS_BACKUP_MORE,
    NGS_BACKUP_END,
    NGS_BACKUP_FAILED
} ngs_backup_state;

ngs_backups *ngs_backups_create(ngs_server *server);
/** Resumes the suspended request once there are bytes to send, or the end. */
void ngs_backup_wait(ngs_backup *backup);
/** After that: begins the reply. False: it is an error, and request->backup of no use. */
bool ngs_backup_reply(ngs_request *request);
/** Bytes to send; 0 with NGS_BACKUP_MORE = none yet. */
size_t ngs_backup_take(ngs_backup *backup, char *data, size_t capacity, ngs_backup_state *state);
/** Nobody wants the rest. Never waits. */
void ngs_backup_release(ngs_backup *backup);
/** Cancels all, and starts no more. */
void ngs_backups_stop(ngs_backups *all);
/** After every release: waits for the producers and frees. NULL is allowed. */
void ngs_backups_destroy(ngs_backups *all);

/** Opens a listening socket on a loopback address; `url` receives "http://127.0.0.1:8000". Returns
 *  the descriptor, or -1 with `message`, because the option is wrong or the system refused. */
int ngs_listen(const char *text, char *url, size_t url_size, bool *wrong_option, char *message,
               size_t message_size);
/** Whether a Host header names this machine. */
bool ngs_host_is_local(const char *host);

#endif
