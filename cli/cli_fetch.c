/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* GET over HTTP.
 *
 * Invariants
 *   1. At most FETCH_BUFFER_MAX + one piece of libcurl's are kept: beyond that the transfer pauses.
 *   2. Redirections are not followed, and nothing but http and https is spoken: what the user named
 *      is what is asked.
 */
#include "cli_fetch.h"
#include "cli_output.h"
#include "cli_signal.h"

#include <curl/curl.h>
#include <json_in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FETCH_BUFFER_MAX ((size_t)1 << 20)
#define FETCH_ERROR_MAX ((size_t)1 << 16) /* of the body of an error */
#define FETCH_CONNECT_SECONDS 10L
#define FETCH_SILENCE_SECONDS 60L /* longer than any answer is waited for at the other end */
#define FETCH_POLL_MS 1000

struct cli_fetch {
    CURLM *multi;
    CURL *easy;
    bool added;   /* easy is in multi */
    bool paused;  /* the transfer waits for room */
    bool done;    /* libcurl has ended it, with `result` */
    bool started; /* the status is known */
    CURLcode result;
    long status;
    uint64_t seq;
    char *buffer; /* NGS_JSON_PADDING bytes of room after it */
    size_t first, used, capacity;
    char curl_text[CURL_ERROR_SIZE];
    char text[CLI_FETCH_TEXT_MAX];
};

bool cli_fetch_is_url(const char *text)
{
    return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

const char *cli_fetch_text(const cli_fetch *fetch)
{
    return fetch->text;
}

uint64_t cli_fetch_seq(const cli_fetch *fetch)
{
    return fetch->seq;
}

static size_t fetch_body(char *data, size_t size, size_t count, void *context)
{
    cli_fetch *fetch = context;
    size_t bytes = size * count;

    fetch->started = true;
    if (fetch->used > 0 && fetch->used + bytes > FETCH_BUFFER_MAX) {
        fetch->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (fetch->used == 0)
        fetch->first = 0;
    if (fetch->first > 0 &&
        fetch->first + fetch->used + bytes + NGS_JSON_PADDING > fetch->capacity) {
        memmove(fetch->buffer, fetch->buffer + fetch->first, fetch->used);
        fetch->first = 0;
    }
    if (fetch->used + bytes + NGS_JSON_PADDING > fetch->capacity) {
        fetch->capacity = 2 * (fetch->used + bytes) + NGS_JSON_PADDING;
        fetch->buffer = cli_reallocate(fetch->buffer, fetch->capacity, 1);
    }
    if (bytes > 0)
        memcpy(fetch->buffer + fetch->first + fetch->used, data, bytes);
    fetch->used += bytes;
    return bytes;
}

static size_t fetch_header(char *data, size_t size, size_t count, void *context)
{
    static const char name[] = "x-neurograph-seq:";
    cli_fetch *fetch = context;
    size_t bytes = size * count;
    char value[32] = "";

    if (bytes > sizeof name && strncasecmp(data, name, sizeof name - 1) == 0) {
        snprintf(value, sizeof value, "%.*s", (int)(bytes - (sizeof name - 1)),
                 data + sizeof name - 1);
        fetch->seq = strtoull(value, NULL, 10);
    }
    if (bytes <= 2) /* the empty line after the headers */
        fetch->started = true;
    return bytes;
}

cli_fetch *cli_fetch_create(void)
{
    cli_fetch *fetch = cli_allocate(1, sizeof *fetch);

    fetch->multi = curl_multi_init();
    fetch->easy = curl_easy_init();
    if (fetch->multi != NULL && fetch->easy != NULL) {
        curl_easy_setopt(fetch->easy, CURLOPT_WRITEFUNCTION, fetch_body);
        curl_easy_setopt(fetch->easy, CURLOPT_WRITEDATA, fetch);
        curl_easy_setopt(fetch->easy, CURLOPT_HEADERFUNCTION, fetch_header);
        curl_easy_setopt(fetch->easy, CURLOPT_HEADERDATA, fetch);
        curl_easy_setopt(fetch->easy, CURLOPT_ERRORBUFFER, fetch->curl_text);
        curl_easy_setopt(fetch->easy, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(fetch->easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(fetch->easy, CURLOPT_CONNECTTIMEOUT, FETCH_CONNECT_SECONDS);
        curl_easy_setopt(fetch->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(fetch->easy, CURLOPT_LOW_SPEED_TIME, FETCH_SILENCE_SECONDS);
        curl_easy_setopt(fetch->easy, CURLOPT_USERAGENT, "neurograph/" NG_VERSION_TEXT);
        return fetch;
    }
    cli_fetch_destroy(fetch);
    return NULL;
}

static void fetch_end(cli_fetch *fetch)
{
    if (fetch->added)
        curl_multi_remove_handle(fetch->multi, fetch->easy);
    fetch->added = false;
}

void cli_fetch_destroy(cli_fetch *fetch)
{
    if (fetch == NULL)
        return;
    fetch_end(fetch);
    curl_easy_cleanup(fetch->easy);
    curl_multi_cleanup(fetch->multi);
    free(fetch->buffer);
    free(fetch);
}

/* Lets the transfer go on, and notes its end. */
static void fetch_perform(cli_fetch *fetch)
{
    const CURLMsg *message;
    int running, left;

    if (fetch->paused && fetch->used == 0) {
        fetch->paused = false;
        curl_easy_pause(fetch->easy, CURLPAUSE_CONT);
    }
    curl_multi_perform(fetch->multi, &running);
    while ((message = curl_multi_info_read(fetch->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE && message->easy_handle == fetch->easy) {
            fetch->done = true;
            fetch->result = message->data.result;
        }
    }
}

/* Waits for the network; false when a signal has come. */
static bool fetch_wait(cli_fetch *fetch)
{
    struct curl_waitfd signal = {.fd = cli_signal_fd(), .events = CURL_WAIT_POLLIN};

    if (cli_signal_came())
        return false;
    curl_multi_poll(fetch->multi, &signal, signal.fd >= 0, FETCH_POLL_MS, NULL);
    return !cli_signal_came();
}

static ng_status fetch_fail(cli_fetch *fetch, ng_status status, const char *text)
{
    snprintf(fetch->text, sizeof fetch->text, "%s", text);
    return status;
}

static ng_status fetch_curl_fail(cli_fetch *fetch)
{
    bool wrong = fetch->result == CURLE_URL_MALFORMAT ||
                 fetch->result == CURLE_UNSUPPORTED_PROTOCOL ||
                 fetch->result == CURLE_WEIRD_SERVER_REPLY;

    return fetch_fail(fetch, wrong ? NG_E_FORMAT : NG_E_IO,
                      fetch->curl_text[0] != '\0' ? fetch->curl_text
                                                  : curl_easy_strerror(fetch->result));
}

/* Finds `key` in the object at the top, or in the object `outer` there. */
static bool fetch_json_text(ngs_json_value root, const char *outer, const char *key,
                            const char **text, size_t *bytes)
{
    ngs_json_walk walk;
    ngs_json_value value;
    const char *name;
    size_t name_bytes;

    if (outer != NULL) {
        bool found = false;

        if (ngs_json_type_of(root) != NGS_JSON_OBJECT || !ngs_json_begin(root, &walk))
            return false;
        while (!found && ngs_json_next(&walk, &name, &name_bytes, &value))
            found = name_bytes == strlen(outer) && memcmp(name, outer, name_bytes) == 0;
        if (!found)
            return false;
        root = value;
    }
    if (ngs_json_type_of(root) != NGS_JSON_OBJECT || !ngs_json_begin(root, &walk))
        return false;
    while (ngs_json_next(&walk, &name, &name_bytes, &value))
        if (name_bytes == strlen(key) && memcmp(name, key, name_bytes) == 0)
            return ngs_json_string(value, text, bytes);
    return false;
}

/* The message in the body of an error, which the server writes as JSON. */
static void fetch_error_text(cli_fetch *fetch)
{
    ngs_json_parser *parser = ngs_json_parser_create();
    ngs_json_value root;
    ngs_json_error error;
    const char *text;
    size_t bytes;

    snprintf(fetch->text, sizeof fetch->text, "the answer is %ld", fetch->status);
    if (parser != NULL && fetch->used > 0) {
        memset(fetch->buffer + fetch->first + fetch->used, 0, NGS_JSON_PADDING);
        if (ngs_json_parse(parser, fetch->buffer + fetch->first, fetch->used, &root, &error) &&
            fetch_json_text(root, "error", "message", &text, &bytes))
            snprintf(fetch->text, sizeof fetch->text, "%.*s", (int)(bytes < 400 ? bytes : 400),
                     text);
    }
    if (parser != NULL)
        ngs_json_parser_destroy(parser);
}

static ng_status fetch_refused(cli_fetch *fetch)
{
    while (!fetch->done && fetch->used < FETCH_ERROR_MAX) {
        fetch_perform(fetch);
        if (!fetch->done && !fetch_wait(fetch))
            return fetch_fail(fetch, NG_E_CANCELLED, "interrupted");
    }
    fetch_error_text(fetch);
    fetch_end(fetch);
    switch (fetch->status) {
    case 410:
        return NG_E_GONE;
    case 422:
        return NG_E_INVALID;
    case 502:
    case 503:
    case 504:
        return NG_E_IO;
    default:
        return NG_E_FORMAT;
    }
}

ng_status cli_fetch_get(cli_fetch *fetch, const char *url)
{
    fetch_end(fetch);
    fetch->paused = fetch->done = fetch->started = false;
    fetch->first = fetch->used = 0;
    fetch->status = 0;
    fetch->seq = 0;
    fetch->text[0] = fetch->curl_text[0] = '\0';
    if (curl_easy_setopt(fetch->easy, CURLOPT_URL, url) != CURLE_OK ||
        curl_multi_add_handle(fetch->multi, fetch->easy) != CURLM_OK)
        return fetch_fail(fetch, NG_E_NOMEM, "no memory for a request");
    fetch->added = true;
    for (;;) {
        fetch_perform(fetch);
        if (fetch->started || fetch->done)
            break;
        if (!fetch_wait(fetch))
            return fetch_fail(fetch, NG_E_CANCELLED, "interrupted");
    }
    if (fetch->done && fetch->result != CURLE_OK)
        return fetch_curl_fail(fetch);
    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &fetch->status);
    return fetch->status == 200 ? NG_OK : fetch_refused(fetch);
}

ng_status cli_fetch_read(void *context, void *data, size_t capacity, size_t *bytes)
{
    cli_fetch *fetch = context;

    *bytes = 0;
    while (fetch->used == 0 && !fetch->done) {
        fetch_perform(fetch);
        if (fetch->used == 0 && !fetch->done && !fetch_wait(fetch))
            return fetch_fail(fetch, NG_E_CANCELLED, "interrupted");
    }
    if (cli_signal_came())
        return fetch_fail(fetch, NG_E_CANCELLED, "interrupted");
    if (fetch->used == 0 && fetch->result != CURLE_OK)
        return fetch_curl_fail(fetch);
    *bytes = fetch->used < capacity ? fetch->used : capacity;
    memcpy(data, fetch->buffer + fetch->first, *bytes);
    fetch->first += *bytes;
    fetch->used -= *bytes;
    return NG_OK;
}
