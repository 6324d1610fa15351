/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How tokens and connections are written out. Every command that shows one uses these, so that
 * a script can read all of them in the same way. */
#include "cli_edge.h"
#include "cli_link_fields.h"
#include "cli_output.h"

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

/* The members that every connection is shown with; the object stays open. */
static void edge_members(const cli_context *context, cli_json *json, const ng_edge *edge)
{
    char type[CLI_TYPE_ROOM];

    cli_json_u64(json, "id", edge->id);
    cli_json_text(json, "type", cli_type_name(edge->type, type));
    cli_json_u64(json, "type_code", edge->type);
    cli_json_token(context, json, "source", edge->source);
    cli_json_token(context, json, "target", edge->target);
    cli_json_bool(json, "bidirectional", (edge->flags & NG_CONNECTION_BIDIRECTIONAL) != 0);
    cli_json_bool(json, "active", (edge->flags & NG_CONNECTION_ACTIVE) != 0);
}

void cli_json_edge(const cli_context *context, cli_json *json, const char *key, const ng_edge *edge)
{
    cli_json_object(json, key);
    edge_members(context, json, edge);
    cli_json_close(json);
}

static ng_edge edge_of(ng_connection_id id, const ng_connection *record)
{
    return (ng_edge){.id = id,
                     .source = record->source,
                     .target = record->target,
                     .type = record->type,
                     .flags = record->flags};
}

static void link_json_arrays(cli_json *json, const ng_connection *record,
                             const ng_connection_info *info)
{
    cli_json_array(json, "flags");
    for (unsigned bit = 0; cli_link_flags[bit] != NULL; bit++)
        if (record->flags >> bit & 1)
            cli_json_text(json, NULL, cli_link_flags[bit]);
    cli_json_close(json);
    cli_json_array(json, "levels");
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++)
        if (record->active_levels >> space & 1)
            cli_json_text(json, NULL, ng_space_name((ng_space)space));
    cli_json_close(json);
    cli_json_object(json, "target_vector");
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++)
        if (info->target_spaces >> space & 1)
            cli_json_float(json, ng_space_name((ng_space)space), info->target_vector[space]);
    cli_json_close(json);
}

void cli_json_link(const cli_context *context, cli_json *json, const char *key, ng_connection_id id,
                   const ng_connection *record)
{
    const ng_edge edge = edge_of(id, record);
    ng_connection_info info = {0};

    (void)!ng_connection_decode(context->store, id, record, 0, &info);
    cli_json_object(json, key);
    edge_members(context, json, &edge);
    cli_json_text(json, "category", info.category);
    cli_json_text(json, "mutability", info.mutability);
    link_json_arrays(json, record, &info);
    cli_json_float(json, "rigidity", (float)info.rigidity);
    cli_json_float(json, "pull", record->pull_strength);
    cli_json_float(json, "distance", record->preferred_distance);
    cli_json_float(json, "confidence", (float)info.confidence_now);
    cli_json_float(json, "stored_confidence", (float)info.confidence);
    cli_json_float(json, "learning_rate", (float)info.learning_rate);
    cli_json_float(json, "decay_rate", (float)info.decay_rate);
    cli_json_u64(json, "activation_count", record->activation_count);
    cli_json_u64(json, "evidence_count", record->evidence_count);
    cli_json_u64(json, "created_at", record->created_at);
    cli_json_u64(json, "last_activation", record->last_activation);
    cli_json_u64(json, "last_update", record->last_update);
    cli_json_u64(json, "origin", record->origin);
    cli_json_close(json);
}

const char *cli_flags_text(uint8_t flags, char out[CLI_FLAGS_ROOM])
{
    size_t used = 0;

    out[0] = '\0';
    for (unsigned bit = 0; cli_link_flags[bit] != NULL; bit++)
        if (flags >> bit & 1)
            used += (size_t)snprintf(out + used, CLI_FLAGS_ROOM - used, "%s%s", used > 0 ? "," : "",
                                     cli_link_flags[bit]);
    return out;
}

static void link_line(const char *name, const char *value)
{
    printf("%s\t%s\n", name, value[0] != '\0' ? value : "none");
}

static void link_number(const char *name, double value)
{
    char number[CLI_NUMBER_ROOM];

    link_line(name, cli_show_float((float)value, number));
}

static void link_time(const char *name, uint32_t seconds)
{
    char number[CLI_NUMBER_ROOM];

    link_line(name, seconds != 0 ? cli_show_time(seconds, number) : "never");
}

static void link_spaces(const ng_connection *record, const ng_connection_info *info)
{
    char text[256] = "", number[CLI_NUMBER_ROOM];
    size_t used = 0;

    for (unsigned space = 0; space < NG_SPACE_COUNT; space++)
        if (record->active_levels >> space & 1)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? "," : "",
                                     ng_space_name((ng_space)space));
    link_line("levels", text);
    used = 0;
    text[0] = '\0';
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++)
        if (info->target_spaces >> space & 1)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s=%s",
                                     used > 0 ? " " : "", ng_space_name((ng_space)space),
                                     cli_show_float(info->target_vector[space], number));
    link_line("target", text);
}

void cli_link_text(const cli_context *context, ng_connection_id id, const ng_connection *record)
{
    char text[CLI_EDGE_ROOM], flags[CLI_FLAGS_ROOM];
    const ng_edge edge = edge_of(id, record);
    ng_connection_info info = {.category = "", .mutability = ""};

    (void)!ng_connection_decode(context->store, id, record, 0, &info);
    printf("id\t%" PRIu64 "\n", id);
    link_line("connection", cli_edge_text(context, &edge, text));
    link_line("category", info.category);
    link_line("mutability", info.mutability);
    link_line("flags", cli_flags_text(record->flags, flags));
    link_spaces(record, &info);
    link_number("rigidity", info.rigidity);
    link_number("pull", (double)record->pull_strength);
    link_number("distance", (double)record->preferred_distance);
    link_number("confidence", info.confidence_now);
    link_number("stored confidence", info.confidence);
    link_number("learning rate", info.learning_rate);
    link_number("decay rate", info.decay_rate);
    printf("activations\t%u\n", record->activation_count);
    printf("evidence\t%u\n", record->evidence_count);
    link_time("created", record->created_at);
    link_time("activated", record->last_activation);
    link_time("updated", record->last_update);
    printf("origin\t%u\n", record->origin);
}
