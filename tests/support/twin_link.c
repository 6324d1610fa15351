/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections of the twin: what a write makes of a record, said once more and simply, and lists by
 * looking at all of them. Times are the store's; that they are taken where they should be is not. */
#include "twin.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define LIST_MAX 64

static uint8_t twin_category_mutability(uint8_t type)
{
    /* Semantic, Spatial, Logical, Structural, Rule and Metaphor are facts. */
    static const unsigned facts = 1 << 0 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 9;
    return facts >> (type >> 4) & 1 ? NG_IMMUTABLE : NG_LEARNABLE;
}

static uint8_t twin_fraction(float value)
{
    return (uint8_t)lrint((double)value * 255);
}

static void target_of_fields(const twin_state *twin, const ng_connection_fields *fields,
                             int16_t target[NG_SPACE_COUNT])
{
    const twin_token *of =
        fields->set & NG_CFIELD_TARGET_OF ? twin_find(twin, fields->target_of) : NULL;
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        if (of != NULL)
            target[space] = of->record.coordinates[space][0];
        else if (!(fields->set & NG_CFIELD_TARGET_VECTOR))
            continue;
        else if (!(fields->target_spaces >> space & 1))
            target[space] = NG_COORDINATE_ABSENT;
        else
            target[space] = twin_encode(twin, space, 0, fields->target_vector[space]);
    }
}

/* Everything but what follows from it. */
static void record_take_fields(const twin_state *twin, const ng_connection_fields *fields,
                               ng_connection *record)
{
    bool follows = record->mutability == twin_category_mutability(record->type);
    uint32_t set = fields->set;
    if (set & NG_CFIELD_TYPE)
        record->type = fields->type;
    if (follows)
        record->mutability = twin_category_mutability(record->type);
    if (set & NG_CFIELD_MUTABILITY)
        record->mutability = fields->mutability;
    if (set & NG_CFIELD_FLAGS)
        record->flags = fields->flags;
    record->flags = (uint8_t)((record->flags | fields->flags_set) & ~fields->flags_clear);
    if (set & NG_CFIELD_LEVELS)
        record->active_levels = fields->active_levels;
    if (set & NG_CFIELD_RIGIDITY)
        record->rigidity = twin_fraction(fields->rigidity);
    if (set & NG_CFIELD_PULL)
        record->pull_strength = fields->pull_strength;
    if (set & NG_CFIELD_DISTANCE)
        record->preferred_distance = fields->preferred_distance;
    if (set & NG_CFIELD_CONFIDENCE)
        record->confidence = twin_fraction(fields->confidence);
    if (set & NG_CFIELD_LEARNING_RATE)
        record->learning_rate = twin_fraction(fields->learning_rate);
    if (set & NG_CFIELD_DECAY_RATE)
        record->decay_rate = twin_fraction(fields->decay_rate);
    if (set & NG_CFIELD_ORIGIN)
        record->origin = fields->origin;
    target_of_fields(twin, fields, record->target_vector);
    if (record->mutability == NG_IMMUTABLE)
        record->confidence = 255;
}

static unsigned twin_fading(const ng_connection *record)
{
    bool fades = record->mutability == NG_HYPOTHESIS ||
                 (record->mutability == NG_LEARNABLE && (record->flags & NG_CONNECTION_DECAYING));
    return fades ? record->decay_rate : 0;
}

/* `got` gives the time, and what is left of a confidence that has faded. */
static void record_update(const twin_state *twin, const ng_connection_fields *fields,
                          const ng_connection *got, ng_connection *record)
{
    const ng_connection before = *record;
    record_take_fields(twin, fields, record);
    bool is_fact = record->mutability == NG_IMMUTABLE, was_fact = before.mutability == NG_IMMUTABLE;
    bool fades_otherwise = twin_fading(&before) != twin_fading(record);
    if (!(fields->set & NG_CFIELD_CONFIDENCE) && !is_fact && fades_otherwise &&
        got->confidence <= before.confidence)
        record->confidence = got->confidence;
    if (is_fact != was_fact ||
        (!is_fact && (fades_otherwise || (fields->set & NG_CFIELD_CONFIDENCE))))
        record->last_update = got->last_update;
    unsigned bits = fields->flags_set | fields->flags_clear;
    if (!(fields->set & NG_CFIELD_FLAGS) && !(bits & NG_CONNECTION_MODIFIED) &&
        memcmp(&before, record, sizeof before) != 0)
        record->flags |= NG_CONNECTION_MODIFIED;
}

static void record_activate(const ng_connection *got, ng_connection *record)
{
    record->activation_count++; /* no test comes near the end of it */
    record->last_activation = got->last_activation;
    record->flags |= NG_CONNECTION_ACTIVE;
    if (record->mutability == NG_LEARNABLE) {
        record->flags |= NG_CONNECTION_REINFORCED;
        record->rigidity = record->rigidity < 255 ? record->rigidity + 1 : 255;
    }
}

static void record_create(const twin_state *twin, const ng_connection_fields *fields,
                          const ng_connection *got, ng_connection *record)
{
    *record = (ng_connection){.source = (uint32_t)fields->source,
                              .target = (uint32_t)fields->target,
                              .type = NG_CONNECTION_TYPE_DEFAULT,
                              .rigidity = 128,
                              .flags = NG_CONNECTION_ACTIVE,
                              .preferred_distance = 1,
                              .created_at = got->created_at,
                              .mutability = NG_LEARNABLE,
                              .confidence = 128,
                              .last_update = got->created_at};
    record_take_fields(twin, fields, record);
    bool is_hypothesis = record->mutability == NG_HYPOTHESIS;
    if (!(fields->set & NG_CFIELD_LEARNING_RATE))
        record->learning_rate = is_hypothesis ? 128 : 32;
    if (!(fields->set & NG_CFIELD_DECAY_RATE))
        record->decay_rate = is_hypothesis ? 32 : 16;
}

bool twin_learn_link(const twin_state *twin, twin_op *op, size_t index, const ng_connection *got)
{
    twin_link *link = &op->links[index];
    const twin_connection *before = twin_find_connection(twin, link->id);
    ng_connection wanted = {0};
    if (before != NULL)
        wanted = before->record;
    else
        record_create(twin, &link->fields, got, &wanted);
    for (size_t i = 0; before != NULL && i < op->count; i++) {
        if (op->links[i].id != link->id)
            continue;
        if (op->kind == TWIN_ACTIVATE)
            record_activate(got, &wanted);
        else
            record_update(twin, &op->links[i].fields, got, &wanted);
    }
    link->record = *got;
    return memcmp(&wanted, got, sizeof wanted) == 0;
}

/* --- lists ----------------------------------------------------------------------------------- */

static void random_filter(const twin_state *twin, test_random *random, ng_connection_filter *filter)
{
    *filter = (ng_connection_filter){.struct_size = sizeof *filter};
    if (test_random_chance(random, 30))
        filter->types.bits[0] = test_random_next(random);
    if (test_random_chance(random, 30))
        filter->categories = (uint16_t)(test_random_next(random) & 0x7FF);
    if (test_random_chance(random, 30))
        filter->mutabilities = (uint8_t)test_random_below(random, 8);
    if (test_random_chance(random, 30))
        filter->flags_all = (uint8_t)(1u << test_random_below(random, 8));
    if (test_random_chance(random, 30))
        filter->flags_none = (uint8_t)(1u << test_random_below(random, 8));
    if (test_random_chance(random, 30)) {
        filter->by_confidence = true;
        filter->confidence_min = (double)test_random_below(random, 128) / 255;
        filter->confidence_max = (double)(128 + test_random_below(random, 128)) / 255;
        filter->time_us = 1; /* long ago: nothing has faded, so the bytes decide */
    }
    filter->by_source = test_random_chance(random, 20);
    filter->by_target = test_random_chance(random, 20);
    filter->source_collection = (uint32_t)test_random_below(random, twin->collection_count);
    filter->target_collection = (uint32_t)test_random_below(random, twin->collection_count);
}

static bool filter_passes(const twin_state *twin, const ng_connection_filter *filter,
                          const twin_connection *connection)
{
    const ng_connection *record = &connection->record;
    const uint64_t *types = filter->types.bits;
    bool any = (types[0] | types[1] | types[2] | types[3]) == 0;
    double confidence = record->confidence / 255.0;
    return connection->alive && (any || (types[record->type >> 6] >> (record->type & 63) & 1)) &&
           (filter->categories == 0 || (filter->categories >> (record->type >> 4) & 1)) &&
           (filter->mutabilities == 0 || (filter->mutabilities >> record->mutability & 1)) &&
           (~record->flags & filter->flags_all) == 0 && (record->flags & filter->flags_none) == 0 &&
           (!filter->by_confidence ||
            (confidence >= filter->confidence_min && confidence <= filter->confidence_max)) &&
           (!filter->by_source ||
            twin_find(twin, connection->source)->collection == filter->source_collection) &&
           (!filter->by_target ||
            twin_find(twin, connection->target)->collection == filter->target_collection);
}

static size_t twin_list(const twin_state *twin, const ng_connection_list_options *options,
                        const twin_connection **out, size_t capacity)
{
    uint64_t offset = options->offset;
    size_t count = 0;
    for (size_t i = 0; i < twin->connection_count && count < capacity; i++) {
        const twin_connection *connection = &twin->connections[i];
        if (connection->id <= options->after || !filter_passes(twin, options->filter, connection))
            continue;
        if (offset > 0)
            offset--;
        else
            out[count++] = connection;
    }
    return count;
}

static const char *compare_count(const twin_state *twin, const ng_store *store,
                                 const ng_connection_filter *filter, char *out)
{
    ng_connection_counts counts, wanted = {0};
    for (size_t i = 0; i < twin->connection_count; i++) {
        const twin_connection *connection = &twin->connections[i];
        if (!filter_passes(twin, filter, connection))
            continue;
        wanted.total++;
        wanted.active += (connection->record.flags & NG_CONNECTION_ACTIVE) != 0;
        wanted.by_mutability[connection->record.mutability]++;
        wanted.by_type[connection->record.type]++;
    }
    if (ng_connection_count(store, filter, &counts) != NG_OK ||
        memcmp(&counts, &wanted, sizeof counts) != 0)
        return TWIN_DIFFER(out, "%" PRIu64 " connections counted (%s), expected %" PRIu64,
                           counts.total, ng_last_error(), wanted.total);
    return NULL;
}

const char *twin_compare_links(const twin_state *twin, const ng_store *store, test_random *random,
                               char *out)
{
    ng_connection_filter filter;
    random_filter(twin, random, &filter);
    const twin_connection *last = twin_random_connection(twin, random);
    const ng_connection_list_options options = {
        .struct_size = sizeof options,
        .after = last != NULL && test_random_chance(random, 50) ? last->id : 0,
        .offset = test_random_chance(random, 50) ? test_random_below(random, 10) : 0,
        .filter = &filter};
    const twin_connection *wanted[LIST_MAX];
    ng_connection_id ids[LIST_MAX];
    ng_connection records[LIST_MAX];
    size_t capacity = 1 + test_random_below(random, LIST_MAX), count = 0;
    size_t wanted_count = twin_list(twin, &options, wanted, capacity);
    ng_status status = ng_connection_list(store, &options, ids, records, capacity, &count);
    if (status != NG_OK || count != wanted_count)
        return TWIN_DIFFER(out, "%zu connections listed (%s), expected %zu", count,
                           ng_status_name(status), wanted_count);
    for (size_t i = 0; i < count; i++) {
        if (ids[i] != wanted[i]->id ||
            memcmp(&records[i], &wanted[i]->record, sizeof records[i]) != 0)
            return TWIN_DIFFER(out, "connection %zu of a list is %" PRIu64 ", expected %" PRIu64, i,
                               ids[i], wanted[i]->id);
    }
    return compare_count(twin, store, &filter, out);
}
