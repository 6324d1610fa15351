/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How tokens and connections are written out: "dog -Hypernym-> canine", and as JSON. */
#ifndef CLI_EDGE_H
#define CLI_EDGE_H

#include "cli.h"
#include "cli_json.h"

#define CLI_EDGE_ROOM (2 * CLI_LABEL_ROOM + 96)
#define CLI_TYPE_ROOM 48

/** "Hypernym", or "type 0xNN" for one without a name. Returns `out`. */
const char *cli_type_name(uint8_t type, char out[CLI_TYPE_ROOM]);
/** "dog -Hypernym-> canine"; "<-T->" if it is bidirectional. Returns `out`. */
const char *cli_edge_text(const cli_context *context, const ng_edge *edge, char out[CLI_EDGE_ROOM]);
/** {"id":1,"label":"dog"} */
void cli_json_token(const cli_context *context, cli_json *json, const char *key, ng_token_id id);
/** The members of a connection as an object. */
void cli_json_edge(const cli_context *context, cli_json *json, const char *key,
                   const ng_edge *edge);

#endif
