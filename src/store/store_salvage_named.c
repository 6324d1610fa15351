/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named grids out of a damaged snapshot: those whose images are there, with the members that are. A
 * grid says how many members it has, so these are counted in the first pass and said in the second. */
#include "store/store_salvage_private.h"

#include <string.h>

/* The payload of a block; NULL if it cannot be read any more. */
static ng_status grids_payload(salvage *job, const salvage_block *block, const uint8_t **out)
{
    size_t available;
    ng_status status =
        ngi_repair_window_at(&job->window, block->offset, block->bytes, out, &available);
    if (status == NG_OK && available < block->bytes)
        *out = NULL;
    return status;
}

static ng_status grids_images(salvage *job, const salvage_block *block)
{
    const uint8_t *data;
    ng_status status = grids_payload(job, block, &data);
    if (status != NG_OK || data == NULL)
        return status;
    size_t at = 0, end = 0;
    uint32_t count = 0;
    ng_grid_id previous = 0;
    for (size_t bytes = 1; bytes != 0 && at < block->bytes; at += bytes) {
        ng_grid_id id;
        store_named_grid grid;
        bytes = ngi_named_image_decode(data + at, block->bytes - at, &id, &grid);
        if (bytes == 0 || id <= previous || count == NGI_GRIDS_MAX)
            break;
        previous = id;
        grid.member_count = job->grid_member_counts[id - 1];
        job->grid_bits.bits[(id - 1) / 64] |= UINT64_C(1) << (id - 1) % 64;
        end += ngi_named_image_encode(id, &grid, job->payload + end);
        count++;
    }
    return count == 0 ? NG_OK : ngi_salvage_give(job, NGI_BLOCK_GRIDS, 0, count, end);
}

static bool grids_keep(salvage *job, uint32_t slot, store_members *members, uint32_t last)
{
    members->bits[0] &= job->grid_bits.bits[0];
    members->bits[1] &= job->grid_bits.bits[1];
    return slot > last && salvage_is_live(job, slot) && (members->bits[0] | members->bits[1]) != 0;
}

static ng_status grids_members(salvage *job, const salvage_block *block, uint32_t *last)
{
    const uint8_t *data;
    ng_status status = grids_payload(job, block, &data);
    if (status != NG_OK || data == NULL || block->bytes != block->count * STORE_MEMBER_BYTES)
        return status;
    uint32_t first = 0, kept = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        const uint8_t *at = data + (size_t)i * STORE_MEMBER_BYTES;
        uint32_t slot = ngi_get_u32(at);
        store_members members = {{ngi_get_u64(at + 8), ngi_get_u64(at + 16)}};
        if (!grids_keep(job, slot, &members, *last))
            continue;
        uint8_t *out = job->payload + (size_t)kept * STORE_MEMBER_BYTES;
        memset(out, 0, STORE_MEMBER_BYTES);
        ngi_put_u32(out, slot);
        ngi_put_u64(out + 8, members.bits[0]);
        ngi_put_u64(out + 16, members.bits[1]);
        for (uint32_t grid = 0; job->loader == NULL && grid < NGI_GRIDS_MAX; grid++)
            job->grid_member_counts[grid] += members.bits[grid / 64] >> grid % 64 & 1;
        *last = slot;
        first = kept++ == 0 ? slot : first;
    }
    return kept == 0 ? NG_OK
                     : ngi_salvage_give(job, NGI_BLOCK_MEMBERS, first, kept,
                                        (size_t)kept * STORE_MEMBER_BYTES);
}

ng_status ngi_salvage_grids(salvage *job)
{
    uint32_t last = 0;
    bool have_images = false;
    ng_status status = NG_OK;
    if (job->loader == NULL)
        memset(job->grid_member_counts, 0, sizeof job->grid_member_counts);
    job->grid_bits = (store_members){{0}};
    for (size_t b = 0; b < job->block_count && status == NG_OK; b++) {
        const salvage_block *block = &job->blocks[b];
        if (block->kind == NGI_BLOCK_GRIDS && !have_images) {
            have_images = true;
            status = grids_images(job, block);
        } else if (block->kind == NGI_BLOCK_MEMBERS) {
            status = grids_members(job, block, &last);
        }
    }
    return status;
}
