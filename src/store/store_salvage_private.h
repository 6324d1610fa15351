/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Inside saving what is valid of a snapshot: the blocks that were found, and the state they give. */
#ifndef NGI_STORE_SALVAGE_PRIVATE_H
#define NGI_STORE_SALVAGE_PRIVATE_H

#include "store/store_repair_private.h"

typedef struct salvage_block {
    uint16_t kind;
    uint64_t first;
    uint32_t count, bytes;
    uint64_t offset; /* of its payload */
} salvage_block;

typedef struct salvage {
    store_repair *repair;
    ngi_mem *mem;
    char name[REPAIR_NAME_BYTES];
    repair_window window;
    bool has_head;
    ngi_stream_head head;
    salvage_block *blocks; /* by kind and first */
    size_t block_count, block_capacity;
    size_t bit_bytes;
    uint64_t *live;                /* a bit per slot: its record is there */
    uint64_t *sided;               /* its side is there as well */
    uint64_t *default_collection;  /* it is, or comes to be, in collection 0 */
    uint64_t *dropped_collections; /* collections that have no name because they were dropped */
    uint64_t *hashes; /* of labels in collection 0, ascending; only if a side is lost */
    size_t hash_count, hash_capacity;
    bool lost_sides;
    store_collection *names; /* [head.collection_count]; empty = lost */
    uint8_t *payload;        /* [NGI_STREAM_BLOCK_BYTES], what is given to the loader */
    store_loader *loader;    /* NULL while counting */
    uint64_t dropped_connections;
    store_members grid_bits;                              /* grids whose images are there */
    uint64_t grid_member_counts[NGI_GRIDS_MAX];           /* of the pass that counts */
    uint32_t field_dimensions[NGI_VECTOR_FIELDS_MAX + 1]; /* 0 = its image is lost */
    uint64_t field_counts[NGI_VECTOR_FIELDS_MAX + 1];     /* of the pass that counts; so the next */
    uint64_t field_lost; /* vectors that the images say there were */
} salvage;

static inline bool salvage_bit(const uint64_t *bits, uint64_t at)
{
    return (bits[at / 64] >> at % 64 & 1) != 0;
}

static inline void salvage_bit_set(uint64_t *bits, uint64_t at)
{
    bits[at / 64] |= UINT64_C(1) << at % 64;
}

static inline bool salvage_is_live(const salvage *job, uint64_t slot)
{
    return slot < job->head.slot_end && salvage_bit(job->live, slot);
}

/** Bytes of a record of a table; 0 for a kind that is none. */
static inline uint32_t salvage_record_bytes(uint16_t kind)
{
    switch (kind) {
    case NGI_BLOCK_TOKENS:
    case NGI_BLOCK_CONNECTIONS:
        return 64;
    case NGI_BLOCK_SIDES:
        return sizeof(store_side);
    default:
        return 0;
    }
}

/** Fills `out` with records [first, first + count) of a table, zeroes where no block has them. */
NG_MUST_USE ng_status ngi_salvage_fill(salvage *job, uint16_t kind, uint32_t first, uint32_t count,
                                       uint8_t *out);
/** The names of collections that are there; those lost stay empty. */
NG_MUST_USE ng_status ngi_salvage_read_names(salvage *job);
/** Collects the hashes of the labels in the default collection, if sides are lost. */
NG_MUST_USE ng_status ngi_salvage_hash_labels(salvage *job);
/** A block of `bytes` bytes in job->payload, for the loader if there is one. */
NG_MUST_USE ng_status ngi_salvage_give(salvage *job, uint16_t kind, uint64_t first, uint32_t count,
                                       size_t bytes);
/** Named grids and their members; store_salvage_named.c. */
NG_MUST_USE ng_status ngi_salvage_grids(salvage *job);
/** Named fields of vectors; store_salvage_vector.c. */
NG_MUST_USE ng_status ngi_salvage_fields(salvage *job);
/** Puts the whole state together: counts it into job->head, or gives it to job->loader. */
NG_MUST_USE ng_status ngi_salvage_pass(salvage *job);

#endif
