/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Degrees that are to be added, by token. */
#include "store/store_degree.h"

#include <string.h>

#define BUCKETS_MIN 16u

/* The bucket of a slot, or the empty one where it belongs. */
static store_degree *degrees_at(const store_degrees *degrees, uint32_t slot)
{
    size_t mask = degrees->bucket_count - 1;
    size_t at = (slot * UINT32_C(0x9E3779B1) >> 7) & mask;
    while (degrees->buckets[at].slot != 0 && degrees->buckets[at].slot != slot)
        at = (at + 1) & mask;
    return &degrees->buckets[at];
}

/* Tokens whose connections have all been taken back are left behind. */
static void degrees_copy(store_degrees *to, const store_degrees *from)
{
    for (size_t i = 0; i < from->bucket_count; i++) {
        const store_degree *degree = &from->buckets[i];
        if (degree->out == 0 && degree->in == 0)
            continue;
        *degrees_at(to, degree->slot) = *degree;
        to->used_count++;
    }
}

ng_status ngi_degrees_reserve(ngi_mem *mem, store_degrees *degrees, size_t more)
{
    size_t wanted = degrees->used_count + 2 * more;
    if (wanted <= degrees->bucket_count / 2)
        return NG_OK;
    store_degrees next = {.bucket_count = BUCKETS_MIN};
    while (next.bucket_count / 2 < wanted)
        next.bucket_count *= 2;
    void *block;
    ng_status status =
        ngi_alloc(mem, next.bucket_count * sizeof *next.buckets, "degrees of a write", &block);
    if (status != NG_OK)
        return status;
    memset(block, 0, next.bucket_count * sizeof *next.buckets);
    next.buckets = block;
    degrees_copy(&next, degrees);
    ngi_degrees_release(mem, degrees);
    *degrees = next;
    return NG_OK;
}

static store_degree *degrees_take(store_degrees *degrees, uint32_t slot)
{
    store_degree *degree = degrees_at(degrees, slot);
    degrees->used_count += degree->slot == 0;
    degree->slot = slot;
    return degree;
}

void ngi_degrees_add(store_degrees *degrees, uint32_t source, uint32_t target)
{
    degrees_take(degrees, source)->out++;
    degrees_take(degrees, target)->in++;
}

void ngi_degrees_remove(store_degrees *degrees, uint32_t source, uint32_t target)
{
    degrees_at(degrees, source)->out--;
    degrees_at(degrees, target)->in--;
}

store_degree ngi_degrees_of(const store_degrees *degrees, uint32_t slot)
{
    return degrees->bucket_count == 0 ? (store_degree){0} : *degrees_at(degrees, slot);
}

void ngi_degrees_release(ngi_mem *mem, store_degrees *degrees)
{
    ngi_free(mem, degrees->buckets, degrees->bucket_count * sizeof *degrees->buckets);
    *degrees = (store_degrees){0};
}
