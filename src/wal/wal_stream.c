/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Streams: head, blocks and end mark as bytes, and writing them. Reading is in wal_stream_reader.c.
 *
 *   head 512                          block 32 + payload            end 48
 *     0  "NGSTR\r\n\x1a"                0  u32 "NGbl"                  0  u32 "NGen"
 *     8  u32 version                    4  u32 salted crc of           4  u32 salted crc of 8..47
 *    12  u32 crc of all other bytes        8..31 and the payload       8  u64 where it begins
 *    16  u8 uuid[16]                    8  u16 kind                   16  u64 blocks
 *    32  u64 created_us                10  u16 0                      24  u64 ops
 *    40  u32 flags: 1 = whole          12  u32 count                  32  u64 last seq
 *    44  u32 dimensions                16  u32 bytes of payload       40  u64 its time
 *    48  u64 state_seq                 20  u32 0
 *    56  u64 state_time_us             24  u64 first
 *    64  u64 after                     32  payload, then zeroes up to a multiple of 8
 *    72  u32 slot_end     76  u32 id_end          80  u32 collections   84  u32 0
 *    88  u64 tokens       96  u64 connections    104  u64 labels       112  u64 vectors
 *   120  zeroes          136  u32 scale[8][3]    232  f32 origin[8][3]  328  zeroes
 *
 * Invariants:
 *   1. Every item begins at a multiple of 8, so that what it holds can be used where it stands.
 *   2. The bytes follow from the state alone: equal states of one store are equal streams. */
#include "wal/wal_stream.h"

#include "base/base_bytes.h"
#include "base/base_crc.h"
#include "base/base_limits.h"
#include "model/model_token.h"

#define STREAM_MAGIC "NGSTR\r\n\x1a"
#define FLAG_WHOLE 1u
#define AXES (NG_SPACE_COUNT * NG_AXIS_COUNT)

enum {
    AT_VERSION = 8,
    AT_CRC = 12,
    AT_UUID = 16,
    AT_CREATED = 32,
    AT_FLAGS = 40,
    AT_DIMENSIONS = 44,
    AT_STATE_SEQ = 48,
    AT_STATE_TIME = 56,
    AT_AFTER = 64,
    AT_SLOT_END = 72,
    AT_ID_END = 76,
    AT_COLLECTIONS = 80,
    AT_TOKENS = 88,
    AT_CONNECTIONS = 96,
    AT_LABELS = 104,
    AT_VECTORS = 112,
    AT_ATTRIBUTES = 120,
    AT_INDEXES = 128,
    AT_SCALE = 136,
    AT_ORIGIN = 232
};
_Static_assert(AT_ORIGIN + 4 * AXES <= (int)NGI_STREAM_HEAD_BYTES, "fits");

uint32_t ngi_stream_salt(const ngi_manifest *identity)
{
    return ngi_crc32c(0, identity->uuid, sizeof identity->uuid);
}

/* --- head ------------------------------------------------------------------------------------ */

static uint32_t head_crc(const uint8_t head[NGI_STREAM_HEAD_BYTES])
{
    uint32_t crc = ngi_crc32c(0, head, AT_CRC);
    return ngi_crc32c(crc, head + AT_UUID, NGI_STREAM_HEAD_BYTES - AT_UUID);
}

static void head_encode(const ngi_stream_head *head, uint8_t out[NGI_STREAM_HEAD_BYTES])
{
    memset(out, 0, NGI_STREAM_HEAD_BYTES);
    memcpy(out, STREAM_MAGIC, 8);
    ngi_put_u32(out + AT_VERSION, NGI_FORMAT_VERSION);
    memcpy(out + AT_UUID, head->identity.uuid, sizeof head->identity.uuid);
    ngi_put_u64(out + AT_CREATED, head->identity.created_us);
    ngi_put_u64(out + AT_AFTER, head->whole ? head->state_seq : head->after);
    if (head->whole) {
        ngi_put_u32(out + AT_FLAGS, FLAG_WHOLE);
        ngi_put_u32(out + AT_DIMENSIONS, head->dimensions);
        ngi_put_u64(out + AT_STATE_SEQ, head->state_seq);
        ngi_put_u64(out + AT_STATE_TIME, head->state_time_us);
        ngi_put_u32(out + AT_SLOT_END, head->slot_end);
        ngi_put_u32(out + AT_ID_END, head->id_end);
        ngi_put_u32(out + AT_COLLECTIONS, head->collection_count);
        ngi_put_u64(out + AT_TOKENS, head->token_count);
        ngi_put_u64(out + AT_CONNECTIONS, head->connection_count);
        ngi_put_u64(out + AT_LABELS, head->label_count);
        ngi_put_u64(out + AT_VECTORS, head->vector_count);
        ngi_put_u64(out + AT_ATTRIBUTES, head->attribute_count);
        ngi_put_u32(out + AT_INDEXES, head->index_count);
    }
    for (int i = 0; i < AXES; i++) {
        const ngi_encoding *encoding = &head->identity.encoding;
        ngi_put_u32(out + AT_SCALE + 4 * i, encoding->scale[i / NG_AXIS_COUNT][i % NG_AXIS_COUNT]);
        ngi_put_f32(out + AT_ORIGIN + 4 * i,
                    encoding->origin[i / NG_AXIS_COUNT][i % NG_AXIS_COUNT]);
    }
    ngi_put_u32(out + AT_CRC, head_crc(out));
}

static ng_status head_refuse(const char *what, uint64_t value)
{
    return ngi_fail(NG_E_CORRUPT, "head of the stream: %s %llu does not fit", what,
                    (unsigned long long)value);
}

/* Numbers that later code multiplies, allocates by, or takes for upper bounds. */
static ng_status head_check_state(const ngi_stream_head *head)
{
    if (head->slot_end == 0 || head->slot_end > NGI_TOKENS_MAX_LIMIT + 1)
        return head_refuse("end of slots", head->slot_end);
    if (head->id_end == 0 || head->id_end > NGI_CONNECTIONS_MAX_LIMIT + 1)
        return head_refuse("end of connections", head->id_end);
    if (head->collection_count < 2 || head->collection_count > NGI_COLLECTIONS_MAX)
        return head_refuse("number of collections", head->collection_count);
    if (head->dimensions != 0 &&
        (head->dimensions < NGI_DIMENSIONS_MIN || head->dimensions > NGI_DIMENSIONS_MAX))
        return head_refuse("dimensions", head->dimensions);
    if (head->token_count >= head->slot_end)
        return head_refuse("number of tokens", head->token_count);
    if (head->connection_count >= head->id_end)
        return head_refuse("number of connections", head->connection_count);
    if (head->label_count > head->token_count)
        return head_refuse("number of labels", head->label_count);
    if (head->vector_count > (head->dimensions != 0 ? head->token_count : 0))
        return head_refuse("number of vectors", head->vector_count);
    if (head->attribute_count > head->token_count)
        return head_refuse("number of attributes", head->attribute_count);
    if (head->index_count > NGI_FIELDS_MAX)
        return head_refuse("number of indexes", head->index_count);
    if (head->after != head->state_seq)
        return head_refuse("seq of the state", head->state_seq);
    return NG_OK;
}

static ng_status head_check_zeroes(const uint8_t *in, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        if (in[i] != 0)
            return head_refuse("reserved byte", i);
    return NG_OK;
}

static void head_read(const uint8_t in[NGI_STREAM_HEAD_BYTES], ngi_stream_head *out)
{
    *out = (ngi_stream_head){
        .identity = {.format_version = ngi_get_u32(in + AT_VERSION),
                     .created_us = ngi_get_u64(in + AT_CREATED)},
        .whole = (ngi_get_u32(in + AT_FLAGS) & FLAG_WHOLE) != 0,
        .state_seq = ngi_get_u64(in + AT_STATE_SEQ),
        .state_time_us = ngi_get_u64(in + AT_STATE_TIME),
        .slot_end = ngi_get_u32(in + AT_SLOT_END),
        .id_end = ngi_get_u32(in + AT_ID_END),
        .dimensions = ngi_get_u32(in + AT_DIMENSIONS),
        .collection_count = ngi_get_u32(in + AT_COLLECTIONS),
        .token_count = ngi_get_u64(in + AT_TOKENS),
        .connection_count = ngi_get_u64(in + AT_CONNECTIONS),
        .label_count = ngi_get_u64(in + AT_LABELS),
        .vector_count = ngi_get_u64(in + AT_VECTORS),
        .attribute_count = ngi_get_u64(in + AT_ATTRIBUTES),
        .index_count = ngi_get_u32(in + AT_INDEXES),
        .after = ngi_get_u64(in + AT_AFTER),
    };
    memcpy(out->identity.uuid, in + AT_UUID, sizeof out->identity.uuid);
    for (int i = 0; i < AXES; i++) {
        ngi_encoding *encoding = &out->identity.encoding;
        encoding->scale[i / NG_AXIS_COUNT][i % NG_AXIS_COUNT] = ngi_get_u32(in + AT_SCALE + 4 * i);
        encoding->origin[i / NG_AXIS_COUNT][i % NG_AXIS_COUNT] =
            ngi_get_f32(in + AT_ORIGIN + 4 * i);
    }
}

ng_status ngi_stream_head_decode(const uint8_t in[NGI_STREAM_HEAD_BYTES], ngi_stream_head *out)
{
    ng_status status;
    if (memcmp(in, STREAM_MAGIC, 8) != 0)
        return ngi_fail(NG_E_FORMAT, "not a NeuroGraph stream");
    /* Before the version: otherwise a flipped bit could pass for a newer one. */
    if (ngi_get_u32(in + AT_CRC) != head_crc(in))
        return ngi_fail(NG_E_CORRUPT, "head of the stream: damaged at offset %d", AT_CRC);
    uint32_t version = ngi_get_u32(in + AT_VERSION);
    if (version > NGI_FORMAT_VERSION)
        return ngi_fail(NG_E_VERSION, "stream of format version %u, this library reads up to %u",
                        version, NGI_FORMAT_VERSION);
    if (version == 0)
        return head_refuse("version", version);
    uint32_t flags = ngi_get_u32(in + AT_FLAGS);
    if ((flags & ~FLAG_WHOLE) != 0)
        return head_refuse("flags", flags);
    ngi_stream_head head;
    head_read(in, &head);
    NGI_TRY(head_check_zeroes(in, AT_COLLECTIONS + 4, AT_TOKENS));
    NGI_TRY(head_check_zeroes(in, AT_INDEXES + 4, AT_SCALE));
    NGI_TRY(head_check_zeroes(in, AT_ORIGIN + 4 * AXES, NGI_STREAM_HEAD_BYTES));
    if (head.whole) {
        NGI_TRY(head_check_state(&head));
    } else {
        NGI_TRY(head_check_zeroes(in, AT_DIMENSIONS, AT_AFTER));
        NGI_TRY(head_check_zeroes(in, AT_SLOT_END, AT_SCALE));
    }
    if (ngi_encoding_validate(&head.identity.encoding) != NG_OK)
        return ngi_fail_prefix(NG_E_CORRUPT, "head of the stream");
    *out = head;
out:
    return status;
}

/* --- blocks and end mark --------------------------------------------------------------------- */

uint32_t ngi_block_crc(uint32_t salt, const uint8_t header[NGI_BLOCK_HEADER_BYTES],
                       const void *payload, size_t bytes)
{
    uint32_t crc = ngi_crc32c(salt, header + 8, NGI_BLOCK_HEADER_BYTES - 8);
    return ngi_crc32c(crc, payload, bytes);
}

bool ngi_block_header_decode(const uint8_t in[NGI_BLOCK_HEADER_BYTES], ngi_block *out,
                             uint32_t *crc)
{
    if (ngi_get_u32(in) != NGI_STREAM_BLOCK_MAGIC || ngi_get_u16(in + 10) != 0 ||
        ngi_get_u32(in + 20) != 0)
        return false;
    ngi_block block = {.kind = ngi_get_u16(in + 8),
                       .first = ngi_get_u64(in + 24),
                       .count = ngi_get_u32(in + 12),
                       .bytes = ngi_get_u32(in + 16)};
    if (block.kind < NGI_BLOCK_TOKENS || block.kind > NGI_BLOCK_KIND_MAX || block.count == 0 ||
        block.bytes == 0 || block.bytes > NGI_STREAM_BLOCK_BYTES)
        return false;
    *out = block;
    *crc = ngi_get_u32(in + 4);
    return true;
}

bool ngi_stream_end_decode(const uint8_t in[NGI_STREAM_END_BYTES], uint32_t salt,
                           ngi_stream_totals *out)
{
    if (ngi_get_u32(in) != NGI_STREAM_END_MAGIC ||
        ngi_get_u32(in + 4) != ngi_crc32c(salt, in + 8, NGI_STREAM_END_BYTES - 8))
        return false;
    *out = (ngi_stream_totals){.bytes = ngi_get_u64(in + 8),
                               .block_count = ngi_get_u64(in + 16),
                               .op_count = ngi_get_u64(in + 24),
                               .last_seq = ngi_get_u64(in + 32),
                               .last_time_us = ngi_get_u64(in + 40)};
    return true;
}

/* --- writing --------------------------------------------------------------------------------- */

static ng_status stream_put(ngi_stream_writer *writer, const void *data, size_t bytes)
{
    ng_status status = writer->sink(writer->sink_context, data, bytes);
    if (status == NG_OK)
        writer->bytes += bytes;
    return status;
}

ng_status ngi_stream_begin(ngi_stream_writer *writer, const ngi_stream_head *head, ng_sink_fn sink,
                           void *sink_context)
{
    *writer = (ngi_stream_writer){.sink = sink,
                                  .sink_context = sink_context,
                                  .salt = ngi_stream_salt(&head->identity),
                                  .last_seq = head->whole ? head->state_seq : head->after,
                                  .last_time_us = head->whole ? head->state_time_us : 0};
    uint8_t image[NGI_STREAM_HEAD_BYTES];
    head_encode(head, image);
    return stream_put(writer, image, sizeof image);
}

ng_status ngi_stream_block(ngi_stream_writer *writer, const ngi_block *block)
{
    static const uint8_t zeroes[8] = {0};
    if (block->bytes > NGI_STREAM_BLOCK_BYTES)
        return ngi_fail(NG_E_LIMIT, "block of %u bytes is over %u", block->bytes,
                        NGI_STREAM_BLOCK_BYTES);
    uint8_t header[NGI_BLOCK_HEADER_BYTES] = {0};
    ngi_put_u32(header, NGI_STREAM_BLOCK_MAGIC);
    ngi_put_u16(header + 8, block->kind);
    ngi_put_u32(header + 12, block->count);
    ngi_put_u32(header + 16, block->bytes);
    ngi_put_u64(header + 24, block->first);
    ngi_put_u32(header + 4, ngi_block_crc(writer->salt, header, block->payload, block->bytes));
    size_t padding = (size_t)(ngi_block_stride(block->bytes) - sizeof header - block->bytes);
    ng_status status;
    NGI_TRY(stream_put(writer, header, sizeof header));
    NGI_TRY(stream_put(writer, block->payload, block->bytes));
    if (padding > 0)
        NGI_TRY(stream_put(writer, zeroes, padding));
    writer->block_count++;
out:
    return status;
}

ng_status ngi_stream_frame(ngi_stream_writer *writer, const uint8_t *frame, size_t frame_bytes,
                           const ngi_op *op)
{
    if (op->seq != writer->last_seq + 1)
        return ngi_fail(NG_E_INTERNAL, "op %llu cannot follow op %llu in a stream",
                        (unsigned long long)op->seq, (unsigned long long)writer->last_seq);
    ng_status status = stream_put(writer, frame, frame_bytes);
    if (status != NG_OK)
        return status;
    writer->op_count++;
    writer->last_seq = op->seq;
    writer->last_time_us = op->time_us;
    return NG_OK;
}

ng_status ngi_stream_end(ngi_stream_writer *writer)
{
    uint8_t mark[NGI_STREAM_END_BYTES] = {0};
    ngi_put_u32(mark, NGI_STREAM_END_MAGIC);
    ngi_put_u64(mark + 8, writer->bytes);
    ngi_put_u64(mark + 16, writer->block_count);
    ngi_put_u64(mark + 24, writer->op_count);
    ngi_put_u64(mark + 32, writer->last_seq);
    ngi_put_u64(mark + 40, writer->last_time_us);
    ngi_put_u32(mark + 4, ngi_crc32c(writer->salt, mark + 8, sizeof mark - 8));
    return stream_put(writer, mark, sizeof mark);
}
