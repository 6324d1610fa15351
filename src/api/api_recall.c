/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Recall; what is asked is checked where it is looked up. */
#include "api/api_private.h"
#include "mind/mind.h"

ng_status ng_recall(const ng_store *store, const ng_recall_options *options, ng_recall_result **out)
{
    API_REQUIRE(store);
    API_REQUIRE(options);
    API_REQUIRE(out);
    *out = NULL;
    API_OPTIONS(options);
    API_OPTIONS(options->filter);
    return ngi_mind_recall(store, options, out);
}

void ng_recall_result_destroy(ng_recall_result *result)
{
    ngi_mind_recall_result_destroy(result);
}
