/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The filter of a search, asked for each candidate. */
#include "store/store_filter.h"

#include <math.h>
#include <stdio.h>

/* --- what the record says -------------------------------------------------------------------- */

/* A bit per space that the token is in. */
static unsigned record_spaces(const ng_token *record)
{
    unsigned spaces = 0;
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        spaces |= (unsigned)(record->coordinates[space][0] != NG_COORDINATE_ABSENT) << space;
    return spaces;
}

static bool record_fits_spaces(const ng_filter *filter, const ng_token *record)
{
    unsigned spaces = record_spaces(record);
    return (spaces & filter->spaces_all) == filter->spaces_all &&
           (spaces & filter->spaces_none) == 0;
}

bool ngi_filter_accept_record(const ng_filter *filter, const ng_token *record)
{
    unsigned flags = record->flags;
    unsigned entity = (flags & NG_TOKEN_ENTITY_MASK) >> NG_TOKEN_ENTITY_SHIFT;
    if (record->slot == filter->exclude || (flags & filter->flags_all) != filter->flags_all ||
        (flags & filter->flags_none) != 0)
        return false;
    if (filter->flags_any != 0 && (flags & filter->flags_any) == 0)
        return false;
    if (filter->entities != 0 && (filter->entities >> entity & 1) == 0)
        return false;
    if (filter->by_weight &&
        !(record->weight >= filter->weight_min && record->weight <= filter->weight_max))
        return false;
    if (record->timestamp < filter->created_min ||
        (filter->created_max != 0 && record->timestamp > filter->created_max))
        return false;
    return (filter->spaces_all | filter->spaces_none) == 0 || record_fits_spaces(filter, record);
}

/* --- what stands beside it ------------------------------------------------------------------- */

static bool names_collections(const ng_filter *filter)
{
    return filter->by_collection || filter->collection_count > 0;
}

static bool asks_tags(const ng_filter *filter)
{
    return filter->tags_all_count + filter->tags_any_count + filter->tags_none_count > 0;
}

bool ngi_filter_needs_lock(const ng_filter *filter)
{
    return filter != NULL && (names_collections(filter) || filter->updated_min_us != 0 ||
                              filter->updated_max_us != 0 || filter->label != NG_EITHER ||
                              filter->vector != NG_EITHER || filter->data != NG_EITHER ||
                              asks_tags(filter) || filter->predicate_count > 0);
}

static bool is_in_collection(const ng_filter *filter, uint32_t collection)
{
    if (filter->by_collection && filter->collection == collection)
        return true;
    for (size_t i = 0; i < filter->collection_count; i++)
        if (filter->collections[i] == collection)
            return true;
    return false;
}

static bool presence_fits(ng_presence wanted, bool is_there)
{
    return wanted == NG_EITHER || (wanted == NG_WITH) == is_there;
}

static bool has_label(const ng_store *store, uint32_t slot)
{
    size_t bytes;
    return ngi_labels_get(&store->labels, slot, &bytes) != NULL;
}

/* How many of `wanted` are among the terms; counting stops at `enough`. */
static size_t count_tags(const store_attributes *attributes, const uint32_t *terms,
                         uint32_t term_count, const ng_text *wanted, size_t wanted_count,
                         size_t enough)
{
    size_t found = 0;
    for (size_t i = 0; i < wanted_count && term_count > 0 && found < enough; i++) {
        uint32_t term = ngi_attributes_term(attributes, wanted[i].text, wanted[i].bytes);
        for (uint32_t k = 0; term != 0 && k < term_count; k++)
            found += terms[k] == term;
    }
    return found;
}

static bool tags_fit(const store_attributes *attributes, const ng_filter *filter,
                     const store_attribute_entry *entry)
{
    uint32_t terms[NGI_TAGS_MAX], count = entry->tag_count;
    if (count == 0)
        return filter->tags_all_count + filter->tags_any_count == 0;
    ngi_attributes_terms(attributes, entry, terms);
    /* A tag named twice is found twice. */
    return count_tags(attributes, terms, count, filter->tags_none, filter->tags_none_count, 1) ==
               0 &&
           count_tags(attributes, terms, count, filter->tags_all, filter->tags_all_count,
                      SIZE_MAX) == filter->tags_all_count &&
           (filter->tags_any_count == 0 ||
            count_tags(attributes, terms, count, filter->tags_any, filter->tags_any_count, 1) > 0);
}

static bool predicate_holds(const store_fields *fields, const ng_predicate *predicate,
                            uint32_t slot)
{
    const store_field *field = ngi_fields_find(fields, predicate->index);
    uint64_t key = field != NULL ? ngi_field_key(field, slot) : 0;
    if (key == 0)
        return false;
    if ((predicate->by_low && key < ngi_fields_key(fields, field, &predicate->low)) ||
        (predicate->by_high && key > ngi_fields_key(fields, field, &predicate->high)))
        return false;
    for (size_t i = 0; i < predicate->any_of_count; i++)
        if (ngi_fields_key(fields, field, &predicate->any_of[i]) == key)
            return true;
    return predicate->any_of_count == 0;
}

bool ngi_filter_accept_side(const ng_store *store, const ng_filter *filter, uint32_t slot)
{
    if (names_collections(filter) || filter->updated_min_us != 0 || filter->updated_max_us != 0) {
        const store_side *side = &store_sides(store)[slot];
        if (names_collections(filter) && !is_in_collection(filter, side->collection))
            return false;
        if (side->updated_us < filter->updated_min_us ||
            (filter->updated_max_us != 0 && side->updated_us > filter->updated_max_us))
            return false;
    }
    if (filter->label != NG_EITHER && !presence_fits(filter->label, has_label(store, slot)))
        return false;
    if (filter->vector != NG_EITHER &&
        !presence_fits(filter->vector, ngi_vectors_get(store->vectors, slot) != NULL))
        return false;
    for (size_t i = 0; i < filter->predicate_count; i++)
        if (!predicate_holds(&store->attributes.fields, &filter->predicates[i], slot))
            return false;
    if (filter->data == NG_EITHER && !asks_tags(filter))
        return true;
    store_attribute_entry entry = ngi_attributes_entry(&store->attributes, slot);
    return presence_fits(filter->data, entry.data_bytes > 0) &&
           (!asks_tags(filter) || tags_fit(&store->attributes, filter, &entry));
}

bool ngi_filter_accept(void *context, uint32_t slot)
{
    const store_filter *search = context;
    for (size_t i = 0; i < search->exclude_count; i++)
        if (search->exclude[i] == slot)
            return false;
    const ng_filter *filter = search->filter;
    if (filter == NULL)
        return true;
    return ngi_filter_accept_record(filter, &store_records(search->store)[slot]) &&
           ngi_filter_accept_side(search->store, filter, slot);
}

/* --- before a search ------------------------------------------------------------------------- */

static ng_status resolve_predicates(const ng_store *store, const ng_filter *filter)
{
    for (size_t i = 0; i < filter->predicate_count; i++) {
        const ng_predicate *predicate = &filter->predicates[i];
        const store_field *field = ngi_fields_find(&store->attributes.fields, predicate->index);
        if (field == NULL)
            return ngi_fail(NG_E_NOT_FOUND, "no index '%.80s'", predicate->index);
        bool bounded = predicate->by_low || predicate->by_high;
        if (field->spec.type == NG_INDEX_KEYWORD && bounded)
            return ngi_fail(NG_E_INVALID, "index '%s' is of keywords, which have no range",
                            field->spec.name);
        if (field->spec.type == NG_INDEX_FLOAT && bounded &&
            (isnan(predicate->low.real) || isnan(predicate->high.real)))
            return ngi_fail(NG_E_INVALID, "index '%s': a bound is not a number", field->spec.name);
        for (size_t k = 0; field->spec.type == NG_INDEX_KEYWORD && k < predicate->any_of_count; k++)
            if (predicate->any_of[k].keyword.text == NULL)
                return ngi_fail(NG_E_INVALID, "index '%s': keyword %zu is NULL", field->spec.name,
                                k);
    }
    return NG_OK;
}

ng_status ngi_filter_resolve(const ng_store *store, const ng_filter *filter)
{
    if (filter == NULL)
        return NG_OK;
    if (filter->by_collection && !store_has_collection(store, filter->collection))
        return ngi_store_fail_collection(filter->collection);
    for (size_t i = 0; i < filter->collection_count; i++)
        if (!store_has_collection(store, filter->collections[i]))
            return ngi_store_fail_collection(filter->collections[i]);
    return resolve_predicates(store, filter);
}

static ng_status check_tags(const char *name, const ng_text *tags, size_t count)
{
    if (count > NGI_TAGS_MAX)
        return ngi_fail(NG_E_INVALID, "filter.%s: %zu tags are outside 0..%d", name, count,
                        NGI_TAGS_MAX);
    if (count > 0 && tags == NULL)
        return ngi_fail(NG_E_INVALID, "filter.%s is NULL with %zu tags", name, count);
    for (size_t i = 0; i < count; i++) {
        char what[40];
        snprintf(what, sizeof what, "filter.%s: tag %u", name, (unsigned)i);
        ng_status status = ngi_name_validate(what, tags[i].text, tags[i].bytes, NGI_TAG_BYTES_MAX);
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

static ng_status check_range(const char *name, uint64_t low, uint64_t high)
{
    if (high == 0 || low <= high)
        return NG_OK;
    return ngi_fail(NG_E_INVALID, "filter.%s: the range %llu..%llu is empty", name,
                    (unsigned long long)low, (unsigned long long)high);
}

static ng_status check_ranges(const ng_filter *filter)
{
    ng_status status;
    if (filter->by_weight && !(filter->weight_min <= filter->weight_max))
        return ngi_fail(NG_E_INVALID, "filter.weight: the range %.7g..%.7g is empty",
                        (double)filter->weight_min, (double)filter->weight_max);
    NGI_TRY(check_range("created", filter->created_min, filter->created_max));
    NGI_TRY(check_range("updated", filter->updated_min_us, filter->updated_max_us));
out:
    return status;
}

static ng_status check_predicates(const ng_filter *filter)
{
    if (filter->predicate_count > NGI_PREDICATES_MAX)
        return ngi_fail(NG_E_INVALID, "filter.predicate_count %zu is outside 0..%d",
                        filter->predicate_count, NGI_PREDICATES_MAX);
    if (filter->predicate_count > 0 && filter->predicates == NULL)
        return ngi_fail(NG_E_INVALID, "filter.predicates is NULL");
    for (size_t i = 0; i < filter->predicate_count; i++) {
        const ng_predicate *predicate = &filter->predicates[i];
        if (predicate->index == NULL)
            return ngi_fail(NG_E_INVALID, "filter.predicates[%zu].index is NULL", i);
        if (predicate->any_of_count > NGI_PREDICATE_VALUES_MAX)
            return ngi_fail(NG_E_INVALID, "filter.predicates[%zu]: %zu values are outside 0..%d", i,
                            predicate->any_of_count, NGI_PREDICATE_VALUES_MAX);
        if (predicate->any_of_count > 0 && predicate->any_of == NULL)
            return ngi_fail(NG_E_INVALID, "filter.predicates[%zu].any_of is NULL", i);
    }
    return NG_OK;
}

ng_status ngi_filter_check(const ng_filter *filter)
{
    ng_status status;
    if (filter == NULL)
        return NG_OK;
    if (filter->struct_size != sizeof *filter)
        return ngi_fail(NG_E_INVALID, "filter.struct_size %zu is not %zu", filter->struct_size,
                        sizeof *filter);
    if (filter->collection_count > NGI_FILTER_COLLECTIONS_MAX)
        return ngi_fail(NG_E_INVALID, "filter.collection_count %zu is outside 0..%d",
                        filter->collection_count, NGI_FILTER_COLLECTIONS_MAX);
    if (filter->collection_count > 0 && filter->collections == NULL)
        return ngi_fail(NG_E_INVALID, "filter.collections is NULL");
    if ((filter->spaces_all & filter->spaces_none) != 0)
        return ngi_fail(NG_E_INVALID, "filter: a space is in both spaces_all and spaces_none");
    const ng_presence presences[] = {filter->label, filter->vector, filter->data};
    for (size_t i = 0; i < sizeof presences / sizeof *presences; i++)
        if ((unsigned)presences[i] > NG_WITHOUT)
            return ngi_fail(NG_E_INVALID, "filter: presence %u is outside 0..2",
                            (unsigned)presences[i]);
    NGI_TRY(check_ranges(filter));
    NGI_TRY(check_tags("tags_all", filter->tags_all, filter->tags_all_count));
    NGI_TRY(check_tags("tags_any", filter->tags_any, filter->tags_any_count));
    NGI_TRY(check_tags("tags_none", filter->tags_none, filter->tags_none_count));
    NGI_TRY(check_predicates(filter));
out:
    return status;
}
