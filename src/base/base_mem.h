/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Memory through a hook owned by the store, so that a budget is exact and a test can fail
 * allocation N. Sizes are passed back on release, so no header stands before a block.
 *
 * A store keeps an account for each of its parts, so that what a part takes up is counted and not
 * estimated: the accounts of a store and the store itself add up to what its hook has given. */
#ifndef NGI_BASE_MEM_H
#define NGI_BASE_MEM_H

#include "base/base_error.h"

#include <stdatomic.h>

typedef struct ngi_mem ngi_mem;
struct ngi_mem {
    /** realloc with sizes: new_bytes 0 releases (and cannot fail); returns NULL on failure. */
    void *(*resize)(ngi_mem *mem, void *block, size_t old_bytes, size_t new_bytes);
    void *context;            /* of the hook; immutable after init */
    atomic_size_t used_bytes; /* sum of live blocks, committed tables included */
    size_t max_bytes;         /* 0 = no limit; immutable after init */
    ngi_mem *parent;          /* what an account is charged to as well; NULL = not an account */
    /** Of an account: most that the parent may have after a charge here, 0 = no limit; whoever lends
     *  it may change it at any time. NULL = none. Immutable once there are two threads. */
    const atomic_size_t *bound_bytes;
};

/** A hook that uses malloc. */
void ngi_mem_init(ngi_mem *mem, size_t max_bytes);
/** An account: the memory of `parent`, which is not an account itself, counted apart. What is
 *  taken through an account is given back through the same one. */
void ngi_mem_account_init(ngi_mem *account, ngi_mem *parent);

/** Allocates; fails with NG_E_NOMEM naming `what` ("label index") and the size. */
NG_MUST_USE ng_status ngi_alloc(ngi_mem *mem, size_t bytes, const char *what, void **out);
/** Grows or shrinks `*block`; on failure it is as it was. */
NG_MUST_USE ng_status ngi_resize(ngi_mem *mem, void **block, size_t old_bytes, size_t new_bytes,
                                 const char *what);
/** NULL is allowed. */
void ngi_free(ngi_mem *mem, void *block, size_t bytes);
/** Accounts for memory that did not come from the hook (reserved tables); fails at the limit. */
NG_MUST_USE ng_status ngi_mem_charge(ngi_mem *mem, size_t bytes, const char *what);
void ngi_mem_uncharge(ngi_mem *mem, size_t bytes);

/** A growable array of bytes. Zeroed = empty. */
typedef struct ngi_buffer {
    uint8_t *data;
    size_t bytes;
    size_t capacity_bytes;
} ngi_buffer;

/** Makes room for `more` bytes beyond `bytes`. */
NG_MUST_USE ng_status ngi_buffer_reserve(ngi_mem *mem, ngi_buffer *buffer, size_t more,
                                         const char *what);
void ngi_buffer_release(ngi_mem *mem, ngi_buffer *buffer);

#endif
