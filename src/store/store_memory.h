/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a store takes up memory for. */
#ifndef NGI_STORE_MEMORY_H
#define NGI_STORE_MEMORY_H

#include "store/store_private.h"

/** As ngi_store_memory, with index_lock held. */
void ngi_memory_of(const ng_store *store, ng_memory *out);
/** What the indexes of the spaces use of their account; the account says what they take up. */
void ngi_store_grid_memory(const ng_store *store, ng_memory_use *out);
/** The same of tags, data and indexed fields. */
void ngi_store_attributes_memory(const ng_store *store, ng_memory_use *out);

#endif
