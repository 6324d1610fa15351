/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Bytes of any length, in chains of units of 64 bytes: the payloads of tokens.
 *
 * A chain and not one piece: whatever is removed is used again for whatever comes, so nothing is
 * lost to sizes that do not fit each other, room can be counted before it is needed, and a view can
 * keep old units as pages of a table.
 *
 * Threads: reserve, put and remove with the store's lock held for writing, the rest for reading. */
#ifndef NGI_INDEX_CHAINS_H
#define NGI_INDEX_CHAINS_H

#include "os/os_table.h"

#define NGI_CHAINS_UNIT_BYTES 64u

/** An element of the table `units`; views read old ones. */
typedef struct ngi_chains_unit {
    uint32_t next;     /* the following unit of a chain, or of the free list; 0 = none */
    uint8_t bytes[60]; /* of the content */
} ngi_chains_unit;

#define NGI_CHAINS_CONTENT_BYTES (sizeof((ngi_chains_unit){0}.bytes))

typedef struct ngi_chains {
    ngi_table units;    /* number 0 is none */
    uint32_t unit_end;  /* first unit that was never used */
    uint32_t free_unit; /* first of the free ones, 0 = none */
    uint32_t free_count;
} ngi_chains;

/** How many units so many bytes take. */
static inline size_t ngi_chains_units(size_t bytes)
{
    return (bytes + NGI_CHAINS_CONTENT_BYTES - 1) / NGI_CHAINS_CONTENT_BYTES;
}

NG_MUST_USE ng_status ngi_chains_init(ngi_chains *chains, ngi_os *os, ngi_mem *mem,
                                      size_t max_units, const char *what);
/** Chains that are all zero bytes are allowed. */
void ngi_chains_release(ngi_chains *chains);
/** Makes room so that puts of `units` units in all cannot fail; no trace when it fails. */
NG_MUST_USE ng_status ngi_chains_reserve(ngi_chains *chains, size_t units);
/** Stores bytes, at least one, and returns the first unit; 0 if no room was made. */
uint32_t ngi_chains_put(ngi_chains *chains, const void *data, size_t bytes);
/** Gives the units of a chain of so many bytes back. */
void ngi_chains_remove(ngi_chains *chains, uint32_t first, size_t bytes);
void ngi_chains_read(const ngi_chains *chains, uint32_t first, size_t bytes, void *out);
/** Of the memory that they take, that of units in chains. */
uint64_t ngi_chains_used_bytes(const ngi_chains *chains);
/** Verifies that a chain of so many bytes is one, and adds its units to `*used`. */
NG_MUST_USE ng_status ngi_chains_check_one(const ngi_chains *chains, uint32_t first, size_t bytes,
                                           uint64_t *used);
/** Verifies that `used` units and the free ones are all there are. */
NG_MUST_USE ng_status ngi_chains_check(const ngi_chains *chains, uint64_t used);

#endif
