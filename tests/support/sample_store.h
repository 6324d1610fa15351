/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The same small store everywhere: ops of every kind with fixed values, so that its files are the
 * same bytes on every machine when the system is a simulated one.
 *
 * Calls what the public functions call, without the checks of arguments: so it needs no more of the
 * library than the store itself. */
#ifndef SAMPLE_STORE_H
#define SAMPLE_STORE_H

#include "store/store.h"

#define SAMPLE_STAGES 5
#define SAMPLE_DIMENSIONS 4

typedef struct sample_state {
    ng_token_id tokens[64];
    size_t token_count;
    ng_connection_id links[64];
    size_t link_count;
} sample_state;

/** Options of the store: small limits, nothing on its own. */
ng_open_options sample_options(void);
/** Writes the ops of one stage, 0 to SAMPLE_STAGES - 1, in this order:
 *  0 tokens one by one and as a batch, an update, connections; 1 a collection, the constitution, a
 *  projection, deletions; 2 a transaction of everything; 3 some more of each; 4 tags, payloads and
 *  expiries, given, changed, taken and deleted.
 *  Returns the first error; ops before it are in the store. */
ng_status sample_write(ng_store *store, sample_state *sample, unsigned stage);

#endif
