/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The smallest source of candidates that a filter allows. */
#include "store/store_source.h"

#include <stdlib.h>

#define GATHER_SHARE 8u         /* candidates by field are worth it up to a share of all tokens */
#define GATHER_MAX (256u << 10) /* gathered under one hold of the lock: about a millisecond */

/* The ordered candidates of some tags. */
typedef struct tag_source {
    uint32_t terms[NGI_TAGS_MAX];
    ngi_ordered_cursor cursors[NGI_TAGS_MAX];
    uint32_t slots[NGI_TAGS_MAX]; /* where each stands; UINT32_MAX = at its end */
    size_t count;
} tag_source;

/* --- by tag ---------------------------------------------------------------------------------- */

static uint32_t tag_term(const store_attributes *attributes, const ng_text *tag)
{
    return ngi_attributes_term(attributes, tag->text, tag->bytes);
}

static void tags_step(const store_attributes *attributes, tag_source *tags, size_t which)
{
    ngi_ordered_entry entry;
    bool there = ngi_ordered_next(&attributes->tagged, &tags->cursors[which], &entry) &&
                 entry.key == tags->terms[which];
    tags->slots[which] = there ? entry.slot : UINT32_MAX;
}

static void tags_add(const store_attributes *attributes, tag_source *tags, uint32_t term,
                     uint64_t next)
{
    if (term == 0 || next > UINT32_MAX)
        return;
    size_t which = tags->count++;
    tags->terms[which] = term;
    tags->cursors[which] = ngi_ordered_seek(&attributes->tagged, term, (uint32_t)next);
    tags_step(attributes, tags, which);
}

/* Those that have one of the tags of which one must be there, at most. */
static uint64_t tags_any_uses(const store_attributes *attributes, const ng_filter *filter)
{
    uint64_t uses = 0;
    for (size_t i = 0; i < filter->tags_any_count; i++)
        uses += ngi_attributes_uses(attributes, tag_term(attributes, &filter->tags_any[i]));
    return uses;
}

/* The rarest of the tags that must be there, 0 if nobody has it; how many have it. */
static uint32_t tags_rarest(const store_attributes *attributes, const ng_filter *filter,
                            uint32_t *uses)
{
    uint32_t rarest = 0;
    *uses = UINT32_MAX;
    for (size_t i = 0; i < filter->tags_all_count; i++) {
        uint32_t term = tag_term(attributes, &filter->tags_all[i]);
        uint32_t own = ngi_attributes_uses(attributes, term);
        if (own < *uses) {
            rarest = term;
            *uses = own;
        }
    }
    return rarest;
}

/* False: no tag has to be there. A tag that no token has leaves the source empty. */
static bool tags_choose(const store_source *source, tag_source *tags)
{
    const store_attributes *attributes = &source->store->attributes;
    const ng_filter *filter = source->filter;
    uint32_t rarest_uses;
    tags->count = 0;
    if (filter == NULL || filter->tags_all_count + filter->tags_any_count == 0)
        return false;
    uint32_t rarest = tags_rarest(attributes, filter, &rarest_uses);
    if (filter->tags_any_count == 0 || rarest_uses <= tags_any_uses(attributes, filter)) {
        if (rarest_uses > 0)
            tags_add(attributes, tags, rarest, source->next);
        return true;
    }
    for (size_t i = 0; i < filter->tags_any_count; i++)
        tags_add(attributes, tags, tag_term(attributes, &filter->tags_any[i]), source->next);
    return true;
}

/* The next slot of all the tags, each once; UINT32_MAX = no more. */
static uint32_t tags_next(const store_attributes *attributes, tag_source *tags)
{
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < tags->count; i++)
        least = tags->slots[i] < least ? tags->slots[i] : least;
    for (size_t i = 0; i < tags->count && least != UINT32_MAX; i++)
        if (tags->slots[i] == least)
            tags_step(attributes, tags, i);
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

static void gather_range(store_source *source, const store_field *field, uint64_t low,
                         uint64_t high)
{
    ngi_ordered_entry entry;
    ngi_ordered_cursor cursor = ngi_ordered_seek(&field->by_key, low, 0);
    while (source->gathered_count < source->gathered_capacity &&
           ngi_ordered_next(&field->by_key, &cursor, &entry) && entry.key <= high)
        source->gathered[source->gathered_count++] = entry.slot;
}

static ng_status gather(store_source *source, const ng_predicate *predicate, uint64_t count)
{
    const store_fields *fields = &source->store->attributes.fields;
    const store_field *field = ngi_fields_find(fields, predicate->index);
    uint64_t ranges[NGI_PREDICATE_VALUES_MAX][2];
    void *block;
    ng_status status = ngi_alloc(source->store->mem, ((size_t)count + 1) * sizeof(uint32_t),
                                 "candidates of a search", &block);
    if (status != NG_OK)
        return status;
    source->gathered = block;
    source->gathered_capacity = (size_t)count + 1;
    size_t range_count = predicate_ranges(fields, field, predicate, ranges);
    for (size_t i = 0; i < range_count; i++)
        if (ranges[i][0] != 0)
            gather_range(source, field, ranges[i][0], ranges[i][1]);
    qsort(source->gathered, source->gathered_count, sizeof *source->gathered, compare_slots);
    return NG_OK;
}

/* Gathers the candidates of the rarest predicate if that is worth it. */
static ng_status gather_rarest(store_source *source)
{
    const ng_filter *filter = source->filter;
    const store_attributes *attributes = &source->store->attributes;
    const ng_predicate *rarest = NULL;
    uint64_t least = store_slot_end(source->store) / GATHER_SHARE;
    uint32_t rarest_uses;
    if (filter == NULL || filter->predicate_count == 0)
        return NG_OK;
    if (least > GATHER_MAX)
        least = GATHER_MAX;
    (void)tags_rarest(attributes, filter, &rarest_uses);
    least = rarest_uses < least ? rarest_uses : least;
    for (size_t i = 0; i < filter->predicate_count; i++) {
        uint64_t count = predicate_count(&attributes->fields, &filter->predicates[i], least);
        if (count < least) {
            rarest = &filter->predicates[i];
            least = count;
        }
    }
    return rarest != NULL ? gather(source, rarest, least) : NG_OK;
}

/* --- slices ---------------------------------------------------------------------------------- */

typedef bool source_take(void *context, uint32_t slot);

static bool slice_gathered(store_source *source, source_take *take, void *context)
{
    for (unsigned i = 0; i < NGI_SLICE_ITEMS; i++) {
        if (source->gathered_at >= source->gathered_count)
            return false;
        uint32_t slot = source->gathered[source->gathered_at++];
        if (slot < source->next) /* seen, or before the first */
            continue;
        source->next = (uint64_t)slot + 1;
        if (!take(context, slot))
            return false;
    }
    return true;
}

static bool slice_tags(store_source *source, tag_source *tags, source_take *take, void *context)
{
    for (unsigned i = 0; i < NGI_SLICE_ITEMS; i++) {
        uint32_t slot = tags_next(&source->store->attributes, tags);
        if (slot == UINT32_MAX)
            return false;
        source->next = (uint64_t)slot + 1;
        if (!take(context, slot))
            return false;
    }
    return true;
}

bool ngi_source_slice(store_source *source, source_take *take, void *context)
{
    tag_source tags;
    uint64_t end = store_slot_end(source->store);
    if (source->next >= end)
        return false;
    if (source->gathered != NULL)
        return slice_gathered(source, take, context);
    if (tags_choose(source, &tags))
        return slice_tags(source, &tags, take, context);
    uint64_t stop = end - source->next < NGI_SLICE_ITEMS ? end : source->next + NGI_SLICE_ITEMS;
    while (source->next < stop)
        if (!take(context, (uint32_t)source->next++))
            return false;
    return source->next < end;
}

/* --- life ------------------------------------------------------------------------------------ */

ng_status ngi_source_begin(store_source *source, const ng_store *store, const ng_filter *filter,
                           uint64_t next)
{
    *source = (store_source){.store = store, .filter = filter, .next = next};
    return gather_rarest(source);
}

uint64_t ngi_source_bound(const store_source *source)
{
    const store_attributes *attributes = &source->store->attributes;
    const ng_filter *filter = source->filter;
    uint64_t bound = store_slot_end(source->store);
    uint32_t rarest_uses;
    if (source->gathered != NULL)
        return source->gathered_count;
    if (filter == NULL)
        return bound;
    (void)tags_rarest(attributes, filter, &rarest_uses);
    bound = rarest_uses < bound ? rarest_uses : bound;
    uint64_t any_uses = tags_any_uses(attributes, filter);
    return filter->tags_any_count > 0 && any_uses < bound ? any_uses : bound;
}

void ngi_source_release(store_source *source)
{
    ngi_free(source->store->mem, source->gathered,
             source->gathered_capacity * sizeof *source->gathered);
    source->gathered = NULL;
}
