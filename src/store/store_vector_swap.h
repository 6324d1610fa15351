/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The default field and a named one exchange their vectors: VECTOR_FIELD_SWAP. */
#ifndef NGI_STORE_VECTOR_SWAP_H
#define NGI_STORE_VECTOR_SWAP_H

#include "store/store_private.h"

#define STORE_SWAP_FIXED 16u

/** NG_E_CORRUPT unless the op fits the state; makes the room. */
NG_MUST_USE ng_status ngi_vector_swap_prepare(ng_store *store, const ngi_op *op, bool foreign);
void ngi_vector_swap_apply(ng_store *store, const ngi_op *op);

#endif
