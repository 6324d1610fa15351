/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Options of a recall: read, looked up, completed. */
#include "cli_recall.h"
#include "cli_output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECALL_HOPS_MAX 6u

void cli_recall_init(cli_recall *recall)
{
    memset(recall, 0, sizeof *recall);
    recall->options.struct_size = sizeof recall->options;
}

bool cli_recall_has(int option)
{
    return option >= CLI_RECALL_LIKE && option < CLI_RECALL_END;
}

bool cli_recall_has_question(const cli_recall *recall)
{
    return recall->like_count + recall->from_count + recall->options.near_count > 0;
}

static bool recall_token(const cli_args *args, const char *tokens[CLI_RECALL_TOKENS_MAX],
                         size_t *count)
{
    if (*count == CLI_RECALL_TOKENS_MAX) {
        cli_fail(args->context, CLI_USAGE, "--%s: more than %d tokens", args->name,
                 CLI_RECALL_TOKENS_MAX);
        return false;
    }
    tokens[(*count)++] = args->value;
    return true;
}

/* Cuts "~SCALE" off the end of a place, if what follows the last '~' is a number. */
static void recall_scale(char *place, float *scale)
{
    char *sign = strrchr(place, '~'), *end;
    double value;

    if (sign == NULL || sign[1] == '\0')
        return;
    value = strtod(sign + 1, &end);
    if (*end != '\0')
        return;
    *scale = (float)value;
    *sign = '\0';
}

/* "SPACE=X,Y,Z" or "SPACE@TOKEN", and perhaps "~SCALE". */
static bool recall_near(const cli_args *args, cli_recall *recall)
{
    size_t at = recall->options.near_count, length = strcspn(args->value, "=@");
    ng_recall_near *near = &recall->near[at < NG_SPACE_COUNT ? at : 0];
    const char *text = args->value + length + 1;
    char name[32], place[CLI_LABEL_ROOM];

    if (args->value[length] == '\0' || text[0] == '\0' || at == NG_SPACE_COUNT ||
        strlen(text) >= sizeof place) {
        cli_fail(args->context, CLI_USAGE,
                 at == NG_SPACE_COUNT ? "--near: more than 8 places"
                                      : "--near: a place is SPACE=X,Y,Z or SPACE@TOKEN");
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1),
             args->value);
    if (ng_space_parse(name, &near->space) != NG_OK) {
        cli_fail(args->context, CLI_USAGE, "--near: %s", ng_last_error());
        return false;
    }
    near->scale = 1;
    memcpy(place, text, strlen(text) + 1);
    recall_scale(place, &near->scale);
    if (!(near->scale > 0) || isinf(near->scale)) { /* NaN is neither */
        cli_fail(args->context, CLI_USAGE, "--near: scale %g is not above 0", (double)near->scale);
        return false;
    }
    recall->options.near_count++;
    if (args->value[length] == '=')
        return cli_parse_triple(args, place, near->at);
    memcpy(recall->near_tokens[at], place, sizeof place);
    return true;
}

static bool recall_radius(const cli_args *args, cli_recall *recall)
{
    ng_recall_near *near = recall->near;

    if (recall->options.near_count == 0) {
        cli_fail(args->context, CLI_USAGE, "--radius: comes after the --near that it is for");
        return false;
    }
    near += recall->options.near_count - 1;
    if (!cli_parse_float(args, &near->radius))
        return false;
    if (near->radius > 0)
        return true;
    cli_fail(args->context, CLI_USAGE, "--radius: %g is not above 0", (double)near->radius);
    return false;
}

/* The part whose name are the first `length` bytes; NG_RECALL_PART_COUNT = none. */
static int recall_part(const cli_args *args, const char *text, size_t length)
{
    for (int part = 0; part < NG_RECALL_PART_COUNT; part++) {
        const char *name = ng_recall_part_name((ng_recall_part)part);

        if (strlen(name) == length && memcmp(name, text, length) == 0)
            return part;
    }
    cli_fail(args->context, CLI_USAGE, "--%s: '%.*s' is none of meaning, space, relation",
             args->name, (int)length, text);
    return NG_RECALL_PART_COUNT;
}

/* "meaning=1,space=0.5" */
static bool recall_weights(const cli_args *args, cli_recall *recall)
{
    const char *at = args->value;

    for (;;) {
        size_t length = strcspn(at, "=,");
        int part = recall_part(args, at, length);
        char *end;

        if (part == NG_RECALL_PART_COUNT)
            return false;
        if (at[length] != '=') {
            cli_fail(args->context, CLI_USAGE, "--weights: '%.*s' has no weight", (int)length, at);
            return false;
        }
        recall->options.weights[part] = strtod(at + length + 1, &end);
        if (end == at + length + 1 || (*end != ',' && *end != '\0')) {
            cli_fail(args->context, CLI_USAGE, "--weights: '%s' is not a number", at + length + 1);
            return false;
        }
        recall->weighted |= 1u << (unsigned)part;
        if (*end == '\0')
            return true;
        at = end + 1;
    }
}

/* "space,relation" */
static bool recall_require(const cli_args *args, cli_recall *recall)
{
    const char *at = args->value;

    for (;;) {
        size_t length = strcspn(at, ",");
        int part = recall_part(args, at, length);

        if (part == NG_RECALL_PART_COUNT)
            return false;
        recall->options.require |= (uint8_t)(1u << (unsigned)part);
        if (at[length] == '\0')
            return true;
        at += length + 1;
    }
}

static bool recall_decay(const cli_args *args, cli_recall *recall)
{
    double *decay = &recall->through.decay;

    if (!cli_parse_double(args, decay))
        return false;
    if (*decay > 0 && *decay <= 1)
        return true;
    cli_fail(args->context, CLI_USAGE, "--decay: %g is not above 0 and at most 1", *decay);
    return false;
}

static bool recall_hops(const cli_args *args, cli_recall *recall)
{
    uint64_t number;

    if (!cli_parse_u64(args, 1, RECALL_HOPS_MAX, &number))
        return false;
    recall->through.max_hops = (uint32_t)number;
    return true;
}

static bool recall_types(const cli_args *args, cli_recall *recall)
{
    return strcmp(args->value, "any") == 0 || cli_parse_types(args, &recall->through.types);
}

bool cli_recall_option(const cli_args *args, int option, cli_recall *recall)
{
    recall->is_asked = true;
    recall->goes_through |= option >= CLI_RECALL_THROUGH && option <= CLI_RECALL_DIRECTION;
    switch (option) {
    case CLI_RECALL_LIKE:
        return recall_token(args, recall->like, &recall->like_count);
    case CLI_RECALL_NEAR:
        return recall_near(args, recall);
    case CLI_RECALL_RADIUS:
        return recall_radius(args, recall);
    case CLI_RECALL_THROUGH:
        return recall_types(args, recall);
    case CLI_RECALL_FROM:
        return recall_token(args, recall->from, &recall->from_count);
    case CLI_RECALL_HOPS:
        return recall_hops(args, recall);
    case CLI_RECALL_DECAY:
        return recall_decay(args, recall);
    case CLI_RECALL_DIRECTION:
        return cli_parse_direction(args, &recall->through.direction);
    case CLI_RECALL_WEIGHTS:
        return recall_weights(args, recall);
    case CLI_RECALL_REQUIRE:
        return recall_require(args, recall);
    case CLI_RECALL_EVERY:
        recall->options.any_collection = true;
        return true;
    default:
        recall->options.explain = true;
        return true;
    }
}

/* ---- once the store is open ---- */

static int recall_resolve(const cli_context *context, const cli_recall *recall,
                          const char *const *names, size_t count, ng_token_id *ids)
{
    ng_collection_id collection =
        recall->options.by_collection ? recall->options.collection : NG_COLLECTION_ANY;
    int code = CLI_OK;

    for (size_t i = 0; i < count && code == CLI_OK; i++)
        code = cli_token_resolve(context, names[i], collection, &ids[i]);
    return code;
}

/* A part that --weights does not name keeps its default. */
static void recall_complete(cli_recall *recall, bool has_text)
{
    ng_recall_options *options = &recall->options;
    const bool asks[NG_RECALL_PART_COUNT] = {has_text || recall->like_count > 0,
                                             options->near_count > 0, recall->goes_through};

    options->by_weights = recall->weighted != 0;
    for (unsigned part = 0; part < NG_RECALL_PART_COUNT; part++)
        if ((recall->weighted & 1u << part) == 0)
            options->weights[part] = asks[part] ? 1 : 0;
}

int cli_recall_finish(const cli_context *context, cli_recall *recall, bool has_text)
{
    ng_recall_options *options = &recall->options;
    int code;

    if (has_text && recall->like_count > 0)
        return cli_fail(context, CLI_USAGE, "--like: takes the place of a text");
    code = recall_resolve(context, recall, recall->like, recall->like_count, recall->like_ids);
    if (code == CLI_OK)
        code = recall_resolve(context, recall, recall->from, recall->from_count, recall->from_ids);
    for (size_t i = 0; i < options->near_count && code == CLI_OK; i++) {
        const char *name = recall->near_tokens[i];

        if (name[0] != '\0')
            code = recall_resolve(context, recall, &name, 1, &recall->near[i].token);
    }
    recall_complete(recall, has_text);
    options->tokens = recall->like_count > 0 ? recall->like_ids : NULL;
    options->token_count = recall->like_count;
    options->near = options->near_count > 0 ? recall->near : NULL;
    recall->through.from = recall->from_count > 0 ? recall->from_ids : NULL;
    recall->through.from_count = recall->from_count;
    options->through = recall->goes_through ? &recall->through : NULL;
    return code;
}
