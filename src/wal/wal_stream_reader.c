/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading a stream from a source, item by item, trusting nothing.
 *
 * Invariants:
 *   1. The window begins at a multiple of 8 in the stream and in memory.
 *   2. It grows by what has arrived, never by what a length claims: a few hostile bytes cannot make
 *      it allocate much. It never exceeds one item of the largest size.
 *   3. After a failure every further call fails. */
#include "wal/wal_stream.h"

#include "base/base_bytes.h"
#include "base/base_crc.h"
#include "base/base_limits.h"
#include "wal/wal_private.h"

#include <stdio.h>

#define READ_BYTES ((size_t)256 << 10) /* least that the source is asked for */

struct ngi_stream_reader {
    ngi_mem *mem;
    ng_source_fn source;
    void *source_context;
    bool source_ended;
    bool is_done; /* after the end mark or a failure */
    ngi_buffer window;
    size_t start;    /* bytes before are consumed; multiple of 8 */
    size_t taken;    /* of the item returned last, not yet consumed */
    uint64_t offset; /* of data[start] in the stream */
    uint32_t salt;
    bool whole;
    uint16_t last_kind; /* of the blocks so far */
    ngi_stream_totals totals;
};

static size_t reader_available(const ngi_stream_reader *reader)
{
    return reader->window.bytes - reader->start;
}

static const uint8_t *reader_data(const ngi_stream_reader *reader)
{
    return reader->window.data + reader->start;
}

static ng_status reader_damaged(const ngi_stream_reader *reader, const char *what)
{
    return ngi_fail(NG_E_CORRUPT, "stream damaged at offset %llu: %s",
                    (unsigned long long)reader->offset, what);
}

/* Room for more bytes of an item of `bytes`, in front of which nothing is kept. */
static ng_status reader_make_room(ngi_stream_reader *reader, size_t bytes)
{
    ngi_buffer *window = &reader->window;
    if (reader->start > 0 && reader->start + bytes > window->capacity_bytes) {
        size_t available = reader_available(reader);
        if (available > 0)
            memmove(window->data, window->data + reader->start, available);
        window->bytes = available;
        reader->start = 0;
    }
    if (window->bytes < window->capacity_bytes)
        return NG_OK;
    size_t capacity = 2 * window->capacity_bytes;
    if (capacity > bytes)
        capacity = bytes;
    if (capacity < READ_BYTES)
        capacity = READ_BYTES;
    void *block = window->data;
    ng_status status =
        ngi_resize(reader->mem, &block, window->capacity_bytes, capacity, "stream reader");
    if (status == NG_OK) {
        window->data = block;
        window->capacity_bytes = capacity;
    }
    return status;
}

/* Makes `bytes` available at the current position, or all that is left of the stream. */
static ng_status reader_fill(ngi_stream_reader *reader, size_t bytes)
{
    while (reader_available(reader) < bytes && !reader->source_ended) {
        ng_status status = reader_make_room(reader, bytes);
        if (status != NG_OK)
            return status;
        size_t room = reader->window.capacity_bytes - reader->window.bytes;
        size_t got = 0;
        status = reader->source(reader->source_context, reader->window.data + reader->window.bytes,
                                room, &got);
        if (status != NG_OK)
            return status;
        if (got > room)
            return ngi_fail(NG_E_INVALID, "the source gave %zu bytes, asked for %zu", got, room);
        reader->window.bytes += got;
        reader->source_ended = got == 0;
    }
    return NG_OK;
}

/* As reader_fill, but the stream must have them. */
static ng_status reader_need(ngi_stream_reader *reader, size_t bytes)
{
    ng_status status = reader_fill(reader, bytes);
    if (status != NG_OK)
        return status;
    if (reader_available(reader) < bytes)
        return ngi_fail(NG_E_CORRUPT, "stream cut off at offset %llu, before its end mark",
                        (unsigned long long)(reader->offset + reader_available(reader)));
    return NG_OK;
}

ng_status ngi_stream_reader_open(ngi_mem *mem, ng_source_fn source, void *source_context,
                                 ngi_stream_head *head, ngi_stream_reader **out)
{
    *out = NULL;
    void *block;
    ng_status status = ngi_alloc(mem, sizeof(ngi_stream_reader), "stream reader", &block);
    if (status != NG_OK)
        return status;
    ngi_stream_reader *reader = block;
    *reader = (ngi_stream_reader){.mem = mem, .source = source, .source_context = source_context};
    NGI_TRY(reader_fill(reader, NGI_STREAM_HEAD_BYTES));
    if (reader_available(reader) == 0) {
        status = ngi_fail(NG_E_FORMAT, "the stream is empty");
        goto out;
    }
    uint8_t image[NGI_STREAM_HEAD_BYTES] = {0}; /* what is too short may not be a stream at all */
    size_t available = reader_available(reader);
    memcpy(image, reader_data(reader), available < sizeof image ? available : sizeof image);
    status = ngi_stream_head_decode(image, head);
    if (status != NG_E_FORMAT && available < sizeof image)
        status = reader_need(reader, sizeof image);
    if (status != NG_OK)
        goto out;
    reader->taken = NGI_STREAM_HEAD_BYTES;
    reader->salt = ngi_stream_salt(&head->identity);
    reader->whole = head->whole;
    reader->totals.last_seq = head->after;
    reader->totals.last_time_us = head->state_time_us;
    *out = reader;
    return NG_OK;
out:
    ngi_stream_reader_close(reader);
    return status;
}

void ngi_stream_reader_close(ngi_stream_reader *reader)
{
    if (reader == NULL)
        return;
    ngi_buffer window = reader->window;
    ngi_buffer_release(reader->mem, &window);
    ngi_free(reader->mem, reader, sizeof *reader);
}

uint64_t ngi_stream_offset(const ngi_stream_reader *reader)
{
    return reader->offset + reader->taken;
}

static ng_status reader_block(ngi_stream_reader *reader, ngi_block *out)
{
    uint32_t crc;
    ngi_block block;
    if (!ngi_block_header_decode(reader_data(reader), &block, &crc))
        return reader_damaged(reader, "the header of a block is not valid");
    if (!reader->whole || reader->totals.op_count > 0 || block.kind < reader->last_kind)
        return reader_damaged(reader, "a block is out of place");
    size_t stride = (size_t)ngi_block_stride(block.bytes);
    ng_status status = reader_need(reader, stride);
    if (status != NG_OK)
        return status;
    const uint8_t *data = reader_data(reader);
    block.payload = data + NGI_BLOCK_HEADER_BYTES;
    if (ngi_block_crc(reader->salt, data, block.payload, block.bytes) != crc)
        return reader_damaged(reader, "wrong checksum of a block");
    for (size_t i = NGI_BLOCK_HEADER_BYTES + block.bytes; i < stride; i++)
        if (data[i] != 0)
            return reader_damaged(reader, "padding of a block is not zero");
    reader->totals.block_count++;
    reader->last_kind = block.kind;
    reader->taken = stride;
    *out = block;
    return NG_OK;
}

/* The salt is the same as the log's, so frames stand here as they stand there. */
static ng_status reader_op(ngi_stream_reader *reader, ngi_op *out)
{
    uint32_t body_bytes = ngi_get_u32(reader_data(reader) + 8);
    if (body_bytes > NGI_OP_BYTES_MAX)
        return reader_damaged(reader, "length of an op");
    size_t bytes = (size_t)wal_frame_bytes(body_bytes);
    ng_status status = reader_need(reader, bytes);
    if (status != NG_OK)
        return status;
    const uint8_t *frame = reader_data(reader);
    if (ngi_get_u32(frame + 4) != ngi_crc32c(reader->salt, frame + 8, bytes - 8) ||
        ngi_get_u16(frame + 14) != 0)
        return reader_damaged(reader, "wrong checksum of an op");
    ngi_op op = {.seq = ngi_get_u64(frame + 16),
                 .time_us = ngi_get_u64(frame + 24),
                 .body = frame + WAL_FRAME_HEADER,
                 .body_bytes = body_bytes,
                 .actor = ngi_get_u32(frame + 32),
                 .kind = ngi_get_u16(frame + 12)};
    if (op.seq != reader->totals.last_seq + 1) {
        char what[96];
        snprintf(what, sizeof what, "op %llu where op %llu should be", (unsigned long long)op.seq,
                 (unsigned long long)reader->totals.last_seq + 1);
        return reader_damaged(reader, what);
    }
    reader->totals.op_count++;
    reader->totals.last_seq = op.seq;
    reader->totals.last_time_us = op.time_us;
    reader->taken = bytes;
    *out = op;
    return NG_OK;
}

static ng_status reader_end(ngi_stream_reader *reader)
{
    ngi_stream_totals said;
    ng_status status = reader_need(reader, NGI_STREAM_END_BYTES);
    if (status != NG_OK)
        return status;
    if (!ngi_stream_end_decode(reader_data(reader), reader->salt, &said))
        return reader_damaged(reader, "wrong checksum of the end mark");
    const ngi_stream_totals *seen = &reader->totals;
    if (said.bytes != reader->offset || said.block_count != seen->block_count ||
        said.op_count != seen->op_count || said.last_seq != seen->last_seq ||
        said.last_time_us != seen->last_time_us)
        return reader_damaged(reader, "the end mark does not agree with what is before it");
    status = reader_fill(reader, NGI_STREAM_END_BYTES + 1);
    if (status != NG_OK)
        return status;
    if (reader_available(reader) > NGI_STREAM_END_BYTES)
        return reader_damaged(reader, "bytes behind the end mark");
    reader->taken = NGI_STREAM_END_BYTES;
    reader->is_done = true;
    return NG_OK;
}

static ng_status reader_item(ngi_stream_reader *reader, ngi_stream_item *item, ngi_block *block,
                             ngi_op *op)
{
    /* The shortest item is a block of one word. */
    ng_status status = reader_need(reader, NGI_BLOCK_HEADER_BYTES + 8);
    if (status != NG_OK)
        return status;
    switch (ngi_get_u32(reader_data(reader))) {
    case NGI_STREAM_BLOCK_MAGIC:
        *item = NGI_ITEM_BLOCK;
        return reader_block(reader, block);
    case WAL_FRAME_MAGIC:
        *item = NGI_ITEM_OP;
        return reader_op(reader, op);
    case NGI_STREAM_END_MAGIC:
        *item = NGI_ITEM_END;
        return reader_end(reader);
    default:
        return reader_damaged(reader, "neither a block nor an op nor the end mark");
    }
}

ng_status ngi_stream_next(ngi_stream_reader *reader, ngi_stream_item *item, ngi_block *block,
                          ngi_op *op)
{
    reader->start += reader->taken;
    reader->offset += reader->taken;
    reader->taken = 0;
    if (reader->is_done)
        return ngi_fail(NG_E_INVALID, "the stream is at its end, or has failed");
    ng_status status = reader_item(reader, item, block, op);
    if (status != NG_OK)
        reader->is_done = true;
    return status;
}

ng_status ngi_stream_verify(ngi_mem *mem, ng_source_fn source, void *source_context,
                            ngi_stream_head *head, ng_seq *last, uint64_t *bytes)
{
    ngi_stream_reader *reader;
    ng_status status = ngi_stream_reader_open(mem, source, source_context, head, &reader);
    if (status != NG_OK)
        return status;
    ngi_stream_item item = NGI_ITEM_BLOCK;
    while (status == NG_OK && item != NGI_ITEM_END) {
        ngi_block block;
        ngi_op op;
        status = ngi_stream_next(reader, &item, &block, &op);
    }
    *last = reader->totals.last_seq;
    *bytes = ngi_stream_offset(reader);
    ngi_stream_reader_close(reader);
    return status;
}
