/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tags and payload: checked, sorted, packed. */
#include "model/model_attributes.h"

#include "model/model_token.h"

#include <stdio.h>
#include <string.h>

int ngi_text_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    size_t shorter = a_bytes < b_bytes ? a_bytes : b_bytes;
    int order = shorter > 0 ? memcmp(a, b, shorter) : 0;
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static ng_status attributes_check_tags(const ng_text *tags, size_t count)
{
    if (count > NGI_TAGS_MAX)
        return ngi_fail(NG_E_INVALID, "tag_count %zu is outside 0..%d", count, NGI_TAGS_MAX);
    for (size_t i = 0; i < count; i++) {
        char what[16];
        snprintf(what, sizeof what, "tag %u", (unsigned)i);
        ng_status status = ngi_name_validate(what, tags[i].text, tags[i].bytes, NGI_TAG_BYTES_MAX);
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

ng_status ngi_fields_check_attributes(const ng_token_fields *fields)
{
    ng_status status = NG_OK;
    if (fields->set & NG_FIELD_TAGS)
        status = attributes_check_tags(fields->tags, fields->tag_count);
    if (status == NG_OK && (fields->set & NG_FIELD_DATA))
        status = ngi_data_validate(fields->data, fields->data_bytes);
    return status;
}

uint16_t ngi_tags_pack(const ng_text *tags, size_t count, uint8_t out[NGI_TAGS_PACKED_MAX],
                       uint8_t *packed_count)
{
    const ng_text *sorted[NGI_TAGS_MAX];
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = kept;
        int order = -1;
        while (at > 0 &&
               (order = ngi_text_compare(tags[i].text, tags[i].bytes, sorted[at - 1]->text,
                                         sorted[at - 1]->bytes)) < 0)
            at--;
        if (at > 0 && order == 0)
            continue;
        memmove(&sorted[at + 1], &sorted[at], (kept - at) * sizeof(ng_text *));
        sorted[at] = &tags[i];
        kept++;
    }
    uint8_t *next = out;
    for (size_t i = 0; i < kept; i++) {
        *next++ = (uint8_t)sorted[i]->bytes;
        memcpy(next, sorted[i]->text, sorted[i]->bytes);
        next += sorted[i]->bytes;
    }
    *packed_count = (uint8_t)kept;
    return (uint16_t)(next - out);
}

ng_status ngi_tags_validate(const uint8_t *tags, size_t bytes, size_t count)
{
    size_t at = 0, before = 0;
    if (count > NGI_TAGS_MAX)
        return ngi_fail(NG_E_INVALID, "%zu tags are outside 0..%d", count, NGI_TAGS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (at >= bytes || tags[at] > bytes - at - 1)
            return ngi_fail(NG_E_INVALID, "tags are cut off");
        ng_status status =
            ngi_name_validate("tag", (const char *)tags + at + 1, tags[at], NGI_TAG_BYTES_MAX);
        if (status != NG_OK)
            return status;
        if (i > 0 &&
            ngi_text_compare(tags + before + 1, tags[before], tags + at + 1, tags[at]) >= 0)
            return ngi_fail(NG_E_INVALID, "tags do not ascend");
        before = at;
        at += 1 + (size_t)tags[at];
    }
    return at == bytes ? NG_OK : ngi_fail(NG_E_INVALID, "bytes behind the last tag");
}

ng_status ngi_data_validate(const char *data, size_t bytes)
{
    if (bytes > NGI_DATA_BYTES_MAX)
        return ngi_fail(NG_E_INVALID, "data has %zu bytes, outside 0..%d", bytes,
                        NGI_DATA_BYTES_MAX);
    const uint8_t *text = (const uint8_t *)data;
    for (size_t at = 0; at < bytes;) {
        uint32_t point = 0;
        size_t length = ngi_utf8_next(text + at, bytes - at, &point);
        if (length == 0)
            return ngi_fail(NG_E_INVALID, "data is not UTF-8 at byte %zu (0x%02X)", at, text[at]);
        if (point == 0)
            return ngi_fail(NG_E_INVALID, "data has a NUL at byte %zu", at);
        at += length;
    }
    return NG_OK;
}
