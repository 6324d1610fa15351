/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Anchors: argument checks, and the built-in words. */
#include "api/api_private.h"
#include "mind/mind.h"
#include "mind/mind_anchor_words.h"

#include <string.h>

static ng_status api_check_modality(ng_modality modality)
{
    if ((unsigned)modality >= NG_MODALITY_COUNT)
        return ngi_fail(NG_E_INVALID, "modality %d is outside 0..%d", (int)modality,
                        NG_MODALITY_COUNT - 1);
    return NG_OK;
}

ng_status ng_modality_get(ng_modality modality, ng_modality_info *out)
{
    API_REQUIRE(out);
    ng_status status = api_check_modality(modality);
    if (status == NG_OK)
        *out = *ngi_modality(modality);
    return status;
}

ng_status ng_modality_parse(const char *text, ng_modality *out)
{
    API_REQUIRE(text);
    API_REQUIRE(out);
    return ngi_modality_parse(text, strlen(text), out);
}

ng_status ng_anchor_list(ng_modality modality, ng_anchor_word *out, size_t capacity, size_t *count)
{
    API_REQUIRE(count);
    if (out == NULL && capacity > 0)
        return api_null("out");
    ng_status status = api_check_modality(modality);
    if (status != NG_OK)
        return status;
    const ngi_anchor_entry *words = ngi_anchor_words(modality, count);
    for (size_t i = 0; i < *count && i < capacity; i++) {
        out[i] = (ng_anchor_word){.word = words[i].word};
        for (unsigned v = 0; v < NGI_ANCHOR_VALUES_MAX; v++)
            out[i].values[v] = (float)(words[i].values[v] / 100.0);
    }
    return NG_OK;
}

ng_status ng_anchor(ng_store *store, const ng_anchor_options *options, ng_anchor_report *out)
{
    API_REQUIRE(store);
    API_OPTIONS(options);
    return ngi_mind_anchor(store, options, out);
}

ng_status ng_anchor_remove(ng_store *store, const ng_anchor_options *options, ng_anchor_report *out)
{
    API_REQUIRE(store);
    API_OPTIONS(options);
    return ngi_mind_anchor_remove(store, options, out);
}
