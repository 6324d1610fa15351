/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a connection's values mean, and what changes of them do: fading, force, use, updates. */
#include "base/base_limits.h"
#include "model/model_token.h"
#include "model/model_types.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define THEN 1700000000u
#define HOUR NGI_DECAY_PERIOD_S
#define US(seconds) ((uint64_t)(seconds)*1000000)

static void expect_close(double got, double wanted)
{
    if (fabs(got - wanted) > 1e-12 * (1 + fabs(wanted)))
        fail_msg("%.17g is not %.17g", got, wanted);
}

static ng_connection sample(ng_mutability mutability)
{
    return (ng_connection){.source = 1,
                           .target = 2,
                           .type = NGI_TYPE_CAUSE,
                           .rigidity = 51,
                           .flags = NG_CONNECTION_ACTIVE,
                           .pull_strength = 2,
                           .preferred_distance = 1,
                           .created_at = THEN,
                           .mutability = (uint8_t)mutability,
                           .confidence = mutability == NG_IMMUTABLE ? 255 : 204,
                           .last_update = THEN,
                           .learning_rate = 32,
                           .decay_rate = 51};
}

static ng_status update(ng_connection *record, uint32_t now_s, const ng_connection_fields *fields)
{
    ng_cdna cdna;
    ngi_encoding encoding;
    ngi_cdna_default(&cdna, 1);
    ngi_encoding_default(&encoding);
    const ngi_connection_context context = {.cdna = &cdna, .encoding = &encoding, .now_s = now_s};
    return ngi_connection_apply_fields(record, fields, &context);
}

/* --- what it means --------------------------------------------------------------------------- */

static void test_confidence_fades_by_the_hour(void **state)
{
    (void)state;
    ng_connection record = sample(NG_HYPOTHESIS);
    expect_close(ng_connection_confidence(&record, US(THEN)), 0.8);
    expect_close(ng_connection_confidence(&record, US(THEN + HOUR)), 0.8 * 0.8);
    expect_close(ng_connection_confidence(&record, US(THEN + 10 * HOUR)), 0.8 * pow(0.8, 10));
    expect_close(ng_connection_confidence(&record, US(THEN) + US(HOUR) / 2), 0.8 * sqrt(0.8));
    /* Twice the time is the same as the time twice: it does not matter how often one looks. */
    double once = ng_connection_confidence(&record, US(THEN + 1000)) / 0.8;
    expect_close(ng_connection_confidence(&record, US(THEN + 2000)), 0.8 * once * once);
    expect_close(ng_connection_confidence(&record, 0), 0.8);
    expect_close(ng_connection_confidence(&record, US(THEN) - 1), 0.8);
    expect_close(ng_connection_confidence(NULL, US(THEN)), 0);
}

static void test_who_fades(void **state)
{
    (void)state;
    const uint64_t later = US(THEN + HOUR);
    ng_connection record = sample(NG_LEARNABLE);
    expect_close(ng_connection_confidence(&record, later), 0.8);
    record.flags |= NG_CONNECTION_DECAYING; /* its owner decides otherwise */
    expect_close(ng_connection_confidence(&record, later), 0.64);
    record = sample(NG_IMMUTABLE);
    record.flags |= NG_CONNECTION_DECAYING;
    expect_close(ng_connection_confidence(&record, later), 1);
    record = sample(NG_HYPOTHESIS);
    record.decay_rate = 0;
    expect_close(ng_connection_confidence(&record, later), 0.8);
    record.decay_rate = 255;
    expect_close(ng_connection_confidence(&record, US(THEN)), 0.8);
    expect_close(ng_connection_confidence(&record, US(THEN) + 1), 0);
    record.decay_rate = 51;
    expect_close(ng_connection_confidence(&record, UINT64_MAX), 0);
}

static void test_force(void **state)
{
    (void)state;
    ng_connection record = sample(NG_LEARNABLE);
    double force = 99;
    /* 51/255 x 2 x 204/255 x (d - 1): positive pulls together when farther apart than 1 */
    assert_int_equal(ng_connection_force(&record, 3, 0, &force), NG_OK);
    expect_close(force, 0.2 * 2 * 0.8 * 2);
    assert_int_equal(ng_connection_force(&record, 0, 0, &force), NG_OK);
    expect_close(force, -0.2 * 2 * 0.8);
    assert_int_equal(ng_connection_force(&record, 1, 0, &force), NG_OK);
    assert_true(force == 0);
    record.pull_strength = -2; /* repels */
    assert_int_equal(ng_connection_force(&record, 3, 0, &force), NG_OK);
    expect_close(force, -0.64);
    record.flags |= NG_CONNECTION_INHIBITORY;
    assert_int_equal(ng_connection_force(&record, 3, 0, &force), NG_OK);
    expect_close(force, 0.64);
    record = sample(NG_IMMUTABLE);
    record.confidence = 7; /* not looked at */
    assert_int_equal(ng_connection_force(&record, 3, 0, &force), NG_OK);
    expect_close(force, 0.8);
    record = sample(NG_HYPOTHESIS); /* as stored, or as faded */
    assert_int_equal(ng_connection_force(&record, 3, 0, &force), NG_OK);
    expect_close(force, 0.64);
    assert_int_equal(ng_connection_force(&record, 3, US(THEN + HOUR), &force), NG_OK);
    expect_close(force, 0.512);
}

static void test_force_refused(void **state)
{
    (void)state;
    ng_connection record = sample(NG_LEARNABLE);
    const double wrong[] = {NAN, INFINITY, -INFINITY, -0.5};
    double force = 99;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(ng_connection_force(&record, wrong[i], 0, &force), NG_E_INVALID);
    assert_int_equal(ng_connection_force(NULL, 1, 0, &force), NG_E_INVALID);
    assert_int_equal(ng_connection_force(&record, 1, 0, NULL), NG_E_INVALID);
    assert_true(force == 99);
}

static void test_activate(void **state)
{
    (void)state;
    ng_connection record = sample(NG_LEARNABLE);
    record.flags = 0;
    ngi_connection_activate(&record, THEN + 5);
    assert_int_equal(record.activation_count, 1);
    assert_int_equal(record.last_activation, THEN + 5);
    assert_int_equal(record.flags, NG_CONNECTION_ACTIVE | NG_CONNECTION_REINFORCED);
    assert_int_equal(record.rigidity, 52);
    assert_int_equal(record.last_update, THEN);
    record.activation_count = UINT32_MAX;
    record.rigidity = 255;
    ngi_connection_activate(&record, THEN + 6);
    assert_int_equal(record.activation_count, UINT32_MAX);
    assert_int_equal(record.rigidity, 255);
    for (int i = 0; i < 2; i++) {
        record = sample(i == 0 ? NG_IMMUTABLE : NG_HYPOTHESIS);
        ngi_connection_activate(&record, THEN + 5);
        assert_int_equal(record.rigidity, 51);
        assert_int_equal(record.flags, NG_CONNECTION_ACTIVE);
        assert_int_equal(record.activation_count, 1);
    }
}

/* --- updates --------------------------------------------------------------------------------- */

static void test_update_changes_what_is_named(void **state)
{
    (void)state;
    ng_connection record = sample(NG_LEARNABLE), wanted = record;
    ng_connection_fields fields = {.set = NG_CFIELD_PULL | NG_CFIELD_ORIGIN,
                                   .pull_strength = -3,
                                   .origin = 9,
                                   .type = 200};
    assert_int_equal(update(&record, THEN + 60, &fields), NG_OK);
    wanted.pull_strength = -3;
    wanted.origin = 9;
    wanted.flags |= NG_CONNECTION_MODIFIED;
    assert_memory_equal(&record, &wanted, sizeof record);
    fields.set = 0; /* nothing, and what is there already */
    assert_int_equal(update(&record, THEN + 60, &fields), NG_OK);
    fields.set = NG_CFIELD_PULL;
    wanted.flags &= (uint8_t)~NG_CONNECTION_MODIFIED;
    record = wanted;
    assert_int_equal(update(&record, THEN + 60, &fields), NG_OK);
    assert_memory_equal(&record, &wanted, sizeof record);
    fields.set = NG_CFIELD_FLAGS; /* flags are what they are given as */
    fields.flags = NG_CONNECTION_USER;
    assert_int_equal(update(&record, THEN + 60, &fields), NG_OK);
    assert_int_equal(record.flags, NG_CONNECTION_USER);
    fields = (ng_connection_fields){.flags_set = NG_CONNECTION_INHIBITORY,
                                    .flags_clear = NG_CONNECTION_USER};
    assert_int_equal(update(&record, THEN + 60, &fields), NG_OK);
    assert_int_equal(record.flags, NG_CONNECTION_INHIBITORY | NG_CONNECTION_MODIFIED);
    fields.flags_clear |= NG_CONNECTION_MODIFIED;
    assert_int_equal(update(&record, THEN + 60, &fields), NG_OK);
    assert_int_equal(record.flags, NG_CONNECTION_INHIBITORY);
    fields.flags_set |= NG_CONNECTION_USER; /* behind all flags, if these are given as well */
    fields.flags_clear = NG_CONNECTION_ACTIVE;
    fields.set = NG_CFIELD_FLAGS;
    fields.flags = NG_CONNECTION_ACTIVE | NG_CONNECTION_PERSISTENT;
    assert_int_equal(update(&record, THEN + 60, &fields), NG_OK);
    assert_int_equal(record.flags,
                     NG_CONNECTION_PERSISTENT | NG_CONNECTION_INHIBITORY | NG_CONNECTION_USER);
    fields.flags_clear = fields.flags_set;
    assert_int_equal(update(&record, THEN + 60, &fields), NG_E_INVALID);
}

static void test_update_refused(void **state)
{
    (void)state;
    ng_connection record = sample(NG_LEARNABLE);
    const ng_connection before = record;
    ng_connection_fields fields = {.source = 2};
    assert_int_equal(update(&record, THEN, &fields), NG_E_INVALID);
    assert_non_null(strstr(ng_last_error(), "joins 1 to 2"));
    fields = (ng_connection_fields){.source = 1, .target = 3};
    assert_int_equal(update(&record, THEN, &fields), NG_E_INVALID);
    fields = (ng_connection_fields){.set = NG_CFIELD_TARGET_OF | NG_CFIELD_TARGET_VECTOR};
    assert_int_equal(update(&record, THEN, &fields), NG_E_INVALID);
    fields = (ng_connection_fields){.set = NG_CFIELD_PULL | NG_CFIELD_LEARNING_RATE,
                                    .learning_rate = 1.1f};
    assert_int_equal(update(&record, THEN, &fields), NG_E_INVALID);
    assert_non_null(strstr(ng_last_error(), "learning_rate 1.1"));
    fields = (ng_connection_fields){.set = NG_CFIELD_DECAY_RATE, .decay_rate = NAN};
    assert_int_equal(update(&record, THEN, &fields), NG_E_INVALID);
    fields = (ng_connection_fields){.set = NG_CFIELD_TARGET_VECTOR, .target_spaces = 2};
    fields.target_vector[1] = 4;
    assert_int_equal(update(&record, THEN, &fields), NG_E_INVALID);
    assert_non_null(strstr(ng_last_error(), "target_vector: coordinate x of space sensory"));
    record.pull_strength = 50; /* what is not named is checked as well */
    fields = (ng_connection_fields){0};
    assert_int_equal(update(&record, THEN, &fields), NG_E_INVALID);
    record.pull_strength = before.pull_strength;
    assert_memory_equal(&record, &before, sizeof record);
}

static void test_type_and_mutability(void **state)
{
    (void)state;
    ng_connection record = sample(NG_LEARNABLE);
    ng_connection_fields fields = {.set = NG_CFIELD_TYPE, .type = NGI_TYPE_HYPERNYM};
    assert_int_equal(update(&record, THEN + 9, &fields), NG_OK); /* follows: it becomes a fact */
    assert_int_equal(record.mutability, NG_IMMUTABLE);
    assert_int_equal(record.confidence, 255);
    assert_int_equal(record.last_update, THEN + 9);
    fields.type = NGI_TYPE_CAUSE;
    assert_int_equal(update(&record, THEN + 10, &fields), NG_OK);
    assert_int_equal(record.mutability, NG_LEARNABLE);
    assert_int_equal(record.confidence, 255);
    record = sample(NG_HYPOTHESIS); /* chosen, so it stays: a hypothesis is not promoted silently */
    fields.type = NGI_TYPE_HYPERNYM;
    assert_int_equal(update(&record, THEN + 9, &fields), NG_OK);
    assert_int_equal(record.mutability, NG_HYPOTHESIS);
    assert_int_equal(record.confidence, 204);
    fields.set |= NG_CFIELD_MUTABILITY | NG_CFIELD_CONFIDENCE;
    fields.mutability = NG_IMMUTABLE;
    fields.confidence = 0.25f;
    assert_int_equal(update(&record, THEN + 9, &fields), NG_OK);
    assert_int_equal(record.confidence, 255);
    assert_int_equal(record.decay_rate, 51);
}

/* A change that has nothing to do with it leaves a confidence fading from where it was. */
static void test_update_beside_fading(void **state)
{
    (void)state;
    ng_connection record = sample(NG_HYPOTHESIS);
    ng_connection_fields fields = {.set = NG_CFIELD_PULL};
    for (uint32_t i = 1; i <= 60; i++) { /* every minute for an hour */
        fields.pull_strength = (float)i / 10;
        assert_int_equal(update(&record, THEN + 60 * i, &fields), NG_OK);
    }
    assert_int_equal(record.last_update, THEN);
    expect_close(ng_connection_confidence(&record, US(THEN + HOUR)), 0.64);
    fields = (ng_connection_fields){.set = NG_CFIELD_DECAY_RATE}; /* from now on it stays */
    assert_int_equal(update(&record, THEN + HOUR, &fields), NG_OK);
    assert_int_equal(record.confidence, 163); /* 0.64 x 255 = 163.2 */
    assert_int_equal(record.last_update, THEN + HOUR);
    expect_close(ng_connection_confidence(&record, US(THEN + 5 * HOUR)), 163 / 255.0);
    fields = (ng_connection_fields){.set = NG_CFIELD_CONFIDENCE, .confidence = 0.5f};
    assert_int_equal(update(&record, THEN + 2 * HOUR, &fields), NG_OK);
    assert_int_equal(record.confidence, 128);
    assert_int_equal(record.last_update, THEN + 2 * HOUR);
    record = sample(NG_HYPOTHESIS); /* promoted: what is left of it is kept */
    fields = (ng_connection_fields){.set = NG_CFIELD_MUTABILITY, .mutability = NG_LEARNABLE};
    assert_int_equal(update(&record, THEN + HOUR, &fields), NG_OK);
    assert_int_equal(record.confidence, 163);
}

static void test_target(void **state)
{
    (void)state;
    ng_cdna cdna;
    ngi_encoding encoding;
    ngi_cdna_default(&cdna, 1);
    ngi_encoding_default(&encoding);
    encoding.origin[0][1] = 1000; /* the other axes do not matter */
    ng_token token;
    ngi_token_default(&token, 7, 1);
    token.coordinates[3][0] = -5;
    token.coordinates[3][1] = 6;
    const ngi_connection_context context = {.cdna = &cdna,
                                            .encoding = &encoding,
                                            .target_of = &token,
                                            .now_s = THEN};
    ng_connection record = sample(NG_LEARNABLE);
    ng_connection_fields fields = {.set = NG_CFIELD_TARGET_OF};
    assert_int_equal(ngi_connection_apply_fields(&record, &fields, &context), NG_OK);
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        assert_int_equal(record.target_vector[space], space == 3 ? -5 : NG_COORDINATE_ABSENT);
    fields = (ng_connection_fields){.set = NG_CFIELD_TARGET_VECTOR, .target_spaces = 0x41};
    fields.target_vector[0] = 1.255f; /* x 100, to nearest */
    fields.target_vector[6] = -327.67f;
    fields.target_vector[1] = NAN; /* not given */
    assert_int_equal(ngi_connection_apply_fields(&record, &fields, &context), NG_OK);
    assert_int_equal(record.target_vector[0], 125); /* 1.255f is a little less */
    assert_int_equal(record.target_vector[6], -32767);
    assert_int_equal(record.target_vector[1], NG_COORDINATE_ABSENT);
}

static void test_mutability_names(void **state)
{
    (void)state;
    ng_mutability mutability = NG_HYPOTHESIS;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ng_mutability_parse(ng_mutability_name((ng_mutability)i), &mutability),
                         NG_OK);
        assert_int_equal(mutability, i);
    }
    assert_int_equal(ng_mutability_parse("Hypo-Thesis", &mutability), NG_OK);
    assert_int_equal(mutability, NG_HYPOTHESIS);
    assert_null(ng_mutability_name((ng_mutability)3));
    for (int type = 0; type < NG_CONNECTION_TYPE_COUNT; type++) {
        uint8_t first = 1;
        assert_int_equal(ng_connection_category_parse(ng_connection_category_name((uint8_t)type),
                                                      &first),
                         NG_OK);
        assert_int_equal(first, type & 0xF0);
    }
    uint8_t first;
    assert_int_equal(ng_connection_category_parse("Sem-antic", &first), NG_OK);
    assert_int_equal(first, 0);
    assert_int_equal(ng_connection_category_parse("Magical", &first), NG_E_INVALID);
    assert_int_equal(ng_connection_category_parse(NULL, &first), NG_E_INVALID);
    assert_int_equal(ng_mutability_parse("fixed", &mutability), NG_E_INVALID);
    assert_int_equal(ng_mutability_parse(NULL, &mutability), NG_E_INVALID);
    assert_int_equal(ng_mutability_parse("learnable", NULL), NG_E_INVALID);
}

static void test_learn(void **state)
{
    (void)state;
    ng_connection record = sample(NG_LEARNABLE);
    assert_true(ngi_connection_learn(&record, true, 1, US(THEN + 5)));
    assert_int_equal(record.confidence, 204 + 32);
    assert_int_equal(record.evidence_count, 1);
    assert_int_equal(record.last_update, THEN + 5);
    assert_true(record.flags & NG_CONNECTION_MODIFIED);
    assert_true(ngi_connection_learn(&record, true, 1, US(THEN + 6)));
    assert_int_equal(record.confidence, 255);
    assert_true(ngi_connection_learn(&record, false, 1, US(THEN + 7)));
    assert_int_equal(record.confidence, 255 - 16);
    assert_int_equal(record.evidence_count, 2);
    assert_true(ngi_connection_learn(&record, true, 0.25, US(THEN + 8)));
    assert_int_equal(record.confidence, 255 - 16 + 8);
    record.evidence_count = UINT16_MAX;
    record.confidence = 255;
    assert_false(ngi_connection_learn(&record, true, 1, US(THEN + 9)));
    assert_int_equal(record.last_update, THEN + 8);
    record.confidence = 3;
    assert_true(ngi_connection_learn(&record, false, 1, US(THEN + 9)));
    assert_int_equal(record.confidence, 0);
    assert_false(ngi_connection_learn(&record, false, 1, US(THEN + 10)));
    record = sample(NG_HYPOTHESIS); /* learns from what is left of it */
    assert_true(ngi_connection_learn(&record, true, 1, US(THEN + HOUR)));
    assert_int_equal(record.confidence, 163 + 32); /* 204 x 204 / 255 = 163.2 */
    record = sample(NG_IMMUTABLE);
    const ng_connection before = record;
    assert_false(ngi_connection_learn(&record, false, 1, US(THEN + 5)));
    assert_false(ngi_connection_learn(&record, true, 1, US(THEN + 5)));
    assert_memory_equal(&record, &before, sizeof record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_confidence_fades_by_the_hour),
        cmocka_unit_test(test_who_fades),
        cmocka_unit_test(test_force),
        cmocka_unit_test(test_force_refused),
        cmocka_unit_test(test_activate),
        cmocka_unit_test(test_learn),
        cmocka_unit_test(test_update_changes_what_is_named),
        cmocka_unit_test(test_update_refused),
        cmocka_unit_test(test_type_and_mutability),
        cmocka_unit_test(test_update_beside_fading),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_mutability_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
