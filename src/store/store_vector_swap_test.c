/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Exchanges of vector fields that come from elsewhere: one that does not fit the state is refused whole. */
#include "store/store_txn_testing.h"
#include "store/store_vector_swap.h"

#include <math.h>

#define FIELD 1u
#define DOT 2u
#define OTHER 3u

typedef struct swap_draft {
    uint8_t body[4096];
    uint32_t bytes;
} swap_draft;

static void make_field(txn_fixture *f, const char *name, uint32_t dimensions,
                       ng_vector_metric metric)
{
    const ng_vector_field_options options = {.struct_size = sizeof options,
                                             .dimensions = dimensions,
                                             .metric = metric};
    ng_vector_field_id id;
    assert_int_equal(ngi_store_vector_field_create(f->store, name, &options, NULL, &id), NG_OK);
}

static void put_vector(txn_fixture *f, uint32_t dimensions)
{
    const float values[4] = {1, 2, 3, 4};
    const ng_token_id id = 1;
    const ng_token_fields fields = {.struct_size = sizeof fields,
                                    .set = NG_FIELD_VECTOR,
                                    .vector = values,
                                    .vector_dimensions = dimensions};
    assert_int_equal(ngi_store_token_put(f->store, &id, &fields, 1, NULL, NULL), NG_OK);
}

static int set_up(void **state)
{
    txn_fixture *f = malloc(sizeof *f);
    assert_non_null(f);
    txn_open(f, NULL, NULL);
    txn_create(f, NULL, "a");
    make_field(f, "new", 2, NG_VECTOR_COSINE);
    make_field(f, "dot", 2, NG_VECTOR_DOT);
    make_field(f, "other", 2, NG_VECTOR_COSINE);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    txn_fixture *f = *state;
    txn_close(f);
    free(f);
    return 0;
}

/* The op with this name, and a projection of so many dimensions with one component; 0 = none. */
static swap_draft draft(uint32_t id, const char *name, uint32_t dimensions)
{
    float numbers[8] = {0.5f, 1, 1, 0};
    const ngi_projection projection = {.dimensions = dimensions,
                                       .component_count = 1,
                                       .vector_count = 1,
                                       .mean = numbers,
                                       .components = numbers + dimensions};
    swap_draft d = {0};
    size_t bytes = strlen(name), padded = (bytes + 7) / 8 * 8;
    size_t rest = dimensions != 0 ? ngi_op_projection_bytes(dimensions, 1) : 0;
    ngi_put_u32(d.body, id);
    ngi_put_u32(d.body + 4, (uint32_t)bytes);
    ngi_put_u32(d.body + 8, (uint32_t)rest);
    memcpy(d.body + STORE_SWAP_FIXED, name, bytes);
    if (dimensions != 0)
        ngi_projection_encode(&projection, d.body + STORE_SWAP_FIXED + padded);
    d.bytes = (uint32_t)(STORE_SWAP_FIXED + padded + rest);
    return d;
}

static ng_status offer(txn_fixture *f, const swap_draft *d)
{
    const ngi_op op = {.kind = NGI_OP_VECTOR_FIELD_SWAP,
                       .seq = txn_seq(f) + 1,
                       .time_us = 1,
                       .body = d->body,
                       .body_bytes = d->bytes};
    return ngi_store_apply_stamped(f->store, &op);
}

static void refused(txn_fixture *f, const swap_draft *d, const char *message)
{
    uint64_t hash = txn_hash(f);
    assert_int_equal(offer(f, d), NG_E_CORRUPT);
    assert_non_null(strstr(ng_last_error(), message));
    assert_true(txn_hash(f) == hash);
}

static void test_malformed(void **state)
{
    txn_fixture *f = *state;
    swap_draft d;
    put_vector(f, 4);
    for (uint32_t bytes = 0; bytes < draft(FIELD, "old", 2).bytes; bytes++) {
        d = draft(FIELD, "old", 2);
        d.bytes = bytes;
        refused(f, &d, "malformed op");
    }
    d = draft(FIELD, "old", 0);
    d.bytes += 8;
    refused(f, &d, "malformed op: length");
    d = draft(FIELD, "old", 0);
    ngi_put_u32(d.body + 12, 1);
    refused(f, &d, "malformed op");
    d = draft(FIELD, "old", 0);
    d.body[STORE_SWAP_FIXED + 3] = 1;
    refused(f, &d, "padding");
    d = draft(FIELD, "old", 0);
    ngi_put_u32(d.body + 4, 65);
    refused(f, &d, "malformed op");
    d = draft(FIELD, "old", 2); /* infinite */
    ngi_put_u32(d.body + d.bytes - 4, 0x7F800000u);
    refused(f, &d, "finite");
}

static void test_does_not_fit(void **state)
{
    txn_fixture *f = *state;
    swap_draft d = draft(FIELD, "old", 0);
    refused(f, &d, "no vectors");
    put_vector(f, 4);
    const uint32_t none[] = {0, DOT, 4, 15, 16, UINT32_MAX};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        d = draft(none[i], "old", 0);
        refused(f, &d, "vector field");
    }
    d = draft(FIELD, "other", 0);
    refused(f, &d, "has that name already");
    d = draft(FIELD, "Old", 0);
    refused(f, &d, "outside");
    d = draft(FIELD, "old", 4);
    refused(f, &d, "dimensions 4");
}

/* Also under the field's own name, and with nothing in it. */
static void test_fits(void **state)
{
    txn_fixture *f = *state;
    float out[4];
    size_t count;
    put_vector(f, 4);
    swap_draft d = draft(FIELD, "new", 2);
    assert_int_equal(offer(f, &d), NG_OK);
    assert_int_equal(ngi_store_token_vector(f->store, 1, out, 4, &count), NG_OK);
    assert_int_equal(count, 0);
    assert_int_equal(ngi_store_token_vector_in(f->store, 1, FIELD, out, 4, &count), NG_OK);
    assert_true(count == 4 && out[3] == 4);
    ngi_projection projection;
    assert_int_equal(ngi_store_projection_get(f->store, &projection), NG_OK);
    assert_int_equal(projection.dimensions, 2);
    ngi_projection_release(ngi_store_mem(f->store), &projection);
    put_vector(f, 2);
    d = draft(FIELD, "old", 0);
    assert_int_equal(offer(f, &d), NG_OK);
    assert_int_equal(ngi_store_projection_get(f->store, &projection), NG_E_NOT_FOUND);
    assert_int_equal(ngi_store_token_vector(f->store, 1, out, 4, &count), NG_OK);
    assert_int_equal(count, 4);
    assert_int_equal(ngi_store_token_delete(f->store, 1, NULL), NG_OK);
    assert_int_equal(offer(f, &d), NG_OK);
    ng_check_report report;
    assert_int_equal(ngi_store_check(f->store, &report), NG_OK);
    assert_string_equal(report.first_problem, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_malformed), TEST(test_does_not_fit),
                                       TEST(test_fits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
