/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Ops that come from elsewhere: each is refused whole, or applied to a state that verifies. */
#include "store/store_txn_testing.h"

#include <math.h>

/* An op being written: parts of lists. */
typedef struct draft {
    uint8_t body[1 << 16];
    uint8_t *part; /* body of the part being written */
    uint8_t *at;
    uint32_t item_count, part_count;
    uint32_t dimensions;
} draft;

static void draft_begin(draft *d)
{
    memset(d, 0, sizeof *d);
    d->part = ngi_op_parts_begin(d->body);
    d->at = d->part + NGI_OP_LIST_HEADER;
}

static void draft_end_part(draft *d, ngi_op_kind kind)
{
    ngi_op_list_encode(d->part, d->item_count, d->dimensions);
    d->part = ngi_op_part_end(d->part, kind, (size_t)(d->at - d->part));
    d->at = d->part + NGI_OP_LIST_HEADER;
    d->item_count = d->dimensions = 0;
    d->part_count++;
}

static void draft_number(draft *d, uint32_t number)
{
    ngi_put_u32(d->at, number);
    d->at += 4;
    d->item_count++;
}

static void draft_token(draft *d, uint32_t slot, const char *label)
{
    ngi_op_token token = {.version = 1, .label_bytes = NGI_OP_LABEL_KEEP};
    ngi_token_default(&token.record, slot, 0);
    if (label != NULL) {
        token.label = label;
        token.label_bytes = (uint16_t)strlen(label);
    }
    d->at = ngi_op_token_encode(d->at, &token, NULL, 0);
    d->item_count++;
}

static void draft_vector(draft *d, uint32_t slot, const float *floats, uint32_t dimensions)
{
    ngi_op_token token = {.version = 1, .label_bytes = NGI_OP_LABEL_KEEP, .vector = NGI_VECTOR_SET};
    ngi_token_default(&token.record, slot, 0);
    d->dimensions = dimensions;
    d->at = ngi_op_token_encode(d->at, &token, floats, dimensions);
    d->item_count++;
}

static void draft_link(draft *d, uint32_t id, uint32_t source, uint32_t target)
{
    const ng_connection record = {
        .source = source, .target = target, .preferred_distance = 1, .confidence = 255, .type = 3};
    d->at = ngi_op_connection_encode(d->at, id, &record);
    d->item_count++;
}

/* The op of all parts, or, if there is only one, of its kind. */
static ngi_op draft_op(txn_fixture *f, draft *d)
{
    ngi_op op = {.seq = txn_seq(f) + 1, .time_us = 1};
    ngi_op whole = {.kind = NGI_OP_TRANSACTION, .body = d->body};
    whole.body_bytes = (uint32_t)ngi_op_parts_end(d->body, d->part_count, d->part);
    ngi_op_parts parts;
    if (d->part_count == 1 && ngi_op_parts_decode(&whole, &parts) == NG_OK)
        whole = parts.part[0];
    whole.seq = op.seq;
    whole.time_us = op.time_us;
    return whole;
}

static ng_status draft_offer(txn_fixture *f, draft *d)
{
    ngi_op op = draft_op(f, d);
    return ngi_store_apply_stamped(f->store, &op);
}

static void expect_refused(txn_fixture *f, draft *d, const char *message)
{
    uint64_t hash = txn_hash(f);
    assert_int_equal(draft_offer(f, d), NG_E_CORRUPT);
    assert_string_equal(ng_last_error(), message);
    assert_true(txn_hash(f) == hash);
}

/* Tokens 1 "a", 2 "b", 3 "c", 4; connection 1 from 1 to 2, 2 from 3 to 4. */
static void prepare_open(txn_fixture *f, const ng_open_options *options)
{
    txn_open(f, NULL, options);
    txn_create(f, NULL, "a");
    txn_create(f, NULL, "b");
    txn_create(f, NULL, "c");
    txn_create(f, NULL, NULL);
    txn_connect(f, NULL, 1, 2);
    txn_connect(f, NULL, 3, 4);
}

static int prepare_set_up(void **state)
{
    txn_fixture *f = malloc(sizeof *f);
    prepare_open(f, NULL);
    *state = f;
    return 0;
}

static void test_parts_see_each_other(void **state)
{
    txn_fixture *f = *state;
    draft d;
    draft_begin(&d);
    draft_number(&d, 1);
    draft_end_part(&d, NGI_OP_CONNECTIONS_DELETE);
    draft_number(&d, 3);
    draft_end_part(&d, NGI_OP_TOKENS_DELETE);
    draft_token(&d, 9, "c"); /* of the one deleted */
    draft_token(&d, 2, "a"); /* these two exchange theirs */
    draft_token(&d, 1, "b");
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    draft_link(&d, 7, 9, 1); /* from the one put, as a gap, and back in order */
    draft_link(&d, 5, 1, 2);
    draft_end_part(&d, NGI_OP_CONNECTIONS_PUT);
    assert_int_equal(draft_offer(f, &d), NG_OK);
    txn_check(f);
    assert_int_equal(txn_holder(f, "a"), 2);
    assert_int_equal(txn_holder(f, "b"), 1);
    assert_int_equal(txn_holder(f, "c"), 9);
    ng_connection record;
    assert_int_equal(ngi_store_connection_get(f->store, 1, &record), NG_E_NOT_FOUND);
    assert_int_equal(ngi_store_connection_get(f->store, 2, &record), NG_E_NOT_FOUND);
    assert_int_equal(ngi_store_connection_get(f->store, 7, &record), NG_OK);
    ng_edge edges[4];
    size_t count;
    assert_int_equal(ngi_store_token_connections(f->store, 1, NULL, edges, 4, &count), NG_OK);
    assert_int_equal(count, 2);
    /* What is given next lies behind the gap. */
    assert_int_equal(txn_create(f, NULL, NULL), 10);
    assert_int_equal(txn_connect(f, NULL, 1, 10), 8);
}

static void test_tokens_that_do_not_fit(void **state)
{
    txn_fixture *f = *state;
    draft d;
    draft_begin(&d);
    draft_token(&d, 5, NULL);
    draft_token(&d, 6, NULL);
    draft_token(&d, 5, NULL);
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    expect_refused(f, &d, "op does not fit the state: slot given twice 5");
    draft_begin(&d);
    draft_token(&d, 1, "x");
    draft_token(&d, 1, "y");
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    expect_refused(f, &d, "op does not fit the state: slot given twice 1");
    draft_begin(&d);
    draft_token(&d, 5, "x");
    draft_token(&d, 6, "x");
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    expect_refused(f, &d, "op does not fit the state: label given twice, also to slot 6");
    draft_begin(&d);
    draft_token(&d, 5, "a");
    draft_token(&d, 1, NULL); /* which keeps it */
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    expect_refused(f, &d, "op does not fit the state: label of slot 1");
    draft_begin(&d);
    draft_token(&d, 5, "\x01");
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    expect_refused(f, &d, "op does not fit the state: label has the control code U+0001 at byte 0");
    draft_begin(&d);
    draft_number(&d, 1);
    draft_end_part(&d, NGI_OP_TOKENS_DELETE);
    draft_token(&d, 1, NULL);
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    expect_refused(f, &d, "op does not fit the state: both deleted and put: slot 1");
    draft_begin(&d);
    draft_number(&d, 1);
    draft_number(&d, 1);
    draft_end_part(&d, NGI_OP_TOKENS_DELETE);
    draft_token(&d, 5, NULL);
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    expect_refused(f, &d, "op does not fit the state: deleted twice: slot 1");
    draft_begin(&d);
    draft_token(&d, 5, NULL);
    ngi_put_u32(d.part + NGI_OP_LIST_HEADER + 8, 0);
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    expect_refused(f, &d, "op does not fit the state: version 0");
}

static void test_connections_that_do_not_fit(void **state)
{
    txn_fixture *f = *state;
    draft d;
    draft_begin(&d);
    draft_number(&d, 1);
    draft_end_part(&d, NGI_OP_TOKENS_DELETE);
    draft_link(&d, 3, 1, 2);
    draft_end_part(&d, NGI_OP_CONNECTIONS_PUT);
    expect_refused(f, &d, "op does not fit the state: ends of connection 3");
    draft_begin(&d);
    draft_token(&d, 5, NULL);
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    draft_link(&d, 3, 5, 6);
    draft_end_part(&d, NGI_OP_CONNECTIONS_PUT);
    expect_refused(f, &d, "op does not fit the state: ends of connection 3");
    draft_begin(&d);
    draft_link(&d, 3, 5, 1);
    draft_end_part(&d, NGI_OP_CONNECTIONS_PUT);
    expect_refused(f, &d, "op does not fit the state: ends of connection 3");
    draft_begin(&d);
    draft_link(&d, 3, UINT32_MAX, 1);
    draft_end_part(&d, NGI_OP_CONNECTIONS_PUT);
    expect_refused(f, &d, "op does not fit the state: ends of connection 3");
    draft_begin(&d);
    draft_link(&d, 4, 1, 3);
    draft_link(&d, 4, 1, 4);
    draft_end_part(&d, NGI_OP_CONNECTIONS_PUT);
    expect_refused(f, &d, "op does not fit the state: connection given twice 4");
    draft_begin(&d);
    draft_link(&d, 1, 1, 3); /* there already, with other ends */
    draft_end_part(&d, NGI_OP_CONNECTIONS_PUT);
    expect_refused(f, &d, "op does not fit the state: connection 1");
    draft_begin(&d);
    draft_link(&d, 0, 1, 3);
    draft_end_part(&d, NGI_OP_CONNECTIONS_PUT);
    expect_refused(f, &d, "op does not fit the state: connection 0");
    draft_begin(&d);
    draft_number(&d, 1);
    draft_end_part(&d, NGI_OP_CONNECTIONS_DELETE);
    draft_link(&d, 1, 1, 2);
    draft_end_part(&d, NGI_OP_CONNECTIONS_PUT);
    expect_refused(f, &d, "op does not fit the state: both deleted and put: connection 1");
    draft_begin(&d);
    draft_number(&d, 2);
    draft_number(&d, 2);
    draft_end_part(&d, NGI_OP_CONNECTIONS_DELETE);
    draft_number(&d, 1);
    draft_end_part(&d, NGI_OP_TOKENS_DELETE);
    expect_refused(f, &d, "op does not fit the state: deleted twice: connection 2");
    draft_begin(&d);
    draft_number(&d, 3);
    draft_end_part(&d, NGI_OP_CONNECTIONS_DELETE);
    expect_refused(f, &d, "op does not fit the state: connection 3");
    draft_begin(&d);
    draft_link(&d, NGI_CONNECTIONS_MAX_DEFAULT + 1, 1, 3);
    draft_end_part(&d, NGI_OP_CONNECTIONS_PUT);
    assert_int_equal(draft_offer(f, &d), NG_E_LIMIT);
}

static void test_numbers_that_are_not(void **state)
{
    txn_fixture *f = *state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    draft d;
    for (int i = 0; i < 3; i++) {
        const float floats[] = {1, 2, bad[i]};
        draft_begin(&d);
        draft_vector(&d, 5, floats, 3);
        draft_end_part(&d, NGI_OP_TOKENS_PUT);
        expect_refused(f, &d, "op does not fit the state: vector[2] is not finite");
    }
    assert_int_equal(ngi_vectors_dimensions(f->store->vectors), 0);
    const float floats[] = {1, 2, 3};
    draft_begin(&d);
    draft_vector(&d, 5, floats, 3);
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    assert_int_equal(draft_offer(f, &d), NG_OK);
    draft_begin(&d);
    draft_vector(&d, 6, floats, 2);
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    assert_int_equal(draft_offer(f, &d), NG_E_INVALID); /* other dimensions */

    size_t bytes = ngi_op_projection_bytes(3, 1);
    uint8_t *body = calloc(1, bytes);
    ngi_put_u32(body, 3);
    ngi_put_u32(body + 4, 1);
    ngi_put_f32(body + NGI_OP_PROJECTION_HEADER + 4, NAN);
    ngi_op op = {.kind = NGI_OP_PROJECTION_PUT,
                 .body = body,
                 .body_bytes = (uint32_t)bytes,
                 .seq = txn_seq(f) + 1};
    assert_int_equal(ngi_store_apply_stamped(f->store, &op), NG_E_CORRUPT);
    free(body);
}

static ng_status offer_collection(txn_fixture *f, uint32_t id, const char *name, size_t bytes)
{
    uint8_t body[256];
    ngi_put_u32(body, id);
    ngi_put_u32(body + 4, (uint32_t)bytes);
    memcpy(body + 8, name, bytes);
    ngi_op op = {.kind = NGI_OP_COLLECTION_PUT,
                 .body = body,
                 .body_bytes = 8 + (uint32_t)bytes,
                 .seq = txn_seq(f) + 1};
    return ngi_store_apply_stamped(f->store, &op);
}

static void test_collection_names(void **state)
{
    txn_fixture *f = *state;
    char longest[NGI_COLLECTION_NAME_MAX + 1];
    memset(longest, 'z', sizeof longest);
    assert_int_equal(offer_collection(f, 2, "", 0), NG_E_CORRUPT);
    assert_int_equal(offer_collection(f, 2, "Upper", 5), NG_E_CORRUPT);
    assert_int_equal(offer_collection(f, 2, "nul\0byte", 8), NG_E_CORRUPT);
    assert_int_equal(offer_collection(f, 2, "../up", 5), NG_E_CORRUPT);
    assert_int_equal(offer_collection(f, 2, longest, sizeof longest), NG_E_CORRUPT);
    assert_int_equal(offer_collection(f, 2, "runtime", 7), NG_E_CORRUPT); /* there already */
    assert_int_equal(offer_collection(f, 3, "third", 5), NG_E_CORRUPT);   /* a gap */
    assert_int_equal(offer_collection(f, 2, "run", 3), NG_OK);
    assert_int_equal(offer_collection(f, 3, longest, sizeof longest - 1), NG_OK);
}

/* A drop as another store might have made it: `claimed` of the slots in `slots`. */
static ng_status offer_drop(txn_fixture *f, uint32_t id, uint32_t claimed, const uint32_t *slots,
                            uint32_t count)
{
    uint8_t body[64];
    ngi_op_list_encode(body, id, claimed);
    for (uint32_t i = 0; i < count; i++)
        ngi_put_u32(body + NGI_OP_LIST_HEADER + 4 * (size_t)i, slots[i]);
    ngi_op op = {.kind = NGI_OP_COLLECTION_DROP,
                 .body = body,
                 .body_bytes = NGI_OP_LIST_HEADER + 4 * count,
                 .seq = txn_seq(f) + 1};
    return ngi_store_apply_stamped(f->store, &op);
}

static void test_collection_drops(void **state)
{
    txn_fixture *f = *state;
    ng_token_fields fields = {.struct_size = sizeof fields};
    ng_token_id ids[3];
    assert_int_equal(offer_collection(f, 2, "two", 3), NG_OK);
    for (uint32_t i = 0; i < 3; i++) {
        fields.collection = i == 1 ? 0 : 2;
        assert_int_equal(ngi_store_token_put(f->store, NULL, &fields, 1, NULL, &ids[i]), NG_OK);
    }
    const uint32_t first = (uint32_t)ids[0], last = (uint32_t)ids[2];
    const uint32_t right[] = {first, last}, swapped[] = {last, first}, twice[] = {first, first},
                   other[] = {first, (uint32_t)ids[1]};
    uint64_t tokens = f->store->token_count;
    ng_seq before = txn_seq(f);
    assert_int_equal(offer_drop(f, 2, 1, right, 2), NG_E_CORRUPT); /* another number of bytes */
    assert_int_equal(offer_drop(f, 2, 3, right, 2), NG_E_CORRUPT);
    assert_int_equal(offer_drop(f, 2, 1, right, 1), NG_E_CORRUPT); /* not all */
    assert_int_equal(offer_drop(f, 2, 0, NULL, 0), NG_E_CORRUPT);
    assert_int_equal(offer_drop(f, 2, 2, swapped, 2), NG_E_CORRUPT);
    assert_int_equal(offer_drop(f, 2, 2, twice, 2), NG_E_CORRUPT);
    assert_int_equal(offer_drop(f, 2, 2, other, 2), NG_E_CORRUPT); /* of another collection */
    assert_int_equal(offer_drop(f, 3, 0, NULL, 0), NG_E_CORRUPT);
    assert_int_equal(offer_drop(f, 1, 0, NULL, 0), NG_E_CORRUPT); /* part of every store */
    assert_int_equal(offer_drop(f, UINT32_MAX, UINT32_MAX, NULL, 0), NG_E_CORRUPT);
    assert_int_equal(txn_seq(f), before);
    assert_int_equal(offer_drop(f, 2, 2, right, 2), NG_OK);
    assert_int_equal(offer_drop(f, 2, 0, NULL, 0), NG_E_CORRUPT); /* has gone */
    assert_int_equal(f->store->token_count, tokens - 2);
    assert_int_equal(offer_collection(f, 2, "again", 5), NG_OK); /* its number is free */
    assert_int_equal(offer_collection(f, 2, "more", 4), NG_E_CORRUPT);
}

/* --- random ops ------------------------------------------------------------------------------ */

static uint32_t random_slot(uint64_t *seed)
{
    return testing_below(seed, 10);
}

static void random_part(uint64_t *seed, draft *d, ngi_op_kind kind)
{
    static const char *const labels[] = {NULL, "a", "b", "c", "d", "e"};
    static const float floats[] = {1, -2, 3};
    uint32_t count = 1 + testing_below(seed, 3);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = testing_below(seed, 8);
        if (kind == NGI_OP_TOKENS_PUT && testing_below(seed, 4) == 0)
            draft_vector(d, random_slot(seed), floats, 3);
        else if (kind == NGI_OP_TOKENS_PUT)
            draft_token(d, random_slot(seed), labels[testing_below(seed, 6)]);
        else if (kind == NGI_OP_CONNECTIONS_PUT)
            draft_link(d, id, random_slot(seed), random_slot(seed));
        else
            draft_number(d, kind == NGI_OP_TOKENS_DELETE ? random_slot(seed) : id);
    }
    if (kind == NGI_OP_TOKENS_PUT)
        d->dimensions = 3;
    draft_end_part(d, kind);
}

static void random_draft(uint64_t *seed, draft *d)
{
    static const ngi_op_kind kinds[] = {NGI_OP_CONNECTIONS_DELETE, NGI_OP_TOKENS_DELETE,
                                        NGI_OP_TOKENS_PUT, NGI_OP_CONNECTIONS_PUT};
    draft_begin(d);
    do {
        for (int i = 0; i < 4; i++) {
            if (testing_below(seed, 2) == 0)
                random_part(seed, d, kinds[i]);
        }
    } while (d->part_count == 0);
    if (testing_below(seed, 8) == 0) { /* damaged as well */
        size_t bytes = (size_t)(d->part - d->body);
        d->body[testing_below(seed, (uint32_t)bytes)] ^= (uint8_t)(1u << testing_below(seed, 8));
    }
}

/* Nearly anything is offered; what is taken must leave a state that verifies, what is refused must
 * leave the one before. */
static void test_random_ops(void **state)
{
    (void)state;
    /* Small, so that a damaged slot does not make the state long to verify. */
    const ng_open_options options = {.struct_size = sizeof options,
                                     .max_tokens = 40,
                                     .max_connections = 40};
    txn_fixture fixture;
    txn_fixture *f = &fixture;
    prepare_open(f, &options);
    uint64_t seed = testing_seed("random_ops");
    static draft d;
    int taken = 0;
    uint64_t hash = txn_hash(f);
    for (int round = 0; round < 3000; round++) {
        random_draft(&seed, &d);
        ng_status status = draft_offer(f, &d);
        assert_true(status == NG_OK || status == NG_E_CORRUPT || status == NG_E_LIMIT ||
                    status == NG_E_INVALID);
        if (status == NG_OK) {
            taken++;
            txn_check(f);
            hash = txn_hash(f);
        } else {
            assert_true(txn_hash(f) == hash);
        }
    }
    assert_true(taken > 150);
    txn_close(f);
}

/* Memory that runs out in the middle of preparing leaves no trace. */
static void test_memory_fails(void **state)
{
    txn_fixture *f = *state;
    draft d;
    const float floats[] = {1, 2, 3};
    draft_begin(&d);
    draft_number(&d, 1);
    draft_end_part(&d, NGI_OP_CONNECTIONS_DELETE);
    draft_number(&d, 3);
    draft_end_part(&d, NGI_OP_TOKENS_DELETE);
    draft_token(&d, 70000, "c");
    draft_vector(&d, 9, floats, 3);
    draft_end_part(&d, NGI_OP_TOKENS_PUT);
    draft_link(&d, 70000, 70000, 1);
    draft_link(&d, 3, 9, 1);
    draft_end_part(&d, NGI_OP_CONNECTIONS_PUT);
    uint64_t hash = txn_hash(f);
    ng_status status = NG_E_NOMEM;
    for (size_t n = 1; status != NG_OK; n++) {
        f->memory.request_count = 0;
        f->memory.fail_at = n;
        status = draft_offer(f, &d);
        f->memory.fail_at = 0;
        assert_true(status == NG_OK || status == NG_E_NOMEM);
        if (status == NG_OK)
            break;
        assert_true(txn_hash(f) == hash);
        assert_int_equal(ngi_vectors_dimensions(f->store->vectors), 0);
        assert_true(n < 100);
    }
    assert_int_equal(txn_holder(f, "c"), 70000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, prepare_set_up, txn_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_parts_see_each_other),
        T(test_tokens_that_do_not_fit),
        T(test_connections_that_do_not_fit),
        T(test_numbers_that_are_not),
        T(test_collection_names),
        T(test_collection_drops),
        cmocka_unit_test(test_random_ops),
        T(test_memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
