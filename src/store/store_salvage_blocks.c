/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The state that the valid blocks of a damaged snapshot give, block by block as a stream would have
 * it: counted in a first pass, given to the loader in a second one. */
#include "store/store_salvage_private.h"

#include "base/base_bytes.h"
#include "base/base_limits.h"
#include "store/store_loader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

ng_status ngi_salvage_fill(salvage *job, uint16_t kind, uint32_t first, uint32_t count,
                           uint8_t *out)
{
    uint32_t bytes = salvage_record_bytes(kind);
    memset(out, 0, (size_t)count * bytes);
    for (size_t i = 0; i < job->block_count; i++) {
        const salvage_block *block = &job->blocks[i];
        if (block->kind != kind || block->first >= (uint64_t)first + count ||
            block->first + block->count <= first)
            continue;
        uint64_t begin = block->first > first ? block->first : first;
        uint64_t end = block->first + block->count;
        if (end > (uint64_t)first + count)
            end = (uint64_t)first + count;
        const uint8_t *data;
        size_t available, wanted = (size_t)(end - begin) * bytes;
        ng_status status =
            ngi_repair_window_at(&job->window, block->offset + (begin - block->first) * bytes,
                                 wanted, &data, &available);
        if (status != NG_OK)
            return status;
        memcpy(out + (size_t)(begin - first) * bytes, data,
               wanted < available ? wanted : available);
    }
    return NG_OK;
}

/* --- giving blocks on ------------------------------------------------------------------------ */

/* A block of `bytes` bytes in job->payload. */
ng_status ngi_salvage_give(salvage *job, uint16_t kind, uint64_t first, uint32_t count,
                           size_t bytes)
{
    if (job->loader == NULL)
        return NG_OK;
    const ngi_block block = {.kind = kind,
                             .first = first,
                             .count = count,
                             .bytes = (uint32_t)bytes,
                             .payload = job->payload};
    return ngi_loader_block(job->loader, &block);
}

static void salvage_fix_token(salvage *job, uint32_t slot, uint8_t *record)
{
    if (salvage_bit(job->live, slot))
        job->head.token_count++;
    else
        memset(record, 0, sizeof(ng_token));
}

static void salvage_fix_side(const salvage *job, uint32_t slot, uint8_t *record)
{
    const store_side unknown = {.version = 1};
    if (!salvage_bit(job->live, slot))
        memset(record, 0, sizeof(store_side));
    else if (!salvage_bit(job->sided, slot))
        memcpy(record, &unknown, sizeof unknown);
}

static void salvage_fix_connection(salvage *job, uint32_t id, uint8_t *record)
{
    ng_connection connection;
    memcpy(&connection, record, sizeof connection);
    bool fits = id != 0 && ngi_connection_validate(&connection) == NG_OK &&
                connection.source != connection.target && salvage_is_live(job, connection.source) &&
                salvage_is_live(job, connection.target);
    if (connection.source != 0 && fits)
        job->head.connection_count++;
    if (connection.source != 0 && !fits)
        job->dropped_connections++;
    if (!fits)
        memset(record, 0, sizeof connection);
}

static ng_status salvage_table(salvage *job, uint16_t kind, uint32_t end)
{
    uint32_t bytes = salvage_record_bytes(kind);
    uint32_t most = NGI_STREAM_BLOCK_BYTES / bytes;
    if (end <= 1)
        return NG_OK;
    for (uint32_t first = 0; first < end; first += most) {
        uint32_t count = end - first < most ? end - first : most;
        ng_status status = ngi_salvage_fill(job, kind, first, count, job->payload);
        if (status != NG_OK)
            return status;
        for (uint32_t i = 0; i < count; i++) {
            uint8_t *record = job->payload + (size_t)i * bytes;
            if (kind == NGI_BLOCK_TOKENS)
                salvage_fix_token(job, first + i, record);
            else if (kind == NGI_BLOCK_SIDES)
                salvage_fix_side(job, first + i, record);
            else
                salvage_fix_connection(job, first + i, record);
        }
        status = ngi_salvage_give(job, kind, first, count, (size_t)count * bytes);
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

/* --- labels ---------------------------------------------------------------------------------- */

static int salvage_compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Whether two tokens that are, or come to be, in the default collection have this label. */
static bool salvage_is_twice(const salvage *job, const uint8_t *text, size_t bytes)
{
    uint64_t hash = XXH3_64bits(text, bytes);
    size_t low = 0, high = job->hash_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (job->hashes[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low + 1 < job->hash_count && job->hashes[low + 1] == hash;
}

static bool salvage_keeps_label(const salvage *job, uint64_t slot, const uint8_t *text,
                                size_t bytes)
{
    if (bytes == 0 || !salvage_is_live(job, slot) ||
        ngi_label_validate((const char *)text, bytes) != NG_OK)
        return false;
    return salvage_bit(job->sided, slot) || !salvage_is_twice(job, text, bytes);
}

/* The payload of a block of labels, if its lengths agree with its size; NULL otherwise. */
static ng_status salvage_label_block(salvage *job, const salvage_block *block,
                                     const uint8_t **payload)
{
    size_t available, lengths = (size_t)block->count * 2, texts = 0;
    *payload = NULL;
    const uint8_t *data;
    ng_status status =
        ngi_repair_window_at(&job->window, block->offset, block->bytes, &data, &available);
    if (status != NG_OK || available < block->bytes || lengths > block->bytes ||
        block->first + block->count > job->head.slot_end || block->count > STORE_LABEL_BLOCK_SLOTS)
        return status;
    for (uint32_t i = 0; i < block->count; i++)
        texts += ngi_get_u16(data + 2 * (size_t)i);
    if (lengths + texts == block->bytes)
        *payload = data;
    return NG_OK;
}

ng_status ngi_salvage_hash_labels(salvage *job)
{
    for (size_t b = 0; b < job->block_count && job->lost_sides; b++) {
        const salvage_block *block = &job->blocks[b];
        const uint8_t *payload = NULL;
        ng_status status = NG_OK;
        if (block->kind == NGI_BLOCK_LABELS)
            status = salvage_label_block(job, block, &payload);
        if (status != NG_OK)
            return status;
        const uint8_t *text = payload != NULL ? payload + 2 * (size_t)block->count : NULL;
        for (uint32_t i = 0; payload != NULL && i < block->count; i++) {
            size_t bytes = ngi_get_u16(payload + 2 * (size_t)i);
            if (bytes > 0 && salvage_is_live(job, block->first + i) &&
                salvage_bit(job->default_collection, block->first + i)) {
                status = REPAIR_GROW(job, hashes, hash_capacity, hash_count);
                if (status != NG_OK)
                    return status;
                job->hashes[job->hash_count++] = XXH3_64bits(text, bytes);
            }
            text += bytes;
        }
    }
    if (job->hash_count > 1)
        qsort(job->hashes, job->hash_count, sizeof *job->hashes, salvage_compare_hashes);
    return NG_OK;
}

static ng_status salvage_labels(salvage *job)
{
    uint64_t next = 0;
    for (size_t b = 0; b < job->block_count; b++) {
        const salvage_block *block = &job->blocks[b];
        const uint8_t *payload = NULL;
        ng_status status = NG_OK;
        if (block->kind == NGI_BLOCK_LABELS && block->first >= next)
            status = salvage_label_block(job, block, &payload);
        if (status != NG_OK)
            return status;
        if (payload == NULL)
            continue;
        next = block->first + block->count;
        const uint8_t *text = payload + 2 * (size_t)block->count;
        uint8_t *out = job->payload + 2 * (size_t)block->count;
        for (uint32_t i = 0; i < block->count; i++) {
            size_t bytes = ngi_get_u16(payload + 2 * (size_t)i);
            bool keep = salvage_keeps_label(job, block->first + i, text, bytes);
            ngi_put_u16(job->payload + 2 * (size_t)i, keep ? (uint16_t)bytes : 0);
            if (keep) {
                memcpy(out, text, bytes);
                out += bytes;
                job->head.label_count++;
            }
            text += bytes;
        }
        status = ngi_salvage_give(job, NGI_BLOCK_LABELS, (uint32_t)block->first, block->count,
                                  (size_t)(out - job->payload));
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

/* --- vectors --------------------------------------------------------------------------------- */

static bool salvage_is_finite(const uint8_t *floats, uint32_t dimensions)
{
    for (uint32_t i = 0; i < dimensions; i++)
        if (!isfinite(ngi_get_f32(floats + 4 * (size_t)i)))
            return false;
    return true;
}

static ng_status salvage_vectors(salvage *job)
{
    uint32_t dimensions = job->head.dimensions;
    size_t row_bytes = (size_t)dimensions * 4;
    uint32_t last = 0;
    for (size_t b = 0; b < job->block_count && dimensions != 0; b++) {
        const salvage_block *block = &job->blocks[b];
        const uint8_t *data;
        size_t available;
        if (block->kind != NGI_BLOCK_VECTORS || block->bytes != block->count * (4 + row_bytes))
            continue;
        ng_status status =
            ngi_repair_window_at(&job->window, block->offset, block->bytes, &data, &available);
        if (status != NG_OK)
            return status;
        uint32_t kept = 0;
        uint32_t *slots = (uint32_t *)(void *)job->payload;
        uint8_t *rows = job->payload + (size_t)block->count * 4;
        for (uint32_t i = 0; i < block->count && available >= block->bytes; i++) {
            uint32_t slot = ngi_get_u32(data + 4 * (size_t)i);
            const uint8_t *row = data + (size_t)block->count * 4 + i * row_bytes;
            if (slot <= last || !salvage_is_live(job, slot) || !salvage_is_finite(row, dimensions))
                continue;
            last = slots[kept] = slot;
            memcpy(rows + kept * row_bytes, row, row_bytes);
            kept++;
        }
        if (kept == 0)
            continue;
        memmove(job->payload + (size_t)kept * 4, rows, kept * row_bytes);
        job->head.vector_count += kept;
        status = ngi_salvage_give(job, NGI_BLOCK_VECTORS, slots[0], kept, kept * (4 + row_bytes));
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

/* Copies the payload of the first block of a kind; `*bytes` 0 if there is none. */
static ng_status salvage_single(salvage *job, uint16_t kind, size_t *bytes)
{
    *bytes = 0;
    for (size_t b = 0; b < job->block_count; b++) {
        const salvage_block *block = &job->blocks[b];
        const uint8_t *data;
        size_t available;
        if (block->kind != kind)
            continue;
        ng_status status =
            ngi_repair_window_at(&job->window, block->offset, block->bytes, &data, &available);
        if (status != NG_OK || available < block->bytes)
            return status;
        memcpy(job->payload, data, block->bytes);
        *bytes = block->bytes;
        return NG_OK;
    }
    return NG_OK;
}

/* --- attributes ------------------------------------------------------------------------------ */

static bool salvage_keeps_attributes(const salvage *job, const ngi_op_attributes *item,
                                     uint32_t last)
{
    return item->slot > last && salvage_is_live(job, item->slot) &&
           ngi_data_validate(item->data, item->data_bytes) == NG_OK;
}

/* The items of a block up to the first that is not one; those that fit go on, packed together. */
static ng_status salvage_attribute_block(salvage *job, const salvage_block *block, uint32_t *last)
{
    const uint8_t *data;
    size_t available;
    ng_status status =
        ngi_repair_window_at(&job->window, block->offset, block->bytes, &data, &available);
    if (status != NG_OK || available < block->bytes)
        return status;
    ngi_op_reader reader = {.next = data, .end = data + block->bytes, .left = block->count};
    uint8_t *out = job->payload;
    uint32_t first = 0, kept = 0;
    while (reader.left > 0) {
        ngi_op_attributes item;
        const uint8_t *begin = reader.next;
        if (ngi_op_attributes_next(&reader, false, &item) != NG_OK)
            break;
        if (!salvage_keeps_attributes(job, &item, *last))
            continue;
        memcpy(out, begin, (size_t)(reader.next - begin));
        out += reader.next - begin;
        *last = item.slot;
        first = kept++ == 0 ? item.slot : first;
    }
    job->head.attribute_count += kept;
    return kept == 0 ? NG_OK
                     : ngi_salvage_give(job, NGI_BLOCK_ATTRIBUTES, first, kept,
                                        (size_t)(out - job->payload));
}

static ng_status salvage_attributes(salvage *job)
{
    uint32_t last = 0;
    ng_status status = NG_OK;
    for (size_t b = 0; b < job->block_count && status == NG_OK; b++)
        if (job->blocks[b].kind == NGI_BLOCK_ATTRIBUTES)
            status = salvage_attribute_block(job, &job->blocks[b], &last);
    return status;
}

/* The declarations of the block, if they all are. */
static ng_status salvage_indexes(salvage *job)
{
    size_t bytes, at = 0, used;
    uint32_t count = 0, number;
    ngi_field_spec spec;
    ng_status status = salvage_single(job, NGI_BLOCK_INDEXES, &bytes);
    if (status != NG_OK)
        return status;
    for (; at < bytes; at += used, count++)
        if (ngi_op_index_decode(job->payload + at, bytes - at, &number, &spec, &used) != NG_OK)
            return NG_OK;
    job->head.index_count = count;
    return count == 0 ? NG_OK : ngi_salvage_give(job, NGI_BLOCK_INDEXES, 0, count, bytes);
}

/* --- the rest -------------------------------------------------------------------------------- */

ng_status ngi_salvage_read_names(salvage *job)
{
    for (size_t b = 0; b < job->block_count; b++) {
        const salvage_block *block = &job->blocks[b];
        const uint8_t *at;
        size_t available;
        if (block->kind != NGI_BLOCK_COLLECTIONS)
            continue;
        ng_status status =
            ngi_repair_window_at(&job->window, block->offset, block->bytes, &at, &available);
        if (status != NG_OK)
            return status;
        const uint8_t *end = at + (available < block->bytes ? available : block->bytes);
        for (uint64_t i = block->first; i < job->head.collection_count && end - at >= 4; i++) {
            uint32_t bytes = ngi_get_u32(at);
            at += 4;
            if (bytes == 0 && i > NG_COLLECTION_SEMANTIC) {
                salvage_bit_set(job->dropped_collections, i);
                continue;
            }
            if (bytes > (size_t)(end - at) ||
                ngi_collection_check_name((const char *)at, bytes) != NG_OK)
                break;
            memset(job->names[i].name, 0, sizeof job->names[i].name);
            memcpy(job->names[i].name, at, bytes);
            at += bytes;
        }
    }
    snprintf(job->names[0].name, sizeof job->names[0].name, "runtime");
    snprintf(job->names[1].name, sizeof job->names[1].name, "semantic");
    return NG_OK;
}

static ng_status salvage_collections(salvage *job)
{
    uint32_t total = job->head.collection_count;
    for (uint32_t first = 0; first < total; first += STORE_COLLECTION_BLOCK) {
        uint32_t count =
            total - first < STORE_COLLECTION_BLOCK ? total - first : STORE_COLLECTION_BLOCK;
        uint8_t *at = job->payload;
        for (uint32_t i = 0; i < count; i++) {
            const char *name = job->names[first + i].name;
            size_t bytes = strnlen(name, NGI_COLLECTION_NAME_MAX);
            ngi_put_u32(at, (uint32_t)bytes);
            memcpy(at + 4, name, bytes);
            at += 4 + bytes;
        }
        ng_status status =
            ngi_salvage_give(job, NGI_BLOCK_COLLECTIONS, first, count, (size_t)(at - job->payload));
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

static ng_status salvage_cdna(salvage *job)
{
    size_t bytes;
    ng_cdna cdna;
    ng_status status = salvage_single(job, NGI_BLOCK_CDNA, &bytes);
    if (status != NG_OK)
        return status;
    if (bytes != NGI_CDNA_BYTES || ngi_cdna_decode(job->payload, &cdna) != NG_OK) {
        const ng_loss loss = {.file = job->name};
        if (job->loader == NULL)
            ngi_repair_lose(job->repair, &loss,
                            "the constitution is lost: the default one is taken");
        ngi_cdna_default(&cdna, job->head.identity.created_us / 1000000);
        ngi_cdna_encode(&cdna, job->payload);
    }
    return ngi_salvage_give(job, NGI_BLOCK_CDNA, 0, 1, NGI_CDNA_BYTES);
}

static ng_status salvage_projection(salvage *job)
{
    size_t bytes;
    ngi_op_projection decoded;
    ng_status status = salvage_single(job, NGI_BLOCK_PROJECTION, &bytes);
    const ngi_op op = {.body = job->payload, .body_bytes = (uint32_t)bytes};
    if (status != NG_OK || bytes == 0 || ngi_op_projection_decode(&op, &decoded) != NG_OK)
        return status;
    if (job->head.dimensions == 0 && !job->has_head && decoded.dimensions >= NGI_DIMENSIONS_MIN &&
        decoded.dimensions <= NGI_DIMENSIONS_MAX)
        job->head.dimensions = decoded.dimensions;
    if (decoded.dimensions != job->head.dimensions || decoded.component_count > decoded.dimensions)
        return NG_OK;
    return ngi_salvage_give(job, NGI_BLOCK_PROJECTION, 0, 1, bytes);
}

ng_status ngi_salvage_pass(salvage *job)
{
    ngi_stream_head *head = &job->head;
    head->token_count = head->connection_count = head->label_count = head->vector_count = 0;
    head->attribute_count = 0;
    head->index_count = 0;
    job->dropped_connections = 0;
    ng_status status;
    NGI_TRY(salvage_table(job, NGI_BLOCK_TOKENS, head->slot_end));
    NGI_TRY(salvage_table(job, NGI_BLOCK_SIDES, head->slot_end));
    NGI_TRY(salvage_labels(job));
    NGI_TRY(salvage_vectors(job));
    NGI_TRY(salvage_table(job, NGI_BLOCK_CONNECTIONS, head->id_end));
    NGI_TRY(salvage_collections(job));
    NGI_TRY(salvage_cdna(job));
    NGI_TRY(salvage_projection(job));
    NGI_TRY(salvage_attributes(job));
    NGI_TRY(ngi_salvage_grids(job));
    NGI_TRY(salvage_indexes(job));
    NGI_TRY(ngi_salvage_fields(job));
out:
    return status;
}
