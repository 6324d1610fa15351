/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Encoding and checked decoding of op bodies; layouts in wal_op.h. A body has passed its checksum,
 * but may come from another program: every length is verified before it is used. */
#include "wal/wal_op.h"

#include "base/base_limits.h"
#include "model/model_token.h"

static size_t op_pad4(size_t bytes)
{
    return (bytes + 3) & ~(size_t)3;
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
    return NGI_OP_TOKEN_FIXED + op_pad4(label_bytes) + 4 * floats;
}

uint8_t *ngi_op_token_encode(uint8_t *at, const ngi_op_token *token, const float *floats,
                             size_t dimensions)
{
    ngi_token_encode(&token->record, at);
    ngi_put_u32(at + 64, token->collection);
    ngi_put_u32(at + 68, token->version);
    ngi_put_u16(at + 72, token->label_bytes);
    ngi_put_u16(at + 74, token->vector);
    at += NGI_OP_TOKEN_FIXED;
    if (token->label_bytes != NGI_OP_LABEL_KEEP && token->label_bytes > 0) {
        size_t padded = op_pad4(token->label_bytes);
        memset(at + padded - 4, 0, 4);
        memcpy(at, token->label, token->label_bytes);
        at += padded;
    }
    if (token->vector == NGI_VECTOR_SET) {
        for (size_t i = 0; i < dimensions; i++)
            ngi_put_f32(at + 4 * i, floats[i]);
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

ng_status ngi_op_token_next(ngi_op_reader *reader, ngi_op_token *out)
{
    const uint8_t *at = op_take(reader, NGI_OP_TOKEN_FIXED);
    if (at == NULL)
        return op_malformed("a token is cut off");
    ngi_token_decode(at, &out->record);
    out->collection = ngi_get_u32(at + 64);
    out->version = ngi_get_u32(at + 68);
    out->label_bytes = ngi_get_u16(at + 72);
    out->vector = ngi_get_u16(at + 74);
    out->label = NULL;
    out->floats = NULL;
    if (out->label_bytes != NGI_OP_LABEL_KEEP && out->label_bytes > 0) {
        if (out->label_bytes > NGI_LABEL_BYTES_MAX)
            return op_malformed("length of a label");
        out->label = (const char *)op_take(reader, op_pad4(out->label_bytes));
        if (out->label == NULL)
            return op_malformed("a label is cut off");
    }
    if (out->vector > NGI_VECTOR_SET)
        return op_malformed("mark of a vector");
    if (out->vector == NGI_VECTOR_SET) {
        out->floats = op_take(reader, 4 * (size_t)reader->dimensions);
        if (out->floats == NULL || reader->dimensions < NGI_DIMENSIONS_MIN)
            return op_malformed("a vector is cut off");
    }
    reader->left--;
    return NG_OK;
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
