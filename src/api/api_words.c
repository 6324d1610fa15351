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

ng_status ng_unweave(ng_store *store, const ng_weave_options *options, ng_weave_report *out)
{
    API_REQUIRE(store);
    API_OPTIONS(options);
    return ngi_mind_unweave(store, options, out);
}
