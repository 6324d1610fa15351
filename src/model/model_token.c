/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Token records: defaults, fields given by a caller, what may be stored, the 64 bytes on disk.
 *
 *     0 i16 coordinates[8][3]   48 u32 slot       52 u16 flags            54 f32 weight
 *    58 u8 field_radius x 100   59 u8 field_strength x 255               60 u32 timestamp
 *
 * Invariants of a stored record:
 *   1. slot > 0; weight finite, 0..NGI_CDNA_WEIGHT_MAX.
 *   2. in each space all three coordinates are NG_COORDINATE_ABSENT, or none is. */
#include "model/model_token.h"

#include "base/base_limits.h"
#include "model/model_attributes.h"

#include <math.h>
#include <stdio.h>

#define TOKEN_FIELDS_ALL                                                                           \
    ((uint32_t)NG_FIELD_WEIGHT | NG_FIELD_RADIUS | NG_FIELD_STRENGTH | NG_FIELD_ENTITY |           \
     NG_FIELD_FLAGS | NG_FIELD_LABEL | NG_FIELD_VECTOR | NG_FIELD_TAGS | NG_FIELD_DATA |           \
     NG_FIELD_EXPIRY | NG_FIELD_VECTORS)
#define TOKEN_ENTITY_MAX 15
#define TOKEN_RADIUS_STEPS 100.0f
#define TOKEN_STRENGTH_STEPS 255.0f

static void token_leave_space(ng_token *record, int space)
{
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        record->coordinates[space][axis] = NG_COORDINATE_ABSENT;
}

void ngi_token_default(ng_token *out, uint32_t slot, uint32_t now_s)
{
    memset(out, 0, sizeof *out);
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        token_leave_space(out, space);
    out->slot = slot;
    out->flags = NG_TOKEN_ACTIVE;
    out->weight = 1.0f;
    out->field_radius = 100;
    out->field_strength = 255;
    out->timestamp = now_s;
}

/* The product is exact in float64, so ties are real ties and go to even. */
static long token_steps(float value, float steps)
{
    return lrint((double)value * (double)steps);
}

static __attribute__((cold)) ng_status token_fail_member(const char *name, bool given, float value,
                                                         float low, float high)
{
    return ngi_fail(NG_E_INVALID, "%s %.7g%s is outside %.7g..%.7g", name, (double)value,
                    given ? "" : " (not set in this call)", (double)low, (double)high);
}

static inline ng_status token_check_member(const char *name, bool given, float value, float low,
                                           float high)
{
    if (NGI_LIKELY(value >= low && value <= high))
        return NG_OK;
    return token_fail_member(name, given, value, low, high);
}

/* A radius or strength: `*stored` takes the given value, or is checked as it stands. The limit is
 * rounded like the value, so that a value equal to the limit passes both ways. */
static inline ng_status token_apply_fraction(const char *name, bool given, float value, float steps,
                                             float max, uint8_t *stored)
{
    if (!given) {
        if (NGI_LIKELY(*stored <= token_steps(max, steps)))
            return NG_OK;
        value = (float)*stored / steps;
    }
    ng_status status = token_check_member(name, given, value, 0.0f, max);
    if (status == NG_OK)
        *stored = (uint8_t)token_steps(value, steps);
    return status;
}

/* What a record becomes besides its coordinates. */
typedef struct token_scalars {
    float weight;
    uint16_t flags;
    uint8_t field_radius, field_strength;
} token_scalars;

/* All flags are replaced first, then single ones changed. The entity type is none of them. */
static inline ng_status token_apply_flags(uint16_t *stored, const ng_token_fields *fields)
{
    unsigned flags = *stored;
    unsigned changed = fields->flags_set | fields->flags_clear;
    if (NGI_UNLIKELY(changed & NG_TOKEN_ENTITY_MASK))
        return ngi_fail(NG_E_INVALID,
                        "flags_set and flags_clear 0x%04X have bits of the entity type 0x%04X",
                        changed, NG_TOKEN_ENTITY_MASK);
    if (NGI_UNLIKELY(fields->flags_set & fields->flags_clear))
        return ngi_fail(NG_E_INVALID, "flags 0x%04X are in both flags_set and flags_clear",
                        fields->flags_set & fields->flags_clear);
    if (fields->set & NG_FIELD_FLAGS)
        flags = (fields->flags & ~(unsigned)NG_TOKEN_ENTITY_MASK) | (flags & NG_TOKEN_ENTITY_MASK);
    flags = (flags & ~(unsigned)fields->flags_clear) | fields->flags_set;
    if (fields->set & NG_FIELD_ENTITY) {
        if (fields->entity > TOKEN_ENTITY_MAX)
            return ngi_fail(NG_E_INVALID, "entity %u is outside 0..%d", fields->entity,
                            TOKEN_ENTITY_MAX);
        flags = (flags & ~(unsigned)NG_TOKEN_ENTITY_MASK) | (unsigned)fields->entity
                                                                << NG_TOKEN_ENTITY_SHIFT;
    }
    *stored = (uint16_t)flags;
    return NG_OK;
}

static inline ng_status token_apply_scalars(token_scalars *scalars, const ng_token_fields *fields,
                                            const ng_cdna *cdna)
{
    ng_status status;
    uint32_t set = fields->set;
    if (set & NG_FIELD_WEIGHT)
        scalars->weight = fields->weight;
    NGI_TRY(token_check_member("weight", set & NG_FIELD_WEIGHT, scalars->weight,
                               cdna->min_token_weight, cdna->max_token_weight));
    NGI_TRY(token_apply_fraction("field_radius", set & NG_FIELD_RADIUS, fields->field_radius,
                                 TOKEN_RADIUS_STEPS, cdna->max_field_radius,
                                 &scalars->field_radius));
    NGI_TRY(token_apply_fraction("field_strength", set & NG_FIELD_STRENGTH, fields->field_strength,
                                 TOKEN_STRENGTH_STEPS, cdna->max_field_strength,
                                 &scalars->field_strength));
    NGI_TRY(token_apply_flags(&scalars->flags, fields));
out:
    return status;
}

/* Encodes the spaces that are set, one after the other. */
static ng_status token_encode_spaces(const ng_token_fields *fields, const ngi_encoding *encoding,
                                     int16_t (*raw)[NG_AXIS_COUNT])
{
    unsigned set = fields->spaces_set, both = set & fields->spaces_clear;
    if (NGI_UNLIKELY(both != 0))
        return ngi_fail(NG_E_INVALID, "space %s is in both spaces_set and spaces_clear",
                        ng_space_name((ng_space)__builtin_ctz(both)));
    for (; set != 0; set &= set - 1, raw++) {
        int space = __builtin_ctz(set);
        ng_status status =
            ngi_space_encode(encoding, (ng_space)space, fields->coordinates[space], *raw);
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

/* `what` is "vector", or names one of several. */
static ng_status token_check_vector(const float *vector, size_t dimensions, const char *what)
{
    if (dimensions == 0)
        return NG_OK;
    if (dimensions < NGI_DIMENSIONS_MIN || dimensions > NGI_DIMENSIONS_MAX)
        return ngi_fail(NG_E_INVALID, "%s has %zu dimensions, outside %d..%d", what, dimensions,
                        NGI_DIMENSIONS_MIN, NGI_DIMENSIONS_MAX);
    if (vector == NULL)
        return ngi_fail(NG_E_INVALID, "%s is NULL with %zu dimensions", what, dimensions);
    for (size_t i = 0; i < dimensions; i++) {
        if (!isfinite(vector[i]))
            return ngi_fail(NG_E_INVALID, "%s[%zu] is not finite", what, i);
    }
    return NG_OK;
}

static ng_status token_check_vectors(const ng_token_fields *fields)
{
    uint32_t seen = 0;
    ng_status status = NG_OK;
    if (fields->vector_count > NGI_VECTOR_FIELDS_MAX)
        return ngi_fail(NG_E_INVALID, "vector_count %zu is outside 0..%d", fields->vector_count,
                        NGI_VECTOR_FIELDS_MAX);
    for (size_t i = 0; i < fields->vector_count && status == NG_OK; i++) {
        const ng_field_vector *vector = &fields->vectors[i];
        char what[40];
        if (vector->field < 1 || vector->field > NGI_VECTOR_FIELDS_MAX)
            return ngi_fail(NG_E_INVALID, "vectors[%zu].field %u is outside 1..%d", i,
                            vector->field, NGI_VECTOR_FIELDS_MAX);
        if (seen >> vector->field & 1)
            return ngi_fail(NG_E_INVALID, "vectors[%zu].field %u is given twice", i, vector->field);
        seen |= 1u << vector->field;
        snprintf(what, sizeof what, "vectors[%zu].values", i);
        status = token_check_vector(vector->values, vector->dimensions, what);
    }
    return status;
}

/* Everything is checked before the record is touched. */
ng_status ngi_token_apply_fields(ng_token *record, const ng_token_fields *fields,
                                 const ngi_encoding *encoding, const ng_cdna *cdna)
{
    ng_status status;
    int16_t raw[NG_SPACE_COUNT][NG_AXIS_COUNT];
    token_scalars scalars = {record->weight, record->flags, record->field_radius,
                             record->field_strength};
    if (NGI_UNLIKELY(fields->set & ~TOKEN_FIELDS_ALL))
        return ngi_fail(NG_E_INVALID, "set has unknown bits 0x%x", fields->set & ~TOKEN_FIELDS_ALL);
    NGI_TRY(token_apply_scalars(&scalars, fields, cdna));
    NGI_TRY(token_encode_spaces(fields, encoding, raw));
    if (fields->set & NG_FIELD_LABEL && fields->label_bytes > 0)
        NGI_TRY(ngi_label_validate(fields->label, fields->label_bytes));
    if (fields->set & NG_FIELD_VECTOR)
        NGI_TRY(token_check_vector(fields->vector, fields->vector_dimensions, "vector"));
    if (fields->set & NG_FIELD_VECTORS)
        NGI_TRY(token_check_vectors(fields));
    if (fields->set & (NG_FIELD_TAGS | NG_FIELD_DATA))
        NGI_TRY(ngi_fields_check_attributes(fields));
    record->weight = scalars.weight;
    record->flags = scalars.flags;
    record->field_radius = scalars.field_radius;
    record->field_strength = scalars.field_strength;
    for (unsigned clear = fields->spaces_clear; clear != 0; clear &= clear - 1)
        token_leave_space(record, __builtin_ctz(clear));
    int16_t(*encoded)[NG_AXIS_COUNT] = raw;
    for (unsigned set = fields->spaces_set; set != 0; set &= set - 1)
        memcpy(record->coordinates[__builtin_ctz(set)], *encoded++, sizeof *encoded);
out:
    return status;
}

ng_status ngi_token_validate(const ng_token *record)
{
    if (record->slot == 0)
        return ngi_fail(NG_E_INVALID, "token record: slot is 0");
    if (!(record->weight >= 0.0f && record->weight <= NGI_CDNA_WEIGHT_MAX))
        return ngi_fail(NG_E_INVALID, "token record %u: weight %.7g is outside 0..%g", record->slot,
                        (double)record->weight, (double)NGI_CDNA_WEIGHT_MAX);
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        const int16_t *raw = record->coordinates[space];
        int absent = 0;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            absent += raw[axis] == NG_COORDINATE_ABSENT;
        if (absent != 0 && absent != NG_AXIS_COUNT)
            return ngi_fail(NG_E_INVALID,
                            "token record %u: %d of the 3 coordinates of space %s are absent",
                            record->slot, absent, ng_space_name((ng_space)space));
    }
    return NG_OK;
}

/* Unicode 15, table 3-7. */
size_t ngi_utf8_next(const uint8_t *text, size_t bytes, uint32_t *point)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = text[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length == 0 || lead > 0xF4 || length > bytes)
        return 0;
    uint32_t value = length == 1 ? lead : lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (text[i] & 0x3F);
    }
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *point = value;
    return length;
}

ng_status ngi_name_validate(const char *what, const char *text, size_t bytes, size_t most)
{
    if (bytes < 1 || bytes > most)
        return ngi_fail(NG_E_INVALID, "%s has %zu bytes, outside 1..%zu", what, bytes, most);
    if (text == NULL)
        return ngi_fail(NG_E_INVALID, "%s is NULL with %zu bytes", what, bytes);
    const uint8_t *at_text = (const uint8_t *)text;
    for (size_t at = 0; at < bytes;) {
        if (at_text[at] >= 0x20 && at_text[at] < 0x7F) { /* most labels are nothing else */
            at++;
            continue;
        }
        uint32_t point = 0;
        size_t length = ngi_utf8_next(at_text + at, bytes - at, &point);
        if (length == 0)
            return ngi_fail(NG_E_INVALID, "%s is not UTF-8 at byte %zu (0x%02X)", what, at,
                            at_text[at]);
        if (point < 0x20 || (point >= 0x7F && point < 0xA0))
            return ngi_fail(NG_E_INVALID, "%s has the control code U+%04X at byte %zu", what, point,
                            at);
        at += length;
    }
    return NG_OK;
}

ng_status ngi_label_validate(const char *label, size_t bytes)
{
    return ngi_name_validate("label", label, bytes, NGI_LABEL_BYTES_MAX);
}
