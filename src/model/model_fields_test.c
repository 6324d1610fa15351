/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Values of declared fields: what is one, in which order, and where it is looked for. */
#include "model/model_fields.h"
#include "os/os_testing.h"

#include <math.h>

static ngi_field_value value_of(ng_index_type type, const char *path, const char *data)
{
    ngi_field_spec spec = {.name = "f", .type = type};
    const ngi_field_spec *specs[] = {&spec};
    ngi_field_value value;
    snprintf(spec.path, sizeof spec.path, "%s", path);
    assert_int_equal(ngi_field_validate(&spec), NG_OK);
    ngi_fields_extract(specs, 1, data, strlen(data), &value);
    return value;
}

static void expect_key(ng_index_type type, const char *data, uint64_t key)
{
    char text[128];
    snprintf(text, sizeof text, "{\"a\": %s}", data);
    if (value_of(type, "a", text).key != key)
        fail_msg("%s is not %llx", data, (unsigned long long)key);
}

static void expect_keyword(const char *data, const char *wanted)
{
    ngi_field_value value = value_of(NG_INDEX_KEYWORD, "a", data);
    assert_int_equal(value.key != 0, wanted != NULL);
    if (wanted != NULL) {
        assert_int_equal(value.text_bytes, strlen(wanted));
        assert_memory_equal(value.text, wanted, value.text_bytes);
    }
}

static void test_keywords(void **state)
{
    (void)state;
    char longest[320];
    expect_keyword("{\"a\": \"red\"}", "red");
    expect_keyword("{\"a\": \"\\u0441\\n\"}", "с\n");
    expect_keyword("{\"a\": true}", "true");
    expect_keyword("{\"a\": false}", "false");
    expect_keyword("{\"a\": \"\"}", NULL);
    expect_keyword("{\"a\": null}", NULL);
    expect_keyword("{\"a\": 7}", NULL);
    expect_keyword("{\"a\": [\"red\"]}", NULL);
    expect_keyword("{\"a\": {\"a\": \"red\"}}", NULL);
    expect_keyword("{\"a\": \"one\", \"a\": \"two\"}", "one");
    expect_keyword("{\"a\": 1, \"a\": \"two\"}", NULL);
    snprintf(longest, sizeof longest, "{\"a\": \"%0256d\"}", 1);
    assert_int_equal(value_of(NG_INDEX_KEYWORD, "a", longest).text_bytes, 256);
    snprintf(longest, sizeof longest, "{\"a\": \"%0257d\"}", 1);
    expect_keyword(longest, NULL);
}

static void test_integers(void **state)
{
    (void)state;
    expect_key(NG_INDEX_INTEGER, "0", ngi_field_key_integer(0));
    expect_key(NG_INDEX_INTEGER, "-0", ngi_field_key_integer(0));
    expect_key(NG_INDEX_INTEGER, "-5", ngi_field_key_integer(-5));
    expect_key(NG_INDEX_INTEGER, "9007199254740993", ngi_field_key_integer(9007199254740993));
    expect_key(NG_INDEX_INTEGER, "9223372036854775807", UINT64_MAX);
    expect_key(NG_INDEX_INTEGER, "-9223372036854775807", 1);
    expect_key(NG_INDEX_INTEGER, "9223372036854775808", 0);
    expect_key(NG_INDEX_INTEGER, "-9223372036854775808", 0);
    expect_key(NG_INDEX_INTEGER, "1.0", 0);
    expect_key(NG_INDEX_INTEGER, "1e3", 0);
    expect_key(NG_INDEX_INTEGER, "\"1\"", 0);
    assert_true(ngi_field_key_integer(-1) < ngi_field_key_integer(0));
    assert_true(ngi_field_key_integer(0) < ngi_field_key_integer(1));
    assert_int_equal(ngi_field_key_integer(INT64_MIN), 0);
}

static void test_floats(void **state)
{
    (void)state;
    const double ascending[] = {-INFINITY, -1e300, -2, -1e-300, 0, 5e-324, 1, 1.5, 1e300, INFINITY};
    for (size_t i = 1; i < sizeof ascending / sizeof *ascending; i++)
        assert_true(ngi_field_key_float(ascending[i - 1]) < ngi_field_key_float(ascending[i]));
    assert_int_equal(ngi_field_key_float(-0.0), ngi_field_key_float(0.0));
    assert_int_equal(ngi_field_key_float(NAN), 0);
    expect_key(NG_INDEX_FLOAT, "0.1", ngi_field_key_float(0.1));
    expect_key(NG_INDEX_FLOAT, "-12", ngi_field_key_float(-12));
    expect_key(NG_INDEX_FLOAT, "1e3", ngi_field_key_float(1000));
    expect_key(NG_INDEX_FLOAT, "1e999", 0); /* no payload that is valid JSON for the reader */
    expect_key(NG_INDEX_FLOAT, "\"1\"", 0);
}

static void test_times(void **state)
{
    (void)state;
    const struct {
        const char *data;
        int64_t us;
    } times[] = {
        {"\"1970-01-01\"", 0},
        {"\"1970-01-01T00:00:00Z\"", 0},
        {"\"1969-12-31T23:59:59.5Z\"", -500000},
        {"\"2000-02-29t12:00:00z\"", INT64_C(951825600000000)},
        {"\"2026-01-31T12:00:00.25+02:00\"", INT64_C(1769853600250000)},
        {"\"2026-01-31 12:00:00.1234567-00:30\"", INT64_C(1769862600123456)},
        {"\"0001-01-01\"", INT64_C(-62135596800000000)},
        {"0", 0},
        {"1769853600.25", INT64_C(1769853600250000)},
        {"-1.5", -1500000},
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        expect_key(NG_INDEX_TIME, times[i].data, ngi_field_key_integer(times[i].us));
    static const char *const none[] = {"\"2026-02-29\"",
                                       "\"2026-13-01\"",
                                       "\"2026-1-1\"",
                                       "\"2026-01-00\"",
                                       "\"2026-01-01T\"",
                                       "\"2026-01-01T24:00:00Z\"",
                                       "\"2026-01-01T00:00:00\"",
                                       "\"2026-01-01T00:00:00.Z\"",
                                       "\"2026-01-01T00:00:00Zx\"",
                                       "\"2026-01-01T00:00:00+24:00\"",
                                       "\"\"",
                                       "1e9",
                                       "9223372036854775807",
                                       "true"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        expect_key(NG_INDEX_TIME, none[i], 0);
}

static void test_paths(void **state)
{
    (void)state;
    static const char data[] =
        "{\"x\": {\"y\": {\"z\": 1}, \"q\": [{\"z\": 9}], \"z\": 2}, \"z\": 3, "
        "\"y\": {\"z\": 4}, \"\": 5, \"a b\": {\"c\": 6}}";
    assert_int_equal(value_of(NG_INDEX_INTEGER, "x.y.z", data).key, ngi_field_key_integer(1));
    assert_int_equal(value_of(NG_INDEX_INTEGER, "x.z", data).key, ngi_field_key_integer(2));
    assert_int_equal(value_of(NG_INDEX_INTEGER, "z", data).key, ngi_field_key_integer(3));
    assert_int_equal(value_of(NG_INDEX_INTEGER, "y.z", data).key, ngi_field_key_integer(4));
    assert_int_equal(value_of(NG_INDEX_INTEGER, "a b.c", data).key, ngi_field_key_integer(6));
    assert_int_equal(value_of(NG_INDEX_INTEGER, "x.q.z", data).key, 0);
    assert_int_equal(value_of(NG_INDEX_INTEGER, "x.y", data).key, 0);
    assert_int_equal(value_of(NG_INDEX_INTEGER, "x.y.z.w", data).key, 0);
    assert_int_equal(value_of(NG_INDEX_INTEGER, "y", data).key, 0);
    const char *deep = "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":7}}}}}}}}";
    assert_int_equal(value_of(NG_INDEX_INTEGER, "a.a.a.a.a.a.a.a", deep).key,
                     ngi_field_key_integer(7));
}

/* Several fields by one pass, and documents that are none. */
static void test_documents(void **state)
{
    (void)state;
    ngi_field_spec specs[3] = {{"n", "n", NG_INDEX_INTEGER}, {"w", "o.w", NG_INDEX_KEYWORD}};
    const ngi_field_spec *given[] = {&specs[0], NULL, &specs[1]};
    ngi_field_value out[3];
    static const char data[] = "{\"o\": {\"n\": 1, \"w\": \"x\"}, \"n\": 2}";
    ngi_fields_extract(given, 3, data, strlen(data), out);
    assert_int_equal(out[0].key, ngi_field_key_integer(2));
    assert_int_equal(out[1].key, 0);
    assert_int_equal(out[2].key, 1);
    static const char *const broken[] = {
        "",       "text",         "[1]",         "{\"n\": 2",
        "{} {}",  "{\"n\": 2} x", "{\"n\": 02}", "{\"n\":: 2}",
        "{n: 2}", "{\"n\": 2,}",  "7",           "{\"n\": 2, \"o\": [}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        ngi_fields_extract(given, 3, broken[i], strlen(broken[i]), out);
        assert_int_equal(out[0].key, 0);
    }
}

static void test_declarations(void **state)
{
    (void)state;
    const struct {
        ngi_field_spec spec;
        const char *part;
    } wrong[] = {
        {{"", "a", NG_INDEX_FLOAT}, "name of 0 bytes"},
        {{"A", "a", NG_INDEX_FLOAT}, "outside [a-z0-9_.-]"},
        {{"a", "", NG_INDEX_FLOAT}, "path has 0 bytes"},
        {{"a", "a..b", NG_INDEX_FLOAT}, "does not name 1..8 keys"},
        {{"a", ".a", NG_INDEX_FLOAT}, "does not name"},
        {{"a", "a.", NG_INDEX_FLOAT}, "does not name"},
        {{"a", "a.a.a.a.a.a.a.a.a", NG_INDEX_FLOAT}, "does not name"},
        {{"a", "a\tb", NG_INDEX_FLOAT}, "control code"},
        {{"a", "a", (ng_index_type)0}, "type 0 is outside 1..4"},
        {{"a", "a", (ng_index_type)5}, "type 5 is outside 1..4"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(ngi_field_validate(&wrong[i].spec), NG_E_INVALID);
        assert_non_null(strstr(ng_last_error(), wrong[i].part));
    }
    assert_string_equal(ngi_field_type_name(NG_INDEX_TIME), "time");
    assert_null(ngi_field_type_name((ng_index_type)9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keywords),     cmocka_unit_test(test_integers),
        cmocka_unit_test(test_floats),       cmocka_unit_test(test_times),
        cmocka_unit_test(test_paths),        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_declarations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
