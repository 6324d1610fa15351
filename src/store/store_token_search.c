/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens by what they are and have: the filter decides about each candidate of the smallest source. */
#include "store/store_filter.h"
#include "store/store_source.h"

#include <string.h>

typedef struct token_search {
    store_filter filter;
    const char *prefix;
    size_t prefix_bytes;
    uint64_t after; /* found are those behind it */
    ng_token_id *out;
    size_t capacity, count;
    bool counts; /* all, not only those that are written */
    uint64_t total;
} token_search;

static bool search_has_prefix(const token_search *search, uint32_t slot)
{
    size_t bytes;
    if (search->prefix_bytes == 0)
        return true;
    const char *label = ngi_labels_get(&search->filter.store->labels, slot, &bytes);
    return label != NULL && bytes >= search->prefix_bytes &&
           memcmp(label, search->prefix, search->prefix_bytes) == 0;
}

static bool search_is_full(const token_search *search)
{
    return !search->counts && search->count >= search->capacity;
}

/* Looks at one candidate; false = that was enough. */
static bool search_take(void *context, uint32_t slot)
{
    token_search *search = context;
    if (!search_has_prefix(search, slot) || store_records(search->filter.store)[slot].slot == 0 ||
        !ngi_filter_accept(&search->filter, slot))
        return true;
    search->total++;
    if (slot > search->after && search->count < search->capacity)
        search->out[search->count++] = slot;
    return !search_is_full(search);
}

static ng_status search_check(const ng_token_search_options *options)
{
    if (options->prefix_bytes > NGI_LABEL_BYTES_MAX)
        return ngi_fail(NG_E_INVALID, "prefix of %zu bytes is outside 0..%d", options->prefix_bytes,
                        NGI_LABEL_BYTES_MAX);
    if (options->prefix_bytes > 0 && options->prefix == NULL)
        return ngi_fail(NG_E_INVALID, "prefix is NULL with %zu bytes", options->prefix_bytes);
    if (options->after > UINT32_MAX)
        return ngi_fail(NG_E_INVALID, "after %llu is not a token id",
                        (unsigned long long)options->after);
    return ngi_filter_check(options->filter);
}

ng_status ngi_store_token_search(const ng_store *store, const ng_token_search_options *options,
                                 ng_token_id *out, size_t capacity, size_t *count, uint64_t *total)
{
    *count = 0;
    if (total != NULL)
        *total = 0;
    ng_status status = search_check(options);
    if (status != NG_OK)
        return status;
    store_source source = {.store = store};
    token_search search = {.filter = {.store = store, .filter = options->filter},
                           .prefix = options->prefix,
                           .prefix_bytes = options->prefix_bytes,
                           .after = options->after,
                           .out = out,
                           .capacity = capacity,
                           .counts = total != NULL};
    bool going = true, resolved = false;
    while (going) {
        NGI_TRY(ngi_store_read_begin(store));
        if (!resolved)
            status = ngi_filter_resolve(store, options->filter);
        if (!resolved && status == NG_OK)
            status = ngi_source_begin(&source, store, options->filter,
                                      total != NULL ? 1 : options->after + 1);
        resolved = true;
        going = status == NG_OK && !search_is_full(&search) &&
                ngi_source_slice(&source, search_take, &search);
        ngi_store_read_end(store);
    }
    if (status != NG_OK)
        goto out;
    *count = search.count;
    if (total != NULL)
        *total = search.total;
out:
    ngi_source_release(&source);
    return status;
}
