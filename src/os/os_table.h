/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* An array that grows without moving: address space is reserved once, memory is committed as the
 * array grows. So readers may hold a pointer into it while the writer grows it.
 *
 * Invariants: 1. elements [0, committed) are readable and were zero when committed.
 *             2. `base` never changes between init and release.
 *             3. a unit that was given back is not charged, reads as zero, and is not written before
 *                it is filled.
 * Threads: one writer grows; readers touch only elements that a published count covers, or that
 *          ngi_table_covers covers. */
#ifndef NGI_OS_TABLE_H
#define NGI_OS_TABLE_H

#include "base/base_mem.h"
#include "os/os.h"

#define NGI_TABLE_UNIT_BYTES 65536u /* a multiple of every page size in use */

typedef struct ngi_mirror ngi_mirror; /* os_mirror.h */

typedef struct ngi_table {
    uint8_t *base;
    size_t element_bytes;
    atomic_size_t committed_bytes; /* multiple of the page size; stored by the writer (release),
                                      loaded by readers without a lock (acquire) */
    size_t reserved_bytes;
    ngi_os *os;
    ngi_mem *mem;      /* committed bytes are charged here */
    const char *what;  /* "token table", for messages */
    uint64_t *holes;   /* a bit per NGI_TABLE_UNIT_BYTES that was given back; NULL = none */
    size_t hole_words; /* room there */
    size_t hole_count;
    ngi_mirror *mirror; /* newest one attached, or NULL; guard: the writer's and readers' lock */
} ngi_table;

void ngi_table_touch_mirror(ngi_table *table, size_t first, size_t count);

/** Before the writer changes elements [first, first + count): keeps the old ones for open views.
 *  Cannot fail for the writer; a view that cannot be kept is marked as broken. */
static inline void ngi_table_touch(ngi_table *table, size_t first, size_t count)
{
    if (NGI_UNLIKELY(table->mirror != NULL))
        ngi_table_touch_mirror(table, first, count);
}

/** Reserves room for `max_elements` of `element_bytes`; nothing is committed. */
NG_MUST_USE ng_status ngi_table_init(ngi_table *table, ngi_os *os, ngi_mem *mem,
                                     size_t element_bytes, size_t max_elements, const char *what);
/** Makes [0, elements) usable. Fails without a trace: NG_E_LIMIT (max_elements), NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_table_reserve(ngi_table *table, size_t elements);
/** Gives the memory of what lies wholly inside elements [first, first + count) back to the system.
 *  They must be zero, and read as zero afterwards. Without memory for a note of it nothing is given
 *  back. Elements that are not committed are left alone. */
void ngi_table_discard(ngi_table *table, size_t first, size_t count);
/** Before one of them is written again. Fails without a trace: NG_E_LIMIT. */
NG_MUST_USE ng_status ngi_table_fill(ngi_table *table, size_t first, size_t count);
/** Whether that element was given back, so that fill must come before it is written. */
bool ngi_table_is_hole(const ngi_table *table, size_t element);
/** What is charged for it. */
static inline size_t ngi_table_bytes(const ngi_table *table)
{
    return table->committed_bytes - table->hole_count * NGI_TABLE_UNIT_BYTES +
           table->hole_words * sizeof(uint64_t);
}

/** Whether an element is there, for a reader without a lock. `element` is below 2^48. */
static inline bool ngi_table_covers(const ngi_table *table, size_t element)
{
    return (element + 1) * table->element_bytes <=
           atomic_load_explicit(&table->committed_bytes, memory_order_acquire);
}

/** Gives the memory of all elements back, however they are; the address range stays, and reads as zero:
 *  a reader without a lock may still be in it. No mirror may be attached. */
void ngi_table_empty(ngi_table *table);
/** A table that is all zero bytes is allowed. */
void ngi_table_release(ngi_table *table);

#endif
