/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Filters, and searches over tokens, against looking at every token. */
#include "twin.h"

#include <inttypes.h>
#include <string.h>

#define PAGE 13
#define FOUND_MAX 8192

/* --- what a filter takes --------------------------------------------------------------------- */

static bool has_tag(const twin_token *token, const ng_text *tag)
{
    for (size_t at = 0; at < token->tag_bytes; at += strlen(token->tags + at) + 1) {
        if (strlen(token->tags + at) == tag->bytes &&
            memcmp(token->tags + at, tag->text, tag->bytes) == 0)
            return true;
    }
    return false;
}

static size_t count_tags(const twin_token *token, const ng_text *tags, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += has_tag(token, &tags[i]);
    return found;
}

static bool in_collections(const ng_filter *filter, ng_collection_id collection)
{
    bool is_in = filter->by_collection && filter->collection == collection;
    for (size_t i = 0; i < filter->collection_count; i++)
        is_in = is_in || filter->collections[i] == collection;
    return is_in || (!filter->by_collection && filter->collection_count == 0);
}

static bool takes_record(const ng_filter *filter, const twin_token *token)
{
    unsigned flags = token->record.flags, spaces = 0;
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        spaces |= (token->record.coordinates[space][0] != NG_COORDINATE_ABSENT ? 1u : 0u) << space;
    return (flags & filter->flags_all) == filter->flags_all &&
           (filter->flags_any == 0 || (flags & filter->flags_any) != 0) &&
           (flags & filter->flags_none) == 0 &&
           (filter->entities == 0 || (filter->entities >> (flags >> 8 & 15) & 1) != 0) &&
           (spaces & filter->spaces_all) == filter->spaces_all &&
           (spaces & filter->spaces_none) == 0 &&
           (!filter->by_weight || (token->record.weight >= filter->weight_min &&
                                   token->record.weight <= filter->weight_max)) &&
           token->record.timestamp >= filter->created_min &&
           (filter->created_max == 0 || token->record.timestamp <= filter->created_max);
}

static bool is_as_wanted(ng_presence wanted, bool is_there)
{
    return wanted == NG_EITHER || (wanted == NG_WITH) == is_there;
}

static bool takes_value(const ng_predicate *predicate, const twin_token *token)
{
    unsigned n;
    char word[16];
    if (!twin_data_values(token, &n, word))
        return false;
    bool is_word = strcmp(predicate->index, "word") == 0;
    bool is_one = predicate->any_of_count == 0;
    for (size_t i = 0; i < predicate->any_of_count; i++) {
        const ng_value *value = &predicate->any_of[i];
        is_one = is_one || (is_word ? strlen(word) == value->keyword.bytes &&
                                          memcmp(word, value->keyword.text, strlen(word)) == 0
                                    : value->integer == n);
    }
    return is_one && (!predicate->by_low || predicate->low.integer <= n) &&
           (!predicate->by_high || n <= predicate->high.integer);
}

static bool takes_values(const ng_filter *filter, const twin_token *token)
{
    for (size_t i = 0; i < filter->predicate_count; i++) {
        if (!takes_value(&filter->predicates[i], token))
            return false;
    }
    return true;
}

bool twin_filter_takes(const ng_filter *filter, const twin_token *token)
{
    return takes_values(filter, token) && token->id != filter->exclude &&
           in_collections(filter, token->collection) && takes_record(filter, token) &&
           token->updated_us >= filter->updated_min_us &&
           (filter->updated_max_us == 0 || token->updated_us <= filter->updated_max_us) &&
           is_as_wanted(filter->label, token->label != NULL) &&
           is_as_wanted(filter->vector, token->vector != NULL) &&
           is_as_wanted(filter->data, token->data_bytes != 0) &&
           count_tags(token, filter->tags_all, filter->tags_all_count) == filter->tags_all_count &&
           (filter->tags_any_count == 0 ||
            count_tags(token, filter->tags_any, filter->tags_any_count) != 0) &&
           count_tags(token, filter->tags_none, filter->tags_none_count) == 0;
}

/* --- made-up filters ------------------------------------------------------------------------- */

/* What the filter of this thread points to. */
typedef struct filter_texts {
    ng_text tags[3][3];
    char texts[3][3][66];
    ng_collection_id collections[3];
    ng_predicate predicates[3];
    ng_value values[3][2];
    char words[3][2][8];
} filter_texts;

static size_t random_tags(test_random *random, ng_text *tags, char texts[3][66], size_t most)
{
    size_t count = 1 + test_random_below(random, most);
    for (size_t i = 0; i < count; i++) {
        unsigned word = (unsigned)test_random_below(random, 45); /* some that nobody has */
        int bytes = snprintf(texts[i], 66, word % 3 == 0 ? "метка %u" : "tag-%u", word);
        tags[i] = (ng_text){texts[i], (size_t)bytes};
    }
    return count;
}

static void random_tag_members(test_random *random, filter_texts *texts, ng_filter *filter)
{
    if (test_random_chance(random, 25)) {
        filter->tags_all = texts->tags[0];
        filter->tags_all_count = random_tags(random, texts->tags[0], texts->texts[0], 2);
    }
    if (test_random_chance(random, 20)) {
        filter->tags_any = texts->tags[1];
        filter->tags_any_count = random_tags(random, texts->tags[1], texts->texts[1], 3);
    }
    if (test_random_chance(random, 20)) {
        filter->tags_none = texts->tags[2];
        filter->tags_none_count = random_tags(random, texts->tags[2], texts->texts[2], 3);
    }
}

static void random_ranges(const twin_token *token, test_random *random, ng_filter *filter)
{
    if (test_random_chance(random, 15)) {
        filter->by_weight = true;
        filter->weight_min = (float)test_random_unit(random) / 2;
        filter->weight_max = filter->weight_min + (float)test_random_unit(random);
    }
    if (token == NULL)
        return;
    if (test_random_chance(random, 10))
        filter->created_min = token->record.timestamp;
    if (test_random_chance(random, 10))
        filter->created_max = token->record.timestamp + 5;
    if (filter->created_max < filter->created_min)
        filter->created_max = 0;
    if (test_random_chance(random, 10))
        filter->updated_min_us = token->updated_us;
    else if (test_random_chance(random, 10))
        filter->updated_max_us = token->updated_us;
}

static void random_predicate(test_random *random, filter_texts *texts, size_t at, unsigned index)
{
    ng_predicate *predicate = &texts->predicates[at];
    ng_value *values = texts->values[at];
    memset(predicate, 0, sizeof *predicate);
    predicate->index = twin_index_names[index];
    if (index == 0 && test_random_chance(random, 60)) {
        predicate->by_low = test_random_chance(random, 60);
        predicate->by_high = test_random_chance(random, 60);
        predicate->low.integer = (int64_t)test_random_below(random, 40) - 2;
        predicate->high.integer = predicate->low.integer + (int64_t)test_random_below(random, 20);
        return;
    }
    predicate->any_of = values;
    predicate->any_of_count = test_random_below(random, 3);
    for (int i = 0; i < 2; i++) {
        snprintf(texts->words[at][i], 8, "w%u", (unsigned)test_random_below(random, 11));
        values[i] = (ng_value){.keyword = {texts->words[at][i], strlen(texts->words[at][i])},
                               .integer = (int64_t)test_random_below(random, 55)};
    }
}

static void random_predicates(const twin_state *twin, test_random *random, filter_texts *texts,
                              ng_filter *filter)
{
    filter->predicates = texts->predicates;
    for (int i = 0; i < 3; i++) {
        unsigned index = (unsigned)test_random_below(random, TWIN_INDEXES);
        if (twin->indexes[index] && test_random_chance(random, 15))
            random_predicate(random, texts, filter->predicate_count++, index);
    }
}

void twin_random_filter(const twin_state *twin, test_random *random, ng_filter *filter)
{
    static _Thread_local filter_texts texts;
    const twin_token *token = twin_random_token(twin, random);
    memset(filter, 0, sizeof *filter);
    filter->struct_size = sizeof *filter;
    if (test_random_chance(random, 30)) {
        filter->by_collection = true;
        filter->collection = twin_random_collection(twin, random);
    }
    if (test_random_chance(random, 15)) {
        filter->collections = texts.collections;
        filter->collection_count = 1 + test_random_below(random, 3);
        for (size_t i = 0; i < filter->collection_count; i++)
            texts.collections[i] = twin_random_collection(twin, random);
    }
    if (test_random_chance(random, 30))
        filter->flags_all = NG_TOKEN_ACTIVE;
    if (test_random_chance(random, 10))
        filter->flags_any = NG_TOKEN_USER_1 | NG_TOKEN_LOCKED;
    if (test_random_chance(random, 10))
        filter->flags_none = NG_TOKEN_DIRTY;
    if (test_random_chance(random, 10))
        filter->entities = (uint16_t)test_random_next(random);
    if (test_random_chance(random, 10))
        filter->spaces_all = (uint8_t)(1u << test_random_below(random, NG_SPACE_COUNT));
    if (test_random_chance(random, 10))
        filter->spaces_none = (uint8_t)((1u << test_random_below(random, NG_SPACE_COUNT)) &
                                        ~(unsigned)filter->spaces_all);
    if (test_random_chance(random, 20) && token != NULL)
        filter->exclude = token->id;
    filter->label = test_random_chance(random, 15) ? 1 + test_random_below(random, 2) : NG_EITHER;
    filter->vector = test_random_chance(random, 10) ? 1 + test_random_below(random, 2) : NG_EITHER;
    filter->data = test_random_chance(random, 10) ? 1 + test_random_below(random, 2) : NG_EITHER;
    random_ranges(token, random, filter);
    random_tag_members(random, &texts, filter);
    random_predicates(twin, random, &texts, filter);
}

/* --- searches -------------------------------------------------------------------------------- */

static bool label_begins(const twin_token *token, const char *prefix, size_t bytes)
{
    return bytes == 0 || (token->label_bytes >= bytes && memcmp(token->label, prefix, bytes) == 0);
}

/* Reads the answer page by page. */
static const char *compare_pages(const ng_store *store, ng_token_search_options *options,
                                 const ng_token_id *wanted, size_t wanted_count, char *out)
{
    ng_token_id page[PAGE];
    size_t at = 0, count = PAGE;
    uint64_t total = 0;
    bool first = true;
    while (count == PAGE) {
        ng_status status =
            ng_token_search(store, options, page, PAGE, &count, first ? &total : NULL);
        if (status != NG_OK)
            return TWIN_DIFFER(out, "ng_token_search: %s (%s)", ng_status_name(status),
                               ng_last_error());
        if (first && total != wanted_count)
            return TWIN_DIFFER(out, "ng_token_search: a total of %" PRIu64 ", expected %zu", total,
                               wanted_count);
        first = false;
        for (size_t i = 0; i < count; i++, at++) {
            if (at >= wanted_count || page[i] != wanted[at])
                return TWIN_DIFFER(out, "ng_token_search: row %zu is token %" PRIu64, at, page[i]);
        }
        options->after = count != 0 ? page[count - 1] : 0;
    }
    return at == wanted_count
               ? NULL
               : TWIN_DIFFER(out, "ng_token_search: %zu rows, expected %zu", at, wanted_count);
}

const char *twin_compare_search(const twin_state *twin, const ng_store *store, test_random *random,
                                char *out)
{
    static _Thread_local ng_token_id wanted[FOUND_MAX];
    ng_filter filter;
    ng_token_search_options options = {.struct_size = sizeof options, .filter = &filter};
    const twin_token *token = twin_random_token(twin, random);
    size_t count = 0;
    twin_random_filter(twin, random, &filter);
    if (test_random_chance(random, 40)) {
        options.prefix = "label-1";
        options.prefix_bytes = 1 + test_random_below(random, 7);
        if (test_random_chance(random, 30) && token != NULL && token->label != NULL) {
            options.prefix = token->label;
            options.prefix_bytes = token->label_bytes;
        }
    }
    for (size_t i = 0; i < twin->token_count && count < FOUND_MAX; i++) {
        if (twin->tokens[i].alive && twin_filter_takes(&filter, &twin->tokens[i]) &&
            label_begins(&twin->tokens[i], options.prefix, options.prefix_bytes))
            wanted[count++] = twin->tokens[i].id;
    }
    return compare_pages(store, &options, wanted, count, out);
}
