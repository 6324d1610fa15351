/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One run of a load: what its phases share. */
#ifndef NGI_MIND_PRIVATE_H
#define NGI_MIND_PRIVATE_H

#include "mind/mind.h"
#include "mind/mind_task.h"
#include "model/model_space.h"

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

/** Gives the collection's tokens with a vector their coordinates by the stored projection in
 *  `spaces`, or none where it does not reach; computes it again first if it is of another number of
 *  vectors. Of the options only the collection counts. Errors: NG_E_NOT_FOUND (no projection). */
NG_MUST_USE ng_status ngi_load_restore(ngi_load *load, uint8_t spaces, uint64_t *words,
                                       uint64_t *changed);

/** Coordinates on their way to tokens that exist. */
typedef struct ngi_places {
    ngi_load *load;
    ngi_encoding encoding;
    ng_token_fields *fields; /* [NGI_BATCH_MAX] */
    ng_token_id *ids;        /* [NGI_BATCH_MAX] */
    size_t count;
    uint64_t changed_count; /* tokens written */
} ngi_places;

/** Released also after a failure. */
NG_MUST_USE ng_status ngi_places_init(ngi_places *places, ngi_load *load);
/** Zeroed is allowed. */
void ngi_places_release(ngi_places *places);
/** What `fields` say of spaces, and nothing else, unless the record of the token is so already. */
NG_MUST_USE ng_status ngi_places_add(ngi_places *places, ng_token_id id, const ng_token *record,
                                     const ng_token_fields *fields);
/** Writes what is not full yet. */
NG_MUST_USE ng_status ngi_places_flush(ngi_places *places);

#endif
