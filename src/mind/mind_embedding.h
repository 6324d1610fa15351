/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Two embeddings of the words of a collection: the old one in the default field, the new one in a named
 * field. What comparing and switching share. */
#ifndef NGI_MIND_EMBEDDING_H
#define NGI_MIND_EMBEDDING_H

#include "mind/mind_procrustes.h"
#include "mind/mind_task.h"

typedef enum ngi_embedding_has {
    NGI_EMBEDDING_OLD = 1,
    NGI_EMBEDDING_NEW = 2,
    NGI_EMBEDDING_BOTH = 3
} ngi_embedding_has;

typedef struct ngi_embedding_word {
    ng_token_id id;
    uint8_t has; /* ngi_embedding_has */
} ngi_embedding_word;

typedef struct ngi_embedding {
    const ng_store *store;
    ngi_mem *mem;
    ngi_task *task;
    ng_collection_id collection;
    ng_vector_field_id field;
    uint32_t old_dimensions, new_dimensions;
    ngi_embedding_word *words; /* [capacity]: with a vector in one of both, ids ascending */
    size_t capacity, count;
    uint64_t counts[NGI_EMBEDDING_BOTH + 1]; /* by what they have */
    float *old_vector, *new_vector;          /* [dimensions]: room for a pair */
    ngi_procrustes *map;                     /* NULL until fitted */
} ngi_embedding;

/** Collects the words; store, mem, task, collection and field are set by the caller. Errors: NG_E_NOT_FOUND
 *  (field, collection, a field without vectors), NG_E_INVALID (a field not of cosines), NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_embedding_open(ngi_embedding *embedding);
/** Also after a failed open. */
void ngi_embedding_close(ngi_embedding *embedding);
/** The vectors of a word in both fields into the room for a pair; `*found` false if one is gone. */
NG_MUST_USE ng_status ngi_embedding_pair(const ngi_embedding *embedding, ng_token_id id,
                                         bool *found);
/** Makes the map of every `stride`th shared word from the first one, NGI_EMBEDDING_FIT_MAX at most, evenly
 *  spread. Errors: NG_E_CANCELLED, NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_embedding_fit(ngi_embedding *embedding, unsigned stride);
/** Calls `each` with every `stride`th shared word from number `first` on, at most NGI_EMBEDDING_FIT_MAX,
 *  evenly spread, with its pair in place. */
NG_MUST_USE ng_status ngi_embedding_scan(ngi_embedding *embedding, unsigned first, unsigned stride,
                                         void (*each)(ngi_embedding *embedding, void *context),
                                         void *context);

#endif
