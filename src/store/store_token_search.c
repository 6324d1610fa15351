/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens by what they are and have: the candidates come in the order of their ids, from whichever
 * source is smallest, in slices under the shared lock; the filter decides about each.
 *
 * Sources: the tokens of the rarest tag that must be there; those of every tag of which one must be
 * there, merged; those whose field has a value that is asked for, if they are few; or all. The source
 * by tag is chosen anew for each slice, because tags come and go between them; where the search
 * stands is the id of the next candidate, whatever the source. Candidates by field stand in the order
 * of their values, so they are gathered and sorted once; what a writer does meanwhile may be missed. */
#include "store/store_filter.h"

#include <stdlib.h>
#include <string.h>

#define GATHER_SHARE 8u         /* candidates by field are worth it up to a share of all tokens */
#define GATHER_MAX (256u << 10) /* gathered under one hold of the lock: about a millisecond */

typedef struct token_search {
    const ng_store *store;
    store_filter filter;
    const char *prefix;
    size_t prefix_bytes;
    uint64_t next;  /* candidate */
    uint64_t after; /* found are those behind it */
    ng_token_id *out;
    size_t capacity, count;
    bool counts; /* all, not only those that are written */
    uint64_t total;
    uint32_t *gathered; /* candidates by field, ascending; NULL = another source */
    size_t gathered_count, gathered_at, gathered_capacity;
} token_search;

/* The ordered candidates of some tags. */
typedef struct tag_source {
    uint32_t terms[NGI_TAGS_MAX];
    ngi_ordered_cursor cursors[NGI_TAGS_MAX];
    uint32_t slots[NGI_TAGS_MAX]; /* where each stands; UINT32_MAX = at its end */
    size_t count;
} tag_source;

static bool search_has_prefix(const token_search *search, uint32_t slot)
{
    size_t bytes;
    if (search->prefix_bytes == 0)
        return true;
    const char *label = ngi_labels_get(&search->store->labels, slot, &bytes);
    return label != NULL && bytes >= search->prefix_bytes &&
           memcmp(label, search->prefix, search->prefix_bytes) == 0;
}

static bool search_is_full(const token_search *search)
{
    return !search->counts && search->count >= search->capacity;
}

/* Looks at one candidate. */
static void search_take(token_search *search, uint32_t slot)
{
    if (!search_has_prefix(search, slot) || store_records(search->store)[slot].slot == 0 ||
        !ngi_filter_accept(&search->filter, slot))
        return;
    search->total++;
    if (slot > search->after && search->count < search->capacity)
        search->out[search->count++] = slot;
}

/* --- by tag ---------------------------------------------------------------------------------- */

static void source_step(const store_attributes *attributes, tag_source *source, size_t which)
{
    ngi_ordered_entry entry;
    bool there = ngi_ordered_next(&attributes->tagged, &source->cursors[which], &entry) &&
                 entry.key == source->terms[which];
    source->slots[which] = there ? entry.slot : UINT32_MAX;
}

static void source_add(const store_attributes *attributes, tag_source *source, uint32_t term,
                       uint64_t next)
{
    if (next > UINT32_MAX)
        return;
    size_t which = source->count++;
    source->terms[which] = term;
    source->cursors[which] = ngi_ordered_seek(&attributes->tagged, term, (uint32_t)next);
    source_step(attributes, source, which);
}

/* The rarest of the tags that must be there, or all of which one must; false: look at every token.
 * A tag that no token has leaves the source empty. */
static bool source_choose(const token_search *search, tag_source *source)
{
    const store_attributes *attributes = &search->store->attributes;
    const ng_filter *filter = search->filter.filter;
    uint32_t rarest = 0, rarest_uses = UINT32_MAX;
    uint64_t any_uses = 0;
    source->count = 0;
    if (filter == NULL || filter->tags_all_count + filter->tags_any_count == 0)
        return false;
    for (size_t i = 0; i < filter->tags_all_count; i++) {
        const ng_text *tag = &filter->tags_all[i];
        uint32_t term = ngi_attributes_term(attributes, tag->text, tag->bytes);
        uint32_t uses = ngi_attributes_uses(attributes, term);
        if (uses < rarest_uses) {
            rarest = term;
            rarest_uses = uses;
        }
    }
    for (size_t i = 0; i < filter->tags_any_count; i++) {
        const ng_text *tag = &filter->tags_any[i];
        any_uses +=
            ngi_attributes_uses(attributes, ngi_attributes_term(attributes, tag->text, tag->bytes));
    }
    if (filter->tags_all_count > 0 && (filter->tags_any_count == 0 || rarest_uses <= any_uses)) {
        if (rarest_uses > 0)
            source_add(attributes, source, rarest, search->next);
        return true;
    }
    for (size_t i = 0; i < filter->tags_any_count; i++) {
        const ng_text *tag = &filter->tags_any[i];
        uint32_t term = ngi_attributes_term(attributes, tag->text, tag->bytes);
        if (term != 0)
            source_add(attributes, source, term, search->next);
    }
    return true;
}

/* The next slot of all the tags, each once; UINT32_MAX = no more. */
static uint32_t source_next(const store_attributes *attributes, tag_source *source)
{
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < source->count; i++)
        least = source->slots[i] < least ? source->slots[i] : least;
    for (size_t i = 0; i < source->count && least != UINT32_MAX; i++)
        if (source->slots[i] == least)
            source_step(attributes, source, i);
    return least;
}

/* --- by field -------------------------------------------------------------------------------- */

/* The keys of one predicate as ranges: of its values, or its bounds. Returns how many. */
static size_t predicate_ranges(const store_fields *fields, const store_field *field,
                               const ng_predicate *predicate,
                               uint64_t ranges[NGI_PREDICATE_VALUES_MAX][2])
{
    for (size_t i = 0; i < predicate->any_of_count; i++)
        ranges[i][0] = ranges[i][1] = ngi_fields_key(fields, field, &predicate->any_of[i]);
    if (predicate->any_of_count > 0)
        return predicate->any_of_count;
    ranges[0][0] = predicate->by_low ? ngi_fields_key(fields, field, &predicate->low) : 1;
    ranges[0][1] =
        predicate->by_high ? ngi_fields_key(fields, field, &predicate->high) : UINT64_MAX;
    return 1;
}

/* How many tokens a predicate leaves, counted up to `most`; a key of 0 is nobody's. */
static uint64_t predicate_count(const store_fields *fields, const ng_predicate *predicate,
                                uint64_t most)
{
    uint64_t ranges[NGI_PREDICATE_VALUES_MAX][2], count = 0;
    const store_field *field = ngi_fields_find(fields, predicate->index);
    size_t range_count = predicate_ranges(fields, field, predicate, ranges);
    for (size_t i = 0; i < range_count && count < most; i++)
        if (ranges[i][0] != 0 && ranges[i][0] <= ranges[i][1])
            count += ngi_ordered_count(&field->by_key, ranges[i][0], ranges[i][1], most - count);
    return count;
}

static int compare_slots(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void gather_range(token_search *search, const store_field *field, uint64_t low,
                         uint64_t high)
{
    ngi_ordered_entry entry;
    ngi_ordered_cursor cursor = ngi_ordered_seek(&field->by_key, low, 0);
    while (search->gathered_count < search->gathered_capacity &&
           ngi_ordered_next(&field->by_key, &cursor, &entry) && entry.key <= high)
        search->gathered[search->gathered_count++] = entry.slot;
}

static ng_status gather(token_search *search, const ng_predicate *predicate, uint64_t count)
{
    const store_fields *fields = &search->store->attributes.fields;
    const store_field *field = ngi_fields_find(fields, predicate->index);
    uint64_t ranges[NGI_PREDICATE_VALUES_MAX][2];
    void *block;
    ng_status status = ngi_alloc(search->store->mem, ((size_t)count + 1) * sizeof(uint32_t),
                                 "candidates of a search", &block);
    if (status != NG_OK)
        return status;
    search->gathered = block;
    search->gathered_capacity = (size_t)count + 1;
    size_t range_count = predicate_ranges(fields, field, predicate, ranges);
    for (size_t i = 0; i < range_count; i++)
        if (ranges[i][0] != 0)
            gather_range(search, field, ranges[i][0], ranges[i][1]);
    qsort(search->gathered, search->gathered_count, sizeof *search->gathered, compare_slots);
    return NG_OK;
}

/* Gathers the candidates of the rarest predicate if that is worth it. */
static ng_status search_gather(token_search *search)
{
    const ng_filter *filter = search->filter.filter;
    const store_attributes *attributes = &search->store->attributes;
    const ng_predicate *rarest = NULL;
    uint64_t least = store_slot_end(search->store) / GATHER_SHARE;
    if (filter == NULL || filter->predicate_count == 0)
        return NG_OK;
    if (least > GATHER_MAX)
        least = GATHER_MAX;
    for (size_t i = 0; i < filter->tags_all_count; i++) {
        uint32_t uses =
            ngi_attributes_uses(attributes,
                                ngi_attributes_term(attributes, filter->tags_all[i].text,
                                                    filter->tags_all[i].bytes));
        least = uses < least ? uses : least;
    }
    for (size_t i = 0; i < filter->predicate_count; i++) {
        uint64_t count = predicate_count(&attributes->fields, &filter->predicates[i], least);
        if (count < least) {
            rarest = &filter->predicates[i];
            least = count;
        }
    }
    return rarest != NULL ? gather(search, rarest, least) : NG_OK;
}

/* A slice of what was gathered, each once. */
static bool gathered_slice(token_search *search)
{
    for (unsigned i = 0; i < NGI_SLICE_ITEMS && !search_is_full(search); i++) {
        if (search->gathered_at >= search->gathered_count)
            return false;
        uint32_t slot = search->gathered[search->gathered_at++];
        if (slot < search->next)
            continue;
        search_take(search, slot);
        search->next = (uint64_t)slot + 1;
    }
    return !search_is_full(search);
}

/* --- slices ---------------------------------------------------------------------------------- */

/* Looks at a slice of candidates; false when there are no more. */
static bool search_slice(token_search *search)
{
    tag_source source;
    uint64_t end = store_slot_end(search->store);
    if (search->gathered != NULL)
        return gathered_slice(search);
    if (source_choose(search, &source)) {
        for (unsigned i = 0; i < NGI_SLICE_ITEMS && !search_is_full(search); i++) {
            uint32_t slot = source_next(&search->store->attributes, &source);
            if (slot == UINT32_MAX)
                return false;
            search_take(search, slot);
            search->next = (uint64_t)slot + 1;
        }
        return !search_is_full(search);
    }
    uint64_t stop = end - search->next < NGI_SLICE_ITEMS ? end : search->next + NGI_SLICE_ITEMS;
    for (; search->next < stop && !search_is_full(search); search->next++)
        search_take(search, (uint32_t)search->next);
    return search->next < end && !search_is_full(search);
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
    token_search search = {.store = store,
                           .filter = {.store = store, .filter = options->filter},
                           .prefix = options->prefix,
                           .prefix_bytes = options->prefix_bytes,
                           .next = total != NULL ? 1 : options->after + 1,
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
            status = search_gather(&search);
        resolved = true;
        going = status == NG_OK && search.next < store_slot_end(store) &&
                !search_is_full(&search) && search_slice(&search);
        ngi_store_read_end(store);
    }
    if (status != NG_OK)
        goto out;
    *count = search.count;
    if (total != NULL)
        *total = search.total;
out:
    ngi_free(store->mem, search.gathered, search.gathered_capacity * sizeof *search.gathered);
    return status;
}
