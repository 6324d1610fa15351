/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What api/ may call: real data in (bootstrap), answers by meaning (query), and by
 * meaning, space and relation together (recall), and what was said of them (feedback). */
#ifndef NGI_MIND_H
#define NGI_MIND_H

#include "store/store.h"

/** As ng_bootstrap; docs/bootstrap.md tells formats, order of writes and what an interruption
 *  leaves. `options` and `out` may be NULL. */
NG_MUST_USE ng_status ngi_mind_bootstrap(ng_store *store, const char *path,
                                         const ng_bootstrap_options *options,
                                         ng_bootstrap_report *out);

/** As ng_anchor and ng_anchor_remove; docs/anchors.md. Struct sizes are checked. */
NG_MUST_USE ng_status ngi_mind_anchor(ng_store *store, const ng_anchor_options *options,
                                      ng_anchor_report *out);
NG_MUST_USE ng_status ngi_mind_anchor_remove(ng_store *store, const ng_anchor_options *options,
                                             ng_anchor_report *out);

/** As ng_embedding_compare and ng_embedding_switch. */
NG_MUST_USE ng_status ngi_mind_embedding_compare(const ng_store *store,
                                                 const ng_embedding_compare_options *options,
                                                 ng_embedding_report *out);
NG_MUST_USE ng_status ngi_mind_embedding_switch(ng_store *store,
                                                const ng_embedding_switch_options *options,
                                                ng_embedding_switch_report *out);

/** As ng_weave and ng_unweave. `options` and `out` may be NULL. */
NG_MUST_USE ng_status ngi_mind_weave(ng_store *store, const ng_weave_options *options,
                                     ng_weave_report *out);
NG_MUST_USE ng_status ngi_mind_unweave(ng_store *store, const ng_weave_options *options,
                                       ng_weave_report *out);

/** As ng_similarity_fused and ng_similarity_fused_many. `options` may be NULL. */
NG_MUST_USE ng_status ngi_mind_similarity_fused(const ng_store *store, ng_token_id a, ng_token_id b,
                                                const ng_fused_options *options, ng_fused *out);
NG_MUST_USE ng_status ngi_mind_similarity_fused_many(const ng_store *store,
                                                     const ng_token_id (*pairs)[2], size_t count,
                                                     const ng_fused_options *options, ng_fused *out,
                                                     size_t *found);

/** As ng_query. `options` may be NULL. The result is one block of its own and does not need the
 *  store: it may be destroyed after the store was closed. */
NG_MUST_USE ng_status ngi_mind_query(const ng_store *store, const char *text,
                                     const ng_query_options *options, ng_query_result **out);
/** As ng_word_find. */
NG_MUST_USE ng_status ngi_mind_word_find(const ng_store *store, ng_collection_id collection,
                                         const char *word, size_t bytes, ng_token_id *out);
/** NULL is allowed. */
void ngi_mind_query_result_destroy(ng_query_result *result);

/** As ng_recall; struct sizes are checked. The result does not need the store either. */
NG_MUST_USE ng_status ngi_mind_recall(const ng_store *store, const ng_recall_options *options,
                                      ng_recall_result **out);
/** NULL is allowed. */
void ngi_mind_recall_result_destroy(ng_recall_result *result);

/** As ng_feedback and its kin; struct sizes and write options are checked. */
NG_MUST_USE ng_status ngi_mind_feedback(ng_store *store, const ng_feedback_options *options,
                                        const ng_write_options *write, ng_feedback_result **out);
/** `out` may be NULL. */
NG_MUST_USE ng_status ngi_mind_feedback_undo(ng_store *store, uint64_t id,
                                             const ng_write_options *write,
                                             ng_feedback_result **out);
NG_MUST_USE ng_status ngi_mind_feedback_list(const ng_store *store, uint64_t before, size_t limit,
                                             ng_feedback_result **out);
/** NULL is allowed. */
void ngi_mind_feedback_result_destroy(ng_feedback_result *result);

#endif
