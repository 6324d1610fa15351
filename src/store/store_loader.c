/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From blocks to tables. What a loader has not finished is seen by nobody: the store's own fields
 * are set at the end, and a failure leaves only tables behind that the caller resets or releases.
 *
 * Invariants:
 *   1. Bit s of `live` is set if and only if the record of slot s was loaded and is not empty;
 *      every side, label, vector and end of a connection is measured by it.
 *   2. A block of a table covers whole words of `live`, so blocks can be accepted side by side.
 *   3. What is loaded is what a store can write: records of empty slots are zero, blocks have the
 *      sizes that writing gives them, nothing is missing and nothing is there twice. */
#include "store/store_loader.h"
#include "store/store_shrink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_BITS 64u

_Static_assert(NGI_STREAM_BLOCK_BYTES / sizeof(ng_token) % LIVE_BITS == 0, "invariant 2");

struct store_loader {
    ng_store *store;
    ngi_stream_head head;
    bool trusted;
    uint64_t *live;
    size_t live_bytes;

    uint16_t kind;                        /* of the block admitted last */
    uint64_t next_number;                 /* of the next block of that kind, at least */
    bool has_all[NGI_BLOCK_KIND_MAX + 1]; /* every block that a kind must have was admitted */

    atomic_uint_fast64_t token_count, active_token_count;
    atomic_uint_fast64_t connection_count, active_connection_count;
    uint64_t label_count, vector_count, attribute_count;
    uint64_t member_total;                            /* that the grids should have */
    uint64_t field_counts[NGI_VECTOR_FIELDS_MAX + 1]; /* vectors that named fields should have */
    atomic_uint_fast64_t *per_collection;             /* [head.collection_count] tokens */
    store_collection *collections;                    /* likewise */
    ng_cdna cdna;
    ngi_buffer projection;
};

static const ng_token no_token;
static const store_side no_side;
static const ng_connection no_connection;

static ng_status loader_refuse(const char *what, uint64_t number)
{
    return ngi_fail(NG_E_CORRUPT, "%s %llu does not fit the state", what,
                    (unsigned long long)number);
}

static bool loader_is_live(const store_loader *loader, uint32_t slot)
{
    return slot < loader->head.slot_end &&
           (loader->live[slot / LIVE_BITS] >> slot % LIVE_BITS & 1) != 0;
}

static void loader_count(atomic_uint_fast64_t *counter, uint64_t more)
{
    if (more > 0)
        atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* --- begin ----------------------------------------------------------------------------------- */

void ngi_loader_abandon(store_loader *loader)
{
    if (loader == NULL)
        return;
    ngi_mem *mem = loader->store->mem;
    uint32_t count = loader->head.collection_count;
    ngi_free(mem, loader->live, loader->live_bytes);
    ngi_free(mem, loader->per_collection, count * sizeof *loader->per_collection);
    ngi_free(store_account_of(loader->store, STORE_COLLECTIONS), loader->collections,
             count * sizeof *loader->collections);
    ngi_buffer_release(mem, &loader->projection);
    ngi_free(mem, loader, sizeof *loader);
}

static ng_status loader_check_limits(const ng_store *store, const ngi_stream_head *head)
{
    if (!head->whole)
        return ngi_fail(NG_E_INVALID, "the stream holds ops only, not a state");
    if (head->slot_end - 1 > store->max_tokens)
        return ngi_fail(NG_E_LIMIT, "token %u is over max_tokens %u", head->slot_end - 1,
                        store->max_tokens);
    if (head->id_end - 1 > store->max_connections)
        return ngi_fail(NG_E_LIMIT, "connection %u is over max_connections %u", head->id_end - 1,
                        store->max_connections);
    return NG_OK;
}

static ng_status loader_alloc(ngi_mem *mem, size_t bytes, void *out)
{
    void *block;
    ng_status status = ngi_alloc(mem, bytes, "loader", &block);
    if (status == NG_OK) {
        memset(block, 0, bytes);
        memcpy(out, &block, sizeof block);
    }
    return status;
}

ng_status ngi_loader_begin_trusted(ng_store *store, const ngi_stream_head *head, bool trusted,
                                   store_loader **out)
{
    ngi_mem *mem = store->mem;
    store_loader *loader;
    *out = NULL;
    ng_status status = loader_check_limits(store, head);
    if (status == NG_OK)
        status = loader_alloc(mem, sizeof *loader, &loader);
    if (status != NG_OK)
        return status;
    loader->store = store;
    loader->head = *head;
    loader->trusted = trusted;
    loader->live_bytes = (head->slot_end + LIVE_BITS - 1) / LIVE_BITS * sizeof(uint64_t);
    size_t count = head->collection_count;
    NGI_TRY(loader_alloc(mem, loader->live_bytes, &loader->live));
    NGI_TRY(loader_alloc(mem, count * sizeof *loader->per_collection, &loader->per_collection));
    NGI_TRY(loader_alloc(store_account_of(store, STORE_COLLECTIONS),
                         count * sizeof *loader->collections, &loader->collections));
    if (head->dimensions != 0)
        NGI_TRY(ngi_vectors_reserve(store->vectors, head->dimensions, 0, 0));
    *out = loader;
    return NG_OK;
out:
    ngi_loader_abandon(loader);
    return status;
}

ng_status ngi_loader_begin(ng_store *store, const ngi_stream_head *head, store_loader **out)
{
    return ngi_loader_begin_trusted(store, head, false, out);
}

ng_status ngi_loader_reserve(store_loader *loader)
{
    ng_store *store = loader->store;
    const ngi_stream_head *head = &loader->head;
    ng_status status;
    NGI_TRY(ngi_table_reserve(&store->records, head->slot_end));
    NGI_TRY(ngi_table_reserve(&store->sides, head->slot_end));
    NGI_TRY(ngi_table_reserve(&store->graph.records, head->id_end));
out:
    return status;
}

/* --- admit ----------------------------------------------------------------------------------- */

/* A table comes in full blocks, from number 0 to its end. */
static ng_status admit_table(store_loader *loader, const ngi_block *block, ngi_table *table,
                             uint32_t end)
{
    uint32_t most = (uint32_t)(NGI_STREAM_BLOCK_BYTES / table->element_bytes);
    if (end <= 1 || block->first != loader->next_number || block->first >= end)
        return loader_refuse("a block from number", block->first);
    uint32_t first = (uint32_t)block->first;
    uint32_t count = end - first < most ? end - first : most;
    if (block->count != count || block->bytes != count * table->element_bytes)
        return loader_refuse("size of the block from number", first);
    loader->next_number = first + count;
    loader->has_all[block->kind] = first + count == end;
    return ngi_table_reserve(table, first + count);
}

static ng_status admit_slots(store_loader *loader, const ngi_block *block)
{
    uint64_t span = block->kind == NGI_BLOCK_LABELS ? block->count : 1;
    if (block->first < loader->next_number || block->first >= loader->head.slot_end ||
        span > loader->head.slot_end - block->first)
        return loader_refuse("a block from number", block->first);
    loader->next_number = block->first + span;
    return NG_OK;
}

static ng_status admit_collections(store_loader *loader, const ngi_block *block)
{
    uint32_t count = loader->head.collection_count;
    if (block->first != loader->next_number || block->first >= count ||
        block->count > count - block->first)
        return loader_refuse("a block from number", block->first);
    loader->next_number = block->first + block->count;
    loader->has_all[block->kind] = loader->next_number == count;
    return NG_OK;
}

static ng_status admit_single(store_loader *loader, const ngi_block *block)
{
    uint32_t count = block->kind == NGI_BLOCK_INDEXES ? loader->head.index_count : 1;
    if (block->first != 0 || block->count != count || loader->has_all[block->kind])
        return loader_refuse("a block from number", block->first);
    loader->has_all[block->kind] = true;
    return NG_OK;
}

/* Slots of one field after the other. */
static ng_status admit_field_slots(store_loader *loader, const ngi_block *block)
{
    uint64_t field = block->first >> 32, slot = block->first & UINT32_MAX;
    if (block->first < loader->next_number || field == 0 || field > NGI_VECTOR_FIELDS_MAX ||
        slot >= loader->head.slot_end)
        return loader_refuse("a block from number", block->first);
    loader->next_number = block->first + 1;
    return NG_OK;
}

/* What there is at most `most` of: named grids, named fields of vectors. */
static ng_status admit_named(store_loader *loader, const ngi_block *block, uint32_t most)
{
    if (block->first != 0 || block->count > most || loader->has_all[block->kind])
        return loader_refuse("a block from number", block->first);
    loader->has_all[block->kind] = true;
    return NG_OK;
}

/* Later kinds look up what stands in records and sides. */
static bool admit_is_in_order(const store_loader *loader, uint16_t kind)
{
    bool is_empty = loader->head.slot_end <= 1;
    bool tokens = is_empty || loader->has_all[NGI_BLOCK_TOKENS];
    bool sides = is_empty || loader->has_all[NGI_BLOCK_SIDES];
    return kind >= loader->kind && (tokens || kind <= NGI_BLOCK_TOKENS) &&
           (sides || kind <= NGI_BLOCK_SIDES);
}

ng_status ngi_loader_admit(store_loader *loader, const ngi_block *block)
{
    ng_store *store = loader->store;
    if (!admit_is_in_order(loader, block->kind))
        return loader_refuse("a block of kind", block->kind);
    if (block->kind > loader->kind)
        loader->next_number = 0;
    loader->kind = block->kind;
    switch (block->kind) {
    case NGI_BLOCK_TOKENS:
        return admit_table(loader, block, &store->records, loader->head.slot_end);
    case NGI_BLOCK_SIDES:
        return admit_table(loader, block, &store->sides, loader->head.slot_end);
    case NGI_BLOCK_CONNECTIONS:
        return admit_table(loader, block, &store->graph.records, loader->head.id_end);
    case NGI_BLOCK_LABELS:
    case NGI_BLOCK_VECTORS:
    case NGI_BLOCK_ATTRIBUTES:
    case NGI_BLOCK_MEMBERS:
        return admit_slots(loader, block);
    case NGI_BLOCK_GRIDS:
        return admit_named(loader, block, NGI_GRIDS_MAX);
    case NGI_BLOCK_VECTOR_FIELDS:
        return admit_named(loader, block, NGI_VECTOR_FIELDS_MAX);
    case NGI_BLOCK_FIELD_VECTORS:
        return admit_field_slots(loader, block);
    case NGI_BLOCK_COLLECTIONS:
        return admit_collections(loader, block);
    default:
        return admit_single(loader, block);
    }
}

uint8_t *ngi_loader_place(const store_loader *loader, const ngi_block *block)
{
    const ng_store *store = loader->store;
    const ngi_table *table = block->kind == NGI_BLOCK_TOKENS        ? &store->records
                             : block->kind == NGI_BLOCK_SIDES       ? &store->sides
                             : block->kind == NGI_BLOCK_CONNECTIONS ? &store->graph.records
                                                                    : NULL;
    return table != NULL ? table->base + block->first * table->element_bytes : NULL;
}

/* --- tables ---------------------------------------------------------------------------------- */

static ng_status accept_tokens(store_loader *loader, const ngi_block *block)
{
    uint32_t first = (uint32_t)block->first;
    const ng_token *records = store_records(loader->store) + first;
    uint64_t count = 0, active = 0;
    for (uint32_t begin = 0; begin < block->count; begin += LIVE_BITS) {
        uint32_t end = block->count - begin < LIVE_BITS ? block->count : begin + LIVE_BITS;
        uint64_t word = 0;
        for (uint32_t i = begin; i < end; i++) {
            const ng_token *record = &records[i];
            if (NGI_UNLIKELY(record->slot != first + i || first + i == 0)) {
                if (memcmp(record, &no_token, sizeof no_token) != 0)
                    return loader_refuse("record of token", first + i);
                continue;
            }
            if (!loader->trusted && ngi_token_validate(record) != NG_OK)
                return ngi_fail_prefix(NG_E_CORRUPT, "the state");
            word |= UINT64_C(1) << (i - begin);
            active += (record->flags & NG_TOKEN_ACTIVE) != 0;
        }
        count += (uint64_t)__builtin_popcountll(word);
        loader->live[(first + begin) / LIVE_BITS] = word;
    }
    loader_count(&loader->token_count, count);
    loader_count(&loader->active_token_count, active);
    return NG_OK;
}

static ng_status accept_sides(store_loader *loader, const ngi_block *block)
{
    uint32_t first = (uint32_t)block->first;
    const store_side *sides = store_sides(loader->store) + first;
    uint32_t collection = 0;
    uint64_t run = 0; /* tokens in a row of that collection, not counted yet */
    for (uint32_t i = 0; i < block->count; i++) {
        const store_side *side = &sides[i];
        if (NGI_UNLIKELY(!loader_is_live(loader, first + i))) {
            if (memcmp(side, &no_side, sizeof no_side) != 0)
                return loader_refuse("side of token", first + i);
            continue;
        }
        if (NGI_UNLIKELY(side->collection != collection)) {
            if (side->collection >= loader->head.collection_count)
                return loader_refuse("collection of token", first + i);
            loader_count(&loader->per_collection[collection], run);
            collection = side->collection;
            run = 0;
        }
        if (NGI_UNLIKELY(side->version == 0))
            return loader_refuse("version of token", first + i);
        run++;
    }
    loader_count(&loader->per_collection[collection], run);
    return NG_OK;
}

static ng_status accept_connections(store_loader *loader, const ngi_block *block)
{
    uint32_t first = (uint32_t)block->first;
    const ng_connection *records =
        (const ng_connection *)(void *)loader->store->graph.records.base + first;
    uint64_t count = 0, active = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        const ng_connection *record = &records[i];
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the table was initialised */
        if (record->source == 0 || first + i == 0) {
            if (memcmp(record, &no_connection, sizeof no_connection) != 0)
                return loader_refuse("record of connection", first + i);
            continue;
        }
        if (record->source == record->target || !loader_is_live(loader, record->source) ||
            !loader_is_live(loader, record->target))
            return loader_refuse("ends of connection", first + i);
        if (!loader->trusted && ngi_connection_validate(record) != NG_OK)
            return ngi_fail_prefix(NG_E_CORRUPT, "the state");
        count++;
        active += (record->flags & NG_CONNECTION_ACTIVE) != 0;
    }
    loader_count(&loader->connection_count, count);
    loader_count(&loader->active_connection_count, active);
    return NG_OK;
}

/* --- labels and vectors ---------------------------------------------------------------------- */

/* Whether there is nothing in a text that needs a closer look: no control code, only ASCII. */
static bool label_is_plain(const uint8_t *text, size_t bytes)
{
    bool plain = true;
    for (size_t i = 0; i < bytes; i++)
        plain &= text[i] >= 0x20 && text[i] < 0x7F;
    return plain;
}

static ng_status accept_labels(store_loader *loader, const ngi_block *block)
{
    ng_store *store = loader->store;
    uint32_t first = (uint32_t)block->first;
    const uint8_t *lengths = block->payload;
    size_t length_bytes = (size_t)block->count * 2, text_bytes = 0;
    if (block->count > STORE_LABEL_BLOCK_SLOTS || length_bytes > block->bytes)
        return loader_refuse("size of the labels from token", first);
    for (uint32_t i = 0; i < block->count; i++)
        text_bytes += ngi_get_u16(lengths + 2 * (size_t)i);
    if (length_bytes + text_bytes != block->bytes)
        return loader_refuse("size of the labels from token", first);
    const uint8_t *text = lengths + length_bytes;
    bool plain = label_is_plain(text, text_bytes);
    for (uint32_t i = 0; i < block->count; i++) {
        size_t bytes = ngi_get_u16(lengths + 2 * (size_t)i);
        if (bytes == 0)
            continue;
        if (!loader_is_live(loader, first + i))
            return loader_refuse("label of token", first + i);
        if (!plain && ngi_label_validate((const char *)text, bytes) != NG_OK)
            return ngi_fail_prefix(NG_E_CORRUPT, "the state");
        ng_status status =
            ngi_labels_load(&store->labels, first + i, store_sides(store)[first + i].collection,
                            (const char *)text, bytes);
        if (status != NG_OK)
            return status;
        loader->label_count++;
        text += bytes;
    }
    return NG_OK;
}

static bool loader_is_finite(const uint8_t *floats, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(ngi_get_f32(floats + 4 * i)))
            return false;
    return true;
}

/* The vectors of a block that begins at slot `first`: slots ascend, live and without one there. */
static ng_status loader_check_rows(const store_loader *loader, const ngi_block *block,
                                   const ngi_vectors *vectors, uint32_t first)
{
    uint32_t dimensions = ngi_vectors_dimensions(vectors);
    size_t row_bytes = (size_t)dimensions * 4;
    if (dimensions == 0 || block->bytes != block->count * (4 + row_bytes) ||
        ngi_get_u32(block->payload) != first)
        return loader_refuse("size of the vectors from token", first);
    const uint8_t *slots = block->payload;
    const uint8_t *rows = slots + (size_t)block->count * 4;
    uint32_t last = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        uint32_t slot = ngi_get_u32(slots + 4 * (size_t)i);
        /* The last comparison is for blocks that overlap, which come in any order. */
        if (slot <= last || !loader_is_live(loader, slot) || ngi_vectors_get(vectors, slot) != NULL)
            return loader_refuse("vector of token", slot);
        if (!loader->trusted && !loader_is_finite(rows + i * row_bytes, dimensions))
            return loader_refuse("vector of token", slot);
        last = slot;
    }
    return NG_OK;
}

static ng_status accept_vectors(store_loader *loader, const ngi_block *block)
{
    ngi_vectors *vectors = loader->store->vectors;
    ng_status status = loader_check_rows(loader, block, vectors, (uint32_t)block->first);
    if (status != NG_OK)
        return status;
    size_t row_bytes = (size_t)loader->head.dimensions * 4;
    const uint8_t *slots = block->payload;
    const uint8_t *rows = slots + (size_t)block->count * 4;
    uint32_t last = ngi_get_u32(slots + 4 * ((size_t)block->count - 1));
    status = ngi_vectors_reserve(vectors, loader->head.dimensions, block->count, last);
    if (status != NG_OK)
        return status;
    for (uint32_t i = 0; i < block->count; i++)
        ngi_vectors_put(vectors, ngi_get_u32(slots + 4 * (size_t)i), rows + i * row_bytes);
    loader->vector_count += block->count;
    return NG_OK;
}

/* --- attributes ------------------------------------------------------------------------------ */

/* An item sets what there is, and nothing that is empty. */
static bool attributes_are_whole(const ngi_op_attributes *item)
{
    unsigned set = (item->tag_count > 0 ? NGI_ATTRIBUTE_TAGS : 0u) |
                   (item->data_bytes > 0 ? NGI_ATTRIBUTE_DATA : 0u) |
                   (item->expires_us != 0 ? NGI_ATTRIBUTE_EXPIRY : 0u);
    return item->set == set;
}

/* Each slot once, also where blocks overlap, which come in any order. */
static ng_status accept_attributes(store_loader *loader, const ngi_block *block)
{
    store_attributes *attributes = &loader->store->attributes;
    ngi_op_reader reader = {.next = block->payload,
                            .end = block->payload + block->bytes,
                            .left = block->count};
    ng_status status;
    for (uint32_t last = 0; reader.left > 0;) {
        ngi_op_attributes item;
        store_attributes_need need = {0};
        status = ngi_op_attributes_next(&reader, !loader->trusted, &item);
        if (status != NG_OK)
            return status;
        store_attribute_entry old = ngi_attributes_entry(attributes, item.slot);
        if (item.slot <= last || (last == 0 && item.slot != block->first) ||
            !loader_is_live(loader, item.slot) || !ngi_attributes_is_empty(&old) ||
            !attributes_are_whole(&item))
            return loader_refuse("attributes of token", item.slot);
        ngi_attributes_measure(attributes, &item, &need);
        status = ngi_attributes_reserve(attributes, &need);
        if (status == NG_OK)
            status = ngi_attributes_put(attributes, &item);
        if (status != NG_OK)
            return status;
        loader->attribute_count++;
        last = item.slot;
    }
    return ngi_op_list_close(&reader);
}

/* Built over the payloads, which are there: the kind before has been accepted. */
static ng_status accept_indexes(store_loader *loader, const ngi_block *block)
{
    ng_store *store = loader->store;
    const uint8_t *at = block->payload, *end = at + block->bytes;
    for (uint32_t i = 0; i < block->count; i++) {
        size_t used;
        ng_status status = ngi_store_prepare_index_put(store, at, (size_t)(end - at), &used);
        if (status != NG_OK)
            return status;
        ngi_fields_install(&store->attributes.fields, ngi_get_u32(at));
        at += used;
    }
    return at == end ? NG_OK : loader_refuse("size of the indexes", block->bytes);
}

/* --- the rest -------------------------------------------------------------------------------- */

static ng_status accept_collections(store_loader *loader, const ngi_block *block)
{
    const uint8_t *at = block->payload, *end = at + block->bytes;
    for (uint32_t i = 0; i < block->count; i++) {
        uint32_t number = (uint32_t)block->first + i;
        if (end - at < 4)
            return loader_refuse("name of collection", number);
        uint32_t bytes = ngi_get_u32(at);
        at += 4;
        bool was_dropped = bytes == 0 && number > NG_COLLECTION_SEMANTIC;
        if (bytes > NGI_COLLECTION_NAME_MAX || (size_t)(end - at) < bytes ||
            (!was_dropped && ngi_collection_check_name((const char *)at, bytes) != NG_OK))
            return loader_refuse("name of collection", number);
        memcpy(loader->collections[number].name, at, bytes);
        at += bytes;
    }
    return at == end ? NG_OK : loader_refuse("size of the collections from", block->first);
}

static ng_status accept_cdna(store_loader *loader, const ngi_block *block)
{
    if (block->bytes != NGI_CDNA_BYTES)
        return loader_refuse("size of the constitution", block->bytes);
    ng_status status = ngi_cdna_decode(block->payload, &loader->cdna);
    return status == NG_OK || status == NG_E_VERSION ? status
                                                     : ngi_fail_prefix(NG_E_CORRUPT, "the state");
}

static ng_status accept_projection(store_loader *loader, const ngi_block *block)
{
    ng_store *store = loader->store;
    const ngi_op op = {.body = block->payload, .body_bytes = block->bytes};
    ngi_op_projection decoded;
    ng_status status = ngi_op_projection_decode(&op, &decoded);
    if (status != NG_OK)
        return status;
    if (decoded.dimensions != loader->head.dimensions ||
        decoded.component_count > decoded.dimensions)
        return loader_refuse("dimensions of the projection", decoded.dimensions);
    if (!loader->trusted &&
        !loader_is_finite(decoded.mean, (size_t)decoded.dimensions * (1 + decoded.component_count)))
        return loader_refuse("numbers of the projection", decoded.component_count);
    NGI_TRY(ngi_buffer_reserve(store->mem, &loader->projection, block->bytes, "projection"));
    NGI_TRY(ngi_vectors_reserve_projection(store->vectors, decoded.dimensions,
                                           decoded.component_count));
    memcpy(loader->projection.data, block->payload, block->bytes);
    loader->projection.bytes = block->bytes;
out:
    return status;
}

/* --- named grids ----------------------------------------------------------------------------- */

/* They go into the store at once: a failure resets its tables. */
static ng_status accept_grids(store_loader *loader, const ngi_block *block)
{
    ng_grid_id previous = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        ng_grid_id id = 0;
        store_named_grid grid;
        size_t bytes = ngi_named_image_decode(block->payload + at, block->bytes - at, &id, &grid);
        if (bytes == 0 || id <= previous)
            return loader_refuse("grid", id);
        ng_status status = ngi_named_load_grid(loader->store, id, &grid);
        if (status != NG_OK)
            return status;
        loader->member_total += grid.member_count;
        previous = id;
        at += bytes;
    }
    return at == block->bytes ? NG_OK : loader_refuse("bytes behind the grids", block->bytes - at);
}

static ng_status accept_members(store_loader *loader, const ngi_block *block)
{
    ng_status status = NG_OK;
    if (block->bytes != (uint64_t)block->count * STORE_MEMBER_BYTES)
        return loader_refuse("size of the members from token", block->first);
    for (uint32_t i = 0; i < block->count && status == NG_OK; i++) {
        const uint8_t *at = block->payload + (size_t)i * STORE_MEMBER_BYTES;
        uint32_t slot = ngi_get_u32(at);
        const store_members members = {{ngi_get_u64(at + 8), ngi_get_u64(at + 16)}};
        if (!loader_is_live(loader, slot) || ngi_get_u32(at + 4) != 0 ||
            (i == 0 && slot != block->first))
            return loader_refuse("grids of token", slot);
        status = ngi_named_load_member(loader->store, slot, &members);
    }
    return status;
}

/* --- named fields of vectors ----------------------------------------------------------------- */

/* They go into the store at once, like grids. */
static ng_status accept_fields(store_loader *loader, const ngi_block *block)
{
    ng_vector_field_id previous = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        ng_vector_field_id id = 0;
        store_vector_spec spec;
        size_t bytes = ngi_vector_image_decode(block->payload + at, block->bytes - at, &id, &spec);
        if (bytes == 0 || id <= previous)
            return loader_refuse("vector field", id);
        ng_status status = ngi_vector_field_load(loader->store, id, &spec);
        if (status != NG_OK)
            return status;
        loader->field_counts[id] = spec.vector_count;
        previous = id;
        at += bytes;
    }
    return at == block->bytes ? NG_OK
                              : loader_refuse("bytes behind the vector fields", block->bytes - at);
}

static ng_status accept_field_vectors(store_loader *loader, const ngi_block *block)
{
    ng_vector_field_id id = (ng_vector_field_id)(block->first >> 32);
    const store_vector_field *field = ngi_vector_field(loader->store, id);
    if (field == NULL)
        return loader_refuse("vectors of field", id);
    ng_status status = loader_check_rows(loader, block, field->vectors, (uint32_t)block->first);
    if (status != NG_OK)
        return status;
    const uint8_t *rows = block->payload + (size_t)block->count * 4;
    return ngi_vector_field_load_rows(loader->store, id, block->payload, rows, block->count);
}

static ng_status end_check_fields(const store_loader *loader)
{
    for (uint32_t id = 1; id <= NGI_VECTOR_FIELDS_MAX; id++) {
        const store_vector_field *field = ngi_vector_field(loader->store, id);
        uint64_t found = field != NULL ? ngi_vectors_count(field->vectors) : 0;
        if (found != loader->field_counts[id])
            return ngi_fail(NG_E_CORRUPT,
                            "the state should have %llu vectors in field %u, it has %llu",
                            (unsigned long long)loader->field_counts[id], id,
                            (unsigned long long)found);
    }
    return NG_OK;
}

ng_status ngi_loader_accept(store_loader *loader, const ngi_block *block)
{
    switch (block->kind) {
    case NGI_BLOCK_TOKENS:
        return accept_tokens(loader, block);
    case NGI_BLOCK_SIDES:
        return accept_sides(loader, block);
    case NGI_BLOCK_LABELS:
        return accept_labels(loader, block);
    case NGI_BLOCK_VECTORS:
        return accept_vectors(loader, block);
    case NGI_BLOCK_CONNECTIONS:
        return accept_connections(loader, block);
    case NGI_BLOCK_COLLECTIONS:
        return accept_collections(loader, block);
    case NGI_BLOCK_CDNA:
        return accept_cdna(loader, block);
    case NGI_BLOCK_ATTRIBUTES:
        return accept_attributes(loader, block);
    case NGI_BLOCK_GRIDS:
        return accept_grids(loader, block);
    case NGI_BLOCK_MEMBERS:
        return accept_members(loader, block);
    case NGI_BLOCK_INDEXES:
        return accept_indexes(loader, block);
    case NGI_BLOCK_VECTOR_FIELDS:
        return accept_fields(loader, block);
    case NGI_BLOCK_FIELD_VECTORS:
        return accept_field_vectors(loader, block);
    default:
        return accept_projection(loader, block);
    }
}

ng_status ngi_loader_block(store_loader *loader, const ngi_block *block)
{
    ng_status status = ngi_loader_admit(loader, block);
    if (status != NG_OK)
        return status;
    uint8_t *place = ngi_loader_place(loader, block);
    if (place != NULL)
        memcpy(place, block->payload, block->bytes);
    return ngi_loader_accept(loader, block);
}

/* --- end ------------------------------------------------------------------------------------- */

static ng_status end_compare(const char *what, uint64_t said, uint64_t found)
{
    if (said == found)
        return NG_OK;
    return ngi_fail(NG_E_CORRUPT, "the state should have %llu %s, it has %llu",
                    (unsigned long long)said, what, (unsigned long long)found);
}

static ng_status end_check_complete(const store_loader *loader)
{
    const ngi_stream_head *head = &loader->head;
    bool tokens = head->slot_end <= 1 || loader->has_all[NGI_BLOCK_SIDES];
    bool connections = head->id_end <= 1 || loader->has_all[NGI_BLOCK_CONNECTIONS];
    if (!tokens || !connections || !loader->has_all[NGI_BLOCK_COLLECTIONS] ||
        !loader->has_all[NGI_BLOCK_CDNA])
        return ngi_fail(NG_E_CORRUPT, "the state is not complete: blocks are missing");
    ng_status status;
    NGI_TRY(end_compare("tokens", head->token_count, atomic_load(&loader->token_count)));
    NGI_TRY(
        end_compare("connections", head->connection_count, atomic_load(&loader->connection_count)));
    NGI_TRY(end_compare("labels", head->label_count, loader->label_count));
    NGI_TRY(end_compare("vectors", head->vector_count, loader->vector_count));
    NGI_TRY(end_compare("attributes", head->attribute_count, loader->attribute_count));
    NGI_TRY(
        end_compare("members of grids", loader->member_total, loader->store->named.member_total));
    NGI_TRY(end_compare("indexes", head->index_count, loader->store->attributes.fields.count));
    NGI_TRY(end_check_fields(loader));
out:
    return status;
}

static int end_compare_names(const void *a, const void *b)
{
    const store_collection *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static ng_status end_check_collections(const store_loader *loader)
{
    uint32_t count = loader->head.collection_count;
    ngi_mem *mem = loader->store->mem;
    if (strcmp(loader->collections[NG_COLLECTION_RUNTIME].name, "runtime") != 0 ||
        strcmp(loader->collections[NG_COLLECTION_SEMANTIC].name, "semantic") != 0)
        return loader_refuse("name of collection", 0);
    for (uint32_t i = 0; i < count; i++)
        if (loader->collections[i].name[0] == '\0' && atomic_load(&loader->per_collection[i]) != 0)
            return loader_refuse("tokens of the dropped collection", i);
    const store_collection **sorted;
    ng_status status = loader_alloc(mem, count * sizeof(void *), &sorted);
    if (status != NG_OK)
        return status;
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = &loader->collections[i];
    qsort(sorted, count, sizeof(void *), end_compare_names);
    for (uint32_t i = 1; i < count && status == NG_OK; i++)
        if (sorted[i]->name[0] != '\0' && strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            status = ngi_fail(NG_E_CORRUPT, "two collections are named '%s'", sorted[i]->name);
    ngi_free(mem, sorted, count * sizeof(void *));
    return status;
}

/* Lists and label index: the last that can fail. */
static ng_status end_derive(const store_loader *loader)
{
    ng_store *store = loader->store;
    ng_status status = NG_OK;
    if (loader->label_count > 0)
        status = ngi_labels_index(&store->labels);
    if (status == NG_OK && loader->head.id_end > 1)
        status = ngi_graph_rebuild(&store->graph, loader->head.id_end, loader->head.slot_end);
    if (status == NG_OK)
        status = ngi_space_rebuild(store, loader->head.slot_end, 0xFF);
    return status;
}

/* Nearly all tokens are active: nothing is looked at unless one is not. */
static void end_count_active(store_loader *loader)
{
    const ng_store *store = loader->store;
    for (uint32_t i = 0; i < loader->head.collection_count; i++)
        loader->collections[i].active_count = loader->collections[i].token_count;
    if (atomic_load(&loader->active_token_count) == loader->head.token_count)
        return;
    for (uint32_t slot = 1; slot < loader->head.slot_end; slot++) {
        const ng_token *record = &store_records(store)[slot];
        if (record->slot != 0 && !(record->flags & NG_TOKEN_ACTIVE))
            loader->collections[store_sides(store)[slot].collection].active_count--;
    }
}

/* The loader's arrays become the store's; what the store had goes with the loader. */
static void end_install(store_loader *loader)
{
    ng_store *store = loader->store;
    const ngi_stream_head *head = &loader->head;
    for (uint32_t i = 0; i < head->collection_count; i++) {
        loader->collections[i].token_count = atomic_load(&loader->per_collection[i]);
        loader->collections[i].epoch = ++store->collection_epoch;
    }
    end_count_active(loader);
    ngi_free(store_account_of(store, STORE_COLLECTIONS), store->collections,
             store->collection_capacity * sizeof *store->collections);
    store->collections = loader->collections;
    store->collection_count = store->collection_capacity = head->collection_count;
    loader->collections = NULL;
    store->token_count = head->token_count;
    store->active_token_count = atomic_load(&loader->active_token_count);
    store->active_connection_count = atomic_load(&loader->active_connection_count);
    store->cdna = loader->cdna;
    store->cdna_version++;
    if (loader->projection.bytes > 0) {
        const ngi_op op = {.body = loader->projection.data,
                           .body_bytes = (uint32_t)loader->projection.bytes};
        ngi_op_projection decoded;
        if (ngi_op_projection_decode(&op, &decoded) == NG_OK) /* as it did before */
            ngi_vectors_set_projection(store->vectors, decoded.mean, decoded.components,
                                       decoded.component_count);
        ngi_buffer_release(store->mem, &store->projection);
        store->projection = loader->projection;
        store->projection_version++;
        loader->projection = (ngi_buffer){0};
    }
    store->given.slot_given = head->slot_end;
    store->given.id_given = head->id_end;
    atomic_store_explicit(&store->slot_end, head->slot_end, memory_order_release);
    if (head->slot_end > 1 && (store->wal == NULL || !ngi_wal_is_latched(store->wal)))
        atomic_store_explicit(&store->readable_end, head->slot_end, memory_order_release);
}

ng_status ngi_loader_end(store_loader *loader)
{
    ng_status status;
    NGI_TRY(end_check_complete(loader));
    NGI_TRY(end_check_collections(loader));
    NGI_TRY(end_derive(loader));
    NGI_TRY(ngi_shrink_recount(loader->store, loader->head.slot_end, loader->head.id_end));
    end_install(loader);
out:
    ngi_loader_abandon(loader);
    return status;
}
