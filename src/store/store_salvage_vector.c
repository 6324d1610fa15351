/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named fields of vectors out of a damaged snapshot: those whose images are there, with the vectors that
 * are. A field says how many vectors it has, so these are counted in the first pass and said in the
 * second. */
#include "store/store_salvage_private.h"

#include <math.h>
#include <string.h>

/* The payload of a block; NULL if it cannot be read any more. */
static ng_status fields_payload(salvage *job, const salvage_block *block, const uint8_t **out)
{
    size_t available;
    ng_status status =
        ngi_repair_window_at(&job->window, block->offset, block->bytes, out, &available);
    if (status == NG_OK && available < block->bytes)
        *out = NULL;
    return status;
}

static ng_status fields_images(salvage *job, const salvage_block *block)
{
    const uint8_t *data;
    ng_status status = fields_payload(job, block, &data);
    if (status != NG_OK || data == NULL)
        return status;
    size_t at = 0, end = 0;
    uint32_t count = 0;
    ng_vector_field_id previous = 0;
    for (size_t bytes = 1; bytes != 0 && at < block->bytes; at += bytes) {
        ng_vector_field_id id;
        store_vector_spec spec;
        bytes = ngi_vector_image_decode(data + at, block->bytes - at, &id, &spec);
        if (bytes == 0 || id <= previous)
            break;
        previous = id;
        if (job->loader == NULL)
            job->field_lost += spec.vector_count;
        spec.vector_count = job->field_counts[id];
        job->field_dimensions[id] = spec.dimensions;
        end += ngi_vector_image_encode(id, &spec, job->payload + end);
        count++;
    }
    return count == 0 ? NG_OK : ngi_salvage_give(job, NGI_BLOCK_VECTOR_FIELDS, 0, count, end);
}

static bool fields_keep(const salvage *job, uint32_t slot, const uint8_t *row, uint32_t dimensions,
                        uint32_t last)
{
    if (slot <= last || !salvage_is_live(job, slot))
        return false;
    for (uint32_t i = 0; i < dimensions; i++)
        if (!isfinite(ngi_get_f32(row + 4 * (size_t)i)))
            return false;
    return true;
}

/* `*last` is the last slot kept of the field. */
static ng_status fields_vectors(salvage *job, const salvage_block *block, ng_vector_field_id id,
                                uint32_t *last)
{
    uint32_t dimensions = job->field_dimensions[id];
    size_t row_bytes = (size_t)dimensions * 4;
    const uint8_t *data;
    if (dimensions == 0 || block->bytes != block->count * (4 + row_bytes))
        return NG_OK;
    ng_status status = fields_payload(job, block, &data);
    if (status != NG_OK || data == NULL)
        return status;
    uint32_t *slots = (uint32_t *)(void *)job->payload, kept = 0;
    uint8_t *rows = job->payload + (size_t)block->count * 4;
    for (uint32_t i = 0; i < block->count; i++) {
        uint32_t slot = ngi_get_u32(data + 4 * (size_t)i);
        const uint8_t *row = data + (size_t)block->count * 4 + i * row_bytes;
        if (!fields_keep(job, slot, row, dimensions, *last))
            continue;
        *last = slots[kept] = slot;
        memcpy(rows + kept * row_bytes, row, row_bytes);
        kept++;
    }
    if (kept == 0)
        return NG_OK;
    memmove(job->payload + (size_t)kept * 4, rows, kept * row_bytes);
    if (job->loader == NULL)
        job->field_counts[id] += kept;
    return ngi_salvage_give(job, NGI_BLOCK_FIELD_VECTORS, (uint64_t)id << 32 | slots[0], kept,
                            kept * (4 + row_bytes));
}

static void fields_report(salvage *job)
{
    const ng_loss loss = {.file = job->name};
    uint64_t kept = 0;
    for (uint32_t id = 1; id <= NGI_VECTOR_FIELDS_MAX; id++)
        kept += job->field_counts[id];
    if (job->field_lost > kept)
        ngi_repair_lose(job->repair, &loss, "%llu of %llu vectors in named fields are lost",
                        (unsigned long long)(job->field_lost - kept),
                        (unsigned long long)job->field_lost);
}

ng_status ngi_salvage_fields(salvage *job)
{
    bool have_images = false;
    ng_vector_field_id previous = 0;
    uint32_t last = 0;
    ng_status status = NG_OK;
    if (job->loader == NULL) {
        memset(job->field_counts, 0, sizeof job->field_counts);
        job->field_lost = 0;
    }
    memset(job->field_dimensions, 0, sizeof job->field_dimensions);
    for (size_t b = 0; b < job->block_count && status == NG_OK; b++) {
        const salvage_block *block = &job->blocks[b];
        if (block->kind == NGI_BLOCK_VECTOR_FIELDS && !have_images) {
            have_images = true;
            status = fields_images(job, block);
        }
        if (block->kind != NGI_BLOCK_FIELD_VECTORS)
            continue;
        ng_vector_field_id id = (ng_vector_field_id)(block->first >> 32);
        last = id == previous ? last : 0;
        previous = id;
        status = fields_vectors(job, block, id, &last);
    }
    if (job->loader == NULL && status == NG_OK)
        fields_report(job);
    return status;
}
