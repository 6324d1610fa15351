/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `get`: everything about one token. All of it is read before any of it is printed, so
 * that a failure leaves stdout empty. */
#include "cli_args.h"
#include "cli_edge.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define GET_CONNECTIONS_DEFAULT 20u
#define GET_FIELDS_MAX 15u

enum { GET_COLLECTION = CLI_OPTION_FIRST, GET_VECTOR, GET_CONNECTIONS };

typedef struct get_request {
    const char *collection;
    bool vector, connections;
    uint64_t limit;
} get_request;

/* Everything that is shown of one token. */
typedef struct get_answer {
    ng_token_info info;
    char label[CLI_LABEL_ROOM];
    char tags[2081]; /* each followed by NUL */
    size_t tag_bytes;
    char *data; /* [data_bytes + 1] */
    size_t data_bytes;
    char collection[65];
    float *vector;
    size_t dimensions;
    ng_vector_field_info fields[GET_FIELDS_MAX]; /* the named ones it has a vector in */
    float *vectors[GET_FIELDS_MAX];
    size_t field_count;
    ng_edge *edges;
    size_t edge_count;
    uint32_t outgoing[256], incoming[256]; /* connections by type */
} get_answer;

static const struct get_flag {
    uint16_t bit;
    const char *name;
} get_flags[] = {
    {NG_TOKEN_ACTIVE, "active"},         {NG_TOKEN_PERSISTENT, "persistent"},
    {NG_TOKEN_MUTABLE, "mutable"},       {NG_TOKEN_SYNCHRONIZED, "synchronized"},
    {NG_TOKEN_COMPRESSED, "compressed"}, {NG_TOKEN_ENCRYPTED, "encrypted"},
    {NG_TOKEN_DIRTY, "dirty"},           {NG_TOKEN_LOCKED, "locked"},
    {NG_TOKEN_USER_1, "user_1"},         {NG_TOKEN_USER_2, "user_2"},
    {NG_TOKEN_USER_3, "user_3"},         {NG_TOKEN_USER_4, "user_4"},
};

#define GET_FLAG_COUNT (sizeof get_flags / sizeof get_flags[0])

static const char *get_entity(const get_answer *answer)
{
    unsigned entity = (answer->info.record.flags & NG_TOKEN_ENTITY_MASK) >> NG_TOKEN_ENTITY_SHIFT;
    const char *name = ng_entity_name((ng_entity)entity);

    return name != NULL ? name : "unknown";
}

static int get_read_vector(const cli_context *context, ng_token_id id, get_answer *answer)
{
    ng_status status;
    size_t capacity;

    status = ng_token_vector(context->store, id, NULL, 0, &answer->dimensions);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    capacity = answer->dimensions;
    answer->vector = cli_allocate(capacity, sizeof *answer->vector);
    status = ng_token_vector(context->store, id, answer->vector, capacity, &answer->dimensions);
    return status == NG_OK ? CLI_OK : cli_fail_status(context, status);
}

/* Vectors in named fields. */
static int get_read_fields(const cli_context *context, ng_token_id id, get_answer *answer)
{
    for (unsigned left = answer->info.vector_fields; left != 0; left &= left - 1) {
        ng_vector_field_info *field = &answer->fields[answer->field_count];
        ng_vector_field_id number = (ng_vector_field_id)__builtin_ctz(left);
        float *values;
        size_t count = 0;
        ng_status status = ng_vector_field_get(context->store, number, field);

        if (status == NG_E_NOT_FOUND)
            continue; /* dropped meanwhile */
        if (status != NG_OK)
            return cli_fail_status(context, status);
        values = cli_allocate(field->dimensions, sizeof *values);
        answer->vectors[answer->field_count++] = values;
        status = ng_token_vector_in(context->store, id, number, values, field->dimensions, &count);
        if (status != NG_OK)
            return cli_fail_status(context, status);
    }
    return CLI_OK;
}

static int get_read_attributes(const cli_context *context, ng_token_id id, get_answer *answer)
{
    ng_status status;

    status =
        ng_token_tags(context->store, id, answer->tags, sizeof answer->tags, &answer->tag_bytes);
    if (status == NG_OK)
        status = ng_token_data(context->store, id, NULL, 0, &answer->data_bytes);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    size_t capacity = answer->data_bytes + 1;
    answer->data = cli_allocate(capacity, 1);
    status = ng_token_data(context->store, id, answer->data, capacity, &answer->data_bytes);
    if (answer->data_bytes >= capacity)
        answer->data_bytes = capacity - 1; /* another process made it longer meanwhile */
    return status == NG_OK ? CLI_OK : cli_fail_status(context, status);
}

static int get_read(const cli_context *context, ng_token_id id, get_answer *answer)
{
    ng_status status = ng_token_get(context->store, id, &answer->info);
    int code;

    if (status != NG_OK)
        return cli_fail_status(context, status);
    cli_collection_name(context, answer->info.collection, answer->collection);
    if (cli_token_label(context, id, answer->label) == NULL)
        answer->label[0] = '\0';
    code = get_read_vector(context, id, answer);
    if (code == CLI_OK)
        code = get_read_fields(context, id, answer);
    if (code == CLI_OK)
        code = get_read_attributes(context, id, answer);
    if (code == CLI_OK)
        code = cli_edges_read(context, id, &answer->edges, &answer->edge_count);
    for (size_t i = 0; i < answer->edge_count; i++) {
        if (answer->edges[i].source == id)
            answer->outgoing[answer->edges[i].type]++;
        else
            answer->incoming[answer->edges[i].type]++;
    }
    return code;
}

static void get_json_record(const cli_context *context, cli_json *json, const get_answer *answer)
{
    const ng_token *record = &answer->info.record;

    cli_json_array(json, "flags");
    for (size_t i = 0; i < GET_FLAG_COUNT; i++)
        if (record->flags & get_flags[i].bit)
            cli_json_text(json, NULL, get_flags[i].name);
    cli_json_close(json);
    cli_json_text(json, "entity", get_entity(answer));
    cli_json_float(json, "weight", record->weight);
    cli_json_double(json, "field_radius", record->field_radius / 100.0);
    cli_json_double(json, "field_strength", record->field_strength / 255.0);
    cli_json_u64(json, "created_at", record->timestamp);
    cli_json_u64(json, "updated_us", answer->info.updated_us);
    cli_json_u64(json, "version", answer->info.version);
    cli_json_object(json, "spaces");
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        const char *name = ng_space_name((ng_space)space);
        float at[NG_AXIS_COUNT];

        if (!ng_token_coordinates(context->store, record, (ng_space)space, at)) {
            cli_json_null(json, name);
            continue;
        }
        cli_json_array(json, name);
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            cli_json_float(json, NULL, at[axis]);
        cli_json_close(json);
    }
    cli_json_close(json);
}

static void get_json_types(cli_json *json, const char *key, const uint32_t counts[256])
{
    char type[CLI_TYPE_ROOM];

    cli_json_object(json, key);
    for (unsigned i = 0; i < 256; i++)
        if (counts[i] > 0)
            cli_json_u64(json, cli_type_name((uint8_t)i, type), counts[i]);
    cli_json_close(json);
}

static void get_json_vector(cli_json *json, const char *key, const float *values, size_t count)
{
    cli_json_array(json, key);
    for (size_t i = 0; i < count; i++)
        cli_json_float(json, NULL, values[i]);
    cli_json_close(json);
}

static void get_json_vectors(cli_json *json, const get_answer *answer)
{
    get_json_vector(json, "vector", answer->vector, answer->dimensions);
    cli_json_object(json, "vectors");
    for (size_t i = 0; i < answer->field_count; i++)
        get_json_vector(json, answer->fields[i].name, answer->vectors[i],
                        answer->fields[i].dimensions);
    cli_json_close(json);
}

static void get_json(const cli_context *context, const get_request *request, cli_json *json,
                     const get_answer *answer)
{
    cli_json_object(json, NULL);
    cli_json_u64(json, "id", answer->info.id);
    cli_json_text(json, "label", answer->label[0] != '\0' ? answer->label : NULL);
    cli_json_text(json, "collection", answer->collection);
    get_json_record(context, json, answer);
    cli_json_array(json, "tags");
    for (size_t at = 0; at < answer->tag_bytes; at += strlen(answer->tags + at) + 1)
        cli_json_text(json, NULL, answer->tags + at);
    cli_json_close(json);
    cli_json_text(json, "data", answer->data_bytes > 0 ? answer->data : NULL);
    if (answer->info.expires_us != 0)
        cli_json_u64(json, "expires_us", answer->info.expires_us);
    else
        cli_json_null(json, "expires_us");
    cli_json_u64(json, "out_degree", answer->info.out_degree);
    cli_json_u64(json, "in_degree", answer->info.in_degree);
    get_json_types(json, "outgoing_by_type", answer->outgoing);
    get_json_types(json, "incoming_by_type", answer->incoming);
    cli_json_u64(json, "vector_dimensions", answer->dimensions);
    cli_json_array(json, "vector_fields");
    for (size_t i = 0; i < answer->field_count; i++)
        cli_json_text(json, NULL, answer->fields[i].name);
    cli_json_close(json);
    if (request->vector)
        get_json_vectors(json, answer);
    if (request->connections) {
        cli_json_array(json, "connections");
        for (size_t i = 0; i < answer->edge_count && i < request->limit; i++)
            cli_json_edge(context, json, NULL, &answer->edges[i]);
        cli_json_close(json);
    }
    cli_json_close(json);
}

static void get_text_flags(cli_table *table, uint16_t flags)
{
    char text[160] = "";
    size_t used = 0;

    for (size_t i = 0; i < GET_FLAG_COUNT; i++)
        if (flags & get_flags[i].bit)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? " " : "",
                                     get_flags[i].name);
    cli_table_cell(table, "flags");
    cli_table_cell(table, "%s", text);
}

static void get_text_record(const cli_context *context, cli_table *table, const get_answer *answer)
{
    const ng_token *record = &answer->info.record;
    char a[CLI_NUMBER_ROOM], b[CLI_NUMBER_ROOM], c[CLI_NUMBER_ROOM];

    get_text_flags(table, record->flags);
    cli_table_cell(table, "entity");
    cli_table_cell(table, "%s", get_entity(answer));
    cli_table_cell(table, "weight");
    cli_table_cell(table, "%s", cli_show_float(record->weight, a));
    cli_table_cell(table, "field radius");
    cli_table_cell(table, "%.2f", record->field_radius / 100.0);
    cli_table_cell(table, "field strength");
    cli_table_cell(table, "%.3f", record->field_strength / 255.0);
    cli_table_cell(table, "created");
    cli_table_cell(table, "%s", cli_show_time(record->timestamp, a));
    cli_table_cell(table, "updated");
    cli_table_cell(table, "%s", cli_show_time(answer->info.updated_us / 1000000, a));
    cli_table_cell(table, "version");
    cli_table_cell(table, "%" PRIu32, answer->info.version);
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        float at[NG_AXIS_COUNT];

        if (!ng_token_coordinates(context->store, record, (ng_space)space, at))
            continue;
        cli_table_cell(table, "space %s", ng_space_name((ng_space)space));
        cli_table_cell(table, "%s,%s,%s", cli_show_float(at[0], a), cli_show_float(at[1], b),
                       cli_show_float(at[2], c));
    }
}

static void get_text_types(cli_table *table, const char *way, const uint32_t counts[256])
{
    char type[CLI_TYPE_ROOM];

    for (unsigned i = 0; i < 256; i++) {
        if (counts[i] == 0)
            continue;
        cli_table_cell(table, "%s %s", way, cli_type_name((uint8_t)i, type));
        cli_table_cell(table, "%" PRIu32, counts[i]);
    }
}

/* `name` is that of the field, empty for the default one. */
static void get_text_vector(cli_table *table, const char *name, const float *values, size_t count)
{
    size_t room = count * CLI_NUMBER_ROOM + 1, used = 0;
    char *text = cli_allocate(room, 1);

    for (size_t i = 0; i < count; i++) {
        char number[CLI_NUMBER_ROOM];

        used += (size_t)snprintf(text + used, room - used, "%s%s", i > 0 ? "," : "",
                                 cli_show_float(values[i], number));
    }
    cli_table_cell(table, "vector%s%s", name[0] != '\0' ? " " : "", name);
    cli_table_cell(table, "%s", text);
    free(text);
}

static void get_text_edges(const cli_context *context, cli_table *table, const get_answer *answer,
                           uint64_t limit)
{
    char text[CLI_EDGE_ROOM];

    for (size_t i = 0; i < answer->edge_count && i < limit; i++) {
        cli_table_cell(table, "connection %" PRIu64, answer->edges[i].id);
        cli_table_cell(table, "%s", cli_edge_text(context, &answer->edges[i], text));
    }
}

static void get_text(const cli_context *context, const get_request *request,
                     const get_answer *answer)
{
    static const cli_column columns[] = {{NULL, false}, {NULL, false}};
    cli_table table;

    cli_table_init(&table, columns, 2);
    cli_table_cell(&table, "id");
    cli_table_cell(&table, "%" PRIu64, answer->info.id);
    cli_table_cell(&table, "label");
    cli_table_cell(&table, "%s", answer->label);
    cli_table_cell(&table, "collection");
    cli_table_cell(&table, "%s", answer->collection);
    get_text_record(context, &table, answer);
    for (size_t at = 0; at < answer->tag_bytes; at += strlen(answer->tags + at) + 1) {
        cli_table_cell(&table, "tag");
        cli_table_cell(&table, "%s", answer->tags + at);
    }
    if (answer->data_bytes > 0) {
        cli_table_cell(&table, "data");
        cli_table_cell(&table, "%s", answer->data);
    }
    if (answer->info.expires_us != 0) {
        cli_table_cell(&table, "expires (Unix seconds)");
        cli_table_cell(&table, "%" PRIu64, answer->info.expires_us / 1000000);
    }
    cli_table_cell(&table, "vector dimensions");
    cli_table_cell(&table, "%zu", answer->dimensions);
    for (size_t i = 0; i < answer->field_count; i++) {
        cli_table_cell(&table, "dimensions of %s", answer->fields[i].name);
        cli_table_cell(&table, "%" PRIu32, answer->fields[i].dimensions);
    }
    cli_table_cell(&table, "out degree");
    cli_table_cell(&table, "%" PRIu32, answer->info.out_degree);
    cli_table_cell(&table, "in degree");
    cli_table_cell(&table, "%" PRIu32, answer->info.in_degree);
    get_text_types(&table, "outgoing", answer->outgoing);
    get_text_types(&table, "incoming", answer->incoming);
    if (request->connections)
        get_text_edges(context, &table, answer, request->limit);
    if (request->vector && answer->dimensions > 0)
        get_text_vector(&table, "", answer->vector, answer->dimensions);
    for (size_t i = 0; request->vector && i < answer->field_count; i++)
        get_text_vector(&table, answer->fields[i].name, answer->vectors[i],
                        answer->fields[i].dimensions);
    cli_table_print(context, &table);
    if (request->connections && answer->edge_count > request->limit)
        cli_note(context, "%zu more connections; use --limit",
                 answer->edge_count - (size_t)request->limit);
}

static int get_parse(cli_args *args, get_request *request)
{
    int option;

    request->limit = GET_CONNECTIONS_DEFAULT;
    while ((option = cli_args_next(args)) > 0) {
        if (option == GET_COLLECTION)
            request->collection = args->value;
        else if (option == GET_VECTOR)
            request->vector = true;
        else if (option == GET_CONNECTIONS)
            request->connections = true;
        else if (!cli_parse_u64(args, 1, UINT32_MAX, &request->limit))
            return CLI_USAGE;
    }
    if (option < 0)
        return args->exit_code;
    return CLI_OK;
}

/* Shows one of them. */
static int get_show(const cli_context *context, const get_request *request, cli_json *json,
                    ng_token_id id)
{
    get_answer *answer = cli_allocate(1, sizeof *answer);
    int code = get_read(context, id, answer);

    if (code == CLI_OK && context->json)
        get_json(context, request, json, answer);
    else if (code == CLI_OK)
        get_text(context, request, answer);
    free(answer->vector);
    for (size_t i = 0; i < answer->field_count; i++)
        free(answer->vectors[i]);
    free(answer->edges);
    free(answer->data);
    free(answer);
    return code;
}

static int get_show_all(const cli_context *context, const get_request *request,
                        const ng_token_id *ids, int count)
{
    cli_json json;
    int code = CLI_OK;

    if (context->json) {
        cli_json_begin(&json, stdout);
        if (count > 1) {
            cli_json_object(&json, NULL);
            cli_json_array(&json, "tokens");
        }
    }
    for (int i = 0; i < count && code == CLI_OK; i++) {
        if (i > 0 && !context->json)
            puts("");
        code = get_show(context, request, &json, ids[i]);
    }
    if (code == CLI_OK && context->json) {
        if (count > 1) {
            cli_json_close(&json);
            cli_json_close(&json);
        }
        cli_json_end(&json);
    }
    return code;
}

static int get_run(cli_context *context, int argc, char **argv)
{
    get_request request = {0};
    ng_collection_id collection = NG_COLLECTION_ANY;
    ng_token_id *ids;
    cli_args args;
    int code;

    cli_args_begin(&args, context, argc, argv);
    code = get_parse(&args, &request);
    if (code != CLI_OK || args.operands == NULL)
        return code;
    if (args.operand_count == 0)
        return cli_fail(context, CLI_USAGE, "which token? see 'neurograph get --help'");
    code = cli_store_open_reading(context);
    if (code == CLI_OK)
        code = cli_collection_resolve(context, request.collection, &collection);
    if (code != CLI_OK)
        return code;
    ids = cli_allocate((size_t)args.operand_count, sizeof *ids);
    for (int i = 0; i < args.operand_count && code == CLI_OK; i++)
        code = cli_token_resolve(context, args.operands[i], collection, &ids[i]);
    if (code == CLI_OK)
        code = get_show_all(context, &request, ids, args.operand_count);
    free(ids);
    return code;
}

static const cli_option get_options[] = {
    {"connections", GET_CONNECTIONS, NULL, "list its connections, newest first"},
    {"limit", 'n', "N", "list at most N connections; default 20"},
    {"vector", GET_VECTOR, NULL, "print its vectors"},
    {"collection", GET_COLLECTION, "NAME", "look the label up in this collection alone"},
    {NULL, 0, NULL, NULL},
};

static const int get_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY, CLI_IO, CLI_DATA, -1};

const cli_command cli_command_get = {
    .name = "get",
    .arguments = "[OPTION]... TOKEN...",
    .summary = "Show everything about tokens",
    .description =
        "TOKEN is a label, '#12' for an id, or 'label:TEXT' for a label that looks like an id.\n"
        "A label is looked up in the collections runtime, semantic, then the others in order.\n"
        "Digits that are no label are an id. If one does not exist, none is shown.",
    .options = get_options,
    .examples = "neurograph get dog\nneurograph get '#12' --connections --limit 50\n"
                "neurograph get dog --vector --json",
    .exit_codes = get_exits,
    .run = get_run,
};
