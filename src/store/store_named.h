/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named grids: subsets of the tokens with spatial indexes of their own.
 *
 *     members[slot]  a bit for each grid that the token is in, 16 bytes
 *     grids[i]       name, configuration and number of members of grid i + 1
 *     trees[i]       its eight trees, of the memory of the store's own (store->grid)
 *
 * Most stores have none, and most tokens are in none: what a write of a token pays then is a comparison
 * of its slot with `member_end`, which is 0.
 *
 * Invariants (verified by ngi_space_check):
 *  1. A member is a live token, and its bits are of grids that are there.
 *  2. grids[i].member_count is the number of bits i, `member_total` the sum; no slot from member_end on
 *     has a bit.
 *  3. trees[i][space] holds the members with coordinates there, where their records say.
 *
 * Threads: as the other tables: changed by the holder of both locks, read by the holder of either.
 * Trees are searched without a lock; `trees` is allocated once, so a pointer into it stays good. */
#ifndef NGI_STORE_NAMED_H
#define NGI_STORE_NAMED_H

#include "base/base_limits.h"
#include "index/index_grid.h"
#include "wal/wal_op.h"

#define STORE_GRID_WORDS 2u
_Static_assert(NGI_GRIDS_MAX <= 64 * STORE_GRID_WORDS, "a bit for each grid");

typedef struct store_members {
    uint64_t bits[STORE_GRID_WORDS]; /* bit i: of grid i + 1 */
} store_members;

typedef struct store_named_grid {
    char name[NGI_GRID_NAME_MAX + 1]; /* empty: it has none */
    bool is_there;
    float bucket_size, density_threshold;
    uint32_t min_field_nodes;
    uint64_t member_count;
} store_named_grid;

typedef struct store_named {
    uint32_t count;        /* grids that are there */
    uint32_t member_end;   /* slots from here on are in none */
    uint64_t member_total; /* over all grids */
    ngi_table members;     /* store_members by slot */
    store_named_grid grids[NGI_GRIDS_MAX];
    ngi_grid_tree (*trees)[NG_SPACE_COUNT]; /* [NGI_GRIDS_MAX], or NULL before the first grid */
    bool any_moved;                         /* below there is something; guard: the log's lock */
    uint32_t moved[NGI_GRIDS_MAX][NG_SPACE_COUNT]; /* by the op that is being prepared */
} store_named;

/* An image of a grid, in a stream and for the state hash: GRID_PUT with the number of members. */
#define STORE_GRID_IMAGE_FIXED 32u
#define STORE_GRID_IMAGE_MAX (STORE_GRID_IMAGE_FIXED + (NGI_GRID_NAME_MAX + 7u) / 8u * 8u)
#define STORE_MEMBER_BYTES 24u /* u32 slot, u32 0, u64 bits[2] */

NG_MUST_USE ng_status ngi_named_init(ng_store *store);
void ngi_named_release(ng_store *store);

/** What a change of a token changes in the grids that it is in: counted, made room for, done.
 *  ngi_named_forget takes back what was counted. `slot` is below member_end. */
void ngi_named_count(ng_store *store, uint32_t slot, const ng_token *old, const ng_token *now);
void ngi_named_forget(ng_store *store);
NG_MUST_USE ng_status ngi_named_reserve(ng_store *store);
NG_MUST_USE ng_status ngi_named_put(ng_store *store, uint32_t slot, const ng_token *old,
                                    const ng_token *now);

/** GRID_PUT, GRID_DROP, GRID_MEMBERS. */
NG_MUST_USE ng_status ngi_named_prepare(ng_store *store, const ngi_op *op);
NG_MUST_USE ng_status ngi_named_apply(ng_store *store, const ngi_op *op);

bool ngi_named_has(const ng_store *store, ng_grid_id id);
bool ngi_named_is_member(const ng_store *store, ng_grid_id id, uint32_t slot);
/** NG_E_NOT_FOUND "grid 7 not found". */
ng_status ngi_named_fail(ng_grid_id id);
/** NG_E_INVALID unless it is empty or 1..64 bytes of [a-z0-9_.-]. */
NG_MUST_USE ng_status ngi_named_check_name(const char *name, size_t bytes);
/** NG_E_INVALID names the member. */
NG_MUST_USE ng_status ngi_named_check_config(float bucket_size, float density_threshold,
                                             uint32_t min_field_nodes);

/** Invariants 1 and 2; NG_E_INTERNAL. */
NG_MUST_USE ng_status ngi_named_check(const ng_store *store);

/** Encodes and decodes an image; returns its bytes, 0 if it is not one. */
size_t ngi_named_image_encode(ng_grid_id id, const store_named_grid *grid, uint8_t *out);
size_t ngi_named_image_decode(const uint8_t *in, size_t available, ng_grid_id *id,
                              store_named_grid *out);
/** While a state is loaded: a grid, then members by slots that ascend. NG_E_CORRUPT. */
NG_MUST_USE ng_status ngi_named_load_grid(ng_store *store, ng_grid_id id,
                                          const store_named_grid *grid);
NG_MUST_USE ng_status ngi_named_load_member(ng_store *store, uint32_t slot,
                                            const store_members *members);

#endif
