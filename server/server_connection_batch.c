/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* POST /connections/batch: many writes of connections as one op, all or none. Runs on the pool.
 *
 * The parts are done in one transaction, in the order in which batch_parts has them. Nobody waits for a
 * transaction, so another writer may change one of its connections before it commits; the batch, which
 * expects nothing of what is there, is then done again. */
#include <stdio.h>
#include <stdlib.h>

#include "server_connection.h"

#define BATCH_TRIES 8u /* each is lost only if others write the same connections all the time */
#define BATCH_FIRST 16u

typedef enum batch_kind {
    BATCH_DELETE,
    BATCH_UPDATE,
    BATCH_CREATE,
    BATCH_UPSERT,
    BATCH_ACTIVATE,
    BATCH_KINDS
} batch_kind;

static const char *const batch_names[BATCH_KINDS] = {"delete", "update", "create", "upsert",
                                                     "activate"};

typedef struct batch_part {
    bool is_given;
    size_t count;
    size_t capacity;
    ng_connection_id *ids; /* given, or of what is created */
    ng_connection_fields *fields;
    bool *created;
} batch_part;

typedef struct batch {
    batch_part parts[BATCH_KINDS];
} batch;

static bool part_takes_ids(batch_kind kind)
{
    return kind == BATCH_DELETE || kind == BATCH_ACTIVATE;
}

static void batch_release(batch *all)
{
    for (int kind = 0; kind < BATCH_KINDS; kind++) {
        free(all->parts[kind].ids);
        free(all->parts[kind].fields);
        free(all->parts[kind].created);
    }
}

/* --------------------------------------------------------------------------------------- reading */

static bool part_grow(batch_part *part)
{
    if (part->count < part->capacity)
        return true;
    size_t capacity = part->capacity == 0 ? BATCH_FIRST : 2 * part->capacity;
    void *ids = realloc(part->ids, capacity * sizeof *part->ids);
    if (ids != NULL)
        part->ids = ids;
    void *fields = realloc(part->fields, capacity * sizeof *part->fields);
    if (fields != NULL)
        part->fields = fields;
    void *created = realloc(part->created, capacity * sizeof *part->created);
    if (created != NULL)
        part->created = created;
    if (ids == NULL || fields == NULL || created == NULL)
        return false;
    part->capacity = capacity;
    return true;
}

static void part_read_item(ngs_request *request, batch_kind kind, ngs_json_value value,
                           batch_part *part)
{
    char path[NGS_PATH_MAX];
    ngs_json_walk walk;
    ngs_connection_body body;
    snprintf(path, sizeof path, "body.%s[%zu]", batch_names[kind], part->count);
    if (part_takes_ids(kind)) {
        ngs_read_id(request, value, path, &part->ids[part->count]);
    } else if (ngs_json_type_of(value) != NGS_JSON_OBJECT || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, path, "an object");
    } else {
        ngs_connection_body_walk(request, &walk, path,
                                 kind == BATCH_UPDATE ? NGS_NEEDS_ID : NGS_NEEDS_ENDS, &body);
        part->fields[part->count] = body.fields;
        part->ids[part->count] = body.id;
    }
    part->count++;
}

static void part_read(ngs_request *request, batch_kind kind, ngs_json_value value, batch_part *part)
{
    char path[40];
    ngs_json_walk walk;
    ngs_json_value element;
    snprintf(path, sizeof path, "body.%s", batch_names[kind]);
    part->is_given = true;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, path, "an array");
        return;
    }
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        if (part->count == NGS_BATCH_MAX) {
            ngs_problem(request, path, "value_error", "more than %d items", NGS_BATCH_MAX);
            return;
        }
        if (!part_grow(part)) {
            ngs_problem(request, path, "memory", "no memory for %zu items", part->count + 1);
            return;
        }
        part_read_item(request, kind, element, part);
    }
}

static bool batch_read(ngs_request *request, batch *all)
{
    ngs_json_parser *parser;
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key;
    size_t count;
    if (!ngs_body_open(request, &parser, &walk))
        return false;
    while (ngs_json_next(&walk, &key, &count, &value)) {
        int kind = 0;
        while (kind < BATCH_KINDS &&
               (strlen(batch_names[kind]) != count || memcmp(batch_names[kind], key, count) != 0))
            kind++;
        if (kind == BATCH_KINDS || all->parts[kind].is_given)
            ngs_unknown_field(request, key, count, kind < BATCH_KINDS);
        else
            part_read(request, (batch_kind)kind, value, &all->parts[kind]);
    }
    ngs_parser_give(request->server, parser);
    return !ngs_problems_reply(request);
}

/* --------------------------------------------------------------------------------------- writing */

static ng_status part_write(ng_store *store, batch_kind kind, const batch_part *part,
                            const ng_write_options *write)
{
    switch (kind) {
    case BATCH_DELETE:
        return ng_connection_delete_many(store, part->ids, part->count, write);
    case BATCH_UPDATE:
        return ng_connection_update_many(store, part->ids, part->fields, part->count, write);
    case BATCH_CREATE:
        return ng_connection_create_many(store, part->fields, part->count, write, part->ids);
    case BATCH_UPSERT:
        return ng_connection_upsert_many(store, part->fields, part->count, write, part->ids,
                                         part->created);
    default:
        return ng_connection_activate_many(store, part->ids, part->count, write);
    }
}

/* One try. `*failed` receives the part that was refused, BATCH_KINDS if it was the commit. */
static ng_status batch_try(const ngs_request *request, const batch *all, ng_seq *seq, int *failed)
{
    ng_store *store = request->server->store;
    ng_txn *txn;
    *failed = BATCH_KINDS;
    ng_status status = ng_txn_begin(store, NULL, &txn);
    if (status != NG_OK)
        return status;
    const ng_write_options inside = {.struct_size = sizeof inside, .txn = txn};
    for (int kind = 0; kind < BATCH_KINDS; kind++) {
        if (all->parts[kind].count == 0)
            continue;
        status = part_write(store, (batch_kind)kind, &all->parts[kind], &inside);
        if (status == NG_OK)
            continue;
        *failed = kind;
        ng_txn_rollback(txn);
        return status;
    }
    ng_write_options write = ngs_token_write(request);
    write.seq = seq;
    return ng_txn_commit(txn, &write);
}

/* "item 3: message" becomes "body.create[3]" and the message. */
static void batch_fail(ngs_request *request, const batch *all, ng_status status, int failed)
{
    char text[400];
    char path[NGS_PATH_MAX] = "body";
    const char *message = text;
    size_t item = 0;
    int used = 0;
    snprintf(text, sizeof text, "%s", ng_last_error());
    if (failed < BATCH_KINDS) {
        if (all->parts[failed].count > 1 && sscanf(text, "item %zu: %n", &item, &used) == 1)
            message = text + used;
        snprintf(path, sizeof path, "body.%s[%zu]", batch_names[failed], item);
    }
    if (status == NG_E_INVALID) {
        ngs_problem(request, path, "value_error", "%s", message);
        ngs_problems_reply(request);
        return;
    }
    char whole[640];
    snprintf(whole, sizeof whole, "%s: %s", path, message);
    ngs_reply_status_text(request, status, whole);
}

static void batch_out_ids(ngs_out *out, const char *name, const batch_part *part)
{
    ngs_out_text(out, name);
    for (size_t i = 0; i < part->count; i++) {
        if (i > 0)
            ngs_out_char(out, ',');
        ngs_out_u64(out, part->ids[i]);
    }
    ngs_out_char(out, ']');
}

static void batch_reply(ngs_request *request, const batch *all, ng_seq seq)
{
    const batch_part *upsert = &all->parts[BATCH_UPSERT];
    ngs_out *out = ngs_reply_data(request, 200);
    batch_out_ids(out, "{\"created\":[", &all->parts[BATCH_CREATE]);
    ngs_out_text(out, ",\"upserted\":[");
    for (size_t i = 0; i < upsert->count; i++) {
        ngs_out_text(out, i > 0 ? ",{\"id\":" : "{\"id\":");
        ngs_out_u64(out, upsert->ids[i]);
        ngs_out_text(out, ",\"created\":");
        ngs_out_bool(out, upsert->created[i]);
        ngs_out_char(out, '}');
    }
    ngs_out_char(out, ']');
    batch_out_ids(out, ",\"updated\":[", &all->parts[BATCH_UPDATE]);
    batch_out_ids(out, ",\"activated\":[", &all->parts[BATCH_ACTIVATE]);
    batch_out_ids(out, ",\"deleted\":[", &all->parts[BATCH_DELETE]);
    ngs_out_text(out, ",\"seq\":");
    if (seq != 0)
        ngs_out_u64(out, seq);
    else
        ngs_out_text(out, "null");
    ngs_out_char(out, '}');
}

void ngs_connection_batch(ngs_request *request)
{
    batch all = {0};
    if (batch_read(request, &all)) {
        ng_seq seq = 0;
        int failed = BATCH_KINDS;
        ng_status status = NG_E_CONFLICT;
        request->settles = true;
        for (unsigned i = 0; i < BATCH_TRIES && status == NG_E_CONFLICT; i++)
            status = batch_try(request, &all, &seq, &failed);
        if (status == NG_OK)
            batch_reply(request, &all, seq);
        else
            batch_fail(request, &all, status, failed);
    }
    batch_release(&all);
}
