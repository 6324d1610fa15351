/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a table held at one moment, while the writer goes on changing it.
 *
 * A mirror is attached to a table at that moment and is empty. Before the writer changes a page of
 * 4 KiB for the first time since the newest mirror was attached, it copies the page into that
 * mirror, at the same offset. So a page of a mirror is where the first of these has it: the mirror
 * itself, the next newer one, ..., the newest, the table.
 *
 *     oldest <-> ... <-> newest <-> table
 *
 * Attaching and the first touch cost nothing that grows with the table: the mirror is sparse memory
 * and one bit a page, in the same sparse memory.
 *
 * States of a mirror: attached -> leaving (detach_step) -> detached -> destroyed. One that is
 * leaving takes no more pages, but those it has are found in it until they have moved.
 *
 * Invariants: 1. a page is copied at most once, into the mirror that is the newest at that time
 *                among those that are neither leaving nor broken.
 *             2. detaching a mirror moves its pages into the next older one that needs them; what
 *                is moved is charged to that one.
 *             3. a mirror covers the elements in use when it was attached; elements beyond did not
 *                exist at that moment. A newer mirror covers no less than an older one.
 *             4. charged bytes are those of copied pages; a page that cannot be charged to a mirror
 *                breaks its group, whose owner then refuses to read it; older ones take the page
 *                themselves. The writer never fails.
 * Threads: attach, detach and touch with the store's lock held for writing, read with it held for
 * reading; destroy (the costly part of giving back) needs no lock. */
#ifndef NGI_OS_MIRROR_H
#define NGI_OS_MIRROR_H

#include "os/os_table.h"

#define NGI_MIRROR_PAGE_BYTES 4096u

/** What the mirrors of one view share. */
typedef struct ngi_mirror_group {
    ngi_mem *mem;            /* copied pages are charged here; NULL: where the table is */
    size_t copied_bytes;     /* guard: the store's lock */
    size_t copied_bytes_max; /* beyond it the group breaks */
    bool over_limit;         /* it broke for that reason, not for want of memory */
    bool broken;
} ngi_mirror_group;

struct ngi_mirror {
    ngi_table *table;
    ngi_mirror_group *group;
    ngi_mirror *older, *newer;
    uint8_t *base;       /* sparse, same offsets as the table; the bits behind it */
    uint64_t *bits;      /* page has been copied */
    size_t bytes;        /* covered, a multiple of the page size */
    size_t copied_bytes; /* of this mirror */
    size_t leaving_word; /* words of bits before have been moved */
    bool attached;       /* in the chain */
    bool leaving;
};

/** Attaches an empty mirror of the first `elements` elements (as far as they are committed) to a
 *  table; leaves no trace when it fails. A table that was never initialised, or has no elements,
 *  has nothing to mirror and is allowed. Errors: NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_mirror_attach(ngi_mirror *mirror, ngi_table *table, size_t elements,
                                        ngi_mirror_group *group);
/** Takes the mirror out of the chain in steps that each move at most about `max_pages` pages; true
 *  when it is out, also if it was before. Between steps the lock may be let go of. */
bool ngi_mirror_detach_step(ngi_mirror *mirror, size_t max_pages);
/** Takes the mirror out of the chain. */
void ngi_mirror_detach(ngi_mirror *mirror);
/** Gives its memory back; after detach, or zeroed. */
void ngi_mirror_destroy(ngi_mirror *mirror);
/** Copies elements [first, first + count) as they were into `out`; elements that it does not cover
 *  are zero. The group must not be broken, the mirror not leaving, the table initialised. */
void ngi_mirror_read(const ngi_mirror *mirror, size_t first, size_t count, void *out);
/** Calls `each` with the old content (NGI_MIRROR_PAGE_BYTES) of pages of this table that have
 *  changed since the mirror was attached, and the number of their first byte, from byte `*at` on:
 *  at most `max_pages` of them. Advances `*at`; false when there are no more, or `each` has
 *  returned false. Pages that change between two calls may be left out. */
bool ngi_mirror_changed(const ngi_mirror *mirror, size_t *at, size_t max_pages,
                        bool (*each)(void *context, const uint8_t *page, size_t offset_bytes),
                        void *context);

#endif
