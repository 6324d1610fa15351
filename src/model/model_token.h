/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Token and connection records: from fields given by a caller to the 64 bytes stored, checked. */
#ifndef NGI_MODEL_TOKEN_H
#define NGI_MODEL_TOKEN_H

#include "model/model_cdna.h"
#include "model/model_space.h"

#include <stddef.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Records and their parts are stored as they stand in memory, which must be little-endian."
#endif

_Static_assert(sizeof(ng_token) == 64, "a token is one cache line");
_Static_assert(sizeof(ng_connection) == 64, "a connection is one cache line");
_Static_assert(offsetof(ng_token, slot) == 48 && offsetof(ng_token, flags) == 52 &&
                   offsetof(ng_token, weight) == 54 && offsetof(ng_token, field_radius) == 58 &&
                   offsetof(ng_token, field_strength) == 59 && offsetof(ng_token, timestamp) == 60,
               "a token in memory is a token on disk");
_Static_assert(
    offsetof(ng_connection, target) == 4 && offsetof(ng_connection, type) == 8 &&
        offsetof(ng_connection, flags) == 11 && offsetof(ng_connection, activation_count) == 12 &&
        offsetof(ng_connection, pull_strength) == 16 && offsetof(ng_connection, created_at) == 24 &&
        offsetof(ng_connection, mutability) == 32 &&
        offsetof(ng_connection, evidence_count) == 34 &&
        offsetof(ng_connection, last_update) == 36 &&
        offsetof(ng_connection, learning_rate) == 40 && offsetof(ng_connection, reserved) == 42 &&
        offsetof(ng_connection, origin) == 44 && offsetof(ng_connection, target_vector) == 48,
    "a connection in memory is a connection on disk");

#define NGI_PREFERRED_DISTANCE_MIN 0.01f
#define NGI_PREFERRED_DISTANCE_MAX 100.0f

/** The record a token has before any field is set: weight 1, radius 1, strength 1, ACTIVE, absent
 *  from every space. */
void ngi_token_default(ng_token *out, uint32_t slot, uint32_t now_s);
/** Applies the members that `fields` sets to `*record`, checked against the encoding and the
 *  constitution; on failure the record is unchanged. Label, vector, tags and
 *  data are checked, not stored.
 *  Members that are not set are checked as well, so that no write leaves a token which the
 *  constitution in force does not allow.
 *  Errors: NG_E_INVALID "weight 2 is outside 0..1"; also unknown bits in `set`, a space both set
 *  and cleared, a label that is not UTF-8 or has control codes, a vector with NaN
 *  ("vector[3] is not finite"). */
NG_MUST_USE ng_status ngi_token_apply_fields(ng_token *record, const ng_token_fields *fields,
                                             const ngi_encoding *encoding, const ng_cdna *cdna);
/** A record read from a log: whether its values are ones that could have been stored. */
NG_MUST_USE ng_status ngi_token_validate(const ng_token *record);
/** Length of the UTF-8 sequence at `text` and its code point; 0 if it is not one: overlong forms,
 *  surrogates and values beyond U+10FFFF are not. */
size_t ngi_utf8_next(const uint8_t *text, size_t bytes, uint32_t *point);
/** Valid UTF-8 of 1..`most` bytes without control codes; `what` for the message. */
NG_MUST_USE ng_status ngi_name_validate(const char *what, const char *text, size_t bytes,
                                        size_t most);
/** Valid UTF-8 of 1..NGI_LABEL_BYTES_MAX bytes without control codes. */
NG_MUST_USE ng_status ngi_label_validate(const char *label, size_t bytes);

/** What a connection is checked against, and where its values come from. */
typedef struct ngi_connection_context {
    const ng_cdna *cdna;
    const ngi_encoding *encoding;
    const ng_token *target_of; /* the token of fields->target_of if that is set */
    uint32_t origin;           /* of a new one, unless its fields say */
    uint32_t now_s;
} ngi_connection_context;

/** Builds the record of a connection from fields; endpoints are slots that exist. Members of
 *  `fields` that are not set take their documented default, which the constitution must allow.
 *  Errors: NG_E_INVALID (field, value, range; self-link), NG_E_FORBIDDEN (type). */
NG_MUST_USE ng_status ngi_connection_from_fields(ng_connection *out,
                                                 const ng_connection_fields *fields,
                                                 const ngi_connection_context *context);
/** Applies the members that `fields` sets to `*record`, as documented at ng_connection_update; on
 *  failure the record is unchanged. Members that are not set are checked as well. */
NG_MUST_USE ng_status ngi_connection_apply_fields(ng_connection *record,
                                                  const ng_connection_fields *fields,
                                                  const ngi_connection_context *context);
/** As documented at ng_connection_activate. */
void ngi_connection_activate(ng_connection *record, uint32_t now_s);
/** What an outcome teaches a connection: its confidence now rises by the learning rate x `share`, and
 *  its evidence by one, or it falls by half of that. Returns whether anything changed: of an Immutable
 *  one nothing does. */
bool ngi_connection_learn(ng_connection *record, bool succeeded, double share, uint64_t now_us);
/** Of 255, what the confidence loses an hour: 0 = it does not fade. */
uint8_t ngi_connection_fading(const ng_connection *record);
/** A record read from a log: whether its values are ones that could have been stored. */
NG_MUST_USE ng_status ngi_connection_validate(const ng_connection *record);

/** The record as stored on disk. */
static inline void ngi_token_encode(const ng_token *record, uint8_t out[64])
{
    memcpy(out, record, sizeof *record);
}

static inline void ngi_token_decode(const uint8_t in[64], ng_token *out)
{
    memcpy(out, in, sizeof *out);
}

static inline void ngi_connection_encode(const ng_connection *record, uint8_t out[64])
{
    memcpy(out, record, sizeof *record);
}

static inline void ngi_connection_decode(const uint8_t in[64], ng_connection *out)
{
    memcpy(out, in, sizeof *out);
}

#endif
