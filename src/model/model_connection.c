/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connection records: fields given by a caller, what may be stored, the 64 bytes on disk.
 *
 *     0 u32 source              4 u32 target          8 u8 type           9 u8 rigidity x 255
 *    10 u8 active_levels       11 u8 flags           12 u32 activation_count
 *    16 f32 pull_strength      20 f32 preferred_distance                 24 u32 created_at
 *    28 u32 last_activation    32 u8 mutability      33 u8 confidence x 255
 *    34 u16 evidence_count     36 u32 last_update    40 u8 learning_rate x 255
 *    41 u8 decay_rate x 255    42 u16 reserved = 0   44 u32 origin       48 i16 target_vector[8]
 *
 * Invariants of a stored record:
 *   1. source and target are slots > 0 and differ; type is one of the 176.
 *   2. |pull_strength| <= 10; preferred_distance 0.01..100; both finite; reserved is 0.
 *   3. mutability is one of the three; an Immutable connection has confidence 255. */
#include "model/model_token.h"
#include "model/model_types.h"

#include <math.h>

#define CONNECTION_FIELDS_ALL                                                                      \
    ((uint32_t)NG_CFIELD_TYPE | NG_CFIELD_FLAGS | NG_CFIELD_LEVELS | NG_CFIELD_MUTABILITY |        \
     NG_CFIELD_RIGIDITY | NG_CFIELD_PULL | NG_CFIELD_DISTANCE | NG_CFIELD_CONFIDENCE)

/* Learning rate and decay rate, x 255: a hypothesis learns four times and decays twice as fast. */
#define CONNECTION_LEARNING_RATE 32
#define CONNECTION_DECAY_RATE 16
#define HYPOTHESIS_LEARNING_RATE 128
#define HYPOTHESIS_DECAY_RATE 32

ng_mutability ngi_connection_type_mutability(uint8_t type)
{
    switch (type >> 4) {
#define CONNECTION_MUTABILITY(value, text, mutability)                                             \
    case value:                                                                                    \
        return mutability;
        NGI_CATEGORY_TABLE(CONNECTION_MUTABILITY)
#undef CONNECTION_MUTABILITY
    default:
        return NG_LEARNABLE;
    }
}

static ng_status connection_check_range(const char *field, float value, float low, float high)
{
    if (value >= low && value <= high)
        return NG_OK;
    return ngi_fail(NG_E_INVALID, "%s %.7g is outside %.7g..%.7g", field, (double)value,
                    (double)low, (double)high);
}

static ng_status connection_apply_fraction(const char *field, float value, uint8_t *out)
{
    ng_status status = connection_check_range(field, value, 0.0f, 1.0f);
    if (status == NG_OK)
        *out = (uint8_t)rint((double)value * 255.0);
    return status;
}

static ng_status connection_check_ends(const ng_connection *record)
{
    if (record->source == 0 || record->target == 0)
        return ngi_fail(NG_E_INVALID, "%s is 0, which is no token",
                        record->source == 0 ? "source" : "target");
    if (record->source == record->target)
        return ngi_fail(NG_E_INVALID,
                        "source and target are both token %u; a token cannot be "
                        "connected to itself",
                        record->source);
    return NG_OK;
}

static ng_status connection_apply_type(ng_connection *record, const ng_connection_fields *fields,
                                       const ng_cdna *cdna)
{
    if (fields->set & NG_CFIELD_TYPE)
        record->type = fields->type;
    if (record->type >= NG_CONNECTION_TYPE_COUNT)
        return ngi_fail(NG_E_INVALID, "type %u is outside 0..%d", record->type,
                        NG_CONNECTION_TYPE_COUNT - 1);
    if (!ngi_cdna_allows_type(cdna, record->type))
        return ngi_fail(NG_E_FORBIDDEN,
                        "type %s (%u) is not among the constitution's "
                        "allowed_types",
                        ng_connection_type_name(record->type), record->type);
    record->mutability = (uint8_t)ngi_connection_type_mutability(record->type);
    if (fields->set & NG_CFIELD_MUTABILITY)
        record->mutability = fields->mutability;
    if (record->mutability > NG_HYPOTHESIS)
        return ngi_fail(NG_E_INVALID, "mutability %u is outside 0..2", record->mutability);
    if (record->mutability == NG_HYPOTHESIS) {
        record->learning_rate = HYPOTHESIS_LEARNING_RATE;
        record->decay_rate = HYPOTHESIS_DECAY_RATE;
    }
    return NG_OK;
}

static ng_status connection_apply_numbers(ng_connection *record, const ng_connection_fields *fields,
                                          const ng_cdna *cdna)
{
    ng_status status;
    if (fields->set & NG_CFIELD_RIGIDITY)
        NGI_TRY(connection_apply_fraction("rigidity", fields->rigidity, &record->rigidity));
    if (fields->set & NG_CFIELD_PULL)
        record->pull_strength = fields->pull_strength;
    NGI_TRY(connection_check_range("pull_strength", record->pull_strength, cdna->min_pull_strength,
                                   cdna->max_pull_strength));
    if (fields->set & NG_CFIELD_DISTANCE)
        record->preferred_distance = fields->preferred_distance;
    NGI_TRY(connection_check_range("preferred_distance", record->preferred_distance,
                                   NGI_PREFERRED_DISTANCE_MIN, NGI_PREFERRED_DISTANCE_MAX));
    if (fields->set & NG_CFIELD_CONFIDENCE)
        NGI_TRY(connection_apply_fraction("confidence", fields->confidence, &record->confidence));
    if (record->mutability == NG_IMMUTABLE)
        record->confidence = 255;
out:
    return status;
}

ng_status ngi_connection_from_fields(ng_connection *out, const ng_connection_fields *fields,
                                     const ng_cdna *cdna, uint32_t origin, uint32_t now_s)
{
    ng_status status;
    ng_connection record = {
        .source = (uint32_t)fields->source,
        .target = (uint32_t)fields->target,
        .type = NG_CONNECTION_TYPE_DEFAULT,
        .rigidity = 128,
        .flags = NG_CONNECTION_ACTIVE,
        .preferred_distance = 1.0f,
        .created_at = now_s,
        .confidence = 128,
        .last_update = now_s,
        .learning_rate = CONNECTION_LEARNING_RATE,
        .decay_rate = CONNECTION_DECAY_RATE,
        .origin = origin,
    };
    if (fields->set & ~CONNECTION_FIELDS_ALL)
        return ngi_fail(NG_E_INVALID, "set has unknown bits 0x%x",
                        fields->set & ~CONNECTION_FIELDS_ALL);
    NGI_TRY(connection_check_ends(&record));
    NGI_TRY(connection_apply_type(&record, fields, cdna));
    NGI_TRY(connection_apply_numbers(&record, fields, cdna));
    if (fields->set & NG_CFIELD_FLAGS)
        record.flags = fields->flags;
    if (fields->set & NG_CFIELD_LEVELS)
        record.active_levels = fields->active_levels;
    *out = record;
out:
    return status;
}

ng_status ngi_connection_validate(const ng_connection *record)
{
    ng_status status;
    NGI_TRY(connection_check_ends(record));
    NGI_TRY(connection_check_range("pull_strength", record->pull_strength, -NGI_CDNA_PULL_MAX,
                                   NGI_CDNA_PULL_MAX));
    NGI_TRY(connection_check_range("preferred_distance", record->preferred_distance,
                                   NGI_PREFERRED_DISTANCE_MIN, NGI_PREFERRED_DISTANCE_MAX));
    if (record->type >= NG_CONNECTION_TYPE_COUNT)
        return ngi_fail(NG_E_INVALID, "type %u is outside 0..%d", record->type,
                        NG_CONNECTION_TYPE_COUNT - 1);
    if (record->mutability > NG_HYPOTHESIS)
        return ngi_fail(NG_E_INVALID, "mutability %u is outside 0..2", record->mutability);
    if (record->mutability == NG_IMMUTABLE && record->confidence != 255)
        return ngi_fail(NG_E_INVALID, "confidence %u/255 of an Immutable connection is not 1",
                        record->confidence);
    if (record->reserved != 0)
        return ngi_fail(NG_E_INVALID, "reserved %u is not 0", record->reserved);
out:
    return status;
}
