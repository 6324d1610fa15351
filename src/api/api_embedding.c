/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* neurograph.h: another embedding in place of the one that is there. */
#include "api/api_private.h"
#include "mind/mind.h"

ng_status ng_embedding_compare(const ng_store *store, const ng_embedding_compare_options *options,
                               ng_embedding_report *out)
{
    API_REQUIRE(store);
    API_REQUIRE(options);
    API_REQUIRE(out);
    API_OPTIONS(options);
    return ngi_mind_embedding_compare(store, options, out);
}

ng_status ng_embedding_switch(ng_store *store, const ng_embedding_switch_options *options,
                              ng_embedding_switch_report *out)
{
    API_REQUIRE(store);
    API_REQUIRE(options);
    API_OPTIONS(options);
    return ngi_mind_embedding_switch(store, options, out);
}
