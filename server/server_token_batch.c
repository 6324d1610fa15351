/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* POST /tokens/batch: tokens created, changed and deleted as one op, all or none.
 *
 * The lists of a batch are staged in a transaction, deletions first, so that a label which is freed
 * can be given again. An error names the list and the position in it. */
#include <stdio.h>
#include <stdlib.h>

#include "server_private.h"

enum { BATCH_DELETE, BATCH_UPDATE, BATCH_CREATE, BATCH_LISTS };

static const char *const batch_names[BATCH_LISTS] = {"delete", "update", "create"};

typedef struct batch_list {
    ngs_json_value value;
    bool given;
    size_t count;
    ngs_token_body *bodies; /* [count]; NULL of deletions, as the next */
    ng_token_fields *fields;
    ng_token_id *ids; /* of creations: what they became */
} batch_list;

typedef struct token_batch {
    ngs_request *request;
    ngs_json_parser *parser;
    batch_list lists[BATCH_LISTS];
} token_batch;

static void batch_release(token_batch *batch)
{
    for (int kind = 0; kind < BATCH_LISTS; kind++) {
        batch_list *list = &batch->lists[kind];
        for (size_t i = 0; list->bodies != NULL && i < list->count; i++)
            ngs_token_body_release(batch->request, &list->bodies[i]);
        free(list->bodies);
        free(list->fields);
        free(list->ids);
    }
    if (batch->parser != NULL)
        ngs_parser_give(batch->request->server, batch->parser);
}

/* The lists by their names. */
static void batch_find_lists(token_batch *batch, ngs_json_walk *walk)
{
    ngs_json_value value;
    const char *key;
    size_t key_count;
    while (ngs_json_next(walk, &key, &key_count, &value)) {
        int kind = 0;
        while (kind < BATCH_LISTS && (strlen(batch_names[kind]) != key_count ||
                                      memcmp(batch_names[kind], key, key_count) != 0))
            kind++;
        if (kind == BATCH_LISTS || batch->lists[kind].given) {
            ngs_unknown_field(batch->request, key, key_count, kind < BATCH_LISTS);
            continue;
        }
        batch->lists[kind].given = true;
        batch->lists[kind].value = value;
    }
}

static bool batch_allocate(batch_list *list, int kind)
{
    if (list->count == 0)
        return true;
    list->ids = calloc(list->count, sizeof *list->ids);
    if (kind != BATCH_DELETE) {
        list->bodies = calloc(list->count, sizeof *list->bodies);
        list->fields = calloc(list->count, sizeof *list->fields);
    }
    return list->ids != NULL &&
           (kind == BATCH_DELETE || (list->bodies != NULL && list->fields != NULL));
}

static void batch_read_item(token_batch *batch, int kind, size_t index, ngs_json_value value)
{
    batch_list *list = &batch->lists[kind];
    char path[64];
    snprintf(path, sizeof path, "body.%s[%zu]", batch_names[kind], index);
    if (kind == BATCH_DELETE) {
        ngs_read_id(batch->request, value, path, &list->ids[index]);
        return;
    }
    ngs_token_body *body = &list->bodies[index];
    ngs_token_item_read(batch->request, value, path,
                        kind == BATCH_UPDATE ? &list->ids[index] : NULL, body);
    if (kind == BATCH_UPDATE)
        ngs_token_body_updated(body);
    else
        ngs_token_body_created(body);
    list->fields[index] = body->fields;
}

/* Counts the items and reads them; false: replied. */
static bool batch_read_list(token_batch *batch, int kind)
{
    batch_list *list = &batch->lists[kind];
    ngs_json_value item;
    ngs_json_walk walk;
    char path[32];
    snprintf(path, sizeof path, "body.%s", batch_names[kind]);
    if (ngs_json_type_of(list->value) != NGS_JSON_ARRAY) {
        ngs_wrong_type(batch->request, list->value, path, "an array");
        return true;
    }
    if (!ngs_json_begin(list->value, &walk))
        return true;
    while (ngs_json_next(&walk, NULL, NULL, &item))
        list->count++;
    if (list->count > NGS_BATCH_MAX) {
        ngs_problem(batch->request, path, "value_error", "%zu items are more than %d", list->count,
                    NGS_BATCH_MAX);
        list->count = 0;
        return true;
    }
    if (!batch_allocate(list, kind)) {
        list->count = 0;
        ngs_reply_status_text(batch->request, NG_E_NOMEM, "no memory for a batch");
        return false;
    }
    (void)ngs_json_begin(list->value, &walk);
    for (size_t i = 0; ngs_json_next(&walk, NULL, NULL, &item); i++)
        batch_read_item(batch, kind, i, item);
    return true;
}

/* Reads the body; false: replied. */
static bool batch_read(token_batch *batch)
{
    ngs_json_walk walk;
    size_t count = 0;
    if (!ngs_body_open(batch->request, &batch->parser, &walk))
        return false;
    batch_find_lists(batch, &walk);
    for (int kind = 0; kind < BATCH_LISTS; kind++) {
        if (batch->lists[kind].given && !batch_read_list(batch, kind))
            return false;
        count += batch->lists[kind].count;
    }
    if (batch->request->problems.count == 0 && (count == 0 || count > NGS_BATCH_MAX))
        ngs_problem(batch->request, "body", "value_error", "%zu items are outside 1..%d", count,
                    NGS_BATCH_MAX);
    return !ngs_problems_reply(batch->request);
}

/* The library says "item 3: ..." where there are several. */
static void batch_fail(token_batch *batch, int kind, ng_status status)
{
    char field[64], text[512];
    const char *message = ng_last_error();
    unsigned index = 0;
    int skipped = 0;
    if (sscanf(message, "item %u: %n", &index, &skipped) == 1 && skipped > 0)
        message += skipped;
    snprintf(field, sizeof field, "body.%s[%u]", batch_names[kind], index);
    if (status == NG_E_INVALID) {
        ngs_problem(batch->request, field, "value_error", "%s", message);
        ngs_problems_reply(batch->request);
        return;
    }
    snprintf(text, sizeof text, "%s[%u]: %.400s", batch_names[kind], index, message);
    ngs_reply_status_text(batch->request, status, text);
}

static ng_status batch_stage(const token_batch *batch, int kind, ng_txn *txn)
{
    ng_store *store = batch->request->server->store;
    const batch_list *list = &batch->lists[kind];
    const ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    if (list->count == 0)
        return NG_OK;
    switch (kind) {
    case BATCH_DELETE:
        return ng_token_delete_many(store, list->ids, list->count, &write);
    case BATCH_UPDATE:
        return ng_token_update_many(store, list->ids, list->fields, list->count, &write);
    default:
        return ng_token_create_many(store, list->fields, list->count, &write, list->ids);
    }
}

static void batch_out_ids(ngs_out *out, const char *name, const batch_list *list)
{
    ngs_out_text(out, name);
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            ngs_out_char(out, ',');
        ngs_out_u64(out, list->ids[i]);
    }
}

static void batch_reply(const token_batch *batch, ng_seq seq)
{
    ngs_out *out = ngs_reply_data(batch->request, 200);
    batch_out_ids(out, "{\"created\":[", &batch->lists[BATCH_CREATE]);
    batch_out_ids(out, "],\"updated\":[", &batch->lists[BATCH_UPDATE]);
    batch_out_ids(out, "],\"deleted\":[", &batch->lists[BATCH_DELETE]);
    ngs_out_text(out, "],\"seq\":");
    ngs_out_u64(out, seq);
    ngs_out_char(out, '}');
}

static void batch_run(token_batch *batch)
{
    ngs_request *request = batch->request;
    ng_write_options write = ngs_token_write(request);
    ng_txn *txn = NULL;
    ng_seq seq = 0;
    request->settles = true;
    ng_status status = ng_txn_begin(request->server->store, NULL, &txn);
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    for (int kind = 0; kind < BATCH_LISTS; kind++) {
        status = batch_stage(batch, kind, txn);
        if (status == NG_OK)
            continue;
        batch_fail(batch, kind, status);
        ng_txn_rollback(txn);
        return;
    }
    write.seq = &seq;
    status = ng_txn_commit(txn, &write);
    if (status != NG_OK)
        ngs_reply_status(request, status);
    else
        batch_reply(batch, seq);
}

void ngs_token_batch(ngs_request *request)
{
    token_batch batch = {.request = request};
    if (batch_read(&batch))
        batch_run(&batch);
    batch_release(&batch);
}

/* The two tokens with which clients try the interface. */
void ngs_token_examples(ngs_request *request)
{
    ng_token_fields fields[2] = {{.struct_size = sizeof fields[0],
                                  .set = NG_FIELD_WEIGHT | NG_FIELD_ENTITY},
                                 {.struct_size = sizeof fields[1],
                                  .set = NG_FIELD_WEIGHT | NG_FIELD_ENTITY}};
    const float at_desk[NG_AXIS_COUNT] = {10.5f, 20.3f, 1.5f};
    const float content[NG_AXIS_COUNT] = {0.8f, 0.5f, 0.3f};
    const ng_write_options write = ngs_token_write(request);
    ng_token_id ids[2];
    fields[0].entity = NG_ENTITY_OBJECT;
    fields[0].weight = 0.7f;
    fields[0].flags_set = NG_TOKEN_PERSISTENT;
    fields[0].spaces_set = 1u << NG_SPACE_PHYSICAL;
    memcpy(fields[0].coordinates[NG_SPACE_PHYSICAL], at_desk, sizeof at_desk);
    fields[1].entity = NG_ENTITY_CONCEPT;
    fields[1].weight = 0.8f;
    fields[1].spaces_set = 1u << NG_SPACE_EMOTIONAL;
    memcpy(fields[1].coordinates[NG_SPACE_EMOTIONAL], content, sizeof content);
    request->settles = true;
    ng_status status = ng_token_create_many(request->server->store, fields, 2, &write, ids);
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    size_t count = 0;
    ngs_out_text(out, "{\"examples\":[");
    for (int i = 0; i < 2; i++) {
        if (count > 0)
            ngs_out_char(out, ',');
        count += ngs_token_out(request, out, ids[i]);
    }
    ngs_out_text(out, "],\"count\":");
    ngs_out_u64(out, count);
    ngs_out_char(out, '}');
}
