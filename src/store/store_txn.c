/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The life of a transaction: begin, conditions, reads, rollback; and the ids that are handed out
 * before they are used.
 *
 *     ngi_txn_begin -> (staging, store_txn_stage.c)* -> ngi_txn_commit (store_txn_commit.c)
 *                                                    -> ngi_txn_rollback
 *
 * Ids given to a transaction are final, so they are handed out when something is staged. If the
 * transaction does not commit they come back: the newest ones lower the mark from which ids are
 * free, others go to a stack from which transactions take first. Plain writes do not look at the
 * stack: an id that comes back costs them nothing. */
#include "store/store_txn_private.h"

#include <stdio.h>
#include <string.h>

/* --- ids ------------------------------------------------------------------------------------- */

static uint32_t given_pop(ngi_buffer *returned)
{
    returned->bytes -= sizeof(uint32_t);
    uint32_t number;
    memcpy(&number, returned->data + returned->bytes, sizeof number);
    return number;
}

/* `*next` is the first number that is free, and all behind it are, up to `last`. */
static ng_status given_take(ngi_buffer *returned, uint32_t *next, uint32_t last, uint32_t count,
                            uint32_t *out)
{
    size_t stacked = returned->bytes / sizeof(uint32_t);
    size_t fresh = count > stacked ? count - stacked : 0;
    if (fresh > 0 && (*next > last || fresh > (size_t)last - *next + 1))
        return NG_E_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        out[i] = returned->bytes > 0 ? given_pop(returned) : (*next)++;
    return NG_OK;
}

ng_status ngi_given_take_slots(ng_store *store, uint32_t count, uint32_t *out)
{
    if (count == 0)
        return NG_OK;
    ngi_wal_lock(store->wal);
    store->given.slot_given = store_next_slot(store);
    ng_status status = given_take(&store->given.returned_slots, &store->given.slot_given,
                                  store->max_tokens, count, out);
    ngi_wal_unlock(store->wal);
    if (status != NG_OK)
        return ngi_fail(NG_E_LIMIT, "the store holds at most %u tokens", store->max_tokens);
    return NG_OK;
}

ng_status ngi_given_take_ids(ng_store *store, uint32_t count, uint32_t *out)
{
    if (count == 0)
        return NG_OK;
    ngi_wal_lock(store->wal);
    store->given.id_given = store_next_connection(store);
    ng_status status = given_take(&store->given.returned_ids, &store->given.id_given,
                                  store->max_connections, count, out);
    ngi_wal_unlock(store->wal);
    if (status != NG_OK)
        return ngi_fail(NG_E_LIMIT, "the store holds at most %u connections",
                        store->max_connections);
    return NG_OK;
}

/* A stack that cannot grow loses the id: a gap is harmless. */
static void given_return(ng_store *store, ngi_buffer *returned, uint32_t *next, uint32_t number)
{
    if (number + 1 == *next) {
        --*next;
    } else if (ngi_buffer_reserve(store->mem, returned, sizeof number, "ids") == NG_OK) {
        memcpy(returned->data + returned->bytes, &number, sizeof number);
        returned->bytes += sizeof number;
    }
}

/* What the caller has failed with, kept while ids are returned. */
typedef struct kept_error {
    char message[768];
    ng_conflict conflict;
    bool has_conflict;
} kept_error;

static void error_keep(kept_error *kept)
{
    snprintf(kept->message, sizeof kept->message, "%s", ngi_last_error());
    kept->has_conflict = ng_last_conflict(&kept->conflict);
}

static void error_restore(const kept_error *kept)
{
    ngi_error_set(kept->message);
    if (kept->has_conflict)
        ngi_conflict_set(&kept->conflict);
}

void ngi_given_return_slots(ng_store *store, const uint32_t *slots, uint32_t count)
{
    if (count == 0)
        return;
    kept_error kept;
    error_keep(&kept);
    ngi_wal_lock(store->wal);
    for (uint32_t i = count; i-- > 0;)
        given_return(store, &store->given.returned_slots, &store->given.slot_given, slots[i]);
    ngi_wal_unlock(store->wal);
    error_restore(&kept);
}

void ngi_given_return_ids(ng_store *store, const uint32_t *ids, uint32_t count)
{
    if (count == 0)
        return;
    kept_error kept;
    error_keep(&kept);
    ngi_wal_lock(store->wal);
    for (uint32_t i = count; i-- > 0;)
        given_return(store, &store->given.returned_ids, &store->given.id_given, ids[i]);
    ngi_wal_unlock(store->wal);
    error_restore(&kept);
}

/* --- life ------------------------------------------------------------------------------------ */

ng_store *ngi_txn_store(const ng_txn *txn)
{
    return txn->store;
}

ng_status ngi_txn_begin(ng_store *store, const ng_txn_options *options, ng_txn **out)
{
    *out = NULL;
    if (ngi_wal_is_latched(store->wal))
        return ngi_wal_fail_latched(store->wal);
    if (store->read_only || store->follows)
        return ngi_fail(NG_E_READ_ONLY, "the store %s",
                        store->read_only ? "is open for reading only"
                                         : "follows another one; write to that one");
    if (atomic_fetch_add(&store->open_txn_count, 1) >= NGI_TRANSACTIONS_MAX) {
        atomic_fetch_sub(&store->open_txn_count, 1);
        return ngi_fail(NG_E_LIMIT, "%d transactions are open, the most there can be",
                        NGI_TRANSACTIONS_MAX);
    }
    void *block;
    ng_status status = ngi_alloc(store_account_of(store, STORE_TRANSACTIONS), sizeof(ng_txn),
                                 "transaction", &block);
    if (status != NG_OK) {
        atomic_fetch_sub(&store->open_txn_count, 1);
        return status;
    }
    *out = block;
    **out = (ng_txn){.store = store, .if_seq = options != NULL ? options->if_seq : 0};
    return NG_OK;
}

void ngi_txn_end(ng_txn *txn)
{
    ng_store *store = txn->store;
    ngi_overlay_release(txn);
    ngi_free(store_account_of(store, STORE_TRANSACTIONS), txn, sizeof *txn);
    atomic_fetch_sub(&store->open_txn_count, 1);
}

void ngi_txn_rollback(ng_txn *txn)
{
    if (txn == NULL)
        return;
    ng_store *store = txn->store;
    kept_error kept;
    error_keep(&kept);
    ngi_wal_lock(store->wal);
    for (uint32_t i = txn->token_count; i-- > 0;) {
        if (txn->tokens[i].state == TXN_CREATED || txn->tokens[i].state == TXN_GONE)
            given_return(store, &store->given.returned_slots, &store->given.slot_given,
                         txn->tokens[i].record.slot);
    }
    for (uint32_t i = txn->connection_count; i-- > 0;) {
        if (txn->connections[i].state == TXN_CREATED || txn->connections[i].state == TXN_GONE)
            given_return(store, &store->given.returned_ids, &store->given.id_given,
                         txn->connections[i].id);
    }
    ngi_wal_unlock(store->wal);
    error_restore(&kept);
    ngi_txn_end(txn);
}

/* --- conditions ------------------------------------------------------------------------------ */

/* Room for one more in an array of conditions. */
static ng_status condition_room(ng_txn *txn, void **array, uint32_t count, uint32_t *capacity,
                                size_t item_bytes)
{
    if (count >= NGI_TXN_CONDITIONS_MAX)
        return ngi_fail(NG_E_LIMIT, "a transaction has at most %d conditions of a kind",
                        NGI_TXN_CONDITIONS_MAX);
    if (count < *capacity)
        return NG_OK;
    uint32_t next = *capacity == 0 ? 4 : 2 * *capacity;
    ng_status status =
        ngi_resize(store_account_of(txn->store, STORE_TRANSACTIONS), array, *capacity * item_bytes,
                   next * item_bytes, "conditions of a transaction");
    if (status == NG_OK)
        *capacity = next;
    return status;
}

ng_status ngi_txn_if_version(ng_txn *txn, ng_token_id id, uint32_t version)
{
    if (id == 0)
        return ngi_store_fail_token(id);
    void *array = txn->versions;
    ng_status status = condition_room(txn, &array, txn->version_count, &txn->version_capacity,
                                      sizeof *txn->versions);
    txn->versions = array;
    if (status == NG_OK)
        txn->versions[txn->version_count++] = (txn_version_condition){id, version};
    return status;
}

ng_status ngi_txn_if_absent(ng_txn *txn, ng_collection_id collection, const char *label,
                            size_t label_bytes)
{
    ng_status status = ngi_label_validate(label, label_bytes);
    if (status != NG_OK)
        return status;
    status = ngi_store_read_begin(txn->store);
    if (status != NG_OK)
        return status;
    bool is_known = store_has_collection(txn->store, collection);
    ngi_store_read_end(txn->store);
    if (!is_known)
        return ngi_store_fail_collection(collection);
    void *array = txn->absents;
    status =
        condition_room(txn, &array, txn->absent_count, &txn->absent_capacity, sizeof *txn->absents);
    txn->absents = array;
    if (status != NG_OK)
        return status;
    txn_absent_condition *added = &txn->absents[txn->absent_count++];
    added->collection = collection;
    added->bytes = (uint32_t)label_bytes;
    memcpy(added->label, label, label_bytes);
    return NG_OK;
}

/* --- reads ----------------------------------------------------------------------------------- */

/* Finds a token as the transaction sees it; locked for reading if it succeeds. */
static ng_status txn_read_token(const ng_txn *txn, ng_token_id id, uint32_t *slot,
                                txn_token **entry)
{
    ng_status status = ngi_store_read_begin(txn->store);
    if (status != NG_OK)
        return status;
    status = ngi_overlay_find(txn, id, slot, entry);
    if (status != NG_OK)
        ngi_store_read_end(txn->store);
    return status;
}

ng_status ngi_txn_token_get(const ng_txn *txn, ng_token_id id, ng_token_info *out)
{
    uint32_t slot;
    txn_token *entry;
    ng_status status = txn_read_token(txn, id, &slot, &entry);
    if (status != NG_OK)
        return status;
    if (entry != NULL)
        ngi_overlay_info(txn, entry, out);
    else
        ngi_store_token_info(txn->store, slot, out);
    ngi_store_read_end(txn->store);
    return NG_OK;
}

ng_status ngi_txn_token_find(const ng_txn *txn, ng_collection_id collection, const char *label,
                             size_t label_bytes, ng_token_id *out)
{
    ng_store *store = txn->store;
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    uint32_t slot = 0;
    if (!store_has_collection(store, collection))
        status = ngi_store_fail_collection(collection);
    else
        slot = ngi_overlay_label_holder(txn, collection, label, label_bytes);
    if (status == NG_OK && slot == 0)
        status = ngi_fail(NG_E_NOT_FOUND, "no token labelled '%.*s' in collection %s",
                          label_bytes > 80 ? 80 : (int)label_bytes, label,
                          store->collections[collection].name);
    *out = slot;
    ngi_store_read_end(store);
    return status;
}

ng_status ngi_txn_token_label(const ng_txn *txn, ng_token_id id, char *out, size_t capacity,
                              size_t *bytes)
{
    uint32_t slot;
    txn_token *entry;
    ng_status status = txn_read_token(txn, id, &slot, &entry);
    if (status != NG_OK)
        return status;
    size_t length = 0;
    const char *text = NULL;
    if (entry == NULL || entry->label_bytes == NGI_OP_LABEL_KEEP) {
        text = ngi_labels_get(&txn->store->labels, slot, &length);
    } else {
        text = entry->label;
        length = entry->label_bytes;
    }
    if (text == NULL)
        length = 0;
    if (capacity > 0) {
        size_t copied = length < capacity - 1 ? length : capacity - 1;
        if (copied > 0)
            memcpy(out, text, copied);
        out[copied] = '\0';
    }
    if (bytes != NULL)
        *bytes = length;
    ngi_store_read_end(txn->store);
    return NG_OK;
}

/* What the transaction has staged of a token's tags, payload and expiry; sets nothing if nothing. */
static ngi_op_attributes txn_staged(const txn_token *entry)
{
    ngi_op_attributes staged = {0};
    if (entry != NULL && entry->attributes != NULL)
        ngi_op_attributes_decode(entry->attributes, &staged);
    return staged;
}

ng_status ngi_txn_token_tags(const ng_txn *txn, ng_token_id id, char *out, size_t capacity,
                             size_t *bytes)
{
    uint32_t slot;
    txn_token *entry;
    ng_status status = txn_read_token(txn, id, &slot, &entry);
    if (status != NG_OK)
        return status;
    const store_attributes *attributes = &txn->store->attributes;
    ngi_op_attributes staged = txn_staged(entry);
    store_attribute_entry committed = ngi_attributes_entry(attributes, slot);
    uint8_t packed[NGI_TAGS_PACKED_MAX];
    if (!(staged.set & NGI_ATTRIBUTE_TAGS)) {
        staged.tag_bytes = ngi_attributes_tags(attributes, &committed, packed);
        staged.tags = packed;
    }
    ngi_store_read_end(txn->store);
    size_t length = ngi_attributes_unpack(staged.tags, staged.tag_bytes, out, capacity);
    if (bytes != NULL)
        *bytes = length;
    return NG_OK;
}

ng_status ngi_txn_token_data(const ng_txn *txn, ng_token_id id, char *out, size_t capacity,
                             size_t *bytes)
{
    uint32_t slot;
    txn_token *entry;
    ng_status status = txn_read_token(txn, id, &slot, &entry);
    if (status != NG_OK)
        return status;
    ngi_op_attributes staged = txn_staged(entry);
    if (staged.set & NGI_ATTRIBUTE_DATA) {
        ngi_attributes_copy_text(staged.data, staged.data_bytes, out, capacity);
        if (bytes != NULL)
            *bytes = staged.data_bytes;
    } else {
        ngi_attributes_data(&txn->store->attributes, slot, out, capacity, bytes);
    }
    ngi_store_read_end(txn->store);
    return NG_OK;
}

ng_status ngi_txn_token_vector(const ng_txn *txn, ng_token_id id, float *out, size_t capacity,
                               size_t *count)
{
    uint32_t slot;
    txn_token *entry;
    ng_status status = txn_read_token(txn, id, &slot, &entry);
    if (status != NG_OK)
        return status;
    const float *row = NULL;
    *count = 0;
    if (entry == NULL || entry->vector == NGI_VECTOR_KEEP) {
        row = ngi_vectors_get(txn->store->vectors, slot);
        *count = row != NULL ? ngi_vectors_dimensions(txn->store->vectors) : 0;
    } else if (entry->vector == NGI_VECTOR_SET) {
        row = entry->floats;
        *count = entry->dimensions;
    }
    size_t copied = *count < capacity ? *count : capacity;
    if (copied > 0)
        memcpy(out, row, copied * sizeof *out);
    ngi_store_read_end(txn->store);
    return NG_OK;
}

/* What the transaction has staged of a token in a field: a row, NULL if it was removed. False if
 * nothing. */
static bool txn_staged_vector(const txn_token *entry, ng_vector_field_id field, const float **row)
{
    ngi_op_vectors staged;
    if (entry == NULL || entry->vectors == NULL)
        return false;
    ngi_op_vectors_decode(entry->vectors, &staged);
    for (uint32_t i = 0; i < staged.count; i++) {
        const ngi_op_field_vector *vector = &staged.vectors[i];
        if (vector->field != field)
            continue;
        *row = vector->dimensions > 0 ? (const float *)(const void *)vector->floats : NULL;
        return true;
    }
    return false;
}

ng_status ngi_txn_token_vector_in(const ng_txn *txn, ng_token_id id, ng_vector_field_id field,
                                  float *out, size_t capacity, size_t *count)
{
    uint32_t slot;
    txn_token *entry;
    *count = 0;
    if (field == 0)
        return ngi_txn_token_vector(txn, id, out, capacity, count);
    ng_status status = txn_read_token(txn, id, &slot, &entry);
    if (status != NG_OK)
        return status;
    const store_vector_field *in = ngi_vector_field(txn->store, field);
    const float *row = NULL;
    if (in == NULL) {
        ngi_store_read_end(txn->store);
        return ngi_vector_field_fail(field);
    }
    status = ngi_txn_check_field(txn, field);
    if (status == NG_OK && !txn_staged_vector(entry, field, &row))
        row = ngi_vectors_get(in->vectors, slot);
    if (row != NULL) {
        *count = in->spec.dimensions;
        size_t copied = *count < capacity ? *count : capacity;
        if (copied > 0)
            memcpy(out, row, copied * sizeof *out);
    }
    ngi_store_read_end(txn->store);
    return status;
}

ng_status ngi_txn_connection_get(const ng_txn *txn, ng_connection_id id, ng_connection *out)
{
    ng_status status = ngi_store_read_begin(txn->store);
    if (status != NG_OK)
        return status;
    txn_connection *entry;
    const ng_connection *record = ngi_overlay_connection_record(txn, id, &entry);
    if (record != NULL)
        *out = *record;
    else
        status = ngi_fail(NG_E_NOT_FOUND, "connection %llu not found", (unsigned long long)id);
    ngi_store_read_end(txn->store);
    return status;
}
