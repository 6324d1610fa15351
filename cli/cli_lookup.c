/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From what a user types to handles: stores by path, collections and tokens by name, and back.
 *
 * Invariants
 *   1. The same text names the same token in every command.
 *   2. Nothing here changes the store, except opening one that is to be created.
 */
#include "cli_args.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *cli_store_path(const cli_context *context)
{
    const char *environment = getenv("NEUROGRAPH_STORE");

    if (context->store_path != NULL)
        return context->store_path;
    return environment != NULL && environment[0] != '\0' ? environment : CLI_STORE_DEFAULT;
}

int cli_store_open(cli_context *context, uint32_t flags)
{
    ng_open_options options = {.struct_size = sizeof options,
                               .flags = flags,
                               .durability = context->durability};
    const char *path = cli_store_path(context);
    ng_status status;
    ng_info info;
    char room[CLI_NUMBER_ROOM];

    if (context->limits != NULL && (status = ng_open_preset(context->limits, &options)) != NG_OK)
        return cli_fail_status(context, status);
    if (context->memory_bytes != 0)
        options.max_memory_bytes = context->memory_bytes;
    status = ng_open(path, &options, &context->store);
    if (status != NG_OK) {
        context->store = NULL;
        if (status == NG_E_CORRUPT)
            return cli_fail(context, CLI_DATA,
                            "%s; 'neurograph check %s --repair NEWDIR' saves what is valid",
                            ng_last_error(), path);
        return cli_fail_status(context, status);
    }
    if (ng_store_info(context->store, &info) == NG_OK && info.recovered_bytes_cut > 0)
        cli_note(context, "%s of a write that was never acknowledged %s",
                 cli_show_bytes(info.recovered_bytes_cut, room),
                 info.read_only ? "at the end of the log are passed over"
                                : "were cut from the log");
    return CLI_OK;
}

int cli_store_open_reading(cli_context *context)
{
    return cli_store_open(context, NG_OPEN_MUST_EXIST | NG_OPEN_READ_ONLY);
}

int cli_store_close(cli_context *context, int code)
{
    ng_status status = ng_close(context->store);

    context->store = NULL;
    if (status != NG_OK && code == CLI_OK)
        return cli_fail_status(context, status);
    return code;
}

int cli_collection_resolve(const cli_context *context, const char *name, ng_collection_id *out)
{
    ng_status status;

    *out = NG_COLLECTION_ANY;
    if (name == NULL)
        return CLI_OK;
    status = ng_collection_find(context->store, name, out);
    return status == NG_OK ? CLI_OK : cli_fail_status(context, status);
}

/* Looks the label up in one collection, or in each. `status` NG_E_NOT_FOUND is no failure here. */
static ng_status lookup_label(const cli_context *context, const char *text, size_t bytes,
                              ng_collection_id collection, ng_token_id *out)
{
    ng_status status;
    ng_info info;

    if (collection != NG_COLLECTION_ANY)
        return ng_token_find(context->store, collection, text, bytes, out);
    status = ng_store_info(context->store, &info);
    if (status != NG_OK)
        return status;
    for (ng_collection_id each = 0; each < info.collection_count; each++) {
        status = ng_token_find(context->store, each, text, bytes, out);
        if (status != NG_E_NOT_FOUND)
            return status;
    }
    return NG_E_NOT_FOUND;
}

static int lookup_id(const cli_context *context, ng_token_id id, ng_token_id *out)
{
    ng_token record;
    ng_status status;

    if (id == 0)
        return cli_fail(context, CLI_USAGE, "id 0 is not a token");
    status = ng_token_read(context->store, id, &record);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    *out = id;
    return CLI_OK;
}

int cli_token_resolve(const cli_context *context, const char *text, ng_collection_id collection,
                      ng_token_id *out)
{
    static const char prefix[] = "label:";
    bool label_only = strncmp(text, prefix, sizeof prefix - 1) == 0;
    const char *label = label_only ? text + sizeof prefix - 1 : text;
    char collection_name[65];
    ng_status status;
    uint64_t id;

    if (label[0] == '\0')
        return cli_fail(context, CLI_USAGE, "the name of a token is empty");
    if (text[0] == '#' && cli_digits(text + 1, &id))
        return lookup_id(context, id, out);
    status = lookup_label(context, label, strlen(label), collection, out);
    if (status == NG_OK)
        return CLI_OK;
    if (status != NG_E_NOT_FOUND)
        return cli_fail_status(context, status);
    if (!label_only && cli_digits(text, &id))
        return lookup_id(context, id, out);
    if (collection == NG_COLLECTION_ANY)
        return cli_fail(context, CLI_NOT_FOUND, "no token is labelled '%s'", label);
    return cli_fail(context, CLI_NOT_FOUND, "no token of collection %s is labelled '%s'",
                    cli_collection_name(context, collection, collection_name), label);
}

const char *cli_token_label(const cli_context *context, ng_token_id id, char out[CLI_LABEL_ROOM])
{
    size_t bytes = 0;

    if (ng_token_label(context->store, id, out, CLI_LABEL_ROOM, &bytes) != NG_OK || bytes == 0)
        return NULL;
    return out;
}

const char *cli_token_name(const cli_context *context, ng_token_id id, char out[CLI_LABEL_ROOM])
{
    if (cli_token_label(context, id, out) == NULL)
        snprintf(out, CLI_LABEL_ROOM, "#%" PRIu64, id);
    return out;
}

const char *cli_collection_name(const cli_context *context, ng_collection_id id, char out[65])
{
    if (ng_collection_get(context->store, id, out, NULL) != NG_OK || out[0] == '\0')
        snprintf(out, 65, "%" PRIu32, id);
    return out;
}

int cli_edges_read(const cli_context *context, ng_token_id id, ng_edge **out, size_t *count)
{
    ng_status status;
    size_t capacity;

    *out = NULL;
    status = ng_token_connections(context->store, id, NULL, NULL, 0, count);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    capacity = *count;
    *out = cli_allocate(capacity, sizeof **out);
    status = ng_token_connections(context->store, id, NULL, *out, capacity, count);
    if (status == NG_OK)
        return CLI_OK;
    free(*out);
    *out = NULL;
    return cli_fail_status(context, status);
}
