/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The store from inside: batches that mix creates and updates, and ops that come from elsewhere and
 * do not fit the state. Behaviour visible through neurograph.h is tested in tests/. */
#include "store/store_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    ngi_mem mem;
    ng_store *store;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    ngi_mem_init(&f->mem, 0);
    assert_int_equal(ngi_store_open(ngi_os_system(), &f->mem, NULL, NULL, &f->store), NG_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    ng_check_report report;
    assert_int_equal(ngi_store_check(f->store, &report), NG_OK);
    assert_string_equal(report.first_problem, "");
    assert_int_equal(ngi_store_close(f->store), NG_OK);
    assert_int_equal(atomic_load(&f->mem.used_bytes), 0);
    free(f);
    return 0;
}

static ng_token_fields labelled(const char *label)
{
    return (ng_token_fields){.struct_size = sizeof(ng_token_fields),
                             .set = NG_FIELD_LABEL,
                             .label = label,
                             .label_bytes = strlen(label)};
}

static void test_batch_mixes_creates_and_updates(void **state)
{
    fixture *f = *state;
    ng_token_fields first[] = {labelled("a"), labelled("b")};
    ng_token_id ids[3] = {0};
    assert_int_equal(ngi_store_token_put(f->store, NULL, first, 2, NULL, ids), NG_OK);
    const float vector[] = {1, 2, 3};
    ng_token_fields next[] = {labelled("b2"), labelled("c"), labelled("a")};
    next[1].set |= NG_FIELD_VECTOR;
    next[1].vector = vector;
    next[1].vector_dimensions = 3;
    ng_token_id mixed[] = {ids[1], 0, ids[0]};
    assert_int_equal(ngi_store_token_put(f->store, mixed, next, 3, NULL, mixed), NG_OK);
    ng_token_id found;
    assert_int_equal(ngi_store_token_find(f->store, 0, "b2", 2, &found), NG_OK);
    assert_int_equal(found, ids[1]);
    assert_int_equal(ngi_store_token_find(f->store, 0, "b", 1, &found), NG_E_NOT_FOUND);
    assert_int_equal(mixed[1], 3);
    ng_token_info info;
    assert_int_equal(ngi_store_token_get(f->store, ids[1], &info), NG_OK);
    assert_int_equal(info.version, 2);
    assert_int_equal(ngi_store_token_get(f->store, 3, &info), NG_OK);
    assert_true(info.has_vector);
    assert_int_equal(info.version, 1);
}

static void test_label_twice_in_a_batch(void **state)
{
    fixture *f = *state;
    ng_token_fields fields[100];
    char names[100][16];
    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i == 99 ? 7 : i);
        fields[i] = labelled(names[i]);
    }
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 100, NULL, NULL), NG_E_EXISTS);
    assert_string_equal(ng_last_error(), "item 99: label 'n7' is given twice, also to item 7");
    ng_info info;
    assert_int_equal(ngi_store_info(f->store, &info), NG_OK);
    assert_int_equal(info.token_count, 0);
    assert_int_equal(info.applied_seq, 0);
    fields[99].collection = NG_COLLECTION_SEMANTIC; /* another collection: another name space */
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 100, NULL, NULL), NG_OK);
}

static void test_dimensions_within_a_batch(void **state)
{
    fixture *f = *state;
    const float vector[] = {1, 2, 3};
    ng_token_fields fields[2] = {{.struct_size = sizeof *fields}, {.struct_size = sizeof *fields}};
    for (int i = 0; i < 2; i++) {
        fields[i].set = NG_FIELD_VECTOR;
        fields[i].vector = vector;
        fields[i].vector_dimensions = (size_t)(3 - i);
    }
    assert_int_equal(ngi_store_token_put(f->store, NULL, fields, 2, NULL, NULL), NG_E_INVALID);
    assert_string_equal(ng_last_error(), "item 1: vector has 2 dimensions, this store has 3");
}

static void test_connections_skip_existing(void **state)
{
    fixture *f = *state;
    ng_token_fields tokens[] = {labelled("a"), labelled("b")};
    ng_token_id ids[2];
    assert_int_equal(ngi_store_token_put(f->store, NULL, tokens, 2, NULL, ids), NG_OK);
    ng_connection_fields links[3];
    for (int i = 0; i < 3; i++)
        links[i] = (ng_connection_fields){.struct_size = sizeof *links,
                                          .source = ids[i == 1],
                                          .target = ids[i != 1]};
    ng_connection_id out[3];
    size_t created;
    assert_int_equal(ngi_store_connection_put(f->store, links, 3, 0, 0, NULL, out, &created),
                     NG_E_EXISTS);
    assert_int_equal(ngi_store_connection_put(f->store, links, 3, NGI_CONNECTION_SKIP_EXISTING, 2,
                                              NULL, out, &created),
                     NG_OK);
    assert_int_equal(created, 2);
    assert_int_equal(out[0], out[2]);
    ng_seq seq = 99;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    assert_int_equal(ngi_store_connection_put(f->store, links, 3, NGI_CONNECTION_SKIP_EXISTING, 2,
                                              &write, out, &created),
                     NG_OK);
    assert_int_equal(created, 0);
    assert_int_equal(seq, 0);
}

/* Prepares an op as recovery would. */
static ng_status offer(fixture *f, uint16_t kind, const uint8_t *body, size_t bytes)
{
    ngi_op op = {.kind = kind, .body = body, .body_bytes = (uint32_t)bytes, .seq = 1};
    return ngi_store_prepare(f->store, &op);
}

static void test_ops_that_do_not_fit(void **state)
{
    fixture *f = *state;
    uint8_t body[256] = {0};
    ng_token_fields tokens[] = {labelled("a"), labelled("b")};
    assert_int_equal(ngi_store_token_put(f->store, NULL, tokens, 2, NULL, NULL), NG_OK);
    assert_int_equal(ngi_store_token_delete(f->store, 2, NULL), NG_OK);

    assert_int_equal(offer(f, 99, body, 8), NG_E_VERSION);
    for (uint16_t kind = 1; kind <= 12; kind++)
        for (size_t bytes = 0; bytes < 100; bytes++)
            assert_int_not_equal(offer(f, kind, body, bytes), NG_OK);

    ngi_op_token token = {.version = 1, .label_bytes = NGI_OP_LABEL_KEEP};
    /* Any empty slot may be written first: others may belong to transactions that are open. */
    const uint32_t slots[] = {0, UINT32_MAX, NGI_TOKENS_MAX_DEFAULT + 1, 4, NGI_TOKENS_MAX_DEFAULT};
    const ng_status expected[] = {NG_E_CORRUPT, NG_E_LIMIT, NG_E_LIMIT, NG_OK, NG_OK};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        ngi_token_default(&token.record, slots[i], 0);
        ngi_op_list_encode(body, 1, 0);
        uint8_t *end = ngi_op_token_encode(body + 8, &token, NULL, 0);
        assert_int_equal(offer(f, NGI_OP_TOKENS_PUT, body, (size_t)(end - body)), expected[i]);
    }
    ngi_token_default(&token.record, 3, 0);
    token.label = "a"; /* token 1 has it */
    token.label_bytes = 1;
    uint8_t *end = ngi_op_token_encode(body + 8, &token, NULL, 0);
    assert_int_equal(offer(f, NGI_OP_TOKENS_PUT, body, (size_t)(end - body)), NG_E_CORRUPT);
    token.label = "z";
    end = ngi_op_token_encode(body + 8, &token, NULL, 0);
    assert_int_equal(offer(f, NGI_OP_TOKENS_PUT, body, (size_t)(end - body)), NG_OK);
    assert_int_equal(offer(f, NGI_OP_TOKENS_PUT, body, (size_t)(end - body) + 1), NG_E_CORRUPT);
    token.collection = 2; /* there are two: 0 and 1 */
    end = ngi_op_token_encode(body + 8, &token, NULL, 0);
    assert_int_equal(offer(f, NGI_OP_TOKENS_PUT, body, (size_t)(end - body)), NG_E_CORRUPT);

    ngi_op_list_encode(body, 1, 0);
    ngi_put_u32(body + 8, 2);
    assert_int_equal(offer(f, NGI_OP_TOKENS_DELETE, body, 12), NG_E_CORRUPT);
    assert_int_equal(offer(f, NGI_OP_CONNECTIONS_DELETE, body, 12), NG_E_CORRUPT);
    ng_connection record = {.source = 1, .target = 2, .pull_strength = 0, .preferred_distance = 1};
    end = ngi_op_connection_encode(body + 8, 1, &record);
    assert_int_equal(offer(f, NGI_OP_CONNECTIONS_PUT, body, (size_t)(end - body)), NG_E_CORRUPT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_batch_mixes_creates_and_updates),
        T(test_label_twice_in_a_batch),
        T(test_dimensions_within_a_batch),
        T(test_connections_skip_existing),
        T(test_ops_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
