/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writes of tokens inside a transaction: evaluated against what the transaction sees, and put into its overlay.
 *
 * A call stages everything or nothing. Room for all its entries is made first, then each item is
 * evaluated and staged; if one fails, those before it are taken back in reverse, which cannot fail.
 * Ids are handed out before the read lock is taken, because the log's lock comes before it. */
#include "store/store_txn_private.h"

#include <string.h>

/* How to take back one staged token. */
typedef struct stage_undo {
    uint32_t index; /* of the entry */
    bool is_new;    /* the entry was appended */
    txn_token old;  /* otherwise: what it was, with the memory it still owns */
} stage_undo;

typedef struct stage_job {
    ng_txn *txn;
    const ng_write_options *write;
    const ngi_txn_put *put;
    uint32_t now_s;
    uint32_t *slots; /* handed out, for those that are created, in order */
    uint32_t slot_count;
    uint32_t slots_used;
    bool is_short; /* of slots: more labels are free than when they were counted */
    stage_undo *undo;
    size_t staged_count;
} stage_job;

uint32_t ngi_stage_now(const ng_txn *txn)
{
    ngi_os *os = txn->store->os;
    return (uint32_t)(os->clock_us(os) / 1000000);
}

/* What was evaluated against the constitution holds only as long as it is in force. */
void ngi_stage_note_cdna(ng_txn *txn)
{
    if (txn->uses_cdna)
        return;
    txn->uses_cdna = true;
    txn->cdna_version = txn->store->cdna_version;
}

/* write->if_seq of a staged write: it holds now, and has to at commit. */
ng_status ngi_stage_if_seq(ng_txn *txn, const ng_write_options *write)
{
    if (write == NULL || write->if_seq == 0)
        return NG_OK;
    ng_seq newest = ngi_wal_applied(txn->store->wal);
    ng_conflict conflict = {.kind = NG_CONFLICT_SEQ, .expected_seq = write->if_seq};
    if (write->if_seq != newest)
        return ngi_store_fail_conflict(txn->store, &conflict, 0,
                                       "if_seq %llu: the store's newest op is %llu",
                                       (unsigned long long)write->if_seq,
                                       (unsigned long long)newest);
    return NG_OK;
}

void ngi_stage_done(ng_txn *txn, const ng_write_options *write)
{
    if (write == NULL)
        return;
    if (txn->if_seq == 0)
        txn->if_seq = write->if_seq;
    if (write->seq != NULL)
        *write->seq = 0;
}

/* write->if_version, of a token as the transaction sees it. */
static ng_status stage_if_version(const ng_txn *txn, uint32_t slot, const txn_token *entry,
                                  const ng_write_options *write)
{
    if (entry == NULL)
        return ngi_store_if_version(txn->store, slot, write);
    uint32_t version = store_next_version(entry->base_version);
    if (write == NULL || write->if_version == 0 || write->if_version == version)
        return NG_OK;
    ng_conflict conflict = {.kind = NG_CONFLICT_VERSION,
                            .expected_version = write->if_version,
                            .version = version};
    ngi_overlay_info(txn, entry, &conflict.token);
    return ngi_store_fail_conflict(txn->store, &conflict, 0,
                                   "token %u has version %u in this transaction, not %u", slot,
                                   version, write->if_version);
}

ng_status ngi_txn_fail_label(const ng_txn *txn, uint32_t holder, const char *label, size_t bytes,
                             bool conflict)
{
    int shown = bytes > 80 ? 80 : (int)bytes;
    if (!conflict)
        return ngi_fail(NG_E_EXISTS, "label '%.*s' belongs to token %u", shown, label, holder);
    ng_conflict detail = {.kind = NG_CONFLICT_PRESENT};
    const txn_token *entry = ngi_overlay_token(txn, holder);
    if (entry != NULL)
        ngi_overlay_info(txn, entry, &detail.token);
    return ngi_store_fail_conflict(txn->store, &detail, entry != NULL ? 0 : holder,
                                   "label '%.*s' belongs to token %u", shown, label, holder);
}

ng_status ngi_txn_fail_joined(const ng_txn *txn, uint32_t id, const ng_connection *record,
                              bool conflict)
{
    const char *type = ng_connection_type_name(record->type);
    if (!conflict)
        return ngi_fail(NG_E_EXISTS, "connection %u already joins %u to %u as %s", id,
                        record->source, record->target, type);
    ng_conflict detail = {.kind = NG_CONFLICT_PRESENT, .connection = id};
    return ngi_store_fail_conflict(txn->store, &detail, 0,
                                   "connection %u already joins %u to %u as %s", id, record->source,
                                   record->target, type);
}

/* --- tokens ---------------------------------------------------------------------------------- */

/* The token that item `index` changes; 0 = it creates one. The caller holds a lock. */
static ng_token_id stage_target(const ng_txn *txn, const ngi_txn_put *put, size_t index)
{
    const ng_token_fields *fields = &put->fields[index];
    if (put->by_label)
        return ngi_overlay_label_holder(txn, fields->collection, fields->label,
                                        fields->label_bytes);
    return put->ids != NULL ? put->ids[index] : 0;
}

/* Makes `*next` of what item `index` is about, before its fields are applied. */
static ng_status stage_token_base(stage_job *job, size_t index, txn_token **entry, txn_token *next)
{
    ng_txn *txn = job->txn;
    ng_store *store = txn->store;
    ng_token_id id = stage_target(txn, job->put, index);
    *entry = NULL;
    *next = (txn_token){.state = TXN_CREATED, .label_bytes = NGI_OP_LABEL_KEEP};
    if (job->put->created != NULL)
        job->put->created[index] = id == 0;
    if (id == 0) {
        next->collection = job->put->fields[index].collection;
        job->is_short = job->slots_used == job->slot_count;
        if (job->is_short)
            return NG_E_LIMIT; /* is staged again, with slots enough */
        ngi_token_default(&next->record, job->slots[job->slots_used], job->now_s);
        if (!store_has_collection(store, next->collection))
            return ngi_store_fail_collection(next->collection);
        next->collection_epoch = store->collections[next->collection].epoch;
        return NG_OK;
    }
    uint32_t slot;
    ng_status status = ngi_overlay_find(txn, id, &slot, entry);
    if (status == NG_OK)
        status = stage_if_version(txn, slot, *entry, job->write);
    if (status != NG_OK)
        return status;
    if (*entry != NULL) {
        *next = **entry;
        return NG_OK;
    }
    next->state = TXN_UPDATED;
    next->record = store_records(store)[slot];
    next->collection = store_sides(store)[slot].collection;
    next->base_version = store_sides(store)[slot].version;
    return NG_OK;
}

/* Replaces the label of `*next` by a copy of the given one; the old one stays allocated. */
static ng_status stage_token_label(stage_job *job, const ng_token_fields *fields, txn_token *next)
{
    ng_txn *txn = job->txn;
    if (!(fields->set & NG_FIELD_LABEL))
        return NG_OK;
    if (fields->label_bytes == 0) {
        next->label = NULL;
        next->label_bytes = 0;
        return NG_OK;
    }
    uint32_t holder =
        ngi_overlay_label_holder(txn, next->collection, fields->label, fields->label_bytes);
    if (holder == next->record.slot)
        return NG_OK;
    if (holder != 0)
        return ngi_txn_fail_label(txn, holder, fields->label, fields->label_bytes,
                                  job->write != NULL && (job->write->flags & NG_WRITE_IF_ABSENT));
    void *block;
    ng_status status = ngi_alloc(store_account_of(txn->store, STORE_TRANSACTIONS),
                                 fields->label_bytes, "transaction", &block);
    if (status != NG_OK)
        return status;
    memcpy(block, fields->label, fields->label_bytes);
    next->label = block;
    next->label_bytes = (uint16_t)fields->label_bytes;
    return NG_OK;
}

/* Likewise the vector. */
static ng_status stage_token_vector(stage_job *job, const ng_token_fields *fields, txn_token *next)
{
    ng_txn *txn = job->txn;
    if (!(fields->set & NG_FIELD_VECTOR))
        return NG_OK;
    next->floats = NULL;
    next->dimensions = 0;
    next->vector = fields->vector_dimensions == 0 ? NGI_VECTOR_NONE : NGI_VECTOR_SET;
    if (next->vector == NGI_VECTOR_NONE)
        return NG_OK;
    ng_status status = ngi_txn_check_field(txn, 0);
    if (status != NG_OK)
        return status;
    uint32_t wanted = ngi_vectors_dimensions(txn->store->vectors);
    if (wanted == 0)
        wanted = txn->store->dimensions_wanted;
    if (wanted == 0)
        wanted = txn->dimensions;
    if (wanted != 0 && fields->vector_dimensions != wanted)
        return ngi_fail(NG_E_INVALID, "vector has %zu dimensions, this store has %u",
                        fields->vector_dimensions, wanted);
    size_t bytes = fields->vector_dimensions * sizeof(float);
    void *block;
    status =
        ngi_alloc(store_account_of(txn->store, STORE_TRANSACTIONS), bytes, "transaction", &block);
    if (status != NG_OK)
        return status;
    memcpy(block, fields->vector, bytes);
    next->floats = block;
    next->dimensions = (uint32_t)fields->vector_dimensions;
    return NG_OK;
}

/* Likewise tags, data and expiry: what is set anew over what was staged before. */
static ng_status stage_token_attributes(stage_job *job, const ng_token_fields *fields,
                                        txn_token *next)
{
    ngi_mem *mem = store_account_of(job->txn->store, STORE_TRANSACTIONS);
    ngi_op_attributes item, before = {0};
    void *block, *scratch;
    size_t bytes;
    if (!ngi_fields_have_attributes(fields))
        return NG_OK;
    ng_status status = ngi_fields_attribute_bytes(fields, &bytes);
    if (status == NG_OK)
        status = ngi_alloc(mem, bytes, "transaction", &scratch);
    if (status != NG_OK)
        return status;
    (void)ngi_fields_attributes_encode(scratch, next->record.slot, fields);
    ngi_op_attributes_decode(scratch, &item);
    if (next->attributes != NULL)
        ngi_op_attributes_decode(next->attributes, &before);
    ngi_op_attributes_merge(&item, &before);
    size_t merged_bytes = ngi_op_attributes_bytes(item.tag_bytes, item.data_bytes);
    status = ngi_alloc(mem, merged_bytes, "transaction", &block);
    if (status == NG_OK) {
        (void)ngi_op_attributes_encode(block, &item);
        next->attributes = block;
        next->attribute_bytes = (uint32_t)merged_bytes;
    }
    ngi_free(mem, scratch, bytes);
    return status;
}

/* That the fields are those in which this transaction has staged vectors before. */
static ng_status stage_check_fields(const ng_txn *txn, const ng_token_fields *fields)
{
    ng_status status = ngi_fields_check_vectors(txn->store, fields);
    for (size_t i = 0; i < fields->vector_count && status == NG_OK; i++)
        status = ngi_txn_check_field(txn, fields->vectors[i].field);
    return status;
}

/* Likewise vectors in named fields. */
static ng_status stage_token_vectors(stage_job *job, const ng_token_fields *fields, txn_token *next)
{
    ng_txn *txn = job->txn;
    ngi_op_vectors item, before = {0};
    void *block;
    size_t floats = 0;
    if (!ngi_fields_have_vectors(fields))
        return NG_OK;
    ng_status status = stage_check_fields(txn, fields);
    if (status != NG_OK)
        return status;
    ngi_fields_vectors(fields, next->record.slot, &item);
    if (next->vectors != NULL)
        ngi_op_vectors_decode(next->vectors, &before);
    ngi_op_vectors_merge(&item, &before);
    for (uint32_t i = 0; i < item.count; i++)
        floats += item.vectors[i].dimensions;
    size_t bytes = ngi_op_vectors_bytes(item.count, floats);
    status =
        ngi_alloc(store_account_of(txn->store, STORE_TRANSACTIONS), bytes, "transaction", &block);
    if (status != NG_OK)
        return status;
    (void)ngi_op_vectors_encode(block, &item);
    next->vectors = block;
    next->vector_bytes = (uint32_t)bytes;
    return NG_OK;
}

/* Frees what `entry` owns and `other` does not. */
static void stage_release_difference(ng_txn *txn, const txn_token *entry, const txn_token *other)
{
    txn_token mine = *entry;
    if (mine.label == other->label)
        mine.label = NULL;
    if (mine.floats == other->floats)
        mine.floats = NULL;
    if (mine.attributes == other->attributes)
        mine.attributes = NULL;
    if (mine.vectors == other->vectors)
        mine.vectors = NULL;
    ngi_overlay_release_token(txn, &mine);
}

static void stage_note_fields(ng_txn *txn, const ng_token_fields *fields)
{
    for (size_t i = 0; i < fields->vector_count; i++) {
        ng_vector_field_id id = fields->vectors[i].field;
        txn->field_epochs[id] = txn->store->vector_fields.fields[id]->epoch;
    }
}

static ng_status stage_token(stage_job *job, size_t index)
{
    ng_txn *txn = job->txn;
    const ng_token_fields *fields = &job->put->fields[index];
    txn_token *entry;
    txn_token next;
    ng_status status = stage_token_base(job, index, &entry, &next);
    if (status != NG_OK)
        return status;
    const txn_token base = next;
    NGI_TRY(ngi_token_apply_fields(&next.record, fields, &txn->store->encoding, &txn->store->cdna));
    NGI_TRY(stage_token_label(job, fields, &next));
    NGI_TRY(stage_token_vector(job, fields, &next));
    NGI_TRY(stage_token_attributes(job, fields, &next));
    NGI_TRY(stage_token_vectors(job, fields, &next));
    stage_undo *undo = &job->undo[job->staged_count++];
    if (entry != NULL) {
        *undo = (stage_undo){.index = (uint32_t)(entry - txn->tokens), .old = *entry};
        *entry = next;
    } else {
        entry = ngi_overlay_add_token(txn, &next);
        *undo = (stage_undo){.index = (uint32_t)(entry - txn->tokens), .is_new = true};
        job->slots_used += next.state == TXN_CREATED;
    }
    if (next.label != base.label)
        ngi_overlay_index_label(txn, entry);
    if (next.vector == NGI_VECTOR_SET) {
        txn->dimensions = next.dimensions;
        txn->field_epochs[0] = txn->store->vector_fields.main->epoch;
    }
    if (ngi_fields_have_vectors(fields))
        stage_note_fields(txn, fields);
out:
    if (status != NG_OK)
        stage_release_difference(txn, &next, &base);
    return status;
}

static void stage_tokens_keep(stage_job *job)
{
    for (size_t i = 0; i < job->staged_count; i++) {
        const stage_undo *undo = &job->undo[i];
        if (!undo->is_new)
            stage_release_difference(job->txn, &undo->old, &job->txn->tokens[undo->index]);
    }
}

static void stage_tokens_take_back(stage_job *job)
{
    ng_txn *txn = job->txn;
    while (job->staged_count > 0) {
        const stage_undo *undo = &job->undo[--job->staged_count];
        txn_token *entry = &txn->tokens[undo->index];
        if (undo->is_new) {
            ngi_overlay_release_token(txn, entry);
            txn->token_count--;
        } else {
            stage_release_difference(txn, entry, &undo->old);
            *entry = undo->old;
        }
    }
}

static ng_status stage_tokens_locked(stage_job *job)
{
    ng_txn *txn = job->txn;
    uint32_t dimensions = txn->dimensions;
    ng_status status = ngi_store_read_begin(txn->store);
    if (status != NG_OK)
        return status;
    status = ngi_stage_if_seq(txn, job->write);
    for (size_t i = 0; status == NG_OK && i < job->put->count; i++) {
        status = stage_token(job, i);
        if (!job->is_short)
            status = ngi_fail_item(status, i, job->put->count);
    }
    if (status == NG_OK) {
        ngi_stage_note_cdna(txn);
        stage_tokens_keep(job);
    } else {
        stage_tokens_take_back(job);
        txn->dimensions = dimensions;
    }
    ngi_store_read_end(txn->store);
    return status;
}

/* How many tokens a call creates: of labels, as far as it can be seen without a writer's lock. */
static ng_status stage_count_new(const ng_txn *txn, const ngi_txn_put *put, uint32_t *out)
{
    *out = 0;
    ng_status status = put->by_label ? ngi_store_read_begin(txn->store) : NG_OK;
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < put->count; i++)
        *out += stage_target(txn, put, i) == 0;
    if (put->by_label)
        ngi_store_read_end(txn->store);
    return NG_OK;
}

/* Stages everything with `slot_count` slots handed out; those not used come back. */
static ng_status stage_tokens(stage_job *job, uint32_t slot_count)
{
    ng_store *store = job->txn->store;
    size_t slot_bytes = slot_count * sizeof *job->slots;
    void *slots = NULL;
    ngi_mem *mem = store_account_of(store, STORE_TRANSACTIONS);
    ng_status status = ngi_alloc(mem, slot_bytes, "transaction", &slots);
    if (status != NG_OK)
        return status;
    job->slots = slots;
    job->slots_used = 0;
    job->slot_count = 0;
    job->staged_count = 0;
    job->is_short = false;
    NGI_TRY(ngi_given_take_slots(store, slot_count, job->slots));
    job->slot_count = slot_count;
    status = stage_tokens_locked(job);
    uint32_t used = status == NG_OK ? job->slots_used : 0;
    ngi_given_return_slots(store, job->slots + used, job->slot_count - used);
out:
    ngi_free(mem, slots, slot_bytes);
    return status;
}

ng_status ngi_txn_token_put(ng_txn *txn, const ngi_txn_put *put, const ng_write_options *write,
                            ng_token_id *out)
{
    stage_job job = {.txn = txn, .write = write, .put = put, .now_s = ngi_stage_now(txn)};
    ngi_mem *mem = store_account_of(txn->store, STORE_TRANSACTIONS);
    uint32_t new_count = 0;
    uint32_t entry_count = 0;
    size_t undo_bytes = put->count * sizeof *job.undo;
    void *undo = NULL;
    ng_status status = NG_OK;
    for (size_t i = 0; i < put->count; i++) {
        ng_token_id id = put->ids != NULL ? put->ids[i] : 0;
        entry_count += id == 0 || ngi_overlay_token(txn, (uint32_t)id) == NULL;
    }
    NGI_TRY(ngi_overlay_reserve_tokens(txn, entry_count, (uint32_t)put->count));
    NGI_TRY(ngi_alloc(mem, undo_bytes, "transaction", &undo));
    job.undo = undo;
    NGI_TRY(stage_count_new(txn, put, &new_count));
    status = stage_tokens(&job, new_count);
    if (job.is_short)
        status = stage_tokens(&job, (uint32_t)put->count);
    if (status != NG_OK)
        goto out;
    for (size_t i = 0; out != NULL && i < put->count; i++)
        out[i] = txn->tokens[job.undo[i].index].record.slot;
    ngi_stage_done(txn, write);
out:
    ngi_free(mem, undo, undo_bytes);
    return status;
}

/* Connections of a token that goes: a created one is as if it had never been staged, one that was
 * changed is deleted, and the others are the cascade of the token. */
static void stage_drop_connections(ng_txn *txn, uint32_t slot)
{
    for (uint32_t i = 0; i < txn->connection_count; i++) {
        txn_connection *entry = &txn->connections[i];
        if ((entry->state == TXN_CREATED || entry->state == TXN_UPDATED) &&
            (entry->record.source == slot || entry->record.target == slot))
            ngi_overlay_delete_connection(txn, entry);
    }
}

static void stage_delete_entry(ng_txn *txn, txn_token *entry)
{
    ngi_overlay_release_token(txn, entry);
    entry->label_bytes = NGI_OP_LABEL_KEEP;
    entry->vector = NGI_VECTOR_KEEP;
    entry->dimensions = 0;
    entry->attribute_bytes = 0;
    entry->vector_bytes = 0;
    entry->state = entry->state == TXN_CREATED ? TXN_GONE : TXN_DELETED;
    txn->deleted_count += entry->state == TXN_DELETED;
    stage_drop_connections(txn, entry->record.slot);
}

static ng_status stage_check_delete(const ng_txn *txn, ng_token_id id,
                                    const ng_write_options *write)
{
    uint32_t slot;
    txn_token *entry;
    ng_status status = ngi_overlay_find(txn, id, &slot, &entry);
    return status != NG_OK ? status : stage_if_version(txn, slot, entry, write);
}

/* A token that is there, for whose entry there is room. */
static void stage_token_delete(ng_txn *txn, uint32_t slot)
{
    txn_token *entry = ngi_overlay_token(txn, slot);
    if (entry == NULL) {
        const store_side *side = &store_sides(txn->store)[slot];
        const txn_token deleted = {.state = TXN_UPDATED,
                                   .record = store_records(txn->store)[slot],
                                   .collection = side->collection,
                                   .base_version = side->version,
                                   .label_bytes = NGI_OP_LABEL_KEEP};
        entry = ngi_overlay_add_token(txn, &deleted);
    }
    stage_delete_entry(txn, entry);
}

ng_status ngi_txn_token_delete(ng_txn *txn, const ng_token_id *ids, size_t count,
                               const ng_write_options *write)
{
    uint32_t more = 0;
    for (size_t i = 0; i < count; i++)
        more += ids[i] > UINT32_MAX || ngi_overlay_token(txn, (uint32_t)ids[i]) == NULL;
    ng_status status = ngi_overlay_reserve_tokens(txn, more, 0);
    if (status == NG_OK)
        status = ngi_store_read_begin(txn->store);
    if (status != NG_OK)
        return status;
    status = ngi_stage_if_seq(txn, write);
    for (size_t i = 0; status == NG_OK && i < count; i++)
        status = ngi_fail_item(stage_check_delete(txn, ids[i], write), i, count);
    for (size_t i = 0; status == NG_OK && i < count; i++)
        stage_token_delete(txn, (uint32_t)ids[i]);
    ngi_store_read_end(txn->store);
    if (status == NG_OK)
        ngi_stage_done(txn, write);
    return status;
}
