/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Streams: round trips, and everything that is not one: cut, flipped, out of order, too large. */
#include "os/os_testing.h"
#include "wal/wal_stream.h"

#include "base/base_bytes.h"
#include "base/base_crc.h"
#include "base/base_limits.h"
#include "wal/wal_private.h"

/* A stream in memory: grows as a sink, and is read as a source in pieces of `step` bytes. */
typedef struct memory_stream {
    uint8_t *data;
    size_t bytes, capacity;
    size_t at, step;
    size_t fail_at; /* call number that fails; 0 = none */
    size_t calls;
} memory_stream;

static ng_status memory_sink(void *context, const void *data, size_t bytes)
{
    memory_stream *m = context;
    if (++m->calls == m->fail_at)
        return ngi_fail(NG_E_DISK_FULL, "sink refused by the test");
    if (m->bytes + bytes > m->capacity) {
        m->capacity = 2 * (m->bytes + bytes);
        m->data = realloc(m->data, m->capacity);
        assert_non_null(m->data);
    }
    memcpy(m->data + m->bytes, data, bytes);
    m->bytes += bytes;
    return NG_OK;
}

static ng_status memory_source(void *context, void *data, size_t capacity, size_t *bytes)
{
    memory_stream *m = context;
    if (++m->calls == m->fail_at)
        return ngi_fail(NG_E_IO, "source refused by the test");
    size_t left = m->bytes - m->at;
    size_t n = left < capacity ? left : capacity;
    n = m->step != 0 && n > m->step ? m->step : n;
    if (n > 0)
        memcpy(data, m->data + m->at, n);
    m->at += n;
    *bytes = n;
    return NG_OK;
}

static ngi_stream_head some_head(bool whole)
{
    ngi_stream_head head = {.whole = whole, .after = 41};
    memset(head.identity.uuid, 0x5A, sizeof head.identity.uuid);
    head.identity.format_version = NGI_FORMAT_VERSION;
    head.identity.created_us = 1700000000000000;
    ngi_encoding_default(&head.identity.encoding);
    head.identity.encoding.scale[3][1] = 17;
    head.identity.encoding.origin[7][2] = -2.5f;
    if (whole) {
        head.state_seq = 41;
        head.state_time_us = 1700000000000041;
        head.slot_end = 9;
        head.id_end = 5;
        head.dimensions = 3;
        head.collection_count = 2;
        head.token_count = 7;
        head.connection_count = 4;
        head.label_count = 6;
        head.vector_count = 5;
    }
    return head;
}

static void encode_frame(const ngi_stream_head *head, ng_seq seq, const void *body, size_t bytes,
                         ngi_buffer *out)
{
    size_t frame_bytes = (size_t)wal_frame_bytes(bytes);
    out->data = calloc(1, frame_bytes);
    out->bytes = frame_bytes;
    ngi_put_u32(out->data, WAL_FRAME_MAGIC);
    ngi_put_u32(out->data + 8, (uint32_t)bytes);
    ngi_put_u16(out->data + 12, NGI_OP_BYTES_MAX % 7); /* the kind is nobody's business here */
    ngi_put_u64(out->data + 16, seq);
    ngi_put_u64(out->data + 24, 1700000000000000 + seq);
    ngi_put_u32(out->data + 32, 77);
    memcpy(out->data + WAL_FRAME_HEADER, body, bytes);
    ngi_put_u32(out->data + 4,
                ngi_crc32c(ngi_stream_salt(&head->identity), out->data + 8, frame_bytes - 8));
}

static ng_status put_op(ngi_stream_writer *writer, const ngi_stream_head *head, ng_seq seq,
                        const void *body, size_t bytes)
{
    ngi_buffer frame = {0};
    encode_frame(head, seq, body, bytes, &frame);
    const ngi_op op = {.seq = seq, .time_us = 1700000000000000 + seq};
    ng_status status = ngi_stream_frame(writer, frame.data, frame.bytes, &op);
    free(frame.data);
    return status;
}

static ng_status put_block(ngi_stream_writer *writer, uint16_t kind, uint64_t first, uint32_t count,
                           const void *payload, uint32_t bytes)
{
    const ngi_block block = {
        .kind = kind, .first = first, .count = count, .bytes = bytes, .payload = payload};
    return ngi_stream_block(writer, &block);
}

/* Two blocks and two ops. */
static ng_status write_small(memory_stream *m, bool whole)
{
    ngi_stream_head head = some_head(whole);
    ngi_stream_writer writer;
    ng_status status;
    NGI_TRY(ngi_stream_begin(&writer, &head, memory_sink, m));
    if (whole) {
        NGI_TRY(put_block(&writer, NGI_BLOCK_TOKENS, 0, 2, "0123456789abcdef", 16));
        NGI_TRY(put_block(&writer, NGI_BLOCK_CDNA, 3, 1, "odd", 3));
    }
    NGI_TRY(put_op(&writer, &head, 42, "the first", 9));
    NGI_TRY(put_op(&writer, &head, 43, "", 0));
    NGI_TRY(ngi_stream_end(&writer));
    assert_int_equal(writer.bytes, m->bytes);
out:
    return status;
}

/* Reads to the end; returns what stopped it. */
static ng_status read_all(ngi_mem *mem, memory_stream *m, size_t *items)
{
    ngi_stream_reader *reader;
    ngi_stream_head head;
    m->at = m->calls = 0;
    *items = 0;
    ng_status status = ngi_stream_reader_open(mem, memory_source, m, &head, &reader);
    if (status != NG_OK)
        return status;
    ngi_stream_item item = NGI_ITEM_BLOCK;
    while (status == NG_OK && item != NGI_ITEM_END) {
        ngi_block block;
        ngi_op op;
        status = ngi_stream_next(reader, &item, &block, &op);
        *items += status == NG_OK;
    }
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ng_last_error());
    ngi_block block;
    ngi_op op;
    assert_int_equal(ngi_stream_next(reader, &item, &block, &op), NG_E_INVALID);
    ngi_error_set(reason);
    ngi_stream_reader_close(reader);
    return status;
}

static void check_head(const ngi_stream_head *a, const ngi_stream_head *b)
{
    assert_memory_equal(a->identity.uuid, b->identity.uuid, 16);
    assert_int_equal(a->identity.created_us, b->identity.created_us);
    assert_memory_equal(a->identity.encoding.scale, b->identity.encoding.scale,
                        sizeof a->identity.encoding.scale);
    assert_memory_equal(a->identity.encoding.origin, b->identity.encoding.origin,
                        sizeof a->identity.encoding.origin);
    assert_int_equal(a->whole, b->whole);
    assert_int_equal(a->state_seq, b->state_seq);
    assert_int_equal(a->state_time_us, b->state_time_us);
    assert_int_equal(a->slot_end, b->slot_end);
    assert_int_equal(a->id_end, b->id_end);
    assert_int_equal(a->dimensions, b->dimensions);
    assert_int_equal(a->collection_count, b->collection_count);
    assert_int_equal(a->token_count, b->token_count);
    assert_int_equal(a->connection_count, b->connection_count);
    assert_int_equal(a->label_count, b->label_count);
    assert_int_equal(a->vector_count, b->vector_count);
    assert_int_equal(a->after, b->after);
}

/* Items come back as they were written, whatever pieces the source gives. */
static void test_round_trip(void **state)
{
    (void)state;
    testing_memory memory;
    memory_stream m = {0};
    testing_memory_init(&memory);
    assert_int_equal(write_small(&m, true), NG_OK);
    const size_t steps[] = {1, 7, 8, 100, 0};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        ngi_stream_head head, wanted = some_head(true);
        ngi_stream_reader *reader;
        ngi_stream_item item;
        ngi_block block;
        ngi_op op;
        m.at = 0;
        m.step = steps[i];
        assert_int_equal(ngi_stream_reader_open(&memory.mem, memory_source, &m, &head, &reader),
                         NG_OK);
        check_head(&head, &wanted);
        assert_int_equal(ngi_stream_offset(reader), NGI_STREAM_HEAD_BYTES);
        assert_int_equal(ngi_stream_next(reader, &item, &block, &op), NG_OK);
        assert_int_equal(item, NGI_ITEM_BLOCK);
        assert_int_equal(block.kind, NGI_BLOCK_TOKENS);
        assert_int_equal(block.bytes, 16);
        assert_memory_equal(block.payload, "0123456789abcdef", 16);
        assert_int_equal((uintptr_t)block.payload % 8, 0);
        assert_int_equal(ngi_stream_offset(reader), NGI_STREAM_HEAD_BYTES + 48);
        assert_int_equal(ngi_stream_next(reader, &item, &block, &op), NG_OK);
        assert_int_equal(block.kind, NGI_BLOCK_CDNA);
        assert_int_equal(block.first, 3);
        assert_int_equal(block.count, 1);
        assert_memory_equal(block.payload, "odd", 3);
        assert_int_equal(ngi_stream_next(reader, &item, &block, &op), NG_OK);
        assert_int_equal(item, NGI_ITEM_OP);
        assert_int_equal(op.seq, 42);
        assert_int_equal(op.time_us, 1700000000000042);
        assert_int_equal(op.actor, 77);
        assert_int_equal(op.body_bytes, 9);
        assert_memory_equal(op.body, "the first", 9);
        assert_int_equal((uintptr_t)op.body % 8, 0);
        assert_int_equal(ngi_stream_next(reader, &item, &block, &op), NG_OK);
        assert_int_equal(op.body_bytes, 0);
        assert_int_equal(ngi_stream_next(reader, &item, &block, &op), NG_OK);
        assert_int_equal(item, NGI_ITEM_END);
        assert_int_equal(ngi_stream_offset(reader), m.bytes);
        ngi_stream_reader_close(reader);
        ng_seq last = 0;
        uint64_t bytes = 0;
        m.at = 0;
        assert_int_equal(ngi_stream_verify(&memory.mem, memory_source, &m, &head, &last, &bytes),
                         NG_OK);
        assert_int_equal(last, 43);
        assert_int_equal(bytes, m.bytes);
    }
    testing_memory_check(&memory);
    free(m.data);
}

static void test_increment(void **state)
{
    (void)state;
    ngi_mem mem;
    memory_stream m = {0}, empty = {0};
    size_t items;
    ngi_mem_init(&mem, 0);
    assert_int_equal(write_small(&m, false), NG_OK);
    assert_int_equal(read_all(&mem, &m, &items), NG_OK);
    assert_int_equal(items, 3);
    /* One without any op. */
    ngi_stream_head head = some_head(false), read;
    ngi_stream_writer writer;
    ng_seq last;
    uint64_t bytes;
    assert_int_equal(ngi_stream_begin(&writer, &head, memory_sink, &empty), NG_OK);
    assert_int_equal(ngi_stream_end(&writer), NG_OK);
    assert_int_equal(ngi_stream_verify(&mem, memory_source, &empty, &read, &last, &bytes), NG_OK);
    assert_int_equal(last, 41);
    assert_int_equal(bytes, NGI_STREAM_HEAD_BYTES + NGI_STREAM_END_BYTES);
    check_head(&read, &head);
    /* Ops that do not follow are refused already when they are written. */
    empty.bytes = 0;
    assert_int_equal(ngi_stream_begin(&writer, &head, memory_sink, &empty), NG_OK);
    assert_int_equal(put_op(&writer, &head, 43, "", 0), NG_E_INTERNAL);
    assert_int_equal(put_block(&writer, 1, 0, 1, "x", NGI_STREAM_BLOCK_BYTES + 1), NG_E_LIMIT);
    free(m.data);
    free(empty.data);
}

/* No stream that was cut anywhere passes for a whole one. */
static void test_every_truncation(void **state)
{
    (void)state;
    ngi_mem mem;
    memory_stream m = {0};
    size_t items;
    ngi_mem_init(&mem, 0);
    assert_int_equal(write_small(&m, true), NG_OK);
    size_t whole = m.bytes;
    for (size_t bytes = 0; bytes < whole; bytes++) {
        m.bytes = bytes;
        ng_status status = read_all(&mem, &m, &items);
        assert_int_equal(status, bytes < 8 ? NG_E_FORMAT : NG_E_CORRUPT);
    }
    m.bytes = whole;
    uint8_t more = 0;
    assert_int_equal(memory_sink(&m, &more, 1), NG_OK);
    assert_int_equal(read_all(&mem, &m, &items), NG_E_CORRUPT);
    assert_int_equal(items, 4);
    assert_non_null(strstr(ng_last_error(), "behind the end mark"));
    assert_int_equal(atomic_load(&mem.used_bytes), 0);
    free(m.data);
}

/* Every byte is covered by a checksum or has one value only. */
static void test_every_bit(void **state)
{
    (void)state;
    ngi_mem mem;
    memory_stream m = {0};
    size_t items;
    ngi_mem_init(&mem, 0);
    assert_int_equal(write_small(&m, true), NG_OK);
    for (size_t bit = 0; bit < 8 * m.bytes; bit++) {
        m.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ng_status status = read_all(&mem, &m, &items);
        if (status != (bit < 64 ? NG_E_FORMAT : NG_E_CORRUPT))
            fail_msg("bit %zu of byte %zu: %s", bit % 8, bit / 8, ng_status_name(status));
        if (bit >= 64)
            assert_non_null(strstr(ng_last_error(), "offset"));
        m.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(read_all(&mem, &m, &items), NG_OK);
    free(m.data);
}

static void refix_head(uint8_t *head)
{
    uint32_t crc = ngi_crc32c(0, head, 12);
    ngi_put_u32(head + 12, ngi_crc32c(crc, head + 16, NGI_STREAM_HEAD_BYTES - 16));
}

/* Heads with a right checksum that say what cannot be. */
static void test_hostile_heads(void **state)
{
    (void)state;
    static const struct {
        size_t offset, bytes;
        uint64_t value;
        ng_status status;
    } cases[] = {
        {8, 4, 0, NG_E_CORRUPT},           {8, 4, 2, NG_E_VERSION},
        {40, 4, 3, NG_E_CORRUPT},          {44, 4, 1, NG_E_CORRUPT},
        {44, 4, 4097, NG_E_CORRUPT},       {44, 4, 0, NG_E_CORRUPT}, /* with vectors */
        {48, 8, 40, NG_E_CORRUPT},         {64, 8, 42, NG_E_CORRUPT},
        {72, 4, 0, NG_E_CORRUPT},          {72, 4, 7, NG_E_CORRUPT}, /* as many as tokens */
        {72, 4, UINT32_MAX, NG_E_CORRUPT}, {76, 4, 0, NG_E_CORRUPT},
        {76, 4, 4, NG_E_CORRUPT},          {76, 4, UINT32_MAX, NG_E_CORRUPT},
        {80, 4, 1, NG_E_CORRUPT},          {80, 4, 65537, NG_E_CORRUPT},
        {84, 4, 1, NG_E_CORRUPT},          {88, 8, UINT64_MAX, NG_E_CORRUPT},
        {96, 8, 5, NG_E_CORRUPT},          {104, 8, 8, NG_E_CORRUPT},
        {112, 8, 8, NG_E_CORRUPT},         {120, 8, 8, NG_E_CORRUPT},
        {128, 4, 33, NG_E_CORRUPT},        {132, 4, 1, NG_E_CORRUPT},
        {136, 4, 0, NG_E_CORRUPT},         {232, 4, 0x7FC00000, NG_E_CORRUPT}, /* NaN */
        {504, 8, 1, NG_E_CORRUPT},
    };
    memory_stream m = {0};
    assert_int_equal(write_small(&m, true), NG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t head[NGI_STREAM_HEAD_BYTES];
        ngi_stream_head out;
        memcpy(head, m.data, sizeof head);
        if (cases[i].bytes == 4)
            ngi_put_u32(head + cases[i].offset, (uint32_t)cases[i].value);
        else
            ngi_put_u64(head + cases[i].offset, cases[i].value);
        refix_head(head);
        ng_status status = ngi_stream_head_decode(head, &out);
        if (status != cases[i].status)
            fail_msg("case %zu: %s", i, ng_status_name(status));
    }
    /* An increment with a state is neither. */
    uint8_t head[NGI_STREAM_HEAD_BYTES];
    ngi_stream_head out;
    memcpy(head, m.data, sizeof head);
    ngi_put_u32(head + 40, 0);
    refix_head(head);
    assert_int_equal(ngi_stream_head_decode(head, &out), NG_E_CORRUPT);
    free(m.data);
}

/* Items with right checksums in an order or of a size that no writer makes. */
static void test_hostile_items(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_mem_init(&mem, 0);
    for (int way = 0; way < 6; way++) {
        memory_stream m = {0};
        ngi_stream_writer writer;
        ngi_stream_head head = some_head(way != 0);
        size_t items;
        assert_int_equal(ngi_stream_begin(&writer, &head, memory_sink, &m), NG_OK);
        if (way == 1)
            assert_int_equal(put_block(&writer, NGI_BLOCK_SIDES, 0, 1, "12345678", 8), NG_OK);
        if (way == 2)
            assert_int_equal(put_op(&writer, &head, 42, "", 0), NG_OK);
        if (way == 3) {
            writer.last_seq = 42; /* a gap that the writer does not see */
            assert_int_equal(put_op(&writer, &head, 43, "", 0), NG_OK);
        }
        if (way == 4)
            writer.block_count = 3;
        uint16_t kind = way == 5 ? 99 : NGI_BLOCK_TOKENS;
        if (way != 3)
            assert_int_equal(put_block(&writer, kind, 0, 1, "12345678", 8), NG_OK);
        assert_int_equal(ngi_stream_end(&writer), NG_OK);
        assert_int_equal(read_all(&mem, &m, &items), NG_E_CORRUPT);
        assert_non_null(strstr(ng_last_error(), "offset"));
        free(m.data);
    }
    assert_int_equal(atomic_load(&mem.used_bytes), 0);
}

/* A length alone does not make the reader allocate: the hostile op claims 80 MiB. */
static void test_claimed_length(void **state)
{
    (void)state;
    ngi_mem mem;
    memory_stream m = {0};
    ngi_stream_writer writer;
    ngi_stream_head head = some_head(false);
    size_t items;
    ngi_mem_init(&mem, 1 << 20); /* the budget */
    assert_int_equal(ngi_stream_begin(&writer, &head, memory_sink, &m), NG_OK);
    uint8_t frame[WAL_FRAME_HEADER + 64] = {0};
    ngi_put_u32(frame, WAL_FRAME_MAGIC);
    ngi_put_u32(frame + 8, NGI_OP_BYTES_MAX);
    assert_int_equal(memory_sink(&m, frame, sizeof frame), NG_OK);
    assert_int_equal(read_all(&mem, &m, &items), NG_E_CORRUPT);
    ngi_put_u32(m.data + NGI_STREAM_HEAD_BYTES + 8, NGI_OP_BYTES_MAX + 1);
    assert_int_equal(read_all(&mem, &m, &items), NG_E_CORRUPT);
    assert_int_equal(atomic_load(&mem.used_bytes), 0);
    free(m.data);
}

/* Items much larger than what the source gives at once, and than each other. */
static void test_large_items(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    testing_memory memory;
    memory_stream m = {0};
    ngi_stream_writer writer;
    ngi_stream_head head = some_head(true);
    uint8_t *data = malloc(4 << 20);
    testing_memory_init(&memory);
    for (size_t i = 0; i < 4 << 20; i++)
        data[i] = (uint8_t)testing_random(&seed);
    assert_int_equal(ngi_stream_begin(&writer, &head, memory_sink, &m), NG_OK);
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t bytes = 1 + testing_below(&seed, i % 4 == 0 ? NGI_STREAM_BLOCK_BYTES : 64);
        assert_int_equal(put_block(&writer, NGI_BLOCK_LABELS, i, 1, data, bytes), NG_OK);
    }
    assert_int_equal(put_block(&writer, NGI_BLOCK_CDNA, 0, 1, data, NGI_STREAM_BLOCK_BYTES), NG_OK);
    for (ng_seq seq = 42; seq < 60; seq++)
        assert_int_equal(put_op(&writer, &head, seq, data, testing_below(&seed, 4 << 20)), NG_OK);
    assert_int_equal(ngi_stream_end(&writer), NG_OK);
    for (m.step = 5000; m.step <= 5000000; m.step *= 10) {
        size_t items;
        assert_int_equal(read_all(&memory.mem, &m, &items), NG_OK);
        assert_int_equal(items, 40 + 1 + 18 + 1);
    }
    testing_memory_check(&memory);
    free(data);
    free(m.data);
}

/* Sink, source and memory fail at every place: the status comes back, nothing leaks. */
static void test_every_failure(void **state)
{
    (void)state;
    testing_memory memory;
    memory_stream m = {0};
    size_t items;
    ng_status status = NG_E_INTERNAL;
    for (m.fail_at = 1; status != NG_OK; m.fail_at++) {
        m.bytes = m.calls = 0;
        status = write_small(&m, true);
        assert_true(status == NG_OK || status == NG_E_DISK_FULL);
    }
    assert_true(m.fail_at > 8);
    status = NG_E_INTERNAL;
    m.step = 64;
    for (m.fail_at = 1; status != NG_OK; m.fail_at++) {
        testing_memory_init(&memory);
        status = read_all(&memory.mem, &m, &items);
        assert_true(status == NG_OK || status == NG_E_IO);
        testing_memory_check(&memory);
    }
    m.fail_at = 0;
    status = NG_E_INTERNAL;
    for (size_t n = 1; status != NG_OK; n++) {
        testing_memory_init(&memory);
        memory.fail_at = n;
        status = read_all(&memory.mem, &m, &items);
        assert_true(status == NG_OK || status == NG_E_NOMEM);
        testing_memory_check(&memory);
    }
    free(m.data);
}

static ng_status lying_source(void *context, void *data, size_t capacity, size_t *bytes)
{
    (void)context;
    (void)data;
    *bytes = capacity + 1;
    return NG_OK;
}

static void test_lying_source(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_stream_head head;
    ngi_stream_reader *reader;
    ngi_mem_init(&mem, 0);
    assert_int_equal(ngi_stream_reader_open(&mem, lying_source, NULL, &head, &reader),
                     NG_E_INVALID);
    assert_null(reader);
    assert_int_equal(atomic_load(&mem.used_bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_increment),
        cmocka_unit_test(test_every_truncation), cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_hostile_heads),    cmocka_unit_test(test_hostile_items),
        cmocka_unit_test(test_claimed_length),   cmocka_unit_test(test_large_items),
        cmocka_unit_test(test_every_failure),    cmocka_unit_test(test_lying_source),
    };
    return cmocka_run_group_tests_name("wal_stream", tests, NULL, NULL);
}
