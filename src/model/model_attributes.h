/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tags and payload of a token: what may be stored, and the one form in which tags are written.
 *
 * Packed tags are a u8 of bytes and the text for each, ascending by bytes, each once: the same set
 * is the same bytes, in ops, streams and the state hash. */
#ifndef NGI_MODEL_ATTRIBUTES_H
#define NGI_MODEL_ATTRIBUTES_H

#include "base/base_error.h"
#include "base/base_limits.h"

#define NGI_TAGS_PACKED_MAX (NGI_TAGS_MAX * (1 + NGI_TAG_BYTES_MAX))

/** Compares two texts by bytes; a prefix comes first. */
int ngi_text_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes);
/** Whether tags and data of `fields`, where set, may be stored. Errors: NG_E_INVALID (which tag,
 *  or the byte of the data). */
NG_MUST_USE ng_status ngi_fields_check_attributes(const ng_token_fields *fields);
/** Packs tags that have passed the check; returns the bytes, and how many there are. */
uint16_t ngi_tags_pack(const ng_text *tags, size_t count, uint8_t out[NGI_TAGS_PACKED_MAX],
                       uint8_t *packed_count);
/** Whether bytes read from a file are `count` packed tags. */
NG_MUST_USE ng_status ngi_tags_validate(const uint8_t *tags, size_t bytes, size_t count);
/** UTF-8 without NUL, at most NGI_DATA_BYTES_MAX bytes. */
NG_MUST_USE ng_status ngi_data_validate(const char *data, size_t bytes);

#endif
