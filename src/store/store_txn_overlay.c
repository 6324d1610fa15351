/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The overlay of a transaction: entries, their indexes, and the state seen through them. */
#include "store/store_txn_private.h"

#include <string.h>
#include <xxhash.h>

#define OVERLAY_BUCKETS_MIN 16u

/* --- indexes --------------------------------------------------------------------------------- */

static uint64_t hash_number(uint64_t number)
{
    number *= UINT64_C(0x9E3779B97F4A7C15);
    return number ^ number >> 32;
}

static uint64_t hash_ends(const ng_connection *record)
{
    return hash_number(((uint64_t)record->source << 32 | record->target) +
                       hash_number(record->type));
}

static uint64_t hash_label(uint32_t collection, const char *label, size_t bytes)
{
    return XXH3_64bits_withSeed(label, bytes, collection);
}

static bool is_put(txn_state state)
{
    return state == TXN_CREATED || state == TXN_UPDATED;
}

static bool entry_has_label(const txn_token *entry)
{
    return is_put(entry->state) && entry->label != NULL;
}

/* The hash of an entry's present key; false if it has none. */
typedef bool (*overlay_key)(const ng_txn *txn, uint32_t entry, uint64_t *hash);

static bool key_slot(const ng_txn *txn, uint32_t entry, uint64_t *hash)
{
    *hash = hash_number(txn->tokens[entry].record.slot);
    return true;
}

static bool key_label(const ng_txn *txn, uint32_t entry, uint64_t *hash)
{
    const txn_token *token = &txn->tokens[entry];
    if (!entry_has_label(token))
        return false;
    *hash = hash_label(token->collection, token->label, token->label_bytes);
    return true;
}

static bool key_id(const ng_txn *txn, uint32_t entry, uint64_t *hash)
{
    *hash = hash_number(txn->connections[entry].id);
    return true;
}

static bool key_ends(const ng_txn *txn, uint32_t entry, uint64_t *hash)
{
    *hash = hash_ends(&txn->connections[entry].record);
    return is_put(txn->connections[entry].state);
}

static void index_put(txn_index *index, uint64_t hash, uint32_t entry)
{
    size_t mask = index->bucket_count - 1;
    size_t at = hash & mask;
    while (index->buckets[at] != 0)
        at = (at + 1) & mask;
    index->buckets[at] = entry + 1;
    index->used_count++;
}

/* Room for `more` puts. Buckets that lead to keys which entries no longer have are left behind. */
static ng_status index_reserve(ng_txn *txn, txn_index *index, uint32_t more, uint32_t entry_count,
                               overlay_key key)
{
    if (index->used_count + more <= index->bucket_count / 2)
        return NG_OK;
    size_t wanted = OVERLAY_BUCKETS_MIN;
    while (wanted < 4 * ((size_t)entry_count + more))
        wanted *= 2;
    void *block;
    ng_status status = ngi_alloc(store_account_of(txn->store, STORE_TRANSACTIONS),
                                 wanted * sizeof(uint32_t), "index of a transaction", &block);
    if (status != NG_OK)
        return status;
    memset(block, 0, wanted * sizeof(uint32_t));
    ngi_free(store_account_of(txn->store, STORE_TRANSACTIONS), index->buckets,
             index->bucket_count * sizeof(uint32_t));
    *index = (txn_index){.buckets = block, .bucket_count = wanted};
    for (uint32_t i = 0; i < entry_count; i++) {
        uint64_t hash;
        if (key(txn, i, &hash))
            index_put(index, hash, i);
    }
    return NG_OK;
}

/* Walks the entries that a hash may lead to: begin with `*at` = hash; UINT32_MAX = no more. */
static uint32_t index_next(const txn_index *index, uint64_t *at, uint32_t entry_count)
{
    if (index->bucket_count == 0)
        return UINT32_MAX;
    for (size_t mask = index->bucket_count - 1;; ++*at) {
        uint32_t entry = index->buckets[*at & mask];
        if (entry == 0)
            return UINT32_MAX;
        if (entry <= entry_count) {
            ++*at;
            return entry - 1;
        }
    }
}

/* --- entries --------------------------------------------------------------------------------- */

static ng_status overlay_grow(ng_txn *txn, void **array, uint32_t *capacity, uint32_t wanted,
                              size_t item_bytes)
{
    uint32_t next = *capacity == 0 ? 8 : *capacity;
    while (next < wanted)
        next *= 2;
    if (next == *capacity)
        return NG_OK;
    ng_status status = ngi_resize(store_account_of(txn->store, STORE_TRANSACTIONS), array,
                                  *capacity * item_bytes, next * item_bytes, "transaction");
    if (status == NG_OK)
        *capacity = next;
    return status;
}

ng_status ngi_overlay_reserve_tokens(ng_txn *txn, uint32_t more, uint32_t labels)
{
    ng_status status;
    uint32_t count = txn->token_count;
    if (more > NGI_BATCH_MAX - count)
        return ngi_fail(NG_E_LIMIT, "a transaction holds at most %d tokens", NGI_BATCH_MAX);
    void *array = txn->tokens;
    status = overlay_grow(txn, &array, &txn->token_capacity, count + more, sizeof *txn->tokens);
    txn->tokens = array;
    if (status != NG_OK)
        return status;
    NGI_TRY(index_reserve(txn, &txn->by_slot, more, count, key_slot));
    NGI_TRY(index_reserve(txn, &txn->by_label, labels, count, key_label));
out:
    return status;
}

ng_status ngi_overlay_reserve_connections(ng_txn *txn, uint32_t more, uint32_t keys)
{
    ng_status status;
    uint32_t count = txn->connection_count;
    if (more > NGI_BATCH_MAX - count)
        return ngi_fail(NG_E_LIMIT, "a transaction holds at most %d connections", NGI_BATCH_MAX);
    void *array = txn->connections;
    status = overlay_grow(txn, &array, &txn->connection_capacity, count + more,
                          sizeof *txn->connections);
    txn->connections = array;
    if (status != NG_OK)
        return status;
    NGI_TRY(index_reserve(txn, &txn->by_id, more, count, key_id));
    NGI_TRY(index_reserve(txn, &txn->by_ends, keys, count, key_ends));
    NGI_TRY(
        ngi_degrees_reserve(store_account_of(txn->store, STORE_TRANSACTIONS), &txn->degrees, more));
out:
    return status;
}

txn_token *ngi_overlay_add_token(ng_txn *txn, const txn_token *entry)
{
    txn_token *added = &txn->tokens[txn->token_count];
    *added = *entry;
    index_put(&txn->by_slot, hash_number(entry->record.slot), txn->token_count++);
    return added;
}

/* Counts an entry in or out, in its present state. */
static void overlay_count_connection(ng_txn *txn, const txn_connection *entry, bool in)
{
    uint32_t by = in ? 1 : UINT32_MAX; /* one more, or one less */
    if (entry->state == TXN_DELETED)
        txn->deleted_count += by;
    if (entry->state == TXN_UPDATED)
        txn->updated_count += by;
    if (entry->state == TXN_CREATED && in)
        ngi_degrees_add(&txn->degrees, entry->record.source, entry->record.target);
    if (entry->state == TXN_CREATED && !in)
        ngi_degrees_remove(&txn->degrees, entry->record.source, entry->record.target);
}

txn_connection *ngi_overlay_add_connection(ng_txn *txn, const txn_connection *entry)
{
    txn_connection *added = &txn->connections[txn->connection_count];
    *added = *entry;
    index_put(&txn->by_id, hash_number(entry->id), txn->connection_count);
    if (is_put(entry->state))
        index_put(&txn->by_ends, hash_ends(&entry->record), txn->connection_count);
    overlay_count_connection(txn, added, true);
    txn->connection_count++;
    return added;
}

/* A key that an entry had still leads to it, so only a type that it gets needs a bucket. */
void ngi_overlay_restore_connection(ng_txn *txn, txn_connection *entry, const txn_connection *old)
{
    overlay_count_connection(txn, entry, false);
    *entry = *old;
    overlay_count_connection(txn, entry, true);
}

void ngi_overlay_set_connection(ng_txn *txn, txn_connection *entry, const txn_connection *next)
{
    bool has_new_key = is_put(next->state) && next->record.type != entry->record.type;
    ngi_overlay_restore_connection(txn, entry, next);
    if (has_new_key)
        index_put(&txn->by_ends, hash_ends(&entry->record), (uint32_t)(entry - txn->connections));
}

void ngi_overlay_pop_connection(ng_txn *txn)
{
    overlay_count_connection(txn, &txn->connections[--txn->connection_count], false);
}

void ngi_overlay_delete_connection(ng_txn *txn, txn_connection *entry)
{
    txn_connection next = *entry;
    next.state = entry->state == TXN_CREATED ? TXN_GONE : TXN_DELETED;
    ngi_overlay_set_connection(txn, entry, &next);
}

void ngi_overlay_index_label(ng_txn *txn, const txn_token *entry)
{
    if (entry_has_label(entry))
        index_put(&txn->by_label, hash_label(entry->collection, entry->label, entry->label_bytes),
                  (uint32_t)(entry - txn->tokens));
}

void ngi_overlay_release_token(ng_txn *txn, txn_token *entry)
{
    if (entry->label != NULL)
        ngi_free(store_account_of(txn->store, STORE_TRANSACTIONS), entry->label,
                 entry->label_bytes);
    if (entry->floats != NULL)
        ngi_free(store_account_of(txn->store, STORE_TRANSACTIONS), entry->floats,
                 entry->dimensions * sizeof(float));
    if (entry->attributes != NULL)
        ngi_free(store_account_of(txn->store, STORE_TRANSACTIONS), entry->attributes,
                 entry->attribute_bytes);
    if (entry->vectors != NULL)
        ngi_free(store_account_of(txn->store, STORE_TRANSACTIONS), entry->vectors,
                 entry->vector_bytes);
    entry->label = NULL;
    entry->floats = NULL;
    entry->attributes = NULL;
    entry->vectors = NULL;
}

static void index_release(ngi_mem *mem, txn_index *index)
{
    ngi_free(mem, index->buckets, index->bucket_count * sizeof(uint32_t));
}

void ngi_overlay_release(ng_txn *txn)
{
    ngi_mem *mem = store_account_of(txn->store, STORE_TRANSACTIONS);
    for (uint32_t i = 0; i < txn->token_count; i++)
        ngi_overlay_release_token(txn, &txn->tokens[i]);
    ngi_free(mem, txn->tokens, txn->token_capacity * sizeof *txn->tokens);
    ngi_free(mem, txn->connections, txn->connection_capacity * sizeof *txn->connections);
    index_release(mem, &txn->by_slot);
    index_release(mem, &txn->by_label);
    index_release(mem, &txn->by_id);
    index_release(mem, &txn->by_ends);
    ngi_degrees_release(mem, &txn->degrees);
    ngi_free(mem, txn->versions, txn->version_capacity * sizeof *txn->versions);
    ngi_free(mem, txn->absents, txn->absent_capacity * sizeof *txn->absents);
}

/* --- what is seen ---------------------------------------------------------------------------- */

txn_token *ngi_overlay_token(const ng_txn *txn, uint32_t slot)
{
    uint64_t at = hash_number(slot);
    for (uint32_t i; (i = index_next(&txn->by_slot, &at, txn->token_count)) != UINT32_MAX;) {
        if (txn->tokens[i].record.slot == slot)
            return &txn->tokens[i];
    }
    return NULL;
}

txn_connection *ngi_overlay_connection(const ng_txn *txn, ng_connection_id id)
{
    uint64_t at = hash_number(id);
    for (uint32_t i; (i = index_next(&txn->by_id, &at, txn->connection_count)) != UINT32_MAX;) {
        if (txn->connections[i].id == id)
            return &txn->connections[i];
    }
    return NULL;
}

bool ngi_overlay_is_deleted(const ng_txn *txn, uint32_t slot)
{
    const txn_token *entry = ngi_overlay_token(txn, slot);
    return entry != NULL && (entry->state == TXN_DELETED || entry->state == TXN_GONE);
}

ng_status ngi_overlay_find(const ng_txn *txn, ng_token_id id, uint32_t *slot, txn_token **entry)
{
    *slot = (uint32_t)id;
    *entry = id <= UINT32_MAX ? ngi_overlay_token(txn, (uint32_t)id) : NULL;
    if (*entry == NULL)
        return ngi_store_slot(txn->store, id, slot);
    if ((*entry)->state == TXN_DELETED || (*entry)->state == TXN_GONE)
        return ngi_store_fail_token(id);
    return NG_OK;
}

bool ngi_overlay_keeps_label(const ng_txn *txn, uint32_t slot)
{
    const txn_token *entry = ngi_overlay_token(txn, slot);
    return entry == NULL ||
           (entry->state != TXN_DELETED && entry->label_bytes == NGI_OP_LABEL_KEEP);
}

uint32_t ngi_overlay_label_holder(const ng_txn *txn, uint32_t collection, const char *label,
                                  size_t bytes)
{
    uint64_t at = hash_label(collection, label, bytes);
    for (uint32_t i; (i = index_next(&txn->by_label, &at, txn->token_count)) != UINT32_MAX;) {
        const txn_token *entry = &txn->tokens[i];
        if (entry_has_label(entry) && entry->collection == collection &&
            entry->label_bytes == bytes && memcmp(entry->label, label, bytes) == 0)
            return entry->record.slot;
    }
    uint32_t holder = ngi_labels_find(&txn->store->labels, collection, label, bytes);
    return holder != 0 && ngi_overlay_keeps_label(txn, holder) ? holder : 0;
}

bool ngi_overlay_shows(const ng_txn *txn, uint32_t id, const ng_connection *record)
{
    if (txn->deleted_count == 0 && txn->updated_count == 0)
        return true;
    return ngi_overlay_connection(txn, id) == NULL &&
           !ngi_overlay_is_deleted(txn, record->source) &&
           !ngi_overlay_is_deleted(txn, record->target);
}

txn_connection *ngi_overlay_joined(const ng_txn *txn, uint32_t source, uint32_t target,
                                   uint8_t type)
{
    const ng_connection record = {.source = source, .target = target, .type = type};
    uint64_t at = hash_ends(&record);
    for (uint32_t i; (i = index_next(&txn->by_ends, &at, txn->connection_count)) != UINT32_MAX;) {
        txn_connection *entry = &txn->connections[i];
        if (is_put(entry->state) && entry->record.source == source &&
            entry->record.target == target && entry->record.type == type)
            return entry;
    }
    return NULL;
}

uint32_t ngi_overlay_joining(const ng_txn *txn, const ng_connection *record)
{
    const txn_connection *entry =
        ngi_overlay_joined(txn, record->source, record->target, record->type);
    if (entry != NULL)
        return entry->id;
    uint32_t id = ngi_graph_find(&txn->store->graph, record->source, record->target, record->type);
    return id != 0 && ngi_overlay_shows(txn, id, record) ? id : 0;
}

const ng_connection *ngi_overlay_connection_record(const ng_txn *txn, ng_connection_id id,
                                                   txn_connection **entry)
{
    *entry = ngi_overlay_connection(txn, id);
    if (*entry != NULL)
        return is_put((*entry)->state) ? &(*entry)->record : NULL;
    const ng_connection *record =
        id <= UINT32_MAX ? ngi_graph_get(&txn->store->graph, (uint32_t)id) : NULL;
    return record != NULL && ngi_overlay_shows(txn, (uint32_t)id, record) ? record : NULL;
}

/* An UPDATED connection is one of those that stay. */
static bool overlay_leaves(const ng_txn *txn, uint32_t id)
{
    txn_connection *entry;
    return ngi_overlay_connection_record(txn, id, &entry) != NULL;
}

/* Committed connections of one direction that the transaction leaves. */
static uint32_t overlay_surviving(const ng_txn *txn, uint32_t slot, bool outgoing)
{
    const ngi_graph *graph = &txn->store->graph;
    ngi_graph_node node = ngi_graph_node_of(graph, slot);
    if (txn->deleted_count == 0)
        return outgoing ? node.out_degree : node.in_degree;
    uint32_t count = 0;
    for (uint32_t id = outgoing ? node.first_out : node.first_in; id != 0;) {
        count += overlay_leaves(txn, id);
        const ngi_graph_links *links = ngi_graph_links_of(graph, id);
        id = outgoing ? links->next_out : links->next_in;
    }
    return count;
}

ng_status ngi_overlay_check_degree(const ng_txn *txn, uint32_t slot, bool outgoing, uint32_t more)
{
    const ng_cdna *cdna = &txn->store->cdna;
    ngi_graph_node node = ngi_graph_node_of(&txn->store->graph, slot);
    store_degree staged = ngi_degrees_of(&txn->degrees, slot);
    uint64_t out_degree = (uint64_t)node.out_degree + staged.out;
    uint64_t in_degree = (uint64_t)node.in_degree + staged.in;
    uint64_t most = out_degree + in_degree + more;
    if (most <= cdna->max_out_degree && most <= cdna->max_in_degree &&
        most <= cdna->max_total_degree)
        return NG_OK; /* whatever is deleted: nearly always, and without counting it */
    out_degree = (uint64_t)overlay_surviving(txn, slot, true) + staged.out;
    in_degree = (uint64_t)overlay_surviving(txn, slot, false) + staged.in;
    if (outgoing && out_degree + more > cdna->max_out_degree)
        return ngi_fail(NG_E_LIMIT, "token %u already has max_out_degree %u connections", slot,
                        cdna->max_out_degree);
    if (!outgoing && in_degree + more > cdna->max_in_degree)
        return ngi_fail(NG_E_LIMIT, "token %u already has max_in_degree %u connections", slot,
                        cdna->max_in_degree);
    if (out_degree + in_degree + more > cdna->max_total_degree)
        return ngi_fail(NG_E_LIMIT, "token %u already has max_total_degree %u connections", slot,
                        cdna->max_total_degree);
    return NG_OK;
}

static void overlay_vector_fields(const txn_token *entry, ng_token_info *out)
{
    ngi_op_vectors staged;
    if (entry->vectors == NULL)
        return;
    ngi_op_vectors_decode(entry->vectors, &staged);
    for (uint32_t i = 0; i < staged.count; i++) {
        unsigned bit = 1u << staged.vectors[i].field, set = out->vector_fields;
        out->vector_fields = (uint16_t)(staged.vectors[i].dimensions > 0 ? set | bit : set & ~bit);
    }
}

void ngi_overlay_info(const ng_txn *txn, const txn_token *entry, ng_token_info *out)
{
    uint32_t slot = entry->record.slot;
    *out = (ng_token_info){.id = slot};
    if (store_live_slot(txn->store, slot) != 0)
        ngi_store_token_info(txn->store, slot, out);
    out->record = entry->record;
    out->collection = entry->collection;
    out->version = store_next_version(entry->base_version);
    if (entry->vector != NGI_VECTOR_KEEP)
        out->has_vector = entry->vector == NGI_VECTOR_SET;
    overlay_vector_fields(entry, out);
    if (entry->attributes == NULL)
        return;
    ngi_op_attributes staged;
    ngi_op_attributes_decode(entry->attributes, &staged);
    if (staged.set & NGI_ATTRIBUTE_TAGS)
        out->tag_count = staged.tag_count;
    if (staged.set & NGI_ATTRIBUTE_DATA)
        out->data_bytes = staged.data_bytes;
    if (staged.set & NGI_ATTRIBUTE_EXPIRY)
        out->expires_us = staged.expires_us;
}
