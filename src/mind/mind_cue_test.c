/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Cues and signals: what is one question, what a signal says, and how payloads are read. */
#include "mind/mind_cue.h"

#include "mind/mind_rows.h"
#include "mind/mind_testing.h"

static ngi_terms *terms_of(size_t count, const ngi_term *given)
{
    ngi_terms *terms = calloc(1, sizeof *terms);
    assert_non_null(terms);
    terms->count = count;
    memcpy(terms->terms, given, count * sizeof *given);
    return terms;
}

static void test_canonical(void **state)
{
    const ngi_term a[] = {{.id = 9, .sign = -1, .weight = 0.5},
                          {.id = 4, .sign = 1, .weight = 1},
                          {.id = 0, .sign = 1, .weight = 3}};
    const ngi_term b[] = {{.id = 4, .sign = 1, .weight = 3},
                          {.id = 9, .sign = -1, .weight = 2},
                          {.id = 4, .sign = 1, .weight = 1}};
    const ngi_term nothing[] = {{.id = 4, .sign = 1, .weight = 2},
                                {.id = 4, .sign = -1, .weight = 2}};
    ngi_cue one, other;
    (void)state;
    ngi_terms *terms = terms_of(3, a);
    ngi_cue_of_terms(&one, terms);
    free(terms);
    terms = terms_of(3, b);
    ngi_cue_of_terms(&other, terms);
    free(terms);
    assert_int_equal(one.term_count, 2);
    assert_int_equal(one.terms[0].id, 4);
    assert_int_equal(one.terms[0].weight, NGI_CUE_WEIGHT);
    assert_int_equal(one.terms[1].weight, -NGI_CUE_WEIGHT / 2);
    assert_true(one.hash != 0 && one.hash >> 60 == 0);
    assert_int_equal(one.hash, other.hash);
    ngi_cue_of_cue(&other, one.terms, one.term_count);
    assert_int_equal(one.hash, other.hash);
    terms = terms_of(2, nothing);
    ngi_cue_of_terms(&other, terms);
    free(terms);
    assert_int_equal(other.term_count, 0);
    assert_int_equal(other.hash, 0);
    const ng_token_id ids[] = {7, 3, 7};
    ngi_cue_of_tokens(&other, ids, 3);
    assert_int_equal(other.term_count, 2);
    assert_int_equal(other.terms[0].weight, NGI_CUE_WEIGHT / 2);
}

static void test_priors(void **state)
{
    ngi_cue cue = {0};
    (void)state;
    for (int i = 1; i <= NGI_FEEDBACK_PRIORS_MAX; i++)
        assert_true(ngi_cue_set_prior(&cue, (ng_token_id)i, i));
    assert_false(ngi_cue_set_prior(&cue, 1000, 5));
    assert_true(ngi_cue_set_prior(&cue, 1000, 0));
    assert_true(ngi_cue_set_prior(&cue, 3, -7));
    assert_int_equal(ngi_cue_prior_of(&cue, 3), -7);
    assert_true(ngi_cue_set_prior(&cue, 3, 0));
    assert_int_equal(cue.prior_count, NGI_FEEDBACK_PRIORS_MAX - 1);
    assert_int_equal(ngi_cue_prior_of(&cue, 3), 0);
    assert_int_equal(ngi_cue_prior_of(&cue, 4), 4);
    assert_true(ngi_cue_set_prior(&cue, 1000, 5));
}

static void test_signals(void **state)
{
    uint64_t random = 5, cue, nonce;
    char text[NG_SIGNAL_ROOM];
    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t hash = testing_random(&random) >> 4, number = testing_random(&random) >> 2;
        ngi_signal_write(hash, number, text);
        assert_int_equal(strlen(text), 36);
        assert_int_equal(text[14], '8');
        assert_non_null(strchr("89ab", text[19]));
        assert_ok(ngi_signal_read(text, &cue, &nonce));
        assert_int_equal(cue, hash);
        assert_int_equal(nonce, number);
        for (char *c = text; *c != 0; c++)
            *c = (char)(*c >= 'a' && *c <= 'f' ? *c - 'a' + 'A' : *c);
        assert_ok(ngi_signal_read(text, &cue, &nonce));
        assert_int_equal(cue, hash);
        size_t at = testing_random(&random) % 36;
        text[at] = text[at] == '-' ? '0' : 'x';
        assert_int_equal(ngi_signal_read(text, &cue, &nonce), NG_E_INVALID);
    }
}

typedef struct rows_seen {
    int64_t sum;
    size_t rows;
} rows_seen;

static bool rows_take(void *context, const int64_t *numbers, size_t count)
{
    rows_seen *seen = context;
    for (size_t i = 0; i < count; i++)
        seen->sum += numbers[i];
    seen->rows++;
    return count <= 3;
}

static void test_rows(void **state)
{
    static const struct {
        const char *data;
        bool is_right;
    } cases[] = {
        {"{\"n\":-5,\"t\":\"a\\u0062\",\"r\":[[1,2],[],[3]],\"x\":{\"y\":[1.5,null]}}", true},
        {"{}", true},
        {"{\"r\":[]}", true},
        {" {\"n\" : 1 } ", true},
        {"", false},
        {"7", false},
        {"[]", false},
        {"{\"n\":1", false},
        {"{\"n\":1}x", false},
        {"{\"n\":1.5}", false},
        {"{\"n\":\"1\"}", false},
        {"{\"n\":9223372036854775808}", false},
        {"{\"t\":1}", false},
        {"{\"t\":\"12345678\"}", false},
        {"{\"t\":\"a\\u0000b\"}", false},
        {"{\"r\":1}", false},
        {"{\"r\":[1]}", false},
        {"{\"r\":[[1,2,3,4]]}", false},
        {"{\"r\":[[\"1\"]]}", false},
        {"{\"r\":[[[1]]]}", false},
        {"{\"r\":[[1,2,3,4,5,6,7,8,9,10,11,12,13]]}", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t number = 0;
        char text[8] = "";
        rows_seen seen = {0};
        const ngi_row_field fields[] = {{.name = "n", .number = &number},
                                        {.name = "t", .text = text, .text_room = sizeof text},
                                        {.name = "r", .row = rows_take, .context = &seen}};
        if (ngi_rows_read(cases[i].data, strlen(cases[i].data), fields, 3) != cases[i].is_right)
            fail_msg("%s", cases[i].data);
        if (i == 0) {
            assert_int_equal(number, -5);
            assert_string_equal(text, "ab");
            assert_int_equal(seen.sum, 6);
            assert_int_equal(seen.rows, 3);
        }
    }
}

/* What is written is read again. */
static void test_payloads(void **state)
{
    ngi_mem mem;
    ngi_buffer data = {0};
    char text[64] = "";
    (void)state;
    ngi_mem_init(&mem, 0);
    assert_ok(ngi_rows_add(&mem, &data, "{\"t\":"));
    assert_ok(ngi_rows_add_text(&mem, &data, "\"quoted\" \\ \x01 caf\xC3\xA9"));
    assert_ok(ngi_rows_add(&mem, &data, "%c%c", '}', 0));
    const ngi_row_field field = {.name = "t", .text = text, .text_room = sizeof text};
    assert_true(ngi_rows_read((const char *)data.data, data.bytes - 1, &field, 1));
    assert_string_equal(text, "\"quoted\" \\ \x01 caf\xC3\xA9");
    ngi_buffer_release(&mem, &data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical), cmocka_unit_test(test_priors),
        cmocka_unit_test(test_signals),   cmocka_unit_test(test_rows),
        cmocka_unit_test(test_payloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
