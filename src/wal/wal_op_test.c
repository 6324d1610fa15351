/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Bodies of ops: round trips, every truncation, and what a hostile program would write. */
#include "wal/wal_op.h"

#include "base/base_limits.h"
#include "model/model_token.h"
#include "os/os_testing.h"

#define ITEMS_MAX 64
#define DIMENSIONS 5u

typedef struct sample {
    uint8_t body[1u << 18];
    size_t bytes;
    ngi_op_token tokens[ITEMS_MAX];
    float floats[ITEMS_MAX][DIMENSIONS];
    char labels[ITEMS_MAX][NGI_LABEL_BYTES_MAX];
    uint32_t count;
} sample;

static ngi_op op_of(uint16_t kind, const void *body, size_t bytes)
{
    return (ngi_op){.kind = kind, .body = body, .body_bytes = (uint32_t)bytes, .seq = 7};
}

static int16_t random_raw(uint64_t *seed)
{
    return (int16_t)((int)testing_below(seed, 65535) - 32767); /* never the absent one */
}

static void random_record(uint64_t *seed, ng_token *record)
{
    ngi_token_default(record, 1 + testing_below(seed, 1u << 28), (uint32_t)testing_random(seed));
    record->weight = (float)testing_below(seed, 1000) / 10.0f;
    record->flags = (uint16_t)testing_random(seed);
    record->field_radius = (uint8_t)testing_random(seed);
    record->field_strength = (uint8_t)testing_random(seed);
    unsigned spaces = testing_below(seed, 256);
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        for (int axis = 0; axis < NG_AXIS_COUNT && (spaces >> space & 1); axis++)
            record->coordinates[space][axis] = random_raw(seed);
}

static void random_token(uint64_t *seed, sample *s, uint32_t i)
{
    static const uint16_t lengths[] = {NGI_OP_LABEL_KEEP,  0, 1, 2, 3, 4, 5, 31,
                                       NGI_LABEL_BYTES_MAX};
    ngi_op_token *token = &s->tokens[i];
    random_record(seed, &token->record);
    token->collection = (uint32_t)testing_random(seed);
    token->version = (uint32_t)testing_random(seed);
    token->label_bytes = lengths[testing_below(seed, sizeof lengths / sizeof *lengths)];
    token->vector = (uint16_t)testing_below(seed, 3);
    token->label = s->labels[i];
    for (size_t at = 0; at < sizeof s->labels[i]; at++)
        s->labels[i][at] = (char)('a' + testing_below(seed, 26));
    for (uint32_t d = 0; d < DIMENSIONS; d++)
        s->floats[i][d] = (float)testing_below(seed, 1000) - 500.0f;
}

static void random_sample(uint64_t *seed, sample *s)
{
    s->count = 1 + testing_below(seed, ITEMS_MAX);
    memset(s->body, 0xEE, sizeof s->body);
    ngi_op_list_encode(s->body, s->count, DIMENSIONS);
    uint8_t *at = s->body + NGI_OP_LIST_HEADER;
    for (uint32_t i = 0; i < s->count; i++) {
        random_token(seed, s, i);
        const ngi_op_token *token = &s->tokens[i];
        size_t label_bytes = token->label_bytes == NGI_OP_LABEL_KEEP ? 0 : token->label_bytes;
        size_t most =
            ngi_op_token_bytes(label_bytes, token->vector == NGI_VECTOR_SET ? DIMENSIONS : 0);
        uint8_t *next = ngi_op_token_encode(at, token, s->floats[i], DIMENSIONS);
        assert_true((size_t)(next - at) <= most);
        assert_int_equal((next - at) % 4, 0);
        at = next;
    }
    assert_int_equal(*at, 0xEE); /* nothing is written behind the last item */
    s->bytes = (size_t)(at - s->body);
}

static void assert_token_equal(const ngi_op_token *got, const ngi_op_token *want,
                               const float *floats)
{
    uint8_t got_image[64];
    uint8_t want_image[64];
    ngi_token_encode(&got->record, got_image);
    ngi_token_encode(&want->record, want_image);
    assert_memory_equal(got_image, want_image, 64);
    assert_int_equal(got->collection, want->collection);
    assert_int_equal(got->version, want->version);
    assert_int_equal(got->label_bytes, want->label_bytes);
    assert_int_equal(got->vector, want->vector);
    if (want->label_bytes == NGI_OP_LABEL_KEEP || want->label_bytes == 0)
        assert_null(got->label);
    else
        assert_memory_equal(got->label, want->label, want->label_bytes);
    assert_true((got->floats != NULL) == (want->vector == NGI_VECTOR_SET));
    for (uint32_t d = 0; got->floats != NULL && d < DIMENSIONS; d++)
        assert_true(ngi_get_f32(got->floats + 4 * d) == floats[d]);
}

static ng_status read_tokens(const ngi_op *op, bool skip)
{
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(op, &reader);
    while (status == NG_OK && reader.left > 0) {
        ngi_op_token token;
        ngi_op_token_key key;
        status = skip ? ngi_op_token_skip(&reader, &key) : ngi_op_token_next(&reader, &token);
    }
    return status == NG_OK ? ngi_op_list_close(&reader) : status;
}

static void test_tokens_round_trip(void **state)
{
    (void)state;
    uint64_t seed = testing_seed("tokens_round_trip");
    sample *s = calloc(1, sizeof *s);
    for (int round = 0; round < 200; round++) {
        random_sample(&seed, s);
        ngi_op op = op_of(NGI_OP_TOKENS_PUT, s->body, s->bytes);
        ngi_op_reader reader;
        ngi_op_reader skipper;
        assert_int_equal(ngi_op_list_open(&op, &reader), NG_OK);
        assert_int_equal(ngi_op_list_open(&op, &skipper), NG_OK);
        assert_int_equal(reader.left, s->count);
        assert_int_equal(reader.dimensions, DIMENSIONS);
        for (uint32_t i = 0; i < s->count; i++) {
            ngi_op_token token;
            ngi_op_token_key key;
            assert_int_equal(ngi_op_token_next(&reader, &token), NG_OK);
            assert_token_equal(&token, &s->tokens[i], s->floats[i]);
            assert_int_equal(ngi_op_token_skip(&skipper, &key), NG_OK);
            assert_int_equal(key.slot, s->tokens[i].record.slot);
            assert_int_equal(key.collection, s->tokens[i].collection);
            assert_int_equal(key.label_bytes, s->tokens[i].label_bytes);
            assert_ptr_equal(key.label, token.label);
            assert_ptr_equal(skipper.next, reader.next);
        }
        assert_int_equal(ngi_op_list_close(&reader), NG_OK);
        assert_int_equal(ngi_op_list_close(&skipper), NG_OK);
    }
    free(s);
}

static void test_tokens_are_small(void **state)
{
    (void)state;
    uint8_t body[256];
    ngi_op_token token = {.version = 1, .label_bytes = NGI_OP_LABEL_KEEP};
    ngi_token_default(&token.record, 1, 0);
    assert_int_equal(ngi_op_token_encode(body, &token, NULL, 0) - body, 28);
    token.record.coordinates[3][0] = token.record.coordinates[3][1] = 5;
    token.record.coordinates[3][2] = -5;
    assert_int_equal(ngi_op_token_encode(body, &token, NULL, 0) - body, 28 + 8);
    memcpy(token.record.coordinates[7], token.record.coordinates[3], NGI_OP_SPACE_BYTES);
    assert_int_equal(ngi_op_token_encode(body, &token, NULL, 0) - body, 28 + 12);
    assert_int_equal(body[26], 1 << 3 | 1 << 7);
}

/* The same effects are the same bytes, whatever stood in the buffer before. */
static void test_tokens_are_deterministic(void **state)
{
    (void)state;
    uint64_t seed = testing_seed("tokens_are_deterministic");
    sample *s = calloc(1, sizeof *s);
    uint8_t *second = malloc(sizeof s->body);
    random_sample(&seed, s);
    memset(second, 0x11, sizeof s->body);
    ngi_op_list_encode(second, s->count, DIMENSIONS);
    uint8_t *at = second + NGI_OP_LIST_HEADER;
    for (uint32_t i = 0; i < s->count; i++)
        at = ngi_op_token_encode(at, &s->tokens[i], s->floats[i], DIMENSIONS);
    assert_int_equal(at - second, s->bytes);
    assert_memory_equal(second, s->body, s->bytes);
    free(second);
    free(s);
}

static void test_tokens_truncated(void **state)
{
    (void)state;
    uint64_t seed = testing_seed("tokens_truncated");
    sample *s = calloc(1, sizeof *s);
    for (int round = 0; round < 20; round++) {
        random_sample(&seed, s);
        for (size_t bytes = 0; bytes < s->bytes; bytes++) {
            uint8_t *copy = malloc(bytes + 1); /* so that reading behind it is noticed */
            memcpy(copy, s->body, bytes);
            ngi_op op = op_of(NGI_OP_TOKENS_PUT, copy, bytes);
            assert_int_equal(read_tokens(&op, false), NG_E_CORRUPT);
            assert_int_equal(read_tokens(&op, true), NG_E_CORRUPT);
            free(copy);
        }
        ngi_op op = op_of(NGI_OP_TOKENS_PUT, s->body, s->bytes + 1);
        assert_int_equal(read_tokens(&op, false), NG_E_CORRUPT);
    }
    free(s);
}

/* Random damage is either refused or decodes to something that could have been written. */
static void test_tokens_damaged(void **state)
{
    (void)state;
    uint64_t seed = testing_seed("tokens_damaged");
    sample *s = calloc(1, sizeof *s);
    random_sample(&seed, s);
    for (int round = 0; round < 20000; round++) {
        size_t at = testing_below(&seed, (uint32_t)s->bytes);
        uint8_t kept = s->body[at];
        s->body[at] = (uint8_t)testing_random(&seed);
        ngi_op op = op_of(NGI_OP_TOKENS_PUT, s->body, s->bytes);
        ngi_op_reader reader;
        if (read_tokens(&op, false) == NG_OK && ngi_op_list_open(&op, &reader) == NG_OK) {
            assert_int_equal(read_tokens(&op, true), NG_OK);
            while (reader.left > 0) {
                ngi_op_token token;
                assert_int_equal(ngi_op_token_next(&reader, &token), NG_OK);
                for (int space = 0; space < NG_SPACE_COUNT; space++) {
                    const int16_t *raw = token.record.coordinates[space];
                    assert_int_equal(raw[0] == NG_COORDINATE_ABSENT,
                                     raw[1] == NG_COORDINATE_ABSENT);
                    assert_int_equal(raw[0] == NG_COORDINATE_ABSENT,
                                     raw[2] == NG_COORDINATE_ABSENT);
                }
            }
        }
        s->body[at] = kept;
    }
    free(s);
}

static void test_tokens_hostile(void **state)
{
    (void)state;
    uint8_t body[256] = {0};
    ngi_op_token token = {.version = 1, .label_bytes = NGI_OP_LABEL_KEEP};
    ngi_token_default(&token.record, 1, 0);
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        token.record.coordinates[2][axis] = 100;
    ngi_op_list_encode(body, 1, 0);
    size_t bytes = (size_t)(ngi_op_token_encode(body + 8, &token, NULL, 0) - body);
    ngi_op op = op_of(NGI_OP_TOKENS_PUT, body, bytes);
    assert_int_equal(read_tokens(&op, false), NG_OK);
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        uint8_t *raw = body + 8 + NGI_OP_TOKEN_FIXED + 2 * axis;
        ngi_put_u16(raw, 0x8000);
        assert_int_equal(read_tokens(&op, false), NG_E_CORRUPT);
        assert_string_equal(ng_last_error(),
                            "malformed op: an absent coordinate in a space that is given");
        ngi_put_u16(raw, 100);
    }
    body[8 + 27] = 3;
    assert_int_equal(read_tokens(&op, false), NG_E_CORRUPT);
    assert_string_equal(ng_last_error(), "malformed op: mark of a vector");
    body[8 + 27] = NGI_VECTOR_SET; /* of no dimensions */
    assert_int_equal(read_tokens(&op, false), NG_E_CORRUPT);
    body[8 + 27] = 0;
    ngi_put_u16(body + 8 + 22, NGI_LABEL_BYTES_MAX + 1);
    assert_int_equal(read_tokens(&op, false), NG_E_CORRUPT);
    assert_string_equal(ng_last_error(), "malformed op: length of a label");
    ngi_put_u16(body + 8 + 22, NGI_OP_LABEL_KEEP);
    const uint32_t counts[] = {0, 2, NGI_BATCH_MAX, NGI_BATCH_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        ngi_op_list_encode(body, counts[i], 0);
        assert_int_equal(read_tokens(&op, false), NG_E_CORRUPT);
        assert_int_equal(read_tokens(&op, true), NG_E_CORRUPT);
    }
    ngi_op_list_encode(body, 1, NGI_DIMENSIONS_MAX + 1);
    assert_int_equal(read_tokens(&op, false), NG_E_CORRUPT);
}

/* --- transactions ---------------------------------------------------------------------------- */

static size_t encode_parts(uint8_t *body, const ngi_op_kind *kinds, const size_t *sizes,
                           uint32_t count)
{
    uint8_t *at = ngi_op_parts_begin(body);
    for (uint32_t i = 0; i < count; i++) {
        memset(at, (int)(i + 1), sizes[i]);
        at = ngi_op_part_end(at, kinds[i], sizes[i]);
    }
    return ngi_op_parts_end(body, count, at);
}

static void test_parts_round_trip(void **state)
{
    (void)state;
    const ngi_op_kind kinds[] = {NGI_OP_CONNECTIONS_DELETE, NGI_OP_TOKENS_DELETE, NGI_OP_TOKENS_PUT,
                                 NGI_OP_CONNECTIONS_PUT};
    const size_t sizes[] = {12, 0, 17, 80};
    uint8_t body[512];
    for (uint32_t count = 1; count <= 4; count++) {
        memset(body, 0xEE, sizeof body);
        size_t bytes = encode_parts(body, kinds, sizes, count);
        assert_int_equal(bytes % 8, 0);
        assert_int_equal(body[bytes], 0xEE);
        ngi_op op = op_of(NGI_OP_TRANSACTION, body, bytes);
        op.time_us = 99;
        op.actor = 3;
        ngi_op_parts parts;
        assert_int_equal(ngi_op_parts_decode(&op, &parts), NG_OK);
        assert_int_equal(parts.count, count);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(parts.part[i].kind, kinds[i]);
            assert_int_equal(parts.part[i].body_bytes, sizes[i]);
            assert_int_equal((parts.part[i].body - body) % 8, 0);
            assert_int_equal(parts.part[i].seq, 7);
            assert_int_equal(parts.part[i].time_us, 99);
            assert_int_equal(parts.part[i].actor, 3);
            for (size_t at = 0; at < sizes[i]; at++)
                assert_int_equal(parts.part[i].body[at], i + 1);
        }
        for (size_t shorter = 0; shorter < bytes; shorter++) {
            op.body_bytes = (uint32_t)shorter;
            assert_int_equal(ngi_op_parts_decode(&op, &parts), NG_E_CORRUPT);
        }
        op.body_bytes = (uint32_t)bytes + 8;
        assert_int_equal(ngi_op_parts_decode(&op, &parts), NG_E_CORRUPT);
    }
}

static void test_parts_hostile(void **state)
{
    (void)state;
    const ngi_op_kind wrong[][2] = {
        {NGI_OP_TOKENS_DELETE, NGI_OP_CONNECTIONS_DELETE}, /* order */
        {NGI_OP_CONNECTIONS_PUT, NGI_OP_TOKENS_PUT},
        {NGI_OP_TOKENS_PUT, NGI_OP_TOKENS_PUT}, /* twice */
        {NGI_OP_TRANSACTION, NGI_OP_TOKENS_PUT},
        {NGI_OP_TOKENS_PUT, NGI_OP_CDNA_PUT},
        {NGI_OP_COLLECTION_PUT, NGI_OP_TOKENS_PUT},
        {(ngi_op_kind)0, NGI_OP_TOKENS_PUT},
    };
    const size_t sizes[] = {16, 16};
    uint8_t body[256];
    ngi_op_parts parts;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ngi_op op = op_of(NGI_OP_TRANSACTION, body, encode_parts(body, wrong[i], sizes, 2));
        assert_int_equal(ngi_op_parts_decode(&op, &parts), NG_E_CORRUPT);
        assert_string_equal(ng_last_error(), "malformed op: kind of a part");
    }
    const ngi_op_kind right[] = {NGI_OP_TOKENS_PUT, NGI_OP_CONNECTIONS_PUT};
    ngi_op op = op_of(NGI_OP_TRANSACTION, body, encode_parts(body, right, sizes, 2));
    const uint32_t counts[] = {0, 1, 3, 5, UINT32_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        ngi_put_u32(body, counts[i]);
        assert_int_equal(ngi_op_parts_decode(&op, &parts), NG_E_CORRUPT);
    }
    ngi_put_u32(body, 2);
    ngi_put_u32(body + 4, 1);
    assert_int_equal(ngi_op_parts_decode(&op, &parts), NG_E_CORRUPT);
    ngi_put_u32(body + 4, 0);
    ngi_put_u16(body + 10, 1);
    assert_int_equal(ngi_op_parts_decode(&op, &parts), NG_E_CORRUPT);
    ngi_put_u16(body + 10, 0);
    const uint32_t lengths[] = {17, 41, 48, 0x7FFFFFFF, 0xFFFFFFF9, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        ngi_put_u32(body + 12, lengths[i]);
        assert_int_equal(ngi_op_parts_decode(&op, &parts), NG_E_CORRUPT);
    }
    ngi_put_u32(body + 12, 16);
    assert_int_equal(ngi_op_parts_decode(&op, &parts), NG_OK);
}

static void test_lists_truncated(void **state)
{
    (void)state;
    uint8_t body[256] = {0};
    ng_connection record = {.source = 1, .target = 2, .preferred_distance = 1};
    ngi_op_list_encode(body, 2, 0);
    uint8_t *at = ngi_op_connection_encode(body + 8, 5, &record);
    at = ngi_op_connection_encode(at, 6, &record);
    for (size_t bytes = 0; bytes <= (size_t)(at - body); bytes++) {
        ngi_op op = op_of(NGI_OP_CONNECTIONS_PUT, body, bytes);
        ngi_op_reader reader;
        ng_status status = ngi_op_list_open(&op, &reader);
        for (uint32_t id; status == NG_OK && reader.left > 0;)
            status = ngi_op_connection_next(&reader, &id, &record);
        assert_int_equal(status, bytes == (size_t)(at - body) ? NG_OK : NG_E_CORRUPT);
    }
    for (size_t bytes = 0; bytes < 8 + 8; bytes++) {
        ngi_op op = op_of(NGI_OP_TOKENS_DELETE, body, bytes);
        ngi_op_reader reader;
        ng_status status = ngi_op_list_open(&op, &reader);
        for (uint32_t slot; status == NG_OK && reader.left > 0;)
            status = ngi_op_u32_next(&reader, &slot);
        assert_int_equal(status, NG_E_CORRUPT);
    }
}

/* --- vectors in named fields ----------------------------------------------------------------- */

static size_t vectors_body(const ngi_op_vectors *items, uint32_t count, uint8_t *body)
{
    uint8_t *at = body + NGI_OP_LIST_HEADER;
    ngi_op_list_encode(body, count, 0);
    for (uint32_t i = 0; i < count; i++) {
        size_t floats = 0;
        for (uint32_t k = 0; k < items[i].count; k++)
            floats += items[i].vectors[k].dimensions;
        uint8_t *end = ngi_op_vectors_encode(at, &items[i]);
        assert_int_equal(end - at, ngi_op_vectors_bytes(items[i].count, floats));
        at = end;
    }
    return (size_t)(at - body);
}

static ng_status vectors_read(const uint8_t *body, size_t bytes, ngi_op_vectors *last)
{
    ngi_op op = op_of(NGI_OP_VECTORS_PUT, body, bytes);
    ngi_op_reader reader;
    ng_status status = ngi_op_list_open(&op, &reader);
    while (status == NG_OK && reader.left > 0)
        status = ngi_op_vectors_next(&reader, last);
    return status == NG_OK ? ngi_op_list_close(&reader) : status;
}

static const float vector_values[5] = {1, -2, 3.5f, 0, 1e-30f};

static ngi_op_vectors vectors_item(uint32_t slot)
{
    const uint8_t *floats = (const uint8_t *)vector_values;
    return (ngi_op_vectors){.slot = slot,
                            .count = 3,
                            .vectors = {{1, 2, floats}, {4, 0, floats}, {15, 5, floats}}};
}

static void test_vectors_round_trip(void **state)
{
    (void)state;
    uint8_t body[256];
    const ngi_op_vectors items[2] = {vectors_item(7), vectors_item(3)};
    size_t bytes = vectors_body(items, 2, body);
    for (size_t n = 0; n <= bytes + 8; n++) {
        ngi_op_vectors last;
        assert_int_equal(vectors_read(body, n, &last), n == bytes ? NG_OK : NG_E_CORRUPT);
        if (n != bytes)
            continue;
        assert_int_equal(last.slot, 3);
        assert_int_equal(last.count, 3);
        assert_int_equal(last.vectors[1].field, 4);
        assert_int_equal(last.vectors[1].dimensions, 0);
        assert_int_equal(last.vectors[2].dimensions, 5);
        assert_memory_equal(last.vectors[2].floats, vector_values, sizeof vector_values);
    }
}

static void test_vectors_hostile(void **state)
{
    (void)state;
    uint8_t body[256];
    const ngi_op_vectors item = vectors_item(7);
    const struct {
        size_t offset;
        uint32_t value; /* two bytes */
    } damages[] = {
        {12, 0}, {12, 16},   {14, 1},             /* number of vectors */
        {16, 0}, {16, 16},   {16, 4},    {28, 1}, /* field: outside, not ascending */
        {18, 1}, {18, 4097}, {18, 5000},          /* dimensions */
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        ngi_op_vectors last;
        size_t bytes = vectors_body(&item, 1, body);
        ngi_put_u16(body + damages[i].offset, (uint16_t)damages[i].value);
        assert_int_equal(vectors_read(body, bytes, &last), NG_E_CORRUPT);
    }
    ngi_op_vectors one = item, last;
    one.count = 1;
    size_t bytes = vectors_body(&one, 1, body); /* it ends with four zeroes */
    assert_int_equal(vectors_read(body, bytes, &last), NG_OK);
    body[bytes - 1] = 1;
    assert_int_equal(vectors_read(body, bytes, &last), NG_E_CORRUPT);
}

static void test_vectors_merge(void **state)
{
    (void)state;
    const uint8_t *floats = (const uint8_t *)vector_values;
    ngi_op_vectors item = {.slot = 1, .count = 2, .vectors = {{2, 2, floats}, {5, 0, floats}}};
    const ngi_op_vectors before = {
        .slot = 1,
        .count = 4,
        .vectors = {{1, 3, floats}, {2, 0, floats}, {5, 5, floats}, {9, 0, floats}}};
    ngi_op_vectors_merge(&item, &before);
    static const uint32_t wanted[4][2] = {{1, 3}, {2, 2}, {5, 0}, {9, 0}};
    assert_int_equal(item.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(item.vectors[i].field, wanted[i][0]);
        assert_int_equal(item.vectors[i].dimensions, wanted[i][1]);
    }
}

static void test_projection_sizes(void **state)
{
    (void)state;
    size_t bytes = ngi_op_projection_bytes(4, 2);
    uint8_t *body = calloc(1, bytes + 4);
    ngi_put_u32(body, 4);
    ngi_put_u32(body + 4, 2);
    ngi_op_projection decoded;
    for (size_t n = 0; n <= bytes + 4; n++) {
        ngi_op op = op_of(NGI_OP_PROJECTION_PUT, body, n);
        assert_int_equal(ngi_op_projection_decode(&op, &decoded),
                         n == bytes ? NG_OK : NG_E_CORRUPT);
    }
    ngi_put_u32(body, NGI_DIMENSIONS_MAX + 1);
    ngi_op op = op_of(NGI_OP_PROJECTION_PUT, body, bytes);
    assert_int_equal(ngi_op_projection_decode(&op, &decoded), NG_E_CORRUPT);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_round_trip),
        cmocka_unit_test(test_tokens_are_small),
        cmocka_unit_test(test_tokens_are_deterministic),
        cmocka_unit_test(test_tokens_truncated),
        cmocka_unit_test(test_tokens_damaged),
        cmocka_unit_test(test_tokens_hostile),
        cmocka_unit_test(test_parts_round_trip),
        cmocka_unit_test(test_parts_hostile),
        cmocka_unit_test(test_lists_truncated),
        cmocka_unit_test(test_projection_sizes),
        cmocka_unit_test(test_vectors_round_trip),
        cmocka_unit_test(test_vectors_hostile),
        cmocka_unit_test(test_vectors_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
