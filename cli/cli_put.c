/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `put`: creates a token, or changes the one that has the label or the id.
 *
 * Invariants
 *   1. The change of the token is one op of the log: it happens, or nothing of it does. A
 *      collection that --collection made before it stays.
 *   2. What is not named on the command line keeps its value.
 */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    PUT_ID = CLI_OPTION_FIRST,
    PUT_COLLECTION,
    PUT_WEIGHT,
    PUT_RADIUS,
    PUT_STRENGTH,
    PUT_ENTITY,
    PUT_PERSISTENT,
    PUT_NO_PERSISTENT,
    PUT_AT,
    PUT_LEAVE,
    PUT_VECTOR,
    PUT_NO_VECTOR,
    PUT_NO_LABEL,
    PUT_IF_VERSION,
    PUT_IF_ABSENT,
    PUT_TAG,
    PUT_NO_TAGS,
    PUT_DATA,
    PUT_NO_DATA,
    PUT_TTL
};

#define PUT_TAGS_MAX 32
#define PUT_FIELDS_MAX 15

/* A vector in a named field, which is looked up once the store is open. */
typedef struct put_named {
    char name[CLI_FIELD_NAME_ROOM];
    float *values; /* NULL: it is removed */
} put_named;

typedef struct put_request {
    const char *label; /* NULL = none was given */
    const char *collection;
    ng_token_id id;      /* 0 = by label */
    int persistent;      /* 1, 0, or -1 to leave it */
    uint64_t if_version; /* 0 = whichever it has */
    bool if_absent;
    float *vector;
    ng_text tags[PUT_TAGS_MAX];
    put_named named[PUT_FIELDS_MAX];
    ng_field_vector vectors[PUT_FIELDS_MAX];
    bool no_tags, no_data;
    ng_token_fields fields;
} put_request;

typedef struct put_answer {
    ng_token_id id;
    bool created;
    ng_seq seq;
} put_answer;

static bool put_parse_id(const cli_args *args, ng_token_id *out)
{
    const char *text = args->value[0] == '#' ? args->value + 1 : args->value;

    if (!cli_digits(text, out)) {
        cli_fail(args->context, CLI_USAGE, "--id: '%s' is not an id", args->value);
        return false;
    }
    if (*out == 0) {
        cli_fail(args->context, CLI_USAGE, "id 0 is not a token");
        return false;
    }
    return true;
}

static bool put_parse_entity(const cli_args *args, uint8_t *out)
{
    uint64_t number;

    if (cli_digits(args->value, &number) && number <= 15) {
        *out = (uint8_t)number;
        return true;
    }
    for (unsigned entity = 0; entity < 16; entity++) {
        const char *name = ng_entity_name((ng_entity)entity);

        if (name != NULL && strcasecmp(name, args->value) == 0) {
            *out = (uint8_t)entity;
            return true;
        }
    }
    cli_fail(args->context, CLI_USAGE, "--entity: '%s' is neither 0..15 nor a name, such as %s",
             args->value, ng_entity_name(NG_ENTITY_CONCEPT));
    return false;
}

static bool put_parse_space(const cli_args *args, const char *name, ng_space *out)
{
    ng_status status = ng_space_parse(name, out);

    if (status != NG_OK)
        cli_fail(args->context, cli_exit_of(status), "--%s: %s", args->name, ng_last_error());
    return status == NG_OK;
}

static bool put_parse_at(const cli_args *args, ng_token_fields *fields)
{
    size_t length = strcspn(args->value, "=");
    char name[32];
    ng_space space;

    if (args->value[length] != '=') {
        cli_fail(args->context, CLI_USAGE, "--at: '%s' is not SPACE=x,y,z", args->value);
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1),
             args->value);
    if (!put_parse_space(args, name, &space) ||
        !cli_parse_triple(args, args->value + length + 1, fields->coordinates[space]))
        return false;
    fields->spaces_set = (uint8_t)(fields->spaces_set | 1u << space);
    return true;
}

static bool put_parse_leave(const cli_args *args, ng_token_fields *fields)
{
    ng_space space;

    if (!put_parse_space(args, args->value, &space))
        return false;
    fields->spaces_clear = (uint8_t)(fields->spaces_clear | 1u << space);
    return true;
}

/* NAME=X,Y,...; without numbers it is removed. */
static bool put_parse_named(const cli_args *args, put_request *request, size_t length)
{
    ng_token_fields *fields = &request->fields;
    put_named *named = &request->named[fields->vector_count];
    ng_field_vector *vector = &request->vectors[fields->vector_count];

    if (fields->vector_count == PUT_FIELDS_MAX || length == 0 || length >= sizeof named->name) {
        cli_fail(args->context, CLI_USAGE, "--vector: '%s' is not X,Y,... or NAME=X,Y,...",
                 args->value);
        return false;
    }
    snprintf(named->name, sizeof named->name, "%.*s", (int)length, args->value);
    for (size_t i = 0; i < fields->vector_count; i++) {
        if (strcmp(request->named[i].name, named->name) == 0) {
            cli_fail(args->context, CLI_USAGE, "--vector: field '%s' is given twice", named->name);
            return false;
        }
    }
    if (args->value[length + 1] != '\0' &&
        !cli_parse_vector(args, args->value + length + 1, &named->values, &vector->dimensions))
        return false;
    vector->values = named->values;
    fields->vector_count++;
    fields->vectors = request->vectors;
    fields->set |= NG_FIELD_VECTORS;
    return true;
}

static void put_release(put_request *request)
{
    free(request->vector);
    for (size_t i = 0; i < PUT_FIELDS_MAX; i++)
        free(request->named[i].values);
}

static bool put_parse_vector(const cli_args *args, put_request *request)
{
    size_t length = args->value != NULL ? strcspn(args->value, "=") : 0;

    if (args->value != NULL && args->value[length] == '=')
        return put_parse_named(args, request, length);
    free(request->vector);
    request->vector = NULL;
    request->fields.vector = NULL;
    request->fields.vector_dimensions = 0;
    request->fields.set |= NG_FIELD_VECTOR;
    if (args->value == NULL)
        return true;
    if (!cli_parse_vector(args, args->value, &request->vector, &request->fields.vector_dimensions))
        return false;
    request->fields.vector = request->vector;
    return true;
}

static bool put_parse_tag(const cli_args *args, put_request *request)
{
    ng_token_fields *fields = &request->fields;

    if (fields->tag_count == PUT_TAGS_MAX) {
        cli_fail(args->context, CLI_USAGE, "--tag: more than %d", PUT_TAGS_MAX);
        return false;
    }
    request->tags[fields->tag_count++] = (ng_text){args->value, strlen(args->value)};
    fields->tags = request->tags;
    fields->set |= NG_FIELD_TAGS;
    return true;
}

static bool put_parse_ttl(const cli_args *args, ng_token_fields *fields)
{
    uint64_t seconds;

    if (!cli_parse_u64(args, 0, UINT32_MAX, &seconds))
        return false;
    fields->set |= NG_FIELD_EXPIRY;
    fields->expires_us = seconds != 0 ? ((uint64_t)time(NULL) + seconds) * 1000000 : 0;
    return true;
}

static bool put_option(const cli_args *args, int option, put_request *request)
{
    ng_token_fields *fields = &request->fields;

    switch (option) {
    case PUT_ID:
        return put_parse_id(args, &request->id);
    case PUT_COLLECTION:
        request->collection = args->value;
        return true;
    case PUT_WEIGHT:
        fields->set |= NG_FIELD_WEIGHT;
        return cli_parse_float(args, &fields->weight);
    case PUT_RADIUS:
        fields->set |= NG_FIELD_RADIUS;
        return cli_parse_float(args, &fields->field_radius);
    case PUT_STRENGTH:
        fields->set |= NG_FIELD_STRENGTH;
        return cli_parse_float(args, &fields->field_strength);
    case PUT_ENTITY:
        fields->set |= NG_FIELD_ENTITY;
        return put_parse_entity(args, &fields->entity);
    case PUT_PERSISTENT:
    case PUT_NO_PERSISTENT:
        request->persistent = option == PUT_PERSISTENT;
        return true;
    case PUT_AT:
        return put_parse_at(args, fields);
    case PUT_LEAVE:
        return put_parse_leave(args, fields);
    case PUT_VECTOR:
    case PUT_NO_VECTOR:
        return put_parse_vector(args, request);
    case PUT_IF_VERSION:
        return cli_parse_u64(args, 1, UINT32_MAX, &request->if_version);
    case PUT_IF_ABSENT:
        request->if_absent = true;
        return true;
    case PUT_TAG:
        return put_parse_tag(args, request);
    case PUT_NO_TAGS:
        request->no_tags = true;
        fields->set |= NG_FIELD_TAGS;
        return true;
    case PUT_DATA:
        fields->data = args->value;
        fields->data_bytes = strlen(args->value);
        fields->set |= NG_FIELD_DATA;
        return true;
    case PUT_NO_DATA:
        request->no_data = true;
        fields->set |= NG_FIELD_DATA;
        return true;
    case PUT_TTL:
        return put_parse_ttl(args, fields);
    default:
        fields->set |= NG_FIELD_LABEL;
        return true;
    }
}

/* The label as it will be stored; "#12" would name a token that no command could find by it. */
static int put_label(const cli_args *args, put_request *request)
{
    static const char prefix[] = "label:";
    uint64_t id;

    if (args->operand_count == 0)
        return CLI_OK;
    request->label = args->operands[0];
    if (strncmp(request->label, prefix, sizeof prefix - 1) == 0)
        request->label += sizeof prefix - 1;
    else if (request->label[0] == '#' && cli_digits(request->label + 1, &id))
        return cli_fail(args->context, CLI_USAGE, "'%s' is an id; use --id %" PRIu64,
                        args->operands[0], id);
    if (request->label[0] == '\0')
        return cli_fail(args->context, CLI_USAGE, "the label is empty");
    return CLI_OK;
}

static int put_check(const cli_args *args, put_request *request)
{
    const ng_token_fields *fields = &request->fields;
    unsigned both = fields->spaces_set & fields->spaces_clear;
    bool no_label = (fields->set & NG_FIELD_LABEL) != 0;

    if (args->operand_count > 1)
        return cli_fail(args->context, CLI_USAGE, "one label at a time, not %d",
                        args->operand_count);
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        if (both & 1u << space)
            return cli_fail(args->context, CLI_USAGE, "--at and --leave both name %s",
                            ng_space_name((ng_space)space));
    if ((request->no_tags && fields->tag_count > 0) || (request->no_data && fields->data != NULL))
        return cli_fail(args->context, CLI_USAGE, "--%s excludes --no-%s",
                        request->no_tags ? "tag" : "data", request->no_tags ? "tags" : "data");
    if (request->id != 0 && request->collection != NULL)
        return cli_fail(args->context, CLI_USAGE, "--collection: a token cannot move to another");
    if (no_label && (request->id == 0 || args->operand_count > 0))
        return cli_fail(args->context, CLI_USAGE, "--no-label goes with --id and without a label");
    if (request->if_absent && (request->id != 0 || args->operand_count == 0))
        return cli_fail(args->context, CLI_USAGE, "--if-absent goes with a label and without --id");
    if (request->if_absent && request->if_version != 0)
        return cli_fail(args->context, CLI_USAGE,
                        "--if-absent and --if-version exclude each other");
    if (request->if_version != 0 && request->id == 0 && args->operand_count == 0)
        return cli_fail(args->context, CLI_USAGE, "--if-version goes with a label or --id");
    return put_label(args, request);
}

static int put_collection(const cli_context *context, const put_request *request,
                          ng_collection_id *out)
{
    ng_status status;

    *out = NG_COLLECTION_RUNTIME;
    if (request->collection == NULL)
        return CLI_OK;
    status = ng_collection_create(context->store, request->collection, NULL, out);
    return status == NG_OK ? CLI_OK : cli_fail_about(context, status, "--collection");
}

/* An update replaces all flags, so the ones that are not meant are read first. */
static ng_status put_flags(const cli_context *context, put_request *request, ng_token_id id)
{
    unsigned flags = NG_TOKEN_ACTIVE;

    if (request->persistent < 0)
        return NG_OK;
    if (id != 0) {
        ng_token record;
        ng_status status = ng_token_read(context->store, id, &record);

        if (status != NG_OK)
            return status;
        flags = record.flags & ~(unsigned)NG_TOKEN_ENTITY_MASK;
    }
    if (request->persistent)
        flags |= NG_TOKEN_PERSISTENT;
    else
        flags &= ~(unsigned)NG_TOKEN_PERSISTENT;
    request->fields.flags = (uint16_t)flags;
    request->fields.set |= NG_FIELD_FLAGS;
    return NG_OK;
}

/* Which token is meant: answer->id, 0 = a new one. */
static int put_find(const cli_context *context, const put_request *request, put_answer *answer)
{
    const ng_token_fields *fields = &request->fields;
    ng_status status;

    answer->id = request->id;
    /* With --if-absent the creation itself finds out, so that no other writer comes between. */
    if (request->id == 0 && request->label != NULL && !request->if_absent) {
        status = ng_token_find(context->store, fields->collection, request->label,
                               strlen(request->label), &answer->id);
        if (status == NG_E_NOT_FOUND)
            answer->id = 0;
        else if (status != NG_OK)
            return cli_fail_status(context, status);
    }
    answer->created = answer->id == 0;
    if (answer->created && request->if_version != 0)
        return cli_fail(context, CLI_REFUSED,
                        "no token is labelled '%s', so it has no version %" PRIu64, request->label,
                        request->if_version);
    return CLI_OK;
}

static int put_fields(const cli_context *context, put_request *request)
{
    for (size_t i = 0; i < request->fields.vector_count; i++) {
        ng_status status = ng_vector_field_find(context->store, request->named[i].name,
                                                &request->vectors[i].field);

        if (status != NG_OK)
            return cli_fail_about(context, status, "--vector");
    }
    return CLI_OK;
}

static int put_write(const cli_context *context, put_request *request, put_answer *answer)
{
    ng_write_options write = {.struct_size = sizeof write,
                              .seq = &answer->seq,
                              .flags = request->if_absent ? NG_WRITE_IF_ABSENT : 0,
                              .if_version = (uint32_t)request->if_version};
    ng_token_fields *fields = &request->fields;
    ng_status status;
    int code = put_fields(context, request);

    if (code == CLI_OK)
        code = put_collection(context, request, &fields->collection);
    if (code == CLI_OK)
        code = put_find(context, request, answer);
    if (code != CLI_OK)
        return code;
    if (request->label != NULL && (answer->created || request->id != 0)) {
        fields->set |= NG_FIELD_LABEL;
        fields->label = request->label;
        fields->label_bytes = strlen(request->label);
    }
    status = put_flags(context, request, answer->id);
    if (status == NG_OK && answer->created)
        status = ng_token_create(context->store, fields, &write, &answer->id);
    else if (status == NG_OK)
        status = ng_token_update(context->store, answer->id, fields, &write);
    return status == NG_OK ? CLI_OK : cli_fail_status(context, status);
}

static void put_print(const cli_context *context, const put_answer *answer)
{
    char label[CLI_LABEL_ROOM], collection[65];
    ng_token_info info;
    cli_json json;

    if (!context->json) {
        printf("%" PRIu64 "\n", answer->id);
        return;
    }
    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_u64(&json, "id", answer->id);
    cli_json_text(&json, "label", cli_token_label(context, answer->id, label));
    if (ng_token_get(context->store, answer->id, &info) == NG_OK) {
        cli_json_text(&json, "collection",
                      cli_collection_name(context, info.collection, collection));
        cli_json_u64(&json, "version", info.version);
    }
    cli_json_bool(&json, "created", answer->created);
    cli_json_u64(&json, "seq", answer->seq);
    cli_json_close(&json);
    cli_json_end(&json);
}

static int put_finish(cli_context *context, cli_args *args, put_request *request)
{
    put_answer answer = {0};
    int code = put_check(args, request);

    /* With --id there must be a store already; without, this may be the first token of a new one.
     */
    if (code == CLI_OK)
        code = cli_store_open(context, request->id == 0 ? 0 : NG_OPEN_MUST_EXIST);
    if (code == CLI_OK)
        code = put_write(context, request, &answer);
    if (code == CLI_OK)
        put_print(context, &answer);
    return code;
}

static int put_run(cli_context *context, int argc, char **argv)
{
    put_request request = {.persistent = -1, .fields = {.struct_size = sizeof request.fields}};
    cli_args args;
    int option, code = CLI_OK;

    cli_args_begin(&args, context, argc, argv);
    while (code == CLI_OK && (option = cli_args_next(&args)) != 0) {
        if (option < 0) {
            put_release(&request);
            return args.exit_code;
        }
        if (!put_option(&args, option, &request))
            code = CLI_USAGE;
    }
    if (code == CLI_OK)
        code = put_finish(context, &args, &request);
    put_release(&request);
    return code;
}

static const cli_option put_options[] = {
    {"id", PUT_ID, "ID", "change the token with this id; LABEL becomes its label"},
    {"collection", PUT_COLLECTION, "NAME", "collection of the label; default runtime; made if new"},
    {"weight", PUT_WEIGHT, "X", "importance, 0..1; a new token has 1"},
    {"radius", PUT_RADIUS, "X", "radius of its field, 0..2.55; a new token has 1"},
    {"strength", PUT_STRENGTH, "X", "strength of its field, 0..1; a new token has 1"},
    {"entity", PUT_ENTITY, "NAME|N", "entity type, such as concept, or 0..15"},
    {"persistent", PUT_PERSISTENT, NULL, "mark it as never to be evicted"},
    {"no-persistent", PUT_NO_PERSISTENT, NULL, "take that mark away"},
    {"at", PUT_AT, "SPACE=X,Y,Z", "coordinates in a space; once for each space"},
    {"leave", PUT_LEAVE, "SPACE", "take it out of a space; once for each space"},
    {"vector", PUT_VECTOR, "[NAME=]X,Y,...",
     "its vector, in the default field or that of NAME; 'NAME=' removes it"},
    {"no-vector", PUT_NO_VECTOR, NULL, "remove its vector"},
    {"tag", PUT_TAG, "TAG", "a tag; those given replace the ones it has"},
    {"no-tags", PUT_NO_TAGS, NULL, "remove its tags"},
    {"data", PUT_DATA, "TEXT", "its payload: text, or JSON whose fields can be indexed"},
    {"no-data", PUT_NO_DATA, NULL, "remove its payload"},
    {"ttl", PUT_TTL, "SECONDS", "when it expires, from now; 0 = never"},
    {"no-label", PUT_NO_LABEL, NULL, "remove the label of the token given by --id"},
    {"if-version", PUT_IF_VERSION, "N", "change the token only if this is its version"},
    {"if-absent", PUT_IF_ABSENT, NULL, "create it only if no token has the label"},
    CLI_DURABILITY_ROW,
    {NULL, 0, NULL, NULL},
};

static const int put_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY,
                                CLI_IO, CLI_DATA,  CLI_REFUSED,   -1};

const cli_command cli_command_put = {
    .name = "put",
    .arguments = "[OPTION]... [LABEL]",
    .summary = "Create a token, or change one",
    .description =
        "If a token of the collection has the LABEL, it is changed; otherwise one is created.\n"
        "Without LABEL and --id a token without a label is created. Prints the id. What is not\n"
        "named keeps its value. Creates the store if there is none. The spaces are physical,\n"
        "sensory, motor, emotional, cognitive, social, temporal, abstract.",
    .options = put_options,
    .examples = "neurograph put \"blue cup\" --weight 0.8 --at physical=1.5,0,0.9\n"
                "neurograph put --id 12 --leave physical --entity object\n"
                "neurograph put \"blue cup\" --vector 0.1,0.7,0.2 --vector image=1,0,0.5,0\n"
                "neurograph put \"blue cup\" --tag cup --tag blue --data '{\"size\": 3}'\n"
                "neurograph put --collection robot gripper --persistent --json\n"
                "neurograph put \"blue cup\" --weight 0.9 --if-version 3",
    .exit_codes = put_exits,
    .run = put_run,
};
