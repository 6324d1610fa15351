/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One run of a load: what its phases share. */
#ifndef NGI_MIND_PRIVATE_H
#define NGI_MIND_PRIVATE_H

#include "mind/mind.h"
#include "model/model_space.h"

#define NGI_MIND_ORIGIN_BOOTSTRAP 2u /* ng_connection.origin */

typedef struct ngi_load {
    ng_store *store;
    ngi_mem *mem;
    ngi_os *os;
    const char *path;             /* what is loaded, for messages */
    ng_bootstrap_options options; /* defaults filled in */
    ng_bootstrap_report report;
    ng_seq last_seq; /* of the newest batch; the next one waits for it */

    const char *phase;
    uint64_t phase_begin_ns;
    uint64_t shown_ns; /* when the progress function was called last */
} ngi_load;

/** Seconds since `begin_ns`. */
double ngi_load_seconds(const ngi_load *load, uint64_t begin_ns);
/** Begins a phase and shows it. Errors: NG_E_CANCELLED. */
NG_MUST_USE ng_status ngi_load_begin(ngi_load *load, const char *phase, uint64_t total);
/** Shows progress if a fifth of a second has passed since the last time. Errors: NG_E_CANCELLED. */
NG_MUST_USE ng_status ngi_load_progress(ngi_load *load, uint64_t done, uint64_t total,
                                        uint64_t items);
/** Shows the end of a phase. Errors: NG_E_CANCELLED. */
NG_MUST_USE ng_status ngi_load_end(ngi_load *load, uint64_t total, uint64_t items);
/** Options of a write that returns when it is applied. */
ng_write_options ngi_load_write(ng_seq *seq);
/** After a batch was applied as op `seq` (0: nothing had to change): waits until the batch before
 *  it is on disk, so that at most two are in flight. */
NG_MUST_USE ng_status ngi_load_committed(ngi_load *load, ng_seq seq);

/** The phases; each checks the state of the store first and does only what is missing. */
NG_MUST_USE ng_status ngi_load_words(ngi_load *load);
NG_MUST_USE ng_status ngi_load_projection(ngi_load *load);
NG_MUST_USE ng_status ngi_load_lexicon(ngi_load *load);

/** Waits until all that was written is on disk. After a failure its message is kept, and `status`
 *  comes back; else that of the waiting. */
NG_MUST_USE ng_status ngi_load_finish(const ngi_load *load, ng_status status);

/** Gives the collection's tokens with a vector their coordinates by the stored projection in
 *  `spaces`, or none where it does not reach; computes it again first if it is of another number of
 *  vectors. Options: collection, progress. Errors: NG_E_NOT_FOUND (no projection). */
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
