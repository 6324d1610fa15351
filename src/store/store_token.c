/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens: create, update, read, find. */
#include "store/store_look.h"
#include "store/store_txn.h"

#include <string.h>

/* --- reads ----------------------------------------------------------------------------------- */

ng_status ngi_store_token_get(const ng_store *store, ng_token_id id, ng_token_info *out)
{
    if (NGI_UNLIKELY(store_is_outside(store, id)))
        return ngi_store_fail_read(store, id);
    ng_token_info info;
    store_look look = store_look_at(store, (uint32_t)id);
    do {
        store_look_begin(&look);
        ngi_store_token_info(store, (uint32_t)id, &info);
    } while (!store_look_end(&look));
    if (NGI_UNLIKELY(info.record.slot == 0))
        return ngi_store_fail_read(store, id);
    *out = info;
    return NG_OK;
}

typedef struct wanted_label {
    const char *text;
    size_t bytes;
    uint32_t collection, hash;
} wanted_label;

/* The slot that has the label at some moment of this call, or 0: nobody, or it moved meanwhile. */
static uint32_t find_once(const ng_store *store, const wanted_label *wanted)
{
    /* A new token has its label before its op publishes it, perhaps one that another gives up. */
    uint64_t end = atomic_load_explicit(&store->readable_end, memory_order_acquire);
    uint32_t slot = ngi_labels_find_shared(&store->labels, wanted->hash, wanted->collection,
                                           wanted->text, wanted->bytes, (uint32_t)end);
    if (slot == 0)
        return 0;
    bool is_it;
    store_look look = store_look_at(store, slot);
    do {
        store_look_begin(&look);
        is_it = ngi_labels_is(&store->labels, slot, wanted->hash, wanted->collection, wanted->text,
                              wanted->bytes);
    } while (!store_look_end(&look));
    return is_it ? slot : 0;
}

/* Whoever is found has the label; that nobody has it takes a moment in which none is taken away. */
static uint32_t find_slot(const ng_store *store, const wanted_label *wanted)
{
    const atomic_uint *removals = &store->labels.removals;
    unsigned before = ngi_change_count(removals);
    uint32_t slot = find_once(store, wanted);
    if (NGI_LIKELY(slot != 0 || ngi_change_none(removals, before)))
        return slot;
    store_look look = store_look_at_none(store);
    store_look_also(&look, removals);
    do {
        store_look_begin(&look);
        slot = find_once(store, wanted);
    } while (!store_look_end(&look));
    return slot;
}

static __attribute__((cold)) ng_status find_fail(const ng_store *store, const wanted_label *wanted)
{
    char collection[NGI_COLLECTION_NAME_MAX + 1];
    ng_status status = ngi_store_collection_get(store, wanted->collection, collection, NULL);
    if (status != NG_OK)
        return status;
    return ngi_fail(NG_E_NOT_FOUND, "no token labelled '%.*s' in collection %s",
                    wanted->bytes > 80 ? 80 : (int)wanted->bytes, wanted->text, collection);
}

ng_status ngi_store_token_find(const ng_store *store, ng_collection_id collection,
                               const char *label, size_t label_bytes, ng_token_id *out)
{
    ng_status status = ngi_store_check_readable(store);
    if (status != NG_OK)
        return status;
    wanted_label wanted = {.text = label,
                           .bytes = label_bytes,
                           .collection = collection,
                           .hash = ngi_labels_hash(collection, label, label_bytes)};
    *out = find_slot(store, &wanted);
    return NGI_LIKELY(*out != 0) ? NG_OK : find_fail(store, &wanted);
}

ng_status ngi_store_token_label(const ng_store *store, ng_token_id id, char *out, size_t capacity,
                                size_t *bytes)
{
    uint32_t slot;
    size_t length;
    if (NGI_UNLIKELY(store_is_outside(store, id)))
        return ngi_store_fail_read(store, id);
    size_t room = capacity > 0 ? capacity - 1 : 0;
    store_look look = store_look_at(store, (uint32_t)id);
    do {
        store_look_begin(&look);
        slot = store_shared_slot(store, id);
        length = ngi_labels_read(&store->labels, (uint32_t)id, out, room);
    } while (!store_look_end(&look));
    if (NGI_UNLIKELY(slot == 0))
        return ngi_store_fail_read(store, id);
    if (capacity > 0)
        out[length < room ? length : room] = '\0';
    if (bytes != NULL)
        *bytes = length;
    return NG_OK;
}

ng_status ngi_store_token_vector(const ng_store *store, ng_token_id id, float *out, size_t capacity,
                                 size_t *count)
{
    uint32_t slot;
    if (NGI_UNLIKELY(store_is_outside(store, id)))
        return ngi_store_fail_read(store, id);
    store_look look = store_look_at(store, (uint32_t)id);
    do {
        store_look_begin(&look);
        slot = store_shared_slot(store, id);
        *count = ngi_vectors_read(store->vectors, (uint32_t)id, out, capacity);
    } while (!store_look_end(&look));
    return NGI_LIKELY(slot != 0) ? NG_OK : ngi_store_fail_read(store, id);
}

bool ngi_store_token_coordinates(const ng_store *store, const ng_token *record, ng_space space,
                                 float out[NG_AXIS_COUNT])
{
    int16_t raw[NG_AXIS_COUNT];
    memcpy(raw, record->coordinates[space], sizeof raw);
    return ngi_space_decode(&store->encoding, space, raw, out);
}

/* --- conditions ------------------------------------------------------------------------------ */

ng_status ngi_store_check_txn(const ng_store *store, const ng_write_options *write)
{
    if (ngi_txn_store(write->txn) == store)
        return NG_OK;
    return ngi_fail(NG_E_INVALID, "write.txn is a transaction of another store");
}

ng_status ngi_store_if_version(ng_store *store, uint32_t slot, const ng_write_options *write)
{
    uint32_t version = store_sides(store)[slot].version;
    if (write == NULL || write->if_version == 0 || write->if_version == version)
        return NG_OK;
    ng_conflict conflict = {.kind = NG_CONFLICT_VERSION,
                            .expected_version = write->if_version,
                            .version = version};
    return ngi_store_fail_conflict(store, &conflict, slot, "token %u has version %u, not %u", slot,
                                   version, write->if_version);
}

/* --- writes ---------------------------------------------------------------------------------- */

#define PUT_AHEAD 16u /* items; from 12 to 32 there is no difference */

/* The labels of one batch, so that each is hashed once and the same label twice in it is found: open
 * addressing over item numbers. */
typedef struct label_set {
    uint32_t *hashes;  /* by item, of those that have a label; NULL = none has */
    uint32_t *buckets; /* item + 1; 0 = empty; behind the hashes */
    size_t mask;
    size_t bytes;       /* allocated for both */
    uint32_t single[3]; /* both, of a batch of one */
} label_set;

typedef struct put_job {
    ng_store *store;
    const ng_token_id *ids; /* NULL: all are created */
    const ng_token_fields *fields;
    size_t count;
    const ng_write_options *write; /* or NULL */
    bool by_label;                 /* `ids` is NULL: who has the label is updated */
    bool *created;                 /* by position, or NULL */
    ng_token blank;                /* of a new token */
    uint32_t slot_next;            /* for the next new token */
    uint32_t attribute_count; /* items with tags, data or expiry: they make a part of their own */
    uint32_t vector_count;    /* items with vectors in named fields: likewise */
    store_room room;          /* of what has been checked; dimensions 0 = no vector yet */
    label_set labels;
} put_job;

static bool put_has_label(const ng_token_fields *fields)
{
    return (fields->set & NG_FIELD_LABEL) && fields->label_bytes > 0;
}

static bool put_has_vector(const ng_token_fields *fields)
{
    return (fields->set & NG_FIELD_VECTOR) && fields->vector_dimensions > 0;
}

/* An upper bound of the body, from the lengths alone; the lengths themselves are checked first so
 * that the sum cannot overflow. */
static ng_status put_body_bytes(put_job *job, size_t *out)
{
    const ng_token_fields *fields = job->fields;
    size_t bytes = NGI_OP_PARTS_HEADER + 3 * (NGI_OP_PART_HEADER + NGI_OP_LIST_HEADER + 8);
    size_t attribute_bytes, vector_bytes;
    for (size_t i = 0; i < job->count; i++) {
        size_t label_bytes = put_has_label(&fields[i]) ? fields[i].label_bytes : 0;
        size_t floats = put_has_vector(&fields[i]) ? fields[i].vector_dimensions : 0;
        if (label_bytes > NGI_LABEL_BYTES_MAX)
            return ngi_fail(NG_E_INVALID, "label of %zu bytes is outside 1..%d", label_bytes,
                            NGI_LABEL_BYTES_MAX);
        if (floats > NGI_DIMENSIONS_MAX || (floats != 0 && floats < NGI_DIMENSIONS_MIN))
            return ngi_fail(NG_E_INVALID, "vector of %zu dimensions is outside %d..%d", floats,
                            NGI_DIMENSIONS_MIN, NGI_DIMENSIONS_MAX);
        ng_status status = ngi_fields_attribute_bytes(&fields[i], &attribute_bytes);
        if (status == NG_OK)
            status = ngi_fields_vector_bytes(&fields[i], &vector_bytes);
        if (status != NG_OK)
            return status;
        job->vector_count += vector_bytes > 0;
        job->attribute_count += ngi_fields_have_attributes(&fields[i]);
        bytes += ngi_op_token_bytes(label_bytes, floats) + attribute_bytes + vector_bytes;
    }
    *out = bytes;
    return NG_OK;
}

static ng_status put_labels_init(put_job *job)
{
    size_t buckets = 2, labelled = 0;
    for (size_t i = 0; i < job->count; i++)
        labelled += put_has_label(&job->fields[i]);
    if (labelled == 0)
        return NG_OK;
    while (buckets < 2 * labelled)
        buckets *= 2;
    label_set *set = &job->labels;
    size_t bytes = (job->count + buckets) * sizeof(uint32_t);
    void *block = set->single;
    if (bytes > sizeof set->single) {
        ng_status status = ngi_alloc(job->store->mem, bytes, "labels of a batch", &block);
        if (status != NG_OK)
            return status;
        set->bytes = bytes;
    }
    set->hashes = block;
    set->buckets = set->hashes + job->count;
    set->mask = buckets - 1;
    memset(set->buckets, 0, buckets * sizeof(uint32_t));
    return NG_OK;
}

/* The collection of item `index`, also before it has been checked. */
static uint32_t put_collection(const put_job *job, size_t index)
{
    ng_token_id id = job->ids != NULL ? job->ids[index] : 0;
    uint32_t slot = id != 0 ? store_live_slot(job->store, id) : 0;
    return slot != 0 ? store_sides(job->store)[slot].collection : job->fields[index].collection;
}

static void put_hash_labels(put_job *job)
{
    for (size_t i = 0; job->labels.hashes != NULL && i < job->count; i++) {
        const ng_token_fields *fields = &job->fields[i];
        if (put_has_label(fields))
            job->labels.hashes[i] =
                ngi_labels_hash(put_collection(job, i), fields->label, fields->label_bytes);
    }
}

static void put_fetch_token(const put_job *job, size_t index)
{
    const ng_store *store = job->store;
    if (job->ids == NULL || job->ids[index] >= store_slot_end(store))
        return;
    __builtin_prefetch(&store_records(store)[job->ids[index]], 1);
    __builtin_prefetch(&store_sides(store)[job->ids[index]], 1);
}

/* Fetches what checking item `index` will look at, so that a batch does not wait for memory at each
 * item. Fetching all items before the first is checked was tried and slower: much of it was gone
 * again by its turn. */
static void put_fetch(const put_job *job, size_t index)
{
    if (index >= job->count)
        return;
    put_fetch_token(job, index);
    if (job->labels.hashes != NULL && put_has_label(&job->fields[index]))
        ngi_labels_prefetch(&job->store->labels, job->labels.hashes[index]);
}

/* Remembers the label of item `index`; fails if an earlier item has it in the same collection. */
static ng_status put_labels_add(put_job *job, size_t index, uint32_t collection)
{
    const ng_token_fields *mine = &job->fields[index];
    uint32_t hash = job->labels.hashes[index]; /* NOLINT: there, because the item has a label */
    size_t at = hash & job->labels.mask;
    for (; job->labels.buckets[at] != 0; at = (at + 1) & job->labels.mask) {
        size_t other_index = job->labels.buckets[at] - 1;
        const ng_token_fields *other = &job->fields[other_index];
        if (NGI_LIKELY(job->labels.hashes[other_index] != hash))
            continue;
        uint32_t other_collection = put_collection(job, other_index);
        if (other_collection == collection && other->label_bytes == mine->label_bytes &&
            memcmp(other->label, mine->label, mine->label_bytes) == 0)
            return ngi_fail(NG_E_EXISTS, "label '%.*s' is given twice, also to item %zu",
                            mine->label_bytes > 80 ? 80 : (int)mine->label_bytes, mine->label,
                            other_index);
    }
    job->labels.buckets[at] = (uint32_t)index + 1;
    return NG_OK;
}

/* Whether an item before `index` takes another label for the token that has this one now. */
static bool put_label_is_given_up(const put_job *job, size_t index, uint32_t holder)
{
    const ng_token_fields *mine = &job->fields[index];
    for (size_t i = 0; job->ids != NULL && i < index; i++) {
        const ng_token_fields *other = &job->fields[i];
        if (job->ids[i] == holder)
            return (other->set & NG_FIELD_LABEL) &&
                   (other->label_bytes != mine->label_bytes ||
                    memcmp(other->label, mine->label, mine->label_bytes) != 0);
    }
    return false;
}

static ng_status put_fail_label(put_job *job, const ng_token_fields *fields, uint32_t holder)
{
    int shown = fields->label_bytes > 80 ? 80 : (int)fields->label_bytes;
    ng_conflict conflict = {.kind = NG_CONFLICT_PRESENT};
    if (job->write != NULL && (job->write->flags & NG_WRITE_IF_ABSENT))
        return ngi_store_fail_conflict(job->store, &conflict, holder,
                                       "label '%.*s' belongs to token %u", shown, fields->label,
                                       holder);
    return ngi_fail(NG_E_EXISTS, "label '%.*s' belongs to token %u", shown, fields->label, holder);
}

static ng_status put_check_label(put_job *job, size_t index, ngi_op_token *token)
{
    const ng_token_fields *fields = &job->fields[index];
    token->label_bytes = NGI_OP_LABEL_KEEP;
    if (!(fields->set & NG_FIELD_LABEL))
        return NG_OK;
    token->label_bytes = (uint16_t)fields->label_bytes;
    token->label = fields->label;
    if (fields->label_bytes == 0)
        return NG_OK;
    uint32_t holder = ngi_labels_find_hashed(&job->store->labels, job->labels.hashes[index],
                                             token->collection, fields->label, fields->label_bytes);
    if (holder == token->record.slot) {
        token->label_bytes = NGI_OP_LABEL_KEEP;
        return NG_OK;
    }
    if (holder != 0 && !put_label_is_given_up(job, index, holder))
        return put_fail_label(job, fields, holder);
    job->room.label_count++;
    job->room.label_bytes += fields->label_bytes;
    return put_labels_add(job, index, token->collection);
}

static ng_status put_check_vector(put_job *job, size_t index, ngi_op_token *token)
{
    const ng_token_fields *fields = &job->fields[index];
    token->vector = NGI_VECTOR_KEEP;
    if (!(fields->set & NG_FIELD_VECTOR))
        return NG_OK;
    token->vector = fields->vector_dimensions == 0 ? NGI_VECTOR_NONE : NGI_VECTOR_SET;
    if (token->vector == NGI_VECTOR_NONE)
        return NG_OK;
    uint32_t wanted = ngi_vectors_dimensions(job->store->vectors);
    if (wanted == 0)
        wanted = job->store->dimensions_wanted;
    if (wanted == 0)
        wanted = job->room.dimensions;
    if (wanted != 0 && fields->vector_dimensions != wanted)
        return ngi_fail(NG_E_INVALID, "vector has %zu dimensions, this store has %u",
                        fields->vector_dimensions, wanted);
    job->room.dimensions = (uint32_t)fields->vector_dimensions;
    job->room.vector_count++;
    return NG_OK;
}

/* The token that item `index` changes; 0 = it creates one. */
static ng_token_id put_target(const put_job *job, size_t index)
{
    const ng_token_fields *fields = &job->fields[index];
    if (job->by_label)
        return ngi_labels_find_hashed(&job->store->labels, job->labels.hashes[index],
                                      fields->collection, fields->label, fields->label_bytes);
    return job->ids != NULL ? job->ids[index] : 0;
}

/* Checks item `index` and makes what will be logged of it. */
static ng_status put_check(put_job *job, size_t index, ngi_op_token *token)
{
    ng_store *store = job->store;
    const ng_token_fields *fields = &job->fields[index];
    ng_token_id id = put_target(job, index);
    if (job->created != NULL)
        job->created[index] = id == 0;
    if (id != 0) {
        uint32_t slot;
        ng_status status = ngi_store_slot(store, id, &slot);
        if (status != NG_OK)
            return status;
        const store_side *side = &store_sides(store)[slot];
        status = ngi_store_if_version(store, slot, job->write);
        if (status != NG_OK)
            return status;
        token->record = store_records(store)[slot];
        token->collection = side->collection;
        token->version = store_next_version(side->version);
    } else {
        if (!store_has_collection(store, fields->collection))
            return ngi_store_fail_collection(fields->collection);
        if (job->slot_next > store->max_tokens)
            return ngi_fail(NG_E_LIMIT, "the store holds at most %u tokens", store->max_tokens);
        token->record = job->blank;
        token->record.slot = job->slot_next++;
        token->collection = fields->collection;
        token->version = 1;
    }
    if (token->record.slot > job->room.max_slot)
        job->room.max_slot = token->record.slot;
    ng_status status = NG_OK;
    NGI_TRY(ngi_token_apply_fields(&token->record, fields, &store->encoding, &store->cdna));
    if ((fields->spaces_set | fields->spaces_clear) != 0)
        ngi_space_count(store, token->record.slot, id != 0 ? &store_records(store)[id] : NULL,
                        &token->record, job->room.moved);
    NGI_TRY(put_check_label(job, index, token));
    NGI_TRY(put_check_vector(job, index, token));
    NGI_TRY(ngi_fields_check_vectors(store, fields));
out:
    return status;
}

static uint8_t *put_encode_attributes(put_job *job, uint8_t *at, const ng_token_fields *fields,
                                      uint32_t slot)
{
    ngi_op_attributes item;
    uint8_t *next = ngi_fields_attributes_encode(at, slot, fields);
    ngi_op_attributes_decode(at, &item);
    ngi_attributes_measure(&job->store->attributes, &item, &job->room.attributes);
    return next;
}

static uint8_t *put_encode_vectors(put_job *job, uint8_t *at, const ng_token_fields *fields,
                                   uint32_t slot)
{
    ngi_op_vectors item;
    ngi_fields_vectors(fields, slot, &item);
    ngi_vector_fields_measure(&item, &job->room.vectors);
    return ngi_op_vectors_encode(at, &item);
}

/* One part of what stands beside tokens, those of `tokens`, of which it says the slots. */
static ng_status put_encode_part(put_job *job, const ngi_op *tokens, ngi_op_kind kind,
                                 uint32_t count, uint8_t **part)
{
    bool vectors = kind == NGI_OP_VECTORS_PUT;
    uint8_t *at = *part + NGI_OP_LIST_HEADER;
    ngi_op_reader reader;
    ng_status status;
    if (count == 0)
        return NG_OK;
    NGI_TRY(ngi_op_list_open(tokens, &reader));
    for (size_t i = 0; i < job->count; i++) {
        const ng_token_fields *fields = &job->fields[i];
        ngi_op_token_key key;
        NGI_TRY(ngi_op_token_skip(&reader, &key));
        if (vectors && ngi_fields_have_vectors(fields))
            at = put_encode_vectors(job, at, fields, key.slot);
        else if (!vectors && ngi_fields_have_attributes(fields))
            at = put_encode_attributes(job, at, fields, key.slot);
    }
    ngi_op_list_encode(*part, count, 0);
    *part = ngi_op_part_end(*part, kind, (size_t)(at - *part));
out:
    return status;
}

static bool put_has_parts(const put_job *job)
{
    return job->attribute_count > 0 || job->vector_count > 0;
}

/* The tokens become the first part of a transaction, what stands beside them the others. */
static ng_status put_encode_parts(put_job *job, uint8_t *body, size_t *body_bytes)
{
    const ngi_op tokens = {.body = ngi_op_parts_begin(body), .body_bytes = (uint32_t)*body_bytes};
    uint8_t *part = ngi_op_part_end(ngi_op_parts_begin(body), NGI_OP_TOKENS_PUT, *body_bytes);
    ng_status status;
    NGI_TRY(put_encode_part(job, &tokens, NGI_OP_ATTRIBUTES_PUT, job->attribute_count, &part));
    NGI_TRY(put_encode_part(job, &tokens, NGI_OP_VECTORS_PUT, job->vector_count, &part));
    uint32_t parts = 1u + (job->attribute_count > 0) + (job->vector_count > 0);
    *body_bytes = ngi_op_parts_end(body, parts, part);
out:
    return status;
}

static ng_status put_encode(put_job *job, ng_token_id *out, size_t *body_bytes)
{
    uint8_t *whole = ngi_wal_body(job->store->wal);
    uint8_t *body = put_has_parts(job) ? ngi_op_parts_begin(whole) : whole;
    uint8_t *at = body + NGI_OP_LIST_HEADER;
    for (size_t i = 0; i < PUT_AHEAD; i++)
        put_fetch(job, i);
    for (size_t i = 0; i < job->count; i++) {
        ngi_op_token token;
        put_fetch(job, i + PUT_AHEAD);
        ng_status status = put_check(job, i, &token);
        if (status != NG_OK)
            return ngi_fail_item(status, i, job->count);
        at = ngi_op_token_encode(at, &token, job->fields[i].vector,
                                 job->fields[i].vector_dimensions);
        if (out != NULL)
            out[i] = token.record.slot;
    }
    ngi_op_list_encode(body, (uint32_t)job->count, job->room.dimensions);
    *body_bytes = (size_t)(at - body);
    if (put_has_parts(job))
        return put_encode_parts(job, whole, body_bytes);
    return NG_OK;
}

/* Which conditions suit which write. */
static ng_status put_check_conditions(const put_job *job)
{
    const ng_write_options *write = job->write;
    bool creates = job->ids == NULL;
    bool updates = job->by_label;
    for (size_t i = 0; job->ids != NULL && i < job->count; i++) {
        creates |= job->ids[i] == 0;
        updates |= job->ids[i] != 0;
    }
    if (write->if_version != 0 && (creates || job->count > 1))
        return ngi_fail(NG_E_INVALID, "if_version %u is for changing or deleting one token",
                        write->if_version);
    if ((write->flags & NG_WRITE_IF_ABSENT) && updates)
        return ngi_fail(NG_E_INVALID, "NG_WRITE_IF_ABSENT is for creating");
    return NG_OK;
}

static ng_status put_check_job(put_job *job, size_t *bytes)
{
    ng_status status = NG_OK;
    if (job->count == 0 || job->count > NGI_BATCH_MAX)
        return ngi_fail(NG_E_INVALID, "count %zu is outside 1..%d", job->count, NGI_BATCH_MAX);
    for (size_t i = 0; job->by_label && i < job->count; i++) {
        if (!put_has_label(&job->fields[i]))
            return ngi_fail_item(ngi_fail(NG_E_INVALID, "no label to find the token by"), i,
                                 job->count);
    }
    NGI_TRY(put_body_bytes(job, bytes));
    if (job->write != NULL)
        NGI_TRY(put_check_conditions(job));
    if (job->ids != NULL)
        NGI_TRY(ngi_store_check_ids(job->store, job->ids, job->count));
out:
    return status;
}

/* Labels by which tokens are found are given once, whether they are there or not. Leaves the set as
 * it was. */
static ng_status put_check_labels_once(put_job *job)
{
    ng_status status = NG_OK;
    put_hash_labels(job);
    for (size_t i = 0; status == NG_OK && i < job->count; i++)
        status = ngi_fail_item(put_labels_add(job, i, job->fields[i].collection), i, job->count);
    memset(job->labels.buckets, 0, (job->labels.mask + 1) * sizeof *job->labels.buckets);
    return status;
}

static ng_status put_in_transaction(const put_job *job, ng_token_id *out)
{
    const ngi_txn_put put = {.ids = job->ids,
                             .fields = job->fields,
                             .count = job->count,
                             .by_label = job->by_label,
                             .created = job->created};
    ng_status status = ngi_store_check_txn(job->store, job->write);
    return status != NG_OK ? status : ngi_txn_token_put(job->write->txn, &put, job->write, out);
}

/* With room for `bytes` bytes of body. */
static ng_status put_alone(put_job *job, size_t bytes, ng_token_id *out)
{
    ng_store *store = job->store;
    put_fetch_token(job, 0); /* it arrives while this thread locks */
    ng_status status = ngi_store_write_begin(store, bytes, job->write);
    if (status != NG_OK)
        return status;
    job->slot_next = store_next_slot(store);
    put_hash_labels(job);
    ngi_token_default(&job->blank, 0, (uint32_t)(store->os->clock_us(store->os) / 1000000));
    status = put_encode(job, out, &bytes);
    if (status == NG_OK)
        return ngi_store_write_commit_checked(store,
                                              put_has_parts(job) ? NGI_OP_TRANSACTION
                                                                 : NGI_OP_TOKENS_PUT,
                                              bytes, &job->room, job->write);
    ngi_store_write_abandon(store);
    return status;
}

static ng_status put_run(put_job *job, ng_token_id *out)
{
    bool is_staged = job->write != NULL && job->write->txn != NULL;
    size_t bytes = 0;
    ng_status status = put_check_job(job, &bytes);
    if (status == NG_OK && (job->by_label || !is_staged))
        status = put_labels_init(job);
    if (status != NG_OK)
        return status;
    if (job->by_label)
        status = put_check_labels_once(job);
    if (status == NG_OK)
        status = is_staged ? put_in_transaction(job, out) : put_alone(job, bytes, out);
    if (job->labels.bytes > 0)
        ngi_free(job->store->mem, job->labels.hashes, job->labels.bytes);
    return status;
}

ng_status ngi_store_token_put(ng_store *store, const ng_token_id *ids,
                              const ng_token_fields *fields, size_t count,
                              const ng_write_options *write, ng_token_id *out)
{
    put_job job = {.store = store, .ids = ids, .fields = fields, .count = count, .write = write};
    return put_run(&job, out);
}

ng_status ngi_store_token_upsert(ng_store *store, const ng_token_fields *fields, size_t count,
                                 const ng_write_options *write, ng_token_id *out, bool *created)
{
    put_job job = {.store = store,
                   .fields = fields,
                   .count = count,
                   .write = write,
                   .by_label = true,
                   .created = created};
    return put_run(&job, out);
}
