/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Declared fields of payloads: what a declaration may say, and the typed values that a payload has.
 *
 * A value is a 64-bit key whose order is that of the values; 0 = none. What becomes of a payload is
 * fixed by the rule that a declaration carries, because indexes are built anew from payloads
 * whenever a store is opened: a later rule gets another number. Rule 1:
 *
 *   path      keys of nested objects, joined by '.'; elements of arrays are not looked into; of a key
 *             that is there twice the first counts
 *   keyword   a string of 1..256 bytes, true, or false; the key is given by the caller
 *   integer   a number without fraction and exponent, -(2^63 - 1)..2^63 - 1
 *   float     any number
 *   time      a number of Unix seconds with up to six decimals, without exponent, or a text as of
 *             RFC 3339: "2026-01-31", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.25+02:00";
 *             microseconds
 *
 * Anything else, also in a payload that is not a whole JSON object, is no value. No floating-point
 * arithmetic but the conversion of a decimal number, which rounds once. */
#ifndef NGI_MODEL_FIELDS_H
#define NGI_MODEL_FIELDS_H

#include "base/base_error.h"
#include "base/base_limits.h"

#define NGI_FIELD_RULE 1u

/** What a declaration says. */
typedef struct ngi_field_spec {
    char name[NGI_COLLECTION_NAME_MAX + 1];
    char path[NGI_FIELD_PATH_MAX + 1];
    ng_index_type type;
} ngi_field_spec;

typedef struct ngi_field_value {
    uint64_t key;        /* 0 = none; of a keyword: 1 until the caller has found its own */
    uint16_t text_bytes; /* keyword */
    char text[NGI_KEYWORD_BYTES_MAX];
} ngi_field_value;

/** Errors: NG_E_INVALID (name, path, type). */
NG_MUST_USE ng_status ngi_field_validate(const ngi_field_spec *spec);
/** The values of a payload, by position of the spec; `data` is followed by a zero byte. NULL specs
 *  have none. */
void ngi_fields_extract(const ngi_field_spec *const *specs, size_t count, const char *data,
                        size_t bytes, ngi_field_value *out);
/** Order-preserving keys; 0 for what cannot be a value (NaN, the least integer). */
uint64_t ngi_field_key_integer(int64_t value);
uint64_t ngi_field_key_float(double value);
/** Microseconds of a text as of RFC 3339; false if it is not one. */
bool ngi_field_parse_time(const char *text, size_t bytes, int64_t *out_us);
/** "keyword", "integer", "float", "time"; NULL if out of range. */
const char *ngi_field_type_name(ng_index_type type);

#endif
