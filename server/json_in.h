/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* JSON in: a C view of a document that simdjson parsed.
 *
 * A parser owns the last document it parsed; values and strings point into it and die with the
 * next parse. One thread at a time uses a parser.
 *
 * What is accepted: RFC 8259, UTF-8, nesting to NGS_JSON_DEPTH_MAX, numbers that fit a double
 * (integers: 64 bits). NaN and infinities are not JSON. Keys that occur twice are not an error of
 * the parser; whoever walks an object sees both and refuses (ngs_json_next). */
#ifndef NGS_JSON_IN_H
#define NGS_JSON_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NGS_JSON_DEPTH_MAX 32
#define NGS_JSON_PADDING 64 /* bytes after the text that the parser may read */

typedef struct ngs_json_parser ngs_json_parser;

typedef struct ngs_json_value {
    uint64_t opaque[2];
} ngs_json_value;

typedef struct ngs_json_walk {
    uint64_t opaque[5];
} ngs_json_walk;

typedef enum ngs_json_type {
    NGS_JSON_NULL,
    NGS_JSON_BOOL,
    NGS_JSON_INTEGER, /* written without a fraction, and fits 64 bits */
    NGS_JSON_NUMBER,
    NGS_JSON_STRING,
    NGS_JSON_ARRAY,
    NGS_JSON_OBJECT
} ngs_json_type;

typedef struct ngs_json_error {
    size_t offset; /* byte where the text stops being JSON */
    char message[96];
} ngs_json_error;

/** NULL without memory. */
ngs_json_parser *ngs_json_parser_create(void);
void ngs_json_parser_destroy(ngs_json_parser *parser);
/** Largest text the parser has room for now. */
size_t ngs_json_parser_capacity(const ngs_json_parser *parser);

/** Parses `count` bytes; NGS_JSON_PADDING more must be readable. False: `error` says where and
 *  why, with an empty message if memory ran out. */
bool ngs_json_parse(ngs_json_parser *parser, const char *bytes, size_t count, ngs_json_value *root,
                    ngs_json_error *error);

ngs_json_type ngs_json_type_of(ngs_json_value value);
/** "a number", "an array", ... for messages. */
const char *ngs_json_type_name(ngs_json_type type);

/* Each is false if the value has another type (or, for integers, does not fit). */
bool ngs_json_bool(ngs_json_value value, bool *out);
bool ngs_json_u64(ngs_json_value value, uint64_t *out);
bool ngs_json_i64(ngs_json_value value, int64_t *out);
bool ngs_json_double(ngs_json_value value, double *out); /* integers too */
bool ngs_json_string(ngs_json_value value, const char **out, size_t *count);

/** Begins a walk over the members of an object or the elements of an array. */
bool ngs_json_begin(ngs_json_value container, ngs_json_walk *walk);
/** Next element; false at the end. `key` is NULL-safe to ask for only in an object. */
bool ngs_json_next(ngs_json_walk *walk, const char **key, size_t *key_count, ngs_json_value *out);

/** Finds where `bytes` stop being acceptable JSON, for the message of a failed parse; false if it
 *  finds nothing wrong. Slow path, no memory. */
bool ngs_json_locate(const char *bytes, size_t count, ngs_json_error *error);

#ifdef __cplusplus
}
#endif
#endif
