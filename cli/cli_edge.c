/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How tokens and connections are written out. Every command that shows one uses these, so that
 * a script can read all of them in the same way. */
#include "cli_edge.h"

#include <inttypes.h>
#include <stdio.h>

const char *cli_type_name(uint8_t type, char out[CLI_TYPE_ROOM])
{
    const char *name = ng_connection_type_name(type);

    if (name != NULL)
        snprintf(out, CLI_TYPE_ROOM, "%s", name);
    else
        snprintf(out, CLI_TYPE_ROOM, "type 0x%02X", type);
    return out;
}

const char *cli_edge_text(const cli_context *context, const ng_edge *edge, char out[CLI_EDGE_ROOM])
{
    char source[CLI_LABEL_ROOM], target[CLI_LABEL_ROOM], type[CLI_TYPE_ROOM];

    snprintf(out, CLI_EDGE_ROOM, "%s %s%s-> %s", cli_token_name(context, edge->source, source),
             edge->flags & NG_CONNECTION_BIDIRECTIONAL ? "<-" : "-",
             cli_type_name(edge->type, type), cli_token_name(context, edge->target, target));
    return out;
}

void cli_json_token(const cli_context *context, cli_json *json, const char *key, ng_token_id id)
{
    char label[CLI_LABEL_ROOM];

    cli_json_object(json, key);
    cli_json_u64(json, "id", id);
    cli_json_text(json, "label", cli_token_label(context, id, label));
    cli_json_close(json);
}

void cli_json_edge(const cli_context *context, cli_json *json, const char *key, const ng_edge *edge)
{
    char type[CLI_TYPE_ROOM];

    cli_json_object(json, key);
    cli_json_u64(json, "id", edge->id);
    cli_json_text(json, "type", cli_type_name(edge->type, type));
    cli_json_u64(json, "type_code", edge->type);
    cli_json_token(context, json, "source", edge->source);
    cli_json_token(context, json, "target", edge->target);
    cli_json_bool(json, "bidirectional", (edge->flags & NG_CONNECTION_BIDIRECTIONAL) != 0);
    cli_json_bool(json, "active", (edge->flags & NG_CONNECTION_ACTIVE) != 0);
    cli_json_close(json);
}
