/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writes one JSON document, member after member, to a stream. `key` is NULL inside an array. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CLI_JSON_DEPTH_MAX 63

typedef struct cli_json {
    FILE *out;
    unsigned depth;
    uint64_t filled; /* a bit per depth: a member was written there */
    uint64_t arrays; /* a bit per depth: it is an array */
} cli_json;

void cli_json_begin(cli_json *json, FILE *out);
/** Ends the document with a newline. Everything opened must be closed. */
void cli_json_end(cli_json *json);
void cli_json_object(cli_json *json, const char *key);
void cli_json_array(cli_json *json, const char *key);
void cli_json_close(cli_json *json);
/** NULL becomes null; bytes that are not UTF-8 become U+FFFD. */
void cli_json_text(cli_json *json, const char *key, const char *text);
void cli_json_u64(cli_json *json, const char *key, uint64_t value);
void cli_json_i64(cli_json *json, const char *key, int64_t value);
/** The fewest digits that read back as the same number; not finite becomes null. */
void cli_json_double(cli_json *json, const char *key, double value);
void cli_json_float(cli_json *json, const char *key, float value);
void cli_json_bool(cli_json *json, const char *key, bool value);
void cli_json_null(cli_json *json, const char *key);

#endif
