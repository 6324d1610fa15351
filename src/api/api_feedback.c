/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Feedback; what is said is checked where it is looked up. */
#include "api/api_private.h"
#include "mind/mind.h"

ng_status ng_feedback(ng_store *store, const ng_feedback_options *options,
                      const ng_write_options *write, ng_feedback_result **out)
{
    API_REQUIRE(store);
    API_REQUIRE(options);
    API_REQUIRE(out);
    *out = NULL;
    API_OPTIONS(options);
    ng_status status = ngi_api_check_alone(write, "feedback");
    return status != NG_OK ? status : ngi_mind_feedback(store, options, write, out);
}

ng_status ng_feedback_undo(ng_store *store, uint64_t id, const ng_write_options *write,
                           ng_feedback_result **out)
{
    API_REQUIRE(store);
    if (out != NULL)
        *out = NULL;
    ng_status status = ngi_api_check_alone(write, "feedback");
    return status != NG_OK ? status : ngi_mind_feedback_undo(store, id, write, out);
}

ng_status ng_feedback_list(const ng_store *store, uint64_t before, size_t limit,
                           ng_feedback_result **out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    *out = NULL;
    return ngi_mind_feedback_list(store, before, limit, out);
}

void ng_feedback_result_destroy(ng_feedback_result *result)
{
    ngi_mind_feedback_result_destroy(result);
}
