/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How tokens and connections are written out: "dog -Hypernym-> canine", and as JSON. */
#ifndef CLI_EDGE_H
#define CLI_EDGE_H

#include "cli.h"
#include "cli_json.h"

#define CLI_EDGE_ROOM (2 * CLI_LABEL_ROOM + 96)
#define CLI_TYPE_ROOM 48
#define CLI_FLAGS_ROOM 96

/** "Hypernym", or "type 0xNN" for one without a name. Returns `out`. */
const char *cli_type_name(uint8_t type, char out[CLI_TYPE_ROOM]);
/** "dog -Hypernym-> canine"; "<-T->" if it is bidirectional. Returns `out`. */
const char *cli_edge_text(const cli_context *context, const ng_edge *edge, char out[CLI_EDGE_ROOM]);
/** {"id":1,"label":"dog"} */
void cli_json_token(const cli_context *context, cli_json *json, const char *key, ng_token_id id);
/** The members of a connection as an object. */
void cli_json_edge(const cli_context *context, cli_json *json, const char *key,
                   const ng_edge *edge);
/** The same with everything that its record says. */
void cli_json_link(const cli_context *context, cli_json *json, const char *key, ng_connection_id id,
                   const ng_connection *record);
/** Prints everything that its record says, a line each. */
void cli_link_text(const cli_context *context, ng_connection_id id, const ng_connection *record);
/** "active,user"; empty without flags. Returns `out`. */
const char *cli_flags_text(uint8_t flags, char out[CLI_FLAGS_ROOM]);

#endif
