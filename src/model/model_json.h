/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A pull reader of JSON (RFC 8259) for payloads, and for files larger than memory: one event a call, no tree, no
 * recursion, a fixed amount of memory whatever the input.
 *
 * States (`expect`), each with the events that leave it:
 *     value          any value                       -> after, or into a new container
 *     first value    a value, or ']'                 -> after
 *     first key      a key, or '}'                   -> value, after
 *     key            a key                           -> value
 *     after          ',' to value or key, or a closing bracket; at depth 0 the end of the file
 *
 * Invariants: 1. depth <= NGI_JSON_DEPTH_MAX; bit `depth - 1` of `nesting` is 1 inside an object.
 *             2. every byte of the file is looked at, and refused where the grammar forbids it. */
#ifndef NGI_MODEL_JSON_H
#define NGI_MODEL_JSON_H

#include "os/os_reader.h"

#define NGI_JSON_DEPTH_MAX 64    /* a bit each in one word */
#define NGI_JSON_TEXT_MAX 8192   /* a label has 1024 bytes; longer strings are skipped, not kept */
#define NGI_JSON_NUMBER_MAX 1024 /* bytes of one number */

typedef enum ngi_json_event {
    NGI_JSON_OBJECT_BEGIN,
    NGI_JSON_OBJECT_END,
    NGI_JSON_ARRAY_BEGIN,
    NGI_JSON_ARRAY_END,
    NGI_JSON_KEY,    /* text */
    NGI_JSON_STRING, /* text */
    NGI_JSON_NUMBER, /* number */
    NGI_JSON_TRUE,
    NGI_JSON_FALSE,
    NGI_JSON_NULL,
    NGI_JSON_END /* of the document and of the file */
} ngi_json_event;

typedef enum ngi_json_expect {
    NGI_JSON_EXPECT_VALUE = 0,
    NGI_JSON_EXPECT_FIRST_VALUE,
    NGI_JSON_EXPECT_FIRST_KEY,
    NGI_JSON_EXPECT_KEY,
    NGI_JSON_EXPECT_AFTER
} ngi_json_expect;

typedef struct ngi_json {
    ngi_reader *reader;
    uint64_t nesting;
    unsigned depth;
    ngi_json_expect expect;
    uint64_t event_offset; /* file offset where the last event began */
    double number;
    const char *number_text; /* as it stands in the input; valid until the next call */
    size_t number_bytes;
    size_t text_bytes; /* decoded; at most NGI_JSON_TEXT_MAX are kept */
    bool is_text_cut;
    char text[NGI_JSON_TEXT_MAX];
} ngi_json;

/** Begins at the reader's position; the reader stays the caller's. */
void ngi_json_init(ngi_json *json, ngi_reader *reader);
/** The next event. Errors: NG_E_FORMAT "FILE byte N: ...", "FILE: ends in the middle (truncated
 *  file, at byte N)"; NG_E_IO. */
NG_MUST_USE ng_status ngi_json_next(ngi_json *json, ngi_json_event *out);
/** Passes over the rest of the value that `event` began, if that is an object or an array. */
NG_MUST_USE ng_status ngi_json_skip(ngi_json *json, ngi_json_event event);
/** After ARRAY_BEGIN: reads the whole array, which must hold numbers alone. The first `capacity`
 *  are kept; `*count` receives how many there are. */
NG_MUST_USE ng_status ngi_json_floats(ngi_json *json, float *out, size_t capacity, size_t *count);

#endif
