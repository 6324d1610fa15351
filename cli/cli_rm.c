/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `rm`.
 *
 * Invariants
 *   1. Nothing is deleted unless every token that was given exists; up to 4096 are one op.
 *   2. A collection is emptied only with --yes.
 */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { RM_COLLECTION = CLI_OPTION_FIRST, RM_IF_VERSION, RM_YES, RM_DROP };

#define RM_BATCH 4096u /* tokens of one op */

typedef struct rm_request {
    const char *collection;
    uint64_t if_version;
    bool yes, drop;
} rm_request;

typedef struct rm_target {
    ng_token_id id;
    uint32_t connections;
    char *label; /* NULL = none */
} rm_target;

/* Finds every token first; one that is named twice counts once. */
static int rm_resolve(const cli_context *context, const cli_args *args, ng_collection_id collection,
                      rm_target *targets, size_t *count)
{
    for (int i = 0; i < args->operand_count; i++) {
        char label[CLI_LABEL_ROOM];
        ng_token_info info;
        ng_token_id id;
        ng_status status;
        size_t known = 0;
        int code = cli_token_resolve(context, args->operands[i], collection, &id);

        if (code != CLI_OK)
            return code;
        while (known < *count && targets[known].id != id)
            known++;
        if (known < *count)
            continue;
        status = ng_token_get(context->store, id, &info);
        if (status != NG_OK)
            return cli_fail_status(context, status);
        targets[*count].id = id;
        targets[*count].connections = info.out_degree + info.in_degree;
        if (cli_token_label(context, id, label) != NULL)
            targets[*count].label = cli_copy(label, strlen(label));
        (*count)++;
    }
    return CLI_OK;
}

static int rm_delete(const cli_context *context, const rm_target *targets, size_t count,
                     uint64_t if_version)
{
    const ng_write_options write = {.struct_size = sizeof write,
                                    .if_version = (uint32_t)if_version};
    ng_token_id ids[RM_BATCH];

    for (size_t done = 0; done < count;) {
        size_t batch = count - done < RM_BATCH ? count - done : RM_BATCH;
        ng_status status;

        for (size_t i = 0; i < batch; i++)
            ids[i] = targets[done + i].id;
        status = ng_token_delete_many(context->store, ids, batch, &write);
        if (status != NG_OK)
            return cli_fail_status(context, status);
        done += batch;
    }
    return CLI_OK;
}

/* ---- a whole collection ---- */

static void rm_print_collection(const cli_context *context, const rm_request *request,
                                uint64_t removed)
{
    cli_json json;

    if (!context->json) {
        printf("%" PRIu64 "\n", removed);
        return;
    }
    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "collection", request->collection);
    cli_json_u64(&json, "removed_count", removed);
    cli_json_bool(&json, "dropped", request->drop);
    cli_json_close(&json);
    cli_json_end(&json);
}

static int rm_collection(cli_context *context, const rm_request *request)
{
    ng_collection_id id;
    uint64_t count = 0;
    ng_status status;
    int code = cli_store_open(context, NG_OPEN_MUST_EXIST);

    if (code == CLI_OK)
        code = cli_collection_resolve(context, request->collection, &id);
    if (code != CLI_OK)
        return code;
    status = ng_token_count(context->store, id, false, &count);
    if (status == NG_OK && !request->yes)
        return cli_fail(context, CLI_USAGE,
                        "this deletes all %" PRIu64 " tokens of '%s': say --yes if you mean it",
                        count, request->collection);
    if (status == NG_OK && request->drop)
        status = ng_collection_drop(context->store, id, NULL, &count);
    else if (status == NG_OK)
        status = ng_collection_clear(context->store, id, NULL, &count);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    rm_print_collection(context, request, count);
    return CLI_OK;
}

/* ---- tokens ---- */

static void rm_print(const cli_context *context, const rm_target *targets, size_t count)
{
    static const cli_column columns[] = {{"id", true}, {"label", false}, {"connections", true}};
    cli_table table;
    cli_json json;

    if (!context->json) {
        cli_table_init(&table, columns, 3);
        for (size_t i = 0; i < count; i++) {
            cli_table_cell(&table, "%" PRIu64, targets[i].id);
            cli_table_cell(&table, "%s", targets[i].label != NULL ? targets[i].label : "");
            cli_table_cell(&table, "%" PRIu32, targets[i].connections);
        }
        cli_table_print(context, &table);
        return;
    }
    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_array(&json, "removed");
    for (size_t i = 0; i < count; i++) {
        cli_json_object(&json, NULL);
        cli_json_u64(&json, "id", targets[i].id);
        cli_json_text(&json, "label", targets[i].label);
        cli_json_u64(&json, "connections", targets[i].connections);
        cli_json_close(&json);
    }
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

static int rm_tokens(cli_context *context, const cli_args *args, const rm_request *request)
{
    ng_collection_id collection;
    rm_target *targets;
    size_t count = 0;
    int code = cli_store_open(context, NG_OPEN_MUST_EXIST);

    if (code == CLI_OK)
        code = cli_collection_resolve(context, request->collection, &collection);
    if (code != CLI_OK)
        return code;
    targets = cli_allocate((size_t)args->operand_count, sizeof *targets);
    code = rm_resolve(context, args, collection, targets, &count);
    if (code == CLI_OK)
        code = rm_delete(context, targets, count, request->if_version);
    if (code == CLI_OK)
        rm_print(context, targets, count);
    for (size_t i = 0; i < count; i++)
        free(targets[i].label);
    free(targets);
    return code;
}

static int rm_run(cli_context *context, int argc, char **argv)
{
    rm_request request = {0};
    cli_args args;
    int option;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0) {
        if (option == RM_COLLECTION)
            request.collection = args.value;
        else if (option == RM_YES)
            request.yes = true;
        else if (option == RM_DROP)
            request.drop = true;
        else if (!cli_parse_u64(&args, 1, UINT32_MAX, &request.if_version))
            return CLI_USAGE;
    }
    if (option < 0)
        return args.exit_code;
    if (args.operand_count == 0 && request.collection == NULL)
        return cli_fail(context, CLI_USAGE, "which token? see 'neurograph rm --help'");
    if (request.if_version != 0 && args.operand_count != 1)
        return cli_fail(context, CLI_USAGE, "--if-version goes with one token, not %d",
                        args.operand_count);
    if (args.operand_count == 0)
        return rm_collection(context, &request);
    if (request.yes || request.drop)
        return cli_fail(context, CLI_USAGE, "--%s is for a whole collection, without a TOKEN",
                        request.drop ? "drop" : "yes");
    return rm_tokens(context, &args, &request);
}

static const cli_option rm_options[] = {
    {"collection", RM_COLLECTION, "NAME", "look labels up in this collection alone"},
    {"if-version", RM_IF_VERSION, "N", "delete the token only if this is its version"},
    {"yes", RM_YES, NULL, "without a TOKEN: delete all tokens of the collection"},
    {"drop", RM_DROP, NULL, "and the collection as well"},
    CLI_DURABILITY_ROW,
    {NULL, 0, NULL, NULL},
};

static const int rm_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY,
                               CLI_IO, CLI_DATA,  CLI_REFUSED,   -1};

const cli_command cli_command_rm = {
    .name = "rm",
    .arguments = "[OPTION]... TOKEN... | --collection NAME --yes [--drop]",
    .summary = "Delete tokens with their labels, vectors and connections",
    .description =
        "Every TOKEN is looked up first; if one does not exist, none is deleted. Prints\n"
        "each id, its label and how many connections it had. An id is never reused.\n"
        "Without a TOKEN a whole collection is emptied, which has to be confirmed by\n"
        "--yes; prints how many tokens it had.",
    .options = rm_options,
    .examples = "neurograph rm \"blue cup\"\nneurograph rm '#12' '#13'\n"
                "neurograph rm --collection session.7 --drop --yes",
    .exit_codes = rm_exits,
    .run = rm_run,
};
