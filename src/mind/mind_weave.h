/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Weaving: what its search and its writes share.
 *
 * A connection is woven if it is of type SimilarTo and of origin 3: both, because a SimilarTo may be
 * made by hand. Nothing else is ever changed or removed. */
#ifndef NGI_MIND_WEAVE_H
#define NGI_MIND_WEAVE_H

#include "base/base_limits.h"
#include "mind/mind.h"
#include "mind/mind_task.h"

#define NGI_MIND_ORIGIN_WEAVING 3u /* ng_connection.origin */
#define NGI_WEAVE_GROUP 256u       /* words that are searched for before any is written */

typedef struct ngi_weave {
    ng_store *store;
    ngi_mem *mem;
    ng_weave_options options; /* defaults filled in */
    ng_weave_report report;
    ngi_task task;
    size_t dimensions; /* 0 = there are no vectors */
    uint64_t version;  /* of the projection that all scores are by */

    /* The words in hand, and the nearest of each. */
    ng_token_id ids[NGI_WEAVE_GROUP];
    size_t count;
    bool has_direction[NGI_WEAVE_GROUP];
    uint32_t hit_counts[NGI_WEAVE_GROUP];
    ng_score *hits; /* [NGI_WEAVE_GROUP][options.neighbors] */

    /* SimilarTo connections that leave the word in hand. */
    ng_edge *edges;         /* [edge_capacity] */
    ng_connection *records; /* [edge_capacity] */
    size_t edge_count, edge_capacity;

    /* On their way to the store: to be made or changed, and to be removed. */
    ng_connection_fields *links; /* [NGI_BATCH_MAX] */
    size_t link_count;
    ng_connection_id *removals; /* [NGI_BATCH_MAX] */
    size_t removal_count;
} ngi_weave;

static inline bool ngi_weave_is_woven(const ng_connection *record)
{
    return record->source != 0 && record->origin == NGI_MIND_ORIGIN_WEAVING;
}

/** Finds the nearest words of the group, with several threads where that pays. Errors: NG_E_CANCELLED (a
 *  new projection), NG_E_INVALID (remove_components), NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_weave_search(ngi_weave *weave);
/** Compares what a word has with its nearest ones, and notes what has to be written. */
NG_MUST_USE ng_status ngi_weave_compare(ngi_weave *weave, size_t word);
/** Writes what was noted. Ends that are gone by now are passed over. */
NG_MUST_USE ng_status ngi_weave_flush(ngi_weave *weave);
/** Notes a connection to be removed. */
NG_MUST_USE ng_status ngi_weave_remove(ngi_weave *weave, ng_connection_id id);

#endif
