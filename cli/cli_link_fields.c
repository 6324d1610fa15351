/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Options that say what a connection is like. */
#include "cli_link_fields.h"
#include "cli_output.h"

#include <stdlib.h>
#include <string.h>

const char *const cli_link_flags[9] = {"active",     "persistent", "bidirectional",
                                       "inhibitory", "modified",   "reinforced",
                                       "decaying",   "user",       NULL};

bool cli_next_name(const char **list, char out[64])
{
    size_t bytes, kept;

    if (*list == NULL)
        return false;
    bytes = strcspn(*list, ",");
    kept = bytes < 63 ? bytes : 63;
    memcpy(out, *list, kept);
    out[kept] = '\0';
    *list = (*list)[bytes] == ',' ? *list + bytes + 1 : NULL;
    return true;
}

bool cli_link_flags_parse(const cli_args *args, uint8_t *bits, uint8_t *absent)
{
    char name[64];

    for (const char *list = args->value; cli_next_name(&list, name);) {
        bool is_absent = absent != NULL && name[0] == '!';
        uint8_t *out = is_absent ? absent : bits;
        unsigned bit = 0;

        while (cli_link_flags[bit] != NULL && strcmp(cli_link_flags[bit], name + is_absent) != 0)
            bit++;
        if (cli_link_flags[bit] == NULL) {
            cli_fail(args->context, CLI_USAGE,
                     "--%s: '%s' is none of active, persistent, bidirectional, inhibitory, "
                     "modified, reinforced, decaying, user",
                     args->name, name);
            return false;
        }
        *out = (uint8_t)(*out | 1u << bit);
    }
    return true;
}

void cli_link_fields_init(cli_link_fields *self)
{
    *self = (cli_link_fields){.fields.struct_size = sizeof self->fields};
}

static bool fields_status(const cli_args *args, ng_status status)
{
    if (status != NG_OK)
        cli_fail(args->context, CLI_USAGE, "--%s: %s", args->name, ng_last_error());
    return status == NG_OK;
}

static bool fields_level(const cli_args *args, ng_connection_fields *fields)
{
    ng_space space;

    if (!fields_status(args, ng_space_parse(args->value, &space)))
        return false;
    fields->set |= NG_CFIELD_LEVELS;
    fields->active_levels = (uint8_t)(fields->active_levels | 1u << space);
    return true;
}

/* "physical=1.5" */
static bool fields_target(const cli_args *args, ng_connection_fields *fields)
{
    const char *value = strchr(args->value, '=');
    char name[32], *end;
    ng_space space;
    float number;

    if (value == NULL || (size_t)(value - args->value) >= sizeof name) {
        cli_fail(args->context, CLI_USAGE, "--target: '%s' is not SPACE=X", args->value);
        return false;
    }
    memcpy(name, args->value, (size_t)(value - args->value));
    name[value - args->value] = '\0';
    if (!fields_status(args, ng_space_parse(name, &space)))
        return false;
    number = strtof(value + 1, &end);
    if (value[1] == '\0' || *end != '\0') {
        cli_fail(args->context, CLI_USAGE, "--target: '%s' is not a number", value + 1);
        return false;
    }
    fields->set |= NG_CFIELD_TARGET_VECTOR;
    fields->target_spaces = (uint8_t)(fields->target_spaces | 1u << space);
    fields->target_vector[space] = number;
    return true;
}

static bool fields_mutability(const cli_args *args, ng_connection_fields *fields)
{
    ng_mutability mutability;

    if (!fields_status(args, ng_mutability_parse(args->value, &mutability)))
        return false;
    fields->set |= NG_CFIELD_MUTABILITY;
    fields->mutability = (uint8_t)mutability;
    return true;
}

static bool fields_origin(const cli_args *args, ng_connection_fields *fields)
{
    uint64_t origin;

    if (!cli_parse_u64(args, 0, UINT32_MAX, &origin))
        return false;
    fields->set |= NG_CFIELD_ORIGIN;
    fields->origin = (uint32_t)origin;
    return true;
}

/* One of the numbers; NULL if the option is not one of them. */
static float *fields_number(ng_connection_fields *fields, int option, uint32_t *bit)
{
    switch (option) {
    case CLI_LINK_PULL:
        *bit = NG_CFIELD_PULL;
        return &fields->pull_strength;
    case CLI_LINK_DISTANCE:
        *bit = NG_CFIELD_DISTANCE;
        return &fields->preferred_distance;
    case CLI_LINK_RIGIDITY:
        *bit = NG_CFIELD_RIGIDITY;
        return &fields->rigidity;
    case CLI_LINK_CONFIDENCE:
        *bit = NG_CFIELD_CONFIDENCE;
        return &fields->confidence;
    case CLI_LINK_LEARNING_RATE:
        *bit = NG_CFIELD_LEARNING_RATE;
        return &fields->learning_rate;
    case CLI_LINK_DECAY_RATE:
        *bit = NG_CFIELD_DECAY_RATE;
        return &fields->decay_rate;
    default:
        return NULL;
    }
}

bool cli_link_fields_option(cli_link_fields *self, const cli_args *args, int option)
{
    ng_connection_fields *fields = &self->fields;
    uint32_t bit = 0;
    float *number = fields_number(fields, option, &bit);

    self->given = true;
    if (number != NULL) {
        fields->set |= bit;
        return cli_parse_float(args, number);
    }
    switch (option) {
    case 't':
        fields->set |= NG_CFIELD_TYPE;
        return fields_status(args, ng_connection_type_parse(args->value, &fields->type));
    case CLI_LINK_MUTABILITY:
        return fields_mutability(args, fields);
    case CLI_LINK_ORIGIN:
        return fields_origin(args, fields);
    case CLI_LINK_LEVEL:
        return fields_level(args, fields);
    case CLI_LINK_TARGET:
        return fields_target(args, fields);
    case CLI_LINK_SET:
        return cli_link_flags_parse(args, &fields->flags_set, NULL);
    case CLI_LINK_CLEAR:
        return cli_link_flags_parse(args, &fields->flags_clear, NULL);
    default:
        self->target_of = args->value;
        return true;
    }
}

int cli_link_fields_resolve(cli_link_fields *self, const cli_context *context,
                            ng_collection_id collection)
{
    if (self->target_of == NULL)
        return CLI_OK;
    self->fields.set |= NG_CFIELD_TARGET_OF;
    return cli_token_resolve(context, self->target_of, collection, &self->fields.target_of);
}
