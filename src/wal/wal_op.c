/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Encoding and checked decoding of op bodies; layouts in wal_op.h. A body has passed its checksum,
 * but may come from another program: every length is verified before it is used. */
#include "wal/wal_op.h"

#include "base/base_limits.h"
#include "model/model_attributes.h"
#include "model/model_token.h"

static size_t op_pad(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) & ~(unit - 1);
}

static ng_status op_malformed(const char *what)
{
    return ngi_fail(NG_E_CORRUPT, "malformed op: %s", what);
}

void ngi_op_list_encode(uint8_t *body, uint32_t count, uint32_t second)
{
    ngi_put_u32(body, count);
    ngi_put_u32(body + 4, second);
}

size_t ngi_op_token_bytes(size_t label_bytes, size_t floats)
{
    return NGI_OP_TOKEN_FIXED + NG_SPACE_COUNT * NGI_OP_SPACE_BYTES + op_pad(label_bytes, 4) +
           4 * floats;
}

static unsigned op_space_count(unsigned spaces)
{
    static const uint8_t ones[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};
    return ones[spaces & 15] + (unsigned)ones[spaces >> 4 & 15];
}

/* Without a branch for each space: which ones a token is in is not predictable. */
static unsigned op_spaces(const ng_token *record)
{
    unsigned spaces = 0;
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++)
        spaces |= (unsigned)(record->coordinates[space][0] != NG_COORDINATE_ABSENT) << space;
    return spaces;
}

static uint8_t *op_put_coordinates(uint8_t *at, const ng_token *record, unsigned spaces)
{
    for (unsigned left = spaces; left != 0; left &= left - 1) {
        memcpy(at, record->coordinates[__builtin_ctz(left)], NGI_OP_SPACE_BYTES);
        at += NGI_OP_SPACE_BYTES;
    }
    if (op_space_count(spaces) & 1) {
        ngi_put_u16(at, 0);
        at += 2;
    }
    return at;
}

uint8_t *ngi_op_token_encode(uint8_t *at, const ngi_op_token *token, const float *floats,
                             size_t dimensions)
{
    const ng_token *record = &token->record;
    uint8_t *fixed = at;
    ngi_put_u32(fixed, record->slot);
    ngi_put_u32(fixed + 4, token->collection);
    ngi_put_u32(fixed + 8, token->version);
    ngi_put_u32(fixed + 12, record->timestamp);
    ngi_put_f32(fixed + 16, record->weight);
    ngi_put_u16(fixed + 20, record->flags);
    ngi_put_u16(fixed + 22, token->label_bytes);
    fixed[24] = record->field_radius;
    fixed[25] = record->field_strength;
    fixed[26] = (uint8_t)op_spaces(record);
    fixed[27] = (uint8_t)token->vector;
    at = op_put_coordinates(at + NGI_OP_TOKEN_FIXED, record, fixed[26]);
    if (token->label_bytes != NGI_OP_LABEL_KEEP && token->label_bytes > 0) {
        size_t padded = op_pad(token->label_bytes, 4);
        memset(at + padded - 4, 0, 4);
        memcpy(at, token->label, token->label_bytes);
        at += padded;
    }
    if (token->vector == NGI_VECTOR_SET) {
        memcpy(at, floats, 4 * dimensions);
        at += 4 * dimensions;
    }
    return at;
}

uint8_t *ngi_op_connection_encode(uint8_t *at, uint32_t id, const ng_connection *record)
{
    ngi_put_u32(at, id);
    ngi_put_u32(at + 4, 0);
    ngi_connection_encode(record, at + 8);
    return at + NGI_OP_CONNECTION_BYTES;
}

ng_status ngi_op_list_open(const ngi_op *op, ngi_op_reader *out)
{
    if (op->body_bytes < NGI_OP_LIST_HEADER)
        return op_malformed("no header");
    *out = (ngi_op_reader){.next = op->body + NGI_OP_LIST_HEADER,
                           .end = op->body + op->body_bytes,
                           .left = ngi_get_u32(op->body),
                           .dimensions = ngi_get_u32(op->body + 4)};
    if (out->left == 0 || out->left > NGI_BATCH_MAX)
        return op_malformed("number of items");
    if (out->dimensions > NGI_DIMENSIONS_MAX)
        return op_malformed("dimensions");
    return NG_OK;
}

/* Takes `bytes` from the body, or returns NULL. */
static const uint8_t *op_take(ngi_op_reader *reader, size_t bytes)
{
    if ((size_t)(reader->end - reader->next) < bytes)
        return NULL;
    const uint8_t *at = reader->next;
    reader->next += bytes;
    return at;
}

/* Takes what follows the fixed part of an item: `*spaces` coordinates, label, floats. */
static ng_status op_take_rest(ngi_op_reader *reader, const uint8_t *fixed, const uint8_t **spaces,
                              const uint8_t **label, const uint8_t **floats)
{
    unsigned label_bytes = ngi_get_u16(fixed + 22);
    unsigned vector = fixed[27];
    size_t space_count = op_space_count(fixed[26]);
    *spaces = op_take(reader, op_pad(space_count * NGI_OP_SPACE_BYTES, 4));
    if (*spaces == NULL)
        return op_malformed("coordinates are cut off");
    *label = NULL;
    *floats = NULL;
    if (label_bytes != NGI_OP_LABEL_KEEP && label_bytes > 0) {
        if (label_bytes > NGI_LABEL_BYTES_MAX)
            return op_malformed("length of a label");
        *label = op_take(reader, op_pad(label_bytes, 4));
        if (*label == NULL)
            return op_malformed("a label is cut off");
    }
    if (vector > NGI_VECTOR_SET)
        return op_malformed("mark of a vector");
    if (vector == NGI_VECTOR_SET) {
        *floats = op_take(reader, 4 * (size_t)reader->dimensions);
        if (*floats == NULL || reader->dimensions < NGI_DIMENSIONS_MIN)
            return op_malformed("a vector is cut off");
    }
    reader->left--;
    return NG_OK;
}

static ng_status op_get_coordinates(const uint8_t *at, unsigned spaces, ng_token *record)
{
    bool is_partial = false;
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++)
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            record->coordinates[space][axis] = NG_COORDINATE_ABSENT;
    for (unsigned left = spaces; left != 0; left &= left - 1) {
        int16_t *raw = record->coordinates[__builtin_ctz(left)];
        memcpy(raw, at, NGI_OP_SPACE_BYTES);
        at += NGI_OP_SPACE_BYTES;
        is_partial |= raw[0] == NG_COORDINATE_ABSENT || raw[1] == NG_COORDINATE_ABSENT ||
                      raw[2] == NG_COORDINATE_ABSENT;
    }
    return NGI_UNLIKELY(is_partial) ? op_malformed("an absent coordinate in a space that is given")
                                    : NG_OK;
}

ng_status ngi_op_token_next(ngi_op_reader *reader, ngi_op_token *out)
{
    const uint8_t *at = op_take(reader, NGI_OP_TOKEN_FIXED);
    if (at == NULL)
        return op_malformed("a token is cut off");
    const uint8_t *spaces;
    const uint8_t *label;
    ng_status status = op_take_rest(reader, at, &spaces, &label, &out->floats);
    if (status != NG_OK)
        return status;
    out->label = (const char *)label;
    out->record.slot = ngi_get_u32(at);
    out->collection = ngi_get_u32(at + 4);
    out->version = ngi_get_u32(at + 8);
    out->record.timestamp = ngi_get_u32(at + 12);
    out->record.weight = ngi_get_f32(at + 16);
    out->record.flags = ngi_get_u16(at + 20);
    out->label_bytes = ngi_get_u16(at + 22);
    out->record.field_radius = at[24];
    out->record.field_strength = at[25];
    out->vector = at[27];
    return op_get_coordinates(spaces, at[26], &out->record);
}

ng_status ngi_op_token_skip(ngi_op_reader *reader, ngi_op_token_key *out)
{
    const uint8_t *at = op_take(reader, NGI_OP_TOKEN_FIXED);
    if (at == NULL)
        return op_malformed("a token is cut off");
    const uint8_t *spaces;
    const uint8_t *label = NULL;
    const uint8_t *floats;
    ng_status status = op_take_rest(reader, at, &spaces, &label, &floats);
    *out = (ngi_op_token_key){.slot = ngi_get_u32(at),
                              .collection = ngi_get_u32(at + 4),
                              .label_bytes = ngi_get_u16(at + 22),
                              .label = (const char *)label};
    return status;
}

ng_status ngi_op_connection_next(ngi_op_reader *reader, uint32_t *id, ng_connection *out)
{
    const uint8_t *at = op_take(reader, NGI_OP_CONNECTION_BYTES);
    if (at == NULL)
        return op_malformed("a connection is cut off");
    *id = ngi_get_u32(at);
    ngi_connection_decode(at + 8, out);
    reader->left--;
    return NG_OK;
}

ng_status ngi_op_u32_next(ngi_op_reader *reader, uint32_t *out)
{
    const uint8_t *at = op_take(reader, 4);
    if (at == NULL)
        return op_malformed("a list is cut off");
    *out = ngi_get_u32(at);
    reader->left--;
    return NG_OK;
}

ng_status ngi_op_list_close(const ngi_op_reader *reader)
{
    return reader->next == reader->end ? NG_OK : op_malformed("bytes behind the last item");
}

/* --- attributes ------------------------------------------------------------------------------ */

size_t ngi_op_attributes_bytes(size_t tag_bytes, size_t data_bytes)
{
    return op_pad(NGI_OP_ATTRIBUTES_FIXED + tag_bytes + data_bytes + 1, 8);
}

uint8_t *ngi_op_attributes_encode(uint8_t *at, const ngi_op_attributes *item)
{
    size_t bytes = ngi_op_attributes_bytes(item->tag_bytes, item->data_bytes);
    memset(at + bytes - 8, 0, 8);
    ngi_put_u32(at, item->slot);
    at[4] = item->set;
    at[5] = item->tag_count;
    ngi_put_u16(at + 6, item->tag_bytes);
    ngi_put_u32(at + 8, item->data_bytes);
    ngi_put_u32(at + 12, 0);
    ngi_put_u64(at + 16, item->expires_us);
    uint8_t *content = at + NGI_OP_ATTRIBUTES_FIXED;
    if (item->tag_bytes > 0)
        memcpy(content, item->tags, item->tag_bytes);
    if (item->data_bytes > 0 && item->data != NULL)
        memcpy(content + item->tag_bytes, item->data, item->data_bytes);
    return at + bytes;
}

void ngi_op_attributes_decode(const uint8_t *at, ngi_op_attributes *out)
{
    *out = (ngi_op_attributes){.slot = ngi_get_u32(at),
                               .set = at[4],
                               .tag_count = at[5],
                               .tag_bytes = ngi_get_u16(at + 6),
                               .data_bytes = ngi_get_u32(at + 8),
                               .expires_us = ngi_get_u64(at + 16),
                               .tags = at + NGI_OP_ATTRIBUTES_FIXED};
    out->data = (const char *)out->tags + out->tag_bytes;
}

void ngi_op_attributes_merge(ngi_op_attributes *item, const ngi_op_attributes *before)
{
    unsigned added = before->set & ~(unsigned)item->set;
    if (added & NGI_ATTRIBUTE_TAGS) {
        item->tags = before->tags;
        item->tag_bytes = before->tag_bytes;
        item->tag_count = before->tag_count;
    }
    if (added & NGI_ATTRIBUTE_DATA) {
        item->data = before->data;
        item->data_bytes = before->data_bytes;
    }
    if (added & NGI_ATTRIBUTE_EXPIRY)
        item->expires_us = before->expires_us;
    item->set |= before->set;
}

/* What is not set is zero, and what is set is within its limits. */
static bool op_attributes_are_plain(const ngi_op_attributes *item)
{
    const unsigned known = NGI_ATTRIBUTE_TAGS | NGI_ATTRIBUTE_DATA | NGI_ATTRIBUTE_EXPIRY;
    bool tags = (item->set & NGI_ATTRIBUTE_TAGS) != 0 || (item->tag_count | item->tag_bytes) == 0;
    bool data = (item->set & NGI_ATTRIBUTE_DATA) != 0 || item->data_bytes == 0;
    bool expiry = (item->set & NGI_ATTRIBUTE_EXPIRY) != 0 || item->expires_us == 0;
    return item->set != 0 && (item->set & ~known) == 0 && tags && data && expiry &&
           item->tag_count <= NGI_TAGS_MAX && item->data_bytes <= NGI_DATA_BYTES_MAX;
}

ng_status ngi_op_attributes_next(ngi_op_reader *reader, bool deep, ngi_op_attributes *out)
{
    const uint8_t *at = op_take(reader, NGI_OP_ATTRIBUTES_FIXED);
    if (at == NULL)
        return op_malformed("attributes are cut off");
    ngi_op_attributes_decode(at, out);
    if (!op_attributes_are_plain(out) || ngi_get_u32(at + 12) != 0)
        return op_malformed("attributes of a token");
    size_t bytes = (size_t)out->tag_bytes + out->data_bytes;
    size_t padded = ngi_op_attributes_bytes(out->tag_bytes, out->data_bytes);
    if (op_take(reader, padded - NGI_OP_ATTRIBUTES_FIXED) == NULL)
        return op_malformed("attributes are cut off");
    for (size_t i = NGI_OP_ATTRIBUTES_FIXED + bytes; i < padded; i++)
        if (at[i] != 0)
            return op_malformed("padding of attributes");
    if (ngi_tags_validate(out->tags, out->tag_bytes, out->tag_count) != NG_OK ||
        (deep && ngi_data_validate(out->data, out->data_bytes) != NG_OK))
        return ngi_fail_prefix(NG_E_CORRUPT, "malformed op");
    reader->left--;
    return NG_OK;
}

/* --- vectors in named fields ----------------------------------------------------------------- */

size_t ngi_op_vectors_bytes(size_t count, size_t floats)
{
    return op_pad(NGI_OP_VECTORS_FIXED + NGI_OP_VECTOR_HEADER * count + 4 * floats, 8);
}

uint8_t *ngi_op_vectors_encode(uint8_t *at, const ngi_op_vectors *item)
{
    uint8_t *begin = at;
    ngi_put_u32(at, item->slot);
    ngi_put_u32(at + 4, item->count);
    at += NGI_OP_VECTORS_FIXED;
    for (uint32_t i = 0; i < item->count; i++) {
        const ngi_op_field_vector *vector = &item->vectors[i];
        ngi_put_u16(at, (uint16_t)vector->field);
        ngi_put_u16(at + 2, (uint16_t)vector->dimensions);
        at += NGI_OP_VECTOR_HEADER;
        if (vector->dimensions > 0)
            memcpy(at, vector->floats, 4 * (size_t)vector->dimensions);
        at += 4 * (size_t)vector->dimensions;
    }
    size_t bytes = (size_t)(at - begin);
    memset(at, 0, op_pad(bytes, 8) - bytes);
    return begin + op_pad(bytes, 8);
}

void ngi_op_vectors_decode(const uint8_t *at, ngi_op_vectors *out)
{
    out->slot = ngi_get_u32(at);
    out->count = ngi_get_u32(at + 4);
    at += NGI_OP_VECTORS_FIXED;
    for (uint32_t i = 0; i < out->count; i++) {
        ngi_op_field_vector *vector = &out->vectors[i];
        *vector = (ngi_op_field_vector){.field = ngi_get_u16(at),
                                        .dimensions = ngi_get_u16(at + 2),
                                        .floats = at + NGI_OP_VECTOR_HEADER};
        at += NGI_OP_VECTOR_HEADER + 4 * (size_t)vector->dimensions;
    }
}

void ngi_op_vectors_merge(ngi_op_vectors *item, const ngi_op_vectors *before)
{
    const ngi_op_vectors given = *item;
    uint32_t i = 0, j = 0;
    item->count = 0;
    while (i < given.count || j < before->count) {
        bool is_new = j == before->count ||
                      (i < given.count && given.vectors[i].field <= before->vectors[j].field);
        if (is_new && j < before->count && given.vectors[i].field == before->vectors[j].field)
            j++;
        item->vectors[item->count++] = is_new ? given.vectors[i++] : before->vectors[j++];
    }
}

static ng_status op_vector_next(ngi_op_reader *reader, uint32_t previous, ngi_op_field_vector *out)
{
    const uint8_t *at = op_take(reader, NGI_OP_VECTOR_HEADER);
    if (at == NULL)
        return op_malformed("a vector is cut off");
    out->field = ngi_get_u16(at);
    out->dimensions = ngi_get_u16(at + 2);
    if (out->field <= previous || out->field > NGI_VECTOR_FIELDS_MAX)
        return op_malformed("field of a vector");
    if (out->dimensions > NGI_DIMENSIONS_MAX ||
        (out->dimensions != 0 && out->dimensions < NGI_DIMENSIONS_MIN))
        return op_malformed("dimensions");
    out->floats = op_take(reader, 4 * (size_t)out->dimensions);
    return out->floats != NULL ? NG_OK : op_malformed("a vector is cut off");
}

ng_status ngi_op_vectors_next(ngi_op_reader *reader, ngi_op_vectors *out)
{
    const uint8_t *begin = op_take(reader, NGI_OP_VECTORS_FIXED);
    if (begin == NULL)
        return op_malformed("vectors are cut off");
    out->slot = ngi_get_u32(begin);
    out->count = ngi_get_u32(begin + 4);
    if (out->count == 0 || out->count > NGI_VECTOR_FIELDS_MAX)
        return op_malformed("number of vectors");
    uint32_t previous = 0;
    for (uint32_t i = 0; i < out->count; i++) {
        ng_status status = op_vector_next(reader, previous, &out->vectors[i]);
        if (status != NG_OK)
            return status;
        previous = out->vectors[i].field;
    }
    size_t bytes = (size_t)(reader->next - begin), padding = op_pad(bytes, 8) - bytes;
    const uint8_t *zeroes = op_take(reader, padding);
    if (zeroes == NULL)
        return op_malformed("vectors are cut off");
    for (size_t i = 0; i < padding; i++)
        if (zeroes[i] != 0)
            return op_malformed("padding of vectors");
    reader->left--;
    return NG_OK;
}

/* --- declared fields ------------------------------------------------------------------------- */

size_t ngi_op_index_encode(uint8_t *body, uint32_t number, const ngi_field_spec *spec)
{
    size_t name_bytes = strlen(spec->name), path_bytes = strlen(spec->path);
    size_t bytes = op_pad(NGI_OP_INDEX_FIXED + name_bytes + path_bytes, 8);
    memset(body, 0, bytes);
    ngi_put_u32(body, number);
    body[4] = (uint8_t)spec->type;
    body[5] = NGI_FIELD_RULE;
    body[6] = (uint8_t)name_bytes;
    ngi_put_u16(body + 8, (uint16_t)path_bytes);
    memcpy(body + NGI_OP_INDEX_FIXED, spec->name, name_bytes);
    memcpy(body + NGI_OP_INDEX_FIXED + name_bytes, spec->path, path_bytes);
    return bytes;
}

ng_status ngi_op_index_decode(const uint8_t *body, size_t bytes, uint32_t *number,
                              ngi_field_spec *out, size_t *used)
{
    uint8_t again[NGI_OP_INDEX_MAX];
    if (bytes < NGI_OP_INDEX_FIXED)
        return op_malformed("a declaration is cut off");
    size_t name_bytes = body[6], path_bytes = ngi_get_u16(body + 8);
    if (body[5] > NGI_FIELD_RULE)
        return ngi_fail(NG_E_VERSION, "a field declared by rule %u, this library knows up to %u",
                        body[5], NGI_FIELD_RULE);
    if (name_bytes > NGI_COLLECTION_NAME_MAX || path_bytes > NGI_FIELD_PATH_MAX ||
        op_pad(NGI_OP_INDEX_FIXED + name_bytes + path_bytes, 8) > bytes)
        return op_malformed("a declaration");
    *out = (ngi_field_spec){.type = (ng_index_type)body[4]};
    *number = ngi_get_u32(body);
    memcpy(out->name, body + NGI_OP_INDEX_FIXED, name_bytes);
    memcpy(out->path, body + NGI_OP_INDEX_FIXED + name_bytes, path_bytes);
    *used = ngi_op_index_encode(again, *number, out);
    if (*number >= NGI_FIELDS_MAX || *used > bytes || memcmp(again, body, *used) != 0)
        return op_malformed("a declaration");
    return ngi_field_validate(out) == NG_OK ? NG_OK : ngi_fail_prefix(NG_E_CORRUPT, "malformed op");
}

/* --- transactions ---------------------------------------------------------------------------- */

/* Where a kind of op stands among the parts of a transaction, from 1; 0 = it is no part of one. */
static unsigned op_part_rank(unsigned kind)
{
    switch (kind) {
    case NGI_OP_CONNECTIONS_DELETE:
        return 1;
    case NGI_OP_TOKENS_DELETE:
        return 2;
    case NGI_OP_TOKENS_PUT:
        return 3;
    case NGI_OP_ATTRIBUTES_PUT:
        return 4;
    case NGI_OP_VECTORS_PUT:
        return 5;
    case NGI_OP_CONNECTIONS_PUT:
        return 6;
    default:
        return 0;
    }
}

uint8_t *ngi_op_parts_begin(uint8_t *body)
{
    return body + NGI_OP_PARTS_HEADER + NGI_OP_PART_HEADER;
}

uint8_t *ngi_op_part_end(uint8_t *part, ngi_op_kind kind, size_t bytes)
{
    uint8_t *header = part - NGI_OP_PART_HEADER;
    ngi_put_u16(header, (uint16_t)kind);
    ngi_put_u16(header + 2, 0);
    ngi_put_u32(header + 4, (uint32_t)bytes);
    size_t padded = op_pad(bytes, 8);
    memset(part + bytes, 0, padded - bytes);
    return part + padded + NGI_OP_PART_HEADER;
}

size_t ngi_op_parts_end(uint8_t *body, uint32_t count, const uint8_t *next)
{
    ngi_put_u32(body, count);
    ngi_put_u32(body + 4, 0);
    return (size_t)(next - body) - NGI_OP_PART_HEADER;
}

ng_status ngi_op_parts_decode(const ngi_op *op, ngi_op_parts *out)
{
    if (op->body_bytes < NGI_OP_PARTS_HEADER)
        return op_malformed("no header");
    const uint8_t *at = op->body + NGI_OP_PARTS_HEADER;
    size_t left = op->body_bytes - NGI_OP_PARTS_HEADER;
    unsigned rank = 0;
    out->count = ngi_get_u32(op->body);
    if (out->count == 0 || out->count > NGI_OP_PARTS_MAX || ngi_get_u32(op->body + 4) != 0)
        return op_malformed("number of parts");
    for (uint32_t i = 0; i < out->count; i++) {
        if (left < NGI_OP_PART_HEADER)
            return op_malformed("a part is cut off");
        unsigned kind = ngi_get_u16(at);
        size_t bytes = ngi_get_u32(at + 4);
        left -= NGI_OP_PART_HEADER;
        if (op_part_rank(kind) <= rank || ngi_get_u16(at + 2) != 0)
            return op_malformed("kind of a part");
        if (bytes > left || op_pad(bytes, 8) > left)
            return op_malformed("a part is cut off");
        rank = op_part_rank(kind);
        out->part[i] = *op;
        out->part[i].kind = (uint16_t)kind;
        out->part[i].body = at + NGI_OP_PART_HEADER;
        out->part[i].body_bytes = (uint32_t)bytes;
        at += NGI_OP_PART_HEADER + op_pad(bytes, 8);
        left -= op_pad(bytes, 8);
    }
    return left == 0 ? NG_OK : op_malformed("bytes behind the last part");
}

/* --- projection ------------------------------------------------------------------------------ */

size_t ngi_op_projection_bytes(uint32_t dimensions, uint32_t component_count)
{
    return NGI_OP_PROJECTION_HEADER + 4 * (size_t)dimensions * (1 + (size_t)component_count);
}

ng_status ngi_op_projection_decode(const ngi_op *op, ngi_op_projection *out)
{
    if (op->body_bytes < NGI_OP_PROJECTION_HEADER)
        return op_malformed("a projection is cut off");
    out->dimensions = ngi_get_u32(op->body);
    out->component_count = ngi_get_u32(op->body + 4);
    if (out->dimensions < NGI_DIMENSIONS_MIN || out->dimensions > NGI_DIMENSIONS_MAX ||
        out->component_count == 0 || out->component_count > NGI_COMPONENTS_MAX ||
        op->body_bytes != ngi_op_projection_bytes(out->dimensions, out->component_count))
        return op_malformed("sizes of a projection");
    out->vector_count = ngi_get_u64(op->body + 8);
    out->clipped_count = ngi_get_u64(op->body + 16);
    for (int i = 0; i < 24; i++) {
        uint64_t bits = ngi_get_u64(op->body + 24 + 8 * i);
        memcpy(&out->explained[i], &bits, sizeof bits);
    }
    out->mean = op->body + NGI_OP_PROJECTION_HEADER;
    out->components = out->mean + 4 * (size_t)out->dimensions;
    return NG_OK;
}
