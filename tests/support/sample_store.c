/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Ops of every kind with fixed values. */
#include "sample_store.h"

#include "store/store_txn.h"

#include <stdio.h>
#include <string.h>

typedef struct sample_fields {
    ng_token_fields fields;
    char label[64];
    float vector[SAMPLE_DIMENSIONS];
} sample_fields;

ng_open_options sample_options(void)
{
    return (ng_open_options){.struct_size = sizeof(ng_open_options),
                             .flags = NG_OPEN_MANUAL,
                             .max_tokens = 1024,
                             .max_connections = 4096,
                             .segment_bytes = 64 << 10,
                             .checkpoint_bytes = NG_NEVER,
                             .checkpoint_seconds = NG_NEVER};
}

static void sample_fill(sample_fields *out, unsigned number, const char *word)
{
    memset(out, 0, sizeof *out);
    ng_token_fields *fields = &out->fields;
    fields->struct_size = sizeof *fields;
    fields->set = NG_FIELD_LABEL | NG_FIELD_WEIGHT | NG_FIELD_ENTITY;
    int bytes = snprintf(out->label, sizeof out->label, "%s %u", word, number);
    fields->label = out->label;
    fields->label_bytes = (size_t)bytes;
    fields->weight = (float)(number % 8) / 8;
    fields->entity = (uint8_t)(number % 16);
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++) {
        if (number % (space + 2) == 0)
            fields->spaces_set |= (uint8_t)(1u << space);
        for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++)
            fields->coordinates[space][axis] = (float)(int)(number * (axis + 1) % 17) / 8 - 1;
    }
    if (number % 2 == 0) {
        fields->set |= NG_FIELD_VECTOR;
        for (unsigned i = 0; i < SAMPLE_DIMENSIONS; i++)
            out->vector[i] = (float)(number + i) / 16;
        fields->vector = out->vector;
        fields->vector_dimensions = SAMPLE_DIMENSIONS;
    }
}

static ng_status sample_create(ng_store *store, sample_state *sample, unsigned count,
                               const char *word, const ng_write_options *write)
{
    sample_fields all[16];
    ng_token_fields fields[16];
    for (unsigned i = 0; i < count; i++) {
        sample_fill(&all[i], (unsigned)sample->token_count + i, word);
        fields[i] = all[i].fields;
    }
    ng_status status;
    ng_token_id *ids = &sample->tokens[sample->token_count];
    if (write != NULL && write->txn != NULL)
        status = ngi_txn_token_put(write->txn, &(ngi_txn_put){.fields = fields, .count = count},
                                   write, ids);
    else
        status = ngi_store_token_put(store, NULL, fields, count, write, ids);
    if (status == NG_OK)
        sample->token_count += count;
    return status;
}

static ng_status sample_connect(ng_store *store, sample_state *sample, size_t from, size_t to,
                                const ng_write_options *write)
{
    ng_connection_fields fields = {.struct_size = sizeof fields,
                                   .source = sample->tokens[from],
                                   .target = sample->tokens[to],
                                   .set = NG_CFIELD_TYPE | NG_CFIELD_PULL,
                                   .type = (uint8_t)(from % 11 * 16),
                                   .pull_strength = (float)(int)(to % 5) - 2};
    ng_connection_id *id = &sample->links[sample->link_count];
    ng_status status = ngi_store_connection_put(store, &fields, 1, 0, 0, write, id, NULL);
    if (status == NG_OK)
        sample->link_count++;
    return status;
}

static ng_status sample_tokens(ng_store *store, sample_state *sample)
{
    ng_status status;
    for (int i = 0; i < 5; i++)
        NGI_TRY(sample_create(store, sample, 1, "слово", NULL));
    NGI_TRY(sample_create(store, sample, 9, "batch", NULL));
    NGI_TRY(ngi_store_token_put(store, NULL,
                                &(ng_token_fields){.struct_size = sizeof(ng_token_fields)}, 1, NULL,
                                &sample->tokens[sample->token_count++]));
    sample_fields changed;
    sample_fill(&changed, 4, "changed");
    changed.fields.spaces_clear = 0x80 & (uint8_t)~changed.fields.spaces_set;
    NGI_TRY(ngi_store_token_put(store, &sample->tokens[1], &changed.fields, 1, NULL, NULL));
    for (size_t i = 0; i < 8; i++)
        NGI_TRY(sample_connect(store, sample, i, i + 3, NULL));
out:
    return status;
}

/* A collection that is there for two ops: one with tokens, of which one is labelled. */
static ng_status sample_drop(ng_store *store)
{
    ng_collection_id collection = 0;
    uint64_t deleted = 0;
    ng_token_fields fields[2];
    for (size_t i = 0; i < 2; i++)
        fields[i] = (ng_token_fields){.struct_size = sizeof fields[i],
                                      .set = i == 0 ? NG_FIELD_LABEL : 0,
                                      .label = "dropped",
                                      .label_bytes = 7};
    ng_status status = ngi_store_collection_create(store, "dropped.collection", NULL, &collection);
    fields[0].collection = fields[1].collection = collection;
    if (status == NG_OK)
        status = ngi_store_token_put(store, NULL, fields, 2, NULL, NULL);
    if (status == NG_OK)
        status = ngi_store_collection_drop(store, collection, NULL, &deleted);
    return status;
}

static ng_status sample_rules(ng_store *store, sample_state *sample)
{
    static float mean[SAMPLE_DIMENSIONS] = {0.25f, 0.5f, 0.125f, 0};
    static float components[2 * SAMPLE_DIMENSIONS] = {1, 0, 0, 0, 0, 1, 0, 0};
    ngi_projection projection = {.dimensions = SAMPLE_DIMENSIONS,
                                 .component_count = 2,
                                 .vector_count = 7,
                                 .explained = {0.5, 0.25},
                                 .mean = mean,
                                 .components = components};
    ng_status status;
    ng_cdna cdna;
    ng_collection_id collection;
    NGI_TRY(sample_drop(store));
    NGI_TRY(ngi_store_collection_create(store, "sample.collection", NULL, &collection));
    NGI_TRY(ngi_store_cdna_get(store, &cdna));
    cdna.decay_rate = 0.25f;
    NGI_TRY(ngi_store_cdna_set(store, &cdna, NULL));
    NGI_TRY(ngi_store_projection_set(store, &projection, NULL));
    NGI_TRY(ngi_store_token_delete(store, sample->tokens[3], NULL));
    NGI_TRY(ngi_store_connection_delete(store, sample->links[1], NULL));
out:
    return status;
}

/* New tokens, one of them with the label of a token that is deleted in the same op; a changed one;
 * connections between old and new. */
static ng_status sample_transact(ng_store *store, sample_state *sample, size_t deleted)
{
    ng_txn *txn = NULL;
    ng_status status = ngi_txn_begin(store, NULL, &txn);
    if (status != NG_OK)
        return status;
    ng_write_options write = {.struct_size = sizeof write, .actor = 3, .txn = txn};
    size_t first = sample->token_count;
    char label[64];
    size_t bytes = 0;
    NGI_TRY(ngi_txn_token_label(txn, sample->tokens[deleted], label, sizeof label, &bytes));
    NGI_TRY(ngi_txn_token_delete(txn, &sample->tokens[deleted], 1, &write));
    NGI_TRY(sample_create(store, sample, 3, "together", &write));
    ng_token_fields fields = {.struct_size = sizeof fields,
                              .set = NG_FIELD_LABEL,
                              .label = label,
                              .label_bytes = bytes};
    ngi_txn_put put = {.ids = &sample->tokens[first], .fields = &fields, .count = 1};
    NGI_TRY(ngi_txn_token_put(txn, &put, &write, NULL));
    fields = (ng_token_fields){.struct_size = sizeof fields, .set = NG_FIELD_WEIGHT};
    fields.weight = 0.375f;
    put.ids = &sample->tokens[0];
    NGI_TRY(ngi_txn_token_put(txn, &put, &write, NULL));
    NGI_TRY(sample_connect(store, sample, first, 0, &write));
    NGI_TRY(sample_connect(store, sample, first + 1, first + 2, &write));
    status = ngi_txn_commit(txn, &(ng_write_options){.struct_size = sizeof write, .actor = 3});
    txn = NULL;
out:
    ngi_txn_rollback(txn);
    return status;
}

static ng_token_fields sample_attribute_fields(unsigned number)
{
    static const ng_text tags[] = {{"red", 3}, {"blue", 4}, {"синий", 10}, {"a", 1}, {"blue", 4}};
    static const char data[] = "{\"kind\": \"sample\", \"count\": 3, \"ratio\": 0.5, "
                               "\"at\": \"2026-01-01T00:00:00Z\", \"deep\": {\"er\": true}}";
    return (ng_token_fields){.struct_size = sizeof(ng_token_fields),
                             .set = NG_FIELD_TAGS | NG_FIELD_DATA | NG_FIELD_EXPIRY,
                             .tags = tags,
                             .tag_count = number % 6,
                             .data = data,
                             .data_bytes = number % 2 == 0 ? sizeof data - 1 : number,
                             .expires_us = number % 3 * UINT64_C(4000000000000000)};
}

/* Some tokens with everything, in one op and in transactions; one of each is changed, emptied and
 * deleted. */
static ng_status sample_attributes(ng_store *store, sample_state *sample)
{
    ng_txn *txn = NULL;
    ng_token_fields fields[4];
    ng_token_id *ids = &sample->tokens[sample->token_count];
    for (unsigned i = 0; i < 4; i++)
        fields[i] = sample_attribute_fields(i + 2);
    ng_status status = ngi_store_index_declare(store, "kind", "kind", NG_INDEX_KEYWORD, NULL);
    if (status == NG_OK)
        status = ngi_store_index_declare(store, "at", "at", NG_INDEX_TIME, NULL);
    if (status == NG_OK)
        status = ngi_store_token_put(store, NULL, fields, 4, NULL, ids);
    if (status != NG_OK)
        return status;
    sample->token_count += 4;
    fields[0] = sample_attribute_fields(5);
    fields[0].set = NG_FIELD_TAGS;
    NGI_TRY(ngi_store_token_put(store, &ids[0], fields, 1, NULL, NULL));
    NGI_TRY(ngi_txn_begin(store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    fields[0] = sample_attribute_fields(0);
    fields[0].data_bytes = 0;
    NGI_TRY(ngi_store_token_put(store, &ids[1], fields, 1, &write, NULL));
    fields[0] = sample_attribute_fields(4);
    NGI_TRY(ngi_store_token_put(store, NULL, fields, 1, &write, &ids[4]));
    NGI_TRY(ngi_txn_token_delete(txn, &ids[2], 1, &write));
    status = ngi_txn_commit(txn, NULL);
    txn = NULL;
    sample->token_count += status == NG_OK;
    if (status == NG_OK)
        status = ngi_store_index_declare(store, "count", "count", NG_INDEX_INTEGER, NULL);
    if (status == NG_OK)
        status = ngi_store_index_drop(store, "at", NULL);
out:
    ngi_txn_rollback(txn);
    return status;
}

ng_status sample_write(ng_store *store, sample_state *sample, unsigned stage)
{
    ng_status status = NG_OK;
    switch (stage) {
    case 0:
        return sample_tokens(store, sample);
    case 1:
        return sample_rules(store, sample);
    case 2:
        return sample_transact(store, sample, 7);
    case 4:
        return sample_attributes(store, sample);
    default:
        NGI_TRY(sample_create(store, sample, 4, "later", NULL));
        NGI_TRY(sample_transact(store, sample, 9));
        NGI_TRY(sample_connect(store, sample, 0, 12, NULL));
        NGI_TRY(ngi_store_token_delete(store, sample->tokens[5], NULL));
    }
out:
    return status;
}
