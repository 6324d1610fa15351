/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections that a batch or a transaction is about to add, counted by the tokens at their ends: so
 * that the degree limits of the constitution cost the same for each, however many there are.
 *
 * Open addressing by slot; slot 0 = empty. Zeroed = nothing counted.
 * Threads: one at a time. */
#ifndef NGI_STORE_DEGREE_H
#define NGI_STORE_DEGREE_H

#include "base/base_mem.h"

typedef struct store_degree {
    uint32_t slot;
    uint32_t out, in;
} store_degree;

typedef struct store_degrees {
    store_degree *buckets;
    size_t bucket_count; /* a power of two, at most half used; or 0 */
    size_t used_count;
} store_degrees;

/** Room for `more` connections, so that adding them cannot fail. */
NG_MUST_USE ng_status ngi_degrees_reserve(ngi_mem *mem, store_degrees *degrees, size_t more);
void ngi_degrees_add(store_degrees *degrees, uint32_t source, uint32_t target);
/** One that was added. */
void ngi_degrees_remove(store_degrees *degrees, uint32_t source, uint32_t target);
/** Zeroes for a token that has none. */
store_degree ngi_degrees_of(const store_degrees *degrees, uint32_t slot);
void ngi_degrees_release(ngi_mem *mem, store_degrees *degrees);

#endif
