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
#include <string.h>

#define CONNECTION_FIELDS_ALL ((uint32_t)(2 * NG_CFIELD_TARGET_OF - 1))

/* Learning rate and decay rate, x 255: a hypothesis learns four times and decays twice as fast. */
#define CONNECTION_LEARNING_RATE 32
#define CONNECTION_DECAY_RATE 16
#define HYPOTHESIS_LEARNING_RATE 128
#define HYPOTHESIS_DECAY_RATE 32

ng_mutability ng_connection_type_mutability(uint8_t type)
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

/* A mutability that was the category's follows the category. */
static ng_status connection_apply_kind(ng_connection *record, const ng_connection_fields *fields,
                                       const ng_cdna *cdna)
{
    bool follows = record->mutability == ng_connection_type_mutability(record->type);
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
    if (follows)
        record->mutability = (uint8_t)ng_connection_type_mutability(record->type);
    if (fields->set & NG_CFIELD_MUTABILITY)
        record->mutability = fields->mutability;
    if (record->mutability > NG_HYPOTHESIS)
        return ngi_fail(NG_E_INVALID, "mutability %u is outside 0..2", record->mutability);
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
    if (fields->set & NG_CFIELD_LEARNING_RATE)
        NGI_TRY(connection_apply_fraction("learning_rate", fields->learning_rate,
                                          &record->learning_rate));
    if (fields->set & NG_CFIELD_DECAY_RATE)
        NGI_TRY(connection_apply_fraction("decay_rate", fields->decay_rate, &record->decay_rate));
out:
    return status;
}

/* The other axes take part at their origin, which is raw 0 and always in range. */
static ng_status connection_encode_target(const ng_connection_fields *fields,
                                          const ngi_encoding *encoding, int16_t out[NG_SPACE_COUNT])
{
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++) {
        int16_t raw[NG_AXIS_COUNT] = {NG_COORDINATE_ABSENT};
        const float value[NG_AXIS_COUNT] = {fields->target_vector[space],
                                            encoding->origin[space][1], encoding->origin[space][2]};
        if (fields->target_spaces >> space & 1) {
            ng_status status = ngi_space_encode(encoding, (ng_space)space, value, raw);
            if (status != NG_OK)
                return ngi_fail_prefix(status, "target_vector");
        }
        out[space] = raw[0];
    }
    return NG_OK;
}

static ng_status connection_apply_target(ng_connection *record, const ng_connection_fields *fields,
                                         const ngi_connection_context *context)
{
    int16_t target[NG_SPACE_COUNT];
    memcpy(target, record->target_vector, sizeof target);
    if (fields->set & NG_CFIELD_TARGET_VECTOR) {
        if (fields->set & NG_CFIELD_TARGET_OF)
            return ngi_fail(NG_E_INVALID, "set has both target_vector and target_of");
        ng_status status = connection_encode_target(fields, context->encoding, target);
        if (status != NG_OK)
            return status;
    }
    for (int space = 0; fields->set & NG_CFIELD_TARGET_OF && space < NG_SPACE_COUNT; space++)
        target[space] = context->target_of->coordinates[space][0];
    memcpy(record->target_vector, target, sizeof target);
    return NG_OK;
}

/* All but the ends; `record` is the caller's copy. */
static ng_status connection_apply(ng_connection *record, const ng_connection_fields *fields,
                                  const ngi_connection_context *context)
{
    ng_status status;
    if (fields->set & ~CONNECTION_FIELDS_ALL)
        return ngi_fail(NG_E_INVALID, "set has unknown bits 0x%x",
                        fields->set & ~CONNECTION_FIELDS_ALL);
    NGI_TRY(connection_apply_numbers(record, fields, context->cdna));
    NGI_TRY(connection_apply_target(record, fields, context));
    if (fields->flags_set & fields->flags_clear)
        return ngi_fail(NG_E_INVALID, "flags 0x%x are both set and cleared",
                        fields->flags_set & fields->flags_clear);
    if (fields->set & NG_CFIELD_FLAGS)
        record->flags = fields->flags;
    record->flags = (uint8_t)((record->flags | fields->flags_set) & ~fields->flags_clear);
    if (fields->set & NG_CFIELD_LEVELS)
        record->active_levels = fields->active_levels;
    if (fields->set & NG_CFIELD_ORIGIN)
        record->origin = fields->origin;
    if (record->mutability == NG_IMMUTABLE)
        record->confidence = 255;
out:
    return status;
}

ng_status ngi_connection_from_fields(ng_connection *out, const ng_connection_fields *fields,
                                     const ngi_connection_context *context)
{
    ng_status status;
    ng_connection record = {
        .source = (uint32_t)fields->source,
        .target = (uint32_t)fields->target,
        .type = NG_CONNECTION_TYPE_DEFAULT,
        .rigidity = 128,
        .flags = NG_CONNECTION_ACTIVE,
        .preferred_distance = 1.0f,
        .created_at = context->now_s,
        .mutability = NG_LEARNABLE,
        .confidence = 128,
        .last_update = context->now_s,
        .learning_rate = CONNECTION_LEARNING_RATE,
        .decay_rate = CONNECTION_DECAY_RATE,
        .origin = context->origin,
    };
    NGI_TRY(connection_check_ends(&record));
    NGI_TRY(connection_apply_kind(&record, fields, context->cdna));
    if (record.mutability == NG_HYPOTHESIS) {
        record.learning_rate = HYPOTHESIS_LEARNING_RATE;
        record.decay_rate = HYPOTHESIS_DECAY_RATE;
    }
    NGI_TRY(connection_apply(&record, fields, context));
    *out = record;
out:
    return status;
}

/* A confidence fades from where and when it was stored. So when how it fades is about to change, what
 * is left of it now is stored; and a change of anything else leaves both alone, or a connection that
 * is changed every minute would never fade at all. */
static void connection_settle(const ng_connection *old, ng_connection *next, bool is_given,
                              uint32_t now_s)
{
    bool was_immutable = old->mutability == NG_IMMUTABLE;
    bool is_immutable = next->mutability == NG_IMMUTABLE;
    bool fades_otherwise = ngi_connection_fading(old) != ngi_connection_fading(next);
    if (!is_given && !is_immutable && fades_otherwise)
        next->confidence =
            (uint8_t)rint(255.0 * ng_connection_confidence(old, (uint64_t)now_s * 1000000));
    if (was_immutable != is_immutable || (!is_immutable && (is_given || fades_otherwise)))
        next->last_update = now_s;
}

ng_status ngi_connection_apply_fields(ng_connection *record, const ng_connection_fields *fields,
                                      const ngi_connection_context *context)
{
    ng_status status;
    ng_connection next = *record;
    if ((fields->source != 0 && fields->source != record->source) ||
        (fields->target != 0 && fields->target != record->target))
        return ngi_fail(NG_E_INVALID, "the ends of a connection do not change: it joins %u to %u",
                        record->source, record->target);
    NGI_TRY(connection_apply_kind(&next, fields, context->cdna));
    NGI_TRY(connection_apply(&next, fields, context));
    connection_settle(record, &next, (fields->set & NG_CFIELD_CONFIDENCE) != 0, context->now_s);
    bool says_modified = (fields->set & NG_CFIELD_FLAGS) ||
                         ((fields->flags_set | fields->flags_clear) & NG_CONNECTION_MODIFIED);
    if (!says_modified && memcmp(&next, record, sizeof next) != 0)
        next.flags |= NG_CONNECTION_MODIFIED;
    *record = next;
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
