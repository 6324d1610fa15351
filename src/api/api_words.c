/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* neurograph.h: what is made of words that are loaded. */
#include "api/api_private.h"
#include "mind/mind.h"

ng_status ng_weave(ng_store *store, const ng_weave_options *options, ng_weave_report *out)
{
    API_REQUIRE(store);
    API_OPTIONS(options);
    return ngi_mind_weave(store, options, out);
}

ng_status ng_similarity_fused(const ng_store *store, ng_token_id a, ng_token_id b,
                              const ng_fused_options *options, ng_fused *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    API_OPTIONS(options);
    return ngi_mind_similarity_fused(store, a, b, options, out);
}

ng_status ng_similarity_fused_many(const ng_store *store, const ng_token_id (*pairs)[2],
                                   size_t count, const ng_fused_options *options, ng_fused *out,
                                   size_t *found)
{
    size_t unused;
    API_REQUIRE(store);
    API_OPTIONS(options);
    if (count > 0) {
        API_REQUIRE(pairs);
        API_REQUIRE(out);
    }
    if (count > NGI_SIMILARITY_PAIRS_MAX)
        return ngi_fail(NG_E_INVALID, "count %zu is outside 0..%u", count,
                        NGI_SIMILARITY_PAIRS_MAX);
    return ngi_mind_similarity_fused_many(store, pairs, count, options, out,
                                          found != NULL ? found : &unused);
}

ng_status ng_unweave(ng_store *store, const ng_weave_options *options, ng_weave_report *out)
{
    API_REQUIRE(store);
    API_OPTIONS(options);
    return ngi_mind_unweave(store, options, out);
}
