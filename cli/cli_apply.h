/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the two halves of `apply` share: a line as it was read, and as it is to be written. */
#ifndef CLI_APPLY_H
#define CLI_APPLY_H

#include "cli.h"

#include <json_in.h>

#define APPLY_TEXT_MAX 640 /* of what is wrong with a line */
#define APPLY_DIMENSIONS_MAX 4096u
#define APPLY_FIELDS_MAX 15u

typedef enum apply_op {
    APPLY_CREATE,
    APPLY_UPDATE,
    APPLY_PUT,
    APPLY_DELETE,
    APPLY_CONNECT,
    APPLY_DISCONNECT,
    APPLY_UPDATE_CONNECTION,
    APPLY_PUT_CONNECTION,
    APPLY_ACTIVATE,
    APPLY_OP_COUNT
} apply_op;

extern const char *const apply_op_names[APPLY_OP_COUNT];

typedef struct apply_text {
    const char *bytes; /* NULL = not given */
    size_t count;
} apply_text;

/** How a line names a token or connection: an id, "$name", "#12", or a label. */
typedef struct apply_reference {
    bool given;
    uint64_t id; /* 0 = by text */
    apply_text text;
} apply_reference;

/** A line. Texts point into the parser until the next line. */
typedef struct apply_line {
    apply_op op;
    apply_text as;
    apply_text collection;
    apply_reference token, source, target, connection;
    apply_reference target_of; /* a token */
    uint32_t if_version;
    int persistent; /* of a token: 1, 0, or -1 to leave it */
    ng_token_fields fields;
    ng_connection_fields link;
    float
        *vector; /* [1 + APPLY_FIELDS_MAX][APPLY_DIMENSIONS_MAX], the caller's; the first is of the
                      default field */
    apply_text
        field_names[APPLY_FIELDS_MAX]; /* of fields.vectors, whose numbers are not known yet */
    ng_field_vector vectors[APPLY_FIELDS_MAX];
} apply_line;

/** Reads one line of `bytes` bytes, with NGS_JSON_PADDING bytes of room after them. False: `error`
 *  says what is wrong. `line->vector` stays. */
bool apply_line_read(ngs_json_parser *parser, const char *text, size_t bytes, apply_line *line,
                     char error[APPLY_TEXT_MAX]);

#endif
