/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* An ordered set of (key, slot): what is looked up by value, by range, or by which comes first.
 *
 * It serves everything that is ordered: tokens by tag (the key is the tag), by a declared field (the
 * key is the value, in an order-preserving form), by expiry. A B+tree of nodes of 512 bytes in a
 * table; leaves are linked, so a range is walked without going up.
 *
 * Threads: reserve, insert and remove with the store's lock held for writing, the rest for reading. */
#ifndef NGI_INDEX_ORDERED_H
#define NGI_INDEX_ORDERED_H

#include "os/os_table.h"

typedef struct ngi_ordered {
    ngi_table nodes;     /* number 0 is none */
    const char *what;    /* for messages */
    uint32_t root;       /* 0 = empty */
    uint32_t node_end;   /* first node that was never used */
    uint32_t free_node;  /* first of the free ones, 0 = none */
    uint32_t free_count; /* of them */
    uint32_t leaf_count;
    uint32_t inner_count;
    uint64_t count;
} ngi_ordered;

typedef struct ngi_ordered_entry {
    uint64_t key;
    uint32_t slot;
} ngi_ordered_entry;

/** Where a walk stands: valid until the next change. */
typedef struct ngi_ordered_cursor {
    uint32_t leaf; /* 0 = at the end */
    uint32_t at;
} ngi_ordered_cursor;

/** Address space for up to `max_entries`. */
NG_MUST_USE ng_status ngi_ordered_init(ngi_ordered *set, ngi_os *os, ngi_mem *mem,
                                       uint64_t max_entries, const char *what);
/** A set that is all zero bytes is allowed. */
void ngi_ordered_release(ngi_ordered *set);
/** Makes room so that `count` inserts cannot fail, with removals among them. Leaves no trace when
 *  it fails. */
NG_MUST_USE ng_status ngi_ordered_reserve(ngi_ordered *set, uint64_t count);
/** NG_E_INTERNAL if the entry is there, or no room was made for it; nothing is changed then. */
NG_MUST_USE ng_status ngi_ordered_insert(ngi_ordered *set, uint64_t key, uint32_t slot);
/** False if the entry is not there. */
bool ngi_ordered_remove(ngi_ordered *set, uint64_t key, uint32_t slot);
bool ngi_ordered_has(const ngi_ordered *set, uint64_t key, uint32_t slot);
/** The first entry that is not before (key, slot). */
ngi_ordered_cursor ngi_ordered_seek(const ngi_ordered *set, uint64_t key, uint32_t slot);
/** The entry at the cursor, which is advanced; false at the end. */
bool ngi_ordered_next(const ngi_ordered *set, ngi_ordered_cursor *cursor, ngi_ordered_entry *out);
/** Entries with a key in [low, high], counted up to `most`. */
uint64_t ngi_ordered_count(const ngi_ordered *set, uint64_t low, uint64_t high, uint64_t most);
/** Of the memory that it takes, that of nodes in the tree. */
uint64_t ngi_ordered_used_bytes(const ngi_ordered *set);
/** Verifies the invariants; NG_E_INTERNAL says which is broken. */
NG_MUST_USE ng_status ngi_ordered_check(const ngi_ordered *set);

#endif
