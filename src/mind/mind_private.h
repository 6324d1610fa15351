/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One run of a load: what its phases share. */
#ifndef NGI_MIND_PRIVATE_H
#define NGI_MIND_PRIVATE_H

#include "mind/mind.h"
#include "mind/mind_task.h"

#define NGI_MIND_ORIGIN_BOOTSTRAP 2u /* ng_connection.origin */

/** What puts the vectors of a named field in place of the default one's, once they have a projection. */
typedef struct ngi_exchange {
    ng_vector_field_id field;
    const char *keep_as;
    bool keep_coordinates;
    bool is_done; /* set by the phase: the fields have exchanged their vectors */
} ngi_exchange;

typedef struct ngi_load {
    ng_store *store;
    ngi_mem *mem;
    ngi_os *os;
    const char *path;
    ng_bootstrap_options options; /* defaults filled in */
    ng_bootstrap_report report;
    ngi_task task;
    ngi_exchange *exchange; /* NULL but for ng_embedding_switch */
} ngi_load;

/** The phases; each checks the state of the store first and does only what is missing. */
NG_MUST_USE ng_status ngi_load_words(ngi_load *load);
NG_MUST_USE ng_status ngi_load_projection(ngi_load *load);
NG_MUST_USE ng_status ngi_load_lexicon(ngi_load *load);

#endif
