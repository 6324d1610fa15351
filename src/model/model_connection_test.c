/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connection records: defaults, fields, what is refused, the 64 bytes. */
#include "model/model_token.h"
#include "model/model_types.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static ng_cdna default_cdna(void)
{
    ng_cdna cdna;
    ngi_cdna_default(&cdna, 1);
    return cdna;
}

static const ngi_encoding *encoding_default(void)
{
    static ngi_encoding encoding;
    ngi_encoding_default(&encoding);
    return &encoding;
}

static ng_status from_fields(ng_connection *out, const ng_connection_fields *fields,
                             const ng_cdna *cdna, uint32_t origin, uint32_t now_s)
{
    const ngi_connection_context context = {.cdna = cdna,
                                            .encoding = encoding_default(),
                                            .origin = origin,
                                            .now_s = now_s};
    return ngi_connection_from_fields(out, fields, &context);
}

static ng_connection_fields between(ng_token_id source, ng_token_id target)
{
    return (ng_connection_fields){.struct_size = sizeof(ng_connection_fields),
                                  .source = source,
                                  .target = target};
}

static ng_connection make(const ng_connection_fields *fields)
{
    ng_cdna cdna = default_cdna();
    ng_connection record;
    if (from_fields(&record, fields, &cdna, 0, 1700000000) != NG_OK)
        fail_msg("%s", ng_last_error());
    assert_int_equal(ngi_connection_validate(&record), NG_OK);
    return record;
}

static void refuse(const ng_connection_fields *fields, const ng_cdna *cdna, ng_status expected,
                   const char *message)
{
    ng_connection record, before;
    memset(&record, 0x5A, sizeof record);
    before = record;
    assert_int_equal(from_fields(&record, fields, cdna, 0, 1), expected);
    assert_memory_equal(&before, &record, sizeof record);
    if (strstr(ng_last_error(), message) == NULL)
        fail_msg("\"%s\" does not contain \"%s\"", ng_last_error(), message);
}

static void test_default(void **state)
{
    (void)state;
    ng_connection_fields fields = between(UINT64_C(0x300000009), 3);
    fields.rigidity = NAN; /* not set, so not looked at */
    fields.mutability = 77;
    fields.type = 200;
    ng_cdna cdna = default_cdna();
    ng_connection record;
    assert_int_equal(from_fields(&record, &fields, &cdna, 2, 1700000000), NG_OK);
    ng_connection expected = {
        .source = 9, /* as given, not put in order; the generation is not part of the record */
        .target = 3,
        .type = NG_CONNECTION_TYPE_DEFAULT,
        .rigidity = 128,
        .flags = NG_CONNECTION_ACTIVE,
        .preferred_distance = 1.0f,
        .created_at = 1700000000,
        .mutability = NG_LEARNABLE,
        .confidence = 128,
        .last_update = 1700000000,
        .learning_rate = 32,
        .decay_rate = 16,
        .origin = 2,
    };
    assert_memory_equal(&record, &expected, sizeof record);
}

static void test_all_fields(void **state)
{
    (void)state;
    ng_connection_fields fields = between(1, UINT32_MAX);
    fields.set = 0xFF;
    fields.type = NGI_TYPE_CAUSE;
    fields.flags = NG_CONNECTION_BIDIRECTIONAL | NG_CONNECTION_INHIBITORY;
    fields.active_levels = 0x81;
    fields.mutability = NG_HYPOTHESIS;
    fields.rigidity = 1.0f;
    fields.pull_strength = -10.0f;
    fields.preferred_distance = 0.01f;
    fields.confidence = 0.1f;
    ng_connection record = make(&fields);
    assert_int_equal(record.target, UINT32_MAX);
    assert_int_equal(record.type, 0x10);
    assert_int_equal(record.flags, 12);
    assert_int_equal(record.active_levels, 0x81);
    assert_int_equal(record.mutability, NG_HYPOTHESIS);
    assert_int_equal(record.rigidity, 255);
    assert_true(record.pull_strength == -10.0f && record.preferred_distance == 0.01f);
    assert_int_equal(record.confidence, 26); /* 25.5 to even */
    assert_int_equal(record.learning_rate, 128);
    assert_int_equal(record.decay_rate, 32);
}

static void test_mutability(void **state)
{
    (void)state;
    for (int type = 0; type < NG_CONNECTION_TYPE_COUNT; type++) {
        ng_connection_fields fields = between(1, 2);
        fields.set = NG_CFIELD_TYPE | NG_CFIELD_CONFIDENCE;
        fields.type = (uint8_t)type;
        fields.confidence = 0.0f;
        ng_connection record = make(&fields);
        assert_int_equal(record.type, type);
        assert_int_equal(record.mutability, ng_connection_type_mutability((uint8_t)type));
        assert_int_equal(record.confidence, record.mutability == NG_IMMUTABLE ? 255 : 0);
        fields.set |= NG_CFIELD_MUTABILITY;
        for (uint8_t mutability = 0; mutability <= 2; mutability++) {
            fields.mutability = mutability;
            record = make(&fields);
            assert_int_equal(record.mutability, mutability);
            assert_int_equal(record.confidence, mutability == NG_IMMUTABLE ? 255 : 0);
        }
    }
}

static void test_fractions(void **state)
{
    (void)state;
    for (int raw = 0; raw <= 255; raw++) {
        ng_connection_fields fields = between(1, 2);
        fields.set = NG_CFIELD_RIGIDITY | NG_CFIELD_CONFIDENCE;
        fields.rigidity = fields.confidence = (float)raw / 255.0f;
        ng_connection record = make(&fields);
        assert_int_equal(record.rigidity, raw);
        assert_int_equal(record.confidence, raw);
    }
}

static void test_ends(void **state)
{
    (void)state;
    ng_cdna cdna = default_cdna();
    ng_connection_fields fields = between(0, 1);
    refuse(&fields, &cdna, NG_E_INVALID, "source is 0");
    fields = between(1, 0);
    refuse(&fields, &cdna, NG_E_INVALID, "target is 0");
    fields = between(7, 7);
    refuse(&fields, &cdna, NG_E_INVALID, "token 7");
    fields = between(7, UINT64_C(0x100000007));
    refuse(&fields, &cdna, NG_E_INVALID, "cannot be connected to itself");
}

static void test_numbers_refused(void **state)
{
    (void)state;
    ng_cdna cdna = default_cdna();
    static const float fractions[] = {-0.001f, 1.001f, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 5; i++) {
        ng_connection_fields fields = between(1, 2);
        fields.set = NG_CFIELD_RIGIDITY;
        fields.rigidity = fractions[i];
        refuse(&fields, &cdna, NG_E_INVALID, "rigidity");
        fields.set = NG_CFIELD_CONFIDENCE;
        fields.confidence = fractions[i];
        refuse(&fields, &cdna, NG_E_INVALID, "confidence");
        fields.set |= NG_CFIELD_MUTABILITY; /* always 1 for Immutable, but never from nonsense */
        fields.mutability = NG_IMMUTABLE;
        refuse(&fields, &cdna, NG_E_INVALID, "is outside 0..1");
    }
    static const float pulls[] = {-10.01f, 10.01f, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 5; i++) {
        ng_connection_fields fields = between(1, 2);
        fields.set = NG_CFIELD_PULL;
        fields.pull_strength = pulls[i];
        refuse(&fields, &cdna, NG_E_INVALID, "is outside -10..10");
    }
    static const float distances[] = {0.0f, 0.0099f, 100.1f, -1.0f, NAN, INFINITY};
    for (size_t i = 0; i < 6; i++) {
        ng_connection_fields fields = between(1, 2);
        fields.set = NG_CFIELD_DISTANCE;
        fields.preferred_distance = distances[i];
        refuse(&fields, &cdna, NG_E_INVALID, "is outside 0.01..100");
    }
    ng_connection_fields fields = between(1, 2);
    fields.set = NG_CFIELD_MUTABILITY;
    fields.mutability = 3;
    refuse(&fields, &cdna, NG_E_INVALID, "mutability 3 is outside 0..2");
    for (uint32_t bit = 13; bit < 32; bit++) {
        fields.set = UINT32_C(1) << bit;
        refuse(&fields, &cdna, NG_E_INVALID, "unknown bits");
    }
}

static void test_constitution(void **state)
{
    (void)state;
    ng_cdna cdna = default_cdna();
    ng_connection_fields fields = between(1, 2);
    fields.set = NG_CFIELD_TYPE;
    for (int type = NG_CONNECTION_TYPE_COUNT; type < 256; type++) {
        fields.type = (uint8_t)type;
        refuse(&fields, &cdna, NG_E_INVALID, "is outside 0..175");
    }
    fields.type = NGI_TYPE_HYPERNYM;
    cdna.allowed_types.bits[2] = 1;
    refuse(&fields, &cdna, NG_E_FORBIDDEN, "type Hypernym (2)");
    fields.type = 128;
    ng_connection record;
    assert_int_equal(from_fields(&record, &fields, &cdna, 0, 1), NG_OK);
    fields = between(1, 2); /* the default type is bound as well */
    refuse(&fields, &cdna, NG_E_FORBIDDEN, "AssociatedWith");
    cdna = default_cdna();
    cdna.min_pull_strength = 1.0f;
    refuse(&fields, &cdna, NG_E_INVALID, "pull_strength 0 is outside 1..10");
}

static void test_validate(void **state)
{
    (void)state;
    ng_connection_fields fields = between(1, 2);
    const ng_connection good = make(&fields);
    ng_connection bad[12];
    for (size_t i = 0; i < 12; i++)
        bad[i] = good;
    bad[0].source = 0;
    bad[1].target = 0;
    bad[2].target = 1;
    bad[3].type = 176;
    bad[4].mutability = 3;
    bad[5].mutability = NG_IMMUTABLE;
    bad[6].reserved = 1;
    bad[7].pull_strength = NAN;
    bad[8].pull_strength = 10.5f;
    bad[9].preferred_distance = 0.0f;
    bad[10].preferred_distance = NAN;
    bad[11].preferred_distance = INFINITY;
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(ngi_connection_validate(&bad[i]), NG_E_INVALID);
}

static void test_image(void **state)
{
    (void)state;
    uint8_t image[64], again[64];
    for (int i = 0; i < 64; i++)
        image[i] = (uint8_t)(i * 53 + 7);
    ng_connection record;
    ngi_connection_decode(image, &record);
    ngi_connection_encode(&record, again);
    assert_memory_equal(image, again, 64);
    assert_memory_equal(&record, image, 64); /* on this little-endian machine memory is the image */
    assert_int_equal(record.mutability, image[32]);
    assert_int_equal(record.evidence_count, image[34] | image[35] << 8);
    assert_int_equal(record.target_vector[7], (int16_t)(image[62] | image[63] << 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),      cmocka_unit_test(test_all_fields),
        cmocka_unit_test(test_mutability),   cmocka_unit_test(test_fractions),
        cmocka_unit_test(test_ends),         cmocka_unit_test(test_numbers_refused),
        cmocka_unit_test(test_constitution), cmocka_unit_test(test_validate),
        cmocka_unit_test(test_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
