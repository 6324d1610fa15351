/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* States as streams: what is loaded is what was written, and nothing that no store writes is. */
#include "store/store_snapshot_testing.h"

/* --- streams in memory ----------------------------------------------------------------------- */

typedef struct bytes {
    uint8_t *data;
    size_t bytes, capacity, at;
} bytes;

static ng_status bytes_sink(void *context, const void *data, size_t count)
{
    bytes *b = context;
    if (b->bytes + count > b->capacity) {
        b->capacity = 2 * (b->bytes + count);
        b->data = realloc(b->data, b->capacity);
        assert_non_null(b->data);
    }
    memcpy(b->data + b->bytes, data, count);
    b->bytes += count;
    return NG_OK;
}

static ng_status bytes_source(void *context, void *data, size_t capacity, size_t *count)
{
    bytes *b = context;
    *count = b->bytes - b->at < capacity ? b->bytes - b->at : capacity;
    if (*count > 0)
        memcpy(data, b->data + b->at, *count);
    b->at += *count;
    return NG_OK;
}

static void save_bytes(ng_store *store, bytes *out)
{
    ng_view *view;
    ngi_stream_writer writer = {.sink = bytes_sink, .sink_context = out};
    out->bytes = 0;
    assert_int_equal(ngi_view_open(store, NULL, true, &view), NG_OK);
    assert_int_equal(ngi_snapshot_write(view, &writer, NULL), NG_OK);
    assert_int_equal(ngi_stream_end(&writer), NG_OK);
    ngi_view_close(view);
}

static ng_status load_bytes(ng_store *store, bytes *in)
{
    ngi_stream_head head;
    ngi_stream_reader *reader;
    store_loader *loader = NULL;
    in->at = 0;
    ng_status status = ngi_stream_reader_open(store->mem, bytes_source, in, &head, &reader);
    if (status != NG_OK)
        return status;
    ngi_stream_item item = NGI_ITEM_BLOCK;
    ngi_block block;
    ngi_op op;
    NGI_TRY(ngi_loader_begin(store, &head, &loader));
    for (;;) {
        NGI_TRY(ngi_stream_next(reader, &item, &block, &op));
        if (item != NGI_ITEM_BLOCK)
            break;
        NGI_TRY(ngi_loader_block(loader, &block));
    }
    status = ngi_loader_end(loader);
    loader = NULL;
    if (status == NG_OK)
        status = ngi_wal_begin_after(store->wal, head.state_seq, head.state_time_us);
out:
    ngi_loader_abandon(loader);
    ngi_stream_reader_close(reader);
    return status;
}

static void check_round_trip(fixture *f, ng_store *store)
{
    bytes first = {0}, second = {0};
    save_bytes(store, &first);
    ng_store *twin = empty_twin(f, store);
    ng_status status = load_bytes(twin, &first);
    if (status != NG_OK)
        fail_msg("load: %s", ng_last_error());
    assert_int_equal(hash_of(twin), hash_of(store));
    check_clean(twin);
    assert_int_equal(store_slot_end(twin), store_slot_end(store));
    assert_int_equal(twin->graph.id_end, store->graph.id_end);
    assert_int_equal(twin->active_token_count, store->active_token_count);
    assert_int_equal(twin->active_connection_count, store->active_connection_count);
    assert_int_equal(ngi_vectors_dimensions(twin->vectors), ngi_vectors_dimensions(store->vectors));
    /* The copy has its texts and rows in another order, and is written as the same bytes. */
    save_bytes(twin, &second);
    assert_int_equal(first.bytes, second.bytes);
    assert_memory_equal(first.data, second.data, first.bytes);
    /* And it can be written to. */
    uint64_t seed = 1;
    if (store->dimensions_wanted != NGI_DIMENSIONS_MAX)
        put_tokens(twin, &seed, 3);
    if (twin->token_count > 3)
        put_connections(twin, &seed, 10);
    check_clean(twin);
    assert_int_equal(ngi_store_close(twin), NG_OK);
    free(first.data);
    free(second.data);
}

static void test_round_trips(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    check_round_trip(f, store); /* empty */
    put_tokens(store, &seed, 1);
    check_round_trip(f, store);
    assert_int_equal(ngi_store_token_delete(store, 1, NULL), NG_OK);
    check_round_trip(f, store); /* none left, but a slot was given */
    fill(store, &seed, 200);
    check_round_trip(f, store);
    fill(store, &seed, 40000); /* several blocks of each table */
    check_round_trip(f, store);
    for (uint32_t slot = 1; slot < store_slot_end(store); slot++)
        assert_true(ngi_store_token_delete(store, slot, NULL) != NG_E_INTERNAL);
    assert_int_equal(store->token_count, 0);
    check_round_trip(f, store); /* dimensions without vectors, ids without connections */
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* Vectors and labels of the largest sizes, and labels far apart. */
static void test_largest(void **state)
{
    fixture *f = *state;
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    store->dimensions_wanted = NGI_DIMENSIONS_MAX;
    static float vector[NGI_DIMENSIONS_MAX];
    static char label[NGI_LABEL_BYTES_MAX + 1];
    memset(label, 'x', NGI_LABEL_BYTES_MAX);
    for (int i = 0; i < 1500; i++) {
        char number[16];
        snprintf(number, sizeof number, "%08d", i);
        memcpy(label, number, 8);
        vector[i % NGI_DIMENSIONS_MAX] = (float)i;
        ng_token_fields fields = {.struct_size = sizeof fields};
        if (i % 7 == 0 || i < 1100)
            fields.set |= NG_FIELD_LABEL;
        if (i % 3 == 0)
            fields.set |= NG_FIELD_VECTOR;
        fields.label = label;
        fields.label_bytes = NGI_LABEL_BYTES_MAX;
        fields.vector = vector;
        fields.vector_dimensions = NGI_DIMENSIONS_MAX;
        assert_int_equal(ngi_store_token_put(store, NULL, &fields, 1, NULL, NULL), NG_OK);
    }
    check_round_trip(f, store);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* --- streams that no store writes ------------------------------------------------------------ */

/* Every bit of a small state: refused, and nothing of it is left. */
static void test_every_bit(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    bytes whole = {0};
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    fill(store, &seed, 4);
    save_bytes(store, &whole);
    ng_store *twin = empty_twin(f, store);
    for (size_t at = 0; at < whole.bytes; at++) {
        uint8_t bit = (uint8_t)(1u << testing_below(&seed, 8));
        whole.data[at] ^= bit;
        ng_status status = load_bytes(twin, &whole);
        if (status != (at < 8 ? NG_E_FORMAT : NG_E_CORRUPT))
            fail_msg("byte %zu: %s", at, ng_status_name(status));
        assert_int_equal(twin->token_count, 0);
        assert_int_equal(store_slot_end(twin), 1);
        assert_int_equal(ngi_store_reset_tables(twin), NG_OK);
        whole.data[at] ^= bit;
    }
    size_t all = whole.bytes;
    for (size_t cut = 0; cut < all; cut += 1 + testing_below(&seed, 9)) {
        whole.bytes = cut;
        assert_int_equal(load_bytes(twin, &whole), cut < 8 ? NG_E_FORMAT : NG_E_CORRUPT);
        assert_int_equal(ngi_store_reset_tables(twin), NG_OK);
    }
    whole.bytes = all;
    assert_int_equal(load_bytes(twin, &whole), NG_OK);
    assert_int_equal(hash_of(twin), hash_of(store));
    assert_int_equal(ngi_store_close(twin), NG_OK);
    assert_int_equal(ngi_store_close(store), NG_OK);
    free(whole.data);
}

/* Rewrites a stream with right checksums, changed on the way by `change`: 0 = drop the block, 1 =
 * keep it, 2 = write it twice. */
typedef int (*block_change)(ngi_block *block, uint8_t *payload, ngi_stream_head *head, int way);

static void rewrite(const bytes *in, bytes *out, block_change change, int way)
{
    ngi_stream_head head;
    ngi_stream_writer writer;
    assert_int_equal(ngi_stream_head_decode(in->data, &head), NG_OK);
    (void)change(NULL, NULL, &head, way);
    out->bytes = 0;
    assert_int_equal(ngi_stream_begin(&writer, &head, bytes_sink, out), NG_OK);
    for (size_t at = NGI_STREAM_HEAD_BYTES;;) {
        ngi_block block;
        uint32_t crc;
        if (!ngi_block_header_decode(in->data + at, &block, &crc))
            break;
        at += (size_t)ngi_block_stride(block.bytes);
        uint8_t *payload = calloc(1, NGI_STREAM_BLOCK_BYTES);
        memcpy(payload, in->data + at - (ngi_block_stride(block.bytes) - NGI_BLOCK_HEADER_BYTES),
               block.bytes);
        block.payload = payload;
        for (int times = change(&block, payload, &head, way); times > 0; times--)
            assert_int_equal(ngi_stream_block(&writer, &block), NG_OK);
        free(payload);
    }
    assert_int_equal(ngi_stream_end(&writer), NG_OK);
}

/* Drops (way 1..8) or doubles (9..16) the blocks of one kind, or moves what they say (17..24). */
static int change_blocks(ngi_block *block, uint8_t *payload, ngi_stream_head *head, int way)
{
    (void)payload;
    (void)head;
    if (block == NULL || block->kind != (way - 1) % 8 + 1)
        return 1;
    if (way <= 8)
        return 0;
    if (way <= 16)
        return 2;
    block->first += 1;
    return 1;
}

/* What stands in a payload. Slots 1, 2 and 4 are live, 3 is deleted, see test_hostile_payloads. */
static int change_payload(ngi_block *block, uint8_t *payload, ngi_stream_head *head, int way)
{
    enum { T = NGI_BLOCK_TOKENS, S, L, V, N, C, D, P };
    static const struct {
        int kind;
        size_t offset;
        size_t bytes;
        uint64_t value;
    } cases[] = {
        {T, 64 + 48, 4, 2},          /* slot 1 says that it is 2 */
        {T, 0, 1, 1},                /* slot 0 is not empty */
        {T, 3 * 64 + 63, 1, 1},      /* an empty slot is not all zero */
        {T, 3 * 64 + 48, 4, 3},      /* a token that the counts do not know */
        {T, 2 * 64 + 48, 4, 0},      /* one that says it is not there */
        {T, 64 + 54, 4, 0x7FC00000}, /* weight NaN */
        {T, 64 + 0, 2, 0x8000},      /* present on one axis only */
        {S, 16 + 12, 4, 5},          /* unknown collection */
        {S, 16 + 12, 4, UINT32_MAX},
        {S, 16 + 8, 4, 0}, /* version 0 */
        {S, 3 * 16, 8, 1}, /* of a deleted token */
        {S, 0, 1, 1},
        {L, 2 * 1, 2, 3}, /* lengths that are not those of the texts */
        {L, 2 * 1, 2, 1025},
        {L, 2 * 3, 2, 1},     /* of a deleted token; one byte too many */
        {L, 10 + 1, 1, 0x07}, /* a control code */
        {L, 10 + 1, 1, 0xFF}, /* not UTF-8 */
        {V, 0, 4, 3},         /* of a deleted token */
        {V, 0, 4, 4},         /* twice, not ascending */
        {V, 0, 4, 0},
        {V, 0, 4, 1u << 30},
        {V, 4, 4, 9},
        {V, 8, 4, 0x7F800000}, /* infinite */
        {N, 64 + 0, 4, 3},     /* from a deleted token */
        {N, 64 + 4, 4, 3},     /* to one */
        {N, 64 + 4, 4, 0},
        {N, 64 + 4, 4, 1u << 31},
        {N, 64 + 0, 4, 2},   /* to itself */
        {N, 64 + 0, 4, 0},   /* says that it is not there, and is not zero */
        {N, 0, 4, 1},        /* connection 0 */
        {N, 64 + 8, 1, 200}, /* unknown type */
        {C, 4, 1, 'R'},      /* not the name that collection 0 has */
        {C, 0, 4, 0},
        {C, 0, 4, 65},
        {C, 0, 4, UINT32_MAX},
        {C, 0, 4, 8}, /* the next name begins in the middle */
        {D, 0, 1, 0},
        {D, 100, 1, 0xFF},
        {P, 0, 4, 6}, /* dimensions */
        {P, 0, 4, 0},
        {P, 4, 4, 25},
        {P, 4, 4, 6},
        {P, 216, 4, 0x7FC00000},         /* mean NaN */
        {P, 216 + 7 * 4, 4, 0xFF800000}, /* a component that is infinite */
    };
    if (way >= (int)(sizeof cases / sizeof *cases))
        return -1;
    (void)head;
    if (block == NULL || block->kind != cases[way].kind)
        return 1;
    assert_true(cases[way].offset + cases[way].bytes <= block->bytes);
    for (size_t i = 0; i < cases[way].bytes; i++)
        payload[cases[way].offset + i] = (uint8_t)(cases[way].value >> (8 * i));
    return 1;
}

/* Heads that disagree with the blocks. */
static int change_head(ngi_block *block, uint8_t *payload, ngi_stream_head *head, int way)
{
    (void)payload;
    if (block != NULL)
        return 1;
    switch (way) {
    case 0:
        head->slot_end++;
        return 1;
    case 1:
        head->id_end++;
        return 1;
    case 2:
        head->token_count--;
        head->vector_count--;
        head->label_count--;
        return 1;
    case 3:
        head->connection_count--;
        return 1;
    case 4:
        head->label_count--;
        return 1;
    case 5:
        head->vector_count--;
        return 1;
    case 6:
        head->collection_count++;
        return 1;
    case 7:
        head->collection_count--;
        return 1;
    case 8:
        head->dimensions++;
        return 1;
    case 9:
        head->slot_end = 1000000;
        return 1;
    default:
        return -1;
    }
}

static size_t check_refused(fixture *f, ng_store *store, const bytes *good, block_change change,
                            int first, int end)
{
    bytes bad = {0};
    ng_store *twin = empty_twin(f, store);
    int way = first;
    for (; way < end; way++) {
        ngi_stream_head head = {0};
        if (change(NULL, NULL, &head, way) < 0)
            break;
        rewrite(good, &bad, change, way);
        if (bad.bytes == good->bytes && memcmp(bad.data, good->data, bad.bytes) == 0)
            continue; /* it has no block of that kind */
        ng_status status = load_bytes(twin, &bad);
        if (status != NG_E_CORRUPT)
            fail_msg("way %d: %s", way, ng_status_name(status));
        assert_int_equal(twin->token_count, 0);
        assert_int_equal(ngi_store_reset_tables(twin), NG_OK);
    }
    assert_int_equal(ngi_store_close(twin), NG_OK);
    free(bad.data);
    return (size_t)(way - first);
}

static void test_hostile_payloads(void **state)
{
    fixture *f = *state;
    bytes good = {0};
    ng_store *store = open_store(f, NG_OPEN_MANUAL);
    ng_collection_id collection;
    const float vector[SNAPSHOT_DIMENSIONS] = {1, 2, 3, 4, 5};
    assert_int_equal(ngi_store_collection_create(store, "third", NULL, &collection), NG_OK);
    for (int i = 0; i < 4; i++) {
        ng_token_fields fields = {.struct_size = sizeof fields,
                                  .set = i == 0 || i == 3 ? NG_FIELD_LABEL | NG_FIELD_VECTOR : 0,
                                  .spaces_set = 1,
                                  .label = i == 0 ? "ab" : "cd",
                                  .label_bytes = 2,
                                  .vector = vector,
                                  .vector_dimensions = SNAPSHOT_DIMENSIONS};
        assert_int_equal(ngi_store_token_put(store, NULL, &fields, 1, NULL, NULL), NG_OK);
    }
    for (int i = 0; i < 2; i++) {
        ng_connection_fields fields = {.struct_size = sizeof fields,
                                       .source = i == 0 ? 1 : 4,
                                       .target = 2};
        assert_int_equal(ngi_store_connection_put(store, &fields, 1, 0, 0, NULL, NULL, NULL),
                         NG_OK);
    }
    put_projection(store);
    assert_int_equal(ngi_store_token_delete(store, 3, NULL), NG_OK);
    save_bytes(store, &good);
    assert_int_equal(check_refused(f, store, &good, change_blocks, 1, 8), 7);
    assert_int_equal(check_refused(f, store, &good, change_blocks, 9, 25), 16);
    assert_true(check_refused(f, store, &good, change_payload, 0, 1000) > 40);
    assert_int_equal(check_refused(f, store, &good, change_head, 0, 1000), 10);
    /* A label that two tokens of one collection have. */
    bytes twice = {0};
    rewrite(&good, &twice, change_blocks, 0);
    for (size_t at = 0; at + 4 <= good.bytes; at++)
        if (memcmp(good.data + at, "abcd", 4) == 0)
            memcpy(good.data + at, "abab", 4);
    /* The checksum is wrong now; putting the blocks together again makes it right. */
    bytes fixed = {0};
    rewrite(&good, &fixed, change_blocks, 0);
    ng_store *twin = empty_twin(f, store);
    assert_int_equal(load_bytes(twin, &fixed), NG_E_CORRUPT);
    assert_int_equal(ngi_store_close(twin), NG_OK);
    /* More than the store may hold is a limit, not damage. */
    twin = empty_twin(f, store);
    twin->max_tokens = 3;
    assert_int_equal(load_bytes(twin, &twice), NG_E_LIMIT);
    twin->max_tokens = 4;
    twin->max_connections = 1;
    assert_int_equal(load_bytes(twin, &twice), NG_E_LIMIT);
    twin->max_connections = 2;
    assert_int_equal(load_bytes(twin, &twice), NG_OK);
    assert_int_equal(hash_of(twin), hash_of(store));
    assert_int_equal(ngi_store_close(twin), NG_OK);
    assert_int_equal(ngi_store_close(store), NG_OK);
    free(good.data);
    free(twice.data);
    free(fixed.data);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trips),
        TEST(test_largest),
        TEST(test_every_bit),
        TEST(test_hostile_payloads),
    };
    return cmocka_run_group_tests_name("store_snapshot", tests, NULL, NULL);
}
