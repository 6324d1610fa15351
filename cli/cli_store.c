/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `stats`. */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_memory.h"
#include "cli_output.h"
#include "cli_spaces.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STATS_HASH = CLI_OPTION_FIRST, STATS_MEMORY, STATS_SPACES };

#define STATS_COMPONENTS_MAX 24u

typedef struct stats_answer {
    ng_info info;
    size_t collection_count; /* those dropped are not among them */
    bool hashed;
    uint64_t hash;
    bool by_part;
    ng_memory memory;
    bool by_space;
    ng_grid_stats spaces[NG_SPACE_COUNT];
} stats_answer;

/* ---- stats as a text: groups of rows; in a pipe the group is the first column ---- */

typedef struct stats_text {
    const cli_context *context;
    const char *group;
    cli_table table;
} stats_text;

static const cli_column stats_columns[] = {{NULL, false}, {NULL, false}, {NULL, false}};

static void stats_group(stats_text *text, const char *group)
{
    if (text->group != NULL) {
        cli_table_print(text->context, &text->table);
        if (text->context->terminal && group != NULL)
            putchar('\n');
    }
    text->group = group;
    if (group == NULL)
        return;
    cli_heading(text->context, group);
    cli_table_init(&text->table, stats_columns, text->context->terminal ? 2 : 3);
}

static void stats_key(stats_text *text, const char *key)
{
    if (!text->context->terminal)
        cli_table_cell(&text->table, "%s", text->group);
    cli_table_cell(&text->table, "%s%s", text->context->terminal ? "  " : "", key);
}

static void stats_words(stats_text *text, const char *key, const char *value)
{
    stats_key(text, key);
    cli_table_cell(&text->table, "%s", value);
}

static void stats_count(stats_text *text, const char *key, uint64_t value)
{
    char number[CLI_NUMBER_ROOM];

    stats_words(text, key, cli_show_count(text->context, value, number));
}

static void stats_bytes(stats_text *text, const char *key, uint64_t bytes)
{
    char number[CLI_NUMBER_ROOM];

    if (text->context->terminal)
        stats_words(text, key, cli_show_bytes(bytes, number));
    else
        stats_count(text, key, bytes);
}

static void stats_text_store(stats_text *text, const stats_answer *answer)
{
    const ng_info *info = &answer->info;
    char room[CLI_NUMBER_ROOM];

    stats_group(text, "Store");
    stats_words(text, "path", info->path);
    stats_words(text, "uuid", info->uuid);
    stats_words(text, "created", cli_show_time(info->created_us / 1000000, room));
    stats_count(text, "format version", info->format_version);
    if (answer->hashed) {
        snprintf(room, sizeof room, "%016" PRIx64, answer->hash);
        stats_words(text, "state hash", room);
    }
    stats_group(text, "Contents");
    stats_count(text, "tokens", info->token_count);
    stats_count(text, "active tokens", info->active_token_count);
    stats_count(text, "connections", info->connection_count);
    stats_count(text, "active connections", info->active_connection_count);
    stats_count(text, "labels", info->label_count);
    stats_count(text, "vectors", info->vector_count);
    stats_count(text, "dimensions", info->dimensions);
    stats_count(text, "vector fields", info->vector_field_count);
    stats_count(text, "ids left", info->ids_left);
}

static void stats_text_collections(stats_text *text, const ng_info *info)
{
    stats_group(text, "Collections");
    for (ng_collection_id id = 0; id < info->collection_count; id++) {
        char name[65];
        uint64_t tokens;

        if (ng_collection_get(text->context->store, id, name, &tokens) == NG_OK)
            stats_count(text, name, tokens);
    }
}

static void stats_text_sizes(stats_text *text, const ng_info *info)
{
    char room[CLI_NUMBER_ROOM];

    stats_group(text, "Memory");
    stats_bytes(text, "all", info->memory_bytes);
    if (info->memory_limit_bytes != NG_NEVER)
        stats_bytes(text, "limit", info->memory_limit_bytes);
    stats_bytes(text, "tokens", info->memory_token_bytes);
    stats_bytes(text, "connections", info->memory_connection_bytes);
    stats_bytes(text, "labels", info->memory_label_bytes);
    stats_bytes(text, "vectors", info->memory_vector_bytes);
    stats_bytes(text, "spaces", info->memory_grid_bytes);
    stats_bytes(text, "log", info->memory_log_bytes);
    stats_group(text, "Disk");
    stats_bytes(text, "allocated", info->disk_bytes);
    stats_bytes(text, "log", info->log_bytes);
    stats_count(text, "segments", info->segment_count);
    stats_group(text, "Log");
    stats_count(text, "applied seq", info->applied_seq);
    stats_count(text, "durable seq", info->durable_seq);
    stats_count(text, "ops replayed", info->recovered_ops);
    stats_bytes(text, "torn tail cut", info->recovered_bytes_cut);
    stats_words(text, "time to open", cli_show_seconds((double)info->open_us * 1e-6, room));
    stats_count(text, "syncs since opening", info->sync_count);
    stats_count(text, "ops since opening", info->op_count);
}

static const char *const stats_durabilities[] = {"default", "sync", "interval", "none"};

static const char *stats_durability(const ng_info *info)
{
    return info->durability < sizeof stats_durabilities / sizeof stats_durabilities[0]
               ? stats_durabilities[info->durability]
               : "unknown";
}

static void stats_text_durability(stats_text *text, const ng_info *info)
{
    char room[CLI_NUMBER_ROOM];

    stats_group(text, "Snapshot");
    stats_count(text, "snapshot seq", info->snapshot_seq);
    stats_bytes(text, "snapshot size", info->snapshot_bytes);
    stats_words(text, "snapshot written",
                info->snapshot_us > 0 ? cli_show_time(info->snapshot_us / 1000000, room) : "never");
    stats_count(text, "log kept from seq", info->log_first_seq);
    stats_bytes(text, "log since snapshot", info->log_since_snapshot_bytes);
    stats_count(text, "snapshot loaded at opening", info->recovered_snapshot_seq);
    stats_group(text, "Durability");
    stats_words(text, "durability", stats_durability(info));
    stats_words(text, "follows another store", info->follows ? "yes" : "no");
    stats_count(text, "checkpoints since opening", info->checkpoint_count);
    stats_count(text, "failed checkpoints", info->checkpoint_failures);
    stats_count(text, "commits since opening", info->commit_count);
    stats_count(text, "conflicts since opening", info->conflict_count);
    stats_count(text, "open transactions", info->open_txn_count);
    stats_count(text, "open views", info->open_view_count);
    stats_bytes(text, "copied for views", info->view_bytes);
    stats_count(text, "expired views", info->expired_view_count);
}

static void stats_text_projection(stats_text *text, const ng_info *info)
{
    double sum = 0;
    char room[CLI_NUMBER_ROOM], key[32];

    stats_group(text, "Projection");
    stats_count(text, "components", info->component_count);
    for (uint32_t i = 0; i < info->component_count && i < STATS_COMPONENTS_MAX; i++)
        sum += info->explained_variance[i];
    snprintf(room, sizeof room, "%.2f %%", sum * 100);
    stats_words(text, "explained variance", room);
    for (uint32_t i = 0; i < info->component_count && i < 4; i++) {
        snprintf(key, sizeof key, "component %" PRIu32, i + 1);
        snprintf(room, sizeof room, "%.2f %%", info->explained_variance[i] * 100);
        stats_words(text, key, room);
    }
    stats_count(text, "coordinates clipped", info->clipped_count);
    stats_group(text, "Steps per unit");
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        const uint32_t *scale = info->scales[space];

        snprintf(room, sizeof room, "%" PRIu32 ",%" PRIu32 ",%" PRIu32, scale[0], scale[1],
                 scale[2]);
        stats_words(text, ng_space_name((ng_space)space), room);
    }
}

static void stats_print_text(const cli_context *context, const stats_answer *answer)
{
    stats_text text = {.context = context};

    stats_text_store(&text, answer);
    stats_text_collections(&text, &answer->info);
    stats_text_sizes(&text, &answer->info);
    stats_text_durability(&text, &answer->info);
    stats_text_projection(&text, &answer->info);
    stats_group(&text, NULL);
}

/* ---- stats as JSON: the members of ng_info under their own names ---- */

static void stats_json_store(cli_json *json, const stats_answer *answer)
{
    const ng_info *info = &answer->info;
    char hash[24];

    cli_json_text(json, "path", info->path);
    cli_json_text(json, "uuid", info->uuid);
    cli_json_text(json, "version", ng_version());
    cli_json_u64(json, "format_version", info->format_version);
    cli_json_u64(json, "created_us", info->created_us);
    if (answer->hashed) {
        snprintf(hash, sizeof hash, "%016" PRIx64, answer->hash);
        cli_json_text(json, "state_hash", hash);
    }
    cli_json_u64(json, "applied_seq", info->applied_seq);
    cli_json_u64(json, "durable_seq", info->durable_seq);
    cli_json_u64(json, "token_count", info->token_count);
    cli_json_u64(json, "active_token_count", info->active_token_count);
    cli_json_u64(json, "connection_count", info->connection_count);
    cli_json_u64(json, "active_connection_count", info->active_connection_count);
    cli_json_u64(json, "label_count", info->label_count);
    cli_json_u64(json, "vector_count", info->vector_count);
    cli_json_u64(json, "vector_field_count", info->vector_field_count);
    cli_json_u64(json, "collection_count", answer->collection_count);
    cli_json_u64(json, "dimensions", info->dimensions);
    cli_json_u64(json, "ids_left", info->ids_left);
}

static void stats_json_sizes(cli_json *json, const ng_info *info)
{
    cli_json_u64(json, "memory_bytes", info->memory_bytes);
    if (info->memory_limit_bytes != NG_NEVER)
        cli_json_u64(json, "memory_limit_bytes", info->memory_limit_bytes);
    else
        cli_json_null(json, "memory_limit_bytes");
    cli_json_u64(json, "memory_refused_count", info->memory_refused_count);
    cli_json_u64(json, "cleanup_count", info->cleanup_count);
    cli_json_u64(json, "evicted_connection_count", info->evicted_connection_count);
    cli_json_u64(json, "evicted_token_count", info->evicted_token_count);
    cli_json_u64(json, "memory_token_bytes", info->memory_token_bytes);
    cli_json_u64(json, "memory_connection_bytes", info->memory_connection_bytes);
    cli_json_u64(json, "memory_label_bytes", info->memory_label_bytes);
    cli_json_u64(json, "memory_vector_bytes", info->memory_vector_bytes);
    cli_json_u64(json, "memory_grid_bytes", info->memory_grid_bytes);
    cli_json_u64(json, "memory_log_bytes", info->memory_log_bytes);
    cli_json_u64(json, "disk_bytes", info->disk_bytes);
    cli_json_u64(json, "log_bytes", info->log_bytes);
    cli_json_u64(json, "segment_count", info->segment_count);
    cli_json_u64(json, "recovered_ops", info->recovered_ops);
    cli_json_u64(json, "recovered_bytes_cut", info->recovered_bytes_cut);
    cli_json_u64(json, "open_us", info->open_us);
    cli_json_u64(json, "sync_count", info->sync_count);
    cli_json_u64(json, "op_count", info->op_count);
}

static void stats_json_durability(cli_json *json, const ng_info *info)
{
    cli_json_u64(json, "snapshot_seq", info->snapshot_seq);
    cli_json_u64(json, "snapshot_bytes", info->snapshot_bytes);
    cli_json_u64(json, "snapshot_us", info->snapshot_us);
    cli_json_u64(json, "log_first_seq", info->log_first_seq);
    cli_json_u64(json, "log_since_snapshot_bytes", info->log_since_snapshot_bytes);
    cli_json_u64(json, "recovered_snapshot_seq", info->recovered_snapshot_seq);
    cli_json_text(json, "durability", stats_durability(info));
    cli_json_bool(json, "read_only", info->read_only);
    cli_json_bool(json, "follows", info->follows);
    cli_json_u64(json, "checkpoint_count", info->checkpoint_count);
    cli_json_u64(json, "checkpoint_failures", info->checkpoint_failures);
    cli_json_u64(json, "commit_count", info->commit_count);
    cli_json_u64(json, "conflict_count", info->conflict_count);
    cli_json_u64(json, "open_txn_count", info->open_txn_count);
    cli_json_u64(json, "open_view_count", info->open_view_count);
    cli_json_u64(json, "view_bytes", info->view_bytes);
    cli_json_u64(json, "expired_view_count", info->expired_view_count);
}

static void stats_json_spaces(cli_json *json, const ng_info *info)
{
    cli_json_u64(json, "component_count", info->component_count);
    cli_json_array(json, "explained_variance");
    for (uint32_t i = 0; i < info->component_count && i < STATS_COMPONENTS_MAX; i++)
        cli_json_double(json, NULL, info->explained_variance[i]);
    cli_json_close(json);
    cli_json_u64(json, "clipped_count", info->clipped_count);
    cli_json_object(json, "spaces");
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        cli_json_object(json, ng_space_name((ng_space)space));
        cli_json_array(json, "scales");
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            cli_json_u64(json, NULL, info->scales[space][axis]);
        cli_json_close(json);
        cli_json_array(json, "origins");
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            cli_json_float(json, NULL, info->origins[space][axis]);
        cli_json_close(json);
        cli_json_close(json);
    }
    cli_json_close(json);
}

static void stats_print_json(const cli_context *context, const stats_answer *answer)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    stats_json_store(&json, answer);
    cli_json_object(&json, "collections");
    for (ng_collection_id id = 0; id < answer->info.collection_count; id++) {
        char name[65];
        uint64_t tokens;

        if (ng_collection_get(context->store, id, name, &tokens) == NG_OK)
            cli_json_u64(&json, name, tokens);
    }
    cli_json_close(&json);
    stats_json_sizes(&json, &answer->info);
    stats_json_durability(&json, &answer->info);
    stats_json_spaces(&json, &answer->info);
    if (answer->by_part)
        cli_memory_json(&json, &answer->memory);
    if (answer->by_space)
        cli_spaces_json(&json, answer->spaces);
    cli_json_close(&json);
    cli_json_end(&json);
}

static void stats_print(const cli_context *context, const stats_answer *answer)
{
    if (context->json) {
        stats_print_json(context, answer);
        return;
    }
    if (answer->by_part)
        cli_memory_print(context, &answer->memory);
    if (answer->by_space)
        cli_spaces_print(context, answer->spaces);
    if (!answer->by_part && !answer->by_space)
        stats_print_text(context, answer);
}

static int stats_run(cli_context *context, int argc, char **argv)
{
    stats_answer answer = {0};
    ng_status status;
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0) {
        answer.hashed = answer.hashed || option == STATS_HASH;
        answer.by_part = answer.by_part || option == STATS_MEMORY;
        answer.by_space = answer.by_space || option == STATS_SPACES;
    }
    if (option < 0)
        return args.exit_code;
    code = cli_args_store(&args, 0);
    if (code == CLI_OK)
        code = cli_store_open_reading(context);
    if (code != CLI_OK)
        return code;
    status = ng_store_info(context->store, &answer.info);
    if (status == NG_OK)
        status = ng_collection_list(context->store, NULL, 0, &answer.collection_count);
    if (status == NG_OK && answer.hashed)
        status = ng_state_hash(context->store, &answer.hash);
    if (status == NG_OK && answer.by_part)
        status = ng_store_memory(context->store, &answer.memory);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (answer.by_space)
        code = cli_spaces_read(context, answer.spaces);
    if (code == CLI_OK)
        stats_print(context, &answer);
    return code;
}

static const cli_option stats_options[] = {
    {"hash", STATS_HASH, NULL, "compute the hash of the whole state as well"},
    {"memory", STATS_MEMORY, NULL, "show only the memory, by part: bytes, in use, items"},
    {"spaces", STATS_SPACES, NULL, "show only the spaces: tokens, bounds, and their indexes"},
    {NULL, 0, NULL, NULL},
};

static const int stats_exits[] = {CLI_OK, CLI_USAGE, CLI_NOT_FOUND, CLI_BUSY, CLI_IO, CLI_DATA, -1};

const cli_command cli_command_stats = {
    .name = "stats",
    .arguments = "[OPTION]... [STORE]",
    .summary = "Show what is in the store and how large it is",
    .description = "On a terminal sizes are rounded; in a pipe and with --json they are bytes.",
    .options = stats_options,
    .examples =
        "neurograph stats\nneurograph stats --json | jq .token_count\n"
        "neurograph stats --hash --json\nneurograph stats --memory\nneurograph stats --spaces",
    .exit_codes = stats_exits,
    .run = stats_run,
};
