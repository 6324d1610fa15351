/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The constitution's values: defaults, validation, 384-byte image. */
#ifndef NGI_MODEL_CDNA_H
#define NGI_MODEL_CDNA_H

#include "base/base_error.h"

#define NGI_CDNA_BYTES 384

/* What no constitution can widen; each is the range of the stored field or of its meaning. */
#define NGI_CDNA_WEIGHT_MAX 100.0f       /* the original's range of token weights */
#define NGI_CDNA_FIELD_RADIUS_MAX 2.55f  /* one byte, x 100 */
#define NGI_CDNA_FIELD_STRENGTH_MAX 1.0f /* one byte, x 255 */
#define NGI_CDNA_PULL_MAX 10.0f          /* a spring's coefficient, either sign */
#define NGI_CDNA_DEGREE_MAX 1073741824u  /* connections in a store */

void ngi_cdna_default(ng_cdna *out, uint64_t now_s);
/** Every field finite, in range and consistent; NG_E_INVALID names field, value and range. */
NG_MUST_USE ng_status ngi_cdna_validate(const ng_cdna *cdna);
/** Little-endian image in the layout of docs/cdna.md, with magic, version and FNV-1a checksum. */
void ngi_cdna_encode(const ng_cdna *cdna, uint8_t out[NGI_CDNA_BYTES]);
/** Errors: NG_E_CORRUPT (magic, checksum, reserved bytes), NG_E_VERSION, and those of validate.
 *  On failure `*out` is unchanged. */
NG_MUST_USE ng_status ngi_cdna_decode(const uint8_t in[NGI_CDNA_BYTES], ng_cdna *out);
/** Whether connections of this type may be made. */
bool ngi_cdna_allows_type(const ng_cdna *cdna, uint8_t type);

#endif
